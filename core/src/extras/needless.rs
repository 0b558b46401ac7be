//! Which retransmissions were spurious. An acknowledgement echoes the time stamp of the transmission that arrived.

use core::cell::Cell;

use crate::seq::{Millis, Sn};

/// Number of retransmitted segments that can be remembered. The last bits of its number say which entry a segment has.
const REMEMBERED: u32 = u32::BITS;

/// A retransmitted segment.
struct Entry {
    sn: Cell<Sn>,
    /// When it was sent before the first retransmission, and when it was last sent.
    first: Cell<Millis>,
    last: Cell<Millis>,
    resends: Cell<u32>,
}

pub(super) struct Resent {
    /// A bit for each entry that is in use.
    used: Cell<u32>,
    entries: [Entry; REMEMBERED as usize],
}

/// The bit of `sn`.
#[inline(always)]
fn bit(sn: Sn) -> u32 {
    1 << (sn.0 % REMEMBERED)
}

impl Resent {
    #[inline(always)]
    fn entry(&self, sn: Sn) -> &Entry {
        &self.entries[(sn.0 % REMEMBERED) as usize]
    }

    #[inline(always)]
    fn knows(&self, sn: Sn) -> bool {
        self.used.get() & bit(sn) != 0 && self.entry(sn).sn.get() == sn
    }

    #[inline(always)]
    fn release(&self, sn: Sn) {
        self.used.set(self.used.get() & !bit(sn));
    }

    #[inline(always)]
    pub(super) fn remembers(&self) -> bool {
        self.used.get() != 0
    }

    /// `sn`, last sent at `before`, is retransmitted at `now`.
    #[inline(always)]
    pub(super) fn note(&self, sn: Sn, before: Millis, now: Millis) {
        let entry = self.entry(sn);
        if !self.knows(sn) {
            entry.sn.set(sn);
            entry.first.set(before);
            entry.resends.set(0);
            self.used.set(self.used.get() | bit(sn));
        }
        entry.last.set(now);
        entry.resends.set(entry.resends.get().wrapping_add(1));
    }

    /// The transmission of `sn` at `ts` arrived. Returns the number of retransmissions that were spurious, and forgets the
    /// segment; `None` if the segment is unknown.
    #[inline(always)]
    pub(super) fn arrived(&self, sn: Sn, ts: Millis) -> Option<u32> {
        let entry = self.entry(sn);
        if !self.knows(sn) {
            return None;
        }
        self.release(sn);
        Some(if ts == entry.last.get() {
            0
        } else if ts == entry.first.get() {
            entry.resends.get()
        } else {
            1
        })
    }

    pub(super) fn forget_one(&self, sn: Sn) {
        if self.knows(sn) {
            self.release(sn);
        }
    }

    /// Forgets segments that are acknowledged and were last sent before `then`.
    pub(super) fn forget(&self, una: Sn, then: Millis) {
        for (number, entry) in (0..).zip(&self.entries) {
            if entry.sn.get().before(una) && entry.last.get().before(then) {
                self.release(Sn(number));
            }
        }
    }
}
