//! The arrays of an index, in one allocation: a slot for each sequence number of a window, and a tree over the slots. A node has
//! up to [`FAN`] children and knows which of them hold segments, so empty ranges cost nothing.

use core::cell::Cell;
use core::iter;
use core::mem::MaybeUninit;
use core::ptr::{self, NonNull};

use crate::abi::IKCPSEG;
use crate::memory::{allocate, deallocate};
use crate::segment::Segment;
use crate::seq::Sn;

/// Bits of a slot number per level of the tree.
const BITS: u32 = 4;
/// Slots below a node of the lowest level, and child nodes of any other node.
pub(super) const FAN: u32 = 1 << BITS;
const _: () = assert!(FAN == u16::BITS);
/// Slots of the smallest ring.
const MIN_SLOTS: u32 = 32;
/// Slots of the largest ring that grows with its contents. A larger ring is made for the whole window at once, so that no packet
/// causes the work of filling another.
const MAX_GROWN_SLOTS: u32 = 256;
/// Slots of the largest ring. Wider windows are walked.
const MAX_SLOTS: u32 = 1 << 24;

/// A node of the tree, with what the index records about the segments below it.
#[repr(C)]
pub(super) struct Node<T> {
    pub(super) note: T,
    /// Which children hold a segment. If none does, `note` is meaningless.
    pub(super) live: Cell<u16>,
}

/// Consecutive slots.
#[derive(Clone, Copy)]
pub(super) struct Span {
    pub(super) from: u32,
    pub(super) to: u32,
}

impl Span {
    #[inline(always)]
    pub(super) fn has(self, slot: u32) -> bool {
        self.from <= slot && slot <= self.to
    }

    #[inline(always)]
    pub(super) fn covers(self, other: Span) -> bool {
        self.from <= other.from && other.to <= self.to
    }
}

#[repr(C)]
pub(super) struct Slots<T> {
    /// The address of each slot's segment. The allocation begins here.
    pointers: Cell<*mut *mut IKCPSEG>,
    /// The nodes, and the root. The number of a node is that of its first slot plus the capacity, shifted right by the bits below
    /// it: levels follow each other from the root on, with gaps between them.
    nodes: Cell<*mut Node<T>>,
    root: Cell<*mut Node<T>>,
    leaves: Cell<*mut Node<T>>,
    /// Number of slots less one, so all lower bits are 1; meaningless without memory.
    mask: Cell<u32>,
    /// The level of the root.
    top: Cell<u32>,
}

impl Slots<()> {
    #[cold]
    #[inline(never)]
    fn set_up_with(&self, node: usize, span: u32, window: u32) -> bool {
        if span > MAX_SLOTS {
            return false;
        }
        let capacity = size(span, window);
        let top = (capacity.ilog2() - 1) / BITS;
        let addresses = capacity as usize * size_of::<*mut IKCPSEG>();
        let nodes = capacity as usize * 2 / FAN as usize * node;
        if self.capacity() != capacity {
            let Some(memory) = allocate(addresses + nodes) else {
                return false;
            };
            self.free_memory();
            let memory = memory.as_ptr();
            self.pointers.set(memory.cast());
            // SAFETY: inside the allocation, aligned to 8 bytes if nodes hold more than bits.
            let at = |number: u32| unsafe { memory.add(addresses + number as usize * node).cast() };
            self.nodes.set(at(0));
            self.root.set(at(capacity >> below(top)));
            self.leaves.set(at(capacity / FAN));
            self.mask.set(capacity - 1);
            self.top.set(top);
        }
        // SAFETY: inside the allocation. The nodes say which slots are in use, so the addresses need no value yet.
        unsafe { ptr::write_bytes(self.nodes.get().cast::<u8>(), 0, nodes) };
        true
    }

    #[inline(never)]
    fn is_too_large_for(&self, span: u32, window: u32) -> bool {
        span <= self.capacity() / 4 && size(span, window) < self.capacity()
    }

    #[inline(never)]
    fn free_memory(&self) {
        let memory = self.pointers.replace(ptr::null_mut());
        if !memory.is_null() {
            // SAFETY: it came from `allocate`, and no reference into it is left.
            unsafe { deallocate(memory.cast()) }
        }
    }
}

impl<T> Slots<T> {
    #[inline(always)]
    pub(super) fn is_allocated(&self) -> bool {
        !self.pointers.get().is_null()
    }

