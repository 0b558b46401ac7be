//! Why each segment was sent again, and whether that was needed; and the settings of the sender that this shows.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::fates::Fates;
use super::played::{MOST_FAST, Play, waited};
use super::sender::{
    BY_ANY, BY_EACH, BY_STAMP, Estimate, Histogram, MS, Manner, SKIPS, Segment, Sender, Sending,
    Time, percentile,
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
    /// The likelier of two: nothing shows whether the segment was lost or its acknowledgement; or, far from the sender, whether skips or
    /// a timer sent it again.
    pub unsure: bool,
    /// Since the transmission before it, by the sender's clock, ms.
    pub waited: u32,
    /// What the timer would have been without a least timeout, ms.
    pub estimate: u32,
    /// How much earlier two skips would have sent it again, if the sender had looked at them.
    pub by_skips: Time,
    /// The transmission before it passed here.
    pub passed: bool,
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
    /// The interval of kcp-go, ms, which flushes at other times, too.
    pub interval: Option<u32>,
    pub fast_resend: FastResend,
    /// 0: its timeouts double. 1: they grow by half, as with 2.
    pub nodelay: Option<u32>,
    /// A least timeout that lies above what the estimate asks for.
    pub minrto: Option<u32>,
    /// How resends are judged.
    pub rules: Rules,
    /// The most segments that were in flight, and for which share of the busy time nearly that many were.
    pub most_in_flight: u32,
    pub share_at_most: f64,
    pub keeps_congestion_window: bool,
}

