import Foundation
import InternetComputer

/// Brings a model file into a classifier canister and has it served.
///
/// It keeps no state of its own: after a crash of either side the canister is asked what it misses, and only
/// that is sent. Chunks may arrive twice or in any order.
public struct Uploader: Sendable {
    public enum Event: Sendable, Equatable {
        /// `missing` of `chunks` have to be sent.
        case began(chunks: Int, missing: Int, missingBytes: UInt64)
        case sent(chunk: UInt32, bytes: Int)
        case verifying
        /// The canister has verified `bytes` of `total`; only when that takes it several messages.
        case verified(bytes: UInt64, total: UInt64)
    }

    /// What happened, in numbers.
    public struct Outcome: Equatable, Sendable {
        public var model: ModelInfo
        public var chunksSent: Int
        public var chunksSkipped: Int
        public var bytesSent: UInt64
        /// While chunks were sent; activation is not in it.
        public var secondsSending: Double = 0
    }

    let target: any UploadTarget
    let parallelChunks: Int
    let onEvent: @Sendable (Event) -> Void

    /// How often the canister is asked again what it misses.
    static let rounds = 4

    /// - Parameter parallelChunks: chunks under way at the same time, which bounds memory.
    public init(
        target: any UploadTarget, parallelChunks: Int = 3,
        onEvent: @escaping @Sendable (Event) -> Void = { _ in }
    ) {
        precondition(parallelChunks > 0)
        self.target = target
        self.parallelChunks = parallelChunks
        self.onEvent = onEvent
    }

    /// Sends what is missing, then activates.
    ///
    /// - Parameter restarts: drops a half-finished upload of the same file first, as is needed when that was
    ///   cut into other chunks.
    public func upload(_ plan: UploadPlan, restarts: Bool = false) async throws(UploadError) -> Outcome {
        let (model, sent, bytes, seconds) = try await deliver(plan, restarts: restarts) {
            () async throws(ClassifierError) in
            try await target.activate(sha256: plan.sha256) { onEvent(.verified(bytes: $0, total: $1)) }
        }
        return Outcome(
            model: model, chunksSent: sent, chunksSkipped: plan.chunkHashes.count - sent, bytesSent: bytes,
            secondsSending: seconds)
    }

    /// Sends what is missing, then does `use` with the complete file; again when the upload was lost meanwhile.
    func deliver<Result: Sendable>(
        _ plan: UploadPlan, restarts: Bool = false, use: () async throws(ClassifierError) -> Result
    ) async throws(UploadError) -> (result: Result, chunksSent: Int, bytesSent: UInt64, secondsSending: Double) {
        let file = try ChunkedFile(path: plan.path)
        if restarts { try await dropUpload(plan.sha256) }
        var sent: Set<UInt32> = []
        var bytesSent: UInt64 = 0
        var lastMissing = 0
        var seconds = 0.0
        for round in 0..<Self.rounds {
            let missing = try await classifier { () async throws(ClassifierError) in try await target.begin(plan) }
            lastMissing = missing.count
            if round == 0 {
                let bytes = missing.reduce(UInt64(0)) { $0 + UInt64(plan.bytes(ofChunk: $1)) }
                onEvent(.began(chunks: plan.chunkHashes.count, missing: missing.count, missingBytes: bytes))
            }
            if missing.isEmpty {
                onEvent(.verifying)
                do {
                    return (try await use(), sent.count, bytesSent, seconds)
                } catch .refused(.missingChunks), .refused(.unknownUpload) {
                    // Somebody aborted the upload, or the canister was reinstalled, between two messages.
                    continue
                } catch { throw .classifier(error) }
            }
            let start = ContinuousClock.now
            for index in try await send(missing, of: plan, from: file) {
                sent.insert(index)
                bytesSent += UInt64(plan.bytes(ofChunk: index))
            }
            seconds += (ContinuousClock.now - start) / .seconds(1)
        }
        throw .incomplete(missing: max(lastMissing, 1))
    }

    private func dropUpload(_ sha256: [UInt8]) async throws(UploadError) {
        do { try await target.abort(sha256: sha256) } catch .refused(.unknownUpload) {} catch {
            throw .classifier(error)
        }
    }

    /// Sends chunks, a few at a time; gives those that arrived before the upload was lost, if it was.
    private func send(
        _ missing: [UInt32], of plan: UploadPlan, from file: ChunkedFile
    ) async throws(UploadError) -> [UInt32] {
        let results = await withTaskGroup(of: Result<UInt32?, UploadError>.self) { group in
            var results: [Result<UInt32?, UploadError>] = []
            var waiting = missing[...]
            for _ in 0..<parallelChunks {
                guard let index = waiting.popFirst() else { break }
                group.addTask { await self.put(index, of: plan, from: file) }
            }
            while let result = await group.next() {
                results.append(result)
                if case .success(.some) = result, let index = waiting.popFirst() {
                    group.addTask { await self.put(index, of: plan, from: file) }
                }
            }
            return results
        }
        var arrived: [UInt32] = []
        for result in results { if let index = try result.get() { arrived.append(index) } }
        return arrived
    }

    /// Sends one chunk; nil when the canister no longer knows the upload.
    private func put(
        _ index: UInt32, of plan: UploadPlan, from file: ChunkedFile
    ) async -> Result<UInt32?, UploadError> {
        do {
            let data = try plan.chunk(index, of: file)
            do {
                try await target.put(sha256: plan.sha256, index: index, data: consume data)
            } catch .refused(.unknownUpload) {
                return .success(nil)
            } catch { return .failure(.classifier(error)) }
            onEvent(.sent(chunk: index, bytes: plan.bytes(ofChunk: index)))
            return .success(index)
        } catch { return .failure(error) }
    }

    private func classifier<Value>(
        _ body: () async throws(ClassifierError) -> Value
    ) async throws(UploadError) -> Value {
        do { return try await body() } catch { throw .classifier(error) }
    }
}
