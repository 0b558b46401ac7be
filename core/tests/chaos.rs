//! Two endpoints over a network that does its worst, in virtual time.
//!
//! Whatever happens, the delivered bytes are a prefix of those sent, and memory stays within the bound of the windows. When the
//! link is usable again, everything arrives. Each test runs in message mode and in stream mode, with sequence numbers that begin
//! at 0 and just before the two places where they wrap. `IKCP_SEED=n` repeats one seed.

// Too much for Miri, which runs the scripts instead.
#![cfg(not(miri))]

mod common;

use common::endpoint::{Endpoint, Settings};
use common::heap;
use common::link::{Link, Weather};
use common::random::Random;
use common::seeds::for_seeds;

/// How long the link is bad, ms of virtual time.
const BAD: u64 = 90_000;
/// No session takes longer, ms. Timeouts double without limit, as in the original, so a segment may wait as long again as the
/// link was bad.
const PATIENCE: u64 = 10 * BAD;

struct Chaos {
    settings: Settings,
    weather: Weather,
    /// Bytes that each endpoint sends.
    bytes: [u64; 2],
    /// When the second endpoint does not read, ms.
    pause: std::ops::Range<u64>,
    /// Both clocks jump about this often, ms; 0 for never.
    jumps: u64,
    /// When both restart, the second one somewhat later, ms; 0 for never.
    restart: u64,
}

/// The events of a session, so that a test can check that it tested something.
#[derive(Default)]
struct Report {
    took: u64,
    lost: u64,
    doubled: u64,
    corrupted: u64,
    overtaken: u64,
    closed: bool,
}

impl Chaos {
    fn run(&self, random: &mut Random) -> Report {
        heap::take_peak();
        let before = heap::bytes();
        let mut report = Report::default();
        let mut epoch = 0;
        let mut ends = [self.endpoint(epoch, 0), self.endpoint(epoch, 1)];
        let mut links = [Link::new(&self.weather), Link::new(&self.weather)];
        let mut left = self.bytes;
        // By pattern, because an endpoint may still read data that its peer sent before the restart.
        let mut sent = [0; 4];
        let start = random.next() as u32;
        ends[0].clock = start;
        ends[1].clock = start.wrapping_mul(31);
        let mut restarts: Vec<(u64, usize)> = match self.restart {
            0 => Vec::new(),
            at => vec![(at + 700, 1), (at, 0)],
        };

        let mut now = 0;
        loop {
            if let Some(&(at, id)) = restarts.last()
                && now >= at
            {
                restarts.pop();
                epoch += u64::from(id == 0);
                let clock = ends[id].clock;
                ends[id] = self.endpoint(epoch, id);
                ends[id].clock = clock;
                left[id] = self.bytes[id];
            }
            for id in 0..2 {
                let end = &mut ends[id];
                if id == 0 || !self.pause.contains(&now) {
                    end.take(sent[(end.pattern ^ 1) as usize]);
                }
                self.program(random, end, &mut left[id]);
                sent[end.pattern as usize] = end.sent;
                end.update(now);
                for packet in ends[id].packets() {
                    links[id].send(random, now, &packet);
                }
            }
            for id in 0..2 {
                while let Some(packet) = links[1 - id].receive(now) {
                    let answer = ends[id].input(&packet);
                    assert!(answer == 0 || self.restart > 0, "input gave {answer}");
                }
            }
            report.closed |= ends[0].kcp().rmt_wnd.get() == 0;

            let bound = ends.iter().map(|end| end.limits.bytes()).sum::<u64>();
            let peak = (heap::take_peak() - before) as u64;
            assert!(peak <= bound, "{peak} bytes were out, {bound} may be");
            if restarts.is_empty() && self.is_done(&ends, &left) {
                break;
            }
            let next = (0..2).map(|id| {
                let due = links[id].next().unwrap_or(u64::MAX);
                due.min(ends[id].next_update(now))
            });
            now = next.min().unwrap_or(now).max(now + 1);
            assert!(now < PATIENCE, "everything should have arrived by now");
        }
        report.took = now;
        for link in &links {
            report.lost += link.lost;
            report.doubled += link.doubled;
            report.corrupted += link.corrupted;
            report.overtaken += link.overtaken;
        }
        drop(ends);
        assert_eq!(heap::bytes(), before, "memory leaked");
        report
    }

    fn endpoint(&self, epoch: u64, id: usize) -> Endpoint {
        let settings = Settings {
            conv: self.settings.conv + epoch as u32,
            ..self.settings.clone()
        };
        Endpoint::new(&settings, epoch * 2 + id as u64)
    }

