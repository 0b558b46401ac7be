//! Puts the C heap, which three of the four implementations use, into a known state.

/// Sets the thresholds of the C library's heap to their initial values. By default they adapt to what was freed before, and one
/// run would affect the figures of the next: with a heap that never shrinks, the original takes two thirds of the time at a
/// window of 128.
pub fn pin() {
    #[cfg(target_env = "gnu")]
    {
        const INITIAL: libc::c_int = 128 * 1024;
        for parameter in [libc::M_TRIM_THRESHOLD, libc::M_MMAP_THRESHOLD] {
            // SAFETY: mallopt takes any parameter and value, and no other thread is running yet.
            let accepted = unsafe { libc::mallopt(parameter, INITIAL) };
            assert_eq!(accepted, 1, "mallopt refused {parameter}");
        }
    }
}
