//! Several flows at one bottleneck, the traffic of a game, and disturbances that must not stop a control.

use std::collections::VecDeque;

use ikcp_core::{Header, Source};

use crate::common::object::{in_flight, stats};
use crate::common::random::Random;
use crate::common::seeds::for_seeds;
use crate::net::{Control, End, Net, Outcome, Path, Plan, alone, fairness, mean};

/// Flows of this plan that start 3 s apart.
fn apart<const COUNT: usize>(plan: Plan) -> [Plan; COUNT] {
    std::array::from_fn(|flow| Plan {
        start: 3_000 * flow as u64,
        ..plan
    })
}

#[test]
fn two_flows_come_to_share_alike() {
    let plans: [_; 2] = apart(Plan::new(Control::Bbr));
    let mut net = Net::new(Path::new(20, 20), &plans, 1);
    let outcomes = net.between(13_000, 20_000);
    let index = fairness(&outcomes);
    assert!(index > 0.95, "{index}: {outcomes:?}");
    assert!(
        outcomes.iter().all(|outcome| outcome.own_loss < 1.0),
        "{outcomes:?}"
    );
}

/// The interval is 10 ms, and each flow begins at another point of it: on a grid each would meet the same queue again and again, some of
/// them always the longest.
#[test]
fn flows_with_one_interval_come_to_share_alike() {
    let plans = [0, 3_001, 6_003, 9_006].map(|start| Plan {
        start,
        interval: 10,
        ..Plan::new(Control::Bbr)
    });
    let mut net = Net::new(Path::new(20, 50), &plans, 1);
    let outcomes = net.between(25_000, 40_000);
    let index = fairness(&outcomes);
    assert!(index > 0.9, "{index}: {outcomes:?}");
    assert!(
        outcomes.iter().all(|outcome| outcome.own_loss < 1.0),
        "{outcomes:?}"
    );
}

/// Both ends call each 10 ms and at no other time, so every round trip is a multiple of 10 ms. Flows whose shortest one came out 10 ms longer
/// took most of the link.
#[test]
#[cfg_attr(debug_assertions, ignore = "minutes without optimization")]
fn of_programs_that_call_each_10_ms_some_took_most_of_the_link() {
    let indices = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12].map(|seed| {
        let plans: [_; 8] = apart(Plan {
            drive: 10,
            ..Plan::new(Control::Bbr)
        });
        let mut net = Net::new(Path::new(50, 50), &plans, seed);
        fairness(&net.between(30_000, 50_000))
    });
    let mean = indices.iter().sum::<f64>() / indices.len() as f64;
    assert!(mean > 0.85, "{mean}: {indices:?}");
}

/// The flow with the highest rate kept the queue full and lost little, and the others lost a fifth of what they sent: a cruise ignored
/// losses, and after each the bound in flight grew by a quarter, most for the largest flow.
#[test]
#[cfg_attr(debug_assertions, ignore = "a minute without optimization")]
fn in_a_short_queue_one_of_four_flows_took_most_of_the_link() {
    let path = Path {
        queue: 25,
        ..Path::new(50, 50)
    };
    let (mut index, mut loss) = (0.0, 0.0);
    for seed in [1, 2, 3, 4] {
        let plans: [_; 4] = apart(Plan::new(Control::Bbr));
        let flows = Net::new(path, &plans, seed).between(30_000, 60_000);
        index += fairness(&flows) / 4.0;
        loss += mean(&flows, |flow| flow.own_loss) / 4.0;
    }
    assert!(index > 0.8 && loss < 2.0, "{index}, {loss} %");
}

/// All round trips were 2 ms longer than the shortest, which had been seen once. That was taken for a queue of other flows, each loss for their
/// overflow, and one flow of eight fell to 6 % of the link.
#[test]
#[cfg_attr(debug_assertions, ignore = "a minute without optimization")]
fn flushes_that_kept_step_looked_like_a_queue() {
    let plan = Plan {
        interval: 10,
        window: 8192,
        ..Plan::new(Control::Bbr)
    };
    let path = Path {
        loss: 500,
        ..Path::new(100, 30)
    };
    for seed in 1..=8 {
        let share = alone(path, plan, seed).share;
        assert!(share > 60.0, "seed {seed}: {share} %");
    }
}

/// Each has six segments on the path. What the others lost in its ProbeRTT, one flow took for the path's usual loss, up to a quarter;
/// it made up for it, and kept the queue full.
#[test]
#[cfg_attr(debug_assertions, ignore = "a minute without optimization")]
fn one_of_six_flows_on_a_short_path_left_nothing_to_the_others() {
    let path = Path {
        queue: 25,
        ..Path::new(20, 20)
    };
    let plans: [_; 6] = apart(Plan::new(Control::Bbr));
    let mut index = 0.0;
    for seed in 1..=16 {
        let flows = Net::new(path, &plans, seed).between(50_000, 80_000);
        index += fairness(&flows) / 16.0;
    }
    assert!(index > 0.85, "{index}");
}

/// A queue of a tenth or a seventh of the path was too short to show, so each flow took what the others lost for usual, and kept it full: two
/// lost 10 % of what they sent, four 21 %.
#[test]
#[cfg_attr(debug_assertions, ignore = "a minute without optimization")]
fn several_flows_kept_a_queue_full_that_was_too_short_to_show() {
    let loss = |queue: u64, plans: &[Plan]| {
        let path = Path {
            queue,
            ..Path::new(50, 50)
        };
        let own = |seed| {
            let flows = Net::new(path, plans, seed).between(30_000, 50_000);
            mean(&flows, |flow| flow.own_loss)
        };
        (1..=4).map(own).sum::<f64>() / 4.0
    };
    let two = loss(10, &apart::<2>(Plan::new(Control::Bbr)));
    let four = loss(15, &apart::<4>(Plan::new(Control::Bbr)));
    assert!(two < 2.0 && four < 5.0, "{two}, {four} %");
}

/// What a flush sends meets the queue all at once. With losses, flushes come more often than the interval.
#[test]
fn a_queue_shorter_than_the_interval_does_not_drop_what_each_flush_sends() {
    let plan = Plan {
        interval: 10,
        ..Plan::new(Control::Bbr)
    };
    let path = Path {
        queue: 10,
        ..Path::new(20, 50)
    };
    let mut net = Net::new(path, &[plan], 1);
    let outcome = net.first_between(5_000, 15_000);
    assert!(outcome.share > 80.0, "{outcome:?}");
    assert!(outcome.own_loss < 3.0, "{outcome:?}");
}

