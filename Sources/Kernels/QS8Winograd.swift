import CSIMD

/// A 3x3 convolution of stride 1 by exact integer Winograd F(4x4, 3x3), fused with requantisation and 2x2 pooling.
///
/// Tiles of 4x4 outputs go through in groups: input transform, 36 matrix products, output transform. The last
/// tile of a row or column ends with the picture and computes some outputs a second time, so no tile is partial.
final class QS8Winograd: Sendable {
    let filter: QS8WinogradFilter
    let input: QS8Plane
    let output: QS8Plane
    let low: Int16
    let high: Int16
    let pools: Bool
    /// Per tile, where its 6x6 inputs and its 4x4 (pooled: 2x2) outputs start.
    let sources: [Int32]
    let targets: [Int32]

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

    /// Tiles of one group; the groups are about equal, and all but the last even.
    private var tiles: Int {
        let groups = (sources.count + QS8WinogradFilter.group - 1) / QS8WinogradFilter.group
        return (sources.count + 2 * groups - 1) / (2 * groups) * 2
    }

    /// 16-bit numbers of all points of one group of tiles: `[8 input channels][point][tile][channel]`.
    private var pointNumbers: Int { filter.inputs / 8 * QS8WinogradFilter.blockStep * 2 }

    /// 16-bit numbers of scratch that `run` needs.
    var scratch: Int { pointNumbers + QS8Tiling.winogradPanel * QS8WinogradFilter.blockStep * 2 }

    /// One picture from plane to plane; the output's border is left alone.
    func run(
        _ source: UnsafePointer<Int16>, _ target: UnsafeMutablePointer<Int16>,
        scratch: UnsafeMutablePointer<Int16>
    ) {
        let products = UnsafeMutableRawPointer(scratch + pointNumbers).assumingMemoryBound(to: Int32.self)
        sources.withUnsafeBufferPointer { sources in
            targets.withUnsafeBufferPointer { targets in
                let group = tiles
                var start = 0
                while start < sources.count {
                    let count = min(group, sources.count &- start)
                    transform(source, sources.baseAddress! + start, count, scratch)
                    for panel in filter.panels {
                        multiply(panel, scratch, products, count)
                        finish(panel, products, target, targets.baseAddress! + start, count)
                    }
                    start &+= count
                }
            }
        }
    }

    /// 6x6 pixels of all channels of every tile into 36 points.
    @inline(never)
    private func transform(
        _ source: UnsafePointer<Int16>, _ sources: UnsafePointer<Int32>, _ count: Int,
        _ target: UnsafeMutablePointer<Int16>
    ) {
        let two = lanes_splat_i16(2 &+ Int16(truncatingIfNeeded: filter.inputs & 7))
        let four = lanes_add_i16(two, two)
        let channels = input.channels
        let pitch = input.rowPitch
        let step = QS8WinogradFilter.pointStep &* 2
        let down = 6 &* step
        var c = 0
        var block = target
        while c < channels {
            for tile in 0..<count {
                let p = source + Int(sources[tile]) + c
                let r0 = QS8WinogradSix(p, channels).inputPoints(two, four)
                let r1 = QS8WinogradSix(p + pitch, channels).inputPoints(two, four)
                let r2 = QS8WinogradSix(p + 2 &* pitch, channels).inputPoints(two, four)
                let r3 = QS8WinogradSix(p + 3 &* pitch, channels).inputPoints(two, four)
                let r4 = QS8WinogradSix(p + 4 &* pitch, channels).inputPoints(two, four)
                let r5 = QS8WinogradSix(p + 5 &* pitch, channels).inputPoints(two, four)
                let q = block + tile &* 8
                QS8WinogradSix(r0.a, r1.a, r2.a, r3.a, r4.a, r5.a).inputPoints(two, four).store(q, down)
                QS8WinogradSix(r0.b, r1.b, r2.b, r3.b, r4.b, r5.b).inputPoints(two, four).store(q + step, down)
                QS8WinogradSix(r0.c, r1.c, r2.c, r3.c, r4.c, r5.c).inputPoints(two, four).store(q + 2 &* step, down)
                QS8WinogradSix(r0.d, r1.d, r2.d, r3.d, r4.d, r5.d).inputPoints(two, four).store(q + 3 &* step, down)
                QS8WinogradSix(r0.e, r1.e, r2.e, r3.e, r4.e, r5.e).inputPoints(two, four).store(q + 4 &* step, down)
                QS8WinogradSix(r0.f, r1.f, r2.f, r3.f, r4.f, r5.f).inputPoints(two, four).store(q + 5 &* step, down)
            }
            c &+= 8
            block += QS8WinogradFilter.blockStep &* 2
        }
    }

    /// The 36 products of one panel: `[4 output channels][point][tile][channel]` sums over the input channels.
    private func multiply(
        _ panel: QS8WinogradFilter.Panel, _ points: UnsafePointer<Int16>,
        _ products: UnsafeMutablePointer<Int32>, _ count: Int
    ) {
        filter.packed.withUnsafeBufferPointer { packed in
            let job = QS8WinogradProduct(
                inputs: filter.inputs, tiles: count, weights: packed.baseAddress! + panel.weights,
                points: points, products: products)
            switch panel.vectors {
            case 8: job.run(Row8.self)
            case 4: job.run(Row4.self)
            default: job.run(Row2.self)
            }
        }
    }

    /// Products to outputs, eight channels at a time.
    private func finish(
        _ panel: QS8WinogradFilter.Panel, _ products: UnsafePointer<Int32>,
        _ target: UnsafeMutablePointer<Int16>, _ targets: UnsafePointer<Int32>, _ count: Int
    ) {
        filter.bias.withUnsafeBufferPointer { bias in
            filter.multipliers.withUnsafeBufferPointer { multipliers in
                for pair in 0..<panel.vectors / 2 {
                    let channel = panel.channel &+ pair &* 8
                    let end = QS8WinogradEnd(
                        products: products + pair &* 2 &* QS8WinogradFilter.blockStep,
                        bias: bias.baseAddress! + channel, multipliers: multipliers.baseAddress! + channel,
                        low: lanes_splat_i16(low), high: lanes_splat_i16(high), output: target + channel,
                        targets: targets, tiles: count, rowPitch: output.rowPitch, channels: output.channels)
                    if pools { end.pooled() } else { end.plain() }
                }
            }
        }
    }
}
