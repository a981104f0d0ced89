/// A Candid value.
public enum CandidValue: Equatable, Sendable {
    case null, reserved
    case bool(Bool)
    case nat(CandidInteger)
    case int(CandidInteger)
    case nat8(UInt8), nat16(UInt16), nat32(UInt32), nat64(UInt64)
    case int8(Int8), int16(Int16), int32(Int32), int64(Int64)
    case float32(Float), float64(Double)
    /// UTF-8 bytes.
    case text([UInt8])
    /// A `vec nat8` in one piece; decoding always yields this form.
    case blob([UInt8])
    case principal([UInt8])
    indirect case optional(CandidValue?)
    case vector([CandidValue])
    case record(CandidRecord)
    indirect case variant(UInt32, CandidValue)
    /// A method of a service: the service's principal and the method name.
    case function([UInt8], [UInt8])
    case service([UInt8])
}

/// Field values in ascending order of their ids; written as `["size": .nat64(3), "name": .text(bytes)]`.
public struct CandidRecord: Equatable, Sendable, ExpressibleByDictionaryLiteral {
    public struct Field: Equatable, Sendable {
        public let id: UInt32
        public let value: CandidValue

        public init(id: UInt32, value: CandidValue) {
            self.id = id
            self.value = value
        }
    }

    public let list: [Field]

    /// Sorts the fields. Ids must differ.
    public init(_ fields: [Field]) {
        list = sortedByID(fields) { $0.id }
    }

    public init(dictionaryLiteral elements: (StaticString, CandidValue)...) {
        var fields: [Field] = []
        for (name, value) in elements { fields.append(Field(id: Candid.hash(name), value: value)) }
        self.init(fields)
    }

    /// The value of the field with this id.
    public subscript(id: UInt32) -> CandidValue? {
        for field in list where field.id == id { return field.value }
        return nil
    }
}

extension CandidValue {
    /// A variant case by name.
    public static func variant(_ tag: StaticString, _ value: CandidValue = .null) -> CandidValue {
        .variant(Candid.hash(tag), value)
    }

    /// A record whose fields are numbered from 0.
    public static func tuple(_ values: [CandidValue]) -> CandidValue {
        var fields: [CandidRecord.Field] = []
        for value in values { fields.append(.init(id: UInt32(fields.count), value: value)) }
        return .record(CandidRecord(fields))
    }

    /// A text from a constant.
    public static func text(_ constant: StaticString) -> CandidValue {
        .text(constant.withUTF8Buffer { [UInt8]($0) })
    }

    /// The field of a record by name; nil when this is no record or has no such field.
    public subscript(name: StaticString) -> CandidValue? {
        guard case .record(let fields) = self else { return nil }
        return fields[Candid.hash(name)]
    }

    /// The payload of a variant when its tag has this name.
    public func payload(of tag: StaticString) -> CandidValue? {
        guard case .variant(let id, let value) = self, id == Candid.hash(tag) else { return nil }
        return value
    }

    /// What an `opt` holds; nil for null and for values that are not optional.
    public var unwrapped: CandidValue? {
        if case .optional(let value) = self { return value }
        return nil
    }

    public var asBool: Bool? {
        if case .bool(let value) = self { return value }
        return nil
    }

    /// Any of nat, nat8 … nat64 that fits.
    public var asUInt64: UInt64? {
        switch self {
        case .nat(let value): value.asUInt64
        case .nat8(let value): UInt64(value)
        case .nat16(let value): UInt64(value)
        case .nat32(let value): UInt64(value)
        case .nat64(let value): value
        default: nil
        }
    }

    public var asUInt32: UInt32? {
        if case .nat32(let value) = self { return value }
        return nil
    }

    public var asInt32: Int32? {
        if case .int32(let value) = self { return value }
        return nil
    }

    /// The bytes of a text, a blob or a principal.
    public var asBytes: [UInt8]? {
        switch self {
        case .text(let bytes), .blob(let bytes), .principal(let bytes), .service(let bytes): bytes
        default: nil
        }
    }

    public var asVector: [CandidValue]? {
        if case .vector(let values) = self { return values }
        return nil
    }
}
