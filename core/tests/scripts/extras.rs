//! The functions of `ikcpx.h` other than congestion control. The original has none of them.

use std::cell::Cell;
use std::ffi::c_void;
use std::mem::MaybeUninit;

use ikcp_core::{Datagram, IKCPX_STATS, Kcp};

use crate::api::{IKCPCB, Object, is_foreign, sent};
use crate::heap;
use crate::packet::*;
use crate::script::{Script, flying};

pub fn kcp<'a>(s: &Script) -> Kcp<'a> {
    of(**s)
}

fn of<'a>(object: Object) -> Kcp<'a> {
    // SAFETY: the script keeps the object.
    unsafe { Kcp::from_ptr(object.0) }.expect("an object")
}

pub fn stats(s: &Script) -> IKCPX_STATS {
    let mut stats = MaybeUninit::uninit();
    // SAFETY: the struct has its size, and the library fills all of it.
    unsafe {
        assert_eq!(kcp(s).stats(stats.as_mut_ptr(), size_of::<IKCPX_STATS>()), 0);
        stats.assume_init()
    }
}

/// How long the program may sleep.
pub fn sleep(s: &Script, now: u32) -> u32 {
    kcp(s).next_due(now).wrapping_sub(now)
}

const NEVER: u32 = 0x7fff_ffff;

macro_rules! due {
    ($s:ident, time $now:expr, $($rest:tt)+) => {{
        kcp(&$s).update_due($now);
        expect!($s, $($rest)+);
    }};
}

// ---- counters ----

#[test]
fn counting_begins_with_the_first_call() {
    if is_foreign() {
        return;
    }
    let s = Script::fast();
    s.send(b"early");
    recv!(s, [PUSH { sn: 0, data: b"early" }]);
    let zero = stats(&s);
    assert_eq!((zero.packets_sent.get(), zero.segments_sent.get()), (0, 0));
    s.send(b"a");
    s.send(b"bc");
    recv!(s, time 10, [PUSH { sn: 1, data: b"a" }, PUSH { sn: 2, data: b"bc" }]);
    send!(s, time 30, [ACK { sn: 0, una: 1 }, ACK { sn: 2, ts: 10, una: 1 }]);
    let told = stats(&s);
    assert_eq!((told.packets_sent.get(), told.bytes_sent.get()), (1, 51));
    assert_eq!((told.segments_sent.get(), told.acks_received.get()), (2, 2));
    assert_eq!((told.packets_received.get(), told.bytes_received.get()), (1, 48));
    assert_eq!(told.bytes_delivered.get(), 7);
    // 30 ms, and 20 ms
    assert_eq!(told.rtt_smoothed.get(), s.rx_srtt().unsigned_abs());
    assert_eq!(stats(&s).bytes_delivered.get(), 7);
    send!(s, time 40, [ACK { sn: 1, ts: 25, una: 3 }]);
    assert_eq!(stats(&s).bytes_delivered.get(), 8);
    assert_eq!(stats(&s).rtt_min.get(), 15);
}

#[test]
fn a_shorter_struct_gets_what_it_has_room_for_and_a_longer_one_zeros() {
    if is_foreign() {
        return;
    }
    let s = Script::fast();
    let mut room = [0xaau8; size_of::<IKCPX_STATS>() + 16];
    // SAFETY: the memory has so many bytes.
    let mut fill = |size| unsafe {
        let at = room.as_mut_ptr().cast();
        assert_eq!(kcp(&s).stats(at, size), 0);
        room
    };
    assert!(fill(12)[..12].iter().all(|byte| *byte == 0));
    assert_eq!(fill(12)[12], 0xaa);
    assert!(
        fill(size_of::<IKCPX_STATS>() + 8)[..size_of::<IKCPX_STATS>() + 8]
            .iter()
            .all(|byte| *byte == 0)
    );
    assert_eq!(room[size_of::<IKCPX_STATS>() + 8], 0xaa);
    // SAFETY: nothing is told.
    assert_eq!(unsafe { kcp(&s).stats(std::ptr::null_mut(), 0) }, 0);
}

