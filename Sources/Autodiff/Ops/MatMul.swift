import Kernels

/// a·b (+ bias), each matrix transposed first when asked.
///
/// *Shapes*: a [m, k], b [k, n] after transposition, bias [n] → [m, n]; with further outer axes, equal in a and b and
/// without a bias, one product for each of their indices.
/// y[i, j] = bias[j] + Σₚ a[i, p]·b[p, j], p ascending. Gradients: da = dy·bᵀ, db = aᵀ·dy, dbias = Σᵢ dy.
public func matmul(
    _ a: Value, _ b: Value, bias: Value? = nil, transposeA: Bool = false, transposeB: Bool = false
) -> Value {
    let op = Op.matmul(transposeA: transposeA, transposeB: transposeB)
    let rank = a.shape.rank
    guard rank >= 2, b.shape.rank == rank, rank == 2 || bias == nil else { return a.graph.fail(op, .rank, a, b) }
    for axis in 0..<rank - 2 where a.shape[axis] != b.shape[axis] { return a.graph.fail(op, .broadcast, a, b) }
    let n = b.shape[transposeB ? rank - 2 : rank - 1]
    guard a.shape[transposeA ? rank - 2 : rank - 1] == b.shape[transposeB ? rank - 1 : rank - 2] else {
        return a.graph.fail(op, .inner, a, b)
    }
    var shape = a.shape
    shape[rank - 2] = a.shape[transposeA ? rank - 1 : rank - 2]
    shape[rank - 1] = n
    guard let bias else { return a.graph.append(op, shape, [a, b]) }
    guard bias.shape == [n] else { return a.graph.fail(op, .bias, b, bias) }
    return a.graph.append(op, shape, [a, b, bias])
}

extension Gradients {
    func matrixProduct(_ node: Graph.Node, _ dy: Value) {
        guard case .matmul(let transposeA, let transposeB) = node.op else {
            preconditionFailure("not a matrix product")
        }
        let a = input(node, 0)
        let b = input(node, 1)
        if wants(node, 0) {
            add(
                transposeA
                    ? matmul(b, dy, transposeA: transposeB, transposeB: true)
                    : matmul(dy, b, transposeB: !transposeB), to: a)
        }
        if wants(node, 1) {
            add(
                transposeB
                    ? matmul(dy, a, transposeA: true, transposeB: transposeA)
                    : matmul(a, dy, transposeA: !transposeA), to: b)
        }
        if node.inputs.count == 3 { add(sum(dy, axes: [0]), to: input(node, 2)) }
    }
}

extension F32MatMul {
    /// Of the innermost two axes.
    init(_ a: Shape, _ b: Shape, transposeA: Bool, transposeB: Bool) {
        let rank = a.rank
        self.init(
            m: a[transposeA ? rank - 1 : rank - 2], n: b[transposeB ? rank - 2 : rank - 1],
            k: a[transposeA ? rank - 2 : rank - 1], transposeA: transposeA, transposeB: transposeB)
    }
}

extension PortableExecutor {
    func matrixProduct(_ step: Plan.Step, transposeA: Bool, transposeB: Bool) {
        let product = F32MatMul(
            step.inputShapes[0], step.inputShapes[1], transposeA: transposeA, transposeB: transposeB)
        for batch in 0..<step.shape.count / max(1, product.m * product.n) {
            product(
                input(step, 0) + batch * product.m * product.k, input(step, 1) + batch * product.k * product.n,
                bias: step.inputs.count == 3 ? input(step, 2) : nil,
                arena + step.output + batch * product.m * product.n, scratch: arena + step.scratch,
                workers: workers)
        }
    }
}
