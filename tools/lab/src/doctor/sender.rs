//! One sender and what its peer says about it, rebuilt from the segments that pass the capture.
//!
//! All times are those of the capture. What the peer says takes effect when the sender's reaction could be seen here at the
//! earliest: `lag` after it passed. At the sender's machine that is at once; at the receiver's it is nearly a round trip. What the
//! sender did is taken as if each packet had come as fast as the fastest, which its stamps tell: else a queue on the way would blur
//! what leads to what.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::causes::{Flushes, grid};
use super::dispersion::{Dispersion, Spread};
use super::framing::Piece;
use super::outage::{Fate, Outages};
use crate::wire::{COMMAND_ACK, COMMAND_ASK, COMMAND_PUSH, COMMAND_TELL, HEADER, Header, after};

/// Microseconds.
pub type Time = i64;

pub const MS: Time = 1_000;

/// How long a segment is kept after it has arrived: an acknowledgement of its first transmission may still come.
const HOLD: Time = 2_000 * MS;
/// What a segment may be kept for at most, in number. Windows have 16 bits, of which few programs use all.
const MOST_SEGMENTS: usize = 70_000;
/// Transmissions of one segment that are told apart. Senders call the link dead after 20 by default.
const MOST_SENDINGS: usize = 200;
/// Resent segments that are remembered for the report.
const MOST_RESENT: usize = 20_000;
const MOST_SKIP_EVENTS: usize = 10_000;
/// Missing numbers that are taken for lost segments.
const LARGEST_GAP: u64 = 1_024;
/// What does not come for so long was not just late.
pub const LATE: Time = 1_000 * MS;
/// Points of a curve.
const MOST_POINTS: usize = 2_000;
/// Pairs of what was in flight and how long there had been room.
const MOST_REFILLS: usize = 50_000;
/// Seconds whose least round trips are kept.
const MOST_TRIPS: usize = 20_000;
/// Skips that are told apart.
pub const SKIPS: usize = 5;
/// Packets that skip one transmission and whose moments are kept.
const MOST_MOMENTS: usize = 128;
/// How well it is known far from a sender when it heard of something.
const BLURRED: Time = 3 * MS;
/// Of what is sent after nothing was acknowledged for so long, until the end, nobody knows whether it was lost or the peer is gone.
pub const SILENCE: Time = 500 * MS;
/// The share of its estimate before which no timer runs out: round trips are known no better from outside.
pub const SOONEST_TIMER: f64 = 0.85;
/// Segments sent within so many ms arrive before the same flush of the peer.
const TOGETHER: u32 = 8;
/// With so many acknowledgements, or more, a packet may be full of them.
const FULL: usize = 10;
/// Segments at the beginning whose bytes are remembered.
const FIRST: u32 = 20;
/// A time between flushes in which a program may have stood still, and one in which it was idle, ms.
const LONG: u32 = 100;
const LONGEST_STALL: u32 = 5_000;
/// Silence that is noted.
const IDLE: Time = 500 * MS;
/// Silence of a peer after which nothing shows of windows any more, beside a few round trips.
const UNHEARD: Time = 1_000 * MS;
/// Transmissions of which it is remembered whether they were acknowledged.
const MOST_PASSED: usize = 16_384;
/// Packets of which it is remembered what was in them.
const REMEMBERED: usize = 64;

/// The state of the estimator of the round-trip time, in ms, as the sender computes it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Estimate {
    pub srtt: i32,
    pub rttval: i32,
}

impl Estimate {
    fn sample(self, rtt: i32) -> Estimate {
        if self.srtt == 0 {
            return Estimate {
                srtt: rtt,
                rttval: rtt / 2,
            };
        }
        Estimate {
            srtt: ((7 * i64::from(self.srtt) + i64::from(rtt)) / 8).max(1) as i32,
            rttval: ((3 * i64::from(self.rttval) + i64::from(rtt - self.srtt).abs()) / 4) as i32,
        }
    }

    /// The same of kcp-go, where a round trip that is far shorter than usual counts less.
    fn sample_of_go(self, rtt: i32) -> Estimate {
        if self.srtt == 0 {
            return self.sample(rtt);
        }
        let off = rtt - self.srtt;
        let srtt = (self.srtt + (off >> 3)).max(1);
        let less = if rtt < srtt - self.rttval { 5 } else { 2 };
        let rttval = self.rttval + ((off.abs() - self.rttval) >> less);
        Estimate { srtt, rttval }
    }

    /// The timeout that follows with this interval, ms.
    pub fn timeout(self, interval: Time) -> u32 {
        let least = (interval / MS) as i32;
        match self.srtt {
            // Before the first sample.
            0 => 200,
            srtt => (srtt + least.max(4 * self.rttval)).clamp(0, 60_000) as u32,
        }
    }
}

/// One transmission.
#[derive(Debug, Clone)]
pub struct Sending {
    pub at: Time,
    /// When it would have passed, had it come as fast as the fastest.
    pub sent: Time,
    /// The same of the flush before it that sent something.
    pub prior: Time,
    /// The sender's clock.
    pub ts: u32,
    /// The number of the packet that carried it, and the size of that datagram.
    pub packet: u64,
    size: u32,
    /// The latest stamp that it may have had.
    latest: u32,
    /// It was not seen: lost before the capture, and known from the gap in the numbers.
    pub hidden: bool,
    pub estimate: Estimate,
    /// The same where the sender's clock stands still between updates: round trips end with the last one before the acknowledgement.
    pub estimate_by_updates: Estimate,
    estimate_of_go: Estimate,
    /// When its stamp was taken, had it come as fast as the fastest.
    stamped: Time,
    /// The flush that sent it again sent others after it for the first time.
    pub beside_fresh: bool,
    /// When its own acknowledgement passed.
    pub acked: Option<Time>,
    /// What the peer then had in order.
    una: u32,
    /// The peer lacked it when it had been under way for longer than packets take.
    pub lacked: bool,
    /// What was sent just before and after it, in other packets, so that the peer acknowledges all together: whether any of that was
    /// acknowledged by its number. `None` where there was no such thing.
    pub beside_acked: Option<bool>,
    /// Its place among all transmissions.
    order: u64,
    pub skips: Skips,
    in_flight: u32,
}

/// How often a transmission was skipped, by each rule.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Skips {
    counts: [u32; RULES],
    /// When the first packet told of it, and all of them, the first ones only.
    from: Time,
    moments: Vec<Moment>,
}

/// A hostile capture has millions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Moment {
    /// Since the first one.
    after: u32,
    /// How often it had been skipped then, by those rules that do not count each packet once.
    by_stamp: u16,
    by_each: u16,
}

impl Skips {
    fn add(&mut self, now: Time, [by_stamp, by_each]: [u16; 2]) {
        self.add_late(now, [by_stamp, by_each]);
        self.counts[BY_STAMP] += u32::from(by_stamp);
        self.counts[BY_ANY] += 1;
        self.counts[BY_EACH] += u32::from(by_each);
    }

    /// It had been sent again, which may have been later than it seems.
    fn add_late(&mut self, now: Time, [by_stamp, by_each]: [u16; 2]) {
        if self.moments.len() >= MOST_MOMENTS {
            return;
        }
        let (stamps, all) = match self.moments.last() {
            Some(last) => (last.by_stamp, last.by_each),
            None => {
                self.from = now;
                (0, 0)
            }
        };
        self.moments.push(Moment {
            after: u32::try_from(now - self.from).unwrap_or(u32::MAX),
            by_stamp: stamps + by_stamp,
            by_each: all + by_each,
        });
    }

    pub fn count(&self, rule: usize) -> u32 {
        self.counts[rule]
    }

    /// When it had been skipped so often, once or more.
    pub fn at(&self, rule: usize, count: u32) -> Option<Time> {
        let place = match rule {
            BY_STAMP => self.place(|one| u32::from(one.by_stamp) < count),
            BY_EACH => self.place(|one| u32::from(one.by_each) < count),
            _ => count as usize - 1,
        };
        self.moments
            .get(place)
            .map(|one| self.from + Time::from(one.after))
    }

    /// How often until then.
    pub fn until(&self, rule: usize, then: Time) -> u32 {
        let place = self.place(|one| self.from + Time::from(one.after) <= then);
        let Some(last) = place.checked_sub(1).map(|last| &self.moments[last]) else {
            return 0;
        };
        match rule {
            BY_STAMP => last.by_stamp.into(),
            BY_EACH => last.by_each.into(),
            _ => place as u32,
        }
    }

    fn place(&self, before: impl Fn(&Moment) -> bool) -> usize {
        self.moments.partition_point(before)
    }
}

/// The rules by which senders count skips: only word of what was sent no earlier counts; or any does, as in the original up to 1.7. Both
/// count once for each packet; kcp-go does for each acknowledgement in it.
pub const RULES: usize = 3;
pub const BY_STAMP: usize = 0;
pub const BY_ANY: usize = 1;
pub const BY_EACH: usize = 2;

impl Sending {
    pub fn is_skipped(&self) -> bool {
        self.skips.count(BY_STAMP) > 0
    }

    /// Sent again with this stamp, it is a copy: no timer can have run out, and nothing told of a loss.
    fn is_copied_at(&self, ts: u32) -> bool {
        let waited = i64::from(ts.wrapping_sub(self.ts).cast_signed());
        let soonest = SOONEST_TIMER * f64::from(self.estimate.timeout(10 * MS));
        self.skips.count(BY_ANY) == 0 && !self.hidden && waited + 10 < soonest as i64
    }

    /// A round trip was known. Before that, timers last 200 ms, whatever the least is.
    pub fn knows_the_way(&self) -> bool {
        self.estimate.srtt > 0
    }
}

/// One segment.
#[derive(Debug, Clone)]
pub struct Segment {
    pub sn: u64,
    pub len: u32,
    /// Of the datagram that carried it.
    pub size: u32,
    mark: u32,
    pub sendings: Vec<Sending>,
    /// When the sender learned that it had arrived.
    pub done: Option<Time>,
    /// When word of its arrival passed the capture; and what the peer then had in order, if that was said in a packet beside which others of
    /// its flush may bring acknowledgements.
    pub told: Option<Time>,
    told_una: Option<u32>,
    /// How much later than that of others before it, ms.
    pub late: i64,
    /// Word came for later segments, too, that had been sent long before it was sent again, and of which nothing had been heard: so
    /// acknowledgements were lost.
    pub others_unheard: bool,
}

impl Segment {
    /// `una` told of it, and no number of it had come by then: acknowledgements of it were lost for sure.
    pub fn is_unheard(&self) -> bool {
        let heard_by = |told: Time| {
            let mut sendings = self.sendings.iter();
            sendings.any(|one| match one.acked {
                // Each packet of a flush has the same `una`, that of all which they acknowledge.
                Some(at) if at > told => {
                    Some(one.una) == self.told_una && at <= told + Time::from(TOGETHER) * MS
                }
                acked => acked.is_some(),
            })
        };
        self.told.is_some_and(|told| !heard_by(told))
    }
}

/// A transmission of some segment, while what was sent beside it may have to be known.
struct Passed {
    ts: u32,
    packet: u64,
    /// When its own acknowledgement passed.
    acked: Option<u64>,
}

/// A skip of a first transmission, and what came of it.
#[derive(Debug, Clone, Copy)]
pub struct SkipEvent {
    pub rule: usize,
    /// How often the transmission had been skipped.
    pub count: u32,
    /// Until it was sent again.
    pub resent: Option<Time>,
    /// Until the sender knew that it had arrived.
    pub done: Option<Time>,
}

/// A time in which the peer's window was shut.
#[derive(Debug, Clone, Copy)]
pub struct Closed {
    pub from: Time,
    pub to: Time,
    /// When the peer last said that it is shut.
    pub shut_until: Time,
    /// The peer's own word that it opened did not come: the answer to a probe told, or an acknowledgement.
    pub news_lost: bool,
    /// How long probes, or their answers, were lost.
    pub unanswered: Time,
}

/// A time in which the peer said nothing, and then acknowledged what it had received all along.
#[derive(Debug, Clone, Copy)]
struct Silence {
    from: Time,
    to: Time,
    /// The round trip before it.
    trip: Time,
    /// What was sent long before its end, and acknowledged by it in the first transmission.
    kept: u32,
}

/// A segment that never came as far as the capture, nor to the peer, while later ones did.
#[derive(Debug, Clone, Copy)]
pub struct NeverCame {
    /// When it was sent first.
    pub since: Time,
    /// Later ones that were acknowledged.
    pub later: u64,
    /// Later ones that did not come either, long before the last acknowledgement.
    pub alike: u64,
}

/// Numbers that come again, one after the other.
#[derive(Debug, Clone, Copy)]
struct Again {
    next: u64,
    count: u32,
    since: Time,
    /// The first stamp, and how many segments had been sent then.
    ts: u32,
    fresh: u64,
    from_zero: bool,
}

/// A flush that sent something for the first time.
struct Flush {
    ts: u32,
    /// Since the one before it, ms.
    gap: u32,
    segments: u64,
    /// What was in flight after it.
    flight: u32,
    /// How long there had been room, ms.
    waited: Option<u32>,
    /// The ends of messages in it, and whether there is only the one at its end.
    ends: u64,
    whole: bool,
}

