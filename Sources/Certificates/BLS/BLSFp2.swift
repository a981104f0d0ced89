extension BLS12381 {
    /// c0 + c1·u with u² = −1: the quadratic extension, field of coordinates of G2.
    package struct Fp2: Field {
        package var c0, c1: Fp

        @inline(__always)
        package init(_ c0: Fp, _ c1: Fp) { (self.c0, self.c1) = (c0, c1) }

        package static let zero = Fp2(.zero, .zero)
        package static let one = Fp2(.one, .zero)

        @inline(__always)
        package static func + (a: Self, b: Self) -> Self { Self(a.c0 + b.c0, a.c1 + b.c1) }

        @inline(__always)
        package static func - (a: Self, b: Self) -> Self { Self(a.c0 - b.c0, a.c1 - b.c1) }

        @inline(__always)
        package static prefix func - (a: Self) -> Self { Self(-a.c0, -a.c1) }

        /// Karatsuba: three products in Fp.
        @inline(never)
        package static func * (a: Self, b: Self) -> Self {
            let real = a.c0 * b.c0
            let imaginary = a.c1 * b.c1
            let cross = (a.c0 + a.c1) * (b.c0 + b.c1)
            return Self(real - imaginary, cross - real - imaginary)
        }

        @inline(__always)
        package static func * (a: Self, b: Fp) -> Self { Self(a.c0 * b, a.c1 * b) }

        /// (c0 + c1)(c0 − c1) + 2·c0·c1·u.
        @inline(never)
        package func square() -> Self { Self((c0 + c1) * (c0 - c1), (c0 * c1).doubled) }

        @inline(__always)
        package var squared: Self { square() }

        @inline(__always)
        package var doubled: Self { self + self }

        /// c0 − c1·u, which is also the p-th power.
        @inline(__always)
        package var conjugate: Self { Self(c0, -c1) }

        /// The product with ξ = 1 + u, the non-residue the next extension is built on.
        @inline(__always)
        var timesXi: Self { Self(c0 - c1, c0 + c1) }

        package var inverse: Self {
            let scale = (c0.squared + c1.squared).inverse
            return Self(c0 * scale, -(c1 * scale))
        }

        /// A square root by the complex method: for a = (x + y·u)², the norm of a is the square of x² + y²,
        /// so x² = (c0 ± √norm)/2 and y = c1/2x. Nil when a is not a square.
        package var squareRoot: Self? {
            if c1.isZero {
                if let root = c0.squareRoot { return Self(root, .zero) }
                return (-c0).squareRoot.map { Self(.zero, $0) }
            }
            guard let norm = (c0.squared + c1.squared).squareRoot else { return nil }
            for candidate in [(c0 + norm) * .half, (c0 - norm) * .half] {
                let power = candidate.rootExponentPower
                let x = candidate * power
                // power is 1/x when the candidate is a square.
                let root = Self(x, c1 * .half * power)
                if root.square() == self { return root }
            }
            return nil
        }

        package var isZero: Bool { c0.isZero && c1.isZero }

        /// Compares the coefficient of u first.
        package var isLarge: Bool { c1.isZero ? c0.isLarge : c1.isLarge }

        @inline(__always)
        package mutating func replace(with other: Self, where mask: UInt64) {
            c0.replace(with: other.c0, where: mask)
            c1.replace(with: other.c1, where: mask)
        }

        package static let byteCount = 96

        package var bigEndian: [UInt8] { c1.bigEndian + c0.bigEndian }

        package init?(bigEndian bytes: ArraySlice<UInt8>) {
            guard let c1 = Fp(bigEndian: bytes.prefix(48)), let c0 = Fp(bigEndian: bytes.dropFirst(48)) else {
                return nil
            }
            self.init(c0, c1)
        }
    }
}

extension BLS12381.Fp {
    /// 1/2 = (p + 1)/2.
    static let half: Self =
        0x0d0088f51cbff34d258dd3db21a5d66b_b23ba5c279c2895fb39869507b587b12_0f55ffff58a9ffffdcff7fffffffd556
}
