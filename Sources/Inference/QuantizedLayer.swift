/// One layer of an integer network; activations are NHWC.
///
/// A layer reads what the one before it gives. `add` reads a second activation, and `output` goes back to an
/// earlier one, which is how a list describes branches.
public enum QuantizedLayer: Equatable, Sendable {
    case conv2d(QuantizedConv2d)
    case dense(QuantizedDense)
    /// No padding; a window that would leave the picture is dropped.
    case maxPool2d(window: Int, stride: Int)
    /// HWC order; a dense layer needs one before it unless its input is flat already.
    case flatten
    case depthwiseConv2d(QuantizedDepthwiseConv2d)
    case averagePool2d(QuantizedAveragePool2d)
    case add(QuantizedAdd)
    /// The output of an earlier layer (0-based) once more: the start of another branch.
    case output(of: Int)
}

/// An int8 convolution of each channel with its own filter, with bias, requantisation and ReLU.
public struct QuantizedDepthwiseConv2d: Equatable, Sendable {
    public let kernelHeight: Int
    public let kernelWidth: Int
    public let stride: Int
    /// Zeros added on each of the four sides; smaller than the kernel.
    public let padding: Int
    /// `[kernelHeight][kernelWidth][channels]`, symmetric, −127…127.
    public let weights: [Int8]
    /// One per channel, in units of the accumulator.
    public let bias: [Int32]
    /// One positive finite factor per channel: input scale * weight scale / output scale.
    public let multipliers: [Float]
    public let output: QuantizedOutput

    public init(
        kernelHeight: Int, kernelWidth: Int, stride: Int, padding: Int, weights: [Int8], bias: [Int32],
        multipliers: [Float], output: QuantizedOutput
    ) {
        self.kernelHeight = kernelHeight
        self.kernelWidth = kernelWidth
        self.stride = stride
        self.padding = padding
        self.weights = weights
        self.bias = bias
        self.multipliers = multipliers
        self.output = output
    }
}

/// The mean of each window: `clamp(roundHalfToEven(Float(Σ x) * multiplier))`, without padding.
///
/// The whole picture as the one window is global average pooling.
public struct QuantizedAveragePool2d: Equatable, Sendable {
    public let windowHeight: Int
    public let windowWidth: Int
    public let stride: Int
    /// Input scale / (output scale * numbers in a window).
    public let multiplier: Float
    public let output: QuantizedOutput

    public init(
        windowHeight: Int, windowWidth: Int, stride: Int, multiplier: Float, output: QuantizedOutput
    ) {
        self.windowHeight = windowHeight
        self.windowWidth = windowWidth
        self.stride = stride
        self.multiplier = multiplier
        self.output = output
    }
}

/// A residual sum: `clamp(roundHalfToEven(Float(x) * multiplier + Float(s) * sourceMultiplier))`.
///
/// x is the output of the layer before, s that of layer `source`, of the same shape. Both products and their sum
/// are rounded to binary32.
public struct QuantizedAdd: Equatable, Sendable {
    /// 0-based index of an earlier layer.
    public let source: Int
    /// Scale of x / output scale.
    public let multiplier: Float
    /// Scale of s / output scale.
    public let sourceMultiplier: Float
    public let output: QuantizedOutput

    public init(source: Int, multiplier: Float, sourceMultiplier: Float, output: QuantizedOutput) {
        self.source = source
        self.multiplier = multiplier
        self.sourceMultiplier = sourceMultiplier
        self.output = output
    }
}
