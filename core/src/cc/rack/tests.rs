//! Loss detection for a sender without a connection.

use std::collections::{BTreeMap, VecDeque};
use std::vec::Vec;

use super::*;

impl Log for VecDeque<Burst> {
    fn first(&self) -> Option<Burst> {
        self.front().copied()
    }

    fn drop_before(&mut self, sn: Sn) {
        let burst = self.front_mut().expect("there is one");
        burst.count = burst.first.plus(burst.count).forward_from(sn);
        burst.first = sn;
        if burst.count == 0 {
            self.pop_front();
        }
    }
}

/// What a connection would keep.
struct Sender {
    rack: Rack,
    log: VecDeque<Burst>,
    flying: BTreeMap<u32, Flying>,
}

impl Sender {
    fn new() -> Sender {
        let mut rack = Rack::default();
        rack.begin(Millis(0));
        Sender {
            rack,
            log: VecDeque::new(),
            flying: BTreeMap::new(),
        }
    }

    fn send(&mut self, now: u32, sns: std::ops::Range<u32>) {
        for sn in sns {
            let old = self.flying.get(&sn);
            let xmit = old.map_or(0, |old| old.xmit) + 1;
            if old.is_none_or(|old| old.lost) {
                self.rack.begins();
            }
            let flying = Flying {
                ts: Millis(now),
                xmit,
                lost: false,
            };
            self.flying.insert(sn, flying);
            self.log.push_back(Burst {
                first: Sn(sn),
                count: 1,
                ts: Millis(now),
            });
        }
    }

    fn ack(&mut self, now: u32, sn: u32, echo: u32) -> bool {
        let Some(&flying) = self.flying.get(&sn) else {
            return false;
        };
        let segments = Alike {
            first: Sn(sn),
            count: 1,
            flying,
        };
        let known = self.rack.acked(Millis(now), segments, Millis(echo));
        self.rack.ends(segments);
        self.flying.remove(&sn);
        known
    }

    /// `una` passes `sn`.
    fn cover(&mut self, now: u32, sn: u32) {
        let flying = self.flying.remove(&sn).expect("it is in flight");
        let segments = Alike {
            first: Sn(sn),
            count: 1,
            flying,
        };
        self.rack.covered(Millis(now), segments);
        self.rack.ends(segments);
    }

    fn detect(&mut self, now: u32) -> Vec<u32> {
        let una = self.flying.keys().next().copied().unwrap_or(u32::MAX);
        let mut told = Vec::new();
        let Sender { rack, log, flying } = self;
        rack.detect(
            Millis(now),
            Sn(una),
            false,
            log,
            |sn| flying.get(&sn.0).copied(),
            |sn| told.push(sn.0),
        );
        for sn in &told {
            self.flying.get_mut(sn).expect("it is in flight").lost = true;
        }
        told
    }
}

#[test]
fn what_left_before_something_that_arrived_is_lost_after_a_round_trip() {
    let mut sender = Sender::new();
    sender.send(0, 0..1);
    sender.send(10, 1..2);
    assert_eq!(sender.rack.pipe, 2);
    assert!(sender.ack(60, 1, 10));
    assert_eq!(sender.detect(60), [0]);
    assert_eq!((sender.rack.pipe, sender.rack.lost), (0, 1));
    sender.send(60, 0..1);
    assert_eq!(sender.rack.pipe, 1);
    assert!(sender.detect(200).is_empty(), "nothing was sent after it");
}

#[test]
fn what_seemed_lost_and_had_arrived_counted_as_lost() {
    let lose = || {
        let mut sender = Sender::new();
        sender.send(0, 0..1);
        sender.send(10, 1..2);
        sender.ack(60, 1, 10);
        assert_eq!(sender.detect(60), [0]);
        assert_eq!(sender.rack.missing, 1);
        sender
    };
    // Its acknowledgement comes before it is sent again, or after that.
    let mut sender = lose();
    assert!(sender.ack(65, 0, 0));
    assert_eq!((sender.rack.missing, sender.rack.spurious), (0, 0));
    let mut sender = lose();
    sender.send(60, 0..1);
    assert!(sender.ack(65, 0, 0));
    assert_eq!((sender.rack.missing, sender.rack.spurious), (0, 1));
    // The retransmission arrives.
    let mut sender = lose();
    sender.send(60, 0..1);
    assert!(sender.ack(110, 0, 60));
    assert_eq!(sender.rack.missing, 1);
    // `una` alone tells, in less or in more than the shortest round trip of 50 ms.
    for (now, missing) in [(109, 0), (110, 1)] {
        let mut sender = lose();
        sender.send(60, 0..1);
        sender.cover(now, 0);
        assert_eq!(sender.rack.missing, missing);
    }
    let mut sender = lose();
    sender.cover(61, 0);
    assert_eq!(sender.rack.missing, 0);
}

