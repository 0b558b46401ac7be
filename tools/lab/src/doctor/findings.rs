//! What slowed a conversation down, ranked by the milliseconds that it cost.
//!
//! A cost is time in which something waited that the setting beside it would not have let wait: at a full window, for a resend, for
//! the next flush. Costs of several findings may overlap, so they are no sum.

use std::collections::{BTreeMap, HashSet};

use super::causes::{self, FastResend, Flushes, Need, Resend, Settings, Trigger};
use super::outage::Outage;
use super::sender::{
    LATE, MS, NeverCame, SILENCE, SOONEST_TIMER, Sender, Time, overlap, percentile,
};

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    OwnWindow,
    PeerWindow,
    CongestionWindow,
    NotReading,
    ProbeLost,
    LateFlush,
    CoarseClock,
    ClockJump,
    LeastTimeout,
    ResendOff,
    Mtu,
    BurstLoss,
    Loss,
    AckLoss,
    Reordering,
    PeerRestarted,
    SenderRestarted,
    TwoSenders,
    WrongConv,
    Idle,
    Bandwidth,
    NoAnswer,
    PeerSilent,
    StoodStill,
    EarlyTimeouts,
    Outage,
    LongerWay,
    HeldUp,
}

impl Kind {
    /// Its name for programs.
    pub fn name(self) -> &'static str {
        match self {
            Kind::OwnWindow => "own-window",
            Kind::PeerWindow => "peer-window",
            Kind::CongestionWindow => "congestion-window",
            Kind::NotReading => "not-reading",
            Kind::ProbeLost => "probe-lost",
            Kind::LateFlush => "late-flush",
            Kind::CoarseClock => "coarse-clock",
            Kind::ClockJump => "clock-jump",
            Kind::LeastTimeout => "least-timeout",
            Kind::ResendOff => "resend-off",
            Kind::Mtu => "mtu",
            Kind::BurstLoss => "burst-loss",
            Kind::Loss => "loss",
            Kind::AckLoss => "ack-loss",
            Kind::Reordering => "reordering",
            Kind::PeerRestarted => "peer-restarted",
            Kind::SenderRestarted => "sender-restarted",
            Kind::TwoSenders => "two-senders",
            Kind::Idle => "idle",
            Kind::Bandwidth => "bandwidth",
            Kind::NoAnswer => "no-answer",
            Kind::PeerSilent => "peer-silent",
            Kind::WrongConv => "wrong-conv",
            Kind::StoodStill => "stood-still",
            Kind::EarlyTimeouts => "early-timeouts",
            Kind::Outage => "outage",
            Kind::LongerWay => "longer-way",
            Kind::HeldUp => "held-up",
        }
    }
}

#[derive(Debug, Clone)]
pub struct Finding {
    pub kind: Kind,
    /// The end whose sending is slowed down.
    pub side: usize,
    pub cost: Time,
    pub what: String,
    pub change: String,
    /// Whether that is what its kind usually advises, which a replay plays.
    pub usual: bool,
    /// What a replay says that the change brings.
    pub gain: Option<String>,
}

/// At most so many are told.
pub const MOST: usize = 5;

/// What is known of one end and its peer.
pub struct View<'a> {
    pub side: usize,
    pub sender: &'a Sender,
    pub settings: &'a Settings,
    pub resends: &'a [Resend],
    /// The other end, which acknowledges.
    pub peer_sender: &'a Sender,
    /// The whole capture of the conversation.
    pub from: Time,
    pub to: Time,
    pub name: &'a str,
    pub peer_name: &'a str,
    /// When the peer last sent a datagram that is no packet of KCP, in the same flow.
    pub peer_beside: Option<Time>,
    /// Transmissions of the peer that were lost.
    pub peer_losses: u64,
    /// How fast its clock runs, 1 for one that counts milliseconds.
    pub pace: Option<f64>,
}

/// The share of acknowledgements that did not come back, as far as it shows.
pub fn ack_loss(sender: &Sender) -> f64 {
    let seen = sender.ack_loss().filter(|_| !sender.peer_tells_last());
    seen.map_or(0.0, |(share, _)| share)
}

const SMALLER_MTU: &str = "a smaller mtu: ikcp_setmtu(kcp, 1200), or what the path takes";

/// Shares of fewer segments say nothing.
pub const FEW: u64 = 20;

/// How long at least one of these lasted.
fn wall(spans: impl Iterator<Item = (Time, Time)>) -> Time {
    let mut spans: Vec<_> = spans.filter(|(from, to)| from < to).collect();
    spans.sort_unstable();
    let mut until = Time::MIN;
    let mut sum = 0;
    for (from, to) in spans {
        sum += (to - from.max(until)).max(0);
        until = until.max(to);
    }
    sum
}

fn seconds(time: Time) -> String {
    match time {
        ..10_000_000 => format!("{} ms", time / MS),
        _ => format!("{:.1} s", time as f64 / 1e6),
    }
}

/// When nothing of this one came through. What came to the peer's own machine was not lost on the way.
fn cuts<'a>(sender: &'a Sender, peer: &Sender) -> impl Iterator<Item = &'a Outage> {
    let at_peer = peer.is_near() && !sender.is_near();
    let all = sender.outages.found.iter();
    all.filter(move |one| !at_peer || one.is_before())
}

