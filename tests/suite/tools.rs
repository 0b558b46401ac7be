//! The compilers of this machine; how programs are compiled and run.

use std::env;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::library::{self, Flavour};
use crate::memo::Memo;

/// A compiler, for C or for C++.
#[derive(Debug, Clone, Copy)]
pub struct Compiler {
    pub command: &'static str,
    pub cxx: bool,
    /// The dialects that are tested.
    pub dialects: &'static [&'static str],
}

const C_DIALECTS: &[&str] = &[
    "c89", "gnu89", "c99", "gnu99", "c11", "gnu11", "c17", "gnu17", "c2x", "gnu2x",
];
const CXX_DIALECTS: &[&str] = &[
    "c++98", "gnu++98", "c++11", "gnu++11", "c++14", "c++17", "c++20", "c++2b", "gnu++2b",
];

pub const COMPILERS: [Compiler; 4] = [
    Compiler {
        command: "gcc",
        cxx: false,
        dialects: C_DIALECTS,
    },
    Compiler {
        command: "g++",
        cxx: true,
        dialects: CXX_DIALECTS,
    },
    Compiler {
        command: "clang",
        cxx: false,
        dialects: C_DIALECTS,
    },
    Compiler {
        command: "clang++",
        cxx: true,
        dialects: CXX_DIALECTS,
    },
];

/// The file of the library with which a program is linked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Linkage {
    Static,
    Shared,
}

impl Compiler {
    /// What a machine without this compiler lacks.
    pub fn missing(self) -> Option<String> {
        (!answers(&mut Command::new(self.command))).then(|| format!("no {}", self.command))
    }

    /// The compiler with the header's folder and strict warnings.
    pub fn strict(self) -> Command {
        let mut command = Command::new(self.command);
        command
            .args(["-Wall", "-Wextra", "-Wpedantic", "-Werror"])
            .arg("-I")
            .arg(library::root().join("include"))
            .arg("-I")
            .arg(library::root().join("c-tests"));
        if self.cxx {
            command.args(["-x", "c++"]);
        }
        command
    }

    /// A program compiled from files of c-tests and linked with a build of the library, by the first test that asks.
    pub fn link(
        self,
        sources: &'static [&'static str],
        flavour: Flavour,
        linkage: Linkage,
    ) -> Result<Program, String> {
        type Key = (&'static str, &'static str, Flavour, Linkage);
        static LINKED: Memo<Key, Result<Program, String>> = Memo::new();
        LINKED.get((sources[0], self.command, flavour, linkage), || {
            self.link_afresh(sources, flavour, linkage)
        })
    }

    /// Compiles the files, once for both kinds of the library.
    fn objects(
        self,
        sources: &'static [&'static str],
        flavour: Flavour,
    ) -> Result<Vec<PathBuf>, String> {
        type Key = (&'static str, &'static str, Flavour);
        static COMPILED: Memo<Key, Result<Vec<PathBuf>, String>> = Memo::new();
        let compile = |source: &&str| {
            let folder = library::scratch().join("programs");
            fs::create_dir_all(&folder).map_err(|error| error.to_string())?;
            let name = source.replace(['/', '.'], "_");
            let object = folder.join(format!("{name}-{}-{}.o", self.command, flavour.name));
            let mut command = self.strict();
            command
                .args(["-O1", "-g", "-c"])
                .args(flavour.defines.iter().map(|define| format!("-D{define}")))
                .arg(library::root().join("c-tests").join(source))
                .arg("-o")
                .arg(&object);
            run(&mut command)?;
            Ok(object)
        };
        COMPILED.get((sources[0], self.command, flavour), || {
            sources.iter().map(compile).collect()
        })
    }

    fn link_afresh(
        self,
        sources: &'static [&'static str],
        flavour: Flavour,
        linkage: Linkage,
    ) -> Result<Program, String> {
        let library = flavour.library()?;
        let objects = self.objects(sources, flavour)?;
        let program = objects[0].with_extension(format!("{linkage:?}"));
        let mut command = Command::new(self.command);
        command
            .args(&objects)
            .arg(match linkage {
                Linkage::Static => &library.archive,
                Linkage::Shared => &library.shared,
            })
            .arg("-o")
            .arg(&program);
        run(&mut command)?;
        // Replaced, because cargo's own value points to its target folder, where another build of the library may be.
        let search = match linkage {
            Linkage::Static => None,
            Linkage::Shared => library.shared.parent().map(Path::to_path_buf),
        };
        Ok(Program {
            path: program,
            search,
        })
    }
}

