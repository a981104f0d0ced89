import Autodiff
import Kernels

/// Why a network could not be trained or evaluated.
public enum LearnerError: Error, Equatable, Sendable {
    /// Pixels and labels of a batch do not go together, or are none or too many.
    case batch(capacity: Int, pixels: Int, labels: Int)
    /// A label that is no class, at this place of the batch.
    case label(index: Int, label: UInt8, classes: Int)
    /// Zero points: one for each channel.
    case preprocessing(channels: Int, zeroPoints: Int)
    /// An array to restore has not the size that the network asks for; `array` is −1 when their number differs.
    case parameters(array: Int, expected: Int, found: Int)
    /// The loss of this step (counted from 0) is infinite or not a number; parameters are those before it.
    case notFinite(step: Int)
    case graph(AutodiffError)
}

/// What one training step saw, before it moved the parameters.
public struct StepResult: Equatable, Sendable {
    /// Mean cross entropy of the batch.
    public let loss: Float
    /// How many images had their largest logit (the first of equals) at the label.
    public let correct: Int

    package init(loss: Float, correct: Int) {
        self.loss = loss
        self.correct = correct
    }
}

/// A network in training: parameters, running statistics, optimizer state and the planned step.
public final class Learner<O: Optimizer> {
    public let network: Network
    public let preprocessing: Preprocessing
    /// Most images of one step.
    public let batch: Int
    /// May change between steps, for instance its learning rate.
    public var optimizer: O
    public var options = StepOptions()
    public var exchange: StepExchange?
    /// Row-major, always.
    public var gradientOrder: [UInt8] { [] }
    /// How many steps were taken.
    public private(set) var steps = 0
    private let seed: UInt64
    private let full: PlannedStep
    /// Plan of a smaller batch, for networks that take statistics of a batch: the images that it lacks would count.
    private var partial: PlannedStep?
    /// For each parameter, `stateSlots` arrays one after the other.
    private var moments: [[Float]]
    /// Running statistics, in declaration order.
    public private(set) var state: [[Float]]

    /// - Parameter seed: of the starting parameters and of dropout.
    public init(
        network: Network, preprocessing: Preprocessing, batch: Int, optimizer: O, seed: UInt64,
        workers: Workers = .serial
    ) throws(LearnerError) {
        try preprocessing.check(network.architecture)
        guard batch > 0 else { throw .batch(capacity: batch, pixels: 0, labels: 0) }
        self.network = network
        self.preprocessing = preprocessing
        self.batch = batch
        self.optimizer = optimizer
        self.seed = seed
        full = try PlannedStep(network, batch: batch, seed: seed, workers: workers)
        moments = network.parameters.map { [Float](repeating: 0, count: $0.count * optimizer.stateSlots) }
        state = network.initialState()
        for (array, value) in zip(network.initialParameters(seed: seed), full.graph.parameters) {
            copy(array, to: full.executor.buffer(of: value))
        }
    }

    /// What the step runs, for profiles.
    public var plan: Plan { full.executor.plan }

    /// Learns from one batch; the last of an epoch may have fewer images.
    ///
    /// - Parameters:
    ///   - pixels: images one after the other, rows, columns and channels as in the architecture.
    ///   - labels: one class index for each image.
    public func step(
        pixels: UnsafeBufferPointer<UInt8>, labels: UnsafeBufferPointer<UInt8>
    ) throws(LearnerError) -> StepResult {
        let planned = try plan(pixels: pixels, images: labels.count)
        let targets = planned.executor.buffer(of: planned.graph.targets)
        try writeTargets(labels, classes: network.architecture.classes, options.labelSmoothing, to: targets)
        return try step(planned, pixels: pixels, labels)
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
        let planned = try plan(pixels: pixels, images: labels.count)
        guard rows.count == labels.count * network.architecture.classes else {
            throw .batch(capacity: batch, pixels: pixels.count, labels: labels.count)
        }
        let targets = planned.executor.buffer(of: planned.graph.targets)
        targets.update(repeating: 0)
        for i in 0..<rows.count { targets[i] = rows[i] }
        return try step(planned, pixels: pixels, labels)
    }

