/// What the replica charges for one operator before it runs (its `instruction_to_cost`, metering kind `New`).
enum InstructionCosts {
    // Loads and stores of 32-bit memories are in the tables; those of 64-bit memories cost one more.

    /// Single-byte operators; 1 for everything that is not listed.
    static let scalar: [UInt16] = table(256) { costs in
        costs[0x02...0x03] = [0, 0]  // block, loop
        costs.set(0, 0x05, 0x0b)  // else, end
        costs.set(2, 0x04, 0x0c, 0x0d, 0x0e, 0x23, 0x24)  // if, branches, globals
        costs.set(5, 0x10, 0x25, 0x26, 0xd1)  // call, table.get, table.set, ref.is_null
        costs.set(10, 0x11)  // call_indirect
        costs.set(3, 0x12)  // return_call
        costs.set(60, 0x13)  // return_call_indirect
        costs.set(20, 0x3f)  // memory.size
        costs.set(300, 0x40)  // memory.grow
        costs.set(130, 0xd2)  // ref.func
        for code in 0x5b...0x66 { costs[code] = 3 }  // float compares
        for code in [0x6d, 0x6e, 0x6f, 0x70, 0x7f, 0x80, 0x81, 0x82] { costs[code] = 10 }  // div, rem
        for code in 0x8d...0x90 { costs[code] = 2 }  // f32 roundings
        for code in 0x9b...0x9e { costs[code] = 2 }  // f64 roundings
        costs.set(2, 0x92, 0x93, 0x94, 0x98, 0xa0, 0xa1, 0xa2)
        costs.set(3, 0x95, 0xa6)  // f32.div, f64.copysign
        costs.set(5, 0x91, 0xa3)  // f32.sqrt, f64.div
        costs.set(8, 0x9f)  // f64.sqrt
        costs.set(18, 0x96, 0x97, 0xa4, 0xa5)  // min, max
        for code in [0xa8, 0xa9, 0xaa, 0xab, 0xae, 0xaf, 0xb0, 0xb1] { costs[code] = 20 }  // trunc
        costs.set(3, 0xb2, 0xb4, 0xb7, 0xb9)  // convert signed
        costs.set(16, 0xb3, 0xb5, 0xb8, 0xba)  // convert unsigned
    }.map { UInt16(truncatingIfNeeded: $0) }

    /// Operators with prefix 0xfc.
    static let bulk: [UInt64] = [
        20, 20, 20, 20, 20, 20, 20, 20,  // trunc_sat
        100, 300, 100, 100,  // memory.init, data.drop, memory.copy, memory.fill
        100, 300, 100, 300, 100, 100,  // table.init, elem.drop, table.copy, table.grow, table.size, table.fill
    ]

    /// Operators with prefix 0xfd.
    static let vector: [UInt8] = table(256) { costs in
        costs.set(2, 38, 40, 48, 50, 58, 60)  // lt_u, gt_u of 8, 16 and 32 bit lanes
        costs.set(2, 109, 139, 140, 141, 171, 172, 173, 203, 205)  // shifts
        costs.set(2, 125, 157, 159, 181, 188, 189, 190, 191)  // extadd_u, extmul, i32x4.mul
        costs.set(2, 103, 104, 105, 106, 116, 117, 122, 148)  // roundings
        costs.set(2, 224, 225, 228, 229, 230, 236, 237, 240, 241, 242)  // abs neg add sub mul
        costs.set(2, 248, 252)
        costs.set(3, 13, 98, 107, 108, 204, 127, 253)
        costs.set(4, 213, 232, 233, 244, 249, 251)
        costs.set(5, 227, 245)
        costs.set(10, 231)
        costs.set(12, 243)
        costs.set(14, 239)
    }.map { UInt8(truncatingIfNeeded: $0) }

    /// Weights of the replica's function complexity check.
    static let complexity: [UInt8] = table(256) { weights in
        for code in [0x02, 0x03, 0x04, 0x0c, 0x0d, 0x0e, 0x10, 0x11, 0x12, 0x13, 0x40] { weights[code] = 50 }
        weights[0x25] = 14
        weights[0xd2] = 8
        weights[0xd1] = 6
        for code in 0xa8...0xab { weights[code] = 5 }
        for code in 0xae...0xbb { weights[code] = 5 }
        weights.set(4, 0x8b, 0x8c, 0x99, 0x9a)
        for code in 0x28...0x35 { weights[code] = 3 }
        weights.set(3, 0x6d, 0x6e, 0x6f, 0x70, 0x7f, 0x80, 0x81, 0x82, 0x98, 0xa6, 0x61)
        for code in 0x36...0x3e { weights[code] = 2 }
        for code in 0x45...0x60 { weights[code] = 2 }
        for code in 0x62...0x66 { weights[code] = 2 }
        weights.set(2, 0x23, 0x24)
    }.map { UInt8(truncatingIfNeeded: $0) }

    private static func table(_ count: Int, _ fill: (inout [Int]) -> Void) -> [Int] {
        var values = [Int](repeating: 1, count: count)
        fill(&values)
        return values
    }
}

extension [Int] {
    fileprivate mutating func set(_ value: Int, _ codes: Int...) {
        for code in codes { self[code] = value }
    }
}
