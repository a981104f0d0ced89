import Emulator
import InternetComputer
import Synchronization
import Testing

/// The agent against the endpoints: the same bodies over a function call and over a socket.
struct AgentTests {
    @Test(arguments: Wire.allCases)
    func statusAndRootKey(wire: Wire) async throws {
        try await wire.withAgent { agent, replica async throws -> Void in
            #expect(try await agent.status().health == "healthy")
            #expect(try await agent.rootKey() == replica.keys.rootKey)
        }
    }

    @Test(arguments: Wire.allCases)
    func queriesAreSignedByTheNode(wire: Wire) async throws {
        try await wire.withAgent { agent, replica async throws -> Void in
            let reply = try await agent.query(replica.canister, "echo", [1, 2, 3])
            #expect(reply.bytes == [1, 2, 3])
            #expect(reply.verifiedSigner == replica.keys.nodeID)
            #expect(reply.time == Wire.now)
            let error = await #expect(throws: AgentError.self) {
                try await agent.query(replica.canister, "reject", [])
            }
            #expect(
                error == .rejected(
                    .init(code: 5, message: "Canister has no query method 'reject'.", errorCode: "IC0536", isCertified: false)))
        }
    }

    @Test(arguments: Wire.allCases)
    func callsAreCertified(wire: Wire) async throws {
        try await wire.withAgent { agent, replica async throws -> Void in
            let argument = [UInt8](repeating: 9, count: 1 << 20)
            let reply = try await agent.call(replica.canister, "echo", argument)
            #expect(reply.bytes == argument)
            #expect(reply.time == Wire.now)
            let state = try Certificate(encoded: reply.certificate).verified(
                rootKey: replica.keys.rootKey, canister: replica.canister, freshness: nil)
            let path = [Array("request_status".utf8), reply.requestID.bytes, Array("reply".utf8)]
            #expect(state.lookup(path) == .found(argument))
        }
    }

    @Test(arguments: Wire.allCases)
    func rejectionsSayWhetherTheyAreProven(wire: Wire) async throws {
        try await wire.withAgent { agent, replica async throws -> Void in
            let proven = await #expect(throws: AgentError.self) {
                try await agent.call(replica.canister, "reject", [])
            }
            #expect(
                proven == .rejected(
                    .init(code: 5, message: "Canister called `ic0.trap`", errorCode: "IC0503", isCertified: true)))
            let refused = await #expect(throws: AgentError.self) {
                try await agent.call(replica.canister, "refuse", [])
            }
            #expect(
                refused == .rejected(.init(code: 4, message: "not you", errorCode: "IC0406", isCertified: false)))
        }
    }

    @Test(arguments: Wire.allCases)
    func slowCallsArePolled(wire: Wire) async throws {
        try await wire.withAgent { agent, replica async throws -> Void in
            #expect(try await agent.call(replica.canister, "slow", []).bytes == [7])
            #expect(replica.state.withLock { $0.executions } == 1)
        }
    }

    @Test(arguments: Wire.allCases)
    func moduleHashIsCertified(wire: Wire) async throws {
        try await wire.withAgent { agent, replica async throws -> Void in
            #expect(try await agent.moduleHash(of: replica.canister) == [1, 2, 3])
            #expect(try await agent.moduleHash(of: .canister(1)) == nil)
        }
    }

    /// Each call's first three answers get lost on the way; it is executed once all the same.
    @Test func lostAnswersDoNotRepeatCalls() async throws {
        let replica = FakeReplica(keys: try Wire.keys())
        let transport = LossyTransport(inner: FunctionTransport(Wire.endpoints(replica)), losses: 3)
        let agent = Agent(
            network: .local, identity: .anonymous, transport: transport, configuration: Wire.configuration)
        #expect(try await agent.call(replica.canister, "echo", [5]).bytes == [5])
        #expect(transport.sent.withLock { $0.filter { $0.hasSuffix("/call") }.count } == 4)
        #expect(replica.state.withLock { $0.executions } == 1)
    }

    @Test func givesUpAfterItsAttempts() async throws {
        let replica = FakeReplica(keys: try Wire.keys())
        let transport = LossyTransport(inner: FunctionTransport(Wire.endpoints(replica)), losses: 100)
        let agent = Agent(
            network: .local, identity: .anonymous, transport: transport, configuration: Wire.configuration)
        await #expect(throws: AgentError.unreachable(address: "the function", reason: "no answer in time")) {
            try await agent.call(replica.canister, "echo", [5])
        }
        #expect(transport.sent.withLock { $0.count } == Wire.configuration.attempts)
    }

    /// A replica that knows only version 2 of the paths.
    @Test func stepsDownToOldPaths() async throws {
        let replica = FakeReplica(keys: try Wire.keys())
        let transport = OldTransport(inner: FunctionTransport(Wire.endpoints(replica)))
        let agent = Agent(
            network: .local, identity: .anonymous, transport: transport, configuration: Wire.configuration)
        #expect(try await agent.call(replica.canister, "echo", [5]).bytes == [5])
        #expect(try await agent.query(replica.canister, "echo", [6]).bytes == [6])
        #expect(replica.state.withLock { $0.executions } == 1)
    }

    /// Answers of a node that the certified state does not know are refused.
    @Test func strangersCannotAnswerQueries() async throws {
        let honest = FakeReplica(keys: try Wire.keys())
        let stranger = FakeReplica(keys: ReplicaKeys(subnet: honest.keys.subnet, node: Ed25519Identity()))
        let agent = Agent(
            network: .local, identity: .anonymous,
            transport: SplitTransport(
                queries: FunctionTransport(Wire.endpoints(stranger)),
                others: FunctionTransport(Wire.endpoints(honest))),
            configuration: Wire.configuration)
        await #expect(
            throws: AgentError.querySignature(
                "it is signed by \(stranger.keys.nodeID), which is no node of the subnet")
        ) { try await agent.query(honest.canister, "echo", []) }
    }

    /// An answer dated far from now may be an old one.
    @Test(arguments: [(Int64(0), true), (299, true), (400, false), (-400, false)])
    func answersOfAnotherTimeAreRefused(offsetSeconds: Int64, accepted: Bool) async throws {
        let replica = FakeReplica(keys: try Wire.keys())
        var configuration = Wire.configuration
        configuration.clock = { UInt64(Int64(Wire.now) + offsetSeconds * 1_000_000_000) }
        let agent = Agent(
            network: .local, identity: .anonymous, transport: FunctionTransport(Wire.endpoints(replica)),
            configuration: configuration)
        if accepted {
            #expect(try await agent.query(replica.canister, "echo", [1]).bytes == [1])
        } else {
            let error = await #expect(throws: AgentError.self) { try await agent.query(replica.canister, "echo", [1]) }
            #expect(error?.description.contains("400 seconds from now") == true)
        }
    }

    /// A replica with another root key than the pinned one is believed nothing.
    @Test func pinnedKeysCount() async throws {
        let replica = FakeReplica(keys: try Wire.keys())
        let agent = Agent(
            network: .mainnet, identity: .anonymous, transport: FunctionTransport(Wire.endpoints(replica)),
            configuration: Wire.configuration)
        await #expect(throws: AgentError.certificate(.badSignature)) {
            try await agent.call(replica.canister, "echo", [])
        }
    }

    @Test func nobodyThere() async throws {
        let network = try Network("http://127.0.0.1:1")
        let error = await #expect(throws: AgentError.self) {
            try await Agent(network: network, identity: .anonymous).status()
        }
        #expect(
            error?.description
                == "no emulator answers at http://127.0.0.1:1: start one with `deai-train emulator start`")
    }

    @Test(arguments: [
        ("http://127.0.0.1:8000", true), ("http://localhost:80", true), ("http://[::1]:80", true),
        ("http://127.evil.com:80", false), ("http://10.0.0.1", false), ("https://icp-api.io", false),
    ])
    func rootKeyIsFetchedFromThisMachineOnly(url: String, fetched: Bool) throws {
        let network = try Network(url)
        #expect((network.rootKey == .fetched) == fetched)
    }

    @Test(arguments: ["", "nowhere", "ftp://127.0.0.1", "http://", "http://a/b", "127.0.0.1:4943"])
    func refusesOtherNetworks(text: String) {
        #expect(throws: NetworkError.badURL(text)) { try Network(text) }
    }
}

