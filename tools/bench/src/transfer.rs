//! Two endpoints, one sending as fast as its window allows, on a virtual clock in steps of a millisecond.

use std::cell::RefCell;
use std::hint::black_box;
use std::rc::Rc;

use crate::clock::measured;
use crate::endpoint::{Endpoint, Implementation, Settings, Wire};
use crate::link::{Link, MTU, Path, Traffic};

/// When `ikcp_flush` is called besides the updates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flush {
    Never,
    AfterSend,
    AfterSendAndInput,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Transfer {
    /// Bytes per `ikcp_send`.
    pub message: usize,
    pub window: u32,
    pub stream: bool,
    pub path: Path,
    pub flush: Flush,
    /// What of ikcpx.h the sender uses.
    pub control: Option<&'static str>,
    /// Bytes delivered until the run ends, warm-up included.
    pub total: u64,
}

/// The result of the measured part of a run, without the warm-up. On the same seed equal implementations give equal numbers,
/// except for the time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Delivered {
    pub nanoseconds: f64,
    pub bytes: u64,
    pub messages: u64,
    pub forth: Traffic,
    pub back: Traffic,
    pub milliseconds: u32,
}

/// Payload of a segment at the default MTU.
const MSS: usize = MTU - 24;
/// After this time without a delivery the implementation is stuck.
const STUCK: u32 = 120_000;

struct Session<E> {
    work: Transfer,
    sender: E,
    receiver: E,
    forth: Wire,
    back: Wire,
    now: u32,
    last_delivery: u32,
    sent: u64,
    received: u64,
    delivered: u64,
    message: Vec<u8>,
    buffer: Vec<u8>,
}

/// Runs `work` and measures all but the first fifth.
pub fn run<I: Implementation>(implementation: &I, work: Transfer, seed: u64) -> Delivered {
    let mut session = Session::new(implementation, work, seed);
    session.advance(work.total / 5);
    let before = session.counters(0.0);
    let ((), nanoseconds) = measured(|| session.advance(work.total));
    let after = session.counters(nanoseconds);
    Delivered {
        nanoseconds,
        bytes: after.bytes - before.bytes,
        messages: after.messages - before.messages,
        forth: difference(after.forth, before.forth),
        back: difference(after.back, before.back),
        milliseconds: after.milliseconds - before.milliseconds,
    }
}

fn difference(after: Traffic, before: Traffic) -> Traffic {
    Traffic {
        packets: after.packets - before.packets,
        bytes: after.bytes - before.bytes,
    }
}

impl<E: Endpoint> Session<E> {
    fn new<I: Implementation<Endpoint = E>>(
        implementation: &I,
        work: Transfer,
        seed: u64,
    ) -> Session<E> {
        let settings = Settings {
            window: work.window,
            stream: work.stream,
            control: None,
            longest: work.message,
        };
        let sending = Settings {
            control: work.control,
            ..settings
        };
        let link = |expected, seed| Rc::new(RefCell::new(Link::new(work.path, expected, seed)));
        // Small messages share packets; 58 acknowledgements fit into one.
        let forth = link(work.window as usize * work.message.max(64) / MSS + 64, seed);
        let back = link(work.window as usize / 58 + 64, seed ^ 0x9e37_79b9_7f4a_7c15);
        Session {
            work,
            sender: implementation.endpoint(sending, Some(Rc::clone(&forth))),
            receiver: implementation.endpoint(settings, Some(Rc::clone(&back))),
            forth,
            back,
            now: 0,
            last_delivery: 0,
            sent: 0,
            received: 0,
            delivered: 0,
            message: (0..work.message).map(|at| at as u8).collect(),
            buffer: vec![0; work.message.max(MSS)],
        }
    }

    fn counters(&self, nanoseconds: f64) -> Delivered {
        Delivered {
            nanoseconds,
            bytes: self.delivered,
            messages: self.received,
            forth: self.forth.borrow().traffic,
            back: self.back.borrow().traffic,
            milliseconds: self.now,
        }
    }

    /// Runs until `target` bytes have been delivered since the start.
    fn advance(&mut self, target: u64) {
        while self.delivered < target {
            self.step();
            assert!(
                self.now - self.last_delivery < STUCK,
                "nothing delivered for {STUCK} ms"
            );
        }
    }

    /// One millisecond, in the order of an event loop: what has arrived, what can be read, what can be written, the timers.
    fn step(&mut self) {
        self.now += 1;
        self.take_acknowledgements();
        self.take_data();
        self.write();
        self.sender.update(self.now);
        black_box(self.sender.check(self.now));
        self.receiver.update(self.now);
        black_box(self.receiver.check(self.now));
    }

    fn take_acknowledgements(&mut self) {
        let arrivals = self.back.borrow_mut().arrivals(self.now);
        for packet in arrivals.iter() {
            self.sender.input(packet);
            if self.work.flush == Flush::AfterSendAndInput {
                self.sender.flush();
            }
        }
        self.back.borrow_mut().recycle(arrivals);
    }

    fn take_data(&mut self) {
        let arrivals = self.forth.borrow_mut().arrivals(self.now);
        for packet in arrivals.iter() {
            self.receiver.input(packet);
            if self.work.flush == Flush::AfterSendAndInput {
                // Read before flushing, as programs do, because a full queue would advertise a closed window.
                self.read();
                self.receiver.flush();
            }
        }
        self.forth.borrow_mut().recycle(arrivals);
        self.read();
    }

    fn read(&mut self) {
        loop {
            let length = self.receiver.recv(&mut self.buffer);
            if length < 0 {
                return;
            }
            let length = length as usize;
            // A message carries its number, a stream the low byte of its offset: enough to notice loss, duplication and
            // reordering.
            if self.work.stream {
                assert_eq!(
                    self.buffer[0], self.delivered as u8,
                    "the stream is out of step"
                );
            } else {
                assert_eq!(length, self.work.message);
                assert_eq!(
                    self.buffer[..8],
                    self.received.to_le_bytes(),
                    "messages are out of step"
                );
            }
            self.received += 1;
            self.delivered += length as u64;
            self.last_delivery = self.now;
        }
    }

    /// Keeps a window's worth of segments in the library.
    fn write(&mut self) {
        let room = self.work.window.saturating_sub(self.sender.waitsnd()) as usize;
        let writes = match self.work.stream {
            true => room * MSS / self.work.message,
            false => room,
        };
        for _ in 0..writes {
            if self.work.stream {
                // The first byte is enough; filling the rest would cost more than the measured work.
                self.message[0] = self.sent as u8;
                self.sent += self.work.message as u64;
            } else {
                self.message[..8].copy_from_slice(&self.sent.to_le_bytes());
                self.sent += 1;
            }
            self.sender.send(&self.message);
            if self.work.flush != Flush::Never {
                self.sender.flush();
            }
        }
    }
}
