//! ENet: Debian's libenet of the 1.3 series, loaded at run time.

use std::cell::Cell;
use std::ffi::{c_int, c_void};
use std::net::{Ipv4Addr, SocketAddrV4};
use std::ptr;
use std::rc::Rc;
use std::slice;

use anyhow::{Context, Result, ensure};
use libloading::Library;

/// `ENetAddress`: the host in network order, the port in the machine's.
#[repr(C)]
struct Address {
    host: u32,
    port: u16,
}

impl From<SocketAddrV4> for Address {
    fn from(address: SocketAddrV4) -> Address {
        Address {
            host: u32::from(*address.ip()).to_be(),
            port: address.port(),
        }
    }
}

/// The first fields of `ENetHost`.
#[repr(C)]
struct HostHead {
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
struct RawEvent {
    kind: c_int,
    peer: *mut c_void,
    channel: u8,
    data: u32,
    packet: *mut Packet,
}

const CONNECT: c_int = 1;
const DISCONNECT: c_int = 2;
const RECEIVE: c_int = 3;
const RELIABLE: u32 = 1;

/// The functions of libenet that are used.
pub struct Enet {
    linked_version: unsafe extern "C" fn() -> u32,
    time_get: unsafe extern "C" fn() -> u32,
    host_create: unsafe extern "C" fn(*const Address, usize, usize, u32, u32) -> *mut HostHead,
    host_destroy: unsafe extern "C" fn(*mut HostHead),
    host_connect: unsafe extern "C" fn(*mut HostHead, *const Address, usize, u32) -> *mut c_void,
    host_service: unsafe extern "C" fn(*mut HostHead, *mut RawEvent, u32) -> c_int,
    host_flush: unsafe extern "C" fn(*mut HostHead),
    packet_create: unsafe extern "C" fn(*const c_void, usize, u32) -> *mut Packet,
    packet_destroy: unsafe extern "C" fn(*mut Packet),
    peer_send: unsafe extern "C" fn(*mut c_void, u8, *mut Packet) -> c_int,
    _library: Library,
}

impl Enet {
    /// Loads the library of the distribution.
    pub fn load() -> Result<Rc<Enet>> {
        const NAMES: [&str; 2] = ["libenet.so.7", "libenet.so"];
        // SAFETY: libenet's initialisers do nothing unusual.
        let library = NAMES
            .iter()
            .find_map(|name| unsafe { Library::new(name) }.ok())
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
        let initialize: unsafe extern "C" fn() -> c_int = symbol!("enet_initialize");
        let enet = Enet {
            linked_version: symbol!("enet_linked_version"),
            time_get: symbol!("enet_time_get"),
            host_create: symbol!("enet_host_create"),
            host_destroy: symbol!("enet_host_destroy"),
            host_connect: symbol!("enet_host_connect"),
            host_service: symbol!("enet_host_service"),
            host_flush: symbol!("enet_host_flush"),
            packet_create: symbol!("enet_packet_create"),
            packet_destroy: symbol!("enet_packet_destroy"),
            peer_send: symbol!("enet_peer_send"),
            _library: library,
        };
        // SAFETY: functions of a loaded libenet.
        unsafe {
            ensure!(initialize() == 0, "enet_initialize failed");
            ensure!(
                (enet.linked_version)() >> 8 == 0x0103,
                "libenet is not of the 1.3 series that these structures describe"
            );
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

    /// The time that ENet goes by, ms.
    pub fn time(&self) -> u32 {
        // SAFETY: a function of a loaded libenet.
        unsafe { (self.time_get)() }
    }
}

/// The other end of a connection of a [`Host`], and good as long as the host lives.
#[derive(Clone, Copy)]
pub struct Peer(*mut c_void);

pub enum Event<'a> {
    Connected(Peer),
    Disconnected,
    Received(Peer, &'a [u8]),
}

/// A socket and its connections, of one channel each and without limits of bandwidth.
pub struct Host {
    enet: Rc<Enet>,
    at: *mut HostHead,
}

impl Drop for Host {
    fn drop(&mut self) {
        // SAFETY: this library created the host, and it is destroyed once.
        unsafe { (self.enet.host_destroy)(self.at) }
    }
}

/// A packet that was counted is gone.
unsafe extern "C" fn uncount(packet: *mut Packet) {
    // SAFETY: `send` has set `user` to a counter that lives as long as the program.
    let count = unsafe { &*(*packet).user.cast::<Cell<usize>>() };
    count.set(count.get() - 1);
}

impl Host {
    /// A host for so many `peers`, bound to an address where others are to find it.
    pub fn new(enet: &Rc<Enet>, bind: Option<Ipv4Addr>, peers: usize) -> Result<Host> {
        let bind = bind.map(|ip| Address::from(SocketAddrV4::new(ip, 0)));
        let address = bind.as_ref().map_or(ptr::null(), ptr::from_ref);
        // SAFETY: a valid address, or none.
        let at = unsafe { (enet.host_create)(address, peers, 1, 0, 0) };
        ensure!(!at.is_null(), "enet_host_create failed");
        let enet = Rc::clone(enet);
        Ok(Host { enet, at })
    }

    pub fn port(&self) -> u16 {
        // SAFETY: the host is alive and its first fields are those of `HostHead`.
        unsafe { (*self.at).address.port }
    }

    pub fn socket(&self) -> c_int {
        // SAFETY: as above.
        unsafe { (*self.at).socket }
    }

    pub fn connect(&self, to: SocketAddrV4) -> Result<Peer> {
        // SAFETY: the host is alive and the address valid.
        let peer = unsafe { (self.enet.host_connect)(self.at, &Address::from(to), 1, 0) };
        ensure!(!peer.is_null(), "enet_host_connect failed");
        Ok(Peer(peer))
    }

    /// Sends a reliable message; false if ENet refuses it. `there` counts the messages that ENet still holds.
    pub fn send(
        &self,
        peer: Peer,
        message: &[u8],
        there: Option<&'static Cell<usize>>,
    ) -> Result<bool> {
        // SAFETY: ENet copies the bytes; the peer lives as long as its host; a packet that ENet refuses stays ours.
        unsafe {
            let packet =
                (self.enet.packet_create)(message.as_ptr().cast(), message.len(), RELIABLE);
            ensure!(!packet.is_null(), "enet_packet_create failed");
            if let Some(there) = there {
                there.set(there.get() + 1);
                (*packet).user = ptr::from_ref(there).cast_mut().cast();
                (*packet).freed = Some(uncount);
            }
            let taken = (self.enet.peer_send)(peer.0, 0, packet) >= 0;
            if !taken {
                (self.enet.packet_destroy)(packet);
            }
            Ok(taken)
        }
    }

    /// Lets ENet work until it has nothing more to do, and tells what happened.
    pub fn serve<E>(&self, mut happened: impl FnMut(Event<'_>) -> Result<(), E>) -> Result<(), E> {
        loop {
            let mut event = RawEvent {
                kind: 0,
                peer: ptr::null_mut(),
                channel: 0,
                data: 0,
                packet: ptr::null_mut(),
            };
            // SAFETY: the host is alive and `event` is laid out as ENet's.
            if unsafe { (self.enet.host_service)(self.at, &mut event, 0) } <= 0 {
                return Ok(());
            }
            let peer = Peer(event.peer);
            match event.kind {
                CONNECT => happened(Event::Connected(peer))?,
                DISCONNECT => happened(Event::Disconnected)?,
                // SAFETY: a receive event owns a packet of `length` bytes, which is destroyed after it is read.
                RECEIVE => unsafe {
                    let bytes = slice::from_raw_parts((*event.packet).data, (*event.packet).length);
                    let told = happened(Event::Received(peer, bytes));
                    (self.enet.packet_destroy)(event.packet);
                    told?;
                },
                _ => {}
            }
        }
    }

    /// Sends what waits.
    pub fn flush(&self) {
        // SAFETY: the host is alive.
        unsafe { (self.enet.host_flush)(self.at) }
    }
}
