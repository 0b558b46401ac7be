//! Instruction counts from callgrind: small fixed pieces of work, counted only inside the measured region. The counts do not
//! depend on the machine's load, so changes of a few percent show. They do depend on the compiler, so a table of counts is valid
//! only for the rustc that recorded it.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path as File, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::thread;

use anyhow::{Context, Result, bail};
use clap::Args;
use kcp_abi::Library;
use kcp_cli::{OrRefuse, demand, files, interrupt, progress, values};

use crate::callgrind;
use crate::clock::MEASURED;
use crate::endpoint::Shared;
use crate::hostile::{Hostile, Order};
use crate::idle::Idle;
use crate::link::Path;
use crate::scenarios::{Work, messages};
use crate::subject::{Outcome, timed};
use crate::transfer::{Flush, Transfer};
use crate::trickle::Trickle;

#[derive(Args)]
pub struct Options {
    /// The library to count; ours, built from this repository, when not given
    #[arg(long, value_name = "LIBRARY", value_parser = values::file())]
    library: Option<PathBuf>,
    /// Writes the counts to this file
    #[arg(long, value_name = "FILE", conflicts_with = "check")]
    record: Option<PathBuf>,
    /// Compares with the counts in this file and fails beyond the tolerance
    #[arg(long, value_name = "FILE", value_parser = values::file())]
    check: Option<PathBuf>,
    /// Only pieces of work whose name contains this; may be repeated
    #[arg(long, value_name = "PART", conflicts_with = "record")]
    scenario: Vec<String>,
    /// All connections count for `ikcpx_stats`, which shows with --check what that costs
    #[arg(long, conflicts_with = "record")]
    counting: bool,
}

#[derive(Args)]
pub struct Once {
    #[arg(long)]
    library: PathBuf,
    #[arg(long)]
    counting: bool,
    name: String,
}

/// How far a count may be from the recorded one, in either direction: a gain that is not recorded would hide a later loss.
const TOLERANCE: f64 = 0.03;
const SEED: u64 = 1;

/// Name, work, and what a count is divided by.
fn pieces() -> Vec<(&'static str, Work)> {
    let clean = Path {
        delay: 20,
        jitter: 0,
        loss: 0.0,
        rate: 0,
    };
    let lossy = |loss| Path {
        delay: 20,
        jitter: 20,
        loss,
        rate: 0,
    };
    // 50 Mbit/s and a round trip of 50 ms; with a window of 300 one side fills it without a control.
    let link = |window, control| {
        let path = Path {
            delay: 25,
            rate: 6250,
            ..clean
        };
        Work::Transfer(Transfer {
            control,
            ..messages(1376, window, path, 40_000_000)
        })
    };
    let flushing = |flush, work| Work::Transfer(Transfer { flush, ..work });
    let hostile = |order, window, times| {
        Work::Hostile(Hostile {
            order,
            window,
            times,
        })
    };
    const FULL: usize = 1376;
    vec![
        (
            "bulk-128",
            Work::Transfer(messages(FULL, 128, clean, 2_000_000)),
        ),
        (
            "bulk-1024",
            Work::Transfer(messages(FULL, 1024, clean, 8_000_000)),
        ),
        (
            "small-128",
            Work::Transfer(messages(64, 128, clean, 250_000)),
        ),
        (
            "small-1024-flush",
            flushing(Flush::AfterSend, messages(64, 1024, clean, 500_000)),
        ),
        (
            "bulk-1024-flush",
            flushing(
                Flush::AfterSendAndInput,
                messages(FULL, 1024, clean, 8_000_000),
            ),
        ),
        (
            "loss-128",
            Work::Transfer(messages(FULL, 128, lossy(0.01), 2_000_000)),
        ),
        (
            "loss-1024",
            Work::Transfer(messages(FULL, 1024, lossy(0.01), 8_000_000)),
        ),
        (
            "loss-8192",
            Work::Transfer(messages(FULL, 8192, lossy(0.01), 40_000_000)),
        ),
        (
            "loss-1024-flush",
            flushing(
                Flush::AfterSendAndInput,
                messages(FULL, 1024, lossy(0.01), 8_000_000),
            ),
        ),
        (
            "small-loss-1024",
            Work::Transfer(messages(64, 1024, lossy(0.05), 500_000)),
        ),
        (
            "stream-128",
            Work::Transfer(Transfer {
                stream: true,
                ..messages(1, 128, clean, 500_000)
            }),
        ),
        ("link-nc1", link(300, None)),
        ("link-rack", link(300, Some("rack"))),
        ("link-bbr", link(1024, Some("bbr"))),
        ("link-cubic", link(1024, Some("cubic"))),
        (
            "idle",
            Work::Idle(Idle {
                connections: 200,
                in_flight: 32,
                milliseconds: 100,
            }),
        ),
        // The segments that a flush at the end of an interval checks for what the program has written to them.
        (
            "look-1024",
            Work::Idle(Idle {
                connections: 4,
                in_flight: 1024,
                milliseconds: 100,
            }),
        ),
        (
            "trickle-64",
            Work::Trickle(Trickle {
                connections: 100,
                message: 64,
                turns: 50,
            }),
        ),
        ("reverse", hostile(Order::Reverse, 4096, 0)),
        ("duplicate", hostile(Order::DuplicateOfOldest, 4096, 1000)),
        ("tail-ack", hostile(Order::AcknowledgedFromTail, 4096, 1000)),
        ("hole-acks", hostile(Order::AcknowledgedIntoHole, 4096, 2)),
        ("peeksize", hostile(Order::Peek, 1024, 1000)),
        ("refused-recv", hostile(Order::RefusedRecv, 1024, 1000)),
    ]
}

