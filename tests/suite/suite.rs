//! Collects the tests, runs them, and lists those that did not run.

use std::collections::{BTreeMap, BTreeSet};
use std::env;
use std::mem;
use std::process::{Command, ExitCode};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use libtest_mimic::{Arguments, Completion, Failed, Trial};

use crate::packages;

/// What a test returns; the error is printed.
pub type Outcome = Result<(), Failed>;

/// When a test runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// Always: the test command takes a few minutes.
    Short,
    /// With `IKCP_TESTS=all`, which `.ci/run` sets, or if the command line has a filter.
    Full,
}

/// Tests of real time, by how their names begin. What runs beside such a test may take the time that it needs, so it runs once more
/// alone at the end if it failed beside others.
const OF_REAL_TIME: [&str; 4] = ["cost/", "examples: ", "latency: ", "stack: "];

/// A test that failed beside others, and what it said.
struct Again {
    name: String,
    test: Box<dyn Fn() -> Outcome + Send>,
    first: Failed,
}

pub fn add(suite: &mut Suite) {
    suite.test("suite: a test that lacks a tool never passes", never_passes);
}

/// With `--include-ignored` it said "ok" without having run.
fn never_passes() -> Outcome {
    let output = Command::new(env::current_exe()?)
        .args(["--include-ignored", "latency: a dead link"])
        .env("PATH", "")
        .output()?;
    let wrote = String::from_utf8_lossy(&output.stdout);
    match wrote.contains("0 passed, 1 failed") && wrote.contains("Did not run, no gcc") {
        true => Ok(()),
        false => Err(wrote.into_owned().into()),
    }
}

/// How long each test took.
static TOOK: Mutex<Vec<(Duration, String)>> = Mutex::new(Vec::new());

static AGAIN: Mutex<Vec<Again>> = Mutex::new(Vec::new());

/// Whether tests run beside each other.
static BESIDE: AtomicBool = AtomicBool::new(false);

pub struct Suite {
    arguments: Arguments,
    trials: Vec<Trial>,
    skipped: Vec<(String, String)>,
    left_to_ci: usize,
}

impl Suite {
    pub fn new() -> Suite {
        Suite {
            arguments: Arguments::from_args(),
            trials: Vec::new(),
            skipped: Vec::new(),
            left_to_ci: 0,
        }
    }

    /// Whether tests of the full extent run too.
    pub fn is_full(&self) -> bool {
        let all = env::var("IKCP_TESTS").is_ok_and(|extent| extent == "all");
        all || self.arguments.filter.is_some()
    }

    pub fn test(&mut self, name: impl Into<String>, test: impl Fn() -> Outcome + Send + 'static) {
        self.test_in(Extent::Short, None, name, test);
    }

    /// A test that needs something that this machine may lack: `missing` names it.
    pub fn test_unless(
        &mut self,
        missing: Option<String>,
        name: impl Into<String>,
        test: impl Fn() -> Outcome + Send + 'static,
    ) {
        self.test_in(Extent::Short, missing, name, test);
    }

    pub fn test_in(
        &mut self,
        extent: Extent,
        missing: Option<String>,
        name: impl Into<String>,
        test: impl Fn() -> Outcome + Send + 'static,
    ) {
        if extent == Extent::Full && !self.is_full() {
            self.left_to_ci += 1;
            return;
        }
        let name = name.into();
        let trial = match missing {
            None => {
                let of_real_time = OF_REAL_TIME.iter().any(|start| name.starts_with(start));
                Trial::ignorable_test(name.clone(), move || {
                    let begun = Instant::now();
                    let outcome = test();
                    locked(&TOOK).push((begun.elapsed(), name.clone()));
                    LEFT.count_down();
                    match outcome {
                        Err(first) if of_real_time && BESIDE.load(Ordering::Relaxed) => {
                            let test = Box::new(test);
                            locked(&AGAIN).push(Again { name, test, first });
                            Ok(Completion::ignored_with("failed, runs alone at the end"))
                        }
                        outcome => outcome.map(|()| Completion::Completed),
                    }
                })
            }
            Some(lack) => {
                self.skipped.push((name.clone(), lack.clone()));
                Trial::test(name, || Err(lack.into())).with_ignored_flag(true)
            }
        };
        self.trials.push(trial);
    }

