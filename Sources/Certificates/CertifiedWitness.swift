/// The part of a canister's own hash tree that it shows, once its subnet has certified the root.
public struct CertifiedWitness: Sendable {
    public let tree: HashTree
    /// When the subnet certified it, nanoseconds since 1970.
    public let time: UInt64

    /// Checks certificate and witness; parameters as in `SignedTree.verify`.
    public init(
        certificate: [UInt8], witness: [UInt8], canister: [UInt8], rootKey: [UInt8],
        freshness: CertificateFreshness?
    ) throws(WitnessFault) {
        let state: SignedTree
        do throws(CertificateFault) {
            state = try SignedTree(encoded: certificate)
            time = try state.verify(rootKey: rootKey, canister: canister, freshness: freshness)
        } catch {
            throw .certificate(error)
        }
        guard let tree = try? HashTree(encoded: witness) else { throw .unreadable }
        let path = [SignedTree.label("canister"), canister, SignedTree.label("certified_data")]
        guard case .found(let data) = state.tree.lookup(path), data == tree.digest else { throw .otherRoot }
        self.tree = tree
    }
}

/// Why a witness proves nothing.
public enum WitnessFault: Error, Equatable, Sendable {
    case certificate(CertificateFault)
    case unreadable
    /// The certificate shows no certified data, or other data than the witness's root.
    case otherRoot
}
