//! Implementations of KCP that run in this process, under one trait. They send on a connected socket.

use std::cell::Cell;
use std::io::{self, Write};
use std::net::UdpSocket;
use std::rc::Rc;

use anyhow::{Context, Result, bail, ensure};
use kcp_abi::extensions::Counters;
use kcp_abi::{Expiry, Library};

use crate::link::is_harmless;
use crate::transfer::{Mode, STUB, expiring};

/// Windows of both sides, segments. Each message fits.
pub const WINDOW: u16 = 256;

/// One side of a connection.
pub trait Endpoint {
    fn send(&mut self, message: &[u8]) -> Result<()>;
    /// Receives the next message to the start of `buffer` and returns its length.
    fn receive(&mut self, buffer: &mut [u8]) -> Result<Option<usize>>;
    fn input(&mut self, packet: &[u8]) -> Result<()>;
    /// Flushes if it is time.
    fn update(&mut self, now: u32) -> Result<()>;
    /// When the next update is due.
    fn check(&mut self, now: u32) -> u32;
    /// Fails if it has counted its packets wrong.
    fn verify(&mut self) -> Result<()> {
        Ok(())
    }
    /// Number of segments that are not yet acknowledged.
    fn waiting(&self) -> usize;
}

struct Ours<O> {
    kcp: kcp_abi::Kcp<O>,
    /// In [`Mode::Extended`]: for messages that expire, and how many were sent.
    expiry: Option<(Expiry, u32)>,
    /// When it was last told that the path has changed.
    path_changed: u32,
    /// Packets and their bytes.
    sent: Rc<Cell<(u64, u64)>>,
    received: (u64, u64),
}

/// After so many ms the path changes, as ours is told.
const PATH_LASTS: u32 = 700;

/// What messages of ours that expire have to live, ms.
const LIFETIME: i32 = 20;

/// A connection of this project's C library.
pub fn ours(
    library: &'static Library,
    conv: u32,
    mode: Mode,
    socket: UdpSocket,
) -> Result<Box<dyn Endpoint>> {
    let sent = Rc::new(Cell::new((0, 0)));
    let count = Rc::clone(&sent);
    let output = move |packet: &[u8]| {
        let (packets, bytes) = count.get();
        count.set((packets + 1, bytes + packet.len() as u64));
        i32::try_from(packet.len()).map_or(-1, |length| {
            // A packet that cannot be sent is lost, as on any link.
            socket.send(packet).map_or(-1, |_| length)
        })
    };
    let mut kcp = kcp_abi::Kcp::new(library, conv, output).context("ikcp_create gave NULL")?;
    kcp.nodelay(1, 10, 2, 1);
    kcp.wndsize(WINDOW.into(), WINDOW.into());
    kcp.stream(mode == Mode::Stream);
    let mut expiry = None;
    if mode == Mode::Extended {
        // Few in flight, so that there is redundancy.
        kcp.wndsize(48, WINDOW.into());
        for (name, value) in [
            ("ikcpx_redundancy", 100),
            ("ikcpx_large_messages", 1),
            ("ikcpx_backoff_limit", 500),
        ] {
            let setting = library.setting(name);
            let setting = setting.with_context(|| format!("the library has no {name}"))?;
            ensure!(kcp.set(setting, value) == 0, "{name} refuses");
        }
        let functions = library.expiry();
        let functions = functions.context("the library has no ikcpx_send_until")?;
        ensure!(kcp.stub(functions, STUB) == 0, "ikcpx_stub refuses");
        expiry = Some((functions, 0));
        kcp.begin_to_count();
    }
    Ok(Box::new(Ours {
        kcp,
        expiry,
        path_changed: 0,
        sent,
        received: (0, 0),
    }))
}

impl<O> Endpoint for Ours<O> {
    fn send(&mut self, message: &[u8]) -> Result<()> {
        if let Some((functions, number)) = &mut self.expiry {
            for _ in 0..4 {
                let message = expiring(*number);
                let taken = self.kcp.send_until(*functions, &message, LIFETIME);
                ensure!(taken >= 0, "ikcpx_send_until gave {taken}");
                *number += 1;
            }
        }
        let taken = self.kcp.send(message);
        ensure!(
            usize::try_from(taken).is_ok_and(|taken| taken == message.len()),
            "ikcp_send gave {taken} for {} bytes",
            message.len()
        );
        Ok(())
    }

