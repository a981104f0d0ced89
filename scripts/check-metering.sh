#!/usr/bin/env bash
# Measures what metering costs, in processor time: hot loops with and without it (at most 1.6 times), and the
# instrumentation of the modules that are built here (at least 200 MB/s). Exit code 2 when one is missed.
# Needs wat2wasm (Debian's wabt), which is installed when missing.
set -euo pipefail
cd "$(dirname "$0")/.."
command -v wat2wasm >/dev/null || { apt-get update -qq && apt-get install -qq -y wabt >/dev/null; }
tool=${DEAI_TRAIN:-$PWD/.build/release/deai-train}
missed=0

# measure MODULE METHOD FIELD: one number of what `meter --overhead` says
measure() { "$tool" meter "$1" --method "$2" --overhead --json | tail -n 1 | sed -n "s/.*\"$3\":\([0-9.]*\).*/\1/p"; }
# check WHAT VALUE UNIT RELATION BOUND
check() {
    local verdict=missed
    if awk "BEGIN { exit !($2 $4 $5) }"; then verdict=ok; else missed=2; fi
    printf '%-22s %8s %-5s (%s %s: %s)\n' "$1" "$2" "$3" "$4" "$5" "$verdict"
}

for loop in ints bytes simd calls; do
    check "$loop" "$(measure Tests/Fixtures/hot-loops.wat "canister_update $loop" ratio)" times "<=" 1.6
done
for module in build/costs.wasm build/canister.wasm; do
    check "$module" "$(measure "$module" canister_init instrumentation_megabytes_per_second)" MB/s ">=" 200
done
exit $missed
