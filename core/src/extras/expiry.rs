//! Messages that expire: one that has not begun to leave by then is dropped from the queue.
//!
//! When that is stands in the segment itself, so that it goes where the segment goes, and whatever a program does to the queue is
//! right: fields of a queued segment that mean nothing before it gets its number. `cmd` is then a mark that no packet has.

use core::ffi::c_int;

use crate::kcp::{Kcp, Private};
use crate::list::List;
use crate::segment::{Segment, Source};
use crate::send::REFUSED;
use crate::seq::{Millis, Sn};

/// In the queue, `cmd` of the first segment of a message that expires, at the time in its `resendts`; and of its other segments.
const FIRST: u32 = 0x6465_6101;
const OTHER: u32 = 0x6465_6102;

/// The longest time, ms: 12 days. The order of two times holds for twice as much, so a message with the longest time also survives a
/// clock that is set back by days.
const LONGEST: u32 = 1 << 30;

/// The answer in stream mode, where there are no messages.
const STREAM: c_int = -4;

impl Segment<'_> {
    /// When the queued message that begins with this segment expires, if it does.
    #[inline(always)]
    fn expiry(self) -> Option<Millis> {
        (self.cmd.get() == FIRST).then(|| Millis(self.resendts.get()))
    }

    fn set_expiry(self, mark: u32, at: Millis) {
        self.cmd.set(mark);
        self.resendts.set(at.0);
    }

    /// The segment leaves the queue without getting a number.
    pub(crate) fn forget_expiry(self) {
        self.cmd.set(0);
    }
}

/// Number of segments of the expired message that begins with `first`; 0 if the program has changed them so that they are no message.
fn segments_of(queue: List<'_>, first: Segment<'_>) -> u32 {
    let mut following = first.frg.get();
    let mut at = first;
    while following > 0 {
        following -= 1;
        match queue.next(at) {
            Some(next) if next.cmd.get() == OTHER && next.frg.get() == following => at = next,
            _ => return 0,
        }
    }
    first.frg.get() + 1
}

impl Kcp<'_> {
    /// Queues a message as `send` does. It is dropped if it has not begun to leave after `milliseconds`. Returns -4 in stream mode.
    pub fn send_until(mut self, source: Source, len: c_int, milliseconds: c_int) -> c_int {
        if milliseconds < 0 {
            return -1;
        }
        if self.stream.get() != 0 {
            return STREAM;
        }
        if self.ask().is_none() {
            return REFUSED;
        }
        let before = self.nsnd_que.get();
        let answer = self.send_message(source.of_len(len.cast_unsigned()));
        if answer < 0 {
            return answer;
        }
        let expiry = self.now().plus(milliseconds.unsigned_abs().min(LONGEST));
        let mut at = self.snd_queue().last();
        for left in (0..self.nsnd_que.get().wrapping_sub(before)).rev() {
            if let Some(segment) = at {
                segment.set_expiry(if left == 0 { FIRST } else { OTHER }, expiry);
                at = self.snd_queue().prev(segment);
            }
        }
        if let Some(extras) = self.extras() {
            extras.expires.note(expiry.plus(1));
        }
        answer
    }

    /// Drops messages that have expired in the queue, and shortens those that have expired in flight, before segments are admitted and
    /// sent.
    #[cold]
    #[inline(never)]
    pub(crate) fn expire_messages(&mut self, now: Millis) {
        let Some(extras) = self.extras() else {
            return;
        };
        if extras.expires.has_come(now) {
            self.drop_expired(now);
        }
        let Some((extras, redundancy)) = self.extras().zip(self.redundancy()) else {
            return;
        };
        redundancy.stubs.begin_at(self.next_sn());
        if redundancy.stubs.wake.has_come(now) {
            // These, so that nothing keeps the address of the handle, which callers have in a register.
            let (index, list) = (&self.private().sent, self.snd_buf());
            let find = |sn| index.find_again(list, sn);
            extras.messages_shortened(redundancy.stubs.expire(now, find));
        }
    }

    fn drop_expired(&mut self, now: Millis) {
        let (mut messages, mut segments) = (0, 0);
        let (mut queue, Private { extras, pool, .. }) = self.snd_queue_mut();
        let Some(extras) = extras.get() else {
            return;
        };
        extras.expires.forget();
        queue.take_runs(
            |queue, segment| match segment.expiry() {
                Some(expiry) if expiry.before(now) => {
                    let count = segments_of(queue, segment);
                    messages += u32::from(count > 0);
                    count
                }
                Some(expiry) => {
                    extras.expires.note(expiry.plus(1));
                    0
                }
                None => 0,
            },
            |segment| {
                segments += 1;
                segment.segment().forget_expiry();
                pool.free(segment);
            },
        );
        extras.messages_dropped(messages);
        let queued = self.nsnd_que.get().wrapping_sub(segments);
        self.nsnd_que.set(queued);
        self.forget_tail();
    }

    /// A segment in flight is about to be retransmitted. If it would expire on the way, it becomes a stub.
    #[inline(always)]
    pub(crate) fn leaves_again(&self, segment: Segment<'_>) {
        if self.redundancy().is_some() {
            self.leaves_too_late(segment);
        }
    }

    #[cold]
    #[inline(never)]
    fn leaves_too_late(&self, segment: Segment<'_>) {
        if let Some((extras, redundancy)) = self.extras().zip(self.redundancy()) {
            let shortened = redundancy
                .stubs
                .leaves_again(segment, self.arrival(self.now()));
            extras.messages_shortened(u32::from(shortened));
        }
    }

    /// When what leaves at `now` arrives, as far as the round-trip time tells.
    pub(crate) fn arrival(&self, now: Millis) -> Millis {
        now.plus(self.rx_srtt.get().max(0).unsigned_abs() / 2)
    }

    /// A queued segment is about to get the number `sn`.
    #[inline(always)]
    pub(crate) fn note_departure(&self, segment: Segment<'_>, sn: Sn) {
        if segment.frg.get() == 0
            && let Some(expiry) = segment.expiry()
            && let Some(redundancy) = self.redundancy()
        {
            redundancy
                .stubs
                .took_off(sn, expiry, Sn(self.snd_una.get()));
        }
    }
}
