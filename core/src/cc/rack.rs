//! Time-based loss detection: RFC 8985 (RACK-TLP), with the time stamp that KCP's acknowledgements echo. The time stamp
//! identifies the transmission that arrived, so no sample is ambiguous, and a spurious retransmission is detected as in RFC 3522
//! (Eifel).
//!
//! What differs from TCP: one packet carries the acknowledgements of a whole flush of the peer. If that packet is lost, all
//! segments in a row that it named look lost, until a later `una` shows that they arrived. Of a run of overdue segments therefore
//! only the first is reported lost, and the others are held back until `una` has passed the first.
//!
//! How long a segment is waited for comes from how late others arrived. The RFC widens its window step by step, once per round trip
//! with a spurious retransmission: where packets overtake each other all the time, a flow had found too many losses by then.

// Plain arithmetic in long loops, which Miri need not check.
#[cfg(all(test, not(miri)))]
mod tests;

use crate::seq::{Millis, Sn};

/// With this many overdue segments in a row, the acknowledgement packet may be what was lost.
const RUN: u32 = 3;
/// Runs that may be held back at the same time.
const HELD: usize = 12;
/// Milliseconds with acknowledgements after which the reordering window is about a third of what it was, if all arrives in order. Fast paths
/// acknowledge hundreds of segments in one.
const REO_WND_PERSIST: u32 = 1024;
/// How much later than a round trip a segment may count as, ms, or a single one would widen the window for minutes. A round trip is the bound
/// of RFC 8985 (6.2.4), but what arrives at a peer just after its flush waits for the next one, usually for 100 ms at most.
const MOST_LATE: u32 = 100;
/// Acknowledgements over which it is averaged how late segments are.
const MEAN_OF: u32 = 16;
/// What the update intervals of both ends may add to a round-trip time, ms.
const WAIT: u32 = 10;
/// How long a shortest round-trip time counts, so that a longer path shows after that.
const MIN_RTT_WINDOW_MS: u32 = 10_000;
/// A round-trip time of more than this comes from a forgery, or from a clock that jumped.
const MAX_RTT_MS: u32 = 60_000;

/// What is known of an unacknowledged segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Flying {
    /// When it was last sent.
    pub(crate) ts: Millis,
    pub(crate) xmit: u32,
    /// It was reported lost and has not been retransmitted since.
    pub(crate) lost: bool,
}

/// Unacknowledged segments with consecutive numbers, of which the same is known. Several were sent once each.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Alike {
    pub(crate) first: Sn,
    pub(crate) count: u32,
    pub(crate) flying: Flying,
}

/// A transmission.
#[derive(Clone, Copy, Debug, Default)]
struct Sent {
    sn: Sn,
    ts: Millis,
}

impl Sent {
    /// True if this transmission left before `other`. Within a flush they leave in the order of their numbers.
    fn before(self, other: Sent) -> bool {
        let apart = self.ts.since(other.ts);
        apart < 0 || (apart == 0 && self.sn.before(other.sn))
    }
}

/// Transmissions of consecutive segments at the same time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Burst {
    pub(crate) first: Sn,
    pub(crate) count: u32,
    pub(crate) ts: Millis,
}

/// Transmissions in the order in which they left.
pub(crate) trait Log {
    /// The oldest ones.
    fn first(&self) -> Option<Burst>;
    /// Drops those of the oldest that are before `sn`, which is in their row or after it.
    fn drop_before(&mut self, sn: Sn);
}

/// Consecutive overdue segments that are not reported lost yet.
#[derive(Clone, Copy, Debug, Default)]
struct HeldRun {
    from: Sn,
    length: u32,
    since: Millis,
}

impl HeldRun {
    fn has(self, sn: Sn) -> bool {
        sn.forward_from(self.from) < self.length
    }

    /// The number after the run.
    fn end(self) -> Sn {
        self.from.plus(self.length)
    }
}