#[test]
fn each_cause_of_a_resend_has_a_counter() {
    if is_foreign() {
        return;
    }
    let s = flying([1, 10, 2, 1], 4);
    stats(&s);
    send!(s, time 5, [ACK { sn: 1 }]);
    send!(s, [ACK { sn: 2 }]);
    recv!(s, [PUSH { sn: 0, data: b"m" }]);
    assert_eq!(stats(&s).resent_skipped.get(), 1);
    recv!(s, time 205, [PUSH { sn: 0, data: b"m" }, PUSH { sn: 3, data: b"m" }]);
    assert_eq!(stats(&s).resent_timeout.get(), 2);
    kcp(&s).path_changed();
    expect!(s, [PUSH { sn: 0, data: b"m" }, PUSH { sn: 3, data: b"m" }]);
    assert_eq!(stats(&s).resent_path.get(), 2);
    assert_eq!(stats(&s).segments_sent.get(), 0);
    // The first transmissions have arrived: three retransmissions of segment 0 were unnecessary, and two of segment 3.
    send!(s, [ACK { sn: 0, ts: 0 }, ACK { sn: 3, ts: 0 }]);
    assert_eq!(stats(&s).resent_needless.get(), 5);
}

/// A segment that was sent again, while counted, at 200 ms.
fn resent() -> Script {
    let s = flying([1, 10, 0, 1], 1);
    stats(&s);
    recv!(s, time 200, [PUSH { sn: 0, data: b"m" }]);
    s
}

#[test]
fn a_resend_that_is_acknowledged_was_needed() {
    if is_foreign() {
        return;
    }
    let s = resent();
    send!(s, time 220, [ACK { sn: 0, ts: 200, una: 1 }]);
    assert_eq!(stats(&s).resent_needless.get(), 0);
    assert_eq!(stats(&s).rtt_min.get(), 20);
}

#[test]
fn duplicates_are_counted_before_and_behind_what_is_expected() {
    if is_foreign() {
        return;
    }
    let s = Script::fast();
    stats(&s);
    send!(s, [PUSH { sn: 0, data: b"a" }], [PUSH { sn: 2, data: b"c" }]);
    send!(s, [PUSH { sn: 0, data: b"a" }, PUSH { sn: 2, data: b"c" }, PUSH { sn: 1, data: b"b" }]);
    let told = stats(&s);
    assert_eq!((told.segments_received.get(), told.duplicates_received.get()), (3, 2));
    s.flush();
    s.packets();
    assert_eq!(stats(&s).acks_sent.get(), 5);
}

#[test]
fn a_packet_with_a_fault_is_refused() {
    if is_foreign() {
        return;
    }
    let s = Script::fast();
    stats(&s);
    assert_eq!(s.input(b"short"), -1);
    assert_eq!(s.input_packet(&[Seg { cmd: 7, ..ACK }]), -3);
    assert_eq!(stats(&s).packets_refused.get(), 2);
}

#[test]
fn a_packet_of_another_conversation_told_the_shortest_round_trip() {
    if is_foreign() {
        return;
    }
    let s = resent();
    s.set_current(250);
    assert_eq!(s.input_packet(&[Seg { conv: CONV + 1, ts: 249, ..ACK }]), -1);
    send!(s, [ACK { sn: 0, ts: 200, una: 1 }]);
    assert_eq!(stats(&s).rtt_min.get(), 50);
}

#[test]
#[cfg(target_pointer_width = "64")]
fn a_size_that_is_refused_was_read_for_acknowledgements() {
    if is_foreign() {
        return;
    }
    let s = resent();
    s.set_current(250);
    // What recv() answers without a packet, -1, in an unsigned variable of 32 bits.
    let packet = emit(&[Seg { ts: 249, ..ACK }]);
    // SAFETY: of a size whose low 32 bits are negative, no byte is read.
    let datagram = unsafe { Datagram::new(packet.as_ptr().cast(), u32::MAX.into()) };
    assert_eq!(kcp(&s).input(datagram), -1);
    assert_eq!((stats(&s).rtt_min.get(), stats(&s).bytes_received.get()), (0, 0));
    send!(s, [ACK { sn: 0, ts: 200, una: 1 }]);
    assert_eq!(stats(&s).resent_needless.get(), 0);
}

#[test]
fn time_in_the_queue_is_counted_and_what_it_was_spent_for() {
    if is_foreign() {
        return;
    }
    let s = Script::fast();
    s.wndsize(1, 0);
    stats(&s);
    s.send(b"a");
    s.send(b"b");
    recv!(s, time 10, [PUSH { sn: 0, data: b"a" }]);
    send!(s, time 50, [ACK { sn: 0, ts: 10, una: 1, wnd: 0 }]);
    recv_nothing!(s);
    send!(s, time 80, [WINS { una: 1 }]);
    recv!(s, [PUSH { sn: 1, data: b"b" }]);
    let told = stats(&s);
    // Queued at 0 ms; the first was sent at 10 ms, the other at 80.
    assert_eq!((told.queue_time.get(), told.queue_time_max.get()), (90, 80));
    assert_eq!((told.limited_by_window.get(), told.limited_by_peer.get()), (40, 30));
    assert_eq!(told.limited_by_control.get(), 0);
    assert_eq!((told.windows_received.get(), told.time.get()), (1, 80));
}

