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
    /// How many steps were taken.
    public private(set) var steps = 0
    private let graph: TrainingGraph
    public let executor: AcceleratedExecutor
    private let update: ParameterUpdate

    /// - Parameter seed: of the starting parameters, the same that `Learner` starts from.
    public init(
        network: Network, preprocessing: Preprocessing, batch: Int, optimizer: O, seed: UInt64, threads: Int
    ) throws {
        try preprocessing.check(network.architecture)
        guard batch > 0 else { throw LearnerError.batch(capacity: batch, pixels: 0, labels: 0) }
        self.network = network
        self.preprocessing = preprocessing
        self.batch = batch
        self.optimizer = optimizer
        graph = TrainingGraph(network, batch: batch)
        let plan: Plan
        do { plan = try graph.plan() } catch { throw LearnerError.graph(error) }
        executor = try AcceleratedExecutor(
            plan, updating: zip(graph.parameters, graph.gradients).map { ($0, $1) }, threads: threads)
        update = ParameterUpdate(executor, slots: optimizer.stateSlots)
        for (array, value) in zip(network.initialParameters(seed: seed), graph.parameters) {
            try executor.write(array, to: value)
        }
    }

    public func step(
        pixels: UnsafeBufferPointer<UInt8>, labels: UnsafeBufferPointer<UInt8>
    ) throws(LearnerError) -> StepResult {
        let count = labels.count
        guard count > 0, count <= batch, pixels.count == count * network.architecture.inputCount else {
            throw .batch(capacity: batch, pixels: pixels.count, labels: count)
        }
        try writeTargets(labels)
        preprocessing.apply(pixels, to: executor.buffer(of: graph.images), on: executor.library)
        executor.buffer(of: graph.weight)[0] = 1 / Float(count)
        executor.run()
        let loss = executor.buffer(of: graph.loss)[0]
        guard loss.isFinite else { throw .notFinite(step: steps) }
        update.apply(optimizer, step: steps)
        steps += 1
        return StepResult(loss: loss, correct: correct(labels))
    }

    /// One row for each image with 1 at its class; rows of zeros for images that the batch lacks: they weigh nothing.
    private func writeTargets(_ labels: UnsafeBufferPointer<UInt8>) throws(LearnerError) {
        let classes = network.architecture.classes
        let targets = executor.buffer(of: graph.targets)
        targets.update(repeating: 0)
        for index in 0..<labels.count {
            let label = labels[index]
            guard Int(label) < classes else { throw .label(index: index, label: label, classes: classes) }
            targets[index * classes + Int(label)] = 1
        }
    }

    private func correct(_ labels: UnsafeBufferPointer<UInt8>) -> Int {
        let classes = network.architecture.classes
        let logits = executor.buffer(of: graph.logits)
        var correct = 0
        for index in 0..<labels.count {
            var best = 0
            for c in 1..<max(1, classes) where logits[index * classes + c] > logits[index * classes + best] {
                best = c
            }
            if best == Int(labels[index]) { correct += 1 }
        }
        return correct
    }

    /// Row-major, in declaration order.
    public var parameters: [[Float]] { graph.parameters.map { value in made { () throws(AccelerationError) in try executor.read(value) } } }

    /// For each parameter its state, `stateSlots` row-major arrays one after the other.
    public var optimizerState: [[Float]] {
        network.parameters.indices.map { index in
            made { () throws(AccelerationError) in try update.state(index, network.parameters[index].shape) }
        }
    }

    /// Goes on from saved parameters and optimizer state.
    public func restore(
        parameters: [[Float]], optimizerState: [[Float]], steps: Int = 0
    ) throws(LearnerError) {
        try check(parameters, network.parameters.map { $0.count })
        try check(optimizerState, network.parameters.map { $0.count * optimizer.stateSlots })
        for (array, value) in zip(parameters, graph.parameters) {
            made { () throws(AccelerationError) in try executor.write(array, to: value) }
        }
        for (index, array) in optimizerState.enumerated() {
            made { () throws(AccelerationError) in try update.set(array, index, network.parameters[index].shape) }
        }
        self.steps = steps
    }

    /// SHA-256 of the bits of all parameters, little-endian, in declaration order.
    public func weightHash() -> [UInt8] { NeuralNetwork.weightHash(of: parameters) }

    /// The result of a reorder between layouts that were both used before: the library cannot refuse it.
    private func made<T>(_ body: () throws(AccelerationError) -> T) -> T {
        do { return try body() } catch { preconditionFailure("a reorder between known layouts was refused") }
    }
}

extension Preprocessing {
    /// Writes the numbers of `pixels` on the threads of the library, so that no other pool of threads wakes.
    func apply(_ pixels: UnsafeBufferPointer<UInt8>, to output: UnsafeMutableBufferPointer<Float>, on library: Library) {
        let channels = zeroPoints.count
        library.parallel(over: pixels.count / channels) { range in
            let part = range.lowerBound * channels..<range.upperBound * channels
            apply(
                UnsafeBufferPointer(rebasing: pixels[part]), to: UnsafeMutableBufferPointer(rebasing: output[part]),
                workers: .serial)
        }
    }
}
