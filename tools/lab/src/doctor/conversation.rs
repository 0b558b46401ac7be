//! One conversation: two senders. Its first packets are kept back until they tell where between the two ends the capture was made.

use std::cell::LazyCell;
use std::collections::{HashMap, HashSet};

use super::causes;
use super::framing::Piece;
use super::qlog::MOST_EVENTS;
use super::sender::{BY_STAMP, Histogram, MS, Manner, Sender, Time, Transit};
use crate::wire::{COMMAND_ACK, COMMAND_PUSH, Header, after};

/// Any conversation begins with numbers below this.
const BEGINS: u32 = 32;
/// Stamps that are kept of each end, a second or more apart.
const MOST_STAMPS: usize = 4_096;
/// Packets that are kept back at most.
const KEPT_BACK: usize = 2_000;

struct Packet {
    at: Time,
    /// Had it come as fast as the fastest.
    sent: Time,
    side: usize,
    size: u32,
    fragmented: bool,
    pieces: Vec<Piece>,
}

#[derive(Default)]
pub struct Conversation {
    kept: Vec<Packet>,
    /// Of each end, what it sends.
    pub senders: [Sender; 2],
    ready: bool,
    /// All segments with their times and sides, up to a number, where that is asked for.
    pub log: Option<Vec<(Time, usize, Header)>>,
    pub from: Option<Time>,
    pub to: Time,
    pub packets: [u64; 2],
    /// Of each side, the number after the highest that it sent, and what it said it has.
    told: [(Option<u32>, u32); 2],
    /// Of each side, when it sent data with which stamp.
    stamps: [Vec<(Time, u32)>; 2],
    manners: [Telling; 2],
}

/// How an end acknowledges what it has in order: each segment by its number, or as kcp-go and java-Kcp the last one of a flush only.
#[derive(Debug, Default, Clone, Copy)]
struct Telling {
    una: Option<u32>,
    /// Packets that tell several of these numbers.
    several: u64,
    /// Those that tell one, segments which they acknowledge, and the squares of that.
    one: u64,
    segments: f64,
    squares: f64,
}

impl Telling {
    fn take(&mut self, pieces: &[Piece]) {
        let una = pieces[0].header.una;
        let in_order =
            |piece: &&Piece| piece.header.command == COMMAND_ACK && after(una, piece.header.sn);
        let told = pieces.iter().filter(in_order).count();
        let before = self.una.replace(una).unwrap_or(una);
        if !after(una, before) {
            return;
        }
        self.several += u64::from(told > 1);
        if told == 1 {
            let segments = f64::from(una.wrapping_sub(before));
            self.one += 1;
            self.segments += segments;
            self.squares += segments * segments;
        }
    }

    fn of(&self) -> Manner {
        match (self.spares(), self.several) {
            (true, _) => Manner::TellsLast,
            (false, 0) => Manner::Unknown,
            (false, _) => Manner::TellsEach,
        }
    }

    /// Lost packets leave out numbers too, but then how many have a geometric distribution.
    fn spares(&self) -> bool {
        const ENOUGH: u64 = 20;
        let count = self.one as f64;
        let mean = self.segments / count;
        let variance = self.squares / count - mean * mean;
        self.one >= ENOUGH
            && self.several * 20 < self.one
            && mean > 1.2
            && variance < mean * (mean - 1.0) / 2.0
    }
}

impl Conversation {
    pub fn new(logs: bool) -> Conversation {
        Conversation {
            log: logs.then(Vec::new),
            ..Conversation::default()
        }
    }

    /// Whether the numbers of a packet are those with which any conversation begins.
    pub fn may_begin(pieces: &[Piece]) -> bool {
        let far = |piece: &Piece| piece.header.sn.max(piece.header.una) >= BEGINS;
        !pieces.iter().any(far)
    }