#[test]
fn nothing_was_counted_of_a_hundred_segments_that_waited_for_seven_hours() {
    if is_foreign() {
        return;
    }
    let s = Script::fast();
    s.wndsize(200, 0);
    stats(&s);
    send!(s, [WINS { wnd: 0 }]);
    for _ in 0..100 {
        s.send(b"m");
    }
    let later = 7 * 3_600_000;
    s.update(later);
    s.packets();
    send!(s, [WINS { wnd: 200 }]);
    s.flush();
    assert_eq!(s.packets().len(), 2);
    let told = stats(&s);
    assert_eq!(told.queue_time_max.get(), later);
    assert_eq!(told.queue_time.get(), 100 * u64::from(later));
}

#[test]
#[cfg_attr(miri, ignore = "slow there, and about times alone")]
fn the_rate_is_that_of_the_last_second() {
    if is_foreign() {
        return;
    }
    let s = Script::fast();
    stats(&s);
    for n in 0..100 {
        s.send(fill(1000));
        s.update(n * 20);
        s.packets();
        send!(s, [ACK { sn: n, ts: n * 20, una: n + 1 }]);
    }
    let rate = stats(&s).delivery_rate.get();
    assert!((48_000..=52_000).contains(&rate), "{rate}");
    s.update(4000);
    s.update(5500);
    assert_eq!(stats(&s).delivery_rate.get(), 0);
}

#[test]
fn after_a_jump_of_the_clock_the_rate_stood_still_until_it_caught_up() {
    if is_foreign() {
        return;
    }
    for jump in [(1u32 << 20).wrapping_neg(), 1 << 31] {
        let s = Script::fast();
        stats(&s);
        s.update(jump);
        stats(&s);
        s.send(fill(1000));
        s.update(jump.wrapping_add(500));
        s.packets();
        send!(s, [ACK { sn: 0, ts: jump, una: 1 }], [WINS { una: 1 }]);
        s.update(jump.wrapping_add(1000));
        assert_eq!(stats(&s).delivery_rate.get(), 1000);
    }
}

// ---- when something is due ----

#[test]
#[cfg(not(any(feature = "profile-1-7", feature = "profile-1-7-1")))]
#[cfg_attr(miri, ignore = "slow there, and about times alone")]
fn what_had_waited_for_the_pace_of_a_control_was_never_due_without_it() {
    if is_foreign() {
        return;
    }
    for end in (100..800).step_by(100) {
        let s = Script::with([1, 100, 0, 1]);
        s.wndsize(1000, 0);
        send!(s, [WINS { wnd: 1000 }]);
        assert_eq!(s.setcc(ikcp_core::bbr()), 0);
        // On a path of one segment per millisecond and 50 ms, the control finds its pace.
        let mut path = std::collections::VecDeque::new();
        for now in 0..end {
            while s.nsnd_que() < 100 {
                s.send(fill(1000));
            }
            kcp(&s).update_due(now);
            for packet in s.packets() {
                let sent = crate::api::Header::parse(packet.first_chunk().expect("a header"));
                path.push_back((now + 50, sent));
            }
            if let Some((arrival, sent)) = path.front()
                && *arrival <= now
            {
                send!(s, [ACK { sn: sent.sn, ts: sent.ts, una: sent.sn + 1, wnd: 1000 }]);
                path.pop_front();
            }
        }
        send!(s, time end, [WINS { una: s.snd_nxt(), wnd: 1000 }]);
        assert_eq!((s.nsnd_buf(), s.setcc(std::ptr::null())), (0, 0));
        assert_eq!(sleep(&s, end), 0, "after {end} ms");
        kcp(&s).update_due(end);
        assert!(!s.packets().is_empty());
    }
}

#[test]
fn an_idle_connection_is_never_due() {
    if is_foreign() {
        return;
    }
    let s = Script::new();
    assert_eq!(sleep(&s, 7), 0);
    kcp(&s).update_due(7);
    assert_eq!(sleep(&s, 7), NEVER);
    assert_eq!(sleep(&s, 100_000), NEVER);
}

