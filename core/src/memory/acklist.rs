//! `acklist`: pending acknowledgements, which the next flush sends.

use core::ptr;

use crate::kcp::Kcp;
use crate::memory::{allocate, deallocate};
use crate::wire::Ack;

/// When more acknowledgements than this many receive windows are pending, duplicates are no longer acknowledged.
const PENDING_WINDOWS: u64 = 8;

/// Pending acknowledgements.
#[derive(Clone, Copy)]
pub(crate) struct PendingAcks {
    list: *const Ack,
    len: u32,
}

impl PendingAcks {
    /// Acknowledgement number `n`.
    #[inline(always)]
    pub(crate) fn get(self, n: u32) -> Option<Ack> {
        // SAFETY: the list holds `len` of them.
        (n < self.len).then(|| unsafe { *self.list.add(n as usize) })
    }
}

impl Kcp<'_> {
    /// True if another acknowledgement fits without growing the list.
    #[inline(always)]
    pub(crate) fn has_room_for_ack(&self) -> bool {
        self.ackcount.get() < self.ackblock.get() && !self.acklist.get().is_null()
    }

    /// Adds an acknowledgement. The list has room for it.
    #[inline(always)]
    pub(crate) fn push_ack(&self, ack: Ack) {
        let count = self.ackcount.get();
        self.set_pending_ack(count, ack);
        self.ackcount.set(count + 1);
    }

    /// Adds an acknowledgement and makes room for it. False without memory.
    pub(crate) fn try_push_ack(&self, ack: Ack) -> bool {
        let noted = self.has_room_for_ack() || self.grow_acklist();
        if noted {
            self.push_ack(ack);
        }
        noted
    }

    /// Removes the acknowledgement that was added last.
    pub(crate) fn pop_ack(&self) {
        self.ackcount.set(self.ackcount.get().saturating_sub(1));
    }

    /// True if so many acknowledgements are pending that duplicates get none. Otherwise a flood of duplicates would grow the list
    /// without bound. A window of 0, which only a program can set, counts as 1: the peer has to learn what arrived before.
    #[inline(always)]
    pub(crate) fn acks_overflow(&self) -> bool {
        u64::from(self.ackcount.get()) >= PENDING_WINDOWS * u64::from(self.rcv_wnd.get().max(1))
    }

    /// Removes the first `count` pending acknowledgements, which a flush has written. Those that a callback added meanwhile stay.
    #[inline(always)]
    pub(crate) fn drop_acks(&self, count: u32) {
        if let Some(extras) = self.extras() {
            extras.acks_sent(count);
        }
        if self.ackcount.get() == count {
            self.ackcount.set(0);
        } else {
            self.drop_some_acks(count);
        }
    }

    #[cold]
    #[inline(never)]
    fn drop_some_acks(&self, count: u32) {
        let acks = self.pending_acks(u32::MAX);
        let mut left = 0;
        while let Some(ack) = acks.get(count + left) {
            self.set_pending_ack(left, ack);
            left += 1;
        }
        self.ackcount.set(left);
    }

    /// Replaces `acklist` by one with room for another acknowledgement and keeps the pending ones. False without memory. The room
    /// doubles from 8 on, as in the original.
    #[cold]
    #[inline(never)]
    fn grow_acklist(&self) -> bool {
        let count = self.ackcount.get();
        let block = (count | 7)
            .checked_add(1)
            .and_then(u32::checked_next_power_of_two);
        let Some(block) = block else {
            return false;
        };
        let size = (block as usize).checked_mul(size_of::<Ack>());
        let Some(memory) = size.and_then(allocate) else {
            return false;
        };
        let (old, new) = (self.acklist.get(), memory.cast::<Ack>().as_ptr());
        if !old.is_null() {
            // SAFETY: the old list holds `ackcount` of them, and the new one has room for more.
            unsafe {
                ptr::copy_nonoverlapping(old.cast(), new, count as usize);
                deallocate(old.cast());
            }
        }
        self.acklist.set(new.cast());
        self.ackblock.set(block);
        true
    }

    /// The first `count` pending acknowledgements, or all if there are fewer. Valid until one is added or a callback runs.
    #[inline(always)]
    pub(crate) fn pending_acks(&self, count: u32) -> PendingAcks {
        let list = self.acklist.get();
        let len = if list.is_null() {
            0
        } else {
            self.ackcount.get().min(count)
        };
        PendingAcks {
            list: list.cast(),
            len,
        }
    }

    /// Writes pending acknowledgement `n`; `n` is below `ackblock`.
    #[inline(always)]
    fn set_pending_ack(&self, n: u32, ack: Ack) {
        debug_assert!(n < self.ackblock.get());
        // SAFETY: the list has room for `ackblock` of them.
        unsafe { self.acklist.get().cast::<Ack>().add(n as usize).write(ack) }
    }

    pub(crate) fn free_acklist(&self) {
        let list = self.acklist.replace(ptr::null_mut());
        self.ackblock.set(0);
        if !list.is_null() {
            // SAFETY: `grow_acklist` allocated it.
            unsafe { deallocate(list.cast()) }
        }
    }
}
