//! Round-trip time and retransmission timeout (the estimator of RFC 6298 with the original's constants).

use crate::consts::IKCP_RTO_MAX;
use crate::kcp::Kcp;

/// The estimator's state: the public fields of the same names, in ms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Estimate {
    pub(crate) srtt: i32,
    pub(crate) rttval: i32,
}

impl Estimate {
    /// The state after one more sample of `rtt` ms.
    ///
    /// Samples of 2^28 ms or more (a forged `ts`, a clock that jumps by days) overflow here. The results are those of the
    /// original, compiled by gcc for a 64-bit machine: products and the sum for `srtt` wrap, the sum for `rttval` does not.
    #[inline(always)]
    pub(crate) fn sample(self, rtt: i32) -> Estimate {
        if self.srtt == 0 {
            return Estimate {
                srtt: rtt,
                rttval: rtt / 2,
            };
        }
        let delta = i64::from(rtt.wrapping_sub(self.srtt)).abs();
        let rttval = (i64::from(self.rttval.wrapping_mul(3)) + delta) / 4;
        let srtt = self.srtt.wrapping_mul(7).wrapping_add(rtt) / 8;
        #[allow(clippy::cast_possible_truncation)]
        Estimate {
            srtt: srtt.max(1),
            rttval: rttval as i32,
        }
    }

    /// RFC 6298 (2.3): srtt + max(G, 4 * rttvar), with the flush interval as granularity, within its bounds.
    #[inline(always)]
    pub(crate) fn rto(self, interval: u32, minrto: i32) -> i32 {
        let variance = self.rttval.wrapping_mul(4).cast_unsigned();
        let rto = self
            .srtt
            .cast_unsigned()
            .wrapping_add(interval.max(variance));
        rto.max(minrto.cast_unsigned())
            .min(IKCP_RTO_MAX)
            .cast_signed()
    }
}

impl Kcp<'_> {
    #[inline(always)]
    fn estimate(&self) -> Estimate {
        Estimate {
            srtt: self.rx_srtt.get(),
            rttval: self.rx_rttval.get(),
        }
    }

    /// Takes a round-trip sample of `rtt` ms.
    #[inline(always)]
    pub(crate) fn sample_rtt(&self, rtt: i32) {
        let estimate = self.estimate().sample(rtt);
        self.rx_srtt.set(estimate.srtt);
        self.rx_rttval.set(estimate.rttval);
    }

    /// Takes `count` samples of `rtt` ms.
    #[inline(never)]
    pub(crate) fn sample_rtts(&self, rtt: i32, count: u32) {
        let mut estimate = self.estimate();
        for _ in 0..count {
            let before = estimate;
            estimate = before.sample(rtt);
            // More of the same change nothing.
            if estimate == before {
                break;
            }
        }
        self.rx_srtt.set(estimate.srtt);
        self.rx_rttval.set(estimate.rttval);
    }

    /// Computes the timeout from the samples.
    #[inline(always)]
    pub(crate) fn set_rto(&self) {
        let rto = self
            .estimate()
            .rto(self.interval.get(), self.rx_minrto.get());
        self.rx_rto.set(rto);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEW: Estimate = Estimate { srtt: 0, rttval: 0 };

    #[test]
    fn first_sample_is_taken_whole_and_later_ones_smoothed() {
        let first = NEW.sample(80);
        assert_eq!(
            first,
            Estimate {
                srtt: 80,
                rttval: 40
            }
        );
        // (3 * 40 + 40) / 4 and (7 * 80 + 120) / 8
        assert_eq!(
            first.sample(120),
            Estimate {
                srtt: 85,
                rttval: 40
            }
        );
    }

    #[test]
    fn smoothed_time_is_at_least_one() {
        assert_eq!(NEW.sample(1).sample(0).srtt, 1);
    }

    #[test]
    fn timeout_stays_within_its_bounds() {
        assert_eq!(
            Estimate {
                srtt: 10,
                rttval: 1
            }
            .rto(10, 30),
            30
        );
        assert_eq!(
            Estimate {
                srtt: 50,
                rttval: 10
            }
            .rto(100, 30),
            150
        );
        assert_eq!(
            Estimate {
                srtt: 50,
                rttval: 50
            }
            .rto(100, 30),
            250
        );
        assert_eq!(
            Estimate {
                srtt: 90_000,
                rttval: 0
            }
            .rto(100, 30),
            60_000
        );
    }

    #[test]
    fn samples_beyond_the_limit_wrap_as_the_original_does() {
        let huge = i32::MAX;
        let first = NEW.sample(huge);
        assert_eq!(
            first,
            Estimate {
                srtt: huge,
                rttval: huge / 2
            }
        );
        let second = first.sample(huge);
        // 7 * (2^31 - 1) + (2^31 - 1) wraps to -8, and -8 / 8 is raised to 1.
        assert_eq!(second.srtt, 1);
        // 3 * (2^30 - 1) wraps to -1073741827 before the division.
        assert_eq!(second.rttval, -1_073_741_827 / 4);
    }
}
