import Inference

extension ONNXWriter {
    /// The integer network with QuantizeLinear and DequantizeLinear around float operators (the QDQ form).
    ///
    /// Between layers one unit stands for one step, so every tensor there holds the very integers of the .deai file,
    /// and the scale of the weights is the file's multiplier: a runtime that fuses the pattern computes
    /// round(accumulator · multiplier) just as the canister does. Summands of a residual sum are dequantised by their
    /// multipliers, and windows are summed before they are multiplied, so that both round as the file says. The logits
    /// are rounded to their integers, then brought to their scale.
    public static func write(_ model: QuantizedModel, description: ONNXDescription) throws(ONNXError) -> [UInt8] {
        var writer = LayerWriter(model)
        for index in model.layers.indices { try writer.add(index) }
        return try writer.builder.encoded(description)
    }
}

/// Writes the layers of an integer model one after the other.
private struct LayerWriter {
    /// What a layer gives.
    private struct Output {
        var value: String
        /// The tensor of integers behind the value, and its zero point, where it has just been quantised.
        var quantized: (tensor: String, zeroPoint: String)?
        /// The picture whose numbers a flat value holds in the order channel, row, column; dense weights follow it.
        var flattened: Extent?
    }

    var builder: GraphBuilder
    private let model: QuantizedModel
    private let one: String
    private let zero: String
    private var outputs: [Output] = []
    private let picture: Output

    init(_ model: QuantizedModel) {
        self.model = model
        let input = model.input
        builder = GraphBuilder(
            name: String(decoding: model.name, as: UTF8.self), input: "image",
            inputShape: [input.height, input.width, input.channels], output: "logits", classes: model.labels.count)
        one = builder.store("one", [], [1])
        zero = builder.store("zero", .int8, [], [Int8(0)])
        let value = Self.centred(&builder, input, one: one)
        picture = Output(value: builder.add("Transpose", "channels_first", [value], lists: [("perm", [0, 3, 1, 2])]))
    }

    mutating func add(_ index: Int) throws(ONNXError) {
        let source = outputs.last ?? picture
        let shape = model.plan[index].input
        switch model.layers[index] {
        case .conv2d(let c):
            let kernel = (c.kernelHeight, c.kernelWidth)
            let weights = ONNXOrder.filters(c.weights, kernel: kernel, outputs: c.outputChannels)
            let inputs = weighted(
                index, [c.outputChannels, shape.channels, kernel.0, kernel.1], weights, c.bias, c.multipliers)
            let value = builder.add(
                "Conv", "conv2d_\(index)", [source.value] + inputs, lists: window(kernel, c.stride, c.padding))
            try finish(index, value, c.output)
        case .depthwiseConv2d(let c):
            if isCopy(c) {
                outputs.append(source)
                return
            }
            let kernel = (c.kernelHeight, c.kernelWidth)
            let weights = ONNXOrder.filters(c.weights, kernel: kernel, outputs: shape.channels)
            let inputs = weighted(
                index, [shape.channels, 1, kernel.0, kernel.1], weights, c.bias, c.multipliers)
            let value = builder.add(
                "Conv", "depthwiseConv2d_\(index)", [source.value] + inputs, integers: [("group", shape.channels)],
                lists: window(kernel, c.stride, c.padding))
            try finish(index, value, c.output)
        case .dense(let dense):
            let weights = ONNXOrder.dense(dense.weights, flattened: source.flattened, outputs: dense.outputs)
            let inputs = weighted(
                index, [dense.outputs, weights.count / dense.outputs], weights, dense.bias, dense.multipliers)
            let value = builder.add("Gemm", "dense_\(index)", [source.value] + inputs, integers: [("transB", 1)])
            try finish(index, value, dense.output)
        case .maxPool2d(let side, let stride):
            outputs.append(
                Output(
                    value: builder.add(
                        "MaxPool", "maxPool2d_\(index)", [source.value], lists: window((side, side), stride, 0))))
        case .averagePool2d(let pool):
            let sums = windowSums(index, source.value, pool)
            let factor = builder.store("\(index).multiplier", [], [pool.multiplier])
            try finish(index, builder.add("Mul", "averagePool2d_\(index)", [sums, factor]), pool.output)
        case .add(let add):
            let a = summand(index, "a", source, add.multiplier)
            let b = summand(index, "b", outputs[add.source], add.sourceMultiplier)
            try finish(index, builder.add("Add", "add_\(index)", [a, b]), add.output)
        case .flatten: outputs.append(flatten(index, source))
        case .output(let earlier): outputs.append(outputs[earlier])
        }
    }

    /// A layer that hands the integers of the picture on.
    private func isCopy(_ c: QuantizedDepthwiseConv2d) -> Bool {
        c.kernelHeight == 1 && c.kernelWidth == 1 && c.stride == 1 && c.padding == 0
            && c.weights.allSatisfy { $0 == 1 } && c.bias.allSatisfy { $0 == 0 }
            && c.multipliers.allSatisfy { $0 == 1 } && c.output == .activations(low: -255, high: 255)
    }

    private func window(_ kernel: (Int, Int), _ stride: Int, _ padding: Int) -> [(String, [Int])] {
        [
            ("kernel_shape", [kernel.0, kernel.1]), ("strides", [stride, stride]),
            ("pads", [Int](repeating: padding, count: 4)),
        ]
    }

