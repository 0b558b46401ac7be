//! Reassembly of messages: `rcv_buf` holds segments that arrived early, `rcv_queue` those in order.

use crate::index::Place;
use crate::kcp::Kcp;
use crate::segment::{ForeignSegment, HeaderAt, Owned, Segment, Source};
use crate::seq::Sn;
use crate::ways;
use crate::wire::Header;

impl Kcp<'_> {
    /// The common case of `take_push`: the next expected segment, with room for it and its acknowledgement, and no later segment
    /// that could follow it at once. Returns false, and does nothing, in any other case.
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
        // Without memory the segment counts as lost.
        if let Some(segment) = self.received_segment(at, payload) {
            self.push_ack(header.ack());
            self.append_received(segment);
        }
        true
    }

    /// True if no stored segment has the number after `sn`.
    #[inline(always)]
    fn leaves_gap(&self, sn: Sn) -> bool {
        self.rcv_buf()
            .first()
            .is_none_or(|first| Sn(first.sn.get()).since(sn) > 1)
    }

    /// Processes payload: stores it if it is new and inside the window, and acknowledges it if that is `owed`. Without memory for the
    /// segment or for its acknowledgement, the segment counts as lost.
    #[inline(never)]
    pub(crate) fn take_push(&mut self, header: &Header, payload: Source, owed: bool) {
        let sn = Sn(header.sn);
        let next = Sn(self.rcv_nxt.get());
        if sn.since(next.plus(self.rcv_wnd.get())) >= 0 {
            return;
        }
        if sn.since(next) < 0 {
            self.take_duplicate(header, owed);
            return;
        }
        self.sync_received();
        match self.private().received.place(self.rcv_buf(), sn) {
            Place::Taken => self.take_duplicate(header, owed),
            Place::After(prev) => {
                if owed && !self.try_push_ack(header.ack()) {
                    return;
                }
                if !self.store(header, payload, prev) {
                    if owed {
                        self.pop_ack();
                    }
                    return;
                }
            }
        }
        // Even if this segment was a duplicate: the program may have enlarged the window.
        if self.has_next() {
            self.deliver();
        }
    }

    /// A segment arrived once more, and its acknowledgement may be `owed`.
    #[inline(always)]
    fn take_duplicate(&self, header: &Header, owed: bool) {
        if (!owed || self.acks_overflow() || self.try_push_ack(header.ack()))
            && let Some(extras) = self.extras()
        {
            extras.duplicate_received();
        }
    }

    /// Stores a new segment after `prev`. False without memory.
    #[inline(always)]
    fn store(&self, header: &Header, payload: Source, prev: Option<Segment<'_>>) -> bool {
        let Some(segment) = self.cold_segment_of(payload) else {
            return false;
        };
        segment.segment().set_header(header);
        let in_order = header.sn == self.rcv_nxt.get() && self.nrcv_que.get() < self.rcv_wnd.get();
        // If the program has raised `rcv_nxt`, a segment before it stays at the front and holds up all later ones.
        if in_order && prev.is_none() {
            self.append_received(segment);
        } else {
            self.private()
                .received
                .insert(self.rcv_buf(), prev, segment, self.rcv_wnd.get());
            self.nrcv_buf.set(self.nrcv_buf.get().wrapping_add(1));
        }
        true
    }

    /// A new segment with this header and payload. The header is read after the memory is allocated and filled, so that no
    /// register has to hold it meanwhile.
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
        // A single segment after single segments needs no cache.
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

    /// True if the next expected segment is in `rcv_buf`.
    #[inline(always)]
    pub(crate) fn holds_next(&self) -> bool {
        self.rcv_buf()
            .first()
            .is_some_and(|first| first.sn.get() == self.rcv_nxt.get())
    }

    /// True if it is, and the window allows it into `rcv_queue`.
    #[inline(always)]
    fn has_next(&self) -> bool {
        self.nrcv_que.get() < self.rcv_wnd.get() && self.holds_next()
    }

    /// Moves segments that are now in order from `rcv_buf` to `rcv_queue`, as far as the window allows.
    #[inline(never)]
    pub(crate) fn deliver(&mut self) {
        self.sync_received();
        let first = (Sn(self.rcv_nxt.get()), self.rcv_buf().first_address());
        let (mut last, mut count) = (first, 0);
        while self.has_next()
            && let Some(segment) = self.rcv_buf_mut().pop_front()
        {
            last = (Sn(self.rcv_nxt.get()), segment.segment().as_ptr());
            count += 1;
            self.append_received(segment);
        }
        if count > 0 {
            self.nrcv_buf.set(self.nrcv_buf.get().wrapping_sub(count));
            let received = &self.private().received;
            received.removed(self.rcv_buf(), count, first, last);
        }
    }

    /// `ikcp_parse_data`: processes a segment that the program made, as `ikcp_input` does with one from the network.
    pub fn parse_data(mut self, segment: ForeignSegment) {
        self.take_push(&segment.header(), segment.payload(), false);
    }

    /// Our receive window as advertised: the header has 16 bits for it.
    #[inline(always)]
    pub(crate) fn wnd_unused(&self) -> u16 {
        let free = self.rcv_wnd.get().saturating_sub(self.nrcv_que.get());
        u16::try_from(free).unwrap_or(u16::MAX)
    }
}
