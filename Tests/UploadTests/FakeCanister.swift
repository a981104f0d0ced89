import Crypto
import Foundation
import Inference
import Synchronization
import Upload

/// The upload methods of a classifier canister in memory, on a network that misbehaves as told.
final class FakeCanister: UploadTarget {
    enum Fault: Sendable, Equatable {
        /// The chunk arrives, its answer does not.
        case answerLost
        /// The chunk never arrives.
        case chunkLost
        /// The upload is gone, as after a reinstall.
        case forgotten
    }

    struct State {
        var plan: UploadPlan?
        var chunks: [UInt32: [UInt8]] = [:]
        var arrivals: [UInt32] = []
        var inFlight = 0
        var mostInFlight = 0
        var activations = 0
        /// What happens to the n-th chunk that is sent.
        var faults: [Int: Fault] = [:]
    }

    let state = Mutex(State())

    func begin(_ plan: UploadPlan) async throws(ClassifierError) -> [UInt32] {
        state.withLock { state in
            if state.plan != plan { (state.plan, state.chunks) = (plan, [:]) }
            return plan.chunkHashes.indices.map(UInt32.init).filter { state.chunks[$0] == nil }
        }
    }

    func missingChunks(sha256: [UInt8]) async throws(ClassifierError) -> [UInt32] {
        try state.withLock { state throws(ClassifierError) in
            guard let plan = state.plan, plan.sha256 == sha256 else { throw .refused(.unknownUpload) }
            return plan.chunkHashes.indices.map(UInt32.init).filter { state.chunks[$0] == nil }
        }
    }

    func put(sha256: [UInt8], index: UInt32, data: [UInt8]) async throws(ClassifierError) {
        state.withLock { state in
            state.inFlight += 1
            state.mostInFlight = max(state.mostInFlight, state.inFlight)
        }
        await Task.yield()
        defer { state.withLock { $0.inFlight -= 1 } }
        try state.withLock { state throws(ClassifierError) in
            state.arrivals.append(index)
            let fault = state.faults[state.arrivals.count]
            let lost = ClassifierError.agent(.unreachable(address: "fake", reason: "no answer in time"))
            if fault == .chunkLost { throw lost }
            if fault == .forgotten { (state.plan, state.chunks) = (nil, [:]) }
            guard let plan = state.plan, plan.sha256 == sha256 else { throw .refused(.unknownUpload) }
            let hash = Array(SHA256.hash(data: data))
            guard hash == plan.chunkHashes[Int(index)] else {
                throw .refused(.hashMismatch(expected: plan.chunkHashes[Int(index)], found: hash))
            }
            state.chunks[index] = data
            if fault == .answerLost { throw lost }
        }
    }

    func activate(
        sha256: [UInt8], onProgress: (UInt64, UInt64) -> Void
    ) async throws(ClassifierError) -> ModelInfo {
        try state.withLock { state throws(ClassifierError) in
            guard let plan = state.plan, plan.sha256 == sha256 else { throw .refused(.unknownUpload) }
            let file = plan.chunkHashes.indices.flatMap { state.chunks[UInt32($0)] ?? [] }
            guard Array(SHA256.hash(data: file)) == sha256 else { throw .refused(.missingChunks([])) }
            state.activations += 1
            return ModelInfo(
                version: UInt64(state.activations), sha256: "", size: UInt64(file.count), name: "", height: 0,
                width: 0, channels: 0, labels: [], multiplyAccumulates: 0, provenance: "", activatedAt: 0)
        }
    }

    func abort(sha256: [UInt8]) async throws(ClassifierError) {
        try state.withLock { state throws(ClassifierError) in
            guard state.plan?.sha256 == sha256 else { throw .refused(.unknownUpload) }
            (state.plan, state.chunks) = (nil, [:])
        }
    }
}

/// A model file of about `bytes` bytes in a temporary folder that goes away with the value.
final class TemporaryModel: Sendable {
    let path: String
    let contents: [UInt8]

    init(outputs: Int = 10) throws {
        let inputs = 28 * 28
        let model = try QuantizedModel(
            name: Array("test".utf8),
            input: InputGeometry(height: 28, width: 28, channels: 1, zeroPoints: [73], scale: 0.01),
            layers: [
                .flatten,
                .dense(
                    QuantizedDense(
                        outputs: outputs, weights: (0..<inputs * outputs).map { Int8($0 * 7 % 255 - 127) },
                        bias: Array(repeating: 3, count: outputs),
                        multipliers: Array(repeating: 0.001, count: outputs), output: .logits)),
            ],
            labels: (0..<outputs).map { Array("class \($0)".utf8) }, logitScale: 0.01,
            provenance: Array("{}".utf8))
        contents = ModelFile.write(model)
        path = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString + ".deai").path
        try Data(contents).write(to: URL(fileURLWithPath: path))
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }
}
