//! `latency`: echo times of messages sent at a fixed pace, with KCP in several modes, ENet, and the kernel's TCP, over the same
//! link.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use clap::Args;
use indicatif::ProgressBar;
use kcp_abi::Library;
use kcp_cli::values::{number, seed};
use kcp_cli::{OrRefuse, demand, files, interrupt, progress};
use kcp_plot::{self as plot, RGBColor};
use rand::{Rng, SeedableRng};
use rand_pcg::Pcg64Mcg;

use crate::LibraryArgs;
use crate::bytes_plot;
use crate::endpoint::{KcpPair, LONGEST_MESSAGE, MODE_HELP, Mode, window};
use crate::enet::{self, EnetPair};
use crate::latency_plot;
use crate::link::{Config, Count, Micros};
use crate::presets::LinkArgs;
use crate::session::{self, SHORTEST, Session, TICK, Traffic};
use crate::table::{Summary, Table};
use crate::tcp;

#[derive(Debug, Args)]
#[command(after_long_help = MODE_HELP)]
pub struct Latency {
    #[command(flatten)]
    link: LinkArgs,
    #[command(flatten)]
    library: LibraryArgs,

    /// KCP modes to measure; repeat for several [default: default, normal, fast, fast+flush]
    #[arg(long, value_name = "MODE", help_heading = "Who takes part")]
    mode: Vec<Mode>,
    /// Redundancy at the client alone, as with a server that cannot be changed
    #[arg(long, help_heading = "Who takes part")]
    one_end: bool,
    /// Congestion controls of the kernel's TCP, by comma; needs root for network namespaces and takes real time
    #[arg(
        long,
        value_name = "NAMES",
        value_delimiter = ',',
        default_value = "cubic,bbr",
        help_heading = "Who takes part", value_parser = tcp::control)]
    tcp: Vec<String>,
    /// A setting below net.ipv4 for the namespaces of TCP; repeat for several. `tcp_early_retrans=0` takes away the tail loss
    /// probes, which Linux has had since 2013
    #[arg(long, value_name = "NAME=VALUE", help_heading = "Who takes part", value_parser = setting)]
    sysctl: Vec<String>,
    /// Leave TCP out: the others run in virtual time and take seconds
    #[arg(long, help_heading = "Who takes part")]
    no_tcp: bool,
    /// Leave ENet out
    #[arg(long, help_heading = "Who takes part")]
    no_enet: bool,

    /// Bytes of a message. The defaults are those of the published comparison of KCP, ENet and UDT; the test of KCP's documentation
    /// has `--size 8 --every 20`
    #[arg(long, default_value_t = 500, help_heading = "Traffic", value_parser = number::<usize>(SHORTEST..=LONGEST_MESSAGE))]
    size: usize,
    /// Milliseconds between messages
    #[arg(
        long,
        value_name = "MS",
        default_value_t = 50,
        help_heading = "Traffic", value_parser = number::<u64>(1..=60_000))]
    every: u64,
    /// Messages as a game or a call has sent them instead, from a CSV file with a line `milliseconds,bytes` for each: when it is
    /// sent, from the start, in order. A longer session repeats them
    #[arg(long, value_name = "FILE", help_heading = "Traffic", conflicts_with_all = ["size", "every"])]
    messages: Option<PathBuf>,
    /// Measure one way instead of the echo, how old messages are when they are delivered, without and with an expiry: after so many
    /// milliseconds a message is dropped (ikcpx_send_until), or goes on as a byte when it is in flight (ikcpx_stub). KCP alone
    #[arg(long, value_name = "MS", help_heading = "Traffic", value_parser = number::<i32>(1..=60_000))]
    until: Option<i32>,
    /// Length of a session
    #[arg(long, default_value_t = 30, help_heading = "Traffic", value_parser = number::<u64>(1..=3_600))]
    seconds: u64,
    /// Sessions of each protocol, each with its own seed of the link. TCP's run side by side, so more of them cost no more time,
    /// and tails (p99, max) need many
    #[arg(long, default_value_t = 16, help_heading = "Traffic", value_parser = number::<u64>(1..=1_000))]
    sessions: u64,
    /// Send and receive window of KCP in segments
    #[arg(long, default_value_t = 128, help_heading = "Traffic", value_parser = window())]
    window: i32,

    /// Seed of everything random. The same seed gives the same table for KCP and ENet; TCP runs in real time on a real kernel
    #[arg(long, default_value_t = 1, value_parser = seed())]
    seed: u64,
    /// Folder for latency.csv, messages.csv, latency.svg, and bytes.svg, which has what late messages cost
    #[arg(long, value_name = "FOLDER", default_value = "lab-latency")]
    out: PathBuf,
}

