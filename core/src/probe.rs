//! Probing of a zero window (RFC 9293, 3.8.6.1): when to ask the peer whether it has room again.

use crate::consts::{IKCP_ASK_SEND, IKCP_PROBE_INIT, IKCP_PROBE_LIMIT};
use crate::kcp::Kcp;
use crate::seq::Millis;

/// The prober's state: the public fields `ts_probe` and `probe_wait`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Prober {
    pub(crate) ts_probe: Millis,
    /// Milliseconds between two probes, 0 while the window is open.
    pub(crate) probe_wait: u32,
}

impl Prober {
    pub(crate) const IDLE: Prober = Prober {
        ts_probe: Millis(0),
        probe_wait: 0,
    };

    /// The state after a flush at `current` that finds the window closed, and whether a probe is due. The wait grows
    /// by half each time, up to two minutes.
    pub(crate) fn closed(self, current: Millis) -> (Prober, bool) {
        if self.probe_wait == 0 {
            return (Prober::waiting(current, IKCP_PROBE_INIT), false);
        }
        if current.before(self.ts_probe) {
            return (self, false);
        }
        let wait = self.probe_wait.max(IKCP_PROBE_INIT);
        let wait = wait.wrapping_add(wait / 2).min(IKCP_PROBE_LIMIT);
        (Prober::waiting(current, wait), true)
    }

    fn waiting(current: Millis, probe_wait: u32) -> Prober {
        Prober {
            ts_probe: current.plus(probe_wait),
            probe_wait,
        }
    }
}

impl Kcp<'_> {
    /// In a flush: asks for the peer's window from time to time while it is closed.
    #[inline(always)]
    pub(crate) fn probe_closed_window(&self) {
        if self.rmt_wnd.get() != 0 {
            self.stop_probing();
            return;
        }
        let (prober, due) = self.prober().closed(self.now());
        self.set_prober(prober);
        if due {
            self.probe.set(self.probe.get() | IKCP_ASK_SEND);
        }
    }

    /// The peer's window is open.
    #[inline(always)]
    pub(crate) fn stop_probing(&self) {
        self.set_prober(Prober::IDLE);
    }

    /// Until a closed window is to be probed, ms from `now`; `None` while it is open.
    pub(crate) fn until_probe(&self, now: Millis) -> Option<i32> {
        let Prober {
            ts_probe,
            probe_wait,
        } = self.prober();
        match (self.rmt_wnd.get(), probe_wait) {
            (0, 0) => Some(0),
            (0, _) => Some(ts_probe.since(now)),
            _ => None,
        }
    }

    #[inline(always)]
    fn prober(&self) -> Prober {
        Prober {
            ts_probe: Millis(self.ts_probe.get()),
            probe_wait: self.probe_wait.get(),
        }
    }

    #[inline(always)]
    fn set_prober(&self, prober: Prober) {
        self.ts_probe.set(prober.ts_probe.0);
        self.probe_wait.set(prober.probe_wait);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_by_half_up_to_the_limit() {
        let (mut prober, due) = Prober::IDLE.closed(Millis(1000));
        assert!(!due);
        assert_eq!(prober.probe_wait, IKCP_PROBE_INIT);
        let (same, due) = prober.closed(Millis(1000 + IKCP_PROBE_INIT - 1));
        assert!(!due && same == prober);

        let mut wait = IKCP_PROBE_INIT;
        for _ in 0..20 {
            let now = prober.ts_probe;
            let (next, due) = prober.closed(now);
            wait = (wait + wait / 2).min(IKCP_PROBE_LIMIT);
            assert!(due);
            assert_eq!(
                next,
                Prober {
                    ts_probe: now.plus(wait),
                    probe_wait: wait
                }
            );
            prober = next;
        }
        assert_eq!(wait, IKCP_PROBE_LIMIT);
    }
}
