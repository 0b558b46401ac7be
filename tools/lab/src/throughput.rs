//! `throughput`: what one connection carries, and what it costs, against window, loss and round-trip time.

use std::path::PathBuf;
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
    /// Bandwidth of each direction in Mbit/s; 0 is no limit
    #[arg(long, value_name = "MBIT", default_value_t = 100.0, value_parser = bandwidth())]
    bandwidth: f64,
    /// Queue in front of it, in ms at full rate
    #[arg(long, value_name = "MS", default_value_t = 50.0, value_parser = milliseconds())]
    queue: f64,

    /// The mode of both ends. Modes with nocwnd 1 show the window alone; with 0 the congestion window comes first
    #[arg(long, default_value = "turbo")]
    mode: Mode,
    /// Virtual seconds that are measured, after two to get going
    #[arg(long, default_value_t = 10, value_parser = number::<u64>(1..=3_600))]
    seconds: u64,
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
    pub window: i32,
    pub loss: f64,
    pub rtt: f64,
    /// Bytes per second given to the receiving program.
    pub delivered: f64,
    /// window * mss * (1 - loss) / RTT
    pub formula: f64,
    /// What the bandwidth leaves for payload, if it is limited.
    pub capacity: Option<f64>,
    /// The sender's smoothed round-trip time at the end: the link's, its queue's, and both ends' waits for their flush.
    pub srtt: i32,
    /// Packets from sender to receiver beyond what the payload needed, as a share of that.
    pub extra: f64,
    /// Time in the library, both ends, for each KiB delivered.
    pub nanos_per_kib: f64,
    /// The same as a share of one core.
    pub core: f64,
    /// From the same to that of the cheapest run as a whole.
    pub spread: (f64, f64),
    /// `nanos_per_kib` of the second library.
    pub original: Option<f64>,
}

impl Point {
    /// All times that a picture shows.
    pub fn costs(&self) -> impl Iterator<Item = f64> {
        [self.spread.0, self.spread.1]
            .into_iter()
            .chain(self.original)
    }

    fn bound(&self) -> &'static str {
        match self.capacity {
            Some(capacity) if capacity < self.formula => "link",
            _ => "window",
        }
    }
}

const WARM_UP: Micros = 2_000_000;

impl Throughput {
    pub fn run(self) -> Result<()> {
        files::writable_folder(&self.out)?;
        let library = self.library.open()?;
        let original = self.original.as_deref().map(open_original).transpose()?;
        let all = self.window.len() * self.loss.len() * self.rtt.len();
        let bar = progress::ticking(all as u64, "points");
        let mut points = Vec::new();
        for &rtt in &self.rtt {
            for &loss in &self.loss {
                for &window in &self.window {
                    bar.set_message(format!("RTT {rtt} ms, {loss} % loss, window {window}"));
                    let Some(mut point) = self.point(library, window, loss, rtt)? else {
                        continue;
                    };
                    if let Some(original) = original {
                        let Some(other) = self.point(original, window, loss, rtt)? else {
                            continue;
                        };
                        ensure!(
                            (other.delivered, other.extra) == (point.delivered, point.extra),
                            "the second library behaves differently at RTT {rtt} ms, {loss} % loss, window {window}"
                        );
                        point.original = Some(other.nanos_per_kib);
                    }
                    points.push(point);
                    bar.inc(1);
                }
            }
        }
        bar.finish_and_clear();
        interrupt::tell(format!("{} of {all} points", points.len()));
        ensure!(
            points.iter().any(|point| point.delivered > 0.0),
            "nothing was delivered: there is nothing to show"
        );
        println!(
            "KCP {}; {} Mbit/s each way, queue {} ms; {} virtual seconds; seed {}",
            self.mode.name, self.bandwidth, self.queue, self.seconds, self.seed
        );
        let table = table(&points);
        table.print();
        table.write_csv(&self.out.join("throughput.csv"))?;
        let subtitle = format!(
            "KCP {} mode, {} Mbit/s each way with a queue of {} ms, one direction, seed {}; percentages of packets lost",
            self.mode.name, self.bandwidth, self.queue, self.seed
        );
        throughput_plot::draw(&self.out.join("throughput.svg"), &points, &subtitle)?;
        println!(
            "Written: {}/throughput.csv, throughput.svg",
            self.out.display()
        );
        Ok(())
    }

