//! BBR on an ideal path.

use super::*;

const SEGMENT: u32 = 1400;

/// An ideal path: segments return after `rtt` and the time in the queue, at most `rate` of them per ms. Time advances in
/// units of `1 / rate` ms.
struct Script {
    bbr: Bbr,
    meter: Meter,
    tick: Tick,
    rate: u32,
    rtt: u32,
    credit: u64,
    /// When each segment in flight was sent, and when it will be acknowledged.
    flying: std::collections::VecDeque<(u32, u32)>,
    free_at: u32,
    /// Lost segments of a thousand.
    loss: u32,
    count: u32,
}

impl Script {
    fn new(rate: u32, rtt: u32) -> Script {
        Script {
            bbr: Bbr::new(0, 7),
            meter: Meter::new(0),
            tick: Tick {
                segment: SEGMENT,
                ..Tick::default()
            },
            rate,
            rtt,
            credit: 0,
            flying: std::collections::VecDeque::new(),
            free_at: 0,
            loss: 0,
            count: 0,
        }
    }

    fn step(&mut self) -> Allowance {
        self.tick.now += 1;
        let now = self.tick.now;
        (self.tick.rtt, self.tick.newest) = (None, None);
        while let Some(&(sent, back)) = self.flying.front()
            && back <= now * self.rate
        {
            self.flying.pop_front();
            self.count += 1;
            if self.count % 1000 < self.loss {
                self.tick.lost += 1;
                continue;
            }
            self.tick.delivered = self.tick.delivered.wrapping_add(SEGMENT);
            self.tick.delivered_segments += 1;
            let rtt = now - sent;
            self.tick.rtt = Some(self.tick.rtt.map_or(rtt, |least| least.min(rtt)));
            self.tick.newest = Some(sent);
        }
        self.tick.pipe = self.flying.len() as u32;
        let allowance = self.bbr.tick(self.tick, &mut self.meter);
        self.credit = self.credit.min(2_800_000) + u64::from(allowance.rate);
        while (self.flying.len() as u32) < allowance.inflight
            && (allowance.rate == 0 || self.credit >= u64::from(SEGMENT) * 1000)
        {
            self.credit = self.credit.saturating_sub(u64::from(SEGMENT) * 1000);
            // In units of one segment at the bottleneck.
            self.free_at = self.free_at.max(now * self.rate) + 1;
            self.flying
                .push_back((now, self.free_at + self.rtt * self.rate));
        }
        allowance
    }

    fn until(&mut self, phase: Phase) {
        while self.bbr.phase != phase {
            self.step();
        }
    }

    fn run(&mut self, ms: u32) {
        for _ in 0..ms {
            self.step();
        }
    }
}

#[test]
fn it_finds_what_the_path_delivers_and_keeps_the_queue_short() {
    let mut script = Script::new(4, 40);
    script.run(3_000);
    let rate = script.bbr.rate();
    assert!((5_500_000..6_000_000).contains(&rate), "{rate}");
    assert!(
        (40..=42).contains(&script.bbr.min_rtt()),
        "{}",
        script.bbr.min_rtt()
    );
    for _ in 0..5_000 {
        script.step();
        let most = 160 * 3 / 2 + 20;
        assert!(
            script.flying.len() < most,
            "{} in flight",
            script.flying.len()
        );
    }
}

/// The mean of the round trips began at nothing. Where the first acknowledgement came late, the shortest round trip was a quarter of it.
#[test]
fn a_long_first_round_trip_counted_a_quarter() {
    let (mut bbr, mut meter) = (Bbr::new(0, 7), Meter::new(0));
    for now in (10..=400).step_by(10) {
        let sent = (now == 400).then_some(0);
        let tick = Tick {
            now,
            segment: SEGMENT,
            newest: sent,
            rtt: sent.map(|sent| now - sent),
            ..Tick::default()
        };
        bbr.tick(tick, &mut meter);
    }
    assert_eq!(bbr.min_rtt(), 400);
}

