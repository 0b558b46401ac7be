//! The exported functions of ikcpx.h: what the original lacks. They are as thin as those of `api`.
//!
//! The comments are the documentation in `include/ikcpx.h`, which cbindgen generates from this file and from the structs in
//! `core/src/extension/info.rs` and `core/src/extras/stats.rs`.
//!
//! # Safety
//! The promises of `api`.
#![allow(clippy::missing_safety_doc)]

use core::ffi::{c_char, c_int, c_void};
use core::slice;

use ikcp_core::{IKCPCB as ikcpcb, IKCPOPS, IKCPX_STATS, IUINT32, Kcp, Source};

/// Congestion control by a model of the path: BBR, after draft-ietf-ccwg-bbr-03. It keeps a link full even if the link loses
/// packets for other reasons than congestion, and keeps the queue short.
///
/// Turn it on with `ikcp_setcc(kcp, ikcpx_bbr())`, which returns -1 when there is no memory. While it is on, losses are detected
/// as with ikcpx_rack().
/// Returns the hooks, the same for all connections; NULL with IKCP_PROFILE below 211, which has no hooks.
#[unsafe(no_mangle)]
#[cfg_attr(prefixed, unsafe(export_name = prefixed!(ikcpx_bbr)))]
pub extern "C" fn ikcpx_bbr() -> *const IKCPOPS {
    ikcp_core::bbr()
}

/// Congestion control by loss: CUBIC, after RFC 9438, with the slow start of RFC 9406 (HyStart++). It shares a link with TCP as
/// TCP connections do.
///
/// Turn it on with `ikcp_setcc(kcp, ikcpx_cubic())`, which returns -1 when there is no memory. While it is on, losses are
/// detected as with ikcpx_rack().
/// Returns the hooks, the same for all connections; NULL with IKCP_PROFILE below 211, which has no hooks.
#[unsafe(no_mangle)]
#[cfg_attr(prefixed, unsafe(export_name = prefixed!(ikcpx_cubic)))]
pub extern "C" fn ikcpx_cubic() -> *const IKCPOPS {
    ikcp_core::cubic()
}

/// Tells loss from reordering by time, as RFC 8985 (RACK) does, with the time stamps that the peer's acknowledgements echo. Fewer
/// segments are retransmitted unnecessarily. `fastresend` applies only while few segments are in flight.
///
/// kcp: the connection.
/// on: not 0: on; 0: as in the original, unless ikcpx_bbr() or ikcpx_cubic() is installed, which need it.
/// Returns 0; -1 when there is no memory, `kcp` is NULL, and with IKCP_PROFILE below 211.
#[unsafe(no_mangle)]
#[cfg_attr(prefixed, unsafe(export_name = prefixed!(ikcpx_rack)))]
pub unsafe extern "C" fn ikcpx_rack(kcp: *mut ikcpcb, on: c_int) -> c_int {
    // SAFETY: the caller's promises.
    match unsafe { Kcp::from_ptr(kcp) } {
        Some(kcp) => kcp.rack(on != 0),
        None => -1,
    }
}

/// Reads counters of what happens on a connection. Counting begins with the first call, which returns zeros.
///
/// kcp: the connection.
/// stats: gets the counters. NULL: only begins to count.
/// size: `sizeof *stats`. The struct of an older program gets the members that it has; in that of a newer program, members that
/// this library lacks are 0.
/// Returns 0; -1 when `kcp` is NULL, and in the first call when there is no memory.
#[unsafe(no_mangle)]
#[cfg_attr(prefixed, unsafe(export_name = prefixed!(ikcpx_stats)))]
pub unsafe extern "C" fn ikcpx_stats(
    kcp: *mut ikcpcb,
    stats: *mut IKCPX_STATS,
    size: usize,
) -> c_int {
    // SAFETY: the caller's promises.
    match unsafe { Kcp::from_ptr(kcp) } {
        // SAFETY: the caller's promises: NULL, or as many bytes as `size` says.
        Some(kcp) => unsafe { kcp.stats(stats, size) },
        None => -1,
    }
}

/// Computes when something is due: an acknowledgement, a message that fits the windows, a retransmission, a window probe. Ask
/// after each call for the connection. Then sleep until that time, or until a packet arrives, and call ikcpx_update(). A program
/// that does so has no other wake-ups, and none while nothing is in flight. While messages wait for a control of this header, its flushes
/// are due as it planned them, and some send nothing. Write the time into `kcp->current` before ikcp_input(): that clock, by which
/// round-trip times are measured, has stood still during the sleep.
///
/// kcp: the connection. NULL: the answer is `current`.
/// current: clock in milliseconds.
/// Returns a time of that clock: `current` when something is due now; `current` + 2147483647 when only a call or a packet can
/// make something due.
#[unsafe(no_mangle)]
#[cfg_attr(prefixed, unsafe(export_name = prefixed!(ikcpx_next)))]
pub unsafe extern "C" fn ikcpx_next(kcp: *mut ikcpcb, current: IUINT32) -> IUINT32 {
    // SAFETY: the caller's promises.
    match unsafe { Kcp::from_ptr(kcp) } {
        Some(kcp) => kcp.next_due(current),
        None => current,
    }
}

