/// One layer of a classifier, with its sizes; what comes in is known from the layer before.
///
/// Images are [n, h, w, c]. A list of layers runs one after the other; `residual` and `concatenate` hold lists.
public enum Layer: Equatable, Sendable {
    /// Square kernel; `groups` divides the channels that come in and the filters.
    case conv2d(
        filters: Int, kernel: Int, stride: Int, padding: Int, dilation: Int = 1, groups: Int = 1, bias: Bool = true)
    /// One square kernel for each channel, as many channels out as in.
    case depthwiseConv2d(kernel: Int, stride: Int, padding: Int, bias: Bool = true)
    /// Over all axes but the last; `momentum` is the share of a batch in the running statistics.
    case batchNorm(epsilon: Float = 1e-5, momentum: Float = 0.1)
    /// Along the last axis.
    case layerNorm(epsilon: Float = 1e-5)
    case relu, relu6, hardSwish, silu, gelu, sigmoid, tanh
    case maxPool2d(window: Int, stride: Int)
    case averagePool2d(window: Int, stride: Int)
    /// [n, h, w, c] to [n, c].
    case globalAveragePool
    /// [n, h, w, c] to [n, h·w·c].
    case flatten
    /// Fully connected, with a bias.
    case dense(units: Int)
    /// In training each number is 0 with probability `rate`, the others are multiplied by 1/(1 − rate).
    case dropout(rate: Float)
    /// What the layers give plus what the projection gives of the same input; without a projection, plus the input.
    case residual([Layer], projection: [Layer] = [])
    /// What several lists of layers give of the same input, one after the other along the last axis.
    case concatenate([[Layer]])

    /// The name in summaries and error messages.
    public var name: StaticString {
        switch self {
        case .conv2d: "conv2d"
        case .depthwiseConv2d: "depthwiseConv2d"
        case .batchNorm: "batchNorm"
        case .layerNorm: "layerNorm"
        case .relu: "relu"
        case .relu6: "relu6"
        case .hardSwish: "hardSwish"
        case .silu: "silu"
        case .gelu: "gelu"
        case .sigmoid: "sigmoid"
        case .tanh: "tanh"
        case .maxPool2d: "maxPool2d"
        case .averagePool2d: "averagePool2d"
        case .globalAveragePool: "globalAveragePool"
        case .flatten: "flatten"
        case .dense: "dense"
        case .dropout: "dropout"
        case .residual: "residual"
        case .concatenate: "concatenate"
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
