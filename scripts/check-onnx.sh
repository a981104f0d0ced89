#!/usr/bin/env bash
# Runs the ONNX files of a run through onnxruntime and tract on the 10,000 test images and prints how often each
# gives the label of our own float and int8 networks. Not part of `make test`: takes a minute, and needs
#     pip install onnxruntime tract numpy
# Usage: scripts/check-onnx.sh RUN [RUN …]     PYTHON and DEAI_TRAIN choose the interpreter and the binary, IMAGES how
# many test images the runtimes see (a multiple of 500).
set -euo pipefail
cd "$(dirname "$0")/.."
tool=${DEAI_TRAIN:-.build/release/deai-train}
python=${PYTHON:-python3}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

for run in "$@"; do
    echo "== $run"
    "$tool" export "$run" --output "$folder/model.deai" --onnx "$folder/float.onnx" \
        --onnx-int8 "$folder/int8.onnx" --json >"$folder/export.json"
    data=$("$python" -c 'import json, sys; print(json.load(open(sys.argv[1]))["dataset"]["location"])' "$run/config.json")
    "$tool" import "$folder/float.onnx" --run "$folder/again" --force --json --dataset "$data" \
        >"$folder/import.json"
    "$tool" evaluate "$run" --logits "$folder/float.logits" --json >"$folder/float.json"
    "$tool" evaluate "$folder/model.deai" --logits "$folder/int8.logits" --json >"$folder/int8.json"
    "$tool" evaluate "$folder/again" --logits "$folder/again.logits" --json >"$folder/again.json"
    cmp -s "$folder/float.logits" "$folder/again.logits" && echo "float export and import: the same logits, bit for bit"
    "$python" scripts/check-onnx.py "$folder" "$data"
done
