import Crypto
import Foundation
import InternetComputer
import Synchronization
import Testing
import Upload

/// Uploads to a canister that loses, repeats and forgets.
struct UploaderTests {
    @Test(arguments: [1, 2, 4, 16])
    func everyByteArrives(parallel: Int) async throws {
        let model = try TemporaryModel()
        let canister = FakeCanister()
        let plan = try UploadPlan(path: model.path, chunkBytes: 997)
        let outcome = try await Uploader(target: canister, parallelChunks: parallel).upload(plan)
        #expect(plan.size == UInt64(model.contents.count))
        #expect(plan.sha256 == Array(SHA256.hash(data: model.contents)))
        #expect(outcome.chunksSent == plan.chunkHashes.count)
        #expect(outcome.bytesSent == plan.size)
        #expect(outcome.chunksSkipped == 0)
        canister.state.withLock { state in
            #expect(state.arrivals.count == plan.chunkHashes.count)
            #expect(state.mostInFlight <= parallel)
            #expect(state.activations == 1)
        }
    }

    /// Wherever the network fails, a second run sends exactly what the first did not bring.
    @Test(arguments: 1...9, [FakeCanister.Fault.chunkLost, .answerLost])
    func resumesAfterAFailure(at message: Int, fault: FakeCanister.Fault) async throws {
        let model = try TemporaryModel()
        let canister = FakeCanister()
        canister.state.withLock { $0.faults = [message: fault] }
        let plan = try UploadPlan(path: model.path, chunkBytes: 997)
        #expect(plan.chunkHashes.count == 9)
        await #expect(throws: UploadError.self) { try await Uploader(target: canister).upload(plan) }
        let stored = canister.state.withLock { state in
            #expect(state.activations == 0)
            state.arrivals = []
            state.faults = [:]
            return Set(state.chunks.keys)
        }
        #expect(!stored.isEmpty || message == 1)
        let outcome = try await Uploader(target: canister).upload(plan)
        #expect(outcome.chunksSkipped == stored.count)
        let sent = canister.state.withLock { $0.arrivals }
        #expect(Set(sent).isDisjoint(with: stored))
        #expect(sent.count + stored.count == 9)
        #expect(outcome.chunksSent == sent.count)
    }

    @Test func beginsAgainWhenTheCanisterForgets() async throws {
        let model = try TemporaryModel()
        let canister = FakeCanister()
        canister.state.withLock { $0.faults = [5: .forgotten] }
        let plan = try UploadPlan(path: model.path, chunkBytes: 997)
        let outcome = try await Uploader(target: canister, parallelChunks: 2).upload(plan)
        #expect(outcome.chunksSent == 9)
        #expect(canister.state.withLock { $0.activations } == 1)
    }

    @Test func aFinishedUploadSendsNothing() async throws {
        let model = try TemporaryModel()
        let canister = FakeCanister()
        let plan = try UploadPlan(path: model.path, chunkBytes: 997)
        _ = try await Uploader(target: canister).upload(plan)
        let again = try await Uploader(target: canister).upload(plan)
        #expect(again.chunksSent == 0)
        #expect(again.chunksSkipped == 9)
        #expect(again.bytesSent == 0)
    }

    @Test func restartDropsOtherChunks() async throws {
        let model = try TemporaryModel()
        let canister = FakeCanister()
        let plan = try UploadPlan(path: model.path, chunkBytes: 997)
        _ = try await Uploader(target: canister).upload(plan)
        let again = try await Uploader(target: canister).upload(plan, restarts: true)
        #expect(again.chunksSent == 9)
    }

    @Test func eventsAddUp() async throws {
        let model = try TemporaryModel()
        let events = Mutex<[Uploader.Event]>([])
        let plan = try UploadPlan(path: model.path, chunkBytes: 997)
        let uploader = Uploader(target: FakeCanister(), onEvent: { event in events.withLock { $0.append(event) } })
        _ = try await uploader.upload(plan)
        let list = events.withLock { $0 }
        #expect(list.first == .began(chunks: 9, missing: 9, missingBytes: plan.size))
        #expect(list.last == .verifying)
        let bytes = list.reduce(0) { sum, event in
            if case .sent(_, let bytes) = event { return sum + bytes }
            return sum
        }
        #expect(bytes == Int(plan.size))
    }

    @Test func aFileThatChangesIsNotSent() async throws {
        let model = try TemporaryModel()
        let plan = try UploadPlan(path: model.path, chunkBytes: 997)
        var other = model.contents
        other[5000] ^= 1
        try Data(other).write(to: URL(fileURLWithPath: model.path))
        let canister = FakeCanister()
        await #expect(throws: UploadError.changed(path: model.path)) {
            try await Uploader(target: canister).upload(plan)
        }
        #expect(canister.state.withLock { $0.activations } == 0)
    }

    /// Truncated anywhere or damaged anywhere: refused before a byte is sent.
    @Test func onlyModelsAreSent() throws {
        let model = try TemporaryModel()
        let url = URL(fileURLWithPath: model.path)
        for length in stride(from: 0, to: model.contents.count, by: 211) {
            try Data(model.contents.prefix(length)).write(to: url)
            #expect(throws: UploadError.self) { try UploadPlan(path: model.path) }
        }
        for index in stride(from: 0, to: model.contents.count, by: 211) {
            var damaged = model.contents
            damaged[index] ^= 0x10
            try Data(damaged).write(to: url)
            #expect(throws: UploadError.self) { try UploadPlan(path: model.path) }
        }
        let error = #expect(throws: UploadError.self) { try UploadPlan(path: "/nonexistent.deai") }
        #expect(error == .unreadable(path: "/nonexistent.deai", reason: "No such file or directory"))
    }

    @Test func receiptTellsEverything() async throws {
        let model = try TemporaryModel()
        let plan = try UploadPlan(path: model.path, chunkBytes: 997)
        let outcome = try await Uploader(target: FakeCanister()).upload(plan)
        let receipt = UploadReceipt(
            plan: plan, outcome: outcome, network: .local, canister: .canister(0), moduleHash: [0xab],
            seconds: 1.5)
        let path = model.path + ".receipt.json"
        defer { try? FileManager.default.removeItem(atPath: path) }
        try receipt.write(path: path)
        let read = try JSONDecoder().decode(UploadReceipt.self, from: Data(contentsOf: URL(fileURLWithPath: path)))
        #expect(read == receipt)
        #expect(read.modelHash == hexadecimal(plan.sha256))
        #expect(read.canister == "rwlgt-iiaaa-aaaaa-aaaaa-cai")
        #expect(read.chunks == 9 && read.chunksSent == 9 && read.moduleHash == "ab")
    }
}
