/// A request as it travels: content, and who vouches for it.
public struct Envelope: Equatable, Sendable {
    public var content: RequestContent
    /// DER public key; absent exactly when the sender is anonymous.
    public var senderPublicKey: [UInt8]?
    public var senderSignature: [UInt8]?
    /// From the sender's key to the key that signed, at most 20 links.
    public var senderDelegation: [SignedDelegation]

    public static let maximumDelegations = 20

    public init(
        content: RequestContent, senderPublicKey: [UInt8]? = nil, senderSignature: [UInt8]? = nil,
        senderDelegation: [SignedDelegation] = []
    ) {
        self.content = content
        self.senderPublicKey = senderPublicKey
        self.senderSignature = senderSignature
        self.senderDelegation = senderDelegation
    }

    /// Signs `content` with `identity`, whose principal must be its sender.
    /// - Parameter id: the request id, where it is known already: making it hashes the whole content.
    public init(signing content: RequestContent, id: RequestID? = nil, by identity: Identity) throws {
        precondition(content.sender == identity.principal, "the identity is not the sender of this request")
        self.content = content
        senderPublicKey = identity.publicKey
        senderSignature = try identity.sign((id ?? content.requestID).signedBytes)
        senderDelegation = identity.delegations
    }

    /// The self-described CBOR that goes into the body of the HTTP request.
    public func encoded() -> [UInt8] {
        var fields: [CBOR.Entry] = [.init(.text("content"), content.cbor)]
        if let senderPublicKey { fields.append(.init(.text("sender_pubkey"), .bytes(senderPublicKey))) }
        if let senderSignature { fields.append(.init(.text("sender_sig"), .bytes(senderSignature))) }
        if !senderDelegation.isEmpty {
            fields.append(.init(.text("sender_delegation"), .array(senderDelegation.map(\.cbor))))
        }
        return CBOR.map(fields).encoded(selfDescribed: true)
    }

    /// Reads the body of a request. Nothing is verified here; see `Envelope.authenticate`.
    public init(encoded: [UInt8]) throws(EnvelopeError) {
        let cbor: CBOR
        do { cbor = try CBOR.decode(encoded).withoutSelfDescribedTag } catch { throw .cbor(error) }
        guard let content = cbor["content"] else { throw .missingField("content") }
        self.content = try RequestContent(cbor: content)
        senderPublicKey = try Self.optionalBytes(cbor, "sender_pubkey")
        senderSignature = try Self.optionalBytes(cbor, "sender_sig")
        senderDelegation = []
        guard let links = cbor["sender_delegation"], links != .null else { return }
        guard let links = links.arrayValue else { throw .missingField("sender_delegation") }
        guard links.count <= Self.maximumDelegations else { throw .tooManyDelegations(links.count) }
        for link in links { senderDelegation.append(try SignedDelegation(cbor: link)) }
    }

    private static func optionalBytes(_ cbor: CBOR, _ key: String) throws(EnvelopeError) -> [UInt8]? {
        guard let value = cbor[key], value != .null else { return nil }
        guard let bytes = value.bytesValue else { throw .missingField(key) }
        return bytes
    }
}

/// Why a body is no request.
public enum EnvelopeError: Error, Equatable, Sendable, CustomStringConvertible {
    case cbor(CBORError)
    case missingField(String)
    case unknownRequestType(String)
    case badPrincipal(field: String, bytes: Int)
    case nonceTooLong(bytes: Int)
    case tooManyPaths(Int)
    case pathTooLong(labels: Int)
    case tooManyDelegations(Int)
    case tooManyTargets(Int)
    case unknownPermissions(String)

    public var description: String {
        switch self {
        case .cbor(let error): error.description
        case .missingField(let name): "the request has no valid field '\(name)'"
        case .unknownRequestType(let type): "'\(type)' is no request type: call, query or read_state"
        case .badPrincipal(let field, let bytes):
            "the principal in '\(field)' has \(bytes) bytes, at most 29 are allowed"
        case .nonceTooLong(let bytes): "the nonce has \(bytes) bytes, at most 32 are allowed"
        case .tooManyPaths(let count): "read_state asks for \(count) paths, at most 1000 are allowed"
        case .pathTooLong(let labels):
            "read_state asks for a path of \(labels) labels, at most 127 are allowed"
        case .tooManyDelegations(let count):
            "the request carries \(count) delegations, at most 20 are allowed"
        case .tooManyTargets(let count):
            "a delegation names \(count) target canisters, at most 1000 are allowed"
        case .unknownPermissions(let text): "a delegation has the unknown permissions '\(text)'"
        }
    }
}
