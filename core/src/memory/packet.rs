//! The packet buffer: the packet under construction, and its hand-over to `output`.
//!
//! A callback may change the MTU while `output` reads a packet. The packet then stays where it is: its buffer waits in `retired`.
//! When the MTU is set, or a trimming period ends, and no callback is running, the buffer is freed. If another flush has taken
//! over, it waits until the next buffer is retired.

use core::cell::Cell;
use core::ffi::c_char;
use core::ptr;

use super::{allocate, deallocate};
use crate::segment::{Segment, copy};
use crate::wire::{HEADER_LEN, RawHeader};

/// State of the packet buffer, whose address is in the public `buffer`. Each method takes that field as an argument.
pub(crate) struct Packet {
    capacity: Cell<u32>,
    /// Bytes written so far.
    filled: Cell<u32>,
    /// The buffer that was last handed to `output`, or NULL if no callback can be reading it any more.
    handed_out: Cell<*mut c_char>,
    /// A buffer that was replaced while `output` might be reading it, or NULL.
    retired: Cell<*mut c_char>,
}

/// A packet under construction, in registers. Valid until a callback runs or the buffer is replaced. What it writes counts only
/// after `commit`.
pub(crate) struct Writer {
    buffer: *mut u8,
    filled: u32,
    limit: u32,
}

impl Writer {
    /// True if a segment with `len` bytes of payload fits.
    #[inline(always)]
    pub(crate) fn fits(&self, len: u32) -> bool {
        u64::from(self.filled) + u64::from(len) + HEADER_LEN as u64 <= u64::from(self.limit)
    }

    /// Appends a header without payload if it fits.
    #[inline(always)]
    pub(crate) fn put_header(&mut self, raw: &RawHeader) {
        if self.fits(0) {
            // SAFETY: the buffer has room for a header.
            unsafe {
                let to = self.buffer.add(self.filled as usize);
                to.cast::<RawHeader>().write_unaligned(*raw);
            }
            self.filled += HEADER_LEN as u32;
        }
    }

    /// Appends a header and the payload of `segment` if it fits.
    #[inline(always)]
    pub(crate) fn put(&mut self, raw: &RawHeader, segment: Segment) {
        let len = segment.len.get();
        if !self.fits(len) {
            return;
        }
        // SAFETY: the buffer has room for the header and `len` bytes, and a segment holds `len` bytes.
        unsafe {
            let to = self.buffer.add(self.filled as usize);
            to.cast::<RawHeader>().write_unaligned(*raw);
            copy(segment.payload(), to.add(HEADER_LEN), len as usize);
        }
        self.filled += HEADER_LEN as u32 + len;
    }
}

impl Packet {
    /// Replaces the buffer by one of at least `capacity` bytes and keeps the packet under construction. Without memory it returns
    /// false and changes nothing.
    #[cold]
    #[inline(never)]
    pub(crate) fn resize(&self, buffer: &Cell<*mut c_char>, capacity: u32) -> bool {
        let capacity = capacity.max(self.filled.get()).max(HEADER_LEN as u32);
        let Some(memory) = allocate(capacity as usize) else {
            return false;
        };
        let old = buffer.replace(memory.as_ptr().cast());
        if !old.is_null() {
            // SAFETY: `filled` bytes of the old buffer are written, and the new one holds as many.
            unsafe {
                let filled = self.filled.get() as usize;
                ptr::copy_nonoverlapping(old.cast(), memory.as_ptr(), filled);
            }
            if ptr::eq(old, self.handed_out.get()) {
                self.free_retired();
                self.retired.set(old);
            } else {
                // SAFETY: it came from `allocate`, and `output` is not reading it.
                unsafe { deallocate(old.cast()) }
            }
        }
        self.capacity.set(capacity);
        true
    }

    /// Frees all buffers.
    pub(crate) fn free(&self, buffer: &Cell<*mut c_char>) {
        self.free_retired();
        let old = buffer.replace(ptr::null_mut());
        self.capacity.set(0);
        if !old.is_null() {
            // SAFETY: it came from `allocate`, and the object is being released.
            unsafe { deallocate(old.cast()) }
        }
    }