    private func plan(pixels: UnsafeBufferPointer<UInt8>, images: Int) throws(LearnerError) -> PlannedStep {
        guard images > 0 || exchange != nil, images <= batch,
            pixels.count == images * network.architecture.inputCount
        else { throw .batch(capacity: batch, pixels: pixels.count, labels: images) }
        if images == batch || images == 0 || network.state.isEmpty { return full }
        if let partial, partial.batch == images { return partial }
        let made = try PlannedStep(network, batch: images, seed: seed, workers: full.executor.workers)
        partial = made
        return made
    }

    private func step(
        _ planned: PlannedStep, pixels: UnsafeBufferPointer<UInt8>, _ labels: UnsafeBufferPointer<UInt8>
    ) throws(LearnerError) -> StepResult {
        let images = labels.count
        let graph = planned.graph
        let executor = planned.executor
        var step = SharedStep(images: images)
        if images > 0 {
            if planned !== full { planned.copyParameters(from: full) }
            preprocessing.apply(pixels, to: executor.buffer(of: graph.images), workers: executor.workers)
            graph.prepare(images: images, steps: steps) { executor.buffer(of: $0) }
            executor.run()
            step = graph.outcome(labels, classes: network.architecture.classes) { executor.buffer(of: $0) }
        }
        let gradients = graph.gradients.map { executor.buffer(of: $0) }
        exchange?(gradients + graph.statistics.map { executor.buffer(of: $0) }, &step)
        guard step.loss.isFinite else { throw .notFinite(step: steps) }
        if let maximum = options.maximumGradientNorm { clip(gradients, toNorm: maximum) }
        for (index, value) in full.graph.parameters.enumerated() {
            guard let gradient = gradients[index].baseAddress else { continue }
            let parameter = full.executor.buffer(of: value)
            let (optimizer, steps) = (optimizer, steps)
            moments[index].withUnsafeMutableBufferPointer { state in
                if let state = state.baseAddress {
                    optimizer.update(parameter, gradient: UnsafePointer(gradient), state: state, step: steps)
                }
            }
        }
        for (index, spec) in network.state.enumerated() {
            if let batch = executor.buffer(of: graph.statistics[index]).baseAddress {
                spec.update(&state[index], batch: UnsafePointer(batch), images: step.images)
            }
        }
        steps += 1
        return StepResult(loss: step.loss, correct: step.correct)
    }

    /// In declaration order.
    public var parameters: [[Float]] { full.graph.parameters.map { full.executor.read($0) } }

    /// For each parameter its state, `stateSlots` arrays one after the other.
    public var optimizerState: [[Float]] { moments }

    /// Goes on from saved parameters, optimizer state and running statistics.
    public func restore(
        parameters: [[Float]], optimizerState: [[Float]], state: [[Float]], steps: Int = 0
    ) throws(LearnerError) {
        try check(parameters, network.parameters.map { $0.count })
        try check(optimizerState, network.parameters.map { $0.count * optimizer.stateSlots })
        try check(state, network.state.map { $0.count })
        for (array, value) in zip(parameters, full.graph.parameters) {
            copy(array, to: full.executor.buffer(of: value))
        }
        moments = optimizerState
        self.state = state
        self.steps = steps
    }

    /// SHA-256 of the bits of all parameters and then of all running statistics, little-endian, in declaration order.
    public func weightHash() -> [UInt8] { NeuralNetwork.weightHash(of: parameters + state) }
}

/// A training step planned for one size of batch, with its memory.
private final class PlannedStep {
    let batch: Int
    let graph: TrainingGraph
    let executor: PortableExecutor

    init(_ network: Network, batch: Int, seed: UInt64, workers: Workers) throws(LearnerError) {
        self.batch = batch
        graph = TrainingGraph(network, batch: batch, seed: seed)
        do {
            executor = PortableExecutor(try graph.plan(), workers: workers)
        } catch {
            throw .graph(error)
        }
    }

    func copyParameters(from other: PlannedStep) {
        for (mine, its) in zip(graph.parameters, other.graph.parameters) {
            let source = other.executor.buffer(of: its)
            let target = executor.buffer(of: mine)
            for i in 0..<source.count { target[i] = source[i] }
        }
    }
}
