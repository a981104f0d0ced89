import Autodiff
import NeuralNetwork

/// Turns the steps of a network into folded nodes, and those into fewer.
struct Folding {
    private let network: Network
    private let parameters: [[Float]]
    private let input: Shape
    private(set) var nodes: [FoldedNode] = []
    /// The node that each step became.
    private var values: [Int] = []
    /// How many steps take what a step gives.
    private let stepReaders: [Int]
    /// Whether later steps take what a node gives, too; filled as steps are added.
    private var isShared: [Bool] = []
    private var picture = -1

    init(_ network: Network, _ parameters: [[Float]], input: Shape) {
        self.network = network
        self.parameters = parameters
        self.input = input
        var readers = [Int](repeating: 0, count: network.steps.count)
        var ofPicture = 0
        for source in network.steps.flatMap(\.inputs) {
            if source < 0 { ofPicture += 1 } else { readers[source] += 1 }
        }
        stepReaders = readers
        // The integer executor can go back to a layer, not to the picture.
        if ofPicture > 1 {
            nodes = [FoldedNode(operation: .picture, inputs: [-1], shape: input, layer: 0)]
            isShared = [true]
            picture = 0
        }
    }

    mutating func add(step index: Int) throws(ExportError) {
        let step = network.steps[index]
        let inputs = step.inputs.map { $0 < 0 ? picture : values[$0] }
        let own = Array(parameters[step.parameters])
        let node: Int
        switch step.operation {
        case .add:
            node = append(.add, inputs, step)
        case .concatenate: node = try concatenate(inputs, step)
        case .layer(let layer): node = try add(layer, inputs[0], own, step)
        }
        if node >= 0 { isShared[node] = isShared[node] || stepReaders[index] > 1 }
        values.append(node)
    }

    private mutating func add(
        _ layer: Layer, _ source: Int, _ own: [[Float]], _ step: NetworkStep
    ) throws(ExportError) -> Int {
        let channels = shape(source)[shape(source).rank - 1]
        switch layer {
        case .conv2d(let filters, let kernel, let stride, let padding, let dilation, let groups, let bias):
            let reach = dilation * (kernel - 1) + 1
            let weights = SpreadFilter(
                kernel: kernel, inputs: channels, outputs: filters, dilation: dilation, groups: groups
            ).weights(own[0])
            let bias = bias ? own[1] : [Float](repeating: 0, count: filters)
            if groups == channels, filters == channels, groups > 1 {
                let depthwise = SpreadFilter(kernel: kernel, inputs: 1, outputs: channels, dilation: dilation, groups: 1)
                return append(
                    .depthwiseConv2d(kernel: reach, stride: stride, padding: padding), [source], step,
                    depthwise.weights(own[0]), bias)
            }
            return append(
                .conv2d(outputs: filters, kernel: reach, stride: stride, padding: padding), [source], step, weights,
                bias)
        case .depthwiseConv2d(let kernel, let stride, let padding, let bias):
            return append(
                .depthwiseConv2d(kernel: kernel, stride: stride, padding: padding), [source], step, own[0],
                bias ? own[1] : [Float](repeating: 0, count: channels))
        case .dense(let units): return append(.dense(outputs: units), [source], step, own[0], own[1])
        case .maxPool2d(let window, let stride):
            return append(.maxPool2d(window: window, stride: stride), [source], step)
        case .averagePool2d(let window, let stride):
            return append(
                .averagePool2d(windowHeight: window, windowWidth: window, stride: stride), [source], step)
        case .globalAveragePool:
            let picture = shape(source)
            let pooled = append(
                .averagePool2d(windowHeight: picture[1], windowWidth: picture[2], stride: 1), [source], step,
                shape: [1, 1, 1, channels])
            return append(.flatten, [pooled], step)
        case .flatten: return append(.flatten, [source], step)
        case .dropout: return source
        case .batchNorm(let epsilon, _): return try normalise(source, own, epsilon, step)
        case .relu: return try activate(source, .relu, step)
        case .relu6: return try activate(source, .relu6, step)
        case .hardSwish, .silu, .gelu, .sigmoid, .tanh, .layerNorm:
            throw .unsupported(
                "layer \(step.layer) is a \(layer.name), which has no integer form; use relu or relu6"
                    + (layer.name.description == "layerNorm" ? " and batchNorm" : "") + " in its place")
        case .residual, .concatenate: preconditionFailure("steps are elementary")
        }
    }

