import Foundation
import Interchange
import SwiftProtobuf
import Testing

/// Graphs that must be refused, and what the message must name.
@Suite struct RefusalTests {
    struct Case: Sendable, CustomTestStringConvertible {
        var testDescription: String
        /// What the message has to contain.
        var says: [String]
        var change: @Sendable (inout ONNXModelProto) -> Void

        init(_ name: String, says: String..., change: @escaping @Sendable (inout ONNXModelProto) -> Void) {
            testDescription = name
            self.says = says
            self.change = change
        }
    }

    static func node(_ operation: String, _ name: String, _ inputs: [String], _ output: String) -> ONNXNodeProto {
        var node = ONNXNodeProto()
        node.opType = operation
        node.name = name
        node.input = inputs
        node.output = [output]
        return node
    }

    /// Flatten and Gemm on images of 1x2x2: the smallest classifier.
    static var small: ONNXModelProto {
        var model = ONNXModelProto()
        var opset = ONNXOperatorSetIdProto()
        opset.version = 13
        model.opsetImport = [opset]
        var image = ONNXValueInfoProto()
        image.name = "image"
        image.type.tensorType.elemType = 1
        for size in [0, 1, 2, 2] {
            var dimension = ONNXTensorShapeProto.Dimension()
            if size == 0 { dimension.dimParam = "n" } else { dimension.dimValue = Int64(size) }
            image.type.tensorType.shape.dim.append(dimension)
        }
        model.graph.input = [image]
        var output = ONNXValueInfoProto()
        output.name = "logits"
        model.graph.output = [output]
        var weights = ONNXTensorProto()
        weights.name = "weights"
        weights.dataType = 1
        weights.dims = [4, 3]
        weights.floatData = (0..<12).map { Float($0) }
        model.graph.initializer = [weights]
        model.graph.node = [
            node("Flatten", "flat", ["image"], "f"), node("Gemm", "scores", ["f", "weights"], "logits"),
        ]
        return model
    }

    static let cases: [Case] = [
        Case("circle", says: "node “flat”", "circle") { $0.graph.node[0].input = ["logits"] },
        Case("circle of two", says: "node “scores”", "circle") {
            $0.graph.node[0] = node("Add", "flat", ["image", "back"], "f")
            $0.graph.node.append(node("Identity", "loop", ["logits"], "back"))
            $0.graph.node.swapAt(0, 1)
        },
        Case("missing initialiser", says: "node “scores”", "“weights”", "stored") { $0.graph.initializer = [] },
        Case("value made twice", says: "node “scores”", "twice") { $0.graph.node[1].output = ["f"] },
        Case("dynamic rows", says: "“image”", "dimension 2", "“h”") {
            $0.graph.input[0].type.tensorType.shape.dim[2].dimParam = "h"
        },
        Case("shape that the image decides", says: "node “flat”", "Reshape", "constant") {
            $0.graph.node[0] = node("Reshape", "flat", ["image", "sizes"], "f")
            $0.graph.node.append(node("Relu", "decide", ["image"], "sizes"))
        },
        Case("no rows", says: "“image”", "dimension 2", "-12") {
            $0.graph.input[0].type.tensorType.shape.dim[2].dimValue = -12
        },
        Case("kernel that is not that of the filters", says: "node “conv”", "kernel_shape [5, 5]", "[2, 1, 3, 3]") {
            var filters = ONNXTensorProto()
            filters.name = "filters"
            filters.dataType = 1
            filters.dims = [2, 1, 3, 3]
            filters.floatData = [Float](repeating: 1, count: 18)
            $0.graph.initializer.append(filters)
            var conv = node("Conv", "conv", ["image", "filters"], "c")
            for (name, values) in [("kernel_shape", [5, 5]), ("pads", [1, 1, 1, 1])] {
                var attribute = ONNXAttributeProto()
                attribute.name = name
                attribute.ints = values.map { Int64($0) }
                conv.attribute.append(attribute)
            }
            $0.graph.node.insert(conv, at: 0)
            $0.graph.node[1].input = ["c"]
        },
        Case("images of a batch mixed", says: "node “flat”", "[batch, 1, 2, 2] becomes [1, 4 * batch]") {
            var axis = ONNXAttributeProto()
            axis.name = "axis"
            $0.graph.node[0].attribute.append(axis)
        },
        Case("no shape", says: "“image”", "shape") { $0.graph.input[0].type.tensorType.clearShape() },
        Case("two inputs", says: "2 inputs", "other") {
            var other = $0.graph.input[0]
            other.name = "other"
            $0.graph.input.append(other)
        },
        Case("unknown operation", says: "node “scores”", "LSTM") { $0.graph.node[1].opType = "LSTM" },
        Case("other domain", says: "node “scores”", "com.example.Gemm") { $0.graph.node[1].domain = "com.example" },
        Case("huge tensor", says: "“weights”", "limit") { $0.graph.initializer[0].dims = [1 << 40, 1 << 40] },
        Case("tensor of less data than it says", says: "“weights”", "12") {
            $0.graph.initializer[0].dims = [4, 1 << 20]
        },
        Case("negative size", says: "“weights”") { $0.graph.initializer[0].dims = [-4, -3] },
        Case("data outside of the folder", says: "“weights”", "outside") {
            external(&$0, "../../etc/passwd")
        },
        Case("data at an absolute path", says: "“weights”", "outside") { external(&$0, "/etc/passwd") },
        Case("data that is not there", says: "“weights”", "cannot be read") { external(&$0, "nowhere.bin") },
        Case("data shorter than it says", says: "“weights”", "ends before") {
            external(&$0, "lenet.safetensors", offset: 1 << 40)
        },
        Case("weights that are not finite", says: "node “scores”", "finite") {
            $0.graph.initializer[0].floatData[5] = .nan
        },
        Case("weights that do not fit", says: "node “scores”", "4 inputs") {
            $0.graph.input[0].type.tensorType.shape.dim[3].dimValue = 5
        },
        Case("shape that does not fit", says: "node “flat”", "Reshape") {
            var shape = ONNXTensorProto()
            shape.name = "shape"
            shape.dataType = 7
            shape.dims = [2]
            shape.int64Data = [-1, 7]
            $0.graph.initializer.append(shape)
            $0.graph.node[0] = node("Reshape", "flat", ["image", "shape"], "f")
        },
        Case("expansion to a huge constant", says: "node “big”", "limit") {
            var shape = ONNXTensorProto()
            shape.name = "shape"
            shape.dataType = 7
            shape.dims = [3]
            shape.int64Data = [1 << 30, 1 << 30, 1 << 30]
            $0.graph.initializer.append(shape)
            $0.graph.node.insert(node("ConstantOfShape", "big", ["shape"], "b"), at: 0)
        },
        Case("many large constants", says: "node “copy", "limit") {
            var shape = ONNXTensorProto()
            shape.name = "shape"
            shape.dataType = 7
            shape.dims = [1]
            shape.int64Data = [1 << 24]
            $0.graph.initializer.append(shape)
            for index in 0..<8 {
                $0.graph.node.insert(node("ConstantOfShape", "copy \(index)", ["shape"], "c\(index)"), at: 0)
            }
        },
        Case("large picture again and again", says: "node “relu", "activations") {
            for axis in 2...3 { $0.graph.input[0].type.tensorType.shape.dim[axis].dimValue = 1 << 12 }
            var before = "image"
            for index in 0..<9 {
                $0.graph.node.insert(node("Relu", "relu \(index)", [before], "r\(index)"), at: index)
                before = "r\(index)"
            }
            $0.graph.node[9].input = [before]
        },
        Case("future operators", says: "operator set 99") { $0.opsetImport[0].version = 99 },
        Case("function call", says: "node “scores”", "function") {
            var function = ONNXFunctionProto()
            function.name = "Gemm"
            function.domain = ""
            $0.functions = [function]
        },
    ]

