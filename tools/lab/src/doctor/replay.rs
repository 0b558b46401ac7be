//! What a change would bring: the loss and the delay of the capture, met once with the settings as they show and once with the change.
//!
//! The program's traffic is not in the capture, only what its sender made of it. A program that was held up by a window is replayed as
//! one that always has more to send, and its rate counts. Any other is replayed as one that sends the same number of equal messages
//! evenly, and how long they take counts.

use std::collections::BTreeMap;

use anyhow::Result;
use kcp_abi::Library;
use rand::{Rng, SeedableRng};
use rand_pcg::Pcg64Mcg;

use super::causes::{FastResend, Need, Resend, Settings};
use super::findings::{Finding, Kind};
use super::sender::{MS, Sender, Time, percentile};
use super::{Judged, findings};
use crate::endpoint::{Endpoint, Mode, millis};
use crate::link::Micros;
use crate::session::{CLIENT, SERVER, TICK};

/// How much of a capture is replayed, and what a replay may have in flight.
const LONGEST: Micros = 20_000_000;
const SEED: u64 = 1;

/// Both ends of a replay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Setup {
    nodelay: u32,
    interval: u32,
    resend: u32,
    nocwnd: bool,
    minrto: Option<u32>,
    flush: bool,
    send_window: i32,
    receive_window: i32,
}

impl Setup {
    fn mode(self) -> Result<Mode> {
        let minrto = self
            .minrto
            .map_or(String::new(), |minrto| format!(",{minrto}"));
        let text = format!(
            "{},{},{},{}{minrto}",
            self.nodelay,
            self.interval,
            self.resend,
            u32::from(self.nocwnd)
        );
        text.parse()
    }

    /// What shows of a sender.
    fn of(sender: &Sender, settings: &Settings) -> Setup {
        let window = |count: u32| count.clamp(2, 4_096).cast_signed();
        let interval = (settings.flushes.period() / MS).clamp(1, 1_000) as u32;
        Setup {
            nodelay: settings.nodelay.unwrap_or(1),
            interval,
            resend: match settings.fast_resend {
                FastResend::After(count) => count.min(1_000),
                FastResend::MoreThan(1..) | FastResend::Off => 0,
                FastResend::MoreThan(0) => 2,
            },
            nocwnd: !settings.keeps_congestion_window,
            minrto: settings.minrto.map(|least| least.clamp(1, 60_000)),
            flush: false,
            send_window: window(
                settings
                    .most_in_flight
                    .max(if settings.share_at_most > 0.3 { 2 } else { 256 }),
            ),
            receive_window: window(sender.largest_window),
        }
    }

    /// With what a finding advises; `None` where that is not a setting of KCP.
    fn with(self, kind: Kind) -> Option<Setup> {
        let more = |window: i32| (window * 4).min(8_192);
        let changed = match kind {
            Kind::OwnWindow => Setup {
                send_window: more(self.send_window),
                receive_window: self.receive_window.max(more(self.send_window)),
                ..self
            },
            Kind::PeerWindow => Setup {
                send_window: self.send_window.max(more(self.receive_window)),
                receive_window: more(self.receive_window),
                ..self
            },
            Kind::CongestionWindow => Setup {
                nocwnd: true,
                ..self
            },
            Kind::LateFlush | Kind::CoarseClock => Setup {
                interval: 10,
                flush: true,
                ..self
            },
            Kind::LeastTimeout => Setup {
                nodelay: self.nodelay.max(1),
                minrto: Some(30),
                ..self
            },
            Kind::ResendOff => Setup { resend: 2, ..self },
            Kind::Reordering => Setup { resend: 3, ..self },
            Kind::Loss | Kind::BurstLoss => Setup {
                nodelay: self.nodelay.max(1),
                interval: self.interval.min(10),
                resend: if kind == Kind::Loss { 2 } else { self.resend },
                minrto: Some(self.minrto.unwrap_or(30).min(30)),
                flush: true,
                ..self
            },
            _ => return None,
        };
        (changed != self).then_some(changed)
    }
}

/// The way of the capture.
struct Way {
    /// From when on how long a round trip took, without the wait for flushes.
    trips: Vec<(Micros, Micros)>,
    /// The share of segments that were lost in each [`SPELL`] that lost some.
    losses: BTreeMap<u64, f64>,
    ack_loss: f64,
}

const SPELL: Micros = 10_000;

