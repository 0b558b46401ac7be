//! Messages that expire, and stubs. The original has none of it.

use ikcp_core::{IKCPX_STATS, Kcp, Source};

use crate::api::{Object, is_foreign, sent};
use crate::extras::{kcp, sleep, stats};
use crate::heap;
use crate::packet::*;
use crate::script::Script;

fn send_until(s: &Script, message: &[u8], milliseconds: i32) -> i32 {
    until(**s, message, milliseconds)
}

fn until(object: Object, message: &[u8], milliseconds: i32) -> i32 {
    // SAFETY: the script keeps it.
    let kcp = unsafe { Kcp::from_ptr(object.0) }.expect("an object");
    let len = message.len().try_into().expect("a length");
    // SAFETY: the message has that many bytes.
    kcp.send_until(unsafe { Source::new(message.as_ptr().cast()) }, len, milliseconds)
}

/// Messages dropped, messages shortened, copies sent.
fn counts(s: &Script) -> (u64, u64, u64) {
    let IKCPX_STATS { messages_dropped, messages_shortened, copies_sent, .. } = stats(s);
    (messages_dropped.get(), messages_shortened.get(), copies_sent.get())
}

/// A connection with a window of one segment, in which `first` is.
fn full(first: &'static [u8]) -> Script {
    let s = Script::fast();
    s.wndsize(1, 0);
    s.send(first);
    recv!(s, [PUSH { sn: 0, data: first }]);
    stats(&s);
    s
}

// ---- in the queue ----

#[test]
fn what_has_not_begun_to_leave_in_time_is_dropped() {
    if is_foreign() {
        return;
    }
    let s = full(b"first");
    assert_eq!(send_until(&s, b"late", 50), sent(4));
    assert_eq!(send_until(&s, b"later", 60), sent(5));
    s.send(b"whenever");
    recv_nothing!(s, time 50);
    assert_eq!(s.waitsnd(), 4);
    recv_nothing!(s, time 51);
    assert_eq!((s.waitsnd(), counts(&s)), (4, (0, 0, 0)));
    // The interval is over.
    recv_nothing!(s, time 60);
    assert_eq!((s.waitsnd(), counts(&s)), (3, (1, 0, 0)));
    send!(s, time 60, [ACK { sn: 0, una: 1 }]);
    recv!(s, [PUSH { sn: 1, data: b"later" }]);
    send!(s, time 70, [ACK { sn: 1, ts: 60, una: 2 }]);
    recv!(s, [PUSH { sn: 2, data: b"whenever" }]);
    assert_eq!(counts(&s), (1, 0, 0));
}

#[test]
fn without_milliseconds_it_leaves_now_or_never() {
    if is_foreign() {
        return;
    }
    let s = Script::fast();
    send_until(&s, b"now", 0);
    recv!(s, [PUSH { sn: 0, data: b"now" }]);
    send_until(&s, b"never", 0);
    recv_nothing!(s, time 10);
    assert_eq!(s.waitsnd(), 1);
}

#[test]
fn a_clock_that_was_set_back_dropped_what_had_the_longest_time() {
    if is_foreign() {
        return;
    }
    let s = full(b"first");
    recv_nothing!(s, time 10);
    send_until(&s, b"some day", i32::MAX);
    s.update(9);
    send!(s, time 9, [ACK { sn: 0, una: 1 }]);
    s.update(10);
    assert_eq!(counts(&s), (0, 0, 0));
    recv!(s, [PUSH { sn: 1, data: b"some day" }]);
}

#[test]
fn a_message_of_many_segments_is_dropped_whole_or_not_at_all() {
    if is_foreign() {
        return;
    }
    let s = full(b"first");
    let mss = s.mss() as usize;
    for _ in 0..2 {
        assert_eq!(send_until(&s, &vec![b'x'; 3 * mss], 50), sent(3 * mss));
    }
    s.wndsize(3, 0);
    recv!(s, [PUSH { sn: 1, frg: 2, data: fill(mss) }], [PUSH { sn: 2, frg: 1, data: fill(mss) }]);
    recv_nothing!(s, time 100);
    assert_eq!((s.nsnd_que(), counts(&s)), (1, (1, 0, 0)));
    send!(s, time 100, [ACK { sn: 0, una: 1 }]);
    recv!(s, [PUSH { sn: 3, frg: 0, data: fill(mss) }]);
    assert_eq!(s.nsnd_que(), 0);
}

