//! When something is due, to the millisecond, and an update that sends it at that time.
//!
//! A connection that is driven in this way sends when there is something to send, and sleeps in between for any length of time.

use crate::index::Scope;
use crate::kcp::Kcp;
use crate::seq::Millis;

/// The distance from the clock when only a call or a packet can make something due.
const NEVER: i32 = i32::MAX;

impl Kcp<'_> {
    /// When `update_due` next has something to do, in ms on the caller's clock, if nothing is sent or arrives before.
    #[must_use]
    pub fn next_due(&self, current: u32) -> u32 {
        let now = Millis(current);
        let wait = if self.updated.get() == 0 || self.owes_now() {
            0
        } else {
            self.sync_sent();
            self.until_segment(now)
                .min(self.until_probe(now).unwrap_or(NEVER))
                .min(self.until_dead_link(now))
                .min(self.until_copy(now))
                .min(self.until_loss(now))
                .min(self.until_planned(now))
        };
        now.plus(wait.max(0).unsigned_abs()).0
    }

    /// Sets the clock to `current` ms, and sends what is due.
    pub fn update_due(self, current: u32) {
        let now = Millis(current);
        self.current.set(current);
        if self.updated.get() == 0 {
            self.updated.set(1);
            self.ts_flush.set(current);
        }
        if self.until_flush(now) <= 0 {
            let due = Millis(self.ts_flush.get());
            let next = now.plus(self.interval.get());
            self.ts_flush.set(next.0);
            self.check_some_sent(due, next);
        }
        if self.until_dead_link(now) <= 0 {
            // The flush tells it at the end of a trimming period.
            self.private().trimming.end_in(0, now);
        }
        // A flush does this at its end; here it is done before, so that the first message need not wait for the next flush.
        self.raise_window();
        if let Ok(kcp) = self.request_flush() {
            kcp.tell_dead_link();
        }
    }

    /// Time until the interval ends: now if that is more than an interval away, because the clock has jumped.
    fn until_flush(&self, now: Millis) -> i32 {
        let left = Millis(self.ts_flush.get()).since(now);
        if left.unsigned_abs() > self.interval.get() {
            0
        } else {
            left
        }
    }

    /// True if something is due regardless of the clock: acknowledgements, answers to probes, messages that fit the window.
    fn owes_now(&self) -> bool {
        self.ackcount.get() != 0
            || self.probe.get() != 0
            || (!self.snd_queue().is_empty()
                && !self.private().deferred.get()
                && (self.admits(self.send_window()) || self.cwnd.get() == 0))
    }

    /// Time until the flush that a control has planned, if the control holds segments back: only a flush sets its pace and window.
    fn until_planned(&self, now: Millis) -> i32 {
        let others = self.snd_wnd.get().min(self.rmt_wnd.get());
        if self.has_control() && !self.snd_queue().is_empty() && self.admits(others) {
            self.until_flush(now)
        } else {
            NEVER
        }
    }

    /// Time until a segment may be copied.
    fn until_copy(&self, now: Millis) -> i32 {
        let Some(redundancy) = self.redundancy() else {
            return NEVER;
        };
        let (index, list) = (&self.private().sent, self.snd_buf());
        if list.is_empty() {
            return NEVER;
        }
        let in_flight = |sn| index.find_again(list, sn).is_some();
        redundancy.stubs.settle(self.acknowledged(), in_flight);
        redundancy.wait(now).unwrap_or(NEVER)
    }

    /// True if a segment in flight is due; works without the index.
    #[inline(never)]
    fn walks_to_due(&self, now: Millis) -> bool {
        !self.walks_past_nothing_due(now)
    }

    /// Time until a segment in flight is due. Segments that a flush had to leave are due at the end of the interval.
    fn until_segment(&self, now: Millis) -> i32 {
        let (private, list) = (self.private(), self.snd_buf());
        if list.is_empty() {
            return NEVER;
        }
        if private.deferred.get() {
            let until_flush = self.until_flush(now);
            return self.next_deadline(now, until_flush).min(until_flush);
        }
        let index = &private.sent;
        if index.is_off() {
            if self.walks_to_due(now) {
                return 0;
            }
            return self.walk_to_deadline(now, None);
        }
        let is_due = index.has_unsent()
            || match self.first_due(now, self.resent()) {
                (Scope::Unsent, _) => false,
                (Scope::Due, first) => first.is_some(),
                (Scope::All, _) => self.walks_to_due(now),
            };
        if is_due {
            return 0;
        }
        let wait = index.earliest_before(now, NEVER, None);
        if index.quiet_for(now) < wait {
            index.narrow(list, now, wait);
        }
        wait
    }
}
