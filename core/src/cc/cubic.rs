//! CUBIC after RFC 9438, with the slow start of RFC 9406 (HyStart++). The window is in thousandths of a segment, time in
//! milliseconds.

use core::mem;

use super::meter::Meter;
use super::{Allowance, Tick, elapsed, scale};
use crate::seq::Millis;

/// Segments before the first acknowledgement (RFC 6928), and the least number.
const INITIAL_CWND: u32 = 10;
const MIN_CWND: u32 = 2;
/// RFC 9438, 4.6: beta, in percent.
const BETA: u32 = 70;
/// HyStart++ (RFC 9406, 4.3): rounds of conservative slow start, its divisor, samples in a round, and bounds of the tolerated
/// delay, ms.
const CSS_ROUNDS: u32 = 5;
const CSS_DIVISOR: u32 = 4;
const SAMPLES: u32 = 8;
const MIN_RTT_THRESH: u32 = 4;
const MAX_RTT_THRESH: u32 = 16;

/// Thousandths of a segment.
const UNIT: u32 = 1000;
/// No slow start threshold yet.
const NO_THRESHOLD: u32 = u32::MAX;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    SlowStart,
    /// Slow start after the delay has grown.
    Conservative,
    Avoidance,
}

/// What a reduction changes. Windows are in thousandths of a segment.
#[derive(Clone, Copy, Debug)]
struct Growth {
    phase: Phase,
    window: u32,
    threshold: u32,
    /// W_max, the window before the last reduction; when the epoch began; and K, the time from there until the window is W_max
    /// again, ms.
    w_max: u32,
    epoch: u32,
    k: u32,
    /// W_est, the window that Reno would have (4.3).
    w_est: u32,
    in_epoch: bool,
}

impl Growth {
    /// RFC 9438, 4.6 and 4.7.
    fn reduce(&mut self) {
        self.w_max = if self.in_epoch && self.window < self.w_max {
            scale(self.window, 100 + BETA, 200)
        } else {
            self.window
        };
        self.window = scale(self.window, BETA, 100).max(MIN_CWND * UNIT);
        self.threshold = self.window;
    }

    /// `acked` segments were acknowledged, and the window was used.
    fn grow(&mut self, now: u32, acked: u32, srtt: u32, recovers: bool) {
        let acked = acked.saturating_mul(UNIT);
        match self.phase {
            Phase::SlowStart => self.window = self.window.saturating_add(acked),
            Phase::Conservative => self.window = self.window.saturating_add(acked / CSS_DIVISOR),
            Phase::Avoidance if recovers => {}
            Phase::Avoidance => self.avoid(now, acked, srtt),
        }
        if self.phase == Phase::SlowStart && self.window >= self.threshold {
            self.phase = Phase::Avoidance;
        }
    }

    /// RFC 9438, 4.2 to 4.5.
    fn avoid(&mut self, now: u32, acked: u32, srtt: u32) {
        if !self.in_epoch {
            self.in_epoch = true;
            self.epoch = now;
            self.w_est = self.window;
            self.w_max = self.w_max.max(self.window);
            // K = cbrt((W_max - cwnd) / C), C = 0.4. With d in thousandths, in ms: cbrt(d / 1000 / 0.4 * 10^9).
            self.k = cube_root(u64::from(self.w_max - self.window) * 2_500_000);
        }
        // alpha = 3 * (1 - beta) / (1 + beta) = 9 / 17 until the window is W_max, then 1.
        let alpha = if self.w_est >= self.w_max { 1000 } else { 529 };
        self.w_est = self.w_est.saturating_add(scale(acked, alpha, self.window));
        let at = elapsed(now, self.epoch).saturating_add(srtt);
        let most = self.window.saturating_add(self.window / 2);
        let target = self.at(at).clamp(self.window, most);
        let more = scale(target - self.window, acked, self.window);
        self.window = self.window.saturating_add(more).max(self.w_est);
    }

