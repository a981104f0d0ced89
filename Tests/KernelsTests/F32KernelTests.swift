import Kernels
import Testing

/// Seeded numbers in ±1 with `slack` more at the end that a kernel may read but must not use.
private func numbers(_ count: Int, seed: UInt64, slack: Int = 0) -> [Float] {
    var random = SplitMix64(seed: seed)
    var all = (0..<count).map { _ in random.uniform() * 2 - 1 }
    all += [Float](repeating: .nan, count: slack)
    return all
}

/// Room for a result, with a mark past its end that must stay.
private struct Target {
    let count: Int
    var memory: [Float]

    init(_ count: Int) {
        self.count = count
        memory = [Float](repeating: 777, count: count + 32)
    }

    var result: [Float] { Array(memory[..<count]) }
    var isIntact: Bool { memory[count...].allSatisfy { $0 == 777 } }
}

/// Twice the error that `terms` roundings of sums of this size can add up to.
private func tolerance(_ terms: Int) -> Double { Double(terms + 2) * Double(Float.ulpOfOne) }

private func expectClose(_ found: [Float], _ expected: [Double], terms: Int) {
    #expect(found.count == expected.count)
    let bound = tolerance(terms) * Double(max(1, terms)).squareRoot()
    #expect(zip(found, expected).allSatisfy { abs(Double($0) - $1) <= bound })
}

private let sizes = [1, 2, 3, 7, 8, 9, 17]

@Suite struct F32MatMulTests {
    @Test(arguments: sizes, sizes) func agreesWithPlainLoops(_ m: Int, _ n: Int) {
        for k in sizes + [40] {
            for (transposeA, transposeB) in [(false, false), (true, false), (false, true), (true, true)] {
                check(F32MatMul(m: m, n: n, k: k, transposeA: transposeA, transposeB: transposeB))
            }
        }
    }

    /// Large enough for many units: several threads give the same bits as one.
    @Test(arguments: [(64, 120, 400), (128, 84, 120), (33, 250, 65)])
    func threadsDoNotChangeBits(_ m: Int, _ n: Int, _ k: Int) {
        let size = F32MatMul(m: m, n: n, k: k)
        check(size)
        #expect(run(size, .serial) == run(size, .threads(3)))
    }

    private func run(_ size: F32MatMul, _ workers: Workers) -> [Float] {
        let a = numbers(size.m * size.k, seed: 1)
        let b = numbers(size.k * size.n, seed: 2)
        let bias = numbers(size.n, seed: 3)
        var c = Target(size.m * size.n)
        var scratch = Target(size.scratchCount)
        size(a, b, bias: bias, &c.memory, scratch: &scratch.memory, workers: workers)
        #expect(c.isIntact && scratch.isIntact)
        return c.result
    }

    private func check(_ size: F32MatMul) {
        let a = numbers(size.m * size.k, seed: 1)
        let b = numbers(size.k * size.n, seed: 2)
        let bias = numbers(size.n, seed: 3)
        var expected: [Double] = []
        var ordered: [Float] = []
        for i in 0..<size.m {
            for j in 0..<size.n {
                var wide = Double(bias[j])
                var narrow = bias[j]
                for p in 0..<size.k {
                    let x = a[size.transposeA ? p * size.m + i : i * size.k + p]
                    let y = b[size.transposeB ? j * size.k + p : p * size.n + j]
                    wide += Double(x) * Double(y)
                    narrow += x * y
                }
                expected.append(wide)
                ordered.append(narrow)
            }
        }
        let found = run(size, .serial)
        expectClose(found, expected, terms: size.k)
        // The documented order of the sum gives exactly these bits.
        #expect(found == ordered)
    }
}

@Suite struct F32Conv2dTests {
    private static let geometries: [F32Conv2d] = {
        var all: [F32Conv2d] = []
        for (channels, filters) in [(1, 6), (6, 16), (3, 1), (2, 7), (8, 9), (17, 3), (1, 17), (9, 8)] {
            for (kernelHeight, kernelWidth, stride, padding) in [
                (1, 1, 1, 0), (3, 3, 1, 1), (2, 3, 1, 0), (5, 5, 1, 2), (3, 3, 2, 1), (3, 2, 3, 1),
                (1, 1, 2, 0),
            ] {
                all.append(
                    F32Conv2d(
                        images: 3, height: 7, width: 9, channels: channels, kernelHeight: kernelHeight,
                        kernelWidth: kernelWidth, filters: filters, stride: stride, padding: padding))
            }
        }
        return all
    }()

