//! The segment pool: freed segments kept for the next allocation of their size.
//!
//! Sizes are rounded to 16 bytes, and each rounded size is a class with its lists. Which class a segment belongs to
//! follows from its `len` when it is freed, so nothing is stored in it. What a class did not need during one trimming
//! period is given back after the end of it, some by each flush: a connection does not keep the memory of a burst, and no
//! flush has to give all of it back.
//!
//! Only busy connections have a pool. Of thousands with a message now and then each would keep a segment that has
//! left the caches by its next message, where an allocator hands all of them the same warm one.

use core::cell::Cell;
use core::ptr::{self, NonNull};

use super::{allocate, deallocate};
use crate::abi::{IKCPSEG, PAYLOAD_OFFSET};
use crate::list::ListMut;
use crate::segment::Owned;

const CLASS_BYTES: usize = 16;
/// Largest segment that is kept. What is larger (jumbo frames, hostile packets) goes back to the allocator at once.
const LARGEST: usize = 2048;
const CLASSES: usize = LARGEST / CLASS_BYTES + 1;

/// Segments freed, or passed on in order, during one trimming period that make a connection a busy one.
const BUSY: u32 = 128;

/// Segments that are given back by one flush.
const BATCH: u32 = 64;

/// Two stacks of free segments, linked through `node.next`. A segment is taken from the first one as long as it has any,
/// so what the second one still has at the end of a period was not needed during it.
struct Class {
    /// Freed during this trimming period.
    recent: Cell<*mut IKCPSEG>,
    /// Left from the period before.
    older: Cell<*mut IKCPSEG>,
}

/// Segments ready for reuse. Empty, it owns no memory.
#[repr(C)]
pub(crate) struct Pool {
    /// Payloads below this have a class: 0 where there are none.
    reach: Cell<u32>,
    /// Segments freed during this trimming period, while there are no classes.
    freed: Cell<u32>,
    /// `CLASSES` of them while the connection is busy, otherwise NULL.
    classes: Cell<*mut Class>,
    /// How many more segments may be kept.
    left: Cell<i32>,
    /// How many may be kept altogether.
    limit: Cell<i32>,
    /// Classes that still have something to give back from the period before.
    ageing: Cell<u32>,
}

/// Class of a segment with room for `room` bytes of payload.
#[inline(always)]
const fn class_of(room: u32) -> usize {
    // In 64 bits: rounding up within 32 takes a comparison more.
    ((room as u64 + (PAYLOAD_OFFSET + CLASS_BYTES - 1) as u64) / CLASS_BYTES as u64) as usize
}

/// A segment with room for `room` bytes, straight from the allocator.
fn fresh(room: u32) -> Option<NonNull<IKCPSEG>> {
    // A reference to an `IKCPSEG` covers the first byte of payload, also where there is none.
    let memory = allocate((class_of(room) * CLASS_BYTES).max(size_of::<IKCPSEG>()))?;
    // SAFETY: it is ours and large enough; all fields are cells of integers and pointers.
    unsafe { ptr::write_bytes(memory.as_ptr(), 0, PAYLOAD_OFFSET) };
    Some(memory.cast())
}

/// Gives a segment back to the allocator.
fn discard(segment: Owned) {
    // SAFETY: segments come from the allocator, `fresh` or the program's own, and nothing else names this one.
    unsafe { deallocate(segment.into_raw().as_ptr().cast()) }
}

/// Gives all segments of a list back to the allocator.
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
    // SAFETY: what a stack links was given to `keep` and is nobody else's since.
    stack.set(unsafe { top.as_ref() }.node.next.get().cast());
    Some(top)
}

impl Pool {
    /// The class of segments with room for `room` bytes, where there is one.
    #[inline(always)]
    fn class(&self, room: u32) -> Option<&Class> {
        if room >= self.reach.get() {
            return None;
        }
        // SAFETY: below `reach` there are classes, ours until `clear` frees them and sets `reach` to 0.
        Some(unsafe { &*self.classes.get().add(class_of(room)) })
    }