    /// The exact sum of each window: of the whole picture by a reduction, of smaller ones by filters of ones.
    private mutating func windowSums(_ index: Int, _ value: String, _ pool: QuantizedAveragePool2d) -> String {
        let shape = model.plan[index].input
        if pool.windowHeight == shape.height, pool.windowWidth == shape.width {
            let axes = builder.store("\(index).axes", .int64, [2], [Int64(2), 3])
            return builder.add("ReduceSum", "sum_\(index)", [value, axes], integers: [("keepdims", 1)])
        }
        let kernel = (pool.windowHeight, pool.windowWidth)
        let ones = builder.store(
            "\(index).ones", [shape.channels, 1, kernel.0, kernel.1],
            [Float](repeating: 1, count: shape.channels * kernel.0 * kernel.1))
        return builder.add(
            "Conv", "sum_\(index)", [value, ones], integers: [("group", shape.channels)],
            lists: window(kernel, pool.stride, 0))
    }

    /// One side of a residual sum, times its multiplier.
    private mutating func summand(_ index: Int, _ side: String, _ output: Output, _ multiplier: Float) -> String {
        let factor = builder.store("\(index).multiplier_\(side)", [], [multiplier])
        guard let (tensor, zeroPoint) = output.quantized else {
            return builder.add("Mul", "summand_\(index)_\(side)", [output.value, factor])
        }
        return builder.add("DequantizeLinear", "summand_\(index)_\(side)", [tensor, factor, zeroPoint])
    }

    private mutating func flatten(_ index: Int, _ source: Output) -> Output {
        let shape = model.plan[index].input
        var (value, flattened) = (source.value, source.flattened)
        if !shape.isFlat {
            flattened = nil
            if shape.height * shape.width > 1 {
                let isOnlyRead: Bool =
                    if index + 1 < model.layers.count, case .dense = model.layers[index + 1] {
                        !model.layers.contains { $0.refers(to: index) }
                    } else {
                        false
                    }
                if isOnlyRead {
                    flattened = Extent(height: shape.height, width: shape.width, channels: shape.channels)
                } else {
                    value = builder.add("Transpose", "channels_last_\(index)", [value], lists: [("perm", [0, 2, 3, 1])])
                }
            }
        }
        return Output(
            value: builder.add("Flatten", "flatten_\(index)", [value], integers: [("axis", 1)]), flattened: flattened)
    }

    /// What comes behind a sum: activations are requantised, logits rounded and scaled.
    private mutating func finish(_ index: Int, _ value: String, _ output: QuantizedOutput) throws(ONNXError) {
        switch output {
        case .logits:
            let rounded = builder.add("Round", "integer_logits", [value])
            let scale = builder.store("logit_scale", [], [model.logitScale])
            outputs.append(Output(value: builder.add("Mul", "logit_scale_mul", [rounded, scale], output: "logits")))
        case .activations(let low, let high):
            outputs.append(try requantized(index, value, low: low, high: high))
        }
    }

    /// The image minus its zero points.
    private static func centred(_ builder: inout GraphBuilder, _ input: InputGeometry, one: String) -> String {
        if Set(input.zeroPoints).count == 1 {
            let zero = builder.store("image_zero_point", .uint8, [], [UInt8(clamping: input.zeroPoints[0])])
            return builder.add("DequantizeLinear", "image_dequantize", ["image", one, zero])
        }
        let float = builder.add("Cast", "to_float", ["image"], integers: [("to", Int(ElementType.float.rawValue))])
        let zero = builder.store("zero_point", [1, 1, 1, input.channels], input.zeroPoints.map { Float($0) })
        return builder.add("Sub", "center", [float, zero])
    }

    /// Stored int8 weights and int32 biases with the nodes that turn them into floats; the two inputs of a layer.
    private mutating func weighted(
        _ index: Int, _ shape: [Int], _ weights: [Int8], _ bias: [Int32], _ multipliers: [Float]
    ) -> [String] {
        let channels = bias.count
        let scale = builder.store("\(index).scale", [channels], multipliers)
        let zeros = builder.store("\(index).weight_zero_point", .int8, [channels], [Int8](repeating: 0, count: channels))
        let none = builder.store("\(index).bias_zero_point", .int32, [channels], [Int32](repeating: 0, count: channels))
        return [
            builder.add(
                "DequantizeLinear", "\(index).weight_dequantize",
                [builder.store("\(index).weight", .int8, shape, weights), scale, zeros], integers: [("axis", 0)]),
            builder.add(
                "DequantizeLinear", "\(index).bias_dequantize",
                [builder.store("\(index).bias", .int32, [channels], bias), scale, none], integers: [("axis", 0)]),
        ]
    }

    /// Rounds to the integers of the next layer's input and back: int8 when it fits, else uint8.
    private mutating func requantized(
        _ index: Int, _ value: String, low: Int16, high: Int16
    ) throws(ONNXError) -> Output {
        var value = value
        let isSigned = low >= -128 && high <= 127
        guard isSigned || (low >= 0 && high <= 255) else {
            throw .unsupported("layer \(index) has activations of \(low)…\(high), more than 8 bits hold")
        }
        if low == 0, high == 127 || high == 255 {
            value = builder.add("Relu", "relu_\(index)", [value])
        } else if !(low == -127 && high == 127) {
            value = builder.add(
                "Clip", "clip_\(index)",
                [value, builder.store("\(index).low", [], [Float(low)]), builder.store("\(index).high", [], [Float(high)])])
        }
        let point = isSigned ? zero : builder.store("\(index).zero", .uint8, [], [UInt8(0)])
        let quantized = builder.add("QuantizeLinear", "quantize_\(index)", [value, one, point])
        let back = builder.add("DequantizeLinear", "dequantize_\(index)", [quantized, one, point])
        return Output(value: back, quantized: (quantized, point))
    }
}

extension QuantizedLayer {
    /// Whether the layer takes the output of layer `index` by its number.
    fileprivate func refers(to index: Int) -> Bool {
        switch self {
        case .add(let add): add.source == index
        case .output(let source): source == index
        case .conv2d, .depthwiseConv2d, .dense, .maxPool2d, .averagePool2d, .flatten: false
        }
    }
}
