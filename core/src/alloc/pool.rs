//! The segment pool: freed segments kept for the next allocation of their size.
//!
//! Sizes are rounded to 16 bytes, and each rounded size is a class with its list. Which class a segment belongs to
//! follows from its `len` when it is freed, so nothing is stored in it. What a class did not need during one trimming
//! period is given back at the end of it: trickle traffic does not keep the memory of a burst, an idle connection keeps
//! none. The lists take 2 KiB, so the first few segments are kept without: a connection with a message now and then
//! never has the lists.

use core::cell::Cell;
use core::ptr::{self, NonNull};

use super::{allocate, deallocate};
use crate::segment::{IKCPSEG, PAYLOAD_OFFSET, Segment};

const CLASS_BYTES: usize = 16;
/// Classes that have a list. Segments above 2 KiB (jumbo frames, hostile packets) go back to the allocator at once.
const CLASSES: usize = 2048 / CLASS_BYTES + 1;

/// Segments that are kept before there are lists.
const LOOSE: u32 = 4;

struct Class {
    /// Free segments, linked through `node.next`.
    head: Cell<*mut IKCPSEG>,
    count: Cell<u32>,
    /// Fewest that were free at any moment of this trimming period.
    spare: Cell<u32>,
}

/// Segments ready for reuse. Empty, it owns no memory.
pub(crate) struct Pool {
    /// `CLASSES` of them, allocated when more than `LOOSE` segments are free.
    classes: Cell<*mut Class>,
    /// Free segments in them, and the classes that may have any.
    held: Cell<u32>,
    used: Cell<(u8, u8)>,
    /// Free segments of any class, linked through `node.next`, at most `LOOSE`.
    loose: Cell<*mut IKCPSEG>,
    loose_count: Cell<u32>,
    /// Fewest of these at any moment of this trimming period.
    loose_spare: Cell<u32>,
}

/// Class of a segment with room for `room` bytes of payload.
#[inline(always)]
const fn class_of(room: usize) -> usize {
    (PAYLOAD_OFFSET + room).div_ceil(CLASS_BYTES)
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
            loose: Cell::new(ptr::null_mut()),
            loose_count: Cell::new(0),
            loose_spare: Cell::new(0),
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
        self.take_loose(number)
    }

    /// A segment of the class from those without list, or from the allocator.
    #[inline(never)]
    fn take_loose(&self, number: usize) -> Option<Segment> {
        let mut link: Option<Segment> = None;
        let mut at = NonNull::new(self.loose.get());
        while let Some(pointer) = at {
            // SAFETY: what is linked here was given to `give` and is nobody else's since.
            let segment = unsafe { Segment::from_raw(pointer) };
            let next: *mut IKCPSEG = segment.node.next.get().cast();
            if class_of(segment.len.get() as usize) == number {
                match link {
                    Some(before) => before.node.next.set(next.cast()),
                    None => self.loose.set(next),
                }
                let left = self.loose_count.get() - 1;
                self.loose_count.set(left);
                self.loose_spare.set(self.loose_spare.get().min(left));
                return Some(segment);
            }
            link = Some(segment);
            at = NonNull::new(next);
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
            if self.classes.get().is_null() && self.give_loose(segment) {
                return;
            }
            if let Some(class) = self.class(number) {
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

    /// Keeps `segment` without list while there are few. False when that is over and there are lists.
    #[inline(never)]
    fn give_loose(&self, segment: Segment) -> bool {
        let count = self.loose_count.get();
        if count == LOOSE {
            self.set_up();
            return false;
        }
        segment.node.next.set(self.loose.get().cast());
        self.loose.set(segment.as_ptr());
        self.loose_count.set(count + 1);
        true
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
        !self.classes.get().is_null() || self.loose_count.get() > 0
    }

    /// Ends a trimming period: gives back what was not needed during it.
    pub(crate) fn trim(&self) {
        for _ in 0..self.loose_spare.get() {
            self.drop_loose();
        }
        self.loose_spare.set(self.loose_count.get());
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
        if self.held.get() == 0 {
            self.free_classes();
        }
    }

    /// Gives everything back.
    pub(crate) fn clear(&self) {
        while self.loose_count.get() > 0 {
            self.drop_loose();
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
    fn drop_loose(&self) {
        if let Some(first) = NonNull::new(self.loose.get()) {
            // SAFETY: what is linked here was given to `give` and is nobody else's since.
            unsafe {
                self.loose
                    .set(Segment::from_raw(first).node.next.get().cast());
                deallocate(first.as_ptr().cast());
            }
            self.loose_count.set(self.loose_count.get() - 1);
        }
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
