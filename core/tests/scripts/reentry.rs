//! Calls from inside callbacks, for the same object. Where the original survives, ours has the same results.
//!
//! Calls that the original does not survive are in `transfers` and `releases`.

use crate::api::Object;
use crate::packet::*;
use crate::script::{Script, flying};

/// Wraps an action that happens only the first time.
fn once(mut act: impl FnMut(Object)) -> impl FnMut(Object) {
    let mut done = false;
    move |object| {
        if !std::mem::replace(&mut done, true) {
            act(object);
        }
    }
}

fn send(text: &'static [u8]) -> impl FnMut(Object) {
    once(move |object| assert!(object.send(text) >= 0))
}

#[test]
fn a_message_sent_from_output_leaves_with_the_next_flush() {
    let s = Script::fast();
    s.on_output(send(b"b"));
    s.send(b"a");
    recv!(s, [PUSH { sn: 0, data: b"a" }]);
    recv!(s, [PUSH { sn: 1, data: b"b" }]);
    recv_nothing!(s);
}

#[test]
fn a_message_sent_between_two_packets_of_a_flush_leaves_behind_both() {
    let s = Script::fast();
    s.setmtu(60);
    s.on_output(send(b"c"));
    s.send(fill(30));
    s.send(fill(20));
    recv!(s, [PUSH { sn: 0, data: fill(30) }], [PUSH { sn: 1, data: fill(20) }]);
    recv!(s, [PUSH { sn: 2, data: b"c" }]);
}

#[test]
fn a_message_sent_from_the_line_of_a_packet_leaves_with_the_next_flush() {
    let s = Script::fast();
    s.log(1);
    s.on_line("[RO]", send(b"b"));
    s.send(b"a");
    recv!(s, [PUSH { sn: 0, data: b"a" }]);
    recv!(s, [PUSH { sn: 1, data: b"b" }]);
}

#[test]
fn messages_sent_from_the_lines_of_an_input_leave_in_order() {
    let s = flying([1, 10, 0, 1], 1);
    s.log(!0);
    let mut next = b'a'..;
    s.on_line("", move |object| {
        object.send(&[next.next().expect("letters")]);
    });
    send!(s, [ACK { sn: 0 }, PUSH { sn: 0, una: 1, data: b"x" }]);
    s.on_line("none", |_| ());
    recv!(
        s,
        [
            ACK { sn: 0, una: 1, wnd: 127 },
            PUSH { sn: 1, una: 1, wnd: 127, data: b"a" },
            PUSH { sn: 2, una: 1, wnd: 127, data: b"b" },
            PUSH { sn: 3, una: 1, wnd: 127, data: b"c" },
        ]
    );
}

#[test]
fn in_stream_mode_what_output_sends_joins_what_waits() {
    let s = Script::fast();
    s.set_stream(1);
    s.wndsize(1, 0);
    s.send(b"a");
    recv!(s, [PUSH { sn: 0, data: b"a" }]);
    s.send(b"b");
    s.on_output(send(b"c"));
    send!(s, [PUSH { sn: 0 }]);
    recv!(s, [ACK { sn: 0, una: 1, wnd: 127 }]);
    send!(s, [WINS { una: 1 }]);
    recv!(s, [PUSH { sn: 1, una: 1, wnd: 127, data: b"bc" }]);
}

#[test]
fn a_message_taken_in_output_opens_the_window_with_the_next_flush() {
    let s = Script::fast();
    s.setmtu(60);
    send!(s, [PUSH { sn: 0, data: b"x" }]);
    s.on_output(once(|object| assert_eq!(object.recv(9).unwrap(), b"x")));
    s.send(fill(30));
    recv!(
        s,
        [ACK { sn: 0, una: 1, wnd: 127 }],
        // A flush uses the window that it had at its beginning.
        [PUSH { sn: 0, una: 1, wnd: 127, data: fill(30) }],
    );
    s.send(b"m");
    recv!(s, [PUSH { sn: 1, una: 1, wnd: 128, data: b"m" }]);
}

#[test]
fn a_message_taken_in_the_line_of_the_next_one_is_the_first() {
    let s = Script::new();
    s.log(16);
    send!(s, [PUSH { sn: 0, data: b"a" }]);
    s.on_line("input psh: sn=1", |object| assert_eq!(object.recv(9).unwrap(), b"a"));
    send!(s, [PUSH { sn: 1, data: b"b" }]);
    assert_eq!(s.recv(9).unwrap(), b"b");
    assert_eq!(s.recv(9), Err(-1));
    assert_eq!(s.lines().len(), 2);
}

#[test]
fn peeking_in_the_line_of_a_recv_sees_the_message_that_is_being_taken() {
    let s = Script::new();
    s.log(8);
    send!(s, [PUSH { sn: 0, data: b"a" }, PUSH { sn: 1, data: b"bc" }]);
    s.on_line("recv sn=0", |object| assert_eq!(object.peeksize(), 1));
    assert_eq!(s.recv(9).unwrap(), b"a");
    assert_eq!(s.recv(9).unwrap(), b"bc");
    assert_eq!(s.lines(), ["recv sn=0", "recv sn=1"]);
}

