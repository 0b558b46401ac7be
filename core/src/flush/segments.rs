//! The data phase of a flush: which segments are due, and sending them in order of `sn`.

use super::{Ended, Round, Tally};
use crate::consts::IKCP_OVERHEAD;
use crate::control::Kcp;
use crate::ring::{FastResend, Scope};
use crate::segment::{IKCPSEG, Segment};
use crate::seq::{Millis, Sn};
use crate::wire::Header;

/// What became of a segment that a flush looked at.
pub(super) enum Step {
    /// It was sent if it was due, and is still where it was.
    Passed(Segment),
    /// It is not one of the common case.
    Special(Segment),
    /// A callback has changed something; what comes next is behind this one, which may be gone: the address is compared only.
    CalledOut(Sn, *mut IKCPSEG),
    /// It is due, but has to stay for want of budget or memory, and the others with it.
    Withheld,
}

/// Why a segment is sent.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Cause {
    First,
    Timeout,
    Skipped,
}

/// What a segment that is sent for the first time gets.
#[derive(Clone, Copy)]
struct FirstTransmission {
    rto: u32,
    resendts: Millis,
    ts: Millis,
    wnd: u16,
    una: u32,
}

impl FirstTransmission {
    /// Brings the fields of `segment` to the state after sending it.
    #[inline(always)]
    fn mark(self, segment: Segment) {
        segment.xmit.set(1);
        segment.rto.set(self.rto);
        segment.resendts.set(self.resendts.0);
        segment.ts.set(self.ts.0);
        segment.wnd.set(u32::from(self.wnd));
        segment.una.set(self.una);
    }
}

/// True when `segment` was neither sent nor skipped.
#[inline(always)]
fn is_untouched(segment: Segment) -> bool {
    segment.xmit.get() | segment.fastack.get() == 0
}

