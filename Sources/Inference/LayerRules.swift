import Kernels

/// The rules of one layer, given what arrives at it.
struct LayerRules {
    let layer: Int
    let isLast: Bool
    let input: ActivationShape
    /// Largest magnitude of an input.
    let bound: Int
    /// What is known about the layers before.
    let earlier: [LayerPlan]
    /// The number of weights of a layer whose numbers are still in the file: their ranges are proven later.
    var unreadWeights: Int?

    func plan(_ kind: QuantizedLayer) throws(QuantizedModelError) -> LayerPlan {
        switch kind {
        case .conv2d(let convolution): return try plan(convolution)
        case .dense(let dense): return try plan(dense)
        case .depthwiseConv2d(let convolution): return try plan(convolution)
        case .averagePool2d(let pool): return try plan(pool)
        case .add(let add): return try plan(add)
        case .output(let source):
            let source = try earlierLayer(source)
            return LayerPlan(
                input: source.output, output: source.output, multiplyAccumulates: 0, parameters: 0,
                outputBound: source.outputBound)
        case .maxPool2d(let window, let stride):
            try needPicture()
            guard (1...ModelRules.maximumKernel).contains(window),
                (1...ModelRules.maximumKernel).contains(stride)
            else {
                throw error(.layerGeometry, expected: ModelRules.maximumKernel, found: max(window, stride))
            }
            guard window <= input.height, window <= input.width else {
                throw error(.windowTooLarge, expected: min(input.height, input.width), found: window)
            }
            let output = ActivationShape(
                height: (input.height - window) / stride + 1, width: (input.width - window) / stride + 1,
                channels: input.channels)
            return LayerPlan(
                input: input, output: output, multiplyAccumulates: 0, parameters: 0, outputBound: bound)
        case .flatten:
            let output = ActivationShape(height: 1, width: 1, channels: input.count, isFlat: true)
            return LayerPlan(
                input: input, output: output, multiplyAccumulates: 0, parameters: 0, outputBound: bound)
        }
    }

    private func plan(_ c: QuantizedConv2d) throws(QuantizedModelError) -> LayerPlan {
        try needPicture()
        let kernels = 1...ModelRules.maximumKernel
        guard kernels.contains(c.kernelHeight), kernels.contains(c.kernelWidth), kernels.contains(c.stride),
            (1...ModelRules.maximumChannels).contains(c.outputChannels),
            (0..<min(c.kernelHeight, c.kernelWidth)).contains(c.padding)
        else { throw error(.layerGeometry) }
        let height = input.height + 2 * c.padding
        let width = input.width + 2 * c.padding
        guard c.kernelHeight <= height, c.kernelWidth <= width else {
            throw error(
                .windowTooLarge, expected: min(height, width), found: max(c.kernelHeight, c.kernelWidth))
        }
        let output = ActivationShape(
            height: (height - c.kernelHeight) / c.stride + 1, width: (width - c.kernelWidth) / c.stride + 1,
            channels: c.outputChannels)
        // With the padding that the plane of the input has to hold.
        _ = try product(height, width, input.channels, limit: ModelRules.maximumActivation)
        _ = try product(output.height, output.width, output.channels, limit: ModelRules.maximumActivation)
        let window = try product(
            c.kernelHeight, c.kernelWidth, input.channels, limit: ModelRules.maximumWeights)
        let outputBound = try checkNumbers(
            inputs: window, outputs: c.outputChannels, weights: c.weights, bias: c.bias,
            multipliers: c.multipliers, output: c.output)
        guard c.output != .logits else { throw error(.logitsPlacement) }
        return LayerPlan(
            input: input, output: output,
            multiplyAccumulates: UInt64(output.height) &* UInt64(output.width) &* UInt64(window)
                &* UInt64(c.outputChannels),
            parameters: (window + 1) * c.outputChannels, outputBound: outputBound)
    }

