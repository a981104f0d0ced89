import NeuralNetwork

/// Writes networks as ONNX models that take uint8 images [batch, height, width, channels] and give float logits.
public enum ONNXWriter {
    /// The float network: preprocessing first, then a node or a few for each step, channels first as ONNX has it.
    ///
    /// The same network gives the same bytes.
    ///
    /// - Parameter parameters: in declaration order, followed by running statistics where the network has any.
    public static func write(
        _ architecture: Architecture, parameters: [[Float]], preprocessing: Preprocessing,
        description: ONNXDescription
    ) throws(ONNXError) -> [UInt8] {
        let network: Network
        do {
            network = try Network(architecture)
        } catch {
            throw .unsupported("its layers do not fit (\(error))")
        }
        let counts = network.parameters.map(\.count) + network.state.map(\.count)
        guard counts == parameters.map(\.count), preprocessing.zeroPoints.count == architecture.inputChannels else {
            throw .unsupported("its parameters do not fit its layers")
        }
        var writer = StepWriter(network, parameters, preprocessing)
        for index in network.steps.indices { try writer.add(index) }
        return try writer.builder.encoded(description)
    }

    static func windowAttributes(_ kernel: Int, _ stride: Int, _ padding: Int) -> [(String, [Int])] {
        [
            ("kernel_shape", [kernel, kernel]), ("strides", [stride, stride]),
            ("pads", [padding, padding, padding, padding]),
        ]
    }
}

/// Writes the steps of a network one after the other.
private struct StepWriter {
    var builder: GraphBuilder
    private let network: Network
    private let parameters: [[Float]]
    private let image: String
    /// The ONNX value of each step.
    private var values: [String] = []
    /// The picture whose numbers a flat value holds in the order channel, row, column; dense weights follow it.
    private var flattened: [Extent?] = []

    init(_ network: Network, _ parameters: [[Float]], _ preprocessing: Preprocessing) {
        self.network = network
        self.parameters = parameters
        let a = network.architecture
        builder = GraphBuilder(
            name: String(decoding: a.name, as: UTF8.self), input: "image",
            inputShape: [a.inputHeight, a.inputWidth, a.inputChannels], output: "logits", classes: a.classes)
        var value = builder.add("Cast", "to_float", ["image"], integers: [("to", Int(ElementType.float.rawValue))])
        let zeros = preprocessing.zeroPoints.map { Float($0) }
        value = builder.add("Sub", "center", [value, builder.store("zero_point", [1, 1, 1, zeros.count], zeros)])
        value = builder.add("Mul", "scale", [value, builder.store("pixel_scale", [], [preprocessing.scale])])
        image = builder.add("Transpose", "channels_first", [value], lists: [("perm", [0, 3, 1, 2])])
    }

    mutating func add(_ index: Int) throws(ONNXError) {
        let step = network.steps[index]
        let inputs = step.inputs.map { $0 < 0 ? image : values[$0] }
        let output = index == network.steps.count - 1 ? "logits" : nil
        var picture = step.inputs.first.flatMap { $0 < 0 ? nil : flattened[$0] }
        switch step.operation {
        case .add: values.append(builder.add("Add", "add_\(index)", inputs, output: output))
        case .concatenate:
            values.append(builder.add("Concat", "concat_\(index)", inputs, output: output, integers: [("axis", 1)]))
        case .layer(.flatten):
            var value = inputs[0]
            let shape = incoming(step)
            picture = nil
            if shape.count == 4, shape[1] * shape[2] > 1 {
                if goesToDense(index) {
                    picture = Extent(height: shape[1], width: shape[2], channels: shape[3])
                } else {
                    value = builder.add("Transpose", "channels_last_\(index)", [value], lists: [("perm", [0, 2, 3, 1])])
                }
            }
            values.append(builder.add("Flatten", "flatten_\(index)", [value], output: output, integers: [("axis", 1)]))
        case .layer(let layer):
            values.append(try add(layer, index, inputs[0], output, picture))
            if case .dense = layer { picture = nil }
        }
        flattened.append(picture)
    }

    private func incoming(_ step: NetworkStep) -> [Int] {
        let a = network.architecture
        guard let source = step.inputs.first, source >= 0 else { return [1, a.inputHeight, a.inputWidth, a.inputChannels] }
        let shape = network.steps[source].shape
        return (0..<shape.rank).map { shape[$0] }
    }

    /// Whether all that follows a flatten, up to a dense layer, treats every number alike.
    private func goesToDense(_ index: Int) -> Bool {
        let users = network.steps.indices.filter { network.steps[$0].inputs.contains(index) }
        return !users.isEmpty
            && users.allSatisfy { user in
                switch network.steps[user].operation {
                case .layer(.dense): true
                case .layer(.relu), .layer(.relu6), .layer(.hardSwish), .layer(.silu), .layer(.gelu), .layer(.sigmoid),
                    .layer(.tanh), .layer(.dropout):
                    goesToDense(user)
                default: false
                }
            }
    }

