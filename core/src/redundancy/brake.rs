//! Lowers redundancy where it fills a queue. A rising minimum of the round-trip times shows a queue.
//!
//! Jitter spreads round-trip times and hardly moves the minimum of many; a queue moves it. The share of the budget that is spent
//! begins at a quarter, and grows slowly while something is spent. When several samples in a row are all well above the minimum of the
//! last half minute, nothing is spent until the round-trip time has come down; after that, less than the share that filled the queue is
//! spent.

use core::cell::Cell;

use crate::seq::Millis;

/// Between two steps of growth there are at least this many milliseconds, and this many samples.
const PERIOD: u32 = 500;
const SAMPLES: u32 = 16;

/// After this many delayed samples in a row, nothing is spent until a sample is not delayed.
const SUSPICIOUS: u32 = 8;
/// After this many, the delay is taken for a queue.
const CERTAIN: u32 = 12;

/// How long a minimum is valid, ms: at least this, at most twice as long.
const BELIEVED: u32 = 30_000;

/// Longer than any round trip.
const NO_RTT: u32 = u32::MAX;

/// The first share, its growth per step, and the growth of the ceiling per step after `HELD` ms without a queue. [`Brake::WHOLE`] is
/// the whole budget.
const START: u32 = 64;
const STEP: u32 = 24;
const CEILING_STEP: u32 = 8;
const HELD: u32 = 60_000;

/// A queue adds at least this to the minimum, ms, plus a quarter of the minimum.
const QUEUE: u32 = 30;

/// Zero is a valid state; `begin` sets the rest.
#[derive(Default)]
pub(super) struct Brake {
    /// The share of the program's budget that may be spent, and the most that it may grow to.
    share: Cell<u32>,
    ceiling: Cell<u32>,
    /// When a queue was last seen.
    queued_at: Cell<Millis>,
    /// Number of delayed samples in a row so far.
    delayed: Cell<u32>,
    /// When the share last changed, and the samples since then.
    step_at: Cell<Millis>,
    samples: Cell<u32>,
    /// The minimum of the period that began at `since`, and that of the period before; `NO_RTT` without samples.
    lowest: Cell<u32>,
    since: Cell<Millis>,
    before: Cell<u32>,
}

impl Brake {
    pub(super) const WHOLE: u32 = 256;

    pub(super) fn begin(&self) {
        self.share.set(START);
        self.ceiling.set(Self::WHOLE);
        self.lowest.set(NO_RTT);
        self.before.set(NO_RTT);
        self.delayed.set(0);
        self.samples.set(0);
    }

    /// The share of the budget that may be spent; [`Brake::WHOLE`] is all of it.
    pub(super) fn share(&self) -> u32 {
        if self.delayed.get() < SUSPICIOUS {
            self.share.get()
        } else {
            0
        }
    }

    /// True while a queue keeps the share at 0.
    pub(super) fn is_on(&self) -> bool {
        self.share.get() == 0
    }

    /// A round trip took `rtt` ms. What is spent may grow only while `spends` says that something is.
    pub(super) fn sample(&self, rtt: u32, now: Millis, spends: bool) {
        let believed = now.since(self.since.get()).unsigned_abs();
        if self.lowest.get() == NO_RTT || believed > BELIEVED {
            self.before.set(self.lowest.replace(rtt));
            self.since.set(now);
        } else {
            self.lowest.set(self.lowest.get().min(rtt));
        }
        let lowest = self.lowest.get().min(self.before.get());
        let queue = (lowest / 4).saturating_add(QUEUE);
        self.delayed.set(if rtt > lowest.saturating_add(queue) {
            self.delayed.get() + 1
        } else {
            0
        });
        if self.samples.get() == 0 {
            self.step_at.set(now);
        }
        self.samples.set(self.samples.get().saturating_add(1));
        // The queue of a link says something about the share only while that is spent.
        let quiet = spends && self.samples.get() > SAMPLES && self.delayed.get() < SUSPICIOUS;
        if self.delayed.get() >= CERTAIN {
            self.judge(true, now);
            self.delayed.set(0);
            self.samples.set(0);
        } else if quiet && now.since(self.step_at.get()).unsigned_abs() > PERIOD {
            self.judge(false, now);
            self.samples.set(0);
        }
    }

