#!/usr/bin/env bash
# Trains each preset on Fashion-MNIST with three seeds, on a machine that does nothing else, and prints the median test
# accuracy and time against the aims: fast 93.0 % in under 3 minutes, best 94.5 % in under 40, on two cores.
#   scripts/check-presets.sh [PRESETS] [SEEDS]     e.g. scripts/check-presets.sh fast "1 2 3"
set -euo pipefail
cd "$(dirname "$0")/.."
presets=${1:-fast best}
seeds=${2:-1 2 3}
tool=${DEAI_TRAIN:-$PWD/.build/release/deai-train}
work=${DEAI_PRESET_RUNS:-$PWD/build/presets}
missed=0
for preset in $presets; do
    rows=
    for seed in $seeds; do
        started=$SECONDS
        last=$("$tool" fit --dataset fashion-mnist --preset "$preset" --seed "$seed" --threads 2 \
            --run "$work/$preset-$seed" --force --json 2>/dev/null | tail -n 1)
        accuracy=$(sed -n 's/.*"accuracy":\([0-9.]*\).*/\1/p' <<<"$last")
        echo "$preset seed $seed: accuracy $accuracy, $((SECONDS - started)) s"
        rows+="$accuracy $((SECONDS - started))"$'\n'
    done
    case $preset in
    fast) aim=0.930 limit=180 ;;
    *) aim=0.945 limit=2400 ;;
    esac
    python3 - "$preset" "$aim" "$limit" "$rows" <<'PYTHON' || missed=1
import statistics, sys
preset, aim, limit, rows = sys.argv[1], float(sys.argv[2]), float(sys.argv[3]), sys.argv[4]
pairs = [tuple(map(float, line.split())) for line in rows.splitlines() if line]
accuracy, seconds = (statistics.median(values) for values in zip(*pairs))
print(f"{preset}: median accuracy {accuracy:.4f} (aim {aim:.3f}), median time {seconds:.0f} s (limit {limit:.0f} s)")
sys.exit(0 if accuracy >= aim and seconds < limit else 1)
PYTHON
done
exit $missed
