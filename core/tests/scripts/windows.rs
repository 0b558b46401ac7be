//! The windows: ours, the peer's, and the congestion window.

use crate::packet::*;
use crate::script::{Script, flying};

#[test]
fn the_send_window_limits_what_flies() {
    let s = Script::fast();
    s.wndsize(2, 0);
    for text in [b"a", b"b", b"c"] {
        s.send(text);
    }
    recv!(s, [PUSH { sn: 0, data: b"a" }, PUSH { sn: 1, data: b"b" }]);
    recv_nothing!(s);
    send!(s, [ACK { sn: 0, una: 1 }]);
    recv!(s, [PUSH { sn: 2, data: b"c" }]);
}

#[test]
fn the_window_begins_at_the_oldest_segment_that_is_missing() {
    let s = Script::fast();
    s.wndsize(2, 0);
    for text in [b"a", b"b", b"c"] {
        s.send(text);
    }
    recv!(s, [PUSH { sn: 0, data: b"a" }, PUSH { sn: 1, data: b"b" }]);
    send!(s, [ACK { sn: 1 }]);
    recv_nothing!(s);
    send!(s, [ACK { sn: 0 }]);
    recv!(s, [PUSH { sn: 2, data: b"c" }]);
}

#[test]
fn the_peer_s_window_limits_what_flies() {
    let s = Script::fast();
    send!(s, [WINS { wnd: 1 }]);
    s.send(b"a");
    s.send(b"b");
    recv!(s, [PUSH { sn: 0, data: b"a" }]);
    recv_nothing!(s);
    send!(s, [WINS { wnd: 2 }]);
    recv!(s, [PUSH { sn: 1, data: b"b" }]);
}

#[test]
fn a_closed_window_stops_new_segments_and_not_repeated_ones() {
    let s = flying([1, 10, 0, 1], 1);
    send!(s, [WINS { wnd: 0 }]);
    s.send(b"new");
    recv_nothing!(s, time 190);
    recv!(s, time 200, [PUSH { sn: 0, data: b"m" }]);
    send!(s, [WINS { wnd: 2, una: 1 }]);
    recv!(s, [PUSH { sn: 1, data: b"new" }]);
}

#[test]
fn every_kind_of_segment_tells_the_window() {
    let s = flying([1, 10, 0, 1], 1);
    send!(s, [ACK { sn: 9, wnd: 11 }]);
    assert_eq!(s.rmt_wnd(), 11);
    send!(s, [PUSH { sn: 9, wnd: 12 }]);
    assert_eq!(s.rmt_wnd(), 12);
    send!(s, [WASK { wnd: 13 }]);
    assert_eq!(s.rmt_wnd(), 13);
    send!(s, [WINS { wnd: 14 }, WINS { wnd: 15 }]);
    assert_eq!(s.rmt_wnd(), 15);
    s.flush();
    s.packets();
}

#[test]
fn messages_that_wait_for_the_program_take_from_our_window() {
    let s = Script::fast();
    send!(s, [PUSH { sn: 0, data: b"a" }, PUSH { sn: 1, data: b"b" }, PUSH { sn: 3, data: b"d" }]);
    recv!(
        s,
        [
            ACK { sn: 0, una: 2, wnd: 126 },
            ACK { sn: 1, una: 2, wnd: 126 },
            // Segments that wait after the gap do not count.
            ACK { sn: 3, una: 2, wnd: 126 },
        ],
    );
    s.recv(9).unwrap();
    send!(s, [PUSH { sn: 3, data: b"d" }]);
    recv!(s, [ACK { sn: 3, una: 2, wnd: 127 }]);
}

/// An object whose receive queue is full.
fn full() -> Script {
    let s = Script::fast();
    for sn in 0..128 {
        send!(s, [PUSH { sn: sn, data: b"m" }]);
    }
    s.flush();
    s.packets();
    s
}

#[test]
fn a_full_queue_leaves_what_comes_in_the_buffer() {
    let s = full();
    send!(s, [PUSH { sn: 128, data: b"n" }]);
    assert_eq!((s.nrcv_que(), s.nrcv_buf(), s.rcv_nxt()), (128, 1, 128));
    recv!(s, [ACK { sn: 128, una: 128, wnd: 0 }]);
    assert_eq!(s.recv(9).unwrap(), b"m");
    assert_eq!((s.nrcv_que(), s.nrcv_buf(), s.rcv_nxt()), (128, 0, 129));
    // The queue is full again at once, so there is nothing to announce.
    recv_nothing!(s);
}

#[test]
fn a_queue_that_was_full_and_has_room_is_told() {
    let s = full();
    s.recv(9).unwrap();
    recv!(s, [WINS { una: 128, wnd: 1 }]);
    s.recv(9).unwrap();
    recv_nothing!(s);
}

#[test]
#[cfg_attr(miri, ignore = "slow there, and about numbers alone")]
fn a_queue_that_was_nearly_full_tells_nothing() {
    // Its first message has one segment or two.
    for frg in [0, 1] {
        let s = Script::fast();
        send!(s, [PUSH { sn: 0, frg: frg, data: b"m" }]);
        for sn in 1..127 {
            send!(s, [PUSH { sn: sn, data: b"m" }]);
        }
        s.flush();
        s.packets();
        s.recv(9).unwrap();
        recv_nothing!(s);
    }
}

