//! Why each segment was sent again, and whether that was needed; and the settings of the sender that this shows.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::sender::{
    BY_ANY, BY_STAMP, Histogram, MS, SKIPS, Segment, Sender, Sending, Time, percentile,
};

/// What made the sender send it again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Trigger {
    /// Its timer ran out.
    Timeout,
    /// Later segments were acknowledged.
    Skip,
    /// Neither: a sender that tells loss by time, or sends copies.
    Early,
}

/// Whether it was needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Need {
    Lost,
    /// It had arrived, and no acknowledgement had come back.
    AckLost,
    /// It had arrived, and its acknowledgement was on its way.
    Underway,
}

impl fmt::Display for Trigger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Trigger::Timeout => "timeout",
            Trigger::Skip => "skip",
            Trigger::Early => "early",
        })
    }
}

impl fmt::Display for Need {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Need::Lost => "segment lost",
            Need::AckLost => "needless: its acknowledgement was lost",
            Need::Underway => "needless: it was on its way, or its acknowledgement",
        })
    }
}

/// One transmission beyond the first.
#[derive(Debug, Clone)]
pub struct Resend {
    pub at: Time,
    /// Had it come here as fast as the fastest.
    pub sent: Time,
    pub sn: u32,
    pub trigger: Trigger,
    pub need: Need,
    /// Since the transmission before it, by the sender's clock, ms.
    pub waited: u32,
    /// What the timer would have been without a least timeout, ms.
    pub estimate: u32,
    /// How much earlier two skips would have sent it again, if the sender had looked at them.
    pub by_skips: Time,
}

impl Resend {
    /// When the transmission before it was sent.
    pub fn since(&self) -> Time {
        self.at - Time::from(self.waited) * MS
    }
}

/// From how many skips on a segment is sent again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FastResend {
    After(u32),
    Off,
    /// So many skips were not enough, and no segment was skipped more often that could tell.
    MoreThan(u32),
}

/// How a sender flushes, as its clock stamps show.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Flushes {
    /// On a grid of this many milliseconds.
    Every(u32),
    /// On ticks of a clock with 64 of them in a second.
    Ticks,
    /// At any time.
    Free,
    Unknown,
}

/// What shows of a sender's settings.
#[derive(Debug, Clone)]
pub struct Settings {
    pub flushes: Flushes,
    pub fast_resend: FastResend,
    /// By which of the rules it counts skips.
    pub skip_rule: usize,
    /// 0: its timeouts double. 1: they grow by half, as with 2.
    pub nodelay: Option<u32>,
    /// A least timeout that lies above what the estimate asks for.
    pub minrto: Option<u32>,
    /// The most segments that were in flight, and for which share of the busy time nearly that many were.
    pub most_in_flight: u32,
    pub share_at_most: f64,
    pub keeps_congestion_window: bool,
}

/// The grid on which most of these gaps are, with the share of them that must be.
fn grid(gaps: &Histogram) -> Flushes {
    let total: u64 = gaps.values().sum();
    if total < 20 {
        return Flushes::Unknown;
    }
    let fitting = |period: f64, tolerance: f64| {
        let fit: u64 = gaps
            .iter()
            .filter(|(gap, _)| {
                let gap = f64::from(**gap);
                let multiple = (gap / period).round();
                multiple >= 1.0 && (gap - multiple * period).abs() <= tolerance
            })
            .map(|(_, count)| count)
            .sum();
        fit as f64 / total as f64
    };
    const TICK: f64 = 15.625;
    let has = |gap: u32| gaps.get(&gap).copied().unwrap_or(0) * 20 > total;
    if fitting(TICK, 1.0) >= 0.95
        && (has(15) || has(31))
        && (has(16) || has(31) || has(32))
        && fitting(10.0, 1.0) < 0.9
    {
        return Flushes::Ticks;
    }
    (4..=500u32)
        .rev()
        .find(|period| fitting(f64::from(*period), (f64::from(*period) / 20.0).min(2.0)) >= 0.90)
        .map_or(Flushes::Free, |largest| {
            // The tolerance lets in some that are a little too long.
            let exact = |period: &u32| (fitting(f64::from(*period), 0.5) * 1e6) as u64;
            let shortest = largest - largest / 10;
            let best = (shortest..=largest).max_by_key(exact);
            Flushes::Every(best.unwrap_or(largest))
        })
}

