//! `contend`: several flows through one bottleneck, and each flow's share.

use std::path::PathBuf;
use std::str::FromStr;

use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use kcp_cli::values::{number, seed};
use kcp_cli::{demand, files, interrupt, progress};

use crate::LibraryArgs;
use crate::bottleneck::{self, BIN, Outcome, Protocol};
use crate::contend_plot;
use crate::endpoint::{MODE_HELP, Mode, window};
use crate::link::{Config, Micros};
use crate::presets::LinkArgs;
use crate::table::Table;
use crate::tally::Tally;
use crate::tcp;

/// The most flows that fit a table and a picture.
const MOST: usize = 64;

#[derive(Debug, Args)]
#[command(after_long_help = MODE_HELP)]
#[command(mut_arg("link", |arg| arg.default_value("shared")))]
pub struct Contend {
    #[command(flatten)]
    link: LinkArgs,
    #[command(flatten)]
    library: LibraryArgs,

    /// A flow; repeat for several. A mode of KCP (`bbr`, `turbo`), with `@` and its window if that is not --window (`turbo@1024`), or
    /// `tcp-` and a congestion control of the kernel (`tcp-cubic`), which needs root and makes the run take real time. `4xbbr`
    /// is four of them [default: 2xbbr]
    #[arg(long, value_name = "FLOW", help_heading = "The flows")]
    flow: Vec<Flows>,
    /// Send and receive window of KCP in segments
    #[arg(long, default_value_t = 4_096, help_heading = "The flows", value_parser = window())]
    window: i32,
    /// Seconds from the start of one flow to that of the next
    #[arg(long, value_name = "SECONDS", default_value_t = 0.0, help_heading = "The flows", value_parser = number(0.0..=600.0))]
    apart: f64,

    /// Length of the run
    #[arg(long, default_value_t = 30, value_parser = number::<u64>(1..=600))]
    seconds: u64,
    /// The second from which on the figures of the table count [default: half of the run]
    #[arg(long, value_name = "SECOND", value_parser = number(0.0..=600.0))]
    from: Option<f64>,
    /// Seed of everything random. The same seed gives the same table as long as no TCP takes part
    #[arg(long, default_value_t = 1, value_parser = seed())]
    seed: u64,
    /// Folder for contend.csv, rates.csv (each tenth of a second) and contend.svg
    #[arg(long, value_name = "FOLDER", default_value = "lab-contend")]
    out: PathBuf,
}

/// What `--flow` selects.
#[derive(Debug, Clone)]
struct Flows {
    count: usize,
    name: String,
    kind: Kind,
}

#[derive(Debug, Clone)]
enum Kind {
    Kcp { mode: Mode, window: Option<i32> },
    Tcp(String),
}

impl FromStr for Flows {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Flows> {
        let counted = text
            .split_once('x')
            .and_then(|(count, name)| Some((count.parse().ok()?, name)));
        let (count, name) = counted.unwrap_or((1, text));
        ensure!(
            (1..=MOST).contains(&count),
            "expected 1 to {MOST} flows, got {count}"
        );
        let kind = match name.strip_prefix("tcp-") {
            Some(control) => Kind::Tcp(tcp::control(control)?),
            None => {
                let (mode, window) = match name.split_once('@') {
                    None => (name, None),
                    Some((mode, window)) => match window.parse() {
                        Ok(window @ 1..=65_535) => (mode, Some(window)),
                        _ => bail!("`@{window}`: expected a window from 1 to 65535"),
                    },
                };
                let mode = mode.parse()?;
                Kind::Kcp { mode, window }
            }
        };
        Ok(Flows {
            count,
            name: name.to_string(),
            kind,
        })
    }
}

/// One flow of the run.
pub struct Flow {
    pub name: String,
    protocol: Protocol,
    pub start: Micros,
}

/// The data of the table and the picture.
pub struct Race {
    pub flows: Vec<Flow>,
    pub outcome: Outcome,
    pub link: Config,
    /// Figures count from this time on.
    pub from: Micros,
}

impl Race {
    /// Number of whole bins.
    pub fn bins(&self) -> usize {
        (self.outcome.length / BIN) as usize
    }

    /// The figures of a flow in some of the bins.
    pub fn tally(&self, flow: usize, bins: std::ops::Range<usize>) -> Tally {
        let own = &self.outcome.flows[flow];
        Tally::sum(own.iter().take(bins.end).skip(bins.start))
    }

    /// The rates of the flows that have started, in bits per second.
    pub fn rates(&self, bins: std::ops::Range<usize>) -> Vec<f64> {
        let seconds = (bins.len() as Micros * BIN) as f64 / 1e6;
        let end = bins.end as Micros * BIN;
        (0..self.flows.len())
            .filter(|&flow| self.flows[flow].start < end)
            .map(|flow| self.tally(flow, bins.clone()).bytes as f64 * 8.0 / seconds)
            .collect()
    }
}

