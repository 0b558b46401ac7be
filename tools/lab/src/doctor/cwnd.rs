//! The congestion window that the original would have, to see whether a sender keeps to it: `nocwnd` does not show in packets.

use super::sender::Time;
use crate::wire::after;

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
    /// The last flush that sent segments again.
    resent_at: Option<u32>,
    /// Since that flush nothing may be sent for the first time, until an acknowledgement comes.
    held: bool,
    /// How often that was so, and how often something was sent all the same.
    pub holds: u64,
    pub broken: u64,
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
            resent_at: None,
            held: false,
            holds: 0,
            broken: 0,
        }
    }
}

impl Model {
    /// A fresh segment, with this stamp, makes it `flight`.
    pub fn sent(&mut self, flight: u32, ts: u32) {
        if self.held && self.resent_at.is_some_and(|at| after(ts, at)) {
            self.held = false;
            self.broken += 1;
        }
        let over = f64::from(flight) - self.window;
        self.filling += u64::from((-1.0..=2.0).contains(&over));
        self.beyond += u64::from(over > 2.0);
    }

    /// `una` advanced.
    pub fn acked(&mut self, peer: u32) {
        self.held = false;
        let peer = f64::from(peer);
        if self.window < self.threshold {
            self.window += 1.0;
        } else {
            self.window += 1.0 / self.window.max(1.0) + 1.0 / 16.0;
        }
        self.window = self.window.min(peer.max(1.0));
    }

    /// A segment was sent again, because it was skipped or because its timer ran out.
    pub fn resent(&mut self, skipped: bool, flight: u32, ts: u32) {
        // After a skip half of the flight may be there, and the skips, after a timeout one segment.
        if flight >= if skipped { 8 } else { 2 } && !self.held {
            self.held = true;
            self.holds += 1;
        }
        // The window shrinks once in a flush.
        if self.resent_at.replace(ts) == Some(ts) {
            return;
        }
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

    /// Whether the sender seems to keep to it. `varies`: nothing else can hold it.
    pub fn is_kept(&self, varies: bool) -> bool {
        let breaks = self.broken >= 2 && self.broken * 10 > self.holds;
        // The model's window is too small at times, where the sender has heard what was not seen. If it always held, it keeps to one.
        let always = varies && self.holds >= 8 && self.broken == 0;
        let most = if always { 1 } else { 8 };
        self.filling >= 30 && self.beyond * most < self.filling && !breaks
    }
}