impl Flushes {
    /// The time between two, as far as it is known.
    pub fn period(self) -> Time {
        match self {
            Flushes::Every(period) => Time::from(period) * MS,
            Flushes::Ticks => 15_625,
            Flushes::Free | Flushes::Unknown => 10 * MS,
        }
    }
}

/// From how many skips on segments are sent again, and by which rule those are counted.
fn fast_resend(sender: &Sender, period: Time) -> (FastResend, usize) {
    let by = [BY_STAMP, BY_ANY].map(|rule| fast_resend_by(sender, period, rule));
    let fits = |rule: usize| matches!(by[rule].0, FastResend::After(_));
    let rule = match (fits(BY_STAMP), fits(BY_ANY)) {
        (true, true) if by[BY_ANY].1 < by[BY_STAMP].1 => BY_ANY,
        (false, true) => BY_ANY,
        _ => BY_STAMP,
    };
    (by[rule].0, rule)
}

/// The same by one rule, with the share of skips that it does not explain.
fn fast_resend_by(sender: &Sender, period: Time, rule: usize) -> (FastResend, f64) {
    // Where the sender is far away, the way back and forth blurs the moment.
    let blur = if sender.lag() == 0 { 2 * MS } else { 6 * MS };
    let prompt = period + blur;
    let mut too_few = 0;
    let (mut all, mut sooner) = (0, 0);
    for count in 1..=SKIPS as u32 {
        let (mut resent, mut not) = (0u32, 0u32);
        let events = sender.skip_events.iter();
        for event in events.filter(|event| (event.rule, event.count) == (rule, count)) {
            match (event.resent, event.done) {
                // Or because its timer ran out: that tells nothing.
                (Some(after), _) if after <= prompt && event.timed => {}
                (Some(after), _) if after <= prompt => resent += 1,
                // It arrived before the next flush could send it again.
                (_, Some(done)) if done <= prompt => {}
                _ => not += 1,
            }
        }
        if resent + not >= 3 && resent * 5 >= (not + resent) * 4 {
            let wrong = f64::from(sooner + not) / f64::from(all + resent + not);
            return (FastResend::After(count), wrong);
        }
        all += resent + not;
        sooner += resent;
        if resent + not >= 3 {
            too_few = count;
        }
    }
    let none = match too_few {
        // Where some were sent again that soon, this is only not seen well.
        // Far from the sender it is never seen well.
        3.. if sooner * 10 < all && sender.is_near() => FastResend::Off,
        _ => FastResend::MoreThan(too_few),
    };
    (none, 1.0)
}

fn waited(before: &Sending, after: &Sending) -> u32 {
    // A clock that was set back makes it negative.
    after
        .ts
        .wrapping_sub(before.ts)
        .cast_signed()
        .max(0)
        .cast_unsigned()
}

impl Settings {
    pub fn of(sender: &Sender) -> Settings {
        let flushes = match sender.coarse_stamps {
            // An interval of 16 ms does not keep to multiples of it.
            (coarse, all) if all >= 50 && coarse * 50 >= all * 49 => Flushes::Ticks,
            _ => grid(&sender.ts_gaps),
        };
        let period = flushes.period();
        let (fast_resend, skip_rule) = fast_resend(sender, period);
        // Timers of segments that were sent once before.
        let mut excess = Vec::new();
        let mut waits = Vec::new();
        let mut doubles = Vec::new();
        for segment in &sender.resent {
            let timed = |index: usize| -> Option<u32> {
                let (before, after) = (
                    segment.sendings.get(index)?,
                    segment.sendings.get(index + 1)?,
                );
                let skipped = match fast_resend {
                    FastResend::After(count) => before.skips[skip_rule].count >= count,
                    FastResend::Off => false,
                    FastResend::MoreThan(count) => before.skips[skip_rule].count > count,
                };
                (!skipped && !before.hidden).then(|| waited(before, after))
            };
            if let Some(first) = timed(0) {
                let estimate = segment.sendings[0].timeout(period);
                waits.push(first);
                // With nodelay 0 the first timer is an eighth longer.
                excess.push(i64::from(first) - i64::from(estimate + estimate / 8));
                if let Some(second) = timed(1) {
                    doubles.push(i64::from(second) > i64::from(first + first / 2) + period / MS);
                }
            }
        }
        waits.sort_unstable();
        excess.sort_unstable();
        let doubling = doubles.iter().filter(|doubles| **doubles).count();
        let nodelay = (!doubles.is_empty()).then(|| u32::from(doubling * 2 < doubles.len()));
        // When nearly all timers are the same and longer than the estimates, a least timeout holds them up.
        let slack = (period / MS) as u32 + 4;
        // Segments that were sent before the first round trip was known have a timer of 200 ms, whatever the least is.
        let minrto = waits.get(waits.len() / 10).copied().filter(|least| {
            let same = waits.iter().filter(|wait| **wait <= least + slack).count();
            let above = excess
                .get(excess.len() / 4)
                .is_some_and(|low| *low > i64::from(slack));
            sender.is_near() && waits.len() >= 4 && same * 10 >= waits.len() * 6 && above
        });
        let most_in_flight = sender.in_flight.keys().next_back().copied().unwrap_or(0);
        // Far from the sender nobody knows exactly when it heard of what had arrived.
        let near_most = most_in_flight - most_in_flight / if sender.lag() == 0 { 10 } else { 4 };
        let at_most: Time = sender
            .in_flight
            .range(near_most..)
            .map(|(_, time)| time)
            .sum();
        Settings {
            flushes,
            fast_resend,
            skip_rule,
            nodelay,
            minrto,
            most_in_flight,
            share_at_most: at_most as f64 / sender.busy.max(1) as f64,
            keeps_congestion_window: sender.window_model.is_kept(),
        }
    }
}

