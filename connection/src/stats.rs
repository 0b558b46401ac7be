//! The state of a connection.

use std::time::Duration;

use ikcp_core::IKCPX_STATS;

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

/// What happened on a connection since counting began. Times are in whole milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counters {
    /// Time since counting began.
    pub time: Duration,
    /// Packets that were made.
    pub packets_sent: u64,
    /// Bytes of these packets.
    pub bytes_sent: u64,
    /// Packets of [`input`](crate::Connection::input).
    pub packets_received: u64,
    /// Bytes of these packets.
    pub bytes_received: u64,
    /// Packets among these for which [`input`](crate::Connection::input) returned an error.
    pub packets_refused: u64,
    /// Segments that were sent for the first time.
    pub segments_sent: u64,
    /// Bytes of payload that the peer has acknowledged.
    pub bytes_delivered: u64,
    /// Segments that were sent again after a timeout.
    pub resent_timeout: u64,
    /// Segments that were sent again because later segments were acknowledged.
    pub resent_skipped: u64,
    /// Segments that were sent again by [`path_changed`](crate::Connection::path_changed).
    pub resent_path: u64,
    /// Segments among these that the peer had already, as far as acknowledgements tell.
    pub resent_needless: u64,
    /// Segments that arrived for the first time.
    pub segments_received: u64,
    /// Segments that arrived again.
    pub duplicates_received: u64,
    /// Acknowledgements of single segments that were sent.
    pub acks_sent: u64,
    /// Acknowledgements of single segments that arrived.
    pub acks_received: u64,
    /// Window probes that were sent.
    pub probes_sent: u64,
    /// Window probes that arrived.
    pub probes_received: u64,
    /// Answers to window probes that were sent.
    pub windows_sent: u64,
    /// Answers to window probes that arrived.
    pub windows_received: u64,
    /// Total time that segments waited to be sent for the first time.
    pub queue_time: Duration,
    /// Longest time that a segment waited so.
    pub queue_time_max: Duration,
    /// Time during which segments waited for the peer's window.
    pub limited_by_peer: Duration,
    /// Time during which segments waited for [`Config::send_window`](crate::Config::send_window).
    pub limited_by_window: Duration,
    /// Time during which segments waited for the congestion window, or the controller.
    pub limited_by_control: Duration,
    /// Shortest round-trip time since counting began; `None` before the first sample.
    pub rtt_min: Option<Duration>,
    /// Bytes of payload per second that the peer acknowledged during the last second or two.
    pub delivery_rate: u64,
    /// Messages of [`send_until`](crate::Connection::send_until) that were dropped from the queue.
    pub messages_dropped: u64,
    /// Messages that became the [`Config::stub`](crate::Config::stub).
    pub messages_shortened: u64,
    /// Segments that were sent once more beside all this: by [`Config::redundancy`](crate::Config::redundancy), or as a stub.
    pub copies_sent: u64,
}

impl Counters {
    pub(crate) fn of(counted: &IKCPX_STATS) -> Counters {
        let time = |ms: u32| Duration::from_millis(ms.into());
        Counters {
            time: Duration::from_millis(counted.time.get()),
            packets_sent: counted.packets_sent.get(),
            bytes_sent: counted.bytes_sent.get(),
            packets_received: counted.packets_received.get(),
            bytes_received: counted.bytes_received.get(),
            packets_refused: counted.packets_refused.get(),
            segments_sent: counted.segments_sent.get(),
            bytes_delivered: counted.bytes_delivered.get(),
            resent_timeout: counted.resent_timeout.get(),
            resent_skipped: counted.resent_skipped.get(),
            resent_path: counted.resent_path.get(),
            resent_needless: counted.resent_needless.get(),
            segments_received: counted.segments_received.get(),
            duplicates_received: counted.duplicates_received.get(),
            acks_sent: counted.acks_sent.get(),
            acks_received: counted.acks_received.get(),
            probes_sent: counted.probes_sent.get(),
            probes_received: counted.probes_received.get(),
            windows_sent: counted.windows_sent.get(),
            windows_received: counted.windows_received.get(),
            queue_time: Duration::from_millis(counted.queue_time.get()),
            queue_time_max: time(counted.queue_time_max.get()),
            limited_by_peer: Duration::from_millis(counted.limited_by_peer.get()),
            limited_by_window: Duration::from_millis(counted.limited_by_window.get()),
            limited_by_control: Duration::from_millis(counted.limited_by_control.get()),
            rtt_min: Some(counted.rtt_min.get()).filter(|ms| *ms != 0).map(time),
            delivery_rate: counted.delivery_rate.get().into(),
            messages_dropped: counted.messages_dropped.get(),
            messages_shortened: counted.messages_shortened.get(),
            copies_sent: counted.copies_sent.get(),
        }
    }
}
