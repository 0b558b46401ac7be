//! `explain`: one lossy session, drawn and listed: every segment, every loss, every retransmission with its cause.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use clap::Args;
use kcp_abi::extensions::Info;
use kcp_cli::values::{number, seed};
use kcp_cli::{demand, files, interrupt};

use crate::LibraryArgs;
use crate::doctor::capture;
use crate::endpoint::{KcpPair, LONGEST_MESSAGE, MODE_HELP, Mode, window};
use crate::explain_plot;
use crate::link::Fate;
use crate::presets::LinkArgs;
use crate::session::CLIENT;
use crate::table::Table;
use crate::trace::{self, Cause, Need, Stream, Trace};

/// In milliseconds.
const DAY: u64 = 86_400_000;

#[derive(Debug, Args)]
#[command(after_long_help = MODE_HELP)]
pub struct Explain {
    #[command(flatten)]
    link: LinkArgs,
    #[command(flatten)]
    library: LibraryArgs,

    /// The mode of both ends
    #[arg(long, default_value = "fast", help_heading = "The session")]
    mode: Mode,
    /// Messages that the client sends; the server only acknowledges
    #[arg(long, default_value_t = 48, help_heading = "The session", value_parser = number::<usize>(1..=100_000))]
    messages: usize,
    /// Bytes of a message
    #[arg(long, default_value_t = 500, help_heading = "The session", value_parser = number::<usize>(4..=LONGEST_MESSAGE))]
    size: usize,
    /// Milliseconds between messages; 0 queues them all at once
    #[arg(
        long,
        value_name = "MS",
        default_value_t = 20,
        help_heading = "The session", value_parser = number::<u64>(0..=60_000))]
    every: u64,
    /// Send and receive window in segments
    #[arg(long, default_value_t = 128, help_heading = "The session", value_parser = window())]
    window: i32,

    /// Seed of the link: the same seed replays the session to the millisecond
    #[arg(long, default_value_t = 1, value_parser = seed())]
    seed: u64,
    /// Draw only from this time on, in ms
    #[arg(long, value_name = "MS", default_value_t = 0, value_parser = number::<u64>(0..=DAY))]
    from: u64,
    /// Draw only to this time, in ms [default: the end]
    #[arg(long, value_name = "MS", value_parser = number::<u64>(0..=DAY))]
    to: Option<u64>,
    /// Folder for explain.svg, segments.csv (every transmission), state.csv (the sender's fields, each millisecond) and session.pcap
    /// (the packets as the sender's machine sees them, for Wireshark and `kcp-lab doctor`)
    #[arg(long, value_name = "FOLDER", default_value = "lab-explain")]
    out: PathBuf,
}

impl Explain {
    pub fn run(self) -> Result<()> {
        let link = self.link.direction()?;
        demand!(
            self.to.is_none_or(|to| self.from < to),
            "--from {} is not before --to {}",
            self.from,
            self.to.unwrap_or(0)
        );
        files::writable_folder(&self.out)?;
        let library = self.library.open()?;
        self.mode.demand_of(library)?;
        let pair = KcpPair::new(
            library,
            &self.mode,
            self.window,
            link,
            self.seed,
            0,
            [0, 3_000],
        )?;
        let stream = Stream {
            size: self.size,
            every: self.every * 1_000,
            messages: self.messages,
        };
        let trace = trace::record(pair, &self.mode, stream)?;
        interrupt::tell(format!("{} transmissions", trace.transmissions.len()));
        ensure!(
            !trace.delivered.is_empty(),
            "no message arrived: there is nothing to show"
        );
        let end = trace
            .samples
            .last()
            .map_or(1, |sample| sample.at / 1_000 + 1);
        demand!(
            self.from < end,
            "--from {}: the session ends at {end} ms",
            self.from
        );

        println!("Link: {link}; KCP {}; seed {}", self.mode.name, self.seed);
        retransmissions(&trace).print();
        println!("{}", sum_up(&trace));

        segments(&trace).write_csv(&self.out.join("segments.csv"))?;
        write_state(&trace, &self.out.join("state.csv"))?;
        explain_plot::draw(
            &self.out.join("explain.svg"),
            &trace,
            &self.mode,
            (self.from, self.to.unwrap_or(end).min(end)),
            &format!(
                "{link}; {} messages of {} bytes, one every {} ms; seed {}",
                self.messages, self.size, self.every, self.seed
            ),
        )?;
        let capture = self.out.join("session.pcap");
        let file =
            std::fs::File::create(&capture).with_context(|| format!("{}", capture.display()))?;
        let packets = capture::passing(&trace.packets, CLIENT);
        capture::write(std::io::BufWriter::new(file), &packets)?;
        println!(
            "Written: {}/explain.svg, segments.csv, state.csv, session.pcap",
            self.out.display()
        );
        Ok(())
    }
}

