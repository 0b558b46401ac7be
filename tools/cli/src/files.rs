//! Checks that results can be written. A tool checks before it measures, because a minute of measuring must not end at a folder
//! that it cannot write to.

use std::fs::{self, OpenOptions};
use std::path::Path;

use anyhow::Result;

use crate::{OrRefuse, demand};

/// Makes a folder, and a test file in it.
pub fn writable_folder(folder: &Path) -> Result<()> {
    let shown = || format!("cannot write to the folder {}", folder.display());
    fs::create_dir_all(folder).or_refuse(shown())?;
    tempfile::tempfile_in(folder).or_refuse(shown())?;
    Ok(())
}

/// Opens a file for writing without changing it. A file that did not exist is removed again.
pub fn writable_file(file: &Path) -> Result<()> {
    let shown = || format!("cannot write the file {}", file.display());
    let before = file.try_exists().or_refuse(shown())?;
    demand!(!file.is_dir(), "{}: it is a folder", shown());
    let open = OpenOptions::new().append(true).create(true).open(file);
    open.or_refuse(shown())?;
    if !before {
        fs::remove_file(file).or_refuse(shown())?;
    }
    Ok(())
}
