import Kernels

/// Runs a plan with the kernels of this package: the same bits on every machine and with any number of threads.
public final class PortableExecutor {
    public let plan: Plan
    public let workers: Workers
    let arena: UnsafeMutablePointer<Float>

    public init(_ plan: Plan, workers: Workers = .serial) {
        self.plan = plan
        self.workers = workers
        arena = UnsafeMutableRawPointer.allocate(byteCount: plan.arenaBytes, alignment: 64)
            .bindMemory(to: Float.self, capacity: plan.arenaCount)
        arena.initialize(repeating: 0, count: plan.arenaCount)
        for (place, value) in plan.constants { arena[place] = value }
    }

    deinit { UnsafeMutableRawPointer(arena).deallocate() }

    /// Computes every output from the leaves.
    ///
    /// No memory is asked for: all of it, scratch included, is the arena. (With several threads, Dispatch keeps
    /// two small records of its own for each parallel kernel.)
    public func run() {
        for index in plan.steps.indices { run(plan.steps[index]) }
    }

    /// Computes one step, whose arguments must be there; for profiles.
    public func run(_ step: Plan.Step) {
        switch step.op {
        case .input, .parameter, .constant, .reshape: break
        case .add, .subtract, .multiply, .divide, .negate, .exp, .log, .squareRoot, .relu, .reluGradient, .sigmoid,
            .tanh, .erf, .power, .round, .clamp, .clampGradient:
            elementwise(step)
        case .select, .maximum, .uniform: selection(step)
        case .sum, .broadcast, .transpose: shaping(step)
        case .slice, .pad, .concatenate, .gather, .scatterAdd: slicing(step)
        case .matmul(let transposeA, let transposeB):
            matrixProduct(step, transposeA: transposeA, transposeB: transposeB)
        case .conv2d, .conv2dInputGradient, .conv2dFilterGradient: convolution(step)
        case .maxPool2d, .maxPool2dScatter, .maxPool2dSelect: maxPool(step)
        case .batchMean, .batchVariance, .batchNorm, .normalize, .batchNormScaleGradient, .batchNormInputGradient:
            batchNormalisation(step)
        case .softmax, .logSoftmax: normalisedExponential(step)
        }
    }

    func input(_ step: Plan.Step, _ place: Int) -> UnsafePointer<Float> {
        UnsafePointer(arena + step.inputs[place])
    }

    /// The memory of a leaf or an output of the plan; valid as long as the executor.
    public func buffer(of value: Value) -> UnsafeMutableBufferPointer<Float> {
        UnsafeMutableBufferPointer(start: arena + plan.place(of: value), count: value.shape.count)
    }

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

/// The numbers of a value when the leaves have these: a one-line evaluation for tests and notebooks.
public func evaluate(_ value: Value, _ leaves: [(Value, [Float])] = []) throws(AutodiffError) -> [Float] {
    let executor = PortableExecutor(try Plan(value.graph, outputs: [value] + leaves.map { $0.0 }))
    for (leaf, numbers) in leaves { try executor.write(numbers, to: leaf) }
    executor.run()
    return executor.read(value)
}
