//! Counting how often segments were skipped (`fastack`). In a small window each segment is counted at once, as in the original. In a
//! larger one the tree counts, and skips stay pending in its nodes until something looks at the segments below.

use super::SendIndex;
use super::tree::{Timing, above};
use crate::consts::profile;
use crate::index::slots::{Slots, Span, each};
use crate::list::List;
use crate::seq::{Millis, Sn};
use crate::wire::Ack;

/// How a skip, by an acknowledgement of a later segment, is counted for the segments in `span`.
struct Count {
    span: Span,
    ack: Ack,
    limit: i32,
    /// True: count in each segment. False: count in a node that it concerns as a whole, where it stays pending.
    at_once: bool,
}

/// True if segment `sn`, which was last sent at `ts`, should have arrived before the acknowledged one.
#[inline(always)]
fn skips(ack: Ack, sn: Sn, ts: Millis) -> bool {
    ack.sn.since(sn) > 0 && (!profile::FASTACK_CONSERVE || ack.ts.since(ts) >= 0)
}

impl SendIndex {
    /// An `ikcp_input` ended with `ack` for the latest acknowledged segment: every segment before it was skipped.
    #[inline(always)]
    pub(crate) fn skipped(&self, list: List<'_>, ack: Ack) {
        let Some((first, last)) = list.ends() else {
            return;
        };
        let (first, last) = (Sn(first.sn.get()), Sn(last.sn.get()));
        if self.is_off() {
            Self::count_skip(list, ack);
        } else if ack.sn.since(first) > 0 {
            self.count_in_tree(first, last, ack);
            self.stamp_ends(list);
        }
    }

    /// If all segments are checked at each flush, a program may write any of them, so nothing may stay pending.
    #[inline(never)]
    fn count_in_tree(&self, first: Sn, last: Sn, ack: Ack) {
        let at_once = self.are_few();
        if !at_once {
            self.skips_pending.set(true);
        }
        let ring_end = self.slots.last_slot();
        let (from, to) = (
            self.slots.slot(first),
            self.slots.slot(ack.sn.plus(u32::MAX)),
        );
        let whole = ack.sn.since(last) > 0;
        let in_one_piece = from <= self.slots.slot(last);
        let count = |from, to| {
            let count = Count {
                span: Span { from, to },
                ack,
                limit: self.limit.get(),
                at_once,
            };
            self.slots.count(self.slots.root_level(), 0, &count);
        };
        if whole {
            count(0, ring_end);
        } else if in_one_piece {
            count(0, to);
        } else if from <= to {
            count(from, to);
        } else {
            count(0, to);
            count(from, ring_end);
        }
    }

    /// The original's walk, for a list without an index.
    fn count_skip(list: List<'_>, ack: Ack) {
        let mut at = list.first();
        while let Some(segment) = at {
            let sn = Sn(segment.sn.get());
            if ack.sn.before(sn) {
                break;
            }
            if skips(ack, sn, Millis(segment.ts.get())) {
                let fastack = &segment.fastack;
                fastack.set(fastack.get().wrapping_add(1));
            }
            at = list.next(segment);
        }
    }

    /// Applies pending skips to the segments of the list, whatever the program has done to it.
    pub(super) fn apply_skips_to(&self, list: List<'_>) {
        let mut at = list.first();
        while let Some(segment) = at {
            let sn = Sn(segment.sn.get());
            if self.slots.knows(sn, segment.as_ptr()) {
                let skips = self.slots.pending(self.slots.slot(sn));
                segment
                    .fastack
                    .set(segment.fastack.get().wrapping_add(skips));
            }
            at = list.next(segment);
        }
    }

    /// Segments are appended where skips may be pending, which must not reach the new ones.
    pub(super) fn push_for(&self, list: List<'_>, sn: Sn, last: Sn) {
        self.slots.push_to(sn);
        self.slots.push_to(last);
        self.stamp_ends(list);
    }

    /// Applies pending skips to all segments before each is visited.
    #[inline(always)]
    pub(crate) fn apply_skips(&self, list: List<'_>) {
        if !self.is_off() && self.skips_pending.get() {
            self.apply_skips_now(list);
        }
    }

    fn apply_skips_now(&self, list: List<'_>) {
        self.refresh_all();
        self.stamp_ends(list);
    }
}

impl Slots<Timing> {
    /// Counts a skip for the segments below a node.
    fn count(&self, level: u32, slot: u32, what: &Count) {
        let Count {
            span,
            ack,
            limit,
            at_once,
        } = *what;
        let node = self.node(level, slot);
        let passed = if profile::FASTACK_CONSERVE {
            node.note.sent.get().is_past(ack.ts)
        } else {
            Some(true)
        };
        match passed {
            // None of these segments was sent before the skip: nothing to count.
            Some(false) => return,
            Some(true) if !at_once && span.covers(self.extent(level, slot)) => {
                node.note.add(1);
                return;
            }
            _ => {}
        }
        self.push(level, slot);
        let mut most = 0;
        if level > 0 {
            for at in each(level, slot, self.within(level, slot, span)) {
                self.count(level - 1, at, what);
            }
            for at in each(level, slot, node.live.get()) {
                most = most.max(self.node(level - 1, at).note.above.get());
            }
        } else {
            for at in each(0, slot, node.live.get()) {
                let segment = self.segment(at);
                if span.has(at) && skips(ack, Sn(segment.sn.get()), Millis(segment.ts.get())) {
                    let fastack = &segment.fastack;
                    fastack.set(fastack.get().wrapping_add(1));
                }
                most = most.max(above(segment, limit));
            }
        }
        node.note.above.set(most);
    }

    /// Skips that are pending for the segment in `slot`.
    fn pending(&self, slot: u32) -> u32 {
        let mut skips = 0u32;
        self.climb(slot, 0, |node, _| {
            skips = skips.wrapping_add(node.note.pending.get());
            false
        });
        skips
    }
}
