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
    echo "conformance: installing ${packages[*]}"
    rm -rf $environment
    if ! python3 -m venv $environment; then
        echo "conformance: Python cannot make a virtual environment; on Debian: apt-get install python3-venv" >&2
        exit 69
    fi
    if ! $environment/bin/pip install --quiet --disable-pip-version-check --retries 2 "${packages[@]}"; then
        rm -rf $environment
        echo "conformance: the public clients cannot be installed from PyPI: is there a network?" \
            "\`make check\` runs every test that needs none." >&2
        exit 69
    fi
    echo "${packages[*]}" > $environment/packages
fi

if [ ! -x "${DEAI_TRAIN:=.build/release/deai-train}" ]; then
    echo "conformance: there is no $DEAI_TRAIN: run \`make build\`, or name a tool in DEAI_TRAIN" >&2
    exit 69
fi
DEAI_TRAIN=$(realpath "$DEAI_TRAIN")
export DEAI_TRAIN POCKET_IC_BIN="$PWD/scripts/pocket-ic" PYTHONDONTWRITEBYTECODE=1
failed=()
for suite in "${@:-scenarios clients gateway pocket}"; do
    # Unquoted: the default is a list in one word.
    for name in $suite; do
        start=$SECONDS
        timeout 300 $environment/bin/python "Tests/Conformance/$name.py" || failed+=("$name")
        echo "$name: $((SECONDS - start)) s"
    done
done
if [ ${#failed[@]} -gt 0 ]; then
    echo "conformance: failed: ${failed[*]}"
    exit 1
fi
echo "conformance: all suites passed"
