//! Modules that these tests share with those of the core.
#![allow(dead_code)]

#[path = "../../../core/tests/common/heap.rs"]
pub mod heap;
#[path = "../../../core/tests/common/link.rs"]
pub mod link;
#[path = "../../../core/tests/common/random.rs"]
pub mod random;
#[path = "../../../core/tests/common/seeds.rs"]
pub mod seeds;
