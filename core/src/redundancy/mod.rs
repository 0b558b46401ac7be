//! What redundancy spends its budget on: which segments in flight are copied into packets, and for how many bytes.
//!
//! `output/copies` asks here while it fills a packet. Copies come in the order of what a byte gains:
//!
//! 1. Of a segment that was retransmitted, [`REPEAT_AFTER`] ms later: the latest messages are those with a segment that was lost
//!    twice.
//! 2. Of a segment whose acknowledgement is so late that the copy is worth a packet of its own.
//! 3. In the free room of a packet with payload: of late segments, then of those that were sent once, the newest first.
//!
//! Nothing is spent before a loss (`loss`), and less where copies fill a queue (`brake`).
//!
//! Copies for another reason are those of messages that nobody waits for any more (`stubs`): they cost a few bytes, and no budget.

mod brake;
mod loss;
mod stubs;

use core::cell::Cell;

use crate::cc::scale;
use crate::kcp::Kcp;
use crate::segment::Segment;
use crate::seq::{Earliest, Millis, Sn};
use crate::wire::Ack;
use brake::Brake;
use loss::Loss;
pub(crate) use stubs::LONGEST as LONGEST_STUB;
use stubs::Stubs;

/// With more segments in flight than this, the connection sends in bulk and nothing is copied.
pub(crate) const TRACKED: u32 = 64;

/// How long after its retransmission a segment is copied, ms: longer than most bursts of losses.
const REPEAT_AFTER: u32 = 25;

/// Extra packets for the sake of a copy, in each hundred packets with payload. The peer answers each with a packet.
const LONE_SHARE: u32 = 12;

/// The most extra packets that can be saved up, in hundredths.
const LONE_MOST: u32 = 2_000;

/// The most bytes that can be saved up, in full segments.
const CREDIT_MOST: u32 = 5;

/// A copy that only uses free room leaves bytes for this many copies that are needed more.
const RESERVE: u32 = 5;

/// A segment in flight.
struct Flight {
    sn: Cell<Sn>,
    /// When it was first sent, and last sent; `last` includes copies.
    first: Cell<Millis>,
    last: Cell<Millis>,
    /// Transmissions without copies; 0 marks a free entry.
    xmit: Cell<u32>,
    copied: Cell<bool>,
    /// It was retransmitted, and will be copied.
    repeats: Cell<bool>,
}

/// What a connection records for its redundancy. Zeroed memory is a valid value.
pub(crate) struct Redundancy {
    /// The budget in percent of the payload, counted at first transmission; 0 is off.
    percent: Cell<u32>,
    /// Bytes of payload that copies may still take.
    credit: Cell<u32>,
    /// Packets that may be sent with copies alone, in hundredths.
    lone: Cell<u32>,
    /// When a flush has to look for copies again.
    wake: Earliest,
    loss: Loss,
    brake: Brake,
    pub(crate) stubs: Stubs,
    /// By `sn`, modulo the size.
    flights: [Flight; TRACKED as usize],
}

impl Flight {
    fn age(&self, now: Millis) -> u32 {
        now.elapsed_since(self.last.get())
    }

    /// The age at which a copy is worth a packet of its own.
    fn due_at(&self, lateness: Lateness) -> u32 {
        if self.repeats.get() {
            REPEAT_AFTER
        } else {
            lateness.alone
        }
    }
}

/// The ages from which a segment counts as late, ms.
#[derive(Clone, Copy)]
pub(crate) struct Lateness {
    /// Late enough for free room in a packet.
    ride: u32,
    /// Late enough for a packet of its own.
    alone: u32,
}

/// Why a copy of a segment may be sent, in the order of what a byte gains.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reason {
    /// It is worth a packet.
    Needed,
    /// The packet has room, and the segment is late.
    Late,
    /// The packet has room, and the segment was sent only once.
    Fresh,
}

