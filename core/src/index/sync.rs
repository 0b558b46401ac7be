//! Makes the indexes match the public lists again. A program may have edited those between two calls, or inside a callback.
//!
//! Nothing follows an address of an index before one of these functions, or [`Kcp::knows_sent`], has compared the index with its
//! list. Where segments were edited in place, the lists look the same: `send/edits` finds those.

use crate::kcp::Kcp;
use crate::seq::Millis;

impl Kcp<'_> {
    /// A packet arrived. The index of `rcv_buf` is checked when a segment arrives out of order. It is checked here only if it holds
    /// addresses, which must not outlive the segments, and never for an empty list, since the index of an empty list is not used.
    #[inline(always)]
    pub(crate) fn sync(&self) {
        self.note_change();
        self.sync_sent();
        if !self.rcv_buf().is_empty() && self.private().received.holds_addresses() {
            self.sync_received();
        }
    }

    /// A callback returned to an operation that will change the lists, which a flush that began meanwhile must notice.
    #[inline(never)]
    pub(crate) fn sync_after_callback(&self) {
        self.note_change();
        self.sync_sent_after_callback();
        if self.private().received.holds_addresses() {
            self.sync_received();
        }
    }

    /// An operation on `snd_buf` begins. The index of an empty list is not used, and the next admission restarts it.
    #[inline(always)]
    pub(crate) fn sync_sent(&self) {
        let (index, list) = (&self.private().sent, self.snd_buf());
        if !list.is_empty() && !index.is_off() && !self.knows_sent() {
            self.rebuild_sent();
        }
    }

    /// `sync_sent` where a callback may have run. Any difference counts as a change; so does a list without an index, which may
    /// have changed unnoticed.
    #[inline(never)]
    pub(crate) fn sync_sent_after_callback(&self) {
        if self.private().sent.is_off() {
            self.note_change();
        } else if !self.knows_sent() {
            self.rebuild_sent();
        }
    }

    /// A callback ran before a flush visits `snd_buf`, perhaps one of another flush, which has sent some segments. If the path has
    /// changed inside that callback, what the other flush had visited by then is to be sent again.
    #[inline(never)]
    pub(crate) fn sync_before_transmission(&self) {
        let (index, list) = (&self.private().sent, self.snd_buf());
        index.settle_run();
        self.sync_sent_after_callback();
        if index.has_missed_first(list) {
            self.rebuild_sent();
        }
        index.check_few(list);
    }

    /// An interval has ended at `due`, and the one that begins ends at `next`: checks some segments in flight for what the program has
    /// written to them, if flushes do not check all.
    #[inline(always)]
    pub(crate) fn check_some_sent(&self, due: Millis, next: Millis) {
        if !self.private().sent.are_few() {
            self.check_some_of_many(due, next);
        }
    }

    #[inline(never)]
    fn check_some_of_many(&self, due: Millis, next: Millis) {
        if !self.private().sent.has_to_check(due, next) {
            return;
        }
        self.sync_sent_after_callback();
        if !self.private().sent.check_some(self.snd_buf()) {
            self.rebuild_sent();
        }
    }

    /// True if the send index still describes `snd_buf`.
    #[inline(always)]
    pub(crate) fn knows_sent(&self) -> bool {
        let (list, count) = (self.snd_buf(), self.nsnd_buf.get());
        self.private().sent.describes(list, count, self.next_sn())
    }

    #[cold]
    #[inline(never)]
    pub(crate) fn rebuild_sent(&self) {
        self.note_change();
        let (list, count) = (self.snd_buf(), self.nsnd_buf.get());
        self.private().sent.rebuild(list, count, self.next_sn());
    }

    /// Bookmarks made before this no longer open.
    #[inline(always)]
    pub(crate) fn note_change(&self) {
        let changes = &self.private().changes;
        changes.set(changes.get().wrapping_add(1));
    }

    /// A segment arrived out of order, or may have to follow one that did.
    #[inline(always)]
    pub(crate) fn sync_received(&self) {
        let (list, count) = (self.rcv_buf(), self.nrcv_buf.get());
        let index = &self.private().received;
        if !index.describes(list, count) {
            index.rebuild(list, count);
        }
    }
}
