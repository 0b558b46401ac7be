//! `scale`: the cost of many connections in one process over real UDP sockets, and of their timers.

use std::cell::RefCell;
use std::net::UdpSocket;
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, ensure};
use clap::Args;
use kcp_abi::{Kcp, Library};
use kcp_cli::values::{file, number};
use kcp_cli::{files, interrupt, progress};
use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sys::time::TimeSpec;
use nix::time::{ClockId, clock_gettime};

use crate::endpoint::LONGEST_MESSAGE;
use crate::punctual::Punctual;
use crate::table::{Summary, Table};
use crate::udp::{self, Incoming, Outgoing};
use crate::wheel::Wheel;
use crate::{LibraryArgs, open_original, scale_plot};

#[derive(Debug, Args)]
pub struct Scale {
    #[command(flatten)]
    library: LibraryArgs,
    /// A second library to measure beside it, such as the original
    #[arg(long, value_name = "PATH", value_parser = file())]
    original: Option<PathBuf>,

    /// Numbers of connections, by comma, to 20,000
    #[arg(
        long,
        value_name = "LIST",
        value_delimiter = ',',
        default_value = "1000,2000,5000,10000,20000", value_parser = number::<usize>(1..=20_000))]
    connections: Vec<usize>,
    /// Intervals of the connections (second argument of ikcp_nodelay) in ms, by comma; KCP's own default is 100
    #[arg(
        long,
        value_name = "LIST",
        value_delimiter = ',',
        default_value = "10,100", value_parser = number(10..=5_000))]
    interval: Vec<i32>,
    /// How often `update` goes through all connections, in ms. KCP's documentation says 10 to 100; with a flush interval of 10 ms, a
    /// loop that turns each millisecond calls ikcp_update ten times too often
    #[arg(long, value_name = "MS", default_value_t = 10, value_parser = number::<u32>(1..=1_000))]
    sweep: u32,
    /// Milliseconds between the messages of each connection; each is echoed
    #[arg(long, value_name = "MS", default_value_t = 1000, value_parser = number::<u32>(1..=60_000))]
    every: u32,
    /// Bytes of a message
    #[arg(long, default_value_t = 64, value_parser = number::<usize>(8..=LONGEST_MESSAGE))]
    size: usize,
    /// Seconds measured at each point, after one to get going
    #[arg(long, default_value_t = 3, value_parser = number::<u64>(1..=600))]
    seconds: u64,
    /// Folder for scale.csv and scale.svg
    #[arg(long, value_name = "FOLDER", default_value = "lab-scale")]
    out: PathBuf,
}

/// How the server drives its connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Strategy {
    Update,
    Check,
    Park,
    Next,
}

impl Strategy {
    pub const ALL: [Strategy; 4] = [
        Strategy::Update,
        Strategy::Check,
        Strategy::Park,
        Strategy::Next,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Strategy::Update => "update",
            Strategy::Check => "check",
            Strategy::Park => "park",
            Strategy::Next => "next",
        }
    }
}

/// The distance that `ikcpx_next` returns if nothing is due.
const NEVER: u32 = 0x7fff_ffff;

/// How far ahead a sleeping thread looks for its next timer, in ms.
const HORIZON: u32 = 10;

/// One measurement.
pub struct Point {
    pub library: String,
    pub interval: i32,
    pub connections: usize,
    pub strategy: Strategy,
    pub updates_per_second: f64,
    /// Share of a core that the server's thread takes: in the library and the timers around it, and with its sockets.
    pub in_library: f64,
    pub thread: f64,
    /// The least and the greatest share in the library of any second.
    pub spread: (f64, f64),
    /// Echo times seen by the clients, in microseconds.
    pub echo: Option<Summary>,
    pub echoes: usize,
}

