//! Many connections with segments in flight and nothing due: a server's cost for connected clients.

use std::hint::black_box;

use crate::clock::measured;
use crate::endpoint::{Endpoint, Implementation, Settings};

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

/// Nanoseconds for all pairs of one update and one check, and their number.
pub fn run<I: Implementation>(implementation: &I, work: Idle) -> (f64, u64) {
    assert!(work.milliseconds < 200, "a timeout would be due");
    let settings = Settings {
        window: work.in_flight as u32,
        stream: false,
        control: None,
        longest: MESSAGE,
    };
    let mut connections: Vec<_> = (0..work.connections)
        .map(|_| implementation.endpoint(settings, None))
        .collect();
    // In turns, as on a server, so that the segments of one connection are not adjacent.
    for _ in 0..work.in_flight {
        for endpoint in &mut connections {
            endpoint.send(&[7; MESSAGE]);
        }
    }
    connections
        .iter_mut()
        .for_each(|endpoint| endpoint.update(0));
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
