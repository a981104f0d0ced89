#!/usr/bin/env bash
# Networks that PyTorch trains and exports, through `import` and `export`: logits must differ by at most 0.0001 from
# PyTorch's on all test images, and int8 must lose at most half a point; hard-swish has no integer form, which must be
# said. Each is exported by torch.export and by TorchScript. Not part of `make test`: takes some minutes, and needs
#     pip install torch onnx onnxscript numpy
# Usage: scripts/check-pytorch.sh     PYTHON and DEAI_TRAIN choose the interpreter and the binary, STEPS the length of
# the training (300), THREADS, KEEP a folder for what is made.
set -euo pipefail
cd "$(dirname "$0")/.."
tool=${DEAI_TRAIN:-.build/release/deai-train}
python=${PYTHON:-python3}
data=${DATA:-/usr/share/datasets/fashion-mnist}
folder=${KEEP:-$(mktemp -d)}
mkdir -p "$folder"
[ -n "${KEEP:-}" ] || trap 'rm -rf "$folder"' EXIT
missed=0

if [ ! -e "$folder/mobile-hardswish.logits" ]; then
    "$python" scripts/check-pytorch.py train "$folder" "$data" 2>"$folder/train.err" || {
        cat "$folder/train.err" >&2
        exit 1
    }
fi
for logits in "$folder"/*.logits; do
    name=$(basename "$logits" .logits)
    case $name in *.ours) continue ;; esac
    for file in "$name" "$name-torchscript"; do
        if ! "$tool" import "$folder/$file.onnx" --run "$folder/$file" --force --dataset "$data" --json \
            --mean 0.28627450980392155 --std 0.353 >"$folder/$file.import" 2>"$folder/$file.err"; then
            echo "$file: $(cat "$folder/$file.err")"
            missed=1
            continue
        fi
        "$tool" evaluate "$folder/$file" --logits "$folder/$file.ours" --json >"$folder/$file.float"
        printf '%-30s ' "$file"
        "$python" scripts/check-pytorch.py compare "$folder" "$name" "$folder/$file.ours" || missed=1
    done
    printf '%-30s ' "$name, quantised"
    status=0
    "$tool" export "$folder/$name" --output "$folder/$name.deai" --json >"$folder/$name.export" \
        2>"$folder/$name.err" || status=$?
    if [ $status != 0 ]; then
        cat "$folder/$name.err"
        [ "$name" = mobile-hardswish ] && grep -q 'hardSwish, which has no integer form' "$folder/$name.err" || missed=1
        continue
    fi
    "$python" - "$folder/$name.export" <<'PYTHON' || missed=1
import json, sys
last = json.loads(open(sys.argv[1]).read().splitlines()[-1])
loss = last["floatAccuracy"] - last["accuracy"]
print(
    f"float {last['floatAccuracy']:.2%}, int8 {last['accuracy']:.2%} on {last['images']:,} images, "
    f"{last['bytes']:,} bytes")
sys.exit(0 if loss <= 0.005 + 1e-9 else 1)
PYTHON
done
exit $missed
