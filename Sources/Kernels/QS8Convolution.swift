import CSIMD

/// A prepared int8 convolution with fused requantisation, ReLU and, if wanted, 2x2 max pooling.
///
/// Computes, for every output pixel and channel, `clamp(round((bias + Σ input · weight) * multiplier))` from a
/// bordered 16-bit plane into another. Max pooling takes the maximum of the sums before requantisation, which is
/// the same because requantisation is monotone.
package final class QS8Convolution: Sendable {
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
    let stride: Int
    let padding: Int
    /// These take over where they can.
    let winograd: QS8Winograd?
    let firstPooled: QS8FirstPooled?
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
        firstPooled = QS8FirstPooled(
            weights: weights, bias: bias, multipliers: multipliers, low: low, high: high,
            kernelHeight: kernelHeight, kernelWidth: kernelWidth, stride: stride, padding: padding,
            input: input, output: output, pools: pools)
        first = QS8FirstLayer(
            weights: weights, bias: bias, multipliers: multipliers, low: low, high: high,
            kernelHeight: kernelHeight, kernelWidth: kernelWidth, stride: stride, padding: padding,
            input: input, output: output, pools: pools)
        let rowLength = kernelWidth * input.channels
        let gathers = kernelHeight > 1 && rowLength < QS8Tiling.shortestDirectRun
        self.input = input
        self.output = output
        self.low = low
        self.high = high
        self.pools = pools
        self.gathers = gathers
        self.kernelHeight = kernelHeight
        self.rowLength = rowLength
        self.stride = stride
        self.padding = padding
        if winograd != nil || firstPooled != nil || first != nil {
            filter = .empty
            return
        }
        let takesWhole = pools && kernelHeight == 5 && (rowLength + 1) / 2 == 15
        filter = QS8Filter(
            weights: weights, runs: gathers ? 1 : kernelHeight,
            runLength: gathers ? rowLength * kernelHeight : rowLength, outputs: output.channels, bias: bias,
            multipliers: multipliers,
            panels: QS8Tiling.panels(output.channels, takesWhole ? 4...4 : 2...QS8Tiling.convolutionPanel),
            unit: takesWhole ? 1 : 4)
    }

    /// Rows and columns of sums, which pooling halves.
    private var sumRows: Int { pools ? output.height * 2 : output.height }
    private var sumColumns: Int { pools ? output.width * 2 : output.width }
    /// Rows of sums that go together; an even number.
    private var stripRows: Int { max(QS8Tiling.strip / sumColumns / 2, 1) * 2 }
    private var patchPitch: Int { filter.pairs * 2 + QS8Plane.slack }

    /// 16-bit numbers of scratch that `run` needs.
    package var scratch: Int {
        if let winograd { return winograd.scratch }
        if let firstPooled { return firstPooled.scratch }
        if let first { return first.scratch }
        return sumNumbers + patchNumbers + outsideNumbers
    }

    private var sumNumbers: Int { QS8Tiling.convolutionPanel * 8 * stripRows * sumColumns }
    private var patchNumbers: Int { gathers ? stripRows * sumColumns * patchPitch : 0 }
    /// The outputs of a panel that has fewer channels than lanes.
    private var outsideNumbers: Int {
        let lanes = filter.bias.count > filter.outputs ? QS8Tiling.convolutionPanel * 4 : 0
        return lanes * stripRows * sumColumns
    }

    /// One picture from plane to plane; the output's border is left alone.
    package func run(
        _ source: UnsafePointer<Int16>, _ target: UnsafeMutablePointer<Int16>,
        scratch: UnsafeMutablePointer<Int16>
    ) {
        if let winograd { return winograd.run(source, target, scratch: scratch) }
        if let firstPooled { return firstPooled.run(source, target, scratch: scratch) }
        if let first { return first.run(source, target, scratch: scratch) }
        var y = 0
        while y < sumRows {
            let rows = min(stripRows, sumRows - y)
            strip(y, rows, source, target, scratch)
            y += rows
        }
    }

    /// Every panel of output channels for `rows` rows of sums from row `y` on.
    private func strip(
        _ y: Int, _ rows: Int, _ source: UnsafePointer<Int16>, _ target: UnsafeMutablePointer<Int16>,
        _ scratch: UnsafeMutablePointer<Int16>
    ) {
        let patch = scratch + sumNumbers
        let outside = patch + patchNumbers
        let outputRow = pools ? y / 2 : y
        let outputRows = pools ? rows / 2 : rows
        var from = source + input.offset(y * stride - padding, -padding)
        if gathers {
            gather(from, rows, patch)
            from = UnsafePointer(patch)
        }
        filter.packed.withUnsafeBufferPointer { packed in
            filter.bias.withUnsafeBufferPointer { bias in
                filter.multipliers.withUnsafeBufferPointer { multipliers in
                    for panel in filter.panels {
                        let lanes = panel.vectors * 4
                        let isWhole = panel.channel + lanes <= filter.outputs
                        let job = QS8Panel(
                            pass: QS8Pass(
                                input: from, pixelStep: gathers ? patchPitch : stride * input.channels,
                                rowStep: gathers ? patchPitch * sumColumns : stride * input.rowPitch,
                                runStep: input.rowPitch, weights: packed.baseAddress! + panel.weights,
                                bias: bias.baseAddress! + panel.channel,
                                sums: UnsafeMutableRawPointer(scratch).assumingMemoryBound(to: Int32.self),
                                width: sumColumns, height: rows,
                                epilogue: QS8Epilogue(
                                    multipliers: multipliers.baseAddress! + panel.channel,
                                    low: lanes_splat_i16(low), high: lanes_splat_i16(high)),
                                output: isWhole ? target + panel.channel + output.offset(outputRow, 0) : outside,
                                outputPitch: isWhole ? output.rowPitch : lanes * output.width,
                                outputStep: isWhole ? output.channels : lanes),
                            runs: filter.runs, pairs: filter.pairs, vectors: panel.vectors, pools: pools)
                        switch panel.vectors {
                        case 8: job.wide()
                        case 4: job.run(Row4.self)
                        default: job.run(Row2.self)
                        }
                        if !isWhole {
                            output.copyChannels(
                                outside, lanes: lanes, target + panel.channel,
                                channels: filter.outputs - panel.channel, from: outputRow, rows: outputRows)
                        }
                    }
                }
            }
        }
    }

    /// Copies the windows of `rows` rows of sums, each row of a window after the other, into `patch`.
    ///
    /// Rows are copied in whole vectors; what is too much is overwritten by the next row or meets zero weights.
    private func gather(_ source: UnsafePointer<Int16>, _ rows: Int, _ patch: UnsafeMutablePointer<Int16>) {
        let windows = QS8Windows(
            source: source, pixelStep: stride * input.channels, rowStep: stride * input.rowPitch, width: sumColumns,
            height: rows, kernelHeight: kernelHeight, length: rowLength, pitch: input.rowPitch,
            patchPitch: patchPitch)
        if rowLength <= 4 {
            windows.copy(to: patch) { lanes_store_half($0, lanes_load_half($1)) }
        } else if rowLength <= 8 {
            windows.copy(to: patch) { lanes_store($0, lanes_load($1)) }
        } else {
            windows.copy(to: patch) {
                lanes_store($0, lanes_load($1))
                lanes_store($0 + 8, lanes_load($1 + 8))
            }
        }
    }
}

