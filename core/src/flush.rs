//! `ikcp_flush`: what is owed to the peer and what is due, written into packets in the original's order.
//!
//! Acknowledgements first, then window probes, then segments in order of `sn`. A packet leaves when the next segment
//! does not fit into it, so a callback sees the object as it is then.

mod course;
mod segments;

use crate::callback::Released;
use crate::congestion::Window;
use crate::consts::{
    IKCP_ASK_SEND, IKCP_ASK_TELL, IKCP_CMD_ACK, IKCP_CMD_PUSH, IKCP_CMD_WASK, IKCP_CMD_WINS,
    IKCP_OVERHEAD, log_mask, profile,
};
use crate::control::Kcp;
use crate::probe::Prober;
use crate::ring::Scope;
use crate::segment::Segment;
use crate::seq::{Millis, Sn};
use crate::ways;
use crate::wire::Header;
pub(crate) use course::{Course, Ended};
use segments::Step;

/// How often unused memory is given back, ms.
const TRIM_PERIOD: u32 = 500;

/// What a flush reads once.
#[derive(Clone, Copy)]
struct Round {
    current: Millis,
    /// Congestion window when it began, and segments that may be in flight.
    prior_cwnd: u32,
    window: u32,
    /// What normal mode adds to the first deadline of a segment, ms.
    rtomin: u32,
    /// Skips from which on a segment is sent again.
    resent: u32,
    /// Free segments of our receive queue, as all headers say.
    wnd: u16,
}

/// What a flush may have to do with segments.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Outlook {
    /// None may be admitted and none is due.
    Nothing,
    /// Some may be admitted, and none of those sent before is due.
    Admission,
    Unclear,
}

/// Why a flush runs.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Occasion {
    /// The program, or `ikcp_update`, asked for it.
    Call,
    /// It was asked for during the one before.
    Again,
    /// The clock has moved on since the one before, which has not ended.
    TakeOver,
}

/// What the data phase did.
#[derive(Clone, Copy, Default)]
struct Tally {
    /// Segments sent again because they were skipped.
    fast: u32,
    /// Any segment was sent again because it timed out.
    timed_out: bool,
}

/// A header without payload.
#[inline(always)]
fn owed(cmd: u32, conv: u32, una: u32, wnd: u16) -> Header {
    Header {
        conv,
        cmd: cmd as u8,
        frg: 0,
        wnd,
        ts: 0,
        sn: 0,
        una,
        len: 0,
    }
}