    /// The program of one endpoint: it sends while its queue is short, and its clock jumps.
    fn program(&self, random: &mut Random, end: &mut Endpoint, left: &mut u64) {
        while *left > 0 && end.kcp().waitsnd().unsigned_abs() < 2 * self.settings.window {
            let most = u64::from(self.settings.mtu) * if random.chance(10) { 8 } else { 1 };
            let len = random.within(1, most).min(*left);
            end.send(len);
            *left -= len;
        }
        if self.jumps > 0 && random.below(self.jumps) == 0 {
            // Ahead by up to a day, or back by less than would make the protocol wait.
            let ahead = [50, 5_000, 60_000, 86_400_000][random.below(4) as usize];
            let jump = random.below(ahead) as u32;
            let back = random.below(4_000) as u32;
            let by = if random.chance(50) {
                jump
            } else {
                back.wrapping_neg()
            };
            end.clock = end.clock.wrapping_add(by);
        }
    }

    fn is_done(&self, ends: &[Endpoint; 2], left: &[u64; 2]) -> bool {
        *left == [0, 0]
            && ends[0].taken == ends[1].sent
            && ends[1].taken == ends[0].sent
            && ends.iter().all(|end| end.kcp().waitsnd() == 0)
    }
}

/// Runs a test in both modes, from each of the three beginnings.
fn chaos(weather: &Weather, change: impl Fn(&mut Chaos), check: impl Fn(&Report)) {
    for_seeds(3, |random| {
        for first_sn in [0, 0x7fff_ffe0, 0xffff_ffe0] {
            for stream in [false, true] {
                let modes = match random.below(3) {
                    0 => [0, 100, 0, 0],
                    1 => [1, 10, 2, 1],
                    _ => [1, 20, 2, 0],
                };
                let mut chaos = Chaos {
                    settings: Settings {
                        conv: random.next() as u32,
                        first_sn,
                        stream,
                        mtu: 200,
                        window: random.within(8, 160) as u32,
                        modes,
                    },
                    weather: Weather {
                        clears: BAD,
                        ..weather.clone()
                    },
                    bytes: [30_000, 8_000],
                    pause: 0..0,
                    jumps: 0,
                    restart: 0,
                };
                change(&mut chaos);
                let report = chaos.run(random);
                check(&report);
            }
        }
    });
}

fn mild() -> Weather {
    Weather {
        delay: 20,
        jitter: 10,
        loss: 5,
        ..Weather::default()
    }
}

#[test]
fn sixty_percent_of_packets_are_lost() {
    let weather = Weather {
        loss: 60,
        delay: 10,
        ..Weather::default()
    };
    chaos(&weather, |_| {}, |report| assert!(report.lost > 0));
}

#[test]
fn thirty_percent_of_packets_arrive_twice() {
    let weather = Weather {
        duplication: 30,
        ..mild()
    };
    chaos(&weather, |_| {}, |report| assert!(report.doubled > 20));
}

#[test]
fn packets_overtake_each_other() {
    let weather = Weather {
        delay: 5,
        jitter: 400,
        ..Weather::default()
    };
    chaos(&weather, |_| {}, |report| assert!(report.overtaken > 20));
}

#[test]
fn a_checksum_below_catches_corruption() {
    let weather = Weather {
        corruption: 25,
        ..mild()
    };
    chaos(&weather, |_| {}, |report| assert!(report.corrupted > 20));
}

#[test]
fn the_link_is_dark_for_seconds() {
    let weather = Weather {
        blackouts: vec![100..4_000, 6_000..15_000, 15_500..45_000],
        ..mild()
    };
    chaos(&weather, |_| {}, |report| assert!(report.lost > 0));
}

#[test]
fn a_reader_stops_until_the_window_is_closed_and_starts_again() {
    chaos(
        &mild(),
        |chaos| {
            chaos.bytes[0] = 60_000;
            chaos.pause = 50..60_000;
        },
        |report| assert!(report.closed && report.took > 60_000),
    );
}

#[test]
fn clocks_jump() {
    chaos(
        &mild(),
        |chaos| chaos.jumps = 30,
        |report| assert!(report.lost > 0),
    );
}

#[test]
fn both_sides_restart() {
    chaos(
        &mild(),
        |chaos| chaos.restart = 300,
        |report| assert!(report.took > 1_000),
    );
}

#[test]
fn everything_at_once() {
    let weather = Weather {
        loss: 25,
        duplication: 15,
        corruption: 10,
        delay: 30,
        jitter: 120,
        blackouts: vec![2_000..6_000, 30_000..33_000],
        ..Weather::default()
    };
    chaos(
        &weather,
        |chaos| {
            chaos.bytes[0] = 60_000;
            chaos.pause = 50..40_000;
            chaos.jumps = 200;
            chaos.restart = 1_500;
        },
        |report| assert!(report.lost > 0 && report.doubled > 0 && report.corrupted > 0),
    );
}