/// A probe for nothing brought back the window that a true loss had reduced.
#[test]
fn a_probe_for_nothing_made_up_for_a_true_loss() {
    let mut sender = Sender::new();
    sender.send(0, 0..1);
    sender.send(10, 1..3);
    sender.ack(60, 1, 10);
    assert_eq!(sender.detect(60), [0]);
    sender.rack.began_before();
    sender.send(65, 2..3);
    assert!(sender.ack(70, 2, 10));
    assert_eq!((sender.rack.missing, sender.rack.spurious), (1, 1));
}

/// `ikcpx_next` knew of no time at which a segment becomes overdue, or a run that was held back is given up, and slept on.
#[test]
fn an_overdue_segment_waited_until_something_else_was_due() {
    let mut sender = Sender::new();
    let wait = |sender: &Sender, now| sender.rack.wait(Millis(now), sender.log.front().copied());
    sender.send(0, 0..20);
    sender.send(60, 20..21);
    assert_eq!(wait(&sender, 70), i32::MAX);
    assert!(sender.ack(100, 20, 60));
    let due = 100_u32.wrapping_add_signed(wait(&sender, 100));
    // The others are held back: perhaps only the packet with their acknowledgements was lost.
    assert_eq!(sender.detect(due), [0]);
    let given_up = due.wrapping_add_signed(wait(&sender, due));
    assert!(given_up > due && sender.detect(given_up - 1).is_empty());
    assert_eq!(sender.detect(given_up), Vec::from_iter(1..20));
    assert_eq!(wait(&sender, given_up), i32::MAX);
}

#[test]
fn once_reordering_was_seen_a_quarter_of_a_round_trip_is_waited() {
    let mut sender = Sender::new();
    sender.send(0, 0..2);
    sender.ack(40, 1, 0);
    sender.ack(40, 0, 0);
    sender.send(100, 2..3);
    sender.send(101, 3..4);
    sender.ack(141, 3, 101);
    assert!(sender.detect(141).is_empty());
    assert!(sender.detect(149).is_empty());
    assert_eq!(sender.detect(150), [2]);
}

#[test]
fn a_resend_for_nothing_widens_the_reordering_window() {
    let mut sender = Sender::new();
    sender.send(0, 0..2);
    sender.ack(40, 1, 0);
    assert_eq!(sender.detect(40), [0]);
    sender.send(40, 0..1);
    // The first transmission was late, not lost.
    assert!(sender.ack(45, 0, 0));
    assert_eq!(sender.rack.spurious, 1);
    assert!(sender.rack.reo_wnd() > 0);
}

/// Of two segments, the second was acknowledged after 49 ms, the first after that, at `late`.
fn with_one_late(late: u32) -> Sender {
    let mut sender = Sender::new();
    sender.send(0, 0..1);
    sender.send(1, 1..2);
    sender.ack(50, 1, 1);
    sender.ack(late, 0, 0);
    sender
}

/// The window fell with each acknowledgement, and a fast path has a thousand of them in a few flushes.
#[test]
fn a_fast_path_forgot_within_flushes_how_late_segments_arrive() {
    let mut sender = with_one_late(70);
    let before = sender.rack.reo_wnd();
    for flush in 0..10 {
        let (now, first) = (100 + 20 * flush, 2 + 400 * flush);
        sender.send(now - 50, first..first + 400);
        for sn in first..first + 400 {
            sender.ack(now, sn, now - 50);
        }
    }
    let after = sender.rack.reo_wnd();
    assert!(
        before >= 20 && after >= before - 1,
        "{before} ms, {after} ms"
    );
}

/// It waited at a peer that flushes each 100 ms.
#[test]
fn a_segment_may_be_later_than_a_round_trip() {
    let window = with_one_late(140).rack.reo_wnd();
    assert!(window > 140 - 49, "{window} ms");
}

/// It counted in full, so the window stayed as long as a round trip for minutes.
#[test]
fn a_segment_that_was_a_second_late_widened_the_window_for_minutes() {
    let mut sender = with_one_late(1_000);
    for n in 2..4_000 {
        let now = 1_000 + n * 10;
        sender.send(now, n..n + 1);
        sender.ack(now + 50, n, now);
    }
    let window = sender.rack.reo_wnd();
    assert!(window < 20, "{window} ms");
}

