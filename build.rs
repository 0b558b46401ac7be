//! Builds the C part of `ikcp_log` and tells the linker how `libkcp.so` is called.

use std::env;

/// One instruction that continues at the shim with all registers and the stack as the caller left them, for each
/// machine where `ikcp_log` is a naked function. See src/log.rs.
const JUMPS: [(&str, &str); 8] = [
    ("x86", "jmp {shim}"),
    ("x86_64", "jmp {shim}"),
    ("aarch64", "b {shim}"),
    ("arm", "b {shim}"),
    ("loongarch64", "b {shim}"),
    ("riscv32", "tail {shim}"),
    ("riscv64", "tail {shim}"),
    ("s390x", "jg {shim}"),
];

fn main() {
    println!("cargo::rerun-if-changed=src/ikcp_log.c");
    println!("cargo::rerun-if-changed=include/ikcp.h");
    println!("cargo::rerun-if-env-changed=KCP_PREFIX");
    println!("cargo::rustc-check-cfg=cfg(log_jump)");
    println!("cargo::rustc-check-cfg=cfg(prefixed)");

    let arch = env::var("CARGO_CFG_TARGET_ARCH").expect("cargo sets it");
    let family = env::var("CARGO_CFG_TARGET_FAMILY").unwrap_or_default();
    let system = env::var("CARGO_CFG_TARGET_OS").unwrap_or_default();
    let vendor = env::var("CARGO_CFG_TARGET_VENDOR").unwrap_or_default();

    let prefix = env::var("KCP_PREFIX").unwrap_or_default();
    let part_of_a_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    assert!(
        prefix.chars().all(part_of_a_name) && !prefix.starts_with(|c: char| c.is_ascii_digit()),
        "KCP_PREFIX is {prefix:?}: expected the beginning of a C name"
    );
    if !prefix.is_empty() {
        println!("cargo::rustc-cfg=prefixed");
        println!("cargo::rustc-env=KCP_PREFIX={prefix}");
    }

    let mut shim = cc::Build::new();
    shim.file("src/ikcp_log.c").include("include");
    if env::var_os("CARGO_FEATURE_LAYOUT_2_1_1").is_some() {
        shim.define("IKCP_LAYOUT_211", None);
    }
    match JUMPS.iter().find(|(name, _)| *name == arch) {
        Some((_, jump)) => {
            println!("cargo::rustc-cfg=log_jump");
            println!("cargo::rustc-env=LOG_JUMP={jump}");
            let name = format!("{prefix}ikcp_log_shim");
            shim.define("ikcp_log_shim", &*name);
        }
        // Only the static library can carry a symbol that C defines.
        None => {
            let name = format!("{prefix}ikcp_log");
            shim.define("ikcp_log_shim", &*name);
            shim.define("IKCP_LOG_PUBLIC", None);
        }
    }
    if !prefix.is_empty() {
        let name = format!("{prefix}libkcp_a_is_not_linked");
        shim.define("libkcp_a_is_not_linked", &*name);
    }
    // A build without LTO leaves a reference to Rust's unwinder behind, which nothing in a C program answers.
    if env::var("PROFILE").is_ok_and(|profile| profile == "debug") && family != "windows" {
        shim.define("IKCP_PERSONALITY_STUB", None);
    }
    shim.compile("ikcp_log");

    if vendor == "apple" {
        // Otherwise programs look for the library where cargo made it.
        println!("cargo::rustc-cdylib-link-arg=-Wl,-install_name,@rpath/libkcp.dylib");
    } else if family == "unix" {
        // A symbol that nobody defines shows when the library is made, not when a program loads it.
        println!("cargo::rustc-cdylib-link-arg=-Wl,-z,defs");
        println!("cargo::rustc-cdylib-link-arg=-Wl,-soname,libkcp.so");
        // What the C compiler adds there runs constructors of a kind that this library has none of.
        if system == "linux" && env::var("CARGO_CFG_TARGET_ENV").is_ok_and(|name| name == "gnu") {
            println!("cargo::rustc-cdylib-link-arg=-nostartfiles");
        }
        if arch == "arm" {
            // Functions name the unwinder's personality there, and rustc links no_std crates without libgcc.
            let unwinder = if system == "android" {
                "unwind"
            } else {
                "gcc_s"
            };
            println!("cargo::rustc-cdylib-link-arg=-l{unwinder}");
        }
    }
}
