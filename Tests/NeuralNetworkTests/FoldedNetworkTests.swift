import Kernels
import NeuralNetwork
import Testing

@Suite struct FoldedNetworkTests {
    /// The same logits, with statistics and scales that are not those of the start.
    @Test(arguments: Preset.allCases) func givesTheSameLogits(_ preset: Preset) throws {
        let network = try Network(preset.architecture(height: 12, width: 12, channels: 1, classes: 5))
        guard network.layerShapes.allSatisfy({ $0.count > 0 }) else { return }
        let folded = try FoldedNetwork(network)
        var random = SplitMix64(seed: 3)
        let parameters = network.initialParameters(seed: 4).map { array in array.map { $0 + 0.2 * random.uniform() } }
        let state = network.state.map { spec in
            (0..<spec.count).map { _ in (spec.role == .variance ? 0.5 : -0.5) + random.uniform() }
        }
        let made = folded.variables(parameters: parameters, state: state)
        #expect(made.parameters.map(\.count) == folded.network.parameters.map(\.count))
        #expect(made.state.isEmpty && folded.network.state.isEmpty)
        let pixels = (0..<3 * 144).map { _ in UInt8(random.index(below: 256)) }
        let preprocessing = Preprocessing(zeroPoints: [100], scale: 1 / 90)
        func logits(_ network: Network, _ parameters: [[Float]], _ state: [[Float]]) throws -> [Float] {
            let evaluator = try Evaluator(network: network, preprocessing: preprocessing, batch: 3)
            return try pixels.withUnsafeBufferPointer {
                try evaluator.logits(pixels: $0, count: 3, parameters: parameters, state: state)
            }
        }
        let expected = try logits(network, parameters, state)
        let found = try logits(folded.network, made.parameters, made.state)
        let size = expected.reduce(1) { max($0, abs($1)) }
        for (a, b) in zip(found, expected) { #expect(abs(a - b) <= 1e-4 * size) }
    }

    /// A normalisation that follows no convolution stays.
    @Test func keepsOtherNormalisations() throws {
        let network = try Network(
            Architecture(
                name: [], inputHeight: 4, inputWidth: 4, inputChannels: 1, classes: 3,
                layers: [
                    .batchNorm(), .conv2d(filters: 2, kernel: 3, stride: 1, padding: 1), .relu, .batchNorm(), .flatten,
                    .dense(units: 3),
                ]))
        let folded = try FoldedNetwork(network)
        #expect(folded.network.architecture.layers == network.architecture.layers)
        let parameters = network.initialParameters(seed: 1)
        let made = folded.variables(parameters: parameters, state: network.initialState())
        #expect(made.parameters == parameters && made.state == network.initialState())
    }
}
