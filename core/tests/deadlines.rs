//! Compares `ikcp_check` and `ikcp_flush`, which rely on the index for deadlines, with walks over the lists.
//!
//! The windows have all sizes, from those without an index to rings of several hundred slots. Packets arrive in any order or get
//! lost, and the clock sometimes jumps by weeks.

mod common;

use common::endpoint::{Endpoint, Settings};
use common::object::in_flight;
use common::random::Random;
use common::seeds::for_seeds;

const ACK: u8 = 82;

/// Miri would take minutes for more.
const ROUNDS: u32 = if cfg!(miri) { 4 } else { 1500 };
const SEEDS: u64 = if cfg!(miri) { 1 } else { 4 };

fn endpoint(window: u32) -> Endpoint {
    Endpoint::new(
        &Settings {
            conv: 5,
            first_sn: u32::MAX - 100,
            stream: false,
            mtu: 1400,
            window,
            modes: [1, 10, 2, 1],
        },
        0,
    )
}

/// The answer of the original's `ikcp_check`, which walks `snd_buf`.
fn check_by_walk(end: &Endpoint, now: u32) -> u32 {
    let kcp = end.kcp();
    let until_flush = kcp.ts_flush.get().wrapping_sub(now).cast_signed();
    if until_flush <= 0 || until_flush > 10_000 {
        return now;
    }
    let mut wait = until_flush;
    for segment in in_flight(&end.kcp()) {
        let left = segment.resendts.get().wrapping_sub(now).cast_signed();
        if left <= 0 {
            return now;
        }
        wait = wait.min(left);
    }
    now.wrapping_add(wait.cast_unsigned().min(kcp.interval.get()))
}

/// An acknowledgement of `sn`, with `una`.
fn ack(sn: u32, ts: u32, una: u32) -> Vec<u8> {
    let header = ikcp_core::Header {
        conv: 5,
        cmd: ACK,
        frg: 0,
        wnd: 1024,
        ts,
        sn,
        una,
        len: 0,
    };
    header.emit().to_vec()
}

/// Acknowledges some of the segments in flight, in any order, sometimes all up to a point.
fn acknowledge_some(end: &mut Endpoint, random: &mut Random) {
    let flying: Vec<(u32, u32)> = in_flight(&end.kcp())
        .iter()
        .map(|segment| (segment.sn.get(), segment.ts.get()))
        .collect();
    let Some(first) = flying.first().map(|(sn, _)| *sn) else {
        return;
    };
    let mut una = first;
    if random.chance(20) {
        una = first.wrapping_add(random.below(flying.len() as u64 + 1) as u32);
    }
    let mut packet = Vec::new();
    for _ in 0..1 + random.below(20) {
        let (sn, ts) = flying[random.below(flying.len() as u64) as usize];
        packet.extend(ack(sn, ts, una));
    }
    assert_eq!(end.input(&packet), 0);
}

/// Moves the clock. After a jump of twelve days or more, the order of deadlines depends on the present time.
fn pass_time(end: &mut Endpoint, now: &mut u64, random: &mut Random, jumps: bool) {
    *now += match random.below(200) {
        0..=4 => random.below(400),
        _ => random.below(12),
    };
    if jumps && random.chance(2) {
        let far = random.next() as u32;
        end.clock = end
            .clock
            .wrapping_add(if random.chance(50) { far } else { 1 << 31 });
    }
}

fn compare(window: u32, jumps: bool, random: &mut Random) {
    let mut end = endpoint(window);
    let mut now = random.below(1 << 32);
    end.update(now);
    for _ in 0..ROUNDS {
        for _ in 0..random.below(u64::from(window) / 4 + 2) {
            if end.kcp().waitsnd().unsigned_abs() < 2 * window {
                end.send(1 + random.below(40));
            }
        }
        if random.chance(60) {
            acknowledge_some(&mut end, random);
        }
        if random.chance(30) {
            end.kcp().flush();
        }
        pass_time(&mut end, &mut now, random, jumps);
        let clock = end.at(now);
        for ahead in [0, 1, 5, 9] {
            let at = clock.wrapping_add(ahead);
            assert_eq!(end.kcp().check(at), check_by_walk(&end, at));
        }
        let flushes = clock.wrapping_sub(end.kcp().ts_flush.get()).cast_signed() >= 0;
        end.update(now);
        if flushes {
            // A flush leaves no segment that is due: timeouts are at least 30 ms, so what it has retransmitted is not.
            for segment in in_flight(&end.kcp()) {
                // What is 2^31 ms from now is not due, as in the original.
                let late = clock.wrapping_sub(segment.resendts.get()).cast_signed();
                assert!(late < 0, "due since {late} ms");
            }
        }
        end.packets();
    }
}

#[test]
fn check_answers_as_a_walk_over_the_segments_in_flight() {
    for_seeds(SEEDS, |random| {
        for window in [1, 3, 4, 5, 8, 32, 33, 70, 300] {
            compare(window, false, random);
        }
    });
}

/// Bounds on the deadlines of 64 slots were compared with each other: after a clock had jumped by weeks, the later of two could
/// be mistaken for the earlier, and due segments were not sent.
#[test]
fn a_jump_by_weeks_hid_deadlines_in_their_block() {
    for_seeds(SEEDS, |random| {
        for window in [4, 33, 70, 300] {
            compare(window, true, random);
        }
    });
}
