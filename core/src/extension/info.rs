//! What a program can read about a congestion control.

use core::ffi::c_char;

use crate::abi::IUINT32;

/// State of a congestion control, for display. `ikcpx_bbr()->get_info(kcp, &info, sizeof info)`, or the same with ikcpx_cubic(),
/// fills it for whichever of the two is installed, and returns how many bytes it filled: fewer than `sizeof info` if the library knows
/// fewer members; 0 if `buf` is NULL or neither is installed.
#[repr(C)]
#[derive(Clone, Copy)]
#[allow(missing_debug_implementations)]
pub struct IKCPX_CCINFO {
    /// Name of the phase, in English; a string constant.
    pub phase_name: *const c_char,
    /// Number of the phase. BBR: 0 Startup, 1 Drain, 2 ProbeBW down, 3 ProbeBW cruise, 4 ProbeBW refill, 5 ProbeBW up,
    /// 6 ProbeRTT. CUBIC: 16 slow start, 17 conservative slow start, 18 congestion avoidance, 19 recovery.
    pub phase: IUINT32,
    /// Delivery rate of the path, in bytes per second, KCP's headers included; 0 before it is known. CUBIC: the last measurement.
    pub bandwidth: IUINT32,
    /// Sending rate, in bytes per second, KCP's headers included; 0: without pacing.
    pub pacing_rate: IUINT32,
    /// Shortest round-trip time, in milliseconds; 0 before the first sample.
    pub min_rtt: IUINT32,
    /// Segments in flight: sent, and neither acknowledged nor found lost.
    pub inflight: IUINT32,
    /// How many segments in flight the control aims at.
    pub inflight_target: IUINT32,
    /// Congestion window, in segments. It may exceed the send window.
    pub cwnd: IUINT32,
    /// CUBIC: slow start threshold, in segments. BBR: the most segments in flight that did not lead to loss. 4294967295: none
    /// yet.
    pub ssthresh: IUINT32,
    /// Segments found lost since losses are detected by time: since the control was installed, or since ikcpx_rack() before it.
    pub lost: IUINT32,
    /// Spurious retransmissions since then.
    pub needless: IUINT32,
}
