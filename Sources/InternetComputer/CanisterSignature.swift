import Crypto

/// A signature that a canister gives by certified data (interface specification, "Canister signatures").
struct CanisterSignature {
    let certificate: Certificate
    let tree: HashTree

    /// Reads the tagged CBOR map of certificate and tree.
    init(encoded: [UInt8]) throws(AuthenticationError) {
        guard let cbor = try? CBOR.decode(encoded).withoutSelfDescribedTag,
            let certificate = cbor["certificate"]?.bytesValue.flatMap({ try? Certificate(encoded: $0) }),
            let tree = cbor["tree"].flatMap({ try? HashTree(cbor: $0) }), tree.isWellFormed
        else { throw .badSignature }
        self.certificate = certificate
        self.tree = tree
    }

    /// Whether the certified data of `canister` is the root of a tree with a leaf for this seed and message.
    ///
    /// A canister signature does not age.
    func isValid(for message: [UInt8], canister: Principal, seed: [UInt8], rootKey: [UInt8]) -> Bool {
        let path = [Array("sig".utf8), sha256(seed), sha256(message)]
        let certifiedData = [Array("canister".utf8), canister.bytes, Array("certified_data".utf8)]
        // The cheap checks come before the pairing.
        guard tree.lookup(path) == .found([]),
            case .found(let root) = certificate.tree.lookup(certifiedData), root == tree.digest
        else { return false }
        return (try? certificate.verified(rootKey: rootKey, canister: canister, freshness: nil)) != nil
    }

    private func sha256(_ bytes: [UInt8]) -> [UInt8] { Array(SHA256.hash(data: bytes)) }
}
