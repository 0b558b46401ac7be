//! The latency test of the README: it passes on a good link, and fails when nothing arrives.

use crate::library::DEFAULT;
use crate::suite::{Outcome, Suite};
use crate::tools::{COMPILERS, Linkage, Program};

pub fn add(suite: &mut Suite) {
    let [gcc, ..] = COMPILERS;
    let missing = || {
        gcc.missing()
            .or_else(|| (!cfg!(unix)).then(|| "the program needs POSIX sockets".to_string()))
    };
    suite.test_unless(missing(), "latency: every message comes back", || {
        let output = latency()?.run(&["--messages", "50", "--rtt", "10", "20", "--loss", "10"])?;
        for line in ["default ", "normal ", "fast ", "once and in order"] {
            if !output.contains(line) {
                return Err(format!("{line:?} is not in\n{output}").into());
            }
        }
        Ok(())
    });
    suite.test_unless(missing(), "latency: a dead link is an error", || {
        fails(&["--messages", "3", "--loss", "100"], 3)
    });
}

fn latency() -> Result<Program, String> {
    let [gcc, ..] = COMPILERS;
    gcc.link(&["../examples/latency/latency.c"], DEFAULT, Linkage::Static)
}

fn fails(arguments: &[&str], code: i32) -> Outcome {
    match latency()?.run(arguments) {
        Err(text) if text.contains(&format!("exit status: {code}\n")) => Ok(()),
        Err(text) => Err(text.into()),
        Ok(text) => Err(format!("it passes:\n{text}").into()),
    }
}
