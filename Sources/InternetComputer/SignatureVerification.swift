import Crypto

/// Checks the signatures of the schemes that senders may use, by the algorithm named in a DER public key.
public enum SignatureVerification {
    /// Throws unless `signature` over `message` is one of `derPublicKey`: Ed25519; ECDSA with SHA-256 as r ‖ s
    /// on P-256 or secp256k1; a WebAuthn assertion; or a canister signature under `rootKey`.
    ///
    /// - Parameter rootKey: DER key of the root subnet; without one canister signatures are refused.
    public static func verify(
        _ signature: [UInt8], of message: [UInt8], by derPublicKey: [UInt8], rootKey: [UInt8]? = nil
    ) throws(AuthenticationError) {
        let valid: Bool
        switch try PublicKeyScheme(der: derPublicKey) {
        case .ed25519(let raw):
            guard let key = try? Curve25519.Signing.PublicKey(rawRepresentation: raw) else { throw .badPublicKey }
            valid = key.isValidSignature(signature, for: message)
        case .p256(let raw):
            guard let key = try? P256.Signing.PublicKey(rawRepresentation: raw) else { throw .badPublicKey }
            guard let ecdsa = try? P256.Signing.ECDSASignature(rawRepresentation: signature) else {
                throw .badSignature
            }
            valid = key.isValidSignature(ecdsa, for: message)
        case .secp256k1(let raw):
            guard let key = Secp256k1.point(raw) else { throw .badPublicKey }
            valid = Secp256k1.isValid(signature, of: message, by: key)
        case .webAuthn(let coseKey):
            valid = try WebAuthnSignature(encoded: signature).isValid(for: message, by: coseKey)
        case .canister(let canister, let seed):
            guard let rootKey else { throw .unsupportedScheme("canister signature") }
            valid = try CanisterSignature(encoded: signature)
                .isValid(for: message, canister: canister, seed: seed, rootKey: rootKey)
        }
        guard valid else { throw .badSignature }
    }
}

extension Envelope {
    /// Throws unless the sender is who signed, directly or through its delegations, and those cover the target.
    ///
    /// The expiry of the content is not looked at here: queries of the anonymous sender may ignore it.
    /// - Parameters:
    ///   - now: nanoseconds since 1970, for the expiration of delegations.
    ///   - rootKey: DER key under which canister signatures count.
    @discardableResult
    public func authenticate(now: UInt64, rootKey: [UInt8]? = nil) throws(AuthenticationError) -> RequestID {
        let id = content.requestID
        guard let publicKey = senderPublicKey, let signature = senderSignature else {
            guard senderPublicKey == nil, senderSignature == nil, senderDelegation.isEmpty,
                content.senderInfo == nil
            else {
                throw .incompleteSignature
            }
            guard content.sender.isAnonymous else { throw .unsigned(sender: content.sender) }
            return id
        }
        let owner = Principal.selfAuthenticating(derPublicKey: publicKey)
        guard owner == content.sender else { throw .wrongSender(sender: content.sender, key: owner) }
        let key = try delegatedKey(from: publicKey, now: now, rootKey: rootKey)
        try SignatureVerification.verify(signature, of: id.signedBytes, by: key, rootKey: rootKey)
        if let info = content.senderInfo { try info.verify(sender: publicKey, rootKey: rootKey) }
        return id
    }

    /// The canisters that every delegation of the chain allows; nil when none of them restricts it.
    public var delegationTargets: Set<Principal>? {
        senderDelegation.compactMap { $0.delegation.targets.map { Set($0) } }.reduce(nil) { all, targets in
            all?.intersection(targets) ?? targets
        }
    }

    /// Follows the chain of delegations to the key that must have signed the request.
    private func delegatedKey(
        from sender: [UInt8], now: UInt64, rootKey: [UInt8]?
    ) throws(AuthenticationError) -> [UInt8] {
        var key = sender
        var seen: Set<[UInt8]> = [sender]
        for (index, link) in senderDelegation.enumerated() {
            let delegation = link.delegation
            try SignatureVerification.verify(
                link.signature, of: delegation.signedBytes, by: key, rootKey: rootKey)
            guard delegation.expiration >= now else { throw .delegationExpired(index: index) }
            guard seen.insert(delegation.publicKey).inserted else { throw .delegationCycle(index: index) }
            if let targets = delegation.targets, let target = target, !targets.contains(target) {
                throw .notATarget(canister: target, index: index)
            }
            if delegation.permissions == .queries, case .call = content.body {
                throw .onlyQueries(index: index)
            }
            key = delegation.publicKey
        }
        return key
    }

    /// The canister that restricted delegations must name; what read_state may show is up to the replica.
    private var target: Principal? {
        switch content.body {
        case .call(let canister, _, _), .query(let canister, _, _): canister
        case .readState: nil
        }
    }
}

/// Why a request is not its sender's.
public enum AuthenticationError: Error, Equatable, Sendable, CustomStringConvertible {
    case unsigned(sender: Principal)
    case incompleteSignature
    case wrongSender(sender: Principal, key: Principal)
    case badPublicKey
    case badSignature
    case unsupportedScheme(String)
    case delegationExpired(index: Int)
    case delegationCycle(index: Int)
    case notATarget(canister: Principal, index: Int)
    case onlyQueries(index: Int)
    case senderInfo

    public var description: String {
        switch self {
        case .unsigned(let sender): "Missing signature: sender \(sender) is not anonymous"
        case .incompleteSignature: "Invalid signature: sender_pubkey and sender_sig come together or not at all"
        case .wrongSender(let sender, let key):
            "Invalid signature: the public key belongs to \(key), not to the sender \(sender)"
        case .badPublicKey: "Invalid public key"
        case .badSignature: "Invalid signature"
        case .unsupportedScheme(let name): "Unsupported signature scheme: \(name)"
        case .delegationExpired(let index): "Invalid delegation expiry: delegation \(index) has expired"
        case .delegationCycle(let index): "Invalid delegation: delegation \(index) repeats a public key"
        case .notATarget(let canister, let index):
            "Canister \(canister) is not one of the targets of delegation \(index)"
        case .onlyQueries(let index): "Delegation \(index) permits queries only"
        case .senderInfo: "sender_info belongs to senders with the key of its signer, a canister"
        }
    }
}
