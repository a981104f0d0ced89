/// Convolutions in forms that the toolkit has, with the same results.
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

    /// The same with a square kernel, one dilation and equal borders: where it has another form, the kernel grows by
    /// taps that are zero.
    func squared(_ source: GraphNode) throws(ONNXError) -> Convolution {
        guard window.strideHeight == window.strideWidth else {
            throw source.fail("strides \(window.strideHeight) and \(window.strideWidth) differ")
        }
        let edges = window.edges
        var padding = max(edges.top, edges.left, edges.bottom, edges.right)
        if padding < window.height, edges == Edges(top: padding, left: padding, bottom: padding, right: padding),
            window.height == window.width, window.dilationHeight == window.dilationWidth
        {
            return self
        }
        let height = (window.height - 1) * window.dilationHeight + 1
        let width = (window.width - 1) * window.dilationWidth + 1
        // A border must be smaller than its kernel; both grow by a ring until it is.
        padding += max(0, 1 + edges.top + edges.bottom - height - padding)
        let kernel = height + 2 * padding - edges.top - edges.bottom
        guard kernel == width + 2 * padding - edges.left - edges.right else {
            throw source.fail(
                "a kernel of \(window.height)x\(window.width) with borders \(edges.top), \(edges.left), "
                    + "\(edges.bottom), \(edges.right) has no square form")
        }
        guard kernel <= 64 else { throw source.fail("a kernel of \(kernel)x\(kernel) is too large") }
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
