//! The other end of a transfer: a connection of this crate, or the library with the C interface that `IKCP_LIBRARY` names, for
//! example a build of the original.

use std::ffi::{CString, c_char, c_int, c_long, c_void};
use std::time::{Duration, Instant};

use ikcp_connection::{Backoff, Config, Connection};

/// What a transfer needs from an end.
pub trait End {
    fn send(&mut self, message: &[u8]);
    fn recv(&mut self) -> Option<Vec<u8>>;
    fn input(&mut self, packet: &[u8], now: Instant);
    /// Does what is due, and returns the packets to send.
    fn work(&mut self, now: Instant) -> Vec<Vec<u8>>;
    fn next(&self, now: Instant) -> Option<Instant>;
    fn waiting(&self) -> usize;
}

/// A connection of this crate, driven only by `next_timeout`.
pub struct Ours {
    pub connection: Connection,
    /// Calls `flush` instead of `update`.
    pub flushes: bool,
}

impl End for Ours {
    fn send(&mut self, message: &[u8]) {
        let mut rest = message;
        loop {
            let taken = self.connection.send(rest).expect("it is not too long");
            rest = &rest[taken..];
            if rest.is_empty() {
                return;
            }
            assert!(self.connection.config().stream && taken > 0);
        }
    }

    fn recv(&mut self) -> Option<Vec<u8>> {
        self.connection.recv()
    }

    fn input(&mut self, packet: &[u8], now: Instant) {
        assert_eq!(self.connection.input(packet, now), Ok(()));
    }

    fn work(&mut self, now: Instant) -> Vec<Vec<u8>> {
        if self.flushes {
            self.connection.flush(now);
        } else {
            self.connection.update(now);
        }
        let next = self.connection.next_timeout();
        assert!(next.is_none_or(|next| next > now), "a loop would spin");
        let mut packets = Vec::new();
        while let Some(packet) = self.connection.poll_transmit() {
            packets.push(packet.to_vec());
        }
        packets
    }

    fn next(&self, _: Instant) -> Option<Instant> {
        self.connection.next_timeout()
    }

    fn waiting(&self) -> usize {
        self.connection.waiting()
    }
}

/// An end in a shared library.
pub struct Foreign {
    functions: Functions,
    object: *mut c_void,
    /// From a box; this is the callback's `user`.
    packets: *mut Vec<Vec<u8>>,
    origin: Instant,
}

macro_rules! functions {
    ($($name:ident($($arg:ty),*) -> $result:ty;)+) => {
        #[derive(Clone, Copy)]
        struct Functions { $($name: unsafe extern "C" fn($($arg),*) -> $result,)+ }

        impl Functions {
            fn load(path: &str) -> Functions {
                let path = CString::new(path).expect("a path");
                // SAFETY: the person who names the library promises that it is a KCP library, whose functions have these types.
                unsafe {
                    let library = libc::dlopen(path.as_ptr(), libc::RTLD_NOW);
                    assert!(!library.is_null(), "cannot load {path:?}");
                    Functions {
                        $($name: {
                            let name = CString::new(stringify!($name)).expect("a name");
                            let function = libc::dlsym(library, name.as_ptr());
                            assert!(!function.is_null(), "{name:?} is missing");
                            std::mem::transmute::<*mut c_void, unsafe extern "C" fn($($arg),*) -> $result>(function)
                        },)+
                    }
                }
            }
        }
    };
}

type OutputFn = unsafe extern "C" fn(*const c_char, c_int, *mut c_void, *mut c_void) -> c_int;

functions! {
    ikcp_create(u32, *mut c_void) -> *mut c_void;
    ikcp_release(*mut c_void) -> ();
    ikcp_setoutput(*mut c_void, OutputFn) -> ();
    ikcp_recv(*mut c_void, *mut c_char, c_int) -> c_int;
    ikcp_send(*mut c_void, *const c_char, c_int) -> c_int;
    ikcp_update(*mut c_void, u32) -> ();
    ikcp_check(*const c_void, u32) -> u32;
    ikcp_input(*mut c_void, *const c_char, c_long) -> c_int;
    ikcp_peeksize(*const c_void) -> c_int;
    ikcp_setmtu(*mut c_void, c_int) -> c_int;
    ikcp_wndsize(*mut c_void, c_int, c_int) -> c_int;
    ikcp_waitsnd(*const c_void) -> c_int;
    ikcp_nodelay(*mut c_void, c_int, c_int, c_int, c_int) -> c_int;
}

