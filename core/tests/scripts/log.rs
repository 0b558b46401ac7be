//! The lines of the log: which lines, in which order, in which words.

use crate::packet::*;
use crate::script::{Script, flying};

const ALL: i32 = !0;

#[test]
fn each_bit_asks_for_its_line() {
    for (bit, line) in [
        (1, "[RO] 73 bytes"),
        (2, "[RI] 100 bytes"),
        (8, "recv sn=0"),
        (16, "input psh: sn=0 ts=7"),
        (32, "input ack: sn=0 rtt=40 rto=120"),
        (64, "input probe"),
        (128, "input wins: 9"),
    ] {
        let s = flying([1, 10, 0, 1], 1);
        s.log(bit);
        send!(
            s, time 40,
            [ACK { sn: 0 }, PUSH { sn: 0, ts: 7, data: b"mess" }, WINS { wnd: 9 }, WASK]
        );
        s.recv(9).unwrap();
        s.send(b"m");
        recv!(
            s,
            [
                ACK { sn: 0, ts: 7, una: 1 },
                WINS { sn: 0, ts: 7, una: 1 },
                PUSH { sn: 1, una: 1, data: b"m" },
            ]
        );
        assert_eq!(s.lines(), [line]);
    }
}

#[test]
fn lines_come_in_the_order_of_what_they_say() {
    let s = Script::fast();
    s.log(ALL);
    send!(s, [PUSH { sn: 1, ts: 3 }, PUSH { sn: 0, ts: 4, frg: 1 }]);
    s.recv(9).unwrap();
    recv!(s, [ACK { sn: 1, ts: 3, una: 2 }, ACK { sn: 0, ts: 4, una: 2 }]);
    assert_eq!(
        s.lines(),
        [
            "[RI] 48 bytes",
            "input psh: sn=1 ts=3",
            "input psh: sn=0 ts=4",
            "recv sn=0",
            "recv sn=1",
            "[RO] 48 bytes",
        ],
    );
}

#[test]
fn what_is_refused_has_its_first_line() {
    let s = Script::fast();
    s.log(ALL);
    assert_eq!(s.input(&[1, 2, 3]), -1);
    assert_eq!(s.input_packet(&[Seg { cmd: 9, ..PUSH }]), -3);
    assert_eq!(s.lines(), ["[RI] 3 bytes", "[RI] 24 bytes"]);
}

#[test]
fn an_acknowledgement_from_the_future_has_a_negative_round_trip() {
    let s = flying([1, 10, 0, 1], 1);
    s.log(32);
    send!(s, [ACK { sn: 0, ts: 15 }]);
    assert_eq!(s.lines(), ["input ack: sn=0 rtt=-15 rto=200"]);
}
