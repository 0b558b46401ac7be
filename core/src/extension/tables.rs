//! The controls as tables of hooks. Each hook finds its control in `congest` and does little more than call it.

use core::ffi::{c_char, c_int, c_void};
use core::{mem, ptr};

use super::info::IKCPX_CCINFO;
use super::{Extension, Sent};
use crate::abi::{IKCPCB, IKCPOPS, IUINT32};
use crate::cc::bbr::{Bbr, Phase};
use crate::cc::cubic::Cubic;
use crate::cc::meter::Meter;
use crate::cc::pacer::Pacer;
use crate::cc::{Allowance, Tick, elapsed, scale, shift};
use crate::consts::{IKCP_OVERHEAD, profile};
use crate::kcp::Kcp;
use crate::memory::allocate;
use crate::seq::Millis;

/// A table that no thread writes to.
struct Table(IKCPOPS);

// SAFETY: the table and the name that it points to are constants.
unsafe impl Sync for Table {}

static NONE: Table = Table(IKCPOPS::without_hooks(c"none".as_ptr()));
static BBR: Table = Table(table(c"bbr".as_ptr(), init_bbr));
static CUBIC: Table = Table(table(c"cubic".as_ptr(), init_cubic));

const fn table(
    name: *const c_char,
    init: unsafe extern "C" fn(kcp: *mut IKCPCB) -> c_int,
) -> IKCPOPS {
    IKCPOPS {
        init: Some(init),
        release: Some(release),
        on_ack: Some(on_ack),
        on_fast_retransmit: Some(on_fast_retransmit),
        on_timeout: Some(on_timeout),
        on_tick: Some(on_tick),
        get_info: Some(get_info),
        pacing_rate: Some(pacing_rate),
        ..IKCPOPS::without_hooks(name)
    }
}

/// The hooks of BBR.
#[must_use]
pub fn bbr() -> *const IKCPOPS {
    where_hooks_are(&BBR)
}

/// The hooks of CUBIC.
#[must_use]
pub fn cubic() -> *const IKCPOPS {
    where_hooks_are(&CUBIC)
}

fn where_hooks_are(table: &'static Table) -> *const IKCPOPS {
    if profile::CONGESTION_HOOKS {
        &raw const table.0
    } else {
        ptr::null()
    }
}

/// The table of a connection that needs the general code but has no control.
pub(super) fn none() -> *const IKCPOPS {
    &raw const NONE.0
}

/// Longest time between two flushes, ms. Once the rate of the path is known: their number in a round trip, and what one of them
/// sends if the path loses something, in segments.
const MAX_GAP_MS: u32 = 10;
const FLUSHES_PER_ROUND: u32 = 8;
const SEGMENTS_PER_FLUSH: u32 = 4;
/// Their number in the time that a queue holds which CUBIC has filled.
const FLUSHES_PER_QUEUE: u32 = 12;
/// A path loses something while more segments than this are lost in this time, ms.
const FEW_LOSSES: u32 = 8;
const LATELY_MS: u32 = 20_000;

enum Kind {
    Bbr(Bbr),
    Cubic(Cubic),
}

/// What `congest` points to.
pub(super) struct Control {
    kind: Kind,
    meter: Meter,
    pacer: Pacer,
    /// Mean size of recently sent segments, headers included, in 16ths of a byte; 0 before the first.
    size: u32,
    /// The control's last answer.
    allowance: Allowance,
    /// Bytes of payload that this flush may send.
    budget: u32,
    /// Nothing is held back, because there is so little to send.
    free: bool,
    /// The clock when the control was last asked.
    asked: u32,
    /// Random numbers that differ from those of other flows.
    random: u32,
    /// The path loses something; losses so far when that was last decided, and when it was.
    loses: bool,
    lost: u32,
    counted: u32,
}

impl Control {
    /// True if recorded times say nothing at the time `now`, because the clock went back. Every 12 days they do not count either, so
    /// that none of them becomes so old that it seems to be in the future.
    fn is_stale(&self, now: u32) -> bool {
        Millis(now).before(Millis(self.asked)) || (now ^ self.asked) >> 30 != 0
    }

    fn tick(&mut self, tick: Tick) -> Allowance {
        match &mut self.kind {
            Kind::Bbr(bbr) => bbr.tick(tick, &mut self.meter),
            Kind::Cubic(cubic) => cubic.tick(tick, &mut self.meter),
        }
    }

    /// The shortest round trip, ms; 0 while BBR looks for the rate. With losses at random, shorter waits at this end would make it take
    /// the peer's for a queue.
    fn settled_rtt(&self) -> u32 {
        match &self.kind {
            Kind::Bbr(bbr) if bbr.starts() => 0,
            Kind::Bbr(bbr) => bbr.min_rtt(),
            Kind::Cubic(cubic) => cubic.min_rtt,
        }
    }

