//! What `pack` writes: a small static library that every linker links, as usual and whole, into programs and shared objects,
//! together with other Rust; a prefix for all symbols; and the interface, which abidiff compares with a record.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use object::read::archive::ArchiveFile;

use crate::library::{self, ALL, DEFAULT, Flavour, LAYOUT_211, PROFILE_17, packed, root};
use crate::memo::Memo;
use crate::suite::{Extent, Outcome, Suite};
use crate::symbols;
use crate::tools::{lacks, run};

const LINKERS: [&str; 4] = ["bfd", "gold", "lld", "mold"];
const PREFIX: &str = "mygame_";

pub fn add(suite: &mut Suite) {
    let elf = || symbols::missing().or(lacks(&["gcc"]));
    for flavour in ALL {
        suite.test_in(
            flavour.extent(),
            elf(),
            format!("archive: small and complete, {}", flavour.name),
            move || small(flavour),
        );
    }
    suite.test_unless(
        elf().or(lacks(&["cmake", "ar"])),
        "archive: small without GNU ld, by CMake",
        small_without_gnu_ld,
    );
    for linker in LINKERS {
        let missing = || elf().or(lacks(&[&format!("ld.{linker}")]));
        let mut test = |name: &str, test: fn(&str) -> Outcome| {
            // All linkers do the same with the same files.
            let extent = match (linker, name) {
                ("bfd", "whole in a program") => Extent::Short,
                _ => Extent::Full,
            };
            suite.test_in(
                extent,
                missing(),
                format!("archive: {name}, {linker}"),
                move || test(linker),
            );
        };
        test("whole in a program", whole_program);
        test("whole in a shared object", whole_shared_object);
        test("whole beside other Rust", beside_other_rust);
        test("whole beside itself with a prefix", beside_a_prefix);
        test("the stub misses the library", stub_misses_the_library);
    }
    suite.test_unless(
        elf(),
        "archive: a shared object without the library shows with -z defs",
        nothing_linked,
    );
    for flavour in [DEFAULT, PROFILE_17, LAYOUT_211] {
        suite.test_in(
            Extent::Full,
            elf().or(lacks(&["g++"])),
            format!("archive: programs of the prefixed header, {}", flavour.name),
            move || prefixed(flavour),
        );
    }
    suite.test_unless(
        elf(),
        "archive: a prefix that no name has is refused",
        || match library::packed(DEFAULT, "my-") {
            Err(text) if text.contains("expected the beginning of a C name") => Ok(()),
            other => Err(format!("{other:?}").into()),
        },
    );
    suite.test_in(
        Extent::Full,
        elf(),
        "archive: a library that cargo builds elsewhere is not taken for an earlier one",
        built_elsewhere,
    );
    for change in [
        "",
        "CHANGED_STREAM",
        "CHANGED_UPDATED",
        "CHANGED_RTO_MAX=500",
        "CHANGED_INTERVAL_MIN=1",
        "CHANGED_INTERVAL_MIN=5",
        "CHANGED_FRAGMENTS=32",
        "CHANGED_GET_CONV=0",
        "CHANGED_GET_CONV=1",
        "CHANGED_ACCESS",
    ] {
        suite.test_in(
            Extent::Full,
            elf(),
            format!("archive: a program for a changed copy, {change}"),
            move || changed(change),
        );
    }
    let x86_64 = || {
        (!cfg!(all(target_os = "linux", target_arch = "x86_64")))
            .then(|| "the interface was recorded on x86-64 Linux".to_string())
    };
    let abidiff = || x86_64().or(lacks(&["gcc", "abidw", "abidiff"]));
    for flavour in [DEFAULT, LAYOUT_211] {
        suite.test_in(
            flavour.extent(),
            abidiff(),
            format!(
                "archive: the interface is the recorded one, {}",
                flavour.name
            ),
            move || same_interface(flavour),
        );
    }
    suite.test_in(
        Extent::Full,
        abidiff(),
        "archive: abidiff sees another interface",
        other_interface,
    );
}

fn folder() -> Result<PathBuf, std::io::Error> {
    let folder = library::scratch().join("archive");
    fs::create_dir_all(&folder)?;
    Ok(folder)
}

fn archive(flavour: Flavour, prefix: &'static str) -> Result<PathBuf, String> {
    Ok(packed(flavour, prefix)?.join("lib/libkcp.a"))
}