    /// W_cubic after `ms` of the epoch: C * (t - K)^3 + W_max.
    fn at(&self, ms: u32) -> u32 {
        // A minute moves the target by more segments than any window has.
        let apart = ms.abs_diff(self.k).min(60_000);
        // 0.4 * (ms / 1000)^3 segments, in thousandths: 0.4 * ms^3 / 10^6.
        let cubed = scale(apart * apart, apart, 2_500_000);
        if ms < self.k {
            self.w_max.saturating_sub(cubed)
        } else {
            self.w_max.saturating_add(cubed)
        }
    }
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Cubic {
    growth: Growth,
    /// What the last reduction changed, and `Tick::missing` before its losses, until it is known whether the segments had arrived (4.9.2).
    undo: Option<(Growth, u32)>,
    /// Segments found lost so far; wraps.
    lost: u32,
    /// What the update intervals of both ends add to a round trip, ms.
    waits: u32,
    pub(crate) rate: u32,
    /// The window was reduced for all losses of segments that were sent up to this time. Nothing that was sent since has arrived.
    reduced: u32,
    recovers: bool,
    /// When the last flush began.
    ticked: u32,
    pub(crate) min_rtt: u32,
    srtt: u32,
    /// The time in the path's queue when the window was last reduced, ms.
    pub(crate) queue: u32,
    /// HyStart++: shortest round trips of this round and the last, samples in this one, and the round trip that ended slow start.
    round_began: u32,
    current_round_min_rtt: u32,
    last_round_min_rtt: u32,
    samples: u32,
    css_baseline_min_rtt: u32,
    css_rounds: u32,
    delivered: u32,
}

impl Cubic {
    pub(crate) fn new(now: u32) -> Cubic {
        Cubic {
            growth: Growth {
                phase: Phase::SlowStart,
                window: INITIAL_CWND * UNIT,
                threshold: NO_THRESHOLD,
                w_max: 0,
                epoch: now,
                k: 0,
                w_est: 0,
                in_epoch: false,
            },
            undo: None,
            lost: 0,
            waits: 0,
            rate: 0,
            reduced: now,
            recovers: false,
            ticked: now,
            min_rtt: 0,
            srtt: 0,
            queue: 0,
            round_began: now,
            current_round_min_rtt: u32::MAX,
            last_round_min_rtt: u32::MAX,
            samples: 0,
            css_baseline_min_rtt: u32::MAX,
            css_rounds: 0,
            delivered: 0,
        }
    }

    /// Window and threshold in segments.
    pub(crate) fn window(&self) -> u32 {
        (self.growth.window / UNIT).max(MIN_CWND)
    }

    pub(crate) fn threshold(&self) -> u32 {
        match self.growth.threshold {
            NO_THRESHOLD => u32::MAX,
            threshold => threshold / UNIT,
        }
    }

    /// A flush begins. `meter` is the connection's.
    #[inline(never)]
    pub(crate) fn tick(&mut self, tick: Tick, meter: &mut Meter) -> Allowance {
        if tick.stale {
            (self.reduced, self.growth.epoch) = (tick.now, tick.now);
            self.round_began = tick.now;
            self.undo = None;
        }
        meter.flush(tick);
        self.waits = meter.waits();
        if let Some(rtt) = tick.rtt {
            self.take_rtt(rtt.max(1));
        }
        let passed = elapsed(tick.now, self.ticked);
        self.ticked = tick.now;
        let acked = tick.delivered_segments.wrapping_sub(self.delivered);
        self.delivered = tick.delivered_segments;
        if let Some(newest) = tick.newest {
            let window = self.min_rtt.max(40);
            if let Some(rate) = meter.sample(tick.now, tick.delivered, window) {
                self.rate = rate.bytes;
            }
            let sent_since = |time| !Millis(newest).before(Millis(time));
            self.recovers &= !sent_since(self.reduced);
            if sent_since(self.round_began) {
                self.end_round(tick.now);
            }
        }
        let found = tick
            .lost
            .wrapping_sub(mem::replace(&mut self.lost, tick.lost));
        self.restore(tick.missing);
        let used = tick.pipe.saturating_add(acked).saturating_mul(2 * UNIT);
        if Millis(self.reduced).before(Millis(tick.newest_lost)) {
            let growth = self.growth;
            self.reduce(tick.now);
            self.undo = (found > 0).then_some((growth, tick.missing.wrapping_sub(found)));
        } else if tick.app_limited {
            // A window that is not used need not grow, and the time of the epoch stands still (RFC 9438, 4.2 and 5.8).
            self.growth.epoch = self.growth.epoch.wrapping_add(passed);
            if let Some((growth, _)) = &mut self.undo {
                growth.epoch = growth.epoch.wrapping_add(passed);
            }
        } else if acked > 0 && used >= self.growth.window {
            self.growth.grow(tick.now, acked, self.srtt, self.recovers);
        }
        self.allowance(tick.segment, meter.grain())
    }

