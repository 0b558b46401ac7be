//! The control block: the public `IKCPCB` that programs read and write, and the private part behind it.
//!
//! Every field is a [`Cell`]: a program may change any of them between two calls and inside any callback, so nothing
//! here is ever borrowed mutably. The public fields are the only truth; the private part holds caches of it.

use core::cell::Cell;
use core::ffi::{c_char, c_int, c_void};
use core::ops::Deref;
use core::ptr::{self, NonNull};

use crate::alloc::packet::Packet;
use crate::alloc::pool::Pool;
use crate::alloc::{allocate, deallocate};
use crate::congestion::IKCPOPS;
use crate::consts;
use crate::queue::{IQUEUEHEAD, List};
use crate::ring::{Front, ReceiveIndex, SendIndex};
use crate::segment::{IKCPSEG, Roomy, Segment};
use crate::seq::{Millis, Sn};

/// The original's name for its 32-bit unsigned integer.
pub type IUINT32 = u32;
/// The original's name for its 32-bit signed integer.
pub type IINT32 = i32;
/// The original's name for the control block.
#[allow(non_camel_case_types)]
pub type ikcpcb = IKCPCB;

/// Takes one packet to the network: `len` bytes at `buf`, valid during the call. What it returns is ignored.
pub type Output = unsafe extern "C" fn(
    buf: *const c_char,
    len: c_int,
    kcp: *mut IKCPCB,
    user: *mut c_void,
) -> c_int;
/// Takes one line of the log, a C string valid during the call.
pub type WriteLog = unsafe extern "C" fn(log: *const c_char, kcp: *mut IKCPCB, user: *mut c_void);

