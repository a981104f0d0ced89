import CSIMD

/// The matrix products of one panel of output channels, one for each of the 36 points.
struct QS8WinogradProduct {
    let inputs: Int
    let tiles: Int
    let weights: UnsafePointer<Int16>
    let points: UnsafePointer<Int16>
    let products: UnsafeMutablePointer<Int32>

    /// All input channels in chains of 32, 16 and 8, each adding to the sums of the one before.
    func run<Row: QS8Row>(_: Row.Type) {
        var channel = 0
        while channel &+ 32 <= inputs {
            pass(QS8WinogradBlocks4<Row>.self, from: channel)
            channel &+= 32
        }
        if channel &+ 16 <= inputs {
            pass(QS8WinogradBlocks2<Row>.self, from: channel)
            channel &+= 16
        }
        // Never alone: there are at least sixteen.
        if channel < inputs { more(QS8WinogradBlock<Row>.self, from: channel) }
    }

    private func pass<Chain: QS8Chain>(_: Chain.Type, from channel: Int) {
        if channel == 0 { first(Chain.self) } else { more(Chain.self, from: channel) }
    }

    @inline(never)
    private func first<Chain: QS8Chain>(_: Chain.Type) {
        for point in 0..<QS8WinogradFilter.points {
            let chain = Chain(wide: weights + point &* inputs &* Chain.Row.vectors &* 4)
            var from = points + point &* QS8WinogradFilter.pointStep * 2
            var to = products + point &* QS8WinogradFilter.pointStep
            let end = to + tiles &* 4
            while to < end {
                var a = Chain.Row.zero
                chain.add(to: &a, from, 0)
                a.store(to, step: QS8WinogradFilter.blockStep)
                var b = Chain.Row.zero
                chain.add(to: &b, from + 8, 0)
                b.store(to + 4, step: QS8WinogradFilter.blockStep)
                from += 16
                to += 8
            }
        }
    }

    @inline(never)
    private func more<Chain: QS8Chain>(_: Chain.Type, from channel: Int) {
        for point in 0..<QS8WinogradFilter.points {
            let chain = Chain(wide: weights + (point &* inputs &+ channel) &* Chain.Row.vectors &* 4)
            var from =
                points + point &* QS8WinogradFilter.pointStep * 2
                + channel / 8 &* QS8WinogradFilter.blockStep &* 2
            var to = products + point &* QS8WinogradFilter.pointStep
            let end = to + tiles &* 4
            while to < end {
                var a = Chain.Row(to, step: QS8WinogradFilter.blockStep)
                chain.add(to: &a, from, 0)
                a.store(to, step: QS8WinogradFilter.blockStep)
                from += 8
                to += 4
            }
        }
    }
}

/// The four pairs of a block of eight input channels; the next block lies behind all points of this one.
struct QS8WinogradBlock<Row: QS8Row>: QS8Chain {
    let links: QS8Links4<Row>

    @inline(__always) static var pairs: Int { 4 }
    @inline(__always) static var span: Int { QS8WinogradFilter.blockStep &* 2 }
    @inline(__always) init(_ weights: UnsafePointer<Int8>) { links = QS8Links4(weights) }
    @inline(__always) init(wide weights: UnsafePointer<Int16>) { links = QS8Links4(wide: weights) }

    @inline(__always) func add(to row: inout Row, _ input: UnsafePointer<Int16>, _ pitch: Int) {
        links.add(to: &row, input, pitch)
    }
}

typealias QS8WinogradBlocks2<Row: QS8Row> = QS8Links<QS8WinogradBlock<Row>, QS8WinogradBlock<Row>>
typealias QS8WinogradBlocks4<Row: QS8Row> = QS8Links<QS8WinogradBlocks2<Row>, QS8WinogradBlocks2<Row>>

/// The output transform of eight channels with requantisation and store.
struct QS8WinogradEnd {
    let products: UnsafePointer<Int32>
    let bias: UnsafePointer<Int32>
    let multipliers: UnsafePointer<Float>
    let low: SIMD4<Int32>
    let high: SIMD4<Int32>
    let output: UnsafeMutablePointer<Int16>
    /// Where each tile goes.
    let targets: UnsafePointer<Int32>
    let tiles: Int
    let rowPitch: Int
    let channels: Int

