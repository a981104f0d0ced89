import Inference
import Testing

/// Each test breaks one rule of an otherwise valid model.
@Suite struct ModelRulesTests {
    static let input = InputGeometry(height: 4, width: 4, channels: 1, zeroPoints: [100], scale: 1)

    static func convolution(
        outputs: Int = 2, kernel: Int = 3, stride: Int = 1, padding: Int = 1, weight: Int8 = 1,
        count: Int = 18,
        bias: [Int32] = [0, 0], multipliers: [Float] = [0.1, 0.1], low: Int16 = 0, high: Int16 = 127
    ) -> QuantizedLayer {
        .conv2d(
            QuantizedConv2d(
                outputChannels: outputs, kernelHeight: kernel, kernelWidth: kernel, stride: stride,
                padding: padding, weights: [Int8](repeating: weight, count: count), bias: bias,
                multipliers: multipliers, output: .activations(low: low, high: high)))
    }

    static func dense(
        _ inputs: Int = 32, output: QuantizedOutput = .logits, multiplier: Float = 0.1, bias: Int32 = 0
    ) -> QuantizedLayer {
        .dense(
            QuantizedDense(
                outputs: 1, weights: [Int8](repeating: 127, count: inputs), bias: [bias],
                multipliers: [multiplier], output: output))
    }

    static func model(
        _ layers: [QuantizedLayer], input: InputGeometry = input, labels: [[UInt8]] = [[65]],
        logitScale: Float = 1, name: [UInt8] = []
    ) throws(QuantizedModelError) -> QuantizedModel {
        try QuantizedModel(
            name: name, input: input, layers: layers, labels: labels, logitScale: logitScale, provenance: [])
    }

    @Test("the model that the others break is valid")
    func valid() throws {
        let model = try Self.model([Self.convolution(), .flatten, Self.dense()])
        #expect(model.plan.map(\.outputBound) == [127, 127, 32 * 127 * 127 / 10 + 1])
    }

    static let broken: [(QuantizedModelError.Reason, Int, [QuantizedLayer])] = [
        (.layerGeometry, 0, [convolution(kernel: 0, padding: 0, count: 0), .flatten, dense()]),
        (.layerGeometry, 0, [convolution(stride: 0), .flatten, dense()]),
        (.layerGeometry, 0, [convolution(padding: 3), .flatten, dense()]),
        (.layerGeometry, 0, [convolution(outputs: 0, count: 0), .flatten, dense()]),
        (.layerGeometry, 0, [.maxPool2d(window: 2, stride: 0), .flatten, dense(4)]),
        (.windowTooLarge, 0, [convolution(kernel: 7, padding: 1, count: 98), .flatten, dense()]),
        (.windowTooLarge, 1, [convolution(), .maxPool2d(window: 5, stride: 1), .flatten, dense()]),
        (.weightCount, 0, [convolution(count: 17), .flatten, dense()]),
        (.biasCount, 0, [convolution(bias: [0]), .flatten, dense()]),
        (.multiplierCount, 0, [convolution(multipliers: [1]), .flatten, dense()]),
        (.multiplierValue, 0, [convolution(multipliers: [0.1, .nan]), .flatten, dense()]),
        (.multiplierValue, 0, [convolution(multipliers: [0, 0.1]), .flatten, dense()]),
        (.multiplierValue, 0, [convolution(multipliers: [.infinity, 0.1]), .flatten, dense()]),
        (.weightValue, 0, [convolution(weight: -128), .flatten, dense()]),
        (.accumulatorRange, 0, [convolution(bias: [.max, 0]), .flatten, dense()]),
        (.accumulatorRange, 0, [convolution(bias: [0, .min]), .flatten, dense()]),
        (.requantisationRange, 2, [convolution(), .flatten, dense(multiplier: 8.2)]),
        (.activationRange, 0, [convolution(low: -256), .flatten, dense()]),
        (.activationRange, 0, [convolution(high: 0), .flatten, dense()]),
        (.activationRange, 0, [convolution(low: 1), .flatten, dense()]),
        (.shapeKind, 1, [convolution(), dense()]),
        (.shapeKind, 1, [.flatten, convolution(), dense()]),
        (.shapeKind, 1, [.flatten, .maxPool2d(window: 1, stride: 1), dense(16)]),
        (.shapeKind, 0, [dense(16, output: .activations(low: 0, high: 1)), .flatten]),
        (.logitsPlacement, 1, [.flatten, dense(16, output: .activations(low: 0, high: 1))]),
        (.logitsPlacement, 1, [.flatten, dense(16), dense(1)]),
        (.logitsPlacement, 2, [.flatten, dense(16, output: .activations(low: 0, high: 1)), .flatten]),
        (.logitsPlacement, -1, []),
        (.layerReference, 0, [.output(of: 0), .flatten, dense(16)]),
        (.layerReference, 1, [convolution(), .output(of: 2), .flatten, dense()]),
        (.layerReference, 1, [convolution(), add(source: 1), .flatten, dense()]),
        (.summandShape, 2, [
            convolution(), .maxPool2d(window: 2, stride: 2), add(source: 0), .flatten, dense(8),
        ]),
        (.multiplierValue, 1, [convolution(), add(source: 0, multiplier: .infinity), .flatten, dense()]),
        (.requantisationRange, 1, [convolution(), add(source: 0, multiplier: 33_100), .flatten, dense()]),
        (.activationRange, 1, [convolution(), add(source: 0, high: 256), .flatten, dense()]),
        (.windowTooLarge, 0, [average(5, 0.1), .flatten, dense(1)]),
        (.layerGeometry, 0, [average(0, 0.1), .flatten, dense(1)]),
        (.multiplierValue, 0, [average(4, 0), .flatten, dense(1)]),
        (.requantisationRange, 0, [average(4, 1_700), .flatten, dense(1)]),
        (.weightCount, 0, [depthwise(count: 8), .flatten, dense(16)]),
        (.layerGeometry, 0, [depthwise(padding: 3), .flatten, dense(16)]),
        (.shapeKind, 1, [.flatten, depthwise(), dense(16)]),
    ]

