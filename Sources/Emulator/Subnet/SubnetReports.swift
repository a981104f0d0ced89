import Candid
import InternetComputer

/// Reading management methods and the certified state tree.
extension Subnet {
    /// canister_status, fetch_canister_logs, canister_metrics.
    func report(_ call: CallRequest, _ state: CanisterState) throws(Rejection) -> [UInt8] {
        switch call.method {
        case "fetch_canister_logs":
            guard Self.sees(state.settings.logVisibility, call.sender, state) else {
                throw Rejection(
                    .canisterRejectedMessage, "Caller \(call.sender.text) is not allowed to access canister logs")
            }
            let records = state.log.records.map { record -> CandidValue in
                .record([
                    "idx": .nat64(record.index), "timestamp_nanos": .nat64(record.time), "content": .blob(record.content),
                ])
            }
            return ManagementMethod.reply(.record(["canister_log_records": .vector(records)]), ManagementMethod.logs)
        case "canister_metrics": return metrics(state)
        default: return status(state)
        }
    }

    private func status(_ state: CanisterState) -> [UInt8] {
        func nat(_ value: UInt64) -> CandidValue { ManagementMethod.nat(UInt128(value)) }
        let status: CandidValue =
            switch state.status {
            case .running: .variant("running")
            case .stopping: .variant("stopping")
            case .stopped: .variant("stopped")
            }
        var queries = state.queryStatistics
        if let canister = lock.withLock({ table[state.id] }) { queries.add(canister.memory.currentStatistics) }
        let custom = lock.withLock { table[state.id] }?.memory.currentModule?.prepared.customSectionBytes ?? 0
        let value: CandidValue = .record([
            "status": status, "ready_for_migration": .bool(state.status == .stopped),
            "version": .nat64(state.version), "settings": state.settings.candid,
            "module_hash": .optional(state.moduleHash.map { .blob($0) }), "memory_size": nat(state.memoryBytes),
            "memory_metrics": .record([
                "wasm_memory_size": nat(state.heapBytes), "stable_memory_size": nat(state.stableBytes),
                "global_memory_size": nat(UInt64(state.globals.count * 8)), "wasm_binary_size": nat(state.moduleBytes),
                "custom_sections_size": nat(UInt64(custom)), "canister_history_size": nat(UInt64(state.history.count * 100)),
                "wasm_chunk_store_size": nat(UInt64(state.chunks.count) << 20), "snapshots_size": nat(state.snapshots.reduce(0) { $0 + $1.totalBytes }),
            ]),
            "cycles": ManagementMethod.nat(state.balance), "reserved_cycles": ManagementMethod.nat(state.reserved),
            "idle_cycles_burned_per_day": ManagementMethod.nat(
                state.idleCost(seconds: 86_400, prices: configuration.prices)),
            "query_stats": .record([
                "num_calls_total": nat(queries.calls), "num_instructions_total": nat(queries.instructions),
                "request_payload_bytes_total": nat(queries.requestBytes),
                "response_payload_bytes_total": nat(queries.responseBytes),
            ]),
        ])
        return ManagementMethod.reply(value, ManagementMethod.status)
    }

    private func metrics(_ state: CanisterState) -> [UInt8] {
        func used(_ key: String) -> CandidValue { ManagementMethod.nat(state.consumed[key] ?? 0) }
        let type: CandidType = .record([
            "memory": .nat, "compute_allocation": .nat, "ingress_induction": .nat, "instructions": .nat,
            "request_and_response_transmission": .nat, "uninstall": .nat, "canister_creation": .nat,
            "http_outcalls": .nat, "burned_cycles": .nat,
        ])
        let value: CandidValue = .record([
            "memory": used("memory"), "compute_allocation": used("compute"), "ingress_induction": used("ingress"),
            "instructions": used("instructions"),
            "request_and_response_transmission": used("request_and_response_transmission"),
            "uninstall": used("uninstall"), "canister_creation": used("creation"), "http_outcalls": used("http"),
            "burned_cycles": used("burned"),
        ])
        return ManagementMethod.reply(.record(["cycles_consumed": value]), .record(["cycles_consumed": type]))
    }

