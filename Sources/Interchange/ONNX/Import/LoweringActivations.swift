/// Nodes that work on each number by itself.
extension Lowering {
    /// One number in, one number out: the arrangement stays.
    mutating func elementwise(_ node: GraphNode, _ kind: LoweredNode.Kind) throws(ONNXError) {
        var x = try feature(node)
        x.node = try append(kind, [x.node], nodes[x.node].extent, node)
        set(node, .feature(x))
    }

    mutating func clip(_ node: GraphNode) throws(ONNXError) {
        let (low, high) = try ConstantFolding.clipLimits(node, low: try constant(node, 1), high: try constant(node, 2))
        guard low <= high else { throw node.fail("the limits \(low) and \(high) are no interval") }
        try clip(node, try feature(node), low, high)
    }

    /// max(low, min(high, x)) with the layers that the toolkit has: relu6 between two affine steps, or relu.
    private mutating func clip(_ node: GraphNode, _ x: Feature, _ low: Float, _ high: Float) throws(ONNXError) {
        var x = x
        let (isBelow, isAbove) = (low > -.greatestFiniteMagnitude, high < .greatestFiniteMagnitude)
        switch (isBelow, isAbove) {
        case (false, false): break
        case (true, false):
            x = try scaled(node, x, by: 1, plus: -low)
            x.node = try append(.relu, [x.node], nodes[x.node].extent, node)
            x = try scaled(node, x, by: 1, plus: low)
        case (false, true):
            x = try scaled(node, x, by: -1, plus: high)
            x.node = try append(.relu, [x.node], nodes[x.node].extent, node)
            x = try scaled(node, x, by: -1, plus: high)
        case (true, true):
            let unit = (high - low) / 6
            guard unit > 0 else { throw node.fail("its limits are both \(low)") }
            x = try scaled(node, x, by: 1 / unit, plus: -low / unit)
            x.node = try append(.activation(.relu6), [x.node], nodes[x.node].extent, node)
            x = try scaled(node, x, by: unit, plus: low)
        }
        set(node, .feature(x))
    }

    /// x · factor + summand; x itself where that changes nothing.
    private mutating func scaled(
        _ node: GraphNode, _ x: Feature, by factor: Float, plus summand: Float
    ) throws(ONNXError) -> Feature {
        guard factor != 1 || summand != 0 else { return x }
        let channels = nodes[x.node].extent.channels
        var result = x
        result.node = try append(
            .affine(
                scale: [Float](repeating: factor, count: channels), shift: [Float](repeating: summand, count: channels)),
            [x.node], nodes[x.node].extent, node)
        return result
    }

    /// max(0, min(1, alpha · x + beta)); remembered, as it may turn out to be part of a hard swish.
    mutating func hardSigmoid(_ node: GraphNode) throws(ONNXError) {
        let x = try feature(node)
        let (alpha, beta) = (node.float("alpha", default: 0.2), node.float("beta", default: 0.5))
        try clip(node, try scaled(node, x, by: alpha, plus: beta), 0, 1)
        if abs(alpha - 1 / 6) < 1e-6, beta == 0.5 { hardSigmoids[nodes.count - 1] = x.node }
    }

    mutating func softmax(_ node: GraphNode) throws(ONNXError) {
        let x = try feature(node)
        let axis = try ConstantFolding.axisIndex(
            node, node.integer("axis", default: opset < 13 ? 1 : -1), rank: x.shape.count + 1)
        guard axis > 0, x.shape[axis - 1] == x.places.count else {
            throw node.fail("it is only supported over all classes, at the end")
        }
        try elementwise(node, .softmax)
    }
}