#[test]
fn what_is_due_leaves_between_two_intervals() {
    if is_foreign() {
        return;
    }
    let s = Script::with([1, 100, 0, 1]);
    s.send(b"m");
    assert_eq!(sleep(&s, 3), 0);
    due!(s, time 3, [PUSH { sn: 0, data: b"m" }]);
    assert_eq!(sleep(&s, 3), 200);
    kcp(&s).update_due(202);
    s.expect(&[]);
    due!(s, time 203, [PUSH { sn: 0, data: b"m" }]);
    send!(s, time 210, [ACK { sn: 0, ts: 203, una: 1 }, PUSH { sn: 0, data: b"x" }]);
    assert_eq!(sleep(&s, 210), 0);
    due!(s, time 210, [ACK { sn: 0, ts: 210, una: 1, wnd: 127 }]);
    assert_eq!(sleep(&s, 210), NEVER);
}

#[test]
fn a_segment_that_was_skipped_is_due() {
    if is_foreign() {
        return;
    }
    for count in [4, 40, 200] {
        let s = flying([1, 10, 2, 1], count);
        send!(s, time 5, [ACK { sn: 1 }]);
        assert_eq!(sleep(&s, 5), 195);
        send!(s, [ACK { sn: 2 }]);
        assert_eq!(sleep(&s, 5), 0);
        due!(s, time 5, [PUSH { sn: 0, data: b"m" }]);
        assert_eq!(sleep(&s, 5), 195);
    }
}

#[test]
fn with_a_congestion_window_the_first_message_does_not_wait_for_the_second_flush() {
    if is_foreign() {
        return;
    }
    let s = Script::new();
    kcp(&s).update_due(0);
    s.send(b"m");
    due!(s, time 1, [PUSH { sn: 0, data: b"m" }]);
}

#[test]
fn a_closed_window_is_probed_in_time() {
    if is_foreign() {
        return;
    }
    let s = Script::fast();
    s.set_rmt_wnd(0);
    kcp(&s).update_due(10);
    let wait = s.probe_wait();
    assert_eq!(sleep(&s, 10), wait);
    due!(s, time 10 + wait, [WASK]);
    assert_eq!(sleep(&s, 10 + wait), wait + wait / 2);
}

#[test]
#[cfg(not(any(feature = "profile-1-7", feature = "profile-1-7-1")))]
fn what_a_budget_withholds_is_due_at_the_end_of_the_interval() {
    if is_foreign() {
        return;
    }
    let s = Script::fast();
    s.set_cwnd(10);
    s.pace(1);
    s.send(b"a");
    s.send(b"b");
    due!(s, time 20, [PUSH { sn: 0, data: b"a" }]);
    assert_eq!(sleep(&s, 20), 10);
    due!(s, time 30, [PUSH { sn: 1, data: b"b" }]);
}

/// `ikcpx_next` told the program to sleep until the clock had caught up.
#[test]
#[cfg(not(any(feature = "profile-1-7", feature = "profile-1-7-1")))]
fn what_a_budget_withheld_was_due_an_hour_late_where_the_clock_was_set_back_by_an_hour() {
    if is_foreign() {
        return;
    }
    // The last of these is 24 days ahead of a clock that was asleep for 25.
    for back in [3_600_000, 1 << 30, 2_134_967_296] {
        let s = Script::fast();
        s.set_cwnd(10);
        s.pace(1);
        s.send(b"a");
        s.send(b"b");
        due!(s, time 20, [PUSH { sn: 0, data: b"a" }]);
        let now = 20u32.wrapping_sub(back);
        assert_eq!(sleep(&s, now), 0);
        due!(s, time now, [PUSH { sn: 1, data: b"b" }]);
        assert!(sleep(&s, now) > 0, "it spins");
    }
}

#[test]
fn null_as_a_packet_was_read_while_packets_were_looked_into() {
    if is_foreign() {
        return;
    }
    let s = Script::fast();
    stats(&s);
    assert_eq!(kcp(&s).large_messages(true), 0);
    assert_eq!(s.input_null(100), -1);
    assert_eq!(s.input_null(-3), -1);
    let now = stats(&s);
    assert_eq!((now.packets_received.get(), now.bytes_received.get()), (2, 100));
    assert_eq!(now.packets_refused.get(), 2);
}

// ---- large messages ----

