import CSIMD

/// A 5x5 convolution of one channel with 2x2 pooling: a lane is a pixel of the output.
///
/// Eight pixels of a row are four pairs, each of which belongs to the windows of one pooled pixel, so that three dot
/// products take a row of the filter, (w0 w1) (w2 w3) (w4 0), for the left windows, and shifted, (0 w0) (w1 w2)
/// (w3 w4), for the right ones: nothing is brought side by side, and channels share the inputs. The four lanes
/// are two neighbours here and two anywhere else, so that no lane stays empty where the width is not a multiple of four.
final class QS8FirstPooled: Sendable {
    let input: QS8Plane
    let output: QS8Plane
    let low: Int16
    let high: Int16
    /// `[channel, even in number][5 rows][left and right][3 pairs]`.
    let packed: [Int16]
    let bias: [Int32]
    let multipliers: [Float]
    /// Where the inputs and outputs of two neighbouring pooled pixels start, an even number of times.
    let sources: [Int32]
    let targets: [Int32]

    /// Whether a quarter of the lanes would be empty if they were eights of channels, as they are in `QS8FirstLayer`.
    private static func isWorthwhile(_ channels: Int) -> Bool { channels * 4 <= (channels + 7) / 8 * 8 * 3 }

    /// nil for any other shape.
    init?(
        weights: [Int8], bias: [Int32], multipliers: [Float], low: Int16, high: Int16,
        kernelHeight: Int, kernelWidth: Int, stride: Int, padding: Int, input: QS8Plane, output: QS8Plane,
        pools: Bool
    ) {
        let channels = bias.count
        let lanes = (channels + 1) / 2 * 2
        guard kernelHeight == 5, kernelWidth == 5, stride == 1, pools, input.channels == 1, output.width > 1,
            QS8FirstPooled.isWorthwhile(lanes)
        else { return nil }
        var packed: [Int16] = []
        packed.reserveCapacity(lanes * 60)
        for channel in 0..<lanes {
            for row in 0..<5 {
                for column in [0, 1, 2, 3, 4, 5, -1, 0, 1, 2, 3, 4] {
                    let isTap = column >= 0 && column < 5 && channel < channels
                    packed.append(isTap ? Int16(weights[(row * 5 + column) * channels + channel]) : 0)
                }
            }
        }
        self.packed = packed
        self.bias = bias + [Int32](repeating: 0, count: lanes - channels)
        self.multipliers = multipliers + [Float](repeating: 0, count: lanes - channels)
        self.input = input
        self.output = output
        self.low = low
        self.high = high
        // Where there are more lanes than channels, outputs go by way of scratch.
        let target =
            lanes == channels ? output : QS8Plane(height: output.height, width: output.width, channels: lanes)
        var sources: [Int32] = []
        var targets: [Int32] = []
        for y in 0..<output.height {
            var x = 0
            while x < output.width {
                let column = min(x, output.width - 2)
                sources.append(Int32(input.offset(2 * y - padding, 2 * column - padding)))
                targets.append(Int32(target.offset(y, column)))
                x += 2
            }
        }
        if sources.count % 2 == 1 {
            sources.append(sources[sources.count - 1])
            targets.append(targets[targets.count - 1])
        }
        self.sources = sources
        self.targets = targets
    }

    /// 16-bit numbers of scratch that `run` needs.
    var scratch: Int { bias.count == output.channels ? 0 : bias.count * output.height * output.width }

    /// One picture from plane to plane; the output's border is left alone.
    func run(
        _ source: UnsafePointer<Int16>, _ target: UnsafeMutablePointer<Int16>,
        scratch: UnsafeMutablePointer<Int16>
    ) {
        let isWhole = bias.count == output.channels
        let pixels = isWhole ? target : scratch
        var channel = 0
        while channel < bias.count {
            if channel + QS8PixelSix.channels <= bias.count {
                panel(QS8PixelSix.self, channel, source, pixels)
                channel += QS8PixelSix.channels
            } else {
                panel(QS8PixelPair.self, channel, source, pixels)
                channel += QS8PixelPair.channels
            }
        }
        if !isWhole { output.copyChannels(scratch, lanes: bias.count, target, channels: output.channels) }
    }