impl View<'_> {
    fn finding(&self, kind: Kind, cost: Time, what: String, change: &str) -> Finding {
        Finding {
            kind,
            side: self.side,
            // Stamps of a process that began again lie hours from those before.
            cost: cost.min(self.to - self.from),
            what,
            change: change.to_string(),
            usual: true,
            gain: None,
        }
    }

    /// Transmissions that were lost on the way to a peer that was there, while the line was.
    fn lost(&self) -> impl Iterator<Item = &Resend> {
        causes::lost(self.sender, self.resends).filter(|one| !self.is_cut(one))
    }

    /// An outage hid the transmission before it, or word of that. One end of a connection shows it for both.
    fn is_cut(&self, one: &Resend) -> bool {
        self.is_cut_at(one.since())
    }

    fn is_cut_at(&self, at: Time) -> bool {
        /// A round trip or so.
        const SLACK: Time = 300 * MS;
        let mut all = self.outages();
        all.any(|cut| cut.from - SLACK <= at && at <= cut.to + SLACK)
    }

    fn outages(&self) -> impl Iterator<Item = &Outage> {
        let (own, peer) = (self.sender, self.peer_sender);
        cuts(own, peer).chain(cuts(peer, own))
    }

    /// The share of segments that had to be sent again.
    pub fn loss(&self) -> f64 {
        self.lost().count() as f64 / (self.sender.fresh + self.sender.resends).max(1) as f64
    }

    /// More than any network loses by chance. A larger window would only add to what a limit of the rate drops.
    fn loses_too_many(&self) -> bool {
        self.loss() > 0.2
    }

    /// For how long segments were late until `end`.
    fn blocked(&self, end: Time, wanted: impl Fn(&super::sender::Segment) -> bool) -> Time {
        let mut until = 0;
        let mut sum = 0;
        for segment in self.sender.resent.iter().filter(|one| wanted(one)) {
            let first = &segment.sendings[0];
            let due = first.sent + Time::from(first.estimate.srtt) * MS;
            let done = segment.done.unwrap_or(end).min(end);
            // No loss is to blame where nothing would have been acknowledged.
            let late = due.max(until);
            sum += (done - late - self.sender.still(late, done)).max(0);
            until = until.max(done);
        }
        sum
    }

    /// For how long segments were late because they had been lost on the way to a peer that was there.
    fn blocked_by_loss(&self) -> Time {
        let end = self.sender.answers_until().unwrap_or(self.to);
        let lost: HashSet<u32> = self.lost().map(|one| one.sn).collect();
        self.blocked(end, |one| {
            let cut = one
                .sendings
                .iter()
                .any(|sending| self.is_cut_at(sending.at));
            lost.contains(&(one.sn as u32)) && !cut
        })
    }

    pub fn findings(&self) -> Vec<Finding> {
        let mut all = Vec::new();
        if self.sender.pushes == 0 {
            return all;
        }
        all.extend(self.identity());
        let pace = self.pace.filter(|pace| !(0.8..1.25).contains(pace));
        let other = pace.map(|pace| self.other_pace(pace));
        if let Some(other) = other.or_else(|| self.whole_seconds()) {
            // Stamps tell no more of round trips then, nor timers of settings.
            all.push(other);
            return all;
        }
        all.extend(self.flushes());
        if all.iter().any(|one| one.kind == Kind::TwoSenders) {
            // The rest is what one sender knows and does.
            return all;
        }
        all.extend(self.outage());
        all.extend(self.longer_way());
        all.extend(self.held_up());
        all.extend(self.windows());
        all.extend(self.peer_shut());
        all.extend(self.clock());
        all.extend(self.losses());
        all.extend(self.idle());
        if all.iter().any(|one| one.kind == Kind::Mtu) {
            // What never arrives fills any window in the end, and then the peer has nothing more to acknowledge.
            all.retain(|one| {
                !matches!(
                    one.kind,
                    Kind::OwnWindow
                        | Kind::PeerWindow
                        | Kind::CongestionWindow
                        | Kind::Bandwidth
                        | Kind::PeerSilent
                )
            });
        }
        all
    }

    fn outage(&self) -> Option<Finding> {
        let sender = self.sender;
        let all: Vec<&Outage> = cuts(sender, self.peer_sender).collect();
        let longest = *all.iter().max_by_key(|one| one.to - one.from)?;
        // The other end's own packets tell of both directions.
        let told = cuts(self.peer_sender, sender).any(|one| {
            let both = overlap((one.from, one.to), (longest.from, longest.to));
            !one.is_before() && both * 2 > longest.to - longest.from
        });
        if longest.is_before() && told {
            return None;
        }
        let quiet = wall(
            sender
                .quiet
                .iter()
                .map(|(from, to)| ((*from).max(longest.from), (*to).min(longest.to))),
        );
        let both = quiet * 2 > longest.to - longest.from;
        let (name, peer) = (self.name, self.peer_name);
        let what = match (longest.is_way_back(), both) {
            _ if longest.is_before() => format!(
                "nothing that {name} sent came as far as this capture, although its numbers went on: the way there was cut, or the machine that captured stood still"
            ),
            (true, _) => format!(
                "{peer} received what {name} sent, and nothing of {peer} came: the way back was cut"
            ),
            (false, true) => format!(
                "nothing came through between {name} and {peer}, in either direction: the line was cut, or {peer}'s machine stood still"
            ),
            (false, false) => format!(
                "nothing that {name} sent came through, while {peer} was heard: the way there was cut"
            ),
        };
        let at = (longest.from - self.from) as f64 / 1e6;
        let others = match all.len() {
            1 => String::new(),
            count => format!(" ({count} times, this is the longest)"),
        };
        Some(self.finding(
            Kind::Outage,
            wall(all.iter().map(|one| (one.from, one.to))),
            format!("for {} from {at:.1} s on, {what}{others}", seconds(longest.to - longest.from)),
            "look at the network, a firewall, or NAT at that time. No setting sends through it; ikcpx_backoff_limit shortens the wait for the next timer after it",
        ))
    }

    /// Steps of the round trips of one end. Where the other one sends much, acknowledgements may wait behind that.
    fn trip_steps(&self, sender: &Sender, peer: &Sender) -> Vec<(Time, u32, u32)> {
        /// Bytes in a second.
        const MUCH: u64 = 64_000;
        let lasted = ((self.to - self.from) / (1_000 * MS)).max(1) as u64;
        match peer.payload > MUCH * lasted {
            true => Vec::new(),
            false => sender.trip_steps(),
        }
    }

    fn longer_way(&self) -> Option<Finding> {
        let steps = self.trip_steps(self.sender, self.peer_sender);
        let (at, before, after) = *steps
            .iter()
            .max_by_key(|(_, before, after)| after.saturating_sub(*before))?;
        let grew = after.checked_sub(before)?;
        let back = steps
            .iter()
            .find(|(then, _, less)| *then > at && *less < before + grew / 2);
        let until = back.map_or(self.to, |(then, ..)| *then);
        // Of what was sent at an even pace.
        let lasted = (until - at) as f64 / (self.to - self.from).max(1) as f64;
        let flushes = self.sender.ts_gaps.values().sum::<u64>() as f64 * lasted;
        Some(self.finding(
            Kind::LongerWay,
            (flushes * f64::from(grew) * MS as f64 / 2.0) as Time,
            format!(
                "round trips of {} grew from {before} ms to {after} ms at {:.1} s, at once, and {}: the way became longer",
                self.name,
                (at - self.from) as f64 / 1e6,
                match back {
                    Some((then, ..)) => format!("shrank at {:.1} s", (then - self.from) as f64 / 1e6),
                    None => "stayed so".to_string(),
                },
            ),
            "nothing in KCP: look at the route and the network, which changed then, or at what else fills the link",
        ))
    }

    /// When nothing was acknowledged for longer than a round trip, and then several segments at once that had been sent one after the
    /// other.
    fn holds(&self) -> Vec<(Time, Time)> {
        const SHORTEST: Time = 100 * MS;
        const AT_ONCE: Time = 20 * MS;
        let sender = self.sender;
        let usual = Time::from(percentile(&sender.rtt, 50).unwrap_or(0)) * MS;
        let points = sender.rtt_curve.iter();
        let trips: Vec<(Time, Time)> = points
            .map(|(at, trip)| (*at, Time::from(*trip) * MS))
            .collect();
        let mut all = Vec::new();
        for four in trips.windows(4) {
            let [(before, took), (sent, trip), .., (last, shorter)] = *four else {
                continue;
            };
            let (heard, came) = (before + took, sent + trip);
            let held = trip - usual;
            let together = (last + shorter - came).abs() <= AT_ONCE && last > sent;
            if held >= SHORTEST.max(usual)
                && (came - heard).min(trip - took) * 3 > held * 2
                && together
                && sender.still(heard, came) == 0
                && !self.is_cut_at(sent)
            {
                all.push((came - held, came));
            }
        }
        all
    }

    fn held_up(&self) -> Option<Finding> {
        const OFTEN: usize = 3;
        let sender = self.sender;
        let holds = self.holds();
        let longest = holds.iter().map(|(from, to)| to - from).max()?;
        if !sender.is_near() || sender.peer_tells_last() || holds.len() < OFTEN {
            return None;
        }
        Some(self.finding(
            Kind::HeldUp,
            wall(holds.iter().copied()),
            format!(
                "{} times nothing that {} sent was acknowledged for up to {}, and then all at once: it waited on the way, or {} stood still",
                holds.len(),
                self.name,
                seconds(longest),
                self.peer_name
            ),
            "look at radios on the way (Wi-Fi that saves power or scans), and at what holds up the peer's loop at these times",
        ))
    }

    /// How many of these are of segments of which word was later than of so many in a hundred.
    fn arrived_late<'a>(&self, resends: impl Iterator<Item = &'a Resend>, percent: u64) -> usize {
        let usual = self.sender.late(percent);
        let late = self.sender.resent.iter().filter(|one| one.late > usual);
        let late: HashSet<u32> = late.map(|one| one.sn as u32).collect();
        resends.filter(|one| late.contains(&one.sn)).count()
    }

    /// The usual round trip of what the peer sends, ms, if it sends enough.
    fn peer_trip(&self) -> Option<u32> {
        const ENOUGH: u64 = 10;
        let trips = &self.peer_sender.rtt;
        (trips.values().sum::<u64>() >= ENOUGH).then(|| percentile(trips, 50))?
    }

    /// What the peer sends comes through, as its own capture shows, and so do its acknowledgements.
    fn peer_comes_through(&self) -> bool {
        const MANY: u64 = 100;
        let peer = self.peer_sender;
        let heard = peer.acked_by_number + peer.acked_by_una;
        peer.is_near() && heard >= MANY && self.peer_losses * 100 < heard
    }

    fn fills_peer_window(&self) -> bool {
        // Any window fills up while the line is cut.
        let cut: Time = self.outages().map(|one| one.to - one.from).sum();
        self.sender.at_peer_window - cut > self.sender.busy / 10
    }

    /// One segment each time is the program's own pace.
    fn sends_several(&self) -> bool {
        let gaps: u64 = self.sender.ts_gaps.values().sum();
        self.sender.fresh * 5 > (gaps + 1) * 6
    }

    /// Only a window makes nearly all flushes send up to the same number, where round trips differ.
    fn fills_up(&self) -> bool {
        let sender = self.sender;
        let at = |percent| percentile(&sender.rtt, percent).unwrap_or(0);
        let most = self.settings.most_in_flight;
        sender.is_near()
            && self.sends_several()
            && most >= 4
            && at(90) > at(10)
            && sender.flushed_up_to(most) > 0.8
    }

    /// The share of segments that waited until its window had room for them.
    fn share_held(&self) -> f64 {
        let most = self.settings.most_in_flight;
        let near_most = most - most / if self.sender.lag() == 0 { 10 } else { 4 };
        match self.sender.is_even(most) {
            true => 0.0,
            false => self.sender.share_held(near_most, self.room_within()),
        }
    }

    /// How soon after there is room what waited for it is sent.
    fn room_within(&self) -> Time {
        let blur = if self.sender.is_near() {
            4 * MS
        } else {
            10 * MS
        };
        self.settings.flushes.period() + blur
    }

    /// Its window holds it up, and not its program that has no more to send: that does not fill it up to the same number again and again.
    /// Far from the sender, few of those that waited show.
    fn is_held(&self) -> bool {
        let most = self.settings.most_in_flight;
        let blur = if self.sender.is_near() { 0 } else { most / 20 };
        self.sender.lag_known
            && self.share_held() > 0.05
            && self.sender.flushed_up_to(most - blur) > 0.5
    }

    fn fills_congestion_window(&self) -> bool {
        // What is in flight shows only where round trips do.
        self.settings.keeps_congestion_window
            && (self.sender.is_near() || self.sender.lag() > 0)
            && self.sender.window_model.full * 5 > self.sender.busy * 2
    }

    /// Round trips mostly grow at once: all is held up, by a peer that flushes rarely or by a radio that waits. While a queue grows, each
    /// segment takes a little longer than the one before it.
    fn grows_at_once(&self, few: u64, many: u64) -> bool {
        let quarter = (many - few) / 4;
        let between = few + quarter..many - quarter;
        let (mut climbs, mut at_once) = (0, 0);
        let mut climbed_by = None;
        for (_, trip) in &self.sender.rtt_curve {
            let trip = u64::from(*trip);
            if trip < between.start {
                climbed_by = Some(0);
            } else if between.contains(&trip) {
                climbed_by = climbed_by.map(|steps| steps + 1);
            } else if let Some(steps) = climbed_by.take() {
                climbs += 1;
                at_once += u64::from(steps == 0);
            }
        }
        self.sender.is_near() && at_once * 2 > climbs
    }

    /// The round trip without and with a queue, ms, where most of what was lost was sent while round trips were long, although they seldom
    /// are: a queue drops what it has no room for, while other losses know nothing of round trips.
    fn drops_when_full(&self) -> Option<(u64, u64)> {
        let mut curve = self.sender.rtt_curve.clone();
        curve.sort_unstable();
        let trips = &self.sender.rtt;
        let (low, high) = (percentile(trips, 5)?, percentile(trips, 95)?);
        let grows = high > low + low / 2 + 15;
        let long = low + high.saturating_sub(low) / 3;
        let is_long = |pair: &&[(Time, u32)]| pair.iter().all(|(_, trip)| *trip > long);
        let usually = curve.windows(2).filter(is_long).count() as f64 / curve.len() as f64;
        let around = |one: &Resend| {
            let next = curve.partition_point(|(sent, _)| *sent < one.since());
            curve.get(next.checked_sub(1)?..=next)
        };
        let lost = self.lost().count() as u64;
        let dropped = self.lost().filter_map(around).filter(is_long).count();
        let share = dropped as f64 / lost.max(1) as f64;
        (lost >= FEW && grows && share > usually * 1.5 && share > 0.5)
            .then(|| (low.into(), high.into()))
    }

    fn bandwidth(&self) -> Option<Finding> {
        let sender = self.sender;
        let peer = self.peer_sender;
        let steps = [self.trip_steps(sender, peer), self.trip_steps(peer, sender)];
        if !sender.clock_jumps.is_empty() || steps.iter().any(|steps| !steps.is_empty()) {
            return None;
        }
        // Stamps that change more rarely than something is sent tell nothing of the way here.
        let fine = matches!(self.settings.flushes, Flushes::Every(..=12) | Flushes::Free);
        let queueing = sender
            .queueing()
            .filter(|_| fine || sender.is_near())
            .filter(|(few, many)| !self.grows_at_once(*few, *many))
            .or_else(|| self.drops_when_full());
        let (cost, shows) = match (queueing, sender.spread(fine)) {
            (Some((few, many)), _) => (
                (sender.busy as f64 * (many - few) as f64 / many as f64) as Time,
                format!(
                    "round trips grow from {few} ms to {many} ms with what is in flight, in a queue on the way"
                ),
            ),
            (None, Some(spread)) => (
                spread.busy,
                format!(
                    "{:.0} % of it in bursts, which a queue on the way spreads to about {} KB/s",
                    spread.share * 100.0,
                    spread.rate / 1_000
                ),
            ),
            (None, None) => return None,
        };
        // What the full queue drops is its own doing as well.
        let dropped = self.blocked(self.to, |one| one.sendings.len() > 1);
        Some(self.finding(
            Kind::Bandwidth,
            cost.max(dropped),
            format!("{} sends more than the link carries: {shows}", self.name),
            "send less: a congestion control (ikcp_setcc with ikcpx_bbr), or a send window of the link's rate * RTT / mss",
        ))
    }

    fn windows(&self) -> Vec<Finding> {
        let mut all = Vec::new();
        let sender = self.sender;
        let queue = self.bandwidth();
        let fills_the_link = queue.is_some();
        all.extend(queue);
        let shut: Time = sender.closed.iter().map(|one| one.to - one.from).sum();
        let waits = sender.shrunk_for - shut;
        // Also where the sender has room, what has arrived waits for the program; unless it is only a part of a message.
        let whole = sender.most_fragments * 4 <= sender.largest_window;
        let shrunk = match whole && waits > sender.busy / 5 {
            true => waits.min(sender.busy),
            false => sender.at_shrunk_window,
        };
        if shrunk > sender.busy / 20 {
            all.push(self.finding(
                Kind::NotReading,
                shrunk,
                format!(
                    "{} waited for room: {} did not read what it had received, so its window shrank",
                    self.name, self.peer_name
                ),
                "call ikcp_recv until it returns a negative number, after each ikcp_input and ikcp_update",
            ));
        }
        if fills_the_link || self.loses_too_many() {
            return all;
        }
        let lost = self.lost().count();
        let most = self.settings.most_in_flight;
        let full = sender.at_peer_window;
        if self.fills_peer_window() {
            all.push(self.finding(
                Kind::PeerWindow,
                full,
                format!(
                    "{} had as much in flight as the receive window of {} allows ({} segments) for {} % of the busy time",
                    self.name,
                    self.peer_name,
                    sender.largest_window,
                    full * 100 / sender.busy.max(1)
                ),
                "a larger receive window at the receiver: ikcp_wndsize(kcp, snd, rcv), at least bytes per second * RTT / mss",
            ));
            return all;
        }
        let (several, fills_up) = (self.sends_several(), self.fills_up());
        let model = &sender.window_model;
        if self.fills_congestion_window()
            && most >= 4
            && several
            && !fills_up
            && sender.share_held(2, self.room_within()) > 0.3
        {
            all.push(self.finding(
                Kind::CongestionWindow,
                model.full,
                format!(
                    "{} keeps to a congestion window, which was full for {} % of the busy time",
                    self.name,
                    model.full * 100 / sender.busy.max(1)
                ),
                "nc = 1 in ikcp_nodelay, or a congestion control that does not take each loss for a full link (ikcpx_bbr)",
            ));
        } else if self.settings.share_at_most > 0.3
            && (most >= 16
                || (lost >= 3 && most >= 2)
                || (several
                    && most >= 4
                    && self.share_held() > 0.4
                    && self.flushes_rarely().is_none()))
            && sender.fresh >= FEW
            && self.is_held()
        {
            let cost = (sender.busy as f64 * self.settings.share_at_most) as Time;
            all.push(self.finding(
                Kind::OwnWindow,
                cost,
                format!(
                    "{} never had more than {most} segments in flight, and about that many for {:.0} % of the busy time: its send window",
                    self.name,
                    self.settings.share_at_most * 100.0
                ),
                "a larger send window: ikcp_wndsize(kcp, snd, rcv), at least bytes per second * RTT / mss",
            ));
        }
        all
    }

    fn peer_shut(&self) -> Vec<Finding> {
        let mut all = Vec::new();
        // A packet that tells is lost for as long as nothing is heard of it. Less than this is the usual pace of acknowledgements.
        let long = 1_000 * MS;
        let mut probed = 0;
        let mut shut = 0;
        for one in &self.sender.closed {
            let unheard = match one.to - one.shut_until {
                unheard if one.news_lost && unheard > long => unheard,
                _ => 0,
            };
            let lost = unheard.max(one.unanswered);
            probed += lost;
            shut += (one.to - one.from - lost).max(0);
        }
        if probed > 0 {
            all.push(self.finding(
                Kind::ProbeLost,
                probed,
                format!(
                    "{}'s window was shut, and its own word that it opened did not come, or no answer to a probe: that packet was lost, and \
                     the next probe goes out only after 7 s or more",
                    self.peer_name
                ),
                "a receive window that does not fill up; or read earlier, so that it never shuts",
            ));
        }
        if shut > 20 * MS {
            all.push(self.finding(
                Kind::NotReading,
                shut,
                format!(
                    "{}'s window was shut for {}: its program did not read",
                    self.peer_name,
                    seconds(shut)
                ),
                "call ikcp_recv until it returns a negative number, after each ikcp_input and ikcp_update",
            ));
        }
        all
    }

    /// The time between flushes, ms, where that is long, and not just the pace of the program's messages.
    fn flushes_rarely(&self) -> Option<u32> {
        let sender = self.sender;
        let several = |segments: u64, flushes: u64| segments > flushes + flushes / 8;
        // Full segments of messages that have one only, where no window makes several wait for room.
        let free = sender.most_fragments == 1
            && sender.at_peer_window + sender.at_shrunk_window < sender.busy / 10
            && !self.fills_congestion_window()
            && self.settings.share_at_most < 0.3;
        let gaps: u64 = sender.ts_gaps.values().sum();
        let flushes = gaps + 1;
        let batched =
            several(sender.small, sender.small_flushes) || (free && several(sender.fresh, flushes));
        // A grid may also be the clock of the program's messages. It is that of flushes where messages shared one, or where segments
        // were sent again on it and at no other time.
        let on_grid = |period: u32| {
            let off = |wait: u32| (wait % period).min(period - wait % period);
            // With the stamp of the one before, its clock did not move.
            let waits = self.resends.iter().map(|one| one.waited);
            let moved: Vec<u32> = waits.filter(|wait| *wait > 0).collect();
            let on = moved.iter().filter(|wait| off(**wait) * 10 <= period);
            let fits: Vec<u32> = on.copied().collect();
            let mut waits: Vec<u32> = fits
                .iter()
                .map(|wait| (wait + period / 2) / period)
                .collect();
            waits.sort_unstable();
            waits.dedup();
            fits.len() >= 8 && fits.len() * 10 >= moved.len() * 9 && waits.len() >= 3
        };
        // Gaps of one period and of several, without any between: the program's messages would fall on other times, too. On the usual
        // interval of 10 ms, messages at the program's own pace look like that as well.
        let in_steps = |period: u32| {
            let longer: u64 = sender
                .ts_gaps
                .range(period * 3 / 2..)
                .map(|(_, count)| count)
                .sum();
            gaps >= 50 && !period.is_multiple_of(10) && longer * 10 > gaps && longer * 10 < gaps * 9
        };
        // On a busy machine flushes keep to no grid, but none follows another sooner, although messages would have come sooner.
        let at_least = percentile(&sender.ts_gaps, 5).unwrap_or(0);
        let usual = percentile(&sender.ts_gaps, 50).unwrap_or(0);
        let loose = matches!(self.settings.flushes, Flushes::Free | Flushes::Every(..18))
            && gaps >= 50
            && batched
            && sender.clock_jumps.is_empty()
            && at_least >= 18
            && usual < 2 * at_least;
        let period = match self.settings.flushes {
            _ if loose => usual,
            Flushes::Every(period @ 18..) if on_grid(period) => return Some(period),
            Flushes::Every(period @ 18..) if batched || in_steps(period) => period,
            _ => return None,
        };
        // Not when something else is sent between: then the program's messages keep to that pace.
        let between = sender.sends_between(period) || self.resends_between(period);
        // Nor when a window is full until the last flush has been acknowledged.
        let trip = percentile(&sender.rtt, 50).unwrap_or(0);
        let round = (trip..trip + 12).contains(&period);
        let by_room = (self.fills_up() && self.is_held() && period < trip + 12)
            || (round && self.fills_congestion_window());
        if !between && !by_room && !sender.sends_like_bursts() {
            return Some(period);
        }
        // What is sent between may keep to a grid of its own: that of flushes, of which the program's messages use every second one.
        match causes::grid(&sender.packet_gaps) {
            Flushes::Every(finer @ 18..) if finer * 5 < period * 3 => Some(finer),
            _ => None,
        }
    }

    /// Segments were sent again at other times than those of rare flushes. Those that were sent again together tell it once.
    fn resends_between(&self, period: u32) -> bool {
        const ENOUGH: usize = 5;
        let off = |wait: u32| (wait % period).min(period - wait % period);
        let all: BTreeMap<Time, &Resend> = self.resends.iter().map(|one| (one.at, one)).collect();
        let seen = all.values().filter(|one| one.passed);
        let between = seen.clone().filter(|one| off(one.waited) * 5 > period);
        seen.count() >= ENOUGH && between.count() * 3 > all.len()
    }

    fn flushes(&self) -> Vec<Finding> {
        let mut all = Vec::new();
        let sender = self.sender;
        let flushes = sender.ts_gaps.values().sum::<u64>() + 1;
        all.extend(self.stalls());
        match (self.flushes_rarely(), self.settings.flushes) {
            (Some(period), _) => all.push(self.finding(
                Kind::LateFlush,
                flushes as Time * Time::from(period - 10) * MS / 2,
                format!(
                    "{} sends only every {period} ms: an interval of that length, or ikcp_update called that rarely; each message waits \
                     half of it, and so does each acknowledgement and resend",
                    self.name
                ),
                "interval 10 in ikcp_nodelay, ikcp_update when ikcp_check says, and ikcp_flush after ikcp_send and ikcp_input",
            )),
            (None, _) if let Some(interval @ 18..) = self.settings.interval => {
                // A timer is as much longer, and skips wait for the next flush.
                let later = Time::from(interval - 10) * MS;
                let later = |one: &Resend| match one.trigger {
                    Trigger::Timeout => later,
                    _ => later / 2,
                };
                let waits = self.resends.iter();
                all.push(self.finding(
                    Kind::LateFlush,
                    wall(waits.map(|one| (one.at - later(one), one.at))),
                    format!(
                        "{}'s interval is {interval} ms: timers of kcp-go are as much longer than the round trip, and what was skipped waits for the \
                         next flush",
                        self.name
                    ),
                    "SetNoDelay(1, 10, 2, 1) in kcp-go, -mode manual -interval 10 in kcptun",
                ));
            }
            (None, Flushes::Ticks) => all.push(self.finding(
                Kind::CoarseClock,
                flushes as Time * 15_625 / 2,
                format!(
                    "{}'s clock or timer has ticks of 15.6 ms: everything waits for the next one",
                    self.name
                ),
                "a clock in milliseconds (timeBeginPeriod(1) or QueryPerformanceCounter on Windows), and a timer as fine",
            )),
            _ => {}
        }
        if let Some(period) = self.peer_acknowledges_rarely() {
            let packets: u64 = self.peer_sender.packets;
            all.push(self.finding(
                Kind::LateFlush,
                (packets as Time * Time::from(period - 10) * MS / 2).min(self.to - self.from),
                format!(
                    "{} acknowledges only every {period} ms: an interval of that length, or ikcp_update called that rarely",
                    self.peer_name
                ),
                "at the receiver: interval 10 in ikcp_nodelay, ikcp_update when ikcp_check says, and ikcp_flush after ikcp_input",
            ));
        }
        all
    }

    /// Its program stood still a few times, and then sent at once what it had been given all that time at its usual pace.
    fn stalls(&self) -> Option<Finding> {
        const OFTEN: usize = 3;
        let (count, lasted, longest) = self.sender.stalls()?;
        (count >= OFTEN && !self.is_held()).then(|| {
            self.finding(
                Kind::LateFlush,
                lasted,
                format!(
                    "{count} times {} sent nothing for up to {}, and then at once what its program had given it: ikcp_update was not called for as long",
                    self.name,
                    seconds(longest)
                ),
                "nothing in the loop around ikcp_update that blocks: disks, name lookups, locks, long frames; or a thread of its own for it",
            )
        })
    }

    /// The time between packets of a peer that acknowledges several flushes in one, ms, where that is long.
    fn peer_acknowledges_rarely(&self) -> Option<u32> {
        let (sender, peer) = (self.sender, self.peer_sender);
        let own = peer.pushes;
        // Of one that spares numbers, the others are told by `una`.
        let acked_flushes = match sender.peer_tells_last() {
            true => sender.ts_gaps.values().sum::<u64>() + 1,
            false => sender.acked_flushes,
        };
        let several = acked_flushes * 2 > sender.ack_packets * 3;
        let period = super::ack_period(peer).filter(|period| *period >= 18)?;
        (several && (own < FEW || own * 2 < acked_flushes)).then_some(period)
    }

    fn other_pace(&self, pace: f64) -> Finding {
        /// One that counts seconds is faster than this.
        const STANDS: f64 = 0.000_1;
        let change = "milliseconds for ikcp_update, of a clock that neither a game's time scale nor another unit changes";
        let times = |number: f64| match number {
            10.0.. => format!("{number:.0}"),
            _ => format!("{number:.1}"),
        };
        let how = match pace {
            ..STANDS => "stands still: no interval ends, and no timer runs out".to_string(),
            STANDS..1.0 => format!(
                "runs {} times too slowly: its intervals and timeouts are as many times as long",
                times(1.0 / pace)
            ),
            _ => format!(
                "runs {} times too fast: its timeouts come too early, and what is not lost is sent again",
                times(pace)
            ),
        };
        let what = format!("{}'s clock {how}", self.name);
        self.finding(Kind::ClockJump, self.to - self.from, what, change)
    }

    /// Its stamps are whole seconds apart, which is not just the pace of the program's messages: those of resends are, too, or the stamps
    /// stand still while it sends.
    fn whole_seconds(&self) -> Option<Finding> {
        const ENOUGH: usize = 3;
        let again = self.resends.iter().filter(|one| one.waited > 0).count();
        let counts = self.sender.stamps_are_seconds()
            && (again >= ENOUGH || self.sender.stamps_stand() || self.sender.stamps_are_whole());
        let what = format!(
            "{}'s clock counts whole seconds, or moves only once in each: no interval or timeout is shorter",
            self.name
        );
        let change = "a clock in milliseconds for ikcp_update, called when ikcp_check says, and interval 10 in ikcp_nodelay";
        counts.then(|| self.finding(Kind::ClockJump, self.to - self.from, what, change))
    }

    fn clock(&self) -> Vec<Finding> {
        // Far from it, its packets may have come as much later. Then the round trip changes by that, too.
        let steps = self.trip_steps(self.peer_sender, self.sender);
        let is_the_way = |(at, by): &&(Time, i64)| {
            steps.iter().any(|(then, before, after)| {
                let change = i64::from(*after) - i64::from(*before);
                (at - then).abs() < 3_000 * MS && (change - by).abs() < by.abs() / 2
            })
        };
        let jumps: Vec<(Time, i64)> = self
            .sender
            .clock_jumps
            .iter()
            .filter(|jump| !is_the_way(jump))
            .copied()
            .collect();
        let jumped: i64 = jumps.iter().map(|(_, by)| by.abs()).sum();
        let Some((_, by)) = jumps.first() else {
            return Vec::new();
        };
        let direction = if *by > 0 {
            "back, or stood still"
        } else {
            "forward"
        };
        vec![self.finding(
            Kind::ClockJump,
            jumped.saturating_mul(MS).min(self.to - self.from),
            format!(
                "{}'s clock went {direction} by {} ms: while it is behind, ikcp_update sends nothing{}",
                self.name,
                by.abs(),
                match self.sender.is_near() {
                    true => "",
                    false => "; or its way here changed by as much, which a capture at its own machine tells",
                }
            ),
            "a monotonic clock for ikcp_update: CLOCK_MONOTONIC, GetTickCount64, never the time of day",
        )]
    }

    fn losses(&self) -> Vec<Finding> {
        let mut all = Vec::new();
        let sender = self.sender;
        let resent_by = |trigger: Trigger| {
            self.resends
                .iter()
                .filter(move |one| one.trigger == trigger)
        };
        // Nothing as large ever arrived.
        let too_large: u64 = sender
            .lost_sizes
            .range(sender.largest_acked + 1..)
            .map(|(_, count)| count)
            .sum();
        let is_too_large = |one: &super::sender::Segment| {
            one.size > sender.largest_acked
                && one.done.is_none()
                && one.sendings.iter().all(|sent| sent.acked.is_none())
        };
        let heard_after = |one: &super::sender::Segment, wait: Time| {
            let first = one.sendings[0].at;
            sender.last_arrived.is_some_and(|last| last > first + wait)
        };
        // Not one of many, while as many smaller ones that had left with them arrived.
        let beside = sender
            .resent
            .iter()
            .filter(|one| is_too_large(one) && heard_after(one, 0));
        let many = beside.count() as u64 >= FEW && sender.acked_by_number >= FEW;
        let wait = if many { 0 } else { 500 * MS };
        let never = self.blocked(self.to, |one| is_too_large(one) && heard_after(one, wait));
        if too_large >= 1 && sender.largest_acked > 0 && never > 500 * MS {
            all.push(self.finding(
                Kind::Mtu,
                never,
                format!(
                    "no packet of {} larger than {} bytes arrived, though packets of up to {} bytes were sent, again and again",
                    self.name, sender.largest_acked, sender.largest_datagram
                ),
                SMALLER_MTU,
            ));
        } else {
            all.extend(self.never_came());
        }
        if self.settings.fast_resend == FastResend::Off {
            let cost = wall(resent_by(Trigger::Timeout).map(|one| (one.at - one.by_skips, one.at)));
            if cost > 0 {
                all.push(self.finding(
                    Kind::ResendOff,
                    cost,
                    format!(
                        "{} waits for timeouts although later segments were acknowledged: fast resend is off",
                        self.name
                    ),
                    "resend = 2 in ikcp_nodelay",
                ));
            }
        }
        // Set forward, its clock makes one round trip as long as that, and the timeouts after it.
        let set_forward = sender.clock_jumps.iter().any(|(_, by)| *by < 0);
        if let Some(least) = self.settings.minrto.filter(|_| !set_forward) {
            // Skips sent some of them before the timer did, but later than a shorter one would have.
            let flush = (self.settings.flushes.period() / MS) as u32;
            let until = sender.answers_until().unwrap_or(Time::MAX);
            let answered = self.resends.iter();
            let answered = answered.filter(|one| one.at <= until && !self.is_cut(one));
            let cost = wall(answered.map(|one| {
                let more = match one.trigger {
                    Trigger::Timeout => one.waited.saturating_sub(one.estimate),
                    _ => one.waited.saturating_sub(one.estimate + flush),
                };
                (one.at - Time::from(more) * MS, one.at)
            }));
            all.push(self.finding(
                Kind::LeastTimeout,
                cost,
                format!(
                    "{}'s timeouts are {least} ms or more, although round trips ask for {} ms",
                    self.name,
                    self.resends.iter().map(|one| one.estimate).min().unwrap_or(0)
                ),
                match self.settings.nodelay {
                    Some(0) => "nodelay 1 in ikcp_nodelay: the least timeout is then 30 ms and no longer 100 ms, and timeouts grow by half",
                    _ => "a smaller kcp->rx_minrto: ikcp_nodelay sets 30 with nodelay 1 or 2, and 100 with nodelay 0",
                },
            ));
        }
        let lost = self.lost().count();
        let lost_by = |trigger: Trigger| self.lost().filter(|one| one.trigger == trigger).count();
        // Less what the timers could have spared.
        let spared: Time = all.iter().map(|one| one.cost).sum();
        let blocked = (self.blocked_by_loss() - spared).max(0);
        let (place, advice) = self.overrun().or_else(|| self.policed()).unzip();
        let place = place.unwrap_or_default();
        let (packets, more) = causes::runs(sender, self.lost());
        let after_loss = more as f64 / packets.max(1) as f64;
        let loss = self.loss();
        if packets >= 8 && after_loss > 0.4 && after_loss > 2.5 * loss {
            all.push(self.finding(
                Kind::BurstLoss,
                blocked,
                format!(
                    "{:.1} % of {}'s segments were lost, in bursts: after a loss the next one is lost in {:.0} % of cases{place}",
                    loss * 100.0,
                    self.name,
                    after_loss * 100.0
                ),
                advice.unwrap_or("shorter timeouts (nodelay 1, interval 10, a small rx_minrto): in a burst no later segment tells of the loss. Copies of \
                 packets only help when sent later than a burst lasts"),
            ));
        } else if lost >= 3 && sender.fresh >= FEW && !sender.rtt.is_empty() {
            all.push(self.finding(
                Kind::Loss,
                blocked,
                format!(
                    "{:.1} % of {}'s segments were lost: {} were sent again by timeout, {} by skips{place}",
                    loss * 100.0,
                    self.name,
                    lost_by(Trigger::Timeout),
                    lost_by(Trigger::Skip)
                ),
                advice.unwrap_or(&self.against_loss()),
            ));
        }
        for one in &mut all {
            one.usual = advice.is_none() || !matches!(one.kind, Kind::Loss | Kind::BurstLoss);
        }
        let needless = self
            .resends
            .iter()
            .filter(|one| one.need == Need::AckLost && !self.is_cut(one))
            .count();
        // Those that nothing else made up for led to a resend.
        let arrived = sender.acked_by_number + sender.acked_by_una;
        let ack_loss = match sender.ack_loss() {
            _ if sender.peer_tells_last() || self.peer_sender.is_cut() => 0.0,
            Some((share, _)) if !sender.is_near() => share,
            Some(_) => {
                let cut: u64 = sender
                    .outages
                    .found
                    .iter()
                    .map(|one| u64::from(one.unheard))
                    .sum();
                let lost = sender.acked_by_una.saturating_sub(cut) + needless as u64;
                lost as f64 / (arrived + needless as u64).max(1) as f64
            }
            None => 0.0,
        };
        // The capture lacks as many packets of both directions.
        let ack_loss = ack_loss - sender.uncaptured_share();
        // Then as many of the peer's segments would be lost.
        let expected = ack_loss * self.peer_sender.fresh as f64;
        let comes_back = expected > 10.0 && (self.peer_losses as f64) < expected / 4.0;
        if ack_loss > 0.02
            && !comes_back
            && ack_loss > 1.5 * loss
            && sender.acked_by_number + sender.acked_by_una >= FEW
            && (needless >= 3 || sender.acked_by_una >= 10)
        {
            // Until another acknowledgement told the same.
            let cost = wall(
                resent_by(Trigger::Timeout)
                    .filter(|one| one.need == Need::AckLost && !self.is_cut(one))
                    .filter(|one| !sender.is_kept_waiting(one.since(), one.at))
                    .map(|one| (one.since(), one.at)),
            );
            all.push(self.finding(
                Kind::AckLoss,
                cost.max((blocked as f64 * ack_loss) as Time).max(10 * MS * sender.acked_by_una as Time).min(self.to - self.from),
                format!(
                    "{:.1} % of the acknowledgements for {} were lost on the way back, more than of its segments; {needless} segments were sent \
                     again for nothing",
                    ack_loss * 100.0,
                    self.name
                ),
                "look at the way back: its rate is exceeded, or its network loses. Larger windows on both sides carry over",
            ));
        }
        // Seen from the receiver: what arrived twice was acknowledged, and the sender did not know.
        let twice = self
            .resends
            .iter()
            .filter(|one| one.need != Need::Lost && one.trigger == Trigger::Timeout)
            // Copies are sent sooner.
            .filter(|one| f64::from(one.waited) > SOONEST_TIMER * f64::from(one.estimate))
            .filter(|one| !self.is_cut(one))
            .filter(|one| !sender.is_kept_waiting(one.since(), one.at));
        // A timer this close to the round trip runs out before an acknowledgement that waited for two flushes. Nothing else explains it
        // where no packet of the peer is known to be lost.
        let trip = self.peer_trip().filter(|_| self.peer_losses < 3);
        let twice = twice.filter(|one| trip.is_none_or(|trip| one.waited >= trip + 20));
        let overtaken = sender.reordered >= 5;
        let count = twice.clone().count();
        // Where timeouts are short, those segments are sent twice of which word was late; any of them where acknowledgements are lost.
        let late_ones = |percent: u64| self.arrived_late(twice.clone(), percent);
        let short_timeouts =
            late_ones(75) * 2 > count || (count as u64 >= FEW && late_ones(50) * 10 > count * 9);
        let comes_through = self.peer_comes_through();
        if !sender.is_near()
            && !comes_through
            && !overtaken
            && self.peer_acknowledges_rarely().is_none()
            && count >= 5
            && count > 2 * lost
            && !short_timeouts
        {
            all.push(self.finding(
                Kind::AckLoss,
                wall(twice.clone().map(|one| (one.since(), one.at))),
                format!(
                    "{} of {}'s segments arrived here and were sent again by timeout: their acknowledgements were lost behind this point, or \
                     came too late for its timeouts",
                    count,
                    self.name
                ),
                "look at the way from the receiver to the sender; a larger rx_minrto if round trips vary by much",
            ));
        }
        let underway = self.resends.iter().filter(|one| one.need == Need::Underway);
        let early = underway
            .clone()
            .filter(|one| one.trigger == Trigger::Timeout)
            .filter(|one| !sender.is_kept_waiting(one.since(), one.at))
            .count() as u64;
        let early = match short_timeouts && !sender.lag_known {
            true => early.max(count as u64),
            false => early,
        };
        let sent = sender.fresh + sender.resends;
        // Where nothing waits for room, a needless resend delays nothing.
        let own_window = self.settings.share_at_most > 0.3 && self.settings.most_in_flight >= 16;
        let limited = (own_window && self.is_held()) || self.fills_peer_window();
        if early >= FEW && early * 30 > sent && limited {
            all.push(self.finding(
                Kind::EarlyTimeouts,
                (sender.busy as f64 * early as f64 / sent as f64) as Time,
                format!(
                    "{early} segments of {} were sent again by timeout while their acknowledgements were on the way: its timeouts are too \
                     short, and {:.0} % of what it sends is for nothing",
                    self.name,
                    early as f64 * 100.0 / sent as f64
                ),
                "a larger kcp->rx_minrto, or acknowledgements that come at a steadier pace: at the receiver interval 10, and ikcp_flush \
                 after ikcp_input",
            ));
        }
        // Senders that count acknowledgements of what was sent before a resend as skips of it send what was lost once more.
        let lost_before: HashSet<u32> = self.lost().map(|one| one.sn).collect();
        let by_skip: Vec<&Resend> = underway
            .filter(|one| one.trigger == Trigger::Skip && !lost_before.contains(&one.sn))
            .collect();
        let often = by_skip.len() >= 3 && by_skip.len() as u64 * 1_000 >= sender.fresh;
        if often || sender.reordered >= 5 {
            all.push(self.finding(
                Kind::Reordering,
                // What a needless resend holds up is little: the room of its packet, and of its acknowledgement.
                wall(by_skip.iter().map(|one| (one.at - 10 * MS, one.at)))
                    + (sender.reordered as Time * MS).min(sender.busy / 10),
                format!(
                    "packets of {} overtake each other: {} were sent again for nothing since later ones arrived first",
                    self.name,
                    by_skip.len()
                ),
                "resend = 3 or more in ikcp_nodelay, or loss told by time (ikcpx_rack)",
            ));
        }
        all
    }

    /// A segment did not come in all its transmissions, while later ones did for so long that it was sent several times.
    fn never_came(&self) -> Option<Finding> {
        /// So many are no chance.
        const MANY: u64 = 5;
        let sender = self.sender;
        let NeverCame {
            since,
            later,
            alike,
        } = sender.never_came?;
        let lasted = sender.last_acked? - since;
        // It may come as late as others did that were lost on the way, and its first timer may be three round trips.
        let others = sender.resent.iter().filter(|one| one.sendings[0].hidden);
        let delays = others.filter_map(|one| Some(one.done? - one.sendings[0].at));
        let delays: Vec<Time> = delays.collect();
        let latest = delays.iter().max().copied().unwrap_or(0);
        let late = delays.iter().filter(|one| **one > LATE).count() as u64;
        // What the path takes comes soon, and the rest never does, which a full queue does not choose.
        let many =
            !sender.is_near() && alike >= MANY && alike > 2 * late && self.bandwidth().is_none();
        let trip = Time::from(percentile(&sender.rtt, 50).unwrap_or(0)) * MS;
        let long = LATE
            .max(if many { latest } else { 2 * latest })
            .max(4 * trip);
        // After an outage the next timer may be far away, and so it is by a clock that is behind.
        let no_timer = self.is_cut_at(since) || !sender.clock_jumps.is_empty();
        let chance = later < FEW || lasted < long || (!many && self.loses_too_many()) || no_timer;
        (!chance && sender.peer_restarts.is_empty()).then(|| {
            self.finding(
                Kind::Mtu,
                self.to - since,
                format!(
                    "a segment of {} never came as far as this capture, while {later} later ones came, in packets of up to {} bytes: its packet is \
                     larger than the path takes",
                    self.name, sender.largest_acked
                ),
                SMALLER_MTU,
            )
        })
    }

    /// Where most that was lost had come as far as the receiver's machine, words for that, and what to change.
    fn overrun(&self) -> Option<(String, &'static str)> {
        let arrived = self.lost().filter(|one| one.passed).count();
        let at_receiver = self.peer_sender.is_near() && !self.sender.is_near();
        (at_receiver && arrived * 2 > self.lost().count()).then(|| {
            (
                format!(
                    ". {arrived} of them had come as far as this capture: the buffer of {}'s socket was full, or what is behind the capture \
                     loses",
                    self.peer_name
                ),
                "a larger receive buffer of the socket (SO_RCVBUF, net.core.rmem_max), which a loop of its own empties; or a smaller window",
            )
        })
    }

    /// The same where so much is lost that its rate may be to blame.
    fn policed(&self) -> Option<(String, &'static str)> {
        self.loses_too_many().then(|| {
            (
                ". So many are rarely lost by chance: a policer drops what is above its rate".to_string(),
                "send less, and see whether less is lost: a congestion control (ikcp_setcc with ikcpx_bbr), or a smaller send window",
            )
        })
    }

    /// The settings against loss that the sender is not seen to have.
    fn against_loss(&self) -> String {
        let Settings {
            nodelay,
            flushes,
            fast_resend,
            ..
        } = self.settings;
        let advised = [
            (*nodelay != Some(1), "nodelay 1, "),
            (
                self.flushes_rarely().is_some() || *flushes == Flushes::Unknown,
                "interval 10, ",
            ),
            (
                !matches!(fast_resend, FastResend::After(..=2)),
                "resend 2, ",
            ),
        ];
        let advised: String = advised
            .iter()
            .filter(|one| one.0)
            .map(|one| one.1)
            .collect();
        format!(
            "{advised}ikcp_flush after ikcp_send and ikcp_input; redundancy (ikcpx_redundancy) for what must not be late"
        )
    }

    fn identity(&self) -> Vec<Finding> {
        let mut all = Vec::new();
        let sender = self.sender;
        let doubled = sender.doubles >= FEW && sender.doubles * 100 > sender.fresh;
        let two = sender.conflicts >= 5 || doubled;
        if two && let Some(first) = sender.first_conflict {
            all.push(self.finding(
                Kind::TwoSenders,
                self.to - first,
                format!(
                    "{} numbers its segments twice, at the same time ({} of them collide): two objects send on one conv",
                    self.name,
                    sender.conflicts + sender.doubles
                ),
                "a conv of its own for each connection, and a new one for each new connection",
            ));
        }
        if let Some(at) = sender.peer_restarts.first() {
            all.push(self.finding(
                Kind::PeerRestarted,
                self.to - at,
                format!(
                    "{} began again with the same conv: it acknowledges less than before, and waits for segments that it had received",
                    self.peer_name
                ),
                "a new conv for each connection (ikcp_create at both ends), and a message that tells the peer so",
            ));
        }
        if let Some(at) = sender.restarts.first()
            && !two
        {
            all.push(self.finding(
                Kind::SenderRestarted,
                self.to - at,
                format!("{} began again with the same conv, from number 0", self.name),
                "a new conv for each connection (ikcp_create at both ends), and a message that tells the peer so",
            ));
        }
        // Where its own stamps show that its clock went back, that is told of it.
        let stills = sender.stills.iter();
        let unexplained = stills.filter(|(from, to)| !self.peer_sender.is_behind(*from, *to));
        let still: Time = unexplained.map(|(from, to)| to - from).sum();
        if still > 0 {
            all.push(self.finding(
                Kind::StoodStill,
                still,
                format!(
                    "{} sent nothing for {}, and then acknowledged what it had received all along: its clock was set back, or its program \
                     did not call ikcp_update",
                    self.peer_name,
                    seconds(still)
                ),
                "at the peer: a monotonic clock for ikcp_update, and nothing in its loop that blocks",
            ));
        }
        let silent_since = sender.last_heard.filter(|heard| {
            let since = self.resends.iter().filter(|one| one.at > *heard).count();
            since >= 3 && sender.last.is_some_and(|last| last - heard > 4 * SILENCE)
        });
        all.extend(silent_since.map(|heard| self.silent(heard)));
        /// A packet of which some paths drop all, bytes.
        const LARGE: u32 = 1_000;
        const WHERE_TO_LOOK: &str = "the same conv at both ends; a socket that is read; no firewall between; or the capture has only one \
             direction";
        let heard = sender.rtt.values().sum::<u64>();
        if heard == 0 && sender.fresh + sender.resends >= 3 {
            let peer_speaks = self.peer_sender.packets > 0;
            all.push(self.finding(
                Kind::NoAnswer,
                self.to - sender.first.unwrap_or(self.from),
                match peer_speaks {
                    true => format!("{} answers, but acknowledges nothing that {} sends", self.peer_name, self.name),
                    false => format!("{} answers nothing", self.peer_name),
                },
                &match sender.lost_sizes.first_key_value() {
                    Some((least, _)) if *least > LARGE && !peer_speaks => format!(
                        "a smaller mtu, if the path drops packets of {least} bytes, as large as all of these were; or {WHERE_TO_LOOK}"
                    ),
                    _ => WHERE_TO_LOOK.to_string(),
                },
            ));
        }
        all
    }

    /// Nothing of KCP came after this.
    fn silent(&self, heard: Time) -> Finding {
        let (name, peer) = (self.name, self.peer_name);
        // Its machine and the way back are there.
        let alive = self.peer_beside.is_some_and(|at| at > heard + SILENCE);
        let (what, change) = match alive {
            true => (
                format!(
                    "{peer} went on to send datagrams without KCP, but acknowledged nothing any more, while {name} sent again and again"
                ),
                "the way back is open, so the peer's program does not take packets of KCP any more, or they do not reach it: it closed this \
                 connection, began again with another conv, or does not call ikcp_input and ikcp_update",
            ),
            false => (
                format!("{peer} was not heard any more, while {name} sent again and again"),
                "the peer is gone, began again with nothing received, or the way back is cut: look at the peer",
            ),
        };
        self.finding(Kind::PeerSilent, self.to - heard, what, change)
    }

    fn idle(&self) -> Vec<Finding> {
        // An end that only asks, or that the other one keeps waiting, has nothing to send.
        let peer = self.peer_sender;
        if self.sender.fresh < 5 || self.sender.payload < peer.payload {
            return Vec::new();
        }
        // One that sends about as much may be what it waits for.
        let peer_sends = peer.fresh >= FEW && peer.payload * 4 > self.sender.payload;
        let both_idle = |(from, to): (Time, Time)| -> Time {
            match peer_sends {
                false => to - from,
                true => {
                    let within = |gap: &(Time, Time)| overlap(*gap, (from, to));
                    peer.idle.iter().map(within).sum()
                }
            }
        };
        let overlaps = |(from, to): (Time, Time)| {
            let jump = self
                .sender
                .clock_jumps
                .iter()
                .any(|(at, _)| from <= *at && *at <= to + 1_000 * MS);
            self.sender.is_shut_out(from, to) || jump
        };
        let idle: Time = self
            .sender
            .idle
            .iter()
            .filter(|gap| !overlaps(**gap))
            .map(|gap| both_idle(*gap))
            .sum();
        if idle * 5 < self.to - self.from {
            return Vec::new();
        }
        vec![self.finding(
            Kind::Idle,
            idle,
            format!(
                "{} had nothing to send for {}: all was acknowledged, and the program gave no more{}",
                self.name,
                seconds(idle),
                match self.sender.is_near() {
                    true => "",
                    false => "; or nothing of it came through, which a capture at its own machine tells",
                }
            ),
            "nothing in KCP: look at what the program waits for",
        )]
    }
}

/// The most costly ones of each kind and side.
pub fn rank(mut all: Vec<Finding>) -> Vec<Finding> {
    all.sort_by(|a, b| b.cost.cmp(&a.cost).then(a.kind.cmp(&b.kind)));
    let mut told = Vec::new();
    all.retain(|one| {
        let new = !told.contains(&(one.kind, one.side));
        told.push((one.kind, one.side));
        new && one.cost >= 10 * MS
    });
    all.truncate(MOST);
    all
}