    func information(_ call: CallRequest, _ state: CanisterState) throws(Rejection) -> [UInt8] {
        let argument = try ManagementMethod.decode(
            call.argument, .record(["num_requested_changes": .optional(.nat64)]))
        let wanted = argument["num_requested_changes"]?.unwrapped?.asUInt64 ?? 0
        let originType: CandidType = .variant([
            "from_user": .record(["user_id": .principal]),
            "from_canister": .record(["canister_id": .principal, "canister_version": .optional(.nat64)]),
        ])
        let controllersType: CandidType = .record(["controllers": .vector(.principal)])
        let detailsType: CandidType = .variant([
            "creation": controllersType, "code_uninstall": .null,
            "code_deployment": .record([
                "mode": .variant(["install": .null, "reinstall": .null, "upgrade": .null]), "module_hash": .blob,
            ]),
            "controllers_change": controllersType,
            "load_snapshot": .record([
                "canister_version": .nat64, "snapshot_id": .blob, "taken_at_timestamp": .nat64,
            ]),
        ])
        let type: CandidType = .record([
            "total_num_changes": .nat64,
            "recent_changes": .vector(
                .record([
                    "timestamp_nanos": .nat64, "canister_version": .nat64, "origin": originType, "details": detailsType,
                ])),
            "module_hash": .optional(.blob), "controllers": .vector(.principal),
        ])
        func principals(_ list: [Principal]) -> CandidValue { .vector(list.map { .principal($0.bytes) }) }
        let changes = state.history.suffix(Int(clamping: wanted)).map { entry -> CandidValue in
            let origin: CandidValue =
                switch entry.origin {
                case .user(let user): .variant("from_user", .record(["user_id": .principal(user.bytes)]))
                case .canister(let id, let version):
                    .variant(
                        "from_canister",
                        .record([
                            "canister_id": .principal(id.bytes), "canister_version": .optional(version.map { .nat64($0) }),
                        ]))
                }
            let details: CandidValue =
                switch entry.details {
                case .creation(let list): .variant("creation", .record(["controllers": principals(list)]))
                case .uninstall: .variant("code_uninstall")
                case .controllers(let list): .variant("controllers_change", .record(["controllers": principals(list)]))
                case .snapshot(let id, let version, let taken):
                    .variant(
                        "load_snapshot",
                        .record([
                            "canister_version": .nat64(version), "snapshot_id": .blob(id),
                            "taken_at_timestamp": .nat64(taken),
                        ]))
                case .deployment(let mode, let hash):
                    .variant(
                        "code_deployment",
                        .record([
                            "mode": mode == 0 ? .variant("install") : mode == 1 ? .variant("reinstall") : .variant("upgrade"),
                            "module_hash": .blob(hash),
                        ]))
                }
            return .record([
                "timestamp_nanos": .nat64(entry.time), "canister_version": .nat64(entry.version), "origin": origin,
                "details": details,
            ])
        }
        return ManagementMethod.reply(
            .record([
                "total_num_changes": .nat64(state.totalHistory), "recent_changes": .vector(changes),
                "module_hash": .optional(state.moduleHash.map { .blob($0) }),
                "controllers": principals(state.settings.controllers),
            ]), type)
    }

    /// Management methods that may be called as queries.
    func managementQuery(_ message: QueryMessage) throws(Rejection) -> [UInt8] {
        let call = CallRequest(
            origin: .system, sender: message.sender, method: message.method, argument: message.argument)
        if message.method == "list_canisters" { return listCanisters() }
        guard ["canister_status", "fetch_canister_logs", "canister_metrics"].contains(message.method) else {
            throw Rejection(.canisterMethodNotFound, "Query method \(message.method) not found.")
        }
        guard let id = try ManagementMethod.route(call, isIngress: false) else { throw Self.notFound(message.canister) }
        guard let state = lock.withLock({ table[id]?.state }) else { throw Self.notFound(id) }
        try check(call, state)
        return try report(call, state)
    }

    func managementResult(_ message: QueryMessage) -> Result<[UInt8], Rejection> {
        do throws(Rejection) { return .success(try managementQuery(message)) } catch { return .failure(error) }
    }

    private func listCanisters() -> [UInt8] {
        let type: CandidType = .record(["canisters": .vector(.record(["start": .principal, "end": .principal]))])
        let ranges = canisters.map { id -> CandidValue in
            .record(["start": .principal(id.bytes), "end": .principal(id.bytes)])
        }
        return ManagementMethod.reply(.record(["canisters": .vector(ranges)]), type)
    }

    // MARK: State tree

    /// Certified state: /time, /subnet/…, /canister/…, /canister_ranges/…, /request_status/ID for the given ids only.
    /// `nodeKeys` and `publicKey` (DER) come from the HTTP layer, which holds the keys.
    public func stateTree(
        requests ids: [[UInt8]], publicKey: [UInt8], nodeKeys: [(node: Principal, key: [UInt8])]
    ) -> StateTree {
        let (time, states, records, consumed, height) = lock.withLock {
            (
                newTime(), table.values.map { ($0.state, $0.memory.currentModule) }, ids.map { ($0, requests[$0]) },
                counters.cycles, commits
            )
        }
        func label(_ text: String) -> [UInt8] { Array(text.utf8) }
        let range = canisterRange
        let ranges = StateTree.leaf(Self.taggedArray([[range.first.bytes, range.last.bytes]]))
        let nodes = nodeKeys.map { (label: $0.node.bytes, child: StateTree.branch([(label("public_key"), .leaf($0.key))])) }
        var subnet: [(label: [UInt8], child: StateTree)] = [
            (label("canister_ranges"), ranges), (label("public_key"), .leaf(publicKey)),
            (label("type"), .leaf(label("application"))),
            (label("metrics"), .leaf(Self.metrics(states.map(\.0), consumed: consumed, transactions: height))),
        ]
        if !nodes.isEmpty { subnet.append((label("node"), .branch(nodes))) }
        var children: [(label: [UInt8], child: StateTree)] = [
            (label("time"), .leaf(leb128(time))),
            (label("subnet"), .branch([(configuration.subnetID.bytes, .branch(subnet))])),
            (
                label("canister_ranges"),
                .branch([(configuration.subnetID.bytes, .branch([(range.first.bytes, ranges)]))])
            ),
        ]
        if !states.isEmpty {
            children.append(
                (label("canister"), .branch(states.map { ($0.0.id.bytes, Self.tree($0.0, $0.1)) })))
        }
        let known = records.compactMap { id, record in record.map { (label: id, child: Self.tree($0)) } }
        if !known.isEmpty { children.append((label("request_status"), .branch(known))) }
        return .branch(children)
    }

