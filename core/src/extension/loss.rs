//! Time-based loss detection for a connection: what `cc::rack` learns about its segments, and what happens to those that it finds
//! lost.
//!
//! A lost segment gets a mark in `fastack` and a deadline in the past, so the index finds it like any due segment. While
//! acknowledgements arrive, other deadlines do not count: KCP does not restart them with each acknowledgement, and a growing
//! queue would cause everything to be sent twice.
//!
//! If few segments are in flight and the program has nothing more to send, KCP's own rules apply, which are faster there. They wait
//! until the last of what a flush had to leave has arrived: a control has to learn what becomes of it.

use core::mem;

use super::{Extension, State};
use crate::cc::rack::{Alike, Burst, Flying, Log};
use crate::consts::{IKCP_OVERHEAD, IKCP_RTO_MAX};
use crate::index::Cause;
use crate::kcp::Kcp;
use crate::memory::ring::Ring;
use crate::segment::Segment;
use crate::seq::{Millis, Sn};
use crate::wire::Ack;

/// In `fastack`: found lost, and not sent since.
const LOST: u32 = 1 << 31;
/// In `fastack`: its acknowledgement has arrived, and the `una` that came with it will remove it.
const ARRIVED: u32 = 1 << 30;
/// In `fastack`: sent before the path changed, and not since. A control may have it wait. Only connections with extras have it.
pub(crate) const BEFORE: u32 = 1 << 29;
/// Up to this many segments in flight KCP's own rules may apply.
pub(super) const THIN: u32 = 32;
/// Segments that are retransmitted while nothing is acknowledged (RFC 8985, 7: tail loss probes).
const PROBES: u32 = 2;

fn flying(segment: Segment<'_>) -> Flying {
    Flying {
        ts: Millis(segment.ts.get()),
        xmit: segment.xmit.get(),
        lost: segment.fastack.get() & LOST != 0,
    }
}

/// Bytes of a segment, header included.
fn size(segment: Segment<'_>) -> u32 {
    segment.len.get().wrapping_add(IKCP_OVERHEAD)
}

/// The transmissions in their order. Without memory for one the oldest are forgotten; their deadlines bring them back.
pub(super) struct Transmissions {
    bursts: Ring<Burst>,
    /// Those after them.
    latest: Burst,
}

impl Transmissions {
    /// Appends a transmission if it continues the latest ones. False if not.
    #[inline(always)]
    fn continues(&mut self, sn: Sn, ts: Millis) -> bool {
        let Burst { first, count, .. } = self.latest;
        if self.latest.ts != ts || first.plus(count) != sn {
            return false;
        }
        self.latest.count = count + 1;
        true
    }

    fn begin(&mut self, first: Sn, ts: Millis) {
        if self.latest.count > 0 {
            self.bursts.push(self.latest);
        }
        self.latest = Burst {
            first,
            count: 1,
            ts,
        };
    }

    fn clear(&mut self) {
        self.bursts.clear();
        self.latest.count = 0;
    }
}

impl Log for Transmissions {
    fn first(&self) -> Option<Burst> {
        let burst = self.bursts.first().unwrap_or(self.latest);
        (burst.count > 0).then_some(burst)
    }

    fn drop_before(&mut self, sn: Sn) {
        let burst = self.bursts.first_mut().unwrap_or(&mut self.latest);
        burst.count = burst.first.plus(burst.count).forward_from(sn);
        burst.first = sn;
        if burst.count == 0 {
            self.bursts.drop_first();
        }
    }
}

impl State {
    /// True if KCP's own rules apply.
    pub(super) fn is_thin(&self, in_flight: u32) -> bool {
        !self.bulk && in_flight <= THIN
    }

    /// Segments with together `bytes` leave `snd_buf`, or will when their packet's `una` is processed: for their own acknowledgements,
    /// with the time stamp `echo`, or for `una`.
    ///
    /// The acknowledgements of one flush of the peer may take several packets, and the first packet's `una` covers all of them.
    /// For a segment that only a later `una` acknowledges, the time of arrival is unknown: it is left out of the delivery rate.
    #[inline(never)]
    fn note_departure(&mut self, now: Millis, segments: Alike, bytes: u32, echo: Option<Millis>) {
        match echo {
            None => self.rack.covered(now, segments),
            Some(echo) if self.rack.acked(now, segments, echo) => {
                self.probes = 0;
                self.heard(echo);
            }
            Some(_) => {}
        }
        self.rack.ends(segments);
        self.delivered_segments = self.delivered_segments.wrapping_add(segments.count);
        let age = now.elapsed_since(segments.flying.ts);
        let usual = self.rack.latest_rtt.saturating_add(self.grain);
        if echo.is_some() || age <= usual.saturating_add(2 * self.rack.mean_late()) {
            self.delivered = self.delivered.wrapping_add(bytes);
        }
    }

    #[inline(never)]
    fn note_one_departure(&mut self, now: Millis, segment: Segment<'_>, echo: Option<Millis>) {
        let alone = Alike {
            first: Sn(segment.sn.get()),
            count: 1,
            flying: flying(segment),
        };
        self.note_departure(now, alone, size(segment), echo);
    }
}

