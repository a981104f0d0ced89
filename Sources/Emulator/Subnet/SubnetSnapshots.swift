import Candid
import Crypto
import Foundation
import InternetComputer

/// The management methods about snapshots; they run in the canister's own queue, between its messages.
extension Subnet {
    static let snapshotMethods: Set<String> = [
        "take_canister_snapshot", "load_canister_snapshot", "list_canister_snapshots", "delete_canister_snapshot",
        "read_canister_snapshot_metadata", "read_canister_snapshot_data", "upload_canister_snapshot_metadata",
        "upload_canister_snapshot_data",
    ]

    func snapshotCall(_ call: CallRequest, _ canister: Canister, _ step: inout Step) throws(Rejection) -> [UInt8] {
        do {
            switch call.method {
            case "take_canister_snapshot": return try take(call, canister, &step)
            case "load_canister_snapshot": try load(call, canister, &step)
            case "list_canister_snapshots":
                return ManagementMethod.reply(
                    .vector(step.state.snapshots.map(Self.listed)), .vector(SnapshotTypes.listed))
            case "delete_canister_snapshot":
                let snapshot = try find(call, step.state)
                remove(snapshot.id, canister, &step)
            case "read_canister_snapshot_metadata":
                return ManagementMethod.reply(try metadata(find(call, step.state)), SnapshotTypes.metadata)
            case "read_canister_snapshot_data": return try readData(call, canister, &step)
            case "upload_canister_snapshot_metadata": return try uploadMetadata(call, canister, &step)
            default: try uploadData(call, canister, &step)
            }
            return ManagementMethod.emptyReply
        } catch let rejection as Rejection {
            throw rejection
        } catch {
            throw Rejection(.canisterWasmEngineError, "\(error)")
        }
    }

    private func find(_ call: CallRequest, _ state: CanisterState) throws(Rejection) -> Snapshot {
        let value = try ManagementMethod.decode(call.argument, .record(["snapshot_id": .blob]))
        let id = value["snapshot_id"]?.asBytes ?? []
        guard let snapshot = state.snapshots.first(where: { $0.id == id }) else {
            let text = id.map { String($0 >> 4, radix: 16) + String($0 & 15, radix: 16) }.joined()
            throw Rejection(
                .canisterSnapshotNotFound, "Could not find the snapshot ID \(text) for canister \(state.id.text).")
        }
        return snapshot
    }

    private func charge(_ instructions: UInt64, _ step: inout Step) {
        let prices = configuration.prices
        step.state.consume(
            prices.execution(instructions: instructions, wide: false) - prices.scaled(UInt128(prices.updateBase)),
            for: "instructions")
    }

    // MARK: Taking, loading, deleting

    /// Makes room and a new id; `replace_snapshot` names the one that goes.
    private func newSnapshot(
        _ call: CallRequest, _ canister: Canister, _ step: inout Step
    ) throws -> [UInt8] {
        let value = try ManagementMethod.decode(call.argument, .record(["replace_snapshot": .optional(.blob)]))
        if let old = value["replace_snapshot"]?.unwrapped?.asBytes {
            guard step.state.snapshots.contains(where: { $0.id == old }) else {
                throw Rejection(
                    .canisterSnapshotNotFound, "Could not find the snapshot ID to replace for canister \(step.state.id.text).")
            }
            remove(old, canister, &step)
        } else if step.state.snapshots.count >= configuration.limits.snapshots {
            throw Rejection(
                .canisterContractViolation,
                "Canister \(step.state.id.text) has reached the maximum number of snapshots allowed: \(configuration.limits.snapshots).")
        }
        charge(configuration.limits.snapshotInstructions, &step)
        return Snapshot.id(number: step.state.newID(), canister: step.state.id)
    }