    /// Whether this packet goes on with what this side has sent and said.
    pub fn goes_on(&self, side: usize, pieces: &[Piece]) -> bool {
        /// What may be missing between, and what may have been overtaken.
        const MISSING: i32 = 64;
        let [(next, has), (peer_next, peer_has)] = [self.told[side], self.told[1 - side]];
        let ahead = |one: u32, other: u32| one.wrapping_sub(other).cast_signed();
        let fits = |header: &Header| {
            let pushes = header.command == COMMAND_PUSH;
            let number = next.is_some_and(|next| {
                ahead(header.sn, peer_has) >= -MISSING && ahead(header.sn, next) <= MISSING
            });
            let una = peer_next.is_none_or(|next| ahead(header.una, next) <= MISSING);
            (number || !pushes) && una && ahead(header.una, has) >= -MISSING
        };
        let known = self.packets.iter().sum::<u64>() > u64::from(BEGINS);
        known && pieces.iter().all(|piece| fits(&piece.header))
    }

    pub fn packet(&mut self, at: Time, side: usize, size: u32, fragmented: bool, pieces: &[Piece]) {
        self.from.get_or_insert(at);
        // A capture on several cores may be out of order by a little.
        let at = at.max(self.to);
        self.to = at;
        self.packets[side] += 1;
        for Piece { header, .. } in pieces {
            let (next, has) = &mut self.told[side];
            *has = header.una;
            if header.command == COMMAND_PUSH
                && next.is_none_or(|next| after(header.sn.wrapping_add(1), next))
            {
                *next = Some(header.sn.wrapping_add(1));
            }
            let stamps = &mut self.stamps[side];
            let is_due = stamps
                .last()
                .is_none_or(|(then, _)| at - then >= 1_000 * MS);
            if header.command == COMMAND_PUSH && is_due && stamps.len() < MOST_STAMPS {
                stamps.push((at, header.ts));
            }
        }
        self.manners[side].take(pieces);
        if let Some(log) = &mut self.log
            && log.len() < MOST_EVENTS
        {
            log.extend(pieces.iter().map(|piece| (at, side, piece.header)));
        }
        if self.ready {
            self.pass(at, side, size, fragmented, pieces);
            return;
        }
        self.kept.push(Packet {
            at,
            sent: at,
            side,
            size,
            fragmented,
            pieces: pieces.to_vec(),
        });
        if self.kept.len() >= KEPT_BACK {
            self.release();
        }
    }

    /// How fast a side's clock runs, 1 for one that counts milliseconds, where that is the same all along.
    pub fn pace(&self, side: usize) -> Option<f64> {
        const SPELLS: usize = 7;
        let spell = |pair: &[(Time, u32)]| {
            let ticks = pair[1].1.wrapping_sub(pair[0].1).cast_signed();
            let lasted = (pair[1].0 - pair[0].0) as f64 / MS as f64;
            (f64::from(ticks) / lasted, lasted)
        };
        let mut spells: Vec<_> = self.stamps[side].windows(2).map(spell).collect();
        spells.sort_by(|a, b| a.0.total_cmp(&b.0));
        let (usual, _) = *spells.get(spells.len() / 2)?;
        // A clock of seconds ticks once or twice in each.
        let same = |(pace, lasted): &&(f64, f64)| (pace - usual).abs() < usual * 0.1 + 1.5 / lasted;
        let same = spells.iter().filter(same).count();
        (spells.len() >= SPELLS && same * 10 >= spells.len() * 9).then_some(usual)
    }

    fn pass(&mut self, at: Time, side: usize, size: u32, fragmented: bool, pieces: &[Piece]) {
        self.senders[side].sends(at, size, fragmented, pieces);
        self.senders[1 - side].hears(at, pieces);
    }

