//! The index over `snd_buf`: which segments are listed, their earliest deadline, and how often each was skipped.
//!
//! With up to [`UNINDEXED`] segments in flight there is no index, and the list is walked as in the original: a connection with a
//! message now and then has neither an index nor a pool. There is none either without memory, or if a program puts the list out
//! of order. With more segments there is a ring with a tree over it.
//!
//! This file holds the life of the index: how it is made, and how segments come and go. In `send/`:
//!
//! - `due`: what makes a segment due, and when the next one is
//! - `find`: segments by number, and the next one that is due
//! - `transmissions`: what was sent
//! - `skips`: how often segments were skipped
//! - `edits`: what programs wrote to segments
//! - `tree`: what a node records, and how records are renewed

mod due;
mod edits;
mod find;
mod skips;
#[cfg(test)]
mod tests;
mod transmissions;
mod tree;

use core::cell::Cell;
use core::ptr::NonNull;

use super::slots::Slots;
use crate::abi::IKCPSEG;
use crate::list::{List, ListMut};
use crate::segment::{Owned, Segment};
use crate::seq::{Millis, Sn};
pub(crate) use due::{Cause, Due};
use edits::{NOT_SENT, counts};
use tree::Timing;

/// With at most this many segments in flight there is no index.
const UNINDEXED: u32 = 4;

/// With at most this many segments in flight every flush checks all of them, and so sees at once what a program has written.
const FEW: u32 = 64;

/// How many segments ahead of a walk are prefetched.
const AHEAD: u32 = 4;

/// Which segments a flush has to visit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    /// Segments that were never sent.
    Unsent,
    /// Those, and the segments that the tree finds due.
    Due,
    /// All segments.
    All,
}

/// Segments that get sequence numbers.
pub(crate) struct Admission<'k> {
    /// The first of them.
    pub(crate) run: Segment<'k>,
    /// The number after the last of them.
    pub(crate) next: Sn,
    pub(crate) ts: Millis,
    /// Number of these segments.
    pub(crate) count: u32,
    /// Number of segments in the list with these, and the most that it may have.
    pub(crate) total: u32,
    pub(crate) window: u32,
}

/// First come the fields that an update reads when nothing is due.
#[repr(C)]
pub(crate) struct SendIndex {
    /// The ring. Without memory there is no index, and the fields below are not kept up to date.
    slots: Slots<Timing>,

    // The stamp: what the list looked like when the index described it.
    first: Cell<*mut IKCPSEG>,
    last: Cell<*mut IKCPSEG>,
    count: Cell<u32>,
    next: Cell<Sn>,
    first_resendts: Cell<u32>,
    last_resendts: Cell<u32>,
    /// `xmit` and `fastack` of both ends, to notice what a program writes there.
    first_counts: Cell<u32>,
    last_counts: Cell<u32>,

    /// Every listed segment before this one was sent, and the tree knows its deadline.
    unsent: Cell<Sn>,
    /// The `fastlimit` for which the tree holds.
    limit: Cell<i32>,
    /// Skips may be pending in the tree.
    skips_pending: Cell<bool>,
    /// Where the next check for a program's writes begins.
    checks_from: Cell<Sn>,
    /// When it comes.
    next_check: Cell<Millis>,
    /// The most sequence numbers that were in flight in this trimming period.
    peak: Cell<u32>,
    /// How many segments could be in flight when the ring was last made.
    window: Cell<u32>,
    /// Segments from `run` up to `run_end` were sent with this deadline, but the tree need not know it yet.
    run: Cell<Sn>,
    run_end: Cell<Sn>,
    run_resendts: Cell<Millis>,
}

impl SendIndex {
    /// True if there is no index, so that everything must be looked up in the list.
    #[inline(always)]
    pub(crate) fn is_off(&self) -> bool {
        !self.slots.is_allocated()
    }

    /// True if every flush checks every segment, because there are few.
    #[inline(always)]
    pub(crate) fn are_few(&self) -> bool {
        self.is_off() || self.count.get() <= FEW
    }

