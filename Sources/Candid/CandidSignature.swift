/// Messages of fixed types: their header is made once, and parsed once.
///
/// Most messages for a method begin with the very bytes that `encode` would write. Then nothing of the header has to
/// be read; any other header is parsed and its values are coerced as `Candid.decode` does.
public struct CandidSignature: Sendable {
    public let types: [CandidType]
    /// Magic, type table and argument types: what every message that `encode` makes begins with.
    public let header: [UInt8]
    private let table: TypeTable

    public init(_ types: [CandidType]) {
        self.types = types
        header = CandidEncoder.header(types, [])
        table = TypeTable(ownHeader: header)
    }

    /// The message that carries `arguments`; throws `.valueMismatch` when a value does not have its type.
    public func encode(_ arguments: [CandidValue]) throws(CandidError) -> [UInt8] {
        try CandidEncoder.encode(arguments, types, [], header: header)
    }

    /// The arguments of a message, coerced to the types.
    public func decode(
        _ bytes: [UInt8], limits: CandidLimits = .standard
    ) throws(CandidError) -> [CandidValue] {
        guard begins(bytes) else { return try Candid.decode(bytes, as: types, limits: limits) }
        var decoder = CandidDecoder(bytes, header: table, headerBytes: header.count, limits: limits)
        return try decoder.arguments(as: types, [])
    }

    /// Whether the values that follow the header have exactly these types, in this order.
    public func begins(_ bytes: [UInt8]) -> Bool {
        guard bytes.count >= header.count else { return false }
        return header.withUnsafeBufferPointer { header in
            bytes.withUnsafeBufferPointer { bytes in
                for index in 0..<header.count where header[index] != bytes[index] { return false }
                return true
            }
        }
    }
}

extension TypeTable {
    /// The header that an encoder has just made.
    init(ownHeader header: [UInt8]) {
        var reader = ByteReader(header)
        do throws(CandidError) {
            try self.init(&reader, limits: CandidLimits(tableEntries: .max))
        } catch {
            preconditionFailure("an encoder's header parses")
        }
    }
}
