//! `ikcp_input`: parses a packet from the network, processes its acknowledgements, and stores its segments.

use core::ffi::c_int;

use crate::callback::Released;
use crate::consts::{
    IKCP_ASK_TELL, IKCP_CMD_ACK, IKCP_CMD_PUSH, IKCP_CMD_WASK, IKCP_CMD_WINS, log_mask, profile,
};
use crate::kcp::Kcp;
use crate::segment::{Datagram, HeaderAt, Source};
use crate::seq::{Millis, Sn};
use crate::ways;
use crate::wire::{Ack, Header};

// What `ikcp_input` returns.
const DONE: c_int = 0;
const NOT_OURS: c_int = -1;
const TRUNCATED: c_int = -2;
const UNKNOWN_COMMAND: c_int = -3;

/// What a packet's acknowledgements leave to be done at its end.
#[derive(Clone, Copy, Default)]
struct Acked {
    /// Of the latest segment, before which segments were skipped.
    latest: Option<Ack>,
    /// Number of round-trip samples; with any, `rx_rto` must be computed again.
    samples: u32,
}

impl Acked {
    #[inline(always)]
    fn note(&mut self, ack: Ack) {
        let later = self.latest.is_none_or(|latest| {
            let newer = !profile::FASTACK_CONSERVE || ack.ts.since(latest.ts) > 0;
            ack.sn.since(latest.sn) > 0 && newer
        });
        if later {
            self.latest = Some(ack);
        }
    }
}

/// A segment of a packet, after parsing.
struct Parsed {
    at: HeaderAt,
    payload: Source,
}

impl<'a> Kcp<'a> {
    /// Processes a packet. Returns 0; -1 if it is too short or belongs to another conversation; -2 if a length is wrong; -3 for
    /// an unknown command. Everything before the fault has been processed.
    pub fn input(self, packet: Datagram) -> c_int {
        self.take_packet(packet).unwrap_or(DONE)
    }

    #[inline(always)]
    fn take_packet(self, packet: Datagram) -> Result<c_int, Released> {
        let mut kcp = self;
        let prior_una = Sn(kcp.snd_una.get());
        let prior_in_flight = kcp.nsnd_buf.get();
        if let Some(extras) = kcp.extras() {
            extras.packet_arrived(&kcp, &packet);
        }
        kcp.ackedlen.set(0);
        if kcp.logs(log_mask::INPUT) {
            kcp = kcp.log_input(packet.size())?;
        }
        if !packet.has_header() {
            kcp.note_refusal(packet.size());
            return Ok(NOT_OURS);
        }
        kcp.sync();

        let mut acked = Acked::default();
        let answer;
        // Only callbacks can install callbacks, so whether any may run is known before the first.
        let by_time = kcp.needs_general_ways() && kcp.tells_by_time();
        if !ways::UNWATCHED_INPUT || kcp.logs_input() || kcp.watches_acks(by_time) {
            // A variable of its own, so that `acked` can stay in registers on the other branch.
            let mut watched = Acked::default();
            (kcp, answer) = kcp.take_watched(packet, &mut watched)?;
            acked = watched;
        } else if by_time {
            (answer, acked) = kcp.take_by_time(packet);
        } else {
            answer = kcp.take_segments(packet, &mut acked);
            if acked.samples > 0 {
                kcp.set_rto();
                if let Some(extras) = kcp.extras() {
                    extras.acks_received(acked.samples, acked.latest.map(|ack| ack.ts), kcp.now());
                }
            }
        }
        if answer != DONE {
            kcp.note_refusal(0);
            return Ok(answer);
        }
        if let Some(ack) = acked.latest
            && !ack.sn.before(Sn(kcp.snd_una.get()))
        {
            kcp.skip_before(ack);
        }
        if Sn(kcp.snd_una.get()).since(prior_una) > 0 {
            kcp.grow_window(prior_una, prior_in_flight)?;
        }
        Ok(DONE)
    }

