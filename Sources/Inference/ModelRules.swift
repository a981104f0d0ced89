/// The limits of the format and the rules that make a list of layers an executable integer model.
enum ModelRules {
    static let maximumSide = 4_096
    static let maximumChannels = 65_536
    static let maximumKernel = 64
    static let maximumLayers = 1_024
    static let maximumClasses = 256
    /// Numbers in one activation.
    static let maximumActivation = 1 << 26
    /// Weights in one layer.
    static let maximumWeights = 1 << 30
    static let maximumLabelBytes = 256
    static let maximumNameBytes = 256
    static let maximumProvenanceBytes = 1 << 20
    static let largestActivation = 255

    /// The plan of every layer; throws at the first rule that is broken.
    static func check(
        name: [UInt8], input: InputGeometry, layers: [QuantizedLayer], labels: [[UInt8]],
        logitScale: Float, provenance: [UInt8]
    ) throws(QuantizedModelError) -> [LayerPlan] {
        try checkTexts(name: name, labels: labels, provenance: provenance)
        guard logitScale.isFinite, logitScale > 0 else { throw QuantizedModelError(.logitScale) }
        try checkInput(input)
        guard layers.count <= maximumLayers else {
            throw QuantizedModelError(.tooLarge, expected: maximumLayers, found: layers.count)
        }
        var shape = ActivationShape(height: input.height, width: input.width, channels: input.channels)
        var bound = 0
        for zeroPoint in input.zeroPoints { bound = max(bound, Int(zeroPoint), 255 - Int(zeroPoint)) }
        var plans: [LayerPlan] = []
        var total: UInt64 = 0
        for index in 0..<layers.count {
            let rules = LayerRules(
                layer: index, isLast: index == layers.count - 1, input: shape, bound: bound)
            let plan = try rules.plan(layers[index])
            let (sum, overflow) = total.addingReportingOverflow(plan.multiplyAccumulates)
            guard !overflow else { throw QuantizedModelError(.tooLarge, layer: index) }
            total = sum
            plans.append(plan)
            shape = plan.output
            bound = plan.outputBound
        }
        guard let last = layers.last, case .dense = last else {
            throw QuantizedModelError(.logitsPlacement, layer: layers.count - 1)
        }
        guard labels.count == shape.count else {
            throw QuantizedModelError(.labelCount, expected: shape.count, found: labels.count)
        }
        return plans
    }

    private static func checkTexts(
        name: [UInt8], labels: [[UInt8]], provenance: [UInt8]
    ) throws(QuantizedModelError) {
        guard (1...maximumClasses).contains(labels.count) else {
            throw QuantizedModelError(.labelCount, expected: maximumClasses, found: labels.count)
        }
        for label in labels where label.count > maximumLabelBytes {
            throw QuantizedModelError(.textTooLong, expected: maximumLabelBytes, found: label.count)
        }
        guard name.count <= maximumNameBytes else {
            throw QuantizedModelError(.textTooLong, expected: maximumNameBytes, found: name.count)
        }
        guard provenance.count <= maximumProvenanceBytes else {
            throw QuantizedModelError(.textTooLong, expected: maximumProvenanceBytes, found: provenance.count)
        }
        var valid = UTF8Rules.isValid(name) && UTF8Rules.isValid(provenance)
        for label in labels where !UTF8Rules.isValid(label) { valid = false }
        guard valid else { throw QuantizedModelError(.notUTF8) }
    }

    private static func checkInput(_ input: InputGeometry) throws(QuantizedModelError) {
        let error = QuantizedModelError(.inputGeometry)
        let sides = 1...maximumSide
        guard sides.contains(input.height), sides.contains(input.width) else { throw error }
        guard input.channels == 1 || input.channels == 3 else { throw error }
        guard input.zeroPoints.count == input.channels else { throw error }
        for zeroPoint in input.zeroPoints where !(0...255).contains(zeroPoint) { throw error }
        guard input.scale.isFinite, input.scale > 0 else { throw error }
    }
}

/// The rules of one layer, given what arrives at it.
private struct LayerRules {
    let layer: Int
    let isLast: Bool
    let input: ActivationShape
    /// Largest magnitude of an input.
    let bound: Int

    func plan(_ kind: QuantizedLayer) throws(QuantizedModelError) -> LayerPlan {
        switch kind {
        case .conv2d(let convolution): return try plan(convolution)
        case .dense(let dense): return try plan(dense)
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
            multiplyAccumulates: UInt64(output.height) &* UInt64(output.width) &* UInt64(c.weights.count),
            parameters: c.weights.count + c.bias.count, outputBound: outputBound)
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
            multiplyAccumulates: UInt64(dense.weights.count),
            parameters: dense.weights.count + dense.bias.count,
            outputBound: outputBound)
    }

    private func needPicture() throws(QuantizedModelError) {
        guard !input.isFlat else { throw error(.shapeKind) }
    }

    /// Counts, values and the proof that no accumulator and no requantisation leaves its range.
    private func checkNumbers(
        inputs: Int, outputs: Int, weights: [Int8], bias: [Int32], multipliers: [Float],
        output: QuantizedOutput
    ) throws(QuantizedModelError) -> Int {
        let count = try product(inputs, outputs, 1, limit: ModelRules.maximumWeights)
        guard weights.count == count else {
            throw error(.weightCount, expected: count, found: weights.count)
        }
        guard bias.count == outputs else {
            throw error(.biasCount, expected: outputs, found: bias.count)
        }
        guard multipliers.count == outputs else {
            throw error(.multiplierCount, expected: outputs, found: multipliers.count)
        }
        var largest = 0
        let magnitudes = try self.magnitudes(weights, inputs: inputs, outputs: outputs)
        for channel in 0..<outputs {
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
        guard case .activations(let low, let high) = output else { return largest }
        let limit = Int16(ModelRules.largestActivation)
        guard low >= -limit, low <= 0, high > 0, high <= limit else { throw error(.activationRange) }
        return max(Int(high), -Int(low))
    }

    /// Σ|weight| of every output.
    private func magnitudes(
        _ weights: [Int8], inputs: Int, outputs: Int
    ) throws(QuantizedModelError) -> [UInt64] {
        var sums = [UInt64](repeating: 0, count: outputs)
        var hasMinimum = false
        weights.withUnsafeBufferPointer { weights in
            sums.withUnsafeMutableBufferPointer { sums in
                for input in 0..<inputs {
                    let row = input &* outputs
                    for output in 0..<outputs {
                        let weight = weights[row &+ output]
                        if weight == Int8.min { hasMinimum = true }
                        sums[output] &+= UInt64(weight.magnitude)
                    }
                }
            }
        }
        guard !hasMinimum else { throw error(.weightValue) }
        return sums
    }

    /// a * b * c, all positive, without overflow where `Int` has 32 bits.
    private func product(_ a: Int, _ b: Int, _ c: Int, limit: Int) throws(QuantizedModelError) -> Int {
        guard b <= limit / c, a <= limit / (b * c) else {
            throw error(.tooLarge, expected: limit)
        }
        return a * b * c
    }

    private func error(
        _ reason: QuantizedModelError.Reason, expected: Int = 0, found: Int = 0
    ) -> QuantizedModelError {
        QuantizedModelError(reason, layer: layer, expected: expected, found: found)
    }
}
