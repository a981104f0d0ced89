import Foundation

/// The operations of constant folding that touch numbers.
extension ConstantFolding {
    static func cast(_ node: GraphNode, _ x: ConstantTensor) throws(ONNXError) -> ConstantTensor {
        guard let type = ElementType(rawValue: Int32(clamping: node.integer("to", default: 0))) else {
            throw node.fail("element type \(node.integer("to", default: 0)) is not supported")
        }
        if type.isFloating { return ConstantTensor(shape: x.shape, floats: x.floats) }
        switch x.values {
        case .integers(let values):
            return ConstantTensor(shape: x.shape, integers: type == .bool ? values.map { $0 == 0 ? 0 : 1 } : values)
        case .floats(let values):
            guard values.allSatisfy({ $0.isFinite && abs($0) < 0x1p62 }) else {
                throw node.fail("a number is too large for \(type)")
            }
            return ConstantTensor(shape: x.shape, integers: values.map { type == .bool ? ($0 == 0 ? 0 : 1) : Int($0) })
        }
    }

    static func concat(
        _ node: GraphNode, _ parts: [ConstantTensor], opset: Int, _ limits: ONNXLimits
    ) throws(ONNXError) -> ConstantTensor {
        guard let first = parts.first, !first.shape.isEmpty else { throw node.fail("it has nothing to join") }
        let axis = try axisIndex(node, node.integer("axis", default: opset < 4 ? 1 : 0), rank: first.shape.count)
        var shape = first.shape
        shape[axis] = 0
        for part in parts {
            var expected = shape
            guard part.shape.count == shape.count else { throw node.fail("shapes differ") }
            expected[axis] = part.shape[axis]
            guard part.shape == expected else { throw node.fail("shapes \(first.shape) and \(part.shape) differ") }
            shape[axis] += part.shape[axis]
        }
        guard let count = elementCount(shape), count <= limits.elements else {
            throw node.fail("the result is larger than the limit of \(limits.elements) numbers")
        }
        let outer = shape[..<axis].reduce(1, *)
        func join<Number>(_ lists: [[Number]]) -> [Number] {
            var result: [Number] = []
            for row in 0..<outer {
                for list in lists {
                    let size = list.count / max(outer, 1)
                    result += list[(row * size)..<((row + 1) * size)]
                }
            }
            return result
        }
        let integers = parts.compactMap(\.integers)
        if integers.count == parts.count { return ConstantTensor(shape: shape, integers: join(integers)) }
        return ConstantTensor(shape: shape, floats: join(parts.map(\.floats)))
    }

    static func gather(
        _ node: GraphNode, _ x: ConstantTensor, _ index: ConstantTensor, _ limits: ONNXLimits
    ) throws(ONNXError) -> ConstantTensor {
        let axis = try axisIndex(node, node.integer("axis", default: 0), rank: x.shape.count)
        guard let places = index.integers else { throw node.fail("its indices must be whole numbers") }
        let size = x.shape[axis]
        let inner = x.shape[(axis + 1)...].reduce(1, *)
        let outer = x.shape[..<axis].reduce(1, *)
        guard let count = elementCount([outer, places.count, inner]), count <= limits.elements else {
            throw node.fail("the result is larger than the limit of \(limits.elements) numbers")
        }
        var picked: [Int] = []
        picked.reserveCapacity(count)
        for row in 0..<outer {
            for place in places {
                let at = place < 0 ? place + size : place
                guard (0..<size).contains(at) else { throw node.fail("index \(place) of \(size)") }
                picked += (0..<inner).map { (row * size + at) * inner + $0 }
            }
        }
        return x.picking(picked, shape: Array(x.shape[..<axis]) + index.shape + Array(x.shape[(axis + 1)...]))
    }

    static func slice(
        _ node: GraphNode, _ x: ConstantTensor, starts: [Int]?, ends: [Int]?, axes: [Int]?, steps: [Int]?
    ) throws(ONNXError) -> ConstantTensor {
        guard let starts, let ends, starts.count == ends.count else { throw node.fail("starts and ends are missing") }
        let axes = axes ?? Array(starts.indices)
        let steps = steps ?? axes.map { _ in 1 }
        guard axes.count == starts.count, steps.count == starts.count else { throw node.fail("axes do not match starts") }
        var shape = x.shape
        var strides = rowMajorStrides(x.shape)
        var offset = 0
        for (place, axis) in axes.enumerated() {
            let at = try axisIndex(node, axis, rank: shape.count)
            let (size, step) = (x.shape[at], steps[place])
            guard step != 0, step.magnitude < 1 << 31 else { throw node.fail("a step of \(step)") }
            func clamped(_ value: Int, _ low: Int, _ high: Int) -> Int {
                max(low, min(high, value < 0 ? max(value, -size - 1) + size : value))
            }
            let start = step > 0 ? clamped(starts[place], 0, size) : clamped(starts[place], 0, size - 1)
            let end = step > 0 ? clamped(ends[place], 0, size) : clamped(ends[place], -1, size - 1)
            shape[at] = step > 0 ? max(0, (end - start + step - 1) / step) : max(0, (start - end - step - 1) / -step)
            offset += start * strides[at]
            strides[at] *= step
        }
        return x.picking(walk(shape, strides: strides, offset: offset), shape: shape)
    }

