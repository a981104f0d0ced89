import CSIMD

/// A convolution of the picture itself: 3x3 or 5x5 of one channel, or 3x3 of three, at stride 1.
///
/// The plane is interleaved with itself one row further down, so that a dot product takes two rows at once and the
/// last row of the window two columns: 5 products for 9 taps, 13 for 25, 14 for 27. Filters stay in registers.
final class QS8FirstLayer: Sendable {
    enum Window: Sendable {
        case three, five, threeColours

        /// The narrowest and the widest panel, in vectors.
        var panels: ClosedRange<Int> {
            switch self {
            case .three: 4...8
            case .five: 2...2
            case .threeColours: 4...4
            }
        }
    }

    let window: Window
    let filter: QS8Filter
    let input: QS8Plane
    let output: QS8Plane
    let padding: Int
    let low: Int16
    let high: Int16
    let pools: Bool

    /// nil for any other shape.
    init?(
        weights: [Int8], bias: [Int32], multipliers: [Float], low: Int16, high: Int16,
        kernelHeight: Int, kernelWidth: Int, stride: Int, padding: Int, input: QS8Plane, output: QS8Plane,
        pools: Bool
    ) {
        guard stride == 1, kernelHeight == kernelWidth else { return nil }
        switch (kernelHeight, input.channels) {
        case (3, 1): window = .three
        case (5, 1): window = .five
        case (3, 3): window = .threeColours
        default: return nil
        }
        let outputs = bias.count
        let run = kernelWidth * input.channels
        // Rows two by two, column after column, and then the last row.
        var order: [Int] = []
        for row in 0..<kernelHeight / 2 {
            for i in 0..<run { order += [2 * row * run + i, (2 * row + 1) * run + i] }
        }
        for i in 0..<run { order.append((kernelHeight - 1) * run + i) }
        var taps: [Int8] = []
        taps.reserveCapacity(weights.count)
        for tap in order { taps += weights[tap * outputs..<(tap + 1) * outputs] }
        filter = QS8Filter(
            weights: taps, runs: 1, runLength: order.count, outputs: outputs, bias: bias,
            multipliers: multipliers, panels: QS8Tiling.panels(outputs, window.panels))
        self.input = input
        self.output = output
        self.padding = padding
        self.low = low
        self.high = high
        self.pools = pools
    }

    /// Numbers of the plane that have one a row further down.
    private var paired: Int { input.storage - QS8Plane.slack - input.rowPitch }

    /// 16-bit numbers of scratch that `run` needs.
    var scratch: Int { 2 * (paired + 8) + (filter.bias.count > filter.outputs ? 32 * output.width * output.height : 0) }

    /// One picture from plane to plane; the output's border is left alone.
    func run(
        _ source: UnsafePointer<Int16>, _ target: UnsafeMutablePointer<Int16>,
        scratch: UnsafeMutablePointer<Int16>
    ) {
        let pairs = scratch
        let outside = scratch + 2 * (paired + 8)
        var i = 0
        while i < paired {
            let upper = lanes_load(source + i)
            let lower = lanes_load(source + i + input.rowPitch)
            lanes_store(pairs + i &* 2, lanes_interleave_low(upper, lower))
            lanes_store(pairs + i &* 2 + 8, lanes_interleave_high(upper, lower))
            i &+= 8
        }
        filter.packed.withUnsafeBufferPointer { packed in
            filter.bias.withUnsafeBufferPointer { bias in
                filter.multipliers.withUnsafeBufferPointer { multipliers in
                    for panel in filter.panels {
                        let lanes = panel.vectors * 4
                        let isWhole = panel.channel + lanes <= filter.outputs
                        let job = QS8FirstPanel(
                            layer: self, pairs: pairs, source: source,
                            weights: packed.baseAddress! + panel.weights,
                            bias: bias.baseAddress! + panel.channel,
                            epilogue: QS8Epilogue(
                                multipliers: multipliers.baseAddress! + panel.channel,
                                low: lanes_splat_i16(low), high: lanes_splat_i16(high)),
                            output: isWhole ? target + panel.channel + output.offset(0, 0) : outside,
                            outputPitch: isWhole ? output.rowPitch : lanes * output.width,
                            outputStep: isWhole ? output.channels : lanes)
                        job.run(panel.vectors)
                        if !isWhole {
                            output.copyChannels(
                                outside, lanes: lanes, target + panel.channel,
                                channels: filter.outputs - panel.channel)
                        }
                    }
                }
            }
        }
    }
}