/// What the peer said.
enum Word {
    Ack {
        sn: u32,
        ts: u32,
        una: u32,
    },
    /// Whether other packets of its flush may bring acknowledgements.
    Una(u32, bool),
    Window(u16),
    Tell,
    /// The end of a packet; the skips are counted there.
    End,
}

/// Which numbers a flush tells of what it acknowledges in order.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Manner {
    /// Of each segment, as the original does.
    TellsEach,
    /// Of the last one only, as kcp-go and java-Kcp do.
    TellsLast,
    /// No packet told several.
    #[default]
    Unknown,
}

/// Counts by value, in ms.
pub type Histogram = BTreeMap<u32, u64>;

/// How much of one time lies within another.
pub fn overlap((start, end): (Time, Time), (from, to): (Time, Time)) -> Time {
    (end.min(to) - start.max(from)).max(0)
}

/// The value below which a share of all is.
pub fn percentile<T: Copy>(histogram: &BTreeMap<T, u64>, percent: u64) -> Option<T> {
    let total: u64 = histogram.values().sum();
    let rank = (total * percent).div_ceil(100).max(1);
    let mut passed = 0;
    histogram.iter().find_map(|(value, count)| {
        passed += count;
        (passed >= rank).then_some(*value)
    })
}

/// How much longer than the fastest packets took to come here.
#[derive(Default)]
pub struct Transit {
    /// The least that the capture's clock was ahead of the sender's, ms, and when that was so.
    least: Option<(f64, Time)>,
    /// Of the last packet.
    late: Time,
}

impl Transit {
    /// When a packet with this stamp would have passed, had it come as fast as the fastest.
    pub fn sent(&mut self, at: Time, ts: u32) -> Time {
        /// One clock gains so much on the other, at most.
        const DRIFT: f64 = 200e-6;
        let ahead = (at / MS - i64::from(ts)) as f64;
        let least = self.least.map_or(ahead, |(least, then)| {
            least + (at - then) as f64 / MS as f64 * DRIFT
        });
        let least = least.min(ahead);
        self.least = Some((least, at));
        self.late = (ahead - least) as Time * MS;
        at - self.late
    }
}

/// Queues that hold packets up for longer are not looked for.
const LONGEST_QUEUE: Time = 2_000 * MS;

#[derive(Default)]
pub struct Sender {
    transit: Transit,
    lag: Time,
    /// The capture tells where the sender is.
    pub lag_known: bool,
    /// Its clock stands still while it sends, so that its stamps do not tell when that was.
    stale_clock: bool,
    words: VecDeque<(Time, Time, Word)>,
    segments: BTreeMap<u64, Segment>,
    /// Sent, and not known to have arrived.
    open: BTreeSet<u64>,
    started: bool,
    /// The first number that was seen, and when that was.
    begins: u64,
    begins_at: (Time, u32),
    /// The number after the highest that was sent.
    next: u64,
    una: u64,
    /// Segments below are no longer kept.
    floor: u64,
    estimate: Estimate,
    estimate_by_updates: Estimate,
    estimate_of_go: Estimate,
    /// The stamp of the packet that passes.
    stamped: Time,
    /// The time between updates, as far as stamps have told.
    tick: Option<Time>,
    window: Option<u32>,
    last_event: Option<Time>,
    empty_since: Option<Time>,
    /// The acknowledgements in one packet, and the round trip that the last one tells, ms.
    acks: Vec<(u64, u32)>,
    packet_trip: Option<i32>,
    /// What the last flush sent again.
    again_now: Vec<(u64, u32)>,
    told_in_packet: bool,

    pub first: Option<Time>,
    pub last: Option<Time>,
    pub packets: u64,
    /// Of these, the capture lacks segments at the end.
    pub cut: u64,
    pub pushes: u64,
    pub bytes: u64,
    pub payload: u64,
    pub fragmented: u64,
    pub largest_datagram: u32,
    pub largest_segment: u32,
    pub largest_acked: u32,
    /// Datagrams by size that were never acknowledged in any transmission.
    pub lost_sizes: BTreeMap<u32, u64>,
    pub most_fragments: u32,
    pub asks: u64,
    /// Segments sent for the first time, and packets that had some.
    pub fresh: u64,
    fresh_packets: (u64, u64),
    /// Segments whose first transmission was lost before it came here.
    unseen: u64,
    /// Transmissions beyond the first, seen or not.
    pub resends: u64,
    /// Those of segments that had arrived long ago.
    pub late_resends: u64,
    /// Segments that arrived out of their order without being resent.
    pub reordered: u64,
    /// Copies in the network: the same transmission twice.
    pub copies: u64,
    /// The same stamp and number in packets that differ, as no network makes of one.
    pub doubles: u64,
    prints: VecDeque<(u64, u64)>,
    /// Sent, known to have arrived, and acknowledged by number or only by `una`.
    pub acked_by_number: u64,
    pub acked_by_una: u64,
    /// Segments that were acknowledged by number, sent once together with the one before, all of which had arrived: how many, and how
    /// many of those before were not. And of those acknowledged by `una` only: how many were sent together with the one before; how many
    /// were not, and how often that was acknowledged by `una` only, too.
    spared: (u64, u64),
    unheard_together: u64,
    /// When segments were sent once that arrived, as `una` told, and were not acknowledged by their number.
    pub unheard_once: Vec<Time>,
    unheard: (u64, u64),
    last_forgotten: Option<(u64, u32, bool)>,
    /// Acknowledgements of transmissions that are not in the capture.
    pub uncaptured: u64,
    /// The first such segment.
    pub never_came: Option<NeverCame>,
    pub outages: Outages,
    /// When nothing of the peer came for long.
    pub quiet: Vec<(Time, Time)>,
    /// The least round trip of each second, ms.
    trips: BTreeMap<Time, u32>,
    /// When the peer last said that more had arrived, and whether it sent something of its own since the last flush.
    room_since: Option<Time>,
    peer_pushed: bool,
    /// Flushes after which no more was in flight than they sent, and before which the peer had sent something.
    asked: u64,
    /// Segments that were sent for the first time, by what was then in flight, and how long after there was room for them, ms.
    refills: BTreeMap<(u32, u32), u64>,
    /// Those that end a message.
    ends: u64,
    /// Fingerprints and lengths of the first segments.
    begun: Vec<(u32, u32)>,
    /// Numbers that the peer has had for long, and that come one after the other.
    again: Option<Again>,
    /// The last transmissions, and how many there were before them.
    passed: VecDeque<Passed>,
    passed_before: u64,
    /// Of two that were sent together in different packets, and acknowledged by number: how many, and how many by one packet.
    acked_beside: (u64, u64),
    /// Packets of the peer.
    heard: u64,
    pub resent: Vec<Segment>,
    pub resent_untold: u64,
    pub skip_events: Vec<SkipEvent>,
    /// Round trips as the sender sees them.
    pub rtt: Histogram,
    /// From a segment to its acknowledgement, as the capture sees it: the way to the peer and back.
    pub near: Histogram,
    /// Stamps that are multiples of 16, and all.
    pub coarse_stamps: (u64, u64),
    /// Times between flushes that sent something, by the sender's clock.
    pub ts_gaps: Histogram,
    /// Those between which it did not hear either that more had arrived.
    gaps_unheard: Histogram,
    /// Fresh segments, other than full ones, and flushes that sent them: how many share a flush.
    pub small: u64,
    pub small_flushes: u64,
    last_ts: Option<u32>,
    /// The stamp of the last flush, when the one before it was sent, and when that one.
    flush: (u32, Time, Time),
    last_small_ts: Option<u32>,
    /// When the last fresh segment passed, with its stamp.
    newest_fresh: Option<(Time, Time, u32)>,
    /// Times between packets by the capture's clock, ms.
    pub packet_gaps: Histogram,
    last_packet: Option<Time>,
    /// How long how many segments were in flight.
    pub in_flight: BTreeMap<u32, Time>,
    /// With what the peer's window allows, or more, in flight: the window as large as ever, or smaller since the peer does not read.
    pub at_peer_window: Time,
    pub at_shrunk_window: Time,
    /// Since when it has been smaller, and how long that much was in flight since then; for how long it was, in all.
    shrunk: Option<(Time, Time)>,
    pub shrunk_for: Time,
    pub busy: Time,
    pub largest_window: u32,
    pub closed: Vec<Closed>,
    /// Since when, and when it was last said.
    closed_since: Option<(Time, Time)>,
    last_ask: Option<Time>,
    /// A probe of which no answer has come yet, and how long those before it have waited for one, while the window is shut.
    open_ask: Option<Time>,
    unanswered: Time,
    asks_after: Option<Time>,
    silence: Option<Silence>,
    /// When the peer stood still.
    pub stills: Vec<(Time, Time)>,
    pub idle: Vec<(Time, Time)>,
    /// Round trips by how much was in flight, in powers of two: how many, and their sum.
    by_flight: [(u64, u64); 18],
    /// How much longer than the first one packets took to come here, in ms: what the sender's stamps tell, with the steps between them.
    delay: BTreeMap<i64, u64>,
    first_ahead: Option<i64>,
    /// From the sender to here, by its stamps, and from here to the peer, by what that acknowledges.
    dispersion: [Dispersion; 2],
    delay_steps: (u64, u64, Option<i64>),
    /// How much round trips differ from one flush to the next: how many, their sum in ms, and the last one with its stamp.
    steps: (u64, u64, Option<(u32, u32)>),
    /// Packets that acknowledge, and how many of its flushes they answer.
    pub ack_packets: u64,
    pub acked_flushes: u64,
    pub peer_manner: Manner,
    /// Its program is kcp-go, as its peer's is.
    pub by_go: bool,
    /// When the last of what was acknowledged had been sent, when something was last acknowledged, and when the peer was last heard.
    pub last_arrived: Option<Time>,
    pub last_acked: Option<Time>,
    pub last_heard: Option<Time>,
    /// How the sender's clock stands to the capture's, ms, and how it jumped.
    clock: Clock,
    pub clock_jumps: Vec<(Time, i64)>,
    /// How far the capture's clock was ahead at least, before the first jump and after each one.
    least_ahead: Vec<i64>,
    /// The same number with another payload, or one that goes on beside those of another sender.
    pub conflicts: u64,
    pub first_conflict: Option<Time>,
    /// The numbers began again.
    pub restarts: Vec<Time>,
    /// Where they were before that, and how many more of them came since then.
    left_at: Option<(Time, u32, u64)>,
    /// The most that the peer said it has, and whether that went back for good.
    told_una: Option<u64>,
    una_back: u32,
    una_back_since: Time,
    pub peer_restarts: Vec<Time>,
    /// From the stamp of a segment to word of its arrival, ms: what is usual, and by how much others differ from that.
    usual: Option<f64>,
    lateness: BTreeMap<i64, u64>,
    /// What was in flight at the end of flushes that sent something for the first time: how many, and how many sent one
    /// message.
    flushed: BTreeMap<u32, (u64, u64)>,
    last_flushed: Option<Flush>,
    /// How many segments those sent.
    flush_sizes: Histogram,
    /// The stamp of the last one, and how many segments were sent after long gaps, ms.
    fresh_ts: Option<u32>,
    long_gaps: Vec<(u32, u64)>,
    /// Stamps that are no whole seconds: as they are, and as the low half of those since 1970.
    split_seconds: [bool; 2],
    /// Curves: the round trip in ms; segments in flight.
    pub rtt_curve: Vec<(Time, u32)>,
    pub flight_curve: Vec<(Time, u32)>,
    curve_step: [u32; 2],
    curve_count: [u32; 2],
    /// The window that the slow start and the congestion avoidance of the original would have.
    pub window_model: super::cwnd::Model,
}

/// What is called a jump of a clock, ms.
const JUMP: i64 = 250;

/// Finds where one clock jumps against another.
#[derive(Default)]
struct Clock {
    reference: Option<i64>,
    recent: VecDeque<i64>,
    /// When the reference was last moved.
    moved: Time,
}

impl Clock {
    /// Takes how far the capture's clock is ahead, in ms; gives by how much it jumped. `near` the sender no queue is between.
    fn jump(&mut self, at: Time, ahead: i64, near: bool) -> Option<i64> {
        const SEEN: usize = 5;
        let reference = *self.reference.get_or_insert(ahead);
        self.recent.push_back(ahead);
        if self.recent.len() > SEEN {
            self.recent.pop_front();
        }
        let (low, high) = (*self.recent.iter().min()?, *self.recent.iter().max()?);
        if self.recent.len() == SEEN
            && high - low < JUMP / 2
            && (low - reference).abs().min((high - reference).abs()) > JUMP
        {
            self.reference = Some(low);
            return Some(low - reference);
        }
        if (ahead - reference).abs() <= JUMP {
            // Queues fill. Clocks only drift: one that was set back also stands still, while a program flushes without an update.
            let step = (ahead - reference) / 8;
            let most = (at - self.moved) / MS / 50;
            match near {
                false => self.reference = Some(reference + step),
                true if most > 0 => {
                    self.reference = Some(reference + step.clamp(-most, most));
                    self.moved = at;
                }
                true => {}
            }
        }
        None
    }
}

