//! Losses: what share of the segments is usually lost on the path, and when it is more. Random loss is no congestion.
//! Section numbers are those of draft-ietf-ccwg-bbr-03.

use super::super::{Tick, scale};
use super::Phase;

/// Share of loss, in 1024ths beyond twice the usual share, that ends a probe (2.5: BBRLossThresh, which 2 % are at a round trip of 50 ms). It
/// is larger on longer paths, where `una` stands still for longer: more segments count as lost of which only the acknowledgement was.
const EXCESS: u32 = 14;
/// The same in a cruise, where nothing is tried, on paths of any length: a flow that keeps the queue full loses a smaller share than the flows
/// that it displaces.
const CRUISE_EXCESS: u32 = 4;
/// With a higher share of loss than this beyond twice the usual, in 1024ths, for `FLOODS` round trips, the model is not trusted. It is
/// larger on longer paths too.
const FLOOD: u32 = 95;
const FLOODS: u32 = 2;
/// Segments that may be lost in a round trip besides. Startup ends for good, so it takes more (5.3.1.3: BBRStartupFullLossCnt).
const FEW_LOSSES: u32 = 3;
const STARTUP_FEW_LOSSES: u32 = 6;
/// Highest share of loss, in 1024ths, that counts as usual while fewer than `ENOUGH` segments of ProbeRTT are counted, or a queue stands: of
/// several flows at a short queue that overflows, one took more for usual, and displaced the others.
const MOST_MADE_UP: u32 = 64;
/// The highest at any time.
const MOST_LASTING: u32 = 256;
/// What is sent at most beyond what losses take, in 1024ths: as much as BBR sends less than the measured rate (2.7).
const A_LITTLE_MORE: u32 = 10;
/// Segments of ProbeRTT that tell what is lost without a queue of this flow.
const ENOUGH: u32 = 32;

#[derive(Clone, Copy, Debug)]
pub(super) struct Losses {
    /// Delivered and lost segments when the round trip began.
    delivered: u32,
    lost: u32,
    /// Share of loss while the queue is short, in 1024ths.
    learned: u32,
    pub(super) usual_known: bool,
    /// A queue stands, or may.
    pub(super) queue_stands: bool,
    /// Segments of the latest ProbeRTTs, from the second round trip of each on: the lost ones, and all. This flow has little part in that loss.
    probed_lost: u32,
    probed: u32,
    /// Share of loss when more was lost than usual since the last ProbeRTT, in 1024ths; 0: it was not.
    excess: u32,
    /// Consecutive round trips with a flood of losses.
    floods: u32,
}

impl Losses {
    pub(super) const fn new() -> Losses {
        Losses {
            delivered: 0,
            lost: 0,
            learned: 0,
            usual_known: false,
            queue_stands: false,
            probed_lost: 0,
            probed: 0,
            excess: 0,
            floods: 0,
        }
    }

    /// The share of loss that is usual, in 1024ths. While a queue stands, other flows may overflow it, and a flow that made up for all of
    /// that left nothing to them.
    pub(super) fn usual(&self) -> u32 {
        if self.queue_stands {
            self.learned.min(MOST_MADE_UP)
        } else {
            self.learned
        }
    }

    pub(super) fn begin_round(&mut self, tick: Tick) {
        self.delivered = tick.delivered_segments;
        self.lost = tick.lost;
    }

    /// A ProbeRTT begins. Once enough is counted, each counts twice as much as the one before, since paths change.
    pub(super) fn begin_probe(&mut self) {
        if self.probed >= ENOUGH {
            self.probed_lost /= 2;
            self.probed /= 2;
        }
    }

    /// Segments lost in this round trip, and those together with the delivered ones.
    fn of_round(&self, tick: Tick) -> (u32, u32) {
        let lost = tick.lost.wrapping_sub(self.lost);
        let delivered = tick.delivered_segments.wrapping_sub(self.delivered);
        (lost, lost.wrapping_add(delivered))
    }

