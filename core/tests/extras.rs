//! A connection that uses what `ikcpx.h` has besides congestion control, with a peer that does not, over a bad network, in
//! virtual time.
//!
//! Everything arrives, and each counter equals what the test has counted in the packets. The peer is this crate, or the library
//! that `IKCP_PEER=path` names, such as a build of the original: the test uses only its functions, so its layout does not matter.
//! `IKCP_SEED=n` repeats one seed.
#![cfg(all(feature = "extensions", not(miri)))]

mod common;

use std::cell::Cell;
use std::collections::{HashMap, HashSet, VecDeque};
use std::ffi::{c_char, c_int, c_long, c_void};
use std::sync::OnceLock;

use common::foreign::Library;
use common::heap;
use common::link::{Link, Weather};
use common::object::{Outbox, output};
use common::random::Random;
use common::seeds::for_seeds;
use ikcp_core::{Datagram, Header, IKCPCB, IKCPX_STATS, Kcp, Sink, Source};

const PUSH: u8 = 81;
const ACK: u8 = 82;
const WASK: u8 = 83;
const WINS: u8 = 84;

/// How long the network is bad, ms of virtual time.
const BAD: u64 = 8_000;

type Output = unsafe extern "C" fn(*const c_char, c_int, *mut IKCPCB, *mut c_void) -> c_int;

macro_rules! functions {
    ($($name:ident: fn($($type:ty),*) -> $result:ty = $ours:expr;)+) => {
        /// The functions of a library.
        struct Functions {
            $($name: unsafe extern "C" fn($($type),*) -> $result,)+
        }

        impl Functions {
            fn ours() -> Functions {
                Functions { $($name: $ours,)+ }
            }

            /// The library at `path`.
            fn of(path: &str) -> Functions {
                let library = Library::open(path);
                let find = |name: &str| {
                    let found = library.find(name);
                    assert!(!found.is_null(), "{name:?} is missing");
                    found
                };
                // SAFETY: the library is what the caller of the test says, and its functions have these types.
                unsafe {
                    Functions {
                        $($name: std::mem::transmute::<*mut c_void, unsafe extern "C" fn($($type),*) -> $result>(
                            find(stringify!($name)),
                        ),)+
                    }
                }
            }
        }
    };
}

/// A handle on an object of ours.
fn of<'a>(kcp: *mut IKCPCB) -> Kcp<'a> {
    // SAFETY: `Side` keeps its object until it is dropped.
    unsafe { Kcp::from_ptr(kcp) }.expect("an object")
}

unsafe extern "C" fn create(conv: u32, user: *mut c_void) -> *mut IKCPCB {
    Kcp::create(conv, user)
}
unsafe extern "C" fn release(kcp: *mut IKCPCB) {
    of(kcp).release();
}
unsafe extern "C" fn setoutput(kcp: *mut IKCPCB, output: Option<Output>) {
    of(kcp).set_output(output);
}
unsafe extern "C" fn recv(kcp: *mut IKCPCB, buffer: *mut c_char, len: c_int) -> c_int {
    // SAFETY: the caller's promise.
    of(kcp).recv(unsafe { Sink::new(buffer) }, len)
}
unsafe extern "C" fn send(kcp: *mut IKCPCB, buffer: *const c_char, len: c_int) -> c_int {
    // SAFETY: the caller's promise.
    of(kcp).send(unsafe { Source::new(buffer) }, len)
}
unsafe extern "C" fn update(kcp: *mut IKCPCB, current: u32) {
    of(kcp).update(current);
}
unsafe extern "C" fn input(kcp: *mut IKCPCB, data: *const c_char, size: c_long) -> c_int {
    // SAFETY: the caller's promise.
    of(kcp).input(unsafe { Datagram::new(data, size) })
}
unsafe extern "C" fn peeksize(kcp: *mut IKCPCB) -> c_int {
    of(kcp).peeksize()
}
unsafe extern "C" fn setmtu(kcp: *mut IKCPCB, mtu: c_int) -> c_int {
    of(kcp).setmtu(mtu)
}
unsafe extern "C" fn wndsize(kcp: *mut IKCPCB, snd: c_int, rcv: c_int) -> c_int {
    of(kcp).wndsize(snd, rcv)
}
unsafe extern "C" fn nodelay(kcp: *mut IKCPCB, a: c_int, b: c_int, c: c_int, d: c_int) -> c_int {
    of(kcp).nodelay(a, b, c, d)
}

