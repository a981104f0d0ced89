/// What decoding has left of its limits.
struct Budget {
    private var quota: Int
    private let depthLimit: Int

    /// How much more a skipped value costs than one that is read: it is work that serves nobody.
    static let skipFactor = 50

    init(_ limits: CandidLimits) {
        quota = limits.quota
        depthLimit = limits.depth
    }

    mutating func charge(_ count: Int, times factor: Int = 1, at offset: Int) throws(CandidError) {
        let (cost, overflow) = count.multipliedReportingOverflow(by: factor)
        guard !overflow, cost <= quota else { throw CandidError(.quotaExceeded, at: offset) }
        quota -= cost
    }

    /// Counts work that is bounded by bytes already read, without a check of its own.
    mutating func spent(_ count: Int) {
        quota -= min(count, quota)
    }

    func check(depth: Int, at offset: Int) throws(CandidError) {
        guard depth <= depthLimit else { throw CandidError(.tooDeep, at: offset) }
    }
}

extension CandidDecoder {
    /// Reads a value of type `wire` and drops it; it must be well formed.
    mutating func skip(_ wire: CandidType, depth: Int) throws(CandidError) {
        let start = reader.offset
        try budget.check(depth: depth, at: start)
        let wire = wire.resolved(header.table)
        try budget.charge(2, times: Budget.skipFactor, at: start)
        switch wire {
        case .empty, .definition: throw CandidError(.valueOfEmptyType, at: start)
        case .bool: _ = try bool()
        case .nat, .int: _ = try reader.integer(isSigned: true)
        case .text: _ = try reader.text()
        case .principal: _ = try principal()
        case .function, .service: _ = try reference(wire)
        case .optional(let content):
            if try flag() { try skip(content, depth: depth + 1) }
        case .vector(let element): try skipVector(element, depth: depth + 1)
        case .record(let fields):
            for field in fields.list { try skip(field.type, depth: depth + 1) }
        case .variant(let fields): try skip(try variantCase(fields).type, depth: depth + 1)
        case .future:
            let bytes = try reader.unsigned()
            _ = try reader.unsigned()
            guard let count = Int(exactly: bytes) else { throw CandidError(.truncated, at: start) }
            try reader.skip(count)
        default: try reader.skip(wire.fixedWidth ?? 0)
        }
    }

    private mutating func skipVector(_ element: CandidType, depth: Int) throws(CandidError) {
        let element = element.resolved(header.table)
        let start = reader.offset
        let count = try reader.count(minimumBytes: element.minimumBytes)
        if let width = element.fixedWidth, width > 0, element != .bool {
            try budget.charge(count, at: start)
            return try reader.skip(count * width)
        }
        try budget.charge(count, times: 3 * Budget.skipFactor, at: start)
        for _ in 0..<count { try skip(element, depth: depth) }
    }
}
