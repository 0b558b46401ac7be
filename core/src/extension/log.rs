//! The transmissions of a connection in their order, in a ring that grows with the data in flight.

use core::ptr::{self, NonNull};

use crate::cc::rack::{Log, Sent};
use crate::memory::{allocate, deallocate};

/// Room of the ring at first and at most, in transmissions.
const SMALL: u32 = 64;
const LARGE: u32 = 1 << 18;

pub(super) struct Transmissions {
    at: *mut Sent,
    /// A power of two; 0 before there is a ring.
    room: u32,
    first: u32,
    count: u32,
}

impl Transmissions {
    pub(super) const fn new() -> Transmissions {
        Transmissions {
            at: ptr::null_mut(),
            room: 0,
            first: 0,
            count: 0,
        }
    }

    fn place(&self, number: u32) -> *mut Sent {
        let slot = self.first.wrapping_add(number) & (self.room - 1);
        // SAFETY: callers have a ring, and the mask keeps the slot inside.
        unsafe { self.at.add(slot as usize) }
    }

    /// Records a transmission. Without memory for it the oldest is forgotten, and only its timeout can find it lost.
    pub(super) fn push(&mut self, sent: Sent) {
        if self.count == self.room && !self.grow() {
            if self.room == 0 {
                return;
            }
            self.drop_first();
        }
        // SAFETY: there is a ring, and this slot of it is free.
        unsafe { self.place(self.count).write(sent) };
        self.count += 1;
    }

    #[cold]
    fn grow(&mut self) -> bool {
        let room = (self.room * 2).max(SMALL);
        if room > LARGE {
            return false;
        }
        let Some(memory) = allocate(room as usize * size_of::<Sent>()) else {
            return false;
        };
        let at: NonNull<Sent> = memory.cast();
        for number in 0..self.count {
            // SAFETY: both rings have as many places, and those of the old one are initialized.
            unsafe { at.add(number as usize).write(self.place(number).read()) };
        }
        self.free();
        self.at = at.as_ptr();
        self.room = room;
        self.first = 0;
        true
    }

    pub(super) fn clear(&mut self) {
        self.count = 0;
    }

    fn free(&mut self) {
        if !self.at.is_null() {
            // SAFETY: `grow` allocated it.
            unsafe { deallocate(self.at.cast()) };
        }
    }
}

impl Drop for Transmissions {
    fn drop(&mut self) {
        self.free();
    }
}

impl Log for Transmissions {
    fn first(&self) -> Option<Sent> {
        // SAFETY: `count` places are initialized.
        (self.count > 0).then(|| unsafe { self.place(0).read() })
    }

    fn drop_first(&mut self) {
        if self.count > 0 {
            self.count -= 1;
            self.first = self.first.wrapping_add(1) & (self.room - 1);
        }
    }
}
