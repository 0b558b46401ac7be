//! The documents: generated pages are fresh, tables are what programs print, commands run as written, links lead somewhere, and
//! both languages agree.

mod api;

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::checkout::checkout;
use crate::library::{DEFAULT, root};
use crate::suite::{Extent, Outcome, Suite};
use crate::tools::{COMPILERS, Linkage, compare_with_file, lacks, run_within};

/// The project of migrating.md before the change, with the original's files; those must not be compiled.
const VENDORED: &str = "rm -rf ../game && mkdir ../game && cp app.c ../game/main.c\n\
                        echo '#error the old one' | tee ../game/ikcp.h > ../game/ikcp.c\n";
const PACKAGE: &str = "rm -rf ../game ../kcp && mkdir ../game && cp app.c ../game/main.c\n\
                       printf '%s\\n' 'cmake_minimum_required(VERSION 3.16)' 'project(game C)' \\\n  \
                       'find_package(kcp CONFIG REQUIRED)' 'add_executable(game main.c)' \\\n  \
                       'target_link_libraries(game PRIVATE kcp::kcp)' > ../game/CMakeLists.txt\n";

/// The sections of migrating.md on build systems, with the project of each in tests/consumers/builds and the commands it needs.
const BUILDS: [(&str, &str, &[&str]); 9] = [
    ("### Make", "make", &["make", "nm"]),
    ("### configure", "configure", &["make", "autoreconf"]),
    ("### CMake", "cmake", &["cmake"]),
    ("### CMake, a shared library", "cmake_shared", &["cmake"]),
    ("### setuptools", "setuptools", &["python3"]),
    (
        "### node-gyp",
        "node_gyp",
        &["node", "npx", "make", "g++", "python3"],
    ),
    ("### PHP", "php", &["php", "phpize", "make"]),
    ("### Go", "go", &["go"]),
    ("### Cargo build scripts", "cargo", &[]),
];

/// What a build needs besides commands.
fn missing_parts(project: &str) -> Option<String> {
    let (there, part) = match project {
        "setuptools" => {
            let import = Command::new("python3")
                .args(["-c", "import setuptools"])
                .output();
            (
                import.is_ok_and(|output| output.status.success()),
                "no setuptools",
            )
        }
        "node_gyp" => (
            Path::new("/usr/include/node/node_api.h").exists(),
            "no headers of Node.js",
        ),
        _ => return None,
    };
    (!there).then(|| part.to_string())
}

pub fn add(suite: &mut Suite) {
    let [gcc, ..] = COMPILERS;
    suite.test(
        "docs: api.md is made of the header's comments",
        api_is_fresh,
    );
    suite.test(
        "docs: both languages have the same headings, code and numbers",
        languages_agree,
    );
    suite.test(
        "docs: links lead to files and headings",
        links_lead_somewhere,
    );
    suite.test("docs: the changelog begins with this version", changelog);
    suite.test(
        "docs: the table of the README has the figures of performance.md",
        first_screen,
    );
    suite.test_unless(
        gcc.missing(),
        "docs: tuning.md has the figures that its commands print",
        tuning,
    );
    suite.test_unless(
        lacks(&["cc", "bash"]),
        "docs: the commands of the README that link",
        || commands("README.md", "## Get it", ""),
    );
    suite.test_unless(
        lacks(&["cc", "bash"]),
        "docs: migrating.md, vendored files",
        || commands("docs/migrating.md", "## From vendored files", VENDORED),
    );
    for (section, project, tools) in BUILDS {
        let extent = if project == "make" {
            Extent::Short
        } else {
            Extent::Full
        };
        suite.test_in(
            extent,
            lacks(&["cc", "bash"])
                .or(lacks(tools))
                .or(missing_parts(project)),
            format!("docs: migrating.md, {}", section.trim_start_matches("### ")),
            move || {
                let before = format!(
                    "rm -rf ../game && cp -R tests/consumers/builds/{project} ../game\n\
                     mkdir -p ../game/kcp && echo '#error the old one' | tee ../game/ikcp.h ../game/ikcp.c ../game/kcp/ikcp.c\n\
                     cargo run -p pack\nexport KCP=$PWD/target/kcp\n"
                );
                commands("docs/migrating.md", section, &before)
            },
        );
    }
    suite.test_in(
        Extent::Full,
        lacks(&["cc", "bash"]),
        "docs: migrating.md, changed copies",
        || commands("docs/migrating.md", "## Changed copies", ""),
    );
    suite.test_in(
        Extent::Full,
        lacks(&["cc", "bash", "mcs", "mono"]),
        "docs: the library for ET",
        || commands("examples/et/README.md", "## A library for ET", ""),
    );
    suite.test_in(
        Extent::Full,
        lacks(&["cc", "bash", "cmake"]),
        "docs: migrating.md, a package",
        || commands("docs/migrating.md", "## From vcpkg or Conan", PACKAGE),
    );
}

fn read(name: &str) -> Result<String, String> {
    fs::read_to_string(root().join(name)).map_err(|error| format!("{name}: {error}"))
}