impl Scale {
    pub fn run(self) -> Result<()> {
        files::writable_folder(&self.out)?;
        let mut libraries = vec![("ours".to_string(), self.library.open()?)];
        if self.library.given() {
            libraries[0].0 = "--library".to_string();
        }
        if let Some(path) = &self.original {
            libraries.push(("original".to_string(), open_original(path)?));
        }
        let count =
            libraries.len() * self.connections.len() * self.interval.len() * Strategy::ALL.len();
        let bar = progress::ticking(count as u64, "points");
        let mut points = Vec::new();
        for &interval in &self.interval {
            for &connections in &self.connections {
                // In turns, so that the compared runs have the same other load on the machine.
                for strategy in Strategy::ALL {
                    for (name, library) in &libraries {
                        if strategy == Strategy::Next && library.due.is_none() {
                            bar.inc(1);
                            continue;
                        }
                        bar.set_message(format!(
                            "{name}, interval {interval} ms, {connections} connections, {}",
                            strategy.name()
                        ));
                        let run = Run {
                            library,
                            interval,
                            connections,
                            strategy,
                            sweep: self.sweep,
                            every: self.every,
                            size: self.size,
                            measured: Duration::from_secs(self.seconds),
                        };
                        points.extend(run.measure(name)?);
                        bar.inc(1);
                    }
                }
            }
        }
        bar.finish_and_clear();
        interrupt::tell(format!("{} of {count} points", points.len()));
        ensure!(
            points.iter().any(|point| point.echoes > 0),
            "nothing was echoed: there is nothing to show"
        );
        println!(
            "One server thread; each connection echoes {} bytes every {} ms; `update` goes through all every {} ms; {} s measured",
            self.size, self.every, self.sweep, self.seconds
        );
        let table = table(&points);
        table.print();
        table.write_csv(&self.out.join("scale.csv"))?;
        let subtitle = format!(
            "One server thread, real UDP sockets on loopback; each connection echoes {} bytes every {} ms",
            self.size, self.every
        );
        scale_plot::draw(&self.out.join("scale.svg"), &points, &subtitle, self.sweep)?;
        println!("Written: {}/scale.csv, scale.svg", self.out.display());
        Ok(())
    }
}

fn table(points: &[Point]) -> Table {
    let mut table = Table::new(&[
        "library",
        "interval ms",
        "connections",
        "driven by",
        "updates/s",
        "core % KCP, timers",
        "core % thread",
        "echo p50 ms",
        "echo p99 ms",
        "echoes",
    ]);
    for point in points {
        let millis = |pick: fn(&Summary) -> u64| {
            point.echo.map_or("-".to_string(), |echo| {
                format!("{:.1}", pick(&echo) as f64 / 1e3)
            })
        };
        table.row(vec![
            point.library.clone(),
            point.interval.to_string(),
            point.connections.to_string(),
            point.strategy.name().to_string(),
            format!("{:.0}", point.updates_per_second),
            format!("{:.2}", point.in_library * 100.0),
            format!("{:.2}", point.thread * 100.0),
            millis(|echo| echo.p50),
            millis(|echo| echo.p99),
            point.echoes.to_string(),
        ]);
    }
    table
}

/// The parameters of one measurement.
struct Run<'a> {
    library: &'a &'static Library,
    interval: i32,
    connections: usize,
    strategy: Strategy,
    sweep: u32,
    every: u32,
    size: usize,
    measured: Duration,
}

/// What the server's thread used during the measurement.
#[derive(Default, Clone)]
struct Used {
    thread: Duration,
    library: Duration,
    updates: u64,
    wall: Duration,
    /// Share in the library during each second.
    seconds: Vec<f64>,
}

type Sink = Box<dyn FnMut(&[u8]) -> i32>;

/// All connections of one side, in one thread, with one socket.
struct Side {
    connections: Vec<Kcp<Sink>>,
    outgoing: Rc<RefCell<Outgoing>>,
    socket: UdpSocket,
    incoming: Incoming,
}

fn thread_time() -> Duration {
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).map_or(Duration::ZERO, Duration::from)
}

