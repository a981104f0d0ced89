import Inference
import Interchange
import Kernels
import NeuralNetwork
import Testing

/// What is written and read again is the same network, bit for bit where no normalisation is folded.
@Suite struct RoundTripTests {
    static let description = ONNXDescription(
        toolkitVersion: "test", labels: ["a", "b", "c", "d “e”"], more: ["name": "small", "provenance": "{}"])

    @Test(arguments: Preset.allCases, [1, 3])
    func floatNetworksComeBack(preset: Preset, channels: Int) throws {
        let small = try SmallNetwork.preset(preset, channels: channels)
        let bytes = try ONNXWriter.write(
            small.architecture, parameters: small.parameters, preprocessing: small.preprocessing,
            description: Self.description)
        let network = try ONNXImporter().read(bytes, name: "other")
        #expect(network.preprocessing == small.preprocessing)
        #expect(network.labels == Self.description.labels)
        #expect(network.architecture.name == Array("small".utf8))
        let pixels = small.images(3)
        let expected = try logits(
            small.architecture, small.parameters, small.preprocessing, pixels: pixels)
        let found = try logits(network, pixels: pixels)
        if try Network(small.architecture).state.isEmpty {
            #expect(network.architecture.layers == small.architecture.layers)
            #expect(network.parameters == small.parameters)
            #expect(found == expected)
        } else {
            let scale = expected.joined().map { abs($0) }.max() ?? 0
            #expect(difference(found, expected) < 1e-4 * max(scale, 1))
        }
    }

    /// Branches within branches, a concatenation of vectors, every layer without weights that ONNX has.
    @Test func branchesComeBack() throws {
        let architecture = Architecture(
            name: Array("branches".utf8), inputHeight: 12, inputWidth: 12, inputChannels: 1, classes: 3,
            layers: [
                .conv2d(filters: 8, kernel: 3, stride: 1, padding: 1), .hardSwish,
                .residual(
                    [
                        .depthwiseConv2d(kernel: 3, stride: 1, padding: 1), .relu6,
                        .residual([.conv2d(filters: 8, kernel: 1, stride: 1, padding: 0), .silu]),
                        .conv2d(filters: 8, kernel: 3, stride: 1, padding: 2, dilation: 2, groups: 2),
                    ], projection: [.conv2d(filters: 8, kernel: 1, stride: 1, padding: 0)]),
                .relu, .averagePool2d(window: 2, stride: 2),
                .concatenate([[.conv2d(filters: 4, kernel: 1, stride: 1, padding: 0), .sigmoid], [], [.tanh]]),
                .globalAveragePool, .dense(units: 6), .residual([.dense(units: 6), .relu]), .dense(units: 3),
            ])
        let small = try SmallNetwork(architecture, channels: 1)
        let bytes = try ONNXWriter.write(
            architecture, parameters: small.parameters, preprocessing: small.preprocessing,
            description: Self.description)
        let network = try ONNXImporter().read(bytes, name: "branches")
        #expect(network.architecture.layers == architecture.layers)
        #expect(network.parameters == small.parameters)
        let pixels = small.images(2)
        #expect(
            try logits(network, pixels: pixels)
                == logits(architecture, small.parameters, small.preprocessing, pixels: pixels))
    }

    @Test func sameNetworkSameBytes() throws {
        let small = try SmallNetwork.preset(.lenet5, channels: 1)
        let files = try (0..<3).map { _ in
            try ONNXWriter.write(
                small.architecture, parameters: small.parameters, preprocessing: small.preprocessing,
                description: Self.description)
        }
        #expect(files[0] == files[1] && files[1] == files[2])
    }
}
