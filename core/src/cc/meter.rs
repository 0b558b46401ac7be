//! The delivery rate (draft-cheng-iccrg-delivery-rate-estimation, with KCP's clock), and how often acknowledgements arrive.
//!
//! The clock counts milliseconds and often moves only once per flush, and one packet acknowledges everything that arrived since
//! the peer's last flush. A rate is therefore measured between two times at which acknowledgements arrived, over a window that is
//! long compared with both.

use super::{Tick, elapsed, per_second};
use crate::seq::Millis;

/// Number of moments that are kept.
const MOMENTS: usize = 64;
/// Longest time between two flushes that may be usual, ms.
const USUAL_MS: u32 = 100;

#[derive(Clone, Copy, Debug, Default)]
struct Moment {
    time: u32,
    delivered: u32,
    /// Not 0 if the program ran out of data, or one end stood still, at some time since the last moment. A number, so that there
    /// is no padding: the compiler then clears all moments at once, where a `bool` takes 1,200 bytes of code.
    app_limited: u32,
}

/// A delivery rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rate {
    /// Bytes per second.
    pub(crate) bytes: u32,
    /// The program had too little to send, or one end stood still.
    pub(crate) app_limited: bool,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Meter {
    moments: [Moment; MOMENTS],
    /// Moments recorded so far.
    noted: u32,
    app_limited: bool,
    /// Means of the time between flushes, and between those with news of another flush of the peer, in sixteenths of a millisecond.
    step: u32,
    gap: u32,
    last_flush: u32,
    last_news: u32,
    /// Number of the oldest segment in flight at the last flush.
    una: u32,
    /// Time between the last two such flushes, ms, and the shorter of the last two such times.
    last_gap: u32,
    steady_gap: u32,
}

impl Meter {
    pub(crate) fn new(now: u32) -> Meter {
        Meter {
            moments: [Moment::default(); MOMENTS],
            noted: 0,
            app_limited: false,
            step: 16,
            gap: 16,
            last_flush: now,
            last_news: now,
            una: 0,
            last_gap: 0,
            steady_gap: 0,
        }
    }

    fn at(&self, number: u32) -> &Moment {
        &self.moments[number as usize % MOMENTS]
    }

    /// A flush begins.
    #[inline(never)]
    pub(crate) fn flush(&mut self, tick: Tick) {
        let now = tick.now;
        self.app_limited |= tick.app_limited;
        mean(&mut self.step, elapsed(now, self.last_flush));
        self.last_flush = now;
        let gap = elapsed(now, self.last_news);
        // Packets of one flush of the peer that overtake each other arrive at several times, but all name the same `una`. It stands after a
        // loss too: news half a usual gap or more after the last is then another flush.
        let same = core::mem::replace(&mut self.una, tick.una) == tick.una;
        if tick.newest.is_none() || (tick.late > 0 && same && gap < self.gap / 32) {
            return;
        }
        mean(&mut self.gap, gap);
        // The program at one end stood still: what was sent meanwhile says as little of the path as what a program without data sends.
        self.app_limited |= gap > USUAL_MS && gap / 4 > self.last_gap;
        self.steady_gap = gap.min(self.last_gap);
        self.last_gap = gap;
        self.last_news = now;
    }

    /// The longer of the two mean intervals, ms: how far apart acknowledgements usually are.
    pub(crate) fn grain(&self) -> u32 {
        self.step.max(self.gap).div_ceil(16)
    }

    /// Mean time between flushes of this end, ms.
    pub(crate) fn step(&self) -> u32 {
        self.step / 16
    }

    /// Mean time between acknowledgements, ms.
    pub(crate) fn gap(&self) -> u32 {
        self.gap.div_ceil(16)
    }

    /// What the update intervals of both ends add to a round trip, ms.
    pub(crate) fn waits(&self) -> u32 {
        (self.step + self.gap).div_ceil(16)
    }

    /// False while acknowledgements are much further apart than the means, which are known after about 16 of them.
    pub(crate) fn is_settled(&self) -> bool {
        self.steady_gap > USUAL_MS || self.steady_gap <= 2 * self.grain() + 8
    }

