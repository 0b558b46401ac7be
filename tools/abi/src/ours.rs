//! Builds this repository's library as a user does, with plain `cargo build --release`.

use std::env;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The files that the build made.
#[derive(Debug, Clone)]
pub struct Artefacts {
    pub shared: PathBuf,
    pub archive: PathBuf,
}

/// The repository's root: the package that is shipped.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Builds the default library and returns the path of libkcp.so.
pub fn ours() -> io::Result<PathBuf> {
    Ok(ours_with(&[])?.shared)
}

/// Builds the library with these features. Each set of features has its own target directory under the tools' target directory,
/// because cargo gives all their artefacts the same name. The root's own target directory is not touched.
pub fn ours_with(features: &[&str]) -> io::Result<Artefacts> {
    let name = match features {
        [] => "default".to_string(),
        _ => features.join("+"),
    };
    let target = match env::var_os("CARGO_TARGET_DIR") {
        Some(directory) => PathBuf::from(directory),
        None => Path::new(env!("CARGO_MANIFEST_DIR")).join("../target"),
    };
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let build = Command::new(cargo)
        .args(["build", "--release", "--lib"])
        .arg("--message-format=json-render-diagnostics")
        .arg("--manifest-path")
        .arg(root().join("Cargo.toml"))
        .arg("--target-dir")
        .arg(target.join("ours").join(&name))
        .args(["--features", &features.join(",")])
        .stderr(Stdio::inherit())
        .output()?;
    if !build.status.success() {
        return Err(io::Error::other(format!(
            "cargo build of the library failed: {}",
            build.status
        )));
    }
    let files = artefacts(&String::from_utf8_lossy(&build.stdout));
    let find = |ending: &str| {
        files
            .iter()
            .find(|path| {
                path.extension()
                    .is_some_and(|extension| extension == ending)
            })
            .cloned()
            .ok_or_else(|| {
                io::Error::other(format!("the build reports no file ending in .{ending}"))
            })
    };
    Ok(Artefacts {
        shared: find("so")?,
        archive: find("a")?,
    })
}

/// The files that cargo reports for the library target `kcp`.
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
