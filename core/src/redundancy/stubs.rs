//! Messages that expire in flight. Each is replaced by a stub, a few bytes under its number, which is sent often.
//!
//! The peer hands out messages in order, so one that nobody wants any more holds up all behind it until its number has
//! arrived. A stub brings the number for less, and can be repeated more often than a message could. A message that is retransmitted
//! so late that it would expire on the way becomes a stub before.

use core::cell::Cell;

use crate::memory::ring::Ring;
use crate::segment::Segment;
use crate::seq::{Earliest, Millis, Sn};

/// Bytes of a stub, at most.
pub(crate) const LONGEST: usize = 64;

/// A stub is repeated after this time, ms, or after this part of its delay so far (a fiftieth), whichever is longer: a link that is
/// down for long gets few stubs.
const REPEAT_AFTER: u32 = 20;
const REPEAT_SHARE: u32 = 50;

/// How long after a loss, ms, stubs ride in packets before they are due. Without losses they would be for nothing.
const LOSSY: u32 = 30_000;

/// A message in flight that expires.
#[derive(Clone, Copy)]
struct Expiring {
    sn: Sn,
    expiry: Millis,
    /// When the message expires, or its stub is to be repeated, if need be in a packet of its own.
    due: Millis,
    /// It is a stub; and when the stub last left.
    expired: bool,
    left: Millis,
}

/// Zeroed memory is a valid value.
pub(crate) struct Stubs {
    on: Cell<bool>,
    len: Cell<u8>,
    bytes: [Cell<u8>; LONGEST],
    /// In the order of `sn`.
    flights: Ring<Expiring>,
    /// When the first of them is due.
    pub(crate) wake: Earliest,
    /// Until when losses are expected. A segment that is sent again after later ones have arrived was lost; a timeout may have been too
    /// short.
    lossy: Earliest,
    /// How many segments were acknowledged when `settle` last looked.
    acknowledged: Cell<u32>,
}

impl Stubs {
    /// From now on a message of one segment that expires in flight becomes `stub`; with `None` it stays as it is.
    pub(super) fn set(&self, stub: Option<&[u8]>) {
        let bytes = stub.unwrap_or_default();
        for (to, from) in self.bytes.iter().zip(bytes) {
            to.set(*from);
        }
        self.len.set(bytes.len().min(LONGEST) as u8);
        self.on.set(stub.is_some());
        if stub.is_none() {
            self.flights.clear();
            self.wake.forget();
        }
    }

    pub(super) fn is_on(&self) -> bool {
        self.on.get()
    }

    /// A message of one segment gets the number `sn`. Everything before `una` has arrived, and is forgotten.
    pub(crate) fn took_off(&self, sn: Sn, expiry: Millis, una: Sn) {
        if self.on.get() {
            while self
                .flights
                .first()
                .is_some_and(|first| first.sn.before(una))
            {
                self.flights.drop_first();
            }
            let due = expiry.plus(1);
            self.flights.push(Expiring {
                sn,
                expiry,
                due,
                expired: false,
                left: due,
            });
            self.wake.note(due);
        }
    }

    /// `next` is the number that the next segment gets. Flights with that number or a later one are from before the program reset the
    /// connection, and are forgotten.
    pub(crate) fn begin_at(&self, next: Sn) {
        if self
            .flights
            .last()
            .is_some_and(|flight| !flight.sn.before(next))
        {
            self.flights.clear();
            self.wake.forget();
        }
    }

    /// Visits all flights, and keeps those for which `keep` is true.
    #[inline(never)]
    fn review(&self, keep: &mut dyn FnMut(&mut Expiring) -> bool) {
        self.wake.forget();
        self.flights.retain(|flight| {
            let keeps = keep(flight);
            if keeps {
                self.wake.note(flight.due);
            }
            keeps
        });
    }

    /// Forgets flights that are no longer in flight. There are none if the number of `acknowledged` segments is that of the last call.
    pub(crate) fn settle(&self, acknowledged: u32, in_flight: impl Fn(Sn) -> bool) {
        if self.wake.get().is_some() && self.acknowledged.replace(acknowledged) != acknowledged {
            self.review(&mut |flight| in_flight(flight.sn));
        }
    }

    /// `segment` is about to be retransmitted and will arrive at `arrival`. True if it became shorter.
    pub(crate) fn leaves_again(&self, segment: Segment<'_>, arrival: Millis) -> bool {
        let sn = Sn(segment.sn.get());
        let mut shortened = false;
        if segment.fastack.get() > 0 {
            self.lossy.forget();
            self.lossy.note(arrival.plus(LOSSY));
        }
        self.flights.change_first(
            |flight| flight.sn.before(sn),
            |flight| {
                if flight.sn == sn && !flight.expired && flight.expiry.before(arrival) {
                    flight.expired = true;
                    shortened = self.cut(segment);
                }
            },
        );
        shortened
    }

    /// True if losses are expected. A time of weeks ago would seem to be in the future.
    fn is_lossy(&self, now: Millis) -> bool {
        let end = self.lossy.get();
        end.is_some_and(|end| end.forward_from(now) < 2 * LOSSY)
    }

    #[inline(never)]
    fn cut(&self, segment: Segment<'_>) -> bool {
        segment.cut_to(&self.bytes[..LONGEST.min(self.len.get().into())])
    }

    /// Makes stubs of the messages that have expired; `find` finds their segments. Returns how many became shorter.
    pub(crate) fn expire<'k>(&self, now: Millis, find: impl Fn(Sn) -> Option<Segment<'k>>) -> u32 {
        let mut shortened = 0;
        self.review(&mut |flight| {
            if flight.expired || now.before(flight.due) {
                return true;
            }
            let segment = find(flight.sn);
            if let Some(segment) = segment {
                flight.expired = true;
                shortened += u32::from(self.cut(segment));
            }
            segment.is_some()
        });
        shortened
    }

    /// Calls `write` for the stubs that are due; it is false if the packet has no room. Returns true if a stub needs another packet.
    ///
    /// `arrival` is when a packet that leaves anyway will arrive. Messages that would expire by then, if they were retransmitted, ride
    /// in it as stubs.
    pub(crate) fn repeat<'k>(
        &self,
        now: Millis,
        arrival: Option<Millis>,
        find: impl Fn(Sn) -> Option<Segment<'k>>,
        mut write: impl FnMut(Segment<'k>, bool) -> bool,
    ) -> bool {
        let mut needs_packet = false;
        self.review(&mut |flight| {
            let is_due = flight.expired && !now.before(flight.due);
            let rides = arrival.is_some_and(|arrival| flight.expiry.before(arrival))
                && self.is_lossy(now)
                && (!flight.expired || now.elapsed_since(flight.left) >= REPEAT_AFTER);
            if !is_due && !rides {
                return true;
            }
            let Some(segment) = find(flight.sn) else {
                return false;
            };
            let just_sent = Millis(segment.ts.get()) == now;
            if !flight.expired && (just_sent || segment.xmit.get() == 0) {
                return true;
            }
            let shortened = !flight.expired && self.cut(segment);
            flight.expired = true;
            // Its own timeout may have sent it just now.
            if just_sent || write(segment, shortened) {
                let share = now.elapsed_since(flight.expiry) / REPEAT_SHARE;
                let until_it_expires = flight.expiry.plus(1).elapsed_since(now);
                flight.due = now.plus(share.max(REPEAT_AFTER).max(until_it_expires));
                flight.left = now;
            } else {
                needs_packet |= is_due;
            }
            true
        });
        needs_packet
    }
}
