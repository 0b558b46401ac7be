//! What the nodes over `snd_buf` record: how often segments were skipped, and their deadlines.
//!
//! A skip of all segments below a node is recorded in the node, and moves down only when something else must change below. An
//! acknowledgement therefore touches a few nodes on each level, whatever the window.

use core::cell::Cell;

use super::due::{Due, may_be_fast};
use crate::consts::profile;
use crate::index::alike::are_alike;
use crate::index::slots::{FAN, Node, Slots, Span, bit, each};
use crate::index::time_range::TimeRange;
use crate::segment::Segment;
use crate::seq::{Millis, Sn};
use crate::wire::Ack;

/// How many segments ahead the caches are filled.
pub(super) const AHEAD: u32 = 4;

/// What a node records about the segments below it.
pub(super) struct Timing {
    /// Skips of all segments below that their own nodes do not know yet.
    pending: Cell<u32>,
    /// A bound on the skips: every segment below that may be retransmitted was skipped less often. 0 if there is none.
    above: Cell<u32>,
    /// When the segments below were last sent, or admitted.
    sent: Cell<TimeRange>,
    /// Deadlines of the segments that were sent.
    due: Cell<Option<TimeRange>>,
}

/// How a skip, by an acknowledgement of a later segment, is counted for the segments in `span`.
pub(super) struct Count {
    pub(super) span: Span,
    pub(super) ack: Ack,
    pub(super) limit: i32,
    /// True: count in each segment. False: count in a node that it concerns as a whole, where it stays pending.
    pub(super) at_once: bool,
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
    fn add(&self, skips: u32) {
        self.pending.set(self.pending.get().wrapping_add(skips));
        if self.above.get() > 0 {
            self.above.set(self.above.get().saturating_add(skips));
        }
    }

    /// False if nothing below is due.
    #[inline(always)]
    pub(super) fn may_be(&self, due: Due) -> bool {
        // Even when fast retransmission is off, 2^32 - 1 skips cause it, as in the original.
        self.above.get() > due.resent.min(u32::MAX - 1) || self.may_be_due(due.now)
    }

