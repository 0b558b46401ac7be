//! BBR after draft-ietf-ccwg-bbr-03 (section numbers below are those of the draft). A model of the path, its highest delivery
//! rate and its shortest round trip, decides how fast to send and how much may be in flight.
//!
//! What differs from the draft, and why:
//! - Random loss is usual on the links that KCP is used on. At 1 to 5 % of it the short-term bounds (bw_lo, inflight_lo;
//!   5.5.10.3) cost most of the link, so they are left out. The loss that is seen while the queue is short is taken for usual, as
//!   far as ProbeRTT loses as much, and made up for by sending a little faster; only loss beyond that counts (`losses`).
//! - Rates are measured over windows of time (`meter`), not for single segments, because the clock counts milliseconds and one
//!   packet acknowledges everything that arrived in an interval of the peer.
//! - In flight may be a quarter more than the path holds, plus what the update intervals of both ends delay. The draft allows
//!   twice what the path holds. The queue thus stays short between probes too. Where others keep it long, the draft's number applies
//!   (`trips`).

// Plain arithmetic in long loops, which Miri need not check.
#[cfg(all(test, not(miri)))]
mod tests;

mod losses;
mod trips;
mod way_back;

use self::losses::Losses;
use self::trips::{Found, LOOK_AGAIN, Trips};
use super::meter::Meter;
use super::{Allowance, Tick, elapsed, per_second, scale, shift};

/// Segments in flight before the first rate is known (5.3: an initial window; in RFC 6928, for TCP, it is ten).
const INITIAL_CWND: u32 = 32;
/// Segments that may always be in flight (2.8: BBRMinPipeCwnd).
const MIN_PIPE_CWND: u32 = 4;
/// Segments in flight beyond the model's number. It is the same for all flows, which makes their shares converge.
const EXTRA_SEGMENTS: u32 = 3;
/// Pacing rate in percent of the measured rate: 277 fills the pipe (5.3.1), 50 drains it (5.3.2), the others are for the parts of
/// a cycle (5.3.3).
const STARTUP_GAIN: u32 = 277;
const DRAIN_GAIN: u32 = 50;
const DOWN_GAIN: u32 = 90;
const UP_GAIN: u32 = 125;
/// The pipe is full when the rate has grown by less than this percentage in `FULL_ROUNDS` round trips (5.3.1.2).
const FULL_GROWTH: u32 = 125;
const FULL_ROUNDS: u32 = 3;
/// A flow whose own queue drops segments begins a ProbeRTT at once, so that all flows do so together, but this long after the last, ms.
const FLOOD_LASTS: u32 = 1_000;
/// How long ProbeRTT looks for a shorter round trip, ms (5.3.4).
const PROBE_RTT_DURATION: u32 = 200;
/// Segments in flight, in percent of the path, that are left to a flow which failed to find an empty queue where one overflows.
const KEPT_IN_DOUBT: u32 = 70;
/// Segments in flight, in percent of the path, beyond those that keep the queue short, where others keep it long: together what the draft
/// allows (2.8: BBRDefaultCwndGain). With less, a flow beside CUBIC has a smaller share the longer the queue is.
const CROWD: u32 = 80;
/// How many round trips longer a cruise lasts after the queue overflowed. Each probe of a queue that is shorter than what a flush sends
/// loses segments.
const LONGER_CRUISE: u32 = 5;
/// Segments by which the first probe after an overflow raises the bound, on a path of 0 ms, and how many times more each later one does. The
/// first is the same for small and large flows, so that their shares converge (5.3.3.6: BBRRaiseInflightLongtermSlope).
const RAISE: u32 = 4;
const FASTER: u32 = 4;
/// No bound on the segments in flight.
const UNBOUNDED: u32 = u32::MAX;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    Startup,
    Drain,
    Down,
    Cruise,
    Refill,
    Up,
    ProbeRtt,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Bbr {
    pub(crate) phase: Phase,
    trips: Trips,
    losses: Losses,
    /// Highest delivery rates of this cycle and of the one before, bytes per second (2.10: BBR.max_bw).
    rates: [u32; 2],
    /// The round trip ends when something is acknowledged that was sent from this time on.
    round_began: u32,
    /// Round trips since the phase began, and when it began.
    rounds: u32,
    phase_at: u32,
    /// Length of this cycle's cruise in round trips.
    cruise: u32,
    /// The rate when Startup or a probe last looked whether it grows.
    full_rate: u32,
    /// The rate has grown in this probe, or in one just before it.
    grew: bool,
    /// A queue has shown since the probe began.
    queued: bool,
    full_rounds: u32,
    /// A flood of losses came without a queue, and was not random: the link drops what exceeds a rate, but lets pass what it has saved up of
    /// that.
    policed: bool,
    /// Most segments in flight that the queue took without overflow (2.11: BBR.inflight_longterm).
    pub(crate) inflight_longterm: u32,
    /// What that was before a flood of losses lowered it and began a ProbeRTT, which tells whether the losses were random (the draft's
    /// BBR.undo_inflight_longterm); or 0.
    undo: u32,
    /// How much the next probe raises that, segments.
    raise: u32,
    random: u32,
}

