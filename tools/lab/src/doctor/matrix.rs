//! Ground truth: sessions whose every resend and whose one fault are known, written as captures, and what the doctor makes of them.

use std::collections::HashMap;
use std::path::Path;

use rand::{Rng, SeedableRng};
use rand_pcg::Pcg64Mcg;

use super::capture::PORTS;
use super::causes::{Need, Trigger};
use super::findings::Kind;
use super::flows::Flows;
use super::plants::{self, Plan};
use super::{Diagnosis, Judged, capture, diagnose, read_bytes};
use crate::endpoint::{KcpPair, Mode, millis};
use crate::link::{Config, Fate, Loss, Micros};
use crate::session::{CLIENT, SERVER};
use crate::testing;
use crate::trace::{self, Cause, Stream};
use crate::wire::after;

pub fn examine(capture: &[u8]) -> Diagnosis {
    examine_with(capture, Flows::new(None, Vec::new(), false))
}

pub fn examine_logged(capture: &[u8]) -> Diagnosis {
    examine_with(capture, Flows::new(None, Vec::new(), true))
}

pub fn examine_with(capture: &[u8], flows: Flows) -> Diagnosis {
    let (flows, reading) = read_bytes(capture, flows, &|at| at).expect("a capture");
    diagnose(flows, reading)
}

/// How many resends there were, and how many were judged right: as sent by a timeout, by skips, or for nothing.
#[derive(Default, Debug, Clone, Copy)]
pub struct Score {
    pub all: usize,
    pub class: usize,
    /// Of which the capture shows nothing, and how many of the others were judged right.
    pub unsure: usize,
    pub sure: usize,
}

impl Score {
    pub fn add(&mut self, other: Score) {
        self.all += other.all;
        self.class += other.class;
        self.unsure += other.unsure;
        self.sure += other.sure;
    }
}

pub fn session(mode: &str, link: Config, seed: u64, stream: Stream) -> trace::Trace {
    let mode: Mode = mode.parse().unwrap();
    let pair = KcpPair::new(testing::library(), &mode, 256, link, seed, 0, [0, 3_000]).unwrap();
    trace::record(pair, &mode, stream).unwrap()
}

fn class(trigger: Trigger, need: Need) -> Option<Trigger> {
    (need == Need::Lost).then_some(trigger)
}

/// A segment that was sent again.
pub struct Resent {
    pub sn: u32,
    /// When it passed each end, if it did.
    pub passed: [Option<Micros>; 2],
    pub trigger: Trigger,
    pub need: Need,
    /// At the receiver it came in order, so nothing shows that it had been sent before.
    pub in_order: bool,
}

/// What the client sent again, and why.
pub fn resent(trace: &trace::Trace) -> Vec<Resent> {
    let all = trace.transmissions.iter().enumerate();
    all.filter_map(|(index, sent)| {
        let trigger = match sent.cause {
            Cause::First => return None,
            Cause::Timeout => Trigger::Timeout,
            Cause::Fast { .. } => Trigger::Skip,
            Cause::Early => Trigger::Early,
        };
        let arrived = match sent.fate {
            Fate::Arrives(at) => Some(at),
            Fate::Lost(_) => None,
        };
        let mut before = trace.transmissions[..index].iter().rev();
        let in_order = !before.any(|one| {
            let came = matches!((one.fate, arrived), (Fate::Arrives(at), Some(by)) if at <= by);
            came && !after(sent.sn, one.sn)
        });
        Some(Resent {
            in_order,
            sn: sent.sn,
            passed: [Some(sent.at), arrived],
            trigger,
            need: match trace.need(index) {
                trace::Need::Lost => Need::Lost,
                trace::Need::AckLost => Need::AckLost,
                trace::Need::Early => Need::Underway,
            },
        })
    })
    .collect()
}

/// How the client's resends are judged that passed this end. Wrong ones are told, with these words before each.
pub fn score(resent: &[Resent], judged: &Judged, end: usize, print: Option<&str>) -> Score {
    let mut score = Score::default();
    // Side 0 has the smaller address, which is the client's.
    let told: HashMap<_, _> = judged.resends[0]
        .iter()
        .map(|one| ((one.sn, one.at), one))
        .collect();
    for one in resent {
        let Some(at) = one.passed[end] else { continue };
        if end == SERVER && one.in_order {
            continue;
        }
        score.all += 1;
        let told = told.get(&(one.sn, (at + capture::START) as i64));
        let right =
            told.is_some_and(|told| class(told.trigger, told.need) == class(one.trigger, one.need));
        score.class += usize::from(right);
        let unsure = told.is_some_and(|told| told.unsure);
        score.unsure += usize::from(unsure);
        score.sure += usize::from(right && !unsure);
        if let Some(before) = print
            && !right
        {
            let (sn, trigger, need) = (one.sn, one.trigger, one.need);
            println!("{before}{at} {sn} {trigger:?} {need:?}, told {told:?}");
        }
    }
    score
}

