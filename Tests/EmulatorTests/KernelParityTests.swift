import Emulator
import Foundation
import Inference
import Testing

/// The int8 kernels compiled to wasm32 and run on a metered subnet, against the same sources compiled for this machine.
@Suite struct KernelParityTests {
    /// `make canister` builds it; `make test` does so before the tests.
    static let module = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        .appendingPathComponent("../../build/costs.wasm").standardizedFileURL

    static var isBuilt: Bool { FileManager.default.fileExists(atPath: module.path) }

    @Test(
        "every form of every kernel has the same bits, and no layer costs more than it may",
        .enabled(if: isBuilt, "build/costs.wasm is missing: run `make canister`"), arguments: KernelCase.all)
    func nativeEqualsWasm(_ kernels: KernelCase) async throws {
        let model = try kernels.model()
        let picture = (0..<model.input.byteCount).map { UInt8(truncatingIfNeeded: 37 * $0 + $0 / 8) }
        let native = IntegerExecutor(model).logits(pixels: picture)
        #expect(native == IntegerExecutorReference.logits(model, pixels: picture))
        #expect(Set(native).count > 1, "a model that is worth testing")

        let harness = try SubnetHarness()
        let canister = try await harness.create([UInt8](Data(contentsOf: Self.module)))
        let reply = try await harness.query(canister, "costs", ModelFile.write(model))
        let layers = model.layers.count
        try #require(reply.count == 24 + 16 * layers + 4 * native.count)
        #expect(u64(reply) == UInt64(layers))
        let logits = (0..<native.count).map { Int32(bitPattern: u32(Array(reply[(24 + 16 * layers + 4 * $0)...]))) }
        #expect(logits == native)

        for (layer, limit) in kernels.limits {
            let instructions = u64(Array(reply[(24 + 16 * layer)...]))
            let products = u64(Array(reply[(32 + 16 * layer)...]))
            let each = Double(instructions) / Double(products)
            #expect(each <= limit, "\(kernels.name), layer \(layer): \(each) instructions per multiply-accumulate")
            #expect(each > 0.1, "\(kernels.name), layer \(layer): it ran")
        }
    }
}

/// A network with random weights, and what its layers may cost at most in instructions per multiply-accumulate.
struct KernelCase: Sendable, CustomTestStringConvertible {
    let name: String
    let build: @Sendable (inout KernelModel) -> Void
    var height = 28, width = 28, channels = 1
    var limits: [Int: Double] = [:]

    var testDescription: String { name }

    func model() throws -> QuantizedModel {
        var model = KernelModel(height: height, width: width, channels: channels)
        build(&model)
        let zeroPoints = Array([73, 90, 60].prefix(channels)) as [Int32]
        return try QuantizedModel(
            name: Array(name.utf8),
            input: InputGeometry(
                height: height, width: width, channels: channels, zeroPoints: zeroPoints, scale: 0.01),
            layers: model.layers, labels: Array(repeating: [65], count: model.channels), logitScale: 0.01,
            provenance: [])
    }

    static let all: [KernelCase] = [
        KernelCase(
            name: "lenet5",
            build: {
                $0.convolution(6, 5, padding: 2)
                $0.maxPool()
                $0.convolution(16, 5)
                $0.maxPool()
                $0.flatten()
                for outputs in [120, 84] { $0.dense(outputs) }
                $0.dense(10, logits: true)
            }, limits: [0: 0.830, 2: 0.616, 5: 0.713, 6: 0.833]),
        KernelCase(
            name: "convnet",
            build: {
                for outputs in [32, 64] {
                    $0.convolution(outputs, 3, padding: 1)
                    $0.maxPool()
                }
                $0.flatten()
                $0.dense(128)
                $0.dense(10, logits: true)
            }, limits: [0: 0.810, 2: 0.248, 5: 0.683]),
        KernelCase(
            name: "resnet8",
            build: {
                $0.convolution(16, 3, padding: 1)
                $0.convolution(16, 3, padding: 1)
                $0.convolution(16, 3, padding: 1, relu: false)
                $0.add(0)
                for (outputs, source) in [(32, 3), (64, 8)] {
                    $0.convolution(outputs, 3, stride: 2, padding: 1)
                    $0.convolution(outputs, 3, padding: 1, relu: false)
                    $0.output(of: source)
                    $0.convolution(outputs, 1, stride: 2, relu: false)
                    $0.add(source + 2)
                }
                $0.averagePool()
                $0.flatten()
                $0.dense(10, logits: true)
            }, limits: [0: 1.160, 1: 0.289, 2: 0.288, 4: 0.606, 5: 0.273, 7: 0.810, 9: 0.607, 10: 0.265, 12: 0.695]),
        KernelCase(
            name: "mobilenet",
            build: {
                $0.convolution(32, 3, padding: 1)
                $0.depthwise(3, padding: 1)
                $0.convolution(64, 1)
                $0.depthwise(3, stride: 2, padding: 1)
                $0.convolution(64, 1, relu: false)
                $0.depthwise(3, padding: 1, relu: false)
                $0.depthwise(5, padding: 2)
                $0.averagePool()
                $0.flatten()
                $0.dense(10, logits: true)
            }, height: 14, width: 14, channels: 3, limits: [0: 0.815, 1: 1.324, 2: 0.683, 3: 1.834, 4: 0.667]),
        KernelCase(
            name: "coloured and pooled",
            build: {
                $0.convolution(20, 3, padding: 1)
                $0.maxPool()
                $0.convolution(40, 3, padding: 1)
                $0.convolution(24, 3, padding: 1)
                $0.convolution(6, 3, stride: 2, padding: 1)
                $0.convolution(21, 5, padding: 2)
                $0.flatten()
                $0.dense(57)
                $0.dense(7, logits: true)
            }, height: 21, width: 19, channels: 3),
        KernelCase(
            name: "odd channels",
            build: {
                $0.convolution(5, 3, padding: 1)
                $0.depthwise(3, padding: 1)
                $0.convolution(7, 3, stride: 2)
                $0.convolution(33, 4, padding: 3)
                $0.maxPool()
                $0.convolution(9, 1)
                $0.depthwise(3, stride: 2, padding: 1)
                $0.flatten()
                $0.dense(3, logits: true)
            }, height: 17, width: 18),
        KernelCase(
            name: "five by five, first and alone",
            build: {
                $0.convolution(18, 5, padding: 2)
                $0.convolution(6, 1)
                $0.convolution(16, 5)
                $0.convolution(12, 5, padding: 1)
                $0.maxPool()
                $0.flatten()
                $0.dense(4, logits: true)
            }, height: 16, width: 15),
        KernelCase(
            name: "five by five, first and pooled, and bands of every width",
            build: {
                $0.convolution(9, 5, padding: 1)
                $0.maxPool()
                $0.depthwise(3, padding: 1, relu: false)
                $0.depthwise(3, stride: 2, padding: 1)
                $0.depthwise(3, stride: 2, padding: 1)
                $0.depthwise(3, padding: 1)
                $0.convolution(20, 1)
                $0.flatten()
                $0.dense(17)
                $0.dense(4, logits: true)
            }, height: 19, width: 25),
    ]
}

