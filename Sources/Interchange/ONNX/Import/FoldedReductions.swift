/// Constant folding that brings numbers together or between limits, and what it refuses with other nodes.
extension ConstantFolding {
    static func reduce(_ node: GraphNode, _ x: ConstantTensor, axes: [Int]?) throws(ONNXError) -> ConstantTensor {
        var reduced = Set(x.shape.indices)
        if let axes, !axes.isEmpty {
            reduced = []
            for axis in axes { reduced.insert(try axisIndex(node, axis, rank: x.shape.count)) }
        } else if node.integer("noop_with_empty_axes", default: 0) != 0 {
            return x
        }
        let kept = x.shape.indices.map { reduced.contains($0) ? 1 : x.shape[$0] }
        let keepsDimensions = node.integer("keepdims", default: 1) != 0
        let shape = keepsDimensions ? kept : x.shape.indices.filter { !reduced.contains($0) }.map { x.shape[$0] }
        let targets = broadcastWalk(kept, to: x.shape)
        let operation = [
            "ReduceProd": "Mul", "ReduceSum": "Add", "ReduceMin": "Min", "ReduceMax": "Max", "ReduceMean": "Add",
        ][node.operation] ?? ""
        func gathered<Number>(
            _ values: [Number], _ next: (Number, Number) -> Number?
        ) throws(ONNXError) -> [Number] {
            var result = [Number?](repeating: nil, count: kept.reduce(1, *))
            for (value, target) in zip(values, targets) {
                guard let before = result[target] else {
                    result[target] = value
                    continue
                }
                guard let joined = next(before, value) else { throw node.fail("the result is too large") }
                result[target] = joined
            }
            let numbers = result.compactMap { $0 }
            guard numbers.count == result.count else { throw node.fail("there is nothing to reduce") }
            return numbers
        }
        if let values = x.integers, node.operation != "ReduceMean" {
            return ConstantTensor(
                shape: shape, integers: try gathered(values) { wholeNumber(operation, $0, $1) })
        }
        // In Double, so that the order of a sum does not show.
        let rules: [String: (Double, Double) -> Double] = ["Mul": { $0 * $1 }, "Add": { $0 + $1 }, "Min": { min($0, $1) }]
        let rule = rules[operation] ?? { max($0, $1) }
        let numbers = try gathered(x.floats.map { Double($0) }) { rule($0, $1) }
        let share = node.operation == "ReduceMean" ? Double(x.count / max(numbers.count, 1)) : 1
        return ConstantTensor(shape: shape, floats: numbers.map { Float($0 / share) })
    }

    /// Numbers brought between two limits.
    static func clip(
        _ node: GraphNode, _ x: ConstantTensor, low: ConstantTensor?, high: ConstantTensor?
    ) throws(ONNXError) -> ConstantTensor {
        let (low, high) = try clipLimits(node, low: low, high: high)
        guard let values = x.integers else {
            return ConstantTensor(shape: x.shape, floats: x.floats.map { max(low, min(high, $0)) })
        }
        let (least, most) = (Int(max(low, -0x1p62)), Int(min(high, 0x1p62)))
        return ConstantTensor(shape: x.shape, integers: values.map { max(least, min(most, $0)) })
    }

    /// The limits of Clip: inputs, attributes in older operator sets, or none.
    static func clipLimits(
        _ node: GraphNode, low: ConstantTensor?, high: ConstantTensor?
    ) throws(ONNXError) -> (low: Float, high: Float) {
        func limit(_ given: ConstantTensor?, _ name: String, _ fallback: Float) throws(ONNXError) -> Float {
            guard let given else { return node.float(name, default: fallback) }
            guard given.count == 1 else { throw node.fail("\(name) must be one number") }
            return given.floats[0]
        }
        return (try limit(low, "min", -.infinity), try limit(high, "max", .infinity))
    }

    /// Refuses a dropout that drops: a model exported for training.
    static func checkDropout(
        _ node: GraphNode, _ opset: Int, ratio: ConstantTensor?, training: ConstantTensor?
    ) throws(ONNXError) {
        let isTraining =
            opset < 7
            ? node.integer("is_test", default: 0) == 0 : training?.floats.contains { $0 != 0 } ?? false
        if isTraining, ratio?.floats.allSatisfy({ $0 == 0 }) != true {
            throw node.fail("it drops numbers: the model was exported for training; export it for inference")
        }
    }

    /// Refuses the rule for different shapes that operator sets before 7 had.
    static func checkBroadcast(_ node: GraphNode, _ opset: Int) throws(ONNXError) {
        if opset < 7, node.attributes["axis"] != nil {
            throw node.fail("an axis to broadcast along is not supported; export the model with a newer operator set")
        }
    }
}