/// A setting below net.ipv4.
fn setting(text: &str) -> Result<String, String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() && !value.is_empty() && !name.contains("..") => {
            Ok(text.to_string())
        }
        _ => Err("expected NAME=VALUE".to_string()),
    }
}

/// A line of a file of messages.
fn recorded(line: &str) -> Result<(Micros, usize)> {
    let expected = format!(
        "expected milliseconds and {SHORTEST} to {LONGEST_MESSAGE} bytes, such as 16.7,120"
    );
    let parse = || {
        let (at, bytes) = line.split_once(',')?;
        let at: f64 = at.trim().parse().ok()?;
        Some((at, bytes.trim().parse().ok()?))
    };
    let (at, bytes) = parse().context(expected.clone())?;
    ensure!(
        (0.0..3_600_000.0).contains(&at) && (SHORTEST..=LONGEST_MESSAGE).contains(&bytes),
        expected
    );
    Ok(((at * 1e3) as Micros, bytes))
}

/// The messages until `end`; a millisecond after the last one they begin again.
fn repeated(lines: &[(Micros, usize)], end: Micros) -> Vec<(Micros, usize)> {
    let Some((last, _)) = lines.last() else {
        return Vec::new();
    };
    let rounds = (0..).map(|round| round * (last + TICK));
    let messages = |start| lines.iter().map(move |(at, bytes)| (start + at, *bytes));
    rounds
        .flat_map(messages)
        .take_while(|(at, _)| *at < end)
        .collect()
}

/// All sessions of one protocol.
pub struct Series {
    pub name: String,
    pub color: RGBColor,
    pub sessions: Vec<Session>,
}

impl Series {
    fn new(name: &str, index: usize, sessions: Vec<Session>) -> Series {
        let color = match name {
            "KCP default" => plot::AMBER,
            "KCP normal" => plot::BLUE,
            "KCP fast" => plot::GREEN,
            "KCP turbo" => plot::PINK,
            "KCP fast+flush" => plot::CYAN,
            "TCP cubic" => plot::RED,
            "TCP bbr" => plot::ORANGE,
            "ENet" => plot::PURPLE,
            _ => plot::SERIES[index % plot::SERIES.len()],
        };
        Series {
            name: name.to_string(),
            color,
            sessions,
        }
    }

    /// Echo times of all sessions, sorted.
    pub fn sorted(&self) -> Vec<Micros> {
        let mut all: Vec<Micros> = self.sessions.iter().flat_map(|s| s.rtt.clone()).collect();
        all.sort_unstable();
        all
    }

    pub fn sent(&self) -> usize {
        self.sessions.iter().map(|s| s.sent.len() + s.expired).sum()
    }

    fn payload(&self) -> usize {
        self.sessions.iter().map(|session| session.payload).sum()
    }

    /// Bytes on the wire for a byte of payload, where any has arrived.
    pub fn overhead(&self) -> Option<f64> {
        let payload = self.payload();
        (payload > 0).then(|| self.wire().bytes as f64 / payload as f64)
    }

