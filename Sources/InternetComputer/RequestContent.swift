/// The content of a request: what the sender signs, by its hash
/// (interface specification, "HTTPS interface").
public struct RequestContent: Equatable, Sendable {
    public enum Body: Equatable, Sendable {
        case call(canister: Principal, method: String, argument: [UInt8])
        case query(canister: Principal, method: String, argument: [UInt8])
        /// Paths of labels.
        case readState(paths: [[[UInt8]]])
    }

    public var body: Body
    public var sender: Principal
    /// Nanoseconds since 1970 after which no replica takes the request.
    public var ingressExpiry: UInt64
    /// At most 32 bytes that make two equal requests different.
    public var nonce: [UInt8]?
    /// What a canister says about the sender it signs for; calls and queries only.
    public var senderInfo: SenderInfo?

    public static let maximumNonceBytes = 32
    public static let maximumPaths = 1000
    public static let maximumPathLabels = 127

    public init(
        _ body: Body, sender: Principal, ingressExpiry: UInt64, nonce: [UInt8]? = nil,
        senderInfo: SenderInfo? = nil
    ) {
        self.body = body
        self.sender = sender
        self.ingressExpiry = ingressExpiry
        self.nonce = nonce
        self.senderInfo = senderInfo
    }

    /// The `content` map of the envelope.
    public var cbor: CBOR {
        var fields: [CBOR.Entry] = [
            .init(.text("ingress_expiry"), .unsigned(ingressExpiry)),
            .init(.text("sender"), .bytes(sender.bytes)),
        ]
        if let nonce { fields.append(.init(.text("nonce"), .bytes(nonce))) }
        if let senderInfo { fields.append(.init(.text("sender_info"), senderInfo.cbor)) }
        switch body {
        case .call(let canister, let method, let argument), .query(let canister, let method, let argument):
            fields += [
                .init(.text("canister_id"), .bytes(canister.bytes)),
                .init(.text("method_name"), .text(method)), .init(.text("arg"), .bytes(argument)),
            ]
        case .readState(let paths):
            let labels = paths.map { path in CBOR.array(path.map { .bytes($0) }) }
            fields.append(.init(.text("paths"), .array(labels)))
        }
        fields.append(.init(.text("request_type"), .text(requestType)))
        return .map(fields)
    }

    /// `call`, `query` or `read_state`.
    public var requestType: String {
        switch body {
        case .call: "call"
        case .query: "query"
        case .readState: "read_state"
        }
    }

    /// The request id: the representation-independent hash of the content, 32 bytes.
    public var requestID: RequestID { RequestID(bytes: RepresentationIndependentHash.hash(cbor)) }
}

/// The 32-byte name of a request, under which its status is certified.
public struct RequestID: Hashable, Sendable, CustomStringConvertible {
    public let bytes: [UInt8]

    public init(bytes: [UInt8]) { self.bytes = bytes }

    /// What the sender signs: the separator "ic-request", then the id.
    public var signedBytes: [UInt8] { HashTree.domain("ic-request") + bytes }

    public var description: String { hexadecimal(bytes) }
}

extension RequestContent {
    /// Reads the `content` map of an envelope; fields this version does not know are ignored.
    public init(cbor: CBOR) throws(EnvelopeError) {
        guard let type = cbor["request_type"]?.textValue else { throw .missingField("request_type") }
        guard let sender = cbor["sender"]?.bytesValue else { throw .missingField("sender") }
        guard let expiry = cbor["ingress_expiry"]?.unsignedValue else { throw .missingField("ingress_expiry") }
        if let info = cbor["sender_info"], type != "read_state" { senderInfo = try SenderInfo(cbor: info) }
        if let nonce = cbor["nonce"] {
            guard let bytes = nonce.bytesValue else { throw .missingField("nonce") }
            guard bytes.count <= Self.maximumNonceBytes else { throw .nonceTooLong(bytes: bytes.count) }
            self.nonce = bytes
        }
        self.sender = try Self.principal(sender, field: "sender")
        ingressExpiry = expiry
        switch type {
        case "call":
            let (canister, method, argument) = try Self.target(cbor)
            body = .call(canister: canister, method: method, argument: argument)
        case "query":
            let (canister, method, argument) = try Self.target(cbor)
            body = .query(canister: canister, method: method, argument: argument)
        case "read_state": body = .readState(paths: try Self.paths(cbor))
        default: throw .unknownRequestType(type)
        }
    }

    private static func target(_ cbor: CBOR) throws(EnvelopeError) -> (Principal, String, [UInt8]) {
        guard let canister = cbor["canister_id"]?.bytesValue else { throw .missingField("canister_id") }
        guard let method = cbor["method_name"]?.textValue else { throw .missingField("method_name") }
        guard let argument = cbor["arg"]?.bytesValue else { throw .missingField("arg") }
        return (try principal(canister, field: "canister_id"), method, argument)
    }

    private static func paths(_ cbor: CBOR) throws(EnvelopeError) -> [[[UInt8]]] {
        guard let items = cbor["paths"]?.arrayValue else { throw .missingField("paths") }
        guard items.count <= maximumPaths else { throw .tooManyPaths(items.count) }
        var paths: [[[UInt8]]] = []
        for item in items {
            guard let labels = item.arrayValue else { throw .missingField("paths") }
            guard labels.count <= maximumPathLabels else { throw .pathTooLong(labels: labels.count) }
            var path: [[UInt8]] = []
            for label in labels {
                guard let bytes = label.bytesValue else { throw .missingField("paths") }
                path.append(bytes)
            }
            paths.append(path)
        }
        return paths
    }

    static func principal(_ bytes: [UInt8], field: String) throws(EnvelopeError) -> Principal {
        do { return try Principal(bytes: bytes) } catch { throw .badPrincipal(field: field, bytes: bytes.count) }
    }
}