#[test]
fn a_message_may_have_255_fragments_when_the_peer_has_a_window_for_them() {
    if is_foreign() {
        return;
    }
    let s = Script::fast();
    let mss = s.mss() as usize;
    let bytes = vec![1; 256 * mss];
    assert_eq!(s.send(&bytes[..128 * mss]), -2);
    assert_eq!(kcp(&s).large_messages(true), 0);
    assert_eq!(s.send(&bytes[..129 * mss]), -3);
    assert_eq!(s.send(&bytes[..128 * mss]), sent(128 * mss));
    send!(s, [WINS { wnd: 255 }]);
    assert_eq!(s.send(&bytes[..255 * mss]), sent(255 * mss));
    assert_eq!(s.send(&bytes), -2);
    // The largest window that the peer has announced counts, not what is free now.
    send!(s, [WINS { wnd: 3 }]);
    assert_eq!(s.send(&bytes[..255 * mss]), sent(255 * mss));
    assert_eq!(s.waitsnd(), 128 + 255 + 255);
    assert_eq!(kcp(&s).large_messages(false), 0);
    assert_eq!(s.send(&bytes[..128 * mss]), -2);
}

#[test]
fn a_peer_with_a_small_window_gets_no_message_that_would_stick() {
    if is_foreign() {
        return;
    }
    let s = Script::fast();
    let mss = s.mss() as usize;
    assert_eq!(kcp(&s).large_messages(true), 0);
    send!(s, [WINS { wnd: 32 }]);
    assert_eq!(s.send(&vec![1; 33 * mss]), -3);
    assert_eq!(s.send(&vec![1; 32 * mss]), sent(32 * mss));
    send!(s, [WINS { wnd: 0 }]);
    assert_eq!(s.send(b"m"), sent(1));
}

#[test]
fn a_stream_takes_any_number_of_bytes() {
    if is_foreign() {
        return;
    }
    let s = Script::fast();
    s.set_stream(1);
    let bytes = vec![1; 1000 * s.mss() as usize];
    assert_eq!(s.send(&bytes), -2);
    assert_eq!(kcp(&s).large_messages(true), 0);
    assert_eq!(s.send(&bytes), sent(bytes.len()));
    assert_eq!(s.waitsnd(), 1000);
}

// ---- the link ----

#[test]
fn after_an_outage_everything_leaves_at_once_and_backoff_is_forgotten() {
    if is_foreign() {
        return;
    }
    // Miri takes minutes for more.
    let (many, steps) = if cfg!(miri) { (6, 20) } else { (50, 150) };
    for count in [3, many] {
        let s = flying([1, 10, 0, 1], count);
        s.departures(steps * 400, 400);
        s.update(60_000);
        s.packets();
        let xmit = s.xmit();
        kcp(&s).path_changed();
        let left: usize = s.packets().iter().map(|packet| packet.len() / 25).sum();
        assert_eq!((left, s.rx_srtt(), s.rx_rto()), (count as usize, 0, 200));
        // No timeout, so the window does not change.
        assert_eq!(s.xmit(), xmit);
        assert!(s.departures(60_190, 10).is_empty());
        assert!(!s.departures(60_200, 10).is_empty());
    }
}

#[test]
fn a_path_that_changes_inside_output_sends_everything_once_more() {
    if is_foreign() {
        return;
    }
    let s = Script::fast();
    s.wndsize(100, 0);
    let once = Cell::new(true);
    s.on_output(move |object| {
        if once.replace(false) {
            of(object).path_changed();
        }
    });
    for _ in 0..20 {
        s.send(fill(1000));
    }
    s.flush();
    let packets = s.packets();
    let numbers: Vec<u8> = packets.iter().map(|packet| packet[12]).collect();
    assert!((0..20).all(|sn| numbers.contains(&sn)), "{numbers:?}");
    assert!(numbers.len() > 20);
}

#[test]
fn of_many_in_flight_those_stayed_that_had_left_when_the_path_changed_inside_output() {
    if is_foreign() {
        return;
    }
    for clock_moves in [false, true] {
        let s = Script::fast();
        s.wndsize(100, 0);
        let left = Cell::new(0);
        s.on_output(move |object| {
            left.set(left.get() + 1);
            if left.get() == 50 {
                of(object).path_changed();
            }
            if left.get() == 60 && clock_moves {
                object.update(object.current() + 10);
            }
        });
        for _ in 0..100 {
            s.send(fill(1000));
        }
        s.flush();
        let numbers: Vec<u8> = s.packets().iter().map(|packet| packet[12]).collect();
        assert!((0..100).all(|sn| numbers[50..].contains(&sn)), "{numbers:?}");
        assert!(numbers.len() < 153, "{}", numbers.len());
        assert!(sleep(&s, s.current()) > 0);
    }
}

