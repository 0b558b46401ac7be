//! A fresh copy of the sources, in which the commands of documents and examples run as written.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::library::{root, scratch};
use crate::memo::Memo;
use crate::suite::Outcome;
use crate::tools::run;

/// The copy, for one test at a time: each runs a user's commands in one folder. Later tests find what earlier ones built.
pub fn checkout() -> Result<(PathBuf, MutexGuard<'static, ()>), String> {
    static TURN: Mutex<()> = Mutex::new(());
    static COPY: Memo<(), Result<PathBuf, String>> = Memo::new();
    let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let copy = COPY.get((), || {
        // Documents put other folders next to the copy.
        let copy = scratch().join("checkout/ikcp");
        for old in ["src", "core", "connection", "include", "examples", "pack"] {
            fs::remove_dir_all(copy.join(old)).ok(); // keeping the rest saves time
        }
        copy_sources(&copy).map_err(|error| format!("{error:?}"))?;
        Ok(copy)
    })?;
    Ok((copy, turn))
}

/// The contents of a source package, without tests and tools.
pub fn copy_sources(to: &Path) -> Outcome {
    fs::create_dir_all(to)?;
    for name in [
        "Cargo.toml",
        "Cargo.lock",
        "build.rs",
        "CMakeLists.txt",
        "kcp.pc.in",
        "cmake",
        "src",
        "core",
        "connection",
        "include",
        "examples",
        "pack",
        "tests",
        "c-tests",
    ] {
        run(Command::new("cp").arg("-R").arg(root().join(name)).arg(to))?;
    }
    Ok(())
}
