//! The tests of the units in examples/stack: plain, under sanitizers and under valgrind, with each compiler in at least one of
//! these ways; and the figures of their README.

use std::env;
use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::library::{self, DEFAULT, root};
use crate::memo::Memo;
use crate::sessions;
use crate::suite::{Extent, Outcome, Suite};
use crate::tools::{COMPILERS, Compiler, compare_with_file, lacks, run};

/// How the units and their tests are compiled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Build {
    name: &'static str,
    flags: &'static str,
}

const PLAIN: Build = Build {
    name: "plain",
    flags: "-O2 -g -Werror",
};
const SANITIZED: Build = Build {
    name: "sanitized",
    flags: "-O1 -g -fno-omit-frame-pointer -Werror -fsanitize=address,undefined -fno-sanitize-recover",
};

/// Builds whose packets have room for more than Ethernet's.
const ROOMS: [Build; 2] = [
    Build {
        name: "4000",
        flags: "-O1 -Werror -DPACKET_LARGEST=4000",
    },
    Build {
        name: "8972",
        flags: "-O1 -Werror -DPACKET_LARGEST=8972",
    },
];

/// What the short run has: a client and a server, with all units at work.
const SHORT: &str = "session";

/// Tests that take half a minute or more under valgrind, or in which something must happen in time.
const SLOW: [&str; 10] = [
    "attack_tcp",
    "crowd",
    "hostile_client",
    "hostile_door",
    "hostile_server",
    "hostile_way",
    "login",
    "mtu_ways",
    "probes",
    "session",
];

pub fn add(suite: &mut Suite) {
    let [gcc, gxx, clang, _] = COMPILERS;
    let tests = tests();
    let seed = sessions::seed();
    // The tests mostly wait for packets and timeouts, so each build and each compiler occurs once.
    for (compiler, build) in [(gcc, PLAIN), (clang, SANITIZED)] {
        let lack = lacks_any(compiler, build);
        for test in &tests {
            let name = format!("stack: {test}, {}, {}", compiler.command, build.name);
            let test = test.clone();
            let extent = if build == PLAIN && test == SHORT {
                Extent::Short
            } else {
                Extent::Full
            };
            suite.test_in(extent, lack.clone(), name, move || {
                passes(&test, compiler.command, build, &[], seed)
            });
        }
    }
    let lack = lacks_any(gcc, PLAIN);
    for test in tests {
        if SLOW.contains(&test.as_str()) {
            continue;
        }
        let lack = lack.clone().or_else(|| lacks(&["valgrind"]));
        let name = format!("stack: {test}, valgrind");
        suite.test_in(Extent::Full, lack, name, move || {
            let valgrind = ["valgrind", "-q", "--leak-check=full", "--error-exitcode=9"];
            passes(&test, gcc.command, PLAIN, &valgrind, seed)
        });
    }
    suite.test_in(
        Extent::Full,
        lack.clone(),
        "stack: each unit works with those alone that its first line names",
        alone,
    );
    suite.test_unless(
        lack.clone(),
        "stack: README.md has the figures that fec prints",
        figures,
    );
    suite.test_unless(
        lack.or_else(|| gxx.missing()),
        "stack: every header serves C++, whose client talks to the server",
        from_cxx,
    );
    // The server once named a size for which the client had no room.
    suite.test_in(
        Extent::Full,
        lacks_any(gcc, PLAIN).or_else(|| gxx.missing()),
        "stack: clients and servers with room for packets of other sizes serve each other",
        rooms,
    );
    suite.test_in(
        Extent::Full,
        lacks_any(gcc, PLAIN).or_else(|| lacks(&["mcs", "mono"])),
        "stack: a client in C# talks to the server",
        from_csharp,
    );
}

fn lacks_any(compiler: Compiler, build: Build) -> Option<String> {
    compiler
        .missing()
        .or_else(lacks_library)
        .or_else(|| lacks_flags(compiler.command, build))
}

fn folder() -> PathBuf {
    root().join("examples/stack")
}

/// The names of the tests, which are files of the folder.
fn tests() -> Vec<String> {
    let files = fs::read_dir(folder().join("tests")).expect("the tests of examples/stack");
    let mut names: Vec<String> = files
        .filter_map(|file| Some(file.ok()?.file_name().to_str()?.strip_suffix(".c")?.into()))
        .collect();
    assert!(names.len() >= 5, "only these tests: {names:?}");
    names.sort();
    names
}

/// What a machine lacks for all units: some system calls exist only on Linux.
fn lacks_library() -> Option<String> {
    static LACKING: Memo<(), Option<String>> = Memo::new();
    LACKING.get((), || {
        if env::consts::OS != "linux" {
            return Some(format!("no recvmmsg on {}", env::consts::OS));
        }
        let compiler = COMPILERS
            .iter()
            .find(|compiler| !compiler.cxx && compiler.missing().is_none());
        lacks(&["make"]).or_else(|| {
            let includes = Command::new(compiler?.command)
                .args(["-include", "sodium.h", "-fsyntax-only", "-x", "c"])
                .arg("/dev/null")
                .output();
            let there = includes.is_ok_and(|output| output.status.success());
            (!there).then(|| "no libsodium".to_string())
        })
    })
}