/// What acknowledgements have shown so far.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Rack {
    /// Of the transmissions that arrived, the latest sent (RFC 8985: RACK.segment), and its round-trip time, ms; valid after the first
    /// acknowledgement.
    latest: Sent,
    pub(crate) latest_rtt: u32,
    /// Shortest and smoothed round-trip time, ms; 0 before the first acknowledgement.
    min_rtt: u32,
    srtt: u32,
    min_rtt_at: Millis,
    /// How late segments arrive: how much longer the round trip of each takes than that of the latest one sent, if that arrived
    /// before, and 1 ms, so that 0 means in order. The most, ms times `REO_WND_PERSIST`, and the mean, ms times `MEAN_OF`.
    most_late: u32,
    mean_late: u32,
    /// The number after a run of overdue segments, and the run's length.
    run: (Sn, u32),
    held: [HeldRun; HELD],
    /// Number of runs that are held back.
    runs: usize,
    /// When the last acknowledgement arrived.
    pub(crate) last_ack: Millis,
    /// Segments in flight.
    pub(crate) pipe: u32,
    /// Segments reported lost, and spurious retransmissions; both wrap.
    pub(crate) lost: u32,
    pub(crate) spurious: u32,
    /// Segments reported lost or sent again without that, less those of which an earlier transmission had arrived; wraps.
    pub(crate) missing: u32,
}

impl Rack {
    /// Begins; everything else is zero.
    pub(crate) fn begin(&mut self, now: Millis) {
        self.last_ack = now;
    }

    /// Consecutive segments were acknowledged with the time stamp `echo`. False if no transmission had that time stamp.
    pub(crate) fn acked(&mut self, now: Millis, segments: Alike, echo: Millis) -> bool {
        let Alike {
            first,
            count,
            flying,
        } = segments;
        let last = first.plus(count.wrapping_sub(1));
        let behind = flying.ts.since(echo);
        let rtt = now.since(echo);
        let earlier = behind > 0 && flying.xmit > 1;
        if !(behind == 0 || earlier) || rtt < 0 || rtt.cast_unsigned() > MAX_RTT_MS {
            return false;
        }
        let rtt = rtt.cast_unsigned();
        let same_ms = now == self.last_ack;
        self.last_ack = now;
        self.spurious = self.spurious.wrapping_add(u32::from(earlier));
        self.arrived_before(u32::from(earlier) + u32::from(flying.lost));
        let is_first = self.srtt == 0;
        let sent = Sent { sn: last, ts: echo };
        let late = if !is_first && sent.before(self.latest) {
            rtt.saturating_sub(self.latest_rtt) + 1
        } else {
            0
        };
        if !same_ms {
            let less = self.most_late / REO_WND_PERSIST + 1;
            self.most_late = self.most_late.saturating_sub(less);
        }
        let most = self.srtt.saturating_add(MOST_LATE);
        self.most_late = self.most_late.max(late.min(most) * REO_WND_PERSIST);
        self.mean_late = self.mean_late - self.mean_late / MEAN_OF + late;
        // If the clock went back, the latest transmission seems to be sent in the future.
        if is_first || self.latest.before(sent) || now.before(self.latest.ts) {
            self.latest = sent;
            self.latest_rtt = rtt;
        }
        for _ in 0..count {
            let before = self.srtt;
            self.srtt = match before {
                0 => rtt.max(1),
                srtt => ((srtt * 7 + rtt) / 8).max(1),
            };
            // More of the same change nothing.
            if self.srtt == before {
                break;
            }
        }
        if self.min_rtt == 0
            || rtt <= self.min_rtt
            || now.forward_from(self.min_rtt_at) > MIN_RTT_WINDOW_MS
        {
            self.min_rtt = rtt.max(1);
            self.min_rtt_at = now;
        }
        true
    }

    /// Consecutive segments arrived, but no acknowledgement tells which transmission. That of a retransmission takes the shortest round trip
    /// at least.
    pub(crate) fn covered(&mut self, now: Millis, segments: Alike) {
        let Flying { ts, xmit, lost } = segments.flying;
        if lost || (xmit > 1 && now.elapsed_since(ts) < self.min_rtt) {
            self.arrived_before(segments.count);
        }
    }

    fn arrived_before(&mut self, count: u32) {
        self.missing = self.missing.wrapping_sub(count);
    }

    /// How late a segment may be, ms: as late as any of the latest, and a quarter of a round trip (RFC 8985, 6.2.4). The DupThresh of
    /// the RFC is left out: with so few segments in flight a connection counts skips, as KCP does.
    pub(crate) fn reo_wnd(&self) -> u32 {
        match self.most_late.div_ceil(REO_WND_PERSIST) {
            0 => 0,
            most => most - 1 + self.min_rtt / 4,
        }
    }

