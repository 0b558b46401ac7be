//! Which segments are due, and why: a walk over the list and a search through the tree ask here. Also the deadlines that the tree knows.

use super::SendIndex;
use super::tree::Timing;
use crate::index::slots::{Slots, each};
use crate::list::List;
use crate::segment::Segment;
use crate::seq::Millis;

/// Why a segment is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cause {
    First,
    Timeout,
    FastRetransmit,
}

/// The time, and the parameters of fast retransmission, which a program may change whenever it likes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Due {
    pub(crate) now: Millis,
    /// A segment is retransmitted after this many skips; `u32::MAX` turns that off.
    pub(crate) resent: u32,
    /// `fastlimit`: see [`may_be_fast`].
    pub(crate) limit: i32,
}

impl Due {
    /// Why `segment` is due, if it is.
    #[inline(always)]
    pub(crate) fn cause(self, segment: Segment<'_>) -> Option<Cause> {
        if segment.xmit.get() == 0 {
            Some(Cause::First)
        } else if segment.has_timed_out(self.now) {
            Some(Cause::Timeout)
        } else if segment.fastack.get() >= self.resent
            && may_be_fast(segment.xmit.get(), self.limit)
        {
            Some(Cause::FastRetransmit)
        } else {
            None
        }
    }
}

/// True if a segment that was sent `xmit` times may be retransmitted because of skips: up to `limit` times, or always where that is
/// 0 or less.
#[inline(always)]
pub(super) fn may_be_fast(xmit: u32, limit: i32) -> bool {
    limit <= 0 || xmit.cast_signed() <= limit
}

impl SendIndex {
    /// True if the tree holds for this `fastlimit`.
    #[inline(always)]
    pub(crate) fn holds_for(&self, limit: i32) -> bool {
        self.limit.get() == limit
    }

    /// Makes the tree hold for this `fastlimit`.
    #[inline(always)]
    pub(crate) fn adopt_limit(&self, limit: i32) {
        if !self.holds_for(limit) {
            self.limit_changed(limit);
        }
    }

    #[cold]
    #[inline(never)]
    fn limit_changed(&self, limit: i32) {
        self.limit.set(limit);
        self.refresh_all();
    }

    /// True if no segment that was sent is due. The tree holds for the parameters of `due`.
    #[inline(always)]
    pub(crate) fn is_quiet(&self, due: Due) -> bool {
        !self.slots.root().note.may_have(due)
    }

    /// A distance from `now` before which nothing is due, according to the root.
    #[inline(always)]
    pub(crate) fn quiet_for(&self, now: Millis) -> i32 {
        self.slots.root().note.distance(now)
    }

    /// The earliest deadline before `horizon`, both as distances from `now`; or else `horizon`. Only deadlines after `since` count, if
    /// that is given. Writes nothing.
    pub(crate) fn earliest_before(&self, now: Millis, horizon: i32, since: Option<Millis>) -> i32 {
        self.slots.earliest(now, horizon, since)
    }

    /// Makes exact all recorded deadlines that are less than `horizon` away from `now`.
    pub(crate) fn narrow(&self, list: List<'_>, now: Millis, horizon: i32) {
        let last = now.plus(horizon.cast_unsigned().wrapping_sub(1));
        self.refresh(Some(last));
        self.stamp_ends(list);
    }
}

impl Slots<Timing> {
    /// See [`SendIndex::earliest_before`].
    fn earliest(&self, now: Millis, horizon: i32, since: Option<Millis>) -> i32 {
        let root = self.root();
        if root.live.get() == 0 || root.note.distance(now) >= horizon {
            horizon
        } else {
            self.earliest_below(self.root_level(), 0, now, horizon, since)
        }
    }

    /// `earliest` below a node of `level` that may have a deadline before `horizon`.
    fn earliest_below(
        &self,
        level: u32,
        slot: u32,
        now: Millis,
        horizon: i32,
        since: Option<Millis>,
    ) -> i32 {
        let mut earliest = horizon;
        for at in each(level, slot, self.node(level, slot).live.get()) {
            if level == 0 {
                let resendts = Millis(self.segment(at).resendts.get());
                if since.is_none_or(|since| since.before(resendts)) {
                    earliest = earliest.min(resendts.since(now));
                }
            } else if self.node(level - 1, at).note.distance(now) < earliest {
                earliest = self.earliest_below(level - 1, at, now, earliest, since);
            }
        }
        earliest
    }
}
