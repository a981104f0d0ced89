import CWasmtime

extension GlobalValue {
    init(type: UInt8, _ raw: wasmtime_val_t) {
        switch type {
        case 0x7f: self.init(type: type, low: UInt64(UInt32(bitPattern: raw.of.i32)))
        case 0x7e: self.init(type: type, low: UInt64(bitPattern: raw.of.i64))
        case 0x7d: self.init(type: type, low: UInt64(raw.of.f32_bits))
        case 0x7c: self.init(type: type, low: raw.of.f64_bits)
        default:
            let (low, high) = withUnsafeBytes(of: raw.of.v128) {
                (
                    $0.loadUnaligned(fromByteOffset: 0, as: UInt64.self),
                    $0.loadUnaligned(fromByteOffset: 8, as: UInt64.self)
                )
            }
            self.init(type: type, low: low, high: high)
        }
    }

    /// The value as the engine takes it.
    var engineValue: wasmtime_val_t {
        var raw = wasmtime_val_t()
        switch type {
        case 0x7f:
            raw.kind = UInt8(CWASMTIME_I32)
            raw.of.i32 = Int32(truncatingIfNeeded: low)
        case 0x7e:
            raw.kind = UInt8(CWASMTIME_I64)
            raw.of.i64 = Int64(bitPattern: low)
        case 0x7d:
            raw.kind = UInt8(CWASMTIME_F32)
            raw.of.f32_bits = UInt32(truncatingIfNeeded: low)
        case 0x7c:
            raw.kind = UInt8(CWASMTIME_F64)
            raw.of.f64_bits = low
        default:
            raw.kind = UInt8(CWASMTIME_V128)
            withUnsafeMutableBytes(of: &raw.of.v128) {
                $0.storeBytes(of: low.littleEndian, toByteOffset: 0, as: UInt64.self)
                $0.storeBytes(of: high.littleEndian, toByteOffset: 8, as: UInt64.self)
            }
        }
        return raw
    }
}

extension ExecutionFailure {
    /// What the engine's trap means; the trap is freed.
    init(consuming trap: OpaquePointer) {
        defer { wasm_trap_delete(trap) }
        var code: UInt8 = 0
        guard wasmtime_trap_code(trap, &code) else {
            var bytes = wasm_byte_vec_t(size: 0, data: nil)
            wasm_trap_message(trap, &bytes)
            defer { wasm_byte_vec_delete(&bytes) }
            self = .engine(String(decoding: UnsafeRawBufferPointer(start: bytes.data, count: bytes.size), as: UTF8.self))
            return
        }
        let reason =
            switch code {
            case 0: "stack overflow"
            case 1, 2: "heap out of bounds"
            case 3: "table out of bounds"
            case 4: "uninitialized table element"
            case 5: "function signature mismatch"
            case 6: "integer overflow"
            case 7: "integer divide by 0"
            case 8: "bad conversion to integer"
            case 9: "unreachable"
            default: "trap code \(code)"
            }
        self = .trapped(reason)
    }
}