/// The windows of some rows of pixels.
private struct QS8Windows {
    let source: UnsafePointer<Int16>
    let pixelStep: Int
    let rowStep: Int
    let width: Int
    let height: Int
    let kernelHeight: Int
    let length: Int
    let pitch: Int
    let patchPitch: Int

    /// Calls `copyRow` for each row of each window, row by row so that the inner loop is the long one.
    @inline(__always)
    func copy(
        to patch: UnsafeMutablePointer<Int16>,
        _ copyRow: (UnsafeMutablePointer<Int16>, UnsafePointer<Int16>) -> Void
    ) {
        for row in 0..<kernelHeight {
            var to = patch + row &* length
            for y in 0..<height {
                var from = source + (row &* pitch &+ y &* rowStep)
                for _ in 0..<width {
                    copyRow(to, from)
                    to += patchPitch
                    from += pixelStep
                }
            }
        }
    }
}

/// All passes of one panel for a strip of rows.
private struct QS8Panel {
    let pass: QS8Pass
    let runs: Int
    let pairs: Int
    /// Of four channels.
    let vectors: Int
    let pools: Bool

    /// Eight vectors of channels; rows of three times eight pairs, as 3x3 windows of sixteens of channels have them,
    /// go in one piece.
    func wide() {
        if runs > 1, pairs % 24 == 0 {
            passes(by: 24) { pass, _, starts, ends in
                if starts {
                    pass.first(QS8Links24<Row8>.self)
                } else {
                    pass.following(QS8Links24<Row8>.self, ends: ends)
                }
            }
            if pools { pass.pool(Row8.self) }
        } else {
            run(Row8.self)
        }
    }

    func run<Row: QS8Row>(_: Row.Type) {
        if runs == 5, pairs == 15, Row.vectors == 4 {
            // A 5x5 window of six channels fits whole.
            pass.first(QS8Window5x15<Row4>.self)
        } else {
            passes(by: 16) { pass, pairs, starts, ends in
                switch pairs {
                case 16: pass.run(QS8Links16<Row>.self, starts: starts, ends: ends)
                case 8: pass.run(QS8Links8<Row>.self, starts: starts, ends: ends)
                default: pass.run(QS8Links4<Row>.self, starts: starts, ends: ends)
                }
            }
        }
        if pools { pass.pool(Row.self) }
    }

    /// Calls `body` for pieces of `widest` pairs, and half and a quarter of that at the end of a run.
    @inline(__always)
    private func passes(by widest: Int, _ body: (QS8Pass, Int, Bool, Bool) -> Void) {
        var weights = pass.weights
        for run in 0..<runs {
            var from = pass.input + run * pass.runStep
            var left = pairs
            while left > 0 {
                var piece = widest
                while piece > left { piece /= 2 }
                let starts = run == 0 && left == pairs
                left -= piece
                body(pass.reading(from, weights), piece, starts, !pools && run == runs - 1 && left == 0)
                from += piece * 2
                weights += piece * vectors * 8
            }
        }
    }
}
