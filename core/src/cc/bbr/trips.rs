//! Round trips: how long the path is, whether a queue stands on it, and whether other flows keep that queue.
//! Section numbers are those of draft-ietf-ccwg-bbr-03.

use super::super::meter::Meter;
use super::super::{Tick, elapsed};
use super::way_back::WayBack;

/// How long a shortest round trip is valid at least, ms (5.3.4: 5 s) and in round trips: ProbeRTT begins a new cycle, and the present
/// one is to reach its probe first.
const MIN_RTT_LASTS: u32 = 5_000;
const MIN_RTT_ROUNDS: u32 = 16;
/// How long a shortest round trip is valid where it is measured again and again, ms: at first, since a flow that joins others measures
/// their queue, and later.
const PROOF_FIRST: u32 = 2_500;
const PROOF_LAST: u32 = 20_000;
/// How long after a ProbeRTT without a round trip as short the next one comes, ms.
pub(super) const LOOK_AGAIN: u32 = 1_000;
/// Above this the update intervals of both ends count as long, ms: 10 is usual, and their mean is found to be a little longer.
const USUAL_INTERVAL_MS: u32 = 12;
/// A program that calls as rarely as this, ms, decides when each flush comes. Those that the control plans are 8 ms apart at most.
const COARSE_MS: u32 = 9;
/// Flushes over which round trips are averaged then.
const SMOOTH: u32 = 4;
/// Waits of both ends that need no room of their own then, ms, besides the fifth of the path that may be in flight beyond what it holds.
const SHORT_WAITS_MS: u32 = 7;
/// Longer than any round trip, ms, and sums of it fit. Those of `Tick` are at most about a minute.
const NO_RTT: u32 = 1 << 28;

/// What a ProbeRTT found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// Longer round trips, perhaps because of other flows' queue. Another ProbeRTT decides.
    Doubt,
    /// The path has become so much longer that no queue explains it.
    Longer,
    /// A path as long as before, where all round trips had become much longer at once.
    Slower,
    /// The round trip of the path.
    Path,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Trips {
    /// What the update intervals of both ends add to a round trip, ms.
    pub(super) waits: u32,
    /// The part of them that the peer's interval adds.
    gap: u32,
    /// How late segments are on average where they arrive out of order, ms: `min_rtt` is that of the fastest.
    pub(super) late: u32,
    way_back: WayBack,
    /// When what has just arrived would have come if it had not waited on the way back. It does not go back.
    pub(super) came: u32,
    /// By how much the latest round trip was longer than the shortest, without that wait, ms.
    queue: u32,
    /// This end's program calls rarely.
    pub(super) coarse: bool,
    /// Mean of the latest round trips, ms, times `SMOOTH`; 0 before the first.
    mean: u32,
    /// Shortest round trip, ms, 0 before the first, and when it was last measured (5.5.7).
    pub(super) min_rtt: u32,
    min_rtt_at: u32,
    /// When a standing queue of other flows was last ruled out; with one, all round trips are alike.
    pub(super) proved_at: u32,
    /// When it is to be ruled out again, ms after that.
    proof: u32,
    /// Shortest round trip ever. Each ProbeRTT raises it by an eighth of what `min_rtt` is above it.
    lowest: u32,
    /// The last ProbeRTT found only longer round trips than `min_rtt`.
    pub(super) failed: bool,
    /// Shortest round trip of this phase.
    of_phase: u32,
    /// The longest round trip since this round began, the shortest in it, and the shortest in the one before.
    longest: u32,
    least: u32,
    last_least: u32,
    /// By how much a round trip was shorter than the longest before it in this round at most, ms. Where this end's program calls rarely, the
    /// longest is a mean.
    fell: u32,
    /// Mean of that, ms. A queue grows little by little, and seldom empties at once.
    jitter: u32,
    /// Consecutive rounds since all round trips became much longer at once.
    leapt: u32,
}

impl Trips {
    pub(super) fn new(now: u32) -> Trips {
        Trips {
            waits: 2,
            gap: 1,
            late: 0,
            way_back: WayBack::new(),
            came: now,
            queue: 0,
            coarse: false,
            mean: 0,
            min_rtt: 0,
            min_rtt_at: now,
            proved_at: now,
            proof: PROOF_FIRST,
            lowest: NO_RTT,
            failed: false,
            of_phase: NO_RTT,
            longest: 0,
            least: NO_RTT,
            last_least: NO_RTT,
            fell: 0,
            jitter: 0,
            leapt: 0,
        }
    }

    /// What was measured before `now` counts as measured then.
    pub(super) fn begin_anew(&mut self, now: u32) {
        self.min_rtt_at = now;
        self.proved_at = now;
    }

    pub(super) fn begin_phase(&mut self) {
        self.of_phase = NO_RTT;
    }

    pub(super) fn begin_round(&mut self) {
        self.longest = 0;
    }