fn api_is_fresh() -> Outcome {
    let page = api::page(&read("include/ikcp.h")?, &read("include/ikcpx.h")?)?;
    Ok(compare_with_file(&root().join("docs/api.md"), &page)?)
}

/// Each line of a document, and whether it is in a code block (including the fences).
fn lines(text: &str) -> impl Iterator<Item = (&str, bool)> {
    let mut code = false;
    text.lines().map(move |line| {
        let fence = line.starts_with("```");
        let was = code;
        code ^= fence;
        (line, was || fence)
    })
}

fn headings(text: &str) -> impl Iterator<Item = &str> {
    lines(text)
        .filter(|(line, code)| !code && line.starts_with('#'))
        .map(|(line, _)| line)
}

/// English pages that have a Chinese one.
const TRANSLATED: [&str; 6] = [
    "README",
    "docs/api",
    "docs/connection",
    "docs/doctor",
    "docs/migrating",
    "docs/tuning",
];

/// Both languages have the same levels of headings, the same code, and the same numbers in tables.
fn languages_agree() -> Outcome {
    for name in TRANSLATED {
        let english = read(&format!("{name}.md"))?;
        let chinese = read(&format!("{name}.zh-CN.md"))?;
        agree(&english, &chinese).map_err(|difference| format!("{name}: {difference}"))?;
    }
    Ok(())
}

fn agree(english: &str, chinese: &str) -> Result<(), String> {
    let levels = |text: &str| -> Vec<String> {
        headings(text)
            .map(|line| line.chars().take_while(|&c| c == '#').collect())
            .collect()
    };
    let code = |text: &str| -> Vec<String> {
        lines(text)
            .filter(|(_, code)| *code)
            .map(|(line, _)| line.to_string())
            .collect()
    };
    let numbers = |text: &str| -> Vec<String> {
        lines(text)
            .filter(|(line, code)| !code && line.starts_with('|'))
            .map(|(line, _)| {
                let digits = line.split(|c: char| !c.is_ascii_digit() && c != '.');
                let mut numbers: Vec<&str> = digits
                    .map(|part| part.trim_matches('.'))
                    .filter(|part| !part.is_empty())
                    .collect();
                numbers.sort_unstable(); // the order of words differs between the languages
                numbers.join(" ")
            })
            .collect()
    };
    for (what, one, other) in [
        ("headings", levels(english), levels(chinese)),
        ("code", code(english), code(chinese)),
        ("rows of tables", numbers(english), numbers(chinese)),
    ] {
        if what == "headings" && one.is_empty() {
            return Err("no headings".into());
        }
        if let Some((one, other)) = one.iter().zip(&other).find(|(one, other)| one != other) {
            return Err(format!("{what}: {one:?} and {other:?}"));
        }
        if one.len() != other.len() {
            return Err(format!("{what}: {} and {}", one.len(), other.len()));
        }
    }
    Ok(())
}

/// All documents of the project.
fn documents() -> Result<Vec<PathBuf>, Box<dyn Error>> {
    let mut found = Vec::new();
    let mut folders = vec![root().to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder)? {
            let path = entry?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            if path.is_dir() {
                let foreign = ["target", "build", "vendor", "node_modules"].contains(&&*name);
                if !foreign && !name.starts_with('.') {
                    folders.push(path);
                }
            } else if name.ends_with(".md") {
                found.push(path);
            }
        }
    }
    Ok(found)
}

/// The anchor that GitHub makes of a heading.
fn anchor(heading: &str) -> String {
    heading
        .trim_start_matches('#')
        .trim()
        .to_lowercase()
        .chars()
        .filter(|&c| c.is_alphanumeric() || " -_".contains(c))
        .map(|c| if c == ' ' { '-' } else { c })
        .collect()
}

fn links_lead_somewhere() -> Outcome {
    let mut dead = Vec::new();
    let mut followed = 0;
    for document in documents()? {
        let text = fs::read_to_string(&document)?;
        let folder = document.parent().unwrap_or(root());
        for (line, _) in lines(&text).filter(|(_, code)| !code) {
            for link in line.split("](").skip(1) {
                let link = link.split(')').next().unwrap_or_default();
                if link.contains("://") {
                    continue;
                }
                let (file, heading) = link.split_once('#').unwrap_or((link, ""));
                let target = match file {
                    "" => document.clone(),
                    file => folder.join(file),
                };
                let there = match heading {
                    "" => target.exists(),
                    heading => fs::read_to_string(&target)
                        .is_ok_and(|text| headings(&text).any(|line| anchor(line) == heading)),
                };
                followed += 1;
                if !there {
                    let name = document.strip_prefix(root()).unwrap_or(&document);
                    dead.push(format!("{}: {link}", name.display()));
                }
            }
        }
    }
    match (dead.is_empty(), followed) {
        (true, 10..) => Ok(()),
        (true, _) => Err(format!("only {followed} links").into()),
        _ => Err(dead.join("\n").into()),
    }
}

