//! The exported functions, in the order of ikcp.h. Each checks for NULL, converts its arguments and calls the core.
//!
//! The comments are the documentation in `include/ikcp.h`, which cbindgen generates from this file.
//!
//! # Safety
//! All functions rely on the same promises of a C caller: a control block that is not NULL came from `ikcp_create` and
//! was not released; memory that is passed in is as long as stated; no other thread uses the same control block
//! meanwhile. `SAFETY` comments below call them the caller's promises.
#![allow(clippy::missing_safety_doc)]

use core::ffi::{c_char, c_int, c_long, c_void};

use ikcp_core::{
    Datagram, ForeignSegment, IKCPCB as ikcpcb, IKCPOPS, IKCPSEG, IQUEUEHEAD, IUINT32, Kcp, Sink,
    Source,
};

/// Creates one end of a connection.
///
/// conv: number of the connection, the same at both ends.
/// user: passed to the callbacks; the library does not use it.
/// Returns the connection, or NULL when there is no memory. It needs an output callback before it can send.
#[unsafe(no_mangle)]
#[cfg_attr(prefixed, unsafe(export_name = prefixed!(ikcp_create)))]
pub unsafe extern "C" fn ikcp_create(conv: IUINT32, user: *mut c_void) -> *mut ikcpcb {
    Kcp::create(conv, user)
}

/// `ikcp_create` under the name that the header gives it in this layout: a program compiled for this layout does not
/// link with a library of the default one.
#[cfg(feature = "layout-2-1-1")]
#[unsafe(no_mangle)]
#[cfg_attr(prefixed, unsafe(export_name = prefixed!(ikcp_create_layout_211)))]
pub unsafe extern "C" fn ikcp_create_layout_211(conv: IUINT32, user: *mut c_void) -> *mut ikcpcb {
    Kcp::create(conv, user)
}

/// Frees a connection and everything it holds; nothing is sent. First calls `release` of the congestion control. After
/// that no callback runs, even if a callback makes this call.
///
/// kcp: the connection. NULL does nothing.
#[unsafe(no_mangle)]
#[cfg_attr(prefixed, unsafe(export_name = prefixed!(ikcp_release)))]
pub unsafe extern "C" fn ikcp_release(kcp: *mut ikcpcb) {
    // SAFETY: the caller's promises.
    if let Some(kcp) = unsafe { Kcp::from_ptr(kcp) } {
        kcp.release();
    }
}

/// Sets the callback that sends packets. Writing `kcp->output` does the same.
///
/// kcp: the connection. NULL does nothing.
/// output: gets the packet (`len` bytes at `buf`, valid during the call), the connection, and the `user` of
/// ikcp_create(). Its result is ignored. NULL: packets are dropped.
#[unsafe(no_mangle)]
#[cfg_attr(prefixed, unsafe(export_name = prefixed!(ikcp_setoutput)))]
pub unsafe extern "C" fn ikcp_setoutput(
    kcp: *mut ikcpcb,
    output: Option<
        unsafe extern "C" fn(
            buf: *const c_char,
            len: c_int,
            kcp: *mut ikcpcb,
            user: *mut c_void,
        ) -> c_int,
    >,
) {
    // SAFETY: the caller's promises.
    if let Some(kcp) = unsafe { Kcp::from_ptr(kcp) } {
        kcp.set_output(output);
    }
}

/// Receives the next message. In stream mode this is the payload of the next segment: call it until it returns -1.
///
/// kcp: the connection.
/// buffer: where the message is copied to. NULL: the message is dropped.
/// len: size of the buffer in bytes. Below 0: the size is -len, and the message is copied but stays in the queue.
/// Returns the length of the message, which may be 0; -1 when there is no message, or `kcp` is NULL; -2 when parts of
/// the message are missing; -3 when the buffer is too small (ikcp_peeksize() returns the length).
#[unsafe(no_mangle)]
#[cfg_attr(prefixed, unsafe(export_name = prefixed!(ikcp_recv)))]
pub unsafe extern "C" fn ikcp_recv(kcp: *mut ikcpcb, buffer: *mut c_char, len: c_int) -> c_int {
    // SAFETY: the caller's promises.
    match unsafe { Kcp::from_ptr(kcp) } {
        // SAFETY: the caller's promises: as much room as `len` says.
        Some(kcp) => kcp.recv(unsafe { Sink::new(buffer) }, len),
        None => -1,
    }
}

