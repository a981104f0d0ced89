import NeuralNetwork

/// An ONNX graph of any shape, read by the rules of import but without the claim that it is a classifier: for the
/// ONNX project's tests of single operators.
package struct OperatorModel {
    private let model: ONNXModelProto
    private let opset: Int
    private let limits = ONNXLimits()

    /// Numbers in ONNX's order.
    package struct Tensor: Equatable, Sendable {
        package var shape: [Int]
        package var numbers: [Float]

        package init(shape: [Int], numbers: [Float]) {
            self.shape = shape
            self.numbers = numbers
        }
    }

    /// What import makes of the graph.
    package enum Meaning {
        /// It does not depend on an image.
        case constant(Tensor)
        case network(Layers)
    }

    /// Layers whose input is all images, their channels one after the other.
    package struct Layers {
        package let layers: [Layer]
        package let parameters: [[Float]]
        /// Of one image.
        package let outputShape: [Int]
        /// For each number of the output its place in what the layers give (row, column, channel).
        package let places: [Int32]
        /// Softmax or LogSoftmax over an image's numbers when that was left out behind the layers.
        package let leftOut: String?
    }

    /// Every operation that import claims.
    package static let claimed = Set(Lowering.operations + ConstantFolding.operations)

    package init(_ bytes: [UInt8]) throws(ONNXError) {
        (model, opset) = try OrderedGraph.parse(bytes, limits: limits)
    }

    package var operations: [String] { model.graph.node.map { GraphNode($0).operation } }

    /// The numbers of a stored tensor.
    package static func tensor(_ proto: ONNXTensorProto) throws(ONNXError) -> Tensor {
        let decoded = try TensorDecoder(folder: nil, elementLimit: ONNXLimits().elements).decode(proto)
        return Tensor(shape: decoded.shape, numbers: decoded.floats)
    }

    /// Reads the graph for given inputs: what each of its outputs is.
    ///
    /// - Parameter images: the inputs that stand for something unknown; their first dimension counts the images.
    package func read(_ given: [ONNXTensorProto], images: [Int]) throws(ONNXError) -> [Meaning] {
        let graph = model.graph
        let decoder = TensorDecoder(folder: nil, elementLimit: limits.elements)
        for input in graph.input {
            guard input.type.hasTensorType, ElementType(rawValue: input.type.tensorType.elemType) != nil else {
                throw .tensor(name: input.name, reason: "the input is no tensor of a supported element type")
            }
        }
        let inputs = zip(graph.input.map(\.name), given).map { ($0, $1) }
        var lowering = Lowering(
            limits: limits, opset: opset, batch: images.first.map { Int(given[$0].dims.first ?? 1) } ?? 1,
            decoder: decoder)
        for (name, value) in try OrderedGraph.stored(graph, decoder) { lowering.values[name] = .constant(value) }
        for (index, (name, tensor)) in inputs.enumerated() where !images.contains(index) {
            lowering.values[name] = .constant(try decoder.decode(tensor))
        }
        try lowering.addImages(images.map { (inputs[$0].0, inputs[$0].1.dims.map { Int($0) }) })
        let known = Set(lowering.values.keys)
        for node in try OrderedGraph.ordered(graph.node.map(GraphNode.init), given: known) { try lowering.add(node) }
        var meanings: [Meaning] = []
        for output in graph.output { meanings.append(try meaning(of: output.name, lowering)) }
        return meanings
    }

    private func meaning(of output: String, _ lowering: Lowering) throws(ONNXError) -> Meaning {
        switch lowering.values[output] {
        case .constant(let tensor)?: return .constant(Tensor(shape: tensor.shape, numbers: tensor.floats))
        case .feature(let feature)?:
            var lowered = LoweredGraph(nodes: lowering.nodes, output: feature.node)
            lowered.simplify()
            let emission = try LayerEmission(lowered, isClassifier: false)
            return .network(
                Layers(
                    layers: emission.layers, parameters: emission.parameters, outputShape: feature.shape,
                    places: feature.places,
                    leftOut: lowered.notes.isEmpty ? nil : lowering.nodes[feature.node].source.operation))
        case nil: throw .graph("its output “\(output)” is not supported")
        }
    }
}

extension Lowering {
    /// Images of any number of dimensions: one as the input, several as parts of its channels.
    fileprivate mutating func addImages(_ images: [(name: String, shape: [Int])]) throws(ONNXError) {
        guard let first = images.first else { return }
        var extents: [Extent] = []
        for (name, shape) in images {
            guard shape.count > 0, shape[0] == batch else {
                throw .tensor(name: name, reason: "the shape \(shape) does not begin with the number of images, \(batch)")
            }
            let inner = shape.dropFirst(2)
            extents.append(
                Extent(
                    height: inner.count == 2 ? inner[2] : 1, width: inner.count == 2 ? inner[3] : inner.reduce(1, *),
                    channels: shape.count > 1 ? shape[1] : 1))
        }
        guard extents.allSatisfy({ $0.height == extents[0].height && $0.width == extents[0].width }) else {
            throw .tensor(name: first.name, reason: "images of different sizes")
        }
        var whole = extents[0]
        whole.channels = extents.reduce(0) { $0 + $1.channels }
        var source = GraphNode(ONNXNodeProto())
        source.name = first.name
        source.operation = "input"
        let input = try append(.input, [], whole, source)
        var start = 0
        for ((name, shape), extent) in zip(images, extents) {
            let node = try images.count == 1 ? input : part(of: input, channels: start..<(start + extent.channels), source)
            start += extent.channels
            values[name] = .feature(
                Feature(node: node, shape: Array(shape.dropFirst()), places: Self.channelsFirst(extent)))
        }
    }

    /// Some channels of the input, as a convolution that copies them.
    private mutating func part(
        of input: Int, channels: Range<Int>, _ source: GraphNode
    ) throws(ONNXError) -> Int {
        var extent = nodes[input].extent
        var weights = [Float](repeating: 0, count: extent.channels * channels.count)
        for (output, channel) in channels.enumerated() { weights[channel * channels.count + output] = 1 }
        extent.channels = channels.count
        let copy = Convolution(
            window: Window(height: 1, width: 1, strideHeight: 1, strideWidth: 1, edges: .none), groups: 1,
            outputs: channels.count, weights: weights, bias: [Float](repeating: 0, count: channels.count))
        return try append(.conv2d(copy), [input], extent, source)
    }
}
