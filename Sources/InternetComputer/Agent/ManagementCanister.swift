import Candid
import Crypto
import Foundation

/// Creates, installs and inspects canisters through the management canister `aaaaa-aa`.
public struct ManagementCanister: Sendable {
    public let agent: Agent

    public init(agent: Agent) { self.agent = agent }

    public enum InstallMode: String, Sendable, CaseIterable {
        case install, reinstall, upgrade

        fileprivate var candid: CandidValue {
            switch self {
            case .install: .variant("install")
            case .reinstall: .variant("reinstall")
            case .upgrade: .variant("upgrade", .optional(nil))
            }
        }
    }

    /// Modules up to this size travel in one message; larger ones go through the chunk store.
    static let maximumMessageModuleBytes = 1_900_000
    static let chunkBytes = 1 << 20

    /// Creates an empty canister on a development network, which pays for it.
    ///
    /// - Parameter cycles: its first balance; nil leaves the amount to the network.
    public func provisionalCreate(cycles: UInt64? = nil) async throws(AgentError) -> Principal {
        let type = CandidType.record(["amount": .optional(.nat)])
        let amount = CandidValue.optional(cycles.map { .nat(CandidInteger($0)) })
        let reply = try await call(
            "provisional_create_canister_with_cycles", [.record(["amount": amount])], [type],
            effective: .managementCanister)
        guard let bytes = reply?["canister_id"]?.asBytes, let id = try? Principal(bytes: bytes) else {
            throw .badAnswer("the management canister's answer names no canister")
        }
        return id
    }

    /// Installs `module` (Wasm, or gzip of it) and runs its `canister_init` or `canister_post_upgrade`.
    public func install(
        _ canister: Principal, module: [UInt8], argument: [UInt8], mode: InstallMode
    ) async throws(AgentError) {
        if module.count > Self.maximumMessageModuleBytes {
            try await installInChunks(canister, module: module, argument: argument, mode: mode)
            return
        }
        let type = CandidType.record([
            "mode": Self.modeType, "canister_id": .principal, "wasm_module": .blob, "arg": .blob,
        ])
        let record = CandidValue.record([
            "mode": mode.candid, "canister_id": .principal(canister.bytes), "wasm_module": .blob(module),
            "arg": .blob(argument),
        ])
        _ = try await call("install_code", [record], [type], effective: canister)
    }

    private func installInChunks(
        _ canister: Principal, module: [UInt8], argument: [UInt8], mode: InstallMode
    ) async throws(AgentError) {
        try await simple("clear_chunk_store", canister)
        var hashes: [CandidValue] = []
        for start in stride(from: 0, to: module.count, by: Self.chunkBytes) {
            let chunk = Array(module[start..<min(start + Self.chunkBytes, module.count)])
            let type = CandidType.record(["canister_id": .principal, "chunk": .blob])
            let record = CandidValue.record([
                "canister_id": .principal(canister.bytes), "chunk": .blob(chunk),
            ])
            _ = try await call("upload_chunk", [record], [type], effective: canister)
            hashes.append(.record(["hash": .blob(RepresentationIndependentHash.sha256(chunk))]))
        }
        let type = CandidType.record([
            "mode": Self.modeType, "target_canister": .principal,
            "chunk_hashes_list": .vector(.record(["hash": .blob])), "wasm_module_hash": .blob, "arg": .blob,
        ])
        let record = CandidValue.record([
            "mode": mode.candid, "target_canister": .principal(canister.bytes),
            "chunk_hashes_list": .vector(hashes),
            "wasm_module_hash": .blob(RepresentationIndependentHash.sha256(module)), "arg": .blob(argument),
        ])
        _ = try await call("install_chunked_code", [record], [type], effective: canister)
        try await simple("clear_chunk_store", canister)
    }

    public func start(_ canister: Principal) async throws(AgentError) {
        try await simple("start_canister", canister)
    }

    public func stop(_ canister: Principal) async throws(AgentError) {
        try await simple("stop_canister", canister)
    }

    /// Deletes a stopped canister.
    public func delete(_ canister: Principal) async throws(AgentError) {
        try await simple("delete_canister", canister)
    }

    /// Drops code and memory of a canister; its balance and settings stay.
    public func uninstall(_ canister: Principal) async throws(AgentError) {
        try await simple("uninstall_code", canister)
    }

    /// Adds cycles out of nothing, as development networks do.
    public func topUp(_ canister: Principal, cycles: UInt64) async throws(AgentError) {
        let type = CandidType.record(["canister_id": .principal, "amount": .nat])
        let record = CandidValue.record([
            "canister_id": .principal(canister.bytes), "amount": .nat(CandidInteger(cycles)),
        ])
        _ = try await call("provisional_top_up_canister", [record], [type], effective: canister)
    }

