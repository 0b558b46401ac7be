//! What the stack in `examples/stack` costs, beside QUIC (quinn), ENet, and other stacks of KCP (kcp-go, tokio_kcp).
//!
//! Each peer is a program with two roles. The server runs on one core, the clients on another, and the CPU time of each process is
//! read from outside, so all are measured in the same way. Peers take turns within a round, since a machine is never the same for long.
//!
//! - `work`: what is sent
//! - `peer`: how a peer's programs come about
//! - `run`: one run of one peer, and what was counted
//! - `report`: the table
//! - `quic`, `enet`, `tokio`: peers that are part of this program; `stack.c` and `go/` are the others
//! - `counts`: what those of this program count, and how they tell it

mod counts;
mod enet;
mod peer;
mod quic;
mod report;
mod run;
mod tokio_streams;
mod work;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::{Args, Parser, Subcommand};
use kcp_cli::values::number;

use crate::peer::Peer;
use crate::work::{Work, works};

/// CPU time of the stack in examples/stack and of others, over loopback: bulk, echo, idle.
#[derive(Parser)]
#[command(version, max_term_width = 110)]
struct Cli {
    #[command(flatten)]
    measure: Measure,
    #[command(subcommand)]
    command: Option<Part>,
}

#[derive(Subcommand)]
enum Part {
    /// One end of a peer, which this program starts itself.
    #[command(hide = true)]
    Part {
        peer: String,
        #[arg(trailing_var_arg = true)]
        arguments: Vec<String>,
    },
}

#[derive(Args)]
pub struct Measure {
    /// Rounds; the table has the medians.
    #[arg(long, default_value_t = 3, value_parser = number::<usize>(1..=100))]
    rounds: usize,
    /// Seconds that are measured of each run, after one of warm-up.
    #[arg(long, default_value_t = 3, value_parser = number::<u64>(1..=60))]
    seconds: u64,
    /// Only works whose names contain this.
    #[arg(long, default_value = "", value_parser = work::known)]
    work: String,
    /// Only peers whose names contain one of these, separated by commas.
    #[arg(long, default_value = "", value_delimiter = ',', value_parser = peer::known)]
    peers: Vec<String>,
    /// Send window of KCP in packets, at both ends.
    #[arg(long, default_value_t = 256, value_parser = number::<u32>(32..=32_768))]
    window: u32,
    /// Another copy of examples/stack to measure beside the present one, for instance of an earlier commit. May be repeated.
    #[arg(long, value_parser = peer::copy)]
    beside: Vec<PathBuf>,
    /// Also so many servers in threads, each on a core that it shares with a process of clients, and one server in the same way.
    #[arg(long, default_value_t = 1, value_parser = number::<usize>(1..=64))]
    servers: usize,
    /// Between two network namespaces, joined by a veth pair, instead of over loopback. Needs root and the command ip.
    #[arg(long)]
    veth: bool,
}

fn main() -> ExitCode {
    let cli: Cli = kcp_cli::parse();
    let result = match cli.command {
        Some(Part::Part { peer, arguments }) => part(&peer, &arguments),
        None => measure(&cli.measure),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

fn part(peer: &str, arguments: &[String]) -> Result<()> {
    let job = work::Job::read(arguments)?;
    match peer {
        "quinn" => quic::run(&job),
        "tokio_kcp" => tokio_streams::run(&job),
        _ => enet::run(&job),
    }
}

fn measure(options: &Measure) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let peers: Vec<Peer> = peer::all(folder.path(), &options.beside, options.servers)?
        .into_iter()
        .filter(|peer| options.peers.iter().any(|name| peer.name.contains(name)))
        .collect();
    let link = run::Link::new(options.veth)?;
    for work in works(options.window) {
        if !work.name.contains(options.work.as_str()) {
            continue;
        }
        let takes: Vec<&Peer> = peers.iter().filter(|peer| peer.takes(&work)).collect();
        let mut runs = vec![Vec::new(); takes.len()];
        for _ in 0..options.rounds {
            for (peer, runs) in takes.iter().zip(&mut runs) {
                match run::run(peer, &work, &link, options.seconds) {
                    Ok(found) => runs.push(found),
                    Err(error) => eprintln!("{}, {}: {error:#}", peer.name, work.name),
                }
            }
        }
        report::print(&work, &takes, &runs);
    }
    Ok(())
}

impl Work {
    /// The arguments of a peer's programs, behind the role.
    pub fn arguments(&self) -> Vec<String> {
        vec![
            self.kind.name().to_string(),
            self.connections.to_string(),
            self.size.to_string(),
            self.window.to_string(),
            self.period.to_string(),
        ]
    }
}
