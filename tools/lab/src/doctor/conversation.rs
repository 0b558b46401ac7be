//! One conversation: two senders. Its first packets are kept back until they tell where between the two ends the capture was made.

use super::framing::Piece;
use super::qlog::MOST_EVENTS;
use super::sender::{MS, Sender, Time};
use crate::wire::{COMMAND_ACK, COMMAND_PUSH, Header};

/// Packets that are kept back at most.
const KEPT_BACK: usize = 2_000;

struct Packet {
    at: Time,
    side: usize,
    size: u32,
    fragmented: bool,
    pieces: Vec<Piece>,
}

#[derive(Default)]
pub struct Conversation {
    kept: Vec<Packet>,
    /// Of each end, what it sends.
    pub senders: [Sender; 2],
    ready: bool,
    /// All segments with their times and sides, up to a number, where that is asked for.
    pub log: Option<Vec<(Time, usize, Header)>>,
    pub from: Option<Time>,
    pub to: Time,
    pub packets: [u64; 2],
}

impl Conversation {
    pub fn new(logs: bool) -> Conversation {
        Conversation {
            log: logs.then(Vec::new),
            ..Conversation::default()
        }
    }

    pub fn packet(&mut self, at: Time, side: usize, size: u32, fragmented: bool, pieces: &[Piece]) {
        self.from.get_or_insert(at);
        // A capture on several cores may be out of order by a little.
        let at = at.max(self.to);
        self.to = at;
        self.packets[side] += 1;
        if let Some(log) = &mut self.log
            && log.len() < MOST_EVENTS
        {
            log.extend(pieces.iter().map(|piece| (at, side, piece.header)));
        }
        if self.ready {
            self.pass(at, side, size, fragmented, pieces);
            return;
        }
        self.kept.push(Packet {
            at,
            side,
            size,
            fragmented,
            pieces: pieces.to_vec(),
        });
        if self.kept.len() >= KEPT_BACK {
            self.release();
        }
    }

    fn pass(&mut self, at: Time, side: usize, size: u32, fragmented: bool, pieces: &[Piece]) {
        self.senders[side].sends(at, size, fragmented, pieces);
        self.senders[1 - side].hears(at, pieces);
    }

    fn release(&mut self) {
        self.ready = true;
        let kept = std::mem::take(&mut self.kept);
        self.senders = lags(&kept).map(|(lag, known)| Sender::new(lag, known));
        for packet in kept {
            self.pass(
                packet.at,
                packet.side,
                packet.size,
                packet.fragmented,
                &packet.pieces,
            );
        }
    }

    pub fn finish(&mut self) {
        if !self.ready {
            self.release();
        }
        for sender in &mut self.senders {
            sender.finish(self.to);
        }
    }
}

/// The value below which a twentieth of the sorted ones are.
fn low(mut values: Vec<Time>) -> Option<Time> {
    values.sort_unstable();
    values.get(values.len() / 20).copied()
}

/// How long each end takes to answer, seen from here: the least times from a segment to its acknowledgement.
fn answers(kept: &[Packet]) -> [Option<Time>; 2] {
    let mut sent: [std::collections::HashMap<(u32, u32), Time>; 2] = Default::default();
    let mut taken = [Vec::new(), Vec::new()];
    for packet in kept {
        for piece in &packet.pieces {
            let header = piece.header;
            let key = (header.sn, header.ts);
            match header.command {
                COMMAND_PUSH => {
                    sent[packet.side].entry(key).or_insert(packet.at);
                }
                COMMAND_ACK => {
                    if let Some(at) = sent[1 - packet.side].remove(&key) {
                        taken[packet.side].push(packet.at - at);
                    }
                }
                _ => {}
            }
        }
    }
    taken.map(low)
}

/// How long after something passed the reaction of each end is seen, and whether that is more than a guess.
fn lags(kept: &[Packet]) -> [(Time, bool); 2] {
    /// What the next flush may take.
    const FLUSH: Time = 12 * MS;
    let answers = answers(kept);
    [0, 1].map(|side| match (answers[side], answers[1 - side]) {
        (Some(own), other) if own < FLUSH || other.is_some_and(|other| own * 4 < other) => {
            (0, true)
        }
        (Some(own), _) => (own, true),
        // Nothing comes back but acknowledgements. Where those come late, they come from far away.
        (None, Some(other)) if other >= FLUSH => (0, true),
        (None, _) => (after_skips(kept, side).unwrap_or(0), false),
    })
}

/// The least time from a skip to the transmission that it leads to.
fn after_skips(kept: &[Packet], side: usize) -> Option<Time> {
    let mut sender = Sender::new(0, false);
    for packet in kept {
        if packet.side == side {
            sender.sends(packet.at, packet.size, packet.fragmented, &packet.pieces);
        } else {
            sender.hears(packet.at, &packet.pieces);
        }
    }
    sender.finish(kept.last()?.at);
    let taken: Vec<Time> = sender
        .skip_events
        .iter()
        .filter(|event| event.count == 1)
        .filter_map(|event| event.resent)
        .collect();
    if taken.len() < 5 {
        return None;
    }
    low(taken)
}
