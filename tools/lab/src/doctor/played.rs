//! In which ways the rules of a sender may have sent a segment again and again: each time by its timer or by skips, whichever came first.
//! What was lost before it came to the capture is played, too. The flush and the moments of both tell how likely that is, and each cause
//! changes what the sender waits for next.

use super::causes::{FastResend, Rules, Trigger};
use super::sender::{BY_ANY, BY_EACH, BY_STAMP, MS, SOONEST_TIMER, Segment, Sender, Sending, Time};

/// Ways that are followed at once, and by how much they may be less likely than the best one.
const FOLLOWED: usize = 4;
const BEHIND: f64 = 1.0;
/// How likely it is that the rules do not explain a resend at all.
const ODD: f64 = 0.001;
/// Less likely is not explained by them; and where nobody saw when the transmission before was sent.
const EXPLAINED: f64 = 0.01;
const EXPLAINED_HIDDEN: f64 = 0.1;
/// How well that is known, ms.
const GUESSED: f64 = 4.0;
/// Flushes are later than their grid by this at times, ms.
const LATE: f64 = 2.0;
/// How well timers and the moments of skips are known far from the sender, and at its end, ms; and the share by which timers are known
/// less well.
const FAR: Blur = Blur {
    timer: 2.0,
    skips: 3.0,
};
const NEAR: Blur = Blur {
    timer: 1.5,
    skips: 1.0,
};
const LONG_TIMERS: f64 = 0.01;
/// Unseen resends in a row that are played. A machine that slept, or a forged time, has room for thousands.
const MOST_UNSEEN: usize = 32;

struct Blur {
    timer: f64,
    skips: f64,
}

/// Skips send a segment again until it has been sent so often.
pub const MOST_FAST: usize = 5;

/// What a flush looks for happened so long before it, ms, as far as that is known.
#[derive(Clone, Copy)]
struct Ago {
    took: f64,
    blur: f64,
    /// Or by so much less.
    longer: f64,
}

impl Ago {
    /// How likely it happened `before` or more before this flush.
    fn by(self, before: f64) -> f64 {
        let by = |took: f64| 1.0 / (1.0 + ((before - took) / self.blur).exp());
        match self.longer > 0.0 {
            true => (by(self.took) + by(self.took - self.longer)) / 2.0,
            false => by(self.took),
        }
    }

    /// How likely it happened since the flush before this one.
    fn now(self, flush: f64) -> f64 {
        self.by(0.0) - self.by(flush + LATE)
    }
}

/// What the sender sent last, seen or not.
#[derive(Clone, Copy)]
struct Last {
    sent: Time,
    /// How long before this one, ms.
    ago: f64,
    /// Skips before it, of those that the last one that was seen had.
    used: u32,
    /// How many were sent unseen, and how likely that is.
    unseen: usize,
    likely: f64,
}

/// A transmission, the one before it, and what is known of their sender.
#[derive(Clone, Copy)]
struct Pair<'a> {
    before: &'a Sending,
    this: &'a Sending,
    /// Of this one among all of its segment.
    index: usize,
    rules: Rules,
    near: bool,
    /// How likely a resend is lost unseen.
    lost: f64,
}

impl Pair<'_> {
    fn flush(self) -> f64 {
        (self.rules.period / MS) as f64
    }

    /// Between the flushes of kcp-go it flushes what a program sends, too.
    fn flush_of_skips(self) -> f64 {
        match self.rules.of_go() && self.near {
            true => {
                let since = self.this.sent - self.this.prior;
                self.flush().min(since as f64 / MS as f64)
            }
            false => self.flush(),
        }
    }

    /// Skips send it again, after so many that were lost unseen.
    fn is_fast(self, unseen: usize) -> bool {
        self.rules.of_go() || self.index + unseen <= MOST_FAST
    }
}

/// How long ago its timer ran out, and when it was skipped often enough.
type Waits = (Ago, Option<Ago>);

/// Why the sender may have sent a segment again, and how likely, so played and after that.
struct Way {
    trigger: Trigger,
    likely: f64,
    play: Play,
    last: Last,
}

