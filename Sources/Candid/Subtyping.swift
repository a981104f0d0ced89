/// One type and the definitions it refers to.
private struct Side {
    let type: CandidType
    let definitions: [CandidType]
    /// Which of the two lists of definitions this is, to tell assumptions apart.
    let isWire: Bool

    func with(_ other: CandidType) -> Side {
        Side(type: other, definitions: definitions, isWire: isWire)
    }

    var resolved: CandidType { type.resolved(definitions) }
}

/// Pairs of definitions taken to be subtypes while they are being compared: recursive types compare as what
/// they unfold to.
private struct Assumptions {
    private var pairs: [(lower: Int, upper: Int, lowerIsWire: Bool)] = []

    var count: Int { pairs.count }

    /// False when the pair was assumed before.
    mutating func insert(_ lower: Int, _ upper: Int, lowerIsWire: Bool) -> Bool {
        for pair in pairs where pair.lower == lower && pair.upper == upper && pair.lowerIsWire == lowerIsWire {
            return false
        }
        pairs.append((lower, upper, lowerIsWire))
        return true
    }
}

extension Budget {
    /// Whether `wire` (with the message's table) is a subtype of `expected` (with its definitions).
    mutating func isSubtype(
        _ wire: CandidType, _ table: [CandidType], _ expected: CandidType, _ definitions: [CandidType],
        at offset: Int
    ) throws(CandidError) -> Bool {
        var assumptions = Assumptions()
        return try compare(
            Side(type: wire, definitions: table, isWire: true),
            Side(type: expected, definitions: definitions, isWire: false), &assumptions, depth: 0, offset)
    }

    private mutating func compare(
        _ lower: Side, _ upper: Side, _ assumptions: inout Assumptions, depth: Int, _ offset: Int
    ) throws(CandidError) -> Bool {
        try check(depth: depth, at: offset)
        try charge(2 + assumptions.count / 4, at: offset)
        if case .definition(let first) = lower.type, case .definition(let second) = upper.type {
            guard assumptions.insert(first, second, lowerIsWire: lower.isWire) else { return true }
        }
        switch (lower.resolved, upper.resolved) {
        case (_, .reserved), (_, .optional), (.empty, _), (.nat, .int), (.service, .principal):
            return true
        case (.vector(let first), .vector(let second)):
            return try compare(lower.with(first), upper.with(second), &assumptions, depth: depth + 1, offset)
        case (.record(let first), .record(let second)):
            for field in second.list {
                if let index = first.index(of: field.id) {
                    guard
                        try compare(
                            lower.with(first.list[index].type), upper.with(field.type), &assumptions,
                            depth: depth + 1, offset)
                    else { return false }
                } else if !upper.with(field.type).resolved.admitsNull {
                    return false
                }
            }
            return true
        case (.variant(let first), .variant(let second)):
            for field in first.list {
                guard let index = second.index(of: field.id),
                    try compare(
                        lower.with(field.type), upper.with(second.list[index].type), &assumptions,
                        depth: depth + 1, offset)
                else { return false }
            }
            return true
        case (.function(let first), .function(let second)):
            guard first.annotation == second.annotation else { return false }
            guard
                try compareTuples(
                    upper, second.arguments, lower, first.arguments, &assumptions, depth: depth + 1, offset)
            else { return false }
            return try compareTuples(
                lower, first.results, upper, second.results, &assumptions, depth: depth + 1, offset)
        case (.service(let first), .service(let second)):
            for method in second {
                try charge(first.count, at: offset)
                guard let offered = first.first(where: { $0.name == method.name }),
                    try compare(
                        lower.with(offered.type), upper.with(method.type), &assumptions, depth: depth + 1,
                        offset)
                else { return false }
            }
            return true
        case (let first, let second):
            return first.primitiveCode != nil && first.primitiveCode == second.primitiveCode
        }
    }

    /// Argument lists compare like records numbered from 0.
    private mutating func compareTuples(
        _ lower: Side, _ first: [CandidType], _ upper: Side, _ second: [CandidType],
        _ assumptions: inout Assumptions, depth: Int, _ offset: Int
    ) throws(CandidError) -> Bool {
        for index in second.indices {
            if index < first.count {
                guard
                    try compare(
                        lower.with(first[index]), upper.with(second[index]), &assumptions, depth: depth, offset)
                else { return false }
            } else if !upper.with(second[index]).resolved.admitsNull {
                return false
            }
        }
        return true
    }
}