#[test]
fn a_window_that_is_closed_does_not_keep_what_has_expired() {
    if is_foreign() {
        return;
    }
    let s = Script::fast();
    s.set_rmt_wnd(0);
    for _ in 0..3 {
        send_until(&s, b"m", 20);
    }
    s.update(10);
    s.update(30);
    assert_eq!(s.waitsnd(), 0);
    assert_eq!(stats(&s).limited_by_peer.get(), 0);
    s.packets();
}

#[test]
fn where_the_clock_wraps_nothing_expires_early() {
    if is_foreign() {
        return;
    }
    let s = Script::fast();
    s.wndsize(1, 0);
    s.update(u32::MAX - 20);
    s.send(b"first");
    recv!(s, [PUSH { sn: 0, data: b"first" }]);
    send_until(&s, b"late", 50);
    s.update(10);
    assert_eq!(s.nsnd_que(), 1);
    s.update(40);
    assert_eq!(s.nsnd_que(), 0);
    s.packets();
}

#[test]
fn streams_have_no_messages_that_expire() {
    if is_foreign() {
        return;
    }
    let s = Script::fast();
    s.set_stream(1);
    assert_eq!(send_until(&s, b"m", 50), -4);
    assert_eq!(s.waitsnd(), 0);
}

#[test]
fn a_stream_that_goes_on_in_a_message_lets_it_live() {
    if is_foreign() {
        return;
    }
    for segments in [1, 2] {
        let s = full(b"first");
        let mss = s.mss() as usize;
        let len = segments * mss - 100;
        send_until(&s, &vec![b'x'; len], 50);
        s.set_stream(1);
        s.send(&[b'x'; 100]);
        s.set_stream(0);
        s.update(100);
        s.packets();
        assert_eq!((s.nsnd_que() as usize, counts(&s)), (segments, (0, 0, 0)));
    }
}

#[test]
fn a_segment_that_comes_back_from_an_expired_message_does_not_expire() {
    if is_foreign() {
        return;
    }
    // Segments are kept for the next ones by busy connections.
    let s = Script::fast();
    s.wndsize(512, 0);
    s.set_rmt_wnd(512);
    for _ in 0..200 {
        s.send(b"m");
    }
    s.flush();
    send!(s, time 5, [WINS { una: 200, wnd: 0 }]);
    s.packets();
    for round in 1..4 {
        for _ in 0..100 {
            send_until(&s, b"m", 10);
        }
        s.set_stream(1);
        s.send(b"n");
        s.set_stream(0);
        s.update(round * 100);
        s.packets();
        assert_eq!(s.nsnd_que(), round, "what the stream goes on in stays");
    }
    for _ in 0..200 {
        s.send(b"m");
    }
    s.update(10_000);
    s.packets();
    assert_eq!(s.nsnd_que(), 203);
}

#[test]
fn refusals_are_those_of_ikcp_send() {
    if is_foreign() {
        return;
    }
    let s = Script::fast();
    let mss = s.mss() as usize;
    assert_eq!(send_until(&s, b"m", -1), -1);
    assert_eq!(send_until(&s, &vec![0; 128 * mss], 10), -2);
    // SAFETY: nothing is read.
    let negative = kcp(&s).send_until(unsafe { Source::new(std::ptr::null()) }, -1, 10);
    assert_eq!((negative, s.waitsnd()), (-1, 0));
    assert_eq!(kcp(&s).large_messages(true), 0);
    assert_eq!(send_until(&s, &vec![0; 129 * mss], 10), -3);
    assert_eq!(send_until(&s, &vec![0; 128 * mss], 10), sent(128 * mss));
}