    fn release(&mut self) {
        self.ready = true;
        let mut kept = std::mem::take(&mut self.kept);
        let mut transits: [Transit; 2] = Default::default();
        for packet in &mut kept {
            let mut pushes = packet.pieces.iter().map(|piece| piece.header);
            if let Some(push) = pushes.find(|header| header.command == COMMAND_PUSH) {
                packet.sent = transits[packet.side].sent(packet.at, push.ts);
            }
        }
        let answers = answers(&kept);
        for side in [0, 1] {
            let own_side = (side, self.manners[1 - side].of());
            let misfit =
                |kept: &[Packet], sender, most| causes::misfit(&told(kept, own_side, sender), most);
            let (lag, known) = lag(&kept, own_side, answers, Sender::new);
            self.senders[side] = Sender::new(lag, known);
            if self.senders[side].is_near() {
                continue;
            }
            let by_stamps = misfit(&kept, Sender::new(lag, false), f64::MAX);
            if by_stamps <= as_good(0.0) {
                continue;
            }
            // A clock that stands still between updates while its sender sends tells less of when that was than the packets that come here:
            // what it sends again is then explained better by those.
            let own = kept.iter_mut().filter(|packet| packet.side == side);
            own.for_each(|packet| packet.sent = packet.at);
            let (lag, known) = self::lag(&kept, own_side, answers, Sender::of_stale_clock);
            let by_packets = misfit(&kept, Sender::of_stale_clock(lag, false), by_stamps);
            if as_good(by_packets) < by_stamps {
                self.senders[side] = Sender::of_stale_clock(lag, known);
            }
        }
        for packet in kept {
            self.pass(
                packet.at,
                packet.side,
                packet.size,
                packet.fragmented,
                &packet.pieces,
            );
        }
    }

    /// `by_go`: its packets tell that its ends are kcp-go.
    pub fn finish(&mut self, by_go: bool) {
        if !self.ready {
            self.release();
        }
        for (sender, manner) in self.senders.iter_mut().zip(self.manners.iter().rev()) {
            sender.take_manner(manner.of(), by_go);
            sender.finish(self.to);
        }
    }
}

/// The values below which a twentieth and a hundredth of them are.
fn low(mut values: Vec<Time>) -> Option<[Time; 2]> {
    values.sort_unstable();
    let below = |share: usize| values.get(values.len() / share).copied();
    Some([below(20)?, below(100)?])
}

/// How long each end takes to answer, seen from here: the least times from a segment to its acknowledgement, of many and of few.
fn answers(kept: &[Packet]) -> [Option<[Time; 2]>; 2] {
    let mut sent: [HashMap<(u32, u32), Time>; 2] = Default::default();
    let mut taken = [Vec::new(), Vec::new()];
    for packet in kept {
        for piece in &packet.pieces {
            let header = piece.header;
            let key = (header.sn, header.ts);
            match header.command {
                COMMAND_PUSH => {
                    sent[packet.side].entry(key).or_insert(packet.at);
                }
                COMMAND_ACK => {
                    if let Some(at) = sent[1 - packet.side].remove(&key) {
                        taken[packet.side].push(packet.at - at);
                    }
                }
                _ => {}
            }
        }
    }
    taken.map(low)
}

/// What the next flush may take.
const FLUSH: Time = 12 * MS;

/// What contradicts rules no more than this is about as good as what does `against`.
fn as_good(against: f64) -> f64 {
    against * 1.15 + 5.0
}

