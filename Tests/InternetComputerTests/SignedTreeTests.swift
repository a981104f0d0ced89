import InternetComputer
import Testing

/// The reader of certificates that has no host beneath it.
struct SignedTreeTests {
    private static let time: UInt64 = 1_763_796_896_688_941_908

    private func mainnet() throws -> [UInt8] { try CertificateTests.certificate(CertificateTests.sharded) }

    @Test(arguments: [CertificateTests.sharded, CertificateTests.flat])
    func readsWhatTheGeneralDecoderReads(base64: String) throws {
        let encoded = try CertificateTests.certificate(base64)
        let signed = try SignedTree(encoded: encoded)
        let certificate = try Certificate(encoded: encoded)
        #expect(signed.tree == certificate.tree && signed.signature == certificate.signature)
        #expect(signed.delegation?.subnet == certificate.delegation?.subnet.bytes)
        #expect(signed.delegation?.certificate == certificate.delegation?.certificate)
    }

    @Test func mainnetCertificate() throws {
        let signed = try SignedTree(encoded: mainnet())
        let canister = try Principal(text: CertificateTests.canister).bytes
        #expect(try signed.verify(rootKey: RootSubnet.mainnetKey, canister: canister, freshness: nil) == Self.time)
        #expect(throws: CertificateFault.notInRange) {
            try signed.verify(rootKey: RootSubnet.mainnetKey, canister: [0], freshness: nil)
        }
    }

    @Test func truncatedAnywhere() throws {
        let encoded = try mainnet()
        for count in 0..<encoded.count {
            #expect(throws: CertificateFault.malformed) { try SignedTree(encoded: Array(encoded.prefix(count))) }
        }
        #expect(throws: CertificateFault.malformed) { try SignedTree(encoded: encoded + [0]) }
    }

    /// One bit anywhere, also in the delegation: nothing else is verified.
    @Test func flippedAnywhere() throws {
        let encoded = try mainnet()
        let canister = try Principal(text: CertificateTests.canister).bytes
        for index in stride(from: 0, to: encoded.count, by: 7) {
            var flipped = encoded
            flipped[index] ^= 0x10
            let time = try? SignedTree(encoded: flipped).verify(
                rootKey: RootSubnet.mainnetKey, canister: canister, freshness: nil)
            #expect(time == nil, "byte \(index)")
        }
    }

    @Test func deepTreesAreRefused() {
        let deep = [UInt8](repeating: 0, count: 1000).flatMap { _ in [0x83, 0x01, 0x81, 0x00] as [UInt8] }
        #expect(throws: CertificateFault.malformed) { try HashTree(encoded: deep + [0x81, 0x00]) }
    }

    @Test func witnessOfACanister() throws {
        let key = try BLS12381.SecretKey(bytes: Array(1...32))
        func label(_ text: String, _ tree: HashTree) -> HashTree { .labeled(Array(text.utf8), tree) }
        let witness = label("model", label("sha256", .leaf([7])))
        func certificate(_ data: [UInt8]) -> [UInt8] {
            let canister = label("canister", .labeled([5], label("certified_data", .leaf(data))))
            return Certificate(signing: .fork(canister, label("time", .leaf([9]))), with: key).encoded()
        }
        func witnessed(_ certificate: [UInt8], _ canister: [UInt8], _ witness: HashTree) throws(WitnessFault) -> UInt64 {
            try CertifiedWitness(
                certificate: certificate, witness: witness.cbor.encoded(selfDescribed: true), canister: canister,
                rootKey: key.publicKey.der, freshness: nil
            ).time
        }
        #expect(try witnessed(certificate(witness.digest), [5], witness) == 9)
        #expect(throws: WitnessFault.otherRoot) { try witnessed(certificate([1]), [5], witness) }
        #expect(throws: WitnessFault.otherRoot) { try witnessed(certificate(witness.digest), [6], witness) }
        #expect(throws: WitnessFault.otherRoot) { try witnessed(certificate(witness.digest), [5], .leaf([8])) }
        #expect(throws: WitnessFault.certificate(.tooOld(seconds: 301))) {
            _ = try CertifiedWitness(
                certificate: certificate(witness.digest), witness: witness.cbor.encoded(), canister: [5],
                rootKey: key.publicKey.der, freshness: CertificateFreshness(now: 301_000_000_009))
        }
        var unsigned = certificate(witness.digest)
        unsigned[unsigned.count - 1] ^= 1
        #expect(throws: WitnessFault.certificate(.badSignature)) { try witnessed(unsigned, [5], witness) }
    }
}
