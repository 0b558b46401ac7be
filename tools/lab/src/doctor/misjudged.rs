//! Sessions that were judged wrong once.

use std::collections::BTreeSet;

use super::causes::{FastResend, Need, Trigger};
use super::findings::{Finding, Kind};
use super::framing::tests::of_each_segment;
use super::matrix::{self, examine};
use super::plants::{self, Plan};
use super::{Diagnosis, Judged};
use crate::doctor::capture::{PORTS, Passing};
use crate::endpoint::millis;
use crate::link::{Config, Loss};
use crate::session::{CLIENT, SERVER};
use crate::wire::{COMMAND_ACK, COMMAND_PUSH};

fn findings(plan: &Plan, end: usize) -> Vec<Finding> {
    first(examine(&plants::capture(plan, 1, end))).findings
}

fn first(diagnosis: Diagnosis) -> Judged {
    diagnosis.conversations.into_iter().next().expect("one")
}

fn cost(findings: &[Finding], kind: Kind) -> Option<i64> {
    let found = findings.iter().find(|one| one.kind == kind);
    found.map(|one| one.cost / 1_000)
}

fn kinds(findings: &[Finding]) -> Vec<Kind> {
    findings.iter().map(|one| one.kind).collect()
}

/// What is found in the capture at this end, of which `kind` is the first.
fn found_first(plan: &Plan, end: usize, kind: Kind) -> Vec<Kind> {
    let found = kinds(&findings(plan, end));
    assert_eq!(found.first(), Some(&kind), "end {end}: {found:?}");
    found
}

/// Word of what had arrived seemed to take effect at once, where both ways took 4 ms, and that is so at the sender's machine only.
#[test]
fn a_receiver_near_its_sender_was_taken_for_the_senders_machine() {
    let near = Config {
        jitter: 0,
        delay: 2_000,
        ..plants::lossy(0.02)
    };
    let plan = Plan {
        links: [near; 2],
        windows: [(64, 256), (256, 256)],
        size: 1_300,
        every: 0,
        length: 5_000_000,
        ..Plan::default()
    };
    let judged = first(examine(&plants::capture(&plan, 1, SERVER)));
    assert!(!judged.found.conversation.senders[CLIENT].is_near());
}

/// Only the last fragment of each message arrived, so the receiver went on to acknowledge less than what was seen first.
#[test]
fn a_receiver_that_lacks_the_first_number_was_called_restarted() {
    let plan = Plan {
        size: 3_000,
        every: 50_000,
        drops: &|_, side, packet| side == CLIENT && packet.len() > 1_350,
        ..Plan::default()
    };
    let found = kinds(&findings(&plan, SERVER));
    assert!(!found.contains(&Kind::PeerRestarted), "{found:?}");
}

/// The client sent on while the server's clock was behind, and no packet of it was lost for that.
#[test]
fn a_peer_that_stood_still_was_called_loss() {
    let clean = Config {
        jitter: 0,
        ..plants::lossy(0.0)
    };
    let plan = Plan {
        links: [clean, clean],
        peer_clock: Some(&|now| {
            crate::endpoint::millis(now + 10_000_000) - if now > 8_000_000 { 3_000 } else { 0 }
        }),
        ..Plan::default()
    };
    for end in [CLIENT, SERVER] {
        let found = findings(&plan, end);
        let still = cost(&found, Kind::StoodStill).unwrap();
        assert!((2_900..3_200).contains(&still), "end {end}: {still} ms");
        let others = kinds(&found);
        assert!(
            !others.contains(&Kind::Loss) && !others.contains(&Kind::AckLoss),
            "end {end}: {found:?}"
        );
    }
}

/// Both clients send the same bytes at the same times, so no number has two payloads; only one of them is answered.
#[test]
fn two_senders_of_the_same_bytes_were_called_loss_of_acknowledgements() {
    let plan = Plan {
        second: Some(PORTS[0]),
        second_alike: true,
        ..Plan::default()
    };
    for end in [CLIENT, SERVER] {
        found_first(&plan, end, Kind::TwoSenders);
    }
}

/// The first sender goes on with its numbers, which one that began again would not.
#[test]
fn a_second_sender_that_came_later_was_called_a_restart() {
    let plan = Plan {
        second: Some(PORTS[0]),
        second_from: 6_000_000,
        second_alike: true,
        ..Plan::default()
    };
    for end in [CLIENT, SERVER] {
        let found = found_first(&plan, end, Kind::TwoSenders);
        assert!(!found.contains(&Kind::SenderRestarted), "end {end}");
    }
}

/// What was lost in an outage came again in one packet, so that the lost packets were taken for one that was as large.
#[test]
fn a_burst_was_taken_for_one_packet_at_the_receiver() {
    let plan = Plan {
        size: 100,
        every: 20_000,
        drops: &|now, side, _| side == CLIENT && now % 3_000_000 < 250_000 && now > 1_000_000,
        ..Plan::default()
    };
    found_first(&plan, SERVER, Kind::BurstLoss);
}

/// Nothing more was acknowledged, so that what was in flight stayed the same.
#[test]
fn windows_were_blamed_for_a_peer_that_fell_silent() {
    let plan = Plan {
        drops: &|now, side, _| side == SERVER && now > 6_000_000,
        windows: [(32, 256), (256, 256)],
        ..Plan::default()
    };
    for end in [CLIENT, SERVER] {
        let found = kinds(&findings(&plan, end));
        let window = |kind: &Kind| matches!(kind, Kind::OwnWindow | Kind::PeerWindow);
        assert!(!found.iter().any(window), "end {end}: {found:?}");
    }
}

/// The round trip does not show in a capture at the receiver of one way, but for how long it takes until room is taken up.
#[test]
fn a_window_seen_from_the_receiver_cost_nothing() {
    for (windows, kind) in [
        ([(24, 256), (256, 256)], Kind::OwnWindow),
        ([(512, 256), (256, 128)], Kind::PeerWindow),
    ] {
        let plan = Plan {
            size: 1_000,
            every: 0,
            windows,
            length: 12_000_000,
            ..Plan::default()
        };
        let at: Vec<i64> = [CLIENT, SERVER]
            .map(|end| cost(&findings(&plan, end), kind).unwrap_or(0))
            .into();
        assert!(at[CLIENT] > 8_000, "{kind:?}: {at:?} ms");
        assert!(at[SERVER] * 3 > at[CLIENT] * 2, "{kind:?}: {at:?} ms");
    }
}

/// Where each packet is acknowledged by itself, hardly any word makes room for several segments. The round trip shows all the same, by
/// what follows what; at a steady pace nothing does.
#[test]
fn the_round_trip_of_a_small_window_did_not_show_where_packets_are_acknowledged_one_by_one() {
    for (window, delay) in [(5, 15_000), (5, 40_000), (8, 80_000)] {
        let link = Config {
            delay,
            jitter: delay / 4,
            ..plants::lossy(0.005)
        };
        let trip = |window, every| {
            let plan = Plan {
                modes: ["1,5,0,1", "1,10,2,1+flush"],
                links: [link; 2],
                windows: [(window, 256), (256, 256)],
                size: 1_000,
                every,
                ..Plan::default()
            };
            let found = first(examine(&plants::capture(&plan, 1, SERVER)));
            let sender = &found.found.conversation.senders[CLIENT];
            sender.lag_known.then(|| sender.lag() / 1_000)
        };
        let least = 2 * delay.cast_signed() / 1_000;
        let about = least - 8..least * 3 / 2 + 16;
        let window_shows = trip(window, 0).is_some_and(|trip| about.contains(&trip));
        assert!(window_shows, "{least}: {:?}", trip(window, 0));
        assert_eq!(trip(256, 20_000), None, "{least}");
    }
}

/// Word that takes effect later than it did would let the sender go far beyond the peer's window, which none does.
#[test]
fn ten_times_the_peers_window_was_said_to_be_in_flight() {
    for (window, end) in [(24, CLIENT), (24, SERVER), (200, CLIENT), (200, SERVER)] {
        let link = Config {
            delay: 1_000,
            jitter: 250,
            ..plants::lossy(0.02)
        };
        let plan = Plan {
            modes: ["1,20,4,1+flush", "2,20,2,1+flush"],
            links: [link; 2],
            windows: [(window, 256), (256, 256)],
            every: 0,
            length: 6_000_000,
            ..Plan::default()
        };
        let found = first(examine(&plants::capture(&plan, 1, end)));
        let most = found.settings[CLIENT].most_in_flight;
        assert!(most <= 256, "{window}, end {end}: {most}");
    }
}

/// The server read on only after the probe had been sent, and told so by itself.
#[test]
fn a_peer_that_read_late_was_called_a_lost_probe() {
    let plan = Plan {
        reads: &|now| !(4_000_000..14_500_000).contains(&now),
        windows: [(256, 256), (256, 128)],
        every: 8_000,
        ..Plan::default()
    };
    for end in [CLIENT, SERVER] {
        let found = findings(&plan, end);
        assert_eq!(cost(&found, Kind::ProbeLost), None, "end {end}: {found:?}");
        assert!(cost(&found, Kind::NotReading).unwrap() > 8_000, "end {end}");
    }
}

