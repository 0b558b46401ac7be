//! Acknowledgements from the peer: they remove segments from `snd_buf`, give round-trip samples, and count skips.
//!
//! The time stamp that an acknowledgement echoes tells which transmission of the segment arrived. Three parts of the library compare
//! it with what they know. No record serves two of them, because each exists only if the program asks for that part, and holds what
//! the others can do without:
//!
//! - Loss detection (`cc/rack`) asks whether the latest transmission arrived or an earlier one. The segment itself has the time of
//!   the latest, so nothing else is recorded.
//! - The counter of spurious retransmissions (`extras/needless`) asks how many of several were spurious. It records the first and
//!   the latest transmission of segments that were retransmitted, also after `una` has removed the segment.
//! - Redundancy asks whether the first transmission was lost, also of segments that were sent only once, and whether a copy was
//!   sent, which leaves no trace in the segment. It records all segments in flight while they are few.

use core::mem;

use crate::callback::Released;
use crate::index::Found;
use crate::kcp::{Kcp, Private};
use crate::seq::{Millis, Sn};
use crate::wire::Ack;

impl<'a> Kcp<'a> {
    /// Frees a segment of `snd_buf`.
    #[inline(always)]
    fn free_found<'k>(found: Found<'k, 'a>) -> &'k Kcp<'a> {
        let (kcp, segment) = found.take();
        kcp.nsnd_buf.set(kcp.nsnd_buf.get().wrapping_sub(1));
        kcp.free_segment(segment);
        kcp
    }

    #[inline(always)]
    fn count_acked(&self, len: u32) {
        self.ackedlen.set(self.ackedlen.get().wrapping_add(len));
    }

    /// The peer has received everything before `una`.
    #[inline(always)]
    pub(crate) fn acknowledge_before(&mut self, una: Sn) {
        match self.snd_buf().first() {
            None => self.snd_una.set(self.snd_nxt.get()),
            Some(first) if una.since(Sn(first.sn.get())) > 0 => self.remove_before(una),
            Some(first) => self.snd_una.set(first.sn.get()),
        }
    }

    #[inline(never)]
    fn remove_before(&mut self, una: Sn) {
        if self.knows(una) {
            let mut bytes = 0u32;
            let (mut list, Private { sent, pool, .. }) = self.snd_buf_mut();
            let count = sent.take_before(&mut list, una, |segment| {
                bytes = bytes.wrapping_add(segment.segment().len.get());
                pool.free(segment);
            });
            self.count_acked(bytes);
            self.nsnd_buf.set(self.nsnd_buf.get().wrapping_sub(count));
        }
        self.advance_una();
    }

    /// `acknowledge_before` when callbacks may run.
    #[inline(never)]
    pub(crate) fn acknowledge_before_watched(self, una: Sn) -> Result<Kcp<'a>, Released> {
        let mut kcp = self;
        if kcp.knows(una) {
            let mut anew = false;
            while let Some(first) = kcp.snd_buf().first()
                && una.since(Sn(first.sn.get())) > 0
            {
                let (sn, address) = (Sn(first.sn.get()), kcp.snd_buf().first_address());
                kcp = kcp.remove_watched(sn, None)?;
                if kcp.snd_buf().first_address() == address {
                    // The program has changed the number of this segment, so it was not found.
                    if kcp.private().sent.is_off() || mem::replace(&mut anew, true) {
                        break;
                    }
                    kcp.rebuild_sent();
                }
            }
        }
        kcp.advance_una();
        Ok(kcp)
    }

    /// False if `una` is beyond everything sent: a stale packet of an earlier session, or a forgery.
    #[inline(always)]
    fn knows(&self, una: Sn) -> bool {
        una.since(self.next_sn()) <= 0
    }

    /// True if segment `sn` may be in flight.
    #[inline(always)]
    pub(crate) fn may_be_in_flight(&self, sn: Sn) -> bool {
        !sn.before(Sn(self.snd_una.get())) && sn.since(self.next_sn()) < 0
    }

    /// The peer has received `sn`.
    #[inline(never)]
    pub(crate) fn acknowledge(&mut self, sn: Sn) {
        if !self.may_be_in_flight(sn) {
            return;
        }
        if let Some(found) = Found::of(self, sn) {
            Kcp::remove_acked(found);
        }
    }

    #[inline(never)]
    fn remove_acked(found: Found<'_, 'a>) {
        found.kcp().count_acked(found.segment().len.get());
        Kcp::free_found(found).advance_una();
    }

    /// `acknowledge_before` with time-based loss detection when no callback can run.
    #[inline(never)]
    pub(crate) fn acknowledge_before_by_time(&mut self, una: Sn) {
        if self.knows(una) {
            self.note_removed_before(una);
        }
        self.acknowledge_before(una);
    }

    /// `acknowledge`, for `count` segments from `first.sn` on, with time-based loss detection when no callback can run. `una` came
    /// with the acknowledgements, and is processed after them: what it covers it removes at once.
    pub(crate) fn acknowledge_by_time(&mut self, first: Ack, count: u32, una: Sn) {
        let covered = if self.knows(una) {
            una.since(first.sn).max(0).unsigned_abs().min(count)
        } else {
            0
        };
        self.note_arrived(first, covered, true);
        if covered < count {
            let sn = first.sn.plus(covered);
            self.note_arrived(Ack { sn, ..first }, count - covered, false);
            for n in covered..count {
                self.acknowledge(first.sn.plus(n));
            }
        }
    }

    /// `acknowledge` when callbacks may run.
    pub(crate) fn acknowledge_watched(self, ack: Ack) -> Result<Kcp<'a>, Released> {
        let mut kcp = self;
        if kcp.may_be_in_flight(ack.sn) {
            kcp = kcp.remove_watched(ack.sn, Some(ack.ts))?;
        }
        kcp.advance_una();
        Ok(kcp)
    }

    /// Removes a segment that was acknowledged: with the time stamp `echo`, or by `una`. `on_pkt_acked` is called first, and may have
    /// removed it already.
    #[inline(never)]
    fn remove_watched(self, sn: Sn, echo: Option<Millis>) -> Result<Kcp<'a>, Released> {
        let mut kcp = self;
        let Some(found) = Found::of(&mut kcp, sn) else {
            return Ok(kcp);
        };
        let segment = found.segment();
        let (ts, len, xmit) = (segment.ts.get(), segment.len.get(), segment.xmit.get());
        let rtt = found.kcp().now().since(Millis(ts));
        let rtt = if echo.is_some() && rtt >= 0 { rtt } else { -1 };
        found.kcp().note_removed(segment, echo);
        found.kcp().count_acked(len);
        let found = if found.kcp().hooks_acks() {
            (kcp, _) = kcp.on_pkt_acked(sn.0, ts, len, rtt, xmit)?;
            kcp.sync_after_callback();
            Found::again(&mut kcp, sn)
        } else {
            Some(found)
        };
        if let Some(found) = found {
            Kcp::free_found(found);
        }
        Ok(kcp)
    }

    /// A number that grows with each segment that is acknowledged.
    pub(crate) fn acknowledged(&self) -> u32 {
        self.snd_nxt.get().wrapping_sub(self.nsnd_buf.get())
    }

    /// Sets `snd_una` to the first segment in `snd_buf`, or to `snd_nxt` if there is none.
    #[inline(always)]
    pub(crate) fn advance_una(&self) {
        let una = self
            .snd_buf()
            .first()
            .map_or(self.snd_nxt.get(), |first| first.sn.get());
        self.snd_una.set(una);
    }

    /// `ack` is for the latest segment that an `ikcp_input` acknowledged: every earlier segment was skipped, unless it was sent
    /// later.
    #[inline(never)]
    pub(crate) fn skip_before(&self, ack: Ack) {
        if self.may_be_in_flight(ack.sn) {
            self.private().sent.skipped(self.snd_buf(), ack);
        }
    }
}
