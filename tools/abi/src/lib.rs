//! The C interface of KCP for our tools. A shared library of any implementation is loaded by path, so several run side by side in
//! one process, each through the same interface as C programs use.
//!
//! - [`layout`]: the public structures, as the C compiler sees them, in the three layouts in use
//! - [`library`]: the table of functions of one loaded library
//! - [`kcp`]: an owning wrapper for one connection
//! - [`extensions`]: what only this project's library has
//! - [`ours`]: builds this repository's own library and returns its path

pub mod extensions;
pub mod kcp;
pub mod layout;
pub mod library;
pub mod ours;

pub use kcp::Kcp;
pub use layout::{Ikcpcb, Layout};
pub use library::{Functions, Library};
pub use ours::{Artefacts, ours, ours_with};