// ---- in flight ----

/// A connection whose messages become `stub` when they expire in flight.
fn stubbing(stub: &[u8]) -> Script {
    let s = Script::with([1, 10, 0, 1]);
    assert!(kcp(&s).set_stub(Some(stub)));
    stats(&s);
    s
}

/// Forty messages in flight, which expire after 15 ms and become stubs of 64 bytes.
fn forty_in_flight() -> Script {
    let s = stubbing(&[b'x'; 64]);
    s.wndsize(100, 0);
    for _ in 0..40 {
        send_until(&s, fill(100), 15);
    }
    s.flush();
    s.packets();
    s
}

#[test]
fn a_message_that_expires_in_flight_goes_on_as_a_stub() {
    if is_foreign() {
        return;
    }
    let s = stubbing(b"-");
    send_until(&s, b"message", 50);
    recv!(s, [PUSH { sn: 0, data: b"message" }]);
    recv_nothing!(s, time 50);
    recv!(s, time 60, [PUSH { sn: 0, data: b"-" }]);
    recv_nothing!(s, time 70);
    recv!(s, time 80, [PUSH { sn: 0, data: b"-" }]);
    recv_nothing!(s, time 90);
    recv!(s, time 100, [PUSH { sn: 0, data: b"-" }]);
    // These are no timeouts.
    assert_eq!((s.xmit(), counts(&s)), (0, (0, 1, 3)));
    send!(s, time 110, [ACK { sn: 0, ts: 60, una: 1 }]);
    assert!(s.departures(1000, 10).is_empty());
    assert_eq!(stats(&s).bytes_delivered.get(), 1);
}

#[test]
fn its_own_timeout_sends_the_stub_too() {
    if is_foreign() {
        return;
    }
    let s = stubbing(b"-");
    send_until(&s, b"message", 195);
    recv!(s, [PUSH { sn: 0, data: b"message" }]);
    recv!(s, time 200, [PUSH { sn: 0, data: b"-" }]);
    assert_eq!((s.xmit(), counts(&s)), (1, (0, 1, 0)));
    recv_nothing!(s, time 210);
    recv!(s, time 220, [PUSH { sn: 0, data: b"-" }]);
    assert_eq!((s.xmit(), counts(&s)), (1, (0, 1, 1)));
}

#[test]
fn what_would_expire_on_its_way_is_a_stub_when_it_is_sent_again() {
    if is_foreign() {
        return;
    }
    // Half of the round trip is 60 ms.
    for (milliseconds, data, later) in
        [(259, &b"-"[..], [260, 280]), (260, &b"message"[..], [270, 290])]
    {
        let s = stubbing(b"-");
        s.set_rx_srtt(120);
        send_until(&s, b"message", milliseconds);
        recv!(s, [PUSH { sn: 0, data: b"message" }]);
        assert_eq!(s.departures(190, 10), []);
        recv!(s, time 200, [PUSH { sn: 0, data: data }]);
        assert_eq!(counts(&s), (0, u64::from(data.len() == 1), 0));
        assert_eq!(s.departures(290, 10), later);
    }
}

/// A connection with a round trip of 60 ms, on which a segment was lost, and segment 2 left at 50 ms. It expires after 140 ms.
fn lossy() -> Script {
    let s = stubbing(b"-");
    s.nodelay([1, 10, 1, 1]);
    s.set_rx_srtt(60);
    for message in [b"a", b"b"] {
        s.send(message);
    }
    recv!(s, [PUSH { sn: 0, data: b"a" }, PUSH { sn: 1, data: b"b" }]);
    send!(s, time 30, [ACK { sn: 1, ts: 0, una: 0 }]);
    recv!(s, time 30, [PUSH { sn: 0, data: b"a" }]);
    send!(s, time 35, [ACK { sn: 0, ts: 30, una: 2 }]);
    s.set_rx_srtt(60);
    recv_nothing!(s, time 40);
    send_until(&s, b"message", 100);
    recv!(s, time 50, [PUSH { sn: 2, data: b"message" }]);
    s
}

