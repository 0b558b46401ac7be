//! The exported symbol `ikcp_log`. It takes a variable number of arguments, which stable Rust cannot define, and a symbol
//! that C defines does not leave a Rust shared library. So the symbol is a Rust function without prologue that jumps to
//! the body in `ikcp_log.c`, which finds its arguments where the caller put them. Its documentation is in `api`.

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
