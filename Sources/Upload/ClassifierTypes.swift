import Candid
import InternetComputer

/// A refusal by the classifier canister: the cases of `Error` in classifier.did.
public enum ClassifierRefusal: Error, Equatable, Sendable {
    case notAuthorized
    case noModel
    case badImage(String)
    case wrongSize(expected: UInt64, found: UInt64)
    case badModel(String)
    case unknownUpload
    case hashMismatch(expected: [UInt8], found: [UInt8])
    case missingChunks([UInt32])
    case badRequest(String)
    case tooLarge(limit: UInt64, found: UInt64)
    case unknownVersion(UInt64)
    case outOfMemory
    case quotaExceeded(limit: UInt64, found: UInt64)
    case rateLimited(retryAfterSeconds: UInt64)
    /// The same call goes on from there.
    case inProgress(done: UInt64, total: UInt64)
    /// The model may need more than a query has; `instead` is the method to call.
    case tooExpensive(instructions: UInt64, stableBytes: UInt64, instead: String)
    /// A case that a newer canister knows and this version does not.
    case unknown

    init(_ value: CandidValue) {
        if value.payload(of: "not_authorized") != nil { self = .notAuthorized; return }
        if value.payload(of: "no_model") != nil { self = .noModel; return }
        if value.payload(of: "unknown_upload") != nil { self = .unknownUpload; return }
        if value.payload(of: "out_of_memory") != nil { self = .outOfMemory; return }
        if let text = value.payload(of: "bad_image")?.string { self = .badImage(text); return }
        if let text = value.payload(of: "bad_model")?.string { self = .badModel(text); return }
        if let text = value.payload(of: "bad_request")?.string { self = .badRequest(text); return }
        if let version = value.payload(of: "unknown_version")?.asUInt64 { self = .unknownVersion(version); return }
        if let chunks = value.payload(of: "missing_chunks")?.indices { self = .missingChunks(chunks); return }
        if let sizes = value.payload(of: "wrong_size"), let expected = sizes["expected"]?.asUInt64,
            let found = sizes["found"]?.asUInt64
        {
            self = .wrongSize(expected: expected, found: found)
            return
        }
        if let hashes = value.payload(of: "hash_mismatch"), let expected = hashes["expected"]?.asBytes,
            let found = hashes["found"]?.asBytes
        {
            self = .hashMismatch(expected: expected, found: found)
            return
        }
        if let sizes = value.payload(of: "too_large"), let limit = sizes["limit"]?.asUInt64,
            let found = sizes["found"]?.asUInt64
        {
            self = .tooLarge(limit: limit, found: found)
            return
        }
        if let sizes = value.payload(of: "quota_exceeded"), let limit = sizes["limit"]?.asUInt64,
            let found = sizes["found"]?.asUInt64
        {
            self = .quotaExceeded(limit: limit, found: found)
            return
        }
        if let seconds = value.payload(of: "rate_limited")?["retry_after_seconds"]?.asUInt64 {
            self = .rateLimited(retryAfterSeconds: seconds)
            return
        }
        if let cost = value.payload(of: "too_expensive"), let instructions = cost["instructions"]?.asUInt64,
            let bytes = cost["stable_bytes"]?.asUInt64, let instead = cost["instead"]?.string
        {
            self = .tooExpensive(instructions: instructions, stableBytes: bytes, instead: instead)
            return
        }
        if let state = value.payload(of: "in_progress"), let done = state["done"]?.asUInt64,
            let total = state["total"]?.asUInt64
        {
            self = .inProgress(done: done, total: total)
            return
        }
        self = .unknown
    }
}

