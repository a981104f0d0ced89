/// Int8 weights, biases and multipliers of one layer in the order in which the kernels read them.
///
/// Output channels are cut into panels of 8, 4, 2 or 1 vectors of four channels. A panel holds, for each pair of
/// inputs, `[vectors][4 channels][2 inputs]`; the last pair of a run of odd length has a zero weight, so what the
/// kernel reads there does not matter. Channels are padded to a multiple of four with zeros.
package struct QS8Filter: Sendable {
    struct Panel: Sendable {
        let channel: Int
        let vectors: Int
        let weights: Int
    }

    let outputs: Int
    let runs: Int
    let runLength: Int
    let packed: [Int8]
    let bias: [Int32]
    let multipliers: [Float]
    let panels: [Panel]

    static var empty: QS8Filter {
        QS8Filter(weights: [], runs: 0, runLength: 0, outputs: 0, bias: [], multipliers: [], widest: 1)
    }

    /// Input pairs per run.
    var pairs: Int { (runLength + 1) / 2 }

    /// `weights` are `[runs][runLength][outputs]`: a run is what lies side by side in memory, a row of a
    /// convolution window or the whole input of a dense layer. `widest` is the widest panel, in vectors.
    init(
        weights: [Int8], runs: Int, runLength: Int, outputs: Int, bias: [Int32], multipliers: [Float],
        widest: Int
    ) {
        precondition(weights.count == runs * runLength * outputs, "weights match their shape")
        precondition(bias.count == outputs && multipliers.count == outputs, "one per output")
        self.outputs = outputs
        self.runs = runs
        self.runLength = runLength
        let blocks = (outputs + 3) / 4
        let padding = blocks * 4 - outputs
        self.bias = bias + [Int32](repeating: 0, count: padding)
        self.multipliers = multipliers + [Float](repeating: 0, count: padding)

        let pairs = (runLength + 1) / 2
        var panels: [Panel] = []
        var packed = [Int8](repeating: 0, count: blocks * runs * pairs * 8)
        var block = 0
        var offset = 0
        while block < blocks {
            var vectors = widest
            while vectors > blocks - block { vectors /= 2 }
            panels.append(Panel(channel: block * 4, vectors: vectors, weights: offset))
            for run in 0..<runs {
                for input in 0..<pairs * 2 {
                    let row = offset + (run * pairs + input / 2) * vectors * 8 + input % 2
                    guard input < runLength else { continue }
                    let source = (run * runLength + input) * outputs
                    for lane in 0..<min(vectors * 4, outputs - block * 4) {
                        packed[row + lane * 2] = weights[source + block * 4 + lane]
                    }
                }
            }
            offset += runs * pairs * vectors * 8
            block += vectors
        }
        self.packed = packed
        self.panels = panels
    }
}
