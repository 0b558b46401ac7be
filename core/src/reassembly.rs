//! Reassembly of payload into messages: `rcv_buf` holds segments that came early, `rcv_queue` those in order.

use crate::index::Place;
use crate::kcp::Kcp;
use crate::segment::{ForeignSegment, HeaderAt, Owned, Source};
use crate::seq::Sn;
use crate::ways;
use crate::wire::Header;

impl Kcp<'_> {
    /// The common case of `take_push`: the segment that is expected next, with room for it and for its acknowledgement, and
    /// none waiting to follow it. False, and nothing done, where it is not that.
    #[inline(always)]
    pub(crate) fn take_next(&mut self, at: HeaderAt, payload: Source) -> bool {
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
    fn leaves_gap(&self, sn: Sn) -> bool {
        self.rcv_buf()
            .first()
            .is_none_or(|first| Sn(first.sn.get()).since(sn) > 1)
    }

    /// Takes payload: it is acknowledged, if that is `owed`, unless it lies beyond the window, and stored when it is new.
    #[inline(never)]
    pub(crate) fn take_push(&mut self, header: &Header, payload: Source, owed: bool) {
        let sn = Sn(header.sn);
        let next = Sn(self.rcv_nxt.get());
        if sn.since(next.plus(self.rcv_wnd.get())) >= 0 {
            return;
        }
        let is_new = sn.since(next) >= 0;
        let unheard = !owed || (self.acks_overflow() && (!is_new || self.is_stored(sn)));
        // Without memory for its acknowledgement, or for itself, the segment counts as lost.
        if unheard || self.try_push_ack(header.sn, header.ts) {
            if !is_new {
                self.note_duplicate();
            }
            let stored = !is_new || self.store(header, payload);
            if !stored && !unheard {
                self.pop_ack();
            }
        }
    }

    /// Makes the receive index describe `rcv_buf`, after the program or a callback may have edited it.
    #[inline(always)]
    pub(crate) fn sync_received(&self) {
        let (list, count) = (self.rcv_buf(), self.nrcv_buf.get());
        let index = &self.private().received;
        if !index.describes(list, count) {
            index.rebuild(list, count);
        }
    }

    /// Stores a segment whose `sn` is inside the window, unless it is there already. False when there was no memory.
    #[inline(always)]
    fn store(&mut self, header: &Header, source: Source) -> bool {
        self.sync_received();
        // A duplicate changes nothing; but the program may have opened the window, so that what waits can move.
        let place = self.private().received.place(self.rcv_buf(), Sn(header.sn));
        if let Place::After(prev) = place {
            let Some(segment) = self.cold_segment_of(source) else {
                return false;
            };
            segment.segment().set_header(header);
            let in_order =
                header.sn == self.rcv_nxt.get() && self.nrcv_que.get() < self.rcv_wnd.get();
            // One that the program left behind, by raising `rcv_nxt`, holds up all behind it.
            if in_order && prev.is_none() {
                self.append_received(segment);
            } else {
                self.private()
                    .received
                    .insert(self.rcv_buf(), prev, segment, self.rcv_wnd.get());
                self.nrcv_buf.set(self.nrcv_buf.get().wrapping_add(1));
            }
        } else {
            self.note_duplicate();
        }
        self.deliver();
        true
    }

    /// Payload has arrived that had arrived before.
    fn note_duplicate(&self) {
        if let Some(extras) = self.extras() {
            extras.duplicate_received();
        }
    }

    /// True when a segment with this `sn`, not before `rcv_nxt`, is waiting in `rcv_buf`.
    #[cold]
    #[inline(never)]
    fn is_stored(&self, sn: Sn) -> bool {
        self.sync_received();
        matches!(
            self.private().received.place(self.rcv_buf(), sn),
            Place::Taken
        )
    }

    /// A segment of the packet at hand. Its header is read where it is needed: nothing has to be kept while memory is
    /// allocated and filled.
    #[inline(always)]
    pub(crate) fn received_segment(&self, at: HeaderAt, source: Source) -> Option<Owned> {
        let segment = self.segment_of(source)?;
        segment.segment().set_header(&at.read());
        Some(segment)
    }

    /// Appends the segment with the next sequence number to `rcv_queue`.
    #[inline(always)]
    pub(crate) fn append_received(&self, segment: Owned) {
        let count = self.nrcv_que.get();
        let segment = self.rcv_queue().push_back(segment);
        let private = self.private();
        let known = private.first_message_known.get();
        // Single segments behind single ones: nothing is known of the first, or need be.
        if known || segment.frg.get() != 0 {
            private
                .first_message_known
                .set(
                    private
                        .first_message
                        .appended(self.rcv_queue(), segment, count, known),
                );
        }
        self.nrcv_que.set(count.wrapping_add(1));
        self.rcv_nxt.set(self.rcv_nxt.get().wrapping_add(1));
    }

    /// Moves what is in order from `rcv_buf` to `rcv_queue`, as far as the window allows.
    #[inline(always)]
    fn deliver(&mut self) {
        while let Some(first) = self.rcv_buf().first()
            && first.sn.get() == self.rcv_nxt.get()
            && self.nrcv_que.get() < self.rcv_wnd.get()
        {
            let (mut list, private) = self.rcv_buf_mut();
            let first = private.received.take_first(&mut list);
            self.nrcv_buf.set(self.nrcv_buf.get().wrapping_sub(1));
            if let Some(first) = first {
                self.append_received(first);
            }
        }
    }

    /// `deliver` where speed does not matter.
    #[inline(never)]
    pub(crate) fn cold_deliver(&mut self) {
        self.sync_received();
        self.deliver();
    }

    /// `ikcp_parse_data`: takes in a segment that the program made, as `ikcp_input` would one from the network.
    pub fn parse_data(mut self, segment: ForeignSegment) {
        self.take_push(&segment.header(), segment.payload(), false);
    }

    /// Free segments of the receive queue, as advertised: the header has 16 bits for it.
    #[inline(always)]
    pub(crate) fn wnd_unused(&self) -> u16 {
        let free = self.rcv_wnd.get().saturating_sub(self.nrcv_que.get());
        u16::try_from(free).unwrap_or(u16::MAX)
    }
}
