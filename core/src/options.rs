//! The setters and getters.

use core::ffi::c_int;

use crate::abi::Output;
use crate::consts::{IKCP_OVERHEAD, IKCP_RTO_MIN, IKCP_RTO_NDL, IKCP_WND_RCV};
use crate::kcp::Kcp;

/// Smallest MTU, bytes.
const MTU_MIN: c_int = 50;
/// With this MTU or a larger one, the original's buffer size wraps.
const MTU_LIMIT: c_int = 1_431_655_742;

impl Kcp<'_> {
    /// Sets the callback that sends a packet; without one packets are dropped.
    pub fn set_output(&self, output: Option<Output>) {
        self.output.set(output);
    }

    /// Sets the MTU to `mtu` bytes, header included. Returns 0, -1 if it is too small, or -2 without memory.
    pub fn setmtu(&self, mtu: c_int) -> c_int {
        if mtu < MTU_MIN {
            return -1;
        }
        let size = mtu.unsigned_abs();
        self.take_back_packets();
        if mtu >= MTU_LIMIT || !self.private().packet.resize(&self.buffer, size) {
            return -2;
        }
        self.mtu.set(size);
        self.mss.set(size - IKCP_OVERHEAD);
        0
    }

    /// Sets the flush interval in ms, at least 10 and at most 5000.
    pub fn set_interval(&self, interval: c_int) -> c_int {
        self.interval.set(interval.clamp(10, 5000).unsigned_abs());
        0
    }

    /// Sets the modes; a negative argument leaves its setting as it is.
    pub fn nodelay(&self, nodelay: c_int, interval: c_int, resend: c_int, nc: c_int) -> c_int {
        if nodelay >= 0 {
            self.nodelay.set(nodelay.unsigned_abs());
            let minrto = if nodelay != 0 {
                IKCP_RTO_NDL
            } else {
                IKCP_RTO_MIN
            };
            self.rx_minrto.set(minrto.cast_signed());
        }
        if interval >= 0 {
            self.set_interval(interval);
        }
        if resend >= 0 {
            self.fastresend.set(resend);
        }
        if nc >= 0 {
            self.nocwnd.set(nc);
        }
        0
    }

    /// Sets the windows in segments; a number that is not positive leaves its window as it is. The receive window is at least
    /// 128.
    pub fn wndsize(&self, sndwnd: c_int, rcvwnd: c_int) -> c_int {
        if sndwnd > 0 {
            self.snd_wnd.set(sndwnd.unsigned_abs());
        }
        if rcvwnd > 0 {
            self.rcv_wnd.set(rcvwnd.unsigned_abs().max(IKCP_WND_RCV));
        }
        0
    }

    /// Number of segments that were sent by the program but not yet acknowledged by the peer. Writes nothing.
    #[must_use]
    pub fn waitsnd(&self) -> c_int {
        self.nsnd_buf
            .get()
            .wrapping_add(self.nsnd_que.get())
            .cast_signed()
    }

    /// True while free segments are kept. When nothing happens any more, each flush frees some of them.
    #[must_use]
    pub fn keeps_segments(&self) -> bool {
        self.private().pool.is_set_up()
    }
}
