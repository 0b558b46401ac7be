#!/usr/bin/env bash
# A program in an empty folder that depends on the crate by its path, written from the README. Only the crate, the core and libc are
# compiled, and no C compiler is needed: `cc` only links the program.
set -euo pipefail
crate=$(cd "$(dirname "$0")/.." && pwd)
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
cargo init --quiet --vcs none --name stranger
echo "ikcp-connection = { path = \"$crate\" }" >>Cargo.toml
sed -n '/^```rust$/,/^```$/p' "$crate/README.md" | sed '/^```/d' >src/main.rs
CC=/nonexistent cargo build --quiet
packages=$(cargo tree --prefix none --format '{p}' -e all | cut -d' ' -f1 | sort -u | xargs)
[[ $packages == "ikcp-connection ikcp-core libc stranger" ]] || { echo "it depends on: $packages"; exit 1; }
! cargo tree -e features -i libc | grep -q 'feature "std"' || { echo "libc/std is on"; exit 1; }
echo "a program outside uses the crate"
