//! Messages of more fragments than the original sends, and none that the peer has no window for.
//!
//! A header has 8 bits for the fragments that follow, and every receiver puts together what its window holds.

use core::cell::Cell;
use core::ffi::c_int;

use super::Extras;
use crate::kcp::Kcp;
use crate::send::REFUSED;

/// Fragments of a message, at most.
const MOST: u32 = 255;
/// The answer when the peer has no window for the message, and would never deliver it.
const TOO_LONG: c_int = -3;

pub(super) struct Large {
    on: Cell<bool>,
    /// The peer has told its window in a packet since then.
    heard: Cell<bool>,
    /// The largest that it told before it told `rmt_wnd`.
    window: Cell<u32>,
}

impl Extras {
    /// The peer has told `window` in the packet before this one.
    #[inline(always)]
    pub(super) fn window_told(&self, window: u32) {
        let large = &self.large;
        if large.heard.replace(true) && window > large.window.get() {
            large.window.set(window);
        }
    }

    /// What `ikcp_send` answers to a message of `count` fragments: 0 when it takes it, and `None` where all is as in the
    /// original.
    #[inline(never)]
    pub(crate) fn refusal(&self, kcp: &Kcp<'_>, count: u32, stream: bool) -> Option<c_int> {
        let large = &self.large;
        large.on.get().then(|| {
            if stream {
                0
            } else if count > MOST {
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
    /// Lets messages have 255 fragments, and refuses those that the peer has no window for; or all as in the original. 0, or -1
    /// without memory.
    pub fn large_messages(&self, on: bool) -> c_int {
        let Some(state) = self.ask() else {
            return -1;
        };
        let large = &state.large;
        if large.on.replace(on) != on {
            large.heard.set(false);
            large.window.set(0);
            state.needs_attention(if on { 1 } else { u32::MAX });
        }
        0
    }
}
