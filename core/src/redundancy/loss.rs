//! Whether packets get lost: told by which transmission of a segment the peer acknowledges first.
//!
//! A resend alone proves nothing: its timeout may have been too short. But when the acknowledgement echoes the time stamp of a
//! resend or a copy, what left before it was lost, or its acknowledgement was.

use core::cell::Cell;

/// A moving average over some 256 segments of the share that was lost, in units of 2^-24.
#[derive(Default)]
pub(super) struct Loss(Cell<u32>);

/// One segment more or less.
const STEP: u32 = 8;
const ALL: u32 = 1 << 24;

/// From here on losses are evident: one in 350 segments.
const EVIDENT: u32 = ALL / 1_000;

impl Loss {
    /// The first transmission of a segment arrived.
    pub(super) fn arrived(&self) {
        self.0.set(self.0.get() - (self.0.get() >> STEP));
    }

    /// It did not.
    pub(super) fn lost(&self) {
        self.arrived();
        self.0.set(self.0.get() + (ALL >> STEP));
    }

    pub(super) fn is_evident(&self) -> bool {
        self.0.get() >= EVIDENT
    }
}

// Arithmetic without unsafe code, and long: nothing for Miri.
#[cfg(all(test, not(miri)))]
mod tests {
    use super::*;

    #[test]
    fn one_loss_is_evident_for_some_hundred_segments() {
        let loss = Loss::default();
        assert!(!loss.is_evident());
        loss.lost();
        assert!(loss.is_evident());
        let after = (1..).find(|_| {
            loss.arrived();
            !loss.is_evident()
        });
        assert_eq!(after, Some(350));
    }

    #[test]
    fn the_average_stays_a_share() {
        let loss = Loss::default();
        for _ in 0..100_000 {
            loss.lost();
            assert!(loss.0.get() <= ALL);
        }
        for _ in 0..100_000 {
            loss.arrived();
        }
        assert!(loss.0.get() < 256);
    }
}
