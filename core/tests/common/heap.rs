//! Allocator hooks that count allocated memory, and fail on demand.
//!
//! The hooks serve the whole process, but each thread has its own counts, so tests that run side by side do not affect each other
//! as long as each keeps its objects on its thread.

use std::cell::Cell;
use std::ffi::c_void;
use std::sync::Once;

/// No single allocation of a test is larger. If hostile arguments ask for gigabytes, the allocation fails.
const LARGEST: usize = 64 << 20;

struct Counts {
    bytes: Cell<usize>,
    peak: Cell<usize>,
    blocks: Cell<usize>,
    /// Allocations until one fails; `u64::MAX` for never.
    countdown: Cell<u64>,
    /// How many fail from there on.
    refusals: Cell<u64>,
}

thread_local! {
    static COUNTS: Counts = const { Counts {
        bytes: Cell::new(0),
        peak: Cell::new(0),
        blocks: Cell::new(0),
        countdown: Cell::new(u64::MAX),
        refusals: Cell::new(0),
    } };
}

/// Blocks with their size before them: `malloc_usable_size` depends on what the heap had room for, and so on other tests.
mod block {
    use std::ffi::c_void;

    const HEAD: usize = 16;

    pub unsafe fn allocate(size: usize) -> *mut c_void {
        // SAFETY: any size is valid, and there is room for the head.
        unsafe {
            let memory = libc::malloc(size + HEAD).cast::<usize>();
            if memory.is_null() {
                return memory.cast();
            }
            memory.write(size);
            memory.byte_add(HEAD).cast()
        }
    }

    /// The size of a block of `allocate`.
    pub unsafe fn size(memory: *mut c_void) -> usize {
        // SAFETY: the caller's promise.
        unsafe { memory.byte_sub(HEAD).cast::<usize>().read() }
    }

    pub unsafe fn free(memory: *mut c_void) {
        // SAFETY: the caller's promise.
        unsafe { libc::free(memory.byte_sub(HEAD)) }
    }
}

unsafe extern "C" fn counted_malloc(size: usize) -> *mut c_void {
    COUNTS.with(|counts| {
        if size > LARGEST || counts.refuses() {
            return std::ptr::null_mut();
        }
        // SAFETY: malloc may be called with any size.
        let memory = unsafe { block::allocate(size) };
        if !memory.is_null() {
            counts.bytes.set(counts.bytes.get() + size);
            counts.peak.set(counts.peak.get().max(counts.bytes.get()));
            counts.blocks.set(counts.blocks.get() + 1);
        }
        memory
    })
}

unsafe extern "C" fn counted_free(memory: *mut c_void) {
    if memory.is_null() {
        return;
    }
    COUNTS.with(|counts| {
        // SAFETY: every freed block came from `counted_malloc`.
        let size = unsafe { block::size(memory) };
        counts.bytes.set(counts.bytes.get() - size);
        counts.blocks.set(counts.blocks.get() - 1);
    });
    // SAFETY: as above.
    unsafe { block::free(memory) }
}

impl Counts {
    fn refuses(&self) -> bool {
        match self.countdown.get() {
            u64::MAX => false,
            0 => {
                let left = self.refusals.get() - 1;
                self.refusals.set(left);
                if left == 0 {
                    self.countdown.set(u64::MAX);
                }
                true
            }
            n => {
                self.countdown.set(n - 1);
                false
            }
        }
    }
}

/// Installs the hooks, once for the process.
pub fn install() {
    static ONCE: Once = Once::new();
    // SAFETY: the hooks pass on to malloc and free and never call the library; nothing was allocated before.
    ONCE.call_once(|| unsafe { ikcp_core::allocator(Some(counted_malloc), Some(counted_free)) });
}

/// Lets `times` allocations of this thread fail after the next `after`.
pub fn refuse(after: u64, times: u64) {
    COUNTS.with(|counts| {
        counts.refusals.set(times);
        counts
            .countdown
            .set(if times == 0 { u64::MAX } else { after });
    });
}

/// Bytes that are allocated on this thread.
pub fn bytes() -> usize {
    COUNTS.with(|counts| counts.bytes.get())
}

/// Blocks that are allocated on this thread.
pub fn blocks() -> usize {
    COUNTS.with(|counts| counts.blocks.get())
}

/// The most bytes that were allocated at once since the last call.
pub fn take_peak() -> usize {
    COUNTS.with(|counts| counts.peak.replace(counts.bytes.get()))
}

/// A block that a program passes to the library.
pub fn allocate(size: usize) -> *mut c_void {
    // SAFETY: any size is valid.
    unsafe { counted_malloc(size) }
}

/// Frees a segment that a program removed from the lists.
///
/// # Safety
/// `memory` came from these hooks, and nothing uses it afterwards.
pub unsafe fn free(memory: *mut c_void) {
    // SAFETY: the caller's promise.
    unsafe { counted_free(memory) }
}
