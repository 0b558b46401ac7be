//! `ikcp_input`: from a packet of the network to acknowledgements taken and segments stored.

use core::ffi::c_int;

use crate::callback::Released;
use crate::congestion::Window;
use crate::consts::{
    IKCP_ASK_TELL, IKCP_CMD_ACK, IKCP_CMD_PUSH, IKCP_CMD_WASK, IKCP_CMD_WINS, log_mask, profile,
};
use crate::control::Kcp;
use crate::segment::{Datagram, HeaderAt, Source};
use crate::seq::{Millis, Sn};
use crate::ways;
use crate::wire::{HEADER_LEN, Header};

// Answers of `ikcp_input`.
const TAKEN: c_int = 0;
const NOT_OURS: c_int = -1;
const TRUNCATED: c_int = -2;
const UNKNOWN_COMMAND: c_int = -3;

/// The acknowledgement of a packet that skip counting goes by.
#[derive(Clone, Copy)]
struct Candidate {
    sn: Sn,
    ts: Millis,
}

/// What a packet leaves to be done at its end.
#[derive(Clone, Copy, Default)]
struct Taken {
    candidate: Option<Candidate>,
    /// There was a round-trip sample, so `rx_rto` is to be computed.
    sampled: bool,
}

impl Taken {
    /// `sn`, sent at `ts`, was acknowledged.
    #[inline(always)]
    fn acked(&mut self, sn: Sn, ts: Millis) {
        let better = self.candidate.is_none_or(|best| {
            let newer = !profile::FASTACK_CONSERVE || ts.since(best.ts) > 0;
            sn.since(best.sn) > 0 && newer
        });
        if better {
            self.candidate = Some(Candidate { sn, ts });
        }
    }
}

