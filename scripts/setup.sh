#!/usr/bin/env bash
# Installs what a bare Debian 12 with the Swift toolchain lacks. Safe to run any number of times.
#   scripts/setup.sh           set up
#   scripts/setup.sh --check   say what is missing, install nothing
set -euo pipefail
cd "$(dirname "$0")/.."

packages=(libpng-dev zlib1g-dev libsqlite3-dev libdnnl-dev dataset-fashion-mnist libonnx-testdata)
wasmtime_version=50.0.1
library=.deps/libwasmtime.so

case "$(uname -m)" in
x86_64)
    library_sha256=3127ca42fe7cdd3f0a43a358e79177dcfedd46c1746329826403b9d854de6178 ;;
aarch64)
    library_sha256=4777b787fcc6651c98130ccc7c8ce9160faba5f3b34918886785a43094026fc9 ;;
*)
    echo "setup: no wasmtime library is known for $(uname -m); x86_64 and aarch64 are supported" >&2
    exit 69 ;;
esac

say() { echo "setup: $*"; }
fail() { echo "setup: $*" >&2; exit 69; }

missing=()
for package in "${packages[@]}"; do
    dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null | grep -qx installed || missing+=("$package")
done
library_is_right() {
    [ -f "$library" ] && echo "$library_sha256  $library" | sha256sum --check --status
}

if [ "${1:-}" = --check ]; then
    status=0
    for package in ${missing[@]+"${missing[@]}"}; do say "missing: Debian package $package"; status=69; done
    library_is_right || { say "missing: wasmtime $wasmtime_version ($library)"; status=69; }
    exit $status
fi

command -v swift >/dev/null || fail "no swift on PATH: install the Swift 6.2 toolchain or a newer one, then run this again"

if [ ${#missing[@]} -gt 0 ]; then
    as_root=()
    if [ "$(id -u)" != 0 ]; then
        command -v sudo >/dev/null || fail "${missing[*]} are missing: run 'apt-get install ${missing[*]}' as root, then this again"
        as_root=(sudo)
    fi
    say "installing Debian packages: ${missing[*]}"
    {
        ${as_root[@]+"${as_root[@]}"} apt-get update -qq &&
        ${as_root[@]+"${as_root[@]}"} env DEBIAN_FRONTEND=noninteractive \
            apt-get install -y -qq --no-install-recommends "${missing[@]}" >.setup-apt.log 2>&1
    } || {
        tail -n 5 .setup-apt.log >&2 2>/dev/null || true
        fail "apt-get could not install ${missing[*]}: check the network and /etc/apt/sources.list, then run 'make setup' again"
    }
    rm -f .setup-apt.log
fi

if ! library_is_right; then
    command -v python3 >/dev/null && python3 -m pip --version >/dev/null 2>&1 ||
        fail "python3 with pip is needed to get the wasmtime library: apt-get install python3-pip"
    say "getting wasmtime $wasmtime_version ($library)"
    mkdir -p .deps
    wheels=$(mktemp -d)
    trap 'rm -rf "$wheels"' EXIT
    python3 -m pip download --quiet --disable-pip-version-check --no-deps --only-binary=:all: \
        --dest "$wheels" "wasmtime==$wasmtime_version" || fail \
        "the download failed: check the network, or put the wheel's _libwasmtime.so at $library yourself, then run 'make setup' again"
    python3 - "$wheels"/wasmtime-*.whl "$wheels/library.so" <<'PYTHON'
import sys, zipfile
with zipfile.ZipFile(sys.argv[1]) as wheel:
    name = next(n for n in wheel.namelist() if n.endswith("/_libwasmtime.so"))
    with open(sys.argv[2], "wb") as out:
        out.write(wheel.read(name))
PYTHON
    echo "$library_sha256  $wheels/library.so" | sha256sum --check --status || fail \
        "the wasmtime library has SHA-256 $(sha256sum "$wheels/library.so" | cut -d' ' -f1), expected $library_sha256: not installed; try again later"
    mv "$wheels/library.so" "$library"
fi
say "everything is in place"