impl Side {
    fn new(run: &Run, socket: UdpSocket) -> Result<Side> {
        let outgoing = Rc::new(RefCell::new(Outgoing::default()));
        let connections = (0..run.connections)
            .map(|conv| {
                let sink = Rc::clone(&outgoing);
                let output: Sink = Box::new(move |packet| {
                    sink.borrow_mut().push(packet);
                    0
                });
                let mut kcp = Kcp::new(run.library, conv as u32, output).context("ikcp_create")?;
                kcp.nodelay(1, run.interval, 2, 1);
                Ok(kcp)
            })
            .collect::<Result<_>>()?;
        Ok(Side {
            connections,
            outgoing,
            socket,
            incoming: Incoming::new(),
        })
    }

    /// Passes every waiting packet to its connection, then the connection to `then`.
    fn receive(&mut self, mut then: impl FnMut(u32, &mut Kcp<Sink>)) -> Result<Duration> {
        let mut in_library = Duration::ZERO;
        while self.incoming.receive(&self.socket)? {
            let start = thread_time();
            for datagram in self.incoming.datagrams() {
                // The connection's number is in its packets' first four bytes.
                let Some(conv) = datagram.first_chunk::<4>().map(|c| u32::from_le_bytes(*c)) else {
                    continue;
                };
                if let Some(kcp) = self.connections.get_mut(conv as usize) {
                    kcp.input(datagram);
                    then(conv, kcp);
                }
            }
            in_library += thread_time() - start;
        }
        Ok(in_library)
    }

    fn send(&mut self) {
        self.outgoing.borrow_mut().send(&self.socket);
    }

    fn sleep(&self, pause: Duration) {
        let mut descriptors = [PollFd::new(self.socket.as_fd(), PollFlags::POLLIN)];
        // An interrupted sleep is just a short sleep.
        let _ = ppoll(&mut descriptors, Some(TimeSpec::from_duration(pause)), None);
    }
}

/// Whether a connection has neither data nor acknowledgements nor probes to send, and so needs no timer until the next call of
/// `ikcp_send` or `ikcp_input`.
fn is_idle(kcp: &Kcp<Sink>) -> bool {
    let fields = kcp.fields();
    fields.nsnd_buf == 0
        && fields.nsnd_que == 0
        && fields.ackcount == 0
        && fields.probe == 0
        && fields.rmt_wnd != 0
}

/// The timers of one side: the wheel, and which connections are on it.
struct Timers {
    wheel: Wheel,
    set: Vec<bool>,
    /// When each connection is due according to `ikcpx_next`.
    at: Vec<u32>,
    due: Vec<u32>,
    park: bool,
}

impl Timers {
    /// Each connection's first turn is somewhere in its interval, as connections come and go. `salt` keeps the clocks of one
    /// connection (its flushes at both ends, its messages) from running in step.
    fn new(connections: usize, interval: u32, now: u32, park: bool, salt: u32) -> Timers {
        let mut wheel = Wheel::new(now);
        for connection in 0..connections as u32 {
            let spread = (connection ^ salt).wrapping_mul(0x9E37_79B1) >> 8;
            wheel.set(connection, now + spread % interval.max(1));
        }
        Timers {
            wheel,
            set: vec![true; connections],
            at: vec![now; connections],
            due: Vec::new(),
            park,
        }
    }

    /// Puts a connection back on the wheel that had nothing to do.
    fn wake(&mut self, connection: u32, kcp: &Kcp<Sink>, now: u32) {
        let set = &mut self.set[connection as usize];
        if !*set {
            *set = true;
            self.wheel.set(connection, kcp.check(now));
        }
    }

    /// Sends what a connection has to send now, and sets its timer if it needs one. A timer that fires too early is ignored and
    /// stays on the wheel.
    fn send_due(&mut self, connection: u32, kcp: &mut Kcp<Sink>, now: u32) {
        kcp.update_due(now);
        let wait = kcp.next(now).map_or(NEVER, |next| next.wrapping_sub(now));
        let index = connection as usize;
        let sooner = !self.set[index] || (self.at[index].wrapping_sub(now) as i32) > wait as i32;
        if wait < NEVER && sooner {
            self.set[index] = true;
            // The wheel reaches no further; a timer that fires too early is set again.
            self.at[index] = now.wrapping_add(wait.min(8000));
            self.wheel.set(connection, self.at[index]);
        }
    }

