//! The floor: a protocol that makes only the four copies that every such protocol must make (into a send slot, into the packet,
//! out of the packet into a receive slot, to the caller). Slots are recycled, the header has 24 bytes like KCP's, one cumulative
//! acknowledgement is sent per flush, and nothing is retransmitted. It works only without loss and reordering.
//!
//! Its cost is the bench's own cost and the copying. No call is inlined, because calls of a library are not either.

use std::collections::VecDeque;

use crate::endpoint::{Endpoint, Implementation, Settings, ToWire, Wire};
use crate::link::MTU;

const HEADER: usize = 24;
const PUSH: u8 = 81;
const ACK: u8 = 82;
/// The interval that `nodelay(1, 10, 2, 1)` gives the others.
const INTERVAL: u32 = 10;

#[derive(Clone, Copy)]
pub struct Null;

impl Implementation for Null {
    type Endpoint = NullEndpoint;

    fn endpoint(&self, settings: Settings, wire: Option<Wire>) -> NullEndpoint {
        assert!(!settings.stream, "the null protocol has no stream mode");
        NullEndpoint {
            window: settings.window as usize,
            slots: Slots::new(settings.longest),
            queue: VecDeque::new(),
            in_flight: VecDeque::new(),
            una: 0,
            next: 0,
            received: VecDeque::new(),
            expected: 0,
            owes_ack: false,
            due: None,
            packet: Vec::with_capacity(MTU),
            wire: ToWire(wire),
        }
    }
}

/// A message in a slot.
#[derive(Clone, Copy)]
struct Message {
    slot: usize,
    length: usize,
}

/// Slots of equal size. The last freed slot is used first, while it is warm.
struct Slots {
    size: usize,
    memory: Vec<Box<[u8]>>,
    free: Vec<usize>,
}

impl Slots {
    fn new(longest: usize) -> Slots {
        Slots {
            size: longest,
            memory: Vec::new(),
            free: Vec::new(),
        }
    }

    fn store(&mut self, data: &[u8]) -> Message {
        let slot = self.free.pop().unwrap_or_else(|| {
            self.memory.push(vec![0; self.size].into_boxed_slice());
            self.memory.len() - 1
        });
        self.memory[slot][..data.len()].copy_from_slice(data);
        Message {
            slot,
            length: data.len(),
        }
    }

    fn load(&self, message: Message) -> &[u8] {
        &self.memory[message.slot][..message.length]
    }

    fn release(&mut self, message: Message) {
        self.free.push(message.slot);
    }
}

pub struct NullEndpoint {
    window: usize,
    slots: Slots,
    queue: VecDeque<Message>,
    in_flight: VecDeque<Message>,
    una: u32,
    next: u32,
    received: VecDeque<Message>,
    expected: u32,
    owes_ack: bool,
    due: Option<u32>,
    packet: Vec<u8>,
    wire: ToWire,
}

/// A header in KCP's shape; only these fields have a meaning.
fn header(command: u8, sequence: u32, length: usize) -> [u8; HEADER] {
    let mut header = [0; HEADER];
    header[4] = command;
    header[12..16].copy_from_slice(&sequence.to_le_bytes());
    header[20..24].copy_from_slice(&(length as u32).to_le_bytes());
    header
}

fn word(packet: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(packet[at..at + 4].try_into().expect("four bytes"))
}

impl NullEndpoint {
    fn make_room(&mut self, length: usize) {
        if self.packet.len() + HEADER + length > MTU {
            self.wire.push(&self.packet);
            self.packet.clear();
        }
    }
}

impl Endpoint for NullEndpoint {
    #[inline(never)]
    fn send(&mut self, data: &[u8]) {
        let message = self.slots.store(data);
        self.queue.push_back(message);
    }

    #[inline(never)]
    fn recv(&mut self, buffer: &mut [u8]) -> i32 {
        let Some(message) = self.received.pop_front() else {
            return -1;
        };
        buffer[..message.length].copy_from_slice(self.slots.load(message));
        self.slots.release(message);
        message.length as i32
    }

    #[inline(never)]
    fn input(&mut self, mut packet: &[u8]) {
        while packet.len() >= HEADER {
            let (sequence, length) = (word(packet, 12), word(packet, 20) as usize);
            if packet[4] == ACK {
                while self.una != sequence {
                    let message = self
                        .in_flight
                        .pop_front()
                        .expect("only what is in flight is acknowledged");
                    self.slots.release(message);
                    self.una += 1;
                }
            } else {
                assert_eq!(
                    sequence, self.expected,
                    "the null protocol needs a link that keeps order"
                );
                self.expected += 1;
                self.owes_ack = true;
                let message = self.slots.store(&packet[HEADER..HEADER + length]);
                self.received.push_back(message);
            }
            packet = &packet[HEADER + length..];
        }
    }

    #[inline(never)]
    fn update(&mut self, now: u32) {
        if now >= *self.due.get_or_insert(now) {
            self.due = Some(now + INTERVAL);
            self.flush();
        }
    }

    #[inline(never)]
    fn check(&self, now: u32) -> u32 {
        self.due.unwrap_or(now)
    }

    #[inline(never)]
    fn flush(&mut self) {
        if std::mem::take(&mut self.owes_ack) {
            self.packet
                .extend_from_slice(&header(ACK, self.expected, 0));
        }
        while self.in_flight.len() < self.window {
            let Some(message) = self.queue.pop_front() else {
                break;
            };
            self.make_room(message.length);
            self.packet
                .extend_from_slice(&header(PUSH, self.next, message.length));
            self.packet.extend_from_slice(self.slots.load(message));
            self.in_flight.push_back(message);
            self.next += 1;
        }
        if !self.packet.is_empty() {
            self.wire.push(&self.packet);
            self.packet.clear();
        }
    }

    #[inline(never)]
    fn waitsnd(&self) -> u32 {
        (self.queue.len() + self.in_flight.len()) as u32
    }

    #[inline(never)]
    fn peeksize(&self) -> i32 {
        self.received
            .front()
            .map_or(-1, |message| message.length as i32)
    }
}