/// Keeps every n-th point, and every 2n-th when there are too many.
fn plot(points: &mut Vec<(Time, u32)>, step: &mut u32, count: &mut u32, point: (Time, u32)) {
    *step = (*step).max(1);
    *count += 1;
    if *count < *step {
        return;
    }
    *count = 0;
    points.push(point);
    if points.len() >= MOST_POINTS {
        let mut keep = false;
        points.retain(|_| {
            keep = !keep;
            keep
        });
        *step *= 2;
    }
}

/// More was in the datagram than is known, and what other programs put around packets.
fn is_cut(size: u32, pieces: &[Piece]) -> bool {
    const AROUND: u32 = 100;
    let lengths = pieces.iter().map(|one| HEADER as u32 + one.header.len);
    lengths.fold(AROUND, u32::saturating_add) < size
}

impl Sender {
    pub fn new(lag: Time, lag_known: bool) -> Sender {
        Sender {
            lag,
            lag_known,
            ..Sender::default()
        }
    }

    /// One whose clock stands still between updates while it sends.
    pub fn of_stale_clock(lag: Time, lag_known: bool) -> Sender {
        Sender {
            stale_clock: true,
            ..Sender::new(lag, lag_known)
        }
    }

    /// Where its peer spares acknowledgements as kcp-go does, its own program is kcp-go, too.
    pub fn take_manner(&mut self, of_peer: Manner, by_go: bool) {
        self.peer_manner = of_peer;
        self.by_go = by_go || self.peer_tells_last();
    }

    /// How long after something passed its reaction is seen here.
    pub fn lag(&self) -> Time {
        self.lag
    }

    /// The number with 64 bits that this one of 32 means, near those that are in use.
    fn number(&self, sn: u32) -> Option<u64> {
        let near = self.next as i64 + i64::from(sn.wrapping_sub(self.next as u32).cast_signed());
        u64::try_from(near).ok()
    }

    /// The smoothed round trip in µs, or a guess before the first sample.
    fn srtt(&self) -> Time {
        match self.estimate.srtt {
            0 => 200 * MS,
            srtt => Time::from(srtt) * MS,
        }
    }

    /// A packet by the sender passes.
    pub fn sends(&mut self, at: Time, size: u32, fragmented: bool, pieces: &[Piece]) {
        let sent = self.sent(at, pieces);
        self.listen(sent);
        self.pass_time(sent);
        self.packets += 1;
        self.cut += u64::from(is_cut(size, pieces));
        self.bytes += u64::from(size);
        self.fragmented += u64::from(fragmented);
        if let Some(last) = self.last_packet
            && at - last >= MS
        {
            *self
                .packet_gaps
                .entry(((at - last + MS / 2) / MS).min(10_000) as u32)
                .or_default() += 1;
        }
        self.last_packet = Some(at);
        if self.prints.len() >= REMEMBERED {
            self.prints.pop_front();
        }
        self.prints
            .push_back((self.packets, super::both::print(size, pieces)));
        for piece in pieces {
            match piece.header.command {
                COMMAND_PUSH => self.push(at, sent, size, piece),
                COMMAND_ASK => {
                    self.asks += 1;
                    self.last_ask = Some(at);
                    self.end_ask(at);
                    if self.closed_since.is_some() {
                        self.open_ask = Some(at);
                    }
                    let known = 100 * MS + self.lag;
                    // It has been told that the window is open, and does not know: that packet was lost behind the capture.
                    if self.closed_since.is_none()
                        && let Some(last) = self.closed.last_mut()
                        && self.asks_after != Some(last.to)
                        && at - last.to > known
                    {
                        last.shut_until = last.to;
                        last.to = at;
                        last.news_lost = true;
                        self.asks_after = Some(at);
                    }
                }
                _ => {}
            }
        }
    }

    /// The share of segments that were lost before they came here.
    pub fn lost_unseen(&self) -> f64 {
        // Numbers that never came in any transmission are in the first count only.
        (self.unseen as f64 / self.fresh.max(1) as f64).min(1.0)
    }

    /// Segments that seem to be missing may be behind the cut.
    pub fn is_cut(&self) -> bool {
        self.cut * 100 > self.packets
    }

    /// Whether the capture was made at the sender's machine.
    pub fn is_near(&self) -> bool {
        self.lag_known && self.lag == 0
    }

    /// It can be told that skips do nothing: the capture is at its end, or between the ends, where round trips are known and few resends
    /// were lost unseen.
    pub fn shows_skips(&self) -> bool {
        /// What a peer beside the capture needs for an acknowledgement, ms.
        const FLUSH: u32 = 12;
        let between = percentile(&self.near, 50).is_some_and(|near| near > FLUSH);
        let known = self.lag_known && self.lag > 0 && self.resends * 5 < self.fresh;
        self.is_near() || (between && known)
    }

    fn sent(&mut self, at: Time, pieces: &[Piece]) -> Time {
        let stamped = pieces
            .iter()
            .find(|piece| piece.header.command == COMMAND_PUSH);
        let sent = match stamped {
            Some(piece) => self.transit.sent(at, piece.header.ts),
            // The queue is as long as it was.
            None => at - self.transit.late,
        };
        self.stamped = sent;
        match self.is_near() || self.stale_clock {
            true => at,
            false => sent,
        }
    }

    fn push(&mut self, at: Time, sent: Time, size: u32, piece: &Piece) {
        let header = piece.header;
        self.first.get_or_insert(at);
        self.last = Some(at);
        self.pushes += 1;
        self.largest_datagram = self.largest_datagram.max(size);
        self.largest_segment = self.largest_segment.max(header.len);
        self.most_fragments = self.most_fragments.max(u32::from(header.frg) + 1);
        if !self.started {
            self.started = true;
            if header.sn > 0 {
                self.window_model.begins_later();
            }
            self.begin((1 << 32) | u64::from(header.sn), (sent, header.ts));
        }
        let Some(sn) = self.number(header.sn) else {
            return;
        };
        self.dispersion[0].add(Time::from(header.ts) * MS, at, header.len);
        let mut sending = Sending {
            at,
            sent,
            prior: self.prior_flush(header.ts, sent),
            ts: header.ts,
            packet: self.packets,
            size,
            latest: header.ts,
            hidden: false,
            estimate: self.estimate,
            estimate_by_updates: self.estimate_by_updates,
            stamped: self.stamped,
            estimate_of_go: self.estimate_of_go,
            beside_fresh: false,
            acked: None,
            una: 0,
            lacked: false,
            beside_acked: None,
            order: 0,
            skips: Default::default(),
            in_flight: sn.saturating_sub(self.una) as u32,
        };
        if self.goes_on(header.sn) {
            return;
        }
        let ahead = at / MS - i64::from(header.ts);
        if sn + MOST_SEGMENTS as u64 * 2 < self.next || sn > self.next + MOST_SEGMENTS as u64 * 2 {
            self.restart(at, sn, (sent, header.ts));
        }
        if self.may_precede(sn, header.ts) {
            self.floor = self.floor.min(sn);
            // The first packet that passed had overtaken it.
            let overtaken = !after(header.ts, self.begins_at.1);
            // Of a session that ran before the capture, nobody knows why this was sent again.
            let ran_before = u64::from(self.begins as u32) > LARGEST_GAP;
            if overtaken || ran_before {
                self.fresh += 1;
                self.payload += u64::from(header.len);
                self.reordered += u64::from(overtaken);
                sending.order = self.note_passed(header.ts);
                self.insert(sn, (header.len, size, piece.mark), sending);
                return;
            }
            let unseen = Sending {
                hidden: true,
                latest: self.begins_at.1,
                at: self.begins_at.0,
                sent: self.begins_at.0,
                ts: self.begins_at.1,
                ..sending.clone()
            };
            self.insert(sn, (0, size, 0), unseen);
        }
        if sn < self.floor {
            // Nothing is kept of it any more.
            let lasted = self.first.is_some_and(|first| at - first > HOLD);
            let arrived = self.told_una.unwrap_or(self.una);
            let past = sn + 20 < arrived && lasted;
            let again = past.then(|| self.comes_again(at, sn, header.ts)).flatten();
            let alone = again.is_some_and(|again| again.fresh == self.fresh);
            if let Some(again) = again
                && !alone
            {
                self.conflicts += 5;
                self.first_conflict.get_or_insert(again.since);
            }
            if past && (alone || self.begins_again(piece)) {
                self.restart(at, sn, (sent, header.ts));
            } else {
                self.late_resends += u64::from(sn >= self.begins);
                return;
            }
        }
        if sn >= self.next {
            if let Some(jump) = self.clock.jump(at, ahead, self.is_near())
                && self.clock_jumps.len() < 100
            {
                self.clock_jumps.push((at, jump));
                self.transit = Transit::default();
            }
            if self.least_ahead.len() == self.clock_jumps.len() {
                self.least_ahead.push(ahead);
            }
            // The first ones after a jump, before it shows, belong to what follows.
            if let Some(least) = self.least_ahead.last_mut()
                && self
                    .clock
                    .reference
                    .is_none_or(|usual| ahead > usual - JUMP)
            {
                *least = ahead.min(*least);
            }
            // What is missing before it was lost on the way here, or comes later.
            let missing = self.next.max(sn.saturating_sub(LARGEST_GAP))..sn;
            let count = missing.end - missing.start;
            let before = self.newest_fresh.unwrap_or((at, sent, header.ts));
            for (index, missing) in missing.enumerate() {
                // Sent at some time between its neighbours.
                let share = |from: i64, to: i64| {
                    from + (to - from) * (index as i64 + 1) / (count as i64 + 1)
                };
                let later = i64::from(header.ts.wrapping_sub(before.2).cast_signed().max(0));
                let hidden = Sending {
                    hidden: true,
                    latest: header.ts,
                    at: share(before.0, at),
                    sent: share(before.1, sent),
                    ts: before.2.wrapping_add(share(0, later) as u32),
                    ..sending.clone()
                };
                self.insert(missing, (0, size, 0), hidden);
            }
            self.newest_fresh = Some((at, sent, header.ts));
            self.next = sn + 1;
            self.fresh += 1;
            self.fresh_packets.1 += u64::from(self.fresh_packets.0 != self.packets);
            self.fresh_packets.0 = self.packets;
            self.payload += u64::from(header.len);
            let first_ahead = *self.first_ahead.get_or_insert(ahead);
            let delay = (ahead - first_ahead).clamp(-60_000, 60_000);
            *self.delay.entry(delay).or_default() += 1;
            if self.last_ts != Some(header.ts) {
                if let Some(before) = self.delay_steps.2 {
                    self.delay_steps.0 += 1;
                    self.delay_steps.1 += before.abs_diff(delay);
                }
                self.delay_steps.2 = Some(delay);
            }
            if self.begun.len() == header.sn as usize && header.sn < FIRST {
                self.begun.push((piece.mark, header.len));
            }
            let flight = (sn + 1).saturating_sub(self.una) as u32;
            self.note_ts(at, header.ts);
            self.note_fresh(header.ts, header.len);
            self.count_flush(sent, &header, flight);
            self.window_model.sent(sending.in_flight + 1, header.ts);
            sending.order = self.note_passed(header.ts);
            self.insert(sn, (header.len, size, piece.mark), sending);
            plot(
                &mut self.flight_curve,
                &mut self.curve_step[1],
                &mut self.curve_count[1],
                (at, flight),
            );
            return;
        }
        self.note_ts(at, header.ts);
        sending.order = self.note_passed(header.ts);
        let Some(segment) = self.segments.get_mut(&sn) else {
            self.late_resends += 1;
            return;
        };
        if segment.sendings.len() >= MOST_SENDINGS {
            self.resends += 1;
            self.resent_untold += 1;
            return;
        }
        segment.size = segment.size.max(size);
        if segment.mark == 0 {
            segment.mark = piece.mark;
            segment.len = header.len;
            if segment.sendings.iter().all(|one| one.hidden) {
                self.fresh += 1;
                self.payload += u64::from(header.len);
            }
        } else if piece.mark != 0 && (segment.mark, segment.len) != (piece.mark, header.len) {
            self.conflicts += 1;
            self.first_conflict.get_or_insert(at);
            return;
        }
        let same = segment.sendings.iter().rposition(|one| one.ts == header.ts);
        if let Some(place) = same {
            let same = &mut segment.sendings[place];
            if same.hidden {
                // It was only late.
                same.hidden = false;
                (same.at, same.sent, same.size) = (at, sent, size);
                self.reordered += 1;
                return;
            }
            let before = same.packet;
            let print = |packet: u64| {
                let found = self.prints.iter().rev().find(|one| one.0 == packet);
                found.map(|one| one.1)
            };
            let unlike = match (print(before), print(self.packets)) {
                (Some(one), Some(other)) => one != other,
                _ => false,
            };
            // The clock moves at ikcp_update only, so that each ikcp_flush between may send it again with that stamp: once it has been
            // skipped, and if only by what the sender hears by now; or more than once, unless it is the network that makes copies.
            let copied = self.copies * 200 > self.fresh;
            let mut sendings = segment.sendings.iter();
            let skipped = sendings.any(|one| one.ts == header.ts && one.skips.count(BY_ANY) > 0);
            let words = self.words.iter().take(2_000);
            let mut words = words.take_while(|(due, ..)| *due <= at);
            let flushed = skipped
                || (place > 0 && (unlike || !copied))
                || words.any(
                    |(.., word)| matches!(word, Word::Ack { sn, .. } if after(*sn, header.sn)),
                );
            if !flushed {
                self.copies += 1;
                if unlike {
                    self.doubles += 1;
                    self.first_conflict.get_or_insert(at);
                }
                return;
            }
        }
        // A segment that was only overtaken has no later stamp than the one that followed it.
        let last = segment.sendings.last_mut();
        if let Some(last) = last
            && last.hidden
            && !after(header.ts, last.latest)
        {
            last.hidden = false;
            (last.at, last.sent, last.ts, last.size) = (at, sent, header.ts, size);
            self.reordered += 1;
            return;
        }
        if segment.sendings.iter().any(|one| after(one.ts, header.ts)) {
            // An earlier transmission that was overtaken by a later one.
            self.reordered += 1;
            return;
        }
        self.resends += 1;
        let last = segment.sendings.last();
        // By any of the rules by which senders count. A timeout leaves the count as it was.
        let skips: u32 = segment
            .sendings
            .iter()
            .map(|one| one.skips.count(BY_ANY))
            .sum();
        let skipped = skips > 1 || last.is_some_and(Sending::is_skipped);
        let copy = last.is_some_and(|last| last.is_copied_at(header.ts));
        segment.sendings.push(sending);
        if self.again_now.last().is_some_and(|one| one.1 != header.ts) {
            self.again_now.clear();
        }
        // A flush sends each segment once. A capture made to harm has no bound.
        if self.again_now.len() < MOST_SEGMENTS {
            self.again_now.push((sn, header.ts));
        }
        let flight = self.next.saturating_sub(self.una) as u32;
        if !copy {
            self.window_model.resent(skipped, flight, header.ts);
        }
    }

