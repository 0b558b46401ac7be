//! Timeouts of segments, and how `ikcp_update` and `ikcp_check` use the clock.

use crate::packet::*;
use crate::script::{Script, flying};

/// An object with these modes, whose only segment, sent at 0 ms, is not acknowledged.
fn lonely(modes: [i32; 4]) -> Script {
    let s = Script::with(modes);
    s.send(b"m");
    s.flush();
    assert_eq!(s.packets().len(), 1);
    s
}

#[test]
#[cfg_attr(miri, ignore = "slow there, and about times alone")]
fn in_normal_mode_timeouts_double() {
    let s = lonely([0, 10, 0, 1]);
    // 200 and an eighth; then 400, 800, 1600, 3200, each from the last transmission.
    assert_eq!(s.departures(6300, 10), [230, 630, 1430, 3030, 6230]);
    assert_eq!(s.xmit(), 5);
}

#[test]
fn in_fast_mode_timeouts_grow_by_half() {
    let s = lonely([1, 10, 0, 1]);
    // 200, 300, 450, 675, 1012
    assert_eq!(s.departures(2700, 10), [200, 500, 950, 1630, 2650]);
}

#[test]
fn in_fastest_mode_timeouts_grow_by_half_of_the_first() {
    let s = lonely([2, 10, 0, 1]);
    assert_eq!(s.departures(2100, 10), [200, 500, 900, 1400, 2000]);
}

#[test]
fn in_fastest_mode_timeouts_grow_by_what_is_measured_now() {
    let s = lonely([2, 10, 0, 1]);
    s.set_rx_rto(40);
    // 200, then 20 more each time
    assert_eq!(s.departures(1000, 10), [200, 420, 660, 920]);
}

#[test]
#[cfg_attr(miri, ignore = "slow there, and about times alone")]
fn in_normal_mode_a_timeout_grows_by_the_measured_one_when_that_is_larger() {
    let s = lonely([0, 10, 0, 1]);
    s.set_rx_rto(1000);
    // 225; then 200 + 1000, then twice that
    assert_eq!(s.departures(4000, 10), [230, 1430, 3830]);
}

#[test]
fn the_extra_eighth_is_of_the_timeout_at_that_moment() {
    let s = Script::with([0, 10, 0, 1]);
    s.set_rx_rto(800);
    s.send(b"m");
    s.flush();
    s.packets();
    // 900, then 1600 more
    assert_eq!(s.departures(2600, 10), [900, 2500]);
}

#[test]
#[cfg_attr(miri, ignore = "slow there, and about times alone")]
fn the_timeout_of_a_segment_grows_past_a_minute() {
    let s = lonely([0, 100, 0, 1]);
    let times = s.departures(300_000, 400);
    // 225; 400, 800, ..., 102400 later
    assert_eq!(times.len(), 10);
    assert_eq!(times[9] - times[8], 102_400);
}

#[test]
fn a_repeated_segment_says_what_is_true_now() {
    let s = lonely([1, 10, 0, 1]);
    send!(s, time 150, [PUSH { sn: 0, data: b"x" }]);
    recv!(
        s, time 200,
        [ACK { sn: 0, ts: 150, una: 1, wnd: 127 }, PUSH { sn: 0, una: 1, wnd: 127, data: b"m" }],
    );
}

#[test]
fn a_new_round_trip_does_not_move_a_deadline() {
    let s = flying([1, 10, 0, 1], 2);
    send!(s, time 20, [ACK { sn: 1, ts: 0 }]);
    assert_eq!(s.rx_rto(), 60);
    s.send(b"new");
    recv!(s, [PUSH { sn: 2, data: b"new" }]);
    recv!(s, time 80, [PUSH { sn: 2, data: b"new" }]);
    recv!(s, time 200, [PUSH { sn: 0, data: b"m" }, PUSH { sn: 2, data: b"new" }]);
}