/// One way in which the rules may have sent a segment again so far.
#[derive(Clone)]
pub struct Play {
    /// What its timeout was set to last, ms: a timeout makes it longer, a resend by skips leaves it.
    timeout: f64,
    /// By how much the interval of the sender may have made it longer.
    longer: f64,
    /// Skips that no resend has used up: a timeout leaves them.
    skips: u32,
    /// How much of it these rules do not explain, in resends.
    against: f64,
    /// Why each was sent again, and whether another cause is about as likely.
    causes: Option<Vec<(Trigger, bool)>>,
}

impl Play {
    /// Why each transmission was sent again, by these rules, and whether another cause is about as likely.
    pub fn causes(segment: &Segment, rules: Rules, sender: &Sender) -> Vec<(Trigger, bool)> {
        let mut begun = Play::begun(segment, rules);
        begun.causes = Some(Vec::new());
        begun
            .likeliest(segment, rules, sender)
            .causes
            .unwrap_or_default()
    }

    /// How much of it these rules do not explain, in resends.
    pub fn against(segment: &Segment, rules: Rules, sender: &Sender) -> f64 {
        Play::begun(segment, rules)
            .likeliest(segment, rules, sender)
            .against
    }

    fn likeliest(self, segment: &Segment, rules: Rules, sender: &Sender) -> Play {
        let (mut plays, mut next) = (vec![self], Vec::with_capacity(2 * FOLLOWED));
        for index in 1..segment.sendings.len() {
            for play in plays.drain(..) {
                play.go_on(segment, index, rules, sender, &mut next);
            }
            next.sort_by(|one, other| one.against.total_cmp(&other.against));
            let most = next[0].against + BEHIND;
            next.retain(|one| one.against <= most);
            next.truncate(FOLLOWED);
            std::mem::swap(&mut plays, &mut next);
        }
        plays.swap_remove(0)
    }

    fn begun(segment: &Segment, rules: Rules) -> Play {
        let first = &segment.sendings[0];
        let (least, interval) = match first.knows_the_way() {
            true => (rules.least, (rules.period / MS) as u32),
            false => (0, 0),
        };
        let timeout = rules.timeout(first).max(least);
        let longest = rules.estimate(first).srtt as u32 + interval;
        Play {
            timeout: f64::from(timeout),
            longer: f64::from(longest.saturating_sub(timeout)),
            skips: 0,
            against: 0.0,
            causes: None,
        }
    }

    /// When what was sent last had been skipped often enough to be sent again.
    fn skipped_enough(&self, pair: Pair, last: Last) -> Option<Time> {
        let FastResend::After(count) = pair.rules.fast_resend else {
            return None;
        };
        match count.saturating_sub(self.skips) {
            0 => Some(last.sent),
            more => {
                let skips = &pair.before.skips;
                skips.at(pair.rules.skip_rule, last.used + more)
            }
        }
    }

    /// By how much its timer is longer than the timeout, once so many were lost unseen.
    fn more(&self, pair: Pair, unseen: usize) -> f64 {
        let first = pair.index + unseen == 1;
        match first && pair.rules.nodelay == 0 && !pair.rules.of_go() {
            true => self.timeout / 8.0,
            false => 0.0,
        }
    }