/// Sets the clock and sends everything that is due, also between two intervals: ikcp_update() and ikcp_flush() in one. It costs
/// almost nothing when nothing is due.
///
/// kcp: the connection. NULL does nothing.
/// current: clock in milliseconds.
#[unsafe(no_mangle)]
#[cfg_attr(prefixed, unsafe(export_name = prefixed!(ikcpx_update)))]
pub unsafe extern "C" fn ikcpx_update(kcp: *mut ikcpcb, current: IUINT32) {
    // SAFETY: the caller's promises.
    if let Some(kcp) = unsafe { Kcp::from_ptr(kcp) } {
        kcp.update_due(current);
    }
}

/// Allows a message to have 255 fragments instead of 127, and refuses messages that the peer could never deliver: ikcp_send()
/// returns -3 for a message with more fragments than the largest window that the peer has told since this call, or than `rmt_wnd`
/// before it has told any, which is 128 in a new connection. Turn it on in a new connection: later the peer may tell only what is free
/// of its window. In stream mode a call may send any number of bytes.
///
/// kcp: the connection.
/// on: not 0: on; 0: as in the original.
/// Returns 0; -1 when there is no memory or `kcp` is NULL.
#[unsafe(no_mangle)]
#[cfg_attr(prefixed, unsafe(export_name = prefixed!(ikcpx_large_messages)))]
pub unsafe extern "C" fn ikcpx_large_messages(kcp: *mut ikcpcb, on: c_int) -> c_int {
    // SAFETY: the caller's promises.
    match unsafe { Kcp::from_ptr(kcp) } {
        Some(kcp) => kcp.large_messages(on != 0),
        None => -1,
    }
}

/// Call it when the network is back after an outage, or when another network is used. Everything in flight is sent at once, or at
/// the pace of a congestion control, as if for the first time: timeouts start over, and so does the measurement of the round-trip
/// time. A closed window is probed. If `state` said that the link is dead, it is 0 again. The time is the one that the connection was
/// told last, so tell it the time first, with ikcp_update() or ikcpx_update(), if it has slept.
///
/// kcp: the connection. NULL does nothing.
#[unsafe(no_mangle)]
#[cfg_attr(prefixed, unsafe(export_name = prefixed!(ikcpx_path_changed)))]
pub unsafe extern "C" fn ikcpx_path_changed(kcp: *mut ikcpcb) {
    // SAFETY: the caller's promises.
    if let Some(kcp) = unsafe { Kcp::from_ptr(kcp) } {
        kcp.path_changed();
    }
}

/// Bounds the timeout of a segment, which otherwise grows with each retransmission. The bound is at least `rx_rto`.
///
/// kcp: the connection.
/// milliseconds: the longest timeout, for retransmissions from now on. 0: no bound, as in the original.
/// Returns 0; -1 when `milliseconds` is negative, there is no memory, or `kcp` is NULL.
#[unsafe(no_mangle)]
#[cfg_attr(prefixed, unsafe(export_name = prefixed!(ikcpx_backoff_limit)))]
pub unsafe extern "C" fn ikcpx_backoff_limit(kcp: *mut ikcpcb, milliseconds: c_int) -> c_int {
    // SAFETY: the caller's promises.
    match unsafe { Kcp::from_ptr(kcp) } {
        Some(kcp) => kcp.backoff_limit(milliseconds),
        None => -1,
    }
}

/// Detects a dead link by time: when segments are in flight and none was acknowledged for `milliseconds`. `state` is then
/// 0xFFFFFFFF, as after `dead_link` transmissions of a segment in the original. That rule no longer applies, because `dead_link`
/// is set to 0xFFFFFFFF. The callback is called once, and again only after the peer has acknowledged something in between, or after
/// ikcpx_path_changed(). The connection keeps trying.
///
/// kcp: the connection.
/// milliseconds: how long. 0: by `dead_link`, which is set to 20.
/// callback: called with the connection and its `user` at the end of an ikcp_update() or ikcpx_update(), at most half a second
/// late; the rules are those of `output`. NULL: only `state` tells.
/// Returns 0; -1 when `milliseconds` is negative, there is no memory, or `kcp` is NULL.
#[unsafe(no_mangle)]
#[cfg_attr(prefixed, unsafe(export_name = prefixed!(ikcpx_dead_link)))]
pub unsafe extern "C" fn ikcpx_dead_link(
    kcp: *mut ikcpcb,
    milliseconds: c_int,
    callback: Option<unsafe extern "C" fn(kcp: *mut ikcpcb, user: *mut c_void)>,
) -> c_int {
    // SAFETY: the caller's promises.
    match unsafe { Kcp::from_ptr(kcp) } {
        Some(kcp) => kcp.dead_after(milliseconds, callback),
        None => -1,
    }
}

