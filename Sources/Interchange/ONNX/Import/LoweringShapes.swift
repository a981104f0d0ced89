import NeuralNetwork

/// Nodes that only move numbers, and sums.
extension Lowering {
    mutating func reshape(_ node: GraphNode) throws(ONNXError) {
        var x = try feature(node)
        let full = [batch] + x.shape
        let shape: [Int]
        switch node.operation {
        case "Reshape":
            let target = try constant(node, 1)?.integers ?? node.integers("shape") ?? []
            shape = try ConstantFolding.resolve(node, target, of: full)
        case "Flatten":
            let axis = try ConstantFolding.axisIndex(
                node, node.integer("axis", default: 1), rank: full.count, inclusive: true)
            shape = [full[..<axis].reduce(1, *), full[axis...].reduce(1, *)]
        case "Squeeze":
            let axes = try constant(node, 1)?.integers ?? node.integers("axes")
            guard axes != nil || batch != 1 else { throw node.fail("it would drop the batch; give it axes") }
            shape = try ConstantFolding.squeezed(node, full, axes)
        default:
            let axes = try constant(node, 1)?.integers ?? node.integers("axes") ?? []
            shape = try ConstantFolding.unsqueezed(node, full, axes)
        }
        guard shape.first == batch else { throw node.fail("it mixes the images of a batch: \(Lowering.text(full)) becomes \(Lowering.text(shape))") }
        x.shape = Array(shape.dropFirst())
        set(node, .feature(x))
    }

    mutating func transpose(_ node: GraphNode) throws(ONNXError) {
        var x = try feature(node)
        let order = try ConstantFolding.permutation(node, rank: x.shape.count + 1)
        guard order[0] == 0 else { throw node.fail("it moves the batch") }
        let (indexes, shape) = transposition(of: x.shape, by: order.dropFirst().map { $0 - 1 })
        x.places = indexes.map { x.places[$0] }
        x.shape = shape
        set(node, .feature(x))
    }

    /// Joins channels; rows and columns must agree.
    mutating func concat(_ node: GraphNode) throws(ONNXError) {
        var parts: [Feature] = []
        for place in node.inputs.indices { parts.append(try feature(node, place)) }
        let rank = parts[0].shape.count + 1
        let axis = try ConstantFolding.axisIndex(node, node.integer("axis", default: 1), rank: rank) - 1
        guard axis >= 0 else { throw node.fail("it joins batches") }
        var extent = nodes[parts[0].node].extent
        extent.channels = 0
        var shape = parts[0].shape
        shape[axis] = 0
        var offsets: [Int] = []
        for part in parts {
            let own = nodes[part.node].extent
            var expected = shape
            if part.shape.count == shape.count { expected[axis] = part.shape[axis] }
            guard own.height == extent.height, own.width == extent.width, part.shape == expected else {
                throw node.fail("shapes \(parts[0].shape) and \(part.shape) cannot be joined")
            }
            offsets.append(extent.channels)
            extent.channels += own.channels
            shape[axis] += part.shape[axis]
        }
        let index = try append(.concat, parts.map(\.node), extent, node)
        var places: [Int32] = []
        places.reserveCapacity(extent.count)
        for row in 0..<shape[..<axis].reduce(1, *) {
            for (part, offset) in zip(parts, offsets) {
                let channels = nodes[part.node].extent.channels
                let size = part.shape[axis...].reduce(1, *)
                for place in part.places[(row * size)..<((row + 1) * size)] {
                    let (pixel, channel) = Int(place).quotientAndRemainder(dividingBy: channels)
                    places.append(Int32(pixel * extent.channels + offset + channel))
                }
            }
        }
        set(node, .feature(Feature(node: index, shape: shape, places: places)))
    }

    mutating func pad(_ node: GraphNode) throws(ONNXError) {
        let (x, extent) = try picture(node)
        guard node.text("mode", default: "constant") == "constant" else {
            throw node.fail("only borders of zeros are supported, found \(node.text("mode", default: ""))")
        }
        let value = try constant(node, 2)?.floats.first ?? node.float("value", default: 0)
        guard value == 0 else { throw node.fail("only borders of zeros are supported, found \(value)") }
        guard try constant(node, 3) == nil else { throw node.fail("axes are not supported") }
        let pads = try constant(node, 1)?.integers ?? node.integers("pads") ?? []
        guard pads.count == 8, pads.allSatisfy({ (0...4096).contains($0) }), pads[0] + pads[1] + pads[4] + pads[5] == 0
        else {
            throw node.fail("a border of \(pads); only rows and columns can be added, up to 4,096")
        }
        let edges = Edges(top: pads[2], left: pads[3], bottom: pads[6], right: pads[7])
        let padded = Extent(
            height: extent.height + edges.top + edges.bottom, width: extent.width + edges.left + edges.right,
            channels: extent.channels)
        try setPicture(node, .pad(edges), [x.node], padded)
    }

