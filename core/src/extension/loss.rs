//! Time-based loss detection for a connection: what `cc::rack` learns about its segments, and what happens to those that it finds
//! lost.
//!
//! A lost segment gets a mark in `fastack` and a deadline in the past, so the index finds it like any due segment. While
//! acknowledgements arrive, other deadlines do not count: KCP does not restart them with each acknowledgement, and a growing
//! queue would cause everything to be sent twice.
//!
//! If few segments are in flight and the program has nothing more to send, KCP's own rules apply, which are faster there.

use super::{Extension, State};
use crate::cc::rack::{Flying, Log, Sent};
use crate::consts::{IKCP_OVERHEAD, IKCP_RTO_MAX};
use crate::kcp::Kcp;
use crate::memory::ring::Ring;
use crate::segment::Segment;
use crate::seq::{Millis, Sn};

/// In `fastack`: found lost, and not sent since.
const LOST: u32 = 1 << 31;
/// In `fastack`: its acknowledgement has arrived, and the `una` that came with it will remove it.
const ARRIVED: u32 = 1 << 30;
/// Up to this many segments in flight KCP's own rules may apply.
pub(super) const THIN: u32 = 32;
/// Segments that may be retransmitted at a time while nothing is acknowledged (RFC 8985, 7: tail loss probes).
const PROBES: u32 = 2;

/// Whether a due segment is sent, and why.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// For its own reason.
    Stands,
    /// Because it was found lost, or as a probe.
    Lost,
    /// After its timeout.
    TimedOut,
    /// Not now: its deadline was moved.
    Waits,
}

fn flying(segment: Segment<'_>) -> Flying {
    Flying {
        ts: Millis(segment.ts.get()),
        xmit: segment.xmit.get(),
        lost: segment.fastack.get() & LOST != 0,
    }
}

/// The transmissions in their order. Without memory for one the oldest is forgotten; its deadline brings it back.
impl Log for Ring<Sent> {
    fn first(&self) -> Option<Sent> {
        Ring::first(self)
    }

    fn drop_first(&mut self) {
        Ring::drop_first(self);
    }
}

impl State {
    /// True if KCP's own rules apply.
    pub(super) fn is_thin(&self, in_flight: u32) -> bool {
        self.queue_empty && in_flight <= THIN
    }