    /// Whether this is a number below the first one that was seen, of which nothing is kept, and which the peer may lack: the first one
    /// had overtaken it, or it was first sent before the capture began, or lost.
    fn may_precede(&self, sn: u64, ts: u32) -> bool {
        let lacked = match self.told_una {
            Some(una) => una <= sn,
            None => !after(ts, self.begins_at.1),
        };
        sn < self.begins
            && lacked
            && self.begins - sn <= LARGEST_GAP
            && !self.segments.contains_key(&sn)
    }

    /// A flush sends again what it must before it sends anything for the first time, in the same packet if there is room.
    fn note_fresh(&mut self, ts: u32, len: u32) {
        for (sn, stamp) in std::mem::take(&mut self.again_now) {
            if let Some(segment) = self.segments.get_mut(&sn)
                && let Some(last) = segment.sendings.last_mut()
            {
                let full = last.size + len + HEADER as u32 > self.largest_datagram;
                last.beside_fresh = stamp == ts && (last.packet == self.packets || full);
            }
        }
    }

    fn insert(&mut self, sn: u64, (len, size, mark): (u32, u32, u32), sending: Sending) {
        if self.segments.len() >= MOST_SEGMENTS {
            self.forget_one();
        }
        self.open.insert(sn);
        self.segments.insert(
            sn,
            Segment {
                sn,
                len,
                size,
                mark,
                sendings: vec![sending],
                done: None,
                told: None,
                told_una: None,
                late: 0,
                others_unheard: false,
            },
        );
    }

    /// Whether a number whose segment had arrived long ago is the first of a sender that began again. Far from it, it may also be the same
    /// segment, of which the sender has not heard: that has the same bytes.
    fn begins_again(&self, piece: &Piece) -> bool {
        let sn = piece.header.sn;
        let before = self.begun.get(sn as usize).copied();
        let same = before == Some((piece.mark, piece.header.len)) && piece.mark != 0;
        (self.is_near() || !same && sn < FIRST) && (sn == 0 || before.is_some())
    }

    /// Numbers that the peer has had for long come one after the other, as from a sender that began again, or from another one. Gives them
    /// once, when they are that many.
    fn comes_again(&mut self, at: Time, sn: u64, ts: u32) -> Option<Again> {
        const LASTS: i32 = 300;
        /// No clock that is set right, nor any queue, differs by so many ms.
        const OTHER: u32 = 60_000;
        /// Lost on the way here, or sent twice.
        const NEAR: u64 = 16;
        let (near, most, fresh) = (self.is_near(), self.largest_window, self.fresh);
        let usual = self.clock.reference.unwrap_or(0);
        let off = (at / MS - i64::from(ts) - usual) as i32;
        let other_clock = off.unsigned_abs() > OTHER;
        let begun = Again {
            next: sn,
            count: 0,
            since: at,
            ts,
            fresh,
            from_zero: sn as u32 == 0,
        };
        let again = self.again.get_or_insert(begun);
        if sn > again.next + NEAR || sn + NEAR < again.next {
            *again = begun;
        }
        if sn < again.next {
            return None;
        }
        again.next = sn + 1;
        again.count += 1;
        // Far from a sender, it may not have heard of what its window holds, unless another clock tells of another process.
        let alone = again.from_zero && again.fresh == fresh;
        let least = match near || alone || other_clock {
            true => FIRST,
            false => most.max(FIRST),
        };
        let lasted = ts.wrapping_sub(again.ts).cast_signed();
        let clear = again.count > least && lasted > LASTS;
        clear.then(|| self.again.take()).flatten()
    }

    /// The numbers begin anew: what is known of the old ones ends here.
    fn restart(&mut self, at: Time, sn: u64, sent: (Time, u32)) {
        if self.restarts.len() < 100 {
            self.restarts.push(at);
        }
        self.forget_all();
        self.never_came = None;
        self.left_at = Some((at, self.next as u32, 0));
        self.begun.clear();
        self.again = None;
        self.told_una = None;
        // A new process may count from its own start.
        self.clock = Clock::default();
        self.transit = Transit::default();
        self.first_ahead = None;
        self.delay_steps.2 = None;
        self.fresh_ts = None;
        self.begin(sn, sent);
        self.words.clear();
    }

    /// Nothing is known of what was sent before this.
    fn begin(&mut self, sn: u64, sent: (Time, u32)) {
        (self.next, self.una, self.floor, self.begins) = (sn, sn, sn, sn);
        self.begins_at = sent;
    }

    /// Whether this is one of the numbers that ended with a restart: they go on beside the new ones where another sender has begun, while
    /// who began again never uses the old ones again.
    fn goes_on(&mut self, sn: u32) -> bool {
        /// What may have overtaken a restart, or was sent again just before.
        const NEAR: u32 = 1_024;
        const CLEAR: u64 = 5;
        let Some((since, left, more)) = &mut self.left_at else {
            return false;
        };
        let new = (self.next as u32).abs_diff(sn);
        let old = left.abs_diff(sn);
        if old > NEAR || new < old || new < 64 {
            return false;
        }
        if sn >= *left {
            *left = sn + 1;
            *more += 1;
            match *more {
                ..CLEAR => {}
                CLEAR => {
                    self.first_conflict.get_or_insert(*since);
                    self.conflicts += CLEAR;
                }
                _ => self.conflicts += 1,
            }
        }
        true
    }

    fn note_passed(&mut self, ts: u32) -> u64 {
        if self.passed.len() >= MOST_PASSED {
            self.passed.pop_front();
            self.passed_before += 1;
        }
        self.passed.push_back(Passed {
            ts,
            packet: self.packets,
            acked: None,
        });
        self.passed_before + self.passed.len() as u64 - 1
    }

    /// The own acknowledgement of a transmission passes.
    fn note_passed_acked(&mut self, order: u64) {
        let Some(place) = order.checked_sub(self.passed_before) else {
            return;
        };
        let place = place as usize;
        let Some(one) = self.passed.get_mut(place) else {
            return;
        };
        one.acked = Some(self.heard);
        let (ts, packet) = (one.ts, one.packet);
        if let Some(before) = place.checked_sub(1).map(|before| &self.passed[before])
            && before.packet != packet
            && ts.abs_diff(before.ts) < TOGETHER / 2
            && let Some(other) = before.acked
        {
            self.acked_beside.0 += 1;
            self.acked_beside.1 += u64::from(other == self.heard);
        }
    }

    /// Whether any of what was sent just before and after a transmission was acknowledged by its number.
    fn beside_acked(&self, sending: &Sending) -> Option<bool> {
        // Some peers send a packet of acknowledgements for each that they receive.
        let (all, together) = self.acked_beside;
        if together * 4 < all * 3 {
            return None;
        }
        let place = sending.order.checked_sub(self.passed_before)? as usize;
        let together = |one: &&Passed| one.ts.abs_diff(sending.ts) < TOGETHER / 2;
        let other = |one: &&Passed| one.packet != sending.packet;
        let before = self.passed.range(..place).rev();
        let after = self.passed.range(place.min(self.passed.len())..);
        let nearest = [
            before.take_while(together).find(other),
            after.take_while(together).find(other),
        ];
        let beside = nearest.into_iter().flatten().map(|one| one.acked.is_some());
        beside.reduce(|one, other| one || other)
    }

    /// When the flush before the one of this stamp sent something.
    fn prior_flush(&mut self, ts: u32, sent: Time) -> Time {
        if self.flush.0 != ts {
            self.flush = (ts, self.flush.2, sent);
        }
        self.flush.1
    }

    fn note_ts(&mut self, at: Time, ts: u32) {
        let now = at / MS;
        let since_1970 = now + i64::from(ts.wrapping_sub(now as u32).cast_signed());
        for (split, millis) in self.split_seconds.iter_mut().zip([ts.into(), since_1970]) {
            *split |= millis % 1_000 != 0;
        }
        if let Some(last) = self.last_ts
            && after(ts, last)
        {
            let gap = ts.wrapping_sub(last).min(10_000);
            *self.ts_gaps.entry(gap).or_default() += 1;
            // The flush before this one was, as far as that is known, none that followed word of something.
            let blur = if self.is_near() { 2 * MS } else { 2 * BLURRED };
            if self
                .room_since
                .is_none_or(|since| since + blur < self.flush.1)
            {
                *self.gaps_unheard.entry(gap).or_default() += 1;
            }
        }
        if self.last_ts.is_none_or(|last| ts != last) {
            self.coarse_stamps.1 += 1;
            if self.coarse_stamps.1.is_power_of_two() {
                self.tick = match grid(&self.ts_gaps) {
                    Flushes::Free | Flushes::Unknown => None,
                    every => Some(every.period()),
                };
            }
            self.coarse_stamps.0 += u64::from(ts.is_multiple_of(16));
            self.last_ts = Some(ts);
        }
    }

    fn count_flush(&mut self, sent: Time, header: &Header, flight: u32) {
        let Header { ts, len, .. } = *header;
        // The last part of a message, or what did not fill a segment.
        let ends = header.frg == 0 && (self.most_fragments > 1 || len < self.largest_segment);
        self.ends += u64::from(ends);
        match &mut self.last_flushed {
            Some(flush) if flush.ts == ts => {
                (flush.flight, flush.whole) = (flight, ends && flush.ends == 0);
                flush.segments += 1;
                flush.ends += u64::from(ends);
            }
            _ => {
                self.end_flush();
                let asked = std::mem::take(&mut self.peer_pushed) && flight == 1;
                self.asked += u64::from(asked);
                let gap = ts.wrapping_sub(self.fresh_ts.replace(ts).unwrap_or(ts));
                self.last_flushed = Some(Flush {
                    ts,
                    gap,
                    segments: 1,
                    flight,
                    waited: self
                        .room_since
                        .map(|since| ((sent - since) / MS).clamp(0, 255) as u32),
                    ends: u64::from(ends),
                    whole: ends,
                });
            }
        }
        if len < self.largest_segment.max(500) {
            self.small += 1;
            if self.last_small_ts != Some(ts) {
                self.small_flushes += 1;
                self.last_small_ts = Some(ts);
            }
        }
    }

    fn end_flush(&mut self) {
        let Some(flush) = self.last_flushed.take() else {
            return;
        };
        *self.flush_sizes.entry(flush.segments as u32).or_default() += 1;
        if (LONG..LONGEST_STALL).contains(&flush.gap) && self.long_gaps.len() < MOST_POINTS {
            self.long_gaps.push((flush.gap, flush.segments));
        }
        let (flushes, ended) = self.flushed.entry(flush.flight).or_default();
        *flushes += 1;
        *ended += u64::from(flush.whole);
        if let Some(waited) = flush.waited {
            let key = (flush.flight, waited);
            if self.refills.len() < MOST_REFILLS || self.refills.contains_key(&key) {
                *self.refills.entry(key).or_default() += flush.segments;
            }
        }
    }

