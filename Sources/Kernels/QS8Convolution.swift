import CSIMD

/// A prepared int8 convolution with fused requantisation, ReLU and, if wanted, 2x2 max pooling.
///
/// Computes, for every output pixel and channel, `clamp(round((bias + Σ input · weight) * multiplier))` from a
/// bordered 16-bit plane into another. Max pooling takes the maximum of the sums before requantisation, which is
/// the same because requantisation is monotone.
package struct QS8Convolution: Sendable {
    package let input: QS8Plane
    package let output: QS8Plane
    let filter: QS8Filter
    let low: Int16
    let high: Int16
    let pools: Bool
    /// Windows are copied into one run per pixel before the products.
    let gathers: Bool
    let kernelHeight: Int
    let rowLength: Int
    /// Origin of the window of each output pixel, window by window when pooling.
    let inputOffsets: [Int32]
    let outputOffsets: [Int32]
    /// Places of gathered windows.
    let patchOffsets: [Int32]

    /// `weights` are HWIO; `input.border` is at least `padding`; `output` is the plane after pooling.
    package init(
        weights: [Int8], bias: [Int32], multipliers: [Float], low: Int16, high: Int16,
        kernelHeight: Int, kernelWidth: Int, stride: Int, padding: Int,
        input: QS8Plane, output: QS8Plane, pools: Bool
    ) {
        precondition(padding <= input.border, "the border holds the padding")
        let rowLength = kernelWidth * input.channels
        let gathers = kernelHeight > 1 && rowLength < QS8Tiling.shortestDirectRun
        filter = QS8Filter(
            weights: weights, runs: gathers ? 1 : kernelHeight,
            runLength: gathers ? rowLength * kernelHeight : rowLength, outputs: output.channels, bias: bias,
            multipliers: multipliers, widest: QS8Tiling.convolutionPanel)
        self.input = input
        self.output = output
        self.low = low
        self.high = high
        self.pools = pools
        self.gathers = gathers
        self.kernelHeight = kernelHeight
        self.rowLength = rowLength

        var sources: [Int32] = []
        var targets: [Int32] = []
        for y in 0..<output.height {
            for x in 0..<output.width {
                targets.append(Int32(output.offset(y, x)))
                let window = pools ? 2 : 1
                for dy in 0..<window {
                    for dx in 0..<window {
                        let row = (y * window + dy) * stride - padding
                        let column = (x * window + dx) * stride - padding
                        sources.append(Int32(input.offset(row, column)))
                    }
                }
            }
        }
        inputOffsets = sources
        outputOffsets = targets
        let pitch = filter.pairs * 2 + QS8Plane.slack
        patchOffsets = gathers ? (0..<QS8Tiling.strip).map { Int32($0 * pitch) } : []
    }

    /// 16-bit numbers of scratch that `run` needs.
    package var scratch: Int {
        QS8Tiling.densePanel * 4 + (gathers ? QS8Tiling.strip * (filter.pairs * 2 + QS8Plane.slack) : 0)
    }

    /// One picture from plane to plane; the output's border is left alone.
    package func run(
        _ source: UnsafePointer<Int16>, _ target: UnsafeMutablePointer<Int16>,
        scratch: UnsafeMutablePointer<Int16>
    ) {
        inputOffsets.withUnsafeBufferPointer { sources in
            outputOffsets.withUnsafeBufferPointer { targets in
                patchOffsets.withUnsafeBufferPointer { patches in
                    let patch = scratch + QS8Tiling.densePanel * 4
                    var start = 0
                    while start < sources.count {
                        let count = min(QS8Tiling.strip, sources.count - start)
                        let places = sources.baseAddress! + start
                        if gathers { gather(source, places, count, patch) }
                        strip(
                            input: gathers ? UnsafePointer(patch) : source,
                            sources: gathers ? patches.baseAddress! : places, count: count,
                            targets: targets.baseAddress! + (pools ? start / 4 : start), output: target,
                            spill: scratch)
                        start += count
                    }
                }
            }
        }
    }

    /// Every panel of output channels for `count` pixels.
    private func strip(
        input source: UnsafePointer<Int16>, sources: UnsafePointer<Int32>, count: Int,
        targets: UnsafePointer<Int32>, output target: UnsafeMutablePointer<Int16>,
        spill: UnsafeMutablePointer<Int16>
    ) {
        let gap = gathers ? 0 : input.rowPitch - filter.pairs * 2
        filter.packed.withUnsafeBufferPointer { packed in
            filter.bias.withUnsafeBufferPointer { bias in
                filter.multipliers.withUnsafeBufferPointer { multipliers in
                    for panel in filter.panels {
                        let job = QS8Strip(
                            input: source, sources: sources, count: count, targets: targets,
                            weights: packed.baseAddress! + panel.weights,
                            bias: bias.baseAddress! + panel.channel, runs: filter.runs, pairs: filter.pairs,
                            gap: gap, pools: pools,
                            epilogue: QS8Epilogue(
                                multipliers: multipliers.baseAddress! + panel.channel,
                                low: lanes_splat_i16(low), high: lanes_splat_i16(high),
                                output: target + panel.channel, channels: filter.outputs - panel.channel,
                                spill: spill))
                        switch panel.vectors {
                        case 4: job.run(RowPair<Row2>.self)
                        case 2: job.run(Row2.self)
                        default: job.run(Row1.self)
                        }
                    }
                }
            }
        }
    }

    /// Copies the windows of `count` pixels, each row of a window after the other, into `patch`.
    ///
    /// Rows are copied in whole vectors; what is too much is overwritten by the next row or meets zero weights.
    private func gather(
        _ source: UnsafePointer<Int16>, _ places: UnsafePointer<Int32>, _ count: Int,
        _ patch: UnsafeMutablePointer<Int16>
    ) {
        let rowPitch = input.rowPitch
        let patchPitch = filter.pairs * 2 + QS8Plane.slack
        for pixel in 0..<count {
            var from = source + Int(places[pixel])
            var to = patch + pixel &* patchPitch
            if rowLength <= 4 {
                for _ in 0..<kernelHeight {
                    lanes_store_half(to, lanes_load_half(from))
                    from += rowPitch
                    to += rowLength
                }
            } else if rowLength <= 8 {
                for _ in 0..<kernelHeight {
                    lanes_store(to, lanes_load(from))
                    from += rowPitch
                    to += rowLength
                }
            } else {
                for _ in 0..<kernelHeight {
                    lanes_store(to, lanes_load(from))
                    lanes_store(to + 8, lanes_load(from + 8))
                    from += rowPitch
                    to += rowLength
                }
            }
        }
    }
}
