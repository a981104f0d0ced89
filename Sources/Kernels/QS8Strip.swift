import CSIMD

/// One panel of output channels for a strip of pixels, walked in register tiles from wide to narrow.
struct QS8Strip {
    let input: UnsafePointer<Int16>
    /// Per pixel, where its first run starts in `input`.
    let sources: UnsafePointer<Int32>
    let count: Int
    /// Per pixel, or per window of four when pooling, where its first channel goes.
    let targets: UnsafePointer<Int32>
    let weights: UnsafePointer<Int8>
    let bias: UnsafePointer<Int32>
    let runs: Int
    let pairs: Int
    /// From the end of one run to the start of the next.
    let gap: Int
    let pools: Bool
    let epilogue: QS8Epilogue

    func run<Row: QS8Row>(_: Row.Type) {
        var done = 0
        if QS8Tiling.widestTile >= 8 {
            done = tiles(PixelPair<PixelPair<PixelPair<Pixel<Row>>>>.self, from: done)
        }
        done = tiles(PixelPair<PixelPair<Pixel<Row>>>.self, from: done)
        if !pools { done = tiles(Pixel<Row>.self, from: done) }
    }

    /// Whole tiles from pixel `start` on; gives back the first pixel not done.
    @inline(never)
    private func tiles<Tile: QS8Tile>(_: Tile.Type, from start: Int) -> Int {
        var pixel = start
        while pixel &+ Tile.pixels <= count {
            var tile = Tile(bias: Tile.Row(bias: bias), input: input, offsets: sources + pixel)
            tile.accumulate(runs: runs, pairs: pairs, gap: gap, weights: weights)
            if Tile.pixels >= 4 && pools {
                tile.emitPooled(epilogue, targets + pixel / 4)
            } else {
                tile.emit(epilogue, targets + pixel)
            }
            pixel &+= Tile.pixels
        }
        return pixel
    }
}
