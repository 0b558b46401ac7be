//! `ikcp_send`: from the program's bytes to segments in `snd_queue`.

use core::ffi::c_int;

use crate::consts::{IKCP_WND_RCV, profile};
use crate::control::Kcp;
use crate::queue::{IQUEUEHEAD, List};
use crate::segment::{Roomy, Segment, Source};
use crate::ways;

/// The answer when nothing was taken: too many fragments, or no memory.
const REFUSED: c_int = -2;

/// What stream mode is going to do with the first bytes of a call.
#[derive(Clone, Copy)]
struct Extension {
    /// The last queued segment.
    old: Segment,
    /// It, or the larger segment that is to take its place.
    tail: Roomy,
    /// Bytes to append to it.
    len: u32,
}

/// There was no memory, and nothing was queued.
struct NoMemory;

impl Kcp<'_> {
    /// Queues `len` bytes. Gives the bytes taken, -1 for a negative length, -2 when nothing was taken.
    ///
    /// All memory is allocated before anything is queued, so that a failure leaves nothing of the call behind.
    #[inline(always)]
    pub fn send(self, source: Source, len: c_int) -> c_int {
        let source = source.of_len(len.cast_unsigned());
        if self.stream.get() == 0 {
            self.send_message(source)
        } else if ways::APPEND_TO_TAIL && self.append_to_tail(source) {
            taken(source.len())
        } else {
            self.send_any(source)
        }
    }

    /// A message, mostly of one segment.
    #[inline(never)]
    fn send_message(self, source: Source) -> c_int {
        let (len, mss) = (source.len(), self.mss.get());
        if !ways::SEND_ONE_SEGMENT || len > mss || mss.cast_signed() <= 0 {
            return self.send_any(source);
        }
        let Some(fragment) = self.segment_of(source) else {
            return REFUSED;
        };
        fragment.frg.set(0);
        self.snd_queue().push_back(fragment);
        self.forget_tail();
        self.nsnd_que.set(self.nsnd_que.get().wrapping_add(1));
        taken(len)
    }

    /// Stream mode, the common case: a few bytes that fit into the last queued segment as it is. False for anything else,
    /// a negative length included.
    #[inline(always)]
    fn append_to_tail(self, source: Source) -> bool {
        let Some(tail) = self.tail() else {
            return false;
        };
        // A segment may have more room than the `mss` of today.
        let fits = tail.room().cast_signed() <= self.mss.get().cast_signed();
        let appended = fits && tail.append_short(source);
        if appended {
            tail.segment().frg.set(0);
        }
        appended
    }

    /// Everything else: several segments, or a stream that needs a larger one.
    #[inline(never)]
    fn send_any(self, source: Source) -> c_int {
        let (len, mss) = (source.len(), self.mss.get());
        if len.cast_signed() < 0 || mss.cast_signed() <= 0 {
            return -1;
        }
        let stream = self.stream.get() != 0;
        let extension = if stream {
            match self.plan_extension(len, mss) {
                Ok(extension) => extension,
                Err(NoMemory) => return REFUSED,
            }
        } else {
            None
        };
        let extended = extension.map_or(0, |extension| extension.len);
        let rest = len - extended;
        if stream && rest == 0 {
            self.extend(extension, source);
            return taken(len);
        }

        let count = if rest <= mss { 1 } else { rest.div_ceil(mss) };
        let short = extended > 0 && profile::SEND_RETURNS_BYTES;
        if count >= IKCP_WND_RCV {
            self.extend(extension, source);
            return if short { taken(extended) } else { REFUSED };
        }
        let head = IQUEUEHEAD::unlinked();
        let batch = List::new(&head);
        batch.init();
        let fragments = self.make_fragments(batch, source.behind(extended), rest, count);
        if fragments.is_err() && !short {
            self.drop_plan(extension);
            return REFUSED;
        }
        self.extend(extension, source);
        let Ok(last) = fragments else {
            return taken(extended);
        };
        self.snd_queue().append_all(batch);
        self.set_tail(last);
        self.nsnd_que.set(self.nsnd_que.get().wrapping_add(count));
        taken(len)
    }

    /// Makes `count` segments of `rest` bytes and links them into `batch`. Gives the last one.
    fn make_fragments(
        self,
        batch: List<'_>,
        mut source: Source,
        rest: u32,
        count: u32,
    ) -> Result<Roomy, NoMemory> {
        let (mss, stream) = (self.mss.get(), self.stream.get() != 0);
        let mut rest = rest;
        let mut following = count;
        loop {
            following -= 1;
            let size = rest.min(mss);
            // The last segment of a stream gets room for the next calls to append to.
            let room = if stream && following == 0 { mss } else { size };
            let Some(fragment) = self.new_segment_any(room) else {
                while let Some(segment) = batch.first() {
                    batch.remove(segment);
                    self.free_segment_any(segment);
                }
                return Err(NoMemory);
            };
            fragment.append(&mut source, size);
            fragment
                .segment()
                .frg
                .set(if stream { 0 } else { following });
            batch.push_back(fragment.segment());
            rest -= size;
            if following == 0 {
                return Ok(fragment);
            }
        }
    }

    /// How much of `len` bytes goes into the last queued segment. It gets room for a whole `mss` when it has too little,
    /// so that appending byte by byte copies it once.
    fn plan_extension(self, len: u32, mss: u32) -> Result<Option<Extension>, NoMemory> {
        let Some(old) = self.snd_queue().last() else {
            return Ok(None);
        };
        let old_len = old.len.get();
        if old_len >= mss {
            return Ok(None);
        }
        let extend = len.min(mss - old_len);
        let tail = match self.tail() {
            Some(tail) if tail.room() >= old_len + extend => tail,
            _ => {
                let larger = self.new_segment_any(mss).ok_or(NoMemory)?;
                larger.take_payload(old);
                larger
            }
        };
        Ok(Some(Extension {
            old,
            tail,
            len: extend,
        }))
    }

    fn extend(self, extension: Option<Extension>, mut source: Source) {
        let Some(Extension { old, tail, len }) = extension else {
            return;
        };
        if tail.segment() != old {
            self.snd_queue().replace(old, tail.segment());
            self.free_segment_any(old);
            self.set_tail(tail);
        }
        tail.append(&mut source, len);
        tail.segment().frg.set(0);
    }

    /// Gives up the larger segment of a plan that is not carried out.
    fn drop_plan(self, extension: Option<Extension>) {
        if let Some(Extension { old, tail, .. }) = extension
            && tail.segment() != old
        {
            self.free_segment_any(tail.segment());
        }
    }

    /// A stream's last segment leaves the queue: gives back the room it did not use. Without memory it stays as it is.
    #[inline(always)]
    pub(crate) fn fit_tail(self, segment: Segment) -> Segment {
        if self.is_tail(segment) {
            self.fit(segment)
        } else {
            segment
        }
    }

    #[cold]
    fn fit(self, segment: Segment) -> Segment {
        let Some(fitting) = self.new_segment_any(segment.len.get()) else {
            return segment;
        };
        fitting.take_payload(segment);
        fitting.segment().frg.set(segment.frg.get());
        self.snd_queue().replace(segment, fitting.segment());
        self.free_segment_any(segment);
        self.set_tail(fitting);
        fitting.segment()
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
