//! Single operations on a large window, in the order that is worst for lists. The packets are made by hand, so this works for
//! every implementation of KCP.

use std::hint::black_box;

use crate::clock::measured;
use crate::endpoint::{CONVERSATION, Endpoint, Implementation, Settings};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// A whole window of segments arrives, the last one first.
    Reverse,
    /// All but the first segment of a window are there, and the oldest of them arrives again.
    DuplicateOfOldest,
    /// A window is in flight, and its segments are acknowledged from the end.
    AcknowledgedFromTail,
    /// A window is in flight, and a datagram of 64 KiB acknowledges 2,729 times a segment near its end that was acknowledged
    /// before.
    AcknowledgedIntoHole,
    /// `ikcp_peeksize` with a message of as many fragments as the window holds.
    Peek,
    /// `ikcp_recv` of that message into a buffer that is too small.
    RefusedRecv,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hostile {
    pub order: Order,
    pub window: u32,
    /// The number of operations; [`Order::Reverse`] goes once through the window instead.
    pub times: u32,
}

const PUSH: u8 = 81;
const ACK: u8 = 82;
const WINS: u8 = 84;
const PAYLOAD: usize = 64;
/// Segments of 24 bytes in the longest datagram that UDP carries.
const ACKS_PER_DATAGRAM: usize = 2729;

struct Segment<'a> {
    command: u8,
    fragment: u8,
    window: u16,
    sequence: u32,
    payload: &'a [u8],
}

impl Segment<'_> {
    /// The packet of a peer that sends at 0 ms and has received nothing.
    fn emit(&self) -> Vec<u8> {
        let mut packet = Vec::with_capacity(24 + self.payload.len());
        packet.extend_from_slice(&CONVERSATION.to_le_bytes());
        packet.extend_from_slice(&[self.command, self.fragment]);
        packet.extend_from_slice(&self.window.to_le_bytes());
        packet.extend_from_slice(&0u32.to_le_bytes());
        packet.extend_from_slice(&self.sequence.to_le_bytes());
        packet.extend_from_slice(&0u32.to_le_bytes());
        packet.extend_from_slice(&(self.payload.len() as u32).to_le_bytes());
        packet.extend_from_slice(self.payload);
        packet
    }
}

fn push(sequence: u32, fragment: u8) -> Vec<u8> {
    let payload = &[7; PAYLOAD];
    Segment {
        command: PUSH,
        fragment,
        window: 128,
        sequence,
        payload,
    }
    .emit()
}

fn ack(window: u32, sequence: u32) -> Vec<u8> {
    Segment {
        command: ACK,
        fragment: 0,
        window: window as u16,
        sequence,
        payload: &[],
    }
    .emit()
}

/// Nanoseconds of all operations together, and their number.
pub fn run<I: Implementation>(implementation: &I, work: Hostile) -> (f64, u64) {
    let settings = Settings {
        window: work.window,
        stream: false,
        control: None,
        longest: PAYLOAD,
    };
    let mut endpoint = implementation.endpoint(settings, None);
    endpoint.update(0);
    let times = work.times;
    match work.order {
        Order::Reverse => {
            let packets: Vec<_> = (0..work.window)
                .rev()
                .map(|sequence| push(sequence, 0))
                .collect();
            let nanoseconds = input_all(&mut endpoint, &packets);
            assert_eq!(
                endpoint.peeksize(),
                PAYLOAD as i32,
                "the window is complete"
            );
            (nanoseconds, u64::from(work.window))
        }
        Order::DuplicateOfOldest => {
            (1..work.window).for_each(|sequence| endpoint.input(&push(sequence, 0)));
            let packet = push(1, 0);
            let ((), nanoseconds) = measured(|| (0..times).for_each(|_| endpoint.input(&packet)));
            assert_eq!(endpoint.peeksize(), -1, "the first segment is missing");
            (nanoseconds, u64::from(times))
        }
        Order::AcknowledgedFromTail => {
            fill(&mut endpoint, work.window);
            let last = work.window - 1;
            let packets: Vec<_> = (0..times)
                .map(|back| ack(work.window, last - back))
                .collect();
            let nanoseconds = input_all(&mut endpoint, &packets);
            assert_eq!(endpoint.waitsnd(), work.window - times);
            (nanoseconds, u64::from(times))
        }
        Order::AcknowledgedIntoHole => {
            fill(&mut endpoint, work.window);
            let hole = ack(work.window, work.window - 2);
            endpoint.input(&hole);
            let datagram = hole.repeat(ACKS_PER_DATAGRAM);
            let ((), nanoseconds) = measured(|| (0..times).for_each(|_| endpoint.input(&datagram)));
            assert_eq!(endpoint.waitsnd(), work.window - 1);
            (nanoseconds, u64::from(times))
        }
        Order::Peek | Order::RefusedRecv => {
            for sequence in 0..work.window {
                // More fragments follow than a message may have, so the queue is searched to its end.
                let fragment = if sequence + 1 == work.window { 0 } else { 254 };
                endpoint.input(&push(sequence, fragment));
            }
            assert_eq!(endpoint.peeksize(), (work.window as usize * PAYLOAD) as i32);
            let mut small = [0; PAYLOAD];
            let ((), nanoseconds) = match work.order {
                Order::Peek => measured(|| {
                    for _ in 0..times {
                        black_box(endpoint.peeksize());
                    }
                }),
                _ => measured(|| {
                    for _ in 0..times {
                        assert!(endpoint.recv(&mut small) < 0);
                    }
                }),
            };
            (nanoseconds, u64::from(times))
        }
    }
}

fn input_all(endpoint: &mut impl Endpoint, packets: &[Vec<u8>]) -> f64 {
    let ((), nanoseconds) = measured(|| packets.iter().for_each(|packet| endpoint.input(packet)));
    nanoseconds
}

/// The peer tells its window. A new connection takes it for 128 segments.
pub fn announce(endpoint: &mut impl Endpoint, window: u32) {
    let window_size = u16::try_from(window).expect("a window that the header can carry");
    endpoint.input(
        &Segment {
            command: WINS,
            fragment: 0,
            window: window_size,
            sequence: 0,
            payload: &[],
        }
        .emit(),
    );
}

/// Puts a whole window in flight.
fn fill(endpoint: &mut impl Endpoint, window: u32) {
    announce(endpoint, window);
    (0..window).for_each(|_| endpoint.send(&[7; PAYLOAD]));
    // The first flush was at 0 ms; this one admits all, the next tick only moves the clock.
    endpoint.update(10);
    endpoint.update(15);
}
