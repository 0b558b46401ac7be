//! Programs in Rust over KCP with tokio: `ikcp-connection` beside the crates `kcp` and `tokio_kcp`.
//!
//! One process with one thread runs the clients and a server over loopback, which echoes every message. `ikcp-connection` and
//! `kcp` use the same driver (`driver`); `tokio_kcp` has its own. All have the same settings and flush at once.
//!
//! - `engine`: a state machine of either crate
//! - `driver`: a client and a server with tokio around such a machine
//! - `streams`: the same with `tokio_kcp`
//! - `load`: what the clients send, and the counters
//! - `usage`: CPU time of the process, bytes on the loopback interface

mod driver;
mod engine;
mod load;
mod streams;
mod usage;

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Result, bail, ensure};
use clap::Parser;
use comfy_table::Table;
use comfy_table::presets::ASCII_MARKDOWN;
use kcp_cli::values::number;

use engine::{CrateKcp, Ours};
use load::{Counts, Load, Pace};
use usage::Usage;

/// Echoes over loopback with tokio: ikcp-connection beside the crates kcp and tokio_kcp.
#[derive(Parser)]
#[command(version, max_term_width = 110)]
struct Options {
    /// Seconds that are measured, after one of warm-up.
    #[arg(long, default_value_t = 4, value_parser = number::<u64>(1..=600))]
    seconds: u64,
    /// Runs of each, in turn; the table has the medians.
    #[arg(long, default_value_t = 5, value_parser = number::<usize>(1..=100))]
    repeat: usize,
    /// Only scenarios whose names contain this.
    #[arg(long, default_value = "", value_parser = known)]
    scenario: String,
}

/// A part of the name of a scenario.
fn known(part: &str) -> Result<String> {
    let names: Vec<&str> = scenarios().into_iter().map(|(name, _)| name).collect();
    if names.iter().any(|name| name.contains(part)) {
        return Ok(part.to_string());
    }
    bail!("no such scenario; their names: {}", names.join("; "))
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    Ours,
    CrateKcp,
    TokioKcp,
}

const KINDS: [(Kind, &str); 3] = [
    (Kind::Ours, "ikcp-connection"),
    (Kind::CrateKcp, "kcp, same driver"),
    (Kind::TokioKcp, "tokio_kcp"),
];

fn scenarios() -> Vec<(&'static str, Load)> {
    let load = |connections, bytes, pace| Load {
        connections,
        bytes,
        pace,
    };
    let each = Duration::from_millis(20);
    vec![
        (
            "4 connections, 1,200 B, 16 on the way",
            load(4, 1200, Pace::Outstanding(16)),
        ),
        (
            "400 connections, 1,200 B, 2 on the way",
            load(400, 1200, Pace::Outstanding(2)),
        ),
        (
            "4 connections, 100 B each 20 ms",
            load(4, 100, Pace::Each(each)),
        ),
        (
            "400 connections, 100 B each 20 ms",
            load(400, 100, Pace::Each(each)),
        ),
        ("400 connections, idle", load(400, 100, Pace::Once)),
    ]
}

/// The result of one run.
#[derive(Clone, Copy)]
struct Outcome {
    messages: u64,
    usage: Usage,
}

fn run(kind: Kind, load: Load, time: Duration) -> Result<Outcome> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let counts = Counts::default();
    runtime.block_on(async {
        match kind {
            Kind::Ours => driver::start::<Ours>(load, &counts).await?,
            Kind::CrateKcp => driver::start::<CrateKcp>(load, &counts).await?,
            Kind::TokioKcp => streams::start(load, &counts).await?,
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
        let (before, usage) = (counts.messages(), Usage::now()?);
        tokio::time::sleep(time).await;
        let outcome = Outcome {
            messages: counts.messages() - before,
            usage: Usage::now()? - usage,
        };
        ensure!(
            counts.connected() == load.connections,
            "{} connected",
            counts.connected()
        );
        ensure!(
            matches!(load.pace, Pace::Once) || outcome.messages > 0,
            "nothing comes back"
        );
        Ok(outcome)
    })
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn main() -> ExitCode {
    let options: Options = kcp_cli::parse();
    kcp_cli::run("kcp-connections", || {
        measure(&options).map(|()| ExitCode::SUCCESS)
    })
}

fn measure(options: &Options) -> Result<()> {
    let time = Duration::from_secs(options.seconds);
    let mut table = Table::new();
    table.load_preset(ASCII_MARKDOWN).set_header([
        "scenario",
        "crate",
        "messages/s",
        "CPU/message, us",
        "of it user",
        "bytes on the wire/message",
        "CPU, % of a core",
    ]);
    for (name, load) in scenarios()
        .into_iter()
        .filter(|(name, _)| name.contains(&options.scenario))
    {
        let mut outcomes = KINDS.map(|_| Vec::new());
        for _ in 0..options.repeat {
            for ((kind, _), outcomes) in KINDS.iter().zip(&mut outcomes) {
                outcomes.push(run(*kind, load, time)?);
            }
        }
        for ((_, kind), outcomes) in KINDS.iter().zip(outcomes) {
            let of = |value: fn(&Outcome) -> f64| median(outcomes.iter().map(value).collect());
            let per_message = |value: fn(&Outcome) -> f64| {
                let value = median(
                    outcomes
                        .iter()
                        .map(|run| value(run) / run.messages as f64)
                        .collect(),
                );
                if value.is_finite() {
                    format!("{value:.1}")
                } else {
                    "–".into()
                }
            };
            table.add_row([
                name.to_string(),
                kind.to_string(),
                format!("{:.0}", of(|run| run.messages as f64) / time.as_secs_f64()),
                per_message(|run| run.usage.cpu().as_secs_f64() * 1e6),
                per_message(|run| run.usage.user.as_secs_f64() * 1e6),
                per_message(|run| run.usage.bytes as f64),
                format!(
                    "{:.2}",
                    of(|run| run.usage.cpu().as_secs_f64()) / time.as_secs_f64() * 100.0
                ),
            ]);
        }
    }
    println!("{table}");
    Ok(())
}
