//! What the integration tests share: two endpoints over a bad link, in virtual time, with every allocation counted.
//!
//! - `heap`: allocator hooks that count, and fail on demand
//! - `bound`: the bytes that an object may own
//! - `random`: numbers from a seed
//! - `link`: one direction of a bad network, and the checksum that KCP requires of the layer below
//! - `seeds`: runs a test for several seeds
//! - `object`: an object, and the packets that it has passed to `output`
//! - `endpoint`: an object with its program
//! - `foreign`: another library with the C interface
#![allow(dead_code)]

pub mod bound;
pub mod endpoint;
pub mod foreign;
pub mod heap;
pub mod link;
pub mod object;
pub mod random;
pub mod seeds;
