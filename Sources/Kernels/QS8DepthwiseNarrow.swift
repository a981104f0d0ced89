import CSIMD

/// 3x3 filters of each channel on inputs that are never negative, with products added up in 16 bits.
///
/// A sum of products with inputs of 0…B lies between B times the negative weights and B times the positive ones. Where
/// that is less than 2^16 wide, the sum less its least value is a 16-bit number without sign, and exact however the
/// sum overflows on the way: four taps always at B = 127, five nearly always, and the ninth needs none of this.
/// So eight channels take one product and one addition per tap, without bringing two taps side by side first.
struct QS8DepthwiseNarrow: Sendable {
    /// `[channel block of 8][9 taps, column after column][8]`, and then what the first group and the second start from.
    let packed: [Int16]
    /// The bias less what the groups start from.
    let bias: [Int32]
    /// Per block, whether five taps fit, so that two groups suffice.
    let fits: [Bool]

    /// Numbers of a block.
    private static let blockCount = 11 * 8

    /// `weights` are `[9][channels]`, `bias` is padded to whole blocks; nil unless every sum fits.
    init?(weights: [Int8], bias: [Int32], channels: Int, inputRange: ClosedRange<Int>) {
        guard inputRange.lowerBound >= 0, inputRange.upperBound * 4 * 128 <= 0xffff else { return nil }
        let largest = Int32(inputRange.upperBound)
        var packed = [Int16](repeating: 0, count: bias.count / 8 * QS8DepthwiseNarrow.blockCount)
        var shifted = bias
        var fits: [Bool] = []
        for block in 0..<bias.count / 8 {
            var fitsBlock = true
            for lane in 0..<min(8, channels - block * 8) {
                var magnitude: Int32 = 0
                for tap in 4..<9 { magnitude += Int32(weights[place(tap, block, lane, channels)].magnitude) }
                if magnitude * largest > 0xffff { fitsBlock = false }
            }
            for lane in 0..<min(8, channels - block * 8) {
                let start = block * QS8DepthwiseNarrow.blockCount + lane
                var least: (Int32, Int32) = (0, 0)
                for tap in 0..<9 {
                    let weight = Int32(weights[place(tap, block, lane, channels)])
                    packed[start + tap * 8] = Int16(weight)
                    guard weight < 0 else { continue }
                    if tap < 4 { least.0 += weight * largest } else if tap < 8 || fitsBlock { least.1 += weight * largest }
                }
                packed[start + 72] = Int16(truncatingIfNeeded: 0 - least.0)
                packed[start + 80] = Int16(truncatingIfNeeded: 0 - least.1)
                shifted[block * 8 + lane] = bias[block * 8 + lane] &+ least.0 &+ least.1
            }
            fits.append(fitsBlock)
        }
        self.packed = packed
        self.bias = shifted
        self.fits = fits

        /// Where tap `tap`, counted column after column, of a channel is.
        func place(_ tap: Int, _ block: Int, _ lane: Int, _ channels: Int) -> Int {
            (tap % 3 * 3 + tap / 3) * channels + block * 8 + lane
        }
    }

    /// Channel block `block`, the first window of the picture being at `source`.
    func run(
        _ source: UnsafePointer<Int16>, _ plane: QS8Plane, stride: Int, _ block: Int, _ end: QS8DepthwiseEnd
    ) {
        packed.withUnsafeBufferPointer { packed in
            bias.withUnsafeBufferPointer { bias in
                let job = QS8DepthwiseNarrowBlock(
                    input: source + block * 8, pitch: plane.rowPitch, step: plane.channels,
                    weights: packed.baseAddress! + block * QS8DepthwiseNarrow.blockCount,
                    bias: bias.baseAddress! + block * 8, end: end)
                switch (stride, fits[block]) {
                case (1, true): job.dense(QS8DepthwiseTwoGroups.self)
                case (1, false): job.dense(QS8DepthwiseThreeGroups.self)
                case (_, true): job.everySecond(QS8DepthwiseTwoGroups.self)
                case (_, false): job.everySecond(QS8DepthwiseThreeGroups.self)
                }
            }
        }
    }
}

private struct QS8DepthwiseNarrowBlock {
    let input: UnsafePointer<Int16>
    let pitch: Int
    let step: Int
    let weights: UnsafePointer<Int16>
    let bias: UnsafePointer<Int32>
    let end: QS8DepthwiseEnd

    /// Stride 1, two rows of outputs at a time.
    @inline(never)
    func dense<Groups: QS8DepthwiseGroups>(_: Groups.Type) {
        let taps = QS8DepthwiseTaps<Groups>(weights, bias)
        let factors = Row2(factors: end.multipliers)
        var y = 0
        while y < end.height {
            // With an odd height, the last two rows begin with one that is done already.
            let row = min(y, end.height &- 2)
            var from = input + row &* pitch
            var to = end.output + row &* end.outputPitch
            var below = to + end.outputPitch
            var c0 = QS8DepthwiseColumn(from, pitch)
            from += step
            var c1 = QS8DepthwiseColumn(from, pitch)
            from += step
            var left = end.width
            while left >= 2 {
                let c2 = QS8DepthwiseColumn(from, pitch)
                from += step
                let c3 = QS8DepthwiseColumn(from, pitch)
                from += step
                end.store(taps.sum(c0.upper, c1.upper, c2.upper), factors, to)
                end.store(taps.sum(c0.lower, c1.lower, c2.lower), factors, below)
                to += end.outputStep
                below += end.outputStep
                end.store(taps.sum(c1.upper, c2.upper, c3.upper), factors, to)
                end.store(taps.sum(c1.lower, c2.lower, c3.lower), factors, below)
                to += end.outputStep
                below += end.outputStep
                c0 = c2
                c1 = c3
                left &-= 2
            }
            if left > 0 {
                let c2 = QS8DepthwiseColumn(from, pitch)
                end.store(taps.sum(c0.upper, c1.upper, c2.upper), factors, to)
                end.store(taps.sum(c0.lower, c1.lower, c2.lower), factors, below)
            }
            y &+= 2
        }
    }

