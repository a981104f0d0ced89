extension BLS12381 {
    /// An integer below 2²⁵⁶ that multiplies points, in four little-endian limbs.
    package struct Scalar: Sendable {
        private var limbs: InlineArray<4, UInt64>

        /// The prime order r of both groups.
        package static let order = Scalar(limbs: [
            0xffff_ffff_0000_0001, 0x53bd_a402_fffe_5bfe, 0x3339_d808_09a1_d805, 0x73ed_a753_299d_7d48,
        ])

        private init(limbs: InlineArray<4, UInt64>) { self.limbs = limbs }

        /// Reads 32 big-endian bytes.
        package init(bigEndian bytes: [UInt8]) {
            precondition(bytes.count == 32, "a scalar has 32 bytes")
            limbs = InlineArray { limb in
                (0..<8).reduce(0) { $0 << 8 | UInt64(bytes[8 * (3 - limb) + $1]) }
            }
        }

        package var bigEndian: [UInt8] {
            (0..<32).map { UInt8(truncatingIfNeeded: limbs[3 - $0 / 8] >> UInt64(56 - 8 * ($0 % 8))) }
        }

        /// Four bits: the digit of weight 16^window.
        @inline(__always)
        func digit(_ window: Int) -> UInt64 { (limbs[window / 16] >> UInt64(4 * (window % 16))) & 15 }

        /// Whether the integer lies in 1 ..< r. Reveals nothing else.
        var isValidSecret: Bool {
            var borrow: UInt64 = 0
            var union: UInt64 = 0
            for i in 0..<4 {
                let difference = UInt128(limbs[i]) &- UInt128(Self.order.limbs[i]) &- UInt128(borrow)
                borrow = UInt64(truncatingIfNeeded: difference &>> 64) & 1
                union |= limbs[i]
            }
            let nonzero = (union | (0 &- union)) >> 63
            return borrow & nonzero == 1
        }
    }
}
