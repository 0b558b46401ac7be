//! The kernel's TCP through the emulated link, in real time. Each connection has two network namespaces of its own, each with a
//! TUN device; this process carries the packets between the devices through the link. The machine's network is not touched,
//! connections share no route or metric, and everything disappears with the process.

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsFd, BorrowedFd};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail, ensure};
use kcp_cli::interrupt;
use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sched::{CloneFlags, unshare};
use nix::sys::time::TimeSpec;
use socket2::{Domain, Protocol, Socket, Type};
use tun_rs::{DeviceBuilder, SyncDevice};

use crate::link::{Config, Link, Micros, Pipe};
use crate::punctual::Punctual;
use crate::session::{CLIENT, SERVER, Session, Traffic, message};
use crate::table::Summary;

const ADDRESSES: [Ipv4Addr; 2] = [Ipv4Addr::new(10, 77, 0, 1), Ipv4Addr::new(10, 77, 0, 2)];
const PORT: u16 = 7000;
const MTU: u16 = 1500;
const PROTOCOL_TCP: u8 = 6;

/// The congestion controls of this kernel, or why TCP cannot be measured here.
pub fn available() -> Result<Vec<String>> {
    in_new_namespace(|| {
        let device = tun(CLIENT)?;
        drop(device);
        Ok(())
    })
    .context("kernel TCP needs root and /dev/net/tun for namespaces of its own")?;
    let list = std::fs::read_to_string("/proc/sys/net/ipv4/tcp_available_congestion_control")?;
    Ok(list.split_whitespace().map(str::to_string).collect())
}

/// The name of a congestion control in the kernel.
pub fn control(text: &str) -> Result<String> {
    let named = text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') && !text.is_empty();
    ensure!(named, "expected a name such as cubic");
    Ok(text.to_string())
}

/// The requested controls that this kernel has; prints those that it lacks.
pub fn usable(wanted: &[String]) -> Result<Vec<String>> {
    let kernel = available()?;
    let (usable, missing): (Vec<_>, Vec<_>) = wanted
        .iter()
        .cloned()
        .partition(|name| kernel.contains(name));
    for name in missing {
        eprintln!(
            "TCP {name} left out: this kernel offers {}",
            kernel.join(", ")
        );
    }
    Ok(usable)
}

/// Runs `work` on a thread in a new network namespace. Sockets that it opens stay in that namespace, whichever thread uses them
/// later.
fn in_new_namespace<T: Send>(work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
    thread::scope(|scope| {
        scope
            .spawn(|| {
                unshare(CloneFlags::CLONE_NEWNET).context("unshare of the network namespace")?;
                work()
            })
            .join()
            .map_err(|_| anyhow!("the thread in the namespace panicked"))?
    })
}

fn tun(side: usize) -> Result<SyncDevice> {
    let device = DeviceBuilder::new()
        .name("lab0")
        .ipv4(ADDRESSES[side], 24, None)
        .mtu(MTU)
        .build_sync()
        .context("TUN device")?;
    device.set_nonblocking(true)?;
    Ok(device)
}

/// Makes the requested settings in the namespace of this thread.
fn tune(sysctl: &[String]) -> Result<()> {
    for setting in sysctl {
        let (name, value) = setting.split_once('=').context("a setting is name=value")?;
        let path = std::path::Path::new("/proc/sys/net/ipv4").join(name);
        std::fs::write(&path, value).with_context(|| format!("{}", path.display()))?;
    }
    Ok(())
}

fn socket(congestion: &str) -> Result<Socket> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP))?;
    socket.set_tcp_congestion(congestion.as_bytes())?;
    socket.set_tcp_nodelay(true)?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

/// One end of a connection: its device, its socket, and the bytes that the socket has not taken yet.
struct End {
    device: SyncDevice,
    stream: Option<TcpStream>,
    pending: Vec<u8>,
}

/// A connection between two namespaces. Its packets come out of the devices at both ends, and the owner of the connection carries
/// them.
pub struct Connection {
    ends: [End; 2],
    /// The client's socket until it connects.
    client: Option<Socket>,
    listener: TcpListener,
    /// The link of the handshake, which only has the delay of the real one.
    setup: [Pipe; 2],
}