#[test]
fn a_receive_window_is_128_at_least() {
    let s = Script::fast();
    s.wndsize(5, 5);
    assert_eq!(s.rcv_wnd(), 128);
    s.wndsize(0, 300);
    assert_eq!(s.rcv_wnd(), 300);
    s.wndsize(-3, -3);
    assert_eq!(s.rcv_wnd(), 300);
    send!(s, [PUSH { sn: 299, data: b"in" }], [PUSH { sn: 300, data: b"out" }]);
    recv!(s, [ACK { sn: 299, wnd: 300 }]);
}

#[test]
fn slow_start_adds_a_segment_for_each_packet_that_frees() {
    let s = flying([1, 10, 0, 0], 6);
    s.set_cwnd(1);
    s.set_incr(1376);
    s.set_ssthresh(5);
    send!(s, [ACK { sn: 0, una: 1 }]);
    assert_eq!((s.cwnd(), s.incr()), (2, 2 * 1376));
    // Two acknowledgements at once count as one; one that does not advance snd_una does not count.
    send!(s, [ACK { sn: 1, una: 2 }, ACK { sn: 2, una: 3 }]);
    assert_eq!(s.cwnd(), 3);
    send!(s, [ACK { sn: 4, una: 3 }]);
    assert_eq!(s.cwnd(), 3);
}

#[test]
fn above_the_threshold_it_adds_part_of_a_segment() {
    let s = flying([1, 10, 0, 0], 40);
    s.set_cwnd(4);
    s.set_incr(4 * 1376);
    s.set_ssthresh(4);
    let mut seen = Vec::new();
    for una in 1..=8 {
        send!(s, [WINS { una: una }]);
        seen.push((s.cwnd(), s.incr()));
    }
    // 1376 * 1376 / incr + 1376 / 16 more each time
    assert_eq!(
        seen,
        [(4, 5934), (4, 6339), (4, 6723), (6, 7090), (6, 7443), (6, 7783), (6, 8112), (6, 8431),],
    );
}

#[test]
fn the_congestion_window_ends_at_the_peer_s() {
    let s = flying([1, 10, 0, 0], 10);
    s.set_cwnd(3);
    s.set_ssthresh(100);
    for (una, cwnd) in [(1, 4), (2, 5), (3, 5), (4, 5)] {
        send!(s, [WINS { una: una, wnd: 5 }]);
        assert_eq!(s.cwnd(), cwnd);
    }
}

#[test]
fn the_congestion_window_limits_what_flies_unless_it_is_off() {
    for (nc, fly) in [(0, 3), (1, 8)] {
        let s = Script::with([1, 10, 0, nc]);
        s.set_cwnd(3);
        for _ in 0..8 {
            s.send(b"m");
        }
        s.flush();
        assert_eq!(s.nsnd_buf(), fly);
        s.packets();
    }
}

#[test]
fn a_flush_leaves_a_congestion_window_of_1_at_least() {
    let s = Script::fast();
    s.set_cwnd(0);
    s.set_incr(7);
    recv_nothing!(s);
    assert_eq!((s.cwnd(), s.incr()), (1, 1376));
}

#[test]
fn a_transfer_from_nothing_opens_the_window_step_by_step() {
    let s = Script::with([0, 10, 0, 0]);
    s.update(10);
    for _ in 0..40 {
        s.send(b"m");
    }
    let mut flights = Vec::new();
    for round in 2..9 {
        s.update(round * 10);
        flights.push(s.nsnd_buf());
        s.packets();
        // Everything in flight is acknowledged, with one packet for each segment.
        while s.nsnd_buf() > 0 {
            send!(s, [ACK { sn: s.snd_una(), una: s.snd_una() + 1, ts: s.current() }]);
        }
    }
    assert_eq!(flights, [1, 2, 4, 4, 6, 6, 8]);
}

#[test]
#[cfg_attr(miri, ignore = "slow there, and about numbers alone")]
fn a_wide_window_flies_whole() {
    let s = flying([1, 10, 0, 1], 600);
    send!(s, [WINS { una: 599, wnd: 600 }]);
    assert_eq!((s.nsnd_buf(), s.snd_una()), (1, 599));
}

#[test]
fn a_window_that_shrinks_takes_nothing_back() {
    let s = flying([1, 10, 0, 1], 6);
    s.wndsize(2, 0);
    s.send(b"new");
    recv_nothing!(s);
    send!(s, [WINS { una: 4 }]);
    recv_nothing!(s);
    send!(s, [WINS { una: 5 }]);
    recv!(s, [PUSH { sn: 6, data: b"new" }]);
}

#[test]
fn with_a_receive_window_of_0_duplicates_got_no_acknowledgement() {
    let s = Script::fast();
    send!(s, [PUSH { sn: 0, data: b"a" }]);
    recv!(s, [ACK { sn: 0, una: 1, wnd: 127 }]);
    s.set_rcv_wnd(0);
    send!(s, [PUSH { sn: 0, data: b"a" }]);
    recv!(s, [ACK { sn: 0, una: 1, wnd: 0 }]);
}
