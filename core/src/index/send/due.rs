//! Which segments are due, and why. A walk over the list and a search through the tree ask here.

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
