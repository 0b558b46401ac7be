//! A cache of the first message in `rcv_queue`, so that `ikcp_peeksize` does not walk its fragments.

use core::cell::Cell;

use crate::abi::IKCPSEG;
use crate::list::List;
use crate::segment::Segment;

pub(crate) struct FirstMessage {
    // The stamp: what the queue looked like.
    count: Cell<u32>,
    first: Cell<*mut IKCPSEG>,
    last: Cell<*mut IKCPSEG>,

    /// Bytes in the fragments of the message that are in the queue. A peer may send lengths whose sum exceeds 32 bits.
    len: Cell<u64>,
    /// Its last fragment is in the queue.
    complete: Cell<bool>,
}

impl FirstMessage {
    /// Bytes in the first message, up to its last fragment or the end of the queue. The cache is used if it is `known` to be in
    /// use and describes the queue; otherwise the message is measured.
    #[inline(always)]
    pub(crate) fn len(&self, queue: List<'_>, count: u32, known: bool) -> u64 {
        if known && self.describes(queue, count) {
            self.len.get()
        } else {
            measure(queue).0
        }
    }

    #[inline(always)]
    pub(crate) fn describes(&self, queue: List<'_>, count: u32) -> bool {
        self.count.get() == count
            && self.first.get() == queue.first_address()
            && self.last.get() == queue.last_address()
    }

    /// Measures the first message again.
    #[inline(never)]
    pub(crate) fn restart(&self, queue: List<'_>, count: u32) {
        self.stamp(queue, count);
        let (len, complete) = measure(queue);
        self.len.set(len);
        self.complete.set(complete);
    }

    /// `segment` was appended to the queue, which held `count` segments before. `known`: the cache described the queue until now.
    /// True if it does so afterwards.
    #[inline(never)]
    pub(crate) fn appended(
        &self,
        queue: List<'_>,
        segment: Segment,
        count: u32,
        known: bool,
    ) -> bool {
        if queue.first() == Some(segment) {
            if segment.frg.get() == 0 {
                // A message of one segment needs no cache.
                return false;
            }
            self.first.set(segment.as_ptr());
            self.len.set(0);
            self.complete.set(false);
        } else if !known || self.count.get() != count {
            return false;
        }
        if !self.complete.get() {
            self.len.set(self.len.get() + u64::from(segment.len.get()));
            self.complete.set(segment.frg.get() == 0);
        }
        self.count.set(count.wrapping_add(1));
        self.last.set(segment.as_ptr());
        true
    }

    #[inline(always)]
    fn stamp(&self, queue: List<'_>, count: u32) {
        self.count.set(count);
        self.first.set(queue.first_address());
        self.last.set(queue.last_address());
    }
}

fn measure(queue: List<'_>) -> (u64, bool) {
    let mut len = 0;
    let mut at = queue.first();
    while let Some(segment) = at {
        len += u64::from(segment.len.get());
        if segment.frg.get() == 0 {
            return (len, true);
        }
        at = queue.next(segment);
    }
    (len, false)
}