/// The grid on which most of these gaps are, with the share of them that must be.
pub fn grid(gaps: &Histogram) -> Flushes {
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
    // Stamps are whole milliseconds, so an interval of 15 or 16 ms fits as well for a while.
    let times = |gap: u32| (f64::from(gap) / TICK).round().max(1.0);
    let (sum, ticks) = gaps.iter().fold((0.0, 0.0), |(sum, ticks), (gap, count)| {
        let count = *count as f64;
        (sum + f64::from(*gap) * count, ticks + times(*gap) * count)
    });
    // What keeps to every third one is the pace of a program.
    let at_each = |count: u32| fitting(TICK * f64::from(count), 1.0) >= 0.9;
    if fitting(TICK, 1.0) >= 0.95
        && (15.55..15.70).contains(&(sum / ticks))
        && fitting(10.0, 1.0) < 0.9
        && ![3, 4, 5, 7, 11, 13].into_iter().any(at_each)
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

/// By what a sender sends segments again, as the judge of each resend takes it.
#[derive(Debug, Clone, Copy)]
pub struct Rules {
    pub period: Time,
    /// Off, where it is not known.
    pub fast_resend: FastResend,
    pub skip_rule: usize,
    /// As in ikcp_nodelay: by how much timeouts grow.
    pub nodelay: u32,
    /// No timer is shorter, once a round trip is known, ms.
    pub least: u32,
    /// Its clock stands still between updates, so that round trips end with the last one.
    pub by_updates: bool,
}

impl Rules {
    /// Those of kcp-go: a single skip is enough for a flush that sends nothing new, skips send a segment again as often as they must,
    /// and each resend begins to count anew.
    pub fn of_go(self) -> bool {
        self.skip_rule == BY_EACH
    }

    /// What the estimator made of the round trips before this, ms. Only kcp-go is called as often as its interval says for sure.
    pub fn timeout(&self, sending: &Sending) -> u32 {
        let interval = match self.of_go() {
            true => self.period,
            false => self.period.min(10 * MS),
        };
        self.estimate(sending).timeout(interval)
    }

    pub fn estimate(&self, sending: &Sending) -> Estimate {
        match self.by_updates {
            true => sending.estimate_by_updates,
            false => sending.estimate,
        }
    }
}

/// What of a conversation these rules contradict: resends that they do not explain, and segments that they would have sent again, or
/// sooner. What is more than `most` is not counted to its end.
fn contradictions(sender: &Sender, rules: Rules, most: f64) -> f64 {
    /// So many segments tell enough.
    const ENOUGH: usize = 800;
    let step = sender.resent.len() / ENOUGH + 1;
    let mut against = 0.0;
    if let FastResend::After(count) = rules.fast_resend {
        // Where the sender is far away, the way back and forth blurs the moment.
        let prompt = rules.period + if sender.lag() == 0 { 2 * MS } else { 6 * MS };
        let ignored = sender.skip_events.iter().filter(|event| {
            (event.rule, event.count) == (rules.skip_rule, count)
                && event.resent.is_none()
                && event.done.is_none_or(|done| done > prompt)
        });
        against += ignored.count() as f64 / step as f64;
    }
    for segment in sender.resent.iter().step_by(step) {
        if against > most {
            break;
        }
        against += Play::against(segment, rules, sender);
    }
    against
}

/// On which skips a sender may act, by what its peer tells: from how many on, and how it counts them. Off makes no difference between the
/// original's rules, but kcp-go counts skips also then.
fn countings(sender: &Sender, by_updates: bool) -> impl Iterator<Item = (FastResend, usize)> {
    let rules: &[usize] = match sender.peer_manner {
        // kcp-go looks at the time whenever something comes.
        _ if by_updates => &[BY_STAMP, BY_ANY],
        _ if sender.by_go => &[BY_EACH],
        Manner::Unknown => &[BY_STAMP, BY_ANY, BY_EACH],
        _ => &[BY_STAMP, BY_ANY],
    };
    let after = |count| {
        rules
            .iter()
            .map(move |rule| (FastResend::After(count), *rule))
    };
    let off = rules.iter().filter(|rule| **rule != BY_ANY);
    let after = (1..=SKIPS as u32).flat_map(after);
    after.chain(off.map(|rule| (FastResend::Off, *rule)))
}

/// nodelay, and the least timeout that it sets.
const TIMERS: [(u32, u32); 3] = [(1, 0), (2, 0), (0, LEAST)];

/// Intervals that programs with kcp-go have, ms: the fastest, and those of kcptun's modes.
const INTERVALS: [u32; 5] = [10, 20, 30, 40, 50];

/// What so many more contradict is not so, nor what contradicts so many times as much.
const CLEAR: f64 = 3.0;
const DOUBT: f64 = 1.25;
/// So much less is contradicted where skips send segments again; and far from the sender this share, which may be chance.
const SURE: f64 = 2.0;
const CHANCE: f64 = 0.03;

/// The rules with these timers that the fewest contradict, and how many do, as long as those are no more than `most`.
fn least_contradicted(
    sender: &Sender,
    (fast_resend, skip_rule): (FastResend, usize),
    timers: &Timers,
    by_updates: bool,
    most: f64,
) -> (f64, Rules) {
    let mut best: Option<(f64, Rules)> = None;
    let timers = match skip_rule {
        BY_EACH => &timers.of_go,
        _ => &timers.of_others,
    };
    for (nodelay, least, period) in timers {
        let rules = Rules {
            period: *period,
            fast_resend,
            skip_rule,
            nodelay: *nodelay,
            least: *least,
            by_updates,
        };
        // The first one is what the flushes tell.
        let other = *period != timers[0].2;
        let of_kcptun = sender.by_go && INTERVALS.map(|one| Time::from(one) * MS).contains(period);
        let usual = TIMERS.contains(&(*nodelay, *least)) && (!other || of_kcptun);
        let unusual = if usual { 0.0 } else { CLEAR };
        // One that is not known to be kcp-go may be free in its flushes for other reasons.
        let doubt = if other && !sender.by_go { DOUBT } else { 1.0 };
        let most = best.map_or(most, |best| best.0.min(most));
        let against = doubt * contradictions(sender, rules, most - unusual) + unusual;
        if best.is_none_or(|best| against < best.0) {
            best = Some((against, rules));
        }
    }
    best.expect("one that does not even bound timers")
}

/// The least that any rules contradict, as long as that is no more than `most`.
pub fn misfit(sender: &Sender, most: f64) -> f64 {
    let period = grid(&sender.ts_gaps).period();
    let usual = TIMERS.map(|(nodelay, least)| (nodelay, least, period));
    let timers = Timers::new(
        sender,
        usual.into(),
        [sender.interval_of_go().unwrap_or((period / MS) as u32)],
    );
    let clocks = sender.clocks().iter();
    let all = clocks.flat_map(|clock| countings(sender, *clock).map(move |one| (*clock, one)));
    all.fold(f64::MAX, |least, (clock, one)| {
        let most = least.min(most);
        least.min(least_contradicted(sender, one, &timers, clock, most).0)
    })
}

/// nodelay, least timeouts and intervals that are tried.
struct Timers {
    of_others: Vec<(u32, u32, Time)>,
    of_go: Vec<(u32, u32, Time)>,
}

impl Timers {
    /// A program with kcp-go sets its interval, ms, but no least timeout. It may be one unless all flushes are on a grid.
    fn new(
        sender: &Sender,
        of_others: Vec<(u32, u32, Time)>,
        intervals: impl IntoIterator<Item = u32>,
    ) -> Timers {
        let of_go = |interval| {
            [(1, 0), (0, LEAST)].map(|(nodelay, least)| (nodelay, least, Time::from(interval) * MS))
        };
        let may_be =
            sender.by_go || matches!(grid(&sender.ts_gaps), Flushes::Free | Flushes::Unknown);
        Timers {
            of_go: match may_be {
                true => intervals.into_iter().flat_map(of_go).collect(),
                false => of_others.clone(),
            },
            of_others,
        }
    }
}

/// What the resends of a conversation tell of its sender together.
struct Fit {
    /// How many contradict these.
    against: f64,
    /// Those that the fewest contradict.
    rules: Rules,
    fast_resend: FastResend,
    /// A shorter least timeout is contradicted clearly.
    least_shows: bool,
    /// Timers that grow in another way, too.
    growth_shows: bool,
}

impl Fit {
    /// A clock that stands still between updates must explain clearly more.
    fn best(sender: &Sender, period: Time) -> Fit {
        let fits = sender.clocks().iter();
        let fits = fits.map(|by_updates| Fit::of(sender, period, *by_updates));
        let better = |one: Fit, other: Fit| match other.against + CLEAR < one.against {
            true => other,
            false => one,
        };
        fits.reduce(better).expect("one clock at least")
    }

    fn of(sender: &Sender, period: Time, by_updates: bool) -> Fit {
        /// How many waits, from the shortest to the longest, may show the least timeout.
        const QUANTILES: usize = 12;
        let waits = sender
            .resent
            .iter()
            .filter_map(|one| match &one.sendings[..] {
                [first, second, ..] if first.knows_the_way() => {
                    let srtt = first.estimate.srtt as u32;
                    Some((waited(first, second), first.hidden, srtt))
                }
                _ => None,
            });
        let mut waits: Vec<(u32, bool, u32)> = waits.collect();
        waits.sort_unstable();
        // Where round trips hardly differ, the interval is what timers are longer.
        let mut longer: Vec<u32> = waits
            .iter()
            .map(|(wait, _, srtt)| wait.saturating_sub(*srtt))
            .filter(|longer| (10..=200).contains(longer))
            .collect();
        longer.sort_unstable();
        let longer = (0..QUANTILES).filter_map(|one| longer.get(longer.len() * one / QUANTILES));
        let intervals: BTreeSet<u32> = match sender.interval_of_go() {
            Some(interval) => [interval].into(),
            None => longer.copied().chain(INTERVALS).collect(),
        };
        let quantiles = (0..QUANTILES).filter_map(|one| waits.get(waits.len() * one / QUANTILES));
        // A flush finds that a timer ran out since the one before it.
        let half = (period / MS / 2) as u32;
        // Or one that leaves all to skips, as far as the capture shows how long they took.
        let seen = waits.iter().rfind(|(_, hidden, _)| !hidden);
        let never = seen.map(|(longest, ..)| longest + 2 * half + 1);
        // What is longer shows only by what nobody saw.
        let longest = never.unwrap_or(0).max(LEAST);
        let leasts: BTreeSet<u32> = quantiles
            .map(|(wait, ..)| wait.saturating_sub(half))
            .chain([0, LEAST])
            .chain(never)
            .collect();
        let pairs = |nodelay| leasts.iter().map(move |least| (nodelay, *least, period));
        let of_others = [1, 2, 0].into_iter().flat_map(pairs).collect();
        let timers = Timers::new(sender, of_others, intervals);
        let of = |one, most| least_contradicted(sender, one, &timers, by_updates, most);
        let off = countings(sender, by_updates).find(|one| one.0 == FastResend::Off);
        let off = of(off.expect("skips that are ignored"), f64::MAX);
        let chance = if sender.is_near() {
            0.0
        } else {
            off.0 * CHANCE
        };
        let too_many = off.0 + CLEAR + 3.0 * chance;
        let all = countings(sender, by_updates).map(|one| of(one, too_many));
        let all: Vec<(f64, Rules)> = all.collect();
        let fewest = all.iter().fold(off, |best, one| {
            // A program of which no packet told several is likelier kcp-go than one that acknowledges each at once.
            let alike = one.0 == best.0 && one.1.fast_resend == best.1.fast_resend;
            match one.0 < best.0 || (alike && one.1.of_go()) {
                true => *one,
                false => best,
            }
        });
        let clear = fewest.0 + SURE + chance <= off.0;
        let too_few = (1..=SKIPS as u32).take_while(|count| {
            let after = FastResend::After(*count);
            let mut these = all.iter().filter(|one| one.1.fast_resend == after);
            these.all(|one| one.0 >= too_many)
        });
        let fast_resend = match too_few.count() as u32 {
            _ if clear => fewest.1.fast_resend,
            3.. if sender.shows_skips() => FastResend::Off,
            count => FastResend::MoreThan(count),
        };
        let (fewest, rules) = if clear { fewest } else { off };
        let against = |rules: Rules| contradictions(sender, rules, f64::MAX);
        let other = |nodelay: u32| against(Rules { nodelay, ..rules });
        let others = match rules.nodelay {
            0 => other(1).min(other(2)),
            _ => other(0),
        };
        let shorter = Rules { least: 0, ..rules };
        // Rules that are contradicted by so much are clearly worse.
        let worse = against(rules) + CLEAR;
        Fit {
            against: fewest,
            rules,
            growth_shows: others >= worse,
            fast_resend,
            least_shows: clear && rules.least <= longest && against(shorter) >= worse,
        }
    }
}

impl Settings {
    pub fn of(sender: &Sender) -> Settings {
        let flushes = match sender.coarse_stamps {
            // An interval of 16 ms does not keep to multiples of it.
            (coarse, all) if all >= 50 && coarse * 50 >= all * 49 => match grid(&sender.ts_gaps) {
                // Nor does one of several ticks, such as 128 ms, show ticks.
                longer @ Flushes::Every(24..) => longer,
                _ => Flushes::Ticks,
            },
            _ => grid(&sender.ts_gaps),
        };
        let period = flushes.period();
        let Fit {
            rules,
            fast_resend,
            least_shows,
            growth_shows: grown,
            ..
        } = Fit::best(sender, period);
        let usual_timers = TIMERS.contains(&(rules.nodelay, rules.least));
        // The longest that estimates ask for. With nodelay 0 the first timer is an eighth longer, and far from the sender the capture
        // does not show how much the round trips of the sender vary.
        let usual = |estimate: u32| match sender.is_near() {
            true => estimate + estimate / 8,
            false => estimate * 3 / 2,
        };
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
                    FastResend::After(count) => before.skips.count(rules.skip_rule) >= count,
                    FastResend::Off => false,
                    FastResend::MoreThan(count) => before.skips.count(rules.skip_rule) > count,
                };
                (!skipped && !before.hidden).then(|| waited(before, after))
            };
            // Resends by skips leave the timer as it was.
            let place = (0..segment.sendings.len()).find(|index| timed(*index).is_some());
            if let Some(place) = place
                && let Some(first) = timed(place)
            {
                let estimate = rules.timeout(&segment.sendings[0]);
                if segment.sendings[0].knows_the_way() {
                    waits.push(first);
                    excess.push(i64::from(first) - i64::from(usual(estimate)));
                }
                if let Some(second) = timed(place + 1) {
                    // Half of it, or all.
                    let now = rules.timeout(&segment.sendings[place + 1]);
                    doubles.push(second.saturating_sub(first) > first.max(now) * 5 / 8);
                }
            }
        }
        waits.sort_unstable();
        excess.sort_unstable();
        let doubling = doubles.iter().filter(|doubles| **doubles).count();
        // With nodelay 0 none of them is shorter than that.
        let short = waits
            .get(waits.len() / 2)
            .is_some_and(|wait| wait + 4 < LEAST);
        let nodelay = (!doubles.is_empty()).then(|| u32::from(doubling * 2 < doubles.len()));
        // Where the rules have the usual timers and explain much, so they do of how those grow.
        let of_rules = (usual_timers && grown).then_some(rules.nodelay.min(1));
        let nodelay = of_rules.or(nodelay).or(short.then_some(1));
        // When nearly all timers are the same and longer than the estimates, a least timeout holds them up.
        let slack = (period / MS) as u32 + 4;
        let minrto = waits.get(waits.len() / 10).copied().filter(|least| {
            let same = waits.iter().filter(|wait| **wait <= least + slack).count();
            let above = excess
                .get(excess.len() / 4)
                .is_some_and(|low| *low > i64::from(slack));
            sender.lag_known && waits.len() >= 3 && same * 10 >= waits.len() * 6 && above
        });
        // Where skips send most of them again, timers that do not run out before show it, too.
        let mut asked: Vec<u32> = sender
            .resent
            .iter()
            .map(|one| rules.timeout(&one.sendings[0]))
            .collect();
        asked.sort_unstable();
        let asked = asked
            .get(asked.len() / 2)
            .map_or(0, |asked| usual(*asked) + 2 * slack);
        let minrto = minrto
            .or((sender.lag_known && least_shows && rules.least > asked).then_some(rules.least));
        let most_in_flight = sender.in_flight.keys().next_back().copied().unwrap_or(0);
        // Far from the sender nobody knows exactly when it heard of what had arrived.
        let near_most = most_in_flight - most_in_flight / if sender.lag() == 0 { 10 } else { 4 };
        let at_most: Time = sender
            .in_flight
            .range(near_most..)
            .map(|(_, time)| time)
            .sum();
        let share_at_most = at_most as f64 / sender.busy.max(1) as f64;
        // A send window is always as large, so that it holds a sender, too; and before a rare flush something is acknowledged anyway.
        let varies = sender.is_near() && share_at_most < 0.3 && period < 20 * MS;
        Settings {
            flushes,
            interval: sender.interval_of_go(),
            fast_resend,
            nodelay,
            minrto,
            rules,
            most_in_flight,
            share_at_most,
            keeps_congestion_window: sender.window_model.is_kept(varies),
        }
    }
}