/// A receiver that acknowledges each 20 ms was taken for the other end, and timeouts were blamed that nobody can see from there.
#[test]
fn a_slow_receiver_was_taken_for_the_sender() {
    let plan = Plan {
        modes: ["1,20,2,1", "1,20,2,1"],
        every: 10_000,
        links: [
            Config {
                loss: Loss::Random(0.04),
                jitter: 0,
                ..plants::LINK
            },
            plants::LINK,
        ],
        ..Plan::default()
    };
    let diagnosis = examine(&plants::capture(&plan, 1, SERVER));
    let judged = &diagnosis.conversations[0];
    let found = kinds(&judged.findings);
    for kind in [Kind::LeastTimeout, Kind::ResendOff] {
        assert!(!found.contains(&kind), "{found:?}");
    }
    assert!(judged.resends[0].iter().any(|one| one.need == Need::Lost));
}

/// No answer to the probes came until the capture ended, so nothing said when the window had opened.
#[test]
fn probes_that_were_never_answered_were_called_a_peer_that_does_not_read() {
    let plan = Plan {
        reads: &|now| !(4_000_000..7_000_000).contains(&now),
        drops: &|now, side, _| side == SERVER && now > 6_900_000,
        windows: [(256, 256), (256, 128)],
        every: 8_000,
        length: 30_000_000,
        ..Plan::default()
    };
    let found = findings(&plan, CLIENT);
    assert!(cost(&found, Kind::ProbeLost).unwrap() > 8_000, "{found:?}");
}

/// Nothing was lost, but round trips were longer than the timeouts now and then. A receiver does not see that its acknowledgements came.
#[test]
fn timeouts_that_were_too_short_were_called_loss_of_acknowledgements() {
    let late = Config {
        loss: Loss::Random(0.0),
        jitter: 2_000,
        reorder: 0.05,
        reorder_by: 60_000,
        ..plants::LINK
    };
    let clean = Config {
        reorder: 0.0,
        ..late
    };
    let plan = Plan {
        links: [late, clean],
        every: 100_000,
        length: 60_000_000,
        ..Plan::default()
    };
    let diagnosis = examine(&plants::capture(&plan, 1, SERVER));
    let judged = &diagnosis.conversations[0];
    assert!(judged.resends[0].len() >= 5, "{:?}", judged.resends[0]);
    let found = kinds(&judged.findings);
    assert!(!found.contains(&Kind::AckLoss), "{found:?}");
}

/// The server said a little all the time.
#[test]
fn an_idle_program_was_not_seen_beside_a_peer_that_talks() {
    let plan = Plan {
        sends: &|now| now % 5_000_000 < 1_500_000,
        answers: 100_000,
        every: 10_000,
        ..Plan::default()
    };
    for end in [CLIENT, SERVER] {
        found_first(&plan, end, Kind::Idle);
    }
}

/// Without a loss it was not told from a program with that much to send.
#[test]
fn a_small_send_window_was_not_seen_where_nothing_is_lost() {
    let clean = plants::lossy(0.0);
    let small = Plan {
        windows: [(10, 256), (256, 256)],
        links: [clean, clean],
        every: 0,
        ..Plan::default()
    };
    found_first(&small, CLIENT, Kind::OwnWindow);
    // As much is in flight here, but never twice the same.
    let large = Plan {
        windows: [(256, 256), (256, 256)],
        every: 6_000,
        ..small
    };
    let found = kinds(&findings(&large, CLIENT));
    assert!(!found.contains(&Kind::OwnWindow), "{found:?}");
}

/// Small messages at one pace kept nearly as many in flight all the time, on long ways that delay some; but seldom as many as at most.
#[test]
fn a_steady_program_was_held_by_a_window() {
    for delay in [100_000, 280_000] {
        let long = Config {
            delay,
            jitter: 40_000,
            ..plants::lossy(0.0)
        };
        let plan = Plan {
            size: 60,
            every: 15_000,
            links: [long, long],
            ..Plan::default()
        };
        for end in [CLIENT, SERVER] {
            let found = kinds(&findings(&plan, end));
            assert!(!found.contains(&Kind::OwnWindow), "end {end}: {found:?}");
        }
    }
}

/// Its stamps stood still from one update to the next while it flushed at once, so an even stream looked like bursts that a link spreads.
#[test]
fn stamps_of_rare_updates_are_no_bursts() {
    let clean = plants::lossy(0.0);
    let plan = Plan {
        modes: ["turbo+100ms+flush", "turbo+flush"],
        links: [clean, clean],
        every: 3_000,
        ..Plan::default()
    };
    for end in [CLIENT, SERVER] {
        let found = kinds(&findings(&plan, end));
        assert!(!found.contains(&Kind::Bandwidth), "end {end}: {found:?}");
    }
}

/// A queue so long that nothing is dropped was full from the first packet on, and one so short that round trips hardly grow.
#[test]
fn queues_of_any_length_show() {
    for (queue, window) in [(2_000_000, 256), (60_000, 512)] {
        let slow = Config {
            bandwidth: Some(3_000_000),
            queue,
            ..plants::LINK
        };
        let plan = Plan {
            links: [slow, plants::LINK],
            windows: [(window, window); 2],
            size: 1_300,
            every: 0,
            ..Plan::default()
        };
        for end in [CLIENT, SERVER] {
            let found = kinds(&findings(&plan, end));
            let first = &found[..found.len().min(2)];
            assert!(
                first.contains(&Kind::Bandwidth),
                "{queue}, end {end}: {found:?}"
            );
        }
    }
}

/// One sends again what was skipped twice, the other what its timer tells to. Packets are lost one by one, of messages that come at a
/// steady pace: the receiver sees the same packets at the same times, so no rule can tell it which of the two it was.
#[test]
fn a_receiver_sees_the_same_after_timers_and_after_skips() {
    let clean = Config {
        jitter: 0,
        ..plants::lossy(0.0)
    };
    let plan = |mode: &'static str| Plan {
        modes: [mode, "1,10,2,1"],
        links: [clean, clean],
        every: 10_000,
        drops: &|now, side, _| side == CLIENT && now > 2_000_000 && now % 1_000_000 < 10_000,
        ..Plan::default()
    };
    let [skips, timers] = ["1,10,2,1,200", "1,10,0,1,90"].map(|mode| plants::play(&plan(mode), 1));
    for (played, trigger) in [(&skips, Trigger::Skip), (&timers, Trigger::Timeout)] {
        let resent = matrix::resent(&played.trace);
        assert!(resent.len() > 10 && resent.iter().all(|one| one.trigger == trigger));
    }
    let captures = [&skips, &timers].map(|played| plants::file(&played.seen[SERVER]));
    assert!(captures[0] == captures[1]);
    let resends = &examine(&captures[0]).conversations[0].resends[0];
    assert!(resends.iter().all(|one| one.unsure), "{resends:?}");
}

/// Acknowledgements of what was sent again were lost as well, so nothing told that it had arrived before, and it was called lost. The
/// receiver did not say that anything was wrong where it sent something of its own, too.
#[test]
fn bursts_that_lose_acknowledgements_were_called_loss() {
    let burst = Config {
        loss: Loss::Burst {
            share: 0.2,
            length: 200_000,
        },
        ..plants::LINK
    };
    let plan = Plan {
        links: [plants::lossy(0.05), burst],
        every: 30_000,
        answers: 100_000,
        ..Plan::default()
    };
    let played = plants::play(&plan, 1);
    let resent = matrix::resent(&played.trace);
    for end in [CLIENT, SERVER] {
        let judged = first(examine(&plants::file(&played.seen[end])));
        let found = kinds(&judged.findings);
        assert!(found.contains(&Kind::AckLoss), "end {end}: {found:?}");
        let score = matrix::score(&resent, &judged, end, None);
        assert!(score.class * 100 >= score.all * 90, "end {end}: {score:?}");
    }
}

/// What passes an end, changed before it is written.
fn examined(plan: &Plan, end: usize, change: impl Fn(&mut Passing)) -> Diagnosis {
    let mut seen = plants::run(plan, 1, end);
    seen.iter_mut().for_each(change);
    seen.sort_by_key(|one| one.at);
    examine(&plants::file(&seen))
}

/// Settings were advised against it, and a smaller mtu, since nothing as large had arrived.
#[test]
fn an_outage_was_called_loss() {
    let plan = Plan {
        answers: 40_000,
        drops: &|now, _, _| (8_000_000..12_000_000).contains(&now),
        ..Plan::default()
    };
    for end in [CLIENT, SERVER] {
        let found = findings(&plan, end);
        let cut = cost(&found, Kind::Outage).unwrap();
        assert!((3_900..5_500).contains(&cut), "end {end}: {cut} ms");
        assert!(found[0].what.contains("in either direction"), "{found:?}");
        let others = kinds(&found);
        let wrong = [Kind::Loss, Kind::BurstLoss, Kind::AckLoss, Kind::Mtu];
        let of_it = |one: &Finding| wrong.contains(&one.kind) && one.cost > 2_000_000;
        assert!(!found.iter().any(of_it), "end {end}: {others:?}");
    }
}

/// Of twenty conversations the sick one was told where its number of packets put it.
#[test]
fn a_sick_conversation_came_after_those_with_more_packets() {
    let well = Plan::default();
    let sick = Plan {
        length: well.length / 2,
        drops: &|now, _, _| (2_000_000..6_000_000).contains(&now),
        ..Plan::default()
    };
    let mut seen = plants::run(&well, 1, CLIENT);
    let well_conv = u32::from_le_bytes(seen[0].packet[..4].try_into().unwrap());
    for mut one in plants::run(&sick, 2, CLIENT) {
        one.packet[..4].copy_from_slice(&9u32.to_le_bytes());
        seen.push(one);
    }
    seen.sort_by_key(|one| one.at);
    let diagnosis = examine(&plants::file(&seen));
    let convs = diagnosis.conversations.iter().map(|one| one.found.conv);
    assert_eq!(convs.collect::<Vec<_>>(), [9, well_conv]);
}