/// Control block of one connection. Its public fields; the library keeps private state behind them, so only
/// ikcp_create() makes one. A program may read every field between two calls and inside callbacks, and may write
/// those marked "set".
///
/// This is the layout of 1.4 to 1.7.1 with what 2.x added at its end.
#[cfg(not(feature = "layout-2-1-1"))]
#[repr(C)]
#[allow(missing_docs, missing_debug_implementations)]
pub struct IKCPCB {
    /// Connection number: the same in both endpoints, in every packet.
    pub conv: Cell<IUINT32>,
    /// Size of the largest packet, in bytes. Change it with ikcp_setmtu().
    pub mtu: Cell<IUINT32>,
    /// Payload of the largest segment, in bytes: `mtu` less 24.
    pub mss: Cell<IUINT32>,
    /// 0, or 0xFFFFFFFF once a segment was sent `dead_link` times: the link counts as dead. Set 0 to go on.
    pub state: Cell<IUINT32>,
    /// Oldest sequence number that is not acknowledged.
    pub snd_una: Cell<IUINT32>,
    /// Sequence number of the next segment that enters `snd_buf`.
    pub snd_nxt: Cell<IUINT32>,
    /// Sequence number that is expected next.
    pub rcv_nxt: Cell<IUINT32>,
    /// Not used, as in the original; kept for the layout, like `ts_lastack`.
    pub ts_recent: Cell<IUINT32>,
    pub ts_lastack: Cell<IUINT32>,
    /// Slow start threshold, in segments.
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
    /// The peer's free receive window as last heard, in segments.
    pub rmt_wnd: Cell<IUINT32>,
    /// Congestion window, in segments. Set from congestion callbacks.
    pub cwnd: Cell<IUINT32>,
    /// What the next flush tells the peer: bit 0 asks for its window, bit 1 announces ours.
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
    /// Segments in flight, by rising `sn`.
    pub snd_buf: IQUEUEHEAD,
    /// Segments that arrived before one that is missing, by rising `sn`.
    pub rcv_buf: IQUEUEHEAD,
    /// Acknowledgements that the next flush sends: pairs of `sn` and `ts`, how many, and room for how many.
    pub acklist: Cell<*mut IUINT32>,
    pub ackcount: Cell<IUINT32>,
    pub ackblock: Cell<IUINT32>,
    /// Argument of ikcp_create(), handed to the callbacks. Set.
    pub user: Cell<*mut c_void>,
    /// The packet being put together.
    pub buffer: Cell<*mut c_char>,
    /// Later segments acknowledged after which a segment is sent again at once; 0: never. Set.
    pub fastresend: Cell<c_int>,
    /// Transmissions of a segment up to which it is sent again early; 0 or less: no limit. Set.
    pub fastlimit: Cell<c_int>,
    /// Not 0: no congestion window.
    pub nocwnd: Cell<c_int>,
    /// Not 0: messages run together as in TCP, and segments are filled up. Set before the first ikcp_send().
    pub stream: Cell<c_int>,
    /// Which lines the log gets: sum of IKCP_LOG_ bits. Set.
    pub logmask: Cell<c_int>,
    /// Sends one packet: `len` bytes at `buf`, valid during the call. What it returns is ignored. Set, or use
    /// ikcp_setoutput(). It may use `kcp`, and may be left by longjmp() but not by a C++ exception.
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
    /// Takes one line of the log. Set. The rules are those of `output`.
    pub writelog:
        Cell<Option<unsafe extern "C" fn(log: *const c_char, kcp: *mut ikcpcb, user: *mut c_void)>>,
    /// Bytes acknowledged by the ikcp_input() at work.
    pub ackedlen: Cell<IUINT32>,
    /// Congestion control in force. Change it with ikcp_setcc().
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
    //! The same on 32-bit machines, where nothing is padded. Up to `incr` all offsets are those of 64 bits.

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

/// The last segment of `snd_queue` and how many bytes it has room for, so that stream mode appends in place.
#[derive(Clone, Copy)]
pub(crate) struct Tail {
    /// Compared with the end of the queue before it is believed.
    pub(crate) segment: *mut IKCPSEG,
    pub(crate) room: u32,
}

/// The part of a control block that programs do not see.
pub(crate) struct Private {
    pub(crate) pool: Pool,
    pub(crate) packet: Packet,
    pub(crate) sent: SendIndex,
    pub(crate) received: ReceiveIndex,
    pub(crate) front: Front,
    pub(crate) tail: Cell<Tail>,
    /// Segments at the front of `rcv_queue` that an `ikcp_recv`, at the moment inside its log line, is taking.
    pub(crate) recv_hold: Cell<u32>,
    /// The time of the last flush, when that had to leave segments that were due for want of budget or memory.
    pub(crate) withheld: Cell<Option<Millis>>,
    /// Packets taken so far, to tell whether a callback brought one.
    pub(crate) inputs: Cell<u32>,
    /// Most acknowledgements that one flush found pending during this trimming period.
    pub(crate) ack_peak: Cell<u32>,
    /// When the trimming period began.
    pub(crate) trimmed: Cell<Millis>,

    /// Stack position of the outermost callback that is running, 0 when none is.
    pub(crate) callout: Cell<usize>,
    /// Where on the stack its witness lies, and what that says.
    pub(crate) witness: Cell<usize>,
    pub(crate) token: Cell<u64>,
    /// A flush is running.
    pub(crate) flushing: Cell<bool>,
    /// A callback of that flush asked for another one.
    pub(crate) flush_again: Cell<bool>,
    /// `current` when that flush began.
    pub(crate) flush_began: Cell<Millis>,
    /// Flush requests that were put off since a callback last returned.
    pub(crate) unheard: Cell<u32>,
    /// The congestion control's `release` is running.
    pub(crate) leaving_cc: Cell<bool>,
    /// `ikcp_release` was called: nothing is called any more but the congestion control's `release`.
    pub(crate) ending: Cell<bool>,
    /// The program has released the object; its memory waits for the outermost callback to return.
    pub(crate) released: Cell<bool>,
}

/// One allocation: what programs see, and behind it what they do not.
#[repr(C)]
struct ControlBlock {
    public: IKCPCB,
    private: Private,
}

/// Handle on one object. All its methods are sound on an object that `create` made and that is used by one thread at a
/// time; that is what constructing it promises.
#[derive(Clone, Copy)]
#[allow(missing_debug_implementations)]
pub struct Kcp<'a>(&'a ControlBlock);

