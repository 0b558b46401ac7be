//! The public circular list: `IQUEUEHEAD`, and every change of a link.
//!
//! A head and its nodes are what C programs walk with the `iqueue_*` macros, so a list here is always a closed circle,
//! and a node that left a list has NULL links, as `IQUEUE_DEL` leaves it. The promise behind every `unsafe` block in
//! this module is the program's: a head of a control block is always the head of a closed circle of live segments.

use core::cell::Cell;
use core::iter;
use core::ptr;

use crate::segment::{IKCPSEG, Segment};

/// Head of a list, and the link inside each of its members. Same as the original's.
#[repr(C)]
#[allow(missing_debug_implementations)]
pub struct IQUEUEHEAD {
    /// First member, or the head itself.
    pub next: Cell<*mut IQUEUEHEAD>,
    /// Last member, or the head itself.
    pub prev: Cell<*mut IQUEUEHEAD>,
}

impl IQUEUEHEAD {
    /// A head that is no list yet.
    pub(crate) const fn unlinked() -> IQUEUEHEAD {
        IQUEUEHEAD {
            next: Cell::new(ptr::null_mut()),
            prev: Cell::new(ptr::null_mut()),
        }
    }
}

/// One of the four lists of a control block, by its head.
#[derive(Clone, Copy)]
pub(crate) struct List<'a>(&'a IQUEUEHEAD);

impl<'a> List<'a> {
    #[inline(always)]
    pub(crate) const fn new(head: &'a IQUEUEHEAD) -> List<'a> {
        List(head)
    }

    #[inline(always)]
    fn head(self) -> *mut IQUEUEHEAD {
        ptr::from_ref(self.0).cast_mut()
    }

    /// Makes the list empty, whatever the head held.
    pub(crate) fn init(self) {
        self.0.next.set(self.head());
        self.0.prev.set(self.head());
    }

    #[inline(always)]
    pub(crate) fn is_empty(self) -> bool {
        ptr::eq(self.0.next.get(), self.head())
    }

    #[inline(always)]
    fn member(self, node: *mut IQUEUEHEAD) -> Option<Segment> {
        if ptr::eq(node, self.head()) {
            None
        } else {
            // SAFETY: the program's promise: what the circle links, other than the head, is a live segment.
            Some(unsafe { Segment::from_node(node) })
        }
    }

    /// Address of the first member (or of the head), to be compared and never followed.
    #[inline(always)]
    pub(crate) fn first_address(self) -> *mut IKCPSEG {
        self.0.next.get().cast()
    }

    /// Address of the last member (or of the head), to be compared and never followed.
    #[inline(always)]
    pub(crate) fn last_address(self) -> *mut IKCPSEG {
        self.0.prev.get().cast()
    }

    #[inline(always)]
    pub(crate) fn first(self) -> Option<Segment> {
        self.member(self.0.next.get())
    }

    #[inline(always)]
    pub(crate) fn last(self) -> Option<Segment> {
        self.member(self.0.prev.get())
    }

    /// The member behind `segment`.
    #[inline(always)]
    pub(crate) fn next(self, segment: Segment) -> Option<Segment> {
        self.member(segment.node.next.get())
    }

    /// The member before `segment`.
    #[inline(always)]
    pub(crate) fn prev(self, segment: Segment) -> Option<Segment> {
        self.member(segment.node.prev.get())
    }

    /// The members from `segment` on.
    #[inline(always)]
    pub(crate) fn from(self, segment: Segment) -> impl Iterator<Item = Segment> {
        let mut at = segment.node();
        iter::from_fn(move || {
            let segment = self.member(at)?;
            at = segment.node.next.get();
            Some(segment)
        })
    }

    #[inline(always)]
    pub(crate) fn push_back(self, segment: Segment) {
        self.link(segment, self.0.prev.get(), self.head());
    }

    /// Links `segment` behind `prev`, at the front for `None`.
    pub(crate) fn insert_after(self, prev: Option<Segment>, segment: Segment) {
        let prev = prev.map_or(self.head(), Segment::node);
        // SAFETY: the head is borrowed, and a member is a live segment.
        let next = unsafe { (*prev).next.get() };
        self.link(segment, prev, next);
    }

    #[inline(always)]
    fn link(self, segment: Segment, prev: *mut IQUEUEHEAD, next: *mut IQUEUEHEAD) {
        segment.node.prev.set(prev);
        segment.node.next.set(next);
        // SAFETY: both are the head or live members of the closed circle.
        unsafe {
            (*prev).next.set(segment.node());
            (*next).prev.set(segment.node());
        }
    }

    /// Takes `segment`, a member, out of the list.
    #[inline(always)]
    pub(crate) fn remove(self, segment: Segment) {
        let (prev, next) = (segment.node.prev.get(), segment.node.next.get());
        // SAFETY: the neighbours of a member are the head or live members.
        unsafe {
            (*next).prev.set(prev);
            (*prev).next.set(next);
        }
        segment.node.next.set(ptr::null_mut());
        segment.node.prev.set(ptr::null_mut());
    }

    /// Lets the list begin with what follows `first`, its first member, which keeps its links.
    #[inline(always)]
    pub(crate) fn remove_first(self, first: Segment) {
        let next = first.node.next.get();
        self.0.next.set(next);
        // SAFETY: what follows a member is the head or a live member.
        unsafe { (*next).prev.set(self.head()) };
    }

    /// Moves all members of `other` to the end of this list.
    #[inline(always)]
    pub(crate) fn append_all(self, other: List<'_>) {
        let (Some(first), Some(last)) = (other.first(), other.last()) else {
            return;
        };
        let end = self.0.prev.get();
        first.node.prev.set(end);
        last.node.next.set(self.head());
        // SAFETY: the head is borrowed, and its last member is live.
        unsafe { (*end).next.set(first.node()) };
        self.0.prev.set(last.node());
        other.init();
    }

    /// Moves the first members up to `last` to the end of `to`.
    #[inline(always)]
    pub(crate) fn move_front(self, last: Segment, to: List<'_>) {
        let Some(first) = self.first() else {
            return;
        };
        self.cut_front(self.next(last));
        let end = to.0.prev.get();
        first.node.prev.set(end);
        last.node.next.set(to.head());
        // SAFETY: the head is borrowed, and its last member is live.
        unsafe { (*end).next.set(first.node()) };
        to.0.prev.set(last.node());
    }

    /// Lets the list begin with `first`, a member, or be empty. What stood before it keeps its links.
    #[inline(always)]
    pub(crate) fn cut_front(self, first: Option<Segment>) {
        let first = first.map_or(self.head(), Segment::node);
        self.0.next.set(first);
        // SAFETY: the head is borrowed, and a member is live.
        unsafe { (*first).prev.set(self.head()) };
    }

    /// Puts `new` where `old`, a member, is; `old` leaves the list.
    pub(crate) fn replace(self, old: Segment, new: Segment) {
        let prev = self.prev(old);
        self.remove(old);
        self.insert_after(prev, new);
    }
}
