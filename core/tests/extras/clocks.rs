//! Two connections with everything that ikcpx.h has, whose clocks jump: by a millisecond, by weeks, or back. Whatever the jumps were:
//!
//! - no call sends packets without end, and `ikcpx_next` neither spins nor sleeps through what is due;
//! - where packets get lost, all that has not expired arrives soon after `ikcpx_path_changed`; where none is lost, without that;
//! - in the end nothing wakes either program, and all memory is freed.

use std::collections::BTreeMap;
use std::ptr;

use crate::common::heap;
use crate::common::random::Random;
use crate::common::seeds::for_seeds;
use crate::pick;
use crate::side::{Side, of, ours};
use ikcp_core::{bbr, cubic};

/// The clocks jump before this time, ms, and the programs send before the other.
const JUMPS: u64 = 3_000;
const SENDS: u64 = 3_500;
/// When all has arrived, ms. A jump by an hour in the middle of a round trip makes the timeout a minute.
const OVER: u64 = 300_000;
/// Packets of one call, at most.
const MOST: usize = 400;
const NEVER: u32 = i32::MAX.cast_unsigned();
const STUB: &[u8] = b"-";

/// The distances of a jump, ms.
const JUMP: [u32; 8] = [
    1,
    1_000,
    10_001,
    3_600_000,
    20 * 86_400_000,
    (1 << 31) - 200,
    30 * 86_400_000,
    u32::MAX - 3_600_000,
];

struct End {
    side: Side,
    /// Added to the time gives the clock.
    clock: u32,
    /// Driven by `ikcpx_next`, which names this time; otherwise by `ikcp_update` each millisecond.
    sleeps: bool,
    wake: u64,
    /// Messages sent, which of them may expire, and which message of the peer comes next.
    sent: u32,
    expiring: Vec<u32>,
    next: u32,
}

impl End {
    fn new(random: &mut Random) -> End {
        let windows = [pick(random, &[1, 4, 32, 128, 300]), 300];
        let interval = pick(random, &[10, 20, 100]);
        let [nodelay, resend, nc] = [3, 3, 2].map(|n| random.below(n) as i32);
        let mtu = pick(random, &[50, 100, 500, 1400]);
        let side = Side::new(ours(), mtu, windows, [nodelay, interval, resend, nc]);
        let kcp = of(side.kcp);
        assert!(kcp.set_redundancy(pick(random, &[0, 20, 100])));
        assert!(kcp.set_stub(random.chance(50).then_some(STUB)));
        assert_eq!(kcp.rack(random.chance(40)), 0);
        assert_eq!(kcp.backoff_limit(pick(random, &[0, 100, 1000])), 0);
        assert_eq!(kcp.dead_after(pick(random, &[0, 100, 1000]), None), 0);
        let ops = pick(random, &[ptr::null(), bbr(), cubic()]);
        // SAFETY: the tables are constant.
        assert_eq!(unsafe { kcp.setcc(ops) }, 0);
        End {
            side,
            clock: random.next() as u32,
            sleeps: random.chance(60),
            wake: 0,
            sent: 0,
            expiring: vec![],
            next: 0,
        }
    }

    fn at(&self, now: u64) -> u32 {
        (now as u32).wrapping_add(self.clock)
    }

    fn is_done(&self) -> bool {
        of(self.side.kcp).waitsnd() == 0
    }

    fn send(&mut self, random: &mut Random) {
        if of(self.side.kcp).waitsnd() > 100 {
            return;
        }
        let mut message = self.sent.to_le_bytes().to_vec();
        message.resize(4 + random.below(120) as usize, 0);
        let sent = if random.chance(30) {
            self.expiring.push(self.sent);
            let ms = pick(random, &[0, 20, 100, 1_000, 100_000_000]);
            self.side.send_until(&message, ms)
        } else {
            self.side.send(&message)
        };
        assert!(sent >= 0);
        self.sent += 1;
    }

    fn drive(&mut self, now: u64) {
        if !self.sleeps {
            self.side.update(now.wrapping_add(self.clock.into()));
        } else if self.wake <= now {
            // A retransmission may be due once more at the same time, and may make room for a message.
            for _ in 0..3 {
                of(self.side.kcp).update_due(self.at(now));
                if self.wait(now) > 0 {
                    break;
                }
            }
            // At half a circle two times come before each other, for a millisecond.
            assert!(self.wait(now) + self.wait(now + 1) > 0, "it spins");
        }
    }

