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

/// At this depth of flushes inside flushes, the next flush waits until the clock has moved on. Flushes that never returned count
/// too, until a flush has waited: then the depth is 0 again.
const DEEPEST: u16 = 16;

/// Why a flush ends early.
pub(crate) enum Ended<'a> {
    Released,
    /// Another flush does the rest of its work.
    TakenOver(Kcp<'a>),
}

impl<'a> Ended<'a> {
    /// What the flush returns to its caller.
    #[cold]
    #[inline(never)]
    pub(super) fn end(self) -> Result<Kcp<'a>, Released> {
        match self {
            Ended::Released => Err(Released),
            Ended::TakenOver(kcp) => {
                kcp.private().flush.leave();
                Ok(kcp)
            }
        }
    }
}

impl From<Released> for Ended<'_> {
    fn from(_: Released) -> Self {
        Ended::Released
    }
}

/// How many flushes have not ended, in units of `FLUSH`, plus the state of the last: 0 if it has ended. With one number, a flush
/// that is alone takes one test and one write at each end.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Progress(u16);

impl Progress {
    const FLUSH: u16 = 4;
    const RUNNING: u16 = 1;
    /// Another flush was requested at the same clock.
    const WANTED_AGAIN: u16 = 2;

    const NONE: Progress = Progress(0);
    /// A flush is running, and all others have ended.
    const ALONE: Progress = Progress(Self::FLUSH | Self::RUNNING);

    fn depth(self) -> u16 {
        self.0 / Self::FLUSH
    }

    #[inline(always)]
    fn state(self) -> u16 {
        self.0 % Self::FLUSH
    }

    fn new(depth: u16, state: u16) -> Progress {
        Progress(depth * Self::FLUSH + state)
    }
}

/// The flush that is running, or that ran last.
#[repr(C)]
pub(crate) struct Nesting {
    /// Number of flushes that have begun.
    number: Cell<u32>,
    /// The object's clock when this flush began, or when it last called out.
    clock: Cell<Millis>,
    /// When a flush was found too deep; valid if `waits`.
    waits_since: Cell<Millis>,
    /// Acknowledgements that were written but are still in the list.
    acks: Cell<u32>,
    /// The segment that is marked as sent but waits for room in a packet; valid if `unwritten`.
    unwritten_sn: Cell<Sn>,
    unwritten: Cell<bool>,
    /// A flush was found too deep and waits for the clock.
    waits: Cell<bool>,
    progress: Cell<Progress>,
}

impl Nesting {
    /// True if the flush has not ended.
    #[inline(always)]
    pub(super) fn is_running(&self) -> bool {
        self.progress.get().state() != 0
    }

    /// True if the flush is running at the same clock, so that a request waits until it ends.
    pub(super) fn defers(&self, now: Millis) -> bool {
        let same = self.clock.get() == now;
        if same {
            self.set_state(Progress::WANTED_AGAIN);
        }
        same
    }

    /// Begins a flush if all others have ended.
    #[inline(always)]
    pub(super) fn enters_alone(&self, now: Millis) -> bool {
        let alone = self.progress.get() == Progress::NONE;
        if alone {
            self.begin(Progress::ALONE, now);
        }
        alone
    }

    /// Begins a flush. False if it has to wait.
    pub(super) fn enters(&self, now: Millis) -> bool {
        let enters = self.progress.get().depth() < DEEPEST || self.has_waited(now);
        if enters {
            let depth = self.progress.get().depth() + 1;
            self.begin(Progress::new(depth, Progress::RUNNING), now);
        }
        enters
    }

    #[inline(always)]
    fn begin(&self, progress: Progress, now: Millis) {
        self.progress.set(progress);
        self.number.set(self.number.get().wrapping_add(1));
        self.clock.set(now);
    }

    fn set_state(&self, state: u16) {
        self.progress
            .set(Progress::new(self.progress.get().depth(), state));
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
        self.progress.set(Progress::NONE);
        true
    }

    /// Ends a flush that has done all its work, if there is no other, and none is wanted.
    #[inline(always)]
    pub(super) fn ends_alone(&self) -> bool {
        let alone = self.progress.get() == Progress::ALONE;
        if alone {
            self.progress.set(Progress::NONE);
        }
        alone
    }

    /// True if another flush was requested meanwhile.
    pub(super) fn is_wanted_again(&self) -> bool {
        self.progress.get().state() == Progress::WANTED_AGAIN
    }

    /// The flush has done all its work.
    pub(super) fn end(&self) {
        self.set_state(0);
    }

    /// The flush has ended or was taken over.
    pub(super) fn leave(&self) {
        let progress = self.progress.get();
        let depth = progress.depth().saturating_sub(1);
        self.progress.set(Progress::new(depth, progress.state()));
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

    /// The segment that was last marked as sent but not yet written.
    pub(super) fn unwritten(&self) -> Sn {
        self.unwritten_sn.get()
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
