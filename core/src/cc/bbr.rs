//! BBR after draft-ietf-ccwg-bbr-03 (section numbers below are those of the draft). A model of the path, its highest delivery
//! rate and its shortest round trip, decides how fast to send and how much may be in flight.
//!
//! What differs from the draft, and why:
//! - Random loss is usual on the links that KCP is used on. At 1 to 5 % of it the short-term bounds (bw_lo, inflight_lo;
//!   5.5.10.3) cost most of the link, so they are left out. The loss that is seen while the queue is short is taken for usual, as
//!   far as ProbeRTT loses as much, and made up for by sending a little faster; only loss beyond that counts.
//! - Rates are measured over windows of time (`meter`), not for single segments, because the clock counts milliseconds and one
//!   packet acknowledges everything that arrived in an interval of the peer.
//! - In flight may be a quarter more than the path holds, plus what the update intervals of both ends delay. The draft allows
//!   twice what the path holds. The queue thus stays short between probes too. Where others keep it long, the draft's number applies.

// Plain arithmetic in long loops, which Miri need not check.
#[cfg(all(test, not(miri)))]
mod tests;

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
/// Share of loss, in 1024ths beyond the usual share, that ends a probe (2.5: BBRLossThresh, which 2 % are at a round trip of 50 ms). It is
/// larger on longer paths, where `una` stands still for longer: more segments count as lost of which only the acknowledgement was.
const EXCESS: u32 = 14;
/// The same in a cruise, where nothing is tried, on paths of any length: a flow that keeps the queue full loses a smaller share than the flows
/// that it displaces.
const CRUISE_EXCESS: u32 = 4;
/// Segments that may be lost in a round trip beyond that. Startup ends for good, so it takes more (5.3.1.3: BBRStartupFullLossCnt).
const FEW_LOSSES: u32 = 3;
const STARTUP_FEW_LOSSES: u32 = 6;
/// Highest share of loss, in 1024ths, that counts as usual while fewer than `ENOUGH` segments of ProbeRTT are counted: of several flows at a
/// short queue that overflows, one took more for usual, and displaced the others.
const MOST_MADE_UP: u32 = 64;
/// The highest at any time.
const MOST_LASTING: u32 = 256;
/// Segments of ProbeRTT that tell what is lost without a queue of this flow.
const ENOUGH: u32 = 32;
/// With a higher share of loss than this beyond twice the usual, in 1024ths, for `FLOODS` round trips, the model is not trusted. It is
/// larger on longer paths too.
const FLOOD: u32 = 95;
const FLOODS: u32 = 2;
/// How long a shortest round trip is valid at least, ms (5.3.4: 5 s) and in round trips: ProbeRTT begins a new cycle, and the present
/// one is to reach its probe first.
const MIN_RTT_LASTS: u32 = 5_000;
const MIN_RTT_ROUNDS: u32 = 16;
/// How long a shortest round trip is valid where it is measured again and again, ms: at first, since a flow that joins others measures
/// their queue, and later.
const PROOF_FIRST: u32 = 2_500;
const PROOF_LAST: u32 = 20_000;
/// How long after a ProbeRTT without a round trip as short the next one comes, ms.
const LOOK_AGAIN: u32 = 1_000;
/// A flow whose own queue drops segments begins a ProbeRTT at once, so that all flows do so together, but this long after the last, ms.
const FLOOD_LASTS: u32 = 1_000;
/// How long ProbeRTT looks for a shorter round trip, ms (5.3.4).
const PROBE_RTT_DURATION: u32 = 200;
/// Segments in flight, in percent of the path, that are left to a flow which failed to find an empty queue where one overflows.
const KEPT_IN_DOUBT: u32 = 70;
/// Segments in flight, in percent of the path, beyond those that keep the queue short, where others keep it long: together what the draft
/// allows (2.8: BBRDefaultCwndGain). With less, a flow beside CUBIC has a smaller share the longer the queue is.
const CROWD: u32 = 80;
/// Above this the update intervals of both ends count as long, ms: 10 is usual, and their mean is found to be a little longer.
const USUAL_INTERVAL_MS: u32 = 12;
/// A program that calls as rarely as this, ms, decides when each flush comes. Those that the control plans are 8 ms apart at most.
const COARSE_MS: u32 = 9;
/// Flushes over which round trips are averaged then.
const SMOOTH: u32 = 4;
/// Waits of both ends that need no room of their own then, ms, besides the fifth of the path that may be in flight beyond what it holds.
const SHORT_WAITS_MS: u32 = 7;
/// How many round trips longer a cruise lasts after the queue overflowed. Each probe of a queue that is shorter than what a flush sends
/// loses segments.
const LONGER_CRUISE: u32 = 5;
/// Segments by which the first probe after an overflow raises the bound, on a path of 0 ms, and how many times more each later one does. The
/// first is the same for small and large flows, so that their shares converge (5.3.3.6: BBRRaiseInflightLongtermSlope).
const RAISE: u32 = 4;
const FASTER: u32 = 4;
/// Longer than any round trip, ms, and sums of it fit. Those of `Tick` are at most about a minute.
const NO_RTT: u32 = 1 << 28;
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
    /// What the update intervals of both ends add to a round trip, ms.
    waits: u32,
    /// How late segments are on average where they arrive out of order, ms: `min_rtt` is that of the fastest.
    late: u32,
    /// Highest delivery rates of this cycle and of the one before, bytes per second (2.10: BBR.max_bw).
    rates: [u32; 2],
    /// Mean of the latest round trips, ms, times `SMOOTH`; 0 before the first.
    mean_rtt: u32,
    /// This end's program calls rarely.
    coarse: bool,
    /// Shortest round trip, ms, 0 before the first, and when it was last measured (5.5.7).
    pub(crate) min_rtt: u32,
    min_rtt_at: u32,
    /// When a standing queue of other flows was last ruled out; with one, all round trips are alike.
    proved_at: u32,
    /// When it is to be ruled out again, ms after that.
    proof: u32,
    /// Shortest round trip ever. Each ProbeRTT raises it by an eighth of what `min_rtt` is above it.
    lowest: u32,
    /// More was lost than usual since the last ProbeRTT.
    overflowed: bool,
    /// The last ProbeRTT found only longer round trips than `min_rtt`.
    failed: bool,
    /// Shortest round trip of this ProbeRTT.
    probed_rtt: u32,
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
    /// Delivered and lost segments when the round trip began, and the longest round-trip time in it.
    delivered: u32,
    lost: u32,
    round_rtt: u32,
    /// The shortest in it, and in the one before.
    round_least: u32,
    last_least: u32,
    /// Consecutive rounds since all round trips became much longer at once.
    leapt: u32,
    /// Share of loss while the queue is short, in 1024ths.
    usual_loss: u32,
    pub(crate) usual_loss_known: bool,
    /// Segments of the latest ProbeRTTs, from the second round trip of each on: the lost ones, and all. This flow has little part in that loss.
    probed_lost: u32,
    probed: u32,
    /// Consecutive round trips with a flood of losses.
    floods: u32,
    /// Most segments in flight that the queue took without overflow (2.11: BBR.inflight_longterm).
    pub(crate) inflight_longterm: u32,
    /// How much the next probe raises that, segments.
    raise: u32,
    random: u32,
}

