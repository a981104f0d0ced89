import Autodiff

extension OpCase {
    /// Normalisations, grouped convolutions, activations, choices, parts and losses.
    static let further: [OpCase] = normalisations + convolutions + averages + activations + choices + parts + losses

    private static let normalisations: [OpCase] =
        [[6, 1], [9, 3], [2, 3, 2, 8], [3, 2, 2, 9], [2, 2, 3, 17]].flatMap { shape in
            let c = [shape[shape.count - 1]]
            return [
                OpCase("batchNorm", [shape, c, c]) { batchNorm($0[0], scale: $0[1], shift: $0[2]).value },
                OpCase("normalize", [shape, c, c, c, c], 0.2...2) {
                    normalize($0[0], scale: $0[1], shift: $0[2], mean: $0[3], variance: $0[4])
                },
                OpCase("layerNorm", [shape.reversed(), [shape[0]], [shape[0]]]) {
                    layerNorm($0[0], scale: $0[1], shift: $0[2], epsilon: 0.01)
                },
            ]
        } + [
            OpCase("statistics of batchNorm", [[7, 3], [3], [3]]) {
                let result = batchNorm($0[0], scale: $0[1], shift: $0[2])
                return result.value * result.variance + result.mean
            },
            OpCase("batchNorm relu", [[3, 3, 3, 4], [3, 3, 4, 5], [5], [5]]) {
                relu(batchNorm(conv2d($0[0], $0[1], padding: 1), scale: $0[2], shift: $0[3]).value)
            },
            OpCase("variance", [[3, 4, 2]]) { variance($0[0], axes: [0, 1]) },
            OpCase("variance unbiased", [[3, 5]]) { variance($0[0], axes: [1], keepDims: true, unbiased: true) },
        ]

    private static let convolutions: [OpCase] = [
        ([2, 5, 4, 1], 3, 1, 1, 1, 1, 1), ([1, 6, 5, 9], 3, 9, 1, 1, 1, 9), ([2, 7, 6, 8], 3, 8, 2, 1, 1, 8),
        ([1, 5, 5, 17], 2, 17, 1, 0, 1, 17), ([1, 7, 7, 3], 3, 3, 1, 2, 2, 3), ([2, 5, 6, 4], 3, 6, 1, 1, 1, 2),
        ([1, 7, 8, 3], 3, 9, 2, 2, 2, 3), ([1, 9, 8, 2], 3, 5, 1, 2, 2, 1), ([1, 6, 6, 18], 1, 18, 2, 0, 1, 2),
        ([1, 8, 8, 2], 2, 4, 3, 0, 3, 2),
    ].map { x, kernel, filters, stride, padding, dilation, groups in
        let name = "conv2d stride \(stride) padding \(padding) dilation \(dilation) groups \(groups)"
        return OpCase(name, [x, [kernel, kernel, x[3] / groups, filters], [filters]]) {
            conv2d($0[0], $0[1], $0[2], stride: stride, padding: padding, dilation: dilation, groups: groups)
        }
    }

    private static let averages: [OpCase] =
        [([1, 1, 1, 1], 1, 1), ([2, 4, 5, 3], 2, 2), ([1, 5, 5, 9], 3, 1)].map { shape, window, stride in
            OpCase("averagePool2d \(window)/\(stride)", [shape]) {
                averagePool2d($0[0], window: window, stride: stride)
            }
        } + [OpCase("globalAveragePool", [[2, 3, 4, 5]]) { globalAveragePool($0[0]) }]