impl Kcp<'_> {
    fn extension(&self) -> &Extension {
        &self.private().extension
    }

    #[inline(never)]
    fn in_flight(&self, sn: Sn) -> Option<Segment<'_>> {
        if !self.may_be_in_flight(sn) {
            return None;
        }
        self.private().sent.find(self.snd_buf(), sn)
    }

    /// Moves a segment's deadline to `wait` ms from now.
    #[inline(never)]
    fn move_deadline(&self, segment: Segment<'_>, wait: u32) {
        segment.resendts.set(self.now().plus(wait).0);
        self.private().sent.deadline_moved(segment);
    }

    /// True if loss detection is time-based.
    pub(crate) fn tells_by_time(&self) -> bool {
        self.extension().is_on()
    }

    /// True if skips are not counted.
    pub(crate) fn ignores_skips(&self) -> bool {
        let in_flight = self.nsnd_buf.get();
        self.extension().with(|state| !state.is_thin(in_flight)) == Some(true)
    }

    /// A segment leaves `snd_buf`, for an acknowledgement with the time stamp `echo` if that is known.
    #[inline(always)]
    pub(crate) fn note_removed(&self, segment: Segment<'_>, echo: Option<Millis>) {
        let now = self.now();
        self.extension()
            .with(|state| state.note_one_departure(now, segment, echo));
    }

    /// The acknowledgements of `count` segments from `first.sn` on have arrived, each with the time stamp `first.ts`. With `stay` a
    /// later `una` removes the segments; otherwise they leave now.
    #[inline(never)]
    pub(crate) fn note_arrived(&self, first: Ack, count: u32, stay: bool) {
        let (list, now) = (self.snd_buf(), self.now());
        let Ack { mut sn, ts } = first;
        let end = sn.plus(count);
        self.extension().with(|state| {
            while sn != end {
                let from = sn;
                let mut at = self.in_flight(sn);
                let mut bytes = 0u32;
                // Nearly all were sent once, at that time.
                while sn != end
                    && let Some(segment) = at
                    && segment.sn.get() == sn.0
                    && segment.ts.get() == ts.0
                    && segment.xmit.get() == 1
                    && segment.fastack.get() == 0
                {
                    segment.fastack.set(ARRIVED);
                    bytes = bytes.wrapping_add(segment.len.get());
                    sn = sn.plus(1);
                    at = list.next(segment);
                }
                let mut count = sn.forward_from(from);
                if count > 0 {
                    let flying = Flying {
                        ts,
                        xmit: 1,
                        lost: false,
                    };
                    let segments = Alike {
                        first: from,
                        count,
                        flying,
                    };
                    bytes = bytes.wrapping_add(count.wrapping_mul(IKCP_OVERHEAD));
                    state.note_departure(now, segments, bytes, Some(ts));
                } else {
                    sn = sn.plus(1);
                    if let Some(segment) = at
                        && segment.fastack.get() & ARRIVED == 0
                    {
                        count = 1;
                        state.note_one_departure(now, segment, Some(ts));
                        segment.fastack.set(segment.fastack.get() | ARRIVED);
                    }
                }
                if stay {
                    state.arrived += count;
                }
            }
        });
    }

    /// Everything before `una` is about to leave `snd_buf`.
    #[inline(never)]
    pub(crate) fn note_removed_before(&self, una: Sn) {
        let (list, now) = (self.snd_buf(), self.now());
        self.extension().with(|state| {
            let arrived = mem::take(&mut state.arrived);
            let mut at = list.first();
            // Usually the acknowledgements of all of them have arrived.
            if at.is_some_and(|first| una.forward_from(Sn(first.sn.get())) == arrived) {
                return;
            }
            while let Some(segment) = at
                && una.since(Sn(segment.sn.get())) > 0
            {
                if segment.fastack.get() & ARRIVED == 0 {
                    state.note_one_departure(now, segment, None);
                }
                at = list.next(segment);
            }
        });
    }

    /// A segment of the peer has arrived, with the time stamp `time`.
    pub(crate) fn note_peer_time(&self, time: Millis) {
        self.extension().with(|state| {
            state.peer_news |= mem::replace(&mut state.peer_time, time) != time;
        });
    }

    /// A segment was sent.
    #[inline(never)]
    pub(crate) fn note_sent(&self, segment: Segment<'_>) {
        let (sn, ts) = (Sn(segment.sn.get()), Millis(segment.ts.get()));
        let size = size(segment);
        let continues = self.extension().with(|state| {
            let sent = &mut state.sent;
            sent.bytes = sent.bytes.wrapping_add(size);
            sent.segments = sent.segments.wrapping_add(1);
            state.rack.begins();
            state.log.continues(sn, ts)
        });
        if continues == Some(false) {
            self.begin_burst(sn, ts);
        }
    }

    /// Time-based loss detection begins: what was sent before is in flight, too.
    pub(super) fn note_flights(&self) {
        let mut at = self.snd_buf().first();
        while let Some(segment) = at {
            if segment.xmit.get() > 0 {
                self.note_sent(segment);
            }
            at = self.snd_buf().next(segment);
        }
    }

    /// Nothing counts as lost any more.
    pub(super) fn forget_losses(&self) {
        let mut at = self.snd_buf().first();
        while let Some(segment) = at {
            segment.fastack.set(segment.fastack.get() & !LOST);
            at = self.snd_buf().next(segment);
        }
    }

    /// Nothing counts as sent any more.
    pub(crate) fn forget_flights(&self) {
        self.extension().with(|state| {
            state.rack.idle();
            state.log.clear();
            state.probes = 0;
        });
    }

    #[inline(never)]
    fn begin_burst(&self, sn: Sn, ts: Millis) {
        self.extension().with(|state| state.log.begin(sn, ts));
    }

    /// A segment is about to be sent again. Unless it was found lost, it is in flight.
    pub(crate) fn note_resent(&self, segment: Segment<'_>) {
        if !flying(segment).lost {
            self.extension().with(|state| state.rack.began_before());
        }
    }

    /// Records whether this flush found the queue empty.
    pub(crate) fn note_queue(&self) {
        let left = !self.snd_queue().is_empty();
        let (una, next) = (Sn(self.snd_una.get()), self.next_sn());
        self.extension().with(|state| {
            state.queue_left = left;
            if left {
                state.bulk_end = next;
            }
            state.bulk = left || (state.bulk && una.before(state.bulk_end));
        });
    }

    /// Marks a segment as lost. Returns when it was sent.
    #[inline(never)]
    fn mark_lost(&self, sn: Sn) -> Option<Millis> {
        let segment = self.in_flight(sn)?;
        segment.fastack.set(LOST);
        self.move_deadline(segment, 0);
        Some(Millis(segment.ts.get()))
    }

    /// Finds the segments that are lost, and marks them.
    pub(crate) fn detect_losses(&self) {
        let (now, una) = (self.now(), Sn(self.snd_una.get()));
        let in_flight = self.nsnd_buf.get();
        let look = |sn| self.in_flight(sn).map(flying);
        self.extension().with(|state| {
            let thin = state.is_thin(in_flight);
            let State {
                rack,
                log,
                newest_lost,
                ..
            } = state;
            let lost = |sn| {
                if let Some(sent) = self.mark_lost(sn)
                    && newest_lost.before(sent)
                {
                    *newest_lost = sent;
                }
            };
            // The program may have removed segments.
            rack.pipe = rack.pipe.min(in_flight);
            if in_flight == 0 {
                rack.idle();
                log.clear();
            } else {
                rack.detect(now, una, thin, log, look, lost);
            }
        });
    }

    /// Time until `detect_losses` finds something if nothing arrives before.
    pub(crate) fn until_loss(&self, now: Millis) -> i32 {
        let in_flight = self.nsnd_buf.get();
        let wait = self.extension().with(|state| {
            if in_flight == 0 || state.is_thin(in_flight) {
                return i32::MAX;
            }
            state.rack.wait(now, state.log.first())
        });
        wait.unwrap_or(i32::MAX)
    }

    /// Decides whether a segment whose deadline has passed is sent, and why: after its timeout; or as lost, because it was found so or as
    /// a probe. Otherwise its deadline moves.
    #[inline(never)]
    pub(crate) fn judge(&self, segment: Segment<'_>) -> Option<Cause> {
        let (now, in_flight) = (self.now(), self.nsnd_buf.get());
        let rto = self.rx_rto.get().cast_unsigned().min(IKCP_RTO_MAX);
        let flying = flying(segment);
        let judged = self.extension().with(|state| {
            if flying.lost {
                return Ok(Cause::FastRetransmit);
            }
            if state.is_thin(in_flight) {
                return Ok(Cause::Timeout);
            }
            let quiet = now.forward_from(state.rack.last_ack);
            if quiet < rto {
                let age = now.forward_from(flying.ts);
                if age > rto.saturating_mul(4) && !state.rack.holds(Sn(segment.sn.get())) {
                    // Loss detection has not found it lost, perhaps for lack of memory.
                    return Ok(Cause::FastRetransmit);
                }
                return Err(rto - quiet);
            }
            // The first segment does not wait for another: a peer whose window has become small may take no other.
            let first = self.snd_buf().first().unwrap_or(segment);
            let probed = now.forward_from(state.probed);
            if first != segment && state.probes > 0 && probed < rto {
                return Err(rto - probed);
            }
            state.probes = state.probes.saturating_add(1);
            state.probed = now;
            if state.probes > PROBES {
                Ok(Cause::Timeout)
            } else {
                Ok(Cause::FastRetransmit)
            }
        });
        match judged.unwrap_or(Ok(Cause::Timeout)) {
            Ok(cause) => Some(cause),
            Err(wait) => {
                self.move_deadline(segment, wait.max(1));
                None
            }
        }
    }
}