#[test]
fn segments_time_out_one_by_one() {
    let s = Script::fast();
    s.send(b"a");
    recv!(s, time 10, [PUSH { sn: 0, data: b"a" }]);
    s.send(b"b");
    recv!(s, time 50, [PUSH { sn: 1, data: b"b" }]);
    recv_nothing!(s, time 200);
    recv!(s, time 210, [PUSH { sn: 0, data: b"a" }]);
    recv!(s, time 250, [PUSH { sn: 1, data: b"b" }]);
}

#[test]
#[cfg_attr(miri, ignore = "slow there, and about times alone")]
fn the_twentieth_transmission_makes_the_link_dead() {
    let s = lonely([2, 10, 0, 1]);
    s.set_rx_rto(1);
    // Nineteen more, each 200 ms after the one before.
    let times = s.departures(3600, 10);
    assert_eq!((times.len(), s.state()), (18, 0));
    let times = s.departures(3800, 10);
    assert_eq!((times.len(), s.state()), (1, u32::MAX));
    // It continues nevertheless.
    assert_eq!(s.departures(4200, 10).len(), 2);
}

#[test]
fn a_smaller_dead_link_counts() {
    let s = lonely([1, 10, 0, 1]);
    s.set_dead_link(2);
    s.departures(190, 10);
    assert_eq!(s.state(), 0);
    s.departures(200, 10);
    assert_eq!(s.state(), u32::MAX);
    // The program may reset the state.
    s.set_state(0);
    s.departures(490, 10);
    assert_eq!(s.state(), 0);
    s.departures(500, 10);
    assert_eq!(s.state(), u32::MAX);
}

#[test]
fn a_timeout_closes_the_congestion_window() {
    let s = flying([1, 10, 0, 0], 8);
    s.set_cwnd(40);
    recv!(
        s, time 200,
        [
            PUSH { sn: 0, data: b"m" }, PUSH { sn: 1, data: b"m" }, PUSH { sn: 2, data: b"m" },
            PUSH { sn: 3, data: b"m" }, PUSH { sn: 4, data: b"m" }, PUSH { sn: 5, data: b"m" },
            PUSH { sn: 6, data: b"m" }, PUSH { sn: 7, data: b"m" },
        ],
    );
    assert_eq!((s.cwnd(), s.ssthresh(), s.incr()), (1, 20, 1376));
}

#[test]
fn the_threshold_after_a_timeout_follows_the_window_of_its_version() {
    let s = flying([1, 10, 0, 1], 2);
    s.set_cwnd(50);
    s.set_rmt_wnd(10);
    s.update(200);
    assert_eq!(s.packets().len(), 1);
    // Since 2.0 half of `cwnd`; before that, half of the window, which is the peer's 10.
    let old = cfg!(any(feature = "profile-1-7", feature = "profile-1-7-1"));
    assert_eq!(s.ssthresh(), if old { 5 } else { 25 });
}

#[test]
fn a_threshold_is_2_at_least() {
    let s = flying([1, 10, 0, 0], 1);
    s.set_cwnd(3);
    recv!(s, time 200, [PUSH { sn: 0, data: b"m" }]);
    assert_eq!((s.cwnd(), s.ssthresh()), (1, 2));
}

#[test]
fn a_timeout_and_fast_retransmissions_in_one_flush_end_with_the_timeout() {
    let s = flying([1, 10, 1, 0], 1);
    s.set_current(50);
    for _ in 0..5 {
        s.send(b"n");
    }
    s.flush();
    assert_eq!(s.packets().len(), 1);
    send!(s, time 200, [ACK { sn: 3, ts: 50 }]);
    s.set_cwnd(12);
    recv!(s, [PUSH { sn: 0, data: b"m" }, PUSH { sn: 1, data: b"n" }, PUSH { sn: 2, data: b"n" }],);
    assert_eq!((s.cwnd(), s.ssthresh(), s.xmit()), (1, 6, 1));
}

