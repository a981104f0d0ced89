import Candid
import Crypto
import Foundation
import InternetComputer

/// The management canister: calls that concern a canister run in that canister's queue, the others in their own.
extension Subnet {
    func manage(_ call: CallRequest, _ canister: Canister, _ step: inout Step) async {
        step.state.consume(call.ingressCost, for: "ingress")
        let before = step
        do throws(Rejection) {
            try check(call, step.state)
            var refund = call.cycles
            let reply = try await perform(call, canister, &step, &refund)
            if let reply { step.respond(to: call.origin, .success(reply), refund: refund) }
        } catch {
            undo(&step, to: before)
            step.respond(to: call.origin, .failure(error), refund: call.cycles)
        }
    }

    /// Takes back everything that a failed management call did but what it cost and what it logged.
    private func undo(_ step: inout Step, to before: Step) {
        let failed = step
        step = before
        step.instructions = failed.instructions
        for (use, cycles) in failed.state.consumed {
            let old = before.state.consumed[use] ?? 0
            if cycles > old { step.state.consume(cycles - old, for: use) }
        }
        // A reinstall begins with an empty log: the old lines come back before the new ones.
        let known = Set(before.state.log.records.map(\.index))
        for record in failed.state.log.records where !known.contains(record.index) {
            step.state.log.append(record.content, time: record.time)
        }
        // Files of memories that never came into use must not be taken for those of the next attempt.
        let id = step.state.id
        if failed.state.heapGeneration != step.state.heapGeneration {
            store?.removeImage(id, stable: false, generation: failed.state.heapGeneration)
        }
        if failed.state.stableGeneration != step.state.stableGeneration {
            store?.removeImage(id, stable: true, generation: failed.state.stableGeneration)
        }
        for snapshot in failed.newSnapshots where !before.newSnapshots.contains(where: { $0.id == snapshot.id }) {
            store?.removeSnapshots([snapshot.id])
        }
    }

    /// Whether the caller may use this method on this canister.
    func check(_ call: CallRequest, _ state: CanisterState) throws(Rejection) {
        guard let rule = ManagementMethod.rule(call.method) else {
            throw Rejection(.canisterMethodNotFound, "Management canister has no method '\(call.method)'")
        }
        guard rule.controllersOnly, !state.isController(call.sender) else { return }
        let selfAllowed: Set<String> = ["canister_status", "upload_chunk", "stored_chunks", "clear_chunk_store", "canister_metrics"]
        if call.sender == state.id, selfAllowed.contains(call.method) { return }
        let readsSnapshots = ["list_canister_snapshots", "read_canister_snapshot_metadata", "read_canister_snapshot_data"]
        if readsSnapshots.contains(call.method), Self.sees(state.settings.snapshotVisibility, call.sender, state) { return }
        if call.method == "canister_status", Self.sees(state.settings.statusVisibility, call.sender, state) { return }
        let controllers = state.settings.controllers.map(\.text).joined(separator: " ")
        throw Rejection(
            .canisterInvalidController,
            "Only the controllers of the canister \(state.id.text) can control it.\n"
                + "Canister's controllers: \(controllers)\nSender's ID: \(call.sender.text)")
    }

    static func sees(_ visibility: CanisterSettings.Visibility, _ sender: Principal, _ state: CanisterState) -> Bool {
        switch visibility {
        case .controllers: state.isController(sender)
        case .everyone: true
        case .viewers(let viewers): viewers.contains(sender) || state.isController(sender)
        }
    }