impl Bbr {
    /// `seed` differs between flows, so that they do not probe at the same time.
    pub(crate) fn new(now: u32, seed: u32) -> Bbr {
        Bbr {
            phase: Phase::Startup,
            trips: Trips::new(now),
            losses: Losses::new(),
            rates: [0; 2],
            round_began: now,
            rounds: 0,
            phase_at: now,
            cruise: 0,
            full_rate: 0,
            grew: false,
            queued: false,
            full_rounds: 0,
            policed: false,
            inflight_longterm: UNBOUNDED,
            undo: 0,
            raise: RAISE,
            random: seed | 1,
        }
    }

    /// The path's delivery rate, bytes per second; 0 before it is known.
    pub(crate) fn rate(&self) -> u32 {
        self.rates[0].max(self.rates[1])
    }

    /// Shortest round trip, ms; 0 before the first.
    pub(crate) fn min_rtt(&self) -> u32 {
        self.trips.min_rtt
    }

    /// True once it is known what share of the segments is usually lost.
    pub(crate) fn knows_loss(&self) -> bool {
        self.losses.usual_known
    }

    /// True while the pipe was never full.
    pub(crate) fn starts(&self) -> bool {
        self.phase == Phase::Startup
    }

    /// A flush begins. `meter` is the connection's.
    #[inline(never)]
    pub(crate) fn tick(&mut self, tick: Tick, meter: &mut Meter) -> Allowance {
        if tick.stale {
            self.enter(self.phase, tick);
            self.trips.begin_anew(tick.now);
        }
        meter.flush(tick);
        self.trips.take(tick, meter);
        let mut overflows = self.overflows(tick);
        if let Some(newest) = tick.newest {
            self.take_rate(tick, meter);
            if newest.wrapping_sub(self.round_began).cast_signed() >= 0 {
                self.end_round(tick, overflows, meter.is_settled());
                // Where few flushes make a round trip, the one that ends it finds most of its losses.
                overflows &= 2 * self.trips.waits > self.trips.min_rtt;
            }
        }
        self.advance(tick, overflows);
        self.allowance(tick)
    }

    fn take_rate(&mut self, tick: Tick, meter: &mut Meter) {
        let grain = meter.grain();
        let window = match self.phase {
            Phase::Startup => self.trips.min_rtt.max(3 * grain),
            _ => self.trips.min_rtt.max(40).max(8 * grain),
        };
        if let Some(rate) = meter.sample(self.trips.came, tick.delivered, window.min(1_000))
            && (!rate.app_limited || rate.bytes > self.rate())
        {
            self.rates[0] = self.rates[0].max(rate.bytes);
        }
    }

    /// True when a round trip of this round was longer than the shortest, by more than what both ends may keep waiting for.
    fn has_queue(&self) -> bool {
        // Startup ends for good, so it takes more.
        self.trips.has_queue(if self.starts() { 2 } else { 8 })
    }

    /// True if more is lost than usual, and it may be because the queue is full.
    fn overflows(&self, tick: Tick) -> bool {
        let known = self.losses.usual_known && !self.trips.acks_rarely();
        self.losses.exceed(tick, self.phase, self.trips.min_rtt) && (self.has_queue() || known)
    }

