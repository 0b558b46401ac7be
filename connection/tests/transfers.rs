//! Transfers in both directions over a bad link, in virtual time. Each end is called only when its time has come or a packet has
//! arrived.
//!
//! With `IKCP_LIBRARY`, the other end is in that library.

mod common;
mod peer;

use std::time::{Duration, Instant};

use common::heap;
use common::link::{Link, Weather};
use common::random::Random;
use common::seeds::for_seeds;
use ikcp_connection::{Backoff, Config, Connection, Controller};
use peer::{End, Ours, peer};

/// Miri takes minutes for more.
const MESSAGES: u64 = if cfg!(miri) { 5 } else { 300 };
const SEEDS: u64 = if cfg!(miri) { 1 } else { 12 };
/// When the weather clears, ms of virtual time: with one segment in flight and a timeout that doubles, bad luck may last for hours.
const CLEARS: u64 = 300_000;
/// When a transfer has failed: one segment of 26 bytes for each round trip takes half an hour.
const LIMIT: u64 = 3_600_000;

fn pick<T: Clone>(random: &mut Random, from: &[T]) -> T {
    from[random.below(from.len() as u64) as usize].clone()
}

fn config(random: &mut Random, stream: bool) -> Config {
    Config {
        mtu: pick(random, &[50, 200, 576, 1400]),
        send_window: pick(random, &[1, 4, 32, 300]),
        receive_window: pick(random, &[128, 500]),
        stream,
        interval: Duration::from_millis(pick(random, &[10, 37, 100])),
        backoff: pick(random, &[Backoff::Double, Backoff::Half, Backoff::Steady]),
        min_rto: pick(random, &[None, Some(Duration::from_millis(1))]),
        fast_resend: pick(random, &[0, 2]),
        congestion_window: random.chance(30),
        controller: pick(
            random,
            &[None, None, Some(Controller::Bbr), Some(Controller::Cubic)],
        ),
        loss_by_time: random.chance(20),
        redundancy: pick(random, &[0, 0, 20, 100]),
        large_messages: random.chance(20),
        backoff_limit: pick(random, &[None, None, Some(Duration::from_millis(500))]),
        ..Config::default()
    }
}

fn weather(random: &mut Random) -> Weather {
    Weather {
        loss: random.below(35),
        duplication: random.below(10),
        corruption: random.below(5),
        delay: random.below(60),
        jitter: random.below(40),
        clears: CLEARS,
        ..Weather::default()
    }
}

/// One direction: what is sent, and what has arrived.
struct Way {
    /// Messages, last first.
    to_send: Vec<Vec<u8>>,
    sent: Vec<u8>,
    received: Vec<u8>,
    /// Where messages end, which stream mode does not keep.
    ends: [Vec<usize>; 2],
    link: Link,
}

impl Way {
    fn new(random: &mut Random, longest: u64) -> Way {
        let message = |random: &mut Random| {
            let len = if random.chance(10) { longest } else { 300 };
            (0..random.below(len + 1))
                .map(|_| random.next() as u8)
                .collect()
        };
        Way {
            to_send: (0..MESSAGES).map(|_| message(random)).collect(),
            sent: Vec::new(),
            received: Vec::new(),
            ends: [Vec::new(), Vec::new()],
            link: Link::new(&weather(random)),
        }
    }

    fn send(&mut self, end: &mut dyn End) {
        while end.waiting() < 40
            && let Some(message) = self.to_send.pop()
        {
            end.send(&message);
            self.sent.extend(message);
            self.ends[0].push(self.sent.len());
        }
    }

    fn take(&mut self, end: &mut dyn End) {
        while let Some(message) = end.recv() {
            self.received.extend(message);
            self.ends[1].push(self.received.len());
        }
    }
}

fn transfer(random: &mut Random) {
    let start = Instant::now();
    let stream = random.chance(30);
    let configs = [config(random, stream), config(random, false)];
    println!("{configs:?}");
    let ours = Ours {
        connection: Connection::new(9, &configs[0], start).expect("a connection"),
        flushes: random.chance(50),
    };
    let flushes = random.chance(50);
    let mut ends: [Box<dyn End>; 2] = [Box::new(ours), peer(9, &configs[1], start, flushes)];
    // A message must fit in the peer's receive window, which has at least 128 segments.
    let mut ways = configs.map(|config| Way::new(random, u64::from(config.mtu - 24) * 100));
    let (mut now, mut calls) = (0, 0);
    loop {
        let time = start + Duration::from_millis(now);
        for (n, end) in ends.iter_mut().enumerate() {
            while let Some(packet) = ways[1 - n].link.receive(now) {
                end.input(&packet, time);
            }
            ways[1 - n].take(&mut **end);
            ways[n].send(&mut **end);
            for packet in end.work(time) {
                assert!(packet.len() <= 1400);
                ways[n].link.send(random, now, &packet);
            }
        }
        calls += 1;
        let done = ways.iter().zip(&ends).all(|(way, end)| {
            way.to_send.is_empty() && end.waiting() == 0 && way.received.len() == way.sent.len()
        });
        if done {
            break;
        }
        let wakes = ends.iter().filter_map(|end| end.next(time));
        let due = wakes.map(|at| (at - start).as_millis() as u64);
        let next = due
            .chain(ways.iter().filter_map(|way| way.link.next()))
            .min();
        now = next.expect("something is still to be done").max(now);
        assert!(now < LIMIT, "it takes no end");
    }
    println!("{now} ms, {calls} rounds");
    for (n, way) in ways.iter().enumerate() {
        assert!(way.sent == way.received, "other bytes");
        let [sent, received] = &way.ends;
        assert!((n == 0 && stream) || sent == received, "other messages");
    }
    // The connection is idle: a few more calls, and then none.
    for _ in 0..200 {
        while let Some(at) = ways[1].link.next() {
            let packet = ways[1].link.receive(at);
            now = at;
            packet.inspect(|packet| ends[0].input(packet, start + Duration::from_millis(at)));
        }
        let Some(at) = ends[0].next(start + Duration::from_millis(now)) else {
            return;
        };
        now = (at - start).as_millis() as u64;
        ends[0].work(at);
    }
    panic!("a connection with nothing to do wants to be called");
}

#[test]
fn everything_arrives_once_and_in_order() {
    heap::install();
    for_seeds(SEEDS, |random| {
        let before = heap::bytes();
        transfer(random);
        assert_eq!(heap::bytes(), before, "memory is not given back");
    });
}
