/// Writes messages: values at given types, each composite type once in the type table.
struct CandidEncoder {
    private let definitions: [CandidType]
    /// The encoded entries of the type table.
    private var entries: [[UInt8]] = []
    /// The entry of each definition that has one.
    private var entryOfDefinition: [Int?]
    private var output: [UInt8] = []

    static func encode(
        _ arguments: [CandidValue], _ types: [CandidType], _ definitions: [CandidType]
    ) throws(CandidError) -> [UInt8] {
        guard arguments.count == types.count else {
            throw CandidError(.valueMismatch, at: min(arguments.count, types.count))
        }
        var encoder = CandidEncoder(definitions)
        var codes: [Int64] = []
        for type in types { codes.append(encoder.code(of: type)) }
        encoder.writeHeader(codes)
        for index in types.indices { try encoder.write(arguments[index], types[index], argument: index) }
        return encoder.output
    }

    private init(_ definitions: [CandidType]) {
        self.definitions = definitions
        entryOfDefinition = [Int?](repeating: nil, count: definitions.count)
    }

    private mutating func writeHeader(_ codes: [Int64]) {
        output = [0x44, 0x49, 0x44, 0x4c]
        LEB128.append(UInt64(entries.count), to: &output)
        for entry in entries { output.append(contentsOf: entry) }
        LEB128.append(UInt64(codes.count), to: &output)
        for code in codes { LEB128.append(signed: code, to: &output) }
    }

    // MARK: Types

    /// The code of a primitive type or the index of a table entry, which is made when there is none yet.
    private mutating func code(of type: CandidType) -> Int64 {
        if case .definition(let index) = type {
            if let known = entryOfDefinition[index] { return Int64(known) }
            let target = type.resolved(definitions)
            if let code = target.primitiveCode { return code }
            // The index is taken before the entry is made, so that the entry can refer to itself.
            let entry = entries.count
            entries.append([])
            entryOfDefinition[index] = entry
            entries[entry] = body(of: target)
            return Int64(entry)
        }
        if let code = type.primitiveCode { return code }
        let body = body(of: type)
        if let known = entries.firstIndex(where: { $0 == body }) { return Int64(known) }
        entries.append(body)
        return Int64(entries.count - 1)
    }

    private mutating func body(of type: CandidType) -> [UInt8] {
        var bytes: [UInt8] = []
        switch type {
        case .optional(let content):
            bytes.append(0x6e)
            LEB128.append(signed: code(of: content), to: &bytes)
        case .vector(let element):
            bytes.append(0x6d)
            LEB128.append(signed: code(of: element), to: &bytes)
        case .record(let fields):
            bytes.append(0x6c)
            append(fields, to: &bytes)
        case .variant(let fields):
            bytes.append(0x6b)
            append(fields, to: &bytes)
        case .function(let function):
            bytes.append(0x6a)
            for types in [function.arguments, function.results] {
                LEB128.append(UInt64(types.count), to: &bytes)
                for type in types { LEB128.append(signed: code(of: type), to: &bytes) }
            }
            bytes.append(function.annotation == nil ? 0 : 1)
            if let annotation = function.annotation { bytes.append(annotation.rawValue) }
        case .service(let methods):
            bytes.append(0x69)
            LEB128.append(UInt64(methods.count), to: &bytes)
            for method in methods.sorted(by: { $0.name.lexicographicallyPrecedes($1.name) }) {
                LEB128.append(UInt64(method.name.count), to: &bytes)
                bytes.append(contentsOf: method.name)
                LEB128.append(signed: code(of: method.type), to: &bytes)
            }
        default:
            // `future` has no contents that could be written: the smallest unknown type stands for it.
            bytes.append(contentsOf: [0x67, 0x00])
        }
        return bytes
    }