    static func constantOfShape(_ node: GraphNode, _ shape: ConstantTensor, _ limits: ONNXLimits) throws(ONNXError)
        -> ConstantTensor
    {
        guard let sizes = shape.integers, sizes.count <= 8, let count = elementCount(sizes), count <= limits.elements
        else {
            throw node.fail("shape \(shape.values) is larger than the limit of \(limits.elements) numbers")
        }
        guard let value = node.attributes["value"] else {
            return ConstantTensor(shape: sizes, floats: [Float](repeating: 0, count: count))
        }
        let filling = try TensorDecoder(folder: nil, elementLimit: 1).decode(value.t)
        guard filling.count == 1 else { throw node.fail("its value must be one number") }
        return filling.picking([Int](repeating: 0, count: count), shape: sizes)
    }

    static func range(
        _ node: GraphNode, _ start: ConstantTensor, _ limit: ConstantTensor, _ delta: ConstantTensor,
        _ limits: ONNXLimits
    ) throws(ONNXError) -> ConstantTensor {
        guard start.count == 1, limit.count == 1, delta.count == 1, delta.floats[0] != 0 else {
            throw node.fail("a range needs a start, a limit and a step that is not 0")
        }
        guard let start = start.integers?[0], let limit = limit.integers?[0], let delta = delta.integers?[0] else {
            let (first, step) = (start.floats[0], delta.floats[0])
            let count = ((limit.floats[0] - first) / step).rounded(.up)
            guard count < Float(limits.elements) else {
                throw node.fail("the range is not shorter than the limit of \(limits.elements) numbers")
            }
            let numbers = (0..<max(0, Int(count))).map { first + Float($0) * step }
            return ConstantTensor(shape: [numbers.count], floats: numbers)
        }
        let (distance, overflow) = limit.subtractingReportingOverflow(start)
        guard !overflow, distance.magnitude / delta.magnitude < limits.elements else {
            throw node.fail("the range is longer than the limit of \(limits.elements) numbers")
        }
        return ConstantTensor(Array(stride(from: start, to: limit, by: delta)))
    }

    /// Positions in an array of shape `from` for each element of `shape`.
    static func broadcastWalk(_ from: [Int], to shape: [Int]) -> [Int] {
        let missing = shape.count - from.count
        let own = rowMajorStrides(from)
        return walk(
            shape, strides: shape.indices.map { $0 < missing || from[$0 - missing] == 1 ? 0 : own[$0 - missing] })
    }

    static func arithmetic(
        _ node: GraphNode, _ a: ConstantTensor, _ b: ConstantTensor, _ limits: ONNXLimits
    ) throws(ONNXError) -> ConstantTensor {
        let shape = try broadcast(node, a.shape, b.shape, limits)
        let (left, right) = (broadcastWalk(a.shape, to: shape), broadcastWalk(b.shape, to: shape))
        let operation = node.operation == "Mod" && node.integer("fmod", default: 0) != 0 ? "FMod" : node.operation
        if let x = a.integers, let y = b.integers {
            var result: [Int] = []
            result.reserveCapacity(left.count)
            for (i, j) in zip(left, right) {
                guard let value = wholeNumber(operation, x[i], y[j]) else {
                    throw node.fail("\(x[i]) and \(y[j]) have no result")
                }
                result.append(value)
            }
            return ConstantTensor(shape: shape, integers: result)
        }
        let (x, y) = (a.floats, b.floats)
        if node.operation == "Equal" {
            return ConstantTensor(shape: shape, integers: zip(left, right).map { x[$0] == y[$1] ? 1 : 0 })
        }
        let rule: (Float, Float) -> Float
        switch operation {
        case "FMod": rule = { $0.truncatingRemainder(dividingBy: $1) }
        case "Add": rule = { $0 + $1 }
        case "Sub": rule = { $0 - $1 }
        case "Mul": rule = { $0 * $1 }
        case "Div": rule = { $0 / $1 }
        case "Max": rule = { max($0, $1) }
        case "Min": rule = { min($0, $1) }
        case "Pow": rule = { pow($0, $1) }
        default: throw node.fail("it is not supported for floats")
        }
        return ConstantTensor(shape: shape, floats: zip(left, right).map { rule(x[$0], y[$1]) })
    }

