#!/usr/bin/env bash
# Compiles the static library for machines that it is not tested on, most of which want an SDK to link or run anything.
#
#   tools/machines/compiles.sh [TARGET ...]
#
# TARGET is one of Rust's names; without one, those below. `core` is built from source, as by run.sh, and the C part of
# ikcp_log by clang with the few declarations in headers/ in place of the SDK's. So what is shown is that the library
# compiles and its assembly assembles there, and that the structs have their layout, which is asserted at compile time.
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$root/target}/compiles
export RUSTC=${RUST_FOR_MACHINES:-/usr/bin/rustc} RUSTC_BOOTSTRAP=1
cargo=${CARGO_FOR_MACHINES:-/usr/bin/cargo}
headers=$root/tools/machines/headers
# Not optimised much: code for these machines is not run. SDKROOT keeps the build from asking Xcode.
export CARGO_PROFILE_RELEASE_OPT_LEVEL=1 CARGO_PROFILE_RELEASE_LTO=off SDKROOT=$headers

targets=(
    aarch64-apple-darwin x86_64-apple-darwin aarch64-apple-ios
    aarch64-linux-android armv7-linux-androideabi
    x86_64-pc-windows-msvc aarch64-pc-windows-msvc i686-pc-windows-gnu
    x86_64-unknown-linux-musl x86_64-unknown-freebsd powerpc64le-unknown-linux-gnu
)
(($# == 0)) || targets=("$@")

for tool in "$RUSTC" "$cargo" clang llvm-ar llvm-lib; do
    command -v "$tool" >/dev/null || { echo "nothing compiled, missing: $tool" >&2; exit 2; }
done

failed=0
for target in "${targets[@]}"; do
    name=${target//-/_}
    archiver=llvm-ar
    [[ $target != *msvc ]] || archiver=llvm-lib
    start=$SECONDS
    if env "CC_$name=clang" "AR_$name=$archiver" "CFLAGS_$name=-ffreestanding -isystem $headers" \
        "$cargo" rustc --quiet --release --lib --locked --crate-type staticlib -Zbuild-std=core --target "$target" \
        --manifest-path "$root/Cargo.toml"; then
        echo "$target: compiles, $((SECONDS - start)) s"
    else
        echo "$target: FAILED"
        failed=1
    fi
done
exit $failed
