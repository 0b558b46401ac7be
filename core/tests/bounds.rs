//! What a peer can make an object allocate: hostile peers attack each term of the formula in `docs/memory.md`.
//!
//! Each test also checks that its peer comes close to its term, so that the bound is a tight one.

// Too much for Miri, which runs the scripts instead.
#![cfg(not(miri))]

mod common;

use common::bound::Limits;
use common::endpoint::{Endpoint, Settings};
use common::heap;
use common::seeds::for_seeds;
use ikcp_core::{Header, Sink};

const CONV: u32 = 77;
const PUSH: u8 = 81;
const ACK: u8 = 82;
/// Payload of the largest datagram that UDP over IPv4 carries, less the header of a segment.
const JUMBO: usize = 65_507 - 24;

fn endpoint(window: u32) -> Endpoint {
    Endpoint::new(
        &Settings {
            conv: CONV,
            first_sn: 0,
            stream: false,
            mtu: 1400,
            window,
            modes: [1, 10, 2, 1],
        },
        0,
    )
}

fn header(cmd: u8, sn: u32) -> Header {
    Header {
        conv: CONV,
        cmd,
        frg: 0,
        wnd: 128,
        ts: 0,
        sn,
        una: 0,
        len: 0,
    }
}

fn packet(header: Header, payload: usize) -> Vec<u8> {
    let len = u32::try_from(payload).expect("a payload is not that large");
    let mut packet = Header { len, ..header }.emit().to_vec();
    packet.resize(24 + payload, 0x55);
    packet
}

/// Receives a message into nowhere.
fn drop_message(end: &Endpoint) {
    // SAFETY: NULL is allowed.
    let nowhere = unsafe { Sink::new(std::ptr::null_mut()) };
    assert!(end.kcp().recv(nowhere, i32::MAX) >= 0);
}

/// Bytes that the endpoint owns now. The test has one object on its thread.
fn out() -> u64 {
    heap::bytes() as u64
}

#[test]
fn largest_packets_fill_two_windows_and_no_more() {
    let mut end = endpoint(128);
    heap::take_peak();
    let before = out();
    for sn in 0..128 {
        end.input(&packet(header(PUSH, sn), JUMBO));
    }
    for sn in (129..1000).chain([128]) {
        end.input(&packet(header(PUSH, sn), JUMBO));
    }
    assert_eq!(end.kcp().nrcv_que.get(), 128);
    assert_eq!(end.kcp().nrcv_buf.get(), 128);
    let peak = heap::take_peak() as u64;
    assert!(
        peak <= end.limits.bytes(),
        "{peak} of {}",
        end.limits.bytes()
    );
    assert!(peak - before > end.limits.received() * 9 / 10);
}

#[test]
fn fragments_of_a_message_without_end_fill_two_windows_and_no_more() {
    let mut end = endpoint(128);
    for sn in 0..5000 {
        let fragment = Header {
            frg: 255,
            ..header(PUSH, sn)
        };
        end.input(&packet(fragment, 1376));
    }
    assert_eq!(end.kcp().peeksize(), -1);
    assert_eq!(
        (end.kcp().nrcv_que.get(), end.kcp().nrcv_buf.get()),
        (128, 128)
    );
    assert!(heap::take_peak() as u64 <= end.limits.bytes());
}

#[test]
fn duplicates_between_two_flushes_are_acknowledged_eight_windows_deep() {
    let mut end = endpoint(128);
    end.update(0);
    let before = out();
    for _ in 0..100_000 {
        end.input(&packet(header(PUSH, 5), 1));
    }
    assert_eq!(end.kcp().ackcount.get(), 8 * 128);
    // Eight bytes each, and one small segment with its overhead.
    assert!(out() - before <= 8 * 8 * 128 + 512, "{}", out() - before);
    // A new segment is acknowledged nevertheless, and after a flush all segments are.
    end.input(&packet(header(PUSH, 6), 1));
    assert_eq!(end.kcp().ackcount.get(), 8 * 128 + 1);
    end.update(1000);
    end.input(&packet(header(PUSH, 5), 1));
    assert_eq!(end.kcp().ackcount.get(), 1);
}

#[test]
fn segments_far_apart_cost_a_ring_of_the_window() {
    let mut end = endpoint(1 << 16);
    let before = out();
    heap::take_peak();
    for n in 0..64 {
        end.input(&packet(header(PUSH, 1 + n * 1020), 0));
    }
    let cost = heap::take_peak() as u64 - before;
    assert_eq!(end.kcp().nrcv_buf.get(), 64);
    assert!(cost <= 3 * 9 * (1 << 16) / 2 + 64 * 128, "{cost}");
    // Nothing beyond the window is stored.
    end.input(&packet(header(PUSH, 1 << 16), 0));
    end.input(&packet(header(PUSH, u32::MAX), 0));
    assert_eq!(end.kcp().nrcv_buf.get(), 64);
}

#[test]
fn a_peer_that_never_acknowledges_holds_one_send_window() {
    let mut end = endpoint(64);
    for _ in 0..300 {
        end.send(1000);
    }
    end.limits.queued = 300;
    let mut now = 0;
    for _ in 0..2000 {
        now += 10;
        end.input(&packet(
            Header {
                wnd: 65_535,
                ..header(84, 0)
            },
            0,
        ));
        end.update(now);
        end.packets();
    }
    assert_eq!(end.kcp().nsnd_buf.get(), 64);
    assert!(heap::take_peak() as u64 <= end.limits.bytes());
}