    /// `settled` is true when the waits of both ends are known.
    fn end_round(&mut self, tick: Tick, overflows: bool, settled: bool) {
        self.rounds = self.rounds.wrapping_add(1);
        // What is sent first in a ProbeRTT waits behind what the link still holds.
        if self.phase == Phase::ProbeRtt && self.rounds >= 2 {
            self.losses.count_probed(tick);
        }
        let (stands, doubtful) = (self.trips.queue_stands(), self.trips.is_doubtful());
        // This flow's own probe is over.
        if self.phase == Phase::Cruise && self.rounds >= 2 {
            self.losses.queue_stands = stands || doubtful;
        }
        let doubt = doubtful || self.trips.is_unproved(tick.now, 2);
        let loss = self
            .losses
            .end_round(tick, self.trips.min_rtt, overflows, doubt);
        // Segments that are acknowledged in the first two round trips of a cruise were sent slowly, or at the rate of the path, so
        // this flow's queue did not cause their loss. What the probe before lost may still be found in the first of them, since runs of
        // overdue segments are held back.
        if self.phase == Phase::Cruise
            && self.rounds == 2
            && !self.has_queue()
            // While a queue stands, others may overflow it.
            && (loss <= self.losses.usual() || !stands)
        {
            self.losses.learn(loss, self.trips.coarse);
        }
        // Before the waits are known, what may be in flight can be too little for the rate to grow.
        if self.starts() && !tick.app_limited && settled {
            self.look_for_full_pipe(tick);
        }
        self.trips.end_round(self.phase != Phase::ProbeRtt);
        self.begin_round(tick);
    }

    fn begin_round(&mut self, tick: Tick) {
        self.round_began = tick.now;
        self.losses.begin_round(tick);
        self.trips.begin_round();
    }

    /// 5.3.1.2 and 5.3.1.3.
    fn look_for_full_pipe(&mut self, tick: Tick) {
        let rate = self.rate();
        if rate == 0 {
            return;
        }
        if rate >= scale(self.full_rate, FULL_GROWTH, 100) {
            self.full_rate = rate;
            self.full_rounds = 0;
            return;
        }
        self.full_rounds += 1;
        if self.full_rounds >= FULL_ROUNDS {
            self.enter(Phase::Drain, tick);
        }
    }

    #[inline(never)]
    fn enter(&mut self, phase: Phase, tick: Tick) {
        if phase == Phase::ProbeRtt {
            self.losses.begin_probe();
        }
        self.phase = phase;
        self.trips.begin_phase();
        self.phase_at = tick.now;
        self.rounds = 0;
        self.begin_round(tick);
    }

    /// Begins a cycle, and forgets the rate of the cycle before the last (5.5.6), unless this one measured none.
    #[inline(never)]
    fn begin_cycle(&mut self, tick: Tick) {
        if !tick.app_limited && self.rates[0] != 0 {
            self.rates = [0, self.rates[0].max(self.rates[1] / 2)];
        }
        self.random = shift(self.random);
        self.cruise = 6 + self.random % 5;
        self.enter(Phase::Down, tick);
    }

    /// Segments that fit on the path in `percent` of the shortest round trip plus `more` ms.
    #[inline(never)]
    fn path(&self, tick: Tick, percent: u32, more: u32) -> u32 {
        let ms = self.trips.min_rtt * percent / 100 + more;
        scale(self.rate(), ms, tick.segment.saturating_mul(1000)).clamp(MIN_PIPE_CWND, u32::MAX / 2)
    }

    /// Changes the phase if it is time (5.3).
    fn advance(&mut self, tick: Tick, overflows: bool) {
        let Trips { waits, late, .. } = self.trips;
        let drained = tick.pipe <= self.path(tick, 100, waits / 2 + late);
        self.queued =
            matches!(self.phase, Phase::Up | Phase::Down) && (self.queued || self.has_queue());
        self.policed &= !self.queued;
        let since = elapsed(tick.now, self.trips.proved_at);
        match self.phase {
            Phase::Startup if overflows => {
                self.full_rounds = FULL_ROUNDS;
                self.enter(Phase::Drain, tick);
            }
            // A flow that joins others may have measured nothing but a full queue, which cannot grow.
            Phase::Startup if self.losses.flood() => {
                self.full_rounds = FULL_ROUNDS;
                self.draw_back(tick);
            }
            Phase::Drain if drained || self.rounds >= 4 => self.begin_cycle(tick),
            Phase::Down
                if ((drained || self.trips.is_crowded()) && self.rounds >= 1)
                    || self.rounds >= 4 =>
            {
                self.end_probe(tick)
            }
            Phase::Cruise if self.losses.flood() && since > FLOOD_LASTS => self.draw_back(tick),
            Phase::Cruise | Phase::Down if self.trips.has_leapt() && since > LOOK_AGAIN => {
                self.enter(Phase::ProbeRtt, tick);
            }
            Phase::Cruise if overflows && self.trips.queue_stands() => self.draw_back(tick),
            Phase::Cruise if self.rounds >= self.cruise => self.enter(Phase::Refill, tick),
            Phase::Refill if self.rounds >= 1 => {
                self.full_rate = self.rate();
                self.enter(Phase::Up, tick);
            }
            Phase::Up if overflows => self.draw_back(tick),
            Phase::Up => self.probe(tick),
            Phase::ProbeRtt => self.probe_rtt(tick),
            _ => {}
        }
        if self.phase != Phase::ProbeRtt && self.trips.is_old(tick.now) {
            self.enter(Phase::ProbeRtt, tick);
        }
    }

