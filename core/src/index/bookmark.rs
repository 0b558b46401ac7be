//! A position in `snd_buf` that stays valid across a callback, if nothing has changed meanwhile.

use core::ptr::NonNull;

use crate::abi::IKCPSEG;
use crate::kcp::Kcp;
use crate::segment::Segment;
use crate::seq::Sn;

/// Names a segment of `snd_buf`. It opens while no packet was taken and no edit of the list was noticed since, and is a
/// number and an address otherwise.
#[derive(Clone, Copy)]
pub(crate) struct Bookmark {
    sn: Sn,
    address: NonNull<IKCPSEG>,
    changes: u32,
}

impl Bookmark {
    #[inline(always)]
    pub(crate) fn sn(self) -> Sn {
        self.sn
    }

    /// True for the segment that was marked, or another one with its number in the same place.
    pub(crate) fn names(self, segment: Segment<'_>) -> bool {
        segment.as_ptr() == self.address.as_ptr() && segment.sn.get() == self.sn.0
    }
}

impl Kcp<'_> {
    #[inline(always)]
    pub(crate) fn bookmark(&self, segment: Segment<'_>) -> Bookmark {
        Bookmark {
            sn: Sn(segment.sn.get()),
            address: segment.address(),
            changes: self.private().changes.get(),
        }
    }

    /// The segment, unless something has changed.
    #[inline(always)]
    pub(crate) fn open(&self, at: Bookmark) -> Option<Segment<'_>> {
        // SAFETY: what takes a segment out of `snd_buf` counts as a change, by the library or, found by comparing the list with
        // its index after each callback, by the program. So the segment is listed.
        (self.private().changes.get() == at.changes)
            .then(|| unsafe { Segment::from_raw(at.address) })
    }
}
