//! What happened in one session, segment by segment, seen from outside: the packets on the link, and the sender's public fields
//! before and after each call. Any program could see as much.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;
use std::rc::Rc;

use anyhow::Result;
use kcp_abi::extensions::Info;
use kcp_abi::layout::Segment;
use kcp_cli::interrupt;

use crate::endpoint::{Endpoint, KcpPair, Mode};
use crate::link::{Fate, Micros};
use crate::session::{CLIENT, Pair, SERVER, TICK, message};
use crate::wire::{COMMAND_ACK, COMMAND_PUSH, after, headers};

/// Why a segment was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    First,
    /// Its timer had run out, as it was set when the segment was last sent.
    Timeout,
    /// Later segments were acknowledged this often while this one was not.
    Fast {
        skips: u32,
    },
    /// Before its timer had run out, with time-based loss detection: found lost, or sent as a probe.
    Early,
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Cause::First => write!(f, "first"),
            Cause::Timeout => write!(f, "timeout"),
            Cause::Fast { skips: 1 } => write!(f, "fast, 1 skip"),
            Cause::Fast { skips } => write!(f, "fast, {skips} skips"),
            Cause::Early => write!(f, "early"),
        }
    }
}

/// One segment of payload that was sent over the link.
#[derive(Debug, Clone)]
pub struct Transmission {
    pub at: Micros,
    pub sn: u32,
    /// 1 for the first transmission.
    pub xmit: u32,
    pub cause: Cause,
    /// The segment's timer after this transmission, in ms.
    pub rto: u32,
    pub fate: Fate,
}

/// One acknowledgement segment on its way back.
#[derive(Debug, Clone)]
pub struct Acknowledgement {
    pub at: Micros,
    pub sn: u32,
    pub una: u32,
    pub fate: Fate,
}

/// A segment was skipped by an acknowledgement of a later one.
#[derive(Debug, Clone, Copy)]
pub struct Skip {
    pub at: Micros,
    pub sn: u32,
}

/// The sender's state after a tick.
#[derive(Debug, Clone, Copy)]
pub struct Sample {
    pub at: Micros,
    pub cwnd: u32,
    pub in_flight: u32,
    pub waiting: u32,
    pub rto: i32,
    pub srtt: i32,
    /// The state of the congestion control, if it is one of the library's own.
    pub control: Option<Info>,
}

#[derive(Default)]
pub struct Trace {
    pub transmissions: Vec<Transmission>,
    pub acknowledgements: Vec<Acknowledgement>,
    pub skips: Vec<Skip>,
    pub samples: Vec<Sample>,
    /// When the sender learned that each segment had arrived.
    pub acknowledged: BTreeMap<u32, Micros>,
    /// When the receiving program got each segment's message.
    pub delivered: BTreeMap<u32, Micros>,
    /// All packets, in the order in which they were sent.
    pub packets: Vec<Wire>,
}

/// What happened to the transmission before a retransmission, and so whether the retransmission was needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// The segment was lost.
    Lost,
    /// The segment had arrived, but all acknowledgements of it were lost so far.
    AckLost,
    /// The segment or its acknowledgement was still in flight.
    Early,
}

impl fmt::Display for Need {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Need::Lost => "needed: segment lost",
            Need::AckLost => "not needed: only its ACK was lost",
            Need::Early => "not needed: segment or ACK still on its way",
        })
    }
}

impl Trace {
    /// Whether retransmission number `index` of `transmissions` was needed, which only the link can know.
    pub fn need(&self, index: usize) -> Need {
        let this = &self.transmissions[index];
        let arrived = self.transmissions[..index]
            .iter()
            .rev()
            .filter(|t| t.sn == this.sn)
            .any(|t| matches!(t.fate, Fate::Arrives(_)));
        if !arrived {
            return Need::Lost;
        }
        // Later packets carry `una` as well, so any of them that arrives would have acknowledged it.
        let until = self
            .acknowledgements
            .partition_point(|ack| ack.at <= this.at);
        let mut told = self.acknowledgements[..until]
            .iter()
            .rev()
            .filter(|ack| ack.sn == this.sn || after(ack.una, this.sn));
        let was_acknowledged = told.clone().next().is_some();
        let underway = told.any(|ack| matches!(ack.fate, Fate::Arrives(at) if at > this.at));
        if underway || !was_acknowledged {
            Need::Early
        } else {
            Need::AckLost
        }
    }
}

/// What is recorded of a segment in `snd_buf`.
#[derive(Clone, Copy)]
pub struct Seen {
    pub xmit: u32,
    pub resendts: u32,
    ts: u32,
}