    /// The reply, or nil when the answer comes later.
    private func perform(
        _ call: CallRequest, _ canister: Canister, _ step: inout Step, _ refund: inout UInt128
    ) async throws(Rejection) -> [UInt8]? {
        switch call.method {
        case "create_canister", "provisional_create_canister_with_cycles":
            return try create(call, &step, &refund)
        case "provisional_top_up_canister":
            let value = try ManagementMethod.decode(call.argument, .record(["amount": .nat]))
            step.state.add(ManagementMethod.amount(value["amount"]) ?? 0)
        case "deposit_cycles":
            step.state.add(call.cycles)
            refund = 0
        case "update_settings": try updateSettings(call, &step)
        case "install_code", "install_chunked_code": try await install(call, canister, &step)
        case "uninstall_code": try uninstall(call, &step)
        case "upload_chunk": return try uploadChunk(call, &step)
        case "stored_chunks":
            return ManagementMethod.reply(
                .vector(step.state.chunks.map { .record(["hash": .blob($0)]) }), .vector(.record(["hash": .blob])))
        case "clear_chunk_store":
            step.state.chunks = []
            step.store.clearedChunks.append(step.state.id)
        case "start_canister":
            for stop in step.state.stopCalls {
                step.respond(
                    to: stop.request.origin,
                    .failure(Rejection(.canisterStoppingCancelled, "Canister \(step.state.id.text) was restarted while it was stopping")),
                    refund: stop.request.cycles)
            }
            step.state.stopCalls = []
            step.state.status = .running
            step.state.version += 1
        case "stop_canister":
            if step.state.status == .stopped { return ManagementMethod.emptyReply }
            step.state.status = .stopping
            step.state.version += 1
            step.state.stopCalls.append((call, step.time + configuration.limits.stopTimeoutNanoseconds))
            return nil
        case "delete_canister": try delete(canister, call, &step)
        case "canister_status", "fetch_canister_logs", "canister_metrics":
            return try report(call, step.state)
        case "canister_info": return try information(call, step.state)
        case "canister_metadata":
            let value = try ManagementMethod.decode(call.argument, .record(["name": .text]))
            let name = String(decoding: value["name"]?.asBytes ?? [], as: UTF8.self)
            guard let section = canister.memory.currentModule?.prepared.customSections.first(where: { $0.name == name }),
                section.isPublic || step.state.isController(call.sender)
            else {
                throw Rejection(.canisterRejectedMessage, "Canister \(step.state.id.text) has no metadata section \(name)")
            }
            return ManagementMethod.reply(.record(["value": .blob(section.content)]), .record(["value": .blob]))
        case "raw_rand":
            return ManagementMethod.reply(
                .blob((0..<32).map { _ in UInt8.random(in: .min ... .max) }), .blob)
        case "subnet_info": return try subnetInformation(call)
        case "node_metrics_history": return try nodeMetrics(call, step.time)
        case _ where Self.snapshotMethods.contains(call.method): return try snapshotCall(call, canister, &step)
        case "ecdsa_public_key", "sign_with_ecdsa", "schnorr_public_key", "sign_with_schnorr", "vetkd_public_key",
            "vetkd_derive_key":
            throw Rejection(
                .canisterRejectedMessage,
                "\(call.method): threshold keys are not emulated on this network; test against a canister of your own that answers in its place.")
        default:
            throw Rejection(
                .canisterRejectedMessage, "The management method \(call.method) is not emulated on this network.")
        }
        return ManagementMethod.emptyReply
    }

    func origin(_ call: CallRequest) -> HistoryEntry.Origin {
        if case .canister(let id, _) = call.origin {
            return .canister(id, version: lock.withLock { table[id]?.state.version })
        }
        return .user(call.sender)
    }

    // MARK: Creating and deleting

