//! Captures of the same conversation at both of its ends. A packet that is in both tells of the way between them; one that is only where
//! it was sent was lost. Their clocks differ: how, the packets of both directions tell, as with NTP.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};

use super::causes::{Need, Resend};
use super::flows::{Found, Passed};
use super::framing::Piece;
use super::sender::{MS, Sender, Time};

/// What a packet is known by: its first header, and its size.
pub fn print(size: u32, pieces: &[Piece]) -> u64 {
    let Some(first) = pieces.first() else {
        return 0;
    };
    let header = first.header;
    let words = [
        u32::from(header.command) << 24 | u32::from(header.frg) << 16 | u32::from(header.wnd),
        header.ts,
        header.sn,
        header.una,
        header.len,
        size,
    ];
    words.iter().fold(0xcbf2_9ce4_8422_2325, |hash, word| {
        (hash ^ u64::from(*word)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

/// How the second capture's clock stands to the first one's: µs ahead at a time of the first, and how that changes.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Clock {
    at: Time,
    ahead: f64,
    /// Of a microsecond in each; `None` where there is none, or the captures are too short to tell.
    pub drift: Option<f64>,
}

impl Clock {
    /// How far it is ahead at a time of its own.
    fn ahead(self, at: Time) -> Time {
        let since = (at - self.at) as f64 - self.ahead;
        (self.ahead + self.drift.unwrap_or(0.0) * since).round() as Time
    }

    /// A time of the second capture by the first one's clock.
    pub fn convert(self, at: Time) -> Time {
        at - self.ahead(at)
    }

    /// At the beginning, µs.
    pub fn offset(self) -> Time {
        self.ahead.round() as Time
    }
}

/// One direction.
#[derive(Debug, Clone, Default)]
pub struct Way {
    /// Packets that were sent while both captures ran, and those of them that did not arrive.
    pub sent: u64,
    pub lost: u64,
    /// Packets that the capture at the sender lacks.
    pub unseen: u64,
    /// Packets that came after one that was sent later.
    pub overtaken: u64,
    /// How long they took, sorted, µs. The least of both directions are taken for equal.
    pub delays: Vec<Time>,
    /// Of each packet in the capture at the sender, when it arrived, by the first capture's clock.
    arrived: Vec<Option<Time>>,
}

impl Way {
    pub fn delay(&self, percent: usize) -> Option<Time> {
        self.delays
            .get((self.delays.len() * percent / 100).min(self.delays.len().checked_sub(1)?))
            .copied()
    }
}

/// What both captures of a conversation tell.
#[derive(Debug, Clone)]
pub struct Both {
    /// The side at whose end the first capture was made; the second one at the other.
    pub first_at: usize,
    pub clock: Clock,
    /// Of the packets that each side sends.
    pub ways: [Way; 2],
}

impl Both {
    /// Packets that are in both captures.
    pub fn common(&self) -> usize {
        self.ways.iter().map(|way| way.delays.len()).sum()
    }
}

/// Conversations of two captures that may be the same. Where many have one conv, these are the few pairs that have most packets in common.
pub fn candidates(one: &[Found], other: &[Found]) -> Vec<(usize, usize)> {
    fn kept(all: &[Found]) -> Vec<Kept<'_>> {
        all.iter()
            .map(|found| (found.conv, &found.passed))
            .collect()
    }
    alike(&kept(one), &kept(other))
}

/// A conversation's conv, and what passed.
type Kept<'a> = (u32, &'a [Vec<Passed>; 2]);

fn alike(one: &[Kept], other: &[Kept]) -> Vec<(usize, usize)> {
    /// So many pairs are all tried.
    const FEW: usize = 64;
    /// Those of a conversation that are tried otherwise, by so many of its packets. What is in more conversations tells nothing.
    const TRIED: usize = 4;
    const LOOKED_AT: usize = 512;
    const SHARED: usize = 16;
    let mut by_conv: BTreeMap<u32, [Vec<usize>; 2]> = BTreeMap::new();
    for (capture, all) in [one, other].into_iter().enumerate() {
        for (index, (conv, _)) in all.iter().enumerate() {
            by_conv.entry(*conv).or_default()[capture].push(index);
        }
    }
    let mut all = Vec::new();
    for [here, there] in by_conv.into_values() {
        if here.len() * there.len() <= FEW {
            let pair = |one: usize| there.iter().map(move |other| (one, *other));
            all.extend(here.iter().flat_map(|one| pair(*one)));
            continue;
        }
        let mut places: HashMap<u64, Vec<usize>> = HashMap::new();
        for index in there {
            for print in least(other[index].1, LOOKED_AT) {
                let places = places.entry(print).or_default();
                if places.len() <= SHARED {
                    places.push(index);
                }
            }
        }
        for index in here {
            let mut common: BTreeMap<usize, usize> = BTreeMap::new();
            for print in least(one[index].1, LOOKED_AT) {
                let places = places.get(&print).filter(|all| all.len() <= SHARED);
                for place in places.into_iter().flatten() {
                    *common.entry(*place).or_default() += 1;
                }
            }
            let mut common: Vec<(usize, usize)> = common.into_iter().collect();
            common.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
            all.extend(common.iter().take(TRIED).map(|(place, _)| (index, *place)));
        }
    }
    all
}

/// The least prints of a conversation: two captures of it have many of them in common, although each lacks some packets.
fn least(passed: &[Vec<Passed>; 2], count: usize) -> Vec<u64> {
    let all = passed.iter().flatten();
    let mut prints: Vec<u64> = all.map(|passed| passed.print).collect();
    prints.sort_unstable();
    prints.dedup();
    prints.truncate(count);
    prints
}

/// Numbers in the order of time.
fn in_time(all: &[Passed]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..all.len()).collect();
    order.sort_by_key(|index| all[*index].at);
    order
}