    /// 4x4 outputs of every tile.
    @inline(never)
    func plain() {
        let factors = Row2(factors: multipliers)
        let bias = Row2(self.bias)
        for tile in 0..<tiles {
            let from = products + tile &* 4
            let a = QS8WinogradColumns(from, bias.a.v)
            let b = QS8WinogradColumns(from + QS8WinogradFilter.blockStep, bias.b.v)
            var to = output + Int(targets[tile])
            store(a.row0, b.row0, factors, to)
            to += rowPitch
            store(a.row1, b.row1, factors, to)
            to += rowPitch
            store(a.row2, b.row2, factors, to)
            to += rowPitch
            store(a.row3, b.row3, factors, to)
        }
    }

    /// The largest of each 2x2 of 4x4 outputs of every tile.
    @inline(never)
    func pooled() {
        let factors = Row2(factors: multipliers)
        let bias = Row2(self.bias)
        for tile in 0..<tiles {
            let from = products + tile &* 4
            let a = QS8WinogradColumns(from, bias.a.v)
            let b = QS8WinogradColumns(from + QS8WinogradFilter.blockStep, bias.b.v)
            let to = output + Int(targets[tile])
            store(a.row0.pooled(a.row1), b.row0.pooled(b.row1), factors, to)
            store(a.row2.pooled(a.row3), b.row2.pooled(b.row3), factors, to + rowPitch)
        }
    }

    /// A row of four pixels.
    @inline(__always)
    private func store(
        _ x: QS8WinogradFour, _ y: QS8WinogradFour, _ factors: Row2, _ to: UnsafeMutablePointer<Int16>
    ) {
        store(x.a, y.a, factors, to)
        store(x.b, y.b, factors, to + channels)
        store(x.c, y.c, factors, to + 2 &* channels)
        store(x.d, y.d, factors, to + 3 &* channels)
    }

    /// A row of two pixels.
    @inline(__always)
    private func store(
        _ x: (SIMD4<Int32>, SIMD4<Int32>), _ y: (SIMD4<Int32>, SIMD4<Int32>), _ factors: Row2,
        _ to: UnsafeMutablePointer<Int16>
    ) {
        store(x.0, y.0, factors, to)
        store(x.1, y.1, factors, to + channels)
    }

    @inline(__always)
    private func store(
        _ x: SIMD4<Int32>, _ y: SIMD4<Int32>, _ factors: Row2, _ to: UnsafeMutablePointer<Int16>
    ) {
        Row2(Row1(x), Row1(y)).requantised(by: factors).store(to, low: low, high: high)
    }
}

/// The 36 products of a tile, four channels, transformed along the columns.
private struct QS8WinogradColumns {
    let c0, c1, c2, c3, c4, c5: QS8WinogradFour

    /// `bias` is added to the product of points 1 and 1, from where every output gets it.
    @inline(__always)
    init(_ from: UnsafePointer<Int32>, _ bias: SIMD4<Int32>) {
        let right = QS8WinogradFilter.pointStep
        let down = 6 &* right
        c0 = QS8WinogradSix(from, down).outputs
        var second = QS8WinogradSix(from + right, down)
        second.b = lanes_add_i32(second.b, bias)
        c1 = second.outputs
        c2 = QS8WinogradSix(from + 2 &* right, down).outputs
        c3 = QS8WinogradSix(from + 3 &* right, down).outputs
        c4 = QS8WinogradSix(from + 4 &* right, down).outputs
        c5 = QS8WinogradSix(from + 5 &* right, down).outputs
    }

    @inline(__always) var row0: QS8WinogradFour { QS8WinogradSix(c0.a, c1.a, c2.a, c3.a, c4.a, c5.a).outputs.exact }
    @inline(__always) var row1: QS8WinogradFour { QS8WinogradSix(c0.b, c1.b, c2.b, c3.b, c4.b, c5.b).outputs.exact }
    @inline(__always) var row2: QS8WinogradFour { QS8WinogradSix(c0.c, c1.c, c2.c, c3.c, c4.c, c5.c).outputs.exact }
    @inline(__always) var row3: QS8WinogradFour { QS8WinogradSix(c0.d, c1.d, c2.d, c3.d, c4.d, c5.d).outputs.exact }
}