    private func take(_ call: CallRequest, _ canister: Canister, _ step: inout Step) throws -> [UInt8] {
        let value = try ManagementMethod.decode(call.argument, .record(["uninstall_code": .optional(.bool)]))
        guard let hash = step.state.moduleHash, let module = try moduleBytes(hash) else { throw Self.noModule(step.state.id) }
        let id = try newSnapshot(call, canister, &step)
        let state = step.state
        let snapshot = Snapshot(
            id: id, source: .taken, time: step.time, version: state.version, moduleBytes: UInt64(module.count),
            heapBytes: state.heapBytes, stableBytes: state.stableBytes, globals: state.globals,
            certifiedData: state.certifiedData, timer: state.timer, lowMemoryHook: state.lowMemoryHook,
            chunks: state.chunks)
        let memories = try SnapshotMemories(id, store: store)
        try memories.resize(snapshot)
        try memories.module.write(module, at: 0)
        try memories.heap.copy(canister.memory.heapImage)
        try memories.stable.copy(canister.memory.stableImage)
        memories.synchronize()
        let owner = try Principal(bytes: id)
        for hash in state.chunks {
            if let bytes = chunk(state.id, hash) { step.store.chunks.append((owner, hash, bytes)) }
        }
        step.state.snapshots.append(snapshot)
        step.newSnapshots.append((id, memories))
        if value["uninstall_code"]?.unwrapped?.asBool == true { try uninstall(call, &step) }
        return ManagementMethod.reply(Self.listed(snapshot), SnapshotTypes.listed)
    }

    /// The snapshot to load and the canister it was taken from: this one, or another that the caller controls too.
    private func source(_ call: CallRequest, _ canister: Canister, _ step: Step) throws -> (Snapshot, Canister) {
        let value = try ManagementMethod.decode(call.argument, .record(["snapshot_id": .blob]))
        // The id ends in that of the canister.
        guard let id = value["snapshot_id"]?.asBytes, let owner = try? Principal(bytes: Array(id.dropFirst(8))),
            owner != step.state.id, let other = lock.withLock({ table[owner] })
        else { return (try find(call, step.state), canister) }
        let state = lock.withLock { other.state }
        try check(call, state)
        return (try find(call, state), other)
    }

    private func load(_ call: CallRequest, _ canister: Canister, _ step: inout Step) throws {
        let (snapshot, origin) = try source(call, canister, step)
        guard let memories = lock.withLock({ origin.snapshots[snapshot.id] }) else {
            throw Rejection(.canisterSnapshotNotFound, "The snapshot's data is missing.")
        }
        let bytes = memories.module.read(at: 0, count: Int(snapshot.moduleBytes))
        let module: CompiledModule
        do {
            module = try engine.compile(try PreparedModule.prepare(bytes, limits: configuration.limits, engine: engine))
        } catch let error as WasmError {
            throw Rejection(.canisterInvalidWasm, "The snapshot's module is not valid: \(error)")
        }
        let types = module.prepared.instrumented.mutableGlobals.map(\.type)
        guard types == snapshot.globals.map(\.type) else {
            throw Rejection(.canisterContractViolation, "The snapshot's globals do not fit its module.")
        }
        guard snapshot.heapBytes >= (module.prepared.instrumented.initialPages ?? 0) << 16 else {
            throw Rejection(.canisterContractViolation, "The snapshot's Wasm memory is smaller than its module's.")
        }
        let id = step.state.id
        step.state.heapGeneration += 1
        step.state.stableGeneration += 1
        let heap = try MemoryImage(path: store?.imagePath(id, stable: false, generation: step.state.heapGeneration))
        let stable = try MemoryImage(path: store?.imagePath(id, stable: true, generation: step.state.stableGeneration))
        try heap.copy(memories.heap)
        try stable.copy(memories.stable)
        step.installation = Step.Installation(module: module, heap: heap, stable: stable)
        step.store.modules.append((module.prepared.hash, bytes))
        step.state.moduleHash = module.prepared.hash
        step.state.moduleBytes = snapshot.moduleBytes
        step.state.heapBytes = snapshot.heapBytes
        step.state.stableBytes = snapshot.stableBytes
        step.state.globals = snapshot.globals
        step.state.certifiedData = snapshot.certifiedData
        if snapshot.source == .uploaded { step.state.timer = snapshot.timer }
        step.state.lowMemoryHook = snapshot.lowMemoryHook
        step.state.chunks = snapshot.chunks
        step.store.clearedChunks.append(id)
        let owner = try Principal(bytes: snapshot.id)
        for hash in snapshot.chunks {
            if let bytes = chunk(owner, hash) { step.store.chunks.append((id, hash, bytes)) }
        }
        charge(configuration.limits.snapshotInstructions, &step)
        step.state.version += 1
        step.state.record(
            .snapshot(id: snapshot.id, version: snapshot.version, taken: snapshot.time), origin: self.origin(call),
            time: step.time, keep: configuration.limits.historyEntries)
    }