    fn wire(&self) -> Count {
        let mut sum = Count::default();
        for count in self.sessions.iter().flat_map(|s| s.wire) {
            sum.packets += count.packets;
            sum.bytes += count.bytes;
            sum.lost += count.lost;
            sum.dropped += count.dropped;
        }
        sum
    }
}

/// When the message clock of a session starts relative to the protocol's clock, and when each end's flush clock starts.
struct Phases {
    message: Micros,
    update: [Micros; 2],
}

fn phases(seed: u64, session: u64, period: Micros) -> Phases {
    let mut random = Pcg64Mcg::seed_from_u64(seed ^ session.wrapping_mul(0xD1B5_4A32_D192_ED03));
    Phases {
        message: random.random_range(0..50) * TICK,
        update: [0, 1].map(|_| random.random_range(0..period / TICK) * TICK),
    }
}

/// Sessions in virtual time, reproducible from the seed.
struct Virtual<'a> {
    link: Config,
    seed: u64,
    sessions: u64,
    traffic: Traffic,
    bar: &'a ProgressBar,
}

impl Virtual<'_> {
    /// Plays all sessions, or until Ctrl-C.
    fn play(&self, session: impl Fn(u64) -> Result<Session>) -> Result<Vec<Session>> {
        (0..self.sessions)
            .take_while(|_| !interrupt::requested())
            .map(|stream| {
                let played = session(stream);
                self.bar.inc(1);
                played
            })
            .collect()
    }

    /// The modes of client and server.
    fn kcp(
        &self,
        library: &'static Library,
        modes: [&Mode; 2],
        window: i32,
    ) -> Result<Vec<Session>> {
        let Virtual { link, seed, .. } = *self;
        self.play(|stream| {
            let phases = phases(seed, stream, modes[0].period());
            let update = phases.update;
            let mut pair = KcpPair::with_modes(library, modes, window, link, seed, stream, update)?;
            session::run(&mut pair, 0, phases.message, self.traffic)
        })
    }

    /// One way, and with an expiry if there is one.
    fn one_way(
        &self,
        library: &'static Library,
        mode: &Mode,
        window: i32,
        expiry: Option<i32>,
    ) -> Result<Vec<Session>> {
        let Virtual { link, seed, .. } = *self;
        self.play(|stream| {
            let phases = phases(seed, stream, mode.period());
            let mut pair = KcpPair::new(library, mode, window, link, seed, stream, phases.update)?;
            if let Some(milliseconds) = expiry {
                pair.expire(milliseconds)?;
            }
            session::one_way(&mut pair, 0, phases.message, self.traffic)
        })
    }

    fn enet(&self) -> Result<Vec<Session>> {
        let enet = enet::load()?;
        self.bar
            .suspend(|| eprintln!("ENet {} in virtual time", enet.version()));
        self.play(|stream| {
            let (mut pair, start) = EnetPair::connect(&enet, self.link, self.seed, stream)?;
            let phase = phases(self.seed, stream, TICK).message;
            session::run(&mut pair, start, phase, self.traffic)
        })
    }
}