    /// A segment with room for `room` bytes of payload. Its fields hold what they held.
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
        // SAFETY: its class has room for so many bytes, and nothing else names it.
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

    /// Takes back `segment`, or gives it back to say that it does not: only while the limit allows.
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

    /// Gives `segment` back to the allocator. A busy connection begins to keep segments after it.
    #[inline(never)]
    fn discard(&self, segment: Owned) {
        let freed = self.freed.get().wrapping_add(1);
        self.freed.set(freed);
        if freed >= BUSY && self.classes.get().is_null() {
            self.set_up();
        }
        discard(segment);
    }

    /// Frees `segment`, or keeps it for the next one of its size.
    #[inline(always)]
    pub(crate) fn free(&self, segment: Owned) {
        if let Some(segment) = self.keep(segment) {
            self.discard(segment);
        }
    }

    /// Begins to keep segments, any number until a trimming period ends. Without memory for the lists it stays as it is.
    #[cold]
    #[inline(never)]
    fn set_up(&self) {
        if cfg!(feature = "no-pool") {
            return;
        }
        let Some(memory) = allocate(CLASSES * size_of::<Class>()) else {
            return;
        };
        // SAFETY: the allocation just made; a class of NULLs is one without segments.
        unsafe { ptr::write_bytes(memory.as_ptr(), 0, CLASSES * size_of::<Class>()) };
        self.classes.set(memory.cast().as_ptr());
        self.reach.set((LARGEST - PAYLOAD_OFFSET) as u32 + 1);
        self.limit.set(i32::MAX);
        self.left.set(i32::MAX);
    }

    /// Lets as many segments be kept as `limit` says, less those that are.
    fn set_limit(&self, limit: u32) {
        let limit = limit.min(i32::MAX.unsigned_abs()).cast_signed();
        let held = self.limit.replace(limit) - self.left.get();
        self.left.set(limit - held);
    }

    /// Ends a trimming period: what was not needed during it is given back from now on, and everything where no more than
    /// `passed` segments came and went.
    pub(crate) fn begin_to_age(&self, passed: u32) {
        self.freed.set(0);
        if passed < BUSY {
            self.reach.set(0);
        }
        if !self.classes.get().is_null() {
            self.ageing.set(CLASSES as u32);
        }
    }

    /// True while it keeps segments, or lists for them.
    pub(crate) fn is_set_up(&self) -> bool {
        !self.classes.get().is_null()
    }

    /// True while something may have to be given back.
    pub(crate) fn is_ageing(&self) -> bool {
        self.ageing.get() > 0
    }

    /// Gives back up to `BATCH` segments of the period before; `limit` of them may be kept from the end of that on.
    #[inline(never)]
    pub(crate) fn age(&self, limit: u32) {
        let mut left = BATCH;
        while let Some(number) = self.ageing.get().checked_sub(1) {
            // SAFETY: while some are ageing there are classes, `CLASSES` of them.
            let class = unsafe { &*self.classes.get().add(number as usize) };
            if self.drain(&class.older, &mut left) {
                class.older.set(class.recent.replace(ptr::null_mut()));
                // Where nothing is kept any more, that is given back too.
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

    /// Gives segments of a stack back to the allocator, as many as are `left`. True when it is empty.
    fn drain(&self, stack: &Cell<*mut IKCPSEG>, left: &mut u32) -> bool {
        while *left > 0
            && let Some(segment) = pop(stack)
        {
            *left -= 1;
            self.left.set(self.left.get() + 1);
            // SAFETY: segments come from the allocator, and nothing else names this one.
            unsafe { deallocate(segment.as_ptr().cast()) };
        }
        stack.get().is_null()
    }

    fn free_classes(&self) {
        let classes = self.classes.replace(ptr::null_mut());
        if !classes.is_null() {
            // SAFETY: it came from `set_up`, and every list in it is empty.
            unsafe { deallocate(classes.cast()) }
        }
    }

    /// Gives everything back.
    pub(crate) fn clear(&self) {
        self.begin_to_age(0);
        while self.is_ageing() {
            self.age(0);
        }
    }
}
