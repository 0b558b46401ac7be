//! What a library has beyond ikcp.h: the functions of ikcpx.h. They are looked up by name, since other libraries lack them.

use std::ffi::{CStr, c_char, c_int, c_void};
use std::mem::{size_of, transmute};
use std::ptr::null_mut;

use crate::kcp::Kcp;
use crate::layout::{Ikcpcb, Ops};
use crate::library::Library;

type Controller = unsafe extern "C" fn() -> *const Ops;
/// `int function(ikcpcb *kcp, int value)`, such as `ikcpx_rack` and `ikcpx_redundancy`
pub type Setting = unsafe extern "C" fn(*mut Ikcpcb, c_int) -> c_int;

/// `int function(ikcpcb *kcp, const char *data, int len, int value)`
type WithBytes = unsafe extern "C" fn(*mut Ikcpcb, *const c_char, c_int, c_int) -> c_int;

/// `int ikcpx_stats(ikcpcb *kcp, struct IKCPX_STATS *stats, size_t size)`
type Stats = unsafe extern "C" fn(*mut Ikcpcb, *mut c_void, usize) -> c_int;

/// `void ikcpx_path_changed(ikcpcb *kcp)`
type PathChanged = unsafe extern "C" fn(*mut Ikcpcb);

/// The beginning of `struct IKCPX_STATS`.
#[repr(C)]
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counters {
    /// Milliseconds since counting began.
    pub time: u64,
    pub packets_sent: u64,
    pub bytes_sent: u64,
    pub packets_received: u64,
    pub bytes_received: u64,
    pub packets_refused: u64,
}

/// `ikcpx_send_until` and `ikcpx_stub`.
#[derive(Clone, Copy)]
pub struct Expiry {
    send_until: WithBytes,
    stub: WithBytes,
}

impl Library {
    /// What it has for messages that expire.
    pub fn expiry(&self) -> Option<Expiry> {
        let (send_until, stub) = (self.symbol("ikcpx_send_until")?, self.symbol("ikcpx_stub")?);
        // SAFETY: ikcpx.h declares these functions so.
        Some(unsafe {
            Expiry {
                send_until: transmute::<*mut c_void, WithBytes>(send_until),
                stub: transmute::<*mut c_void, WithBytes>(stub),
            }
        })
    }

    /// The congestion control that the function of this name returns, such as `ikcpx_bbr`.
    pub fn controller(&self, function: &str) -> Option<&'static Ops> {
        let address = self.symbol(function)?;
        // SAFETY: ikcpx.h declares these functions so; the table lives as long as the library, which is never unloaded.
        unsafe { transmute::<*mut c_void, Controller>(address)().as_ref() }
    }

    /// The function of this name, which takes a connection and a number.
    pub fn setting(&self, function: &str) -> Option<Setting> {
        let address = self.symbol(function)?;
        // SAFETY: ikcpx.h declares these functions so.
        Some(unsafe { transmute::<*mut c_void, Setting>(address) })
    }
}

/// `struct IKCPX_CCINFO`: the state of a congestion control.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct Info {
    phase_name: *const c_char,
    pub phase: u32,
    /// In bytes per second, like `pacing_rate`.
    pub bandwidth: u32,
    pub pacing_rate: u32,
    pub min_rtt: u32,
    pub inflight: u32,
    pub inflight_target: u32,
    pub cwnd: u32,
    pub ssthresh: u32,
    pub lost: u32,
    pub needless: u32,
}

impl Info {
    pub fn phase_name(&self) -> &'static str {
        // SAFETY: a string constant, or NULL.
        let name = unsafe { (!self.phase_name.is_null()).then(|| CStr::from_ptr(self.phase_name)) };
        name.and_then(|name| name.to_str().ok()).unwrap_or("")
    }
}

impl<O> Kcp<O> {
    /// Sends a message that expires after so many milliseconds. `expiry` is of the same library.
    pub fn send_until(&mut self, expiry: Expiry, data: &[u8], milliseconds: i32) -> i32 {
        let length = c_int::try_from(data.len()).expect("a message of 2 GiB");
        // SAFETY: the object is alive and the buffer has `length` bytes.
        unsafe { (expiry.send_until)(self.raw(), data.as_ptr().cast(), length, milliseconds) }
    }

    /// Lets messages that expire in flight become these bytes.
    pub fn stub(&mut self, expiry: Expiry, stub: &[u8]) -> i32 {
        let length = c_int::try_from(stub.len()).expect("a stub of 2 GiB");
        // SAFETY: the object is alive and the buffer has `length` bytes.
        unsafe { (expiry.stub)(self.raw(), stub.as_ptr().cast(), length, 0) }
    }

    /// Counts from now on, as a program that has called `ikcpx_stats` once.
    pub fn begin_to_count(&mut self) {
        // SAFETY: it takes NULL for a program that only wants it to count.
        unsafe { self.stats(null_mut(), 0) };
    }

    /// What was counted. The library takes the size for that of an older program's struct.
    pub fn counters(&mut self) -> Counters {
        let mut counters = Counters::default();
        // SAFETY: the struct has as many bytes as it says.
        unsafe { self.stats((&raw mut counters).cast(), size_of::<Counters>()) };
        counters
    }

    unsafe fn stats(&mut self, stats: *mut c_void, size: usize) {
        let function = self.library().symbol("ikcpx_stats");
        let function = function.expect("a library with ikcpx_stats");
        // SAFETY: ikcpx.h declares the function so; the caller's promise: NULL, or `size` bytes.
        let answer = unsafe { transmute::<*mut c_void, Stats>(function)(self.raw(), stats, size) };
        assert_eq!(answer, 0, "no memory for counters");
    }

    /// The network is another one, or is back.
    pub fn path_changed(&mut self) {
        let function = self.library().symbol("ikcpx_path_changed");
        let function = function.expect("a library with ikcpx_path_changed");
        // SAFETY: ikcpx.h declares the function so; the object is alive.
        unsafe { transmute::<*mut c_void, PathChanged>(function)(self.raw()) }
    }

    /// The state of the congestion control, if it is one of the library's own.
    pub fn info(&self) -> Option<Info> {
        let size = size_of::<Info>() as u32;
        // SAFETY: the object is alive and its layout is that of its library; the hook gets a buffer and its size, and a zeroed
        // buffer is a valid `Info`.
        unsafe {
            let table = (*self.tail().ccops?).as_ref()?;
            let mut info: Info = std::mem::zeroed();
            let filled = table.get_info?(self.raw(), (&raw mut info).cast(), size);
            (filled == size).then_some(info)
        }
    }
}