/// Queues a message, which the next flush begins to send. In stream mode the bytes continue those queued before.
///
/// kcp: the connection.
/// buffer: the message, which is copied. NULL: `len` bytes of 0.
/// len: length of the message in bytes. 0 queues an empty message, or nothing in stream mode.
/// Returns the bytes that were taken (IKCP_PROFILE 170: 0). These are all bytes, except in stream mode when the rest
/// needs 128 segments or more, or there is no memory for it: then only the last segment was filled up. -1 when `len`
/// is below 0 or `kcp` is NULL; -2 when the message needs 128 segments or more, or there is no memory: nothing was taken
/// (IKCP_PROFILE 170: in stream mode the last segment was filled up). The windows set no limit: see ikcp_waitsnd().
/// ikcpx_large_messages() has other limits, and -3.
#[unsafe(no_mangle)]
#[cfg_attr(prefixed, unsafe(export_name = prefixed!(ikcp_send)))]
pub unsafe extern "C" fn ikcp_send(kcp: *mut ikcpcb, buffer: *const c_char, len: c_int) -> c_int {
    // SAFETY: the caller's promises.
    match unsafe { Kcp::from_ptr(kcp) } {
        // SAFETY: the caller's promises: as many bytes as `len` says.
        Some(kcp) => kcp.send(unsafe { Source::new(buffer) }, len),
        None => -1,
    }
}

/// Sets the connection's clock, and flushes when `interval` has passed since the last flush. Call it every 10 to 100 ms,
/// or when ikcp_check() says so.
///
/// kcp: the connection. NULL does nothing.
/// current: clock in milliseconds, from any origin. It may wrap at 2^32, and must never be set back.
#[unsafe(no_mangle)]
#[cfg_attr(prefixed, unsafe(export_name = prefixed!(ikcp_update)))]
pub unsafe extern "C" fn ikcp_update(kcp: *mut ikcpcb, current: IUINT32) {
    // SAFETY: the caller's promises.
    if let Some(kcp) = unsafe { Kcp::from_ptr(kcp) } {
        kcp.update(current);
    }
}

/// Computes when ikcp_update() next has something to do, unless ikcp_input() or ikcp_send() is called before.
///
/// kcp: the connection. NULL: the answer is `current`.
/// current: clock in milliseconds, the one of ikcp_update().
/// Returns a time of that clock, at most `interval` ahead. It is `current` while a retransmission is due and the next
/// flush is not: sleep at least a millisecond, or the loop spins.
#[unsafe(no_mangle)]
#[cfg_attr(prefixed, unsafe(export_name = prefixed!(ikcp_check)))]
pub unsafe extern "C" fn ikcp_check(kcp: *const ikcpcb, current: IUINT32) -> IUINT32 {
    // SAFETY: the caller's promises.
    match unsafe { Kcp::from_ptr(kcp) } {
        Some(kcp) => kcp.check(current),
        None => current,
    }
}

/// Processes a packet from the network. In a packet with a bad segment, the segments before it take effect.
///
/// kcp: the connection.
/// data: the packet, as the peer's output callback got it.
/// size: length of the packet in bytes. Only the lower 32 bits are compared with the size of a header.
/// Returns 0; -1 when the packet is shorter than a header (24 bytes) or belongs to another connection, or `data` or
/// `kcp` is NULL; -2 when a segment is longer than the packet; -3 when a command is unknown.
#[unsafe(no_mangle)]
#[cfg_attr(prefixed, unsafe(export_name = prefixed!(ikcp_input)))]
pub unsafe extern "C" fn ikcp_input(kcp: *mut ikcpcb, data: *const c_char, size: c_long) -> c_int {
    // SAFETY: the caller's promises.
    match unsafe { Kcp::from_ptr(kcp) } {
        // SAFETY: the caller's promises: as many bytes as `size` says.
        Some(kcp) => kcp.input(unsafe { Datagram::new(data, size) }),
        None => -1,
    }
}

/// Sends what is due now, without waiting for ikcp_update(): acknowledgements, window probes, messages as far as the
/// windows allow, and retransmissions. Does nothing before the first ikcp_update(). A call after each ikcp_send() and
/// ikcp_input() gives the lowest latency, and costs almost nothing when nothing is due.
///
/// kcp: the connection. NULL does nothing.
#[unsafe(no_mangle)]
#[cfg_attr(prefixed, unsafe(export_name = prefixed!(ikcp_flush)))]
pub unsafe extern "C" fn ikcp_flush(kcp: *mut ikcpcb) {
    // SAFETY: the caller's promises.
    if let Some(kcp) = unsafe { Kcp::from_ptr(kcp) } {
        kcp.flush();
    }
}

