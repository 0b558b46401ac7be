//! The public circular lists. Links change only in this module.
//!
//! C programs walk a head and its nodes with the `iqueue_*` macros, so a list is always a closed circle. Every `unsafe` block in
//! this module relies on the program's promise: the head in a control block is always the head of a closed circle of live
//! segments, and the program replaces or removes members only between two calls, or in a way that changes the list's count or one
//! of its ends.

use core::cell::Cell;
use core::iter;
use core::ptr::{self, NonNull};

use crate::abi::{IKCPSEG, IQUEUEHEAD};
use crate::segment::{Owned, Segment};

impl IQUEUEHEAD {
    /// A head that is not yet a list.
    pub(crate) const fn unlinked() -> IQUEUEHEAD {
        IQUEUEHEAD {
            next: Cell::new(ptr::null_mut()),
            prev: Cell::new(ptr::null_mut()),
        }
    }
}

/// A list, by its head: one of the four of a control block, or one that [`ListMut::begin`] has begun.
#[derive(Clone, Copy)]
pub(crate) struct List<'a>(&'a IQUEUEHEAD);

impl<'a> List<'a> {
    /// The list of this head, which is in a control block or was begun by [`ListMut::begin`].
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
    fn member(self, node: *mut IQUEUEHEAD) -> Option<Segment<'a>> {
        if ptr::eq(node, self.head()) {
            None
        } else {
            // SAFETY: the program promised that the circle links only live segments and the head.
            Some(unsafe { Segment::from_node(node) })
        }
    }

    /// Address of the first member, or of the head. For comparison only.
    #[inline(always)]
    pub(crate) fn first_address(self) -> *mut IKCPSEG {
        self.0.next.get().cast()
    }

    /// Address of the last member, or of the head. For comparison only.
    #[inline(always)]
    pub(crate) fn last_address(self) -> *mut IKCPSEG {
        self.0.prev.get().cast()
    }

    #[inline(always)]
    pub(crate) fn first(self) -> Option<Segment<'a>> {
        self.member(self.0.next.get())
    }

    #[inline(always)]
    pub(crate) fn last(self) -> Option<Segment<'a>> {
        self.member(self.0.prev.get())
    }

    /// The first and last member.
    #[inline(always)]
    pub(crate) fn ends(self) -> Option<(Segment<'a>, Segment<'a>)> {
        let first = self.first()?;
        // SAFETY: the circle is closed and has a member, so the other end is a member too.
        Some((first, unsafe { Segment::from_node(self.0.prev.get()) }))
    }

    /// The member after `segment`.
    #[inline(always)]
    pub(crate) fn next(self, segment: Segment) -> Option<Segment<'a>> {
        self.member(segment.node.next.get())
    }

    /// The member before `segment`.
    #[inline(always)]
    pub(crate) fn prev(self, segment: Segment) -> Option<Segment<'a>> {
        self.member(segment.node.prev.get())
    }

    /// The members from `segment` on.
    #[inline(always)]
    pub(crate) fn from(self, segment: Segment) -> impl Iterator<Item = Segment<'a>> {
        let mut at = segment.node();
        iter::from_fn(move || {
            let segment = self.member(at)?;
            at = segment.node.next.get();
            Some(segment)
        })
    }

    #[inline(always)]
    pub(crate) fn push_back(self, segment: Owned) -> Segment<'a> {
        self.link(segment, self.0.prev.get(), self.head())
    }

    /// Links `segment` after `prev`, or at the front for `None`.
    pub(crate) fn insert_after(self, prev: Option<Segment<'a>>, segment: Owned) -> Segment<'a> {
        let prev = prev.map_or(self.head(), Segment::node);
        // SAFETY: the head is borrowed, and a member is a live segment.
        let next = unsafe { (*prev).next.get() };
        self.link(segment, prev, next)
    }

    #[inline(always)]
    fn link(self, segment: Owned, prev: *mut IQUEUEHEAD, next: *mut IQUEUEHEAD) -> Segment<'a> {
        let node: *mut IQUEUEHEAD = segment.into_raw().as_ptr().cast();
        // SAFETY: a segment that is owned is live; the others are the head or live members of the closed circle.
        unsafe {
            (*node).prev.set(prev);
            (*node).next.set(next);
            (*prev).next.set(node);
            (*next).prev.set(node);
            Segment::from_node(node)
        }
    }

    /// Moves the first members up to `last` to the end of `to`.
    #[inline(always)]
    pub(crate) fn move_front(self, last: Segment<'a>, to: List<'_>) {
        let Some(first) = self.first() else {
            return;
        };
        self.cut_front(last.node.next.get());
        let end = to.0.prev.get();
        first.node.prev.set(end);
        last.node.next.set(to.head());
        // SAFETY: the head is borrowed, and its last member is live.
        unsafe { (*end).next.set(first.node()) };
        to.0.prev.set(last.node());
    }

    /// Makes `first` the beginning of the list, or empties the list if `first` is the head. The members before `first` keep their
    /// links.
    #[inline(always)]
    fn cut_front(self, first: *mut IQUEUEHEAD) {
        self.0.next.set(first);
        // SAFETY: the head is borrowed, and a member is live.
        unsafe { (*first).prev.set(self.head()) };
    }
}

