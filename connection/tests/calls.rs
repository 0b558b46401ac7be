//! What each call returns, and what it refuses.

mod common;

use std::io;
use std::time::{Duration, Instant};

use common::heap;
use ikcp_connection::{
    Backoff, BufferTooSmall, Config, ConfigError, Connection, Controller, InputError, SendError,
    conversation,
};

const PUSH: u8 = 81;

fn connection(config: &Config) -> Connection {
    heap::install();
    Connection::new(5, config, Instant::now()).expect("a connection")
}

/// One packet with one segment.
fn packet(conv: u32, cmd: u8, frg: u8, sn: u32, len: u32, payload: &[u8]) -> Vec<u8> {
    let mut packet = conv.to_le_bytes().to_vec();
    packet.extend([cmd, frg, 128, 0]);
    for field in [0, sn, 0, len] {
        packet.extend(field.to_le_bytes());
    }
    packet.extend(payload);
    packet
}

fn transmit(connection: &mut Connection) -> Vec<Vec<u8>> {
    connection.flush(Instant::now());
    std::iter::from_fn(|| connection.poll_transmit().map(<[u8]>::to_vec)).collect()
}

#[test]
fn a_setting_out_of_its_range_is_refused_and_nothing_changes() {
    let milliseconds = Duration::from_millis;
    let config = Config::fast;
    let bad = [
        (
            Config {
                mtu: 49,
                ..config()
            },
            ConfigError::Mtu,
        ),
        (
            Config {
                mtu: 65_508,
                ..config()
            },
            ConfigError::Mtu,
        ),
        (
            Config {
                send_window: 0,
                ..config()
            },
            ConfigError::SendWindow,
        ),
        (
            Config {
                receive_window: 127,
                ..config()
            },
            ConfigError::ReceiveWindow,
        ),
        (
            Config {
                interval: milliseconds(9),
                ..config()
            },
            ConfigError::Interval,
        ),
        (
            Config {
                interval: milliseconds(5001),
                ..config()
            },
            ConfigError::Interval,
        ),
        (
            Config {
                min_rto: Some(Duration::from_micros(999)),
                ..config()
            },
            ConfigError::MinRto,
        ),
        (
            Config {
                min_rto: Some(Duration::MAX),
                ..config()
            },
            ConfigError::MinRto,
        ),
        (
            Config {
                dead_link: 0,
                ..config()
            },
            ConfigError::DeadLink,
        ),
        (
            Config {
                stub: Some(vec![0; 65]),
                ..config()
            },
            ConfigError::Stub,
        ),
        (
            Config {
                redundancy: 101,
                ..config()
            },
            ConfigError::Redundancy,
        ),
        (
            Config {
                backoff_limit: Some(Duration::from_micros(999)),
                ..config()
            },
            ConfigError::BackoffLimit,
        ),
        (
            Config {
                dead_after: Some(Duration::MAX),
                ..config()
            },
            ConfigError::DeadAfter,
        ),
    ];
    let mut connection = connection(&config());
    for (bad, error) in bad {
        assert_eq!(connection.configure(&bad), Err(error));
        assert_eq!(connection.config(), &config());
        assert!(Connection::new(1, &bad, Instant::now()).is_err());
    }
    let good = Config {
        mtu: 65_507,
        send_window: u16::MAX,
        receive_window: u16::MAX,
        interval: milliseconds(5000),
        backoff: Backoff::Steady,
        min_rto: Some(milliseconds(60_000)),
        fast_resend: u16::MAX,
        fast_limit: u16::MAX,
        dead_link: u32::MAX,
        stub: Some(vec![0; 64]),
        controller: Some(Controller::Bbr),
        loss_by_time: true,
        redundancy: 100,
        large_messages: true,
        backoff_limit: Some(milliseconds(1 << 30)),
        dead_after: Some(milliseconds(1)),
        ..Config::default()
    };
    assert_eq!(connection.configure(&good), Ok(()));
    assert_eq!(connection.config(), &good);
}

#[test]
fn a_message_may_have_127_segments() {
    let mut connection = connection(&Config {
        mtu: 124,
        ..Config::default()
    });
    let max = connection.max_message();
    assert_eq!(max, 12_700);
    assert_eq!(
        connection.send(&vec![1; max + 1]),
        Err(SendError::TooLong { max })
    );
    assert_eq!(connection.waiting(), 0);
    assert_eq!(connection.send(&vec![1; max]), Ok(max));
    assert_eq!(connection.waiting(), 127);
    assert!(!connection.has_room());
}

