//! Flows through one bottleneck in virtual time: rate, drop-tail queue, loss at random or in bursts, jitter that keeps the order or not. A
//! step is a millisecond, like KCP's clock.

use std::collections::VecDeque;
use std::ffi::c_int;

use ikcp_core::{IKCPX_CCINFO, Kcp, Sink, Source, bbr, cubic};

use crate::common::object::Object;
use crate::common::random::Random;

/// Bytes that UDP and IP add to a packet.
const HEADERS: u64 = 28;
pub const MTU: u64 = 1400;
pub const MSS: u64 = MTU - 24;
/// The number of the first segment.
const FIRST: u32 = u32::MAX - 3000;

/// What controls how much a flow sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Control {
    Bbr,
    Cubic,
    /// nc 1 with time-based loss detection.
    Rack,
    /// nc 1, the window alone.
    Window,
    /// The built-in control.
    BuiltIn,
}

#[derive(Clone, Copy, Debug)]
pub struct Path {
    /// Mbit/s.
    pub rate: u64,
    /// Milliseconds.
    pub rtt: u64,
    /// Hundredths of the bandwidth-delay product.
    pub queue: u64,
    /// Per 10,000 packets, in each direction.
    pub loss: u64,
    /// Mean length of the spells during which everything is lost, ms; 0 means random loss.
    pub burst: u64,
    /// Percent of the round trip.
    pub jitter: u64,
    /// Each packet takes up to so much longer, ms, so that some overtake others.
    pub reorder: u64,
    /// Kbit/s of the way back, which has a queue of the same length in ms; 0 for no limit.
    pub back: u64,
    /// What would wait for the link passes at once: the queue is what a policer has saved up of the rate.
    pub policed: bool,
}

impl Path {
    pub const fn new(rate: u64, rtt: u64) -> Path {
        Path {
            rate,
            rtt,
            queue: 100,
            loss: 0,
            burst: 0,
            jitter: 0,
            reorder: 0,
            back: 0,
            policed: false,
        }
    }
}

#[derive(Clone, Copy, Debug)]
pub struct Plan {
    pub control: Control,
    pub window: i32,
    /// Milliseconds between two calls of `update`, and the interval where that is not longer.
    pub drive: u64,
    pub interval: u64,
    /// The sender's program calls when `next_due` says.
    pub due: bool,
    pub start: u64,
    /// Messages that the program sends each second, all at once; 0 means more than the window holds, always.
    pub burst: u32,
    /// The receiver's program sends more than the window holds, always, with the same control.
    pub both: bool,
}

impl Plan {
    pub const fn new(control: Control) -> Plan {
        Plan {
            control,
            window: 4096,
            drive: 1,
            interval: 1,
            due: false,
            start: 0,
            burst: 0,
            both: false,
        }
    }
}

pub struct End(Object);

impl End {
    pub fn new(conv: u32, plan: Plan) -> End {
        let end = End(Object::new(conv));
        let kcp = end.kcp();
        kcp.wndsize(plan.window, plan.window);
        let nc = c_int::from(plan.control != Control::BuiltIn);
        kcp.nodelay(1, 10, 2, nc);
        kcp.interval.set(plan.drive.max(plan.interval) as u32);
        // Both kinds of number wrap early in the life of a connection.
        for sn in [&kcp.snd_una, &kcp.snd_nxt, &kcp.rcv_nxt] {
            sn.set(FIRST);
        }
        end
    }

    pub fn control(&self, control: Control) {
        let ops = match control {
            Control::Bbr => bbr(),
            Control::Cubic => cubic(),
            Control::Rack => {
                assert_eq!(self.kcp().rack(true), 0);
                return;
            }
            _ => return,
        };
        // SAFETY: the table is constant.
        assert_eq!(unsafe { self.kcp().setcc(ops) }, 0);
    }

