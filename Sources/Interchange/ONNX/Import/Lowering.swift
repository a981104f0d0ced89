/// A value that depends on the image, as an ONNX node sees it.
struct Feature {
    /// The lowered node that makes it.
    var node: Int
    /// Sizes in ONNX's order, without the batch.
    var shape: [Int]
    /// For each element in that order its place in the lowered node's result (row, column, channel).
    ///
    /// Transposes and reshapes only change this, so no layout is lost or guessed.
    var places: [Int32]
}

/// Turns a well-formed graph into lowered nodes: constants are computed, layouts made row, column, channel.
struct Lowering {
    enum Known {
        case constant(ConstantTensor)
        case feature(Feature)
    }

    let limits: ONNXLimits
    let opset: Int
    /// Images of a batch, or `openBatch`.
    let batch: Int
    let decoder: TensorDecoder
    var values: [String: Known] = [:]
    private(set) var nodes: [LoweredNode] = []
    /// Numbers of all constants that were computed.
    private var computed = 0
    /// Numbers of all that nodes give for an image.
    private var activations = 0
    /// Of each node: whether no number that it gives can be below zero.
    private(set) var areNeverNegative: [Bool] = []
    /// The last node of each hard sigmoid that a hard swish may be made of, and the node before it.
    var hardSigmoids: [Int: Int] = [:]

    /// Stands for a batch that is not fixed: a prime that no size of a layer is.
    private static let openBatch = 1_000_003

    /// A shape as messages show it.
    static func text(_ shape: [Int]) -> String {
        let sizes = shape.map { size in
            size == openBatch ? "batch" : size > 0 && size % openBatch == 0 ? "\(size / openBatch) * batch" : "\(size)"
        }
        return "[\(sizes.joined(separator: ", "))]"
    }

    init(limits: ONNXLimits, opset: Int, batch: Int, decoder: TensorDecoder) {
        self.limits = limits
        self.opset = opset
        self.batch = batch
        self.decoder = decoder
    }

    /// The lowered form of `graph`.
    static func lower(_ graph: OrderedGraph, limits: ONNXLimits, folder: String?) throws(ONNXError) -> LoweredGraph {
        var lowering = Lowering(
            limits: limits, opset: graph.opset, batch: graph.inputShape[0] ?? openBatch,
            decoder: TensorDecoder(folder: folder, elementLimit: limits.elements))
        lowering.values = graph.constants.mapValues { .constant($0) }
        try lowering.addInput(graph)
        for node in graph.nodes { try lowering.add(node) }
        guard case .feature(let result)? = lowering.values[graph.output] else {
            throw .graph("its output “\(graph.output)” does not depend on the image")
        }
        let count = result.places.count
        guard result.shape.filter({ $0 != 1 }).count <= 1, result.places == (0..<Int32(clamping: count)).map({ $0 }) else {
            throw .graph("its output has the shape \(result.shape) for each image, expected one number for each class")
        }
        return LoweredGraph(nodes: lowering.nodes, output: result.node)
    }

    private mutating func addInput(_ graph: OrderedGraph) throws(ONNXError) {
        let shape = graph.inputShape.dropFirst().map { $0 ?? 0 }
        guard let count = elementCount(shape), count <= 1 << 24 else {
            throw .tensor(name: graph.input, reason: "an image of \(shape) is too large")
        }
        // One or three channels, first (PyTorch) or last (the toolkit's own order, Keras).
        let extent: Extent
        let channelsFirst = [1, 3].contains(shape[0])
        if channelsFirst {
            extent = Extent(height: shape[1], width: shape[2], channels: shape[0])
        } else if [1, 3].contains(shape[2]) {
            extent = Extent(height: shape[0], width: shape[1], channels: shape[2])
        } else {
            throw .tensor(
                name: graph.input, reason: "an image of \(shape) has no dimension of 1 or 3 channels, first or last")
        }
        var source = GraphNode(ONNXNodeProto())
        source.name = graph.input
        source.operation = "input"
        let image = try append(.input, [], extent, source)
        let places =
            channelsFirst ? Self.channelsFirst(extent) : (0..<Int32(count)).map { $0 }
        values[graph.input] = .feature(Feature(node: image, shape: shape, places: places))
    }

