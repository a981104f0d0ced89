import Autodiff
import Foundation
import Interchange
import Kernels
import NeuralNetwork
import SwiftProtobuf

/// One test of the ONNX project: a graph, mostly of a single node, with inputs and the outputs it must give.
struct OperatorCase {
    let name: String
    /// The operations of its graph.
    let operations: [String]
    private let model: OperatorModel
    private let behindReLU: Bool
    private let inputs: [ONNXTensorProto]
    private let expected: [ONNXTensorProto]

    /// How one reading of the graph went.
    enum Outcome: Equatable, Sendable {
        case equal
        case different(String)
        case refused(String)
    }

    /// Nil when import does not claim all of its operations.
    ///
    /// - Parameter behindReLU: whether the first input passes a ReLU first, as then its maxima do.
    init?(_ folder: URL, behindReLU: Bool = false) throws {
        name = folder.lastPathComponent
        var graph = try ONNXModelProto(
            serializedBytes: [UInt8](try Data(contentsOf: folder.appendingPathComponent("model.onnx"))), partial: true)
        guard !graph.graph.node.isEmpty, graph.graph.node.allSatisfy({ $0.domain.isEmpty }),
            OperatorModel.claimed.isSuperset(of: graph.graph.node.map(\.opType))
        else { return nil }
        operations = Set(graph.graph.node.map(\.opType)).sorted()
        if behindReLU {
            let relu = RefusalTests.node("Relu", "relu", [graph.graph.input[0].name], "positive")
            graph.graph.node[0].input[0] = "positive"
            graph.graph.node.insert(relu, at: 0)
        }
        self.behindReLU = behindReLU
        model = try OperatorModel(graph.serializedBytes(partial: true))
        func tensors(_ kind: String, _ count: Int) throws -> [ONNXTensorProto] {
            try (0..<count).map { index in
                let file = folder.appendingPathComponent("test_data_set_0/\(kind)_\(index).pb")
                return try ONNXTensorProto(serializedBytes: [UInt8](try Data(contentsOf: file)), partial: true)
            }
        }
        let stored = Set(graph.graph.initializer.map(\.name))
        inputs = try tensors("input", graph.graph.input.count { !stored.contains($0.name) })
        expected = try tensors("output", graph.graph.output.count)
    }

    /// Reads the graph with every input known, with the first one as an image, and with all that hold floats as images.
    func outcomes() -> [Outcome] {
        let floats = inputs.indices.filter { [1, 10, 11].contains(inputs[$0].dataType) }
        var readings: [[Int]] = [[]]
        if let first = floats.first { readings.append([first]) }
        if floats.count > 1 { readings.append(floats) }
        return readings.map { outcome(images: $0) }
    }

    private func outcome(images: [Int]) -> Outcome {
        do {
            for (meaning, proto) in zip(try model.read(inputs, images: images), expected) {
                var wanted = try OperatorModel.tensor(proto)
                if behindReLU { wanted.numbers = wanted.numbers.map { max($0, 0) } }
                let found =
                    switch meaning {
                    case .constant(let tensor): tensor
                    case .network(let layers): try run(layers, images.map { try OperatorModel.tensor(inputs[$0]) })
                    }
                if let difference = difference(found, wanted) { return .different(difference) }
            }
            return .equal
        } catch let error as ONNXError {
            return .refused(error.description)
        } catch {
            return .different("\(error)")
        }
    }

    /// By the rule of the ONNX project's own runner: 10⁻³ of the expected number, and 10⁻⁷.
    private func difference(_ found: OperatorModel.Tensor, _ expected: OperatorModel.Tensor) -> String? {
        guard found.shape == expected.shape else { return "shape \(found.shape), expected \(expected.shape)" }
        for (index, (x, y)) in zip(found.numbers, expected.numbers).enumerated() {
            let isEqual = x == y || (x.isNaN && y.isNaN) || abs(x - y) <= 1e-3 * abs(y) + 1e-7
            if !isEqual { return "number \(index) is \(x), expected \(y)" }
        }
        return nil
    }

    /// Runs layers as a network, behind which a dense layer that nobody reads makes a classifier of them.
    private func run(_ found: OperatorModel.Layers, _ images: [OperatorModel.Tensor]) throws -> OperatorModel.Tensor {
        let batch = images[0].shape[0]
        let inner = images[0].shape.dropFirst(2)
        let (height, width) = inner.count == 2 ? (inner[2], inner[3]) : (1, inner.reduce(1, *))
        let channels = images.map { $0.shape.count > 1 ? $0.shape[1] : 1 }
        // Numbers of each image as [row][column][channel], the channels of all inputs beside each other.
        var numbers: [Float] = []
        for image in 0..<batch {
            for pixel in 0..<(height * width) {
                for (tensor, count) in zip(images, channels) {
                    for channel in 0..<count {
                        numbers.append(tensor.numbers[(image * count + channel) * height * width + pixel])
                    }
                }
            }
        }
        let count = found.places.count
        let network = try Network(
            Architecture(
                name: Array("operator".utf8), inputHeight: height, inputWidth: width,
                inputChannels: channels.reduce(0, +), classes: 1, layers: found.layers + [.flatten, .dense(units: 1)]))
        let parameters = found.parameters + [[Float](repeating: 0, count: count), [0]]
        let graph = Graph()
        let input = graph.input([batch, height, width, channels.reduce(0, +)])
        let leaves = network.parameterValues(in: graph)
        let activations = network.activations(input: input, parameters: leaves)
        let result = activations[found.layers.count]
        let executor = PortableExecutor(try Plan(graph, outputs: [input, result] + leaves))
        try executor.write(numbers, to: input)
        for (leaf, values) in zip(leaves, parameters) { try executor.write(values, to: leaf) }
        executor.run()
        var rows = executor.read(result)
        if let operation = found.leftOut {
            for row in 0..<batch {
                let range = (row * count)..<((row + 1) * count)
                let largest = rows[range].max() ?? 0
                let sum = rows[range].reduce(0.0) { $0 + exp(Double($1 - largest)) }
                for place in range {
                    let logarithm = Double(rows[place] - largest) - log(sum)
                    rows[place] = Float(operation == "Softmax" ? exp(logarithm) : logarithm)
                }
            }
        }
        return OperatorModel.Tensor(
            shape: [batch] + found.outputShape,
            numbers: (0..<batch).flatMap { row in found.places.map { rows[row * count + Int($0)] } })
    }
}
