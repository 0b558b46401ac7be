//! Where nothing came through for a while: all that was sent then is missing, first transmissions and later ones. No loss of single packets
//! does that for long.

use std::collections::BTreeMap;

use super::sender::{MS, Time};

/// Transmissions are counted in slots of so much time.
const SLOT: Time = 250 * MS;
/// Slots that are kept until all of their segments have arrived.
const MOST: usize = 4_096;
const MOST_FOUND: usize = 1_000;

#[derive(Debug, Clone, Copy)]
pub struct Outage {
    /// When the first packet was sent that did not come through, and the first one after it that did.
    pub from: Time,
    pub to: Time,
    sent: u32,
    /// First transmissions, and those that arrived.
    firsts: u32,
    pub unheard: u32,
    /// Lost before the capture.
    hidden: u32,
    slots: u32,
}

impl Outage {
    /// All that was sent for the first time then had arrived, so only the way back was cut. Some of it had in any case: what came before
    /// the line was cut, and whose acknowledgements did not come back.
    pub fn is_way_back(&self) -> bool {
        self.unheard * 20 > self.firsts * 19
    }

    /// Most of it did not come as far as the capture.
    pub fn is_before(&self) -> bool {
        self.hidden * 2 > self.sent
    }

    fn is_long(&self) -> bool {
        self.to - self.from >= 1_000 * MS && self.slots >= 4 && self.sent >= 8
    }
}

/// What became of a transmission.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    Heard,
    /// It or another one arrived, and no acknowledgement came by its number.
    Unheard,
    Missing,
    /// Missing, and it did not come as far as the capture.
    Hidden,
}

#[derive(Default)]
pub struct Outages {
    /// What of each slot is missing, and when the first was sent of which something was heard.
    slots: BTreeMap<Time, (Outage, Option<Time>)>,
    run: Option<Outage>,
    pub found: Vec<Outage>,
}

impl Outages {
    /// `first`: its segment had not been sent before.
    pub fn sent(&mut self, at: Time, first: bool, fate: Fate) {
        let empty = Outage {
            from: at,
            to: at,
            sent: 0,
            firsts: 0,
            unheard: 0,
            hidden: 0,
            slots: 1,
        };
        let (slot, heard) = self.slots.entry(at / SLOT).or_insert((empty, None));
        if fate == Fate::Heard {
            *heard = Some(heard.map_or(at, |heard| heard.min(at)));
        } else {
            slot.from = slot.from.min(at);
            slot.to = slot.to.max(at);
            slot.sent += 1;
            slot.firsts += u32::from(first);
            slot.unheard += u32::from(first && fate == Fate::Unheard);
            slot.hidden += u32::from(fate == Fate::Hidden);
        }
        if self.slots.len() > MOST {
            self.fold(MOST / 2);
        }
    }

    /// The one in which this was sent.
    pub fn at(&self, sent: Time) -> Option<&Outage> {
        let mut all = self.found.iter();
        all.find(|one| (one.from..one.to).contains(&sent))
    }

    /// No more becomes known. What lasts until the end is a peer that is gone.
    pub fn finish(&mut self) {
        self.fold(usize::MAX);
    }

    fn fold(&mut self, most: usize) {
        for _ in 0..most {
            let Some((_, (slot, heard))) = self.slots.pop_first() else {
                return;
            };
            let run = match self.run.take() {
                None => slot,
                Some(run) => Outage {
                    from: run.from,
                    to: slot.to,
                    sent: run.sent + slot.sent,
                    firsts: run.firsts + slot.firsts,
                    unheard: run.unheard + slot.unheard,
                    hidden: run.hidden + slot.hidden,
                    slots: run.slots + 1,
                },
            };
            match heard {
                None => self.run = Some(run),
                Some(to) if to > run.from => {
                    let run = Outage { to, ..run };
                    let long = run.is_long() && self.found.len() < MOST_FOUND;
                    self.found.extend(long.then_some(run));
                }
                Some(_) => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One transmission each 20 ms, and what became of it.
    fn found(fate: impl Fn(Time) -> Fate) -> Vec<(Time, Time, bool)> {
        let mut outages = Outages::default();
        for at in (0..10_000).step_by(20) {
            outages.sent(at * MS, true, fate(at));
        }
        outages.finish();
        let all = outages.found.iter();
        all.map(|one| (one.from / MS, one.to / MS, one.is_way_back()))
            .collect()
    }

    #[test]
    fn only_what_lasts_and_ends_is_an_outage() {
        let between = |from, to, fate| {
            move |at| match (from..to).contains(&at) {
                true => fate,
                false => Fate::Heard,
            }
        };
        let cut = found(between(2_000, 5_000, Fate::Missing));
        assert_eq!(cut, [(2_000, 5_000, false)]);
        let back = found(between(2_000, 5_000, Fate::Unheard));
        assert_eq!(back, [(2_000, 5_000, true)]);
        assert_eq!(found(between(2_000, 2_900, Fate::Missing)), []);
        assert_eq!(found(between(2_000, 20_000, Fate::Missing)), []);
        let half = |at| {
            if at % 40 == 0 {
                Fate::Heard
            } else {
                Fate::Missing
            }
        };
        assert_eq!(found(half), []);
    }
}
