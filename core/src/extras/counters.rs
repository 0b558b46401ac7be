//! Counters. Numbers that follow from fields of the object, such as segments from `snd_nxt` and `rcv_nxt`, are not counted a
//! second time.

use core::cell::Cell;

use super::{Extras, IKCPX_STATS};
use crate::consts::{IKCP_CMD_ACK, IKCP_CMD_WASK};
use crate::kcp::Kcp;
use crate::segment::{Datagram, Segment};
use crate::seq::{Millis, Sn};

/// Period over which the delivery rate is measured, ms.
const RATE_PERIOD: u32 = 1000;

/// What segments in `snd_queue` wait for.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
enum Limit {
    None,
    Peer,
    Window,
    Control,
}

pub(super) struct Counters {
    pub(super) stats: IKCPX_STATS,
    /// The program has asked for counters.
    pub(super) asked: Cell<bool>,
    limit: Cell<Limit>,
    /// When `limit` became what it is.
    limit_since: Cell<Millis>,
    /// Up to when time was counted, and the sequence numbers at that time.
    clock: Cell<Millis>,
    next_sn: Cell<u32>,
    arrived: Cell<u32>,
    /// When the rate was computed, and the bytes delivered until then.
    rate_since: Cell<Millis>,
    rate_bytes: Cell<u64>,
}

#[inline(always)]
fn add(counter: &Cell<u64>, n: u32) {
    counter.set(counter.get().wrapping_add(u64::from(n)));
}

impl Extras {
    /// A packet of `len` bytes is handed to `output`.
    pub(crate) fn packet_sent(&self, len: u32) {
        add(&self.counters.stats.packets_sent, 1);
        add(&self.counters.stats.bytes_sent, len);
    }

    /// `count` acknowledgements were put into packets.
    pub(crate) fn acks_sent(&self, count: u32) {
        add(&self.counters.stats.acks_sent, count);
    }

    /// A probe, or the answer to one, was put into a packet.
    pub(crate) fn probe_sent(&self, cmd: u8) {
        let stats = &self.counters.stats;
        add(probe(cmd, &stats.probes_sent, &stats.windows_sent), 1);
    }

    /// A probe, or the answer to one, arrived.
    pub(crate) fn probe_received(&self, cmd: u8) {
        let stats = &self.counters.stats;
        add(
            probe(cmd, &stats.probes_received, &stats.windows_received),
            1,
        );
    }

    /// A segment arrived a second time.
    pub(crate) fn duplicate_received(&self) {
        add(&self.counters.stats.duplicates_received, 1);
    }

    /// `ikcp_input` returned an error.
    pub(crate) fn packet_refused(&self) {
        add(&self.counters.stats.packets_refused, 1);
    }

    /// `ikcp_input` got a packet. `ackedlen` still has what the last packet acknowledged.
    #[inline(always)]
    pub(crate) fn packet_arrived(&self, kcp: &Kcp<'_>, packet: Datagram) {
        let stats = &self.counters.stats;
        add(&stats.packets_received, 1);
        add(&stats.bytes_received, packet.size().max(0).unsigned_abs());
        add(&stats.bytes_delivered, kcp.ackedlen.get());
        if self.attention.get() != 0 {
            self.look_at_packet(kcp, packet);
        }
    }

    #[cold]
    #[inline(never)]
    fn look_at_packet(&self, kcp: &Kcp<'_>, packet: Datagram) {
        self.window_told(kcp.rmt_wnd.get());
        self.look_at_acks(packet, kcp.now());
    }

    /// `count` acknowledgements arrived. As far as is known, the newest is for what was sent at `newest`.
    #[inline(always)]
    pub(crate) fn acks_received(&self, count: u32, newest: Option<Millis>, now: Millis) {
        add(&self.counters.stats.acks_received, count);
        if let Some(ts) = newest {
            self.counters.round_trip(ts, now);
        }
    }