    /// Places of an array in the order channel, row, column.
    static func channelsFirst(_ extent: Extent) -> [Int32] {
        walk(
            [extent.channels, extent.height, extent.width],
            strides: [1, extent.width * extent.channels, extent.channels]
        ).map { Int32($0) }
    }

    // MARK: Access to what is known

    func known(_ node: GraphNode, _ place: Int) throws(ONNXError) -> Known? {
        guard let name = node.input(place) else { return nil }
        guard let value = values[name] else { throw node.fail("its input “\(name)” is an output that is not supported") }
        return value
    }

    /// The constant at `place`; nil when it is left out.
    func constant(_ node: GraphNode, _ place: Int) throws(ONNXError) -> ConstantTensor? {
        switch try known(node, place) {
        case nil: return nil
        case .constant(let value)?: return value
        case .feature?: throw node.fail("input \(place) must be a constant")
        }
    }

    func required(_ node: GraphNode, _ place: Int) throws(ONNXError) -> ConstantTensor {
        guard let value = try constant(node, place) else { throw node.fail("input \(place) is missing") }
        return value
    }

    func feature(_ node: GraphNode, _ place: Int = 0) throws(ONNXError) -> Feature {
        guard case .feature(let value)? = try known(node, place) else {
            throw node.fail("input \(place) must depend on the image")
        }
        return value
    }

    /// An input whose sizes are channels, rows and columns in this order, and its extent.
    func picture(_ node: GraphNode) throws(ONNXError) -> (Feature, Extent) {
        let x = try feature(node)
        let extent = nodes[x.node].extent
        guard x.shape == [extent.channels, extent.height, extent.width], x.places == Self.channelsFirst(extent) else {
            throw node.fail("its input of shape \(x.shape) is not a picture with channels first")
        }
        return (x, extent)
    }

    mutating func append(
        _ kind: LoweredNode.Kind, _ inputs: [Int], _ extent: Extent, _ source: GraphNode
    ) throws(ONNXError) -> Int {
        guard let count = elementCount([extent.height, extent.width, extent.channels]), count <= 1 << 24,
            extent.height > 0, extent.width > 0, extent.channels > 0
        else {
            throw source.fail("its output of \(extent.height)x\(extent.width)x\(extent.channels) is empty or too large")
        }
        activations += count
        guard activations <= limits.activations else {
            throw source.fail("activations are larger than the limit of \(limits.activations) numbers for an image")
        }
        nodes.append(LoweredNode(kind: kind, inputs: inputs, extent: extent, source: source))
        switch kind {
        case .relu, .activation(.relu6), .activation(.sigmoid): areNeverNegative.append(true)
        case .maxPool, .averagePool, .globalAverage, .pad, .concat, .add:
            areNeverNegative.append(inputs.allSatisfy { areNeverNegative[$0] })
        default: areNeverNegative.append(false)
        }
        return nodes.count - 1
    }

    mutating func set(_ node: GraphNode, _ value: Known) {
        guard let name = node.outputs.first else { return }
        values[name] = value
    }

    /// The second output of a dropout that drops nothing; it is not used but in tests.
    private mutating func setMask(_ node: GraphNode, _ shape: [Int]) {
        guard node.operation == "Dropout", node.outputs.count > 1, let count = elementCount(shape),
            count <= limits.elements
        else { return }
        values[node.outputs[1]] = .constant(
            ConstantTensor(shape: shape, integers: [Int](repeating: 1, count: count)))
    }

