/// How a row of A goes on along the summed index: `runs` runs of `length` elements, `stride` apart.
struct F32Depth {
    var runs = 1
    var runStride = 0
    var length: Int
    var stride = 1
}

/// What a tile kernel works on. Rows of A may begin anywhere; rows past the last valid one repeat it.
struct F32Tile {
    var a0, a1, a2, a3, a4, a5, a6, a7: UnsafePointer<Float>
    var depth: F32Depth
    /// Row `p` of B begins at `b + p · bStride`; all lanes of the tile are read.
    var b: UnsafePointer<Float>
    var bStride: Int
    /// What the sums begin with (a bias when the stride is 0, C itself to go on with it), nil for zeros.
    var start: UnsafePointer<Float>?
    var startStride: Int
    var c: UnsafeMutablePointer<Float>
    var cStride: Int
    /// How many rows and columns are valid.
    var rows: Int
    var columns: Int

    /// Eight columns of the first row of what the sums begin with.
    @inline(__always)
    func first(at column: Int, count: Int) -> SIMD8<Float> {
        guard let start else { return SIMD8() }
        return load(start + column, count)
    }

    /// Eight columns of a row of what the sums begin with; a bias, the same for all rows, is loaded once.
    @inline(__always)
    func initial(row: Int, at column: Int, count: Int, _ first: SIMD8<Float>) -> SIMD8<Float> {
        if startStride == 0 || row >= rows { return first }
        guard let start else { return first }
        return load(start + row &* startStride + column, count)
    }

    @inline(__always)
    func finish(row: Int, _ v: SIMD8<Float>) {
        if row < rows { store(v, c + row &* cStride, columns) }
    }

    @inline(__always)
    func finish(row: Int, _ low: SIMD8<Float>, _ high: SIMD8<Float>) {
        if row >= rows { return }
        store8(low, c + row &* cStride)
        store(high, c + row &* cStride + 8, columns - 8)
    }
}

/// A tile of at most 5 rows and 16 columns of C = start + A·B; the summed index ascends, one accumulator an element.
@inline(never)
func f32Tile5x16(_ tile: F32Tile) {
    let a0 = tile.a0
    let a1 = tile.a1
    let a2 = tile.a2
    let a3 = tile.a3
    let a4 = tile.a4
    var b = tile.b
    let bStride = tile.bStride
    let stride = tile.depth.stride
    let columns = tile.columns - 8
    let low = tile.first(at: 0, count: 8)
    let high = tile.first(at: 8, count: columns)
    var c0l = tile.initial(row: 0, at: 0, count: 8, low)
    var c0h = tile.initial(row: 0, at: 8, count: columns, high)
    var c1l = tile.initial(row: 1, at: 0, count: 8, low)
    var c1h = tile.initial(row: 1, at: 8, count: columns, high)
    var c2l = tile.initial(row: 2, at: 0, count: 8, low)
    var c2h = tile.initial(row: 2, at: 8, count: columns, high)
    var c3l = tile.initial(row: 3, at: 0, count: 8, low)
    var c3h = tile.initial(row: 3, at: 8, count: columns, high)
    var c4l = tile.initial(row: 4, at: 0, count: 8, low)
    var c4h = tile.initial(row: 4, at: 8, count: columns, high)
    for run in 0..<tile.depth.runs {
        var p = run &* tile.depth.runStride
        let end = p &+ tile.depth.length &* stride
        while p != end {
            let b0 = load8(b)
            let b1 = load8(b + 8)
            let x0 = splat(a0[p])
            c0l += x0 * b0
            c0h += x0 * b1
            let x1 = splat(a1[p])
            c1l += x1 * b0
            c1h += x1 * b1
            let x2 = splat(a2[p])
            c2l += x2 * b0
            c2h += x2 * b1
            let x3 = splat(a3[p])
            c3l += x3 * b0
            c3h += x3 * b1
            let x4 = splat(a4[p])
            c4l += x4 * b0
            c4h += x4 * b1
            b += bStride
            p &+= stride
        }
    }
    tile.finish(row: 0, c0l, c0h)
    tile.finish(row: 1, c1l, c1h)
    tile.finish(row: 2, c2l, c2h)
    tile.finish(row: 3, c3l, c3h)
    tile.finish(row: 4, c4l, c4h)
}

/// A tile of at most 8 rows and 8 columns of C = start + A·B; the summed index ascends, one accumulator an element.
@inline(never)
func f32Tile8x8(_ tile: F32Tile) {
    let a0 = tile.a0
    let a1 = tile.a1
    let a2 = tile.a2
    let a3 = tile.a3
    let a4 = tile.a4
    let a5 = tile.a5
    let a6 = tile.a6
    let a7 = tile.a7
    var b = tile.b
    let bStride = tile.bStride
    let stride = tile.depth.stride
    let first = tile.first(at: 0, count: tile.columns)
    var c0 = tile.initial(row: 0, at: 0, count: tile.columns, first)
    var c1 = tile.initial(row: 1, at: 0, count: tile.columns, first)
    var c2 = tile.initial(row: 2, at: 0, count: tile.columns, first)
    var c3 = tile.initial(row: 3, at: 0, count: tile.columns, first)
    var c4 = tile.initial(row: 4, at: 0, count: tile.columns, first)
    var c5 = tile.initial(row: 5, at: 0, count: tile.columns, first)
    var c6 = tile.initial(row: 6, at: 0, count: tile.columns, first)
    var c7 = tile.initial(row: 7, at: 0, count: tile.columns, first)
    for run in 0..<tile.depth.runs {
        var p = run &* tile.depth.runStride
        let end = p &+ tile.depth.length &* stride
        while p != end {
            let b0 = load8(b)
            c0 += splat(a0[p]) * b0
            c1 += splat(a1[p]) * b0
            c2 += splat(a2[p]) * b0
            c3 += splat(a3[p]) * b0
            c4 += splat(a4[p]) * b0
            c5 += splat(a5[p]) * b0
            c6 += splat(a6[p]) * b0
            c7 += splat(a7[p]) * b0
            b += bStride
            p &+= stride
        }
    }
    tile.finish(row: 0, c0)
    tile.finish(row: 1, c1)
    tile.finish(row: 2, c2)
    tile.finish(row: 3, c3)
    tile.finish(row: 4, c4)
    tile.finish(row: 5, c5)
    tile.finish(row: 6, c6)
    tile.finish(row: 7, c7)
}
