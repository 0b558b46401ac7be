//! A state machine without a socket, of either crate.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ikcp_connection::{Config, Connection};
use tokio::net::UdpSocket;

/// Segments in each window.
pub const WINDOW: u16 = 256;

/// Where packets go. A packet that the socket does not take at once is lost.
#[derive(Clone)]
pub struct Wire {
    pub socket: Arc<UdpSocket>,
    pub to: SocketAddr,
}

impl Wire {
    fn send(&self, packet: &[u8]) {
        _ = self.socket.try_send_to(packet, self.to);
    }
}

pub trait Engine: Send + 'static {
    fn new(conversation: u32, wire: Wire, now: Instant) -> Self;
    fn send(&mut self, message: &[u8]);
    fn recv(&mut self, buffer: &mut [u8]) -> Option<usize>;
    fn input(&mut self, packet: &[u8], now: Instant);
    fn flush(&mut self, now: Instant);
    fn next(&mut self, now: Instant) -> Option<Instant>;
}

pub struct Ours {
    connection: Connection,
    wire: Wire,
}

impl Engine for Ours {
    fn new(conversation: u32, wire: Wire, now: Instant) -> Ours {
        let config = Config {
            send_window: WINDOW,
            receive_window: WINDOW,
            ..Config::fast()
        };
        let connection =
            Connection::new(conversation, &config, now).expect("the settings are good");
        Ours { connection, wire }
    }

    fn send(&mut self, message: &[u8]) {
        self.connection.send(message).expect("it is not too long");
    }

    fn recv(&mut self, buffer: &mut [u8]) -> Option<usize> {
        self.connection
            .recv_into(buffer)
            .expect("the buffer is large enough")
    }

    fn input(&mut self, packet: &[u8], now: Instant) {
        self.connection.input(packet, now).expect("a good packet");
    }

    fn flush(&mut self, now: Instant) {
        self.connection
            .flush_with(now, |packet| self.wire.send(packet));
    }

    fn next(&mut self, _: Instant) -> Option<Instant> {
        self.connection.next_timeout()
    }
}

impl Write for Wire {
    fn write(&mut self, packet: &[u8]) -> io::Result<usize> {
        self.send(packet);
        Ok(packet.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

pub struct CrateKcp {
    kcp: kcp::Kcp<Wire>,
    origin: Instant,
    /// When `update` is due.
    due: Instant,
}

impl CrateKcp {
    fn clock(&self, now: Instant) -> u32 {
        (now - self.origin).as_millis() as u32
    }
}

impl Engine for CrateKcp {
    fn new(conversation: u32, wire: Wire, now: Instant) -> CrateKcp {
        let mut kcp = kcp::Kcp::new(conversation, wire);
        kcp.set_nodelay(true, 10, 2, true);
        kcp.set_wndsize(WINDOW, WINDOW);
        kcp.set_mtu(1400).expect("a good size");
        kcp.update(0).expect("it only takes the time");
        CrateKcp {
            kcp,
            origin: now,
            due: now,
        }
    }

    fn send(&mut self, message: &[u8]) {
        self.kcp.send(message).expect("it is not too long");
    }

    fn recv(&mut self, buffer: &mut [u8]) -> Option<usize> {
        self.kcp.recv(buffer).ok()
    }

    fn input(&mut self, packet: &[u8], _: Instant) {
        self.kcp.input(packet).expect("a good packet");
    }

    fn flush(&mut self, now: Instant) {
        if now >= self.due {
            self.kcp.update(self.clock(now)).expect("an update");
        }
        self.kcp.flush().expect("a flush");
    }

    fn next(&mut self, now: Instant) -> Option<Instant> {
        let wait = self.kcp.check(self.clock(now)).max(1);
        self.due = now + Duration::from_millis(wait.into());
        Some(self.due)
    }
}
