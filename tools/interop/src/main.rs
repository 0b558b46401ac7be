//! Transfers between this library and other implementations of KCP, over UDP on the loopback interface with loss.
//!
//! - `link`: the lossy link, a relay between two UDP sockets
//! - `transfer`: what is sent, and the digests of what was sent and received
//! - `endpoint`: implementations that run in this process, under one trait
//! - `drive`: a thread that moves a transfer through an endpoint and a socket
//! - `go`: kcp-go, a child process

mod drive;
mod endpoint;
mod go;
mod link;
mod transfer;

use std::net::UdpSocket;
use std::path::PathBuf;
use std::process::ExitCode;
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};
use clap::Parser;
use comfy_table::Table;
use kcp_abi::Library;
use kcp_cli::OrRefuse;
use kcp_cli::values::{file, number, percent};

use crate::drive::{Finish, Side};
use crate::go::{Go, Job, Role};
use crate::link::{Link, Quality, Traffic};
use crate::transfer::{Digest, Mode, Report, Transfer};

/// Sends data both ways at once between this library and other implementations, over UDP with loss, and compares the
/// hashes of what was sent with those of what arrived.
#[derive(Parser)]
#[command(version, max_term_width = 110)]
struct Cli {
    /// Megabytes each way.
    #[arg(long, default_value_t = 10, value_parser = number::<usize>(1..=1_000))]
    megabytes: usize,
    /// Datagrams that are lost each way, in percent.
    #[arg(long, default_value_t = 10.0, value_parser = percent())]
    loss: f64,
    /// Shortest delay of a datagram, in milliseconds.
    #[arg(long, default_value_t = 5, value_parser = number::<u64>(0..=10_000))]
    delay: u64,
    /// Random delay on top of that, in milliseconds: datagrams overtake each other.
    #[arg(long, default_value_t = 10, value_parser = number::<u64>(0..=10_000))]
    jitter: u64,
    /// Seconds after which a transfer has failed.
    #[arg(long, default_value_t = 120, value_parser = number::<u64>(1..=86_400))]
    limit: u64,
    /// Seed of contents, message lengths and losses; a new one unless given.
    #[arg(long, env = "IKCP_SEED", value_parser = number::<u64>(0..=u64::MAX))]
    seed: Option<u64>,
    /// A shared library to test instead of this repository's own.
    #[arg(long, value_parser = file())]
    library: Option<PathBuf>,
    /// Fail when a peer's tools are missing, instead of skipping that peer.
    #[arg(long)]
    require: bool,
}

#[derive(Clone, Copy)]
enum Peer {
    Crate,
    Go(Role),
}

/// Peer and mode of each transfer.
const CASES: [(Peer, Mode); 7] = [
    (Peer::Crate, Mode::Message),
    (Peer::Crate, Mode::Stream),
    (Peer::Go(Role::Core), Mode::Message),
    (Peer::Go(Role::Listen), Mode::Message),
    (Peer::Go(Role::Listen), Mode::Stream),
    (Peer::Go(Role::Dial), Mode::Message),
    (Peer::Go(Role::Dial), Mode::Stream),
];

fn main() -> ExitCode {
    let cli = kcp_cli::parse();
    kcp_cli::run("kcp-interop", || transfer_all(&cli))
}

fn transfer_all(cli: &Cli) -> Result<ExitCode> {
    let seed = match cli.seed {
        Some(seed) => seed,
        None => u64::from(
            SystemTime::now()
                .duration_since(UNIX_EPOCH)?
                .subsec_micros(),
        ),
    };
    let path = match &cli.library {
        Some(path) => path.clone(),
        None => kcp_abi::ours()?,
    };
    let library: &'static Library = Library::open(&path).or_refuse(path.display())?;
    let go = Go::build();
    println!(
        "{} MB each way, {} % of datagrams lost, {} to {} ms under way, seed {seed}",
        cli.megabytes,
        cli.loss,
        cli.delay,
        cli.delay + cli.jitter
    );

    let mut table = Table::new();
    table.load_preset(comfy_table::presets::ASCII_MARKDOWN);
    table.set_header([
        "peer",
        "mode",
        "seconds",
        "datagrams",
        "lost",
        "contents, ours to peer",
        "contents, peer to ours",
    ]);
    let (mut failed, mut left_out) = (0, 0);
    for (peer, mode) in CASES {
        let name = match peer {
            Peer::Crate => "crate kcp 0.6".to_string(),
            Peer::Go(role) => format!("kcp-go, {role}"),
        };
        if let (Peer::Go(_), Err(missing)) = (peer, &go) {
            left_out += 1;
            table.add_row([&name, mode.name(), &format!("not tested: {missing}")]);
            continue;
        }
        let result = run(cli, library, peer, go.as_ref().ok(), mode, seed);
        match result {
            Ok(outcome) => {
                if !outcome.passed() {
                    failed += 1;
                }
                table.add_row(outcome.row(&name, mode));
            }
            Err(error) => {
                failed += 1;
                table.add_row([&name, mode.name(), &format!("failed: {error:#}")]);
            }
        }
    }
    println!("{table}");
    Ok(match failed > 0 || (cli.require && left_out > 0) {
        true => ExitCode::FAILURE,
        false => ExitCode::SUCCESS,
    })
}