/// The verdict on each transmission beyond the first, in the order of time.
pub fn resends(sender: &Sender, settings: &Settings) -> Vec<Resend> {
    let near = percentile(&sender.near, 2).map_or(0, |near| Time::from(near) * MS * 9 / 10);
    // What nobody has answered is sent again together: the packets that carried it, and when they were sent.
    let mut silent: BTreeMap<Time, (BTreeSet<u64>, BTreeSet<Time>)> = BTreeMap::new();
    for segment in &sender.resent {
        for pair in segment.sendings.windows(2) {
            if !pair[0].is_skipped() && pair[0].acked.is_none() && !pair[0].hidden {
                let (packets, flushes) = silent.entry(pair[1].sent).or_default();
                packets.insert(pair[0].packet);
                flushes.insert(pair[0].sent / (10 * MS));
            }
        }
    }
    let mut all = Vec::new();
    let mut unsure = Vec::new();
    let mut gaps = Vec::new();
    for segment in &sender.resent {
        let mut past = Past::new(segment, settings);
        for index in 1..segment.sendings.len() {
            let mut one = past.judge(index, (near, sender.lag()), sender.is_near());
            if !sender.is_near() && past.misses_some(index, &one) {
                gaps.push(all.len());
            }
            let before = &segment.sendings[..index];
            let unheard = before
                .iter()
                .all(|one| !one.is_skipped() && one.acked.is_none() && !one.hidden);
            if one.need == Need::Lost && unheard {
                match segment.others_unheard && index + 1 == segment.sendings.len() {
                    true => one.need = Need::AckLost,
                    // To a peer that is gone both ways are cut.
                    false if sender.answers_until().is_some_and(|until| one.at > until) => {}
                    false => unsure.push(all.len()),
                }
            }
            all.push(one);
        }
    }
    // Where many are lost, so are many that were sent again, unseen. It was skips that sent what came after those, if they do that here: a
    // timeout leaves the skips before it, and more come.
    let skips = all.iter().any(|one| one.trigger == Trigger::Skip);
    if skips && all.len() as u64 * 8 > sender.fresh + sender.resends {
        gaps.iter()
            .for_each(|index| all[*index].trigger = Trigger::Skip);
    }
    // Either the packets were lost, or the acknowledgements: what is likelier, by what is known of the two ways.
    let (acks, acks_after) = sender.ack_loss().unwrap_or((0.0, 0.0));
    let groups = |wanted: fn(usize) -> bool| {
        let times: BTreeSet<Time> = unsure.iter().map(|index| all[*index].sent).collect();
        let count = |sent: &Time| silent.get(sent).map_or(0, |group| group.0.len());
        times.iter().filter(|at| wanted(count(at))).count() as f64
    };
    // Flushes after which nothing was sent for so long that only their own acknowledgements could spare a timeout.
    let mut waits: Vec<u32> = unsure.iter().map(|index| all[*index].waited).collect();
    waits.sort_unstable();
    let trip = percentile(&sender.rtt, 50).unwrap_or(0);
    let spare = waits
        .get(waits.len() / 2)
        .map_or(0, |wait| wait.saturating_sub(trip));
    let flush = (settings.flushes.period() / MS) as u32;
    let alone: u64 = sender
        .ts_gaps
        .range(spare + 2 * flush..)
        .map(|(_, count)| count)
        .sum();
    let by_acks_alone = acks * alone as f64;
    let (sure, after) = data_loss(sender, &all, &unsure);
    let others = (groups(|_| true) - by_acks_alone).max(0.0) / (sender.fresh + 1) as f64;
    let lost = sure.max(others);
    // All of them are called the same, so this must be clear: as many as can be expected, or hardly any other segment is lost.
    let alone_by_acks = by_acks_alone > 0.85 * groups(|count| count == 1)
        || (sender.acked_by_una >= 20 && acks > 50.0 * sure);
    for index in unsure {
        let one = &mut all[index];
        let Some((packets, flushes)) = silent.get(&one.sent) else {
            continue;
        };
        let likelihood = |first: f64, after: f64, count: usize| {
            first
                * after
                    .max(first)
                    .powi(count.saturating_sub(1).min(50) as i32)
        };
        let by_acks = match packets.len() {
            1 => alone_by_acks,
            several => {
                // Acknowledgements whose loss always leads to a resend are not counted.
                let acks = acks.max(lost / 2.0);
                likelihood(acks, acks_after, flushes.len()) > likelihood(lost, after, several)
            }
        };
        if by_acks {
            one.need = Need::AckLost;
        }
    }
    all.sort_by_key(|one| (one.at, one.sn));
    all
}