impl Kcp<'_> {
    /// The connection's redundancy, if the program has asked for any.
    #[inline(always)]
    pub(crate) fn redundancy(&self) -> Option<&Redundancy> {
        self.private().redundancy.get()
    }

    /// Spends up to `percent` of the payload on copies from now on; 0 is off. False if `percent` exceeds 100, or without memory.
    #[must_use]
    pub fn set_redundancy(&self, percent: u32) -> bool {
        let redundancy = match percent {
            0 => self.redundancy(),
            1..=100 => self.private().redundancy.get_or_zeroed(),
            _ => return false,
        };
        if let Some(redundancy) = redundancy {
            redundancy.set(percent);
            self.redundancy_changed();
        }
        percent == 0 || redundancy.is_some()
    }

    #[inline(never)]
    fn redundancy_changed(&self) {
        self.choose_ways();
        self.watch_admission();
    }

    /// Makes a message of one segment that expires in flight a `stub` from now on, or lets it be. False when it is
    /// too long, and without memory.
    #[must_use]
    pub fn set_stub(&self, stub: Option<&[u8]>) -> bool {
        let redundancy = match stub {
            None => self.redundancy(),
            Some(stub) if stub.len() <= LONGEST_STUB => self.private().redundancy.get_or_zeroed(),
            Some(_) => return false,
        };
        if let Some(redundancy) = redundancy {
            redundancy.stubs.set(stub);
            self.redundancy_changed();
        }
        stub.is_none() || redundancy.is_some()
    }
}

/// How many variations of the round-trip time beyond its mean make a segment late enough to ride, and how many quarters of one make
/// it worth a packet. A larger budget copies at a lower certainty of loss, while at least half of the extra packets are saved up.
fn margins(percent: u32, lone: u32) -> (u32, u32) {
    let (ride, quarters) = if percent < 50 { (2, 12) } else { (0, 9) };
    if lone < LONE_MOST / 2 {
        return (ride, quarters);
    }
    (ride, quarters - (percent.saturating_sub(50) / 10).min(5))
}

impl Redundancy {
    /// Sets the budget, in percent of the payload; 0 is off.
    pub(crate) fn set(&self, percent: u32) {
        if self.percent.replace(percent) == 0 {
            self.brake.begin();
        }
        self.wake.forget();
    }

    /// How long until a flush has to look for copies or stubs again, as seen at `now`, if anything waits.
    pub(crate) fn wait(&self, now: Millis) -> Option<i32> {
        let wakes = self.wake.get().into_iter().chain(self.stubs.wake.get());
        wakes.map(|wake| wake.since(now)).min()
    }

    pub(crate) fn is_on(&self) -> bool {
        self.percent.get() > 0
    }

    /// True when flushes have to look for copies or stubs.
    pub(crate) fn is_needed(&self) -> bool {
        self.is_on() || self.stubs.is_on()
    }

    fn flight(&self, sn: Sn) -> &Flight {
        &self.flights[sn.0 as usize % self.flights.len()]
    }

    /// The flight with this number, if it is known.
    fn find(&self, sn: Sn) -> Option<&Flight> {
        Some(self.flight(sn)).filter(|flight| flight.sn.get() == sn && flight.xmit.get() > 0)
    }

    /// A flush visits a segment in flight; `una` is the first of those, and a full one has `mss` bytes. True if this flush sent it.
    pub(crate) fn meet(&self, segment: Segment<'_>, una: Sn, mss: u32) -> bool {
        let (sn, xmit, ts) = (
            Sn(segment.sn.get()),
            segment.xmit.get(),
            Millis(segment.ts.get()),
        );
        let flight = self.flight(sn);
        let known = self.find(sn).is_some();
        // Where some between them have arrived, two in flight may share an entry. The first has it, or each visit would earn again.
        let is_earlier = flight.sn.get().forward_from(una) < sn.forward_from(una);
        let is_taken = flight.xmit.get() > 0 && is_earlier;
        // After a change of path the count begins again.
        let again = xmit > flight.xmit.get() || flight.last.get().before(ts);
        if xmit == 0 || is_taken || (known && !again) {
            return false;
        }
        if !known {
            flight.sn.set(sn);
            flight.first.set(ts);
            flight.copied.set(false);
            self.earn(segment.len.get(), mss);
        }
        flight.last.set(ts);
        flight.xmit.set(xmit);
        flight.repeats.set(known);
        true
    }

    /// `len` bytes of payload left for the first time.
    fn earn(&self, len: u32, mss: u32) {
        let share = self.percent.get() * self.brake.share();
        let earned = scale(len, share, 100 * Brake::WHOLE);
        // What was saved up before copies help, or before a queue grew, would leave all at once.
        let saved = if self.helps() { self.credit.get() } else { 0 };
        // The cap falls only if the program makes its segments smaller.
        let most = mss.saturating_mul(CREDIT_MOST);
        self.credit.set(saved.saturating_add(earned).min(most));
        self.lone.set((self.lone.get() + LONE_SHARE).min(LONE_MOST));
    }

