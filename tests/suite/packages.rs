//! The packages of Debian and Ubuntu that have what a machine lacks.

use std::collections::BTreeSet;

/// What a test reports as missing, and the packages that have it.
const PACKAGES: [(&str, &str); 32] = [
    ("no gcc", "gcc libc6-dev"),
    ("no cc", "gcc libc6-dev"),
    ("no g++", "g++"),
    ("no c++", "g++"),
    ("no clang", "clang"),
    ("no clang++", "clang"),
    ("no sanitizers for clang", "libclang-rt-dev"),
    ("no sanitizers for gcc", "gcc"),
    ("no valgrind", "valgrind"),
    ("no cmake", "cmake"),
    ("no make", "make"),
    ("no pkg-config", "pkg-config"),
    ("no nm", "binutils"),
    ("no ld.bfd", "binutils"),
    ("no ld.gold", "binutils"),
    ("no ld.lld", "lld"),
    ("no ld.mold", "mold"),
    ("no ar", "binutils"),
    ("no abidw", "abigail-tools"),
    ("no abidiff", "abigail-tools"),
    ("no autoreconf", "autoconf"),
    ("no php", "php-cli"),
    ("no phpize", "php-dev"),
    ("no python3", "python3"),
    ("no setuptools", "python3-setuptools"),
    ("no go", "golang-go"),
    ("no mcs", "mono-mcs"),
    ("no mono", "mono-runtime"),
    ("no node", "nodejs"),
    ("no headers of Node.js", "libnode-dev"),
    ("no npx", "npm"),
    ("no libsodium", "libsodium-dev"),
];

/// The commands that install what is missing, where a command can.
pub fn commands<'a>(lacking: impl Iterator<Item = &'a str> + Clone) -> Vec<String> {
    let packages: BTreeSet<&str> = lacking
        .clone()
        .filter_map(|lack| PACKAGES.iter().find(|(name, _)| *name == lack))
        .flat_map(|(_, packages)| packages.split(' '))
        .collect();
    let mut commands = Vec::new();
    if !packages.is_empty() {
        let packages: Vec<_> = packages.into_iter().collect();
        commands.push(format!("apt install {}", packages.join(" ")));
    }
    if lacking.into_iter().any(|lack| lack == "no nightly Rust") {
        commands.push("rustup toolchain install nightly --component rust-src".to_string());
    }
    commands
}
