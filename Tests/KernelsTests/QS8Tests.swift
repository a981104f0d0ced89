import Kernels
import Testing

/// Small deterministic numbers, so that the tests of integer kernels depend on nothing else.
struct Numbers {
    private var state: UInt64

    init(_ seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var z = state
        z = (z ^ z >> 30) &* 0xbf58_476d_1ce4_e5b9
        z = (z ^ z >> 27) &* 0x94d0_49bb_1331_11eb
        return z ^ z >> 31
    }

    mutating func integer(_ range: ClosedRange<Int>) -> Int {
        range.lowerBound + Int(next() % UInt64(range.count))
    }

    mutating func activations(_ count: Int, _ range: ClosedRange<Int> = -255...255) -> [Int16] {
        (0..<count).map { _ in Int16(integer(range)) }
    }

    mutating func weights(_ count: Int) -> [Int8] { (0..<count).map { _ in Int8(integer(-127...127)) } }
    mutating func biases(_ count: Int) -> [Int32] { (0..<count).map { _ in Int32(integer(-9999...9999)) } }

    /// Factors that spread sums of products over the range of an activation and beyond.
    mutating func multipliers(_ count: Int) -> [Float] {
        (0..<count).map { _ in Float(integer(1...1000)) / 500_000 }
    }
}

struct Convolution: CustomTestStringConvertible {
    var height = 8, width = 8, channels = 4, outputs = 8, kernelHeight = 3, kernelWidth = 3
    var stride = 1, padding = 1, border = 0, low: Int16 = 0, high: Int16 = 127, pools = false
    var range = -255...255, bound = 255
    var fixedWeights: [Int8]?

    var testDescription: String {
        "\(height)x\(width)x\(channels)->\(outputs) k\(kernelHeight)x\(kernelWidth) s\(stride) p\(padding)"
    }

    /// Output of the kernel and of the reference, and whether the border of the output survived.
    func results(seed: UInt64) -> (kernel: [Int16], reference: [Int16], borderIsClean: Bool) {
        var numbers = Numbers(seed)
        let pixels = numbers.activations(height * width * channels, range)
        let weights = fixedWeights ?? numbers.weights(kernelHeight * kernelWidth * channels * outputs)
        let bias = numbers.biases(outputs)
        let multipliers = numbers.multipliers(outputs)

        let rows = (height + 2 * padding - kernelHeight) / stride + 1
        let columns = (width + 2 * padding - kernelWidth) / stride + 1
        let sums = QS8Reference.convolutionSums(
            pixels, height: height, width: width, channels: channels, weights: weights, bias: bias,
            kernelHeight: kernelHeight, kernelWidth: kernelWidth, stride: stride, padding: padding)
        var reference = QS8Reference.activations(sums, multipliers: multipliers, low: low, high: high)
        if pools {
            reference = QS8Reference.maxPool(
                reference, height: rows, width: columns, channels: outputs, window: 2, stride: 2)
        }

        let input = QS8Plane(height: height, width: width, channels: channels, border: padding)
        let output = QS8Plane(
            height: pools ? rows / 2 : rows, width: pools ? columns / 2 : columns, channels: outputs,
            border: border)
        let layer = QS8Convolution(
            weights: weights, bias: bias, multipliers: multipliers, low: low, high: high,
            kernelHeight: kernelHeight, kernelWidth: kernelWidth, stride: stride, padding: padding,
            input: input, output: output, pools: pools, inputBound: bound)
        var source = [Int16](repeating: 0, count: input.storage)
        // What lies in the slack must not matter.
        for i in input.storage - QS8Plane.slack..<input.storage { source[i] = 255 }
        for y in 0..<height {
            for i in 0..<width * channels {
                source[input.offset(y, 0) + i] = pixels[y * width * channels + i]
            }
        }
        var target = [Int16](repeating: 77, count: output.storage)
        output.clearBorder(&target)
        var scratch = [Int16](repeating: 99, count: layer.scratch)
        layer.run(source, &target, scratch: &scratch)

        var kernel: [Int16] = []
        var inside = [Bool](repeating: false, count: output.storage)
        for y in 0..<output.height {
            for i in 0..<output.width * outputs {
                kernel.append(target[output.offset(y, 0) + i])
                inside[output.offset(y, 0) + i] = true
            }
        }
        let clean = (0..<output.storage - QS8Plane.slack).allSatisfy { inside[$0] || target[$0] == 0 }
        return (kernel, reference, clean)
    }
}

