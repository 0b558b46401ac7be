//! A library without extensions: nothing of them, under the names that the rest of the code says.

use crate::kcp::Kcp;

pub(crate) struct Extension;

impl Kcp<'_> {
    #[inline(always)]
    pub(crate) fn keep_slow_paths(&self) {}

    #[inline(always)]
    pub(crate) fn has_no_control(&self) -> bool {
        false
    }

    #[inline(always)]
    pub(crate) fn free_extension(&self) {}
}
