//! `throughput`: what one connection delivers and costs, by window, loss and round-trip time.

use std::cell::RefCell;
use std::fmt;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use clap::Args;
use kcp_abi::Library;
use kcp_cli::values::{file, milliseconds, number, percent, seed};
use kcp_cli::{files, interrupt, progress};

use crate::endpoint::{KcpPair, MODE_HELP, Mode, millis, window};
use crate::link::{Config, Loss, Micros, UDP_IP_HEADERS};
use crate::presets::bandwidth;
use crate::session::{CLIENT, SERVER, TICK};
use crate::table::Table;
use crate::tally::{Arrivals, Tally};
use crate::throughput_plot;
use crate::{LibraryArgs, open_original};

#[derive(Debug, Args)]
#[command(after_long_help = MODE_HELP)]
pub struct Throughput {
    #[command(flatten)]
    library: LibraryArgs,
    /// A second library, such as the original, whose cost is drawn beside; it must deliver the same
    #[arg(long, value_name = "PATH", value_parser = file())]
    original: Option<PathBuf>,

    /// Windows in segments, by comma
    #[arg(
        long,
        value_name = "LIST",
        value_delimiter = ',',
        default_value = "32,64,128,256,512,1024,2048,4096", value_parser = window())]
    window: Vec<i32>,
    /// Loss of each direction in percent, by comma
    #[arg(
        long,
        value_name = "LIST",
        value_delimiter = ',',
        default_value = "0,1,5,10", value_parser = percent())]
    loss: Vec<f64>,
    /// Round-trip times in ms, by comma
    #[arg(
        long,
        value_name = "LIST",
        value_delimiter = ',',
        default_value = "20,100,200", value_parser = number(0.1..=10_000.0))]
    rtt: Vec<f64>,
    /// Bandwidth of each direction in Mbit/s; 0 means no limit
    #[arg(long, value_name = "MBIT", default_value_t = 100.0, value_parser = bandwidth())]
    bandwidth: f64,
    /// Queue in front of it, in ms at full rate
    #[arg(long, value_name = "MS", default_value_t = 50.0, value_parser = milliseconds())]
    queue: f64,
    /// Jitter of the round trip in ms: each direction adds 0 to half of it, evenly spread, without changing the order
    #[arg(long, value_name = "MS", default_value_t = 0.0, value_parser = milliseconds())]
    jitter: f64,
    /// Lose packets in bursts of this mean length in ms; 0 loses each packet on its own
    #[arg(long, value_name = "MS", default_value_t = 0.0, value_parser = milliseconds())]
    burst: f64,

    /// The mode of both ends; repeat for several. With nocwnd 1 and without a congestion control a mode shows the window alone
    #[arg(long, default_value = "turbo")]
    mode: Vec<Mode>,
    /// Virtual seconds that are measured
    #[arg(long, default_value_t = 10, value_parser = number::<u64>(1..=3_600))]
    seconds: u64,
    /// Virtual seconds before those, to get going: `--warm-up 15 --seconds 15` measures the second half of 30 s
    #[arg(long, value_name = "SECONDS", default_value_t = 2, value_parser = number::<u64>(0..=3_600))]
    warm_up: u64,
    /// Runs of each point. They do the same in every millisecond of virtual time, so of each millisecond the cheapest run counts:
    /// what else the machine did drops out
    #[arg(long, default_value_t = 5, value_parser = number::<usize>(1..=1_000))]
    repeat: usize,
    /// Seed of the link
    #[arg(long, default_value_t = 1, value_parser = seed())]
    seed: u64,
    /// Folder for throughput.csv and throughput.svg
    #[arg(long, value_name = "FOLDER", default_value = "lab-throughput")]
    out: PathBuf,
}

/// One point of the sweep.
pub struct Point {
    pub mode: String,
    pub window: i32,
    pub loss: f64,
    pub rtt: f64,
    /// Bytes per second given to the receiving program.
    pub delivered: f64,
    /// window * mss * (1 - loss) / RTT
    pub formula: f64,
    /// The payload that the bandwidth allows, if it is limited.
    pub capacity: Option<f64>,
    /// The sender's smoothed round-trip time at the end. It includes the link, its queue, and the wait for both ends' flushes.
    pub srtt: i32,
    /// Packets from sender to receiver beyond what the payload needed, as a share of that.
    pub extra: f64,
    /// `extra` without the packets that replaced lost ones.
    needless: f64,
    /// The share of the packets that the full queue dropped.
    own_loss: f64,
    /// Queueing delay of 99 % of the packets.
    queueing: Option<Micros>,
    /// From the start until 90 % of the bound is delivered.
    rise: Option<Micros>,
    /// Time in the library, both ends, for each KiB delivered.
    pub nanos_per_kib: f64,
    /// Time in the library as a share of one core.
    pub core: f64,
    /// The cost in each millisecond's cheapest run, and in the cheapest whole run.
    pub spread: (f64, f64),
    /// `nanos_per_kib` of the second library.
    pub original: Option<f64>,
}

