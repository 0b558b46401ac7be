//! One flush inside another, and flushes that never end.
//!
//! A callback of a flush may lead to another flush. The first flush may continue afterwards, be parked, or never come back.
//! The clock decides. At the same clock the request waits until the running flush ends, which then runs once more. When the
//! clock has moved on, the new flush takes over: it finishes what the old flush had begun to send. If the old flush comes
//! back, it finds another number and ends. So at most one flush has work to do, whichever comes back.

use core::cell::Cell;
use core::ffi::c_void;

use crate::abi::IKCPCB;
use crate::callback::Released;
use crate::kcp::Kcp;
use crate::seq::{Millis, Sn};

/// Flushes inside each other from which on another one waits for the clock to move on. Those that were left for good count
/// too, until one has waited.
const DEEPEST: u8 = 16;

/// Why a flush ends early.
pub(crate) enum Ended<'a> {
    Released,
    /// Another flush does what is left of it.
    TakenOver(Kcp<'a>),
}

impl From<Released> for Ended<'_> {
    fn from(_: Released) -> Self {
        Ended::Released
    }
}

/// Of a new object, which is zeroed memory, it is the first.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
enum State {
    Ended,
    Running,
    /// Running, and another one was asked for at the same clock.
    WantedAgain,
}

/// The flush that is running, or ran last.
#[repr(C)]
pub(crate) struct Nesting {
    /// Flushes that began so far.
    number: Cell<u32>,
    /// The object's clock when this one began, or called out last.
    clock: Cell<Millis>,
    /// Since when a flush waits for being too deep, if one `waits`.
    waits_since: Cell<Millis>,
    /// Acknowledgements that it has written while they are still in the list.
    acks: Cell<u32>,
    /// The segment that is marked as sent and waits for room in a packet, if one is `unwritten`.
    unwritten_sn: Cell<Sn>,
    unwritten: Cell<bool>,
    waits: Cell<bool>,
    state: Cell<State>,
    /// Flushes around it that have not ended either, and itself.
    depth: Cell<u8>,
}

impl Nesting {
    /// True when the flush has not ended.
    #[inline(always)]
    pub(super) fn is_running(&self) -> bool {
        self.state.get() != State::Ended
    }

    /// True when it is at work at this moment of the object's clock, so that a request waits for its end.
    pub(super) fn defers(&self, now: Millis) -> bool {
        let same = self.clock.get() == now;
        if same {
            self.state.set(State::WantedAgain);
        }
        same
    }

    /// Enters a flush. False when it has to wait.
    #[inline(always)]
    pub(super) fn enter(&self, now: Millis) -> bool {
        let enters = self.depth.get() < DEEPEST || self.has_waited(now);
        if enters {
            self.depth.set(self.depth.get() + 1);
        }
        enters
    }

    /// True when a flush that is too deep has waited, and no callback came back meanwhile to the one before it.
    #[cold]
    #[inline(never)]
    fn has_waited(&self, now: Millis) -> bool {
        if !self.waits.replace(true) {
            self.waits_since.set(now);
            return false;
        }
        if now == self.waits_since.get() {
            return false;
        }
        self.waits.set(false);
        self.depth.set(0);
        true
    }

    #[inline(always)]
    pub(super) fn begin(&self, now: Millis) {
        self.number.set(self.number.get().wrapping_add(1));
        self.clock.set(now);
        self.state.set(State::Running);
    }

    /// True when another flush was asked for meanwhile.
    #[inline(always)]
    pub(super) fn is_wanted_again(&self) -> bool {
        self.state.get() == State::WantedAgain
    }

    /// It has done all.
    #[inline(always)]
    pub(super) fn end(&self) {
        self.state.set(State::Ended);
    }

    /// It leaves, having ended or been taken over.
    #[inline(always)]
    pub(super) fn leave(&self) {
        self.depth.set(self.depth.get().saturating_sub(1));
    }

    /// Notes that the first `written` acknowledgements of the list are in packets.
    #[inline(always)]
    pub(super) fn note_acks(&self, written: u32) {
        self.acks.set(written);
    }

    /// Acknowledgements that are in packets and still in the list, which has `listed`.
    pub(super) fn take_acks(&self, listed: u32) -> u32 {
        let written = self.acks.replace(0);
        // A program that reset the connection has emptied the list.
        if listed >= written { written } else { 0 }
    }

    /// Notes that `sn` is marked as sent and not yet written.
    #[inline(always)]
    pub(super) fn note_unwritten(&self, sn: Sn) {
        self.unwritten_sn.set(sn);
        self.unwritten.set(true);
    }

    /// It is written, or found to be gone.
    #[inline(always)]
    pub(super) fn note_written(&self) {
        self.unwritten.set(false);
    }

    #[inline(always)]
    pub(super) fn take_unwritten(&self) -> Option<Sn> {
        self.unwritten
            .replace(false)
            .then(|| self.unwritten_sn.get())
    }
}

impl<'a> Kcp<'a> {
    /// Runs a callback of a flush, which may have been taken over when it comes back.
    #[inline(always)]
    pub(crate) fn call_out_of_flush<R>(
        self,
        callback: impl FnOnce(*mut IKCPCB, *mut c_void) -> R,
    ) -> Result<(Kcp<'a>, R), Ended<'a>> {
        let number = self.flush_number();
        let (kcp, result) = self.call_out(callback)?;
        Ok((kcp.continue_flush(number)?, result))
    }

    /// A flush is about to call out. Gives its number.
    #[inline(always)]
    pub(super) fn flush_number(&self) -> u32 {
        let flush = &self.private().flush;
        flush.clock.set(self.now());
        flush.number.get()
    }

    /// A callback came back to the flush of this number.
    #[inline(always)]
    pub(super) fn continue_flush(self, number: u32) -> Result<Kcp<'a>, Ended<'a>> {
        let flush = &self.private().flush;
        if flush.number.get() != number {
            return Err(Ended::TakenOver(self));
        }
        // It is alive.
        flush.waits.set(false);
        Ok(self)
    }
}
