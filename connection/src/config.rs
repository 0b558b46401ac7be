//! The settings of a connection.

use std::ops::RangeInclusive;
use std::time::Duration;

use crate::error::ConfigError;

/// The settings of a connection. Only the packets' format has to agree at both ends, so each end has its own, but for what
/// [`stream`](Config::stream) says.
///
/// Further settings may be added: end a literal with `..Config::default()` or `..Config::fast()`.
///
/// ```
/// use ikcp_connection::Config;
///
/// let config = Config { mtu: 1200, send_window: 512, receive_window: 512, ..Config::fast() };
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Size of the largest packet, in bytes: 24 of header for each segment included, the headers of UDP and IP not.
    /// From 50 to 65,507. Default: 1400.
    pub mtu: u32,
    /// Segments in flight at most, from 1 to 65,535. A segment is `mtu` - 24 bytes at most. Default: 32, which on a link of
    /// 50 ms is 880 KB/s at most: set it by what the link can carry during a round trip.
    pub send_window: u16,
    /// Segments that may wait for [`recv`](crate::Connection::recv), from 128 to 65,535; what the peer may send ahead.
    /// Default: 128.
    pub receive_window: u16,
    /// Messages run together as in TCP, and segments are filled up. Set it before the first
    /// [`send`](crate::Connection::send). Only the sender's counts. Default: `false`, where each message arrives as it was sent.
    pub stream: bool,
    /// Time between two rounds of [`update`](crate::Connection::update), from 10 ms to 5 s. Default: 100 ms. Milliseconds count,
    /// what is below is cut.
    pub interval: Duration,
    /// How the timeout of a segment grows each time it passes. Default: [`Backoff::Double`].
    pub backoff: Backoff,
    /// Lowest timeout of a segment, from 1 ms to 60 s. Default: `None`, 100 ms with [`Backoff::Double`] and 30 ms with the
    /// others.
    pub min_rto: Option<Duration>,
    /// Later segments acknowledged after which a segment is sent again at once. 0: never. Default: 0.
    pub fast_resend: u16,
    /// Transmissions of a segment up to which `fast_resend` may send it again. 0: no limit. Default: 5.
    pub fast_limit: u16,
    /// The number of segments in flight is also limited by a congestion window, which grows with acknowledgements and
    /// shrinks when segments are sent again. Default: `true`.
    pub congestion_window: bool,
    /// Transmissions of one segment after which the connection [is dead](crate::Connection::is_dead), 1 at least. Default: 20.
    pub dead_link: u32,
    /// What a message of [`send_until`](crate::Connection::send_until) becomes that has one segment, is longer than this, and expires in
    /// flight: at most 64 bytes, which the peer gets as a message in its place and has to pass over. It is sent again every
    /// 20 ms, so that what was sent behind it need not wait. An empty one is an empty message to the peer, which not every program
    /// expects. Messages that leave from then on count. Default: `None`, they are completed.
    pub stub: Option<Vec<u8>>,
}

/// How the timeout of a segment grows each time it passes without an acknowledgement. The original calls it `nodelay`.
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
    /// The original's defaults: they save bandwidth.
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
            stub: None,
        }
    }
}

impl Config {
    /// The lowest latency, `ikcp_nodelay(kcp, 1, 10, 2, 1)` of the original: an interval of 10 ms, [`Backoff::Half`], segments
    /// are sent again after 2 later ones were acknowledged, no congestion window. The rest is as in the default.
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

    /// Says which setting is out of its range, if one is.
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
        } else if self.stub.as_ref().is_some_and(|stub| stub.len() > 64) {
            Err(ConfigError::Stub)
        } else {
            Ok(())
        }
    }
}
