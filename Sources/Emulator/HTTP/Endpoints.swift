import Foundation
import InternetComputer
import Logging

/// The Internet Computer's HTTP interface as a function from request to response
/// (interface specification, "HTTPS interface").
public struct Endpoints: Sendable {
    let replica: any Replica
    let keys: ReplicaKeys
    let clock: @Sendable () -> UInt64
    /// How long a synchronous call waits for its certificate before it answers 202.
    let syncCallNanoseconds: UInt64
    let certificates: CertificateBatcher
    let times = RequestTimes()
    /// Told of every refused request at `debug`.
    public var logger: Logger?

    /// Bodies past this size are refused with 413.
    public static let maximumBodyBytes = 5 << 20

    static let timeToLiveNanoseconds: UInt64 = 300_000_000_000
    static let driftNanoseconds: UInt64 = 30_000_000_000

    public init(
        replica: any Replica, keys: ReplicaKeys, clock: @escaping @Sendable () -> UInt64 = Agent.systemClock,
        syncCallNanoseconds: UInt64 = 10_000_000_000
    ) {
        self.replica = replica
        self.keys = keys
        self.clock = clock
        self.syncCallNanoseconds = syncCallNanoseconds
        certificates = CertificateBatcher(replica: replica, keys: keys)
    }

    /// Answers any request; what is wrong with it is in the status and the text.
    public func respond(to request: EndpointRequest) async -> EndpointResponse {
        let start = ContinuousClock.now
        var response: EndpointResponse
        do { response = try await answer(request) } catch {
            logger?.debug("request refused", metadata: [
                "path": "\(request.path.prefix(200))", "status": "\(error.status)", "reason": "\(error.text)",
            ])
            response = error.response
        }
        times.record(path: request.path, status: response.status, took: ContinuousClock.now - start)
        return response
    }

    /// Counters, gauges and latencies in Prometheus' text format.
    var metrics: EndpointResponse {
        let text = (replica.metrics() + times.metrics).map(\.text).joined()
        return EndpointResponse(status: 200, contentType: .metrics, body: Array(text.utf8))
    }

    private func answer(_ request: EndpointRequest) async throws(EndpointRefusal) -> EndpointResponse {
        if request.path == "/api/v2/status" {
            guard request.method == "GET" else { throw EndpointRefusal(405, "use GET") }
            return status
        }
        guard let path = try EndpointPath.of(request.path) else {
            throw EndpointRefusal(404, "there is nothing at \(request.path.prefix(200))")
        }
        guard request.method == "POST" else { throw EndpointRefusal(405, "use POST") }
        guard request.body.count <= Self.maximumBodyBytes else {
            throw EndpointRefusal(413, "the body has \(request.body.count) bytes, at most 5 MiB are accepted")
        }
        let envelope: Envelope
        do { envelope = try Envelope(encoded: request.body) } catch {
            throw EndpointRefusal(400, "Could not parse the request: \(error)")
        }
        switch (path.endpoint, envelope.content.body) {
        case (.call, .call(let canister, let method, let argument)):
            let id = try authenticate(envelope, ignoringExpiry: false)
            try checkScope(path.scope, canister: canister, method: method, argument: argument)
            return await call(
                IngressMessage(
                    requestID: id.bytes, sender: envelope.content.sender,
                    canister: canister, method: method, argument: argument,
                    ingressExpiry: envelope.content.ingressExpiry, envelopeBytes: request.body.count,
                    callerInfo: envelope.content.senderInfo.map { CallerInfo(data: $0.info, signer: $0.signer) }),
                version: path.version)
        case (.query, .query(let canister, let method, let argument)):
            let id = try authenticate(envelope, ignoringExpiry: envelope.content.sender.isAnonymous)
            try checkScope(path.scope, canister: canister, method: method, argument: argument)
            return await query(
                QueryMessage(
                    sender: envelope.content.sender, canister: canister, method: method, argument: argument,
                    callerInfo: envelope.content.senderInfo.map { CallerInfo(data: $0.info, signer: $0.signer) }),
                id)
        case (.readState, .readState(let paths)):
            _ = try authenticate(envelope, ignoringExpiry: envelope.content.sender.isAnonymous)
            return try await readState(
                paths, sender: envelope.content.sender, targets: envelope.delegationTargets, scope: path.scope)
        default:
            throw EndpointRefusal(
                400, "a request of type '\(envelope.content.requestType)' does not belong to \(request.path)")
        }
    }

    private var status: EndpointResponse {
        .cbor(
            .record([
                "ic_api_version": .text("0.18.0"),
                "root_key": .bytes(keys.rootKey),
                "impl_version": .text("deai-train"),
                "replica_health_status": .text("healthy"),
                "certified_height": .unsigned(replica.height),
            ]))
    }

    // MARK: Checks before anything happens

    /// Gives the request id, of which it has to make the hash.
    private func authenticate(_ envelope: Envelope, ignoringExpiry: Bool) throws(EndpointRefusal) -> RequestID {
        let now = clock()
        let latest = now + Self.timeToLiveNanoseconds + Self.driftNanoseconds
        let expiry = envelope.content.ingressExpiry
        guard ignoringExpiry || (now...latest).contains(expiry) else {
            throw EndpointRefusal(
                400,
                "Invalid request expiry: Specified ingress_expiry not within expected range: "
                    + "Minimum allowed expiry: \(Self.date(now)), Maximum allowed expiry: "
                    + "\(Self.date(latest)), Provided expiry: \(Self.date(expiry))")
        }
        do { return try envelope.authenticate(now: now, rootKey: keys.rootKey) } catch {
            throw EndpointRefusal(403, "Failed to authenticate request: \(error)")
        }
    }

    /// Refuses a request whose path names another canister than its content is about.
    private func checkScope(
        _ scope: EndpointPath.Scope, canister: Principal, method: String, argument: [UInt8]
    ) throws(EndpointRefusal) {
        switch scope {
        case .subnet(let subnet):
            guard subnet == keys.subnetID else { throw EndpointRefusal(400, "subnet \(subnet) is not this one") }
            guard canister == .managementCanister else {
                throw EndpointRefusal(400, "only the management canister is called through a subnet's path")
            }
        case .canister(let effective):
            guard canister == .managementCanister else {
                guard canister == effective else {
                    throw EndpointRefusal(
                        400, "the path names canister \(effective), the request names \(canister)")
                }
                return
            }
            switch EffectiveCanister(method: method, argument: argument) {
            case .any: return
            case .canister(effective): return
            case .canister(let other):
                throw EndpointRefusal(400, "the path names canister \(effective), the argument names \(other)")
            case .undefined:
                throw EndpointRefusal(
                    400, "the argument of '\(method)' names no canister that the path could be compared with")
            }
        }
    }

    /// `2026-11-22 23:15:57.123456789 UTC`
    private static func date(_ nanoseconds: UInt64) -> String {
        var seconds = time_t(nanoseconds / 1_000_000_000)
        var parts = tm()
        gmtime_r(&seconds, &parts)
        var text = [CChar](repeating: 0, count: 40)
        let length = strftime(&text, text.count, "%Y-%m-%d %H:%M:%S", &parts)
        let fraction = String(nanoseconds % 1_000_000_000)
        let padding = String(repeating: "0", count: 9 - fraction.count)
        return String(decoding: text.prefix(length).map(UInt8.init(bitPattern:)), as: UTF8.self)
            + ".\(padding)\(fraction) UTC"
    }
}