/// Nothing of it came there, so that only the numbers told, and all was said to be lost in bursts.
#[test]
fn an_outage_before_the_receiver_was_called_burst_loss() {
    let plan = Plan {
        drops: &|now, _, _| (8_000_000..12_000_000).contains(&now),
        ..Plan::default()
    };
    let found = findings(&plan, SERVER);
    assert_eq!(found[0].kind, Kind::Outage, "{found:?}");
    assert!(found[0].what.contains("its numbers went on"), "{found:?}");
    let wrong = |one: &Finding| one.kind == Kind::BurstLoss;
    assert!(!found.iter().any(wrong), "{found:?}");
}

#[test]
fn a_way_that_was_cut_is_told_from_both() {
    let words = [
        (CLIENT, CLIENT, "the way there was cut"),
        (SERVER, CLIENT, "the way back was cut"),
    ];
    for (cut, end, words) in words {
        let drops =
            move |now, side, _: &[u8]| side == cut && (8_000_000..11_000_000).contains(&now);
        let plan = Plan {
            answers: 40_000,
            drops: Box::leak(Box::new(drops)),
            ..Plan::default()
        };
        let found = findings(&plan, end);
        assert_eq!(found[0].kind, Kind::Outage, "{found:?}");
        assert!(found[0].what.contains(words), "{found:?}");
    }
}

/// As much more is in flight then as round trips are longer, so that a queue seemed to grow with it. From the other end the sender's clock
/// seemed to be set.
#[test]
fn a_longer_way_was_called_a_queue_or_a_clock() {
    let plan = Plan {
        answers: 40_000,
        links: [plants::lossy(0.0), plants::lossy(0.0)],
        ..Plan::default()
    };
    for (end, from) in [(CLIENT, SERVER), (SERVER, CLIENT)] {
        let later = |one: &mut Passing| {
            one.at += if one.side == from && one.at > 9_000_000 {
                300_000
            } else {
                0
            };
        };
        let found = kinds(&first(examined(&plan, end, later)).findings);
        assert_eq!(
            found.first(),
            Some(&Kind::LongerWay),
            "end {end}: {found:?}"
        );
        let wrong = [Kind::Bandwidth, Kind::ClockJump];
        assert!(
            !found.iter().any(|kind| wrong.contains(kind)),
            "end {end}: {found:?}"
        );
    }
}

/// Twelve messages at once, four times a second: never more were in flight, since there were no more.
#[test]
fn messages_that_come_together_were_called_a_send_window() {
    let plan = Plan {
        size: 1_000,
        every: 400,
        sends: &|now| now % 250_000 < 5_000,
        links: [plants::lossy(0.02), plants::LINK],
        ..Plan::default()
    };
    for end in [CLIENT, SERVER] {
        let found = kinds(&findings(&plan, end));
        assert!(!found.contains(&Kind::OwnWindow), "end {end}: {found:?}");
    }
}

#[test]
fn another_port_of_a_nat_was_called_a_second_sender() {
    let plan = Plan {
        answers: 40_000,
        ..Plan::default()
    };
    let diagnosis = examined(&plan, SERVER, |one| {
        one.port += if one.at > 9_000_000 { 77 } else { 0 };
    });
    let [judged] = &diagnosis.conversations[..] else {
        panic!("{} conversations", diagnosis.conversations.len());
    };
    let found = kinds(&judged.findings);
    assert!(!found.contains(&Kind::TwoSenders), "{found:?}");
    let [(_, from, to)] = judged.found.moves[..] else {
        panic!("{:?}", judged.found.moves);
    };
    assert_eq!((from.port(), to.port()), (PORTS[0], PORTS[0] + 77));
}

/// Nothing came back at first, so the first segments were sent again long after they had arrived.
#[test]
fn first_segments_that_came_again_were_called_a_restart() {
    let plan = Plan {
        drops: &|now, side, _| side == SERVER && now < 3_000_000,
        ..Plan::default()
    };
    let found = kinds(&findings(&plan, SERVER));
    assert!(!found.contains(&Kind::SenderRestarted), "{found:?}");
}

/// Most that were skipped twice were so before the next flush, which then seemed to follow the first skip.
#[test]
fn two_skips_before_a_flush_were_taken_for_one() {
    let plan = Plan {
        size: 1_300,
        every: 0,
        length: 6_000_000,
        links: [plants::lossy(0.02), plants::LINK],
        ..Plan::default()
    };
    let diagnosis = examine(&plants::capture(&plan, 1, CLIENT));
    let settings = &diagnosis.conversations[0].settings[CLIENT];
    assert_eq!(settings.fast_resend, FastResend::After(2));
}

/// Each end put a header of its own length before its packets, and those of one end were left out: it seemed to answer nothing.
#[test]
fn an_end_with_another_header_was_called_silent() {
    let plan = Plan {
        answers: 40_000,
        ..Plan::default()
    };
    let diagnosis = examined(&plan, CLIENT, |one| {
        let header = if one.side == CLIENT { 2 } else { 5 };
        one.packet.splice(0..0, vec![7; header]);
    });
    let judged = &diagnosis.conversations[0];
    assert_eq!(judged.found.framing.map(|one| one.before), [2, 5]);
    let found = kinds(&judged.findings);
    assert!(!found.contains(&Kind::NoAnswer), "{found:?}");
    assert_eq!(judged.found.strange, 0);
}

/// The same capture with no more than so many bytes of each frame.
fn shortened(whole: &[u8], most: u32) -> Vec<u8> {
    let mut short = whole[..24].to_vec();
    let mut at = 24;
    while at < whole.len() {
        let length = u32::from_le_bytes(whole[at + 8..at + 12].try_into().unwrap());
        let kept = length.min(most);
        short.extend_from_slice(&whole[at..at + 8]);
        short.extend_from_slice(&kept.to_le_bytes());
        short.extend_from_slice(&whole[at + 12..at + 16]);
        short.extend_from_slice(&whole[at + 16..at + 16 + kept as usize]);
        at += 16 + length as usize;
    }
    short
}

/// Of a capture with `-s 60` nothing shows but the beginning of KCP's first header, and nothing said why nothing was found.
#[test]
fn a_capture_that_ends_in_the_first_header_was_called_another_protocol_only() {
    let mut seen = plants::run(&Plan::default(), 1, CLIENT);
    seen.truncate(100);
    let short = shortened(&plants::file(&seen), 60);
    assert_eq!(examine(&short).beside.cut_in_header, 100);
}

/// tcpdump lost some packets. They were taken for lost on the way to the capture, which so seemed to be far from the sender.
#[test]
fn packets_that_the_capture_lacks_were_called_lost() {
    let plan = Plan {
        answers: 40_000,
        ..Plan::default()
    };
    let mut seen = plants::run(&plan, 1, CLIENT);
    let mut count = 0;
    seen.retain(|_| {
        count += 1;
        count % 25 != 0
    });
    let diagnosis = examine(&plants::file(&seen));
    let judged = &diagnosis.conversations[0];
    let sender = &judged.found.conversation.senders[CLIENT];
    assert!(sender.is_near());
    assert!(sender.uncaptured > 20, "{}", sender.uncaptured);
    let found = &judged.findings;
    let lost = |one: &Finding| (one.kind, one.side) == (Kind::AckLoss, CLIENT);
    assert!(!found.iter().any(lost), "{found:?}");
    let whole = examine(&plants::capture(&plan, 1, CLIENT));
    let senders = &whole.conversations[0].found.conversation.senders;
    assert_eq!(senders.each_ref().map(|one| one.uncaptured), [0, 0]);
}

/// Of what was lost behind it, it lacked some, and so had only what was sent again: later than other numbers.
#[test]
fn a_capture_that_lacks_many_packets_was_taken_for_one_far_away() {
    for (delay, kept_of, end) in [
        (23_000, 10, CLIENT),
        (28_000, 4, CLIENT),
        (23_000, 10, SERVER),
    ] {
        let plan = Plan {
            answers: 20_000,
            every: 20_000,
            links: [Config {
                delay,
                jitter: 4_000,
                ..plants::LINK
            }; 2],
            ..Plan::default()
        };
        let mut seen = plants::run(&plan, 1, end);
        let mut count = 0;
        seen.retain(|_| {
            count += 1;
            count % kept_of != 0
        });
        let judged = first(examine(&plants::file(&seen)));
        let near = judged.found.conversation.senders[CLIENT].is_near();
        assert_eq!(near, end == CLIENT, "{delay} {kept_of}");
    }
}

/// The window was full of what never arrived before the smaller ones were sent that it had room for, so nothing was heard after that.
#[test]
fn packets_that_are_too_large_were_called_a_silent_peer() {
    for (size, every) in [(3_000, 0), (1_800, 30_000)] {
        let plan = Plan {
            size,
            every,
            drops: &|_, side, packet| side == CLIENT && packet.len() > 1_200,
            ..Plan::default()
        };
        let found = found_first(&plan, CLIENT, Kind::Mtu);
        let wrong = [Kind::PeerSilent, Kind::PeerWindow, Kind::Bandwidth];
        assert!(!found.iter().any(|one| wrong.contains(one)), "{found:?}");
    }
}

