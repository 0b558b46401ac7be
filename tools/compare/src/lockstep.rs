//! One session on both libraries, step by step.

use std::cell::Cell;
use std::collections::BTreeSet;

use crate::driver::{CallId, Digests, Identity, Session, Skip, Trace, TraceKind, Watch};
use crate::isolate::{self, Ended};
use crate::library::Library;

/// The two libraries and how sessions are played on them.
pub struct Pair {
    pub a: Library,
    pub b: Library,
    pub has_cc: bool,
    /// A session counts as hanging after this many seconds.
    pub patience: u32,
}

/// What is played of a session: some of its steps, without some of their calls.
#[derive(Clone, Debug)]
pub struct Excerpt {
    pub steps: Vec<u32>,
    pub left_out: BTreeSet<CallId>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// Index of the first digest that differs.
    Digest(usize),
    /// The process died of this signal while library A ran ...
    DiedInA(i32),
    /// ... or library B.
    DiedInB(i32),
}

/// Where two sessions begin to differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Position in the list of steps; the list's length for the release at the end.
    pub position: usize,
    pub kind: Kind,
}

fn first_difference(a: &Digests, b: &Digests) -> Option<usize> {
    a.iter().zip(b).position(|(x, y)| x != y)
}

/// A skip function for a set of calls; `None` if the set is empty.
fn skipping(left_out: &BTreeSet<CallId>) -> Option<impl FnMut(CallId) -> bool> {
    (!left_out.is_empty()).then_some(|call| left_out.contains(&call))
}

impl Pair {
    fn library(&self, slot: u32) -> &Library {
        if slot == 0 { &self.a } else { &self.b }
    }

    /// Plays the steps on both and stops at the first that differs. Runs in this process, so a crash ends it. `before` gets each
    /// step and the library that is about to play it.
    pub fn play(
        &self,
        identity: Identity,
        steps: impl IntoIterator<Item = u32>,
        list_every: u32,
        left_out: &BTreeSet<CallId>,
        mut before: impl FnMut(usize, u8),
    ) -> Option<Difference> {
        let (mut skip_a, mut skip_b) = (skipping(left_out), skipping(left_out));
        let watch_a = Watch {
            trace: None,
            skip: skip_a.as_mut().map(|skip| skip as &mut Skip),
        };
        let watch_b = Watch {
            trace: None,
            skip: skip_b.as_mut().map(|skip| skip as &mut Skip),
        };
        let mut a = Session::open(&self.a, 0, identity, self.has_cc, list_every, watch_a);
        let mut b = Session::open(&self.b, 1, identity, self.has_cc, list_every, watch_b);
        let mut position = 0;
        for step in steps {
            before(position, 0);
            a.step(step);
            before(position, 1);
            b.step(step);
            if let Some(digest) = first_difference(&a.digests(), &b.digests()) {
                return Some(Difference {
                    position,
                    kind: Kind::Digest(digest),
                });
            }
            position += 1;
        }
        before(position, 0);
        let end_a = a.close();
        before(position, 1);
        let end_b = b.close();
        let digest = first_difference(&end_a, &end_b)?;
        Some(Difference {
            position,
            kind: Kind::Digest(digest),
        })
    }