    /// Sends what is due by now. Returns the number of updates.
    fn send_all_due(&mut self, connections: &mut [Kcp<Sink>], now: u32) -> u64 {
        self.due.clear();
        self.wheel.take(now, &mut self.due);
        let mut updates = 0;
        for connection in std::mem::take(&mut self.due) {
            let index = connection as usize;
            if self.set[index] && now.wrapping_sub(self.at[index]) as i32 >= 0 {
                self.set[index] = false;
                self.send_due(connection, &mut connections[index], now);
                updates += 1;
            }
        }
        updates
    }

    /// Updates the connections that are due and asks when they are due again. Returns the number of updates.
    fn run(&mut self, connections: &mut [Kcp<Sink>], now: u32) -> u64 {
        self.due.clear();
        self.wheel.take(now, &mut self.due);
        for &connection in &self.due {
            let kcp = &mut connections[connection as usize];
            kcp.update(now);
            if self.park && is_idle(kcp) {
                self.set[connection as usize] = false;
            } else {
                self.wheel.set(connection, kcp.check(now));
            }
        }
        self.due.len() as u64
    }
}

impl Run<'_> {
    /// `None` after Ctrl-C.
    fn measure(&self, name: &str) -> Result<Option<Point>> {
        if interrupt::requested() {
            return Ok(None);
        }
        let [server, client] = udp::pair()?;
        let stop = AtomicBool::new(false);
        let started = Instant::now();
        let warm_up = Duration::from_secs(1);
        let (used, mut echoes) = thread::scope(|scope| -> Result<_> {
            let clients = scope.spawn(|| self.clients(client, started, warm_up, &stop));
            let served = scope.spawn(|| {
                let used = self.serve(server, started, warm_up);
                stop.store(true, Ordering::Relaxed);
                used
            });
            let panicked = |_| anyhow!("a thread panicked");
            let used = served.join().map_err(panicked)??;
            Ok((used, clients.join().map_err(panicked)??))
        })?;
        let Some(used) = used else { return Ok(None) };
        echoes.sort_unstable();
        let wall = used.wall.as_secs_f64();
        Ok(Some(Point {
            library: name.to_string(),
            interval: self.interval,
            connections: self.connections,
            strategy: self.strategy,
            updates_per_second: used.updates as f64 / wall,
            in_library: used.library.as_secs_f64() / wall,
            thread: used.thread.as_secs_f64() / wall,
            spread: used
                .seconds
                .iter()
                .fold((f64::INFINITY, 0.0), |(low, high), &share| {
                    (low.min(share), high.max(share))
                }),
            echo: Summary::of(&echoes),
            echoes: echoes.len(),
        }))
    }

    fn serve(
        &self,
        socket: UdpSocket,
        started: Instant,
        warm_up: Duration,
    ) -> Result<Option<Used>> {
        let mut side = Side::new(self, socket)?;
        let _punctual = Punctual::new();
        let clock = || started.elapsed().as_millis() as u32;
        let mut buffer = vec![0; self.size];
        let mut timers = Timers::new(
            side.connections.len(),
            self.interval as u32,
            clock(),
            self.strategy == Strategy::Park,
            0x5EB7,
        );
        let mut next_sweep = clock();
        let mut used = Used::default();
        let mut measuring: Option<(Instant, Duration)> = None;
        // When the present second began, and the time spent in the library until then.
        let mut second = (started, Duration::ZERO);
        while !interrupt::requested() {
            let elapsed = started.elapsed();
            if measuring.is_none() && elapsed >= warm_up {
                measuring = Some((Instant::now(), thread_time()));
                (used.library, used.updates) = (Duration::ZERO, 0);
                second = (Instant::now(), Duration::ZERO);
            }
            let lasted = second.0.elapsed();
            if measuring.is_some() && lasted >= Duration::from_secs(1) {
                let share = (used.library - second.1).as_secs_f64() / lasted.as_secs_f64();
                used.seconds.push(share);
                second = (Instant::now(), used.library);
            }
            if let Some((since, thread)) = measuring
                && since.elapsed() >= self.measured
            {
                used.wall = since.elapsed();
                used.thread = thread_time() - thread;
                return Ok(Some(used));
            }
            let now = clock();
            let mut answered = 0;
            used.library += side.receive(|conv, kcp| {
                while let Ok(length) = usize::try_from(kcp.recv(&mut buffer)) {
                    kcp.send(&buffer[..length]);
                }
                match self.strategy {
                    Strategy::Park => timers.wake(conv, kcp, now),
                    Strategy::Next => {
                        timers.send_due(conv, kcp, now);
                        answered += 1;
                    }
                    Strategy::Update | Strategy::Check => {}
                }
            })?;
            used.updates += answered;
            let start = thread_time();
            let next = if self.strategy == Strategy::Update {
                if now.wrapping_sub(next_sweep) as i32 >= 0 {
                    for kcp in &mut side.connections {
                        kcp.update(now);
                    }
                    used.updates += side.connections.len() as u64;
                    next_sweep = now + self.sweep;
                }
                next_sweep
            } else if self.strategy == Strategy::Next {
                used.updates += timers.send_all_due(&mut side.connections, now);
                timers.wheel.next_due(HORIZON)
            } else {
                used.updates += timers.run(&mut side.connections, now);
                timers.wheel.next_due(HORIZON)
            };
            used.library += thread_time() - start;
            side.send();
            let pause = next.wrapping_sub(clock()) as i32;
            if pause > 0 {
                side.sleep(Duration::from_millis(pause as u64));
            }
        }
        Ok(None)
    }

    /// The other side: sends the messages and measures the echoes. It always uses timers and parks connections, whatever is
    /// measured.
    fn clients(
        &self,
        socket: UdpSocket,
        started: Instant,
        warm_up: Duration,
        stop: &AtomicBool,
    ) -> Result<Vec<u64>> {
        let mut side = Side::new(self, socket)?;
        let _punctual = Punctual::new();
        let clock = || started.elapsed().as_millis() as u32;
        let count = side.connections.len();
        let mut timers = Timers::new(count, self.interval as u32, clock(), true, 0xC11E);
        // The wheel of the messages. Each connection's message clock has its own phase.
        let mut messages = Timers::new(count, self.every, clock(), false, 0x3E55);
        let mut buffer = vec![0; self.size];
        let mut echoes = Vec::new();
        while !stop.load(Ordering::Relaxed) {
            let now = clock();
            side.receive(|conv, kcp| {
                while usize::try_from(kcp.recv(&mut buffer)).is_ok() {
                    let sent = buffer.first_chunk::<8>().map(|c| u64::from_le_bytes(*c));
                    let sent = Duration::from_micros(sent.unwrap_or(0));
                    if sent >= warm_up {
                        echoes.push((started.elapsed() - sent).as_micros() as u64);
                    }
                }
                timers.wake(conv, kcp, now);
            })?;
            messages.due.clear();
            messages.wheel.take(now, &mut messages.due);
            for &connection in &messages.due {
                let kcp = &mut side.connections[connection as usize];
                let mut message = vec![0; self.size];
                message[..8].copy_from_slice(&(started.elapsed().as_micros() as u64).to_le_bytes());
                kcp.send(&message);
                timers.wake(connection, kcp, now);
                messages.wheel.set(connection, now + self.every);
            }
            timers.run(&mut side.connections, now);
            side.send();
            let next = timers
                .wheel
                .next_due(HORIZON)
                .min(messages.wheel.next_due(HORIZON));
            let pause = next.wrapping_sub(clock()) as i32;
            if pause > 0 {
                side.sleep(Duration::from_millis(pause as u64));
            }
        }
        Ok(echoes)
    }
}
