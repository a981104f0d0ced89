import Autodiff
import Kernels

/// A checked architecture: shapes, parameters, costs, and the graph of its forward pass.
public struct Network: Sendable {
    public let architecture: Architecture
    /// All operations, each after those whose results it takes; the last gives the logits.
    public let steps: [NetworkStep]
    /// In the order of the steps; the weight of a layer before its bias, a scale before its shift.
    public let parameters: [ParameterSpec]
    /// Running statistics in the order of the steps; a mean before its variance.
    public let state: [StateSpec]

    public init(_ architecture: Architecture) throws(NetworkError) {
        let a = architecture
        guard a.inputHeight > 0, a.inputWidth > 0, a.inputChannels > 0, a.classes > 0, a.classes <= 256 else {
            throw .geometry
        }
        var builder = NetworkBuilder(input: [1, a.inputHeight, a.inputWidth, a.inputChannels])
        var last = -1
        for (index, layer) in a.layers.enumerated() { last = try builder.add(layer, from: last, layer: index) }
        let found = builder.shape(last)
        guard found == [1, a.classes] else { throw .logits(expected: a.classes, found: found) }
        self.architecture = a
        steps = builder.steps
        parameters = builder.parameters
        state = builder.state
    }

    /// The last step of each layer of the architecture.
    public var layerSteps: [Int] {
        var all = [Int](repeating: -1, count: architecture.layers.count)
        for (index, step) in steps.enumerated() { all[step.layer] = index }
        return all
    }

    /// What each layer gives for a batch of one.
    public var layerShapes: [Shape] { layerSteps.map { steps[$0].shape } }

    /// Multiply-accumulates of each layer for one image.
    public var layerMultiplyAccumulates: [Int] {
        var all = [Int](repeating: 0, count: architecture.layers.count)
        for step in steps { all[step.layer] += step.multiplyAccumulates }
        return all
    }

    public var parameterCount: Int { parameters.reduce(0) { $0 + $1.count } }

    /// Multiply-accumulates of the forward pass of one image.
    public var multiplyAccumulates: Int { steps.reduce(0) { $0 + $1.multiplyAccumulates } }

    /// Whether training drops numbers, so that a step needs a counter.
    public var hasDropout: Bool {
        steps.contains { step in
            if case .layer(.dropout) = step.operation { return true }
            return false
        }
    }

    /// Starting values: uniform in ±1/√fanIn for weights and biases, as PyTorch's layers choose by default; scales 1,
    /// shifts 0.
    public func initialParameters(seed: UInt64) -> [[Float]] {
        var random = SplitMix64(seed: seed)
        var all: [[Float]] = []
        for spec in parameters {
            var numbers = [Float](repeating: spec.role == .scale ? 1 : 0, count: spec.count)
            if spec.role == .weight || spec.role == .bias {
                let bound = 1 / Float(spec.fanIn).squareRoot()
                for i in 0..<numbers.count { numbers[i] = (random.uniform() * 2 - 1) * bound }
            }
            all.append(numbers)
        }
        return all
    }

    /// Running statistics before training: means 0, variances 1.
    public func initialState() -> [[Float]] {
        state.map { [Float](repeating: $0.role == .variance ? 1 : 0, count: $0.count) }
    }

    /// The lengths of all parameters, and then of all running statistics.
    public var variableCounts: [Int] { parameters.map { $0.count } + state.map { $0.count } }

    /// Parameters, and the running statistics that follow them.
    func parted(_ variables: [[Float]]) -> (parameters: [[Float]], state: [[Float]]) {
        let count = min(parameters.count, variables.count)
        return (Array(variables[..<count]), Array(variables[count...]))
    }

    /// New parameter leaves in declaration order.
    public func parameterValues(in graph: Graph) -> [Value] { parameters.map { graph.parameter($0.shape) } }

    /// New input leaves for running statistics, in declaration order.
    public func stateValues(in graph: Graph) -> [Value] { state.map { graph.input($0.shape) } }
}
