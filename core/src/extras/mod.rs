//! What a program can ask for besides congestion control: counters, large messages, and rules for failing links.
//!
//! One pointer holds all of it. The pointer is NULL until the program asks for something that must be remembered; until then the
//! rest of the code only tests that pointer, once per packet, flush or retransmission.
//!
//! - `due`: when something is due, and an update that sends it at that time; keeps no state
//! - `expiry`: messages that are dropped unless they begin to leave in time
//! - `large`: messages of more than 127 fragments
//! - `link`: a path that has changed, a bound on timeouts, a link without progress
//! - `counters`: the counting
//! - `needless`: which retransmissions were spurious
//! - `stats`: the counters as the program sees them

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
use crate::memory::on_demand::Zeroed;
use crate::seq::Earliest;
use counters::Counters;
use large::Large;
pub use large::{MOST_FRAGMENTS, TOO_LONG};
use link::Link;
use needless::Resent;
pub use stats::IKCPX_STATS;

/// Called when the link is dead.
pub type DeadLink = unsafe extern "C" fn(kcp: *mut IKCPCB, user: *mut c_void);

/// What a connection records for its extras. Zeroed memory is a valid value.
pub(crate) struct Extras {
    /// The next admission has to look at each segment: segments wait, messages may expire, redundancy is on, or the link must make
    /// progress.
    watches_admission: Cell<bool>,
    counters: Counters,
    resent: Resent,
    link: Link,
    large: Large,
    /// When the first message in the queue expires, as far as is known.
    expires: Earliest,
}

// SAFETY: cells of numbers and booleans, of an enum whose first value is 0, and of an optional function.
unsafe impl Zeroed for Extras {}

impl Extras {
    /// Arriving packets are looked into while there are segments in `resent`, or large messages.
    #[inline(never)]
    fn choose_attention(&self) {
        let wanted = self.resent.remembers() || self.large.is_on();
        self.counters.arrived.look_into_packets(wanted);
    }
}

impl Kcp<'_> {
    /// The extras, if the program has asked for any.
    #[inline(always)]
    pub(crate) fn extras(&self) -> Option<&Extras> {
        self.private().extras.get()
    }

    /// The extras, which are created at the first call. `None` without memory.
    #[cold]
    #[inline(never)]
    fn ask(&self) -> Option<&Extras> {
        let extras = self.private().extras.get_or_zeroed();
        self.watch_admission();
        extras
    }

    /// The extras for a setting. Only one that is turned `on` needs memory.
    fn ask_if(&self, on: bool) -> Option<&Extras> {
        if on { self.ask() } else { self.extras() }
    }

    /// The next admission looks at each segment, because a setting has changed.
    pub(crate) fn watch_admission(&self) {
        if let Some(extras) = self.extras() {
            extras.watches_admission.set(true);
        }
    }

    /// Counts from the first call on. Copies the counters to `stats`, up to `size` bytes, and fills the rest with zeros. Returns
    /// 0, or -1 without memory.
    ///
    /// # Safety
    /// `stats` is NULL or has `size` bytes.
    pub unsafe fn stats(&self, stats: *mut IKCPX_STATS, size: usize) -> c_int {
        let Some(state) = self.ask() else {
            return -1;
        };
        if !state.counters.asked.replace(true) {
            // SAFETY: zero is a valid number for every cell, and references to cells allow the write.
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