    /// False if no deadline below has passed at `now`.
    #[inline(always)]
    fn may_be_due(&self, now: Millis) -> bool {
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
    fn holds_for(&self, segment: Segment, limit: i32) -> bool {
        self.has_deadline(Millis(segment.resendts.get())) && above(segment, limit) <= self.room()
    }

    /// Does the same for a segment that may not have been sent yet, which is possible from `unsent` on.
    #[cold]
    #[inline(never)]
    fn explains(&self, segment: Segment, unsent: Sn, limit: i32) -> bool {
        if segment.xmit.get() == 0 {
            !Sn(segment.sn.get()).before(unsent)
        } else {
            self.holds_for(segment, limit)
        }
    }

    /// The highest value that [`above`] may return for a segment, not counting its pending skips.
    #[inline(always)]
    fn room(&self) -> u32 {
        self.above.get().saturating_sub(self.pending.get())
    }

    #[inline(always)]
    fn has_deadline(&self, at: Millis) -> bool {
        self.due.get().is_some_and(|range| range.has(at))
    }

    #[inline(always)]
    fn take_deadline(&self, at: Millis) {
        let range = self
            .due
            .get()
            .map_or(TimeRange::of(at), |range| range.with(at));
        self.due.set(Some(range));
    }
}

/// One more than the skips of a segment that may be retransmitted, or else 0.
#[inline(always)]
fn above(segment: Segment, limit: i32) -> u32 {
    if may_be_fast(segment.xmit.get(), limit) {
        segment.fastack.get().saturating_add(1)
    } else {
        0
    }
}

/// True if segment `sn`, which was last sent at `ts`, should have arrived before the acknowledged one.
#[inline(always)]
pub(super) fn skips(ack: Ack, sn: Sn, ts: Millis) -> bool {
    ack.sn.since(sn) > 0 && (!profile::FASTACK_CONSERVE || ack.ts.since(ts) >= 0)
}

impl Slots<Timing> {
    /// Moves pending skips of the node of `level` above `slot` one level down.
    #[inline(always)]
    fn push(&self, level: u32, slot: u32) {
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

    /// Skips that are pending for the segment in `slot`.
    #[cold]
    #[inline(never)]
    pub(super) fn pending(&self, slot: u32) -> u32 {
        let mut skips = 0u32;
        self.climb(slot, 0, |node, _| {
            skips = skips.wrapping_add(node.note.pending.get());
            false
        });
        skips
    }

    /// Renews the record of a node without pending skips from what is below it.
    #[inline(never)]
    fn renew(&self, level: u32, slot: u32, limit: i32) {
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
    fn take_in_above(&self, slot: u32, ts: Millis) {
        self.climb(slot, 1, |node, bit| Self::take_in(node, bit, ts));
    }

    /// Adds segments sent at `ts` below a node. True if its record needs no change.
    #[inline(always)]
    fn take_in(node: &Node<Timing>, bits: u16, ts: Millis) -> bool {
        let (live, note) = (node.live.get(), &node.note);
        node.live.set(live | bits);
        let known = live != 0 && note.sent.get().has(ts) && note.above.get() > 0;
        if !known {
            note.take_sent(ts, live == 0);
        }
        known
    }

    /// True if the segments from `first` to `last` are few and their deadline `resendts` is recorded already.
    #[inline(always)]
    pub(super) fn knows_deadline(&self, first: Sn, last: Sn, resendts: Millis) -> bool {
        first.0 / FAN == last.0 / FAN && self.leaf(self.slot(first)).note.has_deadline(resendts)
    }

    /// The segments from `first` to `last` were sent, with the deadline `resendts`.
    #[inline(never)]
    pub(super) fn set_deadlines(&self, first: Sn, last: Sn, resendts: Millis) {
        self.each_run(first, last, |at, _| self.set_deadline(at, resendts));
    }

    #[inline(always)]
    fn set_deadline(&self, slot: u32, resendts: Millis) {
        if !self.leaf(slot).note.has_deadline(resendts) {
            self.take_deadline(slot, resendts);
        }
    }

    /// Records a deadline in all nodes above `slot`.
    #[inline(never)]
    fn take_deadline(&self, slot: u32, resendts: Millis) {
        self.climb(slot, 0, |node, _| {
            let known = node.note.has_deadline(resendts);
            if !known {
                node.note.take_deadline(resendts);
            }
            known
        });
    }

    /// Segment `sn` was sent at `ts`, with the deadline `resendts`.
    #[inline(always)]
    pub(super) fn set_sent(&self, sn: Sn, ts: Millis, resendts: Millis) {
        let slot = self.slot(sn);
        // The slot is empty if the program has changed the segment's number.
        if !self.is_live(slot) {
            return;
        }
        if !Self::take_in(self.leaf(slot), bit(0, slot), ts) {
            self.take_in_above(slot, ts);
        }
        self.set_deadline(slot, resendts);
    }

    /// Counts a skip for the segments below a node.
    pub(super) fn count(&self, level: u32, slot: u32, what: &Count) {
        let Count {
            span,
            ack,
            limit,
            at_once,
        } = *what;
        let node = self.node(level, slot);
        let passed = if profile::FASTACK_CONSERVE {
            node.note.sent.get().is_past(ack.ts)
        } else {
            Some(true)
        };
        match passed {
            // None of these segments was sent before the skip: nothing to count.
            Some(false) => return,
            Some(true) if !at_once && span.covers(self.extent(level, slot)) => {
                node.note.add(1);
                return;
            }
            _ => {}
        }
        self.push(level, slot);
        let mut most = 0;
        if level > 0 {
            for at in each(level, slot, self.within(level, slot, span)) {
                self.count(level - 1, at, what);
            }
            for at in each(level, slot, node.live.get()) {
                most = most.max(self.node(level - 1, at).note.above.get());
            }
        } else {
            for at in each(0, slot, node.live.get()) {
                let segment = self.segment(at);
                if span.has(at) && skips(ack, Sn(segment.sn.get()), Millis(segment.ts.get())) {
                    let fastack = &segment.fastack;
                    fastack.set(fastack.get().wrapping_add(1));
                }
                most = most.max(above(segment, limit));
            }
        }
        node.note.above.set(most);
    }

    /// The children of a node that hold segments and overlap the slots from `from` to `to`.
    #[inline(never)]
    fn within(&self, level: u32, slot: u32, span: Span) -> u16 {
        let extent = self.extent(level, slot);
        let mut bits = self.node(level, slot).live.get();
        if span.from > extent.from {
            bits &= !(bit(level, span.from) - 1);
        }
        if span.to < extent.to {
            bits &= bit(level, span.to) | (bit(level, span.to) - 1);
        }
        bits
    }

    /// The first due segment in `span` below a node that may have one. Renews the nodes that it passes, from the slot before
    /// `span` on.
    pub(super) fn find_due(&self, level: u32, slot: u32, span: Span, due: &Due) -> Option<u32> {
        self.push(level, slot);
        let passed = Span {
            from: span.from.saturating_sub(1),
            to: span.to,
        };
        for at in each(level, slot, self.within(level, slot, passed)) {
            let found = if level == 0 {
                (span.has(at) && due.cause(self.segment(at)).is_some()).then_some(at)
            } else if self.node(level - 1, at).note.may_be(*due) {
                self.find_due(level - 1, at, span, due)
            } else {
                None
            };
            if found.is_some() {
                return found;
            }
        }
        self.renew(level, slot, due.limit);
        None
    }

    /// The next due segment after `sn` below the same lowest node, where nothing is pending. That node may hold both ends of the
    /// window.
    #[inline(always)]
    pub(super) fn next_due(&self, sn: Sn, due: Due) -> Option<Segment<'_>> {
        let slot = self.slot(sn);
        let later = self.node(0, slot).live.get() & !(bit(0, slot) | (bit(0, slot) - 1));
        each(0, slot, later)
            .map(|at| self.segment(at))
            .find(|segment| Sn(segment.sn.get()).since(sn) > 0 && due.cause(*segment).is_some())
    }

    /// The earliest deadline before `horizon`, both as distances from `now`; or else `horizon`.
    pub(super) fn earliest(&self, now: Millis, horizon: i32) -> i32 {
        let root = self.root();
        if root.live.get() == 0 || root.note.distance(now) >= horizon {
            horizon
        } else {
            self.earliest_below(self.root_level(), 0, now, horizon)
        }
    }

    /// The same, below a node that may have one.
    fn earliest_below(&self, level: u32, slot: u32, now: Millis, horizon: i32) -> i32 {
        let mut earliest = horizon;
        for at in each(level, slot, self.node(level, slot).live.get()) {
            if level == 0 {
                earliest = earliest.min(Millis(self.segment(at).resendts.get()).since(now));
            } else if self.node(level - 1, at).note.distance(now) < earliest {
                earliest = self.earliest_below(level - 1, at, now, earliest);
            }
        }
        earliest
    }

    /// Renews every node below this one that may have a deadline up to `last`, or all nodes; then this one.
    pub(super) fn refresh(&self, level: u32, slot: u32, last: Option<Millis>, limit: i32) {
        self.push(level, slot);
        if level > 0 {
            for at in each(level, slot, self.node(level, slot).live.get()) {
                let note = &self.node(level - 1, at).note;
                if last.is_none_or(|last| note.may_be_due(last)) {
                    self.refresh(level - 1, at, last, limit);
                }
            }
        }
        self.renew(level, slot, limit);
    }

    /// True if a quick check shows that the record of the lowest node above `slot` is right: the node is full, and its segments
    /// are alike.
    #[inline(always)]
    pub(super) fn holds(&self, slot: u32, limit: i32) -> bool {
        let node = self.leaf(slot);
        node.live.get() == u16::MAX && {
            let segments = self.full_node(slot);
            are_alike(segments)
                && segments[0].xmit.get() != 0
                && node.note.holds_for(segments[0], limit)
        }
    }

    /// True if the record of the lowest node above `slot` is right for each segment, and those before `unsent` were sent: the
    /// program has not written to them.
    #[inline(always)]
    pub(super) fn holds_for_each(&self, slot: u32, unsent: Sn, limit: i32) -> bool {
        let node = self.leaf(slot);
        // Without deadlines in the record, no segment may count as sent.
        let (due, room) = match node.note.due.get() {
            Some(due) => (due, node.note.room()),
            None => (TimeRange::of(Millis(0)), 0),
        };
        each(0, slot, node.live.get()).all(|at| {
            let segment = self.segment(at);
            let plain = due.has(Millis(segment.resendts.get()))
                && segment.fastack.get() < room
                && segment.xmit.get() != 0;
            plain || node.note.explains(segment, unsent, limit)
        })
    }

    /// The first segment below the lowest node above `slot` that is before `unsent` but, by its fields, was never sent.
    pub(super) fn first_unsent(&self, slot: u32, mut unsent: Sn) -> Option<Sn> {
        let mut found = None;
        for at in each(0, slot, self.leaf(slot).live.get()) {
            let segment = self.segment(at);
            if segment.xmit.get() == 0 && Sn(segment.sn.get()).before(unsent) {
                unsent = Sn(segment.sn.get());
                found = Some(unsent);
            }
        }
        found
    }
}

const _: () = assert!(FAN == u16::BITS);
