//! `IKCPSEG` with its inline payload, and the caller's memory that payloads are copied from and to.

use core::cell::Cell;
use core::ffi::{c_char, c_long, c_void};
use core::mem::offset_of;
use core::ops::Deref;
use core::ptr::{self, NonNull};

use crate::alloc::deallocate;
use crate::control::IUINT32;
use crate::queue::IQUEUEHEAD;
use crate::ways;
use crate::wire::{HEADER_LEN, Header, RawHeader};

/// One segment: header first, payload inline from `data` on, in one allocation. Times are milliseconds.
#[repr(C)]
#[allow(missing_docs, missing_debug_implementations)]
pub struct IKCPSEG {
    /// Link in one of the four lists.
    pub node: IQUEUEHEAD,
    /// Fields of the header on the wire. In `snd_queue` only `frg` and `len` are set.
    pub conv: Cell<IUINT32>,
    pub cmd: Cell<IUINT32>,
    pub frg: Cell<IUINT32>,
    pub wnd: Cell<IUINT32>,
    pub ts: Cell<IUINT32>,
    pub sn: Cell<IUINT32>,
    pub una: Cell<IUINT32>,
    pub len: Cell<IUINT32>,
    /// When it is sent again unless it is acknowledged before, and the timeout that led to that.
    pub resendts: Cell<IUINT32>,
    pub rto: Cell<IUINT32>,
    /// How often a later segment was acknowledged; counted when it can matter, so it may lag.
    pub fastack: Cell<IUINT32>,
    /// Transmissions so far.
    pub xmit: Cell<IUINT32>,
    /// First of `len` bytes of payload.
    pub data: [Cell<c_char>; 1],
}

/// Bytes before the payload.
pub(crate) const PAYLOAD_OFFSET: usize = offset_of!(IKCPSEG, data);

// A node is its segment: `List` converts between them by a cast.
const _: () = assert!(offset_of!(IKCPSEG, node) == 0);
const _: () = assert!(offset_of!(IKCPSEG, conv) == 2 * size_of::<usize>());
const _: () = assert!(PAYLOAD_OFFSET == 2 * size_of::<usize>() + 48);
const _: () = assert!(size_of::<IKCPSEG>() == PAYLOAD_OFFSET + size_of::<usize>());

/// Handle on a live segment.
///
/// It is valid until the segment is freed or a callback runs, since a callback may free any of them: code that calls
/// out looks its segment up again, or sees to it that nothing was changed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Segment(NonNull<IKCPSEG>);

impl Deref for Segment {
    type Target = IKCPSEG;

    #[inline(always)]
    fn deref(&self) -> &IKCPSEG {
        // SAFETY: a handle names a live segment, and all its fields are cells.
        unsafe { self.0.as_ref() }
    }
}

impl Segment {
    /// The four fields from `resendts` to `xmit`, to be compared with those of another one.
    #[inline(always)]
    pub(crate) fn timing(self) -> u128 {
        // SAFETY: four fields of 32 bits, side by side in a live segment.
        unsafe {
            (&raw const (*self.0.as_ptr()).resendts)
                .cast::<u128>()
                .read_unaligned()
        }
    }

    /// # Safety
    /// `pointer` is a live segment with room for its `len` bytes of payload.
    #[inline(always)]
    pub(crate) const unsafe fn from_raw(pointer: NonNull<IKCPSEG>) -> Segment {
        Segment(pointer)
    }

    /// # Safety
    /// `node` is the link inside a live segment.
    #[inline(always)]
    pub(crate) unsafe fn from_node(node: *mut IQUEUEHEAD) -> Segment {
        // SAFETY: the caller's promise; the link is the segment's first member.
        Segment(unsafe { NonNull::new_unchecked(node.cast()) })
    }

    #[inline(always)]
    pub(crate) const fn as_ptr(self) -> *mut IKCPSEG {
        self.0.as_ptr()
    }

    #[inline(always)]
    pub(crate) const fn node(self) -> *mut IQUEUEHEAD {
        self.0.as_ptr().cast()
    }

    /// The header that it travels with.
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