#[test]
fn where_packets_get_lost_a_stub_rides_in_a_packet_that_leaves_half_a_round_trip_before() {
    if is_foreign() {
        return;
    }
    let s = lossy();
    s.send(b"next");
    recv!(s, time 110, [PUSH { sn: 3, data: b"next" }]);
    // From here on what is sent again would be late.
    s.send(b"next");
    recv!(s, time 120, [PUSH { sn: 4, data: b"next" }, PUSH { sn: 2, data: b"-" }]);
    s.send(b"next");
    recv!(s, time 130, [PUSH { sn: 5, data: b"next" }]);
    // Before the message has expired a stub asks for no packet.
    recv_nothing!(s, time 140);
    recv!(s, time 150, [PUSH { sn: 2, data: b"-" }]);
    assert_eq!(counts(&s), (0, 1, 2));
}

#[test]
fn a_packet_of_acknowledgements_carries_no_stub_ahead_of_time() {
    if is_foreign() {
        return;
    }
    let s = lossy();
    send!(s, time 125, [PUSH { sn: 0, data: b"theirs" }]);
    recv!(s, time 130, [ACK { wnd: 127, ts: 125, sn: 0, una: 1 }]);
    assert_eq!(counts(&s), (0, 0, 0));
}

#[test]
fn without_losses_no_stub_leaves_ahead_of_time() {
    if is_foreign() {
        return;
    }
    let s = stubbing(b"-");
    s.set_rx_srtt(60);
    send_until(&s, b"message", 100);
    recv!(s, [PUSH { sn: 0, data: b"message" }]);
    s.send(b"next");
    recv!(s, time 90, [PUSH { sn: 1, data: b"next" }]);
    assert_eq!(counts(&s), (0, 0, 0));
}

#[test]
fn a_loss_25_days_ago_was_one_to_come() {
    if is_foreign() {
        return;
    }
    let s = lossy();
    send!(s, time 110, [ACK { sn: 2, ts: 50, una: 3 }]);
    recv_nothing!(s, time 120);
    let later = (1 << 31) + 60_000;
    recv_nothing!(s, time later);
    s.set_rx_srtt(60);
    send_until(&s, b"message", 100);
    recv!(s, time later + 10, [PUSH { sn: 3, data: b"message" }]);
    s.send(b"next");
    recv!(s, time later + 90, [PUSH { sn: 4, data: b"next" }]);
    assert_eq!(counts(&s), (0, 0, 0));
}

/// With stubs for more than one packet the flush did not end.
#[test]
fn a_stub_that_expired_24_days_ago_stayed_due() {
    if is_foreign() {
        return;
    }
    let s = stubbing(b"-");
    send_until(&s, b"message", 15);
    recv!(s, [PUSH { sn: 0, data: b"message" }]);
    recv!(s, time 20, [PUSH { sn: 0, data: b"-" }]);
    let later = 590 * 3_600_000;
    recv!(s, time later, [PUSH { sn: 0, data: b"-" }]);
    // The next is due after a fiftieth of that time.
    assert_eq!(s.departures(later + 150, 10), []);
}

#[test]
fn without_a_stub_what_is_in_flight_is_completed() {
    if is_foreign() {
        return;
    }
    let s = Script::with([1, 10, 0, 1]);
    send_until(&s, b"message", 50);
    recv!(s, [PUSH { sn: 0, data: b"message" }]);
    assert_eq!(s.departures(190, 10), []);
    recv!(s, time 200, [PUSH { sn: 0, data: b"message" }]);
    // What left before there was a stub stays as it is, and so does what leaves after.
    assert!(kcp(&s).set_stub(Some(b"-")));
    send_until(&s, b"other", 50);
    recv!(s, [PUSH { sn: 1, data: b"other" }]);
    assert!(kcp(&s).set_stub(None));
    assert_eq!(s.departures(390, 10), []);
    recv!(s, time 400, [PUSH { sn: 1, data: b"other" }]);
}

