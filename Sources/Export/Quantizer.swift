import Inference
import NeuralNetwork
import Training

/// Turns a float network into an integer one: symmetric int8 weights per output channel, biases in int32.
public struct Quantizer: Sendable {
    /// Steps from zero to the largest activation: 127 (the default of the contract) up to 255.
    public var levels: Int
    /// The largest magnitude of each layer's output, by its place in the architecture.
    public var ranges: [Int: Float]

    public init(ranges: [Int: Float], levels: Int = 127) {
        precondition((1...255).contains(levels), "levels of activations")
        self.ranges = ranges
        self.levels = levels
    }

    /// The integer model, its contract checked.
    ///
    /// With input step s, weight step w[c] and output step o, an accumulator is worth s·w[c], a bias is
    /// round(b / (s·w[c])) and the multiplier s·w[c] / o.
    public func quantize(_ model: FloatModel, provenance: [UInt8] = []) throws(ExportError) -> QuantizedModel
    {
        let network: Network
        do {
            network = try Network(model.architecture)
        } catch {
            throw .run(.invalid(error.explanation))
        }
        let fused = try FusedNetwork(model.architecture)
        let input = InputGeometry(
            height: model.architecture.inputHeight, width: model.architecture.inputWidth,
            channels: model.architecture.inputChannels, zeroPoints: model.preprocessing.zeroPoints,
            scale: model.preprocessing.scale)
        var step = Double(model.preprocessing.scale)
        // The largest magnitude of an input: a pixel minus its zero point at first.
        var bound = Int(model.preprocessing.zeroPoints.map { max($0, 255 - $0) }.max() ?? 255)
        var logitScale = 1.0
        var layers: [QuantizedLayer] = []
        for (index, item) in fused.steps.enumerated() {
            switch item {
            case .maxPool2d(let window, let stride): layers.append(.maxPool2d(window: window, stride: stride))
            case .flatten: layers.append(.flatten)
            case .weighted(let layer, let relu):
                let (weight, bias) = model.weights(ofLayer: layer, in: network)
                let channels = ChannelWeights(weight, bias: bias, inputStep: step)
                let isLast = index == fused.steps.count - 1
                let outputStep: Double
                let output: QuantizedOutput
                if isLast {
                    logitScale = Double(Float(channels.logitStep(inputStep: step, inputBound: bound)))
                    outputStep = logitScale
                    output = .logits
                } else {
                    guard let range = ranges[layer], range > 0, range.isFinite else {
                        throw .unsupported("layer \(layer) has no calibrated range")
                    }
                    outputStep = Double(range) / Double(levels)
                    output = .activations(low: relu ? 0 : Int16(-levels), high: Int16(levels))
                }
                let multipliers = channels.steps.map { Float(step * $0 / outputStep) }
                layers.append(
                    Quantizer.layer(
                        model.architecture.layers[layer], channels, multipliers: multipliers, output: output))
                step = outputStep
                bound = levels
            }
        }
        do {
            return try QuantizedModel(
                name: model.architecture.name, input: input, layers: layers,
                labels: model.labels.map { Array($0.utf8) }, logitScale: Float(logitScale),
                provenance: provenance)
        } catch {
            throw .model(error)
        }
    }

    private static func layer(
        _ layer: Layer, _ channels: ChannelWeights, multipliers: [Float], output: QuantizedOutput
    ) -> QuantizedLayer {
        switch layer {
        case .conv2d(let filters, let kernel, let stride, let padding, _, _, _):
            .conv2d(
                QuantizedConv2d(
                    outputChannels: filters, kernelHeight: kernel, kernelWidth: kernel, stride: stride,
                    padding: padding, weights: channels.weights, bias: channels.bias,
                    multipliers: multipliers,
                    output: output))
        case .dense(let units):
            .dense(
                QuantizedDense(
                    outputs: units, weights: channels.weights, bias: channels.bias, multipliers: multipliers,
                    output: output))
        default: preconditionFailure("layers without an integer form are refused by FusedNetwork")
        }
    }
}

/// Weights rounded to int8 with one step per output channel, the innermost dimension.
struct ChannelWeights: Equatable {
    /// In the order they had, −127…127.
    let weights: [Int8]
    /// In units of input step × weight step.
    let bias: [Int32]
    /// The value of one unit of weight, per output channel.
    let steps: [Double]

    init(_ weight: [Float], bias floatBias: [Float], inputStep: Double) {
        let channels = floatBias.count
        var largest = [Float](repeating: 0, count: channels)
        for (index, value) in weight.enumerated() {
            largest[index % channels] = max(largest[index % channels], abs(value))
        }
        // A channel without weights gives only its bias; any step that represents that will do.
        let fallback = largest.max().flatMap { $0 > 0 ? $0 : nil } ?? 1
        let steps = zip(largest, floatBias).map { largest, bias in
            let natural = Double(largest > 0 ? largest : fallback) / 127
            // Keeps |bias| within 2^24, where it is exact as a Float.
            return max(natural, Double(abs(bias)) / (inputStep * 16_777_216))
        }
        weights = weight.enumerated().map { index, value in
            let scaled = (Double(value) / steps[index % channels]).rounded(.toNearestOrEven)
            return Int8(max(-127, min(127, scaled)))
        }
        bias = zip(floatBias, steps).map { bias, step in
            Int32((Double(bias) / (inputStep * step)).rounded(.toNearestOrEven))
        }
        self.steps = steps
    }

    /// One step for all logits: that of the coarsest channel, or more so that no logit passes 2^21.
    func logitStep(inputStep: Double, inputBound: Int) -> Double {
        let channels = steps.count
        var sums = bias.map { Int($0.magnitude) }
        for (index, weight) in weights.enumerated() {
            sums[index % channels] += Int(weight.magnitude) * inputBound
        }
        let finest = (steps.max() ?? 1) * inputStep
        let largest = zip(sums, steps).map { Double($0) * $1 * inputStep }.max() ?? 0
        return max(finest, largest / 2_097_152)
    }
}
