import Foundation
import Logging
import Synchronization

/// Speaks the Internet Computer's HTTP interface for one identity on one network.
///
/// Answers of calls and of `readState` are certified and verified; answers of queries are another type.
/// A failed attempt is repeated with the same signed envelope, so a call happens at most once.
public final class Agent: Sendable {
    public struct Configuration: Sendable {
        /// Nanoseconds since 1970.
        public var clock: @Sendable () -> UInt64 = Agent.systemClock
        public var sleep: @Sendable (Duration) async throws -> Void = { try await Task.sleep(for: $0) }
        /// How long a request stays valid; replicas accept at most five minutes.
        public var timeToLiveSeconds: UInt64 = 240
        /// Attempts for one request in all.
        public var attempts = 6
        public var firstDelay: Duration = .milliseconds(100)
        public var maximumDelay: Duration = .seconds(2)
        /// Whether the signatures of query answers are checked against the subnet's certified node keys.
        public var verifiesQuerySignatures = true
        public var logger = Logger(label: "deai.agent") { _ in SwiftLogNoOpLogHandler() }

        public init() {}
    }

    public let network: Network
    public let identity: Identity
    let transport: any Transport
    let configuration: Configuration
    let state = Mutex(State())

    /// What an agent learns while it works.
    struct State: Sendable {
        var hasConnected = false
        var fetchedRootKey: [UInt8]?
        var callPath = CallPath.v4
        var usesOldQueryPath = false
        var usesOldReadStatePath = false
        var nodeKeys: [Principal: [Principal: [UInt8]]] = [:]
    }

    enum CallPath: String, Sendable { case v4, v3, v2 }

    /// - Parameter transport: HTTP to the network's URL unless given.
    public init(
        network: Network, identity: Identity, transport: (any Transport)? = nil,
        configuration: Configuration = Configuration()
    ) {
        self.network = network
        self.identity = identity
        self.transport = transport ?? HTTPTransport(address: network.url)
        self.configuration = configuration
    }

    /// The time of this machine in nanoseconds since 1970.
    public static let systemClock: @Sendable () -> UInt64 = {
        var now = timespec()
        clock_gettime(CLOCK_REALTIME, &now)
        return UInt64(now.tv_sec) * 1_000_000_000 + UInt64(now.tv_nsec)
    }

    /// What the replica says about itself; not certified.
    public func status() async throws(AgentError) -> ReplicaStatus {
        let response = try await attempt(TransportRequest(path: "/api/v2/status", timeoutSeconds: 10))
        guard response.status == 200 else { throw Self.refusal(response) }
        return try ReplicaStatus(encoded: response.body)
    }

    /// The key under which certificates are verified, DER.
    public func rootKey() async throws(AgentError) -> [UInt8] {
        if case .pinned(let key) = network.rootKey { return key }
        if let key = state.withLock({ $0.fetchedRootKey }) { return key }
        guard let key = try await status().rootKey else { throw .noRootKey(address: transport.address) }
        state.withLock { $0.fetchedRootKey = key }
        return key
    }

    // MARK: Attempts

    /// Sends until a replica answers: repeats after broken connections, timeouts, 429 and 5xx.
    ///
    /// A refused connection is final when nothing has ever answered at this address.
    func attempt(_ request: TransportRequest) async throws(AgentError) -> TransportResponse {
        var delay = configuration.firstDelay
        var attempt = 1
        while true {
            let failure: AgentError
            do {
                let response = try await transport.send(request)
                state.withLock { $0.hasConnected = true }
                guard response.status == 429 || response.status >= 500 else { return response }
                failure = Self.refusal(response)
            } catch {
                failure = try explain(error)
            }
            guard attempt < configuration.attempts else { throw failure }
            configuration.logger.debug("attempt \(attempt) at \(request.path) failed: \(failure)")
            try await pause(delay)
            delay = min(delay * 2, configuration.maximumDelay)
            attempt += 1
        }
    }

    /// The error to report if it was the last attempt; throws it at once when repeating is pointless.
    private func explain(_ error: TransportError) throws(AgentError) -> AgentError {
        switch error {
        case .connectionRefused:
            let failure = AgentError.nobodyAnswers(
                address: transport.address, isLocal: network.rootKey == .fetched)
            guard state.withLock({ $0.hasConnected }) else { throw failure }
            return failure
        case .cancelled: throw .cancelled
        case .timedOut: return .unreachable(address: transport.address, reason: "no answer in time")
        case .failed(let reason): return .unreachable(address: transport.address, reason: reason)
        }
    }

    func pause(_ duration: Duration) async throws(AgentError) {
        do { try await configuration.sleep(duration) } catch { throw .cancelled }
    }

    static func refusal(_ response: TransportResponse) -> AgentError {
        let text = String(decoding: response.body.prefix(500), as: UTF8.self)
        return .refused(status: response.status, text: text.trimmingCharacters(in: .whitespacesAndNewlines))
    }

    // MARK: Envelopes

    /// A signed request, made once and sent as often as needed.
    func envelope(_ body: RequestContent.Body, nonce: [UInt8]? = nil) throws(AgentError) -> SignedRequest {
        let expiry = configuration.clock() + configuration.timeToLiveSeconds * 1_000_000_000
        let content = RequestContent(
            body, sender: identity.principal, ingressExpiry: expiry, nonce: nonce)
        do {
            let id = content.requestID
            let envelope = try Envelope(signing: content, id: id, by: identity)
            return SignedRequest(id: id, bytes: envelope.encoded(), expiry: expiry)
        } catch { throw .signing("\(error)") }
    }

    struct SignedRequest {
        let id: RequestID
        let bytes: [UInt8]
        let expiry: UInt64
    }
}

/// The answer of `/api/v2/status`.
public struct ReplicaStatus: Equatable, Sendable {
    /// DER; only development instances have to tell it.
    public let rootKey: [UInt8]?
    public let implementationVersion: String?
    public let health: String?

    init(encoded: [UInt8]) throws(AgentError) {
        let cbor: CBOR
        do { cbor = try CBOR.decode(encoded).withoutSelfDescribedTag } catch {
            throw .badAnswer("its status is not CBOR (\(error)); is this an Internet Computer replica?")
        }
        guard cbor.mapValue != nil else { throw .badAnswer("its status is not a map") }
        rootKey = cbor["root_key"]?.bytesValue
        implementationVersion = cbor["impl_version"]?.textValue
        health = cbor["replica_health_status"]?.textValue
    }
}
