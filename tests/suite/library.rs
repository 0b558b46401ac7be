//! Builds the library as a user does, once for each set of features, and returns its files.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;

use crate::memo::Memo;
use crate::suite::Extent;
use crate::tools::run;

/// The root of the repository.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The tests' folder inside the target folder, which `cargo clean` removes.
pub fn scratch() -> &'static Path {
    Path::new(env!("CARGO_TARGET_TMPDIR"))
}

pub fn cargo() -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root());
    command
}

/// One build of the library.
#[derive(Debug, Clone)]
pub struct Library {
    pub shared: PathBuf,
    pub archive: PathBuf,
}

/// Which library: a behaviour profile and a layout.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Flavour {
    pub name: &'static str,
    pub features: &'static [&'static str],
    /// Whether it has ikcpx.h, as usual.
    pub extensions: bool,
    /// The macros that programs for this flavour define.
    pub defines: &'static [&'static str],
    /// The options of `pack` for this flavour.
    pub pack: &'static [&'static str],
}

pub const DEFAULT: Flavour = Flavour {
    name: "default",
    features: &[],
    extensions: true,
    defines: &[],
    pack: &[],
};
pub const PROFILE_171: Flavour = Flavour {
    name: "profile-1-7-1",
    features: &["profile-1-7-1"],
    extensions: true,
    defines: &["IKCP_PROFILE=171"],
    pack: &["--profile", "1.7.1"],
};
pub const PROFILE_17: Flavour = Flavour {
    name: "profile-1-7",
    features: &["profile-1-7"],
    extensions: true,
    defines: &["IKCP_PROFILE=170"],
    pack: &["--profile", "1.7"],
};
pub const LAYOUT_211: Flavour = Flavour {
    name: "layout-2-1-1",
    features: &["layout-2-1-1"],
    extensions: true,
    defines: &["IKCP_LAYOUT_211"],
    pack: &["--layout", "2.1.1"],
};
/// The default without its short ways. No program is compiled for this flavour.
pub const GENERAL: Flavour = Flavour {
    name: "no-short-ways",
    features: &["no-short-ways"],
    extensions: true,
    defines: &[],
    pack: &[],
};
/// The default without extensions.
pub const PLAIN: Flavour = Flavour {
    name: "without-extensions",
    features: &[],
    extensions: false,
    defines: &[],
    pack: &["--no-extensions"],
};
pub const ALL: [Flavour; 4] = [DEFAULT, PROFILE_171, PROFILE_17, LAYOUT_211];

static BUILT: Memo<Flavour, Result<Library, String>> = Memo::new();

impl Flavour {
    /// A short run builds the library once.
    pub fn extent(self) -> Extent {
        match self {
            DEFAULT => Extent::Short,
            _ => Extent::Full,
        }
    }

    /// The files of this flavour, built by the first test that asks.
    pub fn library(self) -> Result<Library, String> {
        BUILT.get(self, || build(self))
    }
}

/// All flavours are built in one folder, where they share their dependencies, and copied from there, because cargo gives their
/// files the same names.
fn build(flavour: Flavour) -> Result<Library, String> {
    static TURN: Mutex<()> = Mutex::new(());
    let _turn = TURN.lock();
    let folder = scratch().join("library");
    let output = cargo()
        .args(["build", "--release", "--lib", "--locked"])
        .args((!flavour.extensions).then_some("--no-default-features"))
        .arg("--message-format=json-render-diagnostics")
        .arg("--target-dir")
        .arg(folder.join("target"))
        .args(["--features", &flavour.features.join(",")])
        .output()
        .map_err(|error| format!("cargo: {error}"))?;
    if !output.status.success() {
        return Err(format!(
            "cargo build failed:\n{}",
            String::from_utf8_lossy(&output.stderr)
        ));
    }
    let files = artefacts(&String::from_utf8_lossy(&output.stdout));
    let to = folder.join(flavour.name);
    fs::create_dir_all(&to).map_err(|error| error.to_string())?;
    let find = |ending: &str| {
        let built = files
            .iter()
            .find(|path| path.extension().is_some_and(|found| found == ending))
            .ok_or_else(|| format!("cargo reports no file that ends in .{ending}: {files:?}"))?;
        let copy = to.join(built.file_name().unwrap_or_default());
        // Removed first, because a program of an earlier run may still have the old file open.
        fs::remove_file(&copy).ok();
        fs::copy(built, &copy).map_err(|error| format!("{}: {error}", copy.display()))?;
        Ok::<_, String>(copy)
    };
    Ok(Library {
        shared: find(env::consts::DLL_EXTENSION)?,
        archive: find("a")?,
    })
}

/// A folder that `pack` filled, with `include/` and `lib/`; every symbol begins with `prefix`.
pub fn packed(flavour: Flavour, prefix: &'static str) -> Result<PathBuf, String> {
    static PACKED: Memo<(Flavour, &'static str), Result<PathBuf, String>> = Memo::new();
    // One after the other, because they share a target folder.
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    PACKED.get((flavour, prefix), || {
        let _guard = ONE_AT_A_TIME.lock();
        let folder = scratch().join("pack");
        fs::create_dir_all(&folder).map_err(|error| error.to_string())?;
        let out = folder.join(format!("{}{prefix}", flavour.name));
        let mut command = cargo();
        // From another folder, in which a relative one for cargo lies: pack looked for that one in the sources.
        command
            .current_dir(&folder)
            .args([
                "run",
                "--quiet",
                "--locked",
                "-p",
                "pack",
                "--manifest-path",
            ])
            .arg(root().join("Cargo.toml"))
            .args(["--", "--out"])
            .arg(&out)
            .args(flavour.pack)
            .args(["--prefix", prefix, "--", "--locked"])
            .env("CARGO_TARGET_DIR", ".");
        run(&mut command)?;
        Ok(out)
    })
}

/// The files of the target `kcp` in cargo's messages.
fn artefacts(messages: &str) -> Vec<PathBuf> {
    messages
        .lines()
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
        .filter(|message| {
            message["reason"] == "compiler-artifact" && message["target"]["name"] == "kcp"
        })
        .filter_map(|message| message["filenames"].as_array().cloned())
        .flatten()
        .filter_map(|name| name.as_str().map(PathBuf::from))
        .collect()
}