/// They were lost on the way to the receiver's capture, where only their numbers are missing.
#[test]
fn packets_that_are_too_large_were_not_told_where_they_never_came() {
    let plan = Plan {
        links: [plants::lossy(0.02), plants::lossy(0.02)],
        drops: &|_, side, packet| side == CLIENT && packet.len() > 1_200,
        size: 100,
        large: 1_300,
        every: 20_000,
        ..Plan::default()
    };
    found_first(&plan, SERVER, Kind::Mtu);
}

/// What was sent while the receiver's machine stood still waited long for its timers after that, and never came in the capture.
#[test]
fn an_outage_was_called_packets_that_are_too_large() {
    let plan = Plan {
        drops: &|now, _, _| (5_000_000..12_500_000).contains(&now),
        modes: ["0,10,2,1"; 2],
        length: 18_000_000,
        ..Plan::default()
    };
    let found = kinds(&findings(&plan, SERVER));
    assert!(!found.contains(&Kind::Mtu), "{found:?}");
    assert!(found.contains(&Kind::Outage), "{found:?}");
}

/// The capture ended before the lost segment came again, which takes longer than a round trip of a second.
#[test]
fn a_loss_on_a_long_path_was_called_packets_that_are_too_large() {
    for (mode, length, seed) in [("turbo", 6_925_000, 25), ("0,10,0,1", 6_185_000, 5)] {
        let link = Config {
            delay: 500_000,
            ..plants::lossy(0.02)
        };
        let plan = Plan {
            links: [link, link],
            modes: [mode, "turbo"],
            answers: 50_000,
            length,
            ..Plan::default()
        };
        let found = first(examine(&plants::capture(&plan, seed, SERVER))).findings;
        assert!(!kinds(&found).contains(&Kind::Mtu), "{found:?}");
    }
}

/// Round trips grow to seconds in a queue, and what is sent again shares packets, which are then larger than the first ones.
#[test]
fn what_was_in_a_queue_when_the_capture_ended_was_called_lost_and_too_large() {
    let link = Config {
        bandwidth: Some(60_000),
        queue: 1 << 26,
        ..plants::lossy(0.0)
    };
    let plan = Plan {
        links: [link, plants::lossy(0.0)],
        windows: [(1_024, 1_024); 2],
        size: 100,
        every: 8_000,
        length: 12_000_000,
        ..Plan::default()
    };
    let judged = first(examine(&plants::capture(&plan, 1, CLIENT)));
    let found = kinds(&judged.findings);
    assert!(!found.contains(&Kind::Mtu), "{found:?}");
    let resends = &judged.resends[CLIENT];
    let lost = resends.iter().filter(|one| one.need == Need::Lost).count();
    assert!(
        resends.len() > 500 && lost == 0,
        "{lost} of {}",
        resends.len()
    );
}

/// Only large packets were sent, of which none arrived, and the path was not among what may be the matter.
#[test]
fn a_path_that_drops_all_packets_was_not_named() {
    let advice = |size| {
        let plan = Plan {
            size,
            every: 100_000,
            drops: &|_, side, _| side == CLIENT,
            ..Plan::default()
        };
        let all = findings(&plan, CLIENT);
        let found = all.into_iter().find(|one| one.kind == Kind::NoAnswer);
        found.expect("no answer").change
    };
    assert!(advice(1_300).starts_with("a smaller mtu"));
    assert!(advice(300).starts_with("the same conv"));
}

/// Now and then the peer updated each 200 ms only, and a radio stood still, so that more was in flight then.
#[test]
fn what_was_held_up_at_once_was_called_a_queue() {
    let near = Config {
        delay: 5_000,
        jitter: 4_000,
        ..plants::lossy(0.0)
    };
    let plan = Plan {
        modes: ["turbo+flush", "turbo"],
        links: [near, near],
        every: 10_000,
        ..Plan::default()
    };
    let rarely = Plan {
        peer_clock: Some(&|now| {
            let slow = now % 5_000_000 < 1_600_000;
            millis(10_000_000 + if slow { now - now % 200_000 } else { now })
        }),
        ..plan
    };
    let held = examined(&plan, CLIENT, |one| {
        let since = one.at % 4_000_000;
        if one.side == SERVER && since < 300_000 {
            one.at += 300_000 - since;
        }
    });
    for all in [findings(&rarely, CLIENT), first(held).findings] {
        let found = kinds(&all);
        assert_eq!(found.first(), Some(&Kind::HeldUp), "{found:?}");
        assert!(!found.contains(&Kind::Bandwidth), "{found:?}");
    }
}

/// Larger windows were advised, which would have had more dropped.
#[test]
fn what_a_policer_drops_was_called_a_window() {
    for end in [CLIENT, SERVER] {
        let plan = Plan {
            windows: [(512, 512); 2],
            size: 1_300,
            every: 0,
            drops: plants::policer(500_000, 30_000),
            ..Plan::default()
        };
        let found = findings(&plan, end);
        assert!(found[0].what.contains("a policer"), "end {end}: {found:?}");
        assert!(found[0].change.starts_with("send less"), "end {end}");
        let window = |kind: &Kind| matches!(kind, Kind::OwnWindow | Kind::PeerWindow);
        assert!(!kinds(&found).iter().any(window), "end {end}: {found:?}");
    }
}

/// What was advised against loss was set already.
#[test]
fn settings_that_are_set_were_advised() {
    for (mode, set) in [("turbo", true), ("0,40,0,1", false)] {
        let plan = Plan {
            modes: [mode, "turbo"],
            every: 5_000,
            links: [plants::lossy(0.05), plants::LINK],
            ..Plan::default()
        };
        let found = findings(&plan, CLIENT);
        let loss = found.iter().find(|one| one.kind == Kind::Loss).unwrap();
        for words in ["nodelay 1", "interval 10"] {
            assert_eq!(!loss.change.contains(words), set, "{mode}: {}", loss.change);
        }
    }
}

/// Behind a channel and a cookie, as kcp2k has them. The other channel has no KCP in it.
fn with_channel(one: &mut Passing, channel: u8) {
    one.packet.splice(0..0, [channel, 0x42, 0xb4, 0x66, 0x80]);
}

/// What passes this end behind such a header, and before each packet so many datagrams of the other channel.
fn beside_others(plan: &Plan, end: usize, others: u64) -> Vec<Passing> {
    let mut all = Vec::new();
    for mut one in plants::run(plan, 1, end) {
        for number in 1..=others {
            let mut other = one.clone();
            other.at = one.at.saturating_sub(number);
            other.packet = vec![0x37; 126];
            with_channel(&mut other, 2);
            all.push(other);
        }
        with_channel(&mut one, 1);
        all.push(one);
    }
    all.sort_by_key(|one| one.at);
    all
}

/// A game that sends most of its datagrams without KCP was called another protocol.
#[test]
fn rare_packets_of_kcp_beside_many_others_were_not_found() {
    let plan = Plan {
        every: 200_000,
        answers: 200_000,
        ..Plan::default()
    };
    for end in [CLIENT, SERVER] {
        let seen = beside_others(&plan, end, 9);
        let packets = seen.iter().filter(|one| one.packet[0] == 1).count() as u64;
        let diagnosis = examine(&plants::file(&seen));
        let [judged] = &diagnosis.conversations[..] else {
            panic!("{} conversations", diagnosis.conversations.len());
        };
        assert_eq!(judged.found.framing.map(|one| one.before), [5, 5]);
        assert_eq!(
            judged.found.conversation.packets.iter().sum::<u64>(),
            packets
        );
        assert_eq!(judged.found.strange, 9 * packets);
        // Without acknowledgements these bytes may have any meaning.
        let pushes = |one: &Passing| one.side == CLIENT || one.packet[0] == 2;
        let one_way: Vec<Passing> = seen.into_iter().filter(pushes).collect();
        let diagnosis = examine(&plants::file(&one_way));
        assert!(diagnosis.conversations.is_empty());
    }
}

/// A peer that went on to send datagrams without KCP was called gone, or its way back cut.
#[test]
fn a_peer_that_is_heard_without_kcp_was_called_gone() {
    const LEFT: u64 = 15_000_000;
    let plan = Plan {
        drops: &|now, side, _| side == SERVER && now > LEFT,
        ..Plan::default()
    };
    for (until, open) in [(LEFT, false), (u64::MAX, true)] {
        let mut seen = beside_others(&plan, CLIENT, 1);
        seen.retain(|one| one.packet[0] == 1 || one.at < until);
        // What it sends without KCP comes through.
        for one in seen.iter_mut().filter(|one| one.packet[0] == 2) {
            one.side = SERVER;
        }
        let found = first(examine(&plants::file(&seen))).findings;
        let silent = found.iter().find(|one| one.kind == Kind::PeerSilent);
        let silent = silent.expect("a silent peer");
        assert_eq!(
            silent.change.contains("the way back is open"),
            open,
            "{silent:?}"
        );
    }
}

/// The client's program ended, and the server sent on for a second and a half: all of that was called lost in bursts.
#[test]
fn what_was_sent_to_a_peer_that_had_left_was_called_lost() {
    const LEFT: u64 = 18_500_000;
    let plan = Plan {
        links: [plants::lossy(0.0); 2],
        drops: &|now, _, _| now > LEFT,
        every: 5_000,
        ..Plan::default()
    };
    for end in [CLIENT, SERVER] {
        let found = kinds(&findings(&plan, end));
        let wrong = [Kind::Loss, Kind::BurstLoss, Kind::LeastTimeout];
        assert!(
            !found.iter().any(|kind| wrong.contains(kind)),
            "end {end}: {found:?}"
        );
    }
}

