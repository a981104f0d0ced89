import Candid

/// Why a request was not fulfilled: the cases of `Error` in classifier.did.
enum ClassifierError: Error, Sendable {
    case notAuthorized
    case noModel
    case badImage([UInt8])
    case wrongSize(expected: UInt64, found: UInt64)
    case badModel([UInt8])
    case unknownUpload
    case hashMismatch(expected: [UInt8], found: [UInt8])
    case missingChunks([UInt32])
    case badRequest([UInt8])
    case tooLarge(limit: UInt64, found: UInt64)
    case unknownVersion(UInt64)
    case outOfMemory
    case quotaExceeded(limit: UInt64, found: UInt64)
    case rateLimited(retryAfterSeconds: UInt64)
    /// The same call goes on from there.
    case inProgress(done: UInt64, total: UInt64)
    /// A query would run into the network's limits; the method named goes over several messages.
    case tooExpensive(cost: InferenceCost, instead: StaticString)

    static func badRequest(_ text: StaticString) -> ClassifierError { .badRequest(bytes(of: text)) }

    /// The error as Candid.
    var value: CandidValue {
        switch self {
        case .notAuthorized: .variant("not_authorized")
        case .noModel: .variant("no_model")
        case .badImage(let text): .variant("bad_image", .text(text))
        case .wrongSize(let expected, let found):
            .variant("wrong_size", .record(["expected": .nat64(expected), "found": .nat64(found)]))
        case .badModel(let text): .variant("bad_model", .text(text))
        case .unknownUpload: .variant("unknown_upload")
        case .hashMismatch(let expected, let found):
            .variant("hash_mismatch", .record(["expected": .blob(expected), "found": .blob(found)]))
        case .missingChunks(let indices): .variant("missing_chunks", numbers(indices))
        case .badRequest(let text): .variant("bad_request", .text(text))
        case .tooLarge(let limit, let found):
            .variant("too_large", .record(["limit": .nat64(limit), "found": .nat64(found)]))
        case .unknownVersion(let version): .variant("unknown_version", .nat64(version))
        case .outOfMemory: .variant("out_of_memory")
        case .quotaExceeded(let limit, let found):
            .variant("quota_exceeded", .record(["limit": .nat64(limit), "found": .nat64(found)]))
        case .rateLimited(let seconds):
            .variant("rate_limited", .record(["retry_after_seconds": .nat64(seconds)]))
        case .inProgress(let done, let total):
            .variant("in_progress", .record(["done": .nat64(done), "total": .nat64(total)]))
        case .tooExpensive(let cost, let instead):
            .variant(
                "too_expensive",
                .record([
                    "instructions": .nat64(cost.instructions), "instruction_limit": .nat64(cost.budgets.queryInstructions),
                    "stable_bytes": .nat64(cost.stableBytes), "stable_byte_limit": .nat64(cost.budgets.queryStableBytes),
                    "instead": .text(bytes(of: instead)),
                ]))
        }
    }
}

/// A `vec nat32`.
func numbers(_ list: [UInt32]) -> CandidValue {
    var values: [CandidValue] = []
    values.reserveCapacity(list.count)
    for number in list { values.append(.nat32(number)) }
    return .vector(values)
}

/// The UTF-8 bytes of a constant.
func bytes(of text: StaticString) -> [UInt8] {
    text.withUTF8Buffer { [UInt8]($0) }
}

/// `text (label number)`, the form in which positions are told.
func sentence(_ text: StaticString, _ label: StaticString, _ number: Int) -> [UInt8] {
    bytes(of: text) + bytes(of: " (") + bytes(of: label) + [0x20] + CandidInteger(Int64(number)).decimal
        + [0x29]
}
