//! Bounds on times of a clock that wraps.

use crate::seq::Millis;

/// Times between `low` and `high`, forward from `low`. If the times are spread over the whole circle of 32 bits, as after a clock
/// that jumped by weeks, then `high` is just before `low` and the range says nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TimeRange {
    low: Millis,
    high: Millis,
}

const HALF: u32 = 1 << 31;

impl TimeRange {
    #[inline(always)]
    pub(super) const fn of(at: Millis) -> TimeRange {
        TimeRange { low: at, high: at }
    }

    #[inline(always)]
    pub(super) fn has(self, at: Millis) -> bool {
        at.forward_from(self.low) <= self.high.forward_from(self.low)
    }

    #[inline(always)]
    #[must_use]
    pub(super) fn with(self, at: Millis) -> TimeRange {
        if self.has(at) { self } else { self.widened(at) }
    }

    #[inline(never)]
    fn widened(self, at: Millis) -> TimeRange {
        let TimeRange { low, high } = self;
        if at.forward_from(low) < HALF {
            TimeRange { low, high: at }
        } else if high.forward_from(at) < HALF {
            TimeRange { low: at, high }
        } else {
            // More than half the circle: any time may be among them.
            TimeRange {
                low,
                high: low.plus(u32::MAX),
            }
        }
    }

    /// If both ranges are shorter than half the circle, a range that contains both ends of the other contains all of it.
    #[inline(never)]
    #[must_use]
    pub(super) fn join(self, other: TimeRange) -> TimeRange {
        let range = self.with(other.low);
        if other.high == other.low {
            range
        } else if other.high.since(other.low) < 0 {
            other
        } else {
            range.with(other.high)
        }
    }

    /// True if all times are at or before `now`, false if none is, by their signed distances; `None` if the bounds leave that
    /// open.
    #[inline(always)]
    pub(super) fn is_past(self, now: Millis) -> Option<bool> {
        let (from_low, from_high) = (now.since(self.low), now.since(self.high));
        if from_high > from_low {
            None
        } else if from_high >= 0 {
            Some(true)
        } else if from_low < 0 {
            Some(false)
        } else {
            None
        }
    }

    /// A lower bound on the signed distance of the times from `now`.
    #[inline(always)]
    pub(super) fn distance(self, now: Millis) -> i32 {
        let (low, high) = (self.low.since(now), self.high.since(now));
        if low <= high { low } else { i32::MIN }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whatever the times are, each conclusion from their range must hold for every one.
    #[test]
    fn what_a_range_concludes_holds_for_each_moment() {
        let mut state = 7u32;
        let mut random = || {
            state ^= state << 13;
            state ^= state >> 17;
            state ^= state << 5;
            state
        };
        // Miri is a thousand times slower.
        for round in 0..if cfg!(miri) { 500 } else { 200_000 } {
            let spread = random() % 33;
            let base = random();
            let mut moment = || {
                let far = random() % 4 == 0;
                let near = random().checked_shr(spread).unwrap_or(0);
                Millis(base.wrapping_add(if far { near << (random() % 32) } else { near }))
            };
            let moments = [moment(), moment(), moment(), moment(), moment()];
            let now = moment();
            let one = TimeRange::of(moments[0]).with(moments[1]).with(moments[2]);
            let range = one.join(TimeRange::of(moments[3]).with(moments[4]));
            for at in moments {
                assert!(at.since(now) >= range.distance(now), "round {round}");
                if let Some(past) = range.is_past(now) {
                    assert_eq!(past, now.since(at) >= 0, "round {round}, {at:?}, {now:?}");
                }
            }
        }
    }
}
