//! A timer wheel with a slot for each millisecond, in which a server with many connections keeps the answers of `ikcp_check`.
//! Setting a timer and taking the due ones cost the same, whatever the number of connections.

/// `ikcp_check` never answers later than one interval ahead, and an interval is at most 5,000 ms.
const SLOTS: u32 = 8192;

pub struct Wheel {
    slots: Vec<Vec<u32>>,
    /// The next millisecond whose slot has not been emptied.
    next: u32,
}

impl Wheel {
    pub fn new(now: u32) -> Wheel {
        Wheel {
            slots: vec![Vec::new(); SLOTS as usize],
            next: now,
        }
    }

    /// Wakes `connection` at `due`, or at the next turn if that has passed. A connection is set again only after it was due.
    pub fn set(&mut self, connection: u32, due: u32) {
        let ahead = due.wrapping_sub(self.next) as i32;
        let at = self
            .next
            .wrapping_add(ahead.clamp(0, SLOTS as i32 - 1) as u32);
        self.slots[(at % SLOTS) as usize].push(connection);
    }

    /// Appends the connections that are due at `now` to `due`.
    pub fn take(&mut self, now: u32, due: &mut Vec<u32>) {
        while now.wrapping_sub(self.next) as i32 >= 0 {
            due.append(&mut self.slots[(self.next % SLOTS) as usize]);
            self.next = self.next.wrapping_add(1);
        }
    }

    /// The next millisecond in which something is due, looking `horizon` ahead.
    pub fn next_due(&self, horizon: u32) -> u32 {
        (0..horizon.min(SLOTS))
            .map(|ahead| self.next.wrapping_add(ahead))
            .find(|at| !self.slots[(at % SLOTS) as usize].is_empty())
            .unwrap_or(self.next.wrapping_add(horizon))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timers_fire_once_when_due_and_across_the_wrap_of_the_clock() {
        let start = u32::MAX - 50;
        let mut wheel = Wheel::new(start);
        let at = |ms: u32| start.wrapping_add(ms);
        wheel.set(1, at(10));
        wheel.set(2, at(100));
        wheel.set(3, at(5_000));
        assert_eq!(wheel.next_due(1_000), at(10));
        let mut due = Vec::new();
        wheel.take(at(9), &mut due);
        assert!(due.is_empty());
        wheel.take(at(99), &mut due);
        assert_eq!(due, [1]);
        wheel.take(at(5_000), &mut due);
        assert_eq!(due, [1, 2, 3]);
        // A time in the past means the next turn.
        wheel.set(4, at(4_000));
        due.clear();
        wheel.take(at(5_001), &mut due);
        assert_eq!(due, [4]);
        wheel.take(at(9_000), &mut due);
        assert_eq!(due, [4]);
    }
}
