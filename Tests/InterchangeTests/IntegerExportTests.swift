import Foundation
import Inference
import Interchange
import SwiftProtobuf
import Testing

/// The structure of int8 ONNX files; what runtimes make of them is checked by scripts/check-onnx.sh.
@Suite struct IntegerExportTests {
    static func numbers(_ count: Int) -> [Int8] { (0..<count).map { Int8($0 * 37 % 201 - 100) } }

    static func convolution(_ inputs: Int, _ outputs: Int, kernel: Int = 3, relu: Bool = true) -> QuantizedLayer {
        .conv2d(
            QuantizedConv2d(
                outputChannels: outputs, kernelHeight: kernel, kernelWidth: kernel, stride: 1, padding: kernel / 2,
                weights: numbers(kernel * kernel * inputs * outputs), bias: [Int32](repeating: 5, count: outputs),
                multipliers: [Float](repeating: 0.001, count: outputs),
                output: .activations(low: relu ? 0 : -127, high: 127)))
    }

    static func depthwise(_ channels: Int, copies: Bool = false) -> QuantizedLayer {
        .depthwiseConv2d(
            QuantizedDepthwiseConv2d(
                kernelHeight: copies ? 1 : 3, kernelWidth: copies ? 1 : 3, stride: 1, padding: copies ? 0 : 1,
                weights: copies ? [Int8](repeating: 1, count: channels) : numbers(9 * channels),
                bias: [Int32](repeating: 0, count: channels),
                multipliers: [Float](repeating: copies ? 1 : 0.002, count: channels),
                output: .activations(low: copies ? -255 : -127, high: copies ? 255 : 127)))
    }

    static func add(_ source: Int) -> QuantizedLayer {
        .add(
            QuantizedAdd(
                source: source, multiplier: 0.7, sourceMultiplier: 0.4, output: .activations(low: -100, high: 100)))
    }

    static func average(_ side: Int) -> QuantizedLayer {
        .averagePool2d(
            QuantizedAveragePool2d(
                windowHeight: side, windowWidth: side, stride: side == 2 ? 2 : 1, multiplier: 0.3,
                output: .activations(low: 0, high: 127)))
    }

    /// A picture that two branches begin at, a residual block with a projection, both kinds of average pooling.
    static func model() throws -> QuantizedModel {
        try QuantizedModel(
            name: Array("branches".utf8),
            input: InputGeometry(height: 8, width: 8, channels: 1, zeroPoints: [73], scale: 0.01),
            layers: [
                depthwise(1, copies: true), convolution(1, 4), depthwise(4), .output(of: 1),
                convolution(4, 4, kernel: 1, relu: false), add(2), .maxPool2d(window: 2, stride: 2), .output(of: 6),
                add(6), average(2), average(2), .flatten,
                .dense(
                    QuantizedDense(
                        outputs: 2, weights: numbers(8), bias: [0, 3], multipliers: [0.001, 0.001], output: .logits)),
            ], labels: [[65], [66]], logitScale: 0.5, provenance: [])
    }

    @Test func everyValueIsMadeOnceBeforeItIsRead() throws {
        let bytes = try ONNXWriter.write(try Self.model(), description: RoundTripTests.description)
        let file = try ONNXModelProto(serializedBytes: bytes)
        var known = Set(file.graph.initializer.map(\.name) + file.graph.input.map(\.name))
        #expect(known.count == file.graph.initializer.count + 1)
        var counts: [String: Int] = [:]
        for node in file.graph.node {
            counts[node.opType, default: 0] += 1
            for input in node.input { #expect(known.contains(input), "\(node.name) reads \(input)") }
            for output in node.output { #expect(known.insert(output).inserted, "\(output) is made twice") }
        }
        #expect(known.contains("logits"))
        // The copy of the picture needs no node; windows of 2x2 are summed by filters of ones, the whole by a reduction.
        #expect(counts["Conv"] == 4 && counts["ReduceSum"] == 1 && counts["Add"] == 2 && counts["Gemm"] == 1)
        #expect(counts["MaxPool"] == 1 && counts["Flatten"] == 1 && counts["Clip"] == 2)
        // Two weights and biases for each of four layers, the picture, a summand each, one behind each quantised tensor.
        #expect(counts["QuantizeLinear"] == 7)
        #expect(counts["DequantizeLinear"] == 18)
        let groups = file.graph.node.filter { $0.opType == "Conv" }.map { node in
            node.attribute.first { $0.name == "group" }?.i ?? 1
        }
        #expect(groups == [1, 4, 1, 4])
        let depthwise = try #require(file.graph.initializer.first { $0.name == "2.weight" })
        #expect(depthwise.dims == [4, 1, 3, 3])
        // [kernel row][kernel column][channel] to [channel][1][row][column].
        let weights = Self.numbers(36)
        let expected: [Int8] = (0..<36).map { place in weights[place % 9 * 4 + place / 9] }
        let found: [Int8] = depthwise.rawData.map { byte in Int8(bitPattern: byte) }
        #expect(found == expected)
    }

    @Test func sameModelSameBytes() throws {
        let files = try (0..<3).map { _ in
            try ONNXWriter.write(try Self.model(), description: RoundTripTests.description)
        }
        #expect(files[0] == files[1] && files[1] == files[2])
    }
}