/// Jain's index: 1 if all rates are equal, 1/n if one flow has everything.
pub fn fairness(rates: &[f64]) -> Option<f64> {
    let sum: f64 = rates.iter().sum();
    let squares: f64 = rates.iter().map(|rate| rate * rate).sum();
    (squares > 0.0).then(|| sum * sum / (rates.len() as f64 * squares))
}

impl Contend {
    pub fn run(self) -> Result<()> {
        let link = self.link.direction()?;
        demand!(
            link.bandwidth.is_some(),
            "the link has no limit: nothing to contend for without --bandwidth"
        );
        let length = self.seconds * 1_000_000;
        let from = self
            .from
            .map_or(length / 2, |second| (second * 1e6) as Micros);
        demand!(
            from + BIN <= length,
            "--from {}: the run ends after {} s",
            from as f64 / 1e6,
            self.seconds
        );
        files::writable_folder(&self.out)?;
        let library = self.library.open()?;
        let flows = self.flows()?;
        for flow in &flows {
            if let Protocol::Kcp { mode, .. } = &flow.protocol {
                mode.demand_of(library)?;
            }
            demand!(
                flow.start < length,
                "{} starts after {} s, and the run ends after {} s",
                flow.name,
                flow.start as f64 / 1e6,
                self.seconds
            );
        }
        let flows = without_missing(flows)?;

        println!("Link: {link}");
        let bar = progress::bar(self.seconds, "seconds");
        let protocols: Vec<_> = flows
            .iter()
            .map(|flow| (flow.protocol.clone(), flow.start))
            .collect();
        let outcome = bottleneck::run(library, &protocols, link, self.seed, length, |now| {
            bar.set_position(now / 1_000_000);
        })?;
        bar.finish_and_clear();
        if let Some(late) = outcome.late {
            eprintln!(
                "Real time, packets {:.2} ms late at p50 and {:.2} ms at p99",
                late[0] as f64 / 1000.0,
                late[1] as f64 / 1000.0
            );
        }
        let seconds = outcome.length as f64 / 1e6;
        interrupt::tell(format!("{seconds:.1} s"));
        let race = Race {
            flows,
            // After Ctrl-C, half of the part that was run.
            from: match outcome.length {
                ended if ended < from + BIN => ended / 2,
                _ => from,
            },
            outcome,
            link,
        };
        ensure!(
            race.rates(0..race.bins()).iter().any(|rate| *rate > 0.0),
            "nothing was delivered: there is nothing to show"
        );
        self.report(&race)
    }

    /// Each flow with its own name, in the order of their starts.
    fn flows(&self) -> Result<Vec<Flow>> {
        let wanted = match self.flow.is_empty() {
            true => vec!["2xbbr".parse()?],
            false => self.flow.clone(),
        };
        let all: Vec<&Flows> = wanted
            .iter()
            .flat_map(|flows| std::iter::repeat_n(flows, flows.count))
            .collect();
        demand!(
            all.len() <= MOST,
            "{} flows: expected {MOST} at most",
            all.len()
        );
        let named = |flows: &[&Flows], name: &str| flows.iter().filter(|f| f.name == name).count();
        let apart = (self.apart * 1e6) as Micros;
        let flow = |(index, flows): (usize, &&Flows)| Flow {
            name: match named(&all, &flows.name) {
                1 => flows.name.clone(),
                _ => format!("{} #{}", flows.name, named(&all[..=index], &flows.name)),
            },
            protocol: match &flows.kind {
                Kind::Tcp(control) => Protocol::Tcp(control.clone()),
                Kind::Kcp { mode, window } => Protocol::Kcp {
                    mode: mode.clone(),
                    window: window.unwrap_or(self.window),
                },
            },
            start: index as Micros * apart,
        };
        Ok(all.iter().enumerate().map(flow).collect())
    }

    fn report(&self, race: &Race) -> Result<()> {
        let table = table(race);
        println!(
            "Figures from {:.1} s to {:.1} s; seed {}",
            race.from as f64 / 1e6,
            race.outcome.length as f64 / 1e6,
            self.seed
        );
        table.print();
        table.write_csv(&self.out.join("contend.csv"))?;
        self.write_rates(race)?;
        let subtitle = format!("{}; seed {}", race.link, self.seed);
        contend_plot::draw(&self.out.join("contend.svg"), race, &subtitle)?;
        println!(
            "Written: {}/contend.csv, rates.csv, contend.svg",
            self.out.display()
        );
        Ok(())
    }

