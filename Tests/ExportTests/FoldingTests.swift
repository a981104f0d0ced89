import Export
import Inference
import Kernels
import NeuralNetwork
import Testing
import Training

/// Folded networks against the networks that they were made of, and their integer form against both.
@Suite struct FoldingTests {
    /// Random weights with statistics that are not those of the data, and images to look at.
    static func model(_ architecture: Architecture, seed: UInt64) throws -> FloatModel {
        let network = try Network(architecture)
        var random = SplitMix64(seed: seed)
        var parameters = network.initialParameters(seed: seed)
        for (index, spec) in network.parameters.enumerated() {
            for place in parameters[index].indices {
                switch spec.role {
                case .weight: break
                case .scale: parameters[index][place] = 0.6 + 0.8 * random.uniform()
                case .bias, .shift: parameters[index][place] = 0.4 * random.normal()
                }
            }
        }
        for spec in network.state {
            parameters.append(
                (0..<spec.count).map { _ in
                    spec.role == .variance ? 0.2 + random.uniform() : 0.2 * random.normal()
                })
        }
        return FloatModel(
            architecture: architecture, preprocessing: Preprocessing(zeroPoints: [100], scale: 0.012),
            labels: (0..<architecture.classes).map { "class \($0)" }, parameters: parameters)
    }

    static func images(_ architecture: Architecture, count: Int, seed: UInt64) -> LabelledImages {
        var random = SplitMix64(seed: seed)
        let geometry = ImageGeometry(
            height: architecture.inputHeight, width: architecture.inputWidth, channels: architecture.inputChannels)
        // Smooth pictures, so that images differ by more than noise.
        var pixels: [UInt8] = []
        for _ in 0..<count {
            let (base, slope) = (Float(random.index(below: 160)), random.normal() * 6)
            for place in 0..<geometry.byteCount {
                let value = base + slope * Float(place % geometry.width) + 30 * random.uniform()
                pixels.append(UInt8(max(0, min(255, value))))
            }
        }
        return LabelledImages(
            geometry: geometry, pixels: pixels, targets: [UInt8](repeating: 0, count: count))
    }

    static func floatLogits(_ model: FloatModel, _ images: LabelledImages) throws -> [Float] {
        try FloatClassifier(
            architecture: model.architecture, preprocessing: model.preprocessing, parameters: model.parameters,
            workers: .serial
        ).logits(images)
    }

    /// Σ x² / Σ (x − y)².
    static func signalToNoise(_ x: [Float], _ y: [Float]) -> Float {
        let noise = zip(x, y).reduce(Float(0)) { $0 + ($1.0 - $1.1) * ($1.0 - $1.1) }
        return x.reduce(0) { $0 + $1 * $1 } / max(noise, 1e-20)
    }