/// Looks up the length of the next message.
///
/// kcp: the connection.
/// Returns the length in bytes, which may be 0; -1 when there is no message, parts of it are missing, or `kcp` is NULL.
#[unsafe(no_mangle)]
#[cfg_attr(prefixed, unsafe(export_name = prefixed!(ikcp_peeksize)))]
pub unsafe extern "C" fn ikcp_peeksize(kcp: *const ikcpcb) -> c_int {
    // SAFETY: the caller's promises.
    match unsafe { Kcp::from_ptr(kcp) } {
        Some(kcp) => kcp.peeksize(),
        None => -1,
    }
}

/// Sets the size of the largest packet; 1400 in a new connection. Segments that are queued already keep their size, so
/// call it first.
///
/// kcp: the connection.
/// mtu: size in bytes, with the header of 24 bytes, without the headers of UDP and IP.
/// Returns 0; -1 when `mtu` is below 50 or `kcp` is NULL; -2 when there is no memory or `mtu` is 1431655742 or more.
/// After an error nothing has changed.
#[unsafe(no_mangle)]
#[cfg_attr(prefixed, unsafe(export_name = prefixed!(ikcp_setmtu)))]
pub unsafe extern "C" fn ikcp_setmtu(kcp: *mut ikcpcb, mtu: c_int) -> c_int {
    // SAFETY: the caller's promises.
    match unsafe { Kcp::from_ptr(kcp) } {
        Some(kcp) => kcp.setmtu(mtu),
        None => -1,
    }
}

/// Sets the windows; 32 and 128 in a new connection. A message must fit the peer's receive window.
///
/// kcp: the connection. NULL does nothing.
/// sndwnd: most segments in flight. 0 and below: unchanged.
/// rcvwnd: most segments that wait for ikcp_recv(), at least 128. 0 and below: unchanged.
/// Returns 0.
#[unsafe(no_mangle)]
#[cfg_attr(prefixed, unsafe(export_name = prefixed!(ikcp_wndsize)))]
pub unsafe extern "C" fn ikcp_wndsize(kcp: *mut ikcpcb, sndwnd: c_int, rcvwnd: c_int) -> c_int {
    // SAFETY: the caller's promises.
    match unsafe { Kcp::from_ptr(kcp) } {
        Some(kcp) => kcp.wndsize(sndwnd, rcvwnd),
        None => 0,
    }
}

/// Counts the segments that are queued or in flight. ikcp_send() takes as much as memory holds, so a program that can
/// produce faster than the link should stop sending while this is above, say, twice its send window.
///
/// kcp: the connection.
/// Returns the number of segments; -1 when `kcp` is NULL.
#[unsafe(no_mangle)]
#[cfg_attr(prefixed, unsafe(export_name = prefixed!(ikcp_waitsnd)))]
pub unsafe extern "C" fn ikcp_waitsnd(kcp: *const ikcpcb) -> c_int {
    // SAFETY: the caller's promises.
    match unsafe { Kcp::from_ptr(kcp) } {
        Some(kcp) => kcp.waitsnd(),
        None => -1,
    }
}

/// Trades bandwidth for latency. Default: (kcp, 0, 100, 0, 0). Lowest latency: (kcp, 1, 10, 2, 1).
///
/// kcp: the connection.
/// nodelay: 0: timeouts double, and are at least 100 ms; 1: they grow by half, and are at least 30 ms; 2: they grow by
/// half of the connection's timeout.
/// interval: milliseconds between two flushes, limited to 10 to 5000.
/// resend: number of later segments acknowledged after which a segment is retransmitted at once. 0: never.
/// nc: 1: no congestion window.
/// Each of the four is unchanged when below 0.
/// Returns 0; -1 when `kcp` is NULL.
#[unsafe(no_mangle)]
#[cfg_attr(prefixed, unsafe(export_name = prefixed!(ikcp_nodelay)))]
pub unsafe extern "C" fn ikcp_nodelay(
    kcp: *mut ikcpcb,
    nodelay: c_int,
    interval: c_int,
    resend: c_int,
    nc: c_int,
) -> c_int {
    // SAFETY: the caller's promises.
    match unsafe { Kcp::from_ptr(kcp) } {
        Some(kcp) => kcp.nodelay(nodelay, interval, resend, nc),
        None => -1,
    }
}