pub const LINK: Config = Config {
    jitter: 10_000,
    loss: Loss::Random(0.05),
    ..Config::plain(30_000)
};

/// The modes whose resends are judged, from each end.
const MODES: [&str; 9] = [
    "default",
    "normal",
    "turbo",
    "fast",
    "turbo+flush",
    "fast+flush",
    "1,10,0,1",
    "1,20,1,1",
    "1,40,2,1",
];

#[test]
fn of_the_resends_that_a_capture_decides_at_least_95_of_100_have_the_right_cause() {
    let print = std::env::var("DOCTOR_PRINT").ok();
    let mut sums = [Score::default(), Score::default()];
    let mut rows = Vec::new();
    for mode in MODES {
        let mut cells = Vec::new();
        for end in [CLIENT, SERVER] {
            let mut sum = Score::default();
            for seed in 0..4 {
                let stream = Stream {
                    size: 500,
                    every: 20_000,
                    messages: 500,
                };
                let trace = session(mode, LINK, seed, stream);
                let print = print.as_deref() == Some(&format!("{mode} {end} {seed}"));
                let bytes = plants::file(&capture::passing(&trace.packets, end));
                let judged = &examine(&bytes).conversations[0];
                let one = score(&resent(&trace), judged, end, print.then_some(""));
                sum.add(one);
            }
            cells.push(format!("{} of {}", sum.class, sum.all));
            sums[end].add(sum);
        }
        rows.push(format!("| {mode} | {} |", cells.join(" | ")));
    }
    println!("{rows:#?}");
    for (end, sum) in sums.iter().enumerate() {
        let Score { all, class, .. } = sum;
        // Where as much is lost on both ways, one end cannot tell which of the two it was.
        let decided = sum.all - sum.unsure;
        assert!(
            *all > 800 && class * 100 >= all * 93 && sum.sure * 100 >= decided * 95,
            "end {end}: {sum:?}"
        );
    }
    rows.push(format!(
        "| all | {} of {} | {} of {} |",
        sums[CLIENT].class, sums[CLIENT].all, sums[SERVER].class, sums[SERVER].all
    ));
    in_the_page(&rows);
}

/// The page has these rows, where the library is this repository's own.
fn in_the_page(rows: &[String]) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/doctor.md");
    let page = std::fs::read_to_string(path).unwrap();
    let missing: Vec<&String> = rows.iter().filter(|row| !page.contains(&***row)).collect();
    let ours = std::env::var_os("KCP_LAB_LIBRARY").is_none();
    assert!(
        !ours || missing.is_empty(),
        "docs/doctor.md lacks {missing:#?}"
    );
}

