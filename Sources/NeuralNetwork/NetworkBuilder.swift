import Autodiff

/// Lays out nested layers as steps, checking shapes on the way.
struct NetworkBuilder {
    private(set) var steps: [NetworkStep] = []
    private(set) var parameters: [ParameterSpec] = []
    private(set) var state: [StateSpec] = []
    private let input: Shape

    init(input: Shape) { self.input = input }

    /// What a step gives for a batch of one; −1 is the image.
    func shape(_ step: Int) -> Shape { step < 0 ? input : steps[step].shape }

    /// Adds the steps of a layer that takes what step `source` gives, and returns the last of them.
    mutating func add(_ layer: Layer, from source: Int, layer index: Int) throws(NetworkError) -> Int {
        switch layer {
        case .residual(let body, let projection):
            let main = try add(body, from: source, layer: index)
            let other = try add(projection, from: source, layer: index)
            guard shape(main) == shape(other) else {
                throw .shape(layer: index, input: shape(source), .broadcast)
            }
            return append(.add, [main, other], index, shape(main))
        case .concatenate(let branches):
            guard !branches.isEmpty else { throw .size(layer: index, .branches) }
            var ends: [Int] = []
            for branch in branches { ends.append(try add(branch, from: source, layer: index)) }
            let joined = try result(of: .concatenate, ends.map { shape($0) }, [], index)
            return append(.concatenate, ends, index, joined)
        default: return try addElementary(layer, from: source, index)
        }
    }

    private mutating func add(_ layers: [Layer], from source: Int, layer index: Int) throws(NetworkError) -> Int {
        var last = source
        for layer in layers { last = try add(layer, from: last, layer: index) }
        return last
    }

    private mutating func addElementary(
        _ layer: Layer, from source: Int, _ index: Int
    ) throws(NetworkError) -> Int {
        let incoming = shape(source)
        let added = try specs(of: layer, index, input: incoming)
        var shape = incoming
        var counted: [StateSpec] = []
        if case .batchNorm(_, let momentum) = layer {
            let channels: Shape = [incoming[incoming.rank - 1]]
            for role in [StateSpec.Role.mean, .variance] {
                counted.append(
                    StateSpec(
                        layer: index, role: role, shape: channels, momentum: momentum,
                        pixels: incoming.count / channels.count))
            }
        } else if case .dropout = layer {
        } else {
            shape = try result(of: .layer(layer), [incoming], added.map { $0.shape }, index)
        }
        let weights = added.first { $0.role == .weight }
        return append(.layer(layer), [source], index, shape, added, counted, (weights?.fanIn ?? 0) * shape.count)
    }

    /// The shape that an operation gives; throws what it would put into a graph as an error.
    private func result(
        of operation: NetworkStep.Operation, _ inputs: [Shape], _ parameters: [Shape], _ index: Int
    ) throws(NetworkError) -> Shape {
        let graph = Graph()
        let value = Network.apply(
            operation, inputs.map { graph.input($0) }, parameters.map { graph.parameter($0) })
        if case .shape(_, let fault, _, _, _) = graph.error {
            throw .shape(layer: index, input: inputs[0], fault)
        }
        try check(value.shape, index)
        return value.shape
    }

    /// Throws when an array would have more numbers than kernels count.
    private func check(_ shape: Shape, _ index: Int) throws(NetworkError) {
        var count = 1
        for axis in 0..<shape.rank {
            let (product, overflow) = count.multipliedReportingOverflow(by: shape[axis])
            guard !overflow, product <= Int(Int32.max) else { throw .large(layer: index) }
            count = product
        }
    }

    /// Throws when a size is not from `least` to what layers may have.
    private func check(
        _ size: Int, _ setting: LayerSetting, _ index: Int, least: Int = 1
    ) throws(NetworkError) {
        guard size >= least, size <= LayerSetting.largest else { throw .size(layer: index, setting) }
    }

    private mutating func append(
        _ operation: NetworkStep.Operation, _ inputs: [Int], _ layer: Int, _ shape: Shape,
        _ added: [ParameterSpec] = [], _ counted: [StateSpec] = [], _ cost: Int = 0
    ) -> Int {
        let (first, firstState) = (parameters.count, state.count)
        parameters += added
        state += counted
        steps.append(
            NetworkStep(
                operation: operation, inputs: inputs, layer: layer, parameters: first..<parameters.count,
                state: firstState..<state.count, shape: shape, multiplyAccumulates: cost))
        return steps.count - 1
    }

    private func specs(of layer: Layer, _ index: Int, input: Shape) throws(NetworkError) -> [ParameterSpec] {
        switch layer {
        case .conv2d(let filters, let kernel, let stride, let padding, let dilation, let groups, let bias):
            try check(filters, .filters, index)
            try check(kernel, .kernel, index)
            try check(stride, .stride, index)
            try check(padding, .padding, index, least: 0)
            try check(dilation, .dilation, index)
            try check(groups, .groups, index)
            guard input.rank == 4 else { throw .shape(layer: index, input: input, .rank) }
            guard input[3] % groups == 0, filters % groups == 0 else {
                throw .shape(layer: index, input: input, .groups)
            }
            return try weights([kernel, kernel, input[3] / groups, filters], bias: bias, index)
        case .depthwiseConv2d(let kernel, let stride, let padding, let bias):
            try check(kernel, .kernel, index)
            try check(stride, .stride, index)
            try check(padding, .padding, index, least: 0)
            guard input.rank == 4 else { throw .shape(layer: index, input: input, .rank) }
            return try weights([kernel, kernel, 1, input[3]], bias: bias, index)
        case .dense(let units):
            try check(units, .units, index)
            guard input.rank == 2 else { throw .shape(layer: index, input: input, .rank) }
            return try weights([input[1], units], bias: true, index)
        case .batchNorm(let epsilon, let momentum):
            guard epsilon > 0, epsilon < 1 else { throw .size(layer: index, .epsilon) }
            guard momentum > 0, momentum <= 1 else { throw .size(layer: index, .momentum) }
            return normalisation(input, index)
        case .layerNorm(let epsilon):
            guard epsilon > 0, epsilon < 1 else { throw .size(layer: index, .epsilon) }
            return normalisation(input, index)
        case .maxPool2d(let window, let stride), .averagePool2d(let window, let stride):
            try check(window, .window, index)
            try check(stride, .stride, index)
            return []
        case .dropout(let rate):
            guard rate >= 0, rate < 1 else { throw .size(layer: index, .rate) }
            return []
        case .relu, .relu6, .hardSwish, .silu, .gelu, .sigmoid, .tanh, .globalAveragePool, .flatten, .residual,
            .concatenate:
            return []
        }
    }

    private func weights(_ shape: Shape, bias: Bool, _ index: Int) throws(NetworkError) -> [ParameterSpec] {
        try check(shape, index)
        let outputs = shape[shape.rank - 1]
        let fanIn = shape.count / outputs
        let weight = ParameterSpec(layer: index, role: .weight, shape: shape, fanIn: fanIn)
        return bias ? [weight, ParameterSpec(layer: index, role: .bias, shape: [outputs], fanIn: fanIn)] : [weight]
    }

    private func normalisation(_ input: Shape, _ index: Int) -> [ParameterSpec] {
        [ParameterSpec.Role.scale, .shift].map {
            ParameterSpec(layer: index, role: $0, shape: [input[input.rank - 1]], fanIn: 1)
        }
    }
}