    /// True if more is lost in this round trip than usual: twice the usual share, plus 2 % (.4 % in a cruise), plus some segments.
    #[inline(never)]
    pub(super) fn exceed(&self, tick: Tick, phase: Phase, min_rtt: u32) -> bool {
        let (lost, all) = self.of_round(tick);
        let (excess, few) = match phase {
            Phase::Startup => (EXCESS + min_rtt / 8, STARTUP_FEW_LOSSES),
            Phase::Cruise => (CRUISE_EXCESS, FEW_LOSSES),
            _ => (EXCESS + min_rtt / 8, FEW_LOSSES),
        };
        lost > scale(all, 2 * self.usual() + excess, 1024).saturating_add(few)
    }

    /// True if the latest round trips all had a flood of losses.
    pub(super) fn flood(&self) -> bool {
        self.floods >= FLOODS
    }

    /// The same, which is forgotten.
    pub(super) fn take_flood(&mut self) -> bool {
        core::mem::take(&mut self.floods) >= FLOODS
    }

    /// True if more was lost than usual since the last ProbeRTT.
    pub(super) fn overflowed(&self) -> bool {
        self.excess != 0
    }

    /// A ProbeRTT ends. True if it loses a third as much as was lost before it: that was random then, and no overflow. What it loses itself
    /// is no flood either.
    pub(super) fn end_probe(&mut self) -> bool {
        self.floods = 0;
        let share = scale(1024, self.probed_lost, self.probed);
        let excess = core::mem::take(&mut self.excess);
        excess != 0 && self.probed_lost >= FEW_LOSSES && 3 * share >= excess
    }

    /// A round trip of ProbeRTT ends, in which the flow seldom overflowed anything.
    pub(super) fn count_probed(&mut self, tick: Tick) {
        let (lost, all) = self.of_round(tick);
        self.probed_lost = self.probed_lost.saturating_add(lost);
        self.probed = self.probed.saturating_add(all);
    }

    /// A round trip ends. `exceed` is true if more was lost than usual; where the shortest round trip is in `doubt`, that counts as a flood.
    ///
    /// Returns the part of the loss that may be usual: at most what ProbeRTT loses, and a little more, because few segments tell little.
    /// The usual share falls to that bound too.
    pub(super) fn end_round(&mut self, tick: Tick, min_rtt: u32, exceed: bool, doubt: bool) -> u32 {
        let (lost, all) = self.of_round(tick);
        let loss = scale(1024, lost, all);
        let flood = loss > FLOOD + 2 * self.usual() + min_rtt / 4 && lost > 4;
        let exceed = exceed && self.usual_known;
        if flood || exceed {
            self.excess = loss;
        }
        self.floods = if flood || (exceed && doubt) {
            self.floods + 1
        } else {
            0
        };
        let most = if self.probed < ENOUGH {
            MOST_MADE_UP
        } else {
            let lost = self.probed_lost.saturating_add(1 + self.probed_lost / 8);
            scale(1024, lost, self.probed).min(MOST_LASTING)
        };
        self.learned = self.learned.min(most);
        loss.min(most)
    }

    /// Segments in flight that will be lost and need room, in percent of the path. In flight is a quarter more than the path, so a
    /// thousandth counts as an eighth of a percent. A share that may be made up has room anyway, unless the peer acknowledges `rarely`.
    pub(super) fn in_flight(&self, rarely: bool) -> u32 {
        let roomy = if rarely { 0 } else { MOST_MADE_UP };
        self.usual().saturating_sub(roomy) / 8
    }

    /// What is sent beyond the measured rate to make up for losses, in 1024ths. Where the peer acknowledges `rarely`, the loss of one
    /// packet of acknowledgements takes much from that rate, and without a little more each cycle's rate was lower than the one before.
    pub(super) fn made_up(&self, rarely: bool) -> u32 {
        let more = if rarely { A_LITTLE_MORE } else { 0 };
        self.usual() + self.usual().min(more)
    }

    /// The share `loss` was lost without a queue of this flow. `coarse` is true if the program calls rarely.
    pub(super) fn learn(&mut self, loss: u32, coarse: bool) {
        self.learned = match self.learned {
            _ if !self.usual_known => loss,
            // What Startup lost may be found late. A flow that took it for usual kept the queue full and displaced the others.
            usual if 2 * loss < usual => (usual + loss).div_ceil(2),
            // What a program that calls rarely sends at once may itself overflow a short queue.
            usual if coarse => (usual * 7 + loss + 4) / 8,
            usual => (usual * 3 + loss + 2) / 4,
        };
        self.usual_known = true;
    }
}
