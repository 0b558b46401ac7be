//! The settings of a connection.

use std::ops::RangeInclusive;
use std::time::Duration;

use crate::error::ConfigError;

/// The settings of a connection. Both ends must use the same packet format, and each end has its own settings;
/// [`stream`](Config::stream) is an exception.
///
/// More settings may be added: end a literal with `..Config::default()` or `..Config::fast()`.
/// Further settings may be added: end a literal with `..Config::default()` or `..Config::fast()`.
///
/// ```
/// use ikcp_connection::Config;
///
/// let config = Config { mtu: 1200, send_window: 512, receive_window: 512, ..Config::fast() };
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Size of the largest packet, in bytes, from 50 to 65,507: with 24 bytes of header for each segment, without the headers of
    /// UDP and IP. Default: 1400.
    pub mtu: u32,
    /// Most segments in flight, from 1 to 65,535. A segment has at most `mtu` - 24 bytes. Default: 32, which allows at most 880
    /// KB/s over a link of 50 ms: set it to what the link carries in a round trip.
    pub send_window: u16,
    /// Most segments that wait for [`recv`](crate::Connection::recv), from 128 to 65,535, and so what the peer may send ahead.
    /// Default: 128.
    pub receive_window: u16,
    /// Joins messages as in TCP, and fills segments up. Set it before the first [`send`](crate::Connection::send). Only the
    /// sender's setting counts. Default: `false`; each message arrives as it was sent.
    pub stream: bool,
    /// Time between two flushes of [`update`](crate::Connection::update), from 10 ms to 5 s, in whole milliseconds. Default: 100
    /// ms.
    pub interval: Duration,
    /// How a segment's timeout grows with each retransmission. Default: [`Backoff::Double`].
    pub backoff: Backoff,
    /// Lowest timeout of a segment, from 1 ms to 60 s. Default: `None`, which means 100 ms with [`Backoff::Double`] and 30 ms
    /// otherwise.
    pub min_rto: Option<Duration>,
    /// A segment is retransmitted at once after this many later segments were acknowledged. 0: never. Default: 0.
    pub fast_resend: u16,
    /// `fast_resend` applies up to this many transmissions of a segment. 0: no limit. Default: 5.
    pub fast_limit: u16,
    /// Also limits the segments in flight by a congestion window, which grows with acknowledgements and shrinks with
    /// retransmissions. Default: `true`.
    pub congestion_window: bool,
    /// The connection [is dead](crate::Connection::is_dead) after this many transmissions of one segment, at least 1. Default:
    /// 20.
    pub dead_link: u32,
}

/// How a segment's timeout grows with each retransmission. The original calls it `nodelay`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backoff {
    /// It doubles (`nodelay` 0).
    Double,
    /// It grows by half of itself (1).
    Half,
    /// It grows by half of the connection's timeout (2).
    Steady,
}

impl Default for Config {
    /// The original's defaults, which save bandwidth.
    fn default() -> Config {
        Config {
            mtu: 1400,
            send_window: 32,
            receive_window: 128,
            stream: false,
            interval: Duration::from_millis(100),
            backoff: Backoff::Double,
            min_rto: None,
            fast_resend: 0,
            fast_limit: 5,
            congestion_window: true,
            dead_link: 20,
        }
    }
}

impl Config {
    /// The lowest latency, `ikcp_nodelay(kcp, 1, 10, 2, 1)` in the original: an interval of 10 ms, [`Backoff::Half`],
    /// retransmission after 2 later segments were acknowledged, no congestion window. The other settings are the defaults.
    #[must_use]
    pub fn fast() -> Config {
        Config {
            interval: Duration::from_millis(10),
            backoff: Backoff::Half,
            fast_resend: 2,
            congestion_window: false,
            ..Config::default()
        }
    }

    /// An error if a setting is out of range.
    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        let outside =
            |range: RangeInclusive<u128>, time: Duration| !range.contains(&time.as_millis());
        if !(50..=65_507).contains(&self.mtu) {
            Err(ConfigError::Mtu)
        } else if self.send_window == 0 {
            Err(ConfigError::SendWindow)
        } else if self.receive_window < 128 {
            Err(ConfigError::ReceiveWindow)
        } else if outside(10..=5_000, self.interval) {
            Err(ConfigError::Interval)
        } else if self.min_rto.is_some_and(|time| outside(1..=60_000, time)) {
            Err(ConfigError::MinRto)
        } else if self.dead_link == 0 {
            Err(ConfigError::DeadLink)
        } else {
            Ok(())
        }
    }
}