/// A segment that passes at `at` ms, of this side, with the stamp `ts`.
#[derive(Clone, Copy)]
struct Seen {
    at: u32,
    side: usize,
    command: u8,
    sn: u32,
    ts: u32,
}

/// The capture of these. Each side's `una` is the first number that it has not acknowledged.
fn written(mut all: Vec<Seen>) -> Vec<u8> {
    all.sort_by_key(|one| one.at);
    let mut acked: [BTreeSet<u32>; 2] = Default::default();
    let packets = all.iter().map(|one| {
        let length = if one.command == COMMAND_PUSH { 100 } else { 0 };
        let acked = &mut acked[one.side];
        if one.command == COMMAND_ACK {
            acked.insert(one.sn);
        }
        let una = (0..).find(|sn| !acked.contains(sn)).unwrap_or(0);
        let kind = 256 << 16 | u32::from(one.command);
        let words = [7, kind, one.ts, one.sn, una, length];
        let mut packet = words.map(u32::to_le_bytes).concat();
        packet.resize(packet.len() + length as usize, 1);
        Passing {
            at: u64::from(one.at) * 1_000,
            side: one.side,
            port: PORTS[0],
            packet,
        }
    });
    plants::file(&packets.collect::<Vec<Passing>>())
}

/// A segment of the client, and the acknowledgement that passes so much later, if one does.
fn sending(sn: u32, at: u32, back: Option<u32>) -> impl Iterator<Item = Seen> {
    let push = Seen {
        at,
        side: CLIENT,
        command: COMMAND_PUSH,
        sn,
        ts: at,
    };
    let ack = back.map(|back| Seen {
        at: at + back,
        side: SERVER,
        command: COMMAND_ACK,
        ..push
    });
    [Some(push), ack].into_iter().flatten()
}

/// A window is sent within 8 ms and acknowledged at once, a round trip later. That became longer.
#[test]
fn round_trips_of_a_window_that_grew_were_called_held_up() {
    let rounds = (0..200)
        .map(|round| (20 * round, 20))
        .chain((0..20).map(|round| (4_000 + 200 * round, 200)));
    let segments = rounds.flat_map(|(at, trip)| (0..8).map(move |one| (at + one, trip - one)));
    let all = (0..).zip(segments);
    let all = all.flat_map(|(sn, (at, back))| sending(sn, at, Some(back)));
    let found = kinds(&first(examine(&written(all.collect()))).findings);
    assert!(!found.contains(&Kind::HeldUp), "{found:?}");
}

/// Its clock moves at ikcp_update only, and it flushes after each packet that comes. A network that makes copies makes them of all.
#[test]
fn segments_sent_again_twice_with_one_stamp_were_called_copies() {
    for (network, expected) in [(false, 40), (true, 20)] {
        let mut all = Vec::new();
        for sn in 0..200 {
            let (at, lost) = (50 * sn, sn % 10 == 5);
            all.extend(sending(sn, at, Some(40).filter(|_| !lost)));
            let again = sending(sn, at + 100, Some(40)).filter(|_| lost);
            let twice = again.flat_map(|one| {
                [
                    one,
                    Seen {
                        at: one.at + 1,
                        ..one
                    },
                ]
            });
            all.extend(twice);
            if network && !lost {
                all.extend(sending(sn, at, Some(40)).map(|one| Seen {
                    at: one.at + 1,
                    ..one
                }));
            }
        }
        let judged = first(examine(&written(all)));
        assert_eq!(judged.resends[CLIENT].len(), expected);
        assert!(!kinds(&judged.findings).contains(&Kind::TwoSenders));
    }
}

/// A program sends each 20 ms, and four resends happen to be at that pace, each three times with one stamp.
#[test]
fn resends_with_one_stamp_were_counted_as_rare_flushes() {
    let mut all = Vec::new();
    for sn in 0..200 {
        let at = 20 * sn;
        let lost = [20, 60, 100, 140].contains(&sn);
        all.extend(sending(sn, at, Some(30).filter(|_| !lost)));
        let wait = if sn < 80 { 40 } else { 60 };
        let again = sending(sn, at + wait, Some(30)).filter(|_| lost);
        let thrice = again.flat_map(|one| (0..3).map(move |more| (one, more)));
        all.extend(thrice.map(|(one, more)| Seen {
            at: one.at + more,
            ..one
        }));
    }
    let judged = first(examine(&written(all)));
    assert_eq!(judged.resends[CLIENT].len(), 12);
    let found = kinds(&judged.findings);
    assert!(!found.contains(&Kind::LateFlush), "{found:?}");
}

/// What passes an end while both send something every 33 ms: segment and acknowledgement. Of the client's segments, every third is sent
/// again 62 ms later, when its acknowledgement is almost there, or there and not read yet.
fn timers_just_short(end: usize) -> Vec<u8> {
    const WAIT: u32 = 62;
    let mut all = Vec::new();
    for sn in 0..300 {
        let ts = 33 * sn;
        // When the segment passes, how long its acknowledgement takes, and the same of the server's.
        let [(there, back), (from, answered)] = match end {
            CLIENT => [(0, 61), (32, 10)],
            _ => [(27, 10), (5, 64)],
        };
        let mut pair = |side: usize, at: u32, ts: u32, back: u32| {
            let push = Seen {
                at,
                side,
                command: COMMAND_PUSH,
                sn,
                ts,
            };
            let ack = Seen {
                at: at + back,
                side: 1 - side,
                command: COMMAND_ACK,
                ..push
            };
            all.extend([push, ack]);
        };
        pair(CLIENT, ts + there, ts, back);
        pair(SERVER, ts + from, ts + 5, answered);
        if sn % 3 == 0 {
            pair(CLIENT, ts + WAIT + there, ts + WAIT, back);
        }
    }
    written(all)
}

/// Games whose acknowledgements wait for two ticks, with timers as long as the usual round trip: nothing was lost.
#[test]
fn timers_just_short_of_the_round_trip_were_called_loss_of_acknowledgements() {
    for end in [CLIENT, SERVER] {
        let judged = first(examine(&timers_just_short(end)));
        assert_eq!(judged.resends[CLIENT].len(), 100, "end {end}");
        let found = kinds(&judged.findings);
        assert!(!found.contains(&Kind::AckLoss), "end {end}: {found:?}");
    }
}

/// An acknowledgement that came just before the flush, and was not read yet, was called lost.
#[test]
fn acknowledgements_that_were_not_read_yet_were_called_lost() {
    let judged = first(examine(&timers_just_short(CLIENT)));
    let lost = judged.resends[CLIENT].iter();
    assert_eq!(lost.filter(|one| one.need != Need::Underway).count(), 0);
}

/// Nothing was lost before it came there. What was sent again, although word of it had passed, was blamed on lost acknowledgements and on
/// long timers.
#[test]
fn a_capture_between_the_ends_was_taken_for_the_senders_own() {
    let mut all = Vec::new();
    for sn in 0..300 {
        let ts = 40 * sn;
        all.extend(sending(sn, ts, Some(60)));
        if sn % 5 == 0 {
            // That word comes 10 ms later.
            all.extend(sending(sn, ts + 110, Some(60)));
        }
    }
    let judged = first(examine(&written(all)));
    let sender = &judged.found.conversation.senders[CLIENT];
    assert_eq!((sender.lag(), sender.lag_known), (50_000, false));
    let found = kinds(&judged.findings);
    assert!(!found.contains(&Kind::LeastTimeout), "{found:?}");
}

/// For two seconds a queue on the way was full, and half of what was sent was dropped. As many losses at any time are no queue.
#[test]
fn what_a_full_queue_dropped_was_called_loss() {
    for full in [true, false] {
        let mut all = Vec::new();
        for sn in 0..500 {
            let ts = 20 * sn;
            let is_slow = |at: u32| (6_000..8_400).contains(&at);
            let trip = |at: u32| if is_slow(at) { 260 } else { 60 };
            let is_lost = if full {
                is_slow(ts) && sn % 2 == 1
            } else {
                sn % 8 == 5
            };
            all.extend(sending(sn, ts, (!is_lost).then_some(trip(ts))));
            if is_lost {
                all.extend(sending(sn, ts + 400, Some(trip(ts + 400))));
            }
        }
        let judged = first(examine(&written(all)));
        assert!(judged.resends[CLIENT].len() >= 60);
        let found = kinds(&judged.findings);
        let named = found[..2].contains(&Kind::Bandwidth);
        assert_eq!(named, full, "{found:?}");
    }
}

/// Senders that count acknowledgements of what was sent before a resend, such as kcp2k, send what was lost twice again, and nothing
/// overtook anything.
#[test]
fn what_was_lost_and_sent_twice_again_was_called_reordering() {
    const TRIP: u32 = 60;
    let mut all = Vec::new();
    for sn in 0..1_000 {
        let ts = 5 * sn;
        let is_lost = sn % 40 == 20;
        all.extend(sending(sn, ts, (!is_lost).then_some(TRIP)));
        if is_lost {
            // Two later ones were acknowledged, and then two more.
            all.extend(sending(sn, ts + TRIP + 12, Some(TRIP)));
            all.extend(sending(sn, ts + TRIP + 22, Some(TRIP)));
        }
    }
    let judged = first(examine(&written(all)));
    assert_eq!(judged.resends[CLIENT].len(), 50);
    let found = kinds(&judged.findings);
    assert!(!found.contains(&Kind::Reordering), "{found:?}");
}

