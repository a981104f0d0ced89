import Foundation
import InternetComputer
import Logging
import Synchronization

/// One application subnet as pure state: canisters, messages, time; no sockets.
///
/// Everything acknowledged is in the state directory first. Queries run in parallel with updates.
public final class Subnet: @unchecked Sendable {
    public let configuration: SubnetConfiguration
    let engine: Engine
    let store: StateStore?
    let updates: WorkerPool
    let queries: WorkerPool
    let instances = QueryInstances()
    let rounds: RoundBudget?
    var logger: Logger { configuration.logger }
    /// Queries that run on threads of the HTTP server now.
    let inlineQueries = Atomic<Int>(0)

    /// Guards everything below. Held briefly; never while Wasm runs or the database is written.
    let lock = NSLock()
    /// One commit at a time: database, then images, then the state in memory.
    let commitLock = NSLock()
    var table: [Principal: Canister] = [:]
    /// The queue of calls that create canisters or concern none.
    let management: Canister
    var requests: [[UInt8]: RequestRecord] = [:]
    var waiters: [[UInt8]: [Waiter]] = [:]
    /// Messages of senders who wait, which the store gets with their outcome.
    var unstored: [[UInt8]: UnstoredMessage] = [:]
    /// Certificates of certified data, while nothing changes.
    var certificates: [Principal: CachedCertificate] = [:]
    var chunks: [Principal: [[UInt8]: [UInt8]]] = [:]
    var modules: [[UInt8]: [UInt8]] = [:]
    var nextSequence: UInt64 = 1
    var nextCanister: UInt64
    var lastTime: UInt64 = 0
    var commits: UInt64 = 0
    var counters = SubnetCounters()
    var unfinished = 0
    /// Bytes of the arguments of calls from outside that wait in queues.
    var queuedIngressBytes = 0
    var idleWaiters: [CheckedContinuation<Void, Never>] = []
    var closed = false
    private var ticker: Task<Void, Never>?

    /// Opens (or makes) the state directory; `nil` keeps the state in memory only.
    public init(configuration: SubnetConfiguration, stateDirectory: URL?) throws {
        self.configuration = configuration
        rounds = RoundBudget(configuration)
        store = try stateDirectory.map { try StateStore(directory: $0) }
        engine = try Engine(cacheDirectory: store?.compiled)
        updates = WorkerPool(name: "update", threads: configuration.workerThreads)
        queries = WorkerPool(name: "query", threads: configuration.workerThreads)
        nextCanister = configuration.firstCanister
        management = Canister(
            state: CanisterState(id: .managementCanister, settings: CanisterSettings(controllers: [])),
            memory: CanisterMemory(heap: try MemoryImage(path: nil), stable: try MemoryImage(path: nil)))
        try restore()
        logger.info("state opened", metadata: [
            "canisters": "\(table.count)", "queued": "\(unfinished)", "directory": "\(stateDirectory?.path ?? "none")",
        ])
        if configuration.automaticTicks { startTicking() }
    }

    private func startTicking() {
        ticker = Task.detached { [weak self] in
            while !Task.isCancelled {
                try? await Task.sleep(nanoseconds: 500_000_000)
                guard let self else { return }
                self.enqueueTasks()
            }
        }
    }

    /// Finishes running messages, writes a checkpoint and releases the state directory.
    public func shutdown() async {
        ticker?.cancel()
        lock.withLock { closed = true }
        updates.stop()
        queries.stop()
        commitLock.withLock {
            // What was interrupted runs when the emulator starts again.
            _ = writeUnstored(lock.withLock { Array(unstored.keys) })
            try? store?.checkpoint { for canister in lock.withLock({ Array(table.values) }) { canister.memory.synchronize() } }
            store?.close()
        }
    }

    // MARK: Start-up

