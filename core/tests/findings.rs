//! Faults that fuzzing found, each as a test named after what went wrong.

mod common;

use common::endpoint::{Endpoint, Settings};
use common::object::{in_flight, listed};
use ikcp_core::Header;

fn endpoint() -> Endpoint {
    Endpoint::new(
        &Settings {
            conv: 1,
            first_sn: 0,
            stream: false,
            mtu: 100,
            window: 256,
            modes: [1, 10, 2, 1],
        },
        0,
    )
}

/// The program sets `snd_nxt` so far ahead that the ends of `snd_buf` are more than half a circle apart. New segments counted as
/// sent and were never sent.
#[test]
fn segments_behind_a_leap_of_snd_nxt_leave() {
    for leap in [
        0x4000_0000,
        0x7fff_fffe,
        0x8000_0000,
        0xc000_0000,
        u32::MAX - 3,
    ] {
        let mut end = endpoint();
        let mut now = 0;
        let mut expected = 0;
        for batch in 0..6 {
            if batch > 0 {
                let next = end.kcp().snd_nxt.get().wrapping_add(leap);
                // A window may span half a circle, so the sender counts from the program's number.
                end.kcp().snd_nxt.set(next);
                end.kcp().snd_una.set(next);
            }
            for _ in 0..10 {
                end.send(5);
                expected += 1;
            }
            now += 1;
            end.update(now);
            end.kcp().flush();
            let left = end.packets().concat().len() / 29;
            assert_eq!(left, 10, "leap {leap:#x}, batch {batch}");
        }
        assert_eq!(end.kcp().nsnd_buf.get(), expected);
    }
}

/// With numbers all around the circle, continuing after the present segment by its number led back to the first one, for ever if
/// timeouts are 0.
#[test]
fn a_flush_of_numbers_all_around_the_circle_ends() {
    let mut end = endpoint();
    for n in 0..4 {
        end.kcp().snd_nxt.set(n << 30);
        end.kcp().snd_una.set(n << 30);
        end.send(70);
        end.update(1);
        end.kcp().flush();
        assert_eq!(end.packets().len(), 1);
    }
    for segment in in_flight(&end.kcp()) {
        segment.rto.set(0);
        segment.resendts.set(1);
    }
    end.kcp().flush();
    assert_eq!(end.packets().len(), 4);
}

/// With `snd_nxt` far ahead of what is in flight, the search for deadlines went through all numbers in between, tens of
/// milliseconds per call.
#[test]
fn a_leap_of_snd_nxt_does_not_slow_every_call_down() {
    let mut end = endpoint();
    for _ in 0..100 {
        end.send(5);
    }
    end.update(0);
    assert_eq!(end.kcp().nsnd_buf.get(), 100);
    end.kcp().snd_nxt.set(1 << 30);
    let began = std::time::Instant::now();
    for now in 1..if cfg!(miri) { 5 } else { 2000 } {
        end.update(now * 10);
        end.packets();
        std::hint::black_box(end.next_update(now * 10));
    }
    let took = began.elapsed();
    assert!(took.as_secs() < 20, "{took:?}");
}

/// The other way round nothing was found due, and the segments in flight were never retransmitted.
#[test]
fn deadlines_are_seen_wherever_snd_nxt_points() {
    for leap in [1 << 30, 1 << 31, 3 << 30, u32::MAX - 200] {
        let mut end = endpoint();
        for _ in 0..100 {
            end.send(5);
        }
        end.update(0);
        end.packets();
        end.kcp().snd_nxt.set(leap);
        end.update(10_000);
        assert!(!end.packets().is_empty(), "leap {leap:#x}");
    }
}

/// A header without payload.
fn told(cmd: u8, sn: u32, una: u32) -> [u8; 24] {
    Header {
        conv: 1,
        cmd,
        frg: 0,
        wnd: 256,
        ts: 0,
        sn,
        una,
        len: 0,
    }
    .emit()
}

/// After a program had changed the number of a segment in flight, `una` left the index with addresses of freed segments. Skips
/// counted twice for the segments that were there next.
#[test]
fn segments_were_in_the_index_twice_after_a_change_of_a_number() {
    let mut end = endpoint();
    end.input(&told(84, 0, 0));
    // So many that freed segments are used again.
    for n in [200, 10] {
        for _ in 0..n {
            end.send(5);
        }
        end.update(0);
        end.kcp().flush();
        if n == 200 {
            end.input(&told(84, 0, 200));
        }
    }
    end.input(&told(82, 207, 200));
    in_flight(&end.kcp())[5].sn.set(207);
    end.input(&told(84, 0, 205));
    end.input(&told(84, 0, 208));
    for _ in 0..3 {
        end.send(5);
    }
    end.kcp().flush();
    end.packets();
    assert_eq!(end.kcp().nsnd_buf.get(), 5);
    end.input(&told(82, 212, 208));
    end.kcp().flush();
    assert_eq!(end.packets().len(), 0);
}

/// The same in `rcv_buf`: a segment that had never arrived counted as one that had.
#[test]
fn a_number_in_rcv_buf_was_taken_after_a_change_of_a_number() {
    let mut end = endpoint();
    let arrives = |end: &mut Endpoint, numbers: std::ops::RangeInclusive<u32>| {
        for sn in numbers {
            end.input(&told(81, sn, 0));
        }
    };
    arrives(&mut end, 1..=2);
    arrives(&mut end, 5..=34);
    let kcp = end.kcp();
    let third = listed(&kcp.rcv_buf)[2];
    third.sn.set(3);
    arrives(&mut end, 0..=0);
    arrives(&mut end, 4..=5);
    assert_eq!(end.kcp().rcv_nxt.get(), 35);
    arrives(&mut end, 36..=68);
    arrives(&mut end, 70..=71);
    arrives(&mut end, 69..=69);
    arrives(&mut end, 35..=35);
    assert_eq!(end.kcp().rcv_nxt.get(), 72);
}
