import Candid
import Foundation
import InternetComputer

/// Turns web requests into calls of a canister's `http_request` and `http_request_update`
/// (HTTP gateway protocol). What a canister certifies in its headers passes through as it is.
public struct Gateway: Sendable {
    public struct Request: Sendable {
        public var canister: Principal
        public var method: String
        /// Path and query part.
        public var target: String
        public var headers: [(name: String, value: String)]
        public var body: [UInt8]
    }

    public struct Response: Sendable {
        public var status: Int
        public var headers: [(name: String, value: String)]
        public var body: [UInt8]
        /// The rest of the body, piece by piece until nil.
        public var more: (@Sendable () async throws -> [UInt8]?)?

        static func text(_ status: Int, _ text: String) -> Response {
            Response(
                status: status, headers: [("content-type", "text/plain; charset=utf-8")], body: Array(text.utf8))
        }
    }

    let replica: any Replica
    let clock: @Sendable () -> UInt64
    /// How long an upgraded request may take.
    let updateNanoseconds: UInt64

    public init(
        replica: any Replica, clock: @escaping @Sendable () -> UInt64 = Agent.systemClock,
        updateNanoseconds: UInt64 = 60_000_000_000
    ) {
        self.replica = replica
        self.clock = clock
        self.updateNanoseconds = updateNanoseconds
    }

    /// The canister a web request is for: by the host `ID.localhost` or `ID.raw.localhost`, by `?canisterId=ID`,
    /// or by the latter in the page that refers to it. Nil when it names none.
    public static func canister(host: String?, query: String?, referer: String?) -> Principal? {
        if let host {
            let labels = host.split(separator: ":")[...].first.map { $0.split(separator: ".") } ?? []
            if labels.count > 1, labels.last == "localhost", let id = try? Principal(text: String(labels[0])) {
                return id
            }
        }
        if let id = parameter(query) { return id }
        guard let referer, let start = referer.firstIndex(of: "?") else { return nil }
        return parameter(String(referer[referer.index(after: start)...]))
    }

    private static func parameter(_ query: String?) -> Principal? {
        guard let query else { return nil }
        for pair in query.split(separator: "&") where pair.hasPrefix("canisterId=") {
            return try? Principal(text: String(pair.dropFirst("canisterId=".count)))
        }
        return nil
    }

    /// The canister's answer. A request the canister cannot answer gets 404, 502 or 503 and the reason as text.
    public func respond(to request: Request) async -> Response {
        // A preflight asks the gateway, not the canister.
        if request.method == "OPTIONS", request.headers.contains(where: { $0.name == "access-control-request-method" }) {
            return Response(status: 204, headers: Self.crossOrigin, body: [])
        }
        do throws(Failure) {
            let argument = GatewayCandid.argument(request, version: 2)
            var answer = try GatewayCandid.Answer(await query(request.canister, "http_request", argument))
            if answer.upgrade {
                let update = GatewayCandid.argument(request, version: nil)
                answer = try GatewayCandid.Answer(await call(request.canister, "http_request_update", update))
            }
            return try response(answer, canister: request.canister)
        } catch {
            return .text(error.status, error.text)
        }
    }

    /// What the gateway says instead of a canister.
    struct Failure: Error {
        var status: Int
        var text: String

        static let malformed = Failure(
            status: 502, text: "The canister's answer is not an HttpResponse of the HTTP gateway protocol.")

        init(status: Int, text: String) {
            self.status = status
            self.text = text
        }

        init(_ rejection: Rejection) {
            let status =
                switch rejection.reject {
                case .destinationInvalid: 404
                case .systemTransient: 503
                default: 502
                }
            self.init(status: status, text: "\(rejection.error.text): \(rejection.message)")
        }
    }

