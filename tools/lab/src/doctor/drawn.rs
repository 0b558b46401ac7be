//! Faults whose size, mode, load and link are drawn, so that rules which fit the one session of `matrix` only do not pass.
//! `DOCTOR_SEED` draws others, `DOCTOR_DRAWS` so many of each, `DOCTOR_PRINT=1` tells all that were missed.

use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use rand_pcg::Pcg64Mcg;

use super::findings::Kind;
use super::matrix::examine;
use super::plants::{self, Plan};
use crate::doctor::capture::PORTS;
use crate::endpoint::millis;
use crate::link::{Config, Loss, Micros};
use crate::session::{CLIENT, SERVER};

type Drops = fn(Micros, usize, &[u8]) -> bool;

/// A fault by its name, the findings that name it, whether a capture at the receiver can show it, and how a session gets it.
struct Fault {
    name: &'static str,
    kinds: &'static [Kind],
    at_the_receiver: bool,
    plant: fn(&mut Pcg64Mcg, &mut Plan),
}

/// A session without a fault: any round trip, load and loss that a game or a tunnel has.
fn sound(random: &mut Pcg64Mcg) -> Plan {
    let delay = random.random_range(8_000..90_000);
    let link = Config {
        delay,
        jitter: random.random_range(0..delay / 4),
        loss: Loss::Random(random.random_range(0.001..0.015)),
        ..plants::LINK
    };
    Plan {
        links: [link, link],
        size: random.random_range(60..1_200),
        every: random.random_range(6..40) * 1_000,
        ..Plan::default()
    }
}

fn bulk(plan: &mut Plan) {
    (plan.every, plan.size) = (0, plan.size.max(700));
    plan.length = 12_000_000;
}

fn mode(plan: &mut Plan, side: usize, mode: String) {
    plan.modes[side] = mode.leak();
}

fn period(plan: &mut Plan, sides: &[usize], millis: u32) {
    for &side in sides {
        mode(plan, side, format!("turbo+{millis}ms"));
    }
}

/// A clock that is set back once, from 5 s on.
const SET_BACK: [fn(Micros) -> u32; 3] = [
    |now| millis(now + 20_000_000) - if now > 5_000_000 { 1_500 } else { 0 },
    |now| millis(now + 20_000_000) - if now > 9_000_000 { 4_000 } else { 0 },
    |now| millis(now + 20_000_000) - if now > 12_000_000 { 2_300 } else { 0 },
];

const TICKS: [fn(Micros) -> u32; 2] = [
    |now| ((now as f64 / 15_625.0).floor() * 15.625) as u32,
    |now| (now / 16_000 * 16) as u32,
];

const READS: [fn(Micros) -> bool; 3] = [
    |now| !(4_000_000..9_500_000).contains(&now),
    |now| !(7_000_000..10_000_000).contains(&now),
    |now| now % 6_000_000 < 4_000_000,
];

/// The same pauses, and the packets that tell of their end.
const UNHEARD: [Drops; 2] = [
    |now, side, _| side == SERVER && (9_450_000..9_800_000).contains(&now),
    |now, side, _| side == SERVER && (9_950_000..10_300_000).contains(&now),
];

const SENDS: [fn(Micros) -> bool; 3] = [
    |now| now % 4_000_000 < 1_000_000,
    |now| now % 10_000_000 < 6_000_000,
    |now| now % 2_500_000 < 1_300_000,
];

const TOO_LARGE: [Drops; 3] = [
    |_, side, packet| side == CLIENT && packet.len() > 1_000,
    |_, side, packet| side == CLIENT && packet.len() > 1_250,
    |_, side, packet| side == CLIENT && packet.len() > 1_372,
];

fn pick<T: Copy>(random: &mut Pcg64Mcg, of: &[T]) -> T {
    *of.choose(random).unwrap()
}