private let sweep = [1, 2, 3, 7, 8, 9, 17]

@Suite struct QS8ConvolutionTests {
    @Test("every count of input and output channels", arguments: sweep, sweep)
    func channels(inputs: Int, outputs: Int) {
        let case1 = Convolution(height: 5, width: 6, channels: inputs, outputs: outputs, border: 1)
        let r = case1.results(seed: UInt64(inputs * 100 + outputs))
        #expect(r.kernel == r.reference)
        #expect(r.borderIsClean)
        #expect(Set(r.kernel).count > 1 || r.kernel.count < 20)
    }

    @Test("every picture size", arguments: sweep, sweep)
    func pictures(height: Int, width: Int) {
        let r = Convolution(height: height, width: width, channels: 3, outputs: 17, border: 2)
            .results(seed: UInt64(height * 100 + width))
        #expect(r.kernel.count == height * width * 17)
        #expect(r.kernel == r.reference)
        #expect(r.borderIsClean)
    }

    @Test("winograd shapes: every size, pooled or not", arguments: [4, 5, 6, 7, 8, 9, 14, 17], [16, 24, 40])
    func winograd(size: Int, inputs: Int) {
        for outputs in [8, 16, 24, 56] {
            for padding in 0...1 {
                for pools in [false, true] {
                    let r = Convolution(
                        height: size, width: size + 3, channels: inputs, outputs: outputs, padding: padding,
                        border: 1, low: -255, high: 255, pools: pools, range: -255...255
                    ).results(seed: UInt64(size * 100 + inputs))
                    #expect(r.kernel == r.reference)
                    #expect(r.borderIsClean)
                }
            }
        }
    }

    @Test("extreme weights and inputs: winograd where its sums fit, the direct kernel elsewhere", arguments: [16, 64, 136])
    func extremes(inputs: Int) {
        for magnitude in [127, 255] {
            for sign in [1, -1] {
                var numbers = Numbers(UInt64(inputs + magnitude))
                var convolution = Convolution(
                    height: 6, width: 6, channels: inputs, outputs: 8, low: -255, high: 255,
                    range: magnitude...magnitude)
                convolution.bound = magnitude
                convolution.fixedWeights = (0..<9 * inputs * 8).map { _ in
                    Int8(numbers.integer(0...20) == 0 ? 127 : 127 * sign)
                }
                let r = convolution.results(seed: 4)
                #expect(r.kernel == r.reference)
            }
        }
    }

    @Test("5x5 of one channel, pooled: every count of channels and width", arguments: [1, 2, 3, 6, 7, 8, 13, 20], sweep)
    func pooledFirst(outputs: Int, width: Int) {
        for padding in 0...2 {
            let r = Convolution(
                height: 8, width: 2 * width + 5 - 2 * padding, channels: 1, outputs: outputs, kernelHeight: 5,
                kernelWidth: 5, padding: padding, border: 1, low: -255, high: 255, pools: true, range: -255...255
            ).results(seed: UInt64(width))
            #expect(r.kernel.count == (4 + 2 * padding) / 2 * width * outputs)
            #expect(r.kernel == r.reference)
            #expect(r.borderIsClean)
        }
    }

    static let kernels: [Convolution] = {
        var cases: [Convolution] = []
        for (kernelHeight, kernelWidth) in [(1, 1), (1, 3), (3, 1), (2, 2), (3, 3), (5, 5), (7, 7), (5, 2)] {
            for stride in 1...3 {
                for padding in 0..<min(kernelHeight, kernelWidth, 3) {
                    for channels in [1, 3, 6, 16] {
                        cases.append(
                            Convolution(
                                height: 9, width: 11, channels: channels, outputs: 12,
                                kernelHeight: kernelHeight, kernelWidth: kernelWidth, stride: stride,
                                padding: padding, low: -127))
                    }
                }
            }
        }
        return cases
    }()

    @Test("every kernel, stride and padding", arguments: kernels)
    func kernel(_ convolution: Convolution) {
        let r = convolution.results(seed: 5)
        #expect(!r.kernel.isEmpty)
        #expect(r.kernel == r.reference)
        #expect(r.borderIsClean)
    }

