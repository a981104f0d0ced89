import Kernels

/// Runs a plan with the kernels of this package: the same bits on every machine and with any number of threads.
public final class PortableExecutor {
    public let plan: Plan
    public let workers: Workers
    let arena: UnsafeMutablePointer<Float>

    public init(_ plan: Plan, workers: Workers = .serial) {
        self.plan = plan
        self.workers = workers
        arena = UnsafeMutablePointer<Float>.allocate(capacity: plan.arenaCount)
        arena.initialize(repeating: 0, count: plan.arenaCount)
    }

    deinit { arena.deallocate() }

    /// Computes every output from the leaves; allocates nothing.
    public func run() { fatalError("being written") }

    /// The memory of a leaf or an output of the plan; valid as long as the executor.
    public func buffer(of value: Value) -> UnsafeMutableBufferPointer<Float> { fatalError("being written") }

    /// Copies numbers into a leaf.
    public func write(_ numbers: [Float], to leaf: Value) throws(AutodiffError) {
        let target = buffer(of: leaf)
        guard numbers.count == target.count else {
            throw .count(expected: target.count, found: numbers.count)
        }
        for i in 0..<numbers.count { target[i] = numbers[i] }
    }

    /// A copy of a leaf or an output.
    public func read(_ value: Value) -> [Float] { Array(buffer(of: value)) }
}

/// The number that a value has when the leaves have these: a one-line evaluation for tests and notebooks.
public func evaluate(_ value: Value, _ leaves: [(Value, [Float])] = []) throws(AutodiffError) -> [Float] {
    let executor = PortableExecutor(try Plan(value.graph, outputs: [value]))
    for (leaf, numbers) in leaves { try executor.write(numbers, to: leaf) }
    executor.run()
    return executor.read(value)
}
