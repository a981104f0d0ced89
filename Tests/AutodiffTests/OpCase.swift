import Autodiff
import Kernels

/// One op on some shapes: the table that forward, gradient and second-derivative tests share.
struct OpCase: Sendable, CustomStringConvertible {
    let description: String
    let shapes: [[Int]]
    /// Numbers of the leaves are in this range.
    let range: ClosedRange<Float>
    let build: @Sendable ([Value]) -> Value

    init(
        _ name: String, _ shapes: [[Int]], _ range: ClosedRange<Float> = -1...1,
        _ build: @escaping @Sendable ([Value]) -> Value
    ) {
        description = "\(name) \(shapes)"
        self.shapes = shapes
        self.range = range
        self.build = build
    }

    /// Seeded leaves, one array for each shape, away from zero so that kinks are not stepped over.
    func leaves(seed: UInt64 = 7) -> [[Float]] {
        var random = SplitMix64(seed: seed)
        return shapes.map { shape in
            (0..<shape.reduce(1, *)).map { _ in
                while true {
                    let x = range.lowerBound + (range.upperBound - range.lowerBound) * random.uniform()
                    if abs(x) > 0.02 { return x }
                }
            }
        }
    }

    static let all: [OpCase] = elementwise + shaping + products + pools + composed + further

    private static let elementwise: [OpCase] =
        [
            [[1], [1]], [[2, 3], [2, 3]], [[2, 3], [3]], [[2, 3], [2, 1]], [[3], [2, 1]], [[], [2, 2]],
            [[17], []],
            [[2, 1, 3], [4, 1]], [[1, 9, 1], [2, 1, 3]],
        ].flatMap { shapes in
            [
                OpCase("add", shapes) { $0[0] + $0[1] }, OpCase("subtract", shapes) { $0[0] - $0[1] },
                OpCase("multiply", shapes) { $0[0] * $0[1] },
                OpCase("divide", shapes, 0.5...2) { $0[0] / $0[1] },
            ]
        }
        + [[1], [7], [2, 9], [3, 3, 2]].flatMap { shape in
            [
                OpCase("negate", [shape]) { -$0[0] }, OpCase("exp", [shape], -3...3) { exp($0[0]) },
                OpCase("log", [shape], 0.1...4) { log($0[0]) },
                OpCase("sqrt", [shape], 0.1...4) { sqrt($0[0]) }, OpCase("relu", [shape]) { relu($0[0]) },
                OpCase("scalars", [shape], 0.5...2) { 3 - (2 * $0[0] + 1) / ($0[0] * 4) },
                OpCase("fan-out", [shape]) { $0[0] * $0[0] + $0[0] },
                OpCase("x - x", [shape]) { $0[0] - $0[0] },
            ]
        }

    private static let shaping: [OpCase] = [
        OpCase("sum", [[2, 3]]) { sum($0[0]) }, OpCase("sum", [[1]]) { sum($0[0]) },
        OpCase("sum 0", [[3, 9]]) { sum($0[0], axes: [0]) },
        OpCase("sum 1 kept", [[3, 9]]) { sum($0[0], axes: [1], keepDims: true) },
        OpCase("sum 1", [[2, 3, 4]]) { sum($0[0], axes: [1]) },
        OpCase("sum 0 2", [[2, 3, 4]]) { sum($0[0], axes: [0, 2]) },
        OpCase("sum 0 1 2", [[2, 3, 2, 17]]) { sum($0[0], axes: [0, 1, 2]) },
        OpCase("mean", [[2, 3, 4]]) { mean($0[0], axes: [2]) }, OpCase("mean", [[5]]) { mean($0[0]) },
        OpCase("broadcast", [[3, 1]]) { broadcast($0[0], to: [2, 3, 4]) },
        OpCase("broadcast", [[]]) { broadcast($0[0], to: [3]) },
        OpCase("reshape", [[2, 3, 4]]) { reshape($0[0], [6, 4]) },
        OpCase("flatten", [[2, 3, 1, 2]]) { flatten($0[0]) },
        OpCase("transpose", [[2, 3]]) { transpose($0[0], [1, 0]) },
        OpCase("transpose", [[2, 3, 4]]) { transpose($0[0], [2, 0, 1]) },
        OpCase("transpose", [[2, 1, 3, 2]]) { transpose($0[0], [0, 3, 1, 2]) },
    ]

    private static let products: [OpCase] =
        [(1, 1, 1), (2, 3, 4), (7, 9, 2), (3, 17, 8)].flatMap { m, n, k in
            [
                OpCase("matmul", [[m, k], [k, n]]) { matmul($0[0], $0[1]) },
                OpCase("matmul tn", [[k, m], [k, n]]) { matmul($0[0], $0[1], transposeA: true) },
                OpCase("matmul nt", [[m, k], [n, k], [n]]) {
                    matmul($0[0], $0[1], bias: $0[2], transposeB: true)
                },
                OpCase("matmul tt", [[k, m], [n, k]]) {
                    matmul($0[0], $0[1], transposeA: true, transposeB: true)
                },
            ]
        } + [
            convolution([1, 1, 1, 1], [1, 1, 1, 1]), convolution([2, 4, 5, 2], [3, 3, 2, 3]),
            convolution([1, 5, 4, 3], [3, 3, 3, 2], padding: 1),
            convolution([2, 6, 5, 1], [5, 5, 1, 6], padding: 2),
            convolution([1, 7, 7, 2], [3, 3, 2, 2], stride: 2, padding: 1),
            convolution([2, 6, 8, 1], [2, 2, 1, 9], stride: 2),
            convolution([1, 8, 8, 1], [3, 2, 1, 2], stride: 3),
            convolution([1, 5, 5, 2], [1, 1, 2, 17], stride: 2),
            OpCase("conv2d bias", [[2, 4, 4, 2], [3, 3, 2, 3], [3]]) {
                conv2d($0[0], $0[1], $0[2], padding: 1)
            },
        ]

    private static func convolution(
        _ x: [Int], _ filter: [Int], stride: Int = 1, padding: Int = 0
    ) -> OpCase {
        OpCase("conv2d stride \(stride) padding \(padding)", [x, filter]) {
            conv2d($0[0], $0[1], stride: stride, padding: padding)
        }
    }

    private static let pools: [OpCase] = [
        ([1, 1, 1, 1], 1, 1), ([1, 2, 2, 1], 2, 2), ([2, 4, 6, 3], 2, 2), ([1, 5, 7, 9], 2, 2),
        ([1, 5, 5, 2], 3, 2),
        ([1, 5, 4, 8], 2, 1), ([2, 7, 7, 1], 2, 3), ([1, 4, 4, 17], 2, 2),
    ].map { shape, window, stride in
        OpCase("maxPool2d \(window)/\(stride)", [shape]) { maxPool2d($0[0], window: window, stride: stride) }
    }

    private static let composed: [OpCase] =
        [[1, 1], [2, 3], [3, 17], [2, 2, 5]].flatMap { shape in
            [
                OpCase("softmax", [shape], -4...4) { softmax($0[0]) },
                OpCase("logSoftmax", [shape], -4...4) { logSoftmax($0[0]) },
            ]
        } + [
            OpCase("cross entropy", [[4, 5], [4, 5]], 0.1...1) {
                softmaxCrossEntropy(logits: $0[0], targets: $0[1])
            },
            OpCase("network", [[2, 6, 6, 1], [3, 3, 1, 4], [4], [16, 3], [3]]) {
                matmul(
                    flatten(maxPool2d(relu(conv2d($0[0], $0[1], $0[2])), window: 2, stride: 2)), $0[3],
                    bias: $0[4])
            },
        ]
}
