import Autodiff
import Kernels

/// What an optimizer changes: one array of a layer.
public struct ParameterSpec: Equatable, Sendable {
    public enum Role: Equatable, Sendable {
        case weight, bias
        /// Factor and offset of a normalised channel.
        case scale, shift
    }

    /// Place in `Architecture.layers`; that of the outermost layer for layers within layers.
    public let layer: Int
    public let role: Role
    /// Filters are [height, width, inputs / groups, outputs], dense weights [inputs, outputs], all else [outputs].
    public let shape: Shape
    /// Products that one output sums over; 1 for scales and shifts.
    public let fanIn: Int

    public var count: Int { shape.count }
}

/// What training counts instead of learning: a running statistic of a batch normalisation.
public struct StateSpec: Equatable, Sendable {
    public enum Role: Equatable, Sendable { case mean, variance }

    /// Place in `Architecture.layers`; that of the outermost layer for layers within layers.
    public let layer: Int
    public let role: Role
    public let shape: Shape
    /// The share of a batch: running ← (1 − momentum)·running + momentum·batch.
    public let momentum: Float
    /// Numbers of one image that a channel has.
    public let pixels: Int

    public var count: Int { shape.count }

    /// Moves running statistics towards those of a batch of `images`, as PyTorch does: a variance that is kept is
    /// the unbiased one.
    package func update(_ running: inout [Float], batch: UnsafePointer<Float>, images: Int) {
        let numbers = Float(images * pixels)
        let factor = role == .variance && numbers > 1 ? numbers / (numbers - 1) : 1
        for i in 0..<running.count {
            running[i] = (1 - momentum) * running[i] + momentum * (batch[i] * factor)
        }
    }
}

/// Why an architecture is no network. `layer` counts from 0.
public enum NetworkError: Error, Equatable, Sendable {
    /// Height, width, channels or classes is not positive, or there are more than 256 classes.
    case geometry
    /// A setting of this layer is outside of its range.
    case size(layer: Int, LayerSetting)
    /// The weights of this layer, or what it gives for one image, are more than 2^31 − 1 numbers.
    case large(layer: Int)
    /// The layer does not take the shape that comes in (batch of one).
    case shape(layer: Int, input: Shape, ShapeFault)
    /// The last layer gives something else than one number for each class.
    case logits(expected: Int, found: Shape)
}

/// What a layer can have wrong by itself.
public enum LayerSetting: Equatable, Sendable {
    /// From 1 to `largest`; the padding from 0.
    case filters, kernel, stride, padding, dilation, groups, units, window
    /// At least 0 and less than 1.
    case rate
    /// Above 0 and at most 1.
    case momentum
    /// Above 0 and less than 1.
    case epsilon
    /// At least one.
    case branches

    /// Kernels keep sizes in 32 bits; far below that, no product of them overflows.
    public static let largest = 1 << 20
}

/// One elementary operation of a network: nested lists of layers laid out one after the other.
///
/// What exporters walk: a step takes what earlier steps gave, and owns some parameters and state.
public struct NetworkStep: Equatable, Sendable {
    public enum Operation: Equatable, Sendable {
        /// Never `residual` or `concatenate`, which become the other cases.
        case layer(Layer)
        /// The sum of two inputs of one shape.
        case add
        /// All inputs one after the other along the last axis.
        case concatenate
    }

    public let operation: Operation
    /// Places in `Network.steps` of what comes in; −1 is the image.
    public let inputs: [Int]
    /// Place in `Architecture.layers` of the outermost layer that this step belongs to.
    public let layer: Int
    /// Places in `Network.parameters`.
    public let parameters: Range<Int>
    /// Places in `Network.state`.
    public let state: Range<Int>
    /// What the step gives for a batch of one.
    public let shape: Shape
    /// For one image.
    public let multiplyAccumulates: Int
}