impl Latency {
    pub fn run(self) -> Result<()> {
        let link = self.link.direction()?;
        demand!(
            self.seconds * 1_000 >= self.every,
            "nothing to measure: no message is sent in {} s when one is sent every {} ms",
            self.seconds,
            self.every
        );
        files::writable_folder(&self.out)?;
        let traffic = self.traffic()?;
        let library = self.library.open()?;
        let mut series = Vec::new();
        let modes = if self.mode.is_empty() {
            ["default", "normal", "fast", "fast+flush"]
                .map(|name| name.parse())
                .into_iter()
                .collect::<Result<_>>()?
        } else {
            self.mode.clone()
        };
        for mode in &modes {
            mode.demand_of(library)?;
        }
        println!("Link: {link}");
        if let Some(milliseconds) = self.until {
            let expires = library.expiry().is_some();
            let path = library.path().display();
            demand!(
                expires,
                "--until {milliseconds}: {path} has no ikcpx_send_until"
            );
        }
        println!(
            "Traffic: {}, {}; {} sessions of {} s; seed {}",
            self.sent(),
            self.way(),
            self.sessions,
            self.seconds,
            self.seed
        );
        let takes_part = match self.until {
            Some(_) => 2 * modes.len(),
            None => modes.len() + usize::from(!self.no_enet),
        };
        let bar = progress::ticking(takes_part as u64 * self.sessions, "sessions");
        let virtual_time = Virtual {
            link,
            seed: self.seed,
            sessions: self.sessions,
            traffic,
            bar: &bar,
        };
        for mode in &modes {
            if interrupt::requested() {
                break;
            }
            bar.set_message(format!("KCP {}, virtual time", mode.name));
            if let Some(milliseconds) = self.until {
                for (expiry, name) in [
                    (None, mode.name.clone()),
                    (
                        Some(milliseconds),
                        format!("{}, {milliseconds} ms", mode.name),
                    ),
                ] {
                    let sessions = virtual_time.one_way(library, mode, self.window, expiry)?;
                    series.push(Series::new(&format!("KCP {name}"), series.len(), sessions));
                }
                continue;
            }
            let mut server = mode.clone();
            if self.one_end {
                server.redundancy = 0;
            }
            let sessions = virtual_time.kcp(library, [mode, &server], self.window)?;
            series.push(Series::new(
                &format!("KCP {}", mode.name),
                series.len(),
                sessions,
            ));
        }
        if self.until.is_none() && !self.no_enet && !interrupt::requested() {
            bar.set_message("ENet, virtual time");
            match virtual_time.enet() {
                Ok(sessions) => series.push(Series::new("ENet", series.len(), sessions)),
                Err(reason) => bar.suspend(|| eprintln!("ENet left out: {reason:#}")),
            }
        }
        bar.finish_and_clear();
        if self.until.is_none() && !self.no_tcp && !interrupt::requested() {
            match tcp::usable(&self.tcp) {
                Ok(controls) => self.tcp_series(&controls, link, traffic, &mut series)?,
                Err(reason) => eprintln!("TCP left out: {reason:#}"),
            }
        }
        let sessions: usize = series.iter().map(|one| one.sessions.len()).sum();
        interrupt::tell(format!("{sessions} sessions"));
        ensure!(
            series.iter().any(|one| !one.sorted().is_empty()),
            "nothing arrived: there is nothing to show"
        );
        self.report(&series, link)
    }

    fn traffic(&self) -> Result<Traffic> {
        let steady = Traffic {
            size: self.size,
            every: self.every * 1_000,
            messages: (self.seconds * 1_000 / self.every) as usize,
            patience: 60_000_000,
            recorded: &[],
        };
        let Some(path) = &self.messages else {
            return Ok(steady);
        };
        let text = fs::read_to_string(path).or_refuse(path.display())?;
        let lines = text.lines().zip(1..);
        let lines = lines.map(|(line, number)| {
            let shown = || format!("{}, line {number}: `{line}`", path.display());
            recorded(line).or_refuse(shown())
        });
        let lines = lines.collect::<Result<Vec<_>>>()?;
        demand!(
            lines.is_sorted_by_key(|(at, _)| at),
            "{}: the times go back",
            path.display()
        );
        let recorded = repeated(&lines, self.seconds * 1_000_000);
        demand!(
            !recorded.is_empty(),
            "nothing to measure: {} has no message in the first {} s",
            path.display(),
            self.seconds
        );
        Ok(Traffic {
            size: recorded.iter().map(|(_, bytes)| *bytes).max().unwrap_or(0),
            messages: recorded.len(),
            recorded: recorded.leak(),
            ..steady
        })
    }

    /// What is sent, in words.
    fn sent(&self) -> String {
        match &self.messages {
            None => format!("{} bytes every {} ms", self.size, self.every),
            Some(path) => format!("messages of {}", path.display()),
        }
    }