    fn receive(&mut self, buffer: &mut [u8]) -> Result<Option<usize>> {
        match self.kcp.recv(buffer) {
            -1 | -2 => Ok(None),
            length => Ok(Some(
                usize::try_from(length).with_context(|| format!("ikcp_recv gave {length}"))?,
            )),
        }
    }

    fn input(&mut self, packet: &[u8]) -> Result<()> {
        self.received = (self.received.0 + 1, self.received.1 + packet.len() as u64);
        match self.kcp.input(packet) {
            0 => Ok(()),
            error => bail!("ikcp_input gave {error}"),
        }
    }

    fn update(&mut self, now: u32) -> Result<()> {
        if self.expiry.is_none() {
            self.kcp.update(now);
            return Ok(());
        }
        self.kcp
            .update_due(now)
            .context("the library has no ikcpx_update")?;
        if now.wrapping_sub(self.path_changed) >= PATH_LASTS {
            self.path_changed = now;
            self.kcp.path_changed();
        }
        Ok(())
    }

    fn check(&mut self, now: u32) -> u32 {
        match self.expiry {
            Some(_) => self.kcp.next(now).unwrap_or(now),
            None => self.kcp.check(now),
        }
    }

    fn verify(&mut self) -> Result<()> {
        if self.expiry.is_none() {
            return Ok(());
        }
        let counted = self.kcp.counters();
        let seen = Counters {
            time: counted.time,
            packets_sent: self.sent.get().0,
            bytes_sent: self.sent.get().1,
            packets_received: self.received.0,
            bytes_received: self.received.1,
            packets_refused: 0,
        };
        ensure!(counted == seen, "ikcpx_stats has {counted:?}, not {seen:?}");
        Ok(())
    }

    fn waiting(&self) -> usize {
        usize::try_from(self.kcp.waitsnd()).unwrap_or(0)
    }
}

/// Each write is one packet.
struct Datagrams(UdpSocket);

impl Write for Datagrams {
    fn write(&mut self, packet: &[u8]) -> io::Result<usize> {
        match self.0.send(packet) {
            Err(error) if is_harmless(error.kind()) => Ok(packet.len()),
            sent => sent,
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

struct Crate(kcp::Kcp<Datagrams>);

/// A connection of the crate `kcp`.
pub fn of_crate(conv: u32, mode: Mode, socket: UdpSocket) -> Result<Box<dyn Endpoint>> {
    let output = Datagrams(socket);
    let mut kcp = match mode {
        Mode::Message | Mode::Extended => kcp::Kcp::new(conv, output),
        Mode::Stream => kcp::Kcp::new_stream(conv, output),
    };
    kcp.set_nodelay(true, 10, 2, true);
    kcp.set_wndsize(WINDOW, WINDOW);
    Ok(Box::new(Crate(kcp)))
}

impl Endpoint for Crate {
    fn send(&mut self, message: &[u8]) -> Result<()> {
        let taken = self.0.send(message)?;
        ensure!(taken == message.len(), "took {taken} of {}", message.len());
        Ok(())
    }

    fn receive(&mut self, buffer: &mut [u8]) -> Result<Option<usize>> {
        match self.0.recv(buffer) {
            Ok(length) => Ok(Some(length)),
            Err(kcp::Error::RecvQueueEmpty | kcp::Error::ExpectingFragment) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    fn input(&mut self, packet: &[u8]) -> Result<()> {
        self.0.input(packet)?;
        Ok(())
    }

    fn update(&mut self, now: u32) -> Result<()> {
        Ok(self.0.update(now)?)
    }

    fn check(&mut self, now: u32) -> u32 {
        now.wrapping_add(self.0.check(now))
    }

    fn waiting(&self) -> usize {
        self.0.wait_snd()
    }
}
