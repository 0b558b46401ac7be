//! Trimming: memory that was not needed for a while is freed.

use core::cell::Cell;

use crate::kcp::Kcp;
use crate::seq::Millis;

/// How often unused memory is freed, ms.
pub(crate) const TRIM_PERIOD: u32 = 500;

/// A list of up to this many entries is kept, so that occasional messages need not allocate one each time.
const SMALL_ACKLIST: u32 = 64;

/// The present period.
pub(crate) struct Trimming {
    began: Cell<Millis>,
    /// The most pending acknowledgements that a flush found.
    ack_peak: Cell<u32>,
    /// The sum of `snd_una` and `rcv_nxt` when the period began.
    progress: Cell<u32>,
}

impl Trimming {
    /// A flush found so many pending acknowledgements.
    #[inline(always)]
    pub(crate) fn note_acks(&self, count: u32) {
        self.ack_peak.set(self.ack_peak.get().max(count));
    }

    /// True if the period is over.
    #[inline(always)]
    pub(crate) fn is_due(&self, now: Millis) -> bool {
        now.forward_from(self.began.get()) >= TRIM_PERIOD
    }

    /// Ends the period in `left` ms, which is less than it lasts.
    pub(crate) fn end_in(&self, left: u32, now: Millis) {
        let early = TRIM_PERIOD - left;
        self.began.set(now.plus(early.wrapping_neg()));
    }
}

impl Kcp<'_> {
    /// Ends a period: memory that was not needed is freed, over several flushes if there is much of it.
    pub(crate) fn trim(&self) {
        let pool = &self.private().pool;
        if !pool.is_ageing() {
            self.begin_to_trim();
        }
        // The windows limit what is in use, and the same number may be kept.
        let kept = self.snd_wnd.get().saturating_add(self.rcv_wnd.get());
        pool.age(kept);
        if !pool.is_ageing() {
            self.private().trimming.began.set(self.now());
        }
    }

    fn begin_to_trim(&self) {
        let private = self.private();
        self.sync_sent_after_callback();
        self.sync_received();
        private.sent.trim(self.snd_buf());
        private.received.trim(self.rcv_buf());
        let Trimming {
            ack_peak, progress, ..
        } = &private.trimming;
        let reached = self.snd_una.get().wrapping_add(self.rcv_nxt.get());
        let passed = reached.wrapping_sub(progress.replace(reached));
        private.pool.begin_to_age(passed);
        let (acks, block) = (ack_peak.replace(0), self.ackblock.get());
        let too_large = block > SMALL_ACKLIST && acks <= block / 4;
        if self.ackcount.get() == 0 && (acks == 0 || too_large) {
            self.free_acklist();
        }
    }
}
