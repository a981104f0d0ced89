import CSIMD

/// A prepared int8 convolution of each channel with its own filter, with fused requantisation and ReLU.
///
/// Rows of the picture are interleaved two by two, eight channels after the other, so that one dot product takes two
/// taps of four channels. Output rows that start at an odd row use filters shifted by one row, with a zero above. 3x3
/// filters at stride 1 or 2 interleave in registers (`QS8DepthwiseBand`), any other all rows first.
package final class QS8Depthwise: Sendable {
    let input: QS8Plane
    let output: QS8Plane
    let low: Int16
    let high: Int16
    let kernelHeight: Int
    let kernelWidth: Int
    let stride: Int
    let padding: Int
    /// `[parity][channel block of 8][pair of rows][kernelWidth][8 channels][2 rows]`.
    let packed: [Int16]
    let bias: [Int32]
    let multipliers: [Float]
    /// Rows are interleaved in registers.
    let goesInBands: Bool

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
        let lanes = (channels + 7) / 8 * 8
        self.bias = bias + [Int32](repeating: 0, count: lanes - channels)
        self.multipliers = multipliers + [Float](repeating: 0, count: lanes - channels)
        goesInBands = kernelHeight == 3 && kernelWidth == 3 && stride <= 2
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
    /// Pairs of rows that are read; the last may lie below the picture and meets zero weights.
    private var rowPairs: Int { (rows + 1) / 2 }
    /// Numbers from one pair of rows of eight channels to the next.
    private var pitch: Int { columns * 16 }

    /// Numbers of all interleaved rows of eight channels, where they are wanted.
    private var interleaved: Int { goesInBands ? 0 : rowPairs * pitch }

    /// 16-bit numbers of scratch that `run` needs: interleaved rows, and the outputs of a block that is not whole.
    package var scratch: Int { interleaved + 8 * output.height * output.width }

    /// One picture from plane to plane; the output's border is left alone.
    package func run(
        _ source: UnsafePointer<Int16>, _ target: UnsafeMutablePointer<Int16>,
        scratch: UnsafeMutablePointer<Int16>
    ) {
        let outside = scratch + interleaved
        multipliers.withUnsafeBufferPointer { multipliers in
            var c = 0
            while c < input.channels {
                let isWhole = c + 8 <= input.channels
                let end = QS8DepthwiseEnd(
                    multipliers: multipliers.baseAddress! + c, low: lanes_splat_i16(low),
                    high: lanes_splat_i16(high), output: isWhole ? target + output.offset(0, 0) + c : outside,
                    outputStep: isWhole ? output.channels : 8,
                    outputPitch: isWhole ? output.rowPitch : 8 * output.width, height: output.height,
                    width: output.width)
                block(source, c, end, scratch)
                if !isWhole {
                    output.copyChannels(outside, lanes: 8, target + c, channels: input.channels - c)
                }
                c += 8
            }
        }
    }

    /// Eight channels from `c` on by dot products.
    private func block(
        _ source: UnsafePointer<Int16>, _ c: Int, _ end: QS8DepthwiseEnd, _ scratch: UnsafeMutablePointer<Int16>
    ) {
        let weightsPerBlock = (kernelHeight / 2 + 1) * kernelWidth * 16
        packed.withUnsafeBufferPointer { packed in
            bias.withUnsafeBufferPointer { bias in
                let even = packed.baseAddress! + c / 8 * weightsPerBlock
                let odd = even + packed.count / 2
                let bias = bias.baseAddress! + c
                if goesInBands {
                    let band = QS8DepthwiseBand(
                        input: source + input.offset(-padding, -padding) + c, pitch: input.rowPitch,
                        step: input.channels, stride: stride, even: even, odd: odd, bias: bias, end: end)
                    return band.run()
                }
                interleave(source + c, scratch)
                let block = QS8DepthwiseBlock(
                    input: UnsafePointer(scratch), pitch: pitch, stride: stride, even: even, odd: odd,
                    kernelHeight: kernelHeight, kernelWidth: kernelWidth, bias: bias, end: end)
                block.run()
            }
        }
    }

    /// `[pair of rows][column][8 channels][upper, lower]` of eight channels.
    @inline(never)
    private func interleave(_ source: UnsafePointer<Int16>, _ target: UnsafeMutablePointer<Int16>) {
        let step = input.channels
        var to = target
        for pair in 0..<rowPairs {
            let row = min(2 &* pair, rows &- 1)
            let below = min(2 &* pair &+ 1, rows &- 1)
            var upper = source + input.offset(row &- padding, 0 &- padding)
            var lower = source + input.offset(below &- padding, 0 &- padding)
            var left = columns
            while left >= 2 {
                QS8Depthwise.interleave(upper, lower, to)
                QS8Depthwise.interleave(upper + step, lower + step, to + 16)
                upper += 2 &* step
                lower += 2 &* step
                to += 32
                left &-= 2
            }
            if left > 0 {
                QS8Depthwise.interleave(upper, lower, to)
                to += 16
            }
        }
    }

    @inline(__always)
    private static func interleave(
        _ upper: UnsafePointer<Int16>, _ lower: UnsafePointer<Int16>, _ to: UnsafeMutablePointer<Int16>
    ) {
        let a = lanes_load(upper)
        let b = lanes_load(lower)
        lanes_store(to, lanes_interleave_low(a, b))
        lanes_store(to + 8, lanes_interleave_high(a, b))
    }
}

/// Eight channels of the whole picture.
private struct QS8DepthwiseBlock {
    let input: UnsafePointer<Int16>
    /// Numbers from one pair of rows to the next.
    let pitch: Int
    let stride: Int
    /// Filters for output rows that start at an even and at an odd row.
    let even: UnsafePointer<Int16>
    let odd: UnsafePointer<Int16>
    let kernelHeight: Int
    let kernelWidth: Int
    let bias: UnsafePointer<Int32>
    let end: QS8DepthwiseEnd

    @inline(never)
    func run() {
        let bias = Row2(bias)
        let factors = Row2(factors: end.multipliers)
        for y in 0..<end.height {
            let top = y &* stride
            let pairs = (kernelHeight &+ (top & 1) &+ 1) / 2
            var to = end.output + y &* end.outputPitch
            for x in 0..<end.width {
                var sum = bias
                var w = top & 1 == 0 ? even : odd
                for pair in 0..<pairs {
                    var from = input + ((top / 2 &+ pair) &* pitch &+ x &* stride &* 16)
                    for _ in 0..<kernelWidth {
                        sum.accumulate(each: Row2(wide: from), Row2(wide: w))
                        from += 16
                        w += 16
                    }
                }
                end.store(sum, factors, to)
                to += end.outputStep
            }
        }
    }
}

/// Where eight channels of the whole picture go.
struct QS8DepthwiseEnd {
    let multipliers: UnsafePointer<Float>
    let low: SIMD4<Int32>
    let high: SIMD4<Int32>
    let output: UnsafeMutablePointer<Int16>
    let outputStep: Int
    let outputPitch: Int
    let height: Int
    let width: Int

    @inline(__always)
    func store(_ sum: Row2, _ factors: Row2, _ to: UnsafeMutablePointer<Int16>) {
        sum.requantised(by: factors).store(to, low: low, high: high)
    }
}
