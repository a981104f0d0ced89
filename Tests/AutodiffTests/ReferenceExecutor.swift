import Autodiff

/// Evaluates a graph in Double with plain loops, node by node: what the kernels and gradients are checked against.
struct ReferenceExecutor {
    let graph: Graph
    private(set) var results: [[Double]] = []

    /// - Parameter leaves: numbers of inputs and parameters, by place in the graph.
    init(_ graph: Graph, leaves: [Int: [Double]]) {
        self.graph = graph
        for (index, node) in graph.nodes.enumerated() {
            results.append(compute(node, leaves[index] ?? []))
        }
    }

    subscript(_ value: Value) -> [Double] { results[value.index] }

    func shape(_ node: Graph.Node, _ place: Int) -> Shape { graph.nodes[node.inputs[place]].shape }

    private func compute(_ node: Graph.Node, _ leaf: [Double]) -> [Double] {
        let x = node.inputs.map { results[$0] }
        switch node.op {
        case .input, .parameter:
            precondition(leaf.count == node.shape.count, "a leaf without numbers")
            return leaf
        case .constant(let value): return [Double(value)]
        case .add: return binary(node, +)
        case .subtract: return binary(node, -)
        case .multiply: return binary(node, *)
        case .divide: return binary(node, /)
        case .reluGradient: return binary(node) { $1 > 0 ? $0 : 0 }
        case .negate: return x[0].map { -$0 }
        case .exp: return x[0].map { power($0) }
        case .log: return x[0].map { logarithm($0) }
        case .squareRoot: return x[0].map { $0.squareRoot() }
        case .relu: return x[0].map { max($0, 0) }
        case .reshape: return x[0]
        case .sum(let axes): return sum(node, axes)
        case .broadcast:
            let source = shape(node, 0)
            return indices(node.shape).map { x[0][place($0, in: source)] }
        case .transpose(let permutation):
            let source = shape(node, 0)
            return indices(node.shape).map { index in
                var from = [Int](repeating: 0, count: source.rank)
                for axis in 0..<source.rank { from[permutation[axis]] = index[axis] }
                return x[0][place(from, in: source)]
            }
        case .matmul(let transposeA, let transposeB): return matmul(node, transposeA, transposeB)
        case .conv2d(let convolution):
            var y = [Double](repeating: 0, count: node.shape.count)
            if x.count == 3 { for i in y.indices { y[i] = x[2][i % node.shape[3]] } }
            forEachProduct(x: shape(node, 0), filter: shape(node, 1), y: node.shape, convolution) {
                y[$2] += x[0][$0] * x[1][$1]
            }
            return y
        case .conv2dInputGradient(let convolution):
            var dx = [Double](repeating: 0, count: node.shape.count)
            forEachProduct(x: node.shape, filter: shape(node, 1), y: shape(node, 0), convolution) {
                dx[$0] += x[0][$2] * x[1][$1]
            }
            return dx
        case .conv2dFilterGradient(let convolution):
            var df = [Double](repeating: 0, count: node.shape.count)
            forEachProduct(x: shape(node, 0), filter: node.shape, y: shape(node, 1), convolution) {
                df[$1] += x[0][$0] * x[1][$2]
            }
            return df
        case .maxPool2d(let pooling):
            return maxima(x[0], shape(node, 0), pooling).map { x[0][$0] }
        case .maxPool2dScatter(let pooling):
            var dx = [Double](repeating: 0, count: node.shape.count)
            for (output, input) in maxima(x[1], node.shape, pooling).enumerated() {
                dx[input] += x[0][output]
            }
            return dx
        case .maxPool2dSelect(let pooling):
            return maxima(x[1], shape(node, 1), pooling).map { x[0][$0] }
        case .sigmoid, .tanh, .erf, .power, .round, .clamp, .clampGradient, .select, .uniform, .maximum:
            return choose(node, x)
        case .slice, .pad, .concatenate, .gather, .scatterAdd: return move(node, x)
        case .batchMean, .batchVariance, .batchNorm, .normalize, .batchNormScaleGradient, .batchNormInputGradient:
            return normalise(node, x)
        case .softmax, .logSoftmax:
            let length = node.shape[node.shape.rank - 1]
            var y = x[0]
            for row in 0..<node.shape.count / length {
                let range = row * length..<(row + 1) * length
                let top = x[0][range].max() ?? 0
                let total = x[0][range].reduce(0) { $0 + power($1 - top) }
                for i in range {
                    y[i] =
                        node.op == .softmax ? power(x[0][i] - top) / total : x[0][i] - top - logarithm(total)
                }
            }
            return y
        }
    }

