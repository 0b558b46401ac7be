//! The segment pool: freed segments kept for the next allocation of their size.
//!
//! Sizes are rounded to 16 bytes, and each rounded size is a class with its list. Which class a segment belongs to
//! follows from its `len` when it is freed, so nothing is stored in it. What a class did not need during one trimming
//! period is given back at the end of it: trickle traffic does not keep the memory of a burst, an idle connection keeps
//! none.

use core::cell::Cell;
use core::ptr::{self, NonNull};

use super::{allocate, deallocate};
use crate::segment::{IKCPSEG, PAYLOAD_OFFSET, Segment};

const CLASS_BYTES: usize = 16;
/// Classes that have a list. Segments above 2 KiB (jumbo frames, hostile packets) go back to the allocator at once.
const CLASSES: usize = 2048 / CLASS_BYTES + 1;

struct Class {
    /// Free segments, linked through `node.next`.
    head: Cell<*mut IKCPSEG>,
    count: Cell<u32>,
    /// Fewest that were free at any moment of this trimming period.
    spare: Cell<u32>,
}

/// Segments ready for reuse. Empty, it owns no memory.
pub(crate) struct Pool {
    /// `CLASSES` of them, allocated when the first segment is freed.
    classes: Cell<*mut Class>,
    /// Free segments of all classes.
    held: Cell<u32>,
}

/// Class of a segment with room for `room` bytes of payload.
#[inline(always)]
const fn class_of(room: usize) -> usize {
    (PAYLOAD_OFFSET + room).div_ceil(CLASS_BYTES)
}

/// A segment with room for `room` bytes, straight from the allocator.
#[inline(never)]
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
    pub(crate) fn take(&self, room: usize) -> Option<Segment> {
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
        let number = class_of(segment.len.get() as usize);
        if cfg!(not(feature = "no-pool")) && number < CLASSES && self.held.get() < limit {
            if self.classes.get().is_null() {
                self.set_up();
            }
            if let Some(class) = self.class(number) {
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

    #[cold]
    #[inline(never)]
    fn set_up(&self) {
        if let Some(memory) = allocate(CLASSES * size_of::<Class>()) {
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
        }
    }

    /// True when the pool owns memory, so that `trim` has something to look at.
    #[inline(always)]
    pub(crate) fn is_used(&self) -> bool {
        !self.classes.get().is_null()
    }

    /// Ends a trimming period: gives back what no class needed during it.
    pub(crate) fn trim(&self) {
        for number in 0..CLASSES {
            if let Some(class) = self.class(number) {
                for _ in 0..class.spare.get() {
                    self.drop_one(class);
                }
                class.spare.set(class.count.get());
            }
        }
        if self.held.get() == 0 {
            self.free_classes();
        }
    }

    /// Gives everything back.
    pub(crate) fn clear(&self) {
        for number in 0..CLASSES {
            while let Some(class) = self.class(number)
                && class.count.get() > 0
            {
                self.drop_one(class);
            }
        }
        self.free_classes();
    }

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
