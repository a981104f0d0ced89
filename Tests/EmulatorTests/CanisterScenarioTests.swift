import Candid
import Emulator
import Foundation
import InternetComputer
import Testing

@Suite struct CanisterScenarioTests {
    @Test func countsAndKeepsHeapAndGlobals() async throws {
        let net = try SubnetHarness()
        let id = try await net.create(TestModules.counter, argument: [1, 2, 3])
        #expect(u32(try await net.query(id, "init_bytes")) == 3)
        #expect(u32(try await net.update(id, "inc")) == 1)
        #expect(u32(try await net.update(id, "inc")) == 2)
        #expect(u32(try await net.query(id, "get")) == 2)
        #expect(u64(try await net.query(id, "global")) == 9)
        #expect(String(decoding: try await net.query(id, "data"), as: UTF8.self) == "hello from data")
        await net.subnet.shutdown()
    }

    @Test func queriesLeaveNoTrace() async throws {
        let net = try SubnetHarness()
        let id = try await net.create(TestModules.counter)
        #expect(u32(try await net.query(id, "scribble")) == 99)
        #expect(u32(try await net.query(id, "get")) == 0)
        #expect(u64(try await net.query(id, "global")) == 7)
        // A query called as an update answers and changes nothing either.
        #expect(u32(try await net.update(id, "scribble")) == 99)
        #expect(u32(try await net.query(id, "get")) == 0)
        await net.subnet.shutdown()
    }

    @Test func echoesArgumentAndCaller() async throws {
        let net = try SubnetHarness()
        let id = try await net.create(TestModules.counter)
        #expect(try await net.query(id, "echo", [5, 6, 7]) == [5, 6, 7])
        #expect(try await net.query(id, "whoami", from: SubnetHarness.other) == SubnetHarness.other.bytes)
        #expect(u64(try await net.query(id, "instructions")) > 200)
        await net.subnet.shutdown()
    }

    static let failures: [(String, ErrorCode, String)] = [
        ("inc_and_trap", .canisterTrapped, "Canister trapped: unreachable"),
        ("ic0_trap", .canisterCalledTrap, "Canister called `ic0.trap` with message: hello"),
        ("reject", .canisterRejectedMessage, "hello"),
        ("silent", .canisterDidNotReply, "did not reply"),
        ("forever", .canisterInstructionLimitExceeded, "exceeded the instruction limit"),
        ("out_of_bounds", .canisterTrapped, "heap out of bounds"),
        ("divide", .canisterTrapped, "integer divide by 0"),
        ("reply_twice", .canisterContractViolation, "already replied"),
        ("no_such_method", .canisterMethodNotFound, "Canister has no update method 'no_such_method'."),
        ("certify_in_query", .canisterContractViolation, "cannot be executed in replicated query mode"),
    ]

    @Test(arguments: failures)
    func failedUpdatesChangeNothing(method: String, code: ErrorCode, text: String) async throws {
        let net = try SubnetHarness { $0.limits.updateInstructions = 100_000_000 }
        let id = try await net.create(TestModules.counter)
        try await net.update(id, "inc")
        let rejected = try await rejection { try await net.update(id, method) }
        #expect(rejected.error == code)
        #expect(rejected.message.contains(text))
        #expect(u32(try await net.query(id, "get")) == 1)
        #expect(u64(try await net.query(id, "global")) == 8)
        #expect(u32(try await net.update(id, "inc")) == 2)
        await net.subnet.shutdown()
    }

    @Test func endlessQueryStops() async throws {
        let net = try SubnetHarness { $0.limits.queryInstructions = 10_000_000 }
        let id = try await net.create(TestModules.counter)
        let rejected = try await rejection { try await net.query(id, "forever_query") }
        #expect(rejected.error == .canisterInstructionLimitExceeded)
        await net.subnet.shutdown()
    }

    @Test func heapGrows() async throws {
        let net = try SubnetHarness()
        let id = try await net.create(TestModules.counter)
        #expect(u32(try await net.update(id, "grow")) == 77)
        #expect(u32(try await net.query(id, "grown")) == 77)
        #expect(u32(try await net.update(id, "inc")) == 1)
        #expect(u32(try await net.query(id, "grown")) == 77)
        await net.subnet.shutdown()
    }

