/// Passes that make a lowered graph out of the layers that the toolkit has; each leaves the function as it was.
extension LoweredGraph {
    /// Folds normalisations into the weights beside them, borders into convolutions, and drops a softmax at the end.
    mutating func simplify() {
        dropSoftmax()
        removeUnused()
        merge()
        removeUnused()
    }

    /// The classes keep their order without it, and the toolkit adds its own.
    private mutating func dropSoftmax() {
        while case .softmax = nodes[output].kind {
            notes.append("\(nodes[output].source.operation) at the end is left out: the toolkit works with logits")
            output = nodes[output].inputs[0]
        }
    }

    private mutating func merge() {
        let uses = self.uses
        var merged: [LoweredNode] = []
        var place = [Int](repeating: 0, count: nodes.count)
        for (index, old) in nodes.enumerated() {
            var node = old
            node.inputs = old.inputs.map { place[$0] }
            if let first = old.inputs.first, uses[first] == 1 {
                let source = place[first]
                if Self.foldBackward(node, into: &merged[source]) {
                    place[index] = source
                    continue
                }
                if Self.foldForward(merged[source], into: &node) { node.inputs = merged[source].inputs }
            }
            if case .affine(let scale, let shift) = node.kind, scale.allSatisfy({ $0 == 1 }),
                shift.allSatisfy({ $0 == 0 })
            {
                place[index] = node.inputs[0]
                continue
            }
            place[index] = merged.count
            merged.append(node)
        }
        nodes = merged
        output = place[output]
    }

    /// An affine step behind a layer with weights, or behind another affine step.
    private static func foldBackward(_ node: LoweredNode, into target: inout LoweredNode) -> Bool {
        guard case .affine(let scale, let shift) = node.kind else { return false }
        switch target.kind {
        case .conv2d(var convolution):
            scaleOutputs(&convolution.weights, &convolution.bias, scale, shift)
            target.kind = .conv2d(convolution)
        case .dense(var dense):
            scaleOutputs(&dense.weights, &dense.bias, scale, shift)
            target.kind = .dense(dense)
        case .affine(let innerScale, let innerShift):
            target.kind = .affine(
                scale: zip(scale, innerScale).map { $0 * $1 },
                shift: scale.indices.map { scale[$0] * innerShift[$0] + shift[$0] })
        default: return false
        }
        return true
    }

    private static func scaleOutputs(_ weights: inout [Float], _ bias: inout [Float], _ scale: [Float], _ shift: [Float]) {
        let outputs = bias.count
        for index in weights.indices { weights[index] *= scale[index % outputs] }
        for index in bias.indices { bias[index] = bias[index] * scale[index] + shift[index] }
    }

    /// A border of zeros, or an affine step, in front of a layer that can take it up.
    private static func foldForward(_ source: LoweredNode, into node: inout LoweredNode) -> Bool {
        switch (source.kind, node.kind) {
        case (.pad(let edges), .conv2d(var convolution)):
            convolution.window.edges.add(edges)
            node.kind = .conv2d(convolution)
        case (.affine(let scale, let shift), .conv2d(var convolution))
        where convolution.window.edges.isNone || shift.allSatisfy({ $0 == 0 }):
            convolution.absorb(scale: scale, shift: shift)
            node.kind = .conv2d(convolution)
        case (.affine(let scale, let shift), .dense(var dense)):
            dense.absorb(scale: scale, shift: shift)
            node.kind = .dense(dense)
        default: return false
        }
        return true
    }

    /// Drops nodes that the output does not need.
    mutating func removeUnused() {
        var isUsed = [Bool](repeating: false, count: nodes.count)
        isUsed[0] = true
        isUsed[output] = true
        for index in nodes.indices.reversed() where isUsed[index] {
            for input in nodes[index].inputs { isUsed[input] = true }
        }
        var place = [Int](repeating: 0, count: nodes.count)
        var kept: [LoweredNode] = []
        for index in nodes.indices where isUsed[index] {
            place[index] = kept.count
            var node = nodes[index]
            node.inputs = node.inputs.map { place[$0] }
            kept.append(node)
        }
        nodes = kept
        output = place[output]
    }
}

extension Edges {
    mutating func add(_ other: Edges) {
        top += other.top
        left += other.left
        bottom += other.bottom
        right += other.right
    }
}

extension Convolution {
    /// Takes up x · scale + shift in front of it, exact where no border is added.
    mutating func absorb(scale: [Float], shift: [Float]) {
        let inputs = scale.count / groups
        var sums = bias.map { Double($0) }
        for index in weights.indices {
            let output = index % outputs
            let channel = output / (outputs / groups) * inputs + index / outputs % inputs
            sums[output] += Double(weights[index]) * Double(shift[channel])
            weights[index] *= scale[channel]
        }
        bias = sums.map { Float($0) }
    }
}

extension Dense {
    /// Takes up x · scale + shift in front of it.
    mutating func absorb(scale: [Float], shift: [Float]) {
        let outputs = bias.count
        var sums = bias.map { Double($0) }
        for index in weights.indices {
            let (row, output) = index.quotientAndRemainder(dividingBy: outputs)
            sums[output] += Double(weights[index]) * Double(shift[row % shift.count])
            weights[index] *= scale[row % scale.count]
        }
        bias = sums.map { Float($0) }
    }
}