    /// Bytes of the packet under construction.
    #[inline(always)]
    pub(crate) fn len(&self) -> u32 {
        self.filled.get()
    }

    /// True if a packet of `len` bytes fits into the buffer, which grows if necessary. A packet within the MTU always fits,
    /// because `ikcp_setmtu` made room; a segment that was queued under a larger MTU makes the buffer grow.
    #[inline(always)]
    pub(crate) fn can_hold(&self, buffer: &Cell<*mut c_char>, len: u32) -> bool {
        len <= self.capacity.get() || self.resize(buffer, len)
    }

    /// True if a packet with one segment of `len` bytes fits into the buffer as it is.
    #[inline(always)]
    pub(crate) fn holds_payload(&self, len: u32) -> bool {
        u64::from(len) + HEADER_LEN as u64 <= u64::from(self.capacity.get())
    }

    /// Appends a header without payload. False without memory.
    #[inline(never)]
    pub(crate) fn put_header(&self, buffer: &Cell<*mut c_char>, raw: &RawHeader) -> bool {
        let filled = self.filled.get();
        let Some(end) = filled.checked_add(HEADER_LEN as u32) else {
            return false;
        };
        if !self.can_hold(buffer, end) {
            return false;
        }
        self.filled.set(end);
        // SAFETY: the buffer holds `end` bytes.
        unsafe {
            let to = buffer.get().cast::<u8>().add(filled as usize);
            to.cast::<RawHeader>().write_unaligned(*raw);
        }
        true
    }

    /// Appends `segment`, header and payload. Without memory nothing is appended.
    #[inline(never)]
    pub(crate) fn put_segment(&self, buffer: &Cell<*mut c_char>, segment: Segment) {
        let (filled, len) = (self.filled.get(), segment.len.get());
        let end = u64::from(filled) + HEADER_LEN as u64 + u64::from(len);
        if end > u64::from(self.capacity.get()) {
            return self.put_large_segment(buffer, segment, end);
        }
        self.filled.set(end as u32);
        // SAFETY: there is room for the header and `len` bytes, and a segment holds `len` bytes.
        unsafe {
            let to = buffer.get().cast::<u8>().add(filled as usize);
            to.cast::<RawHeader>()
                .write_unaligned(segment.header().emit());
            ptr::copy_nonoverlapping(segment.payload(), to.add(HEADER_LEN), len as usize);
        }
    }

    /// `put_segment` if the buffer has to grow to `end` bytes.
    #[cold]
    #[inline(never)]
    fn put_large_segment(&self, buffer: &Cell<*mut c_char>, segment: Segment, end: u64) {
        if u32::try_from(end).is_ok_and(|end| self.resize(buffer, end)) {
            self.put_segment(buffer, segment);
        }
    }

    /// A writer on the packet, limited by the MTU and by the buffer. An empty packet has room for a header, whatever the MTU.
    #[inline(always)]
    pub(crate) fn writer(&self, buffer: &Cell<*mut c_char>, mtu: u32) -> Writer {
        let mtu = mtu.cast_signed().max(HEADER_LEN as i32).unsigned_abs();
        Writer {
            buffer: buffer.get().cast(),
            filled: self.filled.get(),
            limit: mtu.min(self.capacity.get()),
        }
    }

    /// Makes what the writer wrote part of the packet.
    #[inline(always)]
    pub(crate) fn commit(&self, writer: Writer) {
        self.filled.set(writer.filled);
    }

    /// Hands the finished packet to `output`: its address and length. The next packet starts empty.
    pub(crate) fn hand_out(&self, buffer: &Cell<*mut c_char>) -> (*mut c_char, u32) {
        self.handed_out.set(buffer.get());
        (buffer.get(), self.filled.replace(0))
    }

    /// No callback is running that might read a packet.
    #[inline(always)]
    pub(crate) fn handed_back(&self) {
        self.handed_out.set(ptr::null_mut());
        if !self.retired.get().is_null() {
            self.free_retired();
        }
    }

    fn free_retired(&self) {
        let retired = self.retired.replace(ptr::null_mut());
        if !retired.is_null() {
            // SAFETY: it came from `allocate`, and it is not the buffer in use.
            unsafe { deallocate(retired.cast()) }
        }
    }
}