    /// See `Kcp::note_removed`.
    #[inline(never)]
    fn note_removed(&mut self, now: Millis, segment: Segment<'_>, echo: Option<Millis>) {
        let (sn, flying) = (Sn(segment.sn.get()), flying(segment));
        if let Some(echo) = echo
            && self.rack.acked(now, sn, echo, flying)
        {
            self.probes = 0;
            self.heard(echo);
        }
        self.rack.ends(sn, flying);
        self.delivered_segments = self.delivered_segments.wrapping_add(1);
        let age = now.elapsed_since(flying.ts);
        if echo.is_some() || age <= self.rack.latest_rtt.saturating_add(self.grain) {
            let bytes = segment.len.get().saturating_add(IKCP_OVERHEAD);
            self.delivered = self.delivered.wrapping_add(bytes);
        }
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
        self.private().sent.sent(segment);
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

    /// A segment leaves `snd_buf`: for its own acknowledgement, with the time stamp `echo`, or for `una`.
    ///
    /// The acknowledgements of one flush of the peer may take several packets, and the first packet's `una` covers all of them.
    /// For a segment that only a later `una` acknowledges, the time of arrival is unknown: it is left out of the delivery rate.
    #[inline(always)]
    pub(crate) fn note_removed(&self, segment: Segment<'_>, echo: Option<Millis>) {
        let now = self.now();
        self.extension()
            .with(|state| state.note_removed(now, segment, echo));
    }

    /// The acknowledgement of segment `sn` has arrived, with the time stamp `echo`, and its `una` will remove it.
    #[inline(never)]
    pub(crate) fn note_arrived(&self, sn: Sn, echo: Millis) {
        if let Some(segment) = self.private().sent.find(self.snd_buf(), sn)
            && segment.fastack.get() & ARRIVED == 0
        {
            self.note_removed(segment, Some(echo));
            segment.fastack.set(segment.fastack.get() | ARRIVED);
        }
    }

    /// Everything before `una` is about to leave `snd_buf`.
    #[inline(never)]
    pub(crate) fn note_removed_before(&self, una: Sn) {
        let (list, now) = (self.snd_buf(), self.now());
        self.extension().with(|state| {
            let mut at = list.first();
            while let Some(segment) = at
                && una.since(Sn(segment.sn.get())) > 0
            {
                if segment.fastack.get() & ARRIVED == 0 {
                    state.note_removed(now, segment, None);
                }
                at = list.next(segment);
            }
        });
    }

    /// A segment was sent.
    pub(crate) fn note_sent(&self, segment: Segment<'_>) {
        let bytes = segment.len.get().saturating_add(IKCP_OVERHEAD);
        let (sn, ts) = (Sn(segment.sn.get()), Millis(segment.ts.get()));
        self.extension().with(|state| {
            state.sent = state.sent.wrapping_add(bytes);
            state.size = match state.size {
                0 => bytes.saturating_mul(16),
                size => (size - size / 16).saturating_add(bytes),
            };
            if segment.xmit.get() == 1 {
                state.rack.begins();
            }
            state.log.push(Sent { sn, ts });
        });
    }

    /// A segment is retransmitted because it was skipped, or found lost.
    pub(crate) fn note_sent_early(&self, segment: Segment<'_>) {
        if flying(segment).lost {
            self.extension().with(|state| state.rack.begins());
        }
    }

    /// Records whether this flush found the queue empty.
    pub(crate) fn note_queue(&self) {
        let empty = self.snd_queue().is_empty();
        self.extension().with(|state| state.queue_empty = empty);
    }

    /// Number of segments in `snd_buf` that were never sent.
    pub(crate) fn unsent(&self) -> u32 {
        let (index, list) = (&self.private().sent, self.snd_buf());
        if !index.is_off() {
            return self.next_sn().since(index.unsent()).max(0).cast_unsigned();
        }
        let mut count = 0;
        let mut at = list.first();
        while let Some(segment) = at {
            count += u32::from(segment.xmit.get() == 0);
            at = list.next(segment);
        }
        count
    }

    /// Finds the segments that are lost, and marks them.
    pub(crate) fn detect_losses(&self) {
        let (now, una) = (self.now(), Sn(self.snd_una.get()));
        let in_flight = self.nsnd_buf.get();
        let look = |sn| self.in_flight(sn).map(flying);
        let lost = |sn| {
            if let Some(segment) = self.in_flight(sn) {
                segment.fastack.set(LOST);
                self.move_deadline(segment, 0);
            }
        };
        self.extension().with(|state| {
            let thin = state.is_thin(in_flight);
            let State { rack, log, .. } = state;
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

    /// Decides whether a segment whose deadline has passed is sent.
    #[inline(never)]
    pub(crate) fn judge(&self, segment: Segment<'_>) -> Verdict {
        let (now, in_flight) = (self.now(), self.nsnd_buf.get());
        let rto = segment.rto.get().max(self.rx_rto.get().cast_unsigned());
        let rto = rto.min(IKCP_RTO_MAX);
        let sn = Sn(segment.sn.get());
        let flying = flying(segment);
        let verdict = self.extension().with(|state| {
            if flying.lost {
                return (Verdict::Lost, 0);
            }
            if state.is_thin(in_flight) {
                return (Verdict::Stands, 0);
            }
            let quiet = now.forward_from(state.rack.last_ack);
            let probed = now.forward_from(state.probed);
            let heard = quiet < rto;
            let age = now.forward_from(flying.ts);
            if heard && age > rto.saturating_mul(4) && !state.rack.holds(sn) {
                // Loss detection has not found it lost, perhaps for lack of memory.
                return (Verdict::Lost, 0);
            }
            if heard {
                return (Verdict::Waits, rto - quiet);
            }
            if probed == 0 && state.probes > 0 {
                state.probes_now += 1;
            } else if state.probes > 0 && probed < rto {
                return (Verdict::Waits, rto - probed);
            } else {
                state.probes = state.probes.saturating_add(1);
                state.probed = now;
                state.probes_now = 1;
            }
            if state.probes_now > PROBES {
                (Verdict::Waits, rto)
            } else if state.probes > 1 {
                (Verdict::TimedOut, 0)
            } else {
                (Verdict::Lost, 0)
            }
        });
        let Some((verdict, wait)) = verdict else {
            return Verdict::Stands;
        };
        if verdict == Verdict::Waits {
            self.move_deadline(segment, wait.max(1));
        }
        verdict
    }
}
