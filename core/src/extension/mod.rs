//! What the original lacks and a program can ask for through ikcpx.h: two congestion controls, and time-based loss detection.
//!
//! All of it uses the general code, which runs with a table of hooks (`ccops`), so it costs other connections nothing. A program
//! that wants loss detection or redundancy without a control gets a table without hooks.
//!
//! The controls use the hooks that any program can use. What hooks do not provide, or only with a call for each segment, comes
//! from `State`: segments in flight, bytes sent and delivered, and when the newest transmission that arrived was sent.
//! A packet's acknowledgements are processed before its `una`, so that no segment is removed
//! without a sample.
//!
//! - `info`: what a program can read about a control
//! - `loss`: time-based loss detection for a connection
//! - `tables`: the two controls as tables of hooks

mod info;
mod loss;
mod tables;

use core::ffi::c_int;
use core::ptr::NonNull;
use core::{mem, ptr};

use crate::cc::rack::Rack;
use crate::consts::profile;
use crate::kcp::Kcp;
use crate::memory::deallocate;
use crate::memory::on_demand::{OnDemand, Zeroed};
use crate::redundancy::Redundancy;
use crate::seq::{Millis, Sn};
pub use info::IKCPX_CCINFO;
pub(crate) use loss::BEFORE;
use loss::Transmissions;
use tables::Control;
pub use tables::{bbr, cubic};

/// The part of a connection's state that exists only with extensions.
pub(crate) struct Extension(OnDemand<State>);

/// Zeroed memory is a valid value, in which loss detection has not begun.
struct State {
    rack: Rack,
    log: Transmissions,
    /// When the newest transmission was sent that arrived since a control last asked, if there is `news`.
    newest: Millis,
    news: bool,
    /// Time stamp of the peer's latest segment, and whether it is that of another flush than when a control last asked.
    peer_time: Millis,
    peer_news: bool,
    /// When the newest transmission was sent that was found lost; before the first, when the control began.
    newest_lost: Millis,
    /// What was sent since a control last asked.
    sent: Sent,
    /// Bytes acknowledged at a known time, headers included, and segments acknowledged; both wrap.
    delivered: u32,
    delivered_segments: u32,
    /// Segments whose acknowledgements have arrived, and which the `una` of the same packet will remove.
    arrived: u32,
    /// The usual time between acknowledgements, ms, as the control has measured it.
    grain: u32,
    /// The last flush left something to send.
    queue_left: bool,
    /// A flush left something to send, and what is before this number has not all arrived.
    bulk: bool,
    bulk_end: Sn,
    /// Probes sent since the last acknowledgement, and when the last of them was sent.
    probes: u32,
    probed: Millis,
    /// The program has asked for loss detection.
    by_program: bool,
    /// The control of the library that is installed, which needs loss detection, too; or NULL. It is freed by this address, because
    /// `congest` is the program's.
    control: *mut Control,
}

#[derive(Clone, Copy, Default)]
struct Sent {
    /// With headers.
    bytes: u32,
    segments: u32,
}

// SAFETY: numbers, booleans, an empty queue, and NULL.
unsafe impl Zeroed for State {}

impl Extension {
    fn is_on(&self) -> bool {
        !self.0.as_ptr().is_null()
    }

    #[inline(never)]
    pub(crate) fn free(&self) {
        // SAFETY: nothing borrows from it outside of `with`.
        unsafe { self.0.free() }
    }

    /// Calls `work` with the state, if there is one.
    fn with<R>(&self, work: impl FnOnce(&mut State) -> R) -> Option<R> {
        // SAFETY: the address is NULL or that of an initialized state. All borrows are made here, and the address is taken away
        // meanwhile, so a second borrow inside `work` finds no state.
        unsafe {
            let state = self.0.replace(ptr::null_mut());
            let result = state.as_mut().map(work);
            self.0.replace(state);
            result
        }
    }
}

impl State {
    /// A transmission has arrived that left at `sent`.
    fn heard(&mut self, sent: Millis) {
        if !mem::replace(&mut self.news, true) || self.newest.before(sent) {
            self.newest = sent;
        }
    }
}

