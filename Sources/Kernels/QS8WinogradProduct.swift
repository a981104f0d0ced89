import CSIMD

/// The matrix products of one panel of output channels, one for each of the 36 points.
struct QS8WinogradProduct {
    let inputs: Int
    let tiles: Int
    let pairs: Int
    let weights: UnsafePointer<Int16>
    let points: UnsafePointer<Int16>
    let products: UnsafeMutablePointer<Int32>

    /// Whole register tiles from Winograd tile `start` on; gives back the first one not done.
    @inline(never)
    func tiles<Tile: QS8WinogradRegisters>(_: Tile.Type, from start: Int) -> Int {
        let lanes = Tile.Row.vectors &* 4
        var done = start
        while done &+ Tile.tiles <= tiles {
            var from = points + done &* inputs
            var to = products + done &* lanes
            var w = weights
            for _ in 0..<QS8WinogradFilter.points {
                var tile = Tile(input: from, step: inputs)
                var left = pairs
                while left >= 8 {
                    tile.four(w, 0)
                    tile.four(w, 4)
                    w += lanes &* 16
                    tile.advance(16)
                    left &-= 8
                }
                // Input channels come in eights, so pairs in fours.
                if left > 0 {
                    tile.four(w, 0)
                    w += lanes &* 8
                    tile.advance(8)
                }
                tile.store(to)
                from += tiles &* inputs
                to += tiles &* lanes
            }
            done &+= Tile.tiles
        }
        return done
    }
}

/// The accumulators of a few Winograd tiles times one row of output channels.
protocol QS8WinogradRegisters {
    associatedtype Row: QS8Row
    static var tiles: Int { get }
    /// Zeros; tile i reads from `input + i * step`.
    init(input: UnsafePointer<Int16>, step: Int)
    /// Adds the products of input pair number `i` from the current position.
    mutating func step(_ i: Int, _ weights: Row)
    mutating func advance(_ count: Int)
    /// Stores tile after tile.
    func store(_ output: UnsafeMutablePointer<Int32>)
}

extension QS8WinogradRegisters {
    /// Input pairs `i ..< i + 4`.
    @inline(__always) mutating func four(_ weights: UnsafePointer<Int16>, _ i: Int) {
        let lanes = Row.vectors &* 8
        step(i, Row(wide: weights + i &* lanes))
        step(i &+ 1, Row(wide: weights + (i &+ 1) &* lanes))
        step(i &+ 2, Row(wide: weights + (i &+ 2) &* lanes))
        step(i &+ 3, Row(wide: weights + (i &+ 3) &* lanes))
    }
}

/// One tile.
struct QS8WinogradTile<Row: QS8Row>: QS8WinogradRegisters {
    var row: Row
    var input: UnsafePointer<Int16>

    @inline(__always) static var tiles: Int { 1 }

    @inline(__always) init(input: UnsafePointer<Int16>, step: Int) {
        row = Row.zero
        self.input = input
    }

    @inline(__always) mutating func step(_ i: Int, _ weights: Row) {
        row.accumulate(lanes_splat_pair(input + i &* 2), weights)
    }

    @inline(__always) mutating func advance(_ count: Int) { input += count }
    @inline(__always) func store(_ output: UnsafeMutablePointer<Int32>) { row.store(output) }
}

/// Twice as many tiles.
struct QS8WinogradPair<Half: QS8WinogradRegisters>: QS8WinogradRegisters {
    typealias Row = Half.Row
    var a: Half
    var b: Half

    @inline(__always) static var tiles: Int { Half.tiles &* 2 }

    @inline(__always) init(input: UnsafePointer<Int16>, step: Int) {
        a = Half(input: input, step: step)
        b = Half(input: input + Half.tiles &* step, step: step)
    }

    @inline(__always) mutating func step(_ i: Int, _ weights: Row) {
        a.step(i, weights)
        b.step(i, weights)
    }

    @inline(__always) mutating func advance(_ count: Int) {
        a.advance(count)
        b.advance(count)
    }

    @inline(__always) func store(_ output: UnsafeMutablePointer<Int32>) {
        a.store(output)
        b.store(output + Half.tiles &* Row.vectors &* 4)
    }
}

