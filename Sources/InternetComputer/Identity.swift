/// Whoever signs requests.
public enum Identity: Sendable {
    case anonymous
    case ed25519(Ed25519Identity)
    /// A session key with the chain of delegations that starts at the key of the sender.
    case delegated(DelegatedIdentity)

    public var principal: Principal {
        switch self {
        case .anonymous: .anonymous
        case .ed25519(let identity): identity.principal
        case .delegated(let identity): .selfAuthenticating(derPublicKey: identity.publicKey)
        }
    }

    /// The DER public key the sender's principal is made of; nil for the anonymous sender.
    public var publicKey: [UInt8]? {
        switch self {
        case .anonymous: nil
        case .ed25519(let identity): identity.derPublicKey
        case .delegated(let identity): identity.publicKey
        }
    }

    public var delegations: [SignedDelegation] {
        if case .delegated(let identity) = self { return identity.delegations }
        return []
    }

    /// The signature over `message`, nil for the anonymous sender.
    public func sign(_ message: [UInt8]) throws -> [UInt8]? {
        switch self {
        case .anonymous: nil
        case .ed25519(let identity): try identity.sign(message)
        case .delegated(let identity): try identity.session.sign(message)
        }
    }
}

/// A session key that acts for another key.
public struct DelegatedIdentity: Sendable {
    /// DER key of the sender, which signed the first delegation.
    public let publicKey: [UInt8]
    public let delegations: [SignedDelegation]
    /// Holds the key of the last delegation.
    public let session: Ed25519Identity

    public init(publicKey: [UInt8], delegations: [SignedDelegation], session: Ed25519Identity) {
        self.publicKey = publicKey
        self.delegations = delegations
        self.session = session
    }
}
