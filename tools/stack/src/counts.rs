//! What has arrived at one end, told for each line of the standard input, with which the program ends.

use std::io::{self, BufRead};
use std::process;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use anyhow::Result;

static BYTES: AtomicU64 = AtomicU64::new(0);
static MESSAGES: AtomicU64 = AtomicU64::new(0);

pub fn took(bytes: usize, messages: usize) {
    BYTES.fetch_add(bytes as u64, Ordering::Relaxed);
    MESSAGES.fetch_add(messages as u64, Ordering::Relaxed);
}

/// A thread, which waits and costs nothing. How many packets were sent these peers do not say.
pub fn answer() {
    thread::spawn(|| {
        for line in io::stdin().lock().lines() {
            if line.is_err() {
                break;
            }
            println!(
                "{} {} 0",
                BYTES.load(Ordering::Relaxed),
                MESSAGES.load(Ordering::Relaxed)
            );
        }
        process::exit(0);
    });
}

/// The same beside the tasks of a peer, which run on this thread.
pub fn answer_beside(tasks: impl Future<Output = Result<()>>) -> Result<()> {
    answer();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(tasks)
}
