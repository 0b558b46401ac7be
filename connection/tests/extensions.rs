//! What the original lacks, as the settings of a connection: each is seen to work, and gives up without memory.

mod common;

use std::mem;
use std::time::{Duration, Instant};

use common::heap;
use ikcp_connection::{Config, ConfigError, Connection, Controller, SendError};

const MS: Duration = Duration::from_millis(1);

fn connection(config: &Config, start: Instant) -> Connection {
    heap::install();
    Connection::new(5, config, start).expect("a connection")
}

fn drain(connection: &mut Connection) -> Vec<Vec<u8>> {
    std::iter::from_fn(|| connection.poll_transmit().map(<[u8]>::to_vec)).collect()
}

/// A link of 20 ms that loses every `nth` packet of the first end (0: none).
struct Link {
    nth: u32,
    count: u32,
    /// When each packet from either end arrives, and the packet.
    under_way: [Vec<(Instant, Vec<u8>)>; 2],
}

impl Link {
    fn new(nth: u32) -> Link {
        Link {
            nth,
            count: 0,
            under_way: [Vec::new(), Vec::new()],
        }
    }

    /// Carries packets for `ms`, and gives what the second end has received.
    fn talk(&mut self, mut ends: [&mut Connection; 2], start: Instant, ms: u32) -> Vec<Vec<u8>> {
        let mut received = Vec::new();
        for now in (0..ms).map(|n| start + n * MS) {
            for (n, end) in ends.iter_mut().enumerate() {
                end.update(now);
                for packet in drain(end) {
                    self.count += u32::from(n == 0);
                    if n == 1 || self.nth == 0 || !self.count.is_multiple_of(self.nth) {
                        self.under_way[n].push((now + 20 * MS, packet));
                    }
                }
                let (arrived, rest) = mem::take(&mut self.under_way[1 - n])
                    .into_iter()
                    .partition::<Vec<_>, _>(|(at, _)| *at <= now);
                self.under_way[1 - n] = rest;
                for (_, packet) in arrived {
                    end.input(&packet, now).expect("a packet of the peer");
                }
            }
            received.extend(std::iter::from_fn(|| ends[1].recv()));
        }
        received
    }
}

#[test]
#[cfg_attr(miri, ignore = "Miri takes minutes for that many calls")]
fn controllers_send_at_the_rate_of_the_link_and_may_change() {
    let start = Instant::now();
    for controller in [Controller::Bbr, Controller::Cubic] {
        let config = Config {
            controller: Some(controller),
            send_window: 512,
            receive_window: 512,
            ..Config::fast()
        };
        let mut ends = [0, 1].map(|_| connection(&config, start));
        let messages = 400;
        for n in 0..messages {
            ends[0].send(&[n as u8; 1000]).expect("room");
        }
        // A window of 512 would leave at once.
        ends[0].flush(start + MS);
        let first = drain(&mut ends[0]).len();
        assert!((1..=40).contains(&first), "{first}");
        let [a, b] = &mut ends;
        let received = Link::new(0).talk([a, b], start + 2 * MS, 3000);
        assert_eq!(received.len(), messages);
        assert_eq!(a.configure(&Config::fast()), Ok(()));
        assert_eq!(a.config().controller, None);
    }
}

#[test]
#[cfg_attr(miri, ignore = "Miri takes minutes for that many calls")]
fn a_large_segment_behind_small_ones_waited_for_a_rate_that_never_came() {
    let start = Instant::now();
    for controller in [Controller::Bbr, Controller::Cubic] {
        let config = Config {
            controller: Some(controller),
            ..Config::fast()
        };
        let mut ends = [0, 1].map(|_| connection(&config, start));
        let [a, b] = &mut ends;
        for _ in 0..600 {
            a.send(b"x").expect("room");
        }
        for _ in 0..50 {
            a.send(&[7; 1376]).expect("room");
        }
        assert_eq!(Link::new(0).talk([a, b], start, 20_000).len(), 650);
    }
}

#[test]
#[cfg_attr(miri, ignore = "Miri takes minutes for that many calls")]
fn a_window_that_stood_still_for_losses_led_bbr_to_send_nothing() {
    let start = Instant::now();
    let config = Config {
        controller: Some(Controller::Bbr),
        send_window: 4,
        mtu: 200,
        ..Config::fast()
    };
    let mut ends = [0, 1].map(|_| connection(&config, start));
    let [a, b] = &mut ends;
    for _ in 0..6_000 {
        a.send(&[7; 176]).expect("room");
    }
    let (bad, good) = (120_000, 10_000);
    Link::new(2).talk([a, b], start, bad);
    let received = Link::new(0).talk([a, b], start + bad * MS, good).len();
    assert!(received > 100, "{received}");
}

#[test]
#[cfg_attr(miri, ignore = "Miri takes minutes for that many calls")]
fn redundancy_sends_copies_where_packets_get_lost() {
    let start = Instant::now();
    for (redundancy, copies) in [(0, false), (100, true)] {
        let config = Config {
            redundancy,
            ..Config::fast()
        };
        let mut ends = [0, 1].map(|_| connection(&config, start));
        let [a, b] = &mut ends;
        assert!(a.counters().is_some());
        let (mut link, mut received) = (Link::new(6), 0);
        for n in 0..200 {
            a.send(&[7; 100]).expect("room");
            received += link.talk([a, b], start + n * 50 * MS, 50).len();
        }
        let counters = a.counters().expect("memory");
        assert!(received > 190 && counters.packets_sent > 200);
        assert_eq!(counters.copies_sent > 0, copies, "{counters:?}");
    }
}

