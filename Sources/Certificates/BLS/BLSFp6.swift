extension BLS12381 {
    /// c0 + c1·v + c2·v² with v³ = ξ = 1 + u: the cubic extension of Fp2.
    package struct Fp6: Equatable, Sendable {
        package var c0, c1, c2: Fp2

        @inline(__always)
        package init(_ c0: Fp2, _ c1: Fp2, _ c2: Fp2) { (self.c0, self.c1, self.c2) = (c0, c1, c2) }

        package static let zero = Fp6(.zero, .zero, .zero)
        package static let one = Fp6(.one, .zero, .zero)

        package static func + (a: Self, b: Self) -> Self { Self(a.c0 + b.c0, a.c1 + b.c1, a.c2 + b.c2) }

        package static func - (a: Self, b: Self) -> Self { Self(a.c0 - b.c0, a.c1 - b.c1, a.c2 - b.c2) }

        package static prefix func - (a: Self) -> Self { Self(-a.c0, -a.c1, -a.c2) }

        /// Karatsuba: six products in Fp2.
        @inline(never)
        package static func * (a: Self, b: Self) -> Self {
            let t0 = a.c0 * b.c0
            let t1 = a.c1 * b.c1
            let t2 = a.c2 * b.c2
            let s12 = (a.c1 + a.c2) * (b.c1 + b.c2) - t1 - t2
            let s01 = (a.c0 + a.c1) * (b.c0 + b.c1) - t0 - t1
            let s02 = (a.c0 + a.c2) * (b.c0 + b.c2) - t0 - t2
            return Self(t0 + s12.timesXi, s01 + t2.timesXi, s02 + t1)
        }

        /// The product with b0 + b1·v: five products in Fp2.
        @inline(never)
        func times(_ b0: Fp2, _ b1: Fp2) -> Self {
            let t0 = c0 * b0
            let t1 = c1 * b1
            let s01 = (c0 + c1) * (b0 + b1) - t0 - t1
            return Self(t0 + (c2 * b1).timesXi, s01, c2 * b0 + t1)
        }

        /// The product with b1·v.
        @inline(__always)
        func timesV(_ b1: Fp2) -> Self { Self((c2 * b1).timesXi, c0 * b1, c1 * b1) }

        /// The product with v, by which the last extension is built.
        @inline(__always)
        var timesV: Self { Self(c2.timesXi, c0, c1) }

        package var inverse: Self {
            let t0 = c0.squared - (c1 * c2).timesXi
            let t1 = c2.squared.timesXi - c0 * c1
            let t2 = c1.squared - c0 * c2
            let scale = (c0 * t0 + (c2 * t1 + c1 * t2).timesXi).inverse
            return Self(t0 * scale, t1 * scale, t2 * scale)
        }
    }
}
