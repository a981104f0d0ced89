/// One layer of a classifier, with its sizes; what comes in is known from the layer before.
public enum Layer: Equatable, Sendable {
    /// Square kernel with a bias.
    case conv2d(filters: Int, kernel: Int, stride: Int, padding: Int)
    case relu
    case maxPool2d(window: Int, stride: Int)
    /// [n, h, w, c] to [n, h·w·c].
    case flatten
    /// Fully connected, with a bias.
    case dense(units: Int)

    /// The name in summaries and error messages.
    public var name: StaticString {
        switch self {
        case .conv2d: "conv2d"
        case .relu: "relu"
        case .maxPool2d: "maxPool2d"
        case .flatten: "flatten"
        case .dense: "dense"
        }
    }
}

/// An image classifier as data: input geometry, classes and a list of layers.
public struct Architecture: Equatable, Sendable {
    /// UTF-8.
    public var name: [UInt8]
    public var inputHeight: Int
    public var inputWidth: Int
    public var inputChannels: Int
    public var classes: Int
    public var layers: [Layer]

    public init(
        name: [UInt8], inputHeight: Int, inputWidth: Int, inputChannels: Int, classes: Int, layers: [Layer]
    ) {
        self.name = name
        self.inputHeight = inputHeight
        self.inputWidth = inputWidth
        self.inputChannels = inputChannels
        self.classes = classes
        self.layers = layers
    }

    /// Bytes of one image: one per pixel and channel.
    public var inputCount: Int { inputHeight * inputWidth * inputChannels }
}

/// The networks that come with the toolkit; the same as those of the PyTorch baseline script.
public enum Preset: CaseIterable, Sendable {
    /// Two fully connected layers, 128 hidden units.
    case mlp
    /// LeCun et al., "Gradient-based learning applied to document recognition", 1998, with ReLU and max pooling.
    case lenet5
    /// Two 3x3 convolutions of 32 and 64 filters and two fully connected layers.
    case convnet

    public var name: StaticString {
        switch self {
        case .mlp: "mlp"
        case .lenet5: "lenet5"
        case .convnet: "convnet"
        }
    }

    public func architecture(height: Int, width: Int, channels: Int, classes: Int) -> Architecture {
        Architecture(
            name: name.withUTF8Buffer { Array($0) }, inputHeight: height, inputWidth: width,
            inputChannels: channels, classes: classes, layers: layers(classes: classes))
    }

    private func layers(classes: Int) -> [Layer] {
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
        }
    }
}
