import Candid
import Emulator
import Foundation
import InternetComputer
import Synchronization

/// A subnet for one test with a clock that stands still until it is moved, and short forms of the usual calls.
final class SubnetHarness: Sendable {
    static let user = Principal.selfAuthenticating(derPublicKey: [1, 2, 3])
    static let other = Principal.selfAuthenticating(derPublicKey: [4, 5, 6])
    static let subnetID = Principal.selfAuthenticating(derPublicKey: [9])

    let subnet: Subnet
    private let next = Mutex<UInt64>(1)

    init(directory: URL? = nil, first: UInt64 = 1, _ adjust: (inout SubnetConfiguration) -> Void = { _ in }) throws {
        var configuration = SubnetConfiguration(subnetID: Self.subnetID)
        configuration.automaticTicks = false
        configuration.clock = { 1_700_000_000_000_000_000 }
        adjust(&configuration)
        subnet = try Subnet(configuration: configuration, stateDirectory: directory)
        next.withLock { $0 = first }
    }

    func message(_ canister: Principal, _ method: String, _ argument: [UInt8], from sender: Principal = user) -> IngressMessage {
        let number = next.withLock { value in
            value += 1
            return value
        }
        let id = (0..<32).map { UInt8(truncatingIfNeeded: number >> UInt64(8 * ($0 % 8))) }
        return IngressMessage(
            requestID: id, sender: sender, canister: canister, method: method, argument: argument,
            ingressExpiry: subnet.configuration.clock() + 60_000_000_000, envelopeBytes: argument.count + 300)
    }

    /// Submits and waits; a refusal at the door and a rejection after execution are both thrown.
    @discardableResult
    func update(
        _ canister: Principal, _ method: String, _ argument: [UInt8] = [], from sender: Principal = user
    ) async throws -> [UInt8] {
        let message = message(canister, method, argument, from: sender)
        if case .rejected(let rejection) = await subnet.submit(message) { throw rejection }
        switch await subnet.waitForStatus(message.requestID, timeoutNanoseconds: 60_000_000_000) {
        case .replied(let bytes): return bytes
        case .rejected(let rejection): throw rejection
        case let status: throw Unexpected(text: "\(method): \(status)")
        }
    }

    func query(
        _ canister: Principal, _ method: String, _ argument: [UInt8] = [], from sender: Principal = user
    ) async throws -> [UInt8] {
        switch await subnet.query(
            QueryMessage(sender: sender, canister: canister, method: method, argument: argument)).answer
        {
        case .replied(let bytes): return bytes
        case .rejected(let rejection): throw rejection
        }
    }

    /// A call of the management canister with one record.
    @discardableResult
    func manage(
        _ method: String, _ value: CandidValue, _ type: CandidType, from sender: Principal = user
    ) async throws -> CandidValue? {
        let reply = try await update(
            .managementCanister, method, try Candid.encode([value], as: [type]), from: sender)
        return try Candid.decode(reply).first
    }

    func create() async throws -> Principal {
        let reply = try await manage("provisional_create_canister_with_cycles", .record([:]), .record([:]))
        return try Principal(bytes: reply?["canister_id"]?.asBytes ?? [])
    }

    func install(
        _ canister: Principal, _ module: [UInt8], _ mode: StaticString = "install", argument: [UInt8] = [],
        from sender: Principal = user
    ) async throws {
        try await manage(
            "install_code",
            .record([
                "mode": .variant(mode, mode.description == "upgrade" ? .optional(nil) : .null),
                "canister_id": .principal(canister.bytes), "wasm_module": .blob(module), "arg": .blob(argument),
            ]),
            .record([
                "mode": .variant([
                    "install": .null, "reinstall": .null,
                    "upgrade": .optional(.record(["skip_pre_upgrade": .optional(.bool)])),
                ]),
                "canister_id": .principal, "wasm_module": .blob, "arg": .blob,
            ]), from: sender)
    }

    func create(_ module: [UInt8], argument: [UInt8] = []) async throws -> Principal {
        let id = try await create()
        try await install(id, module, argument: argument)
        return id
    }

    @discardableResult
    func on(_ canister: Principal, _ method: String, from sender: Principal = user) async throws -> CandidValue? {
        try await manage(
            method, .record(["canister_id": .principal(canister.bytes)]), .record(["canister_id": .principal]),
            from: sender)
    }
}

struct Unexpected: Error { var text: String }

/// The rejection that `body` throws.
func rejection(_ body: () async throws -> some Sendable) async throws -> Rejection {
    do {
        let value = try await body()
        throw Unexpected(text: "no rejection but \(value)")
    } catch let rejection as Rejection {
        return rejection
    }
}

func u32(_ bytes: [UInt8]) -> UInt32 { bytes.prefix(4).reversed().reduce(0) { $0 << 8 | UInt32($1) } }
func u64(_ bytes: [UInt8]) -> UInt64 { bytes.prefix(8).reversed().reduce(0) { $0 << 8 | UInt64($1) } }