/// The share of segments that were lost for sure, and that share among those whose packet followed a lost one.
fn data_loss(sender: &Sender, all: &[Resend], unsure: &[usize]) -> (f64, f64) {
    let sure = || {
        let all = all.iter().enumerate();
        all.filter(|(index, one)| one.need == Need::Lost && unsure.binary_search(index).is_err())
            .map(|(_, one)| one)
    };
    let share = (sure().count() as f64 + 0.5) / (sender.fresh + 1) as f64;
    let (packets, after) = runs(sender, sure());
    (share, (after as f64 / packets.max(1) as f64).max(share))
}

/// How often packets were lost that carried these, and how often the packet after one that was lost, too.
pub fn runs<'a>(sender: &Sender, lost: impl Iterator<Item = &'a Resend>) -> (usize, usize) {
    let lost: BTreeSet<u32> = lost.map(|one| one.sn).collect();
    // Of what was not seen nobody knows which packet it was in. Packets were as full as those that were seen.
    let in_packet = sender.in_packet().max(1);
    let mut packets: Vec<(u64, u64, u64)> = Vec::new();
    let mut segments: Vec<&Segment> = sender
        .resent
        .iter()
        .filter(|one| lost.contains(&(one.sn as u32)))
        .collect();
    segments.sort_by_key(|one| one.sn);
    for segment in segments {
        let first = &segment.sendings[0];
        let packet = match first.hidden {
            true => u64::MAX - segment.sn / in_packet,
            false => first.packet,
        };
        match packets.last_mut() {
            Some((last, _, to)) if *last == packet && *to + 1 == segment.sn => *to = segment.sn,
            _ => packets.push((packet, segment.sn, segment.sn)),
        }
    }
    let after = packets
        .windows(2)
        .filter(|pair| pair[0].2 + 1 == pair[1].1)
        .count();
    (packets.len(), after)
}

/// Skips send a segment again until it has been sent so often.
const MOST_FAST: usize = 5;

/// What the sender knows of a segment, from one transmission to the next.
struct Past<'a> {
    segment: &'a Segment,
    settings: &'a Settings,
    period: Time,
    /// What its timeout was set to last, ms: a timeout makes it longer, a resend by skips leaves it.
    timeout: f64,
    /// Skips that no resend has used up: a timeout leaves them.
    skips: u32,
}

