//! Whether segments have the same timing: a comparison of 16 bytes, in one register where the processor has such registers.

use super::slots::FAN;
use crate::segment::Segment;

#[cfg(all(target_arch = "x86_64", target_feature = "sse2"))]
mod lanes {
    use core::arch::x86_64::{
        __m128i, _mm_cmpeq_epi8, _mm_movemask_epi8, _mm_or_si128, _mm_set_epi64x,
        _mm_setzero_si128, _mm_xor_si128,
    };

    pub(super) type Lanes = __m128i;

    #[inline(always)]
    pub(super) fn of([low, high]: [u64; 2]) -> Lanes {
        // SAFETY: this module is compiled only for processors with SSE2.
        unsafe { _mm_set_epi64x(high.cast_signed(), low.cast_signed()) }
    }

    /// `found`, plus the bits in which `a` and `b` differ.
    #[inline(always)]
    pub(super) fn differences(found: Lanes, a: Lanes, b: Lanes) -> Lanes {
        // SAFETY: as above.
        unsafe { _mm_or_si128(found, _mm_xor_si128(a, b)) }
    }

    #[inline(always)]
    pub(super) fn are_zero(lanes: Lanes) -> bool {
        // SAFETY: as above.
        unsafe { _mm_movemask_epi8(_mm_cmpeq_epi8(lanes, _mm_setzero_si128())) == 0xffff }
    }
}

#[cfg(not(all(target_arch = "x86_64", target_feature = "sse2")))]
mod lanes {
    pub(super) type Lanes = [u64; 2];

    #[inline(always)]
    pub(super) fn of(lanes: [u64; 2]) -> Lanes {
        lanes
    }

    #[inline(always)]
    pub(super) fn differences(found: Lanes, a: Lanes, b: Lanes) -> Lanes {
        [found[0] | (a[0] ^ b[0]), found[1] | (a[1] ^ b[1])]
    }

    #[inline(always)]
    pub(super) fn are_zero(lanes: Lanes) -> bool {
        lanes == [0; 2]
    }
}

/// True if all have the same timing.
#[inline(always)]
pub(super) fn are_alike(segments: &[Segment<'_>; FAN as usize]) -> bool {
    let first = lanes::of(segments[0].timing());
    let mut found = lanes::of([0; 2]);
    let (fours, _) = segments.as_chunks::<4>();
    for four in fours {
        for segment in four {
            found = lanes::differences(found, first, lanes::of(segment.timing()));
        }
    }
    lanes::are_zero(found)
}