/// What a flush may send waits for it, and the window has room for a part of that only.
#[test]
fn with_two_flushes_in_a_round_trip_an_eighth_of_the_link_was_left_unused() {
    let plan = Plan {
        interval: 10,
        ..Plan::new(Control::Bbr)
    };
    let path = Path {
        queue: 400,
        ..Path::new(20, 20)
    };
    let mut net = Net::new(path, &[plan], 1);
    let outcome = net.first_between(5_000, 15_000);
    assert!(outcome.share > 95.0, "{outcome:?}");
    assert!(outcome.queueing < 8.0, "{outcome:?}");
}

/// Sender and receiver need not have the same interval. A flow that sends each millisecond spiralled down to a third of the link.
#[test]
fn between_two_acknowledgements_of_a_peer_with_a_long_interval_the_window_ran_out() {
    for (rtt, interval) in [(20, 10), (30, 20), (30, 30)] {
        let mut net = Net::new(Path::new(100, rtt), &[Plan::new(Control::Bbr)], 1);
        net.flows[0].b.kcp().interval.set(interval);
        let outcome = net.first_between(5_000, 15_000);
        assert!(outcome.share > 95.0, "{rtt}, {interval}: {outcome:?}");
        let most = (3 * rtt / 10) as f64 + f64::from(interval) + 1.0;
        assert!(outcome.queueing < most, "{rtt}, {interval}: {outcome:?}");
    }
}

#[test]
fn an_interval_of_40_ms_leaves_nothing_of_the_link_unused() {
    let plan = Plan {
        interval: 40,
        ..Plan::new(Control::Bbr)
    };
    let mut net = Net::new(Path::new(20, 50), &[plan], 1);
    let outcome = net.first_between(5_000, 15_000);
    assert!(outcome.share > 90.0, "{outcome:?}");
    assert!(outcome.own_loss < 0.1, "{outcome:?}");
}

#[test]
fn a_program_that_called_when_something_was_due_left_half_of_the_link_unused() {
    for (control, loss, interval) in [(Control::Bbr, 500, 10), (Control::Cubic, 0, 100)] {
        let path = Path {
            loss,
            ..Path::new(20, 50)
        };
        let plan = Plan {
            window: 1024,
            interval,
            due: true,
            ..Plan::new(control)
        };
        let share = Net::new(path, &[plan], 1)
            .first_between(5_000, 10_000)
            .share;
        assert!(share > 75.0, "{control:?}: {share} %");
    }
}

#[test]
fn a_program_sees_what_a_control_does() {
    for control in [Control::Bbr, Control::Cubic] {
        let mut net = Net::new(Path::new(10, 20), &[Plan::new(control)], 1);
        net.run(5_000, |_| ());
        let info = net.flows[0].a.info();
        // 10 Mbit/s less the headers of UDP and IP.
        assert!(
            (1_150_000..1_300_000).contains(&info.bandwidth),
            "{}",
            info.bandwidth
        );
        assert!((20..25).contains(&info.min_rtt), "{}", info.min_rtt);
        assert!(info.inflight > 0 && info.inflight <= info.inflight_target + 1);
        assert!(info.pacing_rate > 1_000_000, "{}", info.pacing_rate);
        assert_eq!(info.needless, 0);
    }
}

#[test]
fn bbr_and_cubic_live_beside_each_other() {
    // On faster links the periods of CUBIC are longer, and the share of such a short run depends on the seed.
    for seed in 1..5 {
        let plans = [Plan::new(Control::Bbr), Plan::new(Control::Cubic)];
        let mut net = Net::new(Path::new(10, 20), &plans, seed);
        let share = net.first_between(5_000, 20_000).share;
        assert!((25.0..75.0).contains(&share), "seed {seed}: {share}");
    }
}

#[test]
#[cfg_attr(debug_assertions, ignore = "slow without optimization")]
fn the_longer_the_queue_that_cubic_kept_full_the_less_was_left_to_bbr() {
    // Over 96 seeds it is 39.2 and 28.8 %, without `is_crowded` 30.7 and 25.2 %. Means of 48 differ by 1 %.
    for (queue, least) in [(200, 38.0), (400, 27.5)] {
        let play = |seed| {
            let plan = |control, start| Plan {
                start,
                window: 8192,
                ..Plan::new(control)
            };
            let late = 3_000 * (seed % 2);
            let plans = [plan(Control::Bbr, late), plan(Control::Cubic, 3_000 - late)];
            let path = Path {
                queue,
                ..Path::new(50, 50)
            };
            Net::new(path, &plans, seed).first_between(15_000, 60_000)
        };
        let flows: Vec<_> = (0..48).map(play).collect();
        let share = mean(&flows, |flow| flow.share);
        assert!(share >= least && share < 65.0, "queue {queue}: {share}");
    }
}

/// Packets and when they arrive, ms.
type Way = VecDeque<(u64, Vec<u8>)>;

/// What arrives until `now`.
fn deliver(end: &End, way: &mut Way, now: u64) {
    while way.front().is_some_and(|(due, _)| *due <= now) {
        let (_, packet) = way.pop_front().expect("one");
        end.input(&packet);
    }
}

/// Everything that is sent goes from one end to the other in 10 ms.
fn carry(ends: &[End; 2], way: &mut [Way; 2], now: u64) {
    for (side, end) in ends.iter().enumerate() {
        deliver(end, &mut way[side], now);
        end.kcp().update(now as u32);
        for packet in end.packets() {
            way[1 - side].push_back((now + 10, packet));
        }
    }
}

/// Echo times in ms, with a message every 16 ms, over a path with loss.
fn echoes(control: Control, loss: u64, seed: u64) -> Vec<u64> {
    let plan = Plan {
        window: 128,
        drive: 10,
        ..Plan::new(control)
    };
    let ends = [End::new(7, plan), End::new(7, plan)];
    for end in &ends {
        end.control(control);
    }
    let mut random = Random::new(seed);
    let mut way: [Way; 2] = Default::default();
    let (mut sent, mut times) = (VecDeque::new(), Vec::new());
    let mut buffer = [0; 200];
    for now in 0..20_000u64 {
        for (side, end) in ends.iter().enumerate() {
            end.kcp().update(now as u32);
            deliver(end, &mut way[side], now);
        }
        if now % 16 == 0 && now < 19_000 {
            ends[0].send(&[7; 120]);
            sent.push_back(now);
        }
        while let Some(len) = ends[1].take(&mut buffer) {
            ends[1].send(&buffer[..len]);
        }
        while ends[0].take(&mut buffer).is_some() {
            times.push(now - sent.pop_front().expect("it was sent"));
        }
        for (side, end) in ends.iter().enumerate() {
            for packet in end.packets() {
                if random.below(100) >= loss {
                    way[1 - side].push_back((now + 25, packet));
                }
            }
        }
    }
    assert!(times.len() > 1_000, "{} echoes", times.len());
    times
}

