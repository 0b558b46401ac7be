//! What is due at one end.

use std::collections::VecDeque;

/// What is due at one end, and which of it may expire; what of that did not come, and what came instead.
#[derive(Default)]
pub struct Due {
    pub messages: VecDeque<(Vec<u8>, bool)>,
    pub missing: u64,
    pub stubs: u64,
}

impl Due {
    pub fn push(&mut self, message: Vec<u8>, expires: bool) {
        self.messages.push_back((message, expires));
    }

    /// True when nothing has to come any more.
    pub fn is_over(&self) -> bool {
        self.messages.iter().all(|(_, expires)| *expires)
    }

    pub fn message(&mut self, message: &[u8]) {
        while let Some((expected, expires)) = self.messages.pop_front() {
            if expected == message {
                return;
            }
            assert!(expires, "a message is missing");
            self.missing += 1;
        }
        panic!("another message than what was sent");
    }

    pub fn byte(&mut self, byte: u8) {
        let (first, _) = self.messages.front_mut().expect("more came than was sent");
        assert_eq!(first.remove(0), byte);
        if first.is_empty() {
            self.messages.pop_front();
        }
    }
}