impl Point {
    /// All costs that a picture shows.
    pub fn costs(&self) -> impl Iterator<Item = f64> {
        [self.spread.0, self.spread.1]
            .into_iter()
            .chain(self.original)
    }

    /// The tightest limit, in bytes per second.
    fn bound(&self) -> f64 {
        self.capacity.unwrap_or(f64::INFINITY).min(self.formula)
    }

    fn bound_by(&self) -> &'static str {
        match self.capacity {
            Some(capacity) if capacity < self.formula => "link",
            _ => "window",
        }
    }
}

impl Throughput {
    pub fn run(self) -> Result<()> {
        files::writable_folder(&self.out)?;
        let library = self.library.open()?;
        let original = self.original.as_deref().map(open_original).transpose()?;
        for mode in &self.mode {
            mode.demand_of(library)?;
            if let Some(original) = original {
                mode.demand_of(original)?;
            }
        }
        let cases = self.cases();
        let all = cases.len();
        let bar = progress::ticking(all as u64, "points");
        let mut points = Vec::new();
        for case in cases {
            bar.set_message(case.to_string());
            let Some(mut point) = self.point(library, case)? else {
                break;
            };
            if let Some(original) = original {
                let Some(other) = self.point(original, case)? else {
                    break;
                };
                ensure!(
                    (other.delivered, other.extra) == (point.delivered, point.extra),
                    "the second library behaves differently at {case}"
                );
                point.original = Some(other.nanos_per_kib);
            }
            points.push(point);
            bar.inc(1);
        }
        bar.finish_and_clear();
        interrupt::tell(format!("{} of {all} points", points.len()));
        ensure!(
            points.iter().any(|point| point.delivered > 0.0),
            "nothing was delivered: there is nothing to show"
        );
        let modes: Vec<&str> = self.mode.iter().map(|mode| mode.name.as_str()).collect();
        let mut link = format!(
            "{} Mbit/s each way, queue {} ms",
            self.bandwidth, self.queue
        );
        if self.jitter > 0.0 {
            link += &format!(", jitter {} ms", self.jitter);
        }
        if self.burst > 0.0 {
            link += &format!(", lost in bursts of {} ms", self.burst);
        }
        println!(
            "KCP {}; {link}; {} virtual seconds after {}; seed {}",
            modes.join(", "),
            self.seconds,
            self.warm_up,
            self.seed
        );
        let table = table(&points);
        table.print();
        table.write_csv(&self.out.join("throughput.csv"))?;
        let subtitle = format!(
            "KCP {}, {link}, one direction, seed {}; percentages of packets lost",
            modes.join(", "),
            self.seed
        );
        throughput_plot::draw(&self.out.join("throughput.svg"), &points, &subtitle)?;
        println!(
            "Written: {}/throughput.csv, throughput.svg",
            self.out.display()
        );
        Ok(())
    }