impl<'a> Past<'a> {
    fn new(segment: &'a Segment, settings: &'a Settings) -> Past<'a> {
        let period = settings.flushes.period();
        let half = (period / MS) as u32 / 2;
        let least = settings.minrto.unwrap_or(0).saturating_sub(half);
        Past {
            segment,
            settings,
            period,
            timeout: f64::from(segment.sendings[0].timeout(period).max(least)),
            skips: 0,
        }
    }

    /// When the transmission before this one had been skipped often enough to be sent again; of several times, the last one before `by`.
    fn skipped_enough(&self, before: &Sending, by: Time) -> Option<Time> {
        let new = before.skips[self.settings.skip_rule];
        let reached = |count: u32| match count.checked_sub(self.skips) {
            None | Some(0) => Some(before.sent),
            Some(more) if more <= new.count => new.at.get(more as usize - 1).copied(),
            Some(_) => None,
        };
        match self.settings.fast_resend {
            FastResend::After(count) => reached(count),
            FastResend::Off => None,
            FastResend::MoreThan(count) => (count + 1..=count + SKIPS as u32)
                .filter_map(reached)
                .filter(|at| *at <= by)
                .max(),
        }
    }

    /// Whether it came so late that others must have been lost before it, and early enough for skips to have sent it.
    fn misses_some(&self, index: usize, one: &Resend) -> bool {
        let sendings = &self.segment.sendings;
        let first = &sendings[0];
        let timeout = Time::from(first.timeout(self.period)) * MS;
        let trip = Time::from(first.estimate.srtt) * MS;
        let late = timeout * 5 / 4 + self.period;
        one.trigger == Trigger::Timeout
            && sendings[index - 1].is_skipped()
            && (late..late + MOST_FAST as Time * trip).contains(&(one.sent - first.sent))
    }

    /// The verdict on this transmission. `ways` are from the capture to the peer and back, and to the sender and back.
    fn judge(&mut self, index: usize, ways: (Time, Time), near: bool) -> Resend {
        let sendings = &self.segment.sendings;
        let (before, this) = (&sendings[index - 1], &sendings[index]);
        let waited = waited(before, this);
        let doubles = self.settings.nodelay == Some(0);
        let more = if index == 1 && doubles {
            self.timeout / 8.0
        } else {
            0.0
        };
        let timer = self.timeout + more;
        let about = timer * 0.85;
        let prompt = self
            .skipped_enough(before, this.sent)
            .is_some_and(|at| this.sent - at <= self.period + 4 * MS);
        let earliest = if index > MOST_FAST { about } else { timer };
        let trigger = if prompt && f64::from(waited) < earliest {
            Trigger::Skip
        } else if f64::from(waited) >= about {
            Trigger::Timeout
        } else if before.skips[BY_ANY].count > 0 {
            Trigger::Skip
        } else if near {
            Trigger::Early
        } else {
            // Its timer is not known that well.
            Trigger::Timeout
        };
        match trigger {
            Trigger::Timeout => {
                // It ran out between two flushes.
                let took = f64::from(waited) - more;
                let flush = (self.period / MS) as f64;
                let timeout = self.timeout.clamp((took - flush).max(0.0), took.max(0.0));
                self.timeout = timeout * if doubles { 2.0 } else { 1.5 };
                self.skips += before.skips[self.settings.skip_rule].count;
            }
            Trigger::Skip => self.skips = 0,
            Trigger::Early => {}
        }
        let twice = before.skips[BY_STAMP];
        let by_skips = match twice.count {
            ..=1 => 0,
            _ => (this.sent - twice.at[1] - self.period).max(0),
        };
        Resend {
            at: this.at,
            sent: this.sent,
            sn: self.segment.sn as u32,
            trigger,
            need: need(self.segment, index, ways),
            waited,
            estimate: before.timeout(self.period),
            by_skips,
        }
    }
}

fn need(segment: &Segment, index: usize, (near, lag): (Time, Time)) -> Need {
    let this = &segment.sendings[index];
    let acked: Option<Time> = segment.sendings[..index]
        .iter()
        .filter_map(|one| one.acked)
        .min();
    match acked {
        Some(acked) if acked + lag >= this.sent => return Need::Underway,
        Some(_) => return Need::AckLost,
        None => {}
    }
    // Word of its arrival came before this transmission could have caused it.
    match segment.told {
        Some(told) if told < this.at + near && told + lag >= this.sent => Need::Underway,
        Some(told) if told < this.at => Need::AckLost,
        _ => Need::Lost,
    }
}

