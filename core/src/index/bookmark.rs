//! A position in `snd_buf` that stays valid across a callback, if nothing has changed meanwhile.

use core::ptr::NonNull;

use crate::abi::IKCPSEG;
use crate::kcp::Kcp;
use crate::segment::{Owned, Segment};
use crate::seq::Sn;

/// A reference to a segment of `snd_buf` without a borrow. It opens only if no segment was removed and no edit of the list was
/// noticed since; otherwise it is just an address.
#[derive(Clone, Copy)]
pub(crate) struct Bookmark {
    address: NonNull<IKCPSEG>,
    changes: u32,
}

impl Bookmark {
    /// True for the segment that was marked, or for another at the same address.
    pub(crate) fn names(self, segment: Segment<'_>) -> bool {
        segment.as_ptr() == self.address.as_ptr()
    }
}

/// A segment that was found in `snd_buf`. It borrows the handle on the object exclusively, so nothing can remove the segment
/// meanwhile.
pub(crate) struct Found<'k, 'a>(&'k mut Kcp<'a>, NonNull<IKCPSEG>);

impl<'k, 'a> Found<'k, 'a> {
    /// The segment with this `sn`.
    #[inline(always)]
    pub(crate) fn of(kcp: &'k mut Kcp<'a>, sn: Sn) -> Option<Found<'k, 'a>> {
        let at = kcp.private().sent.find(kcp.snd_buf(), sn)?.address();
        Some(Found(kcp, at))
    }

    /// `of` after a callback, when the list may be out of order.
    pub(crate) fn again(kcp: &'k mut Kcp<'a>, sn: Sn) -> Option<Found<'k, 'a>> {
        let at = kcp.private().sent.find_again(kcp.snd_buf(), sn)?.address();
        Some(Found(kcp, at))
    }

    #[inline(always)]
    pub(crate) fn kcp(&self) -> &Kcp<'a> {
        self.0
    }

    #[inline(always)]
    pub(crate) fn segment(&self) -> Segment<'_> {
        // SAFETY: it is in the list.
        unsafe { Segment::from_raw(self.1) }
    }

    /// Removes it from the list.
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
            address: segment.address(),
            changes: self.private().changes.get(),
        }
    }

    /// The segment, if nothing has changed since.
    #[inline(always)]
    pub(crate) fn open(&self, at: Bookmark) -> Option<Segment<'_>> {
        // SAFETY: every removal from `snd_buf` counts as a change. The library counts its own, and finds a program's by comparing
        // the list with the index after each callback. Without a change the segment is still listed.
        (self.private().changes.get() == at.changes)
            .then(|| unsafe { Segment::from_raw(at.address) })
    }
}
