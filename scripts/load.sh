#!/usr/bin/env bash
# Load figures of the emulator on this machine, load generator included: queries and updates a second through HTTP with
# wrk (Debian package wrk), latencies, processor time, memory, start-up, and queries a second in-process.
#   DEAI_LOAD_SECONDS=10 (a row)  DEAI_LOAD_CANISTERS=100 (0 leaves the start-up out)
#   DEAI_MODEL=build/demo/fashion.deai  DEAI_TRAIN=.build/release/deai-train
set -euo pipefail
cd "$(dirname "$0")/.."

command -v wrk >/dev/null || { echo "load: needs wrk: apt-get install wrk" >&2; exit 69; }
packages=('cbor2<6' ecdsa)
environment=.deps/load
if [ "$(cat $environment/packages 2>/dev/null)" != "${packages[*]}" ]; then
    rm -rf $environment
    python3 -m venv $environment
    $environment/bin/pip install --quiet --disable-pip-version-check "${packages[@]}"
    echo "${packages[*]}" > $environment/packages
fi
DEAI_TRAIN=$(realpath "${DEAI_TRAIN:-.build/release/deai-train}")
export DEAI_TRAIN PYTHONDONTWRITEBYTECODE=1
$environment/bin/python Tests/Conformance/load.py