/// The verdict on each transmission beyond the first, in the order of time.
pub fn resends(sender: &Sender, settings: &Settings) -> Vec<Resend> {
    let near = percentile(&sender.near, 2).map_or(0, |near| Time::from(near) * MS * 9 / 10);
    let mut all = Vec::new();
    let mut unsure = Vec::new();
    let mut unheard = Vec::new();
    let unknown = settings.rules.fast_resend == FastResend::Off;
    let mut gaps = Vec::new();
    for segment in &sender.resent {
        let causes = Play::causes(segment, settings.rules, sender);
        for (index, (trigger, as_likely)) in (1..).zip(causes) {
            // Far from the sender, timers and the moments of skips are known less well.
            let skipped = segment.sendings[index - 1].skips.count(BY_ANY) > 0;
            let blurred = !sender.is_near() && skipped && (as_likely || !sender.lag_known);
            let ways = (near, sender.lag());
            let mut one = judged(segment, index, (trigger, blurred), ways, settings.rules);
            let far = !sender.is_near();
            if unknown && far && misses_some(segment, index, &one, settings.rules) {
                gaps.push(all.len());
            }
            // To a peer that is gone both ways are cut.
            let gone = sender.answers_until().is_some_and(|until| one.at > until);
            let shown = segment.sendings[..index]
                .iter()
                .any(|one| one.lacked || one.hidden);
            let last = index + 1 == segment.sendings.len();
            // Nothing that was sent later had been acknowledged when the capture ended.
            let on_its_way = segment.done.is_none()
                && sender
                    .last_arrived
                    .is_some_and(|last| segment.sendings[0].at > last);
            if one.need == Need::Lost && !shown && !gone && on_its_way {
                (one.need, one.unsure) = (Need::Underway, true);
            } else if one.need == Need::Lost && !shown && last && segment.others_unheard {
                one.need = Need::AckLost;
            } else if one.need == Need::Lost && !shown && !gone {
                unsure.push((all.len(), &segment.sendings[..index]));
                // A peer that tells the last of several leaves out numbers of what arrived, too.
                let lost = segment.is_unheard() && !sender.peer_tells_last();
                unheard.extend(lost.then_some(all.len()));
            }
            all.push(one);
        }
    }
    // Where many are lost, so are many that were sent again, unseen. As long as it is unknown how many skips send a segment again, such
    // cannot be played: if skips send here at all, they sent what came that late.
    let skips = all.iter().any(|one| one.trigger == Trigger::Skip);
    if skips && all.len() as u64 * 8 > sender.fresh + sender.resends {
        gaps.iter()
            .for_each(|index| all[*index].trigger = Trigger::Skip);
    }
    // Either the packets were lost, or the acknowledgements: what is likelier, by what is known of the two ways. Where what was sent beside
    // one was acknowledged, so would that one have been.
    let beside_acked = |sendings: &[Sending]| sendings.last().and_then(|one| one.beside_acked);
    unsure.retain(|(_, sendings)| beside_acked(sendings) != Some(true));
    let (acks, acks_after) = sender.ack_loss().unwrap_or((0.0, 0.0));
    let places: BTreeSet<usize> = unsure.iter().map(|(index, _)| *index).collect();
    let (sure, after) = data_loss(sender, &all, &places);
    // When what was lost for sure was sent, and sent again.
    let flushes_of_lost: BTreeSet<(Time, u32)> = all
        .iter()
        .enumerate()
        .filter(|(at, one)| one.need == Need::Lost && !places.contains(at))
        .map(|(_, one)| (one.sent, one.waited))
        .collect();
    // Where a full queue drops that many, they are lost together, so that some resends are lost as well.
    let full_queue = sure > 0.08 && sure > 3.0 * acks;
    if !full_queue {
        unheard
            .iter()
            .for_each(|index| all[*index].need = Need::AckLost);
        unsure.retain(|(index, _)| all[*index].need == Need::Lost);
    }
    // What is sent again at once, since nothing was heard of it.
    let mut groups: BTreeMap<Time, Group> = BTreeMap::new();
    for (index, sendings) in &unsure {
        if let Some(before) = sendings.last()
            && !before.is_skipped()
        {
            let group = groups.entry(all[*index].sent).or_default();
            group.packets.insert(before.packet);
            group.flushes.insert(before.sent / (10 * MS));
            group.segments += 1;
        }
    }
    // Flushes after which nothing was sent for so long that only their own acknowledgements could spare a timeout.
    let mut waits: Vec<u32> = unsure.iter().map(|(index, _)| all[*index].waited).collect();
    waits.sort_unstable();
    let trip = percentile(&sender.rtt, 50).unwrap_or(0);
    let middle = waits.get(waits.len() / 2);
    let spare = middle.map_or(0, |wait| wait.saturating_sub(trip));
    let flush = (settings.flushes.period() / MS) as u32;
    let alone = sender.ts_gaps.range(spare + 2 * flush..);
    let by_acks_alone = acks * alone.map(|(_, count)| count).sum::<u64>() as f64;
    let others = (groups.len() as f64 - by_acks_alone).max(0.0) / (sender.fresh + 1) as f64;
    let lost = sure.max(others);
    // All of them are called the same: as many as can be expected, or clearly more acknowledgements are lost than
    // segments, as far as that is sure.
    let singles = groups.values().filter(|one| one.packets.len() == 1).count();
    let alone_by_acks = by_acks_alone > 0.85 * singles as f64 || acks > 2.0 * sure;
    let fates = Fates::of(sender);
    let of_one_packet = sender.acked_by_number as f64 / sender.ack_packets.max(1) as f64;
    for (index, sendings) in &unsure {
        let one = &mut all[*index];
        one.unsure = true;
        let likelihood = |first: f64, after: f64, count: f64| {
            first * after.max(first).powf((count - 1.0).clamp(0.0, 50.0))
        };
        let skipped = sendings.last().is_some_and(Sending::is_skipped);
        let group = groups.get(&one.sent).filter(|_| !skipped);
        // So many packets would have been lost, or so many of acknowledgements.
        let packets = group.map_or(1, |group| group.packets.len()) as f64;
        let answers = group.map_or(1.0, |group| {
            let answers = group.segments as f64 / of_one_packet.max(1.0);
            answers.max(group.flushes.len() as f64)
        });
        // A single one of acknowledgements may tell of a whole window, whatever was lost beside it.
        let alike = answers >= 3.0 || packets <= 3.0 * answers;
        let known = sendings.last().and_then(|last| {
            let beside = || fates.lost_beside_others(last).filter(|_| alike);
            fates.lost_in_outage(last).or_else(beside)
        });
        let by_acks = match (known, group) {
            // It was sent beside it both times.
            _ if flushes_of_lost.contains(&(one.sent, one.waited)) => false,
            (Some(lost), _) => !lost,
            (None, None) => acks > sure,
            (None, Some(_)) if packets == 1.0 => alone_by_acks,
            (None, Some(_)) if full_queue => false,
            (None, Some(_)) => {
                // Acknowledgements whose loss always leads to a resend are not counted.
                let acks = acks.max(sure / 2.0);
                likelihood(acks, acks_after, answers) > likelihood(lost, after, packets)
            }
        };
        if by_acks {
            one.need = Need::AckLost;
        }
    }
    all.sort_by_key(|one| (one.at, one.sn));
    all
}

