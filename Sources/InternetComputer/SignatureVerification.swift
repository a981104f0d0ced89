import Crypto

/// Checks the signatures of the schemes that senders may use, by the algorithm named in a DER public key.
public enum SignatureVerification {
    private static let p256Prefix: [UInt8] = [
        0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86,
        0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00, 0x04,
    ]
    private static let secp256k1Prefix: [UInt8] = [
        0x30, 0x56, 0x30, 0x10, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x05, 0x2b, 0x81,
        0x04, 0x00, 0x0a, 0x03, 0x42, 0x00, 0x04,
    ]

    /// Throws unless `signature` over `message` is one of `derPublicKey`: Ed25519, or ECDSA on P-256 with
    /// SHA-256 as r ‖ s.
    public static func verify(
        _ signature: [UInt8], of message: [UInt8], by derPublicKey: [UInt8]
    ) throws(AuthenticationError) {
        let valid: Bool
        if let raw = payload(of: derPublicKey, after: Ed25519Identity.derPublicKeyPrefix, bytes: 32) {
            guard let key = try? Curve25519.Signing.PublicKey(rawRepresentation: raw) else { throw .badPublicKey }
            valid = key.isValidSignature(signature, for: message)
        } else if let raw = payload(of: derPublicKey, after: p256Prefix, bytes: 64) {
            guard let key = try? P256.Signing.PublicKey(rawRepresentation: raw) else { throw .badPublicKey }
            guard let ecdsa = try? P256.Signing.ECDSASignature(rawRepresentation: signature) else {
                throw .badSignature
            }
            valid = key.isValidSignature(ecdsa, for: message)
        } else if payload(of: derPublicKey, after: secp256k1Prefix, bytes: 64) != nil {
            throw .unsupportedScheme("secp256k1")
        } else {
            throw .unsupportedScheme("unknown")
        }
        guard valid else { throw .badSignature }
    }

    private static func payload(of der: [UInt8], after prefix: [UInt8], bytes count: Int) -> [UInt8]? {
        guard der.count == prefix.count + count, der.starts(with: prefix) else { return nil }
        return Array(der.dropFirst(prefix.count))
    }
}

extension Envelope {
    /// Throws unless the sender is who signed, directly or through its delegations, and those cover the target.
    ///
    /// The expiry of the content is not looked at here: queries of the anonymous sender may ignore it.
    /// - Parameter now: nanoseconds since 1970, for the expiration of delegations.
    public func authenticate(now: UInt64) throws(AuthenticationError) {
        guard let publicKey = senderPublicKey, let signature = senderSignature else {
            guard senderPublicKey == nil, senderSignature == nil, senderDelegation.isEmpty else {
                throw .incompleteSignature
            }
            guard content.sender.isAnonymous else { throw .unsigned(sender: content.sender) }
            return
        }
        let owner = Principal.selfAuthenticating(derPublicKey: publicKey)
        guard owner == content.sender else { throw .wrongSender(sender: content.sender, key: owner) }
        let key = try delegatedKey(from: publicKey, now: now)
        try SignatureVerification.verify(signature, of: content.requestID.signedBytes, by: key)
    }

    /// Follows the chain of delegations to the key that must have signed the request.
    private func delegatedKey(from sender: [UInt8], now: UInt64) throws(AuthenticationError) -> [UInt8] {
        var key = sender
        var seen: Set<[UInt8]> = [sender]
        for (index, link) in senderDelegation.enumerated() {
            let delegation = link.delegation
            try SignatureVerification.verify(link.signature, of: delegation.signedBytes, by: key)
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

    /// The canister that restricted delegations must name; read_state has none.
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
        }
    }
}
