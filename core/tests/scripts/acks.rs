//! Acknowledgements, ours and the peer's, and the round-trip times measured from them.

use crate::packet::*;
use crate::script::{Script, flying};

#[test]
fn each_segment_is_acknowledged_once_with_its_own_time() {
    let s = Script::fast();
    send!(s, [PUSH { sn: 1, ts: 70, data: b"b" }], [PUSH { sn: 0, ts: 80, data: b"a" }]);
    recv!(s, [ACK { sn: 1, ts: 70, una: 2, wnd: 126 }, ACK { sn: 0, ts: 80, una: 2, wnd: 126 }]);
    recv_nothing!(s);
}

#[test]
fn acknowledgements_go_before_data_and_share_packets() {
    let s = Script::fast();
    s.setmtu(80);
    send!(s, [PUSH { sn: 0 }, PUSH { sn: 1 }, PUSH { sn: 2 }, PUSH { sn: 3 }]);
    s.send(b"data");
    recv!(
        s,
        [
            ACK { sn: 0, una: 4, wnd: 124 },
            ACK { sn: 1, una: 4, wnd: 124 },
            ACK { sn: 2, una: 4, wnd: 124 },
        ],
        [ACK { sn: 3, una: 4, wnd: 124 }, PUSH { sn: 0, una: 4, wnd: 124, data: b"data" }],
    );
}

#[test]
fn without_room_for_a_header_each_acknowledgement_has_a_packet() {
    for mtu in [0, 10, 24, 47, u32::MAX] {
        let s = Script::fast();
        s.set_mtu_field(mtu);
        send!(s, [PUSH { sn: 0 }, PUSH { sn: 1 }]);
        recv!(s, [ACK { sn: 0, una: 2, wnd: 126 }], [ACK { sn: 1, una: 2, wnd: 126 }]);
    }
}

#[test]
fn acknowledgements_fill_the_mtu_that_the_program_wrote() {
    let s = Script::fast();
    s.set_mtu_field(2000);
    for sn in 0..100 {
        send!(s, [PUSH { sn: sn }]);
    }
    s.flush();
    let lengths: Vec<usize> = s.packets().iter().map(Vec::len).collect();
    assert_eq!(lengths, [83 * 24, 17 * 24]);
}

#[test]
fn una_frees_everything_before_it() {
    let s = flying([1, 10, 0, 1], 5);
    send!(s, [WINS { una: 3 }]);
    assert_eq!((s.snd_una(), s.nsnd_buf()), (3, 2));
    // An older one changes nothing.
    send!(s, [WINS { una: 1 }]);
    assert_eq!((s.snd_una(), s.nsnd_buf()), (3, 2));
    send!(s, [PUSH { sn: 0, una: 5 }]);
    assert_eq!((s.snd_una(), s.nsnd_buf()), (5, 0));
}

#[test]
fn each_segment_of_a_packet_counts_with_its_own_una() {
    let s = flying([1, 10, 0, 1], 5);
    send!(s, [WINS { una: 1 }, ACK { sn: 4, una: 1 }, WINS { una: 3 }]);
    assert_eq!((s.snd_una(), s.nsnd_buf()), (3, 1));
}

#[test]
fn an_acknowledgement_frees_its_segment_and_no_other() {
    let s = flying([1, 10, 0, 1], 4);
    send!(s, [ACK { sn: 2 }]);
    assert_eq!((s.snd_una(), s.nsnd_buf()), (0, 3));
    send!(s, [ACK { sn: 2 }]);
    assert_eq!((s.snd_una(), s.nsnd_buf()), (0, 3));
    send!(s, [ACK { sn: 0 }]);
    assert_eq!((s.snd_una(), s.nsnd_buf()), (1, 2));
    send!(s, [ACK { sn: 1 }]);
    assert_eq!((s.snd_una(), s.nsnd_buf()), (3, 1));
    send!(s, [ACK { sn: 3 }]);
    assert_eq!((s.snd_una(), s.nsnd_buf()), (4, 0));
}

#[test]
fn acknowledgements_of_what_was_never_sent_or_is_long_gone_free_nothing() {
    let s = flying([1, 10, 0, 1], 3);
    send!(s, [ACK { sn: 3 }], [ACK { sn: 1000 }], [ACK { sn: u32::MAX }]);
    assert_eq!((s.snd_una(), s.nsnd_buf()), (0, 3));
}

#[test]
fn una_did_not_free_a_segment_whose_number_had_changed_while_lines_were_logged() {
    let s = flying([1, 10, 0, 1], 10);
    s.log(32);
    send!(s, [ACK { sn: 3 }]);
    // SAFETY: it is in flight, and nothing else refers to it.
    unsafe { &*s.first_in_flight() }.sn.set(3);
    send!(s, [ACK { sn: 4, una: 5 }]);
    assert_eq!((s.snd_una(), s.nsnd_buf(), s.lines().len()), (5, 5, 2));
}