    // MARK: Batch normalisation

    /// y = x·scale/√(variance + epsilon) + (shift − mean·scale/√(variance + epsilon)), part of the layer before.
    private mutating func normalise(
        _ source: Int, _ own: [[Float]], _ epsilon: Float, _ step: NetworkStep
    ) throws(ExportError) -> Int {
        let first = network.parameters.count + step.state.lowerBound
        let factors = own[0].indices.map { channel in
            Double(own[0][channel]) / (Double(parameters[first + 1][channel]) + Double(epsilon)).squareRoot()
        }
        let offsets = factors.indices.map { channel in
            Double(own[1][channel]) - Double(parameters[first][channel]) * factors[channel]
        }
        guard (factors + offsets).allSatisfy(\.isFinite) else {
            throw .unsupported("layer \(step.layer) is a batchNorm whose statistics are not finite")
        }
        let node = isReady(source) ? source : try identity(source, step)
        let channels = factors.count
        for index in nodes[node].weight.indices {
            nodes[node].weight[index] = Float(Double(nodes[node].weight[index]) * factors[index % channels])
        }
        for channel in 0..<channels {
            nodes[node].bias[channel] = Float(Double(nodes[node].bias[channel]) * factors[channel] + offsets[channel])
        }
        return node
    }

    /// Whether a node has weights that may still change: nothing else sees its sums.
    private func isReady(_ node: Int) -> Bool {
        node >= 0 && nodes[node].isWeighted && nodes[node].activation == .none && !isShared[node]
    }

    /// A layer that gives what it gets, to carry a normalisation or an activation.
    private mutating func identity(_ source: Int, _ step: NetworkStep) throws(ExportError) -> Int {
        let shape = shape(source)
        let channels = shape[shape.rank - 1]
        let zeros = [Float](repeating: 0, count: channels)
        guard shape.rank == 2 else {
            return append(
                .depthwiseConv2d(kernel: 1, stride: 1, padding: 0), [source], step,
                [Float](repeating: 1, count: channels), zeros, shape: shape)
        }
        return append(.dense(outputs: channels), [source], step, Folding.diagonal(channels), zeros, shape: shape)
    }

    private static func diagonal(_ size: Int) -> [Float] {
        (0..<size * size).map { $0 / size == $0 % size ? 1 : 0 }
    }

    // MARK: Activations

    private mutating func activate(
        _ source: Int, _ activation: FoldedNode.Activation, _ step: NetworkStep
    ) throws(ExportError) -> Int {
        // Maximum pooling and flattening commute with the activation, so it belongs to the layer before them.
        var node = source
        while node >= 0, !isShared[node] {
            switch nodes[node].operation {
            case .maxPool2d, .flatten:
                node = nodes[node].inputs[0]
                continue
            default: break
            }
            break
        }
        guard node >= 0 else {
            throw .unsupported(
                "layer \(step.layer) is a \(activation == .relu ? "relu" : "relu6") with no layer before it that has weights")
        }
        if isShared[node] || !nodes[node].isRescaled {
            let carrier = try identity(source, step)
            nodes[carrier].activation = activation
            return carrier
        }
        nodes[node].activation = nodes[node].activation.followed(by: activation)
        return source
    }

    // MARK: Concatenation

    /// The sum of the branches, each spread to its own channels of the result by a convolution or dense layer.
    private mutating func concatenate(_ branches: [Int], _ step: NetworkStep) throws(ExportError) -> Int {
        let total = step.shape[step.shape.rank - 1]
        var start = 0
        var joined: Int?
        for branch in branches {
            let channels = shape(branch)[shape(branch).rank - 1]
            let spread = spread(branch, from: start, of: total, step)
            joined = joined.map { append(.add, [$0, spread], step) } ?? spread
            start += channels
        }
        guard let joined else { throw .unsupported("layer \(step.layer) is a concatenate of nothing") }
        return joined
    }

