//! Explains where two libraries differ, and after which calls.

use crate::driver::{DIGEST_NAMES, Identity, TraceKind, class_names};
use crate::isolate::signal_name;
use crate::lockstep::{Difference, Kind, Line, Pair};
use crate::shrink::Minimal;

/// One line about a difference, for a list of them.
pub fn headline(identity: Identity, steps: u32, difference: &Difference) -> String {
    let class = class_names()[identity.class as usize];
    let what = match difference.kind {
        Kind::Digest(digest) => {
            format!(
                "the {} differ",
                DIGEST_NAMES[digest].replace("wire", "packets, returns, logs or hook calls")
            )
        }
        Kind::DiedInA(signal) => format!("A {}", signal_name(signal)),
        Kind::DiedInB(signal) => format!("B {}", signal_name(signal)),
    };
    let place = match difference.position {
        position if position >= steps as usize => "at the release".into(),
        position => format!("step {position}"),
    };
    format!("class {class}, seed {}, {place}: {what}", identity.seed)
}

/// Packets of many segments make long lines; the beginning is enough.
fn shortened(text: &str) -> String {
    const LONG: usize = 240;
    match text.char_indices().nth(LONG) {
        Some((end, _)) => format!("{} ...", &text[..end]),
        None => text.to_owned(),
    }
}

/// The calls of a minimal session with their results, then the first line that differs.
pub fn explain(pair: &Pair, minimal: &Minimal) -> String {
    let steps = &minimal.excerpt.steps;
    let release = minimal.difference.position >= steps.len();
    let (lines_a, signal_a) = pair.trace(0, minimal.identity, &minimal.excerpt, release);
    let (lines_b, signal_b) = pair.trace(1, minimal.identity, &minimal.excerpt, release);
    let compared = |lines: &[Line]| -> Vec<Line> {
        lines
            .iter()
            .filter(|l| l.kind != TraceKind::Call)
            .cloned()
            .collect()
    };
    let (told_a, told_b) = (compared(&lines_a), compared(&lines_b));
    let parted = told_a
        .iter()
        .zip(&told_b)
        .position(|(x, y)| x != y)
        .unwrap_or(told_a.len().min(told_b.len()));

    let mut text = String::new();
    let mut step = None;
    let mut seen = 0;
    for line in &lines_a {
        if line.kind != TraceKind::Call {
            seen += 1;
            if seen > parted {
                break;
            }
        }
        if matches!(line.kind, TraceKind::Scalar | TraceKind::List) {
            continue;
        }
        if step != Some(line.position) {
            step = Some(line.position);
            match steps.get(line.position) {
                Some(number) => text += &format!("step {number}\n"),
                None => text += "release\n",
            }
        }
        let indent = if line.kind == TraceKind::Call { 4 } else { 6 };
        text += &format!("{:indent$}{}\n", "", shortened(line.text.trim()));
    }
    let side = |told: &[Line], signal: Option<i32>| match (told.get(parted), signal) {
        (Some(line), _) => line.text.trim().to_owned(),
        (None, Some(signal)) => signal_name(signal),
        (None, None) => "nothing more".into(),
    };
    text += "first difference\n";
    text += &format!("    A: {}\n", side(&told_a, signal_a));
    text += &format!("    B: {}\n", side(&told_b, signal_b));
    text
}