    /// Takes over a header but for its `len`, which is that of the payload and was set when that was copied: the packet may
    /// say another by now, where somebody else can write to it.
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

    /// First byte of the payload. Derived from the whole allocation, not from the one-byte `data`.
    #[inline(always)]
    pub(crate) const fn payload(self) -> *mut u8 {
        // SAFETY: the offset stays inside the segment's allocation.
        unsafe { self.0.as_ptr().cast::<u8>().add(PAYLOAD_OFFSET) }
    }
}

/// A segment with the payload it has room for, bytes. While that is known, payload may be appended.
#[derive(Clone, Copy)]
pub(crate) struct Roomy {
    segment: Segment,
    room: u32,
}

impl Roomy {
    /// # Safety
    /// `segment` was allocated with room for `room` bytes of payload.
    #[inline(always)]
    pub(crate) const unsafe fn new(segment: Segment, room: u32) -> Roomy {
        Roomy { segment, room }
    }

    #[inline(always)]
    pub(crate) const fn segment(self) -> Segment {
        self.segment
    }

    #[inline(always)]
    pub(crate) const fn room(self) -> u32 {
        self.room
    }

    /// Appends the next `len` bytes of `source`, or as many as there are and fit.
    #[inline(never)]
    pub(crate) fn append(self, source: &mut Source, len: u32) {
        let old = self.segment.len.get();
        let len = len.min(self.room.saturating_sub(old)).min(source.left);
        // SAFETY: `room` bytes are the segment's, and `left` bytes of the source can be read unless it is NULL.
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

    /// Makes `source`, as much of it as fits, the whole payload.
    #[inline(always)]
    pub(crate) fn fill(self, source: Source) {
        let len = source.left.min(self.room);
        // SAFETY: `room` bytes are the segment's, and `left` bytes of the source can be read unless it is NULL.
        unsafe {
            if source.next.is_null() {
                ptr::write_bytes(self.segment.payload(), 0, len as usize);
            } else {
                copy(source.next, self.segment.payload(), len as usize);
            }
        }
        self.segment.len.set(len);
    }

    /// The common case of `append` as a function that calls nothing: false where it is not that.
    #[inline(always)]
    pub(crate) fn append_short(self, source: Source) -> bool {
        let (old, len) = (self.segment.len.get(), source.left);
        let end = u64::from(old) + u64::from(len);
        if source.next.is_null() || end > u64::from(self.room) {
            return false;
        }
        // SAFETY: `room` bytes are the segment's, and `left` bytes of the source can be read.
        unsafe {
            // A few bytes first, as those who write to a stream often have.
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

    /// Takes over the payload of `from`, or as much of it as fits.
    pub(crate) fn take_payload(self, from: Segment) {
        let mut source = Source {
            next: from.payload(),
            left: from.len.get(),
        };
        self.segment.len.set(0);
        self.append(&mut source, from.len.get());
    }
}

/// Payloads up to this are copied without a call, bytes.
const SHORT: u32 = 64;

/// Copies `len` bytes. Up to 64 of them are copied in place, in overlapping words: small messages are common, and for
/// those the call of memcpy costs more than the copy.
///
/// # Safety
/// Both ranges are valid and do not overlap.
#[inline(always)]
pub(crate) unsafe fn copy(from: *const u8, to: *mut u8, len: usize) {
    // SAFETY: the caller's promise; each word lies inside the range.
    unsafe {
        if len > 64 || !ways::COPY_IN_PLACE {
            ptr::copy_nonoverlapping(from, to, len);
        } else if len > 32 {
            copy_word::<u128>(from, to, 0);
            copy_word::<u128>(from, to, 16);
            copy_word::<u128>(from, to, len - 32);
            copy_word::<u128>(from, to, len - 16);
        } else if len >= 16 {
            copy_word::<u128>(from, to, 0);
            copy_word::<u128>(from, to, len - 16);
        } else if len >= 8 {
            copy_word::<u64>(from, to, 0);
            copy_word::<u64>(from, to, len - 8);
        } else if len > 0 {
            copy_bytes(from, to, len);
        }
    }
}

/// Copies 1 to 7 bytes.
///
/// # Safety
/// As for [`copy`].
#[inline(always)]
unsafe fn copy_bytes(from: *const u8, to: *mut u8, len: usize) {
    // SAFETY: the caller's promise; each word lies inside the range.
    unsafe {
        if len >= 4 {
            copy_word::<u32>(from, to, 0);
            copy_word::<u32>(from, to, len - 4);
        } else {
            copy_word::<u8>(from, to, 0);
            copy_word::<u8>(from, to, len / 2);
            copy_word::<u8>(from, to, len - 1);
        }
    }
}

/// Copies one `T`, at any alignment, `at` bytes behind both addresses.
///
/// # Safety
/// It lies inside both ranges.
#[inline(always)]
unsafe fn copy_word<T>(from: *const u8, to: *mut u8, at: usize) {
    // SAFETY: the caller's promise.
    unsafe {
        to.add(at)
            .cast::<T>()
            .write_unaligned(from.add(at).cast::<T>().read_unaligned())
    }
}

/// Bytes the program sends; NULL stands for zeros.
#[derive(Clone, Copy, Debug)]
pub struct Source {
    next: *const u8,
    left: u32,
}

impl Source {
    /// # Safety
    /// As many bytes as the call it is passed to is told can be read from `bytes` during that call, unless it is NULL.
    #[inline(always)]
    pub const unsafe fn new(bytes: *const c_char) -> Source {
        Source {
            next: bytes.cast(),
            left: 0,
        }
    }

    /// The same bytes, with the number that the call was told.
    #[inline(always)]
    pub(crate) const fn of_len(self, len: u32) -> Source {
        Source {
            next: self.next,
            left: len,
        }
    }

    #[inline(always)]
    pub(crate) const fn len(&self) -> u32 {
        self.left
    }

    /// What is left behind the next `len` bytes.
    #[inline(always)]
    pub(crate) fn behind(self, len: u32) -> Source {
        let len = len.min(self.left);
        let next = if self.next.is_null() {
            self.next
        } else {
            // SAFETY: `left` bytes can be read.
            unsafe { self.next.add(len as usize) }
        };
        Source {
            next,
            left: self.left - len,
        }
    }
}

/// Memory the program receives into; NULL stands for nowhere.
#[derive(Debug)]
pub struct Sink {
    next: *mut u8,
    left: u32,
}

impl Sink {
    /// # Safety
    /// As many bytes as the call it is passed to is told can be written to `bytes` during that call, unless it is NULL.
    #[inline(always)]
    pub const unsafe fn new(bytes: *mut c_char) -> Sink {
        Sink {
            next: bytes.cast(),
            left: 0,
        }
    }

    /// The same memory, with the size that the call was told.
    #[inline(always)]
    pub(crate) const fn of_len(self, len: u32) -> Sink {
        Sink {
            next: self.next,
            left: len,
        }
    }

    /// Appends the payload of `segment`, or as much of it as fits.
    #[inline(always)]
    pub(crate) fn append(&mut self, segment: Segment) {
        self.append_as::<true>(segment);
    }

    /// `append` where speed does not matter.
    pub(crate) fn append_any(&mut self, segment: Segment) {
        self.append_as::<false>(segment);
    }

    /// `IN_PLACE` when it pays to copy few bytes without a call.
    #[inline(always)]
    fn append_as<const IN_PLACE: bool>(&mut self, segment: Segment) {
        let len = segment.len.get().min(self.left);
        if !self.next.is_null() {
            let (from, size) = (segment.payload(), len as usize);
            // SAFETY: `left` bytes can be written, and the program's memory is not the segment's.
            unsafe {
                if IN_PLACE {
                    copy(from, self.next, size);
                } else {
                    ptr::copy_nonoverlapping(from, self.next, size);
                }
                self.next = self.next.add(size);
            }
        }
        self.left -= len;
    }
}

/// A packet as it came from the network. It stays raw, since a callback may lead to the program reusing its memory.
#[derive(Debug)]
pub struct Datagram {
    next: *const u8,
    left: c_long,
}

impl Datagram {
    /// # Safety
    /// `size` bytes can be read from `data` during the call it is passed to, and nothing but a callback changes them, unless
    /// `data` is NULL or `size` negative.
    #[inline(always)]
    pub const unsafe fn new(data: *const c_char, size: c_long) -> Datagram {
        Datagram {
            next: data.cast(),
            left: size,
        }
    }

    /// The size as the original looks at it first: the low 32 bits.
    #[inline(always)]
    #[allow(clippy::unnecessary_cast, clippy::cast_possible_truncation)]
    pub(crate) const fn size(&self) -> i32 {
        self.left as i32
    }

    #[inline(always)]
    pub(crate) const fn is_null(&self) -> bool {
        self.next.is_null()
    }

    /// The next header, where 24 bytes are left.
    #[inline(always)]
    pub(crate) fn peek(&self) -> Option<Header> {
        if self.left < HEADER_LEN as c_long {
            return None;
        }
        Some(HeaderAt(self.next.cast()).read())
    }

    /// Takes the next header off the packet, where 24 bytes are left.
    #[inline(always)]
    pub(crate) fn header(&mut self) -> Option<HeaderAt> {
        const LEN: c_long = HEADER_LEN as c_long;
        if self.left < LEN {
            return None;
        }
        let at = HeaderAt(self.next.cast::<RawHeader>());
        // SAFETY: 24 bytes are left, by the promise given to `new`.
        unsafe { self.next = self.next.add(HEADER_LEN) };
        self.left -= LEN;
        Some(at)
    }

    /// The next `len` bytes as a source, where they are left.
    #[inline(always)]
    pub(crate) fn payload(&mut self, len: u32) -> Option<Source> {
        let len = i32::try_from(len).ok()?;
        let step = c_long::from(len);
        if self.left < step {
            return None;
        }
        let source = Source {
            next: self.next,
            left: len.unsigned_abs(),
        };
        // SAFETY: `len` bytes are left, by the promise given to `new`.
        unsafe { self.next = self.next.add(len.unsigned_abs() as usize) };
        self.left -= step;
        Some(source)
    }
}

/// Where a header lies in a packet.
#[derive(Clone, Copy, Debug)]
pub(crate) struct HeaderAt(*const RawHeader);

impl HeaderAt {
    /// Reads it. To be read again only while no callback has run, which might lead to the program reusing the memory.
    #[inline(always)]
    pub(crate) fn read(self) -> Header {
        // SAFETY: `Datagram::header` has seen that the bytes are there, by the promise given to `Datagram::new`.
        Header::parse(&unsafe { ptr::read_unaligned(self.0) })
    }
}

/// A segment that the program allocated and hands over.
#[derive(Debug)]
pub struct ForeignSegment(NonNull<IKCPSEG>);

impl ForeignSegment {
    /// `None` for NULL.
    ///
    /// # Safety
    /// `segment` is NULL or was allocated with the program's `malloc` hook, holds `len` bytes of payload, is in no list,
    /// and belongs to the library from here on.
    #[must_use]
    pub const unsafe fn new(segment: *mut IKCPSEG) -> Option<ForeignSegment> {
        match NonNull::new(segment) {
            Some(segment) => Some(ForeignSegment(segment)),
            None => None,
        }
    }

    /// What a packet with this segment would have said.
    pub(crate) fn header(&self) -> Header {
        Segment(self.0).header()
    }

    pub(crate) fn payload(&self) -> Source {
        let segment = Segment(self.0);
        Source {
            next: segment.payload(),
            left: segment.len.get(),
        }
    }
}

impl Drop for ForeignSegment {
    fn drop(&mut self) {
        // SAFETY: the promise given to `new`.
        unsafe { deallocate(self.0.as_ptr().cast()) }
    }
}

/// The conversation that a packet belongs to, 0 for NULL.
///
/// # Safety
/// `packet` is NULL or has 4 bytes at least.
#[must_use]
pub const unsafe fn getconv(packet: *const c_void) -> u32 {
    if packet.is_null() {
        return 0;
    }
    // SAFETY: the caller's promise.
    u32::from_le_bytes(unsafe { ptr::read_unaligned(packet.cast()) })
}
