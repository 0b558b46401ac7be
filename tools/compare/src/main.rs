//! Plays the same random sessions on two shared libraries in lock step. At the first difference it stops, names seed, class, step
//! and both values, and shortens the session to few calls.

mod driver;
mod hunt;
mod isolate;
mod library;
mod lockstep;
mod report;
mod shrink;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};
use clap::Parser;
use indicatif::{ProgressBar, ProgressStyle};

use driver::{Layout, class_names, class_steps};
use hunt::{Found, Plan, hunt};
use library::{Library, Profile, prove_two};
use lockstep::{Kind, Pair};
use report::{explain, headline};
use shrink::{Minimal, shrink};

#[derive(Parser)]
#[command(about, version)]
struct Options {
    /// Shared library A, the one to measure against
    a: PathBuf,
    /// Shared library B
    b: PathBuf,
    /// Seeds, from A up to, not including, B; each is played in every class
    #[arg(long, default_value = "0..200", value_parser = parse_seeds)]
    seeds: std::ops::Range<u64>,
    /// Classes of session (default: all)
    #[arg(long, value_delimiter = ',')]
    class: Vec<String>,
    /// Steps of a session; costly classes play a fixed part of them
    #[arg(long, default_value_t = 1500)]
    steps: u32,
    /// Processes
    #[arg(long, short, default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..=255))]
    jobs: u16,
    /// The behaviour both libraries must show; without it they need only agree
    #[arg(long)]
    profile: Option<Profile>,
    /// Layout of A's public struct, where it cannot be found out
    #[arg(long)]
    layout_a: Option<Layout>,
    /// Layout of B's public struct
    #[arg(long)]
    layout_b: Option<Layout>,
    /// Compare the lists after every so many steps; 0: in the rhythm of the golden digests
    #[arg(long, default_value_t = 0)]
    lists_every: u32,
    /// Do not stop at a difference, count sessions that differ by class
    #[arg(long)]
    tally: bool,
    /// Sessions that differ from which to choose the one that comes down to the fewest calls
    #[arg(long, default_value_t = 8)]
    candidates: usize,
    /// Report the first difference as it was found
    #[arg(long)]
    no_shrink: bool,
    /// Seconds after which shortening stops where it is
    #[arg(long, default_value_t = 20)]
    shrink_seconds: u64,
    /// Seconds after which a session counts as hanging
    #[arg(long, default_value_t = 60)]
    patience: u32,
}

fn parse_seeds(text: &str) -> Result<std::ops::Range<u64>> {
    let range = match text.split_once("..") {
        Some((first, last)) => first.parse()?..last.parse()?,
        None => {
            let seed: u64 = text.parse()?;
            seed..seed + 1
        }
    };
    ensure!(!range.is_empty(), "no seed in {text}");
    Ok(range)
}

fn parse_classes(names: &[String]) -> Result<Vec<u32>> {
    let known = class_names();
    if names.is_empty() {
        return Ok((0..known.len() as u32).collect());
    }
    let number = |name: &String| match known.iter().position(|k| k == name) {
        Some(number) => Ok(number as u32),
        None => bail!("no class {name}; there are {}", known.join(", ")),
    };
    names.iter().map(number).collect()
}

/// Both libraries, proved to be two and of one behaviour.
fn load(options: &Options) -> Result<Pair> {
    let a = Library::load(&options.a, options.layout_a)?;
    let b = Library::load(&options.b, options.layout_b)?;
    prove_two(&a, &b)?;
    for (name, library) in [("A", &a), ("B", &b)] {
        println!(
            "{name}: {}, layout {:?}, behaves as {}",
            library.path.display(),
            library.layout,
            library.profile.name()
        );
        if let Some(wanted) = options.profile {
            ensure!(
                library.profile == wanted,
                "{name} behaves as {}, not {}",
                library.profile.name(),
                wanted.name()
            );
        }
    }
    if a.profile != b.profile {
        println!("the profiles differ, so differences are to be expected");
    }
    let has_cc = a.profile == Profile::V211 && b.profile == Profile::V211;
    Ok(Pair {
        a,
        b,
        has_cc,
        patience: options.patience,
    })
}