impl Connection {
    /// Both ends, not yet connected. `sysctl` has settings below /proc/sys/net/ipv4 for their namespaces, as name=value.
    pub fn open(congestion: &str, sysctl: &[String], link: Config) -> Result<Connection> {
        let (server_device, listener) = in_new_namespace(|| {
            tune(sysctl)?;
            let device = tun(SERVER)?;
            let socket = socket(congestion)?;
            socket.bind(&SocketAddr::from((ADDRESSES[SERVER], PORT)).into())?;
            socket.listen(1)?;
            Ok((device, TcpListener::from(socket)))
        })?;
        let (client_device, client) = in_new_namespace(|| {
            tune(sysctl)?;
            let device = tun(CLIENT)?;
            let socket = socket(congestion)?;
            let in_use = socket.tcp_congestion()?;
            let in_use = String::from_utf8_lossy(&in_use);
            let in_use = in_use.trim_end_matches('\0');
            ensure!(
                in_use == congestion,
                "the socket uses {in_use}, not {congestion}"
            );
            Ok((device, socket))
        })?;
        let end = |device| End {
            device,
            stream: None,
            pending: Vec::new(),
        };
        Ok(Connection {
            ends: [end(client_device), end(server_device)],
            client: Some(client),
            listener,
            setup: [0, 1].map(|direction| Pipe::new(Link::new(link.undisturbed(), 0, direction))),
        })
    }

    /// Sends the first packet of the handshake.
    pub fn connect(&mut self) -> Result<()> {
        let Some(client) = self.client.take() else {
            return Ok(());
        };
        match client.connect(&SocketAddr::from((ADDRESSES[SERVER], PORT)).into()) {
            Err(error) if error.raw_os_error() != Some(libc::EINPROGRESS) => {
                return Err(error.into());
            }
            _ => {}
        }
        self.ends[CLIENT].stream = Some(TcpStream::from(client));
        Ok(())
    }

