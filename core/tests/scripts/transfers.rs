//! Two objects, a link that loses packets, and a program that makes calls inside its callbacks that the original does not survive.
//! Whatever the program does, each message arrives once and in order.

use std::cell::Cell;
use std::rc::Rc;

use crate::api::{Object, is_foreign};
use crate::packet::{PUSH, Seg, WINS, emit};
use crate::script::{Call, Script};

/// Messages of a transfer in each direction.
const MESSAGES: u32 = if cfg!(miri) { 5 } else { 300 };

fn message(n: u32) -> Vec<u8> {
    let mut bytes = n.to_le_bytes().to_vec();
    // Some have two fragments.
    bytes.resize(4 + (n * 37 % 200) as usize, b'.');
    bytes
}

struct End {
    script: Script,
    sent: u32,
    taken: u32,
    leaving: u32,
}

impl End {
    fn new() -> End {
        let script = Script::with([1, 10, 2, 0]);
        script.setmtu(150);
        script.wndsize(64, 128);
        End { script, sent: 0, taken: 0, leaving: 0 }
    }

    /// Sends some messages, updates, and returns the packets that are not lost.
    fn turn(&mut self, now: u32) -> Vec<Vec<u8>> {
        while self.sent < MESSAGES && self.script.waitsnd() < 100 {
            assert!(self.script.send(&message(self.sent)) >= 0);
            self.sent += 1;
        }
        self.script.update(now);
        self.script.packets().into_iter().filter(|_| self.gets_through()).collect()
    }

    fn gets_through(&mut self) -> bool {
        self.leaving += 1;
        !self.leaving.is_multiple_of(7)
    }

    fn take(&mut self, packets: Vec<Vec<u8>>) {
        for packet in packets {
            assert_eq!(self.script.input(&packet), 0);
        }
        while let Ok(bytes) = self.script.recv(4096) {
            assert_eq!(bytes, message(self.taken), "message {}", self.taken);
            self.taken += 1;
        }
    }
}

/// Transfers messages both ways while the program of the first end does this in its callbacks.
fn transfer(reaction: impl FnMut(Object, &Call) + 'static) {
    if is_foreign() {
        return;
    }
    let (mut a, mut b) = (End::new(), End::new());
    a.script.log(!0);
    if cfg!(not(any(feature = "profile-1-7", feature = "profile-1-7-1"))) {
        // Only hooks that report: the built-in control keeps working.
        let installed = a.script.hooks(|ops| {
            ops.on_ack = None;
            ops.on_timeout = None;
            ops.on_fast_retransmit = None;
        });
        assert_eq!(installed, 0);
    }
    a.script.react(reaction);
    let mut now = 0;
    while a.taken < MESSAGES || b.taken < MESSAGES || a.script.waitsnd() + b.script.waitsnd() > 0 {
        now += 10;
        assert!(now < 200_000, "{} and {} messages arrived", a.taken, b.taken);
        let packets = a.turn(now);
        b.take(packets);
        let packets = b.turn(now);
        a.take(packets);
    }
    assert_eq!((a.taken, b.taken), (MESSAGES, MESSAGES));
}

#[test]
fn nothing_is_lost_or_doubled_without_calls_from_callbacks() {
    transfer(|_, _| ());
}

#[test]
fn nothing_is_lost_or_doubled_by_flushes_from_output() {
    transfer(|object, call| {
        if let Call::Output(_) = call {
            object.flush();
        }
    });
}

#[test]
fn nothing_is_lost_or_doubled_by_flushes_from_every_callback() {
    transfer(|object, _| object.flush());
}

#[test]
fn nothing_is_lost_or_doubled_by_updates_from_every_callback() {
    transfer(|object, _| object.update(object.current() + 1));
}

#[test]
fn nothing_is_lost_or_doubled_by_new_mtus_from_every_callback() {
    let mut n = 0;
    transfer(move |object, _| {
        n += 1;
        assert_eq!(object.setmtu(150 + n % 5 * 30), 0);
    });
}

#[test]
fn nothing_is_lost_or_doubled_by_packets_taken_in_every_callback() {
    transfer(|object, _| {
        let packet = emit(&[Seg { una: object.snd_una(), ..WINS }]);
        assert_eq!(object.input(&packet), 0);
    });
}

