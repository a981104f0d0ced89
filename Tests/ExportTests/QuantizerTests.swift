import Export
import Inference
import Kernels
import NeuralNetwork
import Testing
import Training

@Suite struct QuantizerTests {
    static func network(_ layers: [Layer], classes: Int = 2, side: Int = 2) -> Architecture {
        Architecture(
            name: Array("tiny".utf8), inputHeight: side, inputWidth: side, inputChannels: 1, classes: classes,
            layers: layers)
    }

    static func model(_ architecture: Architecture, parameters: [[Float]]) -> FloatModel {
        FloatModel(
            architecture: architecture, preprocessing: Preprocessing(zeroPoints: [100], scale: 0.01),
            labels: (0..<architecture.classes).map { "class \($0)" }, parameters: parameters)
    }

    /// One dense layer by hand: weights ±1.27 and half of it make steps of 0.01, biases count accumulator units.
    @Test func denseLayerByHand() throws {
        let architecture = QuantizerTests.network([.flatten, .dense(units: 2)])
        let model = QuantizerTests.model(
            architecture, parameters: [[1.27, 0.5, -1.27, 1.0, 0.634, -0.25, 0, 0], [0.0123, -0.5]])
        let quantized = try Quantizer(ranges: [:]).quantize(model)
        guard case .dense(let dense) = quantized.layers[1] else {
            Issue.record("expected a dense layer")
            return
        }
        #expect(dense.weights == [127, 64, -127, 127, 63, -32, 0, 0])
        // One accumulator unit of class 0 is 0.01 · 0.01, of class 1 0.01 · 1/127.
        #expect(dense.bias == [123, -6350])
        #expect(dense.output == .logits)
        #expect(quantized.input.zeroPoints == [100])
        let pixels: [UInt8] = [200, 0, 110, 100]
        let logits = IntegerExecutor(quantized).logits(pixels: pixels).map {
            Float($0) * quantized.logitScale
        }
        #expect(abs(logits[0] - (1.27 * 1 + 1.27 * 1 + 0.634 * 0.1 + 0.0123)) < 0.001)
        #expect(abs(logits[1] - (0.5 - 1.0 - 0.025 - 0.5)) < 0.01)
    }

    /// Every weight is within half a step, and every channel uses the whole range.
    @Test func weightsAreRoundedPerChannel() throws {
        let architecture = QuantizerTests.network([
            .conv2d(filters: 3, kernel: 2, stride: 1, padding: 0), .relu, .flatten, .dense(units: 2),
        ])
        var random = SplitMix64(seed: 4)
        var filter = (0..<12).map { _ in random.normal() }
        // Channels of very different size keep their own steps.
        for index in filter.indices { filter[index] *= [1, 0.001, 30][index % 3] }
        let model = QuantizerTests.model(
            architecture, parameters: [filter, [0.5, 0, -3], (0..<6).map { _ in random.normal() }, [0, 0]])
        let quantized = try Quantizer(ranges: [0: 2]).quantize(model)
        guard case .conv2d(let conv) = quantized.layers[0] else {
            Issue.record("expected a convolution")
            return
        }
        #expect(conv.output == .activations(low: 0, high: 127))
        for channel in 0..<3 {
            let values = stride(from: channel, to: 12, by: 3).map { (filter[$0], conv.weights[$0]) }
            let step = values.map { abs($0.0) }.reduce(0, max) / 127
            #expect(values.contains { abs($0.1) == 127 })
            for (float, int) in values { #expect(abs(float - Float(int) * step) <= step * 0.5001) }
            #expect(
                abs(conv.multipliers[channel] - 0.01 * step / (2 / 127)) < 1e-6 * conv.multipliers[channel])
        }
    }

    @Test func channelsWithoutWeightsKeepTheirBias() throws {
        let architecture = QuantizerTests.network([.flatten, .dense(units: 2)])
        let model = QuantizerTests.model(
            architecture, parameters: [[Float](repeating: 0, count: 8), [3, -2]])
        let quantized = try Quantizer(ranges: [:]).quantize(model)
        let logits = IntegerExecutor(quantized).logits(pixels: [1, 2, 3, 4]).map {
            Float($0) * quantized.logitScale
        }
        #expect(abs(logits[0] - 3) < 1e-4 && abs(logits[1] + 2) < 1e-4)
    }

    /// A bias far larger than the weights is kept and stays within the integers.
    @Test func hugeBiasesFit() throws {
        let architecture = QuantizerTests.network([.flatten, .dense(units: 2)])
        let model = QuantizerTests.model(
            architecture, parameters: [[Float](repeating: 1e-6, count: 8), [5000, -7000]])
        let quantized = try Quantizer(ranges: [:]).quantize(model)
        let logits = IntegerExecutor(quantized).logits(pixels: [1, 2, 3, 4]).map {
            Float($0) * quantized.logitScale
        }
        #expect(abs(logits[0] - 5000) < 1 && abs(logits[1] + 7000) < 1)
    }

    @Test func reluAfterPoolingIsFused() throws {
        let conv = Layer.conv2d(filters: 2, kernel: 1, stride: 1, padding: 0)
        let pool = Layer.maxPool2d(window: 2, stride: 2)
        let orders: [[Layer]] = [
            [conv, .relu, pool, .flatten], [conv, pool, .relu, .flatten], [conv, pool, .flatten, .relu],
        ]
        let models = try orders.map { layers in
            try Quantizer(ranges: [0: 1]).quantize(
                QuantizerTests.model(
                    QuantizerTests.network(layers + [.dense(units: 2)]),
                    parameters: [[0.5, -0.5], [0.1, 0.2], [1, 2, 3, 4], [0, 0]]))
        }
        #expect(models[0] == models[1] && models[1] == models[2])
        #expect(models[0].layers.count == 4)
    }

    @Test(
        arguments: [
            [.relu, .flatten, .dense(units: 2)], [.flatten, .dense(units: 2), .relu],
        ] as [[Layer]])
    func namesWhatCannotBeFused(layers: [Layer]) {
        let parameters: [[Float]] = [[Float](repeating: 1, count: 8), [0, 0]]
        let error = #expect(throws: ExportError.self) {
            try Quantizer(ranges: [:]).quantize(
                QuantizerTests.model(QuantizerTests.network(layers), parameters: parameters))
        }
        #expect(error?.description.contains("relu") == true)
    }

    @Test func aMissingRangeIsNamed() {
        let architecture = QuantizerTests.network([.flatten, .dense(units: 3), .relu, .dense(units: 2)])
        let model = QuantizerTests.model(
            architecture,
            parameters: [
                [Float](repeating: 1, count: 12), [0, 0, 0], [Float](repeating: 1, count: 6), [0, 0],
            ])
        let error = #expect(throws: ExportError.self) { try Quantizer(ranges: [:]).quantize(model) }
        #expect(error?.description.contains("layer 1") == true)
    }
}