    /// Records this moment, when `delivered` is the total so far, and returns the rate over the last `window` ms. `None` before a
    /// whole window has passed.
    #[inline(never)]
    pub(crate) fn sample(&mut self, now: u32, delivered: u32, window: u32) -> Option<Rate> {
        let last = self.at(self.noted.wrapping_sub(1)).time;
        if Millis(now).before(Millis(last)) {
            // The clock went back.
            self.noted = 0;
        }
        let grain = window / (MOMENTS as u32 - 8);
        let fresh = self.noted == 0 || elapsed(now, last) > grain;
        let mut limited = self.app_limited;
        let mut found = None;
        let oldest = self.noted.saturating_sub(MOMENTS as u32);
        for number in (oldest..self.noted).rev() {
            let moment = self.at(number);
            if elapsed(now, moment.time) >= window {
                found = Some(*moment);
                break;
            }
            limited |= moment.app_limited != 0;
        }
        if fresh {
            self.moments[self.noted as usize % MOMENTS] = Moment {
                time: now,
                delivered,
                app_limited: u32::from(self.app_limited),
            };
            self.noted = self.noted.wrapping_add(1);
            self.app_limited = false;
        }
        let from = found?;
        Some(Rate {
            bytes: per_second(
                delivered.wrapping_sub(from.delivered),
                elapsed(now, from.time),
            ),
            app_limited: limited,
        })
    }
}

/// Adds `sample` to a moving average. A long pause of the program says nothing about its usual interval, and is left out.
fn mean(mean: &mut u32, sample: u32) {
    if (1..=USUAL_MS).contains(&sample) {
        *mean = *mean - *mean / 16 + sample;
    }
}

// Plain arithmetic in long loops, which Miri need not check.
#[cfg(all(test, not(miri)))]
mod tests {
    use super::*;

    fn tick(now: u32, app_limited: bool) -> Tick {
        Tick {
            now,
            newest: Some(now),
            app_limited,
            ..Tick::default()
        }
    }

    #[test]
    fn packets_of_one_flush_that_overtook_each_other_counted_as_several() {
        let mut meter = Meter::new(0);
        for now in 1..4_000 {
            let part = now % 40;
            meter.flush(Tick {
                una: now / 40,
                late: 1,
                newest: (part % 3 == 0 && part < 10).then_some(now),
                ..tick(now, false)
            });
        }
        assert!((40..=42).contains(&meter.waits()), "{}", meter.waits());
    }

    /// News each `gap` ms, where `una` stands.
    fn waits_while_una_stands(gap: u32, late: u32) -> u32 {
        let mut meter = Meter::new(0);
        for now in 1..2_000 {
            meter.flush(Tick {
                late,
                newest: (now % gap == 0).then_some(now),
                ..tick(now, false)
            });
        }
        meter.waits()
    }

    #[test]
    fn after_a_loss_each_flush_counts() {
        for gap in [1, 10, 40] {
            for late in [0, 5] {
                let waits = waits_while_una_stands(gap, late);
                assert!((gap..=gap + 1).contains(&waits), "{gap} {late}: {waits}");
            }
        }
    }

    #[test]
    fn a_steady_stream_has_its_rate() {
        let mut meter = Meter::new(0);
        let mut delivered = 0;
        let mut rate = None;
        for now in 1..200 {
            delivered += 1400;
            meter.flush(tick(now, false));
            rate = meter.sample(now, delivered, 40);
        }
        let rate = rate.expect("the window is filled");
        assert!((1_372_000..=1_428_000).contains(&rate.bytes), "{rate:?}");
        assert!(!rate.app_limited);
    }

    #[test]
    fn there_is_none_before_the_window_is_filled() {
        let mut meter = Meter::new(0);
        for now in 1..40 {
            assert_eq!(meter.sample(now, now * 1000, 40), None);
        }
        assert!(meter.sample(41, 41_000, 40).is_some());
    }

    #[test]
    fn a_pause_of_the_program_shows_until_it_leaves_the_window() {
        let mut meter = Meter::new(0);
        let mut limited = std::vec::Vec::new();
        for now in 1..200 {
            meter.flush(tick(now, now == 100));
            if let Some(rate) = meter.sample(now, now * 1000, 40)
                && rate.app_limited
            {
                limited.push(now);
            }
        }
        assert_eq!(limited.first(), Some(&100));
        assert!(
            (139..=141).contains(limited.last().expect("some")),
            "{limited:?}"
        );
    }

    #[test]
    fn a_clock_that_went_back_begins_anew() {
        let mut meter = Meter::new(0);
        for now in 1_000_000..1_000_100 {
            meter.sample(now, now * 1000, 40);
        }
        let rates = (0..100u32).filter_map(|now| meter.sample(now, now.wrapping_mul(1000), 40));
        assert!(rates.count() > 50);
    }
}