/// gcc with strict warnings and the packed headers before those of the source.
fn gcc(packed: &Path) -> Command {
    let mut command = Command::new("gcc");
    command
        .args([
            "-std=gnu11",
            "-O1",
            "-Wall",
            "-Wextra",
            "-Wpedantic",
            "-Werror",
            "-I",
        ])
        .arg(packed.join("include"))
        .arg("-I")
        .arg(root().join("c-tests"));
    command
}

/// Links all of an archive, used or not.
fn whole(command: &mut Command, archives: &[&Path]) {
    command
        .arg("-Wl,--whole-archive")
        .args(archives)
        .arg("-Wl,--no-whole-archive");
}

fn runs(program: &Path, search: Option<&Path>) -> Outcome {
    let mut command = Command::new(program);
    command.env_remove("LD_LIBRARY_PATH");
    command.envs(search.map(|folder| ("LD_LIBRARY_PATH", folder)));
    run(&mut command)?;
    Ok(())
}

/// The two members that are ours, and the golden symbols.
fn small(flavour: Flavour) -> Outcome {
    let data = fs::read(archive(flavour, "")?)?;
    if data.len() > 168_000 {
        return Err(format!("it has {} bytes", data.len()).into());
    }
    let members = members(&data)?;
    if members != ["kcp.o", "ikcp_log.o"] {
        return Err(format!("its members are {members:?}").into());
    }
    symbols::compare(flavour, symbols::of_archive(&data)?)
}

fn members(data: &[u8]) -> Result<Vec<String>, object::Error> {
    let archive = ArchiveFile::parse(data)?;
    archive
        .members()
        .map(|member| Ok(String::from_utf8_lossy(member?.name()).into_owned()))
        .collect()
}

/// What CMake does where it cannot combine the archive into one object, as on macOS.
fn small_without_gnu_ld() -> Outcome {
    let to = folder()?.join("without-gnu-ld.a");
    let mut command = Command::new("cmake");
    for (name, value) in [
        ("FROM", &*DEFAULT.library()?.archive),
        ("TO", &*to),
        ("AR", Path::new("ar")),
    ] {
        command.arg(format!("-D{name}={}", value.display()));
    }
    run(command.arg("-P").arg(root().join("cmake/shrink.cmake")))?;
    let data = fs::read(to)?;
    let members = members(&data)?;
    match &members[..] {
        [kcp, log] if kcp.starts_with("kcp.") && log.ends_with("ikcp_log.o") => {}
        _ => return Err(format!("its members are {members:?}").into()),
    }
    symbols::compare(DEFAULT, symbols::of_archive(&data)?)
}

fn whole_program(linker: &str) -> Outcome {
    let packed = packed(DEFAULT, "")?;
    for (number, options) in [&[][..], &["-no-pie"], &["-static"], &["-Wl,--gc-sections"]]
        .into_iter()
        .enumerate()
    {
        let program = folder()?.join(format!("whole-{linker}-{number}"));
        let mut command = gcc(&packed);
        command.arg(root().join("c-tests/functions.c"));
        whole(&mut command, &[&packed.join("lib/libkcp.a")]);
        command.arg(format!("-fuse-ld={linker}")).args(options);
        run(command.arg("-o").arg(&program))?;
        runs(&program, None)?;
    }
    Ok(())
}

/// It exports the golden symbols and no other, it loads, and programs work with it.
fn whole_shared_object(linker: &str) -> Outcome {
    let packed = packed(DEFAULT, "")?;
    let folder = folder()?.join(linker);
    fs::create_dir_all(&folder)?;
    let shared = folder.join("libwhole.so");
    let mut command = gcc(&packed);
    command.args(["-shared", "-Wl,-z,defs"]);
    whole(&mut command, &[&packed.join("lib/libkcp.a")]);
    run(command
        .arg(format!("-fuse-ld={linker}"))
        .arg("-o")
        .arg(&shared))?;
    symbols::compare(DEFAULT, symbols::of_shared(&fs::read(&shared)?)?)?;

    let program = folder.join("program");
    run(gcc(&packed)
        .arg(root().join("c-tests/functions.c"))
        .arg(&shared)
        .arg("-o")
        .arg(&program))?;
    runs(&program, Some(&folder))
}

