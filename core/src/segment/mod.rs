//! Handles on segments, and the sources of their payload.

mod bytes;

use core::cell::Cell;
use core::marker::PhantomData;
use core::ops::Deref;
use core::ptr::{self, NonNull};

use crate::abi::{IKCPSEG, IQUEUEHEAD, PAYLOAD_OFFSET};
use crate::memory::deallocate;
use crate::seq::Millis;
use crate::wire::Header;
pub use bytes::{Datagram, Sink, Source, getconv};
pub(crate) use bytes::{HeaderAt, copy};
use bytes::{SHORT, copy_bytes, copy_word};

/// A handle on a segment that is in a list or in an [`Owned`].
///
/// It borrows from the handle on the object, or from the `Owned`. Calling out consumes the handle on the object, and removing
/// segments from lists borrows it exclusively, so a segment's handle cannot be carried across either.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(transparent)]
pub(crate) struct Segment<'k>(NonNull<IKCPSEG>, PhantomData<&'k IKCPSEG>);

impl Deref for Segment<'_> {
    type Target = IKCPSEG;

    #[inline(always)]
    fn deref(&self) -> &IKCPSEG {
        // SAFETY: the segment of a handle is live, and all its fields are cells.
        unsafe { self.0.as_ref() }
    }
}

impl<'k> Segment<'k> {
    /// # Safety
    /// `pointer` is a live segment with room for its `len` bytes of payload.
    #[inline(always)]
    pub(crate) const unsafe fn from_raw(pointer: NonNull<IKCPSEG>) -> Segment<'k> {
        Segment(pointer, PhantomData)
    }

    /// # Safety
    /// `node` is the link inside a live segment.
    #[inline(always)]
    pub(crate) unsafe fn from_node(node: *mut IQUEUEHEAD) -> Segment<'k> {
        // SAFETY: the caller's promise; the link is the segment's first member.
        Segment(unsafe { NonNull::new_unchecked(node.cast()) }, PhantomData)
    }

    /// The four fields from `resendts` to `xmit`, for comparison with another segment's.
    #[inline(always)]
    pub(crate) fn timing(self) -> [u64; 2] {
        // SAFETY: four adjacent fields of 32 bits in a live segment.
        unsafe {
            (&raw const (*self.0.as_ptr()).resendts)
                .cast::<[u64; 2]>()
                .read_unaligned()
        }
    }

    /// True if its deadline has passed at `now`.
    #[inline(always)]
    pub(crate) fn has_timed_out(self, now: Millis) -> bool {
        now.since(Millis(self.resendts.get())) >= 0
    }

    #[inline(always)]
    pub(crate) const fn as_ptr(self) -> *mut IKCPSEG {
        self.0.as_ptr()
    }

    #[inline(always)]
    pub(crate) const fn address(self) -> NonNull<IKCPSEG> {
        self.0
    }

    #[inline(always)]
    pub(crate) const fn node(self) -> *mut IQUEUEHEAD {
        self.0.as_ptr().cast()
    }

    /// The segment's header.
    #[inline(always)]
    #[allow(clippy::cast_possible_truncation)]
    pub(crate) fn header(self) -> Header {
        Header {
            conv: self.conv.get(),
            cmd: self.cmd.get() as u8,
            frg: self.frg.get() as u8,
            wnd: self.wnd.get() as u16,
            ts: self.ts.get(),
            sn: self.sn.get(),
            una: self.una.get(),
            len: self.len.get(),
        }
    }

    /// Sets the fields from a header, except `len`. That was set when the payload was copied, and the packet may contain another
    /// by now if somebody else writes to it.
    #[inline(always)]
    pub(crate) fn set_header(self, header: &Header) {
        self.conv.set(header.conv);
        self.cmd.set(u32::from(header.cmd));
        self.frg.set(u32::from(header.frg));
        self.wnd.set(u32::from(header.wnd));
        self.ts.set(header.ts);
        self.sn.set(header.sn);
        self.una.set(header.una);
    }

    /// Makes `bytes` the payload, if there are fewer of them than it has.
    pub(crate) fn cut_to(self, bytes: &[Cell<u8>]) -> bool {
        let shorter = bytes.len() < self.len.get() as usize;
        if shorter {
            // SAFETY: the segment has room for the payload that it has, which is more.
            unsafe { ptr::copy_nonoverlapping(bytes.as_ptr().cast(), self.payload(), bytes.len()) };
            self.len.set(bytes.len() as u32);
        }
        shorter
    }

    /// First byte of the payload. The pointer is derived from the whole allocation, not from the one-byte `data`.
    #[inline(always)]
    pub(crate) const fn payload(self) -> *mut u8 {
        // SAFETY: the offset stays inside the segment's allocation.
        unsafe { self.0.as_ptr().cast::<u8>().add(PAYLOAD_OFFSET) }
    }
}

/// A segment that is in no list. Its owner links it or frees it, and nothing else refers to it.
#[must_use]
pub(crate) struct Owned {
    segment: NonNull<IKCPSEG>,
    /// Bytes of payload that it has room for, or more.
    room: u32,
}

