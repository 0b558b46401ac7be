//! What is due at one end.

use std::collections::VecDeque;

use crate::side::Side;
use ikcp_core::IKCPX_STATS;

/// What is due at one end, and which of it may expire; what of that did not come, and what came instead.
#[derive(Default)]
pub struct Due {
    pub messages: VecDeque<(Vec<u8>, bool)>,
    missing: u64,
    stubs: u64,
}

impl Due {
    pub fn push(&mut self, message: Vec<u8>, expires: bool) {
        self.messages.push_back((message, expires));
    }

    /// True when nothing has to come any more.
    pub fn is_over(&self) -> bool {
        self.messages.iter().all(|(_, expires)| *expires)
    }

    /// Takes what has arrived, which must be what was sent. Returns its bytes.
    pub fn take(&mut self, side: &Side, stream: bool, stub: Option<&[u8]>) -> u64 {
        let mut taken = 0;
        while let Some(message) = side.recv() {
            taken += message.len() as u64;
            if stream {
                message.into_iter().for_each(|byte| self.byte(byte));
            } else if stub == Some(&message) {
                self.stubs += 1;
            } else {
                self.message(&message);
            }
        }
        taken
    }

    /// What did not come is what the sender's counters tell.
    pub fn compare(&self, stats: &IKCPX_STATS) {
        // Where the peer had a message already, it has dropped the stub.
        assert!(stats.messages_shortened.get() >= self.stubs);
        let missing = self.missing + self.messages.len() as u64;
        assert_eq!(missing, self.stubs + stats.messages_dropped.get());
    }

    fn message(&mut self, message: &[u8]) {
        while let Some((expected, expires)) = self.messages.pop_front() {
            if expected == message {
                return;
            }
            assert!(expires, "a message is missing");
            self.missing += 1;
        }
        panic!("another message than what was sent");
    }

    fn byte(&mut self, byte: u8) {
        let (first, _) = self.messages.front_mut().expect("more came than was sent");
        assert_eq!(first.remove(0), byte);
        if first.is_empty() {
            self.messages.pop_front();
        }
    }
}
