import Candid
import Canister
import Foundation
import Inference
import Testing

@Suite struct MigrationTests {
    /// Stable memory as the first canister on main (layout 1) left it: models of seeds 1 and 2 (active), one uploader,
    /// and an upload of seed 3 of which chunks 0 and 2 have arrived. The file lists the runs that are not zero: its
    /// length, then offset, count and bytes of each.
    private func layout1() throws -> [UInt8] {
        let file = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
            .appendingPathComponent("Fixtures/layout1.stable")
        let bytes = [UInt8](try Data(contentsOf: file))
        func number(_ at: Int) -> Int { (0..<8).reduce(0) { $0 | Int(bytes[at + $1]) << (8 * $1) } }
        var stable = [UInt8](repeating: 0, count: number(0))
        var at = 8
        while at < bytes.count {
            let (offset, count) = (number(at), number(at + 8))
            stable.replaceSubrange(offset..<(offset + count), with: bytes[(at + 16)..<(at + 16 + count)])
            at += 16 + count
        }
        return stable
    }

    @Test func layout1KeepsEverything() throws {
        let canister = try TestCanister()
        canister.system.stable = try layout1()
        #expect(canister.system.stable[8] == 1)
        let pixels: [UInt8] = (0..<30).map { UInt8($0 * 8) }
        let half = try TestFile(seed: 3)
        // The second time it is layout 2 that is read.
        for _ in 0..<2 {
            try canister.upgrade()
            #expect(canister.system.stable[8] == 2)
            let models = try #require(try canister.call(.models).asVector)
            #expect(models.compactMap { $0["version"]?.asUInt64 } == [1, 2])
            #expect(try models.map { $0["sha256"] } == [1, 2].map { .blob(try TestFile(seed: $0).sha256) })
            #expect(models.compactMap { $0["activated_at"]?.asUInt64 } == [1_000, 2_000])
            #expect(
                try canister.logits(pixels)
                    == IntegerExecutor(try testModel(seed: 2)).logits(pixels: pixels))
            #expect(
                try canister.call(.roles)
                    == .vector([
                        .record([
                            "who": .principal(TestSystem.uploader), "roles": .vector([.variant("uploader")]),
                        ])
                    ]))
            #expect(try canister.call(.settings) == testSettings())
            let missing = half.chunks.indices.filter { $0 != 0 && $0 != 2 }
            #expect(
                try canister.call(.missingChunks, .blob(half.sha256)).ok
                    == .vector(missing.map { .nat32(UInt32($0)) }))
        }
        for index in half.chunks.indices where index != 0 && index != 2 {
            _ = try canister.call(.putChunk, half.chunk(index), caller: TestSystem.uploader)
        }
        let info = try canister.call(.activate, .blob(half.sha256), caller: TestSystem.uploader)
        #expect(info.ok?["version"] == .nat64(3))
        #expect(try canister.call(.rollback, .nat64(1)).ok != nil)
    }

    /// Either copy of a layout-1 directory is enough.
    @Test(arguments: [1, 2]) func layout1WithADamagedCopy(copy: Int) throws {
        let canister = try TestCanister()
        canister.system.stable = try layout1()
        canister.system.stable[copy * 65_536 + 20] ^= 1
        try canister.upgrade()
        #expect(try canister.call(.models).asVector?.count == 2)
    }
}
