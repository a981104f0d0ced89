import InternetComputer
import Testing

@Suite struct BLSCurveTests {
    typealias G1 = BLS12381.G1
    typealias G2 = BLS12381.G2
    typealias Point = BLS12381.Point
    typealias Scalar = BLS12381.Scalar

    @Test(arguments: BLSVectors.multiples)
    func multiplesOfTheGenerators(scalar: String, g1: String, g2: String) {
        let k = Scalar(bigEndian: [UInt8](blsHex: scalar))
        #expect(Point<G1>(G1.generator).multiplied(by: k).affine?.compressed == [UInt8](blsHex: g1))
        #expect(Point<G2>(G2.generator).multiplied(by: k).affine?.compressed == [UInt8](blsHex: g2))
    }

    /// The group laws, among them every case in which incomplete formulas fail.
    private func checkLaws<C: BLS12381.Curve>(_ curve: C.Type) {
        var random = BLSRandom(state: 21)
        let generator = Point<C>(C.generator)
        let infinity = Point<C>.infinity
        #expect(C.generator.isOnCurve && C.isInSubgroup(generator))
        #expect(
            infinity.isInfinity && infinity.affine == nil && infinity == infinity && C.isInSubgroup(infinity))
        #expect(!(generator == infinity) && !(infinity == generator))
        #expect(C.timesThreeB(.one) == C.b + C.b + C.b)
        for _ in 0..<4 {
            let p = generator.multiplied(by: random.scalar())
            let q = generator.multiplied(by: random.scalar())
            #expect(p.affine?.isOnCurve == true)
            #expect((p + q).affine?.isOnCurve == true)
            #expect(p + q == q + p)
            #expect((p + q) + p == p + (q + p))
            #expect(p + p == p.doubled)
            #expect((p + -p).isInfinity)
            #expect(p + infinity == p && infinity + p == p)
            #expect(!(p == -p) && !(p == q))
            #expect(p.multiplied(byPublic: 5) == p.doubled.doubled + p)
        }
        #expect(infinity.doubled.isInfinity && (infinity + infinity).isInfinity)
        #expect(generator.multiplied(by: .order).isInfinity)
        #expect(generator.multiplied(byPublic: 0).isInfinity)
    }

    @Test func groupLawsOfG1() { checkLaws(G1.self) }

    @Test func groupLawsOfG2() { checkLaws(G2.self) }

    /// The scalar's windows against one bit at a time.
    @Test func constantTimeMultiplicationAgreesWithDoubleAndAdd() {
        var random = BLSRandom(state: 22)
        let base = Point<G1>(G1.generator).multiplied(byPublic: 77)
        for pattern in [[UInt8](repeating: 0, count: 32), [UInt8](repeating: 255, count: 32)]
            + (0..<8).map({ _ in random.bytes(32) })
        {
            var expected = Point<G1>.infinity
            for byte in pattern {
                for bit in (0..<8).reversed() {
                    expected = expected.doubled
                    if byte >> UInt8(bit) & 1 == 1 { expected = expected + base }
                }
            }
            #expect(base.multiplied(by: Scalar(bigEndian: pattern)) == expected)
        }
    }

    /// The fast test by an endomorphism gives the answer of multiplying by the whole order.
    @Test func subgroupTestsAgreeWithTheOrder() throws {
        let ofSmallOrder = BLS12381.AffinePoint<G1>(x: 0, y: 2)
        #expect(ofSmallOrder.isOnCurve && !G1.isInSubgroup(Point(ofSmallOrder)))
        var random = BLSRandom(state: 23)
        var answers: [Bool: Int] = [:]
        var tried = 0
        while tried < 8 {
            // Mapping to the curve without clearing the cofactor, and a random abscissa.
            let p = G1.map(random.fp())
            #expect(p.affine?.isOnCurve == true)
            #expect(G1.isInSubgroup(p) == p.multiplied(by: .order).isInfinity)
            let x = random.fp2()
            guard let y = (x.squared * x + G2.b).squareRoot else { continue }
            let q = Point(BLS12381.AffinePoint<G2>(x: x, y: y))
            #expect(G2.isInSubgroup(q) == q.multiplied(by: .order).isInfinity)
            answers[G2.isInSubgroup(q), default: 0] += 1
            tried += 1
        }
        #expect(answers[false] == 8)
        for _ in 0..<4 {
            let k = random.scalar()
            #expect(G1.isInSubgroup(Point(G1.generator).multiplied(by: k)))
            #expect(G2.isInSubgroup(Point(G2.generator).multiplied(by: k)))
        }
    }
}
