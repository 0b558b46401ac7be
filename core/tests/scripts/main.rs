//! Behaviour as scripts: packets in and out as fields, time as numbers. `script` says how they are written.
//!
//! The scripts expect what the original does. With `IKCP_LIBRARY` (see `api`) they run on the original; those that it does not
//! survive say so, and pass there without doing anything.

// Without hooks nothing asks for what there is for them.
#[cfg_attr(any(feature = "profile-1-7", feature = "profile-1-7-1"), allow(dead_code))]
#[macro_use]
mod script;

mod api;
#[path = "../common/foreign.rs"]
#[rustfmt::skip] // It is formatted where it lies.
mod foreign;
#[path = "../common/heap.rs"]
#[allow(dead_code)]
#[rustfmt::skip] // It is formatted where it lies.
mod heap;
mod packet;

mod acks;
#[cfg(feature = "extensions")]
mod expiry;
#[cfg(feature = "extensions")]
mod extras;
mod fast;
mod hooks;
mod log;
mod probes;
mod receiving;
mod reentry;
mod releases;
mod sending;
mod streams;
mod timeouts;
mod transfers;
mod windows;
