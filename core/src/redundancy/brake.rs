//! Lowers redundancy where it fills a queue. A rising minimum of the round-trip times shows a queue.
//!
//! Jitter and stalls spread round-trip times and hardly move the minimum of many; a queue moves it. The share of the budget that is
//! spent begins at a ninth, and grows while something is spent. When the shortest round trips of several short spells in a row are all
//! further above the minimum of the last half minute than jitter explains, nothing is spent until the round-trip time has come down;
//! after that, less than the share that filled the queue is spent, and little where the queue stayed while nothing was spent.

use core::cell::Cell;

use crate::seq::Millis;

/// The shortest round trip of each spell of so many milliseconds counts. A program or a radio that stands still for a moment delays
/// many packets, and the last of them little.
const SPELL: u32 = 32;

/// Spells between two steps of growth: a tenth of a second or more.
const PERIOD: u32 = 3;

/// After this many delayed spells in a row, nothing is spent until one is not delayed.
const SUSPICIOUS: u32 = 6;
/// After this many, the delay is taken for a queue.
const CERTAIN: u32 = 9;

/// How long a minimum is valid, ms: at least this, at most twice as long.
const BELIEVED: u32 = 30_000;

/// Longer than any round trip.
const NO_RTT: u32 = u32::MAX;

/// The first share, which doubles with each step, and the growth of the ceiling per step after `HELD` ms without a queue.
/// [`Brake::WHOLE`] is the whole budget. On a link that is nearly full, a first share of a quarter can begin a queue that stays.
const START: u32 = 28;
const CEILING_STEP: u32 = 8;
const HELD: u32 = 60_000;
/// The lowest ceiling.
const LEAST: u32 = 2;

/// A queue adds at least this to the minimum, ms, and two and a half times the usual difference between one spell and the next.
const QUEUE: u32 = 15;
/// The usual difference is a moving average over so many spells; and what it is before the first, ms.
const USUAL: u32 = 32;
const FIRST: u32 = 8;
/// Longer round trips count as this many milliseconds.
const MOST: u32 = 10_000;

/// Zero is a valid state; `begin` sets the rest.
#[derive(Default)]
pub(super) struct Brake {
    /// The share of the program's budget that may be spent, and the most that it may grow to.
    share: Cell<u32>,
    ceiling: Cell<u32>,
    /// When a queue was last seen.
    queued_at: Cell<Millis>,
    /// When the present spell began, its shortest round trip, and that of the spell before.
    spell_at: Cell<Millis>,
    shortest: Cell<u32>,
    last: Cell<u32>,
    /// The usual difference between one spell and the next, times `USUAL`.
    differ: Cell<u32>,
    /// Number of delayed spells in a row so far, and spells since the share last changed.
    delayed: Cell<u32>,
    spells: Cell<u32>,
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
        self.shortest.set(NO_RTT);
        self.lowest.set(NO_RTT);
        self.before.set(NO_RTT);
        self.differ.set(FIRST * USUAL);
        self.delayed.set(0);
        self.spells.set(0);
    }

    /// The share of the budget that may be spent; [`Brake::WHOLE`] is all of it.
    pub(super) fn share(&self) -> u32 {
        if self.delayed.get() < SUSPICIOUS {
            self.share.get()
        } else {
            0
        }
    }

    /// A round trip took `rtt` ms. What is spent may grow only while `spends` says that something is.
    pub(super) fn sample(&self, rtt: u32, now: Millis, spends: bool) {
        self.shortest.set(self.shortest.get().min(rtt).min(MOST));
        if now.since(self.spell_at.get()).unsigned_abs() >= SPELL {
            self.spell_at.set(now);
            self.spell(self.shortest.replace(NO_RTT), now, spends);
        }
    }

    /// A spell with this shortest round trip ends.
    fn spell(&self, rtt: u32, now: Millis, spends: bool) {
        let believed = now.since(self.since.get()).unsigned_abs();
        let differ = self.differ.get();
        let margin = QUEUE + 5 * differ / (2 * USUAL);
        if self.lowest.get() == NO_RTT || believed > BELIEVED {
            let period = self.lowest.replace(rtt);
            let before = self.before.replace(period);
            if before < NO_RTT && period > before + margin {
                // The way has become longer. It was no queue that stayed.
                self.ceiling.set(Self::WHOLE);
            }
            self.since.set(now);
        } else {
            self.lowest.set(self.lowest.get().min(rtt));
        }
        let lowest = self.lowest.get().min(self.before.get());
        let is_delayed = rtt > lowest + margin;
        let difference = self.last.replace(rtt).abs_diff(rtt);
        // How a queue grows is no jitter.
        if self.delayed.get() < SUSPICIOUS / 2 {
            self.differ.set(differ - differ / USUAL + difference);
        }
        self.delayed.set(if is_delayed {
            self.delayed.get() + 1
        } else {
            0
        });
        self.spells.set(self.spells.get() + 1);
        if self.delayed.get() >= CERTAIN {
            self.judge(true, now);
            self.delayed.set(0);
            self.spells.set(0);
        } else if self.spells.get() >= PERIOD && !is_delayed {
            // The queue of a link says something about the share only while that is spent.
            if spends {
                self.judge(false, now);
            }
            self.spells.set(0);
        }
    }

    /// Changes the share after a step: with or without a `queue` in it.
    fn judge(&self, queue: bool, now: Millis) {
        let (share, ceiling) = (self.share.get(), self.ceiling.get());
        if queue {
            // Where a queue stays while nothing is spent, the link is nearly full without copies.
            let less = if share > 0 {
                share * 5 / 8
            } else {
                ceiling / 4
            };
            self.ceiling.set(less.max(LEAST));
            self.share.set(0);
            self.queued_at.set(now);
        } else if share == 0 {
            self.share.set(ceiling / 2);
        } else if share < ceiling {
            self.share.set((2 * share).min(ceiling));
        } else if now.since(self.queued_at.get()).unsigned_abs() > HELD {
            self.ceiling.set((ceiling + CEILING_STEP).min(Self::WHOLE));
        }
    }
}