impl Bbr {
    /// `seed` differs between flows, so that they do not probe at the same time.
    pub(crate) fn new(now: u32, seed: u32) -> Bbr {
        Bbr {
            phase: Phase::Startup,
            waits: 2,
            late: 0,
            rates: [0; 2],
            mean_rtt: 0,
            coarse: false,
            min_rtt: 0,
            min_rtt_at: now,
            proved_at: now,
            proof: PROOF_FIRST,
            lowest: NO_RTT,
            overflowed: false,
            failed: false,
            probed_rtt: 0,
            round_began: now,
            rounds: 0,
            phase_at: now,
            cruise: 0,
            full_rate: 0,
            grew: false,
            queued: false,
            full_rounds: 0,
            delivered: 0,
            lost: 0,
            round_rtt: 0,
            round_least: NO_RTT,
            last_least: NO_RTT,
            leapt: 0,
            usual_loss: 0,
            usual_loss_known: false,
            probed_lost: 0,
            probed: 0,
            floods: 0,
            inflight_longterm: UNBOUNDED,
            raise: RAISE,
            random: seed | 1,
        }
    }

    /// The path's delivery rate, bytes per second; 0 before it is known.
    pub(crate) fn rate(&self) -> u32 {
        self.rates[0].max(self.rates[1])
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
            self.min_rtt_at = tick.now;
            self.proved_at = tick.now;
        }
        meter.flush(tick.now, tick.newest.is_some(), tick.app_limited);
        self.waits = meter.waits();
        self.late = tick.late;
        if let Some(rtt) = tick.rtt {
            self.round_least = self.round_least.min(rtt);
            let rtt = self.smooth(rtt, meter.step());
            self.take_rtt(tick, rtt);
        }
        let mut overflows = self.overflows(tick);
        if let Some(newest) = tick.newest {
            self.take_rate(tick, meter);
            if newest.wrapping_sub(self.round_began).cast_signed() >= 0 {
                self.end_round(tick, overflows, meter.is_settled());
                // Where few flushes make a round trip, the one that ends it finds most of its losses.
                overflows &= 2 * self.waits > self.min_rtt;
            }
        }
        self.advance(tick, overflows);
        self.allowance(tick)
    }

    /// True where round trips consist of waits for the most part.
    fn waits_most(&self) -> bool {
        self.waits > self.min_rtt + self.min_rtt / 4
    }

    /// How much longer than the shortest the round trips of segments are without a queue, ms.
    fn slack(&self) -> u32 {
        self.late + self.slack_for_waits()
    }

    /// The part of the waits that the shortest round trip does not include, ms. A peer with a long interval acknowledges what arrived during all
    /// of it at once.
    #[inline(never)]
    fn slack_for_waits(&self) -> u32 {
        let waits = self.waits;
        if self.coarse {
            // What may be in flight beyond the path holds most of the waits, unless the path is short. Even then two flushes fit: the
            // last segments of a flush return after the next one.
            return 2 + waits.saturating_sub((SHORT_WAITS_MS + self.min_rtt / 5).min(self.min_rtt));
        }
        // Waits as long as the path need most of their room: with less, each cycle's rate would be lower than the one before.
        let short = waits.saturating_sub(self.min_rtt * 2 / 5);
        waits.min(short.max(2 + waits / 4 + waits.saturating_sub(2 * USUAL_INTERVAL_MS)))
    }

    /// The round trip `rtt`, averaged if this end's program calls rarely: each `step` ms.
    ///
    /// Where both ends flush on clocks of 10 ms, every round trip is a multiple of 10 ms, and the phases decide whether a millisecond in the
    /// queue adds nothing or 10 ms. A flow that saw 70 ms at least took several times what one with 60 ms took. The mean depends less on
    /// the phases. It includes waits that the shortest did not, so most of `step` is taken off.
    fn smooth(&mut self, rtt: u32, step: u32) -> u32 {
        self.coarse = step >= COARSE_MS;
        if !self.coarse || self.mean_rtt == 0 || self.has_leapt() {
            self.mean_rtt = rtt.saturating_mul(SMOOTH);
            return rtt;
        }
        self.mean_rtt = (self.mean_rtt - self.mean_rtt / SMOOTH).saturating_add(rtt);
        (self.mean_rtt / SMOOTH).saturating_sub(step * 3 / 4)
    }

    fn take_rtt(&mut self, tick: Tick, rtt: u32) {
        self.round_rtt = self.round_rtt.max(rtt);
        if self.phase == Phase::ProbeRtt {
            self.probed_rtt = self.probed_rtt.min(rtt.max(1));
        }
        self.lowest = self.lowest.min(rtt.max(1));
        if self.min_rtt == 0 || rtt < self.min_rtt {
            self.proved_at = tick.now;
        }
        if self.min_rtt == 0 || rtt <= self.min_rtt {
            self.min_rtt = rtt.max(1);
            self.min_rtt_at = tick.now;
        }
    }

    fn take_rate(&mut self, tick: Tick, meter: &mut Meter) {
        let grain = meter.grain();
        let window = match self.phase {
            Phase::Startup => self.min_rtt.max(3 * grain),
            _ => self.min_rtt.max(40).max(8 * grain),
        };
        if let Some(rate) = meter.sample(tick.now, tick.delivered, window.min(1_000))
            && (!rate.app_limited || rate.bytes > self.rate())
        {
            self.rates[0] = self.rates[0].max(rate.bytes);
        }
    }

    /// Segments lost in this round trip, and those together with the delivered ones.
    fn lost(&self, tick: Tick) -> (u32, u32) {
        let lost = tick.lost.wrapping_sub(self.lost);
        let delivered = tick.delivered_segments.wrapping_sub(self.delivered);
        (lost, lost.wrapping_add(delivered))
    }

    /// True if more is lost than usual: twice the usual share, plus 2 % (.4 % in a cruise), plus some segments.
    #[inline(never)]
    fn overflows(&self, tick: Tick) -> bool {
        let (lost, all) = self.lost(tick);
        let excess = if self.phase == Phase::Cruise {
            CRUISE_EXCESS
        } else {
            EXCESS + self.min_rtt / 8
        };
        let expected = scale(all, 2 * self.usual_loss + excess, 1024);
        let few = if self.starts() {
            STARTUP_FEW_LOSSES
        } else {
            FEW_LOSSES
        };
        // Where intervals are long, one packet acknowledges so much that its loss looks like an overflow.
        let known = self.usual_loss_known && self.waits <= 2 * USUAL_INTERVAL_MS;
        lost > expected.saturating_add(few) && (self.has_queue() || known)
    }

    /// How long a shortest round trip is valid, ms.
    fn lasts(&self) -> u32 {
        MIN_RTT_LASTS.max(self.min_rtt * MIN_RTT_ROUNDS)
    }

    /// True when ruling out a queue of other flows is due, or one `part`th of the time until then has passed.
    fn is_unproved(&self, now: u32, part: u32) -> bool {
        elapsed(now, self.proved_at) > self.proof.max(self.min_rtt * 32) / part
    }

    /// True when clearly shorter round trips than `min_rtt` were measured earlier.
    fn is_doubtful(&self) -> bool {
        self.min_rtt > self.lowest + self.lowest / 8 + self.waits / 4
    }

    /// True when a round trip of this round was longer than the shortest, by more than what both ends may keep waiting for.
    #[inline(never)]
    fn has_queue(&self) -> bool {
        // Startup ends for good, so it takes more.
        let part = if self.starts() { 2 } else { 8 };
        let long = self.waits.saturating_sub(2 * USUAL_INTERVAL_MS);
        self.round_rtt
            > self.min_rtt + self.min_rtt / 8 + long.max(self.waits / part) + self.late + 1
    }

    /// Shortest of the latest round trips. With jitter, some are always longer.
    fn least(&self) -> u32 {
        self.round_least.min(self.last_least)
    }

    /// True when even the shortest of the latest round trips was longer than `min_rtt`. So a queue shows that is too short for `has_queue` and
    /// that several flows keep full. Where this end's program calls rarely, the waits hide it.
    fn queue_stands(&self) -> bool {
        let hidden = if self.coarse { self.waits / 2 } else { 0 };
        let least = self.least();
        least != NO_RTT && least > self.min_rtt + self.min_rtt / 32 + self.late + hidden + 1
    }

    /// True when the queue is longer than flows with this control make it, and stays while this flow is in ProbeRTT: others keep it.
    fn is_crowded(&self) -> bool {
        self.is_doubtful() && self.least() > self.lowest * 7 / 4 + self.waits
    }

    /// `settled` is true when the waits of both ends are known.
    fn end_round(&mut self, tick: Tick, overflows: bool, settled: bool) {
        self.rounds = self.rounds.wrapping_add(1);
        let (lost, all) = self.lost(tick);
        let loss = scale(1024, lost, all);
        let flood = loss > FLOOD + 2 * self.usual_loss + self.min_rtt / 4 && lost > 4;
        let overflows = self.usual_loss_known && overflows;
        self.overflowed |= flood || overflows;
        self.floods =
            if flood || (overflows && (self.is_doubtful() || self.is_unproved(tick.now, 2))) {
                self.floods + 1
            } else {
                0
            };
        let loss = self.plausible(lost, all, loss);
        // Segments that are acknowledged in the first two round trips of a cruise were sent slowly, or at the rate of the path, so
        // this flow's queue did not cause their loss. What the probe before lost may still be found in the first of them, since runs of
        // overdue segments are held back.
        if self.phase == Phase::Cruise
            && self.rounds == 2
            && !self.has_queue()
            // While a queue stands, others may overflow it.
            && (loss <= self.usual_loss || !self.queue_stands())
        {
            self.usual_loss = match self.usual_loss {
                _ if !self.usual_loss_known => loss,
                // What Startup lost may be found late. A flow that took it for usual kept the queue full and displaced the others.
                usual if 2 * loss < usual => (usual + loss).div_ceil(2),
                // What a program that calls rarely sends at once may itself overflow a short queue.
                usual if self.coarse => (usual * 7 + loss + 4) / 8,
                usual => (usual * 3 + loss + 2) / 4,
            };
            self.usual_loss_known = true;
        }
        // Before the waits are known, what may be in flight can be too little for the rate to grow.
        if self.starts() && !tick.app_limited && settled {
            self.look_for_full_pipe(tick);
        }
        if self.phase != Phase::ProbeRtt {
            self.look_for_leap();
        }
        self.round_least = NO_RTT;
        self.begin_round(tick);
    }

    /// The part of `loss`, the share of this round trip's segments that were lost, which may be usual: at most what ProbeRTT loses, where this
    /// flow seldom overflows anything, and a little more, because few segments tell little. The usual share falls to that bound too.
    #[inline(never)]
    fn plausible(&mut self, lost: u32, all: u32, loss: u32) -> u32 {
        if self.phase == Phase::ProbeRtt && self.rounds >= 2 {
            self.probed_lost = self.probed_lost.saturating_add(lost);
            self.probed = self.probed.saturating_add(all);
        }
        let most = if self.probed < ENOUGH {
            MOST_MADE_UP
        } else {
            let lost = self.probed_lost.saturating_add(1 + self.probed_lost / 8);
            scale(1024, lost, self.probed).min(MOST_LASTING)
        };
        self.usual_loss = self.usual_loss.min(most);
        loss.min(most)
    }

    #[inline(never)]
    fn begin_round(&mut self, tick: Tick) {
        self.round_began = tick.now;
        self.delivered = tick.delivered_segments;
        self.lost = tick.lost;
        self.round_rtt = 0;
    }

    /// Other flows lengthen round trips little by little. All at once, the path became longer, or its link slower.
    fn look_for_leap(&mut self) {
        let least = self.round_least;
        let longer = least != NO_RTT
            && least > 2 * self.min_rtt + self.waits
            && (self.leapt > 0 || 2 * least > 3 * self.last_least);
        self.last_least = least;
        self.leapt = if longer { self.leapt + 1 } else { 0 };
    }

    /// True from the second round after a leap on, until a ProbeRTT has told why.
    fn has_leapt(&self) -> bool {
        self.leapt >= 2
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
            // Each ProbeRTT counts twice as much as the one before, since paths change.
            self.probed_lost /= 2;
            self.probed /= 2;
        }
        self.phase = phase;
        self.probed_rtt = NO_RTT;
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
        let ms = self.min_rtt * percent / 100 + more;
        scale(self.rate(), ms, tick.segment.saturating_mul(1000)).clamp(MIN_PIPE_CWND, u32::MAX / 2)
    }

    /// Changes the phase if it is time (5.3).
    fn advance(&mut self, tick: Tick, overflows: bool) {
        let waits = self.waits;
        let drained = tick.pipe <= self.path(tick, 100, waits / 2 + self.late);
        self.queued =
            matches!(self.phase, Phase::Up | Phase::Down) && (self.queued || self.has_queue());
        match self.phase {
            Phase::Startup if overflows => {
                self.full_rounds = FULL_ROUNDS;
                self.enter(Phase::Drain, tick);
            }
            // A flow that joins others may have measured nothing but a full queue, which cannot grow.
            Phase::Startup if self.floods >= FLOODS => {
                self.full_rounds = FULL_ROUNDS;
                self.draw_back(tick);
            }
            Phase::Drain if drained || self.rounds >= 4 => self.begin_cycle(tick),
            Phase::Down
                if ((drained || self.is_crowded()) && self.rounds >= 1) || self.rounds >= 4 =>
            {
                self.end_probe(tick)
            }
            Phase::Cruise
                if self.floods >= FLOODS && elapsed(tick.now, self.proved_at) > FLOOD_LASTS =>
            {
                self.draw_back(tick);
            }
            Phase::Cruise | Phase::Down
                if self.has_leapt() && elapsed(tick.now, self.proved_at) > LOOK_AGAIN =>
            {
                self.enter(Phase::ProbeRtt, tick);
            }
            Phase::Cruise if overflows && self.queue_stands() => self.draw_back(tick),
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
        if self.phase != Phase::ProbeRtt
            && self.min_rtt != 0
            && (elapsed(tick.now, self.min_rtt_at) > self.lasts() || self.is_unproved(tick.now, 1))
        {
            self.enter(Phase::ProbeRtt, tick);
        }
    }

    /// ProbeBW up (5.3.3.6): until the queue is a quarter of the path, or overflows; longer while the rate grows.
    fn probe(&mut self, tick: Tick) {
        // A rate is measured over eight waits.
        let least = if self.waits_most() { 6 } else { 1 };
        let grows = self.grows();
        let full = tick.pipe > self.path(tick, 120, self.slack());
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

    /// True when the rate is clearly higher than when the probe began, and no queue has shown since.
    #[inline(never)]
    fn grows(&self) -> bool {
        !self.queued && self.rate() >= scale(self.full_rate, 110, 100)
    }

    /// The queue overflows: in-flight data is bounded below the present amount (5.5.10.2).
    fn draw_back(&mut self, tick: Tick) {
        // With that much loss, even the shortest round trip may include a queue that other flows keep full.
        let flooded = self.floods >= FLOODS;
        self.floods = 0;
        // Where `has_queue` sees none, the losses may be random, and the model is the better guide.
        let (kept, path) = match (flooded, self.has_queue()) {
            (false, false) => (85, 100),
            (false, true) => (75, 60),
            (true, false) => (85, 50),
            (true, true) => (75, 50),
        };
        let least = self.path(tick, path, self.waits / 2);
        self.inflight_longterm = scale(tick.pipe, kept, 100).max(least);
        // Before the usual loss is known, the losses may be random.
        self.raise = if self.usual_loss_known {
            RAISE + self.min_rtt / 16
        } else {
            self.inflight_longterm / 4
        };
        self.begin_cycle(tick);
        self.cruise += LONGER_CRUISE;
        if flooded {
            self.failed = false;
            self.enter(Phase::ProbeRtt, tick);
        }
    }

    /// 5.3.4.
    fn probe_rtt(&mut self, tick: Tick) {
        let probed = elapsed(tick.now, self.phase_at);
        // What is sent first waits behind what the link still holds, and tells nothing of what is lost here. After an overflow two more
        // round trips are counted.
        let rounds = if self.overflowed && !self.coarse && probed <= LOOK_AGAIN {
            3
        } else {
            1 + u32::from(self.has_leapt())
        };
        if probed >= PROBE_RTT_DURATION.max(self.min_rtt)
            // If all of it is lost, no round trip ends until a timeout.
            && (self.rounds >= rounds || probed > LOOK_AGAIN + 2 * self.min_rtt)
        {
            self.lowest += self.min_rtt.saturating_sub(self.lowest) / 8;
            self.proof = if self.is_doubtful() {
                PROOF_FIRST
            } else {
                (self.proof * 2).min(PROOF_LAST)
            };
            self.min_rtt_at = tick.now;
            self.proved_at = tick.now;
            // A longer one is accepted when two ProbeRTT find it and no queue overflows, since other flows may keep the queue full;
            // after a leap at once.
            let longer = self.probed_rtt > self.min_rtt + self.min_rtt / 8 + 1;
            if longer && !self.has_leapt() && (self.overflowed || !self.failed) {
                if self.overflowed {
                    // All flows whose ProbeRTT fails leave some of the queue, until it is short and they find the shortest round trip.
                    let most = self.path(tick, KEPT_IN_DOUBT, self.waits / 2);
                    self.inflight_longterm = self.inflight_longterm.min(most);
                }
                self.failed = true;
                self.min_rtt_at = tick.now.wrapping_sub(self.lasts() - LOOK_AGAIN);
            } else {
                self.failed = false;
                if self.probed_rtt != NO_RTT {
                    // Other flows' queue makes a path seem longer too, but seldom by as much.
                    if self.probed_rtt > self.min_rtt + self.min_rtt / 2 {
                        // What the queue takes is known for the shorter path.
                        self.inflight_longterm =
                            scale(self.inflight_longterm, self.probed_rtt, self.min_rtt);
                    } else if self.has_leapt() {
                        // The path is as long as before, so its link is slower.
                        self.rates = [0, self.rate() / 2];
                    }
                    self.min_rtt = self.probed_rtt;
                }
            }
            self.overflowed = false;
            self.leapt = 0;
            if self.full_rounds >= FULL_ROUNDS {
                self.begin_cycle(tick);
            } else {
                self.enter(Phase::Startup, tick);
            }
        }
    }

    fn allowance(&self, tick: Tick) -> Allowance {
        let rate = self.rate();
        if rate == 0 || self.min_rtt == 0 {
            return Allowance {
                inflight: INITIAL_CWND,
                rate: 0,
            };
        }
        let waits = match self.phase {
            Phase::Startup => self.waits,
            // Round trips that consist of waits grow no queue, and the link could carry more of them.
            Phase::Up if self.waits_most() => self.slack().max(self.waits + self.waits / 3),
            _ => self.slack(),
        };
        let crowd = if self.is_crowded() { CROWD } else { 0 };
        // Gain of the rate, in flight in percent of the path, segments more, and segments at least.
        let (gain, percent, more, least) = match self.phase {
            Phase::Startup => (STARTUP_GAIN, 200, 0, INITIAL_CWND),
            Phase::Drain => (DRAIN_GAIN, 100, 0, 0),
            Phase::Down => (DOWN_GAIN, 110, 0, 0),
            Phase::Cruise | Phase::Refill => (100, 120 + crowd, EXTRA_SEGMENTS, 0),
            Phase::Up => (UP_GAIN, 135 + crowd, 2, 0),
            Phase::ProbeRtt => (100, 30, 0, 0),
        };
        let inflight = match self.phase {
            Phase::ProbeRtt if self.has_leapt() => MIN_PIPE_CWND,
            _ => (self.path(tick, percent, waits) + more).max(least),
        };
        let made_up = rate.saturating_add(scale(rate, self.usual_loss, 1024));
        // What is measured while the window stands still says little of the path, and each cycle would halve it.
        let slowest = per_second(tick.segment, self.min_rtt + self.waits);
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
