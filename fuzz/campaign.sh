#!/bin/sh
# Runs every fuzz target for a share of SECONDS, one process at a time, and adds up the executions.
#
#   fuzz/campaign.sh SECONDS
#
# Needs a nightly toolchain and cargo-fuzz. Inputs that libFuzzer finds interesting go to fuzz/campaign/<target>, in addition to the
# committed fuzz/corpus/<target>; the figures go to fuzz/campaign/log. The first finding ends the script with 1; its input is in
# fuzz/artifacts.
#
# `input` and `calls` run with and without the segment pool, because reused memory hides errors from AddressSanitizer.
set -eu
cd "$(dirname "$0")"
total=${1:?how many seconds}
round=$((total / 9))
[ "$round" -gt 180 ] && round=180
[ "$round" -lt 1 ] && round=1
target=${CARGO_TARGET_DIR:-$PWD/target}
mkdir -p campaign artifacts

# Tracing comparisons halves the speed and finds little here, because the inputs are choices, not magic numbers.
build() {
	# shellcheck disable=SC2086
	if ! cargo +nightly fuzz build --fuzz-dir . --no-trace-compares --target-dir "$target/$1" $2 >campaign/last 2>&1; then
		cat campaign/last
		exit 1
	fi
}
build pool ""
build no-pool "--no-default-features --features no-pool"

# run VARIANT TARGET MAX_LEN SECONDS
run() {
	mkdir -p "campaign/$2" "corpus/$2" artifacts
	bin=$(echo "$target/$1"/*/release/"$2")
	if ! ASAN_OPTIONS=detect_odr_violation=0:malloc_context_size=2:quarantine_size_mb=16:detect_stack_use_after_return=0 \
		"$bin" "campaign/$2" "corpus/$2" -max_len="$3" -max_total_time="$4" -entropic=0 -detect_leaks=0 -rss_limit_mb=1024 \
		-timeout=20 -print_final_stats=1 -artifact_prefix="artifacts/$2-" >campaign/last 2>&1; then
		tail -n 40 campaign/last
		echo "a finding: $1 $2" | tee -a campaign/log
		exit 1
	fi
	executions=$(sed -n 's/^stat::number_of_executed_units: *//p' campaign/last)
	coverage=$(sed -n 's/.*DONE *cov: \([0-9]*\) .*/\1/p' campaign/last)
	echo "$2 $1 executions $executions seconds $4 coverage $coverage" | tee -a campaign/log
}

end=$(($(date +%s) + total))
while [ "$(date +%s)" -lt "$end" ]; do
	run pool input 256 $((round * 2))
	run no-pool input 256 $((round * 2))
	run pool calls 256 $((round * 2))
	run no-pool calls 256 $((round * 2))
	run pool doctor 4096 "$round"
	# A hundred times as fast as the others, and soon exhausted.
	run pool header 48 $((round / 10 + 1))
done
echo "executions since the log was begun:"
awk '/ executions / { sum[$1 " " $2] += $4; all += $4 } END { for (t in sum) print t, sum[t]; print "all", all }' campaign/log