    fn take_rtt(&mut self, rtt: u32) {
        if self.min_rtt == 0 || rtt < self.min_rtt {
            self.min_rtt = rtt;
        }
        self.srtt = match self.srtt {
            0 => rtt,
            srtt => (srtt * 7 + rtt) / 8,
        };
        self.current_round_min_rtt = self.current_round_min_rtt.min(rtt);
        self.samples = self.samples.saturating_add(1);
        // RFC 9406, 4.2.
        if self.growth.phase == Phase::SlowStart
            && self.samples >= SAMPLES
            && self.last_round_min_rtt != u32::MAX
            && self.current_round_min_rtt
                >= self.last_round_min_rtt.saturating_add(self.rtt_thresh())
        {
            self.css_baseline_min_rtt = self.current_round_min_rtt;
            self.css_rounds = 0;
            self.growth.phase = Phase::Conservative;
        } else if self.growth.phase == Phase::Conservative
            && self.samples >= SAMPLES
            && self.current_round_min_rtt < self.css_baseline_min_rtt
        {
            self.growth.phase = Phase::SlowStart;
            self.css_baseline_min_rtt = u32::MAX;
        }
    }

    /// Growth of the delay that slow start tolerates. The time that the update intervals of both ends add does not count.
    fn rtt_thresh(&self) -> u32 {
        (self.last_round_min_rtt / 8)
            .clamp(MIN_RTT_THRESH, MAX_RTT_THRESH)
            .max(self.waits)
    }

    fn end_round(&mut self, now: u32) {
        self.round_began = now;
        self.last_round_min_rtt = self.current_round_min_rtt;
        self.current_round_min_rtt = u32::MAX;
        self.samples = 0;
        if self.growth.phase == Phase::Conservative {
            self.css_rounds += 1;
            if self.css_rounds >= CSS_ROUNDS {
                self.growth.threshold = self.growth.window;
                self.growth.phase = Phase::Avoidance;
            }
        }
    }

    #[inline(never)]
    fn reduce(&mut self, now: u32) {
        self.growth.reduce();
        self.queue = self.srtt.saturating_sub(self.min_rtt);
        self.recover(Phase::Avoidance, now);
    }

    /// The window is as before if all that reduced it was spurious: what seemed lost had arrived (RFC 9438, 4.9.2).
    fn restore(&mut self, missing: u32) {
        let Some((growth, before)) = self.undo else {
            return;
        };
        if missing.wrapping_sub(before).cast_signed() <= 0 {
            self.undo = None;
            if growth.window > self.growth.window {
                self.growth = growth;
                self.recovers = false;
            }
        }
    }

    fn recover(&mut self, phase: Phase, now: u32) {
        self.undo = None;
        self.growth.phase = phase;
        self.growth.in_epoch = false;
        self.recovers = true;
        self.reduced = now;
    }

    /// A retransmission timeout: begin again (RFC 9438, 4.8). Another one before anything has arrived leaves the threshold as it is
    /// (RFC 5681, 3.1), or the window would hardly grow after an outage.
    pub(crate) fn timed_out(&mut self, now: u32) {
        if !self.recovers && self.window() > MIN_CWND {
            self.reduce(now);
        }
        self.growth.window = MIN_CWND * UNIT;
        self.recover(Phase::SlowStart, now);
    }

    /// `grain` is the longer interval of both ends.
    fn allowance(&self, segment: u32, grain: u32) -> Allowance {
        let window = self.window();
        // Twice the window per round trip in slow start, 1.25 times after it, so that pacing does not hold the window back for
        // long, and one segment more, which counts where the window has few. `srtt` is that of the latest segments. A flush of the peer
        // acknowledges segments that had waited for up to its interval; without that time what each flush frees overflows a short queue.
        let gain = match self.growth.phase {
            Phase::SlowStart | Phase::Conservative => 2_000,
            _ => 1_250,
        };
        let rate = match self.srtt {
            0 => 0,
            srtt => {
                let bytes = (window + 1).saturating_mul(segment);
                scale(bytes, gain, srtt + grain).max(1)
            }
        };
        Allowance {
            inflight: window,
            rate,
        }
    }

