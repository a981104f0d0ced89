/// The integer layers as plain loops over plain arrays: what the kernels must equal bit for bit.
///
/// Arrays are NHWC without borders, one picture; weights HWIO or `[inputs][outputs]`.
package enum QS8Reference {
    /// `round(Float(acc) * multiplier)`, ties to even, valid below 2^22.
    package static func requantise(_ acc: Int32, _ multiplier: Float) -> Int32 {
        let magic: Float = 12_582_912
        return Int32(bitPattern: (Float(acc) * multiplier + magic).bitPattern &- magic.bitPattern)
    }

    /// Sums of a convolution, bias included: `[outputHeight][outputWidth][outputs]`.
    package static func convolutionSums(
        _ input: [Int16], height: Int, width: Int, channels: Int, weights: [Int8], bias: [Int32],
        kernelHeight: Int, kernelWidth: Int, stride: Int, padding: Int
    ) -> [Int32] {
        let outputs = bias.count
        let outputHeight = (height + 2 * padding - kernelHeight) / stride + 1
        let outputWidth = (width + 2 * padding - kernelWidth) / stride + 1
        var sums: [Int32] = []
        sums.reserveCapacity(outputHeight * outputWidth * outputs)
        for y in 0..<outputHeight {
            for x in 0..<outputWidth {
                for o in 0..<outputs {
                    var sum = bias[o]
                    for ky in 0..<kernelHeight {
                        for kx in 0..<kernelWidth {
                            let row = y * stride + ky - padding
                            let column = x * stride + kx - padding
                            guard row >= 0, row < height, column >= 0, column < width else { continue }
                            for c in 0..<channels {
                                let weight = weights[((ky * kernelWidth + kx) * channels + c) * outputs + o]
                                sum += Int32(input[(row * width + column) * channels + c]) * Int32(weight)
                            }
                        }
                    }
                    sums.append(sum)
                }
            }
        }
        return sums
    }

    /// Sums of a fully connected layer, bias included.
    package static func denseSums(_ input: [Int16], weights: [Int8], bias: [Int32]) -> [Int32] {
        var sums = bias
        for i in 0..<input.count {
            for o in 0..<bias.count { sums[o] += Int32(input[i]) * Int32(weights[i * bias.count + o]) }
        }
        return sums
    }

    /// Sums requantised per channel (the last index) and clamped.
    package static func activations(
        _ sums: [Int32], multipliers: [Float], low: Int16, high: Int16
    ) -> [Int16] {
        var result: [Int16] = []
        result.reserveCapacity(sums.count)
        for i in 0..<sums.count {
            let q = requantise(sums[i], multipliers[i % multipliers.count])
            result.append(Int16(min(max(q, Int32(low)), Int32(high))))
        }
        return result
    }

    /// Max pooling without padding.
    package static func maxPool(
        _ input: [Int16], height: Int, width: Int, channels: Int, window: Int, stride: Int
    ) -> [Int16] {
        var result: [Int16] = []
        for y in 0..<(height - window) / stride + 1 {
            for x in 0..<(width - window) / stride + 1 {
                for c in 0..<channels {
                    var best = Int16.min
                    for dy in 0..<window {
                        for dx in 0..<window {
                            let pixel = (y * stride + dy) * width + x * stride + dx
                            best = max(best, input[pixel * channels + c])
                        }
                    }
                    result.append(best)
                }
            }
        }
        return result
    }
}