functions! {
    ikcp_create: fn(u32, *mut c_void) -> *mut IKCPCB = create;
    ikcp_release: fn(*mut IKCPCB) -> () = release;
    ikcp_setoutput: fn(*mut IKCPCB, Option<Output>) -> () = setoutput;
    ikcp_recv: fn(*mut IKCPCB, *mut c_char, c_int) -> c_int = recv;
    ikcp_send: fn(*mut IKCPCB, *const c_char, c_int) -> c_int = send;
    ikcp_update: fn(*mut IKCPCB, u32) -> () = update;
    ikcp_input: fn(*mut IKCPCB, *const c_char, c_long) -> c_int = input;
    ikcp_peeksize: fn(*mut IKCPCB) -> c_int = peeksize;
    ikcp_setmtu: fn(*mut IKCPCB, c_int) -> c_int = setmtu;
    ikcp_wndsize: fn(*mut IKCPCB, c_int, c_int) -> c_int = wndsize;
    ikcp_nodelay: fn(*mut IKCPCB, c_int, c_int, c_int, c_int) -> c_int = nodelay;
}

fn ours() -> &'static Functions {
    static OURS: OnceLock<Functions> = OnceLock::new();
    OURS.get_or_init(Functions::ours)
}

fn peer() -> &'static Functions {
    static PEER: OnceLock<Functions> = OnceLock::new();
    PEER.get_or_init(|| match std::env::var("IKCP_PEER") {
        Ok(path) => Functions::of(&path),
        Err(_) => Functions::ours(),
    })
}

/// One end, driven through the functions of its library.
struct Side {
    kcp: *mut IKCPCB,
    by: &'static Functions,
    out: Outbox,
}

impl Side {
    fn new(by: &'static Functions, mtu: u32, windows: [c_int; 2], modes: [c_int; 4]) -> Side {
        let out = Outbox::new();
        // SAFETY: the functions of a library, with valid arguments.
        unsafe {
            let kcp = (by.ikcp_create)(7, out.user());
            (by.ikcp_setoutput)(kcp, Some(output));
            assert_eq!((by.ikcp_setmtu)(kcp, mtu.cast_signed()), 0);
            (by.ikcp_wndsize)(kcp, windows[0], windows[1]);
            let [a, b, c, d] = modes;
            (by.ikcp_nodelay)(kcp, a, b, c, d);
            Side { kcp, by, out }
        }
    }

    fn send(&self, message: &[u8]) -> c_int {
        let len = message.len() as c_int;
        // SAFETY: as above.
        unsafe { (self.by.ikcp_send)(self.kcp, message.as_ptr().cast(), len) }
    }

    fn input(&self, packet: &[u8]) {
        let len = packet.len() as c_long;
        // SAFETY: as above.
        let answer = unsafe { (self.by.ikcp_input)(self.kcp, packet.as_ptr().cast(), len) };
        assert_eq!(answer, 0);
    }

    fn recv(&self) -> Option<Vec<u8>> {
        // SAFETY: as above.
        unsafe {
            let size = (self.by.ikcp_peeksize)(self.kcp);
            let mut message = vec![0; usize::try_from(size).ok()?];
            let taken = (self.by.ikcp_recv)(self.kcp, message.as_mut_ptr().cast(), size);
            assert_eq!(taken, size);
            Some(message)
        }
    }

    fn update(&self, now: u64) {
        // SAFETY: as above.
        unsafe { (self.by.ikcp_update)(self.kcp, now as u32) }
    }

