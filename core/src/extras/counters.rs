//! Counters. Numbers that follow from fields of the object, such as segments from `snd_nxt` and `rcv_nxt`, are not counted a
//! second time.

use core::cell::Cell;

use super::{Extras, IKCPX_STATS};
use crate::cc::per_second;
use crate::consts::{IKCP_CMD_ACK, IKCP_CMD_WASK};
use crate::kcp::Kcp;
use crate::segment::{Datagram, Segment};
use crate::seq::{Millis, Sn};

/// Period over which the delivery rate is measured, ms.
const RATE_PERIOD: u32 = 1000;

/// `Counters::shortest` before the first round trip.
const NO_RTT: u32 = i32::MAX.cast_unsigned();

/// What segments in `snd_queue` wait for.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
enum Limit {
    None,
    Peer,
    Window,
    Control,
}

/// Number of packets given to `input`. The sign says that packets are to be looked into, so counting and asking is one instruction.
pub(super) struct Arrived(Cell<i64>);

impl Arrived {
    /// Counts a packet. True if packets are to be looked into.
    #[inline(always)]
    fn count(&self) -> bool {
        self.0.set(self.0.get().wrapping_add(1));
        self.0.get() < 0
    }

    pub(super) fn look_into_packets(&self, wanted: bool) {
        let sign = if wanted { i64::MIN } else { 0 };
        self.0.set(self.0.get() & i64::MAX | sign);
    }

    fn number(&self) -> u64 {
        self.0.get().cast_unsigned() & i64::MAX.cast_unsigned()
    }

    fn restart(&self) {
        self.0.set(self.0.get() & i64::MIN);
    }
}

