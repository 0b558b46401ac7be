//! Congestion control: the table of hooks a program may install, and the built-in control.

use core::ffi::{c_char, c_int, c_void};

use crate::consts::IKCP_THRESH_MIN;
use crate::control::{IINT32, IKCPCB, IUINT32};

/// Hooks of a congestion control, for ikcp_setcc(). Any of them may be NULL: for `on_ack`, `on_fast_retransmit` and
/// `on_timeout` the library then does what it does by itself, the others are skipped. They may set `cwnd`,
/// `ssthresh`, `incr` and `congest`. The order of the members is part of the interface.
#[repr(C)]
#[allow(missing_debug_implementations)]
pub struct IKCPOPS {
    /// For the program; the library does not read it.
    pub name: *const c_char,
    /// Called by ikcp_setcc(); below 0 refuses, and the built-in control is back.
    pub init: Option<unsafe extern "C" fn(kcp: *mut IKCPCB) -> c_int>,
    /// Called when another control takes over, and by ikcp_release().
    pub release: Option<unsafe extern "C" fn(kcp: *mut IKCPCB)>,
    /// `snd_una` rose: by how many segments, how many bytes were acknowledged, how many segments were in flight before.
    pub on_ack: Option<
        unsafe extern "C" fn(
            kcp: *mut IKCPCB,
            acked_segs: IUINT32,
            acked_bytes: IUINT32,
            prior_in_flight: IUINT32,
        ),
    >,
    /// A flush sent this many segments again early.
    pub on_fast_retransmit: Option<
        unsafe extern "C" fn(
            kcp: *mut IKCPCB,
            fast_retrans: IUINT32,
            inflight: IUINT32,
            prior_cwnd: IUINT32,
        ),
    >,
    /// A flush sent segments again after their timeout.
    pub on_timeout: Option<unsafe extern "C" fn(kcp: *mut IKCPCB, prior_cwnd: IUINT32)>,
    /// A flush begins.
    pub on_tick: Option<unsafe extern "C" fn(kcp: *mut IKCPCB)>,
    /// Everything is sent and the window is not full.
    pub on_app_limited: Option<unsafe extern "C" fn(kcp: *mut IKCPCB, inflight: IUINT32)>,
    /// A round-trip sample, in milliseconds.
    pub on_rtt: Option<unsafe extern "C" fn(kcp: *mut IKCPCB, rtt: IINT32)>,
    /// A segment is being sent, for the `xmit`th time.
    pub on_pkt_sent: Option<
        unsafe extern "C" fn(
            kcp: *mut IKCPCB,
            sn: IUINT32,
            ts: IUINT32,
            len: IUINT32,
            inflight: IUINT32,
            xmit: IUINT32,
        ),
    >,
    /// A segment was acknowledged; `rtt` is -1 when it is not known.
    pub on_pkt_acked: Option<
        unsafe extern "C" fn(
            kcp: *mut IKCPCB,
            sn: IUINT32,
            ts: IUINT32,
            len: IUINT32,
            rtt: IINT32,
            xmit: IUINT32,
        ),
    >,
    /// For the program; the library does not call it.
    pub get_info: Option<
        unsafe extern "C" fn(kcp: *mut IKCPCB, buf: *mut c_void, bufsize: IUINT32) -> IUINT32,
    >,
    /// Bytes of payload that this flush may send. 0: none; from 2147483648 on: no limit.
    pub pacing_rate: Option<unsafe extern "C" fn(kcp: *mut IKCPCB) -> IUINT32>,
}

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

    /// A flush repeated segments that were skipped `resent` times: half of what is in flight.
    pub(crate) fn fast_retransmitted(inflight: u32, resent: u32, mss: u32) -> Window {
        let ssthresh = (inflight / 2).max(IKCP_THRESH_MIN);
        let cwnd = ssthresh.wrapping_add(resent);
        Window {
            cwnd,
            ssthresh,
            incr: cwnd.wrapping_mul(mss),
        }
    }

    /// A flush repeated segments that timed out: back to one segment.
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
        // Slow start overshoots by none, avoidance by as much as `incr` has gathered.
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
