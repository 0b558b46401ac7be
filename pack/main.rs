//! Builds the library and lays out what a program needs of it: `include/` and `lib/` in one folder.
//!
//! - `archive`: the static library without Rust's runtime
//! - `header`: `ikcp.h` as it belongs to the library that was built
//!
//! Cargo cannot do this by itself: no package of it runs anything after a build.

mod archive;
mod header;

use std::env;
use std::error::Error;
use std::ffi::OsString;
use std::fs;
use std::path::{self, Path, PathBuf};
use std::process::{Command, ExitCode};

const USAGE: &str = "\
cargo run -p pack -- [OPTION ...] [-- ARGUMENT ...]

Builds the library for release and writes include/ and lib/: headers, static library, shared library.

  --out DIR        the folder; target/kcp unless given
  --target TRIPLE  another machine, by Rust's name
  --static         the static library only, for machines that nothing is linked for here
  --profile V      behaviour of the original at 2.1.1, which is the default, 1.7.1 or 1.7
  --layout V       layout of struct IKCPCB: prefix272, which is the default, or 2.1.1
  --no-extensions  the original's functions alone, without ikcpx.h
  --prefix NAME    every symbol begins with NAME, and the header knows it; KCP_PREFIX in the environment does the same

The arguments at the end go to cargo build, as --offline or --locked.
";

/// The static library, by the kind of machine.
const ARCHIVES: [&str; 2] = ["libkcp.a", "kcp.lib"];

/// What may lie in cargo's folder beside the archive, by the kind of machine.
const SHARED: [&str; 6] = [
    "libkcp.so",
    "libkcp.dylib",
    "kcp.dll",
    "libkcp.dll.a",
    "kcp.dll.lib",
    "kcp.wasm",
];

/// One build of the library.
#[derive(Default)]
pub struct Build {
    out: Option<PathBuf>,
    target: Option<String>,
    only_static: bool,
    profile: Profile,
    layout: Layout,
    no_extensions: bool,
    prefix: String,
    cargo: Vec<OsString>,
}

#[derive(Default, Clone, Copy, PartialEq, Eq)]
pub enum Profile {
    #[default]
    V211,
    V171,
    V17,
}

#[derive(Default, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    #[default]
    Prefix272,
    V211,
}

