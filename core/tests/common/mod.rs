//! What the integration tests share: two endpoints over a bad link, in virtual time, with every allocation counted.
//!
//! - `heap`: allocator hooks that count, and refuse on demand
//! - `bound`: the bytes that an object may own
//! - `random`: numbers from a seed
//! - `link`: one direction of a bad network, and the checksum that the layer below owes the protocol
//! - `seeds`: a test for each of several seeds
//! - `object`: an object, and the packets that it has given to `output`
//! - `endpoint`: an object with its program around it
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
