//! Compares the index with a walk over all segments, as in the original.

use core::ffi::{c_char, c_int, c_void};
use std::cell::RefCell;
use std::slice;
use std::vec::Vec;

use super::due::may_be_fast;
use super::{FEW, UNINDEXED};
use crate::abi::IKCPCB;
use crate::kcp::Kcp;
use crate::segment::{Datagram, Segment, Source};
use crate::seq::{Millis, Sn};
use crate::wire::Header;

const ACK: u8 = 82;
const WINS: u8 = 84;
/// Numbers of the segments that were sent, as seen in the packets.
type Sent = RefCell<Vec<u32>>;

unsafe extern "C" fn output(
    packet: *const c_char,
    len: c_int,
    _kcp: *mut IKCPCB,
    user: *mut c_void,
) -> c_int {
    // SAFETY: the library hands out such a packet, and `user` is a list of numbers.
    let (packet, sent) = unsafe {
        let packet = slice::from_raw_parts(packet.cast::<u8>(), len.unsigned_abs() as usize);
        (packet, &*user.cast::<Sent>())
    };
    let mut at = 0;
    while at + 24 <= packet.len() {
        let word = |n| u32::from_le_bytes(packet[at + n..at + n + 4].try_into().expect("4 bytes"));
        sent.borrow_mut().push(word(12));
        at += 24 + word(20) as usize;
    }
    0
}

struct Random(u64);

impl Random {
    fn below(&mut self, n: u32) -> u32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        ((self.0 >> 20) % u64::from(n)) as u32
    }

    fn one_of<T: Copy>(&mut self, values: &[T]) -> T {
        values[self.below(values.len() as u32) as usize]
    }
}

fn listed<'k>(kcp: &'k Kcp<'_>) -> Vec<Segment<'k>> {
    let list = kcp.snd_buf();
    list.first()
        .map_or(Vec::new(), |first| list.from(first).collect())
}

/// What the library should hold and do, computed by walking.
struct Model<'a> {
    object: *mut IKCPCB,
    sent: &'a Sent,
    random: Random,
    now: u32,
    /// `sn` and `fastack` of the segments in flight.
    skips: Vec<(u32, u32)>,
    /// The program has written to segments, and no flush has noticed yet.
    written: bool,
}

/// A handle for one call.
fn handle<'k>(object: *mut IKCPCB) -> Kcp<'k> {
    // SAFETY: one thread uses the objects of these tests, and never after their release.
    unsafe { Kcp::from_ptr(object) }.expect("an object")
}

