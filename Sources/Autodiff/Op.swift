/// Every operation that a graph can hold; closed, so that the compiler lists each place to touch.
///
/// Shapes, formulas and gradients stand with the functions that record the ops, in `Ops/`.
/// The gradient of each op is made of ops of this list, so derivatives of any order are graphs too.
public enum Op: Equatable, Sendable {
    /// A value that the caller writes before each run.
    case input
    /// A value that an optimizer changes between runs.
    case parameter
    /// A scalar.
    case constant(Float)

    case add, subtract, multiply, divide
    case negate, exp, log, squareRoot, relu, sigmoid, tanh, erf
    case power(Float)
    /// The nearest integer, ties to even; its gradient is dy.
    case round
    /// The nearest number in low ... high.
    case clamp(low: Float, high: Float)
    /// (dy, y) → dy where y > 0, else 0.
    case reluGradient
    /// (dy, x) → dy where low < x < high, else 0.
    case clampGradient(low: Float, high: Float)
    /// (condition, a, b) of one shape → a where the condition is above 0, else b.
    case select
    /// (counter, a scalar) → uniform numbers in [0, 1) that are functions of seed, counter and place.
    case uniform(seed: UInt64)

    /// Sum over the axes whose bit is set; they stay, with extent 1.
    case sum(axes: AxisSet)
    /// Maximum over the axes whose bit is set; they stay, with extent 1.
    case maximum(axes: AxisSet)
    /// Repeats along axes of extent 1 and new outer axes, up to the shape of the node.
    case broadcast
    case reshape
    /// Output axis `i` is input axis `permutation[i]`.
    case transpose(Permutation)

    /// The part of x in the shape of the node that begins at this index.
    case slice(from: Shape)
    /// Zeros in the shape of the node, with x at this index.
    case pad(before: Shape)
    /// Any number of arrays one after the other along an axis.
    case concatenate(axis: Int)
    /// (x, indices) → rows of x, each the one that an index names.
    case gather
    /// (dy, indices) → zeros in the shape of the node, with each row of dy added to the row that its index names.
    case scatterAdd

    /// (a, b[, bias]) → a·b + bias, each matrix transposed first when asked; outer axes are a batch.
    case matmul(transposeA: Bool, transposeB: Bool)
    /// (x NHWC, filter HWIO[, bias]) → y NHWC.
    case conv2d(Convolution)
    /// (dy, filter) → gradient with respect to x, in the shape of the node.
    case conv2dInputGradient(Convolution)
    /// (x, dy) → gradient with respect to the filter, in the shape of the node.
    case conv2dFilterGradient(Convolution)

    case maxPool2d(Pooling)
    /// (dy, x) → zeros in the shape of x, with each dy added where its window of x has its first maximum.
    case maxPool2dScatter(Pooling)
    /// (v, x) → for each window the element of v at the place of the first maximum of x.
    case maxPool2dSelect(Pooling)

    /// Over all axes but the last: x → mean, (x, mean) → mean squared deviation.
    case batchMean, batchVariance
    /// (x, scale, shift, mean, variance) → (x − mean)·scale/√(variance + epsilon) + shift, statistics being those of x:
    /// the gradient with respect to x is the whole one, and none flows through mean and variance.
    case batchNorm(epsilon: Float)
    /// The same with statistics that are given.
    case normalize(epsilon: Float)
    /// (dy, x, mean, variance) → Σ dy·(x − mean)/√(variance + epsilon).
    case batchNormScaleGradient(epsilon: Float)
    /// (dy, x, scale, mean, variance, scale gradient, shift gradient) → gradient of `batchNorm` with respect to x.
    case batchNormInputGradient(epsilon: Float)

    /// Along the last axis.
    case softmax, logSoftmax