    static func external(_ model: inout ONNXModelProto, _ location: String, offset: Int = 0) {
        model.graph.initializer[0].floatData = []
        model.graph.initializer[0].dataLocation = .external
        model.graph.initializer[0].externalData = [("location", location), ("offset", "\(offset)")].map {
            var entry = ONNXStringStringEntryProto()
            (entry.key, entry.value) = $0
            return entry
        }
    }

    @Test func theUnchangedGraphIsRead() throws {
        let network = try ONNXImporter().read(Self.small.serializedBytes(), name: "small")
        #expect(network.architecture.layers == [.flatten, .dense(units: 3)])
        #expect(network.parameters[0] == (0..<12).map { Float($0) })
    }

    @Test(arguments: cases)
    func isRefusedByName(refused: Case) throws {
        var model = Self.small
        refused.change(&model)
        let bytes: [UInt8] = try model.serializedBytes()
        let folder = NetworkVector.file("lenet.onnx").deletingLastPathComponent().path
        let error = #expect(throws: ONNXError.self) {
            try ONNXImporter().read(bytes, name: "small", folder: folder)
        }
        for part in refused.says { #expect(error?.description.contains(part) == true, "\(error?.description ?? "")") }
    }

    /// Opening a pipe would wait for ever.
    @Test(.timeLimit(.minutes(1))) func dataInAPipeIsRefused() throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("deai-pipe-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        try #require(mkfifo(folder.appendingPathComponent("pipe").path, 0o600) == 0)
        var model = Self.small
        Self.external(&model, "pipe")
        let bytes: [UInt8] = try model.serializedBytes()
        let error = #expect(throws: ONNXError.self) {
            try ONNXImporter().read(bytes, name: "small", folder: folder.path)
        }
        #expect(error?.description.contains("cannot be read") == true)
    }

    /// A link beside the model leads out of its folder: the data behind it are not read.
    @Test func linksOutOfTheFolderAreRefused() throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("deai-link-\(UUID().uuidString)")
        let inner = folder.appendingPathComponent("model")
        try FileManager.default.createDirectory(at: inner, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        try Data(count: 48).write(to: folder.appendingPathComponent("secret.bin"))
        try FileManager.default.createSymbolicLink(
            at: inner.appendingPathComponent("weights.bin"), withDestinationURL: folder.appendingPathComponent("secret.bin"))
        try Data(count: 48).write(to: inner.appendingPathComponent("own.bin"))
        for (location, isRead) in [("own.bin", true), ("weights.bin", false)] {
            var model = Self.small
            Self.external(&model, location)
            let bytes: [UInt8] = try model.serializedBytes()
            if isRead {
                _ = try ONNXImporter().read(bytes, name: "small", folder: inner.path)
            } else {
                let error = #expect(throws: ONNXError.self) {
                    try ONNXImporter().read(bytes, name: "small", folder: inner.path)
                }
                #expect(error?.description.contains("“weights” of the ONNX model") == true)
                #expect(error?.description.contains("outside") == true)
            }
        }
    }
}
