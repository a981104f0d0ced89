import CSIMD

/// A 3x3 convolution of stride 1 by exact integer Winograd F(4x4, 3x3), fused with requantisation and 2x2 pooling.
///
/// Tiles of 4x4 outputs go through in groups: input transform, 36 matrix products, output transform. The last
/// tile of a row or column ends with the picture and computes some outputs a second time, so no tile is partial.
struct QS8Winograd: Sendable {
    let filter: QS8WinogradFilter
    let input: QS8Plane
    let output: QS8Plane
    let low: Int16
    let high: Int16
    let pools: Bool
    /// Per tile, where its 6x6 inputs and its 4x4 (pooled: 2x2) outputs start.
    let sources: [Int32]
    let targets: [Int32]

    /// Tiles transformed together; a multiple of the widest register tile.
    static let group = 16

    /// nil where the transform does not fit the shape or is not exact; the direct kernel always is.
    init?(
        weights: [Int8], bias: [Int32], multipliers: [Float], low: Int16, high: Int16, padding: Int,
        input: QS8Plane, output: QS8Plane, pools: Bool, inputBound: Int
    ) {
        let scale = pools ? 2 : 1
        let height = output.height * scale
        let width = output.width * scale
        guard height >= 4, width >= 4,
            let filter = QS8WinogradFilter(
                weights: weights, bias: bias, multipliers: multipliers, inputs: input.channels,
                inputBound: inputBound)
        else { return nil }
        self.filter = filter
        self.input = input
        self.output = output
        self.low = low
        self.high = high
        self.pools = pools
        var sources: [Int32] = []
        var targets: [Int32] = []
        for tileY in 0..<(height + 3) / 4 {
            let y = min(tileY * 4, height - 4)
            for tileX in 0..<(width + 3) / 4 {
                let x = min(tileX * 4, width - 4)
                sources.append(Int32(input.offset(y - padding, x - padding)))
                targets.append(Int32(output.offset(y / scale, x / scale)))
            }
        }
        self.sources = sources
        self.targets = targets
    }

    private var tiles: Int { min(QS8Winograd.group, sources.count) }
    /// 16-bit numbers of all points of one tile.
    private var pointNumbers: Int { QS8WinogradFilter.points * tiles * filter.inputs }

    /// 16-bit numbers of scratch that `run` needs.
    var scratch: Int { pointNumbers + QS8WinogradFilter.points * tiles * QS8Tiling.winogradPanel * 4 * 2 }

    /// One picture from plane to plane; the output's border is left alone.
    func run(
        _ source: UnsafePointer<Int16>, _ target: UnsafeMutablePointer<Int16>,
        scratch: UnsafeMutablePointer<Int16>
    ) {
        let points = scratch
        let products = UnsafeMutableRawPointer(scratch + pointNumbers).assumingMemoryBound(to: Int32.self)
        var start = 0
        while start < sources.count {
            let count = min(tiles, sources.count - start)
            for tile in 0..<count {
                transform(
                    source + Int(sources[start + tile]), points + tile * filter.inputs,
                    step: count * filter.inputs)
            }
            for panel in filter.panels {
                switch panel.vectors {
                case 8: multiply(RowPair<RowPair<Row2>>.self, panel, points, products, count)
                case 4: multiply(RowPair<Row2>.self, panel, points, products, count)
                default: multiply(Row2.self, panel, points, products, count)
                }
                finish(panel, products, target, start, count)
            }
            start += count
        }
    }

