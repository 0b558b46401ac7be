//! The congestion window that the original would have, to see whether a sender keeps to it: `nocwnd` does not show in packets.

use super::sender::Time;
use crate::wire::after;

/// In segments. Growth is counted as the original counts it, with bytes replaced by parts of a segment.
#[derive(Debug)]
pub struct Model {
    pub window: f64,
    threshold: f64,
    /// The window before the last flush that sent segments again, and whether skips shrank it there.
    before: f64,
    by_skips: bool,
    /// It began before the capture, so that nobody knows its window until that shrinks.
    unknown: bool,
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
            before: 1.0,
            by_skips: false,
            unknown: false,
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
    /// It has sent before.
    pub fn begins_later(&mut self) {
        self.unknown = true;
    }

    /// A fresh segment, with this stamp, makes it `flight`.
    pub fn sent(&mut self, flight: u32, ts: u32) {
        if self.held && self.resent_at.is_some_and(|at| after(ts, at)) {
            self.held = false;
            self.broken += 1;
        }
        let mut window = self.window;
        if self.unknown {
            self.window = window.max(flight.into());
            return;
        }
        if self.resent_at == Some(ts) {
            // A flush takes what its window lets it before it shrinks that.
            window = self.before;
            if self.by_skips {
                self.halve(flight);
            }
        }
        let over = f64::from(flight) - window.floor();
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
        self.before = self.window;
        self.by_skips = skipped;
        self.unknown = false;
        if skipped {
            self.halve(flight);
        } else {
            self.threshold = (self.window / 2.0).max(2.0);
            self.window = 1.0;
        }
    }

    fn halve(&mut self, flight: u32) {
        self.threshold = (f64::from(flight) / 2.0).max(2.0);
        self.window = self.threshold + 2.0;
    }

    pub fn spent(&mut self, flight: u32, peer: Option<u32>, time: Time) {
        if peer.is_some_and(|peer| self.window + 1.0 < f64::from(peer)) {
            self.shrunk += time;
            if f64::from(flight) + 1.0 >= self.window.floor() {
                self.full += time;
            }
        }
    }

    /// Whether the sender seems to keep to it. `varies`: nothing else can hold it.
    pub fn is_kept(&self, varies: bool) -> bool {
        let breaks = self.broken >= 2 && self.broken * 10 > self.holds;
        // The model's window is too small at times, where the sender has heard what was not seen. If it always held, it keeps to one.
        let always = varies && self.holds >= 8 && self.broken == 0;
        let most = if always { 1 } else { 20 };
        self.filling >= 30 && self.beyond * most < self.filling && !breaks
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One flush of a whole window each round trip, of which all is acknowledged in one packet: what was beyond the window after so many.
    fn beyond(mut model: Model, mut window: u32, rounds: u32) -> (Model, u64) {
        for ts in 0..rounds {
            (1..=window).for_each(|flight| model.sent(flight, ts));
            model.acked(128);
            window = window.max(model.window as u32);
        }
        let beyond = model.beyond;
        (model, beyond)
    }

    #[test]
    fn a_window_that_had_grown_before_the_capture_was_exceeded() {
        assert!(beyond(Model::default(), 20, 10).1 > 50);
        let mut model = Model::default();
        model.begins_later();
        let (mut model, none) = beyond(model, 20, 10);
        assert_eq!(none, 0);
        // From then on it is known.
        model.resent(false, 20, 10);
        (1..=20).for_each(|flight| model.sent(flight, 11));
        assert_eq!(model.beyond, 17);
    }

    /// A flush takes what there is room for, and looks for skips after that.
    #[test]
    fn what_a_flush_sent_beside_a_resend_was_beyond_the_window() {
        let (mut model, none) = beyond(Model::default(), 1, 30);
        assert_eq!(none, 0);
        let window = model.window as u32;
        model.resent(true, 3, 40);
        (4..=window).for_each(|flight| model.sent(flight, 40));
        assert_eq!(model.beyond, 0);
        // As much was in flight as the flush left.
        assert_eq!(model.window, (f64::from(window) / 2.0).max(2.0) + 2.0);
    }
}