    /// Changes the share after a step: with or without a `queue` in it.
    fn judge(&self, queue: bool, now: Millis) {
        let (share, ceiling) = (self.share.get(), self.ceiling.get());
        if queue {
            if share > 0 {
                self.ceiling.set(share * 5 / 8);
            }
            self.share.set(0);
            self.queued_at.set(now);
        } else if share == 0 {
            // At least 1, because a share of 0 would never grow again.
            self.share.set((ceiling / 2).max(1));
        } else if share < ceiling {
            self.share.set((share + STEP).min(ceiling));
        } else if now.since(self.queued_at.get()).unsigned_abs() > HELD {
            self.ceiling.set((ceiling + CEILING_STEP).min(Self::WHOLE));
        }
    }
}

// Plain arithmetic in long loops, which Miri need not check.
#[cfg(all(test, not(miri)))]
mod tests {
    use super::*;

    /// Takes a sample of `rtt(now)` every 20 ms, from `start` on for `seconds`. Returns the shares.
    fn play(
        brake: &Brake,
        start: u32,
        seconds: u32,
        rtt: impl Fn(u32) -> u32,
    ) -> std::vec::Vec<u32> {
        (0..seconds * 50)
            .map(|n| {
                let now = start.wrapping_add(n * 20);
                brake.sample(rtt(now), Millis(now), true);
                brake.share()
            })
            .collect()
    }

    fn begun() -> Brake {
        let brake = Brake::default();
        brake.begin();
        brake
    }

    #[test]
    fn jitter_alone_leaves_the_whole_budget_after_some_seconds() {
        let brake = begun();
        // 60 to 125 ms in an order that repeats after 23 samples; the clock wraps in between.
        let shares = play(&brake, u32::MAX - 10_000, 60, |now| {
            60 + (now / 20 * 7) % 23 * 65 / 22
        });
        assert_eq!(shares.first(), Some(&START));
        let whole = shares.iter().position(|&share| share == Brake::WHOLE);
        assert!(whole.is_some_and(|n| n < 50 * 10), "{whole:?}");
        assert_eq!(shares.last(), Some(&Brake::WHOLE));
    }

    #[test]
    fn a_queue_stops_it_and_lowers_what_is_spent_afterwards() {
        let brake = begun();
        play(&brake, 0, 20, |_| 60);
        assert_eq!(brake.share(), Brake::WHOLE);
        let shares = play(&brake, 20_000, 3, |_| 110);
        let stops = shares.iter().position(|&share| share == 0);
        assert_eq!(stops, Some(SUSPICIOUS as usize - 1));
        assert!(brake.is_on());
        play(&brake, 23_000, 20, |_| 62);
        assert_eq!(brake.share(), Brake::WHOLE * 5 / 8);
        // After a minute without a queue the share grows.
        play(&brake, 43_000, 60, |_| 62);
        assert!(brake.share() > Brake::WHOLE * 5 / 8);
    }

    #[test]
    fn the_share_grew_while_nothing_was_lost_so_the_first_loss_spent_all_at_once() {
        let brake = begun();
        for n in 0..3_000 {
            brake.sample(60, Millis(n * 20), false);
        }
        assert_eq!(brake.share(), START);
        let shares = play(&brake, 60_000, 20, |_| 60);
        assert!(shares[0] < 2 * START && brake.share() == Brake::WHOLE);
    }

    #[test]
    fn some_late_packets_only_pause_it() {
        let brake = begun();
        play(&brake, 0, 20, |_| 60);
        for _ in 1..CERTAIN {
            brake.sample(110, Millis(20_000), true);
        }
        assert!(brake.share() == 0 && !brake.is_on());
        brake.sample(60, Millis(20_000), true);
        assert_eq!(brake.share(), Brake::WHOLE);
    }

    #[test]
    fn a_longer_way_counts_as_such_after_a_minute() {
        let brake = begun();
        play(&brake, 0, 20, |_| 60);
        play(&brake, 20_000, 61, |_| 160);
        play(&brake, 81_000, 20, |_| 160);
        assert!(brake.share() > 0);
    }

    #[test]
    fn any_samples_keep_the_share_within_its_bounds() {
        let brake = begun();
        for n in 0..100_000u32 {
            let noise = n.wrapping_mul(2_654_435_761);
            brake.sample(noise, Millis(noise.rotate_left(9)), n % 3 > 0);
            assert!(brake.share() <= Brake::WHOLE);
        }
    }
}