#[test]
fn acknowledged_segments_are_not_sent_again() {
    let s = flying([1, 10, 0, 1], 3);
    send!(s, [ACK { sn: 1 }]);
    // The sample of 0 ms makes the timeout 30 for segments sent later; these were sent with 200.
    recv_nothing!(s, time 199);
    recv!(s, time 210, [PUSH { sn: 0, data: b"m" }, PUSH { sn: 2, data: b"m" }]);
}

#[test]
fn the_first_sample_sets_the_round_trip() {
    let s = flying([0, 100, 0, 1], 1);
    send!(s, time 80, [ACK { sn: 0, ts: 0 }]);
    assert_eq!((s.rx_srtt(), s.rx_rttval()), (80, 40));
    // 80 + max(100, 4 * 40)
    assert_eq!(s.rx_rto(), 240);
}

#[test]
fn later_samples_smooth_it() {
    let s = flying([0, 10, 0, 1], 3);
    send!(s, time 80, [ACK { sn: 0, ts: 0 }]);
    send!(s, time 120, [ACK { sn: 1, ts: 0 }]);
    // (3 * 40 + 40) / 4, (7 * 80 + 120) / 8, 85 + 4 * 40
    assert_eq!((s.rx_rttval(), s.rx_srtt(), s.rx_rto()), (40, 85, 245));
    send!(s, time 130, [ACK { sn: 2, ts: 125 }]);
    // (3 * 40 + 80) / 4, (7 * 85 + 5) / 8, 75 + 4 * 50
    assert_eq!((s.rx_rttval(), s.rx_srtt(), s.rx_rto()), (50, 75, 275));
}

#[test]
fn the_interval_is_the_least_that_is_added_to_the_round_trip() {
    let s = flying([0, 50, 0, 1], 1);
    send!(s, time 60, [ACK { sn: 0, ts: 56 }]);
    assert_eq!((s.rx_srtt(), s.rx_rttval(), s.rx_rto()), (4, 2, 100));
    s.set_rx_minrto(1);
    send!(s, time 61, [ACK { sn: 0, ts: 57 }]);
    // (3 * 2 + 0) / 4 = 1, and 4 + max(50, 4)
    assert_eq!(s.rx_rto(), 54);
}

#[test]
fn the_timeout_stays_above_the_minimum_of_its_mode() {
    for (nodelay, minimum) in [(0, 100), (1, 30), (2, 30)] {
        let s = flying([nodelay, 10, 0, 1], 1);
        send!(s, time 2, [ACK { sn: 0, ts: 0 }]);
        assert_eq!(s.rx_rto(), minimum);
    }
}

#[test]
fn the_timeout_of_new_segments_ends_at_a_minute() {
    let s = flying([0, 10, 0, 1], 1);
    send!(s, time 50_000, [ACK { sn: 0, ts: 0 }]);
    assert_eq!((s.rx_srtt(), s.rx_rto()), (50_000, 60_000));
}

#[test]
fn an_acknowledgement_from_the_future_is_no_sample_but_frees() {
    let s = flying([0, 10, 0, 1], 2);
    send!(s, time 10, [ACK { sn: 0, ts: 11 }]);
    assert_eq!((s.rx_srtt(), s.rx_rto(), s.nsnd_buf()), (0, 200, 1));
}

#[test]
fn a_sample_of_0_leaves_the_next_one_the_first() {
    let s = flying([0, 10, 0, 1], 3);
    send!(s, time 20, [ACK { sn: 0, ts: 20 }]);
    assert_eq!((s.rx_srtt(), s.rx_rttval(), s.rx_rto()), (0, 0, 100));
    send!(s, [ACK { sn: 1, ts: 10 }]);
    assert_eq!((s.rx_srtt(), s.rx_rttval()), (10, 5));
    // Once measured, it is never below 1.
    s.set_rx_srtt(1);
    send!(s, [ACK { sn: 2, ts: 20 }]);
    assert_eq!(s.rx_srtt(), 1);
}

#[test]
fn every_acknowledgement_of_a_packet_is_a_sample() {
    let s = flying([0, 10, 0, 1], 3);
    send!(s, time 40, [ACK { sn: 0, ts: 0 }, ACK { sn: 0, ts: 0 }, ACK { sn: 99, ts: 0 }]);
    // 20, then 3/4 of it twice
    assert_eq!((s.rx_srtt(), s.rx_rttval()), (40, 11));
}

#[test]
fn only_acknowledgements_are_samples() {
    let s = flying([0, 10, 0, 1], 3);
    send!(s, time 40, [WINS { ts: 0, una: 1 }], [WASK { ts: 0, una: 2 }], [PUSH { sn: 0, ts: 0, una: 3 }]);
    assert_eq!((s.rx_srtt(), s.rx_rto(), s.nsnd_buf()), (0, 200, 0));
}

#[test]
fn samples_cross_the_end_of_the_clock() {
    let s = flying([0, 10, 0, 1], 1);
    send!(s, time 20, [ACK { sn: 0, ts: 20u32.wrapping_sub(50) }]);
    assert_eq!(s.rx_srtt(), 50);
}