/// Segments that were sent again together: the packets that had carried them, and when those were sent.
#[derive(Default)]
struct Group {
    packets: BTreeSet<u64>,
    flushes: BTreeSet<Time>,
    segments: usize,
}

/// The share of segments that were lost for sure, and that share among those whose packet followed a lost one.
fn data_loss(sender: &Sender, all: &[Resend], unsure: &BTreeSet<usize>) -> (f64, f64) {
    let sure = || {
        let all = all.iter().enumerate();
        all.filter(|(index, one)| one.need == Need::Lost && !unsure.contains(index))
            .map(|(_, one)| one)
    };
    let share = (sure().count() as f64 + 0.5) / (sender.fresh + 1) as f64;
    let (packets, after) = runs(sender, sure());
    (share, (after as f64 / packets.max(1) as f64).max(share))
}

/// Those before which a transmission was lost on the way to a peer that was there.
pub fn lost<'a>(sender: &Sender, resends: &'a [Resend]) -> impl Iterator<Item = &'a Resend> {
    let until = sender.answers_until().unwrap_or(Time::MAX);
    let lost = move |one: &&Resend| one.need == Need::Lost && one.at <= until;
    resends.iter().filter(lost)
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

/// The least timeout that ikcp_nodelay sets with nodelay 0, ms. The one that it sets else is shorter than what estimates ask for.
const LEAST: u32 = 100;