impl Kcp<'_> {
    /// Turns time-based loss detection on or off. Returns 0, or -1 without memory or in a profile without hooks.
    pub fn rack(&self, on: bool) -> c_int {
        if !profile::CONGESTION_HOOKS {
            return -1;
        }
        if on && !self.begin_detection() {
            return -1;
        }
        self.private().extension.with(|state| state.by_program = on);
        self.end_unneeded_detection();
        self.choose_ways();
        0
    }

    /// Begins time-based loss detection, unless it has begun. False without memory.
    #[inline(never)]
    fn begin_detection(&self) -> bool {
        let extension = &self.private().extension;
        let begins = !extension.is_on();
        if extension.0.get_or_zeroed().is_none() {
            return false;
        }
        if begins {
            extension.with(|state| state.rack.begin(self.now()));
            self.note_flights();
        }
        true
    }

    /// Ends it if nobody needs it. Then its marks go, too: they would be numbers of skips, for which segments leave again.
    #[inline(never)]
    fn end_unneeded_detection(&self) {
        let extension = &self.private().extension;
        let needed = extension.with(|state| state.by_program || !state.control.is_null());
        if needed == Some(false) {
            extension.free();
            self.forget_losses();
        }
    }

    /// The library's control goes, if it is or was installed.
    #[inline(never)]
    pub(crate) fn drop_control(&self) {
        let extension = &self.private().extension;
        let control = extension.with(|state| mem::replace(&mut state.control, ptr::null_mut()));
        if let Some(control) = control.and_then(NonNull::new) {
            // SAFETY: `init` allocated it, and no hook that uses it runs any more.
            unsafe { deallocate(control.as_ptr().cast()) }
            self.end_unneeded_detection();
        }
    }

    /// Selects the general code, or the short ways, which know nothing of extensions. If an extension needs the general code and
    /// the program has installed no hooks, a table without hooks is installed.
    #[inline(never)]
    pub(crate) fn choose_ways(&self) {
        let copies = self.redundancy().is_some_and(Redundancy::is_needed);
        let needed = profile::CONGESTION_HOOKS && (self.tells_by_time() || copies);
        if self.ccops.get().is_null() && needed {
            self.ccops.set(tables::none());
        } else if self.has_no_control() && !needed {
            self.ccops.set(ptr::null());
        }
    }

    /// True if one of our controls allows a flush only `budget` bytes of payload.
    #[inline(always)]
    pub(crate) fn has_pace(&self, budget: u64) -> bool {
        budget != u64::MAX && self.has_own_control()
    }

    fn has_own_control(&self) -> bool {
        let extension = &self.private().extension;
        extension.with(|state| !state.control.is_null()) == Some(true)
    }

    /// True if a congestion control is installed.
    #[inline(always)]
    pub(crate) fn has_control(&self) -> bool {
        self.has_ops() && !self.has_no_control()
    }

    /// True if the installed table has no hooks and only selects the general code.
    #[inline(always)]
    pub(crate) fn has_no_control(&self) -> bool {
        cfg!(feature = "extensions") && ptr::eq(self.ccops.get(), tables::none())
    }
}

#[cfg(all(test, feature = "extensions"))]
mod tests {
    use std::vec::Vec;

    use super::*;
    use crate::kcp::Kcp;
    use crate::segment::{Datagram, Source};
    use crate::wire::Header;

    #[test]
    fn a_second_borrow_of_the_state_finds_none() {
        // SAFETY: the object is live until it is released below.
        let kcp = unsafe { Kcp::from_ptr(Kcp::create(1, ptr::null_mut())) }.expect("an object");
        let extension = &kcp.private().extension;
        assert!(kcp.begin_detection());
        extension.with(|state| {
            assert!(extension.with(|_| ()).is_none());
            state.probes = 7;
        });
        assert_eq!(extension.with(|state| state.probes), Some(7));
        kcp.release();
    }