const FAULTS: [Fault; 20] = [
    Fault {
        name: "send window",
        kinds: &[Kind::OwnWindow],
        at_the_receiver: true,
        plant: |random, plan| {
            bulk(plan);
            plan.windows[CLIENT].0 = random.random_range(8..64);
        },
    },
    Fault {
        name: "receive window",
        kinds: &[Kind::PeerWindow],
        at_the_receiver: true,
        plant: |random, plan| {
            bulk(plan);
            plan.windows = [
                (random.random_range(400..1_000), 256),
                (256, random.random_range(128..200)),
            ];
        },
    },
    Fault {
        name: "congestion window",
        kinds: &[Kind::CongestionWindow],
        at_the_receiver: false,
        plant: |random, plan| {
            bulk(plan);
            plan.windows[CLIENT].0 = 512;
            let nodelay = random.random_range(0..2);
            mode(plan, CLIENT, format!("{nodelay},10,2,0"));
        },
    },
    Fault {
        name: "peer does not read",
        kinds: &[Kind::NotReading],
        at_the_receiver: true,
        plant: |random, plan| {
            plan.every = random.random_range(4..10) * 1_000;
            plan.windows[SERVER].1 = 128;
            plan.reads = pick(random, &READS);
        },
    },
    Fault {
        name: "the packet that tells of the open window lost",
        kinds: &[Kind::ProbeLost],
        at_the_receiver: true,
        plant: |random, plan| {
            plan.every = random.random_range(5..10) * 1_000;
            plan.windows[SERVER].1 = 128;
            let which = random.random_range(0..2);
            (plan.reads, plan.drops) = (READS[which], UNHEARD[which]);
        },
    },
    Fault {
        name: "ikcp_update each 90 ms or more",
        kinds: &[Kind::LateFlush],
        at_the_receiver: true,
        plant: |random, plan| {
            let ends: &[&[usize]] = &[&[CLIENT], &[SERVER], &[CLIENT, SERVER]];
            let ends = pick(random, ends);
            period(plan, ends, random.random_range(90..140));
        },
    },
    Fault {
        name: "ikcp_update in each frame",
        kinds: &[Kind::LateFlush],
        at_the_receiver: true,
        plant: |random, plan| {
            let frame = pick(random, &[25, 33, 40, 50]);
            period(plan, &[CLIENT, SERVER], frame);
        },
    },
    Fault {
        name: "clock set back",
        kinds: &[Kind::ClockJump],
        at_the_receiver: true,
        plant: |random, plan| plan.clock = pick(random, &SET_BACK),
    },
    Fault {
        name: "clock with ticks of 16 ms",
        kinds: &[Kind::CoarseClock],
        at_the_receiver: true,
        plant: |random, plan| plan.clock = pick(random, &TICKS),
    },
    Fault {
        name: "rx_minrto",
        kinds: &[Kind::LeastTimeout],
        at_the_receiver: false,
        plant: |random, plan| {
            plan.links[CLIENT].loss = Loss::Random(random.random_range(0.02..0.06));
            let trip = (plan.links[CLIENT].delay * 2 / 1_000) as u32;
            let least = trip * 2 + random.random_range(100..300);
            mode(plan, CLIENT, format!("1,10,0,1,{least}"));
        },
    },
    Fault {
        name: "fast resend off",
        // Where timeouts are long because of rx_minrto, both are the cure.
        kinds: &[Kind::ResendOff, Kind::LeastTimeout],
        at_the_receiver: false,
        plant: |random, plan| {
            plan.links[CLIENT].loss = Loss::Random(random.random_range(0.02..0.06));
            plan.links[CLIENT].delay = random.random_range(8_000..16_000);
            plan.links[SERVER].delay = plan.links[CLIENT].delay;
            plan.every = random.random_range(4..10) * 1_000;
            mode(plan, CLIENT, "0,10,0,1".to_string());
        },
    },
    Fault {
        name: "interval 40 or more",
        kinds: &[Kind::LateFlush],
        at_the_receiver: true,
        plant: |random, plan| {
            let interval = random.random_range(40..70);
            mode(plan, CLIENT, format!("1,{interval},2,1"));
        },
    },
    Fault {
        name: "mtu above the path's",
        kinds: &[Kind::Mtu],
        at_the_receiver: false,
        plant: |random, plan| {
            plan.drops = pick(random, &TOO_LARGE);
            plan.size = random.random_range(50..200);
            plan.large = random.random_range(1_376..2_400);
            plan.every = random.random_range(20..50) * 1_000;
        },
    },
    Fault {
        name: "losses in bursts",
        kinds: &[Kind::BurstLoss],
        at_the_receiver: true,
        plant: |random, plan| {
            plan.links[CLIENT].loss = Loss::Burst {
                share: random.random_range(0.03..0.1),
                length: random.random_range(80_000..250_000),
            };
            plan.every = random.random_range(6..20) * 1_000;
        },
    },
    Fault {
        name: "acknowledgements lost",
        kinds: &[Kind::AckLoss],
        at_the_receiver: true,
        plant: |random, plan| {
            plan.links[SERVER].loss = Loss::Random(random.random_range(0.25..0.45))
        },
    },
    Fault {
        name: "reordering",
        kinds: &[Kind::Reordering],
        at_the_receiver: true,
        plant: |random, plan| {
            plan.links[CLIENT].loss = Loss::Random(0.001);
            plan.links[CLIENT].reorder = random.random_range(0.05..0.15);
            plan.links[CLIENT].reorder_by = random.random_range(30_000..60_000);
            plan.every = random.random_range(5..9) * 1_000;
            mode(plan, CLIENT, "1,10,1,1".to_string());
        },
    },
    Fault {
        name: "receiver began again",
        // One that acknowledges nothing more cannot be told from one that is gone.
        kinds: &[Kind::PeerRestarted, Kind::PeerSilent],
        at_the_receiver: true,
        plant: |random, plan| {
            plan.restart = Some(random.random_range(4_000_000..12_000_000));
            plan.answers = pick(random, &[0, 100_000, 300_000]);
        },
    },
    Fault {
        name: "two senders",
        kinds: &[Kind::TwoSenders],
        at_the_receiver: true,
        plant: |random, plan| plan.second = Some(PORTS[0] + random.random_range(0..2)),
    },
    Fault {
        name: "application idle",
        kinds: &[Kind::Idle],
        at_the_receiver: true,
        plant: |random, plan| plan.sends = pick(random, &SENDS),
    },
    Fault {
        name: "bandwidth exceeded",
        kinds: &[Kind::Bandwidth],
        at_the_receiver: true,
        plant: |random, plan| {
            bulk(plan);
            plan.links[CLIENT].bandwidth = Some(random.random_range(1_000_000..5_000_000));
            plan.links[CLIENT].queue = random.random_range(60_000..250_000);
        },
    },
];

