//! Many sessions in several processes, until the first that differs or to the end.

use std::collections::BTreeSet;
use std::io::{Read, Write};

use kcp_cli::interrupt;

use crate::driver::{Identity, class_steps};
use crate::isolate::{self, Ended};
use crate::lockstep::{Difference, Kind, Pair};

pub struct Plan {
    pub classes: Vec<u32>,
    pub seeds: std::ops::Range<u64>,
    pub steps: u32,
    pub jobs: usize,
    pub list_every: u32,
    /// The hunt ends after this many sessions that differ.
    pub enough: usize,
}

pub struct Found {
    pub identity: Identity,
    pub difference: Difference,
}

const STARTED: u8 = 0;
const FINISHED: u8 = 1;
const DIFFERS: u8 = 2;

/// What a worker writes to the pipe, small enough that writes of several workers do not mix.
#[derive(Clone, Copy)]
struct Record {
    kind: u8,
    worker: u8,
    digest: u8,
    class: u8,
    position: u32,
    seed: u64,
}

impl Record {
    const SIZE: usize = 16;

    fn bytes(self) -> [u8; Record::SIZE] {
        let mut bytes = [0; Record::SIZE];
        bytes[..4].copy_from_slice(&[self.kind, self.worker, self.digest, self.class]);
        bytes[4..8].copy_from_slice(&self.position.to_le_bytes());
        bytes[8..].copy_from_slice(&self.seed.to_le_bytes());
        bytes
    }

    fn from_bytes(bytes: [u8; Record::SIZE]) -> Record {
        let [
            kind,
            worker,
            digest,
            class,
            p @ ..,
            s0,
            s1,
            s2,
            s3,
            s4,
            s5,
            s6,
            s7,
        ] = bytes;
        Record {
            kind,
            worker,
            digest,
            class,
            position: u32::from_le_bytes(p),
            seed: u64::from_le_bytes([s0, s1, s2, s3, s4, s5, s6, s7]),
        }
    }

    fn identity(self) -> Identity {
        Identity {
            class: self.class.into(),
            seed: self.seed,
        }
    }
}

impl Plan {
    pub fn session_count(&self) -> u64 {
        self.classes.len() as u64 * (self.seeds.end - self.seeds.start)
    }

    /// The sessions in order: all classes of a seed, then the next seed.
    fn session(&self, number: u64) -> Identity {
        let classes = self.classes.len() as u64;
        Identity {
            class: self.classes[(number % classes) as usize],
            seed: self.seeds.start + number / classes,
        }
    }

    fn work(&self, pair: &Pair, worker: usize, from: u64, mut pipe: &std::fs::File) {
        let nothing = BTreeSet::new();
        let mut tell = |record: Record| pipe.write_all(&record.bytes()).is_ok();
        for number in (from..self.session_count()).step_by(self.jobs) {
            let identity = self.session(number);
            let record = Record {
                kind: STARTED,
                worker: worker as u8,
                digest: 0,
                class: identity.class as u8,
                position: 0,
                seed: identity.seed,
            };
            // A worker receives Ctrl-C too.
            if interrupt::requested() || !tell(record) {
                return;
            }
            isolate::die_after(pair.patience);
            let steps = 0..class_steps(identity.class, self.steps);
            let told = match pair.play(identity, steps, self.list_every, &nothing, |_, _| ()) {
                None => tell(Record {
                    kind: FINISHED,
                    ..record
                }),
                Some(Difference { position, kind }) => {
                    let digest = if let Kind::Digest(digest) = kind {
                        digest as u8
                    } else {
                        0
                    };
                    tell(Record {
                        kind: DIFFERS,
                        digest,
                        position: position as u32,
                        ..record
                    })
                }
            };
            if !told {
                return;
            }
        }
    }
}

/// Plays the plan. Each finished session is reported to `progress`. Returns the number of sessions played, and those that differ.
pub fn hunt(pair: &Pair, plan: &Plan, mut progress: impl FnMut(u64)) -> (u64, Vec<Found>) {
    let jobs = plan.jobs as u64;
    let mut played = 0;
    let mut found = Vec::new();
    // Where each worker begins. A worker that died is restarted after the session that killed it.
    let mut begin: Vec<Option<u64>> = (0..jobs).map(Some).collect();
    while found.len() < plan.enough && !interrupt::requested() && begin.iter().any(Option::is_some)
    {
        let (mut read, write) = isolate::pipe();
        let workers: Vec<_> = begin
            .iter()
            .enumerate()
            .filter_map(|(worker, from)| from.map(|from| (worker, from)))
            .map(|(worker, from)| {
                (
                    worker,
                    isolate::spawn(|| plan.work(pair, worker, from, &write)),
                )
            })
            .collect();
        drop(write);
        // Each worker's present session, and its number.
        let mut at: Vec<Option<(Identity, u64)>> = vec![None; plan.jobs];
        let mut bytes = [0; Record::SIZE];
        while found.len() < plan.enough
            && !interrupt::requested()
            && read.read_exact(&mut bytes).is_ok()
        {
            let record = Record::from_bytes(bytes);
            let worker = usize::from(record.worker);
            if record.kind == STARTED {
                let number =
                    at[worker].map_or(begin[worker].unwrap_or(0), |(_, number)| number + jobs);
                at[worker] = Some((record.identity(), number));
                continue;
            }
            if record.kind == DIFFERS {
                let kind = Kind::Digest(record.digest.into());
                let difference = Difference {
                    position: record.position as usize,
                    kind,
                };
                found.push(Found {
                    identity: record.identity(),
                    difference,
                });
            }
            played += 1;
            progress(played);
        }
        let enough = found.len() >= plan.enough || interrupt::requested();
        drop(read);
        for (worker, pid) in workers {
            if enough {
                isolate::kill(pid);
            }
            let ended = isolate::wait(pid);
            begin[worker] = None;
            if let (false, Ended::Signal(signal), Some((identity, number))) =
                (enough, ended, at[worker])
            {
                // Which library it was is not known yet; B is assumed until shortening the session shows otherwise.
                let difference = Difference {
                    position: 0,
                    kind: Kind::DiedInB(signal),
                };
                found.push(Found {
                    identity,
                    difference,
                });
                played += 1;
                begin[worker] = Some(number + jobs);
            }
        }
    }
    (played, found)
}