    @Test func inspectMessageRefusesAtTheDoor() async throws {
        let net = try SubnetHarness()
        let id = try await net.create(TestModules.counter)
        // The module's inspect_message refuses names of two letters.
        let message = net.message(id, "no", [])
        #expect(
            await net.subnet.submit(message)
                == .rejected(Rejection(.canisterRejectedMessage, "Canister rejected the message")))
        #expect(net.subnet.requestStatus(message.requestID) == .unknown)
        await net.subnet.shutdown()
    }

    @Test func stableMemoryAndUpgrade() async throws {
        let net = try SubnetHarness()
        let id = try await net.create(TestModules.counter)
        try await net.update(id, "stable_put", Array("KEEPSAFE".utf8))
        #expect(try await net.query(id, "stable_get") == Array("KEEPSAFE".utf8))
        try await net.update(id, "inc")
        try await net.install(id, TestModules.upgraded, "upgrade")
        #expect(try await net.query(id, "get") == Array("upgraded".utf8))
        #expect(u32(try await net.query(id, "started")) == 5)
        #expect(try await net.query(id, "stable_get") == Array("KEEPSAFE".utf8) + [0, 0, 0, 0] + Array("POST".utf8))
        // The second upgrade runs pre_upgrade of the code that goes.
        try await net.install(id, TestModules.upgraded, "upgrade")
        #expect(try await net.query(id, "stable_get") == Array("KEEPSAFEPRE!POST".utf8))
        await net.subnet.shutdown()
    }

    @Test func failedUpgradeRollsBackPreUpgradeToo() async throws {
        let net = try SubnetHarness()
        let id = try await net.create(TestModules.counter)
        try await net.update(id, "stable_put", Array("KEEPSAFE".utf8))
        try await net.install(id, TestModules.upgraded, "upgrade")
        let before = try await net.query(id, "stable_get")
        let rejected = try await rejection { try await net.install(id, TestModules.upgraded, "upgrade", argument: [1]) }
        #expect(rejected.error == .canisterTrapped)
        #expect(try await net.query(id, "stable_get") == before)
        await net.subnet.shutdown()
    }

    @Test func installModes() async throws {
        let net = try SubnetHarness()
        let id = try await net.create()
        #expect(try await rejection { try await net.query(id, "get") }.error == .canisterWasmModuleNotFound)
        #expect(try await rejection { try await net.install(id, TestModules.counter, "upgrade") }.error == .canisterWasmModuleNotFound)
        try await net.install(id, TestModules.counter)
        #expect(try await rejection { try await net.install(id, TestModules.counter) }.error == .canisterNonEmpty)
        try await net.update(id, "stable_put", [1])
        try await net.update(id, "inc")
        try await net.install(id, TestModules.counter, "reinstall")
        #expect(u32(try await net.query(id, "get")) == 0)
        #expect(try await rejection { try await net.query(id, "stable_get") }.message.contains("stable memory out of bounds"))
        #expect(
            try await rejection { try await net.install(id, [0, 0x61, 0x73, 0x6d, 9], "reinstall") }.error == .canisterInvalidWasm)
        let stranger = try await rejection {
            try await net.install(id, TestModules.counter, "reinstall", from: SubnetHarness.other)
        }
        #expect(stranger.error == .canisterInvalidController)
        #expect(stranger.message.contains(SubnetHarness.other.text))
        await net.subnet.shutdown()
    }

    @Test func callsBetweenCanisters() async throws {
        let net = try SubnetHarness()
        let counter = try await net.create(TestModules.counter)
        let caller = try await net.create(TestModules.caller)
        let answer = try await net.update(caller, "relay", counter.bytes)
        #expect(u32(answer) == 1)
        #expect(u32(Array(answer[4...])) == 42)
        #expect(u64(Array(answer[8...])) == 1_000_000)
        #expect(u32(try await net.query(counter, "get")) == 1)

        let rejected = try await net.update(caller, "relay_trap", counter.bytes)
        #expect(u32(rejected) == 5)
        #expect(String(decoding: rejected[4...], as: UTF8.self).contains("Canister trapped: unreachable"))
        #expect(u32(try await net.query(counter, "get")) == 1)

        let nobody = try await net.update(caller, "relay", Principal.canister(999).bytes)
        #expect(u32(nobody) == 3)
        await net.subnet.shutdown()
    }

    @Test func trappedCallbackIsUndoneAndCleanedUp() async throws {
        let net = try SubnetHarness()
        let counter = try await net.create(TestModules.counter)
        let caller = try await net.create(TestModules.caller)
        let rejected = try await rejection { try await net.update(caller, "callback_traps", counter.bytes) }
        #expect(rejected.error == .canisterTrapped)
        #expect(u32(try await net.query(caller, "seen")) == 0)
        #expect(u32(try await net.query(caller, "cleaned")) == 9)
        #expect(u32(try await net.query(counter, "get")) == 1)
        await net.subnet.shutdown()
    }

    @Test func compositeQueryCallsAQuery() async throws {
        let net = try SubnetHarness()
        let counter = try await net.create(TestModules.counter)
        let caller = try await net.create(TestModules.caller)
        try await net.update(counter, "inc")
        #expect(u32(try await net.query(caller, "relay_query", counter.bytes)) == 1)
        let rejected = try await rejection { try await net.update(caller, "relay_query", counter.bytes) }
        #expect(rejected.error == .compositeQueryCalledInReplicatedMode)
        await net.subnet.shutdown()
    }

    @Test func timerFiresOnce() async throws {
        let net = try SubnetHarness()
        let id = try await net.create(TestModules.counter)
        try await net.update(id, "set_timer")
        await net.subnet.tick()
        #expect(u32(try await net.query(id, "get")) == 500)
        try await net.update(id, "inc")
        await net.subnet.tick()
        #expect(u32(try await net.query(id, "get")) == 501)
        await net.subnet.shutdown()
    }

    @Test func stopStartDelete() async throws {
        let net = try SubnetHarness()
        let id = try await net.create(TestModules.counter)
        #expect(try await rejection { try await net.on(id, "delete_canister") }.error == .canisterNotStopped)
        try await net.on(id, "stop_canister")
        #expect(try await rejection { try await net.update(id, "inc") }.error == .canisterStopped)
        #expect(try await rejection { try await net.query(id, "get") }.error == .canisterStopped)
        try await net.on(id, "start_canister")
        #expect(u32(try await net.update(id, "inc")) == 1)
        try await net.on(id, "stop_canister")
        try await net.on(id, "delete_canister")
        #expect(!net.subnet.hasCanister(id))
        #expect(try await rejection { try await net.query(id, "get") }.error == .canisterNotFound)
        await net.subnet.shutdown()
    }

    @Test func statusLogsAndStateTree() async throws {
        let net = try SubnetHarness()
        let id = try await net.create(TestModules.counter)
        try await net.update(id, "print")
        _ = try? await net.update(id, "ic0_trap")
        try await net.update(id, "certify")
        let status = try await net.on(id, "canister_status")
        #expect(status?["status"]?.payload(of: "running") != nil)
        #expect(status?["module_hash"]?.unwrapped?.asBytes?.count == 32)
        #expect((status?["cycles"]?.asUInt64 ?? 0) > 99_000_000_000_000)
        #expect((status?["cycles"]?.asUInt64 ?? .max) < 100_000_000_000_000)
        let logs = try await net.on(id, "fetch_canister_logs")
        let records = logs?["canister_log_records"]?.asVector ?? []
        #expect(records.map { String(decoding: $0["content"]?.asBytes ?? [], as: UTF8.self) } == ["hello", "[TRAP]: hello"])
        let tree = net.subnet.stateTree(requests: [], publicKey: [1], nodeKeys: [])
        #expect(tree[[Array("canister".utf8), id.bytes, Array("certified_data".utf8)]] == .leaf(Array("hello".utf8)))
        #expect(tree[[Array("canister".utf8), id.bytes, Array("module_hash".utf8)]] != nil)
        #expect(try await rejection { try await net.on(id, "canister_status", from: SubnetHarness.other) }.error == .canisterInvalidController)
        await net.subnet.shutdown()
    }

    @Test func submissionChecks() async throws {
        let net = try SubnetHarness()
        let id = try await net.create(TestModules.counter)
        var late = net.message(id, "inc", [])
        late.ingressExpiry = 1
        guard case .rejected(let expired) = await net.subnet.submit(late) else { throw Unexpected(text: "accepted") }
        #expect(expired.message.hasPrefix("Invalid request expiry: Specified ingress_expiry not within expected range:"))
        let once = net.message(id, "inc", [])
        #expect(await net.subnet.submit(once) == .accepted)
        #expect(await net.subnet.submit(once) == .accepted)
        await net.subnet.settle()
        #expect(u32(try await net.query(id, "get")) == 1)
        let raw = try await rejection { try await net.update(.managementCanister, "raw_rand", [0x44, 0x49, 0x44, 0x4c, 0, 0]) }
        #expect(raw.error == .canisterRejectedMessage)
        let unknown = try await rejection { try await net.update(.managementCanister, "no_such", []) }
        #expect(unknown.error == .canisterMethodNotFound)
        let garbage = try await rejection { try await net.update(.managementCanister, "install_code", [1, 2, 3]) }
        #expect(garbage.error == .invalidManagementPayload)
        await net.subnet.shutdown()
    }

    @Test func queriesDuringUpdatesSeeWholeCommits() async throws {
        let net = try SubnetHarness()
        let id = try await net.create(TestModules.counter)
        await withTaskGroup(of: Void.self) { group in
            group.addTask { for _ in 0..<200 { _ = try? await net.update(id, "inc") } }
            for _ in 0..<2 {
                group.addTask {
                    var last: UInt64 = 0
                    for _ in 0..<300 {
                        guard let heap = try? await net.query(id, "get"), let global = try? await net.query(id, "global")
                        else { continue }
                        #expect(UInt64(u32(heap)) >= last)
                        #expect(u64(global) >= UInt64(u32(heap)) + 7)
                        last = u64(global) - 7
                    }
                }
            }
        }
        #expect(u32(try await net.query(id, "get")) == 200)
        await net.subnet.shutdown()
    }
}
