//! A look at a connection.

use std::time::Duration;

use crate::handle::Handle;

/// What a connection knows of itself and its link, at one moment. Nothing resets it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Smoothed round-trip time, in whole milliseconds; `None` before the first sample.
    pub rtt: Option<Duration>,
    /// How much the round-trip time varies, in whole milliseconds.
    pub rtt_variation: Duration,
    /// Timeout of a segment that is sent now, for its first transmission.
    pub rto: Duration,
    /// Congestion window, in segments. Without [`Config::congestion_window`](crate::Config::congestion_window) it is not used.
    pub congestion_window: u32,
    /// Slow start ends there, in segments.
    pub slow_start_threshold: u32,
    /// The peer's free receive window as last heard, in segments. At 0 the peer takes nothing until it says so.
    pub peer_window: u32,
    /// Segments that wait to be sent for the first time.
    pub queued: usize,
    /// Segments that were sent and are not acknowledged.
    pub in_flight: usize,
    /// Segments that are ready for [`recv`](crate::Connection::recv).
    pub received: usize,
    /// Segments that came before one that is still missing.
    pub early: usize,
    /// Acknowledgements that are owed to the peer.
    pub acknowledgements: usize,
    /// Segments that the peer has acknowledged without a gap, modulo 2^32.
    pub segments_acknowledged: u32,
    /// Segments that were sent at least once, modulo 2^32.
    pub segments_sent: u32,
    /// Segments that arrived without a gap, modulo 2^32.
    pub segments_received: u32,
    /// Transmissions that followed a timeout, modulo 2^32. Those of [`Config::fast_resend`](crate::Config::fast_resend) do not
    /// count.
    pub timeouts: u32,
}

fn milliseconds(ms: i32) -> Duration {
    Duration::from_millis(ms.max(0).unsigned_abs().into())
}

impl Stats {
    pub(crate) fn of(handle: &Handle) -> Stats {
        let srtt = handle.rx_srtt();
        Stats {
            rtt: (srtt != 0).then(|| milliseconds(srtt)),
            rtt_variation: milliseconds(handle.rx_rttval()),
            rto: milliseconds(handle.rx_rto()),
            congestion_window: handle.cwnd(),
            slow_start_threshold: handle.ssthresh(),
            peer_window: handle.rmt_wnd(),
            queued: handle.nsnd_que() as usize,
            in_flight: handle.nsnd_buf() as usize,
            received: handle.nrcv_que() as usize,
            early: handle.nrcv_buf() as usize,
            acknowledgements: handle.ackcount() as usize,
            segments_acknowledged: handle.snd_una(),
            segments_sent: handle.snd_nxt(),
            segments_received: handle.rcv_nxt(),
            timeouts: handle.xmit(),
        }
    }
}
