//! Pacing: how much each flush may send, so that the rate is right whatever the interval between flushes.

use super::elapsed;

/// After a pause that is longer than this, and than twice the usual time between flushes, a flush sends what the longer of these allows.
const MAX_PAUSE_MS: u32 = 50;
/// No time between flushes counts as usual that is longer than this.
const MAX_USUAL_MS: u32 = 1_000;

#[derive(Clone, Copy, Debug)]
pub(crate) struct Pacer {
    /// Bytes that may be sent, in thousandths. Less than 0 after a segment that was larger than what its flush had.
    credit: i64,
    last: u32,
    /// Mean of the latest times between flushes, ms.
    usual: u32,
}

impl Pacer {
    pub(crate) const fn new(now: u32) -> Pacer {
        Pacer {
            credit: 0,
            last: now,
            usual: 0,
        }
    }

    /// Bytes that a flush at `now` may send at `rate` bytes per second, headers included; `segment` is the size of a full
    /// segment. Up to two segments that earlier flushes did not use are added.
    pub(crate) fn flush(&mut self, now: u32, rate: u32, segment: u32) -> u32 {
        let passed = elapsed(now, self.last);
        let paid = passed.min(MAX_PAUSE_MS.max(2 * self.usual));
        self.usual = (self.usual * 3 + passed.min(MAX_USUAL_MS)).div_ceil(4);
        self.last = now;
        let two = i64::from(segment) * 2000;
        let per = |ms: u32| i64::from(rate) * i64::from(ms);
        // Where the window has room for a segment or two, each ends a pause.
        let earned = two.min(per(passed)).max(per(paid));
        self.credit = self.credit.min(two) + earned;
        u32::try_from(self.credit.max(0) / 1000).unwrap_or(u32::MAX)
    }

    /// A flush sent `bytes`, header included. What it sent beyond its budget is earned before more is sent, if the budget was `bounded`.
    pub(crate) fn sent(&mut self, bytes: u32, bounded: bool) {
        self.credit -= i64::from(bytes) * 1000;
        if !bounded {
            self.credit = self.credit.max(0);
        }
    }
}

// Plain arithmetic in long loops, which Miri need not check.
#[cfg(all(test, not(miri)))]
mod tests {
    use super::*;

    #[test]
    fn any_time_between_flushes_gives_the_rate() {
        for step in [1, 3, 10, 40, 60, 200] {
            let mut pacer = Pacer::new(0);
            let mut sent = 0;
            for now in (0..10_000).step_by(step) {
                let mut budget = pacer.flush(now, 1_000_000, 1400);
                while budget >= 1400 {
                    pacer.sent(1400, true);
                    budget -= 1400;
                    // The first few flushes show what is usual.
                    sent += if now < 2_000 { 0 } else { 1400 };
                }
            }
            assert!((7_920_000..=8_010_000).contains(&sent), "{step}: {sent}");
        }
    }

    #[test]
    fn an_idle_hour_saves_up_no_more_than_a_moment() {
        let mut pacer = Pacer::new(0);
        assert_eq!(pacer.flush(3_600_000, 1_000_000, 1400), 50_000);
        // While nothing is sent: what one flush may send, and two segments.
        assert_eq!(pacer.flush(3_600_001, 1_000_000, 1400), 3_800);
    }

    #[test]
    fn a_program_that_slept_for_a_round_trip_was_given_what_50_ms_allow() {
        let mut pacer = Pacer::new(0);
        for now in (200..2_000).step_by(200) {
            // The acknowledgement wakes the program, which then looks again every millisecond.
            pacer.flush(now, 7_000, 1400);
            pacer.sent(1400, true);
            for later in 1..20 {
                pacer.flush(now + later, 7_000, 1400);
            }
        }
        assert!(pacer.flush(2_000, 7_000, 1400) >= 1_260);
    }

    #[test]
    fn a_segment_from_before_a_smaller_mtu_left_with_each_flush() {
        let mut pacer = Pacer::new(0);
        let mut sent = 0;
        for now in 1..=10_000 {
            if pacer.flush(now, 10_000, 100) >= 100 {
                pacer.sent(1400, true);
                sent += 1400;
            }
        }
        assert!((98_000..=102_000).contains(&sent), "{sent}");
        // Nothing that a flush without a budget sent is owed.
        pacer.sent(1_000_000, false);
        assert!(pacer.flush(10_010, 10_000, 100) >= 100);
    }

    #[test]
    fn a_clock_that_goes_back_gives_nothing_and_stops_nothing() {
        let mut pacer = Pacer::new(1_000_000);
        assert_eq!(pacer.flush(0, 1_000_000, 1400), 0);
        assert_eq!(pacer.flush(10, 1_000_000, 1400), 10_000);
    }
}
