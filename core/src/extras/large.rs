//! Messages with more fragments than the original sends, but none that the peer's window cannot hold.
//!
//! A header has 8 bits for the number of fragments that follow, and every receiver can assemble as many as its window holds.

use core::cell::Cell;
use core::ffi::c_int;

use super::Extras;
use crate::kcp::Kcp;
use crate::send::REFUSED;

/// The most fragments of a message with `large_messages`.
pub const MOST_FRAGMENTS: u32 = 255;
/// What `send` returns if the peer's window is too small: the message would never be delivered.
pub const TOO_LONG: c_int = -3;

pub(super) struct Large {
    on: Cell<bool>,
    /// A packet has told the peer's window since it is on.
    heard: Cell<bool>,
    /// The largest window that the peer told before `rmt_wnd`.
    window: Cell<u32>,
}

impl Large {
    pub(super) fn is_on(&self) -> bool {
        self.on.get()
    }
}

impl Extras {
    /// The last packet told `window`.
    #[inline(always)]
    pub(super) fn window_told(&self, window: u32) {
        let large = &self.large;
        if large.heard.replace(true) && window > large.window.get() {
            large.window.set(window);
        }
    }

    /// What `ikcp_send` returns for a message of `count` fragments: 0 if it accepts it. `None` leaves the decision to the
    /// original's rules.
    pub(crate) fn refusal(&self, kcp: &Kcp<'_>, count: u32, stream: bool) -> Option<c_int> {
        let large = &self.large;
        large.on.get().then(|| {
            if stream {
                0
            } else if count > MOST_FRAGMENTS {
                REFUSED
            } else if count > large.window.get().max(kcp.rmt_wnd.get()).max(1) {
                TOO_LONG
            } else {
                0
            }
        })
    }
}

impl Kcp<'_> {
    /// Allows messages of 255 fragments and refuses those that the peer's window cannot hold, or restores the original's rules.
    /// Returns 0, or -1 without memory.
    pub fn large_messages(&self, on: bool) -> c_int {
        let Some(state) = self.ask_if(on) else {
            return -c_int::from(on);
        };
        let large = &state.large;
        if large.on.replace(on) != on {
            large.heard.set(false);
            large.window.set(0);
            state.choose_attention();
        }
        0
    }
}
