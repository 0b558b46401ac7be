//! One direction of an emulated link: delay, jitter, reordering, loss at random or in bursts, bandwidth with a queue. It is pure
//! and seeded, without socket or clock: it gets the time, and returns what happens to a packet. KCP, ENet and the kernel's TCP
//! all use this code, in virtual and real time.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use rand::{Rng, SeedableRng};
use rand_pcg::Pcg64Mcg;

/// Microseconds since the start of a run.
pub type Micros = u64;

/// Size of an IPv4 header and a UDP header. It is counted for everything over UDP, so that bytes on the wire compare with those
/// of TCP, whose packets are counted with their IP headers.
pub const UDP_IP_HEADERS: usize = 28;

/// How long the jitter keeps one value.
pub const JITTER_SPELL: Micros = 5_000;

/// How packets get lost.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Loss {
    /// Each packet on its own, with this probability.
    Random(f64),
    /// Gilbert-Elliott with two states: nothing is lost in the good state, everything in the bad state. The parameters can be
    /// measured: the share of time in the bad state, and the mean length of a bad spell. The states follow the clock, not the
    /// packets: a sender that waits out a spell has no disadvantage, and all protocols meet the same spells.
    Burst { share: f64, length: Micros },
}

impl Loss {
    /// In bursts of this mean length; 0 loses each packet on its own.
    pub fn of(share: f64, length: Micros) -> Loss {
        match length {
            0 => Loss::Random(share),
            _ => Loss::Burst { share, length },
        }
    }

    /// The long-run share of lost packets.
    pub fn share(self) -> f64 {
        match self {
            Loss::Random(share) | Loss::Burst { share, .. } => share,
        }
    }
}

/// One direction of a link.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Config {
    /// One-way delay that every packet has.
    pub delay: Micros,
    /// Added to the delay, uniform in `0..jitter`, with a new value every [`JITTER_SPELL`]. It follows the clock, so packets sent
    /// together travel together. With a value per packet, a packet right after another would wait for the slower of the two, and
    /// protocols that send more packets would seem slower. Jitter alone never changes the order, as in a queue.
    pub jitter: Micros,
    pub loss: Loss,
    /// Share of packets that are delayed by `reorder_by`, so that later ones overtake them.
    pub reorder: f64,
    pub reorder_by: Micros,
    /// Bits per second; `None` means no limit.
    pub bandwidth: Option<u64>,
    /// Size of the queue in front of a bandwidth limit, in microseconds at full rate. A packet that finds it full is dropped.
    pub queue: Micros,
    /// The limit is a policer, a token bucket: it drops what the queue would drop, and lets everything else pass at once.
    pub policed: bool,
}

impl Config {
    /// A direction that does nothing to packets but delay them.
    pub const fn plain(delay: Micros) -> Config {
        Config {
            delay,
            jitter: 0,
            loss: Loss::Random(0.0),
            reorder: 0.0,
            reorder_by: 0,
            bandwidth: None,
            queue: 0,
            policed: false,
        }
    }

    /// The same direction with its delay only, for handshakes. KCP has no handshake, so those of others must not fail, and must
    /// not affect the measured part.
    pub fn undisturbed(self) -> Config {
        Config::plain(self.delay)
    }
}

/// The fate of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    Arrives(Micros),
    Lost(Cause),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// Lost at random or in a burst.
    Noise,
    /// Dropped by the full queue.
    Queue,
}

/// What a link has been given.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Count {
    pub packets: u64,
    pub bytes: u64,
    pub lost: u64,
    pub dropped: u64,
}

/// The two-state model of [`Loss::Burst`]. It has its own random numbers, so that it does not depend on the packets.
struct Weather {
    random: Pcg64Mcg,
    bad: bool,
    changes_at: Micros,
    mean_good: f64,
    mean_bad: f64,
}

impl Weather {
    fn new(share: f64, length: Micros, seed: u64) -> Weather {
        let mut random = Pcg64Mcg::seed_from_u64(!seed);
        let mean_bad = length.max(1) as f64;
        let mut weather = Weather {
            bad: random.random::<f64>() < share,
            random,
            changes_at: 0,
            mean_good: mean_bad * (1.0 - share) / share.max(1e-9),
            mean_bad,
        };
        weather.changes_at = weather.spell();
        weather
    }

    /// The length of a spell in the present state: exponentially distributed, because spells have no memory.
    fn spell(&mut self) -> Micros {
        let mean = if self.bad {
            self.mean_bad
        } else {
            self.mean_good
        };
        let draw: f64 = self.random.random();
        (-mean * (1.0 - draw).ln()) as Micros + 1
    }

