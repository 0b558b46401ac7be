//! The index over `snd_buf`: which segments are listed, when the earliest deadline is, who was skipped how often.
//!
//! A handful of segments in flight is walked as the original does, and nothing is known of them: connections with a message
//! now and then have an index no more than they have a pool. Beyond [`FEW`] bounds tell in constant time when nothing can be
//! due, and from [`WALKED`] on there is a ring.

mod deadlines;
mod find;
mod skips;

use core::cell::Cell;

use super::slots::Slots;
use crate::queue::List;
use crate::segment::{IKCPSEG, Segment};
use crate::seq::{Millis, Sn};

/// Segments in flight up to which there is no index.
const FEW: u32 = 4;

/// Segments in flight up to which the list is as good as a ring.
const WALKED: u32 = 32;

/// Steps of the clock, and ages of acknowledgements, from which on times are not told apart by their order, ms.
const CLOCK_STEP: i32 = 1 << 28;

/// Which segments a flush has to look at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    /// Those never sent.
    Unsent,
    /// Those, and the ones marked as skipped often enough.
    Marked,
    /// All of them.
    All,
}

/// What fast retransmission depends on; programs change it at any time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FastResend {
    /// Skips from which on a segment is sent again; `u32::MAX` when that is off.
    pub(crate) resent: u32,
    /// `fastlimit`: transmissions up to which it may be, without limit when not positive.
    pub(crate) limit: i32,
}

impl FastResend {
    /// True when a segment sent `xmit` times may be sent again because of skips.
    #[inline(always)]
    pub(crate) fn allows(self, xmit: u32) -> bool {
        self.limit <= 0 || xmit.cast_signed() <= self.limit
    }
}

/// What an update looks at that finds nothing to do comes first.
#[repr(C)]
pub(crate) struct SendIndex {
    /// Nothing below is kept up to date but `steady` and `newest`: few segments are listed, and there is no ring.
    off: Cell<bool>,
    /// The clock went forward in steps since the list was empty, so that the times in the list can be told apart by
    /// their order.
    steady: Cell<bool>,
    /// Time of the last flush that looked at segments.
    newest: Cell<Millis>,

    // The stamp: what the list looked like when the index described it.
    first: Cell<*mut IKCPSEG>,
    last: Cell<*mut IKCPSEG>,
    count: Cell<u32>,
    next: Cell<Sn>,
    first_resendts: Cell<u32>,
    last_resendts: Cell<u32>,

    /// No deadline of a segment that has been sent lies before the first or behind the second. One that was never sent
    /// has none that matters to a flush, which looks at all of those.
    low: Cell<Millis>,
    high: Cell<Millis>,
    /// Every listed segment before this one has been sent.
    unsent: Cell<Sn>,
    /// No listed segment that fast retransmission may repeat has a settled `fastack` above this.
    skips: Cell<u32>,
    /// Entries of the log of skips that wait to be settled; 0 without ring.
    logged: Cell<u32>,
    /// The parameters for which `skips` and the marks hold.
    fast: Cell<FastResend>,
    /// There are bounds: a listed segment has been sent.
    timed: Cell<bool>,
    /// `low` is the deadline of a listed segment.
    exact: Cell<bool>,
    /// False when the list is not in order of `sn`, as only a program can make it; then all of it is looked at.
    ordered: Cell<bool>,

    /// All times in the log of skips are of the near past.
    plain: Cell<bool>,
    /// The latest `ts` in the log of skips.
    latest_skip: Cell<Millis>,
    /// The highest settled count that a segment kept although it was sent, during this flush.
    kept: Cell<u32>,
    /// Most sequence numbers that were in flight during this trimming period.
    peak: Cell<u32>,
    slots: Slots<true>,
}

impl SendIndex {
    /// Begins without index, where all is 0.
    pub(crate) fn init(&self) {
        self.off.set(true);
        self.fast.set(FastResend {
            resent: u32::MAX,
            limit: 0,
        });
    }

    /// True when there is no index, so that everything has to be looked up in the list.
    #[inline(always)]
    pub(crate) fn is_off(&self) -> bool {
        self.off.get()
    }

