#!/usr/bin/env bash
# Builds build/canister.wasm with the page it serves and build/browser.wasm inside, build/parity.wasm for the
# native = wasm tests and build/costs.wasm, which measures kernels.
# Needs the Swift toolchain and python3. Does nothing when no source has changed; --force builds anyway, and with the
# argument `canister` what only tests need is left out.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/embedded-modules.sh

target=wasm32-unknown-none-wasm
objects=build/wasm32
flags=("${embedded_flags[@]}" -target "$target" -I "$objects" -Xcc -msimd128 -Xcc -mbulk-memory -Xcc -ffreestanding
    -Xllvm -disable-lsr -I Sources/CanisterPage/include)
[ "${1:-}" = --force ] && rm -rf build/canister.wasm build/browser.wasm build/page build/parity.wasm build/costs.wasm "$objects"
mkdir -p "$objects"

# Modules are compiled to .swiftmodule only: their code is emitted, specialised, where it is used.
# One that is newer than its sources and than every module before it stays.
compile_modules() {
    local module before=()
    for module in "$@"; do
        before+=("Sources/$module")
        if is_fresh "$objects/$module.swiftmodule" "${before[@]}" Sources/CSIMD scripts/embedded-modules.sh; then
            continue
        fi
        mapfile -t files < <(swift_files "$module")
        swiftc "${flags[@]}" "${files[@]}" $(module_flags "$module") -module-name "$module" \
            -emit-module -emit-module-path "$objects/$module.swiftmodule"
    done
}

compile_runtime() {
    local file
    for file in Sources/CFreestanding/*.c Sources/CSIMD/*.c; do
        clang --target=wasm32-unknown-unknown -O2 -ffreestanding -nostdlib -msimd128 -mbulk-memory \
            -ffunction-sections -I Sources/CFreestanding/include -I Sources/CSIMD/include \
            -c "$file" -o "$objects/$(basename "$file" .c).c.o"
    done
}

# link MODULE MODULES OUTPUT [OBJECT…]: compiles a module over the array of those it uses, and links it; nothing may stay
# undefined but what is declared as an import of ic0
link() {
    local module=$1 output=$3
    local -n used=$2
    shift 3
    if ! is_fresh "$objects/$module.o" "Sources/$module" "${used[@]/#/Sources/}" "${sources[@]}"; then
        mapfile -t files < <(swift_files "$module")
        swiftc "${flags[@]}" "${files[@]}" -module-name "$module" -c -o "$objects/$module.o"
    fi
    wasm-ld --no-entry --gc-sections --strip-all --stack-first -z stack-size=1048576 \
        "$objects/$module.o" "$@" "$objects"/*.c.o -o "$output"
}

sources=(Sources/CFreestanding Sources/CSIMD scripts/embedded-modules.sh scripts/build-canister.sh
    scripts/finish-wasm.py)

# compress FILE: gzip without a time in build/page, so that the same file gives the same bytes
compress() {
    mkdir -p build/page
    python3 -c 'import gzip, pathlib, sys
source, target = map(pathlib.Path, sys.argv[1:])
target.write_bytes(gzip.compress(source.read_bytes(), 9, mtime=0))' "$1" "build/page/$(basename "$1").gz"
}

# is_stale OUTPUT MODULE MODULES [SOURCE…]: true when a wasm module is missing or older than one of its sources
is_stale() {
    local output=$1 module=$2
    local -n list=$3
    shift 3
    ! is_fresh "$output" "${sources[@]}" "${list[@]/#/Sources/}" "Sources/$module" "$@"
}

# What runs in a browser imports nothing at all.
build_browser() {
    rm -f build/browser.wasm
    link BrowserWasm browser_modules "$objects/browser.wasm"
    python3 scripts/finish-wasm.py "$objects/browser.wasm" build/browser.wasm --imports-only nothing
}

build_canister() {
    rm -f build/canister.wasm
    local file version
    for file in Sources/CanisterPage/*.{html,css,js} build/browser.wasm; do compress "$file"; done
    clang --target=wasm32-unknown-unknown -O2 -ffreestanding -nostdlib -std=c23 --embed-dir=build/page \
        -I Sources/CanisterPage/include -c Sources/CanisterPage/files.c -o "$objects/page.o"
    link CanisterWasm embedded_modules "$objects/canister.wasm" "$objects/page.o"
    version=$(sed -n 's/.*StaticString { "\(.*\)" }.*/\1/p' Sources/Canister/Version.swift)
    python3 scripts/finish-wasm.py "$objects/canister.wasm" build/canister.wasm --imports-only ic0 \
        --section "icp:public candid:service=@Sources/Canister/classifier.did" \
        --section "icp:public deai:version=$version"
}

# build_test MODULE MODULES OUTPUT: a canister that only tests need
build_test() {
    rm -f "build/$3"
    link "$1" "$2" "$objects/$3"
    python3 scripts/finish-wasm.py "$objects/$3" "build/$3" --imports-only ic0
}

browser= canister= parity= costs=
is_stale build/browser.wasm BrowserWasm browser_modules && browser=1
if [ -n "$browser" ] || is_stale build/canister.wasm CanisterWasm embedded_modules Sources/CanisterPage build/browser.wasm; then
    canister=1
fi
if [ "${1:-}" != canister ]; then
    is_stale build/parity.wasm ParityWasm parity_modules && parity=1
    is_stale build/costs.wasm CostsWasm costs_modules && costs=1
fi
[ -z "$browser$canister$parity$costs" ] && exit 0

# The modules are compiled first, one after the other; then two chains of links run side by side, minutes each.
compile_runtime
if [ -n "$browser" ]; then compile_modules "${browser_modules[@]}"; fi
if [ -n "$canister" ]; then compile_modules "${embedded_modules[@]}"; fi
if [ -n "$parity" ]; then compile_modules "${parity_modules[@]}"; fi
if [ -n "$costs" ]; then compile_modules "${costs_modules[@]}"; fi
{
    if [ -n "$parity" ]; then build_test ParityWasm parity_modules parity.wasm; fi
    if [ -n "$costs" ]; then build_test CostsWasm costs_modules costs.wasm; fi
} &
tests=$!
trap 'kill $tests 2>/dev/null || true' EXIT
if [ -n "$browser" ]; then build_browser; fi
if [ -n "$canister" ]; then build_canister; fi
wait $tests