    /// ProbeBW up (5.3.3.6): until the queue is a quarter of the path, or overflows; longer while the rate grows.
    fn probe(&mut self, tick: Tick) {
        // A rate is measured over eight waits.
        let least = if self.trips.waits_most() { 6 } else { 1 };
        let grows = self.grows();
        let full = tick.pipe > self.path(tick, 120, self.trips.slack());
        let ends = (full && (self.queued || !self.grew))
            || tick.pipe >= self.inflight_longterm
            || self.rounds >= 3;
        if self.rounds < least || !(grows || ends) {
            return;
        }
        self.inflight_longterm = self.inflight_longterm.saturating_add(self.raise);
        self.raise = self.raise.saturating_mul(FASTER);
        if grows {
            self.grew = true;
            self.full_rate = self.rate();
            self.rounds = 0;
        } else {
            self.begin_cycle(tick);
        }
    }

    /// What the probe sent is acknowledged. If the link carried it without a queue, the next probe follows at once. With one in each cycle, a
    /// link that became 20 times faster was full only after 14 cycles.
    fn end_probe(&mut self, tick: Tick) {
        self.grew = self.grows();
        self.full_rate = self.rate();
        let next = if self.grew { Phase::Up } else { Phase::Cruise };
        self.enter(next, tick);
    }

    /// True when the rate is clearly higher than when the probe began, and no queue has shown since. Where the path is `policed`, it only
    /// means that something was saved up.
    fn grows(&self) -> bool {
        !self.queued && !self.policed && self.rate() >= scale(self.full_rate, 110, 100)
    }

    /// The queue overflows: in-flight data is bounded below the present amount (5.5.10.2).
    fn draw_back(&mut self, tick: Tick) {
        let Trips { waits, min_rtt, .. } = self.trips;
        let flood = self.losses.take_flood();
        let (kept, path) = match self.has_queue() {
            true if flood => (75, 50),
            true => (75, 60),
            // With that much loss, even the shortest round trip may include a queue that other flows keep full.
            false if flood => (85, 50),
            // The losses may be random, and the model is the better guide.
            false => (85, 100),
        };
        let least = self.path(tick, path, waits / 2);
        if flood {
            self.undo = self.inflight_longterm;
            // Where this end's program calls rarely, a short queue does not show.
            self.policed = !self.has_queue() && !self.trips.coarse;
        }
        self.inflight_longterm = scale(tick.pipe, kept, 100).max(least);
        // Before the usual loss is known, the losses may be random.
        self.raise = if self.knows_loss() {
            RAISE + min_rtt / 16
        } else {
            self.inflight_longterm / 4
        };
        self.begin_cycle(tick);
        self.cruise += LONGER_CRUISE;
        if flood {
            self.trips.failed = false;
            self.enter(Phase::ProbeRtt, tick);
        }
    }