    fn tcp_series(
        &self,
        controls: &[String],
        link: Config,
        traffic: Traffic,
        series: &mut Vec<Series>,
    ) -> Result<()> {
        // All sessions of all controls run at once, because they take real time.
        let plans: Vec<tcp::Plan> = controls
            .iter()
            .flat_map(|congestion| {
                (0..self.sessions).map(|stream| tcp::Plan {
                    congestion: congestion.clone(),
                    sysctl: self.sysctl.clone(),
                    stream,
                    phase: phases(self.seed, stream, TICK).message,
                })
            })
            .collect();
        let bar = progress::ticking(self.seconds, "seconds");
        bar.set_message(format!("TCP {}, real time", controls.join(" and ")));
        let outcome = tcp::run(&plans, link, self.seed, traffic, |share| {
            bar.set_position((share * self.seconds as f64) as u64);
        })?;
        bar.finish_and_clear();
        eprintln!(
            "TCP: real time, packets {:.2} ms late at p50 and {:.2} ms at p99",
            outcome.late[0] as f64 / 1000.0,
            outcome.late[1] as f64 / 1000.0
        );
        let mut sessions = outcome.sessions.into_iter();
        for name in controls {
            let own: Vec<Session> = sessions.by_ref().take(self.sessions as usize).collect();
            series.push(Series::new(&format!("TCP {name}"), series.len(), own));
        }
        Ok(())
    }

    /// What becomes of messages.
    fn way(&self) -> String {
        match self.until {
            None => "echoed".to_string(),
            Some(milliseconds) => {
                format!("one way, without and with an expiry of {milliseconds} ms")
            }
        }
    }

    fn report(&self, series: &[Series], link: Config) -> Result<()> {
        let table = summary_table(series);
        table.print();
        for one in series {
            for (session, reason) in one
                .sessions
                .iter()
                .enumerate()
                .filter_map(|(n, s)| s.broken.map(|reason| (n, reason)))
            {
                println!("{}, session {session}: {reason}", one.name);
            }
        }
        table.write_csv(&self.out.join("latency.csv"))?;
        self.write_messages(series)?;
        let path = self.out.join("latency.svg");
        let sent = self.sent();
        let title = match self.until {
            None => format!("Echo time of {sent}"),
            Some(until) => format!("Age of {sent}; with {until} ms to live and without"),
        };
        let subtitle = format!(
            "{link}; {} sessions of {} s each, seed {}",
            self.sessions, self.seconds, self.seed
        );
        let quantity = self.until.map_or("Echo time", |_| "Age");
        latency_plot::draw(&path, series, &title, &subtitle, quantity)
            .with_context(|| format!("{}", path.display()))?;
        let path = self.out.join("bytes.svg");
        bytes_plot::draw(&path, series, &title, &subtitle, quantity)
            .with_context(|| format!("{}", path.display()))?;
        println!(
            "Written: {}/latency.csv, messages.csv, latency.svg, bytes.svg",
            self.out.display()
        );
        Ok(())
    }

    fn write_messages(&self, series: &[Series]) -> Result<()> {
        let mut writer = csv::Writer::from_path(self.out.join("messages.csv"))?;
        writer.write_record(["protocol", "session", "message", "sent_us", "rtt_us"])?;
        for one in series {
            for (number, session) in one.sessions.iter().enumerate() {
                for (at, sent) in session.sent.iter().enumerate() {
                    let message = session.numbers.get(at).unwrap_or(&at);
                    let rtt = session.rtt.get(at).map_or(String::new(), u64::to_string);
                    writer.write_record([
                        one.name.as_str(),
                        &number.to_string(),
                        &message.to_string(),
                        &sent.to_string(),
                        &rtt,
                    ])?;
                }
            }
        }
        writer.flush()?;
        Ok(())
    }
}

fn millis(micros: f64) -> String {
    format!("{:.1}", micros / 1000.0)
}

