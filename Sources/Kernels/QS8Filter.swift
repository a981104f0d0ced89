/// Int8 weights, biases and multipliers of one layer in the order in which the kernels read them.
///
/// Output channels are cut into panels of a few vectors of four channels. A panel holds, for each pair of inputs,
/// `[vectors][4 channels][2 inputs]`. What is missing at the end of a run has zero weights, so what the
/// kernel reads there does not matter; missing channels are zeros.
package struct QS8Filter: Sendable {
    struct Panel: Sendable {
        let channel: Int
        let vectors: Int
        let weights: Int
    }

    let outputs: Int
    let runs: Int
    /// Input pairs per run.
    let pairs: Int
    let packed: [Int8]
    let bias: [Int32]
    let multipliers: [Float]
    let panels: [Panel]

    static var empty: QS8Filter {
        QS8Filter(weights: [], runs: 0, runLength: 0, outputs: 0, bias: [], multipliers: [], panels: [])
    }

    /// `weights` are `[runs][runLength][outputs]`: a run is what lies side by side in memory, a row of a
    /// convolution window or the whole input of a dense layer. `panels` are the vectors of each panel, `outputs` lanes
    /// at least; runs become a multiple of `unit` pairs long.
    init(
        weights: [Int8], runs: Int, runLength: Int, outputs: Int, bias: [Int32], multipliers: [Float],
        panels widths: [Int], unit: Int = 1
    ) {
        precondition(weights.count == runs * runLength * outputs, "weights match their shape")
        precondition(bias.count == outputs && multipliers.count == outputs, "one per output")
        let pairs = ((runLength + 1) / 2 + unit - 1) / unit * unit
        var panels: [Panel] = []
        var channel = 0
        for vectors in widths {
            panels.append(Panel(channel: channel, vectors: vectors, weights: channel * runs * pairs * 2))
            channel += vectors * 4
        }
        precondition(channel >= outputs, "a lane for every output")
        self.outputs = outputs
        self.runs = runs
        self.pairs = pairs
        self.panels = panels
        self.bias = bias + [Int32](repeating: 0, count: channel - outputs)
        self.multipliers = multipliers + [Float](repeating: 0, count: channel - outputs)
        var packed = [Int8](repeating: 0, count: channel * runs * pairs * 2)
        packed.withUnsafeMutableBufferPointer { packed in
            weights.withUnsafeBufferPointer { weights in
                for panel in panels {
                    let lanes = min(panel.vectors * 4, outputs - panel.channel)
                    for run in 0..<runs {
                        for input in 0..<runLength {
                            var place = panel.weights + (run * pairs + input / 2) * panel.vectors * 8 + input % 2
                            let source = (run * runLength + input) * outputs + panel.channel
                            for lane in 0..<lanes {
                                packed[place] = weights[source + lane]
                                place += 2
                            }
                        }
                    }
                }
            }
        }
        self.packed = packed
    }
}
