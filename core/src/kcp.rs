//! The handle on an object, and the part of its control block that programs do not see.

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
use crate::index::{Front, ReceiveIndex, SendIndex};
use crate::list::{List, ListMut};
use crate::memory::on_demand::OnDemand;
use crate::memory::packet::Packet;
use crate::memory::pool::{self, Pool};
use crate::memory::{allocate, deallocate};
use crate::output::Course;
use crate::redundancy::Redundancy;
use crate::segment::{Owned, Roomy, Segment, Source};
use crate::seq::{Millis, Sn};

/// The last segment of `snd_queue` and how many bytes it has room for, so that stream mode appends in place.
pub(crate) struct Tail {
    /// Compared with the end of the queue before it is believed.
    segment: Cell<*mut IKCPSEG>,
    room: Cell<u32>,
}

/// The part of a control block that programs do not see.
///
/// In the order of how often it is looked at: with thousands of connections each cache line of it is fetched from memory for
/// every message. First what any call needs, then what a connection that sends does.
#[repr(C)]
pub(crate) struct Private {
    /// Says to a callback that comes back whether the object is alive.
    pub(crate) anchor: Cell<Anchor>,
    /// Callbacks that ran so far: tells whether one did since.
    pub(crate) callbacks_run: Cell<u32>,
    /// Packets taken and edits of `snd_buf` noticed so far: tells whether a callback left alone what was known before it.
    pub(crate) changes: Cell<u32>,
    /// When the trimming period began.
    pub(crate) trimmed: Cell<Millis>,
    /// Most acknowledgements that one flush found pending during this trimming period.
    pub(crate) ack_peak: Cell<u32>,
    /// The flush that is running, or ran last.
    pub(crate) flush: Course,
    /// The congestion control's `release` has been called.
    pub(crate) leaving_cc: Cell<bool>,
    /// `ikcp_release` was called: nothing is called any more but the congestion control's `release`.
    pub(crate) ending: Cell<bool>,
    /// The last flush had to leave segments that were due, for want of budget or memory.
    pub(crate) deferred: Cell<bool>,
    /// `front` describes the first message.
    pub(crate) front_known: Cell<bool>,
    pub(crate) packet: Packet,
    pub(crate) pool: Pool,
    pub(crate) tail: Tail,
    pub(crate) redundancy: OnDemand<Redundancy>,
    pub(crate) sent: SendIndex,

    pub(crate) front: Front,
    pub(crate) received: ReceiveIndex,
    /// The time of the last flush that had to leave segments that were due.
    pub(crate) deferred_at: Cell<Millis>,
    /// The sum of `snd_una` and `rcv_nxt` when the trimming period began.
    pub(crate) trimmed_at: Cell<u32>,
    pub(crate) extension: Extension,
    pub(crate) extras: OnDemand<Extras>,
}

/// One allocation: what programs see, and behind it what they do not.
#[repr(C)]
struct ControlBlock {
    public: IKCPCB,
    private: Private,
}

/// Handle on one object. All its methods are sound on an object that `create` made and that is used by one thread at a
/// time; that is what constructing it promises.
#[allow(missing_debug_implementations)]
pub struct Kcp<'a>(NonNull<ControlBlock>, PhantomData<&'a ControlBlock>);