    fn write_rates(&self, race: &Race) -> Result<()> {
        let mut writer = csv::Writer::from_path(self.out.join("rates.csv"))?;
        writer.write_record([
            "second",
            "flow",
            "bytes",
            "packets",
            "lost",
            "dropped",
            "queueing_p50_us",
            "queueing_p99_us",
        ])?;
        for bin in 0..race.bins() {
            for (index, flow) in race.flows.iter().enumerate() {
                let tally = race.tally(index, bin..bin + 1);
                let waits = tally.queueing();
                let wait = |wait: Option<u64>| wait.map_or(String::new(), |us| us.to_string());
                writer.write_record([
                    format!("{:.1}", (bin as Micros * BIN) as f64 / 1e6),
                    flow.name.clone(),
                    tally.bytes.to_string(),
                    tally.packets.to_string(),
                    tally.lost.to_string(),
                    tally.dropped.to_string(),
                    wait(waits.map(|waits| waits.p50)),
                    wait(waits.map(|waits| waits.p99)),
                ])?;
            }
        }
        writer.flush()?;
        Ok(())
    }
}

/// Leaves out TCP flows that this machine cannot run, and says why.
fn without_missing(flows: Vec<Flow>) -> Result<Vec<Flow>> {
    let mut wanted: Vec<String> = flows
        .iter()
        .filter_map(|flow| match &flow.protocol {
            Protocol::Tcp(control) => Some(control.clone()),
            Protocol::Kcp { .. } => None,
        })
        .collect();
    wanted.sort_unstable();
    wanted.dedup();
    if wanted.is_empty() {
        return Ok(flows);
    }
    let usable = tcp::usable(&wanted).unwrap_or_else(|reason| {
        eprintln!("TCP left out: {reason:#}");
        Vec::new()
    });
    let left: Vec<Flow> = flows
        .into_iter()
        .filter(|flow| match &flow.protocol {
            Protocol::Tcp(control) => usable.contains(control),
            Protocol::Kcp { .. } => true,
        })
        .collect();
    left.first().context("no flow is left")?;
    Ok(left)
}