/// Installs a congestion control, after releasing the previous one. While one is installed, `nocwnd` is ignored.
///
/// kcp: the connection.
/// ops: the hooks of the control, valid until the connection is released or the next ikcp_setcc(). NULL: the built-in
/// control.
/// Returns 0; -1 when `ops->init` returned less than 0, and the built-in control is back; -1 when `kcp` is NULL, and
/// with IKCP_PROFILE below 211, which has no hooks.
#[unsafe(no_mangle)]
#[cfg_attr(prefixed, unsafe(export_name = prefixed!(ikcp_setcc)))]
pub unsafe extern "C" fn ikcp_setcc(kcp: *mut ikcpcb, ops: *const IKCPOPS) -> c_int {
    // SAFETY: the caller's promises.
    match unsafe { Kcp::from_ptr(kcp) } {
        // SAFETY: the caller's promises: the table stays until it is replaced.
        Some(kcp) => unsafe { kcp.setcc(ops) },
        None => -1,
    }
}

/// `ikcp_log` as the header declares it: cbindgen reads this block, the compiler does not. The function is in `log`.
#[cfg(any())]
unsafe extern "C" {
    /// Writes a line to the log: formats it like printf() and passes it to `kcp->writelog`, if that is set and
    /// `kcp->logmask` has a bit of `mask`. A line of more than 1023 bytes is truncated.
    ///
    /// kcp: the connection. NULL does nothing.
    /// mask: IKCP_LOG_ bits.
    /// fmt: format as in printf(). NULL does nothing.
    pub fn ikcp_log(kcp: *mut ikcpcb, mask: c_int, fmt: *const c_char, ...);
}

/// Sets the allocator of the library, for all connections. Call it before the first ikcp_create(), while there is no
/// connection: memory is freed with the function that is set when it is freed.
///
/// new_malloc: behaves as malloc(). NULL: malloc().
/// new_free: behaves as free(). NULL: free().
/// Neither may call the library.
#[unsafe(no_mangle)]
#[cfg_attr(prefixed, unsafe(export_name = prefixed!(ikcp_allocator)))]
pub unsafe extern "C" fn ikcp_allocator(
    new_malloc: Option<unsafe extern "C" fn(size: usize) -> *mut c_void>,
    new_free: Option<unsafe extern "C" fn(ptr: *mut c_void)>,
) {
    // SAFETY: the caller's promises: the two belong together, and no other thread is in the library.
    unsafe { ikcp_core::allocator(new_malloc, new_free) }
}

/// Reads the connection number of a packet, so that a program can find its connection.
///
/// ptr: the packet, at least 4 bytes. NULL gives 0.
/// Returns the number.
#[unsafe(no_mangle)]
#[cfg_attr(prefixed, unsafe(export_name = prefixed!(ikcp_getconv)))]
pub unsafe extern "C" fn ikcp_getconv(ptr: *const c_void) -> IUINT32 {
    // SAFETY: the caller's promises: four bytes.
    unsafe { ikcp_core::getconv(ptr) }
}

/// Sets the flush interval as `ikcp_nodelay` does. The original exports it and bindings use it, but no header has it.
#[unsafe(no_mangle)]
#[cfg_attr(prefixed, unsafe(export_name = prefixed!(ikcp_interval)))]
pub unsafe extern "C" fn ikcp_interval(kcp: *mut ikcpcb, interval: c_int) -> c_int {
    // SAFETY: the caller's promises.
    match unsafe { Kcp::from_ptr(kcp) } {
        Some(kcp) => kcp.set_interval(interval),
        None => -1,
    }
}

/// Does nothing, as in the original, where the body is disabled. Not in the header.
#[unsafe(no_mangle)]
#[cfg_attr(prefixed, unsafe(export_name = prefixed!(ikcp_qprint)))]
pub unsafe extern "C" fn ikcp_qprint(_name: *const c_char, _head: *const IQUEUEHEAD) {}

/// Takes over a segment that came from the allocator, as `ikcp_input` does with the segments of a packet. Not in the
/// header.
#[unsafe(no_mangle)]
#[cfg_attr(prefixed, unsafe(export_name = prefixed!(ikcp_parse_data)))]
pub unsafe extern "C" fn ikcp_parse_data(kcp: *mut ikcpcb, newseg: *mut IKCPSEG) {
    // SAFETY: the caller's promises.
    if let (Some(kcp), Some(segment)) = unsafe { (Kcp::from_ptr(kcp), ForeignSegment::new(newseg)) }
    {
        kcp.parse_data(segment);
    }
}
