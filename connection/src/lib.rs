//! Reliable UDP with the protocol KCP, for programs in Rust: safe, and without sockets, threads or a clock of its own.
//!
//! KCP delivers messages completely, once and in order, and sooner than TCP where packets get lost. This crate sends the same
//! packets as `ikcp.c` of [skywind3000/kcp](https://github.com/skywind3000/kcp). It uses the same core as the C library in this
//! repository, whose costs do not grow with the window or with losses. It needs no C compiler.
//!
//! A [`Connection`] is a state machine. The program provides the socket and the clock, so it works with tokio, mio, threads, or
//! in a simulation. The example connects two ends over a network that loses every fifth packet.
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
//! 1. [`Connection::send`] the program's messages, while [`Connection::has_room`].
//! 2. [`Connection::flush`], and send the packets of [`Connection::poll_transmit`] until it returns `None`.
//! 3. Sleep until [`Connection::next_timeout`], until a packet arrives, or until there is a message to send, whichever comes
//!    first.
//! 4. [`Connection::input`] for each packet that has arrived, then [`Connection::recv`] until it returns `None`.
//!
//! A server keeps a map of connections, and finds the one for a packet by the peer's address and [`conversation`]. KCP has no
//! handshake and no closing: both ends agree on the number beforehand, and decide for themselves when the other end is gone.
//! `examples/tokio` in the repository is a client and a server with tokio.
//!
//! # Packets without a queue
//!
//! [`Connection::flush_with`] and [`Connection::update_with`] pass each packet to a closure instead, without copying it. The
//! closure may borrow anything except the connection, which the call has borrowed. It may panic.
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
//! Times are [`Instant`](std::time::Instant)s that the program passes in, so a simulation can make them up. The protocol counts
//! whole milliseconds since the time that [`Connection::new`] got. Earlier times than before are allowed, and so are times years
//! later.
//!
//! # Threads
//!
//! A `Connection` is [`Send`] but not [`Sync`]: it may move between threads. Connections share nothing, so each thread can have
//! its own. To use one connection from several threads, put it in a `Mutex`.
//!
//! ```compile_fail,E0277
//! fn shared<T: Sync>() {}
//! shared::<ikcp_connection::Connection>();
//! ```
//!
//! # What the original lacks
//!
//! All of it is off until a [`Config`] asks for it, and the peer may be any KCP: a [`Controller`] for streams and tunnels,
//! [`Config::redundancy`] and [`Connection::send_until`] for games and calls, [`Config::large_messages`], [`Config::backoff_limit`] and
//! [`Connection::path_changed`] for links that fail now and then, [`Config::dead_after`], [`Connection::counters`].
//! `docs/extensions.md` in the repository says whom each serves and what it costs.
//!
//! # Memory
//!
//! Segments and the 2 KB of an idle connection come from `malloc()` of the C library, not from Rust's global allocator.
//! [`Config::receive_window`] bounds what the peer can make a connection hold: that many segments, each as large as the largest
//! packet that the program passes to [`Connection::input`]. It does not bound what the program itself queues: see
//! [`Connection::has_room`]. If `malloc()` fails, [`Connection::send`] and [`Connection::new`] return an error, and an arriving
//! packet counts as lost.
//!
//! # Platforms
//!
//! Everything with the Rust standard library and `malloc()`, so not `wasm32-unknown-unknown`.
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

pub use config::{Backoff, Config, Controller};
pub use connection::{Connection, conversation};
pub use error::{BufferTooSmall, ConfigError, InputError, SendError};
pub use stats::{Counters, Stats};
