//! The C interface of KCP: what `include/ikcp.h` declares, as `libkcp.so` and `libkcp.a`.
//!
//! Here is the door and nothing behind it: each function checks for NULL, converts its arguments, calls the protocol in
//! `ikcp-core` and returns what that returns.
//!
//! - `api`: one exported function per line of the header
//! - `extensions`: the same for ikcpx.h, which has what the original lacks
//! - `constants`: the `IKCP_` constants, exported as data
//! - `log`: `ikcp_log`, whose body is C because of its variable arguments
//!
//! Built with `KCP_PREFIX` in the environment, every symbol has that before its name. `no_mangle` stays beside the name then,
//! since cbindgen knows by it what the header declares.

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

/// Not reached in a release build, which holds no panic; the compiler wants one all the same.
#[cfg(not(test))]
#[panic_handler]
fn panic(_: &core::panic::PanicInfo) -> ! {
    // SAFETY: abort() may be called at any time.
    unsafe { libc::abort() }
}