    /// True if the index still describes the list.
    #[inline(always)]
    pub(crate) fn describes(&self, list: List<'_>, count: u32, next: Sn) -> bool {
        if self.count.get() != count
            || self.next.get() != next
            || self.first.get() != list.first_address()
            || self.last.get() != list.last_address()
        {
            return false;
        }
        list.ends().is_none_or(|(first, last)| {
            first.resendts.get() == self.first_resendts.get()
                && last.resendts.get() == self.last_resendts.get()
        })
    }

    /// Stamps the index with the list's ends.
    #[inline(never)]
    fn stamp_ends(&self, list: List<'_>) {
        self.first.set(list.first_address());
        self.last.set(list.last_address());
        if let Some((first, last)) = list.ends() {
            self.stamp_first(Millis(first.resendts.get()), counts(first));
            self.stamp_last(Millis(last.resendts.get()), counts(last));
        }
    }

    #[inline(always)]
    fn stamp_first(&self, resendts: Millis, counts: u32) {
        self.first_resendts.set(resendts.0);
        self.first_counts.set(counts);
    }

    #[inline(always)]
    fn stamp_last(&self, resendts: Millis, counts: u32) {
        self.last_resendts.set(resendts.0);
        self.last_counts.set(counts);
    }

    /// Makes the index describe the list again after the program has edited it.
    #[cold]
    #[inline(never)]
    pub(crate) fn rebuild(&self, list: List<'_>, count: u32, next: Sn) {
        if !self.is_off() && self.skips_pending.replace(false) {
            self.apply_skips_to(list);
        }
        self.build(list, count, next);
    }

    /// Makes the index describe a list of which nothing was known and for which nothing is pending.
    #[cold]
    #[inline(never)]
    fn build(&self, list: List<'_>, count: u32, next: Sn) {
        self.count.set(count);
        self.next.set(next);
        if !self.fill_ring(list) {
            self.slots.free();
        }
        self.stamp_ends(list);
    }

    /// Puts the list into the ring. False without memory, or if the list is out of order.
    fn fill_ring(&self, list: List<'_>) -> bool {
        self.skips_pending.set(false);
        self.run.set(self.run_end.get());
        self.unsent.set(self.next.get());
        let Some((first, last)) = list.ends() else {
            return self.slots.is_allocated() && self.slots.set_up(self.slots.capacity(), 0);
        };
        let low = Sn(first.sn.get());
        let span = Sn(last.sn.get()).since(low);
        if span < 0 || !self.set_up(span.unsigned_abs() + 1) {
            return false;
        }
        let mut at = list.last();
        let mut behind = None;
        while let Some(segment) = at {
            let sn = Sn(segment.sn.get());
            // Even if each step leads forward, all steps together may lead around the circle.
            if behind.is_some_and(|behind: Sn| !sn.before(behind)) || sn.before(low) {
                return false;
            }
            if segment.xmit.get() == 0 {
                self.unsent.set(sn);
            }
            self.slots.set(sn, segment);
            behind = Some(sn);
            at = list.prev(segment);
        }
        self.refresh_all();
        true
    }

    fn set_up(&self, span: u32) -> bool {
        self.peak.set(self.peak.get().max(span));
        self.slots.set_up(span, self.window.get())
    }

    /// Applies all pending skips to the segments, and renews every node.
    #[cold]
    #[inline(never)]
    fn refresh_all(&self) {
        self.skips_pending.set(false);
        self.refresh(None);
    }

