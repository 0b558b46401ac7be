//! The arrays of an index: one slot for each sequence number of a window, in one allocation.

use core::cell::Cell;
use core::hint::black_box;
use core::iter;
use core::ptr::{self, NonNull};

use crate::alloc::{allocate, deallocate};
use crate::segment::{IKCPSEG, Segment};
use crate::seq::{Millis, Sn};

/// Slots of the smallest ring.
const SMALLEST: u32 = 64;
/// Slots of the largest ring. A wider window is walked.
const LARGEST: u32 = 1 << 24;
/// An acknowledgement that skipped what lies before it: its `sn` and the `ts` it echoes.
#[derive(Clone, Copy)]
pub(super) struct Skip {
    pub(super) sn: Sn,
    pub(super) ts: Millis,
}

/// The arrays. With `TIMED` each slot has a deadline and a mark, and there is room for the log of skips.
pub(super) struct Slots<const TIMED: bool> {
    /// The address of each slot's segment, and the beginning of the allocation.
    pointers: Cell<*mut *mut IKCPSEG>,
    /// For each 64 slots a word of present bits, followed with `TIMED` by a word of marks.
    bits: Cell<*mut u64>,
    /// With `TIMED` the log of skips, behind it each slot's deadline, and behind those for each 64 slots a bound on `ts`.
    log: Cell<*mut Skip>,
    /// Slots less one, a power of two less one; meaningless without memory.
    mask: Cell<u32>,
}

/// Skips that may wait to be settled in a ring of `n` slots. Settling looks at every segment that was skipped, so the log
/// grows with the ring, and the work per skip stays the same.
const fn log_len(n: usize) -> usize {
    if n / 32 > 32 { n / 32 } else { 32 }
}

/// Bytes before the bitmaps, before the log, and in all, of a ring of `n` slots.
const fn layout(n: usize, timed: bool) -> (usize, usize, usize) {
    let bits = n * size_of::<*mut IKCPSEG>();
    let log = bits + if timed { n / 4 } else { n / 8 };
    let timing = if timed {
        log_len(n) * size_of::<Skip>() + (n + n / 64) * size_of::<u32>()
    } else {
        0
    };
    (bits, log, log + timing)
}

impl<const TIMED: bool> Slots<TIMED> {
    const WORDS: usize = if TIMED { 2 } else { 1 };

    #[inline(always)]
    pub(super) fn is_allocated(&self) -> bool {
        !self.pointers.get().is_null()
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
        let (bits, log, end) = layout(capacity as usize, TIMED);
        if self.capacity() != capacity {
            let Some(memory) = allocate(end) else {
                return false;
            };
            self.free();
            let memory = memory.as_ptr();
            self.pointers.set(memory.cast());
            // SAFETY: inside the allocation; all arrays begin at a multiple of 8.
            unsafe {
                self.bits.set(memory.add(bits).cast());
                self.log.set(memory.add(log).cast());
            }
            self.mask.set(capacity - 1);
        }
        // SAFETY: inside the allocation. The bitmaps say which slots are used, so addresses may be anything; deadlines
        // are read before they are masked and so have to be initialised.
        unsafe { ptr::write_bytes(self.bits.get().cast::<u8>(), 0, end - bits) };
        true
    }

    pub(super) fn free(&self) {
        let memory = self.pointers.replace(ptr::null_mut());
        if !memory.is_null() {
            // SAFETY: it came from `allocate`, and no reference into it is kept.
            unsafe { deallocate(memory.cast()) }
        }
    }

    #[inline(always)]
    fn slot(&self, sn: Sn) -> usize {
        (sn.0 & self.mask.get()) as usize
    }

    /// The word of present bits that has the slot of `sn`, and the word of marks when `marks` is 1.
    #[inline(always)]
    fn word(&self, sn: Sn, marks: usize) -> &Cell<u64> {
        let word = self.slot(sn) / 64 * Self::WORDS + marks;
        // SAFETY: the slot is below the capacity, so the word lies inside the bitmaps; callers have memory.
        unsafe { &*self.bits.get().add(word).cast::<Cell<u64>>() }
    }

