//! What a library has beyond ikcp.h: the functions of ikcpx.h. They are looked up by name, since other libraries lack them.

use std::ffi::{c_int, c_void};
use std::mem::transmute;

use crate::layout::{Ikcpcb, Ops};
use crate::library::Library;

type Controller = unsafe extern "C" fn() -> *const Ops;
/// `int ikcpx_rack(ikcpcb *kcp, int on)`
pub type Rack = unsafe extern "C" fn(*mut Ikcpcb, c_int) -> c_int;

impl Library {
    /// The congestion control that the function of this name returns, such as `ikcpx_bbr`.
    pub fn controller(&self, function: &str) -> Option<&'static Ops> {
        let address = self.symbol(function)?;
        // SAFETY: ikcpx.h declares these functions so; the table lives as long as the library, which is never unloaded.
        unsafe { transmute::<*mut c_void, Controller>(address)().as_ref() }
    }

    /// `ikcpx_rack`
    pub fn rack(&self) -> Option<Rack> {
        let address = self.symbol("ikcpx_rack")?;
        // SAFETY: ikcpx.h declares the function so.
        Some(unsafe { transmute::<*mut c_void, Rack>(address) })
    }
}
