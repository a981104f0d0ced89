import Candid
import InternetComputer

/// The management canister's Candid types, and where its calls go.
enum ManagementMethod {
    static let emptyReply: [UInt8] = [0x44, 0x49, 0x44, 0x4c, 0, 0]

    /// Who may call a method and which canister it concerns.
    struct Rule {
        /// Field of the argument with the canister concerned; nil when there is none.
        var target: StaticString?
        var byIngress = true
        var controllersOnly = false
    }

    static func rule(_ method: String) -> Rule? {
        switch method {
        case "create_canister": Rule(target: nil, byIngress: false)
        case "provisional_create_canister_with_cycles": Rule(target: nil)
        case "provisional_top_up_canister": Rule(target: "canister_id")
        case "raw_rand", "http_request": Rule(target: nil, byIngress: false)
        case "update_settings", "install_code", "upload_chunk", "stored_chunks", "clear_chunk_store", "uninstall_code",
            "start_canister", "stop_canister", "delete_canister", "canister_status", "canister_metrics":
            Rule(target: "canister_id", controllersOnly: true)
        case "fetch_canister_logs": Rule(target: "canister_id")
        case "install_chunked_code": Rule(target: "target_canister", controllersOnly: true)
        case "deposit_cycles", "canister_info", "canister_metadata": Rule(target: "canister_id", byIngress: false)
        case _ where Subnet.snapshotMethods.contains(method): Rule(target: "canister_id", controllersOnly: true)
        case "ecdsa_public_key", "sign_with_ecdsa", "schnorr_public_key", "sign_with_schnorr", "vetkd_public_key",
            "vetkd_derive_key", "node_metrics_history", "subnet_info",
            "bitcoin_get_balance", "bitcoin_get_utxos", "bitcoin_send_transaction",
            "bitcoin_get_current_fee_percentiles":
            Rule(target: nil, byIngress: false)
        default: nil
        }
    }

    /// The canister a management call concerns, or nil for none; throws what the replica answers to unknown methods,
    /// to arguments that do not decode, and to callers of the wrong kind.
    static func route(_ call: CallRequest, isIngress: Bool) throws(Rejection) -> Principal? {
        guard let rule = rule(call.method) else {
            throw Rejection(.canisterMethodNotFound, "Management canister has no method '\(call.method)'")
        }
        guard rule.byIngress || !isIngress else {
            throw Rejection(.canisterRejectedMessage, "Only canisters can call ic00 method \(call.method)")
        }
        guard let field = rule.target else { return nil }
        let record = try decode(call.argument, .record(CandidFields([CandidField(field, .principal)])))
        return try principal(record[field])
    }

    static func decode(_ argument: [UInt8], _ type: CandidType) throws(Rejection) -> CandidValue {
        do throws(CandidError) {
            guard let value = try Candid.decode(argument, as: [type]).first else {
                throw CandidError(.valueMismatch, at: argument.count)
            }
            return value
        } catch {
            throw Rejection(
                .invalidManagementPayload,
                "Error decoding candid: \(error.text) at byte \(error.offset)")
        }
    }

    static func principal(_ value: CandidValue?) throws(Rejection) -> Principal {
        guard let bytes = value?.asBytes, let principal = try? Principal(bytes: bytes) else {
            throw Rejection(.invalidManagementPayload, "Error decoding candid: a principal is missing")
        }
        return principal
    }

    /// A reply; the values are ours, so a mismatch is a defect that shows in tests as an empty reply.
    static func reply(_ value: CandidValue, _ type: CandidType) -> [UInt8] {
        (try? Candid.encode([value], as: [type])) ?? emptyReply
    }

    static func nat(_ value: UInt128) -> CandidValue {
        .nat(CandidInteger(isNegative: false, magnitude: (0..<4).map { UInt32(truncatingIfNeeded: value >> UInt128(32 * $0)) }))
    }