#[test]
fn packets_without_payload_allocate_nothing() {
    let mut end = endpoint(128);
    end.update(0);
    let before = out();
    for_seeds(1, |random| {
        for _ in 0..20_000 {
            let any = Header {
                wnd: random.next() as u16,
                ts: random.next() as u32,
                una: random.next() as u32,
                frg: random.next() as u8,
                ..header(ACK + random.below(3) as u8, random.next() as u32)
            };
            assert_eq!(end.input(&packet(any, 0)), 0);
        }
    });
    assert_eq!(out(), before);
}

#[test]
fn an_object_that_is_left_alone_gives_everything_back() {
    let mut end = endpoint(256);
    end.update(0);
    let before = out();
    for round in 0..3u32 {
        for n in 0..200 {
            // In reverse order, so that all but the last arrive early, and twice.
            let push = packet(header(PUSH, round * 200 + 199 - n), 1 + n as usize * 9);
            end.input(&push);
            end.input(&push);
        }
        while end.kcp().peeksize() >= 0 {
            let size = end.kcp().peeksize();
            // SAFETY: NULL discards the bytes.
            let nowhere = unsafe { ikcp_core::Sink::new(std::ptr::null_mut()) };
            end.kcp().recv(nowhere, size);
        }
        end.update(u64::from(round) * 10);
    }
    assert!(out() > before);
    for n in 1..40 {
        end.update(n * 100);
    }
    assert_eq!(out(), before, "an idle object keeps memory");
}

#[test]
fn random_hostile_traffic_stays_within_the_bound() {
    for_seeds(8, |random| {
        let window = [32, 128, 300, 2048][random.below(4) as usize];
        let mut end = endpoint(window);
        heap::take_peak();
        let mut now = 0;
        for _ in 0..4000 {
            let kcp = end.kcp();
            let sn = kcp
                .rcv_nxt
                .get()
                .wrapping_add(random.below(2 * u64::from(window)) as u32);
            let any = Header {
                frg: random.below(3) as u8,
                wnd: random.next() as u16,
                ts: random.next() as u32,
                una: kcp.snd_una.get().wrapping_add(random.below(8) as u32),
                ..header(PUSH + random.below(2) as u8, sn.wrapping_sub(8))
            };
            let largest = if random.chance(5) { 3000 } else { 200 };
            let payload = random.below(largest) as usize;
            end.input(&packet(any, payload));
            if random.chance(20) {
                end.send(random.within(1, 1500));
            }
            if random.chance(10) {
                now += random.below(200);
                end.update(now);
                end.packets();
            }
            if random.chance(10) {
                // SAFETY: NULL discards the bytes.
                let nowhere = unsafe { ikcp_core::Sink::new(std::ptr::null_mut()) };
                end.kcp().recv(nowhere, i32::MAX);
                end.limits.drained += 3;
            }
            let (peak, bound) = (heap::take_peak() as u64, end.limits.bytes());
            assert!(peak <= bound, "{peak} bytes were out, {bound} may be");
        }
    });
}

/// Each connection kept four segments for its next message, which had left the caches by then: with thousands of connections that
/// was slower than the allocator.
#[test]
fn a_connection_with_a_message_now_and_then_kept_segments_for_the_next() {
    let mut end = endpoint(128);
    end.update(0);
    let before = out();
    for n in 0..200u32 {
        // A message from the peer, which also acknowledges our previous message.
        end.send(300);
        end.update(u64::from(10 * n + 10));
        end.packets();
        let reply = Header {
            una: n + 1,
            ..header(PUSH, n)
        };
        end.input(&packet(reply, 300));
        drop_message(&end);
        // The list of acknowledgements only.
        assert!(out() - before <= 8 * 8 + 32, "turn {n}: {}", out() - before);
    }
}

/// A busy connection keeps what it will soon need again.
#[test]
fn a_busy_connection_keeps_segments() {
    let mut end = endpoint(128);
    end.update(0);
    let before = out();
    for sn in 0..400 {
        end.input(&packet(header(PUSH, sn), 1376));
        drop_message(&end);
    }
    assert!(out() - before > 2064 + 1376, "{}", out() - before);
}

/// At a window of 32,768 it freed a whole burst in one flush: 0.7 ms.
#[test]
fn a_flush_gave_all_that_was_kept_back_at_once() {
    let mut end = endpoint(1024);
    end.update(0);
    let before = out();
    for sn in 0..3000 {
        // In reverse order in rounds of 1,000, so that as many are kept.
        let sn = sn / 1000 * 1000 + 999 - sn % 1000;
        end.input(&packet(header(PUSH, sn), 100));
    }
    while end.kcp().peeksize() >= 0 {
        drop_message(&end);
    }
    let size = 64 + 112;
    let (mut kept, mut largest) = (out(), 0);
    assert!(kept - before > 1000 * size);
    for n in 1..40 * 50 {
        end.update(n * 10);
        let now = out();
        largest = largest.max(kept.saturating_sub(now));
        kept = now;
    }
    // With the last of them, also the lists of the pool and the list of acknowledgements.
    let most = 64 * size + 129 * 16 + 4096 * 8;
    assert!(largest <= most, "{largest} bytes in one flush");
    assert_eq!(kept, before, "an idle object keeps memory");
}

/// The figures in `docs/memory.md`.
#[test]
fn the_documented_figures_are_those_of_the_formula() {
    let end = endpoint(128);
    // The control block, a packet of 1400 bytes, and the 16 bytes that outlive an object released inside a callback.
    assert!((1900..=2096).contains(&out()), "{}", out());
    drop(end);
    let peer_sends = |datagram| Limits {
        datagram,
        ..Limits::default()
    };
    let kib = |bytes: u64| bytes.div_ceil(1024);
    assert_eq!(kib(peer_sends(1400).received()), 368);
    assert_eq!(kib(peer_sends(65_507).received()), 16_396);
    assert_eq!(kib(peer_sends(1400).bytes()), 678);
}