/// The packets of one direction that are in both captures, by their numbers in each.
fn matches(one: &[Passed], other: &[Passed]) -> Vec<(usize, usize)> {
    counted_matches(one, other, &mut 0)
}

/// The same, and how many were looked at.
fn counted_matches(one: &[Passed], other: &[Passed], work: &mut usize) -> Vec<(usize, usize)> {
    let mut places: HashMap<u64, VecDeque<usize>> = HashMap::new();
    for index in in_time(other) {
        places
            .entry(other[index].print)
            .or_default()
            .push_back(index);
    }
    let mut counts: HashMap<u64, usize> = HashMap::new();
    one.iter()
        .for_each(|passed| *counts.entry(passed.print).or_default() += 1);
    // What is there once tells how far the clocks are apart; of equal ones the nearest by that belong together.
    let apart: Vec<Time> = one
        .iter()
        .filter(|passed| counts[&passed.print] == 1)
        .filter_map(|passed| {
            let places = places.get(&passed.print)?;
            (places.len() == 1).then(|| other[places[0]].at - passed.at)
        })
        .collect();
    let (Some(least), Some(most)) = (apart.iter().min(), apart.iter().max()) else {
        return Vec::new();
    };
    let (least, most) = (least - 50 * MS, most + 50 * MS);
    let mut all = Vec::new();
    for index in in_time(one) {
        let passed = one[index];
        *work += 1;
        let Some(waiting) = places.get_mut(&passed.print) else {
            continue;
        };
        // What is too early for this one is so for those that follow.
        while let Some(place) = waiting.front().copied() {
            *work += 1;
            let apart = other[place].at - passed.at;
            if apart <= most {
                waiting.pop_front();
            }
            if apart >= least {
                if apart <= most {
                    all.push((index, place));
                }
                break;
            }
        }
    }
    all
}

fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied()
}