unsafe extern "C" fn collect(
    data: *const c_char,
    len: c_int,
    _: *mut c_void,
    user: *mut c_void,
) -> c_int {
    // SAFETY: `user` is the box of packets, and `data` has `len` bytes.
    unsafe {
        let packet = std::slice::from_raw_parts(data.cast::<u8>(), len as usize);
        (*user.cast::<Vec<Vec<u8>>>()).push(packet.to_vec());
    }
    0
}

impl Foreign {
    fn new(path: &str, conversation: u32, config: &Config, now: Instant) -> Foreign {
        let functions = Functions::load(path);
        let packets: *mut Vec<Vec<u8>> = Box::into_raw(Box::default());
        // SAFETY: the functions have their declared types.
        unsafe {
            let object = (functions.ikcp_create)(conversation, packets.cast());
            (functions.ikcp_setoutput)(object, collect);
            assert_eq!((functions.ikcp_setmtu)(object, config.mtu as c_int), 0);
            let (send, receive) = (config.send_window.into(), config.receive_window.into());
            (functions.ikcp_wndsize)(object, send, receive);
            let nodelay = match config.backoff {
                Backoff::Double => 0,
                Backoff::Half => 1,
                Backoff::Steady => 2,
            };
            let interval = config.interval.as_millis() as c_int;
            let nc = c_int::from(!config.congestion_window);
            (functions.ikcp_nodelay)(object, nodelay, interval, config.fast_resend.into(), nc);
            Foreign {
                functions,
                object,
                packets,
                origin: now,
            }
        }
    }

    fn clock(&self, now: Instant) -> u32 {
        (now - self.origin).as_millis() as u32
    }
}

impl End for Foreign {
    fn send(&mut self, message: &[u8]) {
        let len = message.len() as c_int;
        // SAFETY: the object lives, and the message has `len` bytes.
        let sent = unsafe { (self.functions.ikcp_send)(self.object, message.as_ptr().cast(), len) };
        assert!(sent == len || sent == 0, "send: {sent}");
    }

    fn recv(&mut self) -> Option<Vec<u8>> {
        // SAFETY: the object lives, and the buffer has so many bytes.
        unsafe {
            let len = usize::try_from((self.functions.ikcp_peeksize)(self.object)).ok()?;
            let mut message = vec![0u8; len];
            let data = message.as_mut_ptr().cast();
            let taken = (self.functions.ikcp_recv)(self.object, data, len as c_int);
            assert_eq!(taken as usize, len);
            Some(message)
        }
    }

    fn input(&mut self, packet: &[u8], _: Instant) {
        let len = packet.len() as c_long;
        // SAFETY: the object lives, and the packet has `len` bytes.
        let answer =
            unsafe { (self.functions.ikcp_input)(self.object, packet.as_ptr().cast(), len) };
        assert_eq!(answer, 0);
    }

    fn work(&mut self, now: Instant) -> Vec<Vec<u8>> {
        // SAFETY: the object and the box live.
        unsafe {
            (self.functions.ikcp_update)(self.object, self.clock(now));
            std::mem::take(&mut *self.packets)
        }
    }

    fn next(&self, now: Instant) -> Option<Instant> {
        let clock = self.clock(now);
        // SAFETY: the object lives.
        let at = unsafe { (self.functions.ikcp_check)(self.object, clock) };
        Some(now + Duration::from_millis(at.wrapping_sub(clock).max(1).into()))
    }

    fn waiting(&self) -> usize {
        // SAFETY: the object lives.
        unsafe { (self.functions.ikcp_waitsnd)(self.object) as usize }
    }
}

impl Drop for Foreign {
    fn drop(&mut self) {
        // SAFETY: nothing uses the object and the box afterwards.
        unsafe {
            (self.functions.ikcp_release)(self.object);
            drop(Box::from_raw(self.packets));
        }
    }
}

/// The other end: in the library that `IKCP_LIBRARY` names, or of this crate.
pub fn peer(conversation: u32, config: &Config, now: Instant, flushes: bool) -> Box<dyn End> {
    match std::env::var("IKCP_LIBRARY") {
        Ok(path) => Box::new(Foreign::new(&path, conversation, config, now)),
        Err(_) => Box::new(Ours {
            connection: Connection::new(conversation, config, now).expect("a connection"),
            flushes,
        }),
    }
}
