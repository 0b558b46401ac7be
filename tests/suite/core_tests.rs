//! The tests of the protocol, in every flavour. They run from here so that the list of tests that did not run ends the output.

use crate::library::{self, ALL, Flavour, GENERAL};
use crate::suite::{Outcome, Suite};

pub fn add(suite: &mut Suite) {
    for flavour in ALL.into_iter().chain([GENERAL]) {
        let name = format!("core: unit tests, {}", flavour.name);
        suite.test_in(flavour.extent(), None, name, move || unit_tests(flavour));
    }
}

fn unit_tests(flavour: Flavour) -> Outcome {
    let output = library::cargo()
        .args(["test", "--package", "ikcp-core", "--locked", "--target-dir"])
        .arg(library::scratch().join("core").join(flavour.name))
        .args(["--features", &flavour.features.join(",")])
        // What only debuggers read takes more than a quarter of the build: a failed assertion names its line without it. The tests of
        // whole connections take four times as long without any optimization.
        .env("CARGO_PROFILE_DEV_DEBUG", "0")
        .env("CARGO_PROFILE_DEV_OPT_LEVEL", "1")
        .env("CARGO_INCREMENTAL", "0")
        .output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    if !output.status.success() {
        return Err(format!("{text}{}", String::from_utf8_lossy(&output.stderr)).into());
    }
    let passed: u32 = text
        .lines()
        .filter_map(|line| line.strip_prefix("test result: ok. "))
        .filter_map(|line| line.split(' ').next()?.parse::<u32>().ok())
        .sum();
    match passed {
        0 => Err("no test ran".into()),
        _ => {
            println!("{}: {passed} tests passed", flavour.name);
            Ok(())
        }
    }
}
