//! Plays the committed corpora without a fuzzer, on any toolchain. `IKCP_FUZZ_INPUT=file` plays that one instead, with the
//! target that `IKCP_FUZZ_TARGET` names.

use std::path::Path;
use std::{env, fs};

fn play(target: &str, data: &[u8]) {
    match target {
        "calls" => ikcp_fuzz::calls(data),
        "input" => ikcp_fuzz::input(data),
        "header" => ikcp_fuzz::header(data),
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

#[test]
fn named_input() {
    if let Ok(path) = env::var("IKCP_FUZZ_INPUT") {
        let target = env::var("IKCP_FUZZ_TARGET").expect("a target");
        play(&target, &fs::read(path).expect("an input"));
    }
}
