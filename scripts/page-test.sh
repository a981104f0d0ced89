#!/usr/bin/env bash
# The canister's page in headless Chromium, against an emulator of its own.
#   scripts/page-test.sh [MODEL.deai [--only TEXT]]  the tests; without a model one is trained on the sample
#   scripts/page-test.sh --all MODEL.deai       logits of 10,000 Fashion-MNIST test images: native = canister = browser
#   scripts/page-test.sh --screenshots MODEL.deai FOLDER
# Chromium comes from Debian and is installed when it is missing. DEAI_TRAIN names another tool, CANISTER_WASM another
# module, CHROMIUM another browser.
set -euo pipefail
cd "$(dirname "$0")/.."

browser=${CHROMIUM:-chromium}
if ! command -v "$browser" >/dev/null; then
    echo "page-test: installing Debian's chromium"
    as_root=()
    [ "$(id -u)" = 0 ] || as_root=(sudo)
    ${as_root[@]+"${as_root[@]}"} apt-get update -qq
    ${as_root[@]+"${as_root[@]}"} env DEBIAN_FRONTEND=noninteractive \
        apt-get install -y -qq --no-install-recommends chromium fonts-dejavu-core >/dev/null
fi

DEAI_TRAIN=$(realpath "${DEAI_TRAIN:-.build/release/deai-train}")
CANISTER_WASM=$(realpath "${CANISTER_WASM:-build/canister.wasm}")
export DEAI_TRAIN CANISTER_WASM CHROMIUM="$browser" PYTHONDONTWRITEBYTECODE=1
export DEAI_WASMTIME=${DEAI_WASMTIME:-$PWD/.deps/libwasmtime.so} DEAI_DATASETS=${DEAI_DATASETS:-$PWD/datasets}

case ${1:-} in
    --all)
        exec python3 Tests/Page/page.py "$2" --all /usr/share/datasets/fashion-mnist/t10k-images-idx3-ubyte.gz ;;
    --screenshots)
        exec python3 Tests/Page/page.py "$2" --screenshots "$3" ;;
    "")
        work=$(mktemp -d)
        trap 'rm -rf "$work"' EXIT
        if ! {
            "$DEAI_TRAIN" fit --dataset datasets/fashion-mnist-sample --model lenet5 --epochs 3 --seed 1 --run "$work/run" &&
            "$DEAI_TRAIN" export "$work/run" --int8 -o "$work/model.deai"
        } >"$work/log" 2>&1; then
            cat "$work/log" >&2
            exit 1
        fi
        python3 Tests/Page/page.py "$work/model.deai" ;;
    *)
        exec python3 Tests/Page/page.py "$@" ;;
esac
