import Acceleration
import Autodiff
import Kernels
import Testing

/// A graph of some leaves, run forward and backward by both executors.
struct OpCase: Sendable, CustomStringConvertible {
    let description: String
    let shapes: [[Int]]
    let build: @Sendable ([Value]) -> Value

    init(_ name: String, _ shapes: [[Int]], _ build: @escaping @Sendable ([Value]) -> Value) {
        description = "\(name) \(shapes)"
        self.shapes = shapes
        self.build = build
    }

    func leaves() -> [[Float]] {
        var random = SplitMix64(seed: 7)
        return shapes.map { shape in (0..<shape.reduce(1, *)).map { _ in random.uniform() * 2 - 1 } }
    }

    /// Products and sums that one number of a result can be made of.
    var depth: Int { shapes.reduce(1) { max($0, $1.reduce(1, *)) } }

    static let all: [OpCase] = products + convolutions + pools + others + winograd + lanes + depthwise + composed

    private static let products: [OpCase] =
        [(1, 1, 1), (2, 3, 4), (7, 9, 2), (3, 17, 8), (32, 16, 48), (33, 10, 84)].flatMap { m, n, k in
            [
                OpCase("matmul", [[m, k], [k, n]]) { matmul($0[0], $0[1]) },
                OpCase("matmul bias", [[m, k], [k, n], [n]]) { matmul($0[0], $0[1], bias: $0[2]) },
                OpCase("matmul relu", [[m, k], [k, n], [n]]) { relu(matmul($0[0], $0[1], bias: $0[2])) },
                OpCase("matmul tn", [[k, m], [k, n]]) { matmul($0[0], $0[1], transposeA: true) },
                OpCase("matmul nt", [[m, k], [n, k]]) { matmul($0[0], $0[1], transposeB: true) },
                OpCase("matmul nt bias", [[m, k], [n, k], [n]]) {
                    matmul($0[0], $0[1], bias: $0[2], transposeB: true)
                },
                OpCase("matmul tt", [[k, m], [n, k]]) {
                    matmul($0[0], $0[1], transposeA: true, transposeB: true)
                },
            ]
        }

    private static let convolutions: [OpCase] = [
        (1, 5, 1, 1, 1, 1, 0), (2, 6, 3, 2, 3, 1, 1), (2, 8, 1, 6, 5, 1, 2), (3, 7, 6, 16, 5, 1, 0),
        (2, 9, 3, 8, 3, 2, 1), (2, 6, 16, 32, 3, 1, 1), (1, 7, 17, 9, 3, 1, 1), (18, 8, 4, 7, 3, 1, 1),
        (2, 8, 16, 16, 1, 2, 0), (2, 8, 32, 20, 2, 2, 0), (16, 14, 16, 64, 3, 1, 1), (2, 9, 2, 3, 2, 3, 0),
    ].flatMap { images, size, channels, filters, kernel, stride, padding in
        let shapes = [[images, size, size, channels], [kernel, kernel, channels, filters], [filters]]
        let name = "\(kernel)x\(kernel) stride \(stride) padding \(padding)"
        return [
            OpCase("conv2d \(name)", Array(shapes.prefix(2))) {
                conv2d($0[0], $0[1], stride: stride, padding: padding)
            },
            OpCase("conv2d relu \(name)", shapes) {
                relu(conv2d($0[0], $0[1], $0[2], stride: stride, padding: padding))
            },
        ]
    }

