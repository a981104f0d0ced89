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
    /// These take over where they can.
    let winograd: QS8Winograd?
    let first: QS8FirstLayer?

    /// `weights` are HWIO; `input.border` is at least `padding`; `output` is the plane after pooling; `inputBound` is
    /// the largest magnitude of an input.
    package init(
        weights: [Int8], bias: [Int32], multipliers: [Float], low: Int16, high: Int16,
        kernelHeight: Int, kernelWidth: Int, stride: Int, padding: Int,
        input: QS8Plane, output: QS8Plane, pools: Bool, inputBound: Int = 255
    ) {
        precondition(padding <= input.border, "the border holds the padding")
        winograd =
            kernelHeight == 3 && kernelWidth == 3 && stride == 1
            ? QS8Winograd(
                weights: weights, bias: bias, multipliers: multipliers, low: low, high: high,
                padding: padding, input: input, output: output, pools: pools, inputBound: inputBound) : nil
        first = QS8FirstLayer(
            weights: weights, bias: bias, multipliers: multipliers, low: low, high: high,
            kernelHeight: kernelHeight, kernelWidth: kernelWidth, stride: stride, padding: padding,
            input: input, output: output, pools: pools)
        if winograd != nil || first != nil {
            filter = .empty
            self.input = input
            self.output = output
            self.low = low
            self.high = high
            self.pools = pools
            gathers = false
            self.kernelHeight = kernelHeight
            rowLength = 0
            inputOffsets = []
            outputOffsets = []
            patchOffsets = []
            return
        }
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
        if let winograd { return winograd.scratch }
        if let first { return first.scratch }
        return QS8Tiling.densePanel * 4 + (gathers ? QS8Tiling.strip * (filter.pairs * 2 + QS8Plane.slack) : 0)
    }

    /// One picture from plane to plane; the output's border is left alone.
    package func run(
        _ source: UnsafePointer<Int16>, _ target: UnsafeMutablePointer<Int16>,
        scratch: UnsafeMutablePointer<Int16>
    ) {
        if let winograd { return winograd.run(source, target, scratch: scratch) }
        if let first { return first.run(source, target, scratch: scratch) }
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
        let rows = QS8Rows(
            source: source, places: places, count: count, height: kernelHeight, length: rowLength,
            pitch: input.rowPitch, patchPitch: filter.pairs * 2 + QS8Plane.slack)
        if rowLength <= 4 {
            rows.copy(to: patch) { lanes_store_half($0, lanes_load_half($1)) }
        } else if rowLength <= 8 {
            rows.copy(to: patch) { lanes_store($0, lanes_load($1)) }
        } else {
            rows.copy(to: patch) {
                lanes_store($0, lanes_load($1))
                lanes_store($0 + 8, lanes_load($1 + 8))
            }
        }
    }
}

/// The rows of the windows of some pixels.
private struct QS8Rows {
    let source: UnsafePointer<Int16>
    let places: UnsafePointer<Int32>
    let count: Int
    let height: Int
    let length: Int
    let pitch: Int
    let patchPitch: Int

    /// Calls `copyRow` for each row of each window, row by row so that the inner loop is the long one.
    @inline(__always)
    func copy(
        to patch: UnsafeMutablePointer<Int16>,
        _ copyRow: (UnsafeMutablePointer<Int16>, UnsafePointer<Int16>) -> Void
    ) {
        for row in 0..<height {
            let from = source + row &* pitch
            var to = patch + row &* length
            var pixel = 0
            while pixel < count {
                copyRow(to, from + Int(places[pixel]))
                to += patchPitch
                pixel &+= 1
            }
        }
    }
}
