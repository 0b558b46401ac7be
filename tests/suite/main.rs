//! All tests of what is shipped: the library's files, the header, and programs in C and C++ that use them.
//!
//! One program with its own harness, so that the output of `cargo test` ends with the tests that did not run, and why.
//!
//! - `suite`: collects the tests, runs them, and reports those that lack a tool
//! - `packages`: the packages that have the tools
//! - `library`: builds the library once for each set of features
//! - `memo`: work that several tests share
//! - `checkout`: a copy of the sources, for commands as users write them
//! - `tools`: the compilers of this machine, and how programs are run
//! - `archive`: what `pack` writes: linked whole, by every linker, with a prefix; its interface
//! - `symbols`, `header`, `layout`, `link`: the files themselves
//! - `programs`: the programs in c-tests, each linked with the static and with the shared library
//! - `sessions`: simulated sessions in virtual time
//! - `digests`: random sessions against digests recorded from the original
//! - `latency`: the latency test of the README
//! - `consumers`: projects that use the library through its build, with CMake and others
//! - `installed`: the installed tree, with every linker and compiler
//! - `examples`: the echo clients in every language, run as their READMEs say
//! - `hardening`: programs that try to break the library, plain, instrumented and emulated
//! - `stack`: the units in examples/stack and their tests
//! - `docs`: the documents: generated pages, tables that programs print, commands
//! - `core_tests`: the unit tests of the protocol
//!
//! Without a filter the rarer setups are left out; `IKCP_TESTS=all` includes them (`suite::Extent`).
//! `IKCP_SEED=n` repeats a random test, `IKCP_STORM=n` plays n times as many random programs around callbacks, `IKCP_BLESS=1`
//! writes the files with which tests compare.

mod archive;
mod checkout;
mod consumers;
mod core_tests;
mod digests;
mod docs;
mod examples;
mod hardening;
mod header;
mod installed;
mod latency;
mod layout;
mod library;
mod link;
mod memo;
mod packages;
mod programs;
mod sessions;
mod stack;
mod suite;
mod symbols;
mod tools;

use std::process::ExitCode;

fn main() -> ExitCode {
    let mut suite = suite::Suite::new();
    suite::add(&mut suite);
    core_tests::add(&mut suite);
    symbols::add(&mut suite);
    archive::add(&mut suite);
    header::add(&mut suite);
    layout::add(&mut suite);
    link::add(&mut suite);
    programs::add(&mut suite);
    sessions::add(&mut suite);
    digests::add(&mut suite);
    latency::add(&mut suite);
    consumers::add(&mut suite);
    installed::add(&mut suite);
    examples::add(&mut suite);
    stack::add(&mut suite);
    hardening::add(&mut suite);
    docs::add(&mut suite);
    suite.run()
}