impl Way {
    fn of(sender: &Sender, resends: &[Resend], settings: &Settings, from: Time, view: f64) -> Way {
        let wait = Micros::try_from(settings.flushes.period() / 2)
            .unwrap_or(0)
            .min(20_000);
        let since = |at: Time| Micros::try_from(at - from).unwrap_or(0);
        let trips = sender
            .rtt_curve
            .iter()
            .map(|(at, rtt)| {
                (
                    since(*at),
                    (Micros::from(*rtt) * 1_000).saturating_sub(wait).max(1_000),
                )
            })
            .collect();
        let lost: std::collections::HashSet<u32> = resends
            .iter()
            .filter(|one| one.need == Need::Lost)
            .map(|one| one.sn)
            .collect();
        let mut counts: BTreeMap<u64, f64> = BTreeMap::new();
        for segment in sender
            .resent
            .iter()
            .filter(|one| lost.contains(&(one.sn as u32)))
        {
            for sending in &segment.sendings[..segment.sendings.len() - 1] {
                if sending.acked.is_none() {
                    *counts.entry(since(sending.at) / SPELL).or_default() += 1.0;
                }
            }
        }
        let usual = sender.pushes as f64 / (sender.busy.max(1) as f64 / SPELL as f64);
        let losses = counts
            .into_iter()
            .map(|(spell, count)| (spell, (count / usual.max(count).max(1.0)).min(1.0)))
            .collect();
        Way {
            trips,
            losses,
            ack_loss: view,
        }
    }

    /// Half of the round trip at that time.
    fn delay(&self, now: Micros) -> Micros {
        let after = self.trips.partition_point(|(at, _)| *at <= now);
        self.trips
            .get(after.saturating_sub(1))
            .map_or(30_000, |(_, trip)| trip / 2)
    }

    fn loses(&self, now: Micros, side: usize, random: &mut Pcg64Mcg) -> bool {
        let share = match side {
            CLIENT => self.losses.get(&(now / SPELL)).copied().unwrap_or(0.0),
            _ => self.ack_loss,
        };
        random.random::<f64>() < share
    }
}

/// What a replay gives: bytes in a second, and how long messages took, µs.
#[derive(Debug, Clone, Default)]
pub struct Outcome {
    pub rate: f64,
    pub mean: f64,
    pub p99: u64,
}

/// What the program sends.
#[derive(Clone, Copy)]
struct Load {
    size: usize,
    /// 0: as fast as it may.
    every: Micros,
    length: Micros,
}

fn replay(library: &'static Library, setup: Setup, way: &Way, load: Load) -> Result<Outcome> {
    let mode = setup.mode()?;
    let mut ends = [
        Endpoint::new(library, 1, &mode, 32, 0)?,
        Endpoint::new(library, 1, &mode, 32, 3_000)?,
    ];
    for end in &mut ends {
        end.set_windows(setup.send_window, setup.receive_window);
    }
    let mut random = Pcg64Mcg::seed_from_u64(SEED);
    let mut flying: [BTreeMap<(Micros, u64), Vec<u8>>; 2] = Default::default();
    let mut latest = [0; 2];
    let (mut count, mut sent, mut bytes) = (0u64, Vec::new(), 0);
    let mut took: Vec<u64> = Vec::new();
    let message = vec![0; load.size];
    let mut buffer = vec![0; load.size];
    let mut now = 0;
    while now < load.length {
        for end in &mut ends {
            if end.is_due(now) {
                end.kcp.update(millis(now));
            }
        }
        let wants = |sent: u64, waits: i32| match load.every {
            0 => waits < 2 * setup.send_window,
            every => every * sent <= now,
        };
        let mut fresh = false;
        while wants(sent.len() as u64, ends[CLIENT].kcp.waitsnd())
            && ends[CLIENT].kcp.send(&message) >= 0
        {
            sent.push(now);
            fresh = true;
        }
        let mut heard = [fresh, false];
        for (to, heard) in heard.iter_mut().enumerate() {
            while let Some(first) = flying[1 - to].first_entry()
                && first.key().0 <= now
            {
                ends[to].kcp.input(&first.remove());
                *heard = true;
            }
        }
        while ends[SERVER].kcp.recv(&mut buffer) >= 0 {
            bytes += load.size;
            took.push(now - sent[took.len()]);
        }
        for (side, heard) in heard.into_iter().enumerate() {
            if setup.flush && heard {
                ends[side].kcp.flush();
            }
            ends[side].emit(|packet| {
                count += 1;
                if !way.loses(now, side, &mut random) {
                    // Delays of the capture do not change the order.
                    latest[side] = (now + way.delay(now)).max(latest[side]);
                    flying[side].insert((latest[side], count), packet.to_vec());
                }
            });
        }
        now += TICK;
    }
    // What has not arrived waits at least as long as it has waited.
    took.extend(sent[took.len()..].iter().map(|at| load.length - at));
    took.sort_unstable();
    let rank = (took.len() * 99).div_ceil(100).max(1) - 1;
    Ok(Outcome {
        rate: bytes as f64 * 1e6 / load.length as f64,
        mean: took.iter().sum::<u64>() as f64 / took.len().max(1) as f64,
        p99: took.get(rank).copied().unwrap_or(0),
    })
}

