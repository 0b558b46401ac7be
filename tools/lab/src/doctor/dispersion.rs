//! A link that is slower than what is sent through it shows even where its queue never empties: what was sent at once arrives spread out.
//! Bytes are counted in slices of time, once where they are sent and once where they come through.

use std::collections::BTreeMap;

use super::sender::{MS, Time};

/// Two flushes of most senders.
const SLICE: Time = 20 * MS;

/// How many slices had how many bytes.
#[derive(Default)]
struct Slices {
    current: Time,
    bytes: u64,
    all: BTreeMap<u64, u64>,
}

impl Slices {
    fn add(&mut self, at: Time, bytes: u32) {
        /// What comes so much too early was not overtaken: stamps began again.
        const BACK: Time = 100;
        let slice = at / SLICE;
        if slice > self.current || slice + BACK < self.current {
            *self.all.entry(rounded(self.bytes)).or_default() += 1;
            (self.current, self.bytes) = (slice, 0);
        }
        self.bytes += u64::from(bytes);
    }

    fn total(&self) -> u64 {
        self.all.iter().map(|(bytes, count)| bytes * count).sum()
    }

    /// What a slice has at most, of those with this share of the bytes.
    fn at(&self, percent: u64) -> u64 {
        let wanted = self.total() * percent;
        let mut passed = 0;
        let found = self.all.iter().find(|(bytes, count)| {
            passed += *bytes * *count;
            passed * 100 >= wanted
        });
        found.map_or(0, |(bytes, _)| *bytes)
    }

    /// The bytes in slices that have more than this.
    fn beyond(&self, most: u64) -> u64 {
        let more = self.all.range(most + 1..);
        more.map(|(bytes, count)| bytes * count).sum()
    }
}

/// With five digits of two, so that few values differ.
fn rounded(bytes: u64) -> u64 {
    let digits = (u64::BITS - bytes.leading_zeros()).saturating_sub(5);
    bytes >> digits << digits
}

#[derive(Default)]
pub struct Dispersion {
    sent: Slices,
    came: Slices,
}

/// What a link made of bursts.
#[derive(Debug, Clone, Copy)]
pub struct Spread {
    /// Bytes a second that come through.
    pub rate: u64,
    /// The share of bytes that were sent at more than twice what comes through at most.
    pub share: f64,
    /// How long those kept the link busy.
    pub busy: Time,
}

impl Dispersion {
    pub fn add(&mut self, sent: Time, came: Time, bytes: u32) {
        self.sent.add(sent, bytes);
        self.came.add(came, bytes);
    }

    /// Nothing, where bursts come through as such.
    pub fn spread(&self) -> Option<Spread> {
        /// Slices that must have been used.
        const FEW: u64 = 50;
        let used: u64 = self.came.all.values().sum();
        let beyond = self.sent.beyond(2 * self.came.at(95));
        let share = beyond as f64 / self.sent.total().max(1) as f64;
        let usual = self.came.at(50).max(1);
        (used >= FEW && share > 0.2).then(|| Spread {
            rate: usual * 1_000 * MS as u64 / SLICE as u64,
            share,
            busy: (beyond / usual) as Time * SLICE,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bursts of 40 packets, one each 200 ms, that come through with one each so many µs.
    fn bursts(spacing: Time) -> Option<Spread> {
        let mut dispersion = Dispersion::default();
        for burst in 0..100 {
            let at = burst * 200 * MS;
            (0..40).for_each(|packet| dispersion.add(at, at + packet * spacing, 1_000));
        }
        dispersion.spread()
    }

    #[test]
    fn bursts_that_a_link_spreads_tell_its_rate() {
        let spread = bursts(4 * MS).unwrap();
        assert!((240_000..=250_000).contains(&spread.rate), "{spread:?}");
        assert!(spread.share > 0.95, "{spread:?}");
        // 160 of each 200 ms.
        assert!((15_500..16_700).contains(&(spread.busy / MS)), "{spread:?}");
        assert!(bursts(MS / 4).is_none());
    }

    #[test]
    fn an_even_stream_is_no_burst_even_if_its_stamps_begin_again() {
        let mut dispersion = Dispersion::default();
        for packet in 0..10_000 {
            let stamp = if packet < 5_000 {
                packet + 50_000
            } else {
                packet - 5_000
            };
            dispersion.add(stamp * 5 * MS, packet * 5 * MS, 1_000);
        }
        assert!(dispersion.spread().is_none());
    }
}
