import InternetComputer
import Testing

@Suite struct BLSSignatureTests {
    typealias PublicKey = BLS12381.PublicKey
    typealias SecretKey = BLS12381.SecretKey
    typealias Signature = BLS12381.Signature

    @Test(arguments: BLSVectors.signatures)
    func signaturesAreThoseOfPyECC(secret: String, key: String, message: String, signature: String) throws {
        let secretKey = try SecretKey(bytes: [UInt8](blsHex: secret))
        #expect(secretKey.bytes == [UInt8](blsHex: secret))
        #expect(secretKey.publicKey.compressed == [UInt8](blsHex: key))
        let message = [UInt8](blsHex: message)
        let made = secretKey.sign(message)
        #expect(made.compressed == [UInt8](blsHex: signature))
        #expect(BLS12381.verify(made, of: message, by: try PublicKey(compressed: [UInt8](blsHex: key))))
        #expect(!BLS12381.verify(made, of: message + [0], by: secretKey.publicKey))
    }

    static let rootKey = """
        814c0e6ec71fab583b08bd81373c255c3c371b2e84863c98a4f1e08b74235d14fb5d9c0cd546d9685f913a0c0b2cc534
        1583bf4b4392e467db96d65b9bb4cb717112f8472e0d5a4d14505ffd7484b01291091c5f87b98883463f98091a0baaae
        """
    static let subnetKey = """
        9933e1f89e8a3c4d7fdcccdbd518089e2bd4d8180a261f18d9c247a52768ebce98dc7328a39814a8f911086a1dd50cbe
        015e2a53b7bf78b55288893daa15c346640e8831d72a12bdedd979d28470c34823b8d1c3f4795d9c3984a247132e94fe
        """

    /// Root hashes and signatures of certificates published by the Internet Computer.
    static let mainnet: [(key: String, root: String, signature: String)] = [
        // The root subnet, September 2023.
        (
            rootKey, "e11d331b8616f9e8a17a9472c45a174b092919298c3855be598f1774bf098e1d",
            "aad9a5bb55b042aecbddb8ead3ac4bba7f7383ee6c46162fea9f80cac8b46516dbe901dc7e7e886ae7f4c2c8b380b5b9"
        ),
        // A delegation to an application subnet, November 2025, and what that subnet signed.
        (
            rootKey, "43e38245d0f5a7172d699757547107b42f9860e4e0e980694fbe046d93e6615f",
            "81efb4ead151353ff4d0315a4f3875f0f4a63ceb3232cd98c9e82acdb49b7a0d5ceb5e83640264638d4e941e87aee1b3"
        ),
        (
            subnetKey, "d3b2c4dd9d5284289524e749a413f1e38f36bd48e321ee0a59717feb2ea2d0b7",
            "a778ccd2527a54cc2f1006a58ce4519f66db35d5d5febae32c7939d711167c116066655994c4c50f2f04cf5f53231999"
        ),
        // The same for February 2022.
        (
            rootKey, "e6c01e909b4923345ce5970962bcfe3004bfd8474a21dae28f50692502f46d90",
            "ace9fcdd9bc977e05d6328f889dc4e7c99114c737a494653cb27a1f55c06f4555e0f160980af5ead098acc195010b2f7"
        ),
        (
            subnetKey, "b294b418b11ebe5dd7dd1dcb099e4e0372b9a42aef7a7a37fb4f25667d705ea9",
            "89a2be21b5fa8ac9fab1527e041327ce899d7da971436a1f2165393947b4d942365bfe5488710e61a619ba48388a21b1"
        ),
    ]

    private func stateRoot(_ hash: String) -> [UInt8] { [13] + "ic-state-root".utf8 + [UInt8](blsHex: hash) }

    @Test(arguments: mainnet)
    func mainnetSignaturesVerify(key: String, root: String, signature: String) throws {
        let key = try PublicKey(compressed: [UInt8](blsHex: key))
        let signature = try Signature(compressed: [UInt8](blsHex: signature))
        let message = stateRoot(root)
        #expect(BLS12381.verify(signature, of: message, by: key))

        for index in message.indices {
            var tampered = message
            tampered[index] ^= 1
            #expect(!BLS12381.verify(signature, of: tampered, by: key), "byte \(index)")
        }
        #expect(!BLS12381.verify(signature, of: Array(message.dropLast()), by: key))
        #expect(!BLS12381.verify(signature, of: Array(message.dropFirst()), by: key))
    }

