//! Implementations of KCP that run in this process, under one trait. They send on a connected socket.

use std::io::{self, Write};
use std::net::UdpSocket;

use anyhow::{Context, Result, bail, ensure};
use kcp_abi::Library;

use crate::link::is_harmless;
use crate::transfer::Mode;

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
    fn check(&self, now: u32) -> u32;
    /// Number of segments that are not yet acknowledged.
    fn waiting(&self) -> usize;
}

struct Ours<O>(kcp_abi::Kcp<O>);

/// A connection of this project's C library.
pub fn ours(
    library: &'static Library,
    conv: u32,
    mode: Mode,
    socket: UdpSocket,
) -> Result<Box<dyn Endpoint>> {
    let output = move |packet: &[u8]| {
        i32::try_from(packet.len()).map_or(-1, |length| {
            // A packet that cannot be sent is lost, as on any link.
            socket.send(packet).map_or(-1, |_| length)
        })
    };
    let mut kcp = kcp_abi::Kcp::new(library, conv, output).context("ikcp_create gave NULL")?;
    kcp.nodelay(1, 10, 2, 1);
    kcp.wndsize(WINDOW.into(), WINDOW.into());
    kcp.stream(mode == Mode::Stream);
    Ok(Box::new(Ours(kcp)))
}

impl<O> Endpoint for Ours<O> {
    fn send(&mut self, message: &[u8]) -> Result<()> {
        let taken = self.0.send(message);
        ensure!(
            usize::try_from(taken).is_ok_and(|taken| taken == message.len()),
            "ikcp_send gave {taken} for {} bytes",
            message.len()
        );
        Ok(())
    }

    fn receive(&mut self, buffer: &mut [u8]) -> Result<Option<usize>> {
        match self.0.recv(buffer) {
            -1 | -2 => Ok(None),
            length => Ok(Some(
                usize::try_from(length).with_context(|| format!("ikcp_recv gave {length}"))?,
            )),
        }
    }

    fn input(&mut self, packet: &[u8]) -> Result<()> {
        match self.0.input(packet) {
            0 => Ok(()),
            error => bail!("ikcp_input gave {error}"),
        }
    }

    fn update(&mut self, now: u32) -> Result<()> {
        self.0.update(now);
        Ok(())
    }

    fn check(&self, now: u32) -> u32 {
        self.0.check(now)
    }

    fn waiting(&self) -> usize {
        usize::try_from(self.0.waitsnd()).unwrap_or(0)
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
        Mode::Message => kcp::Kcp::new(conv, output),
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

    fn check(&self, now: u32) -> u32 {
        now.wrapping_add(self.0.check(now))
    }

    fn waiting(&self) -> usize {
        self.0.wait_snd()
    }
}
