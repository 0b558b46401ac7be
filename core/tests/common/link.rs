//! One direction of a bad network, in virtual time, and the checksum that KCP requires of the layer below.

use std::collections::BTreeMap;
use std::ops::Range;

use super::random::Random;

/// What a network does to packets.
#[derive(Clone, Default)]
pub struct Weather {
    /// Percent of packets.
    pub loss: u64,
    pub duplication: u64,
    pub corruption: u64,
    /// Milliseconds of constant delay, and the most that is added at random, which reorders packets.
    pub delay: u64,
    pub jitter: u64,
    /// When nothing arrives, ms.
    pub blackouts: Vec<Range<u64>>,
    /// When the link becomes usable for good, ms: from then on it only delays packets.
    pub clears: u64,
}

#[derive(Default)]
pub struct Link {
    pub weather: Weather,
    /// By arrival, then by order of sending.
    packets: BTreeMap<(u64, u64), Vec<u8>>,
    sent: u64,
    /// Counts of packets, so that a test can check that it tested something.
    pub lost: u64,
    pub doubled: u64,
    pub corrupted: u64,
    pub overtaken: u64,
}

/// FNV-1a over the bytes, finished so that short packets differ in all bits.
fn checksum(packet: &[u8]) -> u64 {
    let hash = packet
        .iter()
        .fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
            (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
        });
    hash ^ (hash >> 31)
}

impl Link {
    pub fn new(weather: &Weather) -> Link {
        Link {
            weather: weather.clone(),
            ..Link::default()
        }
    }

    pub fn send(&mut self, random: &mut Random, now: u64, packet: &[u8]) {
        if now >= self.weather.clears {
            let (delay, jitter) = (self.weather.delay, self.weather.jitter);
            self.weather = Weather {
                delay,
                jitter,
                ..Weather::default()
            };
        }
        let weather = &self.weather;
        if random.chance(weather.loss) || weather.blackouts.iter().any(|dark| dark.contains(&now)) {
            self.lost += 1;
            return;
        }
        let copies = if random.chance(weather.duplication) {
            2
        } else {
            1
        };
        self.doubled += copies - 1;
        for _ in 0..copies {
            let mut packet = [packet, &checksum(packet).to_le_bytes()].concat();
            if random.chance(self.weather.corruption) {
                let at = random.below(packet.len() as u64) as usize;
                packet[at] ^= 1 << random.below(8);
                self.corrupted += 1;
            }
            let due = now + self.weather.delay + random.below(self.weather.jitter + 1);
            self.sent += 1;
            if self
                .packets
                .last_key_value()
                .is_some_and(|((last, _), _)| *last > due)
            {
                self.overtaken += 1;
            }
            self.packets.insert((due, self.sent), packet);
        }
    }

    /// When the next packet arrives.
    pub fn next(&self) -> Option<u64> {
        self.packets.first_key_value().map(|((due, _), _)| *due)
    }

    /// A packet that has arrived unchanged.
    pub fn receive(&mut self, now: u64) -> Option<Vec<u8>> {
        while self.next().is_some_and(|due| due <= now) {
            let (_, mut packet) = self.packets.pop_first()?;
            let sum = packet.split_off(packet.len() - 8);
            if checksum(&packet).to_le_bytes() == *sum {
                return Some(packet);
            }
        }
        None
    }
}
