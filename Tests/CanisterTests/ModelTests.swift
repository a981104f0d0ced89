import Candid
import Canister
import Inference
import Kernels
import Testing

@Suite struct ModelTests {
    private static let pixels: [UInt8] = (0..<30).map { UInt8($0 * 8) }

    @Test func modelInfoTellsWhatTheFileSays() throws {
        let canister = try TestCanister()
        #expect(try canister.call(.modelInfo).err == .variant("no_model"))
        let file = try TestFile(seed: 1)
        canister.system.currentTime = 77
        try canister.activate(file)
        let expected: CandidValue = .record([
            "version": .nat64(1), "sha256": .blob(file.sha256), "size": .nat64(UInt64(file.bytes.count)),
            "name": .text("model 1"),
            "input": .record(["height": .nat32(6), "width": .nat32(5), "channels": .nat32(1)]),
            "labels": .vector([.text("bag"), .text("boot"), .text("☃")]), "multiply_accumulates": .nat64(90),
            "provenance": .text("{\"seed\":1}"), "activated_at": .nat64(77),
        ])
        #expect(try canister.call(.modelInfo).ok == expected)
        #expect(try canister.call(.models) == .vector([expected]))
    }

    /// Four versions are kept; any of them serves again after one call, also after an upgrade.
    @Test func versionsAndRollback() throws {
        let canister = try TestCanister()
        for seed in 1...6 as ClosedRange<UInt64> { try canister.activate(TestFile(seed: seed)) }
        func versions() throws -> [UInt64] {
            try canister.call(.models).asVector?.compactMap { $0["version"]?.asUInt64 } ?? []
        }
        #expect(try versions() == [3, 4, 5, 6])
        #expect(try canister.call(.rollback, .nat64(2)).err == .variant("unknown_version", .nat64(2)))
        for version in [3, 5, 6, 4] as [UInt64] {
            #expect(try canister.call(.rollback, .nat64(version)).ok?["version"] == .nat64(version))
            let expected = IntegerExecutor(try testModel(seed: version)).logits(pixels: Self.pixels)
            #expect(try canister.logits(Self.pixels) == expected)
            try canister.upgrade()
            #expect(try canister.logits(Self.pixels) == expected)
        }
        // An old version that serves is not the one that makes room.
        _ = try canister.call(.rollback, .nat64(3))
        #expect(try canister.activate(TestFile(seed: 7)).ok?["version"] == .nat64(7))
        #expect(try versions() == [4, 5, 6, 7])
    }

    /// Pages of dropped versions are used again.
    @Test func storageIsBounded() throws {
        let canister = try TestCanister()
        for seed in 1...5 as ClosedRange<UInt64> { try canister.activate(TestFile(seed: seed)) }
        let pages = canister.system.stableSize()
        for seed in 6...30 as ClosedRange<UInt64> { try canister.activate(TestFile(seed: seed)) }
        #expect(canister.system.stableSize() == pages)
    }

    /// A version whose bytes were damaged is not served; what served before still does.
    @Test func damagedVersion() throws {
        let canister = try TestCanister()
        let first = try TestFile(seed: 1)
        try canister.activate(first)
        let info = try canister.activate(TestFile(seed: 2))
        let start = try #require(find(first.bytes, in: canister.system.stable))
        canister.system.stable[start + first.bytes.count / 2] ^= 4
        #expect(try canister.call(.rollback, .nat64(1)).err?.payload(of: "hash_mismatch") != nil)
        #expect(try canister.call(.modelInfo) == info)
        #expect(try canister.logits(Self.pixels) != nil)
    }

    /// An upgrade over a damaged active model succeeds; the canister says what is wrong and takes another model.
    @Test func upgradeOverADamagedModel() throws {
        let canister = try TestCanister()
        let first = try TestFile(seed: 1)
        try canister.activate(first)
        try canister.activate(TestFile(seed: 2))
        _ = try canister.call(.rollback, .nat64(1))
        let start = try #require(find(first.bytes, in: canister.system.stable))
        canister.system.stable[start] ^= 255
        try canister.upgrade()
        #expect(try canister.call(.modelInfo).err?.payload(of: "bad_model") != nil)
        #expect(try canister.call(.rollback, .nat64(2)).ok != nil)
        #expect(try canister.logits(Self.pixels) != nil)
    }

    private func find(_ needle: [UInt8], in bytes: [UInt8]) -> Int? {
        stride(from: 0, to: bytes.count, by: 65_536).first { bytes[$0...].starts(with: needle) }
    }
}

@Suite struct StableStoreTests {
    @Test func stableMemoryOfSomebodyElseIsLeftAlone() throws {
        let canister = try TestCanister()
        #expect(throws: StableStoreError.notOurs) {
            canister.system.stable = []
            try canister.upgrade()
        }
        #expect(throws: StableStoreError.notOurs) {
            canister.system.stable = [UInt8](repeating: 1, count: 4 * 65_536)
            try canister.upgrade()
        }
    }

    @Test func anUnknownLayoutIsRefused() throws {
        let canister = try TestCanister()
        canister.system.stable[8] = 9
        #expect(throws: StableStoreError.unknownLayout(9)) { try canister.upgrade() }
    }

    /// One damaged copy of the directory costs at most the last change; two are an error.
    @Test func directoryCopies() throws {
        let canister = try TestCanister()
        for byte in 1...3 as ClosedRange<UInt8> { _ = try canister.call(.grantUploader, .principal([byte, byte])) }
        let whole = canister.system.stable
        for copy in [1, 2] {
            for offset in [0, 5, 8, 12, 16, 24, 40, 60] {
                canister.system.stable = whole
                canister.system.stable[copy * 65_536 + offset] ^= 1
                try canister.upgrade()
                let count = try canister.call(.uploaders).asVector?.count
                #expect(count == 3 || count == 2)
            }
        }
        canister.system.stable[1 * 65_536 + 20] ^= 1
        canister.system.stable[2 * 65_536 + 20] ^= 1
        #expect(throws: StableStoreError.damaged) { try canister.upgrade() }
    }
}
