import Inference
import NeuralNetwork
import Training

/// An integer model with what is needed to compare it with the float network that it was made of.
public struct Quantization: Sendable {
    public let model: QuantizedModel
    /// The layer of the model that gives what each node of the folded network gives.
    public let layers: [Int]
    /// What one unit of the output of each node is worth.
    public let steps: [Double]
    /// The nodes (−1: the picture) that each layer of the model takes; none for one that only goes back.
    let operands: [[Int]]
    /// Weights and biases of the layers that have them in order, in units but not rounded; where fine-tuning begins.
    let unrounded: [[Float]]
    /// The largest magnitude of the weights of each of those layers; 1 of one that copies the picture and never learns.
    let weightLevels: [Int]
}

/// Turns a float network into an integer one: symmetric int8 weights per output channel, biases in int32.
public struct Quantizer: Sendable {
    /// Steps from zero to the largest activation: 127 (the default of the contract) up to 255.
    public var levels: Int
    /// The largest magnitude of the output of each node of the folded network, by its place.
    public var ranges: [Int: Float]
    /// The mean of every input of the weighted nodes, by their place; where there is one, the bias makes up for what
    /// the rounding of weights moves the sums by.
    public var inputMeans: [Int: [Float]]

    /// 8, or 4 for convolutions and dense layers but the first and the last, and depthwise layers.
    public var weightBits: Int

    public init(
        ranges: [Int: Float], levels: Int = 127, inputMeans: [Int: [Float]] = [:], weightBits: Int = 8
    ) {
        precondition((1...255).contains(levels), "levels of activations")
        precondition(weightBits == 8 || weightBits == 4, "bits of weights")
        self.weightBits = weightBits
        self.ranges = ranges
        self.levels = levels
        self.inputMeans = inputMeans
    }

    /// The integer model of `model`, its contract checked.
    public func quantize(_ model: FloatModel, provenance: [UInt8] = []) throws(ExportError) -> QuantizedModel {
        try quantize(FusedNetwork(model), provenance: provenance).model
    }

    /// The integer form of a folded network, its contract checked.
    ///
    /// With input step s, weight step w[c] and output step o, an accumulator is worth s·w[c], a bias is
    /// round(b / (s·w[c])) and the multiplier s·w[c] / o.
    public func quantize(_ network: FusedNetwork, provenance: [UInt8] = []) throws(ExportError) -> Quantization {
        var writer = LayerWriter(self, network)
        for index in network.nodes.indices { try writer.add(index) }
        let preprocessing = network.preprocessing
        do {
            let model = try QuantizedModel(
                name: network.name,
                input: InputGeometry(
                    height: network.input[1], width: network.input[2], channels: network.input[3],
                    zeroPoints: preprocessing.zeroPoints, scale: preprocessing.scale),
                layers: writer.layers, labels: network.labels.map { Array($0.utf8) },
                logitScale: Float(writer.steps.last ?? 1), provenance: provenance)
            return Quantization(
                model: model, layers: writer.places, steps: writer.steps, operands: writer.operands,
                unrounded: writer.unrounded, weightLevels: writer.weightLevels)
        } catch {
            throw .model(error)
        }
    }
}

/// Writes the nodes of a folded network as layers of an integer model, one after the other.
private struct LayerWriter {
    private let quantizer: Quantizer
    private let network: FusedNetwork
    private(set) var layers: [QuantizedLayer] = []
    /// For each node its layer, the value of a unit, and the largest magnitude.
    private(set) var places: [Int] = []
    private(set) var steps: [Double] = []
    private var bounds: [Int] = []
    private(set) var unrounded: [[Float]] = []
    private(set) var operands: [[Int]] = []
    private(set) var weightLevels: [Int] = []
    /// The node whose output the next layer would read; −1 is the picture.
    private var current = -1

    init(_ quantizer: Quantizer, _ network: FusedNetwork) {
        self.quantizer = quantizer
        self.network = network
    }

