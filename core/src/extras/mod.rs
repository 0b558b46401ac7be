//! What a program can ask for beside congestion control: counters, large messages, and how a link that fails is treated.
//!
//! All of it hangs on one pointer, NULL until the program asks for something that has to be remembered. What the rest of the
//! code tells this module is a test of that pointer then, on ways that are taken once for a packet, a flush or a resend.
//!
//! - `due`: when something is due, and an update that sends it then; it remembers nothing
//! - `expiry`: messages that are dropped when they have not begun to leave in time
//! - `large`: messages of more than 127 fragments
//! - `link`: a path that has changed, a bound on timeouts, a link without progress
//! - `counters`: what happens is counted
//! - `needless`: which resends proved to be for nothing
//! - `stats`: the counters as the program gets them

mod counters;
mod due;
mod expiry;
mod large;
mod link;
mod needless;
mod stats;

use core::cell::Cell;
use core::ffi::{c_int, c_void};
use core::ptr;

use crate::abi::IKCPCB;
use crate::kcp::Kcp;
use crate::seq::Earliest;
use counters::Counters;
use large::Large;
use link::Link;
use needless::Resent;
pub use stats::IKCPX_STATS;

/// Called when the link counts as dead.
pub type DeadLink = unsafe extern "C" fn(kcp: *mut IKCPCB, user: *mut c_void);

/// What a connection remembers for its extras. Zero is the first value of all of it.
pub(crate) struct Extras {
    /// Reasons to look at what arrives: segments in `resent`, and large messages.
    attention: Cell<u32>,
    counters: Counters,
    resent: Resent,
    link: Link,
    large: Large,
    /// When the first message in the queue expires, as far as is known.
    expires: Earliest,
}

impl Extras {
    fn needs_attention(&self, more: u32) {
        self.attention.set(self.attention.get().wrapping_add(more));
    }
}

impl Kcp<'_> {
    /// What is remembered, if the program has asked for anything.
    #[inline(always)]
    pub(crate) fn extras(&self) -> Option<&Extras> {
        self.private().extras.get()
    }

    /// The same, and makes it. `None` without memory.
    fn ask(&self) -> Option<&Extras> {
        self.private().extras.get_or_zeroed()
    }

    /// Counts from the first call on, and gives what was counted: as many bytes of it as there are, and zeros behind. -1
    /// without memory.
    ///
    /// # Safety
    /// `stats` is NULL or has `size` bytes.
    pub unsafe fn stats(&self, stats: *mut IKCPX_STATS, size: usize) -> c_int {
        let Some(state) = self.ask() else {
            return -1;
        };
        if !state.counters.asked.replace(true) {
            // SAFETY: zero is a value of a cell of a number, and nothing but cells is borrowed.
            unsafe {
                ptr::from_ref(&state.counters.stats)
                    .cast_mut()
                    .write_bytes(0, 1);
            }
            self.start_counting(state);
        }
        let counted = self.counted(state);
        if !stats.is_null() {
            let len = size.min(size_of::<IKCPX_STATS>());
            let delivered = &counted.bytes_delivered;
            let before = delivered.get();
            delivered.set(before.wrapping_add(u64::from(self.ackedlen.get())));
            // SAFETY: the caller's promise; the struct has no padding.
            unsafe {
                ptr::write_bytes(stats.cast::<u8>(), 0, size);
                ptr::copy_nonoverlapping(ptr::from_ref(counted).cast(), stats.cast::<u8>(), len);
            }
            delivered.set(before);
        }
        0
    }
}
