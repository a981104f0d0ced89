import Candid
import Emulator
import Foundation
import InternetComputer
import Testing

/// Rules of the subnet as a whole: rounds, capacity, upkeep, what it tells about itself.
@Suite struct SubnetRulesTests {
    // MARK: Rounds and charges

    /// With a budget for one message a round, each further one waits for the clock.
    @Test(.timeLimit(.minutes(1))) func roundsHoldMessagesBack() async throws {
        let clock = ServiceTests.Clock()
        let net = try SubnetHarness {
            $0.clock = { clock.time }
            $0.limits.roundInstructions = 2_000_000
            $0.limits.roundThreads = 1
        }
        // Each management call ends a round too.
        let id = try await Self.moving(clock) { try await net.create(TestModules.counter) }
        let messages = (0..<3).map { _ in net.message(id, "inc", []) }
        clock.advance(seconds: 1)
        for message in messages { #expect(await net.subnet.submit(message) == .accepted) }
        for number in messages.indices {
            while !net.subnet.requestStatus(messages[number].requestID).isFinal { await Task.yield() }
            // Long enough for the next one to run, if anything but the clock could let it.
            try await Task.sleep(nanoseconds: 20_000_000)
            #expect(messages.filter { net.subnet.requestStatus($0.requestID).isFinal }.count == number + 1)
            clock.advance(seconds: 1)
        }
        await net.subnet.shutdown()
    }

    private static func moving<T: Sendable>(
        _ clock: ServiceTests.Clock, _ body: @Sendable () async throws -> T
    ) async throws -> T {
        let mover = Task {
            while !Task.isCancelled {
                clock.advance(seconds: 1)
                try? await Task.sleep(nanoseconds: 2_000_000)
            }
        }
        defer { mover.cancel() }
        return try await body()
    }

    /// 6,000 instructions for every operator when it is switched on, and nothing by default.
    @Test func compilationIsChargedWhenConfigured() async throws {
        var costs: [UInt64] = []
        for charges in [false, true] {
            let net = try SubnetHarness { $0.prices.chargeCompilation = charges }
            let id = try await net.create()
            func cycles() async throws -> UInt64 { try await net.on(id, "canister_status")?["cycles"]?.asUInt64 ?? 0 }
            let status = try await cycles()
            let before = try await cycles()
            try await net.install(id, TestModules.counter)
            costs.append(before - (try await cycles()) - (status - before))
            await net.subnet.shutdown()
        }
        let difference = costs[1] - costs[0]
        #expect(difference % 6000 == 0)
        // The module has some 200 operators before the instrumentation.
        #expect(difference > 150 * 6000 && difference < 3000 * 6000)
    }

    // MARK: Failed installs

    /// All or nothing, over a restart too: the old code runs on with its memories, and the next attempt starts clean.
    @Test(arguments: ["reinstall", "upgrade"]) func aFailedInstallLeavesTheOldCanister(mode: String) async throws {
        try await StateStoreTests.withDirectory { directory in
            let net = try SubnetHarness(directory: directory)
            let id = try await net.create(TestModules.consistent)
            for _ in 0..<3 { try await net.update(id, "bump") }
            typealias Rules = ModuleRulesTests
            // Data where the heap of the old module has its numbers, and a trap at the end.
            let broken = Rules.Module(
                bodies: [Rules.body([0x00])], memories: [[0, 16]], exports: ["canister_init", "canister_post_upgrade"],
                data: [Rules.segment(at: 0, 70_000)]
            ).bytes
            let before = try await net.on(id, "canister_status")
            let refused = try await rejection { try await net.install(id, broken, mode == "upgrade" ? "upgrade" : "reinstall") }
            #expect(refused.error == .canisterTrapped)
            let after = try await net.on(id, "canister_status")
            for field: StaticString in ["version", "module_hash", "memory_size", "settings"] {
                #expect(after?[field] == before?[field], "\(field)")
            }
            #expect((after?["cycles"]?.asUInt64 ?? .max) < (before?["cycles"]?.asUInt64 ?? 0) - 5_000_000)
            await net.subnet.shutdown()

            let later = try SubnetHarness(directory: directory, first: 1000)
            #expect(u32(try await later.query(id, "check")) == 3)
            #expect(u32(try await later.update(id, "bump")) == 4)
            _ = try? await later.install(id, broken, "reinstall")
            try await later.install(id, TestModules.consistent, "reinstall")
            #expect(u32(try await later.query(id, "check")) == 0)
            #expect(u32(try await later.query(id, "untouched")) == 0)
            #expect(u32(try await later.update(id, "bump")) == 1)
            await later.subnet.shutdown()
        }
    }

    // MARK: Composite queries

    @Test(arguments: [(UInt64(40_000_000), ErrorCode.queryCallGraphTotalInstructionLimitExceeded), (5_000_000_000, nil)])
    func compositeQueriesShareTheirInstructions(limit: UInt64, error: ErrorCode?) async throws {
        let net = try SubnetHarness { $0.limits.queryInstructions = limit }
        let id = try await net.create(TestModules.informed)
        if let error {
            #expect(try await rejection { try await net.query(id, "crelay") }.error == error)
        } else {
            #expect(try await net.query(id, "crelay") == [])
        }
        await net.subnet.shutdown()
    }

    // MARK: Capacity

    private func allocate(_ net: SubnetHarness, _ id: Principal, compute: UInt64) async throws {
        try await ServiceTests.settings(net, id, "compute_allocation", CandidInteger(compute))
    }

    @Test func computeAllocationsFitTheSubnet() async throws {
        let net = try SubnetHarness { $0.prices.provisionalCycles = 10_000_000_000_000_000 }
        var ids: [Principal] = []
        for _ in 0..<4 { ids.append(try await net.create()) }
        for id in ids[0..<2] { try await allocate(net, id, compute: 100) }
        try await allocate(net, ids[2], compute: 99)
        let refused = try await rejection { try await allocate(net, ids[3], compute: 1) }
        #expect(refused.error == .subnetOversubscribed)
        #expect(refused.message.contains("remaining compute capacity is 0%"))
        // Its own share does not count against a canister.
        try await allocate(net, ids[2], compute: 98)
        try await allocate(net, ids[3], compute: 1)
        await net.subnet.shutdown()
    }

    @Test func allocationsMustNotFreezeTheCanister() async throws {
        let net = try SubnetHarness { $0.prices.provisionalCycles = 1_000_000_000_000 }
        let id = try await net.create()
        // 10 percent for the 30 days of the freezing threshold cost 259 trillion cycles.
        #expect(try await rejection { try await allocate(net, id, compute: 10) }.error == .insufficientCyclesInComputeAllocation)
        let refused = try await rejection {
            try await ServiceTests.settings(net, id, "memory_allocation", CandidInteger(UInt64(500) << 30))
        }
        #expect(refused.error == .insufficientCyclesInMemoryAllocation)
        await net.subnet.shutdown()
    }

    /// Growth that would freeze the canister is refused, at install and later, and changes nothing.
    @Test func growthMustNotFreezeTheCanister() async throws {
        let net = try SubnetHarness()
        let id = try await net.create(TestModules.proxy)
        // 100 trillion cycles pay for 9.6 GiB-years.
        try await ServiceTests.settings(net, id, "freezing_threshold", CandidInteger(UInt64(100 * 365 * 86_400)))
        let refused = try await rejection { try await net.update(id, "grow", ServiceTests.pages(16_384)) }
        #expect(refused.error == .insufficientCyclesInMemoryGrow)
        #expect(u32(try await net.update(id, "grow", ServiceTests.pages(0))) == 8)
        let other = try await net.create()
        try await ServiceTests.settings(net, other, "freezing_threshold", CandidInteger(UInt64(600_000 * 365 * 86_400)))
        let installed = try await rejection { try await net.install(other, TestModules.proxy) }
        #expect(installed.error == .insufficientCyclesInMemoryGrow || installed.error == .canisterOutOfCycles)
        #expect(try await net.on(other, "canister_status")?["module_hash"]?.unwrapped == nil)
        await net.subnet.shutdown()
    }

    /// Large calls wait only as far as there is room; the room comes back.
    @Test(.timeLimit(.minutes(1))) func waitingCallsAreBounded() async throws {
        try await StateStoreTests.withDirectory { directory in
            let net = try SubnetHarness(directory: directory) {
                $0.limits.queuedIngressBytes = 1 << 20
                $0.limits.sliceInstructions = 1_000_000
                $0.limits.updateInstructions = 1_000_000_000_000
            }
            let (busy, free) = try await (net.create(TestModules.informed), net.create(TestModules.counter))
            #expect(await net.subnet.submit(net.message(busy, "spin", [])) == .accepted)
            let large = [UInt8](repeating: 1, count: 100_000)
            var accepted = 0
            while case .accepted = await net.subnet.submit(net.message(busy, "info", large)) { accepted += 1 }
            #expect((9...10).contains(accepted))
            guard case .rejected(let refused) = await net.subnet.submit(net.message(busy, "info", large)) else {
                Issue.record("one more was accepted")
                return
            }
            #expect(refused.error == .canisterQueueFull)
            #expect(u32(try await net.update(free, "inc")) == 1)
            await net.subnet.shutdown()
            // They still wait after a restart, count, and run once they can.
            let later = try SubnetHarness(directory: directory, first: 1000) {
                $0.limits.queuedIngressBytes = 1 << 20
                $0.limits.updateInstructions = 1_000_000
            }
            await later.subnet.settle()
            for _ in 0..<20 { #expect(try await later.update(busy, "info", large) == []) }
            await later.subnet.shutdown()
        }
    }

    /// Nobody calls it, and yet it pays; when nothing is left, its code goes.
    @Test func aCanisterWithoutCyclesIsUninstalled() async throws {
        let clock = ServiceTests.Clock()
        let net = try SubnetHarness { $0.clock = { clock.time } }
        let (rich, poor) = try await (net.create(TestModules.counter), net.create(TestModules.counter))
        try await allocate(net, poor, compute: 1)
        #expect(u32(try await net.update(poor, "inc")) == 1)
        clock.advance(seconds: 100 * 86_400)
        await net.subnet.tick()
        // 1 % costs 864 billion cycles a day, so 100 trillion last 115 days.
        #expect(try await rejection { try await net.query(poor, "get") }.error == .canisterOutOfCycles)
        clock.advance(seconds: 20 * 86_400)
        await net.subnet.tick()
        let status = try await net.on(poor, "canister_status")
        #expect(status?["cycles"]?.asUInt64 == 0)
        #expect(status?["module_hash"]?.unwrapped == nil)
        #expect(status?["settings"]?["compute_allocation"]?.asUInt64 == 0)
        #expect(try await rejection { try await net.query(poor, "get") }.error == .canisterWasmModuleNotFound)
        #expect(u32(try await net.query(rich, "get")) == 0)
        await net.subnet.shutdown()
    }

    // MARK: What the subnet tells

    @Test func subnetMethods() async throws {
        let node = Principal.selfAuthenticating(derPublicKey: [7])
        let net = try SubnetHarness { $0.nodeID = node }
        let proxy = try await net.create(TestModules.proxy)
        let type: CandidType = .record(["subnet_id": .principal, "start_at_timestamp_nanos": .nat64])
        func argument(_ subnet: Principal, start: UInt64 = 0) throws -> [UInt8] {
            try Candid.encode(
                [.record(["subnet_id": .principal(subnet.bytes), "start_at_timestamp_nanos": .nat64(start)])], as: [type])
        }
        let own = SubnetHarness.subnetID
        let info = try await ServiceTests.call(net, proxy, .managementCanister, "subnet_info", argument(own))
        #expect(info.code == 0)
        #expect(try Candid.decode(info.bytes)[0]["registry_version"]?.asUInt64 == 1)
        let metrics = try await ServiceTests.call(net, proxy, .managementCanister, "node_metrics_history", argument(own))
        let samples = try Candid.decode(metrics.bytes)[0].asVector ?? []
        #expect(samples.count == 1)
        #expect(samples.first?["node_metrics"]?.asVector?.first?["node_id"]?.asBytes == node.bytes)
        let later = try await ServiceTests.call(
            net, proxy, .managementCanister, "node_metrics_history", argument(own, start: .max))
        #expect(try Candid.decode(later.bytes)[0].asVector?.isEmpty ?? true)
        for method in ["subnet_info", "node_metrics_history"] {
            let other = try await ServiceTests.call(net, proxy, .managementCanister, method, argument(SubnetHarness.other))
            #expect(other.code == 4 && ServiceTests.text(other.bytes).contains("is not this one"))
            let user = try await rejection { try await net.update(.managementCanister, method, argument(own)) }
            #expect(user.error == .canisterRejectedMessage)
        }
        await net.subnet.shutdown()
    }

    @Test func metricsOfTheStateTree() async throws {
        let net = try SubnetHarness()
        let id = try await net.create(TestModules.counter)
        try await net.update(id, "inc")
        let tree = net.subnet.stateTree(requests: [], publicKey: [], nodeKeys: [])
        let path = ["subnet", "", "metrics"].map { Array($0.utf8) }
        guard case .leaf(let bytes) = tree[[path[0], SubnetHarness.subnetID.bytes, path[2]]] else {
            Issue.record("no metrics")
            return
        }
        let metrics = try CBOR.decode(bytes)
        #expect(metrics["num_canisters"]?.unsignedValue == 1)
        #expect((metrics["canister_state_bytes"]?.unsignedValue ?? 0) > 65_536)
        #expect(metrics["update_transactions_total"]?.unsignedValue == net.subnet.height)
        #expect((metrics["consumed_cycles_total"]?.mapValue?.first?.value.unsignedValue ?? 0) > 5_000_000)
        await net.subnet.shutdown()
    }

    @Test func cyclesAreBookedByUse() async throws {
        let net = try SubnetHarness()
        let (proxy, callee) = try await (net.create(TestModules.proxy), net.create(TestModules.proxy))
        _ = try await ServiceTests.call(net, proxy, callee, "deadline")
        let used = try await net.on(proxy, "canister_metrics")?["cycles_consumed"]
        // One call of a few bytes: 260,000 and 1,000 for each byte there and back.
        let transmission = used?["request_and_response_transmission"]?.asUInt64 ?? 0
        #expect(transmission > 260_000 && transmission < 300_000)
        #expect((used?["instructions"]?.asUInt64 ?? 0) > 10_000_000)
        #expect((used?["ingress_induction"]?.asUInt64 ?? 0) >= 1_200_000)
        await net.subnet.shutdown()
    }
}
