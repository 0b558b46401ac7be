//! `ikcp_recv` and `ikcp_peeksize`, and the way of a segment from the network into `rcv_queue`.

use core::ffi::c_int;

use crate::callback::Released;
use crate::consts::{IKCP_ASK_TELL, log_mask};
use crate::control::Kcp;
use crate::ring::Place;
use crate::segment::{ForeignSegment, HeaderAt, Segment, Sink, Source};
use crate::seq::Sn;
use crate::ways;
use crate::wire::Header;

// Answers of `ikcp_recv` and `ikcp_peeksize`.
const EMPTY: c_int = -1;
const INCOMPLETE: c_int = -2;
const TOO_SMALL: c_int = -3;

impl Kcp<'_> {
    // ---- to the program ------------------------------------------------------------------------------------------

    /// Size of the next message in bytes, -1 when none is complete. Writes nothing.
    #[must_use]
    pub fn peeksize(self) -> c_int {
        let queue = self.rcv_queue();
        let Some(first) = queue.first() else {
            return EMPTY;
        };
        let count = self.nrcv_que.get();
        match frame(first, count) {
            Frame::Whole => size(u64::from(first.len.get())),
            Frame::Incomplete => EMPTY,
            Frame::Fragments => {
                let private = self.private();
                let known = ways::KNOWN_FRONT && private.front_known.get();
                size(private.front.len(queue, count, known))
            }
        }
    }

    /// Receives the next message into `sink`, which has room for `len` bytes; with `-len` the message stays in the queue.
    /// Gives its size, -1 when there is nothing, -2 when the message is not complete, -3 when there is too little room.
    pub fn recv(self, sink: Sink, len: c_int) -> c_int {
        if self.is_plain_recv() {
            let Some(first) = self.rcv_queue().first() else {
                return EMPTY;
            };
            let size = first.len.get();
            if first.frg.get() == 0 && len >= 0 && size <= len.unsigned_abs() {
                sink.of_len(size).append(first);
                self.take_first(first);
                return size.cast_signed();
            }
        }
        self.recv_any(sink, len)
    }

    /// True when nothing is to be logged, nothing waits to follow into the queue, and the window is not full.
    #[inline(always)]
    fn is_plain_recv(self) -> bool {
        ways::RECV_ONE_SEGMENT
            && log_mask::RECV & self.logmask.get() == 0
            && self.nrcv_que.get() < self.rcv_wnd.get()
            && self
                .rcv_buf()
                .first()
                .is_none_or(|first| first.sn.get() != self.rcv_nxt.get())
    }

    /// Takes a message of one segment off the queue.
    #[inline(always)]
    fn take_first(self, first: Segment) {
        let (queue, receptions) = (self.rcv_queue(), &self.private().receptions);
        receptions.set(receptions.get().wrapping_add(1));
        queue.remove_first(first);
        self.nrcv_que.set(self.nrcv_que.get().wrapping_sub(1));
        self.note_front();
        self.free_segment(first);
    }

    /// The first message has gone. Where the next one is a single segment, nothing need be known of it.
    #[inline(always)]
    fn note_front(self) {
        let known = self
            .rcv_queue()
            .first()
            .is_some_and(|next| next.frg.get() != 0);
        self.private().front_known.set(known);
        if known {
            self.private()
                .front
                .restart(self.rcv_queue(), self.nrcv_que.get());
        }
    }

    #[inline(never)]
    fn recv_any(self, sink: Sink, len: c_int) -> c_int {
        self.receive(sink, len).unwrap_or(EMPTY)
    }

    fn receive(self, sink: Sink, len: c_int) -> Result<c_int, Released> {
        if self.rcv_queue().is_empty() {
            return Ok(EMPTY);
        }
        let size = self.peeksize();
        if size < 0 {
            return Ok(INCOMPLETE);
        }
        if !has_room(len, size) {
            return Ok(TOO_SMALL);
        }
        let recover = self.nrcv_que.get() >= self.rcv_wnd.get();
        let sink = sink.of_len(size.unsigned_abs());
        if len < 0 {
            self.look_at_message(sink)?;
        } else if !self.take_message(sink)? {
            return Ok(EMPTY);
        }
        if !self.rcv_buf().is_empty() {
            self.sync_received();
            self.deliver();
        }
        if recover && self.nrcv_que.get() < self.rcv_wnd.get() {
            // The peer is told at the next flush that the window is no longer full.
            self.probe.set(self.probe.get() | IKCP_ASK_TELL);
        }
        Ok(size)
    }

    /// Copies the first message. Gives the number of its fragments.
    fn copy_message(self, mut sink: Sink) -> u32 {
        let mut count = 0;
        let mut at = self.rcv_queue().first();
        while let Some(segment) = at {
            sink.append_any(segment);
            count += 1;
            if segment.frg.get() == 0 {
                break;
            }
            at = self.rcv_queue().next(segment);
        }
        count
    }

    fn look_at_message(self, sink: Sink) -> Result<(), Released> {
        let count = self.copy_message(sink);
        for n in 0..count {
            if !self.logs(log_mask::RECV) {
                break;
            }
            let Some(segment) = self.fragment(n) else {
                break;
            };
            self.log_recv(segment.sn.get())?;
        }
        Ok(())
    }

    /// Takes a message, with a line of the log for each fragment if that is wanted; as in the original a fragment leaves the queue
    /// when its line is written. False when another call has received meanwhile: the message, or what was left of it, is its.
    fn take_message(self, sink: Sink) -> Result<bool, Released> {
        let receptions = &self.private().receptions;
        let mine = receptions.get().wrapping_add(1);
        receptions.set(mine);
        for _ in 0..self.copy_message(sink) {
            let Some(sn) = self.fragment(0).map(|segment| segment.sn.get()) else {
                break;
            };
            if self.logs(log_mask::RECV) {
                self.log_recv(sn)?;
                if receptions.get() != mine {
                    return Ok(false);
                }
            }
            match self.fragment(0) {
                Some(segment) if segment.sn.get() == sn => {
                    self.rcv_queue().remove(segment);
                    self.nrcv_que.set(self.nrcv_que.get().wrapping_sub(1));
                    self.free_segment_any(segment);
                }
                _ => break,
            }
        }
        self.note_front();
        Ok(true)
    }

    /// The segment behind the first `n` ones of the queue.
    #[inline(always)]
    fn fragment(self, n: u32) -> Option<Segment> {
        let queue = self.rcv_queue();
        let mut at = queue.first();
        for _ in 0..n {
            at = queue.next(at?);
        }
        at
    }

    // ---- from the network ----------------------------------------------------------------------------------------

    /// Makes the receive index describe `rcv_buf`, after the program or a callback may have edited it.
    #[inline(always)]
    pub(crate) fn sync_received(self) {
        let (list, count) = (self.rcv_buf(), self.nrcv_buf.get());
        let index = &self.private().received;
        if !index.describes(list, count) {
            index.rebuild(list, count);
        }
    }

    /// Stores a segment whose `sn` is inside the window, unless it is there already. False when there was no memory.
    pub(crate) fn store(self, header: &Header, source: Source) -> bool {
        self.sync_received();
        // A duplicate changes nothing; but the program may have opened the window, so that what waits can move.
        if let Place::After(prev) = self.private().received.place(self.rcv_buf(), Sn(header.sn)) {
            let Some(segment) = self.segment_of_any(source) else {
                return false;
            };
            segment.set_header(header);
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
        }
        self.deliver();
        true
    }

    /// True when a segment with this `sn`, not before `rcv_nxt`, is waiting in `rcv_buf`.
    #[cold]
    pub(crate) fn is_stored(self, sn: Sn) -> bool {
        self.sync_received();
        matches!(
            self.private().received.place(self.rcv_buf(), sn),
            Place::Taken
        )
    }

    /// A segment of the packet at hand. Its header is read where it is needed: nothing has to be kept while memory is
    /// allocated and filled.
    #[inline(always)]
    pub(crate) fn received_segment(self, at: HeaderAt, source: Source) -> Option<Segment> {
        let segment = self.segment_of(source)?;
        segment.set_header(&at.read());
        Some(segment)
    }

    /// Appends the segment with the next sequence number to `rcv_queue`.
    #[inline(always)]
    pub(crate) fn append_received(self, segment: Segment) {
        let count = self.nrcv_que.get();
        self.rcv_queue().push_back(segment);
        let private = self.private();
        let known = private.front_known.get();
        // Single segments behind single ones: nothing is known of the first, or need be.
        if known || segment.frg.get() != 0 {
            private.front_known.set(private.front.appended(
                self.rcv_queue(),
                segment,
                count,
                known,
            ));
        }
        self.nrcv_que.set(count.wrapping_add(1));
        self.rcv_nxt.set(self.rcv_nxt.get().wrapping_add(1));
    }

    /// Moves what is in order from `rcv_buf` to `rcv_queue`, as far as the window allows.
    #[inline(always)]
    pub(crate) fn deliver(self) {
        while let Some(first) = self.rcv_buf().first()
            && first.sn.get() == self.rcv_nxt.get()
            && self.nrcv_que.get() < self.rcv_wnd.get()
        {
            self.private().received.remove_first(self.rcv_buf(), first);
            self.nrcv_buf.set(self.nrcv_buf.get().wrapping_sub(1));
            self.append_received(first);
        }
    }

    /// `ikcp_parse_data`: takes in a segment that the program made, as `ikcp_input` would one from the network.
    pub fn parse_data(self, segment: ForeignSegment) {
        let header = segment.header();
        let sn = Sn(header.sn);
        let next = Sn(self.rcv_nxt.get());
        if sn.since(next.plus(self.rcv_wnd.get())) < 0 && sn.since(next) >= 0 {
            self.store(&header, segment.payload());
        }
    }

    /// Free segments of the receive queue, as advertised: the header has 16 bits for it.
    #[inline(always)]
    pub(crate) fn wnd_unused(self) -> u16 {
        let free = self.rcv_wnd.get().saturating_sub(self.nrcv_que.get());
        u16::try_from(free).unwrap_or(u16::MAX)
    }
}

/// What the first segment of a message says about the message, with `count` segments in the queue.
enum Frame {
    Whole,
    Fragments,
    Incomplete,
}

#[inline(always)]
fn frame(first: Segment, count: u32) -> Frame {
    let frg = first.frg.get();
    if frg == 0 {
        Frame::Whole
    } else if count < frg.wrapping_add(1) {
        Frame::Incomplete
    } else {
        Frame::Fragments
    }
}

/// True when a message of `size` bytes goes into a buffer of `len`, or of `-len` for one that only looks. INT_MIN has no
/// positive counterpart; no message is that large.
#[inline(always)]
fn has_room(len: c_int, size: c_int) -> bool {
    size <= len || (len < 0 && len != c_int::MIN && size <= -len)
}

/// A size as the interface tells it. Lengths that a peer made add up to 2 GiB and more count as not complete.
#[inline(always)]
fn size(len: u64) -> c_int {
    c_int::try_from(len).unwrap_or(EMPTY)
}
