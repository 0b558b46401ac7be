//! Sessions with one planted fault each, in virtual time, and the captures that they leave.

use crate::doctor::capture::{self, PORTS, Passing};
use crate::endpoint::{Endpoint, Mode, millis};
use crate::link::{Config, Fate, Link, Loss, Micros, Pipe, UDP_IP_HEADERS};
use crate::session::{CLIENT, SERVER, TICK, message};
use crate::testing;

/// A session in which the client sends and the server receives. The default has no fault.
pub struct Plan {
    pub modes: [&'static str; 2],
    /// Send and receive window of each end.
    pub windows: [(i32, i32); 2],
    pub links: [Config; 2],
    pub mtu: i32,
    pub size: usize,
    /// Of every eighth message, if not 0.
    pub large: usize,
    /// Between the messages of the server, if not 0.
    pub answers: Micros,
    /// Between messages; 0 keeps the send queue full.
    pub every: Micros,
    pub length: Micros,
    /// The client's clock, and whether it sends; whether the server reads.
    pub clock: fn(Micros) -> u32,
    /// The server's clock, where it is another one.
    pub peer_clock: Option<fn(Micros) -> u32>,
    pub sends: fn(Micros) -> bool,
    pub reads: fn(Micros) -> bool,
    /// What the link drops beside what it is asked to: by time, side, and packet.
    pub drops: fn(Micros, usize, &[u8]) -> bool,
    /// When the server begins anew.
    pub restart: Option<Micros>,
    /// Another client that uses the same conv, from this port.
    pub second: Option<u16>,
    /// From when on, and whether it sends the same bytes at the same times, behind an address that gives it no answers.
    pub second_from: Micros,
    pub second_alike: bool,
}

pub const LINK: Config = Config {
    delay: 30_000,
    jitter: 8_000,
    loss: Loss::Random(0.01),
    reorder: 0.0,
    reorder_by: 0,
    bandwidth: None,
    queue: 0,
};

impl Default for Plan {
    fn default() -> Plan {
        Plan {
            modes: ["turbo", "turbo"],
            windows: [(256, 256), (256, 256)],
            links: [LINK, LINK],
            mtu: 1400,
            size: 400,
            large: 0,
            answers: 0,
            every: 15_000,
            length: 20_000_000,
            clock: millis,
            peer_clock: None,
            sends: |_| true,
            reads: |_| true,
            drops: |_, _, _| false,
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
    end.kcp.wndsize(send, receive);
    end.kcp.setmtu(plan.mtu);
    end
}

/// Runs it and gives what passes one end.
pub fn run(plan: &Plan, seed: u64, at_end: usize) -> Vec<Passing> {
    let mut ends = vec![endpoint(plan, CLIENT, 0), endpoint(plan, SERVER, 3_000)];
    if plan.second.is_some() {
        let first = if plan.second_alike { 0 } else { 7_000 };
        ends.push(endpoint(plan, CLIENT, first));
    }
    let mut pipes: Vec<Pipe<(u16, Vec<u8>)>> = [0, 1]
        .map(|side| Pipe::new(Link::new(plan.links[side], seed, side as u64)))
        .into();
    let mut seen = Vec::new();
    let mut sent = 0;
    let mut restarted = false;
    let mut buffer = vec![0; 1 << 20];
    let mut now = 0;
    while now < plan.length {
        if !restarted && plan.restart.is_some_and(|at| now >= at) {
            ends[SERVER] = endpoint(plan, SERVER, now);
            restarted = true;
        }
        for (index, end) in ends.iter_mut().enumerate() {
            let clock = match plan.peer_clock {
                Some(clock) if index == SERVER => clock,
                _ => plan.clock,
            };
            if end.is_due(now) {
                end.kcp.update(clock(now));
            }
        }
        while (plan.sends)(now)
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
            let side = usize::from(index == SERVER);
            let port = match index {
                2 => plan.second.unwrap_or(PORTS[0]),
                _ => PORTS[0],
            };
            end.emit(|packet| {
                let whole = packet.len() + UDP_IP_HEADERS;
                let fate = match (plan.drops)(now, side, packet) {
                    true => None,
                    false => match pipes[side].push(now, (port, packet.to_vec()), whole) {
                        Fate::Arrives(at) => Some(at),
                        Fate::Lost(_) => None,
                    },
                };
                let passes = if side == at_end { Some(now) } else { fate };
                if let Some(at) = passes {
                    seen.push(Passing {
                        at,
                        side,
                        port,
                        packet: packet.to_vec(),
                    });
                }
            });
        }
        while let Some((_, packet)) = pipes[CLIENT].pop(now) {
            ends[SERVER].kcp.input(&packet);
        }
        while let Some((_, packet)) = pipes[SERVER].pop(now) {
            for client in [CLIENT, 2] {
                if client == 2 && plan.second_alike {
                    continue;
                }
                if let Some(end) = ends.get_mut(client) {
                    end.kcp.input(&packet);
                }
            }
        }
        if (plan.reads)(now) {
            while ends[SERVER].kcp.recv(&mut buffer) >= 0 {}
        }
        while ends[CLIENT].kcp.recv(&mut buffer) >= 0 {}
        now += TICK;
    }
    seen.sort_by_key(|one| one.at);
    seen
}

pub fn capture(plan: &Plan, seed: u64, at_end: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    capture::write(&mut bytes, &run(plan, seed, at_end)).unwrap();
    bytes
}
