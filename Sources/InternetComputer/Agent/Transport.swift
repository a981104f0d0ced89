/// Carries the agent's requests to a replica: over HTTP, or straight into a function in tests.
public protocol Transport: Sendable {
    /// The address that errors name.
    var address: String { get }

    func send(_ request: TransportRequest) async throws(TransportError) -> TransportResponse
}

/// One HTTP request of the interface.
public struct TransportRequest: Sendable {
    /// GET without a body, POST with one.
    public var body: [UInt8]?
    /// Starts with a slash.
    public var path: String
    public var timeoutSeconds: Int

    public init(path: String, body: [UInt8]? = nil, timeoutSeconds: Int = 30) {
        self.path = path
        self.body = body
        self.timeoutSeconds = timeoutSeconds
    }
}

/// Status and body of an HTTP response.
public struct TransportResponse: Sendable {
    public var status: Int
    public var body: [UInt8]

    public init(status: Int, body: [UInt8]) {
        self.status = status
        self.body = body
    }
}

/// Why no response arrived.
public enum TransportError: Error, Equatable, Sendable {
    /// Nobody listens there.
    case connectionRefused
    case timedOut
    case cancelled
    /// The connection broke, or the answer was no HTTP.
    case failed(String)
}
