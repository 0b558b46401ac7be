//! Projects that use the library through its build: with CMake, with pkg-config, and from a source tree without network.
//!
//! `IKCP_CMAKES` names more versions of CMake than the one in the search path: paths of `cmake`, separated by colons.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::checkout::copy_sources;
use crate::library::{self, cargo, root};
use crate::memo::Memo;
use crate::suite::{Extent, Outcome, Suite};
use crate::tools::{lacks, run, run_within};

/// Long, because builds wait for cargo and for the builds of other tests.
const LONG: Duration = Duration::from_secs(1200);

/// One way to configure the library. `kcp::kcp` is the first of the kinds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Setup {
    name: &'static str,
    options: &'static [&'static str],
    /// What the consumers' program prints about the library.
    says: &'static str,
}

pub const STATIC: Setup = Setup {
    name: "static",
    options: &["-DBUILD_SHARED_LIBS=OFF"],
    says: "profile 211, layout 171",
};
const SHARED: Setup = Setup {
    name: "shared",
    options: &["-DBUILD_SHARED_LIBS=ON"],
    ..STATIC
};
const OTHER: Setup = Setup {
    name: "profile 1.7, layout 2.1.1, prefix, one kind",
    options: &[
        "-DKCP_PREFIX=mygame_",
        "-DKCP_PROFILE=1.7",
        "-DKCP_LAYOUT=2.1.1",
        "-DKCP_BOTH_KINDS=OFF",
    ],
    says: "profile 170, layout 211",
};

/// One version of CMake.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cmake {
    path: PathBuf,
    /// For names of tests and folders; number 0 is the machine's own.
    number: usize,
}

pub fn add(suite: &mut Suite) {
    let own = Cmake::own();
    let more = env::var_os("IKCP_CMAKES").unwrap_or_default();
    let more = env::split_paths(&more).filter(|path| !path.as_os_str().is_empty());
    let more = (1..).zip(more).map(|(number, path)| Cmake { path, number });
    let need_cmake = || lacks(&["cmake", "gcc", "g++"]);
    // Each setup builds the library anew.
    let mut test = |name: String, test: Box<dyn Fn() -> Outcome + Send>| {
        suite.test_in(
            Extent::Full,
            need_cmake(),
            format!("consumers: {name}"),
            test,
        );
    };
    for cmake in std::iter::once(own.clone()).chain(more) {
        let setups: &[Setup] = match cmake.number {
            0 => &[STATIC, SHARED, OTHER],
            _ => &[SHARED],
        };
        for &setup in setups {
            let shown = format!("{}, {}", cmake.path.display(), setup.name);
            let with = cmake.clone();
            test(
                format!("find_package, {shown}"),
                Box::new(move || with.finds_the_package(setup)),
            );
            // How the sources come to a project is no matter of the setup.
            let projects: &[&str] = match setup == setups[0] {
                true => &["add_subdirectory", "fetch_content"],
                false => &["add_subdirectory"],
            };
            for &project in projects {
                let with = cmake.clone();
                test(
                    format!("{project}, {shown}"),
                    Box::new(move || with.has_the_sources(project, setup)),
                );
            }
        }
        let with = cmake.clone();
        test(
            format!("ctest, {}", cmake.path.display()),
            Box::new(move || with.ctest()),
        );
    }
    let with = own.clone();
    test(
        "a second build does nothing".into(),
        Box::new(move || builds_once(&with)),
    );
    let with = own.clone();
    test(
        "vendored, offline".into(),
        Box::new(move || vendored(&with)),
    );

    for setup in [STATIC, SHARED] {
        let with = own.clone();
        suite.test_in(
            Extent::Full,
            lacks(&["cmake", "pkg-config", "make", "gcc"]),
            format!("consumers: pkg-config, {}", setup.name),
            move || pkg_config(&with, setup),
        );
    }
}

/// Runs a command as a user's shell would, without the variables that cargo sets for tests; returns its output.
pub fn plain(command: &mut Command) -> Result<String, String> {
    for name in ["LD_LIBRARY_PATH", "MAKEFLAGS", "MFLAGS", "CARGO_MAKEFLAGS"] {
        command.env_remove(name);
    }
    run_within(command, LONG)
}

impl Cmake {
    /// The version in the search path.
    pub fn own() -> Self {
        Cmake {
            path: "cmake".into(),
            number: 0,
        }
    }

    fn command(&self) -> Command {
        Command::new(&self.path)
    }

    pub fn folder(&self, name: &str) -> PathBuf {
        let name = name.replace(|c: char| !c.is_alphanumeric(), "-");
        library::scratch().join(format!("consumers/{}/{name}", self.number))
    }

    fn configure(&self, source: &Path, build: &Path, options: &[&str]) -> Result<(), String> {
        plain(
            self.command()
                .arg("-S")
                .arg(source)
                .arg("-B")
                .arg(build)
                .args(options),
        )?;
        Ok(())
    }

    fn build(&self, build: &Path) -> Result<String, String> {
        plain(self.command().arg("--build").arg(build).args(["--", "-j2"]))
    }

    fn install(&self, build: &Path, prefix: &Path) -> Result<String, String> {
        plain(
            self.command()
                .arg("--install")
                .arg(build)
                .arg("--prefix")
                .arg(prefix),
        )
    }

    /// Runs the tests of a build; returns their output.
    fn tests(&self, build: &Path) -> Result<String, String> {
        let ctest = self.path.with_file_name("ctest");
        let wrote = plain(Command::new(ctest).arg("-V").current_dir(build))?;
        match wrote.contains("No tests were found") {
            true => Err(format!("ctest ran nothing:\n{wrote}")),
            false => Ok(wrote),
        }
    }

