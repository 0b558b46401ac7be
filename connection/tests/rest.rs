//! A connection that has nothing to do: its memory and its timeouts.

mod common;

use std::time::{Duration, Instant};

use common::heap;
use ikcp_connection::{Config, Connection};

/// Carries packets between both ends until none is on the way, and receives the messages.
fn settle(ends: &mut [Connection; 2], now: Instant) {
    loop {
        let mut moved = false;
        for n in [0, 1] {
            let mut packets = Vec::new();
            ends[n].flush_with(now, |packet| packets.push(packet.to_vec()));
            moved |= !packets.is_empty();
            for packet in packets {
                ends[1 - n].input(&packet, now).expect("a good packet");
            }
            while ends[n].recv().is_some() {}
        }
        if !moved {
            return;
        }
    }
}

#[test]
fn after_a_burst_it_gives_memory_back_and_sleeps() {
    heap::install();
    let mut now = Instant::now();
    let config = Config {
        send_window: 1000,
        receive_window: 1000,
        ..Config::fast()
    };
    let mut ends = [0, 1].map(|_| Connection::new(1, &config, now).expect("a connection"));
    let idle = heap::bytes();
    for burst in [1u8, 2, 3] {
        for _ in 0..if cfg!(miri) { 5 } else { 900 } {
            ends[0].send(&[burst; 1000]).expect("it is not too long");
            ends[1].send(&[burst; 50]).expect("it is not too long");
        }
        settle(&mut ends, now);
        let mut calls = 0;
        while let Some(at) = ends.iter().filter_map(Connection::next_timeout).min() {
            assert!(at > now);
            now = at;
            for end in &mut ends {
                end.update(now);
                assert_eq!(end.poll_transmit(), None);
            }
            calls += 1;
            assert!(calls <= 60, "it does not come to rest");
        }
        // Small lists are kept.
        let kept = heap::bytes().saturating_sub(idle);
        assert!(kept < 1024, "{kept} bytes after burst {burst}");
        now += Duration::from_secs(3600);
    }
}

#[test]
fn a_clock_that_was_set_back_kept_an_idle_connection_awake_until_it_caught_up() {
    heap::install();
    let start = Instant::now();
    let config = Config::fast();
    let mut ends = [0, 1].map(|_| Connection::new(1, &config, start).expect("a connection"));
    ends[0].send(b"hello").expect("it is not too long");
    settle(&mut ends, start + Duration::from_secs(7200));
    ends[0].update(start + Duration::from_secs(3600));
    let mut calls = 0;
    while let Some(at) = ends[0].next_timeout() {
        ends[0].update(at);
        calls += 1;
        assert!(calls <= 60, "it does not come to rest");
    }
}

#[test]
fn what_is_sent_after_an_hour_leaves_at_once() {
    heap::install();
    let start = Instant::now();
    let mut connection = Connection::new(1, &Config::default(), start).expect("a connection");
    let mut now = start;
    while let Some(at) = connection.next_timeout() {
        now = at;
        connection.update(now);
    }
    now += Duration::from_secs(3600);
    connection.send(b"hello").expect("it is not too long");
    let due = connection.next_timeout().expect("a message is queued");
    assert!(due <= now);
    connection.update(now);
    assert!(connection.poll_transmit().is_some());
}

/// The round-trip time was measured with the clock of the last `update`, which an idle connection does not call.
#[test]
fn a_round_trip_after_an_hour_is_measured() {
    heap::install();
    let start = Instant::now();
    let mut connection = Connection::new(1, &Config::fast(), start).expect("a connection");
    let now = start + Duration::from_secs(3600);
    connection.send(b"hello").expect("it is not too long");
    connection.flush(now);
    let mut packet = connection.poll_transmit().expect("a packet").to_vec();
    // The acknowledgement: the same header without the payload.
    packet.truncate(24);
    packet[4] = 82;
    packet[20] = 0;
    let arrives = now + Duration::from_millis(70);
    connection.input(&packet, arrives).expect("a good packet");
    assert_eq!(connection.stats().rtt, Some(Duration::from_millis(70)));
}

#[test]
fn what_is_owed_to_the_peer_is_due_within_the_interval() {
    heap::install();
    let now = Instant::now();
    let config = Config {
        receive_window: 128,
        send_window: 300,
        ..Config::fast()
    };
    let mut ends = [0, 1].map(|_| Connection::new(1, &config, now).expect("a connection"));
    let carry = |ends: &mut [Connection; 2], from: usize| {
        let mut packets = Vec::new();
        ends[from].flush_with(now, |packet| packets.push(packet.to_vec()));
        for packet in &packets {
            ends[1 - from].input(packet, now).expect("a good packet");
        }
        packets.len()
    };
    let due = |end: &Connection| {
        let at = end.next_timeout().expect("something is owed");
        at <= now + config.interval
    };
    // An acknowledgement.
    ends[0].send(b"hello").expect("it is not too long");
    assert_eq!(carry(&mut ends, 0), 1);
    assert!(due(&ends[1]));
    assert_eq!(carry(&mut ends, 1), 1);
    assert_eq!(ends[1].recv().as_deref(), Some(&b"hello"[..]));
    // The announcement that a full window has room again.
    for _ in 0..128 {
        ends[0].send(&[1; 1000]).expect("it is not too long");
    }
    while ends[0].stats().peer_window > 0 {
        assert!(carry(&mut ends, 0) > 0);
        carry(&mut ends, 1);
    }
    assert!(due(&ends[0]), "it asks for the window");
    assert!(!due(&ends[1]));
    assert!(ends[1].recv().is_some());
    assert!(due(&ends[1]));
    assert_eq!(carry(&mut ends, 1), 1);
    assert_eq!(ends[0].stats().peer_window, 1);
}
