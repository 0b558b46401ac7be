//! `ikcp_input`: from a packet of the network to acknowledgements taken and segments stored.

use core::ffi::c_int;

use crate::call::Released;
use crate::congestion::Window;
use crate::consts::{
    IKCP_ASK_TELL, IKCP_CMD_ACK, IKCP_CMD_PUSH, IKCP_CMD_WASK, IKCP_CMD_WINS, log_mask, profile,
};
use crate::control::Kcp;
use crate::segment::{Datagram, Source};
use crate::seq::{Millis, Sn};
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
#[derive(Default)]
struct Taken {
    candidate: Option<Candidate>,
    /// There was a round-trip sample, so `rx_rto` is to be computed.
    sampled: bool,
}

impl Kcp<'_> {
    /// Takes a packet. Gives 0, or -1 when it is too short or of another conversation, -2 when a length is wrong, -3 for
    /// an unknown command; what stood before the fault has been taken.
    pub fn input(self, packet: Datagram) -> c_int {
        self.settle_callout();
        let answer = self.take_packet(packet).unwrap_or(TAKEN);
        self.end_operation();
        answer
    }

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
        let inputs = &self.private().inputs;
        inputs.set(inputs.get().wrapping_add(1));
        self.sync();

        // Only callbacks can install callbacks, so whether any may run is known before the first.
        let mut taken = Taken::default();
        let answer = if self.logs_input() || self.watches_acks() {
            self.take_watched(packet, &mut taken)?
        } else {
            let answer = self.take_segments::<false>(packet, &mut taken)?;
            if taken.sampled {
                self.set_rto();
            }
            answer
        };
        if answer != TAKEN {
            return Ok(answer);
        }
        if let Some(Candidate { sn, ts }) = taken.candidate {
            self.skip_before(sn, ts);
        }
        let acked = Sn(self.snd_una.get()).since(prior_una);
        if acked > 0 {
            self.grow_window(acked.unsigned_abs(), prior_in_flight)?;
        }
        Ok(TAKEN)
    }

    /// The same code, kept out of the way of the common case.
    #[cold]
    #[inline(never)]
    fn take_watched(self, packet: Datagram, taken: &mut Taken) -> Result<c_int, Released> {
        self.take_segments::<true>(packet, taken)
    }

    /// Takes the segments of a packet. With `WATCHED` callbacks may run on the way, after each of which the lists are
    /// looked at anew.
    #[inline(always)]
    fn take_segments<const WATCHED: bool>(
        self,
        mut packet: Datagram,
        taken: &mut Taken,
    ) -> Result<c_int, Released> {
        let mut una = None;
        while let Some(at) = packet.header() {
            let header = at.read();
            // Reading a field where it is needed is cheaper than to keep it, as long as no callback runs in between.
            let again = || if WATCHED { header } else { at.read() };
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
            // The segments of a packet mostly carry the same `una`, and then only the first of them does anything.
            if WATCHED || una != Some(header.una) {
                una = Some(header.una);
                self.acknowledge_before::<WATCHED>(Sn(header.una))?;
                self.advance_una();
            }
            match cmd {
                IKCP_CMD_ACK => self.take_ack::<WATCHED>(again(), taken)?,
                IKCP_CMD_PUSH => self.take_push::<WATCHED>(again, payload)?,
                IKCP_CMD_WASK => {
                    self.probe.set(self.probe.get() | IKCP_ASK_TELL);
                    if WATCHED && self.logs(log_mask::IN_PROBE) {
                        self.log_probe()?;
                        self.sync_any();
                    }
                }
                _ => {
                    if WATCHED && self.logs(log_mask::IN_WINS) {
                        self.log_window(header.wnd)?;
                        self.sync_any();
                    }
                }
            }
        }
        Ok(TAKEN)
    }

    #[inline(always)]
    fn take_ack<const WATCHED: bool>(
        self,
        header: Header,
        taken: &mut Taken,
    ) -> Result<(), Released> {
        let (sn, ts) = (Sn(header.sn), Millis(header.ts));
        let rtt = self.now().since(ts);
        if rtt >= 0 {
            self.sample_rtt(rtt);
            taken.sampled = true;
            // Only a callback could see the timeout before the end of the packet.
            if WATCHED {
                self.set_rto();
                if self.on_rtt(rtt)?.is_some() {
                    self.sync_any();
                }
            }
        }
        self.acknowledge::<WATCHED>(sn)?;
        self.advance_una();
        match &mut taken.candidate {
            None => taken.candidate = Some(Candidate { sn, ts }),
            Some(best) => {
                let newer = !profile::FASTACK_CONSERVE || ts.since(best.ts) > 0;
                if sn.since(best.sn) > 0 && newer {
                    *best = Candidate { sn, ts };
                }
            }
        }
        if WATCHED && self.logs(log_mask::IN_ACK) {
            self.log_ack(header.sn, self.now().since(ts))?;
            self.sync_any();
        }
        Ok(())
    }

    #[inline(always)]
    fn take_push<const WATCHED: bool>(
        self,
        read: impl Fn() -> Header,
        payload: Source,
    ) -> Result<(), Released> {
        let header = read();
        if WATCHED && self.logs(log_mask::IN_DATA) {
            self.log_push(header.sn, header.ts)?;
            self.sync_any();
        }
        let sn = Sn(header.sn);
        let next = Sn(self.rcv_nxt.get());
        if sn.since(next.plus(self.rcv_wnd.get())) >= 0 {
            return Ok(());
        }
        let is_new = sn.since(next) >= 0;
        let unheard = self.acks_overflow() && (!is_new || self.is_stored(sn));
        // Without memory for its acknowledgement, or for itself, the segment counts as lost.
        if unheard || self.push_ack(header.sn, header.ts) {
            let stored = !is_new
                || if WATCHED {
                    self.store_watched(&header, payload)
                } else {
                    self.store(&read, payload)
                };
            if !stored && !unheard {
                self.pop_ack();
            }
        }
        Ok(())
    }

    /// Makes the indexes describe the lists, which the program or a callback may have edited. That of `rcv_buf` is looked at
    /// when a segment comes out of order, unless it holds addresses, which must not outlive what they belong to.
    #[inline(always)]
    fn sync(self) {
        self.sync_sent();
        if self.private().received.holds_addresses() {
            self.sync_received();
        }
    }

    /// `sync` after a callback, where speed does not matter.
    #[inline(never)]
    pub(crate) fn sync_any(self) {
        self.sync();
    }

    /// `acked_segs` more segments have arrived.
    #[inline(always)]
    fn grow_window(self, acked_segs: u32, prior_in_flight: u32) -> Result<(), Released> {
        if self
            .on_ack(acked_segs, self.ackedlen.get(), prior_in_flight)?
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