    /// Takes the next segment off a packet, and the peer's window, which every segment tells. `None` at the end of the packet.
    #[inline(always)]
    fn next_segment(&self, packet: &mut Datagram) -> Result<Option<Parsed>, c_int> {
        let Some(at) = packet.header() else {
            return Ok(None);
        };
        let header = at.read();
        if header.conv != self.conv.get() {
            return Err(NOT_OURS);
        }
        let payload = packet.payload(header.len).ok_or(TRUNCATED)?;
        if !(IKCP_CMD_PUSH..=IKCP_CMD_WINS).contains(&u32::from(header.cmd)) {
            return Err(UNKNOWN_COMMAND);
        }
        self.rmt_wnd.set(u32::from(header.wnd));
        Ok(Some(Parsed { at, payload }))
    }

    /// Processes the segments of a packet when no callback can run.
    #[inline(always)]
    fn take_segments(&mut self, mut packet: Datagram, acked: &mut Acked) -> c_int {
        // Any value but the first segment's.
        let mut una = packet.peek().map_or(0, |first| !first.una);
        loop {
            let Parsed { at, payload } = match self.next_segment(&mut packet) {
                Ok(Some(parsed)) => parsed,
                Ok(None) => return DONE,
                Err(answer) => return answer,
            };
            let header = at.read();
            // Usually all segments of a packet carry the same `una`, and only the first has an effect.
            if una != header.una {
                una = header.una;
                self.acknowledge_before(Sn(header.una));
            }
            match u32::from(header.cmd) {
                IKCP_CMD_PUSH => {
                    if !self.take_next(at, payload) {
                        self.take_push(&at.read(), payload, true);
                    }
                }
                IKCP_CMD_ACK => {
                    let ack = header.ack();
                    let rtt = self.now().since(ack.ts);
                    if rtt >= 0 {
                        self.sample_rtt(rtt);
                        acked.samples += 1;
                    } else {
                        self.note_future_ack();
                    }
                    if !ack.sn.before(Sn(self.snd_una.get())) {
                        if let Some(next) = packet.peek() {
                            self.private().sent.prefetch(Sn(next.sn));
                        }
                        self.acknowledge(ack.sn);
                    }
                    acked.note(ack);
                }
                _ => self.take_probe(header.cmd),
            }
        }
    }

    /// `ikcp_input` returns an error for a packet, whose size may be negative.
    #[cold]
    #[inline(never)]
    fn note_refusal(&self, size: i32) {
        if let Some(extras) = self.extras() {
            extras.packet_refused(size);
        }
    }

    /// The time stamp of an acknowledgement is in the future.
    #[cold]
    #[inline(never)]
    fn note_future_ack(&self) {
        if let Some(extras) = self.extras() {
            extras.acks_received(1, None, self.now());
        }
    }

    /// Processes a window probe, or the answer to one.
    #[inline(always)]
    fn take_probe(&self, cmd: u8) {
        if u32::from(cmd) == IKCP_CMD_WASK {
            self.probe.set(self.probe.get() | IKCP_ASK_TELL);
        }
        if let Some(extras) = self.extras() {
            extras.probe_received(cmd);
        }
    }

    /// Processes the segments of a packet when callbacks may run, after each of which the lists are checked again. The program
    /// may reuse the packet's memory in a callback, so each header is read only once. With time-based loss detection,
    /// acknowledgements in a row come before their `una`, which would remove their segments.
    #[cold]
    #[inline(never)]
    fn take_watched(
        self,
        mut packet: Datagram,
        acked: &mut Acked,
    ) -> Result<(Kcp<'a>, c_int), Released> {
        let mut kcp = self;
        let by_time = kcp.tells_by_time();
        let mut late_una = None;
        let answer = loop {
            let Parsed { at, payload } = match kcp.next_segment(&mut packet) {
                Ok(Some(parsed)) => parsed,
                Ok(None) => break DONE,
                Err(answer) => break answer,
            };
            let header = at.read();
            let cmd = u32::from(header.cmd);
            let una = if by_time {
                let una = late_una.replace(header.una);
                una.filter(|una| cmd != IKCP_CMD_ACK || *una != header.una)
            } else {
                Some(header.una)
            };
            if let Some(una) = una {
                kcp = kcp.acknowledge_before_watched(Sn(una))?;
            }
            match cmd {
                IKCP_CMD_PUSH => {}
                IKCP_CMD_ACK => kcp = kcp.take_ack_watched(header.ack(), acked)?,
                _ => kcp.take_probe(header.cmd),
            }
            kcp = kcp.log_arrival(&header)?;
            if cmd == IKCP_CMD_PUSH {
                kcp.note_peer_time(Millis(header.ts));
                kcp.take_push(&header, payload, true);
            }
        };
        if let Some(una) = late_una {
            kcp = kcp.acknowledge_before_watched(Sn(una))?;
        }
        if by_time {
            kcp.detect_losses_of(acked);
        }
        Ok((kcp, answer))
    }