#[test]
fn a_game_is_as_fast_with_a_control_as_without() {
    for loss in [0, 1, 5] {
        let without = echoes(Control::Window, loss, 3);
        for control in [Control::Bbr, Control::Cubic, Control::Rack] {
            assert_eq!(echoes(control, loss, 3), without, "{control:?}, {loss} %");
        }
    }
}

#[test]
#[cfg_attr(debug_assertions, ignore = "10 s without optimization")]
fn forged_acknowledgements_do_not_stop_a_control_for_good() {
    for_seeds(4, |random| {
        for control in [Control::Bbr, Control::Cubic, Control::Rack] {
            let mut net = Net::new(Path::new(10, 20), &[Plan::new(control)], random.next());
            net.run(3_000, |net| {
                // A forger that guesses the connection's number, and often its sequence numbers.
                let kcp = net.flows[0].a.kcp();
                let mut packet = Vec::new();
                let (conv, una, now) = (kcp.conv.get(), kcp.snd_una.get(), kcp.current.get());
                for _ in 0..random.below(4) {
                    let near = |random: &mut Random, to: u32| match random.below(4) {
                        0 => random.next() as u32,
                        1 => to.wrapping_sub(random.below(100) as u32),
                        _ => to.wrapping_add(random.below(100) as u32),
                    };
                    packet.extend(conv.to_le_bytes());
                    packet.extend([82, 0, 0, 16]);
                    packet.extend(near(random, now).to_le_bytes());
                    packet.extend(near(random, una).to_le_bytes());
                    packet.extend(una.to_le_bytes());
                    packet.extend([0; 4]);
                }
                net.flows[0].a.input(&packet);
            });
            assert!(
                net.flows[0].offered > 300,
                "{control:?}: {}",
                net.flows[0].offered
            );
            // Segments that the forger acknowledged in the peer's name are lost, and so is the stream. But the rest is
            // retransmitted repeatedly, at the latest after KCP's longest timeout, which forged time stamps may cause.
            let before = net.flows[0].offered;
            net.run(150_000, |_| ());
            let more = net.flows[0].offered - before;
            assert!(more > 10, "{control:?} sends {more} packets");
        }
    });
}

/// A flow whose window alone does not overflow the queue.
fn modest(control: Control) -> Net {
    let plan = Plan {
        window: 64,
        ..Plan::new(control)
    };
    let path = Path {
        queue: 400,
        ..Path::new(10, 20)
    };
    Net::new(path, &[plan], 1)
}

#[test]
fn clocks_that_jump_do_not_stop_a_control_for_good() {
    for control in [Control::Bbr, Control::Cubic, Control::Rack] {
        for jump in [1_000_000u32, 0u32.wrapping_sub(1_000_000), u32::MAX / 2] {
            let mut net = modest(control);
            net.run(3_000, |_| ());
            net.shift = jump;
            let share = net.first_between(6_000, 10_000).share;
            assert!(share > 50.0, "{control:?}, {jump}: {share} %");
        }
    }
}

/// The program calls in each hour of a month.
#[test]
fn after_a_month_without_data_bbr_looked_for_the_shortest_round_trip_for_weeks() {
    let ends = [0, 1].map(|_| End::new(7, Plan::new(Control::Bbr)));
    ends[0].control(Control::Bbr);
    let (mut way, mut now) = (Default::default(), 0);
    let mut run = |sends: bool, calls: u64, step: u64| {
        let (mut taken, mut buffer) = (0, [0; 1_000]);
        for _ in 0..calls {
            while sends && ends[0].kcp().waitsnd() < 200 {
                ends[0].send(&[7; 1_000]);
            }
            carry(&ends, &mut way, now);
            while ends[1].take(&mut buffer).is_some() {
                taken += 1;
            }
            now += step;
        }
        taken
    };
    let before = run(true, 5_000, 1);
    run(false, 1_000, 1);
    run(false, 30 * 24, 3_600_000);
    let after = run(true, 5_000, 1);
    assert!(after > before * 9 / 10, "{after} after {before}");
}

#[test]
fn a_peer_that_stops_reading_is_served_when_it_reads_again() {
    for control in [Control::Bbr, Control::Cubic, Control::Rack] {
        let mut net = modest(control);
        net.run(2_000, |_| ());
        net.reads = false;
        net.run(4_000, |_| ());
        let taken = net.taken(0);
        net.reads = true;
        let share = net.first_between(14_000, 18_000).share;
        assert!(net.taken(0) > taken + 500, "{control:?}");
        assert!(share > 80.0, "{control:?}: {share} %");
    }
}

#[test]
fn a_link_that_comes_back_is_filled_again() {
    for control in [Control::Bbr, Control::Cubic, Control::Rack] {
        let mut net = modest(control);
        net.run(2_000, |_| ());
        net.path.loss = 10_000;
        net.run(4_000, |_| ());
        let offered = net.flows[0].offered;
        net.run(6_000, |_| ());
        // Only probes, instead of everything in flight again and again.
        let probes = net.flows[0].offered - offered;
        assert!(probes < 200, "{control:?}: {probes} packets into the dark");
        net.path.loss = 0;
        let share = net.first_between(9_000, 13_000).share;
        assert!(share > 90.0, "{control:?}: {share} %");
    }
}

/// The first acknowledgement showed that what had left before the outage was lost, and the window began to grow from two segments on.
#[test]
fn after_an_outage_a_long_path_was_filled_again_after_twelve_seconds() {
    for control in [Control::Bbr, Control::Cubic] {
        let mut net = Net::new(Path::new(50, 100), &[Plan::new(control)], 1);
        net.run(5_000, |_| ());
        net.path.loss = 10_000;
        net.run(8_000, |_| ());
        net.path.loss = 0;
        let share = net.first_between(9_000, 12_000).share;
        assert!(share > 80.0, "{control:?}: {share} %");
    }
}