    static func add(source: Int, multiplier: Float = 1, high: Int16 = 127) -> QuantizedLayer {
        .add(
            QuantizedAdd(
                source: source, multiplier: multiplier, sourceMultiplier: 1,
                output: .activations(low: 0, high: high)))
    }

    static func average(_ window: Int, _ multiplier: Float) -> QuantizedLayer {
        .averagePool2d(
            QuantizedAveragePool2d(
                windowHeight: window, windowWidth: window, stride: 1, multiplier: multiplier,
                output: .activations(low: 0, high: 127)))
    }

    static func depthwise(padding: Int = 1, count: Int = 9) -> QuantizedLayer {
        .depthwiseConv2d(
            QuantizedDepthwiseConv2d(
                kernelHeight: 3, kernelWidth: 3, stride: 1, padding: padding,
                weights: [Int8](repeating: 1, count: count), bias: [0], multipliers: [0.1],
                output: .activations(low: 0, high: 127)))
    }

    @Test("a broken rule names its layer", arguments: broken.indices)
    func rules(index: Int) {
        let (reason, layer, layers) = Self.broken[index]
        let error = #expect(throws: QuantizedModelError.self) { try Self.model(layers) }
        #expect(error?.reason == reason)
        #expect(error?.layer == layer)
    }

    @Test("the bound on requantisation is exact")
    func bound() throws {
        // 16 inputs of at most 155, weights 127: sums up to 314,960.
        let largest = Float(4_194_304) / 314_960
        #expect(throws: Never.self) {
            try Self.model([.flatten, Self.dense(16, multiplier: largest.nextDown.nextDown)])
        }
        #expect(throws: QuantizedModelError(.requantisationRange, layer: 1)) {
            try Self.model([.flatten, Self.dense(16, multiplier: largest.nextUp)])
        }
    }

    @Test("the model's own fields")
    func fields() {
        func reason(_ body: () throws(QuantizedModelError) -> QuantizedModel) -> QuantizedModelError.Reason? {
            do {
                _ = try body()
                return nil
            } catch { return error.reason }
        }
        let layers = [QuantizedLayer.flatten, Self.dense(16)]
        let two = [[65], [66]] as [[UInt8]]
        #expect(reason { () throws(QuantizedModelError) in try Self.model(layers) } == nil)
        #expect(
            reason { () throws(QuantizedModelError) in try Self.model(layers, labels: two) } == .labelCount)
        #expect(
            reason { () throws(QuantizedModelError) in try Self.model(layers, labels: []) } == .labelCount)
        #expect(
            reason { () throws(QuantizedModelError) in try Self.model(layers, logitScale: 0) } == .logitScale)
        #expect(reason { () throws(QuantizedModelError) in try Self.model(layers, name: [0xff]) } == .notUTF8)
        #expect(
            reason { () throws(QuantizedModelError) in try Self.model(layers, labels: [[0xc0, 0x80]]) }
                == .notUTF8)
        let long = [UInt8](repeating: 65, count: 257)
        #expect(
            reason { () throws(QuantizedModelError) in try Self.model(layers, name: long) } == .textTooLong)
        for input in [
            InputGeometry(height: 0, width: 4, channels: 1, zeroPoints: [0], scale: 1),
            InputGeometry(height: 4, width: 4_097, channels: 1, zeroPoints: [0], scale: 1),
            InputGeometry(height: 4, width: 4, channels: 2, zeroPoints: [0, 0], scale: 1),
            InputGeometry(height: 4, width: 4, channels: 1, zeroPoints: [], scale: 1),
            InputGeometry(height: 4, width: 4, channels: 1, zeroPoints: [256], scale: 1),
            InputGeometry(height: 4, width: 4, channels: 1, zeroPoints: [0], scale: .nan),
        ] {
            #expect(
                reason { () throws(QuantizedModelError) in try Self.model(layers, input: input) }
                    == .inputGeometry)
        }
    }

    @Test("sizes that multiply beyond every limit are refused, not computed")
    func tooLarge() {
        let input = InputGeometry(height: 4_096, width: 4_096, channels: 3, zeroPoints: [0, 0, 0], scale: 1)
        let outputs = 65_536
        let layer = QuantizedLayer.conv2d(
            QuantizedConv2d(
                outputChannels: outputs, kernelHeight: 1, kernelWidth: 1, stride: 1, padding: 0,
                weights: [], bias: [], multipliers: [], output: .activations(low: 0, high: 127)))
        let error = #expect(throws: QuantizedModelError.self) { try Self.model([layer], input: input) }
        #expect(error?.reason == .tooLarge)
    }
}
