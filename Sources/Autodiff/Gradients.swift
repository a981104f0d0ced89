/// The derivatives of a scalar with respect to some values, as new nodes of the same graph.
///
/// Reverse mode: walks the graph from `result` back to its leaves once. A value that `result` does not depend on
/// has gradient zero. Calling it on a result of itself gives higher derivatives.
/// - Returns: for each value a gradient of its shape. An error is kept in the graph if `result` is not a scalar.
public func gradients(of result: Value, withRespectTo values: [Value]) -> [Value] {
    Gradients(result).collect(values)
}

/// One reverse walk: cotangents of the nodes met so far. The rules of the ops stand beside the ops.
final class Gradients {
    let graph: Graph
    private let result: Value
    private var cotangents: [Value?]
    private var wanted: [Bool] = []

    init(_ result: Value) {
        graph = result.graph
        self.result = result
        cotangents = [Value?](repeating: nil, count: result.index + 1)
    }

    func collect(_ values: [Value]) -> [Value] {
        guard result.shape.count == 1 else {
            graph.failNotScalar(result.shape)
            return values
        }
        markWanted(values)
        let layer = graph.layer
        cotangents[result.index] = broadcast(graph.constant(1), to: result.shape)
        for index in stride(from: result.index, through: 0, by: -1) where wanted[index] {
            guard let dy = cotangents[index], !graph.nodes[index].op.isLeaf else { continue }
            graph.layer = graph.nodes[index].layer
            backward(graph.nodes[index], Value(graph: graph, index: index), dy)
        }
        graph.layer = layer
        return values.map { value in
            if value.index < cotangents.count, let gradient = cotangents[value.index] { return gradient }
            return broadcast(graph.constant(0), to: value.shape)
        }
    }

    /// A node is wanted when a value asked for is among its arguments' arguments, or is the node.
    private func markWanted(_ values: [Value]) {
        wanted = [Bool](repeating: false, count: result.index + 1)
        for value in values where value.index <= result.index { wanted[value.index] = true }
        for index in 0...result.index {
            for input in graph.nodes[index].inputs where wanted[input] { wanted[index] = true }
        }
    }

    private func backward(_ node: Graph.Node, _ y: Value, _ dy: Value) {
        switch node.op {
        case .input, .parameter, .constant: break
        case .add, .subtract, .multiply, .divide, .negate, .exp, .log, .squareRoot, .relu, .reluGradient:
            elementwise(node, y, dy)
        case .sigmoid, .tanh, .erf, .power: smooth(node, y, dy)
        case .clamp, .clampGradient, .round, .select, .maximum, .uniform: selection(node, y, dy)
        case .sum, .broadcast, .reshape, .transpose: shaping(node, dy)
        case .slice, .pad, .concatenate, .gather, .scatterAdd: slicing(node, dy)
        case .matmul: matrixProduct(node, dy)
        case .conv2d, .conv2dInputGradient, .conv2dFilterGradient: convolution(node, dy)
        case .maxPool2d, .maxPool2dScatter, .maxPool2dSelect: maxPool(node, dy)
        case .batchMean, .batchVariance, .batchNorm, .normalize, .batchNormScaleGradient, .batchNormInputGradient:
            batchNormalisation(node, y, dy)
        case .softmax, .logSoftmax: normalisedExponential(node, y, dy)
        }
    }

    func input(_ node: Graph.Node, _ place: Int) -> Value { Value(graph: graph, index: node.inputs[place]) }

    /// Whether a gradient is needed for this argument.
    func wants(_ node: Graph.Node, _ place: Int) -> Bool { wanted[node.inputs[place]] }

    /// Adds a contribution, summed down to the shape of `value` where that was broadcast.
    func add(_ contribution: Value, to value: Value) {
        guard wanted[value.index] else { return }
        let reduced = unbroadcast(contribution, to: value.shape)
        if let present = cotangents[value.index] {
            cotangents[value.index] = present + reduced
        } else {
            cotangents[value.index] = reduced
        }
    }
}