    fn wait(&self, now: u64) -> u32 {
        let at = self.at(now);
        of(self.side.kcp).next_due(at).wrapping_sub(at)
    }

    /// Takes the messages that have come from `peer`.
    fn take(&mut self, peer: &End) {
        while let Some(message) = self.side.recv() {
            if message == STUB {
                continue;
            }
            let number = u32::from_le_bytes(*message.first_chunk().expect("a number"));
            assert!((self.next..peer.sent).contains(&number));
            self.miss(number, peer);
            self.next = number + 1;
        }
    }

    /// The messages up to `number` have not come.
    fn miss(&self, number: u32, peer: &End) {
        let expired = (self.next..number).all(|n| peer.expiring.contains(&n));
        assert!(expired, "a message is missing");
    }
}

struct Play<'a> {
    random: &'a mut Random,
    ends: [End; 2],
    /// By arrival, then by order of sending: to which end.
    packets: BTreeMap<(u64, u64), (usize, Vec<u8>)>,
    sent: u64,
    delay: u64,
    /// Percent, while the programs send.
    loss: u64,
    now: u64,
}

impl Play<'_> {
    fn jump(&mut self, id: usize) {
        let by = pick(self.random, &JUMP) + self.random.below(300) as u32;
        let by = if self.random.chance(30) {
            by.wrapping_neg()
        } else {
            by
        };
        println!("{}: clock {id} jumps by {by}", self.now);
        let end = &mut self.ends[id];
        end.clock = end.clock.wrapping_add(by);
    }

    fn step(&mut self) {
        for id in 0..2 {
            if self.now < JUMPS && self.random.below(1000) < 4 {
                self.jump(id);
            }
            let end = &mut self.ends[id];
            if end.sleeps {
                of(end.side.kcp).current.set(end.at(self.now));
            }
            if self.now < SENDS && self.random.below(1000) < 50 {
                end.send(self.random);
            }
            end.wake = end.wake.min(self.now + u64::from(end.wait(self.now)));
            end.drive(self.now);
            let packets = end.side.packets();
            assert!(packets.len() <= MOST, "{} packets", packets.len());
            for packet in packets {
                if self.now >= SENDS || !self.random.chance(self.loss) {
                    self.sent += 1;
                    let at = (self.now + self.delay, self.sent);
                    self.packets.insert(at, (1 - id, packet));
                }
            }
        }
        while let Some(first) = self.packets.first_entry()
            && first.key().0 <= self.now
        {
            let (to, packet) = first.remove();
            self.ends[to].side.input(&packet);
        }
        let [a, b] = &mut self.ends;
        a.take(b);
        b.take(a);
        for end in &mut self.ends {
            end.wake = self.now + u64::from(end.wait(self.now));
        }
        self.now += 1;
    }
}

fn play(random: &mut Random) {
    heap::install();
    let before = (heap::blocks(), heap::bytes());
    let mut session = Play {
        ends: [End::new(random), End::new(random)],
        packets: BTreeMap::new(),
        sent: 0,
        delay: pick(random, &[1, 10, 50]),
        loss: pick(random, &[0, 0, 5, 20]),
        now: 0,
        random,
    };
    while session.now < SENDS {
        session.step();
    }
    if session.loss > 0 {
        for end in &session.ends {
            of(end.side.kcp).update_due(end.at(session.now));
            of(end.side.kcp).path_changed();
        }
    }
    while !session.ends.iter().all(End::is_done) {
        session.step();
        assert!(session.now < OVER, "something does not arrive");
    }
    for _ in 0..500 {
        session.step();
    }
    let [a, b] = &session.ends;
    for (end, peer) in [(a, b), (b, a)] {
        end.miss(peer.sent, peer);
        assert_eq!(end.wait(session.now), NEVER, "nothing is left to do");
    }
    println!("over at {}", session.now);
    drop(session);
    assert_eq!((heap::blocks(), heap::bytes()), before, "memory is left");
}

#[test]
fn whatever_the_clocks_do_what_is_sent_arrives() {
    for_seeds(40, play);
}

#[test]
#[ignore = "long"]
fn whatever_the_clocks_do_in_many_sessions_what_is_sent_arrives() {
    for_seeds(3000, play);
}
