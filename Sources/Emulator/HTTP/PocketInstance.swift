import Candid
import Foundation
import InternetComputer
import Synchronization

/// One subnet in memory under a clock that only its owner moves.
final class PocketInstance: Sendable {
    private final class Clock: Sendable {
        let nanoseconds = Atomic<UInt64>(Agent.systemClock())
    }

    let subnet: Subnet
    private let keys: ReplicaKeys
    private let kind: String
    private let clock: Clock

    init(kind: String) throws {
        let clock = Clock()
        self.kind = kind
        self.clock = clock
        keys = ReplicaKeys(subnet: .random(), node: Ed25519Identity())
        var configuration = SubnetConfiguration(subnetID: keys.subnetID)
        configuration.certifier = keys
        configuration.nodeID = keys.nodeID
        configuration.automaticTicks = false
        configuration.clock = { clock.nanoseconds.load(ordering: .relaxed) }
        subnet = try Subnet(configuration: configuration, stateDirectory: nil)
    }

    var topology: [String: Any] {
        let range = subnet.canisterRange
        func id(_ principal: Principal) -> [String: String] { ["canister_id": base64(principal.bytes)] }
        return [
            "subnet_configs": [
                keys.subnetID.text: [
                    "subnet_kind": kind, "size": 1, "node_ids": [["node_id": base64(keys.nodeID.bytes)]],
                    "canister_ranges": [["start": id(range.first), "end": id(range.last)]],
                ] as [String: Any]
            ],
            "default_effective_canister_id": id(range.first),
        ]
    }

    /// The JSON value that answers `read/NAME` or `update/NAME`.
    func answer(_ operation: String, _ json: PocketJSON) async throws(PocketServer.Failure) -> Any {
        switch operation {
        case "read/topology": return topology
        case "read/get_time": return ["nanos_since_epoch": clock.nanoseconds.load(ordering: .relaxed)]
        case "update/set_time":
            let time = try json.unsigned("nanos_since_epoch")
            guard time >= clock.nanoseconds.load(ordering: .relaxed) else {
                throw .init(400, "the time of a subnet does not go back")
            }
            clock.nanoseconds.store(time, ordering: .relaxed)
            return NSNull()
        case "update/tick":
            clock.nanoseconds.add(1, ordering: .relaxed)
            await subnet.tick()
            return NSNull()
        case "read/pub_key": return keys.rootKey.map(Int.init)
        case "read/get_subnet":
            guard subnet.hasCanister(try json.principal("canister_id")) else { return NSNull() }
            return ["subnet_id": base64(keys.subnetID.bytes)]
        case "read/get_cycles": return ["cycles": try cycles(of: json.principal("canister_id"))]
        case "update/add_cycles":
            return try await addCycles(to: json.principal("canister_id"), json.unsigned("amount"))
        case "read/get_stable_memory":
            let image = try canister(json.principal("canister_id")).memory.stableImage
            return ["blob": base64(image.read(at: 0, count: image.bytes))]
        case "read/query": return try await query(json)
        case "update/submit_ingress_message": return try await submit(json)
        case "read/ingress_status": return try status(json)
        default: throw .init(404, "'\(operation)' is not part of the interface served here")
        }
    }

    private func canister(_ id: Principal) throws(PocketServer.Failure) -> Canister {
        guard let canister = subnet.lock.withLock({ subnet.table[id] }) else {
            throw .init(400, "canister \(id) does not exist")
        }
        return canister
    }

    private func cycles(of id: Principal) throws(PocketServer.Failure) -> NSDecimalNumber {
        let canister = try canister(id)
        return NSDecimalNumber(string: "\(subnet.lock.withLock { canister.state.balance })")
    }

    /// Adds cycles out of nothing; between messages, so that none of them overwrites the balance.
    private func addCycles(to id: Principal, _ amount: UInt64) async throws(PocketServer.Failure) -> Any {
        let canister = try canister(id)
        await subnet.settle()
        try change(canister) { state in state.balance += UInt128(amount) }
        return ["cycles": try cycles(of: id)]
    }