    /// All cases that the options select.
    fn cases(&self) -> Vec<Case<'_>> {
        let mut cases = Vec::new();
        for &rtt in &self.rtt {
            for &loss in &self.loss {
                for mode in &self.mode {
                    cases.extend(self.window.iter().map(|&window| Case {
                        mode,
                        window,
                        loss,
                        rtt,
                    }));
                }
            }
        }
        cases
    }

    /// `None` after Ctrl-C.
    fn point(&self, library: &'static Library, case: Case) -> Result<Option<Point>> {
        let Case {
            mode,
            window,
            loss,
            rtt,
        } = case;
        let limited = self.bandwidth > 0.0;
        let link = Config {
            jitter: (self.jitter * 500.0) as Micros,
            loss: Loss::of(loss / 100.0, (self.burst * 1e3) as Micros),
            bandwidth: limited.then_some((self.bandwidth * 1e6) as u64),
            queue: (self.queue * 1e3) as Micros,
            ..Config::plain((rtt * 500.0) as Micros)
        };
        let [warm_up, measured] = [self.warm_up, self.seconds].map(|seconds| seconds * 1_000_000);
        let mut best: Option<Bulk> = None;
        let mut whole = Vec::new();
        for _ in 0..self.repeat {
            let pair = KcpPair::new(library, mode, window, link, self.seed, 0, [0, 0])?;
            let Some(bulk) = bulk(pair, mode, window, warm_up, measured)? else {
                return Ok(None);
            };
            whole.push(bulk.busy.iter().sum::<Duration>());
            if let Some(best) = &best {
                ensure!(
                    (best.tally.bytes, best.tally.packets)
                        == (bulk.tally.bytes, bulk.tally.packets),
                    "two runs of one seed differ"
                );
            }
            best = Some(match best {
                Some(best) => best.cheapest(bulk),
                None => bulk,
            });
        }
        let bulk = best.expect("at least one run");
        let seconds = self.seconds as f64;
        let busy = bulk.busy.iter().sum::<Duration>();
        let mss = bulk.mss as f64;
        let on_the_wire = mss + 24.0 + UDP_IP_HEADERS as f64;
        let least = whole.into_iter().min().expect("at least one run");
        let Bulk { tally, .. } = &bulk;
        let needed = tally.bytes as f64 / mss;
        let per_kib =
            |busy: Duration| busy.as_nanos() as f64 / (tally.bytes as f64 / 1024.0).max(1.0);
        let mut point = Point {
            mode: mode.name.clone(),
            window,
            loss,
            rtt,
            delivered: tally.bytes as f64 / seconds,
            formula: f64::from(window) * mss * (1.0 - loss / 100.0) / (rtt / 1e3),
            capacity: limited.then_some(self.bandwidth * 1e6 / 8.0 * mss / on_the_wire),
            srtt: bulk.srtt,
            extra: tally.packets as f64 / needed.max(1.0) - 1.0,
            needless: tally.needless(),
            own_loss: tally.own_loss(),
            queueing: tally.queueing().map(|summary| summary.p99),
            rise: None,
            nanos_per_kib: per_kib(busy),
            spread: (per_kib(busy), per_kib(least)),
            core: busy.as_secs_f64() / seconds,
            original: None,
        };
        let span = ((rtt / 1e3).max(0.1) * 1e3) as usize;
        point.rise = rise(&bulk.progress, 0.9 * point.bound() / 1e3, span);
        Ok(Some(point))
    }
}

/// When the mean of `span` milliseconds first reaches `wanted` bytes per millisecond.
fn rise(progress: &[u64], wanted: f64, span: usize) -> Option<Micros> {
    progress
        .windows(span)
        .position(|window| window.iter().sum::<u64>() as f64 >= wanted * span as f64)
        .map(|start| (start + span) as Micros * TICK)
}

/// One point to be measured.
#[derive(Clone, Copy)]
struct Case<'a> {
    mode: &'a Mode,
    window: i32,
    loss: f64,
    rtt: f64,
}

impl fmt::Display for Case<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Case {
            mode,
            window,
            loss,
            rtt,
        } = self;
        write!(
            f,
            "{}, RTT {rtt} ms, {loss} % loss, window {window}",
            mode.name
        )
    }
}

/// The result of a transfer in its measured part.
struct Bulk {
    tally: Tally,
    mss: u32,
    srtt: i32,
    /// Time in the library in each millisecond of virtual time.
    busy: Vec<Duration>,
    /// Bytes given to the receiving program in each millisecond from the start.
    progress: Vec<u64>,
}

impl Bulk {
    /// Of two equal runs, the lower time of each millisecond.
    fn cheapest(mut self, other: Bulk) -> Bulk {
        for (own, other) in self.busy.iter_mut().zip(other.busy) {
            *own = other.min(*own);
        }
        self
    }
}