    /// How long packets waited in the queue when CUBIC last found a loss, ms. BBR leaves queues empty, so it does not know.
    fn queue(&self) -> u32 {
        match &self.kind {
            Kind::Bbr(_) => 0,
            Kind::Cubic(cubic) => cubic.queue,
        }
    }

    /// False while BBR does not know the usual loss: what it loses by looking for the rate says nothing of the path.
    fn counts_losses(&self) -> bool {
        !matches!(&self.kind, Kind::Bbr(bbr) if !bbr.knows_loss())
    }

    /// True in ProbeRTT.
    fn empties_path(&self) -> bool {
        matches!(&self.kind, Kind::Bbr(bbr) if bbr.phase == Phase::ProbeRtt)
    }

    fn info(&self) -> IKCPX_CCINFO {
        let ((name, phase), bandwidth, min_rtt, ssthresh) = match &self.kind {
            Kind::Bbr(bbr) => (
                bbr.phase(),
                bbr.rate(),
                bbr.min_rtt(),
                bbr.inflight_longterm,
            ),
            Kind::Cubic(cubic) => (cubic.phase(), cubic.rate, cubic.min_rtt, cubic.threshold()),
        };
        IKCPX_CCINFO {
            phase_name: name.as_ptr(),
            phase,
            bandwidth,
            pacing_rate: self.allowance.rate,
            min_rtt,
            inflight: 0,
            inflight_target: self.allowance.inflight,
            cwnd: 0,
            ssthresh,
            lost: 0,
            needless: 0,
        }
    }
}

/// A connection and the control in its `congest`, for one hook.
struct Hooked<'a> {
    kcp: Kcp<'a>,
    control: &'a mut Control,
}

/// What a hook works on; `None` for NULL.
///
/// # Safety
/// The library calls the hook with an object on which `init` succeeded, and a hook never calls anything that calls another hook.
unsafe fn hooked<'a>(kcp: *mut IKCPCB) -> Option<Hooked<'a>> {
    // SAFETY: the caller's promise.
    let kcp = unsafe { Kcp::from_ptr(kcp) }?;
    // SAFETY: `init` set it, and each hook borrows it once.
    let control = unsafe { kcp.congest.get().cast::<Control>().as_mut() }?;
    Some(Hooked { kcp, control })
}

impl Hooked<'_> {
    fn extension(&self) -> &Extension {
        &self.kcp.private().extension
    }

    /// A flush begins: asks the control, and decides how much this flush may send, and when the next one comes.
    fn tick(&mut self) {
        let kcp = &self.kcp;
        let span = kcp.snd_nxt.get().wrapping_sub(kcp.snd_una.get());
        let in_flight = kcp.nsnd_buf.get();
        // Size of the largest segment.
        let full = kcp.mss.get().saturating_add(IKCP_OVERHEAD);
        let mut tick = Tick {
            now: kcp.current.get(),
            una: kcp.snd_una.get(),
            segment: full,
            stale: self.control.is_stale(kcp.current.get()),
            ..Tick::default()
        };
        let grain = self.control.meter.grain();
        let (mut thin, mut sent) = (false, Sent::default());
        self.extension().with(|state| {
            state.grain = grain;
            sent = mem::take(&mut state.sent);
            tick.delivered = state.delivered;
            tick.delivered_segments = state.delivered_segments;
            tick.lost = state.rack.lost;
            tick.missing = state.rack.missing;
            if tick.stale {
                state.newest_lost = Millis(tick.now);
            }
            tick.newest_lost = state.newest_lost.0;
            tick.pipe = state.rack.pipe;
            tick.late = state.rack.mean_late();
            tick.newest = mem::take(&mut state.news).then_some(state.newest.0);
            // The round trip from a flush to this one, which includes what both ends wait.
            // Where the clock jumps in between, there is none.
            let most = state.rack.latest_rtt.saturating_add(1_000);
            let left = tick.newest.filter(|_| !tick.stale);
            let rtt = left.map(|left| elapsed(tick.now, left));
            tick.rtt = rtt.filter(|rtt| *rtt <= most);
            let offset = Millis(tick.now).forward_from(state.peer_time);
            tick.offset = mem::take(&mut state.peer_news).then_some(offset);
            tick.app_limited = !state.queue_left;
            // What waits is about to leave.
            thin = state.is_thin(in_flight.saturating_add(kcp.nsnd_que.get()));
        });
        let control = &mut *self.control;
        control.note_sent(sent);
        // Small messages fit into a path in larger numbers than full segments.
        if control.size != 0 {
            tick.segment = control.size / 16;
        }
        let allowance = control.tick(tick);
        control.allowance = allowance;
        control.asked = tick.now;
        control.free = thin;
        // So many may leave before a round trip is known, too.
        let target = if thin || allowance.rate == 0 {
            allowance.inflight.max(super::loss::THIN)
        } else {
            allowance.inflight
        };
        // `cwnd` counts from `snd_una`.
        let room = target.saturating_sub(tick.pipe);
        let cwnd = span.saturating_add(room);
        kcp.cwnd.set(cwnd);
        kcp.incr.set(cwnd.saturating_mul(kcp.mss.get()));
        let deferred = kcp.private().deferred_len.get();
        control.pace(tick, sent.bytes, full, deferred, room);
        control.plan_flush(kcp, tick);
    }
}

