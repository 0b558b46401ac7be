//! Sessions with one planted fault each, in virtual time, and the captures that they leave.

use std::cell::Cell;
use std::collections::{BTreeMap, HashMap, VecDeque};

use crate::doctor::capture::{self, PORTS, Passing};
use crate::endpoint::{Endpoint, Mode, millis};
use crate::link::{Config, Fate, Link, Loss, Micros, Pipe, UDP_IP_HEADERS};
use crate::session::{CLIENT, SERVER, TICK, message};
use crate::testing;
use crate::trace::{self, Acknowledgement, Cause, Trace, Transmission};
use crate::wire::{COMMAND_ACK, COMMAND_PUSH, Header, after, headers};

/// A session in which the client sends and the server receives. The default has no fault.
#[derive(Clone, Copy)]
pub struct Plan {
    pub modes: [&'static str; 2],
    /// Send and receive window of each end.
    pub windows: [(i32, i32); 2],
    pub links: [Config; 2],
    pub mtu: i32,
    pub stream: bool,
    pub size: usize,
    /// Of every eighth message, if not 0.
    pub large: usize,
    /// Between the messages of the server, if not 0.
    pub answers: Micros,
    /// Between messages; 0 keeps the send queue full.
    pub every: Micros,
    pub length: Micros,
    /// The client's clock, and whether it sends; whether the server reads.
    pub clock: &'static dyn Fn(Micros) -> u32,
    /// The server's clock, where it is another one.
    pub peer_clock: Option<&'static dyn Fn(Micros) -> u32>,
    pub sends: &'static dyn Fn(Micros) -> bool,
    pub reads: &'static dyn Fn(Micros) -> bool,
    /// Whether the client's program does anything; what it would have sent it sends later.
    pub runs: &'static dyn Fn(Micros) -> bool,
    /// What the link drops beside what it is asked to: by time, side, and packet.
    pub drops: &'static dyn Fn(Micros, usize, &[u8]) -> bool,
    /// When the server begins anew.
    pub restart: Option<Micros>,
    /// Another client that uses the same conv, from this port.
    pub second: Option<u16>,
    /// From when on, and whether it sends the same bytes at the same times, behind an address that gives it no answers.
    pub second_from: Micros,
    pub second_alike: bool,
}

pub const LINK: Config = Config {
    jitter: 8_000,
    loss: Loss::Random(0.01),
    ..Config::plain(30_000)
};

/// The same, losing this share of the packets.
pub fn lossy(share: f64) -> Config {
    Config {
        loss: Loss::Random(share),
        ..LINK
    }
}

/// Lets so many bytes of the client through in a second, and so many at once; it drops what is above that.
pub fn policer(rate: u64, burst: u64) -> &'static dyn Fn(Micros, usize, &[u8]) -> bool {
    let room = Cell::new((0, burst as f64));
    Box::leak(Box::new(move |now, side, packet: &[u8]| {
        if side != CLIENT {
            return false;
        }
        let (then, left) = room.get();
        let left = (left + (now - then) as f64 * rate as f64 / 1e6).min(burst as f64);
        let passes = left >= packet.len() as f64;
        let spent = if passes { packet.len() as f64 } else { 0.0 };
        room.set((now, left - spent));
        !passes
    }))
}

impl Default for Plan {
    fn default() -> Plan {
        Plan {
            modes: ["turbo", "turbo"],
            windows: [(256, 256), (256, 256)],
            links: [LINK, LINK],
            mtu: 1400,
            stream: false,
            size: 400,
            large: 0,
            answers: 0,
            every: 15_000,
            length: 20_000_000,
            clock: &millis,
            peer_clock: None,
            sends: &|_| true,
            reads: &|_| true,
            runs: &|_| true,
            drops: &|_, _, _| false,
            restart: None,
            second: None,
            second_from: 0,
            second_alike: false,
        }
    }
}

fn endpoint(plan: &Plan, side: usize, first: Micros) -> Endpoint {
    let mode: Mode = plan.modes[side].parse().unwrap();
    let (send, receive) = plan.windows[side];
    let mut end = Endpoint::new(testing::library(), 0x1122_3344, &mode, 128, first).unwrap();
    end.set_windows(send, receive);
    end.kcp.setmtu(plan.mtu);
    end.kcp.stream(plan.stream);
    end
}