/// Sends copies of segments before their loss is certain, which makes the latest messages less late. A retransmitted segment is
/// sent twice. Packets with free room carry copies of late segments, then of recent ones. The copies cost about `percent` more
/// bytes and few more packets. Nothing is copied while nothing is lost, and less where copies would fill a queue. The peer may be
/// any KCP, which sees duplicates. Copies are for messages now and then: with more than 64 segments in flight nothing is copied,
/// and a segment of more than half a packet finds no free room.
///
/// kcp: the connection.
/// percent: bytes of copies, in percent of the payload that is sent for the first time: 0 to 100. 0: none, as in the original.
/// Returns 0; -1 when `percent` is out of range, there is no memory, or `kcp` is NULL.
#[unsafe(no_mangle)]
#[cfg_attr(prefixed, unsafe(export_name = prefixed!(ikcpx_redundancy)))]
pub unsafe extern "C" fn ikcpx_redundancy(kcp: *mut ikcpcb, percent: c_int) -> c_int {
    // SAFETY: the caller's promises.
    match unsafe { Kcp::from_ptr(kcp) } {
        Some(kcp) if kcp.set_redundancy(percent.cast_unsigned()) => 0,
        _ => -1,
    }
}

/// Queues a message as ikcp_send() does, which is worth nothing when it comes late. If it has not begun to leave in
/// `milliseconds`, for want of room in a window or of the pace of a congestion control of this header, it is dropped from the queue
/// at the next flush. What has begun to leave is completed, unless ikcpx_stub() says otherwise. The peer may be any KCP: it never
/// learns of what was dropped.
///
/// kcp: the connection.
/// data, len: the message.
/// milliseconds: how long, from the time that the connection was told last. 0: it leaves before that time moves on, or never. More
/// than 2^30, which is 12 days, counts as 2^30.
/// Returns what ikcp_send() does, and -1 when `milliseconds` is negative or `kcp` is NULL; -4 in stream mode, where there are no
/// messages.
#[unsafe(no_mangle)]
#[cfg_attr(prefixed, unsafe(export_name = prefixed!(ikcpx_send_until)))]
pub unsafe extern "C" fn ikcpx_send_until(
    kcp: *mut ikcpcb,
    data: *const c_char,
    len: c_int,
    milliseconds: c_int,
) -> c_int {
    // SAFETY: the caller's promises.
    match unsafe { Kcp::from_ptr(kcp) } {
        // SAFETY: the caller's promise: `len` bytes, or NULL.
        Some(kcp) => kcp.send_until(unsafe { Source::new(data) }, len, milliseconds),
        None => -1,
    }
}

/// Shortens messages of ikcpx_send_until() that are in flight when their time is over, or that would arrive too late when sent
/// again: instead of such a message the peer gets the stub, a message of these bytes, which the receiving program has to know and to
/// pass over. The stub takes the message's place, so that later messages need not wait for one that nobody wants any more. From the
/// end of the time on the stub is sent every 20 ms until it has arrived, less often after a second. Where packets get lost, it also
/// rides in packets that leave from half a round trip before. All this holds for messages of one segment that leave from now on; one
/// that is not longer than the stub is sent unchanged, and as often. Where the peer has the message already, and only the
/// acknowledgement is missing, the peer keeps the message. Of the segment in `snd_buf` only `len` and `data` change.
///
/// kcp: the connection.
/// data, len: the stub, 1 to 64 bytes, which are copied. 0 with `empty` 0: none, as before the first call.
/// empty: not 0, with a `len` of 0: the stub is an empty message. Beware of the program on the other side: one that
/// takes a 0 of ikcp_recv() for the end of what there is does not get what is behind it, and `Read` of kcp-go never returns.
/// Returns 0; -1 when `len` is out of range, `data` is NULL and `len` is not 0, there is no memory, or `kcp` is NULL.
#[unsafe(no_mangle)]
#[cfg_attr(prefixed, unsafe(export_name = prefixed!(ikcpx_stub)))]
pub unsafe extern "C" fn ikcpx_stub(
    kcp: *mut ikcpcb,
    data: *const c_char,
    len: c_int,
    empty: c_int,
) -> c_int {
    let stub = match usize::try_from(len) {
        Ok(0) => (empty != 0).then_some(&[][..]),
        // SAFETY: the caller's promise: `len` bytes.
        Ok(len) if !data.is_null() => Some(unsafe { slice::from_raw_parts(data.cast(), len) }),
        _ => return -1,
    };
    // SAFETY: the caller's promises.
    match unsafe { Kcp::from_ptr(kcp) } {
        Some(kcp) if kcp.set_stub(stub) => 0,
        _ => -1,
    }
}
