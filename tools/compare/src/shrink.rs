//! Shortens a session to few calls that still show a difference between the two libraries (delta debugging): leaves out first
//! whole steps, then single calls of the steps that remain.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use kcp_cli::interrupt;

use crate::driver::{CallId, Identity};
use crate::lockstep::{Difference, Excerpt, Kind, Pair};

/// A shorter session and where it differs.
pub struct Minimal {
    pub identity: Identity,
    pub excerpt: Excerpt,
    pub difference: Difference,
    pub calls: usize,
}

struct Shrinking<'a> {
    pair: &'a Pair,
    identity: Identity,
    deadline: Instant,
    /// What a session must show.
    wanted: Kind,
}

impl Shrinking<'_> {
    /// Any difference will do, not only the one found first: a shorter session for another is as good. But a session in which A
    /// dies says nothing about B.
    fn test(&self, excerpt: &Excerpt) -> Option<Difference> {
        let found = self.pair.play_isolated(self.identity, excerpt)?;
        let acceptable =
            !matches!(found.kind, Kind::DiedInA(_)) || matches!(self.wanted, Kind::DiedInA(_));
        acceptable.then_some(found)
    }

    fn is_over(&self) -> bool {
        Instant::now() >= self.deadline || interrupt::requested()
    }

    /// Leaves out as many of `items` as possible. `test` tells whether the rest still differs, and may shorten it further.
    fn minimize<T: Copy>(&self, items: &mut Vec<T>, mut test: impl FnMut(&[T]) -> Option<usize>) {
        let mut chunk = items.len().div_ceil(2).max(1);
        loop {
            let mut removed = false;
            // From the end, because later steps depend on earlier ones.
            let mut end = items.len();
            while end > 0 && !self.is_over() {
                let start = end.saturating_sub(chunk);
                let candidate: Vec<T> = items[..start]
                    .iter()
                    .chain(&items[end..])
                    .copied()
                    .collect();
                if let Some(needed) = test(&candidate) {
                    *items = candidate;
                    items.truncate(needed);
                    removed = true;
                }
                end = start.min(items.len());
            }
            if chunk == 1 && !removed || self.is_over() {
                return;
            }
            if !removed || chunk > items.len() {
                chunk = (chunk / 2).max(1);
            }
        }
    }

    fn steps(&self, excerpt: &mut Excerpt) {
        let mut steps = std::mem::take(&mut excerpt.steps);
        self.minimize(&mut steps, |candidate| {
            let found = self.test(&Excerpt {
                steps: candidate.to_vec(),
                left_out: excerpt.left_out.clone(),
            })?;
            Some(found.position + 1)
        });
        excerpt.steps = steps;
    }

    fn calls(&self, excerpt: &mut Excerpt) {
        let all = self.pair.calls(self.identity, excerpt);
        let mut kept: Vec<_> = all
            .iter()
            .copied()
            .filter(|call| !excerpt.left_out.contains(call))
            .collect();
        let without = |kept: &[CallId]| {
            let mut left_out: BTreeSet<CallId> = all.iter().copied().collect();
            kept.iter().for_each(|call| {
                left_out.remove(call);
            });
            left_out
        };
        self.minimize(&mut kept, |candidate| {
            self.test(&Excerpt {
                steps: excerpt.steps.clone(),
                left_out: without(candidate),
            })?;
            Some(candidate.len())
        });
        let left_out = without(&kept);
        excerpt.left_out = left_out;
    }
}

/// Stops after `limit`: if a library hangs, every test that shows it takes [`Pair::patience`]. `None` if the session, played
/// again, does not differ.
pub fn shrink(pair: &Pair, identity: Identity, steps: u32, limit: Duration) -> Option<Minimal> {
    let mut excerpt = Excerpt {
        steps: (0..steps).collect(),
        left_out: Default::default(),
    };
    let wanted = pair.play_isolated(identity, &excerpt)?.kind;
    let shrinking = Shrinking {
        pair,
        identity,
        deadline: Instant::now() + limit,
        wanted,
    };
    shrinking.steps(&mut excerpt);
    shrinking.calls(&mut excerpt);
    // A step that lost its calls may now be left out, with everything that it was needed for.
    shrinking.steps(&mut excerpt);
    shrinking.calls(&mut excerpt);
    let difference = pair.play_isolated(identity, &excerpt)?;
    let calls = pair
        .calls(identity, &excerpt)
        .iter()
        .filter(|call| !excerpt.left_out.contains(call))
        .count();
    Some(Minimal {
        identity,
        excerpt,
        difference,
        calls,
    })
}