    /// `None` after Ctrl-C.
    fn point(
        &self,
        library: &'static Library,
        window: i32,
        loss: f64,
        rtt: f64,
    ) -> Result<Option<Point>> {
        let limited = self.bandwidth > 0.0;
        let link = Config {
            delay: (rtt * 500.0) as Micros,
            jitter: 0,
            loss: Loss::Random(loss / 100.0),
            reorder: 0.0,
            reorder_by: 0,
            bandwidth: limited.then_some((self.bandwidth * 1e6) as u64),
            queue: (self.queue * 1e3) as Micros,
        };
        let mut best: Option<Bulk> = None;
        let mut whole = Vec::new();
        for _ in 0..self.repeat {
            let pair = KcpPair::new(
                library,
                &self.mode,
                window,
                link,
                self.seed,
                0,
                [0, 3 * TICK],
            )?;
            let measured = self.seconds * 1_000_000;
            let Some(bulk) = bulk(pair, &self.mode, window, WARM_UP, measured)? else {
                return Ok(None);
            };
            whole.push(bulk.busy.iter().sum::<Duration>());
            if let Some(best) = &best {
                ensure!(
                    (best.bytes, best.packets) == (bulk.bytes, bulk.packets),
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
        let needed = bulk.bytes as f64 / mss;
        let per_kib =
            |busy: Duration| busy.as_nanos() as f64 / (bulk.bytes as f64 / 1024.0).max(1.0);
        Ok(Some(Point {
            window,
            loss,
            rtt,
            delivered: bulk.bytes as f64 / seconds,
            formula: f64::from(window) * mss * (1.0 - loss / 100.0) / (rtt / 1e3),
            capacity: limited.then_some(self.bandwidth * 1e6 / 8.0 * mss / on_the_wire),
            srtt: bulk.srtt,
            extra: bulk.packets as f64 / needed.max(1.0) - 1.0,
            nanos_per_kib: per_kib(busy),
            spread: (per_kib(busy), per_kib(least)),
            core: busy.as_secs_f64() / seconds,
            original: None,
        }))
    }
}

/// What a transfer came to in its measured part.
struct Bulk {
    bytes: u64,
    packets: u64,
    mss: u32,
    srtt: i32,
    /// Time in the library in each millisecond of virtual time.
    busy: Vec<Duration>,
}

impl Bulk {
    /// Of two runs of the same, the lesser time of each millisecond.
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
    let mut bytes = 0;
    let mut packets_before = 0;
    let mut arrived = Vec::new();
    for now in (0..warm_up + measured).step_by(TICK as usize) {
        if now == warm_up {
            busy.clear();
            bytes = 0;
            packets_before = pair.pipes[CLIENT].count().packets;
        }
        if interrupt::requested() {
            return Ok(None);
        }
        let mut tick = Duration::ZERO;
        for side in [CLIENT, SERVER] {
            // The arrivals first, outside of the measured time.
            arrived.clear();
            while let Some(packet) = pair.pipes[1 - side].pop(now) {
                arrived.push(packet);
            }
            let kcp = &mut pair.ends[side].kcp;
            let start = Instant::now();
            kcp.update(millis(now));
            for packet in &arrived {
                kcp.input(packet);
            }
            if side == CLIENT {
                // Twice the window waiting: the sender never has nothing to send.
                while kcp.waitsnd() < 2 * window {
                    ensure!(kcp.send(&message) >= 0, "ikcp_send failed");
                }
            } else {
                while let Ok(length) = u64::try_from(kcp.recv(&mut buffer)) {
                    bytes += length;
                }
            }
            if mode.flush {
                kcp.flush();
            }
            tick += start.elapsed();
            pair.emit(side, now);
        }
        busy.push(tick);
    }
    Ok(Some(Bulk {
        bytes,
        packets: pair.pipes[CLIENT].count().packets - packets_before,
        mss,
        srtt: pair.ends[CLIENT].kcp.fields().rx_srtt,
        busy,
    }))
}

fn table(points: &[Point]) -> Table {
    let mut table = Table::new(&[
        "RTT ms",
        "loss %",
        "window",
        "MB/s",
        "formula MB/s",
        "link MB/s",
        "bound by",
        "of bound %",
        "srtt ms",
        "extra packets %",
        "ns/KiB",
        "core %",
        "original ns/KiB",
    ]);
    let mega = |bytes: f64| format!("{:.3}", bytes / 1e6);
    for point in points {
        let bound = point.capacity.unwrap_or(f64::INFINITY).min(point.formula);
        table.row(vec![
            point.rtt.to_string(),
            point.loss.to_string(),
            point.window.to_string(),
            mega(point.delivered),
            mega(point.formula),
            point.capacity.map_or("none".to_string(), mega),
            point.bound().to_string(),
            format!("{:.0}", point.delivered / bound * 100.0),
            point.srtt.to_string(),
            format!("{:.1}", point.extra * 100.0),
            format!("{:.0}", point.nanos_per_kib),
            format!("{:.2}", point.core * 100.0),
            point
                .original
                .map_or("-".to_string(), |nanos| format!("{nanos:.0}")),
        ]);
    }
    table
}
