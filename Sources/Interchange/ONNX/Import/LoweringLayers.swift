/// Nodes with weights, and pooling.
extension Lowering {
    mutating func convolution(_ node: GraphNode) throws(ONNXError) {
        let (x, extent) = try picture(node)
        let filter = try required(node, 1)
        guard filter.shape.count == 4 else { throw node.fail("only filters with 4 dimensions are supported, found \(filter.shape)") }
        let groups = node.integer("group", default: 1)
        let (outputs, inputs) = (filter.shape[0], filter.shape[1])
        guard groups > 0, outputs > 0, inputs > 0, outputs % groups == 0, extent.channels % groups == 0,
            inputs == extent.channels / groups
        else {
            throw node.fail("filters of \(filter.shape) in \(groups) groups do not fit \(extent.channels) channels")
        }
        let kernel = Array(filter.shape[2...])
        if let named = node.integers("kernel_shape"), named != kernel {
            throw node.fail("kernel_shape \(named) does not fit filters of \(filter.shape)")
        }
        let window = try window(node, extent, kernel: kernel)
        let bias = try constant(node, 2)?.floats ?? [Float](repeating: 0, count: outputs)
        guard bias.count == outputs else { throw node.fail("\(bias.count) biases for \(outputs) outputs") }
        let (order, _) = transposition(of: filter.shape, by: [2, 3, 1, 0])
        let weights = filter.picking(order, shape: [filter.count]).floats
        guard (weights + bias).allSatisfy(\.isFinite) else { throw node.fail("a weight is not finite") }
        let convolution = Convolution(window: window, groups: groups, outputs: outputs, weights: weights, bias: bias)
        try setPicture(
            node, .conv2d(convolution), [x.node], try output(node, window, extent, channels: outputs))
    }

    /// Kernel, strides, dilations and edges of a convolution or pooling.
    private func window(_ node: GraphNode, _ extent: Extent, kernel: [Int]) throws(ONNXError) -> Window {
        let strides = node.integers("strides") ?? [1, 1]
        let dilations = node.integers("dilations") ?? [1, 1]
        guard kernel.count == 2, strides.count == 2, dilations.count == 2,
            (kernel + strides + dilations).allSatisfy({ (1...4096).contains($0) })
        else {
            throw node.fail("kernel \(kernel), strides \(strides) and dilations \(dilations) are not those of pictures")
        }
        var result = Window(
            height: kernel[0], width: kernel[1], strideHeight: strides[0], strideWidth: strides[1],
            dilationHeight: dilations[0], dilationWidth: dilations[1], edges: .none)
        func same(_ size: Int, _ kernel: Int, _ stride: Int, _ dilation: Int) -> Int {
            max(0, ((size + stride - 1) / stride - 1) * stride + (kernel - 1) * dilation + 1 - size)
        }
        let automatic = node.text("auto_pad", default: "NOTSET")
        switch automatic {
        case "NOTSET":
            let pads = node.integers("pads") ?? [0, 0, 0, 0]
            guard pads.count == 4, pads.allSatisfy({ (0...4096).contains($0) }) else {
                throw node.fail("pads \(pads); four numbers of 0 to 4,096 are supported")
            }
            result.edges = Edges(top: pads[0], left: pads[1], bottom: pads[2], right: pads[3])
        case "VALID": break
        case "SAME_UPPER", "SAME_LOWER":
            let rows = same(extent.height, kernel[0], strides[0], dilations[0])
            let columns = same(extent.width, kernel[1], strides[1], dilations[1])
            let (fewRows, fewColumns) = (rows / 2, columns / 2)
            result.edges =
                automatic == "SAME_UPPER"
                ? Edges(top: fewRows, left: fewColumns, bottom: rows - fewRows, right: columns - fewColumns)
                : Edges(top: rows - fewRows, left: columns - fewColumns, bottom: fewRows, right: fewColumns)
        default: throw node.fail("auto_pad \(automatic) is not known")
        }
        return result
    }

