//! The segment pool: freed segments are kept for the next allocation of their size.
//!
//! Sizes are rounded up to 16 bytes, and each rounded size is a class with two lists. A segment's class follows from its `len`
//! when it is freed, so the segment need not store it. Segments that a class did not need in a trimming period are freed after
//! it, a batch in each flush: a connection does not keep the memory of a burst, and no flush has to free all of it.
//!
//! Only busy connections have a pool. With thousands of connections that send a message now and then, each pool would keep a
//! segment that has left the caches by its next message, while an allocator gives all connections the same warm one.

use core::cell::Cell;
use core::ptr::{self, NonNull};

use super::{allocate, deallocate};
use crate::abi::{IKCPSEG, PAYLOAD_OFFSET};
use crate::list::ListMut;
use crate::segment::Owned;

const CLASS_BYTES: usize = 16;
/// Largest segment that is kept. Larger ones (jumbo frames, hostile packets) are freed at once.
const LARGEST: usize = 2048;
const CLASSES: usize = LARGEST / CLASS_BYTES + 1;

/// A connection is busy if it frees, or passes on in order, this many segments in a trimming period.
const BUSY: u32 = 128;

/// Segments that one flush frees.
const BATCH: u32 = 64;

/// Two stacks of free segments, linked through `node.next`. Segments are taken from the first stack while it has any, so what is
/// left in the second at the end of a period was not needed.
struct Class {
    /// Freed during this trimming period.
    recent: Cell<*mut IKCPSEG>,
    /// Freed in earlier periods.
    older: Cell<*mut IKCPSEG>,
}

/// Segments for reuse. An empty pool owns no memory.
#[repr(C)]
pub(crate) struct Pool {
    /// Payloads shorter than this have a class; 0 without classes.
    reach: Cell<u32>,
    /// Segments that were freed in this trimming period while there were no classes.
    freed: Cell<u32>,
    /// An array of `CLASSES` while the connection is busy, otherwise NULL.
    classes: Cell<*mut Class>,
    /// How many more segments may be kept.
    left: Cell<i32>,
    /// How many may be kept in total.
    limit: Cell<i32>,
    /// Classes whose older segments must still be freed.
    ageing: Cell<u32>,
}

/// Class of a segment with room for `room` bytes of payload.
#[inline(always)]
const fn class_of(room: u32) -> usize {
    // In 64 bits, because rounding up in 32 bits takes another comparison.
    ((room as u64 + (PAYLOAD_OFFSET + CLASS_BYTES - 1) as u64) / CLASS_BYTES as u64) as usize
}

/// A segment with room for `room` bytes, straight from the allocator.
fn fresh(room: u32) -> Option<NonNull<IKCPSEG>> {
    // A reference to an `IKCPSEG` covers the first byte of payload, even if the segment has none.
    let memory = allocate((class_of(room) * CLASS_BYTES).max(size_of::<IKCPSEG>()))?;
    // SAFETY: the allocation is large enough; all fields are cells of integers and pointers.
    unsafe { ptr::write_bytes(memory.as_ptr(), 0, PAYLOAD_OFFSET) };
    Some(memory.cast())
}

/// Frees a segment.
fn discard(segment: Owned) {
    // SAFETY: segments come from the allocator, by `fresh` or from the program, and nothing else refers to this one.
    unsafe { deallocate(segment.into_raw().as_ptr().cast()) }
}

/// Frees all segments of a list.
#[inline(never)]
pub(crate) fn discard_all(mut list: ListMut<'_>) {
    while let Some(segment) = list.pop_front() {
        discard(segment);
    }
}

/// Takes the top off a stack of free segments.
#[inline(always)]
fn pop(stack: &Cell<*mut IKCPSEG>) -> Option<NonNull<IKCPSEG>> {
    let top = NonNull::new(stack.get())?;
    // SAFETY: segments on a stack were given to `keep`, and nothing else refers to them.
    stack.set(unsafe { top.as_ref() }.node.next.get().cast());
    Some(top)
}

impl Pool {
    /// The class of segments with room for `room` bytes, if there is one.
    #[inline(always)]
    fn class(&self, room: u32) -> Option<&Class> {
        if room >= self.reach.get() {
            return None;
        }
        // SAFETY: below `reach` there are classes, until `clear` frees them and sets `reach` to 0.
        Some(unsafe { &*self.classes.get().add(class_of(room)) })
    }

    /// A segment with room for `room` bytes of payload. Its fields keep their old values.
    #[inline(always)]
    pub(crate) fn take(&self, room: u32) -> Option<Owned> {
        let segment = if let Some(class) = self.class(room)
            && let Some(segment) = pop(&class.recent)
        {
            self.left.set(self.left.get().wrapping_add(1));
            segment
        } else {
            self.take_other(room)?
        };
        // SAFETY: segments of its class have room for so many bytes, and nothing else refers to it.
        Some(unsafe { Owned::from_raw(segment, room) })
    }

