//! Compiles the session driver once for each layout of the public struct, each under its own name.

fn main() {
    let session = "../../c-tests/session";
    for (name, layout_211) in [("session_driver_172", false), ("session_driver_211", true)] {
        let mut build = cc::Build::new();
        build
            .file(format!("{session}/driver.c"))
            .include(session)
            .include("../../include")
            .define("SESSION_DRIVER", name)
            .flag("-std=c99")
            .opt_level(2);
        if layout_211 {
            // Libraries are loaded by path here, so the check by symbol name at link time has no place.
            build
                .define("IKCP_LAYOUT_211", None)
                .define("IKCP_LAYOUT_UNCHECKED", None);
        }
        build.compile(name);
    }
    println!("cargo:rerun-if-changed={session}");
    println!("cargo:rerun-if-changed=../../c-tests/lists.h");
    println!("cargo:rerun-if-changed=../../include/ikcp.h");
}
