import Autodiff
import Inference
import Kernels
import NeuralNetwork
import Training

/// An integer model as a graph of float ops with the same numbers at every layer: what quantisation-aware fine-tuning
/// differentiates.
///
/// Activations are the integers of the model, as floats. A sum of products of integers is exact in binary32, in any
/// order, while its largest possible magnitude is below 2^24. Where it is not, weights are split into 16·a + b with
/// |b| ≤ 8: the sums of a and of b are each exact, so is 16 times the first, and the one addition that is left rounds
/// the true sum to nearest even, as Float(accumulator) does. What follows is the rule of docs/format.md step by step.
/// Rounding passes gradients on unchanged, and a clamp passes those between its limits.
struct FakeQuantizedNetwork {
    let model: QuantizedModel
    /// Integers of the picture, pixel − zero point: [batch, height, width, channels].
    let image: Value
    /// Weights and biases of the weighted layers, not rounded, in units of the model.
    let leaves: [Value]
    /// The multiplier of every output of the weighted layers.
    private let multipliers: [Value]
    private let multiplierNumbers: [[Float]]
    /// The integers that each layer gives; the last are the integer logits.
    let outputs: [Value]

    var graph: Graph { image.graph }
    var logits: Value { outputs[outputs.count - 1] }

    /// Records the model; throws when a layer has sums that even two floats do not hold.
    ///
    /// - Parameters:
    ///   - weightLevels: the largest magnitude of the weights of each weighted layer; nil for 127.
    ///   - operands: what a layer takes in place of what the layers before it give.
    init(
        _ model: QuantizedModel, batch: Int, weightLevels: [Int]? = nil, in graph: Graph = Graph(),
        operands: ((Int) -> [Value])? = nil
    ) throws(ExportError) {
        self.model = model
        image = graph.input([batch, model.input.height, model.input.width, model.input.channels])
        var recorder = Recorder(model, image, weightLevels, operands)
        for index in model.layers.indices { try recorder.add(index) }
        leaves = recorder.leaves
        multipliers = recorder.multipliers
        multiplierNumbers = recorder.multiplierNumbers
        outputs = recorder.outputs
    }

    /// What a plan has to keep.
    var kept: [Value] { [image] + leaves + multipliers }

    /// Weights and biases of the model, in the order of the leaves.
    static func parameters(_ model: QuantizedModel) -> [[Float]] {
        model.layers.flatMap { layer -> [[Float]] in
            guard let (weights, bias, _) = layer.numbers else { return [] }
            return [weights.map { Float($0) }, bias.map { Float($0) }]
        }
    }

    /// Leaves that never change.
    var constants: [(Value, [Float])] { Array(zip(multipliers, multiplierNumbers)) }

    /// Writes the constants, and `parameters` into the leaves.
    func prepare(_ executor: PortableExecutor, parameters: [[Float]]) {
        for (leaf, numbers) in constants + zip(leaves, parameters) {
            _ = executor.buffer(of: leaf).update(fromContentsOf: numbers)
        }
    }

    /// Writes the integers of some pictures.
    func write(_ pixels: UnsafeBufferPointer<UInt8>, to target: UnsafeMutableBufferPointer<Float>) {
        Preprocessing(zeroPoints: model.input.zeroPoints, scale: 1).apply(pixels, to: target, workers: .serial)
    }

    /// The model with `parameters`, rounded, in place of its own weights and biases.
    static func model(
        _ model: QuantizedModel, parameters: [[Float]], weightLevels: [Int]
    ) throws(ExportError) -> QuantizedModel {
        var next = 0
        let layers = model.layers.map { layer -> QuantizedLayer in
            guard layer.numbers != nil else { return layer }
            next += 2
            let limit = Float(weightLevels[next / 2 - 1])
            return layer.with(
                weights: parameters[next - 2].map { Int8(min(max($0.rounded(.toNearestOrEven), -limit), limit)) },
                bias: parameters[next - 1].map { Int32($0.rounded(.toNearestOrEven)) })
        }
        do {
            return try QuantizedModel(
                name: model.name, input: model.input, layers: layers, labels: model.labels,
                logitScale: model.logitScale, provenance: model.provenance)
        } catch {
            throw .model(error)
        }
    }
}

/// Records layer after layer.
struct Recorder {
    private let model: QuantizedModel
    private let image: Value
    private(set) var leaves: [Value] = []
    private(set) var multipliers: [Value] = []
    private(set) var multiplierNumbers: [[Float]] = []
    private(set) var outputs: [Value] = []
    private let operands: ((Int) -> [Value])?

    private let weightLevels: [Int]?

    init(_ model: QuantizedModel, _ image: Value, _ weightLevels: [Int]?, _ operands: ((Int) -> [Value])?) {
        self.model = model
        self.weightLevels = weightLevels
        self.image = image
        self.operands = operands
    }

