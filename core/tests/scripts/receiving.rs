//! From `ikcp_input` to `ikcp_recv`.

use crate::api::sent;
use crate::packet::*;
use crate::script::Script;

/// An object that is never updated, so it sends no acknowledgements.
fn receiver() -> Script {
    Script::new()
}

#[test]
fn a_message_is_delivered_once() {
    let s = receiver();
    assert_eq!(s.recv(100), Err(-1));
    send!(s, [PUSH { sn: 0, data: b"hello" }]);
    assert_eq!(s.peeksize(), 5);
    assert_eq!(s.recv(100).unwrap(), b"hello");
    assert_eq!(s.recv(100), Err(-1));
    send!(s, [PUSH { sn: 0, data: b"hello" }]);
    assert_eq!(s.recv(100), Err(-1));
}

#[test]
fn segments_behind_a_gap_wait_for_it() {
    let s = receiver();
    send!(s, [PUSH { sn: 2, data: b"c" }], [PUSH { sn: 1, data: b"b" }]);
    assert_eq!((s.rcv_nxt(), s.nrcv_buf(), s.nrcv_que()), (0, 2, 0));
    assert_eq!(s.recv(9), Err(-1));
    send!(s, [PUSH { sn: 0, data: b"a" }]);
    assert_eq!((s.rcv_nxt(), s.nrcv_buf(), s.nrcv_que()), (3, 0, 3));
    for text in [b"a", b"b", b"c"] {
        assert_eq!(s.recv(9).unwrap(), text);
    }
}

#[test]
fn a_second_copy_behind_a_gap_is_dropped() {
    let s = receiver();
    send!(
        s,
        [PUSH { sn: 1, data: b"first" }],
        [PUSH { sn: 1, data: b"other" }],
        [PUSH { sn: 0, data: b"a" }]
    );
    assert_eq!(s.recv(9).unwrap(), b"a");
    assert_eq!(s.recv(9).unwrap(), b"first");
    assert_eq!(s.recv(9), Err(-1));
}

#[test]
fn every_copy_is_acknowledged() {
    let s = Script::fast();
    send!(s, [PUSH { sn: 0, ts: 5, data: b"a" }], [PUSH { sn: 0, ts: 9, data: b"a" }]);
    recv!(s, [ACK { sn: 0, ts: 5, una: 1, wnd: 127 }, ACK { sn: 0, ts: 9, una: 1, wnd: 127 }]);
    send!(s, [PUSH { sn: 0, ts: 13, data: b"a" }]);
    recv!(s, [ACK { sn: 0, ts: 13, una: 1, wnd: 127 }]);
}

#[test]
fn the_last_segment_of_the_window_is_kept_and_the_next_is_not() {
    let s = Script::fast();
    send!(s, [PUSH { sn: 127, ts: 1, data: b"in" }], [PUSH { sn: 128, ts: 2, data: b"out" }]);
    assert_eq!(s.nrcv_buf(), 1);
    recv!(s, [ACK { sn: 127, ts: 1 }]);
}

#[test]
fn a_number_half_a_circle_ahead_counts_as_old() {
    let s = Script::fast();
    send!(s, [PUSH { sn: 0x8000_0080, ts: 4, data: b"?" }]);
    assert_eq!((s.nrcv_buf(), s.nrcv_que()), (0, 0));
    recv!(s, [ACK { sn: 0x8000_0080, ts: 4 }]);
}

#[test]
fn fragments_make_one_message() {
    let s = receiver();
    send!(s, [PUSH { sn: 0, frg: 2, data: b"ab" }], [PUSH { sn: 2, frg: 0, data: b"ef" }]);
    assert_eq!(s.peeksize(), -1);
    assert_eq!(s.recv(100), Err(-2));
    send!(s, [PUSH { sn: 1, frg: 1, data: b"cd" }]);
    assert_eq!(s.peeksize(), 6);
    assert_eq!(s.recv(100).unwrap(), b"abcdef");
    assert_eq!(s.peeksize(), -1);
}

#[test]
fn a_buffer_that_is_too_small_leaves_the_message() {
    let s = receiver();
    send!(s, [PUSH { sn: 0, data: b"hello" }]);
    assert_eq!(s.recv(4), Err(-3));
    assert_eq!(s.recv(5).unwrap(), b"hello");
}

