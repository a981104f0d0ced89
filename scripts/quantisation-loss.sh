#!/usr/bin/env bash
# Trains networks for a few epochs, exports each without fine-tuning and with one epoch of it, and prints the points of
# test accuracy that int8 loses against the issue's bounds: 0.2 (0.5 for depthwise networks), with fine-tuning 0.1; and
# on how many test images float ops predict the integer logits of the fine-tuned file, which must be all of them.
# Not part of `make test`: about 13 minutes on one core (THREADS=1).
#   scripts/quantisation-loss.sh [NETWORKS]     e.g. scripts/quantisation-loss.sh "lenet5 convnet"
# EPOCHS (3; lenet5 5), SEED, THREADS and DEAI_TRAIN choose. Runs that are in DEAI_LOSS_RUNS already are not trained again.
set -euo pipefail
cd "$(dirname "$0")/.."
networks=${1:-lenet5 convnet resnet8 dscnn mobilenet}
tool=${DEAI_TRAIN:-$PWD/.build/release/deai-train}
work=${DEAI_LOSS_RUNS:-$PWD/build/quantisation}
threads=${THREADS:-2}
mkdir -p "$work"
missed=0
printf '%-10s %9s %9s %9s   %9s %9s   %s\n' network float int8 loss '--qat 1' loss 'float ops predict the integers on'
for network in $networks; do
    run=$work/$network
    epochs=${EPOCHS:-$([ "$network" = lenet5 ] && echo 5 || echo 3)}
    if [ ! -e "$run/metrics.json" ]; then
        "$tool" fit --dataset fashion-mnist --model "$network" --epochs "$epochs" --seed "${SEED:-1}" --threads "$threads" \
            --run "$run" --force --json >"$work/$network.fit" 2>/dev/null
    fi
    for qat in 0 1; do
        "$tool" export "$run" --output "$work/$network-qat$qat.deai" --qat $qat --threads "$threads" --json \
            >"$work/$network-qat$qat.json" 2>/dev/null
    done
    python3 - "$network" "$work/$network-qat0.json" "$work/$network-qat1.json" <<'PYTHON' || missed=1
import json, sys
network = sys.argv[1]
plain, tuned = (json.loads(open(path).read().splitlines()[-1]) for path in sys.argv[2:])
rows = [(r["accuracy"] * 100, (r["floatAccuracy"] - r["accuracy"]) * 100) for r in (plain, tuned)]
bound = 0.5 if network.startswith(("dscnn", "mobilenet")) else 0.2
holds = rows[0][1] <= bound + 1e-9 and rows[1][1] <= 0.1 + 1e-9 and tuned["predicted"] == tuned["images"]
print("%-10s %7.2f %% %7.2f %% %+9.2f   %7.2f %% %+9.2f   %s of %s images   %s" % (
    network, plain["floatAccuracy"] * 100, *rows[0], *rows[1], format(tuned["predicted"], ","),
    format(tuned["images"], ","), "within the bounds" if holds else "BEYOND THE BOUNDS"), flush=True)
sys.exit(0 if holds else 1)
PYTHON
done
exit $missed
