import Kernels

// Arithmetic with NumPy broadcasting: shapes align at the innermost axis; extents are equal or one of them is 1.
// The gradient of a broadcast operand is summed back to its shape.

extension Value {
    /// Elementwise sum. Gradients: dy, dy.
    public static func + (a: Value, b: Value) -> Value { record(.add, a, b) }
    /// Elementwise difference. Gradients: dy, −dy.
    public static func - (a: Value, b: Value) -> Value { record(.subtract, a, b) }
    /// Elementwise product. Gradients: dy·b, dy·a.
    public static func * (a: Value, b: Value) -> Value { record(.multiply, a, b) }
    /// Elementwise quotient y. Gradients: dy/b, −(dy/b)·y.
    public static func / (a: Value, b: Value) -> Value { record(.divide, a, b) }
    public static prefix func - (a: Value) -> Value { a.graph.append(.negate, a.shape, [a]) }

    public static func + (a: Value, b: Float) -> Value { a + a.graph.constant(b) }
    public static func - (a: Value, b: Float) -> Value { a - a.graph.constant(b) }
    public static func * (a: Value, b: Float) -> Value { a * a.graph.constant(b) }
    public static func / (a: Value, b: Float) -> Value { a / a.graph.constant(b) }
    public static func + (a: Float, b: Value) -> Value { b.graph.constant(a) + b }
    public static func - (a: Float, b: Value) -> Value { b.graph.constant(a) - b }
    public static func * (a: Float, b: Value) -> Value { b.graph.constant(a) * b }
    public static func / (a: Float, b: Value) -> Value { b.graph.constant(a) / b }

    private static func record(_ op: Op, _ a: Value, _ b: Value) -> Value {
        guard let shape = a.shape.broadcast(with: b.shape) else { return a.graph.fail(op, .broadcast, a, b) }
        return a.graph.append(op, shape, [a, b])
    }
}

/// eˣ. Gradient: dy·y.
public func exp(_ x: Value) -> Value { x.graph.append(.exp, x.shape, [x]) }

/// Natural logarithm. Gradient: dy/x.
public func log(_ x: Value) -> Value { x.graph.append(.log, x.shape, [x]) }

/// √x = y. Gradient: dy/(2y).
public func sqrt(_ x: Value) -> Value { x.graph.append(.squareRoot, x.shape, [x]) }

/// max(x, 0) = y. Gradient: dy where y > 0, else 0.
public func relu(_ x: Value) -> Value { x.graph.append(.relu, x.shape, [x]) }

/// dy where y > 0, else 0: the gradient of `relu`. Its own gradient with respect to dy has the same form.
func reluGradient(_ dy: Value, _ y: Value) -> Value { y.graph.append(.reluGradient, y.shape, [dy, y]) }

extension Gradients {
    func elementwise(_ node: Graph.Node, _ y: Value, _ dy: Value) {
        let a = input(node, 0)
        switch node.op {
        case .add:
            add(dy, to: a)
            add(dy, to: input(node, 1))
        case .subtract:
            add(dy, to: a)
            if wants(node, 1) { add(-dy, to: input(node, 1)) }
        case .multiply:
            let b = input(node, 1)
            if wants(node, 0) { add(dy * b, to: a) }
            if wants(node, 1) { add(dy * a, to: b) }
        case .divide:
            let b = input(node, 1)
            if !wants(node, 0) && !wants(node, 1) { return }
            let quotient = dy / b
            add(quotient, to: a)
            if wants(node, 1) { add(-(quotient * y), to: b) }
        case .negate: add(-dy, to: a)
        case .exp: add(dy * y, to: a)
        case .log: add(dy / a, to: a)
        case .squareRoot: add(dy / (y * 2), to: a)
        case .relu: add(reluGradient(dy, y), to: a)
        case .reluGradient: if wants(node, 0) { add(reluGradient(dy, input(node, 1)), to: a) }
        default: preconditionFailure("not an elementwise op")
        }
    }
}

extension Op {
    /// Whether the result may lie over an argument of its own size.
    var isElementwise: Bool {
        switch self {
        case .select, .batchNorm, .normalize, .batchNormInputGradient: true
        default: unary != nil || binary != nil
        }
    }

    fileprivate var unary: F32Unary? {
        switch self {
        case .negate: .negate
        case .exp: .exp
        case .log: .log
        case .squareRoot: .squareRoot
        case .relu: .relu
        case .sigmoid: .sigmoid
        case .tanh: .tanh
        case .erf: .erf
        case .power(let exponent): .power(exponent)
        case .round: .round
        case .clamp(let low, let high): .clamp(low: low, high: high)
        default: nil
        }
    }

    fileprivate var binary: F32Binary? {
        switch self {
        case .add: .add
        case .subtract: .subtract
        case .multiply: .multiply
        case .divide: .divide
        case .reluGradient: .reluGradient
        case .clampGradient(let low, let high): .clampGradient(low: low, high: high)
        default: nil
        }
    }
}

extension StepWalks {
    static func elementwise(_ shape: Shape, _ inputs: [Shape]) -> StepWalks {
        if inputs.count < 2 || (inputs[0] == shape && inputs[1] == shape) { return StepWalks() }
        return StepWalks(
            main: StridedWalk(
                extents: shape.dimensions, stridesA: inputs[0].strides(in: shape),
                stridesB: inputs[1].strides(in: shape)))
    }
}

extension PortableExecutor {
    func elementwise(_ step: Plan.Step) {
        let count = step.shape.count
        let y = arena + step.output
        if let function = step.op.unary {
            f32Map(function, input(step, 0), y, count: count, workers: workers)
        } else if let function = step.op.binary {
            if let walk = step.walks.main {
                f32Combine(function, input(step, 0), input(step, 1), y, walk: walk, workers: workers)
            } else {
                f32Combine(function, input(step, 0), input(step, 1), y, count: count, workers: workers)
            }
        }
    }
}