    mutating func add(_ index: Int) throws(ExportError) {
        let node = network.nodes[index]
        var inputs = node.inputs
        if case .add = node.operation, inputs[1] == current { inputs.swapAt(0, 1) }
        if inputs[0] != current {
            layers.append(.output(of: places[inputs[0]]))
            operands.append([])
        }
        operands.append(inputs)
        let step = inputs[0] < 0 ? Double(network.preprocessing.scale) : steps[inputs[0]]
        // The largest magnitude of an input: a pixel minus its zero point at first.
        let zeroPoints = network.preprocessing.zeroPoints
        let bound = inputs[0] < 0 ? Int(zeroPoints.map { max($0, 255 - $0) }.max() ?? 255) : bounds[inputs[0]]
        var made = (step: step, bound: bound)
        switch node.operation {
        case .picture:
            layers.append(Self.copy(channels: node.channels))
            made.bound = 255
            weightLevels.append(1)
            unrounded += [[Float](repeating: 1, count: node.channels), [Float](repeating: 0, count: node.channels)]
        case .maxPool2d(let window, let stride): layers.append(.maxPool2d(window: window, stride: stride))
        case .flatten: layers.append(.flatten)
        case .averagePool2d(let height, let width, let stride):
            made = (try outputStep(index), quantizer.levels)
            layers.append(
                .averagePool2d(
                    QuantizedAveragePool2d(
                        windowHeight: height, windowWidth: width, stride: stride,
                        multiplier: Float(step / (made.step * Double(height * width))), output: output(node))))
        case .add:
            made = (try outputStep(index), quantizer.levels)
            layers.append(
                .add(
                    QuantizedAdd(
                        source: places[inputs[1]], multiplier: Float(step / made.step),
                        sourceMultiplier: Float(steps[inputs[1]] / made.step), output: output(node))))
        case .conv2d, .depthwiseConv2d, .dense:
            let channels = ChannelWeights(
                node.weight, bias: corrected(index, inputStep: step), inputStep: step, levels: levels(index))
            if index == network.nodes.count - 1 {
                made.step = Double(Float(channels.logitStep(inputStep: step, inputBound: bound)))
                made.bound = 0
            } else {
                made = (try outputStep(index), quantizer.levels)
            }
            layers.append(
                weighted(
                    node, channels, channels.steps.map { Float(step * $0 / made.step) },
                    index == network.nodes.count - 1 ? .logits : output(node)))
            weightLevels.append(levels(index))
            unrounded += [channels.unrounded, channels.unroundedBias]
        }
        places.append(layers.count - 1)
        steps.append(made.step)
        bounds.append(made.bound)
        current = index
    }

    /// The largest magnitude of a node's weights.
    private func levels(_ index: Int) -> Int {
        guard quantizer.weightBits == 4 else { return 127 }
        if case .depthwiseConv2d = network.nodes[index].operation { return 127 }
        let isFirst = network.nodes[..<index].allSatisfy { !$0.isWeighted }
        return isFirst || index == network.nodes.count - 1 ? 127 : 7
    }

    private func output(_ node: FoldedNode) -> QuantizedOutput {
        let levels = Int16(quantizer.levels)
        return .activations(low: node.activation == .none ? -levels : 0, high: levels)
    }

    private func outputStep(_ index: Int) throws(ExportError) -> Double {
        let node = network.nodes[index]
        guard let range = quantizer.ranges[index], range > 0, range.isFinite else {
            throw .unsupported("layer \(node.layer) has no calibrated range")
        }
        return Double(node.activation == .relu6 ? min(range, 6) : range) / Double(quantizer.levels)
    }

    /// The bias, less what rounded weights add to the sums of an average input.
    private func corrected(_ index: Int, inputStep: Double) -> [Float] {
        let node = network.nodes[index]
        guard let means = quantizer.inputMeans[index] else { return node.bias }
        let channels = node.bias.count
        let rounded = ChannelWeights(node.weight, bias: node.bias, inputStep: inputStep, levels: levels(index))
        var bias = node.bias.map { Double($0) }
        for (place, weight) in node.weight.enumerated() {
            let output = place % channels
            let input = place / channels
            let mean: Float
            switch node.operation {
            // One mean for each channel, whatever the place under the kernel.
            case .conv2d: mean = means[input % means.count]
            case .depthwiseConv2d: mean = means[output]
            default: mean = means[input]
            }
            bias[output] -= (Double(rounded.weights[place]) * rounded.steps[output] - Double(weight)) * Double(mean)
        }
        return bias.map { Float($0) }
    }

    /// Every number as it is, for branches that begin at the picture.
    private static func copy(channels: Int) -> QuantizedLayer {
        .depthwiseConv2d(
            QuantizedDepthwiseConv2d(
                kernelHeight: 1, kernelWidth: 1, stride: 1, padding: 0,
                weights: [Int8](repeating: 1, count: channels), bias: [Int32](repeating: 0, count: channels),
                multipliers: [Float](repeating: 1, count: channels), output: .activations(low: -255, high: 255)))
    }

    private func weighted(
        _ node: FoldedNode, _ channels: ChannelWeights, _ multipliers: [Float], _ output: QuantizedOutput
    ) -> QuantizedLayer {
        switch node.operation {
        case .conv2d(let outputs, let kernel, let stride, let padding):
            .conv2d(
                QuantizedConv2d(
                    outputChannels: outputs, kernelHeight: kernel, kernelWidth: kernel, stride: stride,
                    padding: padding, weights: channels.weights, bias: channels.bias, multipliers: multipliers,
                    output: output))
        case .depthwiseConv2d(let kernel, let stride, let padding):
            .depthwiseConv2d(
                QuantizedDepthwiseConv2d(
                    kernelHeight: kernel, kernelWidth: kernel, stride: stride, padding: padding,
                    weights: channels.weights, bias: channels.bias, multipliers: multipliers, output: output))
        case .dense(let outputs):
            .dense(
                QuantizedDense(
                    outputs: outputs, weights: channels.weights, bias: channels.bias, multipliers: multipliers,
                    output: output))
        case .picture, .maxPool2d, .averagePool2d, .add, .flatten:
            preconditionFailure("a node without weights")
        }
    }
}
