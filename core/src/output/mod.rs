//! `ikcp_flush`: writes everything that is due into packets, in the original's order.
//! First come acknowledgements (`acks`), then window probes. Then new segments are admitted to `snd_buf` (`admit`), and due
//! segments are sent in the order of `sn` (`transmit`). Where a control of the library sets the pace, due segments are sent before new
//! ones are admitted. A packet is sent when the next segment does not fit, so a callback sees the object as it is at that point.
//! `nesting` decides what happens when one flush begins inside another.

mod acks;
mod admit;
mod copies;
mod nesting;
mod transmit;

use crate::callback::Released;
use crate::congestion::Loss;
use crate::consts::log_mask;
use crate::index::Bookmark;
use crate::index::Scope;
use crate::kcp::{Back, Kcp};
use crate::seq::Millis;
use crate::ways;
pub(crate) use nesting::{Ended, Nesting};
use transmit::Walk;

/// What a flush reads only once.
#[derive(Clone, Copy)]
struct Round {
    current: Millis,
    /// In normal mode, an addition to a segment's first deadline, ms.
    rtomin: u32,
    /// A segment is retransmitted after this many skips.
    resent: u32,
    /// Free segments of our receive window, as told in every header.
    wnd: u16,
}

/// What a flush may have to do with segments.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Work {
    /// No segment can be admitted, and none is due.
    Nothing,
    /// Segments can be admitted; none that was sent before is due.
    Admission,
    Unclear,
}

/// Why a flush runs.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Occasion {
    /// The program, or `ikcp_update`, asked for it.
    Call,
    /// It was requested during the last flush.
    Again,
    /// The last flush has not ended, but the clock has moved on.
    TakeOver,
}

impl<'a> Kcp<'a> {
    /// Sends everything that is due at `current`.
    pub fn flush(self) {
        // Whether or not the object was released meanwhile, nothing is left to do.
        _ = self.request_flush();
    }