/// What happened in a session.
pub struct Played {
    /// What passes each end.
    pub seen: [Vec<Passing>; 2],
    /// What the first client sent, and what the server acknowledged.
    pub trace: Trace,
    /// How long each message took that the server's program got, and the bytes of all.
    pub took: Vec<Micros>,
    pub bytes: usize,
}

/// What lies between the ends, and what is written down there.
struct Between<'a> {
    plan: &'a Plan,
    pipes: [Pipe<(u16, Vec<u8>)>; 2],
    flushes: [bool; 2],
    seen: [Vec<Passing>; 2],
    trace: Trace,
    /// What the timers of the first client's segments were set to.
    timers: HashMap<u32, u32>,
}

impl Between<'_> {
    /// Takes the packets of one end.
    fn emit(&mut self, end: &mut Endpoint, index: usize, now: Micros) {
        let side = usize::from(index == SERVER);
        let port = match index {
            2 => self.plan.second.unwrap_or(PORTS[0]),
            _ => PORTS[0],
        };
        let mut emitted = Vec::new();
        end.emit(|packet| emitted.push(packet.to_vec()));
        let is_push = |header: &Header| header.command == COMMAND_PUSH;
        let buffer = match index == CLIENT
            && emitted
                .iter()
                .any(|one| headers(one).any(|one| is_push(&one)))
        {
            true => trace::send_buffer(end),
            false => BTreeMap::new(),
        };
        let current = end.kcp.fields().current;
        for packet in emitted {
            let whole = packet.len() + UDP_IP_HEADERS;
            let fate = match (self.plan.drops)(now, side, &packet) {
                true => Fate::Lost(crate::link::Cause::Noise),
                false => self.pipes[side].push(now, (port, packet.clone()), whole),
            };
            match index {
                // Its timer had run out, or it had not.
                CLIENT => {
                    for sn in headers(&packet).filter(is_push).map(|header| header.sn) {
                        let Some((seen, rto)) = buffer.get(&sn) else {
                            continue;
                        };
                        let cause = match self.timers.insert(sn, seen.resendts) {
                            None => Cause::First,
                            Some(timer) if !after(timer, current) => Cause::Timeout,
                            Some(_) => Cause::Fast { skips: 0 },
                        };
                        self.trace.transmissions.push(Transmission {
                            at: now,
                            sn,
                            xmit: seen.xmit,
                            cause,
                            rto: *rto,
                            fate,
                        });
                    }
                }
                SERVER => {
                    // All tell what was received in order.
                    let told = headers(&packet).map(|header| Acknowledgement {
                        at: now,
                        sn: match header.command {
                            COMMAND_ACK => header.sn,
                            _ => header.una.wrapping_sub(1),
                        },
                        una: header.una,
                        fate,
                    });
                    self.trace.acknowledgements.extend(told);
                }
                _ => {}
            }
            let arrives = match fate {
                Fate::Arrives(at) => Some(at),
                Fate::Lost(_) => None,
            };
            for (end, passes) in [(side, Some(now)), (1 - side, arrives)] {
                let packet = packet.clone();
                self.seen[end].extend(passes.map(|at| Passing {
                    at,
                    side,
                    port,
                    packet,
                }));
            }
        }
    }

    /// Where the mode asks for it, this end flushes now.
    fn flush(&mut self, end: &mut Endpoint, index: usize, now: Micros) {
        if self.flushes[usize::from(index == SERVER)] {
            end.kcp.flush();
            self.emit(end, index, now);
        }
    }
}

/// Runs it and gives what passes one end.
pub fn run(plan: &Plan, seed: u64, at_end: usize) -> Vec<Passing> {
    let [client, server] = play(plan, seed).seen;
    match at_end {
        CLIENT => client,
        _ => server,
    }
}