/// The figures of each flow, and of all together.
fn table(race: &Race) -> Table {
    let mut table = Table::new(&[
        "flow",
        "start s",
        "Mbit/s",
        "share %",
        "own loss %",
        "lost %",
        "needless %",
        "queueing p50 ms",
        "queueing p99 ms",
        "Jain's index",
    ]);
    let bins = (race.from / BIN) as usize..race.bins();
    let rates = race.rates(bins.clone());
    let sum: f64 = rates.iter().sum();
    let tallies: Vec<Tally> = (0..race.flows.len())
        .map(|flow| race.tally(flow, bins.clone()))
        .collect();
    let row = |name: &str, start: String, rate: f64, tally: &Tally, index: String| {
        let waits = tally.queueing();
        let wait = |wait: Option<Micros>| {
            wait.map_or("-".to_string(), |micros| {
                format!("{:.1}", micros as f64 / 1e3)
            })
        };
        let share = |part: u64| format!("{:.2}", part as f64 / tally.packets.max(1) as f64 * 100.0);
        vec![
            name.to_string(),
            start,
            format!("{:.2}", rate / 1e6),
            format!("{:.1}", rate / sum.max(1.0) * 100.0),
            share(tally.dropped),
            share(tally.lost),
            match tally.fresh {
                0 => "-".to_string(),
                _ => format!("{:.1}", tally.needless() * 100.0),
            },
            wait(waits.map(|waits| waits.p50)),
            wait(waits.map(|waits| waits.p99)),
            index,
        ]
    };
    for (index, (flow, tally)) in race.flows.iter().zip(&tallies).enumerate() {
        let start = format!("{}", flow.start as f64 / 1e6);
        let rate = rates.get(index).copied().unwrap_or(0.0);
        table.row(row(&flow.name, start, rate, tally, "-".to_string()));
    }
    let all = Tally::sum(&tallies);
    let index = fairness(&rates).map_or("-".to_string(), |index| format!("{index:.3}"));
    table.row(row("all", "-".to_string(), sum, &all, index));
    table
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;

    #[test]
    fn jains_index_is_one_for_equals_and_a_share_for_a_single_winner() {
        let index = |rates: &[f64]| fairness(rates).unwrap();
        assert_eq!(index(&[5.0, 5.0, 5.0]), 1.0);
        assert_eq!(index(&[8.0, 0.0, 0.0, 0.0]), 0.25);
        assert!((index(&[1.0, 3.0]) - 0.8).abs() < 1e-12);
        assert_eq!(fairness(&[0.0, 0.0]), None);
        assert_eq!(fairness(&[]), None);
    }

    #[test]
    fn flows_are_counted_named_and_given_windows() {
        let flows: Flows = "4xturbo+flush@512".parse().unwrap();
        assert_eq!((flows.count, flows.name.as_str()), (4, "turbo+flush@512"));
        assert!(matches!(
            flows.kind,
            Kind::Kcp {
                window: Some(512),
                ..
            }
        ));
        let numbers: Flows = "2x1,10,2,1".parse().unwrap();
        assert_eq!(numbers.count, 2);
        let tcp: Flows = "tcp-cubic".parse().unwrap();
        assert!(matches!(tcp.kind, Kind::Tcp(control) if control == "cubic"));
        for nonsense in [
            "",
            "0xbbr",
            "65xbbr",
            "-1xbbr",
            "xbbr",
            "bbr@0",
            "bbr@65536",
            "bbr@",
            "tcp-",
            "tcp-../cubic",
            "tcp-cubic@5",
            "udp",
        ] {
            assert!(nonsense.parse::<Flows>().is_err(), "{nonsense}");
        }
    }

    fn race(flows: &[(&str, Micros)], seed: u64, length: Micros) -> Race {
        let flows: Vec<Flow> = flows
            .iter()
            .map(|&(name, start)| {
                let flows: Flows = name.parse().unwrap();
                let protocol = match flows.kind {
                    Kind::Tcp(control) => Protocol::Tcp(control),
                    Kind::Kcp { mode, window } => Protocol::Kcp {
                        mode,
                        window: window.unwrap(),
                    },
                };
                Flow {
                    name: name.to_string(),
                    protocol,
                    start,
                }
            })
            .collect();
        let link = Config {
            bandwidth: Some(20_000_000),
            queue: 40_000,
            ..Config::plain(10_000)
        };
        let protocols: Vec<_> = flows
            .iter()
            .map(|flow| (flow.protocol.clone(), flow.start))
            .collect();
        let library = testing::library();
        let outcome = bottleneck::run(library, &protocols, link, seed, length, |_| {}).unwrap();
        Race {
            flows,
            outcome,
            link,
            from: length / 2,
        }
    }

    #[test]
    fn a_seed_replays_the_run_and_windows_share_by_their_size() {
        let both = [("normal@100", 0), ("normal@100", 500_000)];
        let told = |seed| format!("{:?}", table(&race(&both, seed, 4_000_000)));
        assert_eq!(told(1), told(1));
        assert_ne!(told(1), told(2));
        // The link and its queue hold both windows: nothing is dropped, and each flow gets the rate that its window allows.
        let race = race(&[("0,1,0,1@10", 0), ("0,1,0,1@30", 0)], 1, 4_000_000);
        let rates = race.rates(20..40);
        assert!(
            (rates[1] / rates[0] - 3.0).abs() < 0.1,
            "{rates:?} should be 1 to 3"
        );
        assert_eq!(race.tally(0, 0..40).dropped, 0);
    }

    #[test]
    fn a_flow_that_has_not_started_has_no_rate() {
        let race = race(&[("normal@24", 0), ("normal@24", 2_000_000)], 1, 4_000_000);
        assert_eq!(race.rates(0..20).len(), 1);
        assert_eq!(race.rates(0..21).len(), 2);
        assert_eq!(race.tally(1, 0..20).packets, 0);
        assert!(race.tally(1, 20..40).packets > 0);
    }

    #[test]
    fn controls_fill_the_link_and_share_it() {
        if !testing::has_controls() {
            return;
        }
        for control in ["bbr@2048", "cubic@2048"] {
            let race = race(&[(control, 0), (control, 1_000_000)], 1, 20_000_000);
            let rates = race.rates(100..200);
            let sum: f64 = rates.iter().sum();
            assert!(sum > 0.9 * 20e6 * 1376.0 / 1428.0, "{control}: {rates:?}");
            assert!(fairness(&rates).unwrap() > 0.6, "{control}: {rates:?}");
            let own_loss =
                Tally::sum(&[race.tally(0, 100..200), race.tally(1, 100..200)]).own_loss();
            assert!(own_loss < 0.05, "{control}: {own_loss}");
        }
    }

    #[test]
    fn kcp_and_tcp_share_a_link_in_real_time() {
        let control = match tcp::available() {
            Ok(controls) => controls[0].clone(),
            Err(reason) => {
                eprintln!("skipped: {reason:#}");
                return;
            }
        };
        let tcp = format!("tcp-{control}");
        let race = race(&[("normal@24", 0), (&tcp, 200_000)], 1, 1_500_000);
        assert!(race.outcome.late.is_some());
        // From the start: in a part of the run, data that was in the queue before would count as well.
        let rates = race.rates(0..15);
        // Each gets at least a twentieth, and both together no more than the link carries.
        assert!(rates.iter().all(|rate| *rate > 1e6), "{rates:?}");
        assert!(rates.iter().sum::<f64>() < 20e6, "{rates:?}");
    }
}
