import CWasmtime

/// Arguments and result slots of one system call, as addresses of the module's width.
struct SystemArguments {
    let values: UnsafeMutablePointer<wasmtime_val_raw_t>
    let wide: Bool

    /// Argument of kind `I`.
    func address(_ index: Int) -> UInt64 {
        wide ? UInt64(bitPattern: values[index].i64) : UInt64(UInt32(bitPattern: values[index].i32))
    }
    func u64(_ index: Int) -> UInt64 { UInt64(bitPattern: values[index].i64) }
    func u32(_ index: Int) -> UInt32 { UInt32(bitPattern: values[index].i32) }
    /// A 128-bit amount in two i64, high word first.
    func amount(_ index: Int) -> UInt128 { UInt128(u64(index)) << 64 | UInt128(u64(index + 1)) }

    func returnAddress(_ value: UInt64) {
        if wide { values[0].i64 = Int64(bitPattern: value) } else { values[0].i32 = Int32(truncatingIfNeeded: value) }
    }
    func returnAddress(_ value: Int) { returnAddress(UInt64(value)) }
    func returnU64(_ value: UInt64) { values[0].i64 = Int64(bitPattern: value) }
    func returnI32(_ value: Int32) { values[0].i32 = value }
}
