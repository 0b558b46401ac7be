//! `unsafe` stays in the modules that `core/src/lib.rs` names.
//!
//! The compiler enforces the rest: the crate denies `unsafe_code` except in these modules, each block says what it relies on
//! (`clippy::undocumented_unsafe_blocks`), and an unsafe function still marks its unsafe operations.

// Miri cannot read files.
#![cfg(not(miri))]

use std::fs;
use std::path::{Path, PathBuf};

const EXEMPT: [&str; 8] = [
    "callback",
    "extension",
    "extras",
    "index",
    "kcp",
    "list",
    "memory",
    "segment",
];

fn source() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            files(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// The lines of a file, without comments.
fn code(path: &Path) -> Vec<String> {
    let text = fs::read_to_string(path).expect("a source file");
    text.lines()
        .map(|line| line.split("//").next().unwrap_or("").trim().to_string())
        .collect()
}

fn is_exempt(path: &Path) -> bool {
    let inside = path.strip_prefix(source()).expect("a file of src");
    let module = inside.components().next().expect("a name");
    EXEMPT
        .iter()
        .any(|name| *module.as_os_str() == **name || *module.as_os_str() == *format!("{name}.rs"))
}

#[test]
fn the_crate_denies_unsafe_code_outside_of_the_named_modules() {
    let lines = code(&source().join("lib.rs"));
    assert!(lines.iter().any(|line| line == "#![deny(unsafe_code)]"));
    let exempt: Vec<_> = lines
        .windows(2)
        .filter(|pair| pair[0] == "#[allow(unsafe_code)]")
        .map(|pair| {
            let name = pair[1]
                .trim_start_matches("pub ")
                .trim_start_matches("mod ");
            name.trim_end_matches(';').to_string()
        })
        .collect();
    assert_eq!(exempt, EXEMPT);
}

#[test]
fn no_other_file_is_exempt_or_holds_an_unsafe_block() {
    let mut all = Vec::new();
    files(&source(), &mut all);
    assert!(all.len() > 20, "only {} files were found", all.len());
    for path in all {
        let is_root = path == source().join("lib.rs");
        for (n, line) in code(&path).iter().enumerate() {
            let place = format!("{}:{}", path.display(), n + 1);
            let lifts = line.contains("(unsafe_code)") && !is_root;
            assert!(!lifts, "{place} changes the lint");
            // The type of a C function contains the word, but no unsafe code.
            let line = line.replace("unsafe extern", "").replace("unsafe_code", "");
            let blocks = !is_exempt(&path) && line.contains("unsafe");
            assert!(!blocks, "{place}: {line}");
        }
    }
}