/// A static library in Rust with `std`, which panics and catches the panic: it must keep its own unwinder.
fn other_rust() -> Result<PathBuf, String> {
    static OTHER: Memo<(), Result<PathBuf, String>> = Memo::new();
    OTHER.get((), || {
        let folder = folder().map_err(|error| error.to_string())?;
        let source = folder.join("other.rs");
        let text = "#[unsafe(no_mangle)]\npub extern \"C\" fn other_catches() -> i32 {\n    \
                    std::panic::set_hook(Box::new(|_| {}));\n    \
                    std::panic::catch_unwind(|| panic!(\"caught\")).is_err() as i32\n}\n";
        fs::write(&source, text).map_err(|error| error.to_string())?;
        let archive = folder.join("libother.a");
        let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
        run(Command::new(rustc)
            .args(["--edition=2024", "-O", "--crate-type=staticlib"])
            .arg(&source)
            .arg("-o")
            .arg(&archive))?;
        Ok(archive)
    })
}

/// Our library whole, then both libraries whole, in either order.
fn beside_other_rust(linker: &str) -> Outcome {
    let packed = packed(DEFAULT, "")?;
    let ours = packed.join("lib/libkcp.a");
    let other = other_rust()?;
    let source = folder()?.join(format!("beside-{linker}.c"));
    fs::write(
        &source,
        "#include \"ikcp.h\"\nint other_catches(void);\nint main(void)\n{\n    ikcpcb *kcp = ikcp_create(1, NULL);\n    \
         int sent = ikcp_send(kcp, \"hello\", 5);\n    ikcp_release(kcp);\n    \
         return sent == 5 && other_catches() ? 0 : 1;\n}\n",
    )?;
    for number in 0..3 {
        let program = folder()?.join(format!("beside-{linker}-{number}"));
        let mut command = gcc(&packed);
        command.arg(&source);
        match number {
            0 => {
                whole(&mut command, &[&ours]);
                command.arg(&other);
            }
            1 => whole(&mut command, &[&ours, &other]),
            _ => whole(&mut command, &[&other, &ours]),
        }
        command
            .arg(format!("-fuse-ld={linker}"))
            .args(["-lpthread", "-ldl", "-lm"]);
        run(command.arg("-o").arg(&program))?;
        runs(&program, None)?;
    }
    Ok(())
}

/// Two copies of the library in one program: a connection of each, and separate allocators.
fn beside_a_prefix(linker: &str) -> Outcome {
    let (plain, prefixed) = (packed(DEFAULT, "")?, packed(PROFILE_17, PREFIX)?);
    let folder = folder()?.join(format!("two-{linker}"));
    fs::create_dir_all(&folder)?;
    let text = "#include \"ikcp.h\"\nint NAME(void);\nint NAME(void)\n{\n    ikcpcb *kcp = ikcp_create(1, NULL);\n    \
                int sent = ikcp_send(kcp, \"hello\", 5);\n    ikcp_log(kcp, 1, \"%d\", sent);\n    \
                ikcp_release(kcp);\n    return IKCP_PROFILE * 10 + sent;\n}\n";
    for (name, packed) in [("plain", &plain), ("prefixed", &prefixed)] {
        let source = folder.join(format!("{name}.c"));
        fs::write(&source, text)?;
        run(gcc(packed)
            .arg(format!("-DNAME={name}"))
            .arg("-c")
            .arg(&source)
            .arg("-o")
            .arg(folder.join(format!("{name}.o"))))?;
    }
    let main = folder.join("main.c");
    fs::write(
        &main,
        "int plain(void);\nint prefixed(void);\nint main(void)\n{\n    \
         return plain() == 2115 && prefixed() == 1700 ? 0 : 1;\n}\n",
    )?;
    let program = folder.join("program");
    let mut command = gcc(&plain);
    command
        .arg(&main)
        .args([folder.join("plain.o"), folder.join("prefixed.o")]);
    whole(
        &mut command,
        &[&plain.join("lib/libkcp.a"), &prefixed.join("lib/libkcp.a")],
    );
    run(command
        .arg(format!("-fuse-ld={linker}"))
        .arg("-o")
        .arg(&program))?;
    runs(&program, None)
}