/// One panel of output channels for the whole picture.
private struct QS8FirstPanel {
    let layer: QS8FirstLayer
    let pairs: UnsafePointer<Int16>
    let source: UnsafePointer<Int16>
    let weights: UnsafePointer<Int8>
    let bias: UnsafePointer<Int32>
    let epilogue: QS8Epilogue
    let output: UnsafeMutablePointer<Int16>
    let outputPitch: Int
    let outputStep: Int

    func run(_ vectors: Int) {
        switch layer.window {
        case .three where vectors == 8: lines(QS8Window3<Row8>.self)
        case .three: lines(QS8Window3<Row4>.self)
        case .five: lines(QS8Window5<Row2>.self)
        case .threeColours: lines(QS8Window3Colours<Row4>.self)
        }
    }

    private func lines<Window: QS8FirstWindow>(_: Window.Type) {
        if layer.pools { pooledLines(Window.self) } else { plainLines(Window.self) }
    }

    @inline(never)
    private func plainLines<Window: QS8FirstWindow>(_: Window.Type) {
        let window = Window(weights: weights, bias: bias)
        let factors = Window.Row(factors: epilogue.multipliers)
        for y in 0..<layer.output.height {
            var place = place(y, Window.self)
            var to = output + y &* outputPitch
            var left = layer.output.width
            if Window.products <= 20 {
                while left >= 4 {
                    let a = window.sum(place, 0)
                    let b = window.sum(place, 1)
                    let c = window.sum(place, 2)
                    let d = window.sum(place, 3)
                    epilogue.store(a, factors, at: to)
                    to += outputStep
                    epilogue.store(b, factors, at: to)
                    to += outputStep
                    epilogue.store(c, factors, at: to)
                    to += outputStep
                    epilogue.store(d, factors, at: to)
                    to += outputStep
                    place.advance(4 &* Window.channels)
                    left &-= 4
                }
            }
            while left >= 2 {
                let a = window.sum(place, 0)
                let b = window.sum(place, 1)
                epilogue.store(a, factors, at: to)
                epilogue.store(b, factors, at: to + outputStep)
                place.advance(2 &* Window.channels)
                to += 2 &* outputStep
                left &-= 2
            }
            if left > 0 { epilogue.store(window.sum(place, 0), factors, at: to) }
        }
    }

    @inline(never)
    private func pooledLines<Window: QS8FirstWindow>(_: Window.Type) {
        let window = Window(weights: weights, bias: bias)
        let factors = Window.Row(factors: epilogue.multipliers)
        for y in 0..<layer.output.height {
            var upper = place(2 &* y, Window.self)
            var lower = place(2 &* y &+ 1, Window.self)
            var to = output + y &* outputPitch
            for _ in 0..<layer.output.width {
                epilogue.store(window.largest(upper, lower, 0), factors, at: to)
                upper.advance(2 &* Window.channels)
                lower.advance(2 &* Window.channels)
                to += outputStep
            }
        }
    }

    /// The first window of row `y` of the sums.
    private func place<Window: QS8FirstWindow>(_ y: Int, _: Window.Type) -> QS8FirstPlace {
        let pitch = layer.input.rowPitch
        let origin =
            (y &- layer.padding &+ layer.input.border) &* pitch
            &+ (layer.input.border &- layer.padding) &* layer.input.channels
        return QS8FirstPlace(
            upper: pairs + 2 &* origin, lower: pairs + 2 &* (origin &+ (Window.height &- 3) &* pitch),
            last: source + (origin &+ (Window.height &- 1) &* pitch))
    }
}

/// Where the rows of a window are: one or two pairs of rows, and the last row.
struct QS8FirstPlace {
    var upper: UnsafePointer<Int16>
    var lower: UnsafePointer<Int16>
    var last: UnsafePointer<Int16>

    @inline(__always) mutating func advance(_ numbers: Int) {
        upper += 2 &* numbers
        lower += 2 &* numbers
        last += numbers
    }
}

/// The filters of one panel in registers.
protocol QS8FirstWindow {
    associatedtype Row: QS8Row
    static var height: Int { get }
    static var channels: Int { get }
    /// Dot products of one window.
    static var products: Int { get }
    init(weights: UnsafePointer<Int8>, bias: UnsafePointer<Int32>)
    /// Bias and products of the window `x` pixels from `place`.
    func sum(_ place: QS8FirstPlace, _ x: Int) -> Row
}

extension QS8FirstWindow {
    /// The largest sums of 2x2 neighbouring windows.
    @inline(__always)
    func largest(_ upper: QS8FirstPlace, _ lower: QS8FirstPlace, _ x: Int) -> Row {
        sum(upper, x).maximum(sum(upper, x &+ 1)).maximum(sum(lower, x).maximum(sum(lower, x &+ 1)))
    }
}