    /// The name in error messages and profiles.
    public var name: StaticString {
        switch self {
        case .input: "input"
        case .parameter: "parameter"
        case .constant: "constant"
        case .add: "add"
        case .subtract: "subtract"
        case .multiply: "multiply"
        case .divide: "divide"
        case .negate: "negate"
        case .exp: "exp"
        case .log: "log"
        case .squareRoot: "squareRoot"
        case .relu: "relu"
        case .sigmoid: "sigmoid"
        case .tanh: "tanh"
        case .erf: "erf"
        case .power: "power"
        case .round: "round"
        case .clamp: "clamp"
        case .reluGradient: "reluGradient"
        case .clampGradient: "clampGradient"
        case .select: "select"
        case .uniform: "uniform"
        case .sum: "sum"
        case .maximum: "maximum"
        case .broadcast: "broadcast"
        case .reshape: "reshape"
        case .transpose: "transpose"
        case .slice: "slice"
        case .pad: "pad"
        case .concatenate: "concatenate"
        case .gather: "gather"
        case .scatterAdd: "scatterAdd"
        case .matmul: "matmul"
        case .conv2d: "conv2d"
        case .conv2dInputGradient: "conv2dInputGradient"
        case .conv2dFilterGradient: "conv2dFilterGradient"
        case .maxPool2d: "maxPool2d"
        case .maxPool2dScatter: "maxPool2dScatter"
        case .maxPool2dSelect: "maxPool2dSelect"
        case .batchMean: "batchMean"
        case .batchVariance: "batchVariance"
        case .batchNorm: "batchNorm"
        case .normalize: "normalize"
        case .batchNormScaleGradient: "batchNormScaleGradient"
        case .batchNormInputGradient: "batchNormInputGradient"
        case .softmax: "softmax"
        case .logSoftmax: "logSoftmax"
        }
    }

    /// Whether the numbers come from outside the graph.
    public var isLeaf: Bool {
        switch self {
        case .input, .parameter, .constant: true
        default: false
        }
    }
}

/// Stride, zero padding and dilation of a convolution, the same for rows and columns, and its groups.
public struct Convolution: Equatable, Sendable {
    public var stride: Int
    public var padding: Int
    /// From one tap of the kernel to the next.
    public var dilation: Int
    /// Parts of the channels that do not see each other; as many as channels in a depthwise convolution.
    public var groups: Int

    public init(stride: Int = 1, padding: Int = 0, dilation: Int = 1, groups: Int = 1) {
        self.stride = stride
        self.padding = padding
        self.dilation = dilation
        self.groups = groups
    }

    /// Whether every output channel sees every input channel through a kernel without holes.
    public var isPlain: Bool { dilation == 1 && groups == 1 }

    /// The extent that a kernel covers.
    public func reach(ofKernel kernel: Int) -> Int { dilation * (kernel - 1) + 1 }

    /// The output extent along one axis; less than 1 when the kernel does not fit.
    public func output(of extent: Int, kernel: Int) -> Int {
        let room = extent + 2 * padding - reach(ofKernel: kernel)
        return room < 0 ? 0 : room / stride + 1
    }
}

/// Square window and stride of a pooling, without padding; rows and columns left over at the end are dropped.
public struct Pooling: Equatable, Sendable {
    public var window: Int
    public var stride: Int

    public init(window: Int, stride: Int) {
        self.window = window
        self.stride = stride
    }

    /// The output extent along one axis; less than 1 when the window does not fit.
    public func output(of extent: Int) -> Int { extent < window ? 0 : (extent - window) / stride + 1 }
}

/// A set of axes, one bit each.
public struct AxisSet: OptionSet, Equatable, Sendable {
    public let rawValue: UInt8

    public init(rawValue: UInt8) { self.rawValue = rawValue }

    public init(axes: [Int]) {
        var bits: UInt8 = 0
        for axis in axes where axis >= 0 && axis < 8 { bits |= 1 << UInt8(axis) }
        rawValue = bits
    }

    public func contains(axis: Int) -> Bool { rawValue & (1 << UInt8(axis)) != 0 }
}

/// A permutation of at most six axes, four bits each.
public struct Permutation: Equatable, Sendable {
    public let rank: Int
    private let packed: UInt32

    /// The permutation whose element `i` is `axes[i]`, or nil when it is none.
    public init?(_ axes: [Int]) {
        guard axes.count <= Shape.maximumRank else { return nil }
        var seen: UInt32 = 0
        var bits: UInt32 = 0
        for (place, axis) in axes.enumerated() {
            guard axis >= 0, axis < axes.count, seen & (1 << UInt32(axis)) == 0 else { return nil }
            seen |= 1 << UInt32(axis)
            bits |= UInt32(axis) << UInt32(4 * place)
        }
        rank = axes.count
        packed = bits
    }

    public subscript(place: Int) -> Int { Int((packed >> UInt32(4 * place)) & 15) }

    /// The permutation that undoes this one.
    public var inverse: Permutation {
        var bits: UInt32 = 0
        for place in 0..<rank { bits |= UInt32(place) << UInt32(4 * self[place]) }
        return Permutation(rank: rank, packed: bits)
    }

    private init(rank: Int, packed: UInt32) {
        self.rank = rank
        self.packed = packed
    }
}
