import Candid
import Emulator
import Foundation
import InternetComputer
import Synchronization
import Testing

/// Services of the subnet that canisters see: snapshots, outcalls, deadlines, hooks, reservations, rate limits.
@Suite struct ServiceTests {
    /// Has the proxy make a call; the first byte is 0 for a reply, else the reject code.
    static func call(
        _ net: SubnetHarness, _ proxy: Principal, _ callee: Principal, _ method: String, _ argument: [UInt8] = [],
        cycles: UInt64 = 0, timeout: UInt32 = 0
    ) async throws -> (code: UInt8, bytes: [UInt8]) {
        func little(_ value: some FixedWidthInteger) -> [UInt8] { withUnsafeBytes(of: value.littleEndian) { Array($0) } }
        let answer = try await net.update(
            proxy, "call",
            little(timeout) + little(cycles) + [UInt8(callee.bytes.count), UInt8(method.utf8.count)] + callee.bytes
                + Array(method.utf8) + argument)
        return (answer.first ?? 255, Array(answer.dropFirst()))
    }

    static func text(_ bytes: [UInt8]) -> String { String(decoding: bytes, as: UTF8.self) }

    /// Moves with the tests instead of with the wall.
    final class Clock: Sendable {
        private let now = Mutex<UInt64>(1_700_000_000_000_000_000)
        var time: UInt64 { now.withLock { $0 } }
        func advance(seconds: UInt64) { now.withLock { $0 += seconds * 1_000_000_000 } }
    }

    // MARK: Snapshots

    static func snapshot(_ net: SubnetHarness, _ id: Principal, _ method: String, _ snapshot: [UInt8]? = nil) async throws -> CandidValue? {
        guard let snapshot else { return try await net.on(id, method) }
        return try await net.manage(
            method, .record(["canister_id": .principal(id.bytes), "snapshot_id": .blob(snapshot)]),
            .record(["canister_id": .principal, "snapshot_id": .blob]))
    }

    @Test func snapshotsBringBackEverything() async throws {
        try await StateStoreTests.withDirectory { directory in
            let net = try SubnetHarness(directory: directory)
            let id = try await net.create(TestModules.consistent)
            for _ in 0..<3 { try await net.update(id, "bump") }
            let taken = try #require(try await Self.snapshot(net, id, "take_canister_snapshot")?["id"]?.asBytes)
            for _ in 0..<4 { try await net.update(id, "bump") }
            #expect(u32(try await net.query(id, "check")) == 7)
            _ = try await Self.snapshot(net, id, "load_canister_snapshot", taken)
            #expect(u32(try await net.query(id, "check")) == 3)
            #expect(u32(try await net.update(id, "bump")) == 4)
            // Other code, then back to the snapshot's.
            try await net.install(id, TestModules.counter, "reinstall")
            await net.subnet.shutdown()

            let later = try SubnetHarness(directory: directory, first: 1000)
            let list = try await later.on(id, "list_canister_snapshots")?.asVector ?? []
            #expect(list.map { $0["id"]?.asBytes } == [taken])
            #expect((list.first?["total_size"]?.asUInt64 ?? 0) > 16 * 65_536)
            _ = try await Self.snapshot(later, id, "load_canister_snapshot", taken)
            #expect(u32(try await later.query(id, "check")) == 3)
            _ = try await Self.snapshot(later, id, "delete_canister_snapshot", taken)
            #expect(try await later.on(id, "list_canister_snapshots")?.asVector?.isEmpty == true)
            let gone = try await rejection { try await Self.snapshot(later, id, "load_canister_snapshot", taken)?.asBool }
            #expect(gone.error == .canisterSnapshotNotFound)
            await later.subnet.shutdown()
            let names = try FileManager.default.contentsOfDirectory(atPath: directory.appendingPathComponent("images").path)
            #expect(!names.contains { $0.hasPrefix("snapshot-") })
        }
    }