    @Test("fused pooling", arguments: sweep.filter { $0 > 1 }, sweep)
    func pooling(size: Int, outputs: Int) {
        for channels in [1, 3, 16] {
            let r = Convolution(
                height: size, width: size + 1, channels: channels, outputs: outputs, border: 1, low: -255,
                high: 255, pools: true
            ).results(seed: UInt64(size))
            #expect(!r.kernel.isEmpty)
            #expect(r.kernel == r.reference)
            #expect(r.borderIsClean)
        }
    }
}

@Suite struct QS8DenseTests {
    @Test(
        "every size", arguments: [1, 2, 3, 7, 8, 9, 15, 16, 17, 31, 33, 100], [1, 2, 3, 7, 8, 9, 17, 33, 84])
    func shapes(inputs: Int, outputs: Int) {
        var numbers = Numbers(UInt64(inputs * 1000 + outputs))
        let input = numbers.activations(inputs)
        let weights = numbers.weights(inputs * outputs)
        let bias = numbers.biases(outputs)
        let multipliers = numbers.multipliers(outputs)
        let layer = QS8Dense(
            weights: weights, inputs: inputs, outputs: outputs, bias: bias, multipliers: multipliers)
        let source = input + [Int16](repeating: -255, count: QS8Plane.slack)
        var logits = [Int32](repeating: 1, count: layer.storedLogits)
        layer.logits(source, &logits)
        var target = [Int16](repeating: 1, count: outputs + QS8Plane.slack)
        layer.activations(source, &target, low: -100, high: 127)

        let sums = QS8Reference.denseSums(input, weights: weights, bias: bias)
        #expect(
            Array(logits[..<outputs])
                == (0..<outputs).map { QS8Reference.requantise(sums[$0], multipliers[$0]) })
        #expect(
            Array(target[..<outputs])
                == QS8Reference.activations(sums, multipliers: multipliers, low: -100, high: 127))
    }
}

@Suite struct QS8ElementwiseTests {
    @Test("ties go to even and the magic number is exact to its bounds")
    func requantisation() {
        for (acc, multiplier, expected) in [
            (1, 0.5, 0), (3, 0.5, 2), (5, 0.5, 2), (-1, 0.5, 0), (-3, 0.5, -2), (7, 1, 7), (-7, 1, -7),
            (4_194_303, 1, 4_194_303), (-4_194_303, 1, -4_194_303), (8_388_605, 0.5, 4_194_302),
            (2_147_483_647, 0.001, 2_147_484), (0, 1e-30, 0),
        ] as [(Int32, Float, Int32)] {
            #expect(QS8Reference.requantise(acc, multiplier) == expected)
        }
        var numbers = Numbers(1)
        for _ in 0..<20_000 {
            let acc = Int32(numbers.integer(-4_000_000...4_000_000))
            let multiplier = Float(numbers.integer(1...1_000_000)) / 1_000_000
            let exact = (Float(acc) * multiplier).rounded(.toNearestOrEven)
            #expect(QS8Reference.requantise(acc, multiplier) == Int32(exact))
        }
    }

    @Test("pixels less zero points", arguments: [1, 3], [1, 2, 3, 7, 8, 9, 17, 28])
    func centre(channels: Int, width: Int) {
        var numbers = Numbers(UInt64(width))
        let plane = QS8Plane(height: 3, width: width, channels: channels, border: 2)
        let pixels = (0..<3 * width * channels).map { _ in UInt8(numbers.integer(0...255)) }
        let zeroPoints = [Int16](arrayLiteral: 73, 255, 0)
        let pattern = (0..<QS8Elementwise.zeroPointPattern).map { zeroPoints[$0 % channels] }
        var target = [Int16](repeating: 7, count: plane.storage)
        plane.clearBorder(&target)
        QS8Elementwise.centre(pixels, zeroPoints: pattern, plane: plane, &target)
        for y in -2..<5 {
            for x in -2..<width + 2 {
                for c in 0..<channels {
                    let inside = (0..<3).contains(y) && (0..<width).contains(x)
                    let expected =
                        inside ? Int16(pixels[(y * width + x) * channels + c]) - zeroPoints[c] : 0
                    #expect(target[plane.offset(y, x) + c] == expected)
                }
            }
        }
    }

