import Kernels

// Ops that take parts of arrays and put them together; each is linear, and the transpose of another.

/// The elements whose index along each axis is in the range for that axis.
///
/// *Shapes*: x with one range an axis → the lengths of the ranges. Gradient: dy padded with zeros.
public func slice(_ x: Value, _ ranges: [Range<Int>]) -> Value {
    let from = Shape(ranges.map { $0.lowerBound })
    let op = Op.slice(from: from)
    guard ranges.count == x.shape.rank else { return x.graph.fail(op, .rank, x) }
    for (axis, range) in ranges.enumerated() {
        guard range.lowerBound >= 0, range.upperBound <= x.shape[axis], !range.isEmpty else {
            return x.graph.fail(op, .bounds, x)
        }
    }
    let shape = Shape(ranges.map { $0.count })
    return shape == x.shape ? x : x.graph.append(op, shape, [x])
}

/// The elements whose index along one axis is in a range.
public func slice(_ x: Value, axis: Int, _ range: Range<Int>) -> Value {
    guard axis >= 0, axis < x.shape.rank else { return x.graph.fail(.slice(from: []), .axes, x) }
    return slice(x, (0..<x.shape.rank).map { $0 == axis ? range : 0..<x.shape[$0] })
}

/// x among zeros: `before` and `after` of them along each axis. Gradient: the part of dy where x is.
public func pad(_ x: Value, before: [Int], after: [Int]) -> Value {
    let op = Op.pad(before: Shape(before))
    guard before.count == x.shape.rank, after.count == x.shape.rank else { return x.graph.fail(op, .rank, x) }
    var shape = x.shape
    for axis in 0..<x.shape.rank {
        guard before[axis] >= 0, after[axis] >= 0 else { return x.graph.fail(op, .padding, x) }
        shape[axis] += before[axis] + after[axis]
    }
    return shape == x.shape ? x : x.graph.append(op, shape, [x])
}

/// Arrays one after the other along an axis; all other extents are the same. Gradients: the parts of dy.
public func concatenate(_ parts: [Value], axis: Int) -> Value {
    precondition(!parts.isEmpty, "nothing to concatenate")
    let first = parts[0]
    let op = Op.concatenate(axis: axis)
    guard axis >= 0, axis < first.shape.rank else { return first.graph.fail(op, .axes, first) }
    var shape = first.shape
    for part in parts.dropFirst() {
        guard part.shape.rank == shape.rank else { return first.graph.fail(op, .rank, first, part) }
        for other in 0..<shape.rank where other != axis && part.shape[other] != shape[other] {
            return first.graph.fail(op, .broadcast, first, part)
        }
        shape[axis] += part.shape[axis]
    }
    return parts.count == 1 ? first : first.graph.append(op, shape, parts)
}

/// Along an axis of x the elements that `indices` name, in their order; an index that does not exist gives NaN.
///
/// *Shapes*: x [..., n, ...], indices [m], whole numbers below n → [..., m, ...]. Gradient: dy added up by index.
public func gather(_ x: Value, _ indices: Value, axis: Int = 0) -> Value {
    guard axis >= 0, axis < x.shape.rank else { return x.graph.fail(.gather, .axes, x, indices) }
    guard indices.shape.rank == 1 else { return x.graph.fail(.gather, .rank, x, indices) }
    if axis > 0 {
        var order = Array(0..<x.shape.rank)
        order.swapAt(0, axis)
        return transpose(gather(transpose(x, order), indices), order)
    }
    var shape = x.shape
    shape[0] = indices.shape[0]
    return x.graph.append(.gather, shape, [x, indices])
}

extension Gradients {
    func slicing(_ node: Graph.Node, _ dy: Value) {
        let x = input(node, 0)
        switch node.op {
        case .slice(let from): if wants(node, 0) { add(graph.append(.pad(before: from), x.shape, [dy]), to: x) }
        case .pad(let before): if wants(node, 0) { add(graph.append(.slice(from: before), x.shape, [dy]), to: x) }
        case .concatenate(let axis):
            var start = 0
            for place in node.inputs.indices {
                let part = input(node, place)
                let end = start + part.shape[axis]
                if wants(node, place) { add(slice(dy, axis: axis, start..<end), to: part) }
                start = end
            }
        case .gather:
            if wants(node, 0) { add(graph.append(.scatterAdd, x.shape, [dy, input(node, 1)]), to: x) }
        case .scatterAdd: if wants(node, 0) { add(gather(dy, input(node, 1)), to: x) }
        default: preconditionFailure("not a slicing op")
        }
    }
}

extension PortableExecutor {
    func slicing(_ step: Plan.Step) {
        let y = arena + step.output
        switch step.op {
        case .slice(let from):
            guard let walk = step.walks.main else { return }
            f32Gather(input(step, 0) + place(of: from, in: step.inputShapes[0]), y, walk: walk, workers: workers)
        case .pad(let before):
            guard let walk = step.walks.main else { return }
            y.update(repeating: 0, count: step.shape.count)
            f32Scatter(input(step, 0), y + place(of: before, in: step.shape), walk: walk, workers: workers)
        case .concatenate(let axis):
            let inner = step.shape.dimensions[axis...].reduce(1, *)
            var start = 0
            for (place, shape) in step.inputShapes.enumerated() {
                let length = shape.dimensions[axis...].reduce(1, *)
                f32CopyRows(
                    input(step, place), y + start, rows: step.shape.count / inner, length: length, stride: inner,
                    workers: workers)
                start += length
            }
        case .gather:
            f32GatherRows(
                input(step, 0), input(step, 1), y, rows: step.shape[0], of: step.inputShapes[0][0],
                length: step.shape.count / step.shape[0], workers: workers)
        case .scatterAdd:
            f32ScatterRows(
                input(step, 0), input(step, 1), y, rows: step.inputShapes[0][0], of: step.shape[0],
                length: step.shape.count / step.shape[0], workers: workers)
        default: preconditionFailure("not a slicing op")
        }
    }

    /// The place of an index in row-major order.
    private func place(of index: Shape, in shape: Shape) -> Int {
        var place = 0
        for axis in 0..<shape.rank { place = place * shape[axis] + index[axis] }
        return place
    }
}
