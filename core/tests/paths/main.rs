//! Whole connections with a congestion control, in virtual time.
//!
//! - `net`: flows through a bottleneck
//! - `table`: many kinds of path, and what each control carries there, as recorded
//! - `flows`: several flows, traffic of a game, and programs and peers that behave badly

//!
//! `.ci/run paths` plays those too that a build without optimization is too slow for.

// With a control there are no short ways to leave out.
#![cfg(all(
    feature = "extensions",
    not(any(
        feature = "profile-1-7",
        feature = "profile-1-7-1",
        feature = "no-short-ways",
        miri
    ))
))]

#[path = "../common/mod.rs"]
mod common;
mod flows;
mod net;
mod table;
