//! The settings of a connection.

use std::ops::RangeInclusive;
use std::time::Duration;

use crate::error::ConfigError;

/// The settings of a connection. Both ends must use the same packet format, and each end has its own settings;
/// [`stream`](Config::stream) is an exception.
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
    /// What a message of [`send_until`](crate::Connection::send_until) becomes that has one segment, is longer than this, and expires in
    /// flight: at most 64 bytes, which the peer gets as a message in its place and has to pass over. It is sent again every
    /// 20 ms, so that what was sent behind it need not wait. An empty one is an empty message to the peer, which not every program
    /// expects. Messages that leave from then on count. Default: `None`, they are completed.
    pub stub: Option<Vec<u8>>,
    /// What decides how much is in flight, instead of the rules of [`congestion_window`](Config::congestion_window). While there is a
    /// controller, losses are detected as with [`loss_by_time`](Config::loss_by_time). Default: `None`.
    pub controller: Option<Controller>,
    /// Tells loss from reordering by time, as RFC 8985 (RACK) does, so that fewer segments are retransmitted unnecessarily.
    /// [`fast_resend`](Config::fast_resend) then applies only while few segments are in flight. Default: `false`.
    pub loss_by_time: bool,
    /// Bytes for copies of segments, sent before their loss is certain, in percent of the payload, from 0 to 100. They make the latest
    /// messages less late where packets get lost; where none are, nothing is copied. For messages now and then: with more than 64
    /// segments in flight nothing is copied. Default: 0.
    pub redundancy: u8,
    /// Allows a message to have 255 segments instead of 127, and refuses one that the peer's receive window could never hold
    /// ([`SendError::PeerWindow`](crate::SendError::PeerWindow)) instead of waiting for ever. Default: `false`.
    pub large_messages: bool,
    /// Longest timeout of a segment, which otherwise grows with each retransmission, from 1 ms to 12 days. Default: `None`.
    pub backoff_limit: Option<Duration>,
    /// The connection [is dead](crate::Connection::is_dead) when segments are in flight and none was acknowledged for this time, from 1
    /// ms to 12 days, instead of after [`dead_link`](Config::dead_link) transmissions. It is noticed at most half a second late.
    /// Default: `None`.
    pub dead_after: Option<Duration>,
}

/// A congestion control. The window must be larger than the link: twice the segments that it holds in a round trip, and up to nine
/// times where it loses 5 %.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Controller {
    /// By a model of the path, after draft-ietf-ccwg-bbr-03. It keeps a link full even if that loses packets for other reasons than
    /// congestion, and the queue short.
    Bbr,
    /// By loss, after RFC 9438 and RFC 9406. It shares a link with TCP as TCP connections do.
    Cubic,
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
            stub: None,
            controller: None,
            loss_by_time: false,
            redundancy: 0,
            large_messages: false,
            backoff_limit: None,
            dead_after: None,
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
        let beyond_days = |time| outside(1..=1 << 30, time);
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
        } else if self.redundancy > 100 {
            Err(ConfigError::Redundancy)
        } else if self.backoff_limit.is_some_and(beyond_days) {
            Err(ConfigError::BackoffLimit)
        } else if self.dead_after.is_some_and(beyond_days) {
            Err(ConfigError::DeadAfter)
        } else {
            Ok(())
        }
    }
}