/// The clocks, by the least delays of both directions in each of several spans: `forth` are packets from the first capture's end, with their
/// times there and how much later the other clock was; `back` the others.
fn clock(forth: &[(Time, Time)], back: &[(Time, Time)]) -> Option<Clock> {
    const SPANS: Time = 30;
    const LEAST: Time = 10_000 * MS;
    let from = forth.iter().chain(back).map(|one| one.0).min()?;
    let to = forth.iter().chain(back).map(|one| one.0).max()?;
    let span = ((to - from) / SPANS + 1).max(500 * MS);
    let mut spans: BTreeMap<Time, [Option<(Time, Time)>; 2]> = BTreeMap::new();
    for (at, apart) in forth {
        let least = &mut spans.entry((at - from) / span).or_default()[0];
        if least.is_none_or(|least| *apart < least.1) {
            *least = Some((*at, *apart));
        }
    }
    for (at, apart) in back {
        let most = &mut spans.entry((at - from) / span).or_default()[1];
        if most.is_none_or(|most| *apart > most.1) {
            *most = Some((*at, *apart));
        }
    }
    let points: Vec<(f64, f64)> = spans
        .values()
        .filter_map(|ends| {
            let (one, other) = (ends[0]?, ends[1]?);
            let at = (one.0 + other.0) as f64 / 2.0 - from as f64;
            Some((at, (one.1 + other.1) as f64 / 2.0))
        })
        .collect();
    let mut slopes = Vec::new();
    for (index, one) in points.iter().enumerate() {
        for other in &points[index + 1..] {
            slopes.push((other.1 - one.1) / (other.0 - one.0).max(1.0));
        }
    }
    // A slope that hides behind how much the points scatter is none.
    let drift = median(slopes).filter(|slope| {
        let off: Vec<f64> = points.iter().map(|one| one.1 - slope * one.0).collect();
        let middle = median(off.clone()).unwrap_or(0.0);
        let scatter = median(off.iter().map(|off| (off - middle).abs()).collect());
        let whole = (to - from) as f64;
        to - from >= LEAST
            && points.len() >= 5
            && slope.abs() * whole > 4.0 * scatter.unwrap_or(whole)
    });
    let slope = drift.unwrap_or(0.0);
    // What the slope leaves, of both directions: the least of all, not of a span.
    let rest = |(at, apart): &(Time, Time)| *apart as f64 - slope * (*at - from) as f64;
    let least = forth.iter().map(rest).min_by(f64::total_cmp)?;
    let most = back.iter().map(rest).max_by(f64::total_cmp)?;
    Some(Clock {
        at: from,
        ahead: (least + most) / 2.0,
        drift,
    })
}

/// Of each side, the packets that are in both captures.
type Pairs = [Vec<(usize, usize)>; 2];

/// The sides of the second capture's conversation that are those of the first, with what they have in common: NAT may have given them other
/// addresses.
fn sides(one: &Found, other: &Found) -> Option<([usize; 2], Pairs)> {
    [[0, 1], [1, 0]]
        .into_iter()
        .map(|same| {
            let pairs = [0, 1].map(|side| matches(&one.passed[side], &other.passed[same[side]]));
            (same, pairs)
        })
        .filter(|(_, pairs)| pairs.iter().all(|side| !side.is_empty()))
        .max_by_key(|(_, pairs)| pairs[0].len() + pairs[1].len())
}

/// What became of packets that were sent and that came at these times. `pairs` says which are the same, `span` when both captures ran.
fn way(
    sent: &[Time],
    came: &[Time],
    mut pairs: Vec<(usize, usize)>,
    (from, to): (Time, Time),
) -> Way {
    let mut way = Way {
        arrived: vec![None; sent.len()],
        ..Way::default()
    };
    // In the order of their arrival.
    pairs.sort_unstable_by_key(|pair| pair.1);
    let mut latest = Time::MIN;
    let mut seen = HashSet::new();
    let mut longest = 0;
    for (first, second) in pairs {
        let (sent, came) = (sent[first], came[second]);
        way.arrived[first] = Some(came);
        way.delays.push(came - sent);
        way.overtaken += u64::from(sent < latest);
        latest = latest.max(sent);
        longest = longest.max(came - sent);
        seen.insert(second);
    }
    way.delays.sort_unstable();
    for (at, arrived) in sent.iter().zip(&way.arrived) {
        if *at >= from && at + longest <= to {
            way.sent += 1;
            way.lost += u64::from(arrived.is_none());
        }
    }
    let unseen = came
        .iter()
        .enumerate()
        .filter(|(place, at)| !seen.contains(place) && **at >= from + longest && **at <= to);
    way.unseen = unseen.count() as u64;
    way
}

