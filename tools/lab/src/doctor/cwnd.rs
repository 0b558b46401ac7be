//! The congestion window that the original would have, to see whether a sender keeps to it: `nocwnd` does not show in packets.

use super::sender::Time;

/// In segments. Growth is counted as the original counts it, with bytes replaced by parts of a segment.
#[derive(Debug)]
pub struct Model {
    window: f64,
    threshold: f64,
    /// Fresh segments that filled the window, and those that it would not have allowed.
    pub filling: u64,
    pub beyond: u64,
    /// The window was below what the two ends allow, and full.
    pub full: Time,
    pub shrunk: Time,
}

impl Default for Model {
    fn default() -> Model {
        Model {
            window: 1.0,
            threshold: 2.0,
            filling: 0,
            beyond: 0,
            full: 0,
            shrunk: 0,
        }
    }
}

impl Model {
    /// A fresh segment makes it `flight`.
    pub fn sent(&mut self, flight: u32) {
        let over = f64::from(flight) - self.window;
        self.filling += u64::from((-1.0..=2.0).contains(&over));
        self.beyond += u64::from(over > 2.0);
    }

    /// `una` advanced.
    pub fn acked(&mut self, peer: u32) {
        let peer = f64::from(peer);
        if self.window < self.threshold {
            self.window += 1.0;
        } else {
            self.window += 1.0 / self.window.max(1.0) + 1.0 / 16.0;
        }
        self.window = self.window.min(peer.max(1.0));
    }

    /// A segment was sent again, because it was skipped or because its timer ran out.
    pub fn resent(&mut self, skipped: bool, flight: u32) {
        if skipped {
            self.threshold = (f64::from(flight) / 2.0).max(2.0);
            self.window = self.threshold + 1.0;
        } else {
            self.threshold = (self.window / 2.0).max(2.0);
            self.window = 1.0;
        }
    }

    pub fn spent(&mut self, flight: u32, peer: Option<u32>, time: Time) {
        if peer.is_some_and(|peer| self.window + 1.0 < f64::from(peer)) {
            self.shrunk += time;
            if f64::from(flight) + 1.0 >= self.window {
                self.full += time;
            }
        }
    }

    /// Whether the sender seems to keep to it.
    pub fn is_kept(&self) -> bool {
        self.filling >= 30 && self.beyond * 8 < self.filling
    }
}
