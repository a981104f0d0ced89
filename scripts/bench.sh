#!/usr/bin/env bash
# Alternates our training and inference with the PyTorch baseline in one run and prints the median ratios, and our share
# of the machine's peak and memory against PyTorch's.
#   scripts/bench.sh [MODELS] [ROUNDS]     e.g. scripts/bench.sh lenet5,convnet,resnet8 5
# All rows, and the ratios as one JSON object in the last line, are kept in build/bench.jsonl.
set -euo pipefail
cd "$(dirname "$0")/.."
models=${1:-lenet5,convnet,resnet8}
rounds=${2:-3}
export DEAI_TRAIN=${DEAI_TRAIN:-.build/release/deai-train}
export DEAI_BASELINE=${DEAI_BASELINE:-../shared/bench/pytorch_baseline.py}
if [ ! -f "$DEAI_BASELINE" ] || ! python3 -c 'import torch' 2>/dev/null; then
    echo "bench: no PyTorch baseline here (needs $DEAI_BASELINE and 'pip install torch'): our figures only" >&2
    export DEAI_BASELINE=
fi
mkdir -p build
python3 - "$models" "$rounds" build/bench.jsonl <<'PYTHON'
import json, os, statistics, subprocess, sys

models, rounds, path = sys.argv[1].split(","), int(sys.argv[2]), sys.argv[3]
tool, baseline, threads = os.environ["DEAI_TRAIN"], os.environ["DEAI_BASELINE"], "2"
log = open(path, "w")

def measure(command, name):
    """The row of one process and the most memory it had."""
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    output = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        sys.exit(f"bench: {' '.join(command)} failed")
    row = json.loads(output.strip().splitlines()[-1])
    row["memory_megabytes"] = round(usage.ru_maxrss / 1024, 1)
    print(json.dumps(row), flush=True)
    log.write(json.dumps({"who": name, **row}) + "\n")
    return row

ours, theirs = {m: [] for m in models}, {m: [] for m in models}
for _ in range(rounds):
    for model in models:
        ours[model].append(
            measure([tool, "bench", "--model", model, "--batch", "128", "--threads", threads, "--json"], "deai-train"))
        if baseline:
            theirs[model].append(
                measure([sys.executable, baseline, "--models", model, "--batch", "128", "--threads", threads], "pytorch"))

def median(pairs, field, more_is_faster):
    values = [a[field] / b[field] if more_is_faster else b[field] / a[field] for a, b in pairs]
    return round(statistics.median(values), 2)

summary = {}
if baseline:
    print("median ratio, ours to PyTorch's (above 1: ours is faster, or takes less memory)")
for model in models:
    share = [row["train_share_of_peak"] for row in ours[model] if row.get("train_share_of_peak")]
    entry = {"train_share_of_peak": round(statistics.median(share), 3) if share else None}
    if baseline:
        pairs = list(zip(ours[model], theirs[model]))
        entry |= {
            "training": median(pairs, "train_images_per_second", True),
            "inference": median(pairs, "infer_images_per_second", True),
            "single_image": median(pairs, "single_image_microseconds", False),
            "memory": median(pairs, "memory_megabytes", False), "rounds": len(pairs)}
        print(f"  {model:8} training {entry['training']:.2f}  inference {entry['inference']:.2f}"
              f"  single image {entry['single_image']:.2f}  memory {entry['memory']:.2f}   ({len(pairs)} rounds)")
    if share:
        print(f"  {model:8} training does {100 * statistics.median(share):.0f} % of the peak, counted as direct convolutions")
    summary[model] = entry
log.write(json.dumps({"summary": summary}) + "\n")
print(json.dumps({"summary": summary}))
PYTHON
