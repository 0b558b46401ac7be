//! The way back: how long acknowledgements wait there behind what the peer sends.
//!
//! Where both ends send much and the way back is slow, the peer's segments keep a queue there. Round trips are longer by that wait, while
//! the way out holds no more. The time stamps of the peer's segments tell how long it is.

/// A wait as long as this, ms, is none: one of the clocks was set.
const TOO_LONG: u32 = 5_000;
/// Waits over which the mean is taken.
const SMOOTH: u32 = 8;

#[derive(Clone, Copy, Debug)]
pub(super) struct WayBack {
    /// This end's clock less the peer's where the wait was shortest, ms. At first a number that none is near.
    shortest: u32,
    /// Mean of the waits, ms, times `SMOOTH`.
    mean: u32,
    /// By how much each wait of this round was longer than its round trip allows, at least, ms; before the first, more than `TOO_LONG`.
    drift: u32,
}

impl WayBack {
    pub(super) const fn new() -> WayBack {
        WayBack {
            shortest: 1 << 31,
            mean: 0,
            drift: u32::MAX,
        }
    }

    /// How long what has just arrived waited on the way back, ms. It waited no longer than its round trip was `beyond` the shortest. `offset`
    /// is this end's clock less the time stamp of a segment of the peer, if one has arrived.
    pub(super) fn take(&mut self, offset: Option<u32>, beyond: u32) -> u32 {
        let Some(offset) = offset else {
            return self.mean().min(beyond);
        };
        let mut wait = offset.wrapping_sub(self.shortest);
        // A wait below 0 is such a long one, too.
        if wait >= TOO_LONG {
            self.shortest = offset;
            wait = 0;
        }
        self.drift = self.drift.min(wait.saturating_sub(beyond));
        let wait = wait.min(beyond);
        self.mean = self.mean - self.mean / SMOOTH + wait;
        wait
    }

    /// Mean of the waits, ms.
    pub(super) fn mean(&self) -> u32 {
        self.mean / SMOOTH
    }

    /// A round trip ends.
    pub(super) fn end_round(&mut self) {
        let drift = core::mem::replace(&mut self.drift, u32::MAX);
        if drift < TOO_LONG {
            self.shortest = self.shortest.wrapping_add(drift);
        } else {
            // A peer that sends nothing keeps no queue.
            self.mean /= 2;
        }
    }
}

// Plain arithmetic in long loops, which Miri need not check.
#[cfg(all(test, not(miri)))]
mod tests {
    use super::*;

    /// A round trip of ten flushes that waited for up to 40 ms on the way back, and for `queue` ms on the way out. Returns the longest wait
    /// that was found.
    fn round(way_back: &mut WayBack, offset: u32, queue: u32) -> u32 {
        let found = (4..=40).step_by(4).map(|wait| {
            let offset = offset.wrapping_add(wait);
            way_back.take(Some(offset), wait + queue)
        });
        let found = found.max().unwrap_or(0);
        way_back.end_round();
        found
    }

    #[test]
    fn clocks_that_drift_apart_are_found_out_where_no_queue_stands() {
        for drift in [-1_i32, 1] {
            let mut way_back = WayBack::new();
            // It crosses 0.
            let mut offset = 300_u32.wrapping_mul(drift.wrapping_neg().cast_unsigned());
            for n in 0..100_000 {
                offset = offset.wrapping_add_signed(if n % 50 == 0 { drift } else { 0 });
                let queue = if n % 10 == 0 { 0 } else { 1_000 };
                let found = round(&mut way_back, offset, queue);
                assert!((36..=41).contains(&found), "{found} after {n} rounds");
            }
        }
    }

    #[test]
    fn after_a_clock_was_set_waits_are_found_again() {
        let mut way_back = WayBack::new();
        for offset in [0, 3_600_000, 0, 1 << 31, 7_000, 6_000, 6_500] {
            for _ in 0..3 {
                round(&mut way_back, offset, 0);
            }
            let found = round(&mut way_back, offset, 1_000);
            assert!((36..=40).contains(&found), "{found} of {offset}");
        }
    }

    #[test]
    fn a_peer_that_sends_no_more_keeps_no_queue() {
        let mut way_back = WayBack::new();
        for _ in 0..10 {
            round(&mut way_back, 0, 5);
        }
        assert!(way_back.mean() > 10);
        for _ in 0..10 {
            way_back.take(None, 40);
            way_back.end_round();
        }
        assert_eq!(way_back.mean(), 0);
    }
}
