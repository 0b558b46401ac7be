//! The lossy link: a relay between two UDP sockets on the loopback interface, which drops datagrams and delays the others.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::io::ErrorKind;
use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::Result;

#[derive(Clone, Copy)]
pub struct Quality {
    /// Share of the datagrams that are lost, 0 to 1.
    pub loss: f64,
    /// The shortest delay of a datagram, and the longest random addition to it.
    pub delay: Duration,
    pub jitter: Duration,
}

/// Traffic over the link, in both directions together.
#[derive(Clone, Copy, Default)]
pub struct Traffic {
    pub datagrams: u64,
    pub lost: u64,
}

/// The running link. Each end is a socket that a side sends to and receives from.
pub struct Link {
    near: SocketAddr,
    far: SocketAddr,
    stop: Arc<AtomicBool>,
    far_side: Arc<OnceLock<SocketAddr>>,
    ways: Vec<JoinHandle<Result<Traffic>>>,
}

/// One direction of the link.
struct Way {
    from: UdpSocket,
    to: UdpSocket,
    /// The sender in this direction, learned from the first datagram unless known.
    sender: Arc<OnceLock<SocketAddr>>,
    receiver: Arc<OnceLock<SocketAddr>>,
    quality: Quality,
    random: fastrand::Rng,
    stop: Arc<AtomicBool>,
}

impl Link {
    /// Starts a link between the programs at `near` and `far`; an address that is not given is that of whoever sends first.
    pub fn start(
        near: SocketAddr,
        far: Option<SocketAddr>,
        quality: Quality,
        seed: u64,
    ) -> Result<Link> {
        let sockets = [
            UdpSocket::bind("127.0.0.1:0")?,
            UdpSocket::bind("127.0.0.1:0")?,
        ];
        let addresses = [sockets[0].local_addr()?, sockets[1].local_addr()?];
        let sides =
            [Some(near), far].map(|side| Arc::new(side.map_or_else(OnceLock::new, OnceLock::from)));
        let stop = Arc::new(AtomicBool::new(false));
        let mut ways = Vec::new();
        for (from, to) in [(0, 1), (1, 0)] {
            let way = Way {
                from: sockets[from].try_clone()?,
                to: sockets[to].try_clone()?,
                sender: sides[from].clone(),
                receiver: sides[to].clone(),
                quality,
                random: fastrand::Rng::with_seed(seed.wrapping_mul(2).wrapping_add(from as u64)),
                stop: stop.clone(),
            };
            ways.push(thread::spawn(move || way.run()));
        }
        Ok(Link {
            near: addresses[0],
            far: addresses[1],
            stop,
            far_side: sides[1].clone(),
            ways,
        })
    }

    /// Where the near side sends to.
    pub fn near(&self) -> SocketAddr {
        self.near
    }

    /// Where the far side sends to.
    pub fn far(&self) -> SocketAddr {
        self.far
    }

    /// Sets the far side's address, unless the far side has sent already.
    pub fn set_far_side(&self, address: SocketAddr) {
        self.far_side.get_or_init(|| address);
    }

    /// Ends the link.
    pub fn stop(self) -> Result<Traffic> {
        self.stop.store(true, Ordering::Relaxed);
        let mut sum = Traffic::default();
        for way in self.ways {
            let traffic = way.join().expect("one direction of the link panicked")?;
            sum.datagrams += traffic.datagrams;
            sum.lost += traffic.lost;
        }
        Ok(sum)
    }
}

impl Way {
    fn run(mut self) -> Result<Traffic> {
        let mut traffic = Traffic::default();
        // By due time; equal times in the order of arrival.
        let mut under_way: BinaryHeap<Reverse<(Instant, u64, Vec<u8>)>> = BinaryHeap::new();
        let mut datagram = [0; 65536];
        while !self.stop.load(Ordering::Relaxed) {
            let now = Instant::now();
            while let Some(Reverse((due, ..))) = under_way.peek()
                && *due <= now
            {
                let Some(Reverse((_, _, datagram))) = under_way.pop() else {
                    break;
                };
                self.hand_over(&datagram)?;
            }
            let wait = under_way
                .peek()
                .map_or(Duration::MAX, |Reverse((due, ..))| {
                    due.saturating_duration_since(now)
                });
            // Not 0, which would mean for ever, and short enough to notice the end.
            let wait = wait.clamp(Duration::from_micros(100), Duration::from_millis(20));
            self.from.set_read_timeout(Some(wait))?;
            let (length, sender) = match self.from.recv_from(&mut datagram) {
                Ok(received) => received,
                Err(error) if is_harmless(error.kind()) => continue,
                Err(error) => return Err(error.into()),
            };
            if *self.sender.get_or_init(|| sender) != sender {
                continue; // from another program
            }
            traffic.datagrams += 1;
            if self.random.f64() < self.quality.loss {
                traffic.lost += 1;
                continue;
            }
            let due = Instant::now()
                + self.quality.delay
                + self.quality.jitter.mul_f64(self.random.f64());
            under_way.push(Reverse((
                due,
                traffic.datagrams,
                datagram[..length].to_vec(),
            )));
        }
        Ok(traffic)
    }

    fn hand_over(&self, datagram: &[u8]) -> Result<()> {
        let Some(receiver) = self.receiver.get() else {
            return Ok(()); // no receiver yet
        };
        match self.to.send_to(datagram, receiver) {
            Err(error) if !is_harmless(error.kind()) => Err(error.into()),
            _ => Ok(()),
        }
    }
}

/// What a UDP socket reports if there is nothing to read, no room to write, or the other side has gone.
pub fn is_harmless(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::WouldBlock
            | ErrorKind::TimedOut
            | ErrorKind::Interrupted
            | ErrorKind::ConnectionRefused
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fifth_is_lost_and_the_rest_arrives_late() {
        let quality = Quality {
            loss: 0.2,
            delay: Duration::from_millis(30),
            jitter: Duration::ZERO,
        };
        let near = UdpSocket::bind("127.0.0.1:0").unwrap();
        let far = UdpSocket::bind("127.0.0.1:0").unwrap();
        let link = Link::start(
            near.local_addr().unwrap(),
            Some(far.local_addr().unwrap()),
            quality,
            1,
        )
        .unwrap();
        far.set_read_timeout(Some(Duration::from_millis(500)))
            .unwrap();
        let (mut arrived, mut buffer) = (0, [0; 16]);
        // A few at a time, because the sockets of a busy machine fill up.
        for _ in 0..20 {
            let sent = Instant::now();
            for byte in 0..50 {
                near.send_to(&[byte], link.near()).unwrap();
            }
            let mut last = None;
            while last.is_none_or(|last| last < 49)
                && let Ok((length, _)) = far.recv_from(&mut buffer)
            {
                assert_eq!(length, 1);
                assert!(sent.elapsed() >= quality.delay);
                assert!(last.is_none_or(|last| last < buffer[0]), "out of order");
                last = Some(buffer[0]);
                arrived += 1;
            }
        }
        let traffic = link.stop().unwrap();
        assert_eq!(traffic.datagrams, 1000);
        assert_eq!(arrived, traffic.datagrams - traffic.lost);
        assert!((150..250).contains(&traffic.lost), "{}", traffic.lost);
    }
}
