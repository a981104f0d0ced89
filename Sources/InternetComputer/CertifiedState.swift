/// A part of a subnet's state that a verified certificate vouches for.
public struct CertifiedState: Sendable {
    public let tree: HashTree
    /// Nanoseconds since 1970.
    public let time: UInt64

    fileprivate init(tree: HashTree, time: UInt64) {
        self.tree = tree
        self.time = time
    }

    /// Looks up a path of labels.
    public func lookup(_ path: [[UInt8]]) -> HashTree.Lookup { tree.lookup(path) }
}

extension Certificate {
    /// Checks the signature, the delegation if there is one, and the age.
    ///
    /// - Parameters:
    ///   - rootKey: DER key of the root subnet, pinned by the caller.
    ///   - canister: the canister whose subnet must have signed; nil and the management canister accept any.
    ///   - freshness: nil skips the age, for certificates that are kept as proofs.
    public func verified(
        rootKey: [UInt8], canister: Principal?, freshness: CertificateFreshness?
    ) throws(CertificateError) -> CertifiedState {
        let canister = canister == .managementCanister ? nil : canister
        let signed = SignedTree(
            tree: tree, signature: signature,
            delegation: delegation.map { .init(subnet: $0.subnet.bytes, certificate: $0.certificate) })
        do throws(CertificateFault) {
            let time = try signed.verify(rootKey: rootKey, canister: canister?.bytes, freshness: freshness)
            return CertifiedState(tree: tree, time: time)
        } catch {
            throw CertificateError(error, canister: canister, subnet: delegation?.subnet)
        }
    }
}

extension CertificateError {
    /// The fault with the names of those it concerns; only a delegation has faults of a subnet.
    init(_ fault: CertificateFault, canister: Principal?, subnet: Principal?) {
        let canister = canister ?? .managementCanister
        let subnet = subnet ?? .managementCanister
        self =
            switch fault {
            case .malformed: .malformed
            case .badKey: .badKey
            case .badSignature: .badSignature
            case .delegationHasDelegation: .delegationHasDelegation
            case .noSubnetKey: .noSubnetKey(subnet: subnet)
            case .notInRange: .notInRange(canister: canister, subnet: subnet)
            case .noTime: .noTime
            case .tooOld(let seconds): .tooOld(seconds: seconds)
            case .fromTheFuture(let seconds): .fromTheFuture(seconds: seconds)
            }
    }
}
