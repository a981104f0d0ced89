import Candid
import InternetComputer

/// Why the classifier canister gave no answer.
public enum ClassifierError: Error, Equatable, Sendable, CustomStringConvertible {
    case agent(AgentError)
    case refused(ClassifierRefusal)
    /// The canister's answer has another shape: it is no classifier, or a newer one.
    case notAClassifier(method: String)

    public var description: String {
        switch self {
        case .agent(let error): error.description
        case .refused(let refusal): refusal.description
        case .notAClassifier(let method):
            "the canister's answer to '\(method)' is not that of a deai-train classifier: is it the right one?"
        }
    }
}

/// The methods of the classifier canister, typed.
public struct ClassifierClient: Sendable {
    public let agent: Agent
    public let canister: Principal

    public init(agent: Agent, canister: Principal) {
        self.agent = agent
        self.canister = canister
    }

    // MARK: Inference

    public enum Image: Sendable {
        /// A PNG file of any size.
        case png([UInt8])
        /// height · width · channels bytes, interleaved.
        case pixels([UInt8])

        var candid: CandidValue {
            switch self {
            case .png(let bytes): .variant("png", .blob(bytes))
            case .pixels(let bytes): .variant("pixels", .blob(bytes))
            }
        }
    }

    static let imageType = CandidType.variant(["png": .blob, "pixels": .blob])

    /// Classifies by a query: fast, the word of one node.
    public func classify(_ image: Image, top: UInt32?) async throws(ClassifierError) -> Classification {
        let value = try await query("classify", [Self.question(image, top)], [Self.questionType])
        return try read("classify", ok(value, "classify"), Classification.init)
    }

    /// Classifies by update calls: slower, certified by the subnet, and as many as a large model needs.
    ///
    /// - Parameter onProgress: bytes of weights that went by, and in all, after each call but the last.
    public func classifyCertified(
        _ image: Image, top: UInt32?, onProgress: (UInt64, UInt64) -> Void = { _, _ in }
    ) async throws(ClassifierError) -> Classification {
        try await continued(onProgress) { () async throws(ClassifierError) in
            let value = try await update("classify_update", [Self.question(image, top)], [Self.questionType])
            return try read("classify_update", ok(value, "classify_update"), Classification.init)
        }
    }

    private static let questionType = CandidType.record(["image": imageType, "top": .optional(.nat32)])

    private static func question(_ image: Image, _ top: UInt32?) -> CandidValue {
        .record(["image": image.candid, "top": .optional(top.map { .nat32($0) })])
    }

    /// The logits of `count` images of the model's size, one after the other in `pixels`; classes vary fastest.
    public func logits(pixels: [UInt8], count: UInt32) async throws(ClassifierError) -> BatchLogits {
        let type = CandidType.record(["count": .nat32, "pixels": .blob])
        let record = CandidValue.record(["count": .nat32(count), "pixels": .blob(pixels)])
        let answer = try ok(try await query("logits_raw", [record], [type]), "logits_raw")
        return try read("logits_raw", answer, BatchLogits.init)
    }

    /// The same logits by queries if the model lets them, and by update calls of a picture each if it is too large.
    public func anyLogits(
        pixels: [UInt8], count: UInt32, classes: Int
    ) async throws(ClassifierError) -> BatchLogits {
        do { return try await logits(pixels: pixels, count: count) } catch .refused(.tooExpensive) {} catch { throw error }
        var batch = BatchLogits()
        let size = pixels.count / Int(count)
        for image in 0..<Int(count) {
            let answer = try await classifyCertified(
                .pixels(Array(pixels[(image * size)..<((image + 1) * size)])), top: UInt32(classes))
            var row = [Int32](repeating: 0, count: classes)
            for label in answer.top where label.index < UInt32(classes) { row[Int(label.index)] = label.logit }
            guard answer.top.count == classes, batch.modelSHA256.isEmpty || batch.modelSHA256 == answer.modelSHA256
            else { throw .notAClassifier(method: "classify_update") }
            batch.logits += row
            batch.modelSHA256 = answer.modelSHA256
            batch.instructions += answer.instructions
        }
        return batch
    }

    public struct BatchLogits: Equatable, Sendable {
        public var logits: [Int32] = []
        public var modelSHA256: [UInt8] = []
        public var instructions: UInt64 = 0

        init() {}

        init?(_ value: CandidValue) {
            guard let bytes = value["logits"]?.asBytes, bytes.count.isMultiple(of: 4),
                let hash = value["model_sha256"]?.asBytes, let instructions = value["instructions"]?.asUInt64
            else { return nil }
            logits = stride(from: 0, to: bytes.count, by: 4).map { offset in
                let word = (0..<4).reduce(UInt32(0)) { $0 | UInt32(bytes[offset + $1]) << UInt32(8 * $1) }
                return Int32(bitPattern: word)
            }
            modelSHA256 = hash
            self.instructions = instructions
        }
    }

