//! What the original lacks and a program asks for through ikcpx.h: two congestion controls, and loss told by time.
//!
//! All of it works on the slow paths that run with a table of hooks (`ccops`), so that a connection without costs nothing:
//! a program that wants loss told by time and no control gets a table without hooks.
//!
//! The controls use hooks that any program has. What hooks do not give, or give at the price of a call for each segment, comes from
//! here (`State`): what is on its way, what was sent and delivered, the shortest round trip of a flush, and when the newest
//! transmission that arrived had been sent. Acknowledgements of a packet are taken before its `una`, so that no segment vanishes
//! without a sample.
//!
//! - `info`: what a program can read of a controller
//! - `loss`: loss told by time, for a connection
//! - `tables`: the two controls as tables of hooks

mod info;
mod loss;
mod tables;

use core::ffi::c_int;
use core::ptr;

use crate::cc::rack::{Rack, Sample, Sent};
use crate::consts::profile;
use crate::kcp::Kcp;
use crate::memory::on_demand::OnDemand;
use crate::memory::ring::Ring;
use crate::seq::Millis;
pub use info::IKCPX_CCINFO;
pub(crate) use loss::Verdict;
pub use tables::{bbr, cubic};

/// The part of a connection's state that only extensions have.
pub(crate) struct Extension(OnDemand<State>);

struct State {
    rack: Rack,
    log: Ring<Sent>,
    /// What was heard since a control last asked: the shortest round trip, and when the newest transmission had been sent.
    rtt: Option<u32>,
    newest: Option<Millis>,
    /// Bytes sent, bytes acknowledged in time, headers included, and segments acknowledged; all wrap.
    sent: u32,
    delivered: u32,
    delivered_segments: u32,
    /// Mean size of those that were sent last, headers included, in 16ths of a byte; 0 before the first.
    size: u32,
    /// How far news may be apart, ms, as the control says.
    grain: u32,
    /// The last flush found nothing more to send.
    queue_empty: bool,
    /// Times that a probe was sent since an acknowledgement came, when the last was, and how many segments it has taken.
    probes: u32,
    probed: Millis,
    probes_now: u32,
    by_program: bool,
    by_control: bool,
}

/// For whom loss is told by time.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Party {
    Program,
    Control,
}

impl Extension {
    fn is_on(&self) -> bool {
        !self.0.as_ptr().is_null()
    }

    /// Begins to tell loss by time. False without memory.
    #[inline(never)]
    fn turn_on(&self, now: Millis, party: Party) -> bool {
        let there = self.0.get_or_make(|| State::new(now)).is_some();
        self.with(|state| *state.party(party) = true);
        there
    }

    /// `party` does not want it any more.
    #[inline(never)]
    fn turn_off(&self, party: Party) {
        let wanted = self.with(|state| {
            *state.party(party) = false;
            state.by_program || state.by_control
        });
        if wanted == Some(false) {
            self.free();
        }
    }

    #[inline(never)]
    pub(crate) fn free(&self) {
        // SAFETY: nothing is borrowed from it outside of `with`.
        unsafe { self.0.free() }
    }

    /// Works on the state, if there is one.
    fn with<R>(&self, work: impl FnOnce(&mut State) -> R) -> Option<R> {
        // SAFETY: NULL, or it is there. `work` cannot reach another borrow: no callback runs in it, and it calls nothing that works on
        // the state.
        unsafe { self.0.as_ptr().as_mut() }.map(work)
    }
}

impl State {
    fn new(now: Millis) -> State {
        State {
            rack: Rack::new(now),
            log: Ring::new(),
            rtt: None,
            newest: None,
            sent: 0,
            size: 0,
            delivered: 0,
            delivered_segments: 0,
            grain: 0,
            queue_empty: true,
            probes: 0,
            probed: now,
            probes_now: 0,
            by_program: false,
            by_control: false,
        }
    }

    fn party(&mut self, party: Party) -> &mut bool {
        match party {
            Party::Program => &mut self.by_program,
            Party::Control => &mut self.by_control,
        }
    }

    fn heard(&mut self, sample: Sample) {
        self.rtt = Some(self.rtt.map_or(sample.rtt, |rtt| rtt.min(sample.rtt)));
        if self.newest.is_none_or(|newest| newest.before(sample.sent)) {
            self.newest = Some(sample.sent);
        }
    }
}

impl Kcp<'_> {
    /// Tells loss by time from now on, or as the original does: 0, or -1 without memory and without hooks.
    pub fn rack(&self, on: bool) -> c_int {
        if !profile::CONGESTION_HOOKS {
            return -1;
        }
        let extension = &self.private().extension;
        if !on {
            extension.turn_off(Party::Program);
            if self.has_no_control() {
                self.ccops.set(ptr::null());
            }
            return 0;
        }
        if !extension.turn_on(self.now(), Party::Program) {
            return -1;
        }
        self.keep_slow_paths();
        0
    }

    /// Without a table of hooks the fast paths would run.
    pub(crate) fn keep_slow_paths(&self) {
        let wanted = self.private().extension.with(|state| state.by_program);
        if self.ccops.get().is_null() && wanted == Some(true) {
            self.ccops.set(tables::none());
        }
    }

    /// True when the table in force has no hooks and is there for the slow paths only.
    #[inline(always)]
    pub(crate) fn has_no_control(&self) -> bool {
        cfg!(feature = "extensions") && ptr::eq(self.ccops.get(), tables::none())
    }
}
