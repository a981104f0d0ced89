import Candid
import Canister
import Digests
import Testing

@Suite struct SlicingTests {
    /// A file that takes several messages to hash is activated by calling again; upgrades and other files in between
    /// cost time, never correctness.
    @Test(arguments: [0, 1, 2]) func activationContinues(disturbance: Int) throws {
        let canister = try TestCanister()
        try canister.activate(TestFile(seed: 1))
        let file = TestFile(try TestFile(seed: 2).bytes, chunkBytes: 100)
        let large = TestFile([UInt8](repeating: 5, count: 5 << 20), chunkBytes: 1 << 20)
        for file in [file, large] {
            _ = try canister.call(.beginUpload, file.manifest)
            for index in file.chunks.indices { _ = try canister.call(.putChunk, file.chunk(index)) }
        }
        // Two blocks of 1 MiB fit a message.
        canister.system.instructionsPerCall = 7_000_000_000
        var progress: [UInt64] = []
        var verdict: CandidValue?
        for step in 0..<20 {
            let answer = try canister.call(.activate, .blob(large.sha256))
            guard let state = answer.err?.payload(of: "in_progress") else {
                verdict = answer.err
                break
            }
            #expect(state["total"] == .nat64(5 << 20))
            progress.append(state["done"]?.asUInt64 ?? 0)
            let version = try canister.call(.modelInfo).ok?["version"]
            #expect(version == .nat64(1) || (disturbance == 2 && version == .nat64(2)))
            if disturbance == 1, step == 1 { try canister.upgrade() }
            if disturbance == 2 {
                _ = try canister.call(.activate, .blob(file.sha256))
                _ = try canister.call(.rollback, .nat64(1))
            }
        }
        #expect(verdict?.payload(of: "bad_model") != nil)
        let mebibytes = progress.map { $0 >> 20 }
        #expect(mebibytes == (disturbance == 1 ? [2, 4, 2, 4] : [2, 4]))
        // An abort forgets what was hashed: the file that comes next under this name is hashed from its start.
        _ = try canister.call(.activate, .blob(large.sha256))
        _ = try canister.call(.abortUpload, .blob(large.sha256))
        #expect(try canister.call(.activate, .blob(large.sha256)).err == .variant("unknown_upload"))
    }

    /// Loss, doubles, disorder, damage and an upgrade at every single chunk index: nothing of it can make the file
    /// incomplete, wrong, or lose what had arrived.
    @Test(arguments: ["drop", "double", "reorder", "corrupt", "crash", "crash after"])
    func faultsAtEveryChunk(fault: String) throws {
        let file = try TestFile(seed: 8, chunkBytes: 40)
        let count = file.chunks.count
        #expect(count > 8)
        for place in 0..<count {
            let canister = try TestCanister()
            try canister.activate(TestFile(seed: 1))
            _ = try canister.call(.beginUpload, file.manifest)
            var order = Array(0..<count)
            if fault == "reorder" { order.swapAt(place, (place + 3) % count) }
            for (step, index) in order.enumerated() {
                guard step == place else {
                    #expect(try canister.call(.putChunk, file.chunk(index)).ok != nil)
                    continue
                }
                switch fault {
                case "drop": continue
                case "corrupt":
                    var bytes = file.chunks[index]
                    bytes[bytes.count / 2] ^= 16
                    #expect(try canister.call(.putChunk, file.chunk(index, data: bytes)).err != nil)
                    continue
                case "crash": try canister.upgrade()
                case "double": #expect(try canister.call(.putChunk, file.chunk(index)).ok != nil)
                default: break
                }
                #expect(try canister.call(.putChunk, file.chunk(index)).ok != nil)
                if fault == "crash after" { try canister.upgrade() }
            }
            let lost = fault == "drop" || fault == "corrupt"
            let missing = lost ? [CandidValue.nat32(UInt32(place))] : []
            #expect(try canister.call(.missingChunks, .blob(file.sha256)).ok == .vector(missing))
            let early = try canister.call(.activate, .blob(file.sha256))
            #expect((early.err == .variant("missing_chunks", .vector(missing))) == lost)
            #expect(try canister.call(.modelInfo).ok?["version"] == .nat64(lost ? 1 : 2))
            if lost {
                #expect(
                    try canister.call(.putChunk, file.chunk(place)).ok == .record(["remaining": .nat32(0)]))
                #expect(try canister.call(.activate, .blob(file.sha256)).ok?["version"] == .nat64(2))
            }
            #expect(try canister.call(.modelInfo).ok?["sha256"] == .blob(file.sha256))
        }
    }
}
