//! In which ways the rules of a sender may have sent a segment again and again: each time by its timer or by skips, whichever came first.
//! The flush and the moments of both tell how likely that is, and each cause changes what the sender waits for next.

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
/// How likely a resend was lost unseen, far from the sender.
const UNSEEN: f64 = 0.1;

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
        let timeout = first.timeout(rules.period).max(least);
        let longest = first.estimate.srtt as u32 + interval;
        Play {
            timeout: f64::from(timeout),
            longer: f64::from(longest.saturating_sub(timeout)),
            skips: 0,
            against: 0.0,
            causes: None,
        }
    }

    /// When the transmission before this one had been skipped often enough to be sent again.
    fn skipped_enough(&self, before: &Sending, rules: Rules) -> Option<Time> {
        let new = before.skips[rules.skip_rule];
        let FastResend::After(count) = rules.fast_resend else {
            return None;
        };
        match count.saturating_sub(self.skips) {
            0 => Some(before.sent),
            more if more <= new.count => new.at.get(more as usize - 1).copied(),
            _ => None,
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
        let near = sender.is_near();
        let (before, this) = (&segment.sendings[index - 1], &segment.sendings[index]);
        let waited = f64::from(waited(before, this));
        let go = rules.of_go();
        let flush = (rules.period / MS) as f64;
        let more = match index == 1 && rules.nodelay == 0 && !go {
            true => self.timeout / 8.0,
            false => 0.0,
        };
        let timer = self.timeout + more;
        let fast = go || index <= MOST_FAST;
        // Only timers send it again after some times. They are then no shorter than the first one, and how much longer is known less well.
        let about = SOONEST_TIMER
            * match fast {
                false => f64::from(segment.sendings[0].timeout(rules.period)),
                true => timer,
            };
        let (blur, early, unseen) = match near {
            true => (NEAR, LATE, 0.0),
            // Some resends are lost unseen, so that a timer which ran out long ago may have been set again.
            false => (FAR, 0.0, UNSEEN),
        };
        let guessed = if before.hidden { GUESSED } else { 0.0 };
        let timer_blur = blur.timer + LONG_TIMERS * timer + guessed;
        let by_timer = Ago {
            took: waited - timer + 0.5,
            blur: if fast { timer_blur } else { 3.0 * timer_blur },
            longer: self.longer,
        };
        let within = rules.period + if near { 4 } else { 8 } * MS;
        let enough = self.skipped_enough(before, rules).filter(|_| fast);
        // Between the flushes of kcp-go it flushes what a program sends, too.
        let flush_of_skips = match go && near {
            true => flush.min((this.sent - this.prior) as f64 / MS as f64),
            false => flush,
        };
        let took = match go && skipped_once(before, this, within) {
            true => Some(flush_of_skips / 2.0),
            false => enough.map(|at| (this.sent - at) as f64 / MS as f64 + early),
        };
        let by_skips = took.map(|took| Ago {
            took,
            blur: blur.skips,
            longer: 0.0,
        });
        // The original looks at timers before it looks at skips, kcp-go after that.
        let (timer_first, skips_first) = match go {
            true => (flush + LATE, 0.0),
            false => (0.0, flush + LATE),
        };
        let of_timer =
            by_timer.now(flush) * by_skips.map_or(1.0, |skips| 1.0 - skips.by(skips_first));
        let of_skips = by_skips.map_or(0.0, |skips| {
            skips.now(flush_of_skips) * (1.0 - by_timer.by(timer_first)).max(unseen)
        });
        // When a hidden one was sent is known less well.
        let one = if before.hidden { 0.5 } else { 1.0 };
        let against = |likely: f64| one * (likely.min(1.0) + ODD).ln() / ODD.ln();
        let (likelier, other) = (of_timer.max(of_skips), of_timer.min(of_skips));
        let least = match before.hidden {
            true => EXPLAINED_HIDDEN,
            false => EXPLAINED,
        };
        let explained = likelier > least;
        let unsure = before.hidden || !explained || likelier < 5.0 * other;
        let mut then = |trigger: Trigger, likely: f64| {
            let mut play = self.clone();
            play.against += against(likely);
            play.causes
                .iter_mut()
                .for_each(|all| all.push((trigger, unsure)));
            play.sent_again(trigger, (before, this), waited - more, rules);
            next.push(play);
        };
        let both = [(Trigger::Timeout, of_timer), (Trigger::Skip, of_skips)];
        for (trigger, likely) in both.into_iter().filter(|one| one.1 > least) {
            then(trigger, likely);
        }
        if explained {
            return;
        }
        // Far from the sender, some resends are lost unseen. What comes too late for any timer then follows skips, where those count, but
        // no more often than they send a segment.
        let latest = timer + self.longer + flush + 4.0;
        let others = MOST_FAST as f64 * (f64::from(before.estimate.srtt) + flush);
        let after_others = !near
            && matches!(rules.fast_resend, FastResend::After(_))
            && (latest..latest + others).contains(&waited)
            && before.skips[BY_STAMP].count >= 2;
        let trigger = match before.skips[BY_ANY].count > 0 {
            _ if !fast => Trigger::Timeout,
            _ if after_others || (go && enough.is_some()) => Trigger::Skip,
            _ if waited >= about => Trigger::Timeout,
            true => Trigger::Skip,
            false if near && waited + flush < about => Trigger::Early,
            // Its timer is not known that well: the sender takes round trips by the clock of its last update.
            false => Trigger::Timeout,
        };
        then(trigger, 0.0);
    }

    /// What the sender waits for after this.
    fn sent_again(
        &mut self,
        trigger: Trigger,
        (before, this): (&Sending, &Sending),
        took: f64,
        rules: Rules,
    ) {
        let flush = (rules.period / MS) as f64;
        match trigger {
            Trigger::Timeout => {
                // It ran out between two flushes.
                let timeout = self.timeout.clamp((took - flush).max(0.0), took.max(0.0));
                let estimate = f64::from(this.timeout(rules.period));
                self.timeout = timeout
                    + match rules.nodelay {
                        0 if rules.of_go() => estimate,
                        0 => timeout.max(estimate),
                        1 if !rules.of_go() => timeout / 2.0,
                        _ => estimate / 2.0,
                    };
                self.longer = 0.0;
                if !rules.of_go() {
                    self.skips += before.skips[rules.skip_rule].count;
                }
            }
            Trigger::Skip => {
                self.skips = 0;
                if rules.of_go() {
                    let timer = this.timeout(rules.period).max(rules.least);
                    self.timeout = f64::from(timer);
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
fn skipped_once(before: &Sending, this: &Sending, within: Time) -> bool {
    let skips = before.skips[BY_EACH];
    let since = skips.at[0];
    skips.count > 0 && !this.beside_fresh && (this.sent - since <= within || this.prior > since)
}