#[test]
fn nothing_is_lost_or_doubled_by_all_of_it_in_turn() {
    let mut n = 0u32;
    transfer(move |object, _| {
        n = n.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        match n >> 29 {
            0 | 1 => object.flush(),
            2 => object.update(object.current() + (n >> 27 & 3)),
            3 => assert_eq!(object.setmtu(150 + (n >> 20 & 63).cast_signed()), 0),
            4 => object.wndsize(32 + (n >> 20 & 63).cast_signed(), 128),
            5 => object.nodelay([(n >> 20 & 1).cast_signed(), 10, 2, 0]),
            6 => assert!(object.check(object.current()) >= object.current()),
            _ => assert!(object.waitsnd() >= 0),
        }
    });
}

#[test]
fn a_flush_asked_for_in_output_follows_the_one_that_runs() {
    if is_foreign() {
        return;
    }
    let script = Script::fast();
    let mut called = 0;
    script.on_output(move |object| {
        called += 1;
        if called < 5 {
            object.send(&[b'0' + called]);
            // However many flushes are requested, one follows; requests inside that one are ignored.
            object.flush();
            object.flush();
        }
    });
    script.send(b"0");
    script.flush();
    let payloads: Vec<u8> = script.packets().iter().map(|packet| packet[24]).collect();
    assert_eq!(payloads, b"01");
    script.flush();
    let payloads: Vec<u8> = script.packets().iter().map(|packet| packet[24]).collect();
    assert_eq!(payloads, b"23");
}

/// A flush that takes over continues after the acknowledgements that the other flush has written.
#[test]
fn acknowledgements_leave_once_when_output_moves_the_clock() {
    if is_foreign() {
        return;
    }
    for moves in [1, 2, 3] {
        let script = Script::fast();
        // Two acknowledgements fill a packet.
        script.setmtu(60);
        let mut left = moves;
        script.on_output(move |object| {
            if left > 0 {
                left -= 1;
                object.update(object.current() + 20);
            }
        });
        for sn in 0..7 {
            assert_eq!(script.input(&emit(&[Seg { sn, ..PUSH }])), 0);
        }
        script.flush();
        let mut acknowledged: Vec<u8> = Vec::new();
        for packet in script.packets() {
            acknowledged.extend(packet.chunks(24).map(|header| header[12]));
        }
        acknowledged.sort_unstable();
        assert_eq!(acknowledged, [0, 1, 2, 3, 4, 5, 6], "the clock moves {moves} times");
    }
}

/// A network without delay: `output` calls the peer's `ikcp_input`, and the reply comes back before `output` returns.
#[test]
fn nothing_is_lost_or_doubled_where_answers_come_before_output_returns() {
    if is_foreign() {
        return;
    }
    let (a, b) = (Script::with([1, 10, 2, 0]), Script::with([1, 10, 2, 0]));
    let (sender, receiver): (Object, Object) = (*a, *b);
    let inside = Rc::new(Cell::new(0));
    let answers = Rc::clone(&inside);
    a.react(move |_, call| {
        if let Call::Output(packet) = call {
            assert_eq!(receiver.input(packet), 0);
            receiver.flush();
        }
    });
    b.react(move |_, call| {
        if let Call::Output(packet) = call {
            answers.set(answers.get() + 1);
            assert_eq!(sender.input(packet), 0);
        }
    });
    let mut taken = 0;
    for n in 0..MESSAGES {
        a.send(&message(n));
        a.update(n * 5);
        b.update(n * 5);
        while let Ok(bytes) = b.recv(4096) {
            assert_eq!(bytes, message(taken));
            taken += 1;
        }
    }
    for n in 0..1000 {
        if taken == MESSAGES && a.waitsnd() == 0 {
            break;
        }
        a.update(MESSAGES * 5 + n * 10);
        b.update(MESSAGES * 5 + n * 10);
        while let Ok(bytes) = b.recv(4096) {
            assert_eq!(bytes, message(taken));
            taken += 1;
        }
    }
    assert_eq!((taken, a.waitsnd()), (MESSAGES, 0));
    assert!(inside.get() >= MESSAGES / 4, "{} answers came inside", inside.get());
    a.packets();
    b.packets();
}
