//! Many connections with a message now and then, as on a game server: none of them is in the caches when its turn comes.

use std::cell::RefCell;
use std::rc::Rc;

use crate::clock::measured;
use crate::endpoint::{Endpoint, Implementation, Settings, Wire};
use crate::link::{Link, Path};

#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Trickle {
    /// Connections; both ends of each are in this process.
    pub connections: usize,
    /// Payload of a message, one segment.
    pub message: usize,
    /// Messages of each connection, one every 10 ms.
    pub turns: u32,
}

const PERIOD: u32 = 10;

/// One direction. Its clock advances a step with each transfer, independent of the endpoints' clock.
struct Way {
    wire: Wire,
    step: u32,
}

impl Way {
    fn new(seed: u64) -> Way {
        let path = Path {
            delay: 1,
            jitter: 0,
            loss: 0.0,
            rate: 0,
        };
        Way {
            wire: Rc::new(RefCell::new(Link::new(path, 8, seed))),
            step: 0,
        }
    }

    fn hand_over(&mut self, to: &mut impl Endpoint) {
        self.step += 1;
        let arrivals = self.wire.borrow_mut().arrivals(self.step);
        arrivals.iter().for_each(|packet| to.input(packet));
        self.wire.borrow_mut().recycle(arrivals);
    }
}

/// Nanoseconds for all messages and their acknowledgements, and the number of messages.
pub fn run<I: Implementation>(implementation: &I, work: Trickle, seed: u64) -> (f64, u64) {
    let settings = Settings {
        window: 32,
        stream: false,
        control: None,
        longest: work.message,
    };
    let (mut forth, mut back) = (Way::new(seed), Way::new(seed));
    let mut pairs: Vec<_> = (0..work.connections)
        .map(|_| {
            let end = |way: &Way| implementation.endpoint(settings, Some(Rc::clone(&way.wire)));
            (end(&forth), end(&back))
        })
        .collect();
    let message = vec![7; work.message];
    let mut buffer = vec![0; work.message];
    let mut now = 0;
    let mut received = 0;
    let mut take_turns = |turns: u32| {
        for _ in 0..turns {
            now += PERIOD;
            for (near, far) in &mut pairs {
                near.send(&message);
                near.update(now);
                forth.hand_over(far);
                while far.recv(&mut buffer) >= 0 {
                    received += 1;
                }
                far.update(now);
                back.hand_over(near);
            }
        }
    };
    take_turns(work.turns.div_ceil(5));
    let ((), nanoseconds) = measured(|| take_turns(work.turns));
    let number = work.connections as u64 * u64::from(work.turns);
    assert_eq!(
        received,
        number + work.connections as u64 * u64::from(work.turns.div_ceil(5))
    );
    (nanoseconds, number)
}