    private static let activations: [OpCase] = [[1], [9], [2, 17]].flatMap { shape in
        [
            OpCase("sigmoid", [shape], -4...4) { sigmoid($0[0]) }, OpCase("tanh", [shape], -3...3) { tanh($0[0]) },
            OpCase("erf", [shape], -2...2) { erf($0[0]) }, OpCase("gelu", [shape], -3...3) { gelu($0[0]) },
            OpCase("silu", [shape], -4...4) { silu($0[0]) }, OpCase("relu6", [shape], -3...9) { relu6($0[0]) },
            OpCase("hardSwish", [shape], -5...5) { hardSwish($0[0]) },
            OpCase("clamp", [shape]) { clamp($0[0], -0.4, 0.5) },
            OpCase("pow 3", [shape]) { pow($0[0], 3) }, OpCase("pow 2.5", [shape], 0.2...2) { pow($0[0], 2.5) },
            OpCase("pow -1", [shape], 0.3...2) { pow($0[0], -1) }, OpCase("pow 0", [shape]) { pow($0[0], 0) + $0[0] },
            OpCase("abs", [shape]) { abs($0[0]) },
        ]
    }

    private static let choices: [OpCase] = [
        OpCase("select", [[3, 5], [3, 5], [3, 5]]) { select($0[0], $0[1], $0[2]) },
        OpCase("select broadcast", [[3, 1], [9], []]) { select($0[0], $0[1], $0[2]) },
        OpCase("maximum", [[17], [17]]) { maximum($0[0], $0[1]) },
        OpCase("minimum", [[3, 4], [4]]) { minimum($0[0], $0[1]) },
        OpCase("max", [[3, 4]]) { max($0[0], axes: [1]) }, OpCase("max", [[2, 3, 9]]) { max($0[0], axes: [0, 2]) },
        OpCase("max kept", [[2, 3, 9]]) { max($0[0], axes: [1], keepDims: true) * $0[0] },
        OpCase("min", [[5, 2]]) { min($0[0], axes: [0]) },
        OpCase("dropout", [[3, 17]]) {
            dropout($0[0], rate: 0.4, seed: 5, counter: $0[0].graph.constant(3))
        },
    ]

    private static let parts: [OpCase] = [
        OpCase("slice", [[4, 5]]) { slice($0[0], [1..<3, 2..<5]) },
        OpCase("slice axis", [[2, 7, 3]]) { slice($0[0], axis: 1, 3..<4) },
        OpCase("pad", [[2, 3]]) { pad($0[0], before: [1, 0], after: [0, 2]) },
        OpCase("pad image", [[1, 2, 3, 2]]) { pad($0[0], before: [0, 1, 1, 0], after: [0, 1, 2, 0]) },
        OpCase("concatenate 0", [[2, 3], [1, 3]]) { concatenate([$0[0], $0[1]], axis: 0) },
        OpCase("concatenate 1", [[2, 3, 2], [2, 1, 2], [2, 4, 2]]) { concatenate($0, axis: 1) },
        OpCase("concatenate twice", [[2, 9]]) { concatenate([$0[0], $0[0]], axis: 1) },
        OpCase("gather", [[4, 3]]) { gather($0[0], indices([2, 0, 2], $0[0])) },
        OpCase("gather axis", [[2, 5, 3]]) { gather($0[0], indices([4, 1], $0[0]), axis: 1) },
        OpCase("batched matmul", [[3, 2, 4], [3, 4, 5]]) { matmul($0[0], $0[1]) },
        OpCase("batched matmul nt", [[2, 2, 3, 4], [2, 2, 9, 4]]) { matmul($0[0], $0[1], transposeB: true) },
        OpCase("batched matmul tn", [[2, 4, 3], [2, 4, 17]]) { matmul($0[0], $0[1], transposeA: true) },
    ]

    /// Numbers as a value of the graph of another.
    private static func indices(_ numbers: [Float], _ x: Value) -> Value {
        concatenate(numbers.map { reshape(x.graph.constant($0), [1]) }, axis: 0)
    }

    private static let losses: [OpCase] = [
        OpCase("smoothed cross entropy", [[4, 5], [4, 5]], 0.1...1) {
            softmaxCrossEntropy(logits: $0[0], targets: $0[1], labelSmoothing: 0.1)
        },
        OpCase("mean squared error", [[3, 4], [3, 4]]) { meanSquaredError($0[0], $0[1]) },
    ]
}
