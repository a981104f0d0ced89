#!/bin/sh
# Makes datasets/fashion-mnist-sample anew from the full data set, or with --check compares what is there.
# Needs the Debian package dataset-fashion-mnist and a built deai-train (DEAI_TRAIN names another one).
set -eu
cd "$(dirname "$0")/.."
tool=${DEAI_TRAIN:-.build/release/deai-train}
sample=datasets/fashion-mnist-sample
made=$(mktemp -d)
trap 'rm -rf "$made"' EXIT
"$tool" datasets sample --dataset fashion-mnist --train 100 --test 20 -o "$made/sample"
if [ "${1:-}" = --check ]; then
    cmp "$made/sample/SHA256SUMS" "$sample/SHA256SUMS"
    (cd "$sample" && sha256sum --quiet -c SHA256SUMS)
    echo "$sample is what the command makes"
else
    rm -rf "$sample/train" "$sample/test" "$sample/labels.txt" "$sample/SHA256SUMS"
    mkdir -p "$sample"
    cp -r "$made/sample/." "$sample/"
    echo "$sample: $(find "$sample" -name '*.png' | wc -l) images"
fi
