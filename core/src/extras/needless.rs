//! Which retransmissions were spurious. An acknowledgement echoes the time stamp of the transmission that arrived.

use core::cell::Cell;

use crate::seq::{Millis, Sn};

/// Number of retransmitted segments that can be remembered, by the last bits of their numbers.
const REMEMBERED: usize = 32;

/// A retransmitted segment. With 0 resends the entry is free.
struct Entry {
    sn: Cell<Sn>,
    /// When it was sent before the first retransmission, and when it was last sent.
    first: Cell<Millis>,
    last: Cell<Millis>,
    resends: Cell<u32>,
}

pub(super) struct Resent([Entry; REMEMBERED]);

impl Resent {
    fn entry(&self, sn: Sn) -> &Entry {
        &self.0[sn.0 as usize % REMEMBERED]
    }

    /// `sn`, last sent at `before`, is retransmitted at `now`. True if that takes a free entry.
    pub(super) fn note(&self, sn: Sn, before: Millis, now: Millis) -> bool {
        let entry = self.entry(sn);
        let resends = entry.resends.get();
        if resends == 0 || entry.sn.get() != sn {
            entry.sn.set(sn);
            entry.first.set(before);
            entry.resends.set(0);
        }
        entry.last.set(now);
        entry.resends.set(entry.resends.get().wrapping_add(1));
        resends == 0
    }

    /// The transmission of `sn` at `ts` arrived. Returns the number of retransmissions that were spurious, and forgets the
    /// segment; `None` if the segment is unknown.
    pub(super) fn arrived(&self, sn: Sn, ts: Millis) -> Option<u32> {
        let entry = self.entry(sn);
        if entry.resends.get() == 0 || entry.sn.get() != sn {
            return None;
        }
        let resends = entry.resends.replace(0);
        Some(if ts == entry.last.get() {
            0
        } else if ts == entry.first.get() {
            resends
        } else {
            1
        })
    }

    /// Forgets segments that are acknowledged and were last sent before `then`. Returns their number.
    pub(super) fn forget(&self, una: Sn, then: Millis) -> u32 {
        let mut forgotten = 0;
        for entry in &self.0 {
            let arrived = entry.sn.get().before(una) && entry.last.get().before(then);
            if arrived && entry.resends.replace(0) != 0 {
                forgotten += 1;
            }
        }
        forgotten
    }
}