#[test]
fn a_message_of_several_segments_is_completed() {
    if is_foreign() {
        return;
    }
    let s = stubbing(b"-");
    let mss = s.mss() as usize;
    send_until(&s, &vec![b'x'; mss + 1], 50);
    recv!(s, [PUSH { sn: 0, frg: 1, data: fill(mss) }], [PUSH { sn: 1, data: b"x" }]);
    assert_eq!(s.departures(190, 10), []);
    assert_eq!(counts(&s), (0, 0, 0));
}

#[test]
fn a_message_that_is_not_longer_than_the_stub_goes_on_as_it_is_and_as_often() {
    if is_foreign() {
        return;
    }
    let s = stubbing(b"stub");
    send_until(&s, b"long", 15);
    recv!(s, [PUSH { sn: 0, data: b"long" }]);
    recv!(s, time 20, [PUSH { sn: 0, data: b"long" }]);
    recv!(s, time 40, [PUSH { sn: 0, data: b"long" }]);
    assert_eq!(counts(&s), (0, 0, 2));
}

#[test]
fn an_empty_stub_is_an_empty_message() {
    if is_foreign() {
        return;
    }
    let s = stubbing(b"");
    send_until(&s, b"message", 15);
    recv!(s, [PUSH { sn: 0, data: b"message" }]);
    recv!(s, time 20, [PUSH { sn: 0, data: b"" }]);
}

#[test]
fn stubs_beyond_a_packet_take_the_next_one() {
    if is_foreign() {
        return;
    }
    let s = forty_in_flight();
    s.update(20);
    let sizes: Vec<usize> = s.packets().iter().map(Vec::len).collect();
    assert_eq!(sizes, [15 * 88, 15 * 88, 10 * 88]);
    assert_eq!(counts(&s), (0, 40, 40));
    // A packet that holds none: they wait for their timeouts.
    assert_eq!(s.setmtu(80), 0);
    assert!(s.departures(190, 10).is_empty());
    s.update(200);
    assert_eq!(s.packets().len(), 40);
}

#[test]
fn on_a_link_that_is_down_stubs_become_rare() {
    if is_foreign() {
        return;
    }
    let s = stubbing(b"-");
    s.set_dead_link(u32::MAX);
    send_until(&s, b"message", 100);
    s.flush();
    s.packets();
    let first = s.departures(1100, 10).len();
    assert!((50..60).contains(&first), "{first}");
    // Six thousand flushes take minutes there.
    if cfg!(miri) {
        return;
    }
    let minute = s.departures(61_100, 10).len();
    assert!((150..250).contains(&minute), "{minute}");
}

#[test]
fn an_update_comes_when_a_message_expires_and_none_when_it_has_arrived() {
    if is_foreign() {
        return;
    }
    let s = stubbing(b"-");
    for sn in 0..2 {
        send_until(&s, b"message", 50 + 20 * sn);
    }
    recv!(s, [PUSH { sn: 0, data: b"message" }, PUSH { sn: 1, data: b"message" }]);
    assert_eq!(sleep(&s, 0), 51);
    send!(s, time 40, [ACK { sn: 0, una: 1 }]);
    assert_eq!(sleep(&s, 40), 31);
    kcp(&s).update_due(71);
    expect!(s, [PUSH { sn: 1, data: b"-" }]);
    assert_eq!(sleep(&s, 71), 20);
    send!(s, time 80, [ACK { sn: 1, una: 2 }]);
    assert_eq!(sleep(&s, 80), 0x7fff_ffff);
}

#[test]
fn a_message_behind_a_gap_that_has_arrived_does_not_wake() {
    if is_foreign() {
        return;
    }
    let s = stubbing(b"-");
    s.send(b"plain");
    send_until(&s, b"message", 50);
    recv!(s, [PUSH { sn: 0, data: b"plain" }, PUSH { sn: 1, data: b"message" }]);
    send!(s, time 30, [ACK { sn: 1 }]);
    assert_eq!(sleep(&s, 30), 170);
}