    private func response(_ answer: GatewayCandid.Answer, canister: Principal) throws(Failure) -> Response {
        // The connection is ours: its headers are not the canister's to set.
        let own: Set<String> = ["content-length", "transfer-encoding", "connection", "keep-alive", "upgrade"]
        var headers = answer.headers.filter { !own.contains($0.name.lowercased()) }
        let given = Set(headers.map { $0.name.lowercased() })
        headers += Self.crossOrigin.filter { !given.contains($0.name) }
        guard (100...999).contains(answer.status) else { throw .malformed }
        var response = Response(status: answer.status, headers: headers, body: answer.body)
        guard let stream = answer.stream else { return response }
        guard stream.canister == canister else {
            throw Failure(status: 502, text: "The streaming callback belongs to another canister.")
        }
        let cursor = GatewayStream(first: stream) { method, argument async throws(Failure) in
            try await query(canister, method, argument)
        }
        response.more = { try await cursor.next() }
        return response
    }

    static let crossOrigin: [(name: String, value: String)] = [
        ("access-control-allow-origin", "*"), ("access-control-allow-methods", "GET, POST, HEAD, OPTIONS"),
        (
            "access-control-allow-headers",
            "DNT,User-Agent,X-Requested-With,If-None-Match,If-Modified-Since,Cache-Control,Content-Type,Range,Cookie,X-Ic-Canister-Id"
        ),
        ("access-control-expose-headers", "Accept-Ranges,Content-Length,Content-Range,X-Request-Id,X-Ic-Canister-Id"),
        ("access-control-max-age", "600"),
    ]

    private func query(_ canister: Principal, _ method: String, _ argument: [UInt8]) async throws(Failure) -> [UInt8] {
        let message = QueryMessage(sender: .anonymous, canister: canister, method: method, argument: argument)
        switch await replica.query(message).answer {
        case .replied(let bytes): return bytes
        case .rejected(let rejection): throw Failure(rejection)
        }
    }

    private func call(_ canister: Principal, _ method: String, _ argument: [UInt8]) async throws(Failure) -> [UInt8] {
        var generator = SystemRandomNumberGenerator()
        let nonce = (0..<16).map { _ in UInt8.random(in: .min ... .max, using: &generator) }
        let expiry = clock() + Endpoints.timeToLiveNanoseconds
        let content = RequestContent(
            .call(canister: canister, method: method, argument: argument), sender: .anonymous, ingressExpiry: expiry,
            nonce: nonce)
        let id = content.requestID.bytes
        let submission = await replica.submit(
            IngressMessage(
                requestID: id, sender: .anonymous, canister: canister, method: method, argument: argument,
                ingressExpiry: expiry, envelopeBytes: Envelope(content: content).encoded().count))
        if case .rejected(let rejection) = submission { throw Failure(rejection) }
        switch await replica.waitForStatus(id, timeoutNanoseconds: updateNanoseconds) {
        case .replied(let bytes): return bytes
        case .rejected(let rejection): throw Failure(rejection)
        default: throw Failure(status: 504, text: "The canister did not answer in time.")
        }
    }
}

/// The pieces of a streamed body, one callback after the other.
actor GatewayStream {
    private var next: GatewayCandid.Stream?
    private var bytes = 0
    private let call: @Sendable (String, [UInt8]) async throws(Gateway.Failure) -> [UInt8]

    /// A canister whose callback never ends is cut off here.
    private static let maximumBytes = 1 << 30

    init(
        first: GatewayCandid.Stream,
        call: @escaping @Sendable (String, [UInt8]) async throws(Gateway.Failure) -> [UInt8]
    ) {
        next = first
        self.call = call
    }

    func next() async throws(Gateway.Failure) -> [UInt8]? {
        guard let stream = next else { return nil }
        let (body, following) = try stream.following(await call(stream.method, stream.argument))
        bytes += max(body.count, 1)
        guard bytes <= Self.maximumBytes else { throw .init(status: 502, text: "The streamed body is too long.") }
        next = following
        return body
    }
}