fn fate(fate: Fate) -> String {
    match fate {
        Fate::Arrives(at) => format!("arrives {:.1}", at as f64 / 1e3),
        Fate::Lost(crate::link::Cause::Noise) => "lost".to_string(),
        Fate::Lost(crate::link::Cause::Queue) => "dropped by the queue".to_string(),
    }
}

const HEADINGS: [&str; 7] = ["time, ms", "sn", "xmit", "cause", "rto", "fate", "verdict"];

fn row(trace: &Trace, index: usize) -> Vec<String> {
    let one = &trace.transmissions[index];
    vec![
        format!("{}", one.at / 1_000),
        one.sn.to_string(),
        one.xmit.to_string(),
        one.cause.to_string(),
        one.rto.to_string(),
        fate(one.fate),
        match one.cause {
            Cause::First => String::new(),
            _ => trace.need(index).to_string(),
        },
    ]
}

/// A table of all transmissions.
fn segments(trace: &Trace) -> Table {
    let mut table = Table::new(&HEADINGS);
    for index in 0..trace.transmissions.len() {
        table.row(row(trace, index));
    }
    table
}

/// A table of the retransmissions.
fn retransmissions(trace: &Trace) -> Table {
    let mut table = Table::new(&HEADINGS);
    for (index, one) in trace.transmissions.iter().enumerate() {
        if one.cause != Cause::First {
            table.row(row(trace, index));
        }
    }
    table
}

fn sum_up(trace: &Trace) -> String {
    let count = |wanted: fn(&Cause) -> bool| {
        trace
            .transmissions
            .iter()
            .filter(|t| wanted(&t.cause))
            .count()
    };
    let lost = trace
        .transmissions
        .iter()
        .filter(|t| matches!(t.fate, Fate::Lost(_)))
        .count();
    let needed = (0..trace.transmissions.len())
        .filter(|&index| trace.transmissions[index].cause != Cause::First)
        .filter(|&index| trace.need(index) == Need::Lost)
        .count();
    let early = match count(|cause| *cause == Cause::Early) {
        0 => String::new(),
        early => format!(", {early} early"),
    };
    format!(
        "{} segments, {} transmissions of which {lost} lost; {} resent by timeout, {} by skips{early}; {needed} of these were needed",
        count(|cause| *cause == Cause::First),
        trace.transmissions.len(),
        count(|cause| *cause == Cause::Timeout),
        count(|cause| matches!(cause, Cause::Fast { .. })),
    )
}

fn write_state(trace: &Trace, path: &Path) -> Result<()> {
    let mut writer = csv::Writer::from_path(path)?;
    writer.write_record([
        "time_ms",
        "cwnd",
        "in_flight",
        "waitsnd",
        "rx_rto",
        "rx_srtt",
        "phase",
        "pacing_rate",
        "bandwidth",
        "min_rtt",
        "inflight_target",
    ])?;
    for sample in &trace.samples {
        let control = |pick: fn(Info) -> u32| {
            let value = sample.control.map(pick);
            value.map_or(String::new(), |value| value.to_string())
        };
        let phase = sample.control.map_or("", |control| control.phase_name());
        writer.write_record([
            (sample.at / 1_000).to_string(),
            sample.cwnd.to_string(),
            sample.in_flight.to_string(),
            sample.waiting.to_string(),
            sample.rto.to_string(),
            sample.srtt.to_string(),
            phase.to_string(),
            control(|c| c.pacing_rate),
            control(|c| c.bandwidth),
            control(|c| c.min_rtt),
            control(|c| c.inflight_target),
        ])?;
    }
    writer.flush()?;
    Ok(())
}
