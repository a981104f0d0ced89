/// Builds a model from the sections of a .deai file.
struct ModelFileReader {
    private let bytes: [UInt8]
    private let sections: ModelFileSections

    init(_ bytes: [UInt8], _ sections: ModelFileSections) {
        self.bytes = bytes
        self.sections = sections
    }

    func model() throws(ModelFileError) -> QuantizedModel {
        var network = ByteReader(bytes, sections.ranges[0])
        var tensors = ByteReader(bytes, sections.ranges[3])
        let start = network.position
        let name = try network.data(try network.u16())
        let input = try geometry(&network)
        let logitScale = try network.f32()
        let countOffset = network.position
        let layerCount = try network.u16()
        guard layerCount <= ModelRules.maximumLayers else {
            throw ModelFileError(
                .countTooLarge(limit: ModelRules.maximumLayers, found: layerCount), offset: countOffset)
        }
        var layers: [QuantizedLayer] = []
        var offsets: [Int] = []
        for _ in 0..<layerCount {
            offsets.append(network.position)
            layers.append(try layer(&network, &tensors))
        }
        try network.finish(section: 1)
        try tensors.finish(section: 4)
        let labels = try self.labels()
        let provenance = [UInt8](bytes[sections.ranges[2]])
        do {
            return try QuantizedModel(
                name: name, input: input, layers: layers, labels: labels, logitScale: logitScale,
                provenance: provenance)
        } catch {
            let offset = offsets.indices.contains(error.layer) ? offsets[error.layer] : start
            throw ModelFileError(.invalidModel(error), offset: offset)
        }
    }

    private func geometry(_ reader: inout ByteReader) throws(ModelFileError) -> InputGeometry {
        let height = try reader.u16()
        let width = try reader.u16()
        let channels = Int(try reader.u8())
        var zeroPoints: [Int32] = []
        for _ in 0..<channels { zeroPoints.append(Int32(try reader.u8())) }
        return InputGeometry(
            height: height, width: width, channels: channels, zeroPoints: zeroPoints,
            scale: try reader.f32())
    }

    private func layer(
        _ network: inout ByteReader, _ tensors: inout ByteReader
    ) throws(ModelFileError) -> QuantizedLayer {
        let offset = network.position
        let kind = try network.u8()
        guard kind <= ModelFileLayout.Kind.flatten || sections.minorVersion >= 1 else {
            throw ModelFileError(.unknownKind(Int(kind)), offset: offset)
        }
        switch kind {
        case ModelFileLayout.Kind.conv2d:
            let outputs = try network.count(limit: ModelRules.maximumChannels)
            let kernelHeight = Int(try network.u8())
            let kernelWidth = Int(try network.u8())
            let stride = Int(try network.u8())
            let padding = Int(try network.u8())
            let output = try self.output(&network)
            let numbers = try Tensors(&tensors, outputs: outputs, minorVersion: sections.minorVersion)
            return .conv2d(
                QuantizedConv2d(
                    outputChannels: outputs, kernelHeight: kernelHeight, kernelWidth: kernelWidth,
                    stride: stride, padding: padding, weights: numbers.weights, bias: numbers.bias,
                    multipliers: numbers.multipliers, output: output))
        case ModelFileLayout.Kind.dense:
            let outputs = try network.count(limit: ModelRules.maximumChannels)
            let output = try self.output(&network)
            let numbers = try Tensors(&tensors, outputs: outputs, minorVersion: sections.minorVersion)
            return .dense(
                QuantizedDense(
                    outputs: outputs, weights: numbers.weights, bias: numbers.bias,
                    multipliers: numbers.multipliers, output: output))
        case ModelFileLayout.Kind.maxPool2d:
            let window = Int(try network.u8())
            return .maxPool2d(window: window, stride: Int(try network.u8()))
        case ModelFileLayout.Kind.flatten:
            return .flatten
        case ModelFileLayout.Kind.depthwiseConv2d:
            let channels = try network.count(limit: ModelRules.maximumChannels)
            let kernelHeight = Int(try network.u8())
            let kernelWidth = Int(try network.u8())
            let stride = Int(try network.u8())
            let padding = Int(try network.u8())
            let output = try self.output(&network)
            let numbers = try Tensors(&tensors, outputs: channels, minorVersion: sections.minorVersion)
            return .depthwiseConv2d(
                QuantizedDepthwiseConv2d(
                    kernelHeight: kernelHeight, kernelWidth: kernelWidth, stride: stride, padding: padding,
                    weights: numbers.weights, bias: numbers.bias, multipliers: numbers.multipliers,
                    output: output))
        case ModelFileLayout.Kind.averagePool2d:
            let windowHeight = try network.u16()
            let windowWidth = try network.u16()
            let stride = Int(try network.u8())
            let multiplier = try network.f32()
            return .averagePool2d(
                QuantizedAveragePool2d(
                    windowHeight: windowHeight, windowWidth: windowWidth, stride: stride,
                    multiplier: multiplier, output: try self.output(&network)))
        case ModelFileLayout.Kind.add:
            let source = try network.u16()
            let multiplier = try network.f32()
            let sourceMultiplier = try network.f32()
            return .add(
                QuantizedAdd(
                    source: source, multiplier: multiplier, sourceMultiplier: sourceMultiplier,
                    output: try self.output(&network)))
        case ModelFileLayout.Kind.output:
            return .output(of: try network.u16())
        default:
            throw ModelFileError(.unknownKind(Int(kind)), offset: offset)
        }
    }