    /// Whether the handshake is over.
    pub fn is_established(&mut self) -> Result<bool> {
        if self.ends[SERVER].stream.is_some() {
            return Ok(true);
        }
        match self.listener.accept() {
            Ok((stream, _)) => {
                stream.set_nonblocking(true)?;
                stream.set_nodelay(true)?;
                self.ends[SERVER].stream = Some(stream);
                Ok(true)
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Passes the packets that have come out at each end to `packets`, and those of the handshake to the other end.
    pub fn carry(&mut self, now: Micros, mut packets: impl FnMut(usize, &[u8])) -> Result<()> {
        let established = self.ends[SERVER].stream.is_some();
        let mut packet = [0; MTU as usize + 64];
        for side in [CLIENT, SERVER] {
            while let Ok(length) = self.ends[side].device.recv(&mut packet) {
                let packet = &packet[..length];
                // IPv6 router solicitations and the like are no part of the connection.
                if length < 20 || packet[0] >> 4 != 4 || packet[9] != PROTOCOL_TCP {
                    continue;
                }
                match established {
                    true => packets(side, packet),
                    false => drop(self.setup[side].push(now, packet.to_vec(), length)),
                }
            }
            while let Some(packet) = self.setup[side].pop(now) {
                self.deliver(1 - side, &packet)?;
            }
        }
        Ok(())
    }

    /// Gives one end a packet.
    pub fn deliver(&mut self, side: usize, packet: &[u8]) -> Result<()> {
        self.ends[side].device.send(packet)?;
        Ok(())
    }

    /// Sends bytes from one end; what the socket does not take now is sent in the next call.
    fn write(&mut self, side: usize, bytes: &[u8]) -> Result<()> {
        let End {
            stream, pending, ..
        } = &mut self.ends[side];
        pending.extend_from_slice(bytes);
        let Some(stream) = stream else {
            return Ok(());
        };
        while !pending.is_empty() {
            match stream.write(pending) {
                Ok(taken) => drop(pending.drain(..taken)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// Sends from the client as much as the socket takes.
    pub fn fill(&mut self) -> Result<()> {
        self.write(CLIENT, &[])?;
        while self.ends[CLIENT].pending.is_empty() {
            self.write(CLIENT, &[0; 16_384])?;
        }
        Ok(())
    }

    /// Passes the bytes that have arrived at one end to `sink`.
    pub fn read(&mut self, side: usize, mut sink: impl FnMut(&[u8])) -> Result<()> {
        let Some(stream) = &mut self.ends[side].stream else {
            return Ok(());
        };
        let mut buffer = [0; 16_384];
        loop {
            match stream.read(&mut buffer) {
                Ok(0) => bail!("the peer closed the connection"),
                Ok(length) => sink(&buffer[..length]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// The descriptors that become readable when there is something to do.
    pub fn descriptors(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        let listening = self.ends[SERVER]
            .stream
            .is_none()
            .then_some(self.listener.as_fd());
        self.ends
            .iter()
            .flat_map(|end| {
                let device = end.device.as_fd();
                [Some(device), end.stream.as_ref().map(AsFd::as_fd)]
            })
            .flatten()
            .chain(listening)
    }

    /// When the next packet of the handshake arrives.
    pub fn next_arrival(&self) -> Option<Micros> {
        self.setup.iter().filter_map(Pipe::next_arrival).min()
    }
}

/// One session: a connection, its link, and the progress of its messages.
struct Flow {
    connection: Connection,
    pipes: [Pipe; 2],
    /// When the message clock starts, once both ends are connected.
    start: Option<Micros>,
    phase: Micros,
    echoed: Vec<u8>,
    session: Session,
    done: bool,
    /// Delays of packets beyond what the link asked for: how well this process keeps time.
    late: Vec<Micros>,
}

impl Flow {
    fn new(plan: &Plan, link: Config, seed: u64) -> Result<Flow> {
        let mut connection = Connection::open(&plan.congestion, &plan.sysctl, link)?;
        connection.connect()?;
        Ok(Flow {
            connection,
            pipes: [0, 1]
                .map(|direction| Pipe::new(Link::new(link, seed, 2 * plan.stream + direction))),
            start: None,
            phase: plan.phase,
            echoed: Vec::new(),
            session: Session::default(),
            done: false,
            late: Vec::new(),
        })
    }

    /// Carries packets between the devices and the link.
    fn carry(&mut self, now: Micros) -> Result<()> {
        let pipes = &mut self.pipes;
        self.connection.carry(now, |side, packet| {
            pipes[side].push(now, packet.to_vec(), packet.len());
        })?;
        for side in [CLIENT, SERVER] {
            let pipe = &mut self.pipes[side];
            while let Some(due) = pipe.next_arrival().filter(|&due| due <= now) {
                if let Some(packet) = pipe.pop(now) {
                    self.late.push(now - due);
                    self.connection.deliver(1 - side, &packet)?;
                }
            }
        }
        Ok(())
    }

    fn work(&mut self, now: Micros, traffic: Traffic) -> Result<()> {
        self.carry(now)?;
        if !self.connection.is_established()? {
            return Ok(());
        }
        let start = *self.start.get_or_insert(now);
        self.echo()?;
        self.send_due(now - start, traffic)?;
        let echoed = &mut self.echoed;
        self.connection
            .read(CLIENT, |bytes| echoed.extend_from_slice(bytes))?;
        while !self.done && self.echoed.len() >= traffic.bytes(self.session.rtt.len()) {
            let index = self.session.rtt.len();
            let length = traffic.bytes(index);
            if self.echoed[..length] != message(index, length) {
                bail!("the echo of message {index} is not what was sent");
            }
            self.echoed.drain(..length);
            self.session.payload += 2 * length;
            self.session
                .rtt
                .push(now - start - self.session.sent[index]);
            self.done = index + 1 == traffic.messages;
        }
        let sending_ends = self.phase + traffic.end();
        self.done |= now - start > sending_ends + traffic.patience;
        // What the sockets have sent meanwhile leaves at once.
        self.carry(now)
    }

    fn echo(&mut self) -> Result<()> {
        let mut arrived = Vec::new();
        self.connection
            .read(SERVER, |bytes| arrived.extend_from_slice(bytes))?;
        self.connection.write(SERVER, &arrived)
    }

    fn send_due(&mut self, since_start: Micros, traffic: Traffic) -> Result<()> {
        while self.session.sent.len() < traffic.messages && self.next_send(traffic) <= since_start {
            let index = self.session.sent.len();
            let message = message(index, traffic.bytes(index));
            self.connection.write(CLIENT, &message)?;
            self.session.sent.push(since_start);
        }
        self.connection.write(CLIENT, &[])
    }

    /// When the next message is due, from the start of the session.
    fn next_send(&self, traffic: Traffic) -> Micros {
        self.phase + traffic.due(self.session.sent.len())
    }

    /// When there is something to do, even if no descriptor becomes ready.
    fn next_event(&self, traffic: Traffic) -> Micros {
        let sending = self
            .start
            .filter(|_| self.session.sent.len() < traffic.messages)
            .map(|start| start + self.next_send(traffic));
        self.pipes
            .iter()
            .filter_map(Pipe::next_arrival)
            .chain(self.connection.next_arrival())
            .chain(sending)
            .min()
            .unwrap_or(Micros::MAX)
    }
}

/// One session to run: a congestion control and the seed stream of its link.
#[derive(Debug, Clone)]
pub struct Plan {
    pub congestion: String,
    /// Settings below /proc/sys/net/ipv4 for the namespaces of the session, as name=value.
    pub sysctl: Vec<String>,
    pub stream: u64,
    pub phase: Micros,
}

/// The sessions of a run, and how late this process handled their packets, in microseconds at p50 and p99.
pub struct Outcome {
    pub sessions: Vec<Session>,
    pub late: [Micros; 2],
}

/// Runs all sessions side by side, in real time. `progress` gets the share that is done.
pub fn run(
    plans: &[Plan],
    link: Config,
    seed: u64,
    traffic: Traffic,
    mut progress: impl FnMut(f64),
) -> Result<Outcome> {
    let mut flows = plans
        .iter()
        .map(|plan| Flow::new(plan, link, seed))
        .collect::<Result<Vec<_>>>()?;
    let _punctual = Punctual::new();
    let clock = Instant::now();
    let mut connecting_until = Duration::from_secs(60);
    let mut reported = Duration::ZERO;
    while flows.iter().any(|flow| !flow.done) && !interrupt::requested() {
        let now = clock.elapsed();
        for flow in flows.iter_mut().filter(|flow| !flow.done) {
            // Each flow reads the clock itself; with one reading for many flows, the first would make the last late.
            flow.work(clock.elapsed().as_micros() as Micros, traffic)?;
        }
        if now > connecting_until {
            ensure!(
                flows.iter().all(|flow| flow.start.is_some()),
                "TCP did not connect within a minute"
            );
            connecting_until = Duration::MAX;
        }
        if now - reported > Duration::from_millis(250) {
            reported = now;
            let sent: usize = flows.iter().map(|flow| flow.session.sent.len()).sum();
            progress(sent as f64 / (traffic.messages * flows.len()) as f64);
        }
        wait(&flows, clock, traffic)?;
    }
    let mut late: Vec<Micros> = flows.iter().flat_map(|flow| flow.late.clone()).collect();
    late.sort_unstable();
    let late = Summary::of(&late).map_or([0, 0], |late| [late.p50, late.p99]);
    let sessions = flows
        .into_iter()
        .map(|mut flow| {
            flow.session.wire = [flow.pipes[0].count(), flow.pipes[1].count()];
            flow.session
        })
        .collect();
    Ok(Outcome { sessions, late })
}

/// Sleeps until a descriptor is ready or the next packet or message is due.
fn wait(flows: &[Flow], clock: Instant, traffic: Traffic) -> Result<()> {
    let active = || flows.iter().filter(|flow| !flow.done);
    let next = active()
        .map(|flow| flow.next_event(traffic))
        .min()
        .unwrap_or(0);
    let now = clock.elapsed().as_micros() as Micros;
    let pause = Duration::from_micros(next.saturating_sub(now).min(100_000));
    sleep(
        pause,
        active().flat_map(|flow| flow.connection.descriptors()),
    )
}

/// Sleeps until a descriptor is readable, but no longer than `pause`.
pub fn sleep<'a>(pause: Duration, descriptors: impl Iterator<Item = BorrowedFd<'a>>) -> Result<()> {
    let mut descriptors: Vec<PollFd> = descriptors
        .map(|descriptor| PollFd::new(descriptor, PollFlags::POLLIN))
        .collect();
    match ppoll(&mut descriptors, Some(TimeSpec::from_duration(pause)), None) {
        Ok(_) | Err(nix::errno::Errno::EINTR) => Ok(()),
        Err(error) => Err(error.into()),
    }
}