/// Whether this resend came so late that others must have been lost before it, and early enough for skips to have sent it.
fn misses_some(segment: &Segment, index: usize, one: &Resend, rules: Rules) -> bool {
    let first = &segment.sendings[0];
    let timeout = Time::from(rules.timeout(first)) * MS;
    let trip = Time::from(first.estimate.srtt) * MS;
    let late = timeout * 5 / 4 + rules.period;
    one.trigger == Trigger::Timeout
        && segment.sendings[index - 1].is_skipped()
        && (late..late + MOST_FAST as Time * trip).contains(&(one.sent - first.sent))
}

/// The verdict on this transmission, which was sent again for this reason. `ways` are from the capture to the peer and back, and to the
/// sender and back.
fn judged(
    segment: &Segment,
    index: usize,
    (trigger, unsure): (Trigger, bool),
    ways: (Time, Time),
    rules: Rules,
) -> Resend {
    let period = rules.period;
    let (before, this) = (&segment.sendings[index - 1], &segment.sendings[index]);
    let twice = before.skips.at(BY_STAMP, 2);
    let by_skips = twice.map_or(0, |twice| (this.sent - twice - period).max(0));
    Resend {
        at: this.at,
        sent: this.sent,
        sn: segment.sn as u32,
        trigger,
        // A program reads its socket some time before it flushes.
        need: need(segment, index, (ways.0, ways.1 + period)),
        unsure,
        waited: waited(before, this),
        estimate: rules.timeout(before),
        by_skips,
        passed: !before.hidden,
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

    /// Only gaps of one or two of them told of ticks, and messages that are rarer leave none.
    #[test]
    fn ticks_did_not_show_between_rare_messages() {
        let flushes = |tick: f64, gaps: [u32; 4]| {
            let mut all = Histogram::new();
            let (mut ticks, mut last) = (0, 0);
            for gap in gaps.into_iter().cycle().take(100) {
                ticks += gap;
                let stamp = (f64::from(ticks) * tick) as u32;
                *all.entry(stamp - last).or_default() += 1;
                last = stamp;
            }
            grid(&all)
        };
        for gaps in [[1, 1, 2, 1], [3, 5, 4, 4], [15, 18, 16, 17]] {
            assert_eq!(flushes(15.625, gaps), Flushes::Ticks, "{gaps:?}");
            for interval in [15.0, 16.0, 20.0] {
                assert_ne!(flushes(interval, gaps), Flushes::Ticks, "{gaps:?}");
            }
        }
        // A program's own pace.
        for gaps in [[8, 16, 8, 8], [3, 3, 6, 9], [11, 11, 22, 11]] {
            assert_ne!(flushes(15.625, gaps), Flushes::Ticks, "{gaps:?}");
        }
    }

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

    /// These segments are sent and acknowledged, but the sixth is lost: five each 10 ms, and the others after a pause.
    fn all_but_the_sixth(numbers: &[u32]) -> Vec<(u32, Passes)> {
        let at = |sn: u32| if sn < 5 { 10 * sn } else { 150 + 10 * sn };
        let one = |sn: &u32| [(at(*sn), Sent(*sn)), (at(*sn) + 5, Acked(*sn, at(*sn)))];
        numbers.iter().flat_map(one).collect()
    }

    fn triggers_of<'a>(
        sender: Sender,
        resend: FastResend,
        all: impl Iterator<Item = &'a (u32, Passes)>,
    ) -> Vec<Trigger> {
        let sender = after(sender, all);
        let mut settings = Settings::of(&sender);
        settings.rules.fast_resend = resend;
        let all = resends(&sender, &settings);
        all.iter().map(|one| one.trigger).collect()
    }

    /// What is known of this sender when all that has passed.
    fn after<'a>(mut sender: Sender, all: impl Iterator<Item = &'a (u32, Passes)>) -> Sender {
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
        sender
    }

    /// Any of them was soon enough for some timer, also where no timer was ever seen to run out.
    #[test]
    fn skips_far_from_a_sender_with_long_timers_were_called_timeouts() {
        let lost = |sn: &u32| sn % 16 == 5;
        let mut all: Vec<(u32, Passes)> = (0..200).map(|sn| (10 * sn, Sent(sn))).collect();
        let others = (0..200).filter(|sn| !lost(sn));
        all.extend(others.map(|sn| (10 * sn + 25, Acked(sn, 10 * sn))));
        for sn in (0..200).filter(lost) {
            // After two skips, of which the sender hears 20 ms later.
            let at = 10 * sn + 68 + sn % 4;
            all.extend(sent_and_acked(at, sn));
        }
        all.sort_by_key(|(at, _)| *at);
        let sender = after(Sender::new(20 * MS, true), all.iter());
        let found = resends(&sender, &Settings::of(&sender));
        let skips = found.iter().filter(|one| one.trigger == Trigger::Skip);
        assert_eq!((skips.count(), found.len()), (13, 13));
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
        let found = triggers(FastResend::Off, &then);
        assert_eq!(found, [Trigger::Skip, Trigger::Skip]);
    }

    /// Round trips of 36 ms end after 30 by a clock that moves each 10 ms, so timers run out after 40 ms already. Where the second of two segments
    /// had been acknowledged by then, the resend of the first was called a skip.
    #[test]
    fn a_clock_that_stands_still_between_updates_made_skips_of_timeouts() {
        let mut all = Vec::new();
        for sn in 0..400 {
            let at = 50 * (sn / 2) + 10 * (sn / 2 % 3);
            let lost = matches!(sn % 16, 7 | 14);
            all.push((at, Sent(sn)));
            let sent = at + if lost { 40 } else { 0 };
            if lost {
                all.push((sent, Sent(sn)));
            }
            all.push((sent + 36, Acked(sn, sent)));
        }
        all.sort_by_key(|(at, _)| *at);
        let sender = after(Sender::new(0, true), all.iter());
        let settings = Settings::of(&sender);
        assert!(settings.rules.by_updates);
        let found = resends(&sender, &settings);
        let timers = found.iter().filter(|one| one.trigger == Trigger::Timeout);
        // The first came before the timer was that short.
        assert_eq!((timers.count(), found.len()), (49, 50));
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
        let mut all = all_but_the_sixth(&[0, 1, 2, 3, 4, 6, 7, 9]);
        all.extend([(310, Sent(8)), (560, Sent(5))]);
        let far = Sender::new(60 * MS, true);
        let found = triggers_of(far, FastResend::Off, all.iter());
        assert_eq!(found, [Trigger::Skip, Trigger::Skip]);
    }

    /// What came late was said to follow skips as soon as any other resend did, however many others followed timers.
    #[test]
    fn late_timers_were_called_skips_beside_a_single_skip() {
        let mut all = all_but_the_sixth(&[0, 1, 2, 3, 4, 6, 7, 8, 10]);
        // Two skips, and one.
        for (sn, at) in [(5, 290), (9, 590)] {
            all.extend([(at, Sent(sn)), (at + 5, Acked(sn, at))]);
        }
        for (sn, at) in [(11, 1_000), (12, 2_000)] {
            all.extend([(at, Sent(sn)), (at + 210, Sent(sn))]);
            all.push((at + 215, Acked(sn, at + 210)));
        }
        let far = Sender::new(60 * MS, true);
        let found = triggers_of(far, FastResend::After(2), all.iter());
        use Trigger::{Skip, Timeout};
        assert_eq!(found, [Skip, Timeout, Timeout, Timeout]);
    }

    /// The resends of the time between were lost in an outage. Skips send a segment five times in as many round trips, and no more.
    #[test]
    fn a_timer_long_after_skips_was_called_a_skip() {
        let mut all = all_but_the_sixth(&[0, 1, 2, 3, 4, 6, 7, 8]);
        all.extend([(200, Sent(5)), (3_000, Sent(5))]);
        all.sort_by_key(|(at, _)| *at);
        let far = Sender::new(60 * MS, true);
        let found = triggers_of(far, FastResend::After(2), all.iter());
        assert_eq!(found, [Trigger::Timeout]);
    }

    /// Its timer had run out as well, which the original looks at first.
    #[test]
    fn what_kcp_go_sent_again_after_one_skip_was_called_a_timeout() {
        let found = |by_go: bool| {
            let mut all: Vec<(u32, Passes)> = (0..50).map(|sn| (10 * sn, Sent(sn))).collect();
            let others = (0..50).filter(|sn| *sn != 40);
            all.extend(others.map(|sn| (10 * sn + 60, Acked(sn, 10 * sn))));
            all.extend([(472, Sent(40)), (532, Acked(40, 472))]);
            all.sort_by_key(|(at, _)| *at);
            let mut sender = Sender::new(0, true);
            sender.by_go = by_go;
            let sender = after(sender, all.iter());
            let all = resends(&sender, &Settings::of(&sender));
            all[0].trigger
        };
        assert_eq!(
            (found(false), found(true)),
            (Trigger::Timeout, Trigger::Skip)
        );
    }

    /// They came soon after one skip, but between both kcp-go had sent something else, and not them.
    #[test]
    fn timers_of_kcp_go_that_ran_out_after_a_skip_was_left_out_were_called_skips() {
        let mut all: Vec<(u32, Passes)> = Vec::new();
        for sn in 0..200 {
            let at = 5 * sn + sn % 2;
            let last = if sn > 40 && sn % 16 == 5 { at + 74 } else { at };
            let late = if sn % 16 == 7 { 3 } else { 0 };
            all.extend([(at, Sent(sn)), (last + 63 + late, Acked(sn, last))]);
            all.extend((last > at).then_some((last, Sent(sn))));
        }
        all.sort_by_key(|(at, _)| *at);
        let sender = after(Sender::new(0, true), all.iter());
        let against = |fast_resend: FastResend| {
            let rules = Rules {
                period: 10 * MS,
                fast_resend,
                skip_rule: BY_EACH,
                nodelay: 1,
                least: 0,
                by_updates: false,
            };
            contradictions(&sender, rules, f64::MAX)
        };
        let (one, off) = (against(FastResend::After(1)), against(FastResend::Off));
        assert!(one > off, "{one}, {off}");
    }

    /// It sends again what was skipped once or more as soon as it has nothing new to send. No count of the original does, so that it
    /// seemed to hear of skips later, far away.
    #[test]
    fn kcp_go_that_sends_again_after_any_number_of_skips_seemed_far_away() {
        let after_skips = |sn| (sn % 16 == 5).then_some([80, 93, 103][sn as usize / 16 % 3]);
        let mut all: Vec<(u32, Passes)> = Vec::new();
        for sn in 0..200 {
            let at = 12 * sn;
            let last = at + after_skips(sn).unwrap_or(0);
            all.extend([(at, Sent(sn)), (last + 63, Acked(sn, last))]);
            all.extend((last > at).then_some((last, Sent(sn))));
        }
        all.sort_by_key(|(at, _)| *at);
        let here = misfit(&after(Sender::new(0, false), all.iter()), f64::MAX);
        assert!(here < 2.0, "{here}");
    }

    /// One message each 20 ms over a round trip of 60, by kcp-go with an interval of 70 ms: it flushes when it hears that more has arrived,
    /// and each 70 ms. After each loss it hears of no more for a while.
    fn kcp_go_with_a_long_interval() -> Sender {
        let mut all: Vec<(u32, Passes)> = Vec::new();
        let mut sn = 0;
        for turn in 0..10 {
            let from = 810 * turn;
            for count in 0..20 {
                all.extend([
                    (from + 20 * count, Sent(sn)),
                    (from + 20 * count + 60, Acked(sn, from + 20 * count)),
                ]);
                sn += 1;
            }
            let (lost, at) = (sn, from + 400);
            all.push((at, Sent(lost)));
            for count in 1..=5 {
                let at = at + 70 * count;
                all.extend([(at, Sent(lost + count)), (at + 60, Acked(lost + count, at))]);
            }
            // Skipped at 130 and 200; at 270 and 340, since the first of these was lost, too.
            all.extend([(at + 210, Sent(lost)), (at + 350, Sent(lost))]);
            all.push((at + 410, Acked(lost, at + 350)));
            sn += 6;
        }
        all.sort_by_key(|(at, _)| *at);
        let mut sender = Sender::new(0, true);
        sender.take_manner(Manner::TellsLast, true);
        let (mut una, mut had) = (0, BTreeSet::new());
        for (at, what) in all {
            let now = Time::from(at) * MS;
            match what {
                Sent(sn) => sender.sends(now, 124, false, &[Piece::plain(COMMAND_PUSH, sn, at, 0)]),
                Acked(sn, ts) => {
                    had.insert(sn);
                    while had.remove(&una) {
                        una += 1;
                    }
                    sender.hears(now, &[Piece::plain(COMMAND_ACK, sn, ts, una)]);
                }
            }
        }
        sender.finish(25_000 * MS);
        sender
    }

    /// It was taken for 10 ms.
    #[test]
    fn the_interval_of_kcp_go_did_not_show_between_the_flushes_that_acknowledgements_cause() {
        let sender = kcp_go_with_a_long_interval();
        let settings = Settings::of(&sender);
        assert_eq!(settings.interval, Some(70));
        let found = resends(&sender, &settings);
        let skips = found.iter().filter(|one| one.trigger == Trigger::Skip);
        assert_eq!((skips.count(), found.len()), (20, 20));
    }

    /// Where round trips hardly differ, a timer of kcp-go is its interval longer than they are. It has no least timeout to set.
    #[test]
    fn the_interval_of_kcp_go_was_called_a_least_timeout() {
        let mut all: Vec<(u32, Passes)> = Vec::new();
        for sn in 0..80 {
            let at = 300 * sn + sn * sn * 7 % 61;
            let last = if sn % 4 == 3 { at + 85 } else { at };
            all.extend([(at, Sent(sn)), (last + 25, Acked(sn, last))]);
            all.extend((last > at).then_some((last, Sent(sn))));
        }
        all.sort_by_key(|(at, _)| *at);
        let mut sender = Sender::new(0, true);
        sender.take_manner(Manner::TellsLast, true);
        let settings = Settings::of(&after(sender, all.iter()));
        assert_eq!(settings.minrto, None);
    }

    /// The way is known to a few milliseconds. What seemed to come just before the second skip had none that had sent it.
    #[test]
    fn skips_that_seemed_to_come_just_after_the_resend_were_none() {
        let lost = |sn: &u32| sn % 16 == 5;
        let mut all: Vec<(u32, Passes)> = (0..200).map(|sn| (3 * sn, Sent(sn))).collect();
        let others = (0..200).filter(|sn| !lost(sn));
        all.extend(others.map(|sn| (3 * sn + 25, Acked(sn, 3 * sn))));
        for sn in (0..200).filter(lost) {
            // After two skips, of which the sender hears 18 ms later.
            all.extend(sent_and_acked(3 * sn + 49, sn));
        }
        all.sort_by_key(|(at, _)| *at);
        let sender = after(Sender::new(20 * MS, true), all.iter());
        let mut settings = Settings::of(&sender);
        settings.rules = Rules {
            fast_resend: FastResend::After(2),
            skip_rule: BY_STAMP,
            nodelay: 1,
            least: 0,
            ..settings.rules
        };
        let found = resends(&sender, &settings);
        let skips = found.iter().filter(|one| one.trigger == Trigger::Skip);
        assert_eq!((skips.count(), found.len()), (13, 13));
    }

    /// Word of two skips took long to the sender. A timer of which half was left seemed as likely, for it leaves the skips, which then sent
    /// it once more.
    #[test]
    fn a_skip_that_was_heard_late_was_called_a_timer_that_had_not_run_out() {
        let mut all: Vec<(u32, Passes)> = (0..45).map(|sn| (10 * sn, Sent(sn))).collect();
        all.extend((0..40).map(|sn| (10 * sn + 80, Acked(sn, 10 * sn))));
        all.extend((41..45).map(|sn| (560, Acked(sn, 10 * sn))));
        all.extend([520, 603, 616].map(|at| (at, Sent(40))));
        all.sort_by_key(|(at, _)| *at);
        let sender = after(Sender::new(20 * MS, true), all.iter());
        let mut settings = Settings::of(&sender);
        settings.rules = Rules {
            period: 10 * MS,
            fast_resend: FastResend::After(2),
            skip_rule: BY_ANY,
            nodelay: 1,
            least: 0,
            by_updates: false,
        };
        let found = resends(&sender, &settings);
        let found: Vec<Trigger> = found.iter().map(|one| one.trigger).collect();
        assert_eq!(found[..2], [Trigger::Timeout, Trigger::Skip], "{found:?}");
    }

    /// Sent then, and acknowledged 25 ms later.
    fn sent_and_acked(at: u32, sn: u32) -> [(u32, Passes); 2] {
        [(at, Sent(sn)), (at + 25, Acked(sn, at))]
    }

    /// Why segments were sent again by these rules, 20 ms from their sender, whose round trips are 45 ms and whose timers 100 ms. `turn`
    /// passes so many times.
    fn far_triggers(
        turns: u32,
        after_skips: u32,
        skip_rule: usize,
        turn: &[(u32, Passes)],
    ) -> Vec<Trigger> {
        let warm = (0..10).flat_map(|sn| sent_and_acked(10 * sn, sn));
        let mut all: Vec<(u32, Passes)> = warm.collect();
        let numbers = turn.iter().filter(|(_, what)| matches!(what, Acked(..)));
        let numbers = numbers.count() as u32;
        for count in 0..turns {
            let (from, first) = (1_000 * (count + 1), 10 + numbers * count);
            all.extend(turn.iter().map(|(at, what)| match what {
                Sent(sn) => (from + at, Sent(first + sn)),
                Acked(sn, ts) => (from + at, Acked(first + sn, from + ts)),
            }));
        }
        all.sort_by_key(|(at, _)| *at);
        let sender = after(Sender::new(20 * MS, true), all.iter());
        let mut settings = Settings::of(&sender);
        settings.rules = Rules {
            period: 10 * MS,
            fast_resend: FastResend::After(after_skips),
            skip_rule,
            nodelay: 2,
            least: 100,
            by_updates: false,
        };
        let found = resends(&sender, &settings);
        found.iter().map(|one| one.trigger).collect()
    }

    /// Numbers 0, 2, 3 and so on are sent each 10 ms, and acknowledged one by one.
    fn all_but_the_second(count: u32) -> Vec<(u32, Passes)> {
        let others = (0..count).filter(|sn| *sn != 1);
        others.flat_map(|sn| sent_and_acked(10 * sn, sn)).collect()
    }

    /// Where many were lost, what came long after skips was said to follow others by skips that had been lost unseen, also where its timer
    /// ran out just then and the capture showed all.
    #[test]
    fn a_timer_after_a_skip_was_called_a_skip_after_others_that_nobody_saw() {
        let mut turn = all_but_the_second(4);
        turn.extend([(10, Sent(1)), (78, Sent(1))]);
        turn.extend(sent_and_acked(85, 4));
        turn.extend(sent_and_acked(178, 1));
        let found = far_triggers(10, 2, BY_STAMP, &turn);
        assert_eq!(found, [Trigger::Skip, Trigger::Timeout].repeat(10));
    }

    /// Nothing seemed to send it that late but skips.
    #[test]
    fn a_second_timer_was_called_a_skip_where_what_the_first_one_sent_was_lost_unseen() {
        let mut turn = all_but_the_second(4);
        turn.extend(sent_and_acked(260, 1));
        let found = far_triggers(10, 4, BY_STAMP, &turn);
        assert_eq!(found, [Trigger::Timeout; 10]);
    }

    /// Each timer that could have run out unseen meanwhile was played: 17 s for 200 such.
    #[test]
    fn a_segment_that_was_sent_again_after_weeks_was_played_for_seconds() {
        let mut turn = all_but_the_second(4);
        turn.extend(sent_and_acked(2_000_000_000, 1));
        let began = std::time::Instant::now();
        let found = far_triggers(200, 4, BY_STAMP, &turn);
        assert_eq!(found, [Trigger::Timeout; 200]);
        assert!(began.elapsed().as_secs() < 10, "{:?}", began.elapsed());
    }

    /// Two skips sent it, two more sent it again, and both were lost unseen.
    #[test]
    fn the_sixth_skip_was_forgotten() {
        let mut turn = all_but_the_second(9);
        turn.extend(sent_and_acked(118, 1));
        let found = far_triggers(10, 2, BY_ANY, &turn);
        assert_eq!(found, [Trigger::Skip; 10]);
    }

    /// Only how long segments waited that were seen each time was tried as a least timeout.
    #[test]
    fn a_long_least_timeout_did_not_count_where_first_transmissions_were_lost_unseen() {
        let mut all: Vec<(u32, Passes)> = Vec::new();
        for count in 0..20 {
            let (from, first) = (500 * count, 4 * count);
            for sn in [0, 2, 3] {
                all.extend(sent_and_acked(from + 10 * sn, first + sn));
            }
            all.extend(sent_and_acked(from + 360, first + 1));
        }
        let sender = after(Sender::new(20 * MS, true), all.iter());
        let least = Settings::of(&sender).rules.least;
        assert!((320..=350).contains(&least), "{least}");
    }

    /// After five times only timers send it again, however late they are.
    #[test]
    fn the_sixth_resend_far_from_the_sender_was_called_a_skip() {
        let mut all = all_but_the_sixth(&[0, 1, 2, 3, 4]);
        all.extend((0..6).map(|time| (200 + 100 * time, Sent(5))));
        all.extend([6, 7].map(|sn| (704 + sn, Sent(sn))));
        all.extend([6, 7].map(|sn| (804 + sn, Acked(sn, 704 + sn))));
        all.push((1_100, Sent(5)));
        let far = Sender::new(60 * MS, true);
        let found = triggers_of(far, FastResend::After(2), all.iter());
        assert_eq!(found.last(), Some(&Trigger::Timeout), "{found:?}");
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

    /// The timers of what is sent before the first round trip is known last 200 ms, which hid that all later ones are longer.
    #[test]
    fn first_timers_hid_a_least_timeout() {
        let mut all: Vec<(u32, Passes)> = (0..10).map(|sn| (10 * sn, Sent(sn))).collect();
        all.push((100, Acked(0, 0)));
        all.extend((6..10).map(|sn| (100 + 10 * sn, Acked(sn, 10 * sn))));
        all.extend((1..6).map(|sn| (200 + 10 * sn, Sent(sn))));
        all.extend((1..6).map(|sn| (300 + 10 * sn, Acked(sn, 200 + 10 * sn))));
        for sn in 10..18 {
            let at = 900 * (sn - 9);
            let again = at + 550;
            all.extend([(at, Sent(sn)), (again, Sent(sn))]);
            all.push((again + 100, Acked(sn, again)));
        }
        let sender = after(Sender::new(0, true), all.iter());
        assert_eq!(Settings::of(&sender).minrto, Some(550));
    }

    /// Far from the sender, too, where it is known when it heard of what had arrived.
    #[test]
    fn a_long_least_timeout_was_told_at_the_sender_only() {
        let mut all: Vec<(u32, Passes)> = Vec::new();
        for sn in 0..40 {
            let at = 500 * sn;
            all.push((at, Sent(sn)));
            let lost = sn % 4 == 3;
            let last = if lost { at + 310 } else { at };
            all.extend(lost.then_some((last, Sent(sn))));
            all.push((last + 10, Acked(sn, last)));
        }
        for (lag, known, least) in [(40, true, Some(310)), (40, false, None)] {
            let sender = after(Sender::new(lag * MS, known), all.iter());
            assert_eq!(Settings::of(&sender).minrto, least);
        }
    }

    /// Ten times, six are sent at once, of which the first is lost; the others are acknowledged one by one, at these times, and the first is
    /// sent again at those.
    fn ten_times_skipped(acked: [u32; 5], again: &[u32]) -> Sender {
        let mut all = vec![(0, Sent(0)), (60, Acked(0, 0))];
        for turn in 0..10 {
            // Round trips differ, so that timers are long.
            let (at, slow, first) = (1_000 * (turn + 1), turn % 2 * 60, 6 * turn + 1);
            let mut these: Vec<_> = (0..6).map(|sn| (at, Sent(first + sn))).collect();
            for (sn, after) in (first + 1..).zip(acked) {
                these.push((at + slow + after, Acked(sn, at)));
            }
            these.extend(again.iter().map(|after| (at + slow + after, Sent(first))));
            let last = at + slow + again[again.len() - 1];
            these.push((last + 80, Acked(first, last)));
            these.sort_by_key(|(at, _)| *at);
            all.extend(these);
        }
        after(Sender::new(0, true), all.iter())
    }

    /// All were skipped five times in the end, so that each count up to that explains them; but flushes between left them out.
    #[test]
    fn skips_that_were_not_enough_decide_the_count() {
        let sender = ten_times_skipped([60, 90, 120, 150, 180], &[121]);
        let settings = Settings::of(&sender);
        assert_eq!(settings.fast_resend, FastResend::After(3));
        let all = resends(&sender, &settings);
        assert!(all.iter().all(|one| one.trigger == Trigger::Skip));
    }

    /// What had been sent before the first resend was acknowledged after it, and that caused the next one: the rule of the original up to
    /// 1.7, by which the later resends were called early.
    #[test]
    fn resends_by_what_was_sent_earlier_decide_the_rule() {
        let sender = ten_times_skipped([60, 90, 120, 150, 180], &[91, 151]);
        let settings = Settings::of(&sender);
        assert_eq!(settings.fast_resend, FastResend::After(2));
        assert_eq!(settings.rules.skip_rule, BY_ANY);
        let all = resends(&sender, &settings);
        assert_eq!(all.len(), 20);
        assert!(all.iter().all(|one| one.trigger == Trigger::Skip));
    }

    /// The end of each burst is lost, of which the peer says that it lacks the first one. One lost packet of acknowledgements was likelier
    /// than ten lost segments.
    #[test]
    fn the_end_of_a_burst_was_called_acknowledgements_that_were_lost() {
        let mut sender = Sender::new(0, true);
        let send = |sender: &mut Sender, at: u32, numbers: std::ops::Range<u32>| {
            for sn in numbers {
                let push = Piece::plain(COMMAND_PUSH, sn, at, 0);
                sender.sends(Time::from(at) * MS, 124, false, &[push]);
            }
        };
        let ack = |sender: &mut Sender, at: u32, (numbers, ts): (std::ops::Range<u32>, u32)| {
            let una = numbers.end;
            let all: Vec<Piece> = numbers
                .map(|sn| Piece::plain(COMMAND_ACK, sn, ts, una))
                .collect();
            sender.hears(Time::from(at) * MS, &all);
        };
        for burst in 0..10 {
            let (at, first) = (400 * burst, 40 * burst);
            send(&mut sender, at, first..first + 40);
            ack(&mut sender, at + 60, (first..first + 30, at));
            let una = Piece::plain(COMMAND_PUSH, burst, 0, first + 30);
            sender.hears(Time::from(at + 150) * MS, &[una]);
            send(&mut sender, at + 200, first + 30..first + 40);
            ack(&mut sender, at + 260, (first + 30..first + 40, at + 200));
        }
        sender.finish(9_000 * MS);
        let all = resends(&sender, &Settings::of(&sender));
        let lost = all.iter().filter(|one| one.need == Need::Lost);
        assert_eq!((lost.count(), all.len()), (100, 100));
    }

    /// The round trip had grown since it was first sent, and half of the longer timeout was taken for all of the shorter one.
    #[test]
    fn timers_that_grow_by_half_were_taken_for_doubled_ones() {
        let all = [
            (0, Sent(0)),
            (10, Sent(1)),
            (150, Acked(0, 0)),
            (210, Sent(1)),
            (640, Sent(1)),
            (790, Acked(1, 640)),
        ];
        let sender = after(Sender::new(0, true), all.iter());
        assert_eq!(Settings::of(&sender).nodelay, Some(1));
    }
}
