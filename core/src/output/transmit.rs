//! The segments of a flush: why each is sent, its state afterwards, and writing them in the order of `sn`.
//!
//! Segments are written until a callback must run, because the packet is full or for a hook. No borrow from the object lives
//! across the callback. A [`Bookmark`] remembers the segment that is marked as sent but still has to be written; it opens only if
//! nothing has changed.

use super::{Ended, Round};
use crate::consts::IKCP_OVERHEAD;
use crate::extras::Extras;
use crate::index::Bookmark;
use crate::index::{Cause, Due, Scope};
use crate::kcp::{Back, Kcp};
use crate::segment::Segment;
use crate::seq::{Millis, Sn};
use crate::ways;
use crate::wire::Header;

/// The progress of a flush through `snd_buf`. Functions that are not inlined get it by value, so that its fields can be in registers.
#[derive(Clone, Copy)]
pub(super) struct Walk {
    pub(super) round: Round,
    /// Which segments it visits.
    pub(super) scope: Scope,
    /// The time stamp of segments that may leave in runs.
    pub(super) runs: Millis,
    /// Bytes of payload that it may still send.
    pub(super) budget: u64,
    /// Number of fast retransmissions.
    pub(super) fast_retransmits: u32,
    /// A segment was retransmitted after its timeout.
    pub(super) timed_out: bool,
    /// It ended early: a due segment has to stay, because the budget or memory is used up.
    pub(super) stopped: bool,
}

impl Walk {
    #[inline(always)]
    pub(super) fn affords(&self, len: u32) -> bool {
        u64::from(len) <= self.budget
    }

    /// Takes off what it `affords`.
    #[inline(always)]
    pub(super) fn spend(&mut self, len: u32) {
        self.budget -= u64::from(len);
    }
}

