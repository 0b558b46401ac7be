//! Stream mode: messages are joined.

use crate::api::sent;
use crate::packet::*;
use crate::script::Script;

fn stream() -> Script {
    let s = Script::fast();
    s.set_stream(1);
    s
}

#[test]
fn small_writes_share_a_segment() {
    let s = stream();
    for text in ["ab", "c", "def"] {
        assert_eq!(s.send(text.as_bytes()), sent(text.len()));
    }
    assert_eq!(s.waitsnd(), 1);
    recv!(s, [PUSH { sn: 0, data: b"abcdef" }]);
}

#[test]
fn a_write_fills_the_last_segment_and_goes_on_in_the_next() {
    let s = stream();
    s.setmtu(50);
    s.send(b"abcdefghijklmnopqrst");
    assert_eq!(s.send(b"uvwxyz0123456789"), sent(16));
    recv!(
        s,
        [PUSH { sn: 0, data: b"abcdefghijklmnopqrstuvwxyz" }],
        [PUSH { sn: 1, data: b"0123456789" }],
    );
}

#[test]
fn nothing_is_added_to_what_was_sent() {
    let s = stream();
    s.send(b"ab");
    recv!(s, [PUSH { sn: 0, data: b"ab" }]);
    s.send(b"cd");
    recv!(s, [PUSH { sn: 1, data: b"cd" }]);
}

#[test]
fn pieces_of_a_long_write_have_no_fragment_numbers() {
    let s = stream();
    s.setmtu(50);
    s.send(fill(60));
    recv!(
        s,
        [PUSH { sn: 0, frg: 0, data: fill(26) }],
        [PUSH { sn: 1, frg: 0, data: fill(26) }],
        [PUSH { sn: 2, frg: 0, data: fill(8) }],
    );
}

#[test]
fn an_empty_write_is_nothing() {
    let s = stream();
    assert_eq!(s.send(b""), 0);
    recv_nothing!(s);
    s.send(b"a");
    assert_eq!(s.send(b""), 0);
    recv!(s, [PUSH { sn: 0, data: b"a" }]);
}

#[test]
fn a_write_that_is_too_long_is_refused_or_cut_to_what_fits_the_last_segment() {
    let s = stream();
    s.setmtu(50);
    assert_eq!(s.send(fill(128 * 26)), -2);
    assert_eq!(s.waitsnd(), 0);
    s.send(b"abcdefghijklmnopqrst");
    // Profile 1.7 returns an error, but accepted six bytes nevertheless.
    let taken = if cfg!(feature = "profile-1-7") { -2 } else { 6 };
    assert_eq!(s.send(fill(6 + 127 * 26 + 1)), taken);
    recv!(s, [PUSH { sn: 0, data: b"abcdefghijklmnopqrstxxxxxx" }]);
}

#[test]
fn a_message_queued_before_stream_mode_is_added_to_as_well() {
    let s = Script::fast();
    s.send(b"message");
    s.set_stream(1);
    s.send(b"+");
    s.set_stream(0);
    s.send(b"next");
    recv!(s, [PUSH { sn: 0, data: b"message+" }, PUSH { sn: 1, data: b"next" }]);
}

#[test]
fn a_full_last_segment_is_left_alone() {
    let s = stream();
    s.setmtu(50);
    s.send(fill(26));
    s.send(b"y");
    recv!(s, [PUSH { sn: 0, data: fill(26) }], [PUSH { sn: 1, data: b"y" }]);
}

#[test]
fn the_receiver_gets_a_stream_segment_by_segment() {
    let s = stream();
    send!(s, [PUSH { sn: 0, data: b"abc" }, PUSH { sn: 1, data: b"de" }]);
    assert_eq!(s.peeksize(), 3);
    assert_eq!(s.recv(9).unwrap(), b"abc");
    assert_eq!(s.recv(9).unwrap(), b"de");
    recv!(s, [ACK { sn: 0, una: 2 }, ACK { sn: 1, una: 2 }]);
}

#[test]
fn many_writes_of_a_byte_become_full_segments() {
    let s = stream();
    s.setmtu(50);
    for n in 0..60u8 {
        assert_eq!(s.send(&[n]), sent(1));
    }
    assert_eq!(s.waitsnd(), 3);
    s.flush();
    let packets = s.packets();
    let lengths: Vec<usize> = packets.iter().map(Vec::len).collect();
    assert_eq!(lengths, [50, 50, 32]);
    let stream: Vec<u8> = packets.iter().flat_map(|packet| packet[24..].to_vec()).collect();
    assert_eq!(stream, (0..60).collect::<Vec<u8>>());
}