/// A program that this module compiled.
#[derive(Debug, Clone)]
pub struct Program {
    path: PathBuf,
    search: Option<PathBuf>,
}

impl Program {
    /// Runs the program for five minutes at most; returns its output, or why it failed.
    pub fn run<A: AsRef<OsStr>>(&self, arguments: &[A]) -> Result<String, String> {
        let mut command = Command::new(&self.path);
        command.args(arguments);
        match &self.search {
            Some(folder) => command.env("LD_LIBRARY_PATH", folder),
            None => command.env_remove("LD_LIBRARY_PATH"),
        };
        run(&mut command)
    }
}

/// True if this command exists and tells its version.
pub fn answers(command: &mut Command) -> bool {
    command
        .arg("--version")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// What a machine without one of these commands lacks.
pub fn lacks(commands: &[&str]) -> Option<String> {
    let path = env::var_os("PATH").unwrap_or_default();
    let there =
        |command: &str| env::split_paths(&path).any(|folder| folder.join(command).is_file());
    commands
        .iter()
        .find(|command| !there(command))
        .map(|command| format!("no {command}"))
}

/// Runs a command for twenty minutes at most, since a build on a busy machine takes its time; returns its output, or why it failed.
pub fn run(command: &mut Command) -> Result<String, String> {
    run_within(command, Duration::from_secs(1200))
}

/// Runs a command, which must end within `time`; returns its output, or why it failed.
pub fn run_within(command: &mut Command, time: Duration) -> Result<String, String> {
    let (read, write) = io::pipe().map_err(|error| error.to_string())?;
    let shown = format!("{command:?}");
    let mut child = command
        .stdin(Stdio::null())
        .stdout(write.try_clone().map_err(|error| error.to_string())?)
        .stderr(write)
        .spawn()
        .map_err(|error| format!("{shown}: {error}"))?;
    // The command holds two copies of the pipe's end. This drops them, because the reader waits until the last copy is closed.
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let reader = thread::spawn(move || io::read_to_string(read).unwrap_or_default());
    let deadline = Instant::now() + time;
    let status = loop {
        match child.try_wait().map_err(|error| error.to_string())? {
            Some(status) => break Some(status),
            None if Instant::now() > deadline => {
                child.kill().and_then(|()| child.wait()).ok();
                break None;
            }
            None => thread::sleep(Duration::from_millis(5)),
        }
    };
    let output = reader.join().unwrap_or_default();
    match status {
        Some(status) if status.success() => Ok(output),
        Some(status) => Err(format!("{shown}\n{status}\n{output}")),
        None => Err(format!("{shown}\ndid not end within {time:?}\n{output}")),
    }
}

/// Compares text with a file of the repository; with IKCP_BLESS=1, writes the text to the file.
pub fn compare_with_file(file: &Path, found: &str) -> Result<(), String> {
    if env::var_os("IKCP_BLESS").is_some() {
        return fs::write(file, found).map_err(|error| format!("{}: {error}", file.display()));
    }
    let expected =
        fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))?;
    if expected == found {
        return Ok(());
    }
    let scratch = library::scratch()
        .join("found")
        .join(file.file_name().unwrap_or_default());
    fs::create_dir_all(scratch.parent().unwrap_or(Path::new(".")))
        .and_then(|()| File::create(&scratch))
        .and_then(|_| fs::write(&scratch, found))
        .map_err(|error| error.to_string())?;
    let expected: Vec<_> = expected.lines().collect();
    let found: Vec<_> = found.lines().collect();
    let first = (0..)
        .find(|&line| expected.get(line) != found.get(line))
        .unwrap_or(0);
    Err(format!(
        "{} is out of date from line {} on:\n  there: {:?}\n  found: {:?}\nfound text is in {}; IKCP_BLESS=1 writes it",
        file.display(),
        first + 1,
        expected.get(first),
        found.get(first),
        scratch.display()
    ))
}
