//! Plays the committed corpora and random inputs, without a fuzzer, on any toolchain.
//!
//! `IKCP_FUZZ_INPUT=file` also plays that file, with the target that `IKCP_FUZZ_TARGET` names. `IKCP_FUZZ_RANDOM=n` makes n random
//! inputs for each target, and `IKCP_SEED=n` begins with number n.

use std::path::Path;
use std::{env, fs};

fn play(target: &str, data: &[u8]) {
    match target {
        "calls" => ikcp_fuzz::calls(data),
        "input" => ikcp_fuzz::input(data),
        "header" => ikcp_fuzz::header(data),
        #[cfg(feature = "doctor")]
        "doctor" => ikcp_fuzz::doctor(data),
        other => panic!("there is no target {other}"),
    }
}

fn corpus(target: &str) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("corpus")
        .join(target);
    let mut played = 0;
    for entry in fs::read_dir(folder).expect("a corpus") {
        let path = entry.expect("an entry").path();
        println!("{}", path.display());
        play(target, &fs::read(path).expect("an input"));
        played += 1;
    }
    assert!(played > 0, "the corpus is empty");
}

#[test]
fn calls() {
    corpus("calls");
}

#[test]
fn input() {
    corpus("input");
}

#[test]
fn header() {
    corpus("header");
}

#[cfg(feature = "doctor")]
#[test]
fn doctor() {
    corpus("doctor");
}

/// The targets that take random bytes.
const RANDOM: &[&str] = match cfg!(feature = "doctor") {
    true => &["calls", "input", "doctor"],
    false => &["calls", "input"],
};

/// Input number `seed`: random bytes, some of which repeat earlier ones, as repeated calls do.
fn random(seed: u64) -> Vec<u8> {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    };
    let mut bytes: Vec<u8> = Vec::new();
    for _ in 0..next() % 400 {
        let number = next();
        let byte = match bytes.len() {
            len if len > 4 && number & 0xf00 == 0 => bytes[number as usize % len],
            _ => number as u8,
        };
        bytes.push(byte);
    }
    bytes
}

#[test]
fn random_inputs() {
    let number = |name| env::var(name).ok().map(|n| n.parse().expect("a number"));
    let count = number("IKCP_FUZZ_RANDOM").unwrap_or(1000);
    let first = number("IKCP_SEED").unwrap_or(1);
    for seed in first..first + count {
        for target in RANDOM {
            let named = Named(target, seed);
            play(target, &random(seed));
            drop(named);
        }
    }
}

/// A callback changed the clock, flushed, and changed the clock back; the fuzzer believed that nothing may overwrite the packet.
#[test]
fn the_clock_changed_and_was_back() {
    for target in ["calls", "input"] {
        play(target, &random(1_217_882));
    }
}

/// If a panic unwinds, prints which input was played.
struct Named(&'static str, u64);

impl Drop for Named {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!(
                "{}: repeat it with IKCP_SEED={} IKCP_FUZZ_RANDOM=1",
                self.0, self.1
            );
        }
    }
}

#[test]
fn named_input() {
    if let Ok(path) = env::var("IKCP_FUZZ_INPUT") {
        let target = env::var("IKCP_FUZZ_TARGET").expect("a target");
        play(&target, &fs::read(path).expect("an input"));
    }
}
