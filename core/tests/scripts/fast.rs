//! Fast retransmission: segments that later acknowledgements skipped.

use crate::packet::*;
use crate::script::flying;

#[test]
fn a_segment_that_was_skipped_twice_leaves_at_once() {
    let s = flying([1, 10, 2, 1], 4);
    send!(s, time 5, [ACK { sn: 1 }]);
    recv_nothing!(s);
    send!(s, [ACK { sn: 2 }]);
    recv!(s, [PUSH { sn: 0, data: b"m" }]);
    recv_nothing!(s);
}

#[test]
fn the_acknowledgements_of_one_packet_skip_once() {
    let s = flying([1, 10, 2, 1], 5);
    send!(s, time 5, [ACK { sn: 1 }, ACK { sn: 2 }, ACK { sn: 3 }]);
    recv_nothing!(s);
    send!(s, [ACK { sn: 4 }]);
    recv!(s, [PUSH { sn: 0, data: b"m" }]);
}

#[test]
fn only_segments_before_the_acknowledged_one_are_skipped() {
    let s = flying([1, 10, 1, 1], 6);
    send!(s, time 5, [ACK { sn: 3 }]);
    recv!(s, [PUSH { sn: 0, data: b"m" }, PUSH { sn: 1, data: b"m" }, PUSH { sn: 2, data: b"m" }]);
}

#[test]
fn three_skips_are_asked_for_three() {
    let s = flying([1, 10, 3, 1], 5);
    send!(s, time 5, [ACK { sn: 1 }], [ACK { sn: 2 }]);
    recv_nothing!(s);
    send!(s, [ACK { sn: 4 }]);
    recv!(s, [PUSH { sn: 0, data: b"m" }]);
    // Only number 4 skipped number 3.
    send!(s, [WINS { una: 1 }]);
    recv_nothing!(s);
}

#[test]
fn without_it_segments_wait_for_their_timeout() {
    let s = flying([1, 10, 0, 1], 9);
    for sn in 1..9 {
        send!(s, time 5, [ACK { sn: sn }]);
    }
    recv_nothing!(s);
    recv_nothing!(s, time 199);
}

#[test]
fn an_acknowledgement_of_an_older_transmission_skips_nothing() {
    let s = flying([1, 10, 1, 1], 3);
    send!(s, time 5, [ACK { sn: 1, ts: 0 }]);
    recv!(s, [PUSH { sn: 0, data: b"m" }]);
    // Segment 0 was sent again at 5; this acknowledgement, of a segment sent at 0, says nothing about that.
    send!(s, time 9, [ACK { sn: 2, ts: 0 }]);
    if cfg!(feature = "profile-1-7") {
        recv!(s, [PUSH { sn: 0, data: b"m" }]);
    } else {
        recv_nothing!(s);
    }
}

#[test]
fn of_a_packet_s_acknowledgements_the_highest_with_the_newest_time_skips() {
    let s = flying([1, 10, 1, 1], 4);
    // The higher number has the older time, and 1.7 takes the higher number.
    send!(s, time 5, [ACK { sn: 1, ts: 3 }, ACK { sn: 3, ts: 2 }]);
    if cfg!(feature = "profile-1-7") {
        recv!(s, [PUSH { sn: 0, data: b"m" }, PUSH { sn: 2, data: b"m" }]);
    } else {
        recv!(s, [PUSH { sn: 0, data: b"m" }]);
    }
}

#[test]
fn a_packet_with_falling_numbers_skips_by_its_first() {
    let s = flying([1, 10, 1, 1], 4);
    send!(s, time 5, [ACK { sn: 2, ts: 0 }, ACK { sn: 1, ts: 4 }]);
    recv!(s, [PUSH { sn: 0, data: b"m" }]);
}

#[test]
fn acknowledgements_of_what_is_gone_or_not_sent_skip_nothing() {
    let s = flying([1, 10, 1, 1], 3);
    send!(s, time 5, [ACK { sn: 9 }], [ACK { sn: u32::MAX }]);
    recv_nothing!(s);
}

#[test]
fn after_five_transmissions_only_the_timeout_is_left() {
    let s = flying([1, 10, 1, 1], 20);
    for n in 1..=4 {
        s.update(n);
        send!(s, [ACK { sn: n, ts: n }]);
        // Only number 0 is skipped by every acknowledgement.
        recv!(s, [PUSH { sn: 0, data: b"m" }]);
    }
    send!(s, time 5, [ACK { sn: 5, ts: 5 }]);
    recv!(s, [PUSH { sn: 0, data: b"m" }]);
    send!(s, time 6, [ACK { sn: 6, ts: 6 }]);
    recv_nothing!(s);
}

