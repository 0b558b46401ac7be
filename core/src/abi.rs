//! The structs that programs read and write, in both layouts.
//!
//! Every field is a [`Cell`]: a program may change any of them between two calls and inside any callback, so nothing
//! here is ever borrowed mutably. These fields are the truth; the private part of an object (`kcp`) only caches them.

use core::cell::Cell;
use core::ffi::{c_char, c_int, c_void};
use core::mem::offset_of;

/// The original's name for its 32-bit unsigned integer.
pub type IUINT32 = u32;
/// The original's name for its 32-bit signed integer.
pub type IINT32 = i32;
/// The original's name for the control block.
#[allow(non_camel_case_types)]
pub type ikcpcb = IKCPCB;

/// Sends one packet: `len` bytes at `buf`, valid during the call. Its result is ignored.
pub type Output = unsafe extern "C" fn(
    buf: *const c_char,
    len: c_int,
    kcp: *mut IKCPCB,
    user: *mut c_void,
) -> c_int;
/// Takes one line of the log, a C string valid during the call.
pub type WriteLog = unsafe extern "C" fn(log: *const c_char, kcp: *mut IKCPCB, user: *mut c_void);

/// Head of a list, and the link inside each of its members. Same as the original's.
#[repr(C)]
#[allow(missing_debug_implementations)]
pub struct IQUEUEHEAD {
    /// First member, or the head itself.
    pub next: Cell<*mut IQUEUEHEAD>,
    /// Last member, or the head itself.
    pub prev: Cell<*mut IQUEUEHEAD>,
}

/// One segment: header first, payload inline from `data` on, in one allocation. Times are milliseconds.
#[repr(C)]
#[allow(missing_docs, missing_debug_implementations)]
pub struct IKCPSEG {
    /// Link in one of the four lists.
    pub node: IQUEUEHEAD,
    /// Fields of the header on the wire. In `snd_queue` only `frg` and `len` have a meaning for programs.
    pub conv: Cell<IUINT32>,
    pub cmd: Cell<IUINT32>,
    pub frg: Cell<IUINT32>,
    pub wnd: Cell<IUINT32>,
    pub ts: Cell<IUINT32>,
    pub sn: Cell<IUINT32>,
    pub una: Cell<IUINT32>,
    pub len: Cell<IUINT32>,
    /// When it is retransmitted unless it is acknowledged first, and the timeout that led to that time.
    pub resendts: Cell<IUINT32>,
    pub rto: Cell<IUINT32>,
    /// How often a later segment was acknowledged. Updated only when it matters, so it may lag. With ikcpx_rack() or a control of
    /// ikcpx.h, bit 31 marks a segment that was found lost.
    pub fastack: Cell<IUINT32>,
    /// Transmissions so far.
    pub xmit: Cell<IUINT32>,
    /// First of `len` bytes of payload.
    pub data: [Cell<c_char>; 1],
}

