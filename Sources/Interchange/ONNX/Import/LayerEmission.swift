import NeuralNetwork

/// Writes a simplified graph as the toolkit's nested list of layers with their parameters.
///
/// A sum or a concatenation of branches becomes one layer that holds them; the fork is the nearest node that all paths
/// to the join pass (its immediate dominator).
struct LayerEmission {
    private(set) var layers: [Layer] = []
    private(set) var parameters: [[Float]] = []
    private let graph: LoweredGraph
    /// The immediate dominator of each node.
    private let forks: [Int]
    /// A node that is written twice means branches that are not nested.
    private var isWritten: [Bool]

    /// Layers, their parameters, and whether the result is a vector.
    private struct Path {
        var layers: [Layer] = []
        var parameters: [[Float]] = []
        var isFlat: Bool

        mutating func flatten() {
            if !isFlat { layers.append(.flatten) }
            isFlat = true
        }
    }

    /// Throws naming the first node that no layer stands for.
    ///
    /// - Parameter isClassifier: whether the result has to be one number for each class.
    init(_ graph: LoweredGraph, isClassifier: Bool = true) throws(ONNXError) {
        self.graph = graph
        forks = Self.forks(graph)
        isWritten = [Bool](repeating: false, count: graph.nodes.count)
        var path = try path(from: 0, to: graph.output, isFlat: false, depth: 0)
        let extent = graph.nodes[graph.output].extent
        if isClassifier {
            guard extent.height == 1, extent.width == 1 else {
                throw .graph("its output is a picture of \(extent.height)x\(extent.width), expected one number for each class")
            }
            path.flatten()
        }
        (layers, parameters) = (path.layers, path.parameters)
    }

    private static func forks(_ graph: LoweredGraph) -> [Int] {
        var forks = [Int](repeating: 0, count: graph.nodes.count)
        for (index, node) in graph.nodes.enumerated().dropFirst() {
            var fork = node.inputs.first ?? 0
            for input in node.inputs.dropFirst() {
                // Both walk up until they meet; nodes are numbered after what dominates them.
                var other = input
                while fork != other {
                    if fork > other { fork = forks[fork] } else { other = forks[other] }
                }
            }
            forks[index] = fork
        }
        return forks
    }

    /// What lies behind `start` up to and with `end`.
    private mutating func path(from start: Int, to end: Int, isFlat: Bool, depth: Int) throws(ONNXError) -> Path {
        guard depth < 64 else { throw graph.nodes[end].source.fail("branches are nested too deeply") }
        var steps: [Int] = []
        var at = end
        while at != start {
            guard !isWritten[at] else {
                throw graph.nodes[at].source.fail("its result is used by branches that are not nested, which is not supported")
            }
            isWritten[at] = true
            steps.append(at)
            at = forks[at]
        }
        var path = Path(isFlat: isFlat)
        for index in steps.reversed() {
            let node = graph.nodes[index]
            switch node.kind {
            case .add: try addSum(index, &path, depth)
            case .concat: try addConcatenation(index, &path, depth)
            default: try add(node, graph.nodes[node.inputs[0]].extent, &path)
            }
        }
        return path
    }

    /// The branches of a join, all of them vectors when one is.
    private mutating func branches(_ index: Int, _ path: Path, _ depth: Int) throws(ONNXError) -> [Path] {
        var result: [Path] = []
        for input in graph.nodes[index].inputs {
            result.append(try self.path(from: forks[index], to: input, isFlat: path.isFlat, depth: depth + 1))
        }
        if result.contains(where: \.isFlat) { for place in result.indices { result[place].flatten() } }
        return result
    }

    private mutating func addSum(_ index: Int, _ path: inout Path, _ depth: Int) throws(ONNXError) {
        let parts = try branches(index, path, depth)
        let (body, projection) = parts[0].layers.isEmpty ? (parts[1], parts[0]) : (parts[0], parts[1])
        path.layers.append(.residual(body.layers, projection: projection.layers))
        path.parameters += body.parameters + projection.parameters
        path.isFlat = body.isFlat
    }

