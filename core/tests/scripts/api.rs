//! The only module that calls the library: its functions by their C names, and the fields that scripts read.
//!
//! `IKCP_LIBRARY=path` runs the scripts on a shared library with the C interface instead, such as a build of the original. It must
//! have the layout that the features select: `layout-2-1-1` for the original at 2.1.1, `profile-1-7-1` and `profile-1-7` for the
//! older ones.

use std::ffi::{c_char, c_int, c_long, c_void};
use std::sync::OnceLock;

use ikcp_core::{Datagram, Kcp, Sink, Source};

use crate::foreign::Library;

pub use ikcp_core::{Header, IKCPCB, IKCPOPS, IKCPSEG};

/// An object, as callbacks get it. Its owner makes sure that it has not been released.
#[derive(Clone, Copy)]
pub struct Object(pub *mut IKCPCB);

/// True if the scripts run on a library other than ours.
pub fn is_foreign() -> bool {
    std::env::var_os("IKCP_LIBRARY").is_some()
}

macro_rules! functions {
    ($($name:ident($object:ident $(, $arg:ident: $type:ty)*) -> $result:ty = $ours:expr;)+) => {
        #[derive(Default)]
        struct Functions {
            ikcp_create: Option<unsafe extern "C" fn(u32, *mut c_void) -> *mut IKCPCB>,
            $($name: Option<unsafe extern "C" fn(*mut IKCPCB $(, $type)*) -> $result>,)+
        }

        impl Functions {
            fn ours() -> Functions {
                $(
                    unsafe extern "C" fn $name(object: *mut IKCPCB $(, $arg: $type)*) -> $result {
                        // SAFETY: an `Object` has not been released.
                        let $object = unsafe { Kcp::from_ptr(object) }.expect("an object");
                        $ours
                    }
                )+
                unsafe extern "C" fn ikcp_create(conv: u32, user: *mut c_void) -> *mut IKCPCB {
                    Kcp::create(conv, user)
                }
                Functions {
                    ikcp_create: Some(ikcp_create),
                    $($name: Some($name),)+
                }
            }

            /// The functions of the library at `path`.
            fn foreign(path: &str) -> Functions {
                let library = Library::open(path);
                let find = |name: &str| library.find(name);
                // SAFETY: the person who runs the tests promises that it is a KCP library, whose functions have these types.
                unsafe {
                    Functions {
                        ikcp_create: std::mem::transmute::<*mut c_void, Option<_>>(find("ikcp_create")),
                        $($name: std::mem::transmute::<*mut c_void, Option<_>>(find(stringify!($name))),)+
                    }
                }
            }
        }

        impl Object {
            $(
                fn $name(self $(, $arg: $type)*) -> $result {
                    let function = functions().$name.expect(stringify!($name));
                    // SAFETY: see `Object`; callers pass what the function requires.
                    unsafe { function(self.0 $(, $arg)*) }
                }
            )+
        }
    };
}

fn functions() -> &'static Functions {
    static FUNCTIONS: OnceLock<Functions> = OnceLock::new();
    FUNCTIONS.get_or_init(|| match std::env::var("IKCP_LIBRARY") {
        Ok(path) => Functions::foreign(&path),
        Err(_) => Functions::ours(),
    })
}

type Output = Option<unsafe extern "C" fn(*const c_char, c_int, *mut IKCPCB, *mut c_void) -> c_int>;

// Buffers are as long as the wrappers below say.
functions! {
    ikcp_release(kcp) -> () = kcp.release();
    ikcp_setoutput(kcp, output: Output) -> () = kcp.set_output(output);
    ikcp_recv(kcp, buffer: *mut c_char, len: c_int) -> c_int =
        // SAFETY: see above.
        kcp.recv(unsafe { Sink::new(buffer) }, len);
    ikcp_send(kcp, buffer: *const c_char, len: c_int) -> c_int =
        // SAFETY: see above.
        kcp.send(unsafe { Source::new(buffer) }, len);
    ikcp_update(kcp, current: u32) -> () = kcp.update(current);
    ikcp_check(kcp, current: u32) -> u32 = kcp.check(current);
    ikcp_input(kcp, data: *const c_char, size: c_long) -> c_int =
        // SAFETY: see above.
        kcp.input(unsafe { Datagram::new(data, size) });
    ikcp_flush(kcp) -> () = kcp.flush();
    ikcp_peeksize(kcp) -> c_int = kcp.peeksize();
    ikcp_setmtu(kcp, mtu: c_int) -> c_int = kcp.setmtu(mtu);
    ikcp_interval(kcp, interval: c_int) -> c_int = kcp.set_interval(interval);
    ikcp_nodelay(kcp, nodelay: c_int, interval: c_int, resend: c_int, nc: c_int) -> c_int =
        kcp.nodelay(nodelay, interval, resend, nc);
    ikcp_wndsize(kcp, snd: c_int, rcv: c_int) -> c_int = kcp.wndsize(snd, rcv);
    ikcp_waitsnd(kcp) -> c_int = kcp.waitsnd();
    ikcp_setcc(kcp, ops: *const IKCPOPS) -> c_int =
        // SAFETY: the script keeps its tables until the object is gone.
        unsafe { kcp.setcc(ops) };
}

pub fn create(conv: u32, user: *mut c_void) -> Object {
    let create = functions().ikcp_create.expect("ikcp_create");
    // SAFETY: any arguments are valid.
    let object = unsafe { create(conv, user) };
    assert!(!object.is_null());
    Object(object)
}

