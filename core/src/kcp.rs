//! The handle on an object, and the private part of its control block.

use core::cell::Cell;
use core::ffi::c_void;
use core::marker::PhantomData;
use core::ops::Deref;
use core::ptr::{self, NonNull};

use crate::abi::IKCPCB;
use crate::abi::IKCPSEG;
use crate::callback::Anchor;
use crate::consts;
use crate::extension::Extension;
use crate::extras::Extras;
use crate::index::{FirstMessage, ReceiveIndex, SendIndex};
use crate::list::{List, ListMut};
use crate::memory::on_demand::OnDemand;
use crate::memory::packet::Packet;
use crate::memory::pool::{self, Pool};
use crate::memory::trim::Trimming;
use crate::memory::{allocate, deallocate};
use crate::output::Nesting;
use crate::redundancy::Redundancy;
use crate::segment::{Owned, Segment, Source, WithRoom};
use crate::seq::{Millis, Sn};

/// The last segment of `snd_queue` and its room, so that stream mode can append in place.
pub(crate) struct Tail {
    /// Compared with the end of the queue before use.
    segment: Cell<*mut IKCPSEG>,
    room: Cell<u32>,
}

/// The private part of a control block.
///
/// The order is that of how often the fields are used: with thousands of connections, each cache line comes from memory for every
/// message. First comes what every call needs, then what a sender needs.
#[repr(C)]
pub(crate) struct Private {
    /// Tells a callback that returns whether the object still exists.
    pub(crate) anchor: Cell<Anchor>,
    /// Number of callbacks run, to tell whether one ran since.
    pub(crate) callbacks_run: Cell<u32>,
    /// Number of times that segments may have left `snd_buf`: by a packet, or by an edit that was noticed. It tells whether
    /// bookmarks still hold.
    pub(crate) changes: Cell<u32>,
    pub(crate) trimming: Trimming,
    /// The flush that is running, or that ran last.
    pub(crate) flush: Nesting,
    /// The congestion control's `release` has been called.
    pub(crate) leaving_cc: Cell<bool>,
    /// `ikcp_release` was called: from now on only the congestion control's `release` is called.
    pub(crate) ending: Cell<bool>,
    /// The last flush had to leave due segments, because the budget or memory was used up.
    pub(crate) deferred: Cell<bool>,
    /// `first_message` describes the message at the head of `rcv_queue`.
    pub(crate) first_message_known: Cell<bool>,
    pub(crate) packet: Packet,
    pub(crate) pool: Pool,
    pub(crate) tail: Tail,
    pub(crate) redundancy: OnDemand<Redundancy>,
    pub(crate) sent: SendIndex,

    pub(crate) first_message: FirstMessage,
    pub(crate) received: ReceiveIndex,
    /// When the last flush was that had to leave due segments, and the bytes of the first of them.
    pub(crate) deferred_at: Cell<Millis>,
    pub(crate) deferred_len: Cell<u32>,
    pub(crate) extension: Extension,
    pub(crate) extras: OnDemand<Extras>,
}

/// One allocation: the public part, and the private part after it.
#[repr(C)]
struct ControlBlock {
    public: IKCPCB,
    private: Private,
}

/// A handle on one object. Whoever makes it promises that `create` made the object and that one thread at a time uses it; then
/// all methods are sound.
#[allow(missing_debug_implementations)]
pub struct Kcp<'a>(NonNull<ControlBlock>, PhantomData<&'a ControlBlock>);

/// A handle that was given back to its lender while the object exists. It carries no address: the lender kept that, in a register
/// if possible.
pub(crate) struct Back<'a>(PhantomData<&'a ControlBlock>);

impl Deref for Kcp<'_> {
    type Target = IKCPCB;

    #[inline(always)]
    fn deref(&self) -> &IKCPCB {
        &self.block().public
    }
}

