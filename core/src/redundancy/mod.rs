//! What redundancy is spent on: which segments in flight go out once more, and for how many bytes.
//!
//! `output/copies` asks here while it fills a packet. In order of what a byte buys:
//!
//! 1. A segment that was sent again goes out twice, [`REPEAT_AFTER`] apart: two losses of one segment make the latest messages.
//! 2. One that should have been acknowledged by now, long enough ago to be worth a packet of its own.
//! 3. In the room that a packet with payload leaves: late ones, then those that have left once, the newest first.
//!
//! Nothing is spent before something was lost (`loss`), and less where the copies fill a queue (`brake`).
//!
//! What goes out once more for another reason are messages that nobody waits for (`stubs`): they cost a few bytes, and no budget.

mod brake;
mod loss;
mod stubs;

use core::cell::Cell;

use crate::kcp::Kcp;
use crate::seq::{Earliest, Millis, Sn};
use brake::Brake;
use loss::Loss;
pub(crate) use stubs::LONGEST as LONGEST_STUB;
use stubs::Stubs;

/// With more segments in flight than this the connection sends in bulk, and nothing is copied.
pub(crate) const TRACKED: u32 = 64;

/// How long after a segment was sent again it goes out once more, ms: longer than most bursts of losses last.
const REPEAT_AFTER: u32 = 25;

/// Of hundred packets with payload, so many more may leave for the sake of a copy. Each has the peer send one, too.
const LONE_SHARE: u32 = 12;

/// So many packets may be saved up, in hundredths.
const LONE_MOST: u32 = 2_000;

/// So many bytes may be saved up, in segments of full size.
const CREDIT_MOST: u32 = 8;

/// Copies that only ride along leave bytes for so many that are needed more.
const RESERVE: u32 = 8;

/// A segment in flight.
#[derive(Clone, Copy)]
struct Flight {
    sn: Sn,
    /// When it left for the first time, and last, copies included.
    first: Millis,
    last: Millis,
    /// Transmissions that were no copies, 0 for none.
    xmit: u32,
    copied: bool,
    /// It was sent again, and goes out once more.
    repeats: bool,
}

/// What a connection remembers for its redundancy. Zero is the first value of all of it.
pub(crate) struct Redundancy {
    /// The budget in percent of the payload that is sent for the first time; 0 is off.
    percent: Cell<u32>,
    /// Bytes of payload that copies may take.
    credit: Cell<u32>,
    /// Hundredths of packets that may leave with nothing but copies.
    lone: Cell<u32>,
    /// When a flush has something to look at.
    wake: Earliest,
    loss: Loss,
    brake: Brake,
    pub(crate) stubs: Stubs,
    /// By `sn`, modulo the size.
    flights: [Cell<Flight>; TRACKED as usize],
}

impl Flight {
    const NONE: Flight = Flight {
        sn: Sn(0),
        first: Millis(0),
        last: Millis(0),
        xmit: 0,
        copied: false,
        repeats: false,
    };

    fn age(self, now: Millis) -> u32 {
        now.elapsed_since(self.last)
    }

    /// At which age it is worth a packet of its own.
    fn due_at(self, lateness: Lateness) -> u32 {
        if self.repeats {
            REPEAT_AFTER
        } else {
            lateness.alone
        }
    }
}

/// From which age on a segment counts as late, ms.
#[derive(Clone, Copy)]
pub(crate) struct Lateness {
    /// Late enough to ride along.
    ride: u32,
    /// Late enough for a packet of its own.
    alone: u32,
}

/// Why a copy of a segment may be sent.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reason {
    /// It is worth a packet.
    Needed,
    /// There is room.
    Room,
}

impl Kcp<'_> {
    /// What the program's redundancy remembers, if it has asked for any.
    #[inline(always)]
    pub(crate) fn redundancy(&self) -> Option<&Redundancy> {
        self.private().redundancy.get()
    }

    /// Spends up to `percent` of the payload on copies from now on; 0 is off. False for more than 100, and without memory.
    #[must_use]
    pub fn set_redundancy(&self, percent: u32) -> bool {
        let redundancy = match percent {
            0 => self.redundancy(),
            1..=100 => self.private().redundancy.get_or_zeroed(),
            _ => return false,
        };
        if let Some(redundancy) = redundancy {
            redundancy.set(percent);
        }
        percent == 0 || redundancy.is_some()
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
        }
        stub.is_none() || redundancy.is_some()
    }
}

impl Redundancy {
    /// The budget from now on, in percent of the payload; 0 turns it off.
    pub(crate) fn set(&self, percent: u32) {
        if self.percent.replace(percent) == 0 {
            self.brake.begin();
        }
        self.wake.forget();
    }

    /// True when a flush has something to look at that the index does not know of.
    #[inline(always)]
    pub(crate) fn wakes(&self, now: Millis) -> bool {
        self.wake.has_come(now) || self.stubs.wake.has_come(now)
    }

    /// How long until that, as seen at `now`, if anything waits.
    pub(crate) fn wait(&self, now: Millis) -> Option<i32> {
        let wakes = self.wake.get().into_iter().chain(self.stubs.wake.get());
        wakes.map(|wake| wake.since(now)).min()
    }

    pub(crate) fn is_on(&self) -> bool {
        self.percent.get() > 0
    }

    fn flight(&self, sn: Sn) -> &Cell<Flight> {
        &self.flights[sn.0 as usize % self.flights.len()]
    }

    /// The flight with this number, if it is known.
    fn find(&self, sn: Sn) -> Option<(&Cell<Flight>, Flight)> {
        let cell = self.flight(sn);
        let flight = cell.get();
        (flight.sn == sn && flight.xmit > 0).then_some((cell, flight))
    }

