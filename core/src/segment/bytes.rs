//! The caller's memory: sources and destinations of payload, arriving packets, and copying.

use core::ffi::{c_char, c_long, c_void};
use core::ptr;

use super::Segment;
use crate::ways;
use crate::wire::{HEADER_LEN, Header, RawHeader};

/// Bytes that the program sends; NULL means zeros.
#[derive(Clone, Copy, Debug)]
pub struct Source {
    pub(super) next: *const u8,
    pub(super) left: u32,
}

impl Source {
    /// # Safety
    /// `bytes` is NULL, or the call that gets this source can read from it as many bytes as its length argument says.
    #[inline(always)]
    pub const unsafe fn new(bytes: *const c_char) -> Source {
        Source {
            next: bytes.cast(),
            left: 0,
        }
    }

    /// These bytes, of which there are `len`.
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

    /// The source without its next `len` bytes.
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

/// Memory that the program receives into; NULL discards the bytes.
#[derive(Debug)]
pub struct Sink {
    next: *mut u8,
    left: u32,
}

impl Sink {
    /// # Safety
    /// `bytes` is NULL, or the call that gets this sink can write to it as many bytes as its length argument says.
    #[inline(always)]
    pub const unsafe fn new(bytes: *mut c_char) -> Sink {
        Sink {
            next: bytes.cast(),
            left: 0,
        }
    }

    /// This memory, which has room for `len` bytes.
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

    /// `append` for code where speed does not matter.
    pub(crate) fn cold_append(&mut self, segment: Segment) {
        self.append_as::<false>(segment);
    }

    /// With `IN_PLACE`, a few bytes are copied without a call.
    #[inline(always)]
    fn append_as<const IN_PLACE: bool>(&mut self, segment: Segment) {
        let len = segment.len.get().min(self.left);
        if !self.next.is_null() {
            let (from, size) = (segment.payload(), len as usize);
            // SAFETY: `left` bytes can be written, and the program's memory does not overlap the segment's.
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

/// A packet from the network. It is not parsed in advance, because the program may reuse its memory inside a callback.
#[derive(Debug, Clone)]
pub struct Datagram {
    next: *const u8,
    left: c_long,
}

impl Datagram {
    /// # Safety
    /// `data` is NULL, `size` is negative, or the call that gets this packet can read `size` bytes from `data`, which only a
    /// callback changes meanwhile.
    #[inline(always)]
    pub const unsafe fn new(data: *const c_char, size: c_long) -> Datagram {
        Datagram {
            next: data.cast(),
            left: size,
        }
    }

    /// The size as the original first reads it: its low 32 bits.
    #[inline(always)]
    #[allow(clippy::unnecessary_cast, clippy::cast_possible_truncation)]
    pub(crate) const fn size(&self) -> i32 {
        self.left as i32
    }

    /// True if there is a first header to read: `ikcp_input` refuses NULL, and a size below that of a header.
    #[inline(always)]
    pub(crate) const fn has_header(&self) -> bool {
        !self.next.is_null() && self.size() >= HEADER_LEN as i32
    }

    /// The next header, if 24 bytes are left.
    #[inline(always)]
    pub(crate) fn peek(&self) -> Option<Header> {
        if self.left < HEADER_LEN as c_long {
            return None;
        }
        Some(HeaderAt(self.next.cast()).read())
    }

    /// Takes the next header off the packet, if 24 bytes are left.
    #[inline(always)]
    pub(crate) fn header(&mut self) -> Option<HeaderAt> {
        const LEN: c_long = HEADER_LEN as c_long;
        if self.left < LEN {
            return None;
        }
        let at = HeaderAt(self.next.cast::<RawHeader>());
        // SAFETY: 24 bytes are left, by the promise of `new`.
        unsafe { self.next = self.next.add(HEADER_LEN) };
        self.left -= LEN;
        Some(at)
    }

    /// Takes the next header off the packet if it has the conversation, the command and the `una` of `last`, and no payload.
    #[inline(always)]
    pub(crate) fn header_like(&mut self, last: &Header) -> Option<Header> {
        let next = self.peek()?;
        let alike =
            next.conv == last.conv && next.cmd == last.cmd && next.una == last.una && next.len == 0;
        if !alike {
            return None;
        }
        self.header()?;
        Some(next)
    }

    /// Takes the next `len` bytes off the packet as a source, if they are left.
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
        // SAFETY: `len` bytes are left, by the promise of `new`.
        unsafe { self.next = self.next.add(len.unsigned_abs() as usize) };
        self.left -= step;
        Some(source)
    }
}

/// The place of a header in a packet.
#[derive(Clone, Copy, Debug)]
pub(crate) struct HeaderAt(*const RawHeader);

impl HeaderAt {
    /// Reads the header. It may be read again only if no callback has run, because the program may reuse the memory inside one.
    #[inline(always)]
    pub(crate) fn read(self) -> Header {
        // SAFETY: `Datagram::header` has checked that the bytes are there, by the promise of `Datagram::new`.
        Header::parse(&unsafe { ptr::read_unaligned(self.0) })
    }
}

/// The conversation that a packet belongs to; 0 for NULL.
///
/// # Safety
/// `packet` is NULL or has at least 4 bytes.
#[must_use]
pub const unsafe fn getconv(packet: *const c_void) -> u32 {
    if packet.is_null() {
        return 0;
    }
    // SAFETY: the caller's promise.
    u32::from_le_bytes(unsafe { ptr::read_unaligned(packet.cast()) })
}

/// Payloads of up to this many bytes are copied without a call.
pub(super) const SHORT: u32 = 64;

/// Copies `len` bytes. Up to 64 are copied in place, in overlapping words: small messages are common, and for them a call of
/// memcpy costs more than the copy.
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
pub(super) unsafe fn copy_bytes(from: *const u8, to: *mut u8, len: usize) {
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

/// Copies one `T`, with any alignment, `at` bytes after both addresses.
///
/// # Safety
/// The `T` is inside both ranges.
#[inline(always)]
pub(super) unsafe fn copy_word<T>(from: *const u8, to: *mut u8, at: usize) {
    // SAFETY: the caller's promise.
    unsafe {
        to.add(at)
            .cast::<T>()
            .write_unaligned(from.add(at).cast::<T>().read_unaligned())
    }
}