    /// When a segment counts as late, by the smoothed round-trip time and its variation.
    pub(crate) fn lateness(&self, srtt: i32, rttval: i32) -> Lateness {
        let (srtt, rttval) = (srtt.max(1).unsigned_abs(), rttval.max(0).unsigned_abs());
        let (ride, quarters) = margins(self.percent.get(), self.lone.get());
        Lateness {
            ride: srtt.saturating_add(rttval.saturating_mul(ride)),
            alone: srtt.saturating_add(rttval.saturating_mul(quarters) / 4),
        }
    }

    /// True if copies help, because something was lost recently, and no queue grows.
    pub(crate) fn helps(&self) -> bool {
        self.loss.is_evident() && self.brake.share() > 0
    }

    /// True if a copy of `sn` helps, for this reason.
    pub(crate) fn wants(&self, sn: Sn, reason: Reason, now: Millis, lateness: Lateness) -> bool {
        let Some(flight) = self.find(sn) else {
            return false;
        };
        let late_at = match reason {
            Reason::Needed => flight.due_at(lateness),
            Reason::Late => lateness.ride,
            Reason::Fresh if flight.xmit.get() == 1 && !flight.copied.get() => 1,
            Reason::Fresh => return false,
        };
        flight.age(now) >= late_at
    }

    /// True if the budget covers a copy of `len` bytes.
    pub(crate) fn affords(&self, len: u32, reason: Reason) -> bool {
        let times = match reason {
            Reason::Needed => 1,
            Reason::Late | Reason::Fresh => 1 + u64::from(RESERVE),
        };
        u64::from(self.credit.get()) >= times * u64::from(len)
    }

    /// True if the budget covers an extra packet.
    pub(crate) fn affords_packet(&self) -> bool {
        self.lone.get() >= 100
    }

    /// A copy of `sn` with `len` bytes was put into the packet.
    #[inline(never)]
    pub(crate) fn copied(&self, sn: Sn, now: Millis, len: u32, alone: bool) {
        self.credit.set(self.credit.get().saturating_sub(len));
        if alone {
            self.lone.set(self.lone.get().saturating_sub(100));
        }
        if let Some(flight) = self.find(sn) {
            flight.last.set(now);
            flight.copied.set(true);
            flight.repeats.set(false);
        }
    }

    /// A stub with the number `sn` is in the packet.
    pub(crate) fn repeated(&self, sn: Sn, now: Millis) {
        self.copied(sn, now, 0, false);
    }

    /// No segment waits for a copy, as far as is known.
    pub(crate) fn sleep(&self) {
        self.wake.forget();
    }

    /// `segment` stays in flight: a flush must look again when a copy is worth a packet.
    pub(crate) fn wait_for(&self, segment: Segment<'_>, now: Millis, lateness: Lateness) {
        // Only a first transmission earns what the budget lacks, and its flush looks again.
        if !self.affords(segment.len.get(), Reason::Needed) || !self.affords_packet() {
            return;
        }
        let Some(flight) = self.find(Sn(segment.sn.get())) else {
            return;
        };
        // At least 1 ms: the packet may have had no room, or the pace. And not so late that it seems to be past, whatever round trip a
        // peer tells.
        let left = flight.due_at(lateness).saturating_sub(flight.age(now));
        let left = left.clamp(1, i32::MAX.cast_unsigned());
        self.wake.note(now.plus(left));
    }

    /// An acknowledgement arrives after a round trip of `rtt` ms.
    pub(crate) fn acknowledged(&self, ack: Ack, rtt: i32, now: Millis) {
        if !self.is_on() {
            return;
        }
        if rtt >= 0 {
            self.brake
                .sample(rtt.unsigned_abs(), now, self.loss.is_evident());
        }
        if let Some(flight) = self.find(ack.sn) {
            if ack.ts == flight.first.get() {
                self.loss.arrived();
            } else if flight.xmit.get() > 1 || flight.copied.get() {
                self.loss.lost();
            }
            flight.xmit.set(0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_large_budget_spent_its_extra_packets_on_guesses_and_had_none_for_what_was_lost() {
        let alone = |percent, lone| margins(percent, lone).1;
        assert_eq!((alone(50, 0), alone(100, 0)), (9, 9));
        assert_eq!((alone(50, LONE_MOST), alone(100, LONE_MOST)), (9, 4));
        assert_eq!((alone(20, 0), alone(20, LONE_MOST)), (12, 12));
    }
}