/// How many of how many were named first or second.
#[derive(Default, Clone, Copy)]
struct Share {
    named: usize,
    of: usize,
}

fn whole(name: &str, usual: u64) -> u64 {
    std::env::var(name).map_or(usual, |text| text.parse().unwrap())
}

#[test]
fn faults_of_any_size_are_named_first_or_second() {
    let (seed, draws) = (whole("DOCTOR_SEED", 1), whole("DOCTOR_DRAWS", 2));
    println!("DOCTOR_SEED={seed}");
    let print = std::env::var_os("DOCTOR_PRINT").is_some();
    let mut all = [Share::default(); 2];
    for fault in &FAULTS {
        let mut cells = [Share::default(); 2];
        for draw in 0..draws {
            let mut random = Pcg64Mcg::seed_from_u64(seed << 16 | draw);
            let mut plan = sound(&mut random);
            (fault.plant)(&mut random, &mut plan);
            for end in [CLIENT, SERVER] {
                let diagnosis = examine(&plants::capture(&plan, seed + draw, end));
                let findings = &diagnosis.conversations[0].findings;
                let named = findings
                    .iter()
                    .take(2)
                    .any(|one| fault.kinds.contains(&one.kind));
                if end == SERVER && !fault.at_the_receiver {
                    continue;
                }
                cells[end].of += 1;
                cells[end].named += usize::from(named);
                if print && !named {
                    let told: Vec<_> = findings
                        .iter()
                        .map(|one| (one.kind, one.side, one.cost / 1_000))
                        .collect();
                    println!("{}, draw {draw}, end {end}: {told:?}", fault.name);
                }
            }
        }
        for (all, cell) in all.iter_mut().zip(cells) {
            all.named += cell.named;
            all.of += cell.of;
        }
        println!(
            "{}: {} of {}, {} of {}",
            fault.name, cells[0].named, cells[0].of, cells[1].named, cells[1].of
        );
    }
    let [sender, receiver] = all;
    println!(
        "all: {} of {} at the sender, {} of {} at the receiver",
        sender.named, sender.of, receiver.named, receiver.of
    );
    assert!(sender.named * 100 >= sender.of * 85, "at the sender");
    assert!(receiver.named * 100 >= receiver.of * 80, "at the receiver");
}

/// What is said of a program's settings where they are right. The network may be blamed, for it loses packets.
#[test]
fn settings_that_are_right_are_not_blamed() {
    let (seed, draws) = (whole("DOCTOR_SEED", 1), whole("DOCTOR_DRAWS", 2) * 8);
    println!("DOCTOR_SEED={seed}");
    let mut blamed = [0; 2];
    for draw in 0..draws {
        let mut random = Pcg64Mcg::seed_from_u64(seed << 16 | draw);
        let plan = sound(&mut random);
        for end in [CLIENT, SERVER] {
            let diagnosis = examine(&plants::capture(&plan, seed + draw, end));
            let false_ones: Vec<_> = diagnosis.conversations[0]
                .findings
                .iter()
                .filter(|one| {
                    let of_the_network =
                        [Kind::Loss, Kind::BurstLoss, Kind::AckLoss, Kind::Reordering];
                    !of_the_network.contains(&one.kind)
                })
                .map(|one| (one.kind, one.side, one.cost / 1_000))
                .collect();
            if !false_ones.is_empty() {
                println!("draw {draw}, end {end}: {false_ones:?}");
                blamed[end] += 1;
            }
        }
    }
    println!("blamed in {blamed:?} of {draws}");
    assert!(blamed[CLIENT] * 20 <= draws, "at the sender");
    assert!(blamed[SERVER] * 4 <= draws, "at the receiver");
}