    @Test("max pooling", arguments: [1, 3, 8, 17], [1, 2, 3])
    func maxPool(channels: Int, window: Int) {
        for stride in 1...3 {
            for size in [3, 7, 8] {
                var numbers = Numbers(UInt64(channels))
                let values = numbers.activations(size * size * channels)
                let input = QS8Plane(height: size, width: size, channels: channels)
                let side = (size - window) / stride + 1
                let output = QS8Plane(height: side, width: side, channels: channels)
                var target = [Int16](repeating: 7, count: output.storage)
                let source = values + [Int16](repeating: 0, count: QS8Plane.slack)
                QS8Elementwise.maxPool(source, input, &target, output, window: window, stride: stride)
                let expected = QS8Reference.maxPool(
                    values, height: size, width: size, channels: channels, window: window, stride: stride)
                #expect(Array(target[..<expected.count]) == expected)
            }
        }
    }
}

@Suite struct QS8DepthwiseTests {
    @Test(
        "every count of channels, kernel, stride and padding", arguments: [1, 3, 7, 8, 9, 16, 17],
        [(1, 1), (2, 2), (3, 3), (5, 5), (3, 2), (4, 3)])
    func shapes(channels: Int, kernel: (Int, Int)) {
        for stride in 1...3 {
            for padding in 0..<min(kernel.0, kernel.1, 3) {
                check(channels, kernel, stride, padding, height: 7, width: 6, range: -255...255, extreme: false)
            }
        }
    }

    @Test(
        "bands of every width, and the rows that are left below them", arguments: [1, 8, 13, 32],
        [(1, 5), (2, 3), (3, 1), (4, 4), (5, 10), (6, 7), (9, 8), (7, 14), (8, 18), (13, 15)])
    func bands(channels: Int, size: (Int, Int)) {
        for stride in 1...2 {
            for (range, extreme) in [(0...127, false), (0...127, true), (-127...127, false), (-255...255, true)] {
                check(channels, (3, 3), stride, 1, height: size.0, width: size.1, range: range, extreme: extreme)
            }
        }
    }

    /// The kernel against the reference; `extreme` weights are −127 or 127.
    private func check(
        _ channels: Int, _ kernel: (Int, Int), _ stride: Int, _ padding: Int, height: Int, width: Int,
        range: ClosedRange<Int>, extreme: Bool
    ) {
        var numbers = Numbers(UInt64(channels * 10 + stride))
        let pixels = numbers.activations(height * width * channels, range)
        var weights = numbers.weights(kernel.0 * kernel.1 * channels)
        if extreme { weights = weights.map { $0 % 8 == 0 ? -127 : 127 } }
        let bias = numbers.biases(channels)
        let multipliers = numbers.multipliers(channels)
        let input = QS8Plane(height: height, width: width, channels: channels, border: 2)
        let output = QS8Plane(
            height: (height + 2 * padding - kernel.0) / stride + 1,
            width: (width + 2 * padding - kernel.1) / stride + 1, channels: channels, border: 1)
        let layer = QS8Depthwise(
            weights: weights, bias: bias, multipliers: multipliers, low: -100, high: 127,
            kernelHeight: kernel.0, kernelWidth: kernel.1, stride: stride, padding: padding,
            input: input, output: output)
        var source = [Int16](repeating: 0, count: input.storage)
        for y in 0..<height {
            for i in 0..<width * channels {
                source[input.offset(y, 0) + i] = pixels[y * width * channels + i]
            }
        }
        var target = [Int16](repeating: 77, count: output.storage)
        output.clearBorder(&target)
        var scratch = [Int16](repeating: 99, count: layer.scratch)
        layer.run(source, &target, scratch: &scratch)
        let expected = QS8Reference.activations(
            QS8Reference.depthwiseSums(
                pixels, height: height, width: width, weights: weights, bias: bias,
                kernelHeight: kernel.0, kernelWidth: kernel.1, stride: stride, padding: padding),
            multipliers: multipliers, low: -100, high: 127)
        var inside = [Int16]()
        for y in 0..<output.height {
            let start = output.offset(y, 0)
            inside += target[start..<start + output.width * channels]
        }
        #expect(inside == expected)
        #expect(target[0] == 0 && target[output.offset(0, 0) - 1] == 0)
        #expect(target[output.offset(0, output.width)] == 0)
    }
}