/// Layers, and the shape after the last one.
struct KernelModel {
    private(set) var layers: [QuantizedLayer] = []
    private(set) var channels: Int
    private var height: Int
    private var width: Int
    private var shapes: [(Int, Int, Int)] = []
    private var state: UInt64 = 0x5eed

    init(height: Int, width: Int, channels: Int) {
        self.height = height
        self.width = width
        self.channels = channels
    }

    mutating func convolution(_ outputs: Int, _ kernel: Int, stride: Int = 1, padding: Int = 0, relu: Bool = true) {
        let window = kernel * kernel * channels
        append(
            .conv2d(
                QuantizedConv2d(
                    outputChannels: outputs, kernelHeight: kernel, kernelWidth: kernel, stride: stride,
                    padding: padding, weights: weights(window * outputs), bias: biases(outputs),
                    multipliers: multipliers(outputs, window), output: activations(relu))),
            (height + 2 * padding - kernel) / stride + 1, (width + 2 * padding - kernel) / stride + 1, outputs)
    }

    mutating func depthwise(_ kernel: Int, stride: Int = 1, padding: Int, relu: Bool = true) {
        append(
            .depthwiseConv2d(
                QuantizedDepthwiseConv2d(
                    kernelHeight: kernel, kernelWidth: kernel, stride: stride, padding: padding,
                    weights: weights(kernel * kernel * channels), bias: biases(channels),
                    multipliers: multipliers(channels, kernel * kernel), output: activations(relu))),
            (height + 2 * padding - kernel) / stride + 1, (width + 2 * padding - kernel) / stride + 1, channels)
    }

    mutating func maxPool() {
        append(.maxPool2d(window: 2, stride: 2), (height - 2) / 2 + 1, (width - 2) / 2 + 1, channels)
    }

    mutating func averagePool() {
        let pool = QuantizedAveragePool2d(
            windowHeight: height, windowWidth: width, stride: 1, multiplier: 1 / Float(height * width),
            output: .activations(low: -127, high: 127))
        append(.averagePool2d(pool), 1, 1, channels)
    }

    mutating func add(_ source: Int) {
        append(
            .add(QuantizedAdd(source: source, multiplier: 0.7, sourceMultiplier: 0.6, output: activations(true))),
            height, width, channels)
    }

    mutating func output(of source: Int) {
        let (height, width, channels) = shapes[source]
        append(.output(of: source), height, width, channels)
    }

    mutating func flatten() { append(.flatten, 1, 1, height * width * channels) }

    mutating func dense(_ outputs: Int, logits: Bool = false) {
        append(
            .dense(
                QuantizedDense(
                    outputs: outputs, weights: weights(channels * outputs), bias: biases(outputs),
                    multipliers: multipliers(outputs, channels), output: logits ? .logits : activations(true))),
            1, 1, outputs)
    }

    private mutating func append(_ layer: QuantizedLayer, _ height: Int, _ width: Int, _ channels: Int) {
        layers.append(layer)
        (self.height, self.width, self.channels) = (height, width, channels)
        shapes.append((height, width, channels))
    }

    private func activations(_ relu: Bool) -> QuantizedOutput { .activations(low: relu ? 0 : -127, high: 127) }

    private mutating func weights(_ count: Int) -> [Int8] { (0..<count).map { _ in Int8(number(-127...127)) } }
    private mutating func biases(_ count: Int) -> [Int32] { (0..<count).map { _ in Int32(number(-999...999)) } }

    /// Factors that spread the sums of so many products over the range of an activation.
    private mutating func multipliers(_ count: Int, _ products: Int) -> [Float] {
        (0..<count).map { _ in Float(number(50...150)) / (6000 * Float(products).squareRoot()) }
    }

    private mutating func number(_ range: ClosedRange<Int>) -> Int {
        state &+= 0x9e37_79b9_7f4a_7c15
        var z = state
        z = (z ^ z >> 30) &* 0xbf58_476d_1ce4_e5b9
        z = (z ^ z >> 27) &* 0x94d0_49bb_1331_11eb
        return range.lowerBound + Int((z ^ z >> 31) % UInt64(range.count))
    }
}
