//! Closures that receive packets, and what they may do.

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::time::{Duration, Instant};

use ikcp_connection::{Config, Connection};

fn connection(now: Instant) -> Connection {
    Connection::new(3, &Config::fast(), now).expect("a connection")
}

#[test]
fn a_closure_gets_the_packets_of_the_queue() {
    let now = Instant::now();
    let (mut queued, mut handed) = (connection(now), connection(now));
    for connection in [&mut queued, &mut handed] {
        for n in 0..20 {
            connection.send(&[n; 700]).expect("it is not too long");
        }
    }
    queued.flush(now);
    let mut packets = Vec::new();
    handed.flush_with(now, |packet| packets.push(packet.to_vec()));
    assert_eq!(packets.len(), 20);
    for packet in &packets {
        assert_eq!(queued.poll_transmit(), Some(&packet[..]));
    }
    assert_eq!(
        (queued.poll_transmit(), handed.poll_transmit()),
        (None, None)
    );
}

#[test]
fn what_waits_in_the_queue_goes_first() {
    let now = Instant::now();
    let mut connection = connection(now);
    connection.send(b"first").expect("it is not too long");
    connection.flush(now);
    connection.send(b"second").expect("it is not too long");
    let mut lengths = Vec::new();
    connection.flush_with(now, |packet| lengths.push(packet.len()));
    assert_eq!(lengths, [24 + 5, 24 + 6]);
    assert_eq!(connection.poll_transmit(), None);
}

#[test]
fn a_panic_leaves_the_connection_as_it_should_be() {
    let now = Instant::now();
    let mut connection = connection(now);
    for _ in 0..5 {
        connection.send(&[1; 1000]).expect("it is not too long");
    }
    let mut calls = 0;
    let caught = catch_unwind(AssertUnwindSafe(|| {
        connection.flush_with(now, |_| {
            calls += 1;
            assert!(calls < 3, "the third packet");
        });
    }));
    let message = caught.expect_err("it panicked");
    assert_eq!(message.downcast_ref(), Some(&"the third packet"));
    assert_eq!(calls, 3, "it was called again after the panic");
    // All five count as sent. After their timeout they are sent again, to a closure that does not fail.
    assert_eq!(connection.stats().in_flight, 5);
    let later = now + Duration::from_secs(1);
    let mut packets = 0;
    connection.update_with(later, |_| packets += 1);
    assert_eq!(packets, 5);
    connection.update(later + Duration::from_secs(1));
    assert!(connection.poll_transmit().is_some());
}

#[test]
fn a_panic_while_the_queue_is_handed_over_keeps_the_rest() {
    let now = Instant::now();
    let mut connection = connection(now);
    for _ in 0..3 {
        connection.send(&[1; 1000]).expect("it is not too long");
    }
    connection.flush(now);
    let caught = catch_unwind(AssertUnwindSafe(|| {
        connection.flush_with(now, |_| panic!("the first packet"));
    }));
    assert!(caught.is_err());
    let left = std::iter::from_fn(|| connection.poll_transmit().map(<[u8]>::len)).count();
    assert_eq!(left, 2);
}

#[test]
fn a_closure_that_wants_the_connection_panics_instead() {
    let now = Instant::now();
    let shared = Rc::new(RefCell::new(connection(now)));
    shared
        .borrow_mut()
        .send(b"hello")
        .expect("it is not too long");
    let inside = Rc::clone(&shared);
    let caught = catch_unwind(AssertUnwindSafe(|| {
        shared.borrow_mut().flush_with(now, move |_| {
            inside.borrow_mut().flush(now);
        });
    }));
    assert!(caught.is_err(), "it was borrowed twice");
    assert_eq!(shared.borrow().stats().in_flight, 1);
}

#[test]
fn a_closure_may_use_and_drop_another_connection() {
    let now = Instant::now();
    let (mut one, mut other) = (connection(now), Some(connection(now)));
    for _ in 0..3 {
        one.send(&[1; 1000]).expect("it is not too long");
    }
    one.flush_with(now, |packet| {
        if let Some(mut other) = other.take() {
            other.input(packet, now).expect("a good packet");
            assert_eq!(other.recv().map(|message| message.len()), Some(1000));
            other.flush_with(now, |answer| assert_eq!(answer.len(), 24));
        }
    });
    assert!(other.is_none());
}