    /// A flush begins.
    pub(super) fn take(&mut self, tick: Tick, meter: &Meter) {
        self.waits = meter.waits();
        self.gap = meter.gap();
        self.late = tick.late;
        let Some(rtt) = tick.rtt else {
            return;
        };
        let step = meter.step();
        self.coarse = step >= COARSE_MS;
        // The mean includes waits that the shortest did not.
        let early = if self.coarse { step * 3 / 4 } else { 0 };
        let rtt = self.without_wait_back(tick, rtt, early);
        self.least = self.least.min(rtt);
        self.fell = self.fell.max(self.longest.saturating_sub(rtt));
        let rtt = self.smooth(rtt, early);
        self.longest = self.longest.max(rtt);
        // 0 ms, which count as 1 below, hold no queue.
        if self.min_rtt == 0 || rtt < self.min_rtt {
            self.proved_at = tick.now;
        }
        let rtt = rtt.max(1);
        self.of_phase = self.of_phase.min(rtt);
        self.lowest = self.lowest.min(rtt);
        if self.min_rtt == 0 || rtt <= self.min_rtt {
            self.min_rtt = rtt;
            self.min_rtt_at = tick.now;
        }
    }

    /// The round trip `rtt` without its wait on the way back. By as much as `early`, ms, the shortest may be less than a round trip.
    fn without_wait_back(&mut self, tick: Tick, rtt: u32, early: u32) -> u32 {
        let most = rtt.saturating_sub(self.min_rtt + early);
        let wait = self.way_back.take(tick.offset, most);
        self.queue = most - wait;
        // A wait of one end for its flush may look like it.
        let clear = wait.saturating_sub(self.waits / 2);
        let came = tick.now.wrapping_sub(clear);
        if tick.stale || elapsed(came, self.came) > 0 {
            self.came = came;
        }
        rtt - wait
    }

    /// The round trip `rtt`, averaged if this end's program calls rarely.
    ///
    /// Where both ends flush on clocks of 10 ms, every round trip is a multiple of 10 ms, and the phases decide whether a millisecond in the
    /// queue adds nothing or 10 ms. A flow that saw 70 ms at least took several times what one with 60 ms took. The mean depends less on
    /// the phases, and is less by `early` ms.
    fn smooth(&mut self, rtt: u32, early: u32) -> u32 {
        if !self.coarse || self.mean == 0 || self.has_leapt() {
            self.mean = rtt.saturating_mul(SMOOTH);
            return rtt;
        }
        self.mean = (self.mean - self.mean / SMOOTH).saturating_add(rtt);
        (self.mean / SMOOTH).saturating_sub(early)
    }

    /// How long a shortest round trip is valid, ms.
    fn lasts(&self) -> u32 {
        MIN_RTT_LASTS.max(self.min_rtt * MIN_RTT_ROUNDS)
    }

    /// True when ruling out a queue of other flows is due, or one `part`th of the time until then has passed.
    pub(super) fn is_unproved(&self, now: u32, part: u32) -> bool {
        elapsed(now, self.proved_at) > self.proof.max(self.min_rtt * 32) / part
    }

    /// True when it is time for a ProbeRTT.
    pub(super) fn is_old(&self, now: u32) -> bool {
        self.min_rtt != 0
            && (elapsed(now, self.min_rtt_at) > self.lasts() || self.is_unproved(now, 1))
    }

    /// True when clearly shorter round trips than `min_rtt` were measured earlier.
    pub(super) fn is_doubtful(&self) -> bool {
        self.min_rtt > self.lowest + self.lowest / 8 + self.waits / 4
    }

    /// True when a round trip of this round was longer than the shortest, by more than the jitter and one `part`th of what both ends may keep
    /// waiting for.
    pub(super) fn has_queue(&self, part: u32) -> bool {
        let long = self.waits.saturating_sub(2 * USUAL_INTERVAL_MS);
        let waits = long.max(self.waits / part);
        self.longest > self.min_rtt + self.min_rtt / 8 + waits + self.late + self.jitter + 1
    }

    /// Shortest of the latest round trips. With jitter, some are always longer.
    fn latest(&self) -> u32 {
        self.least.min(self.last_least)
    }

    /// True when even the shortest of the latest round trips was longer than `min_rtt` by more than the jitter. So a queue shows that is too
    /// short for `has_queue` and that several flows keep full. Where one of the ends flushes rarely, its waits hide it: flushes that keep step
    /// lengthen all round trips alike.
    #[inline(never)]
    pub(super) fn queue_stands(&self) -> bool {
        let hidden = if self.coarse {
            self.waits / 2
        } else {
            self.gap / 8
        };
        let least = self.latest();
        let spread = self.late + self.jitter + hidden;
        least != NO_RTT && least > self.min_rtt + self.min_rtt / 32 + spread + 1
    }