    private func restore() throws {
        guard let store else { return }
        let contents = try store.load()
        nextCanister = contents.nextCanister ?? nextCanister
        var paths: Set<String> = []
        for state in contents.canisters {
            let heapPath = store.imagePath(state.id, stable: false, generation: state.heapGeneration)
            let stablePath = store.imagePath(state.id, stable: true, generation: state.stableGeneration)
            paths.formUnion([heapPath, stablePath])
            let heap = try MemoryImage(path: heapPath)
            let stable = try MemoryImage(path: stablePath)
            try heap.resize(Int(state.heapBytes))
            try stable.resize(Int(state.stableBytes))
            let memory = CanisterMemory(heap: heap, stable: stable, globals: state.globals)
            try memory.commit(state)
            let canister = Canister(state: state, memory: memory)
            for snapshot in state.snapshots {
                for kind in SnapshotMemories.kinds { paths.insert(store.snapshotPath(snapshot.id, kind)) }
                let memories = try SnapshotMemories(snapshot.id, store: store)
                try memories.resize(snapshot)
                canister.snapshots[snapshot.id] = memories
            }
            table[state.id] = canister
        }
        try store.replay { redo in
            guard let canister = table[try Principal(bytes: redo.canister)] else { return }
            let state = canister.state
            guard redo.generation == (redo.isStable ? state.stableGeneration : state.heapGeneration) else { return }
            let image = redo.isStable ? canister.memory.stableImage : canister.memory.heapImage
            try image.commit(redo.delta, author: nil)
        }
        store.removeImages(except: paths)
        try store.dropUnusedModules(keeping: table.values.compactMap(\.state.moduleHash))
        for (id, record) in contents.requests { requests[id] = record }
        for entry in contents.messages {
            nextSequence = max(nextSequence, entry.sequence + 1)
            (table[entry.canister] ?? management).push(entry.sequence, entry.message)
            queuedIngressBytes += entry.message.ingressBytes
        }
        var compiled: [[UInt8]: CompiledModule] = [:]
        for canister in table.values {
            guard let hash = canister.state.moduleHash else { continue }
            if let known = compiled[hash] {
                canister.memory.attach(known)
                continue
            }
            guard let bytes = try store.module(hash) else { throw StateFormatError(offset: 0) }
            let prepared = try PreparedModule.prepare(bytes, limits: configuration.limits, engine: nil)
            let module = try engine.compile(prepared)
            compiled[hash] = module
            canister.memory.attach(module)
        }
        for canister in table.values where canister.pending > 0 { schedule(canister) }
        if management.pending > 0 { schedule(management) }
    }

    // MARK: Time

    /// A time later than any given before. Call with the lock held.
    func newTime() -> UInt64 {
        lastTime = max(lastTime + 1, configuration.clock())
        return lastTime
    }

    // MARK: Queues

    /// Appends a message. Call with the lock held; returns its sequence number.
    func enqueue(_ message: QueuedMessage, to canister: Canister) -> UInt64 {
        let sequence = nextSequence
        nextSequence += 1
        canister.push(sequence, message)
        return sequence
    }

    /// Starts a worker on a canister with messages. Call with the lock held, or before the subnet is shared.
    func schedule(_ canister: Canister) {
        guard !canister.busy, canister.hasWork, !closed else { return }
        canister.busy = true
        unfinished += 1
        Task(executorPreference: updates) { [self] in await work(on: canister) }
    }

