#!/usr/bin/env bash
# Compares the size of .deai files with what other tools' own int8 quantisation makes of the same networks, plain and
# gzip-ed: ONNX by onnxruntime, TFLite by TensorFlow, and our own int8 ONNX. Says which is the smallest of each column,
# and exits with 1 when that is not ours. Not part of `make test`: needs
#     pip install onnxruntime onnx numpy
#     pip install tensorflow-cpu onnx numpy      (in an environment of its own; without it there are no TFLite rows)
# Usage: scripts/size-table.sh RUN [RUN …]     PYTHON, TENSORFLOW_PYTHON and DEAI_TRAIN choose the interpreters and the
# binary.
set -euo pipefail
cd "$(dirname "$0")/.."
tool=${DEAI_TRAIN:-.build/release/deai-train}
python=${PYTHON:-python3}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
missed=0

for run in "$@"; do
    rm -f "$folder"/*
    "$tool" export "$run" --output "$folder/model.deai" --onnx "$folder/float.onnx" \
        --onnx-int8 "$folder/int8.onnx" --json >"$folder/export.json" 2>/dev/null
    "${TENSORFLOW_PYTHON:-$python}" scripts/size-table-tflite.py "$folder" 2>"$folder/tflite.log" || {
        [ $? = 69 ] || { cat "$folder/tflite.log" >&2; exit 1; }
        echo "TensorFlow is not installed: no TFLite row"
    }
    "$python" scripts/size-table.py "$run" "$folder" || missed=1
done
exit $missed
