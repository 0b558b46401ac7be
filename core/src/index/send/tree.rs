//! What the nodes over `snd_buf` record: how often segments were skipped, and their deadlines.
//!
//! A skip of all segments below a node is recorded in the node, and moves down only when something else must change below. An
//! acknowledgement therefore touches a few nodes on each level, whatever the window.

use core::cell::Cell;

use super::due::{Due, may_be_fast};
use crate::index::slots::{Node, Slots, each};
use crate::index::time_range::TimeRange;
use crate::segment::Segment;
use crate::seq::{Millis, Sn};

/// What a node records about the segments below it.
pub(super) struct Timing {
    /// Skips of all segments below that their own nodes do not know yet.
    pub(super) pending: Cell<u32>,
    /// A bound on the skips: every segment below that may be retransmitted was skipped less often. 0 if there is none.
    pub(super) above: Cell<u32>,
    /// When the segments below were last sent, or admitted.
    pub(super) sent: Cell<TimeRange>,
    /// Deadlines of the segments that were sent.
    pub(super) due: Cell<Option<TimeRange>>,
}

impl Timing {
    /// Adds a segment sent at `ts`; `first` if there was none below this node.
    #[inline(never)]
    fn take_sent(&self, ts: Millis, first: bool) {
        if first {
            self.pending.set(0);
            self.above.set(1);
            self.sent.set(TimeRange::of(ts));
            self.due.set(None);
        } else {
            self.sent.set(self.sent.get().with(ts));
            self.above.set(self.above.get().max(1));
        }
    }

    #[inline(always)]
    pub(super) fn add(&self, skips: u32) {
        self.pending.set(self.pending.get().wrapping_add(skips));
        if self.above.get() > 0 {
            self.above.set(self.above.get().saturating_add(skips));
        }
    }

    /// False if nothing below is due.
    #[inline(always)]
    pub(super) fn may_have(&self, due: Due) -> bool {
        // Even when fast retransmission is off, 2^32 - 1 skips cause it, as in the original.
        self.above.get() > due.resent.min(u32::MAX - 1) || self.may_be_overdue(due.now)
    }

    /// False if no deadline below has passed at `now`.
    #[inline(always)]
    pub(super) fn may_be_overdue(&self, now: Millis) -> bool {
        self.due
            .get()
            .is_some_and(|range| range.is_past(now) != Some(false))
    }

    /// A lower bound on the distance of deadlines from `now`.
    #[inline(always)]
    pub(super) fn distance(&self, now: Millis) -> i32 {
        self.due.get().map_or(i32::MAX, |range| range.distance(now))
    }

    /// True if the record is right for `segment`, which was sent.
    #[inline(always)]
    pub(super) fn holds_for(&self, segment: Segment, limit: i32) -> bool {
        self.has_deadline(Millis(segment.resendts.get())) && above(segment, limit) <= self.room()
    }

    /// The highest value that [`above`] may return for a segment, not counting its pending skips.
    #[inline(always)]
    pub(super) fn room(&self) -> u32 {
        self.above.get().saturating_sub(self.pending.get())
    }

    #[inline(always)]
    pub(super) fn has_deadline(&self, at: Millis) -> bool {
        self.due.get().is_some_and(|range| range.has(at))
    }

    #[inline(always)]
    pub(super) fn take_deadline(&self, at: Millis) {
        let range = self
            .due
            .get()
            .map_or(TimeRange::of(at), |range| range.with(at));
        self.due.set(Some(range));
    }
}

/// One more than the skips of a segment that may be retransmitted, or else 0.
#[inline(always)]
pub(super) fn above(segment: Segment, limit: i32) -> u32 {
    if may_be_fast(segment.xmit.get(), limit) {
        segment.fastack.get().saturating_add(1)
    } else {
        0
    }
}

impl Slots<Timing> {
    /// Moves pending skips of the node of `level` above `slot` one level down.
    #[inline(always)]
    pub(super) fn push(&self, level: u32, slot: u32) {
        if self.node(level, slot).note.pending.get() != 0 {
            self.push_pending(level, slot);
        }
    }