    private func work(on canister: Canister) async {
        for _ in 0..<64 {
            let next = lock.withLock { () -> (sequence: UInt64, message: QueuedMessage, state: CanisterState, time: UInt64)? in
                guard !closed else { return nil }
                if canister.wantsLowMemoryHook, !canister.isResponseNext {
                    defer { nextSequence += 1 }
                    return (nextSequence, .lowMemory, canister.state, newTime())
                }
                guard let next = canister.pop() else { return nil }
                queuedIngressBytes -= next.message.ingressBytes
                markProcessing(next.message)
                return (next.sequence, next.message, canister.state, newTime())
            }
            guard let next else { break }
            let step = Step(
                state: next.state, sequence: next.sequence, time: next.time, persists: canister !== management)
            if case .management(let call) = next.message, call.method == "http_request" {
                startOutcall(call, next.state, sequence: next.sequence, time: next.time)
                continue
            }
            let finished = await process(next.message, canister, step)
            // A message that the shutdown interrupted stays in the store and runs again.
            if lock.withLock({ closed }) { break }
            commit(finished, canister, next.message)
            await rounds?.spend(finished.instructions % configuration.limits.sliceInstructions) {
                lock.withLock { closed }
            }
        }
        lock.withLock {
            canister.busy = false
            schedule(canister)
        }
        endUnit()
    }

    /// One of the units of work that `settle` waits for is over.
    func endUnit() {
        let idle = lock.withLock { () -> [CheckedContinuation<Void, Never>] in
            unfinished -= 1
            guard unfinished == 0 || closed else { return [] }
            defer { idleWaiters = [] }
            return idleWaiters
        }
        for waiter in idle { waiter.resume() }
    }

    /// Returns when no message is queued or running.
    public func settle() async {
        await withCheckedContinuation { continuation in
            let ready = lock.withLock {
                if unfinished == 0 || closed { return true }
                idleWaiters.append(continuation)
                return false
            }
            if ready { continuation.resume() }
        }
    }

    /// Shows an ingress message as being processed; not durable, for it starts again after a crash.
    private func markProcessing(_ message: QueuedMessage) {
        switch message {
        case .request(let call), .management(let call):
            if case .ingress(let id) = call.origin { requests[id]?.status = .processing }
        case .response, .heartbeat, .timer, .lowMemory: break
        }
    }

    // MARK: Commit

    /// Makes a step durable, then visible, then tells who waits for it.
    func commit(_ finished: Step, _ canister: Canister, _ message: QueuedMessage) {
        var step = finished
        log(message, step)
        commitLock.lock()
        var targets: [(Canister, QueuedMessage, UInt64)] = []
        lock.withLock {
            for entry in step.sends {
                let target = table[entry.to] ?? management
                targets.append((target, entry.message, nextSequence))
                step.store.addedMessages.append((nextSequence, entry.to, entry.message))
                nextSequence += 1
            }
            for answer in step.answers {
                guard var record = requests[answer.requestID] else { continue }
                record.status = answer.status
                record.finished = step.time
                step.store.requests.append((answer.requestID, record))
            }
        }
        let waiting = lock.withLock { takeUnstored(step.sequence) }
        if let waiting {
            // It goes on in other messages: its sender may be told so at any time from now on.
            if !step.store.requests.contains(where: { $0.id == waiting.id }) { step.store.requests.append(waiting) }
        } else {
            step.store.removedMessages.append(step.sequence)
        }
        if step.persists, !step.deleted { step.store.canisters.append(step.state) }
        if step.deleted { step.store.deletedCanisters.append(step.state.id) }
        step.store.canisters += step.created.map(\.state)
        if let change = step.change {
            let id = step.state.id.bytes
            if !change.heap.runs.isEmpty {
                step.store.redo.append(
                    .init(canister: id, isStable: false, generation: step.state.heapGeneration, delta: change.heap))
            }
            if let stable = change.stable {
                step.store.redo.append(
                    .init(canister: id, isStable: true, generation: step.state.stableGeneration, delta: stable))
            }
        }
        do {
            try store?.apply(step.store)
            if step.persists {
                try canister.memory.commit(
                    step.deleted ? nil : step.state, installation: step.installation, change: step.change)
            }
            for created in step.created { try created.memory.commit(created.state) }
        } catch {
            // The disk is full or the database is gone: nothing further may be acknowledged.
            logger.critical("The state cannot be written; the emulator stops accepting messages: \(error)")
            lock.withLock { closed = true }
            commitLock.unlock()
            return
        }
        step.change = nil
        var wake: [(Waiter, RequestStatus)] = []
        lock.withLock {
            counters.count(message, step, before: canister.state)
            if step.persists { canister.state = step.state }
            for created in step.created { table[created.state.id] = created }
            for (id, memories) in step.newSnapshots { canister.snapshots[id] = memories }
            for id in step.removedSnapshots { canister.snapshots[id] = nil }
            if step.deleted {
                counters.deletedQueries.add(step.state.queryStatistics)
                table[step.state.id] = nil
            }
            for request in step.store.requests {
                requests[request.id] = request.record
                guard request.record.status.isFinal else { continue }
                for waiter in waiters.removeValue(forKey: request.id) ?? [] { wake.append((waiter, request.record.status)) }
            }
            if store == nil {
                for module in step.store.modules { modules[module.hash] = module.bytes }
                for id in step.store.clearedChunks { chunks[id] = nil }
                for chunk in step.store.chunks { chunks[chunk.canister, default: [:]][chunk.hash] = chunk.bytes }
            }
            for (target, message, sequence) in targets {
                target.push(sequence, message)
                schedule(target)
            }
            commits += 1
        }
        if let store, store.needsCheckpoint {
            try? store.checkpoint { for other in lock.withLock({ Array(table.values) }) { other.memory.synchronize() } }
            lock.withLock { counters.checkpoints += 1 }
            logger.debug("checkpoint written")
        }
        commitLock.unlock()
        for (waiter, status) in wake { waiter.resume(status) }
        if let store, !step.removedSnapshots.isEmpty || step.deleted {
            store.removeSnapshots(step.removedSnapshots + (step.deleted ? step.state.snapshots.map(\.id) : []))
        }
    }