impl Owned {
    /// # Safety
    /// `segment` is live, in no list, has room for `room` bytes of payload and at least for its `len`, and nothing else refers to
    /// it.
    #[inline(always)]
    pub(crate) const unsafe fn from_raw(segment: NonNull<IKCPSEG>, room: u32) -> Owned {
        Owned { segment, room }
    }

    #[inline(always)]
    pub(crate) const fn segment(&self) -> Segment<'_> {
        Segment(self.segment, PhantomData)
    }

    #[inline(always)]
    pub(crate) const fn with_room(&self) -> WithRoom<'_> {
        WithRoom {
            segment: self.segment(),
            room: self.room,
        }
    }

    #[inline(always)]
    pub(crate) const fn into_raw(self) -> NonNull<IKCPSEG> {
        self.segment
    }
}

/// A segment whose room for payload is known, so that payload may be appended.
#[derive(Clone, Copy)]
pub(crate) struct WithRoom<'k> {
    segment: Segment<'k>,
    room: u32,
}

impl<'k> WithRoom<'k> {
    /// # Safety
    /// `segment` was allocated with room for `room` bytes of payload.
    #[inline(always)]
    pub(crate) const unsafe fn new(segment: Segment<'k>, room: u32) -> WithRoom<'k> {
        WithRoom { segment, room }
    }

    #[inline(always)]
    pub(crate) const fn segment(self) -> Segment<'k> {
        self.segment
    }

    #[inline(always)]
    pub(crate) const fn room(self) -> u32 {
        self.room
    }

    /// Appends the next `len` bytes of `source`, or fewer if the source or the room ends.
    #[inline(never)]
    pub(crate) fn append(self, source: &mut Source, len: u32) {
        let old = self.segment.len.get();
        let len = len.min(self.room.saturating_sub(old)).min(source.left);
        // SAFETY: the segment has `room` bytes, and `left` bytes of the source can be read unless it is NULL.
        unsafe {
            let to = self.segment.payload().add(old as usize);
            if source.next.is_null() {
                ptr::write_bytes(to, 0, len as usize);
            } else {
                ptr::copy_nonoverlapping(source.next, to, len as usize);
                source.next = source.next.add(len as usize);
            }
        }
        source.left -= len;
        self.segment.len.set(old + len);
    }

    /// Makes `source` the whole payload, or as much of it as fits.
    #[inline(always)]
    pub(crate) fn fill(self, source: Source) {
        let len = source.left.min(self.room);
        // SAFETY: the segment has `room` bytes, and `left` bytes of the source can be read unless it is NULL.
        unsafe {
            if source.next.is_null() {
                ptr::write_bytes(self.segment.payload(), 0, len as usize);
            } else {
                copy(source.next, self.segment.payload(), len as usize);
            }
        }
        self.segment.len.set(len);
    }

    /// The common case of `append`, without calls; returns false in any other case.
    #[inline(always)]
    pub(crate) fn append_short(self, source: Source) -> bool {
        let (old, len) = (self.segment.len.get(), source.left);
        let end = u64::from(old) + u64::from(len);
        if source.next.is_null() || end > u64::from(self.room) {
            return false;
        }
        // SAFETY: the segment has `room` bytes, and `left` bytes of the source can be read.
        unsafe {
            // Very short appends come first, because programs that write streams often make them.
            if len == 1 {
                copy_word::<u8>(source.next, self.segment.payload().add(old as usize), 0);
            } else if len > SHORT {
                return false;
            } else {
                let to = self.segment.payload().add(old as usize);
                if len > 7 {
                    copy(source.next, to, len as usize);
                } else if len > 0 {
                    copy_bytes(source.next, to, len as usize);
                }
            }
        }
        self.segment.len.set(end as u32);
        true
    }

    /// Copies the payload of `from`, or as much of it as fits.
    pub(crate) fn take_payload(self, from: Segment) {
        let mut source = Source {
            next: from.payload(),
            left: from.len.get(),
        };
        self.segment.len.set(0);
        self.append(&mut source, from.len.get());
    }
}

/// A segment that the program allocated and passes to the library.
#[derive(Debug)]
pub struct ForeignSegment(NonNull<IKCPSEG>);

impl ForeignSegment {
    /// `None` for NULL.
    ///
    /// # Safety
    /// `segment` is NULL; or it was allocated with the program's `malloc` hook, holds `len` bytes of payload, is in no list, and
    /// belongs to the library from here on.
    #[must_use]
    pub const unsafe fn new(segment: *mut IKCPSEG) -> Option<ForeignSegment> {
        match NonNull::new(segment) {
            Some(segment) => Some(ForeignSegment(segment)),
            None => None,
        }
    }

    /// The header that a packet with this segment would have.
    pub(crate) fn header(&self) -> Header {
        Segment(self.0, PhantomData).header()
    }

    pub(crate) fn payload(&self) -> Source {
        let segment = Segment(self.0, PhantomData);
        Source {
            next: segment.payload(),
            left: segment.len.get(),
        }
    }
}

impl Drop for ForeignSegment {
    fn drop(&mut self) {
        // SAFETY: the promise of `new`.
        unsafe { deallocate(self.0.as_ptr().cast()) }
    }
}
