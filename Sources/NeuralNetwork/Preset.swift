/// The networks that come with the toolkit; the first three and resnet8 are those of the PyTorch baseline script.
public enum Preset: CaseIterable, Sendable {
    /// Two fully connected layers, 128 hidden units.
    case mlp
    /// LeCun et al., "Gradient-based learning applied to document recognition", 1998, with ReLU and max pooling.
    case lenet5
    /// Two 3x3 convolutions of 32 and 64 filters and two fully connected layers.
    case convnet
    /// One residual block in each of three stages of 16, 32 and 64 filters.
    case resnet8
    /// Three residual blocks in each of the stages (He et al., "Deep residual learning", 2016, section 4.2).
    case resnet20
    /// Six 3x3 convolutions in stages of 24, 24; 48, 48; 64 and 72 filters: at most 100 kB of int8 weights (VGG's pattern,
    /// Simonyan and Zisserman, 2015, with batch normalisation and a global average).
    case compact
    /// Five 3x3 convolutions in stages of 16, 16; 32, 32 and 24 filters: at most 25 kB of int8 weights.
    case tiny
    /// Depthwise-separable blocks of 64 filters (Zhang et al., "Hello edge: keyword spotting", 2017).
    case dscnn
    /// Inverted residuals (Sandler et al., "MobileNetV2", 2018) with the strides of small images.
    case mobilenet

    public var name: StaticString {
        switch self {
        case .mlp: "mlp"
        case .lenet5: "lenet5"
        case .convnet: "convnet"
        case .resnet8: "resnet8"
        case .resnet20: "resnet20"
        case .compact: "compact"
        case .tiny: "tiny"
        case .dscnn: "dscnn"
        case .mobilenet: "mobilenet"
        }
    }

    /// Whether a width multiplier changes the network.
    public var hasWidth: Bool {
        switch self {
        case .mlp, .lenet5, .convnet: false
        case .resnet8, .resnet20, .compact, .tiny, .dscnn, .mobilenet: true
        }
    }

    /// - Parameter multiplier: multiplies the filters of all hidden layers, rounded to multiples of 8 (at least 8).
    public func architecture(
        height: Int, width: Int, channels: Int, classes: Int, multiplier: Float = 1
    ) -> Architecture {
        Architecture(
            name: name.withUTF8Buffer { Array($0) }, inputHeight: height, inputWidth: width,
            inputChannels: channels, classes: classes, layers: layers(classes: classes, multiplier))
    }

    private func layers(classes: Int, _ multiplier: Float) -> [Layer] {
        switch self {
        case .mlp:
            [.flatten, .dense(units: 128), .relu, .dense(units: classes)]
        case .lenet5:
            [
                .conv2d(filters: 6, kernel: 5, stride: 1, padding: 2), .relu,
                .maxPool2d(window: 2, stride: 2),
                .conv2d(filters: 16, kernel: 5, stride: 1, padding: 0), .relu,
                .maxPool2d(window: 2, stride: 2),
                .flatten, .dense(units: 120), .relu, .dense(units: 84), .relu, .dense(units: classes),
            ]
        case .convnet:
            [
                .conv2d(filters: 32, kernel: 3, stride: 1, padding: 1), .relu,
                .maxPool2d(window: 2, stride: 2),
                .conv2d(filters: 64, kernel: 3, stride: 1, padding: 1), .relu,
                .maxPool2d(window: 2, stride: 2),
                .flatten, .dense(units: 128), .relu, .dense(units: classes),
            ]
        case .resnet8: Preset.residualNetwork(blocks: 1, classes: classes, multiplier)
        case .resnet20: Preset.residualNetwork(blocks: 3, classes: classes, multiplier)
        case .compact: Preset.stagedNetwork([[24, 24], [48, 48], [64, 72]], classes: classes, multiplier)
        case .tiny: Preset.stagedNetwork([[16, 16], [32, 32], [24]], classes: classes, multiplier)
        case .dscnn: Preset.separableNetwork(classes: classes, multiplier)
        case .mobilenet: Preset.invertedNetwork(classes: classes, multiplier)
        }
    }

