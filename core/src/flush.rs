//! `ikcp_flush`: what is owed to the peer and what is due, written into packets in the original's order.
//!
//! Acknowledgements first, then window probes, then segments in order of `sn`. A packet leaves when the next segment
//! does not fit into it, so a callback sees the object as it is then.

mod segments;

use crate::call::Released;
use crate::congestion::Window;
use crate::consts::{
    IKCP_ASK_SEND, IKCP_ASK_TELL, IKCP_CMD_ACK, IKCP_CMD_PUSH, IKCP_CMD_WASK, IKCP_CMD_WINS,
    IKCP_OVERHEAD, profile,
};
use crate::control::Kcp;
use crate::probe::Prober;
use crate::seq::{Millis, Sn};
use crate::wire::Header;

/// A flush that was left by longjmp may be taken for one that is still running, while nothing on the stack tells. After
/// this many milliseconds on the object's own clock, and as many requests, nobody believes that any more.
const ABANDONED_AFTER: i32 = 10_000;
const ABANDONED_REQUESTS: u32 = 1000;

/// How often unused memory is given back, ms.
const TRIM_PERIOD: u32 = 500;

/// What a flush reads once. Nothing borrows it, so it stays in registers.
#[derive(Clone, Copy)]
struct Round {
    current: Millis,
    conv: u32,
    /// Free segments of our receive queue, as all headers say.
    wnd: u16,
    una: u32,
    /// Congestion window when it began.
    prior_cwnd: u32,
    /// What normal mode adds to the first deadline of a segment, ms.
    rtomin: u32,
}

impl Round {
    /// The header of a packet without payload.
    #[inline(always)]
    fn header(self, cmd: u32, sn: u32, ts: u32) -> Header {
        Header {
            conv: self.conv,
            cmd: cmd as u8,
            frg: 0,
            wnd: self.wnd,
            ts,
            sn,
            una: self.una,
            len: 0,
        }
    }
}

/// What the data phase did.
#[derive(Clone, Copy, Default)]
struct Tally {
    /// Segments sent again because they were skipped.
    fast: u32,
    /// Any segment was sent again because it timed out.
    timed_out: bool,
}

