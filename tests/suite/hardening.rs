//! The programs that try to break the library: the register of deviations, callbacks that do everything or are left or parked,
//! memory that runs out, threads. Each runs plain, under AddressSanitizer with the library instrumented as well, and under
//! valgrind; those with threads also run under ThreadSanitizer and helgrind.

use std::env::consts;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use crate::library::{self, DEFAULT, Flavour, LAYOUT_211, PROFILE_17, PROFILE_171};
use crate::memo::Memo;
use crate::suite::{Extent, Outcome, Suite};
use crate::tools::{COMPILERS, Compiler, answers, run};

/// A program in c-tests and its arguments when it runs plain, instrumented, and emulated.
struct Program {
    source: &'static str,
    plain: &'static [&'static str],
    instrumented: &'static [&'static str],
    emulated: &'static [&'static str],
    /// The flavours of the library in which the program runs.
    flavours: &'static [Flavour],
    threads: bool,
}

const EVERYWHERE: [Flavour; 4] = [DEFAULT, PROFILE_171, PROFILE_17, LAYOUT_211];

const fn program(source: &'static str) -> Program {
    Program {
        source,
        plain: &[],
        instrumented: &[],
        emulated: &[],
        flavours: &EVERYWHERE,
        threads: false,
    }
}

const fn in_default(source: &'static str) -> Program {
    Program {
        flavours: &[DEFAULT],
        ..program(source)
    }
}

const PROGRAMS: [Program; 26] = [
    program("deviations/d01_small_mtu.c"),
    program("deviations/d02_reentry.c"),
    program("deviations/d03_long_log_line.c"),
    program("deviations/d04_no_memory.c"),
    program("deviations/d05_wide_window.c"),
    program("deviations/d06_stale_una.c"),
    program("deviations/d07_impossible_arguments.c"),
    program("deviations/d08_huge_round_trips.c"),
    program("deviations/d09_pacing.c"),
    Program {
        // The other parts pass gigabytes.
        emulated: &["linked"],
        ..in_default("deviations/d10_long_message.c")
    },
    program("deviations/d11_null_buffer.c"),
    program("deviations/d12_edited_timers.c"),
    program("deviations/d13_flood.c"),
    Program {
        plain: &["600"],
        instrumented: &["300"],
        emulated: &["5", "1", "20"],
        ..program("callbacks/reentry.c")
    },
    Program {
        // Shorter sessions where each step takes long.
        emulated: &["1", "60"],
        ..program("callbacks/leave.c")
    },
    program("callbacks/back_to_back.c"),
    program("callbacks/found.c"),
    in_default("callbacks/nested.c"),
    in_default("callbacks/left.cpp"),
    in_default("callbacks/parked.cpp"),
    in_default("callbacks/thrown.cpp"),
    Program {
        // The number of programs. IKCP_SEED repeats a run, IKCP_STORM=n plays n times as many.
        plain: &["300"],
        instrumented: &["150"],
        emulated: &["15"],
        ..program("callbacks/storm.cpp")
    },
    Program {
        plain: &["200"],
        instrumented: &["100"],
        emulated: &["5"],
        ..program("callbacks/list_edits.c")
    },
    Program {
        // The distance between two allocations that are tried.
        plain: &["3"],
        instrumented: &["7"],
        emulated: &["200"],
        ..program("memory/exhaustion.c")
    },
    Program {
        emulated: &["3"],
        threads: true,
        ..in_default("threads/sessions.c")
    },
    Program {
        emulated: &["40"],
        threads: true,
        ..in_default("threads/readers.c")
    },
];

impl Program {
    /// Programs in C++ switch stacks, with functions that some systems lack or deprecate.
    fn missing(&self) -> Option<String> {
        let lacking = self.source.ends_with(".cpp") && consts::OS != "linux";
        lacking.then(|| format!("no ucontext.h on {}", consts::OS))
    }
}

/// How a program is built and run.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    Plain(Flavour),
    Sanitized(Sanitizer),
    Emulated(&'static str),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Sanitizer {
    Address,
    Thread,
}

pub fn add(suite: &mut Suite) {
    let [gcc, gxx, clang, clangxx] = COMPILERS;
    let valgrind = lacks("valgrind");
    for program in &PROGRAMS {
        let (gcc, clang) = if program.source.ends_with(".cpp") {
            (gxx, clangxx)
        } else {
            (gcc, clang)
        };
        for &flavour in program.flavours {
            case(suite, program, gcc, Way::Plain(flavour), None);
        }
        case(suite, program, clang, Way::Plain(DEFAULT), None);
        let address = Way::Sanitized(Sanitizer::Address);
        case(suite, program, clang, address, Sanitizer::Address.missing());
        case(
            suite,
            program,
            gcc,
            Way::Emulated("memcheck"),
            valgrind.clone(),
        );
        if program.threads {
            let lack = Sanitizer::Thread.missing();
            case(
                suite,
                program,
                clang,
                Way::Sanitized(Sanitizer::Thread),
                lack,
            );
            case(
                suite,
                program,
                gcc,
                Way::Emulated("helgrind"),
                valgrind.clone(),
            );
        }
    }
}