#[cfg(test)]
mod tests {
    use super::super::framing::Piece;
    use super::*;
    use crate::wire::{COMMAND_ACK, COMMAND_PUSH};

    /// What passes near the sender, at this time in ms.
    enum Passes {
        Sent(u32),
        /// This number, with the stamp of what is acknowledged.
        Acked(u32, u32),
    }
    use Passes::{Acked, Sent};

    /// Segments 0 to 4 are sent at 0 to 40 ms, and the round trip of the first one is 60 ms; then this. Why were segments sent again?
    fn triggers(resend: FastResend, then: &[(u32, Passes)]) -> Vec<Trigger> {
        let before = (0..5).map(|sn| (10 * sn, Sent(sn)));
        let all: Vec<(u32, Passes)> = before.chain([(60, Acked(0, 0))]).collect();
        triggers_of(Sender::new(0, true), resend, all.iter().chain(then))
    }

    fn triggers_of<'a>(
        mut sender: Sender,
        resend: FastResend,
        all: impl Iterator<Item = &'a (u32, Passes)>,
    ) -> Vec<Trigger> {
        let mut pass = |at: u32, what: &Passes| {
            let now = Time::from(at) * MS;
            match what {
                Sent(sn) => {
                    sender.sends(now, 124, false, &[Piece::plain(COMMAND_PUSH, *sn, at, 0)])
                }
                Acked(sn, ts) => sender.hears(now, &[Piece::plain(COMMAND_ACK, *sn, *ts, 1)]),
            }
        };
        all.for_each(|(at, what)| pass(*at, what));
        sender.finish(9_000 * MS);
        let settings = Settings {
            fast_resend: resend,
            ..Settings::of(&sender)
        };
        let all = resends(&sender, &settings);
        all.iter().map(|one| one.trigger).collect()
    }

    /// It was called early, by no skip, when what told of it had been sent before the segment was sent again.
    #[test]
    fn skips_by_what_was_sent_earlier_were_none() {
        let then = [
            (80, Acked(2, 20)),
            (90, Acked(3, 30)),
            (100, Sent(1)),
            // Sent before that, acknowledged after it.
            (105, Acked(4, 40)),
            (110, Sent(1)),
        ];
        let found = triggers(FastResend::MoreThan(0), &then);
        assert_eq!(found, [Trigger::Skip, Trigger::Skip]);
    }

    /// Its timer had run out when it had been skipped often enough. A timeout does not use up skips, so the next flush sent it again, and
    /// that was called early.
    #[test]
    fn skips_were_forgotten_after_a_timeout() {
        let then = [
            (205, Acked(2, 20)),
            (209, Acked(3, 30)),
            (210, Sent(1)),
            (220, Sent(1)),
        ];
        let found = triggers(FastResend::After(2), &then);
        assert_eq!(found, [Trigger::Timeout, Trigger::Skip]);
    }

    /// Between the first of them and the one that came, others had been lost, so nothing seemed to have sent it but its timer.
    #[test]
    fn skips_were_called_a_timeout_where_what_they_had_sent_was_lost() {
        let mut all = Vec::new();
        for sn in [0, 1, 2, 3, 4, 6, 7, 9] {
            let at = if sn < 5 { 10 * sn } else { 150 + 10 * sn };
            all.extend([(at, Sent(sn)), (at + 5, Acked(sn, at))]);
        }
        all.extend([(310, Sent(8)), (560, Sent(5))]);
        let far = Sender::new(60 * MS, true);
        let found = triggers_of(far, FastResend::MoreThan(0), all.iter());
        assert_eq!(found, [Trigger::Skip, Trigger::Skip]);
    }

    /// After five times only timers send it again, and those need not be known to the millisecond.
    #[test]
    fn a_segment_that_had_been_sent_six_times_was_called_skipped() {
        let times = [210, 510, 960, 1_635, 2_650];
        let mut then: Vec<(u32, Passes)> = times.map(|at| (at, Sent(1))).into();
        then.extend((2..5).map(|sn| (4_090 + 2 * sn, Sent(sn))));
        then.extend((2..5).map(|sn| (4_120 + 2 * sn, Acked(sn, 4_090 + 2 * sn))));
        then.push((4_130, Sent(1)));
        let found = triggers(FastResend::After(2), &then);
        assert_eq!(found, [Trigger::Timeout; 9]);
    }
}
