import CSIMD

/// 3x3 filters of each channel at stride 1 or 2, eight channels at a time, down bands of seven, four or one columns.
///
/// Two rows of a column become a pair of vectors, on which a dot product takes two taps of four channels. At stride 1
/// two rows of outputs use a pair, the second with its filter shifted down by a row: 12 dot products for two outputs.
/// The pairs stay in registers for the rows below, so that each is brought side by side once per band.
struct QS8DepthwiseBand {
    /// The first window of the picture.
    private var input: UnsafePointer<Int16>
    /// Numbers from one row and pixel of the input to the next.
    private let pitch: Int
    private let step: Int
    private let stride: Int
    var block: QS8DepthwiseBlock
    /// Bands of seven and of other columns, and how many those have.
    private let sevens: Int
    private let others: Int
    private let columns: Int

    init(input: UnsafePointer<Int16>, pitch: Int, step: Int, stride: Int, block: QS8DepthwiseBlock) {
        self.input = input
        self.pitch = pitch
        self.step = step
        self.stride = stride
        self.block = block
        let width = block.width
        columns = width < 4 ? 1 : 4
        // As many sevens as leave whole fours; where none do, all that fit, and the last four begins early.
        var sevens = width / 7
        while sevens > 0, (width - sevens * 7) % columns != 0 { sevens -= 1 }
        if sevens == 0, width % columns != 0 { sevens = width / 7 }
        self.sevens = sevens
        others = (width - sevens * 7 + columns - 1) / columns
    }

    /// On to the next eight channels.
    mutating func advance() {
        input += 8
        block.advance(6 * 16)
    }

    /// All bands of the picture.
    func run() {
        if sevens > 0 { run(7, from: 0, bands: sevens) }
        if others > 0 { run(columns, from: sevens &* 7, bands: others) }
    }

    /// Bands of `count` columns of outputs, the first of which is `x`; none reaches beyond the picture.
    private func run(_ count: Int, from x: Int, bands: Int) {
        switch (stride, count) {
        case (1, 7): down(QS8DepthwiseDense<QS8DepthwiseDense<QS8DepthwiseDense<QS8DepthwiseDense4>>>.self, x, bands)
        case (1, 4): down(QS8DepthwiseDense4.self, x, bands)
        case (1, _): down(QS8DepthwiseDense<QS8DepthwiseNone>.self, x, bands)
        case (_, 7): down(QS8DepthwiseSparse<QS8DepthwiseSparse<QS8DepthwiseSparse<QS8DepthwiseSparse4>>>.self, x, bands)
        case (_, 4): down(QS8DepthwiseSparse4.self, x, bands)
        default: down(QS8DepthwiseSparse<QS8DepthwiseNone>.self, x, bands)
        }
    }

    /// Bands from the top to the bottom.
    @inline(never)
    private func down<Columns: QS8DepthwiseColumns>(_: Columns.Type, _ x: Int, _ bands: Int) {
        let taps = QS8DepthwiseTaps(block)
        let down = Columns.rows &* taps.outputPitch
        for band in 0..<bands {
            let x = min(x &+ band &* Columns.count, block.width &- Columns.count)
            var rows = QS8DepthwiseTwoRows(input + x &* stride &* step, pitch: pitch, step: step)
            var to = UnsafeMutableRawPointer(block.output + x &* block.outputStep)
            var upper = QS8DepthwiseStart<Columns>(rows)
            var left = block.height
            // Two steps in turn, so that the pairs change names and are not copied.
            while left >= 2 {
                rows.advance()
                let lower = upper.step(rows, taps, to, Columns.rows)
                to += down
                left &-= Columns.rows
                if left < 2 {
                    upper = lower
                    break
                }
                rows.advance()
                upper = lower.step(rows, taps, to, Columns.rows)
                to += down
                left &-= Columns.rows
            }
            if left > 0 {
                rows.advanceToLast()
                _ = upper.step(rows, taps, to, 1)
            }
        }
    }
}

/// Two rows of inputs; distances are in bytes.
private struct QS8DepthwiseTwoRows {
    private var upper: UnsafeRawPointer
    private var lower: UnsafeRawPointer
    private let pitch: Int
    private let step: Int

    @inline(__always) init(_ upper: UnsafePointer<Int16>, pitch: Int, step: Int) {
        self.upper = UnsafeRawPointer(upper)
        lower = UnsafeRawPointer(upper + pitch)
        self.pitch = 2 &* pitch
        self.step = 2 &* step
    }

