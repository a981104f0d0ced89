import Kernels

// Ops that move, repeat or add up elements.

/// The sum over some axes, or over all; summed axes stay with extent 1 when `keepDims`.
///
/// Each sum is taken in ascending order of the summed index. Gradient: dy repeated along the summed axes.
public func sum(_ x: Value, axes: [Int], keepDims: Bool = false) -> Value {
    var kept = x.shape
    var outer: [Int] = []
    for axis in axes {
        guard axis >= 0 && axis < x.shape.rank else {
            return x.graph.fail(.sum(axes: AxisSet(axes: axes)), .axes, x)
        }
        kept[axis] = 1
    }
    let set = AxisSet(axes: axes)
    let total = axes.isEmpty ? x : x.graph.append(.sum(axes: set), kept, [x])
    if keepDims { return total }
    for axis in 0..<x.shape.rank where !set.contains(axis: axis) { outer.append(x.shape[axis]) }
    return reshape(total, Shape(outer))
}

/// The sum of all elements, a scalar.
public func sum(_ x: Value) -> Value { sum(x, axes: Array(0..<x.shape.rank)) }

/// x repeated up to `shape` by NumPy's rule. Gradient: dy summed over the repeated axes.
public func broadcast(_ x: Value, to shape: Shape) -> Value {
    if x.shape == shape { return x }
    guard x.shape.broadcast(with: shape) == shape else { return x.graph.fail(.broadcast, .broadcast, x) }
    return x.graph.append(.broadcast, shape, [x])
}

/// The same elements in row-major order under another shape. Gradient: dy in the shape of x.
public func reshape(_ x: Value, _ shape: Shape) -> Value {
    if x.shape == shape { return x }
    guard x.shape.count == shape.count else { return x.graph.fail(.reshape, .count, x) }
    return x.graph.append(.reshape, shape, [x])
}

/// The outermost axis kept, all others joined to one.
public func flatten(_ x: Value) -> Value {
    x.shape.rank == 0 ? x : reshape(x, [x.shape[0], x.shape.count / x.shape[0]])
}

/// Axes in another order: output axis `i` is input axis `axes[i]`. Gradient: dy by the inverse permutation.
public func transpose(_ x: Value, _ axes: [Int]) -> Value {
    guard axes.count == x.shape.rank, let permutation = Permutation(axes) else {
        return x.graph.fail(.reshape, .axes, x)
    }
    return transpose(x, permutation)
}

func transpose(_ x: Value, _ permutation: Permutation) -> Value {
    var shape = x.shape
    for place in 0..<permutation.rank { shape[place] = x.shape[permutation[place]] }
    return x.graph.append(.transpose(permutation), shape, [x])
}

/// dy summed down to `shape`, from which it was broadcast.
func unbroadcast(_ dy: Value, to shape: Shape) -> Value {
    if dy.shape == shape { return dy }
    var axes: [Int] = []
    let outer = dy.shape.rank - shape.rank
    for axis in 0..<dy.shape.rank where axis < outer || (shape[axis - outer] == 1 && dy.shape[axis] != 1) {
        axes.append(axis)
    }
    return reshape(sum(dy, axes: axes, keepDims: true), shape)
}

extension Gradients {
    func shaping(_ node: Graph.Node, _ dy: Value) {
        let x = input(node, 0)
        switch node.op {
        case .sum: add(broadcast(dy, to: x.shape), to: x)
        case .broadcast: add(dy, to: x)
        case .reshape: add(reshape(dy, x.shape), to: x)
        case .transpose(let permutation): add(transpose(dy, permutation.inverse), to: x)
        default: preconditionFailure("not a shaping op")
        }
    }
}

extension StepWalks {
    static func sum(_ axes: AxisSet, _ x: Shape) -> StepWalks {
        var kept: (extents: [Int], strides: [Int]) = ([], [])
        var reduced: (extents: [Int], strides: [Int]) = ([], [])
        let strides = x.strides(in: x)
        for axis in 0..<x.rank {
            if axes.contains(axis: axis) {
                reduced.extents.append(x[axis])
                reduced.strides.append(strides[axis])
            } else {
                kept.extents.append(x[axis])
                kept.strides.append(strides[axis])
            }
        }
        return StepWalks(
            main: StridedWalk(extents: kept.extents, stridesA: kept.strides),
            reduced: StridedWalk(extents: reduced.extents, stridesA: reduced.strides))
    }

    /// The elements of a part, in its order, as places in the whole (from where the part begins).
    static func part(_ part: Shape, of whole: Shape) -> StepWalks {
        StepWalks(main: StridedWalk(extents: part.dimensions, stridesA: whole.strides(in: whole)))
    }

    static func broadcast(_ x: Shape, to shape: Shape) -> StepWalks {
        StepWalks(main: StridedWalk(extents: shape.dimensions, stridesA: x.strides(in: shape)))
    }

    static func transpose(_ x: Shape, _ permutation: Permutation, to shape: Shape) -> StepWalks {
        let strides = x.strides(in: x)
        return StepWalks(
            main: StridedWalk(
                extents: shape.dimensions, stridesA: (0..<x.rank).map { strides[permutation[$0]] }))
    }
}

extension PortableExecutor {
    func shaping(_ step: Plan.Step) {
        guard let walk = step.walks.main else { return }
        if let reduced = step.walks.reduced {
            f32Sum(
                input(step, 0), count: step.inputShapes[0].count, arena + step.output, kept: walk,
                reduced: reduced, workers: workers)
        } else {
            f32Gather(input(step, 0), arena + step.output, walk: walk, workers: workers)
        }
    }
}
