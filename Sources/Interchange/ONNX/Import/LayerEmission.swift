import NeuralNetwork

/// Writes a simplified graph as the toolkit's list of layers with their parameters.
struct LayerEmission {
    private(set) var layers: [Layer] = []
    private(set) var parameters: [[Float]] = []
    private var extent: Extent
    private var isFlat = false

    /// Throws naming the first node that no layer stands for.
    init(_ graph: LoweredGraph) throws(ONNXError) {
        extent = graph.nodes[0].extent
        var previous = 0
        for (index, node) in graph.nodes.enumerated().dropFirst() {
            guard node.inputs == [previous] else {
                throw node.source.fail("networks that branch are not supported")
            }
            try emit(node)
            extent = node.extent
            previous = index
        }
        if !isFlat {
            guard extent.height == 1, extent.width == 1 else {
                throw .graph("its output is a picture of \(extent.height)x\(extent.width), expected one number for each class")
            }
            layers.append(.flatten)
        }
    }

    private mutating func emit(_ node: LoweredNode) throws(ONNXError) {
        switch node.kind {
        case .conv2d(let convolution): try emit(convolution, node)
        case .dense(let dense):
            flatten()
            layers.append(.dense(units: dense.bias.count))
            parameters += [dense.weights, dense.bias]
        case .relu: layers.append(.relu)
        case .maxPool(let window):
            guard window.height == window.width, window.strideHeight == window.strideWidth,
                window.dilationHeight == 1, window.dilationWidth == 1
            else {
                throw node.source.fail("only square windows without dilation are supported")
            }
            guard window.edges.isNone else { throw node.source.fail("maxima with a border are not supported") }
            layers.append(.maxPool2d(window: window.height, stride: window.strideHeight))
        case .affine(let scale, let shift): try emit(scale: scale, shift: shift)
        default: throw node.source.fail("the toolkit has no such layer yet")
        }
    }

    private mutating func flatten() {
        if !isFlat { layers.append(.flatten) }
        isFlat = true
    }

    private mutating func emit(_ convolution: Convolution, _ node: LoweredNode) throws(ONNXError) {
        guard !isFlat else { throw node.source.fail("a convolution of a vector") }
        let square = try convolution.ungrouped().squared(node.source)
        layers.append(
            .conv2d(
                filters: square.outputs, kernel: square.window.height, stride: square.window.strideHeight,
                padding: square.window.edges.top))
        parameters += [square.weights, square.bias]
    }

    /// What no layer with weights could take up, as a layer of its own: the diagonal of a matrix.
    private mutating func emit(scale: [Float], shift: [Float]) throws(ONNXError) {
        let channels = scale.count
        var weights = [Float](repeating: 0, count: channels * channels)
        for channel in 0..<channels { weights[channel * channels + channel] = scale[channel] }
        layers.append(
            isFlat ? .dense(units: channels) : .conv2d(filters: channels, kernel: 1, stride: 1, padding: 0))
        parameters += [weights, shift]
    }
}

extension Convolution {
    /// The same with one group: weights between groups are zero.
    func ungrouped() -> Convolution {
        guard groups > 1 else { return self }
        let own = weights.count / (window.height * window.width * outputs)
        let (inputs, perGroup) = (own * groups, outputs / groups)
        var result = self
        result.groups = 1
        result.weights = [Float](repeating: 0, count: weights.count * groups)
        for index in weights.indices {
            let (rest, output) = index.quotientAndRemainder(dividingBy: outputs)
            let (tap, channel) = rest.quotientAndRemainder(dividingBy: own)
            result.weights[(tap * inputs + output / perGroup * own + channel) * outputs + output] = weights[index]
        }
        return result
    }

    /// The same with a square kernel, no dilation and equal borders: the kernel grows by taps that are zero.
    func squared(_ source: GraphNode) throws(ONNXError) -> Convolution {
        guard window.strideHeight == window.strideWidth else {
            throw source.fail("strides \(window.strideHeight) and \(window.strideWidth) differ")
        }
        let edges = window.edges
        let padding = max(edges.top, edges.left, edges.bottom, edges.right)
        let height = (window.height - 1) * window.dilationHeight + 1
        let width = (window.width - 1) * window.dilationWidth + 1
        let kernel = height + 2 * padding - edges.top - edges.bottom
        guard kernel == width + 2 * padding - edges.left - edges.right else {
            throw source.fail(
                "a kernel of \(window.height)x\(window.width) with borders \(edges.top), \(edges.left), "
                    + "\(edges.bottom), \(edges.right) has no square form")
        }
        guard kernel <= 64 else { throw source.fail("a kernel of \(kernel)x\(kernel) is too large") }
        if kernel == window.height, kernel == window.width { return self }
        let inputs = weights.count / (window.height * window.width * outputs)
        var result = self
        result.window = Window(
            height: kernel, width: kernel, strideHeight: window.strideHeight, strideWidth: window.strideWidth,
            edges: Edges(top: padding, left: padding, bottom: padding, right: padding))
        result.weights = [Float](repeating: 0, count: kernel * kernel * inputs * outputs)
        let tap = inputs * outputs
        for row in 0..<window.height {
            for column in 0..<window.width {
                let y = padding - edges.top + row * window.dilationHeight
                let x = padding - edges.left + column * window.dilationWidth
                let (from, to) = ((row * window.width + column) * tap, (y * kernel + x) * tap)
                for index in 0..<tap { result.weights[to + index] = weights[from + index] }
            }
        }
        return result
    }
}