    static func amount(_ value: CandidValue?) -> UInt128? {
        guard case .nat(let integer) = value, !integer.isNegative, integer.magnitude.count <= 4 else { return nil }
        return integer.magnitude.enumerated().reduce(0) { $0 | UInt128($1.element) << UInt128(32 * $1.offset) }
    }

    static let visibility: CandidType = .variant([
        "controllers": .null, "public": .null, "allowed_viewers": .vector(.principal),
    ])
    static let variable: CandidType = .record(["name": .text, "value": .text])
    private static let settingFields: [CandidField] = [
        CandidField("controllers", .vector(.principal)), CandidField("compute_allocation", .nat),
        CandidField("memory_allocation", .nat), CandidField("freezing_threshold", .nat),
        CandidField("reserved_cycles_limit", .nat), CandidField("minimum_incoming_canister_call_cycles", .nat),
        CandidField("log_visibility", visibility), CandidField("snapshot_visibility", visibility),
        CandidField("status_visibility", visibility), CandidField("wasm_memory_limit", .nat),
        CandidField("wasm_memory_threshold", .nat), CandidField("environment_variables", .vector(variable)),
    ]
    /// canister_settings: every field optional.
    static let settings: CandidType = .record(
        CandidFields(settingFields.map { CandidField(id: $0.id, type: .optional($0.type)) }))
    static let definiteSettings: CandidType = .record(CandidFields(settingFields))

    static let installMode: CandidType = .variant([
        "install": .null, "reinstall": .null,
        "upgrade": .optional(
            .record([
                "skip_pre_upgrade": .optional(.bool),
                "wasm_memory_persistence": .optional(.variant(["keep": .null, "replace": .null])),
            ])),
    ])
    static let logs: CandidType = .record([
        "canister_log_records": .vector(.record(["idx": .nat64, "timestamp_nanos": .nat64, "content": .blob]))
    ])
    static let status: CandidType = .record([
        "status": .variant(["running": .null, "stopping": .null, "stopped": .null]), "ready_for_migration": .bool,
        "version": .nat64, "settings": definiteSettings, "module_hash": .optional(.blob), "memory_size": .nat,
        "memory_metrics": .record([
            "wasm_memory_size": .nat, "stable_memory_size": .nat, "global_memory_size": .nat, "wasm_binary_size": .nat,
            "custom_sections_size": .nat, "canister_history_size": .nat, "wasm_chunk_store_size": .nat,
            "snapshots_size": .nat,
        ]),
        "cycles": .nat, "reserved_cycles": .nat, "idle_cycles_burned_per_day": .nat,
        "query_stats": .record([
            "num_calls_total": .nat, "num_instructions_total": .nat, "request_payload_bytes_total": .nat,
            "response_payload_bytes_total": .nat,
        ]),
    ])
}

extension CanisterSettings {
    /// Takes the fields that are given; throws the first that breaks a limit.
    mutating func apply(_ value: CandidValue, _ limits: SubnetConfiguration.Limits) throws(Rejection) {
        if let list = value["controllers"]?.unwrapped?.asVector {
            guard list.count <= limits.controllers else {
                throw Rejection(
                    .invalidManagementPayload,
                    "Invalid settings: 'controllers' length exceeds maximum size allowed of \(limits.controllers).")
            }
            var found: [Principal] = []
            for entry in list {
                let principal = try ManagementMethod.principal(entry)
                if !found.contains(principal) { found.append(principal) }
            }
            controllers = found
        }
        func number(_ name: StaticString, atMost maximum: UInt128) throws(Rejection) -> UInt128? {
            guard let given = value[name]?.unwrapped else { return nil }
            guard let amount = ManagementMethod.amount(given), amount <= maximum else {
                throw Rejection(
                    .canisterContractViolation, "Invalid settings: \(name) must be at most \(maximum).")
            }
            return amount
        }
        if let amount = try number("compute_allocation", atMost: 100) { computeAllocation = UInt64(amount) }
        if let amount = try number("memory_allocation", atMost: 1 << 48) { memoryAllocation = UInt64(amount) }
        if let amount = try number("freezing_threshold", atMost: UInt128(UInt64.max)) { freezingThreshold = UInt64(amount) }
        if let amount = try number("reserved_cycles_limit", atMost: UInt128.max) { reservedCyclesLimit = amount }
        if let amount = try number("minimum_incoming_canister_call_cycles", atMost: UInt128.max) {
            minimumIncomingCycles = amount
        }
        if let amount = try number("wasm_memory_limit", atMost: 1 << 48) { wasmMemoryLimit = UInt64(amount) }
        if let amount = try number("wasm_memory_threshold", atMost: 1 << 48) { wasmMemoryThreshold = UInt64(amount) }
        logVisibility = try Self.visibility(value["log_visibility"]) ?? logVisibility
        snapshotVisibility = try Self.visibility(value["snapshot_visibility"]) ?? snapshotVisibility
        statusVisibility = try Self.visibility(value["status_visibility"]) ?? statusVisibility
        if let list = value["environment_variables"]?.unwrapped?.asVector {
            try applyVariables(list, limits)
        }
    }