    /// A packet by the peer passes.
    pub fn hears(&mut self, at: Time, pieces: &[Piece]) {
        let due = at + self.lag;
        self.end_ask(at);
        if let Some(heard) = self.last_heard.replace(at)
            && at - heard > 500 * MS + 2 * self.srtt()
        {
            if self.quiet.len() < MOST_POINTS {
                self.quiet.push((heard, at));
            }
            self.silence = Some(Silence {
                from: heard,
                to: at,
                trip: self.srtt(),
                kept: 0,
            });
        }
        let mut stamps: Vec<u32> = pieces
            .iter()
            .filter(|piece| piece.header.command == COMMAND_ACK)
            .map(|piece| piece.header.ts)
            .collect();
        // A flush writes acknowledgements first: others follow a packet that is full of them, or one that has none had overtaken them.
        let partly = stamps.is_empty() || stamps.len() >= FULL;
        stamps.dedup();
        self.ack_packets += u64::from(!stamps.is_empty());
        self.acked_flushes += stamps.len() as u64;
        for piece in pieces {
            let header = piece.header;
            self.peer_pushed |= header.command == COMMAND_PUSH;
            self.una_goes_back(at, header.una);
            self.words.push_back((due, at, Word::Window(header.wnd)));
            self.words
                .push_back((due, at, Word::Una(header.una, partly)));
            match header.command {
                COMMAND_ACK => self.words.push_back((
                    due,
                    at,
                    Word::Ack {
                        sn: header.sn,
                        ts: header.ts,
                        una: header.una,
                    },
                )),
                COMMAND_TELL => self.words.push_back((due, at, Word::Tell)),
                _ => {}
            }
        }
        self.words.push_back((due, at, Word::End));
        // What comes from far away may have been sent before that took effect.
        self.listen(if self.is_near() {
            at
        } else {
            at - LONGEST_QUEUE
        });
    }

    fn una_goes_back(&mut self, at: Time, una: u32) {
        if !self.started {
            return;
        }
        let Some(una) = self.number(una) else { return };
        let most = *self.told_una.get_or_insert(una);
        if una + 20 < most || (una < most && una as u32 == 0) {
            if self.una_back == 0 {
                self.una_back_since = at;
            }
            self.una_back += 1;
            if self.una_back >= 5
                && at - self.una_back_since > 2 * self.srtt()
                && self.peer_restarts.len() < 100
            {
                self.peer_restarts.push(self.una_back_since);
                self.una_back = 0;
                self.una_back_since = at;
            }
        } else {
            self.una_back = 0;
            self.told_una = Some(most.max(una));
        }
    }

    /// What the peer has said takes effect, as far as it has reached the sender.
    fn listen(&mut self, now: Time) {
        while self.words.front().is_some_and(|(due, ..)| *due <= now) {
            let Some((due, passed, word)) = self.words.pop_front() else {
                return;
            };
            match word {
                Word::Window(window) => self.set_window(due, u32::from(window)),
                Word::Una(una, partly) => self.take_una(due, passed, una, partly),
                Word::Ack { sn, ts, una } => self.take_ack(due, passed, sn, ts, una),
                Word::Tell => self.told_in_packet = true,
                Word::End => self.end_packet(due, passed),
            }
        }
    }

    /// How long the answer to a probe may take.
    fn answers(&self) -> Time {
        200 * MS + if self.lag == 0 { 2 * self.srtt() } else { 0 }
    }

    /// A probe was waited for until now.
    fn end_ask(&mut self, at: Time) {
        if let Some(ask) = self.open_ask.take()
            && at - ask > self.answers()
        {
            self.unanswered += at - ask;
        }
    }

    fn set_window(&mut self, at: Time, window: u32) {
        self.pass_time(at);
        self.largest_window = self.largest_window.max(window);
        match window * 4 < self.largest_window * 3 {
            true if self.shrunk.is_none() => self.shrunk = Some((at, 0)),
            true => {}
            false => self.end_shrunk(at),
        }
        match (&mut self.closed_since, window) {
            (None, 0) => self.closed_since = Some((at, at)),
            (Some((_, said)), 0) => *said = at,
            (Some((from, said)), 1..) => {
                if self.closed.len() < MOST_POINTS {
                    self.closed.push(Closed {
                        from: *from,
                        to: at,
                        shut_until: *said,
                        news_lost: true,
                        unanswered: self.unanswered,
                    });
                }
                self.closed_since = None;
                self.unanswered = 0;
            }
            _ => {}
        }
        self.window = Some(window);
    }

    /// The peer's window is as large as ever. One that was so before a message of its program could have told is that of a peer which
    /// reads: it acknowledged what had come at once before its program got it.
    fn end_shrunk(&mut self, at: Time) {
        /// What a program needs to get to it, at most.
        const READS: Time = 200 * MS;
        if let Some((since, full)) = self.shrunk.take() {
            match at - since > READS + self.srtt() {
                true => {
                    self.at_shrunk_window += full;
                    self.shrunk_for += at - since;
                }
                false => self.at_peer_window += full,
            }
        }
    }

    fn take_una(&mut self, at: Time, passed: Time, una: u32, partly: bool) {
        if !self.started {
            return;
        }
        let Some(una) = self.number(una) else { return };
        if una < self.una && self.una == self.begins && self.begins - una <= LARGEST_GAP {
            // The first number that passed was not the first one in flight.
            self.una = una;
        }
        if una <= self.una || una > self.next {
            return;
        }
        self.pass_time(at);
        let mut told = Vec::new();
        while let Some(&sn) = self.open.first() {
            if sn >= una {
                break;
            }
            self.arrived(sn, (at, passed), partly.then_some(una as u32));
            told.push(sn);
        }
        self.note_unheard(&told);
        self.window_model.acked(self.window.unwrap_or(u32::MAX));
        self.una = una;
        self.room_since = Some(at);
        self.forget_old(at);
    }

    fn arrived(&mut self, sn: u64, (at, passed): (Time, Time), una: Option<u32>) {
        self.open.remove(&sn);
        let Some(segment) = self.segments.get_mut(&sn) else {
            return;
        };
        segment.done.get_or_insert(at);
        if segment.told.is_some() {
            return;
        }
        segment.told = Some(passed);
        segment.told_una = una;
        if let [first, ..] = &segment.sendings[..]
            && !first.hidden
        {
            /// Beyond this a clock has jumped.
            const FAR: f64 = 10_000.0;
            let took = (passed / MS - i64::from(first.ts)) as f64;
            let usual = self.usual.filter(|usual| (took - usual).abs() < FAR);
            let usual = usual.unwrap_or(took);
            segment.late = (took - usual) as i64;
            *self.lateness.entry(segment.late).or_default() += 1;
            self.usual = Some(usual + (took - usual) / 8.0);
        }
    }

    fn take_ack(&mut self, at: Time, passed: Time, sn: u32, ts: u32, una: u32) {
        if !self.started {
            return;
        }
        let Some(number) = self.number(sn) else {
            return;
        };
        if number >= self.next {
            return;
        }
        // What it acknowledges passed here, was sent before the capture began, or the capture lacks it.
        if let Some(segment) = self.segments.get_mut(&number)
            && segment.sendings.len() < MOST_SENDINGS
            && segment
                .sendings
                .iter()
                .all(|one| one.hidden || one.ts != ts)
        {
            self.uncaptured += u64::from(!after(self.begins_at.1, ts));
            if let Some(one) = segment.sendings.iter_mut().find(|one| one.hidden) {
                one.ts = ts;
            }
        }
        if let Some(segment) = self.segments.get_mut(&number)
            && let Some(place) = segment
                .sendings
                .iter()
                .position(|one| one.ts == ts && one.acked.is_none())
        {
            let sending = &mut segment.sendings[place];
            self.largest_acked = self.largest_acked.max(sending.size);
            sending.acked = Some(passed);
            sending.una = una;
            let (sent, seen, stamped) = (sending.sent, sending.at, sending.stamped);
            self.dispersion[1].add(seen, passed, segment.len);
            let (order, hidden, in_flight) = (sending.order, sending.hidden, sending.in_flight);
            if !hidden {
                self.note_passed_acked(order);
            }
            self.last_arrived = self.last_arrived.max(Some(seen));
            self.last_acked = Some(at);
            let rtt = at - sent;
            if !hidden && rtt >= 0 {
                let millis = (rtt / MS).min(60_000) as u32;
                *self.rtt.entry(millis).or_default() += 1;
                *self
                    .near
                    .entry(((passed - seen) / MS).clamp(0, 60_000) as u32)
                    .or_default() += 1;
                self.estimate = self.estimate.sample(millis as i32);
                let by_updates = self.tick.map_or(millis, |tick| {
                    ((at - stamped) / tick * tick / MS).clamp(0, 60_000) as u32
                });
                self.estimate_by_updates = self.estimate_by_updates.sample(by_updates as i32);
                self.packet_trip = Some(millis as i32);
                // What waited for a peer that was silent waited in no queue.
                let kept = self.silence.is_some_and(|silence| seen < silence.to);
                match self.steps.2 {
                    Some((_, stamp)) if stamp == ts || kept => {}
                    last => {
                        if let Some((before, _)) = last {
                            self.steps.0 += 1;
                            self.steps.1 += u64::from(before.abs_diff(millis));
                        }
                        self.steps.2 = Some((millis, ts));
                    }
                }
                if !kept {
                    let second = sent / (1_000 * MS);
                    if self.trips.len() < MOST_TRIPS || self.trips.contains_key(&second) {
                        let least = self.trips.entry(second).or_insert(millis);
                        *least = millis.min(*least);
                    }
                    let octave = (32 - in_flight.leading_zeros()).min(17) as usize;
                    self.by_flight[octave].0 += 1;
                    self.by_flight[octave].1 += u64::from(millis);
                }
                plot(
                    &mut self.rtt_curve,
                    &mut self.curve_step[0],
                    &mut self.curve_count[0],
                    (seen, millis),
                );
            }
            if place == 0 && !hidden {
                self.note_kept(seen, passed);
            }
        }
        self.arrived(number, (at, passed), None);
        self.acks.push((number, ts));
    }

    /// A first transmission of which word passes now. If the peer was silent until now, and that has been under way for long: it arrived,
    /// and its acknowledgement waited.
    fn note_kept(&mut self, sent: Time, passed: Time) {
        if let Some(silence) = &mut self.silence
            && passed - silence.to < 100 * MS
            && sent > silence.from
            && silence.to - sent > 200 * MS + 2 * silence.trip
        {
            silence.kept += 1;
            if silence.kept == 3 && self.stills.len() < MOST_POINTS {
                self.stills.push((silence.from, silence.to));
            }
        }
    }

    /// Of segments of which word came together.
    fn note_unheard(&mut self, told: &[u64]) {
        let trip = self.srtt();
        // The earliest among those after it that were sent once.
        let mut earliest = Time::MAX;
        for sn in told.iter().rev() {
            let Some(segment) = self.segments.get_mut(sn) else {
                continue;
            };
            match &segment.sendings[..] {
                [] => {}
                [only] => earliest = earliest.min(only.sent),
                [.., last] => segment.others_unheard = earliest.saturating_add(trip) < last.sent,
            }
        }
    }

    /// The peer waits for the segment after all that it has received in order.
    fn note_lacked(&mut self, passed: Time) {
        let takes = Time::from(self.estimate.srtt + self.estimate.rttval) * MS;
        if let Some(first) = self.open.first()
            && *first == self.una
            && let Some(segment) = self.segments.get_mut(first)
        {
            for sending in &mut segment.sendings {
                sending.lacked |= takes > 0 && sending.at + takes <= passed;
            }
        }
    }

    /// Counts skips once for each packet, as the sender does.
    fn end_packet(&mut self, at: Time, passed: Time) {
        self.heard += 1;
        self.note_lacked(passed);
        // A peer whose window opens tells so at once, in that packet or in the next one.
        if std::mem::take(&mut self.told_in_packet) {
            let asked = self
                .last_ask
                .is_some_and(|ask| passed - ask < self.answers());
            if let Some(closed) = self.closed.last_mut()
                && at - closed.to < 20 * MS
                && !asked
            {
                closed.news_lost = false;
            }
        }
        if let Some(trip) = self.packet_trip.take() {
            self.estimate_of_go = self.estimate_of_go.sample_of_go(trip);
        }
        let acks = std::mem::take(&mut self.acks);
        let Some(first) = acks.first() else {
            return;
        };
        let (mut any, mut stamped) = (*first, *first);
        for one in &acks {
            any = any.max(*one);
            if one.0 > stamped.0 && after(one.1, stamped.1) {
                stamped = *one;
            }
        }
        let far = self.lag > 0;
        for skipped in self.open.range(..any.0) {
            let Some(segment) = self.segments.get_mut(skipped) else {
                continue;
            };
            let times = |stamp: u32| {
                let skips = |(sn, ts): &(u64, u32)| sn > skipped && !after(stamp, *ts);
                let each = acks.iter().filter(|one| skips(one)).take(SKIPS).count();
                [u16::from(skips(&stamped)), each as u16]
            };
            let mut sendings = segment.sendings.iter_mut().rev();
            let Some(last) = sendings.next() else {
                continue;
            };
            last.skips.add(at, times(last.ts));
            if far
                && at - last.sent < BLURRED
                && let Some(before) = sendings.next()
            {
                before.skips.add_late(at, times(before.ts));
            }
        }
    }