    pub fn kcp(&self) -> Kcp<'_> {
        self.0.kcp()
    }

    pub fn without_control(&self) {
        // SAFETY: there is no table.
        assert_eq!(unsafe { self.kcp().setcc(std::ptr::null()) }, 0);
    }

    /// The state of the installed control.
    pub fn info(&self) -> IKCPX_CCINFO {
        // SAFETY: numbers, and a pointer that may be NULL.
        let mut info: IKCPX_CCINFO = unsafe { std::mem::zeroed() };
        // SAFETY: the tables are constant, and the info has its size.
        unsafe {
            let ops = self.kcp().ccops.get().as_ref().expect("a control");
            let get_info = ops.get_info.expect("it tells");
            let size = size_of::<IKCPX_CCINFO>() as u32;
            assert_eq!(
                get_info(self.0.as_ptr(), (&raw mut info).cast(), size),
                size
            );
        }
        info
    }

    pub fn send(&self, message: &[u8]) {
        let len = message.len() as c_int;
        // SAFETY: the message has that many bytes.
        let sent = unsafe { self.kcp().send(Source::new(message.as_ptr().cast()), len) };
        assert_eq!(sent, len);
    }

    pub fn take(&self, buffer: &mut [u8]) -> Option<usize> {
        // SAFETY: the buffer has that much room.
        let sink = unsafe { Sink::new(buffer.as_mut_ptr().cast()) };
        let len = self.kcp().recv(sink, buffer.len() as c_int);
        usize::try_from(len).ok()
    }

    pub fn input(&self, packet: &[u8]) -> c_int {
        self.0.input(packet)
    }

    pub fn packets(&self) -> Vec<Vec<u8>> {
        self.0.packets()
    }
}

pub struct Flow {
    pub plan: Plan,
    pub a: End,
    pub b: End,
    phases: [u64; 2],
    sent: u32,
    taken: u32,
    /// Messages that the other end sent and this one took.
    pub taken_back: u32,
    /// On their way, by arrival in µs.
    there: VecDeque<(u64, Vec<u8>)>,
    back: VecDeque<(u64, Vec<u8>)>,
    /// Segments that arrived for the first time, in each millisecond.
    pub progress: Vec<u32>,
    pub offered: u64,
    pub dropped: u64,
    pub lost: u64,
    /// Segments that arrived again, and which ones have arrived, by their distance from the first.
    again: u64,
    arrived: Vec<bool>,
    /// What was offered, dropped, delivered and arrived again when measuring began.
    mark: [u64; 4],
}

impl Flow {
    fn delivered(&self) -> u64 {
        u64::from(self.taken)
    }

    /// Notes which segments a packet brings.
    fn count(&mut self, packet: &[u8]) {
        let mut rest = packet;
        while let Some((header, data)) = rest.split_at_checked(24) {
            let word = |at: usize| u32::from_le_bytes(header[at..at + 4].try_into().expect("4"));
            if header[4] == 81 {
                let number = word(12).wrapping_sub(FIRST) as usize;
                if self.arrived.len() <= number {
                    self.arrived.resize(number + 1, false);
                }
                self.again += u64::from(self.arrived[number]);
                self.arrived[number] = true;
            }
            rest = &data[word(20) as usize..];
        }
    }

    fn measure(&mut self) {
        self.mark = [self.offered, self.dropped, self.delivered(), self.again];
    }
}

struct Weather {
    bad: bool,
    changes: u64,
}

/// Everything, and the clock.
pub struct Net {
    pub path: Path,
    pub flows: Vec<Flow>,
    pub now: u64,
    random: Random,
    busy_until: u64,
    busy_back: u64,
    weather: [Weather; 2],
    /// How long each packet waited in the queue while measured, µs.
    pub waits: Vec<u32>,
    measuring: bool,
    jitter: u64,
    /// How far the programs' clocks are ahead of the true time.
    pub shift: u32,
    /// Whether the receivers' programs receive messages.
    pub reads: bool,
    /// Whether the senders' and the receivers' programs stand still, as a suspended process does.
    pub stopped: [bool; 2],
}

/// The results of a measurement.
#[derive(Clone, Copy, Debug, Default)]
pub struct Outcome {
    /// Percent of the link.
    pub share: f64,
    /// Percent that arrived again, of what was delivered.
    pub needless: f64,
    /// Percent that the queue dropped.
    pub own_loss: f64,
    /// Milliseconds in the queue, 99th percentile.
    pub queueing: f64,
    /// Milliseconds until the flow carried nine tenths of the rate that was measured.
    pub rise: u64,
}

/// A packet is under way. Without `reorder` it arrives after those before it.
fn travel(
    way: &mut VecDeque<(u64, Vec<u8>)>,
    mut due: u64,
    packet: Vec<u8>,
    path: Path,
    random: &mut Random,
) {
    if path.reorder > 0 {
        due += random.below(path.reorder * 1000 + 1);
    } else if let Some((last, _)) = way.back() {
        due = due.max(*last);
    }
    let place = way.partition_point(|(other, _)| *other <= due);
    way.insert(place, (due, packet));
}

