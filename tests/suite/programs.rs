//! The programs in c-tests: each is compiled by every compiler there is, and linked once with each file of the library.

use crate::library::{ALL, DEFAULT, Flavour, LAYOUT_211};
use crate::suite::{Extent, Outcome, Suite};
use crate::tools::{COMPILERS, Compiler, Linkage};

/// A program and where it makes sense.
struct Program {
    source: &'static [&'static str],
    /// C, C++ or both: a program in C that is also C++ runs as both.
    c: bool,
    cxx: bool,
    /// In all flavours of the library or in the default only.
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
    // Without hooks there is nothing to be seen in the older profiles.
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

/// The search for a packet that costs more where the window is larger: a matter of time, so once.
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
                    // The compilers agree on the library's layouts, so one of them speaks for all.
                    let extent = match (flavour, compiler.command) {
                        (DEFAULT, _) | (_, "gcc") => Extent::Short,
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
