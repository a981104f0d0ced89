/// Reads the values of a message at expected types.
///
/// A value is read and coerced in one pass. Where an `opt` is expected and the content does not coerce, the
/// reader goes back and skips it: bytes that are not well formed fail everywhere, a wrong type only outside `opt`.
struct CandidDecoder {
    let header: TypeTable
    var reader: ByteReader
    var budget: Budget

    init(_ bytes: [UInt8], limits: CandidLimits) throws(CandidError) {
        var reader = ByteReader(bytes)
        header = try TypeTable(&reader, limits: limits)
        budget = Budget(limits)
        try budget.charge(4 * reader.offset, at: 0)
        self.reader = reader
    }

    /// All arguments, coerced; the message must end after the last one it carries.
    mutating func arguments(
        as types: [CandidType], _ definitions: [CandidType]
    ) throws(CandidError) -> [CandidValue] {
        var values: [CandidValue] = []
        for index in types.indices {
            if index < header.arguments.count {
                values.append(try value(header.arguments[index], types[index], definitions, depth: 0))
            } else {
                values.append(try absent(types[index], definitions, .missingArgument))
            }
        }
        for extra in header.arguments.dropFirst(types.count) { try skip(extra, depth: 0) }
        guard reader.remaining == 0 else { throw CandidError(.trailingBytes, at: reader.offset) }
        return values
    }

    /// One value of type `wire`, coerced to `expected`.
    private mutating func value(
        _ wire: CandidType, _ expected: CandidType, _ definitions: [CandidType], depth: Int
    ) throws(CandidError) -> CandidValue {
        try budget.check(depth: depth, at: reader.offset)
        let wire = wire.resolved(header.table)
        let expected = expected.resolved(definitions)
        if case .empty = wire { throw CandidError(.valueOfEmptyType, at: reader.offset) }
        switch expected {
        case .reserved:
            try skip(wire, depth: depth + 1)
            return .reserved
        case .optional(let content):
            return .optional(try optional(wire, content, definitions, depth: depth + 1))
        case .vector(let element):
            guard case .vector(let wireElement) = wire else { break }
            return try vector(wireElement, element, definitions, depth: depth + 1)
        case .record(let fields):
            guard case .record(let wireFields) = wire else { break }
            return try record(wireFields, fields, definitions, depth: depth + 1)
        case .variant(let fields):
            guard case .variant(let wireFields) = wire else { break }
            return try variant(wireFields, fields, definitions, depth: depth + 1)
        case .function, .service:
            guard try budget.isSubtype(wire, header.table, expected, definitions, at: reader.offset) else {
                break
            }
            try budget.charge(header.table.count, at: reader.offset)
            return try reference(wire)
        case .principal:
            switch wire {
            case .principal, .service: return .principal(try principal())
            default: break
            }
        case .future:
            guard case .future = wire else { break }
            try skip(wire, depth: depth + 1)
            return .reserved
        default:
            if let value = try primitive(wire, expected) { return value }
        }
        throw CandidError(.typeMismatch, at: reader.offset)
    }

    /// What an expected value is when the message has none.
    private func absent(
        _ expected: CandidType, _ definitions: [CandidType], _ failure: CandidError.Reason
    ) throws(CandidError) -> CandidValue {
        switch expected.resolved(definitions) {
        case .null: return .null
        case .reserved: return .reserved
        case .optional: return .optional(nil)
        default: throw CandidError(failure, at: reader.offset)
        }
    }

    private mutating func optional(
        _ wire: CandidType, _ content: CandidType, _ definitions: [CandidType], depth: Int
    ) throws(CandidError) -> CandidValue? {
        try budget.charge(2, at: reader.offset)
        var wireContent = wire
        switch wire {
        case .null, .reserved: return nil
        case .optional(let inner):
            guard try flag() else { return nil }
            wireContent = inner
        default: break
        }
        let start = reader.offset
        do throws(CandidError) {
            return try value(wireContent, content, definitions, depth: depth)
        } catch {
            guard error.isCoercion else { throw error }
            reader.rewind(to: start)
            try skip(wireContent, depth: depth)
            return nil
        }
    }

    private mutating func vector(
        _ wire: CandidType, _ element: CandidType, _ definitions: [CandidType], depth: Int
    ) throws(CandidError) -> CandidValue {
        let wire = wire.resolved(header.table)
        let start = reader.offset
        let count = try reader.count(minimumBytes: wire.minimumBytes)
        if case .nat8 = wire, case .nat8 = element.resolved(definitions) {
            try budget.charge(2 + count, at: start)
            return .blob(try reader.take(count))
        }
        try budget.charge(2, at: start)
        try budget.charge(count, times: 3, at: start)
        var values: [CandidValue] = []
        if wire.minimumBytes > 0 { values.reserveCapacity(count) }
        for _ in 0..<count { values.append(try value(wire, element, definitions, depth: depth)) }
        if values.isEmpty, case .nat8 = element.resolved(definitions) { return .blob([]) }
        return .vector(values)
    }