/// How long after something passed the reaction of an end is seen, and whether that is more than a guess. `answers` are those of both ends,
/// `new` makes such a sender with a lag.
fn lag(
    kept: &[Packet],
    own_side: (usize, Manner),
    answers: [Option<[Time; 2]>; 2],
    new: fn(Time, bool) -> Sender,
) -> (Time, bool) {
    let (side, _) = own_side;
    let [usual, other] = [side, 1 - side].map(|end| answers[end].map(|[usual, _]| usual));
    let own = answers[side].map(|[_, soonest]| soonest);
    let told = told(kept, own_side, new(0, false));
    let unheard = unheard(&told);
    // Nothing comes back but acknowledgements. Where those come late, they come from far away.
    let is_near = match usual {
        Some(usual) => usual < FLUSH || other.is_some_and(|other| usual * 4 < other),
        None => other.is_some_and(|other| other >= FLUSH),
    };
    let longest = LazyCell::new(|| longest(kept, side));
    let fitted = match own {
        None => fitted(kept, own_side, *longest, &told, new),
        Some(_) => None,
    };
    let hears_at_once = match fitted {
        Some(lag) => lag < FLUSH,
        None => unheard.is_none(),
    };
    if is_near && hears_at_once && !lacks(kept, side) {
        return (0, true);
    }
    let room = after_room(kept, side, *longest);
    let (lag, known) = match (own, room) {
        // What comes much later than that waited for the program, which had nothing to send before an answer.
        (Some(own), _) => {
            let lag = room.filter(|lag| *lag <= own + own / 4 + 2 * FLUSH);
            (lag.unwrap_or(own), true)
        }
        (None, Some(lag)) => (lag, true),
        (None, None) => match fitted {
            Some(lag) => (lag, lag >= FLUSH),
            None => {
                let lag = after_skips(&told, unheard);
                (lag.unwrap_or(0).min(*longest), false)
            }
        },
    };
    // A known lag of 0 stands for the sender's own machine.
    (lag.max(Time::from(known && !is_near)), known)
}

/// What the packets that were kept back tell of the sender of a side, whose peer has this manner.
fn told(kept: &[Packet], (side, manner): (usize, Manner), mut sender: Sender) -> Sender {
    sender.take_manner(manner, false);
    for packet in kept {
        if packet.side == side {
            sender.sends(packet.at, packet.size, packet.fragmented, &packet.pieces);
        } else {
            sender.hears(packet.at, &packet.pieces);
        }
    }
    if let Some(last) = kept.last() {
        sender.finish(last.at);
    }
    sender
}

/// The lag with which the fewest resends contradict all rules by which senders resend, where that is clear. `at_once` is what the packets
/// tell without a lag.
fn fitted(
    kept: &[Packet],
    own_side: (usize, Manner),
    longest: Time,
    at_once: &Sender,
    new: fn(Time, bool) -> Sender,
) -> Option<Time> {
    const COARSE: Time = 16 * MS;
    const MOST: Time = 400 * MS;
    const ENOUGH: usize = 12;
    /// Lags this near to the best one may be as good.
    const AROUND: Time = 24 * MS;
    if at_once.resent.len() < ENOUGH {
        return None;
    }
    // What is more than this does not matter.
    let clearly_more = |against: f64| against * 1.5 + 5.0;
    let mut least = f64::MAX;
    let mut against = |lag: Time| {
        let most = clearly_more(least);
        let against = match lag {
            0 => causes::misfit(at_once, most),
            _ => causes::misfit(&told(kept, own_side, new(lag, false)), most),
        };
        least = least.min(against);
        (lag, against)
    };
    let lags = (0..=longest.min(MOST) / COARSE).map(|step| step * COARSE);
    let mut tried: Vec<(Time, f64)> = lags.map(&mut against).collect();
    let best = |tried: &[(Time, f64)]| {
        let least = tried.iter().map(|one| one.1).fold(f64::MAX, f64::min);
        tried.iter().copied().find(|one| one.1 <= least + 0.5)
    };
    let coarse = best(&tried)?;
    let others = tried.iter().filter(|one| (one.0 - coarse.0).abs() > AROUND);
    let others = others.map(|one| one.1).fold(f64::MAX, f64::min);
    if clearly_more(coarse.1) >= others {
        return None;
    }
    for step in [COARSE / 2, COARSE / 4, COARSE / 8] {
        let (around, _) = best(&tried)?;
        let finer = [around - step, around + step];
        let finer = finer
            .into_iter()
            .filter(|lag| (0..longest + STEP).contains(lag));
        tried.extend(finer.map(&mut against));
        tried.sort_unstable_by_key(|one| one.0);
    }
    best(&tried).map(|one| one.0)
}