/// Instructions per message delivered, per write to a stream, or per operation.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Count {
    /// In the library.
    library: f64,
    /// With everything that it calls, the link and the bench.
    total: f64,
}

/// Does one piece of work and prints how many messages or operations it was.
pub fn once(once: &Once) -> Result<()> {
    let library = Library::open(&once.library)?;
    let (_, work) = pieces()
        .into_iter()
        .find(|(name, _)| *name == once.name)
        .with_context(|| format!("no piece of work is called {}", once.name))?;
    let units = match timed(
        &Shared {
            library,
            counting: once.counting,
        },
        work,
        SEED,
    ) {
        Some(Outcome::Delivered(run)) => match work {
            // A stream is read in whole segments.
            Work::Transfer(work) if work.stream => run.bytes / work.message as u64,
            _ => run.messages,
        },
        Some(Outcome::Operations(_, number)) => number,
        Some(Outcome::Bytes(_)) | None => bail!("{} has no instructions to count", once.name),
    };
    println!("{units}");
    Ok(())
}

pub fn run(options: &Options) -> Result<()> {
    for part in &options.scenario {
        demand!(
            pieces()
                .iter()
                .any(|(name, _)| name.contains(part.as_str())),
            "no piece of work has {part:?} in its name; there are {}",
            pieces()
                .iter()
                .map(|(name, _)| *name)
                .collect::<Vec<_>>()
                .join(", ")
        );
    }
    if let Some(file) = &options.record {
        files::writable_file(file)?;
    }
    if let Some(library) = &options.library {
        Library::open(library).or_refuse(format!("cannot use {}", library.display()))?;
    }
    let rustc = rustc_version()?;
    let recorded = match &options.check {
        None => BTreeMap::new(),
        Some(file) => {
            let (by, counts) = parse(&std::fs::read_to_string(file)?).or_refuse(file.display())?;
            if by != rustc {
                println!(
                    "not comparable: other rustc: {} was recorded with {by}, this is {rustc}",
                    file.display()
                );
                return Ok(());
            }
            counts
        }
    };
    let library = match &options.library {
        Some(path) => path.clone(),
        None => kcp_abi::ours().context("cannot build our library")?,
    };
    let library = library.canonicalize()?;
    let chosen: Vec<_> = pieces()
        .into_iter()
        .map(|(name, _)| name)
        .filter(|name| {
            options.scenario.is_empty() || options.scenario.iter().any(|part| name.contains(part))
        })
        .collect();
    let counts = count_all(&library, &chosen, options.counting)?;
    let all = options.scenario.is_empty() && !interrupt::requested();
    interrupt::tell(format!(
        "{} of {} pieces of work",
        counts.len(),
        chosen.len()
    ));
    match (&options.record, &options.check) {
        (Some(file), _) if interrupt::requested() => {
            print!("{}", render(&rustc, &counts));
            println!("{} is as it was.", file.display());
        }
        (Some(file), _) => std::fs::write(file, render(&rustc, &counts))?,
        (None, Some(file)) => return check(file, &counts, &recorded, all),
        (None, None) => print!("{}", render(&rustc, &counts)),
    }
    Ok(())
}