    private mutating func record(
        _ wire: CandidFields, _ expected: CandidFields, _ definitions: [CandidType], depth: Int
    ) throws(CandidError) -> CandidValue {
        try budget.charge(2 + 7 * wire.list.count, at: reader.offset)
        var fields: [CandidRecord.Field] = []
        fields.reserveCapacity(expected.list.count)
        var next = 0
        for field in wire.list {
            while next < expected.list.count, expected.list[next].id < field.id {
                let missing = expected.list[next]
                fields.append(
                    .init(id: missing.id, value: try absent(missing.type, definitions, .missingField)))
                next += 1
            }
            if next < expected.list.count, expected.list[next].id == field.id {
                let type = expected.list[next].type
                fields.append(.init(id: field.id, value: try value(field.type, type, definitions, depth: depth)))
                next += 1
            } else {
                try skip(field.type, depth: depth)
            }
        }
        for missing in expected.list.dropFirst(next) {
            fields.append(.init(id: missing.id, value: try absent(missing.type, definitions, .missingField)))
        }
        return .record(CandidRecord(sorted: fields))
    }

    private mutating func variant(
        _ wire: CandidFields, _ expected: CandidFields, _ definitions: [CandidType], depth: Int
    ) throws(CandidError) -> CandidValue {
        let start = reader.offset
        try budget.charge(7, at: start)
        let field = try variantCase(wire)
        guard let index = expected.index(of: field.id) else {
            throw CandidError(.unexpectedVariant, at: start)
        }
        return .variant(
            field.id, try value(field.type, expected.list[index].type, definitions, depth: depth))
    }
}

extension CandidDecoder {
    /// The case that a variant on the wire chooses.
    mutating func variantCase(_ fields: CandidFields) throws(CandidError) -> CandidField {
        let start = reader.offset
        let index = try reader.unsigned()
        guard index < UInt64(fields.list.count) else { throw CandidError(.badTag, at: start) }
        return fields.list[Int(index)]
    }

    /// The byte before the content of an `opt`.
    mutating func flag() throws(CandidError) -> Bool {
        let start = reader.offset
        switch try reader.byte() {
        case 0: return false
        case 1: return true
        default: throw CandidError(.badTag, at: start)
        }
    }

    /// A value of a primitive type; nil when `wire` is no subtype of `expected`, with nothing read.
    private mutating func primitive(
        _ wire: CandidType, _ expected: CandidType
    ) throws(CandidError) -> CandidValue? {
        let start = reader.offset
        defer { budget.spent(reader.offset - start) }
        switch (wire, expected) {
        case (.null, .null):
            try budget.charge(1, at: start)
            return .null
        case (.bool, .bool): return .bool(try bool())
        case (.nat, .nat): return .nat(try reader.integer(isSigned: false))
        case (.nat, .int): return .int(try reader.integer(isSigned: false))
        case (.int, .int): return .int(try reader.integer(isSigned: true))
        case (.nat8, .nat8): return .nat8(try reader.byte())
        case (.nat16, .nat16): return .nat16(try reader.fixedWidth(UInt16.self))
        case (.nat32, .nat32): return .nat32(try reader.fixedWidth(UInt32.self))
        case (.nat64, .nat64): return .nat64(try reader.fixedWidth(UInt64.self))
        case (.int8, .int8): return .int8(Int8(bitPattern: try reader.byte()))
        case (.int16, .int16): return .int16(try reader.fixedWidth(Int16.self))
        case (.int32, .int32): return .int32(try reader.fixedWidth(Int32.self))
        case (.int64, .int64): return .int64(try reader.fixedWidth(Int64.self))
        case (.float32, .float32): return .float32(Float(bitPattern: try reader.fixedWidth(UInt32.self)))
        case (.float64, .float64): return .float64(Double(bitPattern: try reader.fixedWidth(UInt64.self)))
        case (.text, .text): return .text(try reader.text())
        default: return nil
        }
    }

    mutating func bool() throws(CandidError) -> Bool {
        let start = reader.offset
        switch try reader.byte() {
        case 0: return false
        case 1: return true
        default: throw CandidError(.badBool, at: start)
        }
    }

    /// Tag, length and bytes of a principal or service.
    mutating func principal() throws(CandidError) -> [UInt8] {
        let start = reader.offset
        guard try reader.byte() == 1 else { throw CandidError(.badReference, at: start) }
        let bytes = try reader.sized()
        guard bytes.count <= 29 else { throw CandidError(.badPrincipal, at: start) }
        try budget.charge(30, at: start)
        return bytes
    }

    /// A func or service value.
    mutating func reference(_ wire: CandidType) throws(CandidError) -> CandidValue {
        guard case .function = wire else { return .service(try principal()) }
        let start = reader.offset
        guard try reader.byte() == 1 else { throw CandidError(.badReference, at: start) }
        return .function(try principal(), try reader.text())
    }
}

extension CandidRecord {
    /// Fields that are already in ascending order of their ids.
    init(sorted fields: [Field]) {
        list = fields
    }
}

extension CandidType {
    /// The type that a chain of definitions ends in; a chain without end stands for no type at all.
    func resolved(_ definitions: [CandidType]) -> CandidType {
        var type = self
        var steps = 0
        while case .definition(let index) = type {
            guard index >= 0, index < definitions.count, steps <= definitions.count else { return .empty }
            type = definitions[index]
            steps += 1
        }
        return type
    }

    /// The least number of bytes of a value: 0 when not known to be more.
    var minimumBytes: Int {
        switch self {
        case .record, .empty, .definition: 0
        case .principal, .service, .future: 2
        case .function: 4
        default: fixedWidth ?? 1
        }
    }
}
