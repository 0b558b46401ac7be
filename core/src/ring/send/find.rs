//! Finding segments: by sequence number, and the next one that a flush has to look at.

use super::{Scope, SendIndex};
use crate::queue::List;
use crate::segment::{IKCPSEG, Segment};
use crate::seq::Sn;

impl SendIndex {
    /// The listed segment with this `sn`.
    #[inline(always)]
    pub(crate) fn find(&self, list: List<'_>, sn: Sn) -> Option<Segment> {
        if list.is_empty() {
            return None;
        }
        if self.has_ring() {
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

    /// Begins to load the segment with this `sn` into the caches.
    #[inline(always)]
    pub(crate) fn prefetch(&self, sn: Sn) {
        if self.has_ring() {
            self.slots.prefetch(sn);
        }
    }

    /// The same for a segment that was listed before a callback, also where the list is not in order and a search for
    /// it would end early.
    #[inline(never)]
    pub(crate) fn find_again(&self, list: List<'_>, sn: Sn) -> Option<Segment> {
        if !self.off.get() && self.ordered.get() {
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

    /// What is behind the segment of this `sn` and address, looked for in the order of the list; `None` when that is not
    /// listed any more.
    pub(crate) fn behind(
        &self,
        list: List<'_>,
        sn: Sn,
        address: *mut IKCPSEG,
    ) -> Option<Option<Segment>> {
        let mut at = list.first();
        while let Some(segment) = at {
            let next = list.next(segment);
            if segment.as_ptr() == address && segment.sn.get() == sn.0 {
                return Some(next);
            }
            at = next;
        }
        None
    }

    /// The first segment of the scope that is not before `from`; the first of all for `None`.
    pub(crate) fn seek(&self, list: List<'_>, scope: Scope, from: Option<Sn>) -> Option<Segment> {
        let first = list.first()?;
        let mut from = match from {
            Some(from) if Sn(first.sn.get()).before(from) => from,
            _ => Sn(first.sn.get()),
        };
        if scope == Scope::Unsent && from.before(self.unsent.get()) {
            from = self.unsent.get();
        }
        if self.has_ring() {
            return self.scan(list, scope, from);
        }
        if scope == Scope::Unsent {
            return self.first_unsent(list, from);
        }
        let mut at = Some(first);
        while let Some(segment) = at {
            if Sn(segment.sn.get()).since(from) >= 0 {
                return Some(segment);
            }
            at = list.next(segment);
        }
        None
    }

    /// The segment of the scope behind `segment`.
    #[inline(always)]
    pub(crate) fn after(&self, list: List<'_>, scope: Scope, segment: Segment) -> Option<Segment> {
        match scope {
            Scope::Marked if self.has_ring() => {
                self.scan(list, scope, Sn(segment.sn.get()).plus(1))
            }
            _ => list.next(segment),
        }
    }

    /// Walks back from the end to the first unsent segment: what was just admitted is there.
    fn first_unsent(&self, list: List<'_>, from: Sn) -> Option<Segment> {
        let mut found = None;
        let mut at = list.last();
        while let Some(segment) = at
            && Sn(segment.sn.get()).since(from) >= 0
        {
            found = at;
            at = list.prev(segment);
        }
        found
    }

    fn scan(&self, list: List<'_>, scope: Scope, from: Sn) -> Option<Segment> {
        let last = Sn(list.last()?.sn.get());
        let unsent = self.unsent.get();
        let mut at = from;
        while at.since(last) <= 0 {
            let start = Sn(at.0 & !63);
            let mut bits = self.slots.present(at);
            if scope == Scope::Marked && start.plus(63).before(unsent) {
                bits &= self.slots.marked(at);
            }
            bits &= u64::MAX << (at.0 % 64);
            if bits != 0 {
                let found = start.plus(bits.trailing_zeros());
                return if last.before(found) {
                    None
                } else {
                    self.slots.get(found)
                };
            }
            at = start.plus(64);
        }
        None
    }
}