    /// Adds the ways in which this transmission may follow.
    fn go_on(
        self,
        segment: &Segment,
        index: usize,
        rules: Rules,
        sender: &Sender,
        next: &mut Vec<Play>,
    ) {
        let (before, this) = (&segment.sendings[index - 1], &segment.sendings[index]);
        let near = sender.is_near();
        let pair = Pair {
            before,
            this,
            index,
            rules,
            near,
            lost: if near { 0.0 } else { sender.lost_unseen() },
        };
        let waited = f64::from(waited(before, this));
        let seen = Last {
            sent: before.sent,
            ago: waited,
            used: 0,
            unseen: 0,
            likely: 1.0,
        };
        let (mut ways, mut unseen) = (Vec::new(), Vec::new());
        let mut played = vec![(self.clone(), seen)];
        while !played.is_empty() {
            for (play, last) in played.drain(..) {
                let waits = play.waits(pair, last);
                // At the sender's end none is lost, and this runs for all rules.
                if pair.lost > EXPLAINED {
                    unseen.extend(play.unseen(pair, last, waits));
                }
                ways.extend(play.ways(pair, last, waits));
            }
            unseen.sort_by(|one, other| other.1.likely.total_cmp(&one.1.likely));
            unseen.truncate(FOLLOWED);
            std::mem::swap(&mut played, &mut unseen);
        }
        // When a hidden one was sent is known less well.
        let one = if before.hidden { 0.5 } else { 1.0 };
        let against = |likely: f64| one * (likely.min(1.0) + ODD).ln() / ODD.ln();
        let best = |trigger: Trigger| {
            let these = ways.iter().filter(|way| way.trigger == trigger);
            these.map(|way| way.likely).fold(0.0, f64::max)
        };
        let (of_timer, of_skips) = (best(Trigger::Timeout), best(Trigger::Skip));
        let (likelier, other) = (of_timer.max(of_skips), of_timer.min(of_skips));
        ways.retain(|way| {
            let least = match before.hidden && way.last.unseen == 0 {
                true => EXPLAINED_HIDDEN,
                false => EXPLAINED,
            };
            way.likely > least
        });
        let explained = !ways.is_empty();
        let unsure = before.hidden || !explained || likelier < 5.0 * other;
        let mut then = |way: Way| {
            let (last, mut play) = (way.last, way.play);
            play.against += against(way.likely);
            play.causes
                .iter_mut()
                .for_each(|all| all.push((way.trigger, unsure)));
            let skips = before.skips.count(rules.skip_rule);
            let took = last.ago - play.more(pair, last.unseen);
            let new = skips.saturating_sub(last.used);
            play.sent_again(way.trigger, took, new, this, rules);
            next.push(play);
        };
        if explained {
            ways.into_iter().for_each(then);
            return;
        }
        let fast = pair.is_fast(0);
        let about = SOONEST_TIMER
            * match fast {
                false => f64::from(rules.timeout(&segment.sendings[0])),
                true => self.timeout + self.more(pair, 0),
            };
        let enough_for_go = rules.of_go() && self.skipped_enough(pair, seen).is_some();
        let trigger = match before.skips.count(BY_ANY) > 0 {
            _ if !fast => Trigger::Timeout,
            _ if enough_for_go => Trigger::Skip,
            _ if waited >= about => Trigger::Timeout,
            true => Trigger::Skip,
            false if near && waited + pair.flush() < about => Trigger::Early,
            // Its timer is not known that well: the sender takes round trips by the clock of its last update.
            false => Trigger::Timeout,
        };
        then(self.way(trigger, 0.0, seen));
    }

    fn way(self, trigger: Trigger, likely: f64, last: Last) -> Way {
        Way {
            trigger,
            likely,
            play: self,
            last,
        }
    }

    fn waits(&self, pair: Pair, last: Last) -> Waits {
        let Pair {
            before,
            this,
            rules,
            near,
            ..
        } = pair;
        let timer = self.timeout + self.more(pair, last.unseen);
        let fast = pair.is_fast(last.unseen);
        let (blur, early) = match near {
            true => (NEAR, LATE),
            false => (FAR, 0.0),
        };
        let guessed = if before.hidden { GUESSED } else { 0.0 };
        // An unseen one was sent at some flush.
        let flush = if last.unseen > 0 { pair.flush() } else { 0.0 };
        let timer_blur = blur.timer + LONG_TIMERS * timer + guessed + flush / 2.0;
        let by_timer = Ago {
            took: last.ago - timer + 0.5,
            // Only timers send it again after some times, and how much longer they then are is known less well.
            blur: if fast { timer_blur } else { 3.0 * timer_blur },
            longer: self.longer,
        };
        let within = rules.period + if near { 4 } else { 8 } * MS;
        let took = match rules.of_go() && skipped_once(before, last.used, this, within) {
            true => Some(pair.flush_of_skips() / 2.0),
            false => {
                let enough = self.skipped_enough(pair, last).filter(|_| fast);
                enough.map(|at| (this.sent - at) as f64 / MS as f64 + early)
            }
        };
        let by_skips = took.map(|took| Ago {
            took,
            blur: blur.skips,
            longer: 0.0,
        });
        (by_timer, by_skips)
    }