/// A compiler may be installed without the libraries of its sanitizers.
fn lacks_flags(compiler: &str, build: Build) -> Option<String> {
    let made = Command::new(compiler)
        .args(build.flags.split(' '))
        .args([
            "-shared",
            "-fPIC",
            "-o",
            "/dev/null",
            "-x",
            "c",
            "/dev/null",
        ])
        .output();
    let works = made.is_ok_and(|output| output.status.success());
    (!works).then(|| format!("no sanitizers for {compiler}"))
}

/// The folder with programs and tests, built by the first test that asks.
fn built(compiler: &'static str, build: Build) -> Result<PathBuf, String> {
    static BUILT: Memo<(&'static str, Build), Result<PathBuf, String>> = Memo::new();
    BUILT.get((compiler, build), || {
        let to = library::scratch().join(format!("stack/{compiler}-{}", build.name));
        make_in(&to, compiler, build, &["all".into(), "tests".into()])?;
        Ok(to)
    })
}

/// Runs one test, with `runner` before its command. Random tests print their seed; the argument of `crowd` is another.
fn passes(test: &str, compiler: &'static str, build: Build, runner: &[&str], seed: u64) -> Outcome {
    let program = built(compiler, build)?.join(format!("test_{test}"));
    let mut command = match runner {
        [] => Command::new(&program),
        [tool, arguments @ ..] => {
            let mut command = Command::new(tool);
            command.args(arguments).arg(&program);
            command
        }
    };
    if test != "crowd" {
        command.arg(seed.to_string());
    }
    run(command.env_remove("LD_LIBRARY_PATH"))?;
    Ok(())
}

/// What the first comment of a unit's header says: the units and libraries that it needs, or that it is part of another unit.
fn needs(header: &str) -> Option<(Vec<String>, Vec<String>)> {
    let line = header.strip_prefix("/* ")?.split_once(". */")?.0;
    let line = line.split_whitespace().collect::<Vec<_>>().join(" ");
    let (units, libraries) = line.split_once("; needs ").unwrap_or((&line, ""));
    let units = units.strip_prefix("Can be taken alone")?;
    let units = units.strip_prefix(", with ").unwrap_or(units);
    let list = |text: &str, by: &str| -> Vec<String> {
        let names = text.split(by).filter(|name| !name.is_empty());
        names.map(String::from).collect()
    };
    Some((list(units, ", "), list(libraries, " and ")))
}

/// Each unit is copied to an empty folder, together with only what its first line names. No symbol is missing there.
fn alone() -> Outcome {
    let [gcc, ..] = COMPILERS;
    let library = DEFAULT.library()?;
    let mut count = 0;
    for file in fs::read_dir(folder())? {
        let file = file?.path();
        let name = file
            .file_stem()
            .and_then(|name| name.to_str())
            .unwrap_or("");
        if file.extension().is_none_or(|extension| extension != "h") {
            continue;
        }
        let text = fs::read_to_string(&file)?;
        if text.starts_with("/* Part of ") {
            continue;
        }
        let (units, libraries) = needs(&text).ok_or(format!(
            "{name}.h does not say what it needs in its first line"
        ))?;
        let to = library::scratch().join(format!("stack/alone/{name}"));
        fs::create_dir_all(&to)?;
        let mut command = Command::new(gcc.command);
        command.args([
            "-std=c99",
            "-D_GNU_SOURCE",
            "-Wall",
            "-Wextra",
            "-Wpedantic",
            "-Werror",
            "-O0",
        ]);
        command.args(["-shared", "-fPIC", "-Wl,-z,defs", "-o", "unit.so"]);
        let mut sources = 0;
        for unit in units.iter().map(String::as_str).chain([name]) {
            for extension in ["h", "c"] {
                let part = format!("{unit}.{extension}");
                if folder().join(&part).exists() {
                    fs::copy(folder().join(&part), to.join(&part))?;
                    if extension == "c" {
                        command.arg(part);
                        sources += 1;
                    }
                }
            }
        }
        if sources == 0 {
            command.args(["-x", "c", &format!("{name}.h"), "-x", "none"]);
            command.args(["-fsyntax-only"]);
        }
        for needed in &libraries {
            match needed.as_str() {
                "KCP" => command
                    .arg(format!("-I{}", root().join("include").display()))
                    .arg(&library.archive)
                    .args(["-lpthread", "-lm"]),
                "libsodium" => command.arg("-lsodium"),
                other => return Err(format!("{name}.h needs {other}, which is unknown").into()),
            };
        }
        run(command.current_dir(&to))?;
        count += 1;
    }
    assert!(count > 20, "only {count} units");
    Ok(())
}

/// Builds a target of the Makefile that is not built with the rest.
fn make(target: &str) -> Result<PathBuf, String> {
    let [gcc, ..] = COMPILERS;
    let to = built(gcc.command, PLAIN)?;
    make_in(&to, gcc.command, PLAIN, &[to.join(target)])?;
    Ok(to)
}

/// Builds targets of the Makefile, or files of the folder.
fn make_in(to: &Path, compiler: &str, build: Build, targets: &[PathBuf]) -> Result<(), String> {
    let [_, gxx, ..] = COMPILERS;
    let jobs = thread::available_parallelism().map_or(1, usize::from);
    run(Command::new("make")
        .arg("-C")
        .arg(folder())
        .arg(format!("-j{jobs}"))
        .args(targets)
        .arg(format!("CC={compiler}"))
        .arg(format!("CXX={}", gxx.command))
        .arg(format!("CFLAGS={}", build.flags))
        .arg(format!("KCP_LIBS={}", DEFAULT.library()?.archive.display()))
        .arg(format!("BUILD={}", to.display()))
        // Those of cargo, if make runs cargo.
        .env_remove("MAKEFLAGS")
        .env_remove("MFLAGS"))?;
    Ok(())
}

/// A server of the programs on a port of its own, which ends with this.
struct Chat {
    server: Child,
    port: u16,
    key: String,
}

impl Drop for Chat {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

impl Chat {
    fn start(programs: &Path, name: &str) -> Result<Chat, String> {
        let port = TcpListener::bind("127.0.0.1:0")
            .and_then(|listener| listener.local_addr())
            .map_err(|error| error.to_string())?
            .port();
        let file = programs.join(format!("{name}.key"));
        let _ = fs::remove_file(&file);
        let key = run(Command::new(programs.join("server")).arg("key").arg(&file))?;
        let server = Command::new(programs.join("server"))
            .arg(port.to_string())
            .arg(&file)
            .arg("sesame")
            .stdout(Stdio::null())
            .spawn()
            .map_err(|error| error.to_string())?;
        let key = key.trim().to_string();
        let chat = Chat { server, port, key };
        // A client that comes before the server listens is refused.
        let patience = Instant::now() + Duration::from_secs(20);
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            if Instant::now() > patience {
                return Err("the server does not listen".to_string());
            }
            thread::sleep(Duration::from_millis(20));
        }
        Ok(chat)
    }

    /// Runs a client that logs in, and succeeds when each channel has brought back what it said.
    fn talk(&self, client: &mut Command) -> Outcome {
        run(client.arg("127.0.0.1").arg(self.port.to_string()).args([
            self.key.as_str(),
            "somebody",
            "sesame",
        ]))?;
        Ok(())
    }
}

/// All headers in one file of C++, and the client that is written in it.
fn from_cxx() -> Outcome {
    let [_, gxx, ..] = COMPILERS;
    let programs = make("talk")?;
    let mut all = String::new();
    for file in fs::read_dir(folder())? {
        let name = file?.file_name().into_string().unwrap_or_default();
        if name.ends_with(".h") {
            all += &format!("#include \"{name}\"\n");
        }
    }
    let source = programs.join("headers.cpp");
    fs::write(&source, all)?;
    run(Command::new(gxx.command)
        .args(["-std=c++11", "-Wall", "-Wextra", "-Werror", "-fsyntax-only"])
        .arg(format!("-I{}", root().join("include").display()))
        .arg(format!("-I{}", folder().display()))
        .arg(source))?;
    let chat = Chat::start(&programs, "cxx")?;
    chat.talk(&mut Command::new(programs.join("talk")))
}

fn rooms() -> Outcome {
    let [gcc, ..] = COMPILERS;
    let mut folders = vec![make("talk")?];
    for build in ROOMS {
        let to = library::scratch().join(format!("stack/room-{}", build.name));
        let programs = ["server", "talk"].map(|name| to.join(name));
        make_in(&to, gcc.command, build, &programs)?;
        folders.push(to);
    }
    for server in &folders {
        let chat = Chat::start(server, "rooms")?;
        for client in &folders {
            chat.talk(&mut Command::new(client.join("talk")))?;
        }
    }
    Ok(())
}

fn from_csharp() -> Outcome {
    make("libstackclient.so")?;
    let programs = make("Talk.exe")?;
    let chat = Chat::start(&programs, "csharp")?;
    chat.talk(
        Command::new("mono")
            .env("LD_LIBRARY_PATH", &programs)
            .arg(programs.join("Talk.exe")),
    )
}

/// The tables of the README: everything between their first and last line is what the program prints.
fn figures() -> Outcome {
    let [gcc, ..] = COMPILERS;
    let printed = run(&mut Command::new(built(gcc.command, PLAIN)?.join("fec")))?;
    let file = folder().join("README.md");
    let text = fs::read_to_string(&file)?;
    let start = text
        .find("| messages of ")
        .ok_or("README.md has no table of fec")?;
    let end = text[start..]
        .rfind(" |\n")
        .map(|at| start + at + " |\n".len())
        .ok_or("the table has no end")?;
    let found = format!("{}{printed}{}", &text[..start], &text[end..]);
    Ok(compare_with_file(&file, &found)?)
}