    private static let pools: [OpCase] = [
        ([1, 1, 1, 1], 1, 1), ([1, 2, 2, 1], 2, 2), ([2, 4, 6, 3], 2, 2), ([1, 5, 7, 9], 2, 2),
        ([1, 5, 5, 2], 3, 2),
        ([1, 5, 4, 8], 2, 1), ([2, 7, 7, 16], 2, 2), ([1, 6, 6, 33], 3, 3), ([17, 6, 6, 32], 2, 2),
    ].flatMap { shape, window, stride in
        [
            OpCase("maxPool2d \(window)/\(stride)", [shape]) {
                maxPool2d($0[0], window: window, stride: stride)
            },
            OpCase("maxPool2d of relu \(window)/\(stride)", [shape]) {
                maxPool2d(relu($0[0]), window: window, stride: stride)
            },
            // The rectified value is used twice, so that its gradient cannot be taken in the pooling's pass.
            OpCase("maxPool2d beside relu \(window)/\(stride)", [shape]) {
                let y = relu($0[0])
                return sum(maxPool2d(y, window: window, stride: stride)) * y
            },
        ]
    }

    private static let others: [OpCase] = [
        OpCase("add", [[2, 3], [3]]) { $0[0] + $0[1] }, OpCase("relu", [[3, 17]]) { relu($0[0]) },
        OpCase("exp sum", [[5, 4]]) { sum(exp($0[0]), axes: [1]) },
        OpCase("column sums", [[5, 3, 4, 19]]) { sum($0[0], axes: [0, 1, 2]) },
        OpCase("reshape", [[2, 3, 4]]) { reshape($0[0], [6, 4]) },
        OpCase("transpose", [[2, 3, 4]]) { transpose($0[0], [2, 0, 1]) },
        OpCase("log softmax", [[3, 10]]) { logSoftmax($0[0]) },
        OpCase("untouched leaf", [[2, 3], [4]]) { $0[0] * 2 },
    ]

    /// 3x3 kernels with enough channels for Winograd's method, with planes a page apart, and more threads than groups.
    private static let winograd: [OpCase] = [
        (16, 4, 8, 8), (32, 12, 9, 17), (48, 8, 12, 16), (16, 16, 32, 12), (16, 8, 8, 30),
    ].map { n, size, c, f in
        OpCase("winograd", [[n, size, size, c], [3, 3, c, 8], [8], [3, 3, 8, f], [f]]) { x in
            // The first result is even and feeds the second, so that all three directions run.
            let first = maxPool2d(relu(conv2d(x[0], x[1], x[2], padding: 1)), window: 2, stride: 2)
            return maxPool2d(relu(conv2d(first, x[3], x[4], padding: 1)), window: 2, stride: 2)
        }
    }