    /// How the sender may have sent this, after what it sent last.
    fn ways(self, pair: Pair, last: Last, (by_timer, by_skips): Waits) -> [Way; 2] {
        let flush = pair.flush();
        // The original looks at timers before it looks at skips, kcp-go after that.
        let (timer_first, skips_first) = match pair.rules.of_go() {
            true => (flush + LATE, 0.0),
            false => (0.0, flush + LATE),
        };
        let of_timer =
            by_timer.now(flush) * by_skips.map_or(1.0, |skips| 1.0 - skips.by(skips_first));
        // What ran out long ago may have been set again by what was lost unseen.
        let timer_later = (1.0 - by_timer.by(timer_first)).max(pair.lost);
        let of_skips = by_skips.map_or(0.0, |skips| skips.now(pair.flush_of_skips()) * timer_later);
        [
            self.clone()
                .way(Trigger::Timeout, of_timer * last.likely, last),
            self.way(Trigger::Skip, of_skips * last.likely, last),
        ]
    }

    /// What the sender may have sent between what it sent last and this, unseen.
    fn unseen(
        &self,
        pair: Pair,
        last: Last,
        (by_timer, by_skips): Waits,
    ) -> impl Iterator<Item = (Play, Last)> {
        let Pair {
            before,
            this,
            rules,
            ..
        } = pair;
        // Losses come together.
        let lost = if last.unseen == 0 { pair.lost } else { 1.0 };
        let earlier = |wait: Ago| wait.by(pair.flush() + LATE);
        let skips_first = by_skips.map_or(0.0, |skips| {
            let sooner = Ago {
                took: skips.took - by_timer.took,
                blur: by_timer.blur,
                longer: 0.0,
            };
            sooner.by(0.0)
        });
        let after = |trigger: Trigger, likely: f64, wait: Ago| {
            let likely = likely * lost * last.likely;
            if likely <= EXPLAINED || wait.took <= 0.0 || last.unseen == MOST_UNSEEN {
                return None;
            }
            let ago = (wait.took - pair.flush() / 2.0).max(0.0);
            let sent = this.sent - (ago * MS as f64) as Time;
            // What tells of segments that were sent before it tells nothing of it, by this rule.
            let told = match rules.skip_rule {
                BY_STAMP => sent + Time::from(before.estimate.srtt) * MS,
                _ => sent,
            };
            let used = before.skips.until(rules.skip_rule, told);
            let mut play = self.clone();
            let new = used.saturating_sub(last.used);
            play.sent_again(trigger, self.timeout, new, before, rules);
            let last = Last {
                sent,
                ago,
                used,
                unseen: last.unseen + 1,
                likely,
            };
            Some((play, last))
        };
        let timer = after(
            Trigger::Timeout,
            earlier(by_timer) * (1.0 - skips_first),
            by_timer,
        );
        let skips =
            by_skips.and_then(|skips| after(Trigger::Skip, earlier(skips) * skips_first, skips));
        timer.into_iter().chain(skips)
    }

    /// What the sender waits for after this, `took` ms after it had last set the timer. `skips` more had come since then.
    fn sent_again(
        &mut self,
        trigger: Trigger,
        took: f64,
        skips: u32,
        this: &Sending,
        rules: Rules,
    ) {
        let flush = (rules.period / MS) as f64;
        let estimate = rules.timeout(this);
        match trigger {
            Trigger::Timeout => {
                // It ran out between two flushes.
                let timeout = self.timeout.clamp((took - flush).max(0.0), took.max(0.0));
                let estimate = f64::from(estimate);
                self.timeout = timeout
                    + match rules.nodelay {
                        0 if rules.of_go() => estimate,
                        0 => timeout.max(estimate),
                        1 if !rules.of_go() => timeout / 2.0,
                        _ => estimate / 2.0,
                    };
                self.longer = 0.0;
                if !rules.of_go() {
                    self.skips += skips;
                }
            }
            Trigger::Skip => {
                self.skips = 0;
                if rules.of_go() {
                    self.timeout = f64::from(estimate.max(rules.least));
                }
            }
            Trigger::Early => {}
        }
    }
}

/// How long after the one before it was sent, by the sender's clock, ms.
pub fn waited(before: &Sending, after: &Sending) -> u32 {
    // A clock that was set back makes it negative.
    after
        .ts
        .wrapping_sub(before.ts)
        .cast_signed()
        .max(0)
        .cast_unsigned()
}

/// For kcp-go a single skip is enough for this: it is the first flush after that, or the one before sent something new.
fn skipped_once(before: &Sending, used: u32, this: &Sending, within: Time) -> bool {
    let since = before.skips.at(BY_EACH, used + 1);
    !this.beside_fresh
        && since.is_some_and(|since| this.sent - since <= within || this.prior > since)
}
