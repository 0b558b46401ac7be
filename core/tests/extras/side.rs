//! One end of a connection, driven through the C functions of its library, which need not be this crate.

use std::ffi::{c_char, c_int, c_long, c_void};
use std::sync::OnceLock;

use crate::common::foreign::Library;
use crate::common::object::{self, Outbox, output};
use ikcp_core::{Datagram, IKCPCB, IKCPX_STATS, Kcp, Sink, Source};

type Output = unsafe extern "C" fn(*const c_char, c_int, *mut IKCPCB, *mut c_void) -> c_int;

macro_rules! functions {
    ($($name:ident: fn($($type:ty),*) -> $result:ty = $ours:expr;)+) => {
        /// The functions of a library.
        pub struct Functions {
            $($name: unsafe extern "C" fn($($type),*) -> $result,)+
        }

        impl Functions {
            fn ours() -> Functions {
                Functions { $($name: $ours,)+ }
            }

            /// The library at `path`.
            fn of(path: &str) -> Functions {
                let library = Library::open(path);
                let find = |name: &str| {
                    let found = library.find(name);
                    assert!(!found.is_null(), "{name:?} is missing");
                    found
                };
                // SAFETY: the library is what the caller of the test says, and its functions have these types.
                unsafe {
                    Functions {
                        $($name: std::mem::transmute::<*mut c_void, unsafe extern "C" fn($($type),*) -> $result>(
                            find(stringify!($name)),
                        ),)+
                    }
                }
            }
        }
    };
}

/// A handle on an object of ours.
pub fn of<'a>(kcp: *mut IKCPCB) -> Kcp<'a> {
    // SAFETY: `Side` keeps its object until it is dropped.
    unsafe { Kcp::from_ptr(kcp) }.expect("an object")
}

unsafe extern "C" fn create(conv: u32, user: *mut c_void) -> *mut IKCPCB {
    Kcp::create(conv, user)
}
unsafe extern "C" fn release(kcp: *mut IKCPCB) {
    of(kcp).release();
}
unsafe extern "C" fn setoutput(kcp: *mut IKCPCB, output: Option<Output>) {
    of(kcp).set_output(output);
}
unsafe extern "C" fn recv(kcp: *mut IKCPCB, buffer: *mut c_char, len: c_int) -> c_int {
    // SAFETY: the caller's promise.
    of(kcp).recv(unsafe { Sink::new(buffer) }, len)
}
unsafe extern "C" fn send(kcp: *mut IKCPCB, buffer: *const c_char, len: c_int) -> c_int {
    // SAFETY: the caller's promise.
    of(kcp).send(unsafe { Source::new(buffer) }, len)
}
unsafe extern "C" fn update(kcp: *mut IKCPCB, current: u32) {
    of(kcp).update(current);
}
unsafe extern "C" fn input(kcp: *mut IKCPCB, data: *const c_char, size: c_long) -> c_int {
    // SAFETY: the caller's promise.
    of(kcp).input(unsafe { Datagram::new(data, size) })
}
unsafe extern "C" fn peeksize(kcp: *mut IKCPCB) -> c_int {
    of(kcp).peeksize()
}
unsafe extern "C" fn setmtu(kcp: *mut IKCPCB, mtu: c_int) -> c_int {
    of(kcp).setmtu(mtu)
}
unsafe extern "C" fn wndsize(kcp: *mut IKCPCB, snd: c_int, rcv: c_int) -> c_int {
    of(kcp).wndsize(snd, rcv)
}
unsafe extern "C" fn nodelay(kcp: *mut IKCPCB, a: c_int, b: c_int, c: c_int, d: c_int) -> c_int {
    of(kcp).nodelay(a, b, c, d)
}

