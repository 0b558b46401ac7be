//! Which resends proved to be for nothing: an acknowledgement carries the time of the transmission that it answers.

use core::cell::Cell;

use crate::seq::{Millis, Sn};

/// Segments sent again that are remembered at the same time, by the last bits of their numbers.
const REMEMBERED: usize = 32;

/// A segment that was sent again. Without resends the place is free.
struct Entry {
    sn: Cell<Sn>,
    /// When it was sent before the first resend that is remembered, and last.
    first: Cell<Millis>,
    last: Cell<Millis>,
    resends: Cell<u32>,
}

pub(super) struct Resent([Entry; REMEMBERED]);

impl Resent {
    fn entry(&self, sn: Sn) -> &Entry {
        &self.0[sn.0 as usize % REMEMBERED]
    }

    /// `sn`, sent last at `before`, is sent again at `now`. True when one more is remembered now.
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

    /// The transmission of `sn` at `ts` has arrived. Gives the resends that this shows to have been for nothing, and forgets
    /// the segment; `None` when it is not remembered.
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

    /// Forgets `sn`. True when it was remembered.
    pub(super) fn forget_one(&self, sn: Sn) -> bool {
        let entry = self.entry(sn);
        entry.sn.get() == sn && entry.resends.replace(0) != 0
    }

    /// Forgets what was acknowledged, and sent last before `then`. Gives how many.
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
