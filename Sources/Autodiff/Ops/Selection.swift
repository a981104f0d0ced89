import Kernels

// Ops that choose: no gradient flows through the choice.

/// The nearest number in low ... high. Gradient: dy where low < x < high, else 0.
public func clamp(_ x: Value, _ low: Float, _ high: Float) -> Value {
    x.graph.append(.clamp(low: low, high: high), x.shape, [x])
}

/// The nearest integer, ties to even. Gradient: dy, as if nothing had been rounded.
///
/// The straight-through estimator of quantisation (Bengio, Léonard and Courville, 2013); the true derivative is zero
/// nearly everywhere. `round(clamp(x, low, high))` passes gradients between the limits only.
public func round(_ x: Value) -> Value { x.graph.append(.round, x.shape, [x]) }

/// a where `condition` is above 0, else b, with NumPy broadcasting of all three.
///
/// Gradients: dy where chosen, else 0. An infinity or NaN that is not chosen has no effect.
public func select(_ condition: Value, _ a: Value, _ b: Value) -> Value {
    guard let shape = a.shape.broadcast(with: b.shape)?.broadcast(with: condition.shape) else {
        return a.graph.fail(.select, .broadcast, a, a.shape.broadcast(with: b.shape) == nil ? b : condition)
    }
    let arguments = [condition, a, b].map { broadcast($0, to: shape) }
    return a.graph.append(.select, shape, arguments)
}

/// The larger of two numbers; b of equals.
public func maximum(_ a: Value, _ b: Value) -> Value { select(a - b, a, b) }

/// The smaller of two numbers; a of equals.
public func minimum(_ a: Value, _ b: Value) -> Value { select(a - b, b, a) }

/// |x|. Gradient: dy where x > 0, else −dy.
public func abs(_ x: Value) -> Value { select(x, x, -x) }

/// The maximum over some axes, which stay with extent 1 when `keepDims`.
///
/// Gradient: dy shared equally among the maxima.
public func max(_ x: Value, axes: [Int], keepDims: Bool = false) -> Value {
    var kept = x.shape
    let set = AxisSet(axes: axes)
    for axis in axes {
        guard axis >= 0 && axis < x.shape.rank else { return x.graph.fail(.maximum(axes: set), .axes, x) }
        kept[axis] = 1
    }
    let largest = axes.isEmpty ? x : x.graph.append(.maximum(axes: set), kept, [x])
    if keepDims { return largest }
    var outer: [Int] = []
    for axis in 0..<x.shape.rank where !set.contains(axis: axis) { outer.append(x.shape[axis]) }
    return reshape(largest, Shape(outer))
}

/// The minimum over some axes, which stay with extent 1 when `keepDims`.
public func min(_ x: Value, axes: [Int], keepDims: Bool = false) -> Value {
    -max(-x, axes: axes, keepDims: keepDims)
}

/// Numbers in [0, 1), each a function of `seed`, the scalar `counter` and its place: new ones for a new counter.
public func uniform(_ shape: Shape, seed: UInt64, counter: Value) -> Value {
    guard counter.shape.count == 1 else { return counter.graph.fail(.uniform(seed: seed), .rank, counter) }
    return counter.graph.append(.uniform(seed: seed), shape, [counter])
}

/// x with each number set to 0 with probability `rate`, the others multiplied by 1/(1 − rate).
///
/// The same seed and counter drop the same numbers, in forward and backward, on every machine
/// (Srivastava et al., "Dropout", 2014).
public func dropout(_ x: Value, rate: Float, seed: UInt64, counter: Value) -> Value {
    if rate <= 0 { return x }
    if rate >= 1 { return x * 0 }
    let kept = uniform(x.shape, seed: seed, counter: counter) - rate
    return select(kept, x * (1 / (1 - rate)), x.graph.constant(0))
}

extension Gradients {
    func selection(_ node: Graph.Node, _ y: Value, _ dy: Value) {
        switch node.op {
        case .uniform: break
        case .clamp(let low, let high): add(clampGradient(dy, input(node, 0), low, high), to: input(node, 0))
        case .clampGradient(let low, let high):
            if wants(node, 0) { add(clampGradient(dy, input(node, 1), low, high), to: input(node, 0)) }
        case .round: add(dy, to: input(node, 0))
        case .select:
            let condition = input(node, 0)
            let zero = graph.constant(0)
            if wants(node, 1) { add(select(condition, dy, zero), to: input(node, 1)) }
            if wants(node, 2) { add(select(condition, zero, dy), to: input(node, 2)) }
        case .maximum(let axes):
            let x = input(node, 0)
            let below = y - x
            let count = sum(select(below, graph.constant(0), graph.constant(1)), axes: axes.list, keepDims: true)
            add(select(below, graph.constant(0), dy / count), to: x)
        default: preconditionFailure("not a selection")
        }
    }

    private func clampGradient(_ dy: Value, _ x: Value, _ low: Float, _ high: Float) -> Value {
        graph.append(.clampGradient(low: low, high: high), x.shape, [dy, x])
    }
}

extension AxisSet {
    /// The axes in ascending order.
    var list: [Int] { (0..<8).filter { contains(axis: $0) } }
}

extension PortableExecutor {
    func selection(_ step: Plan.Step) {
        let y = arena + step.output
        switch step.op {
        case .select:
            f32Select(input(step, 0), input(step, 1), input(step, 2), y, count: step.shape.count, workers: workers)
        case .maximum:
            guard let kept = step.walks.main, let reduced = step.walks.reduced else { return }
            f32Maximum(input(step, 0), y, kept: kept, reduced: reduced, workers: workers)
        case .uniform(let seed):
            f32Uniform(seed: seed, counter: input(step, 0)[0], y, count: step.shape.count, workers: workers)
        default: preconditionFailure("not a selection")
        }
    }
}
