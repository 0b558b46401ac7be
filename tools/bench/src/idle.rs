//! Many connections with segments in flight and nothing due: a server's cost for connected clients.

use std::hint::black_box;

use crate::clock::measured;
use crate::endpoint::{Endpoint, Implementation, Settings, Wire};
use crate::hostile::announce;

#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Idle {
    pub connections: usize,
    /// Segments in flight on each.
    pub in_flight: usize,
    /// Milliseconds of virtual time, below the first retransmission timeout of 200.
    pub milliseconds: u32,
}

/// Payload of a segment in flight.
const MESSAGE: usize = 64;

/// A connection with a window of `in_flight` segments.
fn connection<I: Implementation>(
    implementation: &I,
    in_flight: usize,
    wire: Option<Wire>,
) -> I::Endpoint {
    let settings = Settings {
        window: in_flight as u32,
        stream: false,
        control: None,
        longest: MESSAGE,
    };
    implementation.endpoint(settings, wire)
}

/// Sends segments on all connections in turns, as on a server, so that those of one connection are not adjacent.
fn put_in_flight(connections: &mut [impl Endpoint], in_flight: usize) {
    if in_flight > 128 {
        for endpoint in &mut *connections {
            announce(endpoint, in_flight as u32);
        }
    }
    for _ in 0..in_flight {
        for endpoint in &mut *connections {
            endpoint.send(&[7; MESSAGE]);
        }
    }
    connections
        .iter_mut()
        .for_each(|endpoint| endpoint.update(0));
}

/// Nanoseconds for all pairs of one update and one check, and their number.
pub fn run<I: Implementation>(implementation: &I, work: Idle) -> (f64, u64) {
    assert!(work.milliseconds < 200, "a timeout would be due");
    let mut connections: Vec<_> = (0..work.connections)
        .map(|_| connection(implementation, work.in_flight, None))
        .collect();
    put_in_flight(&mut connections, work.in_flight);
    let ((), nanoseconds) = measured(|| {
        for now in 1..=work.milliseconds {
            for endpoint in &mut connections {
                endpoint.update(now);
                black_box(endpoint.check(now));
            }
        }
    });
    assert!(
        connections
            .iter()
            .all(|endpoint| endpoint.waitsnd() == work.in_flight as u32)
    );
    (
        nanoseconds,
        work.connections as u64 * u64::from(work.milliseconds),
    )
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::rc::Rc;

    use super::*;
    use crate::endpoint::Shared;
    use crate::link::{Link, Path};
    use kcp_abi::Library;

    /// Of 1,024 segments, 128 were in flight: a new connection takes that for the peer's window.
    #[test]
    fn all_segments_are_in_flight() {
        let library = Library::open(kcp_abi::ours().expect("our library")).expect("a library");
        let path = Path {
            delay: 1,
            jitter: 0,
            loss: 0.0,
            rate: 0,
        };
        let wire = Rc::new(RefCell::new(Link::new(path, 0, 1)));
        let mut endpoints = [connection(
            &Shared::new(library),
            1024,
            Some(Rc::clone(&wire)),
        )];
        put_in_flight(&mut endpoints, 1024);
        let bytes = wire.borrow().traffic.bytes;
        assert_eq!(bytes, 1024 * (24 + MESSAGE as u64));
    }
}
