//! The public structures of ikcp.h on a 64-bit machine. The first 216 bytes of the control block are the same in every version;
//! the rest differs, hence [`Prefix`] and the three whole blocks built on it.

use std::ffi::{c_char, c_int, c_void};
use std::mem::{offset_of, size_of};

/// `struct IQUEUEHEAD`: the link of the circular lists.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct QueueHead {
    pub next: *mut QueueHead,
    pub prev: *mut QueueHead,
}

/// `struct IKCPSEG`; the payload begins at `data` and extends past the end of the structure.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct Segment {
    pub node: QueueHead,
    pub conv: u32,
    pub cmd: u32,
    pub frg: u32,
    pub wnd: u32,
    pub ts: u32,
    pub sn: u32,
    pub una: u32,
    pub len: u32,
    pub resendts: u32,
    pub rto: u32,
    pub fastack: u32,
    pub xmit: u32,
    pub data: [u8; 1],
}

/// The control block as the functions see it: only ever behind a pointer.
#[repr(C)]
pub struct Ikcpcb {
    pub prefix: Prefix,
}

/// `int (*output)(const char *buf, int len, ikcpcb *kcp, void *user)`
pub type Output = unsafe extern "C" fn(*const c_char, c_int, *mut Ikcpcb, *mut c_void) -> c_int;
/// `void (*writelog)(const char *log, ikcpcb *kcp, void *user)`
pub type WriteLog = unsafe extern "C" fn(*const c_char, *mut Ikcpcb, *mut c_void);

/// `struct IKCPOPS` of 2.x. The member order is part of the interface.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct Ops {
    pub name: *const c_char,
    pub init: Option<unsafe extern "C" fn(*mut Ikcpcb) -> c_int>,
    pub release: Option<unsafe extern "C" fn(*mut Ikcpcb)>,
    pub on_ack: Option<unsafe extern "C" fn(*mut Ikcpcb, u32, u32, u32)>,
    pub on_fast_retransmit: Option<unsafe extern "C" fn(*mut Ikcpcb, u32, u32, u32)>,
    pub on_timeout: Option<unsafe extern "C" fn(*mut Ikcpcb, u32)>,
    pub on_tick: Option<unsafe extern "C" fn(*mut Ikcpcb)>,
    pub on_app_limited: Option<unsafe extern "C" fn(*mut Ikcpcb, u32)>,
    pub on_rtt: Option<unsafe extern "C" fn(*mut Ikcpcb, i32)>,
    pub on_pkt_sent: Option<unsafe extern "C" fn(*mut Ikcpcb, u32, u32, u32, u32, u32)>,
    pub on_pkt_acked: Option<unsafe extern "C" fn(*mut Ikcpcb, u32, u32, u32, i32, u32)>,
    pub get_info: Option<unsafe extern "C" fn(*mut Ikcpcb, *mut c_void, u32) -> u32>,
    pub pacing_rate: Option<unsafe extern "C" fn(*mut Ikcpcb) -> u32>,
}

/// Offsets 0 to 215: the same in every version.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct Prefix {
    pub conv: u32,
    pub mtu: u32,
    pub mss: u32,
    pub state: u32,
    pub snd_una: u32,
    pub snd_nxt: u32,
    pub rcv_nxt: u32,
    pub ts_recent: u32,
    pub ts_lastack: u32,
    pub ssthresh: u32,
    pub rx_rttval: i32,
    pub rx_srtt: i32,
    pub rx_rto: i32,
    pub rx_minrto: i32,
    pub snd_wnd: u32,
    pub rcv_wnd: u32,
    pub rmt_wnd: u32,
    pub cwnd: u32,
    pub probe: u32,
    pub current: u32,
    pub interval: u32,
    pub ts_flush: u32,
    pub xmit: u32,
    pub nrcv_buf: u32,
    pub nsnd_buf: u32,
    pub nrcv_que: u32,
    pub nsnd_que: u32,
    pub nodelay: u32,
    pub updated: u32,
    pub ts_probe: u32,
    pub probe_wait: u32,
    pub dead_link: u32,
    pub incr: u32,
    pub snd_queue: QueueHead,
    pub rcv_queue: QueueHead,
    pub snd_buf: QueueHead,
    pub rcv_buf: QueueHead,
    pub acklist: *mut u32,
    pub ackcount: u32,
    pub ackblock: u32,
}

