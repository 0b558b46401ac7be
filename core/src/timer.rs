//! `ikcp_update` and `ikcp_check`: the clock, the flush interval, and when to call again.

use crate::kcp::Kcp;
use crate::seq::Millis;
use crate::ways;

/// If the clock is further than this from the next flush, ms, it was reset, and the interval starts again.
const CLOCK_JUMP: i32 = 10_000;

impl Kcp<'_> {
    /// Sets the clock to `current` ms, and flushes when the interval is over.
    pub fn update(self, current: u32) {
        self.current.set(current);
        let until_flush = Millis(self.ts_flush.get()).since(Millis(current));
        if self.updated.get() == 0 || !(1..=CLOCK_JUMP).contains(&until_flush) {
            self.end_interval(current);
        }
    }

    /// The interval has ended, or the first one begins, or the clock has jumped.
    #[inline(never)]
    fn end_interval(self, current: u32) {
        let now = Millis(current);
        let mut due = Millis(self.ts_flush.get());
        let first = self.updated.get() == 0;
        if first {
            self.updated.set(1);
        }
        if first || !(0..CLOCK_JUMP).contains(&now.since(due)) {
            due = now;
        }
        let mut next = due.plus(self.interval.get());
        if now.since(next) >= 0 {
            next = now.plus(self.interval.get());
        }
        self.ts_flush.set(next.0);
        self.check_some_sent(due, next);
        if let Ok(kcp) = self.request_flush() {
            kcp.narrow_bounds();
            if kcp.state.get() == u32::MAX {
                kcp.tell_dead_link();
            }
        }
    }

    /// Makes the bounds on the earliest deadline exact if they are too loose for `check` until the next flush. `check` may write
    /// nothing, and would have to search for the deadline at every call.
    #[inline(always)]
    fn narrow_bounds(&self) {
        let index = &self.private().sent;
        if !index.is_off()
            && index.quiet_for(self.now()) < Millis(self.ts_flush.get()).since(self.now())
        {
            self.narrow_loose_bounds();
        }
    }

    #[inline(never)]
    fn narrow_loose_bounds(&self) {
        let (index, list, now) = (&self.private().sent, self.snd_buf(), self.now());
        self.sync_sent_after_callback();
        if !list.is_empty() && !index.is_off() {
            index.narrow(list, now, Millis(self.ts_flush.get()).since(now));
        }
    }

    /// When to call `update` next, in ms on the caller's clock, if nothing is sent or arrives before. Writes nothing.
    #[must_use]
    pub fn check(&self, current: u32) -> u32 {
        if self.updated.get() == 0 {
            return current;
        }
        let now = Millis(current);
        let until_flush = Millis(self.ts_flush.get()).since(now);
        // As in `update`, a flush that is further away than a jump is due now.
        if until_flush <= 0 || until_flush > CLOCK_JUMP {
            return current;
        }
        if ways::CHECK_BY_BOUNDS && self.is_quiet_for(now, until_flush) {
            self.check_in(now, until_flush)
        } else {
            self.check_deadlines(now, until_flush)
        }
    }

    /// The answer if nothing is due for `wait` ms.
    #[inline(always)]
    fn check_in(&self, now: Millis, wait: i32) -> u32 {
        now.plus(wait.cast_unsigned().min(self.interval.get())).0
    }

    /// True if the index shows that nothing is due for `horizon` ms.
    #[inline(always)]
    fn is_quiet_for(&self, now: Millis, horizon: i32) -> bool {
        let (private, list) = (self.private(), self.snd_buf());
        let index = &private.sent;
        list.is_empty()
            || (!index.is_off()
                && index.quiet_for(now) >= horizon
                // What the last flush had to leave waits for the next one.
                && (private.deferred.get() || !index.has_unsent())
                && self.knows_sent())
    }

    /// The answer if the earliest deadline has to be searched for.
    #[inline(never)]
    fn check_deadlines(&self, now: Millis, until_flush: i32) -> u32 {
        let until_resend = self.next_deadline(now, until_flush);
        if until_resend <= 0 {
            now.0
        } else {
            self.check_in(now, until_resend.min(until_flush))
        }
    }

    /// Distance of the earliest `resendts` from `now`, or some value of at least `horizon` if it is not before that.
    pub(crate) fn next_deadline(&self, now: Millis, horizon: i32) -> i32 {
        let private = self.private();
        let index = &private.sent;
        let deferred = private.deferred.get().then(|| private.deferred_at.get());
        if !ways::CHECK_BY_BOUNDS
            || index.is_off()
            || (deferred.is_none() && index.has_unsent())
            || !self.knows_sent()
        {
            return self.walk_to_deadline(now, deferred);
        }
        index.earliest_before(now, horizon, deferred)
    }

    /// `next_deadline` from the list itself. Segments that the last flush had to leave are due at the next flush, and not before.
    #[cold]
    #[inline(never)]
    pub(crate) fn walk_to_deadline(&self, now: Millis, deferred: Option<Millis>) -> i32 {
        let list = self.snd_buf();
        let mut earliest = i32::MAX;
        let mut at = list.first();
        while let Some(segment) = at {
            let resendts = Millis(segment.resendts.get());
            if deferred.is_none_or(|since| since.before(resendts)) {
                earliest = earliest.min(resendts.since(now));
            }
            at = list.next(segment);
        }
        earliest
    }
}