    /// Flushes; inside a flush at the same clock, arranges for another one after it.
    #[inline(never)]
    pub(crate) fn request_flush(self) -> Result<Kcp<'a>, Released> {
        let mut kcp = self;
        if kcp.updated.get() == 0 {
            return Ok(kcp);
        }
        if kcp.private().flush.is_running() {
            return kcp.flush_inside();
        }
        // Decided before anything is written: with thousands of connections, nearly all flushes end here.
        let work = kcp.work();
        if work == Work::Nothing && kcp.owes_nothing() {
            kcp.stop_probing();
            kcp.finish_flush();
            return Ok(kcp);
        }
        if !kcp.private().flush.enters_alone(kcp.now()) {
            return kcp.flush_nested(work, Occasion::Call);
        }
        let kcp = match kcp.lend(|kcp| kcp.flush_once(work)) {
            Ok(kcp) => kcp,
            Err(ended) => return ended.end(),
        };
        kcp.finish_flush();
        if kcp.private().flush.ends_alone() {
            Ok(kcp)
        } else {
            kcp.end_nested(Occasion::Call)
        }
    }

    /// A flush is requested inside another.
    #[cold]
    #[inline(never)]
    fn flush_inside(self) -> Result<Kcp<'a>, Released> {
        if self.private().flush.defers(self.now()) {
            return Ok(self);
        }
        self.flush_nested(Work::Unclear, Occasion::TakeOver)
    }

    /// Flushes while other flushes have not ended.
    #[cold]
    #[inline(never)]
    fn flush_nested(self, work: Work, occasion: Occasion) -> Result<Kcp<'a>, Released> {
        let mut kcp = self;
        if occasion != Occasion::Call {
            kcp.sync_before_transmission();
        }
        if !kcp.private().flush.enters(kcp.now()) {
            return Ok(kcp);
        }
        if occasion == Occasion::TakeOver {
            kcp = match kcp.finish_another() {
                Ok(kcp) => kcp,
                Err(ended) => return ended.end(),
            };
        }
        match kcp.lend(|kcp| kcp.flush_once(work)) {
            Ok(kcp) => {
                kcp.finish_flush();
                kcp.end_nested(occasion)
            }
            Err(ended) => ended.end(),
        }
    }

    /// Ends a flush, and flushes once more if that was requested meanwhile. Requests during the second flush are ignored.
    #[cold]
    #[inline(never)]
    fn end_nested(self, occasion: Occasion) -> Result<Kcp<'a>, Released> {
        self.sync_before_transmission();
        let flush = &self.private().flush;
        if flush.is_wanted_again() && occasion != Occasion::Again {
            flush.leave();
            return self.flush_nested(Work::Unclear, Occasion::Again);
        }
        flush.end();
        flush.leave();
        Ok(self)
    }

    /// Finishes what the flush that was taken over had begun to send: the packet under construction, and a segment that waits for
    /// room.
    fn finish_another(self) -> Result<Kcp<'a>, Ended<'a>> {
        let mut kcp = self;
        let acks = kcp.private().flush.take_acks(kcp.ackcount.get());
        if acks > 0 {
            kcp.drop_acks(acks);
        }
        let Some(sn) = kcp.private().flush.take_unwritten() else {
            return Ok(kcp);
        };
        if kcp.private().packet.len() > 0 {
            kcp.private().flush.note_unwritten(sn);
            kcp = kcp.output_packet()?;
            kcp.sync_sent_after_callback();
            kcp.private().flush.note_written();
        }
        if let Some(segment) = kcp.private().sent.find_again(kcp.snd_buf(), sn)
            && segment.xmit.get() != 0
        {
            kcp.write_segment(segment);
        }
        Ok(kcp)
    }

    /// Passes the packet under construction to `output`.
    #[inline(always)]
    fn output_packet(self) -> Result<Kcp<'a>, Ended<'a>> {
        self.lend(Kcp::hand_out_packet)
    }

    #[inline(never)]
    fn hand_out_packet(self) -> Result<Back<'a>, Ended<'a>> {
        let mut kcp = self;
        if kcp.logs(log_mask::OUTPUT) {
            let number = kcp.flush_number();
            let len = kcp.private().packet.len();
            kcp = kcp.log_output(len)?.continue_flush(number)?;
        }
        if kcp.private().packet.len() == 0 {
            return Ok(kcp.give_back());
        }
        let number = kcp.flush_number();
        let (data, len) = kcp.private().packet.hand_out(&kcp.buffer);
        if let Some(extras) = kcp.extras() {
            extras.packet_sent(len);
        }
        kcp = kcp
            .output(data, len.cast_signed())?
            .continue_flush(number)?;
        Ok(kcp.give_back())
    }

    /// True if the packet under construction has room for `need` more bytes within the MTU.
    #[inline(always)]
    fn fits(&self, need: u32) -> bool {
        let size = self.private().packet.len().wrapping_add(need);
        size.cast_signed() <= self.mtu.get().cast_signed()
    }

    /// Sends the packet under construction if it has no room for `need` more bytes within the MTU.
    #[inline(always)]
    fn make_room(self, need: u32) -> Result<Kcp<'a>, Ended<'a>> {
        if self.fits(need) {
            Ok(self)
        } else {
            self.output_packet()
        }
    }

    /// What a flush has to do with segments, as far as the index and the windows tell. `Nothing` is the common case for a
    /// connection that only answers, and for a program that flushes after every call.
    #[inline(always)]
    fn work(&mut self) -> Work {
        let nothing_due = self.snd_buf().is_empty() || self.finds_nothing_due();
        if !ways::NOTHING_TO_SEND || self.needs_general_ways() || !nothing_due {
            Work::Unclear
        } else if self.snd_queue().is_empty() {
            Work::Nothing
        } else if self.admits(self.send_window()) {
            Work::Admission
        } else {
            if self.extras().is_some() {
                self.note_stall();
            }
            Work::Nothing
        }
    }

    /// True if no segment in flight is due.
    #[inline(always)]
    fn finds_nothing_due(&self) -> bool {
        let (index, list) = (&self.private().sent, self.snd_buf());
        if !index.is_off() {
            if !self.knows_sent() {
                // The program has edited the list, so every segment is visited.
                self.rebuild_sent();
                return false;
            }
            index.check_few(list);
            return !index.has_unsent()
                && index.holds_for(self.fastlimit.get())
                && index.is_quiet(self.due(self.now(), self.resent()));
        }
        self.walks_past_nothing_due(self.now())
    }

    /// One pass, right after `work` was determined.
    #[inline(never)]
    fn flush_once(self, work: Work) -> Result<Back<'a>, Ended<'a>> {
        let (mut kcp, mut work) = (self, work);
        let callbacks_run = kcp.private().callbacks_run.get();
        let current = kcp.now();
        let mut budget = u64::MAX;
        if kcp.has_ops() {
            (kcp, budget) = kcp.ask_ops()?;
        }
        let (wnd, prior_cwnd) = (kcp.wnd_unused(), kcp.cwnd.get());
        let (conv, una) = (kcp.conv.get(), kcp.rcv_nxt.get());
        let common = acks::Common { conv, una, wnd };
        let (mut kcp, last) = kcp.flush_acks(common)?;
        if kcp.probe.get() != 0 || kcp.rmt_wnd.get() == 0 {
            kcp = kcp.flush_probes(conv, una, wnd, last)?;
        } else {
            kcp.stop_probing();
        }
        if kcp.private().callbacks_run.get() != callbacks_run {
            kcp.sync_before_transmission();
            work = Work::Unclear;
        } else if work == Work::Nothing {
            return Ok(kcp.finish_without_data()?.give_back());
        }
        let kcp = kcp.flush_data(work, budget, current, prior_cwnd, wnd)?;
        Ok(kcp.give_back())
    }

    /// The segments of a flush: admits new ones and sends those that are due.
    #[inline(always)]
    fn flush_data(
        self,
        work: Work,
        budget: u64,
        current: Millis,
        prior_cwnd: u32,
        wnd: u16,
    ) -> Result<Kcp<'a>, Ended<'a>> {
        let window = self.send_window();
        let (mut kcp, mut begun) = (self, None);
        if kcp.has_pace(budget) {
            let walk = kcp.begin_walk(current, wnd, budget);
            kcp = kcp.lend(|kcp| kcp.send_before_admission(begun.insert(walk)))?;
        }
        let (allowed, pace) = match &begun {
            Some(walk) if walk.stopped => (0, 0),
            Some(walk) => (window, walk.budget),
            None => (window, u64::MAX),
        };
        let mut first = kcp.admit(current, allowed, wnd, pace);
        let mut walk = match begun {
            Some(walk) => {
                kcp.note_queue();
                walk
            }
            None => {
                if kcp.has_ops() {
                    kcp = kcp.report_app_limited()?;
                }
                let mut walk = kcp.begin_walk(current, wnd, budget);
                if work != Work::Admission {
                    (walk.scope, first) = kcp.first_due(current, walk.round.resent);
                }
                kcp.private().deferred.set(false);
                walk
            }
        };
        let mut kcp = kcp.lend(|kcp| kcp.transmit(&mut walk, first))?;
        if !walk.stopped {
            kcp.private().sent.flushed();
        }
        if kcp.needs_general_ways() {
            kcp = kcp.lend(|kcp| kcp.add_copies(walk))?;
        }
        if kcp.private().packet.len() > 0 {
            kcp = kcp.output_packet()?;
        }
        if walk.timed_out || walk.fast_retransmits > 0 {
            let loss = Loss {
                fast_retransmits: walk.fast_retransmits,
                resent: walk.round.resent,
                timed_out: walk.timed_out,
            };
            kcp = kcp.react_to_loss(loss, prior_cwnd, window)?;
        }
        Ok(kcp)
    }

    /// A walk that visits what was never sent.
    #[inline(always)]
    fn begin_walk(&self, current: Millis, wnd: u16, budget: u64) -> Walk {
        let rtomin = match self.nodelay.get() {
            0 => (self.rx_rto.get() >> 3).cast_unsigned(),
            _ => 0,
        };
        Walk {
            round: Round {
                current,
                rtomin,
                resent: self.resent(),
                wnd,
            },
            scope: Scope::Unsent,
            // Runs do not count bytes. With a budget this is a time half the circle away, which no segment has.
            runs: current.plus(u32::from(budget != u64::MAX) << 31),
            budget,
            fast_retransmits: 0,
            timed_out: false,
            stopped: false,
        }
    }

    /// Where a control of the library sets the pace, what is due leaves before segments are admitted.
    #[cold]
    #[inline(never)]
    fn send_before_admission(self, walk: &mut Walk) -> Result<Back<'a>, Ended<'a>> {
        self.private().deferred.set(false);
        let (scope, first) = self.first_due(walk.round.current, walk.round.resent);
        walk.scope = scope;
        let back = self.transmit(walk, first)?;
        walk.scope = Scope::Unsent;
        Ok(back)
    }

    /// Which segments a flush has to visit, and the first of them.
    #[inline(never)]
    pub(crate) fn first_due(&self, current: Millis, resent: u32) -> (Scope, Option<Bookmark>) {
        let due = self.due(current, resent);
        let scope = self.scope(due);
        let index = &self.private().sent;
        let first = index.seek(self.snd_buf(), scope, None, due);
        (scope, first.map(|first| self.bookmark(first)))
    }

    /// Asks the congestion control how many bytes of payload may be sent.
    #[cold]
    #[inline(never)]
    fn ask_ops(self) -> Result<(Kcp<'a>, u64), Ended<'a>> {
        self.detect_losses();
        let (kcp, _) = self.on_tick()?;
        let (kcp, budget) = kcp.pacing_rate()?;
        let budget = budget.filter(|budget| budget.cast_signed() >= 0);
        Ok((kcp, budget.map_or(u64::MAX, u64::from)))
    }

    /// Ends a flush that has nothing more to write: the last packet is sent.
    #[inline(always)]
    fn finish_without_data(self) -> Result<Kcp<'a>, Ended<'a>> {
        let mut kcp = self;
        kcp.private().deferred.set(false);
        if kcp.private().packet.len() > 0 {
            kcp = kcp.output_packet()?;
        }
        Ok(kcp)
    }

    /// True if a flush would not write a header without payload either.
    #[inline(always)]
    fn owes_nothing(&self) -> bool {
        self.ackcount.get() == 0 && self.probe.get() == 0 && self.rmt_wnd.get() != 0
    }

    /// The end of every flush.
    #[inline(always)]
    fn finish_flush(&self) {
        self.raise_window();
        if self.private().trimming.is_due(self.now()) {
            self.end_trimming_period();
        }
    }

    #[cold]
    #[inline(never)]
    fn end_trimming_period(&self) {
        self.take_back_packets();
        self.trim();
        self.tend_extras();
    }
}
