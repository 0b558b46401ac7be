//! Congestion control and loss told by time, as state machines: they know no connection, are told what happened and when, and
//! answer how much may be on its way and how fast. Integers only, no panic, no division by 0, whatever a peer writes.
//!
//! - `rack`: loss told by time (RFC 8985)
//! - `meter`: what the path delivers, and how often news comes
//! - `pacer`: what a flush may send
//! - `bbr`, `cubic`: the two controls

use crate::seq::Millis;

pub(crate) mod bbr;
pub(crate) mod cubic;
pub(crate) mod meter;
pub(crate) mod pacer;
pub(crate) mod rack;

/// What a control is told when a flush begins.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tick {
    /// The clock, ms.
    pub(crate) now: u32,
    /// Bytes acknowledged so far by acknowledgements of their own, headers included; wraps.
    pub(crate) delivered: u32,
    /// The same in segments; wraps.
    pub(crate) delivered_segments: u32,
    /// Segments told lost so far; wraps.
    pub(crate) lost: u32,
    /// Segments on their way.
    pub(crate) pipe: u32,
    /// Shortest round-trip time among the acknowledgements since the last flush, ms.
    pub(crate) rtt: Option<u32>,
    /// When the latest transmission that was acknowledged since then had been sent.
    pub(crate) newest: Option<u32>,
    /// Everything was sent that there was to send.
    pub(crate) app_limited: bool,
    /// The send window held something back.
    pub(crate) window_limited: bool,
    /// The clock went back since the flush before.
    pub(crate) went_back: bool,
    /// Bytes of a full segment, header included; not 0.
    pub(crate) segment: u32,
}

/// What a control answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Allowance {
    /// Segments that may be on their way.
    pub(crate) inflight: u32,
    /// Bytes per second, headers included; 0: without pacing.
    pub(crate) rate: u32,
}

/// Milliseconds from `then` to `now`, 0 when the clock went back.
pub(crate) fn elapsed(now: u32, then: u32) -> u32 {
    Millis(now).elapsed_since(Millis(then))
}

/// `bytes` in `ms` as bytes per second.
pub(crate) fn per_second(bytes: u32, ms: u32) -> u32 {
    let rate = u64::from(bytes) * 1000 / u64::from(ms.max(1));
    u32::try_from(rate).unwrap_or(u32::MAX)
}

/// `a * b / c`, saturated.
#[inline(never)]
pub(crate) fn scale(a: u32, b: u32, c: u32) -> u32 {
    let scaled = u64::from(a) * u64::from(b) / u64::from(c.max(1));
    u32::try_from(scaled).unwrap_or(u32::MAX)
}

/// The number behind `random`, which is not 0, in a sequence without order (Marsaglia's xorshift).
pub(crate) const fn shift(random: u32) -> u32 {
    let random = random ^ (random << 13);
    let random = random ^ (random >> 17);
    random ^ (random << 5)
}