    /// Folds, quantises and compares with the float network.
    static func check(_ architecture: Architecture, seed: UInt64, ratio: Float = 100) throws {
        let model = try model(architecture, seed: seed)
        let images = images(architecture, count: 24, seed: seed)
        let float = try floatLogits(model, images)
        let network = try FusedNetwork(model)
        #expect(signalToNoise(float, try network.logits(images, workers: .serial)) > 1e8)
        let observations = try Calibrator.observe(network, images: images, workers: .serial)
        let quantized = try Quantizer(ranges: observations.ranges(.minMax, levels: 127)).quantize(network).model
        let integer = IntegerClassifier(quantized, workers: .serial).logits(images)
        let found = signalToNoise(float, integer.map { Float($0) * quantized.logitScale })
        #expect(found > ratio, "signal-to-noise ratio \(found)")
        let pixels = Array(images.pixels[..<images.geometry.byteCount])
        #expect(
            Array(integer[..<architecture.classes]) == IntegerExecutorReference.logits(quantized, pixels: pixels))
        #expect(try ModelFile.read(ModelFile.write(quantized)) == quantized)
    }

    @Test(arguments: Preset.allCases)
    func everyPresetBecomesIntegers(preset: Preset) throws {
        try FoldingTests.check(
            preset.architecture(height: 28, width: 28, channels: 1, classes: 10, multiplier: preset.hasWidth ? 0.5 : 1),
            seed: 3, ratio: preset == .mobilenet || preset == .resnet20 ? 10 : 100)
    }

    static let conv = Layer.conv2d(filters: 6, kernel: 3, stride: 1, padding: 1)
    static let end: [Layer] = [.globalAveragePool, .dense(units: 3)]

    static let networks: [(name: String, layers: [Layer])] = [
        ("batchNorm of the picture", [.batchNorm(), conv, .relu] + end),
        ("batchNorm behind relu", [conv, .relu, .batchNorm()] + end),
        ("batchNorm behind pooling", [conv, .maxPool2d(window: 2, stride: 2), .batchNorm(), .relu] + end),
        ("batchNorm of a vector", [.flatten, .dense(units: 9), .relu, .batchNorm(), .dense(units: 3)]),
        ("batchNorm behind dense", [.flatten, .dense(units: 9), .batchNorm(), .relu6, .dense(units: 3)]),
        ("groups", [conv, .relu, .conv2d(filters: 4, kernel: 3, stride: 2, padding: 1, groups: 2), .relu] + end),
        ("as many groups as channels", [conv, .relu, .conv2d(filters: 6, kernel: 3, stride: 1, padding: 0, groups: 6)] + end),
        ("holes", [.conv2d(filters: 5, kernel: 3, stride: 1, padding: 2, dilation: 2, bias: false), .relu] + end),
        ("holes in each channel", [conv, .relu, .conv2d(filters: 6, kernel: 2, stride: 1, padding: 1, dilation: 2, groups: 6)] + end),
        ("average pooling", [conv, .averagePool2d(window: 2, stride: 2), .relu, conv] + end),
        ("dropout", [conv, .dropout(rate: 0.5), .relu, .flatten, .dropout(rate: 0.2), .dense(units: 3)]),
        ("residual at the picture", [.residual([.conv2d(filters: 1, kernel: 3, stride: 1, padding: 1)]), conv, .relu] + end),
        ("relu that others see past", [conv, .residual([.relu, conv]), .relu] + end),
        ("a shared layer with batchNorm", [conv, .residual([.batchNorm(), .relu, conv], projection: [conv])] + end),
        ("residual in residual", [conv, .relu, .residual([conv, .residual([.relu, conv]), .relu])] + end),
        ("concatenation", [conv, .relu, .concatenate([[conv, .relu], [.conv2d(filters: 2, kernel: 1, stride: 1, padding: 0)], []])] + end),
        ("concatenation of pools", [conv, .concatenate([[.maxPool2d(window: 2, stride: 2)], [.averagePool2d(window: 2, stride: 2)]]), .relu] + end),
        ("concatenation of vectors", [.flatten, .concatenate([[.dense(units: 4), .relu], [.dense(units: 5)]]), .dense(units: 3)]),
        ("no dense layer", [conv, .relu, .conv2d(filters: 3, kernel: 3, stride: 1, padding: 1), .globalAveragePool]),
        ("relu6", [conv, .relu6, .depthwiseConv2d(kernel: 3, stride: 2, padding: 1), .relu6] + end),
    ]

    @Test(arguments: networks.indices)
    func foldsExactly(index: Int) throws {
        let architecture = QuantizerTests.network(FoldingTests.networks[index].layers, classes: 3, side: 6)
        try FoldingTests.check(architecture, seed: UInt64(index) + 1)
    }

    @Test func residualBlocksBecomeBranches() throws {
        let architecture = Preset.resnet8.architecture(height: 28, width: 28, channels: 1, classes: 10)
        let model = try FoldingTests.model(architecture, seed: 1)
        let network = try FusedNetwork(model)
        let observations = try Calibrator.observe(
            network, images: FoldingTests.images(architecture, count: 4, seed: 1), workers: .serial)
        let layers = try Quantizer(ranges: observations.ranges(.minMax, levels: 127)).quantize(network).model.layers
        let adds = layers.compactMap { if case .add(let add) = $0 { add.source } else { nil } }
        // Without a projection the block adds its input; with one, the body that came before it.
        #expect(adds == [0, 5, 10])
        #expect(layers[6] == .output(of: 3))
        #expect(layers.count == 17)
    }

    @Test(arguments: [Layer.hardSwish, .silu, .gelu, .sigmoid, .tanh, .layerNorm()])
    func namesWhatHasNoIntegerForm(layer: Layer) throws {
        let architecture = QuantizerTests.network([FoldingTests.conv, layer] + FoldingTests.end, classes: 3, side: 6)
        let error = #expect(throws: ExportError.self) {
            try FusedNetwork(try FoldingTests.model(architecture, seed: 1))
        }
        #expect(error?.description.contains("layer 1 is a \(layer.name)") == true)
        #expect(error?.description.contains("use relu") == true)
    }
}
