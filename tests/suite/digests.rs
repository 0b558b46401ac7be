//! Random sessions whose digests were recorded from the original: packets, return values, public fields and lists are those of the
//! original, bit for bit, on every machine. c-tests/session/README.md says what a session is, and how to record the digests anew
//! after a change of the driver.

use crate::library::{self, DEFAULT, Flavour, GENERAL, LAYOUT_211, PROFILE_17, PROFILE_171};
use crate::suite::{Outcome, Suite};
use crate::tools::{COMPILERS, Linkage};

/// Each flavour of the library and the recorded version it must equal.
const RECORDED: [(Flavour, &str); 5] = [
    (DEFAULT, "2.1.1.txt"),
    (GENERAL, "2.1.1.txt"),
    (LAYOUT_211, "2.1.1.txt"),
    (PROFILE_171, "1.7.1.txt"),
    (PROFILE_17, "1.7.txt"),
];

pub fn add(suite: &mut Suite) {
    let [gcc, ..] = COMPILERS;
    for (flavour, file) in RECORDED {
        suite.test_in(
            flavour.extent(),
            gcc.missing(),
            format!("digests: {} as the original, {file}", flavour.name),
            move || equal(flavour, file),
        );
    }
}

fn equal(flavour: Flavour, file: &str) -> Outcome {
    let [gcc, ..] = COMPILERS;
    let golden = library::root().join("c-tests/session/golden").join(file);
    gcc.link(
        &["session/main.c", "session/driver.c"],
        flavour,
        Linkage::Static,
    )?
    .run(&["--check".as_ref(), golden.as_os_str()])?;
    Ok(())
}