    @Test func aSignatureBelongsToOneKeyAndOneMessage() throws {
        let keys = try Self.mainnet.map { try PublicKey(compressed: [UInt8](blsHex: $0.key)) }
        let signatures = try Self.mainnet.map { try Signature(compressed: [UInt8](blsHex: $0.signature)) }
        let messages = Self.mainnet.map { stateRoot($0.root) }
        for (i, signature) in signatures.enumerated() {
            for (j, message) in messages.enumerated() {
                for (k, key) in keys.enumerated() {
                    #expect(
                        BLS12381.verify(signature, of: message, by: key) == (i == j && key == keys[i]),
                        "signature \(i), message \(j), key \(k)")
                }
            }
        }
    }

    /// Whatever bit of a signature is flipped, it is refused or does not verify.
    @Test func everyFlippedBitIsNoticed() throws {
        let (key, root, signature) = Self.mainnet[0]
        let publicKey = try PublicKey(compressed: [UInt8](blsHex: key))
        let good = [UInt8](blsHex: signature)
        var outcomes = (refused: 0, other: 0)
        for bit in 0..<good.count * 8 {
            var bytes = good
            bytes[bit / 8] ^= 1 << UInt8(bit % 8)
            if let damaged = try? Signature(compressed: bytes) {
                #expect(!BLS12381.verify(damaged, of: stateRoot(root), by: publicKey), "bit \(bit)")
                outcomes.other += 1
            } else {
                outcomes.refused += 1
            }
        }
        // Only the sign of y leaves a point of the subgroup: chance has 2⁻¹²⁶ for any other.
        #expect(outcomes == (383, 1))
    }

    @Test func thePointsOfTheReferenceCertificates() throws {
        let rootOfMainnet = BLS12381.G1.hash(stateRoot(Self.mainnet[0].root), tag: BLS12381.tag).affine
        #expect(
            rootOfMainnet?.compressed.blsHex
                == "8acb2dd15f88d2b92d5f2de7a6474ba234509c285c3d5b66c589066c8ec326fe66cf2c3b1246f8e8b889c61371f9e102"
        )

        let secret = try SecretKey(bytes: Array(0..<32))
        #expect(
            secret.publicKey.compressed
                == [UInt8](
                    blsHex: """
                        a7290fc800d2d14f2dc5e5cb416bebf3267dfed1c6c3a79c6edc4ebd1e657d956daa06a2fcaafd42c94b65b32d4d43ea
                        1368f861006829c475b7d54763a502dfd717e9d51c5cc7deae2981e56090a821c9c5bcafc129b8599203ab99031f4ce7
                        """))
        let example = stateRoot("eb5c5b2195e62d996b84c9bcc8259d19a83786a2f59e0878cec84c811f669aa0")
        #expect(
            BLS12381.G1.hash(example, tag: BLS12381.tag).affine?.compressed.blsHex
                == "a10a8c459b5436784712fcc1dbd4b5a38603358f668fb0fada4ae2e9d4f8d61885510ab65a1b8f305987423572398855"
        )
        let signature = secret.sign(example)
        #expect(
            signature.compressed.blsHex
                == "82a406d2dfd6f5da4a06416f1c756493471cf019325678ea447f61dab045ebd1f376f0bb7c08b5a4281a215ffbb7a907"
        )
        #expect(BLS12381.verify(signature, of: example, by: secret.publicKey))
    }

    @Test func descriptionsDoNotShowTheSecret() throws {
        struct Holder { let key: SecretKey }
        let key = try SecretKey(bytes: [UInt8](blsHex: BLSVectors.signatures[2].secret))
        #expect("\(key)" == "BLS secret key (not shown)")
        #expect(String(reflecting: key) == "\(key)")
        #expect("\(Holder(key: key))".hasSuffix("Holder(key: \(key))"))
    }

    @Test func randomKeysDifferAndSign() throws {
        let keys = (0..<3).map { _ in SecretKey.random() }
        #expect(Set(keys.map(\.publicKey)).count == 3)
        for key in keys {
            let again = try SecretKey(bytes: key.bytes)
            #expect(again.publicKey == key.publicKey)
            let signature = key.sign([1, 2, 3])
            #expect(again.sign([1, 2, 3]) == signature)
            #expect(BLS12381.verify(signature, of: [1, 2, 3], by: try PublicKey(der: key.publicKey.der)))
        }
    }
}
