//! Ctrl-C. The first one asks the tool to stop measuring and show its results. The second one ends the process.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use signal_hook::consts::SIGINT;
use signal_hook::flag;

static REQUESTED: OnceLock<Arc<AtomicBool>> = OnceLock::new();

/// From now on Ctrl-C is a request. This starts no thread, so a tool may still fork.
pub fn watch() -> io::Result<()> {
    let requested = REQUESTED.get_or_init(Arc::default);
    // In this order: the first signal finds the flag unset, and sets it.
    flag::register_conditional_shutdown(SIGINT, 130, Arc::clone(requested))?;
    flag::register(SIGINT, Arc::clone(requested))?;
    Ok(())
}

pub fn requested() -> bool {
    REQUESTED
        .get()
        .is_some_and(|requested| requested.load(Ordering::Relaxed))
}

/// After Ctrl-C, says how much of the work the figures below are for.
pub fn tell(done: impl std::fmt::Display) {
    if requested() {
        println!("Interrupted after {done}. What was measured until then:");
    }
}