    /// 5.3.4.
    fn probe_rtt(&mut self, tick: Tick) {
        let Trips {
            min_rtt,
            coarse,
            waits,
            ..
        } = self.trips;
        let overflowed = self.losses.overflowed();
        let probed = elapsed(tick.now, self.phase_at);
        // What is sent first waits behind what the link still holds, and tells nothing of what is lost here. After an overflow two more
        // round trips are counted.
        let rounds = if overflowed && !coarse && probed <= LOOK_AGAIN {
            3
        } else {
            1 + u32::from(self.trips.has_leapt())
        };
        if probed < PROBE_RTT_DURATION.max(min_rtt)
            // If all of it is lost, no round trip ends until a timeout.
            || (self.rounds < rounds && probed <= LOOK_AGAIN + 2 * min_rtt)
        {
            return;
        }
        let undo = core::mem::take(&mut self.undo);
        if self.losses.end_probe() && undo != 0 {
            self.policed = false;
            self.inflight_longterm = self.inflight_longterm.max(undo);
            if !self.knows_loss() {
                // The flood ended Startup.
                self.full_rounds = 0;
            }
        }
        match self.trips.end_probe(tick.now, overflowed) {
            // All flows whose ProbeRTT fails leave some of the queue, until it is short and they find the shortest round trip.
            Found::Doubt if overflowed => {
                let most = self.path(tick, KEPT_IN_DOUBT, waits / 2);
                self.inflight_longterm = self.inflight_longterm.min(most);
            }
            // What the queue takes is known for the shorter path.
            Found::Longer => {
                self.inflight_longterm = scale(self.inflight_longterm, self.trips.min_rtt, min_rtt);
            }
            Found::Slower => self.rates = [0, self.rate() / 2],
            Found::Doubt | Found::Path => {}
        }
        if self.full_rounds >= FULL_ROUNDS {
            self.begin_cycle(tick);
        } else {
            self.enter(Phase::Startup, tick);
        }
    }

    fn allowance(&self, tick: Tick) -> Allowance {
        let rate = self.rate();
        if rate == 0 || self.trips.min_rtt == 0 {
            return Allowance {
                inflight: INITIAL_CWND,
                rate: 0,
            };
        }
        let waits = match self.phase {
            Phase::Startup => self.trips.waits,
            // Round trips that consist of waits grow no queue, and the link could carry more of them.
            Phase::Up if self.trips.waits_most() => {
                let waits = self.trips.waits;
                self.trips.slack().max(waits + waits / 3)
            }
            _ => self.trips.slack(),
        };
        let crowd = if self.trips.is_crowded() { CROWD } else { 0 };
        // In flight beyond those that keep the queue short, in percent of the path.
        let rarely = self.trips.acks_rarely();
        let room = crowd + self.losses.in_flight(rarely);
        // Gain of the rate, in flight in percent of the path, segments more, and segments at least.
        let (gain, percent, more, least) = match self.phase {
            Phase::Startup => (STARTUP_GAIN, 200, 0, INITIAL_CWND),
            Phase::Drain => (DRAIN_GAIN, 100, 0, 0),
            Phase::Down => (DOWN_GAIN, 110, 0, 0),
            Phase::Cruise | Phase::Refill => (100, 120 + room, EXTRA_SEGMENTS, 0),
            Phase::Up => (UP_GAIN, 135 + room, 2, 0),
            Phase::ProbeRtt => (100, 30, 0, 0),
        };
        let inflight = match self.phase {
            Phase::ProbeRtt if self.trips.has_leapt() => MIN_PIPE_CWND,
            _ => (self.path(tick, percent, waits) + more).max(least),
        };
        let made_up = rate.saturating_add(scale(rate, self.losses.made_up(rarely), 1024));
        // What is measured while the window stands still says little of the path, and each cycle would halve it.
        let slowest = per_second(tick.segment, self.trips.min_rtt + self.trips.waits);
        Allowance {
            inflight: inflight.min(self.inflight_longterm).max(MIN_PIPE_CWND),
            // 2.7: a hundredth less, so that inaccuracy builds no queue.
            rate: scale(made_up, gain * 99, 10_000).max(slowest).max(1),
        }
    }

    /// Name and number of the phase, as in ikcpx.h.
    pub(crate) fn phase(&self) -> (&'static core::ffi::CStr, u32) {
        match self.phase {
            Phase::Startup => (c"Startup", 0),
            Phase::Drain => (c"Drain", 1),
            Phase::Down => (c"ProbeBW down", 2),
            Phase::Cruise => (c"ProbeBW cruise", 3),
            Phase::Refill => (c"ProbeBW refill", 4),
            Phase::Up => (c"ProbeBW up", 5),
            Phase::ProbeRtt => (c"ProbeRTT", 6),
        }
    }
}
