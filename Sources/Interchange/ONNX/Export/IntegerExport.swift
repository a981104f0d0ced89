import Inference

extension ONNXWriter {
    /// The integer network with QuantizeLinear and DequantizeLinear around float operators (the QDQ form).
    ///
    /// Between layers one unit stands for one step, so every tensor there holds the very integers of the .deai file,
    /// and the scale of the weights is the file's multiplier: a runtime that fuses the pattern computes
    /// round(accumulator · multiplier) just as the canister does. The logits are rounded to their integers, then
    /// brought to their scale.
    public static func write(_ model: QuantizedModel, description: ONNXDescription) throws(ONNXError) -> [UInt8] {
        let input = model.input
        var builder = GraphBuilder(
            name: String(decoding: model.name, as: UTF8.self), input: "image",
            inputShape: [input.height, input.width, input.channels], output: "logits", classes: model.labels.count)
        let one = builder.store("one", [], [1])
        let zero = builder.store("zero", .int8, [], [Int8(0)])
        var value = centred(&builder, input, one: one)
        value = builder.add("Transpose", "channels_first", [value], lists: [("perm", [0, 3, 1, 2])])
        var extent = Extent(height: input.height, width: input.width, channels: input.channels)
        var flattened: Extent?
        for (index, layer) in model.layers.enumerated() {
            let output: QuantizedOutput
            switch layer {
            case .conv2d(let conv):
                let kernel = (conv.kernelHeight, conv.kernelWidth)
                let weights = ONNXOrder.filters(conv.weights, kernel: kernel, outputs: conv.outputChannels)
                let inputs = weighted(
                    &builder, index, [conv.outputChannels, extent.channels, kernel.0, kernel.1], weights, conv.bias,
                    conv.multipliers)
                let edges = [Int](repeating: conv.padding, count: 4)
                value = builder.add(
                    "Conv", "conv2d_\(index)", [value] + inputs,
                    lists: [
                        ("kernel_shape", [kernel.0, kernel.1]), ("strides", [conv.stride, conv.stride]), ("pads", edges),
                    ])
                output = conv.output
            case .dense(let dense):
                let weights = ONNXOrder.dense(dense.weights, flattened: flattened, outputs: dense.outputs)
                flattened = nil
                let inputs = weighted(
                    &builder, index, [dense.outputs, weights.count / dense.outputs], weights, dense.bias,
                    dense.multipliers)
                value = builder.add("Gemm", "dense_\(index)", [value] + inputs, integers: [("transB", 1)])
                output = dense.output
            case .maxPool2d(let window, let stride):
                value = builder.add(
                    "MaxPool", "maxPool2d_\(index)", [value], lists: windowAttributes(window, stride, 0))
                output = .activations(low: 0, high: 0)
            case .flatten:
                value = builder.add("Flatten", "flatten_\(index)", [value], integers: [("axis", 1)])
                if extent.height * extent.width > 1 { flattened = extent }
                output = .activations(low: 0, high: 0)
            case .depthwiseConv2d, .averagePool2d, .add, .output:
                throw .unsupported("int8 layer \(index) is a depthwise convolution, an average pooling or a branch")
            }
            let shape = model.plan[index].output
            if !shape.isFlat { extent = Extent(height: shape.height, width: shape.width, channels: shape.channels) }
            switch (layer, output) {
            case (.maxPool2d, _), (.flatten, _): break
            case (_, .logits):
                value = builder.add("Round", "integer_logits", [value])
                let scale = builder.store("logit_scale", [], [model.logitScale])
                builder.add("Mul", "logit_scale_mul", [value, scale], output: "logits")
            case (_, .activations(let low, let high)):
                value = try requantized(&builder, index, value, low: low, high: high, one: one, zero: zero)
            }
        }
        return try builder.encoded(description)
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
    private static func weighted(
        _ builder: inout GraphBuilder, _ index: Int, _ shape: [Int], _ weights: [Int8], _ bias: [Int32],
        _ multipliers: [Float]
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
    private static func requantized(
        _ builder: inout GraphBuilder, _ index: Int, _ value: String, low: Int16, high: Int16, one: String, zero: String
    ) throws(ONNXError) -> String {
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
        return builder.add("DequantizeLinear", "dequantize_\(index)", [quantized, one, point])
    }
}
