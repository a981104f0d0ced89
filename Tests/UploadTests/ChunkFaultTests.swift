import Foundation
import InternetComputer
import Synchronization
import Testing
import Upload

/// A canister that keeps chunks in memory and fails as it is told.
private final class FaultyCanister: UploadTarget {
    enum Fault: String, CaseIterable, Sendable {
        case none, lost, aborted, crashBefore, crashAfter
    }

    struct State {
        var chunks: [UInt32: [UInt8]] = [:]
        var count = 0
        var isKnown = false
        var puts = 0
        var activations = 0
        var fired = false
    }

    let state = Mutex(State())
    let fault: Fault
    let place: UInt32

    init(_ fault: Fault, at place: UInt32) {
        self.fault = fault
        self.place = place
    }

    private func missing(_ state: State) -> [UInt32] {
        (0..<UInt32(state.count)).filter { state.chunks[$0] == nil }
    }

    func begin(_ plan: UploadPlan) async throws(ClassifierError) -> [UInt32] {
        state.withLock {
            $0.isKnown = true
            $0.count = plan.chunkHashes.count
            return missing($0)
        }
    }

    func missingChunks(sha256: [UInt8]) async throws(ClassifierError) -> [UInt32] {
        state.withLock { missing($0) }
    }

    func put(sha256: [UInt8], index: UInt32, data: [UInt8]) async throws(ClassifierError) {
        let error: ClassifierError? = state.withLock { state in
            state.puts += 1
            let fires = index == place && !state.fired
            if fires, fault != .none { state.fired = true }
            guard state.isKnown else { return .refused(.unknownUpload) }
            guard fires else {
                state.chunks[index] = data
                return nil
            }
            switch fault {
            case .none: state.chunks[index] = data
            // The answer says yes, and the chunk is gone: only asking what is missing finds it.
            case .lost: break
            case .aborted:
                state.chunks = [:]
                state.isKnown = false
                return .refused(.unknownUpload)
            case .crashBefore: return .agent(.badAnswer("the line broke"))
            case .crashAfter:
                state.chunks[index] = data
                return .agent(.badAnswer("the line broke"))
            }
            return nil
        }
        if let error { throw error }
    }

    func activate(
        sha256: [UInt8], onProgress: (UInt64, UInt64) -> Void
    ) async throws(ClassifierError) -> ModelInfo {
        let list: [UInt32] = state.withLock {
            $0.activations += 1
            return missing($0)
        }
        guard list.isEmpty else { throw .refused(.missingChunks(list)) }
        // Only that it was reached is looked at here.
        throw .refused(.badModel("end of the test"))
    }

    func abort(sha256: [UInt8]) async throws(ClassifierError) {
        state.withLock { $0.chunks = [:] }
    }
}

@Suite struct ChunkFaultTests {
    private static let chunkBytes = 100
    private static let bytes = (0..<1_150).map { UInt8(truncatingIfNeeded: $0 * 7) }

    private func plan() throws -> (UploadPlan, URL) {
        let file = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString)
        try Data(Self.bytes).write(to: file)
        return (try UploadPlan(path: file.path, chunkBytes: Self.chunkBytes, isModel: false), file)
    }

    /// Runs the upload once; whether it got as far as the model being read.
    private func reachedTheEnd(_ canister: FaultyCanister, _ plan: UploadPlan) async -> Bool {
        do throws(UploadError) {
            _ = try await Uploader(target: canister, parallelChunks: 3).upload(plan)
            return false
        } catch {
            return error == .classifier(.refused(.badModel("end of the test")))
        }
    }

    /// Whatever happens to one chunk, running the command until it gets through leaves the canister with the very file.
    @Test(
        arguments: [FaultyCanister.Fault.none, .lost, .aborted, .crashBefore, .crashAfter],
        0..<12 as Range<UInt32>)
    fileprivate func everyFaultAtEveryChunk(fault: FaultyCanister.Fault, place: UInt32) async throws {
        let (plan, file) = try plan()
        defer { try? FileManager.default.removeItem(at: file) }
        #expect(plan.chunkHashes.count == 12)
        let canister = FaultyCanister(fault, at: place)
        var runs = 0
        while true {
            runs += 1
            try #require(runs < 4)
            if await reachedTheEnd(canister, plan) { break }
        }
        let state = canister.state.withLock { $0 }
        #expect((0..<12 as Range<UInt32>).flatMap { state.chunks[$0] ?? [] } == Self.bytes)
        #expect(state.activations == 1)
        #expect(runs == (fault == .crashBefore || fault == .crashAfter ? 2 : 1))
        if fault == .none { #expect(state.puts == 12) }
        if fault == .lost || fault == .crashBefore { #expect(state.puts <= 14) }
    }

    @Test func aFileThatChangesIsNoticed() async throws {
        let (plan, file) = try plan()
        defer { try? FileManager.default.removeItem(at: file) }
        var changed = Self.bytes
        changed[700] ^= 1
        try Data(changed).write(to: file)
        await #expect(throws: UploadError.changed(path: file.path)) {
            try await Uploader(target: FaultyCanister(.none, at: 0)).upload(plan)
        }
    }
}
