//! What became of transmissions, as far as that is known: of what was sent at about the same time, most had the same fate.

use super::outage::Outages;
use super::sender::{MS, Sender, Sending, Time};

pub struct Fates<'a> {
    outages: &'a Outages,
    /// When those were sent that were lost for sure.
    lost: Vec<Time>,
    /// The same of those that arrived, and whose acknowledgements did not.
    unheard: Vec<Time>,
}

/// How many of these are no further away than what is lost together.
fn around(all: &[Time], at: Time) -> usize {
    const AROUND: Time = 200 * MS;
    all.partition_point(|one| *one <= at + AROUND) - all.partition_point(|one| *one < at - AROUND)
}

impl Fates<'_> {
    pub fn of(sender: &Sender) -> Fates<'_> {
        let sendings = sender.resent.iter().flat_map(|one| &one.sendings);
        let lost = sendings.filter(|one| one.lacked || one.hidden);
        let mut lost: Vec<Time> = lost.map(|one| one.sent).collect();
        let mut unheard = match sender.peer_tells_last() {
            true => Vec::new(),
            false => sender.unheard_once.clone(),
        };
        lost.sort_unstable();
        unheard.sort_unstable();
        Fates {
            outages: &sender.outages,
            lost,
            unheard,
        }
    }

    /// Whether this was lost, if it was sent in an outage.
    pub fn lost_in_outage(&self, sending: &Sending) -> Option<bool> {
        let outage = self.outages.at(sending.at)?;
        Some(!outage.is_way_back())
    }

    /// The same, where nearly all that is known of what was sent at that time says so.
    pub fn lost_beside_others(&self, sending: &Sending) -> Option<bool> {
        const ENOUGH: usize = 3;
        const CLEAR: usize = 4;
        let (lost, unheard) = (
            around(&self.lost, sending.sent),
            around(&self.unheard, sending.sent),
        );
        if lost >= ENOUGH.max(CLEAR * unheard) {
            return Some(true);
        }
        (unheard >= ENOUGH.max(CLEAR * lost)).then_some(false)
    }
}
