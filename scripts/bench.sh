#!/usr/bin/env bash
# Alternates our training and inference with the PyTorch baseline in one run and prints the median ratios.
#   scripts/bench.sh [MODELS] [ROUNDS]     e.g. scripts/bench.sh lenet5,convnet 5
set -euo pipefail
cd "$(dirname "$0")/.."
models=${1:-lenet5,convnet}
rounds=${2:-3}
threads=2
tool=.build/release/deai-train
baseline=${DEAI_BASELINE:-../shared/bench/pytorch_baseline.py}

ours=$(mktemp) theirs=$(mktemp)
trap 'rm -f "$ours" "$theirs"' EXIT
compare=yes
if [ ! -f "$baseline" ] || ! python3 -c 'import torch' 2>/dev/null; then
    echo "bench: no PyTorch baseline here (needs $baseline and 'pip install torch'): our figures only" >&2
    compare=no
fi
for round in $(seq "$rounds"); do
    "$tool" bench --model "$models" --batch 128 --threads "$threads" --json | tee -a "$ours"
    [ $compare = no ] || python3 "$baseline" --models "$models" --batch 128 --threads "$threads" | tee -a "$theirs"
done
[ $compare = yes ] || exit 0
python3 - "$ours" "$theirs" <<'PYTHON'
import json, statistics, sys
ours, theirs = ([json.loads(line) for line in open(path)] for path in sys.argv[1:])
print("median ratio, ours to PyTorch's (above 1: ours is faster)")
for model in dict.fromkeys(row["model"] for row in ours):
    pairs = list(zip([r for r in ours if r["model"] == model], [r for r in theirs if r["model"] == model]))
    def ratio(field, faster_is_more):
        values = [a[field] / b[field] if faster_is_more else b[field] / a[field] for a, b in pairs]
        return f"{statistics.median(values):.2f}"
    print(f"  {model:8} training {ratio('train_images_per_second', True)}"
          f"  inference {ratio('infer_images_per_second', True)}"
          f"  single image {ratio('single_image_microseconds', False)}   ({len(pairs)} rounds)")
PYTHON
