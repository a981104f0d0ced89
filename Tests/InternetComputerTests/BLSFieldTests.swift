import InternetComputer
import Testing

@Suite struct BLSFieldTests {
    typealias Fp = BLS12381.Fp
    typealias Fp2 = BLS12381.Fp2
    typealias Fp12 = BLS12381.Fp12

    static let modulus = [UInt8](
        blsHex:
            "1a0111ea397fe69a4b1ba7b6434bacd764774b84f38512bf6730d2a0f6b0f6241eabfffeb153ffffb9feffffffffaaab"
    )

    /// p + offset in 48 bytes, for a small offset.
    static func modulus(plus offset: Int) -> [UInt8] {
        var bytes = modulus
        bytes[47] = UInt8(Int(bytes[47]) + offset)
        return bytes
    }

    private func followChain<F: BLS12381.Field>(
        _ type: F.Type, a: String, b: String, lastA: String, lastB: String, squares: String
    ) throws {
        var a = try #require(F(bigEndian: [UInt8](blsHex: a)[...]))
        var b = try #require(F(bigEndian: [UInt8](blsHex: b)[...]))
        var steps = 0
        for expected in squares where !expected.isWhitespace {
            (a, b) = (a * b + a, a - b.squared)
            let root = a.squareRoot
            #expect((root != nil) == (expected == "1"), "step \(steps)")
            if let root { #expect(root * root == a, "step \(steps)") }
            #expect(a * a.inverse == .one, "step \(steps)")
            #expect(a.squared == a * a && a.doubled == a + a && -a == .zero - a, "step \(steps)")
            #expect(a.isLarge != (-a).isLarge, "step \(steps)")
            steps += 1
        }
        #expect(steps == 500)
        #expect(a.bigEndian == [UInt8](blsHex: lastA))
        #expect(b.bigEndian == [UInt8](blsHex: lastB))
    }

    @Test func primeFieldAgreesWithPlainIntegers() throws {
        let chain = BLSVectors.fpChain
        try followChain(
            Fp.self, a: chain.a, b: chain.b, lastA: chain.lastA, lastB: chain.lastB, squares: chain.squares)
    }

    @Test func quadraticFieldAgreesWithPyECC() throws {
        let chain = BLSVectors.fp2Chain
        try followChain(
            Fp2.self, a: chain.a, b: chain.b, lastA: chain.lastA, lastB: chain.lastB, squares: chain.squares)
    }

    @Test func edgesOfThePrimeField() {
        let minusOne = Fp(bigEndian: Self.modulus(plus: -1)[...])
        #expect(minusOne == -Fp.one)
        #expect(minusOne.map { $0 + .one } == .zero)
        #expect(minusOne.map { $0 * $0 } == .one)
        #expect(-Fp.zero == .zero)
        #expect(Fp.zero - .one == -Fp.one)
        #expect(Fp.zero.inverse == .zero)
        #expect(Fp.zero.squareRoot == .zero)
        #expect((4 as Fp).squareRoot.map { $0 == 2 || $0 == -(2 as Fp) } == true)
        #expect((-Fp.one).squareRoot == nil)
        #expect((1 as Fp) == .one)
        #expect((3 as Fp) * 5 == 15)
        #expect((3 as Fp).isOdd && !(4 as Fp).isOdd && (-(4 as Fp)).isOdd)
        #expect(!(1 as Fp).isLarge && (-(1 as Fp)).isLarge && !Fp.zero.isLarge)
    }

    @Test(arguments: [0, 1, 0x54])
    func atTheModulusAndAboveBytesAreRefused(offset: Int) {
        #expect(Fp(bigEndian: Self.modulus(plus: offset)[...]) == nil)
        #expect(Fp(bigEndian: [UInt8](repeating: 255, count: 48)[...]) == nil)
        #expect(Fp2(bigEndian: ([UInt8](repeating: 0, count: 48) + Self.modulus(plus: offset))[...]) == nil)
        #expect(Fp2(bigEndian: (Self.modulus(plus: offset) + [UInt8](repeating: 0, count: 48))[...]) == nil)
    }

    @Test func wideIntegersAreReduced() {
        // p·2¹²⁸ + 5, whose upper half is not zero, and 2⁵¹² − 1 = 2·(2⁵¹¹ − 1) + 1.
        let multiple = Self.modulus + [UInt8](repeating: 0, count: 15) + [5]
        #expect(Fp(reducing: multiple[...]) == 5)
        let ones = [UInt8](repeating: 255, count: 64)
        let half = [127] + [UInt8](repeating: 255, count: 63)
        let reduced = Fp(reducing: half[...])
        #expect(Fp(reducing: ones[...]) == reduced + reduced + .one)
        var power = Fp.one
        for _ in 0..<512 { power = power.doubled }
        #expect(Fp(reducing: ones[...]) == power - .one)
    }

    @Test func squareRootsOfRealElementsOfTheQuadraticField() throws {
        for value in 1...20 {
            var real = Fp.zero
            for _ in 0..<value { real = real + .one }
            // In Fp2 every element of Fp is a square.
            for element in [Fp2(real, .zero), Fp2(-real, .zero)] {
                let root = try #require(element.squareRoot)
                #expect(root * root == element)
            }
        }
        #expect(Fp2(.zero, .zero).squareRoot == .zero)
        #expect(Fp2(.zero, .one) * Fp2(.zero, .one) == -Fp2.one)
    }

    @Test func higherExtensionsAreFields() {
        var random = BLSRandom(state: 12)
        for _ in 0..<20 {
            let (a6, b6, c6) = (random.fp6(), random.fp6(), random.fp6())
            #expect(a6 * (b6 + c6) == a6 * b6 + a6 * c6)
            #expect((a6 * b6) * c6 == a6 * (b6 * c6))
            #expect(a6 * a6.inverse == .one)
            let (a, b, c) = (random.fp12(), random.fp12(), random.fp12())
            #expect((a * b) * c == a * (b * c))
            #expect(a * b == b * a)
            #expect(a.squared == a * a)
            #expect(a * a.inverse == .one)
            #expect(a * .one == a)
        }
        // The tower: w² = v, v³ = 1 + u.
        let w = Fp12(.zero, .one)
        let v = Fp12(BLS12381.Fp6(.zero, .one, .zero), .zero)
        #expect(w * w == v)
        #expect(v * v * v == Fp12(BLS12381.Fp6(Fp2(1, 1), .zero, .zero), .zero))
    }

    @Test func frobeniusIsThePowerOfTheModulus() {
        var random = BLSRandom(state: 13)
        let a = random.fp12()
        var power = Fp12.one
        for byte in Self.modulus {
            for bit in (0..<8).reversed() {
                power = power.squared
                if byte >> UInt8(bit) & 1 == 1 { power = power * a }
            }
        }
        #expect(a.frobenius == power)
        var sixfold = a
        for _ in 0..<6 { sixfold = sixfold.frobenius }
        #expect(sixfold == a.conjugate)
    }

    @Test func cyclotomicSquareIsASquareInTheCyclotomicSubgroup() {
        var random = BLSRandom(state: 14)
        for _ in 0..<10 {
            let a = random.fp12()
            let unitary = a.conjugate * a.inverse
            let g = unitary.frobenius.frobenius * unitary
            #expect(g.cyclotomicSquared == g * g)
            #expect(g * g.conjugate == .one)
        }
    }
}