    /// On to the next two.
    @inline(__always) mutating func advance() {
        upper = lower + pitch
        lower = upper + pitch
    }

    /// On to the last one; below it there may be nothing, and its weights are zeros.
    @inline(__always) mutating func advanceToLast() {
        upper = lower + pitch
        lower = upper
    }

    /// Column `column`, brought side by side.
    @inline(__always) func pair(_ column: Int) -> Row2 {
        let x = lanes_load(upper + column &* step)
        let y = lanes_load(lower + column &* step)
        return Row2(Row1(lanes_interleave_low(x, y)), Row1(lanes_interleave_high(x, y)))
    }
}

/// What a step down a band works with.
private struct QS8DepthwiseWork {
    /// The rows below.
    let rows: QS8DepthwiseTwoRows
    let taps: QS8DepthwiseTaps
    /// Rows of outputs, 1 or 2.
    let count: Int

    /// The outputs of a window, whose first two columns are those of `place`.
    @inline(__always)
    func store(_ place: QS8DepthwisePlace, _ third: Row2, _ below: Row2) {
        taps.even.store(place.upper, third, place.lower, below, taps, place.to)
        if count == 2 {
            taps.odd.store(place.upper, third, place.lower, below, taps, place.to + taps.outputPitch)
        }
    }
}

/// Where a step down a band has come to.
private struct QS8DepthwisePlace {
    /// Two pairs each, the first columns of the next window.
    let upper, lower: (Row2, Row2)
    /// The column of inputs after them.
    let column: Int
    let to: UnsafeMutableRawPointer
}

/// The pairs of some columns of outputs, but for the first two.
private protocol QS8DepthwiseColumns {
    /// Columns of outputs, and rows of outputs of one step.
    static var count: Int { get }
    static var rows: Int { get }
    /// Pairs from column `column` on.
    init(_ rows: QS8DepthwiseTwoRows, _ column: Int)
    /// Outputs from the pairs in `self` and below; gives the pairs below.
    func step(_ work: QS8DepthwiseWork, _ place: QS8DepthwisePlace) -> Self
}

/// The pairs of a band.
private struct QS8DepthwiseStart<Columns: QS8DepthwiseColumns> {
    let first, second: Row2
    let others: Columns

    @inline(__always) init(_ rows: QS8DepthwiseTwoRows) {
        self.init(rows.pair(0), rows.pair(1), Columns(rows, 2))
    }

    @inline(__always) init(_ first: Row2, _ second: Row2, _ others: Columns) {
        self.first = first
        self.second = second
        self.others = others
    }

    @inline(__always)
    func step(
        _ rows: QS8DepthwiseTwoRows, _ taps: QS8DepthwiseTaps, _ to: UnsafeMutableRawPointer, _ count: Int
    ) -> QS8DepthwiseStart {
        let lower = (rows.pair(0), rows.pair(1))
        let below = others.step(
            QS8DepthwiseWork(rows: rows, taps: taps, count: count),
            QS8DepthwisePlace(upper: (first, second), lower: lower, column: 2, to: to))
        return QS8DepthwiseStart(lower.0, lower.1, below)
    }
}

private struct QS8DepthwiseNone: QS8DepthwiseColumns {
    @inline(__always) static var count: Int { 0 }
    @inline(__always) static var rows: Int { 2 }
    @inline(__always) init(_ rows: QS8DepthwiseTwoRows, _ column: Int) {}
    @inline(__always) func step(_ work: QS8DepthwiseWork, _ place: QS8DepthwisePlace) -> QS8DepthwiseNone { self }
}

/// A column of outputs for each of inputs.
private struct QS8DepthwiseDense<Next: QS8DepthwiseColumns>: QS8DepthwiseColumns {
    let third: Row2
    let next: Next

    @inline(__always) static var count: Int { 1 &+ Next.count }
    @inline(__always) static var rows: Int { 2 }

    @inline(__always) init(_ rows: QS8DepthwiseTwoRows, _ column: Int) {
        self.init(rows.pair(column), Next(rows, column &+ 1))
    }

    @inline(__always) init(_ third: Row2, _ next: Next) {
        self.third = third
        self.next = next
    }