/// Hooks of a congestion control, for ikcp_setcc(). Each may be NULL: instead of `on_ack`, `on_fast_retransmit` and
/// `on_timeout` the built-in control then acts; the others are skipped. Hooks may set `cwnd`, `ssthresh`, `incr` and
/// `congest`. The order of the members is part of the interface.
#[repr(C)]
#[allow(missing_debug_implementations)]
pub struct IKCPOPS {
    /// For the program; the library does not read it.
    pub name: *const c_char,
    /// Called by ikcp_setcc(). A result below 0 refuses, and the built-in control is back.
    pub init: Option<unsafe extern "C" fn(kcp: *mut IKCPCB) -> c_int>,
    /// Called when another control takes over, and by ikcp_release().
    pub release: Option<unsafe extern "C" fn(kcp: *mut IKCPCB)>,
    /// `snd_una` rose: by how many segments, the bytes acknowledged, and the segments in flight before.
    pub on_ack: Option<
        unsafe extern "C" fn(
            kcp: *mut IKCPCB,
            acked_segs: IUINT32,
            acked_bytes: IUINT32,
            prior_in_flight: IUINT32,
        ),
    >,
    /// A flush made this many fast retransmissions.
    pub on_fast_retransmit: Option<
        unsafe extern "C" fn(
            kcp: *mut IKCPCB,
            fast_retrans: IUINT32,
            inflight: IUINT32,
            prior_cwnd: IUINT32,
        ),
    >,
    /// A flush retransmitted segments after a timeout.
    pub on_timeout: Option<unsafe extern "C" fn(kcp: *mut IKCPCB, prior_cwnd: IUINT32)>,
    /// A flush begins.
    pub on_tick: Option<unsafe extern "C" fn(kcp: *mut IKCPCB)>,
    /// Everything is sent and the window is not full.
    pub on_app_limited: Option<unsafe extern "C" fn(kcp: *mut IKCPCB, inflight: IUINT32)>,
    /// A round-trip sample, in milliseconds.
    pub on_rtt: Option<unsafe extern "C" fn(kcp: *mut IKCPCB, rtt: IINT32)>,
    /// A segment is being sent, for the `xmit`th time.
    pub on_pkt_sent: Option<
        unsafe extern "C" fn(
            kcp: *mut IKCPCB,
            sn: IUINT32,
            ts: IUINT32,
            len: IUINT32,
            inflight: IUINT32,
            xmit: IUINT32,
        ),
    >,
    /// A segment was acknowledged; `rtt` is -1 when it is unknown.
    pub on_pkt_acked: Option<
        unsafe extern "C" fn(
            kcp: *mut IKCPCB,
            sn: IUINT32,
            ts: IUINT32,
            len: IUINT32,
            rtt: IINT32,
            xmit: IUINT32,
        ),
    >,
    /// For the program; the library does not call it.
    pub get_info: Option<
        unsafe extern "C" fn(kcp: *mut IKCPCB, buf: *mut c_void, bufsize: IUINT32) -> IUINT32,
    >,
    /// Bytes of payload that this flush may send. 0: none; from 2147483648 on: no limit.
    pub pacing_rate: Option<unsafe extern "C" fn(kcp: *mut IKCPCB) -> IUINT32>,
}

impl IKCPOPS {
    /// A table of this name without hooks, or the rest of one that has some.
    #[must_use]
    pub const fn without_hooks(name: *const c_char) -> IKCPOPS {
        IKCPOPS {
            name,
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
        }
    }
}

