/// The first part of a message: its type table and the types of its arguments.
struct TypeTable {
    /// Entries of the table; their parts are primitive or `definition`.
    let table: [CandidType]
    let arguments: [CandidType]

    /// Reads and checks the header; the reader is then at the first value.
    init(_ reader: inout ByteReader, limits: CandidLimits) throws(CandidError) {
        for expected: UInt8 in [0x44, 0x49, 0x44, 0x4c] {
            guard let byte = try? reader.byte(), byte == expected else { throw CandidError(.badMagic, at: 0) }
        }
        let start = reader.offset
        let count = try reader.count(minimumBytes: 2)
        guard count <= limits.tableEntries else { throw CandidError(.tableTooLong, at: start) }
        var entries: [CandidType] = []
        entries.reserveCapacity(count)
        for _ in 0..<count { entries.append(try Self.entry(&reader, tableCount: count)) }
        for entry in entries { try Self.checkMethods(entry, entries, at: start) }
        table = entries
        arguments = try Self.types(&reader, tableCount: count)
    }

    /// One composite type.
    private static func entry(_ reader: inout ByteReader, tableCount: Int) throws(CandidError) -> CandidType {
        let start = reader.offset
        switch try reader.signed() {
        case -18: return .optional(try type(&reader, tableCount))
        case -19: return .vector(try type(&reader, tableCount))
        case -20: return .record(try fields(&reader, tableCount))
        case -21: return .variant(try fields(&reader, tableCount))
        case -22: return try function(&reader, tableCount)
        case -23: return try service(&reader, tableCount)
        case ..<(-24):
            try reader.skip(reader.count(minimumBytes: 1))
            return .future
        default: throw CandidError(.badTypeCode, at: start)
        }
    }

    /// A primitive type or an index into the table.
    private static func type(_ reader: inout ByteReader, _ tableCount: Int) throws(CandidError) -> CandidType {
        let start = reader.offset
        let code = try reader.signed()
        if code >= 0 {
            guard code < Int64(tableCount) else { throw CandidError(.badTypeIndex, at: start) }
            return .definition(Int(code))
        }
        guard let primitive = CandidType(primitiveCode: code) else {
            throw CandidError(.badTypeCode, at: start)
        }
        return primitive
    }

    private static func types(
        _ reader: inout ByteReader, tableCount: Int
    ) throws(CandidError) -> [CandidType] {
        var list: [CandidType] = []
        for _ in 0..<(try reader.count(minimumBytes: 1)) { list.append(try type(&reader, tableCount)) }
        return list
    }

    private static func fields(
        _ reader: inout ByteReader, _ tableCount: Int
    ) throws(CandidError) -> CandidFields {
        var list: [CandidField] = []
        for _ in 0..<(try reader.count(minimumBytes: 2)) {
            let start = reader.offset
            guard let id = UInt32(exactly: try reader.unsigned()) else {
                throw CandidError(.badInteger, at: start)
            }
            if let last = list.last, last.id >= id { throw CandidError(.unsortedFields, at: start) }
            list.append(CandidField(id: id, type: try type(&reader, tableCount)))
        }
        return CandidFields(list)
    }

    private static func function(
        _ reader: inout ByteReader, _ tableCount: Int
    ) throws(CandidError) -> CandidType {
        let arguments = try types(&reader, tableCount: tableCount)
        let results = try types(&reader, tableCount: tableCount)
        let start = reader.offset
        var annotation: CandidFunction.Annotation?
        for _ in 0..<(try reader.count(minimumBytes: 1)) {
            guard annotation == nil, let known = CandidFunction.Annotation(rawValue: try reader.byte()) else {
                throw CandidError(.badAnnotation, at: start)
            }
            annotation = known
        }
        return .function(CandidFunction(arguments: arguments, results: results, annotation: annotation))
    }

    private static func service(
        _ reader: inout ByteReader, _ tableCount: Int
    ) throws(CandidError) -> CandidType {
        var methods: [CandidMethod] = []
        for _ in 0..<(try reader.count(minimumBytes: 2)) {
            let start = reader.offset
            let name = try reader.text()
            if let last = methods.last, !last.name.lexicographicallyPrecedes(name) {
                throw CandidError(.unsortedMethods, at: start)
            }
            methods.append(CandidMethod(name: name, type: try type(&reader, tableCount)))
        }
        return .service(methods)
    }

    /// Every method of a service must be a func, which is known only once the whole table is read.
    private static func checkMethods(
        _ entry: CandidType, _ entries: [CandidType], at offset: Int
    ) throws(CandidError) {
        guard case .service(let methods) = entry else { return }
        for method in methods {
            guard case .definition(let index) = method.type, case .function = entries[index] else {
                throw CandidError(.badMethodType, at: offset)
            }
        }
    }
}

extension CandidType {
    /// The primitive type with this (negative) code.
    init?(primitiveCode code: Int64) {
        switch code {
        case -1: self = .null
        case -2: self = .bool
        case -3: self = .nat
        case -4: self = .int
        case -5: self = .nat8
        case -6: self = .nat16
        case -7: self = .nat32
        case -8: self = .nat64
        case -9: self = .int8
        case -10: self = .int16
        case -11: self = .int32
        case -12: self = .int64
        case -13: self = .float32
        case -14: self = .float64
        case -15: self = .text
        case -16: self = .reserved
        case -17: self = .empty
        case -24: self = .principal
        default: return nil
        }
    }

    /// The (negative) code of a primitive type; nil for composite types.
    var primitiveCode: Int64? {
        switch self {
        case .null: -1
        case .bool: -2
        case .nat: -3
        case .int: -4
        case .nat8: -5
        case .nat16: -6
        case .nat32: -7
        case .nat64: -8
        case .int8: -9
        case .int16: -10
        case .int32: -11
        case .int64: -12
        case .float32: -13
        case .float64: -14
        case .text: -15
        case .reserved: -16
        case .empty: -17
        case .principal: -24
        default: nil
        }
    }

    /// Bytes of a value when that is the same for all values of a primitive type; nil otherwise.
    var fixedWidth: Int? {
        switch self {
        case .null, .reserved: 0
        case .bool, .nat8, .int8: 1
        case .nat16, .int16: 2
        case .nat32, .int32, .float32: 4
        case .nat64, .int64, .float64: 8
        default: nil
        }
    }
}
