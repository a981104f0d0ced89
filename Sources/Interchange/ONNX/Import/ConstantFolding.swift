/// Computes nodes whose inputs are all known: the arithmetic on shapes and weights that exporters leave behind.
enum ConstantFolding {
    /// What is folded and may not depend on the image.
    static let operations = [
        "Constant", "Shape", "Size", "Gather", "Slice", "Expand", "ConstantOfShape", "Range", "Where", "Equal", "Max",
        "Min", "Pow", "Mod", "Neg", "Abs", "Floor", "Ceil", "Sqrt", "Reciprocal", "ReduceProd", "ReduceSum",
        "ReduceMin", "ReduceMax", "DequantizeLinear",
    ]

    /// The outputs of a node, or nil when this is no operation that is folded.
    static func fold(
        _ node: GraphNode, _ inputs: [ConstantTensor?], opset: Int, limits: ONNXLimits
    ) throws(ONNXError) -> ConstantTensor? {
        func all() throws(ONNXError) -> [ConstantTensor] {
            try inputs.indices.map { place throws(ONNXError) in try tensor(place) }
        }
        func tensor(_ place: Int) throws(ONNXError) -> ConstantTensor {
            guard place < inputs.count, let value = inputs[place] else { throw node.fail("input \(place) is missing") }
            return value
        }
        /// Whole numbers of an input, or of an attribute in older operator sets.
        func integers(_ place: Int, or attribute: String) throws(ONNXError) -> [Int]? {
            if place < inputs.count, let value = inputs[place] {
                guard let list = value.integers else { throw node.fail("input \(place) must hold whole numbers") }
                return list
            }
            return node.integers(attribute)
        }
        switch node.operation {
        case "Identity": return try tensor(0)
        case "Dropout":
            try checkDropout(
                node, opset, ratio: inputs.count > 1 ? inputs[1] : nil, training: inputs.count > 2 ? inputs[2] : nil)
            return try tensor(0)
        case "Cast": return try cast(node, try tensor(0))
        case "Shape":
            let shape = try tensor(0).shape
            return try shapeSlice(node, shape)
        case "Size": return ConstantTensor(shape: [], integers: [try tensor(0).count])
        case "Reshape":
            let x = try tensor(0)
            let target = try integers(1, or: "shape") ?? []
            return x.reshaped(try resolve(node, target, of: x.shape))
        case "Flatten":
            let x = try tensor(0)
            let axis = try axisIndex(node, node.integer("axis", default: 1), rank: x.shape.count, inclusive: true)
            return x.reshaped([x.shape[..<axis].reduce(1, *), x.shape[axis...].reduce(1, *)])
        case "Squeeze":
            let x = try tensor(0)
            return x.reshaped(try squeezed(node, x.shape, try integers(1, or: "axes")))
        case "Unsqueeze":
            let x = try tensor(0)
            return x.reshaped(try unsqueezed(node, x.shape, try integers(1, or: "axes") ?? []))
        case "Transpose":
            let x = try tensor(0)
            let order = try permutation(node, rank: x.shape.count)
            let (indexes, shape) = transposition(of: x.shape, by: order)
            return x.picking(indexes, shape: shape)
        case "Concat": return try concat(node, try all(), opset: opset, limits)
        case "Gather": return try gather(node, try tensor(0), try tensor(1), limits)
        case "Slice":
            return try slice(
                node, try tensor(0), starts: try integers(1, or: "starts"), ends: try integers(2, or: "ends"),
                axes: try integers(3, or: "axes"), steps: try integers(4, or: "steps"))
        case "Expand":
            let x = try tensor(0)
            let shape = try broadcast(node, x.shape, try integers(1, or: "shape") ?? [], limits)
            return x.picking(broadcastWalk(x.shape, to: shape), shape: shape)
        case "ConstantOfShape": return try constantOfShape(node, try tensor(0), limits)
        case "Range": return try range(node, try tensor(0), try tensor(1), try tensor(2), limits)
        case "Add", "Sub", "Mul", "Div", "Equal", "Pow", "Mod":
            try checkBroadcast(node, opset)
            return try arithmetic(node, try tensor(0), try tensor(1), limits)
        case "Max", "Min":
            var result = try tensor(0)
            for next in try all().dropFirst() { result = try arithmetic(node, result, next, limits) }
            return result
        case "Clip":
            return try clip(
                node, try tensor(0), low: inputs.count > 1 ? inputs[1] : nil, high: inputs.count > 2 ? inputs[2] : nil)
        case "Where":
            let condition = try tensor(0)
            let shape = try broadcast(
                node, try broadcast(node, condition.shape, try tensor(1).shape, limits), try tensor(2).shape, limits)
            return try choose(node, condition, try tensor(1), try tensor(2), shape)
        case "Neg", "Floor", "Ceil", "Sqrt", "Reciprocal", "Abs": return try unary(node, try tensor(0))
        case "ReduceProd", "ReduceSum", "ReduceMin", "ReduceMax", "ReduceMean":
            return try reduce(node, try tensor(0), axes: try integers(1, or: "axes"))
        case "DequantizeLinear":
            return try dequantize(node, try tensor(0), try tensor(1), inputs.count > 2 ? inputs[2] : nil)
        default: return nil
        }
    }