    fn packets(&self) -> Vec<Vec<u8>> {
        self.out.take()
    }
}

impl Drop for Side {
    fn drop(&mut self) {
        // SAFETY: nothing uses the object any more, and its callbacks keep the list alive.
        unsafe {
            (self.by.ikcp_release)(self.kcp);
        }
    }
}

fn segments(packet: &[u8]) -> Vec<Header> {
    let mut found = Vec::new();
    let mut rest = packet;
    while let Some((raw, behind)) = rest.split_first_chunk() {
        let header = Header::parse(raw);
        rest = &behind[header.len as usize..];
        found.push(header);
    }
    found
}

pub fn stats(kcp: *mut IKCPCB) -> IKCPX_STATS {
    let mut stats = std::mem::MaybeUninit::<IKCPX_STATS>::uninit();
    // SAFETY: the struct has its size, and all of it is filled.
    unsafe {
        assert_eq!(
            of(kcp).stats(stats.as_mut_ptr(), size_of::<IKCPX_STATS>()),
            0
        );
        stats.assume_init()
    }
}

/// What the test counts in the packets.
#[derive(Debug, Default, PartialEq, Eq)]
struct Count {
    packets_sent: u64,
    bytes_sent: u64,
    packets_received: u64,
    bytes_received: u64,
    segments_sent: u64,
    resent: u64,
    acks_sent: u64,
    probes_sent: u64,
    windows_sent: u64,
    segments_received: u64,
    duplicates_received: u64,
    acks_received: u64,
    probes_received: u64,
    windows_received: u64,
}

/// All transmissions of a segment, by their times, and those that have arrived.
#[derive(Default)]
struct Transmissions {
    left: Vec<u32>,
    arrived: HashSet<u32>,
}

#[derive(Default)]
struct Wire {
    count: Count,
    transmissions: HashMap<u32, Transmissions>,
    received: HashSet<u32>,
}

impl Wire {
    fn sent(&mut self, packet: &[u8]) {
        self.count.packets_sent += 1;
        self.count.bytes_sent += packet.len() as u64;
        for header in segments(packet) {
            let count = &mut self.count;
            match header.cmd {
                PUSH => {
                    let all = self.transmissions.entry(header.sn).or_default();
                    match all.left.is_empty() {
                        true => count.segments_sent += 1,
                        false => count.resent += 1,
                    }
                    all.left.push(header.ts);
                }
                ACK => count.acks_sent += 1,
                WASK => count.probes_sent += 1,
                WINS => count.windows_sent += 1,
                other => panic!("command {other}"),
            }
        }
    }

    /// A packet of this side has reached the peer.
    fn arrived(&mut self, packet: &[u8]) {
        for header in segments(packet).iter().filter(|header| header.cmd == PUSH) {
            let all = self.transmissions.get_mut(&header.sn).expect("was sent");
            all.arrived.insert(header.ts);
        }
    }

    fn received(&mut self, packet: &[u8]) {
        self.count.packets_received += 1;
        self.count.bytes_received += packet.len() as u64;
        for header in segments(packet) {
            let count = &mut self.count;
            match header.cmd {
                PUSH if self.received.insert(header.sn) => count.segments_received += 1,
                PUSH => count.duplicates_received += 1,
                ACK => count.acks_received += 1,
                WASK => count.probes_received += 1,
                _ => count.windows_received += 1,
            }
        }
    }

    /// Retransmissions of segments of which an earlier transmission has arrived.
    fn needless(&self) -> u64 {
        let behind_the_first = |all: &Transmissions| {
            let first = all.left.iter().position(|ts| all.arrived.contains(ts));
            first.map_or(0, |first| all.left.len() - 1 - first) as u64
        };
        self.transmissions.values().map(behind_the_first).sum()
    }

