import Candid
import Emulator
import Foundation
import InternetComputer
import Testing

@Suite struct StateStoreTests {
    /// A state directory of this test's own, removed afterwards.
    static func withDirectory(_ body: (URL) async throws -> Void) async throws {
        let directory = FileManager.default.temporaryDirectory.appendingPathComponent("deai-" + UUID().uuidString)
        defer { try? FileManager.default.removeItem(at: directory) }
        try await body(directory)
    }

    @Test func everythingSurvivesAnOrderlyRestart() async throws {
        try await Self.withDirectory { directory in
            let first = try SubnetHarness(directory: directory)
            let id = try await first.create(TestModules.counter)
            try await first.update(id, "inc")
            try await first.update(id, "grow")
            try await first.update(id, "stable_put", Array("DURABLE!".utf8))
            let message = first.message(id, "inc", [])
            _ = await first.subnet.submit(message)
            await first.subnet.settle()
            await first.subnet.shutdown()

            let second = try SubnetHarness(directory: directory, first: 1000)
            #expect(u32(try await second.query(id, "get")) == 2)
            #expect(u64(try await second.query(id, "global")) == 9)
            #expect(u32(try await second.query(id, "grown")) == 77)
            #expect(try await second.query(id, "stable_get") == Array("DURABLE!".utf8))
            #expect(second.subnet.requestStatus(message.requestID).isFinal)
            #expect(u32(try await second.update(id, "inc")) == 3)
            let next = try await second.create()
            #expect(next != id)
            await second.subnet.shutdown()
        }
    }

    /// A copy of the directory taken while the subnet runs is what a killed process leaves behind.
    @Test func acknowledgedUpdatesSurviveAKill() async throws {
        try await Self.withDirectory { directory in
            let source = directory.appendingPathComponent("live")
            let net = try SubnetHarness(directory: source)
            let id = try await net.create(TestModules.counter)
            for round in 1...5 {
                #expect(u32(try await net.update(id, "inc")) == UInt32(round))
                try await net.update(id, "stable_put", Array("ROUND-0\(round)".utf8))
                let copy = directory.appendingPathComponent("copy-\(round)")
                try FileManager.default.copyItem(at: source, to: copy)
                // The worst case: the images lost every write since the last checkpoint.
                let images = copy.appendingPathComponent("images")
                for name in try FileManager.default.contentsOfDirectory(atPath: images.path) where name.contains("-stable-") {
                    try Data().write(to: images.appendingPathComponent(name))
                }
                let revived = try SubnetHarness(directory: copy, first: 1000)
                #expect(u32(try await revived.query(id, "get")) == UInt32(round))
                #expect(try await revived.query(id, "stable_get") == Array("ROUND-0\(round)".utf8))
                await revived.subnet.shutdown()
            }
            await net.subnet.shutdown()
        }
    }

    @Test func chunkedInstallation() async throws {
        try await Self.withDirectory { directory in
            let net = try SubnetHarness(directory: directory)
            let id = try await net.create()
            let module = TestModules.counter
            var hashes: [CandidValue] = []
            for start in stride(from: 0, to: module.count, by: 500) {
                let chunk = Array(module[start..<min(start + 500, module.count)])
                let reply = try await net.manage(
                    "upload_chunk", .record(["canister_id": .principal(id.bytes), "chunk": .blob(chunk)]),
                    .record(["canister_id": .principal, "chunk": .blob]))
                hashes.append(.record(["hash": reply?["hash"] ?? .null]))
            }
            #expect(hashes.count > 1)
            func install(_ hash: [UInt8]) async throws {
                try await net.manage(
                    "install_chunked_code",
                    .record([
                        "mode": .variant("install"), "target_canister": .principal(id.bytes),
                        "chunk_hashes_list": .vector(hashes), "wasm_module_hash": .blob(hash), "arg": .blob([]),
                    ]),
                    .record([
                        "mode": .variant(["install": .null]), "target_canister": .principal,
                        "chunk_hashes_list": .vector(.record(["hash": .blob])), "wasm_module_hash": .blob, "arg": .blob,
                    ]))
            }
            #expect(try await rejection { try await install([UInt8](repeating: 0, count: 32)) }.message.contains("hash"))
            let whole = try await net.create(module)
            let hash = try await net.on(whole, "canister_status")?["module_hash"]?.unwrapped?.asBytes ?? []
            try await install(hash)
            #expect(u32(try await net.update(id, "inc")) == 1)
            await net.subnet.shutdown()
        }
    }
}
