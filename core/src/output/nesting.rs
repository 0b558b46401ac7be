//! Flushes inside flushes, and flushes that never end.
//!
//! A callback of a flush may start another flush. The first flush may continue afterwards, be parked, or never return. The clock
//! decides what happens. At the same clock the request waits until the running flush ends, which then runs once more. If the
//! clock has moved on, the new flush takes over and finishes what the old one had begun to send. If the old flush returns, it
//! finds another number and ends. So at most one flush has work to do, whichever returns.

use core::cell::Cell;
use core::ffi::c_void;

use crate::abi::IKCPCB;
use crate::callback::Released;
use crate::kcp::Kcp;
use crate::seq::{Millis, Sn};

/// At this depth of flushes inside flushes, the next one waits for the clock to move on. Flushes that never returned count as
/// well, until one has waited.
const DEEPEST: u8 = 16;

/// Why a flush ends early.
pub(crate) enum Ended<'a> {
    Released,
    /// Another flush does the rest of its work.
    TakenOver(Kcp<'a>),
}

impl From<Released> for Ended<'_> {
    fn from(_: Released) -> Self {
        Ended::Released
    }
}

/// The first state is that of a new object, whose memory is zeroed.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
enum State {
    Ended,
    Running,
    /// Running, and another flush was requested at the same clock.
    WantedAgain,
}

/// The flush that is running, or that ran last.
#[repr(C)]
pub(crate) struct Nesting {
    /// Number of flushes that have begun.
    number: Cell<u32>,
    /// The object's clock when this flush began, or when it last called out.
    clock: Cell<Millis>,
    /// When a flush was found too deep; valid if one `waits`.
    waits_since: Cell<Millis>,
    /// Acknowledgements that were written but are still in the list.
    acks: Cell<u32>,
    /// The segment that is marked as sent but waits for room in a packet; valid if `unwritten`.
    unwritten_sn: Cell<Sn>,
    unwritten: Cell<bool>,
    waits: Cell<bool>,
    state: Cell<State>,
    /// Number of flushes that have not ended, this one included.
    depth: Cell<u8>,
}

impl Nesting {
    /// True if the flush has not ended.
    #[inline(always)]
    pub(super) fn is_running(&self) -> bool {
        self.state.get() != State::Ended
    }

    /// True if the flush is running at the same clock, so that a request waits until it ends.
    pub(super) fn defers(&self, now: Millis) -> bool {
        let same = self.clock.get() == now;
        if same {
            self.state.set(State::WantedAgain);
        }
        same
    }

    /// Enters a flush. False if it has to wait.
    #[inline(always)]
    pub(super) fn enter(&self, now: Millis) -> bool {
        let enters = self.depth.get() < DEEPEST || self.has_waited(now);
        if enters {
            self.depth.set(self.depth.get() + 1);
        }
        enters
    }

    /// True if a flush that was too deep has waited long enough, and no callback has returned to the flush before it.
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

    /// True if another flush was requested meanwhile.
    #[inline(always)]
    pub(super) fn is_wanted_again(&self) -> bool {
        self.state.get() == State::WantedAgain
    }

    /// The flush has done all its work.
    #[inline(always)]
    pub(super) fn end(&self) {
        self.state.set(State::Ended);
    }

    /// The flush has ended or was taken over.
    #[inline(always)]
    pub(super) fn leave(&self) {
        self.depth.set(self.depth.get().saturating_sub(1));
    }

    /// The first `written` acknowledgements of the list are in packets.
    #[inline(always)]
    pub(super) fn note_acks(&self, written: u32) {
        self.acks.set(written);
    }

    /// Number of acknowledgements that are in packets but still in the list of `listed`.
    pub(super) fn take_acks(&self, listed: u32) -> u32 {
        let written = self.acks.replace(0);
        // A program that has reset the connection has emptied the list.
        if listed >= written { written } else { 0 }
    }

    /// `sn` is marked as sent but not yet written.
    #[inline(always)]
    pub(super) fn note_unwritten(&self, sn: Sn) {
        self.unwritten_sn.set(sn);
        self.unwritten.set(true);
    }

    /// The segment was written, or found to be gone.
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
    /// Runs a callback of a flush. When it returns, another flush may have taken over.
    #[inline(always)]
    pub(crate) fn call_out_of_flush<R>(
        self,
        callback: impl FnOnce(*mut IKCPCB, *mut c_void) -> R,
    ) -> Result<(Kcp<'a>, R), Ended<'a>> {
        let number = self.flush_number();
        let (kcp, result) = self.call_out(callback)?;
        Ok((kcp.continue_flush(number)?, result))
    }

    /// The number of this flush, which is about to call out.
    #[inline(always)]
    pub(super) fn flush_number(&self) -> u32 {
        let flush = &self.private().flush;
        flush.clock.set(self.now());
        flush.number.get()
    }

    /// A callback returned to flush `number`.
    #[inline(always)]
    pub(super) fn continue_flush(self, number: u32) -> Result<Kcp<'a>, Ended<'a>> {
        let flush = &self.private().flush;
        if flush.number.get() != number {
            return Err(Ended::TakenOver(self));
        }
        // The flush is alive.
        flush.waits.set(false);
        Ok(self)
    }
}
