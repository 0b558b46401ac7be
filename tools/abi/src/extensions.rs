//! What a library has beyond ikcp.h: the functions of ikcpx.h. They are looked up by name, since other libraries lack them.

use std::ffi::{CStr, c_char, c_int, c_void};
use std::mem::{size_of, transmute};

use crate::kcp::Kcp;
use crate::layout::{Ikcpcb, Ops};
use crate::library::Library;

type Controller = unsafe extern "C" fn() -> *const Ops;
/// `int function(ikcpcb *kcp, int value)`, such as `ikcpx_rack` and `ikcpx_redundancy`
pub type Setting = unsafe extern "C" fn(*mut Ikcpcb, c_int) -> c_int;

impl Library {
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
