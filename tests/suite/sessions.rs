//! Simulated sessions in virtual time: every byte arrives once and in order, in every mode, on every kind of link.

use std::env;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::library::{ALL, Flavour};
use crate::suite::{Outcome, Suite};
use crate::tools::{COMPILERS, Linkage};

/// The modes of c-tests/simulation.c.
const MODES: [&str; 8] = [
    "default",
    "normal",
    "fast",
    "nodelay",
    "congestion",
    "stream",
    "stream-default",
    "stream-congestion",
];

/// The number of sessions, in the short run and in the full one.
const SESSIONS: [u32; 2] = [200, 1000];

pub fn add(suite: &mut Suite) {
    let [gcc, ..] = COMPILERS;
    let seed = seed();
    // The tests once gave up after an hour of virtual time, which the original needs for this session too.
    suite.test_unless(
        gcc.missing(),
        "sessions: a segment lost fourteen times in a row arrives after more than an hour",
        || run(ALL[0], "stream-default", 396_545, 1),
    );
    for flavour in ALL {
        for mode in MODES {
            let name = format!("sessions: {mode}, {}, seed {seed}", flavour.name);
            let sessions = SESSIONS[usize::from(suite.is_full())];
            suite.test_in(flavour.extent(), gcc.missing(), name, move || {
                run(flavour, mode, seed, sessions)
            });
        }
    }
}

/// A new seed for each run, unless the environment names one.
pub fn seed() -> u64 {
    match env::var("IKCP_SEED").map(|seed| seed.parse()) {
        Ok(Ok(seed)) => seed,
        Ok(Err(error)) => panic!("IKCP_SEED is not a number: {error}"),
        Err(_) => SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(1, |time| u64::from(time.subsec_nanos()) / 1000),
    }
}

fn run(flavour: Flavour, mode: &str, seed: u64, sessions: u32) -> Outcome {
    let [gcc, ..] = COMPILERS;
    gcc.link(&["simulation.c"], flavour, Linkage::Static)?
        .run(&[mode, &seed.to_string(), &sessions.to_string()])?;
    Ok(())
}
