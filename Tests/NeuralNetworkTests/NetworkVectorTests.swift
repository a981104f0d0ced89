import Autodiff
import Foundation
import Kernels
import NeuralNetwork
import Testing

/// Part of an array: sum, Euclidean norm and some elements.
struct ArrayDigest: Decodable, Sendable {
    let sum: Double
    let norm: Double
    let places: [Int]
    let elements: [Double]

    /// Relative to the norm, which no single element exceeds, or to `floor` where that is more: an array that is zero
    /// but for rounding has the rounding of its neighbours.
    func expect(_ array: [Float], tolerance: Double, floor: Double = 0) {
        let scale = max(norm, floor)
        let found = array.reduce(0) { $0 + Double($1) }
        let length = array.reduce(0) { $0 + Double($1) * Double($1) }.squareRoot()
        #expect(abs(length - norm) <= tolerance * scale)
        #expect(abs(found - sum) <= tolerance * scale * Double(array.count).squareRoot())
        for (place, element) in zip(places, elements) {
            #expect(abs(Double(array[place]) - element) <= tolerance * scale)
        }
    }
}

/// One entry of Tests/Vectors/networks.json, made by scripts/pytorch-vectors.py.
struct NetworkVector: Decodable, Sendable, CustomTestStringConvertible {
    let name: String
    let losses: [Double]
    let correct: [Int]
    let logits: [Double]
    let gradients: [ArrayDigest]
    let parameters: [ArrayDigest]
    /// Running statistics after the steps.
    let state: [ArrayDigest]
    /// Logits of the last images in evaluation, after the steps.
    let evaluation: [Double]
    var testDescription: String { name }

    static let all: [NetworkVector] = decodeVectors("networks")

    var preset: Preset? { Preset.allCases.first { "\($0)" == name } }

    var optimizer: SGD {
        switch name {
        case "mlp": SGD(learningRate: 0.1)
        case "lenet5": SGD(learningRate: 0.05, momentum: 0.9, weightDecay: 0.01)
        case "convnet": SGD(learningRate: 0.05, momentum: 0.8, weightDecay: 0.001, nesterov: true)
        default: SGD(learningRate: 0.02, momentum: 0.9, weightDecay: 0.001)
        }
    }
}

/// One entry of Tests/Vectors/optimizers.json.
struct OptimizerVector: Decodable, Sendable {
    let momentum: Float
    let weightDecay: Float
    let nesterov: Bool
    let initial: [Float]
    let gradients: [[Float]]
    let after: [[Double]]

    static let all: [OptimizerVector] = decodeVectors("optimizers")
}

func decodeVectors<T: Decodable>(_ name: String) -> [T] {
    let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .appendingPathComponent("Vectors")
    guard let data = try? Data(contentsOf: folder.appendingPathComponent(name + ".json")) else { return [] }
    return (try? JSONDecoder().decode([T].self, from: data)) ?? []
}

/// Random pixels and given labels of one step, as the script draws them.
struct Batch {
    var pixels: [UInt8] = []
    var labels: [UInt8] = []

    init(_ random: inout SplitMix64, count: Int, step: Int, imageBytes: Int = 784) {
        for _ in 0..<count * imageBytes { pixels.append(UInt8(truncatingIfNeeded: random.next() >> 56)) }
        for i in 0..<count { labels.append(UInt8((3 * step + 7 * i) % 10)) }
    }

    func learn<O>(_ learner: Learner<O>) throws -> StepResult {
        try pixels.withUnsafeBufferPointer { pixels in
            try labels.withUnsafeBufferPointer { try learner.step(pixels: pixels, labels: $0) }
        }
    }
}

let testPreprocessing = Preprocessing(zeroPoints: [73], scale: 1.0 / 90)

@Suite struct NetworkVectorTests {
    @Test func vectorsAreThere() {
        #expect(NetworkVector.all.count == Preset.allCases.count)
        #expect(OptimizerVector.all.count == 5)
    }

    /// Float32 against float64 with products over up to 3136 terms, and three steps of feedback.
    ///
    /// Batch normalisation divides by spreads, layer after layer, and a rounding error can flip a ReLU: more depth, more
    /// difference.
    private func tolerance(_ vector: NetworkVector) -> Double {
        switch vector.parameters.count {
        case 0..<20: 2e-5
        case 20..<50: 5e-4
        default: 2e-2
        }
    }

