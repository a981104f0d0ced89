/// 3x3 filters transformed for exact integer Winograd convolution F(4x4, 3x3), sixteen bits a number.
///
/// With the interpolation points 0, ±1, ±2 and infinity (Lavin and Gray, 2015) and the rows of the filter transform
/// scaled to integers, (6 0 0) (−4 −4 −4) (−4 4 −4) (1 2 4) (1 −2 4) (0 0 8), transformed weights are at most
/// 144 · 127 and everything downstream is exact modulo 2^32: the inverse transform gives 576 Y, and 576 = 9 · 64.
struct QS8WinogradFilter: Sendable {
    struct Panel: Sendable {
        let channel: Int
        let vectors: Int
        let weights: Int
    }

    /// Products of a tile: 6 x 6.
    @inline(__always) static var points: Int { 36 }
    /// Tiles that are transformed together.
    @inline(__always) static var group: Int { 28 }
    /// 32-bit numbers from one point of four output channels to the next, and half the 16-bit numbers from one point
    /// of eight input channels to the next.
    @inline(__always) static var pointStep: Int { 4 &* group }
    /// The same from one vector of channels to the next.
    @inline(__always) static var blockStep: Int { points &* pointStep }

    let inputs: Int
    let outputs: Int
    /// `[panel][point][input pair][vectors][4 channels][2 inputs]`.
    let packed: [Int16]
    let panels: [Panel]
    /// 576 times the bias of the layer, modulo 2^32.
    let bias: [Int32]
    /// 1/64 of the multipliers, exactly.
    let multipliers: [Float]

    /// Input channels come in vectors of eight, output channels too.
    static func takes(inputs: Int, outputs: Int) -> Bool {
        inputs >= 16 && inputs % 8 == 0 && outputs % 8 == 0
    }

    /// `weights` are HWIO; nil unless 64 times every possible sum fits 32 bits and 1/64 of every multiplier is exact.
    init?(weights: [Int8], bias: [Int32], multipliers: [Float], inputs: Int, inputBound: Int) {
        let outputs = bias.count
        precondition(weights.count == 9 * inputs * outputs, "weights match their shape")
        guard QS8WinogradFilter.takes(inputs: inputs, outputs: outputs) else { return nil }
        var magnitudes = [Int](repeating: 0, count: outputs)
        for row in 0..<9 * inputs {
            for o in 0..<outputs { magnitudes[o] += Int(weights[row * outputs + o].magnitude) }
        }
        for o in 0..<outputs {
            let (sum, overflow) = magnitudes[o].multipliedReportingOverflow(by: inputBound)
            guard !overflow, sum < 1 << 25, bias[o].magnitude < 1 << 25, sum + Int(bias[o].magnitude) < 1 << 25,
                multipliers[o] / 64 * 64 == multipliers[o]
            else { return nil }
        }
        self.inputs = inputs
        self.outputs = outputs
        self.bias = bias.map { $0 &* 576 }
        self.multipliers = multipliers.map { $0 / 64 }

        var panels: [Panel] = []
        var offset = 0
        var channel = 0
        while channel < outputs {
            var vectors = QS8Tiling.winogradPanel
            while vectors * 4 > outputs - channel { vectors /= 2 }
            panels.append(Panel(channel: channel, vectors: vectors, weights: offset))
            offset += QS8WinogradFilter.points * inputs * vectors * 4
            channel += vectors * 4
        }
        self.panels = panels
        packed = [Int16](unsafeUninitializedCapacity: offset) { packed, count in
            weights.withUnsafeBufferPointer { weights in
                for panel in panels {
                    let lanes = panel.vectors * 4
                    for c in 0..<inputs {
                        for lane in 0..<lanes {
                            let source = weights.baseAddress! + c * outputs + panel.channel + lane
                            let place = panel.weights + c / 2 * lanes * 2 + lane * 2 + c % 2
                            QS8WinogradFilter.transform(
                                source, step: inputs * outputs, packed.baseAddress! + place,
                                step: inputs * lanes)
                        }
                    }
                }
            }
            count = offset
        }
    }

    /// One 3x3 filter into its 36 points.
    private static func transform(
        _ g: UnsafePointer<Int8>, step: Int, _ target: UnsafeMutablePointer<Int16>, step pointStep: Int
    ) {
        // Rows first, then columns.
        var rows = InlineArray<18, Int32>(repeating: 0)
        for column in 0..<3 {
            let u = points(
                Int32(g[column * step]), Int32(g[(3 + column) * step]), Int32(g[(6 + column) * step]))
            for i in 0..<6 { rows[i * 3 + column] = u[i] }
        }
        var place = target
        for i in 0..<6 {
            let u = points(rows[i * 3], rows[i * 3 + 1], rows[i * 3 + 2])
            for j in 0..<6 {
                place.pointee = Int16(truncatingIfNeeded: u[j])
                place += pointStep
            }
        }
    }

    /// Three taps at the six points.
    @inline(__always)
    private static func points(_ a: Int32, _ b: Int32, _ c: Int32) -> InlineArray<6, Int32> {
        let outer = a &+ 4 &* c
        let twice = 2 &* b
        let even = -4 &* (a &+ c)
        let odd = 4 &* b
        return [6 &* a, even &- odd, even &+ odd, outer &+ twice, outer &- twice, 8 &* c]
    }
}