/// What two captures tell of a conversation that is in both, and which sides are the same; `None` where they were made at one place.
pub fn compare(one: &Found, other: &Found) -> Option<(Both, [usize; 2])> {
    let (same, pairs) = sides(one, other)?;
    let apart = [0, 1].map(|side| -> Vec<(Time, Time)> {
        let of = |(first, second): &(usize, usize)| {
            let at = one.passed[side][*first].at;
            (at, other.passed[same[side]][*second].at - at)
        };
        pairs[side].iter().map(of).collect()
    });
    let middle = |side: usize| median(apart[side].iter().map(|one| one.1 as f64).collect());
    let trip = middle(0)? - middle(1)?;
    if trip.abs() < 500.0 {
        return None;
    }
    let first_at = usize::from(trip < 0.0);
    let clock = clock(&apart[first_at], &apart[1 - first_at])?;
    // Both by the first capture's clock.
    let from = one.span.0.max(clock.convert(other.span.0));
    let to = one.span.1.min(clock.convert(other.span.1));
    let ways = [0, 1].map(|side| {
        let here: Vec<Time> = one.passed[side].iter().map(|one| one.at).collect();
        let there = other.passed[same[side]].iter();
        let there: Vec<Time> = there.map(|one| clock.convert(one.at)).collect();
        match side == first_at {
            true => way(&here, &there, pairs[side].clone(), (from, to)),
            false => {
                let swapped = |(one, other): &(usize, usize)| (*other, *one);
                let pairs = pairs[side].iter().map(swapped).collect();
                way(&there, &here, pairs, (from, to))
            }
        }
    });
    Some((
        Both {
            first_at,
            clock,
            ways,
        },
        same,
    ))
}

/// The conversation with what each end itself saw: the second capture by the first one's clock.
pub fn join(mut one: Found, mut other: Found, both: Both, same: [usize; 2]) -> Found {
    let far = 1 - both.first_at;
    one.conversation.senders[far] = std::mem::take(&mut other.conversation.senders[same[far]]);
    one.both = Some(both);
    one
}

/// Says of each resend what really became of the transmissions before it.
pub fn correct(way: &Way, sender: &Sender, resends: &mut [Resend]) {
    let mut places: HashMap<(Time, u32), (usize, usize)> = HashMap::new();
    for (place, segment) in sender.resent.iter().enumerate() {
        for (index, sending) in segment.sendings.iter().enumerate().skip(1) {
            places.insert((sending.at, segment.sn as u32), (place, index));
        }
    }
    for one in resends {
        let Some((place, index)) = places.get(&(one.at, one.sn)) else {
            continue;
        };
        let segment = &sender.resent[*place];
        let arrived = segment.sendings[..*index]
            .iter()
            .filter(|sending| !sending.hidden)
            .filter_map(|sending| *way.arrived.get(sending.packet.checked_sub(1)? as usize)?)
            .min();
        one.unsure = false;
        let least = way.delay(0).unwrap_or(0);
        one.need = match (arrived, segment.told) {
            (None, _) => Need::Lost,
            (Some(at), _) if at > one.at => Need::Underway,
            // Word of it came sooner than this transmission could bring about.
            (Some(_), Some(told)) if told < one.at + 2 * least => Need::Underway,
            (Some(_), _) => Need::AckLost,
        };
    }
}

/// Reads two captures from memory.
#[cfg(test)]
pub fn examine(captures: [&[u8]; 2]) -> anyhow::Result<super::Diagnosis> {
    super::of_both_ends(|index, time| {
        super::read_bytes(captures[index], super::Flows::default().keeping(), time)
    })
}

#[cfg(test)]
mod tests {
    use super::super::capture;
    use super::super::matrix::{self, LINK};
    use super::super::plants;
    use super::*;
    use crate::link::{Config, Fate, Micros};
    use crate::session::{CLIENT, SERVER};
    use crate::trace::{self, Stream, Trace};

    const OFFSET: Time = 3_456_789;
    const DRIFT: f64 = 80e-6;

    const STREAM: Stream = Stream {
        size: 500,
        every: 20_000,
        messages: 1_500,
    };

    fn session(mode: &str, seed: u64) -> Trace {
        matrix::session(mode, LINK, seed, STREAM)
    }

    /// What passes an end, in the server's case by a clock that is ahead and gains, and with the port that a NAT gave the client.
    fn captured(trace: &Trace, end: usize) -> Vec<u8> {
        captured_with(&[(trace, [capture::PORTS[0], 61_000])], end)
    }

