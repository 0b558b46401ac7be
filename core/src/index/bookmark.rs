//! A position in `snd_buf` that stays valid across a callback, if nothing has changed meanwhile.

use core::ptr::NonNull;

use crate::abi::IKCPSEG;
use crate::kcp::Kcp;
use crate::segment::{Owned, Segment};
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

/// A segment of `snd_buf` that was found. The handle on the object is borrowed exclusively, so that it is still there.
pub(crate) struct Found<'k, 'a>(&'k mut Kcp<'a>, NonNull<IKCPSEG>);

impl<'k, 'a> Found<'k, 'a> {
    /// The segment with this `sn`.
    #[inline(always)]
    pub(crate) fn of(kcp: &'k mut Kcp<'a>, sn: Sn) -> Option<Found<'k, 'a>> {
        let at = kcp.private().sent.find(kcp.snd_buf(), sn)?.address();
        Some(Found(kcp, at))
    }

    /// Takes it out of the list.
    #[inline(always)]
    pub(crate) fn take(self) -> (&'k mut Kcp<'a>, Owned) {
        let Found(kcp, at) = self;
        let (mut list, private) = kcp.snd_buf_mut();
        let segment = private.sent.remove(&mut list, at);
        (kcp, segment)
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
