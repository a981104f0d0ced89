import Candid
import Canister
import Digests
import Kernels
import Testing

@Suite struct UploadTests {
    /// Whatever the network does to the chunks – loss, doubles, any order, damage, upgrades in between – the file
    /// arrives whole, once everything missing has been sent.
    @Test(arguments: 0..<40 as Range<UInt64>)
    func hostileNetwork(seed: UInt64) throws {
        var random = SplitMix64(seed: seed)
        let canister = try TestCanister()
        let file = try TestFile(seed: seed, chunkBytes: 20 + random.index(below: 300))
        let other = TestFile((0..<777).map { _ in UInt8(random.index(below: 256)) }, chunkBytes: 50)
        _ = try canister.call(.beginUpload, other.manifest)
        var rounds = 0
        while true {
            rounds += 1
            let missing = try #require(
                try canister.call(.beginUpload, file.manifest).ok?["missing"]?.asVector
            )
            .compactMap(\.asUInt32)
            #expect(
                try canister.call(.missingChunks, .blob(file.sha256)).ok
                    == .vector(missing.map { .nat32($0) }))
            if missing.isEmpty { break }
            #expect(
                try canister.call(.activate, .blob(file.sha256)).err
                    == .variant("missing_chunks", .vector(missing.map { .nat32($0) })))
            var order = missing.map { Int32($0) }
            random.shuffle(&order)
            for index in order.map({ Int($0) }) {
                switch random.index(below: 6) {
                case 0: continue
                case 1:
                    var damaged = file.chunks[index]
                    damaged[random.index(below: damaged.count)] ^= 1
                    let error = try canister.call(.putChunk, file.chunk(index, data: damaged)).err
                    #expect(
                        error
                            == .variant(
                                "hash_mismatch",
                                .record([
                                    "expected": .blob(SHA256.hash(file.chunks[index])),
                                    "found": .blob(SHA256.hash(damaged)),
                                ])))
                case 2:
                    #expect(try canister.call(.putChunk, file.chunk(index)).ok != nil)
                    #expect(try canister.call(.putChunk, file.chunk(index)).ok != nil)
                case 3:
                    try canister.upgrade()
                    #expect(try canister.call(.putChunk, file.chunk(index)).ok != nil)
                case 4:
                    let stray = random.index(below: other.chunks.count)
                    #expect(try canister.call(.putChunk, other.chunk(stray)).ok != nil)
                default: #expect(try canister.call(.putChunk, file.chunk(index)).ok != nil)
                }
            }
        }
        #expect(rounds > 1)
        let info = try #require(try canister.call(.activate, .blob(file.sha256)).ok)
        #expect(info["sha256"] == .blob(file.sha256))
        // A client that lost the answer asks again.
        #expect(try canister.call(.activate, .blob(file.sha256)).ok == info)
        #expect(try canister.call(.beginUpload, file.manifest).ok?["missing"] == .vector([]))
    }

    /// A manifest whose parts do not fit each other, or that asks for too much, is refused.
    @Test func manifestsThatLie() throws {
        let canister = try TestCanister()
        let hash = [UInt8](repeating: 1, count: 32)
        func begin(_ size: UInt64, _ chunk: UInt32, _ hashes: Int, sha256: [UInt8], each: [UInt8]) throws
            -> CandidValue?
        {
            try canister.call(
                .beginUpload,
                .record([
                    "size": .nat64(size), "sha256": .blob(sha256), "chunk_bytes": .nat32(chunk),
                    "chunk_sha256": .vector([CandidValue](repeating: .blob(each), count: hashes)),
                    "merkle_root": .optional(nil),
                ])
            ).err
        }
        func wrongSize(_ expected: UInt64, _ found: UInt64) -> CandidValue {
            .variant("wrong_size", .record(["expected": .nat64(expected), "found": .nat64(found)]))
        }
        func tooLarge(_ limit: UInt64, _ found: UInt64) -> CandidValue {
            .variant("too_large", .record(["limit": .nat64(limit), "found": .nat64(found)]))
        }
        let before = canister.system.stable
        #expect(try begin(0, 10, 0, sha256: hash, each: hash) != nil)
        #expect(try begin(100, 0, 0, sha256: hash, each: hash) != nil)
        #expect(try begin(100, 10, 9, sha256: hash, each: hash) == wrongSize(10, 9))
        #expect(try begin(101, 10, 10, sha256: hash, each: hash) == wrongSize(11, 10))
        #expect(try begin(100, 10, 10, sha256: [1], each: hash) == wrongSize(32, 1))
        #expect(try begin(100, 10, 10, sha256: hash, each: [1, 2]) == wrongSize(32, 2))
        #expect(
            try begin(100, (1 << 20) + 1, 1, sha256: hash, each: hash) == tooLarge(1 << 20, (1 << 20) + 1))
        #expect(try begin(.max, 1, 1, sha256: hash, each: hash) == tooLarge(16 << 30, .max))
        #expect(try begin(1 << 20, 1, 1, sha256: hash, each: hash) == tooLarge(16_384, 1 << 20))
        #expect(canister.system.stable == before)
    }

    /// The root is that of RFC 6962 by its recursive definition; another one is refused.
    @Test func merkleRoot() throws {
        func root(_ hashes: ArraySlice<[UInt8]>) -> [UInt8] {
            guard hashes.count > 1 else { return SHA256.hash([0] + (hashes.first ?? [])) }
            var left = 1
            while left * 2 < hashes.count { left *= 2 }
            return SHA256.hash([1] + root(hashes.prefix(left)) + root(hashes.dropFirst(left)))
        }
        for count in 1...40 {
            let hashes = (0..<count).map { SHA256.hash([UInt8($0)]) }
            #expect(MerkleTree.root(ofChunkHashes: hashes) == root(hashes[...]))
        }
        let canister = try TestCanister()
        guard case .record(let fields) = TestFile([1, 2, 3], chunkBytes: 2).manifest else { return }
        let lie: CandidValue = .record(
            CandidRecord(
                fields.list.map {
                    $0.id == Candid.hash("merkle_root")
                        ? .init(id: $0.id, value: .optional(.blob(SHA256.hash([5])))) : $0
                }))
        #expect(try canister.call(.beginUpload, lie).err?.payload(of: "hash_mismatch") != nil)
    }

    /// Chunks that do not belong, and uploads nobody began.
    @Test func strayChunks() throws {
        let canister = try TestCanister()
        let file = TestFile([UInt8](0..<100), chunkBytes: 30)
        #expect(try canister.call(.putChunk, file.chunk(0)).err == .variant("unknown_upload"))
        #expect(try canister.call(.missingChunks, .blob(file.sha256)).err == .variant("unknown_upload"))
        #expect(try canister.call(.abortUpload, .blob(file.sha256)).err == .variant("unknown_upload"))
        #expect(try canister.call(.activate, .blob(file.sha256)).err == .variant("unknown_upload"))
        _ = try canister.call(.beginUpload, file.manifest)
        #expect(try canister.call(.putChunk, file.chunk(4, data: [1])).err?.payload(of: "bad_request") != nil)
        #expect(
            try canister.call(.putChunk, file.chunk(3, data: [1])).err
                == .variant("wrong_size", .record(["expected": .nat64(10), "found": .nat64(1)])))
        #expect(try canister.call(.putChunk, file.chunk(3)).ok == .record(["remaining": .nat32(3)]))
    }

    /// A second manifest for the same file must say the same; after an abort it may differ.
    @Test func contradictingManifests() throws {
        let canister = try TestCanister()
        let file = TestFile([UInt8](0..<100), chunkBytes: 30)
        let otherwise = TestFile(file.bytes, chunkBytes: 50)
        _ = try canister.call(.beginUpload, file.manifest)
        _ = try canister.call(.putChunk, file.chunk(1))
        #expect(try canister.call(.beginUpload, otherwise.manifest).err?.payload(of: "bad_request") != nil)
        #expect(try canister.call(.abortUpload, .blob(file.sha256)).ok == .null)
        #expect(
            try canister.call(.beginUpload, otherwise.manifest).ok
                == .record(["missing": .vector([.nat32(0), .nat32(1)])]))
    }

    /// The pages of an aborted upload are used again: what arrived then does not count now.
    @Test func anAbortedUploadStartsOver() throws {
        let canister = try TestCanister()
        let file = TestFile([UInt8](0..<100), chunkBytes: 30)
        _ = try canister.call(.beginUpload, file.manifest)
        _ = try canister.call(.putChunk, file.chunk(1))
        _ = try canister.call(.abortUpload, .blob(file.sha256))
        _ = try canister.call(.beginUpload, file.manifest)
        #expect(
            try canister.call(.missingChunks, .blob(file.sha256)).ok
                == .vector((0..<4).map { .nat32($0) }))
    }

    /// All chunks as promised, but the file is not a model, or not the promised file.
    @Test func filesThatAreNoModels() throws {
        let canister = try TestCanister()
        let served = try TestFile(seed: 1)
        let info = try canister.activate(served)
        let junk = TestFile([UInt8](repeating: 7, count: 500), chunkBytes: 64)
        #expect(try canister.activate(junk).err?.payload(of: "bad_model") != nil)

        let hash = SHA256.hash([9])
        guard case .record(let fields) = junk.manifest else { return }
        let lie: CandidValue = .record(
            CandidRecord(
                fields.list.map { $0.value == .blob(junk.sha256) ? .init(id: $0.id, value: .blob(hash)) : $0 }
            ))
        _ = try canister.call(.beginUpload, lie)
        for (index, chunk) in junk.chunks.enumerated() {
            _ = try canister.call(
                .putChunk,
                .record(["sha256": .blob(hash), "index": .nat32(UInt32(index)), "data": .blob(chunk)]))
        }
        #expect(
            try canister.call(.activate, .blob(hash)).err
                == .variant("hash_mismatch", .record(["expected": .blob(hash), "found": .blob(junk.sha256)])))
        #expect(try canister.call(.modelInfo) == info)
    }

    @Test func uploadsUnderWayAreBounded() throws {
        let canister = try TestCanister()
        for index in 0..<8 {
            #expect(
                try canister.call(.beginUpload, TestFile([UInt8(index)], chunkBytes: 1).manifest).ok != nil)
        }
        let ninth = TestFile([99], chunkBytes: 1)
        #expect(try canister.call(.beginUpload, ninth.manifest).err?.payload(of: "bad_request") != nil)
        #expect(try canister.call(.abortUpload, .blob(TestFile([3], chunkBytes: 1).sha256)).ok == .null)
        #expect(try canister.call(.beginUpload, ninth.manifest).ok != nil)
    }

    /// Freed pages are used again: stable memory does not grow with the number of uploads.
    @Test func pagesAreReused() throws {
        let canister = try TestCanister()
        for index in 0..<100 {
            let file = TestFile([UInt8](repeating: UInt8(index), count: 200_000), chunkBytes: 100_000)
            _ = try canister.call(.beginUpload, file.manifest)
            #expect(try canister.call(.abortUpload, .blob(file.sha256)).ok == .null)
        }
        #expect(canister.system.stableSize() == 3 + 4 + 1)
    }

    @Test func noRoomIsAnError() throws {
        let canister = try TestCanister()
        canister.system.pageLimit = 10
        let file = TestFile([UInt8](repeating: 1, count: 1_000_000), chunkBytes: 100_000)
        #expect(try canister.call(.beginUpload, file.manifest).err == .variant("out_of_memory"))
        #expect(try canister.call(.missingChunks, .blob(file.sha256)).err == .variant("unknown_upload"))
    }
}
