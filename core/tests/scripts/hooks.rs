//! Congestion hooks, since 2.0: when each is called, in which order, with which arguments, and what the built-in control then does.
#![cfg(not(any(feature = "profile-1-7", feature = "profile-1-7-1")))]

use crate::api::is_foreign;
use crate::packet::*;
use crate::script::Hook::*;
use crate::script::{Script, flying};

#[test]
fn installing_calls_init_and_replacing_calls_release() {
    let s = Script::fast();
    assert_eq!(s.hooks(|_| ()), 0);
    assert_eq!(s.called(), [Init]);
    assert_eq!(s.hooks(|_| ()), 0);
    assert_eq!(s.called(), [Release, Init]);
    assert_eq!(s.setcc(std::ptr::null()), 0);
    assert_eq!(s.called(), [Release]);
}

#[test]
fn a_control_that_refuses_leaves_the_built_in_one() {
    let s = Script::fast();
    s.set_cwnd(7);
    s.answer_init(-5);
    assert_eq!(s.hooks(|_| ()), -1);
    assert_eq!(s.called(), [Init]);
    assert_eq!((s.cwnd(), s.incr()), (7, 7 * 1376));
    s.send(b"m");
    recv!(s, [PUSH { sn: 0, data: b"m" }]);
    assert_eq!(s.called(), []);
}

#[test]
fn the_built_in_control_begins_with_the_window_that_is_left() {
    let s = Script::fast();
    s.empty_hooks();
    s.set_cwnd(0);
    s.set_incr(5);
    s.setcc(std::ptr::null());
    assert_eq!((s.cwnd(), s.incr()), (1, 1376));
    s.empty_hooks();
    s.set_cwnd(9);
    s.setcc(std::ptr::null());
    assert_eq!((s.cwnd(), s.incr()), (9, 9 * 1376));
}

#[test]
fn the_end_of_the_object_calls_release() {
    let s = Script::fast();
    s.hooks(|_| ());
    assert_eq!(s.end(), [Release]);
}

#[test]
fn a_flush_begins_with_a_tick_and_names_each_segment_it_sends() {
    let s = Script::fast();
    s.set_cwnd(10);
    s.hooks(|ops| ops.on_app_limited = None);
    s.called();
    s.send(b"abc");
    s.send(b"de");
    recv!(s, time 10, [PUSH { sn: 0, data: b"abc" }, PUSH { sn: 1, data: b"de" }]);
    assert_eq!(s.called(), [Tick, Sent(0, 10, 3, 2, 1), Sent(1, 10, 2, 2, 1)]);
    recv_nothing!(s, time 20);
    assert_eq!(s.called(), [Tick]);
}

#[test]
fn an_idle_window_is_told_before_segments_leave() {
    let s = Script::fast();
    s.set_cwnd(2);
    s.hooks(|ops| ops.on_tick = None);
    s.called();
    s.send(b"a");
    recv!(s, [PUSH { sn: 0, data: b"a" }]);
    assert_eq!(s.called(), [AppLimited(1), Sent(0, 0, 1, 1, 1)]);
    s.send(b"b");
    recv!(s, [PUSH { sn: 1, data: b"b" }]);
    // Two of two are in flight, so the window is full.
    assert_eq!(s.called(), [Sent(1, 0, 1, 2, 1)]);
}

#[test]
fn the_congestion_window_counts_even_where_it_was_turned_off() {
    let s = Script::fast();
    s.set_cwnd(1);
    s.empty_hooks();
    s.send(b"a");
    s.send(b"b");
    recv!(s, [PUSH { sn: 0, data: b"a" }]);
    s.setcc(std::ptr::null());
    recv!(s, [PUSH { sn: 1, data: b"b" }]);
}

#[test]
fn an_acknowledgement_is_a_sample_then_a_segment_then_an_advance() {
    let s = flying([1, 10, 2, 1], 3);
    s.hooks(|_| ());
    s.called();
    send!(s, time 40, [ACK { sn: 0, ts: 0, una: 0 }]);
    assert_eq!(s.called(), [Rtt(40), Acked(0, 0, 1, 40, 1), Ack(1, 1, 3)]);
    // After a gap snd_una does not advance.
    send!(s, time 45, [ACK { sn: 2, ts: 0, una: 1 }]);
    assert_eq!(s.called(), [Rtt(45), Acked(2, 0, 1, 45, 1)]);
    send!(s, [ACK { sn: 1, ts: 0, una: 1 }]);
    assert_eq!(s.called(), [Rtt(45), Acked(1, 0, 1, 45, 1), Ack(2, 1, 1)]);
}

#[test]
fn what_una_frees_has_no_round_trip() {
    let s = flying([1, 10, 2, 1], 3);
    s.hooks(|_| ());
    s.called();
    send!(s, time 40, [WINS { una: 2 }, ACK { sn: 2, ts: 0, una: 2 }]);
    assert_eq!(
        s.called(),
        [
            Acked(0, 0, 1, -1, 1),
            Acked(1, 0, 1, -1, 1),
            Rtt(40),
            Acked(2, 0, 1, 40, 1),
            Ack(3, 3, 3)
        ],
    );
}

