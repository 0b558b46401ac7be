//! What a protocol needs to be measured in virtual time, and one session of messages at a fixed pace that are echoed: the traffic
//! of a game.

use anyhow::{Result, bail};
use kcp_cli::interrupt;

use crate::link::{Count, Micros};

pub const CLIENT: usize = 0;
pub const SERVER: usize = 1;

/// Two ends of one connection joined by an emulated link, driven in steps of virtual time.
pub trait Pair {
    /// Runs the timers of both ends.
    fn update(&mut self, now: Micros);
    /// Queues a message at one end.
    fn send(&mut self, side: usize, now: Micros, message: &[u8]) -> Result<()>;
    /// Gives both ends the packets that have arrived.
    fn deliver(&mut self, now: Micros);
    /// The next complete message at one end, written to the start of `buffer`.
    fn receive(&mut self, side: usize, buffer: &mut [u8]) -> Option<usize>;
    /// What each direction of the link has carried.
    fn wire(&self) -> [Count; 2];
    /// Why the connection can do no more, if it is broken.
    fn broken(&self) -> Option<&'static str>;
}

/// Messages of `size` bytes, one every `every`, which the server echoes.
#[derive(Debug, Clone, Copy)]
pub struct Traffic {
    pub size: usize,
    pub every: Micros,
    pub messages: usize,
    /// How long to wait for the last echoes.
    pub patience: Micros,
    /// When each message is sent, and its bytes, instead: for recorded traffic. `size` is then the largest.
    pub recorded: &'static [(Micros, usize)],
}

impl Traffic {
    /// When message `index` is sent.
    pub fn due(&self, index: usize) -> Micros {
        let recorded = self.recorded.get(index);
        recorded.map_or(self.every * index as u64, |(at, _)| *at)
    }

    /// Its bytes.
    pub fn bytes(&self, index: usize) -> usize {
        let recorded = self.recorded.get(index);
        recorded.map_or(self.size, |(_, bytes)| *bytes)
    }

    /// When the last message has been sent.
    pub fn end(&self) -> Micros {
        self.due(self.messages.saturating_sub(1)) + self.every
    }
}

/// The outcome of one session.
#[derive(Debug, Clone, Default)]
pub struct Session {
    /// When each message was sent, from the start of the session.
    pub sent: Vec<Micros>,
    /// How long its echo took, in the order of sending. Echoes come in order, so the missing ones are the last.
    pub rtt: Vec<Micros>,
    /// Bytes of what arrived; echoes are payload too.
    pub payload: usize,
    /// Where nothing is echoed: the numbers of these messages.
    pub numbers: Vec<usize>,
    /// Where nothing is echoed: messages that were sent beside the others and have expired.
    pub expired: usize,
    pub wire: [Count; 2],
    pub broken: Option<&'static str>,
}

/// The fewest bytes of a message: its number.
pub const SHORTEST: usize = 4;

/// The bytes of message `index`: its number and a pattern that depends on it.
pub fn message(index: usize, size: usize) -> Vec<u8> {
    let mut bytes: Vec<u8> = (0..size)
        .map(|at| (at as u8).wrapping_mul(31) ^ index as u8)
        .collect();
    bytes[..4].copy_from_slice(&(index as u32).to_le_bytes());
    bytes
}

/// The granularity of a session in virtual time: KCP counts in milliseconds.
pub const TICK: Micros = 1_000;

/// One session from start to the last echo, in virtual time. `phase` shifts the message clock against the protocol's.
pub fn run(pair: &mut dyn Pair, start: Micros, phase: Micros, traffic: Traffic) -> Result<Session> {
    let mut session = Session::default();
    let mut buffer = vec![0; traffic.size];
    let mut now = start;
    let sending_ends = start + phase + traffic.end();
    while session.rtt.len() < traffic.messages
        && now < sending_ends + traffic.patience
        && !interrupt::requested()
    {
        pair.update(now);
        while session.sent.len() < traffic.messages
            && start + phase + traffic.due(session.sent.len()) <= now
        {
            let index = session.sent.len();
            pair.send(CLIENT, now, &message(index, traffic.bytes(index)))?;
            session.sent.push(now - start);
        }
        pair.deliver(now);
        while let Some(length) = pair.receive(SERVER, &mut buffer) {
            pair.send(SERVER, now, &buffer[..length])?;
        }
        while let Some(length) = pair.receive(CLIENT, &mut buffer) {
            let index = session.rtt.len();
            if buffer[..length] != message(index, traffic.bytes(index)) {
                bail!("the echo of message {index} is not what was sent");
            }
            session.payload += 2 * length;
            session.rtt.push(now - start - session.sent[index]);
        }
        if let Some(reason) = pair.broken() {
            session.broken = Some(reason);
            break;
        }
        now += TICK;
    }
    session.wire = pair.wire();
    Ok(session)
}

/// The same one way, where messages may expire: `rtt` is then how old each was when the server got it, of those that it got.
/// A message of one byte stands for one that has expired.
pub fn one_way(
    pair: &mut dyn Pair,
    start: Micros,
    phase: Micros,
    traffic: Traffic,
) -> Result<Session> {
    let mut session = Session::default();
    let mut buffer = vec![0; traffic.size];
    let mut next = 0;
    let end = start + phase + traffic.end() + traffic.patience;
    for now in (start..end).step_by(TICK as usize) {
        if interrupt::requested() {
            break;
        }
        pair.update(now);
        while next < traffic.messages && start + phase + traffic.due(next) <= now {
            pair.send(CLIENT, now, &message(next, traffic.bytes(next)))?;
            next += 1;
        }
        pair.deliver(now);
        while let Some(length) = pair.receive(SERVER, &mut buffer) {
            if length < SHORTEST {
                continue;
            }
            let index = u32::from_le_bytes(buffer[..4].try_into()?) as usize;
            if index >= next || buffer[..length] != message(index, traffic.bytes(index)) {
                bail!("a message is not what was sent");
            }
            session.payload += length;
            // When it was due, which is a part of a millisecond before it was sent.
            let sent = (phase + traffic.due(index)).next_multiple_of(TICK);
            session.numbers.push(index);
            session.sent.push(sent);
            session.rtt.push(now - start - sent);
        }
    }
    session.expired = next - session.sent.len();
    session.wire = pair.wire();
    Ok(session)
}