// Plain arithmetic in long loops, which Miri need not check.
#[cfg(all(test, not(miri)))]
mod tests {
    use super::*;

    /// Takes a sample of `rtt(now)` every `gap` ms, from `start` on for `seconds`. Returns the shares.
    fn play(
        brake: &Brake,
        start: u32,
        seconds: u32,
        gap: u32,
        rtt: impl Fn(u32) -> u32,
    ) -> std::vec::Vec<u32> {
        (0..seconds * 1_000)
            .step_by(gap as usize)
            .map(|ms| {
                let now = start.wrapping_add(ms);
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

    /// A number below `most` for each `n`, and for each the same again.
    fn noise(n: u32, most: u32) -> u32 {
        let mixed = (n ^ 0x5bd1_e995).wrapping_mul(2_654_435_761);
        (((mixed ^ (mixed >> 15)).wrapping_mul(2_246_822_519) >> 16) * most) >> 16
    }

    /// The jitter of two directions, each below `most` ms and with a new value every 5 ms.
    fn jitter(now: u32, most: u32) -> u32 {
        noise(now / 5, most) + noise(!(now / 5), most)
    }

    #[test]
    fn jitter_alone_leaves_the_whole_budget_after_a_second() {
        let brake = begun();
        // The clock wraps in between.
        let shares = play(&brake, u32::MAX - 10_000, 60, 50, |now| {
            60 + jitter(now, 33)
        });
        assert_eq!(shares.first(), Some(&START));
        let whole = shares.iter().position(|&share| share == Brake::WHOLE);
        assert!(whole.is_some_and(|n| n < 20), "{whole:?}");
        assert_eq!(shares.last(), Some(&Brake::WHOLE));
    }

    #[test]
    fn jitter_of_five_times_the_shortest_round_trip_was_taken_for_a_queue() {
        let brake = begun();
        let shares = play(&brake, 0, 300, 50, |now| 30 + jitter(now, 75));
        let spent = shares.iter().sum::<u32>() / shares.len() as u32;
        assert!(spent > Brake::WHOLE * 3 / 4, "{spent}");
    }

    #[test]
    fn a_stall_that_delayed_many_packets_was_taken_for_a_queue() {
        let brake = begun();
        // Twice a second nothing arrives for 150 ms, and then all at once.
        let stalls = |now: u32| 60 + 150u32.saturating_sub(now % 500);
        let shares = play(&brake, 0, 60, 2, stalls);
        assert_eq!(shares.last(), Some(&Brake::WHOLE));
        assert!(shares.iter().all(|&share| share > 0));
    }

    #[test]
    fn a_queue_stops_it_and_lowers_what_is_spent_afterwards() {
        let brake = begun();
        play(&brake, 0, 20, 20, |_| 60);
        assert_eq!(brake.share(), Brake::WHOLE);
        let queue = |now: u32| if now < 20_500 { 110 } else { 62 };
        let shares = play(&brake, 20_000, 1, 20, queue);
        let stops = shares.iter().position(|&share| share == 0);
        assert!(stops.is_some_and(|n| (n as u32) < 2 * SUSPICIOUS + 2));
        play(&brake, 21_000, 20, 20, queue);
        assert_eq!(brake.share(), Brake::WHOLE * 5 / 8);
        // After a minute without a queue the share grows.
        play(&brake, 41_000, 60, 20, queue);
        assert!(brake.share() > Brake::WHOLE * 5 / 8);
    }

    #[test]
    fn where_a_queue_stayed_while_nothing_was_spent_as_much_was_spent_again() {
        let brake = begun();
        play(&brake, 0, 20, 20, |_| 60);
        play(&brake, 20_000, 3, 20, |_| 110);
        assert_eq!(brake.share.get(), 0);
        play(&brake, 23_000, 20, 20, |_| 62);
        assert_eq!(brake.share(), LEAST);
        play(&brake, 43_000, 60, 20, |_| 62);
        assert!(brake.share() > Brake::WHOLE / 2);
    }

    #[test]
    fn the_share_grew_while_nothing_was_lost_so_the_first_loss_spent_all_at_once() {
        let brake = begun();
        for n in 0..3_000 {
            brake.sample(60, Millis(n * 20), false);
        }
        assert_eq!(brake.share(), START);
        let shares = play(&brake, 60_000, 20, 20, |_| 60);
        assert!(shares[0] <= 2 * START && brake.share() == Brake::WHOLE);
    }

    #[test]
    fn some_late_packets_only_pause_it() {
        let brake = begun();
        play(&brake, 0, 20, 20, |_| 60);
        for n in 1..CERTAIN {
            brake.sample(110, Millis(20_000 + n * SPELL), true);
        }
        assert!(brake.share() == 0 && brake.share.get() > 0);
        brake.sample(60, Millis(20_000 + CERTAIN * SPELL), true);
        assert_eq!(brake.share(), Brake::WHOLE);
    }

    #[test]
    fn a_longer_way_counts_as_such_after_a_minute() {
        let brake = begun();
        play(&brake, 0, 20, 20, |_| 60);
        play(&brake, 20_000, 9, 20, |_| 160);
        assert_eq!(brake.share(), 0);
        play(&brake, 29_000, 72, 20, |_| 160);
        assert_eq!(brake.share(), Brake::WHOLE);
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
