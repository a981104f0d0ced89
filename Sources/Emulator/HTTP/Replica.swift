import InternetComputer

/// What the HTTP interface needs of a subnet. `Subnet` is the one in production; tests of the interface bring
/// their own.
public protocol Replica: Sendable {
    func submit(_ message: IngressMessage) async -> Submission
    /// The same for a sender who waits for the outcome: nothing is acknowledged yet, so nothing has to be durable
    /// before the message has run.
    func submitWaiting(_ message: IngressMessage) async -> Submission
    /// Makes an accepted message durable that has not run yet, so that its sender may be told; false when the state
    /// cannot be written.
    func acknowledge(_ requestID: [UInt8]) -> Bool
    func query(_ message: QueryMessage) async -> QueryOutcome
    func requestStatus(_ requestID: [UInt8]) -> RequestStatus
    func requestSender(_ requestID: [UInt8]) -> Principal?
    func requestCanister(_ requestID: [UInt8]) -> Principal?
    func requestEffectiveCanister(_ requestID: [UInt8]) -> Principal?
    func waitForStatus(_ requestID: [UInt8], timeoutNanoseconds: UInt64) async -> RequestStatus
    func stateTree(
        requests: [[UInt8]], publicKey: [UInt8], nodeKeys: [(node: Principal, key: [UInt8])]
    ) -> StateTree
    func mayReadMetadata(canister: Principal, name: String, sender: Principal) -> Bool
    func hasCanister(_ canister: Principal) -> Bool
    var canisterRange: (first: Principal, last: Principal) { get }
    /// Time of the latest state, nanoseconds since 1970.
    var time: UInt64 { get }
    var height: UInt64 { get }
    /// What `/metrics` shows of it.
    func metrics() -> [Metric]
}

extension Replica {
    public func metrics() -> [Metric] { [] }
}

extension Replica {
    public func submitWaiting(_ message: IngressMessage) async -> Submission { await submit(message) }
    public func acknowledge(_ requestID: [UInt8]) -> Bool { true }
}

extension Subnet: Replica {}
