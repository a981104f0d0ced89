/// Four little-endian 64-bit limbs.
typealias Limbs = InlineArray<4, UInt64>

/// Arithmetic modulo an odd 256-bit number whose top bit is set, on residues in Montgomery form.
///
/// Only public values pass through here (signatures are checked, never made), so time may depend on them.
struct MontgomeryModulus: Sendable {
    let value: Limbs
    /// −value⁻¹ mod 2⁶⁴
    private let inverse: UInt64
    /// 2²⁵⁶ mod value: one in Montgomery form.
    let one: Limbs
    private let radixSquared: Limbs

    init(_ value: Limbs) {
        self.value = value
        // Newton's iteration doubles the number of right bits: 5, 10, 20, 40, 80.
        var inverse = 3 &* value[0] ^ 2
        for _ in 0..<4 { inverse = inverse &* (2 &- value[0] &* inverse) }
        self.inverse = 0 &- inverse
        // The top bit is set, so 2²⁵⁶ mod value is 2²⁵⁶ − value; doubling it 256 times gives 2⁵¹² mod value.
        one = Self.difference(Limbs(repeating: 0), value).limbs
        var power = one
        for _ in 0..<256 { power = Self.sum(power, power, value) }
        radixSquared = power
    }

    func encoded(_ a: Limbs) -> Limbs { multiply(a, radixSquared) }
    func decoded(_ a: Limbs) -> Limbs { multiply(a, [1, 0, 0, 0]) }
    func add(_ a: Limbs, _ b: Limbs) -> Limbs { Self.sum(a, b, value) }
    func square(_ a: Limbs) -> Limbs { multiply(a, a) }

    func subtract(_ a: Limbs, _ b: Limbs) -> Limbs {
        let (limbs, borrow) = Self.difference(a, b)
        return borrow ? Self.plainSum(limbs, value).limbs : limbs
    }

    /// a · b · 2⁻²⁵⁶, by rows with interleaved reduction.
    func multiply(_ a: Limbs, _ b: Limbs) -> Limbs {
        var t = InlineArray<6, UInt64>(repeating: 0)
        for i in 0..<4 {
            var carry: UInt64 = 0
            for j in 0..<4 {
                let sum = UInt128(a[j]) &* UInt128(b[i]) &+ UInt128(t[j]) &+ UInt128(carry)
                t[j] = UInt64(truncatingIfNeeded: sum)
                carry = UInt64(truncatingIfNeeded: sum >> 64)
            }
            let top = UInt128(t[4]) &+ UInt128(carry)
            t[4] = UInt64(truncatingIfNeeded: top)
            t[5] = UInt64(truncatingIfNeeded: top >> 64)
            let factor = t[0] &* inverse
            carry = UInt64(
                truncatingIfNeeded: (UInt128(factor) &* UInt128(value[0]) &+ UInt128(t[0])) >> 64)
            for j in 1..<4 {
                let sum = UInt128(factor) &* UInt128(value[j]) &+ UInt128(t[j]) &+ UInt128(carry)
                t[j - 1] = UInt64(truncatingIfNeeded: sum)
                carry = UInt64(truncatingIfNeeded: sum >> 64)
            }
            let last = UInt128(t[4]) &+ UInt128(carry)
            t[3] = UInt64(truncatingIfNeeded: last)
            t[4] = t[5] &+ UInt64(truncatingIfNeeded: last >> 64)
        }
        let result: Limbs = [t[0], t[1], t[2], t[3]]
        let (reduced, borrow) = Self.difference(result, value)
        return t[4] == 0 && borrow ? result : reduced
    }

    /// The inverse of a residue other than zero, by Fermat's theorem: a^(value − 2).
    func inverted(_ a: Limbs) -> Limbs {
        let exponent = Self.difference(value, [2, 0, 0, 0]).limbs
        var result = one
        for bit in (0..<256).reversed() {
            result = square(result)
            if exponent[bit / 64] >> UInt64(bit % 64) & 1 == 1 { result = multiply(result, a) }
        }
        return result
    }

    func isBelow(_ a: Limbs) -> Bool { Self.difference(a, value).borrow }

    static func isZero(_ a: Limbs) -> Bool { a[0] | a[1] | a[2] | a[3] == 0 }

    static func equal(_ a: Limbs, _ b: Limbs) -> Bool {
        (a[0] ^ b[0]) | (a[1] ^ b[1]) | (a[2] ^ b[2]) | (a[3] ^ b[3]) == 0
    }

    private static func sum(_ a: Limbs, _ b: Limbs, _ modulus: Limbs) -> Limbs {
        let (total, carry) = plainSum(a, b)
        let (reduced, borrow) = difference(total, modulus)
        return !carry && borrow ? total : reduced
    }

    private static func plainSum(_ a: Limbs, _ b: Limbs) -> (limbs: Limbs, carry: Bool) {
        var result = Limbs(repeating: 0)
        var carry: UInt128 = 0
        for i in 0..<4 {
            carry = UInt128(a[i]) &+ UInt128(b[i]) &+ carry >> 64
            result[i] = UInt64(truncatingIfNeeded: carry)
        }
        return (result, carry >> 64 != 0)
    }

    static func difference(_ a: Limbs, _ b: Limbs) -> (limbs: Limbs, borrow: Bool) {
        var result = Limbs(repeating: 0)
        var borrow = false
        for i in 0..<4 {
            let (first, under) = a[i].subtractingReportingOverflow(b[i])
            let (second, underAgain) = first.subtractingReportingOverflow(borrow ? 1 : 0)
            result[i] = second
            borrow = under || underAgain
        }
        return (result, borrow)
    }
}
