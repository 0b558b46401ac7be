//! Memory: the two allocator hooks, the segment pool, the packet buffer, the list of acknowledgements, trimming.
//!
//! Every byte of the library comes from the hooks, and is freed with the hook that is set at that time.

mod acklist;
pub(crate) mod on_demand;
pub(crate) mod packet;
pub(crate) mod pool;
pub(crate) mod ring;
pub(crate) mod trim;

use core::ffi::c_void;
use core::mem;
use core::ptr::{self, NonNull};
use core::sync::atomic::{AtomicPtr, Ordering};

/// A program's `malloc`.
pub type Malloc = unsafe extern "C" fn(size: usize) -> *mut c_void;
/// A program's `free`.
pub type Free = unsafe extern "C" fn(pointer: *mut c_void);

static MALLOC: AtomicPtr<c_void> = AtomicPtr::new(ptr::null_mut());
static FREE: AtomicPtr<c_void> = AtomicPtr::new(ptr::null_mut());

/// Installs the allocator for all objects; `None` selects the C library's.
///
/// # Safety
/// The functions behave as `malloc` and `free`, never call the library, and can free what was allocated before they were
/// installed.
pub unsafe fn allocator(new_malloc: Option<Malloc>, new_free: Option<Free>) {
    let address = |f: Option<Malloc>| f.map_or(ptr::null_mut(), |f| f as *mut c_void);
    MALLOC.store(address(new_malloc), Ordering::Relaxed);
    FREE.store(
        new_free.map_or(ptr::null_mut(), |f| f as *mut c_void),
        Ordering::Relaxed,
    );
}

/// `size` bytes aligned for any C type, or `None`.
#[inline(never)]
pub(crate) fn allocate(size: usize) -> Option<NonNull<u8>> {
    let hook = MALLOC.load(Ordering::Relaxed);
    let memory = if hook.is_null() {
        // SAFETY: malloc may be called with any size.
        unsafe { libc::malloc(size) }
    } else {
        // SAFETY: only `allocator` stores here, and it stores a `Malloc`.
        unsafe { mem::transmute::<*mut c_void, Malloc>(hook)(size) }
    };
    NonNull::new(memory.cast())
}

/// Frees `memory`.
///
/// # Safety
/// `memory` came from `allocate`, and nothing uses it any more.
#[inline(never)]
pub(crate) unsafe fn deallocate(memory: *mut u8) {
    let hook = FREE.load(Ordering::Relaxed);
    // SAFETY: the caller's promise; only `allocator` stores the hook, and it stores a `Free`.
    unsafe {
        if hook.is_null() {
            libc::free(memory.cast());
        } else {
            mem::transmute::<*mut c_void, Free>(hook)(memory.cast());
        }
    }
}