/// Control block of one connection: its public fields. The library keeps private state behind them, so only
/// ikcp_create() makes one. A program may read every field between two calls and inside callbacks, and may write the
/// fields marked "Set".
///
/// This is the layout of 1.4 to 1.7.1 with the fields of 2.x at its end.
#[cfg(not(feature = "layout-2-1-1"))]
#[repr(C)]
#[allow(missing_docs, missing_debug_implementations)]
pub struct IKCPCB {
    /// Connection number: the same at both ends and in every packet.
    pub conv: Cell<IUINT32>,
    /// Size of the largest packet, in bytes. Change it with ikcp_setmtu().
    pub mtu: Cell<IUINT32>,
    /// Payload of the largest segment, in bytes: `mtu` less 24.
    pub mss: Cell<IUINT32>,
    /// 0, or 0xFFFFFFFF once a segment was sent `dead_link` times: the link counts as dead. Set 0 to clear.
    pub state: Cell<IUINT32>,
    /// Oldest unacknowledged sequence number.
    pub snd_una: Cell<IUINT32>,
    /// Sequence number of the next segment that enters `snd_buf`.
    pub snd_nxt: Cell<IUINT32>,
    /// Next expected sequence number.
    pub rcv_nxt: Cell<IUINT32>,
    /// Unused, as in the original; kept for the layout.
    pub ts_recent: Cell<IUINT32>,
    pub ts_lastack: Cell<IUINT32>,
    /// Slow start threshold, in segments. Set from congestion callbacks.
    pub ssthresh: Cell<IUINT32>,
    /// Variation of the round-trip time, in milliseconds.
    pub rx_rttval: Cell<IINT32>,
    /// Smoothed round-trip time, in milliseconds; 0 before the first sample.
    pub rx_srtt: Cell<IINT32>,
    /// Retransmission timeout for segments sent from now on, in milliseconds.
    pub rx_rto: Cell<IINT32>,
    /// Lowest retransmission timeout, in milliseconds: 100, or 30 after ikcp_nodelay() with `nodelay` on. Set.
    pub rx_minrto: Cell<IINT32>,
    /// Send and receive window, in segments. Change them with ikcp_wndsize().
    pub snd_wnd: Cell<IUINT32>,
    pub rcv_wnd: Cell<IUINT32>,
    /// The peer's free receive window as last announced, in segments.
    pub rmt_wnd: Cell<IUINT32>,
    /// Congestion window, in segments. Set from congestion callbacks.
    pub cwnd: Cell<IUINT32>,
    /// Probes that the next flush sends: bit 0 asks for the peer's window, bit 1 announces ours.
    pub probe: Cell<IUINT32>,
    /// Clock of the last ikcp_update(), in milliseconds. Set.
    pub current: Cell<IUINT32>,
    /// Time between two flushes of ikcp_update(), in milliseconds. Set.
    pub interval: Cell<IUINT32>,
    /// Time of the next flush of ikcp_update(), in milliseconds.
    pub ts_flush: Cell<IUINT32>,
    /// Retransmissions after a timeout, over the life of the connection.
    pub xmit: Cell<IUINT32>,
    /// Lengths of the four lists, in segments.
    pub nrcv_buf: Cell<IUINT32>,
    pub nsnd_buf: Cell<IUINT32>,
    pub nrcv_que: Cell<IUINT32>,
    pub nsnd_que: Cell<IUINT32>,
    /// 0: timeouts double; 1: they grow by half; 2: they grow by half of `rx_rto`.
    pub nodelay: Cell<IUINT32>,
    /// 0 until the first ikcp_update(). Set.
    pub updated: Cell<IUINT32>,
    /// Time of the next window probe and the wait before it, in milliseconds.
    pub ts_probe: Cell<IUINT32>,
    pub probe_wait: Cell<IUINT32>,
    /// Transmissions of one segment after which the link counts as dead. Set.
    pub dead_link: Cell<IUINT32>,
    /// Congestion window, in bytes. Set from congestion callbacks.
    pub incr: Cell<IUINT32>,
    /// Messages that wait for room in the send window.
    pub snd_queue: IQUEUEHEAD,
    /// Segments in order, ready for ikcp_recv().
    pub rcv_queue: IQUEUEHEAD,
    /// Segments in flight, in order of `sn`.
    pub snd_buf: IQUEUEHEAD,
    /// Segments that arrived out of order, in order of `sn`.
    pub rcv_buf: IQUEUEHEAD,
    /// Acknowledgements that the next flush sends: pairs of `sn` and `ts`, their number, and the room for them.
    pub acklist: Cell<*mut IUINT32>,
    pub ackcount: Cell<IUINT32>,
    pub ackblock: Cell<IUINT32>,
    /// Argument of ikcp_create(), passed to the callbacks. Set.
    pub user: Cell<*mut c_void>,
    /// The packet under construction.
    pub buffer: Cell<*mut c_char>,
    /// Later segments acknowledged after which a segment is retransmitted at once; 0: never. Set.
    pub fastresend: Cell<c_int>,
    /// A segment that was sent more often than this is not retransmitted early; 0 or less: no limit. Set.
    pub fastlimit: Cell<c_int>,
    /// Not 0: no congestion window.
    pub nocwnd: Cell<c_int>,
    /// Not 0: stream mode; messages join as in TCP, and segments are filled up. Set before the first ikcp_send().
    pub stream: Cell<c_int>,
    /// Lines that the log gets: sum of IKCP_LOG_ bits. Set.
    pub logmask: Cell<c_int>,
    /// Sends one packet: `len` bytes at `buf`, valid during the call. Its result is ignored. Set, or use
    /// ikcp_setoutput(). The top of this header says what callbacks may do.
    pub output: Cell<
        Option<
            unsafe extern "C" fn(
                buf: *const c_char,
                len: c_int,
                kcp: *mut ikcpcb,
                user: *mut c_void,
            ) -> c_int,
        >,
    >,
    /// Gets one line of the log. Set. The rules are those of `output`.
    pub writelog:
        Cell<Option<unsafe extern "C" fn(log: *const c_char, kcp: *mut ikcpcb, user: *mut c_void)>>,
    /// Bytes acknowledged by the running ikcp_input().
    pub ackedlen: Cell<IUINT32>,
    /// Installed congestion control. Change it with ikcp_setcc().
    pub ccops: Cell<*const IKCPOPS>,
    /// Belongs to the congestion control. Set.
    pub congest: Cell<*mut c_void>,
}

