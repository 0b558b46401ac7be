//! Collects the tests, runs them, and ends with what did not run.

use std::collections::BTreeMap;
use std::process::ExitCode;

use libtest_mimic::{Arguments, Failed, Trial};

/// What a test returns; the error is shown.
pub type Outcome = Result<(), Failed>;

#[derive(Default)]
pub struct Suite {
    trials: Vec<Trial>,
    skipped: Vec<(String, String)>,
}

impl Suite {
    pub fn test(
        &mut self,
        name: impl Into<String>,
        test: impl FnOnce() -> Outcome + Send + 'static,
    ) {
        self.trials.push(Trial::test(name, test));
    }

    /// A test that needs something this machine may lack: `missing` names it.
    pub fn test_unless(
        &mut self,
        missing: Option<String>,
        name: impl Into<String>,
        test: impl FnOnce() -> Outcome + Send + 'static,
    ) {
        let name = name.into();
        match missing {
            None => self.test(name, test),
            Some(lack) => {
                self.skipped.push((name.clone(), lack));
                self.trials
                    .push(Trial::test(name, || Ok(())).with_ignored_flag(true));
            }
        }
    }

    pub fn run(self) -> ExitCode {
        let arguments = Arguments::from_args();
        let chosen = |name: &str| {
            arguments
                .filter
                .as_deref()
                .is_none_or(|filter| name.contains(filter))
        };
        let listing = arguments.list;
        let conclusion = libtest_mimic::run(&arguments, self.trials);
        if !listing {
            let mut lacking: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
            for (name, lack) in self.skipped.iter().filter(|(name, _)| chosen(name)) {
                lacking.entry(lack).or_default().push(name);
            }
            if lacking.is_empty() {
                println!("Every test ran: no tool is missing.");
            }
            for (lack, names) in lacking {
                println!("Did not run, {lack}:");
                for name in names {
                    println!("  {name}");
                }
            }
            println!(
                "{} passed, {} failed, {} skipped",
                conclusion.num_passed, conclusion.num_failed, conclusion.num_ignored
            );
        }
        conclusion.exit_code()
    }
}
