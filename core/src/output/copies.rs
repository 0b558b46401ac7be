//! Redundancy: copies of segments in flight, in the free room of packets and, if it is worth it, in a packet of their own.
//!
//! A copy has the segment's number and payload and the present time stamp, so its acknowledgement is a round-trip sample. The
//! segment itself does not change: its timeouts and fast retransmissions are the same as without redundancy.

use super::Round;
use super::transmit::Walk;
use crate::kcp::Kcp;
use crate::redundancy::{Reason, Redundancy, TRACKED};
use crate::segment::Segment;
use crate::seq::{Millis, Sn};
use crate::wire::Header;

impl Kcp<'_> {
    /// Puts copies into the packet under construction, if the program has asked for redundancy.
    pub(super) fn add_copies(&self, walk: &mut Walk) {
        if let Some(redundancy) = self.redundancy() {
            self.copy_in_flight(redundancy, walk);
        }
    }

    #[cold]
    #[inline(never)]
    fn copy_in_flight(&self, redundancy: &Redundancy, walk: &mut Walk) {
        redundancy.sleep();
        if !redundancy.is_on() || self.nsnd_buf.get() > TRACKED {
            return;
        }
        let mut sent = false;
        for segment in self.few_in_flight() {
            let (sn, ts) = (Sn(segment.sn.get()), Millis(segment.ts.get()));
            let (xmit, len) = (segment.xmit.get(), segment.len.get());
            sent |= redundancy.meet(sn, xmit, ts, len, self.mss.get());
        }
        if !redundancy.helps() {
            return;
        }
        let now = walk.round.current;
        let lateness = redundancy.lateness(self.rx_srtt.get(), self.rx_rttval.get());
        let mut rides = sent && self.private().packet.len() > 0;
        for segment in self.few_in_flight() {
            let sn = Sn(segment.sn.get());
            if redundancy.needs(sn, now, lateness)
                && (rides || redundancy.affords_packet())
                && self.put_copy(redundancy, walk, segment, Reason::Needed)
            {
                redundancy.copied(sn, now, segment.len.get(), !rides);
                rides = true;
            }
        }
        if rides {
            for segment in self.few_in_flight() {
                if redundancy.is_late(Sn(segment.sn.get()), now, lateness) {
                    self.ride(redundancy, walk, segment);
                }
            }
            let mut at = self.snd_buf().last();
            for _ in 0..TRACKED {
                let Some(segment) = at else { break };
                if redundancy.left_once(Sn(segment.sn.get()), now) {
                    self.ride(redundancy, walk, segment);
                }
                at = self.snd_buf().prev(segment);
            }
        }
        for segment in self.few_in_flight() {
            redundancy.wait_for(Sn(segment.sn.get()), now, lateness);
        }
    }

    /// The segments in flight, of which there are few.
    fn few_in_flight(&self) -> impl Iterator<Item = Segment<'_>> {
        let list = self.snd_buf();
        let from = list.first().map(|first| list.from(first));
        from.into_iter().flatten().take(TRACKED as usize)
    }

    /// Writes a copy if there is room, and if no other copy needs the bytes more.
    fn ride(&self, redundancy: &Redundancy, walk: &mut Walk, segment: Segment<'_>) {
        if self.put_copy(redundancy, walk, segment, Reason::Room) {
            let now = walk.round.current;
            redundancy.copied(Sn(segment.sn.get()), now, segment.len.get(), false);
        }
    }

    /// Writes a copy into the packet if it fits and the budget covers it.
    fn put_copy(
        &self,
        redundancy: &Redundancy,
        walk: &mut Walk,
        segment: Segment<'_>,
        reason: Reason,
    ) -> bool {
        let len = segment.len.get();
        let packet = &self.private().packet;
        let mut writer = packet.writer(&self.buffer, self.mtu.get());
        if !redundancy.affords(len, reason)
            || walk.budget.is_some_and(|budget| budget < len)
            || !writer.fits(len)
        {
            return false;
        }
        let Round { current, wnd, .. } = walk.round;
        let header = Header {
            wnd,
            ts: current.0,
            una: self.rcv_nxt.get(),
            ..segment.header()
        };
        writer.put(&header.emit(), segment);
        packet.take_over(writer);
        walk.spend(len);
        true
    }
}