    /// How late segments are on average, ms.
    pub(crate) fn mean_late(&self) -> u32 {
        self.mean_late / MEAN_OF
    }

    /// A segment is sent.
    pub(crate) fn begins(&mut self) {
        self.pipe = self.pipe.wrapping_add(1);
    }

    /// The segment that is sent next is in flight already, since it was sent before and not reported lost.
    pub(crate) fn began_before(&mut self) {
        self.pipe = self.pipe.wrapping_sub(1);
        self.missing = self.missing.wrapping_add(1);
    }

    /// Consecutive segments leave `snd_buf`.
    pub(crate) fn ends(&mut self, segments: Alike) {
        let Alike {
            first,
            count,
            flying,
        } = segments;
        if flying.xmit == 0 || flying.lost {
            return;
        }
        let mut left = count;
        if self.runs > 0 {
            let held = (0..count).filter(|&n| self.runs_have(first.plus(n)));
            left -= held.count() as u32;
        }
        self.leaves(left);
    }

    fn leaves(&mut self, count: u32) {
        self.pipe = self.pipe.saturating_sub(count);
    }

    /// Nothing is in flight.
    pub(crate) fn idle(&mut self) {
        self.pipe = 0;
        self.run.1 = 0;
        self.runs = 0;
    }

    /// True if `sn` is held back.
    #[inline(always)]
    pub(crate) fn holds(&self, sn: Sn) -> bool {
        self.runs > 0 && self.runs_have(sn)
    }

    #[inline(never)]
    fn runs_have(&self, sn: Sn) -> bool {
        self.held().iter().any(|run| run.has(sn))
    }

    /// Reports which segments are lost (RFC 8985, 6.2.5: RACK_detect_loss). `una` is the oldest segment in flight; `look` tells
    /// the state of a segment in flight. With `only_forget` none is found lost, and only what has arrived is forgotten.
    pub(crate) fn detect(
        &mut self,
        now: Millis,
        una: Sn,
        only_forget: bool,
        log: &mut impl Log,
        look: impl Fn(Sn) -> Option<Flying>,
        mut lost: impl FnMut(Sn),
    ) {
        if !only_forget {
            self.decide(now, una, &look, &mut lost);
        }
        // First and last of consecutive overdue segments.
        let mut row: Option<(Sn, Sn)> = None;
        while let Some(Burst { first, count, ts }) = log.first() {
            let passed = una.since(first).max(0).unsigned_abs().min(count);
            let (mut sn, end) = (first.plus(passed), first.plus(count));
            while sn != end {
                // `decide` decides about what is held back, though a timeout may have sent it again.
                let is_open = |flying: Flying| flying.ts == ts && !flying.lost && !self.holds(sn);
                if look(sn).is_some_and(is_open) {
                    let at = self.overdue_at(Sent { sn, ts });
                    if only_forget || at.is_none_or(|at| now.before(at)) {
                        break;
                    }
                    row = match row {
                        Some((first, last)) if sn == last.plus(1) => Some((first, sn)),
                        other => {
                            self.judge(now, other, &mut lost);
                            Some((sn, sn))
                        }
                    };
                }
                sn = sn.plus(1);
            }
            log.drop_before(sn);
            if sn != end {
                break;
            }
        }
        self.judge(now, row, &mut lost);
    }

    /// When the acknowledgement of a transmission should have arrived, because a later one has. The smoothed round trip counts as in
    /// RFC 9002 (6.1.2): out of order, the latest sent is one of the fastest.
    #[inline(never)]
    fn overdue_at(&self, sent: Sent) -> Option<Millis> {
        let wait = self
            .latest_rtt
            .max(self.srtt)
            .saturating_add(self.reo_wnd());
        let passed = self.srtt != 0 && sent.before(self.latest);
        passed.then(|| sent.ts.plus(wait))
    }