    func binary(_ node: Graph.Node, _ f: (Double, Double) -> Double) -> [Double] {
        let a = results[node.inputs[0]]
        let b = results[node.inputs[1]]
        return indices(node.shape).map {
            f(a[place($0, in: shape(node, 0))], b[place($0, in: shape(node, 1))])
        }
    }

    private func sum(_ node: Graph.Node, _ axes: AxisSet) -> [Double] {
        let source = shape(node, 0)
        var y = [Double](repeating: 0, count: node.shape.count)
        for (at, index) in indices(source).enumerated() {
            y[place(index, in: node.shape)] += results[node.inputs[0]][at]
        }
        return y
    }

    private func matmul(_ node: Graph.Node, _ transposeA: Bool, _ transposeB: Bool) -> [Double] {
        let a = results[node.inputs[0]]
        let b = results[node.inputs[1]]
        let rank = node.shape.rank
        let (m, n) = (node.shape[rank - 2], node.shape[rank - 1])
        let k = shape(node, 0)[transposeA ? rank - 2 : rank - 1]
        var y: [Double] = []
        for batch in 0..<node.shape.count / (m * n) {
            for i in 0..<m {
                for j in 0..<n {
                    var total = node.inputs.count == 3 ? results[node.inputs[2]][j] : 0
                    for p in 0..<k {
                        total += a[batch * m * k + (transposeA ? p * m + i : i * k + p)]
                            * b[batch * k * n + (transposeB ? j * k + p : p * n + j)]
                    }
                    y.append(total)
                }
            }
        }
        return y
    }

    private func forEachProduct(
        x: Shape, filter: Shape, y: Shape, _ c: Convolution,
        _ body: (_ x: Int, _ filter: Int, _ y: Int) -> Void
    ) {
        for (out, o) in indices(y).enumerated() {
            for u in 0..<filter[0] {
                for v in 0..<filter[1] {
                    let row = o[1] * c.stride + u * c.dilation - c.padding
                    let column = o[2] * c.stride + v * c.dilation - c.padding
                    if row < 0 || row >= x[1] || column < 0 || column >= x[2] { continue }
                    let group = o[3] / (filter[3] / c.groups)
                    for q in 0..<filter[2] {
                        body(
                            place([o[0], row, column, group * filter[2] + q], in: x),
                            place([u, v, q, o[3]], in: filter), out)
                    }
                }
            }
        }
    }

    /// For each window the place of its first maximum in x.
    private func maxima(_ x: [Double], _ shape: Shape, _ pooling: Pooling) -> [Int] {
        let pooled: Shape = [shape[0], pooling.output(of: shape[1]), pooling.output(of: shape[2]), shape[3]]
        return indices(pooled).map { o in
            var best = -1
            for u in 0..<pooling.window {
                for v in 0..<pooling.window {
                    let at = place(
                        [o[0], o[1] * pooling.stride + u, o[2] * pooling.stride + v, o[3]], in: shape)
                    if best < 0 || x[at] > x[best] { best = at }
                }
            }
            return best
        }
    }

    /// Every index of a shape in row-major order.
    func indices(_ shape: Shape) -> [[Int]] {
        var all: [[Int]] = [[]]
        for axis in 0..<shape.rank { all = all.flatMap { index in (0..<shape[axis]).map { index + [$0] } } }
        return all
    }

    /// The place of an index in an array that is repeated along axes of extent 1 and missing outer axes.
    func place(_ index: [Int], in shape: Shape) -> Int {
        var at = 0
        for axis in 0..<shape.rank {
            at = at * shape[axis] + (shape[axis] == 1 ? 0 : index[index.count - shape.rank + axis])
        }
        return at
    }

    /// eˣ by its series after halving the argument, squared back.
    func power(_ x: Double) -> Double {
        var halvings = 0
        var r = x
        while abs(r) > 0.25 {
            r /= 2
            halvings += 1
        }
        var term = 1.0
        var total = 1.0
        for i in 1..<20 {
            term *= r / Double(i)
            total += term
        }
        for _ in 0..<halvings { total *= total }
        return total
    }

    /// Natural logarithm by Newton's steps on `power`.
    func logarithm(_ x: Double) -> Double {
        var y = Double(x.exponent) * 0.693147180559945309
        for _ in 0..<8 { y += 2 * (x - power(y)) / (x + power(y)) }
        return y
    }
}