    @Test(arguments: NetworkVector.all) func trainsLikePyTorch(_ vector: NetworkVector) throws {
        let preset = try #require(vector.preset)
        let network = try Network(preset.architecture(height: 28, width: 28, channels: 1, classes: 10))
        let batch = vector.logits.count / 10
        let learner = try Learner(
            network: network, preprocessing: testPreprocessing, batch: batch, optimizer: vector.optimizer,
            seed: 5)
        let evaluator = try Evaluator(network: network, preprocessing: testPreprocessing, batch: 4)
        var random = SplitMix64(seed: 6)
        var data = Batch(&random, count: 0, step: 0)
        let tolerance = tolerance(vector)
        for step in vector.losses.indices {
            data = Batch(&random, count: batch, step: step)
            if step == 0 && vector.state.isEmpty {
                let logits = try data.pixels.withUnsafeBufferPointer {
                    try evaluator.logits(pixels: $0, count: batch, parameters: learner.parameters)
                }
                for (a, b) in zip(logits, vector.logits) { #expect(abs(Double(a) - b) <= tolerance) }
            }
            if step == 0 { try expectGradients(network, learner.parameters, data, vector) }
            let result = try data.learn(learner)
            #expect(abs(Double(result.loss) - vector.losses[step]) <= tolerance * vector.losses[step])
            #expect(result.correct == vector.correct[step])
        }
        // Shifts begin at 0, and those before another normalisation stay there but for rounding.
        let largest = vector.state.isEmpty ? 0 : vector.parameters.reduce(0) { max($0, $1.norm) }
        for (array, digest) in zip(learner.parameters, vector.parameters) {
            digest.expect(array, tolerance: tolerance, floor: 1e-3 * largest)
        }
        #expect(learner.state.count == vector.state.count)
        let widest = vector.state.reduce(0) { max($0, $1.norm) }
        for (array, digest) in zip(learner.state, vector.state) {
            digest.expect(array, tolerance: tolerance, floor: 1e-3 * widest)
        }
        let logits = try data.pixels.withUnsafeBufferPointer {
            try evaluator.logits(pixels: $0, count: batch, parameters: learner.variables)
        }
        let scale = vector.evaluation.reduce(1) { max($0, abs($1)) }
        for (a, b) in zip(logits, vector.evaluation) { #expect(abs(Double(a) - b) <= tolerance * scale) }
    }

    private func expectGradients(
        _ network: Network, _ parameters: [[Float]], _ data: Batch, _ vector: NetworkVector
    ) throws {
        let graph = Graph()
        let count = data.labels.count
        let x = graph.input([count, 28, 28, 1])
        let targets = graph.input([count, 10])
        let values = network.parameterValues(in: graph)
        let pass = network.forward(input: x, parameters: values, .training(counter: nil, seed: 0))
        let loss = softmaxCrossEntropy(logits: pass.logits, targets: targets)
        let found = gradients(of: loss, withRespectTo: values)
        let executor = PortableExecutor(try Plan(graph, outputs: found + [x, targets] + values))
        data.pixels.withUnsafeBufferPointer {
            testPreprocessing.apply($0, to: executor.buffer(of: x), workers: .serial)
        }
        for (i, label) in data.labels.enumerated() { executor.buffer(of: targets)[i * 10 + Int(label)] = 1 }
        for (array, value) in zip(parameters, values) { try executor.write(array, to: value) }
        executor.run()
        let largest = vector.gradients.reduce(0) { max($0, $1.norm) }
        for (gradient, digest) in zip(found, vector.gradients) {
            digest.expect(executor.read(gradient), tolerance: tolerance(vector), floor: 1e-3 * largest)
        }
    }

    @Test(arguments: OptimizerVector.all) func descendsLikePyTorch(_ vector: OptimizerVector) {
        let sgd = SGD(
            learningRate: 0.1, momentum: vector.momentum, weightDecay: vector.weightDecay,
            nesterov: vector.nesterov)
        let found = descend(vector.initial, vector.gradients, sgd).parameters
        for (step, expected) in vector.after.enumerated() {
            for (a, b) in zip(found[step], expected) { #expect(abs(Double(a) - b) <= 2e-6) }
        }
    }
}

/// The parameter after each step, and the optimizer's state at the end.
func descend<O: Optimizer>(
    _ initial: [Float], _ gradients: [[Float]], _ rule: O
) -> (parameters: [[Float]], state: [Float]) {
    var parameter = initial
    var state = [Float](repeating: 0, count: parameter.count * rule.stateSlots)
    var after: [[Float]] = []
    for (step, gradient) in gradients.enumerated() {
        parameter.withUnsafeMutableBufferPointer { parameter in
            state.withUnsafeMutableBufferPointer { state in
                gradient.withUnsafeBufferPointer { gradient in
                    if let g = gradient.baseAddress, let s = state.baseAddress {
                        rule.update(parameter, gradient: g, state: s, step: step)
                    }
                }
            }
        }
        after.append(parameter)
    }
    return (after, state)
}
