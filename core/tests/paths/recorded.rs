//! Results that are kept in a file, a line for each row. The numbers are exact, because only the seed is random. A change of a control
//! changes them, and the difference shows whether the change is good. IKCP_BLESS=1 writes the rows that were played.

use std::collections::BTreeMap;
use std::fs;
use std::num::NonZero;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

pub trait Row: Sync {
    /// What is played: the beginning of its line.
    fn key(&self) -> String;

    /// Plays it, and says what came out.
    fn play(&self) -> String;
}

fn path(file: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/paths")
        .join(file)
}

/// The recorded result of each key.
pub fn results(file: &str) -> BTreeMap<String, String> {
    fs::read_to_string(path(file))
        .unwrap_or_default()
        .lines()
        .filter_map(|line| line.split_once(": "))
        .filter(|(key, _)| !key.starts_with('#'))
        .map(|(key, value)| (key.to_string(), value.to_string()))
        .collect()
}

/// The numbers of one line.
pub fn numbers(result: &str) -> Vec<f64> {
    let number = |value: &str| value.parse().expect("a number");
    result.split(' ').map(number).collect()
}

/// The key and the result of each row. Rows share nothing, so each core plays the next one.
fn play_all<R: Row>(rows: &[&R]) -> BTreeMap<String, String> {
    let next = AtomicUsize::new(0);
    let play = || {
        std::iter::from_fn(|| rows.get(next.fetch_add(1, Ordering::Relaxed)))
            .map(|row| (row.key(), row.play()))
            .collect::<Vec<_>>()
    };
    thread::scope(|scope| {
        let cores = thread::available_parallelism().map_or(1, NonZero::get);
        let players: Vec<_> = (0..cores).map(|_| scope.spawn(play)).collect();
        players
            .into_iter()
            .flat_map(|player| player.join().expect("its rows"))
            .collect()
    })
}

/// Plays those of `rows` that are wanted. Their results are those of `file`, whose comment is `head`.
pub fn check<R: Row>(file: &str, head: &str, rows: &[R], wanted: impl Fn(&R) -> bool) {
    let mut recorded = results(file);
    let wanted: Vec<&R> = rows.iter().filter(|row| wanted(row)).collect();
    let mut others = Vec::new();
    for (key, found) in play_all(&wanted) {
        let was = recorded.insert(key.clone(), found.clone());
        if was.as_deref() != Some(&found) {
            others.push(format!("{key}: {} was {}", found, was.unwrap_or_default()));
        }
    }
    if std::env::var_os("IKCP_BLESS").is_some() {
        let line = |row: &R| {
            let key = row.key();
            Some(format!("{key}: {}\n", recorded.get(&key)?))
        };
        let lines: String = rows.iter().filter_map(line).collect();
        fs::write(path(file), head.to_string() + &lines).expect("the results are written");
    } else {
        assert!(others.is_empty(), "{}", others.join("\n"));
    }
}
