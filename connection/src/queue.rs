//! Packets that wait to be sent, in one buffer.

use std::collections::VecDeque;

/// The most memory that an empty queue keeps, in bytes.
const KEPT: usize = 64 << 10;

#[derive(Default)]
pub(crate) struct Queue {
    /// All packets, behind some that were taken.
    bytes: Vec<u8>,
    /// Where the first packet begins, and how long each packet is.
    begin: usize,
    lengths: VecDeque<usize>,
}

impl Queue {
    pub(crate) fn push(&mut self, packet: &[u8]) {
        if self.begin >= self.bytes.len() / 2 {
            self.bytes.drain(..self.begin);
            self.begin = 0;
        }
        self.bytes.extend_from_slice(packet);
        self.lengths.push_back(packet.len());
    }

    pub(crate) fn pop(&mut self) -> Option<&[u8]> {
        let Some(length) = self.lengths.pop_front() else {
            self.rest();
            return None;
        };
        let begin = self.begin;
        self.begin += length;
        Some(&self.bytes[begin..self.begin])
    }

    /// Frees the memory of a burst.
    fn rest(&mut self) {
        if self.bytes.capacity() > KEPT {
            *self = Queue::default();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Queue;

    /// All packets that were ever taken stayed in memory while one was left.
    #[test]
    fn a_queue_that_is_never_empty_stays_small() {
        let mut queue = Queue::default();
        queue.push(&[0; 1000]);
        for n in 0..100u8 {
            queue.push(&[n + 1; 1000]);
            assert_eq!(queue.pop(), Some(&[n; 1000][..]));
        }
        assert!(queue.bytes.len() <= 3000, "{} bytes", queue.bytes.len());
    }
}