/// What a flow does from `from` until `until` if `path` becomes `later` at `change`, ms.
fn after_a_change(
    [path, later]: [Path; 2],
    plan: Plan,
    [change, from, until]: [u64; 3],
) -> Outcome {
    let mut net = Net::new(path, &[plan], 1);
    net.run(change, |_| ());
    net.path = later;
    net.first_between(from, until)
}

/// Percent of the link that BBR carries from 10 s until 14 s after `path` became `later`.
fn share_after_a_change(path: Path, later: Path) -> f64 {
    let plan = Plan::new(Control::Bbr);
    after_a_change([path, later], plan, [6_000, 16_000, 20_000]).share
}

/// Each cycle found a quarter more, and then cruised, so that a link 20 times as fast was full after 14 cycles.
#[test]
fn a_link_that_became_faster_was_filled_a_quarter_more_in_each_cycle() {
    let share = share_after_a_change(Path::new(1, 150), Path::new(20, 150));
    assert!(share > 90.0, "{share} %");
}

/// The flow knew shorter round trips, so nothing that the new path lost counted as usual, and each probe seemed to overflow a queue.
#[test]
#[cfg_attr(debug_assertions, ignore = "slow without optimization")]
fn a_path_that_became_longer_and_began_to_lose_was_left_four_fifths_empty() {
    let shares = [1, 2, 3, 4, 5, 6, 7, 8].map(|seed| {
        let mut net = Net::new(Path::new(50, 30), &[Plan::new(Control::Bbr)], seed);
        net.run(20_000, |_| ());
        net.path = Path {
            loss: 200,
            ..Path::new(50, 100)
        };
        net.first_between(30_000, 50_000).share
    });
    let mean = shares.iter().sum::<f64>() / 8.0;
    assert!(mean > 80.0, "{shares:?}");
}

/// ProbeRTT, each 5 s, began a new cycle before any had reached its probe.
#[test]
fn on_a_path_longer_than_half_a_second_bbr_never_looked_for_more() {
    let path = Path {
        queue: 25,
        loss: 100,
        ..Path::new(1, 1_200)
    };
    let mut net = Net::new(path, &[Plan::new(Control::Bbr)], 1);
    let share = net.first_between(30_000, 70_000).share;
    assert!(share > 90.0, "{share} %");
}

/// What the queue had taken when the round trip was 24 ms bounded what was in flight at 240 ms.
#[test]
fn the_bound_in_flight_of_a_short_path_stayed_when_the_path_became_longer() {
    let short = Path {
        queue: 20,
        loss: 6,
        ..Path::new(10, 24)
    };
    let share = share_after_a_change(short, Path { rtt: 240, ..short });
    assert!(share > 80.0, "{share} %");
}

/// What BBR, called each `drive` ms, does from 3 s until 6 s after `path` became `later`.
fn soon_after_a_change(path: Path, later: Path, drive: u64) -> Outcome {
    let plan = Plan {
        drive,
        window: 16_384,
        ..Plan::new(Control::Bbr)
    };
    after_a_change([path, later], plan, [12_000, 15_000, 18_000])
}

/// For up to 10 s an eighth of the link was used: a longer round trip was accepted when two ProbeRTT, 5 s and more apart, had found it.
#[test]
fn a_path_that_became_longer_was_believed_after_seven_seconds() {
    let short = Path::new(50, 30);
    let long = Path { rtt: 120, ..short };
    for drive in [1, 10] {
        let share = soon_after_a_change(short, long, drive).share;
        assert!(share > 90.0, "each {drive} ms: {share} %");
    }
}

/// What had been in flight on the faster link stood in the queue until the rate was forgotten, two cycles of long round trips later.
#[test]
fn a_link_that_became_slower_kept_its_queue_full_for_seconds() {
    let fast = Path {
        queue: 200,
        ..Path::new(20, 50)
    };
    // The same queue in bytes.
    let slow = Path {
        rate: 4,
        queue: 1_000,
        ..fast
    };
    for drive in [1, 10] {
        let Outcome {
            share, queueing, ..
        } = soon_after_a_change(fast, slow, drive);
        assert!(
            share > 90.0 && queueing < 100.0,
            "each {drive} ms: {share} %, {queueing} ms"
        );
    }
}

#[test]
fn another_mtu_under_way_changes_nothing_but_the_packets() {
    for control in [Control::Bbr, Control::Cubic] {
        let mut net = Net::new(Path::new(10, 20), &[Plan::new(control)], 1);
        net.run(2_000, |_| ());
        assert_eq!(net.flows[0].a.kcp().setmtu(1450), 0);
        let share = net.first_between(4_000, 8_000).share;
        assert!(share > 90.0, "{control:?}: {share} %");
    }
}

#[test]
fn segments_from_before_a_smaller_mtu_were_held_back_for_ever() {
    for control in [Control::Bbr, Control::Cubic] {
        let mut net = Net::new(Path::new(10, 20), &[Plan::new(control)], 1);
        net.run(2_000, |_| ());
        assert_eq!(net.flows[0].a.kcp().setmtu(100), 0);
        let taken = net.taken_until(0, 4_000);
        assert!(taken > 100, "{control:?}: {taken}");
    }
}

/// A second of outage begins just before a control is installed.
#[test]
fn a_control_that_began_with_segments_in_flight_did_not_know_of_them() {
    for control in [Control::Bbr, Control::Cubic] {
        let mut net = Net::new(Path::new(10, 20), &[Plan::new(Control::Window)], 1);
        net.run(2_000, |_| ());
        net.path.loss = 10_000;
        net.run(2_010, |_| ());
        net.flows[0].a.control(control);
        net.run(3_000, |_| ());
        net.path.loss = 0;
        let share = net.first_between(6_000, 10_000).share;
        assert!(share > 80.0, "{control:?}: {share} %");
    }
}

#[test]
fn a_program_may_change_its_mind_about_controls() {
    for_seeds(2, |random| {
        let mut net = Net::new(
            Path {
                loss: 100,
                ..Path::new(10, 20)
            },
            &[Plan::new(Control::Bbr)],
            random.next(),
        );
        net.run(6_000, |net| {
            if random.below(50) == 0 {
                let controls = [
                    Control::Bbr,
                    Control::Cubic,
                    Control::Rack,
                    Control::BuiltIn,
                ];
                let a = &net.flows[0].a;
                match controls[random.below(4) as usize] {
                    Control::BuiltIn => {
                        a.kcp().rack(false);
                        a.without_control();
                    }
                    other => a.control(other),
                }
            }
        });
        assert!(net.taken(0) > 100, "{}", net.taken(0));
    });
}