/// Four weights of each lane's filter, two taps each.
struct QS8Taps<Row: QS8Row> {
    let a, b, c, d: Row

    @inline(__always) init(_ p: UnsafePointer<Int8>, _ pair: Int) {
        let step = Row.vectors &* 8
        let p = p + pair &* step
        a = Row(weights: p)
        b = Row(weights: p + step)
        c = Row(weights: p + 2 &* step)
        d = Row(weights: p + 3 &* step)
    }

    @inline(__always)
    func add(
        to row: inout Row, _ p: UnsafePointer<Int16>, _ q: UnsafePointer<Int16>, _ r: UnsafePointer<Int16>,
        _ s: UnsafePointer<Int16>
    ) {
        row.accumulate(lanes_splat_pair(p), a)
        row.accumulate(lanes_splat_pair(q), b)
        row.accumulate(lanes_splat_pair(r), c)
        row.accumulate(lanes_splat_pair(s), d)
    }
}

/// 3x3 of one channel.
struct QS8Window3<Row: QS8Row>: QS8FirstWindow {
    let bias: Row
    let taps: QS8Taps<Row>
    let end: Row

    @inline(__always) static var height: Int { 3 }
    @inline(__always) static var channels: Int { 1 }
    @inline(__always) static var products: Int { 5 &* Row.vectors }

    @inline(__always) init(weights: UnsafePointer<Int8>, bias: UnsafePointer<Int32>) {
        self.bias = Row(bias)
        taps = QS8Taps(weights, 0)
        end = Row(weights: weights + 4 &* Row.vectors &* 8)
    }

    @inline(__always) func sum(_ place: QS8FirstPlace, _ x: Int) -> Row {
        let q = place.upper + 2 &* x
        let r = place.last + x
        var row = bias
        taps.add(to: &row, q, q + 2, q + 4, r)
        row.accumulate(lanes_splat_pair(r + 2), end)
        return row
    }
}

/// 5x5 of one channel.
struct QS8Window5<Row: QS8Row>: QS8FirstWindow {
    let bias: Row
    let taps0, taps1, taps2: QS8Taps<Row>
    let end: Row

    @inline(__always) static var height: Int { 5 }
    @inline(__always) static var channels: Int { 1 }
    @inline(__always) static var products: Int { 13 &* Row.vectors }

    @inline(__always) init(weights: UnsafePointer<Int8>, bias: UnsafePointer<Int32>) {
        self.bias = Row(bias)
        taps0 = QS8Taps(weights, 0)
        taps1 = QS8Taps(weights, 4)
        taps2 = QS8Taps(weights, 8)
        end = Row(weights: weights + 12 &* Row.vectors &* 8)
    }

    @inline(__always) func sum(_ place: QS8FirstPlace, _ x: Int) -> Row {
        let q = place.upper + 2 &* x
        let p = place.lower + 2 &* x
        let r = place.last + x
        var row = bias
        taps0.add(to: &row, q, q + 2, q + 4, q + 6)
        taps1.add(to: &row, q + 8, p, p + 2, p + 4)
        taps2.add(to: &row, p + 6, p + 8, r, r + 2)
        row.accumulate(lanes_splat_pair(r + 4), end)
        return row
    }
}

/// 3x3 of three channels.
struct QS8Window3Colours<Row: QS8Row>: QS8FirstWindow {
    let bias: Row
    let taps0, taps1, taps2: QS8Taps<Row>
    let end0, end1: Row

    @inline(__always) static var height: Int { 3 }
    @inline(__always) static var channels: Int { 3 }
    @inline(__always) static var products: Int { 14 &* Row.vectors }

    @inline(__always) init(weights: UnsafePointer<Int8>, bias: UnsafePointer<Int32>) {
        self.bias = Row(bias)
        taps0 = QS8Taps(weights, 0)
        taps1 = QS8Taps(weights, 4)
        taps2 = QS8Taps(weights, 8)
        end0 = Row(weights: weights + 12 &* Row.vectors &* 8)
        end1 = Row(weights: weights + 13 &* Row.vectors &* 8)
    }

    @inline(__always) func sum(_ place: QS8FirstPlace, _ x: Int) -> Row {
        let q = place.upper + 6 &* x
        let r = place.last + 3 &* x
        var row = bias
        taps0.add(to: &row, q, q + 2, q + 4, q + 6)
        taps1.add(to: &row, q + 8, q + 10, q + 12, q + 14)
        taps2.add(to: &row, q + 16, r, r + 2, r + 4)
        row.accumulate(lanes_splat_pair(r + 6), end0)
        row.accumulate(lanes_splat_pair(r + 8), end1)
        return row
    }
}