    /// The result of a node that gives a picture with channels first.
    mutating func setPicture(
        _ node: GraphNode, _ kind: LoweredNode.Kind, _ inputs: [Int], _ extent: Extent
    ) throws(ONNXError) {
        let index = try append(kind, inputs, extent, node)
        set(
            node,
            .feature(
                Feature(
                    node: index, shape: [extent.channels, extent.height, extent.width],
                    places: Self.channelsFirst(extent))))
    }

    // MARK: Nodes

    mutating func add(_ node: GraphNode) throws(ONNXError) {
        if node.operation == "Constant" {
            set(node, .constant(try ConstantFolding.constant(node, decoder: decoder)))
            return
        }
        var inputs: [ConstantTensor?] = []
        var isConstant = true
        for place in node.inputs.indices {
            switch try known(node, place) {
            case .constant(let value)?: inputs.append(value)
            case .feature?: isConstant = false
            case nil: inputs.append(nil)
            }
        }
        if isConstant {
            guard let value = try ConstantFolding.fold(node, inputs, opset: opset, limits: limits) else {
                throw node.fail("this operation on constants is not supported")
            }
            computed += value.count
            guard computed <= limits.elements else {
                throw node.fail("constants that are computed are larger than the limit of \(limits.elements) numbers")
            }
            set(node, .constant(value))
            setMask(node, value.shape)
            return
        }
        switch node.operation {
        case "Identity": set(node, .feature(try feature(node)))
        case "Dropout":
            try ConstantFolding.checkDropout(node, opset, ratio: try constant(node, 1), training: try constant(node, 2))
            let x = try feature(node)
            set(node, .feature(x))
            setMask(node, [batch] + x.shape)
        case "Cast":
            guard let type = ElementType(rawValue: Int32(clamping: node.integer("to", default: 0))), type.isFloating else {
                throw node.fail("images can only be converted to floats")
            }
            set(node, .feature(try feature(node)))
        case "Shape": set(node, .constant(try ConstantFolding.shapeSlice(node, [batch] + (try feature(node).shape))))
        case "Reshape", "Flatten", "Squeeze", "Unsqueeze": try reshape(node)
        case "Transpose": try transpose(node)
        case "Conv": try convolution(node)
        case "Gemm": try gemm(node)
        case "MatMul": try matmul(node)
        case "BatchNormalization": try batchNormalization(node)
        case "Add", "Sub", "Mul", "Div": try arithmetic(node)
        case "Relu": try elementwise(node, .relu)
        case "Sigmoid": try elementwise(node, .activation(.sigmoid))
        case "Tanh": try elementwise(node, .activation(.tanh))
        case "HardSwish": try elementwise(node, .activation(.hardSwish))
        case "HardSigmoid": try hardSigmoid(node)
        case "Clip": try clip(node)
        case "Softmax", "LogSoftmax": try softmax(node)
        case "MaxPool", "AveragePool": try pool(node)
        case "GlobalAveragePool": try globalAverage(node)
        case "GlobalMaxPool": try globalMaximum(node)
        case "ReduceMean": try reduceMean(node)
        case "Concat": try concat(node)
        case "Pad": try pad(node)
        default:
            throw node.fail("this operation is not supported; \(Self.supported)")
        }
    }

    /// What may depend on the image.
    static let operations = [
        "Conv", "Gemm", "MatMul", "BatchNormalization", "Relu", "Clip", "Sigmoid", "Tanh", "HardSigmoid", "HardSwish",
        "MaxPool", "AveragePool", "GlobalAveragePool", "GlobalMaxPool", "ReduceMean", "Add", "Sub", "Mul", "Div",
        "Concat", "Pad", "Flatten", "Reshape", "Squeeze", "Unsqueeze", "Transpose", "Softmax", "LogSoftmax", "Cast",
        "Identity", "Dropout",
    ]

    static let supported =
        "supported are \(operations.joined(separator: ", ")), and arithmetic on shapes and constants"
}