/// The output transform of four channels with bias, requantisation and store.
struct QS8WinogradEnd {
    /// Numbers from one point to the next.
    let step: Int
    let bias: SIMD4<Int32>
    let multiplier: SIMD4<Int32>
    let low: SIMD4<Int32>
    let high: SIMD4<Int32>
    let rowPitch: Int
    let channels: Int

    /// 4x4 outputs.
    @inline(never)
    func plain(_ from: UnsafePointer<Int32>, _ to: UnsafeMutablePointer<Int16>) {
        let down = 6 &* step
        let c0 = QS8WinogradSix(from, down).outputs
        let c1 = QS8WinogradSix(from + step, down).outputs
        let c2 = QS8WinogradSix(from + 2 &* step, down).outputs
        let c3 = QS8WinogradSix(from + 3 &* step, down).outputs
        let c4 = QS8WinogradSix(from + 4 &* step, down).outputs
        let c5 = QS8WinogradSix(from + 5 &* step, down).outputs
        store(QS8WinogradSix(c0.a, c1.a, c2.a, c3.a, c4.a, c5.a).outputs, to)
        store(QS8WinogradSix(c0.b, c1.b, c2.b, c3.b, c4.b, c5.b).outputs, to + rowPitch)
        store(QS8WinogradSix(c0.c, c1.c, c2.c, c3.c, c4.c, c5.c).outputs, to + 2 &* rowPitch)
        store(QS8WinogradSix(c0.d, c1.d, c2.d, c3.d, c4.d, c5.d).outputs, to + 3 &* rowPitch)
    }

    /// The largest of each 2x2 of 4x4 outputs.
    @inline(never)
    func pooled(_ from: UnsafePointer<Int32>, _ to: UnsafeMutablePointer<Int16>) {
        let down = 6 &* step
        let c0 = QS8WinogradSix(from, down).outputs
        let c1 = QS8WinogradSix(from + step, down).outputs
        let c2 = QS8WinogradSix(from + 2 &* step, down).outputs
        let c3 = QS8WinogradSix(from + 3 &* step, down).outputs
        let c4 = QS8WinogradSix(from + 4 &* step, down).outputs
        let c5 = QS8WinogradSix(from + 5 &* step, down).outputs
        let upper = pool(
            QS8WinogradSix(c0.a, c1.a, c2.a, c3.a, c4.a, c5.a).outputs,
            QS8WinogradSix(c0.b, c1.b, c2.b, c3.b, c4.b, c5.b).outputs)
        let lower = pool(
            QS8WinogradSix(c0.c, c1.c, c2.c, c3.c, c4.c, c5.c).outputs,
            QS8WinogradSix(c0.d, c1.d, c2.d, c3.d, c4.d, c5.d).outputs)
        store(upper.0, upper.1, to)
        store(lower.0, lower.1, to + rowPitch)
    }

    @inline(__always)
    private func pool(
        _ upper: QS8WinogradFour, _ lower: QS8WinogradFour
    ) -> (SIMD4<Int32>, SIMD4<Int32>) {
        (
            lanes_max_i32(
                lanes_max_i32(exact(upper.a), exact(upper.b)), lanes_max_i32(exact(lower.a), exact(lower.b))),
            lanes_max_i32(
                lanes_max_i32(exact(upper.c), exact(upper.d)), lanes_max_i32(exact(lower.c), exact(lower.d)))
        )
    }

    /// 64 Y of 576 Y: a product with the inverse of 9 modulo 2^32.
    @inline(__always)
    private func exact(_ v: SIMD4<Int32>) -> SIMD4<Int32> { lanes_mul_i32(v, lanes_splat_i32(954_437_177)) }

    @inline(__always)
    private func store(_ row: QS8WinogradFour, _ to: UnsafeMutablePointer<Int16>) {
        store(exact(row.a), exact(row.b), to)
        store(exact(row.c), exact(row.d), to + 2 &* channels)
    }

    /// Two neighbouring pixels.
    @inline(__always)
    private func store(_ a: SIMD4<Int32>, _ b: SIMD4<Int32>, _ to: UnsafeMutablePointer<Int16>) {
        let q = lanes_narrow(
            lanes_requantise(lanes_add_i32(a, bias), multiplier),
            lanes_requantise(lanes_add_i32(b, bias), multiplier))
        let v = lanes_min_i16(lanes_max_i16(q, low), high)
        lanes_store_half(to, v)
        lanes_store_high(to + channels, v)
    }
}
