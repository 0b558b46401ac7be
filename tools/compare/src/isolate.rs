//! Runs a closure in a process of its own, so that a library that crashes or hangs takes only that process with it.
//!
//! This program has one thread, so a forked child may do anything.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::FromRawFd;

pub enum Ended {
    Normally,
    Signal(i32),
}

/// Forks. The child runs `work` and exits; the parent gets its process id.
pub fn spawn(work: impl FnOnce()) -> libc::pid_t {
    // SAFETY: one thread, see above.
    let pid = unsafe { libc::fork() };
    assert!(pid >= 0, "fork: {}", std::io::Error::last_os_error());
    if pid > 0 {
        return pid;
    }
    let fine = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work)).is_ok();
    // SAFETY: nothing of the parent's must run or be flushed here.
    unsafe { libc::_exit(if fine { 0 } else { 1 }) }
}

/// Waits for a child of ours.
pub fn wait(pid: libc::pid_t) -> Ended {
    let mut status = 0;
    // SAFETY: waits for one child and writes the status.
    let waited = unsafe { libc::waitpid(pid, &mut status, 0) };
    assert_eq!(waited, pid, "waitpid: {}", std::io::Error::last_os_error());
    if libc::WIFSIGNALED(status) {
        return Ended::Signal(libc::WTERMSIG(status));
    }
    assert_eq!(
        libc::WEXITSTATUS(status),
        0,
        "a worker of this tool panicked"
    );
    Ended::Normally
}

/// Ends a child of ours that has not been waited for.
pub fn kill(pid: libc::pid_t) {
    // SAFETY: sends a signal.
    unsafe {
        libc::kill(pid, libc::SIGKILL);
    }
}

/// Both ends of a pipe: to read from, to write to.
pub fn pipe() -> (File, File) {
    let mut ends = [0; 2];
    // SAFETY: pipe fills both, and each file owns one.
    unsafe {
        assert_eq!(
            libc::pipe2(ends.as_mut_ptr(), libc::O_CLOEXEC),
            0,
            "pipe: {}",
            std::io::Error::last_os_error()
        );
        (File::from_raw_fd(ends[0]), File::from_raw_fd(ends[1]))
    }
}

/// This process ends after this many seconds, unless it calls this again.
pub fn die_after(seconds: u32) {
    // SAFETY: sets a timer.
    unsafe {
        libc::alarm(seconds);
    }
}

pub fn signal_name(signal: i32) -> String {
    match signal {
        libc::SIGALRM => "does not come to an end".into(),
        libc::SIGSEGV => "crashes (SIGSEGV)".into(),
        libc::SIGABRT => "aborts (SIGABRT)".into(),
        libc::SIGFPE => "crashes (SIGFPE)".into(),
        libc::SIGILL => "crashes (SIGILL)".into(),
        libc::SIGBUS => "crashes (SIGBUS)".into(),
        other => format!("dies of signal {other}"),
    }
}

/// Runs `work` in a child; returns what it wrote, and how it ended. Nothing is buffered, so output before a crash arrives.
pub fn run(patience: u32, work: impl FnOnce(&mut dyn Write)) -> (Ended, Vec<u8>) {
    let (mut read, write) = pipe();
    let pid = spawn(|| {
        die_after(patience);
        work(&mut &write);
    });
    drop(write);
    let mut told = Vec::new();
    read.read_to_end(&mut told)
        .expect("reads what the child wrote");
    (wait(pid), told)
}