/// The sender's `snd_buf`, read through its public links.
pub fn send_buffer(end: &Endpoint) -> BTreeMap<u32, (Seen, u32)> {
    let mut found = BTreeMap::new();
    // SAFETY: the object is alive, no call into it is under way, and its lists are circular lists of live segments.
    unsafe {
        let head = &raw const (*end.kcp.raw()).prefix.snd_buf;
        let mut node = (*head).next.cast_const();
        while node != head {
            let segment = &*node.cast::<Segment>();
            let seen = Seen {
                xmit: segment.xmit,
                resendts: segment.resendts,
                ts: segment.ts,
            };
            found.insert(segment.sn, (seen, segment.rto));
            node = segment.node.next;
        }
    }
    found
}

/// A packet as the tap saw it.
#[derive(Debug, Clone)]
pub struct Wire {
    pub at: Micros,
    pub side: usize,
    pub packet: Vec<u8>,
    pub fate: Fate,
}

/// Follows the sender through a session.
struct Observer {
    trace: Trace,
    wire: Rc<RefCell<Vec<Wire>>>,
    known: BTreeMap<u32, Seen>,
    skips: BTreeMap<u32, u32>,
    /// When the timer of each segment runs out, as it was set when the segment was last sent; time-based loss detection may move
    /// it.
    timers: BTreeMap<u32, u32>,
    /// Whether the mode uses time-based loss detection.
    by_time: bool,
}

impl Observer {
    /// Call it after each call that may have sent or acknowledged something.
    fn look(&mut self, pair: &KcpPair, now: Micros) {
        let buffer = send_buffer(&pair.ends[CLIENT]);
        let current = pair.ends[CLIENT].kcp.fields().current;
        let news = self.wire.take();
        for wire in &news {
            let Wire { at, side, fate, .. } = *wire;
            for header in headers(&wire.packet) {
                match header.command {
                    COMMAND_PUSH if side == CLIENT => {
                        let before = self.known.get(&header.sn).copied();
                        let after = buffer.get(&header.sn);
                        let skips = self.skips.get(&header.sn).copied().unwrap_or(0);
                        let timer = self.timers.get(&header.sn);
                        let ran_out = timer.is_none_or(|timer| after_or_at(current, *timer));
                        let cause = match before {
                            // A congestion control may have held back a segment that was in the list.
                            None | Some(Seen { xmit: 0, .. }) => Cause::First,
                            Some(_) if ran_out => Cause::Timeout,
                            Some(_) if self.by_time => Cause::Early,
                            Some(_) => Cause::Fast { skips },
                        };
                        if let Some((seen, _)) = after {
                            self.timers.insert(header.sn, seen.resendts);
                        }
                        // A timeout keeps the count; the other causes reset it.
                        if cause != Cause::Timeout {
                            self.skips.insert(header.sn, 0);
                        }
                        self.trace.transmissions.push(Transmission {
                            at,
                            sn: header.sn,
                            xmit: after.map_or(1, |(seen, _)| seen.xmit),
                            cause,
                            rto: after.map_or(0, |(_, rto)| *rto),
                            fate,
                        });
                    }
                    COMMAND_ACK if side == SERVER => {
                        self.trace.acknowledgements.push(Acknowledgement {
                            at,
                            sn: header.sn,
                            una: header.una,
                            fate,
                        });
                    }
                    _ => {}
                }
            }
        }
        self.trace.packets.extend(news);
        for sn in self.known.keys().filter(|sn| !buffer.contains_key(sn)) {
            self.trace.acknowledged.entry(*sn).or_insert(now);
        }
        self.known = buffer
            .into_iter()
            .map(|(sn, (seen, _))| (sn, seen))
            .collect();
    }

    /// Counts the skips of one packet that the sender received, by the rule of 1.7.1 and 2.1.1: once per packet, by the
    /// acknowledgement with the highest `sn` among those with the newest `ts`, and only for segments that were not sent after it.
    fn count_skips(&mut self, packet: &[u8], now: Micros) {
        let mut newest: Option<(u32, u32)> = None;
        let headers: Vec<_> = headers(packet).collect();
        let acks = || headers.iter().filter(|h| h.command == COMMAND_ACK);
        for header in acks() {
            newest = match newest {
                Some((sn, ts)) if !(after(header.sn, sn) && after(header.ts, ts)) => Some((sn, ts)),
                _ => Some((header.sn, header.ts)),
            };
        }
        let Some((sn, ts)) = newest else { return };
        for (skipped, _) in self
            .known
            .iter()
            .filter(|(own, seen)| after(sn, **own) && !after(seen.ts, ts))
            // Segments that this packet itself acknowledges are removed before skips are counted.
            .filter(|(own, _)| !headers.iter().any(|h| after(h.una, **own)))
            .filter(|(own, _)| !acks().any(|h| h.sn == **own))
        {
            *self.skips.entry(*skipped).or_default() += 1;
            self.trace.skips.push(Skip {
                at: now,
                sn: *skipped,
            });
        }
    }

