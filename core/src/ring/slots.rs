//! The arrays of an index: one slot for each sequence number of a window, in one allocation.

use core::cell::Cell;
use core::ptr::{self, NonNull};

use crate::alloc::{allocate, deallocate};
use crate::segment::{IKCPSEG, Segment};
use crate::seq::{Millis, Sn};

/// Slots of the smallest ring.
const SMALLEST: u32 = 64;
/// Slots of the largest ring. A wider window is walked.
const LARGEST: u32 = 1 << 24;
/// Skip counts that may wait to be settled.
pub(super) const LOG: usize = 32;

/// An acknowledgement that skipped what lies before it: its `sn` and the `ts` it echoes.
#[derive(Clone, Copy)]
pub(super) struct Skip {
    pub(super) sn: Sn,
    pub(super) ts: Millis,
}

/// The arrays. With `TIMED` each slot has a deadline and a mark, and there is room for the log of skips.
pub(super) struct Slots<const TIMED: bool> {
    memory: Cell<*mut u8>,
    /// Slots less one, a power of two less one; meaningless without memory.
    mask: Cell<u32>,
}

/// Where the arrays of a ring of `n` slots begin, in bytes, and where the last one ends.
struct Layout {
    present: usize,
    marked: usize,
    log: usize,
    deadline: usize,
    end: usize,
}

const fn layout(n: usize, timed: bool) -> Layout {
    let present = n * size_of::<*mut IKCPSEG>();
    let marked = present + n / 8;
    let log = marked + if timed { n / 8 } else { 0 };
    let deadline = log + if timed { LOG * size_of::<Skip>() } else { 0 };
    Layout {
        present,
        marked,
        log,
        deadline,
        end: deadline + if timed { n * 4 } else { 0 },
    }
}

impl<const TIMED: bool> Slots<TIMED> {
    pub(super) const fn new() -> Self {
        Slots {
            memory: Cell::new(ptr::null_mut()),
            mask: Cell::new(0),
        }
    }

    #[inline(always)]
    pub(super) fn is_allocated(&self) -> bool {
        !self.memory.get().is_null()
    }

    /// Slots, 0 without memory.
    #[inline(always)]
    pub(super) fn capacity(&self) -> u32 {
        if self.is_allocated() {
            self.mask.get() + 1
        } else {
            0
        }
    }

    /// Makes an empty ring for `span` consecutive sequence numbers, in the memory at hand where that has the size.
    pub(super) fn set_up(&self, span: u32) -> bool {
        if span > LARGEST {
            return false;
        }
        let capacity = span.next_power_of_two().max(SMALLEST);
        if self.capacity() != capacity {
            let Some(memory) = allocate(layout(capacity as usize, TIMED).end) else {
                return false;
            };
            self.free();
            self.memory.set(memory.as_ptr());
            self.mask.set(capacity - 1);
        }
        let layout = layout(capacity as usize, TIMED);
        // SAFETY: inside the allocation. The bitmaps say which slots are used, so the other arrays may hold anything,
        // but deadlines are read before they are masked and so have to be initialised.
        unsafe {
            let bitmaps = layout.log - layout.present;
            ptr::write_bytes(self.memory.get().add(layout.present), 0, bitmaps);
            ptr::write_bytes(
                self.memory.get().add(layout.deadline),
                0,
                layout.end - layout.deadline,
            );
        }
        true
    }

    pub(super) fn free(&self) {
        let memory = self.memory.replace(ptr::null_mut());
        if !memory.is_null() {
            // SAFETY: it came from `allocate`, and no reference into it is kept.
            unsafe { deallocate(memory) }
        }
    }

    #[inline(always)]
    fn layout(&self) -> Layout {
        layout(self.mask.get() as usize + 1, TIMED)
    }

    #[inline(always)]
    fn slot(&self, sn: Sn) -> usize {
        (sn.0 & self.mask.get()) as usize
    }

    /// The word of `present` or `marked` that has the slot of `sn`.
    #[inline(always)]
    fn word(&self, bitmap: usize, sn: Sn) -> &Cell<u64> {
        // SAFETY: the slot is below the capacity, so the word lies inside its bitmap; callers have memory.
        unsafe {
            &*self
                .memory
                .get()
                .add(bitmap)
                .cast::<Cell<u64>>()
                .add(self.slot(sn) / 64)
        }
    }

    #[inline(always)]
    fn bit(sn: Sn) -> u64 {
        1 << (sn.0 % 64)
    }

    #[inline(always)]
    fn pointer(&self, sn: Sn) -> &Cell<*mut IKCPSEG> {
        // SAFETY: the slot is below the capacity; callers have memory.
        unsafe {
            &*self
                .memory
                .get()
                .cast::<Cell<*mut IKCPSEG>>()
                .add(self.slot(sn))
        }
    }

