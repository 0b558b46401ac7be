//! The programs in c-tests: each is compiled by every compiler there is, and linked once with each file of the library.

use crate::library::{ALL, DEFAULT, Flavour};
use crate::suite::{Outcome, Suite};
use crate::tools::{COMPILERS, Compiler, Linkage};

/// A program and where it makes sense.
struct Program {
    source: &'static str,
    /// C, C++ or both: a program in C that is also C++ runs as both.
    c: bool,
    cxx: bool,
    /// In all flavours of the library or in the default only.
    flavours: &'static [Flavour],
}

const PROGRAMS: [Program; 2] = [
    Program {
        source: "functions.c",
        c: true,
        cxx: true,
        flavours: &ALL,
    },
    Program {
        source: "header.c",
        c: true,
        cxx: true,
        flavours: &[DEFAULT],
    },
];

pub fn add(suite: &mut Suite) {
    for program in PROGRAMS {
        for compiler in COMPILERS {
            if !(if compiler.cxx { program.cxx } else { program.c }) {
                continue;
            }
            for &flavour in program.flavours {
                for linkage in [Linkage::Static, Linkage::Shared] {
                    let name = format!(
                        "{}: {}, {}, {linkage:?}",
                        program.source, compiler.command, flavour.name
                    );
                    suite.test_unless(compiler.missing(), name, move || {
                        passes(compiler, program.source, flavour, linkage)
                    });
                }
            }
        }
    }
}

fn passes(compiler: Compiler, source: &str, flavour: Flavour, linkage: Linkage) -> Outcome {
    compiler.link(source, flavour, linkage)?.run::<&str>(&[])?;
    Ok(())
}
