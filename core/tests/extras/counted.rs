//! Sessions with everything of `ikcpx.h` besides congestion control. Each counter equals what the test has counted in the packets.

use std::cell::Cell;
use std::ffi::{c_int, c_void};

use crate::common::heap;
use crate::common::link::{Link, Weather};
use crate::common::random::Random;
use crate::common::seeds::for_seeds;
use crate::due::Due;
use crate::pick;
use crate::side::{Side, of, ours, peer, stats};
use crate::wire::Wire;
use ikcp_core::{IKCPCB, IKCPX_STATS};

/// How long the network is bad, ms of virtual time.
const BAD: u64 = 8_000;

/// How our side is driven.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Drive {
    /// `ikcp_update`, each interval.
    Interval,
    /// The same, and `ikcp_flush` after each call.
    Flush,
    /// `ikcpx_next` and `ikcpx_update`.
    Next,
}

struct Session {
    drive: Drive,
    weather: Weather,
    mtu: u32,
    /// Send and receive window of ours, and of the peer.
    windows: [[c_int; 2]; 2],
    modes: [[c_int; 4]; 2],
    stream: bool,
    /// Messages that each side sends, and the longest of them in bytes.
    messages: [u32; 2],
    longest: u64,
    large: bool,
    /// When the peer does not read, ms.
    pause: std::ops::Range<u64>,
    /// When the path changes, ms.
    changes: Vec<u64>,
    /// Half of our messages expire after so long, ms, and those in flight then become these bytes.
    expiry: Option<(c_int, Option<Vec<u8>>)>,
    redundancy: u32,
}

thread_local! {
    static DEAD: Cell<u64> = const { Cell::new(0) };
}

unsafe extern "C" fn dead(_kcp: *mut IKCPCB, _user: *mut c_void) {
    DEAD.set(DEAD.get() + 1);
}

impl Session {
    /// Plays the session. Returns the counters at its end, and what the test has counted.
    fn play(&self, random: &mut Random) -> (IKCPX_STATS, Wire) {
        heap::install();
        let us = Side::new(ours(), self.mtu, self.windows[0], self.modes[0]);
        let it = Side::new(peer(), self.mtu, self.windows[1], self.modes[1]);
        of(us.kcp).stream.set(self.stream.into());
        stats(us.kcp);
        assert_eq!(of(us.kcp).large_messages(self.large), 0);
        assert_eq!(of(us.kcp).backoff_limit(700), 0);
        assert_eq!(of(us.kcp).dead_after(5000, Some(dead)), 0);
        assert!(of(us.kcp).set_redundancy(self.redundancy));
        let (milliseconds, stub) = self.expiry.clone().unwrap_or_default();
        assert!(of(us.kcp).set_stub(stub.as_deref()));

        let mut links = [Link::new(&self.weather), Link::new(&self.weather)];
        let mut wire = Wire::default();
        let mut left = self.messages;
        let mut due = [Due::default(), Due::default()];
        let mut changes = self.changes.clone();
        let (mut wake, mut payload, mut now) = (0, 0, 0);
        // Clocks begin at any time.
        let start = random.below(1 << 32);
        let at = |now: u64| (start + now) as u32;
        loop {
            for (id, side) in [&us, &it].into_iter().enumerate() {
                while left[id] > 0 && random.chance(20) {
                    // Of eight bytes and more no two are alike, nor is one a stub.
                    let shortest = if self.expiry.is_some() { 8 } else { 1 };
                    let len = random.below(self.longest).max(shortest) as usize;
                    let message: Vec<u8> = (0..len).map(|_| random.next() as u8).collect();
                    if id == 0 && of(us.kcp).waitsnd() > 500 {
                        break;
                    }
                    left[id] -= 1;
                    let expires = id == 0 && self.expiry.is_some() && random.chance(50);
                    let sent = if expires {
                        side.send_until(&message, milliseconds)
                    } else {
                        side.send(&message)
                    };
                    if sent == -3 {
                        assert!(id == 0 && self.large);
                        continue;
                    }
                    assert!(sent >= 0, "send gave {sent}");
                    payload += if id == 0 { message.len() as u64 } else { 0 };
                    due[id].push(message, expires);
                }
            }
            while changes.first().is_some_and(|change| *change <= now) {
                changes.remove(0);
                of(us.kcp).path_changed();
            }
            it.update(start + now);
            match self.drive {
                Drive::Next if now >= wake => {
                    let told = DEAD.get() + stats(us.kcp).messages_dropped.get();
                    let timed = of(us.kcp).next_due(at(now)) == at(now);
                    of(us.kcp).update_due(at(now));
                    let sends = !us.out.is_empty();
                    // The first update sets the clock, and one that finds the window closed begins to wait for a probe. What was to be
                    // sent at once may have expired.
                    let tells = DEAD.get() + stats(us.kcp).messages_dropped.get() > told;
                    let needed = now == 0 || of(us.kcp).rmt_wnd.get() == 0 || tells;
                    assert!(sends || !timed || needed, "woken for nothing");
                    if of(us.kcp).next_due(at(now)) == at(now) {
                        // A timeout does not reset the skip count, as in the original, so the segment may be due once more.
                        of(us.kcp).update_due(at(now));
                    }
                    assert_ne!(of(us.kcp).next_due(at(now)), at(now), "it would spin");
                }
                Drive::Next => {}
                Drive::Interval => us.update(start + now),
                Drive::Flush => {
                    us.update(start + now);
                    of(us.kcp).flush();
                }
            }
            for packet in us.packets() {
                wire.sent(&packet);
                links[0].send(random, now, &packet);
            }
            for packet in it.packets() {
                links[1].send(random, now, &packet);
            }
            while let Some(packet) = links[0].receive(now) {
                wire.arrived(&packet);
                it.input(&packet);
            }
            while let Some(packet) = links[1].receive(now) {
                wire.received(&packet);
                us.input(&packet);
            }
            if !self.pause.contains(&now) {
                due[0].take(&it, self.stream, stub.as_deref());
            }
            due[1].take(&us, false, None);
            let state = stats(us.kcp);
            wire.compare(&state);
            assert!(state.bytes_delivered.get() <= payload);

            let quiet = of(us.kcp).waitsnd() == 0 && links.iter().all(|link| link.next().is_none());
            let reads = !self.pause.contains(&now);
            if left == [0, 0] && due.iter().all(Due::is_over) && quiet && reads {
                due[0].compare(&state);
                if self.expiry.is_none() {
                    assert_eq!(state.bytes_delivered.get(), payload);
                }
                assert_eq!(state.rtt_smoothed.get(), of(us.kcp).rx_srtt.get() as u32);
                return (state, wire);
            }
            if self.drive == Drive::Next {
                let wait = of(us.kcp).next_due(at(now)).wrapping_sub(at(now));
                wake = now + u64::from(wait);
            }
            now += 1;
            assert!(now < 100 * BAD, "everything should have arrived by now");
        }
    }
}

