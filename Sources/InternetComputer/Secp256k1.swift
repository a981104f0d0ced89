import Crypto

/// ECDSA on the curve y² = x³ + 7 over the field of 2²⁵⁶ − 2³² − 977 (SEC 2, section 2.4.1): verification only.
enum Secp256k1 {
    static let field = MontgomeryModulus([
        0xffff_fffe_ffff_fc2f, 0xffff_ffff_ffff_ffff, 0xffff_ffff_ffff_ffff, 0xffff_ffff_ffff_ffff,
    ])
    /// The order of the generator.
    static let order = MontgomeryModulus([
        0xbfd2_5e8c_d036_4141, 0xbaae_dce6_af48_a03b, 0xffff_ffff_ffff_fffe, 0xffff_ffff_ffff_ffff,
    ])
    static let generator = Point(
        x: field.encoded([
            0x59f2_815b_16f8_1798, 0x029b_fcdb_2dce_28d9, 0x55a0_6295_ce87_0b07, 0x79be_667e_f9dc_bbac,
        ]),
        y: field.encoded([
            0x9c47_d08f_fb10_d4b8, 0xfd17_b448_a685_5419, 0x5da4_fbfc_0e11_08a8, 0x483a_da77_26a3_c465,
        ]),
        z: field.one)

    /// A point in Jacobian coordinates, residues in Montgomery form; z = 0 is the neutral element.
    struct Point: Sendable {
        var x: Limbs
        var y: Limbs
        var z: Limbs

        static var neutral: Point { Point(x: field.one, y: field.one, z: Limbs(repeating: 0)) }
        var isNeutral: Bool { MontgomeryModulus.isZero(z) }
    }

    /// The point with the affine coordinates x ‖ y, 32 big-endian bytes each; nil when it is not on the curve.
    static func point(_ bytes: [UInt8]) -> Point? {
        guard bytes.count == 64 else { return nil }
        let (x, y) = (limbs(bytes[..<32]), limbs(bytes[32...]))
        guard field.isBelow(x), field.isBelow(y) else { return nil }
        let point = Point(x: field.encoded(x), y: field.encoded(y), z: field.one)
        let right = field.add(field.multiply(field.square(point.x), point.x), field.encoded([7, 0, 0, 0]))
        return MontgomeryModulus.equal(field.square(point.y), right) ? point : nil
    }

    /// Whether r ‖ s signs the SHA-256 of `message` (SEC 1, section 4.1.4). Both values of s count.
    static func isValid(_ signature: [UInt8], of message: [UInt8], by key: Point) -> Bool {
        guard signature.count == 64 else { return false }
        let (r, s) = (limbs(signature[..<32]), limbs(signature[32...]))
        guard order.isBelow(r), order.isBelow(s), !MontgomeryModulus.isZero(r), !MontgomeryModulus.isZero(s)
        else { return false }
        var hash = limbs(Array(SHA256.hash(data: message))[...])
        if !order.isBelow(hash) { hash = MontgomeryModulus.difference(hash, order.value).limbs }
        let inverse = order.inverted(order.encoded(s))
        // A residue times one in Montgomery form comes back plain.
        let first = order.multiply(hash, inverse)
        let second = order.multiply(r, inverse)
        let sum = combination(first, generator, second, key)
        guard !sum.isNeutral else { return false }
        let zInverse = field.inverted(sum.z)
        let x = field.decoded(field.multiply(sum.x, field.square(zInverse)))
        let reduced = order.isBelow(x) ? x : MontgomeryModulus.difference(x, order.value).limbs
        return MontgomeryModulus.equal(reduced, r)
    }

    /// a·p + b·q, both scalars bit by bit over common doublings.
    static func combination(_ a: Limbs, _ p: Point, _ b: Limbs, _ q: Point) -> Point {
        let both = sum(p, q)
        var result = Point.neutral
        for bit in (0..<256).reversed() {
            result = doubled(result)
            switch (a[bit / 64] >> UInt64(bit % 64) & 1, b[bit / 64] >> UInt64(bit % 64) & 1) {
            case (1, 1): result = sum(result, both)
            case (1, _): result = sum(result, p)
            case (_, 1): result = sum(result, q)
            default: break
            }
        }
        return result
    }

    /// 2p, the formulas "dbl-2009-l" of the Explicit-Formulas Database.
    static func doubled(_ p: Point) -> Point {
        let a = field.square(p.x)
        let b = field.square(p.y)
        let c = field.square(b)
        let cross = field.subtract(field.subtract(field.square(field.add(p.x, b)), a), c)
        let d = field.add(cross, cross)
        let e = field.add(field.add(a, a), a)
        let x = field.subtract(field.square(e), field.add(d, d))
        let c2 = field.add(c, c)
        let c4 = field.add(c2, c2)
        let y = field.subtract(field.multiply(e, field.subtract(d, x)), field.add(c4, c4))
        let yz = field.multiply(p.y, p.z)
        return Point(x: x, y: y, z: field.add(yz, yz))
    }

    /// p + q, the formulas "add-2007-bl" and their exceptions.
    static func sum(_ p: Point, _ q: Point) -> Point {
        if p.isNeutral { return q }
        if q.isNeutral { return p }
        let (zz1, zz2) = (field.square(p.z), field.square(q.z))
        let (u1, u2) = (field.multiply(p.x, zz2), field.multiply(q.x, zz1))
        let s1 = field.multiply(field.multiply(p.y, q.z), zz2)
        let s2 = field.multiply(field.multiply(q.y, p.z), zz1)
        let h = field.subtract(u2, u1)
        let slope = field.subtract(s2, s1)
        if MontgomeryModulus.isZero(h) { return MontgomeryModulus.isZero(slope) ? doubled(p) : .neutral }
        let i = field.square(field.add(h, h))
        let j = field.multiply(h, i)
        let r = field.add(slope, slope)
        let v = field.multiply(u1, i)
        let x = field.subtract(field.subtract(field.square(r), j), field.add(v, v))
        let sj = field.multiply(s1, j)
        let y = field.subtract(field.multiply(r, field.subtract(v, x)), field.add(sj, sj))
        let z = field.multiply(
            field.subtract(field.subtract(field.square(field.add(p.z, q.z)), zz1), zz2), h)
        return Point(x: x, y: y, z: z)
    }

    private static func limbs(_ bytes: ArraySlice<UInt8>) -> Limbs {
        let start = bytes.startIndex
        return InlineArray { limb in
            (0..<8).reduce(0) { $0 << 8 | UInt64(bytes[start + 8 * (3 - limb) + $1]) }
        }
    }
}
