import InternetComputer
import Testing

/// ECDSA on secp256k1 against signatures of the Python package `ecdsa` (RFC 6979 nonces).
struct Secp256k1Tests {
    struct Vector: Sendable, CustomTestStringConvertible {
        let secret: String
        /// x ‖ y
        let key: String
        let message: String
        let signature: String

        var testDescription: String { "secret \(secret), message '\(message)'" }
        var der: [UInt8] { Array(blsHex: "3056301006072a8648ce3d020106052b8104000a03420004" + key) }
    }

    static let vectors = [
        Vector(
            secret: "1",
            key: "79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798"
                + "483ada7726a3c4655da4fbfc0e1108a8fd17b448a68554199c47d08ffb10d4b8",
            message: "",
            signature: "77c8d336572f6f466055b5f70f433851f8f535f6c4fc71133a6cfd71079d03b7"
                + "0ed9f5eb8aa5b266abac35d416c3207e7a538bf5f37649727d7a9823b1069577"),
        Vector(
            secret: "1",
            key: "79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798"
                + "483ada7726a3c4655da4fbfc0e1108a8fd17b448a68554199c47d08ffb10d4b8",
            message: "abc",
            signature: "75601b1385909ea698e3fd6e26e5fa5105127bd2299d3ab0b9d9f93df5b8b99c"
                + "28ae7cc8f969e6b6fb1feac477818a75a46e8c364e88dfdc9880e1a5175c4bd1"),
        Vector(
            secret: "2",
            key: "c6047f9441ed7d6d3045406e95c07cd85c778e4b8cef3ca7abac09b95c709ee5"
                + "1ae168fea63dc339a3c58419466ceaeef7f632653266d0e1236431a950cfe52a",
            message: "",
            signature: "a53ba0f56f12cc97761c3ca6606c976207f7c77739d992fbb30c8e894c653196"
                + "2d684f62bdbe92bf49e5b58eef9a74b3643fa775c8f6ad5f233e8ccec00732b9"),
        // −1: the key is the generator's mirror image, so sums in the double multiplication meet their opposites.
        Vector(
            secret: "order − 1",
            key: "79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798"
                + "b7c52588d95c3b9aa25b0403f1eef75702e84bb7597aabe663b82f6f04ef2777",
            message: "abc",
            signature: "4a8f571b7915171905f88275618335cea401a8ace744d71789c9361901afd13e"
                + "ac567b80f1ae573d13ad3edf24d8b89c34f3ea6b81b0ff4064b1473d626d027c"),
        Vector(
            secret: "SHA-256 of 'vector'",
            key: "62313cfd3439e6b7349baa7bcd4bb5b958faf01aef94b81a4aabac432e583e8e"
                + "f11b527d1bbba920274fd45033ced914860482d0ea74ef25b5d5e27193b8d840",
            message: "abc",
            signature: "6b83d20ea94fc3189fe57a4a685f792f0b0525a0cf13a87457b5e3ca70a2b202"
                + "a1481741f3eb5cfb28bb1ef04e75a242367be8401c42f986447fdc3e4adfbd6a"),
    ]
    static let order = "fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141"
    static let zero = String(repeating: "0", count: 64)

    private func isValid(_ signature: [UInt8], _ message: [UInt8], _ der: [UInt8]) -> Bool {
        (try? SignatureVerification.verify(signature, of: message, by: der)) != nil
    }

    @Test(arguments: vectors) func valid(_ vector: Vector) {
        #expect(isValid(Array(blsHex: vector.signature), Array(vector.message.utf8), vector.der))
    }

    @Test(arguments: vectors) func everyFlippedByteIsRefused(_ vector: Vector) {
        let signature = Array(blsHex: vector.signature)
        for index in signature.indices {
            var bad = signature
            bad[index] ^= 1
            #expect(!isValid(bad, Array(vector.message.utf8), vector.der))
        }
        #expect(!isValid(signature, Array((vector.message + "x").utf8), vector.der))
        #expect(!isValid(Array(signature.dropLast()), Array(vector.message.utf8), vector.der))
        #expect(!isValid(signature + [0], Array(vector.message.utf8), vector.der))
    }

    @Test func rAndSAreBelowTheOrderAndNotZero() {
        let vector = Self.vectors[0]
        let (r, s) = (vector.signature.prefix(64), vector.signature.suffix(64))
        for bad in [Self.zero + s, r + Self.zero, Self.order + s, r + Self.order, Self.zero + Self.zero] {
            #expect(!isValid(Array(blsHex: String(bad)), [], vector.der))
        }
    }

    @Test func pointsOffTheCurveAreNoKeys() {
        var vector = Self.vectors[0]
        vector = Vector(secret: "", key: vector.key.dropLast() + "9", message: "", signature: vector.signature)
        #expect(throws: AuthenticationError.badPublicKey) {
            try SignatureVerification.verify(Array(blsHex: vector.signature), of: [], by: vector.der)
        }
        let tooBig = Vector(secret: "", key: String(repeating: "f", count: 128), message: "", signature: vector.signature)
        #expect(throws: AuthenticationError.badPublicKey) {
            try SignatureVerification.verify(Array(blsHex: tooBig.signature), of: [], by: tooBig.der)
        }
    }

    @Test func everyTruncatedKeyIsRefused() {
        let der = Self.vectors[0].der
        for count in 0..<der.count { #expect(!isValid(Array(blsHex: Self.vectors[0].signature), [], Array(der.prefix(count)))) }
    }
}
