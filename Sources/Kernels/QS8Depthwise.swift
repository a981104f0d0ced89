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

    /// Pairs of taps of a channel, those with zeros included.
    private var weightPairs: Int { (kernelHeight / 2 + 1) * kernelWidth }

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
        packed.withUnsafeBufferPointer { packed in
            bias.withUnsafeBufferPointer { bias in
                multipliers.withUnsafeBufferPointer { multipliers in
                    var block = QS8DepthwiseBlock(
                        even: packed.baseAddress!, odd: packed.baseAddress! + packed.count / 2,
                        bias: bias.baseAddress!, multipliers: multipliers.baseAddress!, low: lanes_splat_i16(low),
                        high: lanes_splat_i16(high), output: target + output.offset(0, 0),
                        outputStep: output.channels, outputPitch: output.rowPitch, height: output.height,
                        width: output.width)
                    if goesInBands {
                        var band = QS8DepthwiseBand(
                            input: source + input.offset(-padding, -padding), pitch: input.rowPitch,
                            step: input.channels, stride: stride, block: block)
                        for _ in 0..<input.channels / 8 {
                            band.run()
                            band.advance()
                        }
                        if input.channels % 8 > 0 {
                            band.block.redirect(to: outside)
                            band.run()
                        }
                    } else {
                        for c in 0..<input.channels / 8 {
                            run(source + 8 * c, block, scratch)
                            block.advance(16 * weightPairs)
                        }
                        if input.channels % 8 > 0 {
                            block.redirect(to: outside)
                            run(source + input.channels / 8 * 8, block, scratch)
                        }
                    }
                }
            }
        }
        let rest = input.channels % 8
        if rest > 0 { output.copyChannels(outside, lanes: 8, target + (input.channels - rest), channels: rest) }
    }

    /// Eight channels, all rows of which are interleaved first.
    private func run(
        _ source: UnsafePointer<Int16>, _ block: QS8DepthwiseBlock, _ scratch: UnsafeMutablePointer<Int16>
    ) {
        interleave(source, scratch)
        QS8DepthwiseRows(
            input: UnsafePointer(scratch), pitch: pitch, stride: stride, kernelHeight: kernelHeight,
            kernelWidth: kernelWidth, block: block
        ).run()
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

/// Interleaved rows of eight channels, and what becomes of them.
private struct QS8DepthwiseRows {
    let input: UnsafePointer<Int16>
    /// Numbers from one pair of rows to the next.
    let pitch: Int
    let stride: Int
    let kernelHeight: Int
    let kernelWidth: Int
    let block: QS8DepthwiseBlock

    @inline(never)
    func run() {
        let bias = Row2(block.bias)
        let factors = Row2(factors: block.multipliers)
        for y in 0..<block.height {
            let top = y &* stride
            let pairs = (kernelHeight &+ (top & 1) &+ 1) / 2
            var to = block.output + y &* block.outputPitch
            for x in 0..<block.width {
                var sum = bias
                var w = top & 1 == 0 ? block.even : block.odd
                for pair in 0..<pairs {
                    var from = input + ((top / 2 &+ pair) &* pitch &+ x &* stride &* 16)
                    for _ in 0..<kernelWidth {
                        sum.accumulate(each: Row2(wide: from), Row2(wide: w))
                        from += 16
                        w += 16
                    }
                }
                sum.requantised(by: factors).store(to, low: block.low, high: block.high)
                to += block.outputStep
            }
        }
    }
}

/// The filters of eight channels, and where these channels of the whole picture go.
struct QS8DepthwiseBlock {
    /// Filters of output rows that start at an even and at an odd row: `[pair of rows][column][8 channels][2 rows]`.
    private(set) var even: UnsafePointer<Int16>
    private(set) var odd: UnsafePointer<Int16>
    private(set) var bias: UnsafePointer<Int32>
    private(set) var multipliers: UnsafePointer<Float>
    let low: SIMD4<Int32>
    let high: SIMD4<Int32>
    private(set) var output: UnsafeMutablePointer<Int16>
    private(set) var outputStep: Int
    private(set) var outputPitch: Int
    let height: Int
    let width: Int

    init(
        even: UnsafePointer<Int16>, odd: UnsafePointer<Int16>, bias: UnsafePointer<Int32>,
        multipliers: UnsafePointer<Float>, low: SIMD4<Int32>, high: SIMD4<Int32>,
        output: UnsafeMutablePointer<Int16>, outputStep: Int, outputPitch: Int, height: Int, width: Int
    ) {
        self.even = even
        self.odd = odd
        self.bias = bias
        self.multipliers = multipliers
        self.low = low
        self.high = high
        self.output = output
        self.outputStep = outputStep
        self.outputPitch = outputPitch
        self.height = height
        self.width = width
    }

    /// On to the next eight channels, whose filters begin `weights` numbers further.
    @inline(__always) mutating func advance(_ weights: Int) {
        even += weights
        odd += weights
        bias += 8
        multipliers += 8
        output += 8
    }

    /// Lets outputs go to `[row][column][8 channels]` at `outside`.
    mutating func redirect(to outside: UnsafeMutablePointer<Int16>) {
        output = outside
        outputStep = 8
        outputPitch = 8 &* width
    }
}