fn rustc_version() -> Result<String> {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(rustc)
        .arg("--version")
        .output()
        .context("cannot run rustc")?;
    Ok(String::from_utf8(output.stdout)?.trim().to_string())
}

/// Counts on all processors at once, which does not change what is counted.
fn count_all<'a>(
    library: &File,
    names: &[&'a str],
    counting: bool,
) -> Result<Vec<(&'a str, Count)>> {
    let bar = progress::ticking(names.len() as u64, "pieces of work");
    let next = AtomicUsize::new(0);
    let work = || -> Result<Vec<(usize, Count)>> {
        let mut counts = Vec::new();
        loop {
            let at = next.fetch_add(1, Relaxed);
            let Some(name) = names.get(at) else {
                return Ok(counts);
            };
            match count(library, name, counting) {
                // valgrind receives Ctrl-C too.
                _ if interrupt::requested() => return Ok(counts),
                counted => counts.push((at, counted?)),
            }
            bar.inc(1);
        }
    };
    let processors = thread::available_parallelism().map_or(1, |number| number.get());
    let mut counts = Vec::new();
    thread::scope(|scope| -> Result<()> {
        let workers: Vec<_> = (0..processors).map(|_| scope.spawn(work)).collect();
        for worker in workers {
            counts.extend(worker.join().expect("a worker does not panic")?);
        }
        Ok(())
    })?;
    bar.finish_and_clear();
    counts.sort_by_key(|(at, _)| *at);
    Ok(counts
        .into_iter()
        .map(|(at, count)| (names[at], count))
        .collect())
}