    /// Name and number of the phase, as in ikcpx.h.
    pub(crate) fn phase(&self) -> (&'static core::ffi::CStr, u32) {
        match self.growth.phase {
            Phase::SlowStart => (c"slow start", 16),
            Phase::Conservative => (c"conservative slow start", 17),
            Phase::Avoidance if self.recovers => (c"recovery", 19),
            Phase::Avoidance => (c"congestion avoidance", 18),
        }
    }
}

/// The integer part of the cube root, by Newton's method from above.
fn cube_root(of: u64) -> u32 {
    let mut root: u64 = 2_642_246;
    loop {
        let next = (2 * root + of / (root * root).max(1)) / 3;
        if next >= root {
            return root as u32;
        }
        root = next;
    }
}

// Plain arithmetic in long loops, which Miri need not check.
#[cfg(all(test, not(miri)))]
mod tests {
    use super::*;

    /// A round trip of `rtt` ms that acknowledges a whole window; if it `loses`, that is found at its end.
    fn round(cubic: &mut Cubic, tick: &mut Tick, rtt: u32, loses: bool) {
        for _ in 0..rtt {
            tick.now += 1;
            let share = (cubic.window() / rtt).max(1);
            tick.delivered_segments += share;
            tick.delivered = tick.delivered.wrapping_add(share * 1400);
            tick.pipe = cubic.window();
            tick.rtt = Some(rtt);
            tick.newest = Some(tick.now - rtt);
            cubic.tick(*tick, &mut Meter::new(0));
        }
        if loses {
            lose(tick, rtt);
        }
        tick.now += 1;
        cubic.tick(*tick, &mut Meter::new(0));
    }

    /// Segments that left `ago` ms before are found lost.
    fn lose(tick: &mut Tick, ago: u32) {
        tick.newest_lost = tick.now - ago;
    }

    fn new() -> (Cubic, Tick) {
        let tick = Tick {
            now: 1_000,
            segment: 1400,
            ..Tick::default()
        };
        (Cubic::new(tick.now), tick)
    }

    #[test]
    fn slow_start_doubles_and_loss_takes_three_tenths() {
        let (mut cubic, mut tick) = new();
        for _ in 0..5 {
            round(&mut cubic, &mut tick, 20, false);
        }
        let window = cubic.window();
        assert!(window > 150, "{window}");
        round(&mut cubic, &mut tick, 20, true);
        let (was, is) = (cubic.growth.w_max / UNIT, cubic.window());
        assert!(
            is * 100 / was == 70 || is * 100 / was == 69,
            "{was} to {is}"
        );
        // More losses in the same round trip change nothing.
        lose(&mut tick, 2);
        cubic.tick(tick, &mut Meter::new(0));
        assert_eq!(cubic.window(), is);
    }

    #[test]
    fn losses_of_one_overflow_took_three_tenths_twice() {
        let (mut cubic, mut tick) = new();
        for _ in 0..5 {
            round(&mut cubic, &mut tick, 20, false);
        }
        round(&mut cubic, &mut tick, 20, true);
        let (reduced, at) = ((cubic.growth.w_max, cubic.growth.window), tick.now);
        // More of the same losses are found with the first acknowledgement of what was sent since, and round trips later.
        tick.newest = Some(at);
        for later in [20, 60] {
            tick.now = at + later;
            lose(&mut tick, later);
            cubic.tick(tick, &mut Meter::new(0));
            assert_eq!((cubic.growth.w_max, cubic.growth.window), reduced);
        }
        // A later loss is another one.
        tick.now += 20;
        lose(&mut tick, 20);
        cubic.tick(tick, &mut Meter::new(0));
        assert!(cubic.growth.window < reduced.1);
    }

    /// A flow whose losses `are_found` when `older` ones prove spurious, and which then learns how many of them had arrived.
    fn after_losses(are_found: u32, older: u32, had_arrived: u32) -> (Cubic, Cubic) {
        let (mut cubic, mut tick) = new();
        for _ in 0..5 {
            round(&mut cubic, &mut tick, 20, false);
        }
        let before = cubic;
        tick.lost += are_found;
        tick.missing = tick.missing.wrapping_add(are_found).wrapping_sub(older);
        lose(&mut tick, 20);
        tick.now += 1;
        cubic.tick(tick, &mut Meter::new(0));
        assert_eq!(cubic.window(), before.window() * BETA / 100);
        tick.missing = tick.missing.wrapping_sub(had_arrived);
        (tick.now, tick.newest) = (tick.now + 10, None);
        cubic.tick(tick, &mut Meter::new(0));
        (before, cubic)
    }

