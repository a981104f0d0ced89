extension BLS12381 {
    /// An integer modulo p = (x − 1)²·r/3 + x with x = −0xd201000000010000, the 381-bit field modulus.
    ///
    /// Kept as a·2³⁸⁴ mod p (Montgomery form) in six little-endian limbs, always below p, so equality is
    /// equality of limbs. Addition, subtraction, multiplication and selection are straight-line code.
    package struct Fp: Equatable, Sendable {
        var l0, l1, l2, l3, l4, l5: UInt64

        /// The limbs of a·2³⁸⁴ mod p, least significant first.
        @inline(__always)
        init(montgomery l0: UInt64, _ l1: UInt64, _ l2: UInt64, _ l3: UInt64, _ l4: UInt64, _ l5: UInt64) {
            (self.l0, self.l1, self.l2, self.l3, self.l4, self.l5) = (l0, l1, l2, l3, l4, l5)
        }

        package static let zero = Fp(montgomery: 0, 0, 0, 0, 0, 0)
        package static let one = Fp(
            montgomery: 0x7609_0000_0002_fffd, 0xebf4_000b_c40c_0002, 0x5f48_9857_53c7_58ba,
            0x77ce_5853_7052_5745, 0x5c07_1a97_a256_ec6d, 0x15f6_5ec3_fa80_e493)
        /// 2⁷⁶⁸ mod p as bare limbs: multiplying by it brings bare limbs into Montgomery form.
        static let radixSquared = Fp(
            montgomery: 0xf4df_1f34_1c34_1746, 0x0a76_e6a6_09d1_04f1, 0x8de5_476c_4c95_b6d5,
            0x67eb_88a9_939d_83c0, 0x9a79_3e85_b519_952d, 0x1198_8fe5_92ca_e3aa)
    }

    /// The limbs of p, least significant first, and −1/p mod 2⁶⁴.
    enum Modulus {
        static let p0: UInt64 = 0xb9fe_ffff_ffff_aaab
        static let p1: UInt64 = 0x1eab_fffe_b153_ffff
        static let p2: UInt64 = 0x6730_d2a0_f6b0_f624
        static let p3: UInt64 = 0x6477_4b84_f385_12bf
        static let p4: UInt64 = 0x4b1b_a7b6_434b_acd7
        static let p5: UInt64 = 0x1a01_11ea_397f_e69a
        static let negatedInverse: UInt64 = 0x89f3_fffc_fffc_fffd
    }
}

/// a + b + carry; the carry becomes the upper half (0 or 1).
@inline(__always)
private func add(_ a: UInt64, _ b: UInt64, _ carry: inout UInt64) -> UInt64 {
    let sum = UInt128(a) &+ UInt128(b) &+ UInt128(carry)
    carry = UInt64(truncatingIfNeeded: sum &>> 64)
    return UInt64(truncatingIfNeeded: sum)
}

/// a − b − borrow; the borrow becomes 0 or 1.
@inline(__always)
private func subtract(_ a: UInt64, _ b: UInt64, _ borrow: inout UInt64) -> UInt64 {
    let difference = UInt128(a) &- UInt128(b) &- UInt128(borrow)
    borrow = UInt64(truncatingIfNeeded: difference &>> 64) & 1
    return UInt64(truncatingIfNeeded: difference)
}

/// c + a·b + carry, which fits 128 bits; the carry becomes the upper half.
@inline(__always)
private func multiplyAdd(_ c: UInt64, _ a: UInt64, _ b: UInt64, _ carry: inout UInt64) -> UInt64 {
    let sum = UInt128(a) &* UInt128(b) &+ UInt128(c) &+ UInt128(carry)
    carry = UInt64(truncatingIfNeeded: sum &>> 64)
    return UInt64(truncatingIfNeeded: sum)
}

extension BLS12381.Fp {
    private typealias Modulus = BLS12381.Modulus

    /// The value less p if it is p or more; the value must be below 2p.
    @inline(__always)
    private func reducedOnce() -> Self {
        var borrow: UInt64 = 0
        var result = Self(
            montgomery: subtract(l0, Modulus.p0, &borrow), subtract(l1, Modulus.p1, &borrow),
            subtract(l2, Modulus.p2, &borrow), subtract(l3, Modulus.p3, &borrow),
            subtract(l4, Modulus.p4, &borrow), subtract(l5, Modulus.p5, &borrow))
        result.replace(with: self, where: 0 &- borrow)
        return result
    }