    /// The records of a canister's log, oldest first.
    public func logs(of canister: Principal) async throws(AgentError) -> [CanisterLogRecord] {
        do {
            let argument = try Candid.encode(
                [.record(["canister_id": .principal(canister.bytes)])], as: [.record(["canister_id": .principal])])
            let reply = try await agent.query(
                .managementCanister, "fetch_canister_logs", argument, effectiveCanister: canister)
            let records = try Candid.decode(reply.bytes).first?["canister_log_records"]?.asVector ?? []
            return records.compactMap { record in
                guard let index = record["idx"]?.asUInt64, let time = record["timestamp_nanos"]?.asUInt64,
                    let content = record["content"]?.asBytes
                else { return nil }
                return CanisterLogRecord(index: index, time: time, content: content)
            }
        } catch let error as CandidError {
            throw .badAnswer("the log is not the Candid expected: \(error.text)")
        } catch let error as AgentError {
            throw error
        } catch { throw .badAnswer("\(error)") }
    }

    /// What a controller sees of a canister.
    public func status(of canister: Principal) async throws(AgentError) -> CanisterStatus {
        let reply = try await call(
            "canister_status", [.record(["canister_id": .principal(canister.bytes)])],
            [.record(["canister_id": .principal])], effective: canister)
        guard let reply, let status = CanisterStatus(reply) else {
            throw .badAnswer("the management canister's answer is no canister status")
        }
        return status
    }

    // MARK: Calls

    private static let modeType = CandidType.variant([
        "install": .null, "reinstall": .null,
        "upgrade": .optional(
            .record([
                "skip_pre_upgrade": .optional(.bool),
                "wasm_memory_persistence": .optional(.variant(["keep": .null, "replace": .null])),
            ])),
    ])

    private func simple(_ method: String, _ canister: Principal) async throws(AgentError) {
        _ = try await call(
            method, [.record(["canister_id": .principal(canister.bytes)])],
            [.record(["canister_id": .principal])], effective: canister)
    }

    private func call(
        _ method: String, _ values: [CandidValue], _ types: [CandidType], effective: Principal
    ) async throws(AgentError) -> CandidValue? {
        do {
            let argument = try Candid.encode(values, as: types)
            let reply = try await agent.call(
                .managementCanister, method, argument, effectiveCanister: effective)
            return try Candid.decode(reply.bytes).first
        } catch let error as CandidError {
            throw .badAnswer("the answer of '\(method)' is not the Candid expected: \(error.text)")
        } catch let error as AgentError {
            throw error
        } catch { throw .badAnswer("\(error)") }
    }
}

/// One line of a canister's log.
public struct CanisterLogRecord: Sendable, Equatable {
    public let index: UInt64
    /// Nanoseconds since 1970.
    public let time: UInt64
    public let content: [UInt8]
}

/// The part of `canister_status` that the command line shows.
public struct CanisterStatus: Sendable, Equatable, Codable {
    public let status: String
    public let controllers: [Principal]
    /// SHA-256 of the module as it was uploaded, hexadecimal; nil when the canister is empty.
    public let moduleHash: String?
    public let memoryBytes: UInt64
    /// Decimal, as balances may exceed 64 bits.
    public let cycles: String
    public let idleCyclesBurnedPerDay: String
    /// Days until the balance is used up by storage alone; nil when nothing burns.
    public let daysUntilEmpty: Double?
    /// Days until what is left pays for no more than the freezing threshold asks for; nil when nothing burns.
    public let daysUntilFrozen: Double?
    public let freezingThresholdSeconds: UInt64?
    public let version: UInt64?

    init?(_ value: CandidValue) {
        guard let status = value["status"], let settings = value["settings"],
            let controllers = settings["controllers"]?.asVector, case .nat(let cycles)? = value["cycles"]
        else { return nil }
        let states: [StaticString] = ["running", "stopping", "stopped"]
        guard let name = states.first(where: { status.payload(of: $0) != nil }) else { return nil }
        self.status = "\(name)"
        self.controllers = controllers.compactMap { $0.asBytes.flatMap { try? Principal(bytes: $0) } }
        moduleHash = value["module_hash"]?.unwrapped?.asBytes.map { hexadecimal($0) }
        memoryBytes = value["memory_size"]?.asUInt64 ?? 0
        self.cycles = Self.text(cycles)
        if case .nat(let burned)? = value["idle_cycles_burned_per_day"] {
            idleCyclesBurnedPerDay = Self.text(burned)
        } else {
            idleCyclesBurnedPerDay = "0"
        }
        let perDay = Double(idleCyclesBurnedPerDay) ?? 0
        daysUntilEmpty = perDay > 0 ? (Double(self.cycles) ?? 0) / perDay : nil
        let threshold = settings["freezing_threshold"]?.asUInt64
        freezingThresholdSeconds = threshold
        var reserved = 0.0
        if case .nat(let cycles)? = value["reserved_cycles"] { reserved = Double(Self.text(cycles)) ?? 0 }
        daysUntilFrozen = Self.daysUntilFrozen(
            cycles: (Double(self.cycles) ?? 0) + reserved, burnedPerDay: perDay, thresholdSeconds: threshold ?? 0)
        version = value["version"]?.asUInt64
    }

    /// The freezing limit is what the threshold's time burns.
    package static func daysUntilFrozen(cycles: Double, burnedPerDay: Double, thresholdSeconds: UInt64) -> Double? {
        guard burnedPerDay > 0 else { return nil }
        return max(0, cycles / burnedPerDay - Double(thresholdSeconds) / 86_400)
    }

    private static func text(_ value: CandidInteger) -> String {
        String(decoding: value.decimal, as: UTF8.self)
    }
}