/// The time from word of a segment to its being sent again all the same, where that is so in many flushes: a sender does not do that where
/// it hears what passes here.
fn unheard(sender: &Sender) -> Option<Time> {
    /// What comes later belongs to numbers that began again.
    const LONGEST: Time = 1_000 * MS;
    const OFTEN: usize = 3;
    let mut flushes: HashMap<u32, Option<Time>> = HashMap::new();
    for segment in &sender.resent {
        for again in &segment.sendings[1..] {
            let late = segment.told.map(|told| again.at - told);
            let late = late.filter(|late| (FLUSH..LONGEST).contains(late));
            let flush = flushes.entry(again.ts).or_default();
            *flush = (*flush).max(late);
        }
    }
    let mut late: Vec<Time> = flushes.values().copied().flatten().collect();
    late.sort_unstable();
    let often = late.len() >= OFTEN && late.len() * 4 > flushes.len();
    // What was sent again since its acknowledgements were lost behind the capture came later than a round trip.
    often.then(|| late[late.len() / 4])
}

/// What an end sends for the first time, in the order of its numbers: with how many numbers before it are missing, and its own.
fn fresh(kept: &[Packet], side: usize) -> impl Iterator<Item = (Time, u32, u32)> {
    let mut next: Option<u32> = None;
    kept.iter()
        .filter(move |packet| packet.side == side)
        .flat_map(|packet| packet.pieces.iter().map(move |piece| (packet.sent, piece)))
        .filter(|(_, piece)| piece.header.command == COMMAND_PUSH)
        .filter_map(move |(at, piece)| {
            let sn = piece.header.sn;
            let ahead = sn.wrapping_sub(*next.get_or_insert(sn)).cast_signed();
            (ahead >= 0).then(|| {
                next = Some(sn.wrapping_add(1));
                (at, ahead.cast_unsigned(), sn)
            })
        })
}

/// Numbers are missing here that come later, so packets are lost between their sender and the capture. What never comes passed here, and
/// the capture lacks it; so does what is acknowledged with a stamp that did not pass.
fn lacks(kept: &[Packet], side: usize) -> bool {
    /// More missing at once are no loss.
    const MOST: u32 = 1_024;
    let seen = |side: usize, command: u8| -> HashSet<(u32, u32)> {
        let own = kept.iter().filter(|packet| packet.side == side);
        let pieces = own.flat_map(|packet| &packet.pieces);
        let headers = pieces.map(|piece| piece.header);
        let wanted = headers.filter(|header| header.command == command);
        wanted.map(|header| (header.sn, header.ts)).collect()
    };
    let pushes = seen(side, COMMAND_PUSH);
    let acks = seen(1 - side, COMMAND_ACK);
    let mut later: HashSet<u32> = pushes.iter().map(|(sn, _)| *sn).collect();
    let resent = pushes.len() - later.len();
    let mut unseen = 0;
    for (sn, _) in acks.difference(&pushes) {
        later.remove(sn);
        unseen += 1;
    }
    let (mut all, mut gaps) = (0, 0);
    for (_, missing, sn) in fresh(kept, side) {
        all += 1;
        let mut before = (1..=missing.min(MOST)).map(|back| sn.wrapping_sub(back));
        gaps += usize::from(before.any(|sn| later.contains(&sn)));
    }
    // Of as many segments that were lost behind the capture it has only the one that was sent again.
    let by_chance = 2 * resent * unseen / acks.len().max(1);
    gaps >= 3 + by_chance && gaps * 500 > all
}

/// How finely the time from word to what follows it is looked for.
const STEP: Time = 4 * MS;