/// Sends without end from client to server, and measures from `warm_up` on. `None` after Ctrl-C.
fn bulk(
    mut pair: KcpPair,
    mode: &Mode,
    window: i32,
    warm_up: Micros,
    measured: Micros,
) -> Result<Option<Bulk>> {
    let mss = pair.ends[CLIENT].kcp.fields().mss;
    let message: Vec<u8> = (0..mss).map(|at| at as u8).collect();
    let mut buffer = vec![0; mss as usize];
    let mut busy = Vec::new();
    let mut progress = Vec::new();
    let mut arrived = Vec::new();
    let mut arrivals = Arrivals::default();
    let tally = Rc::new(RefCell::new(Tally::default()));
    let watched = Rc::clone(&tally);
    pair.tap(Box::new(move |sent| {
        if sent.side == CLIENT {
            watched.borrow_mut().sent(sent.waits, sent.fate);
        }
    }));
    for now in (0..warm_up + measured).step_by(TICK as usize) {
        if now == warm_up {
            busy.clear();
            tally.take();
        }
        if interrupt::requested() {
            return Ok(None);
        }
        let mut tick = Duration::ZERO;
        for side in [CLIENT, SERVER] {
            // Arrivals come first, outside of the measured time.
            arrived.clear();
            while let Some(packet) = pair.pipes[1 - side].pop(now) {
                arrived.push(packet);
            }
            if side == SERVER {
                let mut tally = tally.borrow_mut();
                arrived
                    .iter()
                    .for_each(|packet| arrivals.count(packet, &mut tally));
            }
            let end = &mut pair.ends[side];
            let mut received = 0;
            let start = Instant::now();
            if end.is_due(now) {
                end.kcp.update(millis(now));
            }
            let kcp = &mut end.kcp;
            for packet in &arrived {
                kcp.input(packet);
            }
            if side == CLIENT {
                // Twice the window is queued, so the sender always has something to send.
                while kcp.waitsnd() < 2 * window {
                    ensure!(kcp.send(&message) >= 0, "ikcp_send failed");
                }
            } else {
                while let Ok(length) = u64::try_from(kcp.recv(&mut buffer)) {
                    received += length;
                }
            }
            if mode.flush {
                kcp.flush();
            }
            tick += start.elapsed();
            if side == SERVER {
                tally.borrow_mut().bytes += received;
                progress.push(received);
            }
            pair.emit(side, now);
        }
        busy.push(tick);
    }
    Ok(Some(Bulk {
        tally: tally.take(),
        mss,
        srtt: pair.ends[CLIENT].kcp.fields().rx_srtt,
        busy,
        progress,
    }))
}

fn table(points: &[Point]) -> Table {
    let mut table = Table::new(&[
        "mode",
        "RTT ms",
        "loss %",
        "window",
        "MB/s",
        "formula MB/s",
        "link MB/s",
        "bound by",
        "of bound %",
        "of link %",
        "90 % after ms",
        "srtt ms",
        "queueing p99 ms",
        "own loss %",
        "extra packets %",
        "needless %",
        "ns/KiB",
        "core %",
        "original ns/KiB",
    ]);
    let mega = |bytes: f64| format!("{:.3}", bytes / 1e6);
    let or_dash = |text: Option<String>| text.unwrap_or("-".to_string());
    let share = |point: &Point, whole: f64| format!("{:.0}", point.delivered / whole * 100.0);
    for point in points {
        table.row(vec![
            point.mode.clone(),
            point.rtt.to_string(),
            point.loss.to_string(),
            point.window.to_string(),
            mega(point.delivered),
            mega(point.formula),
            point.capacity.map_or("none".to_string(), mega),
            point.bound_by().to_string(),
            share(point, point.bound()),
            or_dash(point.capacity.map(|capacity| share(point, capacity))),
            or_dash(point.rise.map(|rise| (rise / 1_000).to_string())),
            point.srtt.to_string(),
            or_dash(
                point
                    .queueing
                    .map(|micros| format!("{:.1}", micros as f64 / 1e3)),
            ),
            format!("{:.2}", point.own_loss * 100.0),
            format!("{:.1}", point.extra * 100.0),
            format!("{:.1}", point.needless * 100.0),
            format!("{:.0}", point.nanos_per_kib),
            format!("{:.2}", point.core * 100.0),
            or_dash(point.original.map(|nanos| format!("{nanos:.0}"))),
        ]);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rise_ends_where_the_mean_first_reaches_what_is_wanted() {
        let progress: Vec<u64> = (0..100).map(|ms| if ms < 40 { 10 } else { 100 }).collect();
        assert_eq!(rise(&progress, 10.0, 20), Some(20_000));
        assert_eq!(rise(&progress, 100.0, 20), Some(60_000));
        assert_eq!(rise(&progress, 55.0, 20), Some(50_000));
        assert_eq!(rise(&progress, 101.0, 20), None);
    }
}