/// What is requested in the second of two flushes waits for the next.
#[test]
fn a_path_that_changed_again_in_the_flush_for_the_first_change_was_lost() {
    if is_foreign() {
        return;
    }
    let s = Script::fast();
    s.wndsize(100, 0);
    let left = Cell::new(0);
    s.on_output(move |object| {
        left.set(left.get() + 1);
        if [50, 120].contains(&left.get()) {
            of(object).path_changed();
        }
    });
    for _ in 0..100 {
        s.send(fill(1000));
    }
    s.flush();
    s.flush();
    let numbers: Vec<u8> = s.packets().iter().map(|packet| packet[12]).collect();
    assert!((0..100).all(|sn| numbers[120..].contains(&sn)), "{numbers:?}");
}

#[test]
fn a_path_that_changes_asks_for_a_closed_window() {
    if is_foreign() {
        return;
    }
    let s = Script::fast();
    s.set_rmt_wnd(0);
    s.set_state(u32::MAX);
    kcp(&s).path_changed();
    expect!(s, [WASK]);
    assert_eq!(s.state(), 0);
}

#[test]
#[cfg_attr(miri, ignore = "slow there, and about times alone")]
fn a_bound_on_timeouts_holds() {
    if is_foreign() {
        return;
    }
    let s = flying([0, 10, 0, 1], 1);
    assert_eq!(kcp(&s).backoff_limit(500), 0);
    // 225, then 400, then 500 each
    assert_eq!(s.departures(2200, 10), [230, 630, 1130, 1630, 2130]);
    s.set_rx_rto(1000);
    assert_eq!(s.departures(4700, 10), [2630, 3630, 4630]);
    assert_eq!(kcp(&s).backoff_limit(-1), -1);
    assert_eq!(kcp(&s).backoff_limit(0), 0);
    assert_eq!(s.departures(7000, 10), [5630]);
}

thread_local! {
    static TOLD: Cell<u32> = const { Cell::new(0) };
}

unsafe extern "C" fn dead(kcp: *mut IKCPCB, _user: *mut c_void) {
    TOLD.set(TOLD.get() + 1);
    assert_eq!(Object(kcp).state(), u32::MAX);
}

unsafe extern "C" fn dead_and_released(kcp: *mut IKCPCB, _user: *mut c_void) {
    TOLD.set(TOLD.get() + 1);
    Object(kcp).release();
}

#[test]
#[cfg_attr(miri, ignore = "slow there, and about times alone")]
fn a_link_without_progress_is_dead_after_that_time_and_told_once() {
    if is_foreign() {
        return;
    }
    let s = Script::fast();
    assert_eq!(kcp(&s).dead_after(3000, Some(dead)), 0);
    s.departures(10_000, 500);
    assert_eq!((TOLD.get(), s.state()), (0, 0));
    s.send(b"a");
    s.send(b"b");
    s.flush();
    // The second acknowledgement is late.
    s.departures(12_000, 100);
    send!(s, [ACK { sn: 1, ts: 10_000 }]);
    s.departures(14_990, 115);
    s.packets();
    assert_eq!((TOLD.get(), s.state()), (0, 0));
    s.departures(15_610, 10);
    assert_eq!((TOLD.get(), s.state()), (1, u32::MAX));
    s.departures(40_010, 305);
    assert_eq!(TOLD.get(), 1);
    s.set_state(0);
    send!(s, [ACK { sn: 0, ts: 10_000, una: 2 }]);
    s.send(b"c");
    s.departures(43_000, 115);
    assert_eq!((TOLD.get(), s.state()), (1, 0));
    s.departures(43_610, 10);
    assert_eq!((TOLD.get(), s.state()), (2, u32::MAX));
    assert_eq!((kcp(&s).dead_after(0, None), s.dead_link()), (0, 20));
}

#[test]
fn a_dead_link_of_the_program_outlasted_a_time_of_0_before_any_other_time() {
    if is_foreign() {
        return;
    }
    let s = Script::fast();
    s.set_dead_link(5);
    assert_eq!((kcp(&s).dead_after(0, None), s.dead_link()), (0, 20));
}