    fn sample(&mut self, pair: &KcpPair, now: Micros) {
        let fields = pair.ends[CLIENT].kcp.fields();
        self.trace.samples.push(Sample {
            at: now,
            cwnd: fields.cwnd,
            in_flight: fields.nsnd_buf,
            waiting: fields.nsnd_buf + fields.nsnd_que,
            rto: fields.rx_rto,
            srtt: fields.rx_srtt,
            control: pair.ends[CLIENT].kcp.info(),
        });
    }
}

fn after_or_at(a: u32, b: u32) -> bool {
    a == b || after(a, b)
}

/// Messages from the client to the server.
#[derive(Debug, Clone, Copy)]
pub struct Stream {
    pub size: usize,
    pub every: Micros,
    pub messages: usize,
}

/// How long even the shortest session may last.
const PATIENCE: Micros = 60_000_000;

/// Runs one session to the last acknowledgement (or ten times its length) and returns what happened.
pub fn record(mut pair: KcpPair, mode: &Mode, stream: Stream) -> Result<Trace> {
    let wire = Rc::new(RefCell::new(Vec::new()));
    let sink = Rc::clone(&wire);
    pair.tap(Box::new(move |sent| {
        sink.borrow_mut().push(Wire {
            at: sent.at,
            side: sent.side,
            packet: sent.packet.to_vec(),
            fate: sent.fate,
        });
    }));
    let mut observer = Observer {
        trace: Trace::default(),
        wire,
        known: BTreeMap::new(),
        skips: BTreeMap::new(),
        timers: BTreeMap::new(),
        by_time: mode.tells_loss_by_time(),
    };
    let longest = (stream.every * stream.messages as u64 * 10).max(PATIENCE);
    let mut sent = 0;
    let mut received = 0u32;
    let mut buffer = vec![0; stream.size];
    let mut now = 0;
    while now < longest && !interrupt::requested() {
        pair.update_end(CLIENT, now);
        observer.look(&pair, now);
        pair.update_end(SERVER, now);
        while sent < stream.messages && stream.every * sent as u64 <= now {
            pair.send(CLIENT, now, &message(sent, stream.size))?;
            observer.look(&pair, now);
            sent += 1;
        }
        pair.deliver_to(SERVER, now);
        while let Some(packet) = pair.pipes[SERVER].pop(now) {
            observer.count_skips(&packet, now);
            pair.input(CLIENT, now, &packet);
            observer.look(&pair, now);
        }
        while pair.receive(SERVER, &mut buffer).is_some() {}
        let fields = pair.ends[SERVER].kcp.fields();
        let taken = received..fields.rcv_nxt - fields.nrcv_que;
        received = taken.end;
        observer.trace.delivered.extend(taken.map(|sn| (sn, now)));
        observer.look(&pair, now);
        observer.sample(&pair, now);
        now += TICK;
        if sent == stream.messages && pair.ends[CLIENT].kcp.waitsnd() == 0 {
            break;
        }
    }
    Ok(observer.trace)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::link::{Config, Loss};
    use crate::testing;

    fn trace(mode: &str, seed: u64) -> Trace {
        let link = Config {
            jitter: 10_000,
            loss: Loss::Random(0.1),
            ..Config::plain(30_000)
        };
        let mode = mode.parse().unwrap();
        let pair = KcpPair::new(testing::library(), &mode, 128, link, seed, 0, [0, 3_000]).unwrap();
        let stream = Stream {
            size: 200,
            every: 10_000,
            messages: 300,
        };
        record(pair, &mode, stream).unwrap()
    }

    /// Each message counted as one segment, so the picture showed the deliveries in the rows of other segments.
    #[test]
    fn a_message_of_several_segments_delivers_each_of_them() {
        let mode = "turbo".parse().unwrap();
        let link = Config::plain(30_000);
        let pair = KcpPair::new(testing::library(), &mode, 128, link, 1, 0, [0, 3_000]).unwrap();
        let stream = Stream {
            size: 3_000,
            every: 10_000,
            messages: 20,
        };
        let trace = record(pair, &mode, stream).unwrap();
        assert_eq!(trace.acknowledged.len(), 60);
        let numbers = |times: &BTreeMap<u32, Micros>| times.keys().copied().collect::<Vec<_>>();
        assert_eq!(numbers(&trace.delivered), numbers(&trace.acknowledged));
        for message in trace.delivered.values().collect::<Vec<_>>().chunks(3) {
            assert!(message.iter().all(|at| at == &message[0]), "{message:?}");
        }
    }

    fn resent(trace: &Trace) -> impl Iterator<Item = &Transmission> {
        trace
            .transmissions
            .iter()
            .filter(|t| t.cause != Cause::First)
    }

    #[test]
    fn a_seed_replays_the_session() {
        let told = |seed| format!("{:?}", trace("turbo", seed).transmissions);
        assert_eq!(told(4), told(4));
        assert_ne!(told(4), told(5));
    }

    #[test]
    fn every_segment_has_one_first_transmission_and_counts_on_from_it() {
        for seed in 0..5 {
            let trace = trace("turbo", seed);
            for sn in 0..300 {
                let own: Vec<&Transmission> =
                    trace.transmissions.iter().filter(|t| t.sn == sn).collect();
                assert_eq!(own[0].cause, Cause::First, "seed {seed} sn {sn}");
                for (index, one) in own.iter().enumerate() {
                    assert_eq!(one.xmit as usize, index + 1, "seed {seed} sn {sn}");
                    assert!(index == 0 || one.cause != Cause::First);
                }
            }
            assert_eq!(trace.acknowledged.len(), 300);
            assert_eq!(trace.delivered.len(), 300);
        }
    }

    #[test]
    fn fast_resends_have_the_skips_that_the_mode_asks_for() {
        for (mode, threshold) in [
            ("1,10,1,1", 1),
            ("1,10,2,1", 2),
            ("1,10,3,1", 3),
            ("turbo+flush", 2),
        ] {
            let mut fast = 0;
            for seed in 0..5 {
                for one in resent(&trace(mode, seed)) {
                    if let Cause::Fast { skips } = one.cause {
                        assert!(skips >= threshold, "{mode} seed {seed}: {one:?}");
                        fast += 1;
                    }
                }
            }
            assert!(fast > 20, "{mode}: {fast} fast resends");
        }
    }

    #[test]
    fn without_fast_resend_only_timers_resend_and_grow_by_the_mode() {
        for (mode, double) in [("0,10,0,1", true), ("1,10,0,1", false)] {
            let trace = trace(mode, 3);
            let mut checked = 0;
            for one in resent(&trace) {
                assert_eq!(one.cause, Cause::Timeout);
                let before = trace
                    .transmissions
                    .iter()
                    .find(|t| t.sn == one.sn && t.xmit == one.xmit - 1)
                    .unwrap();
                let grown = if double {
                    // Doubled, or taken from the estimate if that is larger.
                    one.rto >= 2 * before.rto
                } else {
                    one.rto == before.rto + before.rto / 2
                };
                assert!(grown, "{mode}: {} then {}", before.rto, one.rto);
                checked += 1;
            }
            assert!(checked > 10);
        }
    }

    #[test]
    fn a_retransmission_is_needed_exactly_when_nothing_had_arrived() {
        let trace = trace("fast", 1);
        let mut seen = [0; 2];
        for (index, one) in trace.transmissions.iter().enumerate() {
            if one.cause == Cause::First {
                continue;
            }
            let lost_before = trace.transmissions[..index]
                .iter()
                .filter(|t| t.sn == one.sn)
                .all(|t| matches!(t.fate, Fate::Lost(_)));
            assert_eq!(trace.need(index) == Need::Lost, lost_before);
            seen[usize::from(lost_before)] += 1;
        }
        assert!(seen.iter().all(|&count| count > 0), "{seen:?}");
    }

    #[test]
    fn the_state_of_a_control_is_sampled_and_loss_is_told_early() {
        if !testing::has_controls() {
            return;
        }
        let mut early = 0;
        for seed in 0..5 {
            let trace = trace("bbr", seed);
            let last = trace.samples.last().and_then(|sample| sample.control);
            let last = last.expect("ikcpx_bbr gives its state");
            assert!(!last.phase_name().is_empty());
            assert!(last.bandwidth > 0 && last.pacing_rate > 0, "{last:?}");
            // The link alone takes 60 ms for a round trip.
            assert!((60..200).contains(&last.min_rtt), "{last:?}");
            assert_eq!(last.cwnd, trace.samples.last().map_or(0, |s| s.cwnd));
            for one in resent(&trace) {
                assert!(!matches!(one.cause, Cause::Fast { .. }), "{one:?}");
                early += usize::from(one.cause == Cause::Early);
            }
        }
        assert!(early > 20, "{early} early resends");
        assert!(
            trace("turbo", 1)
                .samples
                .iter()
                .all(|s| s.control.is_none())
        );
    }
}