fn case(
    suite: &mut Suite,
    program: &'static Program,
    compiler: Compiler,
    way: Way,
    lack: Option<String>,
) {
    let how = match way {
        Way::Plain(flavour) => flavour.name.to_string(),
        Way::Sanitized(sanitizer) => format!("{sanitizer:?}Sanitizer"),
        Way::Emulated(tool) => tool.to_string(),
    };
    // Plain runs find most. A sanitizer needs a build of its own, and valgrind takes ten times as long.
    let extent = match way {
        Way::Plain(DEFAULT) if ["gcc", "g++"].contains(&compiler.command) => Extent::Short,
        _ => Extent::Full,
    };
    suite.test_in(
        extent,
        compiler.missing().or(program.missing()).or(lack),
        format!("{}: {}, {how}", program.source, compiler.command),
        move || passes(program, compiler, way),
    );
}

fn passes(program: &Program, compiler: Compiler, way: Way) -> Outcome {
    let flavour = match way {
        Way::Plain(flavour) => flavour,
        _ => DEFAULT,
    };
    let archive = match way {
        Way::Sanitized(sanitizer) => sanitizer.archive()?,
        _ => flavour.library()?.archive,
    };
    let folder = library::scratch().join("hardening");
    fs::create_dir_all(&folder)?;
    let variant = match way {
        Way::Sanitized(sanitizer) => format!("{sanitizer:?}"),
        _ => flavour.name.to_string(),
    };
    let how = match way {
        Way::Emulated(tool) => tool,
        _ => "native",
    };
    let name = program.source.replace(['/', '.'], "_");
    let path = folder.join(format!("{name}-{}-{variant}-{how}", compiler.command));
    let mut command = compiler.strict();
    command
        .args(["-O1", "-g", "-fno-omit-frame-pointer", "-pthread"])
        .args(flavour.defines.iter().map(|define| format!("-D{define}")));
    if let Way::Sanitized(sanitizer) = way {
        command.arg(format!("-fsanitize={}", sanitizer.flag()));
        if sanitizer == Sanitizer::Thread {
            command.arg(library::root().join("c-tests/threads/tsan_memory.c"));
        }
    }
    command
        .arg(library::root().join("c-tests").join(program.source))
        .args(["-x", "none"])
        .arg(archive)
        .arg("-o")
        .arg(&path);
    run(&mut command)?;

    let mut command = match way {
        Way::Emulated(tool) => valgrind(tool),
        _ => Command::new(&path),
    };
    if let Way::Emulated(_) = way {
        command.arg(&path);
    }
    command.args(match way {
        Way::Plain(_) => program.plain,
        Way::Sanitized(_) => program.instrumented,
        Way::Emulated(_) => program.emulated,
    });
    run(&mut command)?;
    Ok(())
}

fn valgrind(tool: &str) -> Command {
    let mut command = Command::new("valgrind");
    command
        .args(["-q", "--error-exitcode=9"])
        .arg(format!("--tool={tool}"));
    if tool == "memcheck" {
        command.args([
            "--leak-check=full",
            "--show-leak-kinds=all",
            "--errors-for-leak-kinds=all",
        ]);
    }
    command
}

fn lacks(tool: &str) -> Option<String> {
    (!answers(&mut Command::new(tool))).then(|| format!("no {tool}"))
}

impl Sanitizer {
    fn flag(self) -> &'static str {
        match self {
            Sanitizer::Address => "address",
            Sanitizer::Thread => "thread",
        }
    }

    /// Only the nightly compiler of Rust has sanitizers.
    fn missing(self) -> Option<String> {
        static MISSING: Memo<(), Option<String>> = Memo::new();
        MISSING.get((), || {
            if (consts::OS, consts::ARCH) != ("linux", "x86_64") {
                return Some(format!("no sanitizers on {} {}", consts::OS, consts::ARCH));
            }
            (!answers(&mut nightly())).then(|| "no nightly Rust".to_string())
        })
    }

    /// The static library, instrumented.
    fn archive(self) -> Result<PathBuf, String> {
        static BUILT: Memo<Sanitizer, Result<PathBuf, String>> = Memo::new();
        BUILT.get(self, || {
            let target = "x86_64-unknown-linux-gnu";
            let folder = library::scratch().join(format!("library/{}", self.flag()));
            // The precompiled `core` is not instrumented, which the compiler must be told.
            let flags = format!(
                "-Zsanitizer={} -Cunsafe-allow-abi-mismatch=sanitizer",
                self.flag()
            );
            run(nightly()
                .args([
                    "rustc",
                    "--release",
                    "--lib",
                    "--locked",
                    "--crate-type=staticlib",
                ])
                .args(["--target", target, "--target-dir"])
                .arg(&folder)
                .env("RUSTFLAGS", flags))?;
            Ok(folder.join(target).join("release/libkcp.a"))
        })
    }
}

/// Cargo of the nightly toolchain, whichever toolchain runs this test.
fn nightly() -> Command {
    let mut command = Command::new("rustup");
    command
        .args(["run", "nightly", "cargo"])
        .current_dir(library::root());
    command
}
