import CSIMD

/// A prepared int8 fully connected layer: activations clamped to a range, or 32-bit logits.
package final class QS8Dense: Sendable {
    package let inputs: Int
    package let outputs: Int
    let filter: QS8Filter

    /// `weights` are `[inputs][outputs]`.
    package init(weights: [Int8], inputs: Int, outputs: Int, bias: [Int32], multipliers: [Float]) {
        self.inputs = inputs
        self.outputs = outputs
        filter = QS8Filter(
            weights: weights, runs: 1, runLength: inputs, outputs: outputs, bias: bias,
            multipliers: multipliers, panels: QS8Tiling.densePanels(outputs), unit: 4)
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
        filter.packed.withUnsafeBufferPointer { packed in
            filter.bias.withUnsafeBufferPointer { bias in
                filter.multipliers.withUnsafeBufferPointer { multipliers in
                    for panel in filter.panels {
                        let job = QS8DensePanel(
                            input: source, pairs: filter.pairs, weights: packed.baseAddress! + panel.weights,
                            bias: bias.baseAddress! + panel.channel,
                            multipliers: multipliers.baseAddress! + panel.channel, channel: panel.channel,
                            target: target)
                        switch panel.vectors {
                        case 16: job.run(Row16.self)
                        case 14: job.run(Row14.self)
                        case 8: job.run(Row8.self)
                        case 5: job.run(Row5.self)
                        case 4: job.run(Row4.self)
                        case 3: job.run(Row3.self)
                        case 2: job.run(Row2.self)
                        default: job.run(Row1.self)
                        }
                    }
                }
            }
        }
    }
}

/// One panel of outputs: every weight is used once, so what is held are the sums.
private struct QS8DensePanel {
    let input: UnsafePointer<Int16>
    let pairs: Int
    let weights: UnsafePointer<Int8>
    let bias: UnsafePointer<Int32>
    let multipliers: UnsafePointer<Float>
    let channel: Int
    let target: QS8DenseTarget

    @inline(never)
    func run<Row: QS8Row>(_: Row.Type) {
        let step = Row.vectors &* 8
        var row = Row(bias)
        var from = input
        var w = weights
        let end = from + 2 &* pairs
        if Row.vectors > 2 {
            while from + 32 <= end {
                QS8DensePanel.four(&row, from, w)
                QS8DensePanel.four(&row, from + 8, w + 4 &* step)
                QS8DensePanel.four(&row, from + 16, w + 8 &* step)
                QS8DensePanel.four(&row, from + 24, w + 12 &* step)
                from += 32
                w += 16 &* step
            }
        }
        while from < end {
            QS8DensePanel.four(&row, from, w)
            from += 8
            w += 4 &* step
        }
        target.store(row.requantised(by: Row(factors: multipliers)), channel)
    }

    /// Four pairs of inputs.
    @inline(__always)
    private static func four<Row: QS8Row>(_ row: inout Row, _ from: UnsafePointer<Int16>, _ w: UnsafePointer<Int8>) {
        let step = Row.vectors &* 8
        row.accumulate(lanes_splat_pair(from), Row(weights: w))
        row.accumulate(lanes_splat_pair(from + 2), Row(weights: w + step))
        row.accumulate(lanes_splat_pair(from + 4), Row(weights: w + 2 &* step))
        row.accumulate(lanes_splat_pair(from + 6), Row(weights: w + 3 &* step))
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