    /// True when the index still describes the list.
    #[inline(always)]
    pub(crate) fn describes(&self, list: List<'_>, count: u32, next: Sn) -> bool {
        if self.count.get() != count
            || self.next.get() != next
            || self.first.get() != list.first_address()
            || self.last.get() != list.last_address()
        {
            return false;
        }
        match (list.first(), list.last()) {
            (Some(first), Some(last)) => {
                first.resendts.get() == self.first_resendts.get()
                    && last.resendts.get() == self.last_resendts.get()
            }
            _ => true,
        }
    }

    /// Takes over what the list's ends look like.
    #[inline(always)]
    pub(crate) fn stamp_ends(&self, list: List<'_>) {
        self.first.set(list.first_address());
        self.last.set(list.last_address());
        if let (Some(first), Some(last)) = (list.first(), list.last()) {
            self.first_resendts.set(first.resendts.get());
            self.last_resendts.set(last.resendts.get());
        }
    }

    /// Makes the index describe the list as it is, after the program has edited it.
    pub(crate) fn rebuild(&self, list: List<'_>, count: u32, next: Sn) {
        if self.logged.get() > 0 && !list.is_empty() {
            self.settle_walking(list);
        }
        self.steady.set(false);
        self.build(list, count, next);
    }

    /// The same where nothing was known of the list before.
    #[cold]
    #[inline(never)]
    fn build(&self, list: List<'_>, count: u32, next: Sn) {
        self.off.set(false);
        self.logged.set(0);
        self.count.set(count);
        self.next.set(next);
        self.stamp_ends(list);
        self.survey(list);
        if self.slots.is_allocated() || count > WALKED {
            self.fill_ring(list);
        }
    }

    /// Takes order, bounds, skips and the unsent from the segments.
    fn survey(&self, list: List<'_>) {
        self.ordered.set(true);
        self.timed.set(false);
        let (fast, mut skips) = (self.fast.get(), 0);
        let mut unsent = None;
        let first = list.first().map(|first| Sn(first.sn.get()));
        let mut previous: Option<Sn> = None;
        let mut at = list.first();
        while let Some(segment) = at {
            let sn = Sn(segment.sn.get());
            // Steps that all lead forward may lead all around the circle.
            let rises = previous.is_none_or(|previous| previous.since(sn) < 0);
            if !rises || first.is_some_and(|first| sn.before(first)) {
                self.ordered.set(false);
            }
            if fast.allows(segment.xmit.get()) {
                skips = segment.fastack.get().max(skips);
            }
            if segment.xmit.get() == 0 {
                unsent = unsent.or(Some(sn));
            } else {
                self.extend_bounds(Millis(segment.resendts.get()));
            }
            previous = Some(sn);
            at = list.next(segment);
        }
        self.skips.set(skips);
        self.unsent.set(unsent.unwrap_or(self.next.get()));
    }

    /// Puts the list into the ring. Without memory, and when the list is not in order, there is none.
    fn fill_ring(&self, list: List<'_>) -> bool {
        let (Some(first), Some(last)) = (list.first(), list.last()) else {
            return self.slots.is_allocated() && self.slots.set_up(self.slots.capacity());
        };
        let span = Sn(last.sn.get()).since(Sn(first.sn.get()));
        if !self.ordered.get() || span < 0 || !self.slots.set_up(span.unsigned_abs() + 1) {
            self.slots.free();
            return false;
        }
        self.peak.set(self.peak.get().max(span.unsigned_abs() + 1));
        let fast = self.fast.get();
        let mut at = Some(first);
        while let Some(segment) = at {
            let (sn, ts) = (Sn(segment.sn.get()), Millis(segment.ts.get()));
            if self.slots.is_vacant(sn) || ts.since(self.slots.oldest(sn).get()) < 0 {
                self.slots.oldest(sn).set(ts);
            }
            self.slots.set_deadline(sn, Millis(segment.resendts.get()));
            self.slots.set(sn, segment);
            if segment.fastack.get() >= fast.resent && fast.allows(segment.xmit.get()) {
                self.slots.mark(sn);
            }
            at = list.next(segment);
        }
        true
    }