/// Each fault by its name, with the finding that must come first or second.
fn plants() -> Vec<(&'static str, Kind, Plan)> {
    let bulk = || Plan {
        size: 1_300,
        every: 0,
        length: 10_000_000,
        ..Plan::default()
    };
    vec![
        (
            "send window of 16",
            Kind::OwnWindow,
            Plan {
                windows: [(16, 256), (256, 256)],
                ..bulk()
            },
        ),
        (
            "receive window of 128 before a send window of 512",
            Kind::PeerWindow,
            Plan {
                windows: [(512, 256), (256, 128)],
                ..bulk()
            },
        ),
        (
            "congestion window",
            Kind::CongestionWindow,
            Plan {
                modes: ["default", "default"],
                links: [plants::lossy(0.03), plants::lossy(0.0)],
                ..bulk()
            },
        ),
        (
            "peer does not read for 4 s",
            Kind::NotReading,
            Plan {
                reads: &|now| !(5_000_000..9_000_000).contains(&now),
                windows: [(256, 256), (256, 128)],
                ..Plan::default()
            },
        ),
        (
            "the packet that tells of the open window lost",
            Kind::ProbeLost,
            Plan {
                reads: &|now| !(5_000_000..9_000_000).contains(&now),
                drops: &|now, side, _| side == SERVER && (8_900_000..9_300_000).contains(&now),
                windows: [(256, 256), (256, 128)],
                ..Plan::default()
            },
        ),
        (
            "ikcp_update each 100 ms",
            Kind::LateFlush,
            Plan {
                modes: ["turbo+100ms", "turbo"],
                ..Plan::default()
            },
        ),
        (
            "ikcp_check never asked: update each 33 ms",
            Kind::LateFlush,
            Plan {
                modes: ["turbo+33ms", "turbo"],
                ..Plan::default()
            },
        ),
        (
            "clock set back by 3 s",
            Kind::ClockJump,
            Plan {
                clock: &|now| millis(now + 10_000_000) - if now > 8_000_000 { 3_000 } else { 0 },
                ..Plan::default()
            },
        ),
        (
            "receiver's clock set back by 3 s",
            Kind::StoodStill,
            Plan {
                peer_clock: Some(&|now| {
                    millis(now + 10_000_000) - if now > 8_000_000 { 3_000 } else { 0 }
                }),
                ..Plan::default()
            },
        ),
        (
            "clock with ticks of 16 ms",
            Kind::CoarseClock,
            Plan {
                clock: &|now| ((now as f64 / 15_625.0).floor() * 15.625) as u32,
                ..Plan::default()
            },
        ),
        (
            "rx_minrto 400",
            Kind::LeastTimeout,
            Plan {
                modes: ["1,10,0,1,400", "turbo"],
                links: [plants::lossy(0.03), plants::lossy(0.03)],
                ..Plan::default()
            },
        ),
        (
            "fast resend off",
            Kind::ResendOff,
            Plan {
                modes: ["0,10,0,1", "turbo"],
                links: [
                    Config {
                        delay: 15_000,
                        ..plants::lossy(0.05)
                    },
                    Config {
                        delay: 15_000,
                        ..plants::lossy(0.0)
                    },
                ],
                ..Plan::default()
            },
        ),
        (
            "interval 40",
            Kind::LateFlush,
            Plan {
                modes: ["1,40,2,1", "turbo"],
                ..Plan::default()
            },
        ),
        (
            "receiver with an interval of 100",
            Kind::LateFlush,
            Plan {
                modes: ["turbo", "1,100,2,1"],
                ..Plan::default()
            },
        ),
        (
            "mtu above the path's",
            Kind::Mtu,
            Plan {
                drops: &|_, side, packet| side == CLIENT && packet.len() > 1_200,
                size: 100,
                large: 1_300,
                every: 20_000,
                ..Plan::default()
            },
        ),
        (
            "losses in bursts",
            Kind::BurstLoss,
            Plan {
                links: [
                    Config {
                        loss: Loss::Burst {
                            share: 0.05,
                            length: 120_000,
                        },
                        ..plants::LINK
                    },
                    plants::lossy(0.0),
                ],
                ..Plan::default()
            },
        ),
        (
            "acknowledgements lost",
            Kind::AckLoss,
            Plan {
                links: [plants::lossy(0.0), plants::lossy(0.3)],
                ..Plan::default()
            },
        ),
        (
            "reordering",
            Kind::Reordering,
            Plan {
                modes: ["1,10,1,1", "turbo"],
                links: [
                    Config {
                        reorder: 0.1,
                        reorder_by: 40_000,
                        ..plants::lossy(0.0)
                    },
                    plants::lossy(0.0),
                ],
                ..Plan::default()
            },
        ),
        (
            "receiver began again",
            Kind::PeerRestarted,
            Plan {
                restart: Some(10_000_000),
                answers: 200_000,
                ..Plan::default()
            },
        ),
        (
            "two senders on one conv, one address",
            Kind::TwoSenders,
            Plan {
                second: Some(PORTS[0]),
                ..Plan::default()
            },
        ),
        (
            "two senders on one conv, two addresses",
            Kind::TwoSenders,
            Plan {
                second: Some(PORTS[0] + 1),
                ..Plan::default()
            },
        ),
        (
            "application idle",
            Kind::Idle,
            Plan {
                sends: &|now| now % 5_000_000 < 2_000_000,
                ..Plan::default()
            },
        ),
        (
            "bandwidth exceeded",
            Kind::Bandwidth,
            Plan {
                links: [
                    Config {
                        bandwidth: Some(4_000_000),
                        queue: 200_000,
                        ..plants::LINK
                    },
                    plants::LINK,
                ],
                ..bulk()
            },
        ),
    ]
}

/// Faults that a capture at the receiver cannot show, or not well: timers and round trips of the other end.
const NOT_FROM_THE_RECEIVER: [&str; 3] = ["rx_minrto 400", "congestion window", "fast resend off"];

