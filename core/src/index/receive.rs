//! The index over `rcv_buf`, the segments that arrived out of order.

use core::cell::Cell;

use super::slots::Slots;
use crate::abi::IKCPSEG;
use crate::list::List;
use crate::segment::{Owned, Segment};
use crate::seq::Sn;

/// With at most this many segments out of order, walking the list is as fast as a ring.
const WALKED: u32 = 16;

/// Where a segment belongs in `rcv_buf`.
#[derive(Clone, Copy)]
pub(crate) enum Place<'k> {
    /// A segment with this number is there already.
    Taken,
    /// After this segment, or at the front for `None`.
    After(Option<Segment<'k>>),
}

pub(crate) struct ReceiveIndex {
    // The stamp: what the list looked like when the index described it.
    count: Cell<u32>,
    first: Cell<*mut IKCPSEG>,
    last: Cell<*mut IKCPSEG>,

    /// How many segments could wait when the index was last used.
    window: Cell<u32>,
    /// The most sequence numbers that the list spanned in this trimming period.
    peak: Cell<u32>,
    /// The ring, which describes the list. Without memory there is none.
    slots: Slots<()>,
}

impl ReceiveIndex {
    /// True if the index still describes the list.
    #[inline(always)]
    pub(crate) fn describes(&self, list: List<'_>, count: u32) -> bool {
        self.count.get() == count
            && self.first.get() == list.first_address()
            && self.last.get() == list.last_address()
    }

    /// True if there is a ring. Its addresses are valid as long as the stamp matches.
    #[inline(always)]
    pub(crate) fn holds_addresses(&self) -> bool {
        self.slots.is_allocated()
    }

    /// Makes the index describe the list as it is.
    #[cold]
    #[inline(never)]
    pub(crate) fn rebuild(&self, list: List<'_>, count: u32) {
        self.stamp(list, count);
        self.remake_ring(list);
    }

    #[inline(always)]
    fn stamp(&self, list: List<'_>, count: u32) {
        self.count.set(count);
        self.first.set(list.first_address());
        self.last.set(list.last_address());
    }

    /// Makes a ring for the list as it is, unless walking is as fast, there is no memory, or the list is out of order.
    #[inline(never)]
    fn remake_ring(&self, list: List<'_>) {
        if self.count.get() <= WALKED || !self.fill_ring(list) {
            self.slots.free();
        }
    }

    fn fill_ring(&self, list: List<'_>) -> bool {
        let Some((first, last)) = list.ends() else {
            return false;
        };
        let low = Sn(first.sn.get());
        let span = Sn(last.sn.get()).since(low);
        if span < 0
            || !self
                .slots
                .set_up(span.unsigned_abs() + 1, self.window.get())
        {
            return false;
        }
        let mut previous = low.plus(u32::MAX);
        for segment in list.from(first) {
            let sn = Sn(segment.sn.get());
            if sn.since(previous) <= 0 {
                return false;
            }
            self.slots.set(sn, segment);
            previous = sn;
        }
        self.note_span(span.unsigned_abs());
        true
    }

    #[inline(always)]
    fn note_span(&self, ahead: u32) {
        self.peak.set(self.peak.get().max(ahead + 1));
    }

    /// Where a segment with number `sn` belongs.
    #[inline(always)]
    pub(crate) fn place<'k>(&'k self, list: List<'k>, sn: Sn) -> Place<'k> {
        let Some((first, last)) = list.ends() else {
            return Place::After(None);
        };
        let (low, high) = (Sn(first.sn.get()), Sn(last.sn.get()));
        if sn == high || sn == low {
            return Place::Taken;
        }
        if sn.since(high) > 0 {
            return Place::After(Some(last));
        }
        if self.holds_addresses() {
            if sn.before(low) {
                return Place::After(None);
            }
            if self.slots.get(sn).is_some() {
                return Place::Taken;
            }
            return Place::After(self.slots.before(sn, low));
        }
        let mut at = Some(last);
        while let Some(segment) = at {
            let listed = Sn(segment.sn.get());
            if listed == sn {
                return Place::Taken;
            }
            if sn.since(listed) > 0 {
                break;
            }
            at = list.prev(segment);
        }
        Place::After(at)
    }

    /// Links `segment` at the place that `place` found; the receive window is `window`.
    pub(crate) fn insert(
        &self,
        list: List<'_>,
        after: Option<Segment<'_>>,
        segment: Owned,
        window: u32,
    ) {
        self.window.set(window);
        let segment = list.insert_after(after, segment);
        let count = self.count.get().wrapping_add(1);
        self.stamp(list, count);
        let Some((first, last)) = list.ends() else {
            return;
        };
        let ahead = Sn(last.sn.get()).forward_from(Sn(first.sn.get()));
        if ahead < self.slots.capacity() {
            self.slots.set(Sn(segment.sn.get()), segment);
            self.note_span(ahead);
        } else if self.holds_addresses() || count.is_multiple_of(WALKED) {
            self.remake_ring(list);
        }
    }

    /// The first `count` segments have left the list: from the number `first`, at the address `front`, to `last` at `back`.
    #[inline(always)]
    pub(crate) fn removed(
        &self,
        list: List<'_>,
        count: u32,
        (first, front): (Sn, *mut IKCPSEG),
        (last, back): (Sn, *mut IKCPSEG),
    ) {
        self.stamp(list, self.count.get().wrapping_sub(count));
        if self.holds_addresses() && !self.slots.clear_listed((first, front), (last, back)) {
            self.remake_ring(list);
        }
    }

    /// Ends a trimming period: frees a ring that was not needed, and shrinks one that is too large.
    pub(crate) fn trim(&self, list: List<'_>) {
        let peak = self.peak.replace(0);
        if self.holds_addresses() && self.slots.is_too_large(peak, self.window.get()) {
            self.remake_ring(list);
        }
    }

    pub(crate) fn free(&self) {
        self.slots.free();
    }
}
