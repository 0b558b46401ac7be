//! Several flows through one link: KCP alone in virtual time, or with the kernel's TCP in real time. Each flow sends without end
//! in one direction.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use kcp_abi::Library;
use kcp_cli::interrupt;
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use rand_pcg::Pcg64Mcg;

use crate::endpoint::{Endpoint, Mode, millis};
use crate::link::{Config, Link, Micros, Pipe, UDP_IP_HEADERS};
use crate::punctual::Punctual;
use crate::session::{CLIENT, SERVER, TICK};
use crate::table::Summary;
use crate::tally::{Arrivals, Tally};
use crate::tcp;

/// How a flow sends.
#[derive(Debug, Clone)]
pub enum Protocol {
    Kcp {
        mode: Mode,
        window: i32,
    },
    /// The kernel's TCP with this congestion control.
    Tcp(String),
}

/// The length of time for which figures are kept.
pub const BIN: Micros = 100_000;

/// The result for all flows.
pub struct Outcome {
    /// For each flow, its figures in each [`BIN`] from the start of the run.
    pub flows: Vec<Vec<Tally>>,
    /// Length of the run.
    pub length: Micros,
    /// In real time: how late this process handled packets, in microseconds at p50 and p99.
    pub late: Option<[Micros; 2]>,
}

/// The link, and what goes through it: the number of the flow and the packet.
struct Bottleneck {
    pipes: [Pipe<(usize, Vec<u8>)>; 2],
    flows: Vec<Vec<Tally>>,
}

impl Bottleneck {
    fn push(&mut self, flow: usize, side: usize, now: Micros, packet: &[u8], headers: usize) {
        let pipe = &mut self.pipes[side];
        let waits = pipe.waiting(now);
        let fate = pipe.push(now, (flow, packet.to_vec()), packet.len() + headers);
        if side == CLIENT {
            self.tally(flow, now).sent(waits, fate);
        }
    }

    fn tally(&mut self, flow: usize, now: Micros) -> &mut Tally {
        let bins = &mut self.flows[flow];
        let bin = (now / BIN) as usize;
        if bins.len() <= bin {
            bins.resize_with(bin + 1, Tally::default);
        }
        &mut bins[bin]
    }
}

struct KcpFlow {
    ends: [Endpoint; 2],
    flush: bool,
    window: i32,
    arrivals: Arrivals,
    message: Vec<u8>,
    buffer: Vec<u8>,
}

impl KcpFlow {
    /// The two ends flush at different times, somewhere in a period after `start`.
    fn new(
        library: &'static Library,
        mode: &Mode,
        window: i32,
        start: Micros,
        random: &mut Pcg64Mcg,
    ) -> Result<KcpFlow> {
        let mut end = || {
            let phase = random.random_range(0..mode.period() / TICK) * TICK;
            Endpoint::new(library, 1, mode, window, start + phase)
        };
        let ends = [end()?, end()?];
        let mss = ends[CLIENT].kcp.fields().mss as usize;
        Ok(KcpFlow {
            ends,
            flush: mode.flush,
            window,
            arrivals: Arrivals::default(),
            message: vec![0; mss],
            buffer: vec![0; mss],
        })
    }

    fn turn(
        &mut self,
        flow: usize,
        now: Micros,
        tick: bool,
        inbox: &mut [Vec<Vec<u8>>; 2],
        link: &mut Bottleneck,
    ) -> Result<()> {
        for side in [CLIENT, SERVER] {
            let end = &mut self.ends[side];
            if tick && end.is_due(now) {
                end.kcp.update(millis(now));
            }
            let arrived = std::mem::take(&mut inbox[side]);
            for packet in &arrived {
                if side == SERVER {
                    self.arrivals.count(packet, link.tally(flow, now));
                }
                end.kcp.input(packet);
            }
            if side == CLIENT {
                // Twice the window is queued, so the sender always has something to send.
                while end.kcp.waitsnd() < 2 * self.window {
                    ensure!(end.kcp.send(&self.message) >= 0, "ikcp_send failed");
                }
            } else {
                while let Ok(length) = u64::try_from(end.kcp.recv(&mut self.buffer)) {
                    link.tally(flow, now).bytes += length;
                }
            }
            if self.flush && (tick || !arrived.is_empty()) {
                end.kcp.flush();
            }
            end.emit(|packet| link.push(flow, side, now, packet, UDP_IP_HEADERS));
        }
        Ok(())
    }
}

enum Party {
    Kcp(Box<KcpFlow>),
    Tcp(Box<tcp::Connection>),
}