    private func create(_ call: CallRequest, _ step: inout Step, _ refund: inout UInt128) throws(Rejection) -> [UInt8] {
        let prices = configuration.prices
        let provisional = call.method != "create_canister"
        let value = try ManagementMethod.decode(
            call.argument,
            .record([
                "amount": .optional(.nat), "settings": .optional(ManagementMethod.settings),
                "specified_id": .optional(.principal),
            ]))
        var settings = CanisterSettings(controllers: [call.sender])
        settings.freezingThreshold = configuration.limits.defaultFreezingThresholdSeconds
        settings.wasmMemoryLimit = configuration.limits.defaultWasmMemoryLimit
        if let given = value["settings"]?.unwrapped { try settings.apply(given, configuration.limits) }
        let fee = prices.scaled(UInt128(prices.canisterCreation))
        var balance = UInt128(prices.provisionalCycles)
        if provisional {
            if let amount = ManagementMethod.amount(value["amount"]?.unwrapped) { balance = amount }
        } else {
            guard call.cycles >= fee else {
                throw Rejection(
                    .insufficientCyclesForCreateCanister,
                    "Creating a canister requires a fee of \(fee) that is deducted from the canister's initial balance "
                        + "but only \(call.cycles) cycles were received with the create_canister request.")
            }
            balance = call.cycles - fee
            refund = 0
        }
        var id: Principal
        if provisional, let wanted = value["specified_id"]?.unwrapped {
            id = try ManagementMethod.principal(wanted)
            guard !hasCanister(id) else {
                throw Rejection(.canisterIdAlreadyExists, "The specified_id \(id.text) is invalid because it already exists")
            }
        } else {
            id = lock.withLock {
                while table[.canister(nextCanister)] != nil { nextCanister += 1 }
                defer { nextCanister += 1 }
                return .canister(nextCanister)
            }
            step.store.nextCanister = lock.withLock { nextCanister }
        }
        try checkCapacity(settings, of: id)
        var state = CanisterState(id: id, settings: settings)
        if !provisional { state.consumed["creation"] = fee }
        state.log.capacity = configuration.limits.logBytes
        state.balance = balance
        state.created = step.time
        state.charged = step.time
        state.record(
            .creation(settings.controllers), origin: origin(call), time: step.time, keep: configuration.limits.historyEntries)
        do {
            let memory = CanisterMemory(
                heap: try MemoryImage(path: store?.imagePath(id, stable: false, generation: 0)),
                stable: try MemoryImage(path: store?.imagePath(id, stable: true, generation: 0)))
            step.created.append(Canister(state: state, memory: memory))
        } catch {
            throw Rejection(.subnetOversubscribed, "\(error)")
        }
        return ManagementMethod.reply(.record(["canister_id": .principal(id.bytes)]), .record(["canister_id": .principal]))
    }

    private func delete(_ canister: Canister, _ call: CallRequest, _ step: inout Step) throws(Rejection) {
        guard step.state.status == .stopped else {
            throw Rejection(.canisterNotStopped, "Canister \(step.state.id.text) must be stopped before it is deleted.")
        }
        guard lock.withLock({ canister.pending == 0 }) else {
            throw Rejection(.canisterQueueNotEmpty, "Canister \(step.state.id.text) has messages in its queues.")
        }
        for snapshot in step.state.snapshots {
            if let owner = try? Principal(bytes: snapshot.id) { step.store.clearedChunks.append(owner) }
        }
        step.deleted = true
    }

    private func updateSettings(_ call: CallRequest, _ step: inout Step) throws(Rejection) {
        let value = try ManagementMethod.decode(call.argument, .record(["settings": ManagementMethod.settings]))
        var settings = step.state.settings
        try settings.apply(value["settings"] ?? .record([:]), configuration.limits)
        try checkCapacity(settings, of: step.state.id)
        try checkCycles(for: settings, step.state)
        let changed = settings.controllers != step.state.settings.controllers
        step.state.settings = settings
        step.state.version += 1
        if changed {
            step.state.record(
                .controllers(settings.controllers), origin: origin(call), time: step.time,
                keep: configuration.limits.historyEntries)
        }
    }

    // MARK: Code

    private func install(_ call: CallRequest, _ canister: Canister, _ step: inout Step) async throws(Rejection) {
        try checkRates(&step.state, step.time)
        let (bytes, argument, mode) = try installArguments(call, step.state)
        let request = Installer.Request(
            bytes: bytes, argument: argument, mode: mode, caller: call.sender)
        let installer = Installer(subnet: self, canister: canister)
        try await installer.install(request, &step)
        step.state.record(
            .deployment(mode: mode.number, moduleHash: step.state.moduleHash ?? []), origin: origin(call),
            time: step.time, keep: configuration.limits.historyEntries)
    }

