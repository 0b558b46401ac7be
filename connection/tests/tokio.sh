#!/usr/bin/env bash
# The commands of examples/tokio/README.md, as written: all messages come back, in order. They do so too where the client was first,
# and a client ends that nobody answers, or with
# what is no packet of KCP.
set -euo pipefail
cd "$(dirname "$0")/../.."
lines=$(sed -n '/^```sh$/,/^```$/p' examples/tokio/README.md | sed '/^```/d')
wrote=$(timeout 300 bash -c "$lines
kill \$(jobs -p)")
[[ $wrote == 1000 ]] || { echo "it wrote: $wrote"; exit 1; }

bin=examples/tokio/target/release
# nobody listens at that port yet, so the kernel refuses the first packets
wrote=$(timeout 60 bash -c "(sleep 1; exec $bin/server 127.0.0.1:4008) &
seq 1 10 | $bin/client 127.0.0.1:4008 | tail -1
kill \$(jobs -p)")
[[ $wrote == 10 ]] || { echo "before its server, it wrote: $wrote"; exit 1; }
connection/tests/nonsense.py 4007 &
status=0
echo 1 | timeout 60 $bin/client 127.0.0.1:4007 2>"$bin/alone.txt" || status=$?
kill $!
[[ $status == 1 ]] && grep -q TimedOut "$bin/alone.txt" || { echo "without a server it ended with $status"; exit 1; }
echo "the example with tokio echoes"