    private func plan(_ dense: QuantizedDense) throws(QuantizedModelError) -> LayerPlan {
        guard input.isFlat else { throw error(.shapeKind) }
        guard (1...ModelRules.maximumChannels).contains(dense.outputs) else {
            throw error(.layerGeometry, expected: ModelRules.maximumChannels, found: dense.outputs)
        }
        let outputBound = try checkNumbers(
            inputs: input.count, outputs: dense.outputs, weights: dense.weights, bias: dense.bias,
            multipliers: dense.multipliers, output: dense.output)
        guard (dense.output == .logits) == isLast else { throw error(.logitsPlacement) }
        return LayerPlan(
            input: input,
            output: ActivationShape(height: 1, width: 1, channels: dense.outputs, isFlat: true),
            multiplyAccumulates: UInt64(input.count) &* UInt64(dense.outputs),
            parameters: (input.count + 1) * dense.outputs,
            outputBound: outputBound)
    }

    func needPicture() throws(QuantizedModelError) {
        guard !input.isFlat else { throw error(.shapeKind) }
    }

    /// The plan of a layer before this one.
    func earlierLayer(_ index: Int) throws(QuantizedModelError) -> LayerPlan {
        guard index >= 0, index < layer else { throw error(.layerReference, expected: layer, found: index) }
        return earlier[index]
    }

    /// Counts, values and the proof that no accumulator and no requantisation leaves its range.
    func checkNumbers(
        inputs: Int, outputs: Int, weights: [Int8], bias: [Int32], multipliers: [Float],
        output: QuantizedOutput
    ) throws(QuantizedModelError) -> Int {
        let count = try product(inputs, outputs, 1, limit: ModelRules.maximumWeights)
        let found = unreadWeights ?? weights.count
        guard found == count else { throw error(.weightCount, expected: count, found: found) }
        if unreadWeights != nil { return output == .logits ? 0 : try activationBound(output) }
        guard bias.count == outputs else {
            throw error(.biasCount, expected: outputs, found: bias.count)
        }
        guard multipliers.count == outputs else {
            throw error(.multiplierCount, expected: outputs, found: multipliers.count)
        }
        var magnitudes = QS8Magnitudes(outputs: outputs)
        weights.withUnsafeBufferPointer { if let base = $0.baseAddress { magnitudes.add(base, rows: inputs) } }
        let largest = try checkRanges(magnitudes, bias: bias, multipliers: multipliers)
        guard output != .logits else { return largest }
        return try activationBound(output)
    }

    /// The proof that no accumulator and no requantisation leaves its range; gives the largest output.
    func checkRanges(
        _ weights: QS8Magnitudes, bias: [Int32], multipliers: [Float]
    ) throws(QuantizedModelError) -> Int {
        let (magnitudes, isSymmetric) = weights.total()
        guard isSymmetric else { throw error(.weightValue) }
        var largest = 0
        for channel in 0..<magnitudes.count {
            let multiplier = multipliers[channel]
            guard multiplier.isFinite, multiplier > 0 else {
                throw error(.multiplierValue, found: channel)
            }
            // At most 2^30 * 127 * 255 + 2^31; checked 64-bit products would need a 128-bit one on wasm.
            let sum = magnitudes[channel] &* UInt64(bound) &+ UInt64(bias[channel].magnitude)
            guard sum < 1 << 31 else { throw error(.accumulatorRange, found: channel) }
            // Rounding is monotone, so the largest sum has the largest product.
            let product = Float(sum) * multiplier
            guard product < 4_194_304 else { throw error(.requantisationRange, found: channel) }
            largest = max(largest, Int(product) + 1)
        }
        return largest
    }

    /// The largest magnitude that a layer's clamp lets through.
    func activationBound(_ output: QuantizedOutput) throws(QuantizedModelError) -> Int {
        guard case .activations(let low, let high) = output else { throw error(.logitsPlacement) }
        let limit = Int16(ModelRules.largestActivation)
        guard low >= -limit, low <= 0, high > 0, high <= limit else { throw error(.activationRange) }
        return max(Int(high), -Int(low))
    }

    /// a * b * c, all positive, without overflow where `Int` has 32 bits.
    func product(_ a: Int, _ b: Int, _ c: Int, limit: Int) throws(QuantizedModelError) -> Int {
        guard b <= limit / c, a <= limit / (b * c) else {
            throw error(.tooLarge, expected: limit)
        }
        return a * b * c
    }

    func error(
        _ reason: QuantizedModelError.Reason, expected: Int = 0, found: Int = 0
    ) -> QuantizedModelError {
        QuantizedModelError(reason, layer: layer, expected: expected, found: found)
    }
}
