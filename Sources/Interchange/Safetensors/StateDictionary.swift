import NeuralNetwork

/// The parameters of a network under the names and in the orders that PyTorch's `nn.Sequential` has them.
///
/// A layer's place in the list of layers is its place in the `Sequential`: `0.weight`, `0.bias`, `3.weight` and so on;
/// in networks with branches it is the place in `Network.steps`. Normalisations have `weight`, `bias`, `running_mean`
/// and `running_var`.
/// Filters are [outputs, inputs, height, width]; dense weights [outputs, inputs], behind a flatten with the inputs in
/// the order channel, row, column.
public enum StateDictionary {
    /// The tensors of `parameters`, which are followed by running statistics where the network has any.
    public static func tensors(
        _ architecture: Architecture, parameters: [[Float]]
    ) throws(SafetensorsError) -> [String: Safetensors.Tensor] {
        let entries = try Self.entries(architecture)
        guard entries.map(\.count) == parameters.map(\.count) else { throw .header("the parameters do not fit the layers") }
        var result: [String: Safetensors.Tensor] = [:]
        for (entry, values) in zip(entries, parameters) {
            result[entry.name] = Safetensors.Tensor(shape: entry.shape, values: entry.order.map { values[$0] })
        }
        return result
    }

    /// The parameters of a network of this architecture; throws naming the tensor that is missing or of another shape.
    public static func parameters(
        _ architecture: Architecture, from tensors: [String: Safetensors.Tensor]
    ) throws(SafetensorsError) -> [[Float]] {
        let entries = try Self.entries(architecture)
        let unknown = tensors.keys.filter { name in !entries.contains { $0.name == name } }.sorted()
        guard unknown.isEmpty else {
            throw .tensor(
                unknown[0],
                "the network has no such parameter; it has \(entries.map(\.name).joined(separator: ", "))")
        }
        var result: [[Float]] = []
        for entry in entries {
            guard let tensor = tensors[entry.name] else { throw .tensor(entry.name, "it is missing") }
            guard tensor.shape == entry.shape else {
                throw .tensor(entry.name, "its shape is \(tensor.shape), expected \(entry.shape)")
            }
            guard tensor.values.allSatisfy(\.isFinite) else { throw .tensor(entry.name, "a number is not finite") }
            var values = [Float](repeating: 0, count: tensor.values.count)
            for (value, place) in zip(tensor.values, entry.order) { values[place] = value }
            result.append(values)
        }
        return result
    }

    private struct Entry {
        var name: String
        var shape: [Int]
        /// For each element in PyTorch's order its place in the toolkit's.
        var order: [Int]
        var count: Int { order.count }
    }

    private static func entries(_ architecture: Architecture) throws(SafetensorsError) -> [Entry] {
        let network: Network
        do {
            network = try Network(architecture)
        } catch {
            throw .header("the layers do not make a network (\(error))")
        }
        let isPlain = network.steps.count == architecture.layers.count
        var entries: [Entry] = []
        var statistics: [Entry] = []
        for (place, step) in network.steps.enumerated() {
            let prefix = isPlain ? step.layer : place
            for spec in network.parameters[step.parameters] {
                let shape = (0..<spec.shape.rank).map { spec.shape[$0] }
                let isWeight = spec.role == .weight || spec.role == .scale
                let (order, stored) = arrangement(shape, picture: pictureBehindFlatten(step, network))
                entries.append(Entry(name: "\(prefix).\(isWeight ? "weight" : "bias")", shape: stored, order: order))
            }
            for spec in network.state[step.state] {
                let name = spec.role == .mean ? "running_mean" : "running_var"
                statistics.append(
                    Entry(name: "\(prefix).\(name)", shape: [spec.count], order: Array(0..<spec.count)))
            }
        }
        return entries + statistics
    }

    /// The picture that was flattened right in front of a dense layer.
    private static func pictureBehindFlatten(_ step: NetworkStep, _ network: Network) -> [Int]? {
        guard case .layer(.dense) = step.operation, let flatten = step.inputs.first, flatten >= 0,
            case .layer(.flatten) = network.steps[flatten].operation
        else { return nil }
        let a = network.architecture
        guard let source = network.steps[flatten].inputs.first, source >= 0 else {
            return [a.inputHeight, a.inputWidth, a.inputChannels]
        }
        let shape = network.steps[source].shape
        return shape.rank == 4 ? [shape[1], shape[2], shape[3]] : nil
    }

    /// PyTorch's order and shape of an array.
    private static func arrangement(_ shape: [Int], picture: [Int]?) -> (order: [Int], shape: [Int]) {
        switch (shape.count, picture) {
        case (4, _):
            let (order, stored) = transposition(of: shape, by: [3, 2, 0, 1])
            return (order, stored)
        case (2, let picture?):
            let (order, _) = transposition(of: picture + [shape[1]], by: [3, 2, 0, 1])
            return (order, [shape[1], shape[0]])
        case (2, nil):
            let (order, stored) = transposition(of: shape, by: [1, 0])
            return (order, stored)
        default: return (Array(0..<shape.reduce(1, *)), shape)
        }
    }
}
