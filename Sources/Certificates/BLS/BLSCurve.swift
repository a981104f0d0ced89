extension BLS12381 {
    /// One of the two curves y² = x³ + b, of odd order, with a subgroup of prime order r.
    package protocol Curve: Sendable {
        associatedtype F: Field
        static var b: F { get }
        /// 3·b·a.
        static func timesThreeB(_ a: F) -> F
        static var generator: AffinePoint<Self> { get }
        /// Whether r·P is the point at infinity.
        static func isInSubgroup(_ point: Point<Self>) -> Bool
    }

    /// A point of a curve in affine coordinates; never the point at infinity.
    package struct AffinePoint<C: Curve>: Equatable, Sendable {
        package var x, y: C.F

        package init(x: C.F, y: C.F) { (self.x, self.y) = (x, y) }

        package var isOnCurve: Bool { y.squared == x.squared * x + C.b }

        package static prefix func - (a: Self) -> Self { Self(x: a.x, y: -a.y) }
    }

    /// A point (x : y : z) of a curve in homogeneous coordinates, affine (x/z, y/z); z = 0 is infinity.
    ///
    /// The formulas are the complete ones for a = 0 of Renes, Costello and Batina (Complete addition formulas
    /// for prime order elliptic curves, 2016, algorithms 7 and 9). They have no special case as long as no
    /// point has order 2, and both curves have odd order.
    package struct Point<C: Curve>: Sendable {
        package var x, y, z: C.F

        @inline(__always)
        package init(x: C.F, y: C.F, z: C.F) { (self.x, self.y, self.z) = (x, y, z) }

        package init(_ affine: AffinePoint<C>) { self.init(x: affine.x, y: affine.y, z: .one) }

        package static var infinity: Self { Self(x: .zero, y: .one, z: .zero) }

        package var isInfinity: Bool { z.isZero }

        package static func == (a: Self, b: Self) -> Bool {
            a.isInfinity == b.isInfinity && a.x * b.z == b.x * a.z && a.y * b.z == b.y * a.z
        }

        package static func + (a: Self, b: Self) -> Self {
            let xx = a.x * b.x
            let yy = a.y * b.y
            let zz = C.timesThreeB(a.z * b.z)
            let xy = (a.x + a.y) * (b.x + b.y) - xx - yy
            let yz = (a.y + a.z) * (b.y + b.z) - yy - a.z * b.z
            let xz = C.timesThreeB((a.x + a.z) * (b.x + b.z) - xx - a.z * b.z)
            let xx3 = xx.doubled + xx
            let difference = yy - zz
            let sum = yy + zz
            return Self(
                x: xy * difference - yz * xz, y: sum * difference + xx3 * xz, z: yz * sum + xx3 * xy)
        }

        package var doubled: Self {
            let yy = y.squared
            let zz = C.timesThreeB(z.squared)
            let yy8 = yy.doubled.doubled.doubled
            let difference = yy - zz - zz.doubled
            return Self(
                x: (x * y * difference).doubled, y: (yy + zz) * difference + yy8 * zz, z: yy8 * (y * z))
        }

        package static prefix func - (a: Self) -> Self { Self(x: a.x, y: -a.y, z: a.z) }

        /// The affine point, or nil for the point at infinity.
        package var affine: AffinePoint<C>? {
            guard !isInfinity else { return nil }
            let scale = z.inverse
            return AffinePoint(x: x * scale, y: y * scale)
        }

        @inline(__always)
        private mutating func replace(with other: Self, where mask: UInt64) {
            x.replace(with: other.x, where: mask)
            y.replace(with: other.y, where: mask)
            z.replace(with: other.z, where: mask)
        }

        /// k·P, with the same operations and the same memory addresses for every scalar.
        ///
        /// Windows of four bits: four doublings and one addition each, also for the digit zero; every window
        /// reads the whole table.
        package func multiplied(by scalar: Scalar) -> Self {
            var multiples = InlineArray<16, Self>(repeating: .infinity)
            for i in 1..<16 { multiples[i] = multiples[i - 1] + self }
            var result = Self.infinity
            for window in (0..<64).reversed() {
                result = result.doubled.doubled.doubled.doubled
                let digit = scalar.digit(window)
                var multiple = multiples[0]
                for i in 1..<16 {
                    // All ones only when i equals the digit: then the exclusive or is zero and wraps.
                    let mask = 0 &- (((UInt64(i) ^ digit) &- 1) &>> 63)
                    multiple.replace(with: multiples[i], where: mask)
                }
                result = result + multiple
            }
            return result
        }

        /// n·P for a public number: the time depends on it.
        package func multiplied(byPublic n: UInt64) -> Self {
            var result = Self.infinity
            for bit in (0..<(64 - n.leadingZeroBitCount)).reversed() {
                result = result.doubled
                if (n >> UInt64(bit)) & 1 == 1 { result = result + self }
            }
            return result
        }
    }

    /// |x| for the parameter x = −0xd201000000010000 of the curve family.
    package static let parameter: UInt64 = 0xd201_0000_0001_0000
}