/// Adds to each finding what its change would bring.
pub fn add_gains(judged: &mut Judged, library: &'static Library) -> Result<()> {
    let conversation = &judged.found.conversation;
    let from = conversation.from.unwrap_or(0);
    let length = Micros::try_from(conversation.to - from)
        .unwrap_or(0)
        .min(LONGEST);
    let mut gains = Vec::new();
    for finding in &judged.findings {
        gains.push(gain(judged, finding, library, from, length)?);
    }
    for (finding, gain) in judged.findings.iter_mut().zip(gains) {
        finding.gain = gain;
    }
    Ok(())
}

fn gain(
    judged: &Judged,
    finding: &Finding,
    library: &'static Library,
    from: Time,
    length: Micros,
) -> Result<Option<String>> {
    let side = finding.side;
    let (sender, settings) = (
        &judged.found.conversation.senders[side],
        &judged.settings[side],
    );
    // What waited for an end that was away has the longest times of all, whatever the settings.
    let away = sender.answers_until().is_some() || !sender.outages.found.is_empty();
    if away || !sender.lag_known || sender.fresh < 50 || percentile(&sender.rtt, 50).is_none() {
        return Ok(None);
    }
    let setup = Setup::of(sender, settings);
    let Some(changed) = setup.with(finding.kind).filter(|_| finding.usual) else {
        return Ok(None);
    };
    let held_up = judged.findings.iter().any(|one| {
        one.side == side
            && matches!(
                one.kind,
                Kind::OwnWindow | Kind::PeerWindow | Kind::CongestionWindow
            )
    });
    let way = Way::of(
        sender,
        &judged.resends[side],
        settings,
        from,
        findings::ack_loss(sender),
    );
    let busy = Micros::try_from(sender.busy).unwrap_or(0).max(1);
    let load = Load {
        size: usize::try_from(sender.payload / sender.fresh.max(1))
            .unwrap_or(1)
            .clamp(1, 1_376),
        every: if held_up {
            0
        } else {
            (busy / sender.fresh).max(100)
        },
        length,
    };
    let before = replay(library, setup, &way, load)?;
    let carried = sender.payload as f64 * 1e6 / busy as f64;
    if held_up && !(0.5..2.0).contains(&(before.rate / carried)) {
        // Something that the replay does not have held it up.
        return Ok(None);
    }
    let after = replay(library, changed, &way, load)?;
    Ok(Some(match held_up {
        true => format!(
            "replayed with this capture's loss and delay: {:.0} KB/s, and {:.0} KB/s with the change",
            before.rate / 1e3,
            after.rate / 1e3
        ),
        false => format!(
            "replayed with this capture's loss and delay: messages take {:.0} ms (p99 {:.0}), and {:.0} ms (p99 {:.0}) with the change",
            before.mean / 1e3,
            before.p99 as f64 / 1e3,
            after.mean / 1e3,
            after.p99 as f64 / 1e3
        ),
    }))
}

#[cfg(test)]
mod tests {
    use super::super::matrix::examine;
    use super::super::plants::{self, LINK, Plan};
    use super::*;
    use crate::link::{Config, Loss};
    use crate::testing;

    /// What a session's capture shows, with the gains.
    fn with_gains(plan: &Plan) -> Vec<Finding> {
        let mut diagnosis = examine(&plants::capture(plan, 1, CLIENT));
        let judged = &mut diagnosis.conversations[0];
        add_gains(judged, testing::library()).unwrap();
        std::mem::take(&mut judged.findings)
    }

