//! ENet: Debian's libenet, loaded at run time, no cipher. Each client has a host, and so a socket, of its own; hosts whose socket is
//! readable are served, and all of them every few milliseconds, as ENet has no other way to tell what is due.

use std::cell::Cell;
use std::ffi::{c_int, c_void};
use std::io;
use std::net::SocketAddrV4;
use std::ptr;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use libloading::Library;

use crate::counts;
use crate::work::{Job, Kind};

/// `ENetAddress`: the host in network order, the port in the machine's.
#[repr(C)]
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
    freed: Option<unsafe extern "C" fn(*mut Packet)>,
    user: *mut c_void,
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

const CONNECTED: c_int = 1;
const RECEIVED: c_int = 3;
const RELIABLE: u32 = 1;

/// How often all hosts are served.
const TICK: Duration = Duration::from_millis(5);

struct Enet {
    host_create: unsafe extern "C" fn(*const Address, usize, usize, u32, u32) -> *mut Host,
    host_connect: unsafe extern "C" fn(*mut Host, *const Address, usize, u32) -> *mut c_void,
    host_service: unsafe extern "C" fn(*mut Host, *mut Event, u32) -> c_int,
    host_flush: unsafe extern "C" fn(*mut Host),
    packet_create: unsafe extern "C" fn(*const c_void, usize, u32) -> *mut Packet,
    packet_destroy: unsafe extern "C" fn(*mut Packet),
    peer_send: unsafe extern "C" fn(*mut c_void, u8, *mut Packet) -> c_int,
    _library: Library,
}

fn open() -> Result<Library> {
    // SAFETY: libenet's initialisers do nothing out of the ordinary.
    unsafe { Library::new("libenet.so.7") }.context("libenet7 is missing")
}

pub fn is_there() -> bool {
    open().is_ok()
}

fn load() -> Result<Enet> {
    let library = open()?;
    macro_rules! symbol {
        ($name:literal) => {
            // SAFETY: the field's type is the function's in enet.h of 1.3.
            *unsafe { library.get(concat!($name, "\0").as_bytes()) }?
        };
    }
    let initialize: unsafe extern "C" fn() -> c_int = symbol!("enet_initialize");
    // SAFETY: once, before any other function.
    ensure!(unsafe { initialize() } == 0, "enet_initialize failed");
    Ok(Enet {
        host_create: symbol!("enet_host_create"),
        host_connect: symbol!("enet_host_connect"),
        host_service: symbol!("enet_host_service"),
        host_flush: symbol!("enet_host_flush"),
        packet_create: symbol!("enet_packet_create"),
        packet_destroy: symbol!("enet_packet_destroy"),
        peer_send: symbol!("enet_peer_send"),
        _library: library,
    })
}

/// A packet that was sent in bulk is gone, and another may follow: its user data counts those that are there.
unsafe extern "C" fn freed(packet: *mut Packet) {
    // SAFETY: `user` is a counter that lives as long as the program.
    unsafe {
        let count = &*(*packet).user.cast::<Cell<usize>>();
        count.set(count.get() - 1);
    }
}

/// A connection that sends, and how many of its messages are there.
struct Sender {
    peer: *mut c_void,
    there: &'static Cell<usize>,
}

impl Enet {
    fn send(
        &self,
        peer: *mut c_void,
        message: &[u8],
        there: Option<&'static Cell<usize>>,
    ) -> Result<()> {
        // SAFETY: ENet copies the bytes; the peer lives as long as its host; a packet that is not taken is destroyed here.
        unsafe {
            let packet = (self.packet_create)(message.as_ptr().cast(), message.len(), RELIABLE);
            ensure!(!packet.is_null(), "enet_packet_create failed");
            if let Some(there) = there {
                there.set(there.get() + 1);
                (*packet).user = ptr::from_ref(there).cast_mut().cast();
                (*packet).freed = Some(freed);
            }
            if (self.peer_send)(peer, 0, packet) < 0 {
                (self.packet_destroy)(packet);
            }
        }
        Ok(())
    }

    /// What has happened at a host, packets already counted.
    fn serve(
        &self,
        host: *mut Host,
        mut happened: impl FnMut(c_int, *mut c_void, &[u8]) -> Result<()>,
    ) -> Result<()> {
        loop {
            let mut event = Event {
                kind: 0,
                peer: ptr::null_mut(),
                channel: 0,
                data: 0,
                packet: ptr::null_mut(),
            };
            // SAFETY: a host that is alive, and room for an event.
            if unsafe { (self.host_service)(host, &mut event, 0) } <= 0 {
                return Ok(());
            }
            if event.kind == RECEIVED {
                // SAFETY: the event's packet, which is ours until it is destroyed.
                unsafe {
                    let bytes =
                        std::slice::from_raw_parts((*event.packet).data, (*event.packet).length);
                    counts::took(bytes.len(), 1);
                    happened(event.kind, event.peer, bytes)?;
                    (self.packet_destroy)(event.packet);
                }
            } else {
                happened(event.kind, event.peer, &[])?;
            }
        }
    }

