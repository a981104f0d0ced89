#!/usr/bin/env bash
# Compiles every embedded-safe module as Embedded Swift for this machine: what needs a feature that the canister
# does not have fails here, without a wasm toolchain or engine.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/embedded-modules.sh

case $(uname -m) in
    x86_64) target=x86_64-unknown-linux-gnu ;;
    aarch64 | arm64) target=aarch64-unknown-linux-gnu ;;
    *) echo "check-embedded.sh: no Embedded Swift target for $(uname -m)" >&2 && exit 1 ;;
esac
objects=build/embedded
mkdir -p "$objects"

modules=("${embedded_modules[@]}")
for module in "${parity_modules[@]}" "${browser_modules[@]}"; do
    case " ${modules[*]} " in *" $module "*) ;; *) modules+=("$module") ;; esac
done
if is_fresh "$objects/checked" "${modules[@]/#/Sources/}" Sources/CSIMD scripts; then
    echo "Embedded $target: unchanged since the last check"
    exit 0
fi
for module in "${modules[@]}"; do
    mapfile -t files < <(swift_files "$module")
    swiftc "${embedded_flags[@]}" -target "$target" -I "$objects" "${files[@]}" $(module_flags "$module") -module-name "$module" \
        -emit-module -emit-module-path "$objects/$module.swiftmodule" -c -o "$objects/$module.o"
    echo "Embedded $target: $module"
done

# Dispatch only in Workers.swift, nothing else of the host anywhere.
if grep -nE '^ *(@preconcurrency )?import (Foundation|Glibc|Dispatch|Synchronization)' \
    $(for module in "${modules[@]}"; do swift_files "$module"; done | grep -v 'Kernels/Workers.swift'); then
    echo "check-embedded.sh: host modules must not be imported by embedded-safe ones" >&2
    exit 1
fi
touch "$objects/checked"