    /// Processes an acknowledgement when callbacks may run.
    #[inline(always)]
    fn take_ack_watched(self, ack: Ack, acked: &mut Acked) -> Result<Kcp<'a>, Released> {
        let mut kcp = self;
        let rtt = kcp.now().since(ack.ts);
        kcp.note_acks(ack, 1);
        if rtt >= 0 {
            kcp.sample_rtt(rtt);
            // A callback may read the timeout before the end of the packet.
            kcp.set_rto();
            (kcp, _) = kcp.on_rtt(rtt)?;
            kcp.sync_after_callback();
        }
        kcp = kcp.acknowledge_watched(ack)?;
        acked.note(ack);
        Ok(kcp)
    }

    /// Processes the segments of a packet with time-based loss detection when no callback can run.
    #[inline(never)]
    fn take_by_time(&mut self, mut packet: Datagram) -> (c_int, Acked) {
        let mut acked = Acked::default();
        let mut late_una = None;
        let answer = loop {
            let Parsed { at, payload } = match self.next_segment(&mut packet) {
                Ok(Some(parsed)) => parsed,
                Ok(None) => break DONE,
                Err(answer) => break answer,
            };
            let header = at.read();
            // Acknowledgements in a row come before their `una`, which would remove their segments.
            let before = late_una.replace(header.una);
            if let Some(una) = before.filter(|una| *una != header.una) {
                self.acknowledge_before_by_time(Sn(una));
            }
            match u32::from(header.cmd) {
                IKCP_CMD_PUSH => {
                    self.note_peer_time(Millis(header.ts));
                    self.take_push(&header, payload, true);
                }
                IKCP_CMD_ACK => self.take_acks_by_time(&mut packet, header, &mut acked),
                _ => self.take_probe(header.cmd),
            }
        };
        if let Some(una) = late_una {
            self.acknowledge_before_by_time(Sn(una));
        }
        if acked.samples > 0 {
            self.set_rto();
        }
        self.detect_losses_of(&mut acked);
        (answer, acked)
    }

    /// Processes an acknowledgement and those that follow it in the packet with the same `una`. The peer acknowledges segments in a
    /// row that arrived in a row, and those of one flush have one time stamp.
    #[inline(always)]
    fn take_acks_by_time(&mut self, packet: &mut Datagram, header: Header, acked: &mut Acked) {
        let una = Sn(header.una);
        let mut ack = header.ack();
        loop {
            let (first, mut count) = (ack, 1);
            let more = loop {
                let Some(next) = packet.header_like(&header) else {
                    break false;
                };
                self.rmt_wnd.set(u32::from(next.wnd));
                ack = next.ack();
                if ack != first.after(count) {
                    break true;
                }
                count += 1;
            };
            self.note_acks(first, count);
            let rtt = self.now().since(first.ts);
            if rtt >= 0 {
                self.sample_rtts(rtt, count);
                acked.samples += count;
            }
            self.acknowledge_by_time(first, count, una);
            // A later one counts only with a newer time stamp.
            acked.note(first);
            if !more {
                break;
            }
        }
    }

    /// Finds what is lost according to a packet. Unless few are in flight, skips do not count.
    fn detect_losses_of(&self, acked: &mut Acked) {
        self.detect_losses();
        if self.ignores_skips() {
            acked.latest = None;
        }
    }

    /// Tells redundancy which transmissions the peer has received, and counts acknowledgements.
    #[inline(never)]
    fn note_acks(&self, first: Ack, count: u32) {
        let now = self.now();
        if let Some(redundancy) = self.redundancy() {
            for n in 0..count {
                redundancy.acknowledged(first.after(n), now.since(first.ts), now);
            }
        }
        if let Some(extras) = self.extras() {
            extras.acks_received(count, Some(first.ts), now);
        }
    }
}
