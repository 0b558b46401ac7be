//! `ikcp_recv` and `ikcp_peeksize`: hand messages from `rcv_queue` to the program.

use core::ffi::c_int;

use crate::callback::Released;
use crate::consts::{IKCP_ASK_TELL, log_mask};
use crate::kcp::Kcp;
use crate::segment::Sink;
use crate::ways;

// What `ikcp_recv` and `ikcp_peeksize` return.
const EMPTY: c_int = -1;
const INCOMPLETE: c_int = -2;
const TOO_SMALL: c_int = -3;

impl<'a> Kcp<'a> {
    /// Size of the next message in bytes; -1 if no message is complete. Writes nothing.
    #[must_use]
    pub fn peeksize(&self) -> c_int {
        let queue = self.rcv_queue();
        let Some(first) = queue.first() else {
            return EMPTY;
        };
        let (following, count) = (first.frg.get(), self.nrcv_que.get());
        if following == 0 {
            return size(u64::from(first.len.get()));
        }
        if count < following.wrapping_add(1) {
            return EMPTY;
        }
        let private = self.private();
        let known = ways::FIRST_MESSAGE_KNOWN && private.first_message_known.get();
        size(private.first_message.len(queue, count, known))
    }

    /// Receives the next message into `sink`, which has room for `len` bytes; with `-len` the message stays in the queue. Returns
    /// its size; -1 if there is none; -2 if it is incomplete; -3 if the room is too small.
    pub fn recv(mut self, sink: Sink, len: c_int) -> c_int {
        if self.is_plain_recv() {
            let Some(first) = self.rcv_queue().first() else {
                return EMPTY;
            };
            let size = first.len.get();
            if first.frg.get() == 0 && len >= 0 && size <= len.unsigned_abs() {
                self.take_first(sink.of_len(size));
                return size.cast_signed();
            }
        }
        self.recv_fragments(sink, len)
    }

    /// True if nothing needs logging, no segment waits to enter the queue, and the window is not full.
    #[inline(always)]
    fn is_plain_recv(&self) -> bool {
        ways::RECV_ONE_SEGMENT
            && log_mask::RECV & self.logmask.get() == 0
            && self.nrcv_que.get() < self.rcv_wnd.get()
            && !self.holds_next()
    }

    /// Removes a message of one segment from the queue.
    #[inline(always)]
    fn take_first(&mut self, mut sink: Sink) {
        if let Some(first) = self.rcv_queue_mut().pop_front() {
            self.nrcv_que.set(self.nrcv_que.get().wrapping_sub(1));
            self.note_first_message();
            sink.append(first.segment());
            self.free_segment(first);
        }
    }

    /// The first message has gone. If the next one is a single segment, it needs no cache.
    #[inline(always)]
    fn note_first_message(&self) {
        let known = self
            .rcv_queue()
            .first()
            .is_some_and(|next| next.frg.get() != 0);
        self.private().first_message_known.set(known);
        if known {
            self.private()
                .first_message
                .restart(self.rcv_queue(), self.nrcv_que.get());
        }
    }

    #[inline(never)]
    fn recv_fragments(self, sink: Sink, len: c_int) -> c_int {
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
        let (mut kcp, all) = self.take_message(sink, len < 0)?;
        if !all {
            return Ok(EMPTY);
        }
        if !kcp.rcv_buf().is_empty() {
            kcp.deliver();
        }
        if recover && kcp.nrcv_que.get() < kcp.rcv_wnd.get() {
            // The next flush tells the peer that the window is no longer full.
            kcp.probe.set(kcp.probe.get() | IKCP_ASK_TELL);
        }
        Ok(size)
    }

    /// Copies the first message. Returns the number of its fragments.
    fn copy_message(&self, mut sink: Sink) -> u32 {
        let mut count = 0;
        let mut at = self.rcv_queue().first();
        while let Some(segment) = at {
            sink.cold_append(segment);
            count += 1;
            if segment.frg.get() == 0 {
                break;
            }
            at = self.rcv_queue().next(segment);
        }
        count
    }

    /// Copies a message to the program, and removes it unless the program only `peeks`. Logs each fragment if that is wanted. As in the
    /// original, a fragment leaves the queue when its line is written. Returns false if a fragment has gone by then: another call
    /// has received the rest of the message.
    #[inline(never)]
    fn take_message(self, sink: Sink, peeks: bool) -> Result<(Kcp<'a>, bool), Released> {
        let mut kcp = self;
        for n in 0..kcp.copy_message(sink) {
            let place = if peeks { n } else { 0 };
            if kcp.logs(log_mask::RECV) {
                let Some(sn) = kcp.fragment(place) else {
                    break;
                };
                kcp = kcp.log_recv(sn)?;
                if !peeks && kcp.fragment(0) != Some(sn) {
                    return Ok((kcp, false));
                }
            }
            if !peeks && let Some(segment) = kcp.rcv_queue_mut().pop_front() {
                kcp.nrcv_que.set(kcp.nrcv_que.get().wrapping_sub(1));
                kcp.cold_free_segment(segment);
            }
        }
        if !peeks {
            kcp.note_first_message();
        }
        Ok((kcp, true))
    }

    /// The number of the segment after the first `n` of the queue.
    #[inline(always)]
    fn fragment(&self, n: u32) -> Option<u32> {
        let queue = self.rcv_queue();
        let mut at = queue.first();
        for _ in 0..n {
            at = queue.next(at?);
        }
        Some(at?.sn.get())
    }
}

/// True if a message of `size` bytes fits into a buffer of `len`, or of `-len` if the message is to stay. `INT_MIN` has no
/// positive counterpart, and no message is that large.
#[inline(always)]
fn has_room(len: c_int, size: c_int) -> bool {
    size <= len || (len < 0 && len != c_int::MIN && size <= -len)
}

/// A size as the interface returns it. A message whose lengths, written by a peer, add up to 2 GiB or more counts as incomplete.
#[inline(always)]
fn size(len: u64) -> c_int {
    c_int::try_from(len).unwrap_or(EMPTY)
}