    #[test]
    fn losses_of_what_had_arrived_took_three_tenths_of_the_window() {
        let (before, after) = after_losses(3, 0, 3);
        assert_eq!(after.window(), before.window());
        assert_eq!(after.threshold(), before.threshold());
        assert_eq!(after.phase(), before.phase());
    }

    #[test]
    fn one_true_loss_is_enough_for_a_reduction() {
        for (are_found, older, had_arrived) in [(3, 0, 2), (2, 1, 1), (1, 2, 0)] {
            let (before, after) = after_losses(are_found, older, had_arrived);
            assert_eq!(after.window(), before.window() * BETA / 100);
            assert_eq!(after.phase().1, 19);
        }
    }

    #[test]
    fn a_reduction_for_losses_that_were_not_counted_stays() {
        let (before, after) = after_losses(0, 0, 0);
        assert_eq!(after.window(), before.window() * BETA / 100);
    }

    /// The window before a loss, and the flow after what `happens` then and after word that the segment had arrived.
    fn restored_after(happens: impl Fn(&mut Cubic, &mut Tick)) -> (u32, Cubic) {
        let (mut cubic, mut tick) = new();
        for _ in 0..5 {
            round(&mut cubic, &mut tick, 20, false);
        }
        let before = cubic.window();
        (tick.lost, tick.missing) = (1, 1);
        lose(&mut tick, 20);
        tick.now += 1;
        cubic.tick(tick, &mut Meter::new(0));
        happens(&mut cubic, &mut tick);
        tick.missing = 0;
        tick.now += 1;
        cubic.tick(tick, &mut Meter::new(0));
        (before, cubic)
    }

    #[test]
    fn what_arrives_after_a_timeout_does_not_bring_the_window_back() {
        let (_, cubic) = restored_after(|cubic, tick| cubic.timed_out(tick.now));
        assert_eq!(cubic.window(), MIN_CWND);
    }

    #[test]
    fn what_arrives_after_the_clock_went_back_does_not_bring_the_window_back() {
        let (before, cubic) = restored_after(|cubic, tick| {
            tick.stale = true;
            cubic.tick(*tick, &mut Meter::new(0));
            tick.stale = false;
        });
        assert_eq!(cubic.window(), before * BETA / 100);
    }

    #[test]
    fn a_window_that_has_grown_since_is_not_taken_back() {
        let (before, cubic) = restored_after(|cubic, tick| {
            tick.newest = Some(tick.now);
            while cubic.window() < 1_000 {
                round(cubic, tick, 20, false);
            }
        });
        assert!(cubic.window() >= 1_000, "{} and {before}", cubic.window());
    }

    #[test]
    fn an_epoch_that_came_back_had_not_stood_still_without_data() {
        let (before, mut cubic) = restored_after(|cubic, tick| {
            tick.app_limited = true;
            (tick.newest, tick.rtt) = (None, None);
            for _ in 0..600 {
                tick.now += 100;
                cubic.tick(*tick, &mut Meter::new(0));
            }
            tick.app_limited = false;
        });
        assert_eq!(cubic.window(), before);
        cubic.growth.phase = Phase::Avoidance;
        let epoch = cubic.growth.epoch;
        assert!(
            elapsed(cubic.ticked, epoch) < 1_000,
            "{}",
            elapsed(cubic.ticked, epoch)
        );
    }

    #[test]
    fn the_window_of_before_comes_back_after_the_cube_root_of_what_was_taken() {
        let (mut cubic, mut tick) = new();
        for _ in 0..7 {
            round(&mut cubic, &mut tick, 100, false);
        }
        round(&mut cubic, &mut tick, 100, true);
        let (before, began) = (cubic.growth.w_max / UNIT, tick.now);
        while cubic.window() < before {
            round(&mut cubic, &mut tick, 100, false);
            assert!(tick.now - began < 60_000, "{} of {before}", cubic.window());
        }
        // RFC 9438: K = cbrt(W_max * 0.3 / 0.4) seconds, and one round trip more until it shows.
        let expected = (f64::from(before) * 0.75).cbrt() * 1000.0;
        let took = f64::from(tick.now - began);
        assert!(
            (0.85..1.25).contains(&(took / expected)),
            "{took} ms, not {expected}"
        );
    }