/// Control block of one connection in the exact layout of 2.1.1. The fields are those of the default layout.
#[cfg(feature = "layout-2-1-1")]
#[repr(C)]
#[allow(missing_docs, missing_debug_implementations)]
pub struct IKCPCB {
    pub conv: Cell<IUINT32>,
    pub mtu: Cell<IUINT32>,
    pub mss: Cell<IUINT32>,
    pub state: Cell<IUINT32>,
    pub snd_una: Cell<IUINT32>,
    pub snd_nxt: Cell<IUINT32>,
    pub rcv_nxt: Cell<IUINT32>,
    pub ts_recent: Cell<IUINT32>,
    pub ts_lastack: Cell<IUINT32>,
    pub ssthresh: Cell<IUINT32>,
    pub rx_rttval: Cell<IINT32>,
    pub rx_srtt: Cell<IINT32>,
    pub rx_rto: Cell<IINT32>,
    pub rx_minrto: Cell<IINT32>,
    pub snd_wnd: Cell<IUINT32>,
    pub rcv_wnd: Cell<IUINT32>,
    pub rmt_wnd: Cell<IUINT32>,
    pub cwnd: Cell<IUINT32>,
    pub probe: Cell<IUINT32>,
    pub current: Cell<IUINT32>,
    pub interval: Cell<IUINT32>,
    pub ts_flush: Cell<IUINT32>,
    pub xmit: Cell<IUINT32>,
    pub nrcv_buf: Cell<IUINT32>,
    pub nsnd_buf: Cell<IUINT32>,
    pub nrcv_que: Cell<IUINT32>,
    pub nsnd_que: Cell<IUINT32>,
    pub nodelay: Cell<IUINT32>,
    pub updated: Cell<IUINT32>,
    pub ts_probe: Cell<IUINT32>,
    pub probe_wait: Cell<IUINT32>,
    pub dead_link: Cell<IUINT32>,
    pub incr: Cell<IUINT32>,
    pub snd_queue: IQUEUEHEAD,
    pub rcv_queue: IQUEUEHEAD,
    pub snd_buf: IQUEUEHEAD,
    pub rcv_buf: IQUEUEHEAD,
    pub acklist: Cell<*mut IUINT32>,
    pub ackcount: Cell<IUINT32>,
    pub ackblock: Cell<IUINT32>,
    pub ackedlen: Cell<IUINT32>,
    pub user: Cell<*mut c_void>,
    pub buffer: Cell<*mut c_char>,
    pub fastresend: Cell<c_int>,
    pub fastlimit: Cell<c_int>,
    pub nocwnd: Cell<c_int>,
    pub stream: Cell<c_int>,
    pub ccops: Cell<*const IKCPOPS>,
    pub congest: Cell<*mut c_void>,
    pub logmask: Cell<c_int>,
    pub output: Cell<
        Option<
            unsafe extern "C" fn(
                buf: *const c_char,
                len: c_int,
                kcp: *mut ikcpcb,
                user: *mut c_void,
            ) -> c_int,
        >,
    >,
    pub writelog:
        Cell<Option<unsafe extern "C" fn(log: *const c_char, kcp: *mut ikcpcb, user: *mut c_void)>>,
}

