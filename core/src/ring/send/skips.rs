//! Who was skipped how often: acknowledgements are logged, and `fastack` is settled when the threshold may be reached.

use core::hint::black_box;
use core::ops::Range;

use super::{CLOCK_STEP, FastResend, Scope, SendIndex};
use crate::consts::profile;
use crate::queue::List;
use crate::ring::slots::{Skip, Slots};
use crate::segment::Segment;
use crate::seq::{Millis, Sn};

/// How far ahead of a walk segments are loaded into the caches.
const AHEAD: u32 = 4;

impl SendIndex {
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

    /// True when `skips` and the marks hold for these parameters.
    #[inline(always)]
    pub(crate) fn holds_for(&self, fast: FastResend) -> bool {
        self.fast.get() == fast
    }

    #[cold]
    fn parameters_changed(&self, fast: FastResend) {
        let old = self.fast.replace(fast);
        // In the middle of a flush: what it has passed was decided by the old ones, so the next one looks at all again.
        self.kept.set(u32::MAX);
        // A higher limit lets in segments that `skips` leaves out; a lower threshold lacks marks.
        if old.limit != fast.limit || fast.resent < old.resent {
            self.skips.set(u32::MAX);
        }
    }

    /// True when no skip waits to be settled, and numbers say what comes later.
    #[inline(always)]
    pub(crate) fn is_settled(&self) -> bool {
        self.logged.get() == 0 && self.ordered.get()
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
        let (nearby, mut earliest, mut latest) = (ts, ts, ts);
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
                let start = Sn(sn.0 & !63);
                if self.passes_over(sn) {
                    block = Block::none();
                    at = self.next_to_settle(start, Sn(first.sn.get()));
                    continue;
                }
                let whole = apart || (start != low && start != high);
                block = Block::enter(&self.slots, sn, ts, whole);
            }
            self.slots.prefetch(Sn(sn.0.wrapping_sub(AHEAD)));
            block.oldest = if ts.since(block.oldest) < 0 {
                ts
            } else {
                block.oldest
            };
            while place > 0 && self.slots.log(place - 1).get().sn.since(sn) > 0 {
                place -= 1;
                let ts = self.slots.log(place).get().ts;
                // Near the others, so that their order is the order of time whichever two are compared.
                scattered |= ts.since(nearby).unsigned_abs() >= CLOCK_STEP.unsigned_abs();
                if ts.since(earliest) < 0 {
                    earliest = ts;
                }
                if ts.since(latest) > 0 {
                    latest = ts;
                }
            }
            let (early, late) = (earliest.since(ts), latest.since(ts));
            let times = if !profile::FASTACK_CONSERVE || (!scattered && early >= 0 && late >= early)
            {
                (logged - place) as u32
            } else if !scattered && late < 0 && late >= early {
                0
            } else {
                self.count_skips(place..logged, sn, ts)
            };
            if times > 0 {
                self.add_skips(segment, times);
            }
            at = list.prev(segment);
        }
        block.leave(&self.slots);
    }

    /// True when the block of `sn` was sent since the latest of these acknowledgements left the peer: none skipped it.
    #[inline(always)]
    fn passes_over(&self, sn: Sn) -> bool {
        self.skips_are_plain() && self.latest_skip.get().since(self.slots.oldest(sn).get()) < 0
    }

    /// The last segment before the block that begins at `start`, without a look at the segments of blocks that are passed over.
    #[inline(always)]
    fn next_to_settle(&self, mut start: Sn, first: Sn) -> Option<Segment> {
        while start.since(first) > 0 && self.passes_over(start.plus(u32::MAX)) {
            start = Sn(start.0.wrapping_sub(64));
        }
        if start.since(first) > 0 {
            self.slots.before(start, first)
        } else {
            None
        }
    }

    /// True when the times of the logged skips and those in the list can be told apart by their order.
    #[inline(always)]
    fn skips_are_plain(&self) -> bool {
        profile::FASTACK_CONSERVE && self.steady.get() && self.plain.get()
    }

    /// Settles segment by segment, whatever the list is like.
    pub(super) fn settle_walking(&self, list: List<'_>) {
        let logged = self.logged.replace(0) as usize;
        let mut at = list.first();
        while let Some(segment) = at {
            let (sn, ts) = (Sn(segment.sn.get()), Millis(segment.ts.get()));
            let times = self.count_skips(0..logged, sn, ts);
            if times > 0 {
                self.add_skips(segment, times);
            }
            at = list.next(segment);
        }
    }

    /// How many of these logged skips passed over a segment `sn` last sent at `ts`.
    #[cold]
    #[inline(never)]
    fn count_skips(&self, places: Range<usize>, sn: Sn, ts: Millis) -> u32 {
        let mut count = 0;
        for place in places {
            // One by one: this is seldom, and a vector loop takes a kilobyte.
            if skips(black_box(self.slots.log(place).get()), sn, ts) {
                count += 1;
            }
        }
        count
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
        if self.off.get() {
            return Self::remove_few_before(list, una, taken);
        }
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
            if self.has_ring() {
                self.slots.prefetch(sn.plus(AHEAD));
            }
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

    /// The same without index.
    #[inline(always)]
    fn remove_few_before(list: List<'_>, una: Sn, mut taken: impl FnMut(Segment)) -> u32 {
        let mut count = 0;
        while let Some(segment) = list.first()
            && una.since(Sn(segment.sn.get())) > 0
        {
            list.remove_first(segment);
            taken(segment);
            count += 1;
        }
        count
    }

    /// The segments from `first` to `last`, as listed, were sent for the first time, and the `fastack` of each is 0.
    #[inline(always)]
    pub(crate) fn first_sent(&self, first: Segment, last: Segment, resendts: Millis) {
        if self.off.get() {
            return;
        }
        if self.has_ring() {
            let (first, last) = (Sn(first.sn.get()), Sn(last.sn.get()));
            if first == last {
                self.slots.set_deadline(first, resendts);
            } else {
                self.slots.set_deadlines(first, last, resendts);
            }
        }
        if self.first.get() == first.as_ptr() {
            self.first_resendts.set(resendts.0);
        }
        if self.last.get() == last.as_ptr() {
            self.last_resendts.set(resendts.0);
        }
    }

    /// `segment` was sent; its `resendts` was `before` until then.
    #[inline(always)]
    pub(crate) fn sent(&self, segment: Segment, before: u32) {
        if self.off.get() {
            return;
        }
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
        if self.off.get() {
            return;
        }
        self.unsent.set(self.next.get());
        let resent = self.fast.get().resent;
        let known = scope == Scope::All || self.skips.get() != u32::MAX;
        if undisturbed && known && self.skips.get() >= resent && resent > 0 {
            self.skips.set(self.kept.get().max(resent - 1));
        }
        self.kept.set(0);
    }

    /// A flush has come as far as `sn`: it ended there, or a callback runs, which may lead to deadlines being looked for.
    pub(crate) fn flushed_up_to(&self, sn: Sn) {
        if sn.since(self.unsent.get()) > 0 {
            self.unsent.set(sn);
        }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::Kcp;
    use crate::segment::Source;
    use std::vec::Vec;

    /// Settling counted from the earliest and the latest of the logged times. Where those were exactly 2^31 ms apart, as
    /// after a clock that jumped there and back, one of them was forgotten.
    #[test]
    fn times_half_the_circle_apart_were_counted_by_one_of_them() {
        const TIMES: [u32; 5] = [1000, 1000 + (1 << 31), 1005, 995, 5 + (1 << 31)];
        let mut state = 1u32;
        let mut random = |below: u32| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 16) % below
        };
        let object = Kcp::create(1, core::ptr::null_mut());
        // SAFETY: just made, and released at the end.
        let kcp = unsafe { Kcp::from_ptr(object) }.expect("memory");
        kcp.wndsize(128, 128);
        kcp.nodelay(1, 10, 2, 1);
        for _ in 0..100 {
            // SAFETY: NULL stands for zeros.
            kcp.send(unsafe { Source::new(core::ptr::null()) }, 10);
        }
        kcp.update(1000);
        let (index, list) = (&kcp.private().sent, kcp.snd_buf());
        assert!(index.has_ring());
        // The times are written by hand, so nothing may be concluded from the clock.
        index.flush_begins(Millis(0));

        for round in 0..if cfg!(miri) { 5 } else { 2000 } {
            let mut segments = Vec::new();
            let mut at = list.first();
            while let Some(segment) = at {
                segment.fastack.set(0);
                segment.ts.set(TIMES[random(5) as usize]);
                segments.push(segment);
                at = list.next(segment);
            }
            let logged: Vec<Skip> = (0..1 + random(12))
                .map(|_| Skip {
                    sn: Sn(random(100)),
                    ts: Millis(TIMES[random(5) as usize]),
                })
                .collect();
            for skip in &logged {
                index.skipped(list, skip.sn, skip.ts);
            }
            index.settle(list);
            for segment in segments {
                let (sn, ts) = (Sn(segment.sn.get()), Millis(segment.ts.get()));
                let expected = logged.iter().filter(|skip| skips(**skip, sn, ts)).count();
                assert_eq!(
                    segment.fastack.get() as usize,
                    expected,
                    "round {round}, {sn:?}"
                );
            }
        }
        kcp.release();
    }
}
