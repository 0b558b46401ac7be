//! A line on the terminal that says how much is left. It disappears when the work ends, also by an error.

use std::fmt::Write;
use std::time::Duration;

use indicatif::{HumanDuration, ProgressBar, ProgressState, ProgressStyle};

/// A bar of `length` steps, each one a `unit`, for work whose steps take long: a thread keeps the line alive.
pub fn ticking(length: u64, unit: &'static str) -> ProgressBar {
    let bar = bar(length, unit);
    bar.enable_steady_tick(Duration::from_millis(120));
    bar
}

/// The same without a thread.
pub fn bar(length: u64, unit: &'static str) -> ProgressBar {
    let left = move |state: &ProgressState, out: &mut dyn Write| {
        let steps = state.len().unwrap_or(0).saturating_sub(state.pos());
        let _ = write!(out, "{steps} {unit} left");
        if state.pos() > 0 {
            let _ = write!(out, ", about {:#}", HumanDuration(state.eta()));
        }
    };
    ProgressBar::new(length).with_style(
        ProgressStyle::with_template("{spinner} {bar:30} {left}  {msg}")
            .expect("a valid template")
            .with_key("left", left),
    )
}
