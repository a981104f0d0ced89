/// Weights rounded to int8 with one step per output channel, the innermost dimension.
struct ChannelWeights: Equatable {
    /// In the order they had, −127…127.
    let weights: [Int8]
    /// In units of input step × weight step.
    let bias: [Int32]
    /// The value of one unit of weight, per output channel.
    let steps: [Double]
    /// Weights and biases in units, before they were rounded.
    let unrounded: [Float]
    let unroundedBias: [Float]

    init(_ weight: [Float], bias floatBias: [Float], inputStep: Double) {
        let channels = floatBias.count
        var largest = [Float](repeating: 0, count: channels)
        for (index, value) in weight.enumerated() {
            largest[index % channels] = max(largest[index % channels], abs(value))
        }
        // A channel without weights gives only its bias; any step that represents that will do.
        let fallback = largest.max().flatMap { $0 > 0 ? $0 : nil } ?? 1
        let steps = zip(largest, floatBias).map { largest, bias in
            let natural = Double(largest > 0 ? largest : fallback) / 127
            // Keeps |bias| within 2^24, where it is exact as a Float.
            return max(natural, Double(abs(bias)) / (inputStep * 16_777_216))
        }
        let scaled = weight.enumerated().map { index, value in Double(value) / steps[index % channels] }
        weights = scaled.map { Int8(max(-127, min(127, $0.rounded(.toNearestOrEven)))) }
        unrounded = scaled.map { Float($0) }
        let scaledBias = zip(floatBias, steps).map { bias, step in Double(bias) / (inputStep * step) }
        bias = scaledBias.map { Int32($0.rounded(.toNearestOrEven)) }
        unroundedBias = scaledBias.map { Float($0) }
        self.steps = steps
    }

    /// One step for all logits: that of the coarsest channel, or more so that no logit passes 2^21.
    func logitStep(inputStep: Double, inputBound: Int) -> Double {
        let channels = steps.count
        var sums = bias.map { Int($0.magnitude) }
        for (index, weight) in weights.enumerated() {
            sums[index % channels] += Int(weight.magnitude) * inputBound
        }
        let finest = (steps.max() ?? 1) * inputStep
        let largest = zip(sums, steps).map { Double($0) * $1 * inputStep }.max() ?? 0
        return max(finest, largest / 2_097_152)
    }
}
