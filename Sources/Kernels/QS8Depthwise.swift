import CSIMD

/// A prepared int8 convolution of each channel with its own filter, with fused requantisation and ReLU.
///
/// Rows of the picture are interleaved two by two first, so that one dot product takes two taps of four channels.
/// Output rows that start at an odd row use filters shifted by one row, with a zero above.
package struct QS8Depthwise: Sendable {
    let input: QS8Plane
    let output: QS8Plane
    let low: Int16
    let high: Int16
    let kernelHeight: Int
    let kernelWidth: Int
    let stride: Int
    let padding: Int
    /// Channels rounded up to whole vectors.
    let lanes: Int
    /// `[parity][channel block of 8][pair of rows][kernelWidth][8 channels][2 rows]`.
    let packed: [Int16]
    let bias: [Int32]
    let multipliers: [Float]

    /// `weights` are `[kernelHeight][kernelWidth][channels]`; `input.border` is at least `padding`.
    package init(
        weights: [Int8], bias: [Int32], multipliers: [Float], low: Int16, high: Int16,
        kernelHeight: Int, kernelWidth: Int, stride: Int, padding: Int, input: QS8Plane, output: QS8Plane
    ) {
        precondition(padding <= input.border, "the border holds the padding")
        let channels = input.channels
        precondition(weights.count == kernelHeight * kernelWidth * channels, "weights match their shape")
        precondition(bias.count == channels && multipliers.count == channels, "one per channel")
        self.input = input
        self.output = output
        self.low = low
        self.high = high
        self.kernelHeight = kernelHeight
        self.kernelWidth = kernelWidth
        self.stride = stride
        self.padding = padding
        lanes = (channels + 7) / 8 * 8
        self.bias = bias + [Int32](repeating: 0, count: lanes - channels)
        self.multipliers = multipliers + [Float](repeating: 0, count: lanes - channels)
        let pairs = kernelHeight / 2 + 1
        var packed = [Int16](repeating: 0, count: 2 * lanes * pairs * kernelWidth * 2)
        for parity in 0..<2 {
            for row in 0..<kernelHeight {
                for column in 0..<kernelWidth {
                    for c in 0..<channels {
                        let block = (parity * lanes + c / 8 * 8) * pairs * kernelWidth * 2
                        let tap = ((row + parity) / 2 * kernelWidth + column) * 16
                        packed[block + tap + c % 8 * 2 + (row + parity) % 2] =
                            Int16(weights[(row * kernelWidth + column) * channels + c])
                    }
                }
            }
        }
        self.packed = packed
    }

    private var rows: Int { (output.height - 1) * stride + kernelHeight }
    private var columns: Int { (output.width - 1) * stride + kernelWidth }
    /// Numbers from one pair of rows to the next.
    private var pitch: Int { columns * lanes * 2 }

    /// 16-bit numbers of scratch that `run` needs.
    package var scratch: Int { (rows + 2) / 2 * pitch }

    /// One picture from plane to plane; the output's border is left alone.
    package func run(
        _ source: UnsafePointer<Int16>, _ target: UnsafeMutablePointer<Int16>,
        scratch: UnsafeMutablePointer<Int16>
    ) {
        var row = 0
        while row < rows + 1 {
            // What lies below the last row meets zero weights.
            let below = min(row + 1, rows - 1)
            interleave(
                source + input.offset(min(row, rows - 1) - padding, -padding),
                source + input.offset(below - padding, -padding), scratch + row / 2 * pitch)
            row += 2
        }
        let pairs = kernelHeight / 2 + 1
        let low = lanes_splat_i16(low)
        let high = lanes_splat_i16(high)
        packed.withUnsafeBufferPointer { packed in
            bias.withUnsafeBufferPointer { bias in
                multipliers.withUnsafeBufferPointer { multipliers in
                    for y in 0..<output.height {
                        let top = y * stride
                        var c = 0
                        while c < input.channels {
                            let line = QS8DepthwiseLine(
                                input: UnsafePointer(scratch) + top / 2 * pitch + c * 2, pitch: pitch,
                                step: lanes * 2, stride: stride,
                                weights: packed.baseAddress! + (top % 2 * lanes + c) * pairs * kernelWidth * 2,
                                pairs: (kernelHeight + top % 2 + 1) / 2, kernelWidth: kernelWidth,
                                bias: bias.baseAddress! + c, multipliers: multipliers.baseAddress! + c,
                                low: low, high: high, output: target + output.offset(y, 0) + c,
                                outputStep: input.channels, channels: input.channels - c)
                            line.run(columns: output.width)
                            c += 8
                        }
                    }
                }
            }
        }
    }

    /// `[column][channel][upper, lower]` of two rows.
    @inline(never)
    private func interleave(
        _ upper: UnsafePointer<Int16>, _ lower: UnsafePointer<Int16>, _ target: UnsafeMutablePointer<Int16>
    ) {
        let channels = input.channels
        if lanes == channels {
            interleave(upper, lower, target, columns * channels)
            return
        }
        for column in 0..<columns {
            interleave(upper + column * channels, lower + column * channels, target + column * lanes * 2, channels)
        }
    }

    @inline(__always)
    private func interleave(
        _ upper: UnsafePointer<Int16>, _ lower: UnsafePointer<Int16>, _ target: UnsafeMutablePointer<Int16>,
        _ count: Int
    ) {
        var i = 0
        while i < count {
            let a = lanes_load(upper + i)
            let b = lanes_load(lower + i)
            lanes_store(target + i &* 2, lanes_interleave_low(a, b))
            lanes_store(target + i &* 2 + 8, lanes_interleave_high(a, b))
            i &+= 8
        }
    }
}