/// The archive before the objects, as some build systems order them: the shared object lacks the library and fails when it is
/// loaded. `-z defs` makes that an error of the linker.
fn nothing_linked() -> Outcome {
    let packed = packed(DEFAULT, "")?;
    let source = folder()?.join("plug.c");
    fs::write(
        &source,
        "#include \"ikcp.h\"\nvoid *plug(void);\nvoid *plug(void)\n{\n    return ikcp_create(1, NULL);\n}\n",
    )?;
    let object = folder()?.join("plug.o");
    run(gcc(&packed)
        .args(["-fPIC", "-c"])
        .arg(&source)
        .arg("-o")
        .arg(&object))?;
    let archive = packed.join("lib/libkcp.a");
    let out = folder()?.join("plug.so");
    let link = |defs: bool, files: [&Path; 2]| {
        let mut command = Command::new("gcc");
        command.arg("-shared").args(files).arg("-o").arg(&out);
        if defs {
            command.arg("-Wl,-z,defs");
        }
        run(&mut command)
    };
    link(false, [&archive, &object])?;
    match link(true, [&archive, &object]) {
        Err(text) if text.contains("ikcp_create") => {}
        other => return Err(format!("-z defs: {other:?}").into()),
    }
    link(true, [&object, &archive])?;
    Ok(())
}

/// If the stub ikcp.c is compiled into a shared object, the linker itself reports that the library is missing or in the wrong
/// place; Python and others cannot use `-z defs`. For libkcp.so there is IKCP_SHARED.
fn stub_misses_the_library(linker: &str) -> Outcome {
    for prefix in ["", PREFIX] {
        let packed = packed(DEFAULT, prefix)?;
        let folder = folder()?.join(format!("stub-{linker}{prefix}"));
        fs::create_dir_all(&folder)?;
        let object = |define: &str| -> Result<PathBuf, String> {
            let object = folder.join(format!("stub{define}.o"));
            run(gcc(&packed)
                .args(["-fPIC", define, "-c"])
                .arg(packed.join("include/ikcp.c"))
                .arg("-o")
                .arg(&object))?;
            Ok(object)
        };
        let link = |files: &[&Path]| {
            run(Command::new("gcc")
                .arg("-shared")
                .args(files)
                .arg(format!("-fuse-ld={linker}"))
                .arg("-o")
                .arg(folder.join("plug.so")))
        };
        let archive = packed.join("lib/libkcp.a");
        let stub = object("-DNOTHING")?;
        for files in [&[&*stub][..], &[&archive, &stub]] {
            match link(files) {
                Err(text) if text.contains("libkcp_a_is_not_linked") => {}
                // lld searches archives again, so it finds the library in either place.
                Ok(_) if linker != "bfd" && linker != "gold" && files.len() == 2 => {}
                other => return Err(format!("{files:?}: {other:?}").into()),
            }
        }
        link(&[&stub, &archive])?;
        link(&[&object("-DIKCP_SHARED")?, &packed.join("lib/libkcp.so")])?;
    }
    Ok(())
}

/// With its `--target` behind `--`, where pack does not see it, pack wrote the library of an earlier run beside a new header.
fn built_elsewhere() -> Outcome {
    let folder = folder()?.join("elsewhere");
    let earlier = folder.join("pack/release");
    fs::create_dir_all(&earlier)?;
    fs::copy(DEFAULT.library()?.archive, earlier.join("libkcp.a"))?;
    let told = run(Command::new("rustc").arg("-vV"))?;
    let host = told.lines().find_map(|line| line.strip_prefix("host: "));
    let host = host.ok_or("rustc does not name its host")?;
    let packed = run(library::cargo()
        .args(["run", "--quiet", "--locked", "-p", "pack", "--"])
        .args(["--prefix", PREFIX, "--", "--locked", "--target", host])
        .env("CARGO_TARGET_DIR", &folder));
    match packed {
        Err(text) if text.contains("cargo built no static library") => Ok(()),
        other => Err(format!("{other:?}").into()),
    }
}

