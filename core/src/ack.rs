//! Acknowledgements: those we owe the peer, and what the peer's do to `snd_buf`.

use crate::callback::Released;
use crate::control::Kcp;
use crate::rtt::Estimate;
use crate::segment::Segment;
use crate::seq::{Millis, Sn};

/// Acknowledgements, in receive windows, that may be pending before duplicates are no longer acknowledged.
const PENDING_WINDOWS: u64 = 8;

impl Kcp<'_> {
    // ---- ours ----------------------------------------------------------------------------------------------------

    /// True when another acknowledgement can be noted without growing the list.
    #[inline(always)]
    pub(crate) fn has_room_for_ack(self) -> bool {
        self.ackcount.get() < self.ackblock.get() && !self.acklist.get().is_null()
    }

    /// Notes that `sn`, sent at `ts`, is to be acknowledged. There is room for it.
    #[inline(always)]
    pub(crate) fn push_ack(self, sn: u32, ts: u32) {
        let count = self.ackcount.get();
        self.set_pending_ack(count, sn, ts);
        self.ackcount.set(count + 1);
    }

    /// The same, and makes room. False when there is no memory to note it in.
    pub(crate) fn try_push_ack(self, sn: u32, ts: u32) -> bool {
        let noted = self.has_room_for_ack() || self.extend_acklist(self.ackcount.get());
        if noted {
            self.push_ack(sn, ts);
        }
        noted
    }

    /// Doubles the list from 8 entries on, as the original does.
    #[cold]
    fn extend_acklist(self, count: u32) -> bool {
        match count
            .checked_add(1)
            .and_then(u32::checked_next_power_of_two)
        {
            Some(block) => self.grow_acklist(block.max(8)),
            None => false,
        }
    }

    /// Takes back the acknowledgement pushed last.
    pub(crate) fn pop_ack(self) {
        self.ackcount.set(self.ackcount.get().saturating_sub(1));
    }

    /// True when so many acknowledgements are pending that duplicates get none: a flood of them would otherwise grow
    /// the list without bound.
    #[inline(always)]
    pub(crate) fn acks_overflow(self) -> bool {
        u64::from(self.ackcount.get()) >= PENDING_WINDOWS * u64::from(self.rcv_wnd.get())
    }

    /// Removes the first `count` pending acknowledgements, which a flush has written. Those that came in meanwhile,
    /// from a callback, stay.
    #[inline(always)]
    pub(crate) fn drop_acks(self, count: u32) {
        if self.ackcount.get() == count {
            self.ackcount.set(0);
        } else {
            self.drop_some_acks(count);
        }
    }

    #[cold]
    #[inline(never)]
    fn drop_some_acks(self, count: u32) {
        let acks = self.pending_acks(u32::MAX);
        let mut left = 0;
        while let Some([sn, ts]) = acks.get(count + left) {
            self.set_pending_ack(left, sn, ts);
            left += 1;
        }
        self.ackcount.set(left);
    }

    // ---- the peer's ----------------------------------------------------------------------------------------------

    /// Makes the send index describe `snd_buf`, which the program may have edited, at the beginning of an operation. An empty
    /// list is not looked up in it, and what is admitted then starts it anew.
    #[inline(always)]
    pub(crate) fn sync_listed(self) {
        let (index, list) = (&self.private().sent, self.snd_buf());
        if !list.is_empty()
            && !index.is_off()
            && !index.describes(list, self.nsnd_buf.get(), self.next_sn())
        {
            self.rebuild_sent();
        }
    }

    /// The same after a callback: what is not as before counts as a change, and so does all that is not known.
    #[inline(never)]
    pub(crate) fn sync_sent(self) {
        let (private, list) = (self.private(), self.snd_buf());
        if private.sent.is_off() {
            self.note_change();
        } else if !private
            .sent
            .describes(list, self.nsnd_buf.get(), self.next_sn())
        {
            self.rebuild_sent();
        }
    }

    #[cold]
    #[inline(never)]
    pub(crate) fn rebuild_sent(self) {
        self.note_change();
        self.private()
            .sent
            .rebuild(self.snd_buf(), self.nsnd_buf.get(), self.next_sn());
    }

    /// What was known before a callback may not hold any more.
    #[inline(always)]
    pub(crate) fn note_change(self) {
        let changes = &self.private().changes;
        changes.set(changes.get().wrapping_add(1));
    }

    /// Removes `segment` from `snd_buf`.
    #[inline(never)]
    fn forget(self, segment: Segment) {
        self.private().sent.remove(self.snd_buf(), segment);
        self.nsnd_buf.set(self.nsnd_buf.get().wrapping_sub(1));
        self.free_segment(segment);
    }

    #[inline(always)]
    fn count_acked(self, len: u32) {
        self.ackedlen.set(self.ackedlen.get().wrapping_add(len));
    }

    /// Everything before `una` has arrived.
    #[inline(always)]
    pub(crate) fn acknowledge_before(self, una: Sn) {
        match self.snd_buf().first() {
            None => self.snd_una.set(self.snd_nxt.get()),
            Some(first) if una.since(Sn(first.sn.get())) > 0 => self.forget_before(una),
            Some(first) => self.snd_una.set(first.sn.get()),
        }
    }

    #[inline(never)]
    fn forget_before(self, una: Sn) {
        if self.knows(una) {
            let mut bytes = 0u32;
            let count = self
                .private()
                .sent
                .remove_before(self.snd_buf(), una, |segment| {
                    bytes = bytes.wrapping_add(segment.len.get());
                    self.free_segment(segment);
                });
            self.count_acked(bytes);
            self.nsnd_buf.set(self.nsnd_buf.get().wrapping_sub(count));
        }
        self.advance_una();
    }

    /// The same where callbacks may run.
    pub(crate) fn acknowledge_before_watched(self, una: Sn) -> Result<(), Released> {
        let list = self.snd_buf();
        if self.knows(una) {
            while let Some(segment) = list.first()
                && una.since(Sn(segment.sn.get())) > 0
            {
                self.count_acked(segment.len.get());
                self.forget_watched(segment, -1)?;
            }
        }
        self.advance_una();
        Ok(())
    }

    /// False for an `una` beyond what was ever sent: a stale packet of an earlier session, or a forged one.
    #[inline(always)]
    fn knows(self, una: Sn) -> bool {
        una.since(self.next_sn()) <= 0
    }

    /// The segment in flight with this `sn`.
    #[inline(always)]
    fn in_flight(self, sn: Sn) -> Option<Segment> {
        if sn.before(Sn(self.snd_una.get())) || sn.since(self.next_sn()) >= 0 {
            return None;
        }
        self.private().sent.find(self.snd_buf(), sn)
    }

    /// `sn` has arrived.
    #[inline(never)]
    pub(crate) fn acknowledge(self, sn: Sn) {
        if let Some(segment) = self.in_flight(sn) {
            self.count_acked(segment.len.get());
            self.forget(segment);
            self.advance_una();
        }
    }

    /// The same where callbacks may run.
    pub(crate) fn acknowledge_watched(self, sn: Sn) -> Result<(), Released> {
        if let Some(segment) = self.in_flight(sn) {
            self.count_acked(segment.len.get());
            let rtt = self.now().since(Millis(segment.ts.get()));
            self.forget_watched(segment, if rtt >= 0 { rtt } else { -1 })?;
        }
        self.advance_una();
        Ok(())
    }

    /// Tells `on_pkt_acked` of `segment`, then removes it, unless the callback has.
    #[inline(never)]
    fn forget_watched(self, segment: Segment, rtt: i32) -> Result<(), Released> {
        let sn = segment.sn.get();
        let (ts, len, xmit) = (segment.ts.get(), segment.len.get(), segment.xmit.get());
        if self.on_pkt_acked(sn, ts, len, rtt, xmit)?.is_none() {
            self.forget(segment);
            return Ok(());
        }
        self.sync_any();
        if let Some(segment) = self.private().sent.find_again(self.snd_buf(), Sn(sn)) {
            self.forget(segment);
        }
        Ok(())
    }

    /// Sets `snd_una` from what is left in `snd_buf`.
    #[inline(always)]
    pub(crate) fn advance_una(self) {
        let una = self
            .snd_buf()
            .first()
            .map_or(self.snd_nxt.get(), |first| first.sn.get());
        self.snd_una.set(una);
    }

    #[inline(always)]
    fn estimate(self) -> Estimate {
        Estimate {
            srtt: self.rx_srtt.get(),
            rttval: self.rx_rttval.get(),
        }
    }

    /// Takes a round-trip sample of `rtt` ms.
    #[inline(always)]
    pub(crate) fn sample_rtt(self, rtt: i32) {
        let estimate = self.estimate().sample(rtt);
        self.rx_srtt.set(estimate.srtt);
        self.rx_rttval.set(estimate.rttval);
    }

    /// Computes the timeout from the samples.
    #[inline(always)]
    pub(crate) fn set_rto(self) {
        let rto = self
            .estimate()
            .rto(self.interval.get(), self.rx_minrto.get());
        self.rx_rto.set(rto);
    }

    /// The candidate of an `ikcp_input`: every segment before `sn` was skipped, if not sent after `ts`.
    #[inline(never)]
    pub(crate) fn skip_before(self, sn: Sn, ts: Millis) {
        if sn.before(Sn(self.snd_una.get())) || sn.since(self.next_sn()) >= 0 {
            return;
        }
        self.private().sent.skipped(self.snd_buf(), sn, ts);
    }
}