    fn host(&self, bind: Option<Address>, peers: usize) -> Result<*mut Host> {
        let at = bind.as_ref().map_or(ptr::null(), ptr::from_ref);
        // SAFETY: an address or none; one channel, no bandwidth limits.
        let host = unsafe { (self.host_create)(at, peers, 1, 0, 0) };
        ensure!(!host.is_null(), "enet_host_create failed");
        Ok(host)
    }

    /// Keeps as much waiting as the window of the others, twice.
    fn pump(&self, senders: &[Sender], message: &[u8], window: u32) -> Result<()> {
        let most = (2 * window as usize * 1400 / message.len()).max(1);
        for sender in senders {
            while sender.there.get() < most {
                self.send(sender.peer, message, Some(sender.there))?;
            }
        }
        Ok(())
    }
}

fn counter() -> &'static Cell<usize> {
    Box::leak(Box::new(Cell::new(0)))
}

pub fn run(job: &Job) -> Result<()> {
    counts::answer();
    let enet = load()?;
    if job.is_server {
        serve(&enet, job)
    } else {
        visit(&enet, job)
    }
}

fn serve(enet: &Enet, job: &Job) -> Result<()> {
    let any = Address { host: 0, port: 0 };
    let host = enet.host(Some(any), job.connections)?;
    // SAFETY: the host is alive and its first fields are those of `Host`.
    let (port, socket) = unsafe { ((*host).address.port, (*host).socket) };
    println!("address {port}");
    let (mut senders, message) = (Vec::new(), vec![7; job.size]);
    let mut sockets = [readable(socket)];
    loop {
        // Its own wait ends with an event, and an acknowledgement is none.
        wait(&mut sockets, 5)?;
        enet.serve(host, |kind, peer, bytes| {
            if kind == CONNECTED && job.kind == Kind::Down {
                senders.push(Sender {
                    peer,
                    there: counter(),
                });
            }
            if kind == RECEIVED && job.kind == Kind::Echo {
                enet.send(peer, bytes, None)?;
            }
            Ok(())
        })?;
        if !senders.is_empty() {
            enet.pump(&senders, &message, job.window)?;
            // SAFETY: a host that is alive.
            unsafe { (enet.host_flush)(host) };
        }
    }
}

fn readable(fd: c_int) -> libc::pollfd {
    libc::pollfd {
        fd,
        events: libc::POLLIN,
        revents: 0,
    }
}

fn wait(sockets: &mut [libc::pollfd], millis: c_int) -> Result<()> {
    // SAFETY: an array of as many elements as are told.
    if unsafe { libc::poll(sockets.as_mut_ptr(), sockets.len() as _, millis) } < 0 {
        bail!(io::Error::last_os_error());
    }
    Ok(())
}

fn visit(enet: &Enet, job: &Job) -> Result<()> {
    let to: SocketAddrV4 = job.address.parse()?;
    let to = Address {
        host: u32::from(*to.ip()).to_be(),
        port: to.port(),
    };
    let (mut hosts, mut sockets, mut senders) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..job.connections {
        let host = enet.host(None, 1)?;
        // SAFETY: the host is alive and the address valid.
        let peer = unsafe { (enet.host_connect)(host, &to, 1, 0) };
        ensure!(!peer.is_null(), "enet_host_connect failed");
        // SAFETY: as above.
        let socket = unsafe { (*host).socket };
        sockets.push(readable(socket));
        hosts.push(host);
        senders.push(Sender {
            peer,
            there: counter(),
        });
    }
    let (mut ready, mut served, begun) = (0, Instant::now(), Instant::now());
    let period = Duration::from_millis(job.period);
    let mut next: Vec<Instant> = (0..job.connections)
        .map(|number| begun + period * number as u32 / job.connections as u32)
        .collect();
    let message = vec![7; job.size];
    loop {
        wait(&mut sockets, 1)?;
        let all = served.elapsed() >= TICK;
        if all {
            served = Instant::now();
        }
        for (number, host) in hosts.iter().enumerate() {
            let mut is_due = all || sockets[number].revents != 0;
            if ready == hosts.len() && job.kind == Kind::Echo && served >= next[number] {
                next[number] = served + period;
                enet.send(senders[number].peer, &message, None)?;
                is_due = true;
            }
            if !is_due {
                continue;
            }
            enet.serve(*host, |kind, _, _| {
                if kind == CONNECTED {
                    ready += 1;
                    if ready == job.connections {
                        println!("ready");
                    }
                }
                Ok(())
            })?;
            if ready == hosts.len() && job.kind == Kind::Up {
                enet.pump(&senders[number..=number], &message, job.window)?;
                // SAFETY: a host that is alive.
                unsafe { (enet.host_flush)(*host) };
            }
        }
    }
}