    #[inline(always)]
    pub(super) fn set(&self, sn: Sn, segment: Segment) {
        self.pointer(sn).set(segment.as_ptr());
        let word = self.word(self.layout().present, sn);
        word.set(word.get() | Self::bit(sn));
    }

    #[inline(always)]
    pub(super) fn clear(&self, sn: Sn) {
        let layout = self.layout();
        let word = self.word(layout.present, sn);
        word.set(word.get() & !Self::bit(sn));
        if TIMED {
            let word = self.word(layout.marked, sn);
            word.set(word.get() & !Self::bit(sn));
        }
    }

    /// The segment in the slot of `sn`, which the caller knows to be inside the window.
    #[inline(always)]
    pub(super) fn get(&self, sn: Sn) -> Option<Segment> {
        if self.word(self.layout().present, sn).get() & Self::bit(sn) == 0 {
            return None;
        }
        // SAFETY: a present slot holds a listed segment, as long as the stamp of the index matches the list.
        NonNull::new(self.pointer(sn).get()).map(|p| unsafe { Segment::from_raw(p) })
    }

    /// Present bits of the 64 sequence numbers around `sn`, bit 0 for the one that is a multiple of 64.
    #[inline(always)]
    pub(super) fn present(&self, sn: Sn) -> u64 {
        self.word(self.layout().present, sn).get()
    }

    /// The nearest present segment before `sn`, not before `floor`.
    pub(super) fn before(&self, sn: Sn, floor: Sn) -> Option<Segment> {
        let mut at = sn;
        let mut bits = self.present(at) & (Self::bit(at) - 1);
        loop {
            let start = Sn(at.0 & !63);
            if bits != 0 {
                let found = start.plus(63 - bits.leading_zeros());
                return if found.before(floor) {
                    None
                } else {
                    self.get(found)
                };
            }
            if start.since(floor) <= 0 {
                return None;
            }
            at = start.plus(u32::MAX);
            bits = self.present(at);
        }
    }
}

impl Slots<true> {
    #[inline(always)]
    pub(super) fn mark(&self, sn: Sn) {
        let word = self.word(self.layout().marked, sn);
        word.set(word.get() | Self::bit(sn));
    }

    #[inline(always)]
    pub(super) fn unmark(&self, sn: Sn) {
        let word = self.word(self.layout().marked, sn);
        word.set(word.get() & !Self::bit(sn));
    }

    /// Marked bits, as `present`.
    #[inline(always)]
    pub(super) fn marked(&self, sn: Sn) -> u64 {
        self.word(self.layout().marked, sn).get()
    }

    #[inline(always)]
    fn deadline(&self, sn: Sn) -> &Cell<u32> {
        // SAFETY: the slot is below the capacity; callers have memory.
        unsafe {
            &*self
                .memory
                .get()
                .add(self.layout().deadline)
                .cast::<Cell<u32>>()
                .add(self.slot(sn))
        }
    }

    #[inline(always)]
    pub(super) fn set_deadline(&self, sn: Sn, at: Millis) {
        self.deadline(sn).set(at.0);
    }

    /// Earliest and latest deadline among the sequence numbers from `first` to `last`, as distances from `now`.
    pub(super) fn deadlines(&self, first: Sn, last: Sn, now: Millis) -> Option<(i32, i32)> {
        let (mut low, mut high) = (i32::MAX, i32::MIN);
        let mut any = false;
        let mut at = Sn(first.0 & !63);
        while at.since(last) <= 0 {
            let mut bits = self.present(at);
            if at.since(first) < 0 {
                bits &= u64::MAX << (first.0 % 64);
            }
            if at.plus(63).since(last) > 0 {
                bits &= u64::MAX >> (63 - last.0 % 64);
            }
            any |= bits != 0;
            if bits == u64::MAX {
                // SAFETY: 64 slots that begin at a multiple of 64 lie inside the array.
                let block = unsafe { &*ptr::from_ref(self.deadline(at)).cast::<[Cell<u32>; 64]>() };
                for cell in block {
                    let distance = Millis(cell.get()).since(now);
                    low = low.min(distance);
                    high = high.max(distance);
                }
            } else {
                while bits != 0 {
                    let sn = at.plus(bits.trailing_zeros());
                    let distance = Millis(self.deadline(sn).get()).since(now);
                    low = low.min(distance);
                    high = high.max(distance);
                    bits &= bits - 1;
                }
            }
            at = at.plus(64);
        }
        any.then_some((low, high))
    }

    /// Entry `n` of the log of skips, below `LOG`.
    #[inline(always)]
    pub(super) fn log(&self, n: usize) -> &Cell<Skip> {
        debug_assert!(n < LOG);
        // SAFETY: the log has `LOG` entries; callers have memory.
        unsafe {
            &*self
                .memory
                .get()
                .add(self.layout().log)
                .cast::<Cell<Skip>>()
                .add(n)
        }
    }
}