/// Every symbol has the prefix, in both files, and programs in C and C++ that do not mention the prefix work with both.
fn prefixed(flavour: Flavour) -> Outcome {
    let packed = packed(flavour, PREFIX)?;
    let archive = packed.join("lib/libkcp.a");
    let shared = packed.join("lib/libkcp.so");
    for found in [
        symbols::of_archive(&fs::read(&archive)?)?,
        symbols::of_shared(&fs::read(&shared)?)?,
    ] {
        let mut plain = Vec::new();
        for line in found {
            let (kind, name) = line.split_once(' ').ok_or("a line without a name")?;
            let name = name
                .strip_prefix(PREFIX)
                .ok_or_else(|| format!("{name} has no prefix"))?;
            plain.push(format!("{kind} {name}"));
        }
        symbols::compare(flavour, plain)?;
    }
    for source in ["functions.c", "included.c", "embedder.c", "cxx.cpp"] {
        if source == "cxx.cpp" && flavour == PROFILE_17 {
            continue; // it expects the default
        }
        for file in [&archive, &shared] {
            let program = folder()?.join(format!("prefixed-{}-{source}", flavour.name));
            let mut command = match source.ends_with(".c") {
                true => gcc(&packed),
                false => Command::new("g++"),
            };
            command.arg("-I").arg(packed.join("include"));
            command.arg("-I").arg(root().join("c-tests"));
            command.arg(root().join("c-tests").join(source)).arg(file);
            run(command.arg("-o").arg(&program))?;
            runs(&program, shared.parent())?;
        }
    }
    Ok(())
}

/// examples/changed/changed.h with one change or none, by itself and with a header that renames functions too.
fn changed(change: &str) -> Outcome {
    for (flavour, prefix) in [(DEFAULT, ""), (LAYOUT_211, PREFIX)] {
        let packed = packed(flavour, prefix)?;
        let program = folder()?.join(format!("changed-{change}-{}", flavour.name));
        let mut command = gcc(&packed);
        command
            .arg("-include")
            .arg(root().join("examples/changed/changed.h"));
        if !change.is_empty() {
            command.arg(format!("-D{change}"));
        }
        run(command
            .arg(root().join("tests/consumers/changed/changed.c"))
            .arg(packed.join("lib/libkcp.a"))
            .arg("-o")
            .arg(&program))?;
        runs(&program, None)?;
    }
    Ok(())
}

/// A shared object for abidw: the whole library, and a pointer to each function with the type that the header gives it. abidw reads
/// only debug information of C, and through the pointers it reaches all types of the functions.
fn doors(flavour: Flavour) -> Result<PathBuf, String> {
    // Two tests look at one of them.
    static DOORS: Memo<Flavour, Result<PathBuf, String>> = Memo::new();
    DOORS.get(flavour, || {
        make_doors(flavour).map_err(|error| error.to_string())
    })
}

fn make_doors(flavour: Flavour) -> Result<PathBuf, Box<dyn std::error::Error>> {
    let packed = packed(flavour, "")?;
    let golden = symbols::golden()?;
    let mut text = String::from("#include \"ikcp.c\"\n#include \"ikcpx.h\"\n");
    for name in golden.lines().filter_map(|line| line.strip_prefix("T ")) {
        let door = format!("__typeof__(&{name}) door_of_{name}");
        text += &format!("extern {door};\n{door} = {name};\n");
    }
    text += "extern IKCPSEG *segment;\nIKCPSEG *segment;\n";
    text += "extern struct IKCPX_CCINFO *info;\nstruct IKCPX_CCINFO *info;\n";
    let source = folder()?.join(format!("doors-{}.c", flavour.name));
    fs::write(&source, text)?;
    let shared = source.with_extension("so");
    let mut command = gcc(&packed);
    // The record names the file without the folder of this machine.
    command.arg(format!("-fdebug-prefix-map={}=.", folder()?.display()));
    command
        .args(["-g", "-shared", "-fPIC", "-Wl,-soname,doors.so"])
        .arg(&source);
    whole(&mut command, &[&packed.join("lib/libkcp.a")]);
    run(command.arg("-o").arg(&shared))?;
    Ok(shared)
}

fn record(flavour: Flavour) -> PathBuf {
    root().join(format!("tests/golden/abi-{}.xml", flavour.name))
}

fn same_interface(flavour: Flavour) -> Outcome {
    let shared = doors(flavour)?;
    if std::env::var_os("IKCP_BLESS").is_some() {
        run(Command::new("abidw")
            .args(["--no-corpus-path", "--no-comp-dir-path", "--no-show-locs"])
            .arg("--out-file")
            .arg(record(flavour))
            .arg(&shared))?;
    }
    run(Command::new("abidiff").arg(record(flavour)).arg(&shared))?;
    Ok(())
}

/// The other layout differs from this record.
fn other_interface() -> Outcome {
    match run(Command::new("abidiff")
        .arg(record(DEFAULT))
        .arg(doors(LAYOUT_211)?))
    {
        Err(text) if text.contains("struct IKCPCB") => Ok(()),
        other => Err(format!("{other:?}").into()),
    }
}