#[test]
fn a_connection_that_the_program_resets_has_nothing_that_expires() {
    if is_foreign() {
        return;
    }
    let s = stubbing(b"-");
    for _ in 0..3 {
        send_until(&s, b"message", 50);
    }
    s.flush();
    s.packets();
    send!(s, [ACK { sn: 2, una: 3 }]);
    s.set_rx_rto(200);
    // The numbers begin anew.
    for set in [Object::set_snd_una, Object::set_snd_nxt] {
        set(*s, 0);
    }
    for _ in 0..3 {
        s.send(b"whenever");
    }
    s.flush();
    s.packets();
    assert!(s.departures(190, 10).is_empty());
    assert_eq!(counts(&s), (0, 0, 0));
}

#[test]
fn messages_that_had_arrived_were_remembered_until_they_would_have_expired() {
    if is_foreign() {
        return;
    }
    let s = stubbing(b"-");
    let exchange = |from, to| {
        for sn in from..to {
            send_until(&s, b"message", 3_600_000);
            s.update(sn * 10);
            s.packets();
            send!(s, [ACK { sn: sn, ts: sn * 10, una: sn + 1 }]);
        }
    };
    exchange(0, 200);
    let before = heap::bytes();
    exchange(200, if cfg!(miri) { 300 } else { 10_000 });
    assert!(heap::bytes() <= before + 1000, "{} and {before}", heap::bytes());
}

#[test]
fn a_message_that_expires_while_it_waits_for_budget_is_a_stub_when_it_leaves() {
    if is_foreign() || cfg!(any(feature = "profile-1-7", feature = "profile-1-7-1")) {
        return;
    }
    let s = stubbing(b"-");
    s.set_cwnd(10);
    s.pace(3);
    send_until(&s, b"message", 15);
    recv_nothing!(s, time 10);
    assert_eq!(s.nsnd_buf(), 1);
    recv!(s, time 20, [PUSH { sn: 0, data: b"-" }]);
    s.pace(0);
    recv_nothing!(s, time 40);
    s.pace(3);
    recv!(s, time 60, [PUSH { sn: 0, data: b"-" }]);
}

#[test]
fn inside_output_messages_may_be_sent_and_stubs_turned_off() {
    if is_foreign() {
        return;
    }
    let s = forty_in_flight();
    let mut calls = 0;
    s.on_output(move |object| {
        calls += 1;
        until(object, b"inside", 100);
        if calls == 2 {
            // SAFETY: the script keeps it.
            let kcp = unsafe { Kcp::from_ptr(object.0) }.expect("an object");
            assert!(kcp.set_stub(None));
        }
    });
    s.update(20);
    s.react(|_, _| ());
    assert_eq!(s.packets().len(), 2);
}

#[test]
fn a_longer_stub_is_refused_and_so_is_one_without_memory() {
    if is_foreign() {
        return;
    }
    let s = Script::fast();
    assert!(kcp(&s).set_stub(None));
    assert!(!kcp(&s).set_stub(Some(&[0; 65])));
    heap::refuse(0, 1);
    assert!(!kcp(&s).set_stub(Some(b"-")));
    heap::refuse(0, 1);
    assert_eq!(send_until(&s, b"m", 10), -2);
    heap::refuse(1, 1);
    assert_eq!(send_until(&s, b"m", 10), -2);
    assert_eq!(s.waitsnd(), 0);
    // Without memory to remember it, it is sent as it is.
    assert!(kcp(&s).set_stub(Some(b"-")));
    assert_eq!(send_until(&s, b"message", 10), sent(7));
    heap::refuse(0, u64::MAX);
    s.flush();
    s.update(20);
    heap::refuse(0, 0);
    assert_eq!((s.packets().len(), counts(&s)), (1, (0, 0, 0)));
}
