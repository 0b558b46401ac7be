//! What a program can read of a controller.

use core::ffi::c_char;

use crate::abi::IUINT32;

/// State of a controller, to be drawn. `ikcpx_bbr()->get_info(kcp, &info, sizeof info)` fills it while that control is
/// installed, and returns how many bytes it filled: those of a program that was compiled for a shorter struct, or of a
/// library that knows fewer members; 0 when `buf` is NULL or another control is installed.
#[repr(C)]
#[derive(Clone, Copy)]
#[allow(missing_debug_implementations)]
pub struct IKCPX_CCINFO {
    /// Name of the phase, in English; it stays for ever.
    pub phase_name: *const c_char,
    /// Number of the phase. BBR: 0 Startup, 1 Drain, 2 ProbeBW down, 3 ProbeBW cruise, 4 ProbeBW refill, 5 ProbeBW up,
    /// 6 ProbeRTT. CUBIC: 16 slow start, 17 conservative slow start, 18 congestion avoidance, 19 recovery.
    pub phase: IUINT32,
    /// What the path delivers, in bytes per second, headers of KCP included; 0 before it is known. CUBIC: as measured last.
    pub bandwidth: IUINT32,
    /// How fast is sent, in bytes per second, headers of KCP included; 0: without pacing.
    pub pacing_rate: IUINT32,
    /// Shortest round-trip time, in milliseconds; 0 before the first sample.
    pub min_rtt: IUINT32,
    /// Segments on their way: sent, and neither acknowledged nor told lost.
    pub inflight: IUINT32,
    /// How many of them the controller aims at.
    pub inflight_target: IUINT32,
    /// Congestion window, in segments. It may exceed the send window.
    pub cwnd: IUINT32,
    /// Slow start threshold of CUBIC, in segments; with BBR the most in flight that did not lead to loss; 4294967295: none yet.
    pub ssthresh: IUINT32,
    /// Segments told lost, over the life of the control.
    pub lost: IUINT32,
    /// Resends that proved to be for nothing, over the life of the control.
    pub needless: IUINT32,
}