#[test]
fn random_loss_does_not_slow_it_down() {
    let mut script = Script::new(4, 40);
    script.loss = 50;
    script.run(5_000);
    let before = script.tick.delivered_segments;
    script.run(10_000);
    let delivered = script.tick.delivered_segments - before;
    assert!(delivered > 36_000, "{delivered} of 38000");
}

/// The first flush makes a queue, and of its segments some are lost at random.
#[test]
fn a_few_losses_of_the_first_segments_do_not_end_startup() {
    let mut script = Script::new(4, 20);
    (script.count, script.loss) = (990, 6);
    while script.bbr.starts() {
        script.step();
    }
    let rate = script.bbr.rate();
    assert!(rate > 5_000_000, "{rate}");
}

/// With flushes as rare as round trips, each flush found all losses of one and ended it, so none of them ever counted.
#[test]
fn losses_that_were_found_as_a_round_trip_ended_did_not_count() {
    let mut script = Script::new(4, 3);
    script.until(Phase::Up);
    let mut tick = script.tick;
    tick.now += 1;
    (tick.lost, tick.newest) = (tick.lost + 40, Some(tick.now));
    script.bbr.tick(tick, &mut script.meter);
    assert_ne!(script.bbr.phase, Phase::Up);
    assert_ne!(script.bbr.inflight_longterm, UNBOUNDED);
}

#[test]
fn it_follows_a_path_that_becomes_slower_and_faster() {
    let mut script = Script::new(8, 40);
    script.run(3_000);
    let fast = script.bbr.rate();
    script.rate = 2;
    script.flying.clear();
    script.free_at = script.tick.now * 2;
    script.run(6_000);
    let slow = script.bbr.rate();
    assert!(slow < fast / 3, "{slow} after {fast}");
    script.rate = 8;
    script.flying.clear();
    script.free_at = script.tick.now * 8;
    script.run(10_000);
    assert!(script.bbr.rate() > fast * 9 / 10, "{}", script.bbr.rate());
}

#[test]
fn it_looks_for_the_shortest_round_trip_when_it_was_not_seen_for_long() {
    let mut script = Script::new(4, 40);
    script.run(3_000);
    script.rtt = 60;
    let mut probed = false;
    for _ in 0..8_000 {
        script.step();
        probed |= script.bbr.phase == Phase::ProbeRtt;
    }
    assert!(probed);
    assert!(
        (60..=63).contains(&script.bbr.min_rtt()),
        "{}",
        script.bbr.min_rtt()
    );
}

#[test]
fn nonsense_gives_an_allowance_too() {
    let mut bbr = Bbr::new(0, 1);
    let mut meter = Meter::new(0);
    let mut random = 12345u32;
    for _ in 0..20_000 {
        let allowance = bbr.tick(Tick::nonsense(&mut random), &mut meter);
        assert!(allowance.inflight >= MIN_PIPE_CWND);
    }
}

/// The flow looked for a queue again and again, though round trips of 0 ms rule one out.
#[test]
fn a_path_of_0_ms_was_probed_for_a_queue() {
    let (mut bbr, mut meter) = (Bbr::new(0, 7), Meter::new(0));
    for now in 1..60_000 {
        let tick = Tick {
            now,
            segment: SEGMENT,
            delivered: now * SEGMENT,
            delivered_segments: now,
            newest: Some(now),
            rtt: Some(0),
            ..Tick::default()
        };
        bbr.tick(tick, &mut meter);
        assert_ne!(bbr.phase, Phase::ProbeRtt, "at {now} ms");
    }
}

/// Four segments at a time were in flight until a timeout of many seconds ended a round trip.
#[test]
fn a_probe_for_the_shortest_round_trip_whose_segments_were_all_lost_never_ended() {
    let mut script = Script::new(5, 50);
    script.until(Phase::Cruise);
    script.until(Phase::ProbeRtt);
    let began = script.tick.now;
    while script.bbr.phase == Phase::ProbeRtt {
        script.flying.clear();
        script.step();
        assert!(script.tick.now - began < 1_200, "still in ProbeRTT");
    }
}