impl Kcp<'_> {
    /// Sends what is due at `current`.
    pub fn flush(self) {
        self.request_flush();
        self.end_operation();
    }

    /// Flushes, or, inside a flush of the same object, sees to it that another one follows.
    #[inline(always)]
    pub(crate) fn request_flush(self) {
        if self.updated.get() == 0 {
            return;
        }
        self.settle_callout();
        let private = self.private();
        if private.flushing.get() {
            if self.is_flushing() {
                private.flush_again.set(true);
                return;
            }
            private.flushing.set(false);
        }
        // Decided before anything is written: with thousands of connections nearly all flushes end here.
        self.sync_sent();
        let calm = self.is_calm();
        if calm && self.owes_nothing() {
            self.set_prober(Prober::IDLE);
            self.close_round();
            return;
        }
        private.flush_again.set(false);
        private.flush_began.set(self.now());
        private.unheard.set(0);
        private.flushing.set(true);
        let first = self.flush_once(calm);
        if first.is_ok() && private.flush_again.get() {
            // However often it was asked for; what asks during this one is not heard.
            _ = self.flush_again();
        }
        private.flush_again.set(false);
        private.flushing.set(false);
    }

    #[cold]
    #[inline(never)]
    fn flush_again(self) -> Result<(), Released> {
        self.sync_sent();
        self.flush_once(self.is_calm())
    }

    /// True when the flush that is marked as running is.
    #[cold]
    fn is_flushing(self) -> bool {
        let private = self.private();
        let unheard = private.unheard.get().saturating_add(1);
        private.unheard.set(unheard);
        unheard < ABANDONED_REQUESTS
            || self.now().since(private.flush_began.get()) < ABANDONED_AFTER
    }

    /// One pass; `calm` when `is_calm` has just said so.
    #[inline(never)]
    fn flush_once(self, calm: bool) -> Result<(), Released> {
        // A flush that was left by longjmp may have left a packet behind.
        self.private().packet.clear();
        let callouts = self.private().callouts.get();
        let current = self.now();
        self.on_tick()?;
        // Bytes of payload that may still be sent, `None` without limit.
        let budget = self
            .pacing_rate()?
            .filter(|budget| budget.cast_signed() >= 0);
        let mut round = Round {
            current,
            conv: self.conv.get(),
            wnd: self.wnd_unused(),
            una: self.rcv_nxt.get(),
            prior_cwnd: self.cwnd.get(),
            rtomin: 0,
        };
        let (sn, ts) = self.flush_acks(round)?;
        self.flush_probes(round, sn, ts)?;
        if self.private().callouts.get() != callouts {
            self.sync_sent_any();
        } else if calm {
            return self.end_round();
        }
        let window = self.send_window();
        self.private().sent.flush_begins(round.current);
        self.admit(round, window);
        self.report_app_limited()?;
        let resent = self.resent();
        round.rtomin = match self.nodelay.get() {
            0 => (self.rx_rto.get() >> 3).cast_unsigned(),
            _ => 0,
        };
        let tally = self.flush_segments(round, budget, resent)?;
        if self.private().packet.len() > 0 {
            self.output_packet()?;
        }
        self.react(tally, round.prior_cwnd, window, resent)?;
        self.close_round();
        Ok(())
    }

    /// The end of a flush that sends no segment: the packet with what is owed leaves.
    fn end_round(self) -> Result<(), Released> {
        self.private().withheld.set(None);
        if self.private().packet.len() > 0 {
            self.output_packet()?;
        }
        self.close_round();
        Ok(())
    }

    /// True when a flush has nothing to do with segments: none may be admitted, none is due. The common case of a
    /// connection that only answers, and of a program that flushes after every call, so it is decided first.
    #[inline(always)]
    fn is_calm(self) -> bool {
        let index = &self.private().sent;
        !self.has_ops()
            && (self.snd_queue().is_empty() || !self.admits(self.send_window()))
            && !index.has_unsent()
            && index.is_quiet(self.snd_buf(), self.now())
            && !index.may_resend(self.fast_resend(self.resent()))
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
    fn make_room(self, need: u32) -> Result<bool, Released> {
        if self.fits(need) {
            return Ok(false);
        }
        self.output_packet()?;
        Ok(true)
    }

    /// Gives `sn` and `ts` of the last acknowledgement, since the original goes on with its header: a probe carries them.
    #[inline(always)]
    fn flush_acks(self, round: Round) -> Result<(u32, u32), Released> {
        let mut last = (0, 0);
        let count = self.ackcount.get();
        if count == 0 {
            return Ok(last);
        }
        let peak = &self.private().ack_peak;
        peak.set(peak.get().max(count));
        let packet = &self.private().packet;
        let mut written = 0;
        while written < count {
            self.make_room(IKCP_OVERHEAD)?;
            // As many as fit; one at least, however small the MTU. A callback may have taken some away.
            let mtu = self.mtu.get().cast_signed().max(0).unsigned_abs();
            let room = mtu.saturating_sub(packet.len()) / IKCP_OVERHEAD;
            let acks = self.pending_acks(written);
            let fitting = (count - written).min(room.max(1)) as usize;
            let acks = acks.get(..fitting).unwrap_or(acks);
            let Some(newest) = acks.last() else {
                break;
            };
            last = (newest.get()[0], newest.get()[1]);
            let headers = acks.iter().map(|ack| {
                let [sn, ts] = ack.get();
                round.header(IKCP_CMD_ACK, sn, ts).emit()
            });
            if !packet.put_headers(&self.buffer, headers) {
                break;
            }
            written += acks.len() as u32;
        }
        self.drop_acks(written);
        Ok(last)
    }

    #[inline(always)]
    fn flush_probes(self, round: Round, sn: u32, ts: u32) -> Result<(), Released> {
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
            self.put_probe(IKCP_CMD_WASK, [round.conv, round.una, sn, ts], round.wnd)?;
        }
        if self.probe.get() & IKCP_ASK_TELL != 0 {
            self.put_probe(IKCP_CMD_WINS, [round.conv, round.una, sn, ts], round.wnd)?;
        }
        self.probe.set(0);
        Ok(())
    }

    /// By number: an argument in memory would keep all of `Round` there.
    #[cold]
    #[inline(never)]
    fn put_probe(
        self,
        cmd: u32,
        [conv, una, sn, ts]: [u32; 4],
        wnd: u16,
    ) -> Result<(), Released> {
        let header = Header {
            conv,
            cmd: cmd as u8,
            frg: 0,
            wnd,
            ts,
            sn,
            una,
            len: 0,
        };
        self.make_room(IKCP_OVERHEAD)?;
        self.private()
            .packet
            .put_headers(&self.buffer, [header.emit()].into_iter());
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
    /// are brought up to date once for all of them.
    #[inline(always)]
    fn admit(self, round: Round, window: u32) {
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
            segment.wnd.set(u32::from(round.wnd));
            segment.ts.set(round.current.0);
            segment.sn.set(sn.0);
            segment.una.set(una);
            segment.resendts.set(round.current.0);
            segment.rto.set(rto.cast_unsigned());
            segment.fastack.set(0);
            segment.xmit.set(0);
            sn = sn.plus(1);
            last = Some(segment);
            at = queue.next(segment);
        }
        let (Some(first), Some(last)) = (queue.first(), last) else {
            return;
        };
        let count = sn.since(self.next_sn()).cast_unsigned();
        queue.move_front(last, list);
        self.nsnd_que.set(self.nsnd_que.get().wrapping_sub(count));
        self.nsnd_buf.set(self.nsnd_buf.get().wrapping_add(count));
        self.snd_nxt.set(sn.0);
        self.private().sent.admitted(list, first, count);
    }

    #[inline(always)]
    fn report_app_limited(self) -> Result<(), Released> {
        if self.has_ops() && self.snd_queue().is_empty() {
            let window = self
                .snd_wnd
                .get()
                .min(self.rmt_wnd.get())
                .min(self.cwnd.get());
            let inflight = self.nsnd_buf.get();
            if inflight < window {
                self.on_app_limited(inflight)?;
                self.sync_sent_any();
            }
        }
        Ok(())
    }

    // ---- congestion ----------------------------------------------------------------------------------------------

    /// Lets the congestion control react to what the data phase had to repeat.
    #[inline(always)]
    fn react(
        self,
        tally: Tally,
        prior_cwnd: u32,
        window: u32,
        resent: u32,
    ) -> Result<(), Released> {
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
                window
            };
            self.set_window(Window::timed_out(prior, self.mss.get()));
        }
        Ok(())
    }
}
