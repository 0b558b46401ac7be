//! Redundancy: messages arrive sooner where packets get lost, within the budget, with any peer.

// Too much for Miri, which runs the scripts instead.
#![cfg(all(not(miri), feature = "extensions"))]

mod common;

use common::endpoint::{Endpoint, Settings};
use common::heap;
use common::link::{Link, Weather};
use common::random::Random;
use common::seeds::for_seeds;
use ikcp_core::cubic;

/// Profiles before 2.0 have no table of hooks.
const HOOKS: bool = !cfg!(any(feature = "profile-1-7", feature = "profile-1-7-1"));

const SIZE: u64 = 200;
/// Time between messages, ms, and length of a game.
const EVERY: u64 = 50;
const SENDING: u64 = 120_000;

/// The result of a game: how late each message was, ms, and what its sender sent.
#[derive(Default, PartialEq, Debug)]
struct Report {
    delays: Vec<u64>,
    packets: Vec<Vec<u8>>,
}

impl Report {
    fn percentile(&self, percent: usize) -> u64 {
        let mut delays = self.delays.clone();
        delays.sort_unstable();
        delays[delays.len() * percent / 100]
    }

    fn bytes(&self) -> usize {
        self.packets.iter().map(Vec::len).sum()
    }
}

fn settings(stream: bool, mtu: u32) -> Settings {
    Settings {
        conv: 7,
        first_sn: u32::MAX - 100,
        stream,
        mtu,
        window: 128,
        modes: [1, 10, 2, 1],
    }
}

/// A game over a link. `change` is called every ms and may change the sender's settings.
fn play(
    random: &mut Random,
    settings: &Settings,
    loss: u64,
    mut change: impl FnMut(&mut Random, &Endpoint, u64),
) -> Report {
    let weather = Weather {
        loss,
        delay: 50,
        clears: u64::MAX,
        ..Weather::default()
    };
    let mut report = Report::default();
    let mut links = [Link::new(&weather), Link::new(&weather)];
    let mut ends = [Endpoint::new(settings, 0), Endpoint::new(settings, 1)];
    let start = random.next() as u32;
    ends[0].clock = start;
    ends[1].clock = start ^ 0x5555;
    let mut sent = 0;
    for now in 0.. {
        assert!(now < 10 * SENDING, "it does not end");
        change(random, &ends[0], now);
        if now < SENDING && now % EVERY == 0 {
            ends[0].send(SIZE);
            ends[0].kcp().flush();
            sent += 1;
        }
        for side in 0..2 {
            ends[side].update(now);
            while let Some(packet) = links[1 - side].receive(now) {
                assert_eq!(ends[side].input(&packet), 0);
                ends[side].kcp().flush();
            }
            let out = ends[side].packets();
            for packet in &out {
                assert!(packet.len() <= settings.mtu as usize);
                links[side].send(random, now, packet);
            }
            if side == 0 {
                report.packets.extend(out);
            }
        }
        let before = ends[1].taken / SIZE;
        let so_far = ends[0].sent;
        ends[1].take(so_far);
        for message in before..ends[1].taken / SIZE {
            report.delays.push(now - message * EVERY);
        }
        if now > SENDING && report.delays.len() == sent {
            break;
        }
    }
    report
}

fn with(percent: u32) -> impl FnMut(&mut Random, &Endpoint, u64) {
    move |_, end, now| {
        if now == 0 {
            assert!(end.kcp().set_redundancy(percent));
        }
    }
}

#[test]
fn the_latest_messages_are_less_late_for_the_bytes_that_were_allowed() {
    for_seeds(4, |random| {
        let seed = random.next();
        let settings = settings(false, 1400);
        let games = [0, 10, 50, 100]
            .map(|percent| play(&mut Random::new(seed), &settings, 10, with(percent)));
        let [off, little, half, all] = &games;
        let late = |game: &Report| game.percentile(99);
        assert!(
            late(half) * 100 <= late(off) * 90,
            "{} {}",
            late(half),
            late(off)
        );
        assert!(
            late(all) * 100 <= late(off) * 70,
            "{} {}",
            late(all),
            late(off)
        );
        for (game, percent) in [(little, 10), (half, 50), (all, 100)] {
            let (bytes, before) = (game.bytes(), off.bytes());
            assert!(bytes > before, "nothing was copied");
            assert!(
                bytes * 100 <= before * (100 + percent),
                "{percent}: {bytes} {before}"
            );
            let packets = game.packets.len();
            assert!(
                packets * 100 <= off.packets.len() * 110,
                "{percent}: {packets} {}",
                off.packets.len()
            );
        }
    });
}