#[test]
fn a_negative_length_peeks() {
    let s = receiver();
    send!(
        s,
        [
            PUSH { sn: 0, frg: 1, data: b"he" },
            PUSH { sn: 1, data: b"llo" },
            PUSH { sn: 2, data: b"!" }
        ]
    );
    assert_eq!(s.peek(5).unwrap(), b"hello");
    assert_eq!(s.peek(4), Err(-3));
    assert_eq!(s.nrcv_que(), 3);
    assert_eq!(s.recv(5).unwrap(), b"hello");
    assert_eq!(s.recv(5).unwrap(), b"!");
}

#[test]
fn an_empty_message_is_received_as_one() {
    let s = receiver();
    send!(s, [PUSH { sn: 0, data: b"" }, PUSH { sn: 1, data: b"x" }]);
    assert_eq!(s.peeksize(), 0);
    assert_eq!(s.recv(10).unwrap(), b"");
    assert_eq!(s.recv(10).unwrap(), b"x");
}

#[test]
fn what_is_no_packet_of_ours_is_refused() {
    let s = receiver();
    assert_eq!(s.input_packet(&[Seg { conv: CONV + 1, data: b"x", ..PUSH }]), -1);
    assert_eq!(s.input(&[0; 23]), -1);
    assert_eq!(s.input_packet(&[Seg { cmd: 80, ..PUSH }]), -3);
    assert_eq!(s.input_packet(&[Seg { cmd: 85, ..PUSH }]), -3);
    let mut short = emit(&[Seg { data: b"abc", ..PUSH }]);
    short.pop();
    assert_eq!(s.input(&short), -2);
    short[23] = 0x80;
    assert_eq!(s.input(&short), -2);
    assert_eq!((s.nrcv_que(), s.nrcv_buf()), (0, 0));
}

#[test]
fn what_came_before_a_bad_segment_counts() {
    let s = Script::fast();
    let bad = [Seg { ts: 6, data: b"good", ..PUSH }, Seg { cmd: 1, ..PUSH }];
    assert_eq!(s.input_packet(&bad), -3);
    assert_eq!(s.recv(10).unwrap(), b"good");
    recv!(s, [ACK { sn: 0, ts: 6, una: 1 }]);
}

#[test]
fn less_than_a_header_behind_a_segment_is_ignored() {
    let s = receiver();
    let mut packet = emit(&[Seg { data: b"x", ..PUSH }]);
    packet.extend([0; 23]);
    assert_eq!(s.input(&packet), 0);
    assert_eq!(s.recv(10).unwrap(), b"x");
}

#[test]
fn numbers_are_received_past_the_end_of_32_bits() {
    let s = receiver();
    s.set_rcv_nxt(u32::MAX);
    send!(
        s,
        [PUSH { sn: 1, data: b"c" }],
        [PUSH { sn: 0, data: b"b" }],
        [PUSH { sn: u32::MAX, data: b"a" }]
    );
    assert_eq!(s.rcv_nxt(), 2);
    for text in [b"a", b"b", b"c"] {
        assert_eq!(s.recv(9).unwrap(), text);
    }
}

#[test]
fn a_message_in_many_pieces_out_of_order_arrives_whole() {
    let s = receiver();
    for sn in [3, 1, 7, 0, 2, 6, 4, 5] {
        assert_eq!(s.peeksize(), -1);
        let data = &b"abcdefgh"[sn..=sn];
        send!(s, [PUSH { sn: sn as u32, frg: 7 - sn as u8, data: data }]);
    }
    assert_eq!(s.recv(8).unwrap(), b"abcdefgh");
}

#[test]
fn both_directions_run_side_by_side() {
    let s = Script::fast();
    assert_eq!(s.send(b"question"), sent(8));
    recv!(s, [PUSH { sn: 0, data: b"question" }]);
    send!(s, time 10, [ACK { sn: 0, ts: 0, una: 1 }, PUSH { sn: 0, una: 1, ts: 10, data: b"answer" }]);
    assert_eq!(s.recv(100).unwrap(), b"answer");
    s.send(b"thanks");
    recv!(s, time 20, [ACK { sn: 0, ts: 10, una: 1 }, PUSH { sn: 1, una: 1, data: b"thanks" }]);
    assert_eq!(s.waitsnd(), 1);
}
