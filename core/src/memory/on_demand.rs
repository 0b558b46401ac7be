//! Memory that a connection has only if its program asks for what is kept there.

use core::cell::Cell;
use core::ptr;

use super::{allocate, deallocate};

/// Nothing, or a `T` from the program's hooks, whose fields are cells.
pub(crate) struct OnDemand<T>(Cell<*mut T>);

impl<T: Default> OnDemand<T> {
    #[inline(always)]
    pub(crate) fn get(&self) -> Option<&T> {
        // SAFETY: NULL, or what `get_or_make` allocated, which `free` alone gives back.
        unsafe { self.0.get().as_ref() }
    }

    /// `None` without memory.
    pub(crate) fn get_or_make(&self) -> Option<&T> {
        if self.0.get().is_null() {
            let memory = allocate(size_of::<T>())?.cast::<T>();
            // SAFETY: the allocation just made, of that size, aligned for any C type.
            unsafe { memory.write(T::default()) };
            self.0.set(memory.as_ptr());
        }
        self.get()
    }

    /// # Safety
    /// Nothing is borrowed from it.
    pub(crate) unsafe fn free(&self) {
        let memory = self.0.replace(ptr::null_mut());
        if !memory.is_null() {
            // SAFETY: `get_or_make` allocated it; the caller's promise.
            unsafe { deallocate(memory.cast()) }
        }
    }
}