    /// The numbers in the gain that the finding of this kind has.
    fn gain(plan: &Plan, kind: Kind) -> Vec<f64> {
        let findings = with_gains(plan);
        let finding = findings.iter().find(|one| one.kind == kind);
        let gain = finding.and_then(|one| one.gain.clone()).expect("a gain");
        let words = gain.split(|c: char| !c.is_ascii_digit() && c != '.');
        words
            .filter_map(|word| word.parse().ok())
            .filter(|number| *number != 99.0)
            .collect()
    }

    #[test]
    fn a_larger_window_carries_more_and_the_replay_is_like_the_capture() {
        let plan = Plan {
            windows: [(16, 256), (256, 256)],
            size: 1_300,
            every: 0,
            length: 10_000_000,
            ..Plan::default()
        };
        let rates = gain(&plan, Kind::OwnWindow);
        // What the capture itself carries: 16 segments in a round trip of about 80 ms, less what losses cost.
        let packets = plants::run(&plan, 1, CLIENT);
        let sent: usize = packets
            .iter()
            .filter(|one| one.side == CLIENT)
            .map(|one| one.packet.len() - 24)
            .sum();
        let real = sent as f64 / 10.0 / 1e3;
        assert!(
            (rates[0] / real - 1.0).abs() < 0.25,
            "{rates:?}, and it was {real}"
        );
        assert!(rates[1] > 2.0 * rates[0], "{rates:?}");
    }

    /// `ikcp_wndsize` made 128 of it, so that nothing was to be gained.
    #[test]
    fn a_receive_window_below_128_was_replayed_as_one_of_128() {
        let plan = Plan {
            windows: [(256, 256), (256, 16)],
            size: 1_300,
            every: 0,
            length: 10_000_000,
            ..Plan::default()
        };
        let rates = gain(&plan, Kind::PeerWindow);
        assert!((50.0..300.0).contains(&rates[0]), "{rates:?}");
        assert!(rates[1] > 2.0 * rates[0], "{rates:?}");
    }

    /// The peer read once a second and so held up what was sent, which a replay that only has its window does not do.
    #[test]
    fn a_replay_that_is_unlike_the_capture_was_told() {
        let plan = Plan {
            windows: [(256, 256), (256, 128)],
            size: 1_000,
            every: 5_000,
            reads: &|now| now % 1_000_000 < 5_000,
            ..Plan::default()
        };
        let findings = with_gains(&plan);
        assert!(findings.iter().any(|one| one.kind == Kind::PeerWindow));
        assert!(
            findings.iter().all(|one| one.gain.is_none()),
            "{findings:?}"
        );
    }

    /// Most of the time that messages took was an outage, so resends that come earlier made things worse.
    #[test]
    fn a_gain_was_measured_in_messages_of_an_outage() {
        let plan = Plan {
            modes: ["1,10,0,1", "turbo"],
            drops: &|now, _, _| (8_000_000..12_000_000).contains(&now),
            ..Plan::default()
        };
        let findings = with_gains(&plan);
        assert_eq!(findings[0].kind, Kind::Outage);
        assert!(findings.iter().any(|one| one.kind == Kind::Loss));
        assert!(findings.iter().all(|one| one.gain.is_none()));
    }

    /// As a clock that counts microseconds makes them.
    #[test]
    fn timeouts_longer_than_a_setting_may_be_ended_the_doctor() {
        let plan = Plan {
            links: [plants::lossy(0.03); 2],
            ..Plan::default()
        };
        let mut diagnosis = examine(&plants::capture(&plan, 1, CLIENT));
        let judged = &mut diagnosis.conversations[0];
        judged
            .settings
            .iter_mut()
            .for_each(|one| one.minrto = Some(60_012));
        add_gains(judged, testing::library()).unwrap();
        assert!(judged.findings.iter().any(|one| one.gain.is_some()));
    }

    #[test]
    fn shorter_timeouts_and_flushes_bring_messages_earlier() {
        let lossy = Config {
            loss: Loss::Random(0.03),
            ..LINK
        };
        let slow = Plan {
            modes: ["1,10,0,1,400", "turbo"],
            links: [lossy, lossy],
            ..Plan::default()
        };
        let times = gain(&slow, Kind::LeastTimeout);
        assert!(
            times[2] < 0.8 * times[0] && times[3] < 0.7 * times[1],
            "{times:?}"
        );
        let rare = Plan {
            modes: ["1,40,2,1", "turbo"],
            ..Plan::default()
        };
        let times = gain(&rare, Kind::LateFlush);
        assert!(times[2] < times[0] - 10.0, "{times:?}");
    }
}
