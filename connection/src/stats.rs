//! The state of a connection.

use std::time::Duration;

use crate::handle::Handle;

/// The state of a connection and its link at one time. The counters are never reset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Smoothed round-trip time, in whole milliseconds; `None` before the first sample.
    pub rtt: Option<Duration>,
    /// How much the round-trip time varies, in whole milliseconds.
    pub rtt_variation: Duration,
    /// Timeout of a segment that is sent now, for its first transmission.
    pub rto: Duration,
    /// Congestion window, in segments; unused without [`Config::congestion_window`](crate::Config::congestion_window).
    pub congestion_window: u32,
    /// The window at which slow start ends, in segments.
    pub slow_start_threshold: u32,
    /// The peer's free receive window as last told, in segments. At 0 the peer accepts nothing until it tells another.
    pub peer_window: u32,
    /// Segments that wait to be sent for the first time.
    pub queued: usize,
    /// Segments that were sent but are not yet acknowledged.
    pub in_flight: usize,
    /// Segments that are ready for [`recv`](crate::Connection::recv).
    pub received: usize,
    /// Segments that arrived early, before one that is still missing.
    pub early: usize,
    /// Acknowledgements that wait to be sent.
    pub acknowledgements: usize,
    /// Segments that the peer has acknowledged in order, modulo 2^32.
    pub segments_acknowledged: u32,
    /// Segments that were sent at least once, modulo 2^32.
    pub segments_sent: u32,
    /// Segments that arrived in order, modulo 2^32.
    pub segments_received: u32,
    /// Retransmissions after a timeout, modulo 2^32. Those because of [`Config::fast_resend`](crate::Config::fast_resend) are not
    /// counted.
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
