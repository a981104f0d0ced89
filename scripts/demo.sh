#!/usr/bin/env bash
# The main job, start to finish: train, export, start a local subnet, upload, query, verify, stop.
set -euo pipefail
cd "$(dirname "$0")/.."
tool=$PWD/.build/release/deai-train
work=$PWD/build/demo
started=$SECONDS

mkdir -p "$work"
export DEAI_IDENTITY=$work/identity.pem
state=$work/emulator
stop() { "$tool" emulator stop --state "$state" >/dev/null 2>&1 || true; }
trap stop EXIT

step() { printf '\n== %s\n' "$*"; }

step "Train lenet5 on Fashion-MNIST, 3 epochs"
"$tool" fit --dataset fashion-mnist --model lenet5 --epochs 3 --seed 1 --executor portable --run "$work/run" --force

step "Export int8 weights"
"$tool" export "$work/run" --int8 -o "$work/fashion.deai"

step "Start a local subnet and install the classifier canister"
stop
rm -rf "$state"
"$tool" emulator start --background --port 0 --state "$state"
address=$("$tool" emulator status --state "$state" --json | sed -n 's/.*"address":"\([^"]*\)".*/\1/p')
cd "$work"
rm -rf .deai
"$tool" canister create classifier --network "$address"
"$tool" canister install ../canister.wasm --network "$address"

step "Upload the model in verified chunks"
"$tool" upload fashion.deai --network "$address"

step "Ask the canister about five test images"
sample=../../datasets/fashion-mnist-sample/test
right=0
for class in ankle-boot coat pullover shirt trouser; do
    image=$(printf '%s\n' "$sample/$class"/*.png | head -n 1)
    answer=$("$tool" query "$image" --top 1 --network "$address")
    label=$(printf '%s' "$answer" | sed -E 's/^[^:]*: (.*) [0-9.]+ % .*/\1/')
    got=$(printf '%s' "$label" | tr '[:upper:]' '[:lower:]' | tr -c 'a-z0-9\n' '-')
    verdict=wrong
    if [ "$got" = "$class" ]; then verdict=right right=$((right + 1)); fi
    printf '%s: %s (%s)\n' "${image#../../datasets/}" "${answer#*: }" "$verdict"
done

step "Compare the canister's integers with the local file on all 10,000 test images"
"$tool" verify-onchain fashion.deai --dataset fashion-mnist --network "$address"

cd ../..
step "Summary"
field() { sed -n "s/.*\"$1\" *: *\"\{0,1\}\([^\",}]*\).*/\1/p" "$2" | head -n 1; }
receipt=$work/fashion.deai.receipt.json
"$tool" inspect "$work/fashion.deai" | sed -n 's/^accuracy  */accuracy     /p'
echo "file         build/demo/fashion.deai, $(stat -c %s "$work/fashion.deai") bytes"
echo "module hash  $(field moduleHash "$receipt")"
echo "model hash   $(field modelHash "$receipt")"
echo "queries      $right of 5 right"
echo "time         $((SECONDS - started)) s"