/// Loses the answers to the first calls after they were executed.
private final class LossyTransport: Transport {
    let address = "the function"
    let inner: FunctionTransport
    let sent = Mutex<[String]>([])
    private let losses: Mutex<Int>

    init(inner: FunctionTransport, losses: Int) {
        self.inner = inner
        self.losses = Mutex(losses)
    }

    func send(_ request: TransportRequest) async throws(TransportError) -> TransportResponse {
        sent.withLock { $0.append(request.path) }
        let response = try await inner.send(request)
        guard request.path.hasSuffix("/call") else { return response }
        let isLost = losses.withLock { left in
            left -= 1
            return left >= 0
        }
        if isLost { throw .timedOut }
        return response
    }
}

private struct OldTransport: Transport {
    let address = "the function"
    let inner: FunctionTransport

    func send(_ request: TransportRequest) async throws(TransportError) -> TransportResponse {
        guard request.path.hasPrefix("/api/v2/") else { return TransportResponse(status: 404, body: []) }
        return try await inner.send(request)
    }
}

private struct SplitTransport: Transport {
    let address = "the function"
    let queries: FunctionTransport
    let others: FunctionTransport

    func send(_ request: TransportRequest) async throws(TransportError) -> TransportResponse {
        try await (request.path.hasSuffix("/query") ? queries : others).send(request)
    }
}