    /// The same of several sessions, each with its client's port as it passes both ends.
    fn captured_with(traces: &[(&Trace, [u16; 2])], end: usize) -> Vec<u8> {
        let mut passing = Vec::new();
        for (trace, ports) in traces {
            let mut all = capture::passing(&trace.packets, end);
            all.iter_mut().for_each(|one| one.port = ports[end]);
            passing.extend(all);
        }
        if end == SERVER {
            for one in &mut passing {
                one.at += OFFSET as u64 + (one.at as f64 * DRIFT) as u64;
            }
        }
        passing.sort_by_key(|one| one.at);
        plants::file(&passing)
    }

    #[test]
    fn captures_of_both_ends_tell_clocks_losses_and_delays() {
        let trace = session("turbo", 1);
        let files = [captured(&trace, CLIENT), captured(&trace, SERVER)];
        for swapped in [false, true] {
            let order = if swapped { [1, 0] } else { [0, 1] };
            let diagnosis = examine(order.map(|index| &files[index][..])).unwrap();
            assert_eq!(diagnosis.conversations.len(), 1);
            let both = diagnosis.conversations[0].found.both.as_ref().unwrap();
            // The client has the smaller address.
            assert_eq!(both.first_at, order[0]);
            let sign = if swapped { -1.0 } else { 1.0 };
            let drift = both.clock.drift.unwrap();
            assert!((drift - sign * DRIFT).abs() < 5e-6, "{drift}");
            let off = both.clock.offset() as f64 - sign * OFFSET as f64;
            assert!(off.abs() < 500.0, "{off} us");
            for side in [CLIENT, SERVER] {
                let way = &both.ways[side];
                let sent = trace.packets.iter().filter(|one| one.side == side);
                let lost = sent.clone().filter(|one| matches!(one.fate, Fate::Lost(_)));
                assert_eq!((way.overtaken, way.unseen), (0, 0));
                // The last ones were sent when the other capture had ended.
                let missed = sent.clone().count() as u64 - way.sent;
                assert!(missed < 10, "{missed}");
                assert!(way.lost.abs_diff(lost.count() as u64) <= missed && way.lost > 40);
                let mut took: Vec<u64> = sent
                    .filter_map(|one| match one.fate {
                        Fate::Arrives(at) => Some(at - one.at),
                        Fate::Lost(_) => None,
                    })
                    .collect();
                took.sort_unstable();
                let off = way.delay(50).unwrap() - took[took.len() / 2] as Time;
                assert!(off.abs() < 1_000, "{off} us");
            }
        }
    }

    /// In one direction those that overtook others were counted instead, in the other one none.
    #[test]
    fn packets_that_were_overtaken_are_counted_in_both_directions() {
        let link = Config {
            reorder: 0.03,
            reorder_by: 50_000,
            ..LINK
        };
        let trace = matrix::session("turbo", link, 1, STREAM);
        let files = [captured(&trace, CLIENT), captured(&trace, SERVER)];
        let diagnosis = examine([&files[0], &files[1]]).unwrap();
        let both = diagnosis.conversations[0].found.both.as_ref().unwrap();
        for side in [CLIENT, SERVER] {
            let arrived = trace.packets.iter().filter(|one| one.side == side);
            let mut arrived: Vec<(Micros, Micros)> = arrived
                .filter_map(|one| match one.fate {
                    Fate::Arrives(at) => Some((at, one.at)),
                    Fate::Lost(_) => None,
                })
                .collect();
            arrived.sort_by_key(|one| one.0);
            let mut latest = 0;
            let mut overtaken = 0;
            for (_, sent) in arrived {
                overtaken += u64::from(sent < latest);
                latest = latest.max(sent);
            }
            let told = both.ways[side].overtaken;
            assert!(overtaken > 20, "{overtaken}");
            assert!(
                told.abs_diff(overtaken) <= 3,
                "{told} instead of {overtaken}"
            );
        }
    }

    #[test]
    fn captures_of_both_ends_tell_for_each_resend_whether_it_was_needed() {
        for mode in ["default", "turbo", "1,40,2,1"] {
            let trace = session(mode, 1);
            let files = [captured(&trace, CLIENT), captured(&trace, SERVER)];
            let diagnosis = examine([&files[0], &files[1]]).unwrap();
            let told: HashMap<(u32, Time), Need> = diagnosis.conversations[0].resends[0]
                .iter()
                .map(|one| ((one.sn, one.at), one.need))
                .collect();
            let mut count = 0;
            for (index, sent) in trace.transmissions.iter().enumerate() {
                if sent.cause == trace::Cause::First {
                    continue;
                }
                count += 1;
                let lost = trace.need(index) == trace::Need::Lost;
                let at = (sent.at + capture::START) as Time;
                let need = told[&(sent.sn, at)];
                assert_eq!(need == Need::Lost, lost, "{mode}: {sent:?} {need:?}");
            }
            assert!(count > 80, "{mode}: {count}");
        }
    }

