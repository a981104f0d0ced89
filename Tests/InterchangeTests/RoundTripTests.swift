import Inference
import Interchange
import Kernels
import NeuralNetwork
import Testing

/// What is written and read again is the same network, bit for bit.
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
        #expect(network.architecture.layers == small.architecture.layers)
        #expect(network.parameters == small.parameters)
        #expect(network.preprocessing == small.preprocessing)
        #expect(network.labels == Self.description.labels)
        #expect(network.architecture.name == Array("small".utf8))
        let pixels = small.images(3)
        #expect(
            try logits(network, pixels: pixels)
                == logits(small.architecture, small.parameters, small.preprocessing, pixels: pixels))
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