    /// Convolutions of every stride with images in lanes, odd sizes among them, plain and rectified; each feeds another, so
    /// that the gradient of its image is needed.
    private static let lanes: [OpCase] =
        [
            (16, 7, 8, 8, 3, 1, 1), (32, 9, 4, 12, 3, 2, 1), (16, 8, 3, 5, 3, 2, 1), (16, 8, 6, 7, 1, 2, 0),
            (32, 7, 16, 8, 3, 1, 0), (16, 6, 2, 9, 5, 2, 2), (16, 10, 3, 4, 3, 3, 2), (16, 5, 3, 8, 2, 1, 0),
        ].flatMap { n, size, c, f, kernel, stride, padding in
            let shapes = [[n, size, size, c], [1, 1, c, c], [kernel, kernel, c, f], [f]]
            let name = "lanes \(kernel)x\(kernel) stride \(stride) padding \(padding)"
            return [
                OpCase(name, shapes) { x in
                    conv2d(conv2d(x[0], x[1]), x[2], x[3], stride: stride, padding: padding)
                },
                OpCase("\(name) relu", shapes) { x in
                    relu(conv2d(relu(conv2d(x[0], x[1])), x[2], x[3], stride: stride, padding: padding))
                },
            ]
        } + [(16, 7, 1, 8), (32, 6, 3, 5), (48, 5, 2, 16)].flatMap { n, size, c, f in
            let shapes = [[n, size, size, c], [3, 3, c, f], [f], [f], [3, 3, f, f], [f], [f], [1, 1, c, f], [f], [f]]
            return [
                OpCase("batchNorm", Array(shapes.prefix(4))) { x in
                    batchNorm(conv2d(x[0], x[1], padding: 1), scale: x[2], shift: x[3]).value
                },
                OpCase("batchNorm of images", [shapes[0], [c], [c]]) { x in
                    batchNorm(x[0], scale: x[1], shift: x[2]).value
                },
                OpCase("residual block", Array(shapes.prefix(7))) { x in
                    let first = relu(batchNorm(conv2d(x[0], x[1], padding: 1), scale: x[2], shift: x[3]).value)
                    return relu(batchNorm(conv2d(first, x[4], padding: 1), scale: x[5], shift: x[6]).value + first)
                },
                OpCase("strided residual block, averaged", shapes) { x in
                    let first = relu(
                        batchNorm(conv2d(x[0], x[1], stride: 2, padding: 1), scale: x[2], shift: x[3]).value)
                    let second = batchNorm(conv2d(first, x[4], padding: 1), scale: x[5], shift: x[6]).value
                    let beside = batchNorm(conv2d(x[0], x[7], stride: 2), scale: x[8], shift: x[9]).value
                    return globalAveragePool(relu(second + beside))
                },
                OpCase("sums after convolutions", Array(shapes.prefix(8))) { x in
                    let first = relu(conv2d(x[0], x[1], x[2], padding: 1))
                    let second = relu(conv2d(first, x[4], x[3], padding: 1) + first)
                    let beside = conv2d(second, x[4], stride: 2, padding: 1) + conv2d(x[0], x[7], stride: 2)
                    return conv2d(beside, x[4], padding: 1) + beside
                },
                OpCase("normalised by given statistics", Array(shapes.prefix(6))) { x in
                    let y = conv2d(x[0], x[1], padding: 1)
                    return relu(normalize(y, scale: x[2], shift: x[3], mean: x[5], variance: x[5] * x[5]) + y)
                },
            ]
        }

    /// A kernel for each channel, alone, between normalisation and ReLU6 as in mobile networks, and in groups that have no kernels
    /// of their own.
    private static let depthwise: [OpCase] =
        [
            (16, 7, 8, 3, 1, 1), (32, 9, 4, 3, 2, 1), (16, 8, 5, 3, 2, 0), (16, 6, 3, 5, 2, 2), (48, 7, 2, 3, 1, 0),
            (16, 10, 3, 3, 3, 1), (16, 5, 4, 2, 1, 0), (16, 8, 6, 5, 1, 2), (16, 6, 4, 1, 1, 0),
            (5, 7, 4, 3, 2, 1),
        ].flatMap { n, size, c, kernel, stride, padding in
            let shapes = [[n, size, size, c], [1, 1, c, c], [kernel, kernel, 1, c], [c], [c]]
            let name = "depthwise \(kernel)x\(kernel) stride \(stride) padding \(padding)"
            return [
                OpCase(name, Array(shapes.prefix(4))) { x in
                    conv2d(conv2d(x[0], x[1]), x[2], x[3], stride: stride, padding: padding, groups: c)
                },
                OpCase("\(name) relu", Array(shapes.prefix(4))) { x in
                    relu(conv2d(relu(conv2d(x[0], x[1])), x[2], x[3], stride: stride, padding: padding, groups: c))
                },
            ] + (kernel == 1 ? [] : [normalised(name, shapes, stride, padding)])
        } + [
            OpCase("two filters a channel", [[16, 6, 6, 4], [3, 3, 1, 8]]) {
                conv2d($0[0], $0[1], padding: 1, groups: 4)
            },
            OpCase("depthwise with holes", [[16, 8, 8, 4], [3, 3, 1, 4]]) {
                conv2d($0[0], $0[1], padding: 2, dilation: 2, groups: 4)
            },
            OpCase("clamped sum", [[16, 6, 6, 4], [1, 1, 4, 4], [3, 3, 1, 4]]) { x in
                let first = conv2d(x[0], x[1])
                let limited = clamp(first + conv2d(first, x[2], padding: 1, groups: 4), -0.5, 0.5)
                return conv2d(limited, x[1]) + conv2d(limited, x[2], padding: 1, groups: 4)
            },
        ]