    /// Does the same in a process of its own, which may crash or hang. Compares the lists after every step.
    pub fn play_isolated(&self, identity: Identity, excerpt: &Excerpt) -> Option<Difference> {
        const FOUND: u8 = 2;
        let (ended, told) = isolate::run(self.patience, |pipe| {
            let mut mark = |tag: u8, number: usize| {
                // If the parent is gone, nothing needs the result.
                let _ =
                    pipe.write_all(&[tag, (number >> 16) as u8, (number >> 8) as u8, number as u8]);
            };
            let steps = excerpt.steps.iter().copied();
            let found = self.play(identity, steps, 1, &excerpt.left_out, |position, slot| {
                mark(slot, position)
            });
            if let Some(Difference {
                position,
                kind: Kind::Digest(digest),
            }) = found
            {
                mark(FOUND + digest as u8, position);
            }
        });
        let last = told
            .rchunks_exact(4)
            .next()
            .map_or([0; 4], |r| [r[0], r[1], r[2], r[3]]);
        let [tag, high, middle, low] = last;
        let position = usize::from(high) << 16 | usize::from(middle) << 8 | usize::from(low);
        match (ended, tag) {
            (Ended::Signal(signal), 0) => Some(Difference {
                position,
                kind: Kind::DiedInA(signal),
            }),
            (Ended::Signal(signal), _) => Some(Difference {
                position,
                kind: Kind::DiedInB(signal),
            }),
            (Ended::Normally, FOUND..) => Some(Difference {
                position,
                kind: Kind::Digest((tag - FOUND).into()),
            }),
            (Ended::Normally, _) => None,
        }
    }

    /// The calls that library A gets in the excerpt, including those that are left out.
    pub fn calls(&self, identity: Identity, excerpt: &Excerpt) -> Vec<CallId> {
        let (_, told) = isolate::run(self.patience, |pipe| {
            let mut note = |(step, call): CallId| {
                let mut record = [0; 8];
                record[..4].copy_from_slice(&step.to_le_bytes());
                record[4..].copy_from_slice(&call.to_le_bytes());
                let _ = pipe.write_all(&record);
                excerpt.left_out.contains(&(step, call))
            };
            let watch = Watch {
                trace: None,
                skip: Some(&mut note),
            };
            let mut session = Session::open(&self.a, 0, identity, self.has_cc, 0, watch);
            excerpt.steps.iter().for_each(|step| session.step(*step));
        });
        let number = |bytes: &[u8]| {
            bytes
                .iter()
                .rev()
                .fold(0, |value, byte| value << 8 | u32::from(*byte))
        };
        told.chunks_exact(8)
            .map(|record| (number(&record[..4]), number(&record[4..])))
            .collect()
    }

    /// Everything one library (A in slot 0, B in slot 1) does in the excerpt, and the signal that stopped it, if one did.
    pub fn trace(
        &self,
        slot: u32,
        identity: Identity,
        excerpt: &Excerpt,
        release: bool,
    ) -> (Vec<Line>, Option<i32>) {
        let (ended, told) = isolate::run(self.patience, |pipe| {
            let position = Cell::new(0);
            let mut skip = skipping(&excerpt.left_out);
            let mut tell = |kind: TraceKind, text: &str| {
                let line = format!(
                    "{} {} {}\n",
                    kind.letter(),
                    position.get(),
                    text.replace('\n', "\\n")
                );
                let _ = pipe.write_all(line.as_bytes());
            };
            let tell: &mut Trace = &mut tell;
            let watch = Watch {
                trace: Some(tell),
                skip: skip.as_mut().map(|skip| skip as &mut Skip),
            };
            let mut session =
                Session::open(self.library(slot), slot, identity, self.has_cc, 1, watch);
            for (index, step) in excerpt.steps.iter().enumerate() {
                position.set(index);
                session.step(*step);
            }
            position.set(excerpt.steps.len());
            if release {
                session.close();
            }
        });
        let lines = String::from_utf8_lossy(&told)
            .lines()
            .filter_map(Line::parse)
            .collect();
        let signal = match ended {
            Ended::Normally => None,
            Ended::Signal(signal) => Some(signal),
        };
        (lines, signal)
    }
}

/// A line of a traced session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Position in the list of steps; 0 before the first.
    pub position: usize,
    pub kind: TraceKind,
    pub text: String,
}

impl Line {
    fn parse(line: &str) -> Option<Line> {
        let mut parts = line.splitn(3, ' ');
        let kind = TraceKind::from_letter(parts.next()?)?;
        Some(Line {
            kind,
            position: parts.next()?.parse().ok()?,
            text: parts.next()?.to_owned(),
        })
    }
}