impl Kcp<'_> {
    /// Takes a packet. Gives 0, or -1 when it is too short or of another conversation, -2 when a length is wrong, -3 for
    /// an unknown command; what stood before the fault has been taken.
    pub fn input(self, packet: Datagram) -> c_int {
        self.take_packet(packet).unwrap_or(TAKEN)
    }

    #[inline(always)]
    fn take_packet(self, packet: Datagram) -> Result<c_int, Released> {
        let prior_una = Sn(self.snd_una.get());
        let prior_in_flight = self.nsnd_buf.get();
        self.ackedlen.set(0);
        if self.logs(log_mask::INPUT) {
            self.log_input(packet.size())?;
        }
        if packet.is_null() || packet.size() < HEADER_LEN as i32 {
            return Ok(NOT_OURS);
        }
        self.note_change();
        self.sync();

        // Only callbacks can install callbacks, so whether any may run is known before the first.
        let watched = !ways::UNWATCHED_INPUT || self.logs_input() || self.watches_acks();
        let mut taken = Taken::default();
        let answer = self.take_segments(packet, &mut taken, watched)?;
        if taken.sampled && !watched {
            self.set_rto();
        }
        if answer != TAKEN {
            return Ok(answer);
        }
        if let Some(Candidate { sn, ts }) = taken.candidate
            && !sn.before(Sn(self.snd_una.get()))
        {
            self.skip_before(sn, ts);
        }
        if Sn(self.snd_una.get()).since(prior_una) > 0 {
            self.grow_window(prior_una, prior_in_flight)?;
        }
        Ok(TAKEN)
    }

    /// Takes the segments of a packet. When it is `watched`, callbacks may run on the way, after each of which the lists are
    /// looked at anew.
    #[inline(always)]
    fn take_segments(
        self,
        mut packet: Datagram,
        taken: &mut Taken,
        watched: bool,
    ) -> Result<c_int, Released> {
        // Any but that of the first segment.
        let mut una = packet.peek().map_or(0, |first| !first.una);
        while let Some(at) = packet.header() {
            let header = at.read();
            if header.conv != self.conv.get() {
                return Ok(NOT_OURS);
            }
            let Some(payload) = packet.payload(header.len) else {
                return Ok(TRUNCATED);
            };
            let cmd = u32::from(header.cmd);
            if !(IKCP_CMD_PUSH..=IKCP_CMD_WINS).contains(&cmd) {
                return Ok(UNKNOWN_COMMAND);
            }
            self.rmt_wnd.set(u32::from(header.wnd));
            if watched {
                *taken = self.take_watched(at, payload, *taken)?;
                continue;
            }
            // The segments of a packet mostly carry the same `una`, and then only the first of them does anything.
            if una != header.una {
                una = header.una;
                self.acknowledge_before(Sn(header.una));
            }
            match cmd {
                IKCP_CMD_PUSH if self.take_next(at, payload) => {}
                IKCP_CMD_PUSH => self.take_push(at.read(), payload),
                IKCP_CMD_ACK => {
                    let (sn, ts) = (Sn(header.sn), Millis(header.ts));
                    let rtt = self.now().since(ts);
                    if rtt >= 0 {
                        self.sample_rtt(rtt);
                        taken.sampled = true;
                    }
                    if !sn.before(Sn(self.snd_una.get())) {
                        if let Some(next) = packet.peek() {
                            self.private().sent.prefetch(Sn(next.sn));
                        }
                        self.acknowledge(sn);
                    }
                    taken.acked(sn, ts);
                }
                IKCP_CMD_WASK => self.probe.set(self.probe.get() | IKCP_ASK_TELL),
                _ => {}
            }
        }
        Ok(TAKEN)
    }

    /// Takes one segment where callbacks may run.
    #[cold]
    #[inline(never)]
    fn take_watched(
        self,
        at: HeaderAt,
        payload: Source,
        mut taken: Taken,
    ) -> Result<Taken, Released> {
        // A callback may lead to the program reusing the packet.
        let header = at.read();
        self.acknowledge_before_watched(Sn(header.una))?;
        let (sn, ts) = (Sn(header.sn), Millis(header.ts));
        match u32::from(header.cmd) {
            IKCP_CMD_PUSH => {
                if self.logs(log_mask::IN_DATA) {
                    self.log_push(header.sn, header.ts)?;
                    self.sync_any();
                }
                self.take_push(header, payload);
            }
            IKCP_CMD_ACK => {
                let rtt = self.now().since(ts);
                if rtt >= 0 {
                    self.sample_rtt(rtt);
                    // A callback could see the timeout before the end of the packet.
                    self.set_rto();
                    if self.on_rtt(rtt)?.is_some() {
                        self.sync_any();
                    }
                }
                self.acknowledge_watched(sn)?;
                taken.acked(sn, ts);
                if self.logs(log_mask::IN_ACK) {
                    self.log_ack(header.sn, self.now().since(ts))?;
                    self.sync_any();
                }
            }
            IKCP_CMD_WASK => {
                self.probe.set(self.probe.get() | IKCP_ASK_TELL);
                if self.logs(log_mask::IN_PROBE) {
                    self.log_probe()?;
                    self.sync_any();
                }
            }
            _ => {
                if self.logs(log_mask::IN_WINS) {
                    self.log_window(header.wnd)?;
                    self.sync_any();
                }
            }
        }
        Ok(taken)
    }

    /// The common case of `take_push`: the segment that is expected next, with room for it and for its acknowledgement, and
    /// none waiting to follow it. False, and nothing done, where it is not that.
    #[inline(always)]
    fn take_next(self, at: HeaderAt, payload: Source) -> bool {
        let (count, wnd) = (self.nrcv_que.get(), self.rcv_wnd.get());
        let header = at.read();
        if !ways::PUSH_IN_ORDER
            || header.sn != self.rcv_nxt.get()
            || count >= wnd
            || wnd.cast_signed() < 0
            || !self.has_room_for_ack()
            || !self.leaves_gap(Sn(header.sn))
        {
            return false;
        }
        // Without memory it counts as lost.
        if let Some(segment) = self.received_segment(at, payload) {
            self.push_ack(header.sn, header.ts);
            self.append_received(segment);
        }
        true
    }

    /// True when no segment waits, or the first that does comes later than behind `sn`.
    #[inline(always)]
    fn leaves_gap(self, sn: Sn) -> bool {
        self.rcv_buf()
            .first()
            .is_none_or(|first| Sn(first.sn.get()).since(sn) > 1)
    }

    /// Takes payload: it is acknowledged unless it lies beyond the window, and stored when it is new.
    #[inline(never)]
    fn take_push(self, header: Header, payload: Source) {
        let sn = Sn(header.sn);
        let next = Sn(self.rcv_nxt.get());
        if sn.since(next.plus(self.rcv_wnd.get())) >= 0 {
            return;
        }
        let is_new = sn.since(next) >= 0;
        let unheard = self.acks_overflow() && (!is_new || self.is_stored(sn));
        // Without memory for its acknowledgement, or for itself, the segment counts as lost.
        if unheard || self.try_push_ack(header.sn, header.ts) {
            let stored = !is_new || self.store(&header, payload);
            if !stored && !unheard {
                self.pop_ack();
            }
        }
    }

    /// Makes the indexes describe the lists, which the program may have edited. That of `rcv_buf` is looked at when a segment
    /// comes out of order, unless it holds addresses, which must not outlive what they belong to; of an empty list none is
    /// believed before one comes.
    #[inline(always)]
    fn sync(self) {
        self.sync_listed();
        if !self.rcv_buf().is_empty() && self.private().received.holds_addresses() {
            self.sync_received();
        }
    }

    /// The same after a callback. A packet that a callback interrupted changes the list when it goes on, which a flush that
    /// began meanwhile has to notice.
    #[inline(never)]
    pub(crate) fn sync_any(self) {
        self.note_change();
        self.sync_sent();
        if self.private().received.holds_addresses() {
            self.sync_received();
        }
    }

    /// More segments have arrived: `snd_una` was `prior_una` before.
    #[inline(never)]
    fn grow_window(self, prior_una: Sn, prior_in_flight: u32) -> Result<(), Released> {
        let acked = Sn(self.snd_una.get()).since(prior_una).unsigned_abs();
        if self
            .on_ack(acked, self.ackedlen.get(), prior_in_flight)?
            .is_none()
        {
            self.set_window(self.window().acked(self.rmt_wnd.get(), self.mss.get()));
        }
        Ok(())
    }

    #[inline(always)]
    fn window(self) -> Window {
        Window {
            cwnd: self.cwnd.get(),
            ssthresh: self.ssthresh.get(),
            incr: self.incr.get(),
        }
    }

    #[inline(always)]
    pub(crate) fn set_window(self, window: Window) {
        self.cwnd.set(window.cwnd);
        self.ssthresh.set(window.ssthresh);
        self.incr.set(window.incr);
    }
}