    /// Stride 2.
    @inline(never)
    func everySecond<Groups: QS8DepthwiseGroups>(_: Groups.Type) {
        let taps = QS8DepthwiseTaps<Groups>(weights, bias)
        let factors = Row2(factors: end.multipliers)
        for y in 0..<end.height {
            var from = input + 2 &* y &* pitch
            var to = end.output + y &* end.outputPitch
            var c0 = QS8DepthwiseThree(from, pitch)
            for _ in 0..<end.width {
                let c1 = QS8DepthwiseThree(from + step, pitch)
                from += 2 &* step
                let c2 = QS8DepthwiseThree(from, pitch)
                end.store(taps.sum(c0, c1, c2), factors, to)
                to += end.outputStep
                c0 = c2
            }
        }
    }
}

/// Three rows of a column of eight channels.
private struct QS8DepthwiseThree {
    let a, b, c: SIMD4<Int32>

    @inline(__always) init(_ a: SIMD4<Int32>, _ b: SIMD4<Int32>, _ c: SIMD4<Int32>) {
        self.a = a
        self.b = b
        self.c = c
    }

    @inline(__always) init(_ p: UnsafePointer<Int16>, _ pitch: Int) {
        self.init(lanes_load(p), lanes_load(p + pitch), lanes_load(p + 2 &* pitch))
    }

    /// Products with three taps, added up.
    @inline(__always) func sum(_ weights: QS8DepthwiseThree) -> SIMD4<Int32> {
        lanes_add_i16(
            lanes_add_i16(lanes_mul_i16(a, weights.a), lanes_mul_i16(b, weights.b)), lanes_mul_i16(c, weights.c))
    }
}

/// Four rows of a column: those of an output and of the one below it.
private struct QS8DepthwiseColumn {
    let upper: QS8DepthwiseThree
    let last: SIMD4<Int32>

    @inline(__always) init(_ p: UnsafePointer<Int16>, _ pitch: Int) {
        upper = QS8DepthwiseThree(p, pitch)
        last = lanes_load(p + 3 &* pitch)
    }

    @inline(__always) var lower: QS8DepthwiseThree { QS8DepthwiseThree(upper.b, upper.c, last) }
}

/// How nine products become sums of 32 bits.
private protocol QS8DepthwiseGroups {
    /// Adds the second group, which starts from `start`, and the ninth product.
    static func add(
        _ five: (SIMD4<Int32>, SIMD4<Int32>), to low: inout SIMD4<Int32>, _ high: inout SIMD4<Int32>)
}

/// The ninth product belongs to the second group.
private enum QS8DepthwiseTwoGroups: QS8DepthwiseGroups {
    @inline(__always)
    static func add(
        _ five: (SIMD4<Int32>, SIMD4<Int32>), to low: inout SIMD4<Int32>, _ high: inout SIMD4<Int32>
    ) {
        let group = lanes_add_i16(five.0, five.1)
        low = lanes_add_i32(low, lanes_extend_low_u16(group))
        high = lanes_add_i32(high, lanes_extend_high_u16(group))
    }
}

/// The ninth product stands alone; it fits 16 bits with its sign.
private enum QS8DepthwiseThreeGroups: QS8DepthwiseGroups {
    @inline(__always)
    static func add(
        _ five: (SIMD4<Int32>, SIMD4<Int32>), to low: inout SIMD4<Int32>, _ high: inout SIMD4<Int32>
    ) {
        low = lanes_add_i32(low, lanes_extend_low_u16(five.0))
        high = lanes_add_i32(high, lanes_extend_high_u16(five.0))
        low = lanes_add_i32(low, lanes_extend_low_i16(five.1))
        high = lanes_add_i32(high, lanes_extend_high_i16(five.1))
    }
}

/// A 3x3 filter of eight channels in registers.
private struct QS8DepthwiseTaps<Groups: QS8DepthwiseGroups> {
    let c0, c1, c2: QS8DepthwiseThree
    let first, second: SIMD4<Int32>
    let bias: Row2

    @inline(__always) init(_ weights: UnsafePointer<Int16>, _ bias: UnsafePointer<Int32>) {
        c0 = QS8DepthwiseThree(weights, 8)
        c1 = QS8DepthwiseThree(weights + 24, 8)
        c2 = QS8DepthwiseThree(weights + 48, 8)
        first = lanes_load(weights + 72)
        second = lanes_load(weights + 80)
        self.bias = Row2(bias)
    }

    @inline(__always)
    func sum(_ x0: QS8DepthwiseThree, _ x1: QS8DepthwiseThree, _ x2: QS8DepthwiseThree) -> Row2 {
        let four = lanes_add_i16(lanes_add_i16(first, x0.sum(c0)), lanes_mul_i16(x1.a, c1.a))
        var next = lanes_add_i16(second, lanes_mul_i16(x1.b, c1.b))
        next = lanes_add_i16(next, lanes_mul_i16(x1.c, c1.c))
        next = lanes_add_i16(next, lanes_mul_i16(x2.a, c2.a))
        next = lanes_add_i16(next, lanes_mul_i16(x2.b, c2.b))
        var sum = bias
        sum.a.v = lanes_add_i32(sum.a.v, lanes_extend_low_u16(four))
        sum.b.v = lanes_add_i32(sum.b.v, lanes_extend_high_u16(four))
        Groups.add((next, lanes_mul_i16(x2.c, c2.c)), to: &sum.a.v, &sum.b.v)
        return sum
    }
}