#[test]
fn after_a_sleep_a_round_trip_is_measured_by_what_current_says() {
    if is_foreign() {
        return;
    }
    let s = flying([1, 10, 2, 1], 1);
    assert!(sleep(&s, 0) > 60);
    s.set_current(60);
    send!(s, [ACK { sn: 0, ts: 0 }]);
    assert_eq!(s.rx_srtt(), 60);
}

#[test]
fn an_update_comes_when_the_link_is_dead() {
    if is_foreign() {
        return;
    }
    let s = flying([0, 10, 0, 1], 1);
    assert_eq!(kcp(&s).dead_after(1000, Some(dead)), 0);
    let mut now = 0;
    while TOLD.get() == 0 {
        now += sleep(&s, now);
        kcp(&s).update_due(now);
        assert!(now < 5000);
    }
    s.packets();
    assert_eq!(now, 1000);
}

#[test]
fn a_link_that_was_dead_was_due_again_and_again_for_up_to_half_a_second() {
    if is_foreign() {
        return;
    }
    let s = flying([1, 10, 0, 1], 1);
    assert_eq!(kcp(&s).dead_after(300, Some(dead)), 0);
    let mut now = 0;
    while TOLD.get() == 0 {
        now += sleep(&s, now);
        kcp(&s).update_due(now);
        assert_ne!(kcp(&s).next_due(now), now, "it spins");
    }
    s.packets();
    assert_eq!(now, 300);
}

#[test]
fn a_link_was_dead_early_if_an_acknowledgement_came_without_an_update() {
    if is_foreign() {
        return;
    }
    let s = flying([1, 10, 0, 1], 2);
    assert_eq!(kcp(&s).dead_after(300, Some(dead)), 0);
    send!(s, [ACK { sn: 1 }]);
    _ = kcp(&s).next_due(250);
    kcp(&s).update_due(549);
    assert_eq!(TOLD.get(), 0);
    kcp(&s).update_due(550);
    assert_eq!(TOLD.get(), 1);
    s.packets();
}

#[test]
fn a_link_with_the_longest_patience_was_dead_as_soon_as_the_clock_went_back() {
    if is_foreign() {
        return;
    }
    let s = flying([1, 10, 0, 1], 1);
    assert_eq!(kcp(&s).dead_after(i32::MAX, Some(dead)), 0);
    kcp(&s).update_due(u32::MAX);
    s.packets();
    assert_eq!((TOLD.get(), s.state()), (0, 0));
}

#[test]
fn a_clock_that_was_set_back_by_an_hour_kept_a_dead_link_alive_for_an_hour() {
    if is_foreign() {
        return;
    }
    const HOUR: u32 = 3_600_000;
    for back in [HOUR, 20 * 24 * HOUR] {
        let s = Script::fast();
        assert_eq!(kcp(&s).dead_after(1000, None), 0);
        s.send(b"m");
        recv!(s, time 2 * HOUR, [PUSH { sn: 0, data: b"m" }]);
        let set_back = (2 * HOUR).wrapping_sub(back);
        let dead = (0..2_000).step_by(10).find(|after| {
            kcp(&s).update(set_back.wrapping_add(*after));
            s.state() != 0
        });
        assert!(dead.is_some_and(|after| after >= 1000), "{dead:?}");
    }
}

#[test]
fn a_link_that_was_dead_before_the_path_changed_was_told_after_it() {
    if is_foreign() {
        return;
    }
    let s = flying([1, 10, 0, 1], 1);
    assert_eq!(kcp(&s).dead_after(300, Some(dead)), 0);
    // A flush finds it dead, and an update would tell.
    s.set_current(500);
    s.flush();
    assert_eq!(s.state(), u32::MAX);
    kcp(&s).path_changed();
    kcp(&s).update_due(501);
    s.packets();
    assert_eq!((TOLD.get(), s.state()), (0, 0));
    // The same where another time counts from now on.
    s.set_current(1001);
    s.flush();
    assert_eq!(kcp(&s).dead_after(3000, Some(dead)), 0);
    kcp(&s).update_due(1002);
    s.packets();
    assert_eq!(TOLD.get(), 0);
}

#[test]
#[cfg(not(any(feature = "profile-1-7", feature = "profile-1-7-1")))]
fn a_dead_link_was_told_while_the_object_was_being_released() {
    if is_foreign() {
        return;
    }
    let s = flying([1, 10, 0, 1], 1);
    assert_eq!(kcp(&s).dead_after(300, Some(dead)), 0);
    s.hooks(|_| ());
    s.on_hook(|object, hook| {
        if matches!(hook, crate::script::Hook::Release) {
            object.update(1000);
        }
    });
    s.end();
    assert_eq!(TOLD.get(), 0);
}

