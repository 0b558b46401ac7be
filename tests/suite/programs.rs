//! The programs in c-tests: every compiler of this machine compiles each, and each is linked once with each file of the library.

use crate::library::{ALL, DEFAULT, Flavour, LAYOUT_211};
use crate::suite::{Extent, Outcome, Suite};
use crate::tools::{COMPILERS, Compiler, Linkage};

/// A program and how it is built.
struct Program {
    source: &'static [&'static str],
    /// C, C++ or both: a program that is valid in both runs as both.
    c: bool,
    cxx: bool,
    /// The flavours of the library in which the program runs.
    flavours: &'static [Flavour],
}

const fn in_all(source: &'static [&'static str]) -> Program {
    Program {
        source,
        c: true,
        cxx: true,
        flavours: &ALL,
    }
}

const PROGRAMS: [Program; 7] = [
    in_all(&["functions.c"]),
    in_all(&["embedder.c"]),
    in_all(&["included.c"]),
    in_all(&["extensions.c"]),
    // The older profiles have no hooks.
    Program {
        flavours: &[DEFAULT, LAYOUT_211],
        ..in_all(&["congestion.c"])
    },
    Program {
        flavours: &[DEFAULT],
        ..in_all(&["header.c"])
    },
    Program {
        c: false,
        flavours: &[DEFAULT, LAYOUT_211],
        ..in_all(&["cxx.cpp"])
    },
];

/// The search for a packet whose cost grows with the window. It measures time, so it runs once.
fn worst_packet() -> Outcome {
    let [gcc, ..] = COMPILERS;
    gcc.link(&["cost/worst_packet.c"], DEFAULT, Linkage::Static)?
        .run(&["--check"])?;
    Ok(())
}

pub fn add(suite: &mut Suite) {
    let [gcc, ..] = COMPILERS;
    suite.test_unless(
        gcc.missing(),
        "cost/worst_packet.c: no packet costs more where the window is larger".to_string(),
        worst_packet,
    );
    for program in PROGRAMS {
        for compiler in COMPILERS {
            if !(if compiler.cxx { program.cxx } else { program.c }) {
                continue;
            }
            for &flavour in program.flavours {
                for linkage in [Linkage::Static, Linkage::Shared] {
                    let name = format!(
                        "{}: {}, {}, {linkage:?}",
                        program.source[0], compiler.command, flavour.name
                    );
                    // The compilers agree on the library's layouts.
                    let extent = match (flavour, compiler.command) {
                        (DEFAULT, "gcc" | "g++") => Extent::Short,
                        _ => Extent::Full,
                    };
                    suite.test_in(extent, compiler.missing(), name, move || {
                        passes(compiler, program.source, flavour, linkage)
                    });
                }
            }
        }
    }
}

fn passes(
    compiler: Compiler,
    source: &'static [&'static str],
    flavour: Flavour,
    linkage: Linkage,
) -> Outcome {
    compiler.link(source, flavour, linkage)?.run::<&str>(&[])?;
    Ok(())
}
