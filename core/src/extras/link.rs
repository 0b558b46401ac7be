//! Failing links: a path that has changed, a bound on timeouts, and a link without progress.

use core::cell::Cell;
use core::ffi::c_int;

use super::{DeadLink, Extras};
use crate::consts::{IKCP_ASK_SEND, IKCP_DEADLINK, IKCP_RTO_DEF};
use crate::extension::BEFORE;
use crate::kcp::Kcp;
use crate::memory::trim::TRIM_PERIOD;
use crate::segment::Segment;
use crate::seq::Millis;

pub(super) struct Link {
    /// The highest timeout of a segment, ms; 0 means no bound.
    highest: Cell<u32>,
    /// How long the link may make no progress before it is dead, ms; 0 means for ever.
    patience: Cell<u32>,
    callback: Cell<Option<DeadLink>>,
    /// When the link last made progress, and the number of acknowledged segments at that time.
    progress: Cell<Millis>,
    acknowledged: Cell<u32>,
    /// The link was found dead, and nothing was acknowledged since.
    told: Cell<bool>,
    /// The callback still has to be called for a link that was found dead.
    dead: Cell<bool>,
}

impl Extras {
    /// A flush is about to put segments into flight.
    #[inline(always)]
    pub(super) fn before_admission(&self, kcp: &Kcp<'_>) {
        if self.link.patience.get() != 0 {
            self.link.look(kcp, kcp.now());
        }
    }

    /// `segment` is retransmitted after its timeout. Returns its next timeout, which is `rto` or the bound.
    #[inline(never)]
    pub(crate) fn timed_out(&self, kcp: &Kcp<'_>, segment: Segment<'_>, rto: u32) -> u32 {
        self.count_timeout(segment, kcp.now());
        kcp.leaves_again(segment);
        match self.link.highest.get() {
            0 => rto,
            highest => rto.min(highest.max(kcp.rx_rto.get().cast_unsigned())),
        }
    }
}

impl Link {
    /// True if the link counts as dead after some time without progress.
    pub(super) fn is_watched(&self) -> bool {
        self.patience.get() != 0
    }

    /// Notes progress if a segment was acknowledged since the last look, or none is in flight. Where the clock was set back, the silence
    /// begins again.
    #[inline(never)]
    fn look(&self, kcp: &Kcp<'_>, now: Millis) {
        if now.before(self.progress.get()) {
            self.progress.set(now);
        }
        let acknowledged = kcp.acknowledged();
        if self.acknowledged.replace(acknowledged) != acknowledged || kcp.snd_buf().is_empty() {
            self.note_progress(now);
        }
    }

    fn note_progress(&self, now: Millis) {
        self.progress.set(now);
        self.told.set(false);
    }

    /// What the link was before no longer counts.
    fn begin(&self, now: Millis) {
        self.note_progress(now);
        self.dead.set(false);
    }

    /// How long the link may still make no progress.
    fn left(&self, now: Millis) -> Option<i32> {
        let patience = self.patience.get().cast_signed();
        let silent = now.elapsed_since(self.progress.get()).cast_signed();
        (patience != 0 && !self.told.get()).then(|| patience - silent)
    }
}

impl<'a> Kcp<'a> {
    /// The network is back, or another one is used: everything in flight is sent now as if for the first time, and earlier
    /// measurements no longer count.
    pub fn path_changed(self) {
        self.rx_srtt.set(0);
        self.rx_rttval.set(0);
        let rto = IKCP_RTO_DEF.cast_signed().max(self.rx_minrto.get());
        self.rx_rto.set(rto);
        if self.state.get() == u32::MAX {
            self.state.set(0);
        }
        if self.rmt_wnd.get() == 0 {
            self.probe_wait.set(0);
            self.probe.set(self.probe.get() | IKCP_ASK_SEND);
        }
        self.forget_transmissions();
        if let Some(Extras { link, .. }) = self.extras() {
            link.begin(self.now());
        }
        self.flush();
    }

