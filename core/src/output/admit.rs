//! Admission: segments move from `snd_queue` to `snd_buf` while the window allows, and get their sequence numbers.

use super::Ended;
use crate::consts::IKCP_CMD_PUSH;
use crate::index::{Admission, Bookmark};
use crate::kcp::Kcp;
use crate::segment::Segment;
use crate::seq::{Millis, Sn};

impl<'a> Kcp<'a> {
    /// How many segments may be in flight.
    #[inline(always)]
    pub(crate) fn send_window(&self) -> u32 {
        let window = self.snd_wnd.get().min(self.rmt_wnd.get());
        if self.has_control_window() {
            window.min(self.cwnd.get())
        } else {
            window
        }
    }

    /// True if `cwnd` is one of the windows.
    #[inline(always)]
    pub(crate) fn has_control_window(&self) -> bool {
        self.has_control() || self.nocwnd.get() == 0
    }

    #[inline(always)]
    pub(crate) fn admits(&self, window: u32) -> bool {
        self.next_sn().before(Sn(self.snd_una.get()).plus(window))
    }

    /// Moves segments from `snd_queue` to `snd_buf` while the window allows, and returns the first. No callback runs meanwhile,
    /// so lists and counters are updated once for all of them.
    #[inline(always)]
    pub(super) fn admit(
        &mut self,
        current: Millis,
        window: u32,
        wnd: u16,
        budget: u64,
    ) -> Option<Bookmark> {
        let mut room = Sn(self.snd_una.get()).plus(window).since(self.next_sn());
        let looks = budget != u64::MAX
            || self
                .extras()
                .is_some_and(|extras| extras.has_to_look(self, room, current));
        if looks {
            room = self.look_at_departures(current, room, budget);
        }
        if self.tail().is_some() && self.nsnd_que.get().cast_signed() <= room {
            self.fit_tail();
        }
        let (queue, list) = (self.snd_queue(), self.snd_buf());
        let (sn, last) = self.number(current, room, wnd);
        let count = sn.forward_from(self.next_sn());
        let (first, last) = (queue.first()?, last?);
        queue.move_front(last, list);
        self.nsnd_que.set(self.nsnd_que.get().wrapping_sub(count));
        self.nsnd_buf.set(self.nsnd_buf.get().wrapping_add(count));
        self.snd_nxt.set(sn.0);
        let admission = Admission {
            run: first,
            next: sn,
            ts: current,
            count,
            total: self.nsnd_buf.get(),
            window,
        };
        let index = &self.private().sent;
        index.admitted(list, admission, || self.fastlimit.get());
        Some(self.bookmark(first))
    }

    /// What has expired is dropped. Of the segments that are about to get numbers, adds up how long they have waited; `send` has
    /// recorded when each was queued. Where a control of the library sets the pace, it returns a smaller `room`: what has to wait for
    /// its pace can still expire in `snd_queue`.
    #[cold]
    #[inline(never)]
    fn look_at_departures(&mut self, current: Millis, room: i32, mut budget: u64) -> i32 {
        self.expire_messages(current);
        let (mut count, mut waited, mut longest) = (0, 0, 0);
        let mut at = self.snd_queue().first();
        while let Some(segment) = at
            && count < room
        {
            match budget.checked_sub(u64::from(segment.len.get())) {
                Some(left) => budget = left,
                None => {
                    self.defer(segment, current);
                    break;
                }
            }
            self.note_departure(segment, self.next_sn().plus(count.cast_unsigned()));
            let wait = current.elapsed_since(Millis(segment.ts.get()));
            waited += u64::from(wait);
            longest = longest.max(wait);
            count += 1;
            at = self.snd_queue().next(segment);
        }
        if let Some(extras) = self.extras() {
            extras.admitted(self, count.cast_unsigned(), (waited, longest));
        }
        count
    }

    /// Numbers the first segments of `snd_queue` as far as the window allows. Returns the next number, and the last of them.
    #[inline(always)]
    fn number(&self, current: Millis, room: i32, wnd: u16) -> (Sn, Option<Segment<'_>>) {
        let queue = self.snd_queue();
        let edge = self.next_sn().plus(room.cast_unsigned());
        let (conv, una, rto) = (self.conv.get(), self.rcv_nxt.get(), self.rx_rto.get());
        let (mut sn, mut last) = (self.next_sn(), None);
        let mut at = queue.first();
        while let Some(segment) = at
            && sn.before(edge)
        {
            segment.conv.set(conv);
            segment.cmd.set(IKCP_CMD_PUSH);
            segment.wnd.set(u32::from(wnd));
            segment.ts.set(current.0);
            segment.sn.set(sn.0);
            segment.una.set(una);
            segment.resendts.set(current.0);
            segment.rto.set(rto.cast_unsigned());
            segment.fastack.set(0);
            segment.xmit.set(0);
            sn = sn.plus(1);
            last = Some(segment);
            at = queue.next(segment);
        }
        (sn, last)
    }

    /// Tells the congestion control if the window is not full and there is no more data to fill it.
    #[cold]
    #[inline(never)]
    pub(super) fn report_app_limited(self) -> Result<Kcp<'a>, Ended<'a>> {
        self.note_queue();
        if !self.snd_queue().is_empty() {
            return Ok(self);
        }
        let window = self
            .snd_wnd
            .get()
            .min(self.rmt_wnd.get())
            .min(self.cwnd.get());
        let inflight = self.nsnd_buf.get();
        if inflight >= window {
            return Ok(self);
        }
        let (kcp, _) = self.on_app_limited(inflight)?;
        kcp.sync_sent_after_callback();
        Ok(kcp)
    }
}
