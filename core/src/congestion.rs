//! The built-in congestion control.

use crate::callback::Released;
use crate::consts::{IKCP_THRESH_MIN, profile};
use crate::kcp::Kcp;
use crate::output::Ended;
use crate::seq::Sn;

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

/// What a flush had to retransmit.
pub(crate) struct Loss {
    /// Segments retransmitted because they were skipped `resent` times.
    pub(crate) fast_retransmits: u32,
    pub(crate) resent: u32,
    /// One or more timed out.
    pub(crate) timed_out: bool,
}

impl<'a> Kcp<'a> {
    /// `snd_una` has advanced from `prior_una`.
    #[inline(never)]
    pub(crate) fn grow_window(self, prior_una: Sn, prior_in_flight: u32) -> Result<(), Released> {
        let acked = Sn(self.snd_una.get()).since(prior_una).unsigned_abs();
        let ackedlen = self.ackedlen.get();
        let (kcp, answer) = self.on_ack(acked, ackedlen, prior_in_flight)?;
        if answer.is_none() {
            kcp.set_window(kcp.window().acked(kcp.rmt_wnd.get(), kcp.mss.get()));
        }
        Ok(())
    }

    /// Lets the congestion control react to retransmissions. `prior_cwnd` was its window when the flush began; up to `window`
    /// segments could be in flight.
    #[inline(never)]
    pub(crate) fn react_to_loss(
        self,
        loss: Loss,
        prior_cwnd: u32,
        window: u32,
    ) -> Result<Kcp<'a>, Ended<'a>> {
        let mut kcp = self;
        if loss.fast_retransmits > 0 {
            let inflight = kcp.nsnd_buf.get();
            let answer;
            (kcp, answer) = kcp.on_fast_retransmit(loss.fast_retransmits, inflight, prior_cwnd)?;
            if answer.is_none() {
                let inflight = kcp.next_sn().forward_from(Sn(kcp.snd_una.get()));
                kcp.set_window(Window::fast_retransmitted(
                    inflight,
                    loss.resent,
                    kcp.mss.get(),
                ));
            }
        }
        if loss.timed_out {
            let answer;
            (kcp, answer) = kcp.on_timeout(prior_cwnd)?;
            if answer.is_none() {
                let prior = if profile::CONGESTION_HOOKS {
                    prior_cwnd
                } else {
                    window
                };
                kcp.set_window(Window::timed_out(prior, kcp.mss.get()));
            }
        }
        Ok(kcp)
    }

    /// The congestion window is at least one segment.
    #[inline(always)]
    pub(crate) fn raise_window(&self) {
        if self.cwnd.get() < 1 {
            self.cwnd.set(1);
            self.incr.set(self.mss.get());
        }
    }

    #[inline(always)]
    fn window(&self) -> Window {
        Window {
            cwnd: self.cwnd.get(),
            ssthresh: self.ssthresh.get(),
            incr: self.incr.get(),
        }
    }

    #[inline(always)]
    fn set_window(&self, window: Window) {
        self.cwnd.set(window.cwnd);
        self.ssthresh.set(window.ssthresh);
        self.incr.set(window.incr);
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
