import Autodiff
import Digests
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

/// A network in training: parameters, optimizer state and the planned step.
public final class Learner<O: Optimizer> {
    public let network: Network
    public let preprocessing: Preprocessing
    /// Most images of one step.
    public let batch: Int
    /// May change between steps, for instance its learning rate.
    public var optimizer: O
    /// How many steps were taken.
    public private(set) var steps = 0
    private let graph: TrainingGraph
    private let executor: PortableExecutor
    /// For each parameter, `stateSlots` arrays one after the other.
    private var state: [[Float]]

    /// - Parameter seed: of the starting parameters.
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
        graph = TrainingGraph(network, batch: batch)
        do {
            executor = PortableExecutor(try graph.plan(), workers: workers)
        } catch {
            throw .graph(error)
        }
        state = network.parameters.map { [Float](repeating: 0, count: $0.count * optimizer.stateSlots) }
        for (array, value) in zip(network.initialParameters(seed: seed), graph.parameters) {
            copy(array, to: executor.buffer(of: value))
        }
    }

    /// What the step runs, for profiles.
    public var plan: Plan { executor.plan }

    /// Learns from one batch; the last of an epoch may have fewer images.
    ///
    /// - Parameters:
    ///   - pixels: images one after the other, rows, columns and channels as in the architecture.
    ///   - labels: one class index for each image.
    public func step(
        pixels: UnsafeBufferPointer<UInt8>, labels: UnsafeBufferPointer<UInt8>
    ) throws(LearnerError) -> StepResult {
        let count = labels.count
        guard count > 0, count <= batch, pixels.count == count * network.architecture.inputCount else {
            throw .batch(capacity: batch, pixels: pixels.count, labels: count)
        }
        try writeTargets(labels)
        preprocessing.apply(pixels, to: executor.buffer(of: graph.images), workers: executor.workers)
        executor.buffer(of: graph.weight)[0] = 1 / Float(count)
        executor.run()
        let loss = executor.buffer(of: graph.loss)[0]
        guard loss.isFinite else { throw .notFinite(step: steps) }
        for (index, value) in graph.parameters.enumerated() {
            let parameter = executor.buffer(of: value)
            let gradient = executor.buffer(of: graph.gradients[index])
            guard let gradient = gradient.baseAddress else { continue }
            let steps = steps
            let optimizer = optimizer
            state[index].withUnsafeMutableBufferPointer { state in
                if let state = state.baseAddress {
                    optimizer.update(parameter, gradient: UnsafePointer(gradient), state: state, step: steps)
                }
            }
        }
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

    /// In declaration order.
    public var parameters: [[Float]] { graph.parameters.map { executor.read($0) } }

    /// For each parameter its state, `stateSlots` arrays one after the other.
    public var optimizerState: [[Float]] { state }

    /// Goes on from saved parameters and optimizer state.
    public func restore(
        parameters: [[Float]], optimizerState: [[Float]], steps: Int = 0
    ) throws(LearnerError) {
        try check(parameters, network.parameters.map { $0.count })
        try check(optimizerState, network.parameters.map { $0.count * optimizer.stateSlots })
        for (array, value) in zip(parameters, graph.parameters) {
            copy(array, to: executor.buffer(of: value))
        }
        state = optimizerState
        self.steps = steps
    }

    /// SHA-256 of the bits of all parameters, little-endian, in declaration order.
    public func weightHash() -> [UInt8] { NeuralNetwork.weightHash(of: parameters) }
}

/// SHA-256 of the bits of all arrays, little-endian, one after the other.
public func weightHash(of parameters: [[Float]]) -> [UInt8] {
    var hash = SHA256()
    for array in parameters {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(array.count * 4)
        for number in array {
            let bits = number.bitPattern
            bytes.append(UInt8(truncatingIfNeeded: bits))
            bytes.append(UInt8(truncatingIfNeeded: bits >> 8))
            bytes.append(UInt8(truncatingIfNeeded: bits >> 16))
            bytes.append(UInt8(truncatingIfNeeded: bits >> 24))
        }
        hash.update(bytes)
    }
    return hash.finalize()
}

/// The graph of one training step.
package struct TrainingGraph {
    package let graph = Graph()
    package let images: Value
    package let targets: Value
    /// 1 / images of the batch.
    package let weight: Value
    package let parameters: [Value]
    package let logits: Value
    package let loss: Value
    package let gradients: [Value]

    package init(_ network: Network, batch: Int) {
        let a = network.architecture
        images = graph.input([batch, a.inputHeight, a.inputWidth, a.inputChannels])
        targets = graph.input([batch, a.classes])
        weight = graph.input(.scalar)
        parameters = network.parameterValues(in: graph)
        logits = network.logits(input: images, parameters: parameters)
        loss = -(sum(targets * logSoftmax(logits)) * weight)
        gradients = Autodiff.gradients(of: loss, withRespectTo: parameters)
    }

    package func plan() throws(AutodiffError) -> Plan {
        try Plan(graph, outputs: [loss, logits, images, targets, weight] + parameters + gradients)
    }
}

/// Checks arrays that come from a file against the sizes of the network.
package func check(_ arrays: [[Float]], _ counts: [Int]) throws(LearnerError) {
    guard arrays.count == counts.count else {
        throw .parameters(array: -1, expected: counts.count, found: arrays.count)
    }
    for index in 0..<counts.count where arrays[index].count != counts[index] {
        throw .parameters(array: index, expected: counts[index], found: arrays[index].count)
    }
}

/// Copies an array whose size was checked.
func copy(_ array: [Float], to target: UnsafeMutableBufferPointer<Float>) {
    precondition(array.count == target.count)
    for i in 0..<array.count { target[i] = array[i] }
}
