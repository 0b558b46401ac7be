//! Recording that segments were sent: their deadlines, and up to where all were sent.

use super::SendIndex;
use super::edits::{SENT_ONCE, counts};
use super::tree::Timing;
use crate::index::slots::{FAN, Slots, bit};
use crate::list::List;
use crate::segment::Segment;
use crate::seq::{Millis, Sn};

impl SendIndex {
    /// The segments from `first` to `last`, in the order of the list, were sent for the first time, and their `fastack` is 0. The
    /// tree is updated when a flush has got further, for all of the same deadline at once.
    #[inline(always)]
    pub(crate) fn first_sent(&self, first: Segment, last: Segment, resendts: Millis) {
        if self.is_off() {
            return;
        }
        let (sn, last_sn) = (Sn(first.sn.get()), Sn(last.sn.get()));
        if self.run_end.get() != sn || self.run_resendts.get() != resendts {
            self.settle_run();
            self.run.set(sn);
            self.run_resendts.set(resendts);
        }
        self.run_end.set(last_sn.plus(1));
        self.stamp_if_ends(first, last, resendts, SENT_ONCE);
    }

    /// Makes the tree know what a flush, which may have ended early, has sent so far.
    #[inline(always)]
    pub(crate) fn settle_run(&self) {
        if self.has_run() {
            self.cold_note_run();
        }
    }

    /// Enters segments that were sent for the first time into the tree.
    #[inline(always)]
    fn note_run(&self) {
        let (first, end) = (self.run.get(), self.run_end.get());
        let (last, resendts) = (end.plus(u32::MAX), self.run_resendts.get());
        // Usually the segments before them were sent at the same time.
        if !self.is_off() && !self.slots.knows_deadline(first, last, resendts) {
            self.slots.set_deadlines(first, last, resendts);
        }
        self.run.set(end);
    }

    #[inline(never)]
    fn cold_note_run(&self) {
        self.note_run();
        self.raise_unsent(self.run_end.get());
    }

    #[inline(always)]
    fn has_run(&self) -> bool {
        self.run.get() != self.run_end.get()
    }

    /// `segment` was sent. Its earlier skips no longer count once the tree is next renewed.
    #[inline(always)]
    pub(crate) fn sent(&self, segment: Segment) {
        if self.is_off() {
            return;
        }
        let resendts = Millis(segment.resendts.get());
        self.slots
            .set_sent(Sn(segment.sn.get()), Millis(segment.ts.get()), resendts);
        self.stamp_if_ends(segment, segment, resendts, counts(segment));
    }

    /// The deadline of `segment` has changed.
    #[inline(always)]
    pub(crate) fn deadline_moved(&self, segment: Segment) {
        if self.is_off() {
            return;
        }
        let resendts = Millis(segment.resendts.get());
        let slot = self.slots.slot(Sn(segment.sn.get()));
        // The slot is empty if the program has changed the segment's number.
        if self.slots.is_live(slot) {
            self.slots.set_deadline(slot, resendts);
        }
        self.stamp_if_ends(segment, segment, resendts, counts(segment));
    }

    /// Of the segments that were sent, the first or the last may be an end of the list.
    #[inline(always)]
    fn stamp_if_ends(&self, first: Segment, last: Segment, resendts: Millis, counts: u32) {
        if self.first.get() == first.as_ptr() {
            self.stamp_first(resendts, counts);
        }
        if self.last.get() == last.as_ptr() {
            self.stamp_last(resendts, counts);
        }
    }

    /// True if a listed segment may never have been sent.
    #[inline(always)]
    pub(crate) fn has_unsent(&self) -> bool {
        self.unsent.get() != self.next.get()
    }

    /// True if the first segment counts as sent, but its fields say that it was not.
    pub(crate) fn has_missed_first(&self, list: List<'_>) -> bool {
        let first = list.first().filter(|_| !self.is_off());
        first.is_some_and(|first| {
            first.xmit.get() == 0 && Sn(first.sn.get()).before(self.unsent.get())
        })
    }

    /// A flush has visited every segment that was not sent before.
    #[inline(always)]
    pub(crate) fn flushed(&self) {
        if self.has_run() {
            self.note_run();
        }
        self.unsent.set(self.next.get());
    }

    /// A flush has got as far as `sn`.
    pub(crate) fn flushed_up_to(&self, sn: Sn) {
        self.settle_run();
        self.raise_unsent(sn);
    }

    #[inline(always)]
    fn raise_unsent(&self, sn: Sn) {
        if sn.since(self.unsent.get()) > 0 {
            self.unsent.set(sn);
        }
    }
}

impl Slots<Timing> {
    /// True if the segments from `first` to `last` are few and their deadline `resendts` is recorded already.
    #[inline(always)]
    fn knows_deadline(&self, first: Sn, last: Sn, resendts: Millis) -> bool {
        first.0 / FAN == last.0 / FAN && self.leaf(self.slot(first)).note.has_deadline(resendts)
    }

    /// The segments from `first` to `last` were sent, with the deadline `resendts`.
    #[inline(never)]
    fn set_deadlines(&self, first: Sn, last: Sn, resendts: Millis) {
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
    fn set_sent(&self, sn: Sn, ts: Millis, resendts: Millis) {
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
}