    /// `/subnet/ID/metrics`; cycles and transactions are those since the start.
    private static func metrics(_ states: [CanisterState], consumed: UInt128, transactions: UInt64) -> [UInt8] {
        let high = UInt64(truncatingIfNeeded: consumed >> 64)
        return CBOR.record([
            "num_canisters": .unsigned(UInt64(states.count)),
            "canister_state_bytes": .unsigned(states.reduce(0) { $0 + $1.memoryBytes }),
            "consumed_cycles_total": .map([
                .init(.unsigned(0), .unsigned(UInt64(truncatingIfNeeded: consumed))),
                .init(.unsigned(1), high == 0 ? .null : .unsigned(high)),
            ]),
            "update_transactions_total": .unsigned(transactions),
        ]).encoded()
    }

    private static func tree(_ state: CanisterState, _ module: CompiledModule?) -> StateTree {
        func label(_ text: String) -> [UInt8] { Array(text.utf8) }
        var children: [(label: [UInt8], child: StateTree)] = [
            (label("controllers"), .leaf(taggedList(state.settings.controllers.map(\.bytes)))),
            (label("canister_creation_timestamp"), .leaf(leb128(state.created))),
        ]
        if let hash = state.moduleHash, let module {
            children.append((label("certified_data"), .leaf(state.certifiedData)))
            children.append((label("module_hash"), .leaf(hash)))
            children.append((label("last_install_timestamp"), .leaf(leb128(state.installed))))
            let sections = module.prepared.customSections
            if !sections.isEmpty {
                children.append((label("metadata"), .branch(sections.map { (label($0.name), .leaf($0.content)) })))
            }
        }
        return .branch(children)
    }

    private static func tree(_ record: RequestRecord) -> StateTree {
        func label(_ text: String) -> [UInt8] { Array(text.utf8) }
        func status(_ text: String) -> (label: [UInt8], child: StateTree) { (label("status"), .leaf(label(text))) }
        switch record.status {
        case .unknown, .received: return .branch([status("received")])
        case .processing: return .branch([status("processing")])
        case .done: return .branch([status("done")])
        case .replied(let bytes): return .branch([status("replied"), (label("reply"), .leaf(bytes))])
        case .rejected(let rejection):
            return .branch([
                status("rejected"), (label("reject_code"), .leaf(leb128(UInt64(rejection.reject.rawValue)))),
                (label("reject_message"), .leaf(label(rejection.message))),
                (label("error_code"), .leaf(label(rejection.error.text))),
            ])
        }
    }

    /// Whether a read_state path `/canister/ID/metadata/NAME` may be read by this sender (public, or private and a controller).
    public func mayReadMetadata(canister: Principal, name: String, sender: Principal) -> Bool {
        guard let entry = lock.withLock({ table[canister] }) else { return true }
        let section = entry.memory.currentModule?.prepared.customSections.first { $0.name == name }
        guard let section, !section.isPublic else { return true }
        return lock.withLock { entry.state.isController(sender) }
    }

    /// Tag 55799 and an array of byte strings, as controllers are certified.
    private static func taggedList(_ items: [[UInt8]]) -> [UInt8] { [0xd9, 0xd9, 0xf7] + array(items.map(byteString)) }
    /// Tag 55799 and an array of arrays of byte strings, as canister ranges are certified.
    private static func taggedArray(_ rows: [[[UInt8]]]) -> [UInt8] {
        [0xd9, 0xd9, 0xf7] + array(rows.map { array($0.map(byteString)) })
    }
    private static func array(_ items: [[UInt8]]) -> [UInt8] { [0x80 | UInt8(items.count)] + items.flatMap(\.self) }
    private static func byteString(_ bytes: [UInt8]) -> [UInt8] {
        (bytes.count < 24 ? [0x40 | UInt8(bytes.count)] : [0x58, UInt8(bytes.count)]) + bytes
    }
}
