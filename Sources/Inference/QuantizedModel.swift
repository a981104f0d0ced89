import Kernels

/// The picture a model takes, and how its bytes become integers: `x = pixel - zeroPoints[channel]`.
///
/// The real value of `x` is `x * scale`; the scale is already folded into the first layer's multipliers and is
/// kept for people and for conversions back to floating point.
public struct InputGeometry: Equatable, Sendable {
    public let height: Int
    public let width: Int
    /// 1 (grey) or 3 (RGB), interleaved.
    public let channels: Int
    /// One per channel, each 0…255; a border of padding holds this pixel value, that is integer zero.
    public let zeroPoints: [Int32]
    public let scale: Float

    public init(height: Int, width: Int, channels: Int, zeroPoints: [Int32], scale: Float) {
        self.height = height
        self.width = width
        self.channels = channels
        self.zeroPoints = zeroPoints
        self.scale = scale
    }

    /// Bytes of one picture: height * width * channels.
    public var byteCount: Int { height * width * channels }
}

/// What becomes of an accumulator: `q = roundHalfToEven(Float(acc) * multiplier[channel])`, then this.
public enum QuantizedOutput: Equatable, Sendable {
    /// Clamped to `low…high` (−255…255, `low <= 0 < high`); `low: 0` is a fused ReLU.
    case activations(low: Int16, high: Int16)
    /// Kept as a 32-bit integer; only and always the last layer of a model.
    case logits
}

/// An int8 convolution with its bias, requantisation and ReLU.
public struct QuantizedConv2d: Equatable, Sendable {
    public let outputChannels: Int
    public let kernelHeight: Int
    public let kernelWidth: Int
    public let stride: Int
    /// Zeros added on each of the four sides; smaller than the kernel.
    public let padding: Int
    /// HWIO: `[kernelHeight][kernelWidth][inputChannels][outputChannels]`, symmetric, −127…127.
    public let weights: [Int8]
    /// One per output channel, in units of the accumulator.
    public let bias: [Int32]
    /// One positive finite factor per output channel: input scale * weight scale / output scale.
    public let multipliers: [Float]
    public let output: QuantizedOutput

    public init(
        outputChannels: Int, kernelHeight: Int, kernelWidth: Int, stride: Int, padding: Int,
        weights: [Int8], bias: [Int32], multipliers: [Float], output: QuantizedOutput
    ) {
        self.outputChannels = outputChannels
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

/// An int8 fully connected layer with its bias, requantisation and ReLU.
public struct QuantizedDense: Equatable, Sendable {
    public let outputs: Int
    /// `[inputs][outputs]`, symmetric, −127…127; inputs in HWC order after a flatten.
    public let weights: [Int8]
    /// One per output, in units of the accumulator.
    public let bias: [Int32]
    /// One positive finite factor per output; for logits they make one common scale, `logitScale`.
    public let multipliers: [Float]
    public let output: QuantizedOutput

    public init(
        outputs: Int, weights: [Int8], bias: [Int32], multipliers: [Float], output: QuantizedOutput
    ) {
        self.outputs = outputs
        self.weights = weights
        self.bias = bias
        self.multipliers = multipliers
        self.output = output
    }
}

/// A whole integer classifier whose shapes and integer ranges have been proven.
///
/// A value of this type can be executed without further checks: every accumulator fits 31 bits and every
/// requantisation is exact (`Float(bound) * multiplier < 2^22`).
public struct QuantizedModel: Equatable, Sendable {
    /// UTF-8, for people.
    public let name: [UInt8]
    public let input: InputGeometry
    public let layers: [QuantizedLayer]
    /// One UTF-8 label per class.
    public let labels: [[UInt8]]
    /// Real logit = integer logit * logitScale.
    public let logitScale: Float
    /// UTF-8 JSON that tells where the model comes from.
    public let provenance: [UInt8]
    /// The shape after each layer, the costs and the proven bounds.
    public let plan: [LayerPlan]

    /// Checks every shape, count and integer range; throws naming the layer (0-based) that breaks a rule.
    public init(
        name: [UInt8], input: InputGeometry, layers: [QuantizedLayer], labels: [[UInt8]],
        logitScale: Float, provenance: [UInt8]
    ) throws(QuantizedModelError) {
        plan = try ModelRules.check(
            name: name, input: input, layers: layers, labels: labels, logitScale: logitScale,
            provenance: provenance)
        self.name = name
        self.input = input
        self.layers = layers
        self.labels = labels
        self.logitScale = logitScale
        self.provenance = provenance
    }

    /// Multiply-accumulates of one picture, padding included.
    public var multiplyAccumulates: UInt64 { plan.reduce(0) { $0 + $1.multiplyAccumulates } }

    /// Int8 weights and biases.
    public var parameterCount: Int { plan.reduce(0) { $0 + $1.parameters } }
}
