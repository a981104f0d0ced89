/// A matrix product cut into tiles; the one loop nest under matrix products and convolutions.
///
/// Columns go in panels of 16, tiles of 5 rows each (ten accumulators leave
/// room for the operands in sixteen registers); the last panel, if it has at most 8 columns, in tiles of 8 rows.
/// A unit is one tile; units are numbered panel by panel, so that a range of them reuses a panel of B.
struct F32Product {
    let rows: Int
    let columns: Int
    let depth: F32Depth
    let b: UnsafePointer<Float>
    /// From one row of B to the next, and from one panel to the next.
    let bStride: Int
    let bPanelStride: Int
    let start: UnsafePointer<Float>?
    let startStride: Int

    private var widePanels: Int { columns / 16 + (columns % 16 > 8 ? 1 : 0) }
    private var hasNarrowPanel: Bool { columns % 16 > 0 && columns % 16 <= 8 }
    private var wideTiles: Int { (rows + 4) / 5 }

    var units: Int { widePanels * wideTiles + (hasNarrowPanel ? (rows + 7) / 8 : 0) }

    /// Units that are worth about `work` multiply-accumulates.
    func grain(_ work: Int) -> Int { max(1, work / (80 * max(1, depth.runs * depth.length))) }

    /// Computes some units; `row` gives the place where a row of A begins.
    @inline(__always)
    func compute(
        _ range: Range<Int>, a: UnsafePointer<Float>, c: UnsafeMutablePointer<Float>, cStride: Int,
        row: (Int) -> Int
    ) {
        let tiles = wideTiles
        let wide = widePanels * tiles
        var unit = range.lowerBound
        var panel = min(unit / tiles, widePanels)
        var tile = unit - panel * tiles
        while unit < range.upperBound {
            let narrow = unit >= wide
            if !narrow && tile == tiles {
                tile = 0
                panel += 1
            } else if narrow && panel < widePanels {
                tile = 0
                panel = widePanels
            }
            let first = narrow ? tile * 8 : tile * 5
            let last = rows - 1
            let column = panel * 16
            let work = F32Tile(
                a0: a + row(first), a1: a + row(min(first + 1, last)), a2: a + row(min(first + 2, last)),
                a3: a + row(min(first + 3, last)), a4: a + row(min(first + 4, last)),
                a5: a + row(min(first + 5, last)), a6: a + row(min(first + 6, last)),
                a7: a + row(min(first + 7, last)), depth: depth, b: b + panel * bPanelStride,
                bStride: bStride,
                start: start.map { $0 + first * startStride + column }, startStride: startStride,
                c: c + first * cStride + column, cStride: cStride, rows: min(narrow ? 8 : 5, rows - first),
                columns: min(narrow ? 8 : 16, columns - column))
            if narrow { f32Tile8x8(work) } else { f32Tile5x16(work) }
            unit += 1
            tile += 1
        }
    }
}

/// Floats that `f32PackPanels` writes.
func f32PackedCount(depth: Int, columns: Int) -> Int { (columns + 15) / 16 * 16 * depth }

/// Writes B in panels of 16 columns, each contiguous along the summed index, zeros past the last column.
///
/// - Parameter element: the place of B[p, j].
@inline(__always)
func f32PackPanels(
    _ source: UnsafePointer<Float>, depth: Int, columns: Int, into target: UnsafeMutablePointer<Float>,
    workers: Workers, element: (_ p: Int, _ j: Int) -> Int
) {
    let panels = (columns + 15) / 16
    workers.forEachRange(panels, grain: max(1, 8192 / (16 * max(1, depth)))) { range in
        for panel in range {
            var out = target + panel * 16 * depth
            let width = min(16, columns - panel * 16)
            for p in 0..<depth {
                for j in 0..<width { out[j] = source[element(p, panel &* 16 &+ j)] }
                for j in width..<16 { out[j] = 0 }
                out += 16
            }
        }
    }
}
