import Autodiff
import Kernels
import NeuralNetwork

/// A network in training on oneDNN; takes the place of `Learner` where the library is.
///
/// Losses and parameters agree with those of `Learner` within rounding. Parameters, gradients and optimizer state keep
/// the library's layouts from step to step; they become row-major when they are read.
public final class AcceleratedLearner<O: Optimizer>: TrainingEngine {
    public let network: Network
    public let preprocessing: Preprocessing
    /// Most images of one step.
    public let batch: Int
    /// May change between steps, for instance its learning rate.
    public var optimizer: O
    public var options = StepOptions()
    public var exchange: StepExchange?
    /// How many steps were taken.
    public private(set) var steps = 0
    /// Running statistics, in the order of `Network.state`.
    public private(set) var state: [[Float]]
    private let seed: UInt64
    private let graph: TrainingGraph
    public let executor: AcceleratedExecutor
    /// Plan of a smaller batch, for networks that take statistics of a batch: the images that it lacks would count.
    private var partial: (batch: Int, graph: TrainingGraph, executor: AcceleratedExecutor)?
    private let update: ParameterUpdate

    /// - Parameters:
    ///   - seed: of the starting parameters, the same that `Learner` starts from.
    ///   - separately: keeps the calls of a step apart, for profiles.
    public init(
        network: Network, preprocessing: Preprocessing, batch: Int, optimizer: O, seed: UInt64, threads: Int,
        separately: Bool = false
    ) throws {
        try preprocessing.check(network.architecture)
        guard batch > 0 else { throw LearnerError.batch(capacity: batch, pixels: 0, labels: 0) }
        self.network = network
        self.preprocessing = preprocessing
        self.batch = batch
        self.optimizer = optimizer
        self.seed = seed
        state = network.initialState()
        (graph, executor) = try AcceleratedLearner.plan(network, batch: batch, seed: seed, threads: threads, separately: separately)
        update = ParameterUpdate(executor, slots: optimizer.stateSlots)
        for (array, value) in zip(network.initialParameters(seed: seed), graph.parameters) {
            try executor.write(array, to: value)
        }
    }

    private static func plan(
        _ network: Network, batch: Int, seed: UInt64, threads: Int, separately: Bool = false
    ) throws -> (TrainingGraph, AcceleratedExecutor) {
        let graph = TrainingGraph(network, batch: batch, seed: seed)
        let plan: Plan
        do { plan = try graph.plan() } catch { throw LearnerError.graph(error) }
        let executor = try AcceleratedExecutor(
            plan, updating: zip(graph.parameters, graph.gradients).map { ($0, $1) }, threads: threads,
            separately: separately)
        return (graph, executor)
    }

    public func step(
        pixels: UnsafeBufferPointer<UInt8>, labels: UnsafeBufferPointer<UInt8>
    ) throws(LearnerError) -> StepResult {
        let (graph, executor) = try plan(pixels: pixels, images: labels.count)
        try writeTargets(
            labels, classes: network.architecture.classes, options.labelSmoothing,
            to: executor.buffer(of: graph.targets))
        return try step(graph, executor, pixels: pixels, labels)
    }

    /// Learns from one batch with a row of class weights for each image in place of one class.
    ///
    /// - Parameters:
    ///   - labels: the class of each image that an answer is compared with.
    ///   - targets: images x classes; the loss is −Σ target · log p, divided by the number of images.
    public func step(
        pixels: UnsafeBufferPointer<UInt8>, labels: UnsafeBufferPointer<UInt8>,
        targets rows: UnsafeBufferPointer<Float>
    ) throws(LearnerError) -> StepResult {
        let (graph, executor) = try plan(pixels: pixels, images: labels.count)
        guard rows.count == labels.count * network.architecture.classes else {
            throw .batch(capacity: batch, pixels: pixels.count, labels: labels.count)
        }
        let targets = executor.buffer(of: graph.targets)
        targets.update(repeating: 0)
        for i in 0..<rows.count { targets[i] = rows[i] }
        return try step(graph, executor, pixels: pixels, labels)
    }

    private func plan(
        pixels: UnsafeBufferPointer<UInt8>, images: Int
    ) throws(LearnerError) -> (TrainingGraph, AcceleratedExecutor) {
        guard images > 0 || exchange != nil, images <= batch,
            pixels.count == images * network.architecture.inputCount
        else { throw .batch(capacity: batch, pixels: pixels.count, labels: images) }
        if images == batch || images == 0 || network.state.isEmpty { return (graph, executor) }
        if let partial, partial.batch == images { return (partial.graph, partial.executor) }
        do {
            let (graph, executor) = try AcceleratedLearner.plan(
                network, batch: images, seed: seed, threads: executor.library.threads)
            partial = (images, graph, executor)
            return (graph, executor)
        } catch {
            preconditionFailure("a network that was planned cannot be planned for fewer images")
        }
    }

