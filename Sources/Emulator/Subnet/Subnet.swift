import Foundation
import InternetComputer

/// One application subnet as pure state: canisters, messages, time; no sockets.
///
/// Everything acknowledged is in the state directory first. Queries run in parallel with updates.
public final class Subnet: Sendable {
    public let configuration: SubnetConfiguration

    /// Opens (or makes) the state directory; `nil` keeps the state in memory only.
    public init(configuration: SubnetConfiguration, stateDirectory: URL?) throws {
        self.configuration = configuration
        fatalError("being written")
    }

    /// Finishes running messages, writes a checkpoint and releases the state directory.
    public func shutdown() async { fatalError("being written") }

    /// Queues an update call after the checks of the specification (expiry, duplicate, cycles, inspect_message).
    public func submit(_ message: IngressMessage) async -> Submission { fatalError("being written") }

    /// Answers a query; leaves no trace.
    public func query(_ message: QueryMessage) async -> QueryOutcome { fatalError("being written") }

    /// Where an ingress message stands.
    public func requestStatus(_ requestID: [UInt8]) -> RequestStatus { fatalError("being written") }

    /// Sender of an ingress message still in the history (read_state shows a status to its sender only).
    public func requestSender(_ requestID: [UInt8]) -> Principal? { fatalError("being written") }

    /// Waits until the request is final or the time is over; returns the last status.
    public func waitForStatus(_ requestID: [UInt8], timeoutNanoseconds: UInt64) async -> RequestStatus {
        fatalError("being written")
    }

    /// Certified state: /time, /subnet/…, /canister/…, /canister_ranges/…, /request_status/ID for the given ids only.
    /// `nodeKeys` and `publicKey` (DER) come from the HTTP layer, which holds the keys.
    public func stateTree(
        requests: [[UInt8]], publicKey: [UInt8], nodeKeys: [(node: Principal, key: [UInt8])]
    ) -> StateTree { fatalError("being written") }

    /// Whether a read_state path `/canister/ID/metadata/NAME` may be read by this sender (public, or private and a controller).
    public func mayReadMetadata(canister: Principal, name: String, sender: Principal) -> Bool {
        fatalError("being written")
    }

    /// True when this canister lives here.
    public func hasCanister(_ canister: Principal) -> Bool { fatalError("being written") }

    /// Ids of all canisters, ascending.
    public var canisters: [Principal] { fatalError("being written") }

    /// First and last canister id of the subnet's range.
    public var canisterRange: (first: Principal, last: Principal) { fatalError("being written") }

    /// Time of the latest state, nanoseconds since 1970.
    public var time: UInt64 { fatalError("being written") }

    /// Number of committed rounds; grows with every committed message.
    public var height: UInt64 { fatalError("being written") }

    /// Runs due timers and heartbeats once.
    public func tick() async { fatalError("being written") }

    /// The cycles faucet of a local network.
    public func addCycles(_ amount: UInt128, to canister: Principal) async throws(Rejection) { fatalError("being written") }
}