impl Deref for Kcp<'_> {
    type Target = IKCPCB;

    #[inline(always)]
    fn deref(&self) -> &IKCPCB {
        &self.0.public
    }
}

impl<'a> Kcp<'a> {
    /// The object at `kcp`; `None` for NULL, and for an object that is being released by one of its own callbacks.
    ///
    /// # Safety
    /// `kcp` is NULL or came from `create` and has not been released, and no other thread uses it during `'a` other
    /// than for reading.
    #[inline(always)]
    pub unsafe fn from_ptr(kcp: *const IKCPCB) -> Option<Kcp<'a>> {
        // SAFETY: the caller's promise; `create` allocates the whole control block, and all its fields are cells.
        let block = unsafe { kcp.cast::<ControlBlock>().as_ref() }?;
        if block.private.released.get() {
            None
        } else {
            Some(Kcp(block))
        }
    }

    /// Makes an object for the conversation `conv`; `user` is handed to the callbacks. NULL when there is no memory.
    #[must_use]
    pub fn create(conv: u32, user: *mut c_void) -> *mut IKCPCB {
        let Some(memory) = allocate(size_of::<ControlBlock>()) else {
            return ptr::null_mut();
        };
        let block: NonNull<ControlBlock> = memory.cast();
        // SAFETY: the memory is ours and has the size.
        let kcp = unsafe {
            block.write(ControlBlock {
                public: fresh_public(conv, user),
                private: fresh_private(),
            });
            Kcp(block.as_ref())
        };
        for list in [
            kcp.snd_queue(),
            kcp.rcv_queue(),
            kcp.snd_buf(),
            kcp.rcv_buf(),
        ] {
            list.init();
        }
        if !kcp
            .private()
            .packet
            .resize(&kcp.buffer, consts::IKCP_MTU_DEF)
        {
            // SAFETY: nothing else knows of it yet.
            unsafe { deallocate(block.as_ptr().cast()) };
            return ptr::null_mut();
        }
        kcp.as_ptr()
    }

    /// Frees everything the object owns, and the object. No handle on it may be used afterwards.
    pub(crate) fn destroy(self) {
        self.free_contents();
        self.private().packet.free(&self.buffer);
        // SAFETY: `create` allocated it, and the program's use of it has ended.
        unsafe { deallocate(self.as_ptr().cast()) }
    }

    /// Frees what neither a running callback nor the operation that called it may still look at once the program has
    /// released the object: all but the packet and the control block. A callback that is left by longjmp afterwards
    /// takes no more than those with it.
    pub(crate) fn free_contents(self) {
        for list in [
            self.snd_buf(),
            self.rcv_buf(),
            self.snd_queue(),
            self.rcv_queue(),
        ] {
            while let Some(segment) = list.first() {
                list.remove(segment);
                // SAFETY: a listed segment belongs to the object, and no handle on it is left.
                unsafe { deallocate(segment.as_ptr().cast()) };
            }
        }
        let private = self.private();
        private.pool.clear();
        private.sent.free();
        private.received.free();
        self.free_acklist();
    }

    #[inline(always)]
    pub(crate) const fn private(self) -> &'a Private {
        &self.0.private
    }

    /// The pointer that programs and callbacks know the object by.
    #[inline(always)]
    pub(crate) const fn as_ptr(self) -> *mut IKCPCB {
        ptr::from_ref(self.0).cast_mut().cast()
    }

    #[inline(always)]
    pub(crate) const fn snd_queue(self) -> List<'a> {
        List::new(&self.0.public.snd_queue)
    }

    #[inline(always)]
    pub(crate) const fn rcv_queue(self) -> List<'a> {
        List::new(&self.0.public.rcv_queue)
    }

    #[inline(always)]
    pub(crate) const fn snd_buf(self) -> List<'a> {
        List::new(&self.0.public.snd_buf)
    }

    #[inline(always)]
    pub(crate) const fn rcv_buf(self) -> List<'a> {
        List::new(&self.0.public.rcv_buf)
    }

    #[inline(always)]
    pub(crate) fn next_sn(self) -> Sn {
        Sn(self.snd_nxt.get())
    }

    #[inline(always)]
    pub(crate) fn now(self) -> Millis {
        Millis(self.current.get())
    }

    /// An empty segment with room for `room` bytes, in no list.
    #[inline(always)]
    pub(crate) fn new_segment(self, room: u32) -> Option<Roomy> {
        let segment = self.private().pool.take(room as usize)?;
        segment.len.set(0);
        // SAFETY: that is what the pool was asked for.
        Some(unsafe { Roomy::new(segment, room) })
    }

    /// The last queued segment and its room, where that is known to be more than its payload.
    #[inline(always)]
    pub(crate) fn tail(self) -> Option<Roomy> {
        let tail = self.private().tail.get();
        let last = self.snd_queue().last()?;
        // SAFETY: `set_tail` noted the room when the segment was queued, and it still is.
        ptr::eq(last.as_ptr(), tail.segment).then(|| unsafe { Roomy::new(last, tail.room) })
    }

    /// Notes the room of the last queued segment, where that is more than its payload.
    #[inline(always)]
    pub(crate) fn set_tail(self, tail: Roomy) {
        let segment = tail.segment();
        let spare = tail.room() > segment.len.get();
        self.private().tail.set(Tail {
            segment: if spare {
                segment.as_ptr()
            } else {
                ptr::null_mut()
            },
            room: tail.room(),
        });
    }

    /// True when `segment` is the one whose room was noted.
    #[inline(always)]
    pub(crate) fn is_tail(self, segment: Segment) -> bool {
        ptr::eq(self.private().tail.get().segment, segment.as_ptr())
    }

    /// Frees `segment`, which has left its list, or keeps it for the next one of its size. The windows bound how many
    /// are kept.
    #[inline(always)]
    pub(crate) fn free_segment(self, segment: Segment) {
        let limit = self.snd_wnd.get().saturating_add(self.rcv_wnd.get());
        // SAFETY: segments in the lists came from the pool (or, with more room, from `ikcp_parse_data`'s copy of one),
        // and callers drop their handle.
        unsafe { self.private().pool.give(segment, limit) }
    }

    /// Replaces `acklist` by one for `block` acknowledgements, keeping the pending ones. False without memory.
    #[cold]
    #[inline(never)]
    pub(crate) fn grow_acklist(self, block: u32) -> bool {
        let Some(memory) = allocate(block as usize * 8) else {
            return false;
        };
        let (old, new) = (self.acklist.get(), memory.cast::<u32>().as_ptr());
        if !old.is_null() {
            // SAFETY: the old list holds `ackcount` pairs, fewer than the new one has room for.
            unsafe {
                ptr::copy_nonoverlapping(old, new, self.ackcount.get() as usize * 2);
                deallocate(old.cast());
            }
        }
        self.acklist.set(new);
        self.ackblock.set(block);
        true
    }

    /// The pending acknowledgement `n`: its `sn` and `ts`. `None` beyond the last one.
    #[inline(always)]
    pub(crate) fn pending_ack(self, n: u32) -> Option<(u32, u32)> {
        if n >= self.ackcount.get() || self.acklist.get().is_null() {
            return None;
        }
        // SAFETY: the list holds `ackcount` pairs.
        unsafe {
            let pair = self.acklist.get().add(n as usize * 2);
            Some((*pair, *pair.add(1)))
        }
    }

    /// Writes the pending acknowledgement `n`, which is below `ackblock`.
    #[inline(always)]
    pub(crate) fn set_pending_ack(self, n: u32, sn: u32, ts: u32) {
        debug_assert!(n < self.ackblock.get());
        // SAFETY: the list has room for `ackblock` pairs.
        unsafe {
            let pair = self.acklist.get().add(n as usize * 2);
            pair.write(sn);
            pair.add(1).write(ts);
        }
    }

    pub(crate) fn free_acklist(self) {
        let list = self.acklist.replace(ptr::null_mut());
        self.ackblock.set(0);
        if !list.is_null() {
            // SAFETY: `grow_acklist` allocated it.
            unsafe { deallocate(list.cast()) }
        }
    }
}