/// Eight channels of one output row.
private struct QS8DepthwiseLine {
    let input: UnsafePointer<Int16>
    let pitch: Int
    /// Numbers from one column of pairs to the next.
    let step: Int
    let stride: Int
    let weights: UnsafePointer<Int16>
    let pairs: Int
    let kernelWidth: Int
    let bias: UnsafePointer<Int32>
    let multipliers: UnsafePointer<Float>
    let low: SIMD4<Int32>
    let high: SIMD4<Int32>
    let output: UnsafeMutablePointer<Int16>
    let outputStep: Int
    let channels: Int

    func run(columns: Int) {
        if pairs == 2, kernelWidth == 3 { return three(columns) }
        for x in 0..<columns {
            var a = lanes_load(bias)
            var b = lanes_load(bias + 4)
            var w = weights
            for pair in 0..<pairs {
                var from = input + pair &* pitch + x &* stride &* step
                for _ in 0..<kernelWidth {
                    a = lanes_add_i32(a, lanes_dot_i16(lanes_load(from), lanes_load(w)))
                    b = lanes_add_i32(b, lanes_dot_i16(lanes_load(from + 8), lanes_load(w + 8)))
                    from += step
                    w += 16
                }
            }
            store(a, b, x)
        }
    }

    @inline(never)
    private func three(_ columns: Int) {
        let left = QS8DepthwiseTaps(weights: weights, bias: bias, multipliers: multipliers)
        let right = QS8DepthwiseTaps(weights: weights + 8, bias: bias + 4, multipliers: multipliers + 4)
        let advance = stride &* step
        var upper = input
        var lower = input + pitch
        var target = output
        if channels >= 8 {
            for _ in 0..<columns {
                let a = left.value(upper, lower, step)
                let b = right.value(upper + 8, lower + 8, step)
                lanes_store(target, lanes_min_i16(lanes_max_i16(lanes_narrow(a, b), low), high))
                upper += advance
                lower += advance
                target += outputStep
            }
            return
        }
        for x in 0..<columns {
            storeSome(left.value(upper, lower, step), right.value(upper + 8, lower + 8, step), x)
            upper += advance
            lower += advance
        }
    }

    @inline(__always)
    private func store(_ a: SIMD4<Int32>, _ b: SIMD4<Int32>, _ x: Int) {
        let a = lanes_requantise(a, lanes_load(multipliers))
        let b = lanes_requantise(b, lanes_load(multipliers + 4))
        if channels < 8 { return storeSome(a, b, x) }
        lanes_store(output + x &* outputStep, lanes_min_i16(lanes_max_i16(lanes_narrow(a, b), low), high))
    }

    /// The last channels, fewer than a vector.
    private func storeSome(_ a: SIMD4<Int32>, _ b: SIMD4<Int32>, _ x: Int) {
        storeClamped(lanes_narrow(a, b), low, high, output + x &* outputStep, channels)
    }
}

/// Four channels of a 3x3 filter, its two pairs of rows held in registers.
private struct QS8DepthwiseTaps {
    let upper0, upper1, upper2, lower0, lower1, lower2, bias, multiplier: SIMD4<Int32>

    @inline(__always)
    init(weights: UnsafePointer<Int16>, bias: UnsafePointer<Int32>, multipliers: UnsafePointer<Float>) {
        upper0 = lanes_load(weights)
        upper1 = lanes_load(weights + 16)
        upper2 = lanes_load(weights + 32)
        lower0 = lanes_load(weights + 48)
        lower1 = lanes_load(weights + 64)
        lower2 = lanes_load(weights + 80)
        self.bias = lanes_load(bias)
        multiplier = lanes_load(multipliers)
    }

    @inline(__always)
    func value(_ upper: UnsafePointer<Int16>, _ lower: UnsafePointer<Int16>, _ step: Int) -> SIMD4<Int32> {
        var sum = lanes_add_i32(bias, lanes_dot_i16(lanes_load(upper), upper0))
        sum = lanes_add_i32(sum, lanes_dot_i16(lanes_load(upper + step), upper1))
        sum = lanes_add_i32(sum, lanes_dot_i16(lanes_load(upper + 2 &* step), upper2))
        sum = lanes_add_i32(sum, lanes_dot_i16(lanes_load(lower), lower0))
        sum = lanes_add_i32(sum, lanes_dot_i16(lanes_load(lower + step), lower1))
        sum = lanes_add_i32(sum, lanes_dot_i16(lanes_load(lower + 2 &* step), lower2))
        return lanes_requantise(sum, multiplier)
    }
}