    fn is_bad(&mut self, now: Micros) -> bool {
        while self.changes_at <= now {
            self.bad = !self.bad;
            self.changes_at += self.spell();
        }
        self.bad
    }
}

/// One direction of a link, with its random numbers.
pub struct Link {
    config: Config,
    seed: u64,
    random: Pcg64Mcg,
    weather: Option<Weather>,
    /// When all packets in the queue will have been sent.
    busy_until: Micros,
    /// When the last packet that kept its place arrives.
    last_arrival: Micros,
    count: Count,
}

impl Link {
    /// `stream` distinguishes links with the same seed: the two directions, the sessions of one run.
    pub fn new(config: Config, seed: u64, stream: u64) -> Link {
        // The multiplier spreads neighbouring streams over the seed space; the generator mixes the rest.
        let seed = seed ^ stream.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        Link {
            config,
            seed,
            random: Pcg64Mcg::seed_from_u64(seed),
            weather: match config.loss {
                Loss::Burst { share, length } if share > 0.0 && share < 1.0 => {
                    Some(Weather::new(share, length, seed))
                }
                _ => None,
            },
            busy_until: 0,
            last_arrival: 0,
            count: Count::default(),
        }
    }

    pub fn count(&self) -> Count {
        self.count
    }

    /// How long a packet that is sent at `now` waits for those before it.
    pub fn waiting(&self, now: Micros) -> Micros {
        if self.config.policed {
            return 0;
        }
        self.backlog(now)
    }

    /// What is left of the time that the packets before `now` take at the rate of the link.
    fn backlog(&self, now: Micros) -> Micros {
        self.busy_until.saturating_sub(now)
    }

    /// Sends a packet of `bytes` (with all headers) at time `now`, which never goes back.
    ///
    /// Every packet draws the same two numbers, whatever happens to it, so that the fate of the n-th packet depends on the seed
    /// and not on what the protocol did before.
    pub fn offer(&mut self, now: Micros, bytes: usize) -> Fate {
        let for_loss: f64 = self.random.random();
        let for_order: f64 = self.random.random();
        self.count.packets += 1;
        self.count.bytes += bytes as u64;

        let lost = match &mut self.weather {
            Some(weather) => weather.is_bad(now),
            None => for_loss < self.config.loss.share(),
        };
        let Some(sent) = self.transmit(now, bytes) else {
            self.count.dropped += 1;
            return Fate::Lost(Cause::Queue);
        };
        if lost {
            self.count.lost += 1;
            return Fate::Lost(Cause::Noise);
        }
        let arrival = sent + self.config.delay + self.jitter_at(now);
        if for_order < self.config.reorder {
            return Fate::Arrives(arrival.max(self.last_arrival) + self.config.reorder_by);
        }
        self.last_arrival = self.last_arrival.max(arrival);
        Fate::Arrives(self.last_arrival)
    }

    /// The jitter at `now`: a hash of the spell's number, so it needs no state.
    fn jitter_at(&self, now: Micros) -> Micros {
        // The finaliser of SplitMix64.
        let mut mixed = self.seed ^ (now / JITTER_SPELL).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^= mixed >> 31;
        // The upper half of the product of two 64-bit numbers: a fair share of `jitter`.
        ((u128::from(mixed) * u128::from(self.config.jitter)) >> 64) as Micros
    }

    /// When the last bit of the packet has left; `None` if the queue has no room for it.
    fn transmit(&mut self, now: Micros, bytes: usize) -> Option<Micros> {
        let Some(rate) = self.config.bandwidth else {
            return Some(now);
        };
        if self.backlog(now) > self.config.queue {
            return None;
        }
        let wire_time = (bytes as u64 * 8 * 1_000_000).div_ceil(rate.max(1));
        self.busy_until = now.max(self.busy_until) + wire_time;
        Some(now + self.waiting(now))
    }
}

/// A link and the packets on their way through it.
pub struct Pipe<P = Vec<u8>> {
    link: Link,
    flying: BinaryHeap<Reverse<Flying<P>>>,
    offered: u64,
}

/// Ordered by arrival, then by the order in which the packets were offered.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Flying<P> {
    at: Micros,
    number: u64,
    packet: P,
}

impl<P: Ord> Pipe<P> {
    pub fn new(link: Link) -> Pipe<P> {
        Pipe {
            link,
            flying: BinaryHeap::new(),
            offered: 0,
        }
    }

    /// Sends a packet of `bytes`, with all headers.
    pub fn push(&mut self, now: Micros, packet: P, bytes: usize) -> Fate {
        let fate = self.link.offer(now, bytes);
        if let Fate::Arrives(at) = fate {
            self.flying.push(Reverse(Flying {
                at,
                number: self.offered,
                packet,
            }));
            self.offered += 1;
        }
        fate
    }

