//! ENet in virtual time: Debian's libenet, loaded at run time, over real UDP sockets on the loopback interface, whose datagrams
//! go through the emulated link. [`gettimeofday`] gives it our clock, so a run is reproducible from its seed, like those of KCP.

use std::cell::Cell;
use std::ffi::{c_int, c_void};
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::ptr;
use std::rc::Rc;

use anyhow::{Context, Result, bail, ensure};

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

/// `ENetAddress`: the host in network order, the port in the machine's.
#[repr(C)]
#[derive(Clone, Copy)]
struct Address {
    host: u32,
    port: u16,
}

/// The first fields of `ENetHost`.
#[repr(C)]
struct Host {
    socket: c_int,
    address: Address,
}

/// `ENetPacket`
#[repr(C)]
struct Packet {
    references: usize,
    flags: u32,
    data: *mut u8,
    length: usize,
}

/// `ENetEvent`
#[repr(C)]
struct Event {
    kind: c_int,
    peer: *mut c_void,
    channel: u8,
    data: u32,
    packet: *mut Packet,
}

const EVENT_CONNECT: c_int = 1;
const EVENT_DISCONNECT: c_int = 2;
const EVENT_RECEIVE: c_int = 3;
const FLAG_RELIABLE: u32 = 1;

/// The functions of libenet that are used.
pub struct Enet {
    _library: libloading::Library,
    initialize: unsafe extern "C" fn() -> c_int,
    linked_version: unsafe extern "C" fn() -> u32,
    time_get: unsafe extern "C" fn() -> u32,
    host_create: unsafe extern "C" fn(*const Address, usize, usize, u32, u32) -> *mut Host,
    host_destroy: unsafe extern "C" fn(*mut Host),
    host_connect: unsafe extern "C" fn(*mut Host, *const Address, usize, u32) -> *mut c_void,
    host_service: unsafe extern "C" fn(*mut Host, *mut Event, u32) -> c_int,
    packet_create: unsafe extern "C" fn(*const c_void, usize, u32) -> *mut Packet,
    packet_destroy: unsafe extern "C" fn(*mut Packet),
    peer_send: unsafe extern "C" fn(*mut c_void, u8, *mut Packet) -> c_int,
}

impl Enet {
    /// Loads the library of the distribution.
    pub fn load() -> Result<Rc<Enet>> {
        const NAMES: [&str; 2] = ["libenet.so.7", "libenet.so"];
        // SAFETY: libenet's initialisers do nothing unusual.
        let library = NAMES
            .iter()
            .find_map(|name| unsafe { libloading::Library::new(name) }.ok())
            .context(
                "libenet is not installed (Debian: libenet7, which libenet-dev brings along)",
            )?;
        macro_rules! symbol {
            ($name:literal) => {
                // SAFETY: the field's type is the function's in enet.h of 1.3.
                *unsafe { library.get(concat!($name, "\0").as_bytes()) }
                    .context(concat!("libenet lacks ", $name))?
            };
        }
        let enet = Enet {
            initialize: symbol!("enet_initialize"),
            linked_version: symbol!("enet_linked_version"),
            time_get: symbol!("enet_time_get"),
            host_create: symbol!("enet_host_create"),
            host_destroy: symbol!("enet_host_destroy"),
            host_connect: symbol!("enet_host_connect"),
            host_service: symbol!("enet_host_service"),
            packet_create: symbol!("enet_packet_create"),
            packet_destroy: symbol!("enet_packet_destroy"),
            peer_send: symbol!("enet_peer_send"),
            _library: library,
        };
        // SAFETY: the functions are those of a loaded libenet.
        unsafe {
            ensure!((enet.initialize)() == 0, "enet_initialize failed");
            ensure!(
                (enet.linked_version)() >> 8 == 0x0103,
                "libenet is not of the 1.3 series that these structures describe"
            );
            for millis in [5_000, 123_456] {
                CLOCK.set(Some(millis));
                let told = (enet.time_get)();
                CLOCK.set(None);
                ensure!(
                    u64::from(told) == millis,
                    "libenet does not read this process's clock"
                );
            }
        }
        Ok(Rc::new(enet))
    }

