//! The arrays of an index: one slot for each sequence number of a window, in one allocation.

use core::cell::Cell;
use core::iter;
use core::mem::MaybeUninit;
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
    /// With `TIMED` the log of skips.
    log: Cell<*mut Skip>,
    /// With `TIMED` each slot's deadline, and behind those for each 64 slots two bounds: on `ts` and on the deadlines.
    deadlines: Cell<*mut Cell<u32>>,
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
        log_len(n) * size_of::<Skip>() + (n + n / 64 * 2) * size_of::<u32>()
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
                if TIMED {
                    let log_len = log_len(capacity as usize);
                    self.deadlines.set(self.log.get().add(log_len).cast());
                }
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

    /// The slot of `sn`. Until it is set for the first time there is no value in it.
    #[inline(always)]
    fn pointer(&self, sn: Sn) -> *mut *mut IKCPSEG {
        // SAFETY: the slot is below the capacity; callers have memory.
        unsafe { self.pointers.get().add(self.slot(sn)) }
    }

    #[inline(always)]
    pub(super) fn set(&self, sn: Sn, segment: Segment) {
        // SAFETY: inside the allocation. Written without a look at what was there, which may be no value.
        unsafe { self.pointer(sn).write(segment.as_ptr()) };
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
        unsafe { NonNull::new(self.pointer(sn).read()).map(|p| Segment::from_raw(p)) }
    }

    /// Begins to load the segment in the slot of `sn` into the caches, if there is one.
    #[inline(always)]
    pub(super) fn prefetch(&self, sn: Sn) {
        // SAFETY: inside the allocation. What was never set is no address, so it goes to the instruction as it is.
        let address = unsafe { self.pointer(sn).cast::<MaybeUninit<*const u8>>().read() };
        // SAFETY: a hint that faults on no address.
        #[cfg(all(target_arch = "x86_64", not(miri)))]
        unsafe {
            core::arch::asm!("prefetcht0 [{}]", in(reg) address,
                options(nostack, readonly, preserves_flags));
        }
        // SAFETY: as above.
        #[cfg(all(target_arch = "aarch64", not(miri)))]
        unsafe {
            core::arch::asm!("prfm pldl1keep, [{}]", in(reg) address,
                options(nostack, readonly, preserves_flags));
        }
        #[cfg(any(miri, not(any(target_arch = "x86_64", target_arch = "aarch64"))))]
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
            unsafe { pointers.add((at & mask) as usize).write(segment.as_ptr()) };
            at = at.wrapping_add(1);
        }
    }

    /// Sets the deadline of the slots from `first` to `last`.
    #[inline(always)]
    pub(super) fn set_deadlines(&self, first: Sn, last: Sn, resendts: Millis) {
        for (sn, bits) in Self::runs(first, last) {
            self.lower_earliest(sn, bits, resendts);
        }
        let (deadlines, mask) = (self.deadlines.get(), self.mask.get());
        for n in 0..=last.since(first).max(0).unsigned_abs() {
            // SAFETY: the slot is below the capacity; callers have memory.
            unsafe { (*deadlines.add((first.plus(n).0 & mask) as usize)).set(resendts.0) };
        }
    }

    /// Takes a deadline of these slots among the 64 around `sn` into their bound.
    #[inline(always)]
    fn lower_earliest(&self, sn: Sn, bits: u64, resendts: Millis) {
        let earliest = self.earliest(sn);
        if self.present(sn) & !bits == 0 || resendts.since(earliest.get()) < 0 {
            earliest.set(resendts);
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
        // SAFETY: the slot is below the capacity; callers have memory.
        unsafe { &*self.deadlines.get().add(self.slot(sn)) }
    }

    /// The first of the two bounds of the 64 slots around `sn`.
    #[inline(always)]
    fn bounds(&self, sn: Sn) -> *const Cell<Millis> {
        // SAFETY: the array lies behind the deadlines, with two words for each 64 slots; callers have memory.
        unsafe {
            let bounds = self.deadlines.get().add(self.mask.get() as usize + 1);
            bounds.cast::<Cell<Millis>>().add(self.slot(sn) / 64 * 2)
        }
    }

    /// A moment before which none of the present segments of the 64 slots around `sn` was last sent.
    #[inline(always)]
    pub(super) fn oldest(&self, sn: Sn) -> &Cell<Millis> {
        // SAFETY: as `bounds` says.
        unsafe { &*self.bounds(sn) }
    }

    /// A moment before which none of the present segments of the 64 slots around `sn` that were sent has its deadline.
    #[inline(always)]
    fn earliest(&self, sn: Sn) -> &Cell<Millis> {
        // SAFETY: as `bounds` says.
        unsafe { &*self.bounds(sn).add(1) }
    }

    /// Sets the deadline of `sn`, which is about to be present or is.
    #[inline(always)]
    pub(super) fn set_deadline(&self, sn: Sn, at: Millis) {
        self.deadline(sn).set(at.0);
        self.lower_earliest(sn, Self::bit(sn), at);
    }

    /// The earliest deadline among the sequence numbers from `first` to `last` that comes before `horizon`, both as distances
    /// from `now`, otherwise `horizon`. The bounds of 64 slots say which have to be looked at; with `note` they learn from
    /// that.
    pub(super) fn earliest_before(
        &self,
        horizon: i32,
        first: Sn,
        last: Sn,
        now: Millis,
        note: bool,
    ) -> i32 {
        let mut low = horizon;
        for (sn, bits) in Self::runs(first, last) {
            let earliest = self.earliest(sn);
            let mut bits = bits & self.present(sn);
            if bits == 0 || earliest.get().since(now) >= low {
                continue;
            }
            let all = bits == self.present(sn);
            let mut found = i32::MAX;
            while bits != 0 {
                let sn = Sn(sn.0 & !63).plus(bits.trailing_zeros());
                found = found.min(Millis(self.deadline(sn).get()).since(now));
                bits &= bits - 1;
            }
            if all && note {
                earliest.set(now.plus(found.cast_unsigned()));
            }
            low = low.min(found);
        }
        low
    }

    /// No deadline comes before `low`, as a distance from `now`: raises the bounds that lie before it, or sets `all` of them.
    pub(super) fn raise_earliest(&self, low: i32, now: Millis, all: bool) {
        for block in 0..=self.mask.get() / 64 {
            let earliest = self.earliest(Sn(block * 64));
            if all || earliest.get().since(now) < low {
                earliest.set(now.plus(low.cast_unsigned()));
            }
        }
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