impl Control {
    /// Sets when the next flush comes, if the interval would bring it later.
    ///
    /// All that a flush sends reaches the queue at once, and data waits for its flush. So several flushes come in a round trip, and after
    /// losses as many as the rate needs, until a short queue holds what each of them sends. Flows that flush on one grid of time meet the
    /// same queue at each flush, and for some of them that is always the longest one. So each flush comes earlier by a random time, up to
    /// half of the time between them.
    fn plan_flush(&mut self, kcp: &Kcp<'_>, tick: Tick) {
        if self.free {
            return;
        }
        let mut gap = match self.settled_rtt() {
            0 => MAX_GAP_MS,
            rtt => rtt / FLUSHES_PER_ROUND,
        };
        if self.loses(tick) {
            let bytes = tick.segment.saturating_mul(SEGMENTS_PER_FLUSH);
            let least = scale(1000, bytes, self.allowance.rate);
            gap = gap.min(least.max(self.queue() / FLUSHES_PER_QUEUE));
        }
        let gap = gap.clamp(1, MAX_GAP_MS).min(kcp.interval.get());
        let now = Millis(tick.now);
        let until = Millis(kcp.ts_flush.get()).since(now);
        if until <= (gap / 2).cast_signed() {
            return;
        }
        self.random = shift(self.random);
        let earlier = self.random % (gap / 2).max(1);
        let wait = gap.min(until.cast_unsigned()) - earlier;
        kcp.ts_flush.set(now.plus(wait).0);
    }

    /// True if the path has lost more than a few segments lately.
    fn loses(&mut self, tick: Tick) -> bool {
        let counts = self.counts_losses();
        let many = counts && tick.lost.wrapping_sub(self.lost) > FEW_LOSSES;
        if many || !counts || Millis(tick.now).forward_from(Millis(self.counted)) > LATELY_MS {
            self.lost = tick.lost;
            self.counted = tick.now;
            self.loses = many;
        }
        self.loses
    }

    /// The last flush sent so much.
    fn note_sent(&mut self, Sent { bytes, segments }: Sent) {
        if let Some(mean) = bytes.checked_div(segments) {
            let mean = mean.saturating_mul(16);
            self.size = match self.size {
                0 => mean,
                // These count as the 16th part each, up to 16 of them.
                size => {
                    let few = segments.min(16);
                    size / 16 * (16 - few) + mean / 16 * few
                }
            };
        }
    }

    /// Decides how many bytes of payload this flush may send, after `since` bytes in the last one; a `full` segment is the largest that
    /// the program can make now. The last segment that had to wait had a payload of `deferred` bytes. The window has `room` for more segments.
    fn pace(&mut self, tick: Tick, since: u32, full: u32, deferred: u32, room: u32) {
        self.pacer.sent(since, self.budget != u32::MAX);
        let rate = self.allowance.rate;
        let bytes = self.pacer.flush(tick.now, rate, full.max(tick.segment));
        self.budget = u32::MAX;
        if rate == 0 || self.free {
            return;
        }
        let payload = tick.segment.saturating_sub(IKCP_OVERHEAD);
        // Lost segments leave again without room, too, except where the path is to become empty.
        let most = if self.empties_path() { room } else { u32::MAX };
        let payload = scale(bytes, payload, tick.segment).min(most.saturating_mul(payload));
        // A segment that is larger than those before it would wait for ever, and so would one from before `ikcp_setmtu`.
        let waits = since == 0 && bytes >= full;
        let least = if waits {
            deferred.max(full - IKCP_OVERHEAD)
        } else {
            0
        };
        self.budget = payload.min(u32::MAX / 2).max(least);
    }
}