    /// A flush comes across a segment in flight of `len` bytes that left last, copies aside, at `ts`. True when that was in
    /// this flush.
    pub(crate) fn meet(&self, sn: Sn, xmit: u32, ts: Millis, len: u32, mss: u32) -> bool {
        match self.find(sn) {
            None if xmit == 0 => false,
            None => {
                self.flight(sn).set(Flight {
                    sn,
                    first: ts,
                    last: ts,
                    xmit,
                    ..Flight::NONE
                });
                self.earn(len, mss);
                true
            }
            Some((cell, flight)) if xmit > flight.xmit => {
                cell.set(Flight {
                    last: ts,
                    xmit,
                    repeats: true,
                    ..flight
                });
                true
            }
            Some(_) => false,
        }
    }

    /// `len` bytes of payload left for the first time.
    fn earn(&self, len: u32, mss: u32) {
        let share = u64::from(self.percent.get()) * u64::from(self.brake.share());
        let earned = u64::from(len) * share / (100 * u64::from(Brake::WHOLE));
        let most = u64::from(CREDIT_MOST) * u64::from(mss);
        let credit = u64::from(self.credit.get());
        // Lower than before only where the program has made its segments smaller.
        let credit = (credit + earned).min(most).min(u64::from(u32::MAX));
        self.credit.set(credit as u32);
        self.lone.set((self.lone.get() + LONE_SHARE).min(LONE_MOST));
    }

    /// What counts as late, by the smoothed round-trip time and its variation. The larger the budget, the less certain need
    /// a loss be.
    pub(crate) fn lateness(&self, srtt: i32, rttval: i32) -> Lateness {
        let (srtt, rttval) = (srtt.max(1).unsigned_abs(), rttval.max(0).unsigned_abs());
        let percent = self.percent.get();
        let (ride, quarters) = if percent < 50 { (2, 12) } else { (0, 9) };
        let quarters = quarters - (percent.saturating_sub(50) / 10).min(5);
        Lateness {
            ride: srtt.saturating_add(rttval.saturating_mul(ride)),
            alone: srtt.saturating_add(rttval.saturating_mul(quarters) / 4),
        }
    }

    /// True when copies help: something was lost of late.
    pub(crate) fn helps(&self) -> bool {
        self.loss.is_evident()
    }

    /// True when a copy of `sn` is worth a packet.
    pub(crate) fn needs(&self, sn: Sn, now: Millis, lateness: Lateness) -> bool {
        self.find(sn)
            .is_some_and(|(_, flight)| flight.age(now) >= flight.due_at(lateness))
    }

    /// True when a copy of `sn` may ride along for being late.
    pub(crate) fn is_late(&self, sn: Sn, now: Millis, lateness: Lateness) -> bool {
        self.find(sn)
            .is_some_and(|(_, flight)| flight.age(now) >= lateness.ride)
    }

    /// True when a copy of `sn` may ride along for having left once only.
    pub(crate) fn left_once(&self, sn: Sn, now: Millis) -> bool {
        self.find(sn)
            .is_some_and(|(_, flight)| flight.xmit == 1 && !flight.copied && flight.age(now) > 0)
    }

    /// True when there are bytes for a copy of `len`.
    pub(crate) fn affords(&self, len: u32, reason: Reason) -> bool {
        let times = match reason {
            Reason::Needed => 1,
            Reason::Room => 1 + u64::from(RESERVE),
        };
        u64::from(self.credit.get()) >= times * u64::from(len)
    }

    /// True when a packet may leave for the sake of a copy.
    pub(crate) fn affords_packet(&self) -> bool {
        self.lone.get() >= 100
    }

    /// A copy of `sn` with `len` bytes is in the packet.
    pub(crate) fn copied(&self, sn: Sn, now: Millis, len: u32, alone: bool) {
        self.credit.set(self.credit.get().saturating_sub(len));
        if alone {
            self.lone.set(self.lone.get().saturating_sub(100));
        }
        if let Some((cell, flight)) = self.find(sn) {
            cell.set(Flight {
                last: now,
                copied: true,
                repeats: false,
                ..flight
            });
        }
    }

    /// A stub with the number `sn` is in the packet.
    pub(crate) fn repeated(&self, sn: Sn, now: Millis) {
        self.copied(sn, now, 0, false);
    }

    /// Nothing waits, as far as is known.
    pub(crate) fn sleep(&self) {
        self.wake.forget();
    }

    /// `sn` stays in flight: a flush has to look at it when it is worth a packet.
    pub(crate) fn wait_for(&self, sn: Sn, now: Millis, lateness: Lateness) {
        let Some((_, flight)) = self.find(sn) else {
            return;
        };
        // What it could not afford now it may a little later.
        let left = flight.due_at(lateness).saturating_sub(flight.age(now));
        self.wake.note(now.plus(left.max(1)));
    }

    /// The peer acknowledges that it received what left at `ts` as `sn`, `rtt` ms ago.
    pub(crate) fn acknowledged(&self, sn: Sn, ts: Millis, rtt: i32, now: Millis) {
        if !self.is_on() {
            return;
        }
        if rtt >= 0 {
            self.brake.sample(rtt.unsigned_abs(), now);
        }
        if let Some((cell, flight)) = self.find(sn) {
            if ts == flight.first {
                self.loss.arrived();
            } else if flight.xmit > 1 || flight.copied {
                self.loss.lost();
            }
            cell.set(Flight::NONE);
        }
    }
}