#[test]
fn check_in_output_answers_for_the_flush_that_runs() {
    let s = Script::with([1, 100, 0, 1]);
    s.set_rx_rto(70);
    s.send(b"m");
    s.on_output(once(|object| {
        assert_eq!(object.check(100), 170);
        assert_eq!(object.check(165), 170);
        assert_eq!(object.waitsnd(), 1);
        assert_eq!(object.peeksize(), -1);
    }));
    recv!(s, time 100, [PUSH { sn: 0, data: b"m" }]);
    assert_eq!(s.check(100), 170);
}

#[test]
fn a_window_that_output_widens_counts_from_the_next_flush() {
    let s = Script::fast();
    s.wndsize(1, 0);
    s.on_output(once(|object| object.wndsize(3, 0)));
    for text in [b"a", b"b", b"c"] {
        s.send(text);
    }
    recv!(s, [PUSH { sn: 0, data: b"a" }]);
    recv!(s, [PUSH { sn: 1, data: b"b" }, PUSH { sn: 2, data: b"c" }]);
}

#[test]
fn an_interval_that_output_sets_counts_from_the_next_flush() {
    let s = Script::with([1, 20, 0, 1]);
    s.send(b"a");
    s.on_output(once(|object| assert_eq!(object.set_interval(50), 0)));
    recv!(s, time 20, [PUSH { sn: 0, data: b"a" }]);
    s.send(b"b");
    recv_nothing!(s, time 39);
    recv!(s, time 40, [PUSH { sn: 1, data: b"b" }]);
    s.send(b"c");
    recv_nothing!(s, time 89);
    recv!(s, time 90, [PUSH { sn: 2, data: b"c" }]);
}

/// The flush that took over did not find all segments that a packet had skipped between those that were sent and those that were
/// not: they left with the next flush.
#[test]
fn a_flush_that_takes_over_finds_everything_that_was_skipped() {
    for count in [60, 100, 400] {
        let s = flying([1, 10, 1, 1], 0);
        for _ in 0..count {
            s.send(b"m");
        }
        // The first packet holds segments 0 to 55.
        s.on_output(once(|object| {
            object.input(&emit(&[Seg { sn: 50, ..ACK }]));
            object.set_current(1);
            object.flush();
        }));
        s.flush();
        let left: usize = s.packets().iter().map(|packet| packet.len() / 25).sum();
        assert_eq!(left, count + 50, "of {count}");
    }
}

#[test]
fn modes_set_while_acknowledgements_leave_count_for_the_segments_of_that_flush() {
    let s = flying([1, 10, 0, 1], 3);
    s.setmtu(50);
    send!(s, time 5, [ACK { sn: 1 }], [PUSH { sn: 0 }, PUSH { sn: 1 }, PUSH { sn: 2 }]);
    s.on_output(once(|object| object.nodelay([-1, -1, 1, -1])));
    recv!(
        s,
        [ACK { sn: 0, ts: 5, una: 3, wnd: 125 }, ACK { sn: 1, ts: 5, una: 3, wnd: 125 },],
        [ACK { sn: 2, ts: 5, una: 3, wnd: 125 }, PUSH { sn: 0, una: 3, wnd: 125, data: b"m" }],
    );
}

#[test]
fn the_clock_that_output_sets_is_not_that_of_the_flush() {
    let s = Script::fast();
    s.setmtu(60);
    s.send(fill(30));
    s.send(fill(31));
    s.on_output(once(|object| object.set_current(7)));
    s.flush();
    s.set_current(0);
    expect!(s, [PUSH { sn: 0, data: fill(30) }], [PUSH { sn: 1, data: fill(31) }]);
    s.set_current(199);
    recv_nothing!(s);
    s.set_current(200);
    recv!(s, [PUSH { sn: 0, data: fill(30) }], [PUSH { sn: 1, data: fill(31) }]);
}

#[cfg(not(any(feature = "profile-1-7", feature = "profile-1-7-1")))]
mod from_hooks {
    use super::*;
    use crate::script::Hook;

    /// Does this in the first hook of this kind.
    fn first(hook: fn(&Hook) -> bool, act: impl FnMut(Object)) -> impl FnMut(Object, Hook) {
        let mut act = once(act);
        move |object, called| {
            if hook(&called) {
                act(object);
            }
        }
    }

    #[test]
    fn a_message_sent_from_a_tick_leaves_with_its_flush() {
        let s = Script::fast();
        s.set_cwnd(10);
        s.hooks(|_| ());
        s.on_hook(first(|hook| matches!(hook, Hook::Tick), send(b"b")));
        s.send(b"a");
        recv!(s, [PUSH { sn: 0, data: b"a" }, PUSH { sn: 1, data: b"b" }]);
    }