/// What the receiver's socket had no room for was called lost on the way, although it had come to the capture at the receiver.
#[test]
fn packets_that_a_full_socket_dropped_were_called_lost_on_the_way() {
    for arrives in [true, false] {
        let mut all = Vec::new();
        for sn in 0..1_000 {
            let ts = 5 * sn;
            let is_lost = sn % 50 > 45;
            if is_lost {
                all.extend(sending(sn, ts, None).filter(|_| arrives));
                all.extend(sending(sn, ts + 120, Some(2)));
            } else {
                all.extend(sending(sn, ts, Some(2)));
            }
        }
        let found = first(examine(&written(all))).findings;
        let lost = [Kind::Loss, Kind::BurstLoss];
        let lost = found.iter().find(|one| lost.contains(&one.kind));
        let lost = lost.expect("losses");
        assert_eq!(
            lost.what.contains("as far as this capture"),
            arrives,
            "{lost:?}"
        );
        assert_eq!(lost.change.contains("SO_RCVBUF"), arrives, "{lost:?}");
    }
}

/// In an outage timers grow, and the least timeout was blamed for that before the outage was.
#[test]
fn timers_that_grew_in_an_outage_were_called_too_long() {
    let plan = Plan {
        modes: ["0,10,2,1", "turbo"],
        every: 33_000,
        answers: 33_000,
        links: [plants::lossy(0.02), plants::LINK],
        drops: &|now, _, _| (8_000_000..12_000_000).contains(&now),
        ..Plan::default()
    };
    found_first(&plan, CLIENT, Kind::Outage);
}

/// What a program writes at once was in flight until it had been acknowledged, and no more, since the program wrote no more.
#[test]
fn chunks_that_a_program_writes_were_called_a_send_window() {
    for (size, every) in [(16_384, 44_000), (8_192, 97_000), (16_384, 110_000)] {
        let near = Config {
            delay: 12_000,
            jitter: 1_000,
            ..plants::lossy(0.0)
        };
        let plan = Plan {
            size,
            every,
            links: [near, near],
            ..Plan::default()
        };
        for end in [CLIENT, SERVER] {
            let found = kinds(&findings(&plan, end));
            assert_eq!(found, [], "{size} each {every}, end {end}");
        }
    }
}

/// Nothing else was sent again, and the window had no loss to show itself.
#[test]
fn a_small_send_window_was_not_seen_from_the_receiver_where_nothing_is_lost() {
    let clean = plants::lossy(0.0);
    let plan = Plan {
        windows: [(10, 256), (256, 256)],
        links: [clean, clean],
        answers: 200_000,
        every: 0,
        ..Plan::default()
    };
    found_first(&plan, SERVER, Kind::OwnWindow);
}

/// Three messages together each 93 ms, while acknowledgements leave at any time, or each 92 ms, where there are none.
#[test]
fn messages_that_come_together_were_called_rare_flushes() {
    let clean = plants::lossy(0.0);
    for (answers, end) in [
        (120_000, CLIENT),
        (120_000, SERVER),
        (0, CLIENT),
        (0, SERVER),
    ] {
        let plan = Plan {
            size: 200,
            every: 400,
            sends: match answers {
                0 => &|now| now % 92_000 < 1_000,
                _ => &|now| now % 93_000 < 1_000,
            },
            answers,
            links: [clean, clean],
            ..Plan::default()
        };
        let found = kinds(&findings(&plan, end));
        assert!(
            !found.contains(&Kind::LateFlush),
            "{answers}, end {end}: {found:?}"
        );
    }
}

/// All that it allows was acknowledged before the next flush but one, so that only each second flush sent something.
#[test]
fn a_window_that_empties_was_called_rare_flushes() {
    let near = Config {
        delay: 5_000,
        jitter: 1_000,
        ..plants::lossy(0.0)
    };
    let plan = Plan {
        size: 1_000,
        every: 0,
        windows: [(9, 256), (256, 256)],
        links: [near, near],
        ..Plan::default()
    };
    let found = found_first(&plan, CLIENT, Kind::OwnWindow);
    assert!(!found.contains(&Kind::LateFlush), "{found:?}");
}

/// Each frame of a video left at once, and was smaller than the window that the model had then.
#[test]
fn frames_of_a_video_were_called_a_congestion_window() {
    let near = Config {
        delay: 5_000,
        jitter: 2_000,
        ..plants::lossy(0.01)
    };
    let plan = Plan {
        modes: ["1,10,2,1", "1,10,2,1"],
        mtu: 512,
        size: 2_402,
        every: 64_000,
        links: [near, near],
        length: 30_000_000,
        ..Plan::default()
    };
    let found = kinds(&findings(&plan, CLIENT));
    assert!(!found.contains(&Kind::CongestionWindow), "{found:?}");
}

/// Senders that flush after each packet that comes send a segment again twice in a millisecond, each time with another `una`.
#[test]
fn a_segment_sent_again_twice_at_once_was_called_two_senders() {
    let mut all = Vec::new();
    for sn in 0..200 {
        let ts = 50 * sn;
        all.extend(sending(sn, ts, Some(40)));
        let again = sending(sn, ts + 20, None).collect::<Vec<Seen>>();
        for (at, number) in [(20, 2 * sn), (21, 2 * sn + 1)] {
            // What the client acknowledges between the two.
            let push = Seen {
                at: ts + at,
                side: SERVER,
                sn: number,
                ..again[0]
            };
            let ack = Seen {
                side: CLIENT,
                command: COMMAND_ACK,
                ..push
            };
            let again = Seen {
                at: ts + at,
                ..again[0]
            };
            all.extend([push, ack, again]);
        }
    }
    let found = kinds(&first(examine(&written(all))).findings);
    assert!(!found.contains(&Kind::TwoSenders), "{found:?}");
}

/// It read each 800 ms, so that its window was never shut and its sender never out of room; but all that had arrived waited.
#[test]
fn a_program_that_reads_late_was_not_seen_where_the_sender_has_room() {
    let plan = Plan {
        reads: &|now| now % 800_000 < 2_000,
        windows: [(256, 256), (256, 128)],
        every: 8_000,
        links: [plants::lossy(0.0), plants::lossy(0.0)],
        ..Plan::default()
    };
    for end in [CLIENT, SERVER] {
        found_first(&plan, end, Kind::NotReading);
    }
}

/// What is found by a capture between the ends, 20 ms from the client.
fn found_between(plan: &Plan, later: impl Fn(&Passing) -> u64) -> Vec<Kind> {
    kinds(&judged_between(plan, later).findings)
}

fn judged_between(plan: &Plan, later: impl Fn(&Passing) -> u64) -> Judged {
    first(examined(plan, CLIENT, |one| {
        one.at += later(one);
        match one.side {
            CLIENT => one.at += 20_000,
            _ => one.at = one.at.saturating_sub(20_000),
        }
    }))
}

/// In a capture between the two ends, packets passed that were lost behind it.
#[test]
fn an_outage_behind_a_capture_in_the_middle_was_called_loss() {
    let plan = Plan {
        answers: 40_000,
        drops: &|now, _, _| (8_000_000..12_000_000).contains(&now),
        ..Plan::default()
    };
    let found = found_between(&plan, |_| 0);
    assert_eq!(found.first(), Some(&Kind::Outage), "{found:?}");
}

/// What a queue behind it drops all passed there, and few segments were sent again after word of them.
#[test]
fn a_capture_in_front_of_a_queue_was_taken_for_the_senders_own() {
    let slow = Config {
        bandwidth: Some(4_000_000),
        queue: 40_000,
        ..plants::lossy(0.0)
    };
    let plan = Plan {
        links: [slow, plants::lossy(0.0)],
        windows: [(512, 256), (256, 512)],
        every: 0,
        size: 1_000,
        length: 8_000_000,
        ..Plan::default()
    };
    let judged = judged_between(&plan, |_| 0);
    let sender = &judged.found.conversation.senders[CLIENT];
    let lag = sender.lag() / 1_000;
    assert!((30..=56).contains(&lag), "{lag} ms");
    let judged = first(examine(&plants::capture(&plan, 1, CLIENT)));
    assert!(judged.found.conversation.senders[CLIENT].is_near());
}

/// Its acknowledgements waited behind what the other end sends, in the queue that fills.
#[test]
fn a_queue_of_the_other_end_was_called_a_longer_way() {
    let slow = Config {
        bandwidth: Some(3_000_000),
        queue: 300_000,
        ..plants::lossy(0.0)
    };
    let plan = Plan {
        sends: &|now| now > 6_000_000,
        size: 1_300,
        every: 0,
        answers: 100_000,
        links: [slow, plants::lossy(0.0)],
        ..Plan::default()
    };
    let found = kinds(&findings(&plan, SERVER));
    assert!(!found.contains(&Kind::LongerWay), "{found:?}");
    assert!(found[..2].contains(&Kind::Bandwidth), "{found:?}");
}

