import Inference

/// Small deterministic numbers for models and pictures.
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

    mutating func bytes(_ count: Int) -> [UInt8] { (0..<count).map { _ in UInt8(integer(0...255)) } }
}

/// Valid models with random weights whose activations spread over their range.
enum RandomModel {
    static func layers(_ numbers: inout Numbers, _ input: InputGeometry, classes: Int) -> [QuantizedLayer] {
        var layers: [QuantizedLayer] = []
        var (height, width, channels) = (input.height, input.width, input.channels)
        for _ in 0..<numbers.integer(0...3) {
            if numbers.integer(0...3) > 0 {
                let kernel = min([1, 2, 3, 5][numbers.integer(0...3)], height, width)
                let padding = numbers.integer(0...kernel - 1)
                let stride = numbers.integer(1...2)
                let outputs = numbers.integer(1...21)
                layers.append(
                    convolution(
                        &numbers, inputs: channels, outputs: outputs, kernel: kernel, stride: stride,
                        padding: padding))
                height = (height + 2 * padding - kernel) / stride + 1
                width = (width + 2 * padding - kernel) / stride + 1
                channels = outputs
            }
            let window = min(numbers.integer(1...3), height, width)
            let stride = numbers.integer(1...2)
            layers.append(.maxPool2d(window: window, stride: stride))
            height = (height - window) / stride + 1
            width = (width - window) / stride + 1
        }
        layers.append(.flatten)
        var inputs = height * width * channels
        for _ in 0..<numbers.integer(0...2) {
            let outputs = numbers.integer(1...50)
            layers.append(dense(&numbers, inputs: inputs, outputs: outputs, logits: false))
            inputs = outputs
        }
        layers.append(dense(&numbers, inputs: inputs, outputs: classes, logits: true))
        return layers
    }