    pub fn run(self) -> ExitCode {
        let arguments = self.arguments;
        let chosen: BTreeSet<&str> = self
            .trials
            .iter()
            .filter(|trial| !arguments.is_filtered_out(trial))
            .map(Trial::name)
            .collect();
        let lacking: Vec<_> = self
            .skipped
            .iter()
            .filter(|(name, _)| chosen.contains(name.as_str()))
            .cloned()
            .collect();
        // With one thread, the name of a test is printed before its result on the same line.
        if !arguments.list && arguments.test_threads != Some(1) {
            LEFT.start(chosen.len() - lacking.len());
        }
        let beside = arguments.test_threads != Some(1) && chosen.len() > 1;
        BESIDE.store(beside, Ordering::Relaxed);
        let listing = arguments.list;
        let conclusion = libtest_mimic::run(&arguments, self.trials);
        let again = mem::take(&mut *locked(&AGAIN));
        let (repeated, failed_twice) = (again.len(), run_alone(again));
        if !listing {
            tell_lacking(&lacking);
            println!(
                "{} passed, {} failed, {} skipped",
                conclusion.num_passed + (repeated - failed_twice) as u64,
                conclusion.num_failed + failed_twice as u64,
                conclusion.num_ignored - repeated as u64
            );
            tell_slowest(mem::take(&mut *locked(&TOOK)));
            if self.left_to_ci > 0 {
                println!(
                    "{} tests of rarer setups are left out, which take some minutes more. With them: IKCP_TESTS=all cargo test --locked",
                    self.left_to_ci
                );
                println!("Everything that must pass before a change is merged: .ci/run");
            }
        }
        match failed_twice {
            0 => conclusion.exit_code(),
            _ => ExitCode::FAILURE,
        }
    }
}

/// Runs tests that failed beside others once more, one after the other, and prints what each said. Returns how many failed again.
fn run_alone(again: Vec<Again>) -> usize {
    let mut failed = 0;
    for Again { name, test, first } in again {
        let said = |failed: Failed| failed.message().unwrap_or_default().to_string();
        let first = said(first);
        match test() {
            Ok(()) => println!("\nfailed beside others, passed alone: {name}\n{first}"),
            Err(second) => {
                failed += 1;
                let second = said(second);
                println!("\nfailed beside others, and alone: {name}\n{first}\nalone:\n{second}");
            }
        }
    }
    failed
}

/// What a mutex holds, also if a test panicked while it had the lock.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Prints which groups of tests, by how their names begin, took longest, and which tests, where there are many.
fn tell_slowest(took: Vec<(Duration, String)>) {
    const SLOWEST: usize = 10;
    if took.len() <= SLOWEST {
        return;
    }
    let mut groups = BTreeMap::<&str, Duration>::new();
    for (time, name) in &took {
        let group = name.split([':', '/']).next().unwrap_or_default();
        *groups.entry(group).or_default() += *time;
    }
    let groups = groups
        .into_iter()
        .map(|(name, time)| (time, name.to_string()));
    print_slowest("groups", groups.collect(), SLOWEST);
    print_slowest("tests", took, SLOWEST);
}

fn print_slowest(what: &str, mut took: Vec<(Duration, String)>, count: usize) {
    took.sort();
    println!("The slowest {what}:");
    for (time, name) in took.iter().rev().take(count) {
        println!("{:5.0} s  {name}", time.as_secs_f64());
    }
}

/// Prints which tests did not run, why, and the commands that install what they need.
fn tell_lacking(skipped: &[(String, String)]) {
    let mut lacking: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (name, lack) in skipped {
        lacking.entry(lack).or_default().push(name);
    }
    if lacking.is_empty() {
        println!("No test lacked a tool.");
        return;
    }
    for (lack, names) in &lacking {
        println!("Did not run, {lack}:");
        for name in names {
            println!("  {name}");
        }
    }
    for command in packages::commands(lacking.keys().copied()) {
        println!("To run them: {command}");
    }
}

/// The number of tests left, printed every ten seconds.
struct Left {
    tests: AtomicUsize,
    told: Mutex<Option<Instant>>,
}

static LEFT: Left = Left {
    tests: AtomicUsize::new(0),
    told: Mutex::new(None),
};

impl Left {
    fn start(&self, tests: usize) {
        self.tests.store(tests, Ordering::Relaxed);
        if let Ok(mut told) = self.told.lock() {
            *told = Some(Instant::now());
        }
    }

    fn count_down(&self) {
        let left = self.tests.fetch_sub(1, Ordering::Relaxed).wrapping_sub(1);
        let Ok(mut told) = self.told.lock() else {
            return; // another test panicked while it printed
        };
        if left > 0 && told.is_some_and(|told| told.elapsed() > Duration::from_secs(10)) {
            *told = Some(Instant::now());
            println!("... {left} tests left");
        }
    }
}