impl Model<'_> {
    fn kcp<'k>(&self) -> Kcp<'k> {
        handle(self.object)
    }

    fn skips_of(&mut self, sn: u32) -> Option<&mut u32> {
        let at = self
            .skips
            .binary_search_by(|(listed, _)| Sn(*listed).since(Sn(sn)).cmp(&0));
        at.ok().map(|at| &mut self.skips[at].1)
    }

    fn send(&mut self, count: u32) {
        for _ in 0..count {
            // SAFETY: NULL means zeros.
            self.kcp()
                .send(unsafe { Source::new(core::ptr::null()) }, 1);
        }
    }

    fn input(&mut self, cmd: u8, sn: u32, ts: u32, una: u32) {
        let header = Header {
            conv: 1,
            cmd,
            frg: 0,
            wnd: u16::MAX,
            ts,
            sn,
            una,
            len: 0,
        };
        let packet = header.emit();
        // SAFETY: the packet is one header.
        self.kcp()
            .input(unsafe { Datagram::new(packet.as_ptr().cast(), packet.len() as _) });
    }

    /// An acknowledgement, and the segments that it skips.
    fn acknowledge(&mut self, sn: u32, ts: u32, una: u32) {
        self.input(ACK, sn, ts, una);
        let kcp = self.kcp();
        let segments = listed(&kcp);
        self.skips
            .retain(|(listed, _)| Sn(*listed).since(Sn(una)) >= 0 && *listed != sn);
        let (low, next) = (Sn(self.kcp().snd_una.get()), self.kcp().next_sn());
        if Sn(sn).since(low) >= 0 && Sn(sn).before(next) {
            for segment in &segments {
                let skipped = Sn(sn).since(Sn(segment.sn.get())) > 0;
                if skipped
                    && (!crate::consts::profile::FASTACK_CONSERVE
                        || Millis(ts).since(Millis(segment.ts.get())) >= 0)
                {
                    let skips = self.skips_of(segment.sn.get()).expect("in flight");
                    *skips = skips.wrapping_add(1);
                }
            }
        }
    }

    /// A flush at the present time sends the segments that a walk finds due, in that order.
    fn flush(&mut self) {
        let kcp = self.kcp();
        let resent = kcp.resent();
        let limit = kcp.fastlimit.get();
        let now = Millis(kcp.current.get());
        let mut due = Vec::new();
        for segment in listed(&kcp) {
            let sn = segment.sn.get();
            let skips = self.skips_of(sn).expect("in flight");
            if segment.xmit.get() == 0 || now.since(Millis(segment.resendts.get())) >= 0 {
                due.push(sn);
            } else if *skips >= resent && may_be_fast(segment.xmit.get(), limit) {
                *skips = 0;
                due.push(sn);
            }
        }
        let admitted = kcp.snd_nxt.get();
        self.sent.borrow_mut().clear();
        self.written = false;
        self.kcp().flush();
        for n in 0..kcp.snd_nxt.get().wrapping_sub(admitted) {
            let sn = admitted.wrapping_add(n);
            self.skips.push((sn, 0));
            due.push(sn);
        }
        assert_eq!(*self.sent.borrow(), due);
    }

    /// After the skips are applied, every count equals the one computed by walking.
    fn compare(&mut self) {
        let kcp = self.kcp();
        let (index, list) = (&kcp.private().sent, kcp.snd_buf());
        index.apply_skips(list);
        for segment in listed(&kcp) {
            let sn = segment.sn.get();
            let skips = *self.skips_of(sn).expect("in flight");
            assert_eq!(segment.fastack.get(), skips, "{sn}");
        }
        let earliest = listed(&kcp)
            .iter()
            .map(|segment| Millis(segment.resendts.get()).since(self.kcp().now()))
            .min();
        if let Some(earliest) = earliest.filter(|_| !index.is_off() && !self.written) {
            let horizon = earliest.saturating_add(1);
            let now = self.kcp().now();
            assert_eq!(index.earliest_before(now, horizon, None), earliest);
            // A flush has left what was due then.
            let since = now.plus(self.random.below(50));
            let later = listed(&kcp)
                .iter()
                .map(|segment| Millis(segment.resendts.get()))
                .filter(|resendts| since.before(*resendts))
                .map(|resendts| resendts.since(now))
                .min();
            let found = index.earliest_before(now, i32::MAX, Some(since));
            assert_eq!(found, later.unwrap_or(i32::MAX));
            assert!(index.quiet_for(self.kcp().now()) <= earliest);
        }
    }

    /// The program writes to a segment. If every segment is checked, the next flush notices.
    fn write(&mut self) {
        let kcp = self.kcp();
        let segments = listed(&kcp);
        if segments.is_empty() || segments.len() > FEW as usize {
            return;
        }
        self.written = true;
        for _ in 0..=self.random.below(3) {
            let segment = segments[self.random.below(segments.len() as u32) as usize];
            match self.random.below(3) {
                0 => segment.xmit.set(self.random.one_of(&[0, 1, 2, 5, 6, 30])),
                1 => {
                    let skips = self.random.one_of(&[0, 1, 2, 50]);
                    segment.fastack.set(skips);
                    *self.skips_of(segment.sn.get()).expect("in flight") = skips;
                }
                _ => {
                    let resendts = self
                        .now
                        .wrapping_add(self.random.below(400))
                        .wrapping_sub(200);
                    segment.resendts.set(resendts);
                }
            }
        }
    }

    fn step(&mut self, window: u32) {
        let in_flight = self
            .kcp()
            .snd_nxt
            .get()
            .wrapping_sub(self.kcp().snd_una.get())
            .max(1);
        let sn = self
            .kcp()
            .snd_una
            .get()
            .wrapping_add(self.random.below(in_flight));
        match self.random.below(16) {
            0 | 1 => {
                let count = self.random.below(window / 2 + 2);
                self.send(count);
            }
            2..=9 => {
                let age = self
                    .random
                    .one_of(&[0, 0, 10, 40, 300, u32::MAX - 20, 1 << 31]);
                let una = match self.random.below(12) {
                    0 => sn,
                    _ => self.kcp().snd_una.get(),
                };
                self.acknowledge(sn, self.now.wrapping_sub(age), una);
            }
            10 => {
                let step = self.random.one_of(&[1, 5, 10, 100, 1000]);
                self.now = self.now.wrapping_add(step);
                self.kcp().current.set(self.now);
            }
            11 if self.random.below(40) == 0 => {
                let jump = self.random.one_of(&[1 << 31, 1 << 30, u32::MAX - 5000]);
                self.now = self.now.wrapping_add(jump);
                self.kcp().current.set(self.now);
            }
            11 => self
                .kcp()
                .fastlimit
                .set(self.random.one_of(&[0, 1, 2, 5, 5, 5])),
            12 => self
                .kcp()
                .fastresend
                .set(self.random.one_of(&[0, 1, 2, 2, 2, 3, 20])),
            13 => self.write(),
            _ => {}
        }
        if self.random.below(3) == 0 {
            self.flush();
        }
        if self.random.below(5) == 0 {
            self.compare();
        }
    }
}