    private mutating func addConcatenation(_ index: Int, _ path: inout Path, _ depth: Int) throws(ONNXError) {
        let parts = try branches(index, path, depth)
        path.layers.append(.concatenate(parts.map(\.layers)))
        for part in parts { path.parameters += part.parameters }
        path.isFlat = parts[0].isFlat
    }

    private func add(_ node: LoweredNode, _ incoming: Extent, _ path: inout Path) throws(ONNXError) {
        switch node.kind {
        case .conv2d(let convolution): try add(convolution, node, incoming, &path)
        case .dense(let dense):
            path.flatten()
            path.layers.append(.dense(units: dense.bias.count))
            path.parameters += [dense.weights, dense.bias]
        case .relu: path.layers.append(.relu)
        case .activation(let layer): path.layers.append(layer)
        case .maxPool(let window):
            try checkPooling(window, node, path)
            path.layers.append(.maxPool2d(window: window.height, stride: window.strideHeight))
        case .averagePool(let window):
            try checkPooling(window, node, path)
            path.layers.append(.averagePool2d(window: window.height, stride: window.strideHeight))
        case .globalAverage:
            guard !path.isFlat else { return }
            path.layers.append(.globalAveragePool)
            path.isFlat = true
        case .pad(let edges):
            let copy = Convolution(
                window: Window(height: 1, width: 1, strideHeight: 1, strideWidth: 1, edges: edges),
                groups: incoming.channels, outputs: incoming.channels,
                weights: [Float](repeating: 1, count: incoming.channels),
                bias: [Float](repeating: 0, count: incoming.channels))
            try add(copy, node, incoming, &path)
        case .affine(let scale, let shift): add(scale: scale, shift: shift, &path)
        default: throw node.source.fail("the toolkit has no such layer")
        }
    }

    private func checkPooling(_ window: Window, _ node: LoweredNode, _ path: Path) throws(ONNXError) {
        guard window.height == window.width, window.strideHeight == window.strideWidth, window.dilationHeight == 1,
            window.dilationWidth == 1, !path.isFlat
        else {
            throw node.source.fail("only square windows without dilation are supported")
        }
    }

    private func add(
        _ convolution: Convolution, _ node: LoweredNode, _ incoming: Extent, _ path: inout Path
    ) throws(ONNXError) {
        let window = convolution.window
        if path.isFlat {
            // A vector is a picture of one pixel, which the border and all taps but one miss.
            guard window.height == 1, window.width == 1, window.edges.isNone else {
                throw node.source.fail("a convolution of a vector")
            }
            path.layers.append(.dense(units: convolution.outputs))
            path.parameters += [convolution.ungrouped().weights, convolution.bias]
            return
        }
        let square = try convolution.squared(node.source)
        let (kernel, stride, padding) = (square.window.height, square.window.strideHeight, square.window.edges.top)
        if square.groups > 1, square.groups == incoming.channels, square.outputs == incoming.channels,
            square.window.dilationHeight == 1
        {
            path.layers.append(.depthwiseConv2d(kernel: kernel, stride: stride, padding: padding))
        } else {
            path.layers.append(
                .conv2d(
                    filters: square.outputs, kernel: kernel, stride: stride, padding: padding,
                    dilation: square.window.dilationHeight, groups: square.groups))
        }
        path.parameters += [square.weights, square.bias]
    }

    /// What no layer with weights could take up, as a layer of its own.
    private func add(scale: [Float], shift: [Float], _ path: inout Path) {
        let channels = scale.count
        guard path.isFlat else {
            path.layers.append(.depthwiseConv2d(kernel: 1, stride: 1, padding: 0))
            path.parameters += [scale, shift]
            return
        }
        var weights = [Float](repeating: 0, count: channels * channels)
        for channel in 0..<channels { weights[channel * channels + channel] = scale[channel] }
        path.layers.append(.dense(units: channels))
        path.parameters += [weights, shift]
    }
}