fn any_session(drive: Drive, random: &mut Random) -> Session {
    let stream = random.chance(25);
    let large = random.chance(60);
    let mtu = pick(random, &[60, 200, 1400]);
    let dark = random.below(BAD);
    let fragments = pick(random, &[1, 3, 100]);
    let modes = [
        [0, 10, 0, 0],
        [0, 40, 2, 1],
        [1, 10, 2, 1],
        [2, 20, 1, 1],
        [1, 100, 0, 0],
    ];
    Session {
        drive,
        weather: Weather {
            loss: pick(random, &[0, 1, 5, 20]),
            duplication: pick(random, &[0, 5]),
            delay: random.below(60),
            jitter: pick(random, &[0, 5, 60]),
            blackouts: Vec::from_iter(random.chance(50).then_some(dark..dark + 3000)),
            clears: BAD,
            ..Weather::default()
        },
        mtu,
        windows: [
            [pick(random, &[1, 2, 8, 32, 128, 600]), 128],
            [pick(random, &[4, 32, 256]), pick(random, &[128, 200, 256])],
        ],
        modes: [pick(random, &modes), pick(random, &modes)],
        stream,
        messages: if fragments > 10 { [8, 8] } else { [60, 60] },
        longest: u64::from(mtu - 24) * fragments,
        large,
        pause: pick(random, &[0..0, 500..9000]),
        changes: pick(random, &[vec![], vec![dark + 3000], vec![10, 20, 1000]]),
        expiry: None,
        redundancy: 0,
    }
}

fn play(drive: Drive) {
    for_seeds(10, |random| {
        for _ in 0..3 {
            let session = any_session(drive, random);
            let (stats, wire) = session.play(random);
            assert!(stats.resent_needless.get() <= wire.needless());
        }
    });
}

#[test]
fn what_is_counted_is_on_the_wire_with_an_update_each_interval() {
    play(Drive::Interval);
}

#[test]
fn what_is_counted_is_on_the_wire_with_a_flush_after_each_call() {
    play(Drive::Flush);
}

#[test]
fn what_is_counted_is_on_the_wire_with_updates_when_something_is_due() {
    play(Drive::Next);
}

/// Sessions of messages that expire.
fn play_expiring(drive: Drive) {
    let (dropped, shortened) = (Cell::new(0), Cell::new(0));
    for_seeds(10, |random| {
        for _ in 0..6 {
            let stub = vec![0xff; random.below(8) as usize];
            let any = any_session(drive, random);
            let session = Session {
                longest: pick(random, &[u64::from(any.mtu - 24), any.longest]),
                stream: false,
                expiry: Some((
                    pick(random, &[0, 30, 100, 400]),
                    random.chance(70).then_some(stub),
                )),
                // With a copy that it cannot afford it wakes for nothing.
                redundancy: pick(random, &[0, 0, 20, 100]) * u32::from(drive != Drive::Next),
                ..any
            };
            let (stats, wire) = session.play(random);
            assert!(stats.resent_needless.get() <= wire.needless());
            dropped.set(dropped.get() + stats.messages_dropped.get());
            shortened.set(shortened.get() + stats.messages_shortened.get());
        }
    });
    let (dropped, shortened) = (dropped.get(), shortened.get());
    let one_seed = std::env::var("IKCP_SEED").is_ok();
    assert!(
        one_seed || (dropped > 0 && shortened > 0),
        "{dropped} {shortened}"
    );
}

#[test]
fn what_does_not_arrive_has_expired_with_an_update_each_interval() {
    play_expiring(Drive::Interval);
}

#[test]
fn what_does_not_arrive_has_expired_with_a_flush_after_each_call() {
    play_expiring(Drive::Flush);
}

#[test]
fn what_does_not_arrive_has_expired_with_updates_when_something_is_due() {
    play_expiring(Drive::Next);
}