    /// Adds the time since the last event to what it was spent with.
    fn pass_time(&mut self, at: Time) {
        let Some(before) = self.last_event else {
            self.last_event = Some(at);
            return;
        };
        if at <= before {
            return;
        }
        self.last_event = Some(at);
        if !self.started {
            return;
        }
        let flight = self.next.saturating_sub(self.una) as u32;
        if flight == 0 {
            self.empty_since.get_or_insert(before);
            return;
        }
        self.end_idle(before);
        // While the peer is silent, no window holds the sender up.
        let heard = self.last_heard.map_or(Time::MAX, |heard| {
            heard + self.lag + UNHEARD + 4 * self.srtt()
        });
        let spent = at.min(heard) - before;
        if spent <= 0 {
            return;
        }
        self.busy += spent;
        *self.in_flight.entry(flight).or_default() += spent;
        if let Some(window) = self.window
            && flight >= window
            && window > 0
        {
            match &mut self.shrunk {
                Some((_, full)) => *full += spent,
                None => self.at_peer_window += spent,
            }
        }
        self.window_model.spent(flight, self.window, spent);
    }

    /// Something is in flight again.
    fn end_idle(&mut self, now: Time) {
        if let Some(since) = self.empty_since.take()
            && now - since > IDLE
            && self.idle.len() < MOST_POINTS
        {
            self.idle.push((since, now));
        }
    }

    /// Counts what has become of segments that arrived a while ago.
    fn forget_old(&mut self, now: Time) {
        while let Some((&sn, segment)) = self.segments.first_key_value() {
            let old = segment.done.is_some_and(|done| now - done > HOLD);
            if !(old && sn < self.una) {
                break;
            }
            self.forget_one();
        }
    }

    fn forget_one(&mut self) {
        let Some((sn, mut segment)) = self.segments.pop_first() else {
            return;
        };
        if segment.sendings.len() > 1 {
            for index in 0..segment.sendings.len() {
                segment.sendings[index].beside_acked = self.beside_acked(&segment.sendings[index]);
            }
        }
        self.floor = sn + 1;
        self.open.remove(&sn);
        let first = &segment.sendings[0];
        let next = segment.sendings.get(1);
        for rule in 0..RULES {
            for count in 1..=SKIPS as u32 {
                let Some(skipped) = first.skips.at(rule, count) else {
                    break;
                };
                if self.skip_events.len() < MOST_SKIP_EVENTS {
                    self.skip_events.push(SkipEvent {
                        rule,
                        count,
                        resent: next.map(|next| next.sent - skipped),
                        done: segment.done.map(|done| done - skipped),
                    });
                }
            }
        }
        let by_number = segment.sendings.iter().any(|one| one.acked.is_some());
        if segment.done.is_some() {
            match by_number {
                true => self.acked_by_number += 1,
                false => self.acked_by_una += 1,
            }
        }
        let once = segment.done.is_some() && segment.sendings.len() == 1;
        if once && !by_number && self.unheard_once.len() < MOST_RESENT {
            self.unheard_once.push(first.sent);
        }
        if once {
            let (ts, in_order) = (first.ts, after(first.una, sn as u32));
            if let Some((before, stamp, acked)) = self.last_forgotten
                && before + 1 == sn
            {
                match (ts.wrapping_sub(stamp) < TOGETHER, by_number) {
                    (true, false) => self.unheard_together += 1,
                    (true, true) if in_order => {
                        self.spared.0 += 1;
                        self.spared.1 += u64::from(!acked);
                    }
                    (false, false) => {
                        self.unheard.0 += 1;
                        self.unheard.1 += u64::from(!acked);
                    }
                    _ => {}
                }
            }
            self.last_forgotten = Some((sn, ts, by_number));
        }
        let unheard = segment.is_unheard();
        for (index, one) in segment.sendings.iter().enumerate() {
            // It arrived, so the capture lacks it. When it was sent is a guess.
            if one.hidden && (once || one.acked.is_some()) {
                continue;
            }
            let fate = match one.acked {
                None if one.hidden => Fate::Hidden,
                None if unheard && segment.sendings.len() > 1 => Fate::Unheard,
                None if !once => Fate::Missing,
                _ => Fate::Heard,
            };
            self.unseen += u64::from(index == 0 && matches!(fate, Fate::Hidden));
            self.outages.sent(one.at, index == 0, fate);
        }
        let since = segment.sendings[0].at;
        let came = segment.done.is_some() || segment.sendings.iter().any(|one| !one.hidden);
        match &mut self.never_came {
            Some(never) => {
                let old = self.last_acked.is_some_and(|last| last > since + LATE);
                never.later += u64::from(by_number);
                never.alike += u64::from(!came && old);
            }
            None if !came => {
                self.never_came = Some(NeverCame {
                    since,
                    later: 0,
                    alike: 0,
                });
            }
            None => {}
        }
        let missing = segment.done.is_none() && segment.sendings.len() > 2;
        if missing && segment.sendings.iter().all(|one| one.acked.is_none()) {
            *self.lost_sizes.entry(segment.size).or_default() += 1;
        }
        if segment.sendings.len() > 1 || segment.sendings[0].hidden {
            if self.resent.len() < MOST_RESENT {
                self.resent.push(segment);
            } else {
                self.resent_untold += 1;
            }
        }
    }

    fn forget_all(&mut self) {
        while !self.segments.is_empty() {
            self.forget_one();
        }
    }

    /// Leaves out jumps that were a queue on the way: it empties again, while a clock does not come back.
    fn check_jumps(&mut self) {
        let least = |some: &[i64]| some.iter().copied().min().unwrap_or(0);
        let stays = |(place, (_, by)): (usize, &(Time, i64))| {
            let (before, after) = self.least_ahead.split_at(place + 1);
            (least(after) - least(before)) * by.signum() > JUMP
        };
        if !self.clock_jumps.iter().enumerate().all(stays) {
            self.clock_jumps.clear();
        }
    }

    /// The capture ends.
    pub fn finish(&mut self, now: Time) {
        if !self.is_near() {
            self.check_jumps();
        }
        self.listen(now + self.lag);
        self.pass_time(now);
        self.end_idle(now);
        self.end_ask(now);
        self.end_shrunk(now);
        self.end_flush();
        if let Some((from, _)) = self.closed_since.take() {
            self.closed.push(Closed {
                from,
                to: now,
                shut_until: now,
                news_lost: false,
                unanswered: self.unanswered,
            });
        }
        self.forget_all();
        self.outages.finish();
        if self.peer_manner == Manner::Unknown && self.peer_spares() {
            self.take_manner(Manner::TellsLast, true);
        }
        if self.by_go {
            let sendings = self.resent.iter_mut().flat_map(|one| &mut one.sendings);
            sendings.for_each(|one| one.estimate = one.estimate_of_go);
        }
    }

