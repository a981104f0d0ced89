import Emulator
import InternetComputer
import Testing

/// Many messages at once: they wait, none is lost, and others are served meanwhile.
@Suite struct QueueTests {
    @Test func tenThousandQueuedCalls() async throws {
        let net = try SubnetHarness()
        let id = try await net.create(TestModules.counter)
        let messages = (0..<10_000).map { _ in net.message(id, "inc", []) }
        for message in messages { #expect(await net.subnet.submit(message) == .accepted) }
        await net.subnet.settle()
        #expect(u32(try await net.query(id, "get")) == 10_000)
        #expect(messages.allSatisfy { net.subnet.requestStatus($0.requestID).isFinal })
        await net.subnet.shutdown()
    }

    /// Two canisters that call each other without end: the queue limit holds, others are served, a stop ends it.
    @Test(.timeLimit(.minutes(2))) func callLoopsStayBounded() async throws {
        let net = try SubnetHarness()
        let (a, b) = try await (net.create(TestModules.proxy), net.create(TestModules.proxy))
        let counter = try await net.create(TestModules.counter)
        #expect(await net.subnet.submit(net.message(a, "ping", b.bytes)) == .accepted)
        for expected in 1...20 { #expect(u32(try await net.update(counter, "inc")) == UInt32(expected)) }
        while u64(try await net.query(a, "pings")) < 100 { await Task.yield() }
        // Every ping awaits an answer that never comes: at most 500 calls are open towards one canister.
        await net.subnet.settle()
        #expect(u64(try await net.query(a, "pings")) <= 501)
        #expect(net.subnet.openCalls(a) == 0)
        await net.subnet.shutdown()
    }
}