    // MARK: Models

    public func models() async throws(ClassifierError) -> [ModelInfo] {
        let value = try await query("models", [], [])
        guard let list = value.asVector else { throw .notAClassifier(method: "models") }
        var models: [ModelInfo] = []
        for entry in list { models.append(try read("models", entry, ModelInfo.init)) }
        return models
    }

    public func modelInfo() async throws(ClassifierError) -> ModelInfo {
        try read("model_info", ok(await query("model_info", [], []), "model_info"), ModelInfo.init)
    }

    public func rollback(
        to version: UInt64, onProgress: (UInt64, UInt64) -> Void = { _, _ in }
    ) async throws(ClassifierError) -> ModelInfo {
        try await continued(onProgress) { () async throws(ClassifierError) in
            let value = try await update("rollback", [.nat64(version)], [.nat64])
            return try read("rollback", ok(value, "rollback"), ModelInfo.init)
        }
    }

    public func deleteVersion(_ version: UInt64) async throws(ClassifierError) {
        _ = try ok(await update("delete_version", [.nat64(version)], [.nat64]), "delete_version")
    }

    /// At most `length` bytes of a stored file, from `offset`.
    public func download(
        sha256: [UInt8], offset: UInt64, length: UInt32
    ) async throws(ClassifierError) -> [UInt8] {
        let type = CandidType.record(["sha256": .blob, "offset": .nat64, "length": .nat32])
        let part = CandidValue.record([
            "sha256": .blob(sha256), "offset": .nat64(offset), "length": .nat32(length),
        ])
        let answer = try ok(await query("download_chunk", [part], [type]), "download_chunk")
        return try read("download_chunk", answer) { $0["data"]?.asBytes }
    }

    /// How often a call that is continued may fall back, as it does when the canister is upgraded in between.
    private static let restarts = 8

    /// Calls until the canister no longer answers that it is under way; each call must get further.
    func continued<Value>(
        _ onProgress: (UInt64, UInt64) -> Void = { _, _ in }, _ body: () async throws(ClassifierError) -> Value
    ) async throws(ClassifierError) -> Value {
        var last: UInt64?
        var restarts = 0
        while true {
            do { return try await body() } catch .refused(.inProgress(let done, let total)) {
                onProgress(done, total)
                if let last, done <= last {
                    restarts += 1
                    guard restarts <= Self.restarts else { throw .refused(.inProgress(done: done, total: total)) }
                }
                last = done
            } catch { throw error }
        }
    }

    // MARK: Calls

    /// CanisterRejectedMessage.
    private static let refusedAtTheDoor = "IC0406"

    func query(
        _ method: String, _ values: [CandidValue], _ types: [CandidType]
    ) async throws(ClassifierError) -> CandidValue {
        let argument = try encode(method, values, types)
        do {
            return try decode(method, try await agent.query(canister, method, argument).bytes)
        } catch let error as AgentError { throw .agent(error) } catch { throw .notAClassifier(method: method) }
    }

    func update(
        _ method: String, _ values: [CandidValue], _ types: [CandidType]
    ) async throws(ClassifierError) -> CandidValue {
        try await update(method, try encode(method, values, types))
    }

    /// Calls an update with an encoded argument.
    func update(_ method: String, _ argument: [UInt8]) async throws(ClassifierError) -> CandidValue {
        do {
            return try decode(method, try await agent.call(canister, method, argument).bytes)
        } catch AgentError.rejected(let rejection) where rejection.errorCode == Self.refusedAtTheDoor {
            // `canister_inspect_message` turns strangers away before they cost anything.
            throw .refused(.notAuthorized)
        } catch let error as AgentError { throw .agent(error) } catch { throw .notAClassifier(method: method) }
    }

    func encode(
        _ method: String, _ values: [CandidValue], _ types: [CandidType]
    ) throws(ClassifierError) -> [UInt8] {
        do { return try Candid.encode(values, as: types) } catch { throw .notAClassifier(method: method) }
    }

    private func decode(_ method: String, _ bytes: [UInt8]) throws(ClassifierError) -> CandidValue {
        do {
            guard let value = try Candid.decode(bytes).first else { throw ClassifierError.notAClassifier(method: method) }
            return value
        } catch { throw .notAClassifier(method: method) }
    }

    /// What `variant { ok; err }` holds.
    func ok(_ value: CandidValue, _ method: String) throws(ClassifierError) -> CandidValue {
        if let result = value.payload(of: "ok") { return result }
        if let error = value.payload(of: "err") { throw .refused(ClassifierRefusal(error)) }
        throw .notAClassifier(method: method)
    }

    func read<Result>(
        _ method: String, _ value: CandidValue, _ make: (CandidValue) -> Result?
    ) throws(ClassifierError) -> Result {
        guard let result = make(value) else { throw .notAClassifier(method: method) }
        return result
    }
}