    /// Time until `detect` finds something if nothing arrives before (RFC 8985: RACK's reordering timer); `oldest` are the log's first.
    pub(crate) fn wait(&self, now: Millis, oldest: Option<Burst>) -> i32 {
        let mut wait = i32::MAX;
        if let Some(Burst { first: sn, ts, .. }) = oldest
            && let Some(at) = self.overdue_at(Sent { sn, ts })
        {
            wait = at.since(now);
        }
        let patience = (self.patience() + 1).cast_signed();
        let since = self.held().iter().map(|run| run.since.since(now));
        wait.min(since.fold(i32::MAX - patience, i32::min) + patience)
    }

    /// How long a run is held back, ms.
    fn patience(&self) -> u32 {
        self.srtt.saturating_mul(3).saturating_add(10)
    }

    /// The segments of `row` are overdue.
    #[inline(never)]
    fn judge(&mut self, now: Millis, row: Option<(Sn, Sn)>, lost: &mut impl FnMut(Sn)) {
        let Some((first, last)) = row else {
            return;
        };
        let length = last.forward_from(first).wrapping_add(1);
        let before = if first == self.run.0 { self.run.1 } else { 0 };
        self.run = (last.plus(1), before.saturating_add(length));
        if self.latest_rtt > self.min_rtt + self.min_rtt / 8 + WAIT {
            // A long queue has probably overflowed.
            self.tell(first, last, lost);
            return;
        }
        let mut from = first;
        if before == 0 || before.saturating_add(length) < RUN {
            // For a long run only the first is reported; `una` decides about the others.
            let end = if length < RUN { last } else { first };
            self.tell(first, end, lost);
            from = end.plus(1);
        }
        if from.since(last) > 0 {
            return;
        }
        let more = last.forward_from(from).wrapping_add(1);
        let runs = self.runs;
        let extended = self.held().iter().position(|run| run.end() == from);
        if let Some(run) = extended.and_then(|number| self.held.get_mut(number)) {
            run.length = run.length.saturating_add(more);
        } else if let Some(free) = self.held.get_mut(runs) {
            *free = HeldRun {
                from,
                length: more,
                since: now,
            };
            self.runs = runs + 1;
        } else {
            self.tell(from, last, lost);
            return;
        }
        self.leaves(more);
    }

    /// The runs that are held back.
    fn held(&self) -> &[HeldRun] {
        self.held.get(..self.runs).unwrap_or(&[])
    }

    #[inline(never)]
    fn tell(&mut self, first: Sn, last: Sn, lost: &mut impl FnMut(Sn)) {
        let count = last.forward_from(first).wrapping_add(1);
        self.lost = self.lost.wrapping_add(count);
        self.missing = self.missing.wrapping_add(count);
        self.leaves(count);
        for n in 0..count {
            lost(first.plus(n));
        }
    }

    /// Decides, by `una`, about the runs that are held back.
    fn decide(
        &mut self,
        now: Millis,
        una: Sn,
        look: &impl Fn(Sn) -> Option<Flying>,
        lost: &mut impl FnMut(Sn),
    ) {
        let patience = self.patience();
        let mut number = 0;
        while let Some(&run) = self.held.get(number)
            && number < self.runs
        {
            let waited = now.forward_from(run.since);
            let stopped = run.has(una);
            let arrived = una.since(run.end()) >= 0;
            if !arrived && !stopped && waited <= patience {
                number += 1;
                continue;
            }
            let (first, count);
            if stopped && una != run.from && waited <= patience {
                // Part of the run arrived, so only this segment is known to be lost.
                (first, count) = (una, 1);
                if let Some(place) = self.held.get_mut(number) {
                    place.from = una.plus(1);
                    place.length = run.end().forward_from(place.from);
                }
                number += 1;
            } else {
                (first, count) = (run.from, if arrived { 0 } else { run.length });
                // The last run moves to its place.
                self.runs -= 1;
                if let Some(&last) = self.held.get(self.runs)
                    && let Some(place) = self.held.get_mut(number)
                {
                    *place = last;
                }
            }
            for n in 0..count {
                let sn = first.plus(n);
                if look(sn).is_some_and(|flying| !flying.lost) {
                    // Without `una` to confirm the loss, the segments of an expired run do not count as lost.
                    self.lost = self.lost.wrapping_add(u32::from(stopped));
                    self.missing = self.missing.wrapping_add(1);
                    lost(sn);
                }
            }
        }
    }
}
