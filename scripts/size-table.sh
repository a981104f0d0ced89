#!/usr/bin/env bash
# Compares the size of .deai files with int8 ONNX files that onnxruntime's own quantisation makes of the same networks,
# plain and gzip-ed, and both with our int8 ONNX. Not part of `make test`: needs
#     pip install onnxruntime onnx numpy
# Usage: scripts/size-table.sh RUN [RUN …]     PYTHON and DEAI_TRAIN choose the interpreter and the binary.
set -euo pipefail
cd "$(dirname "$0")/.."
tool=${DEAI_TRAIN:-.build/release/deai-train}
python=${PYTHON:-python3}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

for run in "$@"; do
    "$tool" export "$run" --output "$folder/model.deai" --onnx "$folder/float.onnx" \
        --onnx-int8 "$folder/int8.onnx" --json >"$folder/export.json" 2>/dev/null
    "$python" scripts/size-table.py "$run" "$folder"
done
