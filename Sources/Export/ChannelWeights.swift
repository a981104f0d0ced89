/// Weights rounded to integers with one step per output channel, the innermost dimension.
struct ChannelWeights: Equatable {
    /// In the order they had, −levels…levels.
    let weights: [Int8]
    /// In units of input step × weight step.
    let bias: [Int32]
    /// The value of one unit of weight, per output channel.
    let steps: [Double]
    /// Weights and biases in units, before they were rounded.
    let unrounded: [Float]
    let unroundedBias: [Float]

    /// - Parameter levels: 127 for eight bits, 7 for four.
    init(_ weight: [Float], bias floatBias: [Float], inputStep: Double, levels: Int = 127) {
        let channels = floatBias.count
        var largest = [Float](repeating: 0, count: channels)
        for (index, value) in weight.enumerated() {
            largest[index % channels] = max(largest[index % channels], abs(value))
        }
        // A channel without weights gives only its bias; any step that represents that will do.
        let fallback = largest.max().flatMap { $0 > 0 ? $0 : nil } ?? 1
        let kept = levels < 127 ? ChannelWeights.keptShares(weight, largest, levels) : largest.map { _ in 1 }
        let steps = largest.indices.map { channel in
            let bias = floatBias[channel]
            let natural = Double(largest[channel] > 0 ? largest[channel] : fallback) * kept[channel] / Double(levels)
            // Keeps |bias| within 2^24, where it is exact as a Float.
            return max(natural, Double(abs(bias)) / (inputStep * 16_777_216))
        }
        let scaled = weight.enumerated().map { index, value in Double(value) / steps[index % channels] }
        weights = scaled.map { Int8(max(-Double(levels), min(Double(levels), $0.rounded(.toNearestOrEven)))) }
        unrounded = scaled.map { Float($0) }
        let scaledBias = zip(floatBias, steps).map { bias, step in Double(bias) / (inputStep * step) }
        bias = scaledBias.map { Int32($0.rounded(.toNearestOrEven)) }
        unroundedBias = scaledBias.map { Float($0) }
        self.steps = steps
    }

    /// For each channel the share of its largest weight that becomes the largest integer, with the least squared error.
    ///
    /// With few levels it pays to cut the largest weights off.
    private static func keptShares(_ weight: [Float], _ largest: [Float], _ levels: Int) -> [Double] {
        let channels = largest.count
        var best = [Double](repeating: 1, count: channels)
        var least = [Double](repeating: .infinity, count: channels)
        for share in stride(from: 1.0, through: 0.5, by: -0.05) {
            var errors = [Double](repeating: 0, count: channels)
            for (index, value) in weight.enumerated() where value != 0 {
                let step = Double(largest[index % channels]) * share / Double(levels)
                let rounded = (Double(value) / step).rounded(.toNearestOrEven)
                let error = Double(value) - max(-Double(levels), min(Double(levels), rounded)) * step
                errors[index % channels] += error * error
            }
            for channel in 0..<channels where errors[channel] < least[channel] {
                (least[channel], best[channel]) = (errors[channel], share)
            }
        }
        return best
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