    #[inline(always)]
    fn bit(sn: Sn) -> u64 {
        1 << (sn.0 % 64)
    }

    #[inline(always)]
    fn pointer(&self, sn: Sn) -> &Cell<*mut IKCPSEG> {
        // SAFETY: the slot is below the capacity; callers have memory.
        unsafe { &*self.pointers.get().add(self.slot(sn)).cast() }
    }

    #[inline(always)]
    pub(super) fn set(&self, sn: Sn, segment: Segment) {
        self.pointer(sn).set(segment.as_ptr());
        let word = self.word(sn, 0);
        word.set(word.get() | Self::bit(sn));
    }

    #[inline(always)]
    pub(super) fn clear(&self, sn: Sn) {
        let word = self.word(sn, 0);
        word.set(word.get() & !Self::bit(sn));
        if TIMED {
            let marks = self.word(sn, 1);
            marks.set(marks.get() & !Self::bit(sn));
        }
    }

    /// The words of the slots from `first` to `last`: each with a sequence number in it and the bits concerned.
    #[inline(always)]
    fn runs(first: Sn, last: Sn) -> impl Iterator<Item = (Sn, u64)> {
        let mut at = first;
        iter::from_fn(move || {
            if at.since(last) > 0 {
                return None;
            }
            let (word, start) = (at, Sn(at.0 & !63));
            let mut bits = u64::MAX << (at.0 % 64);
            if start.plus(63).since(last) > 0 {
                bits &= u64::MAX >> (63 - last.0 % 64);
            }
            at = start.plus(64);
            Some((word, bits))
        })
    }

    /// Clears the slots from `first` to `last`.
    pub(super) fn clear_run(&self, first: Sn, last: Sn) {
        for (sn, bits) in Self::runs(first, last) {
            for word in 0..Self::WORDS {
                let word = self.word(sn, word);
                word.set(word.get() & !bits);
            }
        }
    }

    /// The segment in the slot of `sn`, which the caller knows to be inside the window.
    #[inline(always)]
    pub(super) fn get(&self, sn: Sn) -> Option<Segment> {
        if self.word(sn, 0).get() & Self::bit(sn) == 0 {
            return None;
        }
        // SAFETY: a present slot holds a listed segment, as long as the stamp of the index matches the list.
        NonNull::new(self.pointer(sn).get()).map(|p| unsafe { Segment::from_raw(p) })
    }

    /// Begins to load the segment in the slot of `sn` into the caches, if there is one.
    #[inline(always)]
    pub(super) fn prefetch(&self, sn: Sn) {
        let address = self.pointer(sn).get();
        // SAFETY: a hint that faults on no address.
        #[cfg(target_arch = "x86_64")]
        unsafe {
            use core::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
            _mm_prefetch::<_MM_HINT_T0>(address.cast());
        }
        // SAFETY: as above.
        #[cfg(target_arch = "aarch64")]
        unsafe {
            core::arch::asm!("prfm pldl1keep, [{}]", in(reg) address,
                options(nostack, readonly, preserves_flags));
        }
        #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
        let _ = address;
    }

    /// Present bits of the 64 sequence numbers around `sn`, bit 0 for the one that is a multiple of 64.
    #[inline(always)]
    pub(super) fn present(&self, sn: Sn) -> u64 {
        self.word(sn, 0).get()
    }