    /// Not for a kernel of 1x1: normalisation undoes its factor, so that its gradient is nothing but rounding.
    private static func normalised(_ name: String, _ shapes: [[Int]], _ stride: Int, _ padding: Int) -> OpCase {
        OpCase("\(name) normalised", shapes) { x in
            let wide = clamp(batchNorm(conv2d(x[0], x[1]), scale: x[3], shift: x[4]).value, -0.5, 0.5)
            let deep = conv2d(wide, x[2], stride: stride, padding: padding, groups: shapes[0][3])
            return clamp(batchNorm(deep, scale: x[3], shift: x[4]).value, 0, 0.75)
        }
    }

    private static let composed: [OpCase] =
        [(1, 4, 3), (2, 6, 16), (6, 16, 5), (16, 16, 16)].flatMap { c, f, classes in
            // 5 images keep to the library, 16 and 48 may go into lanes.
            [5, 16, 48].map { n in
                let shapes = [
                    [n, 12, 12, c], [3, 3, c, f], [f], [5, 5, f, 17], [17], [68, classes], [classes],
                ]
                return OpCase("network", shapes) { x in
                    let first = maxPool2d(relu(conv2d(x[0], x[1], x[2], padding: 1)), window: 2, stride: 2)
                    let second = relu(conv2d(first, x[3], x[4], padding: 1))
                    return matmul(flatten(maxPool2d(second, window: 2, stride: 2)), x[5], bias: x[6])
                }
            }
        } + [
            OpCase("pool 2x2 that is seen twice", [[16, 6, 6, 3], [3, 3, 3, 6], [6]]) {
                let y = maxPool2d(relu(conv2d($0[0], $0[1], $0[2], padding: 1)), window: 2, stride: 2)
                return sum(y, axes: [3]) + sum(y * y, axes: [3])
            },
            OpCase("relu seen beside its pool", [[16, 6, 6, 3], [3, 3, 3, 6], [6]]) {
                let y = relu(conv2d($0[0], $0[1], $0[2], padding: 1))
                return sum(maxPool2d(y, window: 2, stride: 2)) * y
            },
            OpCase("one image, two convolutions", [[16, 6, 6, 3], [3, 3, 3, 6], [6], [5, 5, 3, 6]]) {
                maxPool2d(relu(conv2d($0[0], $0[1], $0[2], padding: 1)), window: 2, stride: 2)
                    + maxPool2d(relu(conv2d($0[0], $0[3], $0[2], padding: 2)), window: 2, stride: 2)
            },
            OpCase("bias that is computed", [[2, 5, 5, 3], [3, 3, 3, 6], [6]]) {
                conv2d($0[0], $0[1], $0[2] * 2)
            },
            OpCase("filter that is computed", [[2, 5, 5, 3], [3, 3, 3, 6]]) { conv2d($0[0], $0[1] * 2) },
            OpCase("one filter twice", [[2, 6, 6, 6], [3, 3, 6, 6]]) {
                conv2d(relu(conv2d($0[0], $0[1], padding: 1)), $0[1], padding: 1)
            },
            OpCase("conv2d seen before relu", [[2, 6, 6, 6], [3, 3, 6, 6]]) {
                let y = conv2d($0[0], $0[1], padding: 1)
                return relu(y) + y
            },
        ]
}

