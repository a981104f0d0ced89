import Foundation
import NeuralNetwork
import SwiftProtobuf

/// Puts an ONNX model together node by node.
struct GraphBuilder {
    /// Per-channel DequantizeLinear came with 13; everything that runs ONNX today knows it.
    static let opset: Int64 = 13
    /// The IR version that belongs to operator set 13.
    static let irVersion: Int64 = 7

    private var graph = ONNXGraphProto()

    init(name: String, input: String, inputShape: [Int], output: String, classes: Int) {
        graph.name = name
        graph.input = [Self.value(input, .uint8, inputShape)]
        graph.output = [Self.value(output, .float, [classes])]
    }

    /// A tensor whose batch is dynamic.
    private static func value(_ name: String, _ type: ElementType, _ shape: [Int]) -> ONNXValueInfoProto {
        var batch = ONNXTensorShapeProto.Dimension()
        batch.dimParam = "batch"
        var sizes = [batch]
        for size in shape {
            var dimension = ONNXTensorShapeProto.Dimension()
            dimension.dimValue = Int64(size)
            sizes.append(dimension)
        }
        var info = ONNXValueInfoProto()
        info.name = name
        info.type.tensorType.elemType = type.rawValue
        info.type.tensorType.shape.dim = sizes
        return info
    }

    /// Adds a node and gives back its output, which has the node's name unless `output` says another.
    @discardableResult
    mutating func add(
        _ operation: String, _ name: String, _ inputs: [String], output: String? = nil,
        integers: [(String, Int)] = [], lists: [(String, [Int])] = []
    ) -> String {
        var node = ONNXNodeProto()
        node.opType = operation
        node.name = name
        node.input = inputs
        node.output = [output ?? name + "_out"]
        for (key, value) in integers {
            var attribute = ONNXAttributeProto()
            attribute.name = key
            attribute.type = .int
            attribute.i = Int64(value)
            node.attribute.append(attribute)
        }
        for (key, list) in lists {
            var attribute = ONNXAttributeProto()
            attribute.name = key
            attribute.type = .ints
            attribute.ints = list.map { Int64($0) }
            node.attribute.append(attribute)
        }
        graph.node.append(node)
        return node.output[0]
    }

    /// Stores a tensor and gives back its name.
    @discardableResult
    mutating func store(_ name: String, _ shape: [Int], _ floats: [Float]) -> String {
        store(name, .float, shape, floats.map(\.bitPattern))
    }

    @discardableResult
    mutating func store<Number: FixedWidthInteger>(
        _ name: String, _ type: ElementType, _ shape: [Int], _ numbers: [Number]
    ) -> String {
        var tensor = ONNXTensorProto()
        tensor.name = name
        tensor.dataType = type.rawValue
        tensor.dims = shape.map { Int64($0) }
        var data = Data(capacity: numbers.count * type.byteCount)
        for number in numbers { withUnsafeBytes(of: number.littleEndian) { data.append(contentsOf: $0) } }
        tensor.rawData = data
        graph.initializer.append(tensor)
        return name
    }

    /// The bytes of the model; the same for equal models.
    func encoded(_ about: ONNXDescription) throws(ONNXError) -> [UInt8] {
        var model = ONNXModelProto()
        model.irVersion = Self.irVersion
        model.producerName = "deai-train"
        model.producerVersion = about.toolkitVersion
        var opset = ONNXOperatorSetIdProto()
        opset.domain = ""
        opset.version = Self.opset
        model.opsetImport = [opset]
        model.graph = graph
        model.metadataProps = about.entries.map { key, value in
            var entry = ONNXStringStringEntryProto()
            entry.key = key
            entry.value = value
            return entry
        }
        do {
            return try model.serializedBytes()
        } catch {
            throw .unsupported("it does not fit into a protocol buffer (\(error))")
        }
    }
}

/// What a written model says about itself, in its metadata.
public struct ONNXDescription: Sendable {
    public var toolkitVersion: String
    public var labels: [String]
    /// Further entries, for instance provenance as JSON.
    public var more: [String: String]

    public init(toolkitVersion: String, labels: [String], more: [String: String] = [:]) {
        self.toolkitVersion = toolkitVersion
        self.labels = labels
        self.more = more
    }

    /// Sorted by key.
    var entries: [(String, String)] {
        let encoder = JSONEncoder()
        encoder.outputFormatting = .withoutEscapingSlashes
        var all = more
        if let json = try? encoder.encode(labels) { all["labels"] = String(decoding: json, as: UTF8.self) }
        return all.sorted { $0.key < $1.key }
    }
}

/// Weights in the orders that ONNX has them.
enum ONNXOrder {
    /// [height][width][inputs][outputs] to [outputs][inputs][height][width].
    static func filters<Number>(_ weights: [Number], kernel: (Int, Int), outputs: Int) -> [Number] {
        let inputs = weights.count / (kernel.0 * kernel.1 * outputs)
        return transposition(of: [kernel.0, kernel.1, inputs, outputs], by: [3, 2, 0, 1]).indexes.map { weights[$0] }
    }

    /// [inputs][outputs] to [outputs][inputs]; inputs of a picture that was flattened go from row, column, channel
    /// to channel, row, column.
    static func dense<Number>(_ weights: [Number], flattened picture: Extent?, outputs: Int) -> [Number] {
        let inputs = weights.count / outputs
        guard let picture else {
            return transposition(of: [inputs, outputs], by: [1, 0]).indexes.map { weights[$0] }
        }
        return transposition(of: [picture.height, picture.width, picture.channels, outputs], by: [3, 2, 0, 1])
            .indexes.map { weights[$0] }
    }
}
