import Foundation

/// The committed memories, globals and code of one canister; what a reader takes together is of one commit.
final class CanisterMemory: @unchecked Sendable {
    let lock = NSRecursiveLock()
    // Guarded by `lock`.
    private(set) var heap: MemoryImage
    private(set) var stable: MemoryImage
    private(set) var globals: [GlobalValue]
    private(set) var module: CompiledModule?
    /// The canister's state as of the same commit; nil before the first.
    private(set) var state: CanisterState?
    /// What queries see of `state`; nil until one asks.
    var published: QuerySnapshot?
    var idle: [QueryInstance] = []
    var statistics = QueryStatistics()

    /// One consistent view: private mappings, globals, code.
    struct View {
        var module: CompiledModule
        var heap: PrivateMapping?
        var stable: StableMemory
        var globals: [GlobalValue]
    }

    init(heap: MemoryImage, stable: MemoryImage, globals: [GlobalValue] = [], module: CompiledModule? = nil) {
        self.heap = heap
        self.stable = stable
        self.globals = globals
        self.module = module
    }

    var hasModule: Bool { lock.withLock { module != nil } }
    var currentModule: CompiledModule? { lock.withLock { module } }
    var stableImage: MemoryImage { lock.withLock { stable } }
    var heapImage: MemoryImage { lock.withLock { heap } }

    /// Sets the code after a restart.
    func attach(_ module: CompiledModule) { lock.withLock { self.module = module } }

    /// A view for one message; nil without code.
    func view(limits: SubnetConfiguration.Limits, stablePages: UInt64) throws(EngineError) -> View? {
        lock.lock()
        defer { lock.unlock() }
        guard let module else { return nil }
        return try Self.view(
            module: module, heap: heap, stable: stable, globals: globals, limits: limits, stablePages: stablePages,
            release: { [lock] mapping, image in lock.withLock { image.unregister(mapping) } }, lock: lock)
    }

    /// A view of images that belong to nobody yet, as an install makes them.
    static func view(
        module: CompiledModule, heap: MemoryImage, stable: MemoryImage, globals: [GlobalValue],
        limits: SubnetConfiguration.Limits, stablePages: UInt64,
        release: @escaping (PrivateMapping, MemoryImage) -> Void, lock: NSRecursiveLock
    ) throws(EngineError) -> View {
        let info = module.prepared.instrumented
        var mapping: PrivateMapping?
        if let pages = info.initialPages {
            mapping = try PrivateMapping(
                image: heap, minimum: Int(pages << 16), reserve: Engine.reservedBytes + 2 * Engine.guardBytes,
                onRelease: { release($0, heap) })
        }
        let stableMapping = try PrivateMapping(
            image: stable, minimum: 0, reserve: Int(limits.stableBytes), onRelease: { release($0, stable) })
        return View(
            module: module, heap: mapping,
            stable: StableMemory(mapping: stableMapping, limitBytes: limits.stableBytes, pageBudget: stablePages),
            globals: globals)
    }

    /// Makes the committed state what a message left: new code and memories of an install, then changed pages,
    /// globals and the rest, all at once for whoever takes a view.
    func commit(
        _ state: CanisterState?, installation: Step.Installation? = nil, change: Step.MemoryChange? = nil
    ) throws(EngineError) {
        lock.lock()
        defer { lock.unlock() }
        if let installation {
            module = installation.module
            heap = installation.heap
            if let new = installation.stable { stable = new }
        }
        if let change {
            try heap.commit(change.heap, author: change.view.heap)
            if let delta = change.stable { try stable.commit(delta, author: nil) }
        }
        self.state = state
        if let state { globals = state.globals }
        published = nil
    }

    var currentStatistics: QueryStatistics { lock.withLock { statistics } }

    /// Query statistics since the last time they were taken.
    func takeStatistics() -> QueryStatistics {
        lock.withLock {
            defer { statistics = QueryStatistics() }
            return statistics
        }
    }

    /// Bytes committed in heap and stable memory.
    var sizes: (heap: Int, stable: Int) { lock.withLock { (heap.bytes, stable.bytes) } }

    /// A new heap with the module's data segments.
    static func freshHeap(_ module: CompiledModule, path: String?) throws(EngineError) -> MemoryImage {
        let image = try MemoryImage(path: path)
        let info = module.prepared.instrumented
        try image.resize(Int((info.initialPages ?? 0) << 16))
        for segment in info.dataSegments { try image.write(segment.content, at: Int(segment.address)) }
        return image
    }

    func synchronize() {
        let (heap, stable) = lock.withLock { (self.heap, self.stable) }
        heap.synchronize()
        stable.synchronize()
    }
}
