import NeuralNetwork

/// Writes networks as ONNX models that take uint8 images [batch, height, width, channels] and give float logits.
public enum ONNXWriter {
    /// The float network: preprocessing first, then one node for each layer, channels first as ONNX has it.
    ///
    /// The same network gives the same bytes.
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
        guard network.parameters.map(\.count) == parameters.map(\.count),
            preprocessing.zeroPoints.count == architecture.inputChannels
        else {
            throw .unsupported("its parameters do not fit its layers")
        }
        let a = architecture
        var builder = GraphBuilder(
            name: String(decoding: a.name, as: UTF8.self), input: "image",
            inputShape: [a.inputHeight, a.inputWidth, a.inputChannels], output: "logits", classes: a.classes)
        var extent = Extent(height: a.inputHeight, width: a.inputWidth, channels: a.inputChannels)
        var value = builder.add("Cast", "to_float", ["image"], integers: [("to", Int(ElementType.float.rawValue))])
        let zero = builder.store("zero_point", [1, 1, 1, extent.channels], preprocessing.zeroPoints.map { Float($0) })
        value = builder.add("Sub", "center", [value, zero])
        value = builder.add("Mul", "scale", [value, builder.store("pixel_scale", [], [preprocessing.scale])])
        value = builder.add("Transpose", "channels_first", [value], lists: [("perm", [0, 3, 1, 2])])
        var flattened: Extent?
        var next = 0
        for (index, layer) in a.layers.enumerated() {
            let name = "\(layer.name)_\(index)"
            let output = index == a.layers.count - 1 ? "logits" : nil
            let shape = network.layerShapes[index]
            switch layer {
            case .conv2d(let filters, let kernel, let stride, let padding, dilation: 1, groups: 1, bias: true):
                let weights = ONNXOrder.filters(parameters[next], kernel: (kernel, kernel), outputs: filters)
                let inputs = [
                    value, builder.store("\(index).weight", [filters, extent.channels, kernel, kernel], weights),
                    builder.store("\(index).bias", [filters], parameters[next + 1]),
                ]
                next += 2
                value = builder.add(
                    "Conv", name, inputs, output: output,
                    lists: windowAttributes(kernel, stride, padding))
            case .dense(let units):
                let weights = ONNXOrder.dense(parameters[next], flattened: flattened, outputs: units)
                let inputs = [
                    value, builder.store("\(index).weight", [units, weights.count / units], weights),
                    builder.store("\(index).bias", [units], parameters[next + 1]),
                ]
                flattened = nil
                next += 2
                value = builder.add("Gemm", name, inputs, output: output, integers: [("transB", 1)])
            case .relu: value = builder.add("Relu", name, [value], output: output)
            case .maxPool2d(let window, let stride):
                value = builder.add(
                    "MaxPool", name, [value], output: output, lists: windowAttributes(window, stride, 0))
            case .flatten:
                value = builder.add("Flatten", name, [value], output: output, integers: [("axis", 1)])
                if extent.height * extent.width > 1 { flattened = extent }
            default: throw .unsupported("layer \(index) (\(layer.name)) has no ONNX form here yet")
            }
            if shape.rank == 4 { extent = Extent(height: shape[1], width: shape[2], channels: shape[3]) }
        }
        return try builder.encoded(description)
    }

    static func windowAttributes(_ kernel: Int, _ stride: Int, _ padding: Int) -> [(String, [Int])] {
        [
            ("kernel_shape", [kernel, kernel]), ("strides", [stride, stride]),
            ("pads", [padding, padding, padding, padding]),
        ]
    }
}
