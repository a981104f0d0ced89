import InternetComputer
import Testing

@Suite struct BLSPairingTests {
    typealias G1 = BLS12381.G1
    typealias G2 = BLS12381.G2

    private func g1(_ n: UInt64) throws -> BLS12381.AffinePoint<G1> {
        try #require(BLS12381.Point(G1.generator).multiplied(byPublic: n).affine)
    }

    private func g2(_ n: UInt64) throws -> BLS12381.PreparedG2 {
        BLS12381.PreparedG2(try #require(BLS12381.Point(G2.generator).multiplied(byPublic: n).affine))
    }

    @Test func theValueIsThatOfPyECC() throws {
        let value = BLS12381.pairingProduct([(try g1(5), try g2(7))])
        let coefficients = [
            value.c0.c0, value.c1.c0, value.c0.c1, value.c1.c1, value.c0.c2, value.c1.c2,
        ]
        #expect(coefficients.map(\.bigEndian) == BLSVectors.pairing.map { [UInt8](blsHex: $0) })
    }

    @Test func thePairingIsBilinearAndNotDegenerate() throws {
        let base = BLS12381.pairingProduct([(G1.generator, try g2(1))])
        #expect(base != .one)
        var power = BLS12381.Fp12.one
        for _ in 0..<35 { power = power * base }
        #expect(BLS12381.pairingProduct([(try g1(35), try g2(1))]) == power)
        #expect(BLS12381.pairingProduct([(try g1(1), try g2(35))]) == power)
        #expect(BLS12381.pairingProduct([(try g1(5), try g2(7))]) == power)
        #expect(BLS12381.pairingProduct([(-(try g1(35)), try g2(1))]) == power.conjugate)
        #expect(BLS12381.pairingProduct([(try g1(34), try g2(1))]) != power)
    }

    @Test func valuesHaveTheOrderOfTheGroup() throws {
        let base = BLS12381.pairingProduct([(G1.generator, try g2(1))])
        var power = BLS12381.Fp12.one
        for byte in BLS12381.Scalar.order.bigEndian {
            for bit in (0..<8).reversed() {
                power = power.squared
                if byte >> UInt8(bit) & 1 == 1 { power = power * base }
            }
        }
        #expect(power == .one)
    }

    @Test func aProductOfPairingsIsOneLoop() throws {
        // e(3, 4)·e(5, 6)·e(−42, 1) = 1
        #expect(
            BLS12381.pairingProduct([
                (try g1(3), try g2(4)), (try g1(5), try g2(6)), (-(try g1(42)), try g2(1)),
            ])
                == .one)
        #expect(
            BLS12381.pairingProduct([
                (try g1(3), try g2(4)), (try g1(5), try g2(6)), (-(try g1(41)), try g2(1)),
            ])
                != .one)
        #expect(BLS12381.pairingProduct([]) == .one)
    }
}