/// The longest that word can take to the sender and what it sends then back here. No sender goes beyond the peer's window: had it heard
/// later, it would have.
fn longest(kept: &[Packet], side: usize) -> Time {
    const STEPS: i64 = 200;
    /// What a sender takes the peer's window for until it hears of it.
    const FIRST_WINDOW: u32 = 128;
    let mut una: Option<u32> = None;
    let (mut told, mut window) = (Vec::new(), FIRST_WINDOW);
    let peer = kept.iter().filter(|packet| packet.side != side);
    for (at, piece) in peer.filter_map(|one| Some((one.at, one.pieces.last()?))) {
        window = window.max(u32::from(piece.header.wnd));
        let now = piece.header.una;
        let most = una.filter(|una| after(*una, now)).unwrap_or(now);
        una = Some(most);
        told.push((at, most));
    }
    let sent: Vec<_> = fresh(kept, side).map(|(at, _, sn)| (at, sn)).collect();
    let beyond = |lag: Time| {
        let ahead = |(at, sn): &&(Time, u32)| {
            let heard = told.partition_point(|(then, _)| *then <= at - lag);
            // Before the first word it had no more.
            let una = told.get(heard.saturating_sub(1)).map(|one| one.1);
            una.is_some_and(|una| !after(una.wrapping_add(window), *sn))
        };
        sent.iter().filter(ahead).count() * 20 > sent.len()
    };
    let steps: Vec<Time> = (0..=STEPS).map(|step| step * STEP).collect();
    let possible = steps.partition_point(|lag| !beyond(*lag));
    steps[possible.saturating_sub(1)]
}

/// The time from word that makes room to what takes it up: a round trip, for a sender that waits for room. What is sent then follows the
/// acknowledgements in all their ups and downs after that time, and after no other: at a steady pace several times are as good.
fn after_room(kept: &[Packet], side: usize, longest: Time) -> Option<Time> {
    /// How far around it ups and downs are told from a mean, in steps.
    const AROUND: usize = 75;
    const ENOUGH: usize = 20;
    let from = kept.first()?.at;
    // What was overtaken at the beginning may have been sent before that.
    let place = |at: Time| ((at - from).max(0) / STEP) as usize;
    let steps = place(kept.last()?.at) + 1;
    if steps > 1 << 18 {
        return None;
    }
    let (mut room, mut rooms) = (vec![0.0; steps], 0);
    let mut una: Option<u32> = None;
    for packet in kept.iter().filter(|packet| packet.side != side) {
        let Some(piece) = packet.pieces.last() else {
            continue;
        };
        let told = piece.header.una;
        let more = told.wrapping_sub(*una.get_or_insert(told)).cast_signed();
        if more > 0 {
            una = Some(told);
        }
        if more > 0 && more < 10_000 {
            room[place(packet.at)] += f64::from(more);
            rooms += 1;
        }
    }
    if rooms < ENOUGH {
        return None;
    }
    let mut new = vec![0.0; steps];
    for (at, ..) in fresh(kept, side) {
        new[place(at)] += 1.0;
    }
    // It is taken up by the next flush.
    let flush = causes::grid(&stamp_gaps(kept, side)).period();
    let within = ((flush.min(100 * MS) + 8 * MS) / STEP) as usize;
    let room = about_mean(&room, AROUND);
    let new = about_mean(&sums(&new, 0, within), AROUND);
    let follows = |lag: usize| {
        let of = |(one, other): (&f64, &f64)| [one * other, one * one, other * other];
        let pairs = room.iter().zip(new.iter().skip(lag));
        let sums = pairs.map(of).fold([0.0; 3], |sum, one| {
            [sum[0] + one[0], sum[1] + one[1], sum[2] + one[2]]
        });
        sums[0] / (sums[1] * sums[2]).sqrt().max(1e-9)
    };
    let steps = (longest / STEP) as usize + 1 + within;
    let all: Vec<f64> = (0..steps).map(follows).collect();
    let best = (0..steps).max_by(|one, other| all[*one].total_cmp(&all[*other]))?;
    let others = |lags: std::ops::Range<usize>| lags.map(|lag| all[lag]).fold(0.0, f64::max);
    let width = within + 3;
    let clear = all[best] > 0.3
        && others(0..best.saturating_sub(width)) < 0.75 * all[best]
        && others((best + width + 1).min(steps)..steps) < 0.9 * all[best];
    // Some packets are faster than most: an acknowledgement takes effect before what it makes room for comes.
    let before = (0..=best).rev();
    let first = before
        .take_while(|lag| all[*lag] > 0.65 * all[best])
        .last()?;
    clear.then_some((first as Time * STEP).min(longest))
}