    fn look_at_acks(&self, mut packet: Datagram, now: Millis) {
        while let Some(header) = packet.header().map(|at| at.read()) {
            if u32::from(header.cmd) == IKCP_CMD_ACK {
                let (sn, ts) = (Sn(header.sn), Millis(header.ts));
                // `input` need not have found the newest.
                self.counters.round_trip(ts, now);
                if let Some(needless) = self.resent.arrived(sn, ts) {
                    add(&self.counters.stats.resent_needless, needless);
                    self.needs_attention(u32::MAX);
                }
            }
            if packet.payload(header.len).is_none() {
                break;
            }
        }
    }

    /// `segment` is retransmitted after its timeout.
    pub(super) fn count_timeout(&self, segment: Segment<'_>, now: Millis) {
        add(&self.counters.stats.resent_timeout, 1);
        self.note_resent(segment, now);
    }

    /// `segment` is retransmitted because later segments were acknowledged.
    #[inline(never)]
    pub(crate) fn skipped(&self, kcp: &Kcp<'_>, segment: Segment<'_>) {
        add(&self.counters.stats.resent_skipped, 1);
        self.note_resent(segment, kcp.now());
        kcp.leaves_again(segment);
    }

    /// `segment` is retransmitted because the path has changed.
    pub(super) fn count_path(&self, segment: Segment<'_>, now: Millis) {
        add(&self.counters.stats.resent_path, 1);
        self.note_resent(segment, now);
    }

    fn note_resent(&self, segment: Segment<'_>, now: Millis) {
        let (sn, ts) = (Sn(segment.sn.get()), Millis(segment.ts.get()));
        let more = self.resent.note(sn, ts, now);
        self.needs_attention(u32::from(more));
    }

    /// A flush is about to admit `count` segments, which have waited `waited` ms in total and at most `longest` ms.
    #[inline(always)]
    pub(crate) fn admitted(&self, kcp: &Kcp<'_>, (count, waited, longest): (u32, u32, i32)) {
        let (counters, now) = (&self.counters, kcp.now());
        let left = kcp.nsnd_que.get() > count;
        self.before_admission(kcp);
        // After a clock that was set back the times are unknown.
        if count > 0 && longest > 0 && waited.cast_signed() > 0 {
            add(&counters.stats.queue_time, waited);
            let max = &counters.stats.queue_time_max;
            max.set(max.get().max(longest.unsigned_abs()));
        }
        if left || counters.limit.get() != Limit::None {
            counters.limited(if left { limit_of(kcp) } else { Limit::None }, now);
        }
    }

    /// Messages were dropped from `snd_queue`.
    pub(super) fn messages_dropped(&self, count: u32) {
        add(&self.counters.stats.messages_dropped, count);
    }

    /// Messages in flight became stubs.
    pub(super) fn messages_shortened(&self, count: u32) {
        add(&self.counters.stats.messages_shortened, count);
    }

    /// A copy of `sn` is in a packet. Its acknowledgement will not tell which of the resends before it were for nothing.
    pub(crate) fn copy_sent(&self, sn: Sn) {
        add(&self.counters.stats.copies_sent, 1);
        let forgotten = self.resent.forget_one(sn);
        self.needs_attention(u32::from(forgotten).wrapping_neg());
    }
}

/// The counter for a command: `ask` or `tell`.
fn probe<'a>(cmd: u8, ask: &'a Cell<u64>, tell: &'a Cell<u64>) -> &'a Cell<u64> {
    if u32::from(cmd) == IKCP_CMD_WASK {
        ask
    } else {
        tell
    }
}

/// The smallest window, which limits the sender.
fn limit_of(kcp: &Kcp<'_>) -> Limit {
    let (window, peer) = (kcp.snd_wnd.get(), kcp.rmt_wnd.get());
    if kcp.send_window() < window.min(peer) {
        Limit::Control
    } else if peer < window {
        Limit::Peer
    } else {
        Limit::Window
    }
}

impl Counters {
    #[inline(always)]
    fn round_trip(&self, ts: Millis, now: Millis) {
        let (rtt, min) = (now.since(ts), &self.stats.rtt_min);
        // 0 means none, as in `rx_srtt`.
        if rtt >= 0 && (min.get() == 0 || rtt.unsigned_abs() < min.get()) {
            min.set(rtt.unsigned_abs().max(1));
        }
    }

