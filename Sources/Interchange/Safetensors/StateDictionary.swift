import NeuralNetwork

/// The parameters of a network under the names and in the orders that PyTorch's `nn.Sequential` has them.
///
/// A layer's place in the list of layers is its place in the `Sequential`: `0.weight`, `0.bias`, `3.weight` and so on.
/// Filters are [outputs, inputs, height, width]; dense weights [outputs, inputs], behind a flatten with the inputs in
/// the order channel, row, column.
public enum StateDictionary {
    /// The tensors of `parameters`.
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
        for spec in network.parameters where spec.role != .weight && spec.role != .bias {
            let name = architecture.layers[spec.layer].name
            throw .header("layer \(spec.layer) (\(name)) has parameters that have no name here yet")
        }
        return network.parameters.map { spec in
            let shape = (0..<spec.shape.rank).map { spec.shape[$0] }
            let isWeight = spec.role == .weight
            let name = "\(spec.layer).\(isWeight ? "weight" : "bias")"
            guard isWeight else { return Entry(name: name, shape: shape, order: Array(0..<spec.count)) }
            if shape.count == 4 {
                let (order, result) = transposition(of: shape, by: [3, 2, 0, 1])
                return Entry(name: name, shape: result, order: order)
            }
            // The picture in front of the flatten, when there is one right before.
            if spec.layer > 0, architecture.layers[spec.layer - 1] == .flatten {
                let before = spec.layer > 1 ? network.layerShapes[spec.layer - 2] : nil
                let picture =
                    before.map { $0.rank == 4 ? [$0[1], $0[2], $0[3]] : [1, 1, $0.count] }
                    ?? [architecture.inputHeight, architecture.inputWidth, architecture.inputChannels]
                let (order, _) = transposition(of: picture + [shape[1]], by: [3, 2, 0, 1])
                return Entry(name: name, shape: [shape[1], shape[0]], order: order)
            }
            let (order, result) = transposition(of: shape, by: [1, 0])
            return Entry(name: name, shape: result, order: order)
        }
    }
}
