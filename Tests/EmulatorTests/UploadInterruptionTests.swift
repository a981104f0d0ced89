import Candid
import Crypto
import Emulator
import Foundation
import InternetComputer
import Testing

/// The classifier canister's upload on a network that stops: no cycles, a stopped canister, an upgrade, a restart.
@Suite struct UploadInterruptionTests {
    static let module = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        .appendingPathComponent("../../build/canister.wasm").standardizedFileURL

    static var isBuilt: Bool { FileManager.default.fileExists(atPath: module.path) }

    /// A file that is no model: the canister looks into it only when it is activated.
    private struct File {
        static let chunkBytes = 200_000
        static let chunks = 6
        let bytes = (0..<(chunks * chunkBytes - 77)).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ $0 >> 9) }

        var sha256: [UInt8] { Array(SHA256.hash(data: bytes)) }

        func chunk(_ index: Int) -> [UInt8] {
            Array(bytes[(index * Self.chunkBytes)..<min((index + 1) * Self.chunkBytes, bytes.count)])
        }

        var manifest: CandidValue {
            .record([
                "size": .nat64(UInt64(bytes.count)), "sha256": .blob(sha256),
                "chunk_bytes": .nat32(UInt32(Self.chunkBytes)),
                "chunk_sha256": .vector(
                    (0..<Self.chunks).map { .blob(Array(SHA256.hash(data: chunk($0)))) }),
                "merkle_root": .optional(nil),
            ])
        }
    }

    private static let manifestType = CandidType.record([
        "size": .nat64, "sha256": .blob, "chunk_bytes": .nat32, "chunk_sha256": .vector(.blob),
        "merkle_root": .optional(.blob),
    ])
    private static let chunkType = CandidType.record(["sha256": .blob, "index": .nat32, "data": .blob])

    private static func begin(_ net: SubnetHarness, _ id: Principal, _ file: File) async throws {
        let argument = try Candid.encode([file.manifest], as: [manifestType])
        let answer = try Candid.decode(try await net.update(id, "begin_upload", argument))
        #expect(answer.first?.payload(of: "ok") != nil)
    }

    private static func put(_ net: SubnetHarness, _ id: Principal, _ file: File, _ index: Int) async throws {
        let chunk = CandidValue.record([
            "sha256": .blob(file.sha256), "index": .nat32(UInt32(index)), "data": .blob(file.chunk(index)),
        ])
        let answer = try Candid.decode(
            try await net.update(id, "put_chunk", try Candid.encode([chunk], as: [chunkType])))
        #expect(answer.first?.payload(of: "ok") != nil)
    }

    private static func missing(_ net: SubnetHarness, _ id: Principal, _ file: File) async throws -> [UInt32] {
        let argument = try Candid.encode([.blob(file.sha256)], as: [.blob])
        let answer = try Candid.decode(try await net.query(id, "missing_chunks", argument))
        return answer.first?.payload(of: "ok")?.asVector?.compactMap(\.asUInt32) ?? []
    }

    @Test("a canister that runs out of cycles keeps what it has and goes on when it is topped up",
        .enabled(if: isBuilt, "build/canister.wasm is missing: run `make canister`"))
    func cyclesRunOut() async throws {
        // Little is held back for a message, so that the balance is soon used up.
        let net = try SubnetHarness {
            $0.limits.installInstructions = 10_000_000_000
            $0.limits.updateInstructions = 10_000_000_000
        }
        let amount = CandidType.record(["amount": .optional(.nat)])
        let reply = try await net.manage(
            "provisional_create_canister_with_cycles",
            .record(["amount": .optional(.nat(CandidInteger(40_000_000_000)))]), amount)
        let id = try Principal(bytes: reply?["canister_id"]?.asBytes ?? [])
        try await net.install(id, [UInt8](try Data(contentsOf: Self.module)))
        let file = File()
        try await Self.begin(net, id, file)
        // The first three chunks over and over until the canister cannot pay.
        var sent = 0
        let refusal = try await rejection { () async throws -> Int in
            for _ in 0..<2_000 {
                try await Self.put(net, id, file, sent % 3)
                sent += 1
            }
            return sent
        }
        #expect(refusal.error == .canisterOutOfCycles)
        #expect(sent >= 3)
        try await net.manage(
            "provisional_top_up_canister",
            .record([
                "canister_id": .principal(id.bytes), "amount": .nat(CandidInteger(1_000_000_000_000)),
            ]), .record(["canister_id": .principal, "amount": .nat]))
        #expect(try await Self.missing(net, id, file) == [3, 4, 5])
        for index in 3..<File.chunks { try await Self.put(net, id, file, index) }
        #expect(try await Self.missing(net, id, file).isEmpty)
        await net.subnet.shutdown()
    }

    @Test("a stopped canister refuses chunks; started, upgraded or on a restarted emulator it goes on where it was",
        .enabled(if: isBuilt, "build/canister.wasm is missing: run `make canister`"))
    func stopsUpgradesAndRestarts() async throws {
        try await StateStoreTests.withDirectory { directory in
            let module = [UInt8](try Data(contentsOf: Self.module))
            let file = File()
            var net = try SubnetHarness(directory: directory)
            let id = try await net.create(module)
            try await Self.begin(net, id, file)
            for index in 0..<File.chunks {
                switch index {
                case 1:
                    try await net.on(id, "stop_canister")
                    let refusal = try await rejection { try await Self.put(net, id, file, index) }
                    #expect(refusal.error == .canisterStopped)
                    try await net.on(id, "start_canister")
                case 3: try await net.install(id, module, "upgrade")
                case 4:
                    await net.subnet.shutdown()
                    net = try SubnetHarness(directory: directory, first: 1_000)
                default: break
                }
                #expect(try await Self.missing(net, id, file) == (index..<File.chunks).map { UInt32($0) })
                try await Self.put(net, id, file, index)
            }
            // Complete, and no model: the canister says so and has none to serve.
            let argument = try Candid.encode([.blob(file.sha256)], as: [.blob])
            let answer = try Candid.decode(try await net.update(id, "activate", argument)).first
            #expect(answer?.payload(of: "err")?.payload(of: "bad_model") != nil)
            await net.subnet.shutdown()
        }
    }
}
