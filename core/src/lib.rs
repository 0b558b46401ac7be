//! The KCP protocol behind the C library `ikcp`: a state machine with no socket and no clock.
//!
//! The program passes in the bytes to send, the packets that arrive and the time. It gets packets to send, through a
//! callback, and the peer's messages. The behaviour is that of skywind3000/kcp, bit for bit; `docs/deviations.md` lists
//! every difference.
//!
//! [`Kcp`] is the handle on one object, for one call. The objects are C structs that programs read and write
//! ([`IKCPCB`]), so every field is a cell. Calling out to the program consumes the handle, so that nothing borrowed from
//! it outlives a callback. This crate exports no symbol, so it links beside any other implementation.
#![no_std]
#![deny(unsafe_code)]
#![warn(missing_docs)]

#[cfg(test)]
extern crate std;

mod abi;
mod acked;
#[allow(unsafe_code)]
mod callback;
mod cc;
mod congestion;
pub mod consts;
#[allow(unsafe_code)]
mod extension;
#[allow(unsafe_code)]
mod extras;
#[allow(unsafe_code)]
mod index;
mod input;
#[allow(unsafe_code)]
mod kcp;
#[allow(unsafe_code)]
mod list;
mod log;
#[allow(unsafe_code)]
mod memory;
mod options;
mod output;
mod probe;
mod reassembly;
mod recv;
mod redundancy;
mod rtt;
#[allow(unsafe_code)]
mod segment;
mod send;
mod seq;
mod timer;
mod ways;
mod wire;

pub use abi::{IINT32, IKCPCB, IKCPOPS, IKCPSEG, IQUEUEHEAD, IUINT32, Output, WriteLog, ikcpcb};
pub use extension::{IKCPX_CCINFO, bbr, cubic};
pub use extras::{DeadLink, IKCPX_STATS, MOST_FRAGMENTS, TOO_LONG};
pub use kcp::Kcp;
pub use memory::{Free, Malloc, allocator};
pub use segment::{Datagram, ForeignSegment, Sink, Source, getconv};
pub use wire::Header;