@Suite struct OpTests {
    /// Results and gradients within the error of summing `depth` terms in another order.
    @Test(arguments: OpCase.all) func executorsAgree(_ testCase: OpCase) throws {
        let graph = Graph()
        let leaves = testCase.shapes.map { graph.parameter(Shape($0)) }
        let result = testCase.build(leaves)
        let gradients = gradients(of: sum(result * result * 0.3 + result), withRespectTo: leaves)
        let plan = try Plan(graph, outputs: [result] + gradients + leaves)
        let portable = PortableExecutor(plan)
        let numbers = try DecidedLeaves(leaves, of: result).settle(testCase.leaves())
        for (threads, kernels) in [(2, AcceleratedKernels.library), (1, .own), (3, .own)] {
            let accelerated = try AcceleratedExecutor(
                plan, updating: Array(zip(leaves, gradients)), threads: threads, kernels: kernels)
            for (leaf, numbers) in zip(leaves, numbers) {
                try portable.write(numbers, to: leaf)
                try accelerated.write(numbers, to: leaf)
                #expect(try accelerated.read(leaf) == numbers)
            }
            portable.run()
            // The second run meets what the first left in memory.
            for _ in 0..<2 { accelerated.run() }
            try compare(accelerated.read(result), portable.read(result), testCase, "result")
            for (place, gradient) in gradients.enumerated() {
                try compare(
                    accelerated.gradient(place), portable.read(gradient), testCase, "gradient \(place)")
            }
        }
    }

    private func compare(_ found: [Float], _ expected: [Float], _ testCase: OpCase, _ name: String) {
        #expect(found.count == expected.count)
        let scale = expected.reduce(1) { max($0, abs($1)) }
        let tolerance = scale * Float(testCase.depth + 16) * Float.ulpOfOne
        let worst = zip(found, expected).reduce(0) { max($0, abs($1.0 - $1.1)) }
        #expect(worst <= tolerance, "\(name): \(worst) over \(tolerance)")
    }

    /// The presets must not meet the library's plain loops, which are hundreds of times slower.
    @Test(arguments: OpCase.all) func noReferenceCode(_ testCase: OpCase) throws {
        let graph = Graph()
        let leaves = testCase.shapes.map { graph.parameter(Shape($0)) }
        let result = testCase.build(leaves)
        let gradients = gradients(of: sum(result), withRespectTo: leaves)
        let executor = try AcceleratedExecutor(try Plan(graph, outputs: [result] + gradients), threads: 2)
        #expect(!executor.stepNames.isEmpty)
        #expect(executor.stepNames.allSatisfy { !$0.name.contains("ref") })
    }

    /// Few images and no gradients: convolutions of blocks of channels by Winograd's method.
    @Test(arguments: [(1, 14, 32, 64, 1), (2, 7, 16, 32, 1), (3, 10, 48, 16, 0), (1, 28, 16, 48, 1)], [1, 2, 3])
    func networksInUseAgree(_ sizes: (Int, Int, Int, Int, Int), threads: Int) throws {
        let (images, size, channels, filters, padding) = sizes
        let testCase = OpCase("conv2d", [[images, size, size, channels], [3, 3, channels, filters], [filters]]) {
            relu(conv2d($0[0], $0[1], $0[2], padding: padding)) + conv2d($0[0], $0[1], padding: padding)
        }
        let names = try compareInUse(testCase, threads: threads)
        // The library's blocks have sixteen channels where it uses AVX-512.
        #expect(names.count { $0.contains("winograd") } == 2 || !names.contains { $0.contains("avx512") })
    }