/// Windows with and without a ring, whole and full of holes; numbers that wrap; a clock that jumps; acknowledgements with any
/// time stamp; parameters that change; segments that the program writes to.
#[test]
fn the_index_does_what_a_walk_over_all_segments_does() {
    let seeds = match std::env::var("IKCP_SEED") {
        Ok(seed) => std::vec![seed.parse().expect("a number")],
        // Miri is a thousand times slower.
        Err(_) => (1..=if cfg!(miri) { 1 } else { 40 }).collect::<Vec<u64>>(),
    };
    for seed in seeds {
        std::println!("IKCP_SEED={seed}");
        let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        let windows: &[u32] = if cfg!(miri) {
            &[70]
        } else {
            &[UNINDEXED, 16, 40, FEW, 65, 128, 300, 700]
        };
        let window = random.one_of(windows);
        let sent = Sent::default();
        let object = Kcp::create(1, (&raw const sent).cast_mut().cast());
        let kcp = handle(object);
        kcp.set_output(Some(output));
        kcp.wndsize(window.cast_signed(), 128);
        kcp.nodelay(1, 10, 2, 1);
        let first = random.one_of(&[0, u32::MAX - 40, (1 << 31) - 40]);
        kcp.snd_una.set(first);
        kcp.snd_nxt.set(first);
        let now = random.one_of(&[1000, u32::MAX - 500, (1 << 31) - 500]);
        kcp.update(now);
        let mut model = Model {
            object,
            sent: &sent,
            random,
            now,
            skips: Vec::new(),
            written: false,
        };
        model.input(WINS, 0, 0, first);
        for _ in 0..if cfg!(miri) { 30 } else { 800 } {
            model.step(window);
        }
        model.flush();
        model.compare();
        handle(object).release();
    }
}

/// A write in the middle of a large window is noticed after one interval for each 64 numbers of the window.
#[test]
fn a_write_in_the_middle_of_a_large_window_was_seen_37_seconds_later() {
    let windows: &[i32] = if cfg!(miri) { &[65] } else { &[65, 500, 4096] };
    for &window in windows {
        for edit in 0..3 {
            let sent = Sent::default();
            let object = Kcp::create(1, (&raw const sent).cast_mut().cast());
            let kcp = handle(object);
            kcp.set_output(Some(output));
            kcp.wndsize(window, 128);
            kcp.rmt_wnd.set(window.cast_unsigned());
            kcp.nodelay(1, 10, 2, 1);
            kcp.rx_rto.set(60_000);
            for _ in 0..window {
                // SAFETY: NULL means zeros.
                handle(object).send(unsafe { Source::new(core::ptr::null()) }, 1);
            }
            let mut now = 1000;
            kcp.update(now);
            let kcp = handle(object);
            let segment = listed(&kcp)[window as usize * 2 / 3];
            let sn = segment.sn.get();
            match edit {
                0 => segment.resendts.set(now),
                1 => segment.fastack.set(5),
                _ => segment.xmit.set(0),
            }
            sent.borrow_mut().clear();
            let mut intervals = 0;
            while sent.borrow().is_empty() {
                intervals += 1;
                assert!(intervals <= window / 64 + 1, "{window}, {edit}");
                now += 10;
                handle(object).update(now);
            }
            assert_eq!(*sent.borrow(), [sn]);
            handle(object).release();
        }
    }
}