pub(super) struct Counters {
    /// Without what stands below.
    pub(super) stats: IKCPX_STATS,
    /// For `packets_sent`, away from `bytes_sent`: the compiler adds to neighbours at once, which takes more instructions.
    sent: Cell<u64>,
    /// For `packets_received`.
    pub(super) arrived: Arrived,
    /// For `rtt_min`: the complement of the shortest round trip, or `NO_RTT`, which is longer than any.
    shortest: Cell<u32>,
    /// The program has asked for counters.
    pub(super) asked: Cell<bool>,
    limit: Cell<Limit>,
    /// When `limit` became what it is.
    limit_since: Cell<Millis>,
    /// Up to when time was counted, and the sequence numbers at that time.
    clock: Cell<Millis>,
    next_sn: Cell<u32>,
    arrived_sn: Cell<u32>,
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
    #[inline(always)]
    pub(crate) fn packet_sent(&self, len: u32) {
        add(&self.counters.sent, 1);
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

    /// `ikcp_input` returned an error for a packet of `size` bytes, which has been counted.
    pub(crate) fn packet_refused(&self, size: i32) {
        let stats = &self.counters.stats;
        add(&stats.packets_refused, 1);
        if size < 0 {
            let bytes = stats.bytes_received.get();
            let nonsense = u64::from(size.cast_unsigned());
            stats.bytes_received.set(bytes.wrapping_sub(nonsense));
        }
    }

    /// `ikcp_input` got a packet. `ackedlen` still has what the last packet acknowledged.
    #[inline(always)]
    pub(crate) fn packet_arrived(&self, kcp: &Kcp<'_>, packet: &Datagram) {
        let stats = &self.counters.stats;
        add(&stats.bytes_received, packet.size().cast_unsigned());
        add(&stats.bytes_delivered, kcp.ackedlen.get());
        if self.counters.arrived.count() {
            self.look_at_packet(kcp, packet.clone());
        }
    }

    #[cold]
    #[inline(never)]
    fn look_at_packet(&self, kcp: &Kcp<'_>, packet: Datagram) {
        if self.large.is_on() {
            self.window_told(kcp.rmt_wnd.get());
        }
        // `input` has not looked yet.
        if packet.has_header() {
            self.look_at_acks(kcp, packet);
        }
    }

    /// `count` acknowledgements arrived. As far as is known, the newest is for what was sent at `newest`.
    #[inline(always)]
    pub(crate) fn acks_received(&self, count: u32, newest: Option<Millis>, now: Millis) {
        add(&self.counters.stats.acks_received, count);
        if let Some(ts) = newest {
            self.counters.round_trip(ts, now);
        }
    }

    /// Looks for acknowledgements of segments that were retransmitted. Every implementation puts acknowledgements at the front.
    fn look_at_acks(&self, kcp: &Kcp<'_>, mut packet: Datagram) {
        while let Some(ack) = packet.peek()
            && ack.conv == kcp.conv.get()
            && u32::from(ack.cmd) == IKCP_CMD_ACK
            && ack.len == 0
        {
            let (sn, ts) = (Sn(ack.sn), Millis(ack.ts));
            // `input` measures the latest segment, but a retransmission of an earlier one may have left later.
            self.counters.round_trip(ts, kcp.now());
            if let Some(needless) = self.resent.arrived(sn, ts) {
                add(&self.counters.stats.resent_needless, needless);
            }
            _ = packet.header();
        }
        self.choose_attention();
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

    #[inline(never)]
    fn note_resent(&self, segment: Segment<'_>, now: Millis) {
        let (sn, ts) = (Sn(segment.sn.get()), Millis(segment.ts.get()));
        self.resent.note(sn, ts, now);
        self.counters.arrived.look_into_packets(true);
    }

    /// A flush is about to admit `count` segments, which have waited for so many milliseconds: all of them together, and the longest.
    #[inline(always)]
    pub(crate) fn admitted(&self, kcp: &Kcp<'_>, count: u32, waited: (u64, u32)) {
        let counters = &self.counters;
        let left = kcp.nsnd_que.get() > count;
        self.before_admission(kcp);
        counters.waited(waited);
        if left || counters.limit.get() != Limit::None {
            self.limit_by(kcp, left);
        }
        self.choose_admission(kcp);
    }

    /// Counts what has limited the sender so far; from now on a window does, if segments `wait`.
    #[inline(never)]
    fn limit_by(&self, kcp: &Kcp<'_>, wait: bool) {
        let limit = if wait { limit_of(kcp) } else { Limit::None };
        self.counters.count_limited(kcp.now());
        self.counters.limit.set(limit);
    }

    /// Whether the next admission has to look at each segment.
    fn choose_admission(&self, kcp: &Kcp<'_>) {
        let waits = self.counters.limit.get() != Limit::None;
        let watched = waits || self.link.is_watched() || self.may_expire(kcp);
        self.watches_admission.set(watched);
    }

    fn may_expire(&self, kcp: &Kcp<'_>) -> bool {
        self.expires.get().is_some() || kcp.redundancy().is_some()
    }

    /// True if the next admission has to look at each segment. Simple ones are counted here: all of `snd_queue`, which came in
    /// this millisecond or is a single segment, while nothing has waited for a window before.
    #[inline(always)]
    pub(crate) fn has_to_look(&self, kcp: &Kcp<'_>, room: i32, now: Millis) -> bool {
        if self.watches_admission.get() {
            return true;
        }
        let Some(first) = kcp.snd_queue().first() else {
            return false;
        };
        let (queued, count) = (Millis(first.ts.get()), kcp.nsnd_que.get().cast_signed());
        if count > room || (queued != now && count != 1) {
            return true;
        }
        if queued != now {
            self.counters.one_waited(queued, now);
        }
        false
    }

    /// Messages were dropped from `snd_queue`.
    pub(super) fn messages_dropped(&self, count: u32) {
        add(&self.counters.stats.messages_dropped, count);
    }

    /// Messages in flight became stubs.
    pub(crate) fn messages_shortened(&self, count: u32) {
        add(&self.counters.stats.messages_shortened, count);
    }

    /// A copy of `sn` is in a packet. Its acknowledgement will not tell which of the resends before it were for nothing.
    pub(crate) fn copy_sent(&self, sn: Sn) {
        add(&self.counters.stats.copies_sent, 1);
        self.resent.forget_one(sn);
        self.choose_attention();
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

/// What limits the sender if segments wait: the smallest window, or the pace.
#[inline(always)]
fn limit_of(kcp: &Kcp<'_>) -> Limit {
    let (window, peer) = (kcp.snd_wnd.get(), kcp.rmt_wnd.get());
    let control = kcp.cwnd.get() < window.min(peer) || kcp.private().deferred.get();
    if kcp.has_control_window() && control {
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
        // The complement of a negative number is below `NO_RTT`.
        let rtt = !now.since(ts).cast_unsigned();
        if rtt > self.shortest.get() {
            self.shortest.set(rtt);
        }
    }

    #[inline(always)]
    fn waited(&self, (all, longest): (u64, u32)) {
        let stats = &self.stats;
        let sum = stats.queue_time.get().wrapping_add(all);
        stats.queue_time.set(sum);
        let max = stats.queue_time_max.get().max(longest);
        stats.queue_time_max.set(max);
    }

    #[cold]
    #[inline(never)]
    fn one_waited(&self, queued: Millis, now: Millis) {
        let waited = now.elapsed_since(queued);
        self.waited((waited.into(), waited));
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
        let elapsed = now.forward_from(self.rate_since.get());
        if elapsed >= RATE_PERIOD {
            self.rate_since.set(now);
            let delivered = self.stats.bytes_delivered.get();
            let bytes = delivered.wrapping_sub(self.rate_bytes.replace(delivered));
            let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
            self.stats.delivery_rate.set(per_second(bytes, elapsed));
        }
    }
}

impl Kcp<'_> {
    /// Segments wait in `snd_queue`, but a flush can admit none.
    #[cold]
    #[inline(never)]
    pub(crate) fn note_stall(&mut self) {
        if let Some(extras) = self.extras()
            && (extras.may_expire(self) || extras.counters.limit.get() != limit_of(self))
        {
            self.note_new_stall();
        }
    }

    #[inline(never)]
    fn note_new_stall(&mut self) {
        self.expire_messages(self.now());
        if let Some(extras) = self.extras() {
            extras.watches_admission.set(true);
            extras.limit_by(self, !self.snd_queue().is_empty());
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
        counters.next_sn.set(self.sent());
        counters.arrived_sn.set(self.arrived());
        counters.sent.set(0);
        counters.arrived.restart();
        counters.shortest.set(NO_RTT);
    }

    /// Takes counts from fields of the object. It is called so often that no field wraps in between.
    pub(super) fn count_fields(&self, state: &Extras) {
        let (counters, now) = (&state.counters, self.now());
        let stats = &counters.stats;
        add(&stats.time, now.elapsed_since(counters.clock.replace(now)));
        for (number, seen, counter) in [
            (self.sent(), &counters.next_sn, &stats.segments_sent),
            (
                self.arrived(),
                &counters.arrived_sn,
                &stats.segments_received,
            ),
        ] {
            // A program that resets the connection sets these numbers back.
            let more = Sn(number).since(Sn(seen.replace(number)));
            add(counter, more.max(0).unsigned_abs());
        }
        counters.measure_rate(now);
        if state.resent.remembers() {
            let timeout = self.rx_rto.get().cast_unsigned();
            let late = now.plus(timeout.wrapping_mul(2).wrapping_neg());
            state.resent.forget(Sn(self.snd_una.get()), late);
            state.choose_attention();
        }
    }

    /// The counters up to now, without what the last packet acknowledged.
    pub(super) fn counted<'k>(&self, state: &'k Extras) -> &'k IKCPX_STATS {
        self.count_fields(state);
        let counters = &state.counters;
        counters.count_limited(self.now());
        let stats = &counters.stats;
        stats.packets_sent.set(counters.sent.get());
        stats.packets_received.set(counters.arrived.number());
        // 0 means none, as in `rx_srtt`.
        stats.rtt_min.set(match counters.shortest.get() {
            NO_RTT => 0,
            shortest => (!shortest).max(1),
        });
        stats.rtt_smoothed.set(self.rx_srtt.get().cast_unsigned());
        stats
    }

    /// A number that grows with each segment that is sent for the first time.
    fn sent(&self) -> u32 {
        self.snd_nxt.get().wrapping_sub(self.never_sent())
    }

    /// A number that grows with each segment that arrives for the first time.
    fn arrived(&self) -> u32 {
        self.rcv_nxt.get().wrapping_add(self.nrcv_buf.get())
    }
}
