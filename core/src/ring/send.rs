//! The index over `snd_buf`: which segments are listed, when the earliest deadline is, who was skipped how often.
//!
//! Few segments in flight are walked as the original does; from [`WALKED`] on there is a ring. In both cases bounds
//! tell in constant time when nothing can be due.

use core::cell::Cell;
use core::ptr;

use super::slots::{Skip, Slots};
use crate::consts::profile;
use crate::queue::List;
use crate::segment::{IKCPSEG, Segment};
use crate::seq::{Millis, Sn};

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

pub(crate) struct SendIndex {
    // The stamp: what the list looked like when the index described it.
    count: Cell<u32>,
    next: Cell<Sn>,
    first: Cell<*mut IKCPSEG>,
    last: Cell<*mut IKCPSEG>,
    first_resendts: Cell<u32>,
    last_resendts: Cell<u32>,

    /// There are bounds: a listed segment has been sent.
    timed: Cell<bool>,
    /// No deadline of a segment that has been sent lies before the first or behind the second. One that was never sent
    /// has none that matters to a flush, which looks at all of those.
    low: Cell<Millis>,
    high: Cell<Millis>,
    /// `low` is the deadline of a listed segment.
    exact: Cell<bool>,
    /// False when the list is not in order of `sn`, as only a program can make it; then all of it is looked at.
    ordered: Cell<bool>,
    /// Every listed segment before this one has been sent.
    unsent: Cell<Sn>,
    /// No listed segment that fast retransmission may repeat has a settled `fastack` above this.
    skips: Cell<u32>,
    /// The highest such count that a segment kept although it was sent, during this flush.
    kept: Cell<u32>,
    /// The parameters for which `skips` and the marks hold.
    fast: Cell<FastResend>,
    /// Time of the last flush that looked at segments, and whether the clock went forward in steps since the list was
    /// empty, so that the times in the list can be told apart by their order.
    newest: Cell<Millis>,
    steady: Cell<bool>,
    /// The latest `ts` in the log of skips, and whether all of them are of the near past.
    latest_skip: Cell<Millis>,
    plain: Cell<bool>,
    /// Entries of the log of skips that wait to be settled; 0 without ring.
    logged: Cell<u32>,
    /// Most sequence numbers that were in flight during this trimming period.
    peak: Cell<u32>,
    slots: Slots<true>,
}

impl SendIndex {
    pub(crate) const fn new() -> SendIndex {
        SendIndex {
            count: Cell::new(0),
            next: Cell::new(Sn(0)),
            first: Cell::new(ptr::null_mut()),
            last: Cell::new(ptr::null_mut()),
            first_resendts: Cell::new(0),
            last_resendts: Cell::new(0),
            timed: Cell::new(false),
            low: Cell::new(Millis(0)),
            high: Cell::new(Millis(0)),
            exact: Cell::new(false),
            ordered: Cell::new(true),
            unsent: Cell::new(Sn(0)),
            skips: Cell::new(0),
            kept: Cell::new(0),
            fast: Cell::new(FastResend {
                resent: u32::MAX,
                limit: 0,
            }),
            newest: Cell::new(Millis(0)),
            steady: Cell::new(false),
            latest_skip: Cell::new(Millis(0)),
            plain: Cell::new(false),
            logged: Cell::new(0),
            peak: Cell::new(0),
            slots: Slots::new(),
        }
    }

    // ---- describing the list -------------------------------------------------------------------------------------

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

    /// Makes the index describe the list as it is.
    #[cold]
    #[inline(never)]
    pub(crate) fn rebuild(&self, list: List<'_>, count: u32, next: Sn) {
        if self.logged.get() > 0 && !list.is_empty() {
            self.settle_walking(list);
        }
        self.logged.set(0);
        self.count.set(count);
        self.next.set(next);
        self.stamp_ends(list);
        self.survey(list);
        if self.slots.is_allocated() || count > WALKED {
            self.fill_ring(list);
        }
    }