    private mutating func add(
        _ layer: Layer, _ index: Int, _ value: String, _ output: String?, _ picture: Extent?
    ) throws(ONNXError) -> String {
        let step = network.steps[index]
        let own = Array(parameters[step.parameters])
        let name = "\(layer.name)_\(index)"
        let shape = incoming(step)
        switch layer {
        case .conv2d(let filters, let kernel, let stride, let padding, let dilation, let groups, _):
            let lists = ONNXWriter.windowAttributes(kernel, stride, padding) + [("dilations", [dilation, dilation])]
            let inputs = [value] + filter(index, [filters, shape[3] / groups, kernel, kernel], own)
            return builder.add("Conv", name, inputs, output: output, integers: [("group", groups)], lists: lists)
        case .depthwiseConv2d(let kernel, let stride, let padding, _):
            let inputs = [value] + filter(index, [shape[3], 1, kernel, kernel], own)
            return builder.add(
                "Conv", name, inputs, output: output, integers: [("group", shape[3])],
                lists: ONNXWriter.windowAttributes(kernel, stride, padding))
        case .dense(let units):
            let weights = ONNXOrder.dense(own[0], flattened: picture, outputs: units)
            let inputs = [
                value, builder.store("\(index).weight", [units, weights.count / units], weights),
                builder.store("\(index).bias", [units], own[1]),
            ]
            return builder.add("Gemm", name, inputs, output: output, integers: [("transB", 1)])
        case .batchNorm(let epsilon, _):
            let first = network.parameters.count + step.state.lowerBound
            let names = ["weight", "bias", "running_mean", "running_var"]
            var inputs = [value]
            for (name, list) in zip(names, own + [parameters[first], parameters[first + 1]]) {
                inputs.append(builder.store("\(index).\(name)", [list.count], list))
            }
            return builder.add("BatchNormalization", name, inputs, output: output, floats: [("epsilon", epsilon)])
        case .relu: return builder.add("Relu", name, [value], output: output)
        case .relu6:
            let limits = [builder.store("\(index).low", [], [0]), builder.store("\(index).high", [], [6])]
            return builder.add("Clip", name, [value] + limits, output: output)
        case .hardSwish:
            let gate = builder.add(
                "HardSigmoid", name + "_gate", [value], floats: [("alpha", 1 / 6), ("beta", 0.5)])
            return builder.add("Mul", name, [value, gate], output: output)
        case .silu:
            let gate = builder.add("Sigmoid", name + "_gate", [value])
            return builder.add("Mul", name, [value, gate], output: output)
        case .sigmoid: return builder.add("Sigmoid", name, [value], output: output)
        case .tanh: return builder.add("Tanh", name, [value], output: output)
        case .maxPool2d(let window, let stride):
            return builder.add(
                "MaxPool", name, [value], output: output, lists: ONNXWriter.windowAttributes(window, stride, 0))
        case .averagePool2d(let window, let stride):
            return builder.add(
                "AveragePool", name, [value], output: output, lists: ONNXWriter.windowAttributes(window, stride, 0))
        case .globalAveragePool:
            let pooled = builder.add("GlobalAveragePool", name, [value])
            return builder.add("Flatten", name + "_flat", [pooled], output: output, integers: [("axis", 1)])
        case .dropout: return builder.add("Identity", name, [value], output: output)
        case .gelu:
            let scaled = builder.add("Mul", name + "_scaled", [value, builder.store("\(index).root_half", [], [Self.rootHalf])])
            let gate = builder.add(
                "Add", name + "_gate", [builder.add("Erf", name + "_erf", [scaled]), builder.store("\(index).one", [], [1])])
            let half = builder.add("Mul", name + "_half", [value, builder.store("\(index).half", [], [0.5])])
            return builder.add("Mul", name, [half, gate], output: output)
        case .layerNorm(let epsilon): return layerNorm(index, name, value, shape.count, own, epsilon, output)
        case .flatten, .residual, .concatenate:
            throw .unsupported("layer \(step.layer) (\(layer.name)) is no elementary layer")
        }
    }

    private static let rootHalf: Float = 0.707_106_781_186_547_5

    /// Along the channels, axis 1 in ONNX, in operators that every runtime has.
    private mutating func layerNorm(
        _ index: Int, _ name: String, _ value: String, _ rank: Int, _ own: [[Float]], _ epsilon: Float,
        _ output: String?
    ) -> String {
        func mean(_ value: String, _ part: String) -> String {
            builder.add(
                "ReduceMean", name + part, [value], integers: [("keepdims", 1)], lists: [("axes", [1])])
        }
        let shape = [own[0].count] + [Int](repeating: 1, count: rank - 2)
        let deviation = builder.add("Sub", name + "_deviation", [value, mean(value, "_mean")])
        let square = builder.add("Mul", name + "_square", [deviation, deviation])
        let spread = builder.add(
            "Add", name + "_spread", [mean(square, "_variance"), builder.store("\(index).epsilon", [], [epsilon])])
        let normal = builder.add(
            "Div", name + "_normal", [deviation, builder.add("Sqrt", name + "_root", [spread])])
        let scaled = builder.add("Mul", name + "_scaled", [normal, builder.store("\(index).weight", shape, own[0])])
        return builder.add("Add", name, [scaled, builder.store("\(index).bias", shape, own[1])], output: output)
    }

    /// Stores the filters of a convolution and its bias, if it has one.
    private mutating func filter(_ index: Int, _ shape: [Int], _ own: [[Float]]) -> [String] {
        let weights = ONNXOrder.filters(own[0], kernel: (shape[2], shape[3]), outputs: shape[0])
        var names = [builder.store("\(index).weight", shape, weights)]
        if own.count > 1 { names.append(builder.store("\(index).bias", [shape[0]], own[1])) }
        return names
    }
}
