import Foundation

/// An instance that serves one query after the other on the same canister.
///
/// While it waits it is no reader of the images: a commit changes what its untouched pages show and leaves the pages
/// it has copies of as they are. `written` names the latter, and they get the committed content back, under the
/// canister's lock, before the next query runs.
final class QueryInstance: @unchecked Sendable {
    let module: CompiledModule
    let heap: PrivateMapping?
    let stable: PrivateMapping
    /// Nil until the first query made the instance.
    var execution: Execution?
    /// What the execution knows of the canister.
    var snapshot: QuerySnapshot?
    fileprivate var written: [Range<Int>] = []

    /// Copying more than this many bytes back costs more than a new instance.
    static let largestReset = 1 << 20

    init(_ view: CanisterMemory.View) {
        module = view.module
        heap = view.heap
        stable = view.stable.mapping
    }

    /// Whether the memories still are those committed, at the same size.
    fileprivate func fits(_ module: CompiledModule, heap image: MemoryImage, stable stableImage: MemoryImage) -> Bool {
        self.module === module && stable.image === stableImage && stable.imageBytes == stableImage.bytes
            && heap.map { $0.image === image && $0.imageBytes == image.bytes } ?? true
    }

    /// Becomes a reader of the images, with committed content everywhere.
    fileprivate func refresh() -> Bool {
        guard heap?.restore(written) ?? true else { return false }
        written = []
        heap.map { $0.image?.register($0) }
        stable.image?.register(stable)
        return true
    }

    fileprivate func unregister() {
        heap.map { $0.image?.unregister($0) }
        stable.image?.unregister(stable)
    }

    /// Notes the pages to restore; false when the instance should rather go. Call when it is no reader any more.
    fileprivate func prepareForReuse() -> Bool {
        guard let execution, execution.failure == nil, module.prepared.instrumented.isReusable,
            !execution.stable.isChanged, !stable.wasDetached
        else { return false }
        guard let heap else { return true }
        guard heap.bytes == max(heap.imageBytes, heap.minimumBytes) else { return false }
        written = heap.writtenPages()
        return written.reduce(0) { $0 + $1.count } <= Self.largestReset
            && (written.last?.upperBound ?? 0) <= heap.imageBytes
    }
}

/// What queries see of a canister besides its memories, as of one commit.
final class QuerySnapshot: @unchecked Sendable {
    let state: CanisterState
    /// Without the time.
    let environment: CanisterEnvironment
    /// Why the canister answers no query now, whatever the method.
    let refusal: Rejection?
    private let lock = NSLock()
    private var certificate: (bytes: [UInt8], time: UInt64)?

    init(_ state: CanisterState, environment: CanisterEnvironment, refusal: Rejection?) {
        self.state = state
        self.environment = environment
        self.refusal = refusal
    }

    /// The data certificate, made anew when the last one is older than `age` nanoseconds.
    func certificate(at time: UInt64, age: UInt64, make: () -> [UInt8]?) -> [UInt8]? {
        lock.lock()
        defer { lock.unlock() }
        if let certificate, certificate.time <= time, time - certificate.time <= age { return certificate.bytes }
        guard let bytes = make() else { return nil }
        certificate = (bytes, time)
        return bytes
    }
}

/// Instances that wait for queries, kept below a number for the whole subnet.
final class QueryInstances: @unchecked Sendable {
    /// Each reserves the address space of its canister's heap and stable memory, of which a process has 128 TiB.
    static let most = 48

    private let lock = NSLock()
    private var owners: [(memory: CanisterMemory, count: Int)] = []
    private var total = 0

    /// Counts a new instance of a canister; the one that has waited longest makes room.
    func add(_ memory: CanisterMemory) {
        let evicted: CanisterMemory? = lock.withLock {
            if let index = owners.firstIndex(where: { $0.memory === memory }) {
                var entry = owners.remove(at: index)
                entry.count += 1
                owners.append(entry)
            } else {
                owners.append((memory, 1))
            }
            total += 1
            guard total > Self.most, let first = owners.first, first.memory !== memory else { return nil }
            return first.memory
        }
        evicted?.dropIdle(self)
    }

    func remove(_ count: Int, of memory: CanisterMemory) {
        guard count > 0 else { return }
        lock.withLock {
            total -= count
            guard let index = owners.firstIndex(where: { $0.memory === memory }) else { return }
            owners[index].count -= count
            if owners[index].count <= 0 { owners.remove(at: index) }
        }
    }
}

extension CanisterMemory {
    /// What one query runs on.
    struct Lease {
        let instance: QueryInstance
        let snapshot: QuerySnapshot
        let globals: [GlobalValue]
    }

    enum LeaseResult {
        case lease(Lease)
        case refused(Rejection)
        case noCode
    }

    /// An instance on the committed state, with the snapshot of the same commit. Give it back with `giveBack`.
    func lease(
        _ pool: QueryInstances, limits: SubnetConfiguration.Limits, snapshot make: (CanisterState) -> QuerySnapshot
    ) throws(EngineError) -> LeaseResult {
        var stale: [QueryInstance] = []
        var isNew = false
        lock.lock()
        // The pool may lock another canister to make room: not while this one is locked.
        defer {
            lock.unlock()
            pool.remove(stale.count, of: self)
            if isNew { pool.add(self) }
        }
        let current: QuerySnapshot
        if let published { current = published } else {
            guard let state else { return .noCode }
            current = make(state)
            published = current
        }
        if let refusal = current.refusal { return .refused(refusal) }
        guard let module else { return .noCode }
        while let candidate = idle.popLast() {
            if candidate.fits(module, heap: heap, stable: stable), candidate.refresh() {
                return .lease(Lease(instance: candidate, snapshot: current, globals: globals))
            }
            stale.append(candidate)
        }
        guard let view = try view(limits: limits, stablePages: limits.stableQueryPages) else { return .noCode }
        isNew = true
        return .lease(Lease(instance: QueryInstance(view), snapshot: current, globals: globals))
    }

    /// Takes an instance back after its query, for the next one if it can serve it.
    ///
    /// `request` is the size of a query's argument; nil for what is no query and not counted as one.
    func giveBack(_ lease: Lease, _ pool: QueryInstances, instructions: UInt64, request: Int?, response: Int) {
        let instance = lease.instance
        lock.lock()
        instance.unregister()
        if let request { statistics.add(instructions: instructions, request: request, response: response) }
        lock.unlock()
        guard instance.prepareForReuse() else {
            pool.remove(1, of: self)
            return
        }
        lock.lock()
        idle.append(instance)
        lock.unlock()
    }

    /// Lets waiting instances go.
    func dropIdle(_ pool: QueryInstances) {
        lock.lock()
        let dropped = idle
        idle = []
        lock.unlock()
        pool.remove(dropped.count, of: self)
    }
}

/// What queries of a canister came to (`query_stats` of canister_status).
struct QueryStatistics: Sendable, Equatable {
    var calls: UInt64 = 0
    var instructions: UInt64 = 0
    var requestBytes: UInt64 = 0
    var responseBytes: UInt64 = 0

    mutating func add(instructions used: UInt64, request: Int, response: Int) {
        calls &+= 1
        instructions &+= used
        requestBytes &+= UInt64(request)
        responseBytes &+= UInt64(response)
    }

    mutating func add(_ other: QueryStatistics) {
        calls &+= other.calls
        instructions &+= other.instructions
        requestBytes &+= other.requestBytes
        responseBytes &+= other.responseBytes
    }
}
