/// A CBOR data item (RFC 8949), as far as the Internet Computer's HTTP interface uses it.
public enum CBOR: Equatable, Sendable {
    case unsigned(UInt64)
    /// The number −1 − n.
    case negative(UInt64)
    case bytes([UInt8])
    case text(String)
    case array([CBOR])
    case map([Entry])
    indirect case tagged(UInt64, CBOR)
    case bool(Bool)
    case null
    case undefined
    case simple(UInt8)
    case float(Double)

    public struct Entry: Equatable, Sendable {
        public var key: CBOR
        public var value: CBOR

        public init(_ key: CBOR, _ value: CBOR) {
            self.key = key
            self.value = value
        }
    }

    /// The tag "this is CBOR" that starts every request and response of the Internet Computer.
    public static let selfDescribed: UInt64 = 55799

    /// A map with text keys, in the order given; encoding sorts it.
    public static func record(_ fields: KeyValuePairs<String, CBOR>) -> CBOR {
        .map(fields.map { Entry(.text($0.key), $0.value) })
    }

    /// The item without the self-described tag, if it carries one.
    public var withoutSelfDescribedTag: CBOR {
        if case .tagged(Self.selfDescribed, let inner) = self { return inner }
        return self
    }

    /// The value under a text key of a map, or nil.
    public subscript(key: String) -> CBOR? {
        guard case .map(let entries) = self else { return nil }
        return entries.first { $0.key == .text(key) }?.value
    }

    public var bytesValue: [UInt8]? {
        if case .bytes(let bytes) = self { return bytes }
        return nil
    }

    public var textValue: String? {
        if case .text(let text) = self { return text }
        return nil
    }

    public var arrayValue: [CBOR]? {
        if case .array(let items) = self { return items }
        return nil
    }

    public var mapValue: [Entry]? {
        if case .map(let entries) = self { return entries }
        return nil
    }

    /// A natural number that fits 64 bits, also when it was sent as a short bignum (tag 2).
    public var unsignedValue: UInt64? {
        switch self {
        case .unsigned(let value): return value
        case .tagged(2, .bytes(let bytes)):
            let digits = bytes.drop { $0 == 0 }
            return digits.count <= 8 ? digits.reduce(0) { $0 << 8 | UInt64($1) } : nil
        default: return nil
        }
    }

    /// What a decoder accepts before it gives up.
    public struct Limits: Sendable {
        /// Nested arrays, maps and tags.
        public var depth: Int
        /// Items of any kind, the inner ones counted too.
        public var items: Int

        public init(depth: Int = 128, items: Int = 400_000) {
            self.depth = depth
            self.items = items
        }
    }

    /// Reads exactly one item that fills `bytes`, with or without the self-described tag in front.
    public static func decode(_ bytes: [UInt8], limits: Limits = Limits()) throws(CBORError) -> CBOR {
        var decoder = CBORDecoder(bytes: bytes, limits: limits)
        return try decoder.wholeInput()
    }

    /// The deterministic encoding: shortest lengths, definite sizes, map keys sorted bytewise.
    public func encoded(selfDescribed: Bool = false) -> [UInt8] {
        var encoder = CBOREncoder()
        if selfDescribed { encoder.head(6, Self.selfDescribed) }
        encoder.append(self)
        return encoder.bytes
    }
}

/// Why bytes are no acceptable CBOR, with the offset where that shows.
public enum CBORError: Error, Equatable, Sendable, CustomStringConvertible {
    case truncated(offset: Int, needed: UInt64, remaining: Int)
    case trailingBytes(offset: Int, count: Int)
    case reservedHead(offset: Int, byte: UInt8)
    case tooDeep(offset: Int, limit: Int)
    case tooManyItems(offset: Int, limit: Int)
    case badUTF8(offset: Int)
    case duplicateKey(offset: Int)
    case unexpectedBreak(offset: Int)
    case badChunk(offset: Int)

    public var description: String {
        switch self {
        case .truncated(let offset, let needed, let remaining):
            "CBOR ends early at byte \(offset): \(needed) more needed, \(remaining) left"
        case .trailingBytes(let offset, let count):
            "CBOR is followed by \(count) stray bytes at byte \(offset)"
        case .reservedHead(let offset, let byte): "CBOR has a reserved head \(byte) at byte \(offset)"
        case .tooDeep(let offset, let limit):
            "CBOR nests deeper than \(limit) levels at byte \(offset)"
        case .tooManyItems(let offset, let limit):
            "CBOR has more than \(limit) items at byte \(offset)"
        case .badUTF8(let offset): "CBOR has a text that is not UTF-8 at byte \(offset)"
        case .duplicateKey(let offset): "CBOR has a map with a repeated key at byte \(offset)"
        case .unexpectedBreak(let offset): "CBOR has a break outside of a sequence at byte \(offset)"
        case .badChunk(let offset): "CBOR has a string chunk of the wrong kind at byte \(offset)"
        }
    }
}