pub fn play(plan: &Plan, seed: u64) -> Played {
    let mut ends = vec![endpoint(plan, CLIENT, 0), endpoint(plan, SERVER, 3_000)];
    if plan.second.is_some() {
        let first = if plan.second_alike { 0 } else { 7_000 };
        ends.push(endpoint(plan, CLIENT, first));
    }
    let mut between = Between {
        plan,
        pipes: [0, 1].map(|side| Pipe::new(Link::new(plan.links[side], seed, side as u64))),
        flushes: plan.modes.map(|mode| mode.parse::<Mode>().unwrap().flush),
        seen: Default::default(),
        trace: Trace::default(),
        timers: HashMap::new(),
    };
    // When each message of the first client was sent, and the bytes up to its end.
    let mut messages: VecDeque<(Micros, usize)> = VecDeque::new();
    let (mut given, mut bytes, mut took) = (0, 0, Vec::new());
    let mut sent = 0;
    let mut restarted = false;
    let mut buffer = vec![0; 1 << 20];
    let mut now = 0;
    while now < plan.length {
        if !restarted && plan.restart.is_some_and(|at| now >= at) {
            ends[SERVER] = endpoint(plan, SERVER, now);
            restarted = true;
        }
        let runs = (plan.runs)(now);
        for (index, end) in ends.iter_mut().enumerate() {
            let clock = match plan.peer_clock {
                Some(clock) if index == SERVER => clock,
                _ => plan.clock,
            };
            if end.is_due(now) && (runs || index == SERVER) {
                end.kcp.update(clock(now));
            }
        }
        while runs
            && (plan.sends)(now)
            && match plan.every {
                0 => ends[CLIENT].kcp.waitsnd() < 2 * plan.windows[CLIENT].0,
                every => every * sent <= now,
            }
        {
            for client in [CLIENT, 2] {
                if client == 2 && now < plan.second_from {
                    continue;
                }
                if let Some(end) = ends.get_mut(client) {
                    let size = if plan.large > 0 && sent % 8 == 7 {
                        plan.large
                    } else {
                        plan.size
                    };
                    let one = if plan.second_alike { 0 } else { client };
                    let bytes = message(sent as usize * 3 + one, size);
                    assert!(end.kcp.send(&bytes) >= 0);
                    between.flush(end, client, now);
                    if client == CLIENT {
                        given += bytes.len();
                        messages.push_back((now, given));
                    }
                }
            }
            sent += 1;
        }
        if plan.answers > 0 && now % plan.answers == 0 {
            assert!(ends[SERVER].kcp.send(b"how are you?") >= 0);
        }
        if !(plan.sends)(now) && plan.every > 0 {
            sent = sent.max(now / plan.every);
        }
        for (index, end) in ends.iter_mut().enumerate() {
            between.emit(end, index, now);
        }
        while let Some((_, packet)) = between.pipes[CLIENT].pop(now) {
            ends[SERVER].kcp.input(&packet);
            between.flush(&mut ends[SERVER], SERVER, now);
        }
        while let Some((_, packet)) = runs.then(|| between.pipes[SERVER].pop(now)).flatten() {
            for client in [CLIENT, 2] {
                if client == 2 && plan.second_alike {
                    continue;
                }
                if let Some(end) = ends.get_mut(client) {
                    end.kcp.input(&packet);
                    between.flush(end, client, now);
                }
            }
        }
        if (plan.reads)(now) {
            while let Ok(length) = usize::try_from(ends[SERVER].kcp.recv(&mut buffer)) {
                bytes += length;
            }
            while messages.front().is_some_and(|(_, end)| *end <= bytes) {
                took.extend(messages.pop_front().map(|(at, _)| now - at));
            }
        }
        while ends[CLIENT].kcp.recv(&mut buffer) >= 0 {}
        now += TICK;
    }
    let Between {
        mut seen, trace, ..
    } = between;
    seen.iter_mut()
        .for_each(|seen| seen.sort_by_key(|one| one.at));
    Played {
        seen,
        trace,
        took,
        bytes,
    }
}

pub fn capture(plan: &Plan, seed: u64, at_end: usize) -> Vec<u8> {
    file(&run(plan, seed, at_end))
}

/// What a capture of these packets has in its file.
pub fn file(packets: &[Passing]) -> Vec<u8> {
    let mut bytes = Vec::new();
    capture::write(&mut bytes, packets).unwrap();
    bytes
}