    private mutating func append(_ fields: CandidFields, to bytes: inout [UInt8]) {
        LEB128.append(UInt64(fields.list.count), to: &bytes)
        for field in fields.list {
            LEB128.append(UInt64(field.id), to: &bytes)
            LEB128.append(signed: code(of: field.type), to: &bytes)
        }
    }

    // MARK: Values

    private mutating func write(
        _ value: CandidValue, _ type: CandidType, argument: Int
    ) throws(CandidError) {
        switch (value, type.resolved(definitions)) {
        case (.null, .null), (_, .reserved): break
        case (.bool(let value), .bool): output.append(value ? 1 : 0)
        case (.nat(let value), .nat), (.nat(let value), .int), (.int(let value), .int):
            let isSigned = type.resolved(definitions) == .int
            guard isSigned || !value.isNegative else { throw CandidError(.valueMismatch, at: argument) }
            LEB128.append(value, isSigned: isSigned, to: &output)
        case (.nat8(let value), .nat8): output.append(value)
        case (.nat16(let value), .nat16): append(fixedWidth: value)
        case (.nat32(let value), .nat32): append(fixedWidth: value)
        case (.nat64(let value), .nat64): append(fixedWidth: value)
        case (.int8(let value), .int8): output.append(UInt8(bitPattern: value))
        case (.int16(let value), .int16): append(fixedWidth: value)
        case (.int32(let value), .int32): append(fixedWidth: value)
        case (.int64(let value), .int64): append(fixedWidth: value)
        case (.float32(let value), .float32): append(fixedWidth: value.bitPattern)
        case (.float64(let value), .float64): append(fixedWidth: value.bitPattern)
        case (.text(let bytes), .text):
            guard isValidUTF8(bytes) else { throw CandidError(.badText, at: argument) }
            append(sized: bytes)
        case (.principal(let bytes), .principal), (.service(let bytes), .service),
            (.service(let bytes), .principal):
            try append(principal: bytes, argument: argument)
        case (.function(let principal, let method), .function):
            output.append(1)
            try append(principal: principal, argument: argument)
            append(sized: method)
        case (.optional(let content), .optional(let contentType)):
            output.append(content == nil ? 0 : 1)
            if let content { try write(content, contentType, argument: argument) }
        case (.blob(let bytes), .vector(let element)):
            guard element.resolved(definitions) == .nat8 else { throw CandidError(.valueMismatch, at: argument) }
            append(sized: bytes)
        case (.vector(let values), .vector(let element)):
            LEB128.append(UInt64(values.count), to: &output)
            for value in values { try write(value, element, argument: argument) }
        case (.record(let record), .record(let fields)):
            guard record.list.count == fields.list.count else {
                throw CandidError(.valueMismatch, at: argument)
            }
            for index in fields.list.indices {
                guard record.list[index].id == fields.list[index].id else {
                    throw CandidError(.valueMismatch, at: argument)
                }
                try write(record.list[index].value, fields.list[index].type, argument: argument)
            }
        case (.variant(let tag, let payload), .variant(let fields)):
            guard let index = fields.index(of: tag) else { throw CandidError(.valueMismatch, at: argument) }
            LEB128.append(UInt64(index), to: &output)
            try write(payload, fields.list[index].type, argument: argument)
        default: throw CandidError(.valueMismatch, at: argument)
        }
    }

    private mutating func append<Integer: FixedWidthInteger>(fixedWidth value: Integer) {
        for index in 0..<(Integer.bitWidth / 8) {
            output.append(UInt8(truncatingIfNeeded: value >> Integer(8 * index)))
        }
    }

    private mutating func append(sized bytes: [UInt8]) {
        LEB128.append(UInt64(bytes.count), to: &output)
        output.append(contentsOf: bytes)
    }

    private mutating func append(principal bytes: [UInt8], argument: Int) throws(CandidError) {
        guard bytes.count <= 29 else { throw CandidError(.badPrincipal, at: argument) }
        output.append(1)
        append(sized: bytes)
    }
}
