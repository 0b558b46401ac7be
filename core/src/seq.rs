//! Sequence numbers and the millisecond clock: 32 bits that wrap.
//!
//! Two values are ordered by the sign of their 32-bit difference (RFC 1982, and `_itimediff` in the original), so the order is
//! meaningful only if they are less than 2^31 apart. All wrapping arithmetic is in this module.

use core::cell::Cell;

/// Sequence number of a segment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(transparent)]
pub struct Sn(pub u32);

/// A time on the caller's clock, in milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(transparent)]
pub struct Millis(pub u32);

macro_rules! wrapping {
    ($name:ident) => {
        impl $name {
            /// Signed distance from `earlier` to `self`; negative if `self` comes first. At a distance of exactly 2^31 each of
            /// two values comes before the other, so `a.since(b) > 0` and `b.since(a) < 0` differ. Where the original's behaviour
            /// depends on that, the comparison is written as in the original.
            #[inline(always)]
            pub const fn since(self, earlier: $name) -> i32 {
                self.0.wrapping_sub(earlier.0).cast_signed()
            }

            /// Distance from `from` forward to `self`. It is nearly 2^32 if `self` comes first, so a clock that was set back counts as
            /// a long time.
            #[inline(always)]
            pub const fn forward_from(self, from: $name) -> u32 {
                self.0.wrapping_sub(from.0)
            }

            /// True if `self` comes strictly before `other`.
            #[inline(always)]
            pub const fn before(self, other: $name) -> bool {
                self.since(other) < 0
            }

            /// The value `n` further on.
            #[inline(always)]
            pub const fn plus(self, n: u32) -> $name {
                $name(self.0.wrapping_add(n))
            }
        }
    };
}

wrapping!(Sn);
wrapping!(Millis);

impl Millis {
    /// Milliseconds from `then` to `self`; 0 when the clock was set back.
    #[inline(always)]
    pub const fn elapsed_since(self, then: Millis) -> u32 {
        let passed = self.since(then);
        if passed < 0 { 0 } else { passed.unsigned_abs() }
    }
}

/// The earliest of some moments, if there is any. Zeroed memory is none.
pub(crate) struct Earliest {
    at: Cell<Millis>,
    any: Cell<bool>,
}

impl Earliest {
    pub(crate) fn note(&self, at: Millis) {
        if !self.any.replace(true) || at.before(self.at.get()) {
            self.at.set(at);
        }
    }

    pub(crate) fn forget(&self) {
        self.any.set(false);
    }

    #[inline(always)]
    pub(crate) fn get(&self) -> Option<Millis> {
        self.any.get().then(|| self.at.get())
    }

    #[inline(always)]
    pub(crate) fn has_come(&self, now: Millis) -> bool {
        self.get().is_some_and(|at| now.since(at) >= 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_survives_the_wrap() {
        assert!(Sn(0xffff_ffff).before(Sn(0)));
        assert!(!Sn(0).before(Sn(0xffff_ffff)));
        assert_eq!(Sn(5).since(Sn(0xffff_fffb)), 10);
        assert_eq!(Millis(0xffff_fff0).plus(0x20), Millis(0x10));
    }

    #[test]
    fn half_a_circle_away_counts_as_before() {
        assert_eq!(Sn(0x8000_0000).since(Sn(0)), i32::MIN);
        assert!(Sn(0x8000_0000).before(Sn(0)));
    }
}