fn main() -> ExitCode {
    let build = match Build::from_arguments(env::args_os().skip(1)) {
        Ok(build) => build,
        Err(message) => {
            eprint!("{message}\n\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    match build.run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("pack: {error}");
            ExitCode::FAILURE
        }
    }
}

impl Build {
    fn from_arguments(mut arguments: impl Iterator<Item = OsString>) -> Result<Self, String> {
        let mut build = Build {
            prefix: env::var("KCP_PREFIX").unwrap_or_default(),
            ..Build::default()
        };
        while let Some(argument) = arguments.next() {
            let option = argument.to_string_lossy().into_owned();
            if option == "--" {
                build.cargo = arguments.collect();
                break;
            }
            let mut value = || {
                arguments
                    .next()
                    .ok_or_else(|| format!("{option} needs a value"))
            };
            let text = |value: OsString| value.to_string_lossy().into_owned();
            match &*option {
                "--out" => build.out = Some(value()?.into()),
                "--target" => build.target = Some(text(value()?)),
                "--static" => build.only_static = true,
                "--no-extensions" => build.no_extensions = true,
                "--prefix" => build.prefix = text(value()?),
                "--profile" => {
                    build.profile = match &*text(value()?) {
                        "2.1.1" => Profile::V211,
                        "1.7.1" => Profile::V171,
                        "1.7" => Profile::V17,
                        other => {
                            return Err(format!(
                                "unknown profile {other:?}: expected 2.1.1, 1.7.1 or 1.7"
                            ));
                        }
                    }
                }
                "--layout" => {
                    build.layout = match &*text(value()?) {
                        "prefix272" => Layout::Prefix272,
                        "2.1.1" => Layout::V211,
                        other => {
                            return Err(format!(
                                "unknown layout {other:?}: expected prefix272 or 2.1.1"
                            ));
                        }
                    }
                }
                _ => return Err(format!("unknown option {option}")),
            }
        }
        Ok(build)
    }

    fn run(&self) -> Result<(), Box<dyn Error>> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let root = root.parent().ok_or("this package has no parent folder")?;
        // Absolute, since cargo is run in another folder.
        let target = match env::var_os("CARGO_TARGET_DIR") {
            Some(folder) => path::absolute(folder)?,
            None => root.join("target"),
        };
        let out = self.out.clone().unwrap_or(target.join("kcp"));
        let built = self.cargo_build(root, &target.join("pack"))?;

        // What an earlier run left for another machine would be taken for a part of this one.
        let lib = out.join("lib");
        for name in SHARED.into_iter().chain(ARCHIVES) {
            remove(&lib.join(name))?;
        }
        fs::create_dir_all(&lib)?;
        let mut wrote = Vec::new();
        for name in ARCHIVES {
            if built.join(name).exists() {
                archive::shrink(&built.join(name), &lib.join(name))?;
                wrote.push(lib.join(name));
            }
        }
        if wrote.is_empty() {
            return Err(format!("cargo built no static library in {}", built.display()).into());
        }
        for name in SHARED.into_iter().filter(|_| !self.only_static) {
            if built.join(name).exists() {
                fs::copy(built.join(name), lib.join(name))?;
                wrote.push(lib.join(name));
            }
        }

        let include = out.join("include");
        fs::create_dir_all(&include)?;
        let text = fs::read_to_string(root.join("include/ikcp.h"))?;
        fs::write(include.join("ikcp.h"), header::of(self, &text)?)?;
        wrote.push(include.join("ikcp.h"));
        // What an earlier run left would be taken for a part of this library.
        remove(&include.join("ikcpx.h"))?;
        let extensions = (!self.no_extensions).then_some("ikcpx.h");
        for name in ["ikcp.c", "kcp.hpp"].into_iter().chain(extensions) {
            fs::copy(root.join("include").join(name), include.join(name))?;
            wrote.push(include.join(name));
        }
        for file in wrote {
            println!("{:>9}  {}", fs::metadata(&file)?.len(), file.display());
        }
        Ok(())
    }

    /// Runs cargo; the folder that has its files.
    fn cargo_build(&self, root: &Path, folder: &Path) -> Result<PathBuf, Box<dyn Error>> {
        let mut features = Vec::new();
        match self.profile {
            Profile::V211 => {}
            Profile::V171 => features.push("profile-1-7-1"),
            Profile::V17 => features.push("profile-1-7"),
        }
        if self.layout == Layout::V211 {
            features.push("layout-2-1-1");
        }
        let built = self
            .target
            .iter()
            .fold(folder.to_path_buf(), |at, target| at.join(target));
        let built = built.join("release");
        // Cargo puts it there again, unless something else tells cargo of a target.
        for name in ARCHIVES {
            remove(&built.join(name))?;
        }
        let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        match self.only_static {
            true => command.args(["rustc", "--crate-type", "staticlib"]),
            false => command.arg("build"),
        };
        command
            .args(["--release", "--lib", "-p", "ikcp"])
            .args(self.no_extensions.then_some("--no-default-features"))
            .args(["--features", &features.join(",")])
            .arg("--target-dir")
            .arg(folder)
            .env("KCP_PREFIX", &self.prefix)
            .current_dir(root);
        if let Some(target) = &self.target {
            command.args(["--target", target]);
        }
        let status = command.args(&self.cargo).status()?;
        if !status.success() {
            return Err(format!("cargo build failed: {status}").into());
        }
        Ok(built)
    }
}

fn remove(file: &Path) -> std::io::Result<()> {
    match fs::remove_file(file) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
