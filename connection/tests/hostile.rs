//! Packets that no peer would send: noise, and good packets with some bytes changed. Whatever arrives, each call returns, and
//! memory stays within bounds and is freed in the end.

mod common;

use std::time::{Duration, Instant};

use common::heap;
use common::random::Random;
use common::seeds::for_seeds;
use ikcp_connection::{Config, Connection};

/// Miri takes minutes for more.
const PACKETS: u32 = if cfg!(miri) { 25 } else { 20_000 };
const SEEDS: u64 = if cfg!(miri) { 1 } else { 4 };
/// 300 segments of 1400 bytes in each of two windows and in the send queue, twice that for what memory takes around it, and the
/// pool of free segments.
const BOUND: usize = 4 << 20;

fn packet(random: &mut Random, good: &[Vec<u8>]) -> Vec<u8> {
    if random.chance(5) {
        return (0..random.below(1500))
            .map(|_| random.next() as u8)
            .collect();
    }
    let mut packet = Vec::new();
    for _ in 0..=random.below(4) {
        match good.len() as u64 {
            0 => {}
            many => packet.extend(&good[random.below(many) as usize]),
        }
    }
    packet.truncate(1400);
    for _ in 0..random.below(6) {
        if packet.len() > 24 {
            // Mostly in the header, where a change has more effects.
            let at = if random.chance(80) {
                4 + random.below(20)
            } else {
                random.below(packet.len() as u64)
            };
            packet[at as usize] = random.next() as u8;
        }
    }
    packet
}

#[test]
fn noise_does_no_harm() {
    heap::install();
    for_seeds(SEEDS, |random| {
        let before = heap::bytes();
        attack(random);
        assert_eq!(heap::bytes(), before, "memory is not given back");
    });
}

fn attack(random: &mut Random) {
    let mut now = Instant::now();
    let config = Config {
        send_window: 300,
        receive_window: 300,
        ..Config::fast()
    };
    let mut ends = [0, 1].map(|_| Connection::new(1, &config, now).expect("a connection"));
    let mut good: Vec<Vec<u8>> = Vec::new();
    heap::take_peak();
    for n in 0..PACKETS {
        let [victim, peer] = &mut ends;
        for end in [&mut *victim, &mut *peer] {
            if end.has_room() {
                end.send(&vec![n as u8; random.below(4000) as usize])
                    .expect("it is not too long");
            }
            if random.chance(50) {
                end.flush_with(now, |packet| good.push(packet.to_vec()));
            }
        }
        let excess = good.len().saturating_sub(50);
        good.drain(..excess);
        _ = victim.input(&packet(random, &good), now);
        if random.chance(30) {
            _ = peer.input(&packet(random, &good), now);
        }
        if random.chance(90) {
            while victim.recv().is_some() {}
        }
        _ = (victim.stats(), victim.next_timeout(), victim.is_dead());
        now += Duration::from_millis(random.below(12));
    }
    let peak = heap::take_peak();
    assert!(peak < BOUND, "{peak} bytes");
}