/// A control brings flushes forward, up to one in each millisecond. Each of them checked 64 segments, and not one in an interval.
#[test]
fn each_flush_that_was_brought_forward_checked_segments_as_if_an_interval_had_passed() {
    let sent = Sent::default();
    let object = in_flight(if cfg!(miri) { 130 } else { 4096 });
    let kcp = handle(object);
    kcp.set_output(Some(output));
    kcp.user.set((&raw const sent).cast_mut().cast());
    let segments = listed(&kcp);
    let place = segments.len() * 2 / 3;
    segments[place].resendts.set(1000);
    let mut now = 1000u32;
    while sent.borrow().is_empty() && now < 10_000 {
        now += 1;
        kcp.ts_flush.set(now);
        handle(object).update(now);
    }
    let checks = (now - 1000).div_ceil(10) as usize;
    assert!((place / 64..=place / 64 + 2).contains(&checks), "{checks}");
    handle(object).release();
}

/// An object with `count` segments in flight.
fn in_flight(count: i32) -> *mut IKCPCB {
    let object = Kcp::create(1, core::ptr::null_mut());
    let kcp = handle(object);
    kcp.wndsize(count, 128);
    kcp.rmt_wnd.set(count.cast_unsigned());
    kcp.nodelay(1, 10, 2, 1);
    kcp.rx_rto.set(60_000);
    for _ in 0..count {
        // SAFETY: NULL means zeros.
        handle(object).send(unsafe { Source::new(core::ptr::null()) }, 1);
    }
    handle(object).update(1000);
    object
}

/// An update checks some segments of a large window. If the list was out of order by then, it used an index whose memory it had
/// just freed.
#[test]
fn an_update_looked_at_segments_through_an_index_that_was_gone() {
    let object = in_flight(100);
    let kcp = handle(object);
    let head = &kcp.snd_buf;
    // The first segment moves to the end, which a program may do by hand.
    // SAFETY: links of a valid list.
    unsafe {
        let first = head.next.get();
        let (second, last) = ((*first).next.get(), head.prev.get());
        let circle = (*first).prev.get();
        head.next.set(second);
        (*second).prev.set(circle);
        (*last).next.set(first);
        (*first).prev.set(last);
        (*first).next.set(circle);
        head.prev.set(first);
    }
    for now in [1010, 1020, 1030] {
        handle(object).update(now);
    }
    assert!(handle(object).private().sent.is_off());
    handle(object).release();
}

/// With logging of acknowledgements on, `una` removed segments one by one, by their numbers. A segment with a changed number was
/// never found, and `ikcp_input` never returned.
#[test]
fn una_went_round_a_segment_with_another_number_for_ever() {
    unsafe extern "C" fn writelog(_: *const c_char, _: *mut IKCPCB, _: *mut c_void) {}
    let object = in_flight(8);
    let kcp = handle(object);
    kcp.writelog.set(Some(writelog));
    kcp.logmask.set(-1);
    listed(&kcp)[0].sn.set(u32::MAX - 100);
    let header = Header {
        conv: 1,
        cmd: WINS,
        frg: 0,
        wnd: 128,
        ts: 0,
        sn: 0,
        una: 3,
        len: 0,
    };
    let packet = header.emit();
    // SAFETY: the packet is one header.
    let datagram = unsafe { Datagram::new(packet.as_ptr().cast(), packet.len() as _) };
    assert_eq!(handle(object).input(datagram), 0);
    handle(object).release();
}
