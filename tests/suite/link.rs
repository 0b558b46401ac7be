//! What must link and what must not.

use std::fs;
use std::path::PathBuf;

use crate::library::{self, DEFAULT};
use crate::suite::{Extent, Outcome, Suite};
use crate::tools::{COMPILERS, run};

pub fn add(suite: &mut Suite) {
    let [gcc, ..] = COMPILERS;
    suite.test_unless(
        gcc.missing(),
        "link: a program of the 2.1.1 layout refuses a library of the default one",
        other_layout_is_refused,
    );
    suite.test_in(
        Extent::Full,
        gcc.missing(),
        "link: a debug build serves C programs too",
        debug_build,
    );
    suite.test_unless(
        gcc.missing(),
        "link: the example of the README compiles",
        readme_example,
    );
}

fn folder() -> Result<PathBuf, std::io::Error> {
    let folder = library::scratch().join("link");
    fs::create_dir_all(&folder)?;
    Ok(folder)
}

/// Such a program would write its callbacks to fields that the library does not read.
fn other_layout_is_refused() -> Outcome {
    let [gcc, ..] = COMPILERS;
    let library = DEFAULT.library()?;
    for file in [library.archive, library.shared] {
        let result = run(gcc
            .strict()
            .arg("-DIKCP_LAYOUT_211")
            .arg(library::root().join("c-tests/layout.c"))
            .arg(&file)
            .arg("-o")
            .arg(folder()?.join("refused")));
        match result {
            Err(text) if text.contains("ikcp_create_layout_211") => {}
            Err(text) => return Err(text.into()),
            Ok(_) => return Err(format!("it links with {}", file.display()).into()),
        }
    }
    Ok(())
}

/// A build without LTO would refer to Rust's unwinder if nothing were done about that.
fn debug_build() -> Outcome {
    let [gcc, ..] = COMPILERS;
    let target = library::scratch().join("library/debug-build");
    run(library::cargo()
        .args(["build", "--lib", "--locked", "--target-dir"])
        .arg(&target))?;
    let files = target.join("debug");
    for (file, search) in [("libkcp.a", None), ("libkcp.so", Some(&files))] {
        let program = folder()?.join(format!("debug-{file}"));
        run(gcc
            .strict()
            .arg(library::root().join("c-tests/functions.c"))
            .arg(files.join(file))
            .arg("-o")
            .arg(&program))?;
        let mut command = std::process::Command::new(&program);
        command.env_remove("LD_LIBRARY_PATH");
        command.envs(search.map(|folder| ("LD_LIBRARY_PATH", folder)));
        run(&mut command)?;
    }
    Ok(())
}

fn readme_example() -> Outcome {
    let readme = fs::read_to_string(library::root().join("README.md"))?;
    let example = readme
        .split("```c\n")
        .nth(1)
        .and_then(|rest| rest.split("```").next())
        .ok_or("the README has no example in C")?;
    let source = folder()?.join("readme.c");
    fs::write(&source, example)?;
    // As written, in C and in C++.
    for compiler in COMPILERS
        .iter()
        .filter(|compiler| compiler.missing().is_none())
    {
        run(compiler.strict().arg("-fsyntax-only").arg(&source))?;
    }
    Ok(())
}