#[test]
fn a_stream_takes_the_rest_in_another_call() {
    let mut connection = connection(&Config {
        mtu: 124,
        stream: true,
        ..Config::default()
    });
    assert_eq!(connection.send(b""), Ok(0));
    assert_eq!(connection.send(b"begin"), Ok(5));
    let max = connection.max_message();
    assert_eq!(connection.send(&vec![1; max + 5]), Ok(max));
    assert_eq!(connection.send(&[1; 5]), Ok(5));
    assert_eq!(connection.waiting(), 128);
    assert_eq!(transmit(&mut connection)[0].len(), 124);
}

#[test]
fn a_message_stays_until_it_is_taken() {
    let mut connection = connection(&Config::fast());
    assert_eq!(connection.peek_size(), None);
    assert_eq!(connection.recv(), None);
    assert_eq!(connection.peek(&mut [0; 9]), Ok(None));
    assert_eq!(connection.recv_into(&mut []), Ok(None));
    let now = Instant::now();
    // The first of two fragments is not a message.
    connection
        .input(&packet(5, PUSH, 1, 0, 2, b"he"), now)
        .expect("a good packet");
    assert_eq!((connection.peek_size(), connection.recv()), (None, None));
    connection
        .input(&packet(5, PUSH, 0, 1, 3, b"llo"), now)
        .expect("a good packet");
    let mut buffer = [0; 8];
    let small = Err(BufferTooSmall { needed: 5 });
    assert_eq!(connection.recv_into(&mut buffer[..4]), small);
    assert_eq!(connection.peek(&mut buffer[..4]), small);
    assert_eq!(connection.peek(&mut []), small);
    assert_eq!(connection.peek(&mut buffer), Ok(Some(5)));
    assert_eq!(&buffer[..5], b"hello");
    assert_eq!(connection.peek_size(), Some(5));
    assert_eq!(connection.recv().as_deref(), Some(&b"hello"[..]));
    assert_eq!(connection.recv(), None);
}

#[test]
fn an_empty_message_is_one() {
    let mut connection = connection(&Config::fast());
    assert_eq!(connection.send(b""), Ok(0));
    assert_eq!(transmit(&mut connection)[0].len(), 24);
    let now = Instant::now();
    connection
        .input(&packet(5, PUSH, 0, 0, 0, b""), now)
        .expect("a good packet");
    // The core would treat this as a peek without room.
    assert_eq!(connection.peek(&mut []), Ok(Some(0)));
    assert_eq!(connection.peek_size(), Some(0));
    assert_eq!(connection.recv_into(&mut []), Ok(Some(0)));
    assert_eq!(connection.recv_into(&mut []), Ok(None));
}

#[test]
fn a_bad_packet_is_named_and_what_stood_before_counts() {
    let mut connection = connection(&Config::fast());
    let mut input = |packet: &[u8]| connection.input(packet, Instant::now());
    assert_eq!(input(&[]), Err(InputError::TooShort));
    assert_eq!(input(&[5; 23]), Err(InputError::TooShort));
    assert_eq!(
        input(&packet(6, PUSH, 0, 0, 0, b"")),
        Err(InputError::OtherConversation)
    );
    assert_eq!(
        input(&packet(5, 80, 0, 0, 0, b"")),
        Err(InputError::UnknownCommand)
    );
    assert_eq!(
        input(&packet(5, PUSH, 0, 0, 4, b"abc")),
        Err(InputError::Truncated)
    );
    assert_eq!(
        input(&packet(5, PUSH, 0, 0, u32::MAX, b"abc")),
        Err(InputError::Truncated)
    );
    let good = packet(5, PUSH, 0, 0, 1, b"a");
    let both = [good.clone(), packet(6, PUSH, 0, 1, 0, b"")].concat();
    assert_eq!(input(&both), Err(InputError::OtherConversation));
    assert_eq!(connection.recv().as_deref(), Some(&b"a"[..]));
    assert_eq!(conversation(&good), Some(5));
    assert_eq!(conversation(&good[..23]), None);
}

#[test]
fn a_message_expires_where_there_are_messages() {
    let mut connection = connection(&Config {
        send_window: 1,
        ..Config::fast()
    });
    let start = Instant::now();
    connection.update(start);
    let lifetime = Duration::from_millis(20);
    assert_eq!(connection.send_until(b"hello", lifetime), Ok(5));
    assert_eq!(connection.send_until(b"again", lifetime), Ok(5));
    connection.flush(start);
    assert_eq!(connection.waiting(), 2);
    connection.flush(start + 2 * lifetime);
    assert_eq!(connection.waiting(), 1);
    let max = connection.max_message();
    let long = connection.send_until(&vec![0; max + 1], lifetime);
    assert_eq!(long, Err(SendError::TooLong { max }));
    let stream = Config {
        stream: true,
        ..Config::fast()
    };
    assert_eq!(connection.configure(&stream), Ok(()));
    let refused = connection.send_until(b"hello", lifetime);
    assert_eq!(refused, Err(SendError::Stream));
}