struct Flow {
    start: Micros,
    party: Party,
    /// Packets that have arrived at each end and wait for its turn.
    inbox: [Vec<Vec<u8>>; 2],
}

impl Flow {
    /// `tick`: a new millisecond begins.
    fn turn(&mut self, flow: usize, now: Micros, tick: bool, link: &mut Bottleneck) -> Result<()> {
        if now < self.start {
            return Ok(());
        }
        let inbox = &mut self.inbox;
        match &mut self.party {
            Party::Kcp(kcp) => kcp.turn(flow, now, tick, inbox, link),
            Party::Tcp(tcp) => {
                tcp.connect()?;
                for side in [CLIENT, SERVER] {
                    for packet in inbox[side].drain(..) {
                        tcp.deliver(side, &packet)?;
                    }
                }
                if tcp.is_established()? {
                    tcp.fill()?;
                    tcp.read(SERVER, |bytes| {
                        link.tally(flow, now).bytes += bytes.len() as u64;
                    })?;
                }
                tcp.carry(now, |side, packet| link.push(flow, side, now, packet, 0))
            }
        }
    }
}

/// Runs flows, each from its own start, for a time, and reports the present time to `progress`.
pub fn run(
    library: &'static Library,
    flows: &[(Protocol, Micros)],
    link: Config,
    seed: u64,
    length: Micros,
    mut progress: impl FnMut(Micros),
) -> Result<Outcome> {
    let mut random = Pcg64Mcg::seed_from_u64(!seed);
    let mut bottleneck = Bottleneck {
        pipes: [0, 1].map(|direction| Pipe::new(Link::new(link, seed, direction))),
        flows: flows.iter().map(|_| Vec::new()).collect(),
    };
    let mut parties = flows
        .iter()
        .map(|(protocol, start)| {
            let party = match protocol {
                Protocol::Kcp { mode, window } => {
                    let flow = KcpFlow::new(library, mode, *window, *start, &mut random)?;
                    Party::Kcp(Box::new(flow))
                }
                Protocol::Tcp(control) => {
                    let connection = tcp::Connection::open(control, &[], link);
                    let connection = connection.with_context(|| format!("TCP {control}"))?;
                    Party::Tcp(Box::new(connection))
                }
            };
            Ok(Flow {
                start: *start,
                party,
                inbox: Default::default(),
            })
        })
        .collect::<Result<Vec<_>>>()?;
    let real = flows
        .iter()
        .any(|(protocol, _)| matches!(protocol, Protocol::Tcp(_)));
    let _punctual = real.then(Punctual::new);
    let clock = Instant::now();
    let mut late = Vec::new();
    let mut order: Vec<usize> = (0..parties.len()).collect();
    let (mut now, mut next_tick) = (0, 0);
    while now < length && !interrupt::requested() {
        let tick = now >= next_tick;
        if tick {
            // Otherwise the first flow would find the most room in the queue in every millisecond.
            order.shuffle(&mut random);
            next_tick = now - now % TICK + TICK;
            progress(now);
        }
        for side in [CLIENT, SERVER] {
            let pipe = &mut bottleneck.pipes[side];
            while let Some(due) = pipe.next_arrival().filter(|&due| due <= now) {
                if let Some((flow, packet)) = pipe.pop(now) {
                    parties[flow].inbox[1 - side].push(packet);
                    late.extend(real.then_some(now - due));
                }
            }
        }
        for &flow in &order {
            parties[flow].turn(flow, now, tick, &mut bottleneck)?;
        }
        now = match real {
            false => next_tick,
            true => {
                wait(&parties, &bottleneck, clock, next_tick)?;
                clock.elapsed().as_micros() as Micros
            }
        };
    }
    late.sort_unstable();
    Ok(Outcome {
        flows: bottleneck.flows,
        length: now.min(length),
        late: Summary::of(&late).map(|late| [late.p50, late.p99]),
    })
}

/// Sleeps until there is something to do.
fn wait(flows: &[Flow], link: &Bottleneck, clock: Instant, next_tick: Micros) -> Result<()> {
    let connections = || {
        flows.iter().filter_map(|flow| match &flow.party {
            Party::Kcp(_) => None,
            Party::Tcp(connection) => Some(connection),
        })
    };
    let arrivals = link.pipes.iter().filter_map(Pipe::next_arrival);
    let setups = connections().filter_map(|connection| connection.next_arrival());
    let next = arrivals.chain(setups).fold(next_tick, Micros::min);
    let now = clock.elapsed().as_micros() as Micros;
    let pause = Duration::from_micros(next.saturating_sub(now));
    tcp::sleep(
        pause,
        connections().flat_map(|connection| connection.descriptors()),
    )
}
