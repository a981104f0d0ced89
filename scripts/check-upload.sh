#!/usr/bin/env bash
# Uploads into a local emulator: 100 MB undisturbed, 100 MB killed five times and resumed, and a model of 2 GB that is
# activated in slices and asked. Prints speed, processor seconds and peak memory; exit code 2 when a target is missed.
#
# Usage: check-upload.sh [--small BYTES] [--large BYTES] [--kills N] [--speed MB/S] [--memory MB]
# The targets of speed and memory hold for a quiet machine; 0 leaves one out. The large model needs about 8 GB of disk.
set -euo pipefail
cd "$(dirname "$0")/.."
tool=${DEAI_TRAIN:-$PWD/.build/release/deai-train}
small=100000000 large=2g kills=5 speed=100 memory=64
while [ $# -gt 0 ]; do
    case $1 in
    --small) small=$2 ;; --large) large=$2 ;; --kills) kills=$2 ;; --speed) speed=$2 ;; --memory) memory=$2 ;;
    *) sed -n '2,6s/^# \{0,1\}//p' "$0" >&2 && exit 64 ;;
    esac
    shift 2
done
export DEAI_WASMTIME=${DEAI_WASMTIME:-$PWD/.deps/libwasmtime.so}
sample=$PWD/datasets/fashion-mnist-sample
generator=$PWD/scripts/make-model.py
wasm=$PWD/build/canister.wasm
work=$(mktemp -d "${TMPDIR:-/tmp}/check-upload.XXXXXX")
state=$work/state
export DEAI_IDENTITY=$work/identity.pem
finish() {
    "$tool" emulator stop --state "$state" >/dev/null 2>&1 || true
    rm -rf "$work"
}
trap finish EXIT
cd "$work"
missed=0

# field NAME FILE: a number or text of a JSON file
field() { sed -n "s/.*\"$1\" *: *\"\{0,1\}\([^\",}]*\).*/\1/p" "$2" | head -n 1; }
# target WHAT FOUND RELATION WANTED: says whether it holds
target() {
    local verdict=missed
    if awk -v a="$2" -v b="$4" "BEGIN { exit !(a $3 b || b == 0) }"; then verdict=ok; else missed=1; fi
    printf '  %-34s %10s  (%s %s: %s)\n' "$1" "$2" "$3" "$4" "$verdict"
}
# cpu: user and system seconds of the emulator so far
cpu() { awk -v hertz="$(getconf CLK_TCK)" '{ printf "%.2f", ($14 + $15) / hertz }' "/proc/$process/stat"; }
# upload FILE: leaves time's report in report and the output in out
upload() { /usr/bin/time -v -o report "$tool" upload "$1" --network "$address" >out 2>progress; }
client_seconds() { awk -F': ' '/User time|System time/ { s += $2 } END { printf "%.2f", s }' report; }
acknowledged() { grep -c 'chunk .* sent' progress || true; }
peak_megabytes() { awk -F': ' '/Maximum resident/ { printf "%.1f", $2 / 1024 }' "$1"; }

python3 "$generator" undisturbed.deai "$small" --seed 1
python3 "$generator" killed.deai "$small" --seed 2
# The disk is to be quiet, too.
sync

"$tool" emulator start --background --port 0 --state "$state" >/dev/null
"$tool" emulator status --state "$state" --json >status
address=$(field address status)
process=$(sed -n 's/.*"process":\([0-9]*\).*/\1/p' status)
"$tool" canister create classifier --network "$address" >/dev/null 2>&1
"$tool" canister install "$wasm" --network "$address" >/dev/null

printf '\n== %s bytes, undisturbed\n' "$(stat -c %s undisturbed.deai)"
before=$(cpu)
upload undisturbed.deai
receipt=undisturbed.deai.receipt.json
after=$(cpu)
target "MB/s while sending" "$(awk -v b="$(field bytesSent $receipt)" -v s="$(field secondsSending $receipt)" \
    'BEGIN { printf "%.1f", b / 1e6 / s }')" ">=" "$speed"
target "client, peak MB" "$(peak_megabytes report)" "<=" "$memory"
printf '  %-34s %10s\n' "seconds in all, with activation" "$(field seconds $receipt)" \
    "client, processor seconds" "$(client_seconds)" \
    "emulator, processor seconds" "$(awk -v a="$after" -v b="$before" 'BEGIN { printf "%.2f", a - b }')"
share=$(($(field chunks $receipt) / (kills + 1)))

printf '\n== %s bytes, killed %s times\n' "$(stat -c %s killed.deai)" "$kills"
killed=0
while [ "$killed" -lt "$kills" ]; do
    "$tool" upload killed.deai --network "$address" >out 2>progress &
    client=$!
    wanted=$((1 + share / 2 + RANDOM % (share / 2 + 1)))
    while kill -0 $client 2>/dev/null && [ "$(acknowledged)" -lt "$wanted" ]; do sleep 0.01; done
    if ! kill -9 $client 2>/dev/null; then
        wait $client || true
        break
    fi
    wait $client 2>/dev/null || true
    killed=$((killed + 1))
    printf '  kill %s: %s chunks acknowledged\n' "$killed" "$(acknowledged)"
done
upload killed.deai
target "kills" "$killed" ">=" "$kills"
target "client, peak MB" "$(peak_megabytes report)" "<=" "$memory"
receipt=killed.deai.receipt.json
printf '  %-34s %10s\n' "chunks that were there already" "$(field chunksSkipped $receipt)" \
    "chunks sent by the last run" "$(field chunksSent $receipt)"
test "$(field modelHash $receipt)" = "$(sha256sum killed.deai | cut -d' ' -f1)"

python3 "$generator" large.deai "$large" --width 8192 --seed 3
printf '\n== %s bytes, activated in slices\n' "$(stat -c %s large.deai)"
before=$(cpu)
upload large.deai
after=$(cpu)
receipt=large.deai.receipt.json
target "client, peak MB" "$(peak_megabytes report)" "<=" "$memory"
printf '  %-34s %10s\n' "seconds while sending" "$(field secondsSending $receipt)" \
    "seconds in all, with activation" "$(field seconds $receipt)" \
    "slices of activation" "$(grep -c 'verified .* of' progress || true)" \
    "client, processor seconds" "$(client_seconds)" \
    "emulator, processor seconds" "$(awk -v a="$after" -v b="$before" 'BEGIN { printf "%.2f", a - b }')"
test "$(field modelHash $receipt)" = "$(sha256sum large.deai | cut -d' ' -f1)"
image=$(printf '%s\n' "$sample"/test/*/*.png | head -n 1)
"$tool" query "$image" --network "$address" 2>notes
sed 's/^/  /' notes
"$tool" verify-onchain large.deai --dataset "$sample" --limit 1 --network "$address"
exit $((missed * 2))