#[test]
fn errors_are_errors_of_a_socket_loop() {
    fn fails() -> io::Result<()> {
        connection(&Config::default()).input(b"x", Instant::now())?;
        Ok(())
    }
    let error = fails().expect_err("the packet is bad");
    assert_eq!(error.kind(), io::ErrorKind::InvalidData);
    assert_eq!(error.to_string(), "the packet is shorter than a header");
}

#[test]
fn without_memory_each_call_says_so_and_the_connection_goes_on() {
    let mut connection = connection(&Config::fast());
    heap::refuse(0, 1);
    let made = Connection::new(1, &Config::default(), Instant::now());
    assert_eq!(made.err(), Some(ConfigError::OutOfMemory));
    heap::refuse(0, 1);
    assert_eq!(connection.send(b"hello"), Err(SendError::OutOfMemory));
    heap::refuse(0, 1);
    let large = Config {
        mtu: 9000,
        ..Config::fast()
    };
    assert_eq!(connection.configure(&large), Err(ConfigError::OutOfMemory));
    assert_eq!(connection.config(), &Config::fast());
    // A packet that arrives then is lost.
    heap::refuse(0, 1);
    let arrives = packet(5, PUSH, 0, 0, 1, b"a");
    assert_eq!(connection.input(&arrives, Instant::now()), Ok(()));
    heap::refuse(0, 0);
    assert_eq!(connection.recv(), None);
    assert_eq!(connection.input(&arrives, Instant::now()), Ok(()));
    assert_eq!(connection.recv().as_deref(), Some(&b"a"[..]));
    assert_eq!(connection.send(b"hello"), Ok(5));
    assert_eq!(transmit(&mut connection).len(), 1);
}

#[test]
fn it_tells_of_its_link() {
    let start = Instant::now();
    let mut connection = connection(&Config {
        min_rto: Some(Duration::from_millis(1)),
        dead_link: 3,
        ..Config::fast()
    });
    connection.send(&[7; 3000]).expect("it is not too long");
    assert_eq!(connection.stats().queued, 3);
    connection.flush(start);
    let stats = connection.stats();
    assert_eq!(
        (stats.queued, stats.in_flight, stats.segments_sent),
        (0, 3, 3)
    );
    assert_eq!(stats.rtt, None);
    assert_eq!(stats.rto, Duration::from_millis(200));
    // The first segment, sent at 0 ms, is acknowledged after 40 ms.
    let ack = packet(5, 82, 0, 0, 0, b"");
    connection
        .input(&ack, start + Duration::from_millis(40))
        .expect("a good packet");
    let stats = connection.stats();
    assert_eq!((stats.in_flight, stats.peer_window), (2, 128));
    let rtt = stats.rtt.expect("a sample").as_millis();
    // The connection's clock began a little earlier.
    assert!((39..=41).contains(&rtt), "{rtt}");
    assert!(!connection.is_dead());
    for _ in 0..500 {
        if connection.is_dead() {
            break;
        }
        let now = connection.next_timeout().expect("segments are in flight");
        connection.update_with(now, |_| {});
    }
    assert!(connection.is_dead());
    assert!(connection.stats().timeouts >= 2);
    assert!(format!("{connection:?}").starts_with("Connection { conversation: 5"));
}

#[test]
fn a_clock_may_jump() {
    let start = Instant::now() + Duration::from_secs(1000);
    let config = Config::fast();
    heap::install();
    let mut connection = Connection::new(5, &config, start).expect("a connection");
    let day = Duration::from_secs(86_400);
    connection.send(b"hello").expect("it is not too long");
    // Ahead by years, past the end of a 32-bit clock, and back, also to before the beginning.
    for now in [
        start + day,
        start + day * 4000,
        start,
        start - Duration::from_secs(900),
        start + day * 60,
    ] {
        connection.update(now);
        let next = connection.next_timeout().expect("a segment is in flight");
        assert!(
            next > now && next <= now.max(start) + config.interval,
            "{:?}",
            next - now
        );
        while connection.poll_transmit().is_some() {}
    }
}
