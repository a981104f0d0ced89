import Foundation
import SwiftProtobuf

/// An ONNX graph that is well-formed: one image in, one tensor out, every value made once and before it is used.
struct OrderedGraph {
    /// In an order in which every node follows what it uses.
    var nodes: [GraphNode]
    var constants: [String: ConstantTensor]
    var input: String
    var inputType: ElementType
    /// Batch first; nil for a batch that is not fixed.
    var inputShape: [Int?]
    var output: String
    /// Version of the standard operator set.
    var opset: Int
    var metadata: [String: String]
}

/// A node with its attributes by name.
struct GraphNode {
    /// What messages call it: its name, or that of its first output.
    var name: String
    var operation: String
    var inputs: [String]
    var outputs: [String]
    var attributes: [String: ONNXAttributeProto]

    init(_ node: ONNXNodeProto) {
        name = !node.name.isEmpty ? node.name : node.output.first ?? ""
        operation = node.domain.isEmpty || node.domain == "ai.onnx" ? node.opType : "\(node.domain).\(node.opType)"
        inputs = node.input
        outputs = node.output
        attributes = [:]
        for attribute in node.attribute { attributes[attribute.name] = attribute }
    }

    func fail(_ reason: String) -> ONNXError { .node(name: name, operation: operation, reason: reason) }

    /// The input at `place`; nil when it is left out.
    func input(_ place: Int) -> String? {
        place < inputs.count && !inputs[place].isEmpty ? inputs[place] : nil
    }

    func integer(_ name: String, default value: Int) -> Int { attributes[name].map { Int($0.i) } ?? value }
    func float(_ name: String, default value: Float) -> Float { attributes[name]?.f ?? value }
    func integers(_ name: String) -> [Int]? { attributes[name].map { $0.ints.map { Int($0) } } }
    func text(_ name: String, default value: String) -> String {
        attributes[name].map { String(decoding: $0.s, as: UTF8.self) } ?? value
    }
}

extension OrderedGraph {
    /// The model in the bytes of a file and its operator set, with limits and features checked that hold for any graph.
    static func parse(_ bytes: [UInt8], limits: ONNXLimits) throws(ONNXError) -> (model: ONNXModelProto, opset: Int) {
        let model: ONNXModelProto
        do {
            model = try ONNXModelProto(serializedBytes: bytes, partial: true)
        } catch {
            throw .malformed("its protocol buffer is damaged (\(error))")
        }
        guard model.hasGraph, !model.graph.node.isEmpty else { throw .malformed("it has no graph") }
        let standard = model.opsetImport.first { $0.domain.isEmpty || $0.domain == "ai.onnx" }
        guard let opset = standard.map({ Int($0.version) }) else {
            throw .malformed("it does not say which version of the operators it uses")
        }
        guard (1...limits.newestOpset).contains(opset) else {
            throw .graph("it uses operator set \(opset); 1 to \(limits.newestOpset) are known, export it again with one of them")
        }
        let graph = model.graph
        guard graph.node.count <= limits.nodes else {
            throw .graph("\(graph.node.count) nodes are more than the limit of \(limits.nodes)")
        }
        guard graph.sparseInitializer.isEmpty else { throw .graph("sparse weights are not supported") }
        if let function = model.functions.first {
            let used = graph.node.first { $0.opType == function.name && $0.domain == function.domain }
            if let used {
                throw GraphNode(used).fail("it calls a function of the model; export it with functions inlined")
            }
        }
        return (model, opset)
    }

    /// The weights that are stored with a graph, by name.
    static func stored(_ graph: ONNXGraphProto, _ decoder: TensorDecoder) throws(ONNXError) -> [String: ConstantTensor] {
        var constants: [String: ConstantTensor] = [:]
        for tensor in graph.initializer {
            guard constants.updateValue(try decoder.decode(tensor), forKey: tensor.name) == nil else {
                throw .tensor(name: tensor.name, reason: "it is stored twice")
            }
        }
        return constants
    }