    @inline(__always) func step(_ work: QS8DepthwiseWork, _ place: QS8DepthwisePlace) -> QS8DepthwiseDense {
        let below = work.rows.pair(place.column)
        work.store(place, third, below)
        let following = QS8DepthwisePlace(
            upper: (place.upper.1, third), lower: (place.lower.1, below), column: place.column &+ 1,
            to: place.to + work.taps.outputStep)
        return QS8DepthwiseDense(below, next.step(work, following))
    }
}

/// A column of outputs for two of inputs.
private struct QS8DepthwiseSparse<Next: QS8DepthwiseColumns>: QS8DepthwiseColumns {
    let third, fourth: Row2
    let next: Next

    @inline(__always) static var count: Int { 1 &+ Next.count }
    @inline(__always) static var rows: Int { 1 }

    @inline(__always) init(_ rows: QS8DepthwiseTwoRows, _ column: Int) {
        let third = rows.pair(column)
        self.init(third, Next.count == 0 ? third : rows.pair(column &+ 1), Next(rows, column &+ 2))
    }

    @inline(__always) init(_ third: Row2, _ fourth: Row2, _ next: Next) {
        self.third = third
        self.fourth = fourth
        self.next = next
    }

    @inline(__always) func step(_ work: QS8DepthwiseWork, _ place: QS8DepthwisePlace) -> QS8DepthwiseSparse {
        let below = work.rows.pair(place.column)
        work.store(place, third, below)
        // Beyond the last window there may be nothing.
        let last = Next.count == 0 ? below : work.rows.pair(place.column &+ 1)
        let following = QS8DepthwisePlace(
            upper: (third, fourth), lower: (below, last), column: place.column &+ 2,
            to: place.to + work.taps.outputStep)
        return QS8DepthwiseSparse(below, last, next.step(work, following))
    }
}

private typealias QS8DepthwiseDense4 = QS8DepthwiseDense<
    QS8DepthwiseDense<QS8DepthwiseDense<QS8DepthwiseDense<QS8DepthwiseNone>>>
>
private typealias QS8DepthwiseSparse4 = QS8DepthwiseSparse<
    QS8DepthwiseSparse<QS8DepthwiseSparse<QS8DepthwiseSparse<QS8DepthwiseNone>>>
>

/// A filter of eight channels in registers, for rows at which a pair begins and for those at which one ends.
private struct QS8DepthwiseTaps {
    let even, odd: QS8DepthwiseSix
    let bias, factors: Row2
    let low, high: SIMD4<Int32>
    /// Bytes from one row and pixel of the output to the next.
    let outputPitch: Int
    let outputStep: Int

    @inline(__always) init(_ block: QS8DepthwiseBlock) {
        even = QS8DepthwiseSix(block.even)
        odd = QS8DepthwiseSix(block.odd)
        bias = Row2(block.bias)
        factors = Row2(factors: block.multipliers)
        low = block.low
        high = block.high
        outputPitch = 2 &* block.outputPitch
        outputStep = 2 &* block.outputStep
    }
}

/// Two pairs of rows of three columns.
private struct QS8DepthwiseSix {
    let upper, lower: (Row2, Row2, Row2)

    @inline(__always) init(_ weights: UnsafePointer<Int16>) {
        upper = (Row2(wide: weights), Row2(wide: weights + 16), Row2(wide: weights + 32))
        lower = (Row2(wide: weights + 48), Row2(wide: weights + 64), Row2(wide: weights + 80))
    }

    /// One output of the window with these three columns.
    @inline(__always)
    func store(
        _ x: (Row2, Row2), _ x2: Row2, _ y: (Row2, Row2), _ y2: Row2, _ taps: QS8DepthwiseTaps,
        _ to: UnsafeMutableRawPointer
    ) {
        var sum = taps.bias
        sum.accumulate(each: x.0, upper.0)
        sum.accumulate(each: y.0, lower.0)
        sum.accumulate(each: x.1, upper.1)
        sum.accumulate(each: y.1, lower.1)
        sum.accumulate(each: x2, upper.2)
        sum.accumulate(each: y2, lower.2)
        sum.requantised(by: taps.factors).store(to.assumingMemoryBound(to: Int16.self), low: taps.low, high: taps.high)
    }
}

extension Row2 {
    /// Two products for each of eight channels.
    @inline(__always)
    mutating func accumulate(each x: Row2, _ y: Row2) {
        a.accumulate(x.a.v, y.a)
        b.accumulate(x.b.v, y.b)
    }
}