    /// Forward and both gradients, in exactly the documented order of the sums.
    @Test(arguments: geometries) func agreesWithPlainLoops(_ size: F32Conv2d) {
        let x = numbers(size.images * size.height * size.width * size.channels, seed: 1)
        let filter = numbers(size.kernelHeight * size.kernelWidth * size.channels * size.filters, seed: 2)
        let outputCount = size.images * size.outputHeight * size.outputWidth * size.filters
        let dy = numbers(outputCount, seed: 3, slack: F32Conv2d.overread)
        let bias = numbers(size.filters, seed: 4)
        var y = (0..<outputCount).map { bias[$0 % size.filters] }
        var df = [Float](repeating: 0, count: filter.count)
        var dx = [Double](repeating: 0, count: x.count)
        forEachProduct(size) { at, weight, output in
            y[output] += x[at] * filter[weight]
            df[weight] += x[at] * dy[output]
            dx[at] += Double(dy[output]) * Double(filter[weight])
        }
        for workers in [Workers.serial, .threads(3)] {
            var target = Target(outputCount)
            var scratch = Target(size.forwardScratchCount)
            size.forward(x, filter, bias: bias, &target.memory, scratch: &scratch.memory, workers: workers)
            #expect(target.result == y && target.isIntact && scratch.isIntact)

            target = Target(filter.count)
            scratch = Target(size.filterGradientScratchCount)
            size.filterGradient(x, dy, &target.memory, scratch: &scratch.memory, workers: workers)
            #expect(target.result == df && target.isIntact && scratch.isIntact)

            target = Target(x.count)
            scratch = Target(size.inputGradientScratchCount)
            size.inputGradient(dy, filter, &target.memory, scratch: &scratch.memory, workers: workers)
            #expect(target.isIntact && scratch.isIntact)
            expectClose(target.result, dx, terms: size.kernelHeight * size.kernelWidth * size.filters)
        }
    }