    #[test]
    fn a_longer_round_trip_ends_slow_start() {
        let (mut cubic, mut tick) = new();
        for _ in 0..3 {
            round(&mut cubic, &mut tick, 50, false);
        }
        assert_eq!(cubic.growth.phase, Phase::SlowStart);
        for rtt in [60, 70, 80, 90, 100, 110, 120, 130] {
            round(&mut cubic, &mut tick, rtt, false);
        }
        assert_eq!(cubic.growth.phase, Phase::Avoidance);
    }

    #[test]
    fn a_window_that_is_not_used_does_not_grow() {
        let (mut cubic, mut tick) = new();
        for _ in 0..100 {
            tick.now += 10;
            tick.delivered_segments += 1;
            tick.app_limited = true;
            tick.newest = Some(tick.now - 10);
            cubic.tick(tick, &mut Meter::new(0));
        }
        assert_eq!(cubic.window(), INITIAL_CWND);
    }

    /// RFC 9438, 4.2: the time of the epoch does not include periods in which the program had too little to send.
    #[test]
    fn the_window_grew_by_half_in_a_round_trip_after_a_minute_without_data() {
        let (mut cubic, mut tick) = new();
        for _ in 0..5 {
            round(&mut cubic, &mut tick, 20, false);
        }
        round(&mut cubic, &mut tick, 20, true);
        for _ in 0..3 {
            round(&mut cubic, &mut tick, 20, false);
        }
        assert_eq!(cubic.growth.phase, Phase::Avoidance);
        (tick.app_limited, tick.newest, tick.rtt, tick.pipe) = (true, None, None, 0);
        for _ in 0..600 {
            tick.now += 100;
            cubic.tick(tick, &mut Meter::new(0));
        }
        tick.app_limited = false;
        let window = cubic.window();
        round(&mut cubic, &mut tick, 20, false);
        assert!(
            cubic.window() < window * 11 / 10,
            "{} after {window}",
            cubic.window()
        );
    }

    #[test]
    fn cube_roots_are_exact() {
        for root in [0u64, 1, 2, 3, 10, 999, 1_000, 123_456, 2_642_245] {
            let cube = root * root * root;
            assert_eq!(u64::from(cube_root(cube)), root);
            assert_eq!(u64::from(cube_root(cube + 1)), root.max(1));
        }
        assert_eq!(cube_root(7), 1);
        assert_eq!(cube_root(u64::MAX), 2_642_245);
    }

    #[test]
    fn an_outage_left_a_threshold_of_two_segments() {
        let (mut cubic, mut tick) = new();
        for _ in 0..5 {
            round(&mut cubic, &mut tick, 20, false);
        }
        let window = cubic.window();
        for n in 0..10 {
            cubic.timed_out(tick.now + 100 * n);
        }
        assert_eq!(cubic.window(), MIN_CWND);
        assert_eq!(cubic.threshold(), window * BETA / 100);
    }

    /// They were found when the first acknowledgement arrived.
    #[test]
    fn losses_of_what_left_before_a_timeout_left_a_threshold_of_two_segments() {
        let (mut cubic, mut tick) = new();
        for _ in 0..5 {
            round(&mut cubic, &mut tick, 20, false);
        }
        cubic.timed_out(tick.now);
        let threshold = cubic.threshold();
        (tick.newest, tick.rtt) = (Some(tick.now), Some(20));
        tick.now += 20;
        for _ in 0..2 {
            lose(&mut tick, 20);
            tick.delivered_segments += 1;
            cubic.tick(tick, &mut Meter::new(0));
            assert_eq!((cubic.phase().1, cubic.threshold()), (16, threshold));
        }
        for _ in 0..6 {
            round(&mut cubic, &mut tick, 20, false);
        }
        assert!(cubic.window() >= threshold, "{}", cubic.window());
        // A later loss is another one.
        round(&mut cubic, &mut tick, 20, true);
        assert_eq!(cubic.phase().1, 19);
    }

    #[test]
    fn nonsense_gives_an_allowance_too() {
        let (mut cubic, _) = new();
        let mut random = 99u32;
        for n in 0..20_000 {
            let tick = Tick::nonsense(&mut random);
            assert!(cubic.tick(tick, &mut Meter::new(0)).inflight >= MIN_CWND);
            if n % 7 == 0 {
                cubic.timed_out(tick.now);
            }
        }
    }
}
