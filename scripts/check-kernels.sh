#!/usr/bin/env bash
# Checks the wasm that the compiler made of the int8 kernels: instructions that must be there, and the price of every
# hot loop against scripts/kernel-costs.txt. --update records the present prices.
set -euo pipefail
cd "$(dirname "$0")/.."
[ -f build/costs.wasm ] || scripts/build-canister.sh
python3 scripts/check-kernels.py build/costs.wasm scripts/kernel-costs.txt "$@"
