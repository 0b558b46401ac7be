//! A connection that uses what `ikcpx.h` has, with a peer that does not, over a bad network, in virtual time.
//!
//! - `counted`: everything besides congestion control, and counters that agree with the packets
//! - `mixed`: everything, switched on and off under way
//! - `clocks`: everything at both ends, while their clocks jump
//! - `side`: one end, driven through the functions of its library
//! - `wire`: what the test counts in the packets
//! - `due`: what is due at one end
//!
//! The peer is this crate, or the library that `IKCP_PEER=path` names, such as a build of the original: the tests use only its
//! functions, so its layout does not matter. `IKCP_SEED=n` repeats one seed.
#![cfg(all(feature = "extensions", not(miri)))]

// These profiles have no hooks.
#[cfg(not(any(feature = "profile-1-7", feature = "profile-1-7-1")))]
mod clocks;
#[path = "../common/mod.rs"]
mod common;
mod counted;
mod due;
#[cfg(not(any(feature = "profile-1-7", feature = "profile-1-7-1")))]
mod mixed;
mod side;
mod wire;

use common::random::Random;

fn pick<T: Clone>(random: &mut Random, from: &[T]) -> T {
    from[random.below(from.len() as u64) as usize].clone()
}