/// A flush was given what 50 ms allow, however long it had been since the last, so that the rate fell in each round trip.
#[test]
fn a_program_that_calls_each_tenth_of_a_second_came_to_send_nothing() {
    for drive in [60, 100, 200] {
        let plan = Plan {
            drive,
            ..Plan::new(Control::Bbr)
        };
        let path = Path {
            loss: 100,
            queue: 1_000,
            ..Path::new(20, 20)
        };
        let mut net = Net::new(path, &[plan], 1);
        let share = net.first_between(10_000, 30_000).share;
        assert!(share > 80.0, "each {drive} ms: {share} %");
    }
}

/// A second during which one end did nothing counted as one in which the path carried nothing.
#[test]
fn programs_that_stand_still_again_and_again_came_to_send_nothing() {
    for_seeds(1, |random| {
        for who in [[true, true], [true, false], [false, true]] {
            let plan = Plan {
                drive: 30,
                window: 1_024,
                ..Plan::new(Control::Bbr)
            };
            let path = Path {
                loss: 500,
                queue: 1_000,
                ..Path::new(20, 20)
            };
            let mut net = Net::new(path, &[plan], random.next());
            let (mut awake, mut turn) = (0, 3_000);
            net.run(60_000, |net| {
                let stands = net.stopped != [false; 2];
                awake += u32::from(!stands);
                if net.now == turn {
                    net.stopped = if stands { [false; 2] } else { who };
                    turn += if stands {
                        random.within(100, 300)
                    } else {
                        random.within(1_000, 2_000)
                    };
                }
            });
            // Of about 1,750 segments that the link carries in a second.
            let rate = net.taken(0) / (awake / 1_000);
            assert!(rate > 1_000, "{who:?}: {rate} segments a second");
        }
    });
}

/// Where round trips consist of waits for the peer's next flush, a probe put no more in flight than a cruise, and was over before the rate
/// that it gained could be measured; such waits also counted as a queue. A link that had become 40 times faster was used to 4 to 30 %.
#[test]
fn a_link_that_became_faster_stayed_empty_where_waits_are_longer_than_the_path() {
    for (rtt, interval) in [(2, 10), (2, 100), (25, 40), (60, 100)] {
        let path = Path {
            queue: 20_000 / rtt,
            ..Path::new(1, rtt)
        };
        let plan = Plan {
            window: 16_384,
            ..Plan::new(Control::Bbr)
        };
        let mut net = Net::new(path, &[plan], 1);
        net.flows[0].b.kcp().interval.set(interval as u32);
        net.run(5_000, |_| ());
        net.path.rate = 40;
        let share = net.first_between(15_000, 25_000).share;
        assert!(share > 80.0, "{rtt} ms, each {interval} ms: {share} %");
    }
}

/// The pace was that of segments as small as the new mtu.
#[test]
fn segments_from_before_a_smaller_mtu_left_one_at_a_time() {
    let mut net = Net::new(Path::new(1, 400), &[Plan::new(Control::Cubic)], 1);
    net.run(4_000, |_| ());
    net.path = Path::new(10, 20);
    let kcp = || net.flows[0].a.kcp();
    assert_eq!(kcp().setmtu(100), 0);
    kcp().path_changed();
    let taken = net.taken_until(0, 10_000);
    assert!(taken > 4_000, "{taken}");
}

/// Each packet holds one segment, so the counters say how many packets have left.
#[test]
fn what_waited_for_its_pace_counted_as_sent() {
    let mut net = Net::new(Path::new(2, 100), &[Plan::new(Control::Bbr)], 1);
    stats(net.flows[0].a.kcp());
    net.run(10_000, |net| {
        let a = &net.flows[0].a;
        if net.now.is_multiple_of(1_000) {
            a.kcp().path_changed();
        }
        let stats = stats(a.kcp());
        let resent = [
            &stats.resent_timeout,
            &stats.resent_skipped,
            &stats.resent_path,
        ];
        let resent: u64 = resent.iter().map(|count| count.get()).sum();
        let counted = stats.segments_sent.get() + resent;
        assert_eq!(counted, stats.packets_sent.get(), "at {} ms", net.now);
    });
}

/// Messages are offered faster than the link carries them, and for two seconds nothing arrives.
#[test]
fn what_waited_for_its_pace_could_not_expire() {
    const UNTIL: u64 = 200;
    for control in [Control::Bbr, Control::Cubic] {
        let plan = Plan {
            window: 256,
            drive: 10,
            ..Plan::new(control)
        };
        let ends = [End::new(7, plan), End::new(7, plan)];
        ends[0].control(control);
        let mut way: [Way; 2] = Default::default();
        let (mut next, mut busy_until) = (ends[0].kcp().snd_nxt.get(), 0);
        for now in 0..20_000u64 {
            for (side, end) in ends.iter().enumerate() {
                end.kcp().update(now as u32);
                deliver(end, &mut way[side], now);
            }
            if now.is_multiple_of(3) {
                let mut message = [0; 500];
                message[..8].copy_from_slice(&now.to_le_bytes());
                // SAFETY: the message has that size.
                let source = unsafe { Source::new(message.as_ptr().cast()) };
                ends[0].kcp().send_until(source, 500, UNTIL as i32);
            }
            while ends[1].take(&mut [0; 500]).is_some() {}
            let works = !(5_000..7_000).contains(&now);
            for packet in ends[0].packets() {
                let mut rest = &packet[..];
                while let Some((&header, behind)) = rest.split_first_chunk() {
                    let header = Header::parse(&header);
                    let (payload, others) = behind.split_at(header.len as usize);
                    if header.sn == next && header.len > 0 {
                        next = next.wrapping_add(1);
                        let sent = u64::from_le_bytes(payload[..8].try_into().expect("a time"));
                        assert!(now - sent <= UNTIL, "{control:?}: {sent} left at {now}");
                    }
                    rest = others;
                }
                busy_until = now.max(busy_until) + packet.len() as u64 * 8 / 1_000;
                if works && busy_until < now + 100 {
                    way[1].push_back((busy_until + 25, packet));
                }
            }
            if works {
                way[0].extend(
                    ends[1]
                        .packets()
                        .into_iter()
                        .map(|packet| (now + 25, packet)),
                );
            }
        }
    }
}

