#!/usr/bin/env bash
# Runs the ONNX project's own tests of operators, which Debian ships as libonnx-testdata, through the importer and our
# executor: every graph whose operations import claims. Prints how many pass, operation by operation, and why each of
# the others is refused. Installs the package when it is missing; `make build` comes first.
set -euo pipefail
cd "$(dirname "$0")/.."
folder=${DEAI_ONNX_TESTDATA:-/usr/share/libonnx-testdata/data}
if [ ! -d "$folder/node" ]; then
    [ "$(id -u)" = 0 ] && become=() || become=(sudo)
    "${become[@]}" apt-get install -y -qq libonnx-testdata >/dev/null || {
        echo "check-onnx-nodes: install libonnx-testdata, or name its folder with DEAI_ONNX_TESTDATA" >&2
        exit 69
    }
fi
log=$(mktemp)
trap 'rm -f "$log"' EXIT
status=0
DEAI_ONNX_TESTDATA=$folder swift test -c release --skip-build --disable-testable-imports --filter OperatorTests \
    >"$log" 2>&1 || status=$?
grep -E '^(ONNX|  )|✘' "$log" || true
[ $status = 0 ] || exit $status
grep -q '^ONNX node: ' "$log" || { echo "check-onnx-nodes: no test ran; see make build" >&2; exit 1; }