#[test]
#[cfg_attr(miri, ignore = "Miri takes minutes for that many calls")]
fn large_messages_have_255_segments_and_one_that_the_peer_cannot_hold_is_refused() {
    let start = Instant::now();
    let config = Config {
        mtu: 124,
        large_messages: true,
        receive_window: 300,
        ..Config::fast()
    };
    let mut ends = [0, 1].map(|_| connection(&config, start));
    let [a, b] = &mut ends;
    let longest = vec![7; 255 * 100];
    assert_eq!(a.max_message(), longest.len());
    assert_eq!(a.send(&longest), Err(SendError::PeerWindow));
    assert_eq!(a.send(b"hello"), Ok(5));
    // The peer tells its window with the acknowledgement.
    let mut link = Link::new(0);
    assert_eq!(link.talk([a, b], start, 200), [b"hello"]);
    assert_eq!(a.send(&longest), Ok(longest.len()));
    assert_eq!(link.talk([a, b], start + 200 * MS, 5000), [&longest[..]]);
    assert_eq!(
        a.send(&vec![7; 25_501]),
        Err(SendError::TooLong { max: 25_500 })
    );
}

/// When the packets of a silent link leave, ms after the first.
fn transmissions(connection: &mut Connection, start: Instant, until: u32) -> Vec<u32> {
    let mut times = Vec::new();
    for n in 0..until {
        connection.update(start + n * MS);
        if !drain(connection).is_empty() {
            times.push(n);
        }
    }
    times
}

#[test]
#[cfg_attr(miri, ignore = "Miri takes minutes for that many calls")]
fn a_limit_keeps_the_timeout_from_growing() {
    let start = Instant::now();
    let config = Config {
        backoff_limit: Some(400 * MS),
        ..Config::fast()
    };
    let mut limited = connection(&config, start);
    limited.send(b"hello").expect("room");
    let times = transmissions(&mut limited, start, 5000);
    let mut other = connection(&Config::fast(), start);
    other.send(b"hello").expect("room");
    assert!(times.len() > transmissions(&mut other, start, 5000).len());
    let gaps = times.windows(2).map(|pair| pair[1] - pair[0]);
    assert!(gaps.max() <= Some(420), "{times:?}");
}

#[test]
#[cfg_attr(miri, ignore = "Miri takes minutes for that many calls")]
fn a_link_is_dead_after_a_time_and_alive_again_on_another_path() {
    let start = Instant::now();
    let config = Config {
        dead_after: Some(1000 * MS),
        ..Config::fast()
    };
    let mut connection = connection(&config, start);
    connection.send(b"hello").expect("room");
    transmissions(&mut connection, start, 990);
    assert!(!connection.is_dead());
    let sent = transmissions(&mut connection, start + 990 * MS, 600);
    assert!(connection.is_dead());
    // Other settings do not begin the time anew.
    let other = Config {
        mtu: 1200,
        ..config
    };
    assert_eq!(connection.configure(&other), Ok(()));
    assert!(connection.is_dead() && sent.len() < 3);
    connection.path_changed(start + 1600 * MS);
    assert!(!connection.is_dead());
    assert_eq!(drain(&mut connection).len(), 1);
}

#[test]
fn without_memory_for_a_setting_nothing_changes() {
    let start = Instant::now();
    let extended = [
        Config {
            loss_by_time: true,
            ..Config::fast()
        },
        Config {
            redundancy: 20,
            ..Config::fast()
        },
        Config {
            large_messages: true,
            ..Config::fast()
        },
        Config {
            dead_after: Some(1000 * MS),
            redundancy: 20,
            stub: Some(b"-".to_vec()),
            ..Config::fast()
        },
    ];
    for config in extended {
        let mut connection = connection(&Config::fast(), start);
        heap::refuse(0, 1);
        assert_eq!(connection.configure(&config), Err(ConfigError::OutOfMemory));
        assert_eq!(connection.config(), &Config::fast());
        heap::refuse(0, 0);
        assert_eq!(connection.configure(&config), Ok(()));
        assert_eq!(connection.config(), &config);
    }
}

#[test]
fn without_memory_for_a_controller_there_is_none() {
    let start = Instant::now();
    let config = Config {
        controller: Some(Controller::Bbr),
        send_window: 99,
        ..Config::fast()
    };
    let mut connection = connection(&Config::fast(), start);
    // Other memory is asked for first, and without that nothing changes.
    let last = (0..10)
        .map(|after| {
            heap::refuse(after, 1);
            connection.configure(&config)
        })
        .find(|answer| *answer != Err(ConfigError::OutOfMemory));
    assert_eq!(last, Some(Err(ConfigError::NoController)));
    heap::refuse(0, 0);
    assert_eq!(connection.config().controller, None);
    assert_eq!(connection.config().send_window, 99);
    assert_eq!(connection.configure(&config), Ok(()));
    assert_eq!(connection.config(), &config);
    heap::refuse(0, 1);
    assert_eq!(connection.counters(), None);
    heap::refuse(0, 0);
    assert!(connection.counters().is_some());
}