    /// Some channels of the whole picture.
    @inline(never)
    private func panel<Filters: QS8PixelFilters>(
        _: Filters.Type, _ channel: Int, _ source: UnsafePointer<Int16>, _ target: UnsafeMutablePointer<Int16>
    ) {
        let filters = packed.withUnsafeBufferPointer { packed in
            bias.withUnsafeBufferPointer { bias in
                multipliers.withUnsafeBufferPointer { multipliers in
                    Filters(
                        packed.baseAddress! + channel &* 60, bias.baseAddress! + channel,
                        multipliers.baseAddress! + channel)
                }
            }
        }
        let pitch = input.rowPitch
        let place = QS8PixelPlace(
            low: lanes_splat_i16(low), high: lanes_splat_i16(high), step: 2 &* bias.count)
        let target = UnsafeMutableRawPointer(target + channel)
        sources.withUnsafeBufferPointer { sources in
            targets.withUnsafeBufferPointer { targets in
                var i = 0
                while i < sources.count {
                    let window = QS8PixelWindow(
                        source + Int(sources[i]), source + Int(sources[i &+ 1]), pitch)
                    filters.store(
                        window, place, target + 2 &* Int(targets[i]), target + 2 &* Int(targets[i &+ 1]))
                    i &+= 2
                }
            }
        }
    }
}

/// Where outputs go, and their range.
private struct QS8PixelPlace {
    let low, high: SIMD4<Int32>
    /// Bytes from one pixel to the next.
    let step: Int
}

/// A row of the windows of four pooled pixels: pairs of pixels from its first, third and fifth on.
private struct QS8PixelLine {
    let a, b, c: SIMD4<Int32>

    @inline(__always) init(_ p: UnsafePointer<Int16>, _ q: UnsafePointer<Int16>) {
        a = lanes_load_halves(p, q)
        b = lanes_load_halves(p + 2, q + 2)
        c = lanes_load_halves(p + 4, q + 4)
    }
}

/// The inputs of four pooled pixels.
private struct QS8PixelWindow {
    let upper: QS8PixelLine
    let middle: (QS8PixelLine, QS8PixelLine, QS8PixelLine, QS8PixelLine)
    let lower: QS8PixelLine

    @inline(__always) init(_ p: UnsafePointer<Int16>, _ q: UnsafePointer<Int16>, _ pitch: Int) {
        upper = QS8PixelLine(p, q)
        middle = (
            QS8PixelLine(p + pitch, q + pitch), QS8PixelLine(p + 2 &* pitch, q + 2 &* pitch),
            QS8PixelLine(p + 3 &* pitch, q + 3 &* pitch), QS8PixelLine(p + 4 &* pitch, q + 4 &* pitch)
        )
        lower = QS8PixelLine(p + 5 &* pitch, q + 5 &* pitch)
    }
}

/// A row of a filter for the left or for the right windows.
private struct QS8PixelTaps {
    let a, b, c: SIMD4<Int32>

    @inline(__always) init(_ p: UnsafePointer<Int16>) {
        a = lanes_splat_pair(p)
        b = lanes_splat_pair(p + 2)
        c = lanes_splat_pair(p + 4)
    }

    @inline(__always) func add(to sum: inout Row1, _ line: QS8PixelLine) {
        sum.accumulate(line.a, Row1(a))
        sum.accumulate(line.b, Row1(b))
        sum.accumulate(line.c, Row1(c))
    }
}

/// A filter for the left or for the right windows.
private struct QS8PixelSide {
    let rows: (QS8PixelTaps, QS8PixelTaps, QS8PixelTaps, QS8PixelTaps, QS8PixelTaps)

    @inline(__always) init(_ p: UnsafePointer<Int16>) {
        rows = (QS8PixelTaps(p), QS8PixelTaps(p + 12), QS8PixelTaps(p + 24), QS8PixelTaps(p + 36), QS8PixelTaps(p + 48))
    }