/// The first version of the changelog is that of the package.
fn changelog() -> Outcome {
    let text = read("CHANGELOG.md")?;
    let version = env!("CARGO_PKG_VERSION");
    match headings(&text).nth(1) {
        Some(first) if first.starts_with(&format!("## {version}")) => Ok(()),
        other => Err(format!("{other:?} is not {version}").into()),
    }
}

/// The rows of performance.md from which the rows of the README are made, in the README's order.
const FIRST_SCREEN: [&str; 5] = [
    "1,376 B, no loss, 20 ms, window 1,024",
    "1,376 B, 1 % loss, 20 to 40 ms, window 1,024",
    "1,376 B, 1 % loss, 20 to 40 ms, window 8,192",
    "memory of an idle connection",
    "stripped libkcp.so",
];

/// Ratios are rounded up by at most a third, kilobytes to the nearest. The Chinese table has the same numbers (see `agree`).
fn first_screen() -> Outcome {
    let (readme, performance) = (read("README.md")?, read("docs/performance.md")?);
    let cells = |line: &str| -> Vec<String> {
        line.split('|')
            .map(|cell| cell.trim().to_string())
            .collect()
    };
    let number = |cell: &str| -> Result<f64, String> {
        let digits = cell.split(' ').next().unwrap_or_default().replace(',', "");
        digits
            .parse()
            .map_err(|_| format!("{cell:?} is not a number"))
    };
    let shown = readme.lines().skip_while(|line| !line.starts_with("|---"));
    for (line, name) in shown.skip(1).zip(FIRST_SCREEN) {
        let measured = performance
            .lines()
            .map(cells)
            .find(|row| row.len() > 5 && row[1] == name)
            .ok_or_else(|| format!("performance.md has no {name}"))?;
        let (ours, original) = (number(&measured[4])?, number(&measured[5])?);
        let row = cells(line);
        let (left, right) = (number(&row[2])?, number(&row[3])?);
        let agrees = if left == 1.0 {
            (0.67..=1.0).contains(&(ours / original / right))
        } else if row[3].ends_with("KB") {
            (left, right) == ((original / 1e3).round(), (ours / 1e3).round())
        } else {
            (left, right) == (original, ours)
        };
        if !agrees {
            return Err(format!("{line}\nbut {ours} and {original} in performance.md").into());
        }
    }
    Ok(())
}

/// After each `target/tuning NAME` comes the table that this command prints.
fn tuning() -> Outcome {
    let [gcc, ..] = COMPILERS;
    let program = gcc.link(&["../examples/tuning/tuning.c"], DEFAULT, Linkage::Static)?;
    let text = read("docs/tuning.md")?;
    let mut found = String::new();
    let mut printed: Option<String> = None; // replaces the next table
    let mut replacing = false; // within a table that was replaced
    let mut tables = 0;
    for (line, code) in lines(&text) {
        if let (Some(arguments), true) = (line.strip_prefix("target/tuning "), code) {
            printed = Some(program.run(&arguments.split(' ').collect::<Vec<_>>())?);
        }
        if line.starts_with('|') && !code {
            if let Some(table) = printed.take() {
                found.push_str(&table);
                tables += 1;
                replacing = true;
            }
        } else {
            replacing = false;
        }
        if !replacing {
            found.push_str(line);
            found.push('\n');
        }
    }
    if tables < 10 || printed.is_some() {
        return Err(
            format!("{tables} tables, and one command without a table: {printed:?}").into(),
        );
    }
    Ok(compare_with_file(&root().join("docs/tuning.md"), &found)?)
}

/// Runs the commands of one section, as written, in a fresh copy of the sources.
fn commands(document: &str, section: &str, before: &str) -> Outcome {
    let text = read(document)?;
    let (_, section) = text
        .split_once(&format!("\n{section}\n"))
        .ok_or_else(|| format!("{document} has no {section}"))?;
    let section = section.split("\n## ").next().unwrap_or_default();
    let section = section.split("\n### ").next().unwrap_or_default();
    let mut script = String::from(before);
    let mut shell = false;
    for line in section.lines() {
        if line.starts_with("```") {
            shell = line == "```sh";
        } else if shell {
            script += line;
            script.push('\n');
        }
    }
    let (tree, _turn) = checkout()?;
    let app = "#include <stdio.h>\n#include \"ikcp.h\"\nint main(void)\n{\n    ikcpcb *kcp = ikcp_create(1, NULL);\n    \
               printf(\"it runs: %d\\n\", ikcp_send(kcp, \"hello\", 5));\n    ikcp_release(kcp);\n    return 0;\n}\n";
    fs::write(tree.join("app.c"), app)?;
    let wrote = run_within(
        Command::new("bash")
            .args(["-e", "-u", "-o", "pipefail", "-c", &script])
            .env_remove("LD_LIBRARY_PATH")
            .env_remove("CARGO_TARGET_DIR")
            .current_dir(&tree),
        Duration::from_secs(600),
    )?;
    match wrote.contains("it runs: 5") {
        true => Ok(()),
        false => Err(wrote.into()),
    }
}
