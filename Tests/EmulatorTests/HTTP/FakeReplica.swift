import Emulator
import InternetComputer
import Logging
import Synchronization

/// A replica with one canister whose methods do what their names say, to test the HTTP interface alone.
final class FakeReplica: Replica {
    struct State {
        var executions = 0
        var statuses: [[UInt8]: RequestStatus] = [:]
        var senders: [[UInt8]: Principal] = [:]
        /// How often a `slow` call has to be asked for before it is done.
        var remainingWaits = 3
    }

    let state = Mutex(State())
    let keys: ReplicaKeys
    let canister = Principal.canister(0)

    init(keys: ReplicaKeys) { self.keys = keys }

    func submit(_ message: IngressMessage) async -> Submission {
        if message.method == "refuse" { return .rejected(Rejection(.canisterRejectedMessage, "not you")) }
        guard message.canister == canister || message.canister == .managementCanister else {
            return .rejected(Rejection(.canisterNotFound, "Canister \(message.canister) not found"))
        }
        state.withLock { state in
            guard state.statuses[message.requestID] == nil else { return }
            state.executions += 1
            state.senders[message.requestID] = message.sender
            state.statuses[message.requestID] =
                switch message.method {
                case "reject": .rejected(Rejection(.canisterCalledTrap, "Canister called `ic0.trap`"))
                case "slow": .processing
                default: .replied(message.argument)
                }
        }
        return .accepted
    }

    func query(_ message: QueryMessage) async -> QueryOutcome {
        let answer: QueryOutcome.Answer =
            message.method == "reject"
            ? .rejected(Rejection(.canisterMethodNotFound, "Canister has no query method 'reject'."))
            : .replied(message.argument)
        return QueryOutcome(answer: answer, instructions: 1, timestamp: time)
    }

    func requestStatus(_ requestID: [UInt8]) -> RequestStatus {
        state.withLock { state in
            if state.statuses[requestID] == .processing {
                state.remainingWaits -= 1
                if state.remainingWaits <= 0 { state.statuses[requestID] = .replied([7]) }
            }
            return state.statuses[requestID] ?? .unknown
        }
    }

    func requestSender(_ requestID: [UInt8]) -> Principal? { state.withLock { $0.senders[requestID] } }

    func requestCanister(_ requestID: [UInt8]) -> Principal? { requestSender(requestID) == nil ? nil : canister }

    func requestEffectiveCanister(_ requestID: [UInt8]) -> Principal? { requestCanister(requestID) }

    func waitForStatus(_ requestID: [UInt8], timeoutNanoseconds: UInt64) async -> RequestStatus {
        requestStatus(requestID)
    }

    func stateTree(
        requests: [[UInt8]], publicKey: [UInt8], nodeKeys: [(node: Principal, key: [UInt8])]
    ) -> StateTree {
        func label(_ text: String) -> [UInt8] { Array(text.utf8) }
        func branch(_ children: [([UInt8], StateTree)]) -> StateTree {
            .labeled(
                children.sorted { $0.0.lexicographicallyPrecedes($1.0) }.map { (label: $0.0, child: $0.1) })
        }
        let known = requests.compactMap { id -> ([UInt8], StateTree)? in
            switch requestStatus(id) {
            case .replied(let bytes):
                (id, branch([(label("status"), .leaf(label("replied"))), (label("reply"), .leaf(bytes))]))
            case .rejected(let rejection):
                (
                    id,
                    branch([
                        (label("status"), .leaf(label("rejected"))),
                        (label("reject_code"), .leaf([UInt8(rejection.reject.rawValue)])),
                        (label("reject_message"), .leaf(label(rejection.message))),
                        (label("error_code"), .leaf(label(rejection.error.text))),
                    ])
                )
            case .processing: (id, branch([(label("status"), .leaf(label("processing")))]))
            default: nil
            }
        }
        let nodes = nodeKeys.map { ($0.node.bytes, branch([(label("public_key"), .leaf($0.key))])) }
        return branch([
            (label("time"), .leaf(unsignedLEB128(time))),
            (label("request_status"), branch(known)),
            (label("canister"), branch([(canister.bytes, branch([(label("module_hash"), .leaf([1, 2, 3]))]))])),
            (
                label("subnet"),
                branch([
                    (
                        keys.subnetID.bytes,
                        branch([(label("public_key"), .leaf(publicKey)), (label("node"), branch(nodes))])
                    )
                ])
            ),
        ])
    }