impl<'a> Kcp<'a> {
    /// The object at `kcp`; `None` for NULL.
    ///
    /// # Safety
    /// `kcp` is NULL, or came from `create` and has not been released; and during `'a` other threads at most read it.
    #[inline(always)]
    pub unsafe fn from_ptr(kcp: *const IKCPCB) -> Option<Kcp<'a>> {
        Some(Kcp(NonNull::new(kcp.cast_mut().cast())?, PhantomData))
    }

    /// Lends the handle to `operation`, which consumes it, and restores it if `operation` gives it back.
    #[inline(always)]
    pub(crate) fn lend<E>(
        self,
        operation: impl FnOnce(Kcp<'a>) -> Result<Back<'a>, E>,
    ) -> Result<Kcp<'a>, E> {
        let address = self.0;
        // A call has only one handle, so the one that was given back is the one that was lent.
        let Back(life) = operation(self)?;
        Ok(Kcp(address, life))
    }

    /// Gives the handle back to its lender.
    #[inline(always)]
    pub(crate) fn give_back(self) -> Back<'a> {
        Back(self.1)
    }

    /// Makes an object for the conversation `conv`; callbacks get `user`. NULL without memory.
    #[must_use]
    pub fn create(conv: u32, user: *mut c_void) -> *mut IKCPCB {
        let Some(memory) = allocate(size_of::<ControlBlock>()) else {
            return ptr::null_mut();
        };
        let block: NonNull<ControlBlock> = memory.cast();
        let Some(anchor) = Anchor::new() else {
            // SAFETY: nothing else refers to the memory yet.
            unsafe { deallocate(memory.as_ptr()) };
            return ptr::null_mut();
        };
        // SAFETY: the allocation has the size. All fields are cells of integers, booleans, pointers and optional functions. Zero is
        // valid for all of them except the anchor, which is written before anything is read.
        unsafe {
            block.write_bytes(0, 1);
            (&raw mut (*block.as_ptr()).private.anchor).write(Cell::new(anchor));
        }
        let kcp = Kcp(block, PhantomData);
        kcp.init(conv, user);
        if !kcp
            .private()
            .packet
            .resize(&kcp.buffer, consts::IKCP_MTU_DEF)
        {
            kcp.destroy();
            return ptr::null_mut();
        }
        kcp.as_ptr()
    }

    /// Sets the fields of a new object that are not 0.
    fn init(&self, conv: u32, user: *mut c_void) {
        self.conv.set(conv);
        self.mtu.set(consts::IKCP_MTU_DEF);
        self.mss.set(consts::IKCP_MTU_DEF - consts::IKCP_OVERHEAD);
        self.ssthresh.set(consts::IKCP_THRESH_INIT);
        self.rx_rto.set(consts::IKCP_RTO_DEF.cast_signed());
        self.rx_minrto.set(consts::IKCP_RTO_MIN.cast_signed());
        self.snd_wnd.set(consts::IKCP_WND_SND);
        self.rcv_wnd.set(consts::IKCP_WND_RCV);
        self.rmt_wnd.set(consts::IKCP_WND_RCV);
        self.interval.set(consts::IKCP_INTERVAL);
        self.ts_flush.set(consts::IKCP_INTERVAL);
        self.dead_link.set(consts::IKCP_DEADLINK);
        self.fastlimit.set(consts::IKCP_FASTACK_LIMIT.cast_signed());
        self.user.set(user);
        for list in [
            self.snd_queue(),
            self.rcv_queue(),
            self.snd_buf(),
            self.rcv_buf(),
        ] {
            list.init();
        }
    }

    /// Releases the object, also inside one of its callbacks. From here on only the congestion control's `release` is called, and
    /// nothing is sent.
    pub fn release(self) {
        self.private().ending.set(true);
        if let Ok(kcp) = self.leave_cc() {
            kcp.destroy();
        }
    }

    /// Frees the object and everything that it owns. No handle on it may be used afterwards.
    pub(crate) fn destroy(self) {
        let block = self.block();
        for head in [
            &block.public.snd_buf,
            &block.public.rcv_buf,
            &block.public.snd_queue,
            &block.public.rcv_queue,
        ] {
            // SAFETY: the handle on the object is consumed, so no handle on a segment is left.
            pool::discard_all(unsafe { ListMut::new(head) });
        }
        let private = self.private();
        private.pool.clear();
        private.sent.free();
        private.received.free();
        self.free_acklist();
        private.extension.free();
        // SAFETY: as above.
        unsafe {
            private.redundancy.free();
            private.extras.free();
        }
        private.packet.free(&self.buffer);
        private.anchor.get().object_released();
        // SAFETY: `create` allocated it, and the program no longer uses it.
        unsafe { deallocate(self.as_ptr().cast()) }
    }

    #[inline(always)]
    const fn block(&self) -> &ControlBlock {
        // SAFETY: the promise made with the handle; all fields are cells.
        unsafe { self.0.as_ref() }
    }

    #[inline(always)]
    pub(crate) const fn private(&self) -> &Private {
        &self.block().private
    }

    /// The object's address, as programs and callbacks know it.
    #[inline(always)]
    pub(crate) const fn as_ptr(&self) -> *mut IKCPCB {
        self.0.as_ptr().cast()
    }

    #[inline(always)]
    pub(crate) const fn snd_queue(&self) -> List<'_> {
        List::new(&self.block().public.snd_queue)
    }

    #[inline(always)]
    pub(crate) const fn rcv_queue(&self) -> List<'_> {
        List::new(&self.block().public.rcv_queue)
    }

    #[inline(always)]
    pub(crate) const fn snd_buf(&self) -> List<'_> {
        List::new(&self.block().public.snd_buf)
    }

    #[inline(always)]
    pub(crate) const fn rcv_buf(&self) -> List<'_> {
        List::new(&self.block().public.rcv_buf)
    }

    /// `snd_queue`, for removing segments.
    #[inline(always)]
    pub(crate) fn snd_queue_mut(&mut self) -> (ListMut<'_>, &Private) {
        let block = self.block();
        // SAFETY: handles on segments borrow from the handle on the object, which is borrowed exclusively here.
        (
            unsafe { ListMut::new(&block.public.snd_queue) },
            &block.private,
        )
    }

    #[inline(always)]
    pub(crate) fn rcv_queue_mut(&mut self) -> ListMut<'_> {
        // SAFETY: as above.
        unsafe { ListMut::new(&self.block().public.rcv_queue) }
    }

    /// `snd_buf` with its index.
    #[inline(always)]
    pub(crate) fn snd_buf_mut(&mut self) -> (ListMut<'_>, &Private) {
        let block = self.block();
        // SAFETY: as above.
        (
            unsafe { ListMut::new(&block.public.snd_buf) },
            &block.private,
        )
    }

    #[inline(always)]
    pub(crate) fn rcv_buf_mut(&mut self) -> ListMut<'_> {
        // SAFETY: as above.
        unsafe { ListMut::new(&self.block().public.rcv_buf) }
    }

    #[inline(always)]
    pub(crate) fn next_sn(&self) -> Sn {
        Sn(self.snd_nxt.get())
    }

    #[inline(always)]
    pub(crate) fn now(&self) -> Millis {
        Millis(self.current.get())
    }

    /// An empty segment with room for `room` bytes.
    #[inline(always)]
    pub(crate) fn new_segment(&self, room: u32) -> Option<Owned> {
        let segment = self.private().pool.take(room)?;
        segment.segment().len.set(0);
        Some(segment)
    }

    /// A segment with `source` as its payload.
    #[inline(always)]
    pub(crate) fn segment_of(&self, source: Source) -> Option<Owned> {
        let segment = self.private().pool.take(source.len())?;
        segment.with_room().fill(source);
        Some(segment)
    }

    /// `segment_of` for code where speed does not matter.
    #[inline(never)]
    pub(crate) fn cold_segment_of(&self, source: Source) -> Option<Owned> {
        self.segment_of(source)
    }

    /// `new_segment` for code where speed does not matter.
    #[inline(never)]
    pub(crate) fn cold_new_segment(&self, room: u32) -> Option<Owned> {
        self.new_segment(room)
    }

    /// The last queued segment, if its room is known to exceed its payload.
    #[inline(always)]
    pub(crate) fn tail(&self) -> Option<WithRoom<'_>> {
        let (tail, last) = (&self.private().tail, self.snd_queue().last_address());
        // SAFETY: `note_tail` recorded the last member and its room, which has not changed. No address in a list is NULL.
        ptr::eq(last, tail.segment.get()).then(|| unsafe {
            let segment = Segment::from_raw(NonNull::new_unchecked(last));
            WithRoom::new(segment, tail.room.get())
        })
    }

    /// Records the room of the last queued segment if it exceeds the payload.
    #[inline(always)]
    pub(crate) fn note_tail(&self, room: u32) {
        match self.snd_queue().last() {
            Some(last) if room > last.len.get() => {
                self.private().tail.segment.set(last.as_ptr());
                self.private().tail.room.set(room);
            }
            _ => self.forget_tail(),
        }
    }

    /// The last queued segment has no room beyond its payload.
    #[inline(always)]
    pub(crate) fn forget_tail(&self) {
        self.private().tail.segment.set(ptr::null_mut());
    }

    /// Frees `segment`, or keeps it for the next allocation of its size.
    #[inline(always)]
    pub(crate) fn free_segment(&self, segment: Owned) {
        self.private().pool.free(segment);
    }

    /// `free_segment` for code where speed does not matter.
    #[inline(never)]
    pub(crate) fn cold_free_segment(&self, segment: Owned) {
        self.free_segment(segment);
    }
}
