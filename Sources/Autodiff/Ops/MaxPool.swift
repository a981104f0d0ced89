import Kernels

/// The maximum of each window.
///
/// *Shapes*: x [n, h, w, c] → [n, oh, ow, c], oh = (h − window) / stride + 1.
/// Gradient: dy goes to the first maximum of its window in row-major order.
public func maxPool2d(_ x: Value, window: Int, stride: Int) -> Value {
    let pooling = Pooling(window: window, stride: stride)
    let op = Op.maxPool2d(pooling)
    guard x.shape.rank == 4 else { return x.graph.fail(op, .rank, x) }
    guard window >= 1, stride >= 1, pooling.output(of: x.shape[1]) >= 1, pooling.output(of: x.shape[2]) >= 1
    else { return x.graph.fail(op, .window, x) }
    return x.graph.append(op, pooledShape(x, pooling), [x])
}

/// Zeros in the shape of x, with each dy added at the first maximum of its window of x: the gradient of `maxPool2d`.
func maxPool2dScatter(_ dy: Value, _ x: Value, _ pooling: Pooling) -> Value {
    x.graph.append(.maxPool2dScatter(pooling), x.shape, [dy, x])
}

/// For each window the element of v at the first maximum of x: the transpose of `maxPool2dScatter`.
func maxPool2dSelect(_ v: Value, _ x: Value, _ pooling: Pooling) -> Value {
    x.graph.append(.maxPool2dSelect(pooling), pooledShape(x, pooling), [v, x])
}

private func pooledShape(_ x: Value, _ pooling: Pooling) -> Shape {
    [x.shape[0], pooling.output(of: x.shape[1]), pooling.output(of: x.shape[2]), x.shape[3]]
}

extension Gradients {
    /// The place of a maximum does not move under a small change: no gradient flows through the choice.
    func maxPool(_ node: Graph.Node, _ dy: Value) {
        switch node.op {
        case .maxPool2d(let pooling):
            let x = input(node, 0)
            add(maxPool2dScatter(dy, x, pooling), to: x)
        case .maxPool2dScatter(let pooling):
            if wants(node, 0) { add(maxPool2dSelect(dy, input(node, 1), pooling), to: input(node, 0)) }
        case .maxPool2dSelect(let pooling):
            if wants(node, 0) { add(maxPool2dScatter(dy, input(node, 1), pooling), to: input(node, 0)) }
        default: preconditionFailure("not a max pooling")
        }
    }
}

extension F32MaxPool2d {
    /// From the shape of x.
    init(_ x: Shape, _ pooling: Pooling) {
        self.init(
            images: x[0], height: x[1], width: x[2], channels: x[3], window: pooling.window,
            stride: pooling.stride)
    }
}

extension PortableExecutor {
    func maxPool(_ step: Plan.Step) {
        let y = arena + step.output
        switch step.op {
        case .maxPool2d(let pooling):
            F32MaxPool2d(step.inputShapes[0], pooling).forward(input(step, 0), y, workers: workers)
        case .maxPool2dScatter(let pooling):
            F32MaxPool2d(step.shape, pooling).scatter(input(step, 0), input(step, 1), y, workers: workers)
        case .maxPool2dSelect(let pooling):
            F32MaxPool2d(step.inputShapes[1], pooling).select(
                input(step, 0), input(step, 1), y, workers: workers)
        default: preconditionFailure("not a max pooling")
        }
    }
}
