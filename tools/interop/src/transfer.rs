//! What is sent: random bytes in messages of random length, made on the fly; and the digests of what was sent and of
//! what arrived.

use sha2::{Digest as _, Sha256};

/// Whether messages keep their boundaries.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    Message,
    Stream,
}

impl Mode {
    pub fn name(self) -> &'static str {
        match self {
            Mode::Message => "message",
            Mode::Stream => "stream",
        }
    }
}

/// SHA-256 in hexadecimal: in message mode over each message's length (32 bits, little-endian) and contents, in stream mode over
/// the contents alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Digest(pub String);

/// The result of one side.
#[derive(Clone, Debug)]
pub struct Report {
    pub sent: Digest,
    pub received: Digest,
}

/// One side's work: as many bytes to send as to receive.
pub struct Transfer {
    mode: Mode,
    random: fastrand::Rng,
    longest: usize,
    to_send: usize,
    to_receive: usize,
    sent: Sha256,
    received: Sha256,
    message: Vec<u8>,
}

impl Transfer {
    pub fn new(mode: Mode, bytes: usize, longest: usize, seed: u64) -> Transfer {
        Transfer {
            mode,
            random: fastrand::Rng::with_seed(seed),
            longest,
            to_send: bytes,
            to_receive: bytes,
            sent: Sha256::new(),
            received: Sha256::new(),
            message: Vec::new(),
        }
    }

    /// The next message to send; `None` when all bytes were sent.
    pub fn next_message(&mut self) -> Option<&[u8]> {
        if self.to_send == 0 {
            return None;
        }
        let length = self.random.usize(1..=self.longest).min(self.to_send);
        self.message.resize(length, 0);
        self.random.fill(&mut self.message);
        self.to_send -= length;
        add(&mut self.sent, self.mode, &self.message);
        Some(&self.message)
    }

    /// Accounts for a message, or a piece of a stream, that arrived.
    pub fn take(&mut self, message: &[u8]) {
        // Extra bytes show in the digest.
        self.to_receive = self.to_receive.saturating_sub(message.len());
        add(&mut self.received, self.mode, message);
    }

    /// True if all bytes were sent, and as many as expected arrived.
    pub fn complete(&self) -> bool {
        self.to_send == 0 && self.to_receive == 0
    }

    /// Bytes still to send and to receive.
    pub fn left(&self) -> (usize, usize) {
        (self.to_send, self.to_receive)
    }

    pub fn report(self) -> Report {
        let hexadecimal = |hash: Sha256| {
            let bytes = hash.finalize();
            Digest(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
        };
        Report {
            sent: hexadecimal(self.sent),
            received: hexadecimal(self.received),
        }
    }
}

fn add(hash: &mut Sha256, mode: Mode, message: &[u8]) {
    if mode == Mode::Message {
        let length = u32::try_from(message.len()).expect("messages are short");
        hash.update(length.to_le_bytes());
    }
    hash.update(message);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The digest of messages that arrive.
    fn received(mode: Mode, messages: &[&[u8]]) -> Digest {
        let mut transfer = Transfer::new(mode, 0, 1, 0);
        for message in messages {
            transfer.take(message);
        }
        transfer.report().received
    }

    #[test]
    fn a_message_cut_in_two_shows_in_message_mode_only() {
        let (whole, cut) = (&[&b"abcd"[..]][..], &[&b"ab"[..], b"cd"][..]);
        assert_ne!(received(Mode::Message, whole), received(Mode::Message, cut));
        assert_eq!(received(Mode::Stream, whole), received(Mode::Stream, cut));
    }

    #[test]
    fn order_and_contents_show_in_both_modes() {
        for mode in [Mode::Message, Mode::Stream] {
            let right = received(mode, &[b"ab", b"cd"]);
            assert_ne!(right, received(mode, &[b"cd", b"ab"]));
            assert_ne!(right, received(mode, &[b"ab", b"ce"]));
            assert_ne!(right, received(mode, &[b"ab"]));
        }
    }

    #[test]
    fn what_is_sent_follows_from_the_seed_and_adds_up() {
        let all = |seed| {
            let mut transfer = Transfer::new(Mode::Message, 100_000, 3000, seed);
            let mut sum = 0;
            while let Some(message) = transfer.next_message() {
                assert!((1..=3000).contains(&message.len()));
                sum += message.len();
            }
            assert_eq!(sum, 100_000);
            transfer.report().sent
        };
        assert_eq!(all(7), all(7));
        assert_ne!(all(7), all(8));
    }
}
