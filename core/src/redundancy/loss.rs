//! Whether packets get lost, judged by the transmission of a segment that the peer acknowledges first.
//!
//! A retransmission alone proves nothing, because the timeout may have been too short. But if the acknowledgement echoes the time
//! stamp of a retransmission or a copy, then an earlier transmission or its acknowledgement was lost.

use core::cell::Cell;

/// The share of segments that were lost, in units of 2^-24: a moving average over some 256 segments.
#[derive(Default)]
pub(super) struct Loss(Cell<u32>);

/// The weight of one segment is 2^-STEP.
const STEP: u32 = 8;
const ALL: u32 = 1 << 24;

/// Above this share losses are evident; one loss keeps it there for 350 segments.
const EVIDENT: u32 = ALL / 1_000;

impl Loss {
    /// The first transmission of a segment arrived.
    pub(super) fn arrived(&self) {
        self.0.set(self.0.get() - (self.0.get() >> STEP));
    }

    /// The first transmission of a segment was lost.
    pub(super) fn lost(&self) {
        self.arrived();
        self.0.set(self.0.get() + (ALL >> STEP));
    }

    pub(super) fn is_evident(&self) -> bool {
        self.0.get() >= EVIDENT
    }
}

// Plain arithmetic in long loops, which Miri need not check.
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