/// The rows of the table in docs/doctor.md: where each fault stands in the findings, for captures at both ends and three seeds.
#[test]
fn each_planted_fault_is_named_first_or_second() {
    let mut wrong = Vec::new();
    let mut rows = Vec::new();
    for (name, kind, plan) in plants() {
        let mut cells = Vec::new();
        for end in [CLIENT, SERVER] {
            let mut places = Vec::new();
            for seed in 1..=3 {
                let diagnosis = examine(&plants::capture(&plan, seed, end));
                let findings = &diagnosis.conversations[0].findings;
                let place = findings
                    .iter()
                    .position(|one| one.kind == kind && one.side == 0);
                let required = end == CLIENT || !NOT_FROM_THE_RECEIVER.contains(&name);
                if required && place.is_none_or(|place| place > 1) {
                    let told: Vec<_> = findings
                        .iter()
                        .map(|one| (one.kind, one.cost / 1000))
                        .collect();
                    wrong.push(format!("{name}, end {end}, seed {seed}: {told:?}"));
                }
                places.push(place.map_or("-".to_string(), |place| (place + 1).to_string()));
            }
            cells.push(places.join(", "));
        }
        rows.push(format!(
            "| {name} | `{}` | {} |",
            kind.name(),
            cells.join(" | ")
        ));
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    in_the_page(&rows);
}

#[test]
fn nothing_is_found_where_nothing_is_wrong() {
    let clean = plants::lossy(0.0);
    let mut modes = vec!["turbo", "fast", "turbo+flush", "1,10,0,1"];
    if testing::has_controls() {
        modes.push("bbr");
    }
    for mode in modes {
        for every in [10_000, 20_000, 50_000, 100_000] {
            for answers in [0, 50_000] {
                let plan = Plan {
                    modes: [mode, mode],
                    links: [clean, clean],
                    every,
                    answers,
                    length: 8_000_000,
                    ..Plan::default()
                };
                for end in [CLIENT, SERVER] {
                    let diagnosis = examine(&plants::capture(&plan, 1, end));
                    let findings = &diagnosis.conversations[0].findings;
                    assert!(
                        findings.is_empty(),
                        "{mode}, every {every}, {answers}, end {end}: {findings:#?}"
                    );
                }
            }
        }
    }
}

/// Bytes are flipped, repeated, cut out: the doctor answers, whatever it says.
#[test]
fn damaged_and_hostile_captures_give_an_answer() {
    let seed = std::env::var("DOCTOR_SEED").map_or(1, |seed| seed.parse().unwrap());
    println!("DOCTOR_SEED={seed}");
    let mut random = Pcg64Mcg::seed_from_u64(seed);
    let plan = Plan {
        length: 2_000_000,
        answers: 100_000,
        ..Plan::default()
    };
    let packets = plants::run(&plan, 1, CLIENT);
    let whole = plants::file(&packets);
    for _ in 0..40 {
        let mut packets = packets.clone();
        for _ in 0..random.random_range(1..200) {
            // The window, the stamp, the number, or what was received: anything, in a packet that is one of KCP.
            let index = random.random_range(0..packets.len());
            let field = [6, 8, 12, 16][random.random_range(0..4)];
            let value = match random.random_range(0..4) {
                0 => u32::MAX,
                1 => 1 << 31,
                2 => random.random_range(0..2_000),
                _ => random.random(),
            };
            let width = if field == 6 { 2 } else { 4 };
            packets[index].packet[field..field + width]
                .copy_from_slice(&value.to_le_bytes()[..width]);
        }
        let bytes = plants::file(&packets);
        let mut diagnosis = examine(&bytes);
        super::page::page(&diagnosis);
        for judged in &mut diagnosis.conversations {
            super::replay::add_gains(judged, testing::library()).unwrap();
        }
    }
    for round in 0..150 {
        let mut bytes = whole.clone();
        if round % 3 == 0 {
            bytes.truncate(random.random_range(0..bytes.len()));
        }
        for _ in 0..random.random_range(0..40) {
            if bytes.is_empty() {
                break;
            }
            // Most of the time within headers of KCP, where it hurts.
            let at = random.random_range(0..bytes.len());
            bytes[at] = match random.random_range(0..3) {
                0 => 0xff,
                1 => 0,
                _ => random.random(),
            };
        }
        if let Ok((flows, reading)) =
            read_bytes(&bytes, Flows::new(None, Vec::new(), false), &|at| at)
        {
            let diagnosis = diagnose(flows, reading);
            super::report::value(&diagnosis).to_string();
        }
    }
}

#[test]
fn ends_with_convs_of_their_own_are_named() {
    let mut seen = plants::run(
        &Plan {
            answers: 100_000,
            length: 3_000_000,
            drops: &|now, _, _| now > 0,
            ..Plan::default()
        },
        1,
        CLIENT,
    );
    // What the server sends arrives under another conv.
    let mut more = plants::run(
        &Plan {
            every: 100_000,
            length: 3_000_000,
            drops: &|now, _, _| now > 0,
            ..Plan::default()
        },
        2,
        CLIENT,
    );
    for one in &mut more {
        one.side = SERVER;
        one.packet[..4].copy_from_slice(&9u32.to_le_bytes());
    }
    seen.extend(more);
    seen.sort_by_key(|one| one.at);
    let bytes = plants::file(&seen);
    let diagnosis = examine(&bytes);
    assert_eq!(diagnosis.conversations.len(), 2);
    for one in &diagnosis.conversations {
        let kinds: Vec<Kind> = one.findings.iter().take(2).map(|one| one.kind).collect();
        assert!(kinds.contains(&Kind::WrongConv), "{kinds:?}");
    }
}