    /// The same with the pooling that follows, whose result goes on row by row or in blocks.
    @Test(arguments: [(1, 14, 32, 64, 1), (2, 8, 16, 32, 1), (3, 12, 48, 16, 0), (1, 28, 16, 48, 1)], [1, 2, 3])
    func pooledNetworksInUseAgree(_ sizes: (Int, Int, Int, Int, Int), threads: Int) throws {
        let (images, size, channels, filters, padding) = sizes
        let shapes = [[images, size, size, channels], [3, 3, channels, filters], [filters], [3, 3, filters, 16]]
        let testCase = OpCase("conv2d+maxPool2d", shapes) {
            let first = maxPool2d(relu(conv2d($0[0], $0[1], $0[2], padding: padding)), window: 2, stride: 2)
            let second = maxPool2d(relu(conv2d($0[0], $0[1], padding: padding)), window: 2, stride: 2)
            return concatenate([first, relu(conv2d(second, $0[3], padding: 1))], axis: 3)
        }
        let rest = (size + 2 * padding - 2) / 2
        let names = try compareInUse(testCase, threads: threads)
        // The library's blocks have sixteen channels where it uses AVX-512.
        #expect(
            names.count { $0.contains("winograd") } == (rest >= 7 ? 3 : 2) || !names.contains { $0.contains("avx512") })
    }

    /// Sums that convolutions with images in lanes make with their results.
    @Test(arguments: [(16, 7, 8, 8), (32, 9, 4, 12), (48, 8, 3, 5), (16, 3, 16, 8)], [1, 2, 3])
    func residualNetworksInUseAgree(_ sizes: (Int, Int, Int, Int), threads: Int) throws {
        let (images, size, channels, filters) = sizes
        let shapes = [
            [images, size, size, channels], [3, 3, channels, filters], [filters], [3, 3, filters, filters],
            [1, 1, filters, filters],
        ]
        let testCase = OpCase("residual sums", shapes) { x in
            let first = relu(conv2d(x[0], x[1], x[2], padding: 1))
            let second = relu(conv2d(first, x[3], x[2], padding: 1) + first)
            let third = conv2d(second, x[3], stride: 2, padding: 1)
            let fourth = relu(conv2d(second, x[4], x[2], stride: 2) + third)
            return relu(conv2d(conv2d(fourth, x[3], padding: 1) + fourth, x[4]))
        }
        let inLanes = try compareInUse(testCase, threads: threads).filter { $0.contains("lanes") }
        #expect(inLanes.count { $0.hasSuffix("+add+relu") } == 2 || inLanes.isEmpty)
        #expect(inLanes.count { $0.hasSuffix("+add") } == 1 || inLanes.isEmpty)
    }

    /// Weights that threads share out, in whole tiles of rows and outputs and in parts of them.
    @Test(arguments: [(1, 3136, 128), (5, 900, 80), (15, 1024, 64), (3, 4096, 16)], [1, 2, 3])
    func fewRowsAgree(_ sizes: (Int, Int, Int), threads: Int) throws {
        let (rows, inputs, outputs) = sizes
        let testCase = OpCase("dense rows", [[rows, inputs], [inputs, outputs], [outputs]]) {
            concatenate([relu(matmul($0[0], $0[1], bias: $0[2])), matmul($0[0], $0[1])], axis: 1)
        }
        let names = try compareInUse(testCase, threads: threads)
        #expect(names.count { $0.hasPrefix("dense rows") } == 2)
    }

    /// - Returns: the names of the calls of a step.
    private func compareInUse(_ testCase: OpCase, threads: Int) throws -> [String] {
        let graph = Graph()
        let leaves = testCase.shapes.map { graph.parameter(Shape($0)) }
        let result = testCase.build(leaves)
        let plan = try Plan(graph, outputs: leaves + [result])
        let portable = PortableExecutor(plan)
        let accelerated = try AcceleratedExecutor(plan, threads: threads, kernels: .own)
        let names = accelerated.stepNames.flatMap { $0.name.split(separator: ", ").map(String.init) }
        // Filters that are made ready once are so again when others are written.
        for sign in [Float(1), -1] {
            for (leaf, numbers) in zip(leaves, testCase.leaves()) {
                try portable.write(numbers.map { sign * $0 }, to: leaf)
                try accelerated.write(numbers.map { sign * $0 }, to: leaf)
            }
            portable.run()
            for _ in 0..<2 { accelerated.run() }
            try compare(accelerated.read(result), portable.read(result), testCase, "result")
        }
        return names
    }

    @Test func threadsAreChecked() throws {
        let plan = try Plan(Graph(), outputs: [])
        #expect(throws: AccelerationError.threads(0)) { try AcceleratedExecutor(plan, threads: 0) }
    }
}