    /// One tile: 6x6 pixels of all channels into 36 points, `step` numbers apart.
    @inline(never)
    private func transform(
        _ source: UnsafePointer<Int16>, _ target: UnsafeMutablePointer<Int16>, step: Int
    ) {
        let two = lanes_splat_i16(2 &+ Int16(truncatingIfNeeded: filter.inputs & 7))
        let four = lanes_add_i16(two, two)
        let channels = input.channels
        let pitch = input.rowPitch
        var c = 0
        while c < channels {
            let p = source + c
            let r0 = QS8WinogradSix(p, channels).inputPoints(two, four)
            let r1 = QS8WinogradSix(p + pitch, channels).inputPoints(two, four)
            let r2 = QS8WinogradSix(p + 2 &* pitch, channels).inputPoints(two, four)
            let r3 = QS8WinogradSix(p + 3 &* pitch, channels).inputPoints(two, four)
            let r4 = QS8WinogradSix(p + 4 &* pitch, channels).inputPoints(two, four)
            let r5 = QS8WinogradSix(p + 5 &* pitch, channels).inputPoints(two, four)
            let q = target + c
            let down = 6 &* step
            QS8WinogradSix(r0.a, r1.a, r2.a, r3.a, r4.a, r5.a).inputPoints(two, four).store(q, down)
            QS8WinogradSix(r0.b, r1.b, r2.b, r3.b, r4.b, r5.b).inputPoints(two, four).store(q + step, down)
            QS8WinogradSix(r0.c, r1.c, r2.c, r3.c, r4.c, r5.c).inputPoints(two, four).store(q + 2 &* step, down)
            QS8WinogradSix(r0.d, r1.d, r2.d, r3.d, r4.d, r5.d).inputPoints(two, four).store(q + 3 &* step, down)
            QS8WinogradSix(r0.e, r1.e, r2.e, r3.e, r4.e, r5.e).inputPoints(two, four).store(q + 4 &* step, down)
            QS8WinogradSix(r0.f, r1.f, r2.f, r3.f, r4.f, r5.f).inputPoints(two, four).store(q + 5 &* step, down)
            c &+= 8
        }
    }

    /// The 36 products of one panel: `[point][tile][channel]` sums over the input channels.
    private func multiply<Row: QS8Row>(
        _: Row.Type, _ panel: QS8WinogradFilter.Panel, _ points: UnsafePointer<Int16>,
        _ products: UnsafeMutablePointer<Int32>, _ count: Int
    ) {
        filter.packed.withUnsafeBufferPointer { packed in
            let job = QS8WinogradProduct(
                inputs: filter.inputs, tiles: count, pairs: filter.inputs / 2,
                weights: packed.baseAddress! + panel.weights, points: points, products: products)
            var done = 0
            if QS8Tiling.widestWinogradTile >= 8 {
                done = job.tiles(QS8WinogradPair<QS8WinogradPair<QS8WinogradPair<QS8WinogradTile<Row>>>>.self, from: done)
            }
            done = job.tiles(QS8WinogradPair<QS8WinogradPair<QS8WinogradTile<Row>>>.self, from: done)
            _ = job.tiles(QS8WinogradTile<Row>.self, from: done)
        }
    }

    /// Products to outputs, four channels at a time.
    private func finish(
        _ panel: QS8WinogradFilter.Panel, _ products: UnsafePointer<Int32>,
        _ target: UnsafeMutablePointer<Int16>, _ start: Int, _ count: Int
    ) {
        let lanes = panel.vectors * 4
        filter.bias.withUnsafeBufferPointer { bias in
            filter.multipliers.withUnsafeBufferPointer { multipliers in
                var c = 0
                while c < lanes {
                    let channel = panel.channel + c
                    let end = QS8WinogradEnd(
                        step: count * lanes, bias: lanes_load(bias.baseAddress! + channel),
                        multiplier: lanes_load(multipliers.baseAddress! + channel), low: lanes_splat_i16(low),
                        high: lanes_splat_i16(high), rowPitch: output.rowPitch, channels: output.channels)
                    for tile in 0..<count {
                        let from = products + tile * lanes + c
                        let to = target + Int(targets[start + tile]) + channel
                        if pools { end.pooled(from, to) } else { end.plain(from, to) }
                    }
                    c += 4
                }
            }
        }
    }
}
