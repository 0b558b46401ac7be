//! Finding segments: by sequence number, and the next one that a flush has to visit.

use super::tree::Timing;
use super::{Due, Scope, SendIndex};
use crate::index::Bookmark;
use crate::index::slots::{Slots, Span, bit, each};
use crate::list::List;
use crate::segment::Segment;
use crate::seq::Sn;

impl SendIndex {
    /// The listed segment with number `sn`.
    #[inline(always)]
    pub(crate) fn find<'k>(&'k self, list: List<'k>, sn: Sn) -> Option<Segment<'k>> {
        if list.is_empty() {
            return None;
        }
        if !self.is_off() {
            return self
                .slots
                .get(sn)
                .filter(|segment| segment.sn.get() == sn.0);
        }
        let mut at = list.first();
        while let Some(segment) = at {
            let listed = Sn(segment.sn.get());
            if listed == sn {
                return Some(segment);
            }
            if sn.before(listed) {
                return None;
            }
            at = list.next(segment);
        }
        None
    }

    /// Prefetches the segment with number `sn`.
    #[inline(always)]
    pub(crate) fn prefetch(&self, sn: Sn) {
        if !self.is_off() {
            self.slots.prefetch(sn);
        }
    }

    /// The segment `sn`, if it is still listed after a callback. It is found even if the list is out of order, where `find` would
    /// end early.
    #[inline(never)]
    pub(crate) fn find_again<'k>(&'k self, list: List<'k>, sn: Sn) -> Option<Segment<'k>> {
        if !self.is_off() {
            return self.find(list, sn);
        }
        let mut at = list.first();
        while let Some(segment) = at
            && segment.sn.get() != sn.0
        {
            at = list.next(segment);
        }
        at
    }

    /// The segment after that of the bookmark, `sn`, in the order of the list; `None` if that is no longer listed.
    pub(crate) fn behind<'k>(&self, list: List<'k>, at: Bookmark, sn: Sn) -> Option<Segment<'k>> {
        let mut next = list.first();
        while let Some(segment) = next {
            next = list.next(segment);
            if at.names(segment) && segment.sn.get() == sn.0 {
                break;
            }
        }
        next
    }

    /// True if the list is in order of `sn`.
    pub(crate) fn finds_order(&self, list: List<'_>) -> bool {
        let Some(first) = list.first().filter(|_| self.is_off()) else {
            return true;
        };
        let mut at = first;
        while let Some(next) = list.next(at) {
            // Even if each step leads forward, all steps together may lead around the circle.
            let (low, sn) = (Sn(first.sn.get()), Sn(next.sn.get()));
            if !Sn(at.sn.get()).before(sn) || sn.before(low) {
                return false;
            }
            at = next;
        }
        true
    }

    /// The first segment of the scope that is not before `from`; for `None`, the first of the scope.
    #[inline(never)]
    pub(crate) fn seek<'k>(
        &'k self,
        list: List<'k>,
        scope: Scope,
        from: Option<Sn>,
        due: Due,
    ) -> Option<Segment<'k>> {
        let first = list.first()?;
        let low = Sn(first.sn.get());
        let from = match from {
            Some(from) if low.before(from) => from,
            _ => low,
        };
        if scope == Scope::Due {
            let slot = self.slots.slot(from);
            return self.next_due_from(list, from, slot, due);
        }
        let from = match scope {
            Scope::Unsent if from.before(self.unsent.get()) => self.unsent.get(),
            _ => from,
        };
        self.first_from(list, from)
    }

    /// The first segment that is not before `from`. It is usually among the last.
    #[inline(never)]
    fn first_from<'k>(&'k self, list: List<'k>, from: Sn) -> Option<Segment<'k>> {
        if let Some(found) = list
            .first()
            .filter(|first| !Sn(first.sn.get()).before(from))
        {
            return Some(found);
        }
        if !self.is_off()
            && let Some(found) = self.find(list, from)
        {
            return Some(found);
        }
        let mut found = None;
        let mut at = list.last();
        while let Some(segment) = at
            && !Sn(segment.sn.get()).before(from)
        {
            found = at;
            at = list.prev(segment);
        }
        found
    }

    /// The segment of the scope after `segment`.
    #[inline(always)]
    pub(crate) fn after<'k>(
        &'k self,
        list: List<'k>,
        scope: Scope,
        segment: Segment<'k>,
        due: impl Fn() -> Due,
    ) -> Option<Segment<'k>> {
        let next = list.next(segment);
        match next {
            Some(next) if scope == Scope::Due && Sn(next.sn.get()).before(self.unsent.get()) => {
                self.due_after(list, Sn(segment.sn.get()), due())
            }
            _ => next,
        }
    }

    #[inline(never)]
    fn due_after<'k>(&'k self, list: List<'k>, sn: Sn, due: Due) -> Option<Segment<'k>> {
        let next_slot = self.slots.slot(sn) + 1;
        self.slots
            .next_due(sn, due)
            .or_else(|| self.next_due_from(list, sn.plus(1), next_slot, due))
    }

    /// The first due segment that is not before `sn`, or else the first that was never sent. `slot` is the slot of `sn`, or one
    /// beyond the ring. Nothing is pending for the segment that is returned.
    #[inline(never)]
    fn next_due_from<'k>(
        &'k self,
        list: List<'k>,
        sn: Sn,
        slot: u32,
        due: Due,
    ) -> Option<Segment<'k>> {
        let unsent = self.unsent.get();
        let last = Sn(list.last()?.sn.get());
        let ring_end = self.slots.last_slot();
        let root = self.slots.root_level();
        let find = |from, to| self.slots.find_due(root, 0, Span { from, to }, &due);
        let mut found = None;
        // One past the last segment there is nothing to find, but nodes before it are renewed.
        let ahead = last.since(sn);
        if (ahead >= 0 || (ahead == -1 && slot > 0)) && self.slots.node(root, 0).note.may_have(due)
        {
            let to_end = (ring_end + 1).wrapping_sub(slot);
            found = if ahead < to_end.cast_signed() {
                find(slot, slot.wrapping_add_signed(ahead))
            } else {
                find(slot, ring_end).or_else(|| find(0, self.slots.slot(last)))
            };
        }
        self.stamp_ends(list);
        match found.map(|slot| self.slots.segment(slot)) {
            Some(segment) if Sn(segment.sn.get()).before(unsent) => Some(segment),
            _ => {
                let from = if sn.before(unsent) { unsent } else { sn };
                self.first_from(list, from)
            }
        }
    }
}

impl Slots<Timing> {
    /// The children of a node that hold segments and overlap the slots from `from` to `to`.
    #[inline(never)]
    pub(super) fn within(&self, level: u32, slot: u32, span: Span) -> u16 {
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
    fn find_due(&self, level: u32, slot: u32, span: Span, due: &Due) -> Option<u32> {
        self.push(level, slot);
        let passed = Span {
            from: span.from.saturating_sub(1),
            to: span.to,
        };
        for at in each(level, slot, self.within(level, slot, passed)) {
            let found = if level == 0 {
                (span.has(at) && due.cause(self.segment(at)).is_some()).then_some(at)
            } else if self.node(level - 1, at).note.may_have(*due) {
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
    fn next_due(&self, sn: Sn, due: Due) -> Option<Segment<'_>> {
        let slot = self.slot(sn);
        let later = self.node(0, slot).live.get() & !(bit(0, slot) | (bit(0, slot) - 1));
        each(0, slot, later)
            .map(|at| self.segment(at))
            .find(|segment| Sn(segment.sn.get()).since(sn) > 0 && due.cause(*segment).is_some())
    }
}