    #[test]
    fn a_message_sent_while_segments_leave_waits_for_the_next_flush() {
        for hook in [(|hook| matches!(hook, Hook::Sent(..))) as fn(&Hook) -> bool, |hook| {
            matches!(hook, Hook::AppLimited(..))
        }] {
            let s = Script::fast();
            s.set_cwnd(10);
            s.hooks(|_| ());
            s.on_hook(first(hook, send(b"b")));
            s.send(b"a");
            recv!(s, [PUSH { sn: 0, data: b"a" }]);
            recv!(s, [PUSH { sn: 1, data: b"b" }]);
        }
    }

    #[test]
    fn messages_sent_while_acknowledgements_are_taken_leave_with_the_next_flush() {
        for hook in [
            (|hook| matches!(hook, Hook::Rtt(_))) as fn(&Hook) -> bool,
            |hook| matches!(hook, Hook::Acked(..)),
            |hook| matches!(hook, Hook::Ack(..)),
        ] {
            let s = flying([1, 10, 0, 1], 2);
            s.hooks(|_| ());
            s.on_hook(first(hook, send(b"b")));
            send!(s, time 9, [ACK { sn: 0, una: 0 }]);
            recv!(s, [PUSH { sn: 2, data: b"b" }]);
            assert_eq!(s.nsnd_buf(), 2);
        }
    }

    #[test]
    fn a_window_set_from_on_ack_stays() {
        let s = flying([1, 10, 0, 1], 2);
        s.hooks(|_| ());
        s.on_hook(first(|hook| matches!(hook, Hook::Ack(..)), |object| object.set_cwnd(2)));
        for _ in 0..4 {
            s.send(b"n");
        }
        send!(s, [ACK { sn: 0, una: 1 }]);
        assert_eq!(s.cwnd(), 2);
        recv!(s, [PUSH { sn: 2, data: b"n" }]);
    }

    #[test]
    fn a_window_set_from_a_tick_counts_for_its_flush() {
        let s = Script::fast();
        s.set_cwnd(1);
        s.hooks(|_| ());
        s.on_hook(first(|hook| matches!(hook, Hook::Tick), |object| object.set_cwnd(2)));
        for text in [b"a", b"b", b"c"] {
            s.send(text);
        }
        recv!(s, [PUSH { sn: 0, data: b"a" }, PUSH { sn: 1, data: b"b" }]);
    }

    #[test]
    fn a_control_removed_by_its_tick_is_not_called_again() {
        let s = Script::fast();
        s.set_cwnd(10);
        s.hooks(|_| ());
        s.called();
        s.on_hook(first(
            |hook| matches!(hook, Hook::Tick),
            |object| assert_eq!(object.setcc(std::ptr::null()), 0),
        ));
        s.send(b"a");
        recv!(s, [PUSH { sn: 0, data: b"a" }]);
        assert_eq!(s.called(), [Hook::Tick, Hook::Release]);
    }

    #[test]
    fn a_control_removed_while_a_segment_leaves_is_not_called_for_the_next() {
        let s = Script::fast();
        s.set_cwnd(10);
        s.hooks(|ops| ops.on_app_limited = None);
        s.called();
        s.on_hook(first(
            |hook| matches!(hook, Hook::Sent(..)),
            |object| assert_eq!(object.setcc(std::ptr::null()), 0),
        ));
        s.send(b"a");
        s.send(b"b");
        recv!(s, [PUSH { sn: 0, data: b"a" }, PUSH { sn: 1, data: b"b" }]);
        assert_eq!(s.called(), [Hook::Tick, Hook::Sent(0, 0, 1, 2, 1), Hook::Release]);
    }

    #[test]
    fn a_control_removed_by_output_leaves_the_end_of_the_flush_to_the_built_in_one() {
        let s = flying([1, 10, 0, 1], 1);
        s.set_cwnd(10);
        s.hooks(|_| ());
        s.on_output(once(|object| assert_eq!(object.setcc(std::ptr::null()), 0)));
        recv!(s, time 200, [PUSH { sn: 0, data: b"m" }]);
        assert!(!s.called().contains(&Hook::Timeout(10)));
        assert_eq!((s.cwnd(), s.ssthresh()), (1, 5));
    }

    #[test]
    fn messages_taken_from_hooks_of_an_input_are_those_before_it() {
        let s = flying([1, 10, 0, 1], 1);
        s.hooks(|_| ());
        send!(s, [PUSH { sn: 0, data: b"x" }]);
        s.on_hook(first(
            |hook| matches!(hook, Hook::Acked(..)),
            |object| {
                assert_eq!(object.recv(9).unwrap(), b"x");
                assert_eq!(object.recv(9), Err(-1));
            },
        ));
        send!(s, [ACK { sn: 0 }, PUSH { sn: 1, data: b"y" }]);
        assert_eq!(s.recv(9).unwrap(), b"y");
        recv!(s, [ACK { sn: 0, una: 2 }, ACK { sn: 1, una: 2 }]);
    }
}
