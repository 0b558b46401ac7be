//! Protocol constants under the original's names. Times are milliseconds, windows are segments, sizes are bytes.

/// Lowest retransmission timeout with `nodelay` on, ms.
pub const IKCP_RTO_NDL: u32 = 30;
/// Lowest retransmission timeout in normal mode, ms.
pub const IKCP_RTO_MIN: u32 = 100;
/// Retransmission timeout before the first round-trip sample, ms.
pub const IKCP_RTO_DEF: u32 = 200;
/// Highest `rx_rto`, ms; the timeout of one segment may grow past it.
pub const IKCP_RTO_MAX: u32 = 60_000;
/// Command: a segment with payload.
pub const IKCP_CMD_PUSH: u32 = 81;
/// Command: acknowledgement of one `sn`.
pub const IKCP_CMD_ACK: u32 = 82;
/// Command: window probe, asks the peer for its window.
pub const IKCP_CMD_WASK: u32 = 83;
/// Command: announces our window.
pub const IKCP_CMD_WINS: u32 = 84;
/// Bit of `probe`: a `WASK` is due at the next flush.
pub const IKCP_ASK_SEND: u32 = 1;
/// Bit of `probe`: a `WINS` is due at the next flush.
pub const IKCP_ASK_TELL: u32 = 2;
/// Send window of a new object, segments.
pub const IKCP_WND_SND: u32 = 32;
/// Receive window of a new object and its minimum, segments; a message must have fewer fragments.
pub const IKCP_WND_RCV: u32 = 128;
/// MTU of a new object, bytes, header included.
pub const IKCP_MTU_DEF: u32 = 1400;
/// Exported for programs that read it; the protocol does not.
pub const IKCP_ACK_FAST: u32 = 3;
/// Flush interval of a new object, ms.
pub const IKCP_INTERVAL: u32 = 100;
/// Size of the segment header, bytes.
pub const IKCP_OVERHEAD: u32 = 24;
/// The link counts as dead after this many transmissions of one segment.
pub const IKCP_DEADLINK: u32 = 20;
/// Slow start threshold of a new object, segments.
pub const IKCP_THRESH_INIT: u32 = 2;
/// Lowest slow start threshold, segments.
pub const IKCP_THRESH_MIN: u32 = 2;
/// First wait before a zero window is probed, ms.
#[cfg(not(any(feature = "profile-1-7", feature = "profile-1-7-1")))]
pub const IKCP_PROBE_INIT: u32 = 5000;
/// First wait before a zero window is probed, ms.
#[cfg(any(feature = "profile-1-7", feature = "profile-1-7-1"))]
pub const IKCP_PROBE_INIT: u32 = 7000;
/// Longest wait between two probes of a zero window, ms.
pub const IKCP_PROBE_LIMIT: u32 = 120_000;
/// Fast retransmission repeats a segment only up to this many transmissions, unless `fastlimit` says otherwise.
pub const IKCP_FASTACK_LIMIT: u32 = 5;

/// Bits of `logmask`.
pub mod log_mask {
    /// A packet is handed to `output`.
    pub const OUTPUT: i32 = 1;
    /// A packet arrives at `ikcp_input`.
    pub const INPUT: i32 = 2;
    /// `ikcp_recv` takes a segment.
    pub const RECV: i32 = 8;
    /// A segment with payload arrives.
    pub const IN_DATA: i32 = 16;
    /// An acknowledgement arrives.
    pub const IN_ACK: i32 = 32;
    /// A window probe arrives.
    pub const IN_PROBE: i32 = 64;
    /// The answer to a window probe arrives.
    pub const IN_WINS: i32 = 128;
}

/// The switches that make up a behaviour profile.
pub mod profile {
    /// `ikcp_send` returns the number of bytes queued instead of 0.
    pub const SEND_RETURNS_BYTES: bool = cfg!(not(feature = "profile-1-7"));
    /// Only a newer time stamp replaces the candidate of skip counting, and segments sent after the candidate are not counted.
    pub const FASTACK_CONSERVE: bool = cfg!(not(feature = "profile-1-7"));
    /// Congestion hooks and pacing exist, and `ssthresh` after a timeout follows `cwnd`.
    pub const CONGESTION_HOOKS: bool =
        cfg!(not(any(feature = "profile-1-7", feature = "profile-1-7-1")));
}