    /// Becomes `other` where the mask is all ones, stays where it is zero.
    @inline(__always)
    package mutating func replace(with other: Self, where mask: UInt64) {
        l0 ^= mask & (l0 ^ other.l0)
        l1 ^= mask & (l1 ^ other.l1)
        l2 ^= mask & (l2 ^ other.l2)
        l3 ^= mask & (l3 ^ other.l3)
        l4 ^= mask & (l4 ^ other.l4)
        l5 ^= mask & (l5 ^ other.l5)
    }

    @inline(__always)
    package static func + (a: Self, b: Self) -> Self {
        var carry: UInt64 = 0
        return Self(
            montgomery: add(a.l0, b.l0, &carry), add(a.l1, b.l1, &carry), add(a.l2, b.l2, &carry),
            add(a.l3, b.l3, &carry), add(a.l4, b.l4, &carry), add(a.l5, b.l5, &carry)
        ).reducedOnce()
    }

    @inline(__always)
    package static func - (a: Self, b: Self) -> Self {
        var borrow: UInt64 = 0
        let d0 = subtract(a.l0, b.l0, &borrow)
        let d1 = subtract(a.l1, b.l1, &borrow)
        let d2 = subtract(a.l2, b.l2, &borrow)
        let d3 = subtract(a.l3, b.l3, &borrow)
        let d4 = subtract(a.l4, b.l4, &borrow)
        let d5 = subtract(a.l5, b.l5, &borrow)
        let mask = 0 &- borrow
        var carry: UInt64 = 0
        return Self(
            montgomery: add(d0, mask & Modulus.p0, &carry), add(d1, mask & Modulus.p1, &carry),
            add(d2, mask & Modulus.p2, &carry), add(d3, mask & Modulus.p3, &carry),
            add(d4, mask & Modulus.p4, &carry), add(d5, mask & Modulus.p5, &carry))
    }

    @inline(__always)
    package static prefix func - (a: Self) -> Self { zero - a }

    /// t ← (t + a·b + m·p) / 2⁶⁴ with m chosen so that the division is exact.
    ///
    /// The top limb of p is below 2⁶², so the two carries never leave the sixth limb.
    @inline(__always)
    private mutating func accumulateRow(_ a: UInt64, _ b: Self) {
        var high: UInt64 = 0
        var reduction: UInt64 = 0
        let t0 = multiplyAdd(l0, a, b.l0, &high)
        let m = t0 &* Modulus.negatedInverse
        _ = multiplyAdd(t0, m, Modulus.p0, &reduction)
        l0 = multiplyAdd(multiplyAdd(l1, a, b.l1, &high), m, Modulus.p1, &reduction)
        l1 = multiplyAdd(multiplyAdd(l2, a, b.l2, &high), m, Modulus.p2, &reduction)
        l2 = multiplyAdd(multiplyAdd(l3, a, b.l3, &high), m, Modulus.p3, &reduction)
        l3 = multiplyAdd(multiplyAdd(l4, a, b.l4, &high), m, Modulus.p4, &reduction)
        l4 = multiplyAdd(multiplyAdd(l5, a, b.l5, &high), m, Modulus.p5, &reduction)
        l5 = reduction &+ high
    }

    /// The Montgomery product a·b/2³⁸⁴, rows of multiplication and reduction interleaved (Koç, Acar, Kaliski:
    /// Analyzing and comparing Montgomery multiplication algorithms, CIOS).
    @inline(never)
    package static func * (a: Self, b: Self) -> Self {
        var t = zero
        t.accumulateRow(a.l0, b)
        t.accumulateRow(a.l1, b)
        t.accumulateRow(a.l2, b)
        t.accumulateRow(a.l3, b)
        t.accumulateRow(a.l4, b)
        t.accumulateRow(a.l5, b)
        return t.reducedOnce()
    }

    @inline(__always)
    package var squared: Self { self * self }

    @inline(__always)
    package var doubled: Self { self + self }

    package var isZero: Bool { (l0 | l1 | l2 | l3 | l4 | l5) == 0 }

    /// The same integer as bare limbs, out of Montgomery form.
    @inline(__always)
    var integer: Self { self * Self(montgomery: 1, 0, 0, 0, 0, 0) }

    /// The integer's lowest bit: `sgn0` of RFC 9380, section 4.1.
    package var isOdd: Bool { integer.l0 & 1 == 1 }
}
