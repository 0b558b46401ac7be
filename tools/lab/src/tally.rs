//! What one flow sends into a bottleneck, and what arrives.

use std::collections::HashSet;

use crate::link::{Cause, Fate, Micros};
use crate::table::Summary;
use crate::wire::{COMMAND_PUSH, headers};

/// Counted in the direction of the payload.
#[derive(Default)]
pub struct Tally {
    pub packets: u64,
    /// Lost at random by the link.
    pub lost: u64,
    /// Dropped by the full queue: losses that the senders cause.
    pub dropped: u64,
    /// Segments that arrived again.
    pub repeated: u64,
    /// Segments that arrived for the first time.
    pub fresh: u64,
    /// Bytes given to the program.
    pub bytes: u64,
    /// How long each packet waited in the queue, except for dropped ones.
    pub waits: Vec<Micros>,
}

impl Tally {
    pub fn sent(&mut self, waits: Micros, fate: Fate) {
        self.packets += 1;
        match fate {
            Fate::Lost(Cause::Queue) => {
                self.dropped += 1;
                return;
            }
            Fate::Lost(Cause::Noise) => self.lost += 1,
            Fate::Arrives(_) => {}
        }
        self.waits.push(waits);
    }

    /// Adds another tally.
    pub fn add(&mut self, other: &Tally) {
        self.packets += other.packets;
        self.lost += other.lost;
        self.dropped += other.dropped;
        self.repeated += other.repeated;
        self.fresh += other.fresh;
        self.bytes += other.bytes;
        self.waits.extend(&other.waits);
    }

    /// The sum of several tallies.
    pub fn sum<'a>(all: impl IntoIterator<Item = &'a Tally>) -> Tally {
        let mut sum = Tally::default();
        all.into_iter().for_each(|one| sum.add(one));
        sum
    }

    /// The share of the flow's packets that the full queue dropped.
    pub fn own_loss(&self) -> f64 {
        self.dropped as f64 / self.packets.max(1) as f64
    }

    /// Segments that arrived again, as a share of those that arrived first.
    pub fn needless(&self) -> f64 {
        self.repeated as f64 / self.fresh.max(1) as f64
    }

    /// Queueing delay.
    pub fn queueing(&self) -> Option<Summary> {
        let mut waits = self.waits.clone();
        waits.sort_unstable();
        Summary::of(&waits)
    }
}

/// The numbers of the segments that have arrived.
#[derive(Default)]
pub struct Arrivals {
    seen: HashSet<u32>,
}

impl Arrivals {
    /// Counts the segments of a packet of KCP that arrives.
    pub fn count(&mut self, packet: &[u8], tally: &mut Tally) {
        for header in headers(packet).filter(|header| header.command == COMMAND_PUSH) {
            match self.seen.insert(header.sn) {
                true => tally.fresh += 1,
                false => tally.repeated += 1,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A packet with a segment of one byte for each number.
    fn packet(numbers: &[u32]) -> Vec<u8> {
        let segment = |sn: &u32| {
            let mut bytes = vec![0; 25];
            bytes[4] = COMMAND_PUSH;
            bytes[12..16].copy_from_slice(&sn.to_le_bytes());
            bytes[20] = 1;
            bytes
        };
        numbers.iter().flat_map(segment).collect()
    }

    #[test]
    fn a_segment_counts_as_needless_when_it_had_arrived() {
        let mut tally = Tally::default();
        let mut arrivals = Arrivals::default();
        for numbers in [&[0, 1][..], &[3], &[1], &[2, 3]] {
            arrivals.count(&packet(numbers), &mut tally);
        }
        assert_eq!((tally.fresh, tally.repeated), (4, 2));
        assert_eq!(tally.needless(), 0.5);
    }

    #[test]
    fn what_the_queue_drops_is_own_loss_and_waits_for_nothing() {
        let mut tally = Tally::default();
        tally.sent(1_000, Fate::Arrives(9));
        tally.sent(3_000, Fate::Lost(Cause::Noise));
        tally.sent(9_000, Fate::Lost(Cause::Queue));
        tally.sent(2_000, Fate::Arrives(9));
        assert_eq!((tally.packets, tally.lost, tally.dropped), (4, 1, 1));
        assert_eq!(tally.own_loss(), 0.25);
        assert_eq!(tally.queueing().map(|waits| waits.max), Some(3_000));
    }
}