/// A handle that was laid down while its object lives, for the one who lent it to take it up again. It carries no address: the
/// lender has kept that, in a register if need be.
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
    /// `kcp` is NULL or came from `create` and has not been released, and no other thread uses it during `'a` other
    /// than for reading.
    #[inline(always)]
    pub unsafe fn from_ptr(kcp: *const IKCPCB) -> Option<Kcp<'a>> {
        Some(Kcp(NonNull::new(kcp.cast_mut().cast())?, PhantomData))
    }

    /// Lends the handle to `operation`, which consumes it, and takes it up again if that gives it back.
    #[inline(always)]
    pub(crate) fn lend<E>(
        self,
        operation: impl FnOnce(Kcp<'a>) -> Result<Back<'a>, E>,
    ) -> Result<Kcp<'a>, E> {
        let address = self.0;
        // A call has one handle, so that the one which was laid down is the one that was lent.
        let Back(life) = operation(self)?;
        Ok(Kcp(address, life))
    }

    /// Lays the handle down for the one who lent it.
    #[inline(always)]
    pub(crate) fn give_back(self) -> Back<'a> {
        Back(self.1)
    }

    /// Makes an object for the conversation `conv`; `user` is handed to the callbacks. NULL when there is no memory.
    #[must_use]
    pub fn create(conv: u32, user: *mut c_void) -> *mut IKCPCB {
        let Some(memory) = allocate(size_of::<ControlBlock>()) else {
            return ptr::null_mut();
        };
        let block: NonNull<ControlBlock> = memory.cast();
        let Some(anchor) = Anchor::new() else {
            // SAFETY: nothing else knows of it yet.
            unsafe { deallocate(memory.as_ptr()) };
            return ptr::null_mut();
        };
        // SAFETY: the memory is ours and has the size. All fields are cells of integers, booleans, pointers, functions that
        // may be missing, and a state whose first value is 0, so that 0 is a value of each, but for the anchor, which is written before any is read.
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

    /// Sets what is not 0 in a new object.
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

    /// Frees everything the object owns, and the object. No handle on it may be used afterwards.
    pub(crate) fn destroy(self) {
        let block = self.block();
        for head in [
            &block.public.snd_buf,
            &block.public.rcv_buf,
            &block.public.snd_queue,
            &block.public.rcv_queue,
        ] {
            // SAFETY: the handle on the object is consumed, and no handle on a segment is left.
            pool::discard_all(unsafe { ListMut::new(head) });
        }
        let private = self.private();
        private.pool.clear();
        private.sent.free();
        private.received.free();
        self.free_acklist();
        private.extension.free();
        // SAFETY: as above, the handle is consumed.
        unsafe {
            private.redundancy.free();
            private.extras.free();
        }
        private.packet.free(&self.buffer);
        private.anchor.get().object_released();
        // SAFETY: `create` allocated it, and the program's use of it has ended.
        unsafe { deallocate(self.as_ptr().cast()) }
    }

    #[inline(always)]
    const fn block(&self) -> &ControlBlock {
        // SAFETY: the promise given where the handle was made; all fields are cells.
        unsafe { self.0.as_ref() }
    }

    #[inline(always)]
    pub(crate) const fn private(&self) -> &Private {
        &self.block().private
    }

    /// The pointer that programs and callbacks know the object by.
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

    /// `snd_queue`, to take segments out of it.
    #[inline(always)]
    pub(crate) fn snd_queue_mut(&mut self) -> (ListMut<'_>, &Private) {
        let block = self.block();
        // SAFETY: handles on segments are borrowed from the handle on the object, which is borrowed exclusively.
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
    pub(crate) fn rcv_buf_mut(&mut self) -> (ListMut<'_>, &Private) {
        let block = self.block();
        // SAFETY: as above.
        (
            unsafe { ListMut::new(&block.public.rcv_buf) },
            &block.private,
        )
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
        segment.roomy().fill(source);
        Some(segment)
    }

    /// `segment_of` where speed does not matter.
    #[inline(never)]
    pub(crate) fn cold_segment_of(&self, source: Source) -> Option<Owned> {
        self.segment_of(source)
    }

    /// `new_segment` where speed does not matter.
    #[inline(never)]
    pub(crate) fn cold_new_segment(&self, room: u32) -> Option<Owned> {
        self.new_segment(room)
    }

    /// The last queued segment and its room, where that is known to be more than its payload.
    #[inline(always)]
    pub(crate) fn tail(&self) -> Option<Roomy<'_>> {
        let (tail, last) = (&self.private().tail, self.snd_queue().last_address());
        // SAFETY: `note_tail` noted a member, the last one, and its room, which it still has. NULL is no address in a list.
        ptr::eq(last, tail.segment.get()).then(|| unsafe {
            let segment = Segment::from_raw(NonNull::new_unchecked(last));
            Roomy::new(segment, tail.room.get())
        })
    }

    /// Notes that the last queued segment has room for `room` bytes, where that is more than its payload.
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

    /// The last queued segment has no more room than its payload.
    #[inline(always)]
    pub(crate) fn forget_tail(&self) {
        self.private().tail.segment.set(ptr::null_mut());
    }

    /// Frees `segment`, or keeps it for the next one of its size.
    #[inline(always)]
    pub(crate) fn free_segment(&self, segment: Owned) {
        self.private().pool.free(segment, self.kept_segments());
    }

    /// How many free segments may be kept: the windows bound what is in use.
    pub(crate) fn kept_segments(&self) -> u32 {
        self.snd_wnd.get().saturating_add(self.rcv_wnd.get())
    }

    /// `free_segment` where speed does not matter.
    #[inline(never)]
    pub(crate) fn cold_free_segment(&self, segment: Owned) {
        self.free_segment(segment);
    }
}