    #[inline(always)]
    fn has_ring(&self) -> bool {
        self.slots.is_allocated()
    }

    /// `count` segments from `run` on, up to the sequence number `next`, were appended to the list, which has `total` now.
    #[inline(always)]
    pub(crate) fn admitted(
        &self,
        list: List<'_>,
        run: Segment,
        count: u32,
        next: Sn,
        total: u32,
        fast: impl Fn() -> FastResend,
    ) {
        let sn = Sn(run.sn.get());
        let few = total <= FEW && (self.off.get() || !self.has_ring());
        if list.first() == Some(run) {
            self.steady.set(true);
            self.off.set(few);
            if few {
                return;
            }
            self.restart(sn, fast());
        } else if self.off.get() {
            if !few {
                self.fast.set(fast());
                self.build(list, total, next);
            }
            return;
        }
        let before = self.count.get();
        self.count.set(before.wrapping_add(count));
        self.next.set(next);
        self.stamp_ends(list);
        let first = list.first().map_or(sn, |first| Sn(first.sn.get()));
        let previous = list.prev(run).map(|previous| Sn(previous.sn.get()));
        if next.before(first) || previous.is_some_and(|previous| !previous.before(sn)) {
            // The program has set `snd_nxt`.
            self.ordered.set(false);
        }
        if !self.has_ring() {
            let after = before.wrapping_add(count);
            // Where there was no memory it is tried again now and then.
            if after > WALKED && after / WALKED != before / WALKED {
                self.grow(list);
            }
            return;
        }
        let span = next.since(first).cast_unsigned();
        if span > self.slots.capacity() || !self.ordered.get() {
            self.grow(list);
            return;
        }
        self.peak.set(self.peak.get().max(span));
        self.slots.set_run(sn, count, run.ts.get(), list.from(run));
    }

    /// Begins with an empty list, before the segment `sn` comes. What was known of an empty list was not kept up to date.
    #[inline(always)]
    fn restart(&self, sn: Sn, fast: FastResend) {
        if self.count.replace(0) != 0 && self.has_ring() {
            // The program has emptied it.
            self.slots.set_up(self.slots.capacity());
        }
        self.ordered.set(true);
        self.timed.set(false);
        self.unsent.set(sn);
        self.logged.set(0);
        self.skips.set(0);
        self.fast.set(fast);
    }

    /// A flush at `now` begins to look at segments.
    #[inline(always)]
    pub(crate) fn flush_begins(&self, now: Millis) {
        if !(0..CLOCK_STEP).contains(&now.since(self.newest.replace(now))) {
            self.steady.set(false);
        }
    }

    #[cold]
    #[inline(never)]
    fn grow(&self, list: List<'_>) {
        if self.logged.get() > 0 {
            self.settle_walking(list);
        }
        self.fill_ring(list);
    }

    /// Takes `segment` out of the list.
    #[inline(always)]
    pub(crate) fn remove(&self, list: List<'_>, segment: Segment) {
        if self.off.get() {
            list.remove(segment);
            return;
        }
        let at = segment.as_ptr();
        if segment.resendts.get() == self.low.get().0 {
            self.exact.set(false);
        }
        if self.has_ring() {
            self.slots.clear(Sn(segment.sn.get()));
        }
        list.remove(segment);
        self.count.set(self.count.get().wrapping_sub(1));
        if self.first.get() == at || self.last.get() == at {
            self.stamp_ends(list);
        }
    }

    /// Ends a trimming period: the ring gets the size that was needed during it.
    pub(crate) fn trim(&self, list: List<'_>) {
        let peak = self.peak.replace(0);
        if !self.has_ring() || peak > self.slots.capacity() / 4 {
            return;
        }
        self.settle(list);
        if self.count.get() <= WALKED / 2 {
            self.slots.free();
        } else {
            self.fill_ring(list);
        }
    }

    pub(crate) fn free(&self) {
        self.slots.free();
    }
}