    @Test func snapshotsAreReadAndUploaded() async throws {
        let net = try SubnetHarness()
        let source = try await net.create(TestModules.consistent)
        for _ in 0..<5 { try await net.update(source, "bump") }
        let taken = try #require(try await Self.snapshot(net, source, "take_canister_snapshot")?["id"]?.asBytes)
        let metadata = try #require(try await Self.snapshot(net, source, "read_canister_snapshot_metadata", taken))
        #expect(metadata["source"]?.payload(of: "taken_from_canister") != nil)
        #expect(metadata["wasm_memory_size"]?.asUInt64 == 16 * 65_536)
        #expect(metadata["globals"]?.asVector?.first?.payload(of: "i32")?.asInt32 == 5)

        let target = try await net.create()
        let slice: CandidType = .record(["offset": .nat64, "size": .nat64])
        let offset: CandidType = .record(["offset": .nat64])
        let globals: CandidType = .vector(.variant(["i32": .int32]))
        let uploaded = try #require(
            try await net.manage(
                "upload_canister_snapshot_metadata",
                .record([
                    "canister_id": .principal(target.bytes), "wasm_module_size": metadata["wasm_module_size"] ?? .null,
                    "globals": metadata["globals"] ?? .null, "wasm_memory_size": metadata["wasm_memory_size"] ?? .null,
                    "stable_memory_size": metadata["stable_memory_size"] ?? .null, "certified_data": .blob([]),
                ]),
                .record([
                    "canister_id": .principal, "wasm_module_size": .nat64, "globals": globals,
                    "wasm_memory_size": .nat64, "stable_memory_size": .nat64, "certified_data": .blob,
                ]))?["snapshot_id"]?.asBytes)
        let parts: [(StaticString, UInt64)] = [
            ("wasm_module", metadata["wasm_module_size"]?.asUInt64 ?? 0), ("wasm_memory", 16 * 65_536),
            ("stable_memory", 65_536),
        ]
        for (kind, size) in parts {
            let chunk = try await net.manage(
                "read_canister_snapshot_data",
                .record([
                    "canister_id": .principal(source.bytes), "snapshot_id": .blob(taken),
                    "kind": .variant(kind, .record(["offset": .nat64(0), "size": .nat64(size)])),
                ]),
                .record([
                    "canister_id": .principal, "snapshot_id": .blob,
                    "kind": .variant(CandidFields([CandidField(kind, slice)])),
                ]))?["chunk"]?.asBytes ?? []
            #expect(chunk.count == Int(size))
            try await net.manage(
                "upload_canister_snapshot_data",
                .record([
                    "canister_id": .principal(target.bytes), "snapshot_id": .blob(uploaded),
                    "kind": .variant(kind, .record(["offset": .nat64(0)])), "chunk": .blob(chunk),
                ]),
                .record([
                    "canister_id": .principal, "snapshot_id": .blob,
                    "kind": .variant(CandidFields([CandidField(kind, offset)])), "chunk": .blob,
                ]))
        }
        _ = try await Self.snapshot(net, target, "load_canister_snapshot", uploaded)
        #expect(u32(try await net.query(target, "check")) == 5)
        #expect(u32(try await net.update(target, "bump")) == 6)
        let outside = try await rejection {
            try await net.manage(
                "read_canister_snapshot_data",
                .record([
                    "canister_id": .principal(source.bytes), "snapshot_id": .blob(taken),
                    "kind": .variant("wasm_memory", .record(["offset": .nat64(.max), "size": .nat64(2)])),
                ]),
                .record([
                    "canister_id": .principal, "snapshot_id": .blob,
                    "kind": .variant(CandidFields([CandidField("wasm_memory", slice)])),
                ]))?.asBool
        }
        #expect(outside.error == .canisterContractViolation)
        await net.subnet.shutdown()
    }

    @Test func atMostTenSnapshots() async throws {
        let net = try SubnetHarness()
        let id = try await net.create(TestModules.counter)
        for _ in 0..<10 { _ = try await Self.snapshot(net, id, "take_canister_snapshot") }
        let refused = try await rejection { try await Self.snapshot(net, id, "take_canister_snapshot")?.asBool }
        #expect(refused.message.contains("maximum number of snapshots"))
        let stranger = try await rejection { try await net.on(id, "take_canister_snapshot", from: SubnetHarness.other)?.asBool }
        #expect(stranger.error == .canisterInvalidController)
        let empty = try await net.create()
        #expect(try await rejection { try await net.on(empty, "take_canister_snapshot")?.asBool }.error == .canisterWasmModuleNotFound)
        await net.subnet.shutdown()
    }

    // MARK: Deadlines and versions

    @Test func bestEffortCallsExpire() async throws {
        let clock = Clock()
        let net = try SubnetHarness {
            $0.clock = { clock.time }
            $0.limits.sliceInstructions = 1_000_000
            $0.limits.updateInstructions = 1_000_000_000_000
        }
        let proxy = try await net.create(TestModules.proxy)
        let callee = try await net.create(TestModules.proxy)
        // A call in time shows its deadline; a guaranteed one has none.
        let answered = try await Self.call(net, proxy, callee, "deadline", timeout: 10)
        #expect(answered.code == 0)
        let left = u64(answered.bytes) - 1_700_000_000_000_000_000
        #expect(left >= 10_000_000_000 && left < 10_100_000_000)
        #expect(u64(try await Self.call(net, proxy, callee, "deadline").bytes) == 0)
        // One that is never answered ends with SYS_UNKNOWN when its time is over.
        async let slow = Self.call(net, proxy, callee, "slow", timeout: 5)
        while net.subnet.openCalls(proxy) == 0 { await Task.yield() }
        clock.advance(seconds: 6)
        while true {
            await net.subnet.enqueueDueWork()
            if net.subnet.openCalls(proxy) == 0 { break }
            await Task.yield()
        }
        let expired = try await slow
        #expect(expired.code == 6)
        #expect(Self.text(expired.bytes).contains("IC0601"))
        await net.subnet.shutdown()
    }

    @Test func senderCanisterVersionMustBeTheSendersOwn() async throws {
        let net = try SubnetHarness()
        let proxy = try await net.create(TestModules.proxy)
        let type: CandidType = .record(["sender_canister_version": .optional(.nat64)])
        func create(_ version: UInt64) async throws -> (code: UInt8, bytes: [UInt8]) {
            let argument = try Candid.encode([.record(["sender_canister_version": .optional(.nat64(version))])], as: [type])
            return try await Self.call(
                net, proxy, .managementCanister, "create_canister", argument, cycles: 1_000_000_000_000)
        }
        let version = u64(try await net.query(proxy, "version"))
        #expect(try await create(version).code == 0)
        let refused = try await rejection { try await create(version + 7).bytes }
        #expect(refused.error == .canisterContractViolation)
        #expect(refused.message.contains("sender_canister_version"))
        await net.subnet.shutdown()
    }

    @Test(arguments: ["sign_with_ecdsa", "schnorr_public_key", "vetkd_derive_key"])
    func thresholdKeysAreRefusedClearly(method: String) async throws {
        let net = try SubnetHarness()
        let proxy = try await net.create(TestModules.proxy)
        let answer = try await Self.call(net, proxy, .managementCanister, method, cycles: 30_000_000_000)
        #expect(answer.code == 4)
        #expect(Self.text(answer.bytes).contains("not emulated"))
        await net.subnet.shutdown()
    }

    // MARK: Outcalls

    static let responseType: CandidType = .record([
        "status": .nat, "headers": .vector(.record(["name": .text, "value": .text])), "body": .blob,
    ])

    static func request(_ url: String, transform: Principal? = nil) throws -> [UInt8] {
        let function: CandidType = .function(CandidFunction(
            arguments: [.record(["response": responseType, "context": .blob])], results: [responseType], annotation: .query))
        return try Candid.encode(
            [.record([
                "url": .text(Array(url.utf8)), "method": .variant("get"), "headers": .vector([]),
                "max_response_bytes": .optional(.nat64(2000)),
                "transform": .optional(transform.map {
                    .record(["function": .function($0.bytes, Array("transform".utf8)), "context": .blob([])])
                }),
            ])],
            as: [.record([
                "url": .text, "method": .variant(["get": .null]),
                "headers": .vector(.record(["name": .text, "value": .text])), "max_response_bytes": .optional(.nat64),
                "transform": .optional(.record(["function": function, "context": .blob])),
            ])])
    }

    @Test func outcallsGoToTheHandler() async throws {
        let seen = Mutex<[HTTPOutcall]>([])
        let net = try SubnetHarness {
            $0.outcalls = { outcall throws(HTTPOutcall.Failure) in
                seen.withLock { $0.append(outcall) }
                if outcall.url.hasSuffix("/slow") { throw HTTPOutcall.Failure("Timeout expired") }
                return HTTPOutcall.Response(status: 404, headers: [.init(name: "a", value: "b")], body: [1, 2, 3])
            }
        }
        let reply = try Candid.encode(
            [.record(["status": .nat(200), "headers": .vector([]), "body": .blob([9])])], as: [Self.responseType])
        let proxy = try await net.create(TestModules.proxy, argument: reply)
        let plain = try await Self.call(
            net, proxy, .managementCanister, "http_request", try Self.request("https://example.org/x"), cycles: 1_000_000_000_000)
        #expect(plain.code == 0)
        let value = try Candid.decode(plain.bytes, as: [Self.responseType])[0]
        #expect(value["status"]?.asUInt64 == 404)
        #expect(value["body"]?.asBytes == [1, 2, 3])
        let outcall = try #require(seen.withLock { $0.first })
        #expect(outcall.canister == proxy && outcall.method == "GET" && outcall.maximumResponseBytes == 2000)
        #expect(outcall.headers == [.init(name: "user-agent", value: "ic/1.0")])

        let transformed = try await Self.call(
            net, proxy, .managementCanister, "http_request", try Self.request("https://example.org/x", transform: proxy),
            cycles: 1_000_000_000_000)
        #expect(try Candid.decode(transformed.bytes, as: [Self.responseType])[0]["body"]?.asBytes == [9])

        let failed = try await Self.call(
            net, proxy, .managementCanister, "http_request", try Self.request("https://example.org/slow"), cycles: 1_000_000_000_000)
        #expect(failed.code == 1 && Self.text(failed.bytes) == "Timeout expired")
        for (url, cycles, reason) in [
            ("http://example.org", UInt64(1_000_000_000_000), "https://"), ("https://example.org", 5, "cycles are required"),
            ("https://" + String(repeating: "x", count: 8200), 1_000_000_000_000, "8192"),
        ] {
            let refused = try await Self.call(net, proxy, .managementCanister, "http_request", try Self.request(url), cycles: cycles)
            #expect(refused.code == 4 && Self.text(refused.bytes).contains(reason))
        }
        await net.subnet.shutdown()
    }

    @Test func outcallsAreOffByDefault() async throws {
        let net = try SubnetHarness()
        let proxy = try await net.create(TestModules.proxy)
        let refused = try await Self.call(
            net, proxy, .managementCanister, "http_request", try Self.request("https://example.org"), cycles: 1_000_000_000_000)
        #expect(refused.code == 1 && Self.text(refused.bytes).contains("switched off"))
        await net.subnet.shutdown()
    }

    // MARK: Memory

    static func settings(_ net: SubnetHarness, _ id: Principal, _ name: StaticString, _ value: CandidInteger) async throws {
        let type: CandidType = .record(CandidFields([CandidField(name, .optional(.nat))]))
        try await net.manage(
            "update_settings",
            .record([
                "canister_id": .principal(id.bytes),
                "settings": .record(CandidRecord([.init(id: Candid.hash(name), value: .optional(.nat(value)))])),
            ]),
            .record(["canister_id": .principal, "settings": type]))
    }

    static func pages(_ count: UInt32) -> [UInt8] { withUnsafeBytes(of: count.littleEndian) { Array($0) } }

    @Test func lowMemoryHookRunsOnceWhenItBecomesDue() async throws {
        let net = try SubnetHarness()
        let id = try await net.create(TestModules.proxy)
        try await Self.settings(net, id, "wasm_memory_limit", 2_000_000)
        try await Self.settings(net, id, "wasm_memory_threshold", 1_000_000)
        await net.subnet.settle()
        #expect(u32(try await net.query(id, "hooks")) == 0)
        try await net.update(id, "grow", Self.pages(10))
        await net.subnet.settle()
        #expect(u32(try await net.query(id, "hooks")) == 1)
        try await net.update(id, "grow", Self.pages(1))
        await net.subnet.settle()
        #expect(u32(try await net.query(id, "hooks")) == 1)
        let refused = try await rejection { try await net.update(id, "grow", Self.pages(100)) }
        #expect(refused.error == .canisterWasmMemoryLimitExceeded)
        await net.subnet.shutdown()
    }

    @Test func memoryGrowsToTheLimitAndNotBeyond() async throws {
        let net = try SubnetHarness()
        let id = try await net.create(TestModules.proxy)
        #expect(u32(try await net.update(id, "grow", Self.pages(65_536 - 8))) == 8)
        #expect(u32(try await net.update(id, "grow", Self.pages(1))) == UInt32.max)
        #expect(u32(try await net.query(id, "hooks")) == 0)
        await net.subnet.shutdown()
    }

    @Test func growthReservesCyclesOnAFullSubnet() async throws {
        let net = try SubnetHarness {
            $0.limits.reservationThresholdBytes = 1 << 20
            $0.limits.subnetMemoryBytes = 8 << 30
        }
        let id = try await net.create(TestModules.proxy)
        func reserved() async throws -> UInt64 {
            try await net.on(id, "canister_status")?["reserved_cycles"]?.asUInt64 ?? .max
        }
        #expect(try await reserved() == 0)
        try await net.update(id, "grow", Self.pages(1024))
        let first = try await reserved()
        #expect(first > 0)
        try await Self.settings(net, id, "reserved_cycles_limit", 1)
        let refused = try await rejection { try await net.update(id, "grow", Self.pages(1024)) }
        #expect(refused.error == .reservedCyclesLimitExceededInMemoryGrow)
        #expect(try await reserved() == first)
        await net.subnet.shutdown()
    }

    @Test func installsAreRateLimitedWhenConfigured() async throws {
        let clock = Clock()
        let net = try SubnetHarness {
            $0.clock = { clock.time }
            $0.limits.installInstructionsPerRound = 100
        }
        let id = try await net.create(TestModules.counter)
        let refused = try await rejection { try await net.install(id, TestModules.counter, "reinstall") }
        #expect(refused.error == .canisterInstallCodeRateLimited)
        clock.advance(seconds: 100)
        try await net.install(id, TestModules.counter, "reinstall")
        await net.subnet.shutdown()
    }

    @Test func queryStatisticsAreCounted() async throws {
        try await StateStoreTests.withDirectory { directory in
            let net = try SubnetHarness(directory: directory)
            let id = try await net.create(TestModules.counter)
            for _ in 0..<5 { _ = try await net.query(id, "echo", [1, 2, 3]) }
            try await net.update(id, "inc")
            await net.subnet.shutdown()
            let later = try SubnetHarness(directory: directory, first: 1000)
            _ = try await later.query(id, "echo", [1])
            let statistics = try await later.on(id, "canister_status")?["query_stats"]
            #expect(statistics?["num_calls_total"]?.asUInt64 == 6)
            #expect(statistics?["request_payload_bytes_total"]?.asUInt64 == 16)
            #expect(statistics?["response_payload_bytes_total"]?.asUInt64 == 16)
            #expect((statistics?["num_instructions_total"]?.asUInt64 ?? 0) > 6000)
            await later.subnet.shutdown()
        }
    }
}
