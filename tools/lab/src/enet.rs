//! ENet in virtual time: Debian's libenet, loaded at run time, over real UDP sockets on the loopback interface, whose datagrams
//! go through the emulated link. [`gettimeofday`] gives it our clock, so a run is reproducible from its seed, like those of KCP.

use std::cell::Cell;
use std::collections::VecDeque;
use std::convert::Infallible;
use std::ffi::{c_int, c_void};
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::rc::Rc;

use anyhow::{Context, Result, bail, ensure};
use kcp_peers::enet::{Enet, Event, Host, Peer};

use crate::link::{Config, Count, Link, Micros, Pipe, UDP_IP_HEADERS};
use crate::session::{CLIENT, Pair, SERVER, TICK};

thread_local! {
    /// The time that this thread tells ENet, in milliseconds; `None` is the machine's time.
    static CLOCK: Cell<Option<u64>> = const { Cell::new(None) };
}

/// Replaces the C library's function of this name in this process. ENet uses no other clock, so its time is virtual; on threads
/// without ENet this returns the machine's time.
///
/// # Safety
/// `time` is null or points to a `timeval`, as the C library requires.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn gettimeofday(time: *mut libc::timeval, _zone: *mut c_void) -> c_int {
    let mut now = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    match CLOCK.get() {
        Some(millis) => {
            now.tv_sec = (millis / 1000) as i64;
            now.tv_nsec = (millis % 1000 * 1_000_000) as i64;
        }
        // SAFETY: `now` is a valid place for the answer.
        None => unsafe {
            libc::clock_gettime(libc::CLOCK_REALTIME, &raw mut now);
        },
    }
    if !time.is_null() {
        // SAFETY: the caller passed a valid `timeval`.
        unsafe {
            (*time).tv_sec = now.tv_sec;
            (*time).tv_usec = now.tv_nsec / 1000;
        }
    }
    0
}

/// ENet uses the time 0 for "not set", so its virtual time starts much later.
const EPOCH_MILLIS: u64 = 1_000_000;

fn set_clock(now: Micros) {
    CLOCK.set(Some(EPOCH_MILLIS + now / 1000));
}

/// Loads ENet, and sees to it that it goes by this process's clock.
pub fn load() -> Result<Rc<Enet>> {
    let enet = Enet::load()?;
    for millis in [5_000, 123_456] {
        CLOCK.set(Some(millis));
        let told = enet.time();
        CLOCK.set(None);
        ensure!(
            u64::from(told) == millis,
            "libenet does not read this process's clock"
        );
    }
    Ok(enet)
}

/// One end: an ENet host with one peer.
struct End {
    host: Host,
    peer: Option<Peer>,
    /// The socket between this end and the link, and the address of the end's own socket.
    proxy: UdpSocket,
    address: SocketAddr,
    received: VecDeque<Vec<u8>>,
    broken: bool,
}

impl End {
    fn new(enet: &Rc<Enet>) -> Result<End> {
        let host = Host::new(enet, Some(Ipv4Addr::LOCALHOST), 1)?;
        let proxy = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
        proxy.set_nonblocking(true)?;
        Ok(End {
            address: (Ipv4Addr::LOCALHOST, host.port()).into(),
            host,
            peer: None,
            proxy,
            received: VecDeque::new(),
            broken: false,
        })
    }

    fn connect(&mut self) -> Result<()> {
        let SocketAddr::V4(proxy) = self.proxy.local_addr()? else {
            bail!("a loopback socket without IPv4 address");
        };
        self.peer = Some(self.host.connect(proxy)?);
        Ok(())
    }

    /// Lets ENet work until it has nothing more to do. Returns whether the connection was established meanwhile.
    fn service(&mut self) -> bool {
        let mut connected = false;
        let Ok(()) = self.host.serve::<Infallible>(|event| {
            match event {
                Event::Connected(peer) => {
                    self.peer = Some(peer);
                    connected = true;
                }
                Event::Disconnected => self.broken = true,
                Event::Received(_, data) => self.received.push_back(data.to_vec()),
            }
            Ok(())
        });
        connected
    }
}

/// Two ENet hosts with the emulated link between them.
pub struct EnetPair {
    ends: [End; 2],
    pipes: [Pipe; 2],
}

impl EnetPair {
    /// Connects, and returns the pair and the time at which both ends were connected.
    pub fn connect(
        enet: &Rc<Enet>,
        link: Config,
        seed: u64,
        stream: u64,
    ) -> Result<(EnetPair, Micros)> {
        let mut pair = EnetPair {
            ends: [End::new(enet)?, End::new(enet)?],
            pipes: [0, 1].map(|direction| Pipe::new(Link::new(link, seed, 2 * stream + direction))),
        };
        set_clock(0);
        pair.ends[CLIENT].connect()?;
        let mut connected = [false; 2];
        for now in (0..60_000_000).step_by(TICK as usize) {
            set_clock(now);
            for (side, connected) in connected.iter_mut().enumerate() {
                *connected |= pair.serve(side, now);
            }
            pair.forward(now);
            let underway = pair.pipes.iter().any(|pipe| pipe.next_arrival().is_some());
            if connected == [true; 2] && !underway {
                pair.pipes = [0, 1]
                    .map(|direction| Pipe::new(Link::new(link, seed, 2 * stream + direction)));
                return Ok((pair, now + TICK));
            }
        }
        bail!("ENet did not connect within a minute")
    }

    fn serve(&mut self, side: usize, now: Micros) -> bool {
        let connected = self.ends[side].service();
        self.take(side, now);
        connected
    }

    /// Moves an end's datagrams into the link. On the loopback interface a datagram has arrived when the sender's call returns.
    fn take(&mut self, side: usize, now: Micros) {
        let mut datagram = [0; 65_536];
        while let Ok((length, from)) = self.ends[side].proxy.recv_from(&mut datagram) {
            if from == self.ends[side].address {
                let datagram = datagram[..length].to_vec();
                self.pipes[side].push(now, datagram, length + UDP_IP_HEADERS);
            }
        }
    }

    fn forward(&mut self, now: Micros) {
        for side in [SERVER, CLIENT] {
            while let Some(datagram) = self.pipes[1 - side].pop(now) {
                let end = &self.ends[side];
                // A full socket buffer would lose it, as on any UDP path; the session never comes near that.
                let _ = end.proxy.send_to(&datagram, end.address);
            }
        }
    }
}

impl Drop for EnetPair {
    fn drop(&mut self) {
        CLOCK.set(None);
    }
}

impl Pair for EnetPair {
    fn update(&mut self, now: Micros) {
        set_clock(now);
        self.serve(CLIENT, now);
        self.serve(SERVER, now);
    }

    fn send(&mut self, side: usize, now: Micros, message: &[u8]) -> Result<()> {
        let end = &mut self.ends[side];
        let peer = end.peer.context("ENet is not connected")?;
        end.broken |= !end.host.send(peer, message, None)?;
        self.serve(side, now);
        Ok(())
    }

    fn deliver(&mut self, now: Micros) {
        self.forward(now);
        self.serve(SERVER, now);
        self.serve(CLIENT, now);
    }

    fn receive(&mut self, side: usize, buffer: &mut [u8]) -> Option<usize> {
        let message = self.ends[side].received.pop_front()?;
        buffer[..message.len()].copy_from_slice(&message);
        Some(message.len())
    }

    fn wire(&self) -> [Count; 2] {
        [self.pipes[0].count(), self.pipes[1].count()]
    }

    fn broken(&self) -> Option<&'static str> {
        self.ends
            .iter()
            .any(|end| end.broken)
            .then_some("ENet gave the connection up")
    }
}
