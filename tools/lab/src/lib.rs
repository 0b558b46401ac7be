//! The lab: what KCP is for, shown with this library, and measured against TCP and ENet, in tables and pictures.

mod bottleneck;
mod bytes_plot;
mod contend;
mod contend_plot;
pub mod doctor;
mod endpoint;
mod enet;
mod explain;
mod explain_plot;
mod latency;
mod latency_plot;
mod link;
mod presets;
mod punctual;
mod scale;
mod scale_plot;
mod session;
mod table;
mod tally;
mod tcp;
#[cfg(test)]
mod testing;
mod throughput;
mod throughput_plot;
mod trace;
mod udp;
mod wheel;
mod wire;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::{Args, Parser, Subcommand};
use kcp_abi::Library;
use kcp_cli::{OrRefuse, interrupt, values};

/// Shows what KCP is for: on this library, measured against the kernel's TCP and ENet, in tables and pictures
///
/// Every run goes through one emulated link: delay, jitter, loss, bandwidth with a queue, reordering. KCP and ENet run in virtual
/// time: the same command gives the same table again, in seconds. TCP is the kernel's own, in real time, in network namespaces
/// that disappear with the process. `scale` and the CPU columns of `throughput` measure this machine.
#[derive(Parser)]
#[command(name = "kcp-lab", version, max_term_width = 110)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// How long messages at a fixed pace take to be echoed: KCP's modes, ENet, TCP with cubic and bbr
    ///
    /// What a player feels is not the mean but the late messages: a lost packet holds up everything sent after it until it is
    /// resent. So look at p99, at the tail in the picture, and at the cost: wire/payload counts every byte with IP headers, in
    /// both directions.
    ///
    /// Try: `kcp-lab latency --link wifi`, `--loss 0` (without loss there is little to gain), `--loss 10 --burst 200` (bursts
    /// defeat fast resend), `--mode turbo --mode 1,10,1,1 --no-tcp` (the effect of one parameter, in a second).
    Latency(latency::Latency),
    /// What one connection delivers and costs, by window, loss and round-trip time
    ///
    /// A sender may have one window of segments unacknowledged, so it delivers at most window * mss * (1 - loss) / RTT. RTT here
    /// includes the wait for the next flush at both ends (up to two intervals), and a lost segment holds the window until it is
    /// resent. The table has the smoothed RTT that the sender saw, and how much of the bound was reached. If the window is larger
    /// than the link and its queue, the surplus is dropped and resent: with nocwnd 1 a larger window then delivers less.
    ///
    /// Try: `--mode turbo+flush` (no wait for the interval), `--mode default` (how the congestion window reacts to loss),
    /// `--window 128 --rtt 20,50,100,200,400 --loss 0` (the formula itself), `--mode bbr --mode cubic --mode turbo --window
    /// 1024,4096 --rtt 50 --bandwidth 50` (how a congestion control uses a large window).
    Throughput(throughput::Throughput),
    /// How several flows share one link: KCP with each congestion control, KCP without one, the kernel's TCP
    ///
    /// All flows send without end through one bottleneck with one queue. Jain's index is 1 if all have the same rate, and 1/n if
    /// one of n has everything. Without TCP the run is in virtual time, and the same seed gives the same table; with TCP it takes
    /// real time. The two ends of each connection flush at different times, and the flows take turns in a different order in each
    /// millisecond.
    ///
    /// Try: `--flow 4xbbr --apart 3 --seconds 60 --from 30` (do late flows get their share?), `--flow bbr --flow tcp-cubic`,
    /// `--flow bbr --flow turbo@4096` (what a large window without a control does to others).
    Contend(contend::Contend),
    /// What many connections in one process cost: ikcp_update on a clock against timers set by ikcp_check
    ///
    /// A server with real UDP sockets on the loopback interface handles all connections in one thread. It is driven in four ways:
    /// `update` calls ikcp_update on each connection every --sweep ms; `check` asks ikcp_check when to call again and keeps the
    /// answer in a timer wheel; `park` also takes a connection off the wheel while it has nothing to send and nothing to
    /// acknowledge; `next` asks ikcpx_next instead, and sends what is due at once, which libraries without ikcpx.h cannot do.
    /// ikcp_check never answers later than the connection's next flush, so with an interval of 10 ms asking it saves nothing: the
    /// saving depends on the interval.
    ///
    /// Try: `--connections 2000 --interval 10,20,40,100`, `--original /path/libkcp.so` to see another implementation beside ours.
    Scale(scale::Scale),
    /// One lossy session, drawn: every segment, loss, skip and retransmission with its cause
    ///
    /// The upper part shows the packets between sender and receiver. Below it is the life of each segment by its number: sent,
    /// skipped, resent (and why), given to the program, acknowledged. At the bottom are the sender's windows and timers. A column
    /// of small dots is the price of one loss: messages that had arrived but had to wait for it. `not needed` is what only the
    /// emulator can know: the segment had not been lost.
    ///
    /// Try: `--mode default`, `--mode 1,10,2,1` against `--mode 1,10,1,1` with the same seed, `--every 0` (a burst), `--from 300
    /// --to 600` (a closer look).
    Explain(explain::Explain),
    /// Why a connection was late: reads a capture of any program that speaks KCP
    ///
    /// Conversations are found by themselves, also behind kcp-go's error correction and behind a fixed number of bytes. For each one:
    /// the settings as they show, round trips, loss each way, every resend with its cause, and at most five findings ranked by the
    /// milliseconds that they cost, each with the setting to change. What is encrypted is called encrypted.
    ///
    /// Try: `tcpdump -i any -w capture.pcap udp` on either machine while the connection is slow, then `kcp-lab doctor capture.pcap`.
    Doctor(doctor::Doctor),
}

// Which implementation of KCP is measured. (No doc comment: clap would show it as the subcommand's summary.)
#[derive(Debug, Args)]
pub struct LibraryArgs {
    /// A shared library with KCP's C interface; without it this repository's own is built and used
    #[arg(long, value_name = "PATH", value_parser = values::file())]
    library: Option<PathBuf>,
}

impl LibraryArgs {
    /// Whether the user named another library.
    pub fn given(&self) -> bool {
        self.library.is_some()
    }

    pub fn open(&self) -> Result<&'static Library> {
        match &self.library {
            Some(path) => open(path),
            None => open(&kcp_abi::ours().context("building this repository's library")?),
        }
    }
}

pub fn open(path: &Path) -> Result<&'static Library> {
    Library::open(path).or_refuse(format!("cannot use {}", path.display()))
}

/// Opens the library of `--original`.
pub fn open_original(path: &Path) -> Result<&'static Library> {
    let library = open(path)?;
    if library.is_like_ours() {
        eprintln!("warning: {}", kcp_abi::library::not_the_original(path));
    }
    Ok(library)
}

/// What the program does.
pub fn main() -> ExitCode {
    let cli: Cli = kcp_cli::parse();
    kcp_cli::run("kcp-lab", || {
        interrupt::watch()?;
        match cli.command {
            Command::Latency(latency) => latency.run(),
            Command::Throughput(throughput) => throughput.run(),
            Command::Contend(contend) => contend.run(),
            Command::Scale(scale) => scale.run(),
            Command::Explain(explain) => explain.run(),
            Command::Doctor(doctor) => doctor.run(),
        }?;
        Ok(ExitCode::SUCCESS)
    })
}
