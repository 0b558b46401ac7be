//! The counters as the program sees them.

use core::cell::Cell;

use crate::abi::IUINT32;

/// The original's name for its 64-bit unsigned integer.
pub type IUINT64 = u64;

/// Counters since the first call of ikcpx_stats(). Times are milliseconds on the clock of ikcp_update() or ikcpx_update(). Later
/// versions add members at the end.
#[repr(C)]
#[allow(missing_docs, non_camel_case_types, missing_debug_implementations)]
pub struct IKCPX_STATS {
    /// Time since counting began.
    pub time: Cell<IUINT64>,
    /// Packets handed to `output`, and their bytes.
    pub packets_sent: Cell<IUINT64>,
    pub bytes_sent: Cell<IUINT64>,
    /// Packets given to ikcp_input(), and their bytes.
    pub packets_received: Cell<IUINT64>,
    pub bytes_received: Cell<IUINT64>,
    /// Of these, packets for which ikcp_input() returned an error.
    pub packets_refused: Cell<IUINT64>,
    /// Segments sent for the first time, and bytes of payload that the peer has acknowledged.
    pub segments_sent: Cell<IUINT64>,
    pub bytes_delivered: Cell<IUINT64>,
    /// Segments sent again: after a timeout, because later segments were acknowledged, because of ikcpx_path_changed().
    pub resent_timeout: Cell<IUINT64>,
    pub resent_skipped: Cell<IUINT64>,
    pub resent_path: Cell<IUINT64>,
    /// Of these, how many were unnecessary, because the peer acknowledged an earlier transmission. Lost acknowledgements hide
    /// some of them.
    pub resent_needless: Cell<IUINT64>,
    /// Segments that arrived for the first time, and segments that arrived again.
    pub segments_received: Cell<IUINT64>,
    pub duplicates_received: Cell<IUINT64>,
    /// Acknowledgements of single segments.
    pub acks_sent: Cell<IUINT64>,
    pub acks_received: Cell<IUINT64>,
    /// Window probes, and the answers that announce the window.
    pub probes_sent: Cell<IUINT64>,
    pub probes_received: Cell<IUINT64>,
    pub windows_sent: Cell<IUINT64>,
    pub windows_received: Cell<IUINT64>,
    /// Total time that segments spent in `snd_queue` before they were sent.
    pub queue_time: Cell<IUINT64>,
    /// Time during which segments waited in `snd_queue` for the peer's window, the send window, the congestion window
    /// or the pace.
    pub limited_by_peer: Cell<IUINT64>,
    pub limited_by_window: Cell<IUINT64>,
    pub limited_by_control: Cell<IUINT64>,
    /// Longest time that a segment spent in `snd_queue`.
    pub queue_time_max: Cell<IUINT32>,
    /// Round-trip time: the shortest since counting began, and smoothed. 0 before the first sample.
    pub rtt_min: Cell<IUINT32>,
    pub rtt_smoothed: Cell<IUINT32>,
    /// Bytes of payload per second that the peer acknowledged during the last second or two.
    pub delivery_rate: Cell<IUINT32>,
    /// Messages of ikcpx_send_until() that were dropped from `snd_queue`, and those that ikcpx_stub() shortened.
    pub messages_dropped: Cell<IUINT64>,
    pub messages_shortened: Cell<IUINT64>,
    /// Segments that went out once more beside all this, for ikcpx_redundancy() or as a stub.
    pub copies_sent: Cell<IUINT64>,
}

// No padding, so the struct can be copied byte by byte.
const _: () = assert!(size_of::<IKCPX_STATS>() == 27 * 8 + 4 * 4);