    /// Takes order, bounds and the unsent from the segments.
    fn survey(&self, list: List<'_>) {
        self.ordered.set(true);
        self.timed.set(false);
        self.steady.set(false);
        // What the marks and `skips` knew belongs to another list.
        self.skips.set(u32::MAX);
        let mut unsent = None;
        let mut previous: Option<Segment> = None;
        let mut at = list.first();
        while let Some(segment) = at {
            let sn = Sn(segment.sn.get());
            if previous.is_some_and(|previous| Sn(previous.sn.get()).since(sn) >= 0) {
                self.ordered.set(false);
            }
            if segment.xmit.get() == 0 {
                unsent = unsent.or(Some(sn));
            } else {
                self.extend_bounds(Millis(segment.resendts.get()));
            }
            previous = at;
            at = list.next(segment);
        }
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
            self.slots.set(sn, segment);
            self.slots.set_deadline(sn, Millis(segment.resendts.get()));
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

    // ---- keeping up with the operations --------------------------------------------------------------------------

    /// `count` segments from `run` on, under the next sequence numbers, were appended to the list.
    #[inline(always)]
    pub(crate) fn admitted(&self, list: List<'_>, run: Segment, count: u32) {
        if list.first() == Some(run) {
            self.ordered.set(true);
            self.timed.set(false);
            self.steady.set(true);
        }
        let before = self.count.get();
        self.count.set(before.wrapping_add(count));
        let sn = self.next.get();
        self.next.set(sn.plus(count));
        self.stamp_ends(list);
        if !self.has_ring() {
            let after = before.wrapping_add(count);
            // Where there was no memory it is tried again now and then.
            if after > WALKED && after / WALKED != before / WALKED {
                self.grow(list);
            }
            return;
        }
        let first = list.first().map_or(sn, |first| Sn(first.sn.get()));
        let span = self.next.get().since(first).cast_unsigned();
        if span > self.slots.capacity() {
            self.grow(list);
            return;
        }
        self.peak.set(self.peak.get().max(span));
        let mut sn = sn;
        let mut at = Some(run);
        while let Some(segment) = at {
            if self.slots.is_vacant(sn) {
                self.slots.oldest(sn).set(Millis(segment.ts.get()));
            }
            self.slots.set(sn, segment);
            sn = sn.plus(1);
            at = list.next(segment);
        }
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

    /// Widens the bounds to take in `resendts`. When deadlines lie all around the 32-bit circle, as a clock that jumps by
    /// weeks leaves them, nothing can be said: `high` is then put just before `low`, and stays there.
    #[inline(always)]
    pub(crate) fn extend_bounds(&self, resendts: Millis) {
        const HALF: u32 = 1 << 31;
        if !self.timed.get() {
            self.timed.set(true);
            self.low.set(resendts);
            self.high.set(resendts);
            self.exact.set(true);
            return;
        }
        let (low, high) = (self.low.get(), self.high.get());
        let above = resendts.since(low).cast_unsigned();
        if above <= high.since(low).cast_unsigned() {
            return;
        }
        if above < HALF {
            self.high.set(resendts);
        } else if high.since(resendts).cast_unsigned() < HALF {
            self.low.set(resendts);
            self.exact.set(true);
        } else {
            self.high.set(low.plus(u32::MAX));
        }
    }

    // ---- finding -------------------------------------------------------------------------------------------------

    /// The listed segment with this `sn`.
    #[inline(always)]
    pub(crate) fn find(&self, list: List<'_>, sn: Sn) -> Option<Segment> {
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

    // ---- deadlines -----------------------------------------------------------------------------------------------

    /// True when no segment that was sent has a deadline at or before `now`, as far as the bounds can tell.
    ///
    /// The distances are signed, so it takes both bounds behind `now` and less than 2^31 from each other.
    #[inline(always)]
    pub(crate) fn is_quiet(&self, list: List<'_>, now: Millis) -> bool {
        !self.timed.get()
            || list.is_empty()
            || (self.low.get().since(now) > 0
                && self.high.get().since(now) > 0
                && self.high.get().since(self.low.get()) >= 0)
    }

    /// Makes the bounds exact. True when something is due at `now`.
    pub(crate) fn refresh_bounds(&self, list: List<'_>, now: Millis) -> bool {
        let Some((low, high)) = self.deadlines(list, now) else {
            self.timed.set(false);
            return false;
        };
        self.timed.set(true);
        self.low.set(now.plus(low.cast_unsigned()));
        self.high.set(now.plus(high.cast_unsigned()));
        self.exact.set(true);
        low <= 0
    }

    /// Distances of the earliest and the latest deadline, of segments that were sent, from `now`. Writes nothing.
    pub(crate) fn deadlines(&self, list: List<'_>, now: Millis) -> Option<(i32, i32)> {
        let first = list.first()?;
        if self.has_ring() {
            let last = self.unsent.get().plus(u32::MAX);
            return self.slots.deadlines(Sn(first.sn.get()), last, now);
        }
        let (mut low, mut high) = (i32::MAX, i32::MIN);
        let mut any = false;
        let mut at = Some(first);
        while let Some(segment) = at {
            if segment.xmit.get() != 0 {
                let distance = Millis(segment.resendts.get()).since(now);
                low = low.min(distance);
                high = high.max(distance);
                any = true;
            }
            at = list.next(segment);
        }
        any.then_some((low, high))
    }

    /// The earliest deadline when it is known without looking, as a distance from `now`.
    #[inline(always)]
    pub(crate) fn known_deadline(&self, list: List<'_>, now: Millis) -> Option<i32> {
        (self.timed.get() && self.exact.get() && self.is_quiet(list, now))
            .then(|| self.low.get().since(now))
    }

    /// A distance from `now` before which nothing is due, 0 when the bounds cannot tell.
    #[inline(always)]
    pub(crate) fn quiet_for(&self, list: List<'_>, now: Millis) -> i32 {
        if !self.timed.get() || list.is_empty() {
            i32::MAX
        } else if self.is_quiet(list, now) {
            self.low.get().since(now)
        } else {
            0
        }
    }

    /// True when the bounds may lie outside of what is listed, so that `refresh_bounds` could narrow them.
    #[inline(always)]
    pub(crate) fn is_loose(&self) -> bool {
        !self.exact.get()
    }

    /// True when the list is in order of `sn`.
    #[inline(always)]
    pub(crate) fn is_ordered(&self) -> bool {
        self.ordered.get()
    }

    // ---- skips ---------------------------------------------------------------------------------------------------

    /// An `ikcp_input` ended with the acknowledgement of `sn` as its candidate: every segment before it was skipped.
    #[inline(always)]
    pub(crate) fn skipped(&self, list: List<'_>, sn: Sn, ts: Millis) {
        match list.first() {
            Some(first) if sn.since(Sn(first.sn.get())) > 0 => {}
            _ => return,
        }
        let skip = Skip { sn, ts };
        if !self.has_ring() {
            self.count_skip(list, skip);
            return;
        }
        if self.logged.get() as usize == self.slots.log_len() {
            self.settle(list);
        }
        // In order of `sn`, as acknowledgements mostly are.
        let mut place = self.logged.get() as usize;
        while place > 0 && self.slots.log(place - 1).get().sn.since(sn) > 0 {
            self.slots.log(place).set(self.slots.log(place - 1).get());
            place -= 1;
        }
        self.slots.log(place).set(skip);
        let plain = (0..CLOCK_STEP).contains(&self.newest.get().since(ts));
        if self.logged.get() == 0 {
            self.plain.set(plain);
            self.latest_skip.set(ts);
        } else {
            self.plain.set(self.plain.get() && plain);
            if ts.since(self.latest_skip.get()) > 0 {
                self.latest_skip.set(ts);
            }
        }
        self.logged.set(self.logged.get() + 1);
    }

    /// True when a segment may have been skipped often enough, or the parameters changed so that nobody knows.
    #[inline(always)]
    pub(crate) fn may_resend(&self, fast: FastResend) -> bool {
        if self.fast.get() != fast {
            self.parameters_changed(fast);
        }
        self.skips.get().saturating_add(self.logged.get()) >= fast.resent && fast.resent != u32::MAX
    }

    #[cold]
    fn parameters_changed(&self, fast: FastResend) {
        let old = self.fast.replace(fast);
        // A higher limit lets in segments that `skips` leaves out; a lower threshold lacks marks.
        if old.limit != fast.limit || fast.resent < old.resent {
            self.skips.set(u32::MAX);
        }
    }

    /// True when an unsettled skip may concern a segment that was never sent, as only a forged packet causes.
    #[inline(always)]
    pub(crate) fn skips_unsent(&self) -> bool {
        match self.logged.get() as usize {
            0 => false,
            logged => {
                self.has_unsent()
                    && self.slots.log(logged - 1).get().sn.since(self.unsent.get()) > 0
            }
        }
    }

    /// Settles what is logged and says which segments a flush has to look at for skips.
    pub(crate) fn settle_for_flush(&self, list: List<'_>) -> Scope {
        let complete = self.skips.get() != u32::MAX;
        self.settle(list);
        if self.skips.get() < self.fast.get().resent {
            Scope::Unsent
        } else if complete && self.has_ring() {
            Scope::Marked
        } else {
            Scope::All
        }
    }

    /// Brings `fastack` up to date with the log.
    ///
    /// Both are in order of `sn`, so they are walked together from their ends: behind each segment lie the skips that may
    /// concern it, and mostly the earliest and the latest `ts` among those tell whether they do.
    pub(crate) fn settle(&self, list: List<'_>) {
        let logged = self.logged.replace(0) as usize;
        let (Some(first), Some(last), Some(top)) =
            (list.first(), list.last(), logged.checked_sub(1))
        else {
            return;
        };
        let Skip { sn, ts } = self.slots.log(top).get();
        let mut at = if sn.since(Sn(last.sn.get())) > 0 {
            Some(last)
        } else {
            self.slots.before(sn, Sn(first.sn.get()))
        };
        let mut place = logged;
        let (mut earliest, mut latest) = (ts, ts);
        // The times lie all around the 32-bit circle, so that no two of them bound the others.
        let mut scattered = false;
        // When the window is as wide as the ring, its ends share a block, of which nothing is noted.
        let low = Sn(first.sn.get() & !63);
        let high = low.plus(self.slots.capacity());
        let apart = Sn(last.sn.get()).before(high);
        let mut block = Block::none();
        while let Some(segment) = at {
            let (sn, ts) = (Sn(segment.sn.get()), Millis(segment.ts.get()));
            if !block.has(sn) {
                block.leave(&self.slots);
                // What was sent again since the latest of these acknowledgements left the peer was not skipped by any.
                if self.skips_are_plain()
                    && self.latest_skip.get().since(self.slots.oldest(sn).get()) < 0
                {
                    block = Block::none();
                    at = self.slots.before(Sn(sn.0 & !63), Sn(first.sn.get()));
                    continue;
                }
                let start = Sn(sn.0 & !63);
                let whole = apart || (start != low && start != high);
                block = Block::enter(&self.slots, sn, ts, whole);
            }
            block.oldest = if ts.since(block.oldest) < 0 {
                ts
            } else {
                block.oldest
            };
            while place > 0 && self.slots.log(place - 1).get().sn.since(sn) > 0 {
                place -= 1;
                let ts = self.slots.log(place).get().ts;
                match (ts.since(earliest) < 0, ts.since(latest) > 0) {
                    (true, true) => scattered = true,
                    (true, false) => earliest = ts,
                    (false, true) => latest = ts,
                    (false, false) => {}
                }
            }
            let (early, late) = (earliest.since(ts), latest.since(ts));
            let times = if !profile::FASTACK_CONSERVE || (!scattered && early >= 0 && late >= early)
            {
                (logged - place) as u32
            } else if !scattered && late < 0 && late >= early {
                0
            } else {
                (place..logged).fold(0, |n, place| {
                    n + u32::from(skips(self.slots.log(place).get(), sn, ts))
                })
            };
            if times > 0 {
                self.add_skips(segment, times);
            }
            at = list.prev(segment);
        }
        block.leave(&self.slots);
    }

    /// True when the times of the logged skips and those in the list can be told apart by their order.
    #[inline(always)]
    fn skips_are_plain(&self) -> bool {
        profile::FASTACK_CONSERVE && self.steady.get() && self.plain.get()
    }

    /// Settles segment by segment, whatever the list is like.
    fn settle_walking(&self, list: List<'_>) {
        let logged = self.logged.replace(0) as usize;
        let mut at = list.first();
        while let Some(segment) = at {
            let (sn, ts) = (Sn(segment.sn.get()), Millis(segment.ts.get()));
            let times = (0..logged).fold(0, |n, place| {
                n + u32::from(skips(self.slots.log(place).get(), sn, ts))
            });
            if times > 0 {
                self.add_skips(segment, times);
            }
            at = list.next(segment);
        }
    }

    /// The original's walk, for a list without ring.
    fn count_skip(&self, list: List<'_>, skip: Skip) {
        let mut at = list.first();
        while let Some(segment) = at {
            let sn = Sn(segment.sn.get());
            if skip.sn.before(sn) {
                break;
            }
            if skips(skip, sn, Millis(segment.ts.get())) {
                self.add_skips(segment, 1);
            }
            at = list.next(segment);
        }
    }

    #[inline(always)]
    fn add_skips(&self, segment: Segment, times: u32) {
        let fastack = segment.fastack.get().wrapping_add(times);
        segment.fastack.set(fastack);
        let fast = self.fast.get();
        if fast.allows(segment.xmit.get()) {
            if fastack > self.skips.get() {
                self.skips.set(fastack);
            }
            if fastack >= fast.resent && self.has_ring() {
                self.slots.mark(Sn(segment.sn.get()));
            }
        }
    }

    /// Takes every segment before `una` out of the list, and hands each to `taken`. Gives how many they were.
    #[inline(always)]
    pub(crate) fn remove_before(
        &self,
        list: List<'_>,
        una: Sn,
        mut taken: impl FnMut(Segment),
    ) -> u32 {
        let low = self.low.get().0;
        let mut count = 0;
        let mut run: Option<(Sn, Sn)> = None;
        let mut at = list.first();
        while let Some(segment) = at {
            let sn = Sn(segment.sn.get());
            if una.since(sn) <= 0 {
                break;
            }
            if segment.resendts.get() == low {
                self.exact.set(false);
            }
            run = Some((run.map_or(sn, |(first, _)| first), sn));
            count += 1;
            at = list.next(segment);
            taken(segment);
        }
        let Some((first, last)) = run else {
            return 0;
        };
        list.cut_front(at);
        if self.has_ring() {
            self.slots.clear_run(first, last);
        }
        self.count.set(self.count.get().wrapping_sub(count));
        self.stamp_ends(list);
        count
    }

    /// A segment was sent for the first time, and its `fastack` is 0. `stamp_ends` has to follow.
    #[inline(always)]
    pub(crate) fn first_sent(&self, sn: Sn, resendts: Millis) {
        if self.has_ring() {
            self.slots.set_deadline(sn, resendts);
        }
    }

    /// `segment` was sent; its `resendts` was `before` until then.
    #[inline(always)]
    pub(crate) fn sent(&self, segment: Segment, before: u32) {
        let resendts = Millis(segment.resendts.get());
        if before == self.low.get().0 {
            self.exact.set(false);
        }
        self.extend_bounds(resendts);
        // A timeout leaves `fastack` as it is, so the segment may be sent again at the next flush.
        let (fast, fastack) = (self.fast.get(), segment.fastack.get());
        let again = fastack >= fast.resent && fast.allows(segment.xmit.get());
        if again {
            self.kept.set(self.kept.get().max(fastack));
        }
        if self.has_ring() {
            let sn = Sn(segment.sn.get());
            self.slots.set_deadline(sn, resendts);
            if again {
                self.slots.mark(sn);
            } else {
                self.slots.unmark(sn);
            }
        }
        if self.first.get() == segment.as_ptr() {
            self.first_resendts.set(resendts.0);
        }
        if self.last.get() == segment.as_ptr() {
            self.last_resendts.set(resendts.0);
        }
    }

    /// True when a listed segment may never have been sent.
    #[inline(always)]
    pub(crate) fn has_unsent(&self) -> bool {
        self.unsent.get() != self.next.get()
    }

    /// A flush has looked at every segment of `scope` and sent what was due; `undisturbed` when no skip was counted
    /// meanwhile.
    #[inline(always)]
    pub(crate) fn flushed(&self, scope: Scope, undisturbed: bool) {
        self.unsent.set(self.next.get());
        let resent = self.fast.get().resent;
        let known = scope == Scope::All || self.skips.get() != u32::MAX;
        if undisturbed && known && self.skips.get() >= resent && resent > 0 {
            self.skips.set(self.kept.get().max(resent - 1));
        }
        self.kept.set(0);
    }

    /// A flush ended before it had looked at `sn`.
    pub(crate) fn flushed_up_to(&self, sn: Sn) {
        if sn.since(self.unsent.get()) > 0 {
            self.unsent.set(sn);
        }
    }

    // ---- memory --------------------------------------------------------------------------------------------------

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

/// The 64 slots that settling is passing through, and the earliest `ts` seen in them.
struct Block {
    start: Option<Sn>,
    /// All present segments of the block are passed.
    whole: bool,
    oldest: Millis,
}

impl Block {
    const fn none() -> Block {
        Block {
            start: None,
            whole: false,
            oldest: Millis(0),
        }
    }

    /// Enters the block of `sn`, of which segments from `sn` down will be passed.
    #[inline(always)]
    fn enter(slots: &Slots<true>, sn: Sn, ts: Millis, whole: bool) -> Block {
        Block {
            start: Some(Sn(sn.0 & !63)),
            whole: whole && slots.present(sn) >> (sn.0 % 64) == 1,
            oldest: ts,
        }
    }

    #[inline(always)]
    fn has(&self, sn: Sn) -> bool {
        self.start == Some(Sn(sn.0 & !63))
    }

    /// Notes what was seen, so that the next time the block can be passed over.
    #[inline(always)]
    fn leave(&self, slots: &Slots<true>) {
        if let (Some(start), true) = (self.start, self.whole) {
            slots.oldest(start).set(self.oldest);
        }
    }
}

/// True when `skip` passed over a segment `sn` last sent at `ts`.
#[inline(always)]
fn skips(skip: Skip, sn: Sn, ts: Millis) -> bool {
    skip.sn.since(sn) > 0 && (!profile::FASTACK_CONSERVE || skip.ts.since(ts) >= 0)
}