#[test]
fn the_program_may_release_the_object_when_the_link_is_dead() {
    if is_foreign() {
        return;
    }
    let before = heap::bytes();
    let object = crate::api::create(CONV, std::ptr::null_mut());
    object.update(0);
    assert_eq!(of(object).dead_after(100, Some(dead_and_released)), 0);
    object.send(b"m");
    object.nodelay([1, 10, 0, 1]);
    for now in (0..2000).step_by(10) {
        if TOLD.get() == 0 {
            object.update(now);
        }
    }
    assert_eq!(TOLD.get(), 1);
    assert_eq!(heap::bytes(), before);
}

// ---- loss detection by time ----

#[test]
#[cfg(not(any(feature = "profile-1-7", feature = "profile-1-7-1")))]
fn what_had_been_found_lost_left_twice_where_detection_ended() {
    if is_foreign() {
        return;
    }
    let s = Script::fast();
    s.wndsize(40, 0);
    assert_eq!(kcp(&s).rack(true), 0);
    for _ in 0..40 {
        s.send(fill(1000));
    }
    s.flush();
    s.packets();
    send!(s, time 50, [ACK { sn: 2 }]);
    assert_eq!(kcp(&s).rack(false), 0);
    for (now, left) in [(50, 2), (51, 0), (60, 0)] {
        s.set_current(now);
        s.flush();
        assert_eq!(s.packets().len(), left, "{now}");
    }
}

// ---- memory ----

/// The library's control was forgotten, as the original forgets a program's, but nobody else could free it.
#[test]
#[cfg(not(any(feature = "profile-1-7", feature = "profile-1-7-1")))]
fn a_control_of_the_library_leaked_where_a_hook_had_installed_it() {
    if is_foreign() {
        return;
    }
    for (which, answer) in [(crate::script::Hook::Init, -1), (crate::script::Hook::Release, 0)] {
        let before = heap::bytes();
        let s = Script::fast();
        s.answer_init(answer);
        let nested = Cell::new(false);
        s.on_hook(move |object, hook| {
            if hook == which && !nested.replace(true) {
                assert_eq!(object.setcc(ikcp_core::cubic()), 0);
            }
        });
        assert_eq!(s.hooks(|_| ()), answer);
        assert_eq!(s.setcc(std::ptr::null()), 0);
        s.called();
        drop(s);
        assert_eq!(heap::bytes(), before, "{which:?}");
    }
}

#[test]
fn without_memory_nothing_is_turned_on() {
    if is_foreign() {
        return;
    }
    let s = flying([1, 10, 2, 1], 4);
    let before = heap::blocks();
    // SAFETY: nothing is told.
    let first = || unsafe { kcp(&s).stats(std::ptr::null_mut(), 0) };
    let calls: [&dyn Fn() -> i32; 4] =
        [&first, &|| kcp(&s).large_messages(true), &|| kcp(&s).backoff_limit(100), &|| {
            kcp(&s).dead_after(100, Some(dead))
        }];
    for call in calls {
        heap::refuse(0, 1);
        assert_eq!(call(), -1);
    }
    assert_eq!((heap::blocks(), s.dead_link()), (before, 20));
    // After a change of path without memory, the list is walked.
    heap::refuse(0, u64::MAX);
    kcp(&s).path_changed();
    heap::refuse(0, 0);
    assert_eq!(s.packets().len(), 1);
    for call in calls {
        assert_eq!(call(), 0);
    }
    assert_eq!(heap::blocks(), before + 1);
}

#[test]
fn turning_off_what_was_never_on_took_a_kilobyte() {
    if is_foreign() {
        return;
    }
    let s = flying([1, 10, 2, 1], 4);
    let before = heap::blocks();
    let calls: [(&dyn Fn() -> i32, i32); 5] = [
        (&|| kcp(&s).large_messages(false), 0),
        (&|| kcp(&s).backoff_limit(0), 0),
        (&|| kcp(&s).backoff_limit(-1), -1),
        (&|| kcp(&s).dead_after(0, None), 0),
        (&|| kcp(&s).dead_after(-1, None), -1),
    ];
    for (call, answer) in calls {
        assert_eq!((call(), heap::blocks()), (answer, before));
    }
}