    /// The build and the prefix of one setup, made as a user makes them, by the first test that asks.
    pub fn installed(&self, setup: Setup) -> Result<(PathBuf, PathBuf), String> {
        static INSTALLED: Memo<(Cmake, Setup), Result<(PathBuf, PathBuf), String>> = Memo::new();
        INSTALLED.get((self.clone(), setup), || {
            let build = self.folder(setup.name).join("build");
            let prefix = self.folder(setup.name).join("prefix");
            fs::remove_dir_all(&prefix).ok();
            self.configure(root(), &build, setup.options)?;
            self.build(&build)?;
            self.install(&build, &prefix)?;
            Ok((build, prefix))
        })
    }

    fn ctest(&self) -> Outcome {
        let setup = if self.number == 0 { STATIC } else { SHARED };
        self.tests(&self.installed(setup)?.0)?;
        Ok(())
    }

    fn finds_the_package(&self, setup: Setup) -> Outcome {
        let (_, prefix) = self.installed(setup)?;
        let build = self.folder(setup.name).join("find_package");
        fs::remove_dir_all(&build).ok();
        let option = format!("-DCMAKE_PREFIX_PATH={}", prefix.display());
        let source = root().join("tests/consumers/find_package");
        self.configure(&source, &build, &[&option])?;
        self.build(&build)?;
        let wrote = self.tests(&build)?;
        let programs = if setup == OTHER { 1 } else { 3 };
        match (
            wrote.matches(setup.says).count(),
            wrote.matches(": C++\n").count(),
        ) {
            (c, cxx) if c == programs && cxx == programs => Ok(()),
            found => {
                Err(format!("{found:?} programs of each language, not {programs}:\n{wrote}").into())
            }
        }
    }

    fn has_the_sources(&self, project: &str, setup: Setup) -> Outcome {
        let build = self.folder(setup.name).join(project);
        let source = root().join("tests/consumers").join(project);
        let option = format!("-DKCP_SOURCE={}", root().display());
        let options = [setup.options, &["-DCMAKE_BUILD_TYPE=Debug", &option]].concat();
        self.configure(&source, &build, &options)?;
        self.build(&build)?;
        let wrote = self.tests(&build)?;
        if !wrote.contains(setup.says) {
            return Err(format!("no {:?} in:\n{wrote}", setup.says).into());
        }
        let prefix = build.join("prefix");
        fs::remove_dir_all(&prefix).ok();
        self.install(&build, &prefix)?;
        match prefix.join("include/ikcp.h").exists() {
            true => Ok(()),
            false => Err("the project does not install the library with its own".into()),
        }
    }
}

fn builds_once(cmake: &Cmake) -> Outcome {
    let (build, _) = cmake.installed(STATIC)?;
    cmake.build(&build)?; // a source may have changed since
    let wrote = cmake.build(&build)?;
    match wrote.contains("with cargo") || wrote.contains("Linking") {
        true => Err(format!("it built again:\n{wrote}").into()),
        false => Ok(()),
    }
}

/// A copy of the sources with the crates next to it, and a cargo that knows no other crates.
fn vendored(cmake: &Cmake) -> Outcome {
    let folder = cmake.folder("vendored");
    fs::remove_dir_all(&folder).ok();
    let source = folder.join("source");
    copy_sources(&source)?;
    plain(
        cargo()
            .args(["vendor", "--locked", "--quiet"])
            .arg(source.join("vendor"))
            .current_dir(&source),
    )?;
    // As `cargo vendor` tells users to write.
    let config = "[source.crates-io]\nreplace-with = \"vendored-sources\"\n\n\
                  [source.vendored-sources]\ndirectory = \"vendor\"\n";
    fs::create_dir_all(source.join(".cargo"))?;
    fs::write(source.join(".cargo/config.toml"), config)?;

    let build = folder.join("build");
    cmake.configure(
        &source,
        &build,
        &["-DKCP_OFFLINE=ON", "-DBUILD_TESTING=OFF"],
    )?;
    plain(
        cmake
            .command()
            .env("CARGO_HOME", folder.join("home"))
            .arg("--build")
            .arg(&build),
    )?;
    cmake.install(&build, &folder.join("prefix"))?;
    match folder.join("prefix/lib/libkcp.a").exists() {
        true => Ok(()),
        false => Err("nothing was installed".into()),
    }
}

fn pkg_config(cmake: &Cmake, setup: Setup) -> Outcome {
    let (_, prefix) = cmake.installed(setup)?;
    let build = cmake.folder(setup.name).join("pkg_config");
    fs::remove_dir_all(&build).ok();
    fs::create_dir_all(&build)?;
    plain(
        Command::new("make")
            .current_dir(root().join("tests/consumers/pkg_config"))
            .arg(format!("OUT={}", build.display()))
            .env("PKG_CONFIG_PATH", prefix.join("lib/pkgconfig")),
    )?;
    let mut program = Command::new(build.join("consumer"));
    // A program with the static library must not need libkcp.so; one with the shared library must.
    program.env_remove("LD_LIBRARY_PATH");
    if setup == SHARED {
        if run(&mut program).is_ok() {
            return Err("it was linked with the static library".into());
        }
        program.env("LD_LIBRARY_PATH", prefix.join("lib"));
    }
    match run(&mut program)? {
        wrote if wrote.contains(setup.says) => Ok(()),
        wrote => Err(wrote.into()),
    }
}