    /// Reads the bytes of a model and checks its structure.
    ///
    /// - Parameter folder: where data beside the model may be read from; nil for bytes without a place.
    init(_ bytes: [UInt8], folder: String?, limits: ONNXLimits) throws(ONNXError) {
        let (model, opset) = try Self.parse(bytes, limits: limits)
        self.opset = opset
        metadata = [:]
        for entry in model.metadataProps { metadata[entry.key] = entry.value }
        let graph = model.graph
        constants = try Self.stored(graph, TensorDecoder(folder: folder, elementLimit: limits.elements))
        let constants = self.constants
        let images = graph.input.filter { constants[$0.name] == nil }
        guard images.count == 1 else {
            throw .graph(
                "it has \(images.count) inputs (\(images.map(\.name).joined(separator: ", "))); a classifier has one, the image")
        }
        (input, inputType, inputShape) = try Self.image(images[0])
        guard graph.output.count == 1 else {
            throw .graph(
                "it has \(graph.output.count) outputs (\(graph.output.map(\.name).joined(separator: ", "))); "
                    + "a classifier has one, the scores of its classes")
        }
        let (image, result) = (input, graph.output[0].name)
        output = result
        nodes = try Self.ordered(graph.node.map(GraphNode.init), given: Set(constants.keys).union([image]))
        guard nodes.contains(where: { $0.outputs.contains(result) }) else {
            throw .graph("no node makes its output “\(result)”")
        }
    }

    private static func image(_ value: ONNXValueInfoProto) throws(ONNXError) -> (String, ElementType, [Int?]) {
        guard value.type.hasTensorType, let type = ElementType(rawValue: value.type.tensorType.elemType),
            value.type.tensorType.hasShape
        else {
            throw .tensor(name: value.name, reason: "the input has no element type or no shape")
        }
        guard type == .float || type == .uint8 else {
            throw .tensor(name: value.name, reason: "the input must hold float or uint8 numbers, found \(type)")
        }
        var shape: [Int?] = []
        for (axis, dimension) in value.type.tensorType.shape.dim.enumerated() {
            if case .dimValue(let size)? = dimension.value, size > 0 {
                shape.append(Int(size))
            } else if case .dimValue(let size)? = dimension.value, axis > 0 {
                throw .tensor(name: value.name, reason: "dimension \(axis) of the input is \(size), expected at least 1")
            } else if axis == 0 {
                shape.append(nil)
            } else {
                let name = dimension.dimParam.isEmpty ? "" : " (“\(dimension.dimParam)”)"
                throw .tensor(
                    name: value.name,
                    reason: "dimension \(axis)\(name) of the input is not fixed; only the batch may be dynamic")
            }
        }
        guard shape.count == 4 else {
            throw .tensor(
                name: value.name, reason: "the input has \(shape.count) dimensions, expected batch and image (4)")
        }
        return (value.name, type, shape)
    }

    /// Nodes sorted so that each follows what it uses; refuses values that are made twice, by nobody, or in a circle.
    static func ordered(_ nodes: [GraphNode], given: Set<String>) throws(ONNXError) -> [GraphNode] {
        var maker: [String: Int] = [:]
        for (index, node) in nodes.enumerated() {
            for output in node.outputs where !output.isEmpty {
                guard !given.contains(output), maker.updateValue(index, forKey: output) == nil else {
                    throw node.fail("“\(output)” is made twice")
                }
            }
        }
        var waiting = [Int](repeating: 0, count: nodes.count)
        var users = [[Int]](repeating: [], count: nodes.count)
        for (index, node) in nodes.enumerated() {
            for input in node.inputs where !input.isEmpty && !given.contains(input) {
                guard let source = maker[input] else {
                    throw node.fail("its input “\(input)” is neither made by a node nor stored in the model")
                }
                users[source].append(index)
                waiting[index] += 1
            }
        }
        var order = nodes.indices.filter { waiting[$0] == 0 }
        var next = 0
        while next < order.count {
            for user in users[order[next]] {
                waiting[user] -= 1
                if waiting[user] == 0 { order.append(user) }
            }
            next += 1
        }
        if order.count < nodes.count, let stuck = waiting.firstIndex(where: { $0 > 0 }) {
            throw nodes[stuck].fail("it is part of a circle, or behind one")
        }
        return order.map { nodes[$0] }
    }
}

/// What a model may ask for before it is refused.
public struct ONNXLimits: Sendable {
    public var nodes = 100_000
    /// Numbers in one tensor; 2^26 floats are 256 MiB.
    public var elements = 1 << 26
    /// Numbers that all nodes together give for an image.
    public var activations = 1 << 27
    public var newestOpset = 26
    /// Bytes of the file; the limit of protocol buffers.
    public var fileBytes = 2 << 30

    public init() {}
}
