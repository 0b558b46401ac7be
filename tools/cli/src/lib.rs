//! What the tools share at the command line.
//!
//! - [`parse`] and [`run`]: from the arguments to the exit code
//! - [`values`]: parsers that refuse meaningless values
//! - [`files`]: checks, before anything is measured, that the results can be written
//! - [`interrupt`]: Ctrl-C ends the measuring and keeps what was measured
//! - [`progress`]: how much is left
//! - `reader`: a reader that goes away, such as `head`, is no error

pub mod files;
pub mod interrupt;
pub mod progress;
mod reader;
pub mod values;

use std::fmt;
use std::process::ExitCode;

use anyhow::Result;
use clap::{Command, CommandFactory, FromArgMatches};

/// The options of a tool. Usage errors end the process with exit code 2, as clap does it.
pub fn parse<T: CommandFactory + FromArgMatches>() -> T {
    reader::watch();
    let matches = negative_numbers_are_values(T::command()).get_matches();
    T::from_arg_matches(&matches).unwrap_or_else(|error| error.exit())
}

/// With this, the parser of the option answers `--loss -3` and names the range. Otherwise clap takes -3 for an option.
fn negative_numbers_are_values(command: Command) -> Command {
    command
        .mut_args(|arg| match arg.get_action().takes_values() {
            true => arg.allow_negative_numbers(true),
            false => arg,
        })
        .mut_subcommands(negative_numbers_are_values)
}

/// A usage error that is found after parsing. It ends the tool with exit code 2.
#[derive(Debug)]
pub struct Refused(pub String);

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Refused {}

/// Returns a [`Refused`] unless the condition holds.
#[macro_export]
macro_rules! demand {
    ($condition:expr, $($message:tt)+) => {
        if !$condition {
            return Err($crate::Refused(format!($($message)+)).into());
        }
    };
}

/// Turns any error before the measuring begins into a refusal.
pub trait OrRefuse<T> {
    fn or_refuse(self, what: impl fmt::Display) -> Result<T>;
}

impl<T, E: Into<anyhow::Error>> OrRefuse<T> for std::result::Result<T, E> {
    fn or_refuse(self, what: impl fmt::Display) -> Result<T> {
        self.map_err(|error| Refused(format!("{what}: {:#}", error.into())).into())
    }
}

/// Runs a tool. Its exit code is that of `work`; 130 after Ctrl-C, as in shells; 2 for wrong usage; 1 for other errors.
pub fn run(name: &str, work: impl FnOnce() -> Result<ExitCode>) -> ExitCode {
    match work() {
        Ok(_) if interrupt::requested() => ExitCode::from(130),
        Ok(code) => code,
        Err(error) => {
            eprintln!("{name}: {error:#}");
            let refused = error.chain().any(|cause| cause.is::<Refused>());
            ExitCode::from(match refused {
                true => 2,
                // Ctrl-C before the first figure counts as well.
                false if interrupt::requested() => 130,
                false => 1,
            })
        }
    }
}