    private mutating func applyVariables(
        _ list: [CandidValue], _ limits: SubnetConfiguration.Limits
    ) throws(Rejection) {
        guard list.count <= limits.environmentVariables else {
            throw Rejection(
                .invalidManagementPayload,
                "Invalid settings: too many environment variables (\(list.count), at most \(limits.environmentVariables)).")
        }
        var found: [(name: [UInt8], value: [UInt8])] = []
        for entry in list {
            let name = entry["name"]?.asBytes ?? []
            let value = entry["value"]?.asBytes ?? []
            guard name.count <= limits.environmentVariableBytes, value.count <= limits.environmentVariableBytes else {
                throw Rejection(
                    .invalidManagementPayload,
                    "Invalid settings: environment variables have names and values of at most \(limits.environmentVariableBytes) bytes.")
            }
            guard !found.contains(where: { $0.name == name }) else {
                throw Rejection(.invalidManagementPayload, "Invalid settings: duplicate environment variable.")
            }
            found.append((name, value))
        }
        variables = found.sorted { $0.name.lexicographicallyPrecedes($1.name) }
    }

    private static func visibility(_ value: CandidValue?) throws(Rejection) -> Visibility? {
        guard let value = value?.unwrapped else { return nil }
        if value.payload(of: "public") != nil { return .everyone }
        guard let viewers = value.payload(of: "allowed_viewers")?.asVector else { return .controllers }
        guard viewers.count <= 10 else {
            throw Rejection(.invalidManagementPayload, "Invalid settings: at most 10 allowed viewers.")
        }
        var list: [Principal] = []
        for viewer in viewers { list.append(try ManagementMethod.principal(viewer)) }
        return .viewers(list)
    }

    /// The definite form for canister_status.
    var candid: CandidValue {
        func visibility(_ value: Visibility) -> CandidValue {
            switch value {
            case .controllers: .variant("controllers")
            case .everyone: .variant("public")
            case .viewers(let viewers): .variant("allowed_viewers", .vector(viewers.map { .principal($0.bytes) }))
            }
        }
        func nat(_ value: UInt64) -> CandidValue { ManagementMethod.nat(UInt128(value)) }
        return .record([
            "controllers": .vector(controllers.map { .principal($0.bytes) }),
            "compute_allocation": nat(computeAllocation), "memory_allocation": nat(memoryAllocation),
            "freezing_threshold": nat(freezingThreshold),
            "reserved_cycles_limit": ManagementMethod.nat(reservedCyclesLimit),
            "minimum_incoming_canister_call_cycles": ManagementMethod.nat(minimumIncomingCycles),
            "log_visibility": visibility(logVisibility), "snapshot_visibility": visibility(snapshotVisibility),
            "status_visibility": visibility(statusVisibility), "wasm_memory_limit": nat(wasmMemoryLimit),
            "wasm_memory_threshold": nat(wasmMemoryThreshold),
            "environment_variables": .vector(
                variables.map { .record(["name": .text($0.name), "value": .text($0.value)]) }),
        ])
    }
}
