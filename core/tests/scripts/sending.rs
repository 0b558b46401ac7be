//! From `ikcp_send` to the first packet.

use crate::api::sent;
use crate::packet::*;
use crate::script::Script;

#[test]
fn nothing_leaves_before_the_first_update() {
    let s = Script::new();
    s.nodelay([-1, -1, -1, 1]);
    assert_eq!(s.send(b"early"), sent(5));
    recv_nothing!(s);
    recv!(s, time 77, [PUSH { sn: 0, data: b"early" }]);
}

#[test]
fn the_first_flush_of_a_new_object_only_opens_its_congestion_window() {
    let s = Script::new();
    s.send(b"a");
    s.send(b"b");
    recv_nothing!(s, time 0);
    assert_eq!(s.cwnd(), 1);
    recv_nothing!(s, time 99);
    recv!(s, time 100, [PUSH { sn: 0, data: b"a" }]);
}

#[test]
fn messages_leave_in_order_with_the_next_flush() {
    let s = Script::fast();
    s.send(b"one");
    s.send(b"two");
    recv_nothing!(s, time 9);
    recv!(s, time 10, [PUSH { sn: 0, data: b"one" }, PUSH { sn: 1, data: b"two" }]);
    s.send(b"three");
    recv!(s, time 20, [PUSH { sn: 2, data: b"three" }]);
    recv_nothing!(s, time 30);
}

#[test]
fn an_empty_message_is_a_segment_without_payload() {
    let s = Script::fast();
    assert_eq!(s.send(b""), 0);
    assert_eq!(s.waitsnd(), 1);
    recv!(s, [PUSH { sn: 0, data: b"" }]);
}

#[test]
fn a_negative_length_is_refused() {
    let s = Script::fast();
    assert_eq!(s.send_length(-1), -1);
    assert_eq!(s.send_length(i32::MIN), -1);
    assert_eq!(s.waitsnd(), 0);
}

#[test]
fn fragments_count_down_to_0() {
    let s = Script::fast();
    s.setmtu(50);
    assert_eq!(s.send(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ12345678"), sent(60));
    recv!(
        s,
        [PUSH { sn: 0, frg: 2, data: b"abcdefghijklmnopqrstuvwxyz" }],
        [PUSH { sn: 1, frg: 1, data: b"ABCDEFGHIJKLMNOPQRSTUVWXYZ" }],
        [PUSH { sn: 2, frg: 0, data: b"12345678" }],
    );
}

#[test]
fn a_message_of_exactly_one_segment_is_one() {
    let s = Script::fast();
    s.send(fill(1376));
    s.send(fill(1377));
    recv!(
        s,
        [PUSH { sn: 0, data: fill(1376) }],
        [PUSH { sn: 1, frg: 1, data: fill(1376) }],
        [PUSH { sn: 2, data: fill(1) }],
    );
}

#[test]
fn a_message_of_128_fragments_is_refused_whole() {
    let s = Script::fast();
    s.setmtu(50);
    assert_eq!(s.send(fill(127 * 26 + 1)), -2);
    assert_eq!(s.waitsnd(), 0);
    assert_eq!(s.send(fill(127 * 26)), sent(127 * 26));
    assert_eq!(s.waitsnd(), 127);
}

#[test]
fn segments_share_a_packet_up_to_the_mtu() {
    let s = Script::fast();
    s.setmtu(70);
    for _ in 0..3 {
        s.send(b"0123456789");
    }
    s.send(b"");
    recv!(
        s,
        [PUSH { sn: 0, data: b"0123456789" }, PUSH { sn: 1, data: b"0123456789" }],
        [PUSH { sn: 2, data: b"0123456789" }, PUSH { sn: 3 }],
    );
}

#[test]
fn a_new_mtu_counts_from_the_next_send() {
    let s = Script::fast();
    assert_eq!(s.setmtu(49), -1);
    assert_eq!(s.mss(), 1376);
    s.send(fill(60));
    assert_eq!(s.setmtu(64), 0);
    assert_eq!(s.mss(), 40);
    s.send(fill(60));
    recv!(
        s,
        // Queued before the change, so it is sent whole.
        [PUSH { sn: 0, data: fill(60) }],
        [PUSH { sn: 1, frg: 1, data: fill(40) }],
        [PUSH { sn: 2, data: fill(20) }],
    );
}

#[test]
fn what_was_received_meanwhile_shows_in_every_segment() {
    let s = Script::fast();
    send!(s, time 3, [PUSH { sn: 0, data: b"x" }]);
    s.send(b"y");
    recv!(
        s, time 10,
        [ACK { sn: 0, ts: 3, una: 1, wnd: 127 }, PUSH { sn: 0, una: 1, wnd: 127, data: b"y" }],
    );
}

#[test]
fn waitsnd_counts_what_waits_and_what_flies() {
    let s = Script::fast();
    s.wndsize(2, 0);
    for _ in 0..5 {
        s.send(b"m");
    }
    recv!(s, [PUSH { sn: 0, data: b"m" }, PUSH { sn: 1, data: b"m" }]);
    assert_eq!((s.nsnd_buf(), s.nsnd_que(), s.waitsnd()), (2, 3, 5));
    send!(s, [ACK { sn: 1, una: 0 }]);
    assert_eq!((s.nsnd_buf(), s.nsnd_que(), s.waitsnd()), (1, 3, 4));
}

#[test]
fn numbers_go_on_past_the_end_of_32_bits() {
    let s = Script::fast();
    s.set_snd_una(u32::MAX);
    s.set_snd_nxt(u32::MAX);
    for text in [b"a", b"b", b"c"] {
        s.send(text);
    }
    recv!(
        s,
        [PUSH { sn: u32::MAX, data: b"a" }, PUSH { sn: 0, data: b"b" }, PUSH { sn: 1, data: b"c" }],
    );
    send!(s, [ACK { sn: 1, una: 0 }]);
    assert_eq!((s.snd_una(), s.snd_nxt(), s.nsnd_buf()), (0, 2, 1));
    send!(s, [ACK { sn: 0, una: 2 }]);
    assert_eq!((s.snd_una(), s.nsnd_buf()), (2, 0));
}

#[test]
fn a_full_window_of_fragments_leaves_as_the_peer_takes_it() {
    let s = Script::fast();
    s.setmtu(50);
    s.wndsize(2, 0);
    s.send(fill(26 * 3));
    recv!(s, [PUSH { sn: 0, frg: 2, data: fill(26) }], [PUSH { sn: 1, frg: 1, data: fill(26) }]);
    send!(s, [ACK { sn: 0, una: 1 }]);
    recv!(s, [PUSH { sn: 2, frg: 0, data: fill(26) }]);
}