    private func remove(_ id: [UInt8], _ canister: Canister, _ step: inout Step) {
        step.state.snapshots.removeAll { $0.id == id }
        step.removedSnapshots.append(id)
        if let owner = try? Principal(bytes: id) { step.store.clearedChunks.append(owner) }
    }

    // MARK: Reading and uploading

    private static func listed(_ snapshot: Snapshot) -> CandidValue {
        .record([
            "id": .blob(snapshot.id), "taken_at_timestamp": .nat64(snapshot.time),
            "total_size": .nat64(snapshot.totalBytes),
        ])
    }

    private func metadata(_ snapshot: Snapshot) -> CandidValue {
        let globals = snapshot.globals.map { global -> CandidValue in
            switch global.type {
            case 0x7f: .variant("i32", .int32(Int32(truncatingIfNeeded: global.low)))
            case 0x7e: .variant("i64", .int64(Int64(bitPattern: global.low)))
            case 0x7d: .variant("f32", .float32(Float(bitPattern: UInt32(truncatingIfNeeded: global.low))))
            case 0x7c: .variant("f64", .float64(Double(bitPattern: global.low)))
            default: .variant("v128", ManagementMethod.nat(UInt128(global.high) << 64 | UInt128(global.low)))
            }
        }
        let hook: CandidValue =
            switch snapshot.lowMemoryHook {
            case .notSatisfied: .variant("condition_not_satisfied")
            case .ready: .variant("ready")
            case .executed: .variant("executed")
            }
        return .record([
            "source": snapshot.source == .taken
                ? .variant("taken_from_canister", .reserved) : .variant("metadata_upload", .reserved),
            "taken_at_timestamp": .nat64(snapshot.time), "wasm_module_size": .nat64(snapshot.moduleBytes),
            "globals": .vector(globals), "wasm_memory_size": .nat64(snapshot.heapBytes),
            "stable_memory_size": .nat64(snapshot.stableBytes),
            "wasm_chunk_store": .vector(snapshot.chunks.map { .record(["hash": .blob($0)]) }),
            "canister_version": .nat64(snapshot.version), "certified_data": .blob(snapshot.certifiedData),
            "global_timer": .optional(
                snapshot.timer == 0 ? .variant("inactive") : .variant("active", .nat64(snapshot.timer))),
            "on_low_wasm_memory_hook_status": .optional(hook),
        ])
    }

    private func image(_ kind: CandidValue?, _ memories: SnapshotMemories) -> (MemoryImage, CandidValue)? {
        if let part = kind?.payload(of: "wasm_module") { return (memories.module, part) }
        if let part = kind?.payload(of: "wasm_memory") { return (memories.heap, part) }
        if let part = kind?.payload(of: "stable_memory") { return (memories.stable, part) }
        return nil
    }

