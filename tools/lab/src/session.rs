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
}

/// The outcome of one session.
#[derive(Debug, Clone, Default)]
pub struct Session {
    /// When each message was sent, from the start of the session.
    pub sent: Vec<Micros>,
    /// How long its echo took, in the order of sending. Echoes come in order, so the missing ones are the last.
    pub rtt: Vec<Micros>,
    pub wire: [Count; 2],
    pub broken: Option<&'static str>,
}

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
    let mut buffer = vec![0; traffic.size.max(64)];
    let mut now = start;
    let sending_ends = start + phase + traffic.every * traffic.messages as u64;
    while session.rtt.len() < traffic.messages
        && now < sending_ends + traffic.patience
        && !interrupt::requested()
    {
        pair.update(now);
        while session.sent.len() < traffic.messages
            && start + phase + traffic.every * session.sent.len() as u64 <= now
        {
            pair.send(CLIENT, now, &message(session.sent.len(), traffic.size))?;
            session.sent.push(now - start);
        }
        pair.deliver(now);
        while let Some(length) = pair.receive(SERVER, &mut buffer) {
            pair.send(SERVER, now, &buffer[..length])?;
        }
        while let Some(length) = pair.receive(CLIENT, &mut buffer) {
            let index = session.rtt.len();
            if buffer[..length] != message(index, traffic.size) {
                bail!("the echo of message {index} is not what was sent");
            }
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
