//! Calling out through a C pointer: `output`, `writelog`, the congestion hooks.
//! A callback may call any function for the same object and then return. It may be left for good: by longjmp, by a C++ exception,
//! or because its thread or coroutine ends. Or it may be parked, its stack switched away or its lock released, while the object
//! is used from elsewhere, and return later. C code cannot know which of these will happen. The object is therefore consistent
//! whenever it calls out, and a call that continues after a callback asks two questions. Is the object still alive? An [`Anchor`]
//! outside the object knows. Has another flush begun meanwhile? If so, that flush does the work (`output/nesting`).

mod hooks;

use core::cell::Cell;
use core::ffi::{c_char, c_int, c_void};
use core::ptr::NonNull;

use crate::abi::IKCPCB;
use crate::kcp::Kcp;
use crate::log::LINE;
use crate::memory::{allocate, deallocate};

/// The program released the object inside a callback. The operation ends at once and no longer touches the object.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Released;

/// Tells a callback that returns whether its object still exists. It has an allocation of its own, which outlives a released
/// object until the last running callback returns, or for ever if one never does.
#[derive(Clone, Copy)]
pub(crate) struct Anchor(NonNull<Mooring>);

struct Mooring {
    /// Callbacks that have not returned.
    out: Cell<u64>,
    /// The object was released.
    released: Cell<bool>,
}

const _: () = assert!(size_of::<Mooring>() <= 16);

impl Anchor {
    /// An anchor for a new object; `None` without memory.
    pub(crate) fn new() -> Option<Anchor> {
        let at: NonNull<Mooring> = allocate(size_of::<Mooring>())?.cast();
        let mooring = Mooring {
            out: Cell::new(0),
            released: Cell::new(false),
        };
        // SAFETY: the allocation was just made with that size.
        unsafe { at.write(mooring) };
        Some(Anchor(at))
    }

    #[inline(always)]
    fn mooring(&self) -> &Mooring {
        // SAFETY: it is freed when the object is gone and no callback is running, so that nothing asks afterwards.
        unsafe { self.0.as_ref() }
    }

    #[inline(always)]
    fn calls(self) {
        let out = &self.mooring().out;
        out.set(out.get().wrapping_add(1));
    }

    #[inline(always)]
    fn returned(self) -> Result<(), Released> {
        let Mooring { out, released } = self.mooring();
        out.set(out.get().wrapping_sub(1));
        if released.get() {
            self.drop_if_unused();
            return Err(Released);
        }
        Ok(())
    }

    /// True if no callback is running.
    #[inline(always)]
    pub(crate) fn is_unused(self) -> bool {
        self.mooring().out.get() == 0
    }

    /// The object is gone.
    pub(crate) fn object_released(self) {
        self.mooring().released.set(true);
        self.drop_if_unused();
    }

    #[cold]
    #[inline(never)]
    fn drop_if_unused(self) {
        if self.is_unused() {
            // SAFETY: `new` allocated it; the object is gone, and no running callback is left that could ask.
            unsafe { deallocate(self.0.as_ptr().cast()) }
        }
    }
}

impl<'a> Kcp<'a> {
    /// Runs a callback, which gets the object's address and its `user`. The handle is consumed, and with it everything that was
    /// borrowed from it; it comes back if the object still exists.
    #[inline(always)]
    pub(crate) fn call_out<R>(
        self,
        callback: impl FnOnce(*mut IKCPCB, *mut c_void) -> R,
    ) -> Result<(Kcp<'a>, R), Released> {
        let private = self.private();
        let anchor = private.anchor.get();
        private
            .callbacks_run
            .set(private.callbacks_run.get().wrapping_add(1));
        anchor.calls();
        let result = callback(self.as_ptr(), self.user.get());
        anchor.returned()?;
        Ok((self, result))
    }

    /// When no callback is running any more, packets that were handed out belong to the library again.
    #[inline(always)]
    pub(crate) fn take_back_packets(&self) {
        if self.private().anchor.get().is_unused() {
            self.private().packet.handed_back();
        }
    }

    /// Passes `len` bytes at `data` to `output`.
    #[inline(always)]
    pub(crate) fn output(self, data: *const c_char, len: c_int) -> Result<Kcp<'a>, Released> {
        match self.output.get() {
            Some(output) if !self.private().ending.get() => {
                // SAFETY: the program promised that `output` is a function of that type. The packet stays where it is until the
                // callback returns.
                let (kcp, _) =
                    self.call_out(|kcp, user| unsafe { output(data, len, kcp, user) })?;
                Ok(kcp)
            }
            _ => Ok(self),
        }
    }

    /// Passes a line, with its terminating zero, to `writelog`.
    pub(crate) fn write_log(self, line: &[u8; LINE]) -> Result<Kcp<'a>, Released> {
        let line: *const c_char = line.as_ptr().cast();
        match self.writelog.get() {
            Some(writelog) if !self.private().ending.get() => {
                // SAFETY: the program promised that `writelog` is a function of that type.
                let (kcp, ()) = self.call_out(|kcp, user| unsafe { writelog(line, kcp, user) })?;
                Ok(kcp)
            }
            _ => Ok(self),
        }
    }
}