/// At the beginning a packet came that had been sent before the first one.
#[test]
fn a_first_packet_that_overtook_another_ended_the_doctor() {
    let mut all: Vec<Seen> = sending(0, 100, None).chain(sending(1, 101, None)).collect();
    all[1].ts = 61;
    let groups = (0..12).flat_map(|group| {
        let sent = (2..6).flat_map(move |sn| sending(4 * group + sn, 200 + 50 * group, None));
        let acked = (2..6).rev().map(move |sn| Seen {
            at: 202 + 50 * group + (6 - sn),
            side: SERVER,
            command: COMMAND_ACK,
            sn: 4 * group + sn,
            ts: 200 + 50 * group,
        });
        sent.chain(acked)
    });
    let acked = [0, 1].map(|sn| Seen {
        at: 103,
        side: SERVER,
        command: COMMAND_ACK,
        sn,
        ts: 100 - 39 * sn,
    });
    let all = all.into_iter().chain(acked).chain(groups).collect();
    assert_eq!(examine(&written(all)).conversations.len(), 1);
}
/// Three or four messages in each flush: about as many were in flight all the time, and room was made all the time.
#[test]
fn an_even_stream_was_called_a_send_window_at_the_receiver() {
    let plan = Plan {
        size: 1_300,
        every: 3_000,
        answers: 100_000,
        links: [plants::lossy(0.0), plants::lossy(0.0)],
        ..Plan::default()
    };
    for end in [CLIENT, SERVER] {
        let found = kinds(&findings(&plan, end));
        assert!(!found.contains(&Kind::OwnWindow), "end {end}: {found:?}");
    }
}

/// Four messages together each 174 ms, at flushes each 44 ms: acknowledgements leave between, and those keep to the 44 ms.
#[test]
fn flushes_of_which_messages_use_every_fourth_were_called_prompt() {
    let clean = Config {
        delay: 8_000,
        jitter: 1_000,
        ..plants::lossy(0.0)
    };
    let plan = Plan {
        modes: ["1,44,2,1", "1,10,2,1"],
        every: 400,
        sends: &|now| now % 174_000 < 1_600,
        answers: 120_000,
        links: [clean, clean],
        ..Plan::default()
    };
    for end in [CLIENT, SERVER] {
        let found = findings(&plan, end);
        let late = found.iter().find(|one| one.kind == Kind::LateFlush);
        assert!(
            late.is_some_and(|late| late.what.contains("every 44 ms")),
            "{found:?}"
        );
    }
}

/// A game's time scale, or another unit than milliseconds: stamps that fall behind the capture's clock looked like a queue that fills.
#[test]
fn a_clock_at_another_pace_was_called_bandwidth() {
    let clocks: [&dyn Fn(u64) -> u32; 3] =
        [&|now| (now / 2_000) as u32, &|now| now as u32, &|now| {
            (now / 100_000) as u32
        }];
    for clock in clocks {
        for end in [CLIENT, SERVER] {
            let plan = Plan {
                clock,
                links: [plants::lossy(0.02); 2],
                ..Plan::default()
            };
            found_first(&plan, end, Kind::ClockJump);
        }
    }
}

/// It was called a million times too slow.
#[test]
fn a_clock_that_stands_still_is_told_so() {
    let all = (0..200).flat_map(|sn| sending(sn, 50 * sn, Some(40)));
    let still = all.map(|one| Seen { ts: 7, ..one });
    let found = first(examine(&written(still.collect()))).findings;
    let what = &found[0].what;
    assert!(what.contains("clock stands still"), "{what}");
}

/// kcp-go and java-Kcp acknowledge the last segment of a flush by its number, and `una` tells of the others.
#[test]
fn a_peer_that_acknowledges_the_last_of_a_rare_flush_was_said_to_lose_acknowledgements() {
    let plan = Plan {
        modes: ["turbo", "1,100,2,1"],
        ..Plan::default()
    };
    for end in [CLIENT, SERVER] {
        let diagnosis = examined(&plan, end, |one| {
            if one.side == SERVER {
                one.packet.drain(..one.packet.len() - 24);
            }
        });
        let found = kinds(&first(diagnosis).findings);
        assert_eq!(
            found.first(),
            Some(&Kind::LateFlush),
            "end {end}: {found:?}"
        );
        assert!(!found.contains(&Kind::AckLoss), "end {end}: {found:?}");
    }
}

/// Its flushes acknowledge one segment or a whole window, so that how many each number tells of did not show it.
#[test]
fn what_kcp_go_leaves_out_was_called_lost_acknowledgements() {
    let plan = Plan {
        every: 0,
        size: 1_000,
        links: [plants::lossy(0.04), plants::lossy(0.0)],
        ..Plan::default()
    };
    let diagnosis = examined(&plan, CLIENT, |one| {
        if one.side == SERVER {
            let last = one.packet[one.packet.len() - 24..].to_vec();
            let in_order = |one: &[u8]| {
                let [sn, una] = [12, 16].map(|at| one[at..at + 4].try_into().unwrap());
                u32::from_le_bytes(sn) < u32::from_le_bytes(una)
            };
            one.packet = of_each_segment(&one.packet, |one| match in_order(one) && *one != last {
                true => Vec::new(),
                false => one.to_vec(),
            });
        }
    });
    let resends = &first(diagnosis).resends[CLIENT];
    let by_acks = resends.iter().filter(|one| one.need == Need::AckLost);
    let (by_acks, all) = (by_acks.count(), resends.len());
    assert!(all > 100 && by_acks * 50 < all, "{by_acks} of {all}");
}

/// All else that the peer sent came through.
#[test]
fn acknowledgements_that_a_peer_leaves_out_were_called_lost() {
    let plan = Plan {
        answers: 15_000,
        ..Plan::default()
    };
    let diagnosis = examined(&plan, CLIENT, |one| {
        let left_out = |one: &[u8]| one[4] == COMMAND_ACK && matches!(one[12] % 8, 0 | 3 | 4);
        let has_data = one.packet[one.packet.len() - 24..][4] != COMMAND_ACK;
        if one.side == SERVER && has_data {
            one.packet = of_each_segment(&one.packet, |one| match left_out(one) {
                true => Vec::new(),
                false => one.to_vec(),
            });
        }
    });
    let found = kinds(&first(diagnosis).findings);
    assert!(!found.contains(&Kind::AckLoss), "{found:?}");
}

/// At the receiver the stamps after it were taken for the least of those before, so that nothing had changed for good.
#[test]
fn a_clock_set_forward_was_called_bandwidth_or_a_least_timeout() {
    let plan = Plan {
        clock: &|now| millis(now) + if now > 10_000_000 { 100_000 } else { 0 },
        ..Plan::default()
    };
    for end in [CLIENT, SERVER] {
        let found = found_first(&plan, end, Kind::ClockJump);
        let wrong = [Kind::Bandwidth, Kind::LeastTimeout];
        assert!(
            !wrong.iter().any(|one| found.contains(one)),
            "end {end}: {found:?}"
        );
    }
}

#[test]
fn a_window_that_filled_up_in_an_outage_was_called_too_small() {
    let plan = Plan {
        windows: [(128, 128); 2],
        links: [plants::lossy(0.0); 2],
        length: 10_000_000,
        drops: &|now, _, _| (4_000_000..7_000_000).contains(&now),
        ..Plan::default()
    };
    let found = found_first(&plan, CLIENT, Kind::Outage);
    assert!(!found.contains(&Kind::PeerWindow), "{found:?}");
}

/// One flush that came late on a busy machine sent several segments again.
#[test]
fn segments_sent_again_together_were_taken_for_flushes_between() {
    const LATE: std::ops::Range<u32> = 5_090..5_310;
    const BY: u32 = 18;
    let plan = Plan {
        modes: ["turbo+50ms", "turbo"],
        links: [plants::lossy(0.0); 2],
        size: 120,
        every: 8_000,
        drops: &|now, side, _| side == CLIENT && (5_000_000..5_060_000).contains(&now),
        ..Plan::default()
    };
    let diagnosis = examined(&plan, CLIENT, |one| {
        if one.side == CLIENT && LATE.contains(&millis(one.at)) {
            one.at += u64::from(BY) * 1_000;
        }
        // The server only repeats stamps.
        one.packet = of_each_segment(&one.packet, |one| {
            let stamp = u32::from_le_bytes(one[8..12].try_into().unwrap());
            let late = if LATE.contains(&stamp) { BY } else { 0 };
            [&one[..8], &(stamp + late).to_le_bytes(), &one[12..]].concat()
        });
    });
    let found = first(diagnosis);
    let resends = &found.resends[CLIENT];
    let again: BTreeSet<i64> = resends.iter().map(|one| one.at).collect();
    assert!(again.len() < 4 && resends.len() >= 5, "{again:?}");
    let found = kinds(&found.findings);
    assert_eq!(found.first(), Some(&Kind::LateFlush), "{found:?}");
}

/// As time(NULL) * 1000 does: the rare flushes were called idleness and a least timeout, the stamps that stand between them reordering.
#[test]
fn a_clock_of_whole_seconds_was_called_idle_or_reordering() {
    let seconds: &dyn Fn(u64) -> u32 = &|now| ((1_794_000_000 + now / 1_000_000) * 1_000) as u32;
    for mode in ["turbo", "turbo+flush"] {
        let sends = Plan {
            modes: [mode, "turbo"],
            links: [plants::lossy(0.05); 2],
            length: 60_000_000,
            clock: seconds,
            peer_clock: Some(&millis),
            ..Plan::default()
        };
        let answers = Plan {
            modes: ["turbo", mode],
            clock: &millis,
            peer_clock: Some(seconds),
            answers: 50_000,
            ..sends
        };
        for (plan, side) in [(sends, CLIENT), (answers, SERVER)] {
            // The answers of a second share a packet: at the client, those that come again after its loss look new.
            let first_end = if mode == "turbo" { side } else { CLIENT };
            for end in first_end..=SERVER {
                let found = findings(&plan, end);
                // That the peer acknowledges rarely may cost as much.
                let is_told =
                    |one: &Finding| one.side == side && one.what.contains("counts whole seconds");
                assert!(
                    found.iter().take(2).any(is_told),
                    "{mode} of {side}, end {end}: {found:?}"
                );
            }
        }
    }
}

