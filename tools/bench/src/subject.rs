//! The implementations and libraries that are measured.

use std::path::PathBuf;

use anyhow::Result;
use kcp_abi::Library;
use kcp_cli::OrRefuse;

use crate::endpoint::{Crate, Implementation, Shared};
use crate::hostile;
use crate::idle;
use crate::memory;
use crate::null::Null;
use crate::scenarios::{Per, Work};
use crate::size::{self, Code};
use crate::transfer::{self, Delivered};
use crate::trickle;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    Null,
    Ours,
    /// The implementation that ours replaces.
    Original,
    Other,
}

pub struct Subject {
    pub name: String,
    pub role: Role,
    kind: Kind,
}

enum Kind {
    Null,
    Crate,
    Library {
        library: &'static Library,
        archive: Option<PathBuf>,
    },
}

/// The result of one run of one piece of work.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Outcome {
    Delivered(Delivered),
    /// Nanoseconds for a number of operations.
    Operations(f64, u64),
    Bytes(f64),
}

impl Outcome {
    pub fn value(&self, per: Per) -> f64 {
        match (self, per) {
            (Outcome::Delivered(run), Per::Kib) => run.nanoseconds / (run.bytes as f64 / 1024.0),
            (Outcome::Delivered(run), Per::Packet) => run.nanoseconds / run.forth.packets as f64,
            (Outcome::Operations(nanoseconds, number), Per::Operation) => {
                nanoseconds / *number as f64
            }
            (Outcome::Bytes(bytes), Per::Byte) => *bytes,
            (outcome, per) => unreachable!("{outcome:?} has no figure {per:?}"),
        }
    }

    /// Whether both runs sent the same packets at the same virtual times, as far as counters show.
    pub fn same_traffic(&self, other: &Outcome) -> bool {
        match (self, other) {
            (Outcome::Delivered(ours), Outcome::Delivered(theirs)) => {
                Delivered {
                    nanoseconds: 0.0,
                    ..*ours
                } == Delivered {
                    nanoseconds: 0.0,
                    ..*theirs
                }
            }
            _ => true,
        }
    }

    /// Whether another run may give another figure.
    pub fn varies(&self) -> bool {
        !matches!(self, Outcome::Bytes(_))
    }
}

impl Subject {
    pub fn null() -> Subject {
        Subject {
            name: "null".into(),
            role: Role::Null,
            kind: Kind::Null,
        }
    }

    pub fn crate_kcp() -> Subject {
        Subject {
            name: "crate kcp".into(),
            role: Role::Other,
            kind: Kind::Crate,
        }
    }

    pub fn library(
        name: &str,
        role: Role,
        path: &std::path::Path,
        archive: Option<PathBuf>,
    ) -> Result<Subject> {
        let library = open(path)?;
        Ok(Subject {
            name: name.into(),
            role,
            kind: Kind::Library { library, archive },
        })
    }

    /// Does `work` once; `None` if it does not apply.
    pub fn run(&self, work: Work, seed: u64) -> Result<Option<Outcome>> {
        Ok(match &self.kind {
            Kind::Null => match work {
                Work::Transfer(work)
                    if work.path.loss > 0.0 || work.path.jitter > 0 || work.stream =>
                {
                    None
                }
                Work::Transfer(_) | Work::Idle(_) | Work::Trickle(_) => timed(&Null, work, seed),
                _ => None,
            },
            Kind::Crate => timed(&Crate, work, seed),
            Kind::Library { library, archive } => match work {
                Work::Memory(footprint) => {
                    Some(Outcome::Bytes(memory::measure(library, footprint)))
                }
                Work::Size(Code::Shared) => Some(Outcome::Bytes(size::shared(library.path())?)),
                Work::Size(Code::Static) => match archive {
                    Some(archive) => Some(Outcome::Bytes(size::added_text(archive)?)),
                    None => None,
                },
                _ => timed(&Shared::new(library), work, seed),
            },
        })
    }
}

pub fn open(path: &std::path::Path) -> Result<&'static Library> {
    Library::open(path).or_refuse(format!("cannot use {}", path.display()))
}

/// The part of the work that has a duration.
pub fn timed<I: Implementation>(implementation: &I, work: Work, seed: u64) -> Option<Outcome> {
    match work {
        Work::Transfer(work) => Some(Outcome::Delivered(transfer::run(
            implementation,
            work,
            seed,
        ))),
        Work::Idle(work) => {
            let (nanoseconds, number) = idle::run(implementation, work);
            Some(Outcome::Operations(nanoseconds, number))
        }
        Work::Trickle(work) => {
            let (nanoseconds, number) = trickle::run(implementation, work, seed);
            Some(Outcome::Operations(nanoseconds, number))
        }
        Work::Hostile(work) => {
            let (nanoseconds, number) = hostile::run(implementation, work);
            Some(Outcome::Operations(nanoseconds, number))
        }
        Work::Memory(_) | Work::Size(_) => None,
    }
}