    /// Resets all segments in flight to segments that were never sent.
    fn forget_transmissions(&self) {
        let (index, list) = (&self.private().sent, self.snd_buf());
        if list.is_empty() {
            return;
        }
        self.forget_flights();
        let indexed = !index.is_off();
        if indexed {
            // This also applies what is pending for them.
            self.rebuild_sent();
        }
        let mut at = list.first();
        while let Some(segment) = at {
            // One that still waits for its pace after the last change keeps its mark.
            let was_sent = segment.xmit.replace(0) != 0 || segment.fastack.get() & BEFORE != 0;
            let marked = was_sent && self.extras().is_some();
            segment.fastack.set(if marked { BEFORE } else { 0 });
            at = list.next(segment);
        }
        if indexed {
            self.rebuild_sent();
        } else {
            self.note_change();
        }
    }

    /// `segment` leaves as if for the first time.
    #[inline(always)]
    pub(crate) fn leaves_on_path(&self, segment: Segment<'_>) {
        if segment.fastack.get() & BEFORE != 0 {
            self.leaves_on_new_path(segment);
        }
    }

    #[cold]
    #[inline(never)]
    fn leaves_on_new_path(&self, segment: Segment<'_>) {
        // Without extras it is a number that the program has written.
        if let Some(extras) = self.extras() {
            segment.fastack.set(0);
            extras.count_path(segment, self.now());
        }
    }

    /// Number of segments at the end of `snd_buf` that never left, on any path.
    pub(super) fn never_sent(&self) -> u32 {
        let mut at = self.snd_buf().last();
        let mut count = 0;
        while let Some(segment) = at
            && segment.xmit.get() == 0
            && segment.fastack.get() & BEFORE == 0
        {
            count += 1;
            at = self.snd_buf().prev(segment);
        }
        count
    }

    /// Timeouts of segments grow to `milliseconds` at most, or to the connection's timeout if that is longer; 0 removes the
    /// bound. Returns 0, or -1 for a negative number or without memory.
    pub fn backoff_limit(&self, milliseconds: c_int) -> c_int {
        if milliseconds < 0 {
            return -1;
        }
        let Some(Extras { link, .. }) = self.ask_if(milliseconds > 0) else {
            return -c_int::from(milliseconds > 0);
        };
        link.highest.set(milliseconds.unsigned_abs());
        0
    }

    /// The link is dead when nothing was acknowledged for `milliseconds`, whatever `dead_link` says, and `callback` is called; 0
    /// restores the original's rule. Returns 0, or -1 for a negative number or without memory.
    pub fn dead_after(&self, milliseconds: c_int, callback: Option<DeadLink>) -> c_int {
        if milliseconds < 0 {
            return -1;
        }
        match self.ask_if(milliseconds > 0) {
            Some(Extras { link, .. }) => {
                link.patience.set(milliseconds.unsigned_abs());
                link.callback.set(callback);
                link.begin(self.now());
            }
            None if milliseconds > 0 => return -1,
            None => {}
        }
        self.dead_link.set(if milliseconds == 0 {
            IKCP_DEADLINK
        } else {
            u32::MAX
        });
        0
    }

    /// Time until the link is dead.
    pub(super) fn until_dead_link(&self, now: Millis) -> i32 {
        match self.extras() {
            Some(Extras { link, .. }) if !self.snd_buf().is_empty() => {
                link.look(self, now);
                link.left(now).unwrap_or(i32::MAX)
            }
            _ => i32::MAX,
        }
    }

    /// Periodic work at the end of a flush.
    pub(crate) fn tend_extras(&self) {
        let Some(state) = self.extras() else {
            return;
        };
        self.count_fields(state);
        let now = self.now();
        state.link.look(self, now);
        let left = state.link.left(now).unwrap_or(i32::MAX);
        if self.snd_buf().is_empty() || left >= TRIM_PERIOD.cast_signed() {
            return;
        }
        if left > 0 {
            // The next period ends when the link would be dead.
            self.private().trimming.end_in(left.unsigned_abs(), now);
        } else {
            state.link.dead.set(true);
            state.link.told.set(true);
            self.state.set(u32::MAX);
        }
    }

    /// Called at the end of an update: if the link was found dead, calls the program's callback, once.
    #[cold]
    #[inline(never)]
    pub(crate) fn tell_dead_link(self) {
        if let Some(Extras { link, .. }) = self.extras()
            && link.dead.replace(false)
            && let Some(callback) = link.callback.get()
            && !self.private().ending.get()
        {
            // SAFETY: the program promised a function of this type.
            _ = self.call_out(|kcp, user| unsafe { callback(kcp, user) });
        }
    }
}
