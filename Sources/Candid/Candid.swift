/// Candid, the interface language of the Internet Computer: its binary form with subtyping and limits.
///
/// Specification: Candid.md of the dfinity/candid repository, sections "Binary format" and "Subtyping".
/// Names are never kept: a field is known by its id, a text is UTF-8 bytes.
public enum Candid {
    /// The id of a field or tag name: h := h · 223 + byte, modulo 2³², over the UTF-8 bytes.
    public static func hash(_ name: StaticString) -> UInt32 {
        name.withUTF8Buffer { bytes in
            var id: UInt32 = 0
            for byte in bytes { id = id &* 223 &+ UInt32(byte) }
            return id
        }
    }

    /// The id of a field or tag name given as UTF-8 bytes.
    public static func hash(_ name: [UInt8]) -> UInt32 {
        var id: UInt32 = 0
        for byte in name { id = id &* 223 &+ UInt32(byte) }
        return id
    }

    /// The message that carries `arguments` at exactly these types, which it contains as its type table.
    ///
    /// `definitions` is what `CandidType.definition` refers to. Throws `.valueMismatch` when a value does not
    /// have its type; the error's offset is then the index of the argument.
    public static func encode(
        _ arguments: [CandidValue], as types: [CandidType], definitions: [CandidType] = []
    ) throws(CandidError) -> [UInt8] {
        try CandidEncoder.encode(
            arguments, types, definitions, header: CandidEncoder.header(types, definitions))
    }

    /// The arguments of a message, coerced to the expected types: unknown fields and further arguments are
    /// skipped, missing optional ones become null, an optional value of another type becomes null.
    public static func decode(
        _ bytes: [UInt8], as types: [CandidType], definitions: [CandidType] = [],
        limits: CandidLimits = .standard
    ) throws(CandidError) -> [CandidValue] {
        var decoder = try CandidDecoder(bytes, limits: limits)
        return try decoder.arguments(as: types, definitions)
    }

    /// The arguments of a message at the types that the message itself names.
    public static func decode(
        _ bytes: [UInt8], limits: CandidLimits = .standard
    ) throws(CandidError) -> [CandidValue] {
        var decoder = try CandidDecoder(bytes, limits: limits)
        return try decoder.arguments(as: decoder.header.arguments, decoder.header.table)
    }

    /// The types that a message names for its arguments, and the definitions they refer to; for values that
    /// have to be sent back as they came.
    public static func types(
        of bytes: [UInt8], limits: CandidLimits = .standard
    ) throws(CandidError) -> (arguments: [CandidType], definitions: [CandidType]) {
        let header = try CandidDecoder(bytes, limits: limits).header
        return (header.arguments, header.table)
    }
}

/// Bounds on what decoding one message may cost, whatever the message claims.
public struct CandidLimits: Equatable, Sendable {
    /// Entries of the type table.
    public var tableEntries: Int
    /// Nesting of values and of types.
    public var depth: Int
    /// Work units (roughly bytes of a decoded value); skipped values cost more than read ones.
    public var quota: Int

    public init(tableEntries: Int = 10_000, depth: Int = 512, quota: Int = 20_000_000) {
        self.tableEntries = tableEntries
        self.depth = depth
        self.quota = quota
    }

    /// 10,000 table entries, depth 512, 20 million units: the limits of the reference implementation.
    public static let standard = CandidLimits()
}