fn count(library: &File, name: &str, counting: bool) -> Result<Count> {
    let directory = tempfile::tempdir()?;
    let profile = directory.path().join("profile");
    let output = Command::new("valgrind")
        // The environment is on the stack and would shift it.
        .env_clear()
        .envs(std::env::var_os("PATH").map(|path| ("PATH", path)))
        .args(["--tool=callgrind", "--quiet", "--collect-atstart=no"])
        .arg(format!("--toggle-collect={MEASURED}"))
        .arg(format!("--callgrind-out-file={}", profile.display()))
        .arg(std::env::current_exe()?)
        .args(["once", "--library"])
        .arg(library)
        .args(counting.then_some("--counting"))
        .arg(name)
        .output()
        .context("cannot run valgrind")?;
    if !output.status.success() {
        bail!(
            "{name} failed under valgrind:\n{}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
    let units: f64 = String::from_utf8(output.stdout)?.trim().parse()?;
    let by_object = callgrind::self_cost(&std::fs::read_to_string(&profile)?)?;
    let total: u64 = by_object.values().sum();
    let in_library = by_object
        .iter()
        .find(|(object, _)| File::new(object) == library)
        .map(|(_, cost)| *cost)
        .context("the profile does not mention the library")?;
    Ok(Count {
        library: in_library as f64 / units,
        total: total as f64 / units,
    })
}

fn render(rustc: &str, counts: &[(&str, Count)]) -> String {
    let mut text = String::new();
    let _ = writeln!(
        text,
        "# Instructions per message delivered, write to a stream, or operation; see `kcp-bench instructions --help`."
    );
    let _ = writeln!(text, "# rustc: {rustc}");
    let _ = writeln!(text, "# {:18} {:>12} {:>12}", "work", "library", "total");
    for (name, count) in counts {
        let _ = writeln!(
            text,
            "{name:20} {:>12.1} {:>12.1}",
            count.library, count.total
        );
    }
    text
}

fn parse(text: &str) -> Result<(String, BTreeMap<String, Count>)> {
    let rustc = text
        .lines()
        .find_map(|line| line.strip_prefix("# rustc: "))
        .context("the file does not name its rustc")?;
    let mut counts = BTreeMap::new();
    for line in text
        .lines()
        .filter(|line| !line.starts_with('#') && !line.trim().is_empty())
    {
        let [name, library, total] = line.split_whitespace().collect::<Vec<_>>()[..] else {
            bail!("not a name and two counts: {line}");
        };
        counts.insert(
            name.to_string(),
            Count {
                library: library.parse()?,
                total: total.parse()?,
            },
        );
    }
    Ok((rustc.to_string(), counts))
}

fn check(
    file: &File,
    counts: &[(&str, Count)],
    recorded: &BTreeMap<String, Count>,
    all: bool,
) -> Result<()> {
    let mut wrong = 0;
    println!(
        "{:20} {:>10} {:>10} {:>9} {:>10} {:>10} {:>9}",
        "work", "library", "recorded", "change", "total", "recorded", "change"
    );
    for (name, count) in counts {
        let Some(pinned) = recorded.get(*name) else {
            println!("{name:20} is not recorded");
            wrong += 1;
            continue;
        };
        let changes = [
            count.library / pinned.library - 1.0,
            count.total / pinned.total - 1.0,
        ];
        let verdict = if changes.iter().any(|change| *change > TOLERANCE) {
            "slower"
        } else if changes.iter().any(|change| *change < -TOLERANCE) {
            "faster: record it"
        } else {
            ""
        };
        wrong += usize::from(!verdict.is_empty());
        println!(
            "{name:20} {:>10.1} {:>10.1} {:>+8.2}% {:>10.1} {:>10.1} {:>+8.2}% {verdict}",
            count.library,
            pinned.library,
            100.0 * changes[0],
            count.total,
            pinned.total,
            100.0 * changes[1],
        );
    }
    for name in recorded
        .keys()
        .filter(|name| all && counts.iter().all(|(counted, _)| counted != name))
    {
        println!("{name:20} is recorded but no longer counted");
        wrong += 1;
    }
    if wrong > 0 {
        bail!(
            "{wrong} of the counts are not those in {} (tolerance {:.0} %)",
            file.display(),
            100.0 * TOLERANCE
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_rendered_can_be_read_back() {
        let count = Count {
            library: 12.5,
            total: 1234.0,
        };
        let (rustc, counts) =
            parse(&render("rustc 1.2.3", &[("bulk-128", count)])).expect("readable");
        assert_eq!(rustc, "rustc 1.2.3");
        assert_eq!(counts.get("bulk-128"), Some(&count));
    }

    #[test]
    fn changes_beyond_the_tolerance_fail_in_both_directions() {
        let counted = |library, total| [("work", Count { library, total })];
        let recorded = BTreeMap::from([(
            "work".to_string(),
            Count {
                library: 100.0,
                total: 200.0,
            },
        )]);
        let file = File::new("counts");
        assert!(check(file, &counted(102.9, 194.1), &recorded, true).is_ok());
        assert!(check(file, &counted(103.1, 200.0), &recorded, true).is_err());
        assert!(check(file, &counted(100.0, 193.9), &recorded, true).is_err());
        assert!(check(file, &[], &recorded, true).is_err());
        assert!(check(file, &[], &recorded, false).is_ok());
        assert!(check(file, &counted(100.0, 200.0), &BTreeMap::new(), true).is_err());
    }
}