    /// Places in x, filter and y of every product, in the order of the sums of y and of the filter gradient.
    private func forEachProduct(_ s: F32Conv2d, _ body: (Int, Int, Int) -> Void) {
        for b in 0..<s.images {
            for i in 0..<s.outputHeight {
                for j in 0..<s.outputWidth {
                    for o in 0..<s.filters {
                        for u in 0..<s.kernelHeight {
                            for v in 0..<s.kernelWidth {
                                let row = i * s.stride + u - s.padding
                                let column = j * s.stride + v - s.padding
                                guard row >= 0, row < s.height, column >= 0, column < s.width else {
                                    continue
                                }
                                for q in 0..<s.channels {
                                    body(
                                        ((b * s.height + row) * s.width + column) * s.channels + q,
                                        ((u * s.kernelWidth + v) * s.channels + q) * s.filters + o,
                                        ((b * s.outputHeight + i) * s.outputWidth + j) * s.filters + o)
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

@Suite struct F32MaxPoolTests {
    /// Numbers from a small set, so that maxima tie; results are exact.
    @Test(arguments: sizes, [(2, 2), (3, 2), (2, 1), (2, 3), (1, 1), (3, 3)])
    func agreesWithPlainLoops(_ channels: Int, _ pooling: (Int, Int)) {
        for (height, width) in [(3, 3), (4, 6), (7, 8), (5, 17)] {
            let size = F32MaxPool2d(
                images: 2, height: height, width: width, channels: channels, window: pooling.0,
                stride: pooling.1)
            check(size)
        }
    }

    private func check(_ s: F32MaxPool2d) {
        let inputCount = s.images * s.height * s.width * s.channels
        let outputCount = s.images * s.outputHeight * s.outputWidth * s.channels
        let x = numbers(inputCount, seed: 5).map { Float(Int32($0 * 3)) }
        let v = numbers(inputCount, seed: 6)
        let dy = numbers(outputCount, seed: 7)
        var best: [Int] = []
        for b in 0..<s.images {
            for i in 0..<s.outputHeight {
                for j in 0..<s.outputWidth {
                    for c in 0..<s.channels {
                        let places = (0..<s.window * s.window).map { tap in
                            ((b * s.height + i * s.stride + tap / s.window) * s.width + j * s.stride
                                + tap % s.window) * s.channels + c
                        }
                        var first = places[0]
                        for place in places where x[place] > x[first] { first = place }
                        best.append(first)
                    }
                }
            }
        }
        var dx = [Float](repeating: 0, count: inputCount)
        for (output, place) in best.enumerated() { dx[place] += dy[output] }
        for workers in [Workers.serial, .threads(2)] {
            var target = Target(outputCount)
            s.forward(x, &target.memory, workers: workers)
            #expect(target.result == best.map { x[$0] } && target.isIntact)
            target = Target(outputCount)
            s.select(v, x, &target.memory, workers: workers)
            #expect(target.result == best.map { v[$0] } && target.isIntact)
            target = Target(inputCount)
            s.scatter(dy, x, &target.memory, workers: workers)
            #expect(target.result == dx && target.isIntact)
        }
    }

    @Test func notANumberIsAMaximum() {
        let size = F32MaxPool2d(images: 1, height: 2, width: 2, channels: 1, window: 2, stride: 2)
        for place in 0..<4 {
            var x: [Float] = [1, 2, 3, 4]
            x[place] = .nan
            var y = Target(1)
            size.forward(x, &y.memory, workers: .serial)
            #expect(y.result[0].isNaN)
        }
    }
}

@Suite struct F32ElementwiseTests {
    @Test(arguments: sizes + [40_000]) func functionsAgreeWithPlainLoops(_ count: Int) {
        let a = numbers(count, seed: 1)
        let b = numbers(count, seed: 2)
        let functions: [(F32Unary, (Float) -> Float)] = [
            (.negate, { -$0 }), (.relu, { $0 > 0 ? $0 : 0 }), (.exp, Scalar.exp),
            (.squareRoot, { $0.squareRoot() }),
            (.log, Scalar.log),
        ]
        for (function, plain) in functions {
            var x = a
            if function == .squareRoot || function == .log { x = a.map { abs($0) } }
            var target = Target(count)
            f32Map(function, x, &target.memory, count: count, workers: .threads(2))
            #expect(target.result == x.map(plain) && target.isIntact)
        }
        let combinations: [(F32Binary, (Float, Float) -> Float)] = [
            (.add, { $0 + $1 }), (.subtract, { $0 - $1 }), (.multiply, { $0 * $1 }), (.divide, { $0 / $1 }),
            (.reluGradient, { $1 > 0 ? $0 : 0 }),
        ]
        for (function, plain) in combinations {
            var target = Target(count)
            f32Combine(function, a, b, &target.memory, count: count, workers: .threads(2))
            #expect(target.result == zip(a, b).map(plain) && target.isIntact)
        }
    }

    @Test func reluKeepsNotANumber() {
        var y: [Float] = [0, 0]
        f32Map(.relu, [.nan, -1], &y, count: 2, workers: .serial)
        #expect(y[0].isNaN && y[1] == 0)
    }

    @Test(arguments: sizes, sizes) func sumsAgreeWithPlainLoops(_ rows: Int, _ columns: Int) {
        let x = numbers(rows * columns, seed: 1)
        var target = Target(columns)
        f32Sum(
            x, count: x.count, &target.memory, kept: StridedWalk(extents: [columns], stridesA: [1]),
            reduced: StridedWalk(extents: [rows], stridesA: [columns]), workers: .threads(2))
        #expect(target.isIntact)
        #expect(target.result == (0..<columns).map { j in (0..<rows).reduce(0) { $0 + x[$1 * columns + j] } })
        target = Target(rows)
        f32Sum(
            x, count: x.count, &target.memory, kept: StridedWalk(extents: [rows], stridesA: [columns]),
            reduced: StridedWalk(extents: [columns], stridesA: [1]), workers: .threads(2))
        #expect(target.isIntact)
        #expect(target.result == (0..<rows).map { i in (0..<columns).reduce(0) { $0 + x[i * columns + $1] } })
    }
}
