extension BLS12381 {
    /// The lines of a Miller loop through a point of G2, ready to be evaluated at points of G1.
    ///
    /// They depend on that point alone: for the generator they are computed once, for a key once per key.
    package struct PreparedG2: Sendable {
        /// The value at (x, y) is c0 + c2·x·w² + c3·y·w³.
        struct Line: Sendable {
            var c0, c2, c3: Fp2
        }

        let lines: [Line]

        /// Walks the loop of length |x|. A point (x, y) of the twist is (x/w², y/w³) on the curve, and a line
        /// with slope λ through it has the value (λ·x − y) − λ·X·w² + Y·w³ at (X, Y), up to factors the final
        /// exponentiation removes. Formulas in homogeneous coordinates: Aranha, Karabina, Longa, Gebotys,
        /// López: Faster explicit formulas for computing pairings over ordinary curves, 2011.
        package init(_ base: AffinePoint<G2>) {
            var point = Point(base)
            var lines: [Line] = []
            lines.reserveCapacity(68)
            for bit in (0..<63).reversed() {
                lines.append(Self.double(&point))
                if (parameter >> UInt64(bit)) & 1 == 1 { lines.append(Self.add(base, to: &point)) }
            }
            self.lines = lines
        }

        /// The tangent; λ = 3x²/2y scaled by 2yz.
        private static func double(_ t: inout Point<G2>) -> Line {
            let yy = t.y.squared
            let zz3b = G2.timesThreeB(t.z.squared)
            let zz9b = zz3b.doubled + zz3b
            let xx = t.x.squared
            let yz2 = (t.y * t.z).doubled
            let line = Line(c0: yy - zz3b, c2: -(xx.doubled + xx), c3: yz2)
            t = Point(
                x: (t.x * t.y).doubled * (yy - zz9b),
                y: (yy + zz9b).squared - (zz3b.squared.doubled + zz3b.squared).doubled.doubled,
                z: (yy * yz2).doubled.doubled)
            return line
        }

        /// The chord; λ = (Y − y·Z)/(X − x·Z) scaled by its denominator.
        private static func add(_ q: AffinePoint<G2>, to t: inout Point<G2>) -> Line {
            let rise = t.y - q.y * t.z
            let run = t.x - q.x * t.z
            let line = Line(c0: rise * q.x - run * q.y, c2: -rise, c3: run)
            let run2 = run.squared
            let run3 = run2 * run
            let abscissa = run2 * t.x
            let remainder = rise.squared * t.z + run3 - abscissa.doubled
            t = Point(
                x: run * remainder, y: rise * (abscissa - remainder) - run3 * t.y, z: run3 * t.z)
            return line
        }
    }

    /// The product of the optimal ate pairings of all pairs, raised to 3: one Miller loop, one final
    /// exponentiation. The cube is a pairing as good, since 3 does not divide the group order.
    package static func pairingProduct(_ pairs: [(g1: AffinePoint<G1>, g2: PreparedG2)]) -> Fp12 {
        finalExponentiation(millerLoop(pairs))
    }

    private static func millerLoop(_ pairs: [(g1: AffinePoint<G1>, g2: PreparedG2)]) -> Fp12 {
        var f = Fp12.one
        var index = 0
        func multiplyLines() {
            for pair in pairs {
                let line = pair.g2.lines[index]
                f = f.times(line.c0, line.c2 * pair.g1.x, line.c3 * pair.g1.y)
            }
            index += 1
        }
        for bit in (0..<63).reversed() {
            f = f.squared
            multiplyLines()
            if (parameter >> UInt64(bit)) & 1 == 1 { multiplyLines() }
        }
        // x is negative.
        return f.conjugate
    }

    /// f^(3(p¹² − 1)/r), the hard part as (x − 1)²(x + p)(x² + p² − 1) + 3 = 3(p⁴ − p² + 1)/r (Hayashida,
    /// Hayasaka, Teruya: Efficient final exponentiation via cyclotomic structure, 2020).
    private static func finalExponentiation(_ f: Fp12) -> Fp12 {
        let unitary = f.conjugate * f.inverse
        let g = unitary.frobenius.frobenius * unitary
        var t = g.raisedToParameter * g.conjugate
        t = t.raisedToParameter * t.conjugate
        t = t.raisedToParameter * t.frobenius
        t = t.raisedToParameter.raisedToParameter * t.frobenius.frobenius * t.conjugate
        return t * g.cyclotomicSquared * g
    }
}

extension BLS12381.Fp12 {
    /// a^x for the negative parameter x and a in the cyclotomic subgroup.
    fileprivate var raisedToParameter: Self {
        var result = self
        for bit in (0..<63).reversed() {
            result = result.cyclotomicSquared
            if (BLS12381.parameter >> UInt64(bit)) & 1 == 1 { result = result * self }
        }
        return result.conjugate
    }
}