    private func output(
        _ node: GraphNode, _ window: Window, _ extent: Extent, channels: Int
    ) throws(ONNXError) -> Extent {
        func size(_ input: Int, _ kernel: Int, _ dilation: Int, _ stride: Int) throws(ONNXError) -> Int {
            let room = input - (kernel - 1) * dilation - 1
            guard room >= 0 else {
                throw node.fail("its window is larger than its input of \(extent.height)x\(extent.width)")
            }
            return room / stride + 1
        }
        let edges = window.edges
        return Extent(
            height: try size(
                extent.height + edges.top + edges.bottom, window.height, window.dilationHeight, window.strideHeight),
            width: try size(
                extent.width + edges.left + edges.right, window.width, window.dilationWidth, window.strideWidth),
            channels: channels)
    }

    mutating func pool(_ node: GraphNode) throws(ONNXError) {
        let (x, extent) = try picture(node)
        guard node.outputs.count == 1 else { throw node.fail("the positions of the maxima are not supported") }
        var window = try window(node, extent, kernel: node.integers("kernel_shape") ?? [])
        let isMaximum = node.operation == "MaxPool"
        if node.integer("ceil_mode", default: 0) != 0 { window.edges.add(windowsBeyond(window, extent)) }
        let result = try output(node, window, extent, channels: extent.channels)
        var source = x.node
        if !window.edges.isNone {
            // A border of zeros, as a step of its own, where that is what the node means.
            if isMaximum, !areNeverNegative[source] {
                throw node.fail("a border is only supported behind a ReLU or the like, where it may be zeros")
            }
            if !isMaximum, node.integer("count_include_pad", default: 0) == 0 || node.integer("ceil_mode", default: 0) != 0 {
                throw node.fail("a border that does not count is not supported")
            }
            let edges = window.edges
            source = try append(
                .pad(edges), [source],
                Extent(
                    height: extent.height + edges.top + edges.bottom, width: extent.width + edges.left + edges.right,
                    channels: extent.channels), node)
            window.edges = .none
        }
        if isMaximum {
            try setPicture(node, .maxPool(window), [source], result)
        } else if result.height == 1, result.width == 1, nodes[source].extent.height == window.height,
            nodes[source].extent.width == window.width
        {
            try setPicture(node, .globalAverage, [source], result)
        } else {
            try setPicture(node, .averagePool(window), [source], result)
        }
    }

    /// What `ceil_mode` adds below and to the right, so that the last windows fit.
    private func windowsBeyond(_ window: Window, _ extent: Extent) -> Edges {
        func missing(_ size: Int, _ kernel: Int, _ dilation: Int, _ stride: Int, before: Int) -> Int {
            let room = size - (kernel - 1) * dilation - 1
            guard room >= 0, room % stride != 0 else { return 0 }
            // A window that would begin in the border behind the picture is left out.
            let start = (room / stride + 1) * stride
            return start < before ? stride - room % stride : 0
        }
        let edges = window.edges
        return Edges(
            bottom: missing(
                extent.height + edges.top + edges.bottom, window.height, window.dilationHeight, window.strideHeight,
                before: extent.height + edges.top),
            right: missing(
                extent.width + edges.left + edges.right, window.width, window.dilationWidth, window.strideWidth,
                before: extent.width + edges.left))
    }

    mutating func globalAverage(_ node: GraphNode) throws(ONNXError) {
        let (x, extent) = try picture(node)
        try setPicture(node, .globalAverage, [x.node], .vector(extent.channels))
    }

    mutating func globalMaximum(_ node: GraphNode) throws(ONNXError) {
        let (x, extent) = try picture(node)
        let window = Window(
            height: extent.height, width: extent.width, strideHeight: 1, strideWidth: 1, edges: .none)
        try setPicture(node, .maxPool(window), [x.node], .vector(extent.channels))
    }