/// The result of a transfer.
struct Outcome {
    ours: Report,
    theirs: Report,
    seconds: f64,
    traffic: Traffic,
}

impl Outcome {
    fn passed(&self) -> bool {
        self.ours.sent == self.theirs.received && self.theirs.sent == self.ours.received
    }

    fn row(&self, name: &str, mode: Mode) -> [String; 7] {
        let verdict = |sent: &Digest, received: &Digest| match sent == received {
            true => format!("equal, sha256 {}...", &sent.0[..8]),
            false => format!("DIFFER: {} sent, {} received", sent.0, received.0),
        };
        [
            name.to_string(),
            mode.name().to_string(),
            format!("{:.1}", self.seconds),
            self.traffic.datagrams.to_string(),
            format!(
                "{:.1} %",
                100.0 * self.traffic.lost as f64 / self.traffic.datagrams.max(1) as f64
            ),
            verdict(&self.ours.sent, &self.theirs.received),
            verdict(&self.theirs.sent, &self.ours.received),
        ]
    }
}

/// One transfer.
fn run(
    cli: &Cli,
    library: &'static Library,
    peer: Peer,
    go: Option<&Go>,
    mode: Mode,
    seed: u64,
) -> Result<Outcome> {
    let bytes = cli.megabytes * 1_000_000;
    let limit = Duration::from_secs(cli.limit);
    // Messages of kcp-go's sessions are one segment each; others have many.
    let longest = match peer {
        Peer::Go(Role::Listen | Role::Dial) => 1300,
        _ => 60_000,
    };
    let conv = fastrand::Rng::with_seed(seed).u32(..);
    let quality = Quality {
        loss: cli.loss / 100.0,
        delay: Duration::from_millis(cli.delay),
        jitter: Duration::from_millis(cli.jitter),
    };
    let near = UdpSocket::bind("127.0.0.1:0")?;
    let finish = Finish::default();
    let start = Instant::now();
    let (ours, theirs, link) = match peer {
        Peer::Crate => {
            let far = UdpSocket::bind("127.0.0.1:0")?;
            let link = Link::start(near.local_addr()?, Some(far.local_addr()?), quality, seed)?;
            near.connect(link.near())?;
            far.connect(link.far())?;
            let ours = Side::new(near, Transfer::new(mode, bytes, longest, seed ^ 1), limit);
            let theirs = Side::new(far, Transfer::new(mode, bytes, longest, seed ^ 2), limit);
            let (ours, theirs) = thread::scope(|scope| {
                let theirs = scope.spawn(|| {
                    let endpoint = endpoint::of_crate(conv, mode, theirs.output()?)?;
                    theirs.run(endpoint, &finish)
                });
                (
                    run_ours(library, ours, Some(conv), mode, &finish),
                    theirs.join(),
                )
            });
            (
                ours,
                theirs.expect("the thread of the crate panicked"),
                link,
            )
        }
        Peer::Go(role) => {
            let go = go.context("kcp-go was not built")?;
            // The program's address is known only after it starts, and it must be given the link's. So the link learns the
            // address from a packet, or is told afterwards.
            let link = Link::start(near.local_addr()?, None, quality, seed)?;
            near.connect(link.near())?;
            let mut child = go.start(&Job {
                role,
                mode,
                bytes,
                longest,
                conv,
                seed: seed ^ 2,
                link: link.far(),
            })?;
            if let Some(address) = child.address() {
                link.set_far_side(address);
            }
            let ours = Side::new(near, Transfer::new(mode, bytes, longest, seed ^ 1), limit);
            // The side that dials chooses the conversation number, and the other learns it.
            let conv = (role != Role::Dial).then_some(conv);
            let (ours, theirs) = thread::scope(|scope| {
                let ours = scope.spawn(|| run_ours(library, ours, conv, mode, &finish));
                let theirs = child.report(limit);
                match theirs {
                    Ok(_) => finish.done(),
                    Err(_) => finish.fail(),
                }
                (ours.join().expect("our thread panicked"), theirs)
            });
            (ours, theirs, link)
        }
    };
    let seconds = start.elapsed().as_secs_f64();
    let traffic = link.stop()?;
    Ok(Outcome {
        ours: ours.context("our side")?,
        theirs: theirs.context("the peer's side")?,
        seconds,
        traffic,
    })
}

/// This project's side; without `conv` it answers whoever sends first.
fn run_ours(
    library: &'static Library,
    side: Side,
    conv: Option<u32>,
    mode: Mode,
    finish: &Finish,
) -> Result<Report> {
    let conv = match conv {
        Some(conv) => conv,
        None => side.learn_conv(library)?,
    };
    let endpoint = endpoint::ours(library, conv, mode, side.output()?)?;
    side.run(endpoint, finish)
}