    private func output(_ reader: inout ByteReader) throws(ModelFileError) -> QuantizedOutput {
        let offset = reader.position
        let kind = try reader.u8()
        let low = try reader.i16()
        let high = try reader.i16()
        switch kind {
        case ModelFileLayout.Output.activations: return .activations(low: low, high: high)
        case ModelFileLayout.Output.logits:
            guard low == 0, high == 0 else { throw ModelFileError(.reservedNotZero, offset: offset + 1) }
            return .logits
        default: throw ModelFileError(.unknownKind(Int(kind)), offset: offset)
        }
    }

    private func labels() throws(ModelFileError) -> [[UInt8]] {
        var reader = ByteReader(bytes, sections.ranges[1])
        let start = reader.position
        let count = try reader.u16()
        guard count <= ModelRules.maximumClasses else {
            throw ModelFileError(
                .countTooLarge(limit: ModelRules.maximumClasses, found: count), offset: start)
        }
        var labels: [[UInt8]] = []
        for _ in 0..<count { labels.append(try reader.data(try reader.u16())) }
        try reader.finish(section: 2)
        return labels
    }
}

/// Bias, multipliers and weights of one layer.
private struct Tensors {
    let bias: [Int32]
    let multipliers: [Float]
    let weights: [Int8]

    init(_ reader: inout ByteReader, outputs: Int, minorVersion: Int) throws(ModelFileError) {
        bias = try reader.i32s(outputs)
        multipliers = try reader.f32s(outputs)
        let count = try reader.count(limit: ModelRules.maximumWeights)
        let encodingOffset = reader.position
        let encoding = try reader.u8()
        let lengthOffset = reader.position
        let length = try reader.count(limit: ModelRules.maximumWeights)
        switch encoding {
        case ModelFileLayout.Encoding.raw:
            guard length == count else {
                throw ModelFileError(.countTooLarge(limit: count, found: length), offset: lengthOffset)
            }
            weights = try reader.i8s(count)
        case ModelFileLayout.Encoding.entropyCoded where minorVersion >= 2:
            weights = try EntropyDecoder.weights(&reader, count: count, outputs: outputs, length: length)
        default:
            throw ModelFileError(.unknownEncoding(Int(encoding)), offset: encodingOffset)
        }
    }
}
