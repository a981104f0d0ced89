import Autodiff
import Kernels

/// What an optimizer changes: one array of a layer.
public struct ParameterSpec: Equatable, Sendable {
    public enum Role: Equatable, Sendable { case weight, bias }

    /// Place in `Architecture.layers`.
    public let layer: Int
    public let role: Role
    /// Filters are [height, width, inputs, outputs], dense weights [inputs, outputs], biases [outputs].
    public let shape: Shape
    /// Products that one output sums over.
    public let fanIn: Int

    public var count: Int { shape.count }
}

/// Why an architecture is no network. `layer` counts from 0.
public enum NetworkError: Error, Equatable, Sendable {
    /// Height, width, channels or classes is not positive, or there are more than 256 classes.
    case geometry
    /// A size of this layer is not positive.
    case size(layer: Int)
    /// The layer does not take the shape that comes in (batch of one).
    case shape(layer: Int, input: Shape, ShapeFault)
    /// The last layer gives something else than one number for each class.
    case logits(expected: Int, found: Shape)
}

/// A checked architecture: shapes, parameters, costs, and the graph of its forward pass.
public struct Network: Sendable {
    public let architecture: Architecture
    /// In the order of the layers; the weight of a layer before its bias.
    public let parameters: [ParameterSpec]
    /// What each layer gives for a batch of one.
    public let layerShapes: [Shape]
    /// Multiply-accumulates of each layer for one image.
    public let layerMultiplyAccumulates: [Int]

    public init(_ architecture: Architecture) throws(NetworkError) {
        let a = architecture
        guard a.inputHeight > 0, a.inputWidth > 0, a.inputChannels > 0, a.classes > 0, a.classes <= 256 else {
            throw .geometry
        }
        self.architecture = a
        let graph = Graph()
        var value = graph.input([1, a.inputHeight, a.inputWidth, a.inputChannels])
        var specs: [ParameterSpec] = []
        var shapes: [Shape] = []
        var costs: [Int] = []
        for (index, layer) in a.layers.enumerated() {
            let input = value.shape
            let added = try Network.specs(of: layer, index, input: input)
            graph.layer = index
            value = Network.apply(layer, value, added.map { graph.parameter($0.shape) }[...])
            if case .shape(_, let fault, _, _, _) = graph.error {
                throw .shape(layer: index, input: input, fault)
            }
            specs += added
            shapes.append(value.shape)
            costs.append(added.isEmpty ? 0 : added[0].fanIn * value.shape.count)
        }
        guard value.shape == [1, a.classes] else { throw .logits(expected: a.classes, found: value.shape) }
        parameters = specs
        layerShapes = shapes
        layerMultiplyAccumulates = costs
    }

    public var parameterCount: Int { parameters.reduce(0) { $0 + $1.count } }

    /// Multiply-accumulates of the forward pass of one image.
    public var multiplyAccumulates: Int { layerMultiplyAccumulates.reduce(0, +) }

    /// Starting values: uniform in ±1/√fanIn for weights and biases, as PyTorch's layers choose by default.
    public func initialParameters(seed: UInt64) -> [[Float]] {
        var random = SplitMix64(seed: seed)
        var all: [[Float]] = []
        for spec in parameters {
            let bound = 1 / Float(spec.fanIn).squareRoot()
            var numbers = [Float](repeating: 0, count: spec.count)
            for i in 0..<numbers.count { numbers[i] = (random.uniform() * 2 - 1) * bound }
            all.append(numbers)
        }
        return all
    }

    /// New parameter leaves in declaration order.
    public func parameterValues(in graph: Graph) -> [Value] { parameters.map { graph.parameter($0.shape) } }

    /// The forward pass: [n, height, width, channels] to [n, classes].
    public func logits(input: Value, parameters: [Value]) -> Value {
        activations(input: input, parameters: parameters).last ?? input
    }

    /// What every layer gives, in order; the last are the logits.
    public func activations(input: Value, parameters values: [Value]) -> [Value] {
        precondition(values.count == parameters.count, "one value for each parameter")
        var value = input
        var all: [Value] = []
        var next = 0
        for (index, layer) in architecture.layers.enumerated() {
            let first = next
            while next < parameters.count && parameters[next].layer == index { next += 1 }
            input.graph.layer = index
            value = Network.apply(layer, value, values[first..<next])
            all.append(value)
        }
        input.graph.layer = -1
        return all
    }

    private static func apply(_ layer: Layer, _ x: Value, _ parameters: ArraySlice<Value>) -> Value {
        let first = parameters.startIndex
        return switch layer {
        case .conv2d(_, _, let stride, let padding):
            Autodiff.conv2d(x, parameters[first], parameters[first + 1], stride: stride, padding: padding)
        case .relu: Autodiff.relu(x)
        case .maxPool2d(let window, let stride): Autodiff.maxPool2d(x, window: window, stride: stride)
        case .flatten: Autodiff.flatten(x)
        case .dense: Autodiff.matmul(x, parameters[first], bias: parameters[first + 1])
        }
    }

    private static func specs(of layer: Layer, _ index: Int, input: Shape) throws(NetworkError)
        -> [ParameterSpec]
    {
        let weight: Shape
        switch layer {
        case .conv2d(let filters, let kernel, let stride, let padding):
            guard filters > 0, kernel > 0, stride > 0, padding >= 0 else { throw .size(layer: index) }
            guard input.rank == 4 else { throw .shape(layer: index, input: input, .rank) }
            weight = [kernel, kernel, input[3], filters]
        case .dense(let units):
            guard units > 0 else { throw .size(layer: index) }
            guard input.rank == 2 else { throw .shape(layer: index, input: input, .rank) }
            weight = [input[1], units]
        case .maxPool2d(let window, let stride):
            guard window > 0, stride > 0 else { throw .size(layer: index) }
            return []
        case .relu, .flatten: return []
        }
        let outputs = weight[weight.rank - 1]
        let fanIn = weight.count / outputs
        return [
            ParameterSpec(layer: index, role: .weight, shape: weight, fanIn: fanIn),
            ParameterSpec(layer: index, role: .bias, shape: [outputs], fanIn: fanIn),
        ]
    }
}