/// The figures of each protocol: echo times in milliseconds, bytes with IP headers in both directions.
pub fn summary_table(series: &[Series]) -> Table {
    let mut table = Table::new(&[
        "protocol",
        "mean",
        "p50",
        "p95",
        "p99",
        "max",
        "arrived",
        "sent",
        "packets",
        "wire KB",
        "payload KB",
        "wire/payload",
    ]);
    for one in series {
        let sorted = one.sorted();
        let summary = Summary::of(&sorted);
        let figure =
            |pick: fn(Summary) -> f64| summary.map_or("-".to_string(), |s| millis(pick(s)));
        let wire = one.wire();
        let payload = one.payload();
        table.row(vec![
            one.name.clone(),
            figure(|s| s.mean),
            figure(|s| s.p50 as f64),
            figure(|s| s.p95 as f64),
            figure(|s| s.p99 as f64),
            figure(|s| s.max as f64),
            sorted.len().to_string(),
            one.sent().to_string(),
            wire.packets.to_string(),
            format!("{:.0}", wire.bytes as f64 / 1000.0),
            format!("{:.0}", payload as f64 / 1000.0),
            one.overhead()
                .map_or("-".to_string(), |overhead| format!("{overhead:.2}")),
        ]);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::link::Loss;
    use crate::testing;

    const LINK: Config = Config {
        jitter: 32_500,
        loss: Loss::Random(0.05),
        ..Config::plain(30_000)
    };
    const TRAFFIC: Traffic = Traffic {
        size: 500,
        every: 50_000,
        messages: 200,
        patience: 60_000_000,
        recorded: &[],
    };

    fn with_virtual<T>(seed: u64, play: impl FnOnce(Virtual) -> T) -> T {
        play(Virtual {
            link: LINK,
            seed,
            sessions: 2,
            traffic: TRAFFIC,
            bar: &ProgressBar::hidden(),
        })
    }

    fn kcp(seed: u64) -> Vec<Session> {
        let mode: Mode = "fast".parse().unwrap();
        with_virtual(seed, |v| v.kcp(testing::library(), [&mode, &mode], 128)).unwrap()
    }

    fn table(sessions: Vec<Session>) -> String {
        format!("{:?}", summary_table(&[Series::new("x", 0, sessions)]))
    }

    /// The link of TRAFFIC's claim has a round trip of 60 to 125 ms and loses 10 % each way.
    #[test]
    fn what_is_delivered_has_hardly_expired() {
        let link = Config {
            loss: Loss::Random(0.1),
            ..LINK
        };
        let traffic = Traffic {
            messages: 1_200,
            patience: 3_000_000,
            ..TRAFFIC
        };
        let mode: Mode = "fast+flush".parse().unwrap();
        let bar = ProgressBar::hidden();
        let (seed, sessions) = (3, 4);
        let lab = Virtual {
            link,
            seed,
            sessions,
            traffic,
            bar: &bar,
        };
        let ages = |expiry| {
            let sessions = lab.one_way(testing::library(), &mode, 128, expiry).unwrap();
            let series = Series::new("x", 0, sessions);
            assert_eq!(series.sent(), 4 * 1_200);
            Summary::of(&series.sorted()).unwrap()
        };
        assert!(ages(None).max > 325_000, "nothing to cut off");
        for expiry in [50, 100, 150, 200] {
            let summary = ages(Some(expiry));
            let limit = expiry as Micros * TICK;
            assert!(summary.p99 <= limit + 40_000, "{expiry}: {}", summary.p99);
            assert!(summary.max <= limit + 125_000, "{expiry}: {}", summary.max);
        }
    }

    /// messages.csv counted those that arrived, so a message behind an expired one had another's number.
    #[test]
    fn messages_keep_their_numbers_when_others_have_expired() {
        #[derive(clap::Parser)]
        struct Cli {
            #[command(flatten)]
            latency: Latency,
        }
        let folder = std::env::temp_dir().join(format!("kcp-lab-messages-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let mut cli: Cli = clap::Parser::parse_from(["test"]);
        cli.latency.out = folder.clone();
        let mode: Mode = "fast+flush".parse().unwrap();
        let one_way = |v: Virtual| v.one_way(testing::library(), &mode, 128, Some(50)).unwrap();
        let series = [Series::new("x", 0, with_virtual(1, one_way))];
        assert!(series[0].sessions.iter().all(|session| session.expired > 0));
        cli.latency.write_messages(&series).unwrap();
        let mut reader = csv::Reader::from_path(folder.join("messages.csv")).unwrap();
        for row in reader.records().map(Result::unwrap) {
            let [message, sent] = [2, 3].map(|column| row[column].parse::<u64>().unwrap());
            assert_eq!(sent / TRAFFIC.every, message, "{row:?}");
        }
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn recorded_messages_are_sent_at_their_times_and_repeat() {
        let lines: Vec<_> = ["0,4", "16.5,300", "16.5,20"]
            .map(|line| recorded(line).unwrap())
            .to_vec();
        assert_eq!(
            repeated(&lines, 34_000),
            [(0, 4), (16_500, 300), (16_500, 20), (17_500, 4)]
        );
        for nonsense in [
            "", "1", "x,20", "1,3", "-1,20", "nan,20", "1,200000", "1,2,3",
        ] {
            assert!(recorded(nonsense).is_err(), "{nonsense}");
        }
        assert!(repeated(&[], 1_000).is_empty());
        let traffic = Traffic {
            size: 300,
            messages: 60,
            recorded: repeated(&lines, 350_000).leak(),
            ..TRAFFIC
        };
        let mode: Mode = "fast+flush".parse().unwrap();
        let bar = ProgressBar::hidden();
        let lab = Virtual {
            link: LINK,
            seed: 1,
            sessions: 1,
            traffic,
            bar: &bar,
        };
        for session in lab.kcp(testing::library(), [&mode, &mode], 128).unwrap() {
            assert_eq!((session.rtt.len(), session.payload), (60, 20 * 2 * 324));
            assert_eq!(session.sent[1], session.sent[2]);
        }
    }

    #[test]
    fn same_seed_same_table() {
        assert_eq!(table(kcp(1)), table(kcp(1)));
        assert_ne!(table(kcp(1)), table(kcp(2)));
        for session in kcp(1) {
            assert_eq!(session.rtt.len(), TRAFFIC.messages);
            // No echo can be faster than the link.
            assert!(session.rtt.iter().all(|&rtt| rtt >= 60_000));
            assert!(session.wire.iter().all(|count| count.lost > 0));
        }
    }

    #[test]
    fn enet_repeats_exactly_too() {
        if let Err(reason) = enet::load() {
            eprintln!("skipped: {reason:#}");
            return;
        }
        let run = || table(with_virtual(1, |v| v.enet()).unwrap());
        assert_eq!(run(), run());
    }

    #[test]
    fn tcp_goes_through_the_link() {
        let control = match tcp::available() {
            Ok(controls) => controls[0].clone(),
            Err(reason) => {
                eprintln!("skipped: {reason:#}");
                return;
            }
        };
        let plans: Vec<tcp::Plan> = (0..2)
            .map(|stream| tcp::Plan {
                congestion: control.clone(),
                sysctl: Vec::new(),
                stream,
                phase: 0,
            })
            .collect();
        let traffic = Traffic {
            every: 10_000,
            messages: 50,
            ..TRAFFIC
        };
        let lossless = Config {
            jitter: 0,
            loss: Loss::Random(0.0),
            ..LINK
        };
        let outcome = tcp::run(&plans, lossless, 1, traffic, |_| {}).unwrap();
        for session in outcome.sessions {
            assert_eq!(session.rtt.len(), 50);
            assert!(session.rtt.iter().all(|&rtt| rtt >= 60_000));
            // Each message and its echo crossed the link, with headers.
            assert!(session.wire.iter().all(|count| count.bytes > 50 * 540));
        }
    }
}