    /// True when the queue is longer than flows with this control make it, and stays while this flow is in ProbeRTT: others keep it.
    pub(super) fn is_crowded(&self) -> bool {
        self.is_doubtful() && self.latest() > self.lowest * 7 / 4 + self.waits
    }

    /// True where round trips consist of waits for the most part.
    pub(super) fn waits_most(&self) -> bool {
        self.waits > self.min_rtt + self.min_rtt / 4
    }

    /// True where one packet acknowledges so much that its loss looks like an overflow. Losses of packets lengthen the mean gap too.
    pub(super) fn acks_rarely(&self) -> bool {
        self.gap > USUAL_INTERVAL_MS + USUAL_INTERVAL_MS / 4
    }

    /// How much longer than the shortest the round trips of segments are without a queue, ms.
    #[inline(never)]
    pub(super) fn slack(&self) -> u32 {
        // In the mean, what no later segment overtook counts as in time, while the shortest round trip is that of the fastest. The fifth of
        // the path that may be in flight beyond it holds the rest, unless waits are long and need it themselves.
        let held = if self.waits > USUAL_INTERVAL_MS {
            0
        } else {
            self.min_rtt / 5
        };
        let late = self.late.max((3 * self.late).saturating_sub(held));
        // What waits on the way back is in flight, too. A queue on the way out shows that there was room enough.
        let back = self.way_back.mean().saturating_sub(2 * self.queue);
        late + self.slack_for_waits() + back
    }

    /// The part of the waits that the shortest round trip does not include, ms. A peer with a long interval acknowledges what arrived during all
    /// of it at once.
    fn slack_for_waits(&self) -> u32 {
        let waits = self.waits;
        if self.coarse {
            // What may be in flight beyond the path holds most of the waits, unless the path is short. Even then two flushes fit: the
            // last segments of a flush return after the next one.
            return 2 + waits.saturating_sub((SHORT_WAITS_MS + self.min_rtt / 5).min(self.min_rtt));
        }
        // What a peer with a long interval holds back and what is sent meanwhile are in flight together. Without room for both, the window
        // holds up the flow, and each cycle's rate is lower than the one before. A little more makes up for what is lost.
        let held = (self.gap + self.gap / 16).saturating_sub(self.min_rtt / 4);
        waits.min(held.max(2 + waits / 4 + waits.saturating_sub(2 * USUAL_INTERVAL_MS)))
    }

    /// A round trip of segments ends. Other flows lengthen round trips little by little. All at once, the path became longer, or its link
    /// slower; a ProbeRTT, which shortens them, is no time to `look` for that.
    pub(super) fn end_round(&mut self, look: bool) {
        self.way_back.end_round();
        let least = core::mem::replace(&mut self.least, NO_RTT);
        if least == NO_RTT {
            return;
        }
        // Waits make round trips differ too. Those longer than usual seldom do so by their whole length.
        let waits = self.waits.min(USUAL_INTERVAL_MS) / 2;
        let fell = core::mem::take(&mut self.fell).saturating_sub(waits);
        // Less than 4 ms more never count.
        self.jitter = if fell > self.jitter {
            (3 * self.jitter + fell) / 4
        } else {
            (7 * self.jitter + fell) / 8
        };
        if look {
            let longer = least > 2 * self.min_rtt + self.waits
                && (self.leapt > 0 || 2 * least > 3 * self.last_least);
            self.last_least = least;
            self.leapt = if longer { self.leapt + 1 } else { 0 };
        }
    }

    /// True from the second round after a leap on, until a ProbeRTT has told why.
    pub(super) fn has_leapt(&self) -> bool {
        self.leapt >= 2
    }

    /// A ProbeRTT ends. `overflowed` is true if more was lost than usual since the one before.
    pub(super) fn end_probe(&mut self, now: u32, overflowed: bool) -> Found {
        self.lowest += self.min_rtt.saturating_sub(self.lowest) / 8;
        self.proof = if self.is_doubtful() {
            PROOF_FIRST
        } else {
            (self.proof * 2).min(PROOF_LAST)
        };
        self.begin_anew(now);
        let leapt = self.has_leapt();
        self.leapt = 0;
        let (before, probed) = (self.min_rtt, self.of_phase);
        // A longer one is accepted when two ProbeRTT find it and no queue overflows, since other flows may keep the queue full; after a leap
        // at once.
        let longer = probed > before + before / 8 + 1;
        if longer && !leapt && (overflowed || !self.failed) {
            self.failed = true;
            self.min_rtt_at = now.wrapping_sub(self.lasts() - LOOK_AGAIN);
            return Found::Doubt;
        }
        self.failed = false;
        if probed == NO_RTT {
            return Found::Path;
        }
        self.min_rtt = probed;
        // Other flows' queue makes a path seem longer too, but seldom by as much.
        if probed > before + before / 2 {
            Found::Longer
        } else if leapt {
            Found::Slower
        } else {
            Found::Path
        }
    }
}
