//! The exported symbol `ikcp_log`. It takes variable arguments. Stable Rust cannot define such a function, and a Rust shared
//! library does not export symbols that C defines. The symbol is therefore a Rust function without a prologue that jumps to the
//! body in `ikcp_log.c`, which finds its arguments where the caller put them. `api` has its documentation.

#[cfg(log_jump)]
unsafe extern "C" {
    /// Declared without its arguments: only its address is used.
    #[cfg_attr(prefixed, link_name = prefixed!(ikcp_log_shim))]
    fn ikcp_log_shim();
}

/// # Safety
/// The promises of a C caller: `kcp` is NULL or live, `fmt` NULL or a format that fits what follows it.
#[cfg(log_jump)]
#[unsafe(no_mangle)]
#[cfg_attr(prefixed, unsafe(export_name = prefixed!(ikcp_log)))]
#[unsafe(naked)]
pub unsafe extern "C" fn ikcp_log() {
    core::arch::naked_asm!(env!("LOG_JUMP"), shim = sym ikcp_log_shim)
}