    /// The next packet that has arrived by `now`.
    pub fn pop(&mut self, now: Micros) -> Option<P> {
        if self.next_arrival()? > now {
            return None;
        }
        self.flying.pop().map(|Reverse(flying)| flying.packet)
    }

    pub fn next_arrival(&self) -> Option<Micros> {
        self.flying.peek().map(|Reverse(flying)| flying.at)
    }

    pub fn count(&self) -> Count {
        self.link.count()
    }

    pub fn waiting(&self, now: Micros) -> Micros {
        self.link.waiting(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: Config = Config::plain(30_000);

    fn fates(config: Config, seed: u64, packets: u64, gap: Micros) -> Vec<Fate> {
        let mut link = Link::new(config, seed, 0);
        (0..packets).map(|n| link.offer(n * gap, 1000)).collect()
    }

    fn losses(fates: &[Fate]) -> f64 {
        let lost = fates.iter().filter(|f| matches!(f, Fate::Lost(_))).count();
        lost as f64 / fates.len() as f64
    }

    #[test]
    fn a_plain_link_only_delays() {
        for (n, fate) in fates(PLAIN, 1, 1000, 100).into_iter().enumerate() {
            assert_eq!(fate, Fate::Arrives(n as u64 * 100 + 30_000));
        }
    }

    #[test]
    fn same_seed_same_fates_and_another_seed_others() {
        let config = Config {
            jitter: 20_000,
            loss: Loss::Burst {
                share: 0.1,
                length: 60_000,
            },
            reorder: 0.05,
            reorder_by: 5_000,
            bandwidth: Some(8_000_000),
            queue: 50_000,
            ..PLAIN
        };
        let first = fates(config, 7, 5_000, 900);
        assert_eq!(first, fates(config, 7, 5_000, 900));
        assert_ne!(first, fates(config, 8, 5_000, 900));
        let mut other_stream = Link::new(config, 7, 1);
        let other: Vec<_> = (0..5_000)
            .map(|n| other_stream.offer(n * 900, 1000))
            .collect();
        assert_ne!(first, other);
    }

    #[test]
    fn random_loss_has_the_rate_asked_for() {
        for share in [0.01, 0.1, 0.5] {
            let config = Config {
                loss: Loss::Random(share),
                ..PLAIN
            };
            let got = losses(&fates(config, 3, 200_000, 10));
            // Four standard deviations of a binomial share.
            let allowed = 4.0 * (share * (1.0 - share) / 200_000.0).sqrt();
            assert!((got - share).abs() < allowed, "{share} became {got}");
        }
        assert_eq!(losses(&fates(PLAIN, 3, 10_000, 10)), 0.0);
        let all = Config {
            loss: Loss::Random(1.0),
            ..PLAIN
        };
        assert_eq!(losses(&fates(all, 3, 10_000, 10)), 1.0);
    }

    #[test]
    fn bursts_have_the_share_and_the_length_asked_for() {
        for (share, length) in [(0.02, 50_000), (0.05, 100_000), (0.2, 200_000)] {
            let config = Config {
                loss: Loss::Burst { share, length },
                ..PLAIN
            };
            // A packet each millisecond for 10,000 s.
            let fates = fates(config, 5, 10_000_000, 1_000);
            let got = losses(&fates);
            assert!((got / share - 1.0).abs() < 0.06, "{share} became {got}");
            let lost: Vec<bool> = fates.iter().map(|f| matches!(f, Fate::Lost(_))).collect();
            let bursts = lost.windows(2).filter(|w| !w[0] && w[1]).count();
            let mean = lost.iter().filter(|&&l| l).count() as f64 / bursts as f64 * 1_000.0;
            let relative = mean / length as f64;
            assert!((relative - 1.0).abs() < 0.06, "{length} became {mean}");
        }
    }

    #[test]
    fn the_weather_does_not_depend_on_the_packets() {
        let config = Config {
            loss: Loss::Burst {
                share: 0.3,
                length: 80_000,
            },
            ..PLAIN
        };
        let lost = |gap: u64| -> Vec<bool> {
            let mut link = Link::new(config, 21, 0);
            (0..100_000)
                .step_by(gap as usize)
                .filter_map(|ms| {
                    let fate = link.offer(ms * 1_000, 100);
                    (ms % 100 == 0).then_some(matches!(fate, Fate::Lost(_)))
                })
                .collect()
        };
        assert_eq!(lost(1), lost(100));
    }

    #[test]
    fn jitter_stays_within_its_bounds_and_keeps_the_order() {
        let config = Config {
            jitter: 20_000,
            ..PLAIN
        };
        // Packets further apart than the jitter: each delay is its own and fills the whole range.
        let mut delays = Vec::new();
        for (n, fate) in fates(config, 9, 20_000, 25_000).into_iter().enumerate() {
            let Fate::Arrives(at) = fate else {
                panic!("lost")
            };
            delays.push(at - n as u64 * 25_000);
        }
        let (low, high) = (delays.iter().min().unwrap(), delays.iter().max().unwrap());
        assert!((30_000..30_100).contains(low), "{low}");
        assert!((49_900..50_000).contains(high), "{high}");
        let mean = delays.iter().sum::<u64>() / delays.len() as u64;
        assert!((39_800..40_200).contains(&mean), "{mean}");
        // Packets that are sent together travel together.
        let mut link = Link::new(config, 9, 0);
        for n in 0..1_000 {
            let now = n * JITTER_SPELL;
            assert_eq!(link.offer(now, 100), link.offer(now, 100));
        }
        // Dense packets: never out of order.
        let dense = fates(config, 9, 20_000, 100);
        assert!(dense.windows(2).all(|w| match (w[0], w[1]) {
            (Fate::Arrives(a), Fate::Arrives(b)) => a <= b,
            _ => false,
        }));
    }

    #[test]
    fn reordered_packets_are_overtaken_and_only_they() {
        let config = Config {
            reorder: 0.1,
            reorder_by: 5_000,
            ..PLAIN
        };
        let mut pipe = Pipe::new(Link::new(config, 11, 0));
        let mut held = 0;
        for n in 0..10_000u64 {
            let now = n * 1_000;
            let Fate::Arrives(at) = pipe.push(now, n, 0) else {
                panic!("lost")
            };
            assert!(at == now + 30_000 || at == now + 35_000);
            held += u64::from(at == now + 35_000);
        }
        assert!((900..1_100).contains(&held), "{held}");
        let order: Vec<u64> = std::iter::from_fn(|| pipe.pop(u64::MAX)).collect();
        assert_eq!(order.len(), 10_000);
        let late = order.windows(2).filter(|w| w[1] < w[0]).count();
        assert!((800..=1_100).contains(&late), "{late}");
    }

    #[test]
    fn bandwidth_spaces_packets_and_the_queue_drops_what_it_cannot_hold() {
        let config = Config {
            bandwidth: Some(8_000_000),
            queue: 10_000,
            ..PLAIN
        };
        // 1000 bytes take 1 ms at 8 Mbit/s. Twenty at once: one on the wire, those that wait at most 10 ms, the rest dropped.
        let burst = fates(config, 1, 20, 0);
        for (n, fate) in burst.iter().enumerate() {
            let expected = if n <= 10 {
                Fate::Arrives((n as u64 + 1) * 1_000 + 30_000)
            } else {
                Fate::Lost(Cause::Queue)
            };
            assert_eq!(*fate, expected, "packet {n}");
        }
        // Offered at twice the rate for 10 s, the link carries its rate: 10,000 packets and the queue.
        let mut link = Link::new(config, 1, 0);
        for n in 0..20_000 {
            link.offer(n * 500, 1000);
        }
        let carried = link.count().packets - link.count().dropped;
        assert!((10_000..=10_012).contains(&carried), "{carried}");
    }

    #[test]
    fn a_policer_drops_the_same_packets_and_delays_none() {
        let queue = Config {
            bandwidth: Some(8_000_000),
            queue: 10_000,
            ..PLAIN
        };
        let policer = Config {
            policed: true,
            ..queue
        };
        let dropped = fates(queue, 1, 2_000, 500);
        for (n, fate) in fates(policer, 1, 2_000, 500).into_iter().enumerate() {
            let expected = match dropped[n] {
                Fate::Arrives(_) => Fate::Arrives(n as u64 * 500 + 30_000),
                lost => lost,
            };
            assert_eq!(fate, expected, "packet {n}");
        }
        let mut link = Link::new(policer, 1, 0);
        link.offer(0, 1000);
        assert_eq!(link.waiting(0), 0);
    }

    #[test]
    fn a_pipe_delivers_when_due_and_not_before() {
        let mut pipe = Pipe::new(Link::new(PLAIN, 1, 0));
        pipe.push(0, "one", 31);
        pipe.push(10, "two", 31);
        assert_eq!(pipe.next_arrival(), Some(30_000));
        assert_eq!(pipe.pop(29_999), None);
        assert_eq!(pipe.pop(30_000), Some("one"));
        assert_eq!(pipe.pop(30_000), None);
        assert_eq!(pipe.pop(40_000), Some("two"));
        assert_eq!(pipe.count().bytes, 62);
    }
}