#[test]
fn messages_once_in_a_second_are_no_clock_of_seconds() {
    for loss in [0.0, 0.05] {
        let plan = Plan {
            every: 400,
            sends: &|now| now % 1_000_000 < 1_600,
            links: [plants::lossy(loss); 2],
            length: 60_000_000,
            ..Plan::default()
        };
        for end in [CLIENT, SERVER] {
            let found = kinds(&findings(&plan, end));
            assert!(!found.contains(&Kind::ClockJump), "end {end}: {found:?}");
        }
    }
}

/// The share of resends that are judged right at the sender, in percent.
fn right_at_the_sender(plan: &Plan) -> usize {
    let played = plants::play(plan, 1);
    let judged = first(examine(&plants::file(&played.seen[CLIENT])));
    let score = matrix::score(&matrix::resent(&played.trace), &judged, CLIENT, None);
    assert!(score.all > 200, "{score:?}");
    score.class * 100 / score.all
}

/// As few packets of acknowledgements as were missing are lost by chance sooner than all that was sent in seconds.
#[test]
fn what_was_lost_in_an_outage_was_said_to_have_arrived() {
    let plan = Plan {
        size: 4_000,
        every: 16_000,
        windows: [(1_024, 1_024); 2],
        drops: &|now, _, _| (6_000_000..9_000_000).contains(&now),
        ..Plan::default()
    };
    let right = right_at_the_sender(&plan);
    assert!(right >= 95, "{right} %");
}

/// The same of bursts that are too short for an outage.
#[test]
fn what_was_lost_in_a_burst_was_said_to_have_arrived() {
    let plan = Plan {
        size: 1_200,
        every: 6_000,
        links: [plants::lossy(0.0), plants::lossy(0.002)],
        drops: &|now, side, _| side == CLIENT && now % 3_000_000 > 2_500_000,
        ..Plan::default()
    };
    let right = right_at_the_sender(&plan);
    assert!(right >= 95, "{right} %");
}

/// Its program did nothing for a while, again and again, and nothing was said of that.
#[test]
fn a_program_that_stood_still_at_times_was_called_healthy() {
    let plan = Plan {
        links: [plants::lossy(0.0); 2],
        every: 10_000,
        runs: &|now| now % 2_500_000 > 300_000,
        ..Plan::default()
    };
    for end in [CLIENT, SERVER] {
        let found = findings(&plan, end);
        let cost = cost(&found, Kind::LateFlush).expect("one");
        assert!((1_500..3_000).contains(&cost), "end {end}: {cost} ms");
    }
    // One that has nothing to send for as long.
    let pauses = Plan {
        sends: plan.runs,
        runs: &|_| true,
        ..plan
    };
    for end in [CLIENT, SERVER] {
        assert_eq!(kinds(&findings(&pauses, end)), [], "end {end}");
    }
}

/// Its own stamps told that, and so did its silence towards the peer, which was found beside it.
#[test]
fn a_clock_that_went_back_was_told_twice() {
    let plan = Plan {
        links: [plants::lossy(0.0); 2],
        answers: 20_000,
        clock: &|now| millis(now + 10_000_000) - if now > 8_000_000 { 3_000 } else { 0 },
        peer_clock: Some(&millis),
        ..Plan::default()
    };
    for end in [CLIENT, SERVER] {
        let found = found_first(&plan, end, Kind::ClockJump);
        assert!(!found.contains(&Kind::StoodStill), "end {end}: {found:?}");
    }
}

/// Nothing was sent again, so that only its stamps themselves told.
#[test]
fn a_clock_of_whole_seconds_was_called_a_long_interval() {
    let plan = Plan {
        links: [plants::lossy(0.0); 2],
        length: 30_000_000,
        clock: &|now| (now / 1_000_000 * 1_000) as u32,
        peer_clock: Some(&millis),
        ..Plan::default()
    };
    for end in [CLIENT, SERVER] {
        found_first(&plan, end, Kind::ClockJump);
    }
}

/// Only a capture at the sender told a longer way.
#[test]
fn a_longer_way_behind_a_capture_was_called_a_queue_or_nothing() {
    let plan = Plan {
        answers: 40_000,
        links: [plants::lossy(0.0), plants::lossy(0.0)],
        ..Plan::default()
    };
    let found = found_between(&plan, |one| match one.side {
        SERVER if one.at > 9_000_000 => 150_000,
        _ => 0,
    });
    assert_eq!(found.first(), Some(&Kind::LongerWay), "{found:?}");
}

/// Only a capture at the sender told that skips do nothing.
#[test]
fn ignored_skips_were_called_loss_between_the_ends() {
    let plan = |mode: &'static str| Plan {
        modes: [mode, "1,10,2,1"],
        every: 10_000,
        answers: 40_000,
        links: [plants::lossy(0.05), plants::lossy(0.0)],
        ..Plan::default()
    };
    let found = found_between(&plan("1,10,0,1,250"), |_| 0);
    assert!(found[..2].contains(&Kind::ResendOff), "{found:?}");
    let found = found_between(&plan("1,10,3,1,250"), |_| 0);
    assert!(!found.contains(&Kind::ResendOff), "{found:?}");
}

/// Flushes of the peer beat against the messages, so that word of every second one is late, by nearly the same. Their timers ran out.
#[test]
fn timers_that_half_of_the_acknowledgements_missed_were_called_lost_acknowledgements() {
    let mut all = Vec::new();
    for sn in 0..400 {
        let ts = 25 * sn;
        let late = sn % 2 == 1;
        all.extend(sending(sn, ts, Some(if late { 10 + sn % 3 } else { 1 })));
        if late {
            all.extend(sending(sn, ts + 30, None));
        }
    }
    let found = kinds(&first(examine(&written(all))).findings);
    assert!(!found.contains(&Kind::AckLoss), "{found:?}");
}

/// Small messages came late at times, since they were sent again in one packet with others.
#[test]
fn packets_above_the_mtu_were_called_loss_where_small_ones_came_late() {
    let plan = Plan {
        modes: ["1,20,2,1", "turbo"],
        links: [plants::lossy(0.05); 2],
        windows: [(512, 512); 2],
        size: 400,
        large: 1_200,
        every: 32_000,
        drops: &|_, side, packet: &[u8]| side == CLIENT && packet.len() > 700,
        ..Plan::default()
    };
    found_first(&plan, SERVER, Kind::Mtu);
}

/// What is in flight is acknowledged together, so that it is sent once in a round trip.
#[test]
fn rounds_of_a_congestion_window_were_called_rare_flushes() {
    let link = |loss| Config {
        delay: 40_000,
        jitter: 0,
        ..plants::lossy(loss)
    };
    let plan = Plan {
        modes: ["1,10,2,0", "turbo"],
        links: [link(0.004), link(0.0)],
        size: 300,
        every: 0,
        ..Plan::default()
    };
    let found = found_first(&plan, CLIENT, Kind::CongestionWindow);
    assert!(!found.contains(&Kind::LateFlush), "{found:?}");
}

/// Of packets that carry ten acknowledgements, a capture with a short snaplen shows the first three.
#[test]
fn acknowledgements_that_the_capture_cut_were_called_lost() {
    let plan = Plan {
        modes: ["turbo", "1,80,2,1"],
        size: 300,
        every: 8_000,
        ..Plan::default()
    };
    let whole = plants::capture(&plan, 1, CLIENT);
    for capture in [shortened(&whole, 120), whole] {
        let found = kinds(&first(examine(&capture)).findings);
        assert!(!found.contains(&Kind::AckLoss), "{found:?}");
    }
}

/// Its clock was set forward by hours, and so was how long each segment had waited that was in flight then.
#[test]
fn a_finding_cost_more_than_the_capture_lasts() {
    const HOURS: u32 = 10_000_000;
    let mut all = Vec::new();
    for sn in 0..400 {
        let at = 25 * sn + if sn < 200 { 0 } else { 300 };
        let later = if sn < 200 { 0 } else { HOURS };
        let stamped = |one: Seen, later: u32| Seen {
            ts: one.ts + later,
            ..one
        };
        all.extend(sending(sn, at, Some(1 + sn % 3)).map(|one| stamped(one, later)));
        if (180..200).contains(&sn) {
            all.extend(sending(sn, at + 500, None).map(|one| stamped(one, HOURS)));
        }
    }
    let judged = first(examine(&written(all)));
    let lasted = judged.found.conversation.to - judged.found.conversation.from.unwrap();
    let costs: Vec<_> = judged
        .findings
        .iter()
        .map(|one| (one.kind, one.cost))
        .collect();
    assert!(costs.iter().any(|(_, cost)| *cost == lasted), "{costs:?}");
    assert!(costs.iter().all(|(_, cost)| *cost <= lasted), "{costs:?}");
}
