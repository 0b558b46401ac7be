//! Whole connections with a congestion control, in virtual time.
//!
//! - `net`: flows through a bottleneck
//! - `recorded`: results that are kept in a file
//! - `table`: many kinds of path, and the recorded results of each control
//! - `mixes`: several flows and paths that change, and the recorded results
//! - `drawn`: paths drawn at random
//! - `flows`: several flows, the traffic of a game, and programs and peers that misbehave
//!
//! `.ci/run paths` also plays those that are too slow for a build without optimization.

// Neither the layout nor, with a control, the short ways make a difference.
#![cfg(all(
    feature = "extensions",
    not(any(
        feature = "profile-1-7",
        feature = "profile-1-7-1",
        feature = "layout-2-1-1",
        feature = "no-short-ways",
        miri
    ))
))]

#[path = "../common/mod.rs"]
mod common;
mod drawn;
mod flows;
mod mixes;
mod net;
mod recorded;
mod table;
