//! The installed tree: its files, its static library with every linker, and the headers with every compiler.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::consumers::{Cmake, STATIC, plain};
use crate::library::{DEFAULT, root};
use crate::suite::{Extent, Outcome, Suite};
use crate::symbols;
use crate::tools::{COMPILERS, Compiler, compare_with_file, lacks, run};

pub fn add(suite: &mut Suite) {
    suite.test_in(
        Extent::Full,
        lacks(&["cmake", "gcc", "g++", "nm"]),
        "installed: files, and what is in them",
        files,
    );
    for linker in ["bfd", "gold", "lld"] {
        for compiler in COMPILERS {
            let linker_command = format!("ld.{linker}");
            suite.test_in(
                Extent::Full,
                lacks(&["cmake", compiler.command, &linker_command]),
                format!("installed: libkcp.a, {}, {linker}", compiler.command),
                move || links(compiler, linker),
            );
        }
    }
    for compiler in COMPILERS.into_iter().filter(|compiler| compiler.cxx) {
        for dialect in ["c++17", "c++20", "c++2b"] {
            suite.test_in(
                Extent::Full,
                lacks(&["cmake", compiler.command]),
                format!("installed: kcp.hpp, {} -std={dialect}", compiler.command),
                move || cxx_header(compiler, dialect),
            );
        }
    }
    for compiler in COMPILERS {
        suite.test_unless(
            compiler.missing(),
            format!(
                "installed: beside another project's typedefs, {}",
                compiler.command
            ),
            move || beside(compiler),
        );
    }
}

/// The paths of all files below a folder, sorted.
fn listing(folder: &Path) -> Result<Vec<String>, Box<dyn std::error::Error>> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(&next)? {
            let path = entry?.path();
            match path.is_dir() {
                true => folders.push(path),
                false => found.push(path.strip_prefix(folder)?.display().to_string()),
            }
        }
    }
    found.sort();
    Ok(found)
}

/// The names of the files, the headers byte for byte, and a static library that holds little more than the public names.
fn files() -> Outcome {
    let (_, prefix) = Cmake::own().installed(STATIC)?;
    let found = listing(&prefix)?.join("\n") + "\n";
    compare_with_file(&root().join("tests/golden/installed.txt"), &found)?;
    for name in ["ikcp.h", "ikcpx.h", "ikcp.c", "kcp.hpp"] {
        let source = root().join("include").join(name);
        if fs::read(&source)? != fs::read(prefix.join("include").join(name))? {
            return Err(format!("include/{name} is not the one of the source").into());
        }
    }

    let archive = prefix.join("lib/libkcp.a");
    let size = fs::metadata(&archive)?.len();
    if size > 300_000 {
        return Err(format!("libkcp.a has {size} bytes").into());
    }
    let wrote = run(Command::new("nm").args(["-g", "-P"]).arg(&archive))?;
    let mut defined = Vec::new();
    for line in wrote.lines() {
        match line.split(' ').collect::<Vec<_>>()[..] {
            [name, "U", ..] => {
                let of_libc = [
                    "abort",
                    "free",
                    "malloc",
                    "memcmp",
                    "memcpy",
                    "memmove",
                    "memset",
                    "vsnprintf",
                ];
                if !of_libc.contains(&name) {
                    return Err(format!("libkcp.a needs {name}").into());
                }
            }
            ["libkcp_a_is_not_linked", ..] => {} // hidden
            [name, kind, ..] => {
                let kind = if kind == "R" { "D" } else { kind };
                defined.push(format!("{kind} {name}"));
            }
            _ => {} // the name of the member
        }
    }
    defined.sort_by(|a, b| a[2..].cmp(&b[2..]));
    symbols::compare(DEFAULT, defined)
}

/// The stripped library, linked as usual, without position independence, fully static, and with unused sections removed.
fn links(compiler: Compiler, linker: &str) -> Outcome {
    let cmake = Cmake::own();
    let (_, prefix) = cmake.installed(STATIC)?;
    let folder = cmake.folder("links");
    fs::create_dir_all(&folder)?;
    for (number, options) in [
        &["-pie", "-fPIE"][..],
        &["-no-pie"],
        &["-static"],
        &["-Wl,--gc-sections"],
    ]
    .into_iter()
    .enumerate()
    {
        let program = folder.join(format!("{}-{linker}-{number}", compiler.command));
        plain(
            compiler
                .strict()
                .arg(root().join("tests/consumers/program/program.c"))
                .args(["-x", "none"])
                .arg(prefix.join("lib/libkcp.a"))
                .arg(format!("-fuse-ld={linker}"))
                .args(options)
                .arg("-o")
                .arg(&program),
        )?;
        plain(&mut Command::new(&program))?;
    }
    Ok(())
}

fn cxx_header(compiler: Compiler, dialect: &str) -> Outcome {
    let cmake = Cmake::own();
    let (_, prefix) = cmake.installed(STATIC)?;
    let folder = cmake.folder("kcp_hpp");
    fs::create_dir_all(&folder)?;
    for (number, options) in [
        &[
            "-g",
            "-fsanitize=address,undefined",
            "-fno-sanitize-recover=all",
        ][..],
        &["-O2", "-fno-exceptions", "-fno-rtti"],
    ]
    .into_iter()
    .enumerate()
    {
        let program = folder.join(format!("{}-{dialect}-{number}", compiler.command));
        plain(
            compiler
                .strict()
                .arg(format!("-std={dialect}"))
                .args(["-Wconversion", "-Wshadow"])
                .args(options)
                .arg(root().join("tests/consumers/kcp_hpp/kcp_hpp.cpp"))
                .args(["-x", "none"])
                .arg(prefix.join("lib/libkcp.a"))
                .arg("-o")
                .arg(&program),
        )?;
        plain(&mut Command::new(&program))?;
    }
    Ok(())
}

/// The header before and after another project's header with a complete copy of its typedefs and its list.
fn beside(compiler: Compiler) -> Outcome {
    for dialect in compiler.dialects {
        for order in ["-DOTHER_FIRST", "-DOTHER_LAST"] {
            run(compiler
                .strict()
                .args([
                    "-Wconversion",
                    "-Wshadow",
                    "-fsyntax-only",
                    "-pedantic-errors",
                ])
                .arg(format!("-std={dialect}"))
                .arg(order)
                .arg(root().join("tests/consumers/beside/beside.c")))?;
        }
    }
    Ok(())
}