#[test]
#[cfg_attr(miri, ignore = "slow there, and about numbers alone")]
fn without_a_limit_it_goes_on() {
    let s = flying([1, 10, 1, 1], 30);
    s.set_fastlimit(0);
    for n in 1..30 {
        send!(s, time n, [ACK { sn: n, ts: n }]);
        recv!(s, [PUSH { sn: 0, data: b"m" }]);
    }
    assert_eq!(s.xmit(), 0, "only timeouts count there");
}

#[test]
fn the_next_timeout_counts_from_the_fast_transmission() {
    let s = flying([1, 10, 1, 1], 2);
    send!(s, time 100, [ACK { sn: 1 }]);
    recv!(s, [PUSH { sn: 0, data: b"m" }]);
    // 200 ms as for the first transmission, without an increase.
    s.set_current(299);
    recv_nothing!(s);
    s.set_current(300);
    recv!(s, [PUSH { sn: 0, data: b"m" }]);
    assert_eq!(s.xmit(), 1);
}

#[test]
fn it_halves_the_congestion_window() {
    let s = flying([1, 10, 2, 0], 20);
    send!(s, time 5, [ACK { sn: 11 }], [ACK { sn: 12 }]);
    recv!(
        s,
        [
            PUSH { sn: 0, data: b"m" },
            PUSH { sn: 1, data: b"m" },
            PUSH { sn: 2, data: b"m" },
            PUSH { sn: 3, data: b"m" },
            PUSH { sn: 4, data: b"m" },
            PUSH { sn: 5, data: b"m" },
            PUSH { sn: 6, data: b"m" },
            PUSH { sn: 7, data: b"m" },
            PUSH { sn: 8, data: b"m" },
            PUSH { sn: 9, data: b"m" },
            PUSH { sn: 10, data: b"m" },
        ],
    );
    // Half of the 20 from snd_una to snd_nxt, plus the two skips of `resend`.
    assert_eq!((s.ssthresh(), s.cwnd(), s.incr()), (10, 12, 12 * 1376));
}

#[test]
fn una_ends_what_was_skipped() {
    let s = flying([1, 10, 2, 1], 5);
    send!(s, time 5, [ACK { sn: 3 }], [ACK { sn: 4, una: 2 }]);
    recv!(s, [PUSH { sn: 2, data: b"m" }]);
}

#[test]
#[cfg_attr(miri, ignore = "slow there, and about numbers alone")]
fn every_skip_of_a_wide_window_counts() {
    let s = flying([1, 10, 2, 1], 300);
    for sn in [290, 100] {
        send!(s, time 5, [ACK { sn: sn }]);
    }
    s.flush();
    let left: usize = s.packets().iter().map(|packet| packet.len() / 25).sum();
    assert_eq!(left, 100);
    send!(s, [ACK { sn: 299, ts: 5 }]);
    s.flush();
    // Segments 101 to 289 have two skips now, those after 290 one.
    let left: usize = s.packets().iter().map(|packet| packet.len() / 25).sum();
    assert_eq!(left, 189);
}

/// The program makes all segments count as never sent. In a large window, what the index recorded of their times was not renewed.
#[test]
fn an_acknowledgement_from_before_xmit_was_reset_skips_nothing() {
    for count in [3, 40, 100] {
        let s = flying([1, 10, 1, 1], count);
        let mut at = s.first_in_flight();
        for _ in 0..count {
            // SAFETY: so many segments are in flight.
            let segment = unsafe { &*at };
            segment.xmit.set(0);
            at = segment.node.next.get().cast();
        }
        s.update(10);
        let left: usize = s.packets().iter().map(|packet| packet.len() / 25).sum();
        assert_eq!(left, count as usize);
        send!(s, time 12, [ACK { sn: count - 1, ts: 0 }]);
        s.flush();
        let left: usize = s.packets().iter().map(|packet| packet.len() / 25).sum();
        assert_eq!(
            left,
            if cfg!(feature = "profile-1-7") { count as usize - 1 } else { 0 },
            "of {count}"
        );
    }
}
