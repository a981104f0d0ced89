/// Leave given by one key to another to sign requests in its name
/// (interface specification, "Authentication").
public struct Delegation: Equatable, Sendable {
    public enum Permissions: String, Sendable { case all, queries }

    /// DER key that may sign.
    public var publicKey: [UInt8]
    /// Nanoseconds since 1970.
    public var expiration: UInt64
    /// The canisters it may call; nil allows all.
    public var targets: [Principal]?
    public var permissions: Permissions?

    public static let maximumTargets = 1000

    public init(
        publicKey: [UInt8], expiration: UInt64, targets: [Principal]? = nil, permissions: Permissions? = nil
    ) {
        self.publicKey = publicKey
        self.expiration = expiration
        self.targets = targets
        self.permissions = permissions
    }

    public var cbor: CBOR {
        var fields: [CBOR.Entry] = [
            .init(.text("pubkey"), .bytes(publicKey)), .init(.text("expiration"), .unsigned(expiration)),
        ]
        if let targets {
            fields.append(.init(.text("targets"), .array(targets.map { .bytes($0.bytes) })))
        }
        if let permissions { fields.append(.init(.text("permissions"), .text(permissions.rawValue))) }
        return .map(fields)
    }

    /// What the delegating key signs.
    public var signedBytes: [UInt8] {
        HashTree.domain("ic-request-auth-delegation") + RepresentationIndependentHash.hash(cbor)
    }

    public init(cbor: CBOR) throws(EnvelopeError) {
        guard let key = cbor["pubkey"]?.bytesValue else { throw .missingField("pubkey") }
        guard let expiration = cbor["expiration"]?.unsignedValue else { throw .missingField("expiration") }
        publicKey = key
        self.expiration = expiration
        if let list = cbor["targets"], list != .null {
            guard let items = list.arrayValue else { throw .missingField("targets") }
            guard items.count <= Self.maximumTargets else { throw .tooManyTargets(items.count) }
            var targets: [Principal] = []
            for item in items {
                guard let bytes = item.bytesValue else { throw .missingField("targets") }
                targets.append(try RequestContent.principal(bytes, field: "targets"))
            }
            self.targets = targets
        }
        if let value = cbor["permissions"], value != .null {
            guard let text = value.textValue else { throw .missingField("permissions") }
            guard let known = Permissions(rawValue: text) else { throw .unknownPermissions(text) }
            permissions = known
        }
    }
}

/// A delegation with the signature of the key that gave it.
public struct SignedDelegation: Equatable, Sendable {
    public var delegation: Delegation
    public var signature: [UInt8]

    public init(delegation: Delegation, signature: [UInt8]) {
        self.delegation = delegation
        self.signature = signature
    }

    public var cbor: CBOR {
        .record(["delegation": delegation.cbor, "signature": .bytes(signature)])
    }

    public init(cbor: CBOR) throws(EnvelopeError) {
        guard let delegation = cbor["delegation"] else { throw .missingField("delegation") }
        guard let signature = cbor["signature"]?.bytesValue else { throw .missingField("signature") }
        self.delegation = try Delegation(cbor: delegation)
        self.signature = signature
    }
}
