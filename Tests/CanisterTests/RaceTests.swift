import Candid
import Canister
import Inference
import Kernels
import Testing

@Suite struct RaceTests {
    private static let pixels: [UInt8] = (0..<30).map { UInt8($0 * 8) }

    /// Several people upload, activate, abort, roll back and delete at the same time, with upgrades and small messages
    /// in between. Whatever the order: what is served was activated whole, it answers with its own integers, and
    /// every refusal says why.
    @Test(arguments: 0..<40 as Range<UInt64>, [false, true])
    func commitsRace(seed: UInt64, inMemory: Bool) throws {
        var random = SplitMix64(seed: seed &+ 900)
        var budgets = Budgets()
        if !inMemory { budgets.residentBytes = 0 }
        let canister = try TestCanister(budgets: budgets)
        let files = try (0..<3).map { try TestFile(seed: seed &+ $0, chunkBytes: 60 + Int($0) * 50) }
        let expected = try (0..<3).map {
            IntegerExecutor(try testModel(seed: seed &+ $0)).logits(pixels: Self.pixels)
        }
        var served: Int?
        var activations = 0
        for _ in 0..<150 {
            let choice = random.index(below: 3)
            let file = files[choice]
            canister.system.instructionsPerCall = random.index(below: 2) == 0 ? 1 : 7_000_000_000
            switch random.index(below: 9) {
            case 0:
                let answer = try canister.call(.beginUpload, file.manifest)
                #expect(answer.ok != nil)
            case 1...4:
                let index = random.index(below: file.chunks.count)
                let answer = try canister.call(.putChunk, file.chunk(index))
                #expect(answer.ok != nil || answer.err == .variant("unknown_upload"))
                // The rest of them, now and then, so that something is complete.
                if random.index(below: 3) == 0 {
                    for index in file.chunks.indices { _ = try canister.call(.putChunk, file.chunk(index)) }
                }
            case 5, 6:
                let answer = try canister.call(.activate, .blob(file.sha256))
                if answer.ok != nil {
                    served = choice
                    activations += 1
                } else {
                    let reasons: [StaticString] = ["in_progress", "missing_chunks", "unknown_upload"]
                    #expect(reasons.contains { answer.err?.payload(of: $0) != nil })
                }
            case 7:
                if random.index(below: 2) == 0 {
                    _ = try canister.call(.abortUpload, .blob(file.sha256))
                } else {
                    try canister.upgrade()
                }
            default:
                let version = UInt64(random.index(below: 5))
                if random.index(below: 2) == 0 {
                    _ = try canister.call(.deleteVersion, .nat64(version))
                } else if let info = try canister.call(.rollback, .nat64(version)).ok {
                    served = files.firstIndex { info["sha256"] == .blob($0.sha256) }
                }
            }
            canister.system.instructionsPerCall = 1
            let info = try canister.call(.modelInfo)
            guard let served else {
                #expect(info.err == .variant("no_model"))
                continue
            }
            #expect(info.ok?["sha256"] == .blob(files[served].sha256))
            #expect(try canister.logits(Self.pixels) == expected[served])
        }
        #expect(activations > 0)
    }

    /// Two uploads of one file, cut alike, are one upload; what the other has sent need not be sent again.
    @Test func twoClientsOneFile() throws {
        let canister = try TestCanister()
        let file = try TestFile(seed: 12, chunkBytes: 50)
        _ = try canister.call(.grantUploader, .principal(TestSystem.uploader))
        let count = file.chunks.count
        for index in 0..<count {
            let caller = index % 2 == 0 ? TestSystem.controller : TestSystem.uploader
            _ = try canister.call(.beginUpload, file.manifest, caller: caller)
            let answer = try canister.call(.putChunk, file.chunk(index), caller: caller)
            #expect(answer.ok == .record(["remaining": .nat32(UInt32(count - 1 - index))]))
        }
        #expect(try canister.call(.activate, .blob(file.sha256), caller: TestSystem.uploader).ok != nil)
        #expect(try canister.call(.activate, .blob(file.sha256)).ok?["version"] == .nat64(1))
    }

    /// A chunk of another file is refused for its hash, wherever it is put, and changes nothing.
    @Test func chunksOfOtherFiles() throws {
        let canister = try TestCanister()
        let file = try TestFile(seed: 13, chunkBytes: 50)
        let other = try TestFile(seed: 14, chunkBytes: 50)
        for file in [file, other] { _ = try canister.call(.beginUpload, file.manifest) }
        for index in file.chunks.indices where index < other.chunks.count && file.chunks[index] != other.chunks[index] {
            guard file.chunks[index].count == other.chunks[index].count else { continue }
            let answer = try canister.call(.putChunk, file.chunk(index, data: other.chunks[index]))
            #expect(answer.err?.payload(of: "hash_mismatch") != nil)
            #expect(try canister.call(.missingChunks, .blob(file.sha256)).ok?.asVector?.count == file.chunks.count)
        }
        #expect(try canister.activate(file).ok != nil)
    }

    /// A message whose header is another encoder's: the data are found the general way.
    @Test func chunksInOtherWords() throws {
        let canister = try TestCanister()
        let file = TestFile([UInt8](0..<200), chunkBytes: 90)
        _ = try canister.call(.beginUpload, file.manifest)
        let type: CandidType = .record(["sha256": .blob, "index": .nat32, "data": .blob, "note": .text])
        let chunk: CandidValue = .record([
            "sha256": .blob(file.sha256), "index": .nat32(1), "data": .blob(file.chunks[1]), "note": .text([33]),
        ])
        let message = try Candid.encode([chunk], as: [type])
        guard case .replied(let answer) = try canister.raw(.putChunk, message, caller: TestSystem.controller) else {
            throw TestCanister.Fault.rejected
        }
        #expect(answer.ok == .record(["remaining": .nat32(2)]))
        // Cut anywhere, the usual message is an error and not a trap.
        let usual = try Candid.encode([file.chunk(0)], as: Method.putChunk.argumentTypes)
        for length in usual.indices {
            guard
                case .replied(let answer) = try canister.raw(
                    .putChunk, Array(usual[..<length]), caller: TestSystem.controller)
            else { throw TestCanister.Fault.rejected }
            #expect(answer.err?.payload(of: "bad_request") != nil)
        }
        #expect(try canister.call(.missingChunks, .blob(file.sha256)).ok == .vector([.nat32(0), .nat32(2)]))
    }
}
