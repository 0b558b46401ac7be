//! The library that the tests use: the one that KCP_LAB_LIBRARY names, or else this repository's own, built once.

use std::path::Path;
use std::sync::OnceLock;

use kcp_abi::Library;

pub fn library() -> &'static Library {
    static LIBRARY: OnceLock<&'static Library> = OnceLock::new();
    LIBRARY.get_or_init(|| {
        match std::env::var_os("KCP_LAB_LIBRARY") {
            Some(path) => crate::open(Path::new(&path)),
            None => crate::open(&kcp_abi::ours().expect("this repository's library builds")),
        }
        .expect("the library loads")
    })
}

/// Whether that library has congestion controls. A build without extensions lacks them, and so do other implementations.
pub fn has_controls() -> bool {
    let has_them = library().controller("ikcpx_bbr").is_some();
    if !has_them {
        eprintln!("skipped: {} has no ikcpx_bbr", library().path().display());
    }
    has_them
}
