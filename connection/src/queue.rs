//! Packets that wait to be sent, in one buffer.

use std::collections::VecDeque;

/// The most memory that an empty queue keeps, in bytes.
const KEPT: usize = 64 << 10;

#[derive(Default)]
pub(crate) struct Queue {
    /// All packets, and those that were taken since the queue was last empty.
    bytes: Vec<u8>,
    /// Where the first packet begins, and where each packet ends.
    begin: usize,
    ends: VecDeque<usize>,
}

impl Queue {
    pub(crate) fn push(&mut self, packet: &[u8]) {
        if self.ends.is_empty() {
            self.bytes.clear();
            self.begin = 0;
        }
        self.bytes.extend_from_slice(packet);
        self.ends.push_back(self.bytes.len());
    }

    pub(crate) fn pop(&mut self) -> Option<&[u8]> {
        let Some(end) = self.ends.pop_front() else {
            self.rest();
            return None;
        };
        let begin = std::mem::replace(&mut self.begin, end);
        Some(&self.bytes[begin..end])
    }

    /// Frees the memory of a burst.
    fn rest(&mut self) {
        if self.bytes.capacity() > KEPT {
            *self = Queue::default();
        }
    }
}