impl Net {
    pub fn new(path: Path, plans: &[Plan], seed: u64) -> Net {
        let mut random = Random::new(seed);
        let flows = plans
            .iter()
            .zip(1..)
            .map(|(&plan, conv)| {
                let a = End::new(conv, plan);
                let b = End::new(conv, plan);
                a.control(plan.control);
                if plan.both {
                    b.control(plan.control);
                }
                Flow {
                    plan,
                    a,
                    b,
                    phases: [random.below(plan.drive), random.below(plan.drive)],
                    sent: 0,
                    taken: 0,
                    taken_back: 0,
                    there: VecDeque::new(),
                    back: VecDeque::new(),
                    progress: Vec::new(),
                    offered: 0,
                    dropped: 0,
                    lost: 0,
                    again: 0,
                    arrived: Vec::new(),
                    mark: [0; 4],
                }
            })
            .collect();
        Net {
            path,
            flows,
            now: 0,
            random,
            busy_until: 0,
            busy_back: 0,
            weather: [0, 1].map(|_| Weather {
                bad: false,
                changes: 0,
            }),
            waits: Vec::new(),
            measuring: false,
            jitter: 0,
            shift: 0,
            reads: true,
            stopped: [false; 2],
        }
    }

    /// Whether the path loses a packet of this direction.
    fn loses(&mut self, way: usize) -> bool {
        let Path { loss, burst, .. } = self.path;
        if burst == 0 || loss == 0 {
            return self.random.below(10_000) < loss;
        }
        while self.weather[way].changes <= self.now {
            let weather = &mut self.weather[way];
            weather.bad = !weather.bad;
            let mean = if weather.bad {
                burst
            } else {
                burst * (10_000 - loss) / loss
            };
            // From half to one and a half times the mean.
            weather.changes += (mean / 2).max(1) + self.random.below(mean + 1);
        }
        self.weather[way].bad
    }

    /// Runs until `end` ms; `each` sees every millisecond.
    pub fn run(&mut self, end: u64, mut each: impl FnMut(&mut Net)) {
        let mut order: Vec<usize> = (0..self.flows.len()).collect();
        while self.now < end {
            if self.now.is_multiple_of(5) {
                self.jitter = self.random.below(self.path.rtt * self.path.jitter * 10 + 1);
            }
            for n in (1..order.len()).rev() {
                order.swap(n, self.random.below(n as u64 + 1) as usize);
            }
            for &flow in &order {
                self.step(flow);
            }
            each(self);
            self.now += 1;
        }
    }

    fn step(&mut self, number: usize) {
        let (now, path) = (self.now, self.path);
        let clock = (now as u32).wrapping_add(self.shift);
        let (reads, [stopped_a, stopped_b]) = (self.reads, self.stopped);
        let flow = &mut self.flows[number];
        let before = flow.taken;
        if now >= flow.plan.start {
            let at = now * 1000;
            while !stopped_b && flow.there.front().is_some_and(|(due, _)| *due <= at) {
                let (_, packet) = flow.there.pop_front().expect("one");
                flow.count(&packet);
                flow.b.input(&packet);
            }
            let mut buffer = [0; MSS as usize];
            while reads && !stopped_b && flow.b.take(&mut buffer).is_some() {
                assert_eq!(buffer[..4], flow.taken.to_le_bytes(), "another message");
                flow.taken += 1;
            }
            while !stopped_a && flow.back.front().is_some_and(|(due, _)| *due <= at) {
                let (_, packet) = flow.back.pop_front().expect("one");
                flow.a.input(&packet);
            }
            while flow.plan.both && flow.a.take(&mut buffer).is_some() {
                flow.taken_back += 1;
            }
            if !stopped_a && (now + flow.phases[0]).is_multiple_of(flow.plan.drive) {
                let seconds = (now / 1000) as u32 + 1;
                while match flow.plan.burst {
                    0 => flow.a.kcp().waitsnd() < 2 * flow.plan.window,
                    burst => flow.sent < seconds * burst,
                } {
                    let mut message = [0; MSS as usize];
                    message[..4].copy_from_slice(&flow.sent.to_le_bytes());
                    flow.a.send(&message);
                    flow.sent += 1;
                }
                let kcp = flow.a.kcp();
                if !flow.plan.due {
                    kcp.update(clock);
                } else if kcp.next_due(clock) == clock {
                    kcp.update_due(clock);
                }
            }
            if !stopped_b && (now + flow.phases[1]).is_multiple_of(flow.plan.drive) {
                while flow.plan.both && flow.b.kcp().waitsnd() < 2 * flow.plan.window {
                    flow.b.send(&[0; MSS as usize]);
                }
                flow.b.kcp().update(clock);
            }
        }
        flow.progress.push(flow.taken - before);

        let (there, back) = (flow.a.packets(), flow.b.packets());
        for packet in there {
            let lost = self.loses(0);
            let size = packet.len() as u64 + HEADERS;
            let at = now * 1000;
            let wait = self.busy_until.saturating_sub(at);
            let flow = &mut self.flows[number];
            flow.offered += 1;
            if wait > path.rtt * path.queue * 10 {
                flow.dropped += 1;
                continue;
            }
            if self.measuring {
                self.waits.push(wait as u32);
            }
            self.busy_until = self.busy_until.max(at) + size * 8 / path.rate;
            if lost {
                flow.lost += 1;
                continue;
            }
            let passes = if path.policed { at } else { self.busy_until };
            let due = passes + path.rtt * 500 + self.jitter / 2;
            travel(&mut flow.there, due, packet, path, &mut self.random);
        }
        for packet in back {
            if self.loses(1) {
                continue;
            }
            let at = now * 1000;
            if self.busy_back.saturating_sub(at) > path.rtt * path.queue * 10 {
                continue;
            }
            let bits = (packet.len() as u64 + HEADERS) * 8;
            let takes = (bits * 1000).checked_div(path.back).unwrap_or(0);
            self.busy_back = self.busy_back.max(at) + takes;
            let flow = &mut self.flows[number];
            let due = self.busy_back + path.rtt * 500 + self.jitter / 2;
            travel(&mut flow.back, due, packet, path, &mut self.random);
        }
    }

