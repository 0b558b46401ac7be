//! Congestion control and time-based loss detection, as state machines without a connection: they are told what happened and
//! when, and answer how much may be in flight and how fast to send. They use integers only and never panic or divide by 0,
//! whatever a peer writes.
//!
//! - `rack`: time-based loss detection (RFC 8985)
//! - `meter`: the delivery rate, and how often acknowledgements arrive
//! - `pacer`: how much a flush may send
//! - `bbr`, `cubic`: the two controls

use crate::seq::Millis;

pub(crate) mod bbr;
pub(crate) mod cubic;
pub(crate) mod meter;
pub(crate) mod pacer;
pub(crate) mod rack;

/// What a control knows when a flush begins.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tick {
    /// The clock, ms.
    pub(crate) now: u32,
    /// Bytes that were acknowledged by number so far, headers included; wraps.
    pub(crate) delivered: u32,
    /// Segments that were acknowledged by number so far; wraps.
    pub(crate) delivered_segments: u32,
    /// Segments found lost so far; wraps.
    pub(crate) lost: u32,
    /// Segments found lost or sent again without that, less those of which an earlier transmission had arrived; wraps.
    pub(crate) missing: u32,
    /// When the newest of them was sent; without any, a time that has passed.
    pub(crate) newest_lost: u32,
    /// Number of the oldest segment in flight.
    pub(crate) una: u32,
    /// Segments in flight.
    pub(crate) pipe: u32,
    /// The time since `newest`, ms: a round trip with what both ends wait. `None` where a clock jumped.
    pub(crate) rtt: Option<u32>,
    /// The clock less the time stamp of a segment of the peer that has just arrived, ms: its time on the way back, and what the clocks are
    /// apart.
    pub(crate) offset: Option<u32>,
    /// How late segments are on average where they arrive out of order, ms.
    pub(crate) late: u32,
    /// When the latest of the transmissions that were acknowledged since the last flush was sent.
    pub(crate) newest: Option<u32>,
    /// The program had nothing more to send.
    pub(crate) app_limited: bool,
    /// Earlier times say nothing, because the clock went back or they may be very old.
    pub(crate) stale: bool,
    /// Bytes of a full segment, header included; never 0.
    pub(crate) segment: u32,
}

/// A control's answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Allowance {
    /// Segments that may be in flight.
    pub(crate) inflight: u32,
    /// Bytes per second, headers included; 0 means no pacing.
    pub(crate) rate: u32,
}

/// Milliseconds from `then` to `now`; 0 if the clock went back.
pub(crate) fn elapsed(now: u32, then: u32) -> u32 {
    Millis(now).elapsed_since(Millis(then))
}

/// Bytes per second, for `bytes` in `ms`.
pub(crate) fn per_second(bytes: u32, ms: u32) -> u32 {
    scale(bytes, 1000, ms)
}

/// `a * b / c`, saturating.
#[inline(never)]
pub(crate) fn scale(a: u32, b: u32, c: u32) -> u32 {
    let scaled = u64::from(a) * u64::from(b) / u64::from(c.max(1));
    u32::try_from(scaled).unwrap_or(u32::MAX)
}

/// The next number after `random`, which must not be 0, of Marsaglia's xorshift generator.
pub(crate) const fn shift(random: u32) -> u32 {
    let random = random ^ (random << 13);
    let random = random ^ (random >> 17);
    random ^ (random << 5)
}

#[cfg(test)]
impl Tick {
    /// What nobody has measured: each field as it comes from `random`, which goes on.
    pub(crate) fn nonsense(random: &mut u32) -> Tick {
        let mut draw = || {
            *random = shift(*random);
            *random
        };
        Tick {
            now: draw(),
            delivered: draw(),
            delivered_segments: draw(),
            lost: draw(),
            missing: draw(),
            newest_lost: draw(),
            una: draw() % 2,
            pipe: draw(),
            rtt: Some(draw() % 70_000),
            offset: Some(draw()),
            late: draw() % 70_000,
            newest: Some(draw()),
            app_limited: draw() % 2 == 0,
            stale: draw() % 2 == 0,
            segment: draw() % 2000,
        }
    }
}
