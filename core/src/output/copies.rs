//! Copies of segments in flight: of stubs, in packets of their own if need be; and for redundancy, in the free room of packets and, if
//! it is worth it, in a packet of their own.
//!
//! A copy has the segment's number and payload and the present time stamp, so its acknowledgement is a round-trip sample. The
//! segment itself does not change: its timeouts and fast retransmissions are the same as without redundancy.

use super::transmit::Walk;
use super::{Ended, Round};
use crate::consts::IKCP_OVERHEAD;
use crate::kcp::{Back, Kcp};
use crate::redundancy::{Lateness, Reason, Redundancy, TRACKED};
use crate::segment::Segment;
use crate::seq::{Millis, Sn};
use crate::wire::Header;

impl<'a> Kcp<'a> {
    /// Puts stubs into packets, and other copies into the last one.
    #[cold]
    #[inline(never)]
    pub(super) fn add_copies(self, mut walk: Walk) -> Result<Back<'a>, Ended<'a>> {
        let mut kcp = self;
        while let Some(redundancy) = kcp.redundancy()
            && kcp.repeat_stubs(redundancy, &mut walk)
        {
            kcp = kcp.output_packet()?;
            kcp.sync_sent_after_callback();
        }
        if let Some(redundancy) = kcp.redundancy() {
            kcp.copy_in_flight(redundancy, &mut walk);
        }
        Ok(kcp.give_back())
    }

    /// Puts stubs that are due into the packet, and others where it leaves with payload anyway. True when one needs another packet.
    fn repeat_stubs(&self, redundancy: &Redundancy, walk: &mut Walk) -> bool {
        let (now, list) = (walk.round.current, self.snd_buf());
        let leaves = self.private().packet.len() > 0
            && list
                .last()
                .is_some_and(|last| last.xmit.get() != 0 && Millis(last.ts.get()) == now);
        let arrival = leaves.then(|| self.arrival(now));
        if !redundancy.stubs.wake.has_come(arrival.unwrap_or(now)) {
            return false;
        }
        let find = |sn| self.private().sent.find_again(list, sn);
        redundancy
            .stubs
            .repeat(now, arrival, find, |segment, shortened| {
                if let Some(extras) = self.extras() {
                    extras.messages_shortened(u32::from(shortened));
                }
                let len = segment.len.get();
                let waits = segment.xmit.get() == 0 || !walk.affords(len);
                if !waits && self.private().packet.len() > 0 && !self.fits(IKCP_OVERHEAD + len) {
                    return false;
                }
                if !waits && self.write_copy(walk, segment) {
                    redundancy.repeated(Sn(segment.sn.get()), now);
                }
                true
            })
    }

    #[inline(never)]
    fn copy_in_flight(&self, redundancy: &Redundancy, walk: &mut Walk) {
        redundancy.sleep();
        if !redundancy.is_on() || self.nsnd_buf.get() > TRACKED {
            return;
        }
        let (una, mut sent) = (Sn(self.snd_una.get()), false);
        for segment in self.few_in_flight() {
            sent |= redundancy.meet(segment, una, self.mss.get());
        }
        if !redundancy.helps() {
            return;
        }
        let now = walk.round.current;
        let lateness = redundancy.lateness(self.rx_srtt.get(), self.rx_rttval.get());
        let mut rides = sent && self.private().packet.len() > 0;
        for reason in [Reason::Needed, Reason::Late, Reason::Fresh] {
            rides = self.copy_for(reason, redundancy, walk, rides, lateness);
        }
        for segment in self.few_in_flight() {
            redundancy.wait_for(segment, now, lateness);
        }
    }

    /// Copies what is to be copied for this reason. True if the packet then leaves.
    #[inline(never)]
    fn copy_for(
        &self,
        reason: Reason,
        redundancy: &Redundancy,
        walk: &mut Walk,
        mut rides: bool,
        lateness: Lateness,
    ) -> bool {
        let (now, list) = (walk.round.current, self.snd_buf());
        let newest_first = reason == Reason::Fresh;
        let mut at = if newest_first {
            list.last()
        } else {
            list.first()
        };
        for _ in 0..TRACKED {
            let Some(segment) = at else { break };
            let sn = Sn(segment.sn.get());
            if redundancy.wants(sn, reason, now, lateness)
                && (rides || (reason == Reason::Needed && redundancy.affords_packet()))
                && self.put_copy(redundancy, walk, segment, reason)
            {
                redundancy.copied(sn, now, segment.len.get(), !rides);
                rides = true;
            }
            at = if newest_first {
                list.prev(segment)
            } else {
                list.next(segment)
            };
        }
        rides
    }

    /// The segments in flight, of which there are few. (With `List::from` the library is 96 bytes larger.)
    fn few_in_flight(&self) -> impl Iterator<Item = Segment<'_>> {
        let list = self.snd_buf();
        let mut next = list.first();
        (0..TRACKED).map_while(move |_| {
            let segment = next?;
            next = list.next(segment);
            Some(segment)
        })
    }

    /// Writes a copy into the packet if it fits and the budget covers it.
    fn put_copy(
        &self,
        redundancy: &Redundancy,
        walk: &mut Walk,
        segment: Segment<'_>,
        reason: Reason,
    ) -> bool {
        self.leaves_again(segment);
        let len = segment.len.get();
        redundancy.affords(len, reason) && walk.affords(len) && self.write_copy(walk, segment)
    }

    /// Writes a copy of `segment` as it is into the packet, if it fits.
    fn write_copy(&self, walk: &mut Walk, segment: Segment<'_>) -> bool {
        let (len, packet) = (segment.len.get(), &self.private().packet);
        let mut writer = packet.writer(&self.buffer, self.mtu.get());
        if !writer.fits(len) {
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
        packet.commit(writer);
        walk.spend(len);
        if let Some(extras) = self.extras() {
            extras.copy_sent(Sn(segment.sn.get()));
        }
        true
    }
}
