//! The controls as tables of hooks. Each hook finds its control in `congest`, and does nothing else than ask it.

use core::ffi::{c_char, c_int, c_void};
use core::ptr;

use super::Party;
use super::info::IKCPX_CCINFO;
use crate::abi::{IKCPCB, IKCPOPS, IUINT32};
use crate::consts::profile;
use crate::kcp::Kcp;
use crate::memory::{allocate, deallocate};

/// A table that no thread writes to.
struct Table(IKCPOPS);

// SAFETY: it is constant, and what its name points to is as well.
unsafe impl Sync for Table {}

const NO_HOOKS: IKCPOPS = IKCPOPS {
    name: c"none".as_ptr(),
    init: None,
    release: None,
    on_ack: None,
    on_fast_retransmit: None,
    on_timeout: None,
    on_tick: None,
    on_app_limited: None,
    on_rtt: None,
    on_pkt_sent: None,
    on_pkt_acked: None,
    get_info: None,
    pacing_rate: None,
};

static NONE: Table = Table(NO_HOOKS);
static BBR: Table = Table(table(c"bbr".as_ptr(), init));
static CUBIC: Table = Table(table(c"cubic".as_ptr(), init));

const fn table(
    name: *const c_char,
    init: unsafe extern "C" fn(kcp: *mut IKCPCB) -> c_int,
) -> IKCPOPS {
    IKCPOPS {
        name,
        init: Some(init),
        release: Some(release),
        on_tick: Some(on_tick),
        get_info: Some(get_info),
        ..NO_HOOKS
    }
}

/// The hooks of BBR.
#[must_use]
pub fn bbr() -> *const IKCPOPS {
    if profile::CONGESTION_HOOKS {
        &raw const BBR.0
    } else {
        ptr::null()
    }
}

/// The hooks of CUBIC.
#[must_use]
pub fn cubic() -> *const IKCPOPS {
    if profile::CONGESTION_HOOKS {
        &raw const CUBIC.0
    } else {
        ptr::null()
    }
}

/// The table of a connection that tells loss by time and has no control.
pub(super) fn none() -> *const IKCPOPS {
    &raw const NONE.0
}

/// What `congest` points to.
struct Control {
    cwnd: u32,
}

/// The handle for one hook.
///
/// # Safety
/// The library calls the hook with an object of its own.
unsafe fn object<'a>(kcp: *mut IKCPCB) -> Option<Kcp<'a>> {
    // SAFETY: the caller's promise.
    unsafe { Kcp::from_ptr(kcp) }
}

unsafe extern "C" fn init(kcp: *mut IKCPCB) -> c_int {
    // SAFETY: the library calls it.
    let Some(kcp) = (unsafe { object(kcp) }) else {
        return -1;
    };
    if !kcp.private().extension.turn_on(Party::Control) {
        return -1;
    }
    let Some(memory) = allocate(size_of::<Control>()) else {
        kcp.private().extension.turn_off(Party::Control);
        return -1;
    };
    let at = memory.cast::<Control>().as_ptr();
    // SAFETY: the allocation just made, of that size.
    unsafe { at.write(Control { cwnd: 32 }) };
    kcp.congest.set(at.cast());
    kcp.cwnd.set(32);
    0
}

unsafe extern "C" fn release(kcp: *mut IKCPCB) {
    // SAFETY: the library calls it.
    let Some(kcp) = (unsafe { object(kcp) }) else {
        return;
    };
    let control = kcp.congest.replace(ptr::null_mut());
    if !control.is_null() {
        // SAFETY: `init` allocated it, and no hook runs any more that uses it.
        unsafe { deallocate(control.cast()) }
    }
    kcp.private().extension.turn_off(Party::Control);
}

unsafe extern "C" fn on_tick(kcp: *mut IKCPCB) {
    // SAFETY: the library calls it.
    if let Some(kcp) = unsafe { object(kcp) } {
        // SAFETY: `init` set it.
        if let Some(control) = unsafe { kcp.congest.get().cast::<Control>().as_mut() } {
            kcp.cwnd.set(control.cwnd);
        }
    }
}

unsafe extern "C" fn get_info(kcp: *mut IKCPCB, buf: *mut c_void, bufsize: IUINT32) -> IUINT32 {
    // SAFETY: a program calls it with an object of the library.
    let Some(kcp) = (unsafe { object(kcp) }) else {
        return 0;
    };
    if buf.is_null() || !(ptr::eq(kcp.ccops.get(), bbr()) || ptr::eq(kcp.ccops.get(), cubic())) {
        return 0;
    }
    let info = IKCPX_CCINFO {
        phase_name: c"start".as_ptr(),
        phase: 0,
        bandwidth: 0,
        pacing_rate: 0,
        min_rtt: 0,
        inflight: kcp.nsnd_buf.get(),
        inflight_target: kcp.cwnd.get(),
        cwnd: kcp.cwnd.get(),
        ssthresh: u32::MAX,
        lost: 0,
        needless: 0,
    };
    let size = (bufsize as usize).min(size_of::<IKCPX_CCINFO>());
    // SAFETY: the program's promise: as much room as `bufsize` says.
    unsafe { ptr::copy_nonoverlapping((&raw const info).cast::<u8>(), buf.cast(), size) };
    size as u32
}