    private func readData(_ call: CallRequest, _ canister: Canister, _ step: inout Step) throws -> [UInt8] {
        let snapshot = try find(call, step.state)
        let value = try ManagementMethod.decode(call.argument, .record(["kind": SnapshotTypes.readKind]))
        charge(configuration.limits.snapshotDataInstructions, &step)
        let bytes: [UInt8]
        if let hash = value["kind"]?.payload(of: "wasm_chunk")?["hash"]?.asBytes {
            guard let found = chunk(try Principal(bytes: snapshot.id), hash) else {
                throw Rejection(.canisterContractViolation, "The snapshot has no chunk of this hash.")
            }
            bytes = found
        } else {
            guard let memories = lock.withLock({ canister.snapshots[snapshot.id] }),
                let (image, part) = image(value["kind"], memories),
                let offset = part["offset"]?.asUInt64, let size = part["size"]?.asUInt64,
                size <= UInt64(configuration.limits.replyBytes - 1024), offset <= UInt64(image.bytes),
                size <= UInt64(image.bytes) - offset
            else { throw Self.invalidSlice(call) }
            bytes = image.read(at: Int(offset), count: Int(size))
        }
        return ManagementMethod.reply(.record(["chunk": .blob(bytes)]), .record(["chunk": .blob]))
    }

    private static func invalidSlice(_ call: CallRequest) -> Rejection {
        Rejection(.canisterContractViolation, "\(call.method): the part lies outside of the snapshot's data or is too large.")
    }

    private func uploadMetadata(_ call: CallRequest, _ canister: Canister, _ step: inout Step) throws -> [UInt8] {
        let value = try ManagementMethod.decode(call.argument, SnapshotTypes.upload)
        func size(_ name: StaticString, atMost limit: UInt64) throws(Rejection) -> UInt64 {
            guard let size = value[name]?.asUInt64, size <= limit else {
                throw Rejection(.canisterContractViolation, "\(call.method): \(name) must be at most \(limit).")
            }
            return size
        }
        let limits = configuration.limits
        let moduleBytes = try size("wasm_module_size", atMost: UInt64(limits.moduleBytes))
        let heapBytes = try size("wasm_memory_size", atMost: limits.heap64Bytes)
        let stableBytes = try size("stable_memory_size", atMost: limits.stableBytes)
        let data = value["certified_data"]?.asBytes ?? []
        guard data.count <= limits.certifiedDataBytes, heapBytes % 65_536 == 0, stableBytes % 65_536 == 0 else {
            throw Rejection(.canisterContractViolation, "\(call.method): memory sizes are multiples of 64 KiB, certified data at most \(limits.certifiedDataBytes) bytes.")
        }
        let globals = (value["globals"]?.asVector ?? []).map(Self.global)
        guard globals.count <= limits.globals else { throw Self.invalidSlice(call) }
        let id = try newSnapshot(call, canister, &step)
        var snapshot = Snapshot(
            id: id, source: .uploaded, time: step.time, version: step.state.version, moduleBytes: moduleBytes,
            heapBytes: heapBytes, stableBytes: stableBytes, globals: globals, certifiedData: data, timer: 0,
            lowMemoryHook: .notSatisfied, chunks: [])
        if let timer = value["global_timer"]?.unwrapped?.payload(of: "active")?.asUInt64 { snapshot.timer = timer }
        if let hook = value["on_low_wasm_memory_hook_status"]?.unwrapped {
            snapshot.lowMemoryHook =
                hook.payload(of: "ready") != nil ? .ready : hook.payload(of: "executed") != nil ? .executed : .notSatisfied
        }
        let memories = try SnapshotMemories(id, store: store)
        try memories.resize(snapshot)
        step.state.snapshots.append(snapshot)
        step.newSnapshots.append((id, memories))
        return ManagementMethod.reply(.record(["snapshot_id": .blob(id)]), .record(["snapshot_id": .blob]))
    }

