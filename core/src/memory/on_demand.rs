//! Memory that a connection has only if its program asks for what is kept there. A build without extensions has nothing to ask for:
//! there it is nothing, and so becomes all that looks into it.

use core::cell::Cell;
use core::marker::PhantomData;
use core::ptr::{self, NonNull};

use super::deallocate;
use crate::extras::Extras;
use crate::redundancy::Redundancy;

/// Nothing, or a `T` in memory of the program's hooks. Zeroed memory is nothing.
pub(crate) struct OnDemand<T> {
    #[cfg(feature = "extensions")]
    at: Cell<*mut T>,
    life: PhantomData<Cell<T>>,
}

/// What may begin as zeroed memory.
///
/// # Safety
/// Zero is a value of each field.
pub(crate) unsafe trait Zeroed {}

// SAFETY: cells of numbers and booleans, of an enum whose first value is 0, and of a function that may be missing.
unsafe impl Zeroed for Extras {}
// SAFETY: cells of numbers and booleans, and an empty queue.
unsafe impl Zeroed for Redundancy {}

impl<T: Zeroed> OnDemand<T> {
    /// Makes it of zeros if it is not there. `None` without memory.
    pub(crate) fn get_or_zeroed(&self) -> Option<&T> {
        // SAFETY: the promise of `Zeroed`.
        unsafe { self.get_or_write(|at| at.write_bytes(0, 1)) }
    }
}

impl<T> OnDemand<T> {
    /// Where it is, or NULL.
    #[inline(always)]
    pub(crate) fn as_ptr(&self) -> *mut T {
        #[cfg(feature = "extensions")]
        return self.at.get();
        #[cfg(not(feature = "extensions"))]
        ptr::null_mut()
    }

    #[inline(always)]
    pub(crate) fn get(&self) -> Option<&T> {
        // SAFETY: NULL, or what `get_or_make` allocated, which `free` alone gives back.
        unsafe { self.as_ptr().as_ref() }
    }

    /// Makes it if it is not there. `None` without memory.
    pub(crate) fn get_or_make(&self, make: impl FnOnce() -> T) -> Option<&T> {
        // SAFETY: a `T` is written.
        unsafe { self.get_or_write(|at| at.write(make())) }
    }

    /// # Safety
    /// `write` makes a `T` of the memory that it gets.
    #[cfg(feature = "extensions")]
    unsafe fn get_or_write(&self, write: impl FnOnce(NonNull<T>)) -> Option<&T> {
        if self.as_ptr().is_null() {
            // Aligned for any C type.
            let memory = super::allocate(size_of::<T>())?.cast::<T>();
            write(memory);
            self.at.set(memory.as_ptr());
        }
        self.get()
    }

    #[cfg(not(feature = "extensions"))]
    unsafe fn get_or_write(&self, _: impl FnOnce(NonNull<T>)) -> Option<&T> {
        None
    }

    /// Gives it back, and what it holds.
    ///
    /// # Safety
    /// Nothing is borrowed from it.
    pub(crate) unsafe fn free(&self) {
        let at = self.as_ptr();
        if !at.is_null() {
            #[cfg(feature = "extensions")]
            self.at.set(ptr::null_mut());
            // SAFETY: `get_or_make` allocated it and wrote it; the caller's promise.
            unsafe {
                ptr::drop_in_place(at);
                deallocate(at.cast());
            }
        }
    }
}
