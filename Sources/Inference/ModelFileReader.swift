/// The numbers of one layer; `weights` are empty where a source leaves them in the file.
struct LayerTensors {
    let bias: [Int32]
    let multipliers: [Float]
    let weights: [Int8]
}

/// Where the numbers of the layers come from, in the order of the layers.
protocol TensorSource {
    mutating func next(outputs: Int, minorVersion: Int) throws(ModelFileError) -> LayerTensors
    /// The section must end here.
    func finish() throws(ModelFileError)
}

/// What the sections of a .deai file say, before it is known whether they make a model.
struct ModelParts {
    let name: [UInt8]
    let input: InputGeometry
    let logitScale: Float
    let layers: [QuantizedLayer]
    let labels: [[UInt8]]
    let provenance: [UInt8]
    /// Where the description of the network starts in the file, and that of each layer.
    let networkOffset: Int
    let layerOffsets: [Int]

    /// A broken rule at the place in the file that breaks it.
    func located(_ error: QuantizedModelError) -> ModelFileError {
        let offset = layerOffsets.indices.contains(error.layer) ? layerOffsets[error.layer] : networkOffset
        return ModelFileError(.invalidModel(error), offset: offset)
    }
}

/// Reads the sections of a .deai file.
struct ModelFileReader {
    private let bytes: [UInt8]
    /// Of network, labels and provenance.
    private let ranges: [Range<Int>]
    private let minorVersion: Int

    /// - Parameter bytes: the file, at least as far as the end of the third section.
    init(_ bytes: [UInt8], ranges: [Range<Int>], minorVersion: Int) {
        self.bytes = bytes
        self.ranges = ranges
        self.minorVersion = minorVersion
    }

    /// The model of a whole file.
    static func model(_ bytes: [UInt8]) throws(ModelFileError) -> QuantizedModel {
        let sections = try ModelFileSections(bytes)
        let reader = ModelFileReader(bytes, ranges: sections.ranges, minorVersion: sections.minorVersion)
        var tensors = ByteTensors(reader: ByteReader(bytes, sections.ranges[3]))
        let parts = try reader.parts(&tensors)
        do {
            return try QuantizedModel(
                name: parts.name, input: parts.input, layers: parts.layers, labels: parts.labels,
                logitScale: parts.logitScale, provenance: parts.provenance)
        } catch {
            throw parts.located(error)
        }
    }

    func parts<Source: TensorSource>(_ tensors: inout Source) throws(ModelFileError) -> ModelParts {
        var network = ByteReader(bytes, ranges[0])
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
        try tensors.finish()
        return ModelParts(
            name: name, input: input, logitScale: logitScale, layers: layers, labels: try labels(),
            provenance: [UInt8](bytes[ranges[2]]), networkOffset: start, layerOffsets: offsets)
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

    private func layer<Source: TensorSource>(
        _ network: inout ByteReader, _ tensors: inout Source
    ) throws(ModelFileError) -> QuantizedLayer {
        let offset = network.position
        let kind = try network.u8()
        guard kind <= ModelFileLayout.Kind.flatten || minorVersion >= 1 else {
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
            let numbers = try tensors.next(outputs: outputs, minorVersion: minorVersion)
            return .conv2d(
                QuantizedConv2d(
                    outputChannels: outputs, kernelHeight: kernelHeight, kernelWidth: kernelWidth,
                    stride: stride, padding: padding, weights: numbers.weights, bias: numbers.bias,
                    multipliers: numbers.multipliers, output: output))
        case ModelFileLayout.Kind.dense:
            let outputs = try network.count(limit: ModelRules.maximumChannels)
            let output = try self.output(&network)
            let numbers = try tensors.next(outputs: outputs, minorVersion: minorVersion)
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
            let numbers = try tensors.next(outputs: channels, minorVersion: minorVersion)
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
        var reader = ByteReader(bytes, ranges[1])
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

/// The tensors of a file in memory.
struct ByteTensors: TensorSource {
    var reader: ByteReader

    func finish() throws(ModelFileError) { try reader.finish(section: 4) }

    mutating func next(outputs: Int, minorVersion: Int) throws(ModelFileError) -> LayerTensors {
        let bias = try reader.i32s(outputs)
        let multipliers = try reader.f32s(outputs)
        let head = try WeightsHead(&reader, minorVersion: minorVersion)
        let weights =
            head.isEntropyCoded
            ? try EntropyDecoder.weights(&reader, count: head.count, outputs: outputs, length: head.length)
            : try reader.i8s(head.count)
        return LayerTensors(bias: bias, multipliers: multipliers, weights: weights)
    }
}

/// What precedes the weights of a layer.
struct WeightsHead {
    static let byteCount = 9

    let count: Int
    let isEntropyCoded: Bool
    /// Bytes that the weights take in the file.
    let length: Int

    init(_ reader: inout ByteReader, minorVersion: Int) throws(ModelFileError) {
        count = try reader.count(limit: ModelRules.maximumWeights)
        let encodingOffset = reader.position
        let encoding = try reader.u8()
        let lengthOffset = reader.position
        length = try reader.count(limit: ModelRules.maximumWeights)
        switch encoding {
        case ModelFileLayout.Encoding.raw:
            guard length == count else {
                throw ModelFileError(.countTooLarge(limit: count, found: length), offset: lengthOffset)
            }
            isEntropyCoded = false
        case ModelFileLayout.Encoding.entropyCoded where minorVersion >= 2:
            isEntropyCoded = true
        default:
            throw ModelFileError(.unknownEncoding(Int(encoding)), offset: encodingOffset)
        }
    }
}