    fn compare(&self, stats: &IKCPX_STATS) {
        let resent =
            stats.resent_timeout.get() + stats.resent_skipped.get() + stats.resent_path.get();
        let counted = Count {
            packets_sent: stats.packets_sent.get(),
            bytes_sent: stats.bytes_sent.get(),
            packets_received: stats.packets_received.get(),
            bytes_received: stats.bytes_received.get(),
            segments_sent: stats.segments_sent.get(),
            resent,
            acks_sent: stats.acks_sent.get(),
            probes_sent: stats.probes_sent.get(),
            windows_sent: stats.windows_sent.get(),
            segments_received: stats.segments_received.get(),
            duplicates_received: stats.duplicates_received.get(),
            acks_received: stats.acks_received.get(),
            probes_received: stats.probes_received.get(),
            windows_received: stats.windows_received.get(),
        };
        assert_eq!(counted, self.count, "left: told; right: on the wire");
        assert_eq!(stats.packets_refused.get(), 0);
    }
}

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
}

thread_local! {
    static DEAD: Cell<u32> = const { Cell::new(0) };
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

        let mut links = [Link::new(&self.weather), Link::new(&self.weather)];
        let mut wire = Wire::default();
        let mut left = self.messages;
        let mut due = [VecDeque::<Vec<u8>>::new(), VecDeque::new()];
        let mut changes = self.changes.clone();
        let (mut wake, mut payload, mut now) = (0, 0, 0);
        // Clocks begin at any time.
        let start = random.below(1 << 32);
        let at = |now: u64| (start + now) as u32;
        loop {
            for (id, side) in [&us, &it].into_iter().enumerate() {
                while left[id] > 0 && random.chance(20) {
                    let len = 1 + random.below(self.longest) as usize;
                    let message: Vec<u8> = (0..len).map(|_| random.next() as u8).collect();
                    if id == 0 && of(us.kcp).waitsnd() > 500 {
                        break;
                    }
                    left[id] -= 1;
                    let sent = side.send(&message);
                    if sent == -3 {
                        assert!(id == 0 && self.large);
                        continue;
                    }
                    assert!(sent >= 0, "send gave {sent}");
                    payload += if id == 0 { message.len() as u64 } else { 0 };
                    due[id].push_back(message);
                }
            }
            while changes.first().is_some_and(|change| *change <= now) {
                changes.remove(0);
                of(us.kcp).path_changed();
            }
            it.update(start + now);
            match self.drive {
                Drive::Next if now >= wake => {
                    let told = DEAD.get();
                    let timed = of(us.kcp).next_due(at(now)) == at(now);
                    of(us.kcp).update_due(at(now));
                    let sends = !us.out.is_empty();
                    // The first update sets the clock; an update that finds the window closed begins to wait for a probe.
                    let needed = now == 0 || of(us.kcp).rmt_wnd.get() == 0 || DEAD.get() > told;
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
                Session::take(&it, &mut due[0], self.stream);
            }
            Session::take(&us, &mut due[1], false);
            let state = stats(us.kcp);
            wire.compare(&state);
            assert!(state.bytes_delivered.get() <= payload);

            let quiet = of(us.kcp).waitsnd() == 0 && links.iter().all(|link| link.next().is_none());
            if left == [0, 0] && due.iter().all(VecDeque::is_empty) && quiet {
                assert_eq!(state.bytes_delivered.get(), payload);
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

    /// Takes what has arrived, which must be what was sent.
    fn take(side: &Side, due: &mut VecDeque<Vec<u8>>, stream: bool) {
        while let Some(message) = side.recv() {
            if !stream {
                assert_eq!(due.pop_front().as_ref(), Some(&message));
                continue;
            }
            for byte in message {
                let first = due.front_mut().expect("more was delivered than sent");
                assert_eq!(first.remove(0), byte);
                if first.is_empty() {
                    due.pop_front();
                }
            }
        }
    }
}

fn pick<T: Clone>(random: &mut Random, from: &[T]) -> T {
    from[random.below(from.len() as u64) as usize].clone()
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
