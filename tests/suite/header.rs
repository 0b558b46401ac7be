//! The headers: they are what cbindgen makes of the source, and every dialect accepts them.

use std::fs;

use crate::library::{self, root};
use crate::suite::{Outcome, Suite};
use crate::tools::{COMPILERS, Compiler, compare_with_file, run};

/// A header, its configuration for cbindgen, and the files whose types and functions it shows.
struct Header {
    name: &'static str,
    config: &'static str,
    sources: &'static [&'static str],
}

const HEADERS: [Header; 2] = [
    Header {
        name: "ikcp.h",
        config: "cbindgen.toml",
        sources: &["core/src/abi.rs", "src/api.rs"],
    },
    Header {
        name: "ikcpx.h",
        config: "cbindgen-ikcpx.toml",
        sources: &[
            "core/src/extension/info.rs",
            "core/src/extras/stats.rs",
            "src/extensions.rs",
        ],
    },
];

pub fn add(suite: &mut Suite) {
    for header in HEADERS {
        let name = format!("header: {} is fresh", header.name);
        suite.test(name, move || is_fresh(&header));
    }
    suite.test(
        "header: names the version of the package",
        names_the_version,
    );
    for compiler in COMPILERS {
        for dialect in compiler.dialects {
            suite.test_unless(
                compiler.missing(),
                format!("header: {} -std={dialect}", compiler.command),
                move || compiles(compiler, dialect),
            );
        }
    }
}

fn is_fresh(header: &Header) -> Outcome {
    let mut builder = cbindgen::Builder::new()
        .with_config(cbindgen::Config::from_file(root().join(header.config))?);
    for source in header.sources {
        builder = builder.with_src(root().join(source));
    }
    let mut text = Vec::new();
    builder.generate()?.write(&mut text);
    let text = tidy(&String::from_utf8(text)?);
    let file = root().join("include").join(header.name);
    Ok(compare_with_file(&file, &text)?)
}

/// cbindgen writes each comment on at least three lines, without asterisks. This gives comments their usual form.
fn tidy(header: &str) -> String {
    let mut lines: Vec<String> = Vec::new();
    let mut comment: Option<(String, Vec<&str>)> = None;
    for line in header.lines() {
        let text = line.trim_start();
        let indent = &line[..line.len() - text.len()];
        match &mut comment {
            None if text == "/*" && !lines.is_empty() => {
                comment = Some((indent.to_string(), Vec::new()));
            }
            None => lines.push(line.to_string()),
            Some((indent, body)) if text == "*/" => {
                match body[..] {
                    [only] => lines.push(format!("{indent}/* {only} */")),
                    _ => {
                        lines.push(format!("{indent}/*"));
                        lines.extend(
                            body.iter()
                                .map(|text| format!("{indent} * {text}").trim_end().to_string()),
                        );
                        lines.push(format!("{indent} */"));
                    }
                }
                comment = None;
            }
            Some((_, body)) => body.push(text),
        }
    }
    lines.dedup_by(|next, line| next.is_empty() && line.is_empty());
    lines.join("\n") + "\n"
}

fn names_the_version() -> Outcome {
    let header = fs::read_to_string(root().join("include/ikcp.h"))?;
    let number = |part: &str| part.parse::<u32>();
    let code = number(env!("CARGO_PKG_VERSION_MAJOR"))? * 10_000
        + number(env!("CARGO_PKG_VERSION_MINOR"))? * 100
        + number(env!("CARGO_PKG_VERSION_PATCH"))?;
    for line in [
        format!(
            "#define IKCP_VERSION_STRING \"{}\"",
            env!("CARGO_PKG_VERSION")
        ),
        format!("#define IKCP_VERSION {code} "),
    ] {
        if !header.contains(&line) {
            return Err(format!("the header has no line {line:?}").into());
        }
    }
    Ok(())
}

/// The header twice in one file, after another project's copy of its typedefs and its list, in both layouts.
fn compiles(compiler: Compiler, dialect: &str) -> Outcome {
    for layout in [&[][..], &["-DIKCP_LAYOUT_211"][..]] {
        run(compiler
            .strict()
            .arg(format!("-std={dialect}"))
            .args([
                "-pedantic-errors",
                "-Wconversion",
                "-Wshadow",
                "-fsyntax-only",
            ])
            .args(layout)
            .arg(library::root().join("c-tests/header.c")))?;
    }
    Ok(())
}
