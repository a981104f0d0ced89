import Acceleration
import Autodiff
import Inference
import Kernels
import NeuralNetwork
import Training

/// Quantisation-aware fine-tuning: how long, how fast, and what it aims at.
public struct FineTuning: Equatable, Sendable, Codable {
    public var epochs: Int
    /// How far Adam moves a weight in a step at first, in 127ths of the largest of its channel; falls to zero along a
    /// cosine.
    public var learningRate: Float = 0.03
    /// The share of the float network's own answers in the targets; the rest are the labels.
    public var teacherShare: Float = 0.5

    public init(epochs: Int) { self.epochs = epochs }
}

/// An integer model in training: fake-quantised forward pass, straight-through gradients, Adam in units of int8 steps.
///
/// Scales of weights and activations stay as they are. Weights and biases are kept unrounded; a step sees them rounded.
final class FineTuner {
    private let network: FakeQuantizedNetwork
    private let targets: Value
    private let weight: Value
    private let loss: Value
    private let executor: Executor
    private var moments: [[Float]] = []
    private var optimizer = Adam()
    private let learningRates: [Float]
    private(set) var steps = 0

    /// The same plan, run by one of two executors.
    private enum Executor {
        case portable(PortableExecutor, leaves: [Value], gradients: [Value])
        case accelerated(AcceleratedExecutor)
    }

    init(
        _ quantization: Quantization, batch: Int, kind: ExecutorKind, workers: Workers
    ) throws(ExportError) {
        let model = quantization.model
        network = try FakeQuantizedNetwork(model, batch: batch, weightLevels: quantization.weightLevels)
        let graph = network.graph
        targets = graph.input([batch, model.labels.count])
        weight = graph.input(.scalar)
        loss = -(sum(targets * logSoftmax(network.logits * model.logitScale)) * weight)
        let gradients = Autodiff.gradients(of: loss, withRespectTo: network.leaves)
        let outputs = [loss, targets, weight] + network.kept + gradients
        do {
            let plan = try Plan(graph, outputs: outputs)
            switch kind {
            case .portable:
                let portable = PortableExecutor(plan, workers: workers)
                executor = .portable(portable, leaves: network.leaves, gradients: gradients)
                network.prepare(portable, parameters: quantization.unrounded)
                moments = network.leaves.map { [Float](repeating: 0, count: 2 * $0.shape.count) }
            case .accelerated:
                let accelerated = try AcceleratedExecutor(
                    plan, updating: zip(network.leaves, gradients).map { ($0, $1) }, threads: workers.count)
                executor = .accelerated(accelerated)
                for (value, numbers) in network.constants { try accelerated.write(numbers, to: value) }
                for (leaf, numbers) in zip(network.leaves, quantization.unrounded) {
                    try accelerated.write(numbers, to: leaf)
                }
                moments = accelerated.updateBuffers.map { [Float](repeating: 0, count: 2 * $0.parameter.count) }
            }
        } catch {
            throw .unsupported("fine-tuning cannot be planned: \(error)")
        }
        // A unit of a bias is worth one of a weight times an input of 1; typical inputs are some tens.
        // A copy of the picture stays one.
        learningRates = quantization.weightLevels.flatMap { $0 == 1 ? [0, 0] : [Float($0) / 127, 32] }
    }

    /// Learns from one batch; gives its loss.
    ///
    /// - Parameter rows: a row of class weights for each image.
    func step(pixels: [UInt8], targets rows: [Float], images: Int, learningRate: Float) throws(ExportError) -> Float {
        let targetBuffer = buffer(of: targets)
        targetBuffer.update(repeating: 0)
        _ = targetBuffer.update(fromContentsOf: rows)
        buffer(of: weight)[0] = 1 / Float(images)
        pixels.withUnsafeBufferPointer { network.write($0, to: buffer(of: network.image)) }
        switch executor {
        case .portable(let portable, let leaves, let gradients):
            portable.run()
            update(
                zip(leaves, gradients).map { (portable.buffer(of: $0), UnsafePointer(portable.buffer(of: $1).baseAddress!)) },
                learningRate)
        case .accelerated(let accelerated):
            accelerated.run()
            update(accelerated.updateBuffers.map { ($0.parameter, $0.gradient) }, learningRate)
        }
        let found = buffer(of: loss)[0]
        guard found.isFinite else {
            throw .run(.invalid("the loss of fine-tuning is not a number after \(steps) steps; lower --qat-learning-rate"))
        }
        return found
    }

    private func update(
        _ buffers: [(UnsafeMutableBufferPointer<Float>, UnsafePointer<Float>)], _ learningRate: Float
    ) {
        for (index, (parameter, gradient)) in buffers.enumerated() {
            optimizer.learningRate = learningRate * learningRates[index]
            let (optimizer, steps) = (optimizer, steps)
            moments[index].withUnsafeMutableBufferPointer { state in
                if let state = state.baseAddress {
                    optimizer.update(parameter, gradient: gradient, state: state, step: steps)
                }
            }
        }
        steps += 1
    }

    private func buffer(of value: Value) -> UnsafeMutableBufferPointer<Float> {
        switch executor {
        case .portable(let portable, _, _): portable.buffer(of: value)
        case .accelerated(let accelerated): accelerated.buffer(of: value)
        }
    }

    /// Weights and biases, not rounded.
    func parameters() throws(ExportError) -> [[Float]] {
        switch executor {
        case .portable(let portable, let leaves, _): return leaves.map { portable.read($0) }
        case .accelerated(let accelerated):
            var all: [[Float]] = []
            do {
                for leaf in network.leaves { all.append(try accelerated.read(leaf)) }
            } catch {
                throw .unsupported("fine-tuned weights cannot be read: \(error)")
            }
            return all
        }
    }
}
