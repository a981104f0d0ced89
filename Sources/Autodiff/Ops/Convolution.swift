import Kernels

/// Two-dimensional convolution (cross-correlation, as the field calls it) with zero padding.
///
/// *Shapes*: x [n, h, w, c], filter [kh, kw, c / groups, f], bias [f] → [n, oh, ow, f],
/// oh = (h + 2·padding − dilation·(kh − 1) − 1) / stride + 1. With groups = c = f it is a depthwise convolution.
/// y[b, i, j, o] = bias[o] + Σ x[b, i·stride + u·dilation − padding, …, q] · filter[u, v, q, o], (u, v, q) ascending,
/// q in the group of o. Padding is smaller than what the kernel covers.
public func conv2d(
    _ x: Value, _ filter: Value, _ bias: Value? = nil, stride: Int = 1, padding: Int = 0, dilation: Int = 1,
    groups: Int = 1
) -> Value {
    conv2d(x, filter, bias, Convolution(stride: stride, padding: padding, dilation: dilation, groups: groups))
}

func conv2d(_ x: Value, _ filter: Value, _ bias: Value? = nil, _ convolution: Convolution) -> Value {
    let op = Op.conv2d(convolution)
    let groups = convolution.groups
    guard x.shape.rank == 4, filter.shape.rank == 4 else { return x.graph.fail(op, .rank, x, filter) }
    guard groups >= 1, convolution.dilation >= 1, x.shape[3] % groups == 0, filter.shape[3] % groups == 0 else {
        return x.graph.fail(op, .groups, x, filter)
    }
    guard x.shape[3] == filter.shape[2] * groups else { return x.graph.fail(op, .inner, x, filter) }
    let padding = convolution.padding
    guard convolution.stride >= 1, padding >= 0, padding < convolution.reach(ofKernel: filter.shape[0]),
        padding < convolution.reach(ofKernel: filter.shape[1])
    else { return x.graph.fail(op, .padding, x, filter) }
    let height = convolution.output(of: x.shape[1], kernel: filter.shape[0])
    let width = convolution.output(of: x.shape[2], kernel: filter.shape[1])
    guard height >= 1, width >= 1 else { return x.graph.fail(op, .window, x, filter) }
    let shape: Shape = [x.shape[0], height, width, filter.shape[3]]
    guard let bias else { return x.graph.append(op, shape, [x, filter]) }
    guard bias.shape == [filter.shape[3]] else { return x.graph.fail(op, .bias, filter, bias) }
    return x.graph.append(op, shape, [x, filter, bias])
}

/// The gradient of `conv2d` with respect to x: linear in dy and in the filter.
func conv2dInputGradient(_ dy: Value, _ filter: Value, _ convolution: Convolution, shape: Shape) -> Value {
    dy.graph.append(.conv2dInputGradient(convolution), shape, [dy, filter])
}

/// The gradient of `conv2d` with respect to the filter: linear in x and in dy.
///
/// Sums over images, rows and columns, ascending.
func conv2dFilterGradient(_ x: Value, _ dy: Value, _ convolution: Convolution, shape: Shape) -> Value {
    dy.graph.append(.conv2dFilterGradient(convolution), shape, [x, dy])
}

extension Gradients {
    /// With ⟨dy, conv2d(x, f)⟩ = ⟨x, inputGradient(dy, f)⟩ = ⟨f, filterGradient(x, dy)⟩, each of the three is
    /// differentiated by the other two.
    func convolution(_ node: Graph.Node, _ dy: Value) {
        let first = input(node, 0)
        let second = input(node, 1)
        switch node.op {
        case .conv2d(let convolution):
            if wants(node, 0) {
                add(conv2dInputGradient(dy, second, convolution, shape: first.shape), to: first)
            }
            if wants(node, 1) {
                add(conv2dFilterGradient(first, dy, convolution, shape: second.shape), to: second)
            }
            if node.inputs.count == 3 && wants(node, 2) { add(sum(dy, axes: [0, 1, 2]), to: input(node, 2)) }
        case .conv2dInputGradient(let convolution):
            if wants(node, 0) {
                add(conv2d(dy, second, nil, convolution), to: first)
            }
            if wants(node, 1) {
                add(conv2dFilterGradient(dy, first, convolution, shape: second.shape), to: second)
            }
        case .conv2dFilterGradient(let convolution):
            if wants(node, 0) {
                add(conv2dInputGradient(second, dy, convolution, shape: first.shape), to: first)
            }
            if wants(node, 1) {
                add(conv2d(first, dy, nil, convolution), to: second)
            }
        default: preconditionFailure("not a convolution")
        }
    }
}

extension F32Conv2d {
    /// From the shapes of x and the filter.
    init(_ x: Shape, _ filter: Shape, _ convolution: Convolution) {
        self.init(
            images: x[0], height: x[1], width: x[2], channels: x[3], kernelHeight: filter[0],
            kernelWidth: filter[1], filters: filter[3], stride: convolution.stride,
            padding: convolution.padding)
    }
}

extension F32GroupedConv2d {
    /// From the shapes of x and the filter.
    init(_ x: Shape, _ filter: Shape, _ convolution: Convolution) {
        self.init(
            images: x[0], height: x[1], width: x[2], channels: x[3], kernelHeight: filter[0],
            kernelWidth: filter[1], filters: filter[3], stride: convolution.stride,
            padding: convolution.padding, dilation: convolution.dilation, groups: convolution.groups)
    }
}

extension PortableExecutor {
    func convolution(_ step: Plan.Step) {
        let y = arena + step.output
        let scratch = arena + step.scratch
        switch step.op {
        case .conv2d(let convolution) where !convolution.isPlain:
            F32GroupedConv2d(step.inputShapes[0], step.inputShapes[1], convolution).forward(
                input(step, 0), input(step, 1), bias: step.inputs.count == 3 ? input(step, 2) : nil, y,
                workers: workers)
        case .conv2dInputGradient(let convolution) where !convolution.isPlain:
            F32GroupedConv2d(step.shape, step.inputShapes[1], convolution).inputGradient(
                input(step, 0), input(step, 1), y, scratch: scratch, workers: workers)
        case .conv2dFilterGradient(let convolution) where !convolution.isPlain:
            F32GroupedConv2d(step.inputShapes[0], step.shape, convolution).filterGradient(
                input(step, 0), input(step, 1), y, workers: workers)
        case .conv2d(let convolution):
            F32Conv2d(step.inputShapes[0], step.inputShapes[1], convolution).forward(
                input(step, 0), input(step, 1), bias: step.inputs.count == 3 ? input(step, 2) : nil, y,
                scratch: scratch, workers: workers)
        case .conv2dInputGradient(let convolution):
            F32Conv2d(step.shape, step.inputShapes[1], convolution).inputGradient(
                input(step, 0), input(step, 1), y, scratch: scratch, workers: workers)
        case .conv2dFilterGradient(let convolution):
            F32Conv2d(step.inputShapes[0], step.shape, convolution).filterGradient(
                input(step, 0), input(step, 1), y, scratch: scratch, workers: workers)
        default: preconditionFailure("not a convolution")
        }
    }
}