    private mutating func spread(_ branch: Int, from start: Int, of total: Int, _ step: NetworkStep) -> Int {
        let channels = shape(branch)[shape(branch).rank - 1]
        if channels == total { return branch }
        func wide(_ numbers: [Float]) -> [Float] {
            var wide = [Float](repeating: 0, count: numbers.count / channels * total)
            for (index, number) in numbers.enumerated() {
                wide[index / channels * total + start + index % channels] = number
            }
            return wide
        }
        if branch >= 0, !isShared[branch] {
            switch nodes[branch].operation {
            case .conv2d(_, let kernel, let stride, let padding):
                nodes[branch].operation = .conv2d(outputs: total, kernel: kernel, stride: stride, padding: padding)
            case .dense: nodes[branch].operation = .dense(outputs: total)
            default: return appended()
            }
            nodes[branch].weight = wide(nodes[branch].weight)
            nodes[branch].bias = wide(nodes[branch].bias)
            nodes[branch].shape[nodes[branch].shape.rank - 1] = total
            return branch
        }
        return appended()

        func appended() -> Int {
            let operation: FoldedNode.Operation =
                step.shape.rank == 2
                ? .dense(outputs: total) : .conv2d(outputs: total, kernel: 1, stride: 1, padding: 0)
            return append(
                operation, [branch], step, wide(Folding.diagonal(channels)), [Float](repeating: 0, count: total))
        }
    }

    // MARK: Nodes

    private func shape(_ node: Int) -> Shape { node < 0 ? input : nodes[node].shape }

    private mutating func append(
        _ operation: FoldedNode.Operation, _ inputs: [Int], _ step: NetworkStep, _ weight: [Float] = [],
        _ bias: [Float] = [], shape: Shape? = nil
    ) -> Int {
        nodes.append(
            FoldedNode(
                operation: operation, inputs: inputs, weight: weight, bias: bias, shape: shape ?? step.shape,
                layer: step.layer))
        isShared.append(false)
        return nodes.count - 1
    }

    /// The nodes, the last of them a dense layer that gives the logits.
    mutating func finished() throws(ExportError) -> [FoldedNode] {
        guard let step = network.steps.last, let last = values.last, last >= 0 else {
            throw .unsupported("the network has no layer with weights")
        }
        var weighted = last
        while weighted >= 0, !nodes[weighted].isRescaled { weighted = nodes[weighted].inputs[0] }
        guard weighted >= 0, nodes[weighted].activation == .none else {
            throw .unsupported("the last layer must give the logits without a relu behind them")
        }
        if case .dense = nodes[last].operation, last == nodes.count - 1, !isShared[last] { return nodes }
        _ = try identity(last, step)
        return nodes
    }
}

/// Writes the weights of a convolution with groups or holes as those of one without, with zeros.
struct SpreadFilter {
    let kernel: Int
    let inputs: Int
    let outputs: Int
    let dilation: Int
    let groups: Int

    /// [kernel][kernel][inputs / groups][outputs] to [reach][reach][inputs][outputs].
    func weights(_ filter: [Float]) -> [Float] {
        if dilation == 1, groups == 1 { return filter }
        let reach = dilation * (kernel - 1) + 1
        let (perGroup, outputsPerGroup) = (inputs / groups, outputs / groups)
        var wide = [Float](repeating: 0, count: reach * reach * inputs * outputs)
        for (index, weight) in filter.enumerated() {
            let output = index % outputs
            let input = index / outputs % perGroup + output / outputsPerGroup * perGroup
            let tap = index / outputs / perGroup
            let place = tap / kernel * dilation * reach + tap % kernel * dilation
            wide[(place * inputs + input) * outputs + output] = weight
        }
        return wide
    }
}