    /// Puts `bytes` at the start of a canister's stable memory, which has then just the pages they need.
    func setStableMemory(of id: Principal, to bytes: [UInt8]) throws(PocketServer.Failure) -> Any {
        let canister = try canister(id)
        let page = Int(StableMemory.wasmPageBytes)
        do {
            let image = try MemoryImage(path: nil)
            try image.resize((bytes.count + page - 1) / page * page)
            try image.write(bytes, at: 0)
            try change(canister, stable: image) { state in state.stableBytes = UInt64(image.bytes) }
        } catch let failure as PocketServer.Failure { throw failure } catch { throw .init(500, "\(error)") }
        return NSNull()
    }

    /// Commits a change that no message made.
    private func change(
        _ canister: Canister, stable: MemoryImage? = nil, _ body: (inout CanisterState) -> Void
    ) throws(PocketServer.Failure) {
        subnet.commitLock.lock()
        defer { subnet.commitLock.unlock() }
        let state = subnet.lock.withLock { () -> CanisterState in
            body(&canister.state)
            return canister.state
        }
        let memory = canister.memory
        let installation = stable.map {
            Step.Installation(module: memory.currentModule, heap: memory.heapImage, stable: $0)
        }
        do { try memory.commit(state, installation: installation) } catch { throw .init(500, "\(error)") }
    }

    private func query(_ json: PocketJSON) async throws(PocketServer.Failure) -> Any {
        let message = QueryMessage(
            sender: try json.principal("sender"), canister: try json.principal("canister_id"),
            method: try json.text("method"), argument: try json.bytes("payload"))
        switch await subnet.query(message).answer {
        case .replied(let bytes): return ["Ok": base64(bytes)]
        case .rejected(let rejection): return Self.json(rejection)
        }
    }

    private func submit(_ json: PocketJSON) async throws(PocketServer.Failure) -> Any {
        let call = call(
            try json.principal("sender"), try json.principal("canister_id"), try json.text("method"),
            try json.bytes("payload"))
        if case .rejected(let rejection) = await subnet.submit(call) { return Self.json(rejection) }
        let effective = json.value["effective_principal"] ?? "None"
        return ["Ok": ["effective_principal": effective, "message_id": base64(call.requestID)] as [String: Any]]
    }

    private func status(_ json: PocketJSON) throws(PocketServer.Failure) -> Any {
        guard let message = json.value["raw_message_id"] as? [String: Any] else {
            throw .init(400, "the field 'raw_message_id' is missing")
        }
        switch subnet.requestStatus(try PocketJSON(message).bytes("message_id")) {
        case .replied(let bytes): return ["Ok": base64(bytes)]
        case .rejected(let rejection): return Self.json(rejection)
        default: return NSNull()
        }
    }

    private func call(_ sender: Principal, _ canister: Principal, _ method: String, _ argument: [UInt8]) -> IngressMessage {
        var generator = SystemRandomNumberGenerator()
        let nonce = (0..<16).map { _ in UInt8.random(in: .min ... .max, using: &generator) }
        let expiry = clock.nanoseconds.load(ordering: .relaxed) + Endpoints.timeToLiveNanoseconds
        let content = RequestContent(
            .call(canister: canister, method: method, argument: argument), sender: sender, ingressExpiry: expiry,
            nonce: nonce)
        return IngressMessage(
            requestID: content.requestID.bytes, sender: sender, canister: canister, method: method, argument: argument,
            ingressExpiry: expiry, envelopeBytes: argument.count + method.utf8.count + 128)
    }

    /// Codes are spelled as the replica's own types: `CanisterError`, `CanisterCalledTrap`.
    private static func json(_ rejection: Rejection) -> Any {
        func name(_ code: Any) -> String {
            let text = "\(code)"
            return text.prefix(1).uppercased() + text.dropFirst()
        }
        let codes: [RejectCode: String] = [
            .systemFatal: "SysFatal", .systemTransient: "SysTransient", .systemUnknown: "SysUnknown",
        ]
        return [
            "Err": [
                "reject_code": codes[rejection.reject] ?? name(rejection.reject), "reject_message": rejection.message,
                "error_code": name(rejection.error), "certified": false,
            ] as [String: Any]
        ]
    }
}

private func base64(_ bytes: [UInt8]) -> String { Data(bytes).base64EncodedString() }