    /// Number of slots; 0 without memory.
    #[inline(always)]
    pub(super) fn capacity(&self) -> u32 {
        if self.is_allocated() {
            self.mask.get() + 1
        } else {
            0
        }
    }

    /// Makes an empty ring for `span` consecutive sequence numbers of a `window`. It uses the present memory if the size is
    /// right.
    pub(super) fn set_up(&self, span: u32, window: u32) -> bool {
        self.plain().set_up_with(size_of::<Node<T>>(), span, window)
    }

    /// True if the ring should shrink when it has to hold at most `span` sequence numbers of a `window`.
    pub(super) fn is_too_large(&self, span: u32, window: u32) -> bool {
        self.plain().is_too_large_for(span, window)
    }

    pub(super) fn free(&self) {
        self.plain().free_memory();
    }

    /// The slots without their notes, so that rarely used code exists once.
    #[inline(always)]
    fn plain(&self) -> &Slots<()> {
        // SAFETY: the layout is C's, and every field has the size of a pointer or a number.
        unsafe { &*ptr::from_ref(self).cast() }
    }

    #[inline(always)]
    pub(super) fn slot(&self, sn: Sn) -> u32 {
        sn.0 & self.mask.get()
    }

    #[inline(always)]
    pub(super) fn last_slot(&self) -> u32 {
        self.mask.get()
    }

    #[inline(always)]
    pub(super) fn root_level(&self) -> u32 {
        self.top.get()
    }

    /// The node of `level` above `slot`.
    #[inline(always)]
    pub(super) fn node(&self, level: u32, slot: u32) -> &Node<T> {
        let at = (slot + self.mask.get() + 1) >> below(level);
        // SAFETY: callers have memory, and pass a slot and a level of it.
        unsafe { &*self.nodes.get().add(at as usize) }
    }

    /// The lowest node above `slot`.
    #[inline(always)]
    pub(super) fn leaf(&self, slot: u32) -> &Node<T> {
        // SAFETY: as for `node`.
        unsafe { &*self.leaves.get().add((slot / FAN) as usize) }
    }

    #[inline(always)]
    pub(super) fn root(&self) -> &Node<T> {
        // SAFETY: callers have memory.
        unsafe { &*self.root.get() }
    }

    /// The place of the address in `slot`. It has no value until it is set for the first time: initializing a whole ring is work
    /// that a single packet must not cause.
    #[inline(always)]
    fn place(&self, slot: u32) -> *mut *mut IKCPSEG {
        // SAFETY: the slot is below the capacity; callers have memory.
        unsafe { self.pointers.get().add(slot as usize) }
    }

    /// The address in `slot`, which is in use.
    #[inline(always)]
    pub(super) fn address(&self, slot: u32) -> *mut IKCPSEG {
        // SAFETY: inside the allocation, and set.
        unsafe { self.place(slot).read() }
    }

    /// Sets the address in `slot` without reading the old one.
    #[inline(always)]
    pub(super) fn set_address(&self, slot: u32, segment: Segment<'_>) {
        // SAFETY: inside the allocation.
        unsafe { self.place(slot).write(segment.as_ptr()) }
    }

