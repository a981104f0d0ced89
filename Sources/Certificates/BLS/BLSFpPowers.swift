extension BLS12381.Fp {
    /// a^((p − 3)/4): since p ≡ 3 (mod 4), square roots and inverses are both a few products away from it.
    ///
    /// The exponent is public, so its windows of four bits may choose what is read.
    package var rootExponentPower: Self {
        let exponent: InlineArray<6, UInt64> = [
            0xee7f_bfff_ffff_eaaa, 0x07aa_ffff_ac54_ffff, 0xd9cc_34a8_3dac_3d89,
            0xd91d_d2e1_3ce1_44af, 0x92c6_e9ed_90d2_eb35, 0x0680_447a_8e5f_f9a6,
        ]
        var powers = InlineArray<16, Self>(repeating: .one)
        for i in 1..<16 { powers[i] = powers[i - 1] * self }
        var result = Self.one
        for limb in (0..<6).reversed() {
            for shift in stride(from: UInt64(60), through: 0, by: -4) {
                result = result.squared.squared.squared.squared
                let digit = Int(truncatingIfNeeded: (exponent[limb] &>> shift) & 15)
                if digit != 0 { result = result * powers[digit] }
            }
        }
        return result
    }

    /// 1/a, and 0 for 0: a^(p−2) = (a^((p−3)/4))⁴ · a.
    package var inverse: Self { rootExponentPower.squared.squared * self }

    /// The root a^((p+1)/4), or nil when a is not a square.
    package var squareRoot: Self? {
        let root = rootExponentPower * self
        return root.squared == self ? root : nil
    }
}

extension BLS12381.Fp: ExpressibleByIntegerLiteral {
    /// A constant below p, written as the plain integer.
    package init(integerLiteral value: StaticBigInt) {
        precondition(value.signum() >= 0 && value.bitWidth <= 382, "a field constant has at most 381 bits")
        // Words of the literal are as wide as the machine's: 64 bits, or 32 in the browser.
        func limb(_ index: Int) -> UInt64 {
            let words = 64 / UInt.bitWidth
            return (0..<words).reduce(0) { $0 | UInt64(value[index * words + $1]) &<< UInt64($1 * UInt.bitWidth) }
        }
        let bare = Self(montgomery: limb(0), limb(1), limb(2), limb(3), limb(4), limb(5))
        precondition(bare.isBelowModulus, "a field constant is below the modulus")
        self = bare * .radixSquared
    }
}

extension BLS12381.Fp {
    package static let byteCount = 48

    /// Whether these bare limbs are an integer below p. Branches: for public values.
    private var isBelowModulus: Bool {
        typealias Modulus = BLS12381.Modulus
        let limbs = [
            (l5, Modulus.p5), (l4, Modulus.p4), (l3, Modulus.p3), (l2, Modulus.p2), (l1, Modulus.p1),
        ]
        for (limb, modulus) in limbs where limb != modulus { return limb < modulus }
        return l0 < Modulus.p0
    }

    /// Reads 48 big-endian bytes; nil if they are not below p.
    package init?(bigEndian bytes: ArraySlice<UInt8>) {
        precondition(bytes.count == Self.byteCount, "a field element has 48 bytes")
        let bare = Self(bareBigEndian: bytes)
        guard bare.isBelowModulus else { return nil }
        self = bare * .radixSquared
    }

    /// Up to 48 big-endian bytes as bare limbs.
    private init(bareBigEndian bytes: ArraySlice<UInt8>) {
        var limbs = InlineArray<6, UInt64>(repeating: 0)
        for (i, byte) in bytes.reversed().enumerated() { limbs[i / 8] |= UInt64(byte) << UInt64(8 * (i % 8)) }
        self.init(montgomery: limbs[0], limbs[1], limbs[2], limbs[3], limbs[4], limbs[5])
    }

    /// The residue of a 64-byte big-endian integer (`OS2IP(...) mod p` of RFC 9380, section 5.2).
    package init(reducing bytes: ArraySlice<UInt8>) {
        precondition(bytes.count == 64, "hash to field takes 64 bytes per element")
        let high = Self(bareBigEndian: bytes.prefix(32)) * .radixSquared
        let low = Self(bareBigEndian: bytes.suffix(32)) * .radixSquared
        self = high * Self.twoTo256 + low
    }

    private static let twoTo256: Self =
        0x1_0000000000000000_0000000000000000_0000000000000000_0000000000000000

    /// The integer in 48 big-endian bytes.
    package var bigEndian: [UInt8] {
        let bare = integer
        return [bare.l5, bare.l4, bare.l3, bare.l2, bare.l1, bare.l0].flatMap { limb in
            (0..<8).map { UInt8(truncatingIfNeeded: limb >> UInt64(56 - 8 * $0)) }
        }
    }

    /// Whether the integer is above (p − 1)/2, that is, larger than its negative. Branches: for public
    /// values.
    package var isLarge: Bool { !isZero && (-self).bigEndian.lexicographicallyPrecedes(bigEndian) }
}