    /// The larger sums of the upper and of the lower windows.
    @inline(__always) func largest(_ window: QS8PixelWindow) -> Row1 {
        var upper = Row1.zero
        rows.0.add(to: &upper, window.upper)
        rows.1.add(to: &upper, window.middle.0)
        rows.2.add(to: &upper, window.middle.1)
        rows.3.add(to: &upper, window.middle.2)
        rows.4.add(to: &upper, window.middle.3)
        var lower = Row1.zero
        rows.0.add(to: &lower, window.middle.0)
        rows.1.add(to: &lower, window.middle.1)
        rows.2.add(to: &lower, window.middle.2)
        rows.3.add(to: &lower, window.middle.3)
        rows.4.add(to: &lower, window.lower)
        return upper.maximum(lower)
    }
}

/// The filter of one channel.
private struct QS8PixelFilter {
    let left, right: QS8PixelSide
    let bias, factor: SIMD4<Int32>

    @inline(__always)
    init(_ weights: UnsafePointer<Int16>, _ bias: UnsafePointer<Int32>, _ multiplier: UnsafePointer<Float>) {
        left = QS8PixelSide(weights)
        right = QS8PixelSide(weights + 6)
        self.bias = lanes_splat_i32(bias.pointee)
        factor = lanes_splat_f32(multiplier.pointee)
    }

    /// Four pooled pixels.
    @inline(__always) func output(_ window: QS8PixelWindow) -> SIMD4<Int32> {
        let sums = left.largest(window).maximum(right.largest(window))
        return lanes_requantise(lanes_add_i32(sums.v, bias), factor)
    }
}

/// The filters of a few channels, all held in registers or wasm locals.
private protocol QS8PixelFilters {
    static var channels: Int { get }
    init(_ weights: UnsafePointer<Int16>, _ bias: UnsafePointer<Int32>, _ multipliers: UnsafePointer<Float>)
    /// Two pooled pixels to `p` and two to `q`.
    func store(
        _ window: QS8PixelWindow, _ place: QS8PixelPlace, _ p: UnsafeMutableRawPointer, _ q: UnsafeMutableRawPointer)
}

/// Two channels.
private struct QS8PixelPair: QS8PixelFilters {
    let a, b: QS8PixelFilter

    @inline(__always) static var channels: Int { 2 }

    @inline(__always)
    init(_ weights: UnsafePointer<Int16>, _ bias: UnsafePointer<Int32>, _ multipliers: UnsafePointer<Float>) {
        a = QS8PixelFilter(weights, bias, multipliers)
        b = QS8PixelFilter(weights + 60, bias + 1, multipliers + 1)
    }

    @inline(__always)
    func store(
        _ window: QS8PixelWindow, _ place: QS8PixelPlace, _ p: UnsafeMutableRawPointer, _ q: UnsafeMutableRawPointer
    ) {
        let both = lanes_narrow(a.output(window), b.output(window))
        let pixels = lanes_interleave_halves(lanes_min_i16(lanes_max_i16(both, place.low), place.high))
        lanes_store_lane(p, pixels, 0)
        lanes_store_lane(p + place.step, pixels, 1)
        lanes_store_lane(q, pixels, 2)
        lanes_store_lane(q + place.step, pixels, 3)
    }
}

private typealias QS8PixelSix = QS8PixelJoin<QS8PixelPair, QS8PixelJoin<QS8PixelPair, QS8PixelPair>>

/// One after the other.
private struct QS8PixelJoin<A: QS8PixelFilters, B: QS8PixelFilters>: QS8PixelFilters {
    let a: A
    let b: B

    @inline(__always) static var channels: Int { A.channels &+ B.channels }

    @inline(__always)
    init(_ weights: UnsafePointer<Int16>, _ bias: UnsafePointer<Int32>, _ multipliers: UnsafePointer<Float>) {
        a = A(weights, bias, multipliers)
        b = B(weights + A.channels &* 60, bias + A.channels, multipliers + A.channels)
    }

    @inline(__always)
    func store(
        _ window: QS8PixelWindow, _ place: QS8PixelPlace, _ p: UnsafeMutableRawPointer, _ q: UnsafeMutableRawPointer
    ) {
        a.store(window, place, p, q)
        b.store(window, place, p + 2 &* A.channels, q + 2 &* A.channels)
    }
}