    func mayReadMetadata(canister: Principal, name: String, sender: Principal) -> Bool { name != "private" }
    func hasCanister(_ canister: Principal) -> Bool { canister == self.canister }
    var canisterRange: (first: Principal, last: Principal) { (.canister(0), .canister(100)) }
    var time: UInt64 { Wire.now }
    var height: UInt64 { 5 }
}

/// The ways to reach the endpoints: as a function, and through a socket.
enum Wire: CaseIterable, Sendable {
    case function, socket

    /// The one moment at which these tests happen.
    static let now: UInt64 = 1_700_000_000_000_000_000

    static func keys() throws -> ReplicaKeys {
        ReplicaKeys(
            subnet: try BLS12381.SecretKey(bytes: Array(1...32)), node: try Ed25519Identity(seed: Array(0..<32)))
    }

    static func endpoints(_ replica: FakeReplica) -> Endpoints {
        Endpoints(replica: replica, keys: replica.keys, clock: { now }, syncCallNanoseconds: 0)
    }

    static var configuration: Agent.Configuration {
        var configuration = Agent.Configuration()
        configuration.clock = { now }
        configuration.sleep = { _ in try Task.checkCancellation() }
        return configuration
    }

    /// Runs `body` with an agent that reaches a fresh replica this way.
    func withAgent(
        identity: Identity? = nil, _ body: @Sendable (Agent, FakeReplica) async throws -> Void
    ) async throws {
        let replica = FakeReplica(keys: try Self.keys())
        let endpoints = Self.endpoints(replica)
        let identity = try identity ?? .ed25519(Ed25519Identity(seed: Array(5..<37)))
        switch self {
        case .function:
            try await body(
                Agent(
                    network: .local, identity: identity, transport: FunctionTransport(endpoints),
                    configuration: Self.configuration), replica)
        case .socket:
            try await Self.withServer(endpoints) { port in
                let network = try Network("http://127.0.0.1:\(port)")
                try await body(
                    Agent(network: network, identity: identity, configuration: Self.configuration), replica)
            }
        }
    }

    /// Runs `body` beside a server on a free port, and stops that.
    static func withServer(
        _ endpoints: Endpoints, adjust: (inout EmulatorServer.Configuration) -> Void = { _ in },
        _ body: @Sendable (Int) async throws -> Void
    ) async throws {
        var configuration = EmulatorServer.Configuration()
        configuration.port = 0
        adjust(&configuration)
        configuration.logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
        let server = EmulatorServer(endpoints: endpoints, configuration: configuration)
        let (ports, continuation) = AsyncStream.makeStream(of: Int.self)
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask {
                defer { continuation.finish() }
                try await server.run(stopsOnSignals: false) { continuation.yield($0) }
            }
            var iterator = ports.makeAsyncIterator()
            if let port = await iterator.next() { try await body(port) }
            group.cancelAll()
        }
    }
}

/// Hands requests to the endpoints without a socket.
struct FunctionTransport: Transport {
    let address = "the function"
    let endpoints: Endpoints

    init(_ endpoints: Endpoints) { self.endpoints = endpoints }

    func send(_ request: TransportRequest) async throws(TransportError) -> TransportResponse {
        let response = await endpoints.respond(
            to: EndpointRequest(
                method: request.body == nil ? "GET" : "POST", path: request.path, body: request.body ?? []))
        return TransportResponse(status: response.status, body: response.body)
    }
}