    /// The request whose message of this number has just run for the first time, if the store does not know it yet.
    private func takeUnstored(_ sequence: UInt64) -> (id: [UInt8], record: RequestRecord)? {
        guard let id = unstored.first(where: { $0.value.sequence == sequence })?.key else { return nil }
        unstored[id] = nil
        return requests[id].map { (id, $0) }
    }

    // MARK: Reading

    /// True when this canister lives here.
    public func hasCanister(_ canister: Principal) -> Bool { lock.withLock { table[canister] != nil } }

    /// Ids of all canisters, ascending.
    public var canisters: [Principal] { lock.withLock { table.keys.sorted() } }

    /// First and last canister id of the subnet's range.
    public var canisterRange: (first: Principal, last: Principal) {
        (.canister(configuration.firstCanister), .canister(configuration.firstCanister + configuration.canisterRange - 1))
    }

    /// Time of the latest state, nanoseconds since 1970.
    public var time: UInt64 { lock.withLock { newTime() } }

    /// Number of committed messages.
    public var height: UInt64 { lock.withLock { commits } }

    /// Bytes of an installed module.
    func moduleBytes(_ hash: [UInt8]) throws -> [UInt8]? {
        if let store { return try store.module(hash) }
        return lock.withLock { modules[hash] }
    }

    /// Bytes of a chunk.
    func chunk(_ canister: Principal, _ hash: [UInt8]) -> [UInt8]? {
        if let store { return (try? store.chunk(canister, hash)) ?? nil }
        return lock.withLock { chunks[canister]?[hash] }
    }
}

/// A queued message that is not in the store.
struct UnstoredMessage: Sendable {
    let sequence: UInt64
    let canister: Principal
    let message: QueuedMessage
}

/// Somebody who waits for a request; resumed once.
final class Waiter: @unchecked Sendable {
    private let lock = NSLock()
    private var continuation: CheckedContinuation<RequestStatus?, Never>?

    init(_ continuation: CheckedContinuation<RequestStatus?, Never>) { self.continuation = continuation }

    func resume(_ status: RequestStatus?) {
        let taken = lock.withLock {
            defer { continuation = nil }
            return continuation
        }
        taken?.resume(returning: status)
    }
}
