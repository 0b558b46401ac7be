#!/usr/bin/env bash
# A program in an empty folder that depends on the crate by its path, written from the README. Only the crate, the core and libc are
# compiled, and no C compiler is needed: `cc` only links the program. It outlives the refusal of its first packet and an
# answer that is no packet of KCP, by ten seconds.
set -euo pipefail
crate=$(cd "$(dirname "$0")/.." && pwd)
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
cargo init --quiet --vcs none --name stranger
echo "ikcp-connection = { path = \"$crate\" }" >>Cargo.toml
sed -n '/^```rust$/,/^```$/p' "$crate/README.md" | sed '/^```/d; s/:3100/:4006/' >src/main.rs
CC=/nonexistent cargo build --quiet
packages=$(cargo tree --prefix none --format '{p}' -e all | cut -d' ' -f1 | sort -u | xargs)
[[ $packages == "ikcp-connection ikcp-core libc stranger" ]] || { echo "it depends on: $packages"; exit 1; }
features=$(cargo tree -e features -i libc)
[[ $features != *'feature "std"'* ]] || { echo "libc/std is on"; exit 1; }
"$crate/tests/nonsense.py" 4006 &
status=0
timeout 60 cargo run --quiet 2>alone.txt || status=$?
kill $!
[[ $status == 1 ]] && grep -q TimedOut alone.txt || { echo "without a server it ended with $status"; cat alone.txt; exit 1; }
echo "a program outside uses the crate"