extension ClassifierRefusal: CustomStringConvertible {
    public var description: String {
        switch self {
        case .notAuthorized:
            "the canister lets only its controllers and uploaders do this; `deai-train identity` shows who you are"
        case .noModel: "the canister has no model yet: upload one with `deai-train upload model.deai`"
        case .badImage(let text): "the canister cannot read the image: \(text)"
        case .wrongSize(let expected, let found): "the canister expects \(expected) bytes and got \(found)"
        case .badModel(let text): "the canister refuses the model: \(text)"
        case .unknownUpload: "the canister knows no such upload"
        case .hashMismatch(let expected, let found):
            "the canister computed SHA-256 \(hexadecimal(found)), promised was \(hexadecimal(expected))"
        case .missingChunks(let chunks): "the canister still misses \(chunks.count) chunks"
        case .badRequest(let text): "the canister refuses the request: \(text)"
        case .tooLarge(let limit, let found): "the canister takes at most \(limit), this would be \(found)"
        case .unknownVersion(let version):
            "the canister has no model version \(version): `deai-train models` lists what it has"
        case .outOfMemory: "the canister's memory is full"
        case .quotaExceeded(let limit, let found):
            "an uploader may hold \(limit) bytes in this canister, this would make \(found): delete old versions"
        case .rateLimited(let seconds): "too many calls within a minute: try again in \(seconds) s"
        case .inProgress(let done, let total): "the canister has done \(done) of \(total) bytes: call again"
        case .tooExpensive(let instructions, let bytes, let instead):
            "the model takes up to \(instructions) instructions and \(bytes) bytes of stable memory for a picture, more "
                + "than a query has: use \(instead) (`deai-train query --certified`)"
        case .unknown: "the canister refuses for a reason this version of deai-train does not know"
        }
    }
}

/// A model in the canister: `ModelInfo` in classifier.did.
public struct ModelInfo: Codable, Equatable, Sendable {
    public var version: UInt64
    /// SHA-256 of the file, hexadecimal.
    public var sha256: String
    public var size: UInt64
    public var name: String
    public var height: UInt32
    public var width: UInt32
    public var channels: UInt32
    public var labels: [String]
    public var multiplyAccumulates: UInt64
    /// JSON.
    public var provenance: String
    /// Nanoseconds since 1970.
    public var activatedAt: UInt64

    public init(
        version: UInt64, sha256: String, size: UInt64, name: String, height: UInt32, width: UInt32,
        channels: UInt32, labels: [String], multiplyAccumulates: UInt64, provenance: String,
        activatedAt: UInt64
    ) {
        self.version = version
        self.sha256 = sha256
        self.size = size
        self.name = name
        self.height = height
        self.width = width
        self.channels = channels
        self.labels = labels
        self.multiplyAccumulates = multiplyAccumulates
        self.provenance = provenance
        self.activatedAt = activatedAt
    }

    init?(_ value: CandidValue) {
        guard let version = value["version"]?.asUInt64, let sha256 = value["sha256"]?.asBytes,
            let size = value["size"]?.asUInt64, let name = value["name"]?.string, let input = value["input"],
            let height = input["height"]?.asUInt32, let width = input["width"]?.asUInt32,
            let channels = input["channels"]?.asUInt32, let labels = value["labels"]?.asVector,
            let operations = value["multiply_accumulates"]?.asUInt64,
            let provenance = value["provenance"]?.string, let time = value["activated_at"]?.asUInt64
        else { return nil }
        self.version = version
        self.sha256 = hexadecimal(sha256)
        self.size = size
        self.name = name
        self.height = height
        self.width = width
        self.channels = channels
        self.labels = labels.compactMap(\.string)
        multiplyAccumulates = operations
        self.provenance = provenance
        activatedAt = time
    }
}

/// The classification of one image: `Answer` in classifier.did.
public struct Classification: Equatable, Sendable {
    public struct Label: Codable, Equatable, Sendable {
        public var index: UInt32
        public var label: String
        public var probability: Float
        public var logit: Int32
    }

    public var top: [Label]
    public var modelVersion: UInt64
    public var modelSHA256: [UInt8]
    public var instructions: UInt64

    init?(_ value: CandidValue) {
        guard let top = value["top"]?.asVector, let version = value["model_version"]?.asUInt64,
            let hash = value["model_sha256"]?.asBytes, let instructions = value["instructions"]?.asUInt64
        else { return nil }
        self.top = top.compactMap { entry in
            guard let index = entry["index"]?.asUInt32, let label = entry["label"]?.string,
                case .float32(let probability)? = entry["probability"], let logit = entry["logit"]?.asInt32
            else { return nil }
            return Label(index: index, label: label, probability: probability, logit: logit)
        }
        guard self.top.count == top.count else { return nil }
        modelVersion = version
        modelSHA256 = hash
        self.instructions = instructions
    }
}

extension CandidValue {
    var string: String? { asBytes.map { String(decoding: $0, as: UTF8.self) } }

    /// A `vec nat32`.
    var indices: [UInt32]? {
        guard let values = asVector else { return nil }
        let indices = values.compactMap(\.asUInt32)
        return indices.count == values.count ? indices : nil
    }
}