    private func installArguments(
        _ call: CallRequest, _ state: CanisterState
    ) throws(Rejection) -> ([UInt8], [UInt8], Installer.Mode) {
        if call.method == "install_code" {
            let value = try ManagementMethod.decode(
                call.argument, .record(["mode": ManagementMethod.installMode, "wasm_module": .blob, "arg": .blob]))
            return (value["wasm_module"]?.asBytes ?? [], value["arg"]?.asBytes ?? [], Installer.Mode(value["mode"]))
        }
        let value = try ManagementMethod.decode(
            call.argument,
            .record([
                "mode": ManagementMethod.installMode, "store_canister": .optional(.principal),
                "chunk_hashes_list": .vector(.record(["hash": .blob])), "wasm_module_hash": .blob, "arg": .blob,
            ]))
        var source = state.id
        if let given = value["store_canister"]?.unwrapped {
            source = try ManagementMethod.principal(given)
            guard let other = lock.withLock({ table[source]?.state }) else { throw Self.notFound(source) }
            guard source == state.id || other.isController(call.sender) || source == call.sender else {
                throw Rejection(
                    .canisterInvalidController, "Only the controllers of the canister \(source.text) can use its chunk store.")
            }
        }
        var module: [UInt8] = []
        for entry in value["chunk_hashes_list"]?.asVector ?? [] {
            guard let bytes = chunk(source, entry["hash"]?.asBytes ?? []) else {
                throw Rejection(
                    .canisterContractViolation, "Error from Wasm chunk store: a chunk was not found in canister \(source.text)")
            }
            module += bytes
            guard module.count <= configuration.limits.moduleBytes else {
                throw Rejection(.canisterInvalidWasm, "The module is larger than \(configuration.limits.moduleBytes) bytes.")
            }
        }
        guard Array(SHA256.hash(data: module)) == value["wasm_module_hash"]?.asBytes else {
            throw Rejection(.canisterContractViolation, "Error from Wasm chunk store: the hash of the joined chunks differs from wasm_module_hash")
        }
        return (module, value["arg"]?.asBytes ?? [], Installer.Mode(value["mode"]))
    }

    private func uploadChunk(_ call: CallRequest, _ step: inout Step) throws(Rejection) -> [UInt8] {
        let value = try ManagementMethod.decode(call.argument, .record(["chunk": .blob]))
        let bytes = value["chunk"]?.asBytes ?? []
        let limits = configuration.limits
        guard bytes.count <= limits.chunkBytes else {
            throw Rejection(
                .canisterContractViolation,
                "Wasm chunk size \(bytes.count) exceeds the maximum chunk size of \(limits.chunkBytes)")
        }
        let hash = Array(SHA256.hash(data: bytes))
        if !step.state.chunks.contains(hash) {
            guard step.state.chunks.count < limits.chunks else {
                throw Rejection(
                    .canisterContractViolation,
                    "Wasm chunk store has already reached maximum capacity of \(limits.chunks * limits.chunkBytes) bytes")
            }
            step.state.chunks.append(hash)
            step.store.chunks.append((step.state.id, hash, bytes))
        }
        return ManagementMethod.reply(.record(["hash": .blob(hash)]), .record(["hash": .blob]))
    }

    func uninstall(_ call: CallRequest, _ step: inout Step) throws(Rejection) {
        let id = step.state.id
        do throws(EngineError) {
            step.state.heapGeneration += 1
            step.state.stableGeneration += 1
            step.installation = Step.Installation(
                module: nil,
                heap: try MemoryImage(path: store?.imagePath(id, stable: false, generation: step.state.heapGeneration)),
                stable: try MemoryImage(path: store?.imagePath(id, stable: true, generation: step.state.stableGeneration)))
        } catch {
            throw Rejection(.canisterWasmEngineError, error.description)
        }
        for context in step.state.contexts.values where !context.responded {
            step.respond(
                to: context.origin,
                .failure(Rejection(reject: .canisterReject, error: .canisterRejectedMessage, message: "Canister has been uninstalled.")),
                refund: context.available)
        }
        step.state.contexts = [:]
        step.state.moduleHash = nil
        step.state.moduleBytes = 0
        step.state.globals = []
        step.state.heapBytes = 0
        step.state.stableBytes = 0
        step.state.certifiedData = []
        step.state.timer = 0
        step.state.log.clear()
        step.state.chunks = []
        step.store.clearedChunks.append(id)
        step.state.version += 1
        step.state.record(.uninstall, origin: origin(call), time: step.time, keep: configuration.limits.historyEntries)
    }

    /// The cycles faucet of a local network.
    public func addCycles(_ amount: UInt128, to canister: Principal) async throws(Rejection) {
        let argument = (try? Candid.encode(
            [.record(["canister_id": .principal(canister.bytes), "amount": ManagementMethod.nat(amount)])],
            as: [.record(["canister_id": .principal, "amount": .nat])])) ?? []
        guard hasCanister(canister) else { throw Self.notFound(canister) }
        lock.withLock {
            guard let target = table[canister] else { return }
            let call = CallRequest(
                origin: .system, sender: .anonymous, method: "provisional_top_up_canister", argument: argument)
            _ = enqueue(.management(call), to: target)
            schedule(target)
        }
        await settle()
    }
}
