//! When the earliest deadline is: bounds that answer in constant time when nothing can be due, and how they are narrowed.

use super::SendIndex;
use crate::queue::List;
use crate::seq::{Millis, Sn};

/// Distance from now beyond which the order of deadlines is not relied on, ms.
const FAR: i32 = 1 << 30;

impl SendIndex {
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

    /// Makes the lower bound exact, and the upper one where it was of no use. True when something is due at `now`.
    pub(crate) fn refresh_bounds(&self, list: List<'_>, now: Millis) -> bool {
        let sound = self.has_sound_ring(now);
        let low = if sound {
            self.earliest_in_ring(list, now, i32::MAX, true)
        } else {
            self.find_deadlines(list, now).map(|(low, high)| {
                self.high.set(now.plus(high.cast_unsigned()));
                low
            })
        };
        self.timed.set(low.is_some());
        self.exact.set(true);
        low.is_some_and(|low| {
            self.low.set(now.plus(low.cast_unsigned()));
            if self.has_ring() {
                self.slots.raise_earliest(low, now, !sound);
            }
            low <= 0
        })
    }

    /// The earliest deadline, of segments that were sent, that comes before `horizon`, both as distances from `now`;
    /// otherwise anything from `horizon` on. Writes nothing.
    pub(crate) fn earliest_before(&self, list: List<'_>, now: Millis, horizon: i32) -> i32 {
        let found = if self.has_sound_ring(now) {
            self.earliest_in_ring(list, now, horizon, false)
        } else {
            self.find_deadlines(list, now).map(|(low, _)| low)
        };
        found.unwrap_or(horizon)
    }

    /// True when there is a ring, and its bounds can be compared: all deadlines are within twelve days of `now`. Otherwise, as
    /// after a clock that jumped by weeks, which of two comes first depends on where one stands.
    #[inline(always)]
    fn has_sound_ring(&self, now: Millis) -> bool {
        let (low, high) = (self.low.get().since(now), self.high.get().since(now));
        self.has_ring() && self.timed.get() && -FAR < low && low <= high && high < FAR
    }

    /// `None` when none was sent.
    fn earliest_in_ring(
        &self,
        list: List<'_>,
        now: Millis,
        horizon: i32,
        note: bool,
    ) -> Option<i32> {
        // The program may have set `snd_nxt` anywhere, so the end is where the list ends.
        let first = Sn(list.first()?.sn.get());
        let listed = Sn(list.last()?.sn.get()).since(first).cast_unsigned();
        let sent = self.unsent.get().since(first).cast_unsigned();
        let last = first.plus(sent.checked_sub(1)?.min(listed));
        Some(self.slots.earliest_before(horizon, first, last, now, note))
    }

    /// Distances of the earliest and the latest deadline, of segments that were sent, from `now`, looked up in the list.
    fn find_deadlines(&self, list: List<'_>, now: Millis) -> Option<(i32, i32)> {
        let (mut low, mut high) = (i32::MAX, i32::MIN);
        let mut any = false;
        let mut at = list.first();
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

    /// True when the list is known to be in order of `sn`.
    #[inline(always)]
    pub(crate) fn is_ordered(&self) -> bool {
        self.ordered.get()
    }

    /// True when the list is in order of `sn`.
    pub(crate) fn finds_order(&self, list: List<'_>) -> bool {
        if !self.off.get() {
            return self.ordered.get();
        }
        let Some(first) = list.first() else {
            return true;
        };
        let mut at = first;
        while let Some(next) = list.next(at) {
            // Steps that all lead forward may lead all around the circle.
            let (low, sn) = (Sn(first.sn.get()), Sn(next.sn.get()));
            if !Sn(at.sn.get()).before(sn) || sn.before(low) {
                return false;
            }
            at = next;
        }
        true
    }

    /// Widens the bounds to take in `resendts`. When deadlines lie all around the 32-bit circle, as a clock that jumps by
    /// weeks leaves them, nothing can be said: `high` is then put just before `low`, and stays there.
    #[inline(always)]
    pub(crate) fn extend_bounds(&self, resendts: Millis) {
        const HALF: u32 = 1 << 31;
        if self.off.get() {
            return;
        }
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
}