    #[inline(never)]
    fn take_other(&self, room: u32) -> Option<NonNull<IKCPSEG>> {
        if let Some(class) = self.class(room)
            && let Some(segment) = pop(&class.older)
        {
            self.left.set(self.left.get().wrapping_add(1));
            return Some(segment);
        }
        fresh(room)
    }

    /// Keeps `segment` if the limit allows; otherwise returns it.
    #[inline(always)]
    fn keep(&self, segment: Owned) -> Option<Owned> {
        match self.class(segment.segment().len.get()) {
            Some(class) if self.left.get() > 0 => {
                self.left.set(self.left.get() - 1);
                segment.segment().node.next.set(class.recent.get().cast());
                class.recent.set(segment.into_raw().as_ptr());
                None
            }
            _ => Some(segment),
        }
    }

    /// Frees `segment`. A connection that has freed enough of them is busy and begins to keep segments.
    #[inline(never)]
    fn discard(&self, segment: Owned) {
        let freed = self.freed.get().wrapping_add(1);
        self.freed.set(freed);
        if freed >= BUSY && self.classes.get().is_null() {
            self.set_up();
        }
        discard(segment);
    }

    /// Keeps `segment` for the next one of its size, or frees it.
    #[inline(always)]
    pub(crate) fn free(&self, segment: Owned) {
        if let Some(segment) = self.keep(segment) {
            self.discard(segment);
        }
    }

    /// Begins to keep segments, without a limit until a trimming period ends. Without memory for the lists nothing changes.
    fn set_up(&self) {
        if cfg!(feature = "no-pool") {
            return;
        }
        let Some(memory) = allocate(CLASSES * size_of::<Class>()) else {
            return;
        };
        // SAFETY: the allocation was just made; a class of NULLs is an empty class.
        unsafe { ptr::write_bytes(memory.as_ptr(), 0, CLASSES * size_of::<Class>()) };
        self.classes.set(memory.cast().as_ptr());
        self.reach.set((LARGEST - PAYLOAD_OFFSET) as u32 + 1);
        self.limit.set(i32::MAX);
        self.left.set(i32::MAX);
    }

    /// Sets how many segments may be kept; those that are kept already count.
    fn set_limit(&self, limit: u32) {
        let limit = limit.min(i32::MAX.unsigned_abs()).cast_signed();
        let held = self.limit.replace(limit) - self.left.get();
        self.left.set(limit - held);
    }

    /// Ends a trimming period: from now on `age` frees what the period did not need, and everything if at most `passed` segments
    /// came and went.
    pub(crate) fn begin_to_age(&self, passed: u32) {
        self.freed.set(0);
        if passed < BUSY {
            self.reach.set(0);
        }
        if !self.classes.get().is_null() {
            self.ageing.set(CLASSES as u32);
        }
    }

    /// True while the pool keeps segments, or lists for them.
    pub(crate) fn is_set_up(&self) -> bool {
        !self.classes.get().is_null()
    }

    /// True while there may be something to free.
    pub(crate) fn is_ageing(&self) -> bool {
        self.ageing.get() > 0
    }

    /// Frees up to `BATCH` segments of earlier periods; when that is done, `limit` segments may be kept.
    #[inline(never)]
    pub(crate) fn age(&self, limit: u32) {
        let mut left = BATCH;
        while let Some(number) = self.ageing.get().checked_sub(1) {
            // SAFETY: while classes age there are `CLASSES` of them.
            let class = unsafe { &*self.classes.get().add(number as usize) };
            if self.drain(&class.older, &mut left) {
                class.older.set(class.recent.replace(ptr::null_mut()));
                // If nothing is kept any more, the recent ones are freed too.
                if self.reach.get() > 0 || class.older.get().is_null() {
                    self.ageing.set(number);
                }
            } else {
                return;
            }
        }
        if self.reach.get() > 0 {
            self.set_limit(limit);
        } else {
            self.free_classes();
        }
    }

    /// Frees up to `left` segments of a stack. True if the stack is empty.
    fn drain(&self, stack: &Cell<*mut IKCPSEG>, left: &mut u32) -> bool {
        while *left > 0
            && let Some(segment) = pop(stack)
        {
            *left -= 1;
            self.left.set(self.left.get() + 1);
            // SAFETY: segments come from the allocator, and nothing else refers to this one.
            unsafe { deallocate(segment.as_ptr().cast()) };
        }
        stack.get().is_null()
    }

    fn free_classes(&self) {
        let classes = self.classes.replace(ptr::null_mut());
        if !classes.is_null() {
            // SAFETY: `set_up` allocated it, and every list in it is empty.
            unsafe { deallocate(classes.cast()) }
        }
    }

    /// Frees everything.
    pub(crate) fn clear(&self) {
        self.begin_to_age(0);
        while self.is_ageing() {
            self.age(0);
        }
    }
}