    mutating func add(_ index: Int) throws(ExportError) {
        let given = operands?(index) ?? []
        let x = given.first ?? outputs.last ?? image
        let graph = image.graph
        graph.layer = index
        let output: Value
        switch model.layers[index] {
        case .conv2d(let c):
            let shape: Shape = [c.kernelHeight, c.kernelWidth, x.shape[3], c.outputChannels]
            output = try weighted(index, shape, c.bias, c.multipliers, c.output) { filter, bias in
                Autodiff.conv2d(x, filter, bias, stride: c.stride, padding: c.padding)
            }
        case .depthwiseConv2d(let c):
            let shape: Shape = [c.kernelHeight, c.kernelWidth, 1, x.shape[3]]
            output = try weighted(index, shape, c.bias, c.multipliers, c.output) { filter, bias in
                Autodiff.conv2d(x, filter, bias, stride: c.stride, padding: c.padding, groups: x.shape[3])
            }
        case .dense(let dense):
            let shape: Shape = [x.shape[1], dense.outputs]
            output = try weighted(index, shape, dense.bias, dense.multipliers, dense.output) { weights, bias in
                Autodiff.matmul(x, weights, bias: bias)
            }
        case .maxPool2d(let window, let stride): output = Autodiff.maxPool2d(x, window: window, stride: stride)
        case .averagePool2d(let pool):
            guard pool.windowHeight * pool.windowWidth * bound(index) < Recorder.exact else { throw tooLarge(index) }
            let sums = FusedNetwork.windowSums(x, pool.windowHeight, pool.windowWidth, pool.stride)
            output = Recorder.rounded(sums * pool.multiplier, pool.output)
        case .add(let add):
            output = Recorder.rounded(x * add.multiplier + (given.last ?? outputs[add.source]) * add.sourceMultiplier, add.output)
        case .flatten: output = Autodiff.flatten(x)
        case .output(let source): output = outputs[source]
        }
        graph.layer = -1
        outputs.append(output)
    }

    /// Integers of at most this magnitude are exact.
    private static let exact = 1 << 24

    /// The largest magnitude that comes into a layer.
    private func bound(_ index: Int) -> Int {
        if index > 0 { return model.plan[index - 1].outputBound }
        return Int(model.input.zeroPoints.map { max($0, 255 - $0) }.max() ?? 255)
    }

    /// clamp(round(y)): limits are integers, so that it is the same as round(clamp(y)).
    static func rounded(_ y: Value, _ output: QuantizedOutput) -> Value {
        switch output {
        case .logits: Autodiff.round(y)
        // A little beyond the limits, so that gradients still reach the outermost integers.
        case .activations(let low, let high):
            Autodiff.round(clamp(y, Float(low) - (low == 0 ? 0 : 0.4), Float(high) + 0.4))
        }
    }

    private mutating func weighted(
        _ index: Int, _ shape: Shape, _ bias: [Int32], _ factors: [Float], _ output: QuantizedOutput,
        _ product: (Value, Value) -> Value
    ) throws(ExportError) -> Value {
        let graph = image.graph
        let latent = graph.parameter(shape)
        let latentBias = graph.parameter([bias.count])
        let factor = graph.input([bias.count])
        let limit = Float(weightLevels?[leaves.count / 2] ?? 127) + 0.4
        leaves += [latent, latentBias]
        multipliers.append(factor)
        multiplierNumbers.append(factors)
        let weights = Autodiff.round(clamp(latent, -limit, limit))
        let offsets = Autodiff.round(latentBias)
        let products = shape.count / bias.count * bound(index)
        // Biases move a little in training; twice what they are is room enough.
        let largestBias = 2 * Int(bias.map(\.magnitude).max() ?? 0)
        let sums: Value
        if products * 127 + largestBias < Recorder.exact {
            sums = product(weights, offsets)
        } else {
            guard products * 8 + largestBias / 16 < Recorder.exact else { throw tooLarge(index) }
            let (high, low) = Recorder.split(weights)
            let (highOffsets, lowOffsets) = Recorder.split(offsets)
            sums = product(high, highOffsets) * 16 + product(low, lowOffsets)
        }
        return Recorder.rounded(sums * factor, output)
    }

    /// a and b with 16·a + b = x and |b| ≤ 8, x being integers; all of it exact.
    private static func split(_ x: Value) -> (high: Value, low: Value) {
        let high = Autodiff.round(x * 0.0625)
        return (high, x - high * 16)
    }

    private func tooLarge(_ index: Int) -> ExportError {
        .unsupported("layer \(index) of the integer model sums over too many numbers for fine-tuning")
    }
}

extension QuantizedLayer {
    /// Weights, biases and multipliers of a layer that has them.
    var numbers: (weights: [Int8], bias: [Int32], multipliers: [Float])? {
        switch self {
        case .conv2d(let c): (c.weights, c.bias, c.multipliers)
        case .depthwiseConv2d(let c): (c.weights, c.bias, c.multipliers)
        case .dense(let dense): (dense.weights, dense.bias, dense.multipliers)
        case .maxPool2d, .averagePool2d, .add, .flatten, .output: nil
        }
    }

    /// The layer with other weights and biases, which it must have.
    func with(weights: [Int8], bias: [Int32]) -> QuantizedLayer {
        switch self {
        case .conv2d(let c):
            .conv2d(
                QuantizedConv2d(
                    outputChannels: c.outputChannels, kernelHeight: c.kernelHeight, kernelWidth: c.kernelWidth,
                    stride: c.stride, padding: c.padding, weights: weights, bias: bias, multipliers: c.multipliers,
                    output: c.output))
        case .depthwiseConv2d(let c):
            .depthwiseConv2d(
                QuantizedDepthwiseConv2d(
                    kernelHeight: c.kernelHeight, kernelWidth: c.kernelWidth, stride: c.stride, padding: c.padding,
                    weights: weights, bias: bias, multipliers: c.multipliers, output: c.output))
        case .dense(let dense):
            .dense(
                QuantizedDense(
                    outputs: dense.outputs, weights: weights, bias: bias, multipliers: dense.multipliers,
                    output: dense.output))
        case .maxPool2d, .averagePool2d, .add, .flatten, .output: self
        }
    }
}
