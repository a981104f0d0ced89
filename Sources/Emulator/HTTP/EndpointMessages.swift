import InternetComputer
import Synchronization

/// An HTTP request as the endpoints see it: no sockets, no streaming.
public struct EndpointRequest: Sendable {
    public var method: String
    /// Path without the query part.
    public var path: String
    public var body: [UInt8]

    public init(method: String, path: String, body: [UInt8]) {
        self.method = method
        self.path = path
        self.body = body
    }
}

/// An HTTP response.
public struct EndpointResponse: Sendable, Equatable {
    public enum ContentType: String, Sendable {
        case cbor = "application/cbor"
        case text = "text/plain; charset=utf-8"
        case json = "application/json"
        case metrics = "text/plain; version=0.0.4; charset=utf-8"
    }

    public var status: Int
    public var contentType: ContentType
    public var body: [UInt8]

    public init(status: Int, contentType: ContentType, body: [UInt8]) {
        self.status = status
        self.contentType = contentType
        self.body = body
    }

    static func cbor(_ value: CBOR, status: Int = 200) -> EndpointResponse {
        EndpointResponse(status: status, contentType: .cbor, body: value.encoded(selfDescribed: true))
    }

    static func text(_ status: Int, _ text: String) -> EndpointResponse {
        EndpointResponse(status: status, contentType: .text, body: Array(text.utf8))
    }
}

/// A refusal with an HTTP status and the text that explains it.
struct EndpointRefusal: Error {
    let status: Int
    let text: String

    init(_ status: Int, _ text: String) {
        self.status = status
        self.text = text
    }

    var response: EndpointResponse { .text(status, text) }
}

/// `/api/VERSION/canister/ID/ENDPOINT`, or the same with `subnet`.
struct EndpointPath: Equatable {
    enum Version: String { case v2, v3, v4 }
    enum Scope: Equatable { case canister(Principal), subnet(Principal) }
    enum Endpoint: String { case call, query, readState = "read_state" }

    let version: Version
    let scope: Scope
    let endpoint: Endpoint

    /// Paths of late: clients repeat few, and principals are dear to read.
    private static let known = Mutex<[String: EndpointPath]>([:])

    /// As `init?`, from memory when the path was asked for lately.
    static func of(_ path: String) throws(EndpointRefusal) -> EndpointPath? {
        if let known = known.withLock({ $0[path] }) { return known }
        guard let parsed = try EndpointPath(path) else { return nil }
        known.withLock {
            if $0.count >= 1024 { $0 = [:] }
            $0[path] = parsed
        }
        return parsed
    }

    /// Nil when there is no such path; throws 400 when only the principal in it is wrong.
    init?(_ path: String) throws(EndpointRefusal) {
        let parts = path.split(separator: "/", omittingEmptySubsequences: false).map(String.init)
        guard parts.count == 6, parts[0].isEmpty, parts[1] == "api", let version = Version(rawValue: parts[2]),
            let endpoint = Endpoint(rawValue: parts[5]), ["canister", "subnet"].contains(parts[3])
        else { return nil }
        let principal: Principal
        do { principal = try Principal(text: parts[4]) } catch { throw EndpointRefusal(400, "\(error)") }
        let scope: Scope = parts[3] == "canister" ? .canister(principal) : .subnet(principal)
        switch (scope, version, endpoint) {
        case (.canister, _, .call), (.canister, .v2, _), (.canister, .v3, _): break
        case (.subnet, .v4, .call), (.subnet, .v3, .query), (.subnet, .v2, .readState),
            (.subnet, .v3, .readState):
            break
        default: return nil
        }
        self.version = version
        self.scope = scope
        self.endpoint = endpoint
    }
}