    /// Sets what limits the sender from now on.
    #[inline(always)]
    fn limited(&self, limit: Limit, now: Millis) {
        if self.limit.get() != limit {
            self.count_limited(now);
            self.limit.set(limit);
        }
    }

    /// Counts the time up to `now` for what has limited the sender.
    #[inline(never)]
    fn count_limited(&self, now: Millis) {
        let stats = &self.stats;
        let counter = match self.limit.get() {
            Limit::None => None,
            Limit::Peer => Some(&stats.limited_by_peer),
            Limit::Window => Some(&stats.limited_by_window),
            Limit::Control => Some(&stats.limited_by_control),
        };
        let since = self.limit_since.replace(now);
        if let Some(counter) = counter {
            add(counter, now.elapsed_since(since));
        }
    }

    fn measure_rate(&self, now: Millis) {
        let elapsed = now.elapsed_since(self.rate_since.get());
        if elapsed >= RATE_PERIOD {
            self.rate_since.set(now);
            let delivered = self.stats.bytes_delivered.get();
            let bytes = delivered.wrapping_sub(self.rate_bytes.replace(delivered));
            let rate = bytes.saturating_mul(1000) / u64::from(elapsed);
            let rate = u32::try_from(rate).unwrap_or(u32::MAX);
            self.stats.delivery_rate.set(rate);
        }
    }
}

impl Kcp<'_> {
    /// Segments wait in `snd_queue`, but a flush can admit none.
    #[cold]
    #[inline(never)]
    pub(crate) fn note_stall(&mut self) {
        self.expire_messages(self.now());
        if let Some(Extras { counters, .. }) = self.extras() {
            let empty = self.snd_queue().is_empty();
            let limit = if empty { Limit::None } else { limit_of(self) };
            counters.limited(limit, self.now());
        }
    }

    /// Begins to count; all counters are zero.
    pub(super) fn start_counting(&self, state: &Extras) {
        let (counters, now) = (&state.counters, self.now());
        counters.clock.set(now);
        counters.limit_since.set(now);
        counters.rate_since.set(now);
        // What the last packet acknowledged is counted with the next packet.
        let acked = u64::from(self.ackedlen.get()).wrapping_neg();
        counters.stats.bytes_delivered.set(acked);
        counters.rate_bytes.set(acked);
        counters.next_sn.set(self.snd_nxt.get());
        counters.arrived.set(self.arrived());
    }

    /// Counts from fields of the object. Called often enough that they do not wrap in between.
    pub(super) fn count_fields(&self, state: &Extras) {
        let (counters, now) = (&state.counters, self.now());
        let stats = &counters.stats;
        add(&stats.time, now.elapsed_since(counters.clock.replace(now)));
        for (number, seen, counter) in [
            (self.snd_nxt.get(), &counters.next_sn, &stats.segments_sent),
            (self.arrived(), &counters.arrived, &stats.segments_received),
        ] {
            // A program that resets the connection sets these numbers back.
            let more = Sn(number).since(Sn(seen.replace(number)));
            add(counter, more.max(0).unsigned_abs());
        }
        counters.measure_rate(now);
        if state.attention.get() != 0 {
            let timeout = self.rx_rto.get().cast_unsigned();
            let late = now.plus(timeout.wrapping_mul(2).wrapping_neg());
            let forgotten = state.resent.forget(Sn(self.snd_una.get()), late);
            state.needs_attention(forgotten.wrapping_neg());
        }
    }

    /// The counters up to now, without what the last packet acknowledged.
    pub(super) fn counted<'k>(&self, state: &'k Extras) -> &'k IKCPX_STATS {
        self.count_fields(state);
        let counters = &state.counters;
        counters.count_limited(self.now());
        let stats = &counters.stats;
        stats.rtt_smoothed.set(self.rx_srtt.get().cast_unsigned());
        stats
    }

    /// A number that grows with each segment that arrives for the first time.
    fn arrived(&self) -> u32 {
        self.rcv_nxt.get().wrapping_add(self.nrcv_buf.get())
    }
}
