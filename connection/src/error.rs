//! What can go wrong, one type for each call.

use std::error::Error;
use std::fmt;
use std::io;

/// A setting is out of range, or there is no memory. Nothing has changed, except as [`ConfigError::NoController`] says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConfigError {
    /// [`Config::mtu`](crate::Config::mtu) is not from 50 to 65,507.
    Mtu,
    /// [`Config::send_window`](crate::Config::send_window) is 0.
    SendWindow,
    /// [`Config::receive_window`](crate::Config::receive_window) is below 128.
    ReceiveWindow,
    /// [`Config::interval`](crate::Config::interval) is not from 10 ms to 5 s.
    Interval,
    /// [`Config::min_rto`](crate::Config::min_rto) is not from 1 ms to 60 s.
    MinRto,
    /// [`Config::dead_link`](crate::Config::dead_link) is 0.
    DeadLink,
    /// [`Config::stub`](crate::Config::stub) has more than 64 bytes.
    Stub,
    /// [`Config::redundancy`](crate::Config::redundancy) is above 100.
    Redundancy,
    /// [`Config::backoff_limit`](crate::Config::backoff_limit) is not from 1 ms to 12 days.
    BackoffLimit,
    /// [`Config::dead_after`](crate::Config::dead_after) is not from 1 ms to 12 days.
    DeadAfter,
    /// `malloc()` refused memory for [`Config::controller`](crate::Config::controller). All other settings have changed, and the
    /// connection has no controller.
    NoController,
    /// `malloc()` refused memory for the connection or for a packet of that size.
    OutOfMemory,
}

/// A message was refused. Nothing was queued.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SendError {
    /// It is longer than `max` bytes, the value of [`Connection::max_message`](crate::Connection::max_message).
    TooLong {
        /// The longest message, in bytes.
        max: usize,
    },
    /// `malloc()` refused memory for it.
    OutOfMemory,
    /// In stream mode no message can expire.
    Stream,
    /// With [`Config::large_messages`](crate::Config::large_messages): it has more segments than the peer's receive window, as far as
    /// that is known; before the peer has told it, more than 128.
    PeerWindow,
}

/// The buffer is too small for the message, which stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BufferTooSmall {
    /// Length of the message, in bytes.
    pub needed: usize,
}

/// A packet is malformed or belongs to another connection. The connection continues, because bad packets are common on a network
/// that anybody can send to. Everything before the fault has taken effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum InputError {
    /// It is shorter than the 24 bytes of a header.
    TooShort,
    /// A header carries the number of another conversation.
    OtherConversation,
    /// A segment is longer than the packet.
    Truncated,
    /// A header has an unknown command.
    UnknownCommand,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ConfigError::Mtu => "the mtu is not from 50 to 65507 bytes",
            ConfigError::SendWindow => "the send window is 0",
            ConfigError::ReceiveWindow => "the receive window is below 128 segments",
            ConfigError::Interval => "the interval is not from 10 ms to 5 s",
            ConfigError::MinRto => "the lowest timeout is not from 1 ms to 60 s",
            ConfigError::DeadLink => "the transmissions to a dead link are 0",
            ConfigError::Stub => "the stub has more than 64 bytes",
            ConfigError::Redundancy => "the redundancy is above 100 %",
            ConfigError::BackoffLimit => "the longest timeout is not from 1 ms to 12 days",
            ConfigError::DeadAfter => "the time without progress is not from 1 ms to 12 days",
            ConfigError::NoController => "there is no memory for the controller",
            ConfigError::OutOfMemory => "there is no memory for the connection",
        })
    }
}

impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SendError::TooLong { max } => write!(f, "the message is longer than {max} bytes"),
            SendError::OutOfMemory => f.write_str("there is no memory for the message"),
            SendError::Stream => f.write_str("no message can expire in stream mode"),
            SendError::PeerWindow => f.write_str("the peer has no window for the message"),
        }
    }
}

impl fmt::Display for BufferTooSmall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the message has {} bytes, more than the buffer",
            self.needed
        )
    }
}

impl fmt::Display for InputError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            InputError::TooShort => "the packet is shorter than a header",
            InputError::OtherConversation => "the packet belongs to another conversation",
            InputError::Truncated => "a segment is longer than its packet",
            InputError::UnknownCommand => "a segment has an unknown command",
        })
    }
}

/// Conversion to the errors of a socket loop, which usually returns [`io::Error`].
macro_rules! errors {
    ($($name:ident => $kind:ident),+) => {
        $(
            impl Error for $name {}

            impl From<$name> for io::Error {
                fn from(error: $name) -> io::Error {
                    io::Error::new(io::ErrorKind::$kind, error)
                }
            }
        )+
    };
}

errors! {
    ConfigError => InvalidInput,
    SendError => InvalidInput,
    BufferTooSmall => InvalidInput,
    InputError => InvalidData
}
