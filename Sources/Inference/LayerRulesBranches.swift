// The rules of depthwise convolutions, average pooling and residual sums.
extension LayerRules {
    func plan(_ c: QuantizedDepthwiseConv2d) throws(QuantizedModelError) -> LayerPlan {
        try needPicture()
        let kernels = 1...ModelRules.maximumKernel
        guard kernels.contains(c.kernelHeight), kernels.contains(c.kernelWidth), kernels.contains(c.stride),
            (0..<min(c.kernelHeight, c.kernelWidth)).contains(c.padding)
        else { throw error(.layerGeometry) }
        let output = try windows(
            input.height + 2 * c.padding, input.width + 2 * c.padding, c.kernelHeight, c.kernelWidth, c.stride)
        _ = try product(
            input.height + 2 * c.padding, input.width + 2 * c.padding, input.channels,
            limit: ModelRules.maximumActivation)
        let outputBound = try checkNumbers(
            inputs: c.kernelHeight * c.kernelWidth, outputs: input.channels, weights: c.weights, bias: c.bias,
            multipliers: c.multipliers, output: c.output)
        guard c.output != .logits else { throw error(.logitsPlacement) }
        return LayerPlan(
            input: input, output: output,
            multiplyAccumulates: UInt64(output.height) &* UInt64(output.width)
                &* UInt64(c.kernelHeight * c.kernelWidth * input.channels),
            parameters: (c.kernelHeight * c.kernelWidth + 1) * input.channels, outputBound: outputBound)
    }

    func plan(_ pool: QuantizedAveragePool2d) throws(QuantizedModelError) -> LayerPlan {
        try needPicture()
        let sides = 1...ModelRules.maximumSide
        guard sides.contains(pool.windowHeight), sides.contains(pool.windowWidth),
            (1...ModelRules.maximumKernel).contains(pool.stride)
        else { throw error(.layerGeometry) }
        let output = try windows(input.height, input.width, pool.windowHeight, pool.windowWidth, pool.stride)
        // At most 2^24 * 255.
        let sum = UInt64(pool.windowHeight * pool.windowWidth) &* UInt64(bound)
        guard sum < 1 << 31 else { throw error(.accumulatorRange) }
        try checkFactor(pool.multiplier)
        guard Float(sum) * pool.multiplier < 4_194_304 else { throw error(.requantisationRange) }
        return LayerPlan(
            input: input, output: output, multiplyAccumulates: 0, parameters: 0,
            outputBound: try activationBound(pool.output))
    }

    func plan(_ add: QuantizedAdd) throws(QuantizedModelError) -> LayerPlan {
        let source = try earlierLayer(add.source)
        guard source.output == input else {
            throw error(.summandShape, expected: input.count, found: source.output.count)
        }
        try checkFactor(add.multiplier)
        try checkFactor(add.sourceMultiplier)
        // Rounding is monotone, so this is the largest value that any pair of numbers can have.
        let largest = Float(bound) * add.multiplier + Float(source.outputBound) * add.sourceMultiplier
        guard largest < 4_194_304 else { throw error(.requantisationRange) }
        return LayerPlan(
            input: input, output: input, multiplyAccumulates: 0, parameters: 0,
            outputBound: try activationBound(add.output))
    }

    private func checkFactor(_ multiplier: Float) throws(QuantizedModelError) {
        guard multiplier.isFinite, multiplier > 0 else { throw error(.multiplierValue) }
    }

    /// The picture of all whole windows.
    private func windows(
        _ height: Int, _ width: Int, _ windowHeight: Int, _ windowWidth: Int, _ stride: Int
    ) throws(QuantizedModelError) -> ActivationShape {
        guard windowHeight <= height, windowWidth <= width else {
            throw error(
                .windowTooLarge, expected: min(height, width), found: max(windowHeight, windowWidth))
        }
        return ActivationShape(
            height: (height - windowHeight) / stride + 1, width: (width - windowWidth) / stride + 1,
            channels: input.channels)
    }
}
