//! A queue in memory that grows with what is in it. Zeroed memory is an empty one.

use core::cell::Cell;
use core::marker::PhantomData;
use core::ptr;

use super::{allocate, deallocate};

/// What a ring has room for at first, and at most.
const SMALL: u32 = 64;
const LARGE: u32 = 1 << 18;

pub(crate) struct Ring<T: Copy>(Places, PhantomData<Cell<T>>);

/// The memory, whatever is in it.
struct Places {
    at: Cell<*mut u8>,
    /// A power of two; 0 before there is memory.
    room: Cell<u32>,
    first: Cell<u32>,
    count: Cell<u32>,
}

impl Places {
    /// Grows, or drops the oldest value; each has `size` bytes. False without any memory.
    #[cold]
    #[inline(never)]
    fn make_room(&self, size: usize) -> bool {
        let (old, room) = (self.at.get(), self.room.get());
        let more = (room * 2).max(SMALL);
        let memory = if more > LARGE {
            None
        } else {
            allocate(more as usize * size)
        };
        let Some(memory) = memory else {
            self.drop_first();
            return room > 0;
        };
        let at = memory.as_ptr();
        // The ring is full, and its first value may be in the middle.
        let first = self.first.replace(0) as usize * size;
        let behind = room as usize * size - first;
        if !old.is_null() {
            // SAFETY: all of the old memory was written, and the new memory has room for it.
            unsafe {
                ptr::copy_nonoverlapping(old.add(first), at, behind);
                ptr::copy_nonoverlapping(old, at.add(behind), first);
            }
        }
        self.free();
        self.at.set(at);
        self.room.set(more);
        true
    }

    fn drop_first(&self) {
        if self.count.get() > 0 {
            self.count.set(self.count.get() - 1);
            let first = self.first.get().wrapping_add(1);
            self.first.set(first & (self.room.get() - 1));
        }
    }

    fn free(&self) {
        let at = self.at.get();
        if !at.is_null() {
            // SAFETY: `make_room` allocated it.
            unsafe { deallocate(at) };
        }
    }
}

impl Drop for Places {
    fn drop(&mut self) {
        self.free();
    }
}

impl<T: Copy> Ring<T> {
    #[cfg(test)]
    fn new() -> Ring<T> {
        let places = Places {
            at: Cell::new(ptr::null_mut()),
            room: Cell::new(0),
            first: Cell::new(0),
            count: Cell::new(0),
        };
        Ring(places, PhantomData)
    }

    fn place(&self, number: u32) -> *mut T {
        let Places {
            at, room, first, ..
        } = &self.0;
        let slot = first.get().wrapping_add(number) & (room.get() - 1);
        // SAFETY: callers have memory, and the mask keeps the slot inside.
        unsafe { at.get().cast::<T>().add(slot as usize) }
    }

    /// Appends `value`. Without memory for it the oldest value is dropped.
    pub(crate) fn push(&self, value: T) {
        let Places { room, count, .. } = &self.0;
        if count.get() == room.get() && !self.0.make_room(size_of::<T>()) {
            return;
        }
        // SAFETY: there is memory, and this slot of it is free.
        unsafe { self.place(count.get()).write(value) };
        count.set(count.get() + 1);
    }

    fn get(&self, number: u32) -> Option<T> {
        // SAFETY: what is counted was written.
        (number < self.0.count.get()).then(|| unsafe { self.place(number).read() })
    }

    pub(crate) fn first(&self) -> Option<T> {
        self.get(0)
    }

    pub(crate) fn last(&self) -> Option<T> {
        self.get(self.0.count.get().wrapping_sub(1))
    }

    /// The first value, to be changed.
    pub(crate) fn first_mut(&mut self) -> Option<&mut T> {
        // SAFETY: what is counted was written, and the ring is borrowed exclusively.
        (self.0.count.get() > 0).then(|| unsafe { &mut *self.place(0) })
    }

    pub(crate) fn drop_first(&self) {
        self.0.drop_first();
    }

    /// Shows each value to `keep`, which may change it, and drops those for which `keep` is false.
    pub(crate) fn retain(&self, mut keep: impl FnMut(&mut T) -> bool) {
        let mut kept = 0;
        for number in 0..self.0.count.get() {
            if let Some(mut value) = self.get(number)
                && keep(&mut value)
            {
                // SAFETY: this place is that of the value just read, or an earlier one.
                unsafe { self.place(kept).write(value) };
                kept += 1;
            }
        }
        self.0.count.set(kept);
    }

    /// Lets `change` change the first value for which `before` is false. `before` is true for none of the values after that.
    pub(crate) fn change_first(&self, before: impl Fn(T) -> bool, change: impl FnOnce(&mut T)) {
        let (mut low, mut high) = (0, self.0.count.get());
        while low < high {
            let middle = low + (high - low) / 2;
            match self.get(middle) {
                Some(value) if before(value) => low = middle + 1,
                _ => high = middle,
            }
        }
        if let Some(mut value) = self.get(low) {
            change(&mut value);
            // SAFETY: the place is that of the value just read.
            unsafe { self.place(low).write(value) };
        }
    }

    pub(crate) fn clear(&self) {
        self.0.count.set(0);
    }
}

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use super::*;

    #[test]
    fn a_ring_that_grows_keeps_the_order_wherever_its_first_value_is() {
        for dropped in [0, 1, 10, SMALL - 1] {
            let ring = Ring::new();
            (0..SMALL).for_each(|value| ring.push(value));
            (0..dropped).for_each(|_| ring.drop_first());
            (SMALL..4 * SMALL).for_each(|value| ring.push(value));
            let mut seen = Vec::new();
            while let Some(value) = ring.first() {
                seen.push(value);
                ring.drop_first();
            }
            assert!(seen.into_iter().eq(dropped..4 * SMALL), "{dropped}");
        }
    }
}
