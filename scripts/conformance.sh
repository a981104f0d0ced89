#!/bin/bash
# The emulator against public clients and a scenario list, through HTTP. Arguments choose suites:
#   scripts/conformance.sh [scenarios] [clients] [gateway] [pocket]
# The clients come from PyPI into .deps/conformance; DEAI_TRAIN names another tool to test.
set -euo pipefail
cd "$(dirname "$0")/.."

# icp-py-core cannot read what cbor2 6 makes of arrays under a tag (tuples), which every answer has.
packages=(icp-py-core==2.3.1 ic-py==1.0.1 pocket_ic==3.1.2 py-arkworks-bls12381==0.5.0 'cbor2<6')
environment=.deps/conformance
if [ "$(cat $environment/packages 2>/dev/null)" != "${packages[*]}" ]; then
    echo "installing the clients: ${packages[*]}"
    rm -rf $environment
    python3 -m venv $environment
    $environment/bin/pip install --quiet --disable-pip-version-check "${packages[@]}"
    echo "${packages[*]}" > $environment/packages
fi

DEAI_TRAIN=$(realpath "${DEAI_TRAIN:-.build/release/deai-train}")
export DEAI_TRAIN POCKET_IC_BIN="$PWD/scripts/pocket-ic" PYTHONDONTWRITEBYTECODE=1
failed=()
for suite in "${@:-scenarios clients gateway pocket}"; do
    # Unquoted: the default is a list in one word.
    for name in $suite; do
        timeout 300 $environment/bin/python "Tests/Conformance/$name.py" || failed+=("$name")
    done
done
if [ ${#failed[@]} -gt 0 ]; then
    echo "conformance: failed: ${failed[*]}"
    exit 1
fi
echo "conformance: all suites passed"