/// In a window of a few segments, which has no index, the last of several messages left with the next flush.
#[test]
fn what_got_a_number_at_its_pace_left_a_flush_late() {
    for control in [Control::Bbr, Control::Cubic] {
        let plan = Plan {
            window: 4,
            drive: 10,
            ..Plan::new(control)
        };
        let ends = [End::new(7, plan), End::new(7, plan)];
        ends[0].control(control);
        let mut way = Default::default();
        for now in 0..5_000u64 {
            if now.is_multiple_of(300) {
                (0..6).for_each(|_| ends[0].send(&[7; 500]));
            }
            carry(&ends, &mut way, now);
            while ends[1].take(&mut [0; 500]).is_some() {}
            for segment in in_flight(&ends[0].kcp()) {
                assert_ne!(segment.xmit.get(), 0, "{control:?} at {now} ms");
            }
        }
    }
}

/// The peer's window becomes an eighth of what is in flight, and the path carries nothing for a while. Whatever timed out first was a probe, so
/// the first segment, without which the peer takes nothing, came after up to 12 s.
#[test]
fn a_peer_that_shrank_its_window_was_probed_with_what_it_refuses() {
    for control in [Control::Bbr, Control::Cubic, Control::Rack] {
        for outage in [1_000, 3_000, 10_000] {
            let mut net = Net::new(Path::new(50, 100), &[Plan::new(control)], 1);
            net.run(5_000, |_| ());
            let in_flight = net.flows[0].a.kcp().nsnd_buf.get();
            net.flows[0].b.kcp().rcv_wnd.set(in_flight / 8);
            net.path.loss = 10_000;
            net.run(5_000 + outage, |net| {
                let now = net.now as u32;
                let next = net.flows[0].a.kcp().next_due(now);
                assert!(control != Control::Rack || next != now, "it would spin");
            });
            net.path.loss = 0;
            // Timeouts grow by half each.
            let taken = net.taken_until(0, 5_500 + outage + outage / 2);
            assert!(taken > 0, "{control:?} after {outage} ms");
        }
    }
}

/// A probe each timeout, always of one segment, counted up to `dead_link` in 3 s.
#[test]
fn an_outage_of_seconds_made_the_link_dead() {
    for control in [Control::Bbr, Control::Cubic, Control::Rack, Control::Window] {
        let mut net = Net::new(Path::new(50, 100), &[Plan::new(control)], 1);
        net.run(5_000, |_| ());
        net.path.loss = 10_000;
        net.run(25_000, |_| ());
        assert_eq!(net.flows[0].a.kcp().state.get(), 0, "{control:?}");
    }
}

/// The time of the last loss, before the clock went back, seemed to be later than each reduction.
#[test]
fn a_clock_that_went_back_before_cubic_was_installed_left_it_in_recovery() {
    let path = Path {
        loss: 100,
        ..Path::new(10, 20)
    };
    let mut net = Net::new(path, &[Plan::new(Control::Rack)], 1);
    net.run(2_000, |_| ());
    net.shift = 0u32.wrapping_sub(1_000_000);
    net.run(2_001, |_| ());
    net.flows[0].a.kcp().path_changed();
    net.flows[0].a.control(Control::Cubic);
    net.path.loss = 0;
    let share = net.first_between(6_000, 10_000).share;
    assert!(share > 80.0, "{share} %");
}

/// With nothing in flight, whatever the program had was sent at once, and half of it overflowed the queue. Once little of it was in flight,
/// KCP's own rules found the losses, and CUBIC never learned of them.
#[test]
fn what_came_after_a_pause_overflowed_a_short_queue_each_time() {
    let path = Path::new(5, 20);
    for control in [Control::Bbr, Control::Cubic] {
        for (burst, drive, most) in [(44, 1, 1.0), (73, 1, 1.0), (44, 10, 3.0), (73, 10, 3.0)] {
            let plan = Plan {
                burst,
                drive,
                ..Plan::new(control)
            };
            // KCP's own timeout for the last segment of a burst is 5 of 1,460 segments with one seed, and none with most.
            let play = |seed| Net::new(path, &[plan], seed).first_between(5_000, 25_000);
            let outcomes: Vec<_> = (1..=8).map(play).collect();
            let own_loss = mean(&outcomes, |outcome| outcome.own_loss);
            let needless = mean(&outcomes, |outcome| outcome.needless);
            assert!(
                own_loss < most && needless < 0.2,
                "{burst} messages each second, {plan:?}: {own_loss} {needless} %"
            );
        }
    }
}

/// A flow that started found losses late that its start had caused, took them for usual, and kept a short queue full: it had 86 % of the link,
/// seven others 2 % each.
#[test]
#[cfg_attr(debug_assertions, ignore = "a minute without optimization")]
fn a_flow_that_took_its_own_losses_for_usual_displaced_the_others() {
    let path = Path {
        queue: 25,
        ..Path::new(50, 50)
    };
    for seed in [18, 4, 15] {
        let plans: [_; 8] = apart(Plan::new(Control::Bbr));
        let index = fairness(&Net::new(path, &plans, seed).between(54_000, 84_000));
        assert!(index > 0.9, "seed {seed}: {index}");
    }
}

/// What may be in flight left no room for the waits of both ends, so each cycle measured a lower rate than the one before: 16 % of the link.
#[test]
fn where_intervals_are_as_long_as_the_path_the_rate_fell_cycle_by_cycle() {
    for (rate, rtt) in [(100, 10), (300, 9), (30, 12), (100, 14)] {
        let plan = Plan {
            interval: 10,
            ..Plan::new(Control::Bbr)
        };
        for seed in 1..4 {
            let share = alone(Path::new(rate, rtt), plan, seed).share;
            assert!(
                share > 85.0,
                "{rate} Mbit/s, {rtt} ms, seed {seed}: {share} %"
            );
        }
    }
}

/// A segment saved up its bytes over several flushes, but no more than two segments of the new size were kept.
#[test]
fn segments_from_before_a_smaller_mtu_left_each_second_time_the_program_called() {
    let plan = Plan {
        drive: 100,
        ..Plan::new(Control::Bbr)
    };
    let mut net = Net::new(Path::new(1, 20), &[plan], 1);
    net.run(300, |_| ());
    assert_eq!(net.flows[0].a.kcp().setmtu(100), 0);
    net.run(10_000, |_| ());
    let taken = net.taken_until(0, 20_000);
    assert!(taken > 170, "{taken}");
}

