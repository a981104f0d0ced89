#!/usr/bin/env bash
# Trains once undisturbed, then the same run killed with -9 ten times at random moments and resumed each time (portable
# executor, everything random switched on), and compares the weights. Usage: check-kill-resume.sh [KILLS]
set -euo pipefail
cd "$(dirname "$0")/.."
tool=${DEAI_TRAIN:-$PWD/.build/release/deai-train}
kills=${1:-10}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
fit=("$tool" fit --dataset "$PWD/datasets/fashion-mnist-sample" --model lenet5 --epochs 40 --batch 32 --seed 3
    --augment "crop:2,flip,rotate:10,scale:0.1,erase:0.25,brightness:0.1,contrast:0.1,mixup:0.2,cutmix:1"
    --label-smoothing 0.1 --class-weights balanced --optimizer adamw --warmup 2 --clip 1 --ema 0.99 --executor portable --save-every-steps 5)
digest() { sha256sum <"$1" | cut -d' ' -f1; }
now() { date +%s%3N; }

began=$(now)
"${fit[@]}" --run "$work/whole" >/dev/null 2>&1
length=$(($(now) - began))
echo "undisturbed: $length ms"

resume=()
killed=0
while [ "$killed" -lt "$kills" ]; do
    "${fit[@]}" --run "$work/killed" "${resume[@]}" >/dev/null 2>&1 &
    process=$!
    # From the very beginning, when there is not even a folder, to a good part of the whole run.
    sleep "$(awk -v r=$RANDOM -v l="$length" 'BEGIN { print r / 32768 * l / 2500 }')"
    if kill -9 $process 2>/dev/null; then
        killed=$((killed + 1))
        wait $process 2>/dev/null || true
        at=$(grep -c '"event":"epoch"' "$work/killed/log.jsonl" 2>/dev/null || true)
        echo "kill $killed: ${at:-0} epochs in the log"
    else
        # It came to its end before all the kills: begin again.
        wait $process || true
        rm -rf "$work/killed"
        echo "finished after $killed kills; from the beginning"
    fi
    if [ -f "$work/killed/config.json" ]; then resume=(--resume); else resume=(); fi
done
"${fit[@]}" --run "$work/killed" "${resume[@]}" >/dev/null 2>&1
for slot in last best; do
    whole=$(digest "$work/whole/checkpoints/$slot.ckpt")
    resumed=$(digest "$work/killed/checkpoints/$slot.ckpt")
    echo "$slot: $whole undisturbed, $resumed after $killed kills"
    test "$whole" = "$resumed"
done
echo "the weights are equal"
