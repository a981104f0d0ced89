#!/usr/bin/env bash
# Trains presets on Fashion-MNIST with three seeds each, exports them to int8, and compares medians with what they are
# for: fast 93.0 % (float) in under 3 minutes and best 94.5 % in under 40, on two cores that do nothing else; compact at
# least 93.5 % (int8) in at most 102,400 bytes, tiny 92.0 % in at most 25,600.
#   scripts/check-presets.sh [PRESETS] [SEEDS]     e.g. scripts/check-presets.sh "compact tiny" "1 2 3"
# Runs that are complete are not trained again; remove build/presets to begin anew. Exit code 1 when an aim is missed.
set -euo pipefail
cd "$(dirname "$0")/.."
presets=${1:-fast best compact tiny}
seeds=${2:-1 2 3}
tool=${DEAI_TRAIN:-$PWD/.build/release/deai-train}
work=${DEAI_PRESET_RUNS:-$PWD/build/presets}
mkdir -p "$work"
missed=0
for preset in $presets; do
    rows=$work/$preset.jsonl
    : >"$rows"
    for seed in $seeds; do
        run=$work/$preset-$seed
        if [ ! -f "$run.seconds" ]; then
            started=$SECONDS
            "$tool" fit --dataset fashion-mnist --preset "$preset" --seed "$seed" --threads "${DEAI_THREADS:-2}" \
                --run "$run" --force --json >"$run.log" 2>/dev/null
            echo $((SECONDS - started)) >"$run.seconds"
        fi
        "$tool" export "$run" --output "$run.deai" --json 2>/dev/null | tail -n 1 >"$run.export"
        echo "{\"preset\":\"$preset\",\"seed\":$seed,\"seconds\":$(cat "$run.seconds"),\"fit\":$(tail -n 1 "$run.log"),\"export\":$(cat "$run.export")}" \
            >>"$rows"
    done
    python3 - "$preset" "$rows" <<'PYTHON' || missed=1
import json, statistics, sys

preset, rows = sys.argv[1], [json.loads(line) for line in open(sys.argv[2])]
figures = []
for row in rows:
    figure = {
        "float": row["fit"]["accuracy"], "int8": row["export"]["accuracy"], "bytes": row["export"]["bytes"],
        "seconds": row["seconds"],
    }
    figures.append(figure)
    print(f"{preset} seed {row['seed']}: float {100 * figure['float']:.2f} %, int8 {100 * figure['int8']:.2f} %, "
          f"{figure['bytes']:,} bytes, {figure['seconds']} s")
aims = {
    "fast": [("float", 0.930, 1), ("seconds", 180, -1)], "best": [("float", 0.945, 1), ("seconds", 2400, -1)],
    "compact": [("int8", 0.935, 1), ("bytes", 102_400, -1)], "tiny": [("int8", 0.920, 1), ("bytes", 25_600, -1)],
}
missed = False
for name, bound, sign in aims[preset]:
    value = statistics.median(figure[name] for figure in figures)
    holds = sign * (value - bound) >= 0
    missed |= not holds
    print(f"{preset}: median {name} {value:,} ({'at least' if sign > 0 else 'at most'} {bound:,}): {'ok' if holds else 'missed'}")
sys.exit(missed)
PYTHON
done
exit $missed