    /// Whether its clock may stand still between updates, so that both must be tried: those show, and kcp-go has none.
    pub fn clocks(&self) -> &'static [bool] {
        match self.tick {
            Some(_) if !self.by_go => &[false, true],
            _ => &[false],
        }
    }

    /// The interval of kcp-go, ms, which flushes also when it hears that more has arrived, so that the interval shows as long as it does not.
    pub fn interval_of_go(&self) -> Option<u32> {
        const ENOUGH: u64 = 12;
        let all = &self.gaps_unheard;
        let usual = percentile(all, 50).filter(|_| self.by_go)?;
        let blur = 2 + usual / 20;
        let same: u64 = all
            .range(usual - blur.min(usual)..=usual + blur)
            .map(|(_, count)| count)
            .sum();
        let total: u64 = all.values().sum();
        // A program's own pace is the same when more arrives.
        let pace = percentile(&self.ts_gaps, 50)?;
        (same >= ENOUGH && same * 10 >= total * 6 && usual * 2 > pace * 3).then_some(usual)
    }

    /// Segments in a packet that has new ones, rounded up, as those are that were seen.
    pub fn in_packet(&self) -> u64 {
        let packets = self.fresh_packets.1.max(1);
        (self.fresh + packets * 9 / 10) / packets
    }

    /// The peer's window was shut at some time in this span.
    pub fn is_shut_out(&self, from: Time, to: Time) -> bool {
        self.closed.iter().any(|one| one.from < to && from < one.to)
    }

    /// So it was, or one of the ends stood still, until it had been heard again.
    pub fn is_kept_waiting(&self, from: Time, to: Time) -> bool {
        self.still(from - 500 * MS, to) > 0
    }

    /// When its clock was behind, and had not caught up.
    fn behind(&self) -> impl Iterator<Item = (Time, Time)> {
        let back = self.clock_jumps.iter().filter(|(_, by)| *by > 0);
        back.map(|(at, by)| (at - by * MS, *at))
    }

    /// So it was for most of this.
    pub fn is_behind(&self, from: Time, to: Time) -> bool {
        let within = self.behind().map(|one| overlap(one, (from, to)));
        within.sum::<Time>() * 2 > to - from
    }

    /// How long of this one of the ends stood still, or the peer's window was shut.
    pub fn still(&self, from: Time, to: Time) -> Time {
        // A clock that is behind again holds its end up for as long.
        let closed = self.closed.iter().map(|one| (one.from, one.to));
        let all = self
            .stills
            .iter()
            .copied()
            .chain(self.behind())
            .chain(closed);
        let within = all.map(|one| overlap(one, (from, to)));
        within.sum::<Time>().min((to - from).max(0))
    }

    /// Until when the peer was there to acknowledge, if it was gone before the end: it fell silent, or began again.
    pub fn answers_until(&self) -> Option<Time> {
        let heard = self.last_acked.or(self.first)?;
        let silent = self.last.filter(|last| last - heard > SILENCE);
        let began_again = self.peer_restarts.first().copied();
        match (silent.map(|_| heard), began_again) {
            (Some(one), Some(other)) => Some(one.min(other)),
            (one, other) => one.or(other),
        }
    }

    /// The peer's flushes acknowledge the last of several segments by its number.
    pub fn peer_tells_last(&self) -> bool {
        self.peer_manner == Manner::TellsLast
    }

    /// Whether the peer acknowledges each segment by its number. kcp-go does so for the last one of several only, and `una` tells of the
    /// others.
    pub fn peer_spares(&self) -> bool {
        let (all, others) = self.spared;
        let together = self.unheard_together;
        // Where too little shows, those that came together are likelier to be spared than lost one by one.
        (others >= 10 && others * 2 > all)
            || (all < 10 && together >= 10 && together * 2 > self.acked_by_una)
    }

    /// Packets left at other times than each `period` ms, as far as that shows.
    pub fn sends_between(&self, period: u32) -> bool {
        const ENOUGH: u64 = 5;
        let count = |gaps: &mut dyn Iterator<Item = (&u32, &u64)>| {
            gaps.map(|(_, count)| count).sum::<u64>()
        };
        let between = count(&mut self.packet_gaps.range(period / 4..period * 3 / 5));
        let all = count(&mut self.packet_gaps.range(period / 4..));
        // How much longer than the first one packets took to come here.
        let delay = |percent| percentile(&self.delay, percent).unwrap_or(0);
        let blurred = !self.is_near() && delay(95).abs_diff(delay(5)) * 4 > u64::from(period);
        !blurred && between >= ENOUGH && between * 20 > all
    }

    /// How much later than usual word of a segment's arrival is, ms, beside so many in a hundred.
    pub fn late(&self, percent: u64) -> i64 {
        percentile(&self.lateness, percent).unwrap_or(0)
    }

    /// The share of flushes, of enough of them, that sent as much as makes this many in flight, of those that sent something for the first
    /// time.
    pub fn flushed_up_to(&self, flight: u32) -> f64 {
        const ENOUGH: u64 = 50;
        let count = |from: u32| -> u64 {
            let these = self.flushed.range(from..);
            these.map(|(_, (flushes, _))| flushes).sum()
        };
        count(flight) as f64 / count(0).max(ENOUGH) as f64
    }

    /// Flushes follow each other at one pace and send as much each time, which is less than half of what is in flight at most: what waits
    /// for acknowledgements is sent in bursts.
    pub fn is_even(&self, most: u32) -> bool {
        const ENOUGH: u64 = 50;
        /// The share of these, in tenths, that are the most usual one or the one after it, and that.
        fn usual(all: &Histogram) -> (u64, u32) {
            let two = |(value, count): (&u32, &u64)| {
                (count + all.get(&(value + 1)).unwrap_or(&0), *value)
            };
            let (count, value) = all.iter().map(two).max().unwrap_or_default();
            (count * 10 / all.values().sum::<u64>().max(1), value)
        }
        let (alike, size) = usual(&self.flush_sizes);
        self.flush_sizes.values().sum::<u64>() >= ENOUGH
            && alike >= 9
            && usual(&self.ts_gaps).0 >= 9
            && 2 * (size + 1) <= most
    }

    /// Bursts of a program: at one pace, as far as an interval of 10 ms lets it show, and all with as many segments. What waits for rare
    /// flushes is now one more, and now one less; or it comes in one and is missing in the next.
    pub fn sends_like_bursts(&self) -> bool {
        const ENOUGH: u64 = 50;
        let all: u64 = self.flush_sizes.values().sum();
        let most = self.flush_sizes.values().max().copied().unwrap_or(0);
        let gap = |percent| percentile(&self.ts_gaps, percent).unwrap_or(0);
        all >= ENOUGH && all - most <= 1 + all / 200 && gap(90) - gap(10) <= 12
    }

    /// Its stamps are whole seconds apart, and often just one.
    pub fn stamps_are_seconds(&self) -> bool {
        const ENOUGH: u64 = 5;
        self.ts_gaps.get(&1_000).is_some_and(|one| *one >= ENOUGH)
            && self.ts_gaps.keys().all(|gap| gap.is_multiple_of(1_000))
    }

    /// Nor is any of them a part of a second.
    pub fn stamps_are_whole(&self) -> bool {
        self.split_seconds != [true; 2]
    }

    /// How often its program stood still, for how long in all and at most: gaps after which as much was sent at once as at other times in
    /// as long, where most long gaps are such.
    pub fn stalls(&self) -> Option<(usize, Time, Time)> {
        if percentile(&self.ts_gaps, 75).unwrap_or(0) * 3 > LONG {
            return None;
        }
        let gaps = &self.long_gaps;
        let sum = |some: fn(&(u32, u64)) -> u64| gaps.iter().map(some).sum::<u64>();
        let long: u64 = sum(|one| one.0.into());
        let all: u64 = self
            .ts_gaps
            .iter()
            .map(|(gap, count)| u64::from(*gap) * count)
            .sum();
        let pace = (self.fresh - sum(|one| one.1)) as f64 / all.saturating_sub(long).max(1) as f64;
        let piled = |(gap, segments): &&(u32, u64)| {
            let share = *segments as f64 / (f64::from(*gap) * pace);
            *segments >= 3 && (0.6..1.7).contains(&share)
        };
        let stalls = gaps.iter().filter(piled).map(|one| Time::from(one.0) * MS);
        let (count, sum) = stalls
            .clone()
            .fold((0, 0), |all, one| (all.0 + 1, all.1 + one));
        (count * 10 >= gaps.len() * 7).then_some((count, sum, stalls.max()?))
    }

    /// Its stamps fall behind by most of a second, and catch up.
    pub fn stamps_stand(&self) -> bool {
        let at = |percent| percentile(&self.delay, percent).unwrap_or(0);
        at(90) - at(10) > 500 && self.fresh > 2 * self.ts_gaps.values().sum::<u64>()
    }

    /// The share of segments that were sent within such a time of there being room for them, by flushes that put this many or more in
    /// flight: a window held them up. None, where each such flush sends one message, or answers the peer: then the program
    /// had no more.
    pub fn share_held(&self, flight: u32, within: Time) -> f64 {
        let sent = self.fresh.max(1) as f64;
        let full = self.flushed.range(flight..).map(|(_, counts)| counts);
        let (flushes, ended) = full.fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
        let usual = self.ends as f64 / sent;
        let all: u64 = self.flushed.values().map(|(flushes, _)| flushes).sum();
        if ended as f64 > (0.5 + usual / 2.0) * flushes as f64 || self.asked * 10 > all * 9 {
            return 0.0;
        }
        let within = (within / MS) as u32;
        let prompt = self.refills.range((flight, 0)..);
        let prompt = prompt.filter(|((_, waited), _)| *waited <= within);
        prompt.map(|(_, segments)| segments).sum::<u64>() as f64 / sent
    }

    /// The share of packets that passed, and that the capture lacks all the same, as far as acknowledgements tell.
    pub fn uncaptured_share(&self) -> f64 {
        self.uncaptured as f64 / (self.uncaptured + self.acked_by_number).max(1) as f64
    }

    /// The share of acknowledgements that did not come back, and that share among those after one that did not; `None` where that
    /// does not show.
    pub fn ack_loss(&self) -> Option<(f64, f64)> {
        let all = self.acked_by_number + self.acked_by_una;
        let share = self.acked_by_una as f64 / all.max(1) as f64;
        let (unheard, after) = self.unheard;
        let run = after as f64 / unheard.max(1) as f64;
        (!self.peer_spares()).then_some((share, run.max(share)))
    }

    /// Where the least round trip changed from one second to the next, for seconds, and by more than jitter does: when, in ms before and
    /// after. Nothing, where so much is in flight that it may fill a queue.
    pub fn trip_steps(&self) -> Vec<(Time, u32, u32)> {
        const LASTS: usize = 3;
        const MUCH: u32 = 32;
        let much: Time = self.in_flight.range(MUCH..).map(|(_, time)| time).sum();
        let mut steps: Vec<(Time, u32, u32)> = Vec::new();
        if (!self.is_near() && self.lag == 0) || much * 2 > self.busy {
            return steps;
        }
        let trips: Vec<(Time, u32)> = self.trips.iter().map(|(at, trip)| (*at, *trip)).collect();
        // The second in which it changes has some of both.
        for around in trips.windows(2 * LASTS + 1) {
            let (before, after) = (&around[..LASTS], &around[LASTS + 1..]);
            let least = |some: &[(Time, u32)]| some.iter().map(|one| one.1).min().unwrap_or(0);
            let most = |some: &[(Time, u32)]| some.iter().map(|one| one.1).max().unwrap_or(0);
            let apart = |low: u32, high: u32| high.saturating_sub(low) > low / 3 + 15;
            let at = around[LASTS].0 * 1_000 * MS;
            let near = steps
                .last()
                .is_some_and(|(last, ..)| at - last < LASTS as Time * 1_000 * MS);
            let changed = apart(most(before), least(after)) || apart(most(after), least(before));
            if changed && !near {
                steps.push((at, least(before), least(after)));
            }
        }
        steps
    }

    /// The round trip without and with a queue in front of the link, ms, if one fills: it grows with what is in flight, or it changes
    /// slowly by much, as no jitter does, while much is in flight.
    pub fn queueing(&self) -> Option<(u64, u64)> {
        if !self.is_near() {
            return self.queueing_here();
        }
        let mean = |(count, sum): (u64, u64)| sum / count;
        let few = self.by_flight.iter().position(|(count, _)| *count >= 3)?;
        let many = self.by_flight.iter().rposition(|(count, _)| *count >= 30)?;
        let grows = |few: u64, many: u64| many > few + few / 2 + 15;
        if few + 2 <= many {
            let (few, many) = (mean(self.by_flight[few]), mean(self.by_flight[many]));
            if grows(few, many) {
                return Some((few, many));
            }
        }
        let at = |percent| percentile(&self.rtt, percent).map(u64::from);
        let (low, high) = (at(2)?, at(60)?);
        let spread = at(90)? - at(10)?;
        let (count, sum, _) = self.steps;
        let smooth = count >= 50 && sum * 4 < spread * count;
        let much = self.by_flight[5..]
            .iter()
            .map(|(count, _)| count)
            .sum::<u64>()
            * 2
            > self.rtt.values().sum::<u64>();
        (smooth && much && grows(low, high)).then_some((low, high))
    }

    /// What a slow link makes of bursts.
    pub fn spread(&self, stamps_are_fine: bool) -> Option<Spread> {
        let [here, on] = &self.dispersion;
        let here = here.spread().filter(|_| stamps_are_fine && !self.is_near());
        here.or_else(|| on.spread())
    }

    /// The same from how long packets took to come here.
    fn queueing_here(&self) -> Option<(u64, u64)> {
        let at = |percent| percentile(&self.delay, percent);
        let (low, high) = (at(2)?, at(60)?);
        let spread = at(90)?.abs_diff(at(10)?);
        let (count, sum, _) = self.delay_steps;
        let smooth = count >= 50 && sum * 4 < spread * count;
        // The way back is not seen; it is taken for as long as a short one.
        const REST: u64 = 50;
        (smooth && high - low > REST as i64).then(|| (REST, REST + high.abs_diff(low)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each moment of kcp-go's was kept by itself, five for a packet.
    #[test]
    fn moments_of_skips_ended_after_13_packets() {
        let mut skips = Skips::default();
        (1..=100).for_each(|packet| skips.add(packet * MS, [1, 5]));
        for (rule, count) in [(BY_STAMP, 90), (BY_ANY, 90), (BY_EACH, 446)] {
            assert_eq!(skips.at(rule, count), Some(90 * MS));
            assert_eq!(skips.until(rule, 90 * MS), count.next_multiple_of(10));
        }
        assert_eq!(skips.count(BY_EACH), 500);
        assert_eq!(skips.at(BY_EACH, 501), None);
    }

    /// It was set back while its program called `ikcp_flush` only, so its stamps stood still until it had caught up.
    #[test]
    fn a_clock_that_stood_still_was_taken_for_drift() {
        let jumps = |near: bool, still: i64| -> i64 {
            let mut clock = Clock::default();
            let stamp = |now: i64| match now {
                ..5_000 => now,
                _ => (now - still).max(5_000),
            };
            let flushes = (0..15_000).step_by(50);
            let jumped = flushes.flat_map(|now| [now; 3].map(|now| (now, now - stamp(now))));
            jumped
                .filter_map(|(now, ahead)| clock.jump(now * MS, ahead, near))
                .sum()
        };
        assert!((1_500..2_000).contains(&jumps(true, 1_900)));
        assert_eq!(jumps(true, 0), 0);
    }

    /// Its process counts from its own start, so that its clock was said to have been set back.
    #[test]
    fn a_process_that_began_again_was_called_a_clock_that_jumps() {
        let mut sender = Sender::new(0, true);
        for (began, count) in [(0, 600), (6_000, 200)] {
            for sn in 0..count {
                let at = Time::from(began + 10 * sn) * MS;
                let push = Piece::plain(COMMAND_PUSH, sn, 10 * sn, 0);
                sender.sends(at, 124, false, &[push]);
                let ack = Piece::plain(COMMAND_ACK, sn, 10 * sn, sn + 1);
                sender.hears(at + 5 * MS, &[ack]);
            }
        }
        sender.finish(8_000 * MS);
        assert_eq!(sender.restarts.len(), 1);
        assert_eq!(sender.clock_jumps, []);
    }

    /// The stamps of the new process lie minutes from those of the old one, and what was sent seemed to have come as much later.
    #[test]
    fn a_process_that_began_again_was_called_a_queue() {
        let mut sender = Sender::new(50 * MS, true);
        for (began, count) in [(200_000, 300), (6_000, 600)] {
            let past = if began > 6_000 { 0 } else { 4_000 };
            for sn in 0..count {
                let at = Time::from(past + 10 * sn) * MS;
                let push = Piece::plain(COMMAND_PUSH, sn, began + 10 * sn, 0);
                sender.sends(at, 124, false, &[push]);
                let ack = Piece::plain(COMMAND_ACK, sn, began + 10 * sn, sn + 1);
                sender.hears(at + 5 * MS, &[ack]);
            }
        }
        sender.finish(12_000 * MS);
        assert_eq!(sender.restarts.len(), 1);
        assert_eq!(sender.queueing(), None);
    }

    /// By the original's rule, timers of kcp-go were said to have run out too early, where round trips differ by much.
    #[test]
    fn short_round_trips_count_less_for_kcp_go() {
        let usual = Estimate {
            srtt: 100,
            rttval: 50,
        };
        let of = |srtt, rttval| Estimate { srtt, rttval };
        assert_eq!(usual.sample(20), of(90, 57));
        assert_eq!(usual.sample_of_go(20), of(90, 50));
        assert_eq!(usual.sample_of_go(180), of(110, 57));
    }

    /// The capture cut the packets that carried them, and what they were acknowledged with had been sent after the outage.
    #[test]
    fn segments_that_the_capture_lacks_made_an_outage_a_peer_that_stood_still() {
        let mut sender = Sender::new(0, true);
        let push = |sn: u32, at: u32| Piece::plain(COMMAND_PUSH, sn, at, 0);
        for sn in (0..10).chain([15]) {
            let at = Time::from(10 * sn) * MS;
            sender.sends(at, 124, false, &[push(sn, 10 * sn)]);
            if sn < 10 {
                sender.hears(
                    at + 5 * MS,
                    &[Piece::plain(COMMAND_ACK, sn, 10 * sn, sn + 1)],
                );
            }
        }
        sender.sends(2_000 * MS, 124, false, &[push(10, 2_000)]);
        let acks: Vec<Piece> = (10..15)
            .map(|sn| Piece::plain(COMMAND_ACK, sn, 2_000, 15))
            .collect();
        sender.hears(2_005 * MS, &acks);
        sender.finish(9_000 * MS);
        assert_eq!(sender.stills, []);
    }

    #[test]
    fn stamps_of_whole_seconds_are_told_also_where_they_count_from_1970() {
        let whole = |first: u32, step: u32| {
            let mut sender = Sender::new(0, true);
            let start = Time::from(1_794_000_000) * 1_000 * MS;
            for sn in 0..10 {
                let ts = first.wrapping_add(sn * step);
                let push = Piece::plain(COMMAND_PUSH, sn, ts, 0);
                let at = start + Time::from(sn * step) * MS;
                sender.sends(at, 124, false, &[push]);
            }
            sender.stamps_are_whole()
        };
        let since_1970 = (1_794_000_000_u64 * 1_000) as u32;
        assert!(whole(5_000, 1_000) && whole(since_1970, 1_000));
        assert!(!whole(5_000, 1_010) && !whole(since_1970 + 3, 1_000));
    }

    /// Each packet of a flush tells of all that the flush acknowledges, also of what the next packet has the number of.
    #[test]
    fn what_the_second_packet_of_a_flush_acknowledges_was_called_unheard() {
        let unheard = |later: Time| {
            let mut sender = Sender::new(0, true);
            let ack = |sn: u32| Piece::plain(COMMAND_ACK, sn, 10 * sn, 12);
            for sn in 0..12 {
                let piece = Piece::plain(COMMAND_PUSH, sn, 10 * sn, 0);
                sender.sends(Time::from(10 * sn) * MS, 124, false, &[piece]);
            }
            let again = Piece::plain(COMMAND_PUSH, 11, 300, 0);
            sender.sends(300 * MS, 124, false, &[again]);
            let full: Vec<Piece> = (0..11).map(ack).collect();
            sender.hears(310 * MS, &full);
            sender.hears((310 + later) * MS, &[ack(11)]);
            sender.finish(9_000 * MS);
            sender.resent[0].is_unheard()
        };
        assert!(!unheard(1));
        // Another flush, which answers the second transmission.
        assert!(unheard(50));
    }

    /// A segment of the same flush had overtaken the acknowledgements.
    #[test]
    fn what_a_segment_of_the_peer_told_of_first_was_called_unheard() {
        let mut sender = Sender::new(0, true);
        for (sn, ts) in [(0, 0), (1, 10), (1, 200)] {
            push(&mut sender, sn, ts);
        }
        sender.hears(250 * MS, &[Piece::plain(COMMAND_PUSH, 7, 0, 2)]);
        sender.hears(253 * MS, &[Piece::plain(COMMAND_ACK, 1, 200, 2)]);
        sender.finish(9_000 * MS);
        assert!(!sender.resent[0].is_unheard());
    }

    /// It came in a small packet at last; the large one that had carried it before was counted as one that the path takes.
    #[test]
    fn a_packet_that_never_arrived_was_the_largest_acknowledged_one() {
        let mut sender = Sender::new(0, true);
        for (ts, size) in [(0, 1_400), (200, 600)] {
            let piece = Piece::plain(COMMAND_PUSH, 0, ts, 0);
            sender.sends(Time::from(ts) * MS, size, false, &[piece]);
        }
        sender.hears(250 * MS, &[Piece::plain(COMMAND_ACK, 0, 200, 1)]);
        sender.finish(9_000 * MS);
        assert_eq!(sender.largest_acked, 600);
    }

    /// One message each 10 ms from this number on, and half of the peer's words: what it has in order.
    fn in_the_middle(near: bool, from: u32, count: u32) -> Sender {
        let lag = if near { 0 } else { 50 * MS };
        let mut sender = Sender::new(lag, true);
        for sn in from..from + count {
            let ts = 10 * (sn - from);
            push(&mut sender, sn, ts);
            let mut una = Piece::plain(COMMAND_TELL, 0, 0, sn);
            una.header.wnd = 128;
            sender.hears(Time::from(ts) * MS + 5 * MS, &[una]);
        }
        sender
    }

    #[test]
    fn another_sender_that_had_begun_before_the_capture_was_overlooked() {
        let conflicts = |near: bool, count: u32| {
            let mut sender = in_the_middle(near, 500, 300);
            for other in 0..count {
                let ts = 3_000 + 10 * other;
                push(&mut sender, 800 + other, ts);
                push(&mut sender, 200 + other, ts + 1);
            }
            sender.finish(20_000 * MS);
            sender.conflicts
        };
        assert!(conflicts(true, 40) >= 5);
        assert!(conflicts(false, 200) >= 5);
        // Far from it, it may send its window again, of which it has not heard.
        assert_eq!(conflicts(false, 100), 0);
    }

    /// The capture lacks those that would have told, as one that cuts packets does.
    #[test]
    fn a_process_that_began_again_without_its_first_numbers_was_called_a_clock_that_jumps() {
        for near in [true, false] {
            let mut sender = in_the_middle(near, 500, 300);
            for sn in 3..63 {
                let at = Time::from(3_000 + 10 * sn) * MS;
                let piece = Piece::plain(COMMAND_PUSH, sn, 9_000_000 + 10 * sn, 0);
                sender.sends(at, 124, false, &[piece]);
            }
            sender.finish(9_000 * MS);
            assert_eq!((sender.restarts.len(), sender.conflicts), (1, 0));
            assert_eq!(sender.clock_jumps, []);
        }
    }

    /// As the original counts them, a timeout leaves skips as they are, so that the next one sends the segment again, and halves the window.
    #[test]
    fn skips_before_a_timeout_were_forgotten_by_the_congestion_window() {
        let mut sender = Sender::new(0, true);
        (0..10).for_each(|sn| push(&mut sender, sn, 0));
        for (sn, ts) in [(1, 50), (2, 200)] {
            sender.hears(Time::from(ts) * MS, &[Piece::plain(COMMAND_ACK, sn, 0, 0)]);
            push(&mut sender, 0, ts + 50);
        }
        assert_eq!(sender.window_model.window, 7.0);
    }

    /// Of a packet that the capture cut nobody knows what was at its end.
    #[test]
    fn packets_that_the_capture_cut_are_known() {
        let one = |len: u32| {
            let mut piece = Piece::plain(COMMAND_PUSH, 0, 0, 0);
            piece.header.len = len;
            piece
        };
        assert!(!is_cut(1_024, &[one(1_000)]) && !is_cut(1_100, &[one(1_000)]));
        assert!(is_cut(1_200, &[one(200)]) && !is_cut(1_200, &[one(200), one(900)]));
    }

    /// Far from the sender: delays of its packets, ms, one each 10 ms, and how its clock is said to have jumped.
    fn jumps_seen(delays: impl Iterator<Item = u32>) -> Vec<i64> {
        let mut sender = Sender::new(50 * MS, true);
        for (sn, delay) in (0..).zip(delays) {
            let at = Time::from(10 * sn + delay) * MS;
            let piece = Piece::plain(COMMAND_PUSH, sn, 10 * sn, 0);
            sender.sends(at, 124, false, &[piece]);
        }
        sender.finish(10_000 * MS);
        sender.clock_jumps.iter().map(|(_, by)| *by).collect()
    }

    /// Sends this number with this stamp at that time.
    fn push(sender: &mut Sender, sn: u32, ts: u32) {
        let piece = Piece::plain(COMMAND_PUSH, sn, ts, 0);
        sender.sends(Time::from(ts) * MS, 124, false, &[piece]);
    }

    /// These numbers, with their stamps, each sent in a packet 1 ms after the one before; what the peer has in order is told at the end.
    fn sent(pushes: impl IntoIterator<Item = (u32, u32)>, una: u32) -> Sender {
        let mut sender = Sender::new(0, true);
        let mut at = 0;
        for (sn, ts) in pushes {
            sender.sends(at, 124, false, &[Piece::plain(COMMAND_PUSH, sn, ts, 0)]);
            at += MS;
        }
        sender.hears(at, &[Piece::plain(COMMAND_TELL, 0, 0, una)]);
        sender.finish(9_000 * MS);
        sender
    }

    #[test]
    fn numbers_that_the_first_packet_had_overtaken_were_dropped() {
        let sender = sent([(14, 5), (0, 5), (1, 5), (0, 300)], 15);
        assert_eq!((sender.fresh, sender.reordered), (3, 2));
        assert_eq!((sender.resends, sender.late_resends), (1, 0));
    }

    /// The first packet had overtaken those with the earlier numbers, of which some were lost, or the capture began later than they were sent.
    #[test]
    fn numbers_below_the_first_one_that_passed_were_dropped() {
        let mut sender = Sender::new(0, true);
        push(&mut sender, 48, 5);
        for ts in (300..4_000).step_by(300) {
            // The peer lacks the very first one.
            let una = Piece::plain(COMMAND_TELL, 0, 0, 0);
            sender.hears(Time::from(ts) * MS, &[una]);
            push(&mut sender, 48 + ts / 300, ts);
            push(&mut sender, 0, ts);
        }
        sender.finish(9_000 * MS);
        assert_eq!((sender.resends, sender.late_resends), (13, 0));
        assert_eq!((sender.restarts.len(), sender.conflicts), (0, 0));
    }

    #[test]
    fn what_the_first_packet_of_a_sender_that_began_again_had_overtaken_was_dropped() {
        let sender = sent([(1_000_000, 500), (1, 3_000), (0, 3_000)], 2);
        assert_eq!(sender.restarts.len(), 1);
        assert_eq!((sender.fresh, sender.reordered), (3, 1));
    }

    #[test]
    fn what_was_sent_before_the_capture_began_was_called_lost() {
        let mut sender = Sender::new(0, true);
        for (sn, ts) in [(5_000, 500), (4_990, 600), (4_990, 900)] {
            push(&mut sender, sn, ts);
            let una = Piece::plain(COMMAND_TELL, 0, 0, 4_990);
            sender.hears(Time::from(ts) * MS, &[una]);
        }
        sender.finish(9_000 * MS);
        assert_eq!((sender.fresh, sender.resends, sender.reordered), (2, 1, 0));
        assert!(!sender.resent[0].sendings[0].hidden);
    }

    /// Some of it was sent again while the capture ran, the rest of it shows as a gap.
    #[test]
    fn what_was_in_flight_when_the_capture_began_was_called_missing_in_it() {
        let mut sender = Sender::new(0, true);
        let ack = |sender: &mut Sender, at: Time, (sn, ts): (u32, u32)| {
            sender.hears(at * MS, &[Piece::plain(COMMAND_ACK, sn, ts, 40)]);
        };
        push(&mut sender, 41, 500);
        push(&mut sender, 60, 510);
        ack(&mut sender, 520, (42, 400));
        push(&mut sender, 40, 530);
        ack(&mut sender, 540, (40, 400));
        assert_eq!(sender.uncaptured, 0);
        // This one was sent after the first packet had passed.
        ack(&mut sender, 550, (50, 505));
        sender.finish(9_000 * MS);
        assert_eq!(sender.uncaptured, 1);
    }

    #[test]
    fn a_queue_was_taken_for_a_clock_that_jumps() {
        let queue = |packet: u32| if packet % 200 < 100 { 0 } else { 400 };
        assert_eq!(jumps_seen((0..800).map(queue)), [0; 0]);
        let clock = |packet: u32| if packet < 400 { 0 } else { 400 };
        assert_eq!(jumps_seen((0..800).map(clock)), [400]);
    }

    #[test]
    fn a_queue_blurred_when_packets_had_been_sent() {
        let mut transit = Transit::default();
        let queue = [(0, 40), (10, 55), (20, 300), (30, 340), (40, 90)];
        for (ts, at) in queue {
            let sent = transit.sent(at * MS, ts);
            assert!((sent / MS - 40 - i64::from(ts)).abs() <= 1, "{ts}: {sent}");
        }
    }

    /// All of them were kept and compared with each new one, so a capture of 20 MB took minutes.
    #[test]
    fn one_segment_sent_without_end_took_time_without_end() {
        let mut sender = Sender::new(0, true);
        for ts in 0..10_000 {
            let at = Time::from(ts) * MS;
            sender.sends(at, 124, false, &[Piece::plain(COMMAND_PUSH, 0, ts, 0)]);
        }
        sender.finish(10_000 * MS);
        assert_eq!(sender.resends, 9_999);
        assert_eq!(sender.resent[0].sendings.len(), MOST_SENDINGS);
    }

    /// ikcpx_redundancy sends copies soon after a segment; each one was taken for a loss that shrinks a congestion window, which then was
    /// never seen to be exceeded.
    #[test]
    fn copies_were_taken_for_losses_of_a_congestion_window() {
        let kept = |again: Option<u32>| {
            let mut sender = Sender::new(0, true);
            for sn in 0..400 {
                let at = 30 * sn;
                let now = |at: u32| Time::from(at) * MS;
                sender.sends(
                    now(at),
                    124,
                    false,
                    &[Piece::plain(COMMAND_PUSH, sn, at, 0)],
                );
                if let Some(before) = sn.checked_sub(3) {
                    let ack = Piece::plain(COMMAND_ACK, before, 30 * before, before + 1);
                    sender.hears(now(at + 5), &[ack]);
                }
                if let Some(again) = again {
                    sender.sends(
                        now(at + again),
                        124,
                        false,
                        &[Piece::plain(COMMAND_PUSH, sn, at + again, 0)],
                    );
                }
            }
            sender.finish(20_000 * MS);
            sender.window_model.is_kept(false)
        };
        assert!(!kept(None));
        assert!(!kept(Some(10)));
    }
}
