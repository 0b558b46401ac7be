//! The KCP protocol behind the C library `ikcp`: a state machine with no socket and no clock.
//!
//! The program gives it bytes to send, packets that arrived and the time; it gives the program packets to put on the
//! network, through a callback, and the peer's messages. Behaviour is that of skywind3000/kcp, bit for bit; where it
//! differs, the register of deviations in `docs/deviations.md` says so.
//!
//! [`Kcp`] is the handle on one object. The objects are C structs that programs read and write ([`IKCPCB`]), which is
//! why everything in them is a cell and nothing is borrowed mutably. This crate exports no symbol, so it links beside
//! any other implementation.
#![no_std]
#![deny(unsafe_code)]
#![warn(missing_docs)]

#[cfg(test)]
extern crate std;

mod ack;
#[allow(unsafe_code)]
mod alloc;
#[allow(unsafe_code)]
mod callback;
mod congestion;
pub mod consts;
#[allow(unsafe_code)]
mod control;
mod flush;
#[allow(unsafe_code)]
mod hooks;
mod input;
mod log;
mod options;
mod probe;
#[allow(unsafe_code)]
mod queue;
mod receive;
#[allow(unsafe_code)]
mod ring;
mod rtt;
#[allow(unsafe_code)]
mod segment;
mod send;
mod seq;
mod timer;
mod ways;
mod wire;

pub use alloc::{Free, Malloc, allocator};
pub use congestion::IKCPOPS;
pub use control::{IINT32, IKCPCB, IUINT32, Kcp, Output, WriteLog, ikcpcb};
pub use queue::IQUEUEHEAD;
pub use segment::{Datagram, ForeignSegment, IKCPSEG, Sink, Source, getconv};
pub use wire::Header;