    /// What a `Constant` node holds.
    static func constant(_ node: GraphNode, decoder: TensorDecoder) throws(ONNXError) -> ConstantTensor {
        guard let (name, attribute) = node.attributes.first, node.attributes.count == 1 else {
            throw node.fail("it must have exactly one value")
        }
        switch name {
        case "value": return try decoder.decode(attribute.t)
        case "value_float": return ConstantTensor(shape: [], floats: [attribute.f])
        case "value_floats": return ConstantTensor(shape: [attribute.floats.count], floats: attribute.floats)
        case "value_int": return ConstantTensor(shape: [], integers: [Int(attribute.i)])
        case "value_ints": return ConstantTensor(attribute.ints.map { Int($0) })
        default: throw node.fail("“\(name)” is not supported")
        }
    }

    // MARK: Shapes, also used for values that depend on the image

    /// The shape that Reshape gives: 0 keeps a size, −1 takes what is left.
    static func resolve(_ node: GraphNode, _ target: [Int], of shape: [Int]) throws(ONNXError) -> [Int] {
        let keepsZero = node.integer("allowzero", default: 0) != 0
        var result: [Int] = []
        for (axis, size) in target.enumerated() {
            if size == 0, !keepsZero {
                guard axis < shape.count else { throw node.fail("shape \(target) keeps dimension \(axis) of \(shape)") }
                result.append(shape[axis])
            } else {
                result.append(size)
            }
        }
        let total = shape.reduce(1, *)
        let open = result.indices.filter { result[$0] == -1 }
        if open.count == 1 {
            let rest = result.indices.filter { $0 != open[0] }.map { result[$0] }
            guard let known = elementCount(rest), known > 0, total % known == 0 else {
                throw node.fail("shape \(Lowering.text(shape)) cannot become \(target)")
            }
            result[open[0]] = total / known
        }
        guard elementCount(result) == total else { throw node.fail("shape \(Lowering.text(shape)) cannot become \(target)") }
        return result
    }

    static func axisIndex(
        _ node: GraphNode, _ axis: Int, rank: Int, inclusive: Bool = false
    ) throws(ONNXError) -> Int {
        let result = axis < 0 ? axis + rank : axis
        guard result >= 0, result < rank || (inclusive && result == rank) else {
            throw node.fail("axis \(axis) of a tensor with \(rank) dimensions")
        }
        return result
    }

    static func squeezed(_ node: GraphNode, _ shape: [Int], _ axes: [Int]?) throws(ONNXError) -> [Int] {
        guard let axes else { return shape.filter { $0 != 1 } }
        var dropped: Set<Int> = []
        for axis in axes {
            let place = try axisIndex(node, axis, rank: shape.count)
            guard shape[place] == 1 else { throw node.fail("dimension \(place) is \(shape[place]), not 1") }
            dropped.insert(place)
        }
        return shape.indices.filter { !dropped.contains($0) }.map { shape[$0] }
    }

    static func unsqueezed(_ node: GraphNode, _ shape: [Int], _ axes: [Int]) throws(ONNXError) -> [Int] {
        let rank = shape.count + axes.count
        var added: Set<Int> = []
        for axis in axes { added.insert(try axisIndex(node, axis, rank: rank)) }
        guard added.count == axes.count, rank <= 8 else { throw node.fail("axes \(axes)") }
        var rest = shape[...]
        return (0..<rank).map { added.contains($0) ? 1 : rest.removeFirst() }
    }

    static func permutation(_ node: GraphNode, rank: Int) throws(ONNXError) -> [Int] {
        let order = node.integers("perm") ?? Array((0..<rank).reversed())
        guard order.sorted() == Array(0..<rank) else { throw node.fail("perm \(order) of \(rank) dimensions") }
        return order
    }

    /// The result of Shape, whose newer form gives a part.
    static func shapeSlice(_ node: GraphNode, _ shape: [Int]) throws(ONNXError) -> ConstantTensor {
        func clamped(_ at: Int) -> Int { max(0, min(shape.count, at < 0 ? at + shape.count : at)) }
        let start = clamped(node.integer("start", default: 0))
        let end = clamped(node.integer("end", default: shape.count))
        return ConstantTensor(start < end ? Array(shape[start..<end]) : [])
    }

    /// NumPy's rule for two shapes.
    static func broadcast(
        _ node: GraphNode, _ a: [Int], _ b: [Int], _ limits: ONNXLimits
    ) throws(ONNXError) -> [Int] {
        let rank = max(a.count, b.count)
        var result: [Int] = []
        for axis in 0..<rank {
            let x = axis < rank - a.count ? 1 : a[axis - rank + a.count]
            let y = axis < rank - b.count ? 1 : b[axis - rank + b.count]
            guard x == y || x == 1 || y == 1 else { throw node.fail("shapes \(a) and \(b) do not go together") }
            result.append(x == 1 ? y : x)
        }
        guard rank <= 8, let count = elementCount(result), count <= limits.elements else {
            throw node.fail("shape \(result) is larger than the limit of \(limits.elements) numbers")
        }
        return result
    }
}