    /// Nil where the result does not fit or does not exist.
    static func wholeNumber(_ operation: String, _ x: Int, _ y: Int) -> Int? {
        func exact(_ pair: (partialValue: Int, overflow: Bool)) -> Int? { pair.overflow ? nil : pair.partialValue }
        switch operation {
        case "Add": return exact(x.addingReportingOverflow(y))
        case "Sub": return exact(x.subtractingReportingOverflow(y))
        case "Mul": return exact(x.multipliedReportingOverflow(by: y))
        case "Div": return y == 0 ? nil : exact(x.dividedReportingOverflow(by: y))
        case "Max": return max(x, y)
        case "Min": return min(x, y)
        case "Equal": return x == y ? 1 : 0
        case "Mod":
            guard y != 0, let rest = exact(x.remainderReportingOverflow(dividingBy: y)) else { return nil }
            return rest != 0 && (rest < 0) != (y < 0) ? rest + y : rest
        case "FMod": return y == 0 ? nil : exact(x.remainderReportingOverflow(dividingBy: y))
        case "Pow":
            guard y >= 0 else { return x == 1 ? 1 : nil }
            // 0, 1 and -1 aside, more than 63 factors do not fit.
            var result = 1
            for _ in 0..<(x.magnitude < 2 ? min(y, 2 + y % 2) : y) {
                guard let product = exact(result.multipliedReportingOverflow(by: x)) else { return nil }
                result = product
            }
            return result
        default: return nil
        }
    }

    static func choose(
        _ node: GraphNode, _ condition: ConstantTensor, _ a: ConstantTensor, _ b: ConstantTensor, _ shape: [Int]
    ) throws(ONNXError) -> ConstantTensor {
        guard let chosen = condition.integers else { throw node.fail("its condition must hold truth values") }
        let places = broadcastWalk(condition.shape, to: shape)
        let (left, right) = (broadcastWalk(a.shape, to: shape), broadcastWalk(b.shape, to: shape))
        if let x = a.integers, let y = b.integers {
            return ConstantTensor(
                shape: shape, integers: places.indices.map { chosen[places[$0]] != 0 ? x[left[$0]] : y[right[$0]] })
        }
        let (x, y) = (a.floats, b.floats)
        return ConstantTensor(
            shape: shape, floats: places.indices.map { chosen[places[$0]] != 0 ? x[left[$0]] : y[right[$0]] })
    }

    static func unary(_ node: GraphNode, _ x: ConstantTensor) throws(ONNXError) -> ConstantTensor {
        if let values = x.integers {
            guard ["Neg", "Abs"].contains(node.operation), !values.contains(.min) else {
                throw node.fail("it is not supported for whole numbers")
            }
            return ConstantTensor(shape: x.shape, integers: values.map { node.operation == "Neg" ? -$0 : abs($0) })
        }
        let rule: (Float) -> Float =
            switch node.operation {
            case "Neg": { -$0 }
            case "Abs": { abs($0) }
            case "Floor": { $0.rounded(.down) }
            case "Ceil": { $0.rounded(.up) }
            case "Sqrt": { $0.squareRoot() }
            default: { 1 / $0 }
            }
        return ConstantTensor(shape: x.shape, floats: x.floats.map(rule))
    }

    /// (x − zero point) · scale, with one scale or one for each place along an axis.
    static func dequantize(
        _ node: GraphNode, _ x: ConstantTensor, _ scale: ConstantTensor, _ zero: ConstantTensor?
    ) throws(ONNXError) -> ConstantTensor {
        guard let values = x.integers, node.integer("block_size", default: 0) == 0,
            zero == nil || zero?.count == scale.count
        else {
            throw node.fail("this form of quantisation is not supported")
        }
        let scales = scale.floats
        let zeros = zero?.integers ?? [Int](repeating: 0, count: scales.count)
        if scales.count == 1 {
            return ConstantTensor(shape: x.shape, floats: values.map { Float($0 - zeros[0]) * scales[0] })
        }
        let axis = try axisIndex(node, node.integer("axis", default: 1), rank: x.shape.count)
        guard scales.count == x.shape[axis] else { throw node.fail("\(scales.count) scales for \(x.shape[axis]) channels") }
        let inner = x.shape[(axis + 1)...].reduce(1, *)
        return ConstantTensor(
            shape: x.shape,
            floats: values.enumerated().map { index, value in
                let channel = index / inner % scales.count
                return Float(value - zeros[channel]) * scales[channel]
            })
    }
}
