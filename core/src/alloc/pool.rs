//! The segment pool: freed segments kept for the next allocation of their size.
//!
//! Sizes are rounded to 16 bytes, and each rounded size is a class with its list. Which class a segment belongs to
//! follows from its `len` when it is freed, so nothing is stored in it. What a class did not need during one trimming
//! period is given back at the end of it: a connection does not keep the memory of a burst.
//!
//! Only busy connections have a pool. Of thousands with a message now and then each would keep a segment that has
//! left the caches by its next message, where an allocator hands all of them the same warm one.

use core::cell::Cell;
use core::ptr::{self, NonNull};

use super::{allocate, deallocate};
use crate::segment::{IKCPSEG, PAYLOAD_OFFSET, Segment};

const CLASS_BYTES: usize = 16;
/// Classes that have a list. Segments above 2 KiB (jumbo frames, hostile packets) go back to the allocator at once.
const CLASSES: usize = 2048 / CLASS_BYTES + 1;

/// Segments freed during one trimming period that make a connection a busy one.
const BUSY: u32 = 128;

struct Class {
    /// Free segments, linked through `node.next`.
    head: Cell<*mut IKCPSEG>,
    count: Cell<u32>,
    /// Fewest that were free at any moment of this trimming period.
    spare: Cell<u32>,
}

/// Segments ready for reuse. Empty, it owns no memory.
pub(crate) struct Pool {
    /// `CLASSES` of them while the connection is busy, otherwise NULL.
    classes: Cell<*mut Class>,
    /// Free segments in them, and the classes that may have any.
    held: Cell<u32>,
    used: Cell<(u8, u8)>,
    /// Segments freed during this trimming period.
    freed: Cell<u32>,
}

/// Class of a segment with room for `room` bytes of payload.
#[inline(always)]
const fn class_of(room: u32) -> usize {
    // A shift of 64 bits: rounding up within 32 takes a comparison more.
    ((room as u64 + (PAYLOAD_OFFSET + CLASS_BYTES - 1) as u64) / CLASS_BYTES as u64) as usize
}

/// The classes that may have segments, first and last, where none has.
const NONE_USED: (u8, u8) = (u8::MAX, 0);

/// A segment with room for `room` bytes, straight from the allocator.
fn fresh(class: usize) -> Option<Segment> {
    let memory = allocate(class * CLASS_BYTES)?;
    // SAFETY: it is ours and large enough; all fields are cells of integers and pointers.
    unsafe {
        ptr::write_bytes(memory.as_ptr(), 0, PAYLOAD_OFFSET);
        Some(Segment::from_raw(memory.cast()))
    }
}

impl Pool {
    pub(crate) const fn new() -> Pool {
        Pool {
            classes: Cell::new(ptr::null_mut()),
            held: Cell::new(0),
            used: Cell::new(NONE_USED),
            freed: Cell::new(0),
        }
    }

    #[inline(always)]
    fn class(&self, class: usize) -> Option<&Class> {
        let classes = self.classes.get();
        if classes.is_null() || class >= CLASSES {
            return None;
        }
        // SAFETY: non-NULL `classes` points to `CLASSES` of them, ours until `trim` or `clear` frees them.
        Some(unsafe { &*classes.add(class) })
    }

    /// A segment with room for `room` bytes of payload, not in any list. Its fields hold what they held.
    #[inline(always)]
    pub(crate) fn take(&self, room: u32) -> Option<Segment> {
        let number = class_of(room);
        if let Some(class) = self.class(number)
            && let Some(head) = NonNull::new(class.head.get())
        {
            // SAFETY: what the list links was given to `give` and is nobody else's since.
            let segment = unsafe { Segment::from_raw(head) };
            class.head.set(segment.node.next.get().cast());
            let left = class.count.get() - 1;
            class.count.set(left);
            if left < class.spare.get() {
                class.spare.set(left);
            }
            self.held.set(self.held.get() - 1);
            return Some(segment);
        }
        fresh(number)
    }

    /// Takes back `segment`, which is in no list and used by nobody. Keeps it when fewer than `limit` are kept.
    ///
    /// # Safety
    /// It came from `take`, with room for at least its `len`, and no handle on it is used again.
    #[inline(always)]
    pub(crate) unsafe fn give(&self, segment: Segment, limit: u32) {
        let freed = self.freed.get().wrapping_add(1);
        self.freed.set(freed);
        if !self.classes.get().is_null() || (freed >= BUSY && self.set_up()) {
            let number = class_of(segment.len.get());
            if self.held.get() < limit
                && let Some(class) = self.class(number)
            {
                if class.head.get().is_null() {
                    self.note_used(number);
                }
                segment.node.next.set(class.head.get().cast());
                class.head.set(segment.as_ptr());
                class.count.set(class.count.get() + 1);
                self.held.set(self.held.get() + 1);
                return;
            }
        }
        // SAFETY: the caller's promise.
        unsafe { deallocate(segment.as_ptr().cast()) }
    }

    #[inline(always)]
    fn note_used(&self, number: usize) {
        // Classes that have a list fit into a byte.
        let (first, last) = self.used.get();
        self.used
            .set((first.min(number as u8), last.max(number as u8)));
    }

    /// Begins to keep segments. False without memory for the lists.
    #[cold]
    #[inline(never)]
    fn set_up(&self) -> bool {
        if cfg!(feature = "no-pool") {
            return false;
        }
        let Some(memory) = allocate(CLASSES * size_of::<Class>()) else {
            return false;
        };
        let classes = memory.cast::<Class>().as_ptr();
        for class in 0..CLASSES {
            let empty = Class {
                head: Cell::new(ptr::null_mut()),
                count: Cell::new(0),
                spare: Cell::new(0),
            };
            // SAFETY: inside the allocation just made.
            unsafe { classes.add(class).write(empty) };
        }
        self.classes.set(classes);
        true
    }

    /// Ends a trimming period: gives back what was not needed during it.
    pub(crate) fn trim(&self) {
        if self.freed.replace(0) < BUSY {
            self.clear();
            return;
        }
        let (first, last) = self.used.replace(NONE_USED);
        for number in usize::from(first)..=usize::from(last) {
            if let Some(class) = self.class(number) {
                for _ in 0..class.spare.get() {
                    self.drop_one(class);
                }
                class.spare.set(class.count.get());
                if class.count.get() > 0 {
                    self.note_used(number);
                }
            }
        }
    }

    /// Gives everything back.
    pub(crate) fn clear(&self) {
        if self.classes.get().is_null() {
            return;
        }
        let (first, last) = self.used.replace(NONE_USED);
        for number in usize::from(first)..=usize::from(last) {
            while let Some(class) = self.class(number)
                && class.count.get() > 0
            {
                self.drop_one(class);
            }
        }
        self.free_classes();
    }

    #[inline(never)]
    fn drop_one(&self, class: &Class) {
        if let Some(head) = NonNull::new(class.head.get()) {
            // SAFETY: what the list links was given to `give` and is nobody else's since.
            unsafe {
                let segment = Segment::from_raw(head);
                class.head.set(segment.node.next.get().cast());
                deallocate(head.as_ptr().cast());
            }
            class.count.set(class.count.get() - 1);
            self.held.set(self.held.get() - 1);
        }
    }

    fn free_classes(&self) {
        let classes = self.classes.replace(ptr::null_mut());
        if !classes.is_null() {
            // SAFETY: it came from `set_up`, and every list in it is empty.
            unsafe { deallocate(classes.cast()) }
        }
    }
}
