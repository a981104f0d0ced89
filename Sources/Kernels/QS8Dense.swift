import CSIMD

/// A prepared int8 fully connected layer: activations clamped to a range, or 32-bit logits.
package struct QS8Dense: Sendable {
    package let inputs: Int
    package let outputs: Int
    let filter: QS8Filter

    /// `weights` are `[inputs][outputs]`.
    package init(weights: [Int8], inputs: Int, outputs: Int, bias: [Int32], multipliers: [Float]) {
        self.inputs = inputs
        self.outputs = outputs
        filter = QS8Filter(
            weights: weights, runs: 1, runLength: inputs, outputs: outputs, bias: bias,
            multipliers: multipliers, widest: QS8Tiling.densePanel)
    }

    /// 32-bit numbers that `logits` stores: the outputs, rounded up to whole vectors.
    package var storedLogits: Int { filter.bias.count }

    /// `target[o] = clamp(round((bias[o] + Σ source[i] · weight[i][o]) * multiplier[o]), low, high)`.
    ///
    /// Reads `QS8Plane.slack` numbers past the inputs and writes whole vectors of four outputs.
    package func activations(
        _ source: UnsafePointer<Int16>, _ target: UnsafeMutablePointer<Int16>, low: Int16, high: Int16
    ) {
        run(source, QS8DenseTarget(activations: target, low: low, high: high))
    }

    /// `target[o] = round((bias[o] + Σ source[i] · weight[i][o]) * multiplier[o])`, `storedLogits` of them.
    package func logits(_ source: UnsafePointer<Int16>, _ target: UnsafeMutablePointer<Int32>) {
        run(source, QS8DenseTarget(logits: target))
    }

    private func run(_ source: UnsafePointer<Int16>, _ target: QS8DenseTarget) {
        for panel in filter.panels {
            switch panel.vectors {
            case 8: multiply(RowPair<RowPair<Row2>>.self, panel, source, target)
            case 4: multiply(RowPair<Row2>.self, panel, source, target)
            case 2: multiply(Row2.self, panel, source, target)
            default: multiply(Row1.self, panel, source, target)
            }
        }
    }

    @inline(never)
    private func multiply<Row: QS8Row>(
        _: Row.Type, _ panel: QS8Filter.Panel, _ source: UnsafePointer<Int16>, _ target: QS8DenseTarget
    ) {
        var zero: Int32 = 0
        var pixel = filter.bias.withUnsafeBufferPointer { bias in
            Pixel<Row>(bias: Row(bias: bias.baseAddress! + panel.channel), input: source, offsets: &zero)
        }
        filter.packed.withUnsafeBufferPointer { packed in
            pixel.accumulate(
                runs: 1, pairs: filter.pairs, gap: 0, weights: packed.baseAddress! + panel.weights)
        }
        let q = filter.multipliers.withUnsafeBufferPointer { multipliers in
            pixel.row.requantised(multipliers.baseAddress! + panel.channel)
        }
        target.store(q, panel.channel)
    }
}

/// Where a dense layer puts its results.
private struct QS8DenseTarget {
    let activations: UnsafeMutablePointer<Int16>?
    let logits: UnsafeMutablePointer<Int32>?
    let low: SIMD4<Int32>
    let high: SIMD4<Int32>

    init(activations: UnsafeMutablePointer<Int16>, low: Int16, high: Int16) {
        self.activations = activations
        logits = nil
        self.low = lanes_splat_i16(low)
        self.high = lanes_splat_i16(high)
    }

    init(logits: UnsafeMutablePointer<Int32>) {
        activations = nil
        self.logits = logits
        low = .zero
        high = .zero
    }

    @inline(__always) func store<Row: QS8Row>(_ q: Row, _ channel: Int) {
        if let activations { q.store(activations + channel, low: low, high: high) }
        if let logits { q.store(logits + channel) }
    }
}