#[test]
fn where_nothing_is_lost_every_packet_is_as_without() {
    for_seeds(1, |random| {
        let seed = random.next();
        let settings = settings(false, 1400);
        let [off, all] =
            [0, 100].map(|percent| play(&mut Random::new(seed), &settings, 0, with(percent)));
        assert!(off == all);
    });
}

#[test]
fn a_packet_has_no_room_for_copies_that_do_not_fit() {
    for_seeds(1, |random| {
        // A header, a message, and almost another message.
        let game = play(random, &settings(false, 24 + 200 + 223), 10, with(100));
        let segments = |packet: &Vec<u8>| packet.iter().len() / 224;
        assert!(game.packets.iter().all(|packet| segments(packet) <= 1));
    });
}

#[test]
fn whatever_the_budget_becomes_what_arrives_is_what_was_sent() {
    for stream in [false, true] {
        for_seeds(4, |random| {
            let before = heap::bytes();
            play(random, &settings(stream, 600), 20, |random, end, _| {
                if random.chance(2) {
                    assert!(end.kcp().set_redundancy(random.below(101) as u32));
                }
                if random.chance(1) {
                    end.kcp().setmtu(300 + random.below(300) as i32);
                }
            });
            assert_eq!(heap::bytes(), before);
        });
    }
}

/// When `end` sends, and which segments, while its clock shows these times.
fn departures(end: &mut Endpoint, times: std::ops::Range<u64>) -> Vec<(u64, u32)> {
    let mut left = vec![];
    for now in times {
        end.update(now);
        for packet in end.packets() {
            let sn = u32::from_le_bytes(packet[12..16].try_into().expect("four bytes"));
            left.push((now, sn));
        }
    }
    left
}

fn acknowledge(end: &mut Endpoint, sn: u32, ts: u32) {
    acknowledge_alone(end, sn, sn, ts);
}

/// The same, where `una` has not arrived.
fn acknowledge_alone(end: &mut Endpoint, sn: u32, una: u32, ts: u32) {
    let fields = [7, 82 | 128 << 16, ts, sn, una, 0];
    let packet: Vec<u8> = fields.into_iter().flat_map(u32::to_le_bytes).collect();
    assert_eq!(end.input(&packet), 0);
}

/// When a late segment leaves, ms after its first transmission: of an end that has sent nothing since `now`, and sends `first` next.
fn of_a_late_one(end: &mut Endpoint, mut now: u64, first: u32) -> Vec<u64> {
    end.send(SIZE);
    let left = departures(end, now..now + 201);
    assert_eq!(
        left,
        [(now, first), (now + 200, first)],
        "without evidence there is no copy"
    );
    // The acknowledgement echoes the time of the retransmission, so the earlier transmission was lost.
    acknowledge(end, first, left[1].0 as u32);
    // Messages earn the budget for some copies.
    let mut next = first;
    now += 201;
    for _ in 0..40 {
        next = next.wrapping_add(1);
        end.send(SIZE);
        let left = departures(end, now..now + 10);
        assert_eq!(left.len(), 1);
        now += 10;
        acknowledge(end, next, left[0].0 as u32);
    }
    next = next.wrapping_add(1);
    end.send(SIZE);
    let left = departures(end, now..now + 100);
    assert!(left.iter().all(|(_, sn)| *sn == next));
    left.iter().map(|(time, _)| time - left[0].0).collect()
}

