extension BLS12381 {
    /// c0 + c1·w with w² = v: the field in which pairings take their values.
    ///
    /// Over Fp2 an element is Σ aᵢwⁱ for i in 0 ..< 6, w⁶ = ξ; c0 holds a₀, a₂, a₄ and c1 holds a₁, a₃, a₅.
    package struct Fp12: Equatable, Sendable {
        package var c0, c1: Fp6

        package init(_ c0: Fp6, _ c1: Fp6) { (self.c0, self.c1) = (c0, c1) }

        package static let one = Fp12(.one, .zero)

        /// Karatsuba: three products in Fp6.
        package static func * (a: Self, b: Self) -> Self {
            let t0 = a.c0 * b.c0
            let t1 = a.c1 * b.c1
            let cross = (a.c0 + a.c1) * (b.c0 + b.c1)
            return Self(t0 + t1.timesV, cross - t0 - t1)
        }

        /// The product with the line value a + b·w² + c·w³, in 13 products of Fp2.
        func times(_ a: Fp2, _ b: Fp2, _ c: Fp2) -> Self {
            let t0 = c0.times(a, b)
            let t1 = c1.timesV(c)
            return Self(t0 + t1.timesV, (c0 + c1).times(a, b + c) - t0 - t1)
        }

        /// The square in two products of Fp6.
        package var squared: Self {
            let product = c0 * c1
            let t = (c0 + c1) * (c0 + c1.timesV)
            return Self(t - product - product.timesV, product + product)
        }

        /// c0 − c1·w: the p⁶-th power, which is the inverse in the cyclotomic subgroup.
        package var conjugate: Self { Self(c0, -c1) }

        package var inverse: Self {
            let scale = (c0 * c0 - (c1 * c1).timesV).inverse
            return Self(c0 * scale, -(c1 * scale))
        }

        /// The p-th power: each aᵢ is conjugated and multiplied with ξ^(i(p−1)/6).
        package var frobenius: Self {
            Self(
                Fp6(
                    c0.c0.conjugate,
                    c0.c1.conjugate * Self.frobeniusFactors[1],
                    c0.c2.conjugate * Self.frobeniusFactors[3]),
                Fp6(
                    c1.c0.conjugate * Self.frobeniusFactors[0],
                    c1.c1.conjugate * Self.frobeniusFactors[2],
                    c1.c2.conjugate * Self.frobeniusFactors[4]))
        }

        /// The square of an element of the cyclotomic subgroup, by nine squares of Fp2 (Granger and Scott:
        /// Faster squaring in the cyclotomic subgroup of sixth degree extensions).
        package var cyclotomicSquared: Self {
            let (a0, a1) = Self.quarticSquare(c0.c0, c1.c1)
            let (b0, b1) = Self.quarticSquare(c1.c0, c0.c2)
            let (d0, d1) = Self.quarticSquare(c0.c1, c1.c2)
            return Self(
                Fp6(
                    Self.tripleLess(a0, c0.c0), Self.tripleLess(b0, c0.c1), Self.tripleLess(d0, c0.c2)),
                Fp6(
                    Self.triplePlus(d1.timesXi, c1.c0), Self.triplePlus(a1, c1.c1),
                    Self.triplePlus(b1, c1.c2)))
        }

        /// (a + b·s)² with s² = ξ.
        private static func quarticSquare(_ a: Fp2, _ b: Fp2) -> (Fp2, Fp2) {
            let aa = a.squared
            let bb = b.squared
            return (aa + bb.timesXi, (a + b).squared - aa - bb)
        }

        /// 3t − 2z.
        @inline(__always)
        private static func tripleLess(_ t: Fp2, _ z: Fp2) -> Fp2 { (t - z).doubled + t }

        /// 3t + 2z.
        @inline(__always)
        private static func triplePlus(_ t: Fp2, _ z: Fp2) -> Fp2 { (t + z).doubled + t }

        /// ξ^(i(p−1)/6) for i = 1 ... 5.
        private static let frobeniusFactors: InlineArray<5, Fp2> = [
            Fp2(
                0x1904d3bf02bb0667c231beb4202c0d1f_0fd603fd3cbd5f4f7b2443d784bab9c4_f67ea53d63e7813d8d0775ed92235fb8,
                0x00fc3e2b36c4e03288e9e902231f9fb8_54a14787b6c7b36fec0c8ec971f63c5f_282d5ac14d6c7ec22cf78a126ddc4af3
            ),
            Fp2(
                0,
                0x1a0111ea397fe699ec02408663d4de85_aa0d857d89759ad4897d29650fb85f9b_409427eb4f49fffd8bfd00000000aaac
            ),
            Fp2(
                0x06af0e0437ff400b6831e36d6bd17ffe_48395dabc2d3435e77f76e17009241c5_ee67992f72ec05f4c81084fbede3cc09,
                0x06af0e0437ff400b6831e36d6bd17ffe_48395dabc2d3435e77f76e17009241c5_ee67992f72ec05f4c81084fbede3cc09
            ),
            Fp2(
                0x1a0111ea397fe699ec02408663d4de85_aa0d857d89759ad4897d29650fb85f9b_409427eb4f49fffd8bfd00000000aaad,
                0),
            Fp2(
                0x05b2cfd9013a5fd8df47fa6b48b1e045_f39816240c0b8fee8beadf4d8e9c0566_c63a3e6e257f87329b18fae980078116,
                0x144e4211384586c16bd3ad4afa99cc91_70df3560e77982d0db45f3536814f0bd_5871c1908bd478cd1ee605167ff82995
            ),
        ]
    }
}
