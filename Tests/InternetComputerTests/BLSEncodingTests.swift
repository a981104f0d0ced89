import InternetComputer
import Testing

@Suite struct BLSEncodingTests {
    typealias Reason = BLS12381.EncodingError.Reason
    static let key = [UInt8](blsHex: BLSVectors.signatures[2].key)
    static let signature = [UInt8](blsHex: BLSVectors.signatures[2].signature)

    private func refusal(signature bytes: [UInt8]) -> Reason? {
        do throws(BLS12381.EncodingError) {
            _ = try BLS12381.Signature(compressed: bytes)
            return nil
        } catch {
            #expect(error.subject == .signature && !error.description.isEmpty)
            return error.reason
        }
    }

    private func refusal(key bytes: [UInt8]) -> Reason? {
        do throws(BLS12381.EncodingError) {
            _ = try BLS12381.PublicKey(compressed: bytes)
            return nil
        } catch {
            #expect(error.subject == .publicKey && !error.description.isEmpty)
            return error.reason
        }
    }

    private func refusal(der bytes: [UInt8]) -> Reason? {
        do throws(BLS12381.EncodingError) {
            _ = try BLS12381.PublicKey(der: bytes)
            return nil
        } catch {
            return error.reason
        }
    }

    private func refusal(secret bytes: [UInt8]) -> Reason? {
        do throws(BLS12381.EncodingError) {
            _ = try BLS12381.SecretKey(bytes: bytes)
            return nil
        } catch {
            #expect(error.subject == .secretKey && !error.description.isEmpty)
            return error.reason
        }
    }

    @Test func goodBytesComeBack() throws {
        #expect(try BLS12381.Signature(compressed: Self.signature).compressed == Self.signature)
        #expect(try BLS12381.PublicKey(compressed: Self.key).compressed == Self.key)
        // The other root is the negative, another point with the same abscissa.
        var other = Self.signature
        other[0] ^= 0x20
        #expect(try BLS12381.Signature(compressed: other).compressed == other)
        #expect(try BLS12381.Signature(compressed: other) != BLS12381.Signature(compressed: Self.signature))
    }

    @Test func everyOtherLengthIsRefused() {
        for count in 0...49 where count != 48 {
            let bytes = Array((Self.signature + [0]).prefix(count))
            #expect(refusal(signature: bytes) == .wrongLength(expected: 48, found: count))
        }
        for count in 0...97 where count != 96 {
            let bytes = Array((Self.key + [0]).prefix(count))
            #expect(refusal(key: bytes) == .wrongLength(expected: 96, found: count))
        }
    }

    @Test func flagsAreChecked() {
        var bytes = Self.signature
        bytes[0] &= 0x7f
        #expect(refusal(signature: bytes) == .notCompressed)
        bytes = Self.key
        bytes[0] &= 0x7f
        #expect(refusal(key: bytes) == .notCompressed)
        for flags in [0xc0, 0xe0] as [UInt8] {
            #expect(refusal(signature: [flags] + [UInt8](repeating: 0, count: 47)) == .pointAtInfinity)
            #expect(refusal(key: [flags] + [UInt8](repeating: 0, count: 95)) == .pointAtInfinity)
        }
    }

    @Test(arguments: [0, 1, 0x54])
    func coordinatesMustBeBelowTheModulus(offset: Int) {
        let tooLarge = BLSFieldTests.modulus(plus: offset)
        var bytes = tooLarge
        bytes[0] |= 0x80
        #expect(refusal(signature: bytes) == .coordinateNotCanonical(offset: 0))
        #expect(refusal(key: bytes + Self.key[48...]) == .coordinateNotCanonical(offset: 0))
        #expect(refusal(key: Self.key[..<48] + tooLarge) == .coordinateNotCanonical(offset: 48))
    }

    @Test func abscissasWithoutAPointAreRefused() {
        var random = BLSRandom(state: 41)
        var refused = (g1: 0, g2: 0)
        for _ in 0..<16 {
            let (x, z) = (random.fp(), random.fp2())
            if (x.squared * x + BLS12381.G1.b).squareRoot == nil {
                var bytes = x.bigEndian
                bytes[0] |= 0x80
                #expect(refusal(signature: bytes) == .notOnCurve)
                refused.g1 += 1
            }
            if (z.squared * z + BLS12381.G2.b).squareRoot == nil {
                var bytes = z.bigEndian
                bytes[0] |= 0x80
                #expect(refusal(key: bytes) == .notOnCurve)
                refused.g2 += 1
            }
        }
        #expect(refused.g1 > 2 && refused.g2 > 2)
    }

    @Test(arguments: BLSVectors.outsideG1)
    func pointsOutsideG1AreRefused(prime: String, compressed: String) {
        #expect(refusal(signature: [UInt8](blsHex: compressed)) == .notInSubgroup)
    }

    @Test(arguments: BLSVectors.outsideG2)
    func pointsOutsideG2AreRefused(prime: String, compressed: String) {
        #expect(refusal(key: [UInt8](blsHex: compressed)) == .notInSubgroup)
    }

    @Test func theDERFormIsExact() throws {
        let key = try BLS12381.PublicKey(compressed: Self.key)
        let der = key.der
        #expect(
            der[..<37]
                == [UInt8](
                    blsHex: "308182301d060d2b0601040182dc7c0503010201060c2b0601040182dc7c05030201036100")[...]
        )
        #expect(der.count == 133 && der[37...] == Self.key[...])
        #expect(try BLS12381.PublicKey(der: der) == key)
        for offset in 0..<37 {
            var damaged = der
            damaged[offset] ^= 1
            #expect(refusal(der: damaged) == .notBLSPublicKey(offset: offset))
        }
        for count in 0...134 where count != 133 {
            let bytes = Array((der + [0]).prefix(count))
            #expect(refusal(der: bytes) == .wrongLength(expected: 133, found: count))
        }
    }

    @Test func secretKeysMustBeBelowTheOrder() throws {
        let order = BLS12381.Scalar.order.bigEndian
        var largest = order
        largest[31] -= 1
        #expect(try BLS12381.SecretKey(bytes: largest).bytes == largest)
        var above = order
        above[31] += 1
        for bytes in [order, above, [UInt8](repeating: 0, count: 32), [UInt8](repeating: 255, count: 32)] {
            #expect(refusal(secret: bytes) == .scalarOutOfRange)
        }
        for count in [0, 31, 33] {
            let bytes = [UInt8](repeating: 1, count: count)
            #expect(refusal(secret: bytes) == .wrongLength(expected: 32, found: count))
        }
    }
}
