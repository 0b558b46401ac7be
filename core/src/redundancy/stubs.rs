//! Messages that expire in flight: they go on under their number, as a few bytes, and often.
//!
//! The peer hands out messages in order, so one that nobody wants any more holds up all behind it until its number has
//! arrived. A stub of a few bytes does that for less, and can be repeated more often than a message could. What is sent again so late
//! that it would expire on the way is a stub already.

use core::cell::Cell;

use crate::memory::ring::Ring;
use crate::segment::Segment;
use crate::seq::{Earliest, Millis, Sn};

/// Bytes of a stub, at most.
pub(crate) const LONGEST: usize = 64;

/// How long after a stub it is repeated, ms, and for how large a part of its delay so far, where that is more: a link that is down
/// for long gets few of them.
const REPEAT_AFTER: u32 = 20;
const REPEAT_SHARE: u32 = 50;

/// For so long after a loss, ms, stubs ride in packets ahead of time: without losses they would be for nothing.
const LOSSY: u32 = 30_000;

/// A message in flight that expires.
#[derive(Clone, Copy)]
struct Expiring {
    sn: Sn,
    expiry: Millis,
    /// When there is something to do: it expires, or is to be repeated, if need be in a packet of its own.
    due: Millis,
    /// It is a stub, and when it last left as such.
    expired: bool,
    left: Millis,
}

/// Zero is the first value of all of it.
pub(crate) struct Stubs {
    on: Cell<bool>,
    len: Cell<u8>,
    bytes: Cell<[u8; LONGEST]>,
    /// In the order of their numbers.
    flights: Ring<Expiring>,
    /// When the first of them is due.
    pub(crate) wake: Earliest,
    /// Until when losses are expected. A segment that is sent again after later ones have arrived was lost; a timeout may have been too
    /// short.
    lossy: Earliest,
    /// How many segments were acknowledged when this was known.
    acknowledged: Cell<u32>,
}

impl Stubs {
    /// What becomes of a message of one segment that expires in flight, from now on: `None` lets it be.
    pub(super) fn set(&self, stub: Option<&[u8]>) {
        let mut bytes = [0; LONGEST];
        let stub_bytes = stub.unwrap_or_default();
        for (to, from) in bytes.iter_mut().zip(stub_bytes) {
            *to = *from;
        }
        self.bytes.set(bytes);
        self.len.set(stub_bytes.len().min(LONGEST) as u8);
        self.on.set(stub.is_some());
        if stub.is_none() {
            self.flights.clear();
            self.wake.forget();
        }
    }

    pub(super) fn is_on(&self) -> bool {
        self.on.get()
    }

    /// A message of one segment gets the number `sn`.
    pub(crate) fn took_off(&self, sn: Sn, expiry: Millis) {
        if self.on.get() {
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

    /// `next` is the number that is given next. What has it or a later one is of a connection that the program has reset since.
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

    /// Goes through all of them, and keeps those that `keep` does not see arrived.
    fn review(&self, mut keep: impl FnMut(&mut Expiring) -> bool) {
        self.wake.forget();
        self.flights.retain(|flight| {
            let keeps = keep(flight);
            if keeps {
                self.wake.note(flight.due);
            }
            keeps
        });
    }

    /// So many segments were `acknowledged` so far: forgets those that are not in flight any more.
    pub(crate) fn settle(&self, acknowledged: u32, in_flight: impl Fn(Sn) -> bool) {
        if self.wake.get().is_some() && self.acknowledged.replace(acknowledged) != acknowledged {
            self.review(|flight| in_flight(flight.sn));
        }
    }

    /// `segment` is about to leave once more, and arrives at `arrival`. True when it becomes shorter.
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

    fn cut(&self, segment: Segment<'_>) -> bool {
        let bytes = self.bytes.get();
        let stub = bytes.get(..self.len.get().into()).unwrap_or_default();
        segment.cut_to(stub)
    }

    /// Makes stubs of the messages that have expired, which `find` finds. Gives how many became shorter.
    pub(crate) fn expire<'k>(&self, now: Millis, find: impl Fn(Sn) -> Option<Segment<'k>>) -> u32 {
        let mut shortened = 0;
        self.review(|flight| {
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

    /// Has `write` see to the stubs that are due, which says false when the packet has no room. True when one needs another
    /// packet. In a packet that leaves anyway and arrives at `arrival`, messages ride that would expire on the way, if they were sent
    /// again: as stubs.
    pub(crate) fn repeat<'k>(
        &self,
        now: Millis,
        arrival: Option<Millis>,
        find: impl Fn(Sn) -> Option<Segment<'k>>,
        mut write: impl FnMut(Segment<'k>, bool) -> bool,
    ) -> bool {
        let mut needs_packet = false;
        self.review(|flight| {
            let is_due = flight.expired && !now.before(flight.due);
            let rides = arrival.is_some_and(|arrival| flight.expiry.before(arrival))
                && self.lossy.get().is_some_and(|end| now.before(end))
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
                let due = now.plus(share.max(REPEAT_AFTER));
                let expires = flight.expiry.plus(1);
                flight.due = if due.before(expires) { expires } else { due };
                flight.left = now;
            } else {
                needs_packet |= is_due;
            }
            true
        });
        needs_packet
    }
}