    /// Sets the addresses from the slot of `first` on.
    #[inline(always)]
    pub(super) fn set_addresses<'k>(&self, first: Sn, segments: impl Iterator<Item = Segment<'k>>) {
        let (mut sn, mask, pointers) = (first.0, self.mask.get(), self.pointers.get());
        for segment in segments {
            // SAFETY: inside the allocation.
            unsafe { pointers.add((sn & mask) as usize).write(segment.as_ptr()) }
            sn = sn.wrapping_add(1);
        }
    }

    /// The segment in `slot`, which is in use.
    #[inline(always)]
    pub(super) fn segment(&self, slot: u32) -> Segment<'_> {
        // SAFETY: a slot in use holds a listed segment as long as the stamp of the index matches the list.
        unsafe { Segment::from_raw(NonNull::new_unchecked(self.address(slot))) }
    }

    /// The segments below the lowest node above `slot`, all of whose slots are in use.
    #[inline(always)]
    pub(super) fn full_node(&self, slot: u32) -> &[Segment<'_>; FAN as usize] {
        let first = self.place(slot - slot % FAN);
        // SAFETY: as for `segment`. A handle is an address, and the address in a slot in use is not NULL.
        unsafe { &*first.cast_const().cast() }
    }

    #[inline(always)]
    pub(super) fn is_live(&self, slot: u32) -> bool {
        self.leaf(slot).live.get() & bit(0, slot) != 0
    }

    /// The segment with number `sn`, which the caller knows to be inside the window.
    #[inline(always)]
    pub(super) fn get(&self, sn: Sn) -> Option<Segment<'_>> {
        let slot = self.slot(sn);
        self.is_live(slot).then(|| self.segment(slot))
    }

    /// True if the segment at `address` is the one with the number `sn`. It is not if the program has changed its number.
    #[inline(always)]
    pub(super) fn knows(&self, sn: Sn, address: *mut IKCPSEG) -> bool {
        let slot = self.slot(sn);
        self.is_live(slot) && self.address(slot) == address
    }

    #[inline(always)]
    pub(super) fn set(&self, sn: Sn, segment: Segment) {
        let slot = self.slot(sn);
        self.set_address(slot, segment);
        let live = &self.leaf(slot).live;
        let before = live.get();
        live.set(before | bit(0, slot));
        if before == 0 {
            self.set_above(slot);
        }
    }

    /// The lowest node above `slot` is no longer empty.
    #[inline(never)]
    fn set_above(&self, slot: u32) {
        self.climb(slot, 1, |node, bit| {
            let before = node.live.get();
            node.live.set(before | bit);
            before != 0
        });
    }

    #[inline(always)]
    pub(super) fn clear(&self, sn: Sn) {
        let slot = self.slot(sn);
        self.clear_bits(slot, bit(0, slot));
    }

    /// Clears some slots of the lowest node above `slot`.
    #[inline(always)]
    fn clear_bits(&self, slot: u32, bits: u16) {
        let live = &self.leaf(slot).live;
        live.set(live.get() & !bits);
        if live.get() == 0 {
            self.clear_above(slot);
        }
    }

    /// The lowest node above `slot` is empty.
    #[inline(never)]
    fn clear_above(&self, slot: u32) {
        self.climb(slot, 1, |node, bit| {
            node.live.set(node.live.get() & !bit);
            node.live.get() != 0
        });
    }

    /// Visits the nodes above `slot` from `level` upward until `ends` returns true; `ends` gets a node and the bit of its child
    /// above `slot`. A node's number tells its parent's, and the root's number is 0 or 1.
    #[inline(always)]
    pub(super) fn climb(&self, slot: u32, level: u32, mut ends: impl FnMut(&Node<T>, u16) -> bool) {
        let mut at = (slot + self.mask.get() + 1) >> (level * BITS);
        let mut below = slot >> (level * BITS);
        loop {
            let bit = 1 << (below % FAN);
            at >>= BITS;
            below >>= BITS;
            // SAFETY: callers have memory, and pass a slot of it.
            if ends(unsafe { &*self.nodes.get().add(at as usize) }, bit) || at <= 1 {
                break;
            }
        }
    }

    /// Clears the slots of segments that follow each other in the list, by the number and the address of the first and the last of
    /// them. If those are in their slots, the others are between them. Otherwise the program has changed numbers: nothing is cleared.
    #[inline(always)]
    pub(super) fn clear_listed(
        &self,
        (first, front): (Sn, *mut IKCPSEG),
        (last, back): (Sn, *mut IKCPSEG),
    ) -> bool {
        let known = self.knows(first, front);
        if front == back {
            if known {
                self.clear(first);
            }
            return known;
        }
        let all = known && self.knows(last, back) && last.forward_from(first) <= self.last_slot();
        if all {
            self.each_run(first, last, |at, bits| self.clear_bits(at, bits));
        }
        all
    }

    /// Number of slots below a node of `level`, less one.
    #[inline(always)]
    fn width(&self, level: u32) -> u32 {
        u32::MAX >> (32 - below(level)) & self.mask.get()
    }

    /// The slots below the node of `level` above `slot`.
    #[inline(always)]
    pub(super) fn extent(&self, level: u32, slot: u32) -> Span {
        Span {
            from: slot & !self.width(level),
            to: slot | self.width(level),
        }
    }

    /// Calls `then` for each lowest node above the slots from `first` to `last`, with one slot of the node and the bits of its slots
    /// in the range.
    #[inline(always)]
    pub(super) fn each_run(&self, first: Sn, last: Sn, mut then: impl FnMut(u32, u16)) {
        let mut at = first;
        loop {
            let end = Sn(at.0 | (FAN - 1));
            let more = end.since(last) < 0;
            let to = if more { end.0 } else { last.0 };
            let bits = (2u32 << (to % FAN)) - (1 << (at.0 % FAN));
            then(self.slot(at), bits as u16);
            if !more {
                break;
            }
            at = end.plus(1);
        }
    }

    /// Prefetches the segment with number `sn`, if there is one.
    #[inline(always)]
    pub(super) fn prefetch(&self, sn: Sn) {
        let place = self.place(self.slot(sn)).cast::<MaybeUninit<*const u8>>();
        // SAFETY: inside the allocation. A place that was never set is passed to the instruction as it is.
        let address = unsafe { place.read() };
        // SAFETY: a prefetch faults on no address.
        #[cfg(all(target_arch = "x86_64", not(miri)))]
        unsafe {
            core::arch::asm!("prefetcht0 [{}]", in(reg) address,
                options(nostack, readonly, preserves_flags));
        }
        // SAFETY: as above.
        #[cfg(all(target_arch = "aarch64", not(miri)))]
        unsafe {
            core::arch::asm!("prfm pldl1keep, [{}]", in(reg) address,
                options(nostack, readonly, preserves_flags));
        }
        #[cfg(any(miri, not(any(target_arch = "x86_64", target_arch = "aarch64"))))]
        let _ = address;
    }

    /// The nearest segment before `sn`, but not before `floor`.
    #[inline(always)]
    pub(super) fn before(&self, sn: Sn, floor: Sn) -> Option<Segment<'_>> {
        let end = self.slot(sn);
        let bits = self.leaf(end).live.get() & (bit(0, end) - 1);
        if bits == 0 {
            return self.far_before(sn, floor);
        }
        let distance = end % FAN - bits.ilog2();
        (distance <= sn.forward_from(floor)).then(|| self.segment(end - distance))
    }

    /// The nearest segment before `sn` if none is below the same lowest node.
    #[inline(never)]
    fn far_before(&self, sn: Sn, floor: Sn) -> Option<Segment<'_>> {
        let end = self.slot(sn);
        let (mut bits, mut level, mut at) = (0, 0, end);
        // Climbs until a node has a segment before `sn`, if necessary around the end of the ring, then descends to the last such
        // segment.
        self.climb(end, 1, |node, bit| {
            level += 1;
            bits = node.live.get() & (bit - 1);
            bits != 0
        });
        if bits == 0 {
            at = 0;
            bits = self.root().live.get();
        }
        loop {
            let place = bits.checked_ilog2()?;
            at = ((at >> below(level)) << below(level)) + (place << (level * BITS));
            if level == 0 {
                break;
            }
            level -= 1;
            bits = self.node(level, at).live.get();
        }
        let distance = (end.wrapping_sub(at).wrapping_sub(1) & self.mask.get()) + 1;
        (distance <= sn.forward_from(floor)).then(|| self.segment(at))
    }
}

/// Number of slots in a ring for `span` sequence numbers of a `window`.
fn size(span: u32, window: u32) -> u32 {
    let span = if span > MAX_GROWN_SLOTS {
        span.max(window.min(MAX_SLOTS))
    } else {
        span.max(MIN_SLOTS)
    };
    span.next_power_of_two()
}

/// Number of low bits of a slot number that nodes of `level` ignore.
#[inline(always)]
const fn below(level: u32) -> u32 {
    (level + 1) * BITS
}

/// The bit of the child above `slot`, in the node of `level`.
#[inline(always)]
pub(super) const fn bit(level: u32, slot: u32) -> u16 {
    1 << ((slot >> (level * BITS)) % FAN)
}

/// The first slot below each child in `bits`, for the node of `level` above `slot`.
#[inline(always)]
pub(super) fn each(level: u32, slot: u32, bits: u16) -> impl Iterator<Item = u32> {
    let mut bits = u32::from(bits);
    let start = slot >> below(level) << below(level);
    iter::from_fn(move || {
        let place = (bits != 0).then(|| bits.trailing_zeros())?;
        bits &= bits - 1;
        Some(start + (place << (level * BITS)))
    })
}
