import Kernels

/// eˣ / Σ eˣ along the last axis, computed after taking the maximum away.
///
/// Gradient: y·(dy − Σ dy·y).
public func softmax(_ x: Value) -> Value {
    guard x.shape.rank >= 1 else { return x.graph.fail(.softmax, .rank, x) }
    return x.graph.append(.softmax, x.shape, [x])
}

/// x − log Σ eˣ along the last axis, computed after taking the maximum away.
///
/// Gradient: dy − eʸ·Σ dy.
public func logSoftmax(_ x: Value) -> Value {
    guard x.shape.rank >= 1 else { return x.graph.fail(.logSoftmax, .rank, x) }
    return x.graph.append(.logSoftmax, x.shape, [x])
}

extension Gradients {
    func normalisedExponential(_ node: Graph.Node, _ y: Value, _ dy: Value) {
        let x = input(node, 0)
        let last = x.shape.rank - 1
        switch node.op {
        case .softmax:
            let weighted = dy * y
            add(weighted - y * sum(weighted, axes: [last], keepDims: true), to: x)
        case .logSoftmax: add(dy - exp(y) * sum(dy, axes: [last], keepDims: true), to: x)
        default: preconditionFailure("not a softmax")
        }
    }
}

extension PortableExecutor {
    func normalisedExponential(_ step: Plan.Step) {
        let length = step.shape[step.shape.rank - 1]
        let rows = step.shape.count / length
        if case .softmax = step.op {
            f32Softmax(input(step, 0), arena + step.output, rows: rows, length: length, workers: workers)
        } else {
            f32LogSoftmax(input(step, 0), arena + step.output, rows: rows, length: length, workers: workers)
        }
    }
}