    private static func global(_ value: CandidValue) -> GlobalValue {
        if let v = value.payload(of: "i32")?.asInt32 { return GlobalValue(type: 0x7f, low: UInt64(UInt32(bitPattern: v))) }
        if case .int64(let v) = value.payload(of: "i64") { return GlobalValue(type: 0x7e, low: UInt64(bitPattern: v)) }
        if case .float32(let v) = value.payload(of: "f32") { return GlobalValue(type: 0x7d, low: UInt64(v.bitPattern)) }
        if case .float64(let v) = value.payload(of: "f64") { return GlobalValue(type: 0x7c, low: v.bitPattern) }
        let wide = ManagementMethod.amount(value.payload(of: "v128")) ?? 0
        return GlobalValue(
            type: 0x7b, low: UInt64(truncatingIfNeeded: wide), high: UInt64(truncatingIfNeeded: wide >> 64))
    }

    private func uploadData(_ call: CallRequest, _ canister: Canister, _ step: inout Step) throws {
        let snapshot = try find(call, step.state)
        guard snapshot.source == .uploaded else {
            throw Rejection(.canisterContractViolation, "\(call.method): the snapshot was taken from a canister and cannot be written.")
        }
        let value = try ManagementMethod.decode(
            call.argument, .record(["kind": SnapshotTypes.writeKind, "chunk": .blob]))
        let bytes = value["chunk"]?.asBytes ?? []
        charge(configuration.limits.snapshotDataInstructions, &step)
        if value["kind"]?.payload(of: "wasm_chunk") != nil {
            guard bytes.count <= configuration.limits.chunkBytes, snapshot.chunks.count < configuration.limits.chunks else {
                throw Self.invalidSlice(call)
            }
            let hash = Array(SHA256.hash(data: bytes))
            guard !snapshot.chunks.contains(hash), let index = step.state.snapshots.firstIndex(where: { $0.id == snapshot.id })
            else { return }
            step.state.snapshots[index].chunks.append(hash)
            step.store.chunks.append((try Principal(bytes: snapshot.id), hash, bytes))
            return
        }
        guard let memories = lock.withLock({ canister.snapshots[snapshot.id] }),
            let (image, part) = image(value["kind"], memories), let offset = part["offset"]?.asUInt64,
            offset <= UInt64(image.bytes), UInt64(bytes.count) <= UInt64(image.bytes) - offset
        else { throw Self.invalidSlice(call) }
        try image.write(bytes, at: Int(offset))
        image.synchronize()
    }
}

/// Candid types of the snapshot methods.
enum SnapshotTypes {
    static let listed: CandidType = .record(["id": .blob, "taken_at_timestamp": .nat64, "total_size": .nat64])
    static let globals: CandidType = .vector(
        .variant(["i32": .int32, "i64": .int64, "f32": .float32, "f64": .float64, "v128": .nat]))
    static let timer: CandidType = .optional(.variant(["inactive": .null, "active": .nat64]))
    static let hook: CandidType = .optional(
        .variant(["condition_not_satisfied": .null, "ready": .null, "executed": .null]))
    static let metadata: CandidType = .record([
        "source": .variant(["taken_from_canister": .reserved, "metadata_upload": .reserved]),
        "taken_at_timestamp": .nat64, "wasm_module_size": .nat64, "globals": globals, "wasm_memory_size": .nat64,
        "stable_memory_size": .nat64, "wasm_chunk_store": .vector(.record(["hash": .blob])), "canister_version": .nat64,
        "certified_data": .blob, "global_timer": timer, "on_low_wasm_memory_hook_status": hook,
    ])
    static let upload: CandidType = .record([
        "wasm_module_size": .nat64, "globals": globals, "wasm_memory_size": .nat64, "stable_memory_size": .nat64,
        "certified_data": .blob, "global_timer": timer, "on_low_wasm_memory_hook_status": hook,
    ])
    private static let slice: CandidType = .record(["offset": .nat64, "size": .nat64])
    private static let offset: CandidType = .record(["offset": .nat64])
    static let readKind: CandidType = .variant([
        "wasm_module": slice, "wasm_memory": slice, "stable_memory": slice, "wasm_chunk": .record(["hash": .blob]),
    ])
    static let writeKind: CandidType = .variant([
        "wasm_module": offset, "wasm_memory": offset, "stable_memory": offset, "wasm_chunk": .null,
    ])
}
