//! `ikcp_release` from inside a callback, which the original does not survive: the outer call returns, only the control's `release`
//! is still called, and no memory is left.

use std::cell::Cell;
use std::rc::Rc;

use crate::api::is_foreign;
use crate::heap;
use crate::packet::*;
use crate::script::{Call, Script};

/// Segments in every list, a timeout and fast retransmissions that are due, an acknowledgement that waits.
fn busy() -> Script {
    let s = Script::with([1, 10, 1, 1]);
    s.setmtu(60);
    s.set_cwnd(8);
    for _ in 0..12 {
        s.send(fill(20));
    }
    s.flush();
    s.packets();
    s.set_current(250);
    for _ in 0..3 {
        s.send(fill(20));
    }
    send!(s, [ACK { sn: 7, ts: 0 }, PUSH { sn: 0, data: b"m" }, PUSH { sn: 5, data: b"n" }]);
    s
}

/// Runs `act` once for each of its callbacks that `wanted` selects, and releases the object in that callback.
fn release_in_each(wanted: fn(&Call) -> bool, at_least: usize, act: fn(&Script)) {
    if is_foreign() {
        return;
    }
    let mut released = 0usize;
    loop {
        let before = heap::bytes();
        let s = busy();
        s.log(!0);
        s.hooks(|_| ());
        s.lines();
        s.called();
        let mut release = s.releases();
        let mut left = released;
        let late = Rc::new(Cell::new(0));
        let called = Rc::clone(&late);
        s.react(move |object, call| {
            if left == usize::MAX {
                called.set(called.get() + 1);
            } else if wanted(call) {
                if left == 0 {
                    release(object);
                }
                left = left.wrapping_sub(1);
            }
        });
        act(&s);
        let gone = s.is_released();
        s.packets();
        drop(s);
        assert_eq!(late.get(), 0, "callbacks ran after the release");
        assert_eq!(heap::bytes(), before, "memory leaked");
        if !gone {
            break;
        }
        released += if cfg!(miri) { 3 } else { 1 };
    }
    assert!(released >= at_least, "only {released} callbacks were there");
}

fn is_output(call: &Call) -> bool {
    matches!(call, Call::Output(_))
}

fn is_line(call: &Call) -> bool {
    matches!(call, Call::Line(_))
}

fn flush(s: &Script) {
    s.flush();
}

fn input(s: &Script) {
    s.input_packet(&[
        Seg { sn: 3, una: 1, ..ACK },
        Seg { sn: 1, data: b"o", ..PUSH },
        Seg { sn: 4, una: 2, ..ACK },
        WASK,
        WINS,
    ]);
}

#[test]
fn the_object_ends_in_each_output_of_a_flush() {
    release_in_each(is_output, 5, flush);
}

#[test]
fn the_object_ends_in_each_output_of_an_update() {
    release_in_each(is_output, 5, |s| s.update(1000));
}

#[test]
fn the_object_ends_in_each_line_of_a_flush() {
    release_in_each(is_line, 5, flush);
}

#[test]
fn the_object_ends_in_each_line_of_an_input() {
    release_in_each(is_line, 6, input);
}

#[test]
fn the_object_ends_in_the_line_of_a_recv() {
    release_in_each(is_line, 1, |s| _ = s.recv(9));
}

#[cfg(not(any(feature = "profile-1-7", feature = "profile-1-7-1")))]
mod in_hooks {
    use super::*;

    fn is_hook(call: &Call) -> bool {
        matches!(call, Call::Hook(_))
    }

    #[test]
    fn the_object_ends_in_each_hook_of_a_flush() {
        release_in_each(is_hook, 10, flush);
    }

    #[test]
    fn the_object_ends_in_each_hook_of_an_input() {
        release_in_each(is_hook, 6, input);
    }
}