/// Where a run of first transmissions ended.
enum Run<'k> {
    /// At this segment, which needs a decision.
    Special(Segment<'k>),
    /// At this segment, which is marked but does not fit into the packet.
    Full(Segment<'k>),
    /// At the end of the list.
    Ended,
}

/// The fields of a segment that is sent for the first time.
#[derive(Clone, Copy)]
struct FirstTransmission {
    rto: u32,
    resendts: Millis,
    ts: Millis,
    wnd: u16,
    una: u32,
}

impl FirstTransmission {
    /// Sets the fields of `segment` to their state after sending.
    #[inline(always)]
    fn mark(self, segment: Segment<'_>) {
        segment.xmit.set(1);
        segment.rto.set(self.rto);
        segment.resendts.set(self.resendts.0);
        segment.ts.set(self.ts.0);
        segment.wnd.set(u32::from(self.wnd));
        segment.una.set(self.una);
    }
}

/// True if `segment` was never sent and no later segment was acknowledged.
#[inline(always)]
fn is_fresh(segment: Segment<'_>) -> bool {
    segment.xmit.get() | segment.fastack.get() == 0
}

impl<'a> Kcp<'a> {
    /// Sends what is due in the scope of `walk`, from `first` on.
    #[inline(never)]
    pub(super) fn transmit(
        self,
        walk: &mut Walk,
        first: Option<Bookmark>,
    ) -> Result<Back<'a>, Ended<'a>> {
        let mut kcp = self;
        let mut next = first.and_then(|at| kcp.open(at));
        while let Some(marked) = kcp.write_until_callback(walk, next) {
            kcp = kcp.make_way(walk, marked)?;
            next = kcp.write_marked(walk, marked);
        }
        Ok(kcp.give_back())
    }

    /// Writes what is due, from `next` on, until a callback must run. Returns the segment that is marked as sent and waits for
    /// it; `None` at the end.
    #[inline(always)]
    fn write_until_callback<'k>(
        &'k self,
        walk: &mut Walk,
        next: Option<Segment<'k>>,
    ) -> Option<Bookmark> {
        let mut segment = next?;
        loop {
            // If a segment was admitted earlier, the tree has yet to learn when it is sent.
            if ways::FIRST_TRANSMISSIONS_IN_RUNS
                && Millis(segment.ts.get()) == walk.runs
                && !self.has_ops()
            {
                segment = match self.write_fresh(&walk.round, segment) {
                    Run::Special(segment) => segment,
                    Run::Full(segment) => return Some(self.leave_unwritten(segment)),
                    Run::Ended => return None,
                };
            }
            if let Some(cause) = self.due_in(walk).cause(segment)
                && let Some(cause) = self.judged(segment, cause)
            {
                let len = segment.len.get();
                let need = IKCP_OVERHEAD.saturating_add(len);
                if !walk.affords(len) || !self.private().packet.can_hold(&self.buffer, need) {
                    walk.stopped = true;
                    self.defer(segment, walk.round.current);
                    self.private().sent.flushed_up_to(Sn(segment.sn.get()));
                    return None;
                }
                walk.spend(len);
                self.mark_sent(segment, cause, walk);
                if self.has_ops() {
                    self.note_sent(segment);
                }
                if self.hooks_sent() || !self.fits(need) {
                    return Some(self.leave_unwritten(segment));
                }
                self.write_segment(segment);
            }
            segment = self.after(walk, segment)?;
        }
    }

    /// `segment` has to wait for a later flush.
    #[inline(always)]
    pub(super) fn defer(&self, segment: Segment<'_>, current: Millis) {
        self.private().deferred.set(true);
        self.private().deferred_at.set(current);
        self.private().deferred_len.set(segment.len.get());
    }

    /// Writes segments that are sent for the first time, while they fit and need no decision.
    #[inline(always)]
    fn write_fresh<'k>(&'k self, round: &Round, first: Segment<'k>) -> Run<'k> {
        let (list, packet) = (self.snd_buf(), &self.private().packet);
        let fields = self.first_transmission(round);
        let mut writer = packet.writer(&self.buffer, self.mtu.get());
        let (mut segment, mut last) = (first, None);
        let end = loop {
            let len = segment.len.get();
            if !is_fresh(segment) || !packet.holds_payload(len) {
                break Run::Special(segment);
            }
            fields.mark(segment);
            last = Some(segment);
            if !writer.fits(len) {
                break Run::Full(segment);
            }
            // Uses the values instead of reading the fields back: a wide load after narrow stores has to wait for them.
            let header = Header {
                wnd: fields.wnd,
                ts: fields.ts.0,
                una: fields.una,
                ..segment.header()
            };
            writer.put(&header.emit(), segment);
            match list.next(segment) {
                Some(next) => segment = next,
                None => break Run::Ended,
            }
        };
        packet.commit(writer);
        if let Some(last) = last {
            let index = &self.private().sent;
            index.first_sent(first, last, fields.resendts);
            if last != first || !matches!(end, Run::Full(_)) {
                self.note_dead_link(1);
            }
        }
        end
    }

    /// The fields of a segment that is sent for the first time now.
    #[inline(always)]
    fn first_transmission(&self, round: &Round) -> FirstTransmission {
        let rto = self.rx_rto.get().cast_unsigned();
        FirstTransmission {
            rto,
            resendts: round.current.plus(rto).plus(round.rtomin),
            ts: round.current,
            wnd: round.wnd,
            una: self.rcv_nxt.get(),
        }
    }

    /// True if no segment is due at `current`; works without the index.
    #[inline(always)]
    pub(crate) fn walks_past_nothing_due(&self, current: Millis) -> bool {
        let due = self.due(current, self.resent());
        let mut at = self.snd_buf().first();
        while let Some(segment) = at {
            if due.cause(segment).is_some() {
                return false;
            }
            at = self.snd_buf().next(segment);
        }
        true
    }

    /// Decides about a due segment. With time-based loss detection a timeout need not lead to a retransmission.
    #[inline(always)]
    fn judged(&self, segment: Segment<'_>, cause: Cause) -> Option<Cause> {
        if cause != Cause::Timeout || !self.has_ops() {
            return Some(cause);
        }
        self.judge(segment)
    }

    /// Updates the segment's fields, and the index, to the state after sending.
    #[inline(always)]
    fn mark_sent(&self, segment: Segment<'_>, cause: Cause, walk: &mut Walk) {
        let rx_rto = self.rx_rto.get().cast_unsigned();
        segment.xmit.set(segment.xmit.get().wrapping_add(1));
        let mut wait = 0;
        match cause {
            Cause::First => {
                self.leaves_on_path(segment);
                segment.rto.set(rx_rto);
                wait = walk.round.rtomin;
            }
            Cause::Timeout => {
                self.note_resent(segment);
                self.xmit.set(self.xmit.get().wrapping_add(1));
                let rto = self.backed_off(segment.rto.get(), rx_rto);
                let bounded = |extras: &Extras| extras.timed_out(self, segment, rto);
                segment.rto.set(self.extras().map_or(rto, bounded));
                walk.timed_out = true;
            }
            Cause::FastRetransmit => {
                self.note_resent(segment);
                if let Some(extras) = self.extras() {
                    extras.skipped(self, segment);
                }
                segment.fastack.set(0);
                walk.fast_retransmits = walk.fast_retransmits.wrapping_add(1);
            }
        }
        let current = walk.round.current;
        segment
            .resendts
            .set(current.plus(segment.rto.get()).plus(wait).0);
        segment.ts.set(current.0);
        segment.wnd.set(u32::from(walk.round.wnd));
        segment.una.set(self.rcv_nxt.get());
        let index = &self.private().sent;
        index.sent(segment);
        if cause == Cause::First {
            index.flushed_up_to(Sn(segment.sn.get()).plus(1));
        }
    }

    /// The next timeout of a segment that timed out, which RFC 6298, 5.5 doubles. In normal mode it at least doubles; in mode 1
    /// it grows by half; in mode 2 it grows by half the connection's timeout.
    #[inline(always)]
    fn backed_off(&self, rto: u32, rx_rto: u32) -> u32 {
        let step = match self.nodelay.get().cast_signed() {
            0 => return rto.wrapping_add(rto.max(rx_rto)),
            mode if mode < 2 => rto,
            _ => rx_rto,
        };
        rto.wrapping_add((step.cast_signed() / 2).cast_unsigned())
    }

    /// Notes that `segment`, which is marked as sent, will be written after callbacks.
    #[inline(always)]
    fn leave_unwritten(&self, segment: Segment<'_>) -> Bookmark {
        let sn = Sn(segment.sn.get());
        self.private().flush.note_unwritten(sn);
        self.bookmark(segment)
    }

    /// Runs the callbacks that a marked segment waits for: a hook, and `output` if the packet is full.
    #[inline(always)]
    fn make_way(self, walk: &Walk, marked: Bookmark) -> Result<Kcp<'a>, Ended<'a>> {
        let mut kcp = self;
        if kcp.hooks_sent() {
            kcp = kcp.report_sent(walk.round.current, marked)?;
        } else {
            kcp = kcp.output_packet()?;
        }
        kcp.private().flush.note_written();
        kcp.sync_sent_after_callback();
        Ok(kcp)
    }

    fn report_sent(self, now: Millis, marked: Bookmark) -> Result<Kcp<'a>, Ended<'a>> {
        let Some(segment) = self.open(marked) else {
            return Ok(self);
        };
        let (len, xmit) = (segment.len.get(), segment.xmit.get());
        let (sn, ts) = (segment.sn.get(), now.0);
        let inflight = self.nsnd_buf.get();
        let (kcp, _) = self.on_pkt_sent(sn, ts, len, inflight, xmit)?;
        kcp.make_room(IKCP_OVERHEAD.saturating_add(len))
    }

    /// Writes a marked segment after callbacks and returns the next one.
    #[inline(always)]
    fn write_marked(&self, walk: &mut Walk, marked: Bookmark) -> Option<Segment<'_>> {
        match self.open(marked) {
            Some(segment) if self.private().sent.holds_for(self.fastlimit.get()) => {
                self.write_segment(segment);
                self.after(walk, segment)
            }
            _ => {
                let (changed, next) = self.write_changed(*walk, marked);
                *walk = changed;
                next
            }
        }
    }

    /// Writes a marked segment after a callback that has changed something; the next segment is determined again.
    #[cold]
    #[inline(never)]
    fn write_changed(&self, mut walk: Walk, at: Bookmark) -> (Walk, Option<Segment<'_>>) {
        let (index, list) = (&self.private().sent, self.snd_buf());
        let sn = self.private().flush.unwritten();
        if let Some(segment) = index.find_again(list, sn) {
            self.write_segment(segment);
        }
        let next = if index.finds_order(list) {
            let due = self.due_in(&walk);
            if walk.scope != Scope::All {
                walk.scope = self.scope(due);
            }
            index.seek(list, walk.scope, Some(sn.plus(1)), due)
        } else {
            // The list is not in order of numbers, and following them could run in circles.
            walk.scope = Scope::All;
            index.behind(list, at, sn)
        };
        (walk, next)
    }

    /// Writes a segment into the packet. Without memory the segment counts as lost, and its timeout sends it again.
    #[inline(always)]
    pub(super) fn write_segment(&self, segment: Segment<'_>) {
        self.private().packet.put_segment(&self.buffer, segment);
        self.note_dead_link(segment.xmit.get());
    }

    /// A segment was sent for the `xmit`th time.
    #[inline(always)]
    fn note_dead_link(&self, xmit: u32) {
        if xmit >= self.dead_link.get() {
            self.state.set(u32::MAX);
        }
    }

    /// Which segments must be visited.
    #[inline(never)]
    pub(super) fn scope(&self, due: Due) -> Scope {
        let (index, list) = (&self.private().sent, self.snd_buf());
        if index.are_few() {
            index.apply_skips(list);
            return Scope::All;
        }
        index.adopt_limit(due.limit);
        if index.is_quiet(due) {
            Scope::Unsent
        } else {
            Scope::Due
        }
    }

    /// The segment that the walk visits after `segment`.
    #[inline(always)]
    fn after<'k>(&'k self, walk: &Walk, segment: Segment<'k>) -> Option<Segment<'k>> {
        let (index, list) = (&self.private().sent, self.snd_buf());
        index.after(list, walk.scope, segment, || self.due_in(walk))
    }

    /// A segment is retransmitted after this many skips.
    #[inline(always)]
    pub(crate) fn resent(&self) -> u32 {
        match self.fastresend.get() {
            off if off <= 0 => u32::MAX,
            resent => resent.cast_unsigned(),
        }
    }

    /// What is due at `now`, if segments are retransmitted after `resent` skips.
    #[inline(always)]
    pub(crate) fn due(&self, now: Millis, resent: u32) -> Due {
        Due {
            now,
            resent,
            limit: self.fastlimit.get(),
        }
    }

    /// What is due in this flush.
    #[inline(always)]
    fn due_in(&self, walk: &Walk) -> Due {
        self.due(walk.round.current, walk.round.resent)
    }
}
