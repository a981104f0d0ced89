# The embedded-safe modules in dependency order and how they are compiled; sourced by the scripts beside it.
embedded_modules=(Digests Images Kernels Inference Candid IC0 Canister)
parity_modules=(Digests Images Kernels Autodiff NeuralNetwork Inference)
browser_modules=(Digests Images Kernels Inference Certificates)
costs_modules=(Digests Images Kernels Inference IC0)

# Without -disable-stack-protector objects would refer to a guard that nothing defines.
embedded_flags=(-enable-experimental-feature Embedded -enable-experimental-feature Extern -wmo -parse-as-library
    -swift-version 6 -O -package-name deai_train -Xfrontend -disable-stack-protector -Xfrontend -function-sections
    -I Sources/CSIMD/include)

# module_flags MODULE: what it is compiled with besides. Swift's own motion of invariant code out of loops is quadratic
# in the operations of a loop, minutes for the int8 kernels, and LLVM does the same after it.
module_flags() { if [ "$1" = Kernels ]; then echo -Xllvm -sil-disable-pass=loop-invariant-code-motion; fi; }

# swift_files MODULE: its sources, in an order that does not depend on the file system
swift_files() { find "Sources/$1" -name '*.swift' | LC_ALL=C sort; }

# is_fresh OUTPUT SOURCE…: true when the output is there and no source is newer than it
is_fresh() {
    local output=$1
    shift
    [ -f "$output" ] && [ -z "$(find "$@" -type f -newer "$output" -print -quit)" ]
}