    /// Their clients send at the same times, so packets of one are also found in the other. NAT has changed the order of the ports.
    #[test]
    fn sessions_with_one_conv_that_are_alike_are_not_mixed_up() {
        let traces = [2, 3].map(|seed| session("turbo", seed));
        let all = [
            (&traces[0], [40_000, 61_001]),
            (&traces[1], [40_001, 61_000]),
        ];
        let files = [CLIENT, SERVER].map(|end| captured_with(&all, end));
        let diagnosis = examine([&files[0], &files[1]]).unwrap();
        assert_eq!(diagnosis.conversations.len(), 2);
        for judged in &diagnosis.conversations {
            let port = judged.found.ends[CLIENT].port();
            let trace = &traces[usize::from(port - 40_000)];
            for side in [CLIENT, SERVER] {
                let lost = trace
                    .packets
                    .iter()
                    .filter(|one| one.side == side && matches!(one.fate, Fate::Lost(_)))
                    .count() as u64;
                let told = judged.found.both.as_ref().unwrap().ways[side].lost;
                assert!(told.abs_diff(lost) < 10, "{port}: {told} instead of {lost}");
            }
        }
    }

    /// Where all packets are alike, each was compared with all that had not been taken.
    #[test]
    fn packets_that_are_alike_are_each_looked_at_a_few_times() {
        const COUNT: usize = 20_000;
        let alike = |from: Time| -> Vec<Passed> {
            let first = Passed { at: from, print: 1 };
            let others = (0..COUNT as Time).map(|index| Passed {
                at: from + index * 200 * MS,
                print: 2,
            });
            std::iter::once(first).chain(others).collect()
        };
        let mut work = 0;
        // Some are at no time that any of the others can belong to.
        let [here, mut there] = [alike(0), alike(70 * MS)];
        there
            .iter_mut()
            .skip(2)
            .step_by(3)
            .for_each(|one| one.at += 110 * MS);
        let all = counted_matches(&here, &there, &mut work);
        assert!(all.len() > COUNT / 2, "{}", all.len());
        assert!(all.iter().all(|(one, other)| one == other));
        assert!(work < 4 * COUNT, "{work}");
    }

    /// All were compared with all.
    #[test]
    fn of_many_conversations_with_one_conv_each_is_compared_with_a_few() {
        const COUNT: u64 = 1_000;
        let captured = || -> Vec<[Vec<Passed>; 2]> {
            (0..COUNT)
                .map(|session| {
                    let print = |index: u64| match index {
                        // Those that all have in common.
                        ..10 => index,
                        // Those of neighbours, and its own.
                        10..20 => 1_000 * (session / 5 + 1) + index,
                        _ => 1_000_000 * (session + 1) + index,
                    };
                    let passed = |index| Passed {
                        at: index as Time,
                        print: print(index).wrapping_mul(0x9e37_79b9_7f4a_7c15),
                    };
                    [
                        (0..30).map(passed).collect(),
                        (30..60).map(passed).collect(),
                    ]
                })
                .collect()
        };
        let (here, there) = (captured(), captured());
        fn kept(all: &[[Vec<Passed>; 2]]) -> Vec<Kept<'_>> {
            all.iter().map(|sides| (7, sides)).collect()
        }
        let pairs = alike(&kept(&here), &kept(&there));
        assert!(pairs.len() <= 4 * COUNT as usize, "{}", pairs.len());
        let same = pairs.iter().filter(|(one, other)| one == other).count();
        assert_eq!(same, COUNT as usize);
    }

    #[test]
    fn captures_of_one_place_or_without_the_conversation_are_refused() {
        let trace = session("turbo", 1);
        let here = captured(&trace, CLIENT);
        assert!(examine([&here, &here]).is_err());
        let nothing = &captured(&trace, SERVER)[..24];
        assert!(examine([&here, nothing]).is_err());
    }
}