    /// Messages that flow `number` delivered.
    pub fn taken(&self, number: usize) -> u32 {
        self.flows[number].taken
    }

    /// What the flow's receiver takes from now on until `until`, in messages.
    pub fn taken_until(&mut self, number: usize, until: u64) -> u32 {
        let before = self.taken(number);
        self.run(until, |_| ());
        self.taken(number) - before
    }

    pub fn measure(&mut self) {
        self.measuring = true;
        self.waits.clear();
        for flow in &mut self.flows {
            flow.measure();
        }
    }

    /// Runs until `until` ms, and gives the results of each flow from `from` ms on.
    pub fn between(&mut self, from: u64, until: u64) -> Vec<Outcome> {
        self.run(from, |_| ());
        self.measure();
        self.run(until, |_| ());
        let flows = 0..self.flows.len();
        flows.map(|flow| self.outcome(flow, until - from)).collect()
    }

    /// Those of the first flow.
    pub fn first_between(&mut self, from: u64, until: u64) -> Outcome {
        self.between(from, until)[0]
    }

    /// The results of flow `number` in the `ms` since `measure`.
    fn outcome(&mut self, number: usize, ms: u64) -> Outcome {
        let flow = &self.flows[number];
        let [offered, dropped, delivered, again] = [
            flow.offered - flow.mark[0],
            flow.dropped - flow.mark[1],
            flow.delivered() - flow.mark[2],
            flow.again - flow.mark[3],
        ]
        .map(|count| count as f64);
        let capacity = (self.path.rate * 1000 * ms / 8) as f64 / (MTU + HEADERS) as f64;
        self.waits.sort_unstable();
        let worst = self.waits.len() * 99 / 100;
        let rise = self.rise(number, delivered / ms as f64);
        Outcome {
            rise,
            share: delivered / capacity * 100.0,
            needless: again / delivered.max(1.0) * 100.0,
            own_loss: dropped / offered.max(1.0) * 100.0,
            queueing: f64::from(self.waits.get(worst).copied().unwrap_or(0)) / 1000.0,
        }
    }

    /// Milliseconds until a flow carried 90 % of `segments` per millisecond, for a round trip or 100 ms.
    fn rise(&self, number: usize, segments: f64) -> u64 {
        let span = self.path.rtt.max(100) as usize;
        let flow = &self.flows[number];
        let wanted = (segments * span as f64 * 0.9) as u32;
        let at = flow
            .progress
            .windows(span)
            .position(|part| part.iter().sum::<u32>() >= wanted);
        (at.unwrap_or(flow.progress.len()) + span) as u64 - flow.plan.start
    }
}

/// One flow alone for 30 s, of which the second half counts.
pub fn alone(path: Path, plan: Plan, seed: u64) -> Outcome {
    Net::new(path, &[plan], seed).first_between(15_000, 30_000)
}

/// The mean of one part of what came out.
pub fn mean(flows: &[Outcome], part: fn(&Outcome) -> f64) -> f64 {
    flows.iter().map(part).sum::<f64>() / flows.len() as f64
}

/// Jain's fairness index: 1 if all shares are equal.
pub fn fairness(flows: &[Outcome]) -> f64 {
    let shares = || flows.iter().map(|flow| flow.share);
    let sum: f64 = shares().sum();
    let squares: f64 = shares().map(|share| share * share).sum();
    sum * sum / (flows.len() as f64 * squares)
}
