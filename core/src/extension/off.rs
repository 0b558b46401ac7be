//! A library without extensions: nothing of them, under the names that the rest of the code says.

use crate::kcp::Kcp;
use crate::segment::Segment;
use crate::seq::{Millis, Sn};

pub(crate) struct Extension;

#[allow(dead_code)]
pub(crate) enum Verdict {
    Stands,
    Lost,
    TimedOut,
    Waits,
}

#[allow(clippy::unused_self)]
impl Kcp<'_> {
    #[inline(always)]
    pub(crate) fn keep_slow_paths(&self) {}

    #[inline(always)]
    pub(crate) fn has_no_control(&self) -> bool {
        false
    }

    #[inline(always)]
    pub(crate) fn free_extension(&self) {}

    #[inline(always)]
    pub(crate) fn tells_by_time(&self) -> bool {
        false
    }

    #[inline(always)]
    pub(crate) fn ignores_skips(&self) -> bool {
        false
    }

    #[inline(always)]
    pub(crate) fn note_ack(&self, _: Sn, _: Millis) -> Option<Segment<'_>> {
        None
    }

    #[inline(always)]
    pub(crate) fn note_removed(&self, _: Segment<'_>, _: bool) {}

    #[inline(always)]
    pub(crate) fn note_sent(&self, _: Sn, _: Millis, _: (u32, u32)) {}

    #[inline(always)]
    pub(crate) fn note_sent_early(&self, _: Segment<'_>) {}

    #[inline(always)]
    pub(crate) fn note_queue(&self) {}

    #[inline(always)]
    pub(crate) fn detect_losses(&self) {}

    #[inline(always)]
    pub(crate) fn judge(&self, _: Segment<'_>) -> Verdict {
        Verdict::Stands
    }
}