/// On a path as long as the default interval, the wait for such a peer became known only after seconds. Until then the window held too little
/// for the rate to grow, so Startup ended, at 3 to 32 % of the link.
#[test]
fn a_peer_with_the_default_interval_ended_startup_at_a_part_of_the_link() {
    let plan = Plan {
        interval: 100,
        ..Plan::new(Control::Bbr)
    };
    for (rate, rtt) in [(50, 98), (50, 99), (200, 98), (200, 99)] {
        let mut net = Net::new(Path::new(rate, rtt), &[plan], 1);
        net.flows[0].a.kcp().interval.set(10);
        let share = net.first_between(10_000, 20_000).share;
        assert!(share > 80.0, "{rate} Mbit/s, {rtt} ms: {share} %");
    }
}

/// Each packet takes up to 10 or 20 ms longer at random, as with netem's jitter. What was overtaken counted as lost, the flight held too
/// little for the mean round trip, and acknowledgements that `una` overtook were left out of the rate: 3 to 25 % of the link.
#[test]
fn packets_that_overtake_others_left_a_tenth_of_the_link_used() {
    for control in [Control::Bbr, Control::Cubic] {
        for (rate, rtt, reorder) in [(50, 50, 10), (50, 50, 20), (30, 20, 20), (10, 50, 25)] {
            let path = Path {
                reorder,
                ..Path::new(rate, rtt)
            };
            let outcome = alone(path, Plan::new(control), 1);
            assert!(outcome.share > 90.0, "{control:?}, {path:?}: {outcome:?}");
            assert!(outcome.needless < 0.5, "{control:?}, {path:?}: {outcome:?}");
        }
    }
}

/// With intervals of 20 and 40 ms, packets of one flush that overtook each other counted as several, so what may be in flight was too little,
/// and a few flushes later it was forgotten how late segments may be: 8 to 92 % of the link. Where the peer's interval is a round trip or more,
/// what missed one flush came later than RACK's window allowed: 9 to 38 % for BBR, 11 to 17 % for CUBIC. On a path as short as packets are
/// late, what may be in flight had no room for that: 31 %.
#[test]
#[cfg_attr(debug_assertions, ignore = "slow without optimization")]
fn packets_that_overtook_others_of_their_flush_left_most_of_the_link_unused() {
    for (control, rate, rtt, reorder, interval) in [
        (Control::Bbr, 50, 20, 3, 20),
        (Control::Bbr, 50, 50, 3, 40),
        (Control::Bbr, 50, 50, 10, 40),
        (Control::Bbr, 200, 20, 1, 20),
        (Control::Bbr, 200, 20, 3, 40),
        (Control::Bbr, 200, 50, 3, 20),
        (Control::Bbr, 200, 50, 10, 40),
        (Control::Bbr, 50, 20, 10, 20),
        (Control::Bbr, 200, 20, 3, 20),
        (Control::Bbr, 200, 20, 10, 20),
        (Control::Bbr, 200, 10, 10, 10),
        (Control::Cubic, 200, 20, 3, 10),
        (Control::Cubic, 50, 50, 10, 40),
        (Control::Cubic, 50, 20, 10, 20),
        (Control::Cubic, 50, 20, 3, 40),
    ] {
        let path = Path {
            queue: 400,
            reorder,
            ..Path::new(rate, rtt)
        };
        let plan = Plan {
            window: 8192,
            interval,
            ..Plan::new(control)
        };
        let share = mean_share(path, plan, 3);
        assert!(share > 92.0, "{path:?}, {interval} ms: {share} %");
    }
}

/// A late segment seemed lost, and nobody asked later whether it was: on fast short paths CUBIC had 20 to 43 % of the link.
#[test]
#[cfg_attr(debug_assertions, ignore = "slow without optimization")]
fn losses_that_were_none_took_most_of_the_link_from_cubic() {
    for (rtt, reorder, interval) in [
        (5, 10, 20),
        (10, 10, 40),
        (10, 10, 20),
        (5, 3, 10),
        (10, 3, 20),
        (5, 3, 1),
    ] {
        let path = Path {
            queue: 400,
            reorder,
            ..Path::new(200, rtt)
        };
        let plan = Plan {
            window: 8192,
            interval,
            ..Plan::new(Control::Cubic)
        };
        let share = mean_share(path, plan, 2);
        assert!(share > 95.0, "{path:?}, {interval} ms: {share} %");
    }
}

/// All that a peer had held back for 40 ms was acknowledged at once, and as much left at twice the rate of the link: 39 to 48 % of it.
#[test]
#[cfg_attr(debug_assertions, ignore = "slow without optimization")]
fn what_rare_acknowledgements_freed_overflowed_a_short_queue() {
    for (rate, rtt, queue, drive) in [
        (50, 20, 5, 5),
        (50, 5, 5, 5),
        (50, 10, 10, 10),
        (10, 10, 5, 1),
        (200, 20, 10, 10),
    ] {
        let path = Path {
            queue: queue * 100 / rtt,
            ..Path::new(rate, rtt)
        };
        let plan = Plan {
            drive,
            interval: 40,
            ..Plan::new(Control::Cubic)
        };
        let share = mean_share(path, plan, 2);
        assert!(share > 75.0, "{path:?}, {drive} ms: {share} %");
    }
}

#[test]
fn flows_whose_packets_overtake_each_other_share_alike() {
    let plans: [_; 2] = apart(Plan::new(Control::Bbr));
    let path = Path {
        reorder: 10,
        ..Path::new(50, 50)
    };
    let outcomes = Net::new(path, &plans, 1).between(13_000, 30_000);
    assert!(fairness(&outcomes) > 0.95, "{outcomes:?}");
}

/// More than 9 % of loss was a flood in each round trip, even where it was usual, so BBR drew back again and again, to 9 to 23 % of the link.
#[test]
fn a_tenth_of_all_packets_lost_was_a_flood_for_ever() {
    for (rate, rtt) in [(20, 50), (50, 50), (50, 100)] {
        let path = Path {
            loss: 1_000,
            ..Path::new(rate, rtt)
        };
        let share = alone(path, Plan::new(Control::Bbr), 1).share;
        assert!(share > 60.0, "{rate} Mbit/s, {rtt} ms: {share} %");
    }
}

/// Percent of a link that a flow carries, the mean of so many seeds.
fn mean_share(path: Path, plan: Plan, seeds: u64) -> f64 {
    let flows: Vec<_> = (1..=seeds).map(|seed| alone(path, plan, seed)).collect();
    let shares: Vec<_> = flows.iter().map(|flow| flow.share).collect();
    println!("{path:?}: {shares:?} %");
    mean(&flows, |flow| flow.share)
}