#[test]
fn a_segment_that_was_sent_again_goes_out_twice_once_losses_are_evident() {
    let mut end = Endpoint::new(&settings(false, 1400), 0);
    assert!(end.kcp().set_redundancy(100));
    // It is late after each round trip of 10 ms; its timeout passes at 30 ms, and the next flush after 25 ms more copies that
    // transmission.
    let times = of_a_late_one(&mut end, 0, u32::MAX - 100);
    assert_eq!(times[..5], [0, 10, 20, 30, 60]);
}

#[test]
fn after_a_reset_nothing_was_copied_until_the_numbers_were_those_of_before() {
    let mut end = Endpoint::new(&settings(false, 1400), 0);
    assert!(end.kcp().set_redundancy(100));
    let mut next = u32::MAX - 100;
    for now in 0..64 {
        end.send(SIZE);
        end.update(now);
        end.kcp().flush();
        assert_eq!(end.packets().len(), 1);
        next = next.wrapping_add(1);
        // Its acknowledgement is lost, and only the peer's window is told.
        let fields = [7, 84 | 128 << 16, 0, 0, next, 0];
        let packet: Vec<u8> = fields.into_iter().flat_map(u32::to_le_bytes).collect();
        assert_eq!(end.input(&packet), 0);
    }
    // The numbers begin anew.
    let first = u32::MAX - 1_000;
    for sn in [&end.kcp().snd_una, &end.kcp().snd_nxt] {
        sn.set(first);
    }
    let times = of_a_late_one(&mut end, 70, first);
    assert_eq!(times[..5], [0, 10, 20, 30, 60]);
}

#[test]
fn when_all_had_arrived_the_time_of_a_copy_still_woke_the_program() {
    let mut end = Endpoint::new(&settings(false, 1400), 0);
    assert!(end.kcp().set_redundancy(100));
    of_a_late_one(&mut end, 0, u32::MAX - 100);
    let (now, una) = (end.kcp().current.get(), end.kcp().snd_nxt.get());
    let is_asleep = |end: &Endpoint| end.kcp().next_due(now) == now + i32::MAX.cast_unsigned();
    assert!(!is_asleep(&end));
    acknowledge(&mut end, una.wrapping_sub(1), now);
    assert!(is_asleep(&end));
}

#[test]
fn a_peer_that_told_a_round_trip_of_weeks_made_the_program_spin() {
    let mut end = Endpoint::new(&settings(false, 1400), 0);
    assert!(end.kcp().set_redundancy(100));
    of_a_late_one(&mut end, 0, u32::MAX - 100);
    let (now, una) = (end.kcp().current.get(), end.kcp().snd_una.get());
    let weeks_ago = now.wrapping_sub(i32::MAX.cast_unsigned());
    acknowledge_alone(&mut end, una.wrapping_sub(1), una, weeks_ago);
    end.send(SIZE);
    end.kcp().update_due(now);
    assert_ne!(end.kcp().next_due(now), now);
}

#[test]
fn a_budget_saved_up_before_the_first_loss_left_in_a_burst() {
    let mut end = Endpoint::new(&settings(false, 1400), 0);
    assert!(end.kcp().set_redundancy(10));
    let (mut now, mut next) = (0, u32::MAX - 100);
    for _ in 0..400 {
        end.send(SIZE);
        let left = departures(&mut end, now..now + 10);
        now += 10;
        acknowledge(&mut end, next, left[0].0 as u32);
        next = next.wrapping_add(1);
    }
    // What arrives of this one is its retransmission.
    end.send(SIZE);
    let left = departures(&mut end, now..now + 100);
    now += 100;
    acknowledge(&mut end, next, left[1].0 as u32);
    for _ in 0..10 {
        end.send(SIZE);
        end.kcp().flush();
        let sizes: Vec<usize> = end.packets().iter().map(Vec::len).collect();
        assert_eq!(sizes, [24 + SIZE as usize], "nothing has been earned since");
        now += 1;
        end.update(now);
        assert!(end.packets().is_empty());
    }
}

