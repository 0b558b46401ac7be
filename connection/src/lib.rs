//! Reliable UDP by the protocol KCP, for programs in Rust: safe, without sockets, threads or clock of its own.
//!
//! KCP delivers messages completely, once and in order, and sooner than TCP where packets get lost. This crate speaks it as `ikcp.c` of [skywind3000/kcp](https://github.com/skywind3000/kcp) does, packet by
//! packet, over the same core as the C library in this repository, whose costs do not grow with the window or with what was lost. It needs
//! no C compiler.
//!
//! A [`Connection`] is a state machine. The program brings the socket and the clock, so it works with tokio, mio, threads, or in a simulation, as
//! below: two ends, over a network that loses every fifth packet.
//!
//! ```
//! use std::time::Instant;
//!
//! use ikcp_connection::{Config, Connection};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let mut now = Instant::now();
//! let config = Config { send_window: 256, receive_window: 256, ..Config::fast() };
//! let mut client = Connection::new(7, &config, now)?;
//! let mut server = Connection::new(7, &config, now)?;
//!
//! for n in 0..100 {
//!     client.send(format!("message {n}").as_bytes())?;
//! }
//! let (mut packets, mut received) = (0, Vec::new());
//! while received.len() < 100 {
//!     // Each end says what there is to send, and the program carries it to the other one.
//!     for to_server in [true, false] {
//!         let (from, to) = if to_server { (&mut client, &mut server) } else { (&mut server, &mut client) };
//!         from.flush(now);
//!         while let Some(packet) = from.poll_transmit() {
//!             packets += 1;
//!             if packets % 5 != 0 {
//!                 to.input(packet, now)?;
//!             }
//!         }
//!     }
//!     while let Some(message) = server.recv() {
//!         received.push(message);
//!     }
//!     // A program with a socket sleeps until then, or until a packet arrives.
//!     now = client.next_timeout().unwrap_or(now);
//! }
//! assert_eq!(received[99], b"message 99");
//! # Ok(())
//! # }
//! ```
//!
//! # A loop with a socket
//!
//! 1. [`Connection::send`] what the program has to say, while [`Connection::has_room`].
//! 2. [`Connection::flush`], and send what [`Connection::poll_transmit`] gives until that is `None`.
//! 3. Sleep until [`Connection::next_timeout`], a packet, or something to say, whichever comes first.
//! 4. [`Connection::input`] for each packet that has arrived, then [`Connection::recv`] until that is `None`.
//!
//! A server keeps a map of connections, and finds the one for a packet by the peer's address and [`conversation`]. KCP has no
//! handshake and no end: both ends agree on the number beforehand, and decide by themselves when the other one is gone.
//! `examples/tokio` in the repository is a client and a server with tokio.
//!
//! # Packets without a queue
//!
//! [`Connection::flush_with`] and [`Connection::update_with`] hand each packet to a closure instead, from the memory where it was put
//! together. The closure borrows what it likes for the duration of the call, and cannot reach the connection, which is borrowed
//! as well. It may panic.
//!
//! ```compile_fail,E0499
//! # use std::time::Instant;
//! # use ikcp_connection::{Config, Connection};
//! # let mut connection = Connection::new(7, &Config::fast(), Instant::now()).unwrap();
//! connection.flush_with(Instant::now(), |packet| connection.flush(Instant::now())); // borrowed twice
//! ```
//!
//! # Time
//!
//! Times are [`Instant`](std::time::Instant)s that the program passes in, so they may be invented. The protocol counts whole
//! milliseconds from the one that [`Connection::new`] was given. An earlier one than before is allowed, and so is one of
//! years later.
//!
//! # Threads
//!
//! A `Connection` is [`Send`] and not [`Sync`]: it may move between threads, and connections do not share anything, so that
//! each thread may have its own. For several threads at one connection, a `Mutex` does.
//!
//! ```compile_fail,E0277
//! fn shared<T: Sync>() {}
//! shared::<ikcp_connection::Connection>();
//! ```
//!
//! # Memory
//!
//! Segments come from `malloc()` of the C library, not from Rust's global allocator, and so does an idle connection's 2 KB. What the
//! peer can make a connection hold is bounded by [`Config::receive_window`]: that many segments, of up to the largest packet that
//! the program hands to [`Connection::input`]. What the program itself queues is not: see [`Connection::has_room`]. When `malloc()`
//! refuses, [`Connection::send`] and [`Connection::new`] say so, and a packet that arrives is dropped as if it had been lost.
//!
//! # Platforms
//!
//! Everything that has the Rust standard library and `malloc()`: not `wasm32-unknown-unknown`.
#![deny(missing_docs)]
#![deny(unsafe_code)]
#![warn(missing_debug_implementations)]

mod config;
mod connection;
mod error;
#[allow(unsafe_code)]
mod handle;
mod queue;
mod stats;

pub use config::{Backoff, Config};
pub use connection::{Connection, conversation};
pub use error::{BufferTooSmall, ConfigError, InputError, SendError};
pub use stats::Stats;
