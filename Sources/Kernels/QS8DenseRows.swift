import CSIMD

/// A fully connected layer a few rows of weights at a time, as they come from storage: nothing is packed.
package enum QS8DenseRows {
    /// `sums[o] += Σ inputs[r] · weights[r][o]` over the rows given; `sums` need no padding.
    package static func accumulate(
        _ weights: UnsafePointer<Int8>, rows: Int, outputs: Int, inputs: UnsafePointer<Int16>,
        _ sums: UnsafeMutablePointer<Int32>
    ) {
        var row = 0
        while row &+ 8 <= rows {
            eight(weights + row &* outputs, outputs, inputs + row, sums)
            row &+= 8
        }
        while row < rows {
            let input = Int32(inputs[row])
            let weights = weights + row &* outputs
            for output in 0..<outputs { sums[output] &+= input &* Int32(weights[output]) }
            row &+= 1
        }
    }

    /// `target[o] = clamp(round(sums[o] * multipliers[o]), low, high)`; the sums have the bias in them.
    package static func activations(
        _ sums: UnsafePointer<Int32>, _ multipliers: UnsafePointer<Float>, outputs: Int, low: Int16, high: Int16,
        _ target: UnsafeMutablePointer<Int16>
    ) {
        for output in 0..<outputs {
            let rounded = QS8Reference.requantise(sums[output], multipliers[output])
            target[output] = Int16(min(max(rounded, Int32(low)), Int32(high)))
        }
    }

    /// `target[o] = round(sums[o] * multipliers[o])`.
    package static func logits(
        _ sums: UnsafePointer<Int32>, _ multipliers: UnsafePointer<Float>, outputs: Int,
        _ target: UnsafeMutablePointer<Int32>
    ) {
        for output in 0..<outputs { target[output] = QS8Reference.requantise(sums[output], multipliers[output]) }
    }

    /// Eight rows: eight outputs at a time, their two vectors of sums in registers.
    @inline(never)
    private static func eight(
        _ weights: UnsafePointer<Int8>, _ outputs: Int, _ inputs: UnsafePointer<Int16>,
        _ sums: UnsafeMutablePointer<Int32>
    ) {
        let first = lanes_splat_pair(inputs)
        let second = lanes_splat_pair(inputs + 2)
        let third = lanes_splat_pair(inputs + 4)
        let fourth = lanes_splat_pair(inputs + 6)
        var output = 0
        while output &+ 8 <= outputs {
            var low = lanes_load(sums + output)
            var high = lanes_load(sums + output + 4)
            pair(weights + output, outputs, first, &low, &high)
            pair(weights + (output &+ 2 &* outputs), outputs, second, &low, &high)
            pair(weights + (output &+ 4 &* outputs), outputs, third, &low, &high)
            pair(weights + (output &+ 6 &* outputs), outputs, fourth, &low, &high)
            lanes_store(sums + output, low)
            lanes_store(sums + output + 4, high)
            output &+= 8
        }
        while output < outputs {
            var sum = sums[output]
            for row in 0..<8 { sum &+= Int32(inputs[row]) &* Int32(weights[row &* outputs &+ output]) }
            sums[output] = sum
            output &+= 1
        }
    }

    /// Two rows of eight outputs.
    @inline(__always)
    private static func pair(
        _ weights: UnsafePointer<Int8>, _ outputs: Int, _ inputs: SIMD4<Int32>, _ low: inout SIMD4<Int32>,
        _ high: inout SIMD4<Int32>
    ) {
        let even = lanes_widen_i8(weights)
        let odd = lanes_widen_i8(weights + outputs)
        low = lanes_add_i32(low, lanes_dot_i16(lanes_interleave_low(even, odd), inputs))
        high = lanes_add_i32(high, lanes_dot_i16(lanes_interleave_high(even, odd), inputs))
    }
}