    #[inline(never)]
    fn push_pending(&self, level: u32, slot: u32) {
        let node = self.node(level, slot);
        let skips = node.note.pending.replace(0);
        for at in each(level, slot, node.live.get()) {
            if level == 0 {
                let fastack = &self.segment(at).fastack;
                fastack.set(fastack.get().wrapping_add(skips));
            } else {
                self.node(level - 1, at).note.add(skips);
            }
        }
    }

    /// Moves pending skips of all nodes above `sn` down to the segments.
    #[inline(never)]
    pub(super) fn push_to(&self, sn: Sn) {
        let slot = self.slot(sn);
        for level in (0..=self.root_level()).rev() {
            self.push(level, slot);
        }
    }

    /// Renews the record of a node without pending skips from what is below it.
    #[inline(never)]
    pub(super) fn renew(&self, level: u32, slot: u32, limit: i32) {
        let node = self.node(level, slot);
        let (mut most, mut sent, mut due): (u32, Option<TimeRange>, Option<TimeRange>) =
            (0, None, None);
        let mut seen = (0, [0; 2]);
        for at in each(level, slot, node.live.get()) {
            let (count, from, until) = if level > 0 {
                let note = &self.node(level - 1, at).note;
                (note.above.get(), note.sent.get(), note.due.get())
            } else {
                let segment = self.segment(at);
                // Most segments have the timing of the one before.
                let timing = (segment.ts.get(), segment.timing());
                if timing == seen {
                    continue;
                }
                seen = timing;
                let until = TimeRange::of(Millis(segment.resendts.get()));
                (
                    above(segment, limit),
                    TimeRange::of(Millis(segment.ts.get())),
                    (segment.xmit.get() != 0).then_some(until),
                )
            };
            most = most.max(count);
            sent = Some(sent.map_or(from, |sent| sent.join(from)));
            if let Some(until) = until {
                due = Some(due.map_or(until, |due| due.join(until)));
            }
        }
        node.note.above.set(most);
        node.note.due.set(due);
        if let Some(sent) = sent {
            node.note.sent.set(sent);
        }
    }

    /// Renews the nodes above `slot`, which have no pending skips.
    #[inline(always)]
    pub(super) fn renew_above(&self, slot: u32, limit: i32) {
        for level in 0..=self.root_level() {
            self.renew(level, slot, limit);
        }
    }

    /// Appends the consecutive `segments` from `first` to `last`, sent at `ts`.
    #[inline(always)]
    pub(super) fn append<'k>(
        &self,
        first: Sn,
        last: Sn,
        ts: Millis,
        segments: impl Iterator<Item = Segment<'k>>,
    ) {
        self.set_addresses(first, segments);
        self.each_run(first, last, |at, bits| {
            if !Self::take_in(self.leaf(at), bits, ts) {
                self.take_in_above(at, ts);
            }
        });
    }

    /// Records a segment sent at `ts` in the nodes above the lowest one.
    #[inline(never)]
    pub(super) fn take_in_above(&self, slot: u32, ts: Millis) {
        self.climb(slot, 1, |node, bit| Self::take_in(node, bit, ts));
    }

    /// Adds segments sent at `ts` below a node. True if its record needs no change.
    #[inline(always)]
    pub(super) fn take_in(node: &Node<Timing>, bits: u16, ts: Millis) -> bool {
        let (live, note) = (node.live.get(), &node.note);
        node.live.set(live | bits);
        let known = live != 0 && note.sent.get().has(ts) && note.above.get() > 0;
        if !known {
            note.take_sent(ts, live == 0);
        }
        known
    }

    /// Renews every node below this one that may have a deadline up to `last`, or all nodes; then this one.
    pub(super) fn refresh(&self, level: u32, slot: u32, last: Option<Millis>, limit: i32) {
        self.push(level, slot);
        if level > 0 {
            for at in each(level, slot, self.node(level, slot).live.get()) {
                let note = &self.node(level - 1, at).note;
                if last.is_none_or(|last| note.may_be_overdue(last)) {
                    self.refresh(level - 1, at, last, limit);
                }
            }
        }
        self.renew(level, slot, limit);
    }
}
