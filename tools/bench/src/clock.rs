//! CPU time of this thread, and the one function inside which work is counted.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// CPU time of this thread. Waiting for the processor does not count.
pub fn cpu() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// The name of the function in which callgrind counts.
pub const MEASURED: &str = "kcp_bench_measured";

/// Runs `work` as the measured region and returns its CPU time in nanoseconds. Never inlined and under a fixed name, so that
/// callgrind counts exactly what the clock sees.
#[inline(never)]
#[unsafe(no_mangle)]
pub fn kcp_bench_measured(work: &mut dyn FnMut()) -> f64 {
    let before = cpu();
    work();
    (cpu() - before).as_nanos() as f64
}

/// [`kcp_bench_measured`] for a closure that returns something.
pub fn measured<T>(mut work: impl FnMut() -> T) -> (T, f64) {
    let mut result = None;
    let nanoseconds = kcp_bench_measured(&mut || result = Some(work()));
    (result.expect("the region ran"), nanoseconds)
}
