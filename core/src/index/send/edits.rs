//! Noticing what programs write to `xmit`, `fastack` and `resendts` of segments in `snd_buf`.
//!
//! In a small window each flush checks all segments. In a larger window a flush notices writes to the first or last segment. A
//! scan goes through the others, some segments per interval.

use super::SendIndex;
use super::tree::Timing;
use crate::index::alike::are_alike;
use crate::index::slots::{FAN, Slots, each};
use crate::index::time_range::TimeRange;
use crate::list::List;
use crate::segment::Segment;
use crate::seq::{Millis, Sn};

/// Slots that the scan checks at a time.
const STEP: u32 = 64;

/// `xmit` and `fastack` in one number, which almost any write to them changes.
#[inline(always)]
pub(super) fn counts(segment: Segment) -> u32 {
    segment.xmit.get().rotate_left(16) ^ segment.fastack.get()
}

/// `counts` of a segment that was never sent, and of one that was sent once, before any skip.
pub(super) const NOT_SENT: u32 = 0;
pub(super) const SENT_ONCE: u32 = 1 << 16;

impl SendIndex {
    /// A flush begins: checks all segments if there are few.
    #[inline(always)]
    pub(crate) fn check_few(&self, list: List<'_>) {
        if !list.is_empty() && !self.is_off() && self.are_few() {
            self.apply_skips(list);
            if let Some((first, last)) = list.ends() {
                self.check(list, Sn(first.sn.get()), Sn(last.sn.get()));
            }
        }
    }

    /// True if an interval has passed since segments were last checked: controls bring flushes forward. An interval has ended at `due`,
    /// and the one that begins ends at `next`.
    pub(crate) fn has_to_check(&self, due: Millis, next: Millis) -> bool {
        let early = self.next_check.get().since(due);
        let has_to = early <= 0 || early >= next.since(due);
        if has_to {
            self.next_check.set(next);
        }
        has_to
    }

    /// Checks some segments of a window that is too large to check all at each flush. False if the program has written to the
    /// first or last segment, and so perhaps to many.
    #[inline(always)]
    pub(crate) fn check_some(&self, list: List<'_>) -> bool {
        let Some((first, last)) = list.ends() else {
            return true;
        };
        // A list that was out of order, or that found no memory, has lost its index.
        if self.is_off() {
            return true;
        }
        if counts(first) != self.first_counts.get() || counts(last) != self.last_counts.get() {
            return false;
        }
        let (first, last) = (Sn(first.sn.get()), Sn(last.sn.get()));
        let mut at = self.checks_from.get();
        if at.before(first) || at.since(last) > 0 {
            at = first;
        }
        let end = Sn(at.0 | (STEP - 1));
        let end = if last.before(end) { last } else { end };
        self.check(list, at, end);
        self.checks_from.set(end.plus(1));
        true
    }

    /// Adopts what the program has written to the segments from `at` to `end`, and to others below the same nodes.
    #[inline(never)]
    fn check(&self, list: List<'_>, mut at: Sn, end: Sn) {
        let limit = self.limit.get();
        loop {
            let slot = self.slots.slot(at);
            if !self.slots.holds(slot, limit)
                && !self.slots.holds_for_each(slot, self.unsent.get(), limit)
            {
                self.adopt_edits(list, at);
            }
            at = Sn(at.0 | (FAN - 1)).plus(1);
            if end.before(at) {
                break;
            }
        }
    }

    #[cold]
    #[inline(never)]
    fn adopt_edits(&self, list: List<'_>, at: Sn) {
        self.slots.push_to(at);
        self.slots
            .renew_above(self.slots.slot(at), self.limit.get());
        if let Some(unsent) = self
            .slots
            .first_unsent(self.slots.slot(at), self.unsent.get())
        {
            self.unsent.set(unsent);
        }
        self.stamp_ends(list);
    }
}

impl Slots<Timing> {
    /// True if a quick check shows that the record of the lowest node above `slot` is right: the node is full, and its segments
    /// are alike.
    #[inline(always)]
    fn holds(&self, slot: u32, limit: i32) -> bool {
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
    #[inline(never)]
    fn holds_for_each(&self, slot: u32, unsent: Sn, limit: i32) -> bool {
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
    fn first_unsent(&self, slot: u32, mut unsent: Sn) -> Option<Sn> {
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

impl Timing {
    /// True if the record is right for `segment`, which may not have been sent yet if its number is not before `unsent`.
    fn explains(&self, segment: Segment, unsent: Sn, limit: i32) -> bool {
        if segment.xmit.get() == 0 {
            !Sn(segment.sn.get()).before(unsent)
        } else {
            self.holds_for(segment, limit)
        }
    }
}
