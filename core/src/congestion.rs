//! The built-in congestion control.

use crate::consts::IKCP_THRESH_MIN;

/// The built-in control's state: the public fields of the same names. `cwnd` and `ssthresh` count segments, `incr` is
/// `cwnd` in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Window {
    pub(crate) cwnd: u32,
    pub(crate) ssthresh: u32,
    pub(crate) incr: u32,
}

impl Window {
    /// `snd_una` advanced: slow start below `ssthresh`, avoidance above it, never beyond the peer's window `rmt_wnd`.
    /// With an `mss` of 0, which only a program can set, nothing grows.
    pub(crate) fn acked(self, rmt_wnd: u32, mss: u32) -> Window {
        let Window {
            mut cwnd,
            ssthresh,
            mut incr,
        } = self;
        if cwnd >= rmt_wnd || mss == 0 {
            return self;
        }
        if cwnd < ssthresh {
            cwnd = cwnd.wrapping_add(1);
            incr = incr.wrapping_add(mss);
        } else {
            incr = incr.max(mss);
            let squared = mss.wrapping_mul(mss);
            incr = incr.wrapping_add((squared / incr).wrapping_add(mss / 16));
            if cwnd.wrapping_add(1).wrapping_mul(mss) <= incr {
                cwnd = incr.wrapping_add(mss).wrapping_sub(1) / mss;
            }
        }
        if cwnd > rmt_wnd {
            cwnd = rmt_wnd;
            incr = rmt_wnd.wrapping_mul(mss);
        }
        Window {
            cwnd,
            ssthresh,
            incr,
        }
    }

    /// A flush retransmitted segments that were skipped `resent` times: half of the data in flight remains.
    pub(crate) fn fast_retransmitted(inflight: u32, resent: u32, mss: u32) -> Window {
        let ssthresh = (inflight / 2).max(IKCP_THRESH_MIN);
        let cwnd = ssthresh.wrapping_add(resent);
        Window {
            cwnd,
            ssthresh,
            incr: cwnd.wrapping_mul(mss),
        }
    }

    /// A flush retransmitted segments that timed out: back to one segment.
    pub(crate) fn timed_out(prior_cwnd: u32, mss: u32) -> Window {
        Window {
            cwnd: 1,
            ssthresh: (prior_cwnd / 2).max(IKCP_THRESH_MIN),
            incr: mss,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MSS: u32 = 1376;

    #[test]
    fn slow_start_adds_a_segment_up_to_the_threshold() {
        let start = Window {
            cwnd: 1,
            ssthresh: 3,
            incr: MSS,
        };
        let two = start.acked(128, MSS);
        assert_eq!(
            two,
            Window {
                cwnd: 2,
                ssthresh: 3,
                incr: 2 * MSS
            }
        );
        assert_eq!(two.acked(128, MSS).cwnd, 3);
    }

    #[test]
    fn avoidance_adds_about_a_segment_per_window() {
        let mut window = Window {
            cwnd: 10,
            ssthresh: 2,
            incr: 10 * MSS,
        };
        let mut acks = 0;
        while window.cwnd == 10 {
            window = window.acked(128, MSS);
            acks += 1;
        }
        // `incr` has passed 11 segments, and the original rounds it up.
        assert_eq!(window.cwnd, 12);
        assert!((5..=10).contains(&acks), "took {acks} acknowledgements");
    }

    #[test]
    fn the_peer_s_window_is_the_limit() {
        let window = Window {
            cwnd: 7,
            ssthresh: 100,
            incr: 7 * MSS,
        };
        assert_eq!(window.acked(7, MSS), window);
        // Slow start overshoots by nothing, avoidance by as much as `incr` has accumulated.
        let window = Window {
            cwnd: 4,
            ssthresh: 2,
            incr: 9 * MSS,
        };
        assert_eq!(
            window.acked(6, MSS),
            Window {
                cwnd: 6,
                ssthresh: 2,
                incr: 6 * MSS
            }
        );
    }

    #[test]
    fn an_mss_of_zero_grows_nothing() {
        let window = Window {
            cwnd: 4,
            ssthresh: 2,
            incr: 0,
        };
        assert_eq!(window.acked(6, 0), window);
    }

    #[test]
    fn losses_halve_and_start_over() {
        assert_eq!(
            Window::fast_retransmitted(40, 2, MSS),
            Window {
                cwnd: 22,
                ssthresh: 20,
                incr: 22 * MSS
            }
        );
        assert_eq!(
            Window::timed_out(40, MSS),
            Window {
                cwnd: 1,
                ssthresh: 20,
                incr: MSS
            }
        );
        assert_eq!(Window::timed_out(1, MSS).ssthresh, IKCP_THRESH_MIN);
    }
}