    /// alpha · A · B + beta · C with a picture's numbers as A.
    mutating func gemm(_ node: GraphNode) throws(ONNXError) {
        guard node.integer("transA", default: 0) == 0 else { throw node.fail("a transposed A is not supported") }
        var weights = try required(node, 1)
        guard weights.shape.count == 2 else { throw node.fail("weights of shape \(weights.shape)") }
        if node.integer("transB", default: 0) != 0 {
            let (order, shape) = transposition(of: weights.shape, by: [1, 0])
            weights = weights.picking(order, shape: shape)
        }
        let outputs = weights.shape[1]
        var bias = [Float](repeating: 0, count: outputs)
        if let c = try constant(node, 2) {
            guard try ConstantFolding.broadcast(node, c.shape, [1, outputs], limits) == [1, outputs] else {
                throw node.fail("a bias of shape \(c.shape) for \(outputs) outputs")
            }
            let (numbers, beta) = (c.floats, node.float("beta", default: 1))
            bias = ConstantFolding.broadcastWalk(c.shape, to: [1, outputs]).map { numbers[$0] * beta }
        }
        let alpha = node.float("alpha", default: 1)
        try dense(node, weights.floats.map { $0 * alpha }, inputs: weights.shape[0], bias: bias)
    }

    mutating func matmul(_ node: GraphNode) throws(ONNXError) {
        let weights = try required(node, 1)
        guard weights.shape.count == 2 else {
            throw node.fail("weights of shape \(weights.shape); only matrices are supported")
        }
        try dense(
            node, weights.floats, inputs: weights.shape[0], bias: [Float](repeating: 0, count: weights.shape[1]))
    }

    /// Rows of the weights go to where the numbers are: this is where a flatten in another order is settled.
    private mutating func dense(
        _ node: GraphNode, _ weights: [Float], inputs: Int, bias: [Float]
    ) throws(ONNXError) {
        let x = try feature(node)
        guard x.shape.last == inputs, x.places.count == inputs else {
            throw node.fail("weights for \(inputs) inputs do not fit an input of shape \(x.shape)")
        }
        guard (weights + bias).allSatisfy(\.isFinite) else { throw node.fail("a weight is not finite") }
        let outputs = bias.count
        var moved = [Float](repeating: 0, count: weights.count)
        for (row, place) in x.places.enumerated() {
            for column in 0..<outputs { moved[Int(place) * outputs + column] = weights[row * outputs + column] }
        }
        let index = try append(
            .dense(Dense(weights: moved, bias: bias)), [x.node], .vector(outputs), node)
        set(
            node,
            .feature(
                Feature(
                    node: index, shape: Array(x.shape.dropLast()) + [outputs],
                    places: (0..<Int32(outputs)).map { $0 })))
    }

    /// (x − mean) / √(variance + epsilon) · scale + bias, as one factor and one summand for each channel.
    mutating func batchNormalization(_ node: GraphNode) throws(ONNXError) {
        guard node.integer("training_mode", default: 0) == 0, node.outputs.count == 1,
            opset >= 7 || node.integer("is_test", default: 0) != 0
        else {
            throw node.fail("the model was exported for training; export it for inference")
        }
        let x = try feature(node)
        let channels = nodes[x.node].extent.channels
        var lists: [[Float]] = []
        for place in 1...4 { lists.append(try required(node, place).floats) }
        let axis = x.shape.first ?? 0
        guard axis == channels, lists.allSatisfy({ $0.count == channels }) else {
            throw node.fail("\(lists.map(\.count)) numbers for \(axis) channels")
        }
        // Channels may be arranged in any order: ask the first element of each.
        let stride = x.places.count / channels
        let epsilon = Double(node.float("epsilon", default: 1e-5))
        var scale = [Float](repeating: 0, count: channels)
        var shift = scale
        for row in 0..<channels {
            let channel = Int(x.places[row * stride]) % channels
            guard x.places[(row * stride)..<((row + 1) * stride)].allSatisfy({ Int($0) % channels == channel }) else {
                throw node.fail("its input of shape \(x.shape) does not have channels first")
            }
            let factor = Double(lists[0][row]) / (Double(lists[3][row]) + epsilon).squareRoot()
            scale[channel] = Float(factor)
            shift[channel] = Float(Double(lists[1][row]) - Double(lists[2][row]) * factor)
        }
        try affine(node, x, scale: scale, shift: shift)
    }
}