/// Bytes before the payload.
pub(crate) const PAYLOAD_OFFSET: usize = offset_of!(IKCPSEG, data);

// A node is its segment: `list` converts between them by a cast.
const _: () = assert!(offset_of!(IKCPSEG, node) == 0);
const _: () = assert!(offset_of!(IKCPSEG, conv) == 2 * size_of::<usize>());
const _: () = assert!(PAYLOAD_OFFSET == 2 * size_of::<usize>() + 48);
const _: () = assert!(size_of::<IKCPSEG>() == PAYLOAD_OFFSET + size_of::<usize>());

macro_rules! at {
    ($($field:ident $offset:literal),+ $(,)?) => {
        $(const _: () = assert!(core::mem::offset_of!(super::IKCPCB, $field) == $offset);)+
    };
}

#[cfg(target_pointer_width = "64")]
mod layout_on_64_bits {
    //! Every offset that programs compiled against the original rely on.

    at!(
        conv 0, mtu 4, mss 8, state 12, snd_una 16, snd_nxt 20, rcv_nxt 24, ts_recent 28, ts_lastack 32, ssthresh 36,
        rx_rttval 40, rx_srtt 44, rx_rto 48, rx_minrto 52, snd_wnd 56, rcv_wnd 60, rmt_wnd 64, cwnd 68, probe 72,
        current 76, interval 80, ts_flush 84, xmit 88, nrcv_buf 92, nsnd_buf 96, nrcv_que 100, nsnd_que 104,
        nodelay 108, updated 112, ts_probe 116, probe_wait 120, dead_link 124, incr 128, snd_queue 136, rcv_queue 152,
        snd_buf 168, rcv_buf 184, acklist 200, ackcount 208, ackblock 212,
    );
    #[cfg(not(feature = "layout-2-1-1"))]
    at!(
        user 216, buffer 224, fastresend 232, fastlimit 236, nocwnd 240, stream 244, logmask 248, output 256,
        writelog 264, ackedlen 272, ccops 280, congest 288,
    );
    #[cfg(feature = "layout-2-1-1")]
    at!(
        ackedlen 216, user 224, buffer 232, fastresend 240, fastlimit 244, nocwnd 248, stream 252, ccops 256,
        congest 264, logmask 272, output 280, writelog 288,
    );
    const _: () = assert!(size_of::<super::IKCPCB>() == 296);
}

#[cfg(target_pointer_width = "32")]
mod layout_on_32_bits {
    //! The same on 32-bit machines, where nothing is padded. Up to `incr` all offsets are the same as on 64-bit machines.

    at!(
        conv 0, rx_rttval 40, snd_wnd 56, current 76, xmit 88, nodelay 108, incr 128, snd_queue 132, rcv_queue 140,
        snd_buf 148, rcv_buf 156, acklist 164, ackcount 168, ackblock 172,
    );
    #[cfg(not(feature = "layout-2-1-1"))]
    at!(
        user 176, buffer 180, fastresend 184, fastlimit 188, nocwnd 192, stream 196, logmask 200, output 204,
        writelog 208, ackedlen 212, ccops 216, congest 220,
    );
    #[cfg(feature = "layout-2-1-1")]
    at!(
        ackedlen 176, user 180, buffer 184, fastresend 188, fastlimit 192, nocwnd 196, stream 200, ccops 204,
        congest 208, logmask 212, output 216, writelog 220,
    );
    const _: () = assert!(size_of::<super::IKCPCB>() == 224);
}