    /// Three stages of residual blocks; the second and third begin with a stride of 2 and a projection.
    private static func residualNetwork(blocks: Int, classes: Int, _ multiplier: Float) -> [Layer] {
        let widths = [16, 32, 64].map { scaled($0, multiplier) }
        var layers = convolution(widths[0], kernel: 3, stride: 1) + [.relu]
        var incoming = widths[0]
        for (stage, filters) in widths.enumerated() {
            for block in 0..<blocks {
                let stride = stage > 0 && block == 0 ? 2 : 1
                let body = convolution(filters, kernel: 3, stride: stride) + [.relu]
                    + convolution(filters, kernel: 3, stride: 1)
                let same = stride == 1 && incoming == filters
                layers += [
                    .residual(body, projection: same ? [] : convolution(filters, kernel: 1, stride: stride)), .relu,
                ]
                incoming = filters
            }
        }
        return layers + [.globalAveragePool, .dense(units: classes)]
    }

    /// Stages of 3x3 convolutions of so many filters, halved in size between them.
    private static func stagedNetwork(_ stages: [[Int]], classes: Int, _ multiplier: Float) -> [Layer] {
        var layers: [Layer] = []
        for (index, stage) in stages.enumerated() {
            if index > 0 { layers.append(.maxPool2d(window: 2, stride: 2)) }
            for filters in stage { layers += convolution(scaled(filters, multiplier), kernel: 3, stride: 1) + [.relu] }
        }
        return layers + [.globalAveragePool, .dense(units: classes)]
    }

    private static func separableNetwork(classes: Int, _ multiplier: Float) -> [Layer] {
        let filters = scaled(64, multiplier)
        var layers = convolution(filters, kernel: 3, stride: 2) + [.relu]
        for block in 0..<4 {
            layers += depthwise(stride: block == 1 ? 2 : 1) + [.relu]
            layers += convolution(filters, kernel: 1, stride: 1) + [.relu]
        }
        return layers + [.globalAveragePool, .dense(units: classes)]
    }

    private static func invertedNetwork(classes: Int, _ multiplier: Float) -> [Layer] {
        var incoming = scaled(16, multiplier)
        var layers = convolution(incoming, kernel: 3, stride: 1) + [.relu6]
        // Filters, blocks, stride of the first block; all expand by 4.
        for (width, blocks, firstStride) in [(16, 1, 1), (24, 2, 2), (32, 3, 2), (64, 2, 1)] {
            let filters = scaled(width, multiplier)
            for block in 0..<blocks {
                let stride = block == 0 ? firstStride : 1
                let body = convolution(4 * incoming, kernel: 1, stride: 1) + [.relu6] + depthwise(stride: stride)
                    + [.relu6] + convolution(filters, kernel: 1, stride: 1)
                if stride == 1 && incoming == filters { layers += [.residual(body)] } else { layers += body }
                incoming = filters
            }
        }
        layers += convolution(scaled(128, multiplier), kernel: 1, stride: 1) + [.relu6]
        return layers + [.globalAveragePool, .dense(units: classes)]
    }

    /// A convolution that keeps the size (but for its stride), without a bias, and batch normalisation.
    private static func convolution(_ filters: Int, kernel: Int, stride: Int) -> [Layer] {
        [
            .conv2d(filters: filters, kernel: kernel, stride: stride, padding: kernel / 2, bias: false),
            .batchNorm(),
        ]
    }

    private static func depthwise(stride: Int) -> [Layer] {
        [.depthwiseConv2d(kernel: 3, stride: stride, padding: 1, bias: false), .batchNorm()]
    }

    private static func scaled(_ filters: Int, _ multiplier: Float) -> Int {
        max(8, Int(Float(filters) * multiplier / 8 + 0.5) * 8)
    }
}
