//! The hooks of a program's congestion control: calling them, and replacing their table.

use core::ffi::c_int;
use core::ptr;

use crate::abi::IKCPOPS;
use crate::callback::Released;
use crate::consts::profile;
use crate::kcp::Kcp;
use crate::output::Ended;

impl Kcp<'_> {
    /// The installed table of hooks.
    #[inline(always)]
    fn ops(&self) -> Option<&'static IKCPOPS> {
        if !profile::CONGESTION_HOOKS {
            return None;
        }
        // SAFETY: the program promised `ikcp_setcc` that the table is valid until it is replaced. The table is read before the
        // hook is called, never after.
        unsafe { self.ccops.get().as_ref() }
    }

    /// The installed table of hooks; `None` while the object is being released, when no hook may run.
    #[inline(always)]
    fn hooks(&self) -> Option<&'static IKCPOPS> {
        self.ops().filter(|_| !self.private().ending.get())
    }

    /// True if a table of hooks is installed.
    #[inline(always)]
    pub(crate) fn has_ops(&self) -> bool {
        profile::CONGESTION_HOOKS && !self.ccops.get().is_null()
    }

    /// True if the general code is needed, because a table of hooks is installed or redundancy is on.
    #[inline(always)]
    pub(crate) fn needs_general_ways(&self) -> bool {
        if profile::CONGESTION_HOOKS {
            // Redundancy installs a table without hooks (`choose_ways`).
            self.has_ops()
        } else {
            self.redundancy().is_some()
        }
    }

    /// True if something acts on each acknowledgement: a hook, or redundancy, which loss detection (`by_time`) tells of them.
    #[inline(always)]
    pub(crate) fn watches_acks(&self, by_time: bool) -> bool {
        self.needs_general_ways()
            && (self.hooks_acks() || (!by_time && self.redundancy().is_some()))
    }

    /// True if a hook is installed that acts on each segment that is sent.
    #[inline(always)]
    pub(crate) fn hooks_sent(&self) -> bool {
        self.ops().is_some_and(|ops| ops.on_pkt_sent.is_some())
    }

    /// True if a hook is installed that acts while acknowledgements are processed.
    #[inline(always)]
    pub(crate) fn hooks_acks(&self) -> bool {
        self.ops()
            .is_some_and(|ops| ops.on_pkt_acked.is_some() || ops.on_rtt.is_some())
    }
}

macro_rules! hooks {
    ($error:ty, $call_out:ident; $($(#[$doc:meta])* $hook:ident as $method:ident($($name:ident: $type:ty),*) -> $result:ty;)+) => {
        impl<'a> Kcp<'a> {
            $(
                $(#[$doc])*
                #[inline(always)]
                pub(crate) fn $method(self $(, $name: $type)*) -> Result<(Kcp<'a>, Option<$result>), $error> {
                    match self.hooks().and_then(|ops| ops.$hook) {
                        None => Ok((self, None)),
                        Some(hook) => {
                            // SAFETY: the program promised that the table's members are functions of their types.
                            let (kcp, result) = self.$call_out(|kcp, _| unsafe { hook(kcp $(, $name)*) })?;
                            Ok((kcp, Some(result)))
                        }
                    }
                }
            )+
        }
    };
}

// Each returns `None` if no table is installed or the member is NULL. First the hooks that a flush calls.
hooks! {
    Ended<'a>, call_out_of_flush;
    /// A flush begins.
    on_tick as on_tick() -> ();
    /// Bytes of payload that this flush may send.
    pacing_rate as pacing_rate() -> u32;
    /// The send queue is empty and the window is not full.
    on_app_limited as on_app_limited(inflight: u32) -> ();
    /// A segment is about to be written into a packet.
    on_pkt_sent as on_pkt_sent(sn: u32, ts: u32, len: u32, inflight: u32, xmit: u32) -> ();
    /// A flush retransmitted segments that had been skipped.
    on_fast_retransmit as on_fast_retransmit(fast_retrans: u32, inflight: u32, prior_cwnd: u32) -> ();
    /// A flush retransmitted segments that had timed out.
    on_timeout as on_timeout(prior_cwnd: u32) -> ();
}

hooks! {
    Released, call_out;
    /// A segment is about to leave `snd_buf`.
    on_pkt_acked as on_pkt_acked(sn: u32, ts: u32, len: u32, rtt: i32, xmit: u32) -> ();
    /// A round-trip time was measured.
    on_rtt as on_rtt(rtt: i32) -> ();
    /// `snd_una` advanced.
    on_ack as on_ack(acked_segs: u32, acked_bytes: u32, prior_in_flight: u32) -> ();
    /// The table is being installed; a negative result refuses it.
    init as init_cc() -> c_int;
}

impl<'a> Kcp<'a> {
    /// Tells the installed congestion control that it is being removed: once per installation, even if the callback never returns
    /// or calls this again.
    pub(crate) fn leave_cc(self) -> Result<Kcp<'a>, Released> {
        let mut kcp = self;
        if !kcp.private().leaving_cc.replace(true)
            && let Some(release) = kcp.ops().and_then(|ops| ops.release)
        {
            // SAFETY: the program promised that the table's members are functions of their types.
            (kcp, ()) = kcp.call_out(|kcp, _| unsafe { release(kcp) })?;
        }
        // Also where the program's `release` has not passed the call on, and one that it has just installed.
        kcp.drop_control();
        Ok(kcp)
    }

    /// Installs a congestion control, or the built-in one for NULL. Returns 0, or -1 if `init` refuses; then the built-in one is
    /// installed.
    ///
    /// # Safety
    /// `ops` is NULL, or valid until it is replaced.
    pub unsafe fn setcc(self, ops: *const IKCPOPS) -> c_int {
        if !profile::CONGESTION_HOOKS {
            return -1;
        }
        self.install_cc(ops).unwrap_or(-1)
    }

    fn install_cc(self, ops: *const IKCPOPS) -> Result<c_int, Released> {
        let kcp = self.leave_cc()?;
        kcp.private().leaving_cc.set(false);
        // What waited for its pace no longer does.
        kcp.private().deferred.set(false);
        kcp.congest.set(ptr::null_mut());
        kcp.ccops.set(ops);
        let (kcp, answer) = kcp.init_cc()?;
        let refused = answer.is_some_and(|answer| answer < 0);
        if ops.is_null() || refused {
            if refused {
                kcp.ccops.set(ptr::null());
                kcp.congest.set(ptr::null_mut());
                kcp.drop_control();
            }
            kcp.cwnd.set(kcp.cwnd.get().max(1));
            let incr = kcp.cwnd.get().wrapping_mul(kcp.mss.get());
            // The original has this floor only when a program returns to the built-in control.
            kcp.incr.set(if refused {
                incr
            } else {
                incr.max(kcp.mss.get())
            });
            kcp.choose_ways();
        }
        Ok(if refused { -1 } else { 0 })
    }
}