    pub fn version(&self) -> String {
        // SAFETY: a function of a loaded libenet.
        let version = unsafe { (self.linked_version)() };
        format!(
            "{}.{}.{}",
            version >> 16,
            version >> 8 & 0xff,
            version & 0xff
        )
    }
}

/// One end: an ENet host with one peer.
struct End {
    enet: Rc<Enet>,
    host: *mut Host,
    peer: *mut c_void,
    /// The socket between this end and the link, and the address of the end's own socket.
    proxy: UdpSocket,
    address: SocketAddr,
    received: std::collections::VecDeque<Vec<u8>>,
    broken: bool,
}

impl Drop for End {
    fn drop(&mut self) {
        // SAFETY: the host was created by this library and is destroyed once.
        unsafe { (self.enet.host_destroy)(self.host) }
    }
}

impl End {
    fn new(enet: &Rc<Enet>) -> Result<End> {
        let local = Address {
            host: u32::from(Ipv4Addr::LOCALHOST).to_be(),
            port: 0,
        };
        // SAFETY: a valid address; one peer, one channel, no bandwidth limits.
        let host = unsafe { (enet.host_create)(&local, 1, 1, 0, 0) };
        ensure!(!host.is_null(), "enet_host_create failed");
        // SAFETY: the host is alive and its first fields are those of `Host`.
        let port = unsafe { (*host).address.port };
        let proxy = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
        proxy.set_nonblocking(true)?;
        Ok(End {
            enet: Rc::clone(enet),
            host,
            peer: ptr::null_mut(),
            proxy,
            address: (Ipv4Addr::LOCALHOST, port).into(),
            received: Default::default(),
            broken: false,
        })
    }

    fn connect(&mut self) -> Result<()> {
        let SocketAddr::V4(proxy) = self.proxy.local_addr()? else {
            bail!("a loopback socket without IPv4 address");
        };
        let to = Address {
            host: u32::from(*proxy.ip()).to_be(),
            port: proxy.port(),
        };
        // SAFETY: the host is alive and the address valid.
        self.peer = unsafe { (self.enet.host_connect)(self.host, &to, 1, 0) };
        ensure!(!self.peer.is_null(), "enet_host_connect failed");
        Ok(())
    }

    /// Lets ENet work until it has nothing more to do. Returns whether the connection was established meanwhile.
    fn service(&mut self) -> bool {
        let mut connected = false;
        loop {
            let mut event = Event {
                kind: 0,
                peer: ptr::null_mut(),
                channel: 0,
                data: 0,
                packet: ptr::null_mut(),
            };
            // SAFETY: the host is alive and `event` is laid out as ENet's.
            if unsafe { (self.enet.host_service)(self.host, &mut event, 0) } <= 0 {
                return connected;
            }
            match event.kind {
                EVENT_CONNECT => {
                    self.peer = event.peer;
                    connected = true;
                }
                EVENT_DISCONNECT => self.broken = true,
                // SAFETY: a receive event owns a packet of `length` bytes, which is destroyed after it is read.
                EVENT_RECEIVE => unsafe {
                    let packet = &*event.packet;
                    let data = std::slice::from_raw_parts(packet.data, packet.length);
                    self.received.push_back(data.to_vec());
                    (self.enet.packet_destroy)(event.packet);
                },
                _ => {}
            }
        }
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
        // SAFETY: ENet copies the bytes; the peer lives as long as its host; a packet that ENet refuses stays ours.
        unsafe {
            let packet =
                (end.enet.packet_create)(message.as_ptr().cast(), message.len(), FLAG_RELIABLE);
            ensure!(!packet.is_null(), "enet_packet_create failed");
            if (end.enet.peer_send)(end.peer, 0, packet) < 0 {
                (end.enet.packet_destroy)(packet);
                end.broken = true;
            }
        }
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