#[test]
fn bytes_that_were_acknowledged_behind_a_gap_count_for_their_packet() {
    let s = Script::fast();
    s.set_cwnd(10);
    for text in ["a", "bb", "cccc"] {
        s.send(text.as_bytes());
    }
    s.flush();
    s.packets();
    s.hooks(|ops| (ops.on_rtt, ops.on_pkt_acked) = (None, None));
    s.called();
    send!(s, [ACK { sn: 1 }, ACK { sn: 0 }]);
    assert_eq!(s.called(), [Ack(2, 3, 3)]);
    send!(s, [WINS { una: 3 }]);
    assert_eq!(s.called(), [Ack(1, 4, 1)]);
}

#[test]
fn with_on_ack_the_window_is_the_hook_s_and_without_it_the_built_in_one_s() {
    for (hook, cwnd) in [(true, 3), (false, 4)] {
        let s = flying([1, 10, 2, 1], 2);
        s.set_cwnd(3);
        s.set_ssthresh(100);
        s.hooks(|ops| {
            if !hook {
                ops.on_ack = None;
            }
        });
        send!(s, [WINS { una: 1 }]);
        assert_eq!(s.cwnd(), cwnd);
    }
}

#[test]
fn a_timeout_calls_its_hook_and_leaves_the_window_to_it() {
    for (hook, cwnd) in [(true, 10), (false, 1)] {
        let s = flying([1, 10, 2, 1], 2);
        s.set_cwnd(10);
        s.hooks(|ops| {
            ops.on_app_limited = None;
            if !hook {
                ops.on_timeout = None;
            }
        });
        s.called();
        recv!(s, time 200, [PUSH { sn: 0, data: b"m" }, PUSH { sn: 1, data: b"m" }]);
        let mut calls = vec![Tick, Sent(0, 200, 1, 2, 2), Sent(1, 200, 1, 2, 2)];
        if hook {
            calls.push(Timeout(10));
        }
        assert_eq!(s.called(), calls);
        assert_eq!(s.cwnd(), cwnd);
    }
}

#[test]
fn fast_retransmissions_are_counted_for_their_hook() {
    for (hook, cwnd) in [(true, 10), (false, 4)] {
        let s = flying([1, 10, 1, 1], 5);
        s.set_cwnd(10);
        s.hooks(|ops| {
            ops.on_app_limited = None;
            if !hook {
                ops.on_fast_retransmit = None;
            }
        });
        send!(s, time 5, [ACK { sn: 2 }]);
        s.called();
        recv!(s, [PUSH { sn: 0, data: b"m" }, PUSH { sn: 1, data: b"m" }]);
        let mut calls = vec![Tick, Sent(0, 5, 1, 4, 2), Sent(1, 5, 1, 4, 2)];
        if hook {
            calls.push(FastRetransmit(2, 4, 10));
        }
        assert_eq!(s.called(), calls);
        // The built-in control: half of the five from snd_una to snd_nxt, plus the one skip of `resend`.
        assert_eq!(s.cwnd(), if hook { cwnd } else { 2 + 1 });
    }
}

#[test]
fn a_budget_of_0_sends_no_data_and_all_acknowledgements() {
    let s = Script::fast();
    s.set_cwnd(10);
    s.pace(0);
    send!(s, [PUSH { sn: 0, data: b"x" }]);
    s.send(b"m");
    recv!(s, [ACK { sn: 0, una: 1, wnd: 127 }]);
    // The original counts the segment as sent and waits for its timeout; ours waits for the budget: D9.
    s.set_budget(1);
    if !is_foreign() {
        recv!(s, [PUSH { sn: 0, una: 1, wnd: 127, data: b"m" }]);
    }
}

#[test]
fn a_budget_ends_with_the_last_segment_that_fits() {
    let s = Script::fast();
    s.set_cwnd(10);
    s.pace(9);
    for text in ["aaaa", "bbbbb", "c"] {
        s.send(text.as_bytes());
    }
    recv!(s, [PUSH { sn: 0, data: b"aaaa" }, PUSH { sn: 1, data: b"bbbbb" }]);
}

#[test]
fn a_budget_from_half_of_32_bits_on_is_none() {
    let s = Script::fast();
    s.set_cwnd(10);
    s.pace(0x8000_0000);
    s.send(fill(1376));
    recv!(s, [PUSH { sn: 0, data: fill(1376) }]);
}

#[test]
fn retransmissions_take_from_the_budget_too() {
    let s = flying([1, 10, 0, 1], 3);
    s.pace(2);
    recv!(s, time 200, [PUSH { sn: 0, data: b"m" }, PUSH { sn: 1, data: b"m" }]);
}

/// With many segments in flight, the rest of the flush left without any limit.
#[test]
fn a_budget_holds_for_its_flush_though_output_removes_the_control() {
    for count in [10, 100] {
        let s = flying([1, 10, 0, 1], 0);
        s.pace(2000);
        for _ in 0..count {
            s.send(fill(900));
        }
        s.on_output(|object| assert_eq!(object.setcc(std::ptr::null()), 0));
        s.flush();
        assert_eq!(s.packets().len(), 2, "of {count}");
    }
}
