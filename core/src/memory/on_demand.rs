//! Memory that a connection has only if its program asks for what is kept there. In a build without extensions no program can
//! ask, so the type is empty and the code that looks into it disappears.

use core::cell::Cell;
use core::marker::PhantomData;
use core::ptr;

use super::deallocate;
use crate::redundancy::Redundancy;

/// Nothing, or a `T` in memory from the program's hooks. Zeroed memory is nothing.
pub(crate) struct OnDemand<T> {
    #[cfg(feature = "extensions")]
    at: Cell<*mut u8>,
    life: PhantomData<Cell<T>>,
}

/// Types for which zeroed memory is a valid value.
///
/// # Safety
/// Zero is a valid value of each field.
pub(crate) unsafe trait Zeroed {}

// Here, because the module `redundancy` has no unsafe code.
// SAFETY: cells of numbers and booleans, and an empty queue.
unsafe impl Zeroed for Redundancy {}

impl<T: Zeroed> OnDemand<T> {
    /// The `T`, which is zeroed if it is new. `None` without memory.
    pub(crate) fn get_or_zeroed(&self) -> Option<&T> {
        #[cfg(feature = "extensions")]
        need(&self.at, size_of::<T>());
        self.get()
    }
}

/// Makes `at` the address of `size` zeros if it is NULL, and if there is memory, which is aligned for any C type.
#[cfg(feature = "extensions")]
#[cold]
#[inline(never)]
fn need(at: &Cell<*mut u8>, size: usize) {
    if at.get().is_null()
        && let Some(memory) = super::allocate(size)
    {
        // SAFETY: the allocation was just made with that size.
        unsafe { memory.write_bytes(0, size) };
        at.set(memory.as_ptr());
    }
}

impl<T> OnDemand<T> {
    /// The address of the `T`, or NULL.
    #[inline(always)]
    pub(crate) fn as_ptr(&self) -> *mut T {
        #[cfg(feature = "extensions")]
        return self.at.get().cast();
        #[cfg(not(feature = "extensions"))]
        ptr::null_mut()
    }

    /// Replaces the address, and returns the old one.
    ///
    /// # Safety
    /// `at` is NULL or came from this function, and nothing borrows from the `T`.
    #[inline(always)]
    pub(crate) unsafe fn replace(&self, at: *mut T) -> *mut T {
        #[cfg(feature = "extensions")]
        return self.at.replace(at.cast()).cast();
        #[cfg(not(feature = "extensions"))]
        at
    }

    #[inline(always)]
    pub(crate) fn get(&self) -> Option<&T> {
        // SAFETY: NULL, or made by `get_or_zeroed` from zeros, which are a `T`; only `free` frees it.
        unsafe { self.as_ptr().as_ref() }
    }

    /// Drops the `T` and frees its memory.
    ///
    /// # Safety
    /// Nothing borrows from the `T`.
    pub(crate) unsafe fn free(&self) {
        let at = self.as_ptr();
        if !at.is_null() {
            #[cfg(feature = "extensions")]
            self.at.set(ptr::null_mut());
            // SAFETY: `get_or_zeroed` allocated it; the caller's promise.
            unsafe {
                ptr::drop_in_place(at);
                deallocate(at.cast());
            }
        }
    }
}
