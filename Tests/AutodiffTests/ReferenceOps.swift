import Autodiff
import Kernels

extension ReferenceExecutor {
    /// Smooth functions and choices.
    func choose(_ node: Graph.Node, _ x: [[Double]]) -> [Double] {
        switch node.op {
        case .sigmoid: return x[0].map { 1 / (1 + power(-$0)) }
        case .tanh: return x[0].map { (power(2 * $0) - 1) / (power(2 * $0) + 1) }
        case .erf: return x[0].map { errorFunction($0) }
        case .power(let exponent): return x[0].map { raise($0, Double(exponent)) }
        case .round: return x[0].map { $0.rounded(.toNearestOrEven) }
        case .clamp(let low, let high): return x[0].map { min(max($0, Double(low)), Double(high)) }
        case .clampGradient(let low, let high):
            return binary(node) { $1 > Double(low) && $1 < Double(high) ? $0 : 0 }
        case .select: return x[0].indices.map { x[0][$0] > 0 ? x[1][$0] : x[2][$0] }
        case .uniform(let seed):
            var numbers = [Float](repeating: 0, count: node.shape.count)
            numbers.withUnsafeMutableBufferPointer {
                if let y = $0.baseAddress {
                    f32Uniform(seed: seed, counter: Float(x[0][0]), y, count: $0.count, workers: .serial)
                }
            }
            return numbers.map(Double.init)
        default:
            var y = [Double](repeating: -.infinity, count: node.shape.count)
            for (at, index) in indices(shape(node, 0)).enumerated() {
                let to = place(index, in: node.shape)
                y[to] = max(y[to], x[0][at])
            }
            return y
        }
    }

    /// Moves of elements.
    func move(_ node: Graph.Node, _ x: [[Double]]) -> [Double] {
        let source = shape(node, 0)
        var y = [Double](repeating: 0, count: node.shape.count)
        switch node.op {
        case .slice(let from):
            for (at, index) in indices(node.shape).enumerated() {
                y[at] = x[0][row(index.enumerated().map { $1 + from[$0] }, source)]
            }
        case .pad(let before):
            for (at, index) in indices(source).enumerated() {
                y[row(index.enumerated().map { $1 + before[$0] }, node.shape)] = x[0][at]
            }
        case .concatenate(let axis):
            var start = 0
            for place in x.indices {
                for (at, index) in indices(shape(node, place)).enumerated() {
                    var to = index
                    to[axis] += start
                    y[row(to, node.shape)] = x[place][at]
                }
                start += shape(node, place)[axis]
            }
        case .gather:
            let length = node.shape.count / node.shape[0]
            for i in y.indices { y[i] = x[0][Int(x[1][i / length]) * length + i % length] }
        default:
            let length = node.shape.count / node.shape[0]
            for i in x[0].indices { y[Int(x[1][i / length]) * length + i % length] += x[0][i] }
        }
        return y
    }

    func normalise(_ node: Graph.Node, _ x: [[Double]]) -> [Double] {
        let channels = node.shape[node.shape.rank - 1]
        let count = Double(shape(node, 0).count / channels)
        var y = [Double](repeating: 0, count: node.shape.count)
        switch node.op {
        case .batchMean: for (i, v) in x[0].enumerated() { y[i % channels] += v / count }
        case .batchVariance:
            for (i, v) in x[0].enumerated() {
                y[i % channels] += (v - x[1][i % channels]) * (v - x[1][i % channels]) / count
            }
        case .batchNorm(let epsilon), .normalize(let epsilon):
            for i in y.indices {
                let c = i % channels
                y[i] = (x[0][i] - x[3][c]) / (x[4][c] + Double(epsilon)).squareRoot() * x[1][c] + x[2][c]
            }
        case .batchNormScaleGradient(let epsilon):
            for i in x[0].indices {
                let c = i % channels
                y[c] += x[0][i] * (x[1][i] - x[2][c]) / (x[3][c] + Double(epsilon)).squareRoot()
            }
        case .batchNormInputGradient(let epsilon):
            for i in y.indices {
                let c = i % channels
                let inverse = 1 / (x[4][c] + Double(epsilon)).squareRoot()
                let normalised = (x[1][i] - x[3][c]) * inverse
                y[i] = x[2][c] * inverse * (x[0][i] - x[6][c] / count - normalised * x[5][c] / count)
            }
        default: preconditionFailure("not a normalisation")
        }
        return y
    }

    private func row(_ index: [Int], _ shape: Shape) -> Int {
        var at = 0
        for axis in 0..<shape.rank { at = at * shape[axis] + index[axis] }
        return at
    }

    /// The Maclaurin series, which converges everywhere.
    private func errorFunction(_ x: Double) -> Double {
        var term = x
        var total = x
        for n in 1..<200 {
            term *= -x * x / Double(n)
            total += term / Double(2 * n + 1)
        }
        return total * 1.1283791670955126
    }

    private func raise(_ x: Double, _ exponent: Double) -> Double {
        if exponent == exponent.rounded() {
            let whole = (0..<Int(exponent.magnitude)).reduce(1.0) { product, _ in product * x }
            return exponent < 0 ? 1 / whole : whole
        }
        return power(exponent * logarithm(x))
    }
}