/// Percent of a link that BBR carries where `loss` percent of all packets are lost.
fn share_of_lossy(rate: u64, rtt: u64, loss: u64, interval: u64) -> f64 {
    let path = Path {
        loss: loss * 100,
        ..Path::new(rate, rtt)
    };
    let plan = Plan {
        interval,
        ..Plan::new(Control::Bbr)
    };
    mean_share(path, plan, 6)
}

/// The bound in flight that such a flood had set stayed, and the flow came to a tenth of the link.
#[test]
#[cfg_attr(debug_assertions, ignore = "slow without optimization")]
fn a_fifth_of_all_packets_lost_was_a_flood_whose_bound_stayed() {
    assert!(share_of_lossy(50, 50, 20, 1) > 20.0);
}

/// What ProbeRTT itself lost counted as a flood, and the next round of Startup began another ProbeRTT.
#[test]
#[cfg_attr(debug_assertions, ignore = "slow without optimization")]
fn where_a_fifth_is_lost_one_probe_rtt_followed_another() {
    assert!(share_of_lossy(50, 100, 20, 1) > 25.0);
}

/// Where the round trips of a path differ by an eighth or more, that was taken for a queue, and each loss for its overflow: what was usually
/// lost was never learned, and each cycle lowered the bound in flight, down to a tenth of the link.
#[test]
#[cfg_attr(debug_assertions, ignore = "slow without optimization")]
fn jitter_on_a_path_that_loses_little_was_a_queue_that_overflowed() {
    for (rate, rtt, jitter, loss, least) in [
        (238, 119, 26, 68, 75.0),
        (50, 200, 30, 100, 75.0),
        (50, 100, 30, 300, 75.0),
        (50, 100, 60, 100, 70.0),
        (20, 20, 60, 500, 70.0),
    ] {
        let path = Path {
            loss,
            jitter,
            ..Path::new(rate, rtt)
        };
        let plan = Plan {
            window: 16_384,
            ..Plan::new(Control::Bbr)
        };
        assert!(mean_share(path, plan, 3) > least);
    }
}

/// The bound in flight left no room for what would be lost, and each cycle found a lower rate, down to a tenth of the link.
#[test]
#[cfg_attr(debug_assertions, ignore = "slow without optimization")]
fn the_lost_segments_in_flight_took_the_room_of_the_others() {
    assert!(share_of_lossy(50, 50, 15, 10) > 45.0);
}

/// Where one packet acknowledges much, its loss takes much from the rate that is measured, and each cycle's rate was lower than the one before.
#[test]
#[cfg_attr(debug_assertions, ignore = "slow without optimization")]
fn acknowledgements_of_20_ms_that_got_lost_lowered_the_rate_cycle_by_cycle() {
    let path = Path {
        loss: 500,
        ..Path::new(100, 30)
    };
    let plan = Plan::new(Control::Bbr);
    assert!(
        mean_share(
            path,
            Plan {
                interval: 20,
                ..plan
            },
            12
        ) > 67.0
    );
    let flows: Vec<_> = (1..=12)
        .map(|seed| {
            let mut net = Net::new(path, &[plan], seed);
            net.flows[0].b.kcp().interval.set(20);
            net.first_between(15_000, 30_000)
        })
        .collect();
    assert!(mean(&flows, |flow| flow.share) > 67.0, "{flows:?}");
}

/// Where both ends send much, the peer's segments keep a queue on a slow way back. The acknowledgements that waited there looked like a longer
/// round trip, for which the window had no room.
#[test]
#[cfg_attr(debug_assertions, ignore = "slow without optimization")]
fn a_queue_on_the_way_back_lowered_the_rate_cycle_by_cycle() {
    let both = Plan {
        both: true,
        ..Plan::new(Control::Bbr)
    };
    let share = |path, plans: &[Plan]| {
        let mut net = Net::new(path, plans, 1);
        let shares = net.between(15_000, 30_000);
        let back = net.flows.iter().map(|flow| flow.taken_back).sum::<u32>();
        let most = (path.back * 30 / 8) as f64 * 1000.0 / 1428.0;
        assert!(f64::from(back) > 0.5 * most, "back {back} of {most}");
        shares.iter().map(|flow| flow.share).sum::<f64>()
    };
    let slow_back = |rate, rtt, back| Path {
        back,
        ..Path::new(rate, rtt)
    };
    // 83, 35 and 15 % before.
    assert!(share(slow_back(50, 30, 5_000), &[both]) > 93.0);
    assert!(share(slow_back(50, 30, 2_500), &[both]) > 80.0);
    assert!(share(slow_back(20, 40, 1_000), &[both]) > 60.0);
    // 78 % before.
    let four = [0, 3_000, 6_000, 9_000].map(|start| Plan { start, ..both });
    assert!(share(slow_back(50, 30, 10_000), &four) > 90.0);
    // 31 % before.
    let lossy = Path {
        loss: 100,
        queue: 200,
        ..slow_back(50, 30, 5_000)
    };
    let each_10_ms = Plan {
        interval: 10,
        ..both
    };
    assert!(share(lossy, &[each_10_ms; 2]) > 70.0);
}

/// A policer drops what exceeds a rate, and lets through what it has saved up of that. In ProbeRTT lost segments left again although far too
/// many were in flight, so it lost as much as Startup had; that seemed random, and Startup began again, for ever. What ProbeRTT saved up made
/// the next probes find a faster and faster link, until as much as half of the segments was lost.
#[test]
#[cfg_attr(debug_assertions, ignore = "slow without optimization")]
fn what_a_policer_had_saved_up_seemed_a_faster_link() {
    // The share of its packets that the flow lost was 51, 26 and 14 %.
    for (rate, rtt, queue) in [(50, 200, 100), (10, 50, 400), (50, 20, 400)] {
        let path = Path {
            queue,
            policed: true,
            ..Path::new(rate, rtt)
        };
        let plan = Plan {
            window: 8192,
            ..Plan::new(Control::Bbr)
        };
        let flow = alone(path, plan, 1);
        assert!(flow.share > 93.0 && flow.own_loss < 6.0, "{flow:?}");
    }
}

/// A ProbeRTT of a slow flow has a dozen segments, and each halved what was counted before, so that it was never enough to call as much usual.
#[test]
#[cfg_attr(debug_assertions, ignore = "slow without optimization")]
fn on_a_slow_link_a_fifth_of_all_packets_lost_was_never_usual() {
    assert!(share_of_lossy(10, 50, 20, 1) > 35.0);
}
