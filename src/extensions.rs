//! The exported functions of ikcpx.h: what the original lacks. Each is a door as those of `api` are.
//!
//! The comments are the documentation of `include/ikcpx.h`, which cbindgen generates from this file and from the structs in
//! `core/src/extension/info.rs`.
//!
//! # Safety
//! That of `api`.
#![allow(clippy::missing_safety_doc)]

use core::ffi::c_int;

use ikcp_core::{IKCPCB as ikcpcb, IKCPOPS, Kcp};

/// Congestion control by a model of the path: BBR, after draft-ietf-ccwg-bbr-03. It keeps a link full that loses packets for
/// other reasons than congestion, and the queue short.
///
/// Turn it on with `ikcp_setcc(kcp, ikcpx_bbr())`, which gives -1 when there is no memory. It tells loss as
/// ikcpx_rack() does while it is on.
/// Returns the hooks, the same for all connections; NULL with IKCP_PROFILE below 211, which has no hooks.
#[unsafe(no_mangle)]
#[cfg_attr(prefixed, unsafe(export_name = prefixed!(ikcpx_bbr)))]
pub extern "C" fn ikcpx_bbr() -> *const IKCPOPS {
    ikcp_core::bbr()
}

/// Congestion control by loss: CUBIC, after RFC 9438, with the slow start of RFC 9406 (HyStart++). It shares a link with
/// TCP as TCP does.
///
/// Turn it on with `ikcp_setcc(kcp, ikcpx_cubic())`, which gives -1 when there is no memory. It tells loss as
/// ikcpx_rack() does while it is on.
/// Returns the hooks, the same for all connections; NULL with IKCP_PROFILE below 211, which has no hooks.
#[unsafe(no_mangle)]
#[cfg_attr(prefixed, unsafe(export_name = prefixed!(ikcpx_cubic)))]
pub extern "C" fn ikcpx_cubic() -> *const IKCPOPS {
    ikcp_core::cubic()
}

/// Tells loss from reordering by time, as RFC 8985 (RACK) does, with the time stamps that the peer's acknowledgements echo:
/// fewer segments are sent again for nothing. `fastresend` counts while few segments are in flight and not beyond.
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

/// Sends segments once more before their loss is certain, where that makes the latest messages less late: those that were sent
/// again go out twice, late ones and then fresh ones ride along in packets that have room. It costs bytes, about `percent` of
/// what is sent, and few packets more; nothing while nothing is lost, and less where the copies would fill a queue. The peer may be any KCP:
/// to it they are duplicates. For messages now and then: with more than 64 segments in flight nothing is copied, nor
/// does a segment of more than half a packet ride along.
///
/// kcp: the connection.
/// percent: how many bytes of copies, in percent of the payload that is sent for the first time: 0 to 100. 0: none, as in the original.
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
