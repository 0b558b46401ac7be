//! The C interface of KCP: what `include/ikcp.h` declares, as `libkcp.so` and `libkcp.a`.
//!
//! Each function checks for NULL, converts its arguments, calls the protocol in `ikcp-core` and returns its result.
//!
//! - `api`: one exported function for each of the header
//! - `extensions`: the same for ikcpx.h, which has what the original lacks
//! - `constants`: the `IKCP_` constants, exported as data
//! - `log`: `ikcp_log`, whose body is C because of its variable arguments
//!
//! If `KCP_PREFIX` is set during the build, every symbol gets that prefix. `no_mangle` then stays beside the prefixed name,
//! because cbindgen recognizes exported functions by it.

#![no_std]
#![deny(unsafe_op_in_unsafe_fn)]
#![cfg_attr(prefixed, allow(unused_attributes))]

/// The name of a symbol with the prefix of this build.
#[cfg(prefixed)]
macro_rules! prefixed {
    ($name:ident) => {
        concat!(env!("KCP_PREFIX"), stringify!($name))
    };
}

mod api;
mod constants;
#[cfg(feature = "extensions")]
mod extensions;
mod log;

/// Never called in a release build, which contains no panic, but the compiler requires one.
#[cfg(not(test))]
#[panic_handler]
fn panic(_: &core::panic::PanicInfo) -> ! {
    // SAFETY: abort() may be called at any time.
    unsafe { libc::abort() }
}
