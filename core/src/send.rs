//! `ikcp_send`: cuts the program's bytes into segments in `snd_queue`.

use core::ffi::c_int;

use crate::abi::IQUEUEHEAD;
use crate::consts::{IKCP_WND_RCV, profile};
use crate::kcp::Kcp;
use crate::list::ListMut;
use crate::segment::{Owned, Source};
use crate::ways;

/// Returned if nothing was queued: too many fragments, or no memory.
pub(crate) const REFUSED: c_int = -2;

/// What stream mode will do with the first bytes of a call.
struct TailFill {
    /// A larger segment that will replace the last queued one, if that has too little room.
    larger: Option<Owned>,
    /// Bytes to append.
    len: u32,
}

/// Memory was not available, and nothing was queued.
struct NoMemory;

impl Kcp<'_> {
    /// Queues `len` bytes. Returns the number of bytes queued, -1 for a negative length, or -2 if nothing was queued.
    ///
    /// All memory is allocated before anything is queued: a call that runs out of memory has no effect, or only fills the last
    /// segment of a stream. In profile 1.7 a write to a stream that is refused for too many fragments has filled it, too.
    #[inline(always)]
    pub fn send(mut self, source: Source, len: c_int) -> c_int {
        let source = source.of_len(len.cast_unsigned());
        if self.stream.get() == 0 {
            self.send_message(source)
        } else if ways::APPEND_TO_TAIL && self.append_to_tail(source) {
            taken(source.len())
        } else {
            self.send_fragments(source)
        }
    }

    /// Queues a message, usually of one segment.
    #[inline(never)]
    pub(crate) fn send_message(&mut self, source: Source) -> c_int {
        let (len, mss) = (source.len(), self.mss.get());
        if !ways::SEND_ONE_SEGMENT || len > mss || mss.cast_signed() <= 0 {
            return self.send_fragments(source);
        }
        let Some(fragment) = self.segment_of(source) else {
            return REFUSED;
        };
        fragment.segment().frg.set(0);
        fragment.segment().ts.set(self.current.get());
        self.snd_queue().push_back(fragment);
        self.forget_tail();
        self.nsnd_que.set(self.nsnd_que.get().wrapping_add(1));
        taken(len)
    }

    /// The common case of stream mode: a few bytes that fit into the last queued segment. Returns false in any other case,
    /// including a negative length.
    #[inline(always)]
    fn append_to_tail(&self, source: Source) -> bool {
        let Some(tail) = self.tail() else {
            return false;
        };
        // The segment may have been made for a larger `mss`.
        let fits = tail.room().cast_signed() <= self.mss.get().cast_signed();
        let appended = fits && tail.append_short(source);
        if appended {
            tail.segment().frg.set(0);
        }
        appended
    }

    /// All other cases: several segments, or a stream that needs a larger segment.
    #[inline(never)]
    fn send_fragments(&mut self, source: Source) -> c_int {
        let (len, mss) = (source.len(), self.mss.get());
        if len.cast_signed() < 0 || mss.cast_signed() <= 0 {
            return -1;
        }
        let stream = self.stream.get() != 0;
        let fill = if stream {
            match self.plan_tail_fill(len, mss) {
                Ok(fill) => fill,
                Err(NoMemory) => return REFUSED,
            }
        } else {
            None
        };
        let filled = fill.as_ref().map_or(0, |fill| fill.len);
        let rest = len - filled;
        if stream && rest == 0 {
            self.fill_tail(fill, source);
            return taken(len);
        }

        let count = if rest <= mss { 1 } else { rest.div_ceil(mss) };
        let short = filled > 0 && profile::SEND_RETURNS_BYTES;
        let extra = self.extras();
        let refusal = match extra.and_then(|extras| extras.refusal(self, count, stream)) {
            Some(refusal) => refusal,
            None if count >= IKCP_WND_RCV => REFUSED,
            None => 0,
        };
        if refusal != 0 {
            self.fill_tail(fill, source);
            return if short { taken(filled) } else { refusal };
        }
        let mut head = IQUEUEHEAD::unlinked();
        let mut batch = ListMut::begin(&mut head);
        let room = self.make_fragments(&mut batch, source.behind(filled), rest, count);
        if room.is_err() && !short {
            if let Some(larger) = fill.and_then(|fill| fill.larger) {
                self.cold_free_segment(larger);
            }
            return REFUSED;
        }
        self.fill_tail(fill, source);
        let Ok(room) = room else {
            return taken(filled);
        };
        batch.move_all(self.snd_queue());
        self.note_tail(room);
        self.nsnd_que.set(self.nsnd_que.get().wrapping_add(count));
        taken(len)
    }

    /// Makes `count` segments for `rest` bytes and links them into `batch`. Returns the room of the last one.
    fn make_fragments(
        &self,
        batch: &mut ListMut<'_>,
        mut source: Source,
        rest: u32,
        count: u32,
    ) -> Result<u32, NoMemory> {
        let (mss, stream) = (self.mss.get(), self.stream.get() != 0);
        let mut rest = rest;
        let mut following = count;
        // The last segment of a stream gets room that the next calls append to, and no segment of a stream knows what follows.
        let (least_room, frg_mask) = if stream { (mss, 0) } else { (0, u32::MAX) };
        loop {
            following -= 1;
            let size = rest.min(mss);
            let room = if following == 0 {
                size.max(least_room)
            } else {
                size
            };
            let Some(fragment) = self.cold_new_segment(room) else {
                while let Some(segment) = batch.pop_front() {
                    self.cold_free_segment(segment);
                }
                return Err(NoMemory);
            };
            fragment.with_room().append(&mut source, size);
            fragment.segment().frg.set(following & frg_mask);
            fragment.segment().ts.set(self.current.get());
            batch.list().push_back(fragment);
            rest -= size;
            if following == 0 {
                return Ok(room);
            }
        }
    }

    /// How much of `len` bytes goes into the last queued segment. A segment with too little room is replaced by one for a whole
    /// `mss`, so that appending byte by byte copies it only once.
    fn plan_tail_fill(&self, len: u32, mss: u32) -> Result<Option<TailFill>, NoMemory> {
        let Some(old) = self.snd_queue().last() else {
            return Ok(None);
        };
        let old_len = old.len.get();
        if old_len >= mss {
            return Ok(None);
        }
        let len = len.min(mss - old_len);
        let larger = match self.tail() {
            Some(tail) if tail.room() >= old_len + len => None,
            _ => {
                let larger = self.cold_new_segment(mss).ok_or(NoMemory)?;
                larger.with_room().take_payload(old);
                Some(larger)
            }
        };
        Ok(Some(TailFill { larger, len }))
    }

    fn fill_tail(&mut self, fill: Option<TailFill>, mut source: Source) {
        let Some(TailFill { larger, len }) = fill else {
            return;
        };
        if let Some(larger) = larger {
            self.replace_last_queued(larger);
        }
        if let Some(tail) = self.tail() {
            tail.append(&mut source, len);
            tail.segment().frg.set(0);
        }
    }

    /// Replaces the last queued segment by `new`, which has the same payload.
    #[inline(never)]
    fn replace_last_queued(&mut self, new: Owned) {
        let room = new.with_room().room();
        if let Some(old) = self.snd_queue().last() {
            new.segment().ts.set(old.ts.get());
        }
        if let Some(old) = self.snd_queue_mut().0.replace_last(new) {
            old.segment().forget_expiry();
            self.cold_free_segment(old);
        }
        self.note_tail(room);
    }

    /// A stream's last segment is about to leave the queue: frees its unused room. Without memory for a smaller segment, it
    /// stays.
    #[cold]
    #[inline(never)]
    pub(crate) fn fit_tail(&mut self) {
        let Some(last) = self.snd_queue().last() else {
            return;
        };
        if let Some(fitting) = self.cold_new_segment(last.len.get()) {
            fitting.with_room().take_payload(last);
            fitting.segment().frg.set(last.frg.get());
            self.replace_last_queued(fitting);
        }
    }
}

#[inline(always)]
fn taken(sent: u32) -> c_int {
    if profile::SEND_RETURNS_BYTES {
        sent.cast_signed()
    } else {
        0
    }
}
