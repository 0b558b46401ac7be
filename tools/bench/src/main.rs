//! The cost of KCP: this library, the original, the crate `kcp` and a null protocol, on the same work in the same run.

mod callgrind;
mod clock;
mod endpoint;
mod heap;
mod hostile;
mod idle;
mod instructions;
mod link;
mod measure;
mod memory;
mod null;
mod plot;
mod scenarios;
mod size;
mod subject;
mod table;
mod transfer;
mod trickle;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::{Args, Parser, Subcommand};
use kcp_cli::{demand, files, interrupt, values};

use crate::measure::Plan;
use crate::subject::{Role, Subject};

/// Measures implementations of KCP against each other and prints one table.
///
/// CPU time per KiB delivered on a simulated link, cost of hostile packet orders, memory and code size. Judge by the ratios: the
/// figures themselves are those of one machine at one time.
#[derive(Parser)]
#[command(version, args_conflicts_with_subcommands = true)]
struct Cli {
    #[command(flatten)]
    bench: Bench,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Instruction counts of our library from callgrind, which do not depend on what else the machine does
    Instructions(instructions::Options),
    /// Runs one piece of work once, for callgrind
    #[command(hide = true)]
    Once(instructions::Once),
}

#[derive(Args)]
struct Bench {
    /// Our shared library; built from this repository when not given
    #[arg(long, value_name = "LIBRARY", value_parser = values::file())]
    ours: Option<PathBuf>,
    /// The original's shared library, to which targets refer
    #[arg(long, value_name = "LIBRARY", env = "KCP_ORIGINAL", value_parser = values::file())]
    original: Option<PathBuf>,
    /// Another implementation with the same C interface; may be repeated
    #[arg(long, value_name = "NAME=LIBRARY", value_parser = values::named_file())]
    other: Vec<(String, PathBuf)>,
    /// The static library of `ours`, `original` or one of the others, for the size of code; may be repeated
    #[arg(long, value_name = "NAME=ARCHIVE", value_parser = values::named_file())]
    archive: Vec<(String, PathBuf)>,
    /// Only scenarios whose name contains this; may be repeated
    #[arg(long, value_name = "PART")]
    scenario: Vec<String>,
    /// Less data, three repetitions and no slow scenarios: takes about a minute
    #[arg(long)]
    quick: bool,
    /// Repetitions, interleaved between the implementations [default: 5]
    #[arg(long, value_name = "N", value_parser = values::number::<usize>(1..=1_000))]
    repeat: Option<usize>,
    /// Seed of the link's losses and jitter in the first repetition; each further repetition adds one
    #[arg(long, default_value_t = 1, value_parser = values::seed())]
    seed: u64,
    /// Writes every single run to this file
    #[arg(long, value_name = "FILE")]
    csv: Option<PathBuf>,
    /// Prints the table as markdown
    #[arg(long)]
    markdown: bool,
    /// Measures cost against window from 32 to 32,768 instead, and draws it
    #[arg(long, value_name = "SVG", conflicts_with_all = ["scenario", "markdown"])]
    curve: Option<PathBuf>,
    /// Lists the scenarios
    #[arg(long)]
    list: bool,
}

fn main() -> ExitCode {
    heap::pin();
    let cli: Cli = kcp_cli::parse();
    kcp_cli::run("kcp-bench", || {
        // Not for the single piece of work, which must end with the process that counts it.
        if !matches!(cli.command, Some(Command::Once(_))) {
            interrupt::watch()?;
        }
        match cli.command {
            Some(Command::Instructions(options)) => instructions::run(&options),
            Some(Command::Once(once)) => instructions::once(&once),
            None => bench(&cli.bench),
        }?;
        Ok(ExitCode::SUCCESS)
    })
}

fn bench(options: &Bench) -> Result<()> {
    if options.list {
        for scenario in scenarios::all() {
            println!("{:28} {}", scenario.name, scenario.lines[0].title);
        }
        return Ok(());
    }
    let repetitions = options.repeat.unwrap_or(if options.quick { 3 } else { 5 });
    for part in &options.scenario {
        demand!(
            scenarios::all()
                .iter()
                .any(|scenario| scenario.name.contains(part.as_str())),
            "no scenario has {part:?} in its name; --list shows them"
        );
    }
    for file in [&options.csv, &options.curve].into_iter().flatten() {
        files::writable_file(file)?;
    }
    let subjects = subjects(options)?;
    if let Some(svg) = &options.curve {
        return plot::curve(
            &subjects,
            repetitions,
            options.seed,
            options.quick,
            svg,
            options.csv.as_deref(),
        );
    }
    let plan = Plan {
        scenarios: scenarios::selected(&options.scenario, options.quick),
        repetitions,
        seed: options.seed,
    };
    let results = plan.run(&subjects)?;
    println!("{}", table::render(&results, &subjects, options.markdown));
    println!(
        "seed {}, {repetitions} repetitions, medians ± half the range, ratios within a repetition",
        options.seed
    );
    if let Some(path) = &options.csv {
        table::write_csv(path, &results, &subjects, options.seed)?;
    }
    Ok(())
}

fn subjects(options: &Bench) -> Result<Vec<Subject>> {
    let archive = |name: &str| {
        let found = options.archive.iter().find(|(of, _)| of == name);
        found.map(|(_, path)| path.clone())
    };
    let mut names = vec!["ours", "original", "null", "crate kcp"];
    for (name, _) in &options.other {
        demand!(
            !names.contains(&name.as_str()),
            "--other {name}=...: the name is taken"
        );
        names.push(name);
    }
    for (name, _) in &options.archive {
        demand!(
            names.contains(&name.as_str()) && name != "null" && name != "crate kcp",
            "--archive {name}=...: no implementation has that name"
        );
    }
    let mut subjects = vec![Subject::null()];
    subjects.push(match &options.ours {
        Some(path) => Subject::library("ours", Role::Ours, path, archive("ours"))?,
        None => {
            let built = kcp_abi::ours_with(&[]).context("cannot build our library")?;
            Subject::library(
                "ours",
                Role::Ours,
                &built.shared,
                Some(archive("ours").unwrap_or(built.archive)),
            )?
        }
    });
    if let Some(path) = &options.original {
        warn_unless_original(path)?;
        subjects.push(Subject::library(
            "original",
            Role::Original,
            path,
            archive("original"),
        )?);
    }
    for (name, path) in &options.other {
        subjects.push(Subject::library(name, Role::Other, path, archive(name))?);
    }
    subjects.push(Subject::crate_kcp());
    Ok(subjects)
}

fn warn_unless_original(path: &Path) -> Result<()> {
    if subject::open(path)?.is_like_ours() {
        eprintln!("warning: {}", kcp_abi::library::not_the_original(path));
    }
    Ok(())
}