    static func make(seed: UInt64) throws -> QuantizedModel {
        var numbers = Numbers(seed)
        let channels = numbers.integer(0...1) * 2 + 1
        let input = InputGeometry(
            height: numbers.integer(1...20), width: numbers.integer(1...20), channels: channels,
            zeroPoints: (0..<channels).map { _ in Int32(numbers.integer(0...255)) }, scale: 0.0125)
        let classes = numbers.integer(1...12)
        return try QuantizedModel(
            name: Array("random \(seed)".utf8), input: input,
            layers: layers(&numbers, input, classes: classes),
            labels: (0..<classes).map { Array("Grün \($0)".utf8) }, logitScale: 0.015,
            provenance: Array(#"{"seed":\#(seed)}"#.utf8))
    }

    /// A model with residual blocks, depthwise convolutions and average pooling.
    static func branched(seed: UInt64) throws -> QuantizedModel {
        var numbers = Numbers(seed ^ 0xb0a7)
        let channels = numbers.integer(0...1) * 2 + 1
        var (height, width) = (numbers.integer(3...18), numbers.integer(3...18))
        let input = InputGeometry(
            height: height, width: width, channels: channels,
            zeroPoints: (0..<channels).map { _ in Int32(numbers.integer(0...255)) }, scale: 0.0125)
        var inputs = numbers.integer(1...3) * [1, 8, 5][numbers.integer(0...2)]
        var layers = [
            convolution(&numbers, inputs: channels, outputs: inputs, kernel: 3, stride: 1, padding: 1)
        ]
        for _ in 0..<numbers.integer(1...3) {
            let start = layers.count - 1
            let stride = numbers.integer(1...2)
            let outputs = stride == 1 && numbers.integer(0...1) == 0 ? inputs : numbers.integer(1...20)
            if numbers.integer(0...1) == 0 {
                layers.append(depthwise(&numbers, channels: inputs, kernel: 3, stride: stride, padding: 1))
                layers.append(
                    convolution(&numbers, inputs: inputs, outputs: outputs, kernel: 1, stride: 1, padding: 0))
            } else {
                layers.append(
                    convolution(
                        &numbers, inputs: inputs, outputs: outputs, kernel: 3, stride: stride, padding: 1))
            }
            let branch = layers.count - 1
            if stride != 1 || outputs != inputs {
                layers.append(.output(of: start))
                layers.append(
                    convolution(
                        &numbers, inputs: inputs, outputs: outputs, kernel: 1, stride: stride, padding: 0))
            }
            // With nothing in between, the block adds its input, and otherwise its other branch.
            let source = layers.count - 1 == branch ? start : branch
            let relu = numbers.integer(0...1) == 1
            layers.append(
                .add(
                    QuantizedAdd(
                        source: source, multiplier: Float(numbers.integer(1...150)) / 100,
                        sourceMultiplier: Float(numbers.integer(1...150)) / 100,
                        output: .activations(low: relu ? 0 : -127, high: 127))))
            inputs = outputs
            height = (height - 1) / stride + 1
            width = (width - 1) / stride + 1
        }
        if numbers.integer(0...1) == 0 {
            let pool = (min(numbers.integer(1...9), height), min(numbers.integer(1...9), width))
            let stride = numbers.integer(1...3)
            layers.append(
                .averagePool2d(
                    QuantizedAveragePool2d(
                        windowHeight: pool.0, windowWidth: pool.1, stride: stride,
                        multiplier: 1.5 / Float(pool.0 * pool.1), output: .activations(low: -127, high: 127))))
            height = (height - pool.0) / stride + 1
            width = (width - pool.1) / stride + 1
        }
        if numbers.integer(0...3) == 0 {
            // A plane with a border that a flatten reads as well.
            layers.append(depthwise(&numbers, channels: inputs, kernel: 1, stride: 1, padding: 0))
            let last = layers.count - 1
            layers.append(depthwise(&numbers, channels: inputs, kernel: 3, stride: 1, padding: 2))
            layers.append(.output(of: last))
        }
        layers.append(.flatten)
        let classes = numbers.integer(1...12)
        layers.append(dense(&numbers, inputs: height * width * inputs, outputs: classes, logits: true))
        return try QuantizedModel(
            name: Array("branched \(seed)".utf8), input: input, layers: layers,
            labels: (0..<classes).map { Array("\($0)".utf8) }, logitScale: 0.015, provenance: [])
    }

    static func depthwise(
        _ numbers: inout Numbers, channels: Int, kernel: Int, stride: Int, padding: Int
    ) -> QuantizedLayer {
        .depthwiseConv2d(
            QuantizedDepthwiseConv2d(
                kernelHeight: kernel, kernelWidth: kernel, stride: stride, padding: min(padding, kernel - 1),
                weights: weights(&numbers, kernel * kernel * channels), bias: biases(&numbers, channels),
                multipliers: multipliers(&numbers, channels, kernel * kernel),
                output: .activations(low: -127, high: 127)))
    }

    static func convolution(
        _ numbers: inout Numbers, inputs: Int, outputs: Int, kernel: Int, stride: Int, padding: Int
    ) -> QuantizedLayer {
        let n = kernel * kernel * inputs
        let relu = numbers.integer(0...1) == 1
        return .conv2d(
            QuantizedConv2d(
                outputChannels: outputs, kernelHeight: kernel, kernelWidth: kernel, stride: stride,
                padding: padding, weights: weights(&numbers, n * outputs), bias: biases(&numbers, outputs),
                multipliers: multipliers(&numbers, outputs, n),
                output: .activations(
                    low: relu ? 0 : -127, high: relu && numbers.integer(0...1) == 1 ? 255 : 127)))
    }

    static func dense(_ numbers: inout Numbers, inputs: Int, outputs: Int, logits: Bool) -> QuantizedLayer {
        .dense(
            QuantizedDense(
                outputs: outputs, weights: weights(&numbers, inputs * outputs),
                bias: biases(&numbers, outputs), multipliers: multipliers(&numbers, outputs, inputs),
                output: logits ? .logits : .activations(low: -127, high: 127)))
    }

    private static func weights(_ numbers: inout Numbers, _ count: Int) -> [Int8] {
        (0..<count).map { _ in Int8(numbers.integer(-127...127)) }
    }

    private static func biases(_ numbers: inout Numbers, _ count: Int) -> [Int32] {
        (0..<count).map { _ in Int32(numbers.integer(-5000...5000)) }
    }

    /// About as large as keeps a sum of `n` products within an activation's range.
    private static func multipliers(_ numbers: inout Numbers, _ count: Int, _ n: Int) -> [Float] {
        (0..<count).map { _ in Float(numbers.integer(50...150)) / (6000 * Float(n).squareRoot()) }
    }
}
