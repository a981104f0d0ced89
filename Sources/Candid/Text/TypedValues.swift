#if !hasFeature(Embedded)
/// Gives parsed values the types they are expected to have.
struct TypedValues {
    private let definitions: [CandidType]

    init(_ definitions: [CandidType]) {
        self.definitions = definitions
    }

    func arguments(
        _ values: [ParsedValue], _ types: [CandidType]
    ) throws(CandidText.Failure) -> [CandidValue] {
        guard values.count <= types.count else {
            throw failure("\(values.count) arguments where \(types.count) are expected")
        }
        var result: [CandidValue] = []
        for (index, type) in types.enumerated() {
            if index < values.count {
                result.append(try value(values[index], type))
            } else if let absent = absent(type) {
                result.append(absent)
            } else {
                throw failure("argument \(index + 1) of \(types.count) is missing")
            }
        }
        return result
    }

    private func failure(_ message: String) -> CandidText.Failure {
        CandidText.Failure(message: message, offset: 0)
    }

    private func absent(_ type: CandidType) -> CandidValue? {
        switch type.resolved(definitions) {
        case .null: .null
        case .reserved: .reserved
        case .optional: .optional(nil)
        default: nil
        }
    }

    private func value(_ parsed: ParsedValue, _ type: CandidType) throws(CandidText.Failure) -> CandidValue {
        let type = type.resolved(definitions)
        switch (parsed, type) {
        case (_, .reserved): return .reserved
        case (.annotated(let inner, let own), _):
            // An annotated value is one of its own type, which is then coerced as it would be in a message.
            let typed = try TypedValues([]).value(inner, own)
            guard let bytes = try? Candid.encode([typed], as: [own]),
                let values = try? Candid.decode(bytes, as: [type], definitions: definitions)
            else { throw failure("an annotated value is not of the expected type") }
            return values[0]
        case (.constant(.null), .optional): return .optional(nil)
        case (.optional(let inner), .optional(let content)): return .optional(try value(inner, content))
        case (_, .optional(let content)): return .optional(try value(parsed, content))
        case (.constant(let constant), _): return try check(constant, type)
        case (.number(let digits), _):
            guard let number = Self.number(digits, type) else {
                throw failure("\(digits) is not a value of the expected type")
            }
            return number
        case (.vector(let elements), .vector(let element)):
            var values: [CandidValue] = []
            for parsed in elements { values.append(try value(parsed, element)) }
            guard element.resolved(definitions) == .nat8 else { return .vector(values) }
            return .blob(
                values.compactMap { value in if case .nat8(let byte) = value { byte } else { nil } })
        case (.record(let fields), .record(let expected)):
            var values: [CandidRecord.Field] = []
            for field in expected.list {
                if let given = fields.first(where: { $0.id == field.id }) {
                    values.append(.init(id: field.id, value: try value(given.value, field.type)))
                } else if let absent = absent(field.type) {
                    values.append(.init(id: field.id, value: absent))
                } else {
                    throw failure("a record lacks the field \(field.id)")
                }
            }
            return .record(CandidRecord(values))
        case (.variant(let tag, let payload), .variant(let expected)):
            guard let index = expected.index(of: tag) else { throw failure("an unknown variant tag") }
            return .variant(tag, try value(payload, expected.list[index].type))
        default: throw failure("a value is not of the expected type")
        }
    }

    private func check(_ constant: CandidValue, _ type: CandidType) throws(CandidText.Failure) -> CandidValue {
        switch (constant, type) {
        case (.null, .null), (.bool, .bool), (.text, .text), (.principal, .principal), (.service, .service),
            (.function, .function):
            return constant
        case (.service(let bytes), .principal): return .principal(bytes)
        case (.blob, .vector(let element)) where element.resolved(definitions) == .nat8: return constant
        default: throw failure("a value is not of the expected type")
        }
    }

    static func number(_ text: String, _ type: CandidType) -> CandidValue? {
        switch type {
        case .float32: return Float(text).map { .float32($0) }
        case .float64: return Double(text).map { .float64($0) }
        default: break
        }
        let isNegative = text.hasPrefix("-")
        var digits = isNegative ? text.dropFirst() : text[...]
        let isHexadecimal = digits.hasPrefix("0x") || digits.hasPrefix("0X")
        if isHexadecimal { digits = digits.dropFirst(2) }
        guard
            let value = CandidInteger(
                digits: Array(digits.utf8), base: isHexadecimal ? 16 : 10, isNegative: isNegative)
        else { return nil }
        switch type {
        case .nat: return value.isNegative ? nil : .nat(value)
        case .int: return .int(value)
        case .nat64: return value.asUInt64.map { .nat64($0) }
        case .nat32: return value.asUInt64.flatMap { UInt32(exactly: $0) }.map { .nat32($0) }
        case .nat16: return value.asUInt64.flatMap { UInt16(exactly: $0) }.map { .nat16($0) }
        case .nat8: return value.asUInt64.flatMap { UInt8(exactly: $0) }.map { .nat8($0) }
        case .int64: return value.asInt64.map { .int64($0) }
        case .int32: return value.asInt64.flatMap { Int32(exactly: $0) }.map { .int32($0) }
        case .int16: return value.asInt64.flatMap { Int16(exactly: $0) }.map { .int16($0) }
        case .int8: return value.asInt64.flatMap { Int8(exactly: $0) }.map { .int8($0) }
        default: return nil
        }
    }
}

extension ParsedValue {
    /// The type a value has by itself: numbers are `int` or `float64`, the elements of a vector share one type.
    var inferredType: CandidType {
        switch self {
        case .number(let text): Self.isFloat(text) ? .float64 : .int
        case .annotated(_, let type): type
        case .constant(let value):
            switch value {
            case .bool: .bool
            case .text: .text
            case .blob: .blob
            case .principal: .principal
            case .service: .service([])
            case .function: .function(CandidFunction(arguments: [], results: []))
            default: .null
            }
        case .optional(let inner): .optional(inner.inferredType)
        case .vector(let elements): .vector(elements.first?.inferredType ?? .empty)
        case .record(let fields):
            .record(CandidFields(fields.map { CandidField(id: $0.id, type: $0.value.inferredType) }))
        case .variant(let tag, let payload):
            .variant(CandidFields([CandidField(id: tag, type: payload.inferredType)]))
        }
    }

    private static func isFloat(_ text: String) -> Bool {
        !text.lowercased().contains("x") && text.contains { $0 == "." || $0 == "e" }
    }
}
#endif