    #[test]
    fn what_was_sent_before_loss_was_told_by_time_was_not_in_flight() {
        if !profile::CONGESTION_HOOKS {
            return;
        }
        let object = Kcp::create(1, ptr::null_mut());
        // SAFETY: the object is live until it is released below, and each handle lasts for one call.
        let kcp = || unsafe { Kcp::from_ptr(object) }.expect("an object");
        let pipe = || kcp().private().extension.with(|state| state.rack.pipe);
        kcp().nodelay(1, 10, 0, 1);
        for _ in 0..10 {
            // SAFETY: NULL means zeros.
            kcp().send(unsafe { Source::new(ptr::null()) }, 1);
        }
        kcp().update(1000);
        assert_eq!(kcp().rack(true), 0);
        assert_eq!(pipe(), Some(10));
        // All of them leave again, and count once.
        kcp().path_changed();
        assert_eq!(pipe(), Some(10));
        kcp().release();
    }

    /// With another control, or with loss detection off and on again.
    #[test]
    fn what_had_been_found_lost_counted_twice_where_detection_began_anew() {
        if !profile::CONGESTION_HOOKS {
            return;
        }
        let object = Kcp::create(1, ptr::null_mut());
        // SAFETY: the object is live until it is released below, and each handle lasts for one call.
        let kcp = || unsafe { Kcp::from_ptr(object) }.expect("an object");
        let pipe = || kcp().private().extension.with(|state| state.rack.pipe);
        assert_eq!(kcp().rack(true), 0);
        kcp().nodelay(1, 10, 0, 1);
        kcp().wndsize(100, 128);
        for _ in 0..100 {
            // SAFETY: NULL means zeros.
            kcp().send(unsafe { Source::new(ptr::null()) }, 1);
        }
        kcp().update(1000);
        kcp().current.set(1050);
        let packet = acks(&[2], 0);
        // SAFETY: the packet has that size.
        kcp().input(unsafe { Datagram::new(packet.as_ptr().cast(), packet.len() as _) });
        assert_eq!(pipe(), Some(97));
        assert_eq!((kcp().rack(false), kcp().rack(true)), (0, 0));
        kcp().flush();
        assert_eq!(pipe(), Some(99));
        kcp().release();
    }

    /// Acknowledgements of these segments of the tests, with `una`.
    fn acks(numbers: &[u32], una: u32) -> Vec<u8> {
        let headers = numbers.iter().map(|&sn| Header {
            conv: 1,
            cmd: 82,
            frg: 0,
            wnd: 128,
            ts: 1000,
            sn,
            una,
            len: 0,
        });
        headers.flat_map(|header| header.emit()).collect()
    }

    /// Acknowledgements that `una` follows in the same packet are only counted when they are read, and `una` removes the segments.
    #[test]
    fn each_segment_of_a_packet_of_acknowledgements_counts_once() {
        // Profiles without hooks have no loss detection.
        if !profile::CONGESTION_HOOKS {
            return;
        }
        for (numbers, una, counted, left) in [
            (&[0, 1, 2, 3][..], 4, 4, 6),
            (&[0, 1, 1, 3, 0], 4, 4, 6),
            (&[3], 4, 4, 6),
            (&[0, 1, 5], 2, 3, 7),
            // Nothing was sent that this `una` could be for.
            (&[0, 1], 1_000_000, 2, 8),
        ] {
            let object = Kcp::create(1, ptr::null_mut());
            // SAFETY: the object is live until it is released below, and each handle lasts for one call.
            let kcp = || unsafe { Kcp::from_ptr(object) }.expect("an object");
            assert_eq!(kcp().rack(true), 0);
            kcp().nodelay(1, 10, 0, 1);
            for _ in 0..10 {
                // SAFETY: NULL means zeros.
                kcp().send(unsafe { Source::new(ptr::null()) }, 1);
            }
            kcp().update(1000);
            kcp().current.set(1030);
            let packet = acks(numbers, una);
            // SAFETY: the packet has that size.
            kcp().input(unsafe { Datagram::new(packet.as_ptr().cast(), packet.len() as _) });
            let now = kcp();
            let extension = &now.private().extension;
            let seen = extension.with(|state| (state.delivered_segments, state.rack.pipe));
            assert_eq!(seen, Some((counted, 10 - counted)), "{numbers:?}, {una}");
            assert_eq!(now.nsnd_buf.get(), left);
            let list = now.snd_buf();
            let first = list.first().expect("some are in flight");
            assert!(list.from(first).all(|segment| segment.fastack.get() == 0));
            kcp().release();
        }
    }
}
