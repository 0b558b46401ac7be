//! Plays the same random sessions on two shared libraries in lock step. At the first difference it stops, prints seed, class,
//! step and both values, and shortens the session to few calls.

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

use anyhow::{Context, Result, ensure};
use clap::Parser;
use indicatif::ProgressBar;
use kcp_cli::{OrRefuse, demand, interrupt, progress, values};

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
    #[arg(value_parser = values::file())]
    a: PathBuf,
    /// Shared library B
    #[arg(value_parser = values::file())]
    b: PathBuf,
    /// Seeds as FIRST..END, without END; each is played in every class
    #[arg(long, default_value = "0..200", value_parser = parse_seeds)]
    seeds: std::ops::Range<u64>,
    /// Classes of session (default: all)
    #[arg(long, value_delimiter = ',', value_parser = parse_class)]
    class: Vec<u32>,
    /// Steps of a session; costly classes play a fixed part of them
    #[arg(long, default_value_t = 1500, value_parser = values::number::<u32>(1..=1_000_000))]
    steps: u32,
    /// Processes
    #[arg(long, short, default_value_t = 2, value_parser = values::number::<u16>(1..=255))]
    jobs: u16,
    /// The behaviour both libraries must show; without it they need only agree
    #[arg(long)]
    profile: Option<Profile>,
    /// Layout of A's public struct, if the tool cannot detect it
    #[arg(long)]
    layout_a: Option<Layout>,
    /// Layout of B's public struct
    #[arg(long)]
    layout_b: Option<Layout>,
    /// Compare the lists each time after this many steps; 0: as often as the golden digests do
    #[arg(long, default_value_t = 0, value_parser = values::number::<u32>(0..=1_000_000))]
    lists_every: u32,
    /// Play all sessions, and count by class those that differ
    #[arg(long)]
    tally: bool,
    /// How many sessions that differ are shortened; the one with the fewest calls is shown
    #[arg(long, default_value_t = 8, value_parser = values::number::<usize>(1..=1_000))]
    candidates: usize,
    /// Do not shorten the session that differs
    #[arg(long)]
    no_shrink: bool,
    /// Seconds that shortening may take
    #[arg(long, default_value_t = 20, value_parser = values::number::<u64>(1..=86_400))]
    shrink_seconds: u64,
    /// Seconds after which a session counts as an endless loop
    #[arg(long, default_value_t = 60, value_parser = values::number::<u32>(1..=86_400))]
    patience: u32,
}

/// More than any machine can play; multiplied by the number of classes, it still fits into 64 bits.
const MOST_SEEDS: u64 = 1 << 48;

fn parse_seeds(text: &str) -> Result<std::ops::Range<u64>> {
    let seed = |text: &str| text.parse::<u64>().ok().filter(|seed| *seed < u64::MAX);
    let range = match text.split_once("..") {
        Some((first, last)) => seed(first).zip(seed(last)).map(|(first, last)| first..last),
        None => seed(text).map(|seed| seed..seed + 1),
    };
    let range = range.context("expected a seed, or two with `..` between")?;
    ensure!(!range.is_empty(), "the first seed is not before the last");
    ensure!(
        range.end - range.start <= MOST_SEEDS,
        "expected {MOST_SEEDS} seeds at most"
    );
    Ok(range)
}

fn parse_class(name: &str) -> Result<u32> {
    let known = class_names();
    let number = known.iter().position(|known| *known == name);
    let number = number.with_context(|| format!("there are {}", known.join(", ")))?;
    Ok(number as u32)
}

/// Loads both libraries and proves that they are two, with the same behaviour.
fn load(options: &Options) -> Result<Pair> {
    let a = Library::load(&options.a, options.layout_a).or_refuse("library A")?;
    let b = Library::load(&options.b, options.layout_b).or_refuse("library B")?;
    prove_two(&a, &b).or_refuse("there are not two libraries")?;
    if a.is_like_ours() {
        eprintln!(
            "warning: A behaves as this project's library where the original does not, so it is not the original"
        );
    }
    for (name, library) in [("A", &a), ("B", &b)] {
        println!(
            "{name}: {}, layout {:?}, behaves as {}",
            library.path.display(),
            library.layout,
            library.profile.name()
        );
        if let Some(wanted) = options.profile {
            demand!(
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

/// Of the sessions that differ, the one that shows it with the fewest calls.
fn shortest(
    pair: &mut Pair,
    options: &Options,
    differing: &[Found],
    bar: &ProgressBar,
) -> Option<Minimal> {
    bar.set_length(differing.len() as u64);
    let until = Instant::now() + Duration::from_secs(options.shrink_seconds);
    let mut best: Option<Minimal> = None;
    for (number, found) in differing.iter().enumerate() {
        let left = until.saturating_duration_since(Instant::now());
        let share = left / (differing.len() - number) as u32;
        if (number > 0 && left.is_zero()) || interrupt::requested() {
            break;
        }
        // A session takes milliseconds, so one second is enough to recognize a hang; the hunt waits longer because the machine
        // may be busy.
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
        bar.inc(1);
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

/// True if no session differs.
fn run(options: &Options) -> Result<bool> {
    let mut pair = load(options)?;
    let plan = Plan {
        classes: match &options.class[..] {
            [] => (0..class_names().len() as u32).collect(),
            chosen => chosen.to_vec(),
        },
        seeds: options.seeds.clone(),
        steps: options.steps,
        jobs: options.jobs.into(),
        list_every: options.lists_every,
        enough: if options.tally { usize::MAX } else { 1 },
    };
    let bar = progress::bar(plan.session_count(), "sessions");
    let begun = Instant::now();
    let (played, mut differing) = hunt(&pair, &plan, |played| bar.set_position(played));
    bar.finish_and_clear();
    interrupt::tell(format!("{played} of {} sessions", plan.session_count()));
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
    if options.no_shrink || interrupt::requested() {
        return Ok(false);
    }
    let begun = Instant::now();
    let bar = progress::bar(
        differing.len().min(options.candidates) as u64,
        "sessions to shorten",
    );
    bar.tick();
    if !options.tally && matches!(differing[0].difference.kind, Kind::Digest(_)) {
        // Some sessions can be shortened to fewer calls than others, above all those that differ early.
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
    // Sessions that differ early are shorter, and quickly shortened.
    differing.sort_by_key(|found| (found.difference.position, found.identity.seed));
    differing.truncate(options.candidates);
    let shortest = shortest(&mut pair, options, &differing, &bar);
    bar.finish_and_clear();
    match shortest {
        None if interrupt::requested() => println!("interrupted before anything was shortened"),
        None => {
            println!("the difference did not recur: one library depends on more than its input")
        }
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
    let options: Options = kcp_cli::parse();
    kcp_cli::run("kcp-compare", || {
        interrupt::watch()?;
        Ok(match run(&options)? {
            true => ExitCode::SUCCESS,
            false => ExitCode::from(1),
        })
    })
}