    /// Segments were appended to the list.
    #[inline(always)]
    pub(crate) fn admitted(
        &self,
        list: List<'_>,
        admission: Admission<'_>,
        limit: impl Fn() -> i32,
    ) {
        let Admission {
            run,
            next,
            ts,
            count,
            total,
            window,
        } = admission;
        let Some((head, end)) = list.ends() else {
            return;
        };
        let sn = Sn(run.sn.get());
        let begins = head == run;
        if self.is_off() {
            // If memory was short or the list out of order, it tries again now and then.
            if total > UNINDEXED
                && (total <= FEW || begins || total / FEW != total.wrapping_sub(count) / FEW)
            {
                self.window.set(window);
                self.limit.set(limit());
                self.build(list, total, next);
            }
            return;
        }
        if begins {
            self.restart(sn, limit());
        }
        self.count.set(self.count.get().wrapping_add(count));
        self.next.set(next);
        let first = Sn(head.sn.get());
        let previous = list.prev(run).map(|previous| Sn(previous.sn.get()));
        let last = next.plus(u32::MAX);
        let ahead = last.forward_from(first);
        // The program may have set `snd_nxt`.
        if ahead > self.slots.last_slot() || previous.is_some_and(|previous| !previous.before(sn)) {
            self.window.set(window);
            self.rebuild(list, self.count.get(), self.next.get());
            return;
        }
        if self.skips_pending.get() {
            self.push_for(list, sn, last);
        }
        self.peak.set(self.peak.get().max(ahead + 1));
        self.slots.append(sn, last, ts, list.from(run));
        self.last.set(end.as_ptr());
        self.stamp_last(ts, NOT_SENT);
        if begins {
            self.first.set(run.as_ptr());
            self.stamp_first(ts, NOT_SENT);
        }
    }

    /// Begins with an empty list, before segment `sn`. The index of an empty list is not kept up to date.
    fn restart(&self, sn: Sn, limit: i32) {
        if self.count.replace(0) != 0 {
            // The program has emptied the list.
            self.slots.set_up(self.slots.capacity(), 0);
        }
        self.skips_pending.set(false);
        self.unsent.set(sn);
        self.limit.set(limit);
    }

    /// Removes a segment from the list.
    #[inline(always)]
    pub(super) fn remove(&self, list: &mut ListMut<'_>, at: NonNull<IKCPSEG>) -> Owned {
        // SAFETY: it was found in the list.
        let segment = unsafe { list.take(at) };
        if self.is_off() {
            return segment;
        }
        self.slots.clear(Sn(segment.segment().sn.get()));
        self.count.set(self.count.get().wrapping_sub(1));
        if self.first.get() == at.as_ptr() || self.last.get() == at.as_ptr() {
            self.stamp_ends(list.list());
        }
        segment
    }

    /// Removes every segment before `una` from the list and passes each to `taken`. Returns their number.
    #[inline(always)]
    pub(crate) fn take_before(
        &self,
        list: &mut ListMut<'_>,
        una: Sn,
        mut taken: impl FnMut(Owned),
    ) -> u32 {
        let (mut count, mut run) = (0, None);
        let indexed = !self.is_off();
        let front = list.list().first_address();
        let mut back = front;
        list.pop_while(
            |segment| una.since(Sn(segment.sn.get())) > 0,
            |segment| {
                if indexed {
                    let sn = Sn(segment.segment().sn.get());
                    run = Some((run.map_or(sn, |(first, _)| first), sn));
                    back = segment.segment().as_ptr();
                    self.slots.prefetch(sn.plus(AHEAD));
                }
                count += 1;
                taken(segment);
            },
        );
        if let Some((first, last)) = run {
            self.count.set(self.count.get().wrapping_sub(count));
            if self.slots.clear_listed((first, front), (last, back)) {
                self.stamp_ends(list.list());
            } else {
                self.rebuild(list.list(), self.count.get(), self.next.get());
            }
        }
        count
    }

    /// Renews every node that may have a deadline up to `last`, or all nodes.
    fn refresh(&self, last: Option<Millis>) {
        let top = self.slots.root_level();
        self.slots.refresh(top, 0, last, self.limit.get());
    }

    /// Ends a trimming period: resizes the ring to what was needed.
    pub(crate) fn trim(&self, list: List<'_>) {
        let peak = self.peak.replace(0);
        if self.is_off() || !self.slots.is_too_large(peak, self.window.get()) {
            return;
        }
        if self.count.get() <= UNINDEXED {
            self.refresh_all();
            self.slots.free();
        } else {
            self.rebuild(list, self.count.get(), self.next.get());
        }
    }

    pub(crate) fn free(&self) {
        self.slots.free();
    }
}