fn len(bytes: usize) -> c_int {
    bytes.try_into().expect("a length")
}

impl Object {
    pub fn release(self) {
        self.ikcp_release();
    }

    pub fn set_output(self, output: Output) {
        self.ikcp_setoutput(output);
    }

    /// What `ikcp_send` returns. Where other profiles return the number of bytes, 1.7 returns 0: see `sent`.
    pub fn send(self, bytes: &[u8]) -> c_int {
        self.ikcp_send(bytes.as_ptr().cast(), len(bytes.len()))
    }

    pub fn send_length(self, len: c_int) -> c_int {
        self.ikcp_send(c"".as_ptr(), len)
    }

    /// The message, or the error.
    pub fn recv(self, room: usize) -> Result<Vec<u8>, c_int> {
        self.take(room, 1)
    }

    /// The same with a negative length, which only peeks.
    pub fn peek(self, room: usize) -> Result<Vec<u8>, c_int> {
        self.take(room, -1)
    }

    fn take(self, room: usize, sign: c_int) -> Result<Vec<u8>, c_int> {
        let mut bytes = vec![0; room];
        let taken = self.ikcp_recv(bytes.as_mut_ptr().cast(), sign * len(room));
        if taken < 0 {
            return Err(taken);
        }
        bytes.truncate(taken.unsigned_abs() as usize);
        Ok(bytes)
    }

    pub fn update(self, current: u32) {
        self.ikcp_update(current);
    }

    pub fn check(self, current: u32) -> u32 {
        self.ikcp_check(current)
    }

    /// NULL, of this size.
    #[cfg(feature = "extensions")]
    pub fn input_null(self, size: c_int) -> c_int {
        self.ikcp_input(std::ptr::null(), size.into())
    }

    pub fn input(self, packet: &[u8]) -> c_int {
        self.ikcp_input(packet.as_ptr().cast(), len(packet.len()).into())
    }

    pub fn flush(self) {
        self.ikcp_flush();
    }

    pub fn peeksize(self) -> c_int {
        self.ikcp_peeksize()
    }

    pub fn setmtu(self, mtu: c_int) -> c_int {
        self.ikcp_setmtu(mtu)
    }

    pub fn set_interval(self, interval: c_int) -> c_int {
        self.ikcp_interval(interval)
    }

    pub fn nodelay(self, [nodelay, interval, resend, nc]: [c_int; 4]) {
        assert_eq!(self.ikcp_nodelay(nodelay, interval, resend, nc), 0);
    }

    pub fn wndsize(self, snd: c_int, rcv: c_int) {
        assert_eq!(self.ikcp_wndsize(snd, rcv), 0);
    }

    pub fn waitsnd(self) -> c_int {
        self.ikcp_waitsnd()
    }

    /// Installs hooks. The table must live until the next one is installed or the object ends.
    pub fn setcc(self, ops: *const IKCPOPS) -> c_int {
        self.ikcp_setcc(ops)
    }

    /// The first segment of `snd_buf`, if there is one.
    pub fn first_in_flight(self) -> *const IKCPSEG {
        // SAFETY: see `Object`.
        unsafe { (*self.0).snd_buf.next.get().cast() }
    }

    pub fn set_writelog(
        self,
        mask: c_int,
        writelog: unsafe extern "C" fn(*const c_char, *mut IKCPCB, *mut c_void),
    ) {
        // SAFETY: see `Object`.
        unsafe {
            (*self.0).writelog.set(Some(writelog));
            (*self.0).logmask.set(mask);
        }
    }
}

macro_rules! fields {
    ($($name:ident $set:ident: $type:ty,)+) => {
        // Scripts only read some fields, and only write others.
        #[allow(dead_code)]
        impl Object {
            $(
                pub fn $name(self) -> $type {
                    // SAFETY: see `Object`.
                    unsafe { (*self.0).$name.get() }
                }

                pub fn $set(self, value: $type) {
                    // SAFETY: see `Object`.
                    unsafe { (*self.0).$name.set(value) }
                }
            )+
        }
    };
}

fields! {
    state set_state: u32,
    snd_una set_snd_una: u32,
    snd_nxt set_snd_nxt: u32,
    rcv_nxt set_rcv_nxt: u32,
    ssthresh set_ssthresh: u32,
    rx_rttval set_rx_rttval: i32,
    rx_srtt set_rx_srtt: i32,
    rx_rto set_rx_rto: i32,
    rx_minrto set_rx_minrto: i32,
    rcv_wnd set_rcv_wnd: u32,
    rmt_wnd set_rmt_wnd: u32,
    cwnd set_cwnd: u32,
    incr set_incr: u32,
    current set_current: u32,
    interval set_interval_field: u32,
    xmit set_xmit: u32,
    nrcv_buf set_nrcv_buf: u32,
    nsnd_buf set_nsnd_buf: u32,
    nrcv_que set_nrcv_que: u32,
    nsnd_que set_nsnd_que: u32,
    probe_wait set_probe_wait: u32,
    dead_link set_dead_link: u32,
    mss set_mss: u32,
    mtu set_mtu_field: u32,
    stream set_stream: c_int,
    fastlimit set_fastlimit: c_int,
    user set_user: *mut c_void,
}

/// What `ikcp_send` returns after accepting so many bytes.
pub fn sent(bytes: usize) -> c_int {
    if cfg!(feature = "profile-1-7") { 0 } else { len(bytes) }
}
