//! One direction of a network on a virtual clock: delay, jitter, random loss.
//!
//! The memory is small and warm on purpose: packets are in recycled slots, the last freed slot is used first, and all memory that
//! a run will need is touched before it starts. A link that spreads packets over fresh memory adds the same cache misses to every
//! implementation, which hides their differences.

use fastrand::Rng;

/// No packet is longer than the MTU of the endpoints.
pub const MTU: usize = 1400;
/// Slots are whole cache lines.
const SLOT: usize = MTU.next_multiple_of(64);
/// Longer than the longest delay, a power of two.
const WHEEL: usize = 128;
/// What would wait longer than this for its turn is lost, in milliseconds.
const QUEUE: u64 = 50;
/// Slots are added this many at a time.
const CHUNK: usize = 64;

/// What the link does to packets; delays in milliseconds, uniform from `delay` to `delay + jitter`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Path {
    pub delay: u32,
    pub jitter: u32,
    /// Share of the packets that are lost, 0 to 1.
    pub loss: f64,
    /// Bytes in a millisecond; 0 for any number at once.
    pub rate: u32,
}

type Slot = Box<[u8; SLOT]>;

struct Packet {
    slot: Slot,
    length: usize,
}

/// Packets and bytes handed to a link, lost ones included.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Traffic {
    pub packets: u64,
    pub bytes: u64,
}

pub struct Link {
    path: Path,
    /// A packet is lost if the next 32 random bits are below this.
    threshold: u64,
    rng: Rng,
    now: u32,
    /// When the last packet will have left, in microseconds.
    idle_at: u64,
    wheel: Vec<Vec<Packet>>,
    free: Vec<Slot>,
    pub traffic: Traffic,
}

impl Link {
    /// A link with room for `expected` packets at a time; it grows if there are more.
    pub fn new(path: Path, expected: usize, seed: u64) -> Link {
        let longest = path.delay + path.jitter + if path.rate > 0 { QUEUE as u32 + 2 } else { 0 };
        assert!(path.delay >= 1 && (longest as usize) < WHEEL);
        let mut link = Link {
            path,
            threshold: (path.loss * 4_294_967_296.0) as u64,
            rng: Rng::with_seed(seed),
            now: 0,
            idle_at: 0,
            wheel: (0..WHEEL).map(|_| Vec::with_capacity(CHUNK)).collect(),
            free: Vec::with_capacity(expected + CHUNK),
            traffic: Traffic::default(),
        };
        while link.free.len() < expected {
            link.grow();
        }
        link
    }

    fn grow(&mut self) {
        // Not zeroed: a page that is only mapped would be paid for by the first packet in it.
        self.free.extend((0..CHUNK).map(|_| Box::new([0x55; SLOT])));
    }

    /// Sends a packet, or loses it.
    pub fn push(&mut self, packet: &[u8]) {
        self.traffic.packets += 1;
        self.traffic.bytes += packet.len() as u64;
        if self.threshold > 0 && u64::from(self.rng.u32(..)) < self.threshold {
            return;
        }
        let jitter = match self.path.jitter {
            0 => 0,
            jitter => self.rng.u32(0..=jitter),
        };
        let wait = match self.path.rate {
            0 => 0,
            rate => {
                let now = u64::from(self.now) * 1000;
                let begins = self.idle_at.max(now);
                if begins - now > QUEUE * 1000 {
                    return;
                }
                self.idle_at = begins + packet.len() as u64 * 1000 / u64::from(rate);
                (self.idle_at - now).div_ceil(1000) as u32
            }
        };
        let mut slot = match self.free.pop() {
            Some(slot) => slot,
            None => {
                self.grow();
                self.free.pop().expect("just grown")
            }
        };
        slot[..packet.len()].copy_from_slice(packet);
        let due = self.now.wrapping_add(self.path.delay + jitter + wait) as usize % WHEEL;
        self.wheel[due].push(Packet {
            slot,
            length: packet.len(),
        });
    }

    /// Moves the clock to `now`, at most one step ahead, and takes the packets that arrive then.
    pub fn arrivals(&mut self, now: u32) -> Arrivals {
        debug_assert!(now.wrapping_sub(self.now) <= 1);
        self.now = now;
        Arrivals {
            packets: std::mem::take(&mut self.wheel[now as usize % WHEEL]),
        }
    }

    /// Takes back the memory of [`Link::arrivals`].
    pub fn recycle(&mut self, mut arrivals: Arrivals) {
        // The bucket is still empty: no delay is as long as the wheel.
        self.free
            .extend(arrivals.packets.drain(..).rev().map(|packet| packet.slot));
        self.wheel[self.now as usize % WHEEL] = arrivals.packets;
    }
}

/// The packets of one millisecond, in order of sending. They leave the link before they are read, because reading them may send
/// new ones.
pub struct Arrivals {
    packets: Vec<Packet>,
}

impl Arrivals {
    pub fn iter(&self) -> impl Iterator<Item = &[u8]> {
        self.packets
            .iter()
            .map(|packet| &packet.slot[..packet.length])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATH: Path = Path {
        delay: 20,
        jitter: 0,
        loss: 0.0,
        rate: 0,
    };

    fn drive(path: Path, packets: usize) -> (Vec<(u32, u8)>, Link) {
        let mut link = Link::new(path, 8, 7);
        let mut seen = Vec::new();
        for now in 1..200 {
            let arrivals = link.arrivals(now);
            seen.extend(arrivals.iter().map(|packet| (now, packet[0])));
            link.recycle(arrivals);
            if now == 1 {
                (0..packets).for_each(|number| link.push(&[number as u8; 100]));
            }
        }
        (seen, link)
    }

    #[test]
    fn packets_arrive_in_order_after_the_delay() {
        let (seen, link) = drive(PATH, 200);
        assert_eq!(
            seen,
            (0..200)
                .map(|number| (21, number as u8))
                .collect::<Vec<_>>()
        );
        assert_eq!(
            link.traffic,
            Traffic {
                packets: 200,
                bytes: 20_000
            }
        );
        assert_eq!(link.free.len(), 256, "every slot is back");
    }

    #[test]
    fn a_rate_spaces_packets_out_and_drops_what_would_wait_long() {
        let path = Path { rate: 50, ..PATH };
        let (seen, _) = drive(path, 100);
        let expected: Vec<_> = (0..26u8).map(|n| (23 + 2 * u32::from(n), n)).collect();
        assert_eq!(seen, expected);
    }

    #[test]
    fn jitter_stays_within_its_bounds_and_uses_them() {
        let path = Path { jitter: 20, ..PATH };
        let (seen, _) = drive(path, 2000);
        assert_eq!(seen.len(), 2000);
        assert_eq!(seen.first().map(|arrival| arrival.0), Some(21));
        assert_eq!(seen.last().map(|arrival| arrival.0), Some(41));
    }

    #[test]
    fn loss_is_the_share_asked_for() {
        let path = Path {
            delay: 1,
            loss: 0.05,
            ..PATH
        };
        let (seen, _) = drive(path, 20_000);
        assert!(
            (18_900..19_100).contains(&seen.len()),
            "{} of 20,000 arrived",
            seen.len()
        );
    }
}