/// Makes a new control for `kcp`. Returns 0, or -1 without memory.
///
/// # Safety
/// The library calls `init` with an object of its own.
#[inline(never)]
unsafe fn init(kcp: *mut IKCPCB, make: fn(now: u32, seed: u32) -> Kind) -> c_int {
    // The `init` of a program's table may call two of them.
    // SAFETY: the caller's promise.
    unsafe { release(kcp) };
    // SAFETY: the caller's promise.
    let Some(kcp) = (unsafe { Kcp::from_ptr(kcp) }) else {
        return -1;
    };
    let extension = &kcp.private().extension;
    if !kcp.begin_detection() {
        return -1;
    }
    let Some(memory) = allocate(size_of::<Control>()) else {
        kcp.end_unneeded_detection();
        return -1;
    };
    let now = kcp.current.get();
    // It makes the cycles of connections differ.
    let seed = kcp.conv.get().wrapping_mul(0x9e37_79b9) ^ now;
    let at = memory.cast::<Control>().as_ptr();
    let lost = extension.with(|state| {
        state.control = at;
        state.sent = Sent::default();
        state.newest_lost = Millis(now);
        state.rack.lost
    });
    let control = Control {
        kind: make(now, seed),
        meter: Meter::new(now),
        pacer: Pacer::new(now),
        size: 0,
        allowance: Allowance {
            inflight: 1,
            rate: 0,
        },
        budget: u32::MAX,
        free: true,
        asked: now,
        random: seed | 1,
        loses: false,
        lost: lost.unwrap_or(0),
        counted: now,
    };
    // SAFETY: the allocation was just made with that size.
    unsafe { at.write(control) };
    kcp.congest.set(at.cast());
    // The window until the next flush begins.
    kcp.cwnd.set(kcp.cwnd.get().max(1));
    0
}

unsafe extern "C" fn init_bbr(kcp: *mut IKCPCB) -> c_int {
    // SAFETY: the library calls it.
    unsafe { init(kcp, |now, seed| Kind::Bbr(Bbr::new(now, seed))) }
}

unsafe extern "C" fn init_cubic(kcp: *mut IKCPCB) -> c_int {
    // SAFETY: the library calls it.
    unsafe { init(kcp, |now, _| Kind::Cubic(Cubic::new(now))) }
}

/// The library drops the control by itself. A program's table may pass its own `release` on, as it does `init`.
unsafe extern "C" fn release(kcp: *mut IKCPCB) {
    // SAFETY: the library calls it, or a program with an object of the library.
    if let Some(kcp) = unsafe { Kcp::from_ptr(kcp) } {
        kcp.congest.set(ptr::null_mut());
        kcp.drop_control();
    }
}

unsafe extern "C" fn on_tick(kcp: *mut IKCPCB) {
    // SAFETY: the library calls it.
    if let Some(mut hooked) = unsafe { hooked(kcp) } {
        hooked.tick();
    }
}

unsafe extern "C" fn pacing_rate(kcp: *mut IKCPCB) -> IUINT32 {
    // SAFETY: the library calls it.
    unsafe { hooked(kcp) }.map_or(u32::MAX, |hooked| hooked.control.budget)
}

/// The window is set when a flush begins. These hooks only replace the library's own reactions.
unsafe extern "C" fn on_ack(_: *mut IKCPCB, _: IUINT32, _: IUINT32, _: IUINT32) {}

unsafe extern "C" fn on_fast_retransmit(_: *mut IKCPCB, _: IUINT32, _: IUINT32, _: IUINT32) {}

unsafe extern "C" fn on_timeout(kcp: *mut IKCPCB, _prior_cwnd: IUINT32) {
    // SAFETY: the library calls it.
    if let Some(Hooked { kcp, control }) = unsafe { hooked(kcp) }
        && let Kind::Cubic(cubic) = &mut control.kind
        && !control.free
    {
        cubic.timed_out(kcp.current.get());
    }
}

unsafe extern "C" fn get_info(kcp: *mut IKCPCB, buf: *mut c_void, bufsize: IUINT32) -> IUINT32 {
    // SAFETY: a program calls it with an object of the library.
    let ops = unsafe { Kcp::from_ptr(kcp) }.map_or(ptr::null(), |kcp| kcp.ccops.get());
    let ours = !ops.is_null() && (ptr::eq(ops, bbr()) || ptr::eq(ops, cubic()));
    if buf.is_null() || !ours {
        return 0;
    }
    // SAFETY: one of the two is installed, so `init` succeeded.
    let Some(Hooked { kcp, control }) = (unsafe { hooked(kcp) }) else {
        return 0;
    };
    let mut info = control.info();
    info.cwnd = kcp.cwnd.get();
    kcp.private().extension.with(|state| {
        info.inflight = state.rack.pipe;
        info.lost = state.rack.lost;
        info.needless = state.rack.spurious;
    });
    let size = (bufsize as usize).min(size_of::<IKCPX_CCINFO>());
    // SAFETY: the program promised `bufsize` bytes of room.
    unsafe { ptr::copy_nonoverlapping((&raw const info).cast::<u8>(), buf.cast(), size) };
    size as u32
}