functions! {
    ikcp_create: fn(u32, *mut c_void) -> *mut IKCPCB = create;
    ikcp_release: fn(*mut IKCPCB) -> () = release;
    ikcp_setoutput: fn(*mut IKCPCB, Option<Output>) -> () = setoutput;
    ikcp_recv: fn(*mut IKCPCB, *mut c_char, c_int) -> c_int = recv;
    ikcp_send: fn(*mut IKCPCB, *const c_char, c_int) -> c_int = send;
    ikcp_update: fn(*mut IKCPCB, u32) -> () = update;
    ikcp_input: fn(*mut IKCPCB, *const c_char, c_long) -> c_int = input;
    ikcp_peeksize: fn(*mut IKCPCB) -> c_int = peeksize;
    ikcp_setmtu: fn(*mut IKCPCB, c_int) -> c_int = setmtu;
    ikcp_wndsize: fn(*mut IKCPCB, c_int, c_int) -> c_int = wndsize;
    ikcp_nodelay: fn(*mut IKCPCB, c_int, c_int, c_int, c_int) -> c_int = nodelay;
}

pub fn ours() -> &'static Functions {
    static OURS: OnceLock<Functions> = OnceLock::new();
    OURS.get_or_init(Functions::ours)
}

pub fn peer() -> &'static Functions {
    static PEER: OnceLock<Functions> = OnceLock::new();
    PEER.get_or_init(|| match std::env::var("IKCP_PEER") {
        Ok(path) => Functions::of(&path),
        Err(_) => Functions::ours(),
    })
}

/// One end, driven through the functions of its library.
pub struct Side {
    pub kcp: *mut IKCPCB,
    by: &'static Functions,
    pub out: Outbox,
}

impl Side {
    pub fn new(by: &'static Functions, mtu: u32, windows: [c_int; 2], modes: [c_int; 4]) -> Side {
        let out = Outbox::new();
        // SAFETY: the functions of a library, with valid arguments.
        unsafe {
            let kcp = (by.ikcp_create)(7, out.user());
            (by.ikcp_setoutput)(kcp, Some(output));
            assert_eq!((by.ikcp_setmtu)(kcp, mtu.cast_signed()), 0);
            let side = Side { kcp, by, out };
            side.wndsize(windows[0], windows[1]);
            side.nodelay(modes);
            side
        }
    }

    pub fn wndsize(&self, snd: c_int, rcv: c_int) {
        // SAFETY: as above.
        unsafe { (self.by.ikcp_wndsize)(self.kcp, snd, rcv) };
    }

    pub fn nodelay(&self, [a, b, c, d]: [c_int; 4]) {
        // SAFETY: as above.
        unsafe { (self.by.ikcp_nodelay)(self.kcp, a, b, c, d) };
    }

    pub fn send(&self, message: &[u8]) -> c_int {
        let len = message.len() as c_int;
        // SAFETY: as above.
        unsafe { (self.by.ikcp_send)(self.kcp, message.as_ptr().cast(), len) }
    }

    /// One of our sides alone can do it.
    pub fn send_until(&self, message: &[u8], milliseconds: c_int) -> c_int {
        // SAFETY: the message has that many bytes.
        let source = unsafe { Source::new(message.as_ptr().cast()) };
        of(self.kcp).send_until(source, message.len() as c_int, milliseconds)
    }

    pub fn input(&self, packet: &[u8]) {
        let len = packet.len() as c_long;
        // SAFETY: as above.
        let answer = unsafe { (self.by.ikcp_input)(self.kcp, packet.as_ptr().cast(), len) };
        assert_eq!(answer, 0);
    }

    pub fn recv(&self) -> Option<Vec<u8>> {
        // SAFETY: as above.
        unsafe {
            let size = (self.by.ikcp_peeksize)(self.kcp);
            let mut message = vec![0; usize::try_from(size).ok()?];
            let taken = (self.by.ikcp_recv)(self.kcp, message.as_mut_ptr().cast(), size);
            assert_eq!(taken, size);
            Some(message)
        }
    }

    pub fn update(&self, now: u64) {
        // SAFETY: as above.
        unsafe { (self.by.ikcp_update)(self.kcp, now as u32) }
    }

    pub fn packets(&self) -> Vec<Vec<u8>> {
        self.out.take()
    }
}

impl Drop for Side {
    fn drop(&mut self) {
        // SAFETY: nothing uses the object any more, and its callbacks keep the list alive.
        unsafe {
            (self.by.ikcp_release)(self.kcp);
        }
    }
}

pub fn stats(kcp: *mut IKCPCB) -> IKCPX_STATS {
    object::stats(of(kcp))
}