    /// Sums of two features, or a constant for each channel.
    mutating func arithmetic(_ node: GraphNode) throws(ONNXError) {
        try ConstantFolding.checkBroadcast(node, opset)
        guard let left = try known(node, 0), let right = try known(node, 1) else { throw node.fail("an input is missing") }
        switch (left, right) {
        case (.feature(let a), .feature(let b)):
            if node.operation == "Mul", let layer = gated(a, b) ?? gated(b, a) {
                let x = layer.input
                var result = x
                result.node = try append(.activation(layer.layer), [x.node], nodes[x.node].extent, node)
                set(node, .feature(result))
                return
            }
            guard node.operation == "Add" else { throw node.fail("it is only supported with a constant") }
            guard a.shape == b.shape, a.places == b.places, nodes[a.node].extent == nodes[b.node].extent else {
                throw node.fail("it adds tensors of different shapes or layouts, \(a.shape) and \(b.shape)")
            }
            var sum = a
            sum.node = try append(.add, [a.node, b.node], nodes[a.node].extent, node)
            set(node, .feature(sum))
        case (.feature(let x), .constant(let c)):
            let values = try channelwise(node, c, x)
            switch node.operation {
            case "Add": try affine(node, x, scale: values.map { _ in 1 }, shift: values)
            case "Sub": try affine(node, x, scale: values.map { _ in 1 }, shift: values.map { -$0 })
            case "Mul": try affine(node, x, scale: values, shift: values.map { _ in 0 })
            default: try affine(node, x, scale: values.map { 1 / $0 }, shift: values.map { _ in 0 })
            }
        case (.constant(let c), .feature(let x)):
            let values = try channelwise(node, c, x)
            switch node.operation {
            case "Add": try affine(node, x, scale: values.map { _ in 1 }, shift: values)
            case "Sub": try affine(node, x, scale: values.map { _ in -1 }, shift: values)
            case "Mul": try affine(node, x, scale: values, shift: values.map { _ in 0 })
            default: throw node.fail("it divides by something that depends on the image")
            }
        case (.constant, .constant): preconditionFailure("constants were folded")
        }
    }

    /// x · sigmoid(x) and x · hardSigmoid(x), as the layers that they are.
    private func gated(_ x: Feature, _ gate: Feature) -> (layer: Layer, input: Feature)? {
        guard x.places == gate.places, x.shape == gate.shape else { return nil }
        if hardSigmoids[gate.node] == x.node { return (.hardSwish, x) }
        guard case .activation(.sigmoid) = nodes[gate.node].kind, nodes[gate.node].inputs == [x.node] else { return nil }
        return (.silu, x)
    }

    mutating func affine(_ node: GraphNode, _ x: Feature, scale: [Float], shift: [Float]) throws(ONNXError) {
        guard (scale + shift).allSatisfy(\.isFinite) else { throw node.fail("it has a constant that is not finite") }
        var result = x
        result.node = try append(.affine(scale: scale, shift: shift), [x.node], nodes[x.node].extent, node)
        set(node, .feature(result))
    }

    /// A constant as one number for each channel; refuses what varies within a channel.
    private func channelwise(_ node: GraphNode, _ c: ConstantTensor, _ x: Feature) throws(ONNXError) -> [Float] {
        let full = [1] + x.shape
        guard try ConstantFolding.broadcast(node, full, c.shape, limits) == full else {
            throw node.fail("a constant of shape \(c.shape) does not fit \(x.shape)")
        }
        let channels = nodes[x.node].extent.channels
        let numbers = c.floats
        var result = [Float?](repeating: nil, count: channels)
        for (source, place) in zip(ConstantFolding.broadcastWalk(c.shape, to: full), x.places) {
            let channel = Int(place) % channels
            if let before = result[channel], before != numbers[source] {
                throw node.fail("its constant of shape \(c.shape) differs within a channel")
            }
            result[channel] = numbers[source]
        }
        return result.compactMap { $0 }
    }

    /// A mean over all rows and columns.
    mutating func reduceMean(_ node: GraphNode) throws(ONNXError) {
        let x = try feature(node)
        let extent = nodes[x.node].extent
        let axes = try constant(node, 1)?.integers ?? node.integers("axes") ?? []
        var reduced: Set<Int> = []
        for axis in axes {
            reduced.insert(try ConstantFolding.axisIndex(node, axis, rank: x.shape.count + 1) - 1)
        }
        let kept = x.shape.indices.map { reduced.contains($0) ? 1 : x.shape[$0] }
        guard !reduced.contains(-1), !reduced.isEmpty, kept.reduce(1, *) == extent.channels else {
            throw node.fail("only means over all rows and columns are supported, found axes \(axes) of \(x.shape)")
        }
        var channel = [Int32?](repeating: nil, count: extent.channels)
        for (place, target) in zip(x.places, ConstantFolding.broadcastWalk(kept, to: x.shape)) {
            let own = place % Int32(extent.channels)
            guard channel[target] ?? own == own else { throw node.fail("it mixes channels (axes \(axes))") }
            channel[target] = own
        }
        let keepsDimensions = node.integer("keepdims", default: 1) != 0
        let shape = keepsDimensions ? kept : x.shape.indices.filter { !reduced.contains($0) }.map { x.shape[$0] }
        let index = try append(.globalAverage, [x.node], .vector(extent.channels), node)
        set(node, .feature(Feature(node: index, shape: shape, places: channel.compactMap { $0 })))
    }
}
