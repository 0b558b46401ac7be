//! Moves a transfer through an endpoint and its socket, until both sides are done.

use std::net::UdpSocket;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};
use kcp_abi::Library;

use crate::endpoint::{Endpoint, WINDOW};
use crate::link::is_harmless;
use crate::transfer::{Report, Transfer};

/// Bytes of the longest message: 255 fragments, and a packet.
const LONGEST: usize = 256 * 1376;

/// How each side learns that the other has finished: a side that has finished keeps acknowledging until the other has too.
#[derive(Default)]
pub struct Finish {
    done: AtomicU32,
    failed: AtomicBool,
}

impl Finish {
    /// One side has finished.
    pub fn done(&self) {
        self.done.fetch_add(1, Ordering::Relaxed);
    }

    /// One side gives up.
    pub fn fail(&self) {
        self.failed.store(true, Ordering::Relaxed);
    }
}

/// One side of a transfer.
pub struct Side {
    /// Connected to the link.
    socket: UdpSocket,
    transfer: Transfer,
    start: Instant,
    limit: Duration,
    /// The peer speaks first: how long a message may be is known once it has told its window.
    pub listens: bool,
}

impl Side {
    pub fn new(socket: UdpSocket, transfer: Transfer, limit: Duration) -> Side {
        Side {
            socket,
            transfer,
            start: Instant::now(),
            limit,
            listens: false,
        }
    }

    /// The socket, for the output of an endpoint.
    pub fn output(&self) -> Result<UdpSocket> {
        Ok(self.socket.try_clone()?)
    }

    /// Waits for the first packet and returns its conversation number. The packet stays in the socket.
    pub fn learn_conv(&self, library: &Library) -> Result<u32> {
        let mut packet = [0; 2048];
        self.socket.set_read_timeout(Some(self.limit))?;
        let length = self.socket.peek(&mut packet)?;
        ensure!(length >= 24, "the first packet has {length} bytes");
        // SAFETY: the packet is longer than what is read.
        Ok(unsafe { (library.functions.getconv)(packet.as_ptr().cast()) })
    }

    /// Transfers everything, and returns when the other side has finished too.
    pub fn run(mut self, mut endpoint: Box<dyn Endpoint>, finish: &Finish) -> Result<Report> {
        let mut done = false;
        loop {
            let turn = self.turn(&mut *endpoint);
            if turn.is_err() || self.start.elapsed() > self.limit {
                finish.fail();
            }
            turn?;
            if finish.failed.load(Ordering::Relaxed) {
                let (to_send, to_receive) = self.transfer.left();
                bail!(
                    "it came to no end within the time limit: {to_send} bytes not sent, {} segments not acknowledged, \
                     {to_receive} bytes not received",
                    endpoint.waiting()
                );
            }
            if !done && self.transfer.complete() && endpoint.waiting() == 0 {
                done = true;
                finish.done();
            }
            if finish.done.load(Ordering::Relaxed) == 2 {
                endpoint.verify()?;
                return Ok(self.transfer.report());
            }
        }
    }

    /// Sends what the window allows, sleeps until there is something to do, and processes what has arrived.
    fn turn(&mut self, endpoint: &mut dyn Endpoint) -> Result<()> {
        while !self.listens
            && endpoint.waiting() < 2 * usize::from(WINDOW)
            && let Some(message) = self.transfer.next_message()
        {
            endpoint.send(message)?;
        }
        let now = self.clock();
        endpoint.update(now)?;
        let sleep = endpoint.check(now).wrapping_sub(now).clamp(1, 10);
        self.socket
            .set_read_timeout(Some(Duration::from_millis(sleep.into())))?;
        let mut buffer = vec![0; LONGEST];
        // Bounded, so that a flood of packets does not delay the clock.
        for _ in 0..64 {
            match self.socket.recv(&mut buffer) {
                Ok(length) => {
                    self.listens = false;
                    endpoint.input(&buffer[..length])?;
                }
                Err(error) if is_harmless(error.kind()) => break,
                Err(error) => return Err(error.into()),
            }
            self.socket.set_nonblocking(true)?;
        }
        self.socket.set_nonblocking(false)?;
        while let Some(length) = endpoint.receive(&mut buffer)? {
            self.transfer.take(&buffer[..length]);
        }
        Ok(())
    }

    /// Milliseconds.
    fn clock(&self) -> u32 {
        self.start.elapsed().as_millis() as u32
    }
}
