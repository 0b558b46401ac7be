//! What the clients send, and the counters.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::Result;
use tokio::net::UdpSocket;

#[derive(Clone, Copy)]
pub struct Load {
    pub connections: usize,
    /// Size of each message.
    pub bytes: usize,
    pub pace: Pace,
}

#[derive(Clone, Copy)]
pub enum Pace {
    /// At most this many messages wait for their echo.
    Outstanding(usize),
    /// One message per period.
    Each(Duration),
    /// One message only.
    Once,
}

/// Messages that one client is to send.
pub struct Sender {
    pace: Pace,
    outstanding: usize,
    next: Instant,
}

impl Sender {
    /// Clients with a period start one after the other.
    pub fn new(load: Load, number: usize) -> Sender {
        let offset = match load.pace {
            Pace::Each(period) => period * number as u32 / load.connections as u32,
            _ => Duration::ZERO,
        };
        Sender {
            pace: load.pace,
            outstanding: 0,
            next: Instant::now() + offset,
        }
    }

    /// True if another message may be sent now; it then counts as sent.
    pub fn takes_one(&mut self, now: Instant) -> bool {
        let takes = match self.pace {
            Pace::Outstanding(most) => self.outstanding < most,
            Pace::Each(_) => now >= self.next,
            Pace::Once => self.outstanding == 0,
        };
        if takes {
            self.outstanding += 1;
            if let Pace::Each(period) = self.pace {
                self.next += period;
            }
        }
        takes
    }

    /// An echo arrived.
    pub fn echoed(&mut self) {
        if !matches!(self.pace, Pace::Once) {
            self.outstanding -= 1;
        }
    }

    /// When the next message can be sent without waiting for an echo.
    pub fn next(&self) -> Option<Instant> {
        matches!(self.pace, Pace::Each(_)).then_some(self.next)
    }
}

/// What the clients have received.
#[derive(Clone, Default)]
pub struct Counts(Arc<Both>);

#[derive(Default)]
struct Both {
    messages: AtomicU64,
    connected: AtomicUsize,
}

impl Counts {
    /// A client received an echo.
    pub fn echoed(&self, is_first: bool) {
        self.0.messages.fetch_add(1, Ordering::Relaxed);
        self.0
            .connected
            .fetch_add(is_first.into(), Ordering::Relaxed);
    }

    pub fn messages(&self) -> u64 {
        self.0.messages.load(Ordering::Relaxed)
    }

    pub fn connected(&self) -> usize {
        self.0.connected.load(Ordering::Relaxed)
    }
}

/// A socket on loopback with buffers for a burst of all clients, if the system allows it.
pub async fn socket() -> Result<UdpSocket> {
    use std::os::fd::AsRawFd;
    let socket = UdpSocket::bind("127.0.0.1:0").await?;
    let size: libc::c_int = 8 << 20;
    // SAFETY: the option takes an integer.
    unsafe {
        let (address, length) = (
            (&raw const size).cast(),
            size_of_val(&size) as libc::socklen_t,
        );
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_RCVBUFFORCE,
            address,
            length,
        );
    }
    Ok(socket)
}
