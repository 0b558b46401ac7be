//! Whoever reads the output may have seen enough: `head` closes the pipe after its lines. That ends the tool without a word.

use std::panic::{self, PanicHookInfo};
use std::process;

/// The exit code of shells for a process that SIGPIPE ended. The signal itself stays ignored, since it would also end a tool whose helper has
/// died, before that can be told.
const GONE: i32 = 141;

/// From now on, printing to a closed pipe ends the process.
pub(crate) fn watch() {
    let usual = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        if is_gone(info) {
            process::exit(GONE);
        }
        usual(info);
    }));
}

/// That is how `println!` panics.
fn is_gone(info: &PanicHookInfo) -> bool {
    let text = info.payload().downcast_ref::<String>();
    text.is_some_and(|text| {
        text.starts_with("failed printing to stdout") && text.contains("Broken pipe")
    })
}