fn progress_bar(length: u64) -> ProgressBar {
    let bar = ProgressBar::new(length);
    if let Ok(style) =
        ProgressStyle::with_template("{bar:40} {pos}/{len} sessions, {per_sec}, {eta} left")
    {
        bar.set_style(style);
    }
    bar
}

/// Of the sessions that differ, the one that takes the fewest calls to show it.
fn shortest(pair: &mut Pair, options: &Options, differing: &[Found]) -> Option<Minimal> {
    let until = Instant::now() + Duration::from_secs(options.shrink_seconds);
    let mut best: Option<Minimal> = None;
    for (number, found) in differing.iter().enumerate() {
        let left = until.saturating_duration_since(Instant::now());
        let share = left / (differing.len() - number) as u32;
        if number > 0 && left.is_zero() {
            break;
        }
        // A session takes milliseconds, so what takes a second hangs; the patience of the hunt allows for a busy machine.
        pair.patience = if matches!(found.difference.kind, Kind::Digest(_)) {
            10
        } else {
            1
        };
        let all = class_steps(found.identity.class, options.steps);
        let steps = match found.difference.kind {
            Kind::Digest(_) => all.min(found.difference.position as u32 + 1),
            _ => all,
        };
        if let Some(minimal) = shrink(pair, found.identity, steps, share)
            && best.as_ref().is_none_or(|best| minimal.calls < best.calls)
        {
            best = Some(minimal);
        }
    }
    best
}

fn tell_tally(differing: &[Found]) {
    let mut by_class: BTreeMap<u32, u32> = BTreeMap::new();
    for found in differing {
        *by_class.entry(found.identity.class).or_default() += 1;
    }
    for (class, count) in by_class {
        println!("    {}: {count}", class_names()[class as usize]);
    }
}

/// True when no session differs.
fn run(options: &Options) -> Result<bool> {
    let mut pair = load(options)?;
    let plan = Plan {
        classes: parse_classes(&options.class)?,
        seeds: options.seeds.clone(),
        steps: options.steps,
        jobs: options.jobs.into(),
        list_every: options.lists_every,
        enough: if options.tally { usize::MAX } else { 1 },
    };
    let bar = progress_bar(plan.session_count());
    let begun = Instant::now();
    let (played, mut differing) = hunt(&pair, &plan, |played| bar.set_position(played));
    bar.finish_and_clear();
    println!(
        "{played} sessions in {:.1} s, {} differ",
        begun.elapsed().as_secs_f64(),
        differing.len()
    );
    if differing.is_empty() {
        return Ok(true);
    }
    if options.tally {
        tell_tally(&differing);
    }
    for found in differing.iter().take(5) {
        let steps = class_steps(found.identity.class, options.steps);
        println!("{}", headline(found.identity, steps, &found.difference));
    }
    if options.no_shrink {
        return Ok(false);
    }
    let begun = Instant::now();
    if !options.tally && matches!(differing[0].difference.kind, Kind::Digest(_)) {
        // Some sessions come down to fewer calls than others, above all those that differ early.
        let first = differing[0].identity.seed;
        for (steps, more_seeds) in [(options.steps.min(300), 30), (options.steps, 10)] {
            let more = Plan {
                classes: plan.classes.clone(),
                seeds: first..plan.seeds.end.min(first + more_seeds),
                steps,
                enough: options.candidates.saturating_sub(differing.len()),
                ..plan
            };
            differing.extend(hunt(&pair, &more, |_| ()).1);
        }
    }
    // What differs early is shortened quickly, and is shorter to begin with.
    differing.sort_by_key(|found| (found.difference.position, found.identity.seed));
    differing.truncate(options.candidates);
    match shortest(&mut pair, options, &differing) {
        None => println!("not so when played again: a library depends on more than its input"),
        Some(minimal) => {
            let (calls, sessions) = (minimal.calls, differing.len());
            println!(
                "shortened to {calls} calls in {:.1} s, the best of {sessions}:\n",
                begun.elapsed().as_secs_f64()
            );
            println!(
                "{}",
                headline(minimal.identity, u32::MAX, &minimal.difference)
            );
            print!("{}", explain(&pair, &minimal));
        }
    }
    Ok(false)
}

fn main() -> ExitCode {
    match run(&Options::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            eprintln!("kcp-compare: {error:#}");
            ExitCode::from(2)
        }
    }
}