#[test]
fn a_lost_acknowledgement_packet_is_not_taken_for_a_run_of_losses() {
    let mut sender = Sender::new();
    sender.send(0, 0..20);
    sender.send(10, 20..21);
    sender.ack(50, 0, 0);
    sender.ack(60, 20, 10);
    // Of 1 to 19 only the first is reported lost, and none counts as in flight any more.
    assert_eq!(sender.detect(60), [1]);
    assert_eq!(sender.rack.pipe, 0);
    assert!(sender.rack.holds(Sn(19)) && !sender.rack.holds(Sn(1)));
    // `una` passes all of them.
    for sn in 1..20 {
        let flying = sender.flying.remove(&sn).expect("in flight");
        sender.rack.ends(Alike {
            first: Sn(sn),
            count: 1,
            flying,
        });
    }
    sender.send(70, 21..22);
    assert!(sender.detect(70).is_empty());
    assert_eq!((sender.rack.pipe, sender.rack.lost), (1, 1));
}

#[test]
fn a_run_that_una_stops_in_is_lost() {
    let mut sender = Sender::new();
    sender.send(0, 0..6);
    sender.ack(50, 5, 0);
    assert_eq!(sender.detect(50), [0]);
    sender.send(50, 0..1);
    sender.ack(100, 0, 50);
    assert_eq!(sender.detect(100), [1, 2, 3, 4]);
    assert_eq!(sender.rack.lost, 5);
}

#[test]
fn of_a_run_that_partly_arrived_only_what_una_stops_at_is_lost() {
    let mut sender = Sender::new();
    sender.send(0, 0..10);
    sender.ack(50, 9, 0);
    assert_eq!(sender.detect(50), [0]);
    sender.send(50, 0..1);
    sender.ack(100, 0, 50);
    for sn in 1..4 {
        let flying = sender.flying.remove(&sn).expect("in flight");
        sender.rack.ends(Alike {
            first: Sn(sn),
            count: 1,
            flying,
        });
    }
    assert_eq!(sender.detect(100), [4]);
    assert!(sender.rack.holds(Sn(5)) && !sender.rack.holds(Sn(4)));
}

/// Its timeout had sent it again. Held back, it was not in flight already, and was taken off once more.
#[test]
fn a_segment_that_was_held_back_was_found_lost_and_left_the_flight_twice() {
    let mut sender = Sender::new();
    sender.send(0, 0..6);
    sender.ack(50, 5, 0);
    assert_eq!(sender.detect(50), [0]);
    sender.send(50, 0..1);
    sender.send(52, 2..3);
    sender.send(53, 6..8);
    sender.ack(103, 6, 53);
    assert_eq!(sender.detect(103), [0]);
    assert_eq!(sender.rack.pipe, 1);
    assert!(sender.rack.holds(Sn(2)));
}

#[test]
fn a_run_behind_a_long_queue_is_lost_at_once() {
    let mut sender = Sender::new();
    sender.send(0, 0..1);
    sender.ack(20, 0, 0);
    sender.send(20, 1..7);
    sender.ack(80, 6, 20);
    assert_eq!(sender.detect(80), [1, 2, 3, 4, 5]);
}

#[test]
fn forged_stamps_give_no_sample() {
    let mut sender = Sender::new();
    sender.send(100, 0..3);
    assert!(
        !sender.ack(150, 0, 99),
        "an earlier one of a segment sent once"
    );
    assert!(!sender.ack(150, 1, 101), "a later one");
    assert!(!sender.ack(70_000, 2, 100), "a minute");
    assert_eq!(sender.rack.srtt, 0);
}

#[test]
fn numbers_and_clocks_that_wrap_are_as_others() {
    let mut sender = Sender::new();
    let start = u32::MAX - 5;
    for n in 0..2u32 {
        let sn = Sn(u32::MAX).plus(n).0;
        sender.flying.insert(
            sn,
            Flying {
                ts: Millis(start.wrapping_add(n * 10)),
                xmit: 1,
                lost: false,
            },
        );
        sender.log.push_back(Burst {
            first: Sn(sn),
            count: 1,
            ts: Millis(start.wrapping_add(n * 10)),
        });
        sender.rack.begins();
    }
    let now = start.wrapping_add(60);
    assert!(sender.ack(now, 0, start.wrapping_add(10)));
    assert_eq!(sender.detect(now), [u32::MAX]);
}

/// For the next 25 days the path seemed to have a long queue.
#[test]
fn the_shortest_round_trip_from_before_a_month_of_silence_counted() {
    let mut sender = Sender::new();
    sender.send(0, 0..1);
    assert!(sender.ack(10, 0, 0));
    let later = 30 * 24 * 3_600_000;
    sender.send(later, 1..2);
    assert!(sender.ack(later + 200, 1, later));
    assert_eq!(sender.rack.min_rtt, 200);
}