/// The original from 1.4 to 1.7.1: 272 bytes.
#[repr(C)]
pub struct Block17 {
    pub prefix: Prefix,
    pub user: *mut c_void,
    pub buffer: *mut c_char,
    pub fastresend: c_int,
    pub fastlimit: c_int,
    pub nocwnd: c_int,
    pub stream: c_int,
    pub logmask: c_int,
    pub output: Option<Output>,
    pub writelog: Option<WriteLog>,
}

/// The original at 2.1.1: 296 bytes; `ackedlen` displaces everything from `user` on.
#[repr(C)]
pub struct Block211 {
    pub prefix: Prefix,
    pub ackedlen: u32,
    pub user: *mut c_void,
    pub buffer: *mut c_char,
    pub fastresend: c_int,
    pub fastlimit: c_int,
    pub nocwnd: c_int,
    pub stream: c_int,
    pub ccops: *const Ops,
    pub congest: *mut c_void,
    pub logmask: c_int,
    pub output: Option<Output>,
    pub writelog: Option<WriteLog>,
}

/// Ours by default: the 272 bytes of 1.4 to 1.7.1, then what 2.x added.
#[repr(C)]
pub struct BlockAppended {
    pub base: Block17,
    pub ackedlen: u32,
    pub ccops: *const Ops,
    pub congest: *mut c_void,
}

const _: () = {
    assert!(
        size_of::<usize>() == 8,
        "the mirrors describe 64-bit machines"
    );
    assert!(size_of::<Segment>() == 72 && offset_of!(Segment, data) == 64);
    assert!(size_of::<Prefix>() == 216 && offset_of!(Prefix, snd_queue) == 136);
    assert!(size_of::<Block17>() == 272 && offset_of!(Block17, output) == 256);
    assert!(size_of::<Block211>() == 296 && offset_of!(Block211, user) == 224);
    assert!(size_of::<BlockAppended>() == 296 && offset_of!(BlockAppended, ackedlen) == 272);
};

/// Which of the three whole blocks a library uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// [`Block17`]
    V17,
    /// [`Block211`]
    V211,
    /// [`BlockAppended`]
    Appended,
}

/// Where the fields after the common prefix are in one control block. Fields that a layout lacks are `None`.
#[derive(Debug, Clone, Copy)]
pub struct Tail {
    pub user: *mut *mut c_void,
    pub buffer: *mut *mut c_char,
    pub fastresend: *mut c_int,
    pub fastlimit: *mut c_int,
    pub nocwnd: *mut c_int,
    pub stream: *mut c_int,
    pub logmask: *mut c_int,
    pub output: *mut Option<Output>,
    pub writelog: *mut Option<WriteLog>,
    pub ackedlen: Option<*mut u32>,
    pub ccops: Option<*mut *const Ops>,
    pub congest: Option<*mut *mut c_void>,
}

macro_rules! tail {
    ($block:expr, $ackedlen:expr, $ccops:expr, $congest:expr) => {{
        let block = $block;
        Tail {
            user: &raw mut (*block).user,
            buffer: &raw mut (*block).buffer,
            fastresend: &raw mut (*block).fastresend,
            fastlimit: &raw mut (*block).fastlimit,
            nocwnd: &raw mut (*block).nocwnd,
            stream: &raw mut (*block).stream,
            logmask: &raw mut (*block).logmask,
            output: &raw mut (*block).output,
            writelog: &raw mut (*block).writelog,
            ackedlen: $ackedlen,
            ccops: $ccops,
            congest: $congest,
        }
    }};
}

impl Layout {
    /// The fields after the prefix of `kcp`.
    ///
    /// # Safety
    /// `kcp` is a live control block of a library with this layout.
    pub unsafe fn tail(self, kcp: *mut Ikcpcb) -> Tail {
        // SAFETY: the caller vouches for the block and its layout; only addresses are formed.
        unsafe {
            match self {
                Layout::V17 => tail!(kcp.cast::<Block17>(), None, None, None),
                Layout::V211 => {
                    let whole = kcp.cast::<Block211>();
                    tail!(
                        whole,
                        Some(&raw mut (*whole).ackedlen),
                        Some(&raw mut (*whole).ccops),
                        Some(&raw mut (*whole).congest)
                    )
                }
                Layout::Appended => {
                    let whole = kcp.cast::<BlockAppended>();
                    tail!(
                        &raw mut (*whole).base,
                        Some(&raw mut (*whole).ackedlen),
                        Some(&raw mut (*whole).ccops),
                        Some(&raw mut (*whole).congest)
                    )
                }
            }
        }
    }
}
