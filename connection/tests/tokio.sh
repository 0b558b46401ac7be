#!/usr/bin/env bash
# The commands of examples/tokio/README.md, as written: all messages come back, in order.
set -euo pipefail
cd "$(dirname "$0")/../.."
lines=$(sed -n '/^```sh$/,/^```$/p' examples/tokio/README.md | sed '/^```/d')
wrote=$(timeout 300 bash -c "$lines
kill \$(jobs -p)")
[[ $wrote == 1000 ]] || { echo "it wrote: $wrote"; exit 1; }
echo "the example with tokio echoes"