/// A list that segments may be removed from. While it is borrowed, the only handles on its members are those borrowed from it.
pub(crate) struct ListMut<'a>(List<'a>);

impl<'a> ListMut<'a> {
    /// The list of this head, from which nothing else is borrowed.
    ///
    /// # Safety
    /// No handle on a member exists.
    #[inline(always)]
    pub(crate) const unsafe fn new(head: &'a IQUEUEHEAD) -> ListMut<'a> {
        ListMut(List(head))
    }

    /// Begins an empty list with a head that is not yet one.
    pub(crate) fn begin(head: &'a mut IQUEUEHEAD) -> ListMut<'a> {
        let list = List(head);
        list.init();
        ListMut(list)
    }

    #[inline(always)]
    pub(crate) fn list(&self) -> List<'_> {
        self.0
    }

    /// Removes a member from the list.
    ///
    /// # Safety
    /// `member` is a member of the list.
    #[inline(always)]
    pub(crate) unsafe fn take(&mut self, member: NonNull<IKCPSEG>) -> Owned {
        // SAFETY: a member is live.
        let segment: Segment<'_> = unsafe { Segment::from_raw(member) };
        let (prev, next) = (segment.node.prev.get(), segment.node.next.get());
        // SAFETY: the neighbours of a member are the head or live members.
        unsafe {
            (*next).prev.set(prev);
            (*prev).next.set(next);
        }
        segment.node.next.set(ptr::null_mut());
        segment.node.prev.set(ptr::null_mut());
        // SAFETY: the segment has left the list, and handles on members borrow from `self`.
        unsafe { Owned::from_raw(member, segment.len.get()) }
    }

    /// Removes the first member, which keeps its links.
    #[inline(always)]
    pub(crate) fn pop_front(&mut self) -> Option<Owned> {
        let first = self.0.first()?;
        self.0.cut_front(first.node.next.get());
        // SAFETY: as for `take`.
        Some(unsafe { Owned::from_raw(first.address(), first.len.get()) })
    }

    pub(crate) fn pop_back(&mut self) -> Option<Owned> {
        let last = self.0.last()?.address();
        // SAFETY: `last` is a member.
        Some(unsafe { self.take(last) })
    }

    /// Replaces the last member by `new` and returns it.
    pub(crate) fn replace_last(&mut self, new: Owned) -> Option<Owned> {
        let old = self.pop_back();
        self.0.push_back(new);
        old
    }

    /// Removes members from the front while they are `wanted`, and passes each to `taken`.
    #[inline(always)]
    pub(crate) fn pop_while(
        &mut self,
        wanted: impl Fn(Segment<'_>) -> bool,
        mut taken: impl FnMut(Owned),
    ) {
        let mut at = self.0.0.next.get();
        while let Some(segment) = self.0.member(at)
            && wanted(segment)
        {
            at = segment.node.next.get();
            // SAFETY: nothing reads the list until the segment has left it below, and handles on members borrow from `self`.
            taken(unsafe { Owned::from_raw(segment.address(), segment.len.get()) });
        }
        self.0.cut_front(at);
    }

    /// Moves all members to the end of `to`.
    #[inline(always)]
    pub(crate) fn move_all(self, to: List<'_>) {
        if let Some(last) = self.0.last() {
            self.0.move_front(last, to);
        }
    }
}
