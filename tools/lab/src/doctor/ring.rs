//! The ring of events that a program copies (examples/ring), compiled, run, and read.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use super::Diagnosis;
use super::counters;
use super::findings::Kind;
use super::matrix::examine;

fn run(command: &mut Command) {
    let output = command.output().unwrap();
    assert!(
        output.status.success(),
        "{command:?}: {}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}

/// What the ring of the example says after its session, with room for so many events.
fn session(name: &str, events: usize) -> (Diagnosis, Value) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let example = root.join("examples/ring");
    let library = kcp_abi::ours().unwrap();
    let folder = std::env::temp_dir().join(format!("kcp-lab-ring-{name}-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let (program, capture): (PathBuf, PathBuf) = (folder.join("session"), folder.join("late.pcap"));
    let stats = folder.join("late.jsonl");
    run(Command::new("cc")
        .args(["-O1", "-g", "-std=c11", "-Wall", "-Wextra", "-Werror"])
        .arg("-I")
        .arg(root.join("include"))
        .arg(example.join("session.c"))
        .arg(example.join("ring.c"))
        .arg(example.join("stats.c"))
        .arg(&library)
        .arg(format!(
            "-Wl,-rpath,{}",
            library.parent().unwrap().display()
        ))
        .arg("-o")
        .arg(&program));
    run(Command::new(&program)
        .arg(&capture)
        .arg(events.to_string())
        .arg(&stats));
    assert!(counters::is_here(&stats).unwrap() && !counters::is_here(&capture).unwrap());
    let counted = counters::of(&stats).unwrap();
    let bytes = std::fs::read(&capture).unwrap();
    std::fs::remove_dir_all(&folder).unwrap();
    (examine(&bytes), counted)
}

#[test]
fn the_ring_tells_the_window_that_held_the_program_up() {
    let (diagnosis, counted) = session("all", 100_000);
    assert_eq!(
        (diagnosis.conversations.len(), diagnosis.beside.other),
        (1, 0)
    );
    let judged = &diagnosis.conversations[0];
    assert_eq!(judged.found.conv, 0x1122_3344);
    let first = &judged.findings[0];
    assert_eq!(
        (first.kind, first.side),
        (Kind::OwnWindow, 0),
        "{:?}",
        judged.findings
    );
    let sender = &judged.found.conversation.senders[0];
    assert_eq!(judged.settings[0].most_in_flight, 8);
    assert_eq!(sender.payload, sender.fresh * 1_000);
    assert!(sender.resends > 30 && sender.acked_by_number > 1_000);

    // What the same end counted says the same.
    let one = &counted["counted"][0];
    assert_eq!(counted["unreadable_lines"], 0);
    assert_eq!(one["conv"], 0x1122_3344);
    assert_eq!(one["findings"][0]["kind"], "own-window", "{one}");
    assert!(
        one["findings"][0]["cost_ms"].as_i64().unwrap() > 15_000,
        "{one}"
    );
    // The first line came after a second.
    let resent = one["resent"].as_u64().unwrap();
    assert!(
        resent <= sender.resends && resent * 10 > sender.resends * 8,
        "{one}"
    );
}

#[test]
fn a_ring_that_has_gone_round_has_the_last_events() {
    let (diagnosis, _) = session("round", 1_000);
    let judged = &diagnosis.conversations[0];
    let sender = &judged.found.conversation.senders[0];
    assert!(
        (100..600).contains(&sender.fresh),
        "{} segments",
        sender.fresh
    );
    assert_eq!(judged.findings[0].kind, Kind::OwnWindow);
}