#[test]
fn deadlines_cross_the_end_of_the_clock() {
    let s = Script::new();
    s.nodelay([1, 10, 0, 1]);
    let start = 0u32.wrapping_sub(100);
    s.update(start);
    s.send(b"m");
    recv!(s, [PUSH { sn: 0, data: b"m" }]);
    recv_nothing!(s, time start.wrapping_add(190));
    recv!(s, time start.wrapping_add(200), [PUSH { sn: 0, data: b"m" }]);
}

#[test]
fn update_flushes_once_an_interval() {
    let s = Script::with([1, 20, 0, 1]);
    for (now, leaves) in [(5, false), (19, false), (20, true), (25, false), (39, false), (40, true)]
    {
        s.send(b"m");
        s.update(now);
        assert_eq!(!s.packets().is_empty(), leaves, "at {now}");
    }
}

#[test]
fn a_late_update_keeps_to_the_grid_and_a_very_late_one_starts_a_new_one() {
    let s = Script::with([1, 20, 0, 1]);
    s.update(33);
    assert_eq!(s.check(33), 40);
    s.update(75);
    assert_eq!(s.check(75), 95);
}

#[test]
fn a_clock_that_jumps_by_ten_seconds_starts_a_new_grid() {
    let s = Script::with([1, 20, 0, 1]);
    s.update(100_007);
    assert_eq!(s.check(100_007), 100_027);
    s.update(5);
    assert_eq!(s.check(5), 25);
    s.send(b"m");
    // If the clock goes back by less than that, the object waits.
    s.update(0u32.wrapping_sub(9_000));
    s.expect(&[]);
    recv!(s, time 25, [PUSH { sn: 0, data: b"m" }]);
}

#[test]
fn check_says_now_before_the_first_update() {
    let s = Script::new();
    assert_eq!(s.check(1234), 1234);
    assert_eq!(s.check(0), 0);
}

#[test]
fn check_says_the_next_flush_or_the_first_deadline() {
    let s = Script::with([1, 100, 0, 1]);
    assert_eq!(s.check(0), 100);
    s.set_rx_rto(30);
    s.send(b"m");
    recv!(s, [PUSH { sn: 0, data: b"m" }]);
    assert_eq!(s.check(0), 30);
    assert_eq!(s.check(29), 30);
    assert_eq!(s.check(31), 31);
    // A deadline does not make the flush earlier.
    recv_nothing!(s, time 50);
    assert_eq!(s.check(50), 50);
    recv!(s, time 100, [PUSH { sn: 0, data: b"m" }]);
}

#[test]
fn check_never_says_more_than_an_interval() {
    let s = Script::with([1, 1000, 0, 1]);
    s.set_interval(10);
    assert_eq!(s.check(500), 510);
    assert_eq!(s.check(995), 1000);
    assert_eq!(s.check(1000), 1000);
}

#[test]
fn check_says_now_when_the_clock_is_far_from_the_next_flush() {
    let s = Script::with([1, 10, 0, 1]);
    assert_eq!(s.check(20_000), 20_000);
    assert_eq!(s.check(0u32.wrapping_sub(20_000)), 0u32.wrapping_sub(20_000));
    assert_eq!(s.check(0u32.wrapping_sub(5_000)), 0u32.wrapping_sub(4_990));
}

#[test]
fn the_interval_stays_within_10_and_5000() {
    let s = Script::new();
    for (asked, got) in [(1, 10), (10, 10), (77, 77), (5000, 5000), (9999, 5000), (-4, 10)] {
        assert_eq!(s.set_interval(asked), 0);
        assert_eq!(s.interval(), got);
    }
    s.nodelay([-1, 3, -1, -1]);
    assert_eq!(s.interval(), 10);
    s.nodelay([-1, -1, -1, -1]);
    assert_eq!(s.interval(), 10);
}