#[test]
fn two_segments_64_apart_each_earned_the_budget_again_with_each_flush() {
    let mut end = Endpoint::new(&settings(false, 1400), 0);
    assert!(end.kcp().set_redundancy(50));
    let first = u32::MAX - 100;
    end.send(SIZE);
    let left = departures(&mut end, 0..201);
    assert_eq!(left.len(), 2);
    acknowledge_alone(&mut end, first, first.wrapping_add(1), 200);
    // The first of these is lost again and again, all others arrive but the last.
    let (stuck, mut now) = (first.wrapping_add(1), 201);
    for n in 0..65 {
        end.send(SIZE);
        let left = departures(&mut end, now..now + 10);
        now += 10;
        if n > 0 && n < 64 {
            acknowledge_alone(&mut end, stuck.wrapping_add(n), stuck, left[0].0 as u32);
        }
    }
    let left = departures(&mut end, now..now + 500).len();
    assert!(left < 10, "{left} transmissions of two segments");
}

#[test]
fn a_budget_beyond_a_hundred_is_refused_and_so_is_one_without_memory() {
    let end = Endpoint::new(&settings(false, 1400), 0);
    assert!(end.kcp().set_redundancy(0));
    for percent in [101, u32::MAX] {
        assert!(!end.kcp().set_redundancy(percent));
    }
    heap::refuse(0, 1);
    let refused = !end.kcp().set_redundancy(1);
    assert!(refused);
    assert!(end.kcp().set_redundancy(1));
}

/// Redundancy and time-based loss detection both need a table of hooks, and get one without hooks if the program has none.
#[test]
fn the_table_without_hooks_stays_as_long_as_anything_needs_it_and_goes_with_the_last() {
    let end = Endpoint::new(&settings(false, 1400), 0);
    let installed = || !end.kcp().ccops.get().is_null();
    assert!(!installed());
    assert!(end.kcp().set_redundancy(10));
    assert_eq!(installed(), HOOKS);
    if HOOKS {
        assert_eq!(end.kcp().rack(true), 0);
        assert!(end.kcp().set_redundancy(0));
        assert!(installed(), "loss is told by time");
        assert!(end.kcp().set_redundancy(10));
        assert_eq!(end.kcp().rack(false), 0);
        assert!(installed(), "redundancy is on");
        // The program's own control comes and goes.
        // SAFETY: a table of the library is always valid.
        assert_eq!(unsafe { end.kcp().setcc(cubic()) }, 0);
        assert!(end.kcp().set_redundancy(0));
        assert_eq!(end.kcp().ccops.get(), cubic());
        assert!(end.kcp().set_redundancy(10));
        // SAFETY: NULL is allowed.
        assert_eq!(unsafe { end.kcp().setcc(std::ptr::null()) }, 0);
        assert!(installed(), "redundancy is still on");
    }
    assert!(end.kcp().set_redundancy(0));
    assert!(!installed());
}

#[test]
fn a_copy_that_the_budget_could_not_pay_woke_the_program_every_millisecond() {
    for_seeds(4, |random| {
        let settings = settings(false, 1400);
        let weather = Weather {
            loss: 10,
            delay: 50,
            clears: u64::MAX,
            ..Weather::default()
        };
        let mut links = [Link::new(&weather), Link::new(&weather)];
        let mut ends = [Endpoint::new(&settings, 0), Endpoint::new(&settings, 1)];
        assert!(ends[0].kcp().set_redundancy(10));
        let (mut wakes, mut idle) = (0, 0);
        for now in 0..SENDING {
            let called = now % EVERY == 0;
            if called {
                ends[0].send(SIZE);
            }
            for side in 0..2 {
                let clock = ends[side].at(now);
                let mut called = called;
                while let Some(packet) = links[1 - side].receive(now) {
                    ends[side].kcp().current.set(clock);
                    assert_eq!(ends[side].input(&packet), 0);
                    called = true;
                }
                let woken = !called && ends[side].kcp().next_due(clock) == clock;
                if called || woken {
                    ends[side].kcp().update_due(clock);
                }
                let out = ends[side].packets();
                wakes += u32::from(woken);
                idle += u32::from(woken && out.is_empty());
                for packet in &out {
                    links[side].send(random, now, packet);
                }
            }
            let so_far = ends[0].sent;
            ends[1].take(so_far);
        }
        assert!(idle * 100 <= wakes, "{idle} of {wakes} wakes sent nothing");
    });
}
