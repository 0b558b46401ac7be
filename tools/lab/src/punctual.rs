//! Keeping time on a busy machine: what runs in real time goes before all ordinary work, if it may. Otherwise packets that the link
//! delivers late would be held against TCP, and a server would be measured that hardly ran. These threads sleep most of the time.

/// While it lives, its thread goes before ordinary work.
pub struct Punctual;

impl Punctual {
    fn set(policy: libc::c_int, priority: libc::c_int) {
        // SAFETY: all-zero is a valid `sched_param`.
        let mut parameters: libc::sched_param = unsafe { std::mem::zeroed() };
        parameters.sched_priority = priority;
        // Where it is not allowed the figures say so: late packets, long echo times.
        // SAFETY: thread 0 is the caller, the parameters are valid.
        unsafe { libc::sched_setscheduler(0, policy, &raw const parameters) };
    }

    /// Raises the thread that calls it.
    pub fn new() -> Punctual {
        Punctual::set(libc::SCHED_FIFO, 1);
        Punctual
    }
}

impl Drop for Punctual {
    fn drop(&mut self) {
        Punctual::set(libc::SCHED_OTHER, 0);
    }
}