impl Kcp<'_> {
    /// Skips from which on a segment is sent again.
    #[inline(always)]
    pub(crate) fn resent(self) -> u32 {
        match self.fastresend.get() {
            off if off <= 0 => u32::MAX,
            resent => resent.cast_unsigned(),
        }
    }

    #[inline(always)]
    pub(crate) fn fast_resend(self, resent: u32) -> FastResend {
        FastResend {
            resent,
            limit: self.fastlimit.get(),
        }
    }

    /// True when none of the few segments in flight is due.
    #[inline(always)]
    pub(super) fn finds_nothing_due(self) -> bool {
        let (current, resent) = (self.now(), self.resent());
        let mut at = self.snd_buf().first();
        while let Some(segment) = at {
            if self.cause(segment, current, resent).is_some() {
                return false;
            }
            at = self.snd_buf().next(segment);
        }
        true
    }

    /// Which segments have to be looked at.
    #[inline(never)]
    pub(super) fn scope(self, current: Millis, resent: u32) -> Scope {
        let (index, list) = (&self.private().sent, self.snd_buf());
        if index.is_watched() {
            index.settle(list);
            Scope::All
        } else if index.is_quiet(current, self.fast_resend(resent)) {
            Scope::Unsent
        } else {
            Scope::Due
        }
    }

    /// Looks at the segments of a scope, from the given one on, and sends those that are due.
    #[inline(always)]
    pub(super) fn flush_segments(
        self,
        round: Round,
        mut budget: Option<u32>,
        (mut scope, mut at): (Scope, Option<Segment>),
    ) -> Result<Tally, Ended> {
        let mut tally = Tally::default();
        while let Some(segment) = at {
            let step = self.consider(segment, round, &mut budget, &mut tally)?;
            match self.behind(step, &mut scope, round) {
                Some(next) => at = next,
                None => return Ok(tally),
            }
        }
        self.private().sent.flushed();
        Ok(tally)
    }

    /// What comes after `step` in the scope, which a callback may have changed. `None` where nobody knows, or the flush ends
    /// there.
    #[inline(always)]
    pub(super) fn behind(
        self,
        step: Step,
        scope: &mut Scope,
        round: Round,
    ) -> Option<Option<Segment>> {
        match step {
            Step::Passed(segment) => {
                let fast = self.fast_resend(round.resent);
                let index = &self.private().sent;
                Some(index.after(self.snd_buf(), *scope, segment, round.current, fast))
            }
            Step::Special(segment) => Some(Some(segment)),
            Step::CalledOut(sn, address) => {
                let (next, left) = self.resume((sn, address), *scope, round.current, round.resent);
                *scope = left;
                next
            }
            Step::Withheld => None,
        }
    }

    /// A callback has run: everything is decided again behind `sn`. Gives the next segment and the scope from there on,
    /// and `None` where nobody knows what is behind it.
    #[inline(never)]
    fn resume(
        self,
        (sn, address): (Sn, *mut IKCPSEG),
        scope: Scope,
        current: Millis,
        resent: u32,
    ) -> (Option<Option<Segment>>, Scope) {
        self.sync_sent();
        let (index, list) = (&self.private().sent, self.snd_buf());
        if !index.finds_order(list) {
            // Numbers do not say what comes later: going by them could go round in circles.
            return (index.behind(list, sn, address), Scope::All);
        }
        let scope = match scope {
            Scope::All => Scope::All,
            _ => self.scope(current, resent),
        };
        let next = index.seek(
            list,
            scope,
            Some(sn.plus(1)),
            current,
            self.fast_resend(resent),
        );
        (Some(next), scope)
    }

    /// Sends one segment after the other for the first time, while there is nothing to decide about them.
    #[inline(always)]
    pub(super) fn send_first_run(
        self,
        from: Segment,
        current: Millis,
        rtomin: u32,
        wnd: u16,
    ) -> Result<Step, Ended> {
        let private = self.private();
        let (index, list, packet) = (&private.sent, self.snd_buf(), &private.packet);
        let mut segment = from;
        loop {
            let first = self.first_transmission(current, rtomin, wnd);
            segment = match self.write_run(segment, first) {
                (last, None) => return Ok(Step::Passed(last)),
                (_, Some(next)) => next,
            };
            // This one does not fit, or there is something to decide about it.
            let need = IKCP_OVERHEAD.saturating_add(segment.len.get());
            if !is_untouched(segment) || !packet.can_hold(&self.buffer, need) {
                return Ok(Step::Special(segment));
            }
            first.mark(segment);
            index.first_sent(segment, segment, first.resendts);
            if !self.fits(need) {
                let sn = Sn(segment.sn.get());
                index.flushed_up_to(sn.plus(1));
                let changes = private.changes.get();
                private.flush.note_unwritten(sn);
                self.output_packet()?;
                private.flush.take_unwritten();
                self.sync_sent();
                if private.changes.get() != changes {
                    return Ok(self.emit_again(segment.as_ptr(), sn, &mut None));
                }
            }
            self.write_segment(segment);
            match list.next(segment) {
                Some(next) if !self.has_ops() => segment = next,
                _ => return Ok(Step::Passed(segment)),
            }
        }
    }

    /// Writes segments into the packet while they fit, from `from` on. Gives the last one that did, and the one that did not.
    #[inline(always)]
    fn write_run(self, from: Segment, first: FirstTransmission) -> (Segment, Option<Segment>) {
        let (list, packet) = (self.snd_buf(), &self.private().packet);
        let mut writer = packet.writer(&self.buffer, self.mtu.get());
        let mut last = from;
        let mut at = Some(from);
        while let Some(segment) = at
            && is_untouched(segment)
            && writer.fits(segment.len.get())
        {
            first.mark(segment);
            // The fields just written, not read back: a wide load behind narrow stores waits for them.
            let header = Header {
                wnd: first.wnd,
                ts: first.ts.0,
                una: first.una,
                ..segment.header()
            };
            writer.put(&header.emit(), segment);
            last = segment;
            at = list.next(segment);
        }
        if at != Some(from) {
            packet.take_over(writer);
            self.private().sent.first_sent(from, last, first.resendts);
            self.note_dead_link(1);
        }
        (last, at)
    }

    /// What a segment that is sent for the first time gets now.
    #[inline(always)]
    fn first_transmission(self, current: Millis, rtomin: u32, wnd: u16) -> FirstTransmission {
        let rto = self.rx_rto.get().cast_unsigned();
        FirstTransmission {
            rto,
            resendts: current.plus(rto).plus(rtomin),
            ts: current,
            wnd,
            una: self.rcv_nxt.get(),
        }
    }

    /// Sends `segment` if it is due.
    #[inline(always)]
    fn consider(
        self,
        segment: Segment,
        round: Round,
        budget: &mut Option<u32>,
        tally: &mut Tally,
    ) -> Result<Step, Ended> {
        let sn = Sn(segment.sn.get());
        let Some(cause) = self.cause(segment, round.current, round.resent) else {
            return Ok(Step::Passed(segment));
        };
        let len = segment.len.get();
        let need = IKCP_OVERHEAD.saturating_add(len);
        let affordable = budget.is_none_or(|budget| len <= budget);
        if !affordable || !self.private().packet.can_hold(&self.buffer, need) {
            self.private().withheld.set(true);
            self.private().withheld_at.set(round.current);
            self.private().sent.flushed_up_to(sn);
            return Ok(Step::Withheld);
        }
        self.mark_sent(segment, cause, round, tally);
        self.emit(segment, need, round, budget)
    }

    #[inline(always)]
    fn cause(self, segment: Segment, current: Millis, resent: u32) -> Option<Cause> {
        if segment.xmit.get() == 0 {
            Some(Cause::First)
        } else if current.since(Millis(segment.resendts.get())) >= 0 {
            Some(Cause::Timeout)
        } else if segment.fastack.get() >= resent
            && self.fast_resend(resent).allows(segment.xmit.get())
        {
            Some(Cause::Skipped)
        } else {
            None
        }
    }

    /// Brings the segment's own fields, and the index, to the state after sending it.
    #[inline(always)]
    fn mark_sent(self, segment: Segment, cause: Cause, round: Round, tally: &mut Tally) {
        let rx_rto = self.rx_rto.get().cast_unsigned();
        segment.xmit.set(segment.xmit.get().wrapping_add(1));
        let mut wait = 0;
        match cause {
            Cause::First => {
                segment.rto.set(rx_rto);
                wait = round.rtomin;
            }
            Cause::Timeout => {
                self.xmit.set(self.xmit.get().wrapping_add(1));
                segment.rto.set(self.backed_off(segment.rto.get(), rx_rto));
                tally.timed_out = true;
            }
            Cause::Skipped => {
                segment.fastack.set(0);
                tally.fast = tally.fast.wrapping_add(1);
            }
        }
        segment
            .resendts
            .set(round.current.plus(segment.rto.get()).plus(wait).0);
        segment.ts.set(round.current.0);
        segment.wnd.set(u32::from(round.wnd));
        segment.una.set(self.rcv_nxt.get());
        let index = &self.private().sent;
        index.sent(segment);
        if cause == Cause::First {
            index.flushed_up_to(Sn(segment.sn.get()).plus(1));
        }
    }

    /// The timeout of a segment that timed out: doubled at least in normal mode, one and a half times in mode 1, half of
    /// the connection's more in mode 2.
    #[inline(always)]
    fn backed_off(self, rto: u32, rx_rto: u32) -> u32 {
        let step = match self.nodelay.get().cast_signed() {
            0 => return rto.wrapping_add(rto.max(rx_rto)),
            mode if mode < 2 => rto,
            _ => rx_rto,
        };
        rto.wrapping_add((step.cast_signed() / 2).cast_unsigned())
    }

    /// Writes a segment that was marked as sent into the packet, handing out the packet before it if need be. After a
    /// callback the segment may be gone, and is not written then.
    #[inline(always)]
    fn emit(
        self,
        segment: Segment,
        need: u32,
        round: Round,
        budget: &mut Option<u32>,
    ) -> Result<Step, Ended> {
        let (sn, len) = (Sn(segment.sn.get()), segment.len.get());
        if self.has_ops() || !self.fits(need) {
            let changes = self.private().changes.get();
            let inflight = self.nsnd_buf.get();
            self.private().flush.note_unwritten(sn);
            let mut called = self
                .on_pkt_sent(sn.0, round.current.0, len, inflight, segment.xmit.get())?
                .is_some();
            called |= self.make_room(need)?;
            self.private().flush.take_unwritten();
            if called {
                self.sync_sent();
                if self.private().changes.get() != changes || self.resends_otherwise(round.resent) {
                    return Ok(self.emit_again(segment.as_ptr(), sn, budget));
                }
            }
        }
        self.write_segment(segment);
        if let Some(budget) = budget {
            *budget = budget.saturating_sub(len);
        }
        Ok(Step::Passed(segment))
    }

    /// The same where a callback has changed something.
    #[inline(never)]
    fn emit_again(self, address: *mut IKCPSEG, sn: Sn, budget: &mut Option<u32>) -> Step {
        if let Some(segment) = self.private().sent.find_again(self.snd_buf(), sn) {
            self.write_segment(segment);
            if let Some(budget) = budget {
                *budget = budget.saturating_sub(segment.len.get());
            }
        }
        Step::CalledOut(sn, address)
    }

    /// True when the marks do not hold for what fast retransmission depends on now.
    #[inline(always)]
    fn resends_otherwise(self, resent: u32) -> bool {
        !self.private().sent.holds_for(self.fast_resend(resent))
    }

    /// Writes a segment into the packet. Without memory it counts as lost on the way, and its deadline brings it back.
    #[inline(always)]
    pub(super) fn write_segment(self, segment: Segment) {
        let packet = &self.private().packet;
        packet.put_segment(&self.buffer, segment);
        self.note_dead_link(segment.xmit.get());
    }

    /// A segment was sent for the `xmit`th time.
    #[inline(always)]
    fn note_dead_link(self, xmit: u32) {
        if xmit >= self.dead_link.get() {
            self.state.set(u32::MAX);
        }
    }
}