/// Times between the stamps of a side.
fn stamp_gaps(kept: &[Packet], side: usize) -> Histogram {
    let mut gaps = Histogram::new();
    let mut last: Option<u32> = None;
    let own = kept.iter().filter(|packet| packet.side == side);
    for piece in own.flat_map(|packet| &packet.pieces) {
        let Header { command, ts, .. } = piece.header;
        let before = *last.get_or_insert(ts);
        if command == COMMAND_PUSH && after(ts, before) {
            *gaps.entry(ts.wrapping_sub(before)).or_default() += 1;
            last = Some(ts);
        }
    }
    gaps
}

/// Of each place, the sum from so many before it to so many after it, without that one.
fn sums(values: &[f64], before: usize, after: usize) -> Vec<f64> {
    let mut until = vec![0.0];
    for value in values {
        until.push(until[until.len() - 1] + value);
    }
    (0..values.len())
        .map(|at| until[(at + after).min(values.len())] - until[at.saturating_sub(before)])
        .collect()
}

/// By how much each one differs from the mean of those around it.
fn about_mean(values: &[f64], around: usize) -> Vec<f64> {
    let means = sums(values, around, around);
    let counts = sums(&vec![1.0; values.len()], around, around);
    let all = values.iter().zip(means).zip(counts);
    all.map(|((value, mean), count)| value - mean / count)
        .collect()
}

/// The time from a skip to the transmission that it leads to: the one after which most of them came, unless it was a timer that they
/// kept to. Then the shortest, which is no longer than what else is known.
fn after_skips(sender: &Sender, unheard: Option<Time>) -> Option<Time> {
    /// Most flushes come within so much of each other.
    const APART: Time = 14 * MS;
    // The least time, and the share that is about as long.
    let most = |times: &[Time]| -> Option<(Time, f64)> {
        let within =
            |from: usize| times.partition_point(|time| *time <= times[from] + APART) - from;
        let best = (0..times.len()).max_by_key(|from| (within(*from), usize::MAX - from))?;
        Some((times[best], within(best) as f64 / times.len() as f64))
    };
    let waits = sender.resent.iter().filter(|one| one.sendings.len() > 1);
    let mut waits: Vec<Time> = waits
        .map(|one| one.sendings[1].sent - one.sendings[0].sent)
        .collect();
    waits.sort_unstable();
    let events = sender.skip_events.iter();
    let events = events.filter(|event| (event.rule, event.count) == (BY_STAMP, 1));
    let mut after: Vec<Time> = events.filter_map(|event| event.resent).collect();
    after.sort_unstable();
    let Some((best, share)) = most(&after).filter(|_| after.len() >= 5) else {
        return unheard;
    };
    let waits = most(&waits).map_or(0.0, |(_, share)| share);
    match share > 1.7 * waits && share > 0.15 {
        true => Some(best),
        false => {
            let soonest = low(after).map(|[_, soonest]| soonest);
            [unheard, soonest].into_iter().flatten().min()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// It answers with its next flush, so that a twentieth of the answers came 5 ms later than they could.
    #[test]
    fn a_sender_that_flushes_rarely_seemed_further_away() {
        const WAY: Time = 60 * MS;
        let answers = (0..1_000).map(|one| WAY + one * 100);
        let [_, least] = low(answers.collect()).unwrap();
        assert!((WAY..WAY + 2 * MS).contains(&least), "{least}");
    }
}