    private func step(
        _ graph: TrainingGraph, _ executor: AcceleratedExecutor, pixels: UnsafeBufferPointer<UInt8>,
        _ labels: UnsafeBufferPointer<UInt8>
    ) throws(LearnerError) -> StepResult {
        let images = labels.count
        if executor !== self.executor {
            for (array, value) in zip(parameters, graph.parameters) {
                made { () throws(AccelerationError) in try executor.write(array, to: value) }
            }
        }
        var step = SharedStep(images: images)
        if images > 0 {
            preprocessing.apply(pixels, to: executor.buffer(of: graph.images), on: executor.library)
            graph.prepare(images: images, steps: steps) { executor.buffer(of: $0) }
            executor.run()
            step = graph.outcome(labels, classes: network.architecture.classes) { executor.buffer(of: $0) }
        }
        let gradients = self.executor.updateBuffers.map { parameter, gradient in
            UnsafeMutableBufferPointer(start: UnsafeMutablePointer(mutating: gradient), count: parameter.count)
        }
        if executor !== self.executor {
            for (index, spec) in network.parameters.enumerated() {
                guard let target = gradients[index].baseAddress else { continue }
                made { () throws(AccelerationError) in
                    try self.executor.set(
                        try executor.gradient(index), likeParameter: index, spec.shape,
                        at: UnsafeMutableRawPointer(target))
                }
            }
        }
        exchange?(gradients + graph.statistics.map { executor.buffer(of: $0) }, &step)
        guard step.loss.isFinite else { throw .notFinite(step: steps) }
        if let maximum = options.maximumGradientNorm { clip(gradients, toNorm: maximum) }
        update.apply(optimizer, step: steps)
        for (index, spec) in network.state.enumerated() {
            if let batch = executor.buffer(of: graph.statistics[index]).baseAddress {
                spec.update(&state[index], batch: UnsafePointer(batch), images: step.images)
            }
        }
        steps += 1
        return StepResult(loss: step.loss, correct: step.correct)
    }

    /// A hash of where the library puts the numbers of every parameter, which depends on the machine and the threads.
    public var gradientOrder: [UInt8] {
        let places = network.parameters.indices.map { index in
            let count = executor.updateBuffers[index].parameter.count
            let whole = Storage.aligned(byteCount: count * 4)
            defer { whole.deallocate() }
            let shape = network.parameters[index].shape
            made { () throws(AccelerationError) in
                try executor.set((0..<shape.count).map { Float($0 + 1) }, likeParameter: index, shape, at: whole)
            }
            return Array(UnsafeBufferPointer(start: whole.assumingMemoryBound(to: Float.self), count: count))
        }
        return NeuralNetwork.weightHash(of: places)
    }

    /// Row-major, in declaration order.
    public var parameters: [[Float]] {
        graph.parameters.map { value in made { () throws(AccelerationError) in try executor.read(value) } }
    }

    /// For each parameter its state, `stateSlots` row-major arrays one after the other.
    public var optimizerState: [[Float]] {
        network.parameters.indices.map { index in
            made { () throws(AccelerationError) in try update.state(index, network.parameters[index].shape) }
        }
    }

    /// Goes on from saved parameters, optimizer state and running statistics.
    public func restore(
        parameters: [[Float]], optimizerState: [[Float]], state: [[Float]], steps: Int = 0
    ) throws(LearnerError) {
        try check(parameters, network.parameters.map { $0.count })
        try check(optimizerState, network.parameters.map { $0.count * optimizer.stateSlots })
        try check(state, network.state.map { $0.count })
        for (array, value) in zip(parameters, graph.parameters) {
            made { () throws(AccelerationError) in try executor.write(array, to: value) }
        }
        for (index, array) in optimizerState.enumerated() {
            made { () throws(AccelerationError) in
                try update.set(array, index, network.parameters[index].shape)
            }
        }
        self.state = state
        self.steps = steps
    }

    /// SHA-256 of the bits of all parameters and then of all running statistics, little-endian, in declaration order.
    public func weightHash() -> [UInt8] { NeuralNetwork.weightHash(of: parameters + state) }

    /// The result of a reorder between layouts that were both used before: the library cannot refuse it.
    private func made<T>(_ body: () throws(AccelerationError) -> T) -> T {
        do { return try body() } catch { preconditionFailure("a reorder between known layouts was refused") }
    }
}

extension Preprocessing {
    /// Writes the numbers of `pixels` on the threads of the library, so that no other pool of threads wakes.
    func apply(
        _ pixels: UnsafeBufferPointer<UInt8>, to output: UnsafeMutableBufferPointer<Float>,
        on library: Library
    ) {
        let channels = zeroPoints.count
        library.parallel(over: pixels.count / channels) { range in
            let part = range.lowerBound * channels..<range.upperBound * channels
            apply(
                UnsafeBufferPointer(rebasing: pixels[part]),
                to: UnsafeMutableBufferPointer(rebasing: output[part]),
                workers: .serial)
        }
    }
}