impl Kcp<'_> {
    /// Sends what is due at `current`.
    pub fn flush(self) {
        // Released meanwhile or not, there is nothing left to do.
        _ = self.request_flush();
    }

    /// Flushes, or, inside a flush at the same clock, sees to it that another one follows.
    #[inline(never)]
    pub(crate) fn request_flush(self) -> Result<(), Released> {
        if self.updated.get() == 0 {
            return Ok(());
        }
        if self.private().flush.is_running() {
            return self.flush_inside();
        }
        // Decided before anything is written: with thousands of connections nearly all flushes end here.
        self.sync_listed();
        let outlook = self.outlook();
        if outlook == Outlook::Nothing && self.owes_nothing() {
            self.set_prober(Prober::IDLE);
            self.close_round();
            Ok(())
        } else {
            self.flush_now(outlook, Occasion::Call)
        }
    }

    #[cold]
    #[inline(never)]
    fn flush_inside(self) -> Result<(), Released> {
        if self.private().flush.defers(self.now()) {
            return Ok(());
        }
        self.sync_sent();
        self.flush_now(Outlook::Unclear, Occasion::TakeOver)
    }

    /// Flushes, and once more if that was asked for meanwhile. What asks during the second flush is not heard.
    #[inline(never)]
    fn flush_now(self, outlook: Outlook, occasion: Occasion) -> Result<(), Released> {
        let flush = &self.private().flush;
        if !flush.enter(self.now()) {
            return Ok(());
        }
        match self.flush_once(outlook, occasion) {
            Ok(()) if flush.is_wanted_again() && occasion != Occasion::Again => {
                flush.leave();
                return self.flush_again();
            }
            Ok(()) => flush.end(),
            Err(Ended::TakenOver) => {}
            Err(Ended::Released) => return Err(Released),
        }
        flush.leave();
        Ok(())
    }

    #[cold]
    #[inline(never)]
    fn flush_again(self) -> Result<(), Released> {
        self.sync_sent();
        self.flush_now(Outlook::Unclear, Occasion::Again)
    }

    /// Sends what a flush that is taken over had begun to send: the packet under construction, and a segment that waits
    /// for room in one.
    #[cold]
    #[inline(never)]
    fn finish_another(self) -> Result<(), Ended> {
        let private = self.private();
        self.drop_acks(private.flush.take_acks(self.ackcount.get()));
        let Some(sn) = private.flush.take_unwritten() else {
            return Ok(());
        };
        if private.packet.len() > 0 {
            private.flush.note_unwritten(sn);
            self.output_packet()?;
            self.sync_sent();
            private.flush.take_unwritten();
        }
        if let Some(segment) = private.sent.find_again(self.snd_buf(), sn)
            && segment.xmit.get() != 0
        {
            self.write_segment(segment);
        }
        Ok(())
    }

    /// Hands the packet under construction to `output`.
    #[inline(never)]
    fn output_packet(self) -> Result<(), Ended> {
        let packet = &self.private().packet;
        if self.logs(log_mask::OUTPUT) {
            let number = self.flush_number();
            self.log_output(packet.len())?;
            self.continue_flush(number)?;
        }
        if packet.len() == 0 {
            return Ok(());
        }
        let number = self.flush_number();
        let (data, len) = packet.hand_out(&self.buffer);
        self.output(data, len.cast_signed())?;
        self.continue_flush(number)?;
        self.take_back_packets();
        Ok(())
    }

    /// What a flush has to do with segments, as far as can be told without looking at them. Nothing is the common case of a
    /// connection that only answers, and of a program that flushes after every call.
    #[inline(always)]
    fn outlook(self) -> Outlook {
        if !ways::OUTLOOK {
            return Outlook::Unclear;
        }
        let (index, list) = (&self.private().sent, self.snd_buf());
        let nothing_due = list.is_empty()
            || if index.is_off() {
                self.finds_nothing_due()
            } else {
                index.watch(list);
                !index.has_unsent() && index.is_quiet(self.now(), self.fast_resend(self.resent()))
            };
        if self.has_ops() || !nothing_due {
            Outlook::Unclear
        } else if !self.snd_queue().is_empty() && self.admits(self.send_window()) {
            Outlook::Admission
        } else {
            Outlook::Nothing
        }
    }

    /// One pass, when `outlook` has just been told.
    #[inline(always)]
    fn flush_once(self, mut outlook: Outlook, occasion: Occasion) -> Result<(), Ended> {
        self.private().flush.begin(self.now());
        if occasion == Occasion::TakeOver {
            self.finish_another()?;
        }
        let callouts = self.private().callouts.get();
        let current = self.now();
        let budget = if self.has_ops() {
            self.ask_ops()?
        } else {
            None
        };
        let (wnd, prior_cwnd) = (self.wnd_unused(), self.cwnd.get());
        let (conv, una) = (self.conv.get(), self.rcv_nxt.get());
        let last = self.flush_acks(owed(IKCP_CMD_ACK, conv, una, wnd))?;
        if self.probe.get() != 0 || self.rmt_wnd.get() == 0 {
            self.flush_probes(conv, una, wnd, last)?;
        } else {
            self.set_prober(Prober::IDLE);
        }
        if self.private().callouts.get() != callouts {
            self.sync_sent();
            outlook = Outlook::Unclear;
        } else if outlook == Outlook::Nothing {
            return self.end_round();
        }
        self.flush_data(outlook, budget, current, prior_cwnd, wnd)
    }

    /// The segments of a flush: admits new ones and sends those that are due.
    #[inline(always)]
    fn flush_data(
        self,
        outlook: Outlook,
        budget: Option<u32>,
        current: Millis,
        prior_cwnd: u32,
        wnd: u16,
    ) -> Result<(), Ended> {
        let (index, list) = (&self.private().sent, self.snd_buf());
        let window = self.send_window();
        let admitted = self.admit(current, window, wnd);
        self.report_app_limited()?;
        let rtomin = match self.nodelay.get() {
            0 => (self.rx_rto.get() >> 3).cast_unsigned(),
            _ => 0,
        };
        let resent = self.resent();
        let (scope, at) = if outlook == Outlook::Admission {
            (Scope::Unsent, admitted)
        } else {
            self.look_for_due(current, resent)
        };
        self.private().withheld.set(false);
        let Some(first) = at else {
            index.flushed();
            return self.end_round();
        };
        let mut step = Step::Special(first);
        if ways::FIRST_TRANSMISSIONS_IN_RUNS
            && scope == Scope::Unsent
            && budget.is_none()
            && !self.has_ops()
        {
            step = self.send_first_run(first, current, rtomin, wnd)?;
            if let Step::Passed(last) = step
                && list.next(last).is_none()
            {
                index.flushed();
                return self.end_round();
            }
        }
        let round = Round {
            current,
            prior_cwnd,
            window,
            rtomin,
            resent,
            wnd,
        };
        self.go_on(round, budget, (step, scope))
    }

    /// Which segments a flush has to look at, and the first of them.
    #[inline(never)]
    fn look_for_due(self, current: Millis, resent: u32) -> (Scope, Option<Segment>) {
        let scope = self.scope(current, resent);
        let fast = self.fast_resend(resent);
        let first = self
            .private()
            .sent
            .seek(self.snd_buf(), scope, None, current, fast);
        (scope, first)
    }

    /// What is left is decided segment by segment.
    #[inline(never)]
    fn go_on(
        self,
        round: Round,
        budget: Option<u32>,
        (step, mut scope): (Step, Scope),
    ) -> Result<(), Ended> {
        let tally = match self.behind(step, &mut scope, round) {
            Some(at) => self.flush_segments(round, budget, (scope, at))?,
            None => Tally::default(),
        };
        if self.private().packet.len() > 0 {
            self.output_packet()?;
        }
        self.react(tally, round)?;
        self.close_round();
        Ok(())
    }

    /// Asks the congestion control for the bytes of payload that may be sent, `None` without limit.
    #[cold]
    #[inline(never)]
    fn ask_ops(self) -> Result<Option<u32>, Ended> {
        self.on_tick()?;
        Ok(self
            .pacing_rate()?
            .filter(|budget| budget.cast_signed() >= 0))
    }

    /// The end of a flush that has sent all: the last packet leaves.
    #[inline(always)]
    fn end_round(self) -> Result<(), Ended> {
        self.private().withheld.set(false);
        if self.private().packet.len() > 0 {
            self.output_packet()?;
        }
        self.close_round();
        Ok(())
    }

    /// True when a flush would not have to send a header either.
    #[inline(always)]
    fn owes_nothing(self) -> bool {
        self.ackcount.get() == 0 && self.probe.get() == 0 && self.rmt_wnd.get() != 0
    }

    /// What every flush ends with.
    #[inline(always)]
    fn close_round(self) {
        if self.cwnd.get() < 1 {
            self.cwnd.set(1);
            self.incr.set(self.mss.get());
        }
        let elapsed = self
            .now()
            .since(self.private().trimmed.get())
            .cast_unsigned();
        if elapsed >= TRIM_PERIOD {
            self.trim();
        }
    }

    /// Ends a trimming period: what was not needed during it goes back to the allocator.
    #[cold]
    #[inline(never)]
    fn trim(self) {
        let private = self.private();
        private.trimmed.set(self.now());
        self.sync_sent();
        self.sync_received();
        private.sent.trim(self.snd_buf());
        private.received.trim(self.rcv_buf());
        let progress = self.snd_una.get().wrapping_add(self.rcv_nxt.get());
        let passed = progress.wrapping_sub(private.trimmed_at.replace(progress));
        private.pool.trim(passed, self.kept_segments());
        let acks = private.ack_peak.replace(0);
        // A list that is used and small stays, so that a message now and then does not allocate it each time.
        let block = self.ackblock.get();
        if self.ackcount.get() == 0 && (acks == 0 || (block > 64 && acks <= block / 4)) {
            self.free_acklist();
        }
    }

    // ---- acknowledgements and probes -----------------------------------------------------------------------------

    /// True when the packet under construction may take `need` more bytes.
    #[inline(always)]
    fn fits(self, need: u32) -> bool {
        let size = self.private().packet.len().wrapping_add(need);
        size.cast_signed() <= self.mtu.get().cast_signed()
    }

    /// Hands out the packet under construction when `need` more bytes would make it larger than the MTU. True when it
    /// did, so that a callback has run.
    #[inline(always)]
    fn make_room(self, need: u32) -> Result<bool, Ended> {
        if self.fits(need) {
            return Ok(false);
        }
        self.output_packet()?;
        Ok(true)
    }

    /// Gives `sn` and `ts` of the last acknowledgement, since the original goes on with its header: a probe carries them.
    #[inline(always)]
    fn flush_acks(self, header: Header) -> Result<[u32; 2], Ended> {
        let count = self.ackcount.get();
        if count == 0 {
            return Ok([0, 0]);
        }
        let peak = &self.private().ack_peak;
        peak.set(peak.get().max(count));
        let packet = &self.private().packet;
        let mut last = [0, 0];
        let mut written = 0;
        loop {
            let mut writer = packet.writer(&self.buffer, self.mtu.get());
            let acks = self.pending_acks(count);
            while ways::ACKS_IN_RUNS
                && let Some(ack) = acks.get(written)
                && writer.fits(0)
            {
                last = ack;
                writer.put_header(&header.about(ack).emit());
                written += 1;
            }
            packet.take_over(writer);
            if written >= count {
                break;
            }
            self.private().flush.note_acks(written);
            match self.put_ack(header.conv, header.una, header.wnd, written)? {
                Some(ack) => last = ack,
                None => break,
            }
            written += 1;
        }
        self.private().flush.note_acks(0);
        self.drop_acks(written);
        Ok(last)
    }

    /// Writes the acknowledgement number `n` into a new packet, and gives it. `None` when a callback took it away, or
    /// without memory.
    #[inline(never)]
    fn put_ack(self, conv: u32, una: u32, wnd: u16, n: u32) -> Result<Option<[u32; 2]>, Ended> {
        self.make_room(IKCP_OVERHEAD)?;
        let Some(ack) = self.pending_acks(u32::MAX).get(n) else {
            return Ok(None);
        };
        let raw = owed(IKCP_CMD_ACK, conv, una, wnd).about(ack).emit();
        let written = self.private().packet.put_header(&self.buffer, &raw);
        Ok(written.then_some(ack))
    }

    #[inline(never)]
    fn flush_probes(self, conv: u32, una: u32, wnd: u16, last: [u32; 2]) -> Result<(), Ended> {
        if self.rmt_wnd.get() == 0 {
            let prober = Prober {
                ts_probe: Millis(self.ts_probe.get()),
                probe_wait: self.probe_wait.get(),
            };
            let (prober, due) = prober.closed(self.now());
            self.set_prober(prober);
            if due {
                self.probe.set(self.probe.get() | IKCP_ASK_SEND);
            }
        } else {
            self.set_prober(Prober::IDLE);
        }
        if self.probe.get() & IKCP_ASK_SEND != 0 {
            self.put_probe(owed(IKCP_CMD_WASK, conv, una, wnd).about(last))?;
        }
        if self.probe.get() & IKCP_ASK_TELL != 0 {
            self.put_probe(owed(IKCP_CMD_WINS, conv, una, wnd).about(last))?;
        }
        self.probe.set(0);
        Ok(())
    }

    #[inline(never)]
    fn put_probe(self, header: Header) -> Result<(), Ended> {
        self.make_room(IKCP_OVERHEAD)?;
        self.private()
            .packet
            .put_header(&self.buffer, &header.emit());
        Ok(())
    }

    #[inline(always)]
    fn set_prober(self, prober: Prober) {
        self.ts_probe.set(prober.ts_probe.0);
        self.probe_wait.set(prober.probe_wait);
    }

    // ---- admission -----------------------------------------------------------------------------------------------

    /// Segments that may be in flight.
    #[inline(always)]
    fn send_window(self) -> u32 {
        let window = self.snd_wnd.get().min(self.rmt_wnd.get());
        if self.has_ops() || self.nocwnd.get() == 0 {
            window.min(self.cwnd.get())
        } else {
            window
        }
    }

    #[inline(always)]
    fn admits(self, window: u32) -> bool {
        self.next_sn().before(Sn(self.snd_una.get()).plus(window))
    }

    /// Moves segments from `snd_queue` to `snd_buf` while the window allows. No callback runs, so the lists and counters
    /// are brought up to date once for all of them. Gives the first one.
    #[inline(always)]
    fn admit(self, current: Millis, window: u32, wnd: u16) -> Option<Segment> {
        let (queue, list) = (self.snd_queue(), self.snd_buf());
        let edge = Sn(self.snd_una.get()).plus(window);
        let (mut sn, mut last) = (self.next_sn(), None);
        let (conv, una, rto) = (self.conv.get(), self.rcv_nxt.get(), self.rx_rto.get());
        let mut at = queue.first();
        while let Some(segment) = at
            && sn.before(edge)
        {
            let segment = self.fit_tail(segment);
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
        let (first, last) = (queue.first()?, last?);
        let count = sn.since(self.next_sn()).cast_unsigned();
        queue.move_front(last, list);
        self.nsnd_que.set(self.nsnd_que.get().wrapping_sub(count));
        self.nsnd_buf.set(self.nsnd_buf.get().wrapping_add(count));
        self.snd_nxt.set(sn.0);
        let total = self.nsnd_buf.get();
        self.private()
            .sent
            .admitted(list, first, (count, total, window), sn, || {
                self.fastlimit.get()
            });
        Some(first)
    }

    /// Tells the congestion control when the window is not full and nothing is left to fill it.
    #[inline(always)]
    fn report_app_limited(self) -> Result<(), Ended> {
        if self.has_ops() {
            self.report_to_ops()?;
        }
        Ok(())
    }

    #[cold]
    #[inline(never)]
    fn report_to_ops(self) -> Result<(), Ended> {
        if self.snd_queue().is_empty() {
            let window = self
                .snd_wnd
                .get()
                .min(self.rmt_wnd.get())
                .min(self.cwnd.get());
            let inflight = self.nsnd_buf.get();
            if inflight < window {
                self.on_app_limited(inflight)?;
                self.sync_sent();
            }
        }
        Ok(())
    }

    // ---- congestion ----------------------------------------------------------------------------------------------

    /// Lets the congestion control react to what the data phase had to repeat.
    #[inline(always)]
    fn react(self, tally: Tally, round: Round) -> Result<(), Ended> {
        let (prior_cwnd, resent) = (round.prior_cwnd, round.resent);
        if tally.fast > 0 {
            let inflight = self.nsnd_buf.get();
            if self
                .on_fast_retransmit(tally.fast, inflight, prior_cwnd)?
                .is_none()
            {
                let inflight = self.next_sn().since(Sn(self.snd_una.get())).cast_unsigned();
                self.set_window(Window::fast_retransmitted(inflight, resent, self.mss.get()));
            }
        }
        if tally.timed_out && self.on_timeout(prior_cwnd)?.is_none() {
            let prior = if profile::CONGESTION_HOOKS {
                prior_cwnd
            } else {
                round.window
            };
            self.set_window(Window::timed_out(prior, self.mss.get()));
        }
        Ok(())
    }
}
