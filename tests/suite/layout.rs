//! The layout of the public structs in the C compiler, compared with the table of each layout. ikcp-core asserts the Rust side at
//! compile time.

use crate::library::{self, DEFAULT, Flavour, LAYOUT_211};
use crate::suite::{Outcome, Suite};
use crate::tools::{COMPILERS, Linkage, compare_with_file};

pub fn add(suite: &mut Suite) {
    let [gcc, ..] = COMPILERS;
    for (flavour, table) in [(DEFAULT, "layout-171.txt"), (LAYOUT_211, "layout-211.txt")] {
        let missing = gcc.missing().or_else(|| {
            (!cfg!(all(unix, target_pointer_width = "64")))
                .then(|| "the tables are of 64-bit machines".to_string())
        });
        let name = format!("layout: {}", flavour.name);
        suite.test_in(flavour.extent(), missing, name, move || {
            compare(flavour, table)
        });
    }
}

fn compare(flavour: Flavour, table: &str) -> Outcome {
    let [gcc, ..] = COMPILERS;
    let found = gcc
        .link(&["layout.c"], flavour, Linkage::Static)?
        .run::<&str>(&[])?;
    let table = library::root().join("tests/golden").join(table);
    Ok(compare_with_file(&table, &found)?)
}
