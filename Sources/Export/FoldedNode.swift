import Autodiff

/// One layer of a `FusedNetwork`: what the integer executor does in one go.
public struct FoldedNode: Equatable, Sendable {
    public enum Operation: Equatable, Sendable {
        /// The picture once more, for networks whose branches begin at it.
        case picture
        /// Weights [kernel][kernel][inputs][outputs].
        case conv2d(outputs: Int, kernel: Int, stride: Int, padding: Int)
        /// Weights [kernel][kernel][channels].
        case depthwiseConv2d(kernel: Int, stride: Int, padding: Int)
        /// Weights [inputs][outputs].
        case dense(outputs: Int)
        case maxPool2d(window: Int, stride: Int)
        case averagePool2d(windowHeight: Int, windowWidth: Int, stride: Int)
        case add
        case flatten
    }

    /// What is part of the layer behind its sum.
    public enum Activation: Equatable, Sendable {
        case none, relu, relu6
    }

    public var operation: Operation
    /// Places of earlier nodes; −1 is the picture.
    public var inputs: [Int]
    public var activation = Activation.none
    /// Empty where the operation has none.
    public var weight: [Float] = []
    /// One for each output; empty where the operation has none.
    public var bias: [Float] = []
    /// What the node gives for a batch of one.
    public var shape: Shape
    /// Place in `Architecture.layers` of the layer that it was made of.
    public var layer: Int

    /// Channels of the output, the innermost axis.
    public var channels: Int { shape[shape.rank - 1] }

    public var isWeighted: Bool {
        switch operation {
        case .conv2d, .depthwiseConv2d, .dense: true
        case .picture, .maxPool2d, .averagePool2d, .add, .flatten: false
        }
    }

    /// Whether the output is rounded to a scale of its own; the others pass that of their input on.
    public var isRescaled: Bool {
        switch operation {
        case .conv2d, .depthwiseConv2d, .dense, .averagePool2d, .add: true
        case .picture, .maxPool2d, .flatten: false
        }
    }

    /// Whether each channel of the output is a positive multiple of the same channel of the input, or its maximum.
    var keepsChannels: Bool {
        switch operation {
        case .maxPool2d, .averagePool2d: true
        case .picture, .conv2d, .depthwiseConv2d, .dense, .add, .flatten: false
        }
    }

    public var name: String {
        switch operation {
        case .picture: "picture"
        case .conv2d: "conv2d"
        case .depthwiseConv2d: "depthwiseConv2d"
        case .dense: "dense"
        case .maxPool2d: "maxPool2d"
        case .averagePool2d: "averagePool2d"
        case .add: "add"
        case .flatten: "flatten"
        }
    }
}

extension FoldedNode.Activation {
    /// Both, one after the other.
    func followed(by next: FoldedNode.Activation) -> FoldedNode.Activation {
        self == .relu6 || next == .relu6 ? .relu6 : self == .none ? next : self
    }

    func callAsFunction(_ x: Value) -> Value {
        switch self {
        case .none: x
        case .relu: Autodiff.relu(x)
        case .relu6: Autodiff.relu6(x)
        }
    }
}