    /// True when none of the 64 slots around `sn` is present.
    #[inline(always)]
    pub(super) fn is_vacant(&self, sn: Sn) -> bool {
        self.present(sn) == 0
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
    /// Fills `count` slots from `first` on with `segments`, last sent at `ts`.
    #[inline(always)]
    pub(super) fn set_run(
        &self,
        first: Sn,
        count: u32,
        ts: u32,
        segments: impl Iterator<Item = Segment>,
    ) {
        for (sn, bits) in Self::runs(first, first.plus(count.wrapping_sub(1))) {
            let word = self.word(sn, 0);
            if word.get() == 0 {
                self.oldest(sn).set(Millis(ts));
            }
            word.set(word.get() | bits);
        }
        let (pointers, mask) = (self.pointers.get(), self.mask.get());
        let mut at = first.0;
        for segment in segments {
            // SAFETY: the slot is below the capacity; callers have memory.
            unsafe { *pointers.add((at & mask) as usize) = segment.as_ptr() };
            at = at.wrapping_add(1);
        }
    }

    /// Sets the deadline of the slots from `first` to `last`.
    #[inline(always)]
    pub(super) fn set_deadlines(&self, first: Sn, last: Sn, resendts: Millis) {
        // SAFETY: the array lies behind the log; callers have memory.
        let deadlines = unsafe { self.log.get().add(self.log_len()).cast::<Cell<u32>>() };
        let mask = self.mask.get();
        for n in 0..=last.since(first).max(0).unsigned_abs() {
            // SAFETY: the slot is below the capacity.
            unsafe { (*deadlines.add((first.plus(n).0 & mask) as usize)).set(resendts.0) };
        }
    }

    #[inline(always)]
    pub(super) fn mark(&self, sn: Sn) {
        let word = self.word(sn, 1);
        word.set(word.get() | Self::bit(sn));
    }

    #[inline(always)]
    pub(super) fn unmark(&self, sn: Sn) {
        let word = self.word(sn, 1);
        word.set(word.get() & !Self::bit(sn));
    }

    /// Marked bits, as `present`.
    #[inline(always)]
    pub(super) fn marked(&self, sn: Sn) -> u64 {
        self.word(sn, 1).get()
    }

    #[inline(always)]
    fn deadline(&self, sn: Sn) -> &Cell<u32> {
        // SAFETY: the array lies behind the log, and the slot is below the capacity; callers have memory.
        unsafe {
            let deadlines = self.log.get().add(self.log_len()).cast::<Cell<u32>>();
            &*deadlines.add(self.slot(sn))
        }
    }

    /// A moment before which none of the present segments of the 64 slots around `sn` was last sent.
    #[inline(always)]
    pub(super) fn oldest(&self, sn: Sn) -> &Cell<Millis> {
        // SAFETY: the array lies behind the deadlines, with a word for each 64 slots; callers have memory.
        unsafe {
            let bounds = self.log.get().add(self.log_len()).cast::<Cell<Millis>>();
            &*bounds.add(self.mask.get() as usize + 1 + self.slot(sn) / 64)
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
                // Of a length that the compiler does not know: unrolled it takes a kilobyte of code.
                for cell in block.get(..black_box(64)).unwrap_or_default() {
                    let distance = Millis(cell.get()).since(now);
                    low = low.min(distance);
                    high = high.max(distance);
                }
                bits = 0;
            }
            while bits != 0 {
                let sn = at.plus(bits.trailing_zeros());
                let distance = Millis(self.deadline(sn).get()).since(now);
                low = low.min(distance);
                high = high.max(distance);
                bits &= bits - 1;
            }
            at = at.plus(64);
        }
        any.then_some((low, high))
    }

    /// Skips that the log has room for.
    #[inline(always)]
    pub(super) fn log_len(&self) -> usize {
        log_len(self.mask.get() as usize + 1)
    }

    /// Entry `n` of the log of skips, below `log_len`.
    #[inline(always)]
    pub(super) fn log(&self, n: usize) -> &Cell<Skip> {
        debug_assert!(n < self.log_len());
        // SAFETY: the log has `log_len` entries; callers have memory and stay below.
        unsafe { &*self.log.get().add(n).cast() }
    }
}