/// The public fields of a new object.
fn fresh_public(conv: u32, user: *mut c_void) -> IKCPCB {
    IKCPCB {
        conv: Cell::new(conv),
        mtu: Cell::new(consts::IKCP_MTU_DEF),
        mss: Cell::new(consts::IKCP_MTU_DEF - consts::IKCP_OVERHEAD),
        state: Cell::new(0),
        snd_una: Cell::new(0),
        snd_nxt: Cell::new(0),
        rcv_nxt: Cell::new(0),
        ts_recent: Cell::new(0),
        ts_lastack: Cell::new(0),
        ssthresh: Cell::new(consts::IKCP_THRESH_INIT),
        rx_rttval: Cell::new(0),
        rx_srtt: Cell::new(0),
        rx_rto: Cell::new(consts::IKCP_RTO_DEF.cast_signed()),
        rx_minrto: Cell::new(consts::IKCP_RTO_MIN.cast_signed()),
        snd_wnd: Cell::new(consts::IKCP_WND_SND),
        rcv_wnd: Cell::new(consts::IKCP_WND_RCV),
        rmt_wnd: Cell::new(consts::IKCP_WND_RCV),
        cwnd: Cell::new(0),
        probe: Cell::new(0),
        current: Cell::new(0),
        interval: Cell::new(consts::IKCP_INTERVAL),
        ts_flush: Cell::new(consts::IKCP_INTERVAL),
        xmit: Cell::new(0),
        nrcv_buf: Cell::new(0),
        nsnd_buf: Cell::new(0),
        nrcv_que: Cell::new(0),
        nsnd_que: Cell::new(0),
        nodelay: Cell::new(0),
        updated: Cell::new(0),
        ts_probe: Cell::new(0),
        probe_wait: Cell::new(0),
        dead_link: Cell::new(consts::IKCP_DEADLINK),
        incr: Cell::new(0),
        snd_queue: IQUEUEHEAD::unlinked(),
        rcv_queue: IQUEUEHEAD::unlinked(),
        snd_buf: IQUEUEHEAD::unlinked(),
        rcv_buf: IQUEUEHEAD::unlinked(),
        acklist: Cell::new(ptr::null_mut()),
        ackcount: Cell::new(0),
        ackblock: Cell::new(0),
        ackedlen: Cell::new(0),
        user: Cell::new(user),
        buffer: Cell::new(ptr::null_mut()),
        fastresend: Cell::new(0),
        fastlimit: Cell::new(consts::IKCP_FASTACK_LIMIT.cast_signed()),
        nocwnd: Cell::new(0),
        stream: Cell::new(0),
        ccops: Cell::new(ptr::null()),
        congest: Cell::new(ptr::null_mut()),
        logmask: Cell::new(0),
        output: Cell::new(None),
        writelog: Cell::new(None),
    }
}

const fn fresh_private() -> Private {
    Private {
        pool: Pool::new(),
        packet: Packet::new(),
        sent: SendIndex::new(),
        received: ReceiveIndex::new(),
        front: Front::new(),
        tail: Cell::new(Tail {
            segment: ptr::null_mut(),
            room: 0,
        }),
        recv_hold: Cell::new(0),
        withheld: Cell::new(None),
        inputs: Cell::new(0),
        ack_peak: Cell::new(0),
        trimmed: Cell::new(Millis(0)),
        callout: Cell::new(0),
        witness: Cell::new(0),
        token: Cell::new(0),
        flushing: Cell::new(false),
        flush_again: Cell::new(false),
        flush_began: Cell::new(Millis(0)),
        unheard: Cell::new(0),
        leaving_cc: Cell::new(false),
        ending: Cell::new(false),
        released: Cell::new(false),
    }
}
